"""Randomised comparison of the interpolations with PyTorch 2.13.0.

PyTorch disagrees with itself about nearest pixels, so that the path that follows upshape's rule has
to be chosen. In channels-last memory, and for small images, "nearest" copies maps whose size stays
or doubles without a look at the factor, and float64 positions are not rounded to float32: the rule
is that of its general path, which three-dimensional arrays and large images in plain memory
always take. "nearest-exact" goes to a pixel's centre there and back, which float32 notices; the
other paths do not (4 pixels to 2982, the 745th).
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from assertions import (
    HALF_A_UNIT,
    PEER_POSITION_ROUNDINGS,
    PEER_UINT8,
    U32,
    U64,
    assert_same_pixels,
    assert_within,
    largest_neighbour,
    linear_bound,
)

import upshape as up
from upshape import reference

SEEDS = 150
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def sizes(rng, axes):
    """Return sizes: small ones, some of thousands."""
    largest = [9000, 3000, 40][axes - 1]
    drawn = [int(rng.integers(1, 30)) for _ in range(axes)]
    if rng.random() < 0.6:
        drawn[rng.integers(axes)] = int(rng.integers(1, largest))
    return tuple(drawn)


def some_call(rng, axes):
    """Return (input sizes, arguments)."""
    while True:
        i = sizes(rng, axes)
        if rng.random() < 0.5:
            return i, {"size": sizes(rng, axes)}
        kind = rng.integers(4)
        if kind == 0:
            factors = [float(rng.choice([1, 2, 3, 4, 8, 0.5, 0.25, 1.5])) for _ in i]
        elif kind == 1:  # sizes that stay or double, with a factor that is a little more
            factors = [float(rng.choice([1, 2]) + rng.uniform(0, 1) / n) for n in i]
        else:
            factors = [float(rng.uniform(0.2, 4)) for _ in i]
        o = [math.floor(n * f) for n, f in zip(i, factors, strict=True)]
        if min(o) >= 1 and math.prod(o) < 300_000:
            recompute = [None, False, True][rng.integers(3)]
            return i, {"scale_factor": tuple(factors), "recompute_scale_factor": recompute}


def follows_the_rule(x, arguments, mode):
    """Ask PyTorch where it does what upshape's rule says."""
    missing = 5 - x.ndim
    given = dict(arguments)
    if "size" in given:
        given["size"] = (*[1] * missing, *given["size"])
    else:
        given["scale_factor"] = (*[1.0] * missing, *given["scale_factor"])
    tensor = torch.from_numpy(x.reshape(*x.shape[:2], *[1] * missing, *x.shape[2:]))
    y = np.ascontiguousarray(F.interpolate(tensor, mode=mode, **given).numpy())
    return y.reshape(*y.shape[:2], *y.shape[2 + missing :])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_takes_the_same_pixels(seed, mode, dtype):
    rng = np.random.default_rng(seed)
    axes = int(rng.integers(1, 4))
    i, arguments = some_call(rng, axes)
    shape = (1, 4, *i)
    x = rng.integers(0, 256, shape).astype(dtype)
    if dtype != np.uint8:  # every pixel its own number
        x = np.arange(math.prod(shape), dtype=dtype).reshape(shape) % (1 << 24)
    y = up.interpolate(x, mode=mode, **arguments)
    assert_same_pixels(y, follows_the_rule(x, arguments, mode))
    if math.prod(y.shape[2:]) < 2000:
        last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        assert_same_pixels(np.array(up.interpolate(last, mode=mode, **arguments), order="C"), y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_takes_the_same_pixels_of_thousands(seed, mode, dtype):
    """One long axis, where float32 decides."""
    rng = np.random.default_rng(seed)
    i, o = (int(n) for n in rng.integers(1000, 60_000, 2))
    x = np.broadcast_to(np.arange(i, dtype=dtype), (1, 4, i)).copy()
    for arguments in ({"size": (o,)}, {"scale_factor": (float(rng.uniform(0.3, 3)),)}):
        y = up.interpolate(x, mode=mode, **arguments)
        assert_same_pixels(y, follows_the_rule(x, arguments, mode))


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_of_images_as_they_come(seed, mode):
    """Sizes given, two axes: PyTorch's own path for images."""
    rng = np.random.default_rng(seed)
    i, o = sizes(rng, 2), sizes(rng, 2)
    if mode == "nearest-exact":  # the path for small images is another one
        o = (o[0] + 128, o[1])
    x = rng.standard_normal((2, 4, *i)).astype(np.float32)
    golden = F.interpolate(torch.from_numpy(x), size=o, mode=mode).numpy()
    assert_same_pixels(up.interpolate(x, size=o, mode=mode), golden)


def test_the_path_that_does_not_follow_the_rule_still_does_not():
    """The reason for choosing a path, checked: else the comparison could be simpler."""
    x = torch.arange(4.0).reshape(1, 1, 1, 4).expand(1, 4, 1, 4)
    for memory, expected in ((torch.contiguous_format, 1), (torch.channels_last, 0)):
        tensor = x.contiguous(memory_format=memory)
        theirs = F.interpolate(tensor, size=(1, 2982), mode="nearest-exact")
        assert (theirs[..., 745] == expected).all()
        ours = up.interpolate(tensor.numpy(), size=(1, 2982), mode="nearest-exact")
        assert (ours[..., 745] == 1).all()  # 745.5 * 4 / 2982 is 1 exactly
    assert np.float32(745.5) * (np.float32(4) / np.float32(2982)) < 1
    small = torch.arange(5.0).reshape(1, 1, 1, 5)
    shortcut = F.interpolate(small, scale_factor=(1.0, 1.19), mode="nearest")[0, 0, 0]
    ours = up.interpolate(small.numpy(), scale_factor=(1.0, 1.19), mode="nearest")[0, 0, 0]
    assert shortcut.tolist() == [0, 1, 2, 3, 4]
    assert ours.tolist() == [int(dst / 1.19) for dst in range(5)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_linear_is_within_rounding(seed, dtype):
    rng = np.random.default_rng(seed)
    axes = int(rng.integers(1, 4))
    i, arguments = some_call(rng, axes)
    arguments["mode"] = LINEAR[axes]
    arguments["align_corners"] = [None, False, True][rng.integers(3)]
    x = rng.standard_normal((1, int(rng.integers(1, 4)), *i)).astype(dtype)
    y = up.interpolate(x, **arguments)
    tensor = torch.from_numpy(x)
    if rng.random() < 0.3 and axes == 2:
        tensor = tensor.to(memory_format=torch.channels_last)
    golden = F.interpolate(tensor, **arguments).numpy().astype(np.float64)
    assert y.dtype == dtype
    # Both round; and PyTorch's positions, in the array's own precision, shift it by so much of the
    # difference of neighbours. A pixel further is in reach of such a shift.
    largest, longest = largest_neighbour(x, **arguments)
    u = U32 if dtype == np.float32 else U64
    longest = max(longest, *y.shape[2:])
    shift = PEER_POSITION_ROUNDINGS * axes * longest * np.abs(x).max()
    bound = 2 * linear_bound(x, reference.interpolate(x, **arguments), **arguments)
    bound = bound + shift * u + 4 * axes * u * largest
    if dtype == np.float64:
        # PyTorch takes the floor of a float64 position in float32: close to a pixel it misses by
        # float32's rounding.
        bound = np.where(_close_to_a_pixel(x.shape[2:], y.shape[2:], arguments),
                         bound + shift * U32, bound)  # fmt: skip
    assert_within(y, golden, bound)


def _close_to_a_pixel(input_sizes, output_sizes, arguments):
    """Return for every output pixel whether float32 may put one of its positions on a pixel."""
    factors = arguments.get("scale_factor")
    if factors is None or arguments.get("recompute_scale_factor"):
        factors = (None,) * len(input_sizes)
    close = np.zeros(output_sizes, bool)
    for axis, (i, o) in enumerate(zip(input_sizes, output_sizes, strict=True)):
        position = reference.linear_coordinates(
            i, o, scale_factor=factors[axis], align_corners=bool(arguments["align_corners"])
        )
        near = np.abs(position - np.rint(position)) <= 2 * U32 * np.maximum(position, 1)
        close |= near.reshape([-1 if n == axis else 1 for n in range(len(input_sizes))])
    return close


def test_uint8_is_within_half_a_unit_and_one_of_pytorch(seed):
    rng = np.random.default_rng(seed)
    while True:
        i, arguments = some_call(rng, 2)
        # For one pixel of three channels PyTorch fails an assertion of its own.
        if "scale_factor" in arguments or arguments["size"] != (1, 1):
            break
    arguments.update(mode="bilinear", align_corners=bool(rng.integers(2)))
    x = rng.integers(0, 256, (1, int(rng.integers(1, 5)), *i), dtype=np.uint8)
    y = up.interpolate(x, **arguments)
    assert y.dtype == np.uint8
    assert_within(y, reference.interpolate(x, **arguments), HALF_A_UNIT)
    golden = F.interpolate(torch.from_numpy(x), **arguments).numpy()
    assert_within(y, golden.astype(np.float64), PEER_UINT8)


def test_float16_is_the_value_rounded(seed):
    rng = np.random.default_rng(seed)
    i, arguments = some_call(rng, 2)
    arguments.update(mode="bilinear", align_corners=bool(rng.integers(2)))
    x = rng.standard_normal((1, 2, *i)).astype(np.float16)
    y = up.interpolate(x, **arguments)
    assert y.dtype == np.float16
    exact = reference.interpolate(x, **arguments)
    assert_within(y, exact, linear_bound(x, exact, **arguments))
    golden = F.interpolate(torch.from_numpy(x).float(), **arguments).numpy().astype(np.float64)
    longest = max(*x.shape[2:], *y.shape[2:])
    shift = 2 * PEER_POSITION_ROUNDINGS * longest * U32 * np.abs(x).max()
    assert_within(y, golden, linear_bound(x, golden, **arguments) + shift + 2**-11 * np.abs(golden))
