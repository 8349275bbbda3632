"""What the documentation shows is what happens."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.rst"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page(page):
    options = doctest.NORMALIZE_WHITESPACE
    result = doctest.testfile(str(page), module_relative=False, optionflags=options)
    assert result.failed == 0


def test_pages_have_examples():
    assert sum(">>>" in page.read_text(encoding="utf-8") for page in PAGES) >= 2


def test_the_readmes_code_runs_and_gives_the_shapes_beside_it():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert blocks
    names = {}
    checked = 0
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
        for line in block.splitlines():
            said = re.fullmatch(r"(?:(\w+) = )?(up\..*\S) +# (\(\d.*\))", line)
            if said:
                value = names[said[1]] if said[1] else eval(said[2], names)
                assert getattr(value, "shape", value) == eval(said[3]), line
                checked += 1
    assert checked >= 3
