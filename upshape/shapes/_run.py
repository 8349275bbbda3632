"""One run of a PyTorch model's own forward: with symbolic sizes, or with plain ones."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ._outcome import Failure, Out
from ._path import Path, Value
from ._symbolic import Environment, symbolic_numbers

__all__ = ["Failure", "Model", "Shape"]

# PyTorch logs every error that a kernel raises; here they are answers.
_LOGS = [logging.getLogger(name) for name in ("torch._subclasses.fake_tensor", "torch.fx")]

Shape = tuple[Any, ...]  # of ints and Values


class Misread(TypeError):
    """What the user says of a part of a model is no size: no fault of the model's."""


class Model:
    """A module made ready to be run often, without its weights and without lasting effects."""

    def __init__(
        self,
        module: Any,
        read: Mapping[Any, Callable[..., Any]],
        given: tuple[int, int, int] | None = None,
        batch: int = 1,
    ) -> None:
        self.module = module
        self.names = {id(one): name for name, one in module.named_modules()}
        self.dtype = next(
            (one.dtype for one in module.parameters() if one.is_floating_point()), torch.float32
        )
        self.read = _Replacements(module, read)
        self._state: dict[str, dict[str, Any]] = {}
        self._images: int | None = None
        self._by_name: tuple[str, ...] = ()  # inputs that forward demands by keyword
        self.mending: Any = None
        self.batch = batch
        self.rank, self.channels, self.typical = self._probed() if given is None else given

    def _probed(self) -> tuple[int, int, int]:
        """Return the spatial axes, channels and a size with which the model runs.

        Nothing in a module says what its input is; the candidates are what its convolutions take.
        """
        pairs = _candidates(self.module)
        for size in SIZES:
            for self.rank, self.channels in pairs:
                with contextlib.suppress(Failure):
                    self.plain((size,) * self.rank)
                    return self.rank, self.channels, size
        return *pairs[0], SIZES[0]

    # The inputs.

    @property
    def images(self) -> int:
        """The number of inputs that forward demands: each is given the same shape."""
        if self._images is None:
            import inspect

            self._images, self._by_name = 1, ()
            with contextlib.suppress(TypeError, ValueError):
                parameters = inspect.signature(self.module.forward).parameters.values()
                plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
                wanted = [
                    one for one in parameters if one.kind in plain and one.default is one.empty
                ]
                named = [
                    one.name
                    for one in parameters
                    if one.kind is one.KEYWORD_ONLY and one.default is one.empty
                ]
                self._by_name = tuple(named)
                self._images = len(wanted) if named else max(1, len(wanted))
        return self._images

    def told_inputs(self) -> str:
        """Say with what forward is called."""
        shape = ", ".join([str(one) for one in self._shape(("n",) * self.rank)])
        given = ["a tensor"] * self.images + [f"{name}=a tensor" for name in self._by_name]
        return f"{', '.join(given)} of shape ({shape})"

    def _shape(self, spatial: Sequence[Any]) -> tuple[Any, ...]:
        """Return the shape of an input; without channels it has no axis for them."""
        channels = (self.channels,) if self.channels else ()
        return (self.batch, *channels, *spatial)

    # Runs.

    def symbolic(self, path: Path, sizes: Callable[[Any], Sequence[Any]]) -> Any:
        """Run along a path, and return the shapes of what comes out."""
        env = Environment(path)
        mode = FakeTensorMode(shape_env=env, allow_non_fake_inputs=True)  # type: ignore[arg-type]
        mode.cache_enabled = False
        devices = {one.device for one in (*self.module.parameters(), *self.module.buffers())}
        state = self._state_on("meta") if len(devices) > 1 else None
        device = "meta" if len(devices) > 1 else next(iter(devices), "cpu")
        with (
            self._untouched(),
            torch.no_grad(),
            mode,
            enable_python_dispatcher(),
            symbolic_numbers(self._scopes()),
            self.read,
            Quick(self.read, env, mending=self.mending),
        ):
            spatial = sizes(env.symint(path.identity()))
            return self._called(
                lambda: torch.empty(self._shape(spatial), dtype=self.dtype, device=device),
                state,
            )

    def plain(self, spatial: Sequence[int], device: str = "meta", full: bool = False) -> Any:
        """Run with plain sizes: on the meta device, or on the CPU where that is no answer.

        Unless it is to be a full run, functions that keep every size are passed by.
        """
        if device == "cpu":
            return self._on("cpu", spatial)
        watch = _Empties()
        try:
            with watch:
                found = self._on("meta", spatial, full)
        except Failure as failure:
            if isinstance(failure.error, NotImplementedError) or "meta" in str(failure.error):
                return self._on_cpu(spatial)
            raise
        # Kernels refuse what is empty where the meta device lets it pass.
        return self._on_cpu(spatial) if watch.seen else found

    def _on_cpu(self, spatial: Sequence[int]) -> Any:
        if math.prod(spatial) > MOST_PIXELS:
            raise Failure(MemoryError(f"{spatial} is not run on the CPU: it is too large"))
        return self._on("cpu", spatial)

    def _on(self, device: str, spatial: Sequence[int], full: bool = True) -> Any:
        state = self._state_on(device)
        quick = Quick(self.read, light=not full, mending=self.mending)
        with self._untouched(), torch.no_grad(), self.read, quick:
            return self._called(
                lambda: torch.zeros(self._shape(spatial), dtype=self.dtype, device=device),
                state,
            )

    def _called(self, make: Callable[[], Any], state: Any = None) -> Any:
        stack: list[str] = []
        if self.mending is not None:
            self.mending.begin(stack)

        def enter(module: Any, args: Any) -> None:
            stack.append(self.names.get(id(module), type(module).__name__))

        def leave(module: Any, args: Any, output: Any) -> None:
            stack.pop()

        before = torch.nn.modules.module.register_module_forward_pre_hook(enter)
        after = torch.nn.modules.module.register_module_forward_hook(leave)
        try:
            args = tuple(make() for _ in range(self.images))
            named = {name: make() for name in self._by_name}
            if state is None:
                made = self.module(*args, **named)
            else:
                made = torch.func.functional_call(
                    self.module, state, args, named, tie_weights=False
                )
            return shapes_of(made)
        except Misread:
            raise
        except Exception as error:
            raise Failure(error, stack[-1] if stack else "") from error
        finally:
            before.remove()
            after.remove()

    def _state_on(self, device: str) -> dict[str, Any]:
        if device not in self._state:
            named = [*self.module.named_parameters(), *self.module.named_buffers()]
            made: dict[str, Any] = {}
            for name, one in named:
                if one.device.type == device:
                    made[name] = one.detach()
                elif device == "cpu":
                    made[name] = torch.zeros(one.shape, dtype=one.dtype)
                else:
                    made[name] = torch.empty(one.shape, dtype=one.dtype, device=device)
            self._state[device] = made
        return self._state[device]

    def _scopes(self) -> set[str]:
        """Return the Python modules whose code runs in this model."""
        found: set[str] = set()
        for module in self.module.modules():
            for kind in type(module).__mro__:
                name = kind.__module__
                if not name.startswith("torch.") and name not in ("torch", "builtins", "abc"):
                    found.add(name)
        return found | _helpers(found)

    @contextlib.contextmanager
    def _untouched(self) -> Iterator[None]:
        """Run in eval mode, and put back whatever a run changes in the modules' attributes."""
        kept = [
            (module, dict(module.__dict__), module.training) for module in self.module.modules()
        ]
        kept_dicts = [
            (one, dict(one))
            for module, state, _ in kept
            for one in (state["_buffers"], state["_modules"], state["_parameters"])
        ]
        lists = [
            (one, list(one)) for _, state, _ in kept for one in state.values() if type(one) is list
        ]
        for module, _, _ in kept:
            module.__dict__["training"] = False
        silent = [(log, log.disabled) for log in _LOGS]
        for log in _LOGS:
            log.disabled = True
        try:
            yield
        finally:
            for log, was_disabled in silent:
                log.disabled = was_disabled
            for module, state, _ in kept:
                module.__dict__.clear()
                module.__dict__.update(state)
            for names, once in kept_dicts:
                same = len(names) == len(once) and all(names[key] is once[key] for key in once)
                if not same:
                    names.clear()
                    names.update(once)
            for one, was in lists:
                one[:] = was


