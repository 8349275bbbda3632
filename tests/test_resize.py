"""Pictures and volumes: which axes are resized, in whose way; and the adjoint of interpolate."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import upshape as up
from upshape import dialects, reference, resizing, tables

GRAY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
MEANS = ["linear", "cubic", "lanczos", "area", "box", "hamming"]


def test_each_channel_is_a_picture_of_its_own(rng):
    picture = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    for mode in ("nearest", *MEANS):
        last = up.resize(picture, (13, 41), mode, channel_axis=-1)
        assert last.shape == (13, 41, 3)
        assert last.dtype == np.uint8
        first = up.resize(np.moveaxis(picture, -1, 0), (13, 41), mode, channel_axis=0)
        middle = up.resize(np.moveaxis(picture, -1, 1), (13, 41), mode, channel_axis=1)
        for c in range(3):
            alone = up.resize(picture[..., c], (13, 41), mode).astype(int)
            for one in (last[..., c], first[c], middle[:, c]):
                # In another layout fixed point may round what is close to a tie the other way.
                assert np.abs(one - alone).max() <= (mode != "nearest")
                assert (one != alone).mean() < 0.02


def test_volumes_rows_and_volumes_of_channels(rng):
    volume = rng.random((5, 6, 7))
    assert up.resize(volume, (3, 8, 9)).shape == (3, 8, 9)
    assert up.resize(volume, 4).shape == (4, 4, 4)
    assert up.resize(rng.random(9), 4).shape == (4,)
    assert up.resize(rng.random((5, 6, 7, 2)), (3, 4, 5), channel_axis=-1).shape == (3, 4, 5, 2)
    assert up.resize(rng.random((9, 2)), 4, channel_axis=-1).shape == (4, 2)
    thin = rng.random((5, 6, 3))
    assert up.resize(thin[..., None], (4, 4, 4), channel_axis=-1).shape == (4, 4, 4, 1)


@pytest.mark.parametrize("like", [None, "torch", "pillow", "skimage"])
def test_out_and_every_layout(like, rng):
    x = rng.random((9, 13)).astype(np.float32)
    expected = up.resize(x, (5, 20), like=like)
    out = np.zeros((20, 5), np.float32).T
    assert up.resize(x, (5, 20), like=like, out=out) is out
    assert np.array_equal(out, expected)
    for view in (x[::-1][::-1], np.asfortranarray(x), np.repeat(x, 2, 0)[::2]):
        assert np.array_equal(up.resize(view, (5, 20), like=like), expected)
    out = np.zeros((5, 20, 4), np.uint8)[..., :3]
    colours = rng.integers(0, 256, (9, 13, 3)).astype(np.uint8)
    assert np.array_equal(
        up.resize(colours, (5, 20), channel_axis=-1, like=like, out=out),
        up.resize(colours, (5, 20), channel_axis=-1, like=like),
    )


def test_without_like_the_kernels_are_the_references(rng):
    kernels = {
        "linear": (reference.linear_kernel, 1),
        "cubic": (lambda x: reference.cubic_kernel(x, -0.5), 2),
        "lanczos": (reference.lanczos_kernel, 3), "box": (reference.box_kernel, 0.5),
        "hamming": (reference.hamming_kernel, 1),
    }  # fmt: skip
    for _, mode in itertools.product(range(8), kernels):
        h, w, oh, ow = (int(n) for n in rng.integers(1, 40, 4))
        x = rng.random((h, w))
        y = up.resize(x, (oh, ow), mode)
        kernel, radius = kernels[mode]
        expected = reference.resample(x, [
            np.eye(i) if i == o else reference.antialias_matrix(i, o, kernel, radius)
            for i, o in ((h, oh), (w, ow))
        ])  # fmt: skip
        assert np.abs(y - expected).max() < 1e-12


def test_nearest_is_the_pixel_under_the_centre():
    for i, o in itertools.product(range(1, 40), range(1, 40)):
        y = up.resize(np.arange(i), o, "nearest")
        expected = [min(int(Fraction((2 * d + 1) * i, 2 * o)), i - 1) for d in range(o)]
        assert y.tolist() == expected


def position(coordinates, d, i, o):
    """Return where a pixel lies, by the operator's text, as a fraction."""
    if coordinates == "align_corners":
        return Fraction(d * (i - 1), max(o - 1, 1))
    if coordinates == "asymmetric":
        return Fraction(d * i, o)
    if coordinates == "pytorch_half_pixel" and o == 1:
        return Fraction(0)
    return Fraction((2 * d + 1) * i, 2 * o) - (coordinates != "tf_half_pixel_for_nn") * HALF


