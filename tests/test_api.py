"""The public functions, seen from outside: any argument, any array, and what is refused."""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest
from assertions import (
    assert_close_conv,
    assert_close_conv_transpose,
    assert_close_linear,
    assert_same_pixels,
    unmodified,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS

import upshape as up
from upshape import reference

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
MANY = settings(max_examples=5 * settings.default.max_examples)
EDGES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97]


def names(function):
    parameters = inspect.signature(function).parameters.values()
    return [("*" if p.kind is p.KEYWORD_ONLY else "") + p.name for p in parameters]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (up.interpolate, "x size scale_factor mode align_corners recompute_scale_factor "
                         "antialias *channel_axis *out"),
        (up.upsample_concat, "features size mode align_corners *channel_axis *out"),
        (up.conv1d, "x weight bias stride padding dilation groups *out"),
        (up.conv2d, "x weight bias stride padding dilation groups *out"),
        (up.conv3d, "x weight bias stride padding dilation groups *out"),
        (up.conv_transpose1d, "x weight bias stride padding output_padding groups dilation "
                              "*output_size *out"),
        (up.conv_transpose2d, "x weight bias stride padding output_padding groups dilation "
                              "*output_size *out"),
        (up.conv_transpose3d, "x weight bias stride padding output_padding groups dilation "
                              "*output_size *out"),
        (up.Conv1d, "weight bias stride padding dilation groups"),
        (up.Conv2d, "weight bias stride padding dilation groups"),
        (up.Conv3d, "weight bias stride padding dilation groups"),
        (up.ConvTranspose1d, "weight bias stride padding output_padding groups dilation"),
        (up.ConvTranspose2d, "weight bias stride padding output_padding groups dilation"),
        (up.ConvTranspose3d, "weight bias stride padding output_padding groups dilation"),
    ],
)  # fmt: skip
def test_names_and_their_order_are_pytorchs(function, expected):
    assert names(function) == expected.split()


def test_every_public_name_has_a_docstring():
    for name in up.__all__:
        assert getattr(up, name).__doc__, name


# Any argument ------------------------------------------------------------------------------------


def values(dtype, shape, seed):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind in "fc":
        return (rng.standard_normal(shape) * 100).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@st.composite
def interpolations(draw):
    """Return (x, arguments) of any call of interpolate."""
    axes = draw(st.integers(1, 3))
    largest = [100, 24, 8][axes - 1]
    sizes = st.one_of(st.integers(1, largest), st.sampled_from([e for e in EDGES if e <= largest]))
    spatial = draw(st.tuples(*[sizes] * axes))
    linear = draw(st.booleans())
    arguments = {}
    if linear:
        dtype = draw(st.sampled_from(["float32", "float64", "float16", "uint8"]))
        arguments["mode"] = LINEAR[axes]
        arguments["align_corners"] = draw(st.sampled_from([None, False, True]))
    else:
        dtype = draw(
            st.sampled_from(
                ["float32", "float64", "float16", "uint8", "bool", "int16", "int64", "complex128"]
            )
        )
        arguments["mode"] = draw(st.sampled_from(["nearest", "nearest-exact"]))
    if draw(st.booleans()):
        arguments["size"] = draw(st.tuples(*[sizes] * axes))
    else:
        factor = st.one_of(
            st.sampled_from([1.0, 2.0, 3.0, 0.5, 1.5]), st.floats(0.3, 3.5, allow_subnormal=False)
        )
        arguments["scale_factor"] = draw(st.one_of(factor, st.tuples(*[factor] * axes)))
        arguments["recompute_scale_factor"] = draw(st.sampled_from([None, False, True]))
        factors = arguments["scale_factor"]
        factors = factors if isinstance(factors, tuple) else (factors,) * axes
        assume(all(math.floor(i * f) >= 1 for i, f in zip(spatial, factors, strict=True)))
    shape = (draw(st.integers(0, 3)), draw(st.sampled_from([1, 2, 3, 4, 5, 17])), *spatial)
    x = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](
        values(dtype, shape, draw(st.integers(0, 99)))
    )
    if draw(st.booleans()):
        x = np.moveaxis(x, 1, -1)
        arguments["channel_axis"] = -1
    return x, arguments


