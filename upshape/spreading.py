"""How a row of linear interpolation is made: which way, and how it is cut into tiles.

A row of the result is a line, the blend of the source rows that it lies between, spread: each of
its pixels is a mean of two of the line's. There are several ways to do that, and this page chooses.
The kernel (pyx/linear) finds the tables of a way that is asked for, or that there are none:

    windows       vectors of the result are permutations of windows of the source, in registers
    lines         the same of lines that are stored before, those of many rows at a time
    sums          as windows, of uint8 whose weights are small fractions, in 16 bits
    channels      vectors of channels, which need no permutation
    channel sums  the same in 16 bits
    elements      element by element: strong shrinking, a result with gaps
    copy          the width stays: the line is the row

All ways give the same bits. A step is what a way makes at a time: a vector of windows, lines and
sums, else a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cut", "Level", "Row", "cut", "plan", "ways"]

# Elements of a tile, of source or result, whichever is more: its tables and what is read and
# written stay in the first cache while the rows of a block are made. To begin a line costs more:
# 0.8 to 0.9 of the time with 768.
_TILE, _LINE_TILE = 768, 1536

# Pixels of this many channels are interpolated one by one, whole vectors of channels at a time; of
# uint8 it takes _MANY_BYTES where 16 bits do not hold the sums: lines have no vector half in use.
_MANY_CHANNELS, _MANY_BYTES = 16, 33

# Elements of a group of rows, of source or result, whichever is more, and at most and at least of
# the rows that one line stands for. Tables (16 bytes an element) and lines share the first cache.
_LINE, _LEAST_LINE = 1024, 128

# Rows of so many vectors are made by windows where they have two taps and sources lie close enough:
# in 0.6 to 0.8 of the time that lines take at an integer factor, about the same at others (Granite
# Rapids, v4 and v3, results in the second cache); narrower rows by lines. 2 to 4 are as good.
_WINDOWED = 2

# Rows of so many vectors at most are made by few_vectors, where tables weigh as much as pixels: in
# 0.5 to 0.9 of the time of whole rows (Zen 5, v4; v3 up to 0.99); of 9 and 10 vectors v3 takes 1.1
# times as long.
_FEW = 8

# The same for rows that are written past the cache and are no whole lines of it: 0.5 to 0.7.
_FEW_STREAMED, _WHOLE = 32, 64

# Bytes of a result that few_vectors makes at a time, or two rows: as COLUMNS in windows.pxd.
_COLUMNS = 8192

# A row shrunk to less than this part of it is made element by element: most of a line would go to
# waste.
_MOST_SHRUNK = 8


class Level(NamedTuple):
    """What the vectors of a CPU level are."""

    vector_bytes: int
    masks: bool  # part of a vector can be stored
    sums: int  # elements of uint8 that are made at a time in 16 bits


class Row(NamedTuple):
    """What decides how the rows of a result are made; sizes in pixels."""

    width: int
    source: int
    channels: int
    item: int  # bytes of an element of the arrays
    gaps: bool = False  # between the pixels of the result
    copied: bool = False  # the width stays
    blended: bool = True  # the height changes,
    deep: bool = False  # and so does the depth
    streaming: bool = False

    @property
    def elements(self) -> int:
        """Elements of a row of the result."""
        return self.width * self.channels

    @property
    def source_elements(self) -> int:
        """Elements of a row of the source."""
        return self.source * self.channels

    def lanes(self, level: Level) -> int:
        """Return the elements of a vector of the line: float64 of float64, else float32."""
        return level.vector_bytes // (8 if self.item == 8 else 4)


def ways(row: Row, level: Level, only: str | None = None) -> list[str]:
    """Return the ways that may do, best first; the last one does in any case.

    `only`: the way to take if it may do, for tests.

    >>> level = Level(vector_bytes=32, masks=True, sums=16)
    >>> ways(Row(128, 64, 1, 4), level), ways(Row(128, 64, 3, 1), level)
    (['windows', 'lines', 'elements'], ['sums', 'lines', 'elements'])
    >>> ways(Row(128, 64, 32, 4), level), ways(Row(64, 640, 3, 4), level)
    (['channels', 'windows', 'lines', 'channels'], ['elements'])
    >>> ways(Row(5, 3, 1, 4), level), ways(Row(64, 64, 1, 4, copied=True), level)
    (['windows', 'lines', 'elements'], ['copy'])
    """
    if row.copied:
        return ["copy" if row.gaps or row.item >= 4 else "lines"]
    lanes, apart = row.lanes(level), not row.gaps
    close = row.source_elements <= _MOST_SHRUNK * row.elements
    many = row.channels >= lanes
    in_16_bits = row.item == 1 and not row.deep
    can = {
        "channel sums": in_16_bits and row.channels >= level.sums,
        "channels": many and (
            row.gaps or row.channels >= (_MANY_BYTES if row.item == 1 else _MANY_CHANNELS)),
        "sums": in_16_bits and apart and row.elements >= level.sums and row.source_elements >= 16,
        "windows": (
            row.item > 1 and apart and close and not row.deep and _has_windows(row, level)
            and (only is not None or row.elements >= _WINDOWED * lanes
                 or row.source_elements <= lanes)),
        "lines": apart and close,
    }
    last = "channels" if many else "elements"
    if only is not None:
        return ["elements"] if only == "elements" else [only, last] if can[only] else [last]
    return [way for way, possible in can.items() if possible] + [last]


def _has_windows(row: Row, level: Level) -> bool:
    """Return whether a vector of the result may come from a window of the source's rows.

    A vector of a source row that is narrower reads what lies behind it, and a row of the result
    that is narrower is stored by a mask: few_vectors does both.
    """
    lanes = row.lanes(level)
    if row.elements >= lanes and row.source_elements >= lanes:
        return True
    if (not row.blended or row.streaming or row.source_elements > lanes
            or row.elements > _FEW * lanes):
        return False
    return row.elements >= lanes or (level.masks and row.item >= 4 and 2 * row.elements > lanes)


def rows_of_a_line(row: Row, lanes: int) -> int:
    """Return how many rows of the result the vectors of a stored line make, one behind another.

    So many that they end with a whole vector, and none is moved back, unless that are too many.

    >>> rows_of_a_line(Row(12, 6, 1, 4), 8), rows_of_a_line(Row(600, 300, 1, 4), 16)
    (12, 1)
    """
    rows = lanes // int(np.gcd(row.elements, lanes))
    if rows * row.elements > _LINE and row.elements >= lanes:
        return 1
    if rows * row.elements < _LEAST_LINE:
        rows *= -(-_LEAST_LINE // (rows * row.elements))
    return rows


class Cut(NamedTuple):
    """A row cut into tiles, and what working memory they need."""

    tiles: list[int]  # of each: its first step, the first and the last + 1 pixel of the line; steps
    room: int  # elements of the longest line, with what is read beyond it
    doubts: int  # vectors or elements of uint8 near a tie, at most
    group: int  # rows of the result that are blended before they are spread
    stage: int  # bytes that are made before they are streamed
    few: bool  # windows of rows of so few vectors that few_vectors makes them


def cut(
    row: Row, level: Level, way: str, low: NDArray[np.int64], rows: int = 1, near: bool = False
) -> Cut:
    """Cut a row into tiles, and find what each needs of the line.

    `low` has the lower neighbours; `rows`: those of the result that one line makes; `near`: each
    vector's lower and upper neighbours are in one window.

    >>> cut(Row(1600, 800, 1, 4), Level(32, True, 16), "windows", np.arange(1600) // 2).tiles
    [0, 0, 385, 96, 384, 769, 192, 768, 800, 200]
    """
    vectors = way in ("windows", "sums", "lines")
    stored = way == "lines"
    lanes = level.sums if way == "sums" else row.lanes(level)
    step = lanes if vectors else row.channels
    total, source = row.elements, row.source_elements
    steps = -(-total // step)
    each = (_LINE_TILE if stored else _TILE) * min(row.width, row.source) // row.source // step
    each = min(max(1, each), steps)
    if stored and (rows > 1 or max(total, source) <= _LINE):
        each = steps
    tiles, longest = [], 0
    for first in range(0, steps, each):
        last = min(first + each, steps)
        begin = max(0, min(first * step, total - step)) // row.channels
        end = (min(last * step, total) - 1) // row.channels
        if stored and each == steps:
            reads = 0, row.source
        elif row.copied:
            reads = begin, end + 1
        else:
            reads = int(low[begin]), min(int(low[end]) + 2, row.source)
        tiles += [first, *reads]
        longest = max(longest, reads[1] - reads[0])
    room = longest * row.channels if stored or way == "copy" else 0
    doubts = 1 + each * (1 if vectors else row.channels)
    stage = 2 * (each + 1) * step * row.item
    group = 1
    if stored and each == steps:
        group = max(1, _LINE // max(total, source) // rows) * rows
        room *= group
        doubts = group * (total // lanes + 2)
        stage = max(stage, group * total * row.item)
    few = (
        way == "windows" and near and each == steps and row.blended and not row.deep
        and steps <= (_FEW_STREAMED if row.streaming else _FEW)
        and not (row.streaming and total * row.item % _WHOLE == 0)
    )
    if few:
        room = max(_COLUMNS, 2 * total * row.item) // (8 if row.item == 8 else 4)
    return Cut([*tiles, steps], room + row.channels + 6 * lanes, doubts, group, stage, few)


def plan(
    kernel: Any, roles: tuple[int, ...], axes: Sequence[tuple[Any, ...]], item: int, channels: int,
    spacing: int, exact: bool, streaming: bool, only: str | None = None,
) -> Any:
    """Return the kernel's plan.

    roles: which axes of the arrays are n, m, d, h, w, c (-1: none); axes: for d, h and w the lower
    neighbours (int64), the distances from them (float64, None: an axis that is copied) and the
    source's size; item: bytes of an element, which say the dtype; channels, spacing: elements of
    a pixel, and from one pixel of the result to the next; exact: float32 holds every mean of uint8;
    streaming: write past the cache; only: the way to take if it can be done, for tests.
    """
    deep, down, along = axes
    low, distance, source = along
    level = Level(*kernel.LEVEL)
    gaps = spacing != channels
    row = Row(
        len(low), source, channels, item, gaps, distance is None, down[1] is not None,
        deep[1] is not None, streaming and not gaps,
    )
    lanes = row.lanes(level)
    if row.copied and not gaps and item < 4:  # pixels make no difference
        row = row._replace(width=row.elements, source=row.elements, channels=1)
    for way in ways(row, level, only):
        rows = 1 if way != "lines" or row.copied else rows_of_a_line(row, lanes)
        vectors = kernel.Vectors(way, along, down, item, channels, spacing, rows)
        far = way == "lines" and vectors.reach in ("wider, apart", "far")
        if vectors.found and not (far and only is None and channels >= lanes):
            break
    tiles = cut(row, level, way, low, rows, vectors.reach == "near")
    return kernel.Plan(roles, axes, vectors, tiles, exact, row.streaming)
