"""Conditions between the axes of a model that was read: H == W, H * W == 196 and the like.

An answer is about one number at a time: all axes alike, or one axis while the others stay. Where
the axes do not hang together, that says everything. Whether they do is seen by running the model at
pairs of sizes that it takes alike; if it refuses one, exact answers for one axis, each at another
size of the other one (slices), are held against the forms that such conditions have.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any, TypeAlias

from ._outcome import Failure, outs
from ._quasilinear import Function, SizeSet

__all__ = ["condition_between", "names_of", "partners"]

SECONDS = 5.0  # of the processor, for the slices of one pair of axes
MOST_LOST = 2  # slices that cannot be followed, before no more are tried
ENOUGH = 3  # slices that must hold sizes before a form is believed
NEAR = 8  # sizes from the wanted one on whose partners are sought
SIZES = (224, 64, 256)  # at which partners are sought where no equal sizes are taken

Slices: TypeAlias = dict[int, SizeSet]  # from a size of the one axis to the sizes of the other
Solver: TypeAlias = Callable[[Any, Callable[[Any], tuple[Any, ...]]], SizeSet]


def names_of(rank: int) -> tuple[str, ...]:
    """Return what the axes are called."""
    return {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}.get(rank) or tuple(
        f"axis {place}" for place in range(rank)
    )


def condition_between(network: Any, alike: SizeSet, solver: Solver) -> str | None:
    """Return the conditions between a model's axes in words, None if none is seen.

    `alike` are the sizes that it takes on all axes; `solver` says which it takes along a line.
    """
    rank = network._model.rank
    fixed = [one for one in getattr(network._model, "fixed", ()) if one is not None]
    if rank < 2 or fixed:
        return None
    told = []
    for a in range(rank):
        for b in range(a + 1, rank):
            found = [_Pair(network, a, b, tie, solver).told(alike) for tie in _ties(rank, a, b)]
            if all(found):  # whichever of the two the other axes follow
                told.append(found[0])
    return "; ".join(told) or None  # type: ignore[arg-type]


def _ties(rank: int, a: int, b: int) -> tuple[int, ...]:
    return (b,) if rank == 2 else (b, a)


def partners(network: Any, wanted: tuple[int, ...], solver: Solver) -> Iterator[tuple[int, ...]]:
    """Yield sizes that are taken and at least the wanted ones, where the axes hang together.

    One axis after the other is asked which of its sizes go with the wanted ones of the others, and
    with slightly larger ones.
    """
    start, lost = time.process_time(), 0
    along = partial(solver, network._model)
    axes = range(len(wanted))
    tried = [tuple(size + more for size in wanted) for more in range(NEAR)]
    tried += [(n,) * len(wanted) for n in SIZES if n >= max(wanted)]
    for sizes, axis in itertools.product(tried, axes):
        if lost == MOST_LOST or time.process_time() - start > SECONDS:
            return
        try:
            found = _partner(along, axis, sizes, wanted)
            for other in axes:  # each as small as the others allow
                if found is not None:
                    found = _partner(along, other, found, wanted) or found
        except (LookupError, Failure, ValueError):
            lost += 1
            continue
        if found is not None:
            yield found


def _partner(
    taken: Callable[[Any], SizeSet], axis: int, sizes: tuple[int, ...], wanted: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Return the smallest size of an axis, from the wanted one on, that goes with the others."""

    def along(n: Any) -> tuple[Any, ...]:
        return (*sizes[:axis], n, *sizes[axis + 1 :])

    found = taken(along).next(wanted[axis])
    return None if found is None else along(found)


