"""What explain proposes for a PyTorch model is code: pasted into the model, it takes the size."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from upshape.shapes import from_export, solve


class Block(nn.Module):
    """A transposed convolution inside a block of its own."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.mix = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x, skip):
        return self.mix(torch.cat([self.up(x), skip], 1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.ups = nn.ModuleList([Block(), Block()])

    def forward(self, image):
        first = self.stem(image)
        second = F.max_pool2d(first, 2)
        return self.ups[1](self.ups[0](F.max_pool2d(second, 2), second), first)


class Doubled(nn.Module):
    def __init__(self, mode="bilinear"):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode=mode)

    def forward(self, image):
        return torch.cat([image, self.up(F.max_pool2d(image, 2))], 1)


class Functional(nn.Module):
    def forward(self, image):
        return F.interpolate(F.max_pool2d(image, 2), scale_factor=2) + image


class Valid(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, image):
        return torch.cat([image, self.conv(image)], 1)


def proposals(model, n):
    """Return what explain proposes, an item each, on one line."""
    text = str(solve(model).explain(n))
    assert "does not take" in text
    items = text[text.index("What mends it:") :].split("\n  - ")[1:]
    return [" ".join(item.split()) for item in items]


@pytest.mark.parametrize("n", [7, 13, 75, (75, 76), (14, 15), (33, 30)])
def test_output_sizes_of_transposed_convolutions(n):
    told = proposals(UNet(), n)[-1]
    calls = re.findall(r"self\.ups\[(\d)\]\.up\(x, output_size=(\[\d+, \d+\])\)", told)
    assert calls

    class Mended(UNet):
        def forward(self, image):
            for number, size in calls:
                block = self.ups[int(number)]
                block.up.forward = lambda x, size=size, up=block.up: nn.ConvTranspose2d.forward(
                    up, x, output_size=eval(size)
                )
            return super().forward(image)

    sizes = n if isinstance(n, tuple) else (n, n)
    assert Mended()(torch.zeros(1, 3, *sizes)).shape[2:] == sizes
    paddings = re.findall(r"output_padding=(\(.*?\)|\d+)\)", told)
    assert len(paddings) == len(calls)
    assert "solve(model, fix='output_padding').repair.to_torch()" in told


@pytest.mark.parametrize("model", [Doubled(), Doubled("nearest"), Functional()])
@pytest.mark.parametrize("n", [7, (8, 9)])
def test_sizes_of_interpolations(model, n):
    told = proposals(model, n)[-1]
    (call,) = re.findall(r"F\.interpolate\(x, size=\[\d+, \d+\](?:, mode=self\.up\.mode)?\)", told)
    sizes = n if isinstance(n, tuple) else (n, n)
    image = torch.zeros(1, 3, *sizes)
    scope = {"F": F, "x": F.max_pool2d(image, 2), "self": model}
    assert eval(call, scope).shape[2:] == sizes


@pytest.mark.parametrize("n", [7, (8, 9)])
def test_padding_and_cropping_before_a_concatenation(n):
    model = Valid()
    *_, pad, crop = proposals(model, n)
    image = torch.zeros(1, 3, *(n if isinstance(n, tuple) else (n, n)))
    small = model.conv(image)
    (code,) = re.findall(r"F\.pad\(x, \[.*?\]\)", pad)
    assert eval(code, {"F": F, "x": small}).shape == image.shape
    (code,) = re.findall(r"x\[.*?\]", crop)
    assert eval(code, {"x": image}).shape == small.shape
    assert "before torch.cat" in pad


def test_maps_concatenated_along_the_height_may_differ_there():
    class Stacked(nn.Module):
        def forward(self, image):
            rows = torch.cat([image, F.max_pool2d(image, (2, 1))], 2)
            return torch.cat([rows, F.interpolate(F.max_pool2d(rows, 2), scale_factor=2)], 1)

    told = proposals(Stacked(), (5, 6))[-1]
    assert "F.interpolate(x, size=[7, 6])" in told


def test_nothing_is_proposed_that_does_not_help():
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 9)

        def forward(self, x):
            return self.conv(x)

    assert proposals(Small(), 7) == ["an input size of 9 (2 more)."]


