"""Depthwise layers: their own kernel gives the bits of the general one, whatever the size."""

import itertools

import numpy as np
import pytest
from assertions import (
    assert_close_conv,
    assert_close_conv_transpose,
    assert_same_pixels,
    unmodified,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from layers import draw_output, normal
from layouts import channels_last

import upshape as up
from upshape import _rates, lanes, orders, runtime, shapes
from upshape.parameters import out_shape
from upshape.tasks import Task

depthwise = runtime.kernel("depthwise")

DTYPES = [np.float32, np.float64]
# Around a vector of every level, and around the tiles' rows and pixels.
WIDTHS = [1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 23, 31, 32, 33, 50]
# (transposed, kernel, stride, padding): those with a tile of their own, then others.
SQUARES = [
    (False, 3, 1, 1), (False, 3, 2, 1), (False, 3, 2, 0), (False, 5, 1, 2), (False, 5, 2, 2),
    (False, 7, 1, 3), (False, 7, 2, 3), (True, 2, 2, 0), (True, 3, 2, 0), (True, 3, 2, 1),
    (True, 4, 2, 0), (True, 4, 2, 1), (True, 4, 2, 3),
    (False, 1, 1, 0), (False, 2, 1, 1), (False, 6, 2, 2), (False, 9, 1, 4),
    (False, 4, 3, 2), (True, 3, 1, 1), (True, 1, 2, 0), (True, 5, 3, 2), (True, 2, 2, 1),
]
# Some pixels have no tap: such layers are not transposed.
WITH_GAPS = [(True, 1, 2, 0)]


def run(order, x, layer, threads=1, **choices):
    """Run a layer with the kernel of this order of work."""
    parameters, order = layer._parameters, orders.BY_NAME[order]
    shape = out_shape(parameters, x.shape, None)
    out = np.full(shape, np.nan, x.dtype)
    if order.vectors == "channels":
        out = channels_last(out)
    plan = orders.plan_of(parameters, order, orders.frames_of(x, out), threads, **choices)
    packed = orders.layout(parameters, order).pack(layer.weight, layer.bias)
    gaps = order.leaves_gaps(parameters)
    Task(order, plan, (), None, gaps, packed, layer.bias).run(
        x, packed, layer.bias, out
    )
    return np.ascontiguousarray(out), plan


def layer_of(rng, square, channels, multiplier=1, dtype=np.float32, bias=True):
    transposed, kernel, stride, padding = square
    bias = normal(rng, (channels * multiplier,), dtype) if bias else None
    if transposed:
        weight = normal(rng, (channels, multiplier, kernel, kernel), dtype)
        return up.ConvTranspose2d(weight, bias, stride, padding, groups=channels)
    weight = normal(rng, (channels * multiplier, 1, kernel, kernel), dtype)
    return up.Conv2d(weight, bias, stride, padding, groups=channels)


def is_there(layer, sizes):
    """Return whether an input of these sizes has a result."""
    try:
        out_shape(layer._parameters, (1, layer.in_channels, *sizes), None)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_equal_the_general_path_at_every_width(square, dtype, rng):
    layer = layer_of(rng, square, 3, dtype=dtype)
    tried = 0
    for width, height in itertools.product(WIDTHS, [1, 3, 4, 6, 9]):
        if not is_there(layer, (height, width)):
            continue
        x = normal(rng, (2, 3, height, width), dtype)
        expected, _ = run("pixels", x, layer)
        assert_same_pixels(run("depthwise", x, layer)[0], expected)
        assert_same_pixels(run("depthwise", x, layer, plain=True)[0], expected)
        tried += 1
    assert tried > 40


@pytest.mark.parametrize("square", [s for s in SQUARES if s not in WITH_GAPS])
@pytest.mark.parametrize("dtype", DTYPES)
def test_transposed_channels_equal_the_general_path_at_every_width(square, dtype, rng):
    layer = layer_of(rng, square, 21, dtype=dtype)
    tried = 0
    for width, height in itertools.product(WIDTHS, [1, 2, 5, 8]):
        if not is_there(layer, (height, width)):
            continue
        x = normal(rng, (2, 21, height, width), dtype)
        expected, _ = run("pixels", x, layer)
        y, plan = run("depthwise transposed", x, layer)
        assert plan.fits
        assert_same_pixels(y, expected)
        assert_same_pixels(run("depthwise transposed", x, layer, plain=True)[0], expected)
        tried += 1
    assert tried > 25


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_channels_last_equals_the_general_path_at_every_width(square, dtype, rng):
    for channels in (16, 21):
        layer = layer_of(rng, square, channels, dtype=dtype)
        for width, height in itertools.product([1, 2, 7, 8, 9, 12, 17, 25], [1, 2, 5, 8]):
            if not is_there(layer, (height, width)):
                continue
            x = channels_last(normal(rng, (2, channels, height, width), dtype))
            expected, _ = run("pixels", x, layer)
            assert_same_pixels(run("depthwise channels", x, layer)[0], expected)
            assert_same_pixels(run("depthwise channels", x, layer, plain=True)[0], expected)


def test_the_tiles_are_those_that_were_meant(rng):
    tiles = {}
    for square in SQUARES:
        x = normal(rng, (1, 16, 24, 24))
        layer = layer_of(rng, square, 16)
        tiles[square] = (
            run("depthwise", x, layer)[1].description["tile"],
            run("depthwise channels", channels_last(x), layer)[1].description["tile"],
        )
        if square not in WITH_GAPS:
            own = run("depthwise transposed", x, layer)[1].description["tile"]
            assert own == tiles[square][1]
    for square in SQUARES[:7]:
        assert tiles[square] == ("window", "sliding")
    for square in SQUARES[7:13]:
        assert tiles[square] == ("stride2", "taps")
    for square in SQUARES[13:17]:
        assert tiles[square] == ("taps", "sliding")
    for square in SQUARES[17:]:
        assert tiles[square] == ("taps", "taps")


@pytest.mark.parametrize("square", SQUARES)
def test_blocks_and_threads_change_no_bit(square, rng):
    layer = layer_of(rng, square, 40)
    x = normal(rng, (2, 40, 37, 70))
    last = channels_last(x)
    expected, _ = run("depthwise", x, layer)
    for rows, columns, threads in [(4, 64, 1), (5, 64, 2), (9, 128, 3), (37, 70, 7), (1, 32, 2)]:
        y, _ = run("depthwise", x, layer, threads, rows=rows, columns=columns)
        assert_same_pixels(y, expected)
        y, _ = run("depthwise channels", last, layer, threads, rows=rows, columns=columns)
        assert_same_pixels(y, expected)
        if square not in WITH_GAPS:
            y, _ = run("depthwise transposed", x, layer, threads, rows=rows, columns=columns)
            assert_same_pixels(y, expected)
    for threads in (2, 7):
        assert_same_pixels(run("depthwise", x, layer, threads)[0], expected)
        assert_same_pixels(run("depthwise channels", last, layer, threads)[0], expected)
        if square not in WITH_GAPS:
            assert_same_pixels(run("depthwise transposed", x, layer, threads)[0], expected)


@st.composite
def problems(draw):
    """Return (x, weight, bias, parameters, transposed) of a random depthwise layer."""
    axes, transposed = draw(st.sampled_from([1, 2, 2, 3])), draw(st.booleans())

    def each(low, high):
        same = draw(st.booleans())
        first = draw(st.integers(low, high))
        return tuple(first if same else draw(st.integers(low, high)) for _ in range(axes))

    channels = draw(st.sampled_from([1, 2, 3, 8, 16, 19, 33]))
    multiplier = draw(st.sampled_from([1, 1, 1, 2, 3, 4, 5]))
    kernel, stride, dilation = each(1, 7), each(1, 3), each(1, 2)
    padding, sizes = each(0, 4), each(1, 40 if axes < 3 else 12)
    parameters = {"stride": stride, "padding": padding, "dilation": dilation, "groups": channels}
    out = draw_output(draw, transposed, sizes, kernel, parameters)
    assume(min(out) > 0)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(DTYPES))
    x = normal(rng, (draw(st.integers(1, 3)), channels, *sizes), dtype)
    if draw(st.booleans()):
        x = channels_last(x)
    shape = (channels, multiplier) if transposed else (channels * multiplier, 1)
    weight = normal(rng, (*shape, *kernel), dtype)
    bias = normal(rng, (channels * multiplier,), dtype) if draw(st.booleans()) else None
    return x, weight, bias, parameters, transposed


