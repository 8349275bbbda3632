"""Randomised comparison of the convolutions with PyTorch 2.13.0: functions, layers, refusals."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from assertions import (
    PEER_CONVOLUTION,
    assert_within,
    convolution_magnitude,
)
from torch import nn

import upshape as up
from upshape import reference

SEEDS = 150


def some_layer(rng, axes, transposed):
    """Return (x shape, weight shape, channels out, parameters)."""

    def each(low, high):
        return tuple(int(n) for n in rng.integers(low, high + 1, axes))

    groups = int(rng.choice([1, 1, 1, 2, 4]))
    wide, widest = int(rng.choice([2, 20])), 5 if axes < 3 else 4
    c_in, c_out = (groups * int(n) for n in rng.integers(1, wide + 1, 2))
    parameters = {
        "stride": each(1, 4),
        "padding": each(0, 3),
        "dilation": each(1, 3),
        "groups": groups,
    }
    if transposed:
        largest = [max(s, d) for s, d in zip(*(parameters[n] for n in ("stride", "dilation")),
                                             strict=True)]  # fmt: skip
        parameters["output_padding"] = tuple(int(rng.integers(0, n)) for n in largest)
        weight = (c_in, c_out // groups, *each(1, widest))
    else:
        weight = (c_out, c_in // groups, *each(1, widest))
    x = (int(rng.integers(1, 4)), c_in, *each(1, [200, 24, 9][axes - 1]))
    return x, weight, c_out, parameters


def whole(y):
    """Refuse an empty result of three axes as PyTorch refuses those of one and two."""
    if y.numel() == 0:
        raise RuntimeError("Output size is too small")
    return y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolutions_give_the_same_numbers(seed, axes, transposed, dtype):
    rng = np.random.default_rng(seed)
    x_shape, weight_shape, c_out, parameters = some_layer(rng, axes, transposed)
    name = f"conv{'_transpose' * transposed}{axes}d"
    x, weight, bias = (
        rng.standard_normal(shape).astype(dtype) for shape in (x_shape, weight_shape, (c_out,))
    )
    bias = bias if rng.random() < 0.5 else None
    tensors = [None if a is None else torch.from_numpy(a) for a in (x, weight, bias)]
    try:
        golden = whole(getattr(F, name)(*tensors, **parameters)).numpy()
    except RuntimeError:
        with pytest.raises(ValueError, match=name):
            getattr(up, name)(x, weight, bias, **parameters)
        return
    y = getattr(up, name)(x, weight, bias, **parameters)
    slow = reference.conv_transpose if transposed else reference.conv
    if transposed:
        # The same sums, by whole kernels and not pixel by pixel: much faster for large maps.
        parameters["method"] = "zeros"
    magnitude = convolution_magnitude(slow, x, weight, bias, **parameters)
    assert_within(y, golden.astype(np.float64), PEER_CONVOLUTION[y.dtype] * magnitude)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_same_and_valid_padding(seed, axes):
    rng = np.random.default_rng(seed)
    x_shape, weight_shape, _, parameters = some_layer(rng, axes, False)
    parameters["padding"] = str(rng.choice(["same", "valid"]))
    if parameters["padding"] == "same":
        parameters["stride"] = 1
    x, weight = (rng.standard_normal(shape).astype(np.float32) for shape in (x_shape, weight_shape))
    name = f"conv{axes}d"
    try:
        golden = whole(
            getattr(F, name)(torch.from_numpy(x), torch.from_numpy(weight), **parameters)
        )
    except RuntimeError:
        with pytest.raises(ValueError, match=name):
            getattr(up, name)(x, weight, **parameters)
        return
    y = getattr(up, name)(x, weight, **parameters)
    magnitude = convolution_magnitude(reference.conv, x, weight, **parameters)
    assert_within(y, golden.numpy().astype(np.float64), 1e-5 * magnitude)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_layers_with_output_size_reach_and_refuse_the_same_sizes(seed, axes):
    rng = np.random.default_rng(seed)
    x_shape, weight_shape, c_out, parameters = some_layer(rng, axes, True)
    torch_class = getattr(nn, f"ConvTranspose{axes}d")
    layer = torch_class(x_shape[1], c_out, weight_shape[2:], **parameters)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    ours = getattr(up, f"ConvTranspose{axes}d")(weight, bias, **parameters)
    x = rng.standard_normal(x_shape).astype(np.float32)
    smallest = [
        (x_shape[2 + n] - 1) * parameters["stride"][n]
        - 2 * parameters["padding"][n]
        + parameters["dilation"][n] * (weight_shape[2 + n] - 1)
        + 1
        for n in range(axes)
    ]
    # From one short of the smallest size to one over the largest.
    wanted = [
        least + int(rng.integers(-1, s + 1))
        for least, s in zip(smallest, parameters["stride"], strict=True)
    ]
    if rng.random() < 0.5:
        wanted = [x_shape[0], c_out, *wanted]
    try:
        golden = whole(layer(torch.from_numpy(x), output_size=wanted)).detach().numpy()
    except (ValueError, RuntimeError):
        with pytest.raises(ValueError, match=r"ConvTranspose|conv_transpose"):
            ours(x, output_size=wanted)
        return
    y = ours(x, output_size=wanted)
    plain = {n: parameters[n] for n in ("stride", "padding", "dilation", "groups")}
    magnitude = convolution_magnitude(
        reference.conv_transpose, x, weight, bias, **plain, output_size=wanted, method="zeros"
    )
    assert_within(y, golden.astype(np.float64), 1e-5 * magnitude)


@pytest.mark.parametrize("axes", [2, 3])
def test_unbatched_input(seed, axes):
    rng = np.random.default_rng(seed)
    transposed = bool(rng.integers(2))
    x_shape, weight_shape, _, parameters = some_layer(rng, axes, transposed)
    x, weight = (
        rng.standard_normal(shape).astype(np.float64) for shape in (x_shape[1:], weight_shape)
    )
    name = f"conv{'_transpose' * transposed}{axes}d"
    try:
        golden = whole(
            getattr(F, name)(torch.from_numpy(x), torch.from_numpy(weight), **parameters)
        )
    except RuntimeError:
        return
    y = getattr(up, name)(x, weight, **parameters)
    assert y.shape == tuple(golden.shape)
    assert np.allclose(y, golden.numpy(), atol=1e-10)


@pytest.mark.parametrize("axes", [2, 3])
def test_channels_last_memory(seed, axes):
    rng = np.random.default_rng(seed)
    name = f"conv_transpose{axes}d"
    x_shape, weight_shape, _, parameters = some_layer(rng, axes, True)
    x = rng.standard_normal((x_shape[0], *x_shape[2:], x_shape[1])).astype(np.float32)
    x = np.moveaxis(x, -1, 1)
    weight = rng.standard_normal(weight_shape).astype(np.float32)
    try:
        golden = whole(
            getattr(F, name)(torch.from_numpy(x), torch.from_numpy(weight), **parameters)
        )
    except RuntimeError:
        return
    y = getattr(up, name)(x, weight, **parameters)
    assert x_shape[1] == 1 or np.moveaxis(y, 1, -1).flags.c_contiguous
    magnitude = convolution_magnitude(
        reference.conv_transpose, x, weight, **parameters, method="zeros"
    )
    assert_within(y, golden.numpy().astype(np.float64), 1e-5 * magnitude)
