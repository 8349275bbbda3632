"""Arrays as grids of numbers, pictures beside and above one another, and the matrix K."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from upshape import reference

from ._layers import one_of
from ._svg import (
    DIGIT,
    GREY,
    INK,
    LIGHT,
    MARGIN,
    SERIES,
    SMALLEST_TEXT,
    WIDEST,
    Canvas,
    Drawing,
    number,
)

__all__ = ["beside", "grid", "matrix", "stack"]

ROW = 21.0  # the height of a row of numbers
PARAMETERS = ("kernel_size", "stride", "dilation")
MOST_CELLS = 64  # along an axis: more cannot be read

Array = NDArray[Any]


def table_of(array: ArrayLike, what: str) -> Array:
    """Return an array as a table of numbers: 1-D is a row; axes of length 1 in front are left out.

    `what` is the operation and the argument, for errors.
    """
    table = np.asarray(array)
    if table.dtype.kind not in "biuf":
        raise TypeError(f"{what} must be an array of numbers, got dtype {table.dtype}")
    shape = table.shape
    while table.ndim > 2 and table.shape[0] == 1:
        table = table[0]
    if table.ndim == 1:
        table = table[None]
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(
            f"{what} must have one or two axes, and pixels along them, got shape {shape}; "
            "draw one image and one channel at a time"
        )
    if max(table.shape) > MOST_CELLS:
        raise ValueError(
            f"{what} is too large to be read, got shape {shape}; at most {MOST_CELLS} numbers "
            "along an axis are drawn"
        )
    return table


def cell_width(
    told: Sequence[str], columns: int, *, least: float = 22.0, most: float = 30.0
) -> float:
    """Return how wide the cells of a grid are, so that its numbers fit, and it fits the page."""
    longest = max(map(len, told), default=1)
    needed = longest * DIGIT * SMALLEST_TEXT + 3
    wished = max(least, min(most, longest * DIGIT * 11 + 4))
    return max(needed, min(wished, (WIDEST - 2 * MARGIN) / columns))


def grid(
    array: ArrayLike,
    label: str = "",
    *,
    window: tuple[int, int, int, int] | None = None,
    colours: ArrayLike | None = None,
    marked: tuple[int, int] | None = None,
) -> Drawing:
    """Draw an array as a grid of numbers.

    Parameters
    ----------
    array : array_like
        One row of numbers, or a table of them. Axes of length 1 in front are left out.
    label : str
        What it is called; stands above it.
    window : tuple of int, optional
        ``(row, column, rows, columns)``: a part of it to put a frame around.
    colours : array_like of int, optional
        A number for every cell: cells of the same number get the same colour, those of -1 none.
    marked : tuple of int, optional
        ``(row, column)`` of a cell to put a frame around.

    Returns
    -------
    Drawing
        The picture.

    Examples
    --------
    >>> from upshape import draw
    >>> draw.grid([[1, 10], [100, 1000]], "y").alt
    'y: 2 x 2 numbers, 1 10 / 100 1000.'
    """
    table = table_of(array, "grid: array")
    told = [[number(value) for value in row] for row in table]
    each = [text for row in told for text in row]
    width = cell_width(each, table.shape[1])
    height = min(width, ROW)
    chosen = None if colours is None else np.broadcast_to(np.asarray(colours), table.shape)
    canvas = Canvas()
    top = MARGIN
    if label:
        canvas.text(MARGIN, top + 7, label, anchor="start", italic=True, size=13)
        top += 18
    for row, column in np.ndindex(table.shape):
        colour = -1 if chosen is None else int(chosen[row, column])
        canvas.cell(
            MARGIN + column * width,
            top + row * height,
            width,
            told[row][column],
            height=height,
            fill=SERIES[colour % len(SERIES)] if colour >= 0 else None,
        )
    for frame in (window, None if marked is None else (*marked, 1, 1)):
        if frame is not None:
            _frame(canvas, frame, table.shape, MARGIN, top, width, height)
    return canvas.finish(_told(label, told))


def _frame(
    canvas: Canvas,
    frame: tuple[int, int, int, int],
    shape: tuple[int, ...],
    left: float,
    top: float,
    width: float,
    height: float,
) -> None:
    row, column, rows, columns = frame
    if not (0 <= row < row + rows <= shape[0] and 0 <= column < column + columns <= shape[1]):
        raise ValueError(
            f"grid: a frame of {rows} x {columns} at ({row}, {column}) does not lie within the "
            f"array of shape {shape}"
        )
    canvas.rect(
        left + column * width, top + row * height, columns * width, rows * height,
        stroke=INK, thick=2.4, kind="frame",
    )  # fmt: skip


def _told(label: str, told: list[list[str]]) -> str:
    """Say what a grid shows."""
    size = f"{len(told)} x {len(told[0])}" if len(told) > 1 else str(len(told[0]))
    numbers = " / ".join(" ".join(row) for row in told)
    return f"{label + ': ' if label else ''}{size} numbers, {numbers}."


def beside(*parts: Drawing | str, width: float = WIDEST, alt: str | None = None) -> Drawing:
    """Put pictures beside one another, and go on below where they get too wide.

    Parameters
    ----------
    *parts : Drawing or str
        Pictures, and signs such as ``"+"`` and ``"="`` to stand between them. A sign goes to the
        next line together with the picture after it.
    width : float
        How wide the whole may be, in pixels.
    alt : str, optional
        What the whole shows; unless given, what its parts show.

    Returns
    -------
    Drawing
        The picture.

    Examples
    --------
    >>> from upshape import draw
    >>> both = draw.beside(draw.grid([1, 2]), "+", draw.grid([10, 20]))
    >>> both.alt
    '2 numbers, 1 2. + 2 numbers, 10 20.'
    """
    units: list[list[Drawing | str]] = []
    for part in parts:
        if units and isinstance(units[-1][-1], str):
            units[-1].append(part)
        else:
            units.append([part])
    lines: list[list[Drawing | str]] = [[]]
    used = 0.0
    for unit in units:
        wide = sum(_wide(part) for part in unit)
        if lines[-1] and used + wide > width:
            lines.append([])
            used = 0.0
        lines[-1] += unit
        used += wide
    canvas = Canvas()
    top = 0.0
    for line in lines:
        high = max((part.height for part in line if isinstance(part, Drawing)), default=20.0)
        left = 0.0
        for part in line:
            if isinstance(part, str):
                canvas.text(left + _wide(part) / 2, top + high / 2, part, size=15)
            else:
                canvas.place(part, left, top + (high - part.height) / 2)
            left += _wide(part)
        top += high
    told = " ".join(part if isinstance(part, str) else part.alt for part in parts)
    return canvas.finish(told if alt is None else alt, margin=0)


def _wide(part: Drawing | str) -> float:
    return part.width if isinstance(part, Drawing) else 16.0


def stack(*parts: Drawing, alt: str | None = None) -> Drawing:
    """Put pictures below one another.

    Parameters
    ----------
    *parts : Drawing
        The pictures.
    alt : str, optional
        What the whole shows; unless given, what its parts show.

    Returns
    -------
    Drawing
        The picture.

    Examples
    --------
    >>> from upshape import draw
    >>> from upshape.shapes import Conv
    >>> conv = Conv(3, stride=2, padding=1)
    >>> both = draw.stack(*(draw.windows(conv, i) for i, a in conv.input_sizes(6)))
    >>> both.height > draw.windows(conv, 11).height
    True
    """
    canvas = Canvas()
    top = 0.0
    for part in parts:
        canvas.place(part, 0.0, top)
        top += part.height
    return canvas.finish(" ".join(part.alt for part in parts) if alt is None else alt, margin=0)


def matrix(
    layer: Any,
    input_size: int | tuple[int, ...] | None = None,
    label: str = "",
    *,
    by: str = "row",
) -> Drawing:
    """Draw the matrix of a convolution, one colour a row; or any matrix.

    Parameters
    ----------
    layer : Conv or ConvTranspose, or array_like
        A relation, whose kernel then has the weights 1, 2, 3, ...; or a matrix.
    input_size : int or tuple of int
        What the relation is applied to. Not for a matrix.
    label : str
        What it is called; stands above it.
    by : {"row", "column"}
        Whether rows or columns share a colour.

    Returns
    -------
    Drawing
        The picture. Zeros are empty cells.

    Examples
    --------
    >>> from upshape import draw
    >>> from upshape.shapes import Conv
    >>> draw.matrix(Conv(3), 5, "K").alt
    'K: 3 x 5 numbers, 1 2 3 0 0 / 0 1 2 3 0 / 0 0 1 2 3.'
    """
    if by not in ("row", "column"):
        raise ValueError(f"matrix: by must be 'row' or 'column', got {by!r}")
    if hasattr(layer, "effective_kernel"):
        table = table_of(_matrix_of(layer, input_size), "matrix: the matrix")
    else:
        table = table_of(layer, "matrix: layer")
    told = [[number(value) for value in row] for row in table]
    each = [text for row in told for text in row]
    label_room = 18 if label else 0
    width = cell_width(each, table.shape[1], least=20.0, most=24.0)
    height = min(width, ROW)
    canvas = Canvas()
    if label:
        canvas.text(MARGIN, MARGIN + 7, label, anchor="start", italic=True, size=13)
    for row, column in np.ndindex(table.shape):
        zero = table[row, column] == 0
        colour = SERIES[(row if by == "row" else column) % len(SERIES)]
        canvas.cell(
            MARGIN + column * width,
            MARGIN + label_room + row * height,
            width,
            "" if zero else told[row][column],
            height=height,
            fill=None if zero else colour,
            stroke=LIGHT if zero else GREY,
        )
    return canvas.finish(_told(label, told))


def _matrix_of(layer: Any, input_size: Any) -> Array:
    """Return the matrix of a relation, whose taps have the weights 1, 2, 3, ..."""
    layer = one_of(layer, ("Conv", "ConvTranspose"), "matrix")
    if input_size is None:
        raise ValueError(f"matrix: {layer!r} needs an input_size, got None")
    axes = layer.axes
    sizes = tuple(input_size) if isinstance(input_size, tuple | list) else (input_size,) * len(axes)
    transposed = hasattr(layer, "output_padding_for")
    large = layer(sizes) if transposed else sizes
    small = sizes if transposed else layer(sizes)
    before = [axis.padding_for(size)[0] for axis, size in zip(axes, sizes, strict=True)]
    # Padding of any kind: the matrix over all positions that windows lie on, cut to the pixels.
    spans = [
        max(first + i, (o - 1) * axis.stride + axis.effective_kernel)
        for axis, first, i, o in zip(axes, before, large, small, strict=True)
    ]
    k, s, d = ([getattr(axis, name) for axis in axes] for name in PARAMETERS)
    weight = np.arange(1, np.prod(k) + 1, dtype=float).reshape(1, 1, *k)
    whole = reference.conv_matrix(weight, spans, s, 0, d)
    rows = [
        (span - axis.effective_kernel) // axis.stride + 1
        for axis, span in zip(axes, spans, strict=True)
    ]
    kept = [slice(0, o) for o in small]
    kept += [slice(first, first + i) for first, i in zip(before, large, strict=True)]
    matrix = whole.reshape(*rows, *spans)[tuple(kept)].reshape(np.prod(small), np.prod(large))
    return matrix.T if transposed else matrix
