"""A network's sizes as columns in true proportion, with the join that fails in red."""

from __future__ import annotations

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


def network(answer: Any, n: int) -> Drawing:
    """Draw what a network does to the input size n, up to the join that fails, if one does.

    Each column is a feature map, as high as its size in true proportion; maps in a row, or in
    parallel branches, that have the same size share one. A bow is a join: where the sizes that
    meet do not agree, it is red and dashed.

    Parameters
    ----------
    answer : Answer, or callable
        What `upshape.shapes.solve` returned, or the network that it takes: a function of a size,
        or a PyTorch model.
    n : int
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
    """
    from upshape.shapes import Answer, solve
    from upshape.shapes._solve import _input_size

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


def _drawn(walk: Walk, verdict: str) -> Drawing:
    """Draw a walk."""
    columns = walk.columns
    canvas = Canvas()
    pitch = min(44.0, (WIDEST - 2 * MARGIN - 34) / len(columns))
    wide = pitch * 0.5
    tallest = max(column.size for column in columns)
    # The wider a bow, the higher, so that bows within bows do not cross; what fails is on top.
    bows = [join for join in walk.joins if len(set(join.columns)) > 1]
    bows.sort(key=lambda join: (join.agrees, min(join.columns) - max(join.columns)))
    ground = MARGIN + 26 + (14 + 9 * min(len(bows), MOST_LEVELS) if bows else 0) + HIGH
    tops = []
    for number, column in enumerate(columns):
        high = max(2.0, HIGH * column.size / tallest)
        left = MARGIN + number * pitch
        fill = _colour(columns, column)
        canvas.rect(left, ground - high, wide, high, fill=fill, tint=0.6, kind="map")
        told = str(column.size)
        size = min(12.0, (pitch - 1) / (0.64 * len(told)))
        drop = 12 * (number % 2) if size < 8 else 0
        canvas.text(left + wide / 2, ground + 9 + drop, told, size=max(size, 8.0))
        tops.append((left + wide / 2, ground - high))
    for level, join in reversed(list(enumerate(bows))):
        _bow(canvas, join, tops, MARGIN + 20 + 9 * (level % MOST_LEVELS))
    told = f"{verdict}: sizes {' '.join(str(column.size) for column in columns)}"
    if walk.failing is not None:
        told += f"; the join of {' and '.join(map(str, walk.failing.sizes))} fails"
    elif walk.refused is not None:
        _cross(canvas, MARGIN + len(columns) * pitch + 4, ground - 12)
        told += f"; then {walk.refused.rstrip('.')}"
    canvas.bottom = max(canvas.bottom, ground + 26)
    return canvas.finish(told + ".")


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
    end = max(join.columns)
    x2, y2 = tops[end]
    colour = BLUE if join.agrees else RED
    for start in sorted(set(join.columns) - {end}):
        x1, y1 = tops[start]
        for x, y in ((x1, y1), (x2, y2)):
            canvas.line(x, y, x, height, stroke=colour, thick=1.6, dashed=not join.agrees)
        canvas.line(x1, height, x2, height, stroke=colour, thick=1.6, dashed=not join.agrees)
    if not join.agrees:
        told = " ≠ ".join(str(size) for size in dict.fromkeys(join.sizes))
        half = text_width(told, 13) / 2
        x = max(MARGIN + half, (min(tops[one][0] for one in join.columns) + x2) / 2)
        canvas.text(x, height - 10, told, size=13, fill=RED, bold=True)


def _cross(canvas: Canvas, x: float, y: float) -> None:
    canvas.line(x, y, x + 12, y + 12, stroke=RED, thick=3)
    canvas.line(x + 12, y, x, y + 12, stroke=RED, thick=3)
