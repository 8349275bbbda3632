"""The story's pages: what they show is what happens, and they keep their own rules."""

import doctest
import re
import sys
from pathlib import Path

import pytest

STORY = Path(__file__).parent.parent / "docs" / "story"
PAGES = sorted(page for page in STORY.glob("*.rst") if page.name != "index.rst")
WORDS, COLUMNS = 700, 72

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def blocks(text):
    """Return the code of a page: its doctests and its code blocks, a list of lines each."""
    found, block = [], None
    for line in text.splitlines():
        starts = line.lstrip().startswith(">>>") or line.lstrip().startswith(".. code-block::")
        if block is None and starts:
            block = []
        if block is not None:
            if line.strip() or line.startswith(" "):
                block.append(line)
            elif not (block and ".. code-block::" in block[0] and len(block) == 1):
                found.append(block)
                block = None
    return found + ([block] if block else [])


def prose(text):
    """Return what is left of a page without code, formulas, pictures and marks."""
    text = re.sub(r"^\.\. (math|code-block|draw)::.*?(?=^\S|\Z)", "", text, flags=re.M | re.S)
    code = {line for block in blocks(text) for line in block}
    return " ".join(line for line in text.splitlines() if line not in code)


def test_the_pages_are_there_and_in_the_table_of_contents():
    listed = re.findall(r"^   ([\w/-]+)$", (STORY / "index.rst").read_text("utf-8"), flags=re.M)
    assert sorted(name for name in listed if "/" not in name) == [page.stem for page in PAGES]
    assert len(PAGES) == 11


@every_page
def test_the_examples_of_a_page(page):
    options = doctest.NORMALIZE_WHITESPACE
    result = doctest.testfile(str(page), module_relative=False, optionflags=options)
    assert result.attempted > 0
    assert result.failed == 0


@every_page
def test_code_fits_a_telephone(page):
    text = page.read_text(encoding="utf-8")
    assert [line for block in blocks(text) for line in block if len(line.strip()) > COLUMNS] == []


@every_page
def test_a_page_is_short_and_shows_its_picture_before_its_code(page):
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"[A-Za-z]{2,}", prose(text))) <= WORDS
    assert 0 < text.index(".. draw::") < text.index(">>>")


@every_page
def test_every_formula_has_a_picture_above_it(page):
    text = page.read_text(encoding="utf-8")
    if ".. math::" in text:
        assert text.index(".. draw::") < text.index(".. math::")


@every_page
def test_every_picture_can_be_drawn(page, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(STORY.parent / "extensions"), *sys.path])
    from drawings import drawing_of

    text = page.read_text(encoding="utf-8")
    directives = re.findall(r"^\.\. draw:: (.+)\n(?:   :variables: (.+)\n)?", text, flags=re.M)
    assert len(directives) == text.count(".. draw::")
    for expression, variables in directives:
        drawing = drawing_of(expression, variables)
        assert drawing.width <= 400
        assert drawing.alt


def test_the_rules_find_what_breaks_them():
    broken = (
        ".. draw:: x\n\nWords.\n\n>>> " + "x" * 80 + "\n\n.. code-block:: python\n\n   " + "y" * 80
    )
    assert [len(line.strip()) > COLUMNS for block in blocks(broken) for line in block].count(
        True
    ) == 2
    assert len(re.findall(r"[A-Za-z]{2,}", prose("A few words.\n\n>>> code\ncode\n\nMore."))) == 3
