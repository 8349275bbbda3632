"""The documentation's blocks that need PyTorch, with a model to try them on."""

import re
import textwrap
from pathlib import Path

import torch
from torch import nn

from upshape.shapes import Answer, from_torch, solve

PAGE = Path(__file__).parents[2] / "docs" / "solve.rst"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(3, 3, 2, stride=2)

    def forward(self, x):
        return torch.cat([x, self.up(self.down(x))], 1)


def test_the_block_on_reading_a_model_runs():
    pattern = r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)"
    blocks = re.findall(pattern, PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(blocks) == 1
    names = {"from_torch": from_torch, "solve": solve, "model": Net()}
    exec(textwrap.dedent(blocks[0]), names)
    assert names["network"].unread == ()
    assert isinstance(names["answer"], Answer)
    assert 3 not in names["answer"]
    assert 4 in names["answer"]
