"""Layers from the modules of PyTorch, and from upshape's own, by reading their attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._modules import READERS, layer_of
from ._network import is_model, no_instance

__all__ = ["from_torch"]


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
        from ._reading import TorchNetwork

        return TorchNetwork(module, read)
    raise TypeError(
        f"from_torch: {type(module).__name__} is neither a torch.nn.Module nor a layer of upshape; "
        f"layers are read from {', '.join(sorted(READERS))}"
    )