def _helpers(names: set[str]) -> set[str]:
    """Return the modules of a model's packages from which its modules have functions."""
    import sys

    roots = {name.partition(".")[0] for name in names} - {"torch"}
    found: set[str] = set()
    for name in names:
        for one in list(vars(sys.modules[name]).values()) if name in sys.modules else []:
            home = getattr(one, "__module__", None)
            if callable(one) and isinstance(home, str) and home.partition(".")[0] in roots:
                found.add(home)
    return found


MOST_PIXELS = 2**22  # larger inputs are not run on the CPU
SIZES = (224, 64, 256, 32, 384, 28, 96, 512, 299)  # that models are made for


def _candidates(module: Any) -> list[tuple[int, int]]:
    """Return what a model's input may have of spatial axes and channels, the likeliest first."""
    found: dict[tuple[int, int], None] = {}
    ranks: dict[int, None] = {}
    for one in module.modules():
        for kind in type(one).__mro__:
            name = kind.__name__
            if name[-2:] in ("1d", "2d", "3d") and kind.__module__.startswith("torch.nn"):
                rank = int(name[-2])
                if hasattr(one, "in_channels"):
                    found[rank, int(one.in_channels)] = None
                if not name.startswith(("Dropout", "BatchNorm1")):
                    ranks[rank] = None
                break
    first = list(found)[:1]
    common = [(rank, channels) for rank in ranks or {2: None} for channels in (3, 1, 4, 2)]
    bare = [(1, 0)] if 1 in ranks else []  # a waveform, to which forward adds the channels
    return list(dict.fromkeys([*first, *common, *list(found)[1:6], *bare]))


