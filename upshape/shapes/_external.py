"""Layers from the modules of PyTorch, and from upshape's own, by reading their attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._modules import READERS, layer_of
from ._network import is_model, no_instance, unreadable, unwrapped

__all__ = ["from_export", "from_torch"]


def from_torch(module: Any, *, read: Mapping[Any, Callable[..., Any]] | None = None) -> Any:
    """Return the size relation of a PyTorch module, or of one of upshape's layers.

    Parameters
    ----------
    module : torch.nn.Module, or a layer of upshape
        A convolution, transposed convolution, max, average or power-average pooling, or an
        upsampling, of 1 to 3 axes; or a whole model.
    read : mapping, optional
        For parts of a model that cannot be read, what they do to a size: from a module's class, its
        name in the model, or a function, to a function of the size, such as a layer of upshape, or
        to a layer of PyTorch.

    Returns
    -------
    Conv, ConvTranspose, Pool, Unpool or Interpolate
        The layer with the module's parameters; those that are alike on all axes are given once.
        For a model: a function of the input size, for `solve`; its attribute `unread` lists what
        could not be followed, with its place in the model's code.

    Raises
    ------
    TypeError
        If this is no module whose sizes are known.

    Notes
    -----
    A single layer's attributes are read and PyTorch is not imported. A model's own forward is run
    by `solve`, in eval mode, on PyTorch's shape kernels, with sizes that are exact functions of the
    input size; where a decision hangs on the size, it is run once for each way to go. The model is
    left as it was. Modules with ``padding_mode="reflect"`` or ``"circular"`` have sizes like the
    others, but PyTorch refuses inputs smaller than what they mirror, which a single layer does not
    know; a model does.

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
    module = unwrapped(module)
    layer = layer_of(module)
    if layer is not None:
        return layer
    if (told := unreadable(module)) is not None:
        raise TypeError(told)
    if is_model(module):
        from ._reading import TorchNetwork

        return TorchNetwork(module, read)
    raise TypeError(
        f"from_torch: {type(module).__name__} is neither a torch.nn.Module nor a layer of upshape; "
        f"layers are read from {', '.join(sorted(READERS))}"
    )


def from_export(program: Any) -> Any:
    """Return a program of torch.export as a function of its input size, for `solve`.

    Parameters
    ----------
    program : torch.export.ExportedProgram
        What ``torch.export.export`` returned, with dynamic spatial sizes.

    Returns
    -------
    network
        A function of the input size. Its answer is that of the program: the guards that the export
        wrote down and the ranges of its dimensions are conditions like any other.

    Raises
    ------
    TypeError
        If this is no such program, or its inputs are not feature maps of one shape.

    Examples
    --------
    >>> import torch  # doctest: +SKIP
    >>> rows, columns = (8 * torch.export.Dim(name, max=512) for name in "hw")  # doctest: +SKIP
    >>> program = torch.export.export(
    ...     unet, (torch.zeros(1, 3, 64, 64),), dynamic_shapes=({2: rows, 3: columns},)
    ... )  # doctest: +SKIP
    >>> shapes.solve(shapes.from_export(program))  # doctest: +SKIP
    Answer(inputs={16, 24, 32, 40, 48, 56, 64, 72, ..., 4096 (511 sizes)}, output=i)
    """
    if not hasattr(program, "range_constraints") or not callable(getattr(program, "module", None)):
        raise TypeError(
            f"from_export: an ExportedProgram of torch.export is needed, got "
            f"{type(program).__name__}; a module is read with from_torch"
        )
    args, kwargs = program.example_inputs or ((), {})
    found = {tuple(int(size) for size in one.shape) for one in args if hasattr(one, "shape")}
    if len(found) != 1 or kwargs or len(found) > len(args) or len(next(iter(found))) < 3:
        raise TypeError(
            "from_export: the program must have feature maps of one shape (N, C, sizes) as its "
            f"inputs, got shapes {sorted(found)}" + (f" and {sorted(kwargs)}" if kwargs else "")
        )
    from ._reading import TorchNetwork

    name = program.graph_module.__class__.__name__
    name = "the program" if name.startswith("GraphModule") else name
    return TorchNetwork(program.module(), name=name, example=next(iter(found)))
