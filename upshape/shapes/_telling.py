"""Where a size is only told: in the message of an error, in a log, in what is printed.

There a number is wanted for a reader, not for a computation, and no decision hangs on it.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

__all__ = ["TOLD", "Raise", "asked_by_user", "told_in"]

LOGS = {"print", "debug", "info", "warning", "warn", "error", "exception", "critical", "log"}
SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)
FORMATTERS = {"logging", "_pytest"}  # packages that make texts of numbers, for readers
CONVERSIONS = ("__int__", "__index__", "__repr__", "__str__", "__format__")
_OWN = os.path.dirname(__file__) + os.sep
_KERNELS = _OWN + "_quick.py"


class Raise(NamedTuple):
    """A statement that ends in an error: it is only told there if the run ends there, too."""

    file: str
    first: int
    last: int

    def ended(self, error: BaseException) -> bool:
        """Tell whether an error came from here."""
        frame = error.__traceback__
        while frame is not None:
            inside = self.first <= frame.tb_lineno <= self.last
            if inside and frame.tb_frame.f_code.co_filename == self.file:
                return True
            frame = frame.tb_next
        return False


TOLD = Raise("", 0, 0)  # told and thrown away: nothing can come of it


def _asking() -> FrameType | None:
    """Return the frame that wants a size as a number or a text: no conversion, none of ours.

    Where we called a kernel of PyTorch's, it is the kernel that asks, for the message of an error.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        converts = _is_torch(code.co_filename) and code.co_name in CONVERSIONS
        if code.co_filename == _KERNELS:
            break
        if not converts and not code.co_filename.startswith(_OWN):
            break
        frame = frame.f_back
    return frame


def _is_torch(file: str) -> bool:
    return file.startswith(os.path.dirname(str(sys.modules["torch"].__file__)) + os.sep)


def asked_by_user() -> bool:
    """Tell whether it is the model's own code that wants a size, not PyTorch's."""
    frame = _asking()
    if frame is None:
        return False
    return frame.f_code.co_filename != _KERNELS and not _is_torch(frame.f_code.co_filename)


def told_in() -> Raise | None:
    """Return the statement in which a size is only told, None if something is computed with it."""
    frame = _asking()
    if frame is None:
        return None
    file = frame.f_code.co_filename
    if not FORMATTERS.isdisjoint(file.split(os.sep)[:-1]):
        return TOLD
    return _of_statement(file, frame.f_lineno, _column(frame.f_code, frame.f_lasti))


def _column(code: CodeType, instruction: int) -> int | None:
    """Return the column in its line at which the code of an instruction begins."""
    for place, (_, _, column, _) in enumerate(code.co_positions()):
        if 2 * place == instruction:
            return column
    return None


@lru_cache(maxsize=4096)
def _of_statement(file: str, line: int, column: int | None) -> Raise | None:
    found = _statement(file, line)
    if found is None:
        return None
    statement, block = found
    if isinstance(statement, ast.Raise):
        return _raise(file, statement)
    if isinstance(statement, ast.Assert):
        message = statement.msg
        if message is None or column is None:
            return None
        inside = (message.lineno, message.col_offset) <= (line, column)
        return _raise(file, statement) if inside else None
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        name = getattr(called, "attr", getattr(called, "id", ""))
        if name in LOGS:
            return TOLD
        if name.startswith("_check"):  # torch._check(held, message)
            return _raise(file, statement)
        if name == "_assert" and _behind(statement.value.args[:1], line, column):
            return TOLD  # torch._assert(held, message): made before it is known whether it is told
    rest = block[block.index(statement) :]
    if isinstance(rest[-1], ast.Raise) and all(isinstance(one, SIMPLE) for one in rest[:-1]):
        return _raise(file, rest[-1])
    return None


def _behind(first: list[Any], line: int, column: int | None) -> bool:
    """Tell whether a place in a call is behind its first argument."""
    if not first or column is None:
        return False
    return (first[0].end_lineno, first[0].end_col_offset) <= (line, column)


def _raise(file: str, statement: Any) -> Raise:
    return Raise(file, statement.lineno, statement.end_lineno)


def _statement(file: str, line: int) -> tuple[Any, list[Any]] | None:
    """Return the innermost statement that a line is part of, and the block that holds it."""
    inside = [one for one in _statements(file) if one[0].lineno <= line <= one[0].end_lineno]
    if not inside:
        return None
    spans = [(one.lineno, -one.end_lineno) for one, _ in inside]
    # Of several on one line, as in "if a: raise b", it is not known which one runs.
    return inside[spans.index(max(spans))] if spans.count(max(spans)) == 1 else None


@lru_cache(maxsize=64)
def _statements(file: str) -> list[tuple[Any, list[Any]]]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return []
    return [
        (statement, block)
        for node in ast.walk(tree)
        for name in ("body", "orelse", "finalbody")
        if isinstance(block := getattr(node, name, None), list)
        for statement in block
    ]
