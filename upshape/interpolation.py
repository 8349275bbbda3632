"""Interpolation: from a user's arguments to a kernel's plan.

What an output pixel is made of is decided axis by axis, in tables, and `upshape.tables` is all
there is of conventions. A `Resize` is everything that follows from the arguments and the arrays'
layout; it is made once for each combination and kept, so that a call on arrays of a shape seen
before is a look-up, an allocation and a run of the kernel.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from upshape import arrays, runtime, shapes, spreading, weighing
from upshape.calls import Calls
from upshape.tables import (
    ChainedMeans,
    Convention,
    ElevenBits,
    FixedPoint,
    Floored,
    Taps,
    linear_axis,
    nearest_axis,
    outputs,
    packed,
)

__all__ = ["interpolate"]

Array = NDArray[Any]
Distance = NDArray[np.float64]

#: How many spatial axes each mode is for.
MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "cubic": (1,),
    "bicubic": (2,),
    "tricubic": (3,),
    "area": (1, 2, 3),
    "lanczos": (1, 2, 3),
}

#: Modes whose coordinates can have aligned corners, and those that can be antialiased.
CORNERED = ("linear", "bilinear", "trilinear", "cubic", "bicubic", "tricubic")
ANTIALIASED = (*CORNERED, "lanczos")

#: What an array of so many axes is.
LAYOUTS = {3: "(N, C, L)", 4: "(N, C, H, W)", 5: "(N, C, D, H, W)"}

#: What the kernel of linear interpolation takes, and what means can be made of at all; bfloat16 is
#: no dtype of NumPy's own, and is computed as float32.
LINEAR_DTYPES = ("float32", "float64", "float16", "uint8")
_LINEAR_CODES = frozenset([np.dtype(name).char for name in LINEAR_DTYPES])
MEAN_DTYPES = (*LINEAR_DTYPES, "int8", "int16", "uint16", "int32", "bool")
BFLOAT16 = "bfloat16"

# Results are written past the cache from this part of the last-level cache on, and from this many
# bytes on however large that is: what a cache of hundreds of MiB keeps of one process is no more.
# The crossover belongs to the machine and its other users; `python -m benchmarks.crossover` shows
# it, for results that are written again and again. On two CPUs of a virtual Zen 5 with 32 MiB,
# streaming is ahead from 12 to 16 MiB on for bilinear, by 2 from 24 MiB on, on both CPUs from 20 to
# 32 MiB on; never for bicubic, by 0.9 to 1.0. On two of a virtual Granite Rapids with 480 MiB it
# was ahead from 32 MiB on for bilinear.
_STREAMED_PART = 0.4
_STREAMED_SURELY = 32 << 20
_STREAMED_FROM = min(
    int(_STREAMED_PART * (runtime.LAST_LEVEL_CACHE or 32 << 20)), _STREAMED_SURELY
)

# Copies are from so many times as many bytes on: their rows are written one after the other, which
# costs memory no read. On the same Zen 5 streaming is behind by 0.5 to 0.8 at 16 MiB, 0.75 to 0.9
# at 20 MiB and 0.9 to 1.0 from 24 to 32 MiB, on both CPUs by 0.7 still. Where the result is in no
# cache it is ahead whatever the size, by 1.1 to 1.4 (by 1.7 to 2.2 for bilinear).
_COPIES_STREAMED_TIMES = 1.6

# Bytes of the result that are worth a thread, twice as many if they are copies. The same command
# and machine: waking one costs 1 us, and two threads are ahead from about 144 KiB on for bilinear,
# 256 KiB for nearest and 16 KiB for bicubic.
_THREAD_BYTES = 64 << 10

# Pixels of an input's axis, and its channels: what 32 bits hold.
LONGEST = 2**31 - 1

# Plans kept, and the bytes of their tables: up to some forty a pixel of a row, a column and the
# depth.
_PLANS_KEPT = 256
_PLAN_BYTES = 48 << 20

# An axis of more pixels is made in pieces of so many: their tables stay in the second cache, and
# where the pattern repeats itself, pieces share them. From so many bytes on, tables are not kept.
_LONG = 1 << 18
_PIECE = 1 << 16
_PIECES_BYTES = 20 << 20

_FLOAT32 = np.dtype(np.float32)

_nearest = runtime.kernel("nearest")
_linear = runtime.kernel("linear")
_taps = runtime.kernel("taps")
_empty = runtime.empty
_threads = runtime.threads


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
    def roles(self) -> tuple[int, int, int, int, int, int]:
        """Which axis is n, m, d, h, w, c to a kernel; -1: none."""
        depth, height, width = (-1, -1, *self.spatial)[-3:]
        if self.last:
            return 0, -1, depth, height, width, self.channel_axis
        return 0, self.channel_axis, depth, height, width, -1

    def fits(self, array: Array) -> bool:
        """Return whether there is no gap between channels, or in a row, and rows run forwards.

        The stride of an axis of one element means nothing.
        """
        item = array.itemsize
        width, channels = self.spatial[-1], self.channel_axis
        if not self.last:
            return array.shape[width] == 1 or array.strides[width] == item
        return (array.shape[channels] == 1 or array.strides[channels] == item) and (
            array.shape[width] == 1 or array.strides[width] >= array.shape[channels] * item
        )

    def reads(self, array: Array, aligned: bool) -> bool:
        """Return whether a kernel can read this array; `aligned`: whether it needs whole words."""
        return (
            self.fits(array) and self.spacing(array) == self.pixel(array)
            and (not aligned or array.flags.aligned)
        )

    def writes(self, out: Array, aligned: bool) -> bool:
        """Return whether a kernel can write this array: elements between its pixels may be left."""
        return (
            self.fits(out) and self.spacing(out) % out.itemsize == 0
            and (not aligned or out.flags.aligned)
        )

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

    def lay(self, array: Array, aligned: bool) -> Array:
        """Return the array, copied to this layout where a kernel could not read it."""
        if self.reads(array, aligned):
            return array
        # Rows, planes and images that are one and the same are copied once.
        whole = (self.spatial[-1], self.channel_axis if self.last else -1)
        once = array[tuple(
            slice(None) if stride or axis in whole else slice(1)
            for axis, stride in enumerate(array.strides)
        )]
        copy = self.empty(once.shape, once.dtype)
        np.copyto(copy, once)
        return copy if copy.shape == array.shape else np.broadcast_to(copy, array.shape)

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
        if layout.reads(array, aligned=False):
            return layout
    return other if other.fits(array) and not own.fits(array) else own


# --- plans ----------------------------------------------------------------------------------------


class Tabled(Protocol):
    """What makes tables: hashable, equal to what makes the same ones."""

    @property
    def copies(self) -> bool:
        """Whether each pixel is one of the source, as it is."""

    @property
    def exact(self) -> bool:
        """Whether bytes are to be sums of float32, rounded once, and never fixed point."""

    def taps(
        self, i: int, o: int, factor: float | None = None, part: slice | None = None
    ) -> Taps | None:
        """Return the table of an axis from `i` to `o` pixels, or of a part; None: a copy."""


class How(NamedTuple):
    """What the arguments ask for, apart from the arrays: sizes, factors and mode."""

    mode: str
    sizes: tuple[int, ...]
    factors: tuple[float | None, ...]  # that decide coordinates; None: i / o does
    align_corners: bool
    convention: Tabled | None = None  # of any number of taps; None: the mode says all

    @property
    def linear(self) -> bool:
        """Whether means are made: of aligned elements, where nearest copies any bytes."""
        if self.convention is not None:
            return not self.convention.copies
        return not self.mode.startswith("nearest")


def kernel_plan(
    how: How, shape: tuple[int, ...], dtype: np.dtype[Any], layout: Layout, spacing: int,
    streaming: bool,
) -> tuple[Any, int]:
    """Return a kernel's plan for an input of this shape, and how many threads are worth waking.

    `spacing`: the bytes from one pixel of the result's rows to the next; `streaming`: write past
    the cache.
    """
    key = how, shape, dtype, layout, spacing, streaming
    known = _plans.get(key)
    if known is not None:
        return known
    inputs = [shape[axis] for axis in layout.spatial]
    channels = shape[layout.channel_axis]
    elements = channels if layout.last else 1
    make = _Maker(how, inputs, dtype, layout.roles, elements, spacing, streaming)
    if max(how.sizes) > _LONG:
        plan = Pieces(make, layout)
    else:
        plan = make.plan([make.table(axis) for axis in range(len(inputs))])
    total = math.prod(how.sizes) * channels * shape[0] * dtype.itemsize
    made = plan, max(total // (_THREAD_BYTES * (1 if how.linear else 2)), 1)
    _plans.put(key, made, plan.nbytes)
    return made


def _streams(how: How, result: int) -> bool:
    """Return whether a result of so many bytes is written past the cache."""
    return result >= _STREAMED_FROM * (1 if how.linear else _COPIES_STREAMED_TIMES)


class _Maker(NamedTuple):
    """What a kernel's plan is made of, but for the tables of its axes."""

    how: How
    inputs: Sequence[int]
    dtype: np.dtype[Any]
    roles: tuple[int, ...]
    elements: int  # of a pixel
    spacing: int
    streaming: bool

    def table(self, axis: int, part: slice | None = None) -> tuple[Any, ...]:
        """Return an axis' table, or that of a part of its output.

        (first source pixels, distances or weights, the source's size); None instead of the second:
        pixels are copied.
        """
        how = self.how
        i, o, factor = self.inputs[axis], how.sizes[axis], how.factors[axis]
        if how.convention is not None:
            taps = how.convention.taps(i, o, factor, part)
            if taps is None:
                return outputs(o, part), None, i
            return taps.first, None if how.convention.copies else taps.weights, i
        if how.linear:
            return linear_axis(i, o, factor, how.align_corners, part)
        exact, double = how.mode == "nearest-exact", self.dtype == np.float64
        return nearest_axis(i, o, factor, exact, double, part), None, i

    def plan(self, tables: Sequence[tuple[Any, ...]], plain: bool = False) -> Any:
        """Return the plan for these tables; a plain one is made at once.

        Both give the same bits.
        """
        item = self.dtype.itemsize
        width = tables[-1][2]
        missing = 3 - len(tables)
        if isinstance(self.how.convention, (Floored, ElevenBits)):
            return self._opencvs_plan(tables)
        if self.how.convention is not None and self.how.linear:
            axes = (*[(np.zeros(1, np.int64), None, 1)] * missing, *tables)
            passes = self.how.convention if isinstance(self.how.convention, FixedPoint) else None
            return weighing.plan(
                _taps, self.roles, axes, self.dtype.char, self.elements, self.spacing // item,
                self.streaming, "down" if passes is not None and passes.down_first else None,
                rounded=passes is not None and self.dtype == np.uint8,
                fixed=passes is not None or not self.how.convention.exact,
                mending=_mending_of(self.how.convention),
            )
        if not self.how.linear:
            indices = [np.zeros(1, np.int64)] * missing + [table[0] for table in tables]
            return _nearest.Plan(
                self.roles, *indices, width, self.elements * item, self.spacing, self.streaming,
                plain,
            )
        exact = self.dtype == np.uint8 and _weights_are_exact([table[1] for table in tables])
        axes = (*[linear_axis(1, 1, None, False)] * missing, *tables)
        return spreading.plan(
            _linear, self.roles, axes, item, self.elements, self.spacing // item, exact,
            self.streaming, "elements" if plain else None,
        )

    def _opencvs_plan(self, tables: Sequence[tuple[Any, ...]]) -> Any:
        """Return the plan of OpenCV's bytes: a row, or a picture of them."""
        *rows, (low, weights, i) = tables
        floored = isinstance(self.how.convention, Floored)
        if floored:
            # Weights of eleven bits may sum to a bit more than 1; a pixel alone has 1, across.
            alone = (low < 0) | (low >= i - 1)
            weights = np.where(alone[:, None], [1.0, 0.0], weights)
        # OpenCV's cubic has vectors of eight sums of float32, and integers behind them.
        chained = self.how.convention == ElevenBits("cubic")
        return weighing.plan(
            _taps, self.roles,
            (
                (np.zeros(1, np.int64), None, 1),
                *(rows or [(np.zeros(1, np.int64), np.ones((1, 1)), 1)]),
                (*packed(low, weights, i), i),
            ),
            self.dtype.char, self.elements, self.spacing // self.dtype.itemsize, self.streaming,
            floored=floored, mending="left" if floored else "exact",
            chained=len(low) * self.elements // 8 * 8 if chained else 0,
        )


