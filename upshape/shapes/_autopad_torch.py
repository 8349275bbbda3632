"""A PyTorch model that takes every size: inputs are padded to one it takes, outputs cropped."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch
import torch.nn.functional as F

from ._answer import Answer
from ._outcome import Out, outs, within
from ._path import Value
from ._reading import TorchAnswer
from ._results import _leaves
from ._solve import solve

__all__ = ["AutoPad"]

MODES = ("constant", "reflect", "replicate", "circular")
SIDES = ("end", "begin", "both")


class AutoPad(torch.nn.Module):
    """Run a model on inputs of any size: the module that `upshape.shapes.AutoPad` makes."""

    def __init__(
        self,
        module: torch.nn.Module,
        answer: Answer | Sequence[Answer] | None = None,
        *,
        mode: str = "constant",
        side: str = "end",
        value: float = 0.0,
    ) -> None:
        super().__init__()
        if not isinstance(module, torch.nn.Module):
            raise TypeError(f"AutoPad: module must be a torch.nn.Module, got {module!r}")
        if mode not in MODES:
            raise ValueError(f"AutoPad: mode must be one of {', '.join(MODES)}, got {mode!r}")
        if side not in SIDES:
            raise ValueError(f"AutoPad: side must be one of {', '.join(SIDES)}, got {side!r}")
        self.module = module
        self.mode = mode
        self.side = side
        if isinstance(value, str) or not hasattr(value, "__float__"):
            raise TypeError(f"AutoPad: value must be a number, got {value!r}")
        self.value = float(value)
        if answer is not None:
            several = [answer] if isinstance(answer, Answer) else answer
            if not isinstance(several, Sequence) or not _are_answers(several):
                raise TypeError(
                    "AutoPad: answer must be what solve returns, or a list of one an axis, got "
                    f"{answer!r}"
                )
        self._given = answer
        self._axes: dict[int, list[Answer]] = {}
        self._rates: dict[int, list[list[dict[int, Fraction]]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # The answer of a model runs the model; a copy asks its own.
        given = self._given
        models = [given] if isinstance(given, Answer) else list(given or ())
        kept = None if any(hasattr(one, "_network") for one in models) else given
        return {**self.__dict__, "_given": kept, "_axes": {}, "_rates": {}}

    def extra_repr(self) -> str:
        """Return what repr shows of the parameters."""
        return f"mode={self.mode!r}, side={self.side!r}"

    def answer(self) -> Answer | list[Answer]:
        """Return the sizes that the model takes: for all axes together, or one answer an axis."""
        if self._given is None:
            self._given = solve(self.module)
        return self._given if isinstance(self._given, Answer) else list(self._given)

    def answers(self, axes: int) -> list[Answer]:
        """Return the sizes that the model takes, one answer an axis."""
        if axes not in self._axes:
            given = self.answer()
            if isinstance(given, Answer):
                given = [given._of_axis(axis) for axis in range(axes)]
            if len(given) != axes:
                raise ValueError(
                    f"AutoPad: the input has {axes} spatial axes, got {len(given)} answers"
                )
            self._axes[axes] = given
        return self._axes[axes]

    def padding(self, sizes: Sequence[int]) -> list[tuple[int, int]]:
        """Return what is padded before and after each axis of an input of these sizes."""
        answer = self.answer()
        answers = self.answers(len(sizes))
        if isinstance(answer, Answer):
            totals = answer.padding(tuple(int(n) for n in sizes))
        else:
            totals = [one.padding(int(n)) for one, n in zip(answers, sizes, strict=True)]
        found = []
        for own, total in zip(self.rates(len(sizes)), totals, strict=True):
            if self.side != "both":
                found.append((0, total) if self.side == "end" else (total, 0))
                continue
            whole = math.lcm(*(rate.denominator for rates in own for rate in rates.values()))
            before = total // 2 // whole * whole
            found.append((before, total - before))
        return found

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Pad, run and crop."""
        x = next(within((inputs, named), torch.Tensor), None)
        if x is None:
            raise TypeError("AutoPad: no feature map among the inputs")
        given = self.answer()
        rank = given._rank if isinstance(given, Answer) else len(given)
        if x.ndim < 3 or (rank is not None and x.ndim != rank + 2):
            shape = "(N, C, *spatial)" if rank is None else f"(N, C, and {rank} spatial axes)"
            raise ValueError(
                f"AutoPad: the input must have the shape {shape}, got {tuple(x.shape)}; a single "
                "image is given as x[None]"
            )
        sizes = [int(n) for n in x.shape[2:]]
        pads = self.padding(sizes)
        padded = [n + before + after for n, (before, after) in zip(sizes, pads, strict=True)]
        if padded == sizes:
            return self.module(*inputs, **named)

        def grown(value: Any) -> Any:
            alike = isinstance(value, torch.Tensor) and list(value.shape[2:]) == sizes
            return self._padded(value, pads) if alike else value

        made = self.module(*_mapped(inputs, grown), **_mapped(named, grown))
        place = itertools.count()
        rates = self.rates(len(sizes))

        def cropped(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return self._cropped(value, next(place), sizes, pads, rates)
            if isinstance(value, int) and not isinstance(value, bool):
                next(place)  # a number is an output, too
            return value

        return _mapped(made, cropped)

    def rates(self, axes: int) -> list[list[dict[int, Fraction]]]:
        """Return how many pixels an input pixel makes, by input axis, output and output axis."""
        if axes not in self._rates:
            answers = self.answers(axes)
            found = [_rates(own, axis, axes) for axis, own in enumerate(answers)]
            self._rates[axes] = _of_one_axis(found)
        return self._rates[axes]

    def _padded(self, x: torch.Tensor, pads: list[tuple[int, int]]) -> torch.Tensor:
        left = [list(pair) for pair in pads]
        while any(map(any, left)):
            now = []
            for axis, pair in enumerate(left):
                size = x.shape[2 + axis]
                most = {"reflect": size - 1, "circular": size}.get(self.mode, sum(pair))
                if self.mode == "reflect" and size == 1:
                    most = 0  # one pixel has nothing to be reflected: it is repeated
                    x = _repeated(x, 2 + axis, *pair)
                    pair[:] = [0, 0]
                now.append([min(side, most) for side in pair])
            for pair, done in zip(left, now, strict=True):
                pair[:] = [side - one for side, one in zip(pair, done, strict=True)]
            flat = [side for pair in reversed(now) for side in pair]
            if any(flat):
                value = self.value if self.mode == "constant" else None
                x = F.pad(x, flat, mode=self.mode, value=value)
        return x

    def _cropped(
        self,
        value: torch.Tensor,
        number: int,
        sizes: list[int],
        pads: list[tuple[int, int]],
        rates: list[list[dict[int, Fraction]]],
    ) -> torch.Tensor:
        for axis, (own, (before, after)) in enumerate(zip(rates, pads, strict=True)):
            of_output = own[min(number, len(own) - 1)] if own else {}
            for place, rate in of_output.items():
                if place >= value.ndim or not before + after:
                    continue
                size = int(value.shape[place])
                start = rate * before
                if start.denominator != 1:
                    raise ValueError(
                        f"AutoPad: padding {before} pixels before axis {axis} shifts the output by "
                        f"{start} pixels; use side='end' or 'both'"
                    )
                length = size - int(rate * (before + after) // 1)
                if length < 1:
                    raise ValueError(
                        f"AutoPad: axis {axis} of size {sizes[axis]} leaves nothing of an output "
                        f"of {size}; the input is too small"
                    )
                value = value.narrow(place, int(start), length)
        return value


def _are_answers(things: Sequence[Any]) -> bool:
    return bool(things) and all(isinstance(one, Answer) for one in things)


def _mapped(value: Any, action: Callable[[Any], Any]) -> Any:
    """Apply `action` to whatever is inside of tuples, lists, dicts and dataclasses."""
    if isinstance(value, Mapping):
        made: Any = copy.copy(value)
        for key, one in value.items():
            made[key] = _mapped(one, action)
        return made
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_mapped(one, action) for one in value))
    if isinstance(value, tuple | list):
        return type(value)([_mapped(one, action) for one in value])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = copy.copy(value)
        for field in dataclasses.fields(value):
            one = _mapped(getattr(value, field.name), action)
            object.__setattr__(changed, field.name, one)
        return changed
    return action(value)