@given(problems())
def test_depthwise_layers_equal_their_definition(problem):
    x, weight, bias, parameters, transposed = problem
    kind = "conv_transpose" if transposed else "conv"
    arrays = [a for a in (x, weight, bias) if a is not None]
    with unmodified(*arrays):
        y = getattr(up, f"{kind}{x.ndim - 2}d")(x, weight, bias, **parameters)
    close = assert_close_conv_transpose if transposed else assert_close_conv
    close(y, x, weight, bias, **parameters)


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("multiplier", [2, 3, 4])
def test_a_channel_multiplier_equals_the_general_path(square, multiplier, rng):
    layer = layer_of(rng, square, 5, multiplier, bias=False)
    x = normal(rng, (2, 5, 9, 21))
    expected, _ = run("pixels", x, layer)
    y, plan = run("depthwise", x, layer)
    assert plan.fits
    assert_same_pixels(y, expected)
    assert_same_pixels(np.ascontiguousarray(layer(x)), expected)
    np.testing.assert_allclose(layer(channels_last(x)), expected, rtol=1e-5, atol=1e-5)


def test_many_output_channels_are_left_to_the_general_path(rng):
    def taken(weight_shape):
        parameters = up.Conv2d(normal(rng, weight_shape), groups=3)._parameters
        return {order.kernel for order in orders.ORDERS if order.takes(parameters, False)}

    assert "depthwise" in taken((12, 1, 3, 3))
    assert "depthwise" not in taken((15, 1, 3, 3))
    assert "depthwise" not in taken((6, 2, 3, 3))


