"""A PyTorch model that takes every size: inputs are padded to one it takes, outputs cropped."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
import torch.nn.functional as F

from ._answer import Answer
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
        self.value = float(value)
        self._given = answer
        self._axes: dict[int, list[Answer]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # The answer of a model runs the model; a copy asks its own.
        given = self._given
        models = [given] if isinstance(given, Answer) else list(given or ())
        kept = None if any(hasattr(one, "_network") for one in models) else given
        return {**self.__dict__, "_given": kept, "_axes": {}}

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
        for own, total in zip(answers, totals, strict=True):
            if self.side != "both":
                found.append((0, total) if self.side == "end" else (total, 0))
                continue
            whole = max([1, *(rate.denominator for rate in _rates(own))])
            before = total // 2 // whole * whole
            found.append((before, total - before))
        return found

    def forward(self, x: torch.Tensor) -> Any:
        """Pad, run and crop."""
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
        made = self.module(self._padded(x, pads))
        if padded == sizes:
            return made
        rates = [_rates(answer) for answer in self.answers(len(sizes))]
        place = iter(range(1 << 30))

        def cropped(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                number = next(place)
                return self._cropped(value, number, sizes, pads, rates)
            if isinstance(value, dict):
                return type(value)(**{key: cropped(one) for key, one in value.items()})
            if isinstance(value, tuple) and hasattr(value, "_fields"):
                return type(value)(*map(cropped, value))
            if isinstance(value, tuple | list):
                return type(value)(map(cropped, value))
            return value

        return cropped(made)

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
        rates: list[list[Fraction]],
    ) -> torch.Tensor:
        axes = len(sizes)
        if value.ndim != axes + 2:
            return value
        for axis, (own, (before, after)) in enumerate(zip(rates, pads, strict=True)):
            rate = own[number] if number < len(own) else own[-1]
            size = int(value.shape[2 + axis])
            start = rate * before
            if start.denominator != 1:
                raise ValueError(
                    f"AutoPad: padding {before} pixels before axis {axis} shifts the output by "
                    f"{start} pixels; use side='end' or 'both'"
                )
            length = size - int(rate * (before + after) // 1)
            if rate == 0:
                continue
            if length < 1:
                raise ValueError(
                    f"AutoPad: axis {axis} of size {sizes[axis]} leaves nothing of an output of "
                    f"{size}; the input is too small"
                )
            value = value.narrow(2 + axis, int(start), length)
        return value


def _repeated(x: torch.Tensor, axis: int, before: int, after: int) -> torch.Tensor:
    return torch.cat([x] * (before + 1 + after), axis)


def _rates(answer: Answer) -> list[Fraction]:
    """Return how many pixels of each output there are an input pixel, at last."""
    found = []
    for leaf in _leaves(answer._result):
        function = getattr(leaf, "function", None)
        tail = getattr(function, "tail", None)
        if function is None:
            found.append(Fraction(0))
        elif tail is None:
            raise ValueError("AutoPad: an output's size does not grow in proportion to the input's")
        else:
            found.append(Fraction(tail.rise, tail.period))
    return found
