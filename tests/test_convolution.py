"""Convolution and transposed convolution: the definition, the identities, the paths, the layers."""

import copy
import itertools
import pickle
import threading
import time
import tracemalloc

import numpy as np
import pytest
from assertions import (
    assert_close_conv,
    assert_close_conv_transpose,
    assert_same_pixels,
    unmodified,
)
from golden_files import case_id, golden_cases
from hypothesis import assume, given
from hypothesis import strategies as st
from layers import draw_output, normal
from layouts import channels_last

import upshape as up
from upshape import convolution, orders, reference
from upshape.layers import _MOST_PLANS
from upshape.parameters import check_parameters, out_shape
from upshape.tasks import Task

PIXELS = orders.BY_NAME["pixels"]

TRANSPOSED = {1: up.conv_transpose1d, 2: up.conv_transpose2d, 3: up.conv_transpose3d}
ORDINARY = {1: up.conv1d, 2: up.conv2d, 3: up.conv3d}
LAYERS = {
    ("conv", 1): up.Conv1d,
    ("conv", 2): up.Conv2d,
    ("conv", 3): up.Conv3d,
    ("conv_transpose", 1): up.ConvTranspose1d,
    ("conv_transpose", 2): up.ConvTranspose2d,
    ("conv_transpose", 3): up.ConvTranspose3d,
}
DTYPES = [np.float32, np.float64]
# Sizes around the edges of vectors and tiles.
EDGES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97]


def together(work):
    """Call work(0) to work(5) in threads of their own."""
    workers = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


# --- the definition ------------------------------------------------------------------------------


