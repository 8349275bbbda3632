"""Nearest-neighbour and linear interpolation: from a user's arguments to a kernel's plan.

What an output pixel is made of is decided axis by axis, in tables: `nearest_axis` and `linear_axis`
are all there is of conventions. A `Resize` is everything that follows from the arguments and the
arrays' layout; it is made once for each combination and kept, so that a call on arrays of a shape
seen before is a look-up, an allocation and a run of the kernel.
"""

import math
import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from upshape import arrays, runtime, shapes

__all__ = ["interpolate"]

Array = NDArray[Any]
Index = NDArray[np.int64]
Distance = NDArray[np.float64]

#: How many spatial axes each mode is for.
MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
}

LINEAR_DTYPES = ("float32", "float64", "float16", "uint8")

# Results are written past the cache from this part of the last-level cache on, and from this many
# bytes on however large that is: what a cache of hundreds of MiB keeps of one process is no more.
# The crossover belongs to the machine and its other users; `python -m benchmarks.crossover` shows
# it. On two CPUs of a virtual Zen 3 with 32 MiB streaming is ahead from 6 MiB on for bilinear and
# from 12 MiB on for nearest, by 1.6 to 1.9 from 16 MiB on; at 2 MiB it would halve nearest's speed.
# On two of a virtual Granite Rapids with 480 MiB it is ahead from 32 MiB on for bilinear and from
# 48 MiB on for nearest (by 2.0 to 2.8 at 128 MiB), and 5 % behind at most from 24 MiB on.
_STREAMED_PART = 0.3125
_STREAMED_SURELY = 32 << 20
_STREAMED_FROM = min(
    int(_STREAMED_PART * (runtime.LAST_LEVEL_CACHE or 32 << 20)), _STREAMED_SURELY
)

# Bytes of the result that are worth a thread. The same command and machine: waking one costs 2 us,
# and two threads are ahead from about 144 KiB on for bilinear and 256 KiB for nearest.
_THREAD_BYTES = 64 << 10

# Plans kept. One takes a few bytes for each pixel of a row, a column and the depth.
_PLANS_KEPT = 256

_nearest = runtime.kernel("nearest")
_linear = runtime.kernel("linear")
_empty = runtime.empty


# --- tables: which source pixels an output pixel is made of, along one axis -----------------------


def nearest_axis(i: int, o: int, factor: float | None, exact: bool, double: bool) -> Index:
    """Return the source pixel of each of `o` output pixels.

    The scale (``1 / factor``, else ``i / o``) and the product are float64 for float64 arrays, else
    float32; the position is rounded to float32 before its floor is taken.
    """
    real: Any = np.float64 if double else np.float32
    scale = real(i) / real(o) if factor is None else real(1.0 / factor)
    start = (np.arange(o) + (0.5 if exact else 0.0)).astype(real)
    index: Index = (start * scale).astype(np.float32).astype(np.int64)
    np.minimum(index, i - 1, out=index)
    return index


def linear_axis(
    i: int, o: int, factor: float | None, align_corners: bool
) -> tuple[Index, Distance | None, int]:
    """Return the lower neighbour of each of `o` output pixels, how far it is, and `i`.

    An axis whose size does not change is copied, whatever the factor: its distances are None.
    """
    dst = np.arange(o, dtype=np.float64)
    if o == i:
        return dst.astype(np.int64), None, i
    if align_corners:
        position = dst * (i - 1) / max(o - 1, 1)
    else:
        scale = i / o if factor is None else 1.0 / factor
        position = np.maximum((dst + 0.5) * scale - 0.5, 0.0)
    low = np.minimum(position.astype(np.int64), i - 1)
    return low, np.clip(position - low, 0.0, 1.0), i


def _weights_are_exact(distances: Sequence[Distance | None]) -> bool:
    """Return whether float32 holds every product of the weights with a uint8 exactly."""
    bits = 0
    for distance in distances:
        if distance is None:
            continue
        for own in range(9):
            if not np.any(np.modf(distance * 2.0**own)[0]):
                bits += own
                break
        else:
            return False
    return bits <= 16  # and eight for the value: float32's 24


