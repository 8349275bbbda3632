"""The demonstration: its sizes, its way there and back, and what it says when it cannot run."""

import math
import sys

import numpy as np
import pytest

from upshape import demo


@pytest.fixture(scope="module")
def picture():
    """Return a smooth picture of sizes that leave remainders."""
    rows, columns = np.mgrid[:69, :83] / 10
    colours = [np.sin(rows + n) * np.cos(columns * (n + 1) / 2) for n in range(3)]
    return (np.stack(colours)[None] / 2 + 0.5).astype(np.float32)


def test_scales_have_the_sizes_that_the_relation_says(picture):
    scales = demo.make_scales(picture)
    assert [scale.features.shape for scale in scales] == [
        (1, 5, 34, 41), (1, 5, 17, 20), (1, 5, 8, 10),
    ]  # fmt: skip
    assert [scale.before for scale in scales] == [(69, 83), (34, 41), (17, 20)]


def test_a_grey_picture_stays_grey_there_and_back():
    grey = np.full((1, 3, 37, 43), 0.5, np.float32)
    scales = demo.make_scales(grey)
    for scale in scales:
        assert np.allclose(scale.features[:, :3], 0.5, atol=1e-6)
        assert np.allclose(scale.features[:, 3:], 0, atol=1e-6)
    for method in demo.METHODS:
        result = demo.bring_back(method, grey, scales)
        assert result.concatenated.shape == (1, 18, 37, 43)
        assert np.allclose(result.concatenated[:, [0, 1, 2, 3, 4, 5, 8, 9, 10]], 0.5, atol=1e-6)


def test_the_methods_come_nearer_from_nearest_to_transposed_convolution(picture):
    scales = demo.make_scales(picture)
    nearest, bilinear, transposed = (
        demo.bring_back(method, picture, scales).each_psnr for method in demo.METHODS
    )
    for n in range(3):
        assert nearest[n] < bilinear[n] < transposed[n] < math.inf
    for each in (nearest, bilinear, transposed):
        assert each == sorted(each, reverse=True)


def test_the_concatenation_begins_with_the_picture(picture):
    scales = demo.make_scales(picture)
    for method in demo.METHODS:
        result = demo.bring_back(method, picture, scales)
        assert np.array_equal(result.concatenated[:, :3], picture)


@pytest.mark.parametrize("missing", ["PIL", "matplotlib"])
def test_what_is_missing_is_named_with_its_cure(monkeypatch, missing):
    # With these in its way, an import fails before it has run anything.
    for module in (missing, "matplotlib.cbook" if missing == "matplotlib" else missing):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'upshape\[plot\]'"):
        demo.main()


def test_the_whole_demonstration(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (75, 90, 4), dtype=np.uint8)
    image.fromarray(pixels).save(tmp_path / "noise.png")
    demo.main(tmp_path / "noise.png", tmp_path / "out.png")
    with image.open(tmp_path / "out.png") as drawn:
        drawn.load()
        assert min(drawn.size) > 500
    text = capsys.readouterr().out
    for words in (
        "noise.png, cut to 69 x 83",
        "o = floor((69 + 2 - 4) / 2) + 1 = 34",
        "back to 68, [69]",
        "back to 40, [41]",
        "(1, 16, 6, 6)",
        "(1, 16, 11, 11)",
        "(1, 16, 12, 12)",
        "11 (a = 0) or 12 (a = 1)",
    ):
        assert words in text
    assert max(map(len, text.splitlines())) < 80


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [((20, 90), ValueError, "90 x 20 pixels; 32 x 32 is the least"), (None, OSError, "nothing")],
)
def test_pictures_that_cannot_be_shown(tmp_path, shape, kind, words):
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    if shape is not None:
        image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "nothing.png")
    with pytest.raises(kind, match=words):
        demo.main(tmp_path / "nothing.png", tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()
