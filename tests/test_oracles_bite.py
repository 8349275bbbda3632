"""The comparisons must notice a wrong result: each is given results that are wrong on purpose."""

import numpy as np
import pytest
from assertions import (
    HALF_A_UNIT,
    U32,
    assert_close_conv,
    assert_close_conv_transpose,
    assert_close_linear,
    assert_same_pixels,
    assert_within,
    unmodified,
)

from upshape import reference

RNG = np.random.default_rng(7)
X = RNG.standard_normal((2, 3, 5, 5)).astype(np.float32)
WEIGHT = RNG.standard_normal((3, 3, 3, 3)).astype(np.float32)
BIAS = RNG.standard_normal(3).astype(np.float32)


def one_value_off(y):
    y = y.copy()
    y[-1, -1, -1, -1] = y[-1, -1, -1, -2]
    return y


def last_row_unwritten(y):
    y = y.copy()
    y[..., -1, :] = 0
    return y


# What a kernel does when it is wrong. All keep shape and dtype, so that only values tell.
WRONG = {
    "one value off": one_value_off,
    "axes swapped": lambda y: np.ascontiguousarray(y.swapaxes(2, 3)),
    "last row unwritten": last_row_unwritten,
    "all zeros": np.zeros_like,
    "images swapped": lambda y: y[::-1].copy(),
    "channels rotated": lambda y: np.roll(y, 1, axis=1),
    "shifted by a pixel": lambda y: np.roll(y, 1, axis=3),
    "upside down": lambda y: y[:, :, ::-1].copy(),
    "not a number": lambda y: np.where(np.arange(y.size).reshape(y.shape) == 9, np.nan, y).astype(
        y.dtype
    ),
}
# What is wrong besides the values.
MISSHAPEN = {
    "a row short": lambda y: y[:, :, :-1],
    "batch lost": lambda y: y[0],
    "other dtype": lambda y: y.astype(np.complex64),
    "broadcastable": lambda y: y[:1],
}

wrong_ways = pytest.mark.parametrize("spoil", [*WRONG.values(), *MISSHAPEN.values()],
                                     ids=[*WRONG, *MISSHAPEN])  # fmt: skip


def test_right_results_pass():
    """Else the tests below would pass for the wrong reason."""
    assert_same_pixels(reference.nearest(X, size=(7, 7)), reference.nearest(X, size=(7, 7)))
    assert_close_linear(_bilinear(), X, size=(7, 7), mode="bilinear")
    assert_close_conv(_conv(), X, WEIGHT, BIAS, padding=1)
    assert_close_conv_transpose(_conv_transpose(), X, WEIGHT, BIAS, stride=2)


def _bilinear(x=X, **arguments):
    arguments = {"size": (7, 7), "mode": "bilinear", **arguments}
    return reference.interpolate(x, **arguments).astype(np.float32)


def _conv():
    return reference.conv(X, WEIGHT, BIAS, padding=1).astype(np.float32)


def _conv_transpose(weight=WEIGHT, **parameters):
    parameters = {"stride": 2, **parameters}
    return reference.conv_transpose(X, weight, BIAS, **parameters).astype(np.float32)


@wrong_ways
def test_same_pixels_bites(spoil):
    right = reference.nearest(X, size=(7, 7))
    with pytest.raises(AssertionError):
        assert_same_pixels(spoil(right), right)


@wrong_ways
def test_close_linear_bites(spoil):
    with pytest.raises(AssertionError):
        assert_close_linear(spoil(_bilinear()), X, size=(7, 7), mode="bilinear")


@wrong_ways
def test_close_conv_bites(spoil):
    with pytest.raises(AssertionError):
        assert_close_conv(spoil(_conv()), X, WEIGHT, BIAS, padding=1)


@wrong_ways
def test_close_conv_transpose_bites(spoil):
    with pytest.raises(AssertionError):
        assert_close_conv_transpose(spoil(_conv_transpose()), X, WEIGHT, BIAS, stride=2)


def test_same_pixels_sees_the_sign_of_zero_and_which_nan():
    with pytest.raises(AssertionError):
        assert_same_pixels(np.array([-0.0]), np.array([0.0]))
    quiet, payload = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32).reshape(2, 1)
    with pytest.raises(AssertionError):
        assert_same_pixels(quiet, payload)
    assert_same_pixels(payload, payload.copy())