# --- layouts --------------------------------------------------------------------------------------


class Layout(NamedTuple):
    """Where an array's axes stand, and whether a pixel is one element or all channels."""

    channel_axis: int
    spatial: tuple[int, ...]
    last: bool  # channels-last in memory: a pixel is all channels

    @property
    def roles(self) -> tuple[int, int, int, int]:
        """Which axis is n, m, d, h to a kernel; -1: none."""
        depth, height = (-1, -1, *self.spatial[:-1])[-2:]
        return 0, -1 if self.last else self.channel_axis, depth, height

    def fits(self, array: Array) -> bool:
        """Return whether a kernel can walk this array: no gap between channels, or in a row."""
        item = array.itemsize
        width, channels = self.spatial[-1], self.channel_axis
        if not self.last:
            return array.shape[width] == 1 or array.strides[width] == item
        return (array.shape[channels] == 1 or array.strides[channels] == item) and (
            array.shape[width] == 1 or array.strides[width] >= array.shape[channels] * item
        )

    def walks(self, out: Array) -> bool:
        """Return whether a kernel can write this array: elements between its pixels may be left."""
        return self.fits(out) and self.spacing(out) % out.itemsize == 0

    def spacing(self, array: Array) -> int:
        """Return the bytes from one pixel of a row to the next."""
        if not self.last:
            return array.itemsize
        pixel = array.shape[self.channel_axis] * array.itemsize
        width = self.spatial[-1]
        return pixel if array.shape[width] == 1 else array.strides[width]

    def order(self) -> tuple[int, ...]:
        """Return the axes in the order of their strides, the smallest last."""
        if self.last:
            return (0, *self.spatial, self.channel_axis)
        return (0, self.channel_axis, *self.spatial)

    def memory(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """Return an array's shape in the order of memory, and where its axes are there.

        None instead of the axes: they are in that order.
        """
        order = self.order()
        own = tuple(shape[axis] for axis in order)
        in_order = order == tuple(range(len(order)))
        return own, None if in_order else tuple(map(order.index, range(len(order))))

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return new memory for an array of this layout."""
        memory, axes = self.memory(shape)
        array: Array = runtime.empty(memory, dtype)
        return array if axes is None else array.transpose(axes)

    def lay(self, array: Array) -> Array:
        """Return the array, copied to this layout where a kernel could not walk it."""
        if self.fits(array) and self.spacing(array) == self.pixel(array):
            return array
        copy = self.empty(array.shape, array.dtype)
        np.copyto(copy, array)
        return copy

    def pixel(self, array: Array) -> int:
        """Return the bytes of a pixel."""
        return array.itemsize * (array.shape[self.channel_axis] if self.last else 1)


def layout_of(array: Array, channel_axis: int) -> Layout:
    """Return how an array is laid out: as its axes say, or channels-last (or -first) all the same.

    An array that is neither is taken for what its axes say, and copied.
    """
    rank = array.ndim
    spatial = tuple(range(1, rank - 1)) if channel_axis == rank - 1 else tuple(range(2, rank))
    last = channel_axis != 1 or rank == 2
    own, other = Layout(channel_axis, spatial, last), Layout(channel_axis, spatial, not last)
    if array.flags.c_contiguous or array.size == 0:
        return own
    if array.transpose(other.order()).flags.c_contiguous:
        return other
    for layout in (own, other):
        if layout.fits(array) and layout.spacing(array) == layout.pixel(array):
            return layout
    return other if other.fits(array) and not own.fits(array) else own


# --- plans ----------------------------------------------------------------------------------------


class How(NamedTuple):
    """What the arguments ask for, apart from the arrays: sizes, factors and mode."""

    mode: str
    sizes: tuple[int, ...]
    factors: tuple[float | None, ...]  # that decide coordinates; None: i / o does
    align_corners: bool


@lru_cache(maxsize=_PLANS_KEPT)
def kernel_plan(
    how: How, shape: tuple[int, ...], dtype: np.dtype[Any], layout: Layout, spacing: int,
    streaming: bool,
) -> tuple[Any, int]:
    """Return a kernel's plan for an input of this shape, and how many threads are worth waking.

    `spacing`: the bytes from one pixel of the result's rows to the next; `streaming`: write past
    the cache.
    """
    inputs = [shape[axis] for axis in layout.spatial]
    channels = shape[layout.channel_axis]
    pixel = dtype.itemsize * (channels if layout.last else 1)
    total = math.prod(how.sizes) * channels * shape[0] * dtype.itemsize
    if max(inputs) > np.iinfo(np.int32).max:
        raise ValueError(
            f"interpolate: x has shape {shape}; an axis can have {np.iinfo(np.int32).max} at most"
        )
    axes = list(zip(inputs, how.sizes, how.factors, strict=True))
    plan: Any
    if how.mode.startswith("nearest"):
        exact, double = how.mode == "nearest-exact", dtype == np.float64
        indices = [nearest_axis(i, o, factor, exact, double) for i, o, factor in axes]
        indices = [np.zeros(1, np.int64)] * (3 - len(indices)) + indices
        plan = _nearest.Plan(layout.roles, *indices, inputs[-1], pixel, spacing, streaming)
    else:
        tables = [linear_axis(i, o, factor, how.align_corners) for i, o, factor in axes]
        exact = dtype == np.uint8 and _weights_are_exact([table[1] for table in tables])
        tables = [linear_axis(1, 1, None, False)] * (3 - len(tables)) + tables
        item = dtype.itemsize
        plan = _linear.Plan(
            layout.roles, tuple(tables), item, pixel // item, spacing // item, exact, streaming
        )
    return plan, max(total // _THREAD_BYTES, 1)


class Resize:
    """A call on arrays of known shapes, dtypes and strides: what is left to do."""

    __slots__ = (
        "align_corners", "alone", "axes", "channel_axis", "dtype", "memory", "most_threads",
        "recompute_scale_factor", "run", "scale_factor", "size",
    )

    def __init__(
        self, arguments: tuple[Any, ...], plan: Any, most_threads: int, result: Array,
        layout: Layout,
    ) -> None:
        (self.size, self.scale_factor, self.align_corners, self.recompute_scale_factor,
         self.channel_axis) = arguments
        self.run: Callable[[Array, Array, int], bool] = plan.run
        self.most_threads = most_threads
        self.alone = most_threads == 1
        self.dtype = result.dtype
        # The shape of a result's memory; and where the result's axes are in it, None: in order.
        self.memory, self.axes = layout.memory(result.shape)

    def same(self, *arguments: Any) -> bool:
        """Return whether arguments equal to these are of the same types: 2 == 2.0 == True."""
        own = (self.size, self.scale_factor, self.align_corners, self.recompute_scale_factor,
               self.channel_axis)
        return all(map(_alike, own, arguments))


# Filled and emptied under the GIL: a plan that two threads make at once is the same plan.
_resizes: dict[tuple[Any, ...], Resize] = {}


def resize_into(x: Array, out: Array, how: How, layout: Layout, whole: int) -> None:
    """Fill `out` from `x`, both of any strides; the layout is the result's.

    `whole`: the bytes of the result that `out` may be a part of. The caller has checked sizes,
    dtypes and that the arrays do not overlap.
    """
    if out.size == 0:
        return
    if not layout.walks(out):
        result = layout.empty(out.shape, out.dtype)
        resize_into(x, result, how, layout, whole)
        np.copyto(out, result)
        return
    x = layout.lay(x)
    streaming = whole >= _STREAMED_FROM
    spacing = layout.spacing(out)
    plan, most_threads = kernel_plan(how, x.shape, x.dtype, layout, spacing, streaming)
    _run(plan.run, x, out, most_threads)


def _run(
    run: Callable[[Array, Array, int], bool], x: Array, result: Array, most_threads: int
) -> None:
    """Run a kernel, on copies of arrays whose elements are not aligned."""
    threads = 1 if most_threads == 1 else min(runtime.threads(), most_threads)
    if run(x, result, threads):
        return
    if not x.flags.aligned:
        x = x.copy("K")
    if result.flags.aligned:
        run(x, result, threads)
    else:
        whole = np.empty_like(result)
        run(x, whole, threads)
        np.copyto(result, whole)


# --- arguments ------------------------------------------------------------------------------------


def as_channel_axis(operation: str, value: Any, rank: int) -> int:
    """Return the channel axis as a number from 1 on."""
    axis = arrays.as_int(operation, "channel_axis", value, -rank, rank - 1)
    if axis % rank not in (1, rank - 1):
        raise ValueError(
            f"{operation}: channel_axis={value!r} must be 1 (N, C, *spatial) or -1 (N, *spatial, C)"
        )
    return axis % rank


def check_sizes(operation: str, name: str, shape: tuple[int, ...]) -> None:
    """Refuse an axis without pixels and an array without channels; an empty batch is welcome."""
    if 0 in shape[1:]:
        raise ValueError(
            f"{operation}: {name} has shape {shape}; only the batch axis, the first, can be 0"
        )


def as_mode(operation: str, value: Any, axes: int) -> str:
    """Return the mode, checked against the number of spatial axes."""
    if not isinstance(value, str) or value not in MODES:
        raise ValueError(f"{operation}: mode={value!r} must be one of {', '.join(MODES)}")
    if axes not in MODES[value]:
        fitting = [mode for mode, ranks in MODES.items() if axes in ranks]
        raise ValueError(
            f"{operation}: mode={value!r} is for {MODES[value][0]} spatial axes, but x has {axes}; "
            f"mode can be {', '.join(fitting)}"
        )
    return value


def as_align_corners(operation: str, value: Any, mode: str) -> bool:
    """Return align_corners as a bool; only the linear modes have corners to align."""
    if value is None:
        return False
    if mode.startswith("nearest"):
        raise ValueError(
            f"{operation}: align_corners={value!r} has no meaning with mode={mode!r}; "
            f"leave it out, or use linear, bilinear or trilinear"
        )
    return arrays.as_bool(operation, "align_corners", value)


def as_factors(operation: str, value: Any, axes: int) -> tuple[float, ...]:
    """Return the scale factor of every axis."""
    values = tuple(value) if isinstance(value, (Sequence, np.ndarray)) else (value,) * axes
    if len(values) == 1:
        values *= axes
    if isinstance(value, str) or len(values) != axes:
        raise ValueError(
            f"{operation}: scale_factor={value!r} must be one number, or {axes}, one a spatial axis"
        )
    factors = []
    for own in values:
        if isinstance(own, (bool, np.bool_)) or not hasattr(own, "__float__"):
            raise TypeError(f"{operation}: scale_factor={value!r} must be numbers")
        factor = float(own)
        if not (factor > 0.0 and math.isfinite(factor)):
            raise ValueError(f"{operation}: scale_factor={value!r} must be positive and finite")
        factors.append(factor)
    return tuple(factors)


def as_how(
    operation: str,
    inputs: tuple[int, ...],
    size: Any,
    scale_factor: Any,
    mode: str,
    align_corners: bool,
    recompute_scale_factor: Any,
) -> How:
    """Return what is asked for, with the output sizes that the solver finds."""
    axes = len(inputs)
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"{operation}: give one of size and scale_factor; "
            f"got size={size!r}, scale_factor={scale_factor!r}"
        )
    recompute = recompute_scale_factor is not None and arrays.as_bool(
        operation, "recompute_scale_factor", recompute_scale_factor
    )
    if size is not None:
        if recompute:
            raise ValueError(
                f"{operation}: recompute_scale_factor=True needs a scale_factor; "
                f"got size={size!r}: leave recompute_scale_factor out"
            )
        sizes = arrays.as_ints(operation, "size", size, axes, 1)
        return How(mode, sizes, (None,) * axes, align_corners)
    factors = as_factors(operation, scale_factor, axes)
    for i, factor in zip(inputs, factors, strict=True):
        if i * factor < 1:
            raise ValueError(
                f"{operation}: scale_factor={scale_factor!r} leaves nothing of an axis of {i}; "
                f"it must be {1 / i!r} or more"
            )
        if i * factor >= 2**63:
            raise MemoryError(
                f"{operation}: no memory holds an axis of {i} times scale_factor={scale_factor!r}"
            )
    sizes = tuple(
        operator.index(shapes.Interpolate(scale_factor=factor)(i))
        for i, factor in zip(inputs, factors, strict=True)
    )
    return How(mode, sizes, (None,) * axes if recompute else factors, align_corners)


def check_memory(operation: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse a result that no memory holds, before tables of its size are made."""
    if math.prod(shape) * dtype.itemsize >= 2**47:
        raise MemoryError(
            f"{operation}: no memory holds a result of shape {shape} and dtype {dtype}"
        )


def _alike(a: Any, b: Any) -> bool:
    """Return whether two equal arguments are of the same types: 2 == 2.0 == True otherwise."""
    return a is b or (
        type(a) is type(b)
        and (type(a) is not tuple or all(map(operator.is_, map(type, a), map(type, b))))
    )


# --- the public function --------------------------------------------------------------------------


def interpolate(
    x: ArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    *,
    channel_axis: int = 1,
    out: Array | None = None,
) -> Array:
    """Resize the spatial axes of a batch of feature maps.

    The output size of an axis is `size`, or ``floor(i * scale_factor)``.

    Parameters
    ----------
    x : array_like, shape (N, C, L), (N, C, H, W) or (N, C, D, H, W)
        Of any dtype of fixed size for the nearest modes; float32, float64, float16 or uint8 for
        the linear ones. A view whose memory is channels-last is computed as such.
    size : int or sequence of int, optional
        Output size, one for all spatial axes or one each. Give this or `scale_factor`.
    scale_factor : float or sequence of float, optional
        Output size over input size, one for all spatial axes or one each.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "trilinear"}
        The linear modes are for 1, 2 and 3 spatial axes.
    align_corners : bool, optional
        For the linear modes: False (the default) takes pixels for squares, and aligns the edges of
        input and output; True takes them for points, and aligns the centres of the corner pixels.
    recompute_scale_factor : bool, optional
        True: `scale_factor` is for the output size only, and coordinates are scaled by i / o.
    channel_axis : {1, -1}
        Where the channels are: ``(N, C, *spatial)`` or ``(N, *spatial, C)``.
    out : ndarray, optional
        Where to write the result: right shape and dtype, writeable, apart from `x` in memory.

    Returns
    -------
    ndarray
        The resized batch, with the dtype of `x`; `out` if that was given. If the memory of `x` is
        channels-last, so is that of the result.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or `x` of a dtype that the mode does not take.
    ValueError
        If a value or a size is out of range, or arguments contradict each other.
    MemoryError
        If no memory holds the result.

    Notes
    -----
    Same as ``torch.nn.functional.interpolate``. With ``scale = i / o``, or ``1 / scale_factor``
    if that is given and not recomputed, output pixel ``dst`` looks at::

        nearest          min(floor(dst * scale), i - 1)
        nearest-exact    min(floor((dst + 0.5) * scale), i - 1)
        linear modes     (dst + 0.5) * scale - 0.5, or, aligned, dst * (i - 1) / (o - 1)

    The scale and the product of the nearest modes are computed in float64 for float64 arrays and in
    float32 for all others; either way the product is rounded to float32 before its floor is taken.
    A linear mode returns the exact value, rounded: uint8 to the nearest integer, ties to the even
    one. An axis whose size does not change is copied by the linear modes.

    See Also
    --------
    upsample_concat : Bring features of several scales to one size, and concatenate them.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> x = np.array([[1, 2], [3, 4]], np.float32)[None, None]
    >>> up.interpolate(x, scale_factor=2)[0, 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.],
           [3., 3., 4., 4.],
           [3., 3., 4., 4.]], dtype=float32)
    >>> y = up.interpolate(x, size=(2, 4), mode="bilinear")
    >>> y[0, 0]
    array([[1.  , 1.25, 1.75, 2.  ],
           [3.  , 3.25, 3.75, 4.  ]], dtype=float32)
    >>> up.interpolate(x, size=(3, 3), mode="bilinear", align_corners=True)[0, 0]
    array([[1. , 1.5, 2. ],
           [2. , 2.5, 3. ],
           [3. , 3.5, 4. ]], dtype=float32)

    The first pixel of each pair brings the larger picture back to the smaller one:

    >>> up.interpolate(up.interpolate(x, scale_factor=2), scale_factor=0.5)[0, 0]
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    key: tuple[Any, ...] | None = None
    if type(x) is np.ndarray and (out is None or type(out) is np.ndarray):
        key = (
            x.shape, x.strides, x.dtype, mode, size, scale_factor, align_corners,
            recompute_scale_factor, channel_axis,
        )
        if out is not None:
            key += (out.shape, out.strides, out.dtype)
        try:
            resize = _resizes.get(key)
        except TypeError:  # a list cannot be a part of a key
            key = resize = None
        if (
            resize is not None
            and (
                (
                    resize.scale_factor is scale_factor
                    and resize.size is size
                    and resize.align_corners is align_corners
                    and resize.recompute_scale_factor is recompute_scale_factor
                    and resize.channel_axis is channel_axis
                )
                or resize.same(
                    size, scale_factor, align_corners, recompute_scale_factor, channel_axis
                )
            )
            # What no shape and no stride tells of `out`.
            and (out is None or (out.flags.writeable and not np.may_share_memory(x, out)))
        ):
            result = out
            if result is None:
                result = _empty(resize.memory, resize.dtype)
                if resize.axes is not None:
                    result = result.transpose(resize.axes)
            if not (resize.alone and resize.run(x, result, 1)):
                _run(resize.run, x, result, resize.most_threads)
            return result
    return _interpolate(
        x, size, scale_factor, mode, align_corners, recompute_scale_factor, channel_axis, out, key
    )


def _interpolate(
    value: Any, size: Any, scale_factor: Any, mode: Any, align_corners: Any,
    recompute_scale_factor: Any, channel_axis: Any, out: Any, key: tuple[Any, ...] | None,
) -> Array:
    """Check, plan, allocate, run, return; and keep the plan under this key."""
    linear = isinstance(mode, str) and mode.endswith("linear")
    x = arrays.as_array("interpolate", "x", value, LINEAR_DTYPES if linear else ())
    arrays.check_rank(
        "interpolate", "x", x, {3: "(N, C, L)", 4: "(N, C, H, W)", 5: "(N, C, D, H, W)"}
    )
    mode = as_mode("interpolate", mode, x.ndim - 2)
    axis = as_channel_axis("interpolate", channel_axis, x.ndim)
    check_sizes("interpolate", "x", x.shape)
    layout = layout_of(x, axis)
    inputs = tuple(x.shape[axis] for axis in layout.spatial)
    corners = as_align_corners("interpolate", align_corners, mode)
    how = as_how(
        "interpolate", inputs, size, scale_factor, mode, corners, recompute_scale_factor
    )
    sizes = list(x.shape)
    for own, o in zip(layout.spatial, how.sizes, strict=True):
        sizes[own] = o
    shape = tuple(sizes)
    check_memory("interpolate", shape, x.dtype)
    if out is not None:
        result = arrays.check_out("interpolate", out, shape, x.dtype, x)
        layout = layout_of(result, axis)
    else:
        result = layout.empty(shape, x.dtype)
    resize_into(x, result, how, layout, result.nbytes)
    as_it_is = x is value and layout.walks(result) and layout.lay(x) is x
    if key is not None and as_it_is and result.size:
        spacing = layout.spacing(result)
        streaming = result.nbytes >= _STREAMED_FROM
        plan, most_threads = kernel_plan(how, x.shape, x.dtype, layout, spacing, streaming)
        if len(_resizes) >= _PLANS_KEPT:
            _resizes.clear()
        _resizes[key] = Resize(key[4:9], plan, most_threads, result, layout)
    return result
