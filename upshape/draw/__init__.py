"""Pictures of layers and networks, as SVG: what goes where, what is lost, what does not fit.

Each function returns a `Drawing`, which shows itself in a notebook and can be saved. Nothing has
to be installed for it. Pictures are at most 400 pixels wide and have no words in them, only
numbers and the letters of the literature: input size i, output size o, kernel size k, stride s,
padding p, dilation d, remainder or output padding a. What a picture shows stands in its `alt`.

Layers are the relations of `upshape.shapes`, or layers of upshape or PyTorch, which are read into
them; networks are functions of a size, PyTorch models, or what `upshape.shapes.solve` answered.

Examples
--------
>>> from upshape import draw
>>> from upshape.shapes import Conv, solve, zoo
>>> conv = Conv(3, stride=2, padding=1)
>>> both = draw.stack(draw.windows(conv, 11), draw.windows(conv, 12))
>>> both.width, both.height
(376.0, 236.0)
>>> draw.network(solve(zoo.unet()), 600).alt
'unet does not take 600: sizes 600 300 150 75 37 74; the join of 74 and 75 fails.'

``both.save("windows.svg")`` writes a file; in a notebook the last line of a cell is shown.
"""

from ._grids import beside, grid, matrix, stack
from ._maps import bilinear, phases, scatter, taps, zeros
from ._network import network
from ._strips import nearest, overlap, ruler, stamps, windows
from ._svg import Drawing

__all__ = [
    "Drawing",
    "beside",
    "bilinear",
    "grid",
    "matrix",
    "nearest",
    "network",
    "overlap",
    "phases",
    "ruler",
    "scatter",
    "stack",
    "stamps",
    "taps",
    "windows",
    "zeros",
]
