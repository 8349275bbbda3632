"""Convolution and transposed convolution of NumPy arrays, as functions and as packed layers.

A call is: check, plan, allocate, run. What depends on the parameters alone is a `Layout`; weights
in the layout's order are packed once a layer; what depends on the input's shape is a `Plan`. The
layers keep packed weights and plans; the functions share the layouts. Everything that can fail is
done before anything is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from types import FunctionType
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from upshape import arrays, choices, orders, runtime, shapes
from upshape.calls import Calls, also_forget, lock
from upshape.orders import PLAN_BYTES, Order, Parameters

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "from_torch",
]

AnyArray = NDArray[Any]
Ints = int | Sequence[int]
Pads = int | str | Sequence[int | Sequence[int]]

_DTYPES = ("float32", "float64")
_LAYOUTS = {
    1: "(N, C, L) or (C, L)",
    2: "(N, C, H, W) or (C, H, W)",
    3: "(N, C, D, H, W) or (C, D, H, W)",
}
# The words that padding can be: TensorFlow's SAME, and PyTorch's words.
_SAME = ("same_upper", "same_lower")
_WORDS = ("same", "valid", *_SAME)

# Plans that a layer keeps: the input shapes that a network alternates between, and some.
_MOST_PLANS = 64
# Kinds of calls that the functions know, and bytes of memory that they keep for packed weights,
# twice at most: fresh memory costs as much as packing.
_MOST_CALLS = 256
_MOST_SPARE = 4 << 20
# Taps of a kernel. With more, sums take seconds and longer that a Fourier transform does at once.
_MOST_TAPS = 1 << 18
# Parameters that can tell one call from another: True == 1 must not.
_PLAIN = frozenset([int, str, type(None)])

_kernel = runtime.kernel("convolution")
_threads = runtime.threads
_empty = runtime.empty


# --- parameters ----------------------------------------------------------------------------------


def _check(
    operation: str, weight: ArrayLike, bias: ArrayLike | None, stride: Ints, padding: Pads,
    output_padding: Ints | None, groups: int, dilation: Ints, axes: int,
) -> tuple[Parameters, AnyArray, AnyArray | None]:
    """Check everything but the input; output_padding None: an ordinary convolution."""
    transposed = output_padding is not None
    weight = arrays.as_array(operation, "weight", weight, _DTYPES)
    kernel = ", ".join(("kD", "kH", "kW")[-axes:] if axes > 1 else ("k",))
    first = "C_in, C_out/groups" if transposed else "C_out, C_in/groups"
    arrays.check_rank(operation, "weight", weight, {axes + 2: f"({first}, {kernel})"})
    arrays.check_no_empty_axis(operation, "weight", weight)
    if math.prod(weight.shape[2:]) > _MOST_TAPS:
        raise ValueError(
            f"{operation}: weight has shape {weight.shape}, {math.prod(weight.shape[2:])} taps; "
            f"it can have {_MOST_TAPS} (for more, convolve by a Fourier transform, as "
            f"scipy.signal.fftconvolve does)"
        )
    groups = arrays.as_int(operation, "groups", groups, 1)
    arrays.check_divides(operation, "groups", groups, "weight", weight)
    strides = arrays.as_ints(operation, "stride", stride, axes, 1)
    dilations = arrays.as_ints(operation, "dilation", dilation, axes, 1)
    if transposed and isinstance(padding, str) and padding not in _SAME:
        raise TypeError(
            f"{operation}: padding={arrays.shown(padding)} must be an int, or 'same_upper' or "
            f"'same_lower', TensorFlow's SAME: o = i*stride"
        )
    pads = arrays.as_padding(operation, "padding", padding, axes, _WORDS)
    channels = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None:
        bias = arrays.as_dtype_of(operation, "bias", bias, "weight", weight.dtype)
        arrays.check_shape(operation, "bias", bias, (channels,), "one number an output channel")
    extra = None
    if output_padding is not None:
        extra = arrays.as_ints(operation, "output_padding", output_padding, axes, 0)
    parameters = _parameters(
        operation, weight.shape, strides, pads, extra, dilations, groups,
        weight.dtype == np.float32,
    )
    return parameters, weight, bias


@lru_cache(maxsize=1024)
def _parameters(
    operation: str, weight_shape: tuple[int, ...], strides: tuple[int, ...],
    pads: str | tuple[int | tuple[int, int], ...], extra: tuple[int, ...] | None,
    dilations: tuple[int, ...], groups: int, single: bool,
) -> Parameters:
    """Return the parameters of a layer, as far as they can be checked without arrays."""
    kernels = weight_shape[2:]
    sides = [] if isinstance(pads, str) else [
        one if isinstance(one, tuple) else (one, one) for one in pads
    ]
    for name, values in {
        "stride": strides, "padding": [side for pair in sides for side in pair],
        "dilation": [d * (k - 1) for d, k in zip(dilations, kernels, strict=True)],
    }.items():
        arrays.check_reach(operation, name, values)
    if pads == "same" and set(strides) != {1}:
        raise ValueError(
            f"{operation}: padding='same' needs stride=1, got stride={_short(strides)}; "
            f"give the padding as ints, or as 'same_upper', TensorFlow's SAME"
        )
    relation: Any
    if extra is not None:
        relation = _sized(operation, shapes.ConvTranspose, kernels, strides, pads, extra, dilations)
    else:
        relation = _sized(operation, shapes.Conv, kernels, strides, pads, dilations)
    # A word: what it stands for at the smallest size; with SAME, each call asks anew (_padded).
    before = tuple(before for before, _ in sides or relation.padding_for(relation.minimum))
    return Parameters(
        operation, extra is not None, weight_shape, strides, before, dilations, groups, relation,
        single,
    )


def _padded(
    parameters: Parameters, sizes: tuple[int, ...], output_sizes: tuple[int, ...]
) -> Parameters:
    """Return the parameters with what is padded before the first pixel of inputs of these sizes.

    A kernel needs to know no more: zeros after the last pixel are where the output's size says.
    """
    relation: Any = parameters.relation
    if relation.axes[0].padding not in _SAME:  # which stands for all axes
        return parameters
    of = (sizes, output_sizes) if parameters.transposed else (sizes,)
    return parameters._replace(padding=tuple(pair.before for pair in relation.padding_for(*of)))


def _sized(operation: str, ask: Callable[..., Any], *arguments: Any) -> Any:
    """Ask the size solver; what it refuses is refused in the name of the operation."""
    try:
        return ask(*arguments)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{operation}: {error}") from None


def _as_input(parameters: Parameters, x: ArrayLike) -> AnyArray:
    """Return the input as an array of the right dtype, rank and channels."""
    operation, axes = parameters.operation, parameters.axes
    dtype = np.dtype(np.float32 if parameters.single else np.float64)
    array = arrays.as_array(operation, "x", x, _DTYPES)
    array = arrays.as_dtype_of(operation, "x", array, "weight", dtype)
    layouts = _LAYOUTS[axes].split(" or ")
    arrays.check_rank(operation, "x", array, {axes + 2: layouts[0], axes + 1: layouts[1]})
    arrays.check_channels(
        operation, "x", array, array.ndim - axes - 1, parameters.channels_in,
        parameters.weight_shape, parameters.groups,
    )
    arrays.check_no_empty_axis(operation, "x", array, first=array.ndim - axes)
    return array


def _out_shape(
    parameters: Parameters, x_shape: tuple[int, ...], output_size: Any, batched: bool = True
) -> tuple[int, ...]:
    """Return the shape of the result for an input of shape (N, C, *spatial)."""
    operation, axes = parameters.operation, parameters.axes
    relation: Any = parameters.relation
    sizes = x_shape[-axes:]
    if output_size is None:
        spatial = _sized(operation, relation, sizes)
    else:
        wanted = arrays.as_spatial_sizes(
            operation, "output_size", output_size, axes, 2 if batched else 1
        )
        try:
            spatial = relation(sizes, wanted)
        except ValueError:
            raise ValueError(_unreachable(parameters, sizes, output_size)) from None
    return (x_shape[0], parameters.channels_out, *spatial)


def _unreachable(
    parameters: Parameters, sizes: tuple[int, ...], output_size: Any
) -> str:
    """Say which output sizes there are instead of the one that was asked for."""
    told = []
    for axis, i in zip(parameters.relation.axes, sizes, strict=True):
        # As axis.choices(i), of which there are as many as the stride.
        low = axis._smallest(i)
        low, high = max(low, 1), low + axis.stride - 1
        if high < 1:
            told.append("none (the padding takes away all of the output)")
        else:
            told.append(f"{low}" if low == high else
                        f"{low} or {high}" if high == low + 1 else f"{low} to {high}")
    if len(set(told)) == 1:
        can = ("each axis" if len(told) > 1 else "it") + f" can be {told[0]}"
    else:
        can = "; ".join(f"axis {axis} can be {text}" for axis, text in enumerate(told))
    show = {"kernel_size": parameters.weight_shape[2:], "stride": parameters.stride,
            "padding": _paddings(parameters), "dilation": parameters.dilation}
    words = ", ".join(
        f"{name}={_short(value)!r}"
        for name, value in show.items() if name != "dilation" or set(value) != {1}
    )
    return (f"{parameters.operation}: output_size={arrays.shown(output_size)} cannot be reached "
            f"from input {sizes if len(sizes) > 1 else sizes[0]} with {words}; {can}")


def _paddings(parameters: Parameters) -> tuple[Any, ...]:
    """Return what is padded at each axis: an int, a Padding of two sides, or a word."""
    return tuple(axis.padding for axis in parameters.relation.axes)


def _short(values: tuple[Any, ...]) -> Any:
    """Return one number where all axes have the same."""
    return values[0] if len(set(values)) == 1 else values


# --- calls of layers and functions ----------------------------------------------------------------


def _is_plain(value: Any) -> bool:
    """Return whether this can tell one call from another: 12.0 == 12 and True == 1 must not."""
    return value is None or type(value) is int or (
        type(value) is tuple and all(type(one) is int or _is_pair(one) for one in value)
    )


def _is_pair(value: Any) -> bool:
    return type(value) is tuple and len(value) == 2 and type(value[0]) is type(value[1]) is int


def _is_free(out: Any, x: AnyArray) -> bool:
    """Return whether an array may be written; a layer's own weights are read-only."""
    return (type(out) is np.ndarray and out.flags.writeable and out.flags.aligned
            and not np.may_share_memory(out, x))


