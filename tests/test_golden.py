"""The public functions give what PyTorch 2.13.0 gave."""

import numpy as np
import pytest
from assertions import (
    PEER_CONVOLUTION,
    PEER_UINT8,
    assert_same_pixels,
    assert_within,
    convolution_magnitude,
)
from golden_files import case_id, golden_cases

import upshape as up
from upshape import reference


@pytest.mark.parametrize("case", golden_cases("interpolate"), ids=case_id)
def test_interpolate_gives_pytorchs_pixels(case):
    arguments, arrays = case
    x, golden = arrays["x"], arrays["y"]
    y = up.interpolate(x, **arguments)
    if arguments["mode"].startswith("nearest"):
        assert_same_pixels(y, golden)
        return
    assert y.dtype == golden.dtype
    if x.dtype == np.uint8:
        assert_within(y, golden.astype(np.float64), PEER_UINT8)
    else:
        roundings = 12 + 2 * max(x.shape[2:])
        bound = roundings * np.finfo(x.dtype).eps * np.abs(x).max()
        assert_within(y, golden.astype(np.float64), bound)


@pytest.mark.parametrize("case", golden_cases("resampling"), ids=case_id)
def test_modes_of_many_taps_and_their_gradients_are_pytorchs(case):
    arguments, arrays = case
    x, golden = arrays["x"], arrays["y"].astype(np.float64)
    y = up.interpolate(x, **arguments)
    assert y.dtype == x.dtype
    # PyTorch's positions and weights are of the array's dtype; the axes are short.
    within = 100 * np.finfo(x.dtype).eps * np.abs(x).max()
    assert_within(y, golden, within)
    assert_within(reference.interpolate(x, **arguments), golden, within)
    if "grad" in arrays:
        grad, how = arrays["grad"], {k: v for k, v in arguments.items() if k != "size"}
        back = up.interpolate_backward(grad, x.shape[2:], **how)
        within = 400 * np.finfo(x.dtype).eps * np.abs(grad).max()
        assert_within(back, arrays["back"].astype(np.float64), within)


@pytest.mark.parametrize("case", golden_cases("indices"), ids=case_id)
@pytest.mark.parametrize("axis", [2, 3])
def test_interpolate_takes_pytorchs_pixels_where_float32_decides(case, axis):
    arguments, arrays = case
    shape = [1, 1, 1, 1]
    shape[axis] = arguments["input_size"]
    x = np.arange(shape[axis], dtype=arguments["dtype"]).reshape(shape)
    if "scale_factor" in arguments:
        wanted = {"scale_factor": [1.0, 1.0]}
        wanted["scale_factor"][axis - 2] = arguments["scale_factor"]
    else:
        wanted = {"size": [1, 1]}
        wanted["size"][axis - 2] = arguments["output_size"]
    y = up.interpolate(x, mode=arguments["mode"], **wanted)
    expected = np.cumsum(arrays["steps"].astype(int)).astype(x.dtype)
    assert_same_pixels(y.reshape(-1), expected)


@pytest.mark.parametrize("case", golden_cases("convolution", "volumes"), ids=case_id)
def test_convolutions_give_pytorchs_numbers(case):
    parameters, arrays = case
    parameters = dict(parameters)
    name = parameters.pop("function")
    x, weight, bias = arrays["x"], arrays["weight"], arrays.get("bias")
    y = getattr(up, name)(x, weight, bias, **parameters)
    assert y.dtype == x.dtype
    slow = reference.conv_transpose if "transpose" in name else reference.conv
    magnitude = convolution_magnitude(slow, x, weight, bias, **parameters)
    golden = arrays["y"].astype(np.float64)
    assert_within(y, golden, PEER_CONVOLUTION[x.dtype] * magnitude)


def test_pytorchs_example_has_pytorchs_shapes_and_numbers():
    ((_, golden),) = golden_cases("pytorch_example")
    x = golden["x"]
    assert x.shape == (1, 16, 12, 12)
    downsample = up.Conv2d(golden["down_weight"], golden["down_bias"], stride=2, padding=1)
    upsample = up.ConvTranspose2d(golden["up_weight"], golden["up_bias"], stride=2, padding=1)
    h = downsample(x)
    assert h.shape == (1, 16, 6, 6)
    assert_within(h, golden["h"].astype(np.float64), 1e-5)
    default, asked = upsample(h), upsample(h, output_size=x.shape)
    assert default.shape == (1, 16, 11, 11)
    assert asked.shape == (1, 16, 12, 12)
    assert_within(default, golden["y_default"].astype(np.float64), 1e-5)
    assert_within(asked, golden["y"].astype(np.float64), 1e-5)