def _mending_of(convention: Tabled) -> str:
    """Return which sums decide about what is near a tie."""
    if not isinstance(convention, ChainedMeans):
        return "left"
    return "whole" if convention.whole else "chained"


class Pieces:
    """The plan of a result with a long axis: plans of its pieces, which share what is alike.

    A whole table would take as much memory as many results. A piece's table counts from its own
    first source pixel, so that it is often that of the piece before. Pieces whose plans find no
    room are planned anew in every run, pixel by pixel: that takes the least time once.
    """

    def __init__(self, make: _Maker, layout: Layout) -> None:
        self.make, self.layout = make, layout
        self.parts = list(itertools.product(*[
            [slice(start, min(start + _PIECE, o)) for start in range(0, o, _PIECE)]
            if o > _LONG else [slice(0, o)] for o in make.how.sizes
        ]))
        # The first pieces, as many as are planned: the plan, where it reads and where it writes.
        self.planned: list[tuple[Any, tuple[slice, ...], tuple[slice, ...]]] = []
        self.nbytes = 0
        latest: list[tuple[Any, ...]] = []
        for parts in self.parts:
            tables, reads, writes = self._piece(parts)
            if self.planned and all(map(_same_table, tables, latest)):
                plan = self.planned[-1][0]
            elif self.nbytes > _PIECES_BYTES:
                break
            else:
                plan, latest = make.plan(tables), tables
                self.nbytes += plan.nbytes
            self.planned.append((plan, reads, writes))
        self.nbytes += 1000 * len(self.parts)

    @property
    def whole(self) -> bool:
        """Whether a run makes no plan, and so cannot fail half-way."""
        return len(self.planned) == len(self.parts)

    def _piece(
        self, parts: Sequence[slice]
    ) -> tuple[list[tuple[Any, ...]], tuple[slice, ...], tuple[slice, ...]]:
        """Return the tables of a piece, where it reads and where it writes."""
        tables = []
        reads, writes = ([slice(None)] * (len(parts) + 2) for _ in range(2))
        for axis, (own, part) in enumerate(zip(self.layout.spatial, parts, strict=True)):
            low, weights, i = self.make.table(axis, part)
            reach = 1 if weights is None else 2 if weights.ndim == 1 else weights.shape[1]
            first, end = max(int(low.min()), 0), min(int(low.max()) + reach, i)
            tables.append((low - first, weights, end - first))
            reads[own], writes[own] = slice(first, end), part
        return tables, tuple(reads), tuple(writes)

    def take(self, threads: int) -> Array | None:
        """Return the working memory of a run on so many threads."""
        largest: Array | None = None
        for plan in {id(plan): plan for plan, _, _ in self.planned}.values():
            scratch: Array | None = plan.take(threads)
            if scratch is not None and (largest is None or scratch.nbytes > largest.nbytes):
                largest = scratch
        return largest

    def run(self, x: Array, result: Array, threads: int, scratch: Array | None = None) -> bool:
        """Fill `result` from `x`; return whether that was done."""
        if scratch is None:
            scratch = self.take(threads)
        for plan, reads, writes in self.planned:
            if not plan.run(x[reads], result[writes], threads, scratch):
                return False
        for parts in self.parts[len(self.planned):]:
            tables, reads, writes = self._piece(parts)
            if not self.make.plan(tables, plain=True).run(x[reads], result[writes], threads):
                return False
        return True


