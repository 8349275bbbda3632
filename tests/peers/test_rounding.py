"""Sizes that floats decide: each answer held against what doubles make of the very size."""

import math

import pytest
import torch
import torch.nn.functional as F
from test_reading import N, c, holds
from torch import nn

from upshape.shapes import from_torch, solve

FACTORS = (1.3, 1.7, 1.1, 0.7, 0.3, 0.9, 1 / 3, 2 / 3, 0.35, 4.7)
FAR = (2**20 + 10, 38347922, 38347930, 4 * 10**7)


def borders(factor):
    """Return small sizes, and some at which a product with the factor should be whole."""
    whole = [n for n in range(60, 3000) if (n * factor + 1e-9) % 1 < 2e-9]
    return [*range(1, 40), *whole[::11]]


@pytest.mark.parametrize("factor", FACTORS)
def test_upsampling_by_a_factor_that_is_no_binary_fraction(factor):
    answer = holds(nn.Sequential(nn.Upsample(scale_factor=factor)), axis=0, sizes=borders(factor))
    for n in FAR:
        assert answer.output(n) == math.floor(n * factor)


ROUNDINGS = (
    lambda n: int(n * 0.7),
    lambda n: math.floor(n * 1.7),
    lambda n: math.ceil(n * 1.1),
    lambda n: math.ceil(n * 0.7),
    lambda n: round(n * 0.7),
    lambda n: round(n * 0.3),
    lambda n: round(n / 2.2) + 1,
    lambda n: int(n / 0.7),
)


@pytest.mark.parametrize("rounded", ROUNDINGS)
def test_products_with_floats_are_rounded_as_doubles_are(rounded):
    def forward(s, x):
        return F.interpolate(x, size=(rounded(x.shape[2]), 4))

    sizes = [*range(1, 40), *range(45, 3000, 35)]
    answer = holds(N(forward), axis=0, sizes=sizes)
    for n in FAR:
        assert answer.output(n) == rounded(n)


def test_one_float_after_another():
    model = nn.Sequential(nn.Upsample(scale_factor=1.3), nn.Upsample(scale_factor=0.9))
    answer = holds(model, axis=0)
    assert [n for n in range(1, 40) if n not in answer] == [1]
    for n in (*range(2, 2000), 10**6):
        assert answer.output(n) == math.floor(math.floor(n * 1.3) * 0.9)


def test_a_float_compared_with_a_size():
    def forward(s, x):
        return s.conv(x) if x.shape[2] * 0.7 >= 7 else x

    holds(N(forward, conv=c(3)))


def test_an_upsampling_and_its_size_written_out_agree():
    def forward(s, x):
        a = F.interpolate(x, scale_factor=0.3)
        b = F.interpolate(x, scale_factor=0.3, mode="bilinear", recompute_scale_factor=True)
        return a + b + F.interpolate(x, size=[int(n * 0.3) for n in x.shape[2:]])

    assert str(holds(N(forward))._sizes) == "{n : n >= 4}"


REFUSED = (
    (lambda s, x: torch.stack([x[:, :, n] for n in range(x.shape[2])], 2), "range"),
    (lambda s, x: s.by[str(x.shape[3])](x), "s.by"),
    (lambda s, x: F.interpolate(x, scale_factor=x.shape[2] / x[:, :, ::2].shape[2]), "F.int"),
)


@pytest.mark.parametrize(("forward", "told"), REFUSED)
def test_sizes_that_each_go_their_own_way_are_refused_with_the_place(forward, told, monkeypatch):
    monkeypatch.setattr("upshape.shapes._reading.MOST_PATHS", 20)
    network = from_torch(N(forward, by=nn.ModuleDict({"32": c(3), "64": c(1)})))
    (why,) = network.unread
    assert "too many ways" in why
    assert __file__ in why
    assert told in why.rpartition(__file__)[2]
    with pytest.raises(ValueError, match="too many ways"):
        solve(network)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")
def test_what_was_compiled_runs_as_it_is_written():
    part = torch.compile(nn.Sequential(c(3, 2, 1), nn.ReLU()), backend="eager")
    up = torch.compile(nn.ConvTranspose2d(3, 3, 2, 2).forward, backend="eager")
    answer = holds(N(lambda s, x: x + up(s.part(x)), part=part), sizes=range(1, 12))
    assert str(answer._sizes) == "{1} | {2 n : n >= 1}"