@MANY
@given(interpolations(), st.sampled_from([1, 2, 7]), st.booleans())
def test_interpolate_does_what_its_definition_says(call, threads, give_out):
    x, arguments = call
    up.set_num_threads(threads)
    expected = reference.interpolate(x, **arguments)
    native = x.dtype.newbyteorder("=")
    out = np.empty(expected.shape, native) if give_out else None
    with unmodified(x):
        y = up.interpolate(x, **arguments, out=out)
    assert out is None or y is out
    if arguments["mode"].startswith("nearest"):
        assert_same_pixels(y, expected.astype(native))
    else:
        assert_close_linear(y, x, **arguments)


@st.composite
def convolutions(draw, transposed):
    """Return (x, weight, bias, parameters) of any convolution that has a result."""
    axes = draw(st.integers(1, 2))
    largest = [70, 12][axes - 1]

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    k, s, d = each(1, 5), each(1, 4), each(1, 3)
    p = each(0, 3)
    i = each(1, largest)
    channels = st.sampled_from([1, 2, 3, 5, 8, 9, 16, 17])
    c_in, c_out = groups * draw(channels), groups * draw(channels)
    parameters = {"stride": s, "padding": p, "dilation": d, "groups": groups}
    if transposed:
        a = tuple(draw(st.integers(0, max(s[n], d[n]) - 1)) for n in range(axes))
        o = [(i[n] - 1) * s[n] - 2 * p[n] + d[n] * (k[n] - 1) + 1 + a[n] for n in range(axes)]
        if draw(st.booleans()) and all(a[n] < s[n] for n in range(axes)):
            parameters["output_size"] = tuple(o)
        else:
            parameters["output_padding"] = a
        weight_shape = (c_in, c_out // groups, *k)
    else:
        o = [(i[n] + 2 * p[n] - d[n] * (k[n] - 1) - 1) // s[n] + 1 for n in range(axes)]
        if draw(st.integers(0, 5)) == 0:
            parameters.update(padding="same", stride=1)
            o = i
        weight_shape = (c_out, c_in // groups, *k)
    assume(min(o) >= 1)
    dtype = draw(st.sampled_from(["float32", "float64"]))
    seed = draw(st.integers(0, 99))
    x = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](
        values(dtype, (draw(st.integers(0, 3)), c_in, *i), seed)
    )
    weight = LAYOUTS[draw(st.sampled_from(["contiguous", "strided", "reversed", "byte-swapped",
                                           "read-only", "fortran"]))](
        values(dtype, weight_shape, seed + 1)
    )  # fmt: skip
    bias = values(dtype, c_out, seed + 2)[::-1] if draw(st.booleans()) else None
    return x, weight, bias, parameters


def call_convolution(kind, x, weight, bias, parameters, threads, give_out):
    """Call the function and the layer, which must agree, and return the result."""
    axes = weight.ndim - 2
    up.set_num_threads(threads)
    function = getattr(up, f"{kind}{axes}d")
    out = None
    if give_out:
        slow = reference.conv_transpose if kind == "conv_transpose" else reference.conv
        out = np.full(slow(x, weight, bias, **parameters).shape, np.nan, x.dtype.newbyteorder("="))
    with unmodified(x, weight, np.zeros(0) if bias is None else bias):
        y = function(x, weight, bias, **parameters, out=out)
    assert out is None or y is out
    parameters = dict(parameters)
    asked = {name: parameters.pop(name) for name in ("output_size",) if name in parameters}
    layer_class = getattr(
        up, {"conv": "Conv", "conv_transpose": "ConvTranspose"}[kind] + f"{axes}d"
    )
    layer = layer_class(weight, bias, **parameters)
    for packed in (layer, pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        again = packed(x, **asked)
        assert again.shape == y.shape
        assert np.array_equal(again, y) or np.allclose(again, y, rtol=1e-4, atol=1e-2)
    return y


@MANY
@given(convolutions(transposed=False), st.sampled_from([1, 2, 7]), st.booleans())
def test_conv_does_what_its_definition_says(call, threads, give_out):
    x, weight, bias, parameters = call
    y = call_convolution("conv", x, weight, bias, parameters, threads, give_out)
    assert_close_conv(y, x, weight, bias, **parameters)


@MANY
@given(convolutions(transposed=True), st.sampled_from([1, 2, 7]), st.booleans())
def test_conv_transpose_does_what_its_definition_says(call, threads, give_out):
    x, weight, bias, parameters = call
    y = call_convolution("conv_transpose", x, weight, bias, parameters, threads, give_out)
    assert_close_conv_transpose(y, x, weight, bias, **parameters)


@given(convolutions(transposed=True))
def test_kernels_are_each_others_adjoint(call):
    """Check <conv(y), x> = <y, conv_transpose(x)> on the kernels alone."""
    x, weight, _, parameters = call
    axes = weight.ndim - 2
    x = x.astype(np.float64) / 100
    weight = weight.astype(np.float64) / 100
    a = parameters.get("output_padding", (0,) * axes)
    assume(all(n < step for n, step in zip(a, parameters["stride"], strict=True)))
    backward = getattr(up, f"conv_transpose{axes}d")(x, weight, **parameters)
    plain = {name: parameters[name] for name in ("stride", "padding", "dilation", "groups")}
    y = np.random.default_rng(3).standard_normal(backward.shape)
    forward = getattr(up, f"conv{axes}d")(y, weight, **plain)
    assert forward.shape == x.shape
    scale = np.abs(forward * x).sum() + np.abs(backward * y).sum() + 1
    assert abs((forward * x).sum() - (backward * y).sum()) <= 1e-12 * scale


@st.composite
def pyramids(draw):
    axes = draw(st.integers(1, 3))
    largest = [60, 16, 7][axes - 1]
    sizes = st.tuples(*[st.integers(1, largest)] * axes)
    dtype = draw(st.sampled_from(["float32", "float64", "float16", "uint8"]))
    batch = draw(st.integers(0, 2))
    features = []
    for n in range(draw(st.integers(1, 4))):
        shape = (batch, draw(st.integers(1, 5)), *draw(sizes))
        layout = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))]
        features.append(layout(values(dtype, shape, n)))
    arguments = {"size": draw(st.one_of(st.none(), sizes))}
    if draw(st.booleans()):
        arguments["mode"] = draw(st.sampled_from(["nearest", "nearest-exact", LINEAR[axes]]))
    if arguments.get("mode") in (None, LINEAR[axes]):
        arguments["align_corners"] = draw(st.sampled_from([None, False, True]))
    if draw(st.booleans()):
        features = [np.moveaxis(feature, 1, -1) for feature in features]
        arguments["channel_axis"] = -1
    return features, arguments


