"""The command that runs the zoo must see what is wrong, and take no refusal for an answer."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import zoo, zoo_models
from upshape import shapes


def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.MaxPool2d(2))


class Reads(nn.Module):
    def forward(self, x):
        return x[:, :, : int(x.sum())]


def test_outcomes():
    right = zoo.judged("hand:right", build, axes=True)
    assert (right["outcome"], right["sizes"]) == ("right", "{n : n >= 5}")
    none = zoo.judged("hand:none", lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)))
    assert none["outcome"] == "right, none"
    refused = zoo.judged("hand:refused", lambda: nn.Sequential(nn.Conv2d(3, 3, 1), Reads()))
    assert refused["outcome"] == "refused"
    assert "test_zoo.py" in refused["why"]
    broken = zoo.judged("hand:broken", lambda: torch.no_such_model())
    assert broken["outcome"] == "not built"
    table = zoo.table([right, none, refused, broken])
    assert table.splitlines()[1].split()[:5] == ["hand", "3", "2", "2", "1"]


def test_a_wrong_answer_is_seen(monkeypatch):
    def solve(network, axis=None):
        return real(shapes.from_torch(nn.Sequential(nn.Conv2d(3, 4, 4), nn.ReLU())), axis=axis)

    def check(answer, model=None):
        return real_check(answer, build())

    real, real_check = shapes.solve, type(shapes.solve(shapes.from_torch(build()))).check
    monkeypatch.setattr(shapes, "solve", solve)
    monkeypatch.setattr("upshape.shapes._reading.TorchAnswer.check", check)
    assert zoo.judged("hand:wrong", build)["outcome"] == "wrong"


FAMILIES = {  # how many of a library's families one model is taken of: two minutes in all
    "torchvision": 10,
    "timm": 20,
    "segmentation_models_pytorch": 5,
    "monai": 8,
    "diffusers": 2,
    "transformers": 12,
    "dynamic_network_architectures": 2,
}
SECONDS = 1.5  # what takes longer to read, by the published run, is left to the whole zoo


@pytest.mark.parametrize("library", zoo_models.LIBRARIES)
def test_models_of_a_library_are_right_or_refused(library):
    """A model each of some families, chosen with a fixed seed, along each axis and along all."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    assert zoo_models.has(library)
    _, published = zoo.read(str(Path(zoo.__file__).with_name("zoo.jsonl")))
    slow = {one["model"] for one in published if one.get("seconds", 0) > SECONDS}
    chosen = zoo.sample(FAMILIES[library], f"{library}:", left_out=slow)
    assert len(chosen) == FAMILIES[library]
    records = zoo.side_by_side(chosen, axes=True)
    assert [one["model"] for one in records] == [name for name, _ in chosen]
    known = {"right", "right, none", "refused", "not built"}
    assert [one for one in records if one["outcome"] not in known] == []
    right = sum(one["outcome"].startswith("right") for one in records)
    assert right >= 0.8 * sum(one["outcome"] != "not built" for one in records)


def test_families():
    names = ["timm:resnet18", "timm:resnet_50+features", "monai:UNet-2d", "timm:rexnet_100"]
    assert [*map(zoo.family, names)] == ["timm:resnet", "timm:resnet", "monai:UNet", "timm:rexnet"]
    assert zoo.family("a_b_c:Unet/mit_b0") == "a_b_c:Unet"


def test_a_page_tells_every_model_once():
    records = [
        {"model": "lib:a", "outcome": "right", "sizes": "{8 n : n >= 1}", "seconds": 1.0},
        {"model": "lib:b", "outcome": "refused", "why": "/x/site-packages/b.py:3: `x`"},
        {"model": "lib:c", "outcome": "right", "sizes": "{224}", "alone": ["{225}", "{224}"]},
    ]
    page = zoo.page({"date": "2026-01-01", "versions": {"torch": "2"}}, records)
    assert "3 models, 1 of them along each axis alone as well; 2026-01-01; torch 2." in page
    told = [line.strip("- ") for line in page.splitlines() if line.startswith("     - ")][-3:]
    assert told == [
        "``{8 n : n >= 1}``",
        "*refused*: ``b.py:3: 'x'``",
        "``{224}``; each axis alone: ``{225}``, ``{224}``",
    ]
