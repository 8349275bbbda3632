"""Linear interpolation: the exact value, rounded, in every dtype, layout and shape."""

import ctypes
import mmap
import sys
from fractions import Fraction

import numpy as np
import pytest
from assertions import assert_close_linear, assert_same_pixels, assert_within, unmodified
from hypothesis import given
from hypothesis import strategies as st

import upshape as up
from upshape import interpolation, reference, runtime, spreading, weighing

EDGES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97]
DTYPES = [np.float32, np.float64, np.float16, np.uint8]
MODE = {1: "linear", 2: "bilinear", 3: "trilinear"}


def random_array(rng, shape, dtype):
    if np.dtype(dtype) == np.uint8:
        return rng.integers(0, 256, shape).astype(np.uint8)
    return rng.standard_normal(shape).astype(dtype)


@pytest.fixture
def fresh_plans(monkeypatch):
    """Make every plan anew, and let the smallest array wake every thread."""
    interpolation._plans.clear()
    interpolation._resizes.clear()
    monkeypatch.setattr(interpolation, "_THREAD_BYTES", 1)
    yield monkeypatch
    interpolation._plans.clear()
    interpolation._resizes.clear()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constant_stays_constant(dtype):
    for shape, size in [((1, 2, 5), 17), ((1, 2, 5, 7), (8, 31)), ((1, 1, 3, 4, 5), (5, 5, 50))]:
        x = np.full(shape, 3, dtype)
        y = up.interpolate(x, size, mode=MODE[x.ndim - 2])
        assert_within(y, np.full(y.shape, 3.0), 3 * 4 * 2.0**-24 * (dtype != np.uint8) * x.ndim)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_an_axis_that_keeps_its_size_is_copied_whatever_the_factor(rng, dtype, align_corners):
    x = random_array(rng, (2, 3, 9, 17), dtype)
    x[0, 0, 0, 0] = 255
    y = up.interpolate(x, scale_factor=1.02, mode="bilinear", align_corners=align_corners)
    assert_same_pixels(y, x)
    y = up.interpolate(x, scale_factor=(2, 1.02), mode="bilinear", align_corners=align_corners)
    z = up.interpolate(
        x.transpose(0, 1, 3, 2).reshape(2, 51, 9), 18, mode="linear", align_corners=align_corners
    )
    assert_same_pixels(y, np.ascontiguousarray(z.reshape(2, 3, 17, 18).transpose(0, 1, 3, 2)))


def test_aligned_corners_keep_the_corners(rng):
    x = random_array(rng, (1, 2, 5, 7), np.float32)
    y = up.interpolate(x, size=(11, 30), mode="bilinear", align_corners=True)
    assert_same_pixels(
        np.ascontiguousarray(y[..., ::10, ::29]), np.ascontiguousarray(x[..., ::4, ::6])
    )


def test_a_plane_is_reproduced_between_its_pixels():
    """a + bx + cy is what bilinear interpolation is exact for."""
    y, x = np.mgrid[:6, :9]
    plane = (2.0 + 3 * x - 5 * y)[None, None]
    result = up.interpolate(plane, size=(26, 41), mode="bilinear", align_corners=True)
    fine_y, fine_x = np.meshgrid(np.linspace(0, 5, 26), np.linspace(0, 8, 41), indexing="ij")
    assert_within(result[0, 0], 2 + 3 * fine_x - 5 * fine_y, 1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("shape", [(1, 2, 9, 64), (1, 1, 5, 1024), (1, 2, 4, 2048), (1, 32, 9, 64)])
def test_streamed_results_have_the_same_bits(rng, dtype, shape, fresh_plans):
    """Rows of whole lines go straight past the cache, others by way of a stage."""
    x = random_array(rng, shape, dtype)
    for layout in (np.asarray, lambda x: np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)):
        arguments = {"scale_factor": 2, "mode": "bilinear"}
        plain = up.interpolate(layout(x), **arguments)
        fresh_plans.setattr(interpolation, "_STREAMED_FROM", 0)
        interpolation._plans.clear()
        interpolation._resizes.clear()
        assert_same_pixels(up.interpolate(layout(x), **arguments), plain)
        raw = np.empty(plain.nbytes + 64, np.uint8)
        for start in (0, 8, 16, 32, 40):
            out = raw[start : start + plain.nbytes].view(dtype).reshape(plain.shape)
            up.interpolate(layout(x), out=out, **arguments)
            assert_same_pixels(out, plain)
        fresh_plans.undo()
        interpolation._plans.clear()
        interpolation._resizes.clear()