@pytest.mark.parametrize("last", [False, True], ids=["rows", "channels-last"])
@pytest.mark.parametrize("square", SQUARES)
def test_neighbours_of_out_are_not_touched(square, last, rng):
    layer = layer_of(rng, square, 18)
    for width in (9, 17, 33):
        x = normal(rng, (1, 18, 9, width))
        y = layer(x)
        whole = np.full((1, 20, y.shape[2] + 2, y.shape[3] + 2), 7.0, np.float32)
        if last:
            whole = channels_last(whole)
        out = whole[:, 1:19, 1:-1, 1:-1]
        layer(channels_last(x) if last else x, out=out)
        assert_same_pixels(np.ascontiguousarray(out), y)
        out[...] = 7.0
        assert (whole == 7.0).all()


def test_strided_and_unaligned_inputs(rng):
    layer = up.Conv2d(normal(rng, (18, 1, 3, 3)), padding=1, groups=18)
    base = normal(rng, (2, 40, 12, 60))
    views = [
        base[:, :18], base[:, ::2][:, :18, 1:, 3:], base[:, :18, ::-1, ::-1],
        base[:, :18, :, ::2], base[:, :18].transpose(0, 1, 3, 2),
        channels_last(base)[:, 3:21, 1:, 2:], base[:, :18].astype(">f4"),
        np.broadcast_to(base[:1, :1], (2, 18, 12, 60)),
    ]
    for x in views:
        expected = layer(np.array(x, np.float32, order="C"))
        assert_same_pixels(np.ascontiguousarray(layer(x)), expected)
        out = np.empty(expected.shape, np.float32)
        layer(x, out=out)
        assert_same_pixels(out, expected)
        out = channels_last(out)
        layer(x, out=out)
        assert_same_pixels(np.ascontiguousarray(out), expected)


def test_a_nan_and_an_infinite_weight_stay_where_they_belong():
    for last in (False, True):
        x, weight = np.zeros((1, 16, 5, 9), np.float32), np.ones((16, 1, 3, 3), np.float32)
        x[0, 3, 2, 4] = np.nan
        y = up.conv2d(channels_last(x) if last else x, weight, padding=1, groups=16)
        expected = np.zeros(y.shape, bool)
        expected[0, 3, 1:4, 3:6] = True
        assert (np.isnan(y) == expected).all()


