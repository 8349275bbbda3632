"""Pictures as SVG text: cells, lines and numbers on a canvas that grows with what is put on it.

Every picture has a white ground of its own, so that it reads the same on paper, in a dark notebook
and on a dark page. Colours are those of Okabe and Ito, which the colour-blind can tell apart; what
is lost, cut, padded or wrong is hatched or dashed besides.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

__all__ = ["Canvas", "Drawing", "number", "text_width"]

# Okabe and Ito's eight colours by their names.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
RED = "#D55E00"  # "vermillion"
PURPLE = "#CC79A7"

INK = "#222222"
GREY = "#6E6E6E"
LIGHT = "#BDBDBD"
PAPER = "#FFFFFF"
SERIES = (SKY, ORANGE, GREEN, PURPLE, YELLOW, BLUE, RED)

WIDEST = 400  # pixels: what a telephone shows without scrolling
MARGIN = 6
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
LARGEST_TEXT, SMALLEST_TEXT = 13.0, 6.5
DIGIT = 0.64  # of the text's size: the widest digit of the fonts above (DejaVu Sans)


@dataclass(frozen=True, repr=False)
class Drawing:
    """A picture: SVG text, its size in pixels, and what it shows in words.

    It shows itself in a notebook. ``str(drawing)`` is the SVG text.

    Parameters
    ----------
    body : str
        SVG elements.
    width, height : float
        Size in pixels.
    alt : str
        What the picture shows, with its numbers, for those who do not see it.

    Examples
    --------
    >>> from upshape import draw
    >>> from upshape.shapes import Conv
    >>> drawing = draw.windows(Conv(3, stride=2, padding=1), 12)
    >>> drawing.alt
    'Conv(kernel_size=3, stride=2, padding=1) on i = 12: o = 6 windows, a = 1 lost.'
    >>> str(drawing)[:4], drawing.width <= 400
    ('<svg', True)
    """

    body: str
    width: float
    height: float
    alt: str

    @property
    def svg(self) -> str:
        """The picture as a whole SVG file."""
        width, height = _short(self.width), _short(self.height)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-label={quoteattr(self.alt)} '
            f'font-family="{FONT}">'
            f"<title>{escape(self.alt)}</title>"
            f'<rect width="{width}" height="{height}" rx="4" fill="{PAPER}"/>'
            f"{self.body}</svg>"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file, which should end in .svg."""
        Path(path).write_text(self.svg + "\n", encoding="utf-8")

    def _repr_svg_(self) -> str:
        return self.svg

    def __str__(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Drawing {_short(self.width)} x {_short(self.height)}: {self.alt}>"


@dataclass
class Canvas:
    """What a picture is drawn on; it is as large as what was put there."""

    elements: list[str] = field(default_factory=list)
    right: float = 0.0
    bottom: float = 0.0

    def _put(self, element: str, right: float, bottom: float) -> None:
        self.elements.append(element)
        self.right = max(self.right, right)
        self.bottom = max(self.bottom, bottom)

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str = "none",
        tint: float = 1.0,
        stroke: str = INK,
        thick: float = 1.0,
        dashed: bool = False,
        kind: str | None = None,
    ) -> None:
        """Draw a rectangle; `tint` is how much of its colour it has, `kind` a class for tests."""
        dash = ' stroke-dasharray="3 2"' if dashed else ""
        tinted = f' fill-opacity="{_short(tint)}"' if tint != 1 else ""
        named = f' class="{kind}"' if kind else ""
        self._put(
            f'<rect{named} x="{_short(x)}" y="{_short(y)}" width="{_short(width)}" '
            f'height="{_short(height)}" fill="{fill}"{tinted} stroke="{stroke}" '
            f'stroke-width="{_short(thick)}"{dash}/>',
            x + width,
            y + height,
        )

    def line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        *,
        stroke: str = INK,
        thick: float = 1.0,
        dashed: bool = False,
    ) -> None:
        """Draw a straight line."""
        dash = ' stroke-dasharray="3 2"' if dashed else ""
        self._put(
            f'<line x1="{_short(x1)}" y1="{_short(y1)}" x2="{_short(x2)}" y2="{_short(y2)}" '
            f'stroke="{stroke}" stroke-width="{_short(thick)}"{dash}/>',
            max(x1, x2),
            max(y1, y2),
        )

    def arrow(self, x1: float, y1: float, x2: float, y2: float, *, stroke: str = INK) -> None:
        """Draw a line with a head at its second end."""
        self.line(x1, y1, x2, y2, stroke=stroke, thick=1.3)
        length = max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1e-9)
        ux, uy = (x2 - x1) / length * 6, (y2 - y1) / length * 6
        points = " ".join(
            f"{_short(px)},{_short(py)}"
            for px, py in (
                (x2, y2),
                (x2 - ux - uy / 2, y2 - uy + ux / 2),
                (x2 - ux + uy / 2, y2 - uy - ux / 2),
            )
        )
        self._put(f'<polygon points="{points}" fill="{stroke}"/>', max(x1, x2), max(y1, y2))

    def dot(
        self, x: float, y: float, radius: float, *, fill: str = INK, kind: str | None = None
    ) -> None:
        """Draw a filled circle."""
        named = f' class="{kind}"' if kind else ""
        self._put(
            f'<circle{named} cx="{_short(x)}" cy="{_short(y)}" r="{_short(radius)}" '
            f'fill="{fill}" stroke="{INK}" stroke-width="0.6"/>',
            x + radius,
            y + radius,
        )

    def hatch(self, x: float, y: float, width: float, height: float, stroke: str = INK) -> None:
        """Fill a rectangle with diagonal lines."""
        step = 5.0
        parts = []
        offset = step
        while offset < width + height:
            # The line x + y = offset, cut to the rectangle.
            x1, y1 = min(offset, width), max(0.0, offset - width)
            x2, y2 = max(0.0, offset - height), min(offset, height)
            parts.append(f"M{_short(x + x1)} {_short(y + y1)}L{_short(x + x2)} {_short(y + y2)}")
            offset += step
        self._put(
            f'<path class="hatch" d="{"".join(parts)}" stroke="{stroke}" stroke-width="0.9"/>',
            x + width,
            y + height,
        )

    def text(
        self,
        x: float,
        y: float,
        told: str,
        *,
        size: float = 12.0,
        anchor: str = "middle",
        fill: str = INK,
        bold: bool = False,
        italic: bool = False,
    ) -> None:
        """Write text whose middle line is at y, and whose `anchor` is at x."""
        weight = ' font-weight="bold"' if bold else ""
        slant = ' font-style="italic"' if italic else ""
        width = text_width(told, size)
        right = x + {"start": width, "middle": width / 2, "end": 0.0}[anchor]
        self._put(
            f'<text x="{_short(x)}" y="{_short(y + 0.35 * size)}" font-size="{_short(size)}" '
            f'text-anchor="{anchor}" fill="{fill}"{weight}{slant}>{escape(told)}</text>',
            right,
            y + 0.5 * size,
        )

    def cell(
        self,
        x: float,
        y: float,
        width: float,
        told: str = "",
        *,
        height: float | None = None,
        fill: str | None = None,
        tint: float = 0.4,
        dashed: bool = False,
        hatched: bool = False,
        ink: str = INK,
        stroke: str | None = None,
        thick: float = 1.0,
        kind: str = "cell",
        bold: bool = False,
    ) -> None:
        """Draw one pixel: a box, perhaps coloured, dashed or hatched, with a number inside."""
        height = width if height is None else height
        self.rect(
            x,
            y,
            width,
            height,
            fill=PAPER if fill is None else fill,
            tint=1.0 if fill is None else tint,
            stroke=stroke or (LIGHT if dashed else GREY),
            thick=thick,
            dashed=dashed,
            kind=kind,
        )
        if hatched:
            self.hatch(x, y, width, height)
        if told:
            size = min(fitting(told, width - 1.2), 0.85 * height)
            if hatched:  # a number on a hatch needs ground to stand on
                wide, high = text_width(told, size) + 2, size + 1
                left, top = x + (width - wide) / 2, y + (height - high) / 2
                self.rect(left, top, wide, high, fill=PAPER, stroke="none", kind="ground")
            self.text(x + width / 2, y + height / 2, told, size=size, fill=ink, bold=bold)

    def place(self, drawing: Drawing, x: float, y: float) -> None:
        """Put a finished picture on this one."""
        self._put(
            f'<g transform="translate({_short(x)} {_short(y)})">{drawing.body}</g>',
            x + drawing.width,
            y + drawing.height,
        )

    def finish(self, alt: str, *, margin: float = MARGIN) -> Drawing:
        """Return the picture, with a margin at its right and below."""
        return Drawing("".join(self.elements), self.right + margin, self.bottom + margin, alt)


def number(value: Any) -> str:
    """Return a number as it is written into a cell: whole, or with four digits.

    Examples
    --------
    >>> number(1245.0), number(2 / 3), number(-0.5)
    ('1245', '0.6667', '-0.5')
    """
    real = float(value)
    return str(int(real)) if real.is_integer() else f"{real:.4g}"


def text_width(told: str, size: float) -> float:
    """Return how wide a text can become in any of the fonts, from above."""
    return len(told) * DIGIT * size


def fitting(told: str, width: float) -> float:
    """Return the text size with which a text fits into a width."""
    return max(SMALLEST_TEXT, min(LARGEST_TEXT, width / (DIGIT * max(len(told), 1))))


def _short(value: float) -> str:
    """Return a coordinate with at most two decimals, without zeros at its end."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
