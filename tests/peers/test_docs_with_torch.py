"""The documentation's blocks that need PyTorch, with models to try them on."""

import importlib.util
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import upshape as up
from upshape import shapes
from upshape.shapes import from_export, from_onnx, solve, zoo

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


class Net(nn.Module):
    """Goes down by 2 so many times, and up again with a join on every level."""

    def __init__(self, levels):
        super().__init__()
        self.levels = levels
        self.down = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(3, 3, 2, stride=2)

    def forward(self, x):
        skips = []
        for _ in range(self.levels):
            skips.append(x)
            x = self.down(x)
        for skip in reversed(skips):
            x = torch.cat([skip, self.up(x)], 1)[:, :3]
        return x


def test_the_blocks_on_reading_a_model_run_and_give_what_stands_beside_them():
    names = {"model": Net(5)}
    exec(block_with("solve.rst", "network.unread"), names)
    assert names["network"].unread == ()
    said = re.search(r"# (\{.*\}), and", block_with("solve.rst", "network.unread"))[1]
    assert str(names["answer"].inputs) == said
    exec(block_with("solve.rst", "answer.explain(500)"), names)


def test_the_block_on_exported_programs_runs_and_gives_what_stands_beside_it():
    block = block_with("solve.rst", "from_export")
    names = {
        "torch": torch, "Dim": torch.export.Dim, "solve": solve, "from_export": from_export,
        "unet": Net(3), "image": torch.zeros(1, 3, 64, 64),
    }  # fmt: skip
    exec(block, names)
    answer = solve(from_export(names["program"]))
    assert str(answer.inputs) == re.search(r"# (\{.*\})", block)[1]


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "onnxscript"))),
    reason="onnx, onnxruntime or onnxscript is not installed",
)
@pytest.mark.filterwarnings("ignore")  # PyTorch's own, of what its exporter uses
def test_the_block_on_onnx_runs(tmp_path, monkeypatch):
    size = torch.export.Dim("size", min=16)
    torch.onnx.export(
        Net(2).eval(), (torch.zeros(1, 3, 64, 64),), tmp_path / "model.onnx", dynamo=True,
        dynamic_shapes=({2: 4 * size, 3: 4 * size},), verbose=False,
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    names = {"solve": solve, "from_onnx": from_onnx}
    exec(block_with("solve.rst", "from_onnx"), names)
    assert 64 in names["answer"]


def test_the_block_on_padding_runs():
    names = {"shapes": shapes, "unet": Net(4), "answer": solve(zoo.unet())}
    exec(block_with("solve.rst", "AutoPad"), names)
    assert names["model"](torch.zeros(1, 3, 50, 37)).shape[2:] == (50, 37)
    assert "16" in str(names["height"])


def test_every_block_is_run():
    words = ("network.unread", "answer.explain(500)", "from_export", "from_onnx", "AutoPad")
    assert len(blocks_of("solve.rst")) == len(words)
    assert len(blocks_of("story/transposed.rst")) == 1


def test_pytorch_gives_the_numbers_of_the_page_on_transposed_convolution():
    names = {}
    exec(blocks_of("story/transposed.rst")[0], names)
    y, w = (names[name].numpy()[None, None] for name in ("y", "w"))
    assert np.array_equal(names["result"].numpy(), up.conv_transpose2d(y, w))
    assert names["result"][0, 0, 1, 1] == 1245