@pytest.mark.parametrize("last", [False, True], ids=["rows", "channels-last"])
@pytest.mark.parametrize(
    ("shape", "kernel", "parameters"),
    [
        ((1, 64, 512, 512), (3, 3), {"padding": 1}),
        ((1, 32, 1_000_000), (5,), {}),
        ((1, 32, 3, 100_000), (3, 3), {"padding": 1}),
        ((1, 32, 60, 60), (7, 7), {"padding": 9, "dilation": 3}),
        ((1, 32, 40, 40), (31, 31), {"padding": 15}),
        ((1, 32, 40, 56, 56), (3, 3, 3), {"padding": 1}),
        ((1, 32, 9, 200, 300), (5, 5, 5), {"padding": 2}),
    ],
)
def test_a_thread_needs_little_memory(shape, kernel, parameters, last):
    order = channels_last if last else np.asarray
    kind = (up.Conv1d, up.Conv2d, up.Conv3d)[len(shape) - 3]
    channels = shape[1]
    layer = kind(np.ones((channels, 1, *kernel), np.float32), groups=channels, **parameters)
    result_shape = out_shape(layer._parameters, shape, None)
    x, out = order(np.empty(shape, np.float32)), order(np.empty(result_shape, np.float32))
    _, plan = orders.plan(layer._parameters, x, out, 1)
    assert plan.thread_bytes <= 320 << 10


def order_of(rng, square, shape, last=False):
    layer = layer_of(rng, square, shape[1])
    x = normal(rng, shape)
    x = channels_last(x) if last else x
    return orders.plan(layer._parameters, x, layer(x), 1)[0].name


measured = pytest.mark.skipif(
    runtime.LEVEL not in _rates.RATES, reason=f"rates of {runtime.LEVEL} were not measured")


@measured
def test_rows_of_two_axes_from_a_table_are_left_to_other_paths(rng):
    few, many = (1, 2, 40, 40), (1, 16, 40, 40)
    assert order_of(rng, (False, 3, 1, 1), few) == "depthwise"
    assert order_of(rng, (True, 4, 2, 1), few) == "depthwise"
    assert order_of(rng, (False, 4, 1, 1), few) == "pixels"
    assert order_of(rng, (False, 4, 1, 1), many) == "depthwise transposed"
    assert order_of(rng, (False, 1, 1, 0), many) == "pixels"
    assert order_of(rng, (False, 4, 1, 1), many, True) == "depthwise channels"


@measured
def test_channels_are_transposed_where_rows_are_short_or_steps_wide(rng):
    assert order_of(rng, (False, 3, 1, 1), (1, 64, 112, 112)) == "depthwise"
    assert order_of(rng, (True, 4, 2, 1), (1, 64, 64, 64)) == "depthwise"
    for square in ((False, 3, 1, 1), (False, 5, 1, 2), (False, 7, 1, 3), (True, 3, 1, 1)):
        assert order_of(rng, square, (1, 64, 7, 7)) == "depthwise transposed"
    for square in ((False, 6, 2, 2), (False, 8, 3, 0)):
        assert order_of(rng, square, (1, 64, 56, 56)) == "depthwise transposed"


def test_what_does_not_fit_goes_the_general_way(rng):
    far = 10**6
    x, weight = np.ones((1, 16, 3, 3)), np.ones((16, 1, 3, 3))
    for order in (np.asarray, channels_last):
        y = up.conv2d(order(x), weight, dilation=far, padding=far, groups=16)
        assert_same_pixels(np.ascontiguousarray(y), x)
    # Fewer channels than a vector has.
    x, weight = channels_last(normal(rng, (1, 3, 9, 9))), normal(rng, (3, 1, 3, 3))
    assert_close_conv(up.conv2d(x, weight, groups=3), x, weight, groups=3)


