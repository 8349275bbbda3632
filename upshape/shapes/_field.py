"""What an output pixel of a network sees of the input, and where it lies on it.

Both are pulled back through the recorded steps, from an output's positions to the input's: a window
of positions by exact functions of the output position, and the output's place by the centres of the
kernels.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from ._quasilinear import Function
from ._size import Step

__all__ = ["Field", "field_of"]


class Field(NamedTuple):
    """What the pixels of an output see of the input, away from the borders.

    Attributes
    ----------
    size : int
        The receptive field: how many input positions, from the first to the last, a pixel depends
        on; the most that any does.
    stride : Fraction
        How many input positions lie between two output pixels.
    offset : Fraction or None
        Where the centre of the output's pixel 0 lies, in input pixels (the centre of pixel 0 is
        0); None if branches that meet have their pixels at different places.
    misaligned : tuple of str, or None
        The joins at which they do, and by how much; None for a model that is run: there `offset` is
        the middle of what a pixel sees, and joins are not looked at.
    """

    size: int
    stride: Fraction
    offset: Fraction | None
    misaligned: tuple[str, ...] | None


class Place(NamedTuple):
    """Where pixels lie: pixel j at stride * j + offset."""

    stride: Fraction
    offset: Fraction


def field_of(steps: list[Step], output: Step) -> Field:
    """Return what an output's pixels see of the input."""
    windows = _windows(steps, output)
    places, told = _places(steps[: output.number + 1])
    place = places.get(output)
    needed = _behind(output)
    misaligned = tuple(text for step, text in told if step in needed)
    first, last = windows
    stride = Fraction(first.tail.rise, first.tail.period)
    width = last - first
    size = max(width.tail.at(residue) for residue in range(width.tail.period)) + 1
    return Field(
        int(size),
        stride if place is None else place.stride,
        None if place is None or misaligned else place.offset,
        misaligned,
    )


def _behind(output: Step) -> set[Step]:
    from ._size import ancestors

    return ancestors([output])


def _windows(steps: list[Step], output: Step) -> tuple[Function, Function]:
    """Return the first and the last input position that output position n - 1 depends on."""
    position = Function.identity() - 1
    seen: dict[Step, tuple[Function, Function]] = {output: (position, position)}
    for step in reversed(steps[: output.number + 1]):
        if step not in seen or step.kind == "input":
            continue
        for parent, window in _sources(step, *seen[step]):
            if parent in seen:
                first, last = seen[parent]
                window = (first._min(window[0]), last._max(window[1]))
            seen[parent] = window
    if steps[0] not in seen:
        raise ValueError("Answer.receptive_field: the output does not depend on the input's pixels")
    return seen[steps[0]]


def _sources(
    step: Step, first: Function, last: Function
) -> list[tuple[Step, tuple[Function, Function]]]:
    """Return the windows that a window of a step's output takes of the maps before it."""
    if step.kind == "layer":
        if hasattr(step.layer, "expression"):
            raise TypeError(
                f"Answer.receptive_field: {step.told()} was read as a function of sizes, which "
                "does not say what becomes of the pixels"
            )
        parent = step.args[0]
        if not isinstance(parent, Step):
            return []
        return [(parent, _through(step.layer, step, first, last))]
    if step.is_join:
        return [(parent, (first, last)) for parent in step.parents]
    if step.kind in ("demand", "+", "-"):
        # A sum of a size and an int crops or pads: of which side nobody said, so the end.
        return [(parent, (first, last)) for parent in step.parents]
    raise TypeError(
        f"Answer.receptive_field: {step.told()} computes a size; it does not say what becomes of "
        "the pixels"
    )


def _through(layer: Any, step: Step, first: Function, last: Function) -> tuple[Function, Function]:
    if getattr(layer, "effective_kernel", None) is not None and hasattr(layer, "stride"):
        s, before, span = layer.stride, layer._before, layer.effective_kernel
        if hasattr(layer, "_smallest"):  # it goes up: x s + t d - p is the position
            return (first + before - span + s) // s, (last + before) // s
        return first * s - before, last * s - before + (span - 1)
    factor = _factor(layer, step)
    up, down = factor.numerator, factor.denominator
    # Half-pixel centres: (q + 1/2) / f - 1/2, and the pixels on both sides of it.
    low = ((2 * first + 1) * down - up) // (2 * up)
    high = -(-((2 * last + 1) * down - up) // (2 * up))
    return low, high


def _factor(layer: Any, step: Step) -> Fraction:
    """Return by how much an interpolation enlarges, at last."""
    if getattr(layer, "scale_factor", None) is not None:
        return Fraction(layer.exact_factor())
    parent = step.args[0]
    made, taken = step.function.tail, parent.function.tail
    if not made.rise or not taken.rise:
        raise TypeError(
            f"Answer.receptive_field: {step.told()} enlarges every size by another factor"
        )
    return Fraction(made.rise, made.period) / Fraction(taken.rise, taken.period)


def _places(steps: list[Step]) -> tuple[dict[Step, Place], list[tuple[Step, str]]]:
    """Return where the pixels of every step lie, and the joins where they differ."""
    places = {steps[0]: Place(Fraction(1), Fraction(0))}
    told: list[tuple[Step, str]] = []
    for step in steps[1:]:
        parents = [parent for parent in step.parents if parent in places]
        if step.kind == "layer" and isinstance(step.args[0], Step) and step.args[0] in places:
            places[step] = _placed(step.layer, step, places[step.args[0]])
        elif parents:
            own = [places[parent] for parent in parents]
            places[step] = own[0]
            if step.is_join and any(place != own[0] for place in own):
                told.append((step, f"{step.told()}: {_differ(own)}"))
    return places, told


def _placed(layer: Any, step: Step, place: Place) -> Place:
    """Return where the pixels lie after a layer: pixel q is at the source position a q + b."""
    if getattr(layer, "effective_kernel", None) is not None and hasattr(layer, "stride"):
        s = layer.stride
        centre = Fraction(layer.effective_kernel - 1, 2) - layer._before
        goes_up = hasattr(layer, "_smallest")
        a, b = (Fraction(1, s), -centre / s) if goes_up else (Fraction(s), centre)
    else:
        factor = _factor(layer, step)
        a, b = 1 / factor, (1 / factor - 1) / 2
    return Place(place.stride * a, place.offset + place.stride * b)


def _differ(places: list[Place]) -> str:
    if len({place.stride for place in places}) > 1:
        return "pixels are " + " and ".join(str(place.stride) for place in places) + " apart"
    shift = max(place.offset for place in places) - min(place.offset for place in places)
    return f"pixels lie {shift} input pixel{'' if shift == 1 else 's'} apart"