def _same_table(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    """Return whether two tables hold the same numbers."""
    return a[2] == b[2] and np.array_equal(a[0], b[0]) and (
        a[1] is b[1] or (a[1] is not None and b[1] is not None and np.array_equal(a[1], b[1]))
    )


class Resize:
    """A call on arrays of known shapes, dtypes and strides: what is left to do."""

    __slots__ = (
        "align_corners", "antialias", "axes", "channel_axis", "dtype", "memory", "most_threads",
        "recompute_scale_factor", "run", "scale_factor", "size",
    )

    def __init__(
        self, arguments: tuple[Any, ...], plan: Any, most_threads: int, result: Array,
        layout: Layout,
    ) -> None:
        (self.size, self.scale_factor, self.align_corners, self.recompute_scale_factor,
         self.antialias, self.channel_axis) = arguments
        self.run: Callable[[Array, Array, int], bool] = plan.run
        self.most_threads = most_threads
        self.dtype = result.dtype
        # The shape of a result's memory; and where the result's axes are in it, None: in order.
        self.memory, self.axes = layout.memory(result.shape)

    def same(self, *arguments: Any) -> bool:
        """Return whether arguments equal to these are of the same types: 2 == 2.0 == True."""
        own = (self.size, self.scale_factor, self.align_corners, self.recompute_scale_factor,
               self.antialias, self.channel_axis)
        return all(map(_alike, own, arguments))


_plans: Calls[tuple[Any, int]] = Calls(_PLANS_KEPT, _PLAN_BYTES)
_resizes: Calls[Resize] = Calls(_PLANS_KEPT, _PLAN_BYTES)
_known = _resizes.get


class Job:
    """All that writing a result takes, made before anything is written.

    `x` and `out` may have any strides; the layout is the result's. `whole`: the bytes of the result
    that `out` may be a part of; `fresh`: whether nobody else has that result yet. The caller has
    checked sizes, dtypes and that the arrays do not overlap.
    """

    def __init__(
        self, x: Array, out: Array, how: How, layout: Layout, whole: int, fresh: bool
    ) -> None:
        self.out = out
        self.x = layout.lay(x, how.linear)
        self.target = out
        own = not layout.writes(out, how.linear)
        for _ in range(2):
            if own:
                self.target = layout.empty(out.shape, out.dtype)
            self.plan, self.most_threads = kernel_plan(
                how, x.shape, x.dtype, layout, layout.spacing(self.target), _streams(how, whole)
            )
            if own or fresh or getattr(self.plan, "whole", True):
                break
            own = True  # a run that may fail half-way fills no array of the user's
        self.threads = min(_threads(), self.most_threads)
        self.scratch = self.plan.take(self.threads)

    def run(self) -> None:
        """Fill `out`."""
        if not self.plan.run(self.x, self.target, self.threads, self.scratch):
            raise AssertionError("a kernel refused arrays that Layout.reads and .writes let pass")
        if self.target is not self.out:
            np.copyto(self.out, self.target)


# --- arguments ------------------------------------------------------------------------------------


def as_channel_axis(operation: str, value: Any, rank: int) -> int:
    """Return the channel axis as a number from 1 on."""
    axis = arrays.as_int(operation, "channel_axis", value, -rank, rank - 1)
    if axis % rank not in (1, rank - 1):
        raise ValueError(
            f"{operation}: channel_axis={arrays.shown(value)} must be 1 (N, C, *spatial) "
            f"or -1 (N, *spatial, C)"
        )
    return axis % rank


def check_sizes(operation: str, name: str, shape: tuple[int, ...]) -> None:
    """Refuse an axis without pixels, one that is too long, and an array without channels.

    An empty batch is welcome.
    """
    if 0 in shape[1:]:
        raise ValueError(
            f"{operation}: {name} has shape {shape}; only the batch axis, the first, can be 0"
        )
    if max(shape[1:]) > LONGEST:
        raise ValueError(
            f"{operation}: {name} has shape {shape}; an axis can have {LONGEST} at most"
        )


def check_no_picture(operation: str, name: str, x: Array, mode: Any) -> None:
    """Refuse a picture without a batch axis, whose colours would be taken for pixels.

    Three axes are (N, C, L). Bytes in which one axis is as short as colours are and the other two
    are not are hardly signals, unless the mode says that there is one spatial axis.
    """
    if x.ndim != 3 or x.dtype != np.uint8:
        return
    if isinstance(mode, str) and mode in ("linear", "cubic"):
        return
    for layout, colours, others, advice in (
        ("(H, W, C)", x.shape[2], x.shape[:2], f"{name}[None] with channel_axis=-1"),
        ("(C, H, W)", x.shape[0], x.shape[1:], f"{name}[None]"),
    ):
        if colours in (3, 4) and min(others) > 4:
            raise ValueError(
                f"{operation}: {name} has shape {x.shape} and looks like a picture {layout}, but "
                f"three axes mean signals (N, C, L) here; pass {advice} to resize a picture, or "
                f"signals as (N, C, 1, L)"
            )


def as_mode(operation: str, value: Any, axes: int, name: str = "x") -> str:
    """Return the mode, checked against the number of spatial axes."""
    if not isinstance(value, str) or value not in MODES:
        raise ValueError(
            f"{operation}: mode={arrays.shown(value)} must be one of {', '.join(MODES)}"
            f"{arrays.meant(value, tuple(MODES))}"
        )
    if axes not in MODES[value]:
        fitting = [mode for mode, ranks in MODES.items() if axes in ranks]
        wanted = MODES[value][0]
        batch = _without_batch(name, wanted) if axes == wanted - 1 else ""
        raise ValueError(
            f"{operation}: mode={value!r} is for {arrays.axes_of(wanted, 'spatial ')}, but {name} "
            f"has {axes}; "
            f"mode can be {', '.join(fitting)}{batch}"
        )
    return value


def _without_batch(name: str, axes: int) -> str:
    """Say what to do with one signal, picture or volume of so many axes."""
    alone = {1: "signal", 2: "picture", 3: "volume"}[axes]
    return (f"; if {name} is one {alone} without a batch axis, pass {name}[None], with "
            f"channel_axis=-1 where its channels are last")


def check_batch(operation: str, name: str, x: Array, **given: Any) -> None:
    """Refuse sizes or factors of one axis more than there are: a batch axis is missing."""
    axes = x.ndim - 2
    for argument, value in given.items():
        if isinstance(value, (tuple, list)) and axes < 3 and len(value) == axes + 1:
            wanted = arrays.axes_wanted(
                "number" if argument == "scale_factor" else "int", axes)
            raise ValueError(
                f"{operation}: {argument}={arrays.shown(value)} has {len(value)} numbers; "
                f"it must be {wanted}{_without_batch(name, axes + 1)}"
            )


def as_align_corners(operation: str, value: Any, mode: str) -> bool:
    """Return align_corners as a bool; only the linear and cubic modes have corners to align."""
    if value is None:
        return False
    if mode not in CORNERED:
        raise ValueError(
            f"{operation}: align_corners={arrays.shown(value)} has no meaning with mode={mode!r}; "
            f"leave it out, or use {', '.join(CORNERED)}"
        )
    return arrays.as_bool(operation, "align_corners", value)


def as_antialias(operation: str, value: Any, mode: str) -> bool:
    """Return antialias as a bool: modes that copy or take means have none, lanczos needs it."""
    antialias = arrays.as_bool(operation, "antialias", value)
    if antialias and mode not in ANTIALIASED:
        raise ValueError(
            f"{operation}: antialias=True has no meaning with mode={mode!r}; "
            f"leave it out, or use {', '.join(ANTIALIASED)}"
        )
    if mode == "lanczos" and not antialias:
        raise ValueError(
            f"{operation}: mode='lanczos' needs antialias=True here, as in PyTorch; "
            f"up.resize has mode='lanczos' without"
        )
    return antialias


def as_factors(operation: str, value: Any, axes: int) -> tuple[float, ...]:
    """Return the scale factor of every axis."""
    if hasattr(value, "tolist"):  # of NumPy's arrays, and of other libraries'
        value = value.tolist()
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError(
            f"{operation}: scale_factor={arrays.shown(value)} must be a number, "
            f"not a {type(value).__name__}"
        )
    values = tuple(value) if isinstance(value, Sequence) else (value,) * axes
    if len(values) != axes:
        raise ValueError(
            f"{operation}: scale_factor={arrays.shown(value)} must be "
            f"{arrays.axes_wanted('number', axes)}"
        )
    factors = []
    for own in values:
        factor = arrays.as_real(own)
        if factor is None:
            raise TypeError(
                f"{operation}: scale_factor={arrays.shown(value)} must be numbers, "
                f"{arrays.axes_wanted('number', axes)}"
            )
        if not (factor > 0.0 and math.isfinite(factor)):
            raise ValueError(
                f"{operation}: scale_factor={arrays.shown(value)} must be positive and finite"
            )
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
    antialias: bool = False,
    dtype: np.dtype[Any] = _FLOAT32,
) -> How:
    """Return what is asked for: output sizes, factors, and the convention if it is none of ours."""
    sizes, factors = as_sizes(operation, inputs, size, scale_factor, recompute_scale_factor)
    how = How(mode, sizes, factors, align_corners)
    if mode.startswith("nearest") or (
        not antialias and mode.endswith("linear") and dtype.char in _LINEAR_CODES
    ):
        return how
    # An axis of unchanged size is copied, but by cubic interpolation with another scale.
    factors = tuple(
        None if i == o and (antialias or not mode.endswith("cubic")) else factor
        for i, o, factor in zip(inputs, sizes, factors, strict=True)
    )
    if antialias and align_corners:
        # PyTorch's aligned corners with antialias are another scale, from the edges on.
        factors = tuple(
            (o - 1) / (i - 1) if min(i, o) > 1 else math.inf
            for i, o in zip(inputs, sizes, strict=True)
        )
    if mode.endswith("linear"):
        grows = all(
            i == o or (i <= o if factor is None else factor >= 1)
            for i, o, factor in zip(inputs, sizes, factors, strict=True)
        )
        if antialias and grows:
            antialias, align_corners = False, False
        if not antialias and dtype.char in _LINEAR_CODES:
            return How(mode, sizes, factors, align_corners)
    convention = convention_of(mode, align_corners and not antialias, antialias)
    return How(mode, sizes, factors, align_corners, convention)