HALF = Fraction(1, 2)
ROUNDINGS = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda x: math.ceil(x - HALF),
    "round_prefer_ceil": lambda x: math.floor(x + HALF),
}


@pytest.mark.parametrize("coordinates", tables.COORDINATES)
@pytest.mark.parametrize("rounding", tables.ROUNDINGS)
def test_nearest_is_exact_with_every_coordinate_and_rounding(coordinates, rounding):
    """Ties too: 3 pixels to 47 have one of which float64 makes 0.999..."""
    how = {"coordinates": coordinates, "nearest_mode": rounding}
    for i, o in itertools.product((1, 2, 3, 7, 14, 15, 36), (1, 2, 7, 25, 28, 47, 49)):
        expected = [
            min(max(ROUNDINGS[rounding](position(coordinates, d, i, o)), 0), i - 1)
            for d in range(o)
        ]
        assert up.resize(np.arange(i), o, "nearest", **how).tolist() == expected


def test_coordinates_by_onnxs_names():
    row = np.arange(4.0)
    assert up.resize(row, 7, coordinates="align_corners").tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert up.resize(row, 2, coordinates="asymmetric", antialias=False).tolist() == [0, 2]
    one = {"antialias": False, "coordinates": "pytorch_half_pixel"}
    assert up.resize(row, 1, **one).tolist() == [0]
    assert up.resize(row, 1, antialias=False).tolist() == [1.5]


def test_the_cubic_coefficient_and_what_lies_outside():
    row = np.array([0.0, 0, 1, 0, 0])
    for a in (-0.75, -0.5, -1.0):
        y = up.resize(row, 10, "cubic", antialias=False, cubic_coeff_a=a)
        assert np.allclose(y, reference.cubic_matrix(5, 10, a=a) @ row)
    inside = up.resize(row, 10, "cubic", antialias=False, exclude_outside=True)
    matrix = np.array([
        [reference.cubic_kernel((d + 0.5) / 2 - 0.5 - p) for p in range(5)] for d in range(10)
    ])  # fmt: skip
    assert np.allclose(inside, matrix / matrix.sum(1, keepdims=True) @ row)


def test_a_policy_keeps_the_aspect_ratio():
    x = np.zeros((20, 40))
    assert up.resize(x, (10, 10), keep_aspect_ratio_policy="not_larger").shape == (5, 10)
    assert up.resize(x, (10, 10), keep_aspect_ratio_policy="not_smaller").shape == (10, 20)
    assert up.resize(x, (10, 10)).shape == (10, 10)
    assert up.resize(x, scale_factor=0.5).shape == (10, 20)
    assert up.resize(x, scale_factor=(0.5, 0.25)).shape == (10, 10)


@pytest.mark.parametrize("like", dialects.DIALECTS)
def test_a_policys_sizes_are_onnxs_in_every_librarys_way(like):
    """100 by 50 / 30 is 166.67: ONNX rounds it, where a factor alone would be rounded down."""
    x = np.linspace(0, 1, 3000).reshape(100, 30)
    y = up.resize(x, (7, 50), keep_aspect_ratio_policy="not_smaller", like=like)
    assert y.shape == (167, 50)
    if like not in (None, "onnx"):
        assert np.array_equal(y, up.resize(x, (167, 50), like=like))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
def test_pillows_integers_are_rounded_after_each_axis(dtype):
    """A half goes up to 1, and the half of that again; the mean of all four is a quarter."""
    x = np.array([[0, 1], [0, 0]], dtype)
    assert up.resize(x, (1, 1), "box", like="pillow").tolist() == [[1]]
    assert up.resize(x, (1, 1), "box").tolist() == [[0]]
    if dtype == "int32":
        assert up.resize(-x, (1, 1), "box", like="pillow").tolist() == [[-1]]


