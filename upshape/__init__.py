"""Upsample feature maps on the CPU, and solve their sizes exactly.

Kernels: `interpolate`, `resize`, convolutions (`conv1d` to `conv3d`), transposed convolutions
(`conv_transpose1d` to `conv_transpose3d`), their layers, and `upsample_concat`, on NumPy arrays.
Sizes: ``from upshape import shapes``. The definitions of all operations, in plain NumPy:
`upshape.reference`; pictures of layers and networks: `upshape.draw`. Both are loaded when they are
first used.
"""

from typing import Any

from upshape import shapes
from upshape.choices import forget_choices, load_choices, save_choices
from upshape.convolution import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    from_torch,
)
from upshape.interpolation import interpolate
from upshape.pyramid import upsample_concat
from upshape.resizing import interpolate_backward, resize
from upshape.runtime import (
    __version__,
    clear_cache,
    get_num_threads,
    set_num_threads,
    show_config,
)

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "__version__",
    "clear_cache",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "draw",
    "forget_choices",
    "from_torch",
    "get_num_threads",
    "interpolate",
    "interpolate_backward",
    "load_choices",
    "reference",
    "resize",
    "save_choices",
    "set_num_threads",
    "shapes",
    "show_config",
    "upsample_concat",
]


def __getattr__(name: str) -> Any:
    if name in ("draw", "reference"):
        import importlib

        return importlib.import_module(f"upshape.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