@st.composite
def problems(draw, transposed):
    """Return (x, weight, bias, parameters) of a random convolution whose output is not empty."""
    axes = draw(st.sampled_from([1, 2, 2, 3]))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    channels = st.sampled_from([1, 2, 3, 4, 5, 7, 9, 13])
    c_in, c_out = groups * draw(channels), groups * draw(channels)
    kernel_size, stride, dilation = each(1, 5), each(1, 4), each(1, 3)
    if axes == 1 and draw(st.booleans()):
        kernel_size, stride = (draw(st.integers(8, 40)),), (draw(st.integers(5, 33)),)
    padding, sizes = each(0, 4), each(1, 20 if axes < 3 else 8)
    parameters = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    out = draw_output(draw, transposed, sizes, kernel_size, parameters)
    assume(min(out) > 0)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(DTYPES))
    x = normal(rng, (draw(st.integers(1, 3)), c_in, *sizes), dtype)
    if draw(st.booleans()):
        x = channels_last(x)
    shape = (c_in, c_out // groups) if transposed else (c_out, c_in // groups)
    weight = normal(rng, (*shape, *kernel_size), dtype)
    bias = normal(rng, (c_out,), dtype) if draw(st.booleans()) else None
    return x, weight, bias, parameters


@given(problems(transposed=True))
def test_transposed_convolution_equals_its_definition(problem):
    x, weight, bias, parameters = problem
    arrays = [a for a in (x, weight, bias) if a is not None]
    with unmodified(*arrays):
        y = TRANSPOSED[x.ndim - 2](x, weight, bias, **parameters)
    assert_close_conv_transpose(y, x, weight, bias, **parameters)


@given(problems(transposed=False))
def test_convolution_equals_its_definition(problem):
    x, weight, bias, parameters = problem
    arrays = [a for a in (x, weight, bias) if a is not None]
    with unmodified(*arrays):
        y = ORDINARY[x.ndim - 2](x, weight, bias, **parameters)
    assert_close_conv(y, x, weight, bias, **parameters)


@pytest.mark.parametrize(
    "definition",
    [
        reference.conv_transpose_by_zeros,
        reference.conv_transpose_by_matrix,
        reference.conv_transpose_by_scatter,
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_transposed_convolution_equals_each_of_the_three_ways(definition, dtype, rng):
    for stride, padding, dilation, extra in [
        (1, 0, 1, 0),
        (2, 1, 1, 1),
        (3, 2, 2, 2),
        (2, 0, 3, 2),
    ]:
        x, weight = normal(rng, (2, 4, 5, 4), dtype), normal(rng, (4, 3, 3, 2), dtype)
        bias = normal(rng, (6,), dtype)
        y = up.conv_transpose2d(x, weight, bias, stride, padding, extra, 2, dilation)
        expected = definition(x, weight, bias, stride, padding, extra, 2, dilation)
        tolerance = 1e-5 if dtype == np.float32 else 1e-13
        np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance * 50)


@given(problems(transposed=False))
def test_the_transpose_is_the_adjoint(problem):
    x, weight, _, parameters = problem
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    axes = x.ndim - 2
    y = ORDINARY[axes](x, weight, **parameters)
    other = np.random.default_rng(1).standard_normal(y.shape)
    sizes = up.shapes.ConvTranspose(
        weight.shape[2:], parameters["stride"], parameters["padding"], 0, parameters["dilation"]
    )
    reachable = [
        i in [o for _, o in axis.choices(j)]
        for i, j, axis in zip(x.shape[2:], y.shape[2:], sizes.axes, strict=True)
    ]
    assume(all(reachable))
    back = TRANSPOSED[axes](other, weight, output_size=x.shape, **parameters)
    left, right = np.sum(y * other), np.sum(x * back)
    scale = np.sum(np.abs(y) * np.abs(other)) + np.sum(np.abs(x) * np.abs(back))
    assert abs(left - right) <= 1e-12 * scale


@pytest.mark.parametrize("case", golden_cases("convolution", "volumes"), ids=case_id)
def test_pytorch_gives_the_same(case):
    arguments, arrays = case
    arguments = dict(arguments)
    function = getattr(up, arguments.pop("function"))
    expected = arrays.pop("y")
    y = function(**{k: v for k, v in arrays.items() if v.ndim}, **arguments)
    assert y.dtype == expected.dtype
    tolerance = 1e-5 if y.dtype == np.float32 else 1e-13
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance * 100)


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_width_around_a_vector(size, dtype, rng):
    for stride, width in [(1, 3), (2, 2), (2, 4), (3, 3)]:
        x, weight = normal(rng, (1, 3, 2, size), dtype), normal(rng, (3, 5, 2, width), dtype)
        assert_close_conv_transpose(
            up.conv_transpose2d(x, weight, stride=stride), x, weight, stride=stride
        )
        weight = normal(rng, (5, 3, 2, width), dtype)
        y = up.conv2d(x, weight, stride=stride, padding=2)
        assert_close_conv(y, x, weight, stride=stride, padding=2)


@pytest.mark.parametrize("channels", EDGES)
@pytest.mark.parametrize("last", [False, True], ids=["rows", "channels-last"])
def test_every_number_of_channels_around_a_tile(channels, last, rng):
    order = channels_last if last else np.asarray
    x, weight = order(normal(rng, (2, channels, 4, 5))), normal(rng, (channels, 3, 4, 4))
    y = up.conv_transpose2d(x, weight, stride=2, padding=1)
    assert_close_conv_transpose(y, x, weight, stride=2, padding=1)
    x, weight = order(normal(rng, (2, 3, 4, 5))), normal(rng, (3, channels, 2, 2))
    assert_close_conv_transpose(up.conv_transpose2d(x, weight, stride=2), x, weight, stride=2)
    weight = normal(rng, (channels, 3, 3, 3))
    assert_close_conv(up.conv2d(x, weight, padding="same"), x, weight, padding="same")


@pytest.mark.parametrize("last", [False, True], ids=["rows", "channels-last"])
def test_long_sums_are_computed_in_pieces(last, rng):
    order = channels_last if last else np.asarray
    x = order(normal(rng, (1, 301, 6, 7)))
    weight, bias = normal(rng, (301, 9, 4, 4)), normal(rng, (9,))
    y = up.conv_transpose2d(x, weight, bias, 2, 1)
    assert_close_conv_transpose(y, x, weight, bias, stride=2, padding=1)
    weight = normal(rng, (17, 301, 3, 3))
    assert_close_conv(up.conv2d(x, weight, padding=1), x, weight, padding=1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_wide_strides_and_very_large_kernels(dtype, rng):
    for size, stride, padding in [(64, 32, 16), (40, 17, 3), (9, 8, 0), (24, 24, 0)]:
        x, weight = normal(rng, (1, 3, 4, 3), dtype), normal(rng, (3, 2, size, size), dtype)
        y = up.conv_transpose2d(x, weight, None, stride, padding)
        assert_close_conv_transpose(y, x, weight, stride=stride, padding=padding)
    x, weight = normal(rng, (2, 20, 19), dtype), normal(rng, (20, 2, 1024), dtype)
    y = up.conv_transpose1d(x, weight, None, 256, 100, 3)
    assert_close_conv_transpose(y, x, weight, stride=256, padding=100, output_padding=3)


def test_gaps_between_stamps_hold_the_bias():
    x, weight = np.ones((1, 1, 2, 2)), np.full((1, 2, 1, 1), 5.0)
    y = up.conv_transpose2d(x, weight, [0.5, -1.0] * np.ones(2), stride=3, output_padding=1)
    expected = np.tile(np.array([0.5, -1.0])[None, :, None, None], (1, 1, 5, 5))
    expected[:, :, ::3, ::3] += 5.0
    assert_same_pixels(y, expected)
    assert_same_pixels(
        up.conv_transpose2d(channels_last(x), weight, np.array([0.5, -1.0]), 3, 0, 1), expected
    )
    assert up.conv_transpose2d(x, weight, stride=3)[0, 0, 1, 1] == 0


@pytest.mark.parametrize("stride", [(3, 1, 1), (1, 3, 1), (1, 1, 3), (3, 1, 2), (2, 3, 1)])
def test_depths_and_rows_that_no_tap_reaches_hold_the_bias(stride, rng):
    """Also those of rows that follow each other in memory, which are written as one."""
    x, weight, bias = normal(rng, (2, 4, 3, 6, 5)), normal(rng, (4, 3, 1, 1, 1)), normal(rng, 3)
    for layout in (np.ascontiguousarray, channels_last):
        y = up.conv_transpose3d(layout(x), weight, bias, stride=stride)
        gaps = np.ones(y.shape[2:], bool)
        gaps[:: stride[0], :: stride[1], :: stride[2]] = False
        assert (y[:, :, gaps] == bias[:, None]).all()
        assert_close_conv_transpose(y, x, weight, bias, stride=stride)


def test_kernel_one_is_a_matrix_product(rng):
    x, weight = rng.integers(-9, 9, (2, 5, 4, 9)).astype(float), rng.integers(-9, 9, (5, 3, 1, 1))
    weight = weight.astype(float)
    expected = np.einsum("nchw,co->nohw", x, weight[:, :, 0, 0])
    assert_same_pixels(up.conv_transpose2d(x, weight), expected)
    assert_same_pixels(up.conv2d(x, weight.transpose(1, 0, 2, 3)), expected)


def test_depthwise_and_grouped_channels_keep_apart(rng):
    x = normal(rng, (2, 12, 9, 10))
    weight = normal(rng, (12, 1, 4, 4))
    y = up.conv_transpose2d(x, weight, None, 2, 1, groups=12)
    assert_close_conv_transpose(y, x, weight, stride=2, padding=1, groups=12)
    for channel in range(12):
        alone = up.conv_transpose2d(
            x[:, channel : channel + 1], weight[channel : channel + 1], None, 2, 1
        )
        np.testing.assert_allclose(y[:, channel : channel + 1], alone, rtol=1e-6, atol=1e-6)
    weight = normal(rng, (24, 3, 3, 3))
    y = up.conv2d(x, weight, groups=4, stride=(1, 2))
    assert_close_conv(y, x, weight, groups=4, stride=(1, 2))


def test_same_and_valid_padding(rng):
    x = normal(rng, (1, 2, 8, 9))
    for size, dilation in itertools.product([1, 2, 3, 4, 5], [1, 2, 3]):
        weight = normal(rng, (3, 2, size, size))
        y = up.conv2d(x, weight, padding="same", dilation=dilation)
        assert y.shape == (1, 3, 8, 9)
        assert_close_conv(y, x, weight, padding="same", dilation=dilation)
    weight = normal(rng, (3, 2, 3, 3))
    assert_same_pixels(up.conv2d(x, weight, padding="valid"), up.conv2d(x, weight))


# --- padding of two sides, and SAME ---------------------------------------------------------------


@pytest.mark.parametrize("padding", ["pairs", "same_upper", "same_lower"])
@pytest.mark.parametrize("kind", ["conv", "conv_transpose"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_padding_of_two_sides_and_same_equal_the_definition(axes, kind, padding):
    """Integers, so that every bit is the definition's, in functions and layers, early and late."""
    rng = np.random.default_rng(axes)
    function, slow = getattr(up, f"{kind}{axes}d"), getattr(reference, kind)
    relation = {"conv": up.shapes.Conv, "conv_transpose": up.shapes.ConvTranspose}[kind]
    compared = 0

    def integers(shape):
        return rng.integers(-3, 4, shape).astype(np.float32)

    for number in range(60):
        kernel_size, stride, dilation, sizes = (
            tuple(rng.integers(1, most, axes).tolist()) for most in (5, 4, 4, 9)
        )
        pads = padding
        if padding == "pairs":
            pads = tuple(tuple(rng.integers(0, 4, 2).tolist()) for _ in range(axes))
        groups = [1, 1, 2, 3][number % 4]
        inner, outer = (groups * int(n) for n in rng.integers(1, 6, 2))
        how = {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}
        x = integers((2, inner, *sizes))
        x = channels_last(x) if number % 3 == 0 else x
        channels = (outer, inner // groups) if kind == "conv" else (inner, outer // groups)
        weight, bias = integers((*channels, *kernel_size)), integers(outer)
        rule = relation(kernel_size, stride, pads, dilation=dilation)
        try:
            plain = rule(sizes)
        except ValueError:
            with pytest.raises(ValueError, match=f"^{kind}{axes}d: "):
                function(x, weight, bias, **how)
            continue
        compared += 1
        layer = LAYERS[kind, axes](weight, bias, **how)
        expected = slow(x, weight, bias, **how).astype(np.float32)
        assert expected.shape == (2, outer, *plain)
        for _ in range(2):
            assert_same_pixels(function(x, weight, bias, **how), expected)
            assert_same_pixels(layer(x), expected)
            out = np.empty_like(expected)
            assert_same_pixels(layer(x, out=out), expected)
        other = integers((1, inner, *(n + 1 for n in sizes)))
        assert_same_pixels(layer(other), slow(other, weight, bias, **how).astype(np.float32))
        assert_same_pixels(layer(x), expected)
        if kind == "conv_transpose":
            asked = tuple(
                int(rng.choice([choice.o for choice in axis.choices(i)]))
                for axis, i in zip(rule.axes, sizes, strict=True)
            )
            for _ in range(2):
                assert_same_pixels(
                    layer(x, output_size=asked),
                    slow(x, weight, bias, **how, output_size=asked).astype(np.float32),
                )
        again = pickle.loads(pickle.dumps(layer))
        assert repr(again) == repr(layer)
        assert again.padding == layer.padding
        assert_same_pixels(again(x), expected)
        assert up.shapes.from_torch(layer)(sizes) == plain
    assert compared > 20


def test_padding_can_be_written_in_every_way_that_the_solver_takes(rng):
    x, weight = normal(rng, (1, 2, 7, 8)), normal(rng, (3, 2, 3, 3))
    expected = up.conv2d(np.pad(x, [(0, 0), (0, 0), (0, 1), (2, 2)]), weight)
    for padding in (((0, 1), 2), [[0, 1], [2, 2]], np.array([[0, 1], [2, 2]]),
                    (up.shapes.Padding(0, 1), np.int64(2))):  # fmt: skip
        assert_same_pixels(up.conv2d(x, weight, padding=padding), expected)
    expected = up.conv2d(np.pad(x, [(0, 0), (0, 0), (0, 1), (0, 1)]), weight)
    for padding in (up.shapes.Padding(0, 1), ((0, 1),), ((0, 1), (0, 1))):
        assert_same_pixels(up.conv2d(x, weight, padding=padding), expected)
        assert up.Conv2d(weight, padding=padding).padding == ((0, 1), (0, 1))


# --- paths ---------------------------------------------------------------------------------------


def run_plan(
    x, weight, bias, order, source, threads, transposed=True, block=None, **parameters
):
    """Run the kernel with an order of work, a source of the tiles and a block of our choice."""
    arguments = {"stride": 1, "padding": 0, "groups": 1, "dilation": 1} | parameters
    checked, weight, bias = check_parameters(
        "test",
        weight,
        bias,
        arguments["stride"],
        arguments["padding"],
        arguments.get("output_padding", 0) if transposed else None,
        arguments["groups"],
        arguments["dilation"],
        x.ndim - 2,
    )
    shape = out_shape(checked, x.shape, None)
    order = orders.BY_NAME[order]
    out = np.full(shape, np.nan, x.dtype)
    if order.vectors == "channels":
        out = channels_last(out)
    plan = orders.plan_of(
        checked, order, orders.frames_of(x, out), threads, source=source, block=block
    )
    assert source in (None, plan.description["source"])
    packed = orders.layout(checked, order).pack(np.ascontiguousarray(weight), bias)
    gaps = order.leaves_gaps(checked)
    Task(order, plan, (), None, gaps, packed, bias).run(x, packed, bias, out)
    return out


@pytest.mark.parametrize("shape", [(2, 4, 30, 20), (1, 4, 900), (1, 4, 9, 7, 8)])
def test_many_pixels_that_no_tap_reaches_hold_the_bias(shape, rng):
    """As many as make a row of the bias worth making first, in channels-last memory."""
    axes = len(shape) - 2
    x, weight, bias = normal(rng, shape), normal(rng, (4, 3, *(1,) * axes)), normal(rng, 3)
    reached = (slice(None, None, 2),) * axes
    for order in ("channels", "pixels"):
        y = run_plan(
            channels_last(x), weight, bias, order, None, 1, stride=2, output_padding=1
        )
        gaps = np.ones(y.shape[2:], bool)
        gaps[reached] = False
        assert (y[:, :, gaps] == bias[:, None]).all()
        assert_close_conv_transpose(y, x, weight, bias, stride=2, output_padding=1)


def test_every_order_and_source_equals_the_definition(rng):
    layers = [
        up.ConvTranspose2d(normal(rng, (20, 9, 4, 4)), normal(rng, (9,)), 2, 1),
        up.ConvTranspose2d(normal(rng, (5, 6, 7, 9)), normal(rng, (6,)), (3, 4), 1, (2, 1)),
        up.Conv2d(normal(rng, (18, 20, 3, 3)), normal(rng, (18,)), padding=1),
        up.Conv2d(normal(rng, (34, 1, 3, 3)), normal(rng, (34,)), padding=1, groups=34),
        up.ConvTranspose2d(normal(rng, (20, 1, 4, 4)), None, 2, 1, groups=20),
        up.Conv2d(normal(rng, (4, 6, 1, 1))),
    ]
    computed = set()
    for layer, last in itertools.product(layers, [False, True]):
        parameters = layer._parameters
        x = normal(rng, (2, parameters.channels_in, 13, 40))
        out = np.zeros(out_shape(parameters, x.shape, None), np.float32)
        x, out = (channels_last(x), channels_last(out)) if last else (x, out)
        expected = layer(x)
        close = assert_close_conv_transpose if parameters.transposed else assert_close_conv
        close(np.ascontiguousarray(expected), x, layer.weight, layer.bias, **{
            name: getattr(layer, name)
            for name in ("stride", "padding", "dilation", "groups", "output_padding")
            if parameters.transposed or name != "output_padding"})
        for order, _, plan in orders.ways(parameters, orders.frames_of(x, out), 2):
            packed = orders.layout(parameters, order).pack(layer.weight, layer.bias)
            gaps = order.leaves_gaps(parameters)
            out[...] = np.nan
            Task(order, plan, (), None, gaps, packed, layer.bias).run(x, packed, layer.bias, out)
            np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)
            computed.add((order.name, plan.description["source"]))
    # An order of work that none of these layers takes is tested nowhere: add a layer for it.
    assert {name for name, _ in computed} == set(orders.BY_NAME)
    assert {source for _, source in computed} == {"depthwise", *PIXELS.sources}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "weight_shape", "parameters"),
    [
        ((1, 20, 33, 40), (20, 9, 4, 4), {"stride": 2, "padding": 1}),
        ((3, 150, 9, 10), (150, 13, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
        ((2, 16, 21, 65), (16, 5, 3, 3), {"dilation": 2}),
        ((2, 6, 17, 18), (6, 2, 5, 3), {"stride": (3, 1), "groups": 3, "padding": (0, 1)}),
        ((2, 8, 5, 6), (8, 4, 8, 9), {"stride": (8, 9), "padding": 3}),
        # Pixels and rows that no tap reaches: short and long ones, few and many.
        ((2, 7, 9, 14), (7, 5, 2, 1), {"stride": (4, 3), "padding": (2, 0)}),
        ((1, 5, 6, 4), (5, 19, 2, 3), {"stride": (3, 4), "output_padding": (2, 3)}),
        ((2, 6, 3, 37), (6, 4, 1, 3), {"stride": (5, 4), "dilation": (1, 3), "groups": 2}),
        ((1, 4, 5, 33), (4, 33, 3, 2), {"stride": (1, 7), "padding": 1}),
    ],
)
def test_every_path_equals_the_first(shape, weight_shape, parameters, dtype, rng):
    x, weight = normal(rng, shape, dtype), normal(rng, weight_shape, dtype)
    bias = normal(rng, (weight_shape[1] * parameters.get("groups", 1),), dtype)
    first = run_plan(x, weight, bias, "pixels", "rows", 1, **parameters)
    assert_close_conv_transpose(first, x, weight, bias, **parameters)
    for source, threads in itertools.product(["rows", "flat", "im2col", None], [1, 2, 3]):
        y = run_plan(x, weight, bias, "pixels", source, threads, **parameters)
        assert_same_pixels(y, first)
    # Another order may cut a sum elsewhere, never order its products otherwise.
    for order in ["channels", "phases", "transposed"]:
        y = run_plan(x, weight, bias, order, None, 2, **parameters)
        assert_close_conv_transpose(np.ascontiguousarray(y), x, weight, bias, **parameters)
    for threads, block in itertools.product([1, 3], [(1, x.shape[3] + 2), (2, 5), (7, 13)]):
        y = run_plan(x, weight, bias, "transposed", "rows", threads, True, block, **parameters)
        assert_close_conv_transpose(y, x, weight, bias, **parameters)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "weight_shape", "parameters"),
    [
        ((2, 5, 41, 70), (3, 5, 3, 3), {"stride": 2, "padding": 1}),
        ((1, 40, 23, 100), (9, 40, 4, 5), {"stride": (4, 3), "padding": (1, 2)}),
        ((3, 7, 61, 29), (4, 7, 1, 1), {"stride": 3}),
        ((2, 6, 50, 45), (4, 3, 7, 7), {"stride": 3, "dilation": 3, "padding": 5, "groups": 2}),
        ((2, 6, 37, 60), (5, 6, 3, 2), {"stride": (2, 4), "dilation": (3, 2)}),
        ((1, 4, 33, 90), (5, 4, 9, 8), {"stride": (5, 7), "padding": 3}),
        ((4, 300, 6, 5), (6, 300, 3, 3), {"padding": 1}),
    ],
)
def test_every_path_of_an_ordinary_convolution_equals_the_first(
    shape, weight_shape, parameters, dtype, rng
):
    x, weight = normal(rng, shape, dtype), normal(rng, weight_shape, dtype)
    bias = normal(rng, weight_shape[:1], dtype)
    first = run_plan(x, weight, bias, "pixels", "rows", 1, False, **parameters)
    assert_close_conv(first, x, weight, bias, **parameters)
    for source, threads in itertools.product(["rows", "flat", "im2col", None], [1, 3]):
        y = run_plan(x, weight, bias, "pixels", source, threads, False, **parameters)
        assert_same_pixels(y, first)
    for source, columns in itertools.product(["rows", "flat"], [3, 16]):
        y = run_plan(x, weight, bias, "pixels", source, 1, False, (2, columns), **parameters)
        assert_same_pixels(y, first)
    first = run_plan(x, weight, bias, "transposed", None, 1, False, **parameters)
    assert_close_conv(first, x, weight, bias, **parameters)
    for threads, block in itertools.product([2, 7], [None, (1, 16), (3, 11)]):
        source = None if block is None else "rows"
        y = run_plan(x, weight, bias, "transposed", source, threads, False, block, **parameters)
        assert_same_pixels(y, first)


def test_turning_many_channels_in_pieces(rng):
    # More lanes than a tile has, some of them empty; sums that are put aside between channels.
    for channels, wanted, size in [(700, 65, (5, 9)), (1500, 33, (1, 7)), (150, 100, (30, 31))]:
        x, weight = normal(rng, (2, channels, *size)), normal(rng, (wanted, channels, 3, 3))
        bias = normal(rng, (wanted,))
        first = run_plan(x, weight, bias, "transposed", None, 1, False, padding=1)
        assert_close_conv(first, x, weight, bias, padding=1)
        for threads in (2, 3, 7):
            y = run_plan(x, weight, bias, "transposed", None, threads, False, padding=1)
            assert_same_pixels(y, first)


def test_transposed_rows_and_gaps_leave_what_is_around_the_result(rng):
    for order, kernel_size, stride in itertools.product(
        ["pixels", "transposed"], [(1, 1), (2, 3), (3, 2)], [1, 2, (3, 4), (4, 3), 6]
    ):
        layer = up.ConvTranspose2d(
            normal(rng, (6, 18, *kernel_size)), normal(rng, (18,)), stride, 0, 0
        )
        for width in (3, 21):
            assert_writes_its_result_alone(order, layer, normal(rng, (2, 6, 4, width)))


def test_what_is_left_out_does_not_depend_on_the_threads(rng):
    # No pixel of the first row is reached by the weights that are infinite: it stays finite.
    for size in [(9, 3), (16, 5), (13, 20)]:
        x, weight = normal(rng, (1, 30, *size)), normal(rng, (40, 30, 3, 3))
        weight[:, :, 0] = np.inf
        first = run_plan(x, weight, None, "transposed", None, 1, False, padding=(1, 0))
        for threads, block in itertools.product([1, 2, 7], [None, (1, size[1]), (2, size[1])]):
            source = None if block is None else "rows"
            y = run_plan(
                x, weight, None, "transposed", source, threads, False, block, padding=(1, 0)
            )
            np.testing.assert_array_equal(y, first)
    assert np.isfinite(first[:, :, 0]).all()
    assert not np.isfinite(first[:, :, 1:]).any()


def test_channels_are_transposed_where_it_pays(rng):
    def order(shape, weight_shape, **parameters):
        layer = up.Conv2d(normal(rng, weight_shape), **parameters)
        x = np.zeros(shape, np.float32)
        out = np.zeros(out_shape(layer._parameters, shape, None), np.float32)
        return {orders.plan(layer._parameters, x, out, n)[0].name for n in (1, 2, 7)}

    # Few pixels of many channels; not few channels of many pixels.
    assert order((1, 512, 7, 7), (512, 512, 3, 3), padding=1) == {"transposed"}
    assert order((1, 32, 200, 200), (8, 32, 3, 3), padding=1) == {"pixels"}


def test_gathering_takes_more_pieces_than_there_is_room_for(rng):
    # Sixteen offsets; only where the column's is zero are an image's rows one piece.
    x, weight = normal(rng, (4, 2, 34, 8)), normal(rng, (2, 9, 7, 7))
    y = run_plan(x, weight, None, "pixels", "im2col", 1, stride=2, padding=3)
    assert_close_conv_transpose(y, x, weight, stride=2, padding=3)
    # Rows of one pixel: each is a piece of its own.
    x, weight = normal(rng, (1, 3, 700, 2)), normal(rng, (3, 2, 3, 2))
    y = run_plan(x, weight, None, "pixels", "im2col", 1, padding=(0, 1))
    assert_close_conv_transpose(y, x, weight, padding=(0, 1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("transposed", "shape", "weight_shape", "parameters"),
    [
        (True, (2, 9, 12, 13), (9, 3, 4, 4), {"stride": 2, "padding": 1}),
        (True, (1, 30, 23, 6), (30, 4, 4, 4), {"dilation": 3, "output_padding": 2}),
        (True, (3, 5, 7, 40), (5, 2, 5, 3), {"stride": (3, 1), "groups": 1, "padding": (4, 0)}),
        (True, (2, 8, 5, 33), (8, 7, 3, 6), {"stride": (5, 4), "groups": 2, "padding": (0, 3)}),
        (True, (1, 6, 40, 50), (6, 1, 7, 7), {"stride": 3, "padding": 9}),
        (True, (1, 6, 4, 5), (6, 2, 3, 5), {"stride": (2, 6), "output_padding": (1, 5)}),
        (True, (2, 11, 90), (11, 3, 9), {"stride": 2, "padding": 3}),
        (False, (2, 9, 12, 13), (3, 9, 4, 4), {"padding": 2}),
        (False, (1, 30, 23, 40), (5, 15, 3, 5), {"dilation": (4, 3), "groups": 1}),
        (False, (2, 16, 9, 50), (6, 8, 3, 3), {"padding": 1, "groups": 2}),
    ],
)
def test_col2im_adds_up_to_the_definition(
    transposed, shape, weight_shape, parameters, dtype, rng
):
    if not transposed:
        weight_shape = (weight_shape[0], shape[1] // parameters.get("groups", 1), *weight_shape[2:])
    x, weight = normal(rng, shape, dtype), normal(rng, weight_shape, dtype)
    groups = parameters.get("groups", 1)
    bias = normal(rng, (weight_shape[1] * groups if transposed else weight_shape[0],), dtype)
    first = run_plan(x, weight, bias, "col2im", None, 1, transposed, **parameters)
    close = assert_close_conv_transpose if transposed else assert_close_conv
    close(first, x, weight, bias, **parameters)
    for threads, rows in itertools.product([1, 2, 7], [1, 2, 3, 5]):
        y = run_plan(x, weight, bias, "col2im", None, threads, transposed, (rows, 0), **parameters)
        assert_same_pixels(y, first)


def assert_writes_its_result_alone(order, layer, x):
    """Check a result, and that the numbers on all its sides stay."""
    shape = out_shape(layer._parameters, x.shape, None)
    whole = np.full([n + 2 for n in shape], 7.0, np.float32)
    out = whole[1:-1, 1:-1, 1:-1, 1:-1]
    order = orders.BY_NAME[order]
    plan = orders.plan_of(layer._parameters, order, orders.frames_of(x, out), 2)
    plan.run(x, orders.layout(layer._parameters, order).pack(layer.weight, layer.bias), out)
    assert_close_conv_transpose(
        out, x, layer.weight, layer.bias, stride=layer.stride, padding=layer.padding,
        output_padding=layer.output_padding,
    )
    out[...] = 7.0
    assert (whole == 7.0).all()


def test_col2im_leaves_what_is_around_the_result(rng):
    for stride, padding, extra in [(1, 0, 0), (2, 1, 1), (3, 4, 2), (5, 0, 4)]:
        layer = up.ConvTranspose2d(
            normal(rng, (6, 2, 5, 5)), normal(rng, (2,)), stride, padding, extra
        )
        assert_writes_its_result_alone("col2im", layer, normal(rng, (2, 6, 9, 21)))


def test_col2im_is_chosen_where_it_pays(rng):
    def order(shape, weight_shape, threads=1, **parameters):
        layer = up.ConvTranspose2d(normal(rng, weight_shape), **parameters)
        x = np.zeros(shape, np.float32)
        out = np.zeros(out_shape(layer._parameters, shape, None), np.float32)
        return orders.plan(layer._parameters, x, out, threads)[0].name

    # Small maps, of which a kernel makes much larger ones, and few output channels.
    assert order((1, 500, 23, 6), (500, 4, 4, 4), dilation=3) == "col2im"
    assert order((1, 70, 6, 14), (70, 1, 7, 7)) == "col2im"
    assert order((1, 64, 100, 100), (64, 64, 3, 3), padding=1) != "col2im"
    assert order((1, 512, 28, 28), (512, 256, 2, 2), stride=2) != "col2im"
    # Too many taps.
    assert order((1, 64, 6, 6), (64, 1, 12, 12)) == "pixels"
    # Orders give different bits: which one it is must not depend on the threads.
    for size in range(4, 60, 5):
        names = {order((1, 40, size, size), (40, 2, 4, 4), n, padding=1) for n in (1, 2, 7)}
        assert len(names) == 1


def test_a_plan_that_does_not_fit_is_not_run(rng):
    layer = up.ConvTranspose2d(normal(rng, (3, 1, 40, 40)))
    order = orders.BY_NAME["col2im"]
    layout = orders.layout(layer._parameters, order)
    x, out = normal(rng, (1, 3, 50, 50)), np.zeros((1, 1, 89, 89), np.float32)
    plan = orders.plan_of(layer._parameters, order, orders.frames_of(x, out), 1)
    assert not plan.fits
    with pytest.raises(ValueError, match="does not fit"):
        plan.run(x, layout.pack(layer.weight, None), out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("source", ["rows", "flat", "im2col", None])
@pytest.mark.parametrize("size", [2, 4, (3, 2), (1, 4), (5, 6)])
def test_pairs_of_phases_equal_phases_on_their_own(size, source, dtype, rng):
    stride = (3, 2) if size == (5, 6) else 2
    kernel_size = size if isinstance(size, tuple) else (size, size)
    widths, few = [1, 7, 16, 19, 33, 100], [1, 3, 5, 9]
    for width, channels, padding in itertools.product(widths, few, [0, 1]):
        x, weight = normal(rng, (2, 3, 5, width), dtype), normal(rng, (3, channels, *kernel_size))
        weight, bias = weight.astype(dtype), normal(rng, (channels,), dtype)
        layer = up.ConvTranspose2d(weight, bias, stride, padding)
        try:
            shape = out_shape(layer._parameters, x.shape, None)
        except ValueError:
            continue
        results = []
        for pairs, threads in [(False, 1), (True, 1), (True, 3)]:
            layout = orders.layout(layer._parameters, PIXELS, pairs)
            assert layout.pairs is pairs
            # Something else on all sides of the result, which must stay.
            whole = np.full([n + 2 for n in shape], 7.0, dtype)
            out = whole[1:-1, 1:-1, 1:-1, 1:-1]
            plan = orders.plan_of(
                layer._parameters, PIXELS, orders.frames_of(x, out), threads, pairs=pairs,
                source=source,
            )
            plan.run(x, layout.pack(layer.weight, bias), out)
            results.append(out.copy())
            out[...] = 7.0
            assert (whole == 7.0).all()
        assert_same_pixels(results[1], results[0])
        assert_same_pixels(results[2], results[0])
        assert_close_conv_transpose(
            results[1], x, weight, bias, stride=stride, padding=padding
        )


def test_long_sums_of_pairs_are_computed_in_pieces(rng):
    for channels, width in [(1100, 20), (1030, 33)]:
        x, weight = normal(rng, (1, channels, 3, width)), normal(rng, (channels, 5, 2, 2))
        layer = up.ConvTranspose2d(weight, normal(rng, (5,)), 2)
        y = run_layout(x, layer, True)
        assert_same_pixels(y, run_layout(x, layer, False))
        assert_close_conv_transpose(y, x, weight, layer.bias, stride=2)


def run_layout(x, layer, pairs):
    layout = orders.layout(layer._parameters, PIXELS, pairs)
    out = np.full(out_shape(layer._parameters, x.shape, None), np.nan, x.dtype)
    plan = orders.plan_of(
        layer._parameters, PIXELS, orders.frames_of(x, out), 1, pairs=pairs, source="rows"
    )
    plan.run(x, layout.pack(layer.weight, layer.bias), out)
    return out


def test_pairs_are_made_where_they_pay(rng):
    def pairs(c_in, size, stride=2, padding=0):
        layer = up.ConvTranspose2d(normal(rng, (c_in, 4, size, size)), None, stride, padding)
        return orders.layout(layer._parameters, PIXELS).pairs

    assert pairs(64, 2)
    assert pairs(3, 4, 2, 1)
    assert not pairs(64, 4, 2, 1)
    assert not pairs(3, 3, 2, 1)
    assert not pairs(3, 3, 3)


def test_the_input_itself_as_source_equals_its_copy(rng):
    for shape in [(2, 5, 8, 16), (1, 24, 53, 47), (2, 3, 61, 64)]:
        x, weight = normal(rng, shape), normal(rng, (shape[1], 2, 2, 2))
        direct = run_plan(x, weight, None, "pixels", "direct", 2, stride=2)
        assert_same_pixels(direct, run_plan(x, weight, None, "pixels", "rows", 1, stride=2))
        assert_close_conv_transpose(direct, x, weight, stride=2)
    x, weight = channels_last(normal(rng, (2, 7, 9, 10))), normal(rng, (6, 7, 3, 3))
    direct = run_plan(x, weight, None, "channels", "direct", 2, transposed=False)
    copied = run_plan(x, weight, None, "channels", "rows", 1, transposed=False)
    assert_same_pixels(direct, copied)


def test_an_input_that_many_panels_read_as_it_lies_is_cut_to_fit_a_second_cache(rng):
    for channels, size in (300, (41, 37)), (512, (32, 32)), (700, (9, 200)):
        x, weight = normal(rng, (2, channels, *size)), normal(rng, (32, channels, 1, 1))
        frames = orders.frames_of(x, np.empty((2, 32, *size), np.float32))
        layer = up.Conv2d(weight)
        plan = orders.plan_of(layer._parameters, PIXELS, frames, 1, source="direct")
        block = plan.description["columns"] * channels / plan.description["channel blocks"]
        assert plan.description["source"] == "direct"
        assert 100e3 < 4 * block < 512e3
        direct = run_plan(x, weight, None, "pixels", "direct", 2, transposed=False)
        copied = run_plan(x, weight, None, "pixels", "rows", 1, transposed=False)
        assert_same_pixels(direct, copied)
        close = np.einsum("oi,nihw->nohw", weight[:, :, 0, 0].astype(float), x.astype(float))
        np.testing.assert_allclose(direct, close, rtol=0, atol=1e-6 * channels)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(4))), ids=str)
def test_planes_that_are_read_as_they_lie_may_lie_anyhow(axes, rng):
    """The strides of rows and channels may be those of a plane though its pixels' are not."""
    for shape in itertools.product((1, 2), (1, 2, 3), (1, 2, 8), (1, 2, 3, 8)):
        x = normal(rng, shape)
        laid = np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))
        weight = normal(rng, (1, shape[1], 1, 1))
        assert_close_conv(up.conv2d(laid, weight), x, weight)
        turned = weight.transpose(1, 0, 2, 3)
        assert_close_conv_transpose(up.conv_transpose2d(laid, turned), x, turned)


