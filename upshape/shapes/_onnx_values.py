"""The values that flow through an ONNX graph while its sizes are followed.

A tensor is its shape, and its elements where these are known: what shapes are computed with. Sizes
are ints, or `Number`s: exact functions of the input size on the path that is followed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from ._path import Path, Value

__all__ = ["Number", "Real", "Tensor", "Unread", "at_least", "elementwise", "equal", "product"]

EXACT = 2**20  # denominators up to this leave the products of sizes exact, in float32 too

Elements: TypeAlias = np.ndarray[Any, Any]


class Unread(Exception):
    """Something whose effect on sizes is not known; nothing is claimed then."""


class Number:
    """A size that depends on the input's: supports + - * // % with ints and others of its kind.

    What is the same all along the path becomes an int.
    """

    __slots__ = ("value",)

    # The mark by which a layer's formula recognises what it must not hand to SymPy.
    _through = None

    def __init__(self, value: Value) -> None:
        self.value = value

    @staticmethod
    def of(value: Value) -> Any:
        """Return an int where a value is one, and a number otherwise."""
        constant = value.constant
        return Number(value) if constant is None else constant

    @property
    def path(self) -> Path:
        """The path that is followed."""
        return self.value.path

    def _other(self, other: Any) -> Value:
        return other.value if isinstance(other, Number) else self.path.constant(int(other))

    def __add__(self, other: Any) -> Any:
        return Number.of(self.value + self._other(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return Number.of(self.value - self._other(other))

    def __rsub__(self, other: Any) -> Any:
        return Number.of(self._other(other) - self.value)

    def __mul__(self, other: Any) -> Any:
        return Number.of(self.value * self._other(other))

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return Number.of(-self.value)

    def __floordiv__(self, other: Any) -> Any:
        return Number.of(self.value.floordiv(self._other(other)))

    def __rfloordiv__(self, other: Any) -> Any:
        return Number.of(self._other(other).floordiv(self.value))

    def __mod__(self, other: Any) -> Any:
        return Number.of(self.value.mod(self._other(other)))

    def __rmod__(self, other: Any) -> Any:
        return Number.of(self._other(other).mod(self.value))

    def _min(self, other: Any) -> Any:
        return Number.of(self.value.least(self._other(other)))

    def _max(self, other: Any) -> Any:
        return Number.of(self.value.greatest(self._other(other)))

    def __repr__(self) -> str:
        return f"<size, {self.value.hint} for {self.path.hint}>"


def at_least(a: Any, b: Any) -> bool:
    """Tell whether a >= b; the path keeps the sizes for which the answer is the same."""
    if isinstance(a, Number):
        return a.path.decide(a.value.ge(a._other(b)))
    if isinstance(b, Number):
        return b.path.decide(b._other(a).ge(b.value))
    return bool(a >= b)


def equal(a: Any, b: Any) -> bool:
    """Tell whether a = b; the path keeps the sizes for which the answer is the same."""
    if isinstance(a, Number) or isinstance(b, Number):
        number = a if isinstance(a, Number) else b
        other = b if number is a else a
        return bool(number.path.decide(number.value.eq(number._other(other))))
    return bool(a == b)


def product(numbers: Iterable[Any]) -> Any:
    """Return the product of sizes."""
    made: Any = 1
    for number in numbers:
        made = made * number
    return made


class Real:
    """A float of a shape's computation, as the exact quotient of a size and an int.

    `rounded` is 0 where floats are exact; 1 after a division that may have been rounded, which
    floor, ceil and round of a size below 2**24 survive; 2 beyond that, where nothing is certain.
    """

    __slots__ = ("over", "rounded", "top")

    def __init__(self, top: Any, over: int = 1, rounded: int = 0) -> None:
        if not isinstance(top, Number):
            ratio = Fraction(top, over)
            top, over = ratio.numerator, ratio.denominator
        self.top = top
        self.over = over
        self.rounded = rounded

    @classmethod
    def of(cls, number: Any) -> Real:
        """Return an int, a number, a float or a real as a real."""
        if isinstance(number, Real):
            return number
        if isinstance(number, float):
            if not math.isfinite(number):
                return cls(0, 1, 2)
            ratio = Fraction(number)
            return cls(ratio.numerator, ratio.denominator, 0 if ratio.denominator <= EXACT else 2)
        return cls(number)

    def _worse(self, other: Real) -> int:
        return 2 if self.rounded or other.rounded else 0

    def __add__(self, other: Any) -> Real:
        other = Real.of(other)
        top = self.top * other.over + other.top * self.over
        return Real(top, self.over * other.over, self._worse(other))

    def __sub__(self, other: Any) -> Real:
        other = Real.of(other)
        return self + Real(-other.top, other.over, other.rounded)

    def __mul__(self, other: Any) -> Real:
        other = Real.of(other)
        return Real(self.top * other.top, self.over * other.over, self._worse(other))

    def __neg__(self) -> Real:
        return Real(-self.top, self.over, self.rounded)

    def divided(self, other: Any) -> Real:
        """Return the quotient."""
        other = Real.of(other)
        if isinstance(other.top, Number):
            return Real(0, 1, 2)
        if other.top == 0:
            raise ZeroDivisionError("division of a size by 0")
        sign = 1 if other.top > 0 else -1
        over = self.over * abs(other.top)
        power = over & (over - 1) == 0
        worse = self._worse(other) or (0 if power else 1)
        return Real(self.top * other.over * sign, over, worse)

    def _certain(self, most: int) -> None:
        if self.rounded > most:
            raise Unread("it computes with floats that are rounded")

    def floor(self) -> Any:
        """Return the largest integer that is not above."""
        self._certain(1)
        return self.top // self.over

    def ceil(self) -> Any:
        """Return the smallest integer that is not below."""
        return -((-self).floor())

    def round(self) -> Any:
        """Return the nearest integer, of two the even one."""
        from .layers import _rounded

        self._certain(0 if self.over % 2 == 0 else 1)
        return _rounded(self.top, self.over)

    def trunc(self) -> Any:
        """Return the integer part."""
        return self.floor() if at_least(self.top, 0) else self.ceil()


class Tensor:
    """What is known of a tensor: its shape, whether it holds floats, and maybe its elements."""

    __slots__ = ("data", "is_float", "shape")

    def __init__(
        self, shape: Sequence[Any], data: Elements | None = None, is_float: bool = True
    ) -> None:
        self.shape = tuple(shape)
        self.data = data
        self.is_float = is_float

    @classmethod
    def holding(cls, data: Any, is_float: bool = False) -> Tensor:
        """Return a tensor of known elements."""
        array = data if isinstance(data, np.ndarray) else _array(data)
        return cls(array.shape, array, is_float)

    def like(self) -> Tensor:
        """Return a tensor of this shape and unknown elements."""
        return Tensor(self.shape, None, self.is_float)

    def listed(self, what: str) -> list[Any]:
        """Return the elements, which are sizes."""
        if self.data is None:
            raise Unread(f"{what} is computed from what is no size")
        return [_whole(one) for one in self.data.ravel()]


def _whole(number: Any) -> Any:
    if isinstance(number, Real):
        return number.trunc()
    return number if isinstance(number, Number) else int(number)


def _array(data: Any) -> Elements:
    if isinstance(data, list | tuple):
        made = np.empty(len(data), object)
        for place, one in enumerate(data):
            made[place] = one
        return made
    made = np.empty((), object)
    made[()] = data
    return made


def elementwise(action: Callable[..., Any], *arrays: Elements) -> Elements:
    """Apply an action to every element, with NumPy's broadcasting."""
    made = np.frompyfunc(action, len(arrays), 1)(*arrays)
    return made if isinstance(made, np.ndarray) else _array(made)
