"""The definitions: numbers worked out by hand, identities, PyTorch's answers, and each other."""

import numpy as np
import pytest
from assertions import U64, assert_same_pixels, assert_within
from golden_files import case_id, golden_cases
from hypothesis import assume, given
from hypothesis import strategies as st

from upshape import reference as ref
from upshape import shapes

THREE_WAYS = [
    ref.conv_transpose_by_zeros,
    ref.conv_transpose_by_matrix,
    ref.conv_transpose_by_scatter,
]
three_ways = pytest.mark.parametrize("conv_transpose", THREE_WAYS)


# Worked out by hand -------------------------------------------------------------------------------


def test_nearest_takes_the_pixel_in_which_the_output_pixel_begins():
    # 2 -> 5: scale 0.4, beginnings 0, 0.4, 0.8, 1.2, 1.6; centres 0.2, 0.6, 1.0, 1.4, 1.8.
    assert ref.nearest_indices(2, 5).tolist() == [0, 0, 0, 1, 1]
    assert ref.nearest_indices(2, 5, exact=True).tolist() == [0, 0, 1, 1, 1]


def test_nearest_indices_are_rounded_to_float32():
    # 0.1 in float32 is a little over a tenth, so that 10 * n of it never falls short of n.
    assert ref.nearest_indices(1000, 10000).tolist() == [dst // 10 for dst in range(10000)]
    # 1001/3003 in float32 is no third: the product decides, in float32 as well.
    by_hand = [int(np.float32(dst) * (np.float32(1001) / np.float32(3003))) for dst in range(3003)]
    assert ref.nearest_indices(1001, 3003).tolist() == by_hand
    # A position that float64 puts just below 3 is 3 in float32.
    assert ref.nearest_indices(9, 9, scale_factor=3 / (3 - 1e-9), dtype=np.float64)[3] == 3


def test_nearest_index_never_leaves_the_input():
    # A factor smaller than o / i asks for pixels beyond the end.
    assert ref.nearest_indices(3, 4, scale_factor=1.0).tolist() == [0, 1, 2, 2]


def test_half_pixel_coordinates():
    # 4 -> 3: scale 4/3, centres 0.5, 1.5, 2.5 times that, minus a half.
    assert ref.linear_coordinates(4, 3) == pytest.approx([1 / 6, 1.5, 17 / 6])


def test_aligned_corners_put_the_last_pixel_on_the_last():
    assert ref.linear_coordinates(4, 7, align_corners=True).tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert ref.linear_coordinates(4, 1, align_corners=True).tolist() == [0]


def test_a_factor_moves_half_pixel_coordinates_and_not_aligned_corners():
    assert ref.linear_coordinates(3, 4, scale_factor=1.6) == pytest.approx(
        [0, 0.4375, 1.0625, 1.6875]
    )
    assert_same_pixels(
        ref.linear_coordinates(3, 4, scale_factor=1.6, align_corners=True),
        ref.linear_coordinates(3, 4, align_corners=True),
    )


@pytest.mark.parametrize("align_corners", [False, True])
def test_an_axis_that_keeps_its_size_is_copied_whatever_the_factor(align_corners):
    coordinates = ref.linear_coordinates(9, 9, scale_factor=1.1, align_corners=align_corners)
    assert coordinates.tolist() == list(range(9))


def test_bilinear_from_its_corners_by_hand():
    # Wikipedia's example: grey values 91, 210, 162, 95 around (14.5, 20.2) give 146.1.
    value = ref.bilinear_point(q11=91, q21=210, q12=162, q22=95, tx=0.5, ty=0.2)
    assert float(value) == pytest.approx(146.1)


def test_transposed_convolution_by_hand():
    # 2x2 input, 3x3 kernel of ones, stride 2: stamps overlap in a cross.
    y = ref.conv_transpose2d([[[1, 2], [3, 4]]], np.ones((1, 1, 3, 3)), stride=2)
    assert y[0].tolist() == [
        [1, 1, 3, 2, 2],
        [1, 1, 3, 2, 2],
        [4, 4, 10, 6, 6],
        [3, 3, 7, 4, 4],
        [3, 3, 7, 4, 4],
    ]


def test_convolution_by_hand():
    # The kernel is not rotated: the first tap meets the first pixel.
    y = ref.conv1d([[1, 2, 3, 4]], [[[1, 0, -1]]], bias=[10], padding=1)
    assert y.tolist() == [[8, 8, 8, 13]]


def test_same_padding_puts_the_odd_zero_at_the_end():
    assert ref.conv1d([[1, 2, 3]], [[[1, 1]]], padding="same").tolist() == [[3, 5, 3]]


def test_groups_see_their_own_channels_only():
    y = ref.conv1d([[1], [2], [3], [4]], [[[1], [1]], [[1], [1]]], groups=2)
    assert y.tolist() == [[3], [7]]


def test_the_matrix_of_a_convolution_by_hand():
    matrix = ref.conv_matrix([[[1, 2]]], (3,), padding=1)
    assert matrix.tolist() == [[2, 0, 0], [1, 2, 0], [0, 1, 2], [0, 0, 1]]


# Identities ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear"])
@pytest.mark.parametrize("size", [(1, 1), (4, 9), (3, 2), (17, 6)])
def test_a_constant_stays_constant(mode, size):
    y = ref.interpolate(np.full((1, 2, 4, 3), 7.5), size, mode=mode)
    assert y.shape == (1, 2, *size)
    assert np.allclose(y, 7.5, rtol=1e-14)


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
def test_integer_factor_nearest_equals_repeat(rng, factor):
    x = rng.integers(0, 99, (2, 3, 5, 4))
    expected = x.repeat(factor, axis=2).repeat(factor, axis=3)
    assert_same_pixels(ref.nearest(x, scale_factor=factor), expected)
    assert_same_pixels(ref.nearest(x, scale_factor=factor, exact=True), expected)


@pytest.mark.parametrize("align_corners", [False, True])
def test_linear_reproduces_a_plane_between_the_outermost_centres(align_corners):
    y, x = np.mgrid[:6, :5]
    resized = ref.bilinear((2.0 * y - 3 * x)[None, None], (13, 7), align_corners=align_corners)
    rows = ref.linear_coordinates(6, 13, align_corners=align_corners)
    columns = ref.linear_coordinates(5, 7, align_corners=align_corners)
    assert np.allclose(resized[0, 0], 2 * rows[:, None] - 3 * columns)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("shape", "size"), [((5, 6), (7, 11)), ((4, 9), (9, 4)), ((1, 3), (2, 3))])