@pytest.mark.parametrize("last", [False, True], ids=["rows", "channels-last"])
def test_threads_change_no_bit(last, rng):
    order = channels_last if last else np.asarray
    problems = [
        ((2, 40, 30, 31), (40, 30, 4, 4), {"stride": 2, "padding": 1}),
        ((1, 300, 9, 9), (300, 65, 3, 3), {"padding": 1}),
        ((1, 9, 20, 20), (9, 4, 32, 32), {"stride": 16}),
        ((1, 33, 64, 64), (33, 1, 4, 4), {"stride": 2, "groups": 33}),
        ((1, 200, 12, 40), (200, 2, 5, 5), {"padding": 1}),
    ]
    before = up.get_num_threads()
    for shape, weight_shape, parameters in problems:
        x, weight = order(normal(rng, shape)), normal(rng, weight_shape)
        results = []
        try:
            for count in (1, 2, 7):
                up.set_num_threads(count)
                results.append(up.conv_transpose2d(x, weight, **parameters))
        finally:
            up.set_num_threads(before)
        assert_same_pixels(results[1], results[0])
        assert_same_pixels(results[2], results[0])


# --- arrays --------------------------------------------------------------------------------------


def test_channels_last_memory_stays_so(rng):
    x, weight = normal(rng, (2, 6, 5, 7)), normal(rng, (6, 4, 3, 3))
    plain, last = (up.conv_transpose2d(a, weight, stride=2) for a in (x, channels_last(x)))
    assert last.transpose(0, 2, 3, 1).flags.c_contiguous
    assert plain.flags.c_contiguous
    np.testing.assert_allclose(last, plain, rtol=1e-5, atol=1e-5)
    x, weight = normal(rng, (2, 6, 9)), normal(rng, (4, 6, 3))
    last = up.conv1d(channels_last(x), weight)
    assert last.transpose(0, 2, 1).flags.c_contiguous
    np.testing.assert_allclose(last, up.conv1d(x, weight), rtol=1e-5, atol=1e-5)


