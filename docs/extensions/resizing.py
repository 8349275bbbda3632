"""What each mode of `resize` does, drawn by it: ``.. edges::`` and ``.. shrunk::``."""

import base64
import struct
import zlib

import numpy as np
from docutils import nodes
from matplotlib.cbook import get_sample_data
from PIL import Image
from sphinx.util.docutils import SphinxDirective

import upshape as up

__all__ = ["setup"]

EDGE_MODES = ("nearest", "linear", "cubic", "lanczos", "area", "box", "hamming")
DOWN = (
    ("nearest", {}),
    ("linear, antialias=False", {"antialias": False}),
    ("area", {}),
    ("box", {}),
    ("linear", {}),
    ("hamming", {}),
    ("cubic", {}),
    ("lanczos", {}),
)
FROM, TO, SHOWN = 240, 60, 3  # pixels of a picture, of the small one, and of one of its pixels


def photograph():
    """Return a square of the photograph that Matplotlib ships, in grey: Grace Hopper, 1984."""
    with get_sample_data("grace_hopper.jpg") as file, Image.open(file) as image:
        grey = np.asarray(image.convert("L"))
    side = min(grey.shape)
    square = grey[:side, :side]
    return up.resize(square, (FROM, FROM), "lanczos")


def rings():
    """Return a picture of shade, edges, and texture of every fineness: where aliasing shows."""
    y, x = np.mgrid[0:FROM, 0:FROM] / FROM
    circles = 0.5 + 0.5 * np.cos(260 * ((x - 0.35) ** 2 + (y - 0.4) ** 2))
    shade = 0.25 + 0.5 * y
    picture = np.where((x - 0.35) ** 2 + (y - 0.4) ** 2 < 0.09, circles, shade)
    fence = (np.arange(FROM) // 2 % 2)[None, :] * np.ones((FROM, 1))
    picture = np.where((x > 0.7) & (y < 0.55), fence, picture)
    leaning = ((x * 2 + y) * 40 % 1 < 0.3).astype(float)
    picture = np.where(y > 0.78, leaning, picture)
    return (picture * 255).round().astype(np.uint8)


def png(picture):
    """Return a grey picture as a PNG file."""
    height, width = picture.shape

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data)
        )

    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    return b"".join([
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        chunk(b"IDAT", zlib.compress(rows, 9)),
        chunk(b"IEND", b""),
    ])  # fmt: skip


def figure(picture, caption, scale=1):
    """Return a picture with words below it, as HTML; `scale`: of a pixel."""
    data = base64.b64encode(png(picture)).decode()
    width = picture.shape[1] * scale
    return (
        f'<figure style="display:inline-block;margin:0 12px 12px 0">'
        f'<img alt="{caption}" src="data:image/png;base64,{data}" width="{width}" '
        f'style="image-rendering:pixelated"/><figcaption>{caption}</figcaption></figure>'
    )


def shrunk(whole):
    """Return a picture, and what each mode makes of it, as HTML."""
    shown = [figure(whole, f"the picture, {FROM} x {FROM}")]
    for name, how in DOWN:
        small = up.resize(whole, (TO, TO), name.split(",")[0], **how)
        shown.append(figure(small, name, SHOWN))
    return "".join(shown)


def edges():
    """Return a step, eight times enlarged in each mode: what each new pixel is."""
    row = np.repeat([0.0, 1.0], 4)
    shown = []
    for mode in EDGE_MODES:
        values = up.resize(row, 8 * len(row), mode)
        steps = " ".join(
            f"{4 + 3 * n},{70 - 50 * v:.1f} {7 + 3 * n},{70 - 50 * v:.1f}"
            for n, v in enumerate(values)
        )
        dots = "".join(
            f'<circle cx="{4 + 3 * (8 * n + 4)}" cy="{70 - 50 * v:.1f}" r="2.5" fill="#c44"/>'
            for n, v in enumerate(row)
        )
        shown.append(
            f'<figure style="display:inline-block;margin:0 12px 12px 0">'
            f'<svg width="200" height="90" role="img" aria-label="an edge in mode {mode}">'
            f'<polyline points="{steps}" fill="none" stroke="currentColor" stroke-width="1.5"/>'
            f"{dots}</svg><figcaption>{mode}</figcaption></figure>"
        )
    return "".join(shown)


PICTURES = {"rings": rings, "photograph": photograph}


class Edges(SphinxDirective):
    """The directive ``edges``."""

    def run(self):
        """Draw."""
        return [nodes.raw("", edges(), format="html")]


class Shrunk(SphinxDirective):
    """The directive ``shrunk``, of a picture by its name."""

    required_arguments = 1

    def run(self):
        """Draw."""
        return [nodes.raw("", shrunk(PICTURES[self.arguments[0]]()), format="html")]


def setup(app):
    """Tell Sphinx about the directives."""
    app.add_directive("edges", Edges)
    app.add_directive("shrunk", Shrunk)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
