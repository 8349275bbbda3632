"""From the expression that a page has for a picture to the picture."""

import ast

import numpy as np

from upshape import draw, reference, shapes

__all__ = ["drawing_of"]

# Where a name is looked for, the first that has it.
MODULES = (draw, shapes, reference)


def names_in(*trees):
    """Return what expressions may use, as far as they do: some names need more than NumPy."""
    known = {"np": np, "draw": draw, "shapes": shapes, "reference": reference}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Name) and node.id not in known and len(node.id) > 1:
            module = next((module for module in MODULES if node.id in module.__all__), None)
            if module is not None:
                known[node.id] = getattr(module, node.id)
    return known


def drawing_of(expression, variables=""):
    """Return the `Drawing` that an expression gives.

    >>> drawing_of("grid(x)", "x = [1, 2]").alt
    '2 numbers, 1 2.'
    """
    before = ast.parse(variables.strip())
    wanted = ast.parse(expression.strip(), mode="eval")
    known = names_in(before, wanted)
    exec(compile(before, "<draw>", "exec"), known)
    drawing = eval(compile(wanted, "<draw>", "eval"), known)
    if not isinstance(drawing, draw.Drawing):
        raise TypeError(f"draw: {expression} gives no Drawing but {drawing!r}")
    return drawing