def test_any_strides_and_byte_order(rng):
    base, weight = normal(rng, (4, 12, 10, 20)), normal(rng, (6, 3, 3, 3))
    views = [
        base[::2, ::2],
        base[::-1, 6:],
        base[:, :6, ::-1, ::-1],
        base[:, :6, :, ::3],
        base[:, :6].transpose(0, 1, 3, 2),
        np.broadcast_to(base[:1, :1], (2, 6, 10, 20)),
        base[:, :6].astype(">f4"),
    ]
    for x in views:
        expected = up.conv_transpose2d(np.array(x, np.float32, order="C"), weight, stride=2)
        assert_same_pixels(np.ascontiguousarray(up.conv_transpose2d(x, weight, stride=2)), expected)
    x = base[:, :6]
    x.flags.writeable = False
    up.conv2d(x, weight.transpose(1, 0, 2, 3))
    flipped = weight[:, :, ::-1, ::-1]
    assert_close_conv_transpose(up.conv_transpose2d(x, flipped), x, flipped)


def test_memory_that_is_not_aligned(rng):
    raw = np.zeros(4 * 2 * 3 * 64 + 1, np.uint8)
    x = raw[1:].view(np.float32).reshape(1, 2, 3, 64)
    x[...] = normal(rng, x.shape)
    weight = normal(rng, (2, 3, 2, 2))
    assert_same_pixels(up.conv_transpose2d(x, weight), up.conv_transpose2d(x.copy(), weight))


