"""One way through a program: the input sizes that go it, and exact functions on them.

A `Path` is a set of input sizes, start <= i < stop with i mod period in certain residues, or a
finite set of points. A `Value` on it is one polynomial of i a residue class (a quasi-polynomial),
with rational coefficients of one denominator. Values are closed under + - * // % min max and under
comparisons, because the path gives way: where a result would not be one polynomial a class, the
path's period is refined, and where the larger of two values changes from one place on, the path
keeps the side that its hint is on. So a path only ever shrinks, always holds its hint, and what it
leaves is for other paths.

Coefficients are int64 where a bound known beforehand says that they fit, and Python ints otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from ._outcome import calling_place
from ._quasilinear import Function, Line, Stretch, _points

__all__ = ["Path", "Value"]

SAFE = 2**61  # int64 arithmetic below this cannot overflow
POINTS = 2**14  # a stretch of no more sizes than this may be listed one by one
CLASSES = 2**14  # residue classes that a path may have
HUGE = 2**40  # no axis has so many pixels: what changes only there does not part a path
UNBOUNDED = 2**60  # a bound as large is none: no tensor has so many elements
WINDOW = 512  # sizes that are listed where the classes would be too many

Rows: TypeAlias = np.ndarray[Any, Any]


class Path:
    """The input sizes that go the same way as one of them, the hint.

    Attributes
    ----------
    hint : int
        The size whose way is followed; it is always one of the path's sizes.
    start, stop : int, int or None
        The first size and the one before which the path ends, None if it does not end.
    period : int
        The period of `residues`.
    residues : array of int
        The residue classes, in ascending order; one a column of every value.
    points : array of int, or None
        The sizes themselves, where the path is a list of them; one a column of every value.
    narrowed : bool
        Whether sizes were left out because their period would have been too long.
    told : list
        The errors in whose messages a size was told: the path holds if the run ends in one.
    strict : bool
        Whether a size that is told is decided on like every other number.
    blame : dict of str
        What made it a path of single sizes, each with its place in the model's code.
    """

    def __init__(self, hint: int, start: int = 1, strict: bool = False) -> None:
        self.hint = hint
        self.told: list[Any] = []
        self.strict = strict
        self.start = start
        self.stop: int | None = None
        self.period = 1
        self.residues: Rows = np.zeros(1, np.int64)
        self.points: Rows | None = None
        self.narrowed = False
        self.blame: dict[str, None] = {}
        self.changes: list[tuple[Rows, Rows | None]] = []  # columns taken; the points they became

    def identity(self) -> Value:
        """Return the function f(i) = i."""
        if self.points is not None:
            return Value(self, self.points[None, :], 1)
        return Value(self, np.array([[0], [1]]), 1)

    def constant(self, value: int) -> Value:
        """Return the function with one value."""
        return Value(self, np.array([[value]], object if abs(value) >= SAFE else np.int64), 1)

    # What the path is.

    @property
    def columns(self) -> int:
        """The number of residue classes, or of points."""
        return len(self.residues if self.points is None else self.points)

    @property
    def column(self) -> int:
        """The column of the hint."""
        if self.points is not None:
            return int(np.searchsorted(self.points, self.hint))
        return int(np.searchsorted(self.residues, self.hint % self.period))

    def firsts(self) -> Rows:
        """Return the first size of every column."""
        if self.points is not None:
            return self.points
        found: Rows = self.start + (self.residues - self.start) % self.period
        return found

    def mask(self) -> Function:
        """Return where the path is: a function that is 1 there and 0 elsewhere."""
        zero = Line.constant(0)
        if self.points is not None:
            return Function._built(_points(self.points.tolist(), 1))
        offsets = np.zeros(self.period, np.int64)
        offsets[self.residues] = 1
        stretches: list[Stretch] = [(self.start, Line(self.period, 0, offsets, 1).reduced())]
        if self.start > 1:
            stretches.insert(0, (1, zero))
        if self.stop is not None:
            stretches.append((self.stop, zero))
        return Function._built(stretches)

    # How it gives way.

    def _keep(self, columns: Rows) -> None:
        """Keep some of the columns."""
        if self.points is None:
            self.residues = self.residues[columns]
        else:
            self.points = self.points[columns]
        self.changes.append((columns, None))

    def refine(self, times: int) -> None:
        """Write the path with a period that is `times` as long."""
        if times == 1:
            return
        columns = np.tile(np.arange(len(self.residues)), times)
        blocks = np.repeat(np.arange(times) * self.period, len(self.residues))
        self.residues = self.residues[columns] + blocks
        self.period *= times
        self.changes.append((columns, None))
        if self.stop is not None:
            self.shrink(self.start, self.stop)

    def shrink(self, start: int, stop: int | None) -> None:
        """Leave out the sizes before `start` and from `stop` on; list what is left if it is few."""
        assert start <= self.hint
        assert stop is None or self.hint < stop
        self.start = max(self.start, start)
        if stop is not None:
            self.stop = stop if self.stop is None else min(stop, self.stop)
        if self.points is not None:
            kept = self.points >= self.start
            if self.stop is not None:
                kept &= self.points < self.stop
            self._keep(np.flatnonzero(kept))
        elif self.stop is not None:
            blocks = (self.stop - self.start) // self.period + 1
            if blocks * len(self.residues) <= POINTS:
                self._list()

    def _list(self) -> None:
        """Turn a path that ends into a list of points."""
        assert self.stop is not None
        blocks = range(self.start // self.period, self.stop // self.period + 1)
        points = (np.array(blocks, np.int64)[:, None] * self.period + self.residues).ravel()
        columns = np.tile(np.arange(len(self.residues)), len(blocks))
        inside = (points >= self.start) & (points < self.stop)
        self.points = points[inside]
        self.changes.append((columns[inside], self.points))

    def blamed(self, why: str) -> None:
        """Note that what happens now lets each size go a way of its own."""
        place = calling_place()
        self.blame[f"{why} ({place})" if place else why] = None

    def narrow(self, why: str = "sizes repeat only after too long a period") -> None:
        """Give up all sizes but those near the hint."""
        self.narrowed = True
        self.blamed(why)
        blocks = max(1, WINDOW // len(self.residues))
        start = max(self.start, self.hint - self.hint % self.period)
        stop = start + blocks * self.period
        if self.period > POINTS // len(self.residues):
            start, stop = self.hint, self.hint + min(POINTS, WINDOW)
        self.shrink(start, stop)
        if self.points is None:
            self._list()

    def decide(self, held: Value) -> bool:
        """Keep the sizes for which a comparison has the outcome that it has for the hint."""
        row = held.rows()[0]
        if len(row) == 1:
            return bool(row[0])
        outcome = row[self.column]
        self._keep(np.flatnonzero(row == outcome))
        return bool(outcome)

    # Signs.

    def at_least_zero(self, value: Value) -> Value:
        """Return where a value is at least 0, as 1 and 0, the same all along a column.

        The path keeps those sizes on the hint's side of where that changes.
        """
        while True:
            rows = value.rows()
            if len(rows) == 1:
                return Value(self, (rows >= 0).astype(np.int64), 1)
            first = np.array([self.start]) if rows.shape[1] == 1 else self.firsts()
            told = _settled(rows, first)
            if told is None and len(rows) > 2:
                told = _settled_up_to(rows, first, self._end(value))
            if told is not None:
                return Value(self, told.astype(np.int64)[None, :], 1)
            if len(rows) == 2:
                settled = self._split_linear(rows, first)
                if settled is not None:
                    return Value(self, settled.astype(np.int64)[None, :], 1)
            else:
                self._split_steep(value)

    def _end(self, value: Value) -> int | None:
        """Return the size behind all that matter to a value's sign, None if there is no such."""
        if self.stop is not None:
            return self.stop
        rows = value.rows()
        if _bound(rows[0]) < UNBOUNDED * value.over:
            return None
        return int(2 ** (UNBOUNDED.bit_length() // (len(rows) - 1)))

    def all_zero(self, *values: Value) -> Value:
        """Return where all of some values are 0, as 1 and 0, the same all along a column.

        The path keeps those sizes on the hint's side of single ones at which they are.
        """
        if any(value.constant for value in values):
            return self.constant(0)
        held, flat = self.constant(1), []
        for value in values:
            if len(value.rows()) > 3:
                held = held * self.at_least_zero(value) * self.at_least_zero(-value)
            elif value.constant is None:
                flat.append(value)
        points = {root for value in flat for root in self._roots(value)}
        zeros = sorted(
            point
            for point in points
            if all(value.at(point) == 0 for value in flat)
            and not all(value.vanishes_with(point) for value in flat)
        )
        if zeros:
            self._split_at(zeros)
        for value in flat:
            zero: Rows = np.logical_not(value.rows().any(axis=0))
            held = held * Value(self, zero.astype(np.int64)[None, :], 1)
        return held

    def _split_at(self, zeros: list[int]) -> None:
        """Shrink to the hint's side of some sizes, or to what lies between if that is few."""
        if zeros[-1] - zeros[0] > POINTS:
            near = min(zeros, key=lambda zero: abs(zero - self.hint))
            below = [zero for zero in zeros if zero < self.hint and zero != near]
            above = [zero for zero in zeros if zero > self.hint and zero != near]
            if near != self.hint:
                (below if near < self.hint else above).append(near)
                low = max(below, default=self.start - 1) + 1
                self.shrink(low, min(above, default=self.stop))
                return
            zeros = [near]
        if self.hint < zeros[0]:
            self.shrink(self.start, zeros[0])
        elif self.hint > zeros[-1]:
            self.shrink(zeros[-1] + 1, self.stop)
        else:
            self.shrink(zeros[0], zeros[-1] + 1)
            if self.points is None:
                self._list()

    def _roots(self, value: Value) -> list[int]:
        """Return the single sizes of the path at which a value is 0."""
        rows = value.rows()
        if len(rows) == 1:
            return []
        columns, roots = _roots(rows)
        inside = (roots >= self.start) & (roots < (HUGE if self.stop is None else self.stop))
        classes = roots[inside] % self.period
        wanted = self.residues[columns[inside]] if rows.shape[1] > 1 else self.residues
        kept = classes == wanted if rows.shape[1] > 1 else np.isin(classes.astype(int), wanted)
        return [int(root) for root in roots[inside][kept.astype(bool)]]

    def _split_linear(self, rows: Rows, first: Rows) -> Rows | None:
        """Shrink to where no column of lines changes its sign."""
        low, slope = rows.astype(object)
        start = low + slope * first
        positive = start >= 0
        changing = np.flatnonzero(np.where(positive, slope < 0, slope > 0).astype(bool))
        falls = positive[changing]
        a, b = low[changing], np.where(slope[changing] == 0, 1, slope[changing])
        change = np.where(falls, a // -b + 1, -(a // b))
        if rows.shape[1] > 1:  # the first size of the class from there on
            change = change + (self.residues[changing] - change) % self.period
        change = change[change < (HUGE if self.stop is None else self.stop)]
        held: Rows = positive.astype(bool)
        if not len(change):
            return held
        lowest, highest = int(min(change)), int(max(change))
        if self.hint < lowest:
            self.shrink(self.start, lowest)
            return None if self.points is not None else held
        if self.hint >= highest:
            self.shrink(highest, self.stop)
            return None
        self.shrink(lowest, highest)
        if self.points is None:
            self.narrow()
        return None

    def _split_steep(self, value: Value) -> None:
        """Shrink to where the signs of polynomials are settled, or to what can be listed."""

        def settled(start: int) -> bool:
            rows = value.rows()
            first = (
                np.array([start])
                if rows.shape[1] == 1
                else start + (self.residues - start) % self.period
            )
            return _settled(rows, first) is not None

        if settled(self.hint):
            low, high = self.start, self.hint  # unsettled at low, settled at high
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if settled(middle) else (middle, high)
            self.shrink(high, self.stop)
            return
        low, high = self.hint, 2 * self.hint + 1
        while not settled(high) and high < HUGE:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if settled(middle) else (middle, high)
        self.shrink(self.start, high)
        if self.points is None:
            self.narrow()


def _settled(rows: Rows, first: Rows) -> Rows | None:
    """Return where polynomials are at least 0 from `first` on; None if any still changes."""
    shifted = _shifted(rows, first)
    positive: Rows = np.all(shifted >= 0, axis=0)
    negative: Rows = np.all(shifted <= 0, axis=0) & (shifted[0] < 0)
    return positive if bool((positive | negative).all()) else None


def _settled_up_to(rows: Rows, first: Rows, stop: int | None) -> Rows | None:
    """Return where polynomials are at least 0 from `first` to before `stop`, None if unknown.

    A polynomial lies between its coefficients in Bernstein's form on that interval.
    """
    if stop is None:
        return None
    degree = len(rows) - 1
    shifted = _shifted(rows.astype(object), first.astype(object))
    wide = np.maximum(stop - 1 - first.astype(object), 0)
    scaled = [shifted[j] * wide**j for j in range(degree + 1)]
    whole = math.lcm(*(math.comb(degree, j) for j in range(degree + 1)))
    held = [
        sum(math.comb(i, j) * (whole // math.comb(degree, j)) * scaled[j] for j in range(i + 1))
        for i in range(degree + 1)
    ]
    made = np.array(held, object)
    positive: Rows = np.all(made >= 0, axis=0)
    negative: Rows = np.all(made < 0, axis=0)
    return positive if bool((positive | negative).all()) else None


def _roots(rows: Rows) -> tuple[Rows, Rows]:
    """Return the whole roots of lines and parabolas, each with its column."""
    low, slope = rows[0].astype(object), rows[1].astype(object)
    steep = rows[2].astype(object) if len(rows) == 3 else np.zeros(len(low), object)
    columns: list[int] = []
    roots: list[int] = []
    for column in np.flatnonzero(rows[1:].any(axis=0)).tolist():
        c, b, a = int(low[column]), int(slope[column]), int(steep[column])
        if a == 0:
            found = {-c // b} if c % b == 0 else set()
        else:
            square = b * b - 4 * a * c
            root = math.isqrt(square) if square >= 0 else -1
            exact = square >= 0 and root * root == square
            tops = {-b + root, -b - root} if exact else set()
            found = {top // (2 * a) for top in tops if top % (2 * a) == 0}
        for one in found:
            columns.append(column)
            roots.append(one)
    return np.array(columns, np.int64), np.array(roots, object)


def _shifted(rows: Rows, by: Rows) -> Rows:
    """Return the coefficients of f(i + by)."""
    degree = len(rows) - 1
    bound = _bound(rows) * 2**degree * max(int(by.max()), 1) ** degree
    if bound >= SAFE:
        rows, by = rows.astype(object), by.astype(object)
    made = [
        sum(math.comb(m, j) * rows[m] * by ** (m - j) for m in range(j, degree + 1))
        for j in range(degree + 1)
    ]
    return np.array(made, dtype=rows.dtype)


def _bound(rows: Rows) -> int:
    """Return the largest absolute value."""
    return max(abs(int(rows.max())), abs(int(rows.min())))


def _evaluated(rows: Rows, points: Rows) -> Rows:
    """Return polynomials at one point a column."""
    degree = len(rows) - 1
    if degree and _bound(rows) * (degree + 1) * max(int(points.max()), 1) ** degree >= SAFE:
        rows, points = rows.astype(object), points.astype(object)
    made = rows[-1]
    for row in rows[-2::-1]:
        made = made * points + row
    return made if len(made) == len(points) else np.repeat(made, len(points))


class Value:
    """An exact function of the input size on a path: a polynomial a column, over one denominator.

    Supports + and - and * with values and ints, `floordiv` and `mod`, `least` and `greatest`, and
    the comparisons `ge` and `eq`, whose results are values that are 1 or 0.
    """

    __slots__ = ("_rows", "over", "path", "version")

    def __init__(self, path: Path, rows: Rows, over: int) -> None:
        self.path = path
        self.version = len(path.changes)
        rows = _trimmed(rows)
        if over != 1:
            if rows.size < 16:
                common = math.gcd(over, *rows.ravel().tolist())
            else:
                common = math.gcd(over, int(np.gcd.reduce(rows, axis=None)))
            if common > 1:
                rows, over = rows // common, over // common
        self._rows = rows
        self.over = over

    def rows(self) -> Rows:
        """Return the coefficients, lowest first: a column for each of the path's, or for all."""
        changes = self.path.changes
        while self.version < len(changes):
            columns, points = changes[self.version]
            self.version += 1
            if points is not None:
                rows = self._rows
                wide = rows if rows.shape[1] == 1 else rows[:, columns]
                made = _evaluated(wide, points) // self.over
                self._rows, self.over = _trimmed(made[None, :]), 1
            elif self._rows.shape[1] > 1:
                self._rows = _trimmed(self._rows[:, columns])
        return self._rows

    def key(self) -> tuple[Any, ...]:
        """Return what tells it from other functions, as long as the path does not change."""
        rows = self.rows()
        told = rows.ravel().tolist() if rows.dtype == object else rows.tobytes()
        return self.over, rows.shape, tuple(told) if rows.dtype == object else told

    @property
    def constant(self) -> int | None:
        """The value, if it is the same all along the path."""
        rows = self.rows()
        return int(rows[0, 0]) // self.over if rows.shape == (1, 1) else None

    def at(self, i: int) -> int:
        """Return f(i), for a size of the path."""
        rows = self.rows()
        column = 0
        if rows.shape[1] > 1:
            path = self.path
            classes, wanted = (
                (path.points, i) if path.points is not None else (path.residues, i % path.period)
            )
            column = int(np.searchsorted(classes, wanted))
        made = 0
        for row in rows[::-1]:
            made = made * i + int(row[column])
        return made // self.over

    def vanishes_with(self, i: int) -> bool:
        """Tell whether it is 0 at all sizes of a size's class."""
        rows, path = self.rows(), self.path
        column = 0
        if rows.shape[1] > 1:
            column = int(np.searchsorted(path.residues, i % path.period))
        return not rows[:, column].any()

    @property
    def hint(self) -> int:
        """The value for the path's hint."""
        return self.at(self.path.hint)

    def _of(self, other: Value | int) -> Value:
        return other if isinstance(other, Value) else self.path.constant(other)

    def _together(self, other: Value) -> tuple[Rows, Rows, int]:
        """Return both values' coefficients over one denominator and of one degree."""
        left, right = self.rows(), other.rows()
        over = math.lcm(self.over, other.over)
        left, right = _scaled(left, over // self.over), _scaled(right, over // other.over)
        degree = max(len(left), len(right))
        left, right = _padded(left, degree), _padded(right, degree)
        if left.dtype == object or right.dtype == object or _bound(left) + _bound(right) >= SAFE:
            left, right = left.astype(object), right.astype(object)
        return left, right, over

    def _plus(self, number: int) -> Value:
        rows = self.rows()
        step = number * self.over
        if rows.dtype != object and abs(step) + _bound(rows) >= SAFE:
            rows = rows.astype(object)
        rows = rows.copy()
        rows[0] += step
        return Value(self.path, rows, self.over)

    def __add__(self, other: Value | int) -> Value:
        if not isinstance(other, Value):
            return self._plus(other)
        left, right, over = self._together(self._of(other))
        return Value(self.path, left + right, over)

    def __sub__(self, other: Value | int) -> Value:
        if not isinstance(other, Value):
            return self._plus(-other)
        left, right, over = self._together(self._of(other))
        return Value(self.path, left - right, over)

    def __neg__(self) -> Value:
        return Value(self.path, -self.rows(), self.over)

    def __mul__(self, other: Value | int) -> Value:
        if not isinstance(other, Value):
            return Value(self.path, _scaled(self.rows(), other), self.over)
        left, right = self.rows(), other.rows()
        terms = min(len(left), len(right))
        if _bound(left) * _bound(right) * terms >= SAFE:
            left, right = left.astype(object), right.astype(object)
        wide = max(left.shape[1], right.shape[1])
        kind = np.result_type(left.dtype, right.dtype)
        made = np.zeros((len(left) + len(right) - 1, wide), kind)
        for place, row in enumerate(left):
            made[place : place + len(right)] += row * right
        return Value(self.path, made, self.over * other.over)

    # Comparisons and choices.

    def ge(self, other: Value | int) -> Value:
        """Return where self >= other."""
        return self.path.at_least_zero(self - other)

    def eq(self, other: Value | int) -> Value:
        """Return where self = other."""
        difference = self - other
        number = difference.constant
        if number is not None:
            return self.path.constant(int(number == 0))
        return self.path.all_zero(difference)

    def chosen(self, yes: Value, no: Value) -> Value:
        """Return `yes` where this comparison holds, and `no` elsewhere."""
        held = self.constant
        if held is not None:
            return yes if held else no
        left, right, over = yes._together(no)
        return Value(self.path, np.where(self.rows() != 0, left, right), over)

    def greatest(self, other: Value | int) -> Value:
        """Return the larger of two values."""
        return self.ge(other).chosen(self, self._of(other))

    def least(self, other: Value | int) -> Value:
        """Return the smaller of two values."""
        return self.ge(other).chosen(self._of(other), self)

    # Division.

    def floordiv(self, other: Value | int) -> Value:
        """Return the whole quotient, rounded down."""
        divisor = self._of(other)
        zero = divisor.eq(0)
        if self.path.decide(zero):
            raise ZeroDivisionError("integer division or modulo by zero")
        if self.path.points is not None:
            return Value(self.path, self.rows() // divisor.rows(), 1)
        if len(divisor.rows()) == 1:
            return self._by_constants(divisor)
        if not self.path.decide(divisor.ge(0)):
            return (-self).floordiv(-divisor)
        if self.path.points is not None:
            return Value(self.path, self.rows() // divisor.rows(), 1)
        return self._by_polynomials(divisor)

    def mod(self, other: Value | int) -> Value:
        """Return the rest of that division."""
        return self - self.floordiv(other) * other

    def _by_constants(self, divisor: Value) -> Value:
        """Divide by one number a column: refine until the rest is constant on each."""
        path = self.path
        numbers = np.unique(divisor.rows()[0])
        common = math.lcm(*(abs(int(number)) for number in numbers))
        times = self._repeats(common)
        if times * path.columns > CLASSES:
            path.narrow()
            return self.floordiv(divisor)
        path.refine(times)
        if path.points is not None:
            return self.floordiv(divisor)
        rows, by = self.rows(), divisor.rows()[0]
        residues = path.residues if rows.shape[1] > 1 or times * path.columns > 1 else path.firsts()
        values = _evaluated(rows, residues) // self.over
        rest = values % by
        over = self.over * common
        factor = common // by  # exact; negative divisors turn the sign
        wide = np.zeros((len(rows), max(rows.shape[1], len(rest))), rows.dtype) + rows
        if _bound(wide) * common + _bound(rest) * self.over * common >= SAFE:
            wide, rest, factor = wide.astype(object), rest.astype(object), factor.astype(object)
        wide[0] = wide[0] - rest * self.over
        return Value(path, wide * factor, over)

    def _repeats(self, number: int) -> int:
        """Return how many periods it takes until the values repeat modulo a number."""
        rows, path = self.rows(), self.path
        degree = len(rows) - 1
        if degree == 0 or number == 1:
            return 1
        if degree == 1:
            steps = rows[1].astype(object) * path.period // self.over
            return number // math.gcd(number, *(int(step) for step in np.unique(steps)))
        most = number * math.factorial(degree)
        for times in (one for one in _divisors(most) if one * path.columns <= CLASSES):
            if all(
                not np.any((self._block(k + times) - self._block(k)).astype(object) % number)
                for k in range(degree)
            ):
                return times
        return most

    def _block(self, k: int) -> Rows:
        """Return the values in the k-th period."""
        points = self.path.residues + k * self.path.period
        return _evaluated(self.rows(), points) // self.over

    def _by_polynomials(self, divisor: Value) -> Value:
        """Divide by a size that grows: by long division, checked by what a quotient is."""
        path = self.path
        f, g = self.rows().astype(object), divisor.rows().astype(object)
        lead = g[-1]
        if np.any(lead <= 0):
            path.narrow()
            return self.floordiv(divisor)
        quotient: Rows = np.zeros((1, 1), object)
        power: Rows = np.ones(1, object)
        for place in range(len(f) - len(g), -1, -1):
            top = f[len(g) - 1 + place]
            term = np.zeros((place + 1, len(top)), object)
            term[place] = top
            quotient = _padded(quotient * lead, max(len(quotient), place + 1))
            quotient = quotient + _padded(term, len(quotient))
            shifted = np.zeros((len(g) + place, max(len(top), g.shape[1])), object)
            shifted[place:] = top * g
            f = f * lead - _padded(shifted, len(f))
            f = f[: len(g) - 1 + place] if len(g) - 1 + place else f[:1]
            power = power * lead
        whole = Value(path, quotient * divisor.over, 1)
        found = whole._by_constants(Value(path, (power * self.over)[None, :], 1))
        short = (self - found * divisor).ge(0)
        found = found - (path.constant(1) - short)
        rest = self - found * divisor
        held = rest.ge(0) * (divisor - rest).ge(1)
        if path.decide(held):
            return found
        path.narrow()
        return self.floordiv(divisor)


def _trimmed(rows: Rows) -> Rows:
    """Leave out leading coefficients that are 0, and columns if all are alike."""
    while len(rows) > 1 and not rows[-1].any():
        rows = rows[:-1]
    if rows.shape[1] > 1 and bool((rows == rows[:, :1]).all()):
        rows = rows[:, :1]
    return rows


def _scaled(rows: Rows, factor: int) -> Rows:
    if factor == 1:
        return rows
    if rows.dtype != object and _bound(rows) * abs(factor) >= SAFE:
        rows = rows.astype(object)
    return rows * factor


def _padded(rows: Rows, degree: int) -> Rows:
    if len(rows) == degree:
        return rows
    return np.concatenate([rows, np.zeros((degree - len(rows), rows.shape[1]), rows.dtype)])


def _divisors(number: int) -> Iterator[int]:
    """Yield the divisors of a number, smallest first."""
    small = [one for one in range(1, math.isqrt(number) + 1) if number % one == 0]
    yield from small
    yield from (number // one for one in reversed(small) if one * one != number)
