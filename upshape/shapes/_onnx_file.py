"""ONNX models as networks for `solve`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._onnx import OnnxNetwork

__all__ = ["from_onnx"]


def from_onnx(model: Any, *, batch: int = 1) -> OnnxNetwork:
    """Return what an ONNX model does to its input size, for `solve`.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        The model, or its file. Weights that lie beside the file are not read.
    batch : int
        The size of the first axis where the model leaves it open.

    Returns
    -------
    OnnxNetwork
        A function of the input size; its attribute `unread` lists what could not be followed.

    Raises
    ------
    TypeError
        If this is no ONNX model.
    ModuleNotFoundError
        If the package onnx is missing: it comes with ``pip install "upshape[onnx]"``.

    Notes
    -----
    Sizes are the axes of the first input that the file leaves open (its dynamic axes), but for the
    first one; an input that the file fixes takes its own sizes alone. The answer is that of the
    file: whatever the exporter decided for its example size stays decided. What is computed with
    shapes (Shape, Gather, Div, Concat, ...) is followed exactly, floats as far as float32 is exact
    for sizes below 2**24. An operator that is not known is named, and nothing is claimed.

    Examples
    --------
    ``solve(from_onnx("unet.onnx")).next(600)``, or ``upshape solve unet.onnx --size 600``.
    """
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise ValueError(f"from_onnx: batch must be an int of at least 1, got {batch!r}")
    try:
        from ._onnx import OnnxNetwork, load

        proto, name = load(model)
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise ModuleNotFoundError(
            'from_onnx needs the package onnx: pip install "upshape[onnx]"'
        ) from None
    return OnnxNetwork(proto, name, batch)