def test_pillows_wide_integers_are_sums_of_float64(rng):
    """The definition, axis by axis, in numbers that float64 holds."""
    kernels = {"linear": (reference.linear_kernel, 1), "lanczos": (reference.lanczos_kernel, 3)}
    for mode, (kernel, radius) in kernels.items():
        for h, w, oh, ow in ((40, 9, 5, 30), (31, 40, 62, 11), (300, 3, 20, 1), (7, 8, 7, 5)):
            x = rng.integers(0, 65536, (h, w, 3)).astype(np.uint16)
            y = up.resize(x, (oh, ow), mode, channel_axis=-1, like="pillow")
            down_first = h - oh > max(2 * (w - ow), 0)
            z = x.astype(np.float64)
            for axis in (0, 1) if down_first else (1, 0):
                i, o = z.shape[axis], (oh, ow)[axis]
                if i == o:
                    continue
                matrix = reference.antialias_matrix(i, o, kernel, radius)
                z = np.moveaxis(np.tensordot(matrix, z, (1, axis)), 0, axis)
                z = np.clip(np.floor(z + 0.5), 0, 65535)
            assert y.dtype == np.uint16
            assert np.array_equal(y, z)


def pytorchs_cubic(row, o):
    """Return a row of bytes, by PyTorch's taps: those beyond the border join the border's one.

    One by one; the largest weight on the way decides how many bits all have.
    """
    i = len(row)
    taps, largest = [], 0.0
    for d in range(o):
        position = (d + 0.5) * (i / o) - 0.5
        low = math.floor(position)
        weights = dict.fromkeys(range(i), 0.0)
        for k in range(low - 1, low + 3):
            pixel = min(max(k, 0), i - 1)
            weights[pixel] += reference.cubic_kernel(k - position, -0.75)
            largest = max(largest, weights[pixel])
        taps.append({pixel: weight for pixel, weight in weights.items() if weight})
    bits = 0
    while bits < 22 and int(0.5 + largest * 2 ** (bits + 1)) < 1 << 15:
        bits += 1
    sums = [
        sum(int(w * 2**bits + math.copysign(0.5, w)) * int(row[p]) for p, w in own.items())
        for own in taps
    ]
    return [min(max(total + (1 << bits - 1) >> bits, 0), 255) for total in sums]


@pytest.mark.parametrize(
    ("i", "o"), [(194, 193), (193, 192), (300, 299), (301, 302), (257, 255), (5, 11), (40, 13)]
)
def test_pytorchs_bytes_have_the_bits_of_the_largest_weight_on_the_way(rng, i, o):
    """From 194 pixels to 193 the last one's weight is 1, but for a tap beyond, which lessens it."""
    for _ in range(5):
        row = rng.integers(0, 256, i).astype(np.uint8)
        y = up.resize(row, o, "cubic", like="torch", antialias=False)
        assert y.tolist() == pytorchs_cubic(row, o)
        column = up.resize(row[:, None], (o, 1), "cubic", like="torch", antialias=False)
        assert np.array_equal(column[:, 0], y)


def test_opencvs_area_grows_by_float32():
    """Pixel 29 of 58 lies at 7 of 14, which its double makes 6.999...: all of pixel 6."""
    y = up.resize(np.arange(14.0), 58, "area", like="opencv")
    assert y[28:31].tolist() == [6, 6, 7]


def test_a_file_name_is_no_picture(tmp_path):
    for path in ("picture.png", b"picture.png", tmp_path):
        with pytest.raises(TypeError, match=r"image=.* is no array; read a file first"):
            up.resize(path, 4)


def test_lists_and_pictures_of_pillow_are_taken():
    assert up.resize([[0.0, 1.0], [2.0, 3.0]], (1, 1)).tolist() == [[1.5]]
    image = pytest.importorskip("PIL.Image").fromarray(GRAY)
    assert np.array_equal(up.resize(image, (2, 3)), up.resize(GRAY, (2, 3)))
    with pytest.raises(ValueError, match="pass channel_axis=-1 to keep its 3 channels"):
        up.resize(image.convert("RGB"), (2, 3))


def test_sizes_and_factors_are_taken_as_numbers_of_any_kind():
    for size in ([4, 5], np.array([4, 5]), (np.int64(4), np.uint8(5))):
        assert up.resize(GRAY, size).shape == (4, 5)
    assert up.resize(GRAY, np.array(4)).shape == (4, 4)
    for factor in (Fraction(2), np.float32(2), np.array([2, 2]), (2, 2.0)):
        assert up.resize(GRAY, scale_factor=factor).shape == (6, 8)
    volume = np.ones((3, 9, 9))
    assert up.resize(volume, (3, 4, 4)).shape == (3, 4, 4)
    assert up.resize(volume, scale_factor=(1, 2, 2)).shape == (3, 18, 18)
    slices = np.ones((2, 9, 9, 3))
    assert up.resize(slices, (2, 4, 4), channel_axis=-1).shape == (2, 4, 4, 3)