def test_a_repair_of_a_model_is_pasted_for_every_size():
    repair = solve(UNet(), fix="output_padding").repair
    assert repair.complete
    lines = repair.to_torch().splitlines()
    assert [line.split("(")[0] for line in lines] == ["x = self.ups[0].up", "x = self.ups[1].up"]

    class Mended(UNet):
        def forward(self, image):
            first = self.stem(image)
            second = F.max_pool2d(first, 2)
            scope = {"self": self, "image": image, "x": F.max_pool2d(second, 2)}
            for line, block, skip in zip(lines, self.ups, (second, first), strict=True):
                exec(line, scope)
                scope["x"] = block.mix(torch.cat([scope["x"], skip], 1))
            return scope["x"]

    for sizes in ((4, 4), (27, 30), (13, 50), (31, 31)):
        assert Mended()(torch.zeros(1, 3, *sizes)).shape[2:] == sizes


def test_a_program_of_export_is_explained_like_its_model():
    dims = {2: 4 * torch.export.Dim("h", max=64), 3: 4 * torch.export.Dim("w", max=64)}
    program = torch.export.export(UNet(), (torch.zeros(1, 3, 64, 64),), dynamic_shapes=(dims,))
    answer = solve(from_export(program))
    text = str(answer.explain(75))
    assert "does not take 75" in text
    assert "What mends it:" in text
    assert "72 (3 less) or 76 (1 more)" in text


def test_functions_that_change_sizes_are_steps_of_the_walk():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.ModuleList([Valid()])
            self.pool = nn.MaxPool2d(3, 2)

        def forward(self, x):
            x = F.avg_pool2d(F.relu(x), [2, 3], stride=2, padding=(1, 0))[:, :, 1:]
            x = F.interpolate(F.max_pool2d(F.pad(x, (0, 1)), 3, 2, ceil_mode=True), scale_factor=3)
            return self.block[0](self.pool(x))

    text = str(solve(Mixed()).explain((30, 31)))
    rows = [" ".join(line.split()[1:]) for line in text.splitlines() if " -> " in line]
    assert rows == [
        "Pool(kernel_size=(2, 3), stride=(2, 2), padding=(1, 0)) 30x31 -> 16x15",
        "a slice 16x15 -> 15",
        "pad 15 -> 15x16",
        "Pool(kernel_size=3, stride=2, ceil_mode=True) 15x16 -> 7x8",
        "interpolate 7x8 -> 21x24",
        "pool: Pool(kernel_size=3, stride=2) 21x24 -> 10x11 drops 1 pixel",
        "block.0.conv: Conv(kernel_size=3) 10x11 -> 8x9",
    ]


class Functions(nn.Module):
    """Upsamplings that are calls of functions, one of them inside a block."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 3, 3, 3))
        self.block = nn.ModuleList([Resized()])

    def forward(self, image):
        half = F.max_pool2d(image, 2)
        first = self.block[0](F.max_pool2d(half, 2), half)[:, :3]
        up = F.conv_transpose2d(first, self.weight, None, 2, padding=1)
        return torch.cat(tensors=[image, F.pad(up, (0, 1, 0, 1))], dim=1)


class Resized(nn.Module):
    def forward(self, x, skip):
        up = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return torch.cat((skip, up), dim=1)


def test_functions_that_are_called_are_mended_as_such():
    answer = solve(Functions(), fix="size")
    assert answer.repair.before == solve(Functions())
    lines = answer.repair.to_torch().splitlines()
    assert lines[0] == (
        "x = F.interpolate(x, size=[n // 2 for n in image.shape[2:]], mode='bilinear', "
        "align_corners=True)  # step 1 in block.0"
    )
    image = torch.zeros(1, 3, 22, 21)
    scope = {"F": F, "image": image, "x": torch.zeros(1, 3, 5, 5)}
    exec(lines[0], scope)
    assert scope["x"].shape[2:] == (11, 10)
    for text in (str(solve(Functions()).explain(22)), str(solve(Functions()).explain((22, 20)))):
        assert "mode='bilinear', align_corners=True) in block.0 in place of" in " ".join(
            text.split()
        )


def test_a_transposed_convolution_called_as_a_function():
    class Called(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3, 3, 2, 2))

        def forward(self, image):
            up = F.conv_transpose2d(F.max_pool2d(image, 2), self.weight, stride=2)
            return torch.cat([image, up], 1)

    repair = solve(Called(), fix="output_padding").repair
    line = repair.to_torch()
    assert line == (
        "x = F.conv_transpose2d(x, weight, bias, stride=2, padding=0, "
        "output_padding=[n % 2 for n in image.shape[2:]])  # step 1"
    )
    for sizes in ((8, 9), (7, 7), (5, 4)):
        image = torch.zeros(1, 3, *sizes)
        scope = {"F": F, "image": image, "x": F.max_pool2d(image, 2)}
        scope |= {"weight": Called().weight, "bias": None}
        exec(line, scope)
        assert scope["x"].shape == image.shape