class _Empties(TorchDispatchMode):
    """Watches for tensors without elements."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, torch.Tensor) and one.numel() == 0:
                self.seen = True
        return made


# What comes out.


def shapes_of(value: Any) -> Any:
    """Return the shapes in what a model returns, in the same structure; None is left out."""
    if isinstance(value, torch.Tensor):
        return Out(tuple(_size(one) for one in value.shape))
    if isinstance(value, Mapping):
        items = ((key, shapes_of(one)) for key, one in value.items())
        return {key: one for key, one in items if one is not None}
    if isinstance(value, tuple | list):
        entries = [one for one in map(shapes_of, value) if one is not None]
        return tuple(entries) if isinstance(value, tuple) else entries
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((one.name, getattr(value, one.name)) for one in dataclasses.fields(value))
        items = ((key, shapes_of(one)) for key, one in fields)
        return {key: one for key, one in items if one is not None}
    if isinstance(value, torch.SymInt) or (isinstance(value, int) and not isinstance(value, bool)):
        return Out((1, _size(value)))
    return None


def _size(size: Any) -> Any:
    if isinstance(size, torch.SymInt):
        value: Value = size.node.value
        number = value.constant
        return value if number is None else number
    return int(size)


# What need not run: layers and functions of which the sizes are known.


def _named(names: str, *homes: Any) -> set[Any]:
    """Return the functions of these names, and their twins in place and as operators."""
    found = set()
    for name in names.split():
        for one in (name, f"{name}_", f"__{name}__", f"__r{name}__", f"__i{name}__"):
            found |= {getattr(home, one) for home in homes if hasattr(home, one)}
    return {one for one in found if callable(one)}


SAME = _named(
    "relu relu6 elu selu celu leaky_relu prelu gelu silu mish hardswish hardsigmoid hardtanh "
    "sigmoid tanh softplus softsign logsigmoid hardshrink softshrink tanhshrink threshold "
    "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout softmax "
    "log_softmax exp log sqrt rsqrt abs neg sin cos erf square clamp detach",
    F, torch, torch.Tensor, torch._C._nn,
)  # fmt: skip
WITH = _named("add sub mul div truediv true_divide", torch, torch.Tensor)
SHAPED = {torch.Tensor.view, torch.Tensor.reshape, torch.reshape}


class Quick(TorchFunctionMode):
    """Answers for functions whose sizes are known, where the input lies in memory as it should.

    What is anything but plain (a mismatch of channels, an input too small, another layout) goes to
    PyTorch's own kernel, which says so itself.
    """

    def __init__(
        self,
        read: Any,
        env: Environment | None = None,
        light: bool = False,
        mending: Any = None,
    ) -> None:
        super().__init__()
        self.mending = mending
        self.read = read
        self.env = env
        self.light = light

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.mending is None:
            return self._answered(func, args, kwargs)
        args, kwargs, key = self.mending.before(func, args, kwargs, bool)
        made = self._answered(func, args, kwargs)
        self.mending.after(made, args, key)
        return made

    def _answered(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return what a function makes of its arguments, or of their sizes."""
        if func in self.read.functions:
            return self.read.replaced(self.read.functions[func], args, kwargs)
        if self.env is not None and args and isinstance(args[0], torch.Tensor):
            made = self._quick(func, args, kwargs)
            if made is not None:
                return made
        elif self.env is not None and func in MAKERS:
            made = MAKERS[func](self, *args, **kwargs)
            if made is not None:
                return made
        elif self.light and args and isinstance(args[0], torch.Tensor):
            made = self._kept(func, args, kwargs)
            if made is not None:
                return made
        made = func(*args, **kwargs)
        if (
            self.env is not None
            and func in MAKES_PLAIN
            and isinstance(made, torch.Tensor)
            and all(_is_plain(one) for one in args if isinstance(one, torch.Tensor))
        ):
            made._upshape_plain = True  # type: ignore[attr-defined]
        return made

    def _quick(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return what a function makes of a tensor, None where PyTorch had better look at it."""
        x = args[0]
        kept = self._kept(func, args, kwargs)
        if kept is not None:
            return kept
        if func in MAKERS:
            return MAKERS[func](self, *args, **kwargs)
        if func in WITH:
            return self._with(*args) if len(args) == 2 and not kwargs else None
        if func in POOLS:
            axes, names = POOLS[func]
            named = {**dict(zip(names, args[4:], strict=False)), **kwargs}
            return self._pooled(axes, *args[:4], **named)
        if func is F.pad:
            self._cropped(*args, **kwargs)
        if func is F.linear or func is torch._C._nn.linear:
            return self._linear(*args, **kwargs)
        if func is F.layer_norm:
            return self._normed(x, *args[1:2])
        if not _is_plain(x):
            return None
        if func in SHAPED and not kwargs and len(args) > 1:
            shape = args[1:]
            if isinstance(shape[0], tuple | list):
                shape = tuple(shape[0]) if len(shape) == 1 else ()
            return self._shaped(x, shape)
        if func is torch.flatten or func is torch.Tensor.flatten:
            return self._flattened(x, *args[1:], **kwargs)
        if func in CONVOLUTIONS:
            return self._convolved(x, *args[1:], **kwargs)
        return None

    def _kept(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return the tensor that a function leaves as it is but for its values, else None."""
        x = args[0]
        if func in SAME:
            return x if x.is_floating_point() and kwargs.get("dtype") is None else None
        if func is F.batch_norm and not (args[5] if len(args) > 5 else kwargs.get("training")):
            mean = args[1] if len(args) > 1 else None
            if mean is not None and x.ndim > 1 and _alike(mean.shape[0], x.shape[1]):
                return x
        return None

    def _grid(self, theta: Any, size: Any, align_corners: Any = None) -> Any:
        """Return the grid of affine_grid."""
        if len(size) not in (4, 5) or tuple(theta.shape[1:]) != (len(size) - 2, len(size) - 1):
            return None
        return self._plain(theta, (size[0], *size[2:], len(size) - 2))

    def _spaced(self, start: Any, end: Any, steps: Any = None, **options: Any) -> Any:
        """Return what linspace does for a symbolic number of steps."""
        if not isinstance(steps, torch.SymInt) or "out" in options:
            return None
        return torch.empty((steps,), **options)

    def _plain(self, like: Any, sizes: Any) -> Any:
        """Return a tensor of these sizes that lies in memory as it should."""
        made = torch.empty(tuple(sizes), dtype=like.dtype, device=like.device)
        made._upshape_plain = True  # type: ignore[attr-defined]
        return made

    def _with(self, x: Any, other: Any) -> Any:
        """Return a sum or a product in which the first operand keeps its shape."""
        if not x.is_floating_point():
            return None
        if not isinstance(other, torch.Tensor):
            return x if isinstance(other, int | float | torch.SymInt | torch.SymFloat) else None
        if other.dtype != x.dtype or other.ndim > x.ndim:
            return None
        pairs = zip(x.shape[x.ndim - other.ndim :], other.shape, strict=True)
        return x if all(_is_one(b) or _alike(a, b) for a, b in pairs) else None

    def _joined(self, maps: Any, dim: int = 0, **others: Any) -> Any:
        """Return a concatenation of tensors that are alike but for one axis."""
        if others or not isinstance(maps, tuple | list) or not all(map(_is_plain, maps)):
            return None
        first = maps[0]
        if any(one.ndim != first.ndim or one.dtype != first.dtype for one in maps):
            return None
        if not isinstance(dim, int) or not -first.ndim <= dim < first.ndim:
            return None
        sizes = list(first.shape)
        place = dim % first.ndim
        for one in maps[1:]:
            for axis, size in enumerate(one.shape):
                if axis == place:
                    sizes[axis] = sizes[axis] + size
                elif not _alike(sizes[axis], size):
                    return None
        return self._plain(first, sizes)

    def _linear(self, x: Any, weight: Any, bias: Any = None) -> Any:
        if weight.ndim != 2 or x.ndim < 2 or x.dtype != weight.dtype:
            return None
        if x.shape[-1] != weight.shape[1]:
            return None
        return self._plain(x, (*x.shape[:-1], weight.shape[0]))

    def _normed(self, x: Any, shape: Any) -> Any:
        shape = tuple(shape)
        if len(shape) > x.ndim or not all(map(_alike, x.shape[x.ndim - len(shape) :], shape)):
            return None
        return x if _is_plain(x) else self._plain(x, x.shape)

    def _shaped(self, x: Any, shape: Any) -> Any:
        """Return a view: its elements are as many, and one size may be left to be found."""
        assert self.env is not None
        path = self.env.path
        if not all(isinstance(one, int | torch.SymInt) for one in shape):
            return None
        values = [_as_value(path, one) for one in shape]
        free = [place for place, one in enumerate(values) if one.constant == -1]
        if len(free) > 1:
            return None
        elements = known = path.constant(1)
        for size in x.shape:
            elements = elements * _as_value(path, size)
        for place, one in enumerate(values):
            if place not in free:
                if one.constant is None and not path.decide(one.ge(0)):
                    return None
                known = known * one
        if not free:
            held = path.decide(elements.eq(known))
        else:
            if path.decide(known.eq(0)):
                return None
            values[free[0]] = elements.floordiv(known)
            held = path.decide((values[free[0]] * known).eq(elements))
        return self._plain(x, map(self.env.symint, values)) if held else None

    def _flattened(self, x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
        if x.ndim < 2 or not isinstance(start_dim, int) or not isinstance(end_dim, int):
            return None
        start, end = start_dim % x.ndim, end_dim % x.ndim
        if start >= end:
            return x if start == end else None
        assert self.env is not None
        together = self.env.path.constant(1)
        for size in x.shape[start : end + 1]:
            together = together * _as_value(self.env.path, size)
        return self._plain(x, (*x.shape[:start], self.env.symint(together), *x.shape[end + 1 :]))

    def _convolved(
        self,
        x: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        """Return a convolution's output, None where PyTorch had better look at it."""
        axes = weight.ndim - 2
        shape = x.shape
        fits = len(shape) == axes + 2 and shape[1] == weight.shape[1] * groups
        if not fits or x.dtype != weight.dtype or isinstance(padding, str):
            return None
        assert self.env is not None
        path = self.env.path
        sizes = []
        for size, k, s, p, d in zip(
            shape[2:],
            weight.shape[2:],
            *(_each(one, axes) for one in (stride, padding, dilation)),
            strict=True,
        ):
            if not all(isinstance(one, int) for one in (k, s, p, d)):
                return None
            if isinstance(size, int):
                room = size + 2 * p - d * (k - 1) - 1
                if room < 0 or size < 1:
                    return None
                sizes.append(room // s + 1)
                continue
            value = size.node.value
            room = value + (2 * p - d * (k - 1) - 1)
            if not path.decide(room.ge(0)) or not path.decide(value.ge(1)):
                return None
            sizes.append(self.env.symint(room.floordiv(s) + 1))
        return self._plain(x, (shape[0], weight.shape[0], *sizes))

    def _pooled(
        self,
        axes: int,
        x: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
        **others: Any,
    ) -> Any:
        """Return a pooling's output, None where PyTorch had better look at it."""
        shape = x.shape
        if len(shape) != axes + 2 or return_indices:
            return None
        assert self.env is not None
        path = self.env.path
        if stride is None or (isinstance(stride, tuple | list) and not len(stride)):
            stride = kernel_size
        sizes = []
        for size, k, s, p, d in zip(
            shape[2:],
            *(_each(one, axes) for one in (kernel_size, stride, padding, dilation)),
            strict=True,
        ):
            i, k, s, p, d = (_as_value(path, one) for one in (size, k, s, p, d))
            if not (
                path.decide(k.ge(1))
                and path.decide(s.ge(1))
                and path.decide(i.ge(1))
                and path.decide(p.ge(0))
                and path.decide(k.ge(p * 2))
                and path.decide(d.ge(1))
            ):
                return None
            room = i + p * 2 - d * (k - 1) - 1
            made = (room + (s - 1) if ceil_mode else room).floordiv(s) + 1
            if ceil_mode:  # no window begins in the padding on the right
                made = made - ((made - 1) * s).ge(i + p)
            if not path.decide(made.ge(1)):
                return None
            sizes.append(self.env.symint(made))
        return self._plain(x, (*shape[:2], *sizes))

    def _cropped(
        self, x: Any, pad: Any, mode: str = "constant", value: Any = None, **named: Any
    ) -> None:
        """Refuse what a padding by less than nothing crops too far, as PyTorch's kernels do."""
        if mode != "constant":
            return
        assert self.env is not None
        path = self.env.path
        for place in range(0, len(pad), 2):
            size = _as_value(path, x.shape[-1 - place // 2])
            for amount in pad[place : place + 2]:
                size = size + _as_value(path, amount).least(0)
                if not path.decide(size.ge(0)):
                    raise RuntimeError("F.pad: narrow(): length must be non-negative")


def _as_value(path: Path, number: Any) -> Value:
    """Return a size, symbolic or not, as a value."""
    if isinstance(number, torch.SymInt):
        found: Value = number.node.value
        return found
    return path.constant(int(number))


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    if isinstance(value, tuple | list):
        return tuple(value) * axes if len(value) == 1 else tuple(value)
    return (value,) * axes


def _is_plain(x: Any) -> bool:
    """Tell whether a tensor is known to be contiguous."""
    return getattr(x, "_upshape_plain", False)


def _is_one(size: Any) -> bool:
    return isinstance(size, int) and size == 1


def _alike(a: Any, b: Any) -> bool:
    """Tell whether two sizes are the same all along the path."""
    if isinstance(a, int) or isinstance(b, int):
        return isinstance(a, int) and isinstance(b, int) and a == b
    if a is b or a.node.value is b.node.value:
        return True
    difference: Value = a.node.value - b.node.value
    return difference.constant == 0


_MAX = ("dilation", "ceil_mode", "return_indices")  # what may follow the padding by its place
_AVG = ("ceil_mode", "count_include_pad", "divisor_override")
POOLS: dict[Any, tuple[int, tuple[str, ...]]] = {
    F.max_pool1d: (1, _MAX), F.max_pool2d: (2, _MAX), F.max_pool3d: (3, _MAX),
    torch.max_pool1d: (1, _MAX), torch.max_pool2d: (2, _MAX), torch.max_pool3d: (3, _MAX),
    F.avg_pool1d: (1, _AVG), F.avg_pool2d: (2, _AVG), F.avg_pool3d: (3, _AVG),
}  # fmt: skip
MAKERS: dict[Any, Callable[..., Any]] = {
    torch.cat: Quick._joined,
    F.affine_grid: Quick._grid,
    torch.linspace: Quick._spaced,
}
CONVOLUTIONS = {torch.conv1d, torch.conv2d, torch.conv3d}
MAKES_PLAIN = {
    torch.empty, F.adaptive_avg_pool2d, F.interpolate,
    torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d,
}  # fmt: skip


# What the user says of parts.


class _Replacements:
    """Modules and functions that are replaced by what they do to a size, while it is entered."""

    def __init__(self, module: Any, read: Mapping[Any, Callable[..., Any]]) -> None:
        self.functions: dict[Any, Callable[..., Any]] = {}
        self.modules: list[tuple[Any, Callable[..., Any]]] = []
        for key, formula in read.items():
            if not callable(formula):
                raise TypeError(
                    f"from_torch: read={{{_told(key)}: ...}} must be a function of the size, got "
                    f"{formula!r}"
                )
            if isinstance(key, str):
                found = [one for name, one in module.named_modules() if name == key]
            elif isinstance(key, type):
                found = [one for one in module.modules() if type(one) is key]
            else:
                self.functions[key] = formula
                continue
            if not found:
                raise ValueError(
                    f"from_torch: read={{{_told(key)}: ...}} names no part of "
                    f"{type(module).__name__}"
                )
            self.modules += [(one, formula) for one in found]

    def __enter__(self) -> None:
        for module, formula in self.modules:
            module.__dict__["forward"] = _forward(self, formula)

    def __exit__(self, *error: Any) -> None:
        for module, _ in self.modules:
            module.__dict__.pop("forward", None)

    def replaced(self, formula: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Return a tensor of the size that a formula gives."""
        maps = [one for one in [*args, *kwargs.values()] if isinstance(one, torch.Tensor)]
        maps = [one for one in maps if one.ndim > 2] or maps[:1]
        first = maps[0]
        sizes = []
        for axis in range(2, first.ndim):
            size = formula(*(one.shape[axis] for one in maps))
            if not isinstance(size, int | torch.SymInt):
                raise Misread(f"from_torch: a function in read= must return a size, got {size!r}")
            sizes.append(size)
        return torch.empty((*first.shape[:2], *sizes), dtype=first.dtype, device=first.device)


def _forward(read: _Replacements, formula: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: read.replaced(formula, args, kwargs)


def _told(key: Any) -> str:
    return repr(key) if isinstance(key, str) else getattr(key, "__name__", repr(key))
