"""The documentation's blocks that need PyTorch, with a model to try them on."""

import re
import textwrap
from pathlib import Path

import numpy as np
import torch
from torch import nn

import upshape as up
from upshape.shapes import Answer, from_torch, solve

DOCS = Path(__file__).parents[2] / "docs"


def block_of(page):
    """Return the only block of Python without prompts on a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text, flags=re.MULTILINE)
    assert len(blocks) == 1
    return textwrap.dedent(blocks[0])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(3, 3, 2, stride=2)

    def forward(self, x):
        return torch.cat([x, self.up(self.down(x))], 1)


def test_the_block_on_reading_a_model_runs():
    names = {"from_torch": from_torch, "solve": solve, "model": Net()}
    exec(block_of("solve.rst"), names)
    assert names["network"].unread == ()
    assert isinstance(names["answer"], Answer)
    assert 3 not in names["answer"]
    assert 4 in names["answer"]


def test_pytorch_gives_the_numbers_of_the_page_on_transposed_convolution():
    names = {}
    exec(block_of("story/transposed.rst"), names)
    y, w = (names[name].numpy()[None, None] for name in ("y", "w"))
    assert np.array_equal(names["result"].numpy(), up.conv_transpose2d(y, w))
    assert names["result"][0, 0, 1, 1] == 1245