def _repeated(x: torch.Tensor, axis: int, before: int, after: int) -> torch.Tensor:
    return torch.cat([x] * (before + 1 + after), axis)


def _rates(own: Answer, axis: int, axes: int) -> list[dict[int, Fraction]]:
    """Return for each output how many pixels of which of its axes an input pixel makes."""
    if not isinstance(own, TorchAnswer):
        return [{2 + axis: rate} for rate in _of_leaves(own)]
    found = _growing(own)
    if found is not None:
        return found
    # The axis cannot grow alone: where all grow, an output has them in the same order.
    alike = own._network._solved(None)
    found = _growing(alike) or _between_two(alike)
    if found is None:
        n = alike.minimum
        shapes = [] if n is None else _shapes(alike, n)
        return [
            {2 + axis: Fraction(shape[2 + axis], n)} if len(shape) == axes + 2 else {}
            for shape in shapes
        ]
    orders = [sorted(rates.items()) for rates in found]
    return [dict([order[axis]]) if len(order) == axes else {} for order in orders]


def _of_one_axis(rates: list[list[dict[int, Fraction]]]) -> list[list[dict[int, Fraction]]]:
    """Return the rates without output axes that grow with several axes, such as tokens."""
    outputs = min(map(len, rates), default=0)
    counts = [Counter(place for own in rates for place in own[n]) for n in range(outputs)]
    return [
        [
            {place: rate for place, rate in own[n].items() if counts[n][place] == 1}
            for n in range(outputs)
        ]
        for own in rates
    ]


