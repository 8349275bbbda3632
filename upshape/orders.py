"""The orders of work in which a convolution can be computed, and which of them is chosen.

Each row of `ORDERS` is one order: the kernel that has it, what lies side by side in its registers,
and which layers it takes. What an order makes of a layer's parameters is a layout, what it makes of
a layout and of arrays' shapes a plan, which estimates its time. All orders give the same pixels,
within rounding: their sums are added up in different orders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from upshape import _machine, choices, lanes, runtime
from upshape._rates import RATES
from upshape.calls import Calls
from upshape.parameters import AnyArray, Parameters

__all__ = [
    "BY_NAME", "ORDERS", "Frames", "Order", "as_walkable", "frames_of", "key_of",
    "layout", "memory_order", "plan", "plan_of", "planned", "ways",
]

#: Bytes that plans may take, of a layer, of all functions; and the layouts.
PLAN_BYTES = 16 << 20

# From this output stride on, the phases of a row are vectors of their own.
_WIDE_STRIDE = 4
# Output channels that an input channel of its own may have, to be made one by one.
_MOST_MULTIPLIER = 4
# Taps whose products may be added up, and products of an input pixel: with more, it has never been
# faster.
_MOST_ADDED_TAPS = 128
_MOST_PRODUCTS = 8192
# Output channels of a group from which on they may be vectors, to be transposed into rows.
_MANY_CHANNELS = 8
# Bytes a thread may use for more than its results; what asks for more is laid out differently.
_MOST_SCRATCH = 1 << 20

_KERNELS = {name: runtime.kernel(name) for name in ("convolution", "depthwise")}
_KERNELS["convolution"].configure(_machine.second_level_cache())


# --- the table -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Order:
    """A way to compute a convolution."""

    name: str
    kernel: str  # the compiled module
    vectors: str  # what lies side by side in a register, before sums are placed
    takes: Callable[[Parameters, bool], bool]  # these parameters, with a result in channels-last
    skips_gaps: bool = False  # pixels that no tap reaches are left to the caller

    def __repr__(self) -> str:
        return f"<order {self.name!r}>"

    @property
    def module(self) -> Any:
        """The compiled kernel."""
        return _KERNELS[self.kernel]

    @property
    def sources(self) -> tuple[str, ...]:
        """Where tiles can be told to read from."""
        if self.kernel != "convolution" or self.vectors == "col2im":
            return ()
        return tuple(self.module.SOURCES)

    def leaves_gaps(self, parameters: Parameters) -> bool:
        """Return whether pixels that no tap reaches, nothing but bias, are left to the caller."""
        return self.skips_gaps and _has_gaps(parameters)


def _is_depthwise(parameters: Parameters) -> bool:
    """Return whether every input channel has a few output channels of its own."""
    return (parameters.channels_in == parameters.groups
            and parameters.channels_out // parameters.groups <= _MOST_MULTIPLIER)


def _is_wide(parameters: Parameters) -> bool:
    return parameters.transposed and parameters.stride[-1] >= _WIDE_STRIDE


def _has_many_channels(parameters: Parameters) -> bool:
    return parameters.channels_out // parameters.groups >= _MANY_CHANNELS


def _can_be_added_up(parameters: Parameters) -> bool:
    """Return whether the products of all taps may be made first, and added up then.

    Where no kernel is larger than its stride, there is nothing to be added up.
    """
    taps = math.prod(parameters.kernel)
    return (
        parameters.axes < 3 and (parameters.transposed or set(parameters.stride) == {1})
        and any(k > s for k, s in zip(parameters.kernel, parameters.stride, strict=True))
        and taps <= _MOST_ADDED_TAPS and taps * parameters.channels_out <= _MOST_PRODUCTS
    )


@lru_cache(maxsize=1024)
def _has_gaps(parameters: Parameters) -> bool:
    """Return whether a transposed convolution has pixels that no tap reaches."""
    return parameters.transposed and any(
        len(lanes.phases_of(k, s, p, d)) < s
        for k, s, p, d in zip(
            parameters.kernel, parameters.stride, parameters.padding, parameters.dilation,
            strict=True,
        )
    )


def _is_usable(plan: Any) -> bool:
    """Return whether a plan is one, and can do with little memory."""
    return bool(plan.fits) and int(plan.thread_bytes) <= _MOST_SCRATCH


#: Every order of work.
ORDERS = (
    Order("pixels", "convolution", "pixels",
          takes=lambda parameters, last: True),
    Order("channels", "convolution", "channels", skips_gaps=True,
          takes=lambda parameters, last: last),
    Order("phases", "convolution", "phases", skips_gaps=True,
          takes=lambda parameters, last: not last and _is_wide(parameters)),
    Order("transposed", "convolution", "transposed",
          takes=lambda parameters, last: _has_many_channels(parameters)),
    Order("col2im", "convolution", "col2im",
          takes=lambda parameters, last: _can_be_added_up(parameters)),
    Order("depthwise channels", "depthwise", "channels", skips_gaps=True,
          takes=lambda parameters, last: last and _is_depthwise(parameters)),
    Order("depthwise", "depthwise", "pixels", skips_gaps=True,
          takes=lambda parameters, last: not last and _is_depthwise(parameters)),
    Order("depthwise transposed", "depthwise", "transposed", skips_gaps=True,
          takes=lambda parameters, last: not last and _is_depthwise(parameters)),
)

#: The orders by name.
BY_NAME = {order.name: order for order in ORDERS}


# --- layouts -------------------------------------------------------------------------------------


_layouts: Calls[Any] = Calls(256, PLAN_BYTES)


def layout(parameters: Parameters, order: Order, pairs: bool | None = None) -> Any:
    """Return the kernel's arrangement of a layer for an order of work.

    `pairs`: as of the kernel's Layout.
    """
    key = parameters, order, pairs
    known = _layouts.get(key)
    if known is None:
        known = _new_layout(parameters, order, pairs)
        _layouts.put(key, known, known.nbytes)
    return known


def _new_layout(parameters: Parameters, order: Order, pairs: bool | None) -> Any:
    axes, kernel = _axes(parameters, order), _three(parameters.kernel, 1)
    groups, area = parameters.groups, math.prod(kernel)
    channels_out = parameters.channels_out // groups
    if order.kernel == "depthwise":
        return order.module.Layout(
            *map(tuple, axes), groups, channels_out, order.vectors, parameters.single,
            _square(parameters), rates_of(order),
        )
    arranged = lanes.arrange(
        axes, kernel, parameters.channels_in // groups, channels_out,
        lanes.Tile(*order.module.tile(parameters.single)), vectors=order.vectors, pairs=pairs,
    )
    return order.module.Layout(
        arranged, groups, area, parameters.transposed, parameters.single, rates_of(order)
    )


# Levels whose rates stand for those of a level that was not measured.
_STANDS_FOR = {"x86-64-v2": "x86-64-v3", "generic": "x86-64-v3"}


def rates_of(order: Order) -> dict[str, float]:
    """Return the nanoseconds of what an order does, by the names that its kernel counts."""
    level = runtime.LEVEL if runtime.LEVEL in RATES else _STANDS_FOR.get(runtime.LEVEL, "")
    return RATES.get(level, {}).get(order.name, {})


def _three(values: tuple[int, ...], filler: int) -> tuple[int, int, int]:
    """Return the numbers of one to three axes as those of three."""
    z, y, x = (filler,) * (3 - len(values)) + values
    return z, y, x


def _axes(parameters: Parameters, order: Order) -> tuple[lanes.Axis, lanes.Axis, lanes.Axis]:
    """Return the phases of depth, rows and columns."""
    z, y, x = [
        lanes.axis_of(k, s, p, d, transposed=parameters.transposed,
                      taps_are_phases=order.vectors == "col2im")
        for k, s, p, d in zip(
            _three(parameters.kernel, 1), _three(parameters.stride, 1),
            _three(parameters.padding, 0), _three(parameters.dilation, 1), strict=True,
        )
    ]
    return z, y, x


def _square(parameters: Parameters) -> tuple[int, int, int] | None:
    """Return (kernel size, stride, padding) if the last two axes are alike and not dilated."""
    alike = {*zip(parameters.kernel[-2:], parameters.stride[-2:], parameters.padding[-2:],
                  strict=True)}
    if parameters.axes < 2 or len(alike) != 1 or parameters.dilation[-2:] != (1, 1):
        return None
    return alike.pop()


# --- arrays --------------------------------------------------------------------------------------


def memory_order(array: AnyArray) -> str:
    """Return "rows" if pixels of a row are neighbours in memory, "channels" if channels are.

    "other": neither, or elements that are not aligned; the kernels can walk no such array. The
    stride of an axis of one element means nothing.
    """
    item, strides, shape = array.itemsize, array.strides, array.shape
    if not array.flags.aligned:
        return "other"
    if array.flags.c_contiguous:
        return "rows"
    if strides[1] == item and shape[1] > 1 and all(
        stride >= item * shape[1]
        for stride, size in zip(strides[2:], shape[2:], strict=True) if size > 1
    ):
        return "channels"
    return "rows" if strides[-1] == item or shape[-1] == 1 else "other"


def as_walkable(array: AnyArray) -> AnyArray:
    """Return an array that the kernels can walk, a copy if need be."""
    if memory_order(array) != "other":
        return array
    copy = runtime.empty(array.shape, array.dtype)
    np.copyto(copy, array)
    return copy


def _five(values: tuple[int, ...], filler: int) -> tuple[int, ...]:
    """Return the numbers of axes (N, C, *spatial) as those of (N, C, D, H, W)."""
    return (*values[:2], *(filler,) * (5 - len(values)), *values[2:])


def _steps(array: AnyArray) -> tuple[int, ...]:
    """Return the strides of an array in elements, as those of (N, C, D, H, W).

    An axis of one element has the step that it would have without gaps, whatever its stride says.
    """
    steps = [stride // array.itemsize for stride in array.strides]
    if 1 in array.shape:
        inner = 1
        axes = range(2, array.ndim)
        for axis in ((1, *axes[::-1], 0) if memory_order(array) == "channels"
                     else (*axes[::-1], 1, 0)):
            if array.shape[axis] == 1:
                steps[axis] = inner
            inner = abs(steps[axis]) * array.shape[axis]
    return _five(tuple(steps), 0)


class Frames(NamedTuple):
    """All that a plan knows of a call's arrays."""

    x_shape: tuple[int, ...]
    x_steps: tuple[int, ...]
    out_shape: tuple[int, ...]
    out_steps: tuple[int, ...]
    channels_last: bool  # the result's memory