def test_four_corners_agree_with_one_axis_after_the_other(rng, shape, size, align_corners):
    x = rng.standard_normal((2, 3, *shape))
    assert np.allclose(
        ref.bilinear(x, size, align_corners=align_corners),
        ref.linear(x, size, align_corners=align_corners),
        atol=1e-14,
    )


@pytest.mark.parametrize("align_corners", [False, True])
def test_eight_corners_agree_with_one_axis_after_the_other(rng, align_corners):
    x = rng.standard_normal((2, 2, 3, 4, 5))
    assert np.allclose(
        ref.trilinear(x, (5, 3, 9), align_corners=align_corners),
        ref.linear(x, (5, 3, 9), align_corners=align_corners),
        atol=1e-14,
    )


def test_channels_last_is_the_same_picture(rng):
    x = rng.standard_normal((2, 4, 5, 3))
    y = ref.interpolate(x, (6, 7), mode="bilinear", channel_axis=-1)
    assert_same_pixels(y, np.moveaxis(ref.bilinear(np.moveaxis(x, -1, 1), (6, 7)), 1, -1))


def test_concatenation_keeps_the_channels_in_order(rng):
    fine, coarse = rng.standard_normal((1, 2, 6, 8)), rng.standard_normal((1, 3, 3, 4))
    y = ref.upsample_concat([coarse, fine], mode="nearest")
    assert_same_pixels(y[:, 3:], fine)
    assert_same_pixels(y[:, :3], ref.nearest(coarse, scale_factor=2))


@three_ways
def test_kernel_one_stride_one_is_a_matrix_product_of_channels(rng, conv_transpose):
    x, weight = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((3, 2, 1, 1))
    expected = np.einsum("nihw,io->nohw", x, weight[..., 0, 0])
    assert np.allclose(conv_transpose(x, weight), expected)


@three_ways
def test_bilinear_weights_upsample_a_constant_to_a_constant(conv_transpose):
    tent = np.array([0.25, 0.75, 0.75, 0.25])
    weight = np.outer(tent, tent)[None, None]
    y = conv_transpose(np.ones((1, 1, 5, 5)), weight, stride=2, padding=1)
    assert y.shape == (1, 1, 10, 10)
    assert np.allclose(y[0, 0, 1:-1, 1:-1], 1)