def _key(x: AnyArray, output_size: Any, threads: int, out: AnyArray | None) -> tuple[Any, ...]:
    """Return what decides a call on arrays of a layer's dtype."""
    if out is None:
        return x.shape, x.strides, output_size, threads
    return x.shape, x.strides, output_size, threads, out.shape, out.strides, out.dtype


def _own(array: AnyArray) -> AnyArray:
    """Return a read-only copy."""
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


class _Values(NamedTuple):
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


class _Task(NamedTuple):
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
        out[...] = 0 if bias is None else bias.reshape(-1, *(1,) * (out.ndim - 2))
        self.plan.run(x, packed, out, scratch)


def _memory(x: AnyArray, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Return the shape of a new result's memory, and the axes of it that the result is."""
    if orders.memory_order(x) != "channels":
        return shape, None
    return (shape[0], *shape[2:], shape[1]), (0, x.ndim - 1, *range(1, x.ndim - 1))


def _new(memory: tuple[int, ...], view: tuple[int, ...] | None, dtype: Any) -> AnyArray:
    """Return memory for a result."""
    result: AnyArray = _empty(memory, dtype)
    return result if view is None else result.transpose(view)


# What is told of a new task: the numbers and the input it was made for, output_size, threads, out.
Remember = Callable[[_Values, AnyArray, Any, int, AnyArray | None, _Task], None]


def _first_call(
    parameters: Parameters, values: _Values, x: ArrayLike, output_size: Any, out: AnyArray | None,
    remember: Remember,
) -> AnyArray:
    """Check the arrays of a call, and run it."""
    array = _as_input(parameters, x)
    given = array
    batched = array.ndim == parameters.axes + 2
    if not batched:
        array = array[None]
    shape = _out_shape(parameters, array.shape, output_size, batched)
    parameters = _padded(parameters, array.shape[2:], shape[2:])
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
        keep = remember if given is x and _is_plain(output_size) else None
        result = _run(parameters, values, array, output_size, shape, target, keep)
    if out is not None:
        return out
    return result if batched else result[0]


def _run(
    parameters: Parameters, values: _Values, x: AnyArray, output_size: Any,
    shape: tuple[int, ...], out: AnyArray | None, remember: Remember | None,
) -> AnyArray:
    """Plan a call on arrays that fit, and run it; tell of it where the next one may do the same."""
    given, x = x, orders.as_walkable(x)
    target = out
    if out is not None and orders.memory_order(out) == "other":
        target = _empty(shape, x.dtype)
    memory, view = _memory(x, shape)
    if target is None:
        target = _new(memory, view, x.dtype)
    threads = _threads()
    order, plan = orders.plan(parameters, x, target, threads)
    task = _Task(
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


# --- layers ---------------------------------------------------------------------------------------


class _Layer:
    """Weights that are packed for the kernel, and what a call with them needs."""

    _axes: ClassVar[int]

    def __init_subclass__(cls) -> None:
        """Give a layer methods of its own name, which Python's messages tell."""
        if cls.__module__ == __name__ and not cls.__name__.startswith("_"):
            for name in ("__init__", "__call__"):
                shared = getattr(cls, name)
                own = FunctionType(shared.__code__, shared.__globals__, name, shared.__defaults__)
                own.__qualname__ = f"{cls.__name__}.{name}"
                own.__doc__, own.__annotations__ = shared.__doc__, shared.__annotations__
                setattr(cls, name, own)

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        """Tell who calls it as PyTorch's constructor is called that weights are wanted."""
        if getattr(cls.__init__, "__module__", None) != __name__:
            return object.__new__(cls)  # a class of the user's, with arguments of its own
        first = arguments[0] if arguments else named.get("weight")
        if isinstance(first, (int, np.integer)) or not named.keys().isdisjoint(
            ("in_channels", "out_channels", "kernel_size")
        ):
            raise TypeError(
                f"{cls.__name__}: numbers of channels and a kernel size make no layer here, "
                f"weights do: up.{cls.__name__}(weight, bias, stride=...) with an array, or "
                f"up.from_torch(module) with a torch.nn.{cls.__name__}"
            )
        if callable(getattr(first, "state_dict", None)):
            raise TypeError(
                f"{cls.__name__}: weight is a module, {type(first).__name__}; "
                f"up.from_torch(module) makes a layer of it"
            )
        return object.__new__(cls)

    def _set_up(
        self, weight: ArrayLike, bias: ArrayLike | None, stride: Ints, padding: Pads,
        output_padding: Ints | None, groups: int, dilation: Ints,
    ) -> None:
        operation = type(self).__name__
        self._word = padding if isinstance(padding, str) else None
        with arrays.named(operation):
            self._parameters, weight, bias = _check(
                operation, weight, bias, stride, padding, output_padding, groups, dilation,
                self._axes,
            )
            self._values = _Values(_own(weight), None if bias is None else _own(bias), {})
        self._dtype = weight.dtype
        self._calls: Calls[_Task] = Calls(_MOST_PLANS, PLAN_BYTES)

    def _assign(self, **values: Any) -> None:
        """Hold these numbers; a call that is running ends with those it began with."""
        with lock:  # two threads may assign weight and bias: neither undoes the other's
            self._values = self._values._replace(packed={}, **values)
            self._calls.clear()

    @property
    def weight(self) -> AnyArray:
        """The weights, read-only; others of the same shape and dtype can be assigned."""
        return self._values.weight

    @weight.setter
    def weight(self, value: ArrayLike) -> None:
        operation, held = type(self).__name__, self._values.weight
        array = arrays.as_dtype_of(operation, "weight", value, "the layer", self._dtype)
        arrays.check_shape(operation, "weight", array, held.shape, "that of the layer's weights")
        self._assign(weight=_own(array))

    @property
    def bias(self) -> AnyArray | None:
        """The bias, read-only, or None; another one, or None, can be assigned."""
        return self._values.bias

    @bias.setter
    def bias(self, value: ArrayLike | None) -> None:
        operation, array = type(self).__name__, None
        if value is not None:
            array = arrays.as_dtype_of(operation, "bias", value, "the layer", self._dtype)
            arrays.check_shape(
                operation, "bias", array, (self.out_channels,), "one number an output channel"
            )
        self._assign(bias=None if array is None else _own(array))

    @property
    def padding(self) -> tuple[int | shapes.Padding, ...] | str:
        """The padding, one int an axis (a pair where its sides differ), or the word given."""
        return self._word or _paddings(self._parameters)

    @property
    def groups(self) -> int:
        """In how many groups the channels are taken."""
        return self._parameters.groups

    @property
    def stride(self) -> tuple[int, ...]:
        """The stride, one int an axis."""
        return self._parameters.stride

    @property
    def dilation(self) -> tuple[int, ...]:
        """The dilation, one int an axis."""
        return self._parameters.dilation

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """The kernel's size, one int an axis."""
        return self._parameters.weight_shape[2:]

    @property
    def in_channels(self) -> int:
        """How many channels the input has."""
        return self._parameters.channels_in

    @property
    def out_channels(self) -> int:
        """How many channels the output has."""
        return self._parameters.channels_out

    @property
    def sizes(self) -> shapes.Conv | shapes.ConvTranspose:
        """The relation of input and output size."""
        return self._parameters.relation

    def _call(self, x: ArrayLike, output_size: Any, out: AnyArray | None) -> AnyArray:
        # An input like the latest.
        repeat = self._calls.latest
        if repeat is not None and out is None:
            try:
                result: AnyArray | None = repeat(x, output_size)
            except MemoryError:
                result = None  # once more below, and if that fails as well, it says whose it is
            if result is not None:
                return result
        # Known shapes: nothing is left to be checked but what no shape and no stride tells.
        if (
            type(x) is np.ndarray and x.dtype is self._dtype and x.flags.aligned
            and _is_plain(output_size) and (out is None or _is_free(out, x))
        ):
            task = self._calls.get(_key(x, output_size, _threads(), out))
            if task is not None:
                try:
                    result = _new(task.memory, task.view, self._dtype) if out is None else out
                    task.run(x, task.packed, task.bias, result)
                    return result
                except MemoryError:
                    pass  # the same
        with arrays.named(self._parameters.operation):
            return _first_call(self._parameters, self._values, x, output_size, out, self._remember)

    def _remember(
        self, values: _Values, x: AnyArray, output_size: Any, threads: int, out: AnyArray | None,
        task: _Task,
    ) -> None:
        """Keep a plan for the next input like this one; the oldest goes when there are many."""
        repeat = None
        if out is None and not task.gaps:
            repeat = _kernel.Repeat(
                task.plan, task.packed, x, output_size, task.memory, task.view, _empty, _threads
            ).call
        with lock:
            if values is self._values:
                self._calls.put(_key(x, output_size, threads, out), task, task.plan.nbytes)
                self._calls.latest = repeat or self._calls.latest

    def measure(
        self, x: ArrayLike, output_size: Any = None, *, seconds: float = 0.2
    ) -> dict[str, float]:
        """Time every order of work for inputs like this one, and keep the fastest.

        Calls with inputs of this shape and memory layout, of this layer and of others with the same
        parameters, are computed in that order from then on; `save_choices` writes it to a file.

        Parameters
        ----------
        x : array_like
            An input, as for a call.
        output_size : int or one int an axis, or a whole shape, optional
            As for a call of a transposed convolution.
        seconds : float
            How long to time, roughly; three rounds at least.

        Returns
        -------
        dict of str to float
            The least seconds of each order that can compute this, the fastest first.

        Raises
        ------
        ValueError, TypeError
            As a call does; or if `seconds` is no positive number.

        Notes
        -----
        Measure on a machine that does nothing else, on as many threads as calls will have. All
        orders give the same result within rounding; the last bits may differ from those of the
        order that was estimated to be the fastest. `clear_cache` leaves what was measured,
        `forget_choices` does not.
        """
        operation = self._parameters.operation
        with arrays.named(operation):
            if not (isinstance(seconds, (int, float)) and 0 < seconds < math.inf):
                raise ValueError(
                    f"{operation}: seconds={arrays.shown(seconds)} must be a positive number, "
                    f"such as 0.2"
                )
            array = _as_input(self._parameters, x)
            batched = array.ndim == self._axes + 2
            array = orders.as_walkable(array if batched else array[None])
            shape = _out_shape(self._parameters, array.shape, output_size, batched)
            parameters = _padded(self._parameters, array.shape[2:], shape[2:])
            arrays.check_memory(operation, shape, self._dtype)
            return {} if 0 in shape else self._measured(parameters, array, shape, seconds)

    def _measured(
        self, parameters: Parameters, x: AnyArray, shape: tuple[int, ...], seconds: float
    ) -> dict[str, float]:
        """Time all ways to fill a result of this shape; keep the fastest."""
        values = self._values
        memory, view = _memory(x, shape)
        out = _new(memory, view, self._dtype)
        frames = orders.frames_of(x, out)
        calls = {}
        for order, source, plan in orders.ways(parameters, frames, _threads()):
            packed, gaps = values.pack(parameters, order), order.leaves_gaps(parameters)
            task = _Task(order, plan, memory, view, gaps, packed, values.bias)
            calls[choices.Choice(order.name, source)] = partial(
                task.run, x, packed, values.bias, out
            )
        times = choices.fastest(calls, seconds)
        choices.keep(orders.key_of(parameters, frames), next(iter(times)))
        best: dict[str, float] = {}
        for choice, took in times.items():
            best.setdefault(choice.order, took)
        return best

    def _arguments(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def __reduce__(self) -> tuple[Any, ...]:
        own = {name: value for name, value in vars(self).items() if name not in _HELD}
        return _made_again, (type(self), self._arguments()), own or None

    def __repr__(self) -> str:
        p = self._parameters
        words = [f"{p.channels_in} -> {p.channels_out}", f"kernel_size={_short(self.kernel_size)}"]
        defaults = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1}
        for name, default in defaults.items():
            value = getattr(self, name, default)
            if value != default and set(value if isinstance(value, tuple) else ()) != {default}:
                words.append(f"{name}={_short(value) if isinstance(value, tuple) else repr(value)}")
        if p.groups != 1:
            words.append(f"groups={p.groups}")
        if self.bias is None:
            words.append("bias=None")
        words.append(self._dtype.name)
        return f"{type(self).__name__}({', '.join(words)}: {self._relation()})"

    def _repr_html_(self) -> str:
        from upshape.draw._notebook import layer_html  # needed in notebooks alone

        return layer_html(shapes.from_torch(self), repr(self))

    def _relation(self) -> str:
        """Return the size relation with this layer's numbers, one formula for all axes alike."""
        axes = self._parameters.relation.axes
        texts = [_formula(axis) for axis in axes]
        if len(set(texts)) == 1:
            return texts[0]
        return ", ".join(_formula(axis, f"i{n}", f"o{n}") for n, axis in enumerate(axes))


# What a layer sets up by itself; other attributes are the user's and go where a copy goes.
_HELD = frozenset(["_parameters", "_dtype", "_calls", "_values", "_word"])


def _made_again(kind: type[_Layer], arguments: tuple[Any, ...]) -> _Layer:
    """Return a layer with these arguments, whatever a subclass takes in their place."""
    layer: _Layer = object.__new__(kind)
    own: Any = next(one for one in kind.__mro__ if one in _KINDS.values())
    own.__init__(layer, *arguments)
    return layer


def _formula(axis: Any, i: str = "i", o: str = "o") -> str:
    """Return o as a function of i for one axis."""
    s = axis.stride
    if isinstance(axis, shapes.ConvTranspose):
        return f"{o} = {'' if s == 1 else s}{_plus(i, axis.formula(1) - s)}"  # linear
    if axis.padding in _SAME:
        return f"{o} = {i}" if s == 1 else f"{o} = ceil({i}/{s})"
    shift = axis.padding_for(axis.minimum).total - axis.effective_kernel
    if s == 1:
        return f"{o} = {_plus(i, shift + 1)}"
    return f"{o} = floor({f'({_plus(i, shift)})' if shift else i}/{s}) + 1"


def _plus(text: str, number: int) -> str:
    """Return a sum as it is written.

    >>> _plus("i", 0), _plus("i", 2), _plus("2i", -1)
    ('i', 'i + 2', '2i - 1')
    """
    return f"{text} {'+' if number > 0 else '-'} {abs(number)}" if number else text


class _TransposedLayer(_Layer):
    def __init__(
        self, weight: ArrayLike, bias: ArrayLike | None = None, stride: Ints = 1,
        padding: Pads = 0, output_padding: Ints = 0, groups: int = 1, dilation: Ints = 1,
    ) -> None:
        self._set_up(weight, bias, stride, padding, output_padding, groups, dilation)

    def __call__(
        self, x: ArrayLike, output_size: Ints | None = None, out: AnyArray | None = None
    ) -> AnyArray:
        """Return the transposed convolution of `x`; `output_size` and `out` as of the function."""
        return self._call(x, output_size, out)

    @property
    def output_padding(self) -> tuple[int, ...]:
        """The output padding, one int an axis."""
        return tuple(axis.output_padding for axis in self._parameters.relation.axes)

    def _arguments(self) -> tuple[Any, ...]:
        return (np.array(self.weight), None if self.bias is None else np.array(self.bias),
                self.stride, self.padding, self.output_padding, self.groups, self.dilation)


class _OrdinaryLayer(_Layer):
    def __init__(
        self, weight: ArrayLike, bias: ArrayLike | None = None, stride: Ints = 1,
        padding: Pads = 0, dilation: Ints = 1, groups: int = 1,
    ) -> None:
        self._set_up(weight, bias, stride, padding, None, groups, dilation)

    def __call__(self, x: ArrayLike, out: AnyArray | None = None) -> AnyArray:
        """Return the convolution of `x`; `out` as of the function."""
        return self._call(x, None, out)

    def _arguments(self) -> tuple[Any, ...]:
        return (np.array(self.weight), None if self.bias is None else np.array(self.bias),
                self.stride, self.padding, self.dilation, self.groups)


class ConvTranspose1d(_TransposedLayer):
    """Hold the weights of a 1-D transposed convolution, packed for the kernel.

    Parameters are those of `conv_transpose1d`; the layer copies the weights. Layers can be called
    from several threads at once, pickled and copied.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> layer = up.ConvTranspose1d(np.ones((1, 1, 2)), stride=2)
    >>> layer
    ConvTranspose1d(1 -> 1, kernel_size=2, stride=2, bias=None, float64: o = 2i)
    >>> layer(np.array([[[1.0, 2.0]]]))
    array([[[1., 1., 2., 2.]]])
    """

    _axes = 1


class ConvTranspose2d(_TransposedLayer):
    """Hold the weights of a 2-D transposed convolution, packed for the kernel.

    Parameters are those of `conv_transpose2d`; the layer copies the weights. Layers can be called
    from several threads at once, pickled and copied.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> layer = up.ConvTranspose2d(np.ones((1, 1, 3, 3)), stride=2, padding=1)
    >>> layer
    ConvTranspose2d(1 -> 1, kernel_size=3, stride=2, padding=1, bias=None, float64: o = 2i - 1)
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])[None, None]
    >>> layer(x)[0, 0]
    array([[ 1.,  3.,  2.],
           [ 4., 10.,  6.],
           [ 3.,  7.,  4.]])
    >>> layer(x, output_size=4).shape
    (1, 1, 4, 4)
    """

    _axes = 2


class ConvTranspose3d(_TransposedLayer):
    """Hold the weights of a 3-D transposed convolution, packed for the kernel.

    Parameters are those of `conv_transpose3d`; the layer copies the weights. Layers can be called
    from several threads at once, pickled and copied.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> layer = up.ConvTranspose3d(np.ones((1, 1, 2, 2, 2)), stride=2)
    >>> layer
    ConvTranspose3d(1 -> 1, kernel_size=2, stride=2, bias=None, float64: o = 2i)
    >>> layer(np.ones((1, 1, 4, 6, 5))).shape
    (1, 1, 8, 12, 10)
    """

    _axes = 3


class Conv1d(_OrdinaryLayer):
    """Hold the weights of a 1-D convolution, packed for the kernel.

    Parameters are those of `conv1d`; the layer copies the weights. Layers can be called from
    several threads at once, pickled and copied.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> layer = up.Conv1d(np.ones((1, 1, 3)), padding="same")
    >>> layer
    Conv1d(1 -> 1, kernel_size=3, padding='same', bias=None, float64: o = i)
    >>> layer(np.array([[[1.0, 2.0, 3.0]]]))
    array([[[3., 6., 5.]]])
    """

    _axes = 1


class Conv2d(_OrdinaryLayer):
    """Hold the weights of a 2-D convolution, packed for the kernel.

    Parameters are those of `conv2d`; the layer copies the weights. Layers can be called from
    several threads at once, pickled and copied.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> layer = up.Conv2d(np.ones((1, 1, 3, 3)), stride=2, padding=1)
    >>> layer
    Conv2d(1 -> 1, kernel_size=3, stride=2, padding=1, bias=None, float64:
    o = floor((i - 1)/2) + 1)
    >>> layer(np.ones((1, 1, 4, 4)))[0, 0]
    array([[4., 6.],
           [6., 9.]])
    """

    _axes = 2


class Conv3d(_OrdinaryLayer):
    """Hold the weights of a 3-D convolution, packed for the kernel.

    Parameters are those of `conv3d`; the layer copies the weights. Layers can be called from
    several threads at once, pickled and copied.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> layer = up.Conv3d(np.ones((1, 1, 3, 3, 3)), padding=1)
    >>> layer
    Conv3d(1 -> 1, kernel_size=3, padding=1, bias=None, float64: o = i)
    >>> layer(np.ones((1, 1, 2, 3, 3)))[0, 0, 0]
    array([[ 8., 12.,  8.],
           [12., 18., 12.],
           [ 8., 12.,  8.]])
    """

    _axes = 3


_KINDS: dict[str, type[_Layer]] = {
    kind.__name__: kind
    for kind in (Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
}


def from_torch(module: Any) -> Any:
    """Return the layer that computes what a PyTorch convolution computes.

    Parameters
    ----------
    module : torch.nn.Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d or ConvTranspose3d
        With ``padding_mode="zeros"``, its parameters in the CPU's memory, float32 or float64. They
        are copied: the layer does not follow a training that goes on.

    Returns
    -------
    Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d or ConvTranspose3d

    Raises
    ------
    TypeError
        If this is no such module, or its parameters are of another dtype.
    ValueError
        If the padding is not with zeros.

    Notes
    -----
    ``up.from_torch(torch.nn.ConvTranspose2d(16, 8, 3, stride=2))`` is
    ``ConvTranspose2d(16 -> 8, kernel_size=3, stride=2, float32: o = 2i + 1)``. PyTorch itself is
    not imported.
    """
    if isinstance(module, type):
        raise TypeError(
            f"from_torch: module is the class {module.__name__}; it must be an instance of it"
        )
    own = [kind.__name__ for kind in type(module).__mro__ if kind.__module__.startswith("torch.")]
    kind = next(filter(None, map(_KINDS.get, own)), None)
    if kind is None:
        raise TypeError(
            f"from_torch: module is of type {type(module).__name__}; "
            f"it must be a torch.nn module of type {', '.join(_KINDS)}"
        )
    if module.padding_mode != "zeros":
        raise ValueError(
            f"from_torch: module has padding_mode={module.padding_mode!r}; it can be 'zeros' "
            f"(pad the input with np.pad instead)"
        )
    parameters = {name: getattr(module, name) for name in ("stride", "dilation", "groups")}
    if issubclass(kind, _TransposedLayer):
        parameters["output_padding"] = module.output_padding
    return kind(module.weight, module.bias, padding=module.padding, **parameters)


# --- functions -----------------------------------------------------------------------------------


# Tasks without numbers: what the functions need for arguments that they have seen before.
_calls: Calls[_Task] = Calls(_MOST_CALLS, PLAN_BYTES)

# No packed weights: a function's are packed anew for every call.
_NOTHING: AnyArray = np.empty(0, np.uint8)

# Memory for packed weights, kept for the next call of a function.
_spare: list[AnyArray] = []

also_forget(_spare.clear)
also_forget(_kernel.forget_scratch)


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
             or all(map(_is_plain, (stride, padding, output_padding, groups, dilation,
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
        parameters, weight, bias = _check(
            operation, weight, bias, stride, padding, output_padding, groups, dilation, axes
        )
        values = _Values(
            np.ascontiguousarray(weight), None if bias is None else np.ascontiguousarray(bias), {}
        )
        return _first_call(parameters, values, x, output_size, out, keep)


def _is_tidy(array: AnyArray) -> bool:
    """Return whether the kernels can read weights or a bias as they are."""
    flags = array.flags
    return flags.c_contiguous and flags.aligned and array.dtype.isnative


def _run_known(task: _Task, x: AnyArray, weight: AnyArray, bias: AnyArray | None) -> AnyArray:
    """Run a call whose like has been checked and planned."""
    layout = task.layout
    try:
        packed = _spare.pop()
    except IndexError:
        packed = _NOTHING
    if packed.nbytes < layout.packed_bytes:
        packed = np.empty(layout.packed_bytes, np.uint8)
    layout.pack(weight, bias, packed)
    result = _new(task.memory, task.view, x.dtype)
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
    place of 1. The order in which they are added, and so the last bits, may differ between CPUs and
    between memory layouts; it never depends on the number of threads, and the same call on the same
    machine gives the same bits.

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
