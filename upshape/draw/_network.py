"""A network's sizes as columns in true proportion, with the join that fails in red."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ._columns import Column, Join, Walk
from ._svg import (
    BLUE,
    GREEN,
    MARGIN,
    ORANGE,
    RED,
    SKY,
    WIDEST,
    Canvas,
    Drawing,
    text_width,
)

__all__ = ["network"]

HIGH = 150.0  # the tallest column, pixels
MOST_COLUMNS = 40
MOST_LEVELS = 6  # of bows above one another; further ones begin at the top again


def network(answer: Any, n: int | None = None) -> Drawing:
    """Draw what a network does to the input size n, up to the join that fails, if one does.

    Each column is a feature map, as high as its size in true proportion; maps in a row, or in
    parallel branches, that have the same size share one. A bow is a join: where the sizes that
    meet do not agree, it is red and dashed.

    Parameters
    ----------
    answer : Answer, Explanation, or callable
        What `upshape.shapes.solve` returned, or the network that it takes: a function of a size,
        or a PyTorch model. An explanation knows its size.
    n : int, optional
        The input size.

    Returns
    -------
    Drawing
        The picture.

    Examples
    --------
    >>> from upshape import draw
    >>> from upshape.shapes import zoo
    >>> draw.network(zoo.unet(), 600).alt
    'unet does not take 600: sizes 600 300 150 75 37 74; the join of 74 and 75 fails.'
    >>> draw.network(zoo.unet(2), 8).alt
    'unet takes 8: sizes 8 4 2 4 8.'
    >>> from upshape.shapes import solve
    >>> draw.network(solve(zoo.unet()).explain(600)).alt[:23]
    'unet does not take 600:'
    """
    from upshape.shapes import Answer, solve
    from upshape.shapes._explain import Explanation
    from upshape.shapes._results import _input_size

    if isinstance(answer, Explanation):
        answer, n = _asked(answer, n)
    elif n is None:
        raise TypeError(f"network: the input size n is needed, got None with {answer!r}")
    if not isinstance(answer, Answer):
        answer = solve(answer)
    n = _input_size(n, "network")
    walk = _walk(answer, n)
    if len(walk.columns) > MOST_COLUMNS:
        raise ValueError(
            f"network: {answer._name} has {len(walk.columns)} sizes; at most {MOST_COLUMNS} are "
            "drawn as columns"
        )
    return _drawn(walk, f"{answer._name} {'takes' if n in answer else 'does not take'} {n}")


def _asked(explanation: Any, n: int | None) -> tuple[Any, int]:
    """Return the answer that an explanation is about, and its size."""
    about = getattr(explanation, "_about", None)
    if about is None:
        raise ValueError(
            "network: this explanation was pickled, which leaves its text alone; draw the answer"
        )
    return about[0], about[1] if n is None else n


def _drawn(walk: Walk, verdict: str) -> Drawing:
    """Draw a walk."""
    canvas = Canvas()
    # The wider a bow, the higher, so that bows within bows do not cross; what fails is on top.
    bows = [join for join in walk.joins if len(set(join.columns)) > 1 or not join.agrees]
    bows.sort(key=lambda join: (join.agrees, min(join.columns) - max(join.columns)))
    ground = MARGIN + 26 + (14 + 9 * min(len(bows), MOST_LEVELS) if bows else 0) + HIGH
    tops = _draw_columns(canvas, walk.columns, ground)
    for level, join in reversed(list(enumerate(bows))):
        _bow(canvas, join, tops, MARGIN + 20 + 9 * (level % MOST_LEVELS))
    told = f"{verdict}: sizes {' '.join(str(column.size) for column in walk.columns)}"
    if walk.failing is not None:
        told += f"; the join of {' and '.join(map(str, walk.failing.sizes))} fails"
    elif walk.refused is not None:
        _cross(canvas, tops[-1][0] + 18, ground - 12)
        told += f"; then {walk.refused.rstrip('.')}"
    return canvas.finish(told + ".")


def _draw_columns(
    canvas: Canvas, columns: list[Column], ground: float
) -> list[tuple[float, float]]:
    """Draw the maps with their sizes below them; return the middles of their tops."""
    pitch = min(44.0, (WIDEST - 2 * MARGIN - 34) / len(columns))
    tallest = max(column.size for column in columns)
    text = 12.0 if text_width(str(tallest), 12) < pitch else 8.0
    # Sizes that are wider than their columns are apart take turns in several lines.
    lines = math.ceil(text_width(str(tallest), text) / (pitch - 1))
    tops = []
    for number, column in enumerate(columns):
        high = max(2.0, HIGH * column.size / tallest)
        left, middle = MARGIN + number * pitch, MARGIN + (number + 0.5 / 2) * pitch
        fill = _colour(columns, column)
        canvas.rect(left, ground - high, pitch / 2, high, fill=fill, tint=0.6, kind="map")
        drop = 1.1 * text * (number % lines)
        x = max(middle, text_width(str(column.size), text) / 2 + 1)
        canvas.text(x, ground + 9 + drop, str(column.size), size=text)
        tops.append((middle, ground - high))
    return tops


def _leaves(result: Any) -> Iterator[Any]:
    """Return the sizes that a network returned, out of its tuples, lists and dicts."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, tuple | list):
        for one in result:
            yield from _leaves(one)
    else:
        yield result


