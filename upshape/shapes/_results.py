"""What a network returns: the sizes in it, their values, and expressions that fit them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._expression import Expression
from ._quasilinear import LIMIT, Function, SizeSet
from ._size import Size, Step, whole_number

__all__: list[str] = []


def _mapped(result: Any, action: Callable[[Any], Any]) -> Any:
    """Apply `action` to every size of a result."""
    if isinstance(result, dict):
        return {key: _mapped(value, action) for key, value in result.items()}
    if isinstance(result, tuple | list):
        entries = [_mapped(value, action) for value in result]
        return tuple(entries) if isinstance(result, tuple) else entries
    return action(result)


def _leaves(result: Any) -> Iterator[Any]:
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, tuple | list):
        for value in result:
            yield from _leaves(value)
    else:
        yield result


def _input_size(n: Any, what: str) -> int:
    if isinstance(n, Size):
        raise TypeError(f"{what}: the size must be an int, got a traced Size")
    number = whole_number(n, f"{what}: the size", "an int")
    if number < 1:
        raise ValueError(f"{what}: the size must be at least 1, got {number}")
    return number


def _function(leaf: Any) -> Function:
    return leaf.function if isinstance(leaf, Step) else Function.of(leaf)


def _at(arg: Any, n: int) -> int:
    return arg.function.at(n) if isinstance(arg, Step) else int(arg)


def _listed(values: list[int]) -> str:
    return ", ".join(map(str, values[:-1])) + f" and {values[-1]}"


def _fitted(function: Function, sizes: SizeSet) -> Expression | None:
    """Return (P i + B) / Q, or floor((P i + B) / Q), if a function is that on a set of sizes.

    P / Q is the function's slope. h = Q f - P i repeats with the period, so one period of every
    stretch shows whether h is one number, or keeps within Q consecutive ones.
    """
    tail = function.tail
    divisor = math.gcd(tail.rise, tail.period)
    slope, run = tail.rise // divisor, tail.period // divisor
    spread: list[int] = []
    found: list[int] = []
    cuts: list[Any] = sorted({*function.starts, *sizes.mask.starts})
    for start, stop in zip(cuts, [*cuts[1:], None], strict=True):
        line, mask = function.line_at(start), sizes.mask.line_at(start)
        if not mask.offsets.any():
            continue
        count = math.lcm(line.period, mask.period)
        level = line.rise * run == slope * line.period
        if stop is not None and stop - start <= (count if level else LIMIT):
            count = stop - start
        elif line.rise * run != slope * line.period:
            return None
        if count > LIMIT:
            return None
        taken = np.flatnonzero(mask.over(start, count))
        values = line.over(start, count)[taken]
        if max(abs(run), abs(slope)) * (line.over_bound(start, count) + start + count) >= 2**62:
            values, taken = values.astype(object), taken.astype(object)
        if len(taken):
            shift = values * run - (taken + start) * slope
            spread += [int(shift.min()), int(shift.max())]
            found += [int(values.min()), int(values.max())]
            if stop is None or stop - start > count:
                found += [] if slope == 0 else [found[-1] + 1]  # it goes on
    if not spread:
        return None
    low, high = min(spread), max(spread)
    if low == high:
        return Expression.fraction(slope, low, run, floored=False)
    if min(found) == max(found):
        return Expression.of(found[0])
    if high > low + run - 1:
        return _stepped(function, sizes)
    constant = min(max(0, high), low + run - 1)
    return Expression.fraction(slope, constant, run, floored=True)


def _stepped(function: Function, sizes: SizeSet) -> Expression | None:
    """Return R floor((i + b) / M) + d, if a function is that on a set of sizes."""
    tail = function.tail
    if not sizes.residues or tail.rise == 0 or tail.period > LIMIT // 8:
        return None
    start = -(-max(sizes.threshold, function.starts[-1]) // tail.period) * tail.period
    taken = list(sizes.from_to(start, start + tail.period))
    if not taken:
        return None
    offsets = [tail.at(n) - tail.rise * (n // tail.period) for n in taken]
    d = min(offsets)
    jumps = [n for n, offset in zip(taken, offsets, strict=True) if offset > d]
    b = start + tail.period - jumps[0] if jumps else 0
    line = (Function.identity() + b) // tail.period * tail.rise + d
    if not sizes.is_subset_of(SizeSet(line.equals(function))):
        return None
    return (Expression.identity() + b) // tail.period * tail.rise + d
