"""Features of several scales, brought to one size and concatenated."""

import numpy as np
import pytest
from assertions import assert_same_pixels, unmodified
from hypothesis import given
from hypothesis import strategies as st

import upshape as up
from upshape import interpolation

MODE = {1: "linear", 2: "bilinear", 3: "trilinear"}


def to_last(array):
    return np.moveaxis(array, 1, -1)


def in_channels_last_memory(array):
    return np.moveaxis(np.ascontiguousarray(to_last(array)), -1, 1)


@pytest.fixture(params=["cached", "streamed"])
def store(request, monkeypatch):
    """Run with results written past the cache, and not."""
    interpolation._plans.clear()
    if request.param == "streamed":
        monkeypatch.setattr(interpolation, "_STREAMED_FROM", 0)
    yield
    interpolation._plans.clear()


@given(st.data())
def test_equals_interpolating_and_concatenating(data):
    axes = data.draw(st.integers(1, 3))
    batch = data.draw(st.integers(1, 2))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    dtype = data.draw(st.sampled_from([np.float32, np.float64, np.float16, np.uint8]))
    features = []
    for _ in range(data.draw(st.integers(1, 4))):
        channels = data.draw(st.sampled_from([1, 2, 3, 16, 18]))
        spatial = tuple(data.draw(st.integers(1, (60, 20, 8)[axes - 1])) for _ in range(axes))
        features.append((255 * rng.random((batch, channels, *spatial))).astype(dtype))
    size = data.draw(st.none() | st.tuples(*[st.integers(1, 30)] * axes))
    mode = data.draw(st.sampled_from([None, "nearest", "nearest-exact"]))
    wanted_size = size or max((f.shape[2:] for f in features), key=np.prod)
    wanted = np.concatenate(
        [up.interpolate(f, wanted_size, mode=mode or MODE[axes]) for f in features], axis=1
    )
    last = data.draw(st.sampled_from(["no", "memory", "axis", "both"]))
    if last in ("memory", "both"):
        features = [in_channels_last_memory(f) for f in features]
    if last in ("axis", "both"):
        features = [to_last(f) for f in features]
        wanted = to_last(wanted)
    with unmodified(*features):
        y = up.upsample_concat(
            features, size, mode, channel_axis=-1 if last in ("axis", "both") else 1
        )
    if mode is None and dtype != np.uint8:  # channels-last pixels may be fused otherwise
        bound = 255 * 8 * max(np.finfo(dtype).eps, 2.0**-53)
        np.testing.assert_allclose(y.astype(float), wanted.astype(float), rtol=0, atol=bound)
        assert y.dtype == wanted.dtype
    else:
        assert_same_pixels(y, wanted)


@pytest.mark.usefixtures("threads")
@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("mode", [None, "nearest"])
@pytest.mark.parametrize("channel_axis", [1, -1])
def test_out_is_filled_and_nothing_beside_it(rng, mode, channel_axis):
    features = [rng.random((2, c, h, w), np.float32) for c, h, w in [(3, 9, 70), (20, 5, 35)]]
    if channel_axis == -1:
        features = [np.ascontiguousarray(to_last(f)) for f in features]
    plain = up.upsample_concat(features, mode=mode, channel_axis=channel_axis)
    raw = np.full(plain.size + 20, -1, np.float32)
    for start in (0, 1, 5):
        raw[...] = -1
        out = raw[start : start + plain.size].reshape(plain.shape)
        y = up.upsample_concat(features, mode=mode, channel_axis=channel_axis, out=out)
        assert y is out
        assert_same_pixels(out, plain)
        assert (raw[:start] == -1).all()
        assert (raw[start + plain.size :] == -1).all()
    wide = np.full(tuple(n + 2 for n in plain.shape), -1, np.float32)
    inner = wide[1:-1, 1:-1, 1:-1, 1:-1]
    up.upsample_concat(features, mode=mode, channel_axis=channel_axis, out=inner)
    assert_same_pixels(inner, plain)
    inner[...] = -1
    assert (wide == -1).all()


def test_an_empty_batch_gives_an_empty_result():
    features = [np.zeros((0, 2, 3, 4), np.float32), np.zeros((0, 1, 6, 8), np.float32)]
    assert up.upsample_concat(features).shape == (0, 3, 6, 8)


