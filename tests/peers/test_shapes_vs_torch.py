"""The size relations against PyTorch's own modules, which compute shapes on the meta device."""

import itertools
import random
import re

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from upshape.shapes import (  # noqa: E402
    Conv,
    ConvTranspose,
    Interpolate,
    Pool,
    from_torch,
)

GRID = list(itertools.product(range(1, 8), range(1, 6), range(4), range(1, 4)))  # k, s, p, d
SIZES = (1, 2, 3, 4, 5, 7, 8, 11, 12, 17, 20, 31, 40)


def torch_size(module, i, axes=1, **options):
    """The size that PyTorch gives, None if it refuses."""
    try:
        return module(torch.empty(1, 1, *[i] * axes, device="meta"), **options).shape[-1]
    except (RuntimeError, ValueError):
        return None


def our_size(layer, i, **options):
    try:
        return layer(i, **options)
    except ValueError:
        return None


def test_convolutions():
    for k, s, p, d in GRID:
        module = nn.Conv1d(1, 1, k, s, p, d, device="meta")
        layer = Conv(k, s, p, d)
        assert from_torch(module) == layer
        for i in SIZES:
            assert our_size(layer, i) == torch_size(module, i), (module, i)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_convolutions_with_same_padding():
    for k, d in itertools.product(range(1, 8), range(1, 4)):
        module = nn.Conv1d(1, 1, k, padding="same", dilation=d, device="meta")
        layer = from_torch(module)
        assert layer == Conv(k, padding="same", dilation=d)
        for i in SIZES:
            assert our_size(layer, i) == torch_size(module, i)


def test_transposed_convolutions():
    for k, s, p, d in GRID:
        for a in range(max(s, d) + 1):
            if a == max(s, d):
                module = nn.ConvTranspose1d(1, 1, k, s, p, a, dilation=d, device="cpu")
                with pytest.raises(RuntimeError, match="output padding must be smaller"):
                    module(torch.empty(1, 1, 9))
                with pytest.raises(ValueError, match="output_padding must be smaller"):
                    ConvTranspose(k, s, p, a, d)
                continue
            module = nn.ConvTranspose1d(1, 1, k, s, p, a, dilation=d, device="meta")
            layer = ConvTranspose(k, s, p, a, d)
            assert from_torch(module) == layer
            for i in (1, 2, 5, 12):
                theirs = torch_size(module, i)
                # PyTorch returns empty outputs in places; no size of ours is 0.
                assert our_size(layer, i) == (theirs or None), (module, i)


def test_output_size_reaches_the_same_sizes_with_the_same_words():
    generator = random.Random(5)
    for k, s, p, d in generator.sample(GRID, 80):
        module = nn.ConvTranspose1d(1, 1, k, s, p, dilation=d, device="meta")
        layer = ConvTranspose(k, s, p, dilation=d)
        for i in (4, 9):
            smallest = (i - 1) * s - 2 * p + d * (k - 1) + 1
            choices = [o for _, o in layer.choices(i)]
            for o in range(max(1, smallest - 3), smallest + s + 3):
                theirs = torch_size(module, i, output_size=[o])
                assert our_size(layer, i, output_size=o) == theirs, (module, i, o)
                assert (o in choices) == (theirs is not None)
            wrong = smallest + s
            if smallest < 1:
                continue
            with pytest.raises(ValueError, match="requested an output size") as theirs:
                module(torch.empty(1, 1, i, device="meta"), output_size=[wrong])
            low, high = re.search(r"range from \[(\d+)\] to \[(\d+)\]", str(theirs.value)).groups()
            assert [choices[0], choices[-1]] == [int(low), int(high)]
            with pytest.raises(ValueError, match=f"output_size={wrong} cannot be reached") as ours:
                layer(i, output_size=wrong)
            assert low in str(ours.value)
            assert high in str(ours.value)


@pytest.mark.parametrize("mode", [False, True])
def test_poolings(mode):
    for k, s, p, d in GRID:
        module = nn.MaxPool2d(k, s, p, d, ceil_mode=mode)
        if 2 * p > k:
            assert torch_size(module, 40, axes=2) is None
            with pytest.raises(ValueError, match="at most half"):
                Pool(k, s, p, d, mode)
            continue
        layer = Pool(k, s, p, d, mode)
        assert from_torch(module) == layer
        average = nn.AvgPool2d(k, s, p, ceil_mode=mode) if d == 1 else None
        for i in SIZES:
            ours = our_size(layer, i)
            assert ours == torch_size(module, i, axes=2), (module, i)
            if average is not None:
                assert from_torch(average) == layer
                assert ours == torch_size(average, i, axes=2), (average, i)


def test_interpolation_by_factors():
    for factor in (2, 3, 0.5, 1.5, 0.7, 0.1, 1 / 3, 2 / 3, 1.1, 2.7, 0.3, 1e-2):
        module = nn.Upsample(scale_factor=factor)
        layer = from_torch(module)
        assert layer == Interpolate(scale_factor=factor)
        for i in range(1, 700, 3):
            theirs = torch_size(module, i)
            assert our_size(layer, i) == (theirs or None), (factor, i)


def test_modules_of_two_and_three_axes():
    x = torch.empty(1, 1, 20, 31, device="meta")
    z = torch.empty(1, 1, 20, 31, 15, device="meta")
    for module, image in [
        (nn.Conv2d(1, 1, (3, 5), (2, 3), (1, 2), (1, 2)), x),
        (nn.Conv2d(1, 1, 3, 2, 1), x),
        (nn.Conv3d(1, 1, (3, 1, 3), 2, (1, 0, 1)), z),
        (nn.ConvTranspose2d(1, 1, (3, 4), (2, 3), 1, (1, 2)), x),
        (nn.ConvTranspose3d(1, 1, 3, 2, 1, 1), z),
        (nn.MaxPool2d((2, 3)), x),
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), x),
        (nn.AvgPool2d(3, (2, 1), (1, 0), ceil_mode=True), x),
        (nn.AvgPool3d(2), z),
        (nn.Upsample(scale_factor=(1.5, 0.7)), x),
        (nn.Upsample(size=(7, 9)), x),
        (nn.UpsamplingBilinear2d(scale_factor=2), x),
        (nn.LPPool2d(2, 3, 2), x),
    ]:
        layer = from_torch(module.to("meta"))
        assert layer(tuple(image.shape[2:])) == tuple(module(image).shape[2:]), module


def test_the_round_trip_of_pytorchs_documentation():
    x = torch.empty(1, 16, 12, 12, device="meta")
    down = nn.Conv2d(16, 16, 3, stride=2, padding=1, device="meta")
    up = nn.ConvTranspose2d(16, 16, 3, stride=2, padding=1, device="meta")
    h = down(x)
    assert tuple(h.shape[2:]) == from_torch(down)((12, 12)) == (6, 6)
    assert tuple(up(h).shape[2:]) == from_torch(up)((6, 6)) == (11, 11)
    back = from_torch(up)((6, 6), output_size=(12, 12))
    assert tuple(up(h, output_size=x.size()).shape[2:]) == back == (12, 12)
