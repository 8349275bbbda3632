"""Pictures of layers and networks, as SVG: what goes where, what is lost, what does not fit.

Each function returns a `Drawing`, which shows itself in a notebook and can be saved. Nothing has
to be installed for it. Pictures are at most 400 pixels wide and have no words in them, only
numbers and the letters of the literature: input size i, output size o, kernel size k, stride s,
padding p, dilation d, remainder or output padding a. What a picture shows stands in its `alt`.

Layers are the relations of `upshape.shapes`, or layers of upshape or PyTorch, which are read into
them.
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