def _growing(answer: TorchAnswer) -> list[dict[int, Fraction]] | None:
    """Return the rates at which outputs grow for ever, None if only finitely many sizes do."""
    for sizes, shapes in answer._ways:
        if not sizes.is_finite:
            return [_slopes(shape) for shape in outs(shapes)]
    return None


def _slopes(shape: Out) -> dict[int, Fraction]:
    """Return the axes of a shape that grow in proportion to the input, and how fast."""
    found = {}
    for place, size in enumerate(shape):
        rows: Any = size.rows() if isinstance(size, Value) else ()
        if len(rows) == 2 and len(set(rows[1].tolist())) == 1 and rows[1][0]:
            found[place] = Fraction(int(rows[1][0]), size.over)
    return found


def _between_two(answer: TorchAnswer) -> list[dict[int, Fraction]] | None:
    """Return the rates between the smallest and the largest size, None if there is but one."""
    low, high = answer.minimum, answer.previous(answer.threshold + 1)
    if low is None or high is None or low == high:
        return None
    pairs = zip(_shapes(answer, low), _shapes(answer, high), strict=True)
    return [
        {
            place: Fraction(b - a, high - low)
            for place, (a, b) in enumerate(zip(one, two, strict=True))
            if a != b
        }
        for one, two in pairs
    ]


def _shapes(answer: TorchAnswer, n: int) -> list[tuple[int, ...]]:
    """Return the shapes of all outputs."""
    for sizes, shapes in answer._ways:
        if n in sizes:
            return [
                tuple(one.at(n) if isinstance(one, Value) else one for one in shape)
                for shape in outs(shapes)
            ]
    raise AssertionError(f"{n} is one of the sizes that are taken")


def _of_leaves(answer: Answer) -> list[Fraction]:
    """Return how many pixels of each output there are an input pixel, at last."""
    found = []
    for leaf in _leaves(answer._result):
        function = getattr(leaf, "function", None)
        tail = getattr(function, "tail", None)
        found.append(Fraction(0) if tail is None else Fraction(tail.rise, tail.period))
    return found