@MANY
@given(pyramids(), st.sampled_from([1, 2, 7]), st.booleans())
def test_upsample_concat_is_interpolate_and_concatenate(call, threads, give_out):
    features, arguments = call
    up.set_num_threads(threads)
    channel_axis = arguments.get("channel_axis", 1)
    expected = reference.upsample_concat(features, **arguments)
    native = features[0].dtype.newbyteorder("=")
    out = np.empty(expected.shape, native) if give_out else None
    with unmodified(*features):
        y = up.upsample_concat(features, **arguments, out=out)
    assert out is None or y is out
    assert y.shape == expected.shape
    assert y.dtype == native
    spatial = y.shape[1:-1] if channel_axis == -1 else y.shape[2:]
    each = {
        "size": spatial,
        "mode": arguments.get("mode") or LINEAR[len(spatial)],
        "align_corners": arguments.get("align_corners"),
        "channel_axis": channel_axis,
    }
    ends = np.cumsum([feature.shape[channel_axis] for feature in features])[:-1]
    for part, feature in zip(np.split(y, ends, axis=channel_axis), features, strict=True):
        if each["mode"].startswith("nearest"):
            assert_same_pixels(part.copy(), reference.interpolate(feature, **each).astype(native))
        else:
            assert_close_linear(part, feature, **each)


# Any array ---------------------------------------------------------------------------------------

EVERY_DTYPE = [
    "?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16", "g",
    "M8[s]", "m8[ns]", "S3", "U2", "V5", [("red", "u1"), ("depth", "f4")],
]  # fmt: skip


