"""Layers: the weights of a convolution packed for the kernel, and the plans of their calls."""

from __future__ import annotations

import math
from functools import partial
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from upshape import _machine, arrays, choices, orders, runtime, shapes
from upshape.calls import Calls, lock
from upshape.orders import PLAN_BYTES
from upshape.parameters import (
    SAME,
    AnyArray,
    Ints,
    Pads,
    Parameters,
    as_input,
    check_parameters,
    out_shape,
    padded,
    paddings,
    short,
)
from upshape.tasks import (
    Task,
    Values,
    first_call,
    is_free,
    is_plain,
    key_of_call,
    memory_of,
    new,
)

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    "from_torch",
]

# Plans that a layer keeps: the input shapes that a network alternates between, and some.
_MOST_PLANS = 64

_threads = runtime.threads


def _own(array: AnyArray) -> AnyArray:
    """Return a read-only copy."""
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


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
            self._parameters, weight, bias = check_parameters(
                operation, weight, bias, stride, padding, output_padding, groups, dilation,
                self._axes,
            )
            self._values = Values(_own(weight), None if bias is None else _own(bias), {})
        self._dtype = weight.dtype
        self._calls: Calls[Task] = Calls(_MOST_PLANS, PLAN_BYTES)

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
        return self._word or paddings(self._parameters)

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
            and is_plain(output_size) and (out is None or is_free(out, x))
        ):
            task = self._calls.get(key_of_call(x, output_size, _threads(), out))
            if task is not None:
                try:
                    result = new(task.memory, task.view, self._dtype) if out is None else out
                    task.run(x, task.packed, task.bias, result)
                    return result
                except MemoryError:
                    pass  # the same
        with arrays.named(self._parameters.operation):
            return first_call(self._parameters, self._values, x, output_size, out, self._remember)

    def _remember(
        self, values: Values, x: AnyArray, output_size: Any, threads: int, out: AnyArray | None,
        task: Task,
    ) -> None:
        """Keep a plan for the next input like this one; the oldest goes when there are many."""
        repeat = None
        if out is None and not task.gaps:
            repeat = _machine.Repeat(
                task.plan, task.packed, x, output_size, task.memory, task.view
            ).call
        with lock:
            if values is self._values:
                self._calls.put(key_of_call(x, output_size, threads, out), task, task.plan.nbytes)
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
            array = as_input(self._parameters, x)
            batched = array.ndim == self._axes + 2
            array = orders.as_walkable(array if batched else array[None])
            shape = out_shape(self._parameters, array.shape, output_size, batched)
            parameters = padded(self._parameters, array.shape[2:], shape[2:])
            arrays.check_memory(operation, shape, self._dtype)
            return {} if 0 in shape else self._measured(parameters, array, shape, seconds)

    def _measured(
        self, parameters: Parameters, x: AnyArray, shape: tuple[int, ...], seconds: float
    ) -> dict[str, float]:
        """Time all ways to fill a result of this shape; keep the fastest."""
        values = self._values
        memory, view = memory_of(x, shape)
        out = new(memory, view, self._dtype)
        frames = orders.frames_of(x, out)
        calls = {}
        for order, source, plan in orders.ways(parameters, frames, _threads()):
            packed, gaps = values.pack(parameters, order), order.leaves_gaps(parameters)
            task = Task(order, plan, memory, view, gaps, packed, values.bias)
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
        words = [f"{p.channels_in} -> {p.channels_out}", f"kernel_size={short(self.kernel_size)}"]
        defaults = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1}
        for name, default in defaults.items():
            value = getattr(self, name, default)
            if value != default and set(value if isinstance(value, tuple) else ()) != {default}:
                words.append(f"{name}={short(value) if isinstance(value, tuple) else repr(value)}")
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
    if axis.padding in SAME:
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
