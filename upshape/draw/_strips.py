"""One axis of a layer as a strip: windows and what they lose, stamps, counts, positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from upshape import reference

from ._layers import MOST_POSITIONS, one_of, reached, single_axis, size_of
from ._svg import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    ORANGE,
    PAPER,
    SERIES,
    SKY,
    WIDEST,
    YELLOW,
    Canvas,
    Drawing,
)

__all__ = ["nearest", "overlap", "ruler", "stamps", "windows"]

BAR = 13.0  # from one row of windows to the next
ROOM = WIDEST - 2 * MARGIN
COLOURS = SERIES[:4]


def _one_axis(layer: Any, i: Any, kinds: tuple[str, ...], what: str) -> tuple[Any, int]:
    layer = one_of(layer, kinds, what)
    if isinstance(i, bool) or not hasattr(i, "__index__"):
        raise TypeError(f"{what}: one axis is drawn at a time, its size must be an int, got {i!r}")
    return single_axis(layer, what), int(i.__index__())


def _refuse_long(layer: Any, i: Any, positions: int, what: str) -> None:
    if positions > MOST_POSITIONS:
        raise ValueError(
            f"{what}: {positions} positions have no room, got {layer!r} on i = {i}; at most "
            f"{MOST_POSITIONS} are drawn, and a smaller input shows the same"
        )


def _cell(positions: int, most: float = 26.0) -> float:
    return min(most, ROOM / positions)


def _padding(before: int, after: int) -> int | str:
    """Return the padding as it is written: one number, or two if its sides differ."""
    return before if before == after else f"{before}:{after}"


def _header(canvas: Canvas, letters: dict[str, int | str]) -> float:
    """Write the letters and their numbers over a strip; return where the strip begins.

    No padding and no dilation are not worth a word.
    """
    left = float(MARGIN)
    for letter, value in letters.items():
        if (letter, value) in (("p", 0), ("d", 1)):
            continue
        canvas.text(left, MARGIN + 7, letter, anchor="start", italic=True, size=13)
        told = f"= {value}"
        canvas.text(left + 11, MARGIN + 7, told, anchor="start", size=12)
        left += 11 + 12 * 0.64 * len(told) + 9
    return MARGIN + 20


def windows(layer: Any, i: int, *, letters: bool = False) -> Drawing:
    """Draw the windows of a convolution or pooling along one axis, and the pixels that it loses.

    The strip at the top is the input, with its padding dashed; positions beyond the last window are
    hatched. Each bar is a window, its dots are the taps; below it is the output pixel that it
    makes.

    Parameters
    ----------
    layer : Conv or Pool
        The relation, or a layer that `upshape.shapes.from_torch` reads.
    i : int
        The input size.
    letters : bool
        Write below the strip which formula each part is as long as.

    Returns
    -------
    Drawing
        The picture.

    Examples
    --------
    >>> from upshape import draw
    >>> from upshape.shapes import Conv, Pool
    >>> draw.windows(Conv(3, stride=2, padding=1), 11).alt
    'Conv(kernel_size=3, stride=2, padding=1) on i = 11: o = 6 windows, nothing lost.'
    >>> draw.windows(Pool(2), 7).alt
    'Pool(kernel_size=2, stride=2) on i = 7: o = 3 windows, a = 1 lost.'
    """
    layer, i = _one_axis(layer, i, ("Conv", "Pool"), "windows")
    o = layer(i)
    k, s, d = layer.kernel_size, layer.stride, layer.dilation
    before, after = layer.padding_for(i)
    reach = layer.effective_kernel
    end = (o - 1) * s + reach  # of the last window; with ceil_mode it may lie beyond the padding
    padded = before + i + after
    positions = max(padded, end)
    if positions > MOST_POSITIONS:
        less = i - -(-(positions - MOST_POSITIONS) // s) * s
        hint = f"; i = {less} has the same remainder" if less >= layer.minimum else ""
        raise ValueError(
            f"windows: {positions} positions have no room, got {layer!r} on i = {i}; at most "
            f"{MOST_POSITIONS} are drawn{hint}"
        )
    lost = max(0, padded - end)
    cell = _cell(positions)
    canvas = Canvas()
    p = _padding(before, after)
    top = _header(canvas, {"i": i, "k": k, "s": s, "p": p, "d": d, "o": o, "a": lost})
    high = min(cell, 22.0)
    for place in range(positions):
        inside = before <= place < before + i
        canvas.cell(
            MARGIN + place * cell, top, cell, str(place - before) if inside else "",
            height=high, fill=SKY if inside and place < end else None,
            dashed=not inside, hatched=place >= end, kind="lost" if place >= end else "cell",
        )  # fmt: skip
    top += high + 4
    if letters:
        top = _lengths(canvas, top, cell, positions, reach, lost)
    rows = min(o, -(-reach // s))
    bottom = top + rows * BAR + 12
    for q in range(o):
        left, y = MARGIN + q * s * cell, top + (q % rows) * BAR + BAR / 2
        colour = COLOURS[q % len(COLOURS)]
        _bar(canvas, left, y, cell, k, d, colour)
        centre = left + reach * cell / 2
        canvas.line(centre, y + 3, centre, bottom, stroke=colour)
    for q in range(o):  # over the lines
        left = MARGIN + q * s * cell + reach * cell / 2 - cell / 2
        canvas.cell(
            left, bottom, cell, str(q), height=high, fill=COLOURS[q % len(COLOURS)], kind="output"
        )
    canvas.right = max(canvas.right, MARGIN + positions * cell)
    told = f"a = {lost} lost" if lost else "nothing lost"
    windows_ = "window" if o == 1 else "windows"
    return canvas.finish(f"{layer!r} on i = {i}: o = {o} {windows_}, {told}.")


def _bar(canvas: Canvas, left: float, y: float, cell: float, k: int, d: int, colour: str) -> None:
    """Draw a kernel lying on a strip: a line over all that it spans, a dot at each tap."""
    reach = d * (k - 1) + 1
    canvas.line(left + 2, y, left + reach * cell - 2, y, stroke=colour, thick=3)
    for tap in range(k):
        canvas.dot(left + (tap * d + 0.5) * cell, y, min(4.0, cell / 3), fill=colour, kind="tap")


def _lengths(
    canvas: Canvas, top: float, cell: float, positions: int, reach: int, lost: int
) -> float:
    """Draw what is how long under a strip: all of it, one window, what is lost."""

    def length(left: float, count: int, y: float, told: str) -> None:
        x1, x2 = left + 1, left + count * cell - 1
        canvas.line(x1, y, x2, y, stroke=GREY)
        canvas.line(x1, y - 3, x1, y + 3, stroke=GREY)
        canvas.line(x2, y - 3, x2, y + 3, stroke=GREY)
        canvas.text((x1 + x2) / 2, y + 9, told, size=11, italic=True)

    length(MARGIN, positions, top + 4, "i + 2p")
    length(MARGIN, reach, top + 24, "d(k − 1) + 1")
    if lost:
        length(MARGIN + (positions - lost) * cell, lost, top + 24, "a")
    return top + 44


def stamps(layer: Any, i: int) -> Drawing:
    """Draw where a transposed convolution's input pixels stamp their kernels, along one axis.

    At the top the input; each bar is the kernel that a pixel stamps, its dots are the taps. The
    strip at the bottom is the output, and in every pixel of it stands how many taps arrive there.
    What padding cuts off is hatched; what output_padding adds has a thick frame.

    Parameters
    ----------
    layer : ConvTranspose
        The relation, or a layer that `upshape.shapes.from_torch` reads.
    i : int
        The input size.

    Returns
    -------
    Drawing
        The picture.

    Examples
    --------
    >>> from upshape import draw
    >>> from upshape.shapes import ConvTranspose
    >>> draw.stamps(ConvTranspose(2, stride=2, output_padding=1), 3).alt
    'ConvTranspose(kernel_size=2, stride=2, output_padding=1) on i = 3: o = 7,
    taps 1 1 1 1 1 1 0.'
    """
    layer, i = _one_axis(layer, i, ("ConvTranspose",), "stamps")
    o = layer(i)
    k, s, a, d = layer.kernel_size, layer.stride, layer.output_padding, layer.dilation
    p, after = layer.padding_for(i)
    reach = layer.effective_kernel
    positions = max((i - 1) * s + reach + a, p + o)
    _refuse_long(layer, i, positions, "stamps")
    counts = [len(arriving) for arriving in reached(layer, i)]
    cell = _cell(positions)
    high = min(cell, 22.0)
    canvas = Canvas()
    letters = {"i": i, "k": k, "s": s, "p": _padding(p, after), "d": d}
    top = _header(canvas, {**letters, **({"a": a} if a else {}), "o": o})
    rows = min(i, -(-reach // s))
    first = top + high + 10
    bottom = first + rows * BAR + 4
    for q in range(i):
        left, y = MARGIN + q * s * cell, first + (q % rows) * BAR + BAR / 2
        colour = COLOURS[q % len(COLOURS)]
        centre = left + reach * cell / 2
        canvas.line(centre, top + high, centre, y, stroke=colour)
        _bar(canvas, left, y, cell, k, d, colour)
        canvas.cell(centre - cell / 2, top, cell, str(q), height=high, fill=colour, kind="input")
    for place in range(positions):
        inside = p <= place < p + o
        added = inside and place >= p + o - a
        count = counts[place - p] if inside else 0
        canvas.cell(
            MARGIN + place * cell, bottom, cell, str(count) if inside else "", height=high,
            hatched=not inside, dashed=not inside, kind="cell" if inside else "cut",
            fill=(YELLOW if added else ORANGE) if inside and count else None,
        )  # fmt: skip
    if a:
        left = MARGIN + (p + o - a) * cell
        canvas.rect(left, bottom, a * cell, high, stroke=INK, thick=2.4, kind="added")
    told = " ".join(map(str, counts))
    return canvas.finish(f"{layer!r} on i = {i}: o = {o}, taps {told}.")


def overlap(layer: Any, i: int | tuple[int, int]) -> Drawing:
    """Draw how many taps of a transposed convolution arrive at each output pixel.

    Where neighbours differ, pictures get a checkerboard. One axis gives bars, two give a map.

    Parameters
    ----------
    layer : ConvTranspose
        The relation, or a layer that `upshape.shapes.from_torch` reads.
    i : int, or tuple of two ints
        The input size; a tuple gives the map of two axes.

    Returns
    -------
    Drawing
        The picture.

    Examples
    --------
    >>> from upshape import draw
    >>> from upshape.shapes import ConvTranspose
    >>> draw.overlap(ConvTranspose(3, stride=2), 3).alt
    'ConvTranspose(kernel_size=3, stride=2) on i = 3: taps 1 1 2 1 2 1 1.'
    >>> draw.overlap(ConvTranspose(2, stride=1), (2, 2)).alt
    'ConvTranspose(kernel_size=2) on i = (2, 2): taps 1 2 1 / 2 4 2 / 1 2 1.'
    """
    layer = one_of(layer, ("ConvTranspose",), "overlap")
    if isinstance(i, tuple | list) or len(layer.axes) > 1:
        return _overlap_map(layer, i)
    i = size_of(i, "overlap: input size")
    counts = [len(arriving) for arriving in reached(layer, i)]
    _refuse_long(layer, i, len(counts), "overlap")
    cell = _cell(len(counts))
    unit = min(16.0, 96.0 / max(1, *counts))
    canvas = Canvas()
    top, ground = MARGIN, MARGIN + 10 + unit * max(1, *counts)
    for place, count in enumerate(counts):
        left = MARGIN + place * cell
        if count:
            canvas.rect(
                left, ground - unit * count, cell, unit * count, fill=_shade(count, counts),
                stroke=GREY, kind="bar",
            )  # fmt: skip
        else:
            canvas.cell(left, ground - unit, cell, height=unit, dashed=True, hatched=True)
        size = min(11.0, cell / 0.8)
        canvas.text(left + cell / 2, ground + 9, str(count), size=size)
    canvas.line(MARGIN, ground, MARGIN + len(counts) * cell, ground)
    canvas.bottom = max(canvas.bottom, ground + 14, top)
    return canvas.finish(f"{layer!r} on i = {i}: taps {' '.join(map(str, counts))}.")


def _overlap_map(layer: Any, i: Any) -> Drawing:
    sizes = tuple(i) if isinstance(i, tuple | list) else (i,) * len(layer.axes)
    axes = layer.axes * 2 if len(layer.axes) == 1 else layer.axes
    if len(sizes) != 2 or len(axes) != 2:
        raise ValueError(
            f"overlap: a map has two axes, got {layer!r} and input size {i!r}; draw one of the "
            "layer's `axes` with an int for bars"
        )
    checked = [size_of(size, "overlap: input size") for size in sizes]
    along = [
        [len(arriving) for arriving in reached(axis, size)]
        for axis, size in zip(axes, checked, strict=True)
    ]
    counts = np.outer(along[0], along[1])
    _refuse_long(layer, i, max(counts.shape), "overlap")
    cell = _cell(counts.shape[1], most=20.0)
    canvas = Canvas()
    each = counts.ravel().tolist()
    for row, column in np.ndindex(counts.shape):
        count = int(counts[row, column])
        canvas.cell(
            MARGIN + column * cell, MARGIN + row * cell, cell,
            str(count) if cell >= 11 else "",
            fill=_shade(count, each) if count else None, tint=1.0,
            hatched=not count, stroke=PAPER,
            ink=PAPER if count and _shade(count, each) == BLUE else INK,
        )  # fmt: skip
    told = " / ".join(" ".join(map(str, row)) for row in counts.tolist())
    return canvas.finish(f"{layer!r} on i = {tuple(checked)}: taps {told}.")


RAMP = ("#DCEEF9", SKY, "#2A8CC8", BLUE)  # from light to dark, so that it survives printing


def _shade(count: int, counts: list[int]) -> str:
    """Return the colour of a count among all counts that there are."""
    most = max(max(counts), 1)
    return RAMP[min(len(RAMP) - 1, max(0, -(-count * len(RAMP) // most) - 1))]


def nearest(
    input_size: int, output_size: int, *, scale_factor: float | None = None, exact: bool = False
) -> Drawing:
    """Draw which input pixel each output pixel copies in nearest-neighbour interpolation.

    Both strips are as long as one another: an output pixel takes the input pixel in which it
    begins, or with `exact` the one in which its centre lies; the dot is that place.

    Parameters
    ----------
    input_size, output_size : int
        How many pixels there are along the axis.
    scale_factor, exact
        As in `upshape.reference.nearest_indices`, which says which pixel it is.

    Returns
    -------
    Drawing
        The picture.

    Examples
    --------
    >>> from upshape import draw
    >>> draw.nearest(3, 5).alt
    'nearest, 3 to 5: pixels 0 0 1 1 2.'
    >>> draw.nearest(3, 5, exact=True).alt
    'nearest-exact, 3 to 5: pixels 0 0 1 2 2.'
    """
    i = size_of(input_size, "nearest: input_size", 24)
    o = size_of(output_size, "nearest: output_size", 24)
    indices = reference.nearest_indices(i, o, scale_factor=scale_factor, exact=exact)
    scale = i / o if scale_factor is None else 1 / scale_factor
    cell = min(60.0, ROOM / max(i, o * scale))
    canvas = Canvas()
    high, gap = 24.0, 34.0
    below = MARGIN + high + gap
    for place in range(i):
        canvas.cell(
            MARGIN + place * cell, MARGIN, cell, str(place), height=high,
            fill=SERIES[place % len(SERIES)], kind="input",
        )  # fmt: skip
    wide = cell * scale
    for place, index in enumerate(indices.tolist()):
        canvas.cell(
            MARGIN + place * wide, below, wide, str(index), height=high,
            fill=SERIES[index % len(SERIES)], kind="output",
        )  # fmt: skip
        x = MARGIN + (place + (0.5 if exact else 0.0)) * wide + (0.0 if exact else 2.0)
        canvas.arrow(x, below, x, MARGIN + high + 1)
        canvas.dot(x, below, 2.2)
    name = "nearest-exact" if exact else "nearest"
    return canvas.finish(f"{name}, {i} to {o}: pixels {' '.join(map(str, indices.tolist()))}.")


def ruler(
    input_size: int,
    output_size: int,
    *,
    scale_factor: float | None = None,
    align_corners: bool = False,
) -> Drawing:
    """Draw where the centres of output pixels lie on the input's axis, in linear interpolation.

    The strip is the input, a dot in each pixel's centre; the output's pixels hang below their
    positions. With half-pixel centres both cover the same length, with `align_corners` the
    outermost centres coincide. Positions outside the outermost centres are moved to them.

    Parameters
    ----------
    input_size, output_size : int
        How many pixels there are along the axis.
    scale_factor, align_corners
        As in `upshape.reference.linear_coordinates`, which says where.

    Returns
    -------
    Drawing
        The picture.

    Examples
    --------
    >>> from upshape import draw
    >>> draw.ruler(2, 4).alt
    '2 to 4, half-pixel centres: at 0 0.25 0.75 1.'
    >>> draw.ruler(2, 4, align_corners=True).alt
    '2 to 4, aligned corners: at 0 0.3333 0.6667 1.'
    """
    i = size_of(input_size, "ruler: input_size", 24)
    o = size_of(output_size, "ruler: output_size", 24)
    at = reference.linear_coordinates(
        i, o, scale_factor=scale_factor, align_corners=align_corners
    ).tolist()
    cell = min(110.0, ROOM / i)
    canvas = Canvas()
    high = 24.0
    top = MARGIN + 16
    for place in range(i):
        left = MARGIN + place * cell
        canvas.cell(left, top, cell, height=high, fill=SKY, kind="input")
        canvas.dot(left + cell / 2, top + high / 2, 3.5)
        canvas.text(left + cell / 2, MARGIN + 6, str(place), size=11)
    shown = [MARGIN + (position + 0.5) * cell for position in at]
    wanted = _unclipped(i, o, scale_factor, align_corners)
    below = top + high + 30
    texts = [f"{position:.4g}" for position in at]
    size = 11.0 if o * max(map(len, texts)) * 0.64 * 11 < cell * i else 7.0
    for place, (x, told) in enumerate(zip(shown, texts, strict=True)):
        start = MARGIN + (wanted[place] + 0.5) * cell
        canvas.arrow(start, below, x, top + high / 2 + 4, stroke=GREY)
        canvas.dot(start, below, 5.0, fill=ORANGE, kind="output")
        canvas.text(start, below + 13, str(place), size=11)
        canvas.text(start, below + 27 + (12 if size == 7 and place % 2 else 0), told, size=size)
    canvas.right = max(canvas.right, MARGIN + i * cell)
    kind = "aligned corners" if align_corners else "half-pixel centres"
    factor = f", factor {scale_factor:g}" if scale_factor is not None else ""
    return canvas.finish(f"{i} to {o}, {kind}{factor}: at {' '.join(texts)}.")


def _unclipped(i: int, o: int, factor: float | None, align_corners: bool) -> list[float]:
    """Return the positions before they are moved to the outermost centres."""
    if align_corners or o == i:
        return list(reference.linear_coordinates(i, o, align_corners=align_corners))
    scale = i / o if factor is None else 1 / factor
    return [(place + 0.5) * scale - 0.5 for place in range(o)]
