"""How results are compared: by pixels, or within the bound of the right error model.

Every function here ends in an assert and returns nothing. `test_oracles_bite.py` feeds each of
them results that are wrong on purpose.

The tolerances of all tests stand in the table below. u is the unit roundoff, half the distance
from 1 to the next number.
"""

import contextlib

import numpy as np

from upshape import reference

U16, U32, U64 = (float(np.finfo(dtype).eps) / 2 for dtype in (np.float16, np.float32, np.float64))
SMALLEST16 = float(np.finfo(np.float16).smallest_subnormal)
SMALLEST32 = float(np.finfo(np.float32).smallest_subnormal)

# Linear modes, for each spatial axis, in units of u times the largest of the pixels involved: two
# weights, two products and a sum.
LINEAR_ROUNDINGS = 4
# Positions are float64: both sides round them, to a few u64 times the input size.
POSITION_ROUNDINGS = 8
# uint8 is the exact value, rounded to nearest; where that is a tie, float64 decides.
HALF_A_UNIT = 0.5 + 1e-9
# Convolutions: each of the n products and sums may round once: (n + 2) u sum|w||x|, with the bias.
CONVOLUTION_EXTRA_ROUNDINGS = 2
# PyTorch's float32 positions carry float32's rounding, and its convolutions may be summed in
# whatever order (Winograd's included).
PEER_POSITION_ROUNDINGS = 4
PEER_CONVOLUTION = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-13}
PEER_UINT8 = 1


def assert_same_pixels(actual, expected):
    """Same shape, dtype and bytes: NaNs and the signs of zeros included."""
    assert isinstance(actual, np.ndarray)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    a, e = (
        np.frombuffer(array.tobytes(), np.uint8).reshape(*array.shape, array.itemsize)
        for array in (actual, expected)
    )
    wrong = (a != e).any(axis=-1)
    assert not wrong.any(), (
        f"{wrong.sum()} of {wrong.size} pixels differ, the first at {_first(wrong)}"
    )


def assert_within(actual, exact, bound):
    """|actual - exact| <= bound, everywhere; NaN and the infinities exactly where `exact` has them.

    A bound that is infinite or NaN itself allows nothing.
    """
    assert actual.shape == exact.shape
    finite = np.isfinite(exact)
    bound = np.where(np.isfinite(bound), bound, 0.0)
    bound = np.broadcast_to(bound, exact.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(actual.astype(np.float64) - exact)
    alike = (actual == exact) | (np.isnan(actual) & np.isnan(exact))
    wrong = np.where(finite, ~(error <= bound), ~alike)
    if wrong.any():
        first = _first(wrong)
        with np.errstate(over="ignore"):
            times = error / np.maximum(bound, 1e-300)
        excess = np.max(times, where=wrong & finite, initial=0.0)
        raise AssertionError(
            f"{wrong.sum()} of {wrong.size} values are off, the first at {first}: "
            f"{actual[first]} and not {exact[first]}; the worst error is {excess:.3g} x its bound"
        )
    assert not wrong.any()


def assert_close_linear(actual, x, **arguments):
    """A linear mode's result is the float64 formula's, rounded: `arguments` as for interpolate."""
    x = np.asarray(x)
    assert actual.dtype == x.dtype.newbyteorder("=")
    exact = reference.interpolate(x, **arguments)
    assert_within(actual, exact, linear_bound(x, exact, **arguments))


def linear_bound(x, exact, **arguments):
    """Return by how much each value may differ from `exact`, as the dtype says."""
    if x.dtype == np.uint8:
        return HALF_A_UNIT
    axes = x.ndim - 2
    largest, input_size = largest_neighbour(x, **arguments)
    position = POSITION_ROUNDINGS * U64 * axes * input_size * largest
    if x.dtype == np.float64:
        return position + LINEAR_ROUNDINGS * U64 * axes * largest
    computed = position + LINEAR_ROUNDINGS * U32 * axes * largest + SMALLEST32
    if x.dtype == np.float32:
        return computed
    return computed * (1 + 2 * U16) + U16 * np.abs(exact) + SMALLEST16


def largest_neighbour(
    x,
    size=None,
    scale_factor=None,
    mode="linear",
    align_corners=None,
    recompute_scale_factor=None,
    channel_axis=1,
):
    """Return for every output pixel the largest |x| it is made of, and the longest axis of x."""
    y = np.moveaxis(np.abs(np.asarray(x).astype(np.float64)), channel_axis, 1)
    shape = y.shape[2:]
    sizes, factors = reference._sizes_and_factors(shape, size, scale_factor, recompute_scale_factor)
    for axis, (i, o, factor) in enumerate(zip(shape, sizes, factors, strict=True), start=2):
        lower, upper, _ = reference.linear_neighbours(
            i, o, scale_factor=factor, align_corners=bool(align_corners)
        )
        y = np.maximum(np.take(y, lower, axis), np.take(y, upper, axis))
    return np.moveaxis(y, 1, channel_axis), max(shape)


def assert_close_conv(actual, x, weight, bias=None, **parameters):
    """A convolution's result is within the bound of a dot product of its length."""
    _assert_close_convolution(reference.conv, actual, x, weight, bias, parameters)


def assert_close_conv_transpose(actual, x, weight, bias=None, **parameters):
    """The same for a transposed convolution."""
    _assert_close_convolution(reference.conv_transpose, actual, x, weight, bias, parameters)


def _assert_close_convolution(function, actual, x, weight, bias, parameters):
    x, weight = np.asarray(x), np.asarray(weight)
    assert actual.dtype == x.dtype.newbyteorder("=")
    exact = function(x, weight, bias, **parameters)
    magnitude = convolution_magnitude(function, x, weight, bias, **parameters)
    u = U64 if x.dtype.itemsize == 8 else U32
    # Transposed weights are (C_in, ...): the longest sum runs over the channels of a group.
    groups = parameters.get("groups", 1)
    channels = weight.shape[1] if function is reference.conv else weight.shape[0] // groups
    terms = channels * int(np.prod(weight.shape[2:])) + CONVOLUTION_EXTRA_ROUNDINGS
    # float64's oracle rounds as well.
    both = 2 if u == U64 else 1
    assert_within(actual, exact, both * terms * u * magnitude + terms * SMALLEST32)


def convolution_magnitude(function, x, weight, bias=None, **parameters):
    """Return sum |w||x| + |b| for every output value."""
    bias = None if bias is None else np.abs(bias)
    return function(np.abs(x), np.abs(weight), bias, **parameters)


@contextlib.contextmanager
def unmodified(*arrays):
    """Assert that what runs inside leaves these arrays as they are."""
    before = [np.array(array, copy=True) for array in arrays]
    yield
    for array, copy in zip(arrays, before, strict=True):
        assert_same_pixels(np.asarray(array), copy)


def _first(wrong):
    return tuple(int(index[0]) for index in np.nonzero(wrong))