def test_without_a_batch_axis(rng):
    x, weight, bias = normal(rng, (3, 5, 6)), normal(rng, (3, 2, 3, 3)), normal(rng, (2,))
    y = up.conv_transpose2d(x, weight, bias, stride=2)
    assert_same_pixels(y, up.conv_transpose2d(x[None], weight, bias, stride=2)[0])
    y = up.conv1d(x[0], normal(rng, (4, 5, 3)))
    assert y.shape == (4, 4)
    y = up.conv_transpose2d(x, weight, bias, stride=2)
    out = np.empty_like(y)
    assert up.conv_transpose2d(x, weight, bias, stride=2, out=out) is out
    assert_same_pixels(out, y)


def test_an_empty_batch_gives_an_empty_result():
    y = up.conv_transpose2d(np.ones((0, 3, 5, 6)), np.ones((3, 2, 3, 3)), stride=2)
    assert y.shape == (0, 2, 11, 13)
    assert up.conv1d(np.ones((0, 3, 5)), np.ones((2, 3, 3))).shape == (0, 2, 3)


def test_out_of_any_memory_order(rng):
    x, weight, bias = normal(rng, (2, 4, 5, 6)), normal(rng, (4, 3, 3, 3)), normal(rng, (3,))
    for stride in (1, 2, 5):
        y = up.conv_transpose2d(x, weight, bias, stride)
        n, c, h, w = y.shape
        outs = [
            np.empty(y.shape, np.float32),
            channels_last(np.empty(y.shape, np.float32)),
            np.empty((n, c, w, h), np.float32).transpose(0, 1, 3, 2),
            np.empty((n, c + 4, h, w), np.float32)[:, 2:-2],
            np.empty((n, h, w, c + 2), np.float32)[..., 1:-1].transpose(0, 3, 1, 2),
            np.empty((n, c, h, 2 * w), np.float32)[..., ::2],
            np.empty((n, c, h, w), np.float32)[:, :, ::-1, ::-1],
        ]
        for out, source in itertools.product(outs, [x, channels_last(x)]):
            out[...] = np.nan
            assert up.conv_transpose2d(source, weight, bias, stride, out=out) is out
            np.testing.assert_allclose(out, y, rtol=1e-5, atol=1e-5)


def test_out_neighbours_are_not_touched(rng):
    x, weight = normal(rng, (1, 3, 7, 13)), normal(rng, (3, 2, 4, 4))
    y = up.conv_transpose2d(x, weight, stride=2)
    whole = np.full((1, 4, y.shape[2] + 2, y.shape[3] + 2), 7.0, np.float32)
    out = whole[:, 1:3, 1:-1, 1:-1]
    up.conv_transpose2d(x, weight, stride=2, out=out)
    assert_same_pixels(np.ascontiguousarray(out), y)
    out[...] = 7.0
    assert (whole == 7.0).all()


def test_a_nan_stays_where_it_belongs():
    x, weight = np.zeros((1, 1, 5, 5), np.float32), np.ones((1, 1, 3, 3), np.float32)
    x[0, 0, 2, 2] = np.nan
    y = up.conv_transpose2d(x, weight, stride=2)[0, 0]
    expected = np.zeros((11, 11), bool)
    expected[4:7, 4:7] = True
    assert (np.isnan(y) == expected).all()