def test_a_sliding_window_keeps_to_its_block(rng):
    # Another thread may write the pixels of the block beside it.
    layer = layer_of(rng, (False, 7, 1, 3), 128)
    for width in (7, 63, 64, 65, 69, 70, 71, 130, 134):
        x = channels_last(normal(rng, (1, 128, 3, width)))
        for choices in ({}, {"columns": 32}):
            _, plan = run("depthwise channels", x, layer, **choices)
            columns = plan.description["columns"]
            last = width - (-(-width // columns) - 1) * columns
            assert plan.description["tile"] == ("sliding" if last >= 7 else "taps")
            assert last >= 7 or choices


# --- three axes ----------------------------------------------------------------------------------


def three_axes(order, x, weight, bias, transposed, stride, padding, dilation, out_sizes,
               threads=1, square=None, **choices):
    """Run a depthwise layer of three axes, whose parameters are triples."""
    channels, axes = x.shape[1], []
    for k, s, p, d in zip(weight.shape[2:], stride, padding, dilation, strict=True):
        axes.append(tuple(lanes.axis_of(k, s, p, d, transposed=transposed)))
    multiplier = weight.shape[1] if transposed else weight.shape[0] // channels
    layout = depthwise.Layout(*axes, channels, multiplier, order, x.dtype == np.float32, square)
    out = np.empty((x.shape[0], channels * multiplier, *out_sizes), x.dtype)
    out = channels_last(out) if order == "channels" else out
    # Pixels that no tap reaches are left as they are.
    out[...] = 0 if bias is None else bias.reshape(-1, 1, 1, 1)
    steps = [tuple(stride // a.itemsize for stride in a.strides) for a in (x, out)]
    plan = depthwise.Plan(layout, x.shape, steps[0], out.shape, steps[1], threads, **choices)
    if plan.fits:
        plan.run(x, layout.pack(weight, bias), out)
    return np.ascontiguousarray(out), plan


def sizes_of(transposed, sizes, kernel, stride, padding, dilation):
    ask = shapes.ConvTranspose if transposed else shapes.Conv
    return tuple(
        ask(k, s, p, dilation=d).formula(i)
        for i, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True)
    )


# (transposed, kernel, stride, padding, dilation)
CUBES = [
    (False, (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
    (False, (3, 3, 3), (2, 2, 2), (1, 1, 1), (1, 1, 1)),
    (False, (1, 3, 3), (1, 1, 1), (0, 1, 1), (1, 1, 1)),
    (False, (1, 3, 3), (2, 1, 1), (0, 1, 1), (1, 1, 1)),
    (False, (3, 1, 1), (1, 1, 1), (1, 0, 0), (1, 1, 1)),
    (False, (5, 3, 3), (1, 2, 2), (4, 1, 1), (2, 1, 1)),
    (False, (2, 5, 5), (1, 1, 1), (3, 2, 2), (1, 1, 1)),
    (False, (3, 2, 4), (1, 3, 1), (1, 0, 2), (1, 2, 1)),
    (True, (2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1)),
    (True, (4, 4, 4), (2, 2, 2), (1, 1, 1), (1, 1, 1)),
    (True, (1, 4, 4), (1, 2, 2), (0, 1, 1), (1, 1, 1)),
    (True, (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
    (True, (3, 5, 3), (3, 3, 2), (0, 2, 0), (1, 1, 1)),
    (True, (3, 3, 2), (2, 1, 2), (1, 0, 0), (2, 1, 1)),
]


def square_of(cube):
    _, kernel, stride, padding, dilation = cube
    alike = {*zip(kernel[1:], stride[1:], padding[1:], strict=True)}
    return alike.pop() if len(alike) == 1 and dilation[1:] == (1, 1) else None


@pytest.mark.parametrize("cube", CUBES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_three_axes_equal_their_definition_in_every_order(cube, dtype, rng):
    transposed, kernel, stride, padding, dilation = cube
    weight = normal(rng, (19, 1, *kernel), dtype)
    bias = normal(rng, (19,), dtype)
    parameters = {"stride": stride, "padding": padding, "dilation": dilation}
    close = assert_close_conv_transpose if transposed else assert_close_conv
    gaps = transposed and any(
        len(lanes.phases_of(*axis)) < axis[1]
        for axis in zip(kernel, stride, padding, dilation, strict=True)
    )
    tried = 0
    for sizes in [(5, 6, 7), (1, 4, 33), (9, 3, 8), (4, 17, 16), (2, 2, 40)]:
        out_sizes = sizes_of(transposed, sizes, kernel, stride, padding, dilation)
        if min(out_sizes) < 1:
            continue
        x = normal(rng, (2, 19, *sizes), dtype)
        rest = (weight, bias, transposed, stride, padding, dilation, out_sizes)
        expected, plan = three_axes("pixels", x, *rest, plain=True)
        assert plan.fits
        close(expected, x, weight, bias, groups=19, **parameters)
        for order in ("pixels", "transposed", "channels"):
            if order == "transposed" and gaps:
                continue
            source = channels_last(x) if order == "channels" else x
            for choices in ({}, {"plain": True}, {"rows": 2, "columns": 9}, {"threads": 7},
                            {"rows": 1, "columns": 16, "threads": 2}):
                y, plan = three_axes(order, source, *rest, square=square_of(cube), **choices)
                assert plan.fits
                assert_same_pixels(y, expected)
                tried += 1
    assert tried >= 30


def test_the_tiles_of_three_axes_are_those_that_were_meant(rng):
    tiles = {}
    for cube in CUBES:
        transposed, kernel, stride, padding, dilation = cube
        x, weight = normal(rng, (1, 16, 8, 24, 24)), normal(rng, (16, 1, *kernel))
        out_sizes = sizes_of(transposed, (8, 24, 24), kernel, stride, padding, dilation)
        for order in ("pixels", "channels"):
            _, plan = three_axes(
                order, channels_last(x) if order == "channels" else x, weight, None, transposed,
                stride, padding, dilation, out_sizes, square=square_of(cube),
            )
            tiles.setdefault(plan.description["tile"], []).append((order, kernel, stride[-1]))
    assert ("pixels", (3, 3, 3), 1) in tiles["window"]
    assert ("pixels", (3, 3, 3), 2) in tiles["window"]
    assert ("pixels", (1, 4, 4), 2) in tiles["stride2"]
    assert ("pixels", (4, 4, 4), 2) in tiles["taps"]
    assert ("channels", (3, 3, 3), 2) in tiles["sliding"]
    assert ("channels", (3, 2, 4), 1) in tiles["taps"]


@st.composite
def cubes(draw):
    """Return (x, weight, bias, cube, output sizes) of a random layer of three axes."""
    transposed = draw(st.booleans())

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(3))

    channels = draw(st.sampled_from([1, 3, 8, 16, 21]))
    multiplier = draw(st.sampled_from([1, 1, 2]))
    kernel, stride, padding, dilation = each(1, 5), each(1, 3), each(0, 3), each(1, 2)
    sizes = each(1, 18)
    out_sizes = tuple(
        size + draw(st.integers(0, s - 1)) if transposed else size
        for size, s in zip(sizes_of(transposed, sizes, kernel, stride, padding, dilation), stride,
                           strict=True)
    )
    assume(min(out_sizes) > 0)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(DTYPES))
    x = normal(rng, (draw(st.integers(1, 2)), channels, *sizes), dtype)
    shape = (channels, multiplier) if transposed else (channels * multiplier, 1)
    weight = normal(rng, (*shape, *kernel), dtype)
    bias = normal(rng, (channels * multiplier,), dtype) if draw(st.booleans()) else None
    return x, weight, bias, (transposed, kernel, stride, padding, dilation), out_sizes


@given(cubes())
def test_random_layers_of_three_axes_equal_their_definition(problem):
    x, weight, bias, cube, out_sizes = problem
    transposed, kernel, stride, padding, dilation = cube
    parameters = {"stride": stride, "padding": padding, "dilation": dilation,
                  "groups": x.shape[1]}
    close = assert_close_conv_transpose if transposed else assert_close_conv
    if transposed:
        parameters["output_size"] = out_sizes
    with_gaps = transposed and any(
        len(lanes.phases_of(*axis)) < axis[1]
        for axis in zip(kernel, stride, padding, dilation, strict=True)
    )
    for order in ("pixels", "transposed", "channels"):
        source = channels_last(x) if order == "channels" else x
        for threads in (1, 3):
            y, plan = three_axes(order, source, weight, bias, transposed, stride, padding,
                                 dilation, out_sizes, threads, square=square_of(cube))
            if plan.fits and not (with_gaps and order == "transposed"):
                close(y, x, weight, bias, **parameters)
            assert plan.fits or order != "pixels"


def test_layers_of_three_axes_go_the_depthwise_way(rng):
    def order_of_cube(kernel, sizes, last=False, channels=16, **parameters):
        layer = up.Conv3d(normal(rng, (channels, 1, *kernel)), groups=channels, **parameters)
        x = normal(rng, (1, channels, *sizes))
        x = channels_last(x) if last else x
        return orders.plan(layer._parameters, x, layer(x), 1)[0].kernel

    assert order_of_cube((3, 3, 3), (8, 64, 64), padding=1) == "depthwise"
    assert order_of_cube((3, 3, 3), (7, 7, 7), padding=1) == "depthwise"
    assert order_of_cube((3, 3, 3), (7, 7, 7), last=True, padding=1) == "depthwise"
    assert order_of_cube((5, 5, 5), (8, 64, 64), channels=2) == "convolution"
