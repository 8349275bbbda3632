"""The layers that single modules of PyTorch, or of upshape, are, by reading their attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._layer import Layer
from .layers import Conv, ConvTranspose, Interpolate, Pool, Unpool

__all__ = ["READERS", "layer_of"]


def layer_of(module: Any) -> Layer | None:
    """Return the layer with the parameters of a single module, or None if it is no such module.

    A subclass counts as what it is derived from unless it has a `forward` of its own, which may do
    anything to the sizes.
    """
    for kind in type(module).__mro__:
        if kind.__name__ in READERS and kind.__module__.partition(".")[0] in ("torch", "upshape"):
            if getattr(type(module), "forward", None) is not getattr(kind, "forward", None):
                return None
            return READERS[kind.__name__](module)
    return None


def _conv(module: Any) -> Layer:
    return Conv(
        _alike(_kernel_size(module)),
        _alike(module.stride),
        module.padding if isinstance(module.padding, str) else _alike(module.padding),
        _alike(module.dilation),
    )


def _conv_transpose(module: Any) -> Layer:
    return ConvTranspose(
        _alike(_kernel_size(module)),
        _alike(module.stride),
        _alike(module.padding),
        _alike(module.output_padding),
        _alike(module.dilation),
    )


def _pool(module: Any) -> Layer:
    return Pool(
        _alike(module.kernel_size),
        _alike(module.stride),
        _alike(getattr(module, "padding", 0)),
        _alike(getattr(module, "dilation", 1)),
        bool(module.ceil_mode),
    )


def _unpool(module: Any) -> Layer:
    return Unpool(_alike(module.kernel_size), _alike(module.stride), _alike(module.padding))


def _upsample(module: Any) -> Layer:
    factor = _alike(module.scale_factor)
    if isinstance(factor, float) and factor.is_integer():
        factor = int(factor)
    return Interpolate(_alike(module.size), factor)


def _kernel_size(module: Any) -> Any:
    """Return a convolution's kernel size, in upshape's layers a part of the weights' shape."""
    return module.kernel_size if hasattr(module, "kernel_size") else module.weight.shape[2:]


def _alike(parameter: Any) -> Any:
    """Return a tuple of equal entries as one of them, and any other parameter as it is."""
    if not isinstance(parameter, tuple | list):
        return parameter
    return parameter[0] if len(set(parameter)) == 1 else tuple(parameter)


READERS: dict[str, Callable[[Any], Layer]] = {
    **{f"Conv{n}d": _conv for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": _conv_transpose for n in (1, 2, 3)},
    **{f"{kind}Pool{n}d": _pool for kind in ("Max", "Avg", "LP") for n in (1, 2, 3)},
    **{f"MaxUnpool{n}d": _unpool for n in (1, 2, 3)},
    "Upsample": _upsample,
}