def convention_of(mode: str, align_corners: bool, antialias: bool) -> Convention:
    """Return the tables' convention of a mode that takes means, as PyTorch has it."""
    coordinates = "align_corners" if align_corners else "half_pixel"
    border = "exclude" if antialias else "edge"
    if mode.endswith("cubic"):
        # PyTorch follows OpenCV without antialias and Pillow with it.
        return Convention("cubic", coordinates, antialias, border, a=-0.5 if antialias else -0.75)
    kernel = "linear" if mode.endswith("linear") else mode
    return Convention(kernel, coordinates, antialias, border)


def as_sizes(
    operation: str, inputs: tuple[int, ...], size: Any, scale_factor: Any,
    recompute_scale_factor: Any = None,
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """Return the output sizes that the solver finds, and the factors that decide coordinates."""
    axes = len(inputs)
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"{operation}: give one of size and scale_factor; "
            f"got size={arrays.shown(size)}, scale_factor={arrays.shown(scale_factor)}"
        )
    recompute = recompute_scale_factor is not None and arrays.as_bool(
        operation, "recompute_scale_factor", recompute_scale_factor
    )
    if size is not None:
        if recompute:
            raise ValueError(
                f"{operation}: recompute_scale_factor=True needs a scale_factor; "
                f"got size={arrays.shown(size)}: leave recompute_scale_factor out"
            )
        sizes = arrays.as_ints(operation, "size", size, axes, 1, spread=False)
        return sizes, (None,) * axes
    factors = as_factors(operation, scale_factor, axes)
    for i, factor in zip(inputs, factors, strict=True):
        if i * factor < 1:
            raise ValueError(
                f"{operation}: scale_factor={arrays.shown(scale_factor)} leaves nothing of an axis "
                f"of {i}; it must be {1 / i!r} or more"
            )
        if i * factor >= 2**63:
            raise MemoryError(
                f"{operation}: no memory holds an axis of {i} times "
                f"scale_factor={arrays.shown(scale_factor)}"
            )
    sizes = tuple(
        operator.index(shapes.Interpolate(scale_factor=factor)(i))
        for i, factor in zip(inputs, factors, strict=True)
    )
    return sizes, (None,) * axes if recompute else factors


