"""Feature maps of several scales, brought to one size and concatenated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from upshape import arrays
from upshape.interpolation import (
    LAYOUTS,
    MEAN_DTYPES,
    MODES,
    Job,
    as_align_corners,
    as_channel_axis,
    as_how,
    as_mode,
    check_no_picture,
    check_sizes,
    layout_of,
)

__all__ = ["upsample_concat"]

_LINEAR_MODES = {3: "linear", 4: "bilinear", 5: "trilinear"}


def upsample_concat(
    features: Sequence[ArrayLike],
    size: int | Sequence[int] | None = None,
    mode: str | None = None,
    align_corners: bool | None = None,
    *,
    channel_axis: int = 1,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Interpolate features of several scales to one size, and concatenate their channels.

    The result has the channels of all features, in their order, and ``size`` pixels.

    Parameters
    ----------
    features : sequence of array_like, each of shape (N, C_k, *spatial_k)
        One or more, with the same N, the same number of axes (3, 4 or 5) and the same dtype.
    size : int or sequence of int, optional
        Output size, one for all spatial axes or one each. By default that of the feature with the
        most pixels (the first of them).
    mode : str, optional
        As in `interpolate`, but for lanczos: nearest for labels, area for features that shrink by
        whole factors. By default linear, bilinear or trilinear, as the rank says.
    align_corners : bool, optional
        As in `interpolate`.
    channel_axis : {1, -1}
        Where the channels are: ``(N, C, *spatial)`` or ``(N, *spatial, C)``.
    out : ndarray, optional
        Where to write the result: right shape and dtype, writeable, apart from the features.

    Returns
    -------
    ndarray, shape (N, C_0 + C_1 + ..., *size)
        Of the features' dtype; `out` if that was given. If the memory of every feature is
        channels-last, so is that of the result.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or the features' dtypes differ.
    ValueError
        If a value or a size is out of range, or the features do not go together.
    MemoryError
        If no memory holds the result.

    Notes
    -----
    Each feature is written straight into its channels of the result: nothing is copied again. It
    is what ``torch.cat([interpolate(f, size, mode=mode) for f in features], 1)`` returns.

    See Also
    --------
    interpolate : The same for one array, and by a factor.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> fine = np.array([[1, 2, 3, 4]], np.float32)[None]
    >>> coarse = np.array([[10, 30]], np.float32)[None]
    >>> up.upsample_concat([fine, coarse])[0]
    array([[ 1.,  2.,  3.,  4.],
           [10., 15., 25., 30.]], dtype=float32)
    >>> y = up.upsample_concat([fine, coarse], mode="nearest")
    >>> y[0]
    array([[ 1.,  2.,  3.,  4.],
           [10., 10., 30., 30.]], dtype=float32)

    The first channel is the fine feature itself:

    >>> np.array_equal(y[:, :1], fine)
    True
    """
    with arrays.named("upsample_concat"):
        return _concat(features, size, mode, align_corners, channel_axis, out)


def _concat(
    features: Any, size: Any, mode: str | None, align_corners: bool | None, channel_axis: int,
    out: Any,
) -> NDArray[Any]:
    """Check, plan all, allocate, run all, return."""
    if isinstance(features, (str, bytes)) or not isinstance(features, (Sequence, np.ndarray)):
        raise TypeError(
            f"upsample_concat: features must be a sequence of arrays, not {type(features).__name__}"
        )
    if isinstance(features, np.ndarray) and features.ndim == 0:
        raise TypeError(
            f"upsample_concat: features must be a sequence of arrays, not "
            f"{arrays.shown(features)}, an array without axes"
        )
    if len(features) == 0:
        raise ValueError("upsample_concat: features is empty; give one array or more")
    means = mode is None or (
        isinstance(mode, str) and mode in MODES and not mode.startswith("nearest")
    )
    xs = [
        arrays.as_array(
            "upsample_concat", f"features[{k}]", feature, MEAN_DTYPES if means else ()
        )
        for k, feature in enumerate(features)
    ]
    first = xs[0]
    for k, x in enumerate(xs):
        arrays.check_rank("upsample_concat", f"features[{k}]", x, LAYOUTS)
        check_sizes("upsample_concat", f"features[{k}]", x.shape)
        check_no_picture("upsample_concat", f"features[{k}]", x, mode)
        if x.ndim != first.ndim or x.shape[0] != first.shape[0]:
            raise ValueError(
                f"upsample_concat: features[{k}] has shape {x.shape}, features[0] {first.shape}; "
                f"all must have the same number of axes and the same batch size"
            )
        arrays.as_dtype_of("upsample_concat", f"features[{k}]", x, "features[0]", first.dtype)
    mode = as_mode("upsample_concat", _LINEAR_MODES[first.ndim] if mode is None else mode,
                   first.ndim - 2, "features[0]")
    if mode == "lanczos":
        raise ValueError(
            "upsample_concat: mode='lanczos' needs antialias=True, which upsample_concat does not "
            "have; resize with up.interpolate first"
        )
    corners = as_align_corners("upsample_concat", align_corners, mode)
    axis = as_channel_axis("upsample_concat", channel_axis, first.ndim)
    layouts = [layout_of(x, axis) for x in xs]
    layout = next((own for own in layouts if own.last == (axis != 1)), layouts[0])
    inputs = [tuple(x.shape[a] for a in layout.spatial) for x in xs]
    if size is None:
        size = max(inputs, key=math.prod)
    hows = [
        as_how("upsample_concat", own, size, None, mode, corners, None, False, first.dtype)
        for own in inputs
    ]

    sizes = list(first.shape)
    sizes[axis] = sum(x.shape[axis] for x in xs)
    for own, o in zip(layout.spatial, hows[0].sizes, strict=True):
        sizes[own] = o
    shape = tuple(sizes)
    arrays.check_memory("upsample_concat", shape, first.dtype)
    if out is None:
        result = layout.empty(shape, first.dtype)
    else:
        result = arrays.check_out("upsample_concat", out, shape, first.dtype, *xs)
        layout = layout_of(result, axis)
    if not result.size:
        return result
    jobs, begin = [], 0
    for x, how in zip(xs, hows, strict=True):
        channels = [slice(None)] * first.ndim
        channels[axis] = slice(begin, begin + x.shape[axis])
        jobs.append(Job(x, result[tuple(channels)], how, layout, result.nbytes, out is None))
        begin += x.shape[axis]
    for job in jobs:
        job.run()
    return result
