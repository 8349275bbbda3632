"""One call of a convolution: its plan, where its result goes, and what is told of it.

A call is: check, plan, allocate, run. What depends on the parameters alone is a layout (see
orders.py), weights in the layout's order are packed once a layer; what depends on the input's shape
is a plan. Everything that can fail is done before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from upshape import arrays, orders, runtime
from upshape.orders import Order
from upshape.parameters import AnyArray, Parameters, as_input, out_shape, padded

__all__ = [
    "Remember", "Task", "Values", "first_call", "is_free", "is_plain", "key_of_call", "memory_of",
    "new",
]

_threads = runtime.threads
_empty = runtime.empty


def is_plain(value: Any) -> bool:
    """Return whether this can tell one call from another: 12.0 == 12 and True == 1 must not."""
    return value is None or type(value) is int or (
        type(value) is tuple and all(type(one) is int or _is_pair(one) for one in value)
    )


def _is_pair(value: Any) -> bool:
    return type(value) is tuple and len(value) == 2 and type(value[0]) is type(value[1]) is int


def is_free(out: Any, x: AnyArray) -> bool:
    """Return whether an array may be written; a layer's own weights are read-only."""
    return (type(out) is np.ndarray and out.flags.writeable and out.flags.aligned
            and not np.may_share_memory(out, x))


def key_of_call(
    x: AnyArray, output_size: Any, threads: int, out: AnyArray | None
) -> tuple[Any, ...]:
    """Return what decides a call on arrays of a layer's dtype."""
    if out is None:
        return x.shape, x.strides, output_size, threads
    return x.shape, x.strides, output_size, threads, out.shape, out.strides, out.dtype


class Values(NamedTuple):
    """The numbers of a layer, and what they are in the order of each of its layouts."""

    weight: AnyArray
    bias: AnyArray | None
    packed: dict[tuple[Parameters, Order], AnyArray]

    def pack(self, parameters: Parameters, order: Order) -> AnyArray:
        """Return the numbers in an order's layout."""
        key = parameters, order
        known = self.packed.get(key)
        if known is None:
            known = self.packed[key] = orders.layout(parameters, order).pack(self.weight, self.bias)
        return known


class Task(NamedTuple):
    """A plan, what its results are made of, the numbers it is for, and their layout."""

    order: Order
    plan: Any
    memory: tuple[int, ...]
    view: tuple[int, ...] | None
    gaps: bool
    packed: AnyArray
    bias: AnyArray | None
    layout: Any = None  # for those who pack anew

    def run(self, x: AnyArray, packed: AnyArray, bias: AnyArray | None, out: AnyArray) -> None:
        """Fill `out`; pixels that no tap reaches get the bias."""
        if not self.gaps:
            self.plan.run(x, packed, out)
            return
        scratch = self.plan.take()  # what may fail comes before what is written
        _fill(out, bias)
        self.plan.run(x, packed, out, scratch)


# Pixels from which on a row of them is made first: NumPy copies few channels pixel by pixel, each
# in some nanoseconds.
_MANY_PIXELS = 1024


def _fill(out: AnyArray, bias: AnyArray | None) -> None:
    """Write the bias to every pixel."""
    if bias is None:
        out[...] = 0
    elif out.size < _MANY_PIXELS * len(bias) or orders.memory_order(out) != "channels":
        out[...] = bias.reshape(-1, *(1,) * (out.ndim - 2))
    else:
        pixels = out.transpose(0, *range(2, out.ndim), 1)
        row = np.empty(pixels.shape[-2:], out.dtype)
        row[...] = bias
        pixels[...] = row


def memory_of(
    x: AnyArray, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Return the shape of a new result's memory, and the axes of it that the result is."""
    if orders.memory_order(x) != "channels":
        return shape, None
    return (shape[0], *shape[2:], shape[1]), (0, x.ndim - 1, *range(1, x.ndim - 1))


def new(memory: tuple[int, ...], view: tuple[int, ...] | None, dtype: Any) -> AnyArray:
    """Return memory for a result."""
    result: AnyArray = _empty(memory, dtype)
    return result if view is None else result.transpose(view)


# What is told of a new task: the numbers and the input it was made for, output_size, threads, out.
Remember = Callable[[Values, AnyArray, Any, int, AnyArray | None, Task], None]


def first_call(
    parameters: Parameters, values: Values, x: ArrayLike, output_size: Any, out: AnyArray | None,
    remember: Remember,
) -> AnyArray:
    """Check the arrays of a call, and run it."""
    array = as_input(parameters, x)
    given = array
    batched = array.ndim == parameters.axes + 2
    if not batched:
        array = array[None]
    shape = out_shape(parameters, array.shape, output_size, batched)
    parameters = padded(parameters, array.shape[2:], shape[2:])
    arrays.check_memory(parameters.operation, shape, array.dtype)
    target = None
    if out is not None:
        target = arrays.check_out(
            parameters.operation, out, shape if batched else shape[1:], array.dtype,
            given, values.weight, *([] if values.bias is None else [values.bias]),
        )
        if not batched:
            target = target[None]
    if 0 in shape:
        result = _empty(shape, array.dtype) if target is None else target
    else:
        keep = remember if given is x and is_plain(output_size) else None
        result = _run(parameters, values, array, output_size, shape, target, keep)
    if out is not None:
        return out
    return result if batched else result[0]


def _run(
    parameters: Parameters, values: Values, x: AnyArray, output_size: Any,
    shape: tuple[int, ...], out: AnyArray | None, remember: Remember | None,
) -> AnyArray:
    """Plan a call on arrays that fit, and run it; tell of it where the next one may do the same."""
    given, x = x, orders.as_walkable(x)
    target = out
    if out is not None and orders.memory_order(out) == "other":
        target = _empty(shape, x.dtype)
    memory, view = memory_of(x, shape)
    if target is None:
        target = new(memory, view, x.dtype)
    threads = _threads()
    order, plan = orders.plan(parameters, x, target, threads)
    task = Task(
        order, plan, memory, view, order.leaves_gaps(parameters), values.pack(parameters, order),
        values.bias, orders.layout(parameters, order),
    )
    if remember is not None and x is given and (out is None or target is out):
        remember(values, x, output_size, threads, out, task)
    task.run(x, task.packed, task.bias, target)
    if out is not None and target is not out:
        np.copyto(out, target)
        return out
    return target
