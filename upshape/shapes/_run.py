"""One run of a PyTorch model's own forward: with symbolic sizes, or with plain ones."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import math
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from ._lookups import Lookups
from ._modules import layer_of
from ._outcome import Failure, Out, Reshaped
from ._path import Path, Value
from ._quick import Quick
from ._symbolic import Environment, symbolic_numbers, traced_sizes

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
        self.shares = True  # whether a tensor stands for others: none changes its shape in place
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

    @property
    def named_inputs(self) -> tuple[str, ...]:
        """The inputs that forward demands by keyword."""
        return self._by_name if self.images >= 0 else ()  # which finds them out

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
        """Run along a path, and return the shapes of what comes out.

        `Reshaped` asks for another run along a new path, after `shares` is set to False.
        """
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
            traced_sizes(),
            _decided_flags(),
            self.read,
            Quick(self.read, env, mending=self.mending, shares=self.shares),
        ):
            spatial = sizes(env.symint(path.identity()))
            return self._called(
                lambda: torch.empty(self._shape(spatial), dtype=self.dtype, device=device),
                state,
            )

    def singles(self, spatial: Sequence[int]) -> set[tuple[int, int]]:
        """Return which kernels make a map with a single pixel on an axis: the call and the axis.

        A model that fails has one everywhere.
        """
        watch = _Singles(self.rank)
        with contextlib.suppress(Failure), watch:
            self.plain(spatial, full=True)
            return watch.seen
        return {*watch.seen, (-1, 0)}

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
        light = not full
        quick = Quick(self.read, light=light, mending=self.mending, shares=light and self.shares)
        try:
            with self._untouched(), torch.no_grad(), self.read, quick:
                return self._called(
                    lambda: torch.zeros(self._shape(spatial), dtype=self.dtype, device=device),
                    state,
                )
        except Reshaped:
            self.shares = False
            return self._on(device, spatial, full)

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

    @functools.cached_property
    def _lookups(self) -> Lookups:
        """The dicts and cached functions of the modules, and of their code."""
        return Lookups(list(self.module.modules()), self._scopes(), set(torch.nn.Module().__dict__))

    def _scopes(self) -> set[str]:
        """Return the Python modules whose code runs in this model."""
        found: set[str] = set()
        for module in self.module.modules():
            for kind in type(module).__mro__:
                found.add(kind.__module__)
            for one in vars(module).values():
                if isinstance(one, types.FunctionType):
                    found.add(one.__module__)
        found = {name for name in found if _is_of_users(name)}
        return found | _helpers(found)

    @contextlib.contextmanager
    def _untouched(self) -> Iterator[None]:
        """Run in eval mode, and put back whatever a run changes in the modules' attributes."""
        kept = [
            (module, dict(module.__dict__), module.training) for module in self.module.modules()
        ]
        # What is looked at once may leave hooks behind, parts, or what it has computed for itself.
        kept_dicts = [
            (one, dict(one))
            for module, state, _ in kept
            for one in state.values()
            if isinstance(one, dict)
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
            # What was compiled runs as written; PyTorch warns that hooks are not compiled.
            with (
                warnings.catch_warnings(),
                torch.compiler.set_stance("force_eager"),
                self._lookups.replaced(),
            ):
                warnings.filterwarnings("ignore", "Using `torch.compile")
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


@contextlib.contextmanager
def _decided_flags() -> Iterator[None]:
    """Let attention be causal or not as a size decides: PyTorch's parser takes plain flags only."""
    plain = F.scaled_dot_product_attention

    def decided(
        query: Any,
        key: Any,
        value: Any,
        attn_mask: Any = None,
        dropout_p: float = 0.0,
        is_causal: Any = False,
        **others: Any,
    ) -> Any:
        return plain(query, key, value, attn_mask, dropout_p, bool(is_causal), **others)

    F.scaled_dot_product_attention = decided  # type: ignore[assignment]
    try:
        yield
    finally:
        F.scaled_dot_product_attention = plain


def _is_of_users(name: str) -> bool:
    """Tell whether a Python module is neither PyTorch's, nor Python's, nor the reader's."""
    root = name.partition(".")[0]
    if root in ("torch", "numpy") or name.startswith("upshape.shapes"):
        return False
    return root not in sys.stdlib_module_names


def _helpers(names: set[str]) -> set[str]:
    """Return the modules from which a model's modules have functions."""
    found: set[str] = set()
    for name in names:
        for one in list(vars(sys.modules[name]).values()) if name in sys.modules else []:
            home = getattr(one, "__module__", None)
            if callable(one) and isinstance(home, str) and _is_of_users(home):
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
    waves = [(1, 1), (1, 0)]  # of which forward makes a spectrogram, or to which it adds channels
    return list(dict.fromkeys([*first, *common, *list(found)[1:6], *waves]))


_HARMLESS = (
    "slice select view _unsafe_view reshape permute transpose t expand unsqueeze squeeze detach "
    "as_strided alias split split_with_sizes unbind fill_ zero_ copy_ clone _to_copy cat stack "
    "empty empty_like new_empty new_zeros new_ones new_full zeros ones full zeros_like ones_like "
    "arange add sub mul div add_ sub_ mul_ div_ neg eq ne lt le gt ge masked_fill where"
)
HARMLESS = set(_HARMLESS.split())  # what passes empty tensors on, as the meta device does


class _Empties(TorchDispatchMode):
    """Watches for tensors without elements in kernels that may refuse them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if not self.seen and func.overloadpacket.__name__ not in HARMLESS:
            results = made if isinstance(made, tuple | list) else (made,)
            self.seen = any(map(_is_empty, (*args, *results)))
        return made


class _Singles(TorchDispatchMode):
    """Notes which kernels make maps with a single pixel on an axis."""

    def __init__(self, rank: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rank = rank
        self.calls = 0
        self.seen: set[tuple[int, int]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.calls += 1
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, torch.Tensor) and one.ndim == self.rank + 2:
                axes = enumerate(one.shape[2:])
                self.seen |= {(self.calls, axis) for axis, size in axes if size == 1}
        return made


def _is_empty(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.numel() == 0


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


# What the user says of parts.


class _Replacements:
    """Modules and functions that are replaced by what they do to a size, while it is entered."""

    def __init__(self, module: Any, read: Mapping[Any, Callable[..., Any]]) -> None:
        self.functions: dict[Any, Callable[..., Any]] = {}
        self.modules: list[tuple[Any, Callable[..., Any]]] = []
        for key, formula in read.items():
            if (layer := layer_of(formula)) is not None:
                formula = layer
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
            try:
                along = _along(formula, axis - 2, first.ndim - 2)
                size = along(*(one.shape[axis] for one in maps))
                if isinstance(size, tuple) and len(size) == first.ndim - 2:
                    size = size[axis - 2]  # a function of ours whose layers' axes differ
            except ValueError:
                raise  # as a layer refuses a size
            except Exception as error:
                raise Misread(
                    f"from_torch: a function in read= fails: {type(error).__name__}: {error}"
                ) from error
            if not isinstance(size, int | torch.SymInt):
                raise Misread(f"from_torch: a function in read= must return a size, got {size!r}")
            sizes.append(size)
        return torch.empty((*first.shape[:2], *sizes), dtype=first.dtype, device=first.device)


def _along(formula: Callable[..., Any], axis: int, rank: int) -> Callable[..., Any]:
    """Return what a layer whose axes differ does along one of them; others as they are."""
    axes = getattr(formula, "axes", None)
    return axes[axis] if isinstance(axes, tuple) and len(axes) == rank > 1 else formula


def _forward(read: _Replacements, formula: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: read.replaced(formula, args, kwargs)


def _told(key: Any) -> str:
    return repr(key) if isinstance(key, str) else getattr(key, "__name__", repr(key))