# --- sizes ---------------------------------------------------------------------------------------


def test_output_size_in_all_its_forms(rng):
    x, weight = normal(rng, (2, 3, 6, 6)), normal(rng, (3, 4, 3, 3))
    layer = up.ConvTranspose2d(weight, stride=2, padding=1)
    expected = up.conv_transpose2d(x, weight, None, 2, 1, 1)
    for output_size in [12, (12, 12), [12, 12], (2, 4, 12, 12), (7, 9, 12, 12), np.array([12, 12])]:
        assert_same_pixels(layer(x, output_size=output_size), expected)
        assert_same_pixels(layer(x, output_size=output_size), expected)
        y = up.conv_transpose2d(x, weight, None, 2, 1, 0, output_size=output_size)
        assert_same_pixels(y, expected)
    assert layer(x, output_size=(11, 12)).shape == (2, 4, 11, 12)
    assert layer(x).shape == (2, 4, 11, 11)
    # Given, it decides alone.
    assert up.conv_transpose2d(x, weight, None, 2, 1, 1, output_size=11).shape == (2, 4, 11, 11)


def test_output_padding_up_to_the_larger_of_stride_and_dilation(rng):
    x, weight = normal(rng, (1, 2, 6)), normal(rng, (2, 3, 3))
    for stride, dilation in [(1, 4), (4, 1), (3, 3)]:
        for extra in range(max(stride, dilation)):
            y = up.conv_transpose1d(x, weight, None, stride, 1, extra, 1, dilation)
            assert_close_conv_transpose(
                y, x, weight, stride=stride, padding=1, output_padding=extra, dilation=dilation
            )


ONES = np.ones((1, 4, 6, 6), np.float32)
WEIGHT = np.ones((4, 2, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("error", "match", "change"),
    [
        (
            ValueError,
            r"conv_transpose2d: output_size=\(14, 11\) cannot be reached from input "
            r"\(6, 6\) with kernel_size=3, stride=2, padding=1; each axis can be 11 or 12",
            {"output_size": (14, 11)},
        ),
        (ValueError, r"output_size=\(3, 11, 11\) has 3 numbers", {"output_size": (3, 11, 11)}),
        (ValueError, r"output_size=\(11,\) has 1 number; .* 2 \(H, W\)", {"output_size": (11,)}),
        (ValueError, "output_size=.* has 5 numbers", {"output_size": (1, 1, 1, 1, 1)}),
        (TypeError, "output_size=11.0 must be an int", {"output_size": 11.0}),
        (ValueError, "output_padding must be smaller", {"output_padding": 2}),
        (ValueError, "output_padding=-1 must be 0 or more", {"output_padding": -1}),
        (ValueError, "stride=0 must be 1 or more", {"stride": 0}),
        (ValueError, r"stride=\(1, 2, 3\) has 3 numbers", {"stride": (1, 2, 3)}),
        (TypeError, "stride=1.5 must be an int", {"stride": 1.5}),
        (TypeError, "stride=True must be an int", {"stride": True}),
        (ValueError, "padding=-1 must be 0 or more", {"padding": -1}),
        (TypeError, "padding='same' must be an int", {"padding": "same"}),
        (ValueError, "output_padding must be 0, got 1",
         {"padding": "same_upper", "output_padding": 1}),
        (ValueError, "padding='same_lower'; each axis can be 11 or 12",
         {"padding": "same_lower", "output_size": 13}),
        (ValueError, r"padding=\(Padding\(before=0, after=1\), 0\); axis 0 can be 12 or 13; axis 1",
         {"padding": ((0, 1), 0), "output_size": 15}),
        (ValueError, "dilation=0 must be 1 or more", {"dilation": 0}),
        (ValueError, "groups=0 must be 1 or more", {"groups": 0}),
        (ValueError, "groups=3 does not divide the 4 channels", {"groups": 3}),
        (ValueError, r"input size 6", {"padding": 20}),
        (
            TypeError,
            "x has dtype int64; it can be float32 or float64",
            {"x": np.ones((1, 4, 6, 6), np.int64)},
        ),
        (TypeError, "x has dtype float16", {"x": ONES.astype(np.float16)}),
        (TypeError, "x has dtype float64, but weight has float32", {"x": ONES.astype(float)}),
        (TypeError, "weight has dtype complex64", {"weight": WEIGHT.astype(np.complex64)}),
        (TypeError, "bias has dtype float64, but weight has float32", {"bias": np.ones(2)}),
        (
            ValueError,
            r"bias has shape \(3,\); it must have \(2,\)",
            {"bias": np.ones(3, np.float32)},
        ),
        (ValueError, "x has shape .* with 3 channels .* takes 4", {"x": ONES[:, :3]}),
        (ValueError, r"x has shape \(6, 6\), 2 axes", {"x": ONES[0, 0]}),
        (ValueError, "axis 2 must have size 1 or more", {"x": ONES[:, :, :0]}),
        (
            ValueError,
            "weight has shape .*; axis 0 must have size 1 or more",
            {"weight": WEIGHT[:0]},
        ),
        (ValueError, "weight has shape .* 3 axes; it must have 4 axes", {"weight": WEIGHT[0]}),
        (TypeError, "out must be a NumPy array", {"out": [1]}),
        (
            ValueError,
            r"out has shape \(1, 2, 11, 12\); it must have \(1, 2, 11, 11\)",
            {"out": np.empty((1, 2, 11, 12), np.float32)},
        ),
        (
            TypeError,
            "out has dtype float64; it must have float32",
            {"out": np.empty((1, 2, 11, 11))},
        ),
    ],
)
def test_bad_arguments_of_the_transposed_convolution(error, match, change):
    arguments = {"x": ONES, "weight": WEIGHT, "stride": 2, "padding": 1} | change
    with pytest.raises(error, match=f"^conv_transpose2d: .*({match})|^({match})"):
        up.conv_transpose2d(**arguments)


@pytest.mark.parametrize(
    ("error", "match", "change"),
    [
        (ValueError, "padding='full' must be an int or 'same', 'valid', 'same_upper' or 'same_low",
         {"padding": "full"}),
        (ValueError, r"padding=\(\(1, 2\), 1, 1\) has 3 entries; it must be one int or pair \(bef",
         {"padding": ((1, 2), 1, 1)}),
        (ValueError, r"padding=\(\(1, 2, 3\), 1\) must have an int or a pair \(before, after\)",
         {"padding": ((1, 2, 3), 1)}),
        (ValueError, "padding=-1 must be 0 or more", {"padding": ((0, -1), 1)}),
        (TypeError, "padding=0.5 must be an int", {"padding": ((0, 0.5), 1)}),
        (TypeError, "padding=True must be an int, not a bool", {"padding": ((0, True), 1)}),
        (ValueError, "padding reaches 1125899906842624 pixels", {"padding": ((0, 2**50), 1)}),
        (
            ValueError,
            "padding='same' needs stride=1, got stride=2; give .* 'same_upper', TensorFlow's SAME",
            {"padding": "same", "stride": 2},
        ),
        (TypeError, r"stride=\[1\] must be an int, not list", {"stride": [[1], [1, 2]]}),
        (ValueError, "stride reaches <int> pixels", {"stride": 10**5000}),
        (ValueError, "groups=<int> does not divide", {"groups": 10**5000}),
        (TypeError, "weight is None; it must be an array", {"weight": None}),
        (TypeError, "x is None; it must be an array", {"x": None}),
        (ValueError, "kernel", {"dilation": 9}),
        (ValueError, "groups=3 does not divide the 2 channels", {"groups": 3}),
        (ValueError, "takes 8", {"groups": 2}),
    ],
)
def test_bad_arguments_of_the_convolution(error, match, change):
    arguments = {"x": ONES, "weight": WEIGHT.transpose(1, 0, 2, 3)} | change
    with pytest.raises(error, match=f"^conv2d: .*{match}"):
        up.conv2d(**arguments)


@pytest.mark.parametrize("kind", LAYERS.values())
def test_wrong_calls_of_a_layer_are_told_in_its_own_name(kind):
    name = kind.__name__
    axes = int(name[-2])
    layer = kind(np.ones((1, 1, *(1,) * axes)))
    with pytest.raises(TypeError, match=rf"^{name}\.__init__\(\) missing .* 'weight'"):
        kind()
    with pytest.raises(TypeError, match=rf"^{name}\.__init__\(\) got an unexpected .*_mode'"):
        kind(layer.weight, padding_mode="zeros")
    with pytest.raises(TypeError, match=rf"^{name}\.__call__\(\) missing .* 'x'"):
        layer()
    with pytest.raises(TypeError, match=f"^{name}: numbers of channels and a kernel size"):
        kind(np.int64(3), 4, 3)


class Blur(up.Conv2d):
    """A layer of a user's, with arguments of its own."""

    def __init__(self, width):
        super().__init__(np.full((1, 1, width, width), 1 / width**2), padding="same")
        self.width = width


@pytest.mark.parametrize(
    "again", [lambda a: pickle.loads(pickle.dumps(a)), copy.copy, copy.deepcopy]
)
def test_subclasses_and_their_attributes_survive_pickling_and_copying(again, rng):
    blur, x = Blur(3), normal(rng, (1, 1, 9, 9), np.float64)
    y = blur(x)
    blur.bias = np.ones(1)
    other = again(blur)
    assert type(other) is Blur
    assert other.width == 3
    assert other.padding == "same"
    assert_same_pixels(other(x), blur(x))
    other.bias = None
    assert_same_pixels(other(x), y)
    assert blur.bias is not None


def test_weights_and_bias_assigned_by_two_threads_are_both_kept():
    layer, done = up.Conv1d(np.ones((1, 1, 1)), np.zeros(1)), threading.Event()

    def assign():
        weight = np.full((1, 1, 1), 2.0)
        while not done.is_set():
            layer.weight = weight

    other = threading.Thread(target=assign)
    other.start()
    try:
        for number in range(1, 2000):
            layer.bias = np.full(1, float(number))
            time.sleep(0)  # let the other thread assign
            assert layer.bias[0] == number
    finally:
        done.set()
        other.join()


def test_out_may_not_overlap_an_input():
    x = np.ones((1, 1, 5, 5))
    for function in (up.conv2d, up.conv_transpose2d, up.Conv2d(np.ones((1, 1, 1, 1)))):
        arguments = () if isinstance(function, up.Conv2d) else (np.ones((1, 1, 1, 1)),)
        with pytest.raises(ValueError, match="out overlaps an input"):
            function(x, *arguments, out=x)
    assert (x == 1).all()


def test_sizes_beyond_all_memory():
    with pytest.raises(MemoryError):
        up.conv_transpose2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 1, 1)), stride=2**40)
    with pytest.raises((MemoryError, ValueError)):
        up.conv_transpose1d(np.ones((1, 1, 2)), np.ones((1, 1, 2)), stride=2**70)
    # Weights of which no copy can be made.
    many = np.broadcast_to(np.array(1, np.float32), (1 << 23, 1 << 23, 1, 1))
    with pytest.raises(MemoryError, match=r"^Conv2d: "):
        up.Conv2d(many)
    swapped = np.broadcast_to(np.array(1, np.dtype("f4").newbyteorder()), many.shape)
    with pytest.raises(MemoryError, match=r"^conv2d: "):
        up.conv2d(np.ones((1, 1 << 23, 1, 1), np.float32), swapped)