class _Pair:
    """Two axes of a model; the others have the size of one of them, `tie`."""

    def __init__(self, network: Any, a: int, b: int, tie: int, solver: Solver) -> None:
        self.model = network._model
        self.along = partial(solver, self.model)
        self.a, self.b, self.tie = a, b, tie
        names = names_of(self.model.rank)
        self.h, self.w = names[a], names[b]

    def sizes(self, h: Any, w: Any) -> tuple[Any, ...]:
        """Return one size an axis."""
        found = [h if self.tie == self.a else w] * self.model.rank
        found[self.a], found[self.b] = h, w
        return tuple(found)

    def told(self, alike: SizeSet) -> str | None:
        """Return the condition in words, None if the axes do not hang together."""
        refused, odd = self._odd_pair(alike)
        finite = alike.minimum is None or alike.is_finite
        if not (odd or finite):
            return None
        slices = self._slices(alike)
        if refused is None and alike.minimum is not None and not _differ(slices):
            return None
        found = next((form for form in self._forms(slices, alike) if form), None)
        return found or self._as_slices(slices, refused)

    def _odd_pair(self, alike: SizeSet) -> tuple[tuple[int, int] | None, bool]:
        """Return a pair of sizes that is refused, although both are taken on all axes.

        The second tells whether there is a pair that speaks against axes of their own: this one, or
        one that is taken although one of its sizes is not.
        """
        near = alike.previous(self.model.typical) or alike.next(1)
        if near is None:
            return None, False
        above = alike.next(near + 1) or near
        last = alike.next(2 * near) or above
        first = alike.minimum or near
        pairs = {(near, above), (above, near), (near, last), (last, near), (first, near)}
        for h, w in sorted({*pairs, (near, first)}):
            if h != w and not self._takes(h, w):
                return (h, w), True
        outside = next((n for n in (near + 1, first - 1) if n >= 1 and n not in alike), None)
        if outside is None:
            return None, False
        pairs = {(near, outside), (outside, near), (last, outside), (outside, last)}
        return None, any(self._takes(h, w) for h, w in sorted(pairs))

    def _takes(self, h: int, w: int) -> bool:
        try:
            found = self.model.plain(self.sizes(h, w))
        except Failure as failure:
            return failure.is_of_memory
        return not any(0 in shape for shape in outs(found))

    def _slices(self, alike: SizeSet) -> Slices:
        """Return the sizes of the first axis that go with some sizes of the second."""
        start = time.process_time()
        found: Slices = {}
        near = alike.previous(self.model.typical) or alike.next(1)
        starts = SIZES if near is None else (near,)
        partners: list[int] = []
        for h in starts:
            with contextlib.suppress(LookupError, Failure, ValueError):
                partners += _some(self.along(partial(self.sizes, h)))
            if partners:
                break
        if near is None:
            wanted = [*partners, *(h * factor for h in starts for factor in (2, 4))]
        else:  # first those that tell most
            first = alike.minimum or near
            above = alike.next(near + 1) or near
            wanted = [near, 2 * near, near // 2, first, above, near + 1, near + 7]
            wanted += [*partners, 4 * near]
        lost = 0
        for w in dict.fromkeys(wanted):
            if lost == MOST_LOST or time.process_time() - start > SECONDS:
                break
            try:
                if w >= 1:
                    found[w] = self.along(partial(self.sizes, w=w))
            except (LookupError, Failure, ValueError):
                lost += 1
        return found

    # The forms.

    def _forms(self, slices: Slices, alike: SizeSet) -> Iterator[str | None]:
        filled = {w: line for w, line in slices.items() if line.minimum is not None}
        if alike.minimum is None and len(filled) == 1:
            (w, line), *_ = filled.items()
            yield f"with {self.w} = {w}, {self.h} is in {line}; nothing else is known to be taken"
        yield self._line(slices)
        for broadcast in (False, True):
            end = f", or one of {self.h} and {self.w} is 1" if broadcast else ""
            for told, related in self._relations(slices):
                if self._as_predicted(slices, alike, related, broadcast):
                    yield told + end
        yield self._product(filled, alike)

    def _relations(self, slices: Slices) -> Iterator[tuple[str, Callable[[int], Function]]]:
        """Yield what may hold between equal sizes and others: in words, and as a function."""
        own = Function.identity()
        h, w = self.h, self.w
        yield f"{h} == {w}", own.equals
        yield f"{h} >= {w}", own.at_least
        yield f"{h} <= {w}", lambda size: (-own).at_least(-size)

        def same_remainder(m: int, size: int) -> Function:
            return (own % m).equals(size % m)

        def same_window(s: int, up: int, size: int) -> Function:
            return ((own + up) // s).equals((size + up) // s)

        moduli = {line.modulus for line in slices.values() if not line.is_finite}
        divisors = {one for most in moduli for one in range(2, most + 1) if most % one == 0}
        for m in sorted(divisors):
            told = f"{h} and {w} leave the same remainder by {m}"
            yield told, partial(same_remainder, m)
        for s in _runs(line for line in slices.values() if line.is_finite):
            for up, name in ((0, "floor"), (s - 1, "ceil")):
                told = f"{name}({h} / {s}) == {name}({w} / {s})"
                yield told, partial(same_window, s, up)

    def _line(self, slices: Slices) -> str | None:
        """Return H as a linear function of W, where there is one H for every W."""
        points = [(w, line.minimum) for w, line in slices.items() if _is_single(line)]
        if any(line.minimum is not None and not _is_single(line) for line in slices.values()):
            return None
        if len(points) < ENOUGH:
            return None
        (w, h), (v, g) = points[:2]
        assert h is not None
        assert g is not None
        slope = Fraction(g - h, v - w)
        shift = h - slope * w
        if slope == 0 or any(slope * w + shift != h for w, h in points):
            return None
        for w, line in slices.items():  # an empty slice has no whole partner, or is refused itself
            partner = slope * w + shift
            if line.minimum is None and partner.denominator == 1 and partner >= 1:
                h = int(partner)
                if self._takes(h, w):
                    return None
        return self._equation(slope, shift)

    def _equation(self, slope: Fraction, shift: Fraction) -> str:
        """Return H == slope W + shift, without fractions."""
        h, w = self.h, self.w
        if slope == -1:
            return f"{h} + {w} == {shift}"
        p, q = slope.numerator, slope.denominator
        if shift == 0 and slope == 1:
            return f"{h} == {w}"
        if shift == 0 and p == 1:
            return f"{w} == {q} * {h}"
        left = h if q == 1 else f"{q} * {h}"
        right = w if p == 1 else f"{p} * {w}"
        rest = shift * q
        sign = f" {'+' if rest > 0 else '-'} {abs(rest)}" if rest else ""
        return f"{left} == {right}{sign}"

    def _as_predicted(
        self,
        slices: Slices,
        alike: SizeSet,
        related: Callable[[int], Function],
        broadcast: bool,
    ) -> bool:
        """Tell whether a slice holds what is taken alike and stands in a relation to its size.

        Where maps are broadcast, 1 goes with every size.
        """
        filled = 0
        for w, line in slices.items():
            held = Function.constant(0)
            if w in alike:
                held = related(w)
                if broadcast:
                    one = Function.constant(1) if w == 1 else Function.identity().equals(1)
                    held = held.either(one)
                held = alike.mask.both(held)
            if SizeSet(held) != line:
                return False
            filled += line.minimum is not None
        return filled >= ENOUGH

    def _product(self, filled: Slices, alike: SizeSet) -> str | None:
        """Return the values that the product of both has, in windows of s pixels."""
        if not filled or not all(line.is_finite for line in (alike, *filled.values())):
            return None
        if alike.minimum is None:
            products = {w * h for w, line in filled.items() for h in line.from_to(1)}
            if len(filled) >= ENOUGH and len(products) == 1:
                return f"{self.h} * {self.w} == {products.pop()}"
            return None
        if len(filled) < ENOUGH:
            return None
        for s in _runs(filled.values()):
            for up, name in ((0, "floor"), (s - 1, "ceil")):
                values = {((n + up) // s) ** 2 for n in alike.from_to(1)}
                fits = all(
                    set(line.from_to(1)) == _with_cells(values, (w + up) // s, s, up)
                    for w, line in filled.items()
                )
                if fits:
                    h, w = (f"{name}({one} / {s})" if s > 1 else one for one in (self.h, self.w))
                    return f"{h} * {w} == {' or '.join(map(str, sorted(values)))}"
        return None

    def _as_slices(self, slices: Slices, refused: tuple[int, int] | None) -> str | None:
        """Say what is known where no form fits."""
        lines: dict[SizeSet, int] = {}
        for w, line in slices.items():
            if line.minimum is not None:
                lines.setdefault(line, w)  # of equal ones the first
        filled = [(w, line) for line, w in lines.items()]
        parts = [f"with {self.w} = {w}, {self.h} is in {line}" for w, line in filled[:3]]
        if refused is not None:
            h, w = refused
            parts.append(f"{self.h} = {h} with {self.w} = {w} is refused")
        if not parts:
            return None
        together = f"{self.h} and {self.w} hang together: " if refused or _differ(slices) else ""
        return together + "; ".join(parts)


def _with_cells(values: set[int], cells: int, s: int, up: int) -> set[int]:
    """Return the sizes whose number of cells of s pixels, times this one, is one of the values."""
    firsts = [value // cells * s - up for value in values if cells and value % cells == 0]
    return {n for first in firsts for n in range(first, first + s) if n >= 1}


def _is_single(sizes: SizeSet) -> bool:
    least = sizes.minimum
    return least is not None and sizes.is_finite and sizes.next(least + 1) is None


def _differ(slices: Slices) -> bool:
    """Tell whether slices differ other than by being empty."""
    filled = [line for line in slices.values() if line.minimum is not None]
    return any(line != filled[0] for line in filled[1:])


def _some(line: SizeSet) -> list[int]:
    """Return some sizes of a set: the first ones, and a large one."""
    found = [n for n, _ in zip(line.from_to(1), range(4), strict=False)]
    large = line.next(300)
    return [*found, *([large] if large is not None else [])]


def _runs(lines: Iterable[SizeSet]) -> list[int]:
    """Return how many sizes in a row a finite slice holds, and 1."""
    found = {1}
    for line in lines:
        sizes = list(line.from_to(1))
        for start in sizes:
            if start - 1 not in line:
                stop = start
                while stop in line:
                    stop += 1
                found.add(stop - start)
    return sorted(found, key=lambda run: (run == 1, run)) if found != {1} else [1]
