"""The kinds of number that a size formula meets, and the checks of those a user passes.

A size is an ``int``, a SymPy expression, or a traced ``Size`` (an object that has a method
``_through``). SymPy is recognised without being imported: an object can only be one of its
expressions once somebody else has imported it.
"""

from __future__ import annotations

import operator
import sys
from typing import Any

__all__ = ["LARGEST", "ceil_div", "is_symbolic", "is_traced", "larger", "smaller", "whole"]

LARGEST = 2**63 - 1  # no array is longer: NumPy and PyTorch count in signed 64 bits


def is_symbolic(value: object) -> bool:
    """Tell whether `value` is a SymPy expression."""
    module = sys.modules.get("sympy.core.expr")
    return module is not None and isinstance(value, module.Expr)


def is_traced(value: object) -> bool:
    """Tell whether `value` is the traced size of a network that is being solved."""
    return hasattr(value, "_through")


def smaller(x: Any, y: Any) -> Any:
    """Return the minimum of two numbers of any kind.

    Examples
    --------
    >>> smaller(3, 2)
    2
    """
    if isinstance(x, int) and isinstance(y, int):
        return min(x, y)
    for number in (x, y):
        if is_traced(number):
            return number._min(y if number is x else x)
    import sympy

    return sympy.Min(x, y)


def larger(x: Any, y: Any) -> Any:
    """Return the maximum of two numbers of any kind.

    Examples
    --------
    >>> larger(3, 2)
    3
    """
    if isinstance(x, int) and isinstance(y, int):
        return max(x, y)
    for number in (x, y):
        if is_traced(number):
            return number._max(y if number is x else x)
    import sympy

    return sympy.Max(x, y)


def ceil_div(x: Any, y: Any) -> Any:
    """Return x / y rounded up, for numbers of any kind.

    Examples
    --------
    >>> ceil_div(7, 2), ceil_div(-7, 2)
    (4, -3)
    """
    if is_symbolic(x) or is_symbolic(y):
        import sympy

        return sympy.ceiling(x / y)
    return -(-x // y)


def is_bool(value: Any) -> bool:
    """Return whether this is True or False, Python's or NumPy's."""
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def whole(value: Any, what: str, least: int) -> Any:
    """Return `value` as an int of at least `least`, or as the SymPy expression that it is.

    `what` opens the error message: the operation and the argument.
    """
    if type(value) is not int:
        if is_symbolic(value) and not value.is_Integer:
            if value.is_integer is False or value.is_Number:
                raise TypeError(f"{what} must be an integer, got {value}")
            if (value - least).is_negative:
                raise ValueError(f"{what} must be at least {least}, got {value}")
            return value
        if is_bool(value):
            raise TypeError(f"{what} must be an int, got {value!r}")
        try:
            value = operator.index(value)
        except TypeError:
            raise TypeError(
                f"{what} must be an int, got {value!r} ({type(value).__name__})"
            ) from None
    if value < least:
        raise ValueError(f"{what} must be at least {least}, got {value}")
    if value > LARGEST:
        raise ValueError(f"{what} must be at most 2**63 - 1, got {value}")
    return value