@pytest.mark.parametrize(
    ("match", "call"),
    [
        (r"size=4.5 must be an int, or a tuple or list of 2 \(H, W\), not float",
         lambda: up.resize(GRAY, 4.5)),
        (r"size=range\(4, 6\) must be an int, or a tuple or list of 2",
         lambda: up.resize(GRAY, range(4, 6))),
        (r"scale_factor=2j must be numbers, one number for all spatial axes, or 2 \(H, W\)",
         lambda: up.resize(GRAY, scale_factor=2j)),
        (r"image has dtype int64; .*convert it with np.asarray\(image, np.float32\)",
         lambda: up.resize([[0, 1], [2, 3]], 4)),
        (r"image has dtype int64; .*convert it with image.astype\(np.float32\)",
         lambda: up.resize(np.array([[0, 1], [2, 3]]), 4)),
    ],
)  # fmt: skip
def test_what_is_of_the_wrong_kind_is_told(match, call):
    with pytest.raises(TypeError, match=match):
        call()


@pytest.mark.parametrize("mode", ["nearest", *MEANS])
def test_no_number_stays_where_it_is_taken(mode):
    """What takes nothing of a NaN is a number, whatever lies beside it."""
    x = np.ones((40, 40), np.float32)
    x[20:22, 20:22] = np.nan
    for size in ((80, 80), (20, 20), (33, 57)):
        y = up.resize(x, size, mode)
        wrong = np.argwhere(np.isnan(y)) * 40 / size
        assert len(wrong)
        reach = 3.5 * max(1, 40 / min(size)) + 1
        assert np.abs(wrong - 21).max() < reach
        assert np.allclose(y[~np.isnan(y)], 1, atol=1e-5)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "int32", "bool", "float16"])
def test_dtypes_and_ranges_are_kept(dtype, rng):
    x = (rng.standard_normal((30, 31)) * 1000).astype(dtype)
    for mode in ("nearest", *MEANS):
        y = up.resize(x, (11, 50), mode)
        assert y.dtype == x.dtype
        if mode != "nearest" and dtype != "float16":
            exact = up.resize(x.astype(np.float64), (11, 50), mode)
            limits = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
            assert np.abs(y - np.clip(exact, *limits)).max() <= 0.501
    with pytest.raises(TypeError, match="image has dtype int64"):
        up.resize(x.astype(np.int64), 4)