@three_ways
def test_gaps_between_stamps_hold_the_bias(conv_transpose):
    y = conv_transpose(np.ones((1, 1, 3)), np.ones((1, 1, 1)), [0.5], stride=3, output_padding=2)
    assert y[0, 0].tolist() == [1.5, 0.5, 0.5, 1.5, 0.5, 0.5, 1.5, 0.5, 0.5]


@three_ways
def test_padding_larger_than_the_kernel_crops_what_output_padding_adds(conv_transpose):
    # (i-1)s + 1 + a = 8 pixels of canvas, of which p = 2 go at either end.
    y = conv_transpose(np.ones((1, 1, 1)), np.ones((1, 1, 1)), stride=8, padding=2,
                       output_padding=7)  # fmt: skip
    assert y[0, 0].tolist() == [0, 0, 0, 0]


# The three ways, each other and the convolution ---------------------------------------------------


@st.composite
def layers(draw):
    """Return (x, weight, bias, parameters, o) of any transposed convolution with an output."""
    axes = draw(st.integers(1, 3))
    size, kernel = ([5, 4], [4, 4], [3, 2])[axes - 1]

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    groups = draw(st.integers(1, 3))
    i, k, s, p, d = each(1, size), each(1, kernel), each(1, 4), each(0, 3), each(1, 3)
    a = tuple(draw(st.integers(0, max(s[n], d[n]) - 1)) for n in range(axes))
    o = tuple((i[n] - 1) * s[n] - 2 * p[n] + d[n] * (k[n] - 1) + 1 + a[n] for n in range(axes))
    assume(min(o) >= 1)
    c_in, c_group = groups * draw(st.integers(1, 2)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    x = rng.standard_normal((draw(st.integers(0, 2)), c_in, *i))
    weight = rng.standard_normal((c_in, c_group, *k))
    bias = rng.standard_normal(groups * c_group) if draw(st.booleans()) else None
    parameters = {"stride": s, "padding": p, "output_padding": a, "dilation": d, "groups": groups}
    return x, weight, bias, parameters, o


@given(layers())
def test_the_three_ways_agree(layer):
    x, weight, bias, parameters, o = layer
    zeros, matrix, scatter = (way(x, weight, bias, **parameters) for way in THREE_WAYS)
    assert zeros.shape == matrix.shape == scatter.shape == (x.shape[0], zeros.shape[1], *o)
    assert np.allclose(zeros, matrix, rtol=1e-12, atol=1e-12)
    assert np.allclose(zeros, scatter, rtol=1e-12, atol=1e-12)


@given(layers())
def test_transposed_convolution_is_the_adjoint_of_convolution(layer):
    """Check <conv(y), x> = <y, conv_transpose(x)> for x and y of any values."""
    x, weight, _, parameters, _ = layer
    backward = ref.conv_transpose(x, weight, **parameters)
    a = parameters.pop("output_padding")
    assume(all(n < step for n, step in zip(a, parameters["stride"], strict=True)))
    y = np.random.default_rng(1).standard_normal(backward.shape)
    forward = ref.conv(y, weight, **parameters)
    assert forward.shape == x.shape
    scale = np.abs(forward * x).sum() + np.abs(backward * y).sum() + 1
    assert abs((forward * x).sum() - (backward * y).sum()) <= 1e-13 * scale


@given(layers())
def test_the_matrix_is_the_convolution(layer):
    _, weight, _, parameters, o = layer
    parameters.pop("output_padding")
    x = np.random.default_rng(2).standard_normal((1, weight.shape[1] * parameters["groups"], *o))
    try:
        by_sum = ref.conv(x, weight, **parameters)
    except ValueError:
        with pytest.raises(ValueError, match="does not fit"):
            ref.conv_matrix(weight, x.shape[1:], **parameters)
        return
    matrix = ref.conv_matrix(weight, x.shape[1:], **parameters)
    assert np.allclose(matrix @ x.ravel(), by_sum.ravel(), atol=1e-12)


def test_every_output_size_is_reached_and_no_other(rng):
    x, weight = rng.standard_normal((1, 1, 5)), rng.standard_normal((1, 1, 4))
    for size in range(1, 30):
        # 4 * 3 - 2 + 4 = 14 is the smallest size.
        if 14 <= size < 17:
            y = ref.conv_transpose1d(x, weight, stride=3, padding=1, output_size=size)
            assert y.shape == (1, 1, size)
            whole = ref.conv_transpose1d(x, weight, stride=3, padding=1, output_size=y.shape)
            assert_same_pixels(y, whole)
        else:
            with pytest.raises(ValueError, match="out of reach"):
                ref.conv_transpose1d(x, weight, stride=3, padding=1, output_size=size)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ref.nearest(np.ones((1, 1, 3))), "either size or scale_factor"),
        (lambda: ref.nearest(np.ones((1, 1, 3)), 3, 3.0), "either size or scale_factor"),
        (lambda: ref.nearest(np.ones((1, 1, 3)), (3, 3)), "2 values"),
        (lambda: ref.interpolate(np.ones((1, 1, 3)), 3, mode="quintic"), "mode='quintic'"),
        (lambda: ref.interpolate(np.ones((1, 1, 3)), 3, mode="lanczos"), "antialias=False"),
        (lambda: ref.interpolate(np.ones((1, 1, 3)), 3, mode="bilinear"), "2 spatial axes"),
        (lambda: ref.interpolate(np.ones((1, 1, 3)), 3, align_corners=True), "no meaning"),
        (lambda: ref.conv1d(np.ones((1, 1, 3)), np.ones((1, 1, 4))), "does not fit"),
        (lambda: ref.conv1d(np.ones((1, 1, 3)), np.ones((1, 2, 2))), "does not fit"),
        (lambda: ref.conv1d(np.ones((1, 3)), np.ones((1, 1, 2)), padding="same", stride=2), "same"),
        (lambda: ref.conv2d(np.ones((1, 3)), np.ones((1, 1, 2))), "four axes"),
        (lambda: ref.conv_transpose(np.ones((1, 3)), np.ones((1, 1, 2)), method="fft"), "method"),
        (
            lambda: ref.conv_transpose1d(np.ones((1, 3)), np.ones((1, 1, 2)), output_padding=1),
            "output_padding=1 must be",
        ),
        (lambda: ref.conv_transpose1d(np.ones((1, 1)), np.ones((1, 1, 1)), padding=1), "size"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# PyTorch's answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", golden_cases("interpolate"), ids=case_id)
def test_interpolation_is_pytorchs(case):
    arguments, arrays = case
    x, golden = arrays["x"], arrays["y"]
    y = ref.interpolate(x, **arguments)
    if arguments["mode"].startswith("nearest"):
        assert_same_pixels(y, golden)
    elif x.dtype == np.uint8:
        assert_within(golden, y, 1.0)
    else:
        # PyTorch's positions and products are float32, or float64: they grow with the axis.
        roundings = 12 + 2 * max(x.shape[2:])
        assert_within(golden, y, roundings * np.finfo(x.dtype).eps * np.abs(x).max())


@pytest.mark.parametrize("case", golden_cases("indices"), ids=case_id)
def test_nearest_pixels_are_pytorchs(case):
    arguments, arrays = case
    exact = arguments["mode"] == "nearest-exact"
    arguments = {k: v for k, v in arguments.items() if k != "mode"}
    indices = ref.nearest_indices(exact=exact, **arguments)
    assert_same_pixels(np.diff(indices, prepend=0).astype(np.int8), arrays["steps"])


@pytest.mark.parametrize("method", ["zeros", "matrix", "scatter"])
@pytest.mark.parametrize("case", golden_cases("convolution", "volumes"), ids=case_id)
def test_convolutions_are_pytorchs(case, method):
    parameters, arrays = case
    parameters = dict(parameters)
    function = ref.conv
    if parameters.pop("function").startswith("conv_transpose"):
        function = ref.conv_transpose
        parameters["method"] = method
    x, weight, bias = arrays["x"], arrays["weight"], arrays.get("bias")
    y = function(x, weight, bias, **parameters)
    magnitude = function(
        np.abs(x), np.abs(weight), None if bias is None else np.abs(bias), **parameters
    )
    relative = 100 * U64 if x.dtype == np.float64 else 1e-6
    assert_within(arrays["y"], y, relative * magnitude)


def test_pytorchs_example_has_pytorchs_numbers():
    ((_, golden),) = golden_cases("pytorch_example")
    h = ref.conv2d(golden["x"], golden["down_weight"], golden["down_bias"], stride=2, padding=1)
    assert h.shape == (1, 16, 6, 6)
    assert np.allclose(h, golden["h"], atol=1e-5)
    up = (golden["up_weight"], golden["up_bias"])
    default = ref.conv_transpose2d(h, *up, stride=2, padding=1)
    assert default.shape == (1, 16, 11, 11)
    assert np.allclose(default, golden["y_default"], atol=1e-5)
    asked = ref.conv_transpose2d(h, *up, stride=2, padding=1, output_size=golden["x"].shape)
    assert asked.shape == (1, 16, 12, 12)
    assert np.allclose(asked, golden["y"], atol=1e-5)


# Padding of two sides, and SAME -------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["same_upper", "same_lower", "pairs"])
def test_padding_of_two_sides_in_every_way_and_as_the_solver_has_it(padding):
    """Integers, so that all ways agree in every bit; transposed, they are adjoints."""
    rng = np.random.default_rng(["same_upper", "same_lower", "pairs"].index(padding))
    compared = 0
    for _ in range(150):
        axes = int(rng.integers(1, 4))
        kernel, stride, dilation = (tuple(rng.integers(1, 4, axes).tolist()) for _ in range(3))
        sizes = tuple(rng.integers(1, 6, axes).tolist())
        pad = padding
        if padding == "pairs":
            pad = tuple(tuple(rng.integers(0, 3, 2).tolist()) for _ in range(axes))
        relation = shapes.ConvTranspose(kernel, stride, pad, 0, dilation)
        try:
            plain = relation(sizes)
        except ValueError:
            with pytest.raises(ValueError, match="less padding"):
                ref.conv_transpose(
                    np.ones((1, 2, *sizes)), np.ones((2, 2, *kernel)), None, stride, pad, 0, 1,
                    dilation,
                )
            continue
        asked = tuple(
            int(rng.choice([choice.o for choice in axis.choices(i)]))
            for axis, i in zip(relation.axes, sizes, strict=True)
        )
        x = rng.integers(-3, 4, (1, 2, *sizes))
        weight = rng.integers(-3, 4, (2, 2, *kernel))
        for wanted, output_size in ((plain, None), (asked, asked)):
            zeros, matrix, scatter = (
                ref.conv_transpose(
                    x, weight, None, stride, pad, 0, 1, dilation, output_size=output_size,
                    method=method,
                )
                for method in ("zeros", "matrix", "scatter")
            )
            assert scatter.shape == (1, 2, *wanted)
            assert_same_pixels(zeros, scatter)
            assert_same_pixels(matrix, scatter)
        z = rng.integers(-3, 4, (1, 2, *asked))
        y = ref.conv(z, weight, None, stride, pad, dilation)
        assert y.shape == (1, 2, *shapes.Conv(kernel, stride, pad, dilation)(asked)) == x.shape
        assert (y * x).sum() == (z * scatter).sum()
        flat = ref.conv_matrix(weight, asked, stride, pad, dilation) @ z.ravel()
        assert np.array_equal(flat, y.ravel())
        compared += 1
    assert compared > 100


def test_same_is_tensorflows():
    """The example of TensorFlow's notes on padding: 13 pixels, a kernel of 6, stride 5."""
    x, weight = np.arange(1.0, 14.0)[None, None], np.ones((1, 1, 6))
    padded = np.pad(x, [(0, 0), (0, 0), (1, 2)])
    assert_same_pixels(
        ref.conv(x, weight, stride=5, padding="same_upper"), ref.conv(padded, weight, stride=5)
    )
    assert ref.conv(x, weight, stride=5, padding="same_lower")[0, 0, 0] == 1 + 2 + 3 + 4


def test_words_of_padding_that_there_are_not():
    x, weight = np.ones((1, 1, 4)), np.ones((1, 1, 3))
    with pytest.raises(ValueError, match="padding='full'"):
        ref.conv(x, weight, padding="full")
    with pytest.raises(ValueError, match="padding='same'"):
        ref.conv_transpose(x, weight, padding="same")
    with pytest.raises(ValueError, match="output_padding must be 0"):
        ref.conv_transpose(x, weight, stride=2, padding="same_upper", output_padding=1)
