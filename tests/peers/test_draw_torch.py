"""Pictures of PyTorch models: the sizes in them are those that PyTorch's own tensors have."""

import xml.etree.ElementTree as ET

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from upshape import draw  # noqa: E402
from upshape.shapes import solve  # noqa: E402


class SmallUnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(c, 2 * c, 3, padding=1) for c in (3, 6, 12))
        self.up = nn.ModuleList(nn.ConvTranspose2d(c, c // 2, 2, stride=2) for c in (24, 12))
        self.last = nn.Upsample(scale_factor=2)

    def forward(self, x):
        image = x
        skips = []
        for down in self.down:
            x = torch.relu(down(x))
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.last(x) + skips[2]
        for up, skip in zip(self.up, skips[1::-1], strict=True):
            x = up(x) + skip
        return torch.cat([x, image], 1)


def colours_of(drawing):
    return [element.get("stroke") for element in ET.fromstring(drawing.svg).iter()]


def sizes_of(drawing):
    return [int(size) for size in drawing.alt.split("sizes ")[1].split(";")[0].rstrip(".").split()]


def test_a_model_that_takes_its_size_is_drawn_to_its_end():
    drawing = draw.network(SmallUnet(), 64)
    assert drawing.alt == "SmallUnet takes 64: sizes 64 32 16 8 16 32 64."
    blue = [line for line in colours_of(drawing) if line == "#0072B2"]
    assert len(blue) == 4 * 3  # a bow is three lines: of 16, 32 and 64 pixels, and the image's
    assert "#D55E00" not in colours_of(drawing)


@pytest.mark.parametrize("n", [70, 76, 90, 101])
def test_the_join_that_fails_is_the_one_that_pytorch_refuses(n):
    model = SmallUnet()
    drawing = draw.network(solve(model), n)
    with pytest.raises(RuntimeError, match="must match") as refused, torch.no_grad():
        model(torch.zeros(1, 3, n, n))
    met = drawing.alt.split("the join of ")[1].removesuffix(" fails.").split(" and ")
    told = str(refused.value)
    assert all(f" {size} " in told.replace("(", " ").replace(")", " ") for size in met), told
    assert "#D55E00" in colours_of(drawing)


def test_sizes_are_those_of_the_models_own_maps():
    model, seen = SmallUnet(), [64]
    hooks = [
        module.register_forward_hook(lambda module, args, y: seen.append(y.shape[-1]))
        for module in model.modules()
        if next(module.children(), None) is None
    ]
    with torch.no_grad():
        model(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    assert set(sizes_of(draw.network(model, 64))) >= set(seen)


def test_one_axis_of_a_model_is_drawn_with_its_own_sizes():
    model = nn.Sequential(
        nn.Conv2d(1, 1, (3, 5), stride=(2, 1)), nn.ConvTranspose2d(1, 1, (4, 2), stride=(3, 1))
    )
    for axis in (0, 1):
        x = torch.zeros(1, 1, 21, 21)
        sizes = [21, model[0](x).shape[2 + axis], model(x).shape[2 + axis]]
        assert sizes_of(draw.network(solve(model, axis=axis), 21)) == sizes


def test_a_model_that_is_too_deep_for_its_size_ends_in_a_cross():
    drawing = draw.network(SmallUnet(), 3)
    assert drawing.alt.startswith("SmallUnet does not take 3: sizes 3 1; then ")


def test_a_models_answer_and_explanation_show_themselves_in_a_notebook():
    answer = solve(SmallUnet())
    assert "SmallUnet takes 512: sizes 512 256 128 64" in answer._repr_html_()
    assert "SmallUnet does not take 70: sizes 70 35" in answer.explain(70)._repr_html_()