def test_infinity_and_nan_stay_where_they_have_weight():
    x = np.array([1, 2, np.inf, 4, np.nan, 6, 7, 8], np.float32)[None, None]
    y = up.interpolate(x, scale_factor=2, mode="linear")[0, 0]
    assert np.array_equal(
        np.isfinite(y), [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    )
    last = up.interpolate(x[..., :3], scale_factor=2, mode="linear")[0, 0]
    assert last[-3:].tolist() == [np.inf] * 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("i", EDGES)
def test_vector_edges(rng, dtype, i):
    x = random_array(rng, (1, 2, i), dtype)
    for o in [*EDGES, i + 1, 2 * i, 200]:
        for align_corners in (False, True):
            arguments = {"size": o, "mode": "linear", "align_corners": align_corners}
            assert_close_linear(up.interpolate(x, **arguments), x, **arguments)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7, 15, 16, 17, 64])
@pytest.mark.parametrize("channel_axis", [1, -1])
def test_any_number_of_channels(rng, dtype, channels, channel_axis):
    x = random_array(rng, (2, channels, 6, 9), dtype)
    if channel_axis == -1:
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    for size in [(12, 18), (7, 31), (3, 4), (6, 20), (12, 9), (1, 1), (40, 10)]:
        arguments = {"size": size, "mode": "bilinear", "channel_axis": channel_axis}
        with unmodified(x):
            y = up.interpolate(x, **arguments)
        assert_close_linear(y, x, **arguments)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 1, 5, 9001), (7, 12345)), ((1, 2, 3, 9001), (2, 401)), ((1, 1, 9001, 3), (12345, 5)),
     ((1, 5000, 3, 4), (4, 4)), ((1, 1, 1, 1), (300, 400)), ((1, 1, 300, 400), (1, 1))],
)
def test_long_rows_tall_columns_and_single_pixels(rng, dtype, shape, size):
    for layout in (lambda x: x, lambda x: np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)):
        x = layout(random_array(rng, shape, dtype))
        arguments = {"size": size, "mode": "bilinear"}
        assert_close_linear(up.interpolate(x, **arguments), x, **arguments)


@given(st.data())
def test_any_shape_any_ratio_any_dtype(data):
    axes = data.draw(st.integers(1, 3))
    batch, channels = data.draw(st.integers(1, 2)), data.draw(st.sampled_from([1, 2, 3, 5, 16, 19]))
    longest = (150, 24, 9)[axes - 1]
    shape = (batch, channels, *(data.draw(st.integers(1, longest)) for _ in range(axes)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = random_array(rng, shape, data.draw(st.sampled_from(DTYPES)))
    if data.draw(st.booleans()):
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    arguments = {"mode": MODE[axes], "align_corners": data.draw(st.sampled_from([None, True]))}
    if data.draw(st.booleans()):
        arguments["size"] = tuple(data.draw(st.integers(1, 60)) for _ in range(axes))
    else:
        arguments["scale_factor"] = tuple(
            max(data.draw(st.floats(0.2, 5) | st.sampled_from([2.0, 4.0])), 1 / i)
            for i in shape[2:]
        )
        arguments["recompute_scale_factor"] = data.draw(st.sampled_from([None, False, True]))
    with unmodified(x):
        y = up.interpolate(x, **arguments)
    assert_close_linear(y, x, **arguments)


def exact_mean(x, low, high, t):
    """Return the mean of a row's neighbours as fractions."""
    return [(1 - f) * int(x[a]) + f * int(x[b]) for a, b, f in zip(low, high, t, strict=True)]


@pytest.mark.parametrize("o", [6, 7, 12, 24, 36, 100, 77, 333])
def test_uint8_is_the_exact_mean_rounded_ties_to_even(rng, o):
    """In exact fractions, along one axis: position (d + 1/2) i/o - 1/2."""
    i = 6
    x = random_array(rng, (1, 400, i), np.uint8)
    y = up.interpolate(x, o, mode="linear")
    positions = [
        min(max((Fraction(2 * d + 1, 2)) * i / o - Fraction(1, 2), Fraction(0)), Fraction(i - 1))
        for d in range(o)
    ]
    low = [int(p) for p in positions]
    high = [min(a + 1, i - 1) for a in low]
    t = [p - a for p, a in zip(positions, low, strict=True)]
    for source, result in zip(x[0], y[0], strict=True):
        # Python's round() of a Fraction goes to the nearest integer, ties to even.
        assert result.tolist() == [round(value) for value in exact_mean(source, low, high, t)]


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 6, 7, 8, 12, 1.5, 1.6, 2.5, 0.75])
@pytest.mark.parametrize("channels", [1, 3, 32])
def test_uint8_is_rounded_to_nearest_in_two_dimensions(rng, factor, channels):
    x = np.moveaxis(random_array(rng, (1, 40, 50, channels), np.uint8), -1, 1)
    y = up.interpolate(x, scale_factor=factor, mode="bilinear")
    exact = reference.linear(x, scale_factor=factor)
    assert_within(y, exact, 0.5 + 1e-9)
    tie = np.abs(exact - np.floor(exact) - 0.5) < 1e-9
    assert np.array_equal(y[~tie], np.rint(exact[~tie]))
    assert (y[tie] % 2 == 0).all()