def test_hostile_dilation_and_padding_stay_small():
    x, weight = np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))
    far = 10**6
    y = up.conv2d(x, weight, dilation=far, padding=far)
    assert_same_pixels(y, x)
    y = up.conv2d(
        channels_last(np.ones((1, 2, 3, 3))), np.ones((2, 2, 3, 3)), dilation=far, padding=far
    )
    assert (y == 2).all()
    y = up.conv_transpose1d(np.ones((1, 1, 2)), np.ones((1, 1, 1)), stride=10**5)
    assert y.sum() == 2


# --- layers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "axes"), LAYERS)
def test_layers_equal_the_functions(kind, axes, rng):
    weight, bias = normal(rng, (6, 3, 3, 2, 4)[: axes + 2]), normal(rng, (6,))
    parameters = {"stride": 2, "padding": 1, "groups": 2}
    layer = LAYERS[kind, axes](weight, bias, **parameters)
    function = getattr(up, f"{kind}{axes}d")
    for size in (5, 9, 5, 40):
        x = normal(rng, (2, 6, size, size + 1, 7)[: axes + 2])
        for _ in range(2):
            assert_same_pixels(layer(x), function(x, weight, bias, **parameters))
        out = np.empty_like(layer(x))
        assert layer(x, out=out) is out
        assert_same_pixels(out, layer(x))
        assert_same_pixels(layer(x[0]), layer(x[:1])[0])


def test_a_layer_keeps_its_own_weights(rng):
    weight, x = normal(rng, (3, 4, 2, 2)), normal(rng, (1, 3, 4, 4))
    layer = up.ConvTranspose2d(weight)
    before = layer(x)
    weight[...] = 0
    assert_same_pixels(layer(x), before)
    assert_same_pixels(layer(channels_last(x)), layer(channels_last(x)))
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[...] = 0


@pytest.mark.parametrize(
    "again", [lambda a: pickle.loads(pickle.dumps(a)), copy.copy, copy.deepcopy]
)
def test_layers_survive_pickling_and_copying(again, rng):
    for layer, shape in [
        (up.ConvTranspose2d(normal(rng, (3, 4, 3, 3)), normal(rng, (4,)), 2, 1, 1), (1, 3, 5, 5)),
        (up.ConvTranspose1d(normal(rng, (3, 4, 3)), None, 3, dilation=2), (1, 3, 5)),
        (up.Conv2d(normal(rng, (4, 3, 3, 3)), padding="same"), (1, 3, 5, 5)),
        (up.Conv1d(normal(rng, (4, 1, 3), np.float64), stride=2, groups=2), (1, 2, 5)),
    ]:
        x = normal(rng, shape, layer.weight.dtype)
        y = layer(x)
        other = again(layer)
        assert repr(other) == repr(layer)
        assert type(other) is type(layer)
        assert_same_pixels(other(x), y)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (
            lambda: up.ConvTranspose2d(np.ones((2, 3, 3, 3), np.float32), stride=2, padding=1),
            "ConvTranspose2d(2 -> 3, kernel_size=3, stride=2, padding=1, bias=None, float32: "
            "o = 2i - 1)",
        ),
        (
            lambda: up.ConvTranspose2d(np.ones((2, 3, 2, 4)), np.ones(3), stride=(2, 3)),
            "ConvTranspose2d(2 -> 3, kernel_size=(2, 4), stride=(2, 3), float64: "
            "o0 = 2i0, o1 = 3i1 + 1)",
        ),
        (
            lambda: up.Conv2d(np.ones((2, 3, 3, 3)), stride=2, padding=1, groups=2),
            "Conv2d(6 -> 2, kernel_size=3, stride=2, padding=1, groups=2, bias=None, float64: "
            "o = floor((i - 1)/2) + 1)",
        ),
        (
            lambda: up.Conv2d(np.ones((2, 3, 3, 3)), stride=(2, 1), padding="same_upper"),
            "Conv2d(3 -> 2, kernel_size=3, stride=(2, 1), padding='same_upper', bias=None, "
            "float64: o0 = ceil(i0/2), o1 = i1)",
        ),
        (
            lambda: up.Conv2d(np.ones((2, 3, 3, 3)), stride=2, padding=((0, 1), (0, 1))),
            "Conv2d(3 -> 2, kernel_size=3, stride=2, padding=Padding(before=0, after=1), "
            "bias=None, float64: o = floor((i - 2)/2) + 1)",
        ),
        (
            lambda: up.ConvTranspose3d(np.ones((2, 3, 3, 3, 3)), stride=2, padding="same_lower"),
            "ConvTranspose3d(2 -> 3, kernel_size=3, stride=2, padding='same_lower', bias=None, "
            "float64: o = 2i)",
        ),
        (
            lambda: up.Conv1d(np.ones((2, 3, 3))),
            "Conv1d(3 -> 2, kernel_size=3, bias=None, float64: o = i - 2)",
        ),
        (
            lambda: up.Conv1d(np.ones((2, 3, 4)), stride=4),
            "Conv1d(3 -> 2, kernel_size=4, stride=4, bias=None, float64: o = floor((i - 4)/4) + 1)",
        ),
    ],
)
def test_the_repr_shows_the_size_relation(layer, text):
    assert repr(layer()) == text


def test_a_layer_can_be_called_from_many_threads(rng):
    layer = up.ConvTranspose2d(normal(rng, (8, 8, 4, 4)), stride=2, padding=1)
    inputs = [normal(rng, (1, 8, 4 + i % 5, 6 + i % 7)) for i in range(24)]
    expected = [up.conv_transpose2d(x, layer.weight, None, 2, 1) for x in inputs]
    wrong = []

    def work(offset):
        for turn in range(100):
            index = (offset * 7 + turn) % len(inputs)
            if not np.array_equal(layer(inputs[index]), expected[index]):
                wrong.append(index)

    together(work)
    assert wrong == []


def test_a_layer_forgets_old_input_sizes(rng):
    layer = up.ConvTranspose1d(normal(rng, (2, 2, 4)), stride=2)
    for size in range(1, 400):
        layer(normal(rng, (1, 2, size)))
    assert len(layer._calls) <= _MOST_PLANS


# --- memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "weight_shape", "parameters"),
    [
        ((1, 1024, 28, 28), (1024, 64, 2, 2), {"stride": 2}),
        ((1, 512, 8, 8), (512, 256, 4, 4), {"stride": 2, "padding": 1}),
        ((1, 64, 64, 64), (64, 64, 3, 3), {"dilation": 2}),
        ((1, 21, 16, 16), (21, 21, 64, 64), {"stride": 32}),
        ((1, 1026, 224), (1026, 1, 1024), {"stride": 256}),
        ((1, 2, 100000), (2, 2, 9), {}),
        ((1, 1024, 60, 40), (1024, 3, 4, 4), {}),
        ((1, 800, 6, 6), (800, 100, 5, 5), {"dilation": 3}),
    ],
)
@pytest.mark.parametrize("last", [False, True], ids=["rows", "channels-last"])
def test_a_thread_needs_at_most_a_few_hundred_kilobytes(shape, weight_shape, parameters, last):
    order = channels_last if last else np.asarray
    layer = LAYERS["conv_transpose", len(shape) - 2](
        np.ones(weight_shape, np.float32), **parameters
    )
    layer(order(np.zeros(shape, np.float32)))
    (task,) = layer._calls.values()
    assert task.plan.thread_bytes <= 600 << 10


