"""The command that runs the zoo must see what is wrong, and take no refusal for an answer."""

import torch
from torch import nn

from benchmarks import zoo
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
    assert table.splitlines()[1].split()[:4] == ["hand", "3", "2", "1"]


def test_a_wrong_answer_is_seen(monkeypatch):
    def solve(network, axis=None):
        return real(shapes.from_torch(nn.Sequential(nn.Conv2d(3, 4, 4), nn.ReLU())), axis=axis)

    def check(answer, model=None):
        return real_check(answer, build())

    real, real_check = shapes.solve, type(shapes.solve(shapes.from_torch(build()))).check
    monkeypatch.setattr(shapes, "solve", solve)
    monkeypatch.setattr("upshape.shapes._reading.TorchAnswer.check", check)
    assert zoo.judged("hand:wrong", build)["outcome"] == "wrong"


def test_models_of_installed_libraries_are_right_or_refused():
    """One model each of four families, chosen with a fixed seed, of what is installed here."""
    outcomes = {name: zoo.judged(name, make)["outcome"] for name, make in zoo.sample(4)}
    assert set(outcomes.values()) <= {"right", "right, none", "refused", "not built"}, outcomes