def test_uint8_ties_of_every_denominator_go_to_even(rng):
    """Whatever weights make together: 16 bits hold what is divided by it, or it is not taken."""
    kernel = runtime.kernel("linear")
    copied = interpolation.linear_axis(1, 1, None, False)
    x = rng.integers(0, 256, (1, 2, 40, 1), np.uint8)
    x[:, :, ::3] = rng.integers(0, 2, (1, 2, 14, 1), np.uint8) * 255
    taken = set()
    for own in range(2, 128):
        for rows in (None, 2, 3, 7, 16):
            # Distances of every multiple of 1 / own, and two rows between the source's two.
            distance = np.resize(np.arange(own) / own, 39 * 4)
            low = np.repeat(np.arange(39), 4)
            h = copied if rows is None else (
                np.zeros(rows, np.int64), np.arange(rows) / rows, 2)
            axes = (copied, h, (low, distance, 40))
            plan = spreading.plan(
                kernel, (0, -1, -1, 1, 2, 3), axes, 1, 1, 1, False, False, "sums"
            )
            if plan.kind != "sums":
                assert own * (rows or 1) > 185
                continue
            taken.add(own * (rows or 1))
            result = np.zeros((1, rows or 1, 39 * 4, 1), np.uint8)
            assert plan.run(x if rows else x[:, :1].copy(), result, 1)
            weight = np.rint(distance * own).astype(np.int64)[:, None]
            wide = x.astype(np.int64)
            line = wide[:, :, low] * (own - weight) + wide[:, :, low + 1] * weight
            for row in range(rows or 1):
                total = line[:, 0] * ((rows or 1) - row) + line[:, 1] * row
                quotient, rest = np.divmod(total, own * (rows or 1))
                rest *= 2
                quotient += (rest > own * (rows or 1)) | (
                    (rest == own * (rows or 1)) & (quotient % 2 == 1))
                assert_same_pixels(result[:, row], quotient.astype(np.uint8))
    assert {2, 36, 100, 127, 144, 256} <= taken


def test_uint8_keeps_its_extremes():
    for value in (0, 255):
        x = np.full((1, 1, 30, 31), value, np.uint8)
        assert (up.interpolate(x, size=(77, 99), mode="bilinear") == value).all()


def test_float16_is_the_float32_result_rounded(rng):
    x = random_array(rng, (1, 2, 20, 33), np.float16)
    x[0, 0, 0, :4] = [np.inf, 65504, 6e-8, -0.0]
    for size in [(40, 66), (13, 71), (20, 33)]:
        y = up.interpolate(x, size=size, mode="bilinear")
        wide = up.interpolate(x.astype(np.float32), size=size, mode="bilinear")
        assert_same_pixels(y, wide.astype(np.float16))