@pytest.mark.parametrize(
    ("match", "call"),
    [
        ("channel_axis=-1 to keep its 3 channels", lambda: up.resize(np.ones((9, 9, 3)), (4, 4))),
        ("channel_axis=-1 to keep its 1 channels",
         lambda: up.resize(np.ones((9, 9, 1)), (4, 4, 4))),
        ("channel_axis=0 to keep its 3 channels", lambda: up.resize(np.ones((3, 9, 9)), 4)),
        (r"size=\(4, 4\) has 2 numbers; give 3", lambda: up.resize(np.ones((9, 9, 9)), (4, 4))),
        ("pass batches to up.interpolate", lambda: up.resize(np.ones((2, 9, 9, 3)), 4)),
        ("with channel_axis=-1 it must have 2, 3 or 4",
         lambda: up.resize(np.ones((1, 1, 9, 9, 3)), 4, channel_axis=-1)),
        ("channel_axis=2 must be from -2 to 1", lambda: up.resize(GRAY, 4, channel_axis=2)),
        ("mode='quintic' must be one of nearest, nearest-exact, linear, cubic, lanczos, area",
         lambda: up.resize(GRAY, 4, "quintic")),
        ("mode='cubic' must be one of nearest, linear with like='skimage'",
         lambda: up.resize(GRAY, 4, "cubic", like="skimage")),
        ("like='gimp' must be one of torch, opencv", lambda: up.resize(GRAY, 4, like="gimp")),
        ("which is never antialiased",
         lambda: up.resize(GRAY, 4, like="opencv", antialias=True)),
        ("which is always antialiased",
         lambda: up.resize(GRAY, 4, like="pillow", antialias=False)),
        ("coordinates='asymmetric' is ONNX's; like='opencv' has its own",
         lambda: up.resize(GRAY, 4, like="opencv", coordinates="asymmetric")),
        ("coordinates='tf_crop_and_resize' is two steps; crop the image first",
         lambda: up.resize(GRAY, 4, coordinates="tf_crop_and_resize")),
        ("coordinates='half' must be one of half_pixel",
         lambda: up.resize(GRAY, 4, coordinates="half")),
        ("nearest_mode has no meaning with mode='linear'",
         lambda: up.resize(GRAY, 4, nearest_mode="floor")),
        ("cubic_coeff_a has no meaning", lambda: up.resize(GRAY, 4, cubic_coeff_a=-0.5)),
        ("cubic_coeff_a=nan must be finite",
         lambda: up.resize(GRAY, 4, "cubic", cubic_coeff_a=float("nan"))),
        ("exclude_outside has no meaning",
         lambda: up.resize(GRAY, 4, "nearest", exclude_outside=True)),
        ("keep_aspect_ratio_policy='crop' must be one of stretch",
         lambda: up.resize(GRAY, 4, keep_aspect_ratio_policy="crop")),
        ("keep_aspect_ratio_policy='not_larger' is for size",
         lambda: up.resize(GRAY, scale_factor=2, keep_aspect_ratio_policy="not_larger")),
        ("give one of size and scale_factor", lambda: up.resize(GRAY)),
        ("out has shape", lambda: up.resize(GRAY, 4, out=np.zeros((4, 5), np.uint8))),
        ("scale_factor=2 takes input_size",
         lambda: up.interpolate_backward(np.ones((1, 1, 9)), 4, 2)),
        ("input_size=9223372036854775808 is too large; an axis can have 2147483647 at most",
         lambda: up.interpolate_backward(np.ones((1, 1, 9)), 2**63, 0.5)),
        ("other images or channels",
         lambda: up.interpolate_backward(np.ones((1, 1, 9)), (1, 2, 4))),
        (r"image has shape \(8, 9, 0\); no axis can be 0",
         lambda: up.resize(np.ones((8, 9, 0)), (4, 4), channel_axis=-1)),
        (r"image has shape \(0, 9\); no axis can be 0", lambda: up.resize(np.ones((0, 9)), 4)),
        (r"size=\(4, 4\) has 2 numbers; give 3, or pass batches to up.interpolate",
         lambda: up.resize(np.ones((2, 3, 9, 9)), (4, 4), channel_axis=1)),
        (r"shape \(1, 9, 9, 3\) and looks like a batch of 1 of pictures; pass batches to up.int",
         lambda: up.resize(np.ones((1, 9, 9, 3)), 4, channel_axis=-1)),
        ("a batch of 2 .* or three numbers for scale_factor if it is a volume",
         lambda: up.resize(np.ones((3, 2, 9, 9)), scale_factor=2, channel_axis=0)),
        (r"scale_factor=\(2, 2\) has 2 numbers; give 3, or say which axis is the channels",
         lambda: up.resize(np.ones((9, 9, 9)), scale_factor=(2, 2))),
        ("mode='INTER_CUBIC' must be one of .*; did you mean 'cubic'",
         lambda: up.resize(GRAY, 4, "INTER_CUBIC")),
        ("like='cv2' must be one of .*; did you mean 'opencv'",
         lambda: up.resize(GRAY, 4, like="cv2")),
        ("its order=3 is a spline", lambda: up.resize(GRAY, 4, "bicubic", like="skimage")),
        ("its mean of pixels is mode='box'", lambda: up.resize(GRAY, 4, "area", like="pillow")),
        ("coordinates has no meaning with mode='nearest' and like='torch'",
         lambda: up.resize(GRAY, 4, "nearest", like="torch", coordinates="align_corners")),
        ("coordinates has no meaning with mode='lanczos' and like='torch'",
         lambda: up.resize(GRAY, 4, "lanczos", like="torch", coordinates="align_corners")),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(match, call):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize("name", ["coordinates", "nearest_mode", "cubic_coeff_a"])
@pytest.mark.parametrize(
    "value", [np.array([2.5, 3]), np.array([]), np.array(["floor", "x"]), [1, 2]], ids=str
)
def test_an_array_is_no_word_and_no_number(name, value):
    mode = "nearest" if name == "nearest_mode" else "cubic"
    with pytest.raises((TypeError, ValueError), match=f"resize: {name}=.* must be"):
        up.resize(GRAY, 4, mode, **{name: value})


def test_every_dialects_mode_runs(rng):
    x = rng.integers(0, 256, (17, 23)).astype(np.uint8)
    for like, modes in dialects.DIALECTS.items():
        for mode, way in modes.items():
            for antialias in (None, False, True):
                if antialias is not None and way.convention(antialias) is None:
                    continue
                for size in ((5, 40), (17, 9), (30, 23), (1, 1)):
                    y = up.resize(x, size, mode, like=like, antialias=antialias)
                    assert y.shape == size
                    assert np.array_equal(
                        up.resize(np.full_like(x, 77), size, mode, like=like, antialias=antialias),
                        np.full(size, 77),
                    )


# --- the adjoint ----------------------------------------------------------------------------------

MODES = ["nearest", "nearest-exact", "linear", "cubic", "area"]


def draw_way(rng):
    axes = int(rng.integers(1, 4))
    mode = str(rng.choice([*MODES, "lanczos"]))
    antialias = mode == "lanczos" or (mode in ("linear", "cubic") and bool(rng.random() < 0.5))
    corners = True if mode in ("linear", "cubic") and rng.random() < 0.3 else None
    if mode in ("linear", "cubic"):
        mode = {1: "", 2: "bi", 3: "tri"}[axes] + mode
    most = {1: 60, 2: 16, 3: 8}[axes]
    inputs = tuple(int(n) for n in rng.integers(1, most, axes))
    return inputs, tuple(int(n) for n in rng.integers(1, most, axes)), {
        "mode": mode, "antialias": antialias, "align_corners": corners
    }  # fmt: skip


def test_what_is_taken_is_given_back(rng):
    """<A x, y> = <x, A^T y>, in every mode."""
    for _ in range(300):
        inputs, sizes, how = draw_way(rng)
        last = bool(rng.random() < 0.5)
        shape = (2, *inputs, 3) if last else (2, 3, *inputs)
        how["channel_axis"] = -1 if last else 1
        x = rng.standard_normal(shape)
        there = up.interpolate(x, size=sizes, **how)
        y = rng.standard_normal(there.shape)
        back = up.interpolate_backward(y, shape, **how)
        assert back.shape == x.shape
        allowed = 1e-11 * (1 + (abs(there) * abs(y)).sum())
        assert abs((there * y).sum() - (x * back).sum()) < allowed


def test_integers_come_back_exactly(rng):
    """With weights that are binary fractions, and integers, both products are equal as they are."""
    for mode, factor in itertools.product(MODES, (2, 4, 0.5)):
        x = rng.integers(-50, 50, (1, 2, 32)).astype(np.float64)
        there = up.interpolate(x, scale_factor=factor, mode=mode)
        y = rng.integers(-50, 50, there.shape).astype(np.float64)
        back = up.interpolate_backward(y, 32, factor, mode=mode)
        assert (there * y).sum() == (x * back).sum()


def test_fractions_prove_the_tables_adjoint(rng):
    for kernel in ("linear", "cubic", "area", "lanczos"):
        taps = tables.Convention(kernel).taps(9, 14)
        back = resizing.Adjoint("", False, tables.Convention(kernel), True).taps(14, 9)
        x, y = (rng.integers(-9, 9, n).tolist() for n in (9, 14))

        def product(table, values):
            return [
                sum(Fraction(w) * values[first + k] for k, w in enumerate(weights.tolist())
                    if w)
                for first, weights in zip(table.first.tolist(), table.weights, strict=True)
            ]  # fmt: skip

        there, given = product(taps, x), product(back, y)
        assert sum(map(Fraction.__mul__, there, map(Fraction, y))) == sum(
            map(Fraction.__mul__, given, map(Fraction, x))
        )


def test_the_adjoint_of_factors_and_dtypes(rng):
    for dtype in ("float32", "float64", "float16"):
        x = rng.standard_normal((1, 3, 10, 11)).astype(dtype)
        y = up.interpolate(x, scale_factor=1.7, mode="bilinear")
        out = np.empty_like(x)
        back = up.interpolate_backward(y, (10, 11), 1.7, mode="bilinear", out=out)
        assert back is out
        exact = up.interpolate_backward(y.astype(np.float64), (10, 11), 1.7, mode="bilinear")
        assert np.abs(back - exact).max() < {"float16": 2e-2}.get(dtype, 1e-5)
    assert up.interpolate_backward(y, np.array(x.shape), 1.7, mode="bilinear").shape == x.shape
    with pytest.raises(TypeError, match="grad has dtype uint8"):
        up.interpolate_backward(np.ones((1, 1, 4), np.uint8), 2)


def test_no_memory_names_the_shape_of_the_image():
    with pytest.raises(MemoryError, match=r"resize: cannot .* shape \(4194304, 8388608\)"):
        up.resize(np.zeros((10, 10), np.uint8), (1 << 22, 1 << 23))
