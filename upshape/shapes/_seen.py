"""What the pixels of a PyTorch model's outputs see of its input, by running the model.

NaN is put on the first columns of the input, and the output's columns on which it arrives depend on
one of them: the first column that a pixel depends on is the one with which NaN begins to arrive. A
run is in double precision, which no fast convolution algorithm spreads over its tiles, with all
weights 0: NaN times 0 is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch

from ._field import Field
from ._outcome import Failure, outs, within
from ._results import _leaves, _mapped

__all__ = ["seen"]

SMALL = 64  # the size that is tried first
MOST = 2048  # a pixel that sees as many positions is taken to see all of them
SPAN = 64  # input positions over which output pixels are looked at: a period of most networks
BATCH = 16  # inputs that are run together


def seen(answer: Any) -> Any:
    """Return the field of every output, in the structure of the answer's."""
    runner = _Runner(answer)
    size = SMALL
    while True:
        taken = runner.along.next(size)
        if taken is None:
            raise ValueError(f"Answer.receptive_field: {answer._name} takes no large inputs")
        columns = runner.columns(taken)
        if columns is not None:
            break
        if taken > MOST:
            raise ValueError(
                f"Answer.receptive_field: a pixel of {answer._name} sees all of an input of {taken}"
            )
        size = 2 * taken
    fields = iter(columns)
    return _mapped(runner.along._result, lambda leaf: next(fields))


class _Runner:
    """Runs a model on inputs with NaN in some columns."""

    def __init__(self, answer: Any) -> None:
        model = answer._network._model
        self.name = answer._name
        self.model = model
        self.axis = model.rank - 1 if answer._axis is None else answer._axis
        self.along = answer if answer._axis is not None else answer._of_axis(self.axis)
        if any(getattr(leaf, "varies", False) for leaf in _leaves(self.along._result)):
            raise ValueError(
                f"Answer.receptive_field: {self.name} makes outputs of another number or of other "
                "axes for some sizes than for others"
            )
        self.rates = [_rate(leaf) for leaf in _leaves(self.along._result)]
        named = [*model.module.named_parameters(), *model.module.named_buffers()]
        self.state = {
            name: torch.zeros(one.shape, dtype=torch.float64)
            if one.is_floating_point()
            else torch.zeros(one.shape, dtype=one.dtype)
            for name, one in named
        }
        self.spatial: tuple[int, ...] = ()

    def columns(self, size: int) -> list[Field | None] | None:
        """Return the fields that an input of this size shows; None if it is too small."""
        self.spatial = self._spatial(size)
        clean = self._arrived([[0, 0]])
        if any(one.any() for one in clean):
            raise ValueError(
                f"Answer.receptive_field: {self.name} makes NaN of zeros, which hides what it sees"
            )
        middle = [None if rate == 0 else int(rate * (size - SPAN) / 2) for rate in self.rates]
        counts = [max(1, int(rate * SPAN)) for rate in self.rates]
        ends = zip(middle, counts, clean, strict=True)
        if any(start is not None and start + count > one.shape[1] for start, count, one in ends):
            return None
        # How far NaN must reach from the left, and from the right, to arrive in the middle.
        first = self._begin(size, middle, counts)
        found: list[Field | None] = []
        for rate, low, high in zip(self.rates, *first, strict=True):
            if rate == 0:
                found.append(None)
                continue
            if min(low) <= 0 or max(high) >= size - 1:
                return None
            stride = 1 / rate
            start = int(rate * (size - SPAN) / 2)
            centres = [
                Fraction(a + b, 2) - (start + place) * stride
                for place, (a, b) in enumerate(zip(low, high, strict=True))
            ]
            width = max(b - a + 1 for a, b in zip(low, high, strict=True))
            found.append(Field(width, stride, sum(centres, Fraction(0)) / len(centres), None))
        return found

    def _begin(
        self, size: int, middle: Sequence[int | None], counts: Sequence[int]
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Return the first and the last column that the middle pixels of each output see."""
        sides = []
        for left in (True, False):
            low = [[0] * count for count in counts]  # NaN so wide does not arrive
            high = [[size] * count for count in counts]  # NaN so wide does
            while True:
                widths = sorted(
                    {
                        (a + b) // 2
                        for one, two in zip(low, high, strict=True)
                        for a, b in zip(one, two, strict=True)
                        if b - a > 1
                    }
                )
                if not widths:
                    break
                widths = widths[:: max(1, len(widths) // BATCH)][:BATCH]
                spans = [[0, w] if left else [size - w, size] for w in widths]
                for number, arrived in enumerate(self._arrived(spans)):
                    start = middle[number]
                    if start is None:
                        high[number] = [one + 1 for one in low[number]]
                        continue
                    for width, row in zip(widths, arrived, strict=True):
                        for place in range(counts[number]):
                            if row[start + place]:
                                high[number][place] = min(high[number][place], width)
                            else:
                                low[number][place] = max(low[number][place], width)
            sides.append(high)
        return [[w - 1 for w in one] for one in sides[0]], [
            [size - w for w in one] for one in sides[1]
        ]

    def _arrived(self, spans: Sequence[Sequence[int]]) -> list[Any]:
        """Return, for each output, on which of its columns NaN arrives, a row a span."""
        shape = (len(spans), self.model.channels, *self.spatial)
        x = torch.zeros(shape, dtype=torch.float64)
        for row, (start, stop) in zip(x, spans, strict=True):
            row.narrow(1 + self.axis, start, stop - start).fill_(float("nan"))
        try:
            with self.model._untouched(), torch.no_grad():
                made = torch.func.functional_call(
                    self.model.module,
                    self.state,
                    (x,) * self.model.images,
                    dict.fromkeys(self.model.named_inputs, x),
                    tie_weights=False,
                )
        except Exception:  # many models take a single image only
            if len(spans) == 1:
                raise
            single = [self._arrived([span]) for span in spans]
            return [torch.cat(rows) for rows in zip(*single, strict=True)]
        found = []
        for tensor in within(made, torch.Tensor):
            holds = torch.isnan(tensor)
            if tensor.ndim == self.model.rank + 2:
                holds = holds.movedim(2 + self.axis, 1)
            found.append(holds.flatten(2).any(2) if holds.ndim > 2 else holds)
        return found

    def _spatial(self, size: int) -> tuple[int, ...]:
        """Return sizes that are taken together with this one, the others small."""
        rank = int(self.model.rank)
        for other in (*self.along.first(4), size):
            sizes: tuple[int, ...] = tuple(
                size if axis == self.axis else other for axis in range(rank)
            )
            if self._runs(sizes):
                return sizes
        return (size,) * rank

    def _runs(self, sizes: tuple[int, ...]) -> bool:
        try:
            found = self.model.plain(sizes)
        except Failure:
            return False
        return not any(0 in shape for shape in outs(found))


def _rate(leaf: Any) -> Fraction:
    tail = getattr(getattr(leaf, "function", None), "tail", None)
    return Fraction(0) if tail is None else Fraction(tail.rise, tail.period)
