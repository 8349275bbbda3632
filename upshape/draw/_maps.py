"""Pictures of two axes: taps on a map, stamps, inserted zeros, phases, and the four corners."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from upshape import reference

from ._grids import PARAMETERS, ROW, Array, beside, cell_width, grid, table_of
from ._layers import one_of, size_of
from ._svg import (
    GREEN,
    GREY,
    INK,
    LIGHT,
    MARGIN,
    ORANGE,
    RED,
    SERIES,
    SKY,
    WIDEST,
    Canvas,
    Drawing,
    number,
    text_width,
)

__all__ = ["bilinear", "phases", "scatter", "taps", "zeros"]

Pair = tuple[int, int]


def _pair(value: Any, what: str) -> Pair:
    """Return two ints, for rows and columns; an int counts for both."""
    values = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(values) != 2 or any(not hasattr(one, "__index__") for one in values):
        raise ValueError(f"{what} must be an int or a pair of ints, got {value!r}")
    return int(values[0].__index__()), int(values[1].__index__())


def taps(layer: Any, input_size: int | Pair, at: Pair = (0, 0)) -> Drawing:
    """Draw which pixels of a map a convolution's kernel looks at for one output pixel.

    Parameters
    ----------
    layer : Conv or Pool
        The relation, or a layer that `upshape.shapes.from_torch` reads.
    input_size : int or tuple of int
        Rows and columns of the input.
    at : tuple of int
        Row and column of the output pixel.

    Returns
    -------
    Drawing
        The input with its padding dashed and the taps coloured and numbered, a frame around all
        that the kernel spans; beside it the output.

    Examples
    --------
    >>> from upshape import draw
    >>> from upshape.shapes import Conv
    >>> draw.taps(Conv(3, dilation=2), 7, at=(1, 1)).alt
    'Conv(kernel_size=3, dilation=2): 9 taps over 5 x 5 of 7 x 7 pixels make
    pixel (1, 1) of 3 x 3.'
    """
    layer = one_of(layer, ("Conv", "Pool"), "taps")
    sizes = _pair(input_size, "taps: input_size")
    axes = layer.axes if len(layer.axes) == 2 else layer.axes * 2
    for size in sizes:
        size_of(size, "taps: input_size", 24)
    outputs = tuple(axis(size) for axis, size in zip(axes, sizes, strict=True))
    if any(not 0 <= place < o for place, o in zip(at, outputs, strict=True)):
        raise ValueError(f"taps: at={at} does not lie within the output of {outputs} pixels")
    k, s, d = ([getattr(axis, name) for axis in axes] for name in PARAMETERS)
    sides = [axis.padding_for(i) for axis, i in zip(axes, sizes, strict=True)]
    padded = [
        max(before + i + after, (o - 1) * axis.stride + axis.effective_kernel)
        for axis, (before, after), i, o in zip(axes, sides, sizes, outputs, strict=True)
    ]
    cell = min(22.0, (300.0 - 12 * outputs[1]) / padded[1])
    canvas = Canvas()
    kernel = {
        (at[0] * s[0] + m * d[0], at[1] * s[1] + n * d[1]): m * k[1] + n + 1
        for m, n in np.ndindex(*k)
    }
    for row, column in np.ndindex(*padded):
        inside = all(
            before <= place < before + size
            for (before, _), place, size in zip(sides, (row, column), sizes, strict=True)
        )
        tap = kernel.get((row, column))
        canvas.cell(
            MARGIN + column * cell, MARGIN + row * cell, cell, "" if tap is None else str(tap),
            fill=GREEN if tap else SKY if inside else None, tint=0.6 if tap else 0.25,
            dashed=not inside, kind="tap" if tap else "cell",
        )  # fmt: skip
    spans = [axis.effective_kernel for axis in axes]
    canvas.rect(
        MARGIN + at[1] * s[1] * cell, MARGIN + at[0] * s[0] * cell,
        spans[1] * cell, spans[0] * cell, thick=2.4, kind="frame",
    )  # fmt: skip
    colours = np.full(outputs, -1)
    right = canvas.right + 10
    small = min(22.0, cell)
    top = MARGIN + max(0.0, (padded[0] * cell - outputs[0] * small) / 2)
    for row, column in np.ndindex(colours.shape):
        here = (row, column) == tuple(at)
        canvas.cell(
            right + column * small, top + row * small, small,
            fill=ORANGE, tint=0.9 if here else 0.2, thick=2.4 if here else 1.0,
            stroke=INK if here else None, kind="output",
        )  # fmt: skip
    return canvas.finish(
        f"{layer!r}: {math.prod(k)} taps over {spans[0]} x {spans[1]} of {sizes[0]} x {sizes[1]} "
        f"pixels make pixel ({at[0]}, {at[1]}) of {outputs[0]} x {outputs[1]}."
    )


class _Transposed:
    """One image and one kernel of a transposed convolution, with the parameters of both axes.

    A signal is an image of one row.
    """

    def __init__(
        self, what: str, x: ArrayLike, weight: ArrayLike, **given: int | Sequence[int]
    ) -> None:
        self.x = table_of(x, f"{what}: x").astype(float)
        self.weight = table_of(weight, f"{what}: weight").astype(float)
        signal = self.x.shape[0] == 1 and self.weight.shape[0] == 1
        plain = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1}
        for name, value in given.items():
            pair = _pair(value, f"{what}: {name}")
            # There is nothing to be moved along the one row of a signal.
            setattr(self, name, (plain[name], pair[1]) if signal else pair)
        self.given = {name: getattr(self, name) for name in given}
        self.y: Array = reference.conv_transpose(
            self.x[None, None], self.weight[None, None], **self.given
        )[0, 0]

    stride: Pair
    padding: Pair
    output_padding: Pair
    dilation: Pair

    @property
    def span(self) -> Pair:
        """What the kernel spans: d(k-1)+1."""
        rows, columns = (
            d * (k - 1) + 1 for k, d in zip(self.weight.shape, self.dilation, strict=True)
        )
        return rows, columns

    def is_cut(self, row: int, column: int) -> bool:
        """Tell whether a pixel of the canvas is cut off by padding."""
        return any(
            not p <= place < p + o
            for place, p, o in zip((row, column), self.padding, self.y.shape, strict=True)
        )

    @property
    def canvas(self) -> Pair:
        """The pixels that stamps are put on, before padding cuts them."""
        rows, columns = (
            max((i - 1) * s + span + a, p + o)
            for i, s, span, a, p, o in zip(
                self.x.shape, self.stride, self.span, self.output_padding, self.padding,
                self.y.shape, strict=True,
            )
        )  # fmt: skip
        return rows, columns


def _cells(
    label: str,
    told: Sequence[Sequence[str]],
    looks: Sequence[Sequence[dict[str, Any]]],
    width: float,
    alt: str,
) -> Drawing:
    """Draw a grid whose cells look as they are told to."""
    canvas = Canvas()
    top = MARGIN
    if label:
        canvas.text(MARGIN, top + 7, label, anchor="start", italic=True, size=13)
        top += 18
    height = min(width, ROW)
    for row, texts in enumerate(told):
        for column, text in enumerate(texts):
            canvas.cell(
                MARGIN + column * width, top + row * height, width, text, height=height,
                **looks[row][column],
            )  # fmt: skip
    return canvas.finish(alt)


def scatter(
    x: ArrayLike,
    weight: ArrayLike,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
) -> Drawing:
    """Draw a transposed convolution as stamps: one picture an input pixel, and their sum.

    Parameters
    ----------
    x : array_like
        One row of numbers, or a table of them: one image, one channel.
    weight : array_like
        The kernel, with as many axes.
    stride, padding, output_padding, dilation : int or sequence of int
        As of `upshape.conv_transpose2d`.

    Returns
    -------
    Drawing
        The stamps and their sum. What padding cuts off is hatched.

    Examples
    --------
    >>> from upshape import draw
    >>> draw.scatter([1, 10], [1, 2, 3], stride=2).alt
    'Stamps: 1 x kernel at (0, 0) + 10 x kernel at (0, 2) = 1 x 5 numbers, 1 2 13 20 30.'
    """
    work = _Transposed(
        "scatter", x, weight, stride=stride, padding=padding, output_padding=output_padding,
        dilation=dilation,
    )  # fmt: skip
    if work.x.size > 9:
        raise ValueError(
            f"scatter: {work.x.size} stamps are too many for one picture, got x of shape "
            f"{work.x.shape}; at most 9 pixels are drawn"
        )
    total: NDArray[np.float64] = np.zeros(work.canvas)
    frames: list[NDArray[np.float64]] = []
    places: list[str] = []
    for q in np.ndindex(work.x.shape):
        frame = np.full(work.canvas, np.nan)
        for m in np.ndindex(work.weight.shape):
            row, column = (
                pixel * s + tap * d
                for pixel, s, tap, d in zip(q, work.stride, m, work.dilation, strict=True)
            )
            frame[row, column] = work.x[q] * work.weight[m]
        total += np.nan_to_num(frame)
        frames.append(frame)
        places.append(
            f"{number(work.x[q])} x kernel at ({q[0] * work.stride[0]}, {q[1] * work.stride[1]})"
        )
    numbers = [number(value) for value in total.ravel()]
    # Two stamps and their sign in a line, if their numbers can be read then.
    width = min(
        cell_width(numbers, work.canvas[1], least=20.0),
        max(cell_width(numbers, 1000), ((WIDEST - 32) / 2 - 2 * MARGIN) / work.canvas[1]),
    )
    parts: list[Drawing | str] = []
    for n, frame in enumerate(frames):
        if parts:
            parts.append("+")
        parts.append(_stamp(work, frame, SERIES[n % len(SERIES)], width))
    parts += ["=", _stamp(work, total, None, width)]
    rows, columns = work.y.shape
    told = " / ".join(" ".join(map(number, row)) for row in work.y)
    alt = f"Stamps: {' + '.join(places)} = {rows} x {columns} numbers, {told}."
    return beside(*parts, alt=alt)


def _stamp(work: _Transposed, frame: Array, colour: str | None, width: float) -> Drawing:
    """Draw one stamp on its canvas, or for no colour their sum."""
    told = [["" if np.isnan(value) else number(value) for value in row] for row in frame]
    looks: list[list[dict[str, Any]]] = []
    for row in range(frame.shape[0]):
        looks.append([])
        for column in range(frame.shape[1]):
            cut = work.is_cut(row, column)
            look = {"hatched": cut, "dashed": cut, "fill": None if cut else colour}
            if np.isnan(frame[row, column]):
                look["fill"] = None
            looks[-1].append(look)
    return _cells("", told, looks, width, "")


# How pixels and zeros look: those that were inserted between pixels, and those around all.
ZEROS: dict[str, dict[str, Any]] = {
    "pixel": {"kind": "pixel", "fill": SKY},
    "between": {"kind": "between", "fill": LIGHT, "ink": GREY},
    "around": {"kind": "around", "dashed": True, "ink": GREY},
}


def zeros(
    x: ArrayLike,
    weight: ArrayLike,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    *,
    at: Pair | None = None,
) -> Drawing:
    """Draw a transposed convolution as a convolution: zeros inserted, the kernel turned round.

    Parameters
    ----------
    x, weight, stride, padding, output_padding, dilation
        As in `scatter`.
    at : tuple of int, optional
        Row and column of an output pixel, whose window gets a frame.

    Returns
    -------
    Drawing
        The input (coloured) with its zeros; the kernel, turned by 180 degrees; the output. Zeros
        between pixels are grey, those around them dashed.

    Examples
    --------
    >>> from upshape import draw
    >>> draw.zeros([1, 10], [1, 2, 3], stride=2).alt
    'Zeros: 1 x 7 numbers, 0 0 1 0 10 0 0, convolved with 3 2 1, are 1 2 13 20 30.'
    """
    work = _Transposed(
        "zeros", x, weight, stride=stride, padding=padding, output_padding=output_padding,
        dilation=dilation,
    )  # fmt: skip
    spread = reference.insert_zeros(work.x, work.stride, 2)
    pixels = reference.insert_zeros(np.ones_like(work.x), work.stride, 2) > 0
    border = [span - 1 - p for span, p in zip(work.span, work.padding, strict=True)]
    if min(border) < 0:
        raise ValueError(
            f"zeros: padding={work.padding} is more than the kernel spans less one, so that pixels "
            "would be cut from the input; draw stamps or scatter instead"
        )
    around = [(b, b + a) for b, a in zip(border, work.output_padding, strict=True)]
    padded = np.pad(spread, around)
    is_pixel = np.pad(pixels, around)
    between = np.pad(np.ones(spread.shape, bool), around)
    turned = reference.rotate_180(work.weight, 2)
    width = cell_width([number(value) for value in padded.ravel()], padded.shape[1], least=20.0)
    told = [[number(value) for value in row] for row in padded]
    looks = [
        [
            ZEROS["pixel" if pixel else "between" if inserted else "around"]
            for pixel, inserted in zip(*rows, strict=True)
        ]
        for rows in zip(is_pixel, between, strict=True)
    ]
    left = _cells("", told, looks, width, "")
    rows, columns = work.y.shape
    if at is not None:
        if not (0 <= at[0] < rows and 0 <= at[1] < columns):
            raise ValueError(f"zeros: at={at} does not lie within the output of {work.y.shape}")
        left = _framed(left, at, work.span, width)
    kernel = grid(turned, colours=np.zeros(turned.shape, int) + 2)
    result = grid(work.y, marked=at)
    numbers = " / ".join(" ".join(map(number, row)) for row in work.y)
    inside = " / ".join(" ".join(row) for row in told)
    flat = " / ".join(" ".join(map(number, row)) for row in turned)
    alt = (
        f"Zeros: {padded.shape[0]} x {padded.shape[1]} numbers, {inside}, convolved with {flat}, "
        f"are {numbers}."
    )
    return beside(left, "∗", kernel, "=", result, alt=alt)


def _framed(drawing: Drawing, at: Pair, span: Pair, width: float) -> Drawing:
    """Put the frame of a window on a grid."""
    height = min(width, ROW)
    canvas = Canvas()
    canvas.place(drawing, 0.0, 0.0)
    canvas.rect(
        MARGIN + at[1] * width, MARGIN + at[0] * height, span[1] * width, span[0] * height,
        thick=2.4, kind="frame",
    )  # fmt: skip
    return canvas.finish(drawing.alt, margin=0)


def phases(layer: Any, input_size: int | Pair) -> Drawing:
    """Draw a transposed convolution as the few small convolutions that upshape computes.

    Output pixels that lie a stride apart are reached by the same taps: they are a phase. Each
    phase is an ordinary convolution of the input with its own part of the kernel.

    Parameters
    ----------
    layer : ConvTranspose
        The relation, or a layer that `upshape.shapes.from_torch` reads.
    input_size : int or tuple of int
        The input size; rows and columns, or the one for both.

    Returns
    -------
    Drawing
        The kernel's taps, numbered, in the colour of the phase that they belong to; the output in
        the same colours, with the number of taps in each pixel.

    Examples
    --------
    >>> from upshape import draw
    >>> from upshape.shapes import ConvTranspose
    >>> draw.phases(ConvTranspose(3, stride=2), 2).alt
    'ConvTranspose(kernel_size=3, stride=2): phases of taps 1 3 7 9 | 2 8 | 4 6
    | 5; 5 x 5 pixels.'
    """
    layer = one_of(layer, ("ConvTranspose",), "phases")
    sizes = _pair(input_size, "phases: input_size")
    axes = layer.axes if len(layer.axes) == 2 else layer.axes * 2
    for size in sizes:
        size_of(size, "phases: input_size", 16)
    strides = tuple(axis.stride for axis in axes)
    if math.prod(strides) > len(SERIES):
        raise ValueError(
            f"phases: {math.prod(strides)} phases are too many to be told apart by colour; at most "
            f"{len(SERIES)} are drawn, got stride={layer.stride}"
        )
    k = tuple(axis.kernel_size for axis in axes)
    outputs = tuple(axis(size) for axis, size in zip(axes, sizes, strict=True))
    place = [
        [
            (tap * axis.dilation - axis.padding_for(size)[0]) % axis.stride
            for tap in range(axis.kernel_size)
        ]
        for axis, size in zip(axes, sizes, strict=True)
    ]
    owner = np.array([[place[0][m] * strides[1] + place[1][n] for n in range(k[1])]
                      for m in range(k[0])])  # fmt: skip
    numbers = np.arange(1, math.prod(k) + 1).reshape(k)
    along = [axis.taps_per_phase() for axis in axes]
    phase = np.add.outer(
        np.arange(outputs[0]) % strides[0] * strides[1], np.arange(outputs[1]) % strides[1]
    )
    reach = np.outer(
        [along[0][row % strides[0]] for row in range(outputs[0])],
        [along[1][column % strides[1]] for column in range(outputs[1])],
    )
    parts: list[Drawing | str] = [grid(numbers, colours=owner), "→"]
    lists = []
    for n in range(math.prod(strides)):
        rows, columns = np.nonzero(owner == n)
        own = numbers[rows, columns]
        lists.append(" ".join(map(str, own)) if own.size else "none")
        if own.size:
            shape = (len(set(rows.tolist())), len(set(columns.tolist())))
            parts.append(grid(own.reshape(shape), colours=np.full(shape, n)))
    parts += ["→", grid(reach, colours=phase)]
    return beside(
        *parts,
        alt=f"{layer!r}: phases of taps {' | '.join(lists)}; {outputs[0]} x {outputs[1]} pixels.",
    )


def bilinear(
    q11: float, q21: float, q12: float, q22: float, tx: float = 0.5, ty: float = 0.5
) -> Drawing:
    """Draw the construction of bilinear interpolation: four corners, R1, R2 and P.

    Parameters
    ----------
    q11, q21, q12, q22 : float
        The values in the corners: above left, above right, below left, below right.
    tx, ty : float
        How far P is from left to right and from top to bottom, from 0 to 1.

    Returns
    -------
    Drawing
        The picture, with the letters and their values.

    Examples
    --------
    >>> from upshape import draw
    >>> draw.bilinear(10, 20, 30, 60, tx=0.25, ty=0.25).alt
    'Q11 = 10, Q21 = 20, Q12 = 30, Q22 = 60; at 0.25, 0.25: R1 = 12.5, R2 =
    37.5, P = 18.75.'
    """
    for name, value in (("tx", tx), ("ty", ty)):
        if not 0 <= value <= 1:
            raise ValueError(f"bilinear: {name} must be from 0 to 1, got {value}")
    r1 = float(reference.bilinear_point(q11, q21, 0, 0, tx, 0.0))
    r2 = float(reference.bilinear_point(q12, q22, 0, 0, tx, 0.0))
    p = float(reference.bilinear_point(q11, q21, q12, q22, tx, ty))
    canvas = Canvas()
    left, top, side = 78.0, 30.0, 190.0
    x, y = left + tx * side, top + ty * side
    canvas.rect(left, top, side, side, stroke=GREY, dashed=True)
    canvas.line(x, top, x, top + side, stroke=RED, thick=1.6)

    def point(x: float, y: float, name: str, value: float, colour: str, anchor: str) -> None:
        canvas.dot(x, y, 5.5, fill=colour, kind="point")
        told = f"{name} = {value:g}"
        shift = {"start": 9.0, "end": -9.0, "middle": 0.0}[anchor]
        lift = 0.0 if anchor != "middle" else (-14.0 if y <= top + side / 2 else 14.0)
        canvas.text(x + shift, y + lift, told, anchor=anchor, size=12)

    for px, py, name, value, anchor in (
        (left, top, "Q11", q11, "end"),
        (left + side, top, "Q21", q21, "start"),
        (left, top + side, "Q12", q12, "end"),
        (left + side, top + side, "Q22", q22, "start"),
    ):
        point(px, py, name, value, SKY, anchor)
    point(x, top, "R1", r1, ORANGE, "middle")
    point(x, top + side, "R2", r2, ORANGE, "middle")
    point(x, y, "P", p, RED, "start")
    canvas.bottom = max(canvas.bottom, top + side + 22)
    canvas.right = max(canvas.right, left + side + 9 + text_width(f"Q22 = {q22:g}", 12))
    return canvas.finish(
        f"Q11 = {q11:g}, Q21 = {q21:g}, Q12 = {q12:g}, Q22 = {q22:g}; at {tx:g}, {ty:g}: "
        f"R1 = {r1:g}, R2 = {r2:g}, P = {p:g}."
    )
