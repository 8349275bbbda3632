"""Convolution and transposed convolution of NumPy arrays, as functions.

A function is a layer that is used once: what its arguments mean is parameters.py's, how a call is
planned and run tasks.py's; weights that are packed once are a layer's, in layers.py. Arguments that
were seen before are looked up, and the weights are packed for the call alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from upshape import arrays, runtime
from upshape.calls import Calls, also_forget
from upshape.layers import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    from_torch,
)
from upshape.orders import PLAN_BYTES
from upshape.parameters import AnyArray, Ints, Pads, check_parameters
from upshape.tasks import Task, Values, first_call, is_plain, new

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "from_torch",
]

# Kinds of calls that the functions know, and bytes of memory that they keep for packed weights,
# twice at most: fresh memory costs as much as packing.
_MOST_CALLS = 256
_MOST_SPARE = 4 << 20
# Parameters that can tell one call from another: True == 1 must not.
_PLAIN = frozenset([int, str, type(None)])

_threads = runtime.threads

# Tasks without numbers: what the functions need for arguments that they have seen before.
_calls: Calls[Task] = Calls(_MOST_CALLS, PLAN_BYTES)

# No packed weights: a function's are packed anew for every call.
_NOTHING: AnyArray = np.empty(0, np.uint8)

# Memory for packed weights, kept for the next call of a function.
_spare: list[AnyArray] = []

also_forget(_spare.clear)


def _once(
    operation: str, axes: int, x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None,
    stride: Ints, padding: Pads, output_padding: Ints | None, groups: int, dilation: Ints,
    output_size: Any, out: AnyArray | None,
) -> AnyArray:
    """Run a layer that is used once: its weights are packed for this call alone."""
    key: Any = None
    if (
        out is None and type(x) is np.ndarray and type(weight) is np.ndarray
        and (bias is None or (type(bias) is np.ndarray and _is_tidy(bias)))
        and _is_tidy(weight) and x.flags.aligned and x.ndim == axes + 2
        and (_PLAIN.issuperset((type(stride), type(padding), type(output_padding), type(groups),
                                type(dilation), type(output_size)))
             or all(map(is_plain, (stride, padding, output_padding, groups, dilation,
                                    output_size))))
    ):
        # Whatever decides what is done, and whether it can be done.
        key = (
            operation, x.dtype, x.shape, x.strides, weight.dtype, weight.shape,
            None if bias is None else (bias.dtype, bias.shape), stride, padding, output_padding,
            groups, dilation, output_size, _threads(),
        )
        known = _calls.get(key)
        if known is not None:
            try:
                return _run_known(known, x, weight, bias)
            except MemoryError:
                pass  # as in a layer's call

    def keep(*made: Any) -> None:
        if key is not None:
            task = made[-1]._replace(packed=_NOTHING, bias=None)
            _calls.put(key, task, task.plan.nbytes)

    with arrays.named(operation):
        parameters, weight, bias = check_parameters(
            operation, weight, bias, stride, padding, output_padding, groups, dilation, axes
        )
        values = Values(_tidy(weight), None if bias is None else _tidy(bias), {})
        return first_call(parameters, values, x, output_size, out, keep)


def _is_tidy(array: AnyArray) -> bool:
    """Return whether the kernels can read weights or a bias as they are."""
    flags = array.flags
    return flags.c_contiguous and flags.aligned and array.dtype.isnative


def _tidy(array: AnyArray) -> AnyArray:
    """Return weights or a bias as the kernels can read them, a copy if need be."""
    return array if _is_tidy(array) else np.array(array, array.dtype.newbyteorder("="), order="C")


def _run_known(task: Task, x: AnyArray, weight: AnyArray, bias: AnyArray | None) -> AnyArray:
    """Run a call whose like has been checked and planned."""
    layout = task.layout
    try:
        packed = _spare.pop()
    except IndexError:
        packed = _NOTHING
    if packed.nbytes < layout.packed_bytes:
        packed = np.empty(layout.packed_bytes, np.uint8)
    layout.pack(weight, bias, packed)
    result = new(task.memory, task.view, x.dtype)
    task.run(x, packed, bias, result)
    if packed.nbytes <= _MOST_SPARE and len(_spare) < 2:
        _spare.append(packed)
    return result


def conv_transpose1d(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Ints = 1,
    padding: Pads = 0, output_padding: Ints = 0, groups: int = 1, dilation: Ints = 1, *,
    output_size: Ints | None = None, out: AnyArray | None = None,
) -> AnyArray:
    """Compute a 1-D transposed convolution: every input pixel stamps its kernel onto the output.

    The output size is ``o = (i-1)s - 2p + [d(k-1)+1] + a``.

    Parameters
    ----------
    x : array_like, shape (N, C_in, L) or (C_in, L)
        float32 or float64.
    weight, bias, stride, padding, output_padding, groups, dilation, output_size, out
        As of `conv_transpose2d`, for one axis.

    Returns
    -------
    ndarray, shape (N, C_out, o) or (C_out, o)
        Of the dtype of `x` and `weight`.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or of a kind or dtype that is not taken.

    See Also
    --------
    conv_transpose2d : With all notes.
    ConvTranspose1d : The same with weights that are packed once.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> x, w = np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0]]])
    >>> up.conv_transpose1d(x, w, stride=2)
    array([[[ 1., 10.,  2., 20.,  3., 30.]]])
    >>> up.conv_transpose1d(x, w)
    array([[[ 1., 12., 23., 30.]]])
    """
    return _once("conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding,
                 groups, dilation, output_size, out)


def conv_transpose2d(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Ints = 1,
    padding: Pads = 0, output_padding: Ints = 0, groups: int = 1, dilation: Ints = 1, *,
    output_size: Ints | None = None, out: AnyArray | None = None,
) -> AnyArray:
    """Compute a 2-D transposed convolution: every input pixel stamps its kernel onto the output.

    The output size is ``o = (i-1)s - 2p + [d(k-1)+1] + a`` along each axis.

    Parameters
    ----------
    x : array_like, shape (N, C_in, H, W) or (C_in, H, W)
        float32 or float64. Memory whose innermost axis is the channels' is computed as it is, and
        gives a result in the same memory order.
    weight : array_like, shape (C_in, C_out/groups, kH, kW)
        Of the dtype of `x`.
    bias : array_like, shape (C_out,), optional
        Added to every pixel of its channel.
    stride, dilation : int or one int an axis
        s and d.
    padding : int, one int or pair (before, after) an axis, "same_upper" or "same_lower"
        p, which is taken away from both sides of the output, or as much as the pair says. The two
        words are SAME of TensorFlow and of ONNX, ``o = i s``: an odd pixel is taken away at the
        end ("same_upper", which is TensorFlow's) or at the start.
    output_padding : int or one int an axis
        a, which adds to the output's size at its end; below ``max(stride, dilation)``.
    groups : int
        The channels fall into so many groups, each computed on its own.
    output_size : int or one int an axis, or a whole shape, optional
        The size to reach, one of the s from a = 0 on. Given, it decides alone: `output_padding`
        does not count. Of a whole shape such as ``skip.shape`` the spatial sizes count.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray, shape (N, C_out, oH, oW) or (C_out, oH, oW)
        `out`, or a new array of the dtype of `x` and `weight`.

    Raises
    ------
    ValueError
        If a size or value is out of range; for an `output_size` that cannot be reached the
        message lists those that can.
    TypeError
        If an argument is of a kind or dtype that is not taken.

    See Also
    --------
    ConvTranspose2d : The same with weights that are packed once.
    upshape.shapes.ConvTranspose : The sizes.
    upshape.reference.conv_transpose2d : The definition in plain NumPy.

    Notes
    -----
    As ``torch.nn.functional.conv_transpose2d``. No zeros are inserted: the output falls into s x s
    phases, each an ordinary convolution of the input. A pixel is the sum of up to C_in/groups kH kW
    products: it differs from the exact value by at most ``n u / (1 - n u)`` times the sum of the
    products' absolute values, with n the number of products plus one and u half a unit in the last
    place of 1. The order in which they are added, and so the last bits, may differ between CPUs,
    memory layouts and shapes, sizes of the batch included; it never depends on the number of
    threads, and the same call on the same machine gives the same bits.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])[None, None]
    >>> w = np.array([[1.0, 2.0], [3.0, 4.0]])[None, None]
    >>> up.conv_transpose2d(x, w, stride=2)[0, 0]
    array([[ 1.,  2.,  2.,  4.],
           [ 3.,  4.,  6.,  8.],
           [ 3.,  6.,  4.,  8.],
           [ 9., 12., 12., 16.]])
    >>> kernel = np.ones((1, 1, 3, 3))
    >>> down = up.conv2d(np.ones((1, 1, 12, 12)), kernel, stride=2, padding=1)
    >>> down.shape
    (1, 1, 6, 6)
    >>> up.conv_transpose2d(down, kernel, stride=2, padding=1).shape
    (1, 1, 11, 11)
    >>> up.conv_transpose2d(down, kernel, stride=2, padding=1, output_size=12).shape
    (1, 1, 12, 12)
    >>> up.conv_transpose2d(down, kernel, stride=2, padding="same_upper").shape
    (1, 1, 12, 12)
    """
    return _once("conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding,
                 groups, dilation, output_size, out)


def conv_transpose3d(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Ints = 1,
    padding: Pads = 0, output_padding: Ints = 0, groups: int = 1, dilation: Ints = 1, *,
    output_size: Ints | None = None, out: AnyArray | None = None,
) -> AnyArray:
    """Compute a 3-D transposed convolution: every input voxel stamps its kernel onto the output.

    The output size is ``o = (i-1)s - 2p + [d(k-1)+1] + a`` along each axis.

    Parameters
    ----------
    x : array_like, shape (N, C_in, D, H, W) or (C_in, D, H, W)
        float32 or float64. Memory whose innermost axis is the channels' is computed as it is, and
        gives a result in the same memory order.
    weight : array_like, shape (C_in, C_out/groups, kD, kH, kW)
        Of the dtype of `x`.
    bias, stride, padding, output_padding, groups, dilation, output_size, out
        As of `conv_transpose2d`, for three axes.

    Returns
    -------
    ndarray, shape (N, C_out, oD, oH, oW) or (C_out, oD, oH, oW)
        `out`, or a new array of the dtype of `x` and `weight`.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or of a kind or dtype that is not taken.

    See Also
    --------
    conv_transpose2d : With all notes.
    ConvTranspose3d : The same with weights that are packed once.
    upshape.reference.conv_transpose3d : The definition in plain NumPy.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> x = np.array([[[[1.0, 2.0]]], [[[10.0, 20.0]]]])
    >>> up.conv_transpose3d(x, np.ones((2, 1, 2, 1, 1)), stride=(2, 1, 2))  # two channels to one
    array([[[[11.,  0., 22.]],
    <BLANKLINE>
            [[11.,  0., 22.]]]])
    >>> volume, kernel = np.ones((1, 1, 6, 6, 5)), np.ones((1, 1, 3, 3, 3))
    >>> up.conv_transpose3d(volume, kernel, stride=2, padding=1, output_size=(12, 11, 10)).shape
    (1, 1, 12, 11, 10)
    """
    return _once("conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding,
                 groups, dilation, output_size, out)


def conv1d(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Ints = 1,
    padding: Pads = 0, dilation: Ints = 1, groups: int = 1, *,
    out: AnyArray | None = None,
) -> AnyArray:
    """Compute a 1-D convolution: every output pixel is a weighted sum of the pixels below it.

    The output size is ``o = floor((i + 2p - [d(k-1)+1]) / s) + 1``.

    Parameters
    ----------
    x : array_like, shape (N, C_in, L) or (C_in, L)
        float32 or float64.
    weight, bias, stride, padding, dilation, groups, out
        As of `conv2d`, for one axis.

    Returns
    -------
    ndarray, shape (N, C_out, o) or (C_out, o)
        Of the dtype of `x` and `weight`.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or of a kind or dtype that is not taken.

    See Also
    --------
    conv2d : With all notes.
    Conv1d : The same with weights that are packed once.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> x, w = np.array([[[1.0, 2.0, 3.0, 4.0]]]), np.array([[[1.0, 10.0]]])
    >>> up.conv1d(x, w)
    array([[[21., 32., 43.]]])
    >>> up.conv1d(x, w, stride=2)
    array([[[21., 43.]]])
    """
    return _once("conv1d", 1, x, weight, bias, stride, padding, None, groups, dilation, None, out)


def conv2d(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Ints = 1,
    padding: Pads = 0, dilation: Ints = 1, groups: int = 1, *,
    out: AnyArray | None = None,
) -> AnyArray:
    """Compute a 2-D convolution: every output pixel is a weighted sum of the pixels below it.

    The output size is ``o = floor((i + 2p - [d(k-1)+1]) / s) + 1`` along each axis.

    Parameters
    ----------
    x : array_like, shape (N, C_in, H, W) or (C_in, H, W)
        float32 or float64. Memory whose innermost axis is the channels' is computed as it is, and
        gives a result in the same memory order.
    weight : array_like, shape (C_out, C_in/groups, kH, kW)
        Of the dtype of `x`. The kernel is not rotated.
    bias : array_like, shape (C_out,), optional
        Added to every pixel of its channel.
    stride, dilation : int or one int an axis
        s and d.
    padding : int, one int or pair (before, after) an axis, or a word
        p, zeros on both sides, or as many as the pair says. "valid" is none; "same" gives an output
        of the input's size, needs stride 1, and puts the odd zero at the end. "same_upper" and
        "same_lower" are SAME of TensorFlow and of ONNX, ``o = ceil(i / s)``: how many zeros there
        are follows from the input's size, and an odd one is at the end ("same_upper", which is
        TensorFlow's) or at the start.
    groups : int
        The channels fall into so many groups, each computed on its own.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray, shape (N, C_out, oH, oW) or (C_out, oH, oW)
        `out`, or a new array of the dtype of `x` and `weight`.

    Raises
    ------
    ValueError
        If a size or value is out of range.
    TypeError
        If an argument is of a kind or dtype that is not taken.

    See Also
    --------
    Conv2d : The same with weights that are packed once.
    upshape.shapes.Conv : The sizes.
    upshape.reference.conv2d : The definition in plain NumPy.

    Notes
    -----
    As ``torch.nn.functional.conv2d``: a correlation. It is the adjoint of `conv_transpose2d`:
    ``<conv2d(x, w), y> = <x, conv_transpose2d(y, w)>``. Accuracy as there.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> up.conv2d(x, np.array([[1.0, 0.0], [0.0, 10.0]])[None, None])[0, 0]
    array([[40., 51.],
           [73., 84.]])
    >>> up.conv2d(x, np.ones((1, 1, 3, 3)), padding="same")[0, 0]
    array([[ 8., 15., 12.],
           [21., 36., 27.],
           [20., 33., 24.]])
    >>> up.conv2d(x, np.ones((1, 1, 2, 2)), stride=2, padding="same_upper")[0, 0]
    array([[ 8.,  7.],
           [13.,  8.]])
    >>> up.conv2d(x, np.ones((1, 1, 2, 2)), stride=2, padding=((0, 1), (0, 1)))[0, 0]
    array([[ 8.,  7.],
           [13.,  8.]])
    """
    return _once("conv2d", 2, x, weight, bias, stride, padding, None, groups, dilation, None, out)


def conv3d(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Ints = 1,
    padding: Pads = 0, dilation: Ints = 1, groups: int = 1, *,
    out: AnyArray | None = None,
) -> AnyArray:
    """Compute a 3-D convolution: every output voxel is a weighted sum of the voxels below it.

    The output size is ``o = floor((i + 2p - [d(k-1)+1]) / s) + 1`` along each axis.

    Parameters
    ----------
    x : array_like, shape (N, C_in, D, H, W) or (C_in, D, H, W)
        float32 or float64. Memory whose innermost axis is the channels' is computed as it is, and
        gives a result in the same memory order.
    weight : array_like, shape (C_out, C_in/groups, kD, kH, kW)
        Of the dtype of `x`. The kernel is not rotated.
    bias, stride, padding, dilation, groups, out
        As of `conv2d`, for three axes.

    Returns
    -------
    ndarray, shape (N, C_out, oD, oH, oW) or (C_out, oD, oH, oW)
        `out`, or a new array of the dtype of `x` and `weight`.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or of a kind or dtype that is not taken.

    See Also
    --------
    conv2d : With all notes.
    Conv3d : The same with weights that are packed once.
    upshape.reference.conv3d : The definition in plain NumPy.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> up.conv3d(x, np.ones((1, 1, 2, 2, 2)))
    array([[[[[28.]]]]])
    >>> up.conv3d(x, np.ones((1, 1, 2, 1, 1)))
    array([[[[[ 4.,  6.],
              [ 8., 10.]]]]])
    """
    return _once("conv3d", 3, x, weight, bias, stride, padding, None, groups, dilation, None, out)
