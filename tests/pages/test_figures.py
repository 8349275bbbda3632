"""The built pages' drawn figures: there, told in words, and with their answers folded."""

import re
import xml.etree.ElementTree as ET
from html import unescape
from pathlib import Path

import pytest

BUILT = Path(__file__).parents[2] / "docs" / "_build" / "html"
STORY = sorted(path for path in (BUILT / "story").glob("*.html"))

every_page = pytest.mark.parametrize("page", STORY, ids=lambda page: page.stem)


def test_the_story_is_built():
    assert len(STORY) == 12


@every_page
def test_every_drawn_figure_is_there_and_says_what_it_shows(page):
    found = re.findall(
        r'<img src="([^"]+[.]svg)" alt="([^"]*)" width="(\d+)"', page.read_text("utf-8")
    )
    assert found
    for address, alt, width in found:
        root = ET.parse(page.parent / address).getroot()
        assert root.attrib["aria-label"] == unescape(alt)
        assert int(width) <= 400
        assert abs(float(root.attrib["width"]) - int(width)) <= 0.5


def test_answers_are_folded(browser):
    browser.screen(390)
    browser.open((BUILT / "story" / "transposed.html").as_uri())
    heights = """[...document.querySelectorAll('details')].map(one => {
      const folded = one.offsetHeight; one.open = true;
      return [folded, one.offsetHeight, one.querySelector('summary').textContent]; })"""
    answers = browser.run(heights)
    assert len(answers) == 4
    for folded, opened, told in answers:
        assert 0 < folded < 60 < opened
        assert told == "Answer"
