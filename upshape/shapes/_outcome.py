"""How a run of somebody else's network ends: with shapes, or with a failure."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any, TypeVar

__all__ = ["Failure", "Out", "Reshaped", "calling_place", "outs", "within"]

T = TypeVar("T")


class Out(tuple[Any, ...]):
    """The shape of one output."""

    __slots__ = ()


def within(value: Any, kind: type[T]) -> Iterator[T]:
    """Yield all of a kind that tuples, lists and mappings hold, in order.

    >>> list(within({"a": (1, [2.5, None]), "b": 3}, int))
    [1, 3]
    """
    if isinstance(value, kind):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from within(one, kind)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from within(one, kind)


def outs(result: Any) -> Iterator[Out]:
    """Yield the shapes in what a run returned."""
    return within(result, Out)


class Reshaped(BaseException):
    """A tensor's own shape is changed, though it may stand for others that keep theirs."""


class Failure(Exception):
    """What ended a run: the message, and the place in the model's own code."""

    def __init__(self, error: BaseException, module: str = "") -> None:
        self.error = error
        self.module = module
        self.message = _first_line(error)
        self.place = _place(error)
        super().__init__(f"{self.message} ({self.place})" if self.place else self.message)

    @property
    def is_of_memory(self) -> bool:
        """Whether this machine is too small for the run, which says nothing about the sizes."""
        return isinstance(self.error, MemoryError) or "allocate memory" in str(self.error)

    @property
    def is_of_counting(self) -> bool:
        """Whether a tensor would have more bytes than can be counted, on any machine."""
        told = str(self.error)
        return "size calculation overflowed" in told or "multiplication overflow" in told


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    told = lines[0].strip() if lines else type(error).__name__
    return told.removesuffix(".")


def _place(error: BaseException) -> str:
    """Return file, line and code of the innermost frame that is not PyTorch's or ours."""
    frame, found = error.__traceback__, None
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if not name.startswith((*_libraries(), "<frozen")):
            found = (name, frame.tb_lineno)
        frame = frame.tb_next
    return _told(*found) if found else ""


def calling_place() -> str:
    """Return the innermost place that is running now and is not PyTorch's or ours."""
    frame: FrameType | None = sys._getframe(1)
    libraries = (*_libraries(), "<frozen")
    while frame is not None and frame.f_code.co_filename.startswith(libraries):
        frame = frame.f_back
    return _told(frame.f_code.co_filename, frame.f_lineno) if frame is not None else ""


def _told(name: str, line: int) -> str:
    code = linecache.getline(name, line).strip()
    return f"{name}:{line}" + (f": {code}" if code else "")


def _libraries() -> list[str]:
    """Return the folders whose code is not the user's: this one and PyTorch's."""
    torch = sys.modules.get("torch")
    files = [__file__, *([str(torch.__file__)] if torch is not None else [])]
    return [os.path.dirname(file) + os.sep for file in files]
