"""One run of a PyTorch model's own forward: with symbolic sizes, or with plain ones."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
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


class Model:
    """A module made ready to be run often, without its weights and without lasting effects."""

    def __init__(self, module: Any, read: Mapping[Any, Callable[..., Any]]) -> None:
        self.module = module
        self.names = {id(one): name for name, one in module.named_modules()}
        self.rank, self.channels = _rank_and_channels(module)
        self.dtype = next(
            (one.dtype for one in module.parameters() if one.is_floating_point()), torch.float32
        )
        self.read = _Replacements(module, read)
        self._state: dict[str, dict[str, Any]] = {}
        self._images: int | None = None

    # The inputs.

    @property
    def images(self) -> int:
        """The number of inputs that forward demands: each is given the same shape."""
        if self._images is None:
            import inspect

            self._images = 1
            with contextlib.suppress(TypeError, ValueError):
                parameters = inspect.signature(self.module.forward).parameters.values()
                plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
                wanted = [
                    one for one in parameters if one.kind in plain and one.default is one.empty
                ]
                self._images = max(1, len(wanted))
        return self._images

    # Runs.

    def symbolic(self, path: Path, sizes: Callable[[Any], Sequence[Any]]) -> Any:
        """Run along a path, and return the shapes of what comes out."""
        env = Environment(path)
        mode = FakeTensorMode(shape_env=env, allow_non_fake_inputs=True)  # type: ignore[arg-type]
        mode.cache_enabled = False
        with (
            self._untouched(),
            torch.no_grad(),
            mode,
            enable_python_dispatcher(),
            symbolic_numbers(self._scopes()),
            self.read,
            Quick(self.read, env),
        ):
            spatial = sizes(env.symint(path.identity()))
            return self._called(
                lambda: torch.empty(
                    (1, self.channels, *spatial), dtype=self.dtype, device=self._device()
                )
            )

    def plain(self, spatial: Sequence[int], device: str = "meta") -> Any:
        """Run with plain sizes: on the meta device, or on the CPU where that is no answer."""
        if device == "cpu":
            return self._on("cpu", spatial)
        watch = _Empties()
        try:
            with watch:
                found = self._on("meta", spatial)
        except Failure as failure:
            if isinstance(failure.error, NotImplementedError) or "meta" in str(failure.error):
                return self._on("cpu", spatial)
            raise
        # Kernels refuse what is empty where the meta device lets it pass.
        return self._on("cpu", spatial) if watch.seen else found

    def _on(self, device: str, spatial: Sequence[int]) -> Any:
        state = self._state_on(device)
        with self._untouched(), torch.no_grad(), self.read, Quick(self.read):
            return self._called(
                lambda: torch.zeros(
                    (1, self.channels, *spatial), dtype=self.dtype, device=device
                ),
                state,
            )

    def _called(self, make: Callable[[], Any], state: Any = None) -> Any:
        stack: list[str] = []

        def enter(module: Any, args: Any) -> None:
            stack.append(self.names.get(id(module), type(module).__name__))

        def leave(module: Any, args: Any, output: Any) -> None:
            stack.pop()

        before = torch.nn.modules.module.register_module_forward_pre_hook(enter)
        after = torch.nn.modules.module.register_module_forward_hook(leave)
        try:
            args = tuple(make() for _ in range(self.images))
            if state is None:
                made = self.module(*args)
            else:
                made = torch.func.functional_call(self.module, state, args, tie_weights=False)
            return shapes_of(made)
        except Exception as error:
            raise Failure(error, stack[-1] if stack else "") from error
        finally:
            before.remove()
            after.remove()

    def _device(self) -> Any:
        first = next(self.module.parameters(), None)
        first = next(self.module.buffers(), None) if first is None else first
        return "cpu" if first is None else first.device

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
            (one, list(one))
            for _, state, _ in kept
            for one in state.values()
            if type(one) is list
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
            for one, was in kept_dicts:
                if dict(one) != was if len(one) != len(was) else any(
                    one[key] is not was[key] for key in was
                ):
                    one.clear()
                    one.update(was)
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


def _rank_and_channels(module: Any) -> tuple[int, int]:
    """Return the number of spatial axes and of input channels, from the modules that tell."""
    rank = channels = None
    for one in module.modules():
        name = next(
            (
                kind.__name__
                for kind in type(one).__mro__
                if kind.__name__[-2:] in ("1d", "2d", "3d")
                and not kind.__name__.startswith(("Dropout", "BatchNorm1"))
            ),
            None,
        )
        if name is None:
            continue
        is_conv = "Conv" in name
        if is_conv and channels is None:
            channels = int(one.in_channels)
        if rank is None or (is_conv and int(name[-2]) > rank):
            rank = int(name[-2])
    return rank or 2, channels or 3


class _Empties(TorchDispatchMode):
    """Watches for tensors without elements."""

    seen = False

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

SAME = {
    F.relu, F.relu6, F.elu, F.selu, F.celu, F.leaky_relu, F.prelu, F.gelu, F.silu, F.mish,
    F.hardswish, F.hardsigmoid, F.hardtanh, F.sigmoid, F.tanh, F.softplus, F.softsign,
    F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout,
    torch.relu, torch.relu_, torch.sigmoid, torch.tanh, torch.batch_norm, torch.group_norm,
    torch.dropout, torch.Tensor.relu, torch.Tensor.relu_, torch.Tensor.sigmoid,
    torch.Tensor.sigmoid_, torch.Tensor.tanh,
}  # fmt: skip


class Quick(TorchFunctionMode):
    """Answers for layers whose sizes are known, where the input lies in memory as it should.

    What is anything but plain (a mismatch of channels, an input too small, another layout) goes to
    PyTorch's own kernel, which says so itself.
    """

    def __init__(self, read: Any, env: Environment | None = None) -> None:
        super().__init__()
        self.read = read
        self.env = env

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self.read.functions:
            return self.read.replaced(self.read.functions[func], args, kwargs)
        if self.env is not None and args and getattr(args[0], "_upshape_plain", False):
            x = args[0]
            if func in SAME:
                return x
            if func is F.batch_norm and not (args[5] if len(args) > 5 else kwargs.get("training")):
                if len(args) > 1 and args[1] is not None and args[1].shape[0] == x.shape[1]:
                    return x
            if func in CONVOLUTIONS:
                made = self._convolved(x, *args[1:], **kwargs)
                if made is not None:
                    return made
        made = func(*args, **kwargs)
        if self.env is not None and func in MAKES_PLAIN and isinstance(made, torch.Tensor):
            if all(getattr(one, "_upshape_plain", False) for one in args if _is_map(one)):
                made._upshape_plain = True  # type: ignore[attr-defined]
        return made

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
        if len(shape) != axes + 2 or shape[1] != weight.shape[1] * groups or x.dtype != weight.dtype:
            return None
        if isinstance(padding, str):
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
        made = torch.empty((shape[0], weight.shape[0], *sizes), dtype=x.dtype, device=x.device)
        made._upshape_plain = True  # type: ignore[attr-defined]
        return made


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    if isinstance(value, tuple | list):
        return tuple(value) * axes if len(value) == 1 else tuple(value)
    return (value,) * axes


def _is_map(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 1 and not isinstance(
        value, torch.nn.Parameter
    )


CONVOLUTIONS = {torch.conv1d, torch.conv2d, torch.conv3d}
MAKES_PLAIN = {
    torch.empty, torch.max_pool2d, torch.max_pool3d, torch.max_pool1d, F.max_pool2d, F.avg_pool2d,
    F.adaptive_avg_pool2d, torch.conv_transpose2d, torch.conv_transpose1d, torch.conv_transpose3d,
    F.interpolate,
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
                raise TypeError(f"from_torch: a function in read= must return a size, got {size!r}")
            sizes.append(size)
        return torch.empty((*first.shape[:2], *sizes), dtype=first.dtype, device=first.device)


def _forward(read: _Replacements, formula: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: read.replaced(formula, args, kwargs)


def _told(key: Any) -> str:
    return repr(key) if isinstance(key, str) else getattr(key, "__name__", repr(key))
