"""What comes from PyTorch is taken, or refused with the word that helps."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import upshape as up

LAYERS = [
    nn.Conv1d(4, 6, 3, padding=1), nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=2),
    nn.Conv2d(4, 6, 3, padding="same", dilation=2, bias=False), nn.Conv2d(4, 8, 3, groups=2),
    nn.Conv3d(4, 6, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
    nn.Conv3d(4, 6, 3, padding="same", groups=2, bias=False),
    nn.ConvTranspose1d(4, 6, 4, stride=2, padding=1),
    nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
    nn.ConvTranspose2d(4, 6, (2, 3), stride=(2, 3), dilation=2, bias=False).double(),
    nn.ConvTranspose3d(4, 6, (1, 2, 3), (1, 2, 2), padding=(0, 0, 1), output_padding=(0, 1, 0)),
    nn.ConvTranspose3d(4, 4, 4, stride=2, padding=1, groups=4).double(),
]


@pytest.mark.parametrize("module", LAYERS, ids=str)
def test_from_torch_computes_what_the_module_computes(module):
    x = torch.randn(2, 4, *(9, 8, 7)[: module.weight.ndim - 2], dtype=module.weight.dtype)
    expected = module(x).detach().numpy()
    layer = up.from_torch(module)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-5)
    assert layer(x).dtype == expected.dtype
    np.testing.assert_allclose(copy.deepcopy(layer)(x), expected, rtol=1e-5, atol=1e-5)


def test_weights_that_require_a_gradient_are_taken_by_value():
    module = nn.ConvTranspose2d(4, 6, 3, stride=2)
    x = torch.randn(1, 4, 5, 5, requires_grad=True)
    y = up.conv_transpose2d(x, module.weight, module.bias, stride=2)
    np.testing.assert_allclose(y, module(x).detach(), rtol=1e-5, atol=1e-5)
    assert up.interpolate(x, scale_factor=2).shape == (1, 4, 10, 10)
    skip = torch.randn(1, 16, 12, 12)
    assert up.conv_transpose2d(
        x, module.weight, stride=2, output_size=skip.shape).shape == (1, 6, 12, 12)
    assert module(x, output_size=skip.shape).shape == (1, 6, 12, 12)


@pytest.mark.parametrize(("error", "match", "call"), [
    (TypeError, r"ConvTranspose2d: numbers of channels .* up\.from_torch\(module\)",
     lambda: up.ConvTranspose2d(16, 8, 3, stride=2)),
    (TypeError, r"Conv1d: numbers of channels .* up\.from_torch\(module\)",
     lambda: up.Conv1d(in_channels=16, out_channels=8, kernel_size=3)),
    (TypeError, "Conv2d: weight is a module, Conv2d; up.from_torch",
     lambda: up.Conv2d(nn.Conv2d(2, 3, 3))),
    (TypeError, "conv2d: weight is a module, Conv2d, and no array; .* up.from_torch",
     lambda: up.conv2d(torch.zeros(1, 2, 5, 5), nn.Conv2d(2, 3, 3))),
    (TypeError, "from_torch: module is of type Linear; it must be .* ConvTranspose2d",
     lambda: up.from_torch(nn.Linear(2, 3))),
    (TypeError, "from_torch: module is the class Conv2d; it must be an instance",
     lambda: up.from_torch(nn.Conv2d)),
    (ValueError, "padding_mode='reflect'; it can be 'zeros'",
     lambda: up.from_torch(nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"))),
    (TypeError, r"Conv2d: weight cannot be made an array \(.*BFloat16.*float\(\)",
     lambda: up.from_torch(nn.Conv2d(2, 3, 3).bfloat16())),
    (TypeError, "meta device", lambda: up.from_torch(nn.Conv2d(2, 3, 3, device="meta"))),
    (TypeError, r"interpolate: x cannot be made an array \(.*BFloat16.*float\(\)",
     lambda: up.interpolate(torch.zeros(1, 1, 2, 2, dtype=torch.bfloat16), scale_factor=2)),
])
def test_what_is_refused_is_refused_with_the_word_that_helps(error, match, call):
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("ask", [{"scale_factor": 1.1}, {"size": 18_700_025}])
def test_nearest_takes_pytorchs_pixels_on_long_axes(mode, ask):
    # Past 2^23 float32 no longer tells every half from its neighbours.
    x = np.random.default_rng(0).integers(0, 255, (1, 1, 17_000_023), np.uint8)
    expected = nn.functional.interpolate(torch.from_numpy(x), mode=mode, **ask).numpy()
    np.testing.assert_array_equal(up.interpolate(x, mode=mode, **ask), expected)
