"""The documentation's blocks that need PyTorch, with models to try them on."""

import doctest
import importlib.util
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

import upshape as up
from upshape.cli import main
from upshape.shapes import from_onnx, solve

DOCS = Path(__file__).parents[2] / "docs"


def blocks_of(page):
    """Return the blocks of Python without prompts on a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text, flags=re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def block_with(page, word):
    """Return the only block in which a word stands."""
    (block,) = (block for block in blocks_of(page) if word in block)
    return block


def pasted(page, word, file):
    """Return what a block defines that is pasted into a file."""
    file.write_text(block_with(page, word), encoding="utf-8")
    names = {"__name__": file.stem}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), names)
    return names


def test_a_stranger_s_model_is_answered_as_the_page_shows(tmp_path):
    names = pasted("solve.rst", "class Net", tmp_path / "net.py")
    text = (DOCS / "solve.rst").read_text(encoding="utf-8")
    found = re.findall(r"^\.\. code-block:: pycon\n\n((?:   .*\n|\n)+)", text, flags=re.MULTILINE)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=flags)
    session = "\n".join(map(textwrap.dedent, found))
    test = doctest.DocTestParser().get_doctest(session, names, "solve.rst", "solve.rst", 0)
    told = []
    runner.run(test, out=told.append)
    assert runner.failures == 0, "".join(told)
    assert runner.tries >= 15


def test_the_commands_on_the_page_run(tmp_path, monkeypatch, capsys):
    pasted("solve.rst", "class Net", tmp_path / "net.py")
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "solve.rst").read_text(encoding="utf-8")
    assert "``upshape solve net.py:Net --size 480x854``" in text
    assert main(["solve", "net.py:Net", "--size", "480x854"]) == 1
    assert "input sizes of (480, 856)" in capsys.readouterr().out
    for options in (["--axis", "0"], ["--fix", "output_padding"], ["--json"]):
        assert " ".join(options) in text
        assert main(["solve", "net.py:Net", *options]) == 0
        assert capsys.readouterr().out


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "onnxscript"))),
    reason="onnx, onnxruntime or onnxscript is not installed",
)
@pytest.mark.filterwarnings("ignore")  # PyTorch's own, of what its exporter uses
def test_the_block_on_onnx_runs(tmp_path, monkeypatch):
    names = pasted("solve.rst", "class Net", tmp_path / "net.py")
    model = names["Net"]()
    (height,), (width,) = (solve(model).to_torch_dims(name) for name in ("height", "width"))
    monkeypatch.chdir(tmp_path)
    names |= {
        "torch": torch, "solve": solve, "from_onnx": from_onnx, "model": model,
        "image": torch.zeros(1, 3, 64, 64), "height": height, "width": width,
    }  # fmt: skip
    exec(block_with("solve.rst", "from_onnx"), names)
    assert str(names["answer"].inputs) == str(solve(model).inputs)


def test_every_block_is_run():
    words = ("class Net", "from_onnx")
    assert len(blocks_of("solve.rst")) == len(words)
    assert len(blocks_of("story/transposed.rst")) == 1


def test_pytorch_gives_the_numbers_of_the_page_on_transposed_convolution():
    names = {}
    exec(blocks_of("story/transposed.rst")[0], names)
    y, w = (names[name].numpy()[None, None] for name in ("y", "w"))
    assert np.array_equal(names["result"].numpy(), up.conv_transpose2d(y, w))
    assert names["result"][0, 0, 1, 1] == 1245
