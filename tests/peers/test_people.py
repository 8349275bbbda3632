"""Networks as people write them, each answer held against the network's own run on the CPU."""

import inspect

import pytest
import torch
from people import CHANNELS, networks

from upshape.shapes import from_torch, solve

NETWORKS = networks()
SIZES = [*range(1, 36), 40, 48, 63, 64, 65]
RANKS = {"WaveUNet": 1, "Demucs": 1, "Vocoder": 1, "Causal": 1, "Spectral": 1, "VNet": 3}


def sizes_of(value):
    """Return the sizes of all tensors in what a network returns, by no code of upshape's."""
    if isinstance(value, torch.Tensor):
        return [tuple(value.shape[2:])]
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list | tuple):
        value = [one for one in vars(value).values() if one is not None]
    return [size for one in value for size in sizes_of(one)]


def run(model, sizes):
    """Return what the network makes of these sizes, None if it fails or an output is empty."""
    channels = CHANNELS if len(sizes) == 2 else 1
    inputs = len(inspect.signature(model.forward).parameters)
    inputs = 1 if "s" in inspect.signature(model.forward).parameters else inputs
    try:
        with torch.no_grad():
            made = model(*[torch.zeros(1, channels, *sizes) for _ in range(inputs)])
    except (RuntimeError, ValueError, IndexError, AssertionError):
        return None
    found = sizes_of(made)
    return None if any(0 in one for one in found) else found


def told(output):
    """Return the sizes in an answer's output, one an axis."""
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, tuple) and not any(
        isinstance(one, tuple | list | dict) for one in output
    ):
        return [output]
    return (
        [size for one in output for size in told(one)] if isinstance(output, list | tuple) else []
    )


def flat(output):
    """Return all sizes in an answer's output."""
    if isinstance(output, dict):
        output = tuple(output.values())
    if isinstance(output, tuple | list):
        return [size for one in output for size in flat(one)]
    return [output]


def flat_of_equal(found):
    """Return sizes as an answer for equal axes tells them: once where they are equal."""
    return [size for one in found for size in (one[:1] if len(set(one)) == 1 else one)]


@pytest.mark.parametrize("name", NETWORKS)
def test_answers_are_what_the_network_does(name):
    torch.manual_seed(0)
    model = NETWORKS[name]().eval()
    rank = RANKS.get(name, 2)
    network = from_torch(model)
    assert network.unread == ()
    answer = solve(network)
    ours = [n in answer for n in SIZES]
    theirs = [run(model, (n,) * rank) is not None for n in SIZES]
    assert ours == theirs
    assert any(theirs)
    for axis in range(rank):
        alone = solve(network, axis=axis)
        other = network._other_axes()
        for n in SIZES[::4]:
            sizes = tuple(n if place == axis else other for place in range(rank))
            found = run(model, sizes)
            assert (n in alone) == (found is not None), (axis, n)
            if found is not None and len(found) == 1 and len(found[0]) == rank:
                assert flat(alone.output(n)) == [found[0][axis]], (axis, n)
    for n in [n for n, taken in zip(SIZES, theirs, strict=True) if taken][:12]:
        found = run(model, (n,) * rank)
        if all(len(one) == rank for one in found):
            assert told(answer.output((n,) * rank)) == found
            assert flat(answer.output(n)) == flat_of_equal(found)
    for sizes in [(40, 64, 8), (33, 47, 16)]:
        sizes = sizes[:rank]
        assert (sizes in answer) == (run(model, sizes) is not None)