def through_float32(
    operation: str, x: Array, out: Any, run: Callable[[Array], Array]
) -> Array:
    """Return what `run` makes of `x` as float32, rounded to the dtype of `x` once at the end."""
    if out is not None:
        # The shape shows when the result is there; whatever else is wrong shows before.
        shape = out.shape if isinstance(out, np.ndarray) else ()
        arrays.check_out(operation, out, shape, x.dtype, x)
    result = run(x.astype(np.float32))
    if out is None:
        rounded: Array = result.astype(x.dtype)
        return rounded
    arrays.check_out(operation, out, result.shape, x.dtype)
    np.copyto(out, result, casting="unsafe")
    checked: Array = out
    return checked


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
    antialias: bool = False,
    *,
    channel_axis: int = 1,
    out: Array | None = None,
) -> Array:
    """Resize the spatial axes of a batch of feature maps.

    The output size of an axis is `size`, or ``floor(i * scale_factor)``. Axes are (N, C, L),
    (N, C, H, W) or (N, C, D, H, W): a lone picture of shape (H, W, C) would be taken for H signals
    of W channels. `resize` is for pictures.

    Parameters
    ----------
    x : array_like, shape (N, C, L), (N, C, H, W) or (N, C, D, H, W)
        Of any dtype of fixed size for the nearest modes (numbers, bools, dates, strings, records);
        float32, float64, float16, uint8, int8, int16, uint16, int32 or bool for the others, and
        bfloat16 of ml_dtypes, which is computed as float32. A view whose memory is channels-last
        is computed as such. Three axes are signals: a picture is ``x[None]`` if it is (C, H, W),
        ``x[None]`` with ``channel_axis=-1`` if it is (H, W, C), and ``x[None, None]`` if (H, W).
    size : int or sequence of int, optional
        Output size, one for all spatial axes or one each. Give this or `scale_factor`.
    scale_factor : float or sequence of float, optional
        Output size over input size, one for all spatial axes or one each.
    mode : str
        For any number of axes nearest, nearest-exact (labels, masks), area (the mean of all pixels
        that a new one touches: shrinking by whole factors) and lanczos (photographs that shrink:
        the sharpest). For 1, 2 and 3 axes linear, bilinear and trilinear (a good default), and
        cubic, bicubic and tricubic (photographs that grow: sharper, they overshoot beside edges).
        Where a picture shrinks, ask for `antialias`.
    align_corners : bool, optional
        For the linear and cubic modes: False (the default) takes pixels for squares, and aligns
        the edges of input and output; True takes them for points, and aligns the centres of the
        corner pixels.
    recompute_scale_factor : bool, optional
        True: `scale_factor` is for the output size only, and coordinates are scaled by i / o.
    antialias : bool
        For the linear and cubic modes, and for lanczos, which needs it: True makes a pixel of all
        pixels that it covers, where an axis shrinks.
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
        linear, cubic    (dst + 0.5) * scale - 0.5, or, aligned, dst * (i - 1) / (o - 1)
        area             all from floor(dst * i / o) to ceil((dst + 1) * i / o), alike
        antialias        those within radius * max(scale, 1) of (dst + 0.5) * scale - 0.5

    The cubic kernel is Keys', with a = -3/4, and -1/2 with antialias; `upshape.reference` has each
    kernel and its source. Beyond the border is the border's pixel; with antialias there is nothing.
    With antialias, aligned corners are another scale and no other centre, as in PyTorch. PyTorch
    has no cubic modes of 1 and 3 axes, and antialias for 2 only.

    The positions of the nearest modes are float32 (float64 for float64 arrays, then rounded to
    float32); `upshape.reference.nearest_indices` says how they are rounded. A linear mode returns
    the exact value, rounded: uint8 to the nearest integer, ties to the even one. The other modes
    round integers to the nearest as well, within the range of their dtype; uint8 goes through fixed
    point there, and may become the other neighbour within a tenth of a tie. (PyTorch rounds and
    clips bytes after each axis, so that overshoots differ; ``resize(like="torch")`` does as well.)
    An axis whose size does not change is copied by the linear modes, and with antialias.

    See Also
    --------
    resize : Pictures and volumes, in the way of any of six libraries.
    interpolate_backward : The gradient.
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
            recompute_scale_factor, antialias, channel_axis,
        )
        if out is not None:
            key += (out.shape, out.strides, out.dtype)
        try:
            resize = _known(key)
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
                    and resize.antialias is antialias
                    and resize.channel_axis is channel_axis
                )
                or resize.same(
                    size, scale_factor, align_corners, recompute_scale_factor, antialias,
                    channel_axis,
                )
            )
            # What no shape and no stride tells of `out`.
            and (out is None or (out.flags.writeable and not np.may_share_memory(x, out)))
        ):
            try:
                result = out
                if result is None:
                    result = _empty(resize.memory, resize.dtype)
                    if resize.axes is not None:
                        result = result.transpose(resize.axes)
                # Elements of these arrays may not be aligned: no shape and no stride tells.
                most = resize.most_threads
                if resize.run(x, result, 1 if most == 1 else min(_threads(), most)):
                    return result
            except MemoryError:
                pass  # once more below, and if that fails as well, it says whose it is
    with arrays.named("interpolate"):
        return _interpolate(
            x, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias,
            channel_axis, out, key,
        )


def _interpolate(
    value: Any, size: Any, scale_factor: Any, mode: Any, align_corners: Any,
    recompute_scale_factor: Any, antialias: Any, channel_axis: Any, out: Any,
    key: tuple[Any, ...] | None,
) -> Array:
    """Check, plan, allocate, run, return; and keep the plan under this key."""
    means = isinstance(mode, str) and mode in MODES and not mode.startswith("nearest")
    x = arrays.as_array("interpolate", "x", value, (*MEAN_DTYPES, BFLOAT16) if means else ())
    if means and x.dtype.name == BFLOAT16:
        return through_float32(
            "interpolate", x, out, lambda plain: _interpolate(
                plain, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias,
                channel_axis, None, None,
            )
        )
    if x.ndim == 2:
        raise ValueError(
            f"interpolate: x has shape {x.shape}, 2 axes; pass x[None, None] to resize a picture "
            f"(H, W), or signals as (N, C, L)"
        )
    arrays.check_rank("interpolate", "x", x, LAYOUTS)
    mode = as_mode("interpolate", mode, x.ndim - 2)
    axis = as_channel_axis("interpolate", channel_axis, x.ndim)
    check_sizes("interpolate", "x", x.shape)
    check_no_picture("interpolate", "x", x, mode)
    check_batch("interpolate", "x", x, size=size, scale_factor=scale_factor)
    layout = layout_of(x, axis)
    inputs = tuple(x.shape[axis] for axis in layout.spatial)
    corners = as_align_corners("interpolate", align_corners, mode)
    how = as_how(
        "interpolate", inputs, size, scale_factor, mode, corners, recompute_scale_factor,
        as_antialias("interpolate", antialias, mode), x.dtype,
    )
    sizes = list(x.shape)
    for own, o in zip(layout.spatial, how.sizes, strict=True):
        sizes[own] = o
    shape = tuple(sizes)
    arrays.check_memory("interpolate", shape, x.dtype)
    if out is not None:
        result = arrays.check_out("interpolate", out, shape, x.dtype, x)
        layout = layout_of(result, axis)
    else:
        result = layout.empty(shape, x.dtype)
    if not result.size:
        return result
    job = Job(x, result, how, layout, result.nbytes, out is None)
    if key is not None and job.x is value and job.target is result:
        resize = Resize(key[4:10], job.plan, job.most_threads, result, layout)
        _resizes.put(key, resize, job.plan.nbytes)
    job.run()
    return result
