"""Answers in programs' hands: compared, kept, listed; and what may be handed to `solve`."""

import copy
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import upshape
from upshape import shapes
from upshape.shapes import (
    Conv,
    ConvTranspose,
    Interpolate,
    Pool,
    find,
    from_torch,
    same,
    solve,
    zoo,
)
from upshape.shapes._quasilinear import Function, Line, SizeSet


def renamed_unet(x):
    """The same network with other words: the halves are divided, not pooled."""
    skips = []
    for _ in range(4):
        skips.append(x)
        x = x // 2
    for skip in reversed(skips):
        x = same(2 * x, skip)
    return x


def copies(thing):
    """All ways in which Python copies a thing."""
    return [
        pickle.loads(pickle.dumps(thing)),
        pickle.loads(pickle.dumps(thing, protocol=2)),
        copy.copy(thing),
        copy.deepcopy(thing),
    ]


def test_answers_are_equal_if_they_take_and_make_the_same_sizes():
    answer = solve(zoo.unet())
    for twin in (solve(zoo.unet()), solve(renamed_unet)):
        assert answer == twin
        assert hash(answer) == hash(twin)
    others = [
        solve(zoo.unet(3)),
        solve(lambda x: renamed_unet(x) + 1),
        solve(lambda x: [renamed_unet(x)]),
        solve(lambda x: same(x, 16 * (x // 16), 16)),
        solve(lambda x: x),
        "an answer",
    ]
    for other in others:
        assert answer != other
    # Outputs that differ only where nothing is taken are the same outputs.
    assert solve(lambda x: same(x, 2 * (x // 2))) == solve(lambda x: same(2 * (x // 2), x) + x % 2)
    assert len({answer, solve(renamed_unet), solve(zoo.unet(3))}) == 2


def test_equality_looks_below_the_threshold():
    first, second = (
        solve(lambda x, least=least: same(x, shapes.maximum(x, least))) for least in (7, 8)
    )
    assert (first == second, first == first, first != second) == (False, True, True)


def test_an_equality_at_the_end_of_a_stretch_reaches_no_further():
    assert list(solve(lambda x: same(shapes.maximum(x, 5), 2 * x - 3))) == [4]
    i = Function.identity()
    table = Line.explicit(1, np.arange(1, 6), 5)
    same_again = Function((1, 6), (table, i.tail))  # i, written as a table up to 5
    held = i.equals(same_again)
    assert list(held.starts) == sorted(set(held.starts))
    assert SizeSet(Function.constant(1)).is_subset_of(SizeSet(held))


@pytest.mark.parametrize(
    "network",
    [
        zoo.unet(),
        zoo.unet(padding=0),
        zoo.fpn(50),
        zoo.resnet(152),
        lambda x: {"a": (Pool(2)(x), 7), "b": [Conv(3)(x)]},
        lambda x: same(Pool(3)(x), Pool(4)(x)),
        lambda x: ConvTranspose(2, stride=2)(Pool(2)(x), output_size=x),
        lambda x: ConvTranspose(2, stride=2)(Pool(3)(x), output_size=x),
        lambda x: Interpolate(size=x)(Pool(2)(x)) - 3,
    ],
)
def test_answers_survive_pickle_and_copy_with_their_explanations(network):
    answer = solve(network)
    for twin in copies(answer):
        assert twin == answer
        assert repr(twin) == repr(answer)
        assert str(twin) == str(answer)
        for n in (1, 2, 3, 5, 8, 31, 32, 64, 200):
            assert (n in twin) == (n in answer)
            assert str(twin.explain(n)) == str(answer.explain(n))
        assert twin.inputs == answer.inputs
        assert twin.output_size == answer.output_size
        assert twin.output_padding == answer.output_padding


def test_mended_answers_survive_with_their_repairs():
    answer = solve(zoo.unet(), fix="output_padding")
    for twin in copies(answer):
        assert twin.repair == answer.repair
        assert twin.repair.before == solve(zoo.unet())
        assert [str(call) for call in twin.repair.calls] == list(map(str, answer.repair.calls))
        assert hash(twin.repair.calls) == hash(answer.repair.calls)
    assert answer.repair.calls[0] != answer.repair.calls[1]


def test_long_networks_are_no_deep_recursion():
    def long(x):
        for _ in range(3000):
            x = Conv(3, padding=1)(x)
        return x

    assert pickle.loads(pickle.dumps(solve(long))) == solve(long)


def test_what_find_found_is_compared_hashed_and_kept():
    found = find(ConvTranspose, scale=2)
    for twin in copies(found):
        assert twin == found
        assert hash(twin) == hash(found) == hash(tuple(found))
        assert twin.condition == found.condition
    assert found != find(ConvTranspose, scale=3)


def test_explanations_are_kept_with_what_they_tell():
    for n in (600, 608):
        explanation = solve(zoo.unet()).explain(n)
        for twin in copies(explanation):
            assert type(twin) is shapes.Explanation
            assert (twin, twin.taken) == (explanation, n == 608)


def test_infinitely_many_sizes_are_no_list():
    answer = solve(zoo.unet())
    for loop in (list, set, max, sorted, iter):
        with pytest.raises(TypeError, match=r"infinitely many.*answer\.first\(10\).*range"):
            loop(answer)
    assert list(solve(lambda x: same(Pool(3)(x), Pool(4)(x)))) == [4, 5, 8]
    assert list(solve(lambda x: same(x, x + 1))) == []


def test_first_and_range_list_sizes():
    answer = solve(zoo.unet())
    assert answer.first(0) == []
    assert answer.first(2) == [16, 32]
    assert answer.range(-5, 49) == [16, 32, 48] == [n for n in range(49) if n in answer]
    assert answer.range(48, 48) == []
    assert solve(lambda x: same(Pool(3)(x), Pool(4)(x))).first(10) == [4, 5, 8]
    with pytest.raises(ValueError, match=r"Answer\.first: count must be at least 0, got -1"):
        answer.first(-1)
    with pytest.raises(TypeError, match=r"Answer\.range: stop must be an int, got 2\.5"):
        answer.range(1, 2.5)


def test_dir_is_what_is_public():
    for module in (upshape, shapes):
        assert dir(module) == sorted(module.__all__)
        for name in module.__all__:
            assert getattr(module, name) is not None
    assert isinstance(upshape.reference, types.ModuleType)
    assert upshape.reference.conv is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = upshape.nothing


WITHOUT = """
import sys
sys.modules["torch"] = sys.modules["onnx"] = None
from upshape.shapes import *
from upshape import shapes
for ask, words in ((lambda: AutoPad(None), "AutoPad needs PyTorch: pip install torch"),
                   (lambda: from_onnx("x.onnx"), 'from_onnx needs the package onnx')):
    try:
        ask()
    except ModuleNotFoundError as error:
        assert words in str(error), error
    else:
        raise AssertionError(words)
assert not isinstance(3, AutoPad)
print(solve(zoo.unet()).minimum)
"""


def test_nothing_but_their_own_use_needs_torch_or_onnx():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert (done.stdout, done.stderr) == ("16\n", "")


# What may be handed to solve.


def module_class(name, **attributes):
    """A class that looks like one of PyTorch's modules."""

    def forward(self, x):
        return x

    def named_children(self):
        return iter(())

    return type(
        name,
        (),
        {
            "__module__": "torch.nn.modules.some",
            "forward": forward,
            "named_children": named_children,
            **attributes,
        },
    )


Conv2d = module_class("Conv2d", kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1))


def build():
    return Conv2d()


def build_with(depth):
    return Conv2d()


def test_single_modules_and_our_own_layers_are_solved():
    assert solve(Conv2d()) == solve(Conv(3, 2, 1))
    weight = np.zeros((4, 4, 3, 5), np.float32)
    layer = upshape.ConvTranspose2d(weight, stride=2)
    assert solve(layer, axis=0) == solve(ConvTranspose(3, 2))
    assert solve(layer, axis=1) == solve(ConvTranspose(5, 2))
    assert solve(upshape.Conv1d(weight[:, :, 0])) == solve(Conv(5))


@pytest.mark.parametrize(
    ("ask", "thing", "message"),
    [
        (solve, Conv2d, r"solve: Conv2d is a class; make .*: solve\(Conv2d\(\)\)"),
        (solve, upshape.Conv2d, r"Conv2d is a class.*: solve\(Conv2d\(\.\.\.\)\)"),
        (solve, build, r"solve: build is a function that takes no size.*write solve\(build\(\)\)"),
        (solve, build_with, r"if this function builds a model, call it and solve what it returns"),
        (solve, lambda x: None, r"got None; does it lack its return\?"),
        (solve, 3, r"must be a function of the input size, got 3 \(int\); a PyTorch model will do"),
        (from_torch, Conv2d, r"from_torch: Conv2d is a class; make .*: from_torch\(Conv2d\(\)\)"),
        (from_torch, build, r"from_torch: build is a function.*from_torch\(build\(\)\).*solve\("),
        (from_torch, build_with, r"write from_torch\(build_with\(\.\.\.\)\)"),
    ],
)
def test_classes_and_builders_are_told_from_models(ask, thing, message):
    with pytest.raises(TypeError, match=message):
        ask(thing)