def test_same_pixels_wants_an_array():
    with pytest.raises(AssertionError):
        assert_same_pixels([1.0], np.array([1.0]))


@pytest.mark.parametrize(
    "other",
    [
        {"align_corners": True},
        {"size": None, "scale_factor": 1.5},
        {"size": (7, 6)},
    ],
)
def test_close_linear_sees_the_wrong_rule(other):
    wrong = _bilinear(**other)
    with pytest.raises(AssertionError):
        assert_close_linear(wrong, X, size=(7, 7), mode="bilinear")


def test_close_linear_sees_float32_positions():
    """Positions rounded to float32 are too coarse on a long axis."""
    x = RNG.standard_normal((1, 1, 5000)).astype(np.float32)
    scale = np.float32(5000) / np.float32(7001)
    dst = np.arange(7001, dtype=np.float32)
    position = np.clip((dst + np.float32(0.5)) * scale - np.float32(0.5), 0, 4999)
    lower = np.floor(position).astype(int)
    t = position - lower
    wrong = (1 - t) * x[..., lower] + t * x[..., np.minimum(lower + 1, 4999)]
    with pytest.raises(AssertionError):
        assert_close_linear(wrong.astype(np.float32), x, size=7001)


@pytest.mark.parametrize("spoil", [np.floor, np.ceil, lambda y: np.rint(y) + 1])
def test_close_linear_sees_wrong_rounding_of_uint8(spoil):
    x = RNG.integers(0, 256, (1, 1, 6, 6), dtype=np.uint8)
    exact = reference.bilinear(x, size=(9, 9))
    assert_close_linear(np.rint(exact).astype(np.uint8), x, size=(9, 9), mode="bilinear")
    with pytest.raises(AssertionError):
        assert_close_linear(spoil(exact).astype(np.uint8), x, size=(9, 9), mode="bilinear")


def test_close_linear_sees_float16_rounded_twice_too_often():
    x = RNG.standard_normal((1, 1, 400)).astype(np.float16)
    lower, upper, t = reference.linear_neighbours(400, 777)
    t = t.astype(np.float16)
    in_half = (1 - t) * x[..., lower] + t * x[..., upper]
    with pytest.raises(AssertionError):
        assert_close_linear(in_half, x, size=777)


@pytest.mark.parametrize(
    "other",
    [
        {"stride": 1},
        {"weight": WEIGHT.swapaxes(0, 1)},
        {"weight": reference.rotate_180(WEIGHT, 2)},
        {"weight": WEIGHT.swapaxes(2, 3)},
        {"padding": 1},
    ],
)
def test_close_conv_transpose_sees_the_wrong_layer(other):
    wrong = _conv_transpose(**other)
    with pytest.raises(AssertionError):
        assert_close_conv_transpose(wrong, X, WEIGHT, BIAS, stride=2)


def test_close_conv_sees_a_missing_bias():
    wrong = reference.conv(X, WEIGHT, padding=1).astype(np.float32)
    with pytest.raises(AssertionError):
        assert_close_conv(wrong, X, WEIGHT, BIAS, padding=1)


def test_close_conv_sees_float16_products():
    wrong = reference.conv(X.astype(np.float16), WEIGHT.astype(np.float16), BIAS, padding=1)
    with pytest.raises(AssertionError):
        assert_close_conv(wrong.astype(np.float32), X, WEIGHT, BIAS, padding=1)


@pytest.mark.parametrize(
    ("actual", "bound"),
    [(1 + 3 * U32, 2 * U32), (np.nan, 1.0), (np.inf, 1e300), (0.0, HALF_A_UNIT)],
)
def test_within_bites(actual, bound):
    with pytest.raises(AssertionError):
        assert_within(np.array([actual]), np.array([1.0]), bound)


def test_within_wants_nan_where_nan_is_due():
    assert_within(np.array([np.nan, 1.0]), np.array([np.nan, 1.0]), 0.0)
    with pytest.raises(AssertionError):
        assert_within(np.array([0.0]), np.array([np.nan]), 1.0)


def test_unmodified_bites():
    x = np.zeros(3)
    with unmodified(x):
        pass
    with pytest.raises(AssertionError), unmodified(x):
        x[1] = 1