def test_the_peak_of_a_call_is_its_result(rng):
    layer = up.ConvTranspose2d(normal(rng, (24, 24, 4, 4)), stride=2, padding=1)
    x, out = normal(rng, (1, 24, 160, 160)), np.empty((1, 24, 320, 320), np.float32)
    layer(x, out=out)
    tracemalloc.start()
    layer(x, out=out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    columns = x[0].size * 24 * 16 * 4
    assert peak < 64 << 10
    assert columns > 200 << 20


def test_a_known_shape_is_no_way_past_the_checks(rng):
    layer = up.ConvTranspose2d(normal(rng, (3, 4, 3, 3)), stride=2, padding=1)
    x, other = normal(rng, (1, 3, 6, 6)), normal(rng, (1, 3, 5, 5))
    expected = layer(x, (12, 12))
    layer(other)  # so that x is not the latest input any more
    with pytest.raises(TypeError, match=r"output_size"):
        layer(x, (12.0, 12.0))
    layer(other, 9)
    with pytest.raises(TypeError, match=r"output_size"):
        layer(other, 9.0)
    memory = np.empty(x.nbytes + 1, np.uint8)
    unaligned = memory[1:].view(np.float32).reshape(x.shape)
    unaligned[...] = x
    np.testing.assert_array_equal(layer(unaligned, (12, 12)), expected)


# --- functions that are called again -------------------------------------------------------------


def test_a_function_that_is_called_again_takes_the_new_values(rng):
    for kind, groups, stride, shape in itertools.product(
        ("conv", "conv_transpose"), (1, 6), (1, 2, 3), ((2, 6, 9, 8), (1, 6, 12, 20))
    ):
        function = getattr(up, f"{kind}2d")
        layer = up.Conv2d if kind == "conv" else up.ConvTranspose2d
        size = 2 if stride == 3 else 3
        for order in (np.asarray, channels_last):
            for _ in range(3):
                x, weight = order(normal(rng, shape)), normal(rng, (6, 6 // groups, size, size))
                for bias in (None, normal(rng, (6,))):
                    y = function(x, weight, bias, stride, groups=groups)
                    assert_same_pixels(y, layer(weight, bias, stride, groups=groups)(x))


def test_a_known_call_is_no_way_past_the_checks(rng):
    x, weight, bias = normal(rng, (1, 4, 6, 6)), normal(rng, (4, 2, 3, 3)), normal(rng, (2,))
    for _ in range(2):
        expected = up.conv_transpose2d(x, weight, bias, 1, 1, 0, 1, 1)
        up.conv_transpose2d(x, weight, bias, (1, 1), 1, output_size=(6, 6))
    for change, match in [
        ({"stride": True}, "stride=True must be an int"),
        ({"stride": 1.0}, "stride=1.0 must be an int"),
        ({"stride": (True, 1)}, "stride=True must be an int"),
        ({"padding": np.True_}, "padding=.*True.* must be an int"),
        ({"groups": True}, "groups=True must be an int"),
        ({"dilation": 1.0}, "dilation=1.0 must be an int"),
        ({"output_size": (6.0, 6.0)}, "output_size=6.0 must be an int"),
        ({"bias": bias.astype(float)}, "bias has dtype float64"),
        ({"bias": bias[:1]}, "bias has shape"),
        ({"weight": weight.astype(float)}, "bias has dtype float32, but weight has float64"),
        ({"weight": weight[:3]}, "weight of shape"),
    ]:
        arguments = {"weight": weight, "bias": bias, "stride": 1, "padding": 1} | change
        with pytest.raises((TypeError, ValueError), match=match):
            up.conv_transpose2d(x, **arguments)
    # The same call with memory of another kind.
    memory = np.empty(weight.nbytes + 1, np.uint8)
    unaligned = memory[1:].view(np.float32).reshape(weight.shape)
    unaligned[...] = weight
    turned = np.ascontiguousarray(weight.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
    for other in (unaligned, turned, weight.astype(">f4")):
        assert_same_pixels(up.conv_transpose2d(x, other, bias, 1, 1, 0, 1, 1), expected)


def test_functions_forget_old_calls(rng):
    weight = normal(rng, (2, 2, 3))
    for size in range(3, 3 + 2 * convolution._MOST_CALLS):
        up.conv1d(normal(rng, (1, 2, size)), weight)
    assert len(convolution._calls) <= convolution._MOST_CALLS
    assert sum(packed.nbytes for packed in convolution._spare) <= 2 * convolution._MOST_SPARE


def test_a_function_can_be_called_from_many_threads(rng):
    weights = [normal(rng, (8, 8, 3, 3)) for _ in range(6)]
    x = normal(rng, (1, 8, 20, 20))
    expected = [up.conv2d(x, weight) for weight in weights]
    wrong = []

    def work(index):
        for _ in range(200):
            if not np.array_equal(up.conv2d(x, weights[index]), expected[index]):
                wrong.append(index)

    together(work)
    assert wrong == []


@pytest.mark.parametrize("kind", LAYERS, ids=str)
def test_a_layer_tells_layouts_of_one_shape_apart(kind, rng):
    """A known shape with other strides is another call: its plan would read elsewhere."""
    weight, bias = normal(rng, (6, 6, *(3,) * kind[1])), normal(rng, (6,))
    layer = LAYERS[kind](weight, bias, padding=1)
    check = assert_close_conv if kind[0] == "conv" else assert_close_conv_transpose
    x = normal(rng, (2, 6, *(9,) * kind[1]))
    spaced = np.full((2, 6, *(9,) * (kind[1] - 1), 30), np.nan, np.float32)[..., 10:19]
    spaced[...] = x
    layouts = [x, channels_last(x), spaced, np.broadcast_to(x[:1], x.shape), x[:, ::-1]]
    outs = [np.empty_like(x), channels_last(np.empty_like(x)), np.empty_like(spaced)]
    for _ in range(3):
        for other in layouts:
            check(layer(other), other, weight, bias, padding=1)
            for out in outs:
                assert layer(other, out=out) is out
                check(out, other, weight, bias, padding=1)


@pytest.mark.parametrize("kind", LAYERS, ids=str)
def test_a_layer_that_knows_a_call_still_refuses_an_out_over_its_input(kind, rng):
    shape = (1, 4, *(8,) * kind[1])
    layer = LAYERS[kind](normal(rng, (4, 4, *(3,) * kind[1])), padding=1)
    memory = normal(rng, (3 * 4 * 8 ** kind[1],))
    size = int(np.prod(shape))
    x, apart, over = (
        memory[at : at + size].reshape(shape) for at in (0, size, size // 2)
    )
    before = memory[:size].copy()
    for _ in range(3):
        assert layer(x, out=apart) is apart
        with pytest.raises(ValueError, match="out overlaps an input"):
            layer(x, out=over)
        with pytest.raises(ValueError, match="out overlaps an input"):
            layer(x, out=x)
        assert_same_pixels(memory[:size], before)


@pytest.mark.parametrize("axes", [1, 2])
def test_sliding_windows_with_the_channels_innermost(axes, rng):
    """Pixels that overlap in memory: the window is the channels', one step a pixel."""
    signal = normal(rng, (40 if axes == 1 else 9 * 40,))
    windows = np.lib.stride_tricks.sliding_window_view(signal, 8)
    if axes == 1:
        x = windows[:30].T[None]
    else:
        x = windows[:270].reshape(9, 30, 8).transpose(2, 0, 1)[None]
    assert x.strides[1] == 4
    assert x.strides[-1] == 4
    weight = normal(rng, (8, 8, *(3,) * axes))
    for _ in range(2):
        for function, check in [
            (ORDINARY[axes], assert_close_conv), (TRANSPOSED[axes], assert_close_conv_transpose)
        ]:
            y = function(x, weight, padding=1)
            check(y, x, weight, padding=1)
            out = channels_last(np.empty_like(y))
            function(x, weight, padding=1, out=out)
            check(out, x, weight, padding=1)


def test_a_latest_call_is_not_taken_for_another(rng):
    """Of arrays that are alike but for their alignment, and of output sizes that are both ints."""
    layer = up.ConvTranspose1d(normal(rng, (2, 3, 3)), stride=2, padding=1)
    x = normal(rng, (1, 2, 5))
    room = np.empty(x.nbytes + 1, np.uint8)
    misaligned = room[1:].view(x.dtype).reshape(x.shape)
    misaligned[...] = x
    assert not misaligned.flags.aligned
    other = up.ConvTranspose1d(layer.weight, stride=2, padding=1)
    for size in (9, 10, 9):
        expected = other(x, output_size=size)
        for own in (x, x, misaligned, misaligned, x):
            result = layer(own, output_size=size)
            assert result.shape == (1, 3, size)
            assert_same_pixels(result, expected)