def frames_of(x: AnyArray, out: AnyArray) -> Frames:
    """Return what a plan knows of an input and a result that the kernels can walk."""
    return Frames(
        _five(x.shape, 1), _steps(x), _five(out.shape, 1), _steps(out),
        memory_order(out) == "channels",
    )


# --- plans ---------------------------------------------------------------------------------------


def plan_of(
    parameters: Parameters, order: Order, frames: Frames, threads: int, *,
    pairs: bool | None = None, **choices: Any
) -> Any:
    """Return an order's plan, whether it is the best one or not.

    `choices` are what the kernel's Plan lets one choose, beyond what it chooses itself: tests hold
    them against each other, benchmarks time them.
    """
    return order.module.Plan(layout(parameters, order, pairs), *frames[:4], threads, **choices)


def ways(
    parameters: Parameters, frames: Frames, threads: int
) -> Iterator[tuple[Order, str | None, Any]]:
    """Yield every order that can compute this, from every source, and its plan.

    An order's own plan comes first, with None for its source.
    """
    for order in ORDERS:
        if not order.takes(parameters, frames.channels_last):
            continue
        own = plan_of(parameters, order, frames, threads)
        if not _is_usable(own):
            continue
        yield order, None, own
        for source in order.sources:
            forced = plan_of(parameters, order, frames, threads, source=source)
            told = forced.description["source"]
            if told == source != own.description["source"] and _is_usable(forced):
                yield order, source, forced


