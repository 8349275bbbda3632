"""What the story's pages say of PyTorch, run with PyTorch."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

STORY = Path(__file__).parents[2] / "docs" / "story"


def test_the_model_pages_two_blocks_give_the_same_numbers():
    page = (STORY / "transposed.rst").read_text(encoding="utf-8")
    (block,) = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", page, flags=re.M)
    names = {}
    exec(textwrap.dedent(block), names)
    shown = page.split(">>> up.conv_transpose2d(y4, w4)")[1].split("array(")[1].split(")\n")[0]
    assert np.array_equal(names["result"][0, 0].numpy(), np.array(eval(shown)))


def test_pytorch_takes_the_sizes_of_the_remainder_page():
    layer = torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)
    x = torch.ones(1, 1, 6, 6)
    assert layer(x).shape == (1, 1, 11, 11)
    assert layer(x, output_size=(12, 11)).shape == (1, 1, 12, 11)
    with pytest.raises(ValueError, match="requested an output size"):
        layer(x, output_size=(14, 12))


def test_pytorch_says_what_the_first_page_quotes():
    with pytest.raises(RuntimeError, match="Sizes of tensors must match except in dimension 1"):
        torch.cat([torch.ones(1, 1, 70, 70), torch.ones(1, 1, 72, 72)], dim=1)


def test_output_padding_adds_values_and_bias_where_no_kernel_reaches():
    weight = torch.tensor([[[1.0, 2.0, 3.0]]])
    x = torch.ones(1, 1, 2)
    transposed = torch.nn.functional.conv_transpose1d
    y = transposed(x, weight, stride=2, padding=1, output_padding=1)
    assert y.tolist() == [[[2.0, 4.0, 2.0, 3.0]]]
    y = transposed(x, weight[:, :, :2], torch.tensor([0.5]), stride=2, output_padding=1)
    assert y.tolist() == [[[1.5, 2.5, 1.5, 2.5, 0.5]]]


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_the_nearest_pages_copies_are_pytorchs(mode):
    copies = {"nearest": [0, 0, 1, 1, 2], "nearest-exact": [0, 0, 1, 2, 2]}
    x = torch.arange(3.0)[None, None]
    y = torch.nn.functional.interpolate(x, size=5, mode=mode)
    assert y[0, 0].tolist() == copies[mode]
    page = (STORY / "nearest.rst").read_text(encoding="utf-8")
    assert f"array({copies[mode]})" in page
