"""From the expression that a page has for a picture to the picture."""

import ast
import contextlib

import numpy as np

from upshape import draw, reference, shapes

__all__ = ["drawing_of"]


def names():
    """Return what an expression may use."""
    known = {"np": np, "draw": draw, "shapes": shapes, "reference": reference}
    for module in (reference, shapes, draw):  # the later ones win
        for name in module.__all__:
            if len(name) > 1:
                with contextlib.suppress(ImportError):  # what needs an extra that is not there
                    known[name] = getattr(module, name)
    return known


def drawing_of(expression, variables=""):
    """Return the `Drawing` that an expression gives.

    >>> drawing_of("grid(x)", "x = [1, 2]").alt
    '2 numbers, 1 2.'
    """
    known = names()
    exec(compile(ast.parse(variables.strip()), "<draw>", "exec"), known)
    drawing = eval(compile(expression.strip(), "<draw>", "eval"), known)
    if not isinstance(drawing, draw.Drawing):
        raise TypeError(f"draw: {expression} gives no Drawing but {drawing!r}")
    return drawing
