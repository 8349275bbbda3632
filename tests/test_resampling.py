"""Cubic, area, antialiased and Lanczos interpolation, and means of all dtypes."""

import numpy as np
import pytest
from assertions import U16, U32, U64

import upshape as up
from upshape import reference

RANKS = {
    "linear": 1, "bilinear": 2, "trilinear": 3, "cubic": 1, "bicubic": 2, "tricubic": 3,
}  # fmt: skip
FLOATS = {"float32": U32, "float64": U64, "float16": U32}
DTYPES = [*FLOATS, "uint8", "int8", "int16", "uint16", "int32", "bool"]


def draw(rng, shape, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (rng.standard_normal(shape) * 9).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)


def assert_means(y, x, arguments):
    """Assert that `y` is the definition's value, rounded, or clipped and rounded."""
    exact = reference.interpolate(x, **arguments)
    # What terms may sum up to, and so what roundings of sums may make of it.
    most = np.abs(x.astype(np.float64)).max() * 4
    if x.dtype.kind == "f":
        allowed = FLOATS[x.dtype.name] * 60 * most + (
            U16 * np.abs(exact) + 2.0**-24 if x.dtype == np.float16 else 0
        )
    else:
        limits = (0, 1) if x.dtype.kind == "b" else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
        exact, y = np.clip(exact, *limits), y.astype(np.float64)
        # Bytes go through fixed point, which may be a tenth off before it is rounded.
        allowed = 0.5 + (0.1 if x.dtype.itemsize == 1 else 1e-3) + U64 * 100 * most
    off = np.abs(y - exact)
    assert (off <= allowed).all(), f"{off.max()} off, {arguments}, {x.shape} {x.dtype}"


def draw_call(rng, dtype):
    axes = int(rng.integers(1, 4))
    mode, antialias = [
        (name, anti)
        for name in ("linear", "cubic", "area", "lanczos")
        for anti in (False, True)
        if anti <= (name != "area") and anti >= (name == "lanczos")
    ][rng.integers(6)]
    prefix = {1: "", 2: "bi", 3: "tri"}[axes]
    if mode in ("linear", "cubic"):
        mode = prefix + mode
    arguments = {"mode": mode, "antialias": antialias}
    if mode.endswith(("linear", "cubic")):
        arguments["align_corners"] = [None, False, True][rng.integers(3)]
    most = {1: 300, 2: 40, 3: 12}[axes]
    spatial = tuple(int(n) for n in rng.integers(1, most, axes))
    if rng.random() < 0.5:
        arguments["size"] = tuple(int(n) for n in rng.integers(1, most, axes))
    else:
        arguments["scale_factor"] = tuple(
            float(max(rng.choice([0.5, 2, 1, 1.1, rng.uniform(0.2, 3)]), 1 / i)) for i in spatial
        )
        arguments["recompute_scale_factor"] = bool(rng.random() < 0.3)
    channels = int(rng.choice([1, 2, 3, 4, 17]))
    shape = (2, channels, *spatial)
    if rng.random() < 0.5:
        arguments["channel_axis"] = -1
        shape = (2, *spatial, channels)
    return draw(rng, shape, dtype), arguments


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_mode_is_its_definition(rng, dtype):
    for _ in range(120):
        x, arguments = draw_call(rng, dtype)
        before = x.copy()
        y = up.interpolate(x, **arguments)
        assert y.dtype == x.dtype
        assert_means(y, x, arguments)
        assert np.array_equal(x, before)
        again = up.interpolate(x, **arguments, out=np.empty_like(y))
        assert again.tobytes() == np.ascontiguousarray(y).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("mode", "antialias"),
    [("bilinear", True), ("bicubic", False), ("bicubic", True), ("area", False),
     ("lanczos", True)],
)  # fmt: skip
def test_a_constant_stays_one(mode, antialias, dtype):
    x = np.ones((1, 3, 13, 17), dtype)
    for size in [(5, 40), (13, 6), (27, 31)]:
        y = up.interpolate(x, size=size, mode=mode, antialias=antialias)
        assert np.allclose(y.astype(np.float64), 1, atol=1e-3 if dtype == "float16" else 1e-6)


def test_bfloat16_is_computed_as_float32(rng):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = rng.standard_normal((2, 3, 20, 21)).astype(ml_dtypes.bfloat16)
    for mode, antialias in (("bilinear", False), ("bilinear", True), ("bicubic", False)):
        how = {"size": (9, 33), "mode": mode, "antialias": antialias}
        y = up.interpolate(x, **how)
        assert y.dtype == x.dtype
        expected = up.interpolate(x.astype(np.float32), **how).astype(x.dtype)
        assert y.tobytes() == expected.tobytes()
        out = np.empty_like(y)
        assert up.interpolate(x, **how, out=out) is out
        assert out.tobytes() == expected.tobytes()
    with pytest.raises(ValueError, match="out has shape"):
        up.interpolate(x, size=4, mode="bilinear", out=np.empty((1, 1), x.dtype))
    assert up.interpolate(x, size=(40, 42)).dtype == x.dtype


