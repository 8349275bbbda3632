"""A PyTorch model that takes every size: inputs are padded to one it takes, outputs cropped."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
import torch.nn.functional as F

from ._solve import Answer, _leaves, solve

__all__ = ["AutoPad"]

MODES = ("constant", "reflect", "replicate", "circular")
SIDES = ("end", "begin", "both")


class AutoPad(torch.nn.Module):
    """Run a model on inputs of any size: pad to the next size that it takes, crop what it makes.

    Parameters
    ----------
    module : torch.nn.Module
        The model. Its inputs are feature maps (N, C, ...).
    answer : Answer, or sequence of one an axis, optional
        The sizes that it takes, for all axes or for each; asked of `solve` unless given.
    mode : {"constant", "reflect", "replicate", "circular"}
        How to pad, as of ``torch.nn.functional.pad``. What is reflected or repeated is taken from
        the padded input where the input itself is too small.
    side : {"end", "begin", "both"}
        Where to pad. With ``"both"`` the smaller half comes first, and is a whole number of output
        pixels.
    value : float
        What to pad with, if the mode is constant.

    Notes
    -----
    A feature map that comes out is cropped to where the input lies on it. If the output has q
    pixels an input pixel (1/8, 1, 2, ...; from the answer), then `before` padded pixels are
    ``q * before`` of them, and of an output of size o for the padded size N,
    ``o - floor(q * (N - n))`` belong to the input of size n. Outputs without spatial axes are left
    as they are. What is padded takes part in the computation: pixels near it differ from those of a
    larger picture, and a mean over the whole map counts it.

    Examples
    --------
    ::

        model = shapes.AutoPad(unet, mode="reflect")
        model(torch.zeros(1, 3, 600, 801)).shape        # (1, 21, 600, 801)
    """

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
        self._answers: list[Answer] | None = None
        if isinstance(answer, Answer):
            self._answers = [answer]
        elif answer is not None:
            self._answers = list(answer)

    def extra_repr(self) -> str:
        """Return what repr shows of the parameters."""
        return f"mode={self.mode!r}, side={self.side!r}"

    def answers(self, axes: int) -> list[Answer]:
        """Return the sizes that the model takes, one answer an axis."""
        if self._answers is None:
            self._answers = [solve(self.module, axis=axis) for axis in range(axes)]
        if len(self._answers) == 1:
            return self._answers * axes
        if len(self._answers) != axes:
            raise ValueError(
                f"AutoPad: the input has {axes} spatial axes, got {len(self._answers)} answers"
            )
        return self._answers

    def padding(self, sizes: Sequence[int]) -> list[tuple[int, int]]:
        """Return what is padded before and after each axis of an input of these sizes."""
        found = []
        for answer, n in zip(self.answers(len(sizes)), sizes, strict=True):
            total = answer.padding(int(n))
            if self.side != "both":
                found.append((0, total) if self.side == "end" else (total, 0))
                continue
            whole = 1
            for rate in _rates(answer):
                whole = max(whole, rate.denominator)
            before = total // 2 // whole * whole
            found.append((before, total - before))
        return found

    def forward(self, x: torch.Tensor) -> Any:
        """Pad, run and crop."""
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
