"""What the documentation shows is what happens."""

import ast
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


def named_tests(page):
    return re.findall(r"``(tests/\w+\.py)::(\w+)``", page.read_text(encoding="utf-8"))


def test_every_promise_names_tests_that_exist():
    page = ROOT / "docs/promises.rst"
    named = named_tests(page)
    assert len(named) > 30
    for path, test in named:
        functions = {
            node.name for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef)
        }
        assert test in functions, f"{path} has no {test}"
    row = r"^   \* - (.*?)^     - (.*?)(?=^   \* -|^\S|\Z)"
    rows = re.findall(row, page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    promises = [row for row in rows if row[0].strip() != "promise"]
    assert len(promises) > 15
    for promise, held_by in promises:
        assert "::test_" in held_by, f"nothing holds: {promise}"
