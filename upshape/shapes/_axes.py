"""Questions about several axes at once: one size an axis, such as a height and a width."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

from ._size import whole_number

__all__ = ["joined", "nearest", "nearest_below", "padded", "reaching", "several"]

TRIED = 8  # sizes an axis from which the nearest are combined, where the axes hang together


def several(sizes: Any) -> bool:
    """Tell whether this is one size an axis."""
    return isinstance(sizes, tuple | list)


def checked(answer: Any, sizes: Any, what: str) -> tuple[int, ...]:
    """Return one size an axis as ints, or refuse them."""
    if answer._trace.axis is not None:
        raise ValueError(
            f"{what}: this is the answer for one axis; solve the network without axis= to ask for "
            f"sizes such as {tuple(sizes)!r}"
        )
    rank = answer._rank
    if not sizes or (rank is not None and len(sizes) != rank):
        wanted = "one size an axis" if rank is None else f"{rank} sizes, one an axis"
        raise ValueError(f"{what}: {wanted} expected, got {tuple(sizes)!r}")
    numbers = tuple(whole_number(size, f"{what}: a size", "an int") for size in sizes)
    if min(numbers) < 1:
        raise ValueError(f"{what}: sizes must be at least 1, got {numbers}")
    return numbers


def nearest(answer: Any, sizes: Any, what: str = "Answer.next") -> tuple[int, ...] | None:
    """Return sizes that are taken and at least these, with as few pixels more as possible.

    Each axis has its own smallest; where those do not go together, equal sizes, combinations of the
    next ones and what goes with the wanted size of another axis are tried. None if nothing is
    found.
    """
    wanted = checked(answer, sizes, what)
    rows = [
        list(itertools.islice(own.from_to(size), TRIED))
        for own, size in zip(_of_axes(answer, wanted), wanted, strict=True)
    ]
    equal = list(itertools.islice(answer._sizes.from_to(max(wanted)), TRIED))
    found = _combined(answer, wanted, rows, equal)
    partners = list(answer._partners(wanted)) if found is None or _far(wanted, found) else []
    if found is not None:
        partners.append(found)
    return min(partners, key=lambda one: _far(wanted, one), default=None)


def _far(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum(abs(size - n) for size, n in zip(one, other, strict=True))


def nearest_below(answer: Any, sizes: Any) -> tuple[int, ...] | None:
    """Return sizes that are taken and at most these, with as few pixels less as possible."""
    wanted = checked(answer, sizes, "Answer.previous")
    rows = [
        list(itertools.islice(_downwards(own, size), TRIED))
        for own, size in zip(_of_axes(answer, wanted), wanted, strict=True)
    ]
    equal = list(itertools.islice(_downwards(answer._sizes, min(wanted)), TRIED))
    return _combined(answer, wanted, rows, equal)


def _of_axes(answer: Any, sizes: tuple[int, ...]) -> list[Any]:
    """Return the sizes of each axis alone; those of all alike where they cannot be followed."""
    found = []
    for place in range(len(sizes)):
        try:
            found.append(answer._of_axis(place)._sizes)
        except ValueError:
            found.append(answer._sizes)
    return found


def _downwards(sizes: Any, n: int) -> Iterator[int]:
    """Yield the sizes of a set that are at most n, largest first."""
    found = sizes.previous(n)
    while found is not None:
        yield found
        found = sizes.previous(found - 1) if found > 1 else None


def _combined(
    answer: Any, wanted: tuple[int, ...], rows: list[list[int]], equal: list[int]
) -> tuple[int, ...] | None:
    """Return the sizes nearest to the wanted ones that are taken: equal ones or one of each row."""
    far = partial(_far, wanted)
    if answer._takes(wanted):
        return wanted
    found: list[tuple[int, ...]] = [(size,) * len(wanted) for size in equal]
    if all(rows):
        first = tuple(row[0] for row in rows)
        found = [*(one for one in found if far(one) < far(first)), first]
    taken = next((one for one in found if answer._takes(one)), None)
    if taken is not None:
        return taken
    mixed = sorted(itertools.product(*rows), key=lambda one: (far(one), one))
    alike = [(size,) * len(wanted) for size in equal]
    return next((one for one in (*mixed, *alike) if answer._takes(one)), None)


def padded(answer: Any, sizes: Any) -> tuple[int, ...]:
    """Return how many pixels to add to each axis."""
    found = nearest(answer, sizes, "Answer.padding")
    if found is None:
        raise ValueError(
            f"Answer.padding: found no sizes from {tuple(sizes)} on that {answer._name} takes"
        )
    return tuple(big - size for big, size in zip(found, sizes, strict=True))


def reaching(answer: Any, sizes: Any) -> tuple[int, ...] | None:
    """Return the smallest sizes whose outputs are at least these, one an axis."""
    wanted = checked(answer, sizes, "Answer.at_least")
    found = [answer._of_axis(place).at_least(size) for place, size in enumerate(wanted)]
    if None in found:
        return None
    return nearest(answer, tuple(found))


def joined(outputs: list[Any]) -> Any:
    """Return results of single axes as one result, with one size an axis in every place."""
    first = outputs[0]
    if isinstance(first, dict):
        return {key: joined([one[key] for one in outputs]) for key in first}
    if isinstance(first, tuple | list):
        entries = [joined([one[place] for one in outputs]) for place in range(len(first))]
        return tuple(entries) if isinstance(first, tuple) else entries
    return tuple(outputs)