def _walk(answer: Any, n: int) -> Walk:
    """Return the columns and joins for the input size n."""
    if hasattr(answer, "_survey"):
        from ._model import walk_model  # which needs PyTorch, as its answer did

        return walk_model(answer, n)
    condition = answer._failing(n)
    steps = answer._trace.steps
    outputs = list(_leaves(answer._result))
    of_output = condition is not None and condition not in answer._trace.conditions
    last = len(steps) - 1 if condition is None or of_output else condition.step
    walk = Walk()
    place: dict[int, int] = {}  # of a step, its column
    for step in steps[: last + 1]:
        parents = [place[parent.number] for parent in step.parents if parent.number in place]
        sizes = tuple(_at(arg, n) for arg in step.args)
        fails = condition is not None and not of_output and step.number == condition.step
        if step.is_join:
            walk.join(tuple(parents), sizes, not fails)
            place[step.number] = max(parents, default=0)
        elif fails:
            walk.refused = f"{step.told()} does not fit {sizes[0]}"
        elif parents and _is_arithmetic(step, steps) and step not in outputs:
            place[step.number] = parents[0]
        else:
            place[step.number] = walk.column(_at(step, n), tuple(parents))
    if of_output and condition is not None:
        walk.refused = condition.tell(n)
    return walk


def _is_arithmetic(step: Any, steps: list[Any]) -> bool:
    """Tell whether a step is a number that is computed with, and no feature map.

    It is one if no layer takes it: what is left over for a crop, say.
    """
    if step.kind in ("layer", "input"):
        return False
    return not any(step in user.args and user.kind == "layer" for user in steps)


def _at(arg: Any, n: int) -> int:
    return arg.function.at(n) if hasattr(arg, "function") else int(arg)


def _colour(columns: list[Column], column: Column) -> str:
    if not column.parents:
        return GREEN
    before = columns[column.parents[0]].size
    return ORANGE if column.size > before else SKY


def _bow(canvas: Canvas, join: Join, tops: list[tuple[float, float]], height: float) -> None:
    """Draw one join as a bow over the columns, which ends at the last of them."""
    colour = BLUE if join.agrees else RED
    middles = [tops[column][0] for column in sorted(set(join.columns))]
    for x, y in (tops[column] for column in sorted(set(join.columns))):
        canvas.line(x, y, x, height, stroke=colour, thick=1.6, dashed=not join.agrees)
    if len(middles) > 1:
        canvas.line(
            middles[0], height, middles[-1], height,
            stroke=colour, thick=1.6, dashed=not join.agrees,
        )  # fmt: skip
    if not join.agrees:
        told = " ≠ ".join(str(size) for size in dict.fromkeys(join.sizes))
        half = text_width(told, 13) / 2
        x = min(max(MARGIN + half, (middles[0] + middles[-1]) / 2), WIDEST - MARGIN - half)
        canvas.text(x, height - 10, told, size=13, fill=RED, bold=True)


def _cross(canvas: Canvas, x: float, y: float) -> None:
    canvas.line(x, y, x + 12, y + 12, stroke=RED, thick=3)
    canvas.line(x + 12, y, x, y + 12, stroke=RED, thick=3)
