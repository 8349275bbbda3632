"""The sizes of feature maps: what a layer, or a whole network, does to them, exactly.

Integers are answered at once. What needs SymPy (`derive`, the symbols, symbolic answers of
`solve`) loads it when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .layers import (
    Choice,
    Conv,
    ConvTranspose,
    Interpolate,
    Origin,
    Padding,
    Pool,
    Unpool,
)

if TYPE_CHECKING:
    from . import symbols, zoo
    from ._answer import Answer, MendedCall, Repair
    from ._autopad import AutoPad
    from ._derivation import Derivation, derive, scale_condition
    from ._explain import Explanation
    from ._external import from_export, from_torch
    from ._field import Field
    from ._onnx_file import from_onnx
    from ._quasilinear import PeriodError
    from ._requirement import Requirement
    from ._search import Found, find
    from ._size import Size, maximum, minimum
    from ._solve import same, solve
    from .symbols import a, d, i, k, o, p, s

__all__ = [
    "Answer",
    "AutoPad",
    "Choice",
    "Conv",
    "ConvTranspose",
    "Derivation",
    "Explanation",
    "Field",
    "Found",
    "Interpolate",
    "MendedCall",
    "Origin",
    "Padding",
    "PeriodError",
    "Pool",
    "Repair",
    "Requirement",
    "Size",
    "Unpool",
    "a",
    "d",
    "derive",
    "find",
    "from_export",
    "from_onnx",
    "from_torch",
    "i",
    "k",
    "maximum",
    "minimum",
    "o",
    "p",
    "s",
    "same",
    "scale_condition",
    "solve",
    "symbols",
    "zoo",
]

# Where the names live that are loaded on first use; a module's own name stands for the module.
_LAZY = {
    "Answer": "_answer",
    "AutoPad": "_autopad",
    "Derivation": "_derivation",
    "Explanation": "_explain",
    "Field": "_field",
    "Found": "_search",
    "MendedCall": "_answer",
    "PeriodError": "_quasilinear",
    "Repair": "_answer",
    "Requirement": "_requirement",
    "Size": "_size",
    "derive": "_derivation",
    "find": "_search",
    "from_export": "_external",
    "from_onnx": "_onnx_file",
    "from_torch": "_external",
    "maximum": "_size",
    "minimum": "_size",
    "same": "_solve",
    "scale_condition": "_derivation",
    "solve": "_solve",
    "symbols": "symbols",
    "zoo": "zoo",
    **dict.fromkeys("ioksdpa", "symbols"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_LAZY[name]}", __name__)
    value = module if name == _LAZY[name] else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
