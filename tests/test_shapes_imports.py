"""The solver's modules import one another in one direction, lazy imports counted."""

import ast
import graphlib
from pathlib import Path

import pytest

from upshape import shapes

FOLDER = Path(shapes.__file__).parent


class Imports(ast.NodeVisitor):
    """Collects the siblings that a module imports, wherever, but not for types alone."""

    def __init__(self):
        self.found = set()

    def visit_If(self, node):
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_ImportFrom(self, node):
        if node.level == 1 and node.module:
            self.found.add(node.module)
        elif node.level == 1:
            self.found |= {alias.name for alias in node.names}


def imports_of(text):
    visitor = Imports()
    visitor.visit(ast.parse(text))
    return visitor.found


def in_order(graph):
    """Return the modules in an order in which each follows what it imports."""
    return list(graphlib.TopologicalSorter(graph).static_order())


def test_no_module_imports_itself_by_a_detour():
    graph = {
        path.stem: imports_of(path.read_text())
        for path in FOLDER.glob("*.py")
        if path.stem != "__init__"
    }
    assert len(in_order(graph)) == len(graph)


def test_a_circle_would_be_found():
    graph = {"a": imports_of("def f():\n    from .b import c"), "b": imports_of("from . import a")}
    with pytest.raises(graphlib.CycleError):
        in_order(graph)
