"""Every promise of the documentation has tests that hold it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/promises.rst").read_text(encoding="utf-8")


def functions_of(path):
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_the_tests_that_are_named_exist():
    named = re.findall(r"``(tests/[\w/]+\.py)::(\w+)``", PAGE)
    assert len(named) > 30
    for path, test in named:
        assert test in functions_of(path), f"{path} has no {test}"


def test_each_promise_names_a_test():
    row = r"^   \* - (.*?)^     - (.*?)(?=^   \* -|^\S|\Z)"
    rows = re.findall(row, PAGE, flags=re.MULTILINE | re.DOTALL)
    promises = [row for row in rows if row[0].strip() != "promise"]
    assert len(promises) > 15
    for promise, held_by in promises:
        assert "::test_" in held_by, f"nothing holds: {promise}"
