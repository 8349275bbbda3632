"""Layers from the modules of PyTorch, and from upshape's own, by reading their attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._layer import Layer
from ._network import is_model, no_instance
from .layers import Conv, ConvTranspose, Interpolate, Pool

__all__ = ["from_torch", "layer_of"]


def from_torch(module: Any, *, read: Mapping[Any, Callable[..., Any]] | None = None) -> Any:
    """Return the size relation of a PyTorch module, or of one of upshape's layers.

    Parameters
    ----------
    module : torch.nn.Module, or a layer of upshape
        A convolution, transposed convolution, max, average or power-average pooling, or an
        upsampling, of 1 to 3 axes; or a whole model.
    read : mapping, optional
        For parts of a model that cannot be read, what they do to a size: from a module's class, its
        name in the model, or a function, to a function of the size.

    Returns
    -------
    Conv, ConvTranspose, Pool or Interpolate
        The layer with the module's parameters; those that are alike on all axes are given once.
        For a model: a function of the input size, for `solve`; its attribute `unread` lists what
        could not be read.

    Raises
    ------
    TypeError
        If this is no module whose sizes are known.

    Notes
    -----
    A single layer's attributes are read and PyTorch is not imported; a model is traced by torch.fx.
    Modules with ``padding_mode="reflect"`` or ``"circular"`` have sizes like the others, but
    PyTorch refuses inputs smaller than what they mirror, which the layer does not know.

    Examples
    --------
    >>> class Conv2d:  # stands for torch.nn.Conv2d
    ...     __module__ = "torch.nn.modules.conv"
    ...     kernel_size, stride, padding, dilation = (3, 3), (2, 2), (1, 1), (1, 1)
    >>> from_torch(Conv2d())
    Conv(kernel_size=3, stride=2, padding=1)
    """
    if (told := no_instance("from_torch", module)) is not None:
        raise TypeError(told)
    layer = layer_of(module)
    if layer is not None:
        return layer
    if is_model(module):
        from ._fx import trace

        return trace(module, read)
    raise TypeError(
        f"from_torch: {type(module).__name__} is neither a torch.nn.Module nor a layer of upshape; "
        f"layers are read from {', '.join(sorted(_READERS))}"
    )


def layer_of(module: Any) -> Layer | None:
    """Return the layer with the parameters of a single module, or None if it is no such module.

    A subclass counts as what it is derived from unless it has a `forward` of its own, which may do
    anything to the sizes.
    """
    for kind in type(module).__mro__:
        if kind.__name__ in _READERS and kind.__module__.partition(".")[0] in ("torch", "upshape"):
            if getattr(type(module), "forward", None) is not getattr(kind, "forward", None):
                return None
            return _READERS[kind.__name__](module)
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


_READERS: dict[str, Callable[[Any], Layer]] = {
    **{f"Conv{n}d": _conv for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": _conv_transpose for n in (1, 2, 3)},
    **{f"{kind}Pool{n}d": _pool for kind in ("Max", "Avg", "LP") for n in (1, 2, 3)},
    "Upsample": _upsample,
}