def test_size_is_that_of_the_first_feature_with_the_most_pixels():
    features = [np.zeros((1, 1, *s), np.float32) for s in [(2, 3), (4, 6), (6, 4), (3, 3)]]
    assert up.upsample_concat(features).shape == (1, 4, 4, 6)


def test_features_of_the_right_size_are_copied(rng):
    x = rng.random((2, 3, 5, 7), np.float32)
    x[0, 0, 0, 0] = np.inf
    assert_same_pixels(up.upsample_concat([x]), x)
    assert_same_pixels(up.upsample_concat([x, x]), np.concatenate([x, x], 1))


def test_memory_order_follows_the_features(rng):
    features = [rng.random((1, 4, s, s), np.float32) for s in (4, 8)]
    assert up.upsample_concat(features).flags.c_contiguous
    last = [in_channels_last_memory(f) for f in features]
    y = up.upsample_concat(last)
    assert y.shape == (1, 8, 8, 8)
    assert to_last(y).flags.c_contiguous
    assert up.upsample_concat([last[0], features[1]]).flags.c_contiguous


def test_lists_are_features_too():
    assert up.upsample_concat([[[[1.0, 2.0]]], [[[3.0]]]]).tolist() == [[[1, 2], [3, 3]]]


ONE = np.zeros((1, 2, 3, 4), np.float32)


@pytest.mark.parametrize(
    ("features", "arguments", "error", "words"),
    [
        ([], {}, ValueError, "features is empty"),
        (3, {}, TypeError, "features must be a sequence of arrays, not int"),
        ([np.zeros((1, 2, 9), np.uint8)], {"mode": np.array([2, 3])}, ValueError,
         r"mode=\(2, 3\) must be one of"),
        (np.array(3), {}, TypeError, r"sequence of arrays, not array\(3\), an array without axes"),
        ("ab", {}, TypeError, "features must be a sequence of arrays, not str"),
        ([ONE, ONE[0]], {}, ValueError, r"features\[1\] has shape \(2, 3, 4\)"),
        ([ONE, ONE.repeat(2, 0)], {}, ValueError, "same batch size"),
        ([ONE, ONE.astype("f8")], {}, TypeError, r"features\[1\] has dtype float64, but features"),
        ([ONE.astype("i8")], {}, TypeError, r"features\[0\] has dtype int64; it can be float32"),
        ([ONE[:, :0]], {}, ValueError, "only the batch axis"),
        ([np.zeros(3)], {}, ValueError, "1 axis"),
        ([ONE], {"mode": "linear"}, ValueError, r"is for 1 spatial axis, but features\[0\] has"),
        ([ONE], {"mode": "quintic"}, ValueError, "mode='quintic' must be one of"),
        ([ONE], {"mode": "nearest", "align_corners": True}, ValueError, "no meaning"),
        ([ONE], {"size": 0}, ValueError, "size=0 must be 1 or more"),
        ([ONE], {"size": 2.0}, TypeError, "must be an int"),
        ([ONE], {"channel_axis": 2}, ValueError, "channel_axis=2 must be 1"),
        ([ONE], {"out": np.zeros((1, 2, 3, 5), "f4")}, ValueError, "out has shape"),
        ([ONE], {"out": ONE}, ValueError, "out overlaps an input"),
        ([ONE], {"size": 2**61}, MemoryError, "no memory holds"),
    ],
)
def test_bad_arguments_are_refused_with_the_reason(features, arguments, error, words):
    with pytest.raises(error, match=f"^upsample_concat: .*{words}"):
        up.upsample_concat(features, **arguments)


def test_nothing_is_written_when_a_feature_is_bad():
    out = np.full((1, 4, 3, 4), 7, np.float32)
    with pytest.raises(ValueError, match="same batch size"):
        up.upsample_concat([ONE, ONE.repeat(2, 0)], out=out)
    assert (out == 7).all()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_out_over_any_of_the_features_is_refused_and_left_alone(which):
    memory = np.arange(4000, dtype=np.float32)
    features = [np.ones((1, 2, 3, 4), np.float32) for _ in range(3)]
    features[which] = memory[70:94].reshape(1, 2, 3, 4)
    out = memory[: 6 * 12].reshape(1, 6, 3, 4)
    before = memory.copy()
    with pytest.raises(ValueError, match=r"^upsample_concat: out overlaps an input"):
        up.upsample_concat(features, out=out)
    assert_same_pixels(memory, before)