def plan(
    parameters: Parameters, x: AnyArray, out: AnyArray, threads: int
) -> tuple[Order, Any]:
    """Choose the order of work for these arrays, and plan it."""
    return planned(parameters, frames_of(x, out), threads)


_plans: Calls[tuple[Order, Any]] = Calls(512, PLAN_BYTES)


def planned(parameters: Parameters, frames: Frames, threads: int) -> tuple[Order, Any]:
    """Return the order that is estimated to take the least time, and its plan.

    Orders differ in the last bits: their choice must not depend on the threads.
    """
    key = parameters, frames, threads
    known = _plans.get(key)
    if known is None:
        measured = _measured(parameters, frames, threads)
        if measured is not None:
            known = measured
        elif threads > 1:
            order, _ = planned(parameters, frames, 1)
            known = order, plan_of(parameters, order, frames, threads)
        else:
            known = _choose(parameters, frames)
        _plans.put(key, known, known[1].nbytes)
    return known


def key_of(parameters: Parameters, frames: Frames) -> tuple[Any, ...]:
    """Return what a measured choice is for, in plain numbers."""
    return (
        parameters.transposed, parameters.single, parameters.weight_shape, parameters.stride,
        parameters.padding, parameters.dilation, parameters.groups, *frames,
    )


def _measured(
    parameters: Parameters, frames: Frames, threads: int
) -> tuple[Order, Any] | None:
    """Return the order that was measured to be the fastest, and its plan, if there is one.

    A choice that cannot be used, from a file that somebody wrote by hand, is none.
    """
    choice = choices.kept(key_of(parameters, frames))
    order = None if choice is None else BY_NAME.get(choice.order)
    if choice is None or order is None or not order.takes(parameters, frames.channels_last):
        return None
    if choice.source in order.sources:
        forced = plan_of(parameters, order, frames, threads, source=choice.source)
        if forced.description["source"] == choice.source and _is_usable(forced):
            return order, forced
    own = plan_of(parameters, order, frames, threads)
    return (order, own) if _is_usable(own) else None


def _choose(parameters: Parameters, frames: Frames) -> tuple[Order, Any]:
    """Return the order that is estimated to take the least time on one thread, and its plan."""
    best: tuple[Order, Any] | None = None
    for order in ORDERS:
        if order.takes(parameters, frames.channels_last):
            own = plan_of(parameters, order, frames, 1)
            if best is None or (_is_usable(own) and own.nanoseconds < best[1].nanoseconds):
                best = order, own
    assert best is not None  # the first order takes every layer
    return best