def test_shrinking_by_two_with_area_is_the_mean_of_four(rng):
    x = rng.standard_normal((1, 2, 8, 10))
    y = up.interpolate(x, scale_factor=0.5, mode="area")
    assert np.allclose(y, x.reshape(1, 2, 4, 2, 5, 2).mean((3, 5)))


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_change_no_bit(rng, threads):
    x = rng.standard_normal((2, 5, 61, 300)).astype(np.float32)
    before = up.get_num_threads()
    results = []
    try:
        for count in (1, threads):
            up.set_num_threads(count)
            up.clear_cache()
            results.append(up.interpolate(x, size=(97, 170), mode="bicubic", antialias=True))
    finally:
        up.set_num_threads(before)
    assert results[0].tobytes() == results[1].tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_image_of_a_batch_gets_the_bits_that_it_gets_alone(rng, dtype):
    for number in range(60):
        x, arguments = draw_call(rng, dtype)
        if number % 6 == 0:
            kept = ("size", "scale_factor", "recompute_scale_factor", "channel_axis")
            arguments = {name: arguments[name] for name in kept if name in arguments}
            arguments["mode"] = ("nearest", "nearest-exact")[number // 6 % 2]
            if x.ndim == 3 and dtype == "uint8":  # refused where it looks like a picture
                x = x.astype(np.int16)
        x = np.concatenate([x] * int(rng.integers(1, 4)))
        y = up.interpolate(x, **arguments)
        for n in range(len(x)):
            assert up.interpolate(x[n:n + 1], **arguments).tobytes() == y[n].tobytes()


X = np.ones((1, 2, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("error", "match", "arguments"),
    [
        (ValueError, "mode='lanczos' needs antialias=True", {"mode": "lanczos"}),
        (ValueError, "antialias=True has no meaning with mode='area'",
         {"mode": "area", "antialias": True}),
        (ValueError, "antialias=True has no meaning with mode='nearest'", {"antialias": True}),
        (TypeError, "antialias=1 must be True or False", {"mode": "bilinear", "antialias": 1}),
        (ValueError, "align_corners=True has no meaning with mode='area'",
         {"mode": "area", "align_corners": True}),
        (ValueError, "mode='tricubic' is for 3 spatial axes", {"mode": "tricubic"}),
        (ValueError, "mode can be nearest, nearest-exact, bilinear, bicubic, area, lanczos",
         {"mode": "cubic"}),
    ],
)  # fmt: skip
def test_what_a_mode_does_not_have_is_refused(error, match, arguments):
    with pytest.raises(error, match=match):
        up.interpolate(X, 8, **arguments)


@pytest.mark.parametrize(
    ("shape", "mode", "what"),
    [((9, 9, 3), "bilinear", "picture"), ((3, 9, 9), "bicubic", "picture"),
     ((2, 9, 9, 9), "trilinear", "volume")],
)  # fmt: skip
def test_a_picture_without_a_batch_axis_is_told_what_it_lacks(shape, mode, what):
    x = np.ones(shape, np.float32)
    with pytest.raises(ValueError, match=rf"if x is one {what} without a batch axis, pass x\[None"):
        up.interpolate(x, scale_factor=2, mode=mode)
    y = up.interpolate(x[None], scale_factor=2, mode=mode, channel_axis=-1)
    assert y.shape == (1, *[2 * n for n in shape[:-1]], shape[-1])
    with pytest.raises(ValueError, match=r"mode can be nearest, .*cubic, area, lanczos$"):
        up.interpolate(np.ones((1, 1, 4, 4)), 8, mode="linear")


def test_arguments_that_are_equal_but_not_the_same_are_told_apart():
    y = up.interpolate(X, 8, mode="bilinear", antialias=True)
    assert y.shape == (1, 2, 8, 8)
    with pytest.raises(TypeError, match="antialias=1 must be"):
        up.interpolate(X, 8, mode="bilinear", antialias=1)


def test_features_are_joined_in_the_new_modes(rng):
    fine, coarse = rng.standard_normal((1, 2, 8, 8)), rng.standard_normal((1, 3, 4, 4))
    for mode in ("bicubic", "area"):
        y = up.upsample_concat([fine, coarse], mode=mode)
        assert np.array_equal(y[:, :2], fine)
        assert np.array_equal(y[:, 2:], up.interpolate(coarse, size=8, mode=mode))
    with pytest.raises(ValueError, match="upsample_concat: mode='lanczos'"):
        up.upsample_concat([fine, coarse], mode="lanczos")