def test_every_float16_survives_an_axis_that_keeps_its_size():
    x = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(1, 1, 256, 256)
    y = up.interpolate(x, size=(256, 256), mode="bilinear")
    nan = np.isnan(x)
    assert np.array_equal(np.isnan(y), nan)
    assert_same_pixels(y[~nan], x[~nan])


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_of_threads_gives_the_same_bits(rng, dtype, fresh_plans, threads):
    for shape in [(1, 1, 1, 9), (2, 3, 7, 5), (1, 2, 40, 33), (1, 1, 3, 9000)]:
        x = random_array(rng, shape, dtype)
        for streamed_from in (0, 1 << 40):
            interpolation._plans.clear()
            interpolation._resizes.clear()
            fresh_plans.setattr(interpolation, "_STREAMED_FROM", streamed_from)
            y = up.interpolate(x, scale_factor=(2.5, 1.7), mode="bilinear")
            if streamed_from == 0:
                up.set_num_threads(1)
                alone = up.interpolate(x, scale_factor=(2.5, 1.7), mode="bilinear")
                up.set_num_threads(threads)
            assert_same_pixels(y, alone)


def each_kind(kernel, x, axes, kinds, rows, width):
    """Yield the kind and the result of every plan of these kinds that there is; (n, h, w, c)."""
    channels, element = x.shape[-1], x.itemsize
    for only in kinds:
        plan = spreading.plan(
            kernel, (0, -1, -1, 1, 2, 3), axes, element, channels, channels, False, False, only
        )
        if only is None or plan.kind == only:
            result = np.zeros((len(x), rows, width, channels), x.dtype)
            assert plan.run(x, result, 1)
            yield plan.kind, result


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("width", [1, 2, 3, 5, 7, 16, 33, 47, 700])
def test_windows_and_lines_equal_the_element_by_element_path(rng, dtype, channels, width):
    kernel = runtime.kernel("linear")
    x = np.moveaxis(random_array(rng, (3, channels, 4, width), dtype), 1, -1).copy()
    kinds = set()
    for o in {1, 7, width + 1, 2 * width, 3 * width + 1, 8 * width, max(width // 2, 1),
              max(width // 3, 1), max(width * 4 // 5, 1)}:
        axes = (
            interpolation.linear_axis(1, 1, None, False),
            interpolation.linear_axis(4, 9, None, False),
            interpolation.linear_axis(width, o, None, False),
        )
        (_, plain), *others = each_kind(
            kernel, x, axes, ["elements" if o != width else None, "lines", "windows", None], 9, o
        )
        for kind, result in others:
            kinds.add(kind)
            assert_same_pixels(result, plain)
    assert "lines" in kinds
    assert "windows" in kinds or channels > 2 or width < 16 or x.itemsize < 4


def as_taps(table):
    """Return the lower neighbours and distances as first pixels and two weights each."""
    low, distance, size = table
    if distance is None:
        return low, None, size
    first = np.minimum(low, max(size - 2, 0))
    weights = np.zeros((len(low), min(2, size)))
    rows = np.arange(len(low))
    weights[rows, low - first] += 1 - distance
    weights[rows, np.minimum(low + 1, size - 1) - first] += distance
    return first, weights, size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("last", [False, True])
def test_two_taps_equal_the_kernel_of_any_number(rng, dtype, last):
    """Its products are added up in another order: floats are equal but for roundings.

    Of an axis each kernel makes three (a weight, a product, a sum), and float16 is rounded once
    more. A mean of uint8 is rounded to the nearest by both, but for means that float32 does not
    tell from a tie: there this kernel alone looks again.
    """
    two, any_number = runtime.kernel("linear"), runtime.kernel("taps")
    roles = (0, -1, 1, 2, 3, 4) if last else (0, 1, 2, 3, 4, -1)
    for _ in range(120):
        sizes = rng.choice([1, 2, 3, 5, 7, 8, 9, 14, 16, 17, 20, 33, 65], (3, 2))
        sizes[0] = 1 if rng.random() < 0.5 else sizes[0] % 5 + 1
        tables = [interpolation.linear_axis(*map(int, size), None, False) for size in sizes]
        channels = int(rng.choice([1, 2, 3, 16, 33]))
        inputs, outputs = ([table[2] for table in tables], [len(table[0]) for table in tables])
        shape = (2, *inputs, channels) if last else (2, channels, *inputs)
        x = random_array(rng, shape, dtype)
        results = [
            np.zeros((2, *outputs, channels) if last else (2, channels, *outputs), dtype)
            for _ in range(2)
        ]
        elements = channels if last else 1
        plan = spreading.plan(
            two, roles, tuple(tables), x.itemsize, elements, elements, False, False
        )
        assert plan.run(x, results[0], 1)
        plan = weighing.plan(
            any_number, roles, tuple(map(as_taps, tables)), x.dtype.char, elements, elements,
            False, "down", fixed=False,
        )
        assert plan.run(x, results[1], 1)
        if x.dtype == np.uint8:
            exact = np.zeros(results[0].shape)
            plan = weighing.plan(
                any_number, roles, tuple(map(as_taps, tables)), "d", elements, elements, False,
                "down",
            )
            assert plan.run(x.astype(np.float64), exact, 1)
            near_tie = np.abs(exact % 1 - 0.5) < 1e-3
            assert_same_pixels(*[np.where(near_tie, 0, y).astype(dtype) for y in results])
            assert_within(results[1], exact, 0.501)
            continue
        unit = 2.0**-52 if dtype == np.float64 else 2.0**-23
        bound = 9 * unit * float(np.abs(x).max())
        bound += 2.0**-10 * float(np.abs(x).max()) if dtype == np.float16 else 0.0
        assert_within(results[0], results[1].astype(np.float64), bound)


@pytest.mark.parametrize("factor", [2, 4, 8, 1.6, 3, 5, 6, 1.5, 2.5, 1.2])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [30, 40, 300])
def test_sums_in_16_bits_equal_the_element_by_element_path(rng, factor, channels, width):
    kernel = runtime.kernel("linear")
    x = random_array(rng, (1, 5, width, channels), np.uint8)
    axes = (
        interpolation.linear_axis(1, 1, None, False),
        interpolation.linear_axis(5, int(5 * factor), factor, False),
        interpolation.linear_axis(width, int(width * factor), factor, False),
    )
    results = []
    for exact in (True, False) if factor in (2, 4, 8, 1.6) else (False,):
        for only in ("sums", "lines", "elements"):
            plan = spreading.plan(
                kernel, (0, -1, -1, 1, 2, 3), axes, 1, channels, channels, exact, False, only
            )
            assert plan.kind == only
            result = np.zeros((1, int(5 * factor), int(width * factor), channels), np.uint8)
            assert plan.run(x, result, 1)
            results.append(result)
    for result in results[1:]:
        assert_same_pixels(result, results[0])


@pytest.mark.parametrize("factor", [2, 3, 1.5, 1.6, 0.75])
@pytest.mark.parametrize("channels", [32, 33, 47, 64, 100])
@pytest.mark.parametrize("gap", [0, 5])
def test_sums_of_channels_equal_the_element_by_element_path(rng, factor, channels, gap):
    kernel = runtime.kernel("linear")
    x = random_array(rng, (2, 5, 12, channels), np.uint8)
    axes = (
        interpolation.linear_axis(1, 1, None, False),
        interpolation.linear_axis(5, int(5 * factor), factor, False),
        interpolation.linear_axis(12, int(12 * factor), factor, False),
    )
    results = []
    for only in ("channel sums", "elements"):
        plan = spreading.plan(
            kernel, (0, -1, -1, 1, 2, 3), axes, 1, channels, channels + gap, False, False, only
        )
        assert plan.kind == only
        whole = np.zeros((2, int(5 * factor), int(12 * factor), channels + gap), np.uint8)
        assert plan.run(x, whole[..., :channels], 1)
        assert not whole[..., channels:].any()
        results.append(whole)
    assert_same_pixels(*results)


@pytest.fixture
def fenced():
    """Return a function that copies an array to where the page behind it cannot be read."""
    if not sys.platform.startswith("linux"):
        pytest.skip("mprotect is called as it is on Linux")
    kept = []

    def copy(x):
        size = -(-x.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
        memory = mmap.mmap(-1, size + mmap.PAGESIZE)
        kept.append(memory)  # never unmapped: arrays point into it
        behind = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + size
        protect = ctypes.CDLL(None).mprotect
        assert protect(ctypes.c_void_p(behind), ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
        y = np.frombuffer(memory, np.uint8, x.nbytes, size - x.nbytes).view(x.dtype)
        y = y.reshape(x.shape)
        y[...] = x
        return y

    return copy


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(1, 2, 1), (2, 3, 3), (2, 5, 7), (1, 4, 9), (3, 2, 17), (1, 3, 40), (64, 2, 3)]
)
def test_nothing_behind_the_source_is_read(rng, dtype, shape, fenced):
    """A read behind it would end the process."""
    x = random_array(rng, (1, *shape), dtype)
    y = fenced(x)
    for factor in (2, 1.5, 3.7, 0.6, 0.3):
        if min(shape) * factor < 1:
            continue
        for axis in (1, -1):
            arguments = {"scale_factor": factor, "mode": "bilinear", "channel_axis": axis}
            assert_same_pixels(up.interpolate(y, **arguments), up.interpolate(x, **arguments))
            for flipped in (0, 1, 2):
                assert_same_pixels(
                    up.interpolate(np.flip(y, flipped), **arguments),
                    up.interpolate(np.flip(x, flipped).copy(), **arguments),
                )


def test_the_fast_paths_are_taken():
    kernel = runtime.kernel("linear")
    copied = interpolation.linear_axis(1, 1, None, False)
    double = interpolation.linear_axis(200, 400, 2, False)
    half = interpolation.linear_axis(200, 100, None, False)
    long = interpolation.linear_axis(3840, 5760, 1.5, False)
    narrow = interpolation.linear_axis(2, 3, None, False)
    # Its rows fill a vector of every level: narrower ones need masks, which not every build has.
    small = interpolation.linear_axis(14, 28, 2, False)
    for element, channels, axis, kind in [
        (4, 1, double, "windows"), (8, 1, double, "windows"), (2, 1, double, "windows"),
        (1, 1, double, "sums"), (1, 3, double, "sums"), (4, 64, double, "channels"),
        (1, 64, double, "channel sums"), (1, 1, long, "sums"), (1, 3, long, "sums"),
        (4, 1, small, "windows"),
        (4, 3, half, "lines"), (1, 3, half, "lines"), (8, 1, half, "lines"),
        (4, 1, narrow, "lines"), (2, 1, narrow, "lines"), (1, 1, narrow, "lines"),
    ]:
        axes = (copied, double, axis)
        plan = spreading.plan(
            kernel, (0, -1, -1, 1, 2, 3), axes, element, channels, channels, element == 1, False
        )
        assert plan.kind == kind, (element, channels)


@pytest.mark.parametrize(
    ("dtype", "words"),
    [(np.int64, "it can be float32, float64, float16, uint8, int8, int16, uint16, int32, bool or"),
     (np.complex64, "float32, float64, float16, uint8, int8")],
)
def test_other_dtypes_are_refused(dtype, words):
    with pytest.raises(TypeError, match=f"interpolate: x has dtype .*{words}"):
        up.interpolate(np.zeros((1, 1, 3, 4), dtype), scale_factor=2, mode="bilinear")


def test_uint8_weights_of_seventeen_bits_are_more_than_float32_holds(rng):
    """Halves times 256ths times 256ths, times 8 bits of a value: rounded once all the same."""
    x = rng.integers(0, 256, (60, 1, 2, 2, 2), np.uint8)
    y = up.interpolate(x, size=(1, 256, 256), mode="trilinear")
    weight = np.clip(np.arange(256) * 2 + 1 - 128, 0, 256)  # of the second pixel, in 256ths
    wide = x.astype(np.int64).sum(2)[:, :, None]
    lines = wide[..., :1] * (256 - weight) + wide[..., 1:] * weight
    column = weight[:, None]
    upper, lower = lines[..., None, 0, :], lines[..., None, 1, :]
    total = upper * (256 - column) + lower * column
    quotient, rest = np.divmod(total, 1 << 17)
    quotient += (rest > 1 << 16) | ((rest == 1 << 16) & (quotient % 2 == 1))
    assert_same_pixels(y, quotient.astype(np.uint8))