@pytest.mark.parametrize("dtype", EVERY_DTYPE, ids=str)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_copies_every_fixed_size_dtype(rng, dtype, mode):
    dtype = np.dtype(dtype)
    x = rng.integers(0, 2, (2, 3, 5, 7, dtype.itemsize), dtype=np.uint8)
    x = x.view(dtype).reshape(2, 3, 5, 7)
    y = up.interpolate(x, size=(8, 9), mode=mode)
    rows, columns = (
        reference.nearest_indices(i, o, exact=mode == "nearest-exact", dtype=dtype)
        for i, o in ((5, 8), (7, 9))
    )
    assert_same_pixels(y, x[:, :, rows[:, None], columns])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8"])
def test_interpolate_takes_every_layout(layout, mode, dtype, threads):
    x = LAYOUTS[layout](values(dtype, (3, 5, 9, 17), 4))
    with unmodified(x):
        y = up.interpolate(x, size=(19, 33), mode=mode)
    if mode == "bilinear":
        assert_close_linear(y, x, size=(19, 33), mode=mode)
    else:
        assert_same_pixels(y, reference.interpolate(x, size=(19, 33), mode=mode).astype(dtype))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["conv", "conv_transpose"])
def test_convolutions_take_every_layout(layout, dtype, kind, threads):
    x, weight = LAYOUTS[layout](values(dtype, (3, 6, 9, 10), 4)), values(dtype, (6, 6, 3, 3), 5)
    with unmodified(x, weight):
        y = getattr(up, f"{kind}2d")(x, weight, stride=2, padding=1)
    check = assert_close_conv if kind == "conv" else assert_close_conv_transpose
    check(y, x, weight, stride=2, padding=1)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_channels_last_memory_gives_channels_last_memory(mode):
    x = LAYOUTS["channels-last"](values("float32", (2, 5, 6, 7), 0))
    y = up.interpolate(x, scale_factor=2, mode=mode)
    assert np.moveaxis(y, 1, -1).flags.c_contiguous
    weight = values("float32", (5, 4, 3, 3), 1)
    y = up.conv_transpose2d(x, weight, stride=2)
    assert np.moveaxis(y, 1, -1).flags.c_contiguous


def outs(shape, dtype):
    """Return writeable arrays of one shape in every kind of memory."""
    for name in ("contiguous", "fortran", "strided", "reversed", "channels-last", "odd address"):
        yield name, LAYOUTS[name](np.full(shape, 77, dtype))


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8"])
def test_interpolate_fills_every_kind_of_out(mode, dtype, threads):
    x = values(dtype, (2, 3, 9, 17), 4)
    expected = up.interpolate(x, size=(19, 33), mode=mode)
    for name, out in outs(expected.shape, dtype):
        y = up.interpolate(x, size=(19, 33), mode=mode, out=out)
        assert y is out, name
        if mode == "bilinear":
            assert_close_linear(out, x, size=(19, 33), mode=mode)
        else:
            assert_same_pixels(out, expected)


