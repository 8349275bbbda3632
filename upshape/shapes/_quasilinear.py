"""Exact arithmetic of the functions that sizes are, and of the sets that they cut out.

A line is a quasi-linear function on all integers: f(i + M) = f(i) + R, with period M and rise R;
the offsets f(0), ..., f(M-1) say the rest. A `Function` on 1, 2, 3, ... is a line from some place
on, and finitely many other lines before it (where a maximum changes from one size to the other).
These are closed under + - and //, %, * by ints, under minimum and maximum, and the i at which one
of them equals or exceeds another form an eventually periodic set. Nothing here samples: comparisons
look at one common period if the slopes agree, and compute the crossing if they do not.

Offsets are int64 where a bound known beforehand says that they fit, and Python ints otherwise.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

__all__ = ["LIMIT", "Function", "Line", "PeriodError", "SizeSet"]

LIMIT = 10**6  # the longest period, in pixels; a table of it takes 8 MB and milliseconds
SLACK = 4  # a table may be this much longer before its period is found to be smaller
SAFE = 2**62  # below this, int64 arithmetic of two terms cannot overflow

Table: TypeAlias = np.ndarray[Any, Any]


class PeriodError(ValueError):
    """The sizes of a network repeat only after more pixels than the solver tabulates."""

    def __init__(self, message: str, period: int = 0) -> None:
        super().__init__(message)
        self.period = period


def _fits(length: int) -> int:
    """Return `length`, or raise if a table of it would be too long."""
    if length > SLACK * LIMIT:
        raise PeriodError(
            f"solve: the sizes repeat only every {length} pixels, above the limit of {LIMIT}",
            length,
        )
    return length


@lru_cache(maxsize=1024)
def _primes(number: int) -> tuple[int, ...]:
    """Return the prime factors of a number, without repetition."""
    found = []
    factor = 2
    while factor * factor <= number:
        if number % factor == 0:
            found.append(factor)
            while number % factor == 0:
                number //= factor
        factor += 1
    if number > 1:
        found.append(number)
    return tuple(found)


class Line:
    """A quasi-linear function on all integers: f(i) = offsets[i mod period] + rise * (i // period).

    `bound` is at least the absolute value of every offset.
    """

    __slots__ = ("bound", "offsets", "period", "rise")

    def __init__(self, period: int, rise: int, offsets: Table, bound: int) -> None:
        if bound >= SAFE:  # bounds are upper bounds: look before leaving int64
            bound = max(abs(int(offsets.min())), abs(int(offsets.max())))
        wanted = object if bound >= SAFE else np.int64
        self.period = period
        self.rise = rise
        self.offsets = offsets if offsets.dtype == wanted else offsets.astype(wanted)
        self.bound = bound

    @classmethod
    def constant(cls, value: int) -> Line:
        """Return the function with one value."""
        return cls(1, 0, np.array([value], object if abs(value) >= SAFE else np.int64), abs(value))

    @classmethod
    def explicit(cls, start: int, values: Table, bound: int) -> Line:
        """Return a line that takes these values from `start` on, as far as they reach."""
        return cls(len(values), 0, np.roll(values, start % len(values)), bound).reduced()

    def at(self, i: int) -> int:
        """Return f(i)."""
        block, residue = divmod(i, self.period)
        return int(self.offsets[residue]) + self.rise * block

    def over(self, start: int, count: int) -> Table:
        """Return f(start), ..., f(start + count - 1)."""
        block, residue = divmod(start, self.period)
        blocks = -(-(residue + count) // self.period)
        values = self.repeated(_fits(blocks * self.period) // self.period).offsets
        values = values[residue : residue + count]
        shift = self.rise * block
        if shift == 0:
            return values
        if self.bound + abs(self.rise) * blocks + abs(shift) >= SAFE:
            values = values.astype(object)
        return values + shift

    def over_bound(self, start: int, count: int) -> int:
        """Return a bound for the absolute values of `over`."""
        blocks = max(abs(start), abs(start + count)) // self.period + 1
        return self.bound + abs(self.rise) * blocks

    def repeated(self, times: int) -> Line:
        """Return the same function, written with a period that is `times` as long."""
        if times == 1:
            return self
        bound = self.bound + abs(self.rise) * times
        offsets = self.offsets if bound < SAFE else self.offsets.astype(object)
        if self.rise == 0:
            return Line(self.period * times, 0, np.tile(offsets, times), self.bound)
        steps = np.arange(times, dtype=np.int64 if bound < SAFE else object)[:, None] * self.rise
        return Line(
            self.period * times, self.rise * times, (offsets[None, :] + steps).ravel(), bound
        )

    def reduced(self) -> Line:
        """Return the same function with its least period."""
        period, rise, offsets = self.period, self.rise, self.offsets
        if period > 1 and self.bound + abs(rise) >= SAFE:
            offsets = offsets.astype(object)
        for prime in _primes(period):
            while period % prime == 0 and rise % prime == 0:
                step, slope = period // prime, rise // prime
                if offsets[step] - offsets[0] != slope:
                    break
                if not np.array_equal(offsets[step:], offsets[: period - step] + slope):
                    break
                period, rise, offsets = step, slope, offsets[:step]
        if period == self.period:
            return self
        return Line(period, rise, offsets, self.bound)

    def same_as(self, other: Line) -> bool:
        """Tell whether both are one function, given least periods."""
        return self is other or (
            self.period == other.period
            and self.rise == other.rise
            and np.array_equal(self.offsets, other.offsets)
        )

    def plus(self, number: int) -> Line:
        """Return f + number."""
        bound = self.bound + abs(number)
        offsets = self.offsets if bound < SAFE else self.offsets.astype(object)
        return Line(self.period, self.rise, offsets + number, bound)

    def times(self, number: int) -> Line:
        """Return f * number."""
        if number == 0:
            return Line.constant(0)
        bound = max(self.bound, 1) * abs(number)
        offsets = self.offsets if bound < SAFE else self.offsets.astype(object)
        return Line(self.period, self.rise * number, offsets * number, bound)


Stretch: TypeAlias = tuple[int, Line]  # from here on, this line


def _tabled(line: Line, start: int, stop: int) -> Line:
    """Write a line by its values on a stretch, whatever it is elsewhere."""
    count = _fits(stop - start)
    values = np.roll(line.over(start, count), start % count)
    return Line(count, 0, values, line.over_bound(start, count))


def _aligned(
    lines: tuple[Line, ...], start: int, stop: int | None, tabled: bool = False
) -> list[Line]:
    """Write lines with one common period; or by their values where the stretch is shorter."""
    period = math.lcm(*(line.period for line in lines))
    if stop is not None and (tabled or stop - start < period):
        return [_tabled(line, start, stop) for line in lines]
    _fits(period)
    return [line.repeated(period // line.period) for line in lines]


def _added(f: Line, g: Line, start: int, stop: int | None) -> Line:
    """Return f + g on a stretch."""
    f, g = _aligned((f, g), start, stop)
    bound = f.bound + g.bound
    left = f.offsets if bound < SAFE else f.offsets.astype(object)
    return Line(f.period, f.rise + g.rise, left + g.offsets, bound).reduced()


def _divided(f: Line, divisor: int, start: int, stop: int | None, modulo: bool) -> Line:
    """Return f // divisor, or f % divisor, on a stretch."""
    times = abs(divisor) // math.gcd(f.rise, divisor)
    if stop is not None and stop - start < f.period * times:
        f = _tabled(f, start, stop)
    else:
        f = f.repeated(_fits(f.period * times) // f.period)
    offsets = f.offsets if abs(divisor) < SAFE else f.offsets.astype(object)
    if modulo:
        return Line(f.period, 0, offsets % divisor, abs(divisor)).reduced()
    return Line(
        f.period, f.rise // divisor, offsets // divisor, f.bound // abs(divisor) + 1
    ).reduced()


def _elementwise(
    action: Callable[[Table, Table], Table], f: Line, g: Line, start: int, stop: int | None
) -> Line:
    """Apply `action` value by value: to lines of one slope, or on a stretch that ends."""
    f, g = _aligned((f, g), start, stop, tabled=f.rise * g.period != g.rise * f.period)
    values = action(f.offsets, g.offsets)
    if values.dtype == bool:
        return Line(f.period, 0, values.astype(np.int64), 1).reduced()
    return Line(f.period, f.rise, values, max(f.bound, g.bound)).reduced()


def _halves(h: Line, start: int, stop: int | None) -> Iterator[tuple[int, int | None, int]]:
    """Split a stretch by the sign of h: -1 where h < 0 throughout, 1 where h >= 0, else 0."""
    if h.rise == 0:
        yield start, stop, 0
        return
    sign = 1
    if h.rise < 0:
        h = h.times(-1).plus(-1)  # h < 0 is the same as -h - 1 >= 0
        sign = -1
    # The first i of each residue class with h(i) >= 0.
    wide = (h.bound // h.rise + 2) * h.period >= SAFE
    offsets = h.offsets.astype(object) if wide or h.rise >= SAFE else h.offsets
    firsts = -(offsets // h.rise) * h.period + np.arange(h.period)
    low = max(int(firsts.min()), start)
    high = max(int(firsts.max()) - h.period + 1, start)
    ends = [(start, low, -sign), (low, high, 0), (high, None, sign)]
    for begin, end, kind in ends:
        if stop is not None:
            begin, end = min(begin, stop), stop if end is None else min(end, stop)
        if end is None or begin < end:
            yield begin, end, kind


class Function:
    """A function on 1, 2, 3, ...: from each of `starts` on, the line beside it.

    Supports + and - with functions and ints; * // % with ints; minimum and maximum.
    """

    __slots__ = ("lines", "starts")

    # The mark by which a layer's formula recognises what it must not hand to SymPy.
    _through = None

    def __init__(self, starts: tuple[int, ...], lines: tuple[Line, ...]) -> None:
        self.starts = starts
        self.lines = lines

    @classmethod
    def identity(cls) -> Function:
        """Return the function f(i) = i."""
        return cls((1,), (Line(1, 1, np.zeros(1, np.int64), 0),))

    @classmethod
    def constant(cls, value: int) -> Function:
        """Return the function with one value."""
        return cls((1,), (Line.constant(value),))

    @classmethod
    def of(cls, value: Any) -> Function:
        """Return `value`, a function or an int, as a function."""
        return value if isinstance(value, Function) else cls.constant(value)

    @classmethod
    def _built(cls, stretches: Iterable[Stretch]) -> Function:
        """Join stretches, dropping the boundaries that are none."""
        starts: list[int] = []
        lines: list[Line] = []
        for start, line in stretches:
            if starts and lines[-1].same_as(line):
                continue
            starts.append(start)
            lines.append(line)
        if lines[-1].period > LIMIT:
            raise PeriodError(
                f"solve: the sizes repeat only every {lines[-1].period} pixels, "
                f"above the limit of {LIMIT}",
                lines[-1].period,
            )
        return cls(tuple(starts), tuple(lines))

    @property
    def tail(self) -> Line:
        """The line that holds from some place on."""
        return self.lines[-1]

    @property
    def is_constant(self) -> bool:
        """Whether there is one value only."""
        return len(self.lines) == 1 and self.tail.period == 1 and self.tail.rise == 0

    def stretches(self) -> Iterator[tuple[int, int | None, Line]]:
        """Yield each line with where it starts and where it stops (None: never)."""
        for number, line in enumerate(self.lines):
            last = number + 1 == len(self.starts)
            yield self.starts[number], None if last else self.starts[number + 1], line

    def line_at(self, i: int) -> Line:
        """Return the line that holds at i."""
        return self.lines[bisect_right(self.starts, i) - 1]

    def at(self, i: int) -> int:
        """Return f(i)."""
        if len(self.lines) == 1:
            return self.lines[0].at(i)
        return self.line_at(i).at(i)

    def _map(self, action: Callable[[Line, int, int | None], Line]) -> Function:
        return self._built(
            (start, action(line, start, stop)) for start, stop, line in self.stretches()
        )

    def _with(
        self, other: Function, action: Callable[[Line, Line, int, int | None], Iterable[Stretch]]
    ) -> Function:
        """Apply `action` to every stretch on which both are one line."""
        if len(self.lines) == 1 == len(other.lines):
            return self._built(action(self.lines[0], other.lines[0], 1, None))
        cuts: list[Any] = sorted({*self.starts, *other.starts})
        stretches: list[Stretch] = []
        for start, stop in zip(cuts, [*cuts[1:], None], strict=True):
            stretches += action(self.line_at(start), other.line_at(start), start, stop)
        return self._built(stretches)

    def _simple(
        self, other: Function, action: Callable[[Line, Line, int, int | None], Line]
    ) -> Function:
        return self._with(other, lambda f, g, start, stop: [(start, action(f, g, start, stop))])

    # Arithmetic.

    def __add__(self, other: Any) -> Function:
        if isinstance(other, Function):
            return self._simple(other, _added)
        number = _int(other)
        return self if number == 0 else self._map(lambda line, *_: line.plus(number))

    __radd__ = __add__

    def __neg__(self) -> Function:
        return self * -1

    def __sub__(self, other: Any) -> Function:
        if isinstance(other, Function):
            return self._simple(other * -1, _added)
        return self + -_int(other)

    def __rsub__(self, other: Any) -> Function:
        return (self * -1).__add__(other)

    def __mul__(self, other: Any) -> Function:
        number = _int(other)
        return self if number == 1 else self._map(lambda line, *_: line.times(number))

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Function:
        number = _int(other)
        if number == 0:
            raise ZeroDivisionError("a size divided by 0")
        if number < 0:
            return self * -1 // -number
        if number == 1:
            return self
        return self._map(lambda line, start, stop: _divided(line, number, start, stop, False))

    def __mod__(self, other: Any) -> Function:
        number = _int(other)
        if number == 0:
            raise ZeroDivisionError("a size modulo 0")
        return self._map(lambda line, start, stop: _divided(line, number, start, stop, True))

    def _min(self, other: Any) -> Function:
        return self._choice(Function.of(other), np.minimum, 1)

    def _max(self, other: Any) -> Function:
        return self._choice(Function.of(other), np.maximum, -1)

    def _choice(self, other: Function, action: Any, first_if_less: int) -> Function:
        def choose(f: Line, g: Line, start: int, stop: int | None) -> Iterator[Stretch]:
            difference = _added(f, g.times(-1), start, stop)
            for begin, end, sign in _halves(difference, start, stop):
                if sign:
                    yield begin, g if sign == first_if_less else f
                else:
                    yield begin, _elementwise(action, f, g, begin, end)

        return self._with(other, choose)

    # Comparisons: functions that are 1 where it holds, and 0 elsewhere.

    def at_least(self, other: Any) -> Function:
        """Return where f >= other."""

        def compare(f: Line, g: Line, start: int, stop: int | None) -> Iterator[Stretch]:
            difference = _added(f, g.times(-1), start, stop)
            for begin, end, sign in _halves(difference, start, stop):
                if sign:
                    yield begin, Line.constant(int(sign > 0))
                else:
                    yield begin, _elementwise(np.greater_equal, difference, _ZERO, begin, end)

        return self._with(Function.of(other), compare)

    def equals(self, other: Any) -> Function:
        """Return where f = other."""

        def compare(f: Line, g: Line, start: int, stop: int | None) -> Iterator[Stretch]:
            difference = _added(f, g.times(-1), start, stop)
            if difference.rise == 0:
                yield start, _elementwise(np.equal, difference, _ZERO, start, stop)
            else:
                for begin, line in _points(_roots(difference, start, stop), start):
                    if stop is None or begin < stop:  # a root may be the stretch's last place
                        yield begin, line

        return self._with(Function.of(other), compare)

    def both(self, other: Function) -> Function:
        """Return where both of two comparisons hold."""
        if self.is_constant:
            return other if self.tail.at(0) else self
        if other.is_constant:
            return self if other.tail.at(0) else other
        return self._simple(
            other, lambda f, g, start, stop: _elementwise(np.minimum, f, g, start, stop)
        )

    def either(self, other: Function) -> Function:
        """Return where at least one of two comparisons holds."""
        return self._simple(
            other, lambda f, g, start, stop: _elementwise(np.maximum, f, g, start, stop)
        )

    def negated(self) -> Function:
        """Return where a comparison does not hold."""
        return self * -1 + 1


_ZERO = Line.constant(0)


def _int(value: Any) -> int:
    """Return an int, a NumPy int or a whole Fraction as an int."""
    if type(value) is int:
        return value
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    return int(value.__index__())


def _roots(h: Line, start: int, stop: int | None) -> list[int]:
    """Return every i of a stretch with h(i) = 0, for a line that rises or falls."""
    offsets = h.offsets.astype(object) if abs(h.rise) >= SAFE else h.offsets
    residues = np.flatnonzero(offsets % h.rise == 0)
    blocks = [-int(offset) // h.rise for offset in h.offsets[residues]]
    found = (
        block * h.period + residue for block, residue in zip(blocks, residues.tolist(), strict=True)
    )
    return sorted(i for i in found if i >= start and (stop is None or i < stop))


def _points(points: list[int], start: int) -> Iterator[Stretch]:
    """Yield the stretches of the function that is 1 at `points` and 0 elsewhere."""
    zero, one = Line.constant(0), Line.constant(1)
    if not points:
        yield start, zero
        return
    first, last = points[0], points[-1]
    if last - first < 64 * len(points) + 64:  # a table, as dense as it needs to be
        if first > start:
            yield start, zero
        values = np.zeros(last - first + 1, np.int64)
        values[[point - first for point in points]] = 1
        yield first, Line.explicit(first, values, 1)
        yield last + 1, zero
        return
    if first > start:
        yield start, zero
    for here, after in zip(points, [*points[1:], None], strict=True):
        yield here, one
        if after != here + 1:
            yield here + 1, zero


class SizeSet:
    """A set of sizes: residue classes from a threshold on, and finitely many sizes below it.

    Modulus and threshold are the least ones, so two equal sets have equal attributes.
    """

    __slots__ = ("_classes", "mask", "modulus", "residues", "threshold")

    def __init__(self, mask: Function) -> None:
        self.mask = mask
        tail = mask.tail
        self.modulus = tail.period
        self.residues: tuple[int, ...] = tuple(np.flatnonzero(tail.offsets).tolist())
        self._classes: dict[int, Table] = {}
        # Walk back to the last place where the sizes differ from the residue classes.
        threshold = mask.starts[-1]
        for start, stop, line in reversed(list(mask.stretches())[:-1]):
            assert stop is not None
            count = min(stop - start, math.lcm(line.period, tail.period))
            _fits(count)
            differ = np.flatnonzero(
                line.over(stop - count, count) != tail.over(stop - count, count)
            )
            if len(differ):
                threshold = stop - count + int(differ[-1]) + 1
                break
            threshold = start
        self.threshold = threshold

    def __contains__(self, n: int) -> bool:
        return n >= 1 and bool(self.mask.at(n))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SizeSet):
            return NotImplemented
        return hash(self) == hash(other) and self.is_subset_of(other) and other.is_subset_of(self)

    def __hash__(self) -> int:
        return hash((self.modulus, self.residues, self.threshold))

    def __reduce__(self) -> tuple[Any, ...]:
        return SizeSet, (self.mask,)

    def _residues_of(self, number: int) -> Table:
        """Return the residue classes of one stretch."""
        if number not in self._classes:
            self._classes[number] = np.flatnonzero(self.mask.lines[number].offsets)
        return self._classes[number]

    def next(self, n: int) -> int | None:
        """Return the smallest element that is at least n."""
        starts = self.mask.starts
        n = max(n, 1)
        for number in range(bisect_right(starts, n) - 1, len(starts)):
            residues = self._residues_of(number)
            if not len(residues):
                continue
            period = self.mask.lines[number].period
            block, residue = divmod(max(n, starts[number]), period)
            place = int(np.searchsorted(residues, residue))
            if place == len(residues):
                block, place = block + 1, 0
            found = block * period + int(residues[place])
            if number + 1 == len(starts) or found < starts[number + 1]:
                return found
        return None

    def previous(self, n: int) -> int | None:
        """Return the largest element that is at most n."""
        starts = self.mask.starts
        if n < 1:
            return None
        for number in range(bisect_right(starts, n) - 1, -1, -1):
            residues = self._residues_of(number)
            if not len(residues):
                continue
            period = self.mask.lines[number].period
            last = n if number + 1 == len(starts) else min(n, starts[number + 1] - 1)
            block, residue = divmod(last, period)
            place = int(np.searchsorted(residues, residue, side="right")) - 1
            if place < 0:
                block, place = block - 1, len(residues) - 1
            found = block * period + int(residues[place])
            if found >= starts[number]:
                return found
        return None

    @property
    def minimum(self) -> int | None:
        """The smallest element, None if there is none."""
        return self.next(1)

    @property
    def is_finite(self) -> bool:
        """Whether there are only finitely many elements."""
        return not self.residues

    def head(self) -> Iterator[tuple[int, int, int, Table]]:
        """Yield what lies below the threshold, as (start, stop, period, residues)."""
        for number, (start, stop, line) in enumerate(self.mask.stretches()):
            end = self.threshold if stop is None else min(stop, self.threshold)
            if start < end and len(self._residues_of(number)):
                yield start, end, line.period, self._residues_of(number)

    def from_to(self, start: int, stop: int | None = None) -> Iterator[int]:
        """Yield the elements from `start` on, below `stop`."""
        found = self.next(start)
        while found is not None and (stop is None or found < stop):
            yield found
            found = self.next(found + 1)

    def firsts(self) -> list[int]:
        """Return the smallest element of every residue class, from the threshold on."""
        return sorted(
            self.threshold + (residue - self.threshold) % self.modulus for residue in self.residues
        )

    def is_subset_of(self, other: SizeSet) -> bool:
        """Tell whether every element is one of `other`, too."""
        outside = self.mask.both(other.mask.negated())
        return outside.is_constant and outside.tail.at(0) == 0

    def __str__(self) -> str:
        parts = []
        head = []
        for start, stop, period, residues in self.head():
            if (stop - start) * len(residues) <= 32 * period:
                head += list(self.from_to(start, stop))
            else:
                if head:
                    parts.append("{" + ", ".join(map(str, head)) + "}")
                    head = []
                if stop - start <= period:
                    few = list(itertools.islice(self.from_to(start, stop), 8))
                    count = int(self.mask.line_at(start).over(start, stop - start).sum())
                    ends = f"..., {self.previous(stop - 1)} ({count} sizes)"
                    parts.append("{" + ", ".join(map(str, few)) + f", {ends}" + "}")
                    continue
                last = self.previous(stop - 1)
                low = self.next(start)
                assert last is not None
                assert low is not None
                if len(residues) == 1:
                    low, last = (low - low % period) // period, (last - last % period) // period
                parts.append(
                    "{"
                    + _progression(period, residues.tolist())
                    + f" : {low} <= n <= {last}"
                    + _condition(period, residues.tolist())
                    + "}"
                )
        if head:
            parts.append("{" + ", ".join(map(str, head)) + "}")
        if self.residues:
            firsts = self.firsts()
            modulus = self.modulus
            if len(self.residues) <= 4:
                groups: dict[int, list[int]] = {}
                for first in firsts:
                    groups.setdefault(first // modulus, []).append(first % modulus)
                for low, members in groups.items():
                    told = ", ".join(_progression(modulus, [member]) for member in members)
                    parts.append("{" + f"{told} : n >= {low}" + "}")
            else:
                parts.append(
                    "{" + f"n : n >= {firsts[0]}" + _condition(modulus, self.residues) + "}"
                )
        return " | ".join(parts) if parts else "{}"


def _progression(modulus: int, residues: list[int]) -> str:
    """Write the elements of a class: 16 n + 3."""
    if len(residues) > 1 or modulus == 1:
        return "n"
    return f"{modulus} n + {residues[0]}" if residues[0] else f"{modulus} n"


def _condition(modulus: int, residues: Iterable[int]) -> str:
    """Write the condition on n where one progression does not say it."""
    residues = list(residues)
    if len(residues) == 1:
        return ""
    if len(residues) <= 8:
        told = ", ".join(map(str, residues))
    elif modulus - len(residues) <= 4:
        missing = ", ".join(str(r) for r in range(modulus) if r not in set(residues))
        return f", n mod {modulus} not in {{{missing}}}"
    else:
        told = ", ".join(map(str, residues[:4])) + f", ... ({len(residues)} classes)"
    return f", n mod {modulus} in {{{told}}}"