@pytest.mark.parametrize("kind", ["conv", "conv_transpose"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolutions_fill_every_kind_of_out(kind, dtype, threads):
    x, weight = values(dtype, (2, 4, 9, 10), 4), values(dtype, (4, 4, 3, 3), 5)
    function = getattr(up, f"{kind}2d")
    check = assert_close_conv if kind == "conv" else assert_close_conv_transpose
    for name, out in outs(function(x, weight, stride=2).shape, dtype):
        y = function(x, weight, stride=2, out=out)
        assert y is out, name
        check(out, x, weight, stride=2)


def test_what_surrounds_out_is_left_alone(threads):
    room = np.full((2, 6, 21, 35), 77, np.float32)
    out = room[:, 1:4, 1:-1, 1:-1]
    x = values("float32", (2, 3, 9, 17), 4)
    up.interpolate(x, size=(19, 33), mode="bilinear", out=out)
    assert_close_linear(out, x, size=(19, 33), mode="bilinear")
    out[...] = 77
    assert (room == 77).all()
    up.conv_transpose2d(x, np.ones((3, 3, 3, 1), np.float32), stride=(2, 2), out=out)
    out[...] = 77
    assert (room == 77).all()


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear"])
def test_an_empty_batch_gives_an_empty_result(mode):
    y = up.interpolate(np.zeros((0, 3, 4, 5), np.float32), size=(7, 8), mode=mode)
    assert y.shape == (0, 3, 7, 8)
    y = up.conv_transpose2d(np.zeros((0, 3, 4, 5), np.float32), np.ones((3, 2, 2, 2), np.float32))
    assert y.shape == (0, 2, 5, 6)


def test_one_image_without_a_batch_axis():
    x, weight = values("float32", (3, 6, 7), 0), values("float32", (3, 3, 3, 3), 1)
    assert_same_pixels(up.conv2d(x, weight), up.conv2d(x[None], weight)[0])
    y = up.conv_transpose2d(x, weight, stride=2, output_size=(14, 16))
    assert y.shape == (3, 14, 16)
    assert_close_conv_transpose(y, x, weight, stride=2, output_size=(14, 16))


def test_the_same_bits_for_every_number_of_threads():
    x = values("float32", (2, 16, 40, 41), 0)
    weight = values("float32", (16, 16, 3, 3), 1)
    calls = [
        lambda: up.interpolate(x, size=(97, 65), mode="bilinear"),
        lambda: up.interpolate(x, size=(97, 65)),
        lambda: up.conv2d(x, weight, stride=2, padding=1),
        lambda: up.conv_transpose2d(x, weight, stride=2, padding=1),
        lambda: up.upsample_concat([x, x[..., ::2]]),
    ]
    for call in calls:
        up.set_num_threads(1)
        alone = call()
        for threads in (2, 3, 7):
            up.set_num_threads(threads)
            assert_same_pixels(call(), alone)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear"])
def test_not_a_number_stays_not_a_number(mode):
    x = values("float32", (1, 1, 6, 6), 0)
    x[0, 0, 2, 3] = np.nan
    y = up.interpolate(x, size=(12, 12), mode=mode)
    assert np.isnan(y).any()
    assert_same_pixels(np.isnan(y), np.isnan(reference.interpolate(x, size=(12, 12), mode=mode)))


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear"])
def test_sizes_around_the_edges_of_vectors(size, mode):
    x = values("float32", (1, 2, 3, size), 0)
    for wanted in EDGES:
        y = up.interpolate(x, size=(2, wanted), mode=mode)
        if mode == "bilinear":
            assert_close_linear(y, x, size=(2, wanted), mode=mode)
        else:
            assert_same_pixels(y, reference.interpolate(x, size=(2, wanted), mode=mode))


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 3000), (1, 1, 3000, 1), (1, 600, 2, 2), (300, 1, 2, 3)]
)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear"])
def test_long_thin_arrays(shape, mode, threads):
    x = values("float32", shape, 0)
    size = tuple(max(1, n * 7 // 3) for n in shape[2:])
    y = up.interpolate(x, size=size, mode=mode)
    if mode == "bilinear":
        assert_close_linear(y, x, size=size, mode=mode)
    else:
        assert_same_pixels(y, reference.interpolate(x, size=size, mode=mode))


def test_results_above_a_mebibyte_are_right_again_and_again():
    """Recycled memory must not show what it held before."""
    x = values("float32", (1, 8, 150, 130), 0)
    for n in range(4):
        y = up.interpolate(x + n, scale_factor=2, mode="nearest")
        assert_same_pixels(y, (x + n).repeat(2, axis=2).repeat(2, axis=3))
        up.interpolate(x - n, size=(290, 270), mode="bilinear")


# What is refused ---------------------------------------------------------------------------------

X1, X2, X3 = (np.ones((1, 2, *[4] * n), np.float32) for n in (1, 2, 3))
W1, W2 = np.ones((2, 2, 3), np.float32), np.ones((2, 2, 3, 3), np.float32)
REFUSED = [
    # interpolate
    (ValueError, "size", lambda: up.interpolate(X2)),
    (ValueError, "size", lambda: up.interpolate(X2, size=8, scale_factor=2)),
    (ValueError, "size", lambda: up.interpolate(X2, size=(8, 8, 8))),
    (ValueError, "size", lambda: up.interpolate(X2, size=0)),
    (ValueError, "size", lambda: up.interpolate(X2, size=(8, -1))),
    (TypeError, "size", lambda: up.interpolate(X2, size=8.5)),
    (TypeError, "size", lambda: up.interpolate(X2, size=True)),
    (TypeError, "size", lambda: up.interpolate(X2, size="8")),
    (ValueError, "scale_factor", lambda: up.interpolate(X2, scale_factor=0)),
    (ValueError, "scale_factor", lambda: up.interpolate(X2, scale_factor=-2.0)),
    (ValueError, "scale_factor", lambda: up.interpolate(X2, scale_factor=0.1)),
    (ValueError, "scale_factor", lambda: up.interpolate(X2, scale_factor=float("nan"))),
    (ValueError, "scale_factor", lambda: up.interpolate(X2, scale_factor=float("inf"))),
    (ValueError, "scale_factor", lambda: up.interpolate(X2, scale_factor=(2, 2, 2))),
    (TypeError, "scale_factor", lambda: up.interpolate(X2, scale_factor=1j)),
    (ValueError, "mode", lambda: up.interpolate(X2, 8, mode="cubic")),
    (ValueError, "mode", lambda: up.interpolate(X2, 8, mode="linear")),
    (ValueError, "mode", lambda: up.interpolate(X1, 8, mode="bilinear")),
    (ValueError, "mode", lambda: up.interpolate(X2, 8, mode="trilinear")),
    (ValueError, "align_corners", lambda: up.interpolate(X2, 8, align_corners=True)),
    (TypeError, "align_corners", lambda: up.interpolate(X2, 8, mode="bilinear", align_corners=2)),
    (ValueError, "recompute_scale_factor",
     lambda: up.interpolate(X2, 8, recompute_scale_factor=True)),
    (ValueError, "channel_axis", lambda: up.interpolate(X2, 8, channel_axis=2)),
    (TypeError, "dtype", lambda: up.interpolate(X2.astype(int), 8, mode="bilinear")),
    (TypeError, "dtype", lambda: up.interpolate(X2.astype(complex), 8, mode="bilinear")),
    (TypeError, "dtype", lambda: up.interpolate(X2.astype(object), 8)),
    (ValueError, "shape", lambda: up.interpolate(np.ones((2, 4), np.float32), 8)),
    (ValueError, "shape", lambda: up.interpolate(np.ones((1, 2, 2, 2, 2, 2), np.float32), 8)),
    (ValueError, "shape", lambda: up.interpolate(np.ones((1, 2, 0, 4), np.float32), 8)),
    (ValueError, "shape", lambda: up.interpolate(np.ones((1, 0, 4, 4), np.float32), 8)),
    (MemoryError, "memory", lambda: up.interpolate(X2, size=(1 << 40, 1 << 40))),
    (MemoryError, "memory", lambda: up.interpolate(X2, scale_factor=1e300)),
    # out
    (ValueError, "out", lambda: up.interpolate(X2, 8, out=np.empty((1, 2, 8, 9), np.float32))),
    (TypeError, "out", lambda: up.interpolate(X2, 8, out=np.empty((1, 2, 8, 8)))),
    (TypeError, "out", lambda: up.interpolate(X2, 8, out=[0.0])),
    (ValueError, "out", lambda: up.interpolate(X2, 4, out=X2)),
    (ValueError, "out", lambda: up.interpolate(X2, 4, out=X2[:, ::-1])),
    (ValueError, "out", lambda: up.conv2d(X2, W2, padding=1, out=X2)),
    (ValueError, "out", lambda: up.interpolate(
        X2, 8, out=np.broadcast_to(np.float32(0), (1, 2, 8, 8)))),
    # convolutions
    (ValueError, "weight", lambda: up.conv2d(X2, W1)),
    (ValueError, "weight", lambda: up.conv_transpose2d(X2, W1)),
    (TypeError, "dtype", lambda: up.conv2d(X2, W2.astype(float))),
    (TypeError, "dtype", lambda: up.conv2d(X2.astype(int), W2.astype(int))),
    (TypeError, "dtype", lambda: up.conv_transpose2d(X2.astype(np.float16), W2)),
    (ValueError, "channels", lambda: up.conv2d(X2[:, :1], W2)),
    (ValueError, "channels", lambda: up.conv_transpose2d(X2[:, :1], W2)),
    (ValueError, "groups", lambda: up.conv2d(X2, W2, groups=3)),
    (ValueError, "groups", lambda: up.conv2d(X2, W2, groups=0)),
    (TypeError, "groups", lambda: up.conv2d(X2, W2, groups=1.0)),
    (ValueError, "bias", lambda: up.conv2d(X2, W2, np.ones(3, np.float32))),
    (TypeError, "bias", lambda: up.conv2d(X2, W2, np.ones(2))),
    (ValueError, "stride", lambda: up.conv2d(X2, W2, stride=0)),
    (ValueError, "stride", lambda: up.conv_transpose2d(X2, W2, stride=(1, 2, 3))),
    (TypeError, "stride", lambda: up.conv2d(X2, W2, stride=1.5)),
    (ValueError, "padding", lambda: up.conv2d(X2, W2, padding=-1)),
    (ValueError, "padding", lambda: up.conv2d(X2, W2, padding="full")),
    (ValueError, "padding", lambda: up.conv2d(X2, W2, padding="same", stride=2)),
    (TypeError, "padding", lambda: up.conv_transpose2d(X2, W2, padding="same")),
    (ValueError, "dilation", lambda: up.conv2d(X2, W2, dilation=0)),
    (ValueError, "output_padding", lambda: up.conv_transpose2d(X2, W2, output_padding=1)),
    (ValueError, "output_padding",
     lambda: up.conv_transpose2d(X2, W2, stride=2, output_padding=-1)),
    (ValueError, "kernel", lambda: up.conv2d(X2[..., :2, :2], W2)),
    (ValueError, "padding", lambda: up.conv_transpose2d(X2[..., :1, :1], W2, padding=2)),
    (ValueError, "output_size", lambda: up.conv_transpose2d(X2, W2, stride=2, output_size=(8, 8))),
    (ValueError, "output_size",
     lambda: up.conv_transpose2d(X2, W2, stride=2, output_size=(9, 9, 9))),
    (ValueError, "shape", lambda: up.conv2d(np.ones((2, 4), np.float32), W2)),
    (ValueError, "shape", lambda: up.conv2d(np.ones((1, 2, 0, 4), np.float32), W2, padding=2)),
    # upsample_concat
    (ValueError, "features", lambda: up.upsample_concat([])),
    (ValueError, "features", lambda: up.upsample_concat([X2, X1])),
    (ValueError, "batch", lambda: up.upsample_concat([X2, np.ones((2, 2, 4, 4), np.float32)])),
    (TypeError, "dtype", lambda: up.upsample_concat([X2, X2.astype(np.float64)])),
    (ValueError, "mode", lambda: up.upsample_concat([X2], mode="cubic")),
    (ValueError, "size", lambda: up.upsample_concat([X2], size=0)),
    # threads
    (ValueError, "n=0", lambda: up.set_num_threads(0)),
    (TypeError, "n=", lambda: up.set_num_threads(1.5)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "words", "call"), REFUSED)
def test_bad_arguments_are_refused_by_name(kind, words, call):
    with pytest.raises(kind, match=words) as caught:
        call()
    message = str(caught.value)
    operation = message.split(":")[0]
    assert hasattr(up, operation), message
    assert len(message) > len(operation) + 20, message


def test_an_impossible_output_size_is_answered_with_the_possible_ones():
    x, weight = np.ones((1, 1, 6, 6), np.float32), np.ones((1, 1, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r"output_size=\(14, 11\)(.|\n)*11 or 12"):
        up.conv_transpose2d(x, weight, stride=2, padding=1, output_size=(14, 11))


def test_a_refused_call_has_written_nothing():
    out = np.full((1, 2, 8, 8), 77, np.float32)
    for bad in ({"mode": "cubic"}, {"mode": "linear"}, {"align_corners": True}):
        with pytest.raises(ValueError, match="interpolate"):
            up.interpolate(X2, 8, out=out, **bad)
    assert (out == 77).all()


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = up.get_num_threads()
    yield
    up.set_num_threads(before)
