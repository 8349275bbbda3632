"""What a whole PyTorch model does to a size, read from its graph as torch.fx traces it.

A feature map is followed as its sizes, one a spatial axis, and its number of channels. PyTorch is
imported here alone, and only to trace; no tensor is made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ._external import layer_of
from ._numbers import is_traced
from ._quasilinear import Function
from ._size import Size, Step, Trace, maximum, minimum
from ._solve import same
from .layers import Conv, ConvTranspose, Interpolate, Pool

__all__ = ["TorchNetwork", "trace"]

# Modules and functions that keep all sizes, by name; activations are found by their place, too.
KEEPING_MODULES = {
    "AlphaDropout", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "ChannelShuffle", "Dropout",
    "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout", "GroupNorm", "Identity",
    "LocalResponseNorm", "SyncBatchNorm",
}  # fmt: skip
NO_ACTIVATIONS = {"GLU", "MultiheadAttention"}
KEEPING = {
    "abs", "alpha_dropout", "batch_norm", "bfloat16", "celu", "clamp", "clamp_", "clamp_max",
    "clamp_min", "clip", "clone", "contiguous", "cos", "cpu", "cuda", "detach", "double",
    "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "erf", "exp", "feature_alpha_dropout",
    "float", "gelu", "group_norm", "half", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "leaky_relu", "leaky_relu_", "local_response_norm", "log", "log1p", "log_softmax",
    "logsigmoid", "mish", "native_channel_shuffle", "neg", "normalize", "prelu", "reciprocal",
    "relu", "relu6", "relu_", "requires_grad_", "rrelu", "rsqrt", "selu", "sigmoid", "sigmoid_",
    "silu", "sin", "softmax", "softmin", "softplus", "softshrink", "softsign", "sqrt", "square",
    "tanh", "tanh_", "tanhshrink", "threshold", "to", "type", "type_as",
}  # fmt: skip
JOINING = {
    "add", "add_", "atan2", "div", "div_", "eq", "floor_divide", "fmod", "ge", "gt", "iadd", "imul",
    "isub", "itruediv", "le", "logical_and", "logical_or", "lt", "max", "maximum", "min", "minimum",
    "mul", "mul_", "multiply", "ne", "pow", "remainder", "sub", "sub_", "subtract", "true_divide",
    "truediv", "where",
}  # fmt: skip
REDUCING = {"amax", "amin", "logsumexp", "mean", "norm", "prod", "std", "sum", "var"}


class Unknown:
    """A value that could not be followed, with the place where the trail was lost."""

    def __init__(self, origin: str) -> None:
        self.origin = origin


class Map:
    """A feature map: its spatial sizes (None: of an axis that is not solved) and its channels."""

    def __init__(self, sizes: Sequence[Any], channels: int | None) -> None:
        self.sizes = tuple(sizes)
        self.channels = channels

    def with_sizes(self, sizes: Sequence[Any]) -> Map:
        """Return a map of other sizes and as many channels."""
        return Map(sizes, self.channels)


class Vector:
    """What is left without spatial axes: features, as the factors of their number."""

    def __init__(self, factors: Sequence[Any]) -> None:
        self.factors = tuple(factors)


class _Demand:
    """A condition on sizes that is neither a layer's smallest input nor a join."""

    def __init__(self, name: str, told: str, mask: Callable[..., Function]) -> None:
        self.name = name
        self.told = told
        self.mask = mask

    def tell(self, n: int) -> str:
        """Say what is demanded."""
        return self.told

    def __repr__(self) -> str:
        return self.name


class _Plain:
    """A change of one size that is none of the library's layers: a padding, a fixed size."""

    def __init__(self, name: str, minimum: int, formula: Callable[[Any], Any]) -> None:
        self.name = name
        self.minimum = minimum
        self.formula = formula

    def __call__(self, i: int) -> Any:
        if i < self.minimum:
            raise ValueError(
                f"{self.name}: input size {i} is too small; it takes {self.minimum} or more"
            )
        return self.formula(i)

    def __repr__(self) -> str:
        return self.name


class TorchNetwork:
    """A PyTorch model as a function of its input size, for `solve`.

    Called with one size it takes it for all spatial axes; solved with ``axis=`` it follows that
    axis alone. It returns the output size, one an axis where they differ, or the number of
    features where no spatial axis is left; a tuple, list or dict as the model does.

    Attributes
    ----------
    unread : tuple of str
        What could not be read and matters. Such a network cannot be solved; say with
        ``from_torch(model, read={...})`` what these parts do to a size.
    """

    def __init__(self, graph: Any, model: Any, read: Mapping[Any, Callable[..., Any]]) -> None:
        self.__name__ = type(model).__name__
        self._graph = graph
        self._model = model
        self._modules = dict(model.named_modules())
        self._read = dict(read)
        self._rank = _rank_of(self._modules)
        self._lost: dict[str, None] = {}
        self.unread: tuple[str, ...] = ()
        self._survey()

    def __repr__(self) -> str:
        unread = f", {len(self.unread)} parts unread" if self.unread else ""
        return f"<TorchNetwork {self.__name__}{unread}>"

    def _survey(self) -> None:
        """Find out what cannot be read, by following one traced size."""
        # Whatever goes wrong otherwise is for whoever calls the network to see.
        with contextlib.suppress(TypeError, ValueError, ZeroDivisionError):
            self._follow(Trace().input)
        self.unread = tuple(self._lost)

    def __call__(self, x: Any) -> Any:
        """Return the output size for the input size x, an int, a traced size or one an axis."""
        if self.unread:
            raise ValueError(
                f"from_torch: {self.__name__} has parts whose effect on sizes is unknown: "
                f"{'; '.join(self.unread)}. Say what they do to a size with "
                "from_torch(model, read={part: function of the size}), where a part is a module's "
                "class, its name, or a function"
            )
        return self._follow(x)

    def _follow(self, x: Any) -> Any:
        self._lost = {}
        run = _Run(self, x)
        values: dict[Any, Any] = {}
        for node in self._graph.nodes:
            if node.op == "output":
                return self._result(_look_up(node.args[0], values))
            values[node] = run.node(node, values)
        raise TypeError(f"from_torch: {self.__name__} has no output")

    def _result(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._result(one) for key, one in value.items()}
        if isinstance(value, tuple | list):
            entries = [self._result(one) for one in value]
            return tuple(entries) if isinstance(value, tuple) else entries
        if isinstance(value, Unknown):
            self._lose(value)
            return 1
        if isinstance(value, Vector):
            known = [one for one in value.factors if isinstance(one, int)]
            return known[0] if len(value.factors) == 1 == len(known) else 1
        if not isinstance(value, Map):
            return value
        sizes = [size for size in value.sizes if size is not None]
        if len(sizes) > 1 and not all(_alike(size, sizes[0]) for size in sizes):
            return tuple(sizes)
        return sizes[0]

    def _lose(self, unknown: Unknown) -> None:
        self._lost[unknown.origin] = None


def trace(model: Any, read: Mapping[Any, Callable[..., Any]] | None = None) -> TorchNetwork:
    """Return a PyTorch model as a function of its input size.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    read : mapping, optional
        For parts that cannot be read, what they do to a size: from a module's class, its name in
        the model or a function to a function of a size (or of several, if it has several feature
        maps as its arguments).

    Raises
    ------
    TypeError
        If torch.fx cannot trace the model.
    """
    import torch.fx

    known = dict(read or {})

    class Tracer(torch.fx.Tracer):
        def is_leaf_module(self, module: Any, name: str) -> bool:
            if type(module) in known or name in known or layer_of(module) is not None:
                return True
            return bool(super().is_leaf_module(module, name))

    functions = tuple(key for key in known if callable(key) and not isinstance(key, type))
    try:
        graph = Tracer(autowrap_functions=functions).trace(model)
    except Exception as error:  # whatever a model's own code makes of proxies
        raise TypeError(
            f"from_torch: torch.fx cannot trace {type(model).__name__}: {error}. Name the module "
            "whose code depends on its input in from_torch(model, read={module class: function of "
            "the size}), or write the network as a function of a size"
        ) from error
    return TorchNetwork(graph, model, known)


def _rank_of(modules: Mapping[str, Any]) -> int:
    """Return the number of spatial axes, from the first module that tells."""
    for module in modules.values():
        for kind in type(module).__mro__:
            name = kind.__name__
            if name[-2:] in ("1d", "2d", "3d") and not name.startswith(("Dropout", "BatchNorm1")):
                return int(name[-2])
    return 2


def _alike(a: Any, b: Any) -> bool:
    """Tell whether two sizes are one and the same function."""
    if a is b:
        return True
    if isinstance(a, Size) or isinstance(b, Size):
        first, second = _function(a), _function(b)
        difference = first - second
        return difference.is_constant and difference.tail.at(0) == 0
    return bool(a == b)


def _function(size: Any) -> Function:
    return size._step.function if isinstance(size, Size) else Function.of(size)


def _constant(size: Any) -> int | None:
    """Return the value of a size that is the same for all inputs."""
    if isinstance(size, Size):
        function = size._step.function
        return function.tail.at(0) if function.is_constant else None
    return size if isinstance(size, int) else None


def _look_up(value: Any, values: Mapping[Any, Any]) -> Any:
    """Replace the nodes in an argument by their values."""
    if isinstance(value, tuple | list):
        entries = [_look_up(one, values) for one in value]
        return tuple(entries) if isinstance(value, tuple) else entries
    if isinstance(value, dict):
        return {key: _look_up(one, values) for key, one in value.items()}
    if isinstance(value, slice):
        return slice(*(_look_up(one, values) for one in (value.start, value.stop, value.step)))
    return values.get(value, value) if type(value).__name__ == "Node" else value


def _all(values: Any) -> list[Any]:
    """Return the values in nested arguments."""
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, slice):
        values = [values.start, values.stop, values.step]
    if isinstance(values, tuple | list):
        return [one for value in values for one in _all(value)]
    return [values]


class _Run:
    """One walk through a model's graph."""

    def __init__(self, network: TorchNetwork, x: Any) -> None:
        self.network = network
        self.x = x
        self.rank = network._rank
        self.given = False  # whether the input has been handed to a placeholder
        self.label = ""

    # Nodes.

    def node(self, node: Any, values: Mapping[Any, Any]) -> Any:
        """Return the value of a node of the graph."""
        self.label = str(node.target) if node.op == "call_module" else str(node.name)
        if node.op == "placeholder":
            return self.placeholder(node)
        if node.op == "get_attr":
            return self.attribute(str(node.target))
        args, kwargs = _look_up(node.args, values), _look_up(node.kwargs, values)
        if node.op == "call_module":
            return self.module(str(node.target), args, kwargs)
        if node.op == "call_method":
            return self.function(str(node.target), args, kwargs, node.target)
        name = getattr(node.target, "__name__", str(node.target))
        return self.function(name, args, kwargs, node.target)

    def unread(self, what: str) -> Unknown:
        """Lose the trail."""
        return Unknown(f"{what} ({self.label})" if self.label not in what else what)

    def placeholder(self, node: Any) -> Any:
        """Return the input, for the first argument of the model, and the defaults of others."""
        if not self.given:
            self.given = True
            return Map(self.input_sizes(), None)
        if node.args:
            return node.args[0]
        return self.unread(f"the input {node.name!r}, a second one")

    def input_sizes(self) -> tuple[Any, ...]:
        x = self.x
        if isinstance(x, tuple | list):
            if len(x) != self.rank:
                raise ValueError(
                    f"from_torch: {self.network.__name__} has {self.rank} spatial axes, "
                    f"got sizes {x!r}"
                )
            return tuple(x)
        axis = x._trace.axis if isinstance(x, Size) else None
        if axis is None:
            return (x,) * self.rank
        if not -self.rank <= axis < self.rank:
            raise ValueError(
                f"solve: axis={axis} asked for, but {self.network.__name__} has {self.rank} axes"
            )
        return tuple(x if axis % self.rank == place else None for place in range(self.rank))

    def attribute(self, name: str) -> Any:
        """Return a parameter or buffer as a feature map of fixed size."""
        value: Any = self.network._model
        for part in name.split("."):
            value = getattr(value, part)
        shape = getattr(value, "shape", None)
        if shape is None:
            return value
        return _Tensor([int(size) for size in shape])

    # Changes of sizes.

    def through(self, layer: Any, size: Any, output_size: Any = None) -> Any:
        """Take one size through the layer of one axis."""
        if size is None:
            return None
        if is_traced(size):
            return size._through(layer, output_size=output_size, label=self.label)
        return layer(size) if output_size is None else layer(size, output_size)

    def each(
        self, sizes: Sequence[Any], action: Callable[[int], Any], keys: Sequence[Any]
    ) -> tuple[Any, ...]:
        """Return what becomes of every axis; axes that are alike share the result."""
        made: dict[Any, Any] = {}
        found = []
        for place, key in enumerate(keys):
            if key not in made:
                made[key] = action(place)
            found.append(made[key])
        return tuple(found)

    def layer(self, layer: Any, x: Any, channels: int | None, output_size: Any = None) -> Any:
        """Take a feature map through a layer of one or several axes."""
        if isinstance(x, Unknown):
            return x
        if not isinstance(x, Map):
            return self.unread(f"{layer!r} of what is no feature map")
        axes = layer.axes if len(layer.axes) > 1 else layer.axes * len(x.sizes)
        if len(axes) != len(x.sizes):
            return self.unread(f"{layer!r} on {len(x.sizes)} axes")
        wanted: Sequence[Any] = (None,) * len(x.sizes)
        if output_size is not None:
            entries = output_size if isinstance(output_size, tuple | list) else [output_size]
            lost = [one for one in entries[-len(x.sizes) :] if isinstance(one, Unknown)]
            if lost:
                return lost[0]
            wanted = list(entries)[-len(x.sizes) :]
            if len(wanted) == 1:
                wanted = list(wanted) * len(x.sizes)
        keys = [
            (id(size) if is_traced(size) else size, axis, id(to) if is_traced(to) else to)
            for size, axis, to in zip(x.sizes, axes, wanted, strict=True)
        ]
        sizes = self.each(
            x.sizes, lambda place: self.through(axes[place], x.sizes[place], wanted[place]), keys
        )
        return Map(sizes, channels)

    def plain(self, x: Any, changes: Sequence[_Plain | None], channels: int | None = None) -> Any:
        """Take every axis of a feature map through a change of its own."""
        keys = [
            (id(size) if is_traced(size) else size, repr(change))
            for size, change in zip(x.sizes, changes, strict=True)
        ]

        def action(place: int) -> Any:
            change = changes[place]
            return x.sizes[place] if change is None else self.through(change, x.sizes[place])

        sizes = self.each(x.sizes, action, keys)
        return Map(sizes, x.channels if channels is None else channels)

    def demand(self, name: str, told: str, mask: Callable[..., Function], *sizes: Any) -> None:
        """Demand something of sizes."""
        demand = _Demand(name, told, mask)
        traced = next((size for size in sizes if isinstance(size, Size)), None)
        if traced is None:
            if not mask(*map(Function.of, sizes)).at(1):
                raise ValueError(f"{self.label}: {told}, got {', '.join(map(str, sizes))}")
            return
        args = tuple(traced._operand(size, name) for size in sizes)
        if not isinstance(args[0], Step):
            args = (traced._constant(args[0]), *args[1:])
        traced._trace.add(Step("demand", args, demand, self.label))

    def at_least(self, x: Map, least: Sequence[int], why: str) -> None:
        """Demand smallest sizes of the axes."""
        seen = set()
        for size, bound in zip(x.sizes, least, strict=True):
            if size is None or bound <= 1 or (id(size), bound) in seen:
                continue
            seen.add((id(size), bound))
            self.demand(why, f"it takes {bound} or more", lambda f, b=bound: f.at_least(b), size)

    def meet(self, sizes: Sequence[Any], what: str, broadcast: bool) -> Any:
        """Join the sizes of one axis."""
        if any(size is None for size in sizes):
            return None
        traced = next((size for size in sizes if isinstance(size, Size)), None)
        if traced is None:
            numbers = {size for size in sizes if not (broadcast and size == 1)}
            if len(numbers) > 1:
                raise ValueError(
                    f"{self.label}: {what} of the sizes {', '.join(map(str, sizes))}, "
                    "which do not agree"
                )
            return max(sizes)
        kept = [size for size in sizes if not (broadcast and _constant(size) == 1)]
        if not kept:
            return sizes[0]
        sizes = kept
        traced = next((size for size in sizes if isinstance(size, Size)), None)
        if len(sizes) == 1 or traced is None:
            return sizes[0] if len(set(map(id, sizes))) == 1 else same(*sizes)
        args = tuple(traced._operand(size, what) for size in sizes)
        label = f"{self.label}: {what}"
        return traced._trace.add(Step("broadcast" if broadcast else "join", args, label=label))

    def join(self, maps: Sequence[Any], what: str, broadcast: bool, channels: int | None) -> Any:
        """Join feature maps on all spatial axes."""
        lost = [one for one in maps if isinstance(one, Unknown)]
        for one in lost:
            self.network._lose(one)
        known = [one for one in maps if isinstance(one, Map)]
        if not known:
            return lost[0]
        if len(known) == 1:
            return Map(known[0].sizes, channels)
        if len({len(one.sizes) for one in known}) > 1:
            return self.unread(f"{what} of feature maps with different numbers of axes")
        keys = [
            tuple(id(size) if is_traced(size) else size for size in sizes)
            for sizes in zip(*(one.sizes for one in known), strict=True)
        ]
        sizes = self.each(
            known[0].sizes,
            lambda place: self.meet([one.sizes[place] for one in known], what, broadcast),
            keys,
        )
        return Map(sizes, channels)

    # Modules.

    def module(self, name: str, args: Any, kwargs: Any) -> Any:
        """Return what a module makes of its arguments."""
        module = self.network._modules[name]
        kind = type(module).__name__
        for key in (name, type(module)):
            if key in self.network._read:
                return self.told(self.network._read[key], args, kwargs)
        x = args[0] if args else next(iter(kwargs.values()), None)
        if isinstance(x, Unknown):
            return x
        layer = layer_of(module)
        if layer is not None:
            if not isinstance(x, Map):
                return self.unread(f"{kind} of what is no feature map")
            mode = getattr(module, "padding_mode", "zeros")
            if mode in ("reflect", "circular") and not isinstance(module.padding, str):
                more = 1 if mode == "reflect" else 0
                pads = _entries(module.padding, len(x.sizes))
                self.at_least(x, [pad + more for pad in pads], f"{kind} with padding_mode={mode!r}")
            wanted = args[1] if len(args) > 1 else kwargs.get("output_size")
            channels = getattr(module, "out_channels", x.channels)
            made = self.layer(layer, x, channels, wanted)
            return (made, made) if getattr(module, "return_indices", False) else made
        if not type(module).__module__.startswith("torch.nn.modules"):
            return self.unread(f"{kind}, a module of its own")
        if kind in KEEPING_MODULES or (
            type(module).__module__ == "torch.nn.modules.activation" and kind not in NO_ACTIVATIONS
        ):
            return x
        if kind.startswith("InstanceNorm"):
            return self.instance_norm(x)
        if kind == "LayerNorm":
            return self.layer_norm(x, module.normalized_shape)
        if kind.startswith("Adaptive") and "Pool" in kind:
            made = self.adaptive(x, module.output_size, kind)
            return (made, made) if getattr(module, "return_indices", False) else made
        if "Pad" in kind and hasattr(module, "padding"):
            mode = {"Reflection": "reflect", "Circular": "circular"}.get(
                kind[: kind.index("Pad")], "constant"
            )
            padding = module.padding
            if isinstance(padding, int):
                padding = [padding] * (2 * len(x.sizes)) if isinstance(x, Map) else []
            return self.pad(x, padding, mode)
        if kind == "Flatten":
            return self.flatten(x, module.start_dim, module.end_dim)
        if kind == "Linear":
            return self.linear(x, module.in_features, module.out_features)
        if kind in ("PixelShuffle", "PixelUnshuffle"):
            factor = module.upscale_factor if kind == "PixelShuffle" else module.downscale_factor
            return self.shuffle(x, factor, kind == "PixelShuffle")
        if kind == "Upsample":
            return self.interpolate(x, module.size, module.scale_factor)
        return self.unread(f"{kind}")

    def told(self, action: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Do what the user says that a part does to a size."""
        maps: list[Any] = [one for one in _all([args, kwargs]) if isinstance(one, Map | Unknown)]
        lost = [one for one in maps if isinstance(one, Unknown)]
        if lost or not maps:
            return lost[0] if lost else self.unread("a part without a feature map")
        keys = [
            tuple(id(size) if is_traced(size) else size for size in sizes)
            for sizes in zip(*(one.sizes for one in maps), strict=True)
        ]

        def act(place: int) -> Any:
            sizes = [one.sizes[place] for one in maps]
            return None if any(size is None for size in sizes) else action(*sizes)

        return Map(self.each(maps[0].sizes, act, keys), None)

    def instance_norm(self, x: Any) -> Any:
        """Demand more than one pixel, which PyTorch does of what it normalises by itself."""
        if isinstance(x, Map) and not any(size is None for size in x.sizes):
            distinct = list(
                {id(size) if is_traced(size) else size: size for size in x.sizes}.values()
            )

            def mask(*functions: Function) -> Function:
                held = Function.constant(0)
                for function in functions:
                    held = held.either(function.at_least(2))
                return held

            self.demand("InstanceNorm", "it takes more than one pixel", mask, *distinct)
        return x

    def layer_norm(self, x: Any, shape: Sequence[int]) -> Any:
        """Demand the fixed sizes of a layer normalisation."""
        if isinstance(x, Vector):
            return self.linear(x, int(shape[-1]), int(shape[-1])) if len(shape) == 1 else x
        for size, wanted in zip(reversed(x.sizes), reversed(list(shape)), strict=False):
            self.fixed(size, int(wanted), "LayerNorm")
        return x

    def fixed(self, size: Any, wanted: int, what: str) -> None:
        """Demand one certain size."""
        if size is not None:
            self.demand(what, f"it takes {wanted} only", lambda f: f.equals(wanted), size)

    def adaptive(self, x: Any, output_size: Any, kind: str) -> Any:
        """Pool to a fixed size."""
        if not isinstance(x, Map):
            return self.unread(f"{kind} of what is no feature map")
        wanted = _entries(output_size, len(x.sizes))
        sizes: list[Any] = []
        for size, to in zip(x.sizes, wanted, strict=True):
            if to is None:
                sizes.append(size)
            elif is_traced(to) or size is None or not is_traced(size):
                sizes.append(to)
            elif sizes and size is x.sizes[len(sizes) - 1] and to == wanted[len(sizes) - 1]:
                sizes.append(sizes[-1])
            else:
                sizes.append(self.through(_Plain(f"{kind}({to})", 1, _always(to)), size))
        return x.with_sizes(sizes)

    def pad(self, x: Any, padding: Any, mode: str) -> Any:
        """Pad, from the last axis on, as F.pad does."""
        if not isinstance(x, Map):
            return x if isinstance(x, Unknown) else self.unread("pad of what is no feature map")
        lost = [one for one in _all(padding) if isinstance(one, Unknown)]
        if lost or len(padding) > 2 * len(x.sizes) + 2:
            return lost[0] if lost else self.unread("pad of the batch axis")
        changes: list[Any] = [None] * len(x.sizes)
        sizes: list[Any] = list(x.sizes)
        for number in range(0, min(len(padding), 2 * len(sizes)), 2):
            left, right = padding[number], padding[number + 1]
            place = len(sizes) - 1 - number // 2
            if is_traced(left) or is_traced(right):
                if sizes[place] is not None:
                    sizes[place] = sizes[place] + left + right
                continue
            least = max(1, 1 - left - right)
            if mode == "reflect":
                least = max(least, left + 1, right + 1)
            elif mode == "circular":
                least = max(least, left, right)
            name = f"pad({left}, {right}" + (f", mode={mode!r})" if mode != "constant" else ")")
            changes[place] = _Plain(name, least, _adding(left + right))
        channels = x.channels
        if len(padding) > 2 * len(sizes):
            channels = None if channels is None else channels + sum(padding[-2:])
        return self.plain(Map(sizes, channels), changes)

    def flatten(self, x: Any, start: int = 0, end: int = -1) -> Any:
        """Flatten a feature map to one row of features."""
        if not isinstance(x, Map):
            return x
        dims = len(x.sizes) + 2
        if start % dims == 1 and end % dims == dims - 1:
            return Vector((x.channels, *x.sizes))
        return self.unread(f"flatten from axis {start} to axis {end}")

    def linear(self, x: Any, features: int, made: int) -> Any:
        """Demand as many features as a linear layer has inputs."""
        if isinstance(x, Unknown):
            return x
        if isinstance(x, Map):
            self.fixed(x.sizes[-1], features, f"Linear({features}, {made})")
            return Map((*x.sizes[:-1], made), x.channels)
        name = f"Linear({features}, {made})"
        channels, *sizes = x.factors
        if channels is None:
            return self.unread(f"{name} after an unknown number of channels")
        if any(size is None for size in sizes):
            raise ValueError(
                f"{self.label}: {name} after a flatten needs the sizes of all axes; solve "
                "without axis="
            )
        if not sizes:
            if channels != features:
                raise ValueError(
                    f"{self.label}: {name} gets {channels} features, it takes {features}"
                )
            return Vector((made,))
        told = f"it takes {features} features, from {channels} channels"
        rest, area = features % channels, features // channels
        if rest:
            raise ValueError(f"{self.label}: {name}: {told}, which no size gives")
        told += f", that is {area} pixels"
        self.demand(name, told, lambda *functions: _product_is(functions, area), *sizes)
        return Vector((made,))

    def shuffle(self, x: Any, factor: int, up: bool) -> Any:
        """Move channels to pixels or back."""
        if not isinstance(x, Map):
            return self.unread("PixelShuffle of what is no feature map")
        area = factor * factor
        if up:
            change = _Plain(f"PixelShuffle({factor})", 1, lambda i: i * factor)
            channels = None if x.channels is None else x.channels // area
            return Map(self.plain(x, [change] * len(x.sizes)).sizes, channels)
        name = f"PixelUnshuffle({factor})"
        seen = set()
        for size in x.sizes:
            if size is not None and id(size) not in seen:
                seen.add(id(size))
                told = f"it takes multiples of {factor} only"
                self.demand(name, told, lambda f: (f % factor).equals(0), size)
        change = _Plain(name, factor, lambda i: i // factor)
        channels = None if x.channels is None else x.channels * area
        return Map(self.plain(x, [change] * len(x.sizes)).sizes, channels)

    def interpolate(self, x: Any, size: Any, factor: Any) -> Any:
        """Interpolate to a size or by a factor."""
        if isinstance(x, Unknown):
            return x
        if not isinstance(x, Map):
            return self.unread("interpolate of what is no feature map")
        lost = [one for one in _all([size, factor]) if isinstance(one, Unknown)]
        if lost:
            return lost[0]
        count = len(x.sizes)
        if size is not None:
            wanted = _entries(size, count)
            made: dict[Any, Any] = {}
            sizes = []
            for old, to in zip(x.sizes, wanted, strict=True):
                key = (id(old), id(to) if is_traced(to) else to)
                if key not in made:
                    if old is None:
                        made[key] = None if is_traced(to) else to
                    elif is_traced(old):
                        made[key] = old._through(Interpolate(size=to), label=self.label)
                    else:
                        made[key] = to
                sizes.append(made[key])
            return x.with_sizes(sizes)
        factors = [_whole(one) for one in _entries(factor, count)]
        layers = [Interpolate(scale_factor=one) for one in factors]
        keys = [
            (id(old) if is_traced(old) else old, one)
            for old, one in zip(x.sizes, factors, strict=True)
        ]
        return x.with_sizes(
            self.each(x.sizes, lambda place: self.through(layers[place], x.sizes[place]), keys)
        )

    # Functions and methods.

    def function(self, name: str, args: Any, kwargs: Any, target: Any) -> Any:
        """Return what a function or a method makes of its arguments."""
        if target in self.network._read:
            return self.told(self.network._read[target], args, kwargs)
        given = _all([args, kwargs])
        maps = [one for one in given if isinstance(one, Map | Vector | Unknown | _Tensor)]
        if target is getattr or name == "getattr":
            return self.property_of(args[0], args[1])
        if name == "getitem":
            return self.item(args[0], args[1])
        if not maps:
            return self.numbers(name, args, kwargs, target)
        if name == "_assert" or name.startswith("_assert"):
            return None
        x = args[0] if args else kwargs.get("input", maps[0])
        rest = list(args[1:])

        def argument(place: int, key: str, default: Any = None) -> Any:
            return rest[place] if len(rest) > place else kwargs.get(key, default)

        if name in ("size", "dim"):
            if isinstance(x, Unknown):
                return x
            shape = self.shape_of(x)
            if name == "dim":
                return len(shape)
            place = argument(0, "dim")
            return tuple(shape) if place is None else shape[place]
        if name in ("cat", "concat", "concatenate"):
            return self.cat(x, argument(0, "dim", kwargs.get("axis", 0)))
        if name in ("matmul", "bmm", "einsum", "stack", "permute", "transpose"):
            return self.lost_in(name, given)
        if isinstance(x, _Tensor) and name not in JOINING:
            return self.unread(f"{name} of a parameter")
        if isinstance(x, Unknown) and name not in JOINING:
            return x
        if name in REDUCING:
            dim = argument(0, "dim", kwargs.get("axis"))
            if name == "norm":
                dim = argument(1, "dim")
            return self.reduced(x, dim, bool(kwargs.get("keepdim", argument(1, "keepdim", False))))
        if name in JOINING:
            return self.elementwise(name, args, kwargs)
        if name in KEEPING:
            return x
        if name == "instance_norm":
            return self.instance_norm(x)
        if name == "layer_norm":
            return self.layer_norm(x, argument(0, "normalized_shape"))
        if name in ("interpolate", "upsample"):
            return self.interpolate(x, argument(0, "size"), argument(1, "scale_factor"))
        if name in ("pad", "_pad"):
            return self.pad(x, argument(0, "pad"), argument(1, "mode", "constant"))
        if name == "flatten":
            return self.flatten(x, argument(0, "start_dim", 0), argument(1, "end_dim", -1))
        if name in ("view", "reshape"):
            shape = list(rest[0]) if rest and isinstance(rest[0], tuple | list) else rest
            return self.viewed(x, shape or list(kwargs.get("shape", [])))
        if name == "squeeze":
            return self.squeezed(x, argument(0, "dim"))
        if name in ("chunk", "split", "tensor_split"):
            return self.split(name, x, argument(0, "chunks", kwargs.get("split_size_or_sections")),
                              argument(1, "dim", 0))  # fmt: skip
        if name == "pixel_shuffle":
            return self.shuffle(x, argument(0, "upscale_factor"), True)
        if name == "pixel_unshuffle":
            return self.shuffle(x, argument(0, "downscale_factor"), False)
        if name == "glu":
            dim = argument(0, "dim", -1)
            if isinstance(x, Map) and dim % (len(x.sizes) + 2) == 1:
                return Map(x.sizes, None if x.channels is None else x.channels // 2)
        if name == "linear" and isinstance(argument(0, "weight"), _Tensor):
            made, features = argument(0, "weight").shape
            return self.linear(x, features, made)
        if name.startswith("adaptive_") and "pool" in name:
            return self.adaptive(x, argument(0, "output_size"), name)
        if "_pool" in name and isinstance(x, Map):
            return self.pooled(name, x, argument)
        if name.startswith("conv") and isinstance(argument(0, "weight"), _Tensor):
            return self.convolved(name, x, argument)
        return self.lost_in(name, given)

    def lost_in(self, name: str, given: Sequence[Any]) -> Unknown:
        """Lose the trail in a function, unless it was lost before."""
        lost = [one for one in given if isinstance(one, Unknown)]
        return lost[0] if lost else self.unread(name)

    def numbers(self, name: str, args: Any, kwargs: Any, target: Any) -> Any:
        """Compute with sizes and other numbers."""
        if name in ("sym_max", "sym_min") or target in (max, min):
            return maximum(*args) if "max" in name else minimum(*args)
        if callable(target) and getattr(target, "__module__", "") in (
            "_operator",
            "builtins",
            "math",
        ):
            return target(*args, **kwargs)
        if name in ("tuple", "list", "Size"):
            return tuple(args[0])
        return self.unread(name)

    def shape_of(self, x: Any) -> list[Any]:
        """Return the shape of what a node gave."""
        if isinstance(x, _Tensor):
            return list(x.shape)
        batch = Unknown("the batch size used as a spatial size")
        if isinstance(x, Vector):
            return [batch, x.factors[0] if len(x.factors) == 1 else Unknown("features as a size")]
        channels = Unknown("the number of channels used as a spatial size")
        return [batch, channels if x.channels is None else x.channels, *x.sizes]

    def property_of(self, x: Any, name: str) -> Any:
        """Return an attribute of a value."""
        if isinstance(x, Map | Vector | _Tensor):
            if name == "shape":
                return tuple(self.shape_of(x))
            if name == "ndim":
                return len(self.shape_of(x))
            if name in ("device", "dtype", "requires_grad", "is_cuda"):
                return None
            return x if name == "data" else self.unread(f"attribute {name}")
        return x if isinstance(x, Unknown) else getattr(x, name)

    def item(self, x: Any, key: Any) -> Any:
        """Index a tuple, or crop a feature map."""
        if isinstance(x, Unknown):
            return x
        if not isinstance(x, Map):
            return self.unread("an index") if isinstance(x, Vector | _Tensor) else x[key]
        entries = list(key) if isinstance(key, tuple) else [key]
        dims = len(x.sizes) + 2
        if Ellipsis in [one for one in entries if not is_traced(one)]:
            place = next(n for n, one in enumerate(entries) if one is Ellipsis)
            fill = [slice(None)] * (dims - len(entries) + 1)
            entries = entries[:place] + fill + entries[place + 1 :]
        if len(entries) > dims or not all(isinstance(one, slice) for one in entries):
            return self.unread("an index that takes an axis away or adds one")
        entries += [slice(None)] * (dims - len(entries))
        channels = x.channels
        if entries[1] != slice(None):
            plain = all(
                one is None or isinstance(one, int)
                for one in (entries[1].start, entries[1].stop, entries[1].step)
            )
            known = plain and channels is not None
            channels = len(range(channels or 0)[entries[1]]) if known else None
        sizes = []
        made: dict[Any, Any] = {}
        for size, cut in zip(x.sizes, entries[2:], strict=True):
            lost = [one for one in _all(cut) if isinstance(one, Unknown)]
            if lost:
                return lost[0]
            name = tuple(id(one) if is_traced(one) else one for one in _all(cut))
            key = (id(size) if is_traced(size) else size, name)
            if key not in made:
                made[key] = size if size is None else _cropped(size, cut)
            sizes.append(made[key])
        return Map(sizes, channels)

    def cat(self, maps: Any, dim: int) -> Any:
        """Concatenate: along the channels the sizes must agree, along an axis they add up."""
        if not isinstance(maps, tuple | list):
            return self.unread("cat of a number of feature maps that is not fixed")
        maps = [
            Map(_padded(one.shape, self.rank), None) if isinstance(one, _Tensor) else one
            for one in maps
        ]
        if all(isinstance(one, Vector) for one in maps):
            totals = [one.factors[0] if len(one.factors) == 1 else None for one in maps]
            return Vector((None,) if None in totals else (sum(totals),))
        lost = [one for one in maps if not isinstance(one, Map | Unknown)]
        if lost:
            return self.unread("cat of what are no feature maps")
        known = [one for one in maps if isinstance(one, Map)]
        if not known:
            return maps[0]
        dims = len(known[0].sizes) + 2
        place = dim % dims
        channels: int | None = known[0].channels
        if place == 1:
            counts = [one.channels if isinstance(one, Map) else None for one in maps]
            channels = None if None in counts else sum(count or 0 for count in counts)
        if place < 2 or len(known) < len(maps):
            return self.join(maps, "torch.cat", False, channels)
        axis = place - 2
        total: Any = 0
        for one in known:
            total = None if total is None or one.sizes[axis] is None else total + one.sizes[axis]
        # The other axes must agree; this one does not take part.
        others = [
            one.with_sizes([s for n, s in enumerate(one.sizes) if n != axis]) for one in known
        ]
        joined = self.join(others, "torch.cat", False, channels).sizes if dims > 3 else ()
        return Map((*joined[:axis], total, *joined[axis:]), channels)

    def elementwise(self, name: str, args: Any, kwargs: Any) -> Any:
        """Join what is added, multiplied or compared; numbers take no part."""
        parts = [
            one for one in _all([args, kwargs]) if isinstance(one, Map | Unknown | _Tensor | Vector)
        ]
        if name in ("max", "min") and len(parts) == 1:
            dim = args[1] if len(args) > 1 else kwargs.get("dim")
            made = self.reduced(parts[0], dim, bool(kwargs.get("keepdim", False)))
            return made if dim is None else (made, made)
        if any(isinstance(one, Vector) for one in parts):
            known = [one for one in parts if not isinstance(one, _Tensor)]
            return known[0] if len(known) == 1 else _longest(known)
        maps = [
            Map(_padded(one.shape, self.rank), None) if isinstance(one, _Tensor) else one
            for one in parts
        ]
        if len(maps) == 1:
            return maps[0]
        counts = [one.channels for one in maps if isinstance(one, Map) and one.channels is not None]
        return self.join(maps, name.strip("_"), True, max(counts, default=None))

    def reduced(self, x: Any, dim: Any, keepdim: bool) -> Any:
        """Take the mean, or the like, over axes."""
        if not isinstance(x, Map):
            return Vector((None,)) if isinstance(x, Vector) else x
        dims = len(x.sizes) + 2
        if dim is None:
            return Vector((1,))
        places = {place % dims for place in (dim if isinstance(dim, tuple | list) else [dim])}
        if keepdim:
            sizes = [1 if n + 2 in places else size for n, size in enumerate(x.sizes)]
            return Map(sizes, 1 if 1 in places else x.channels)
        if places == set(range(2, dims)):
            return Vector((x.channels,))
        return self.unread("a reduction that takes some axes away")

    def viewed(self, x: Any, shape: list[Any]) -> Any:
        """Follow ``x.view(x.size(0), -1)`` and the like."""
        if isinstance(x, Vector):
            return x
        if not isinstance(x, Map) or len(shape) != 2:
            return self.unread("view to another number of axes")
        if shape[1] == -1 if not is_traced(shape[1]) else False:
            return Vector((x.channels, *x.sizes))
        if isinstance(shape[1], int) and x.channels is not None:
            return self.linear(Vector((x.channels, *x.sizes)), shape[1], shape[1])
        return self.unread("view to a number of features")

    def squeezed(self, x: Any, dim: Any) -> Any:
        """Drop axes of size 1."""
        if isinstance(x, Vector):
            return x
        if all(_constant(size) == 1 for size in x.sizes):
            if dim is None:
                return Vector((x.channels,))
            places = {
                p % (len(x.sizes) + 2) for p in (dim if isinstance(dim, tuple | list) else [dim])
            }
            left = [size for n, size in enumerate(x.sizes) if n + 2 not in places]
            return Map(left, x.channels) if left else Vector((x.channels,))
        return self.unread("squeeze")

    def split(self, name: str, x: Any, parts: Any, dim: int) -> Any:
        """Split along the channels."""
        if not isinstance(x, Map) or dim % (len(x.sizes) + 2) != 1:
            return self.unread(f"{name} along another axis than the channels")
        if isinstance(parts, tuple | list):
            return tuple(Map(x.sizes, one if name == "split" else None) for one in parts)
        count = parts
        if name == "split":
            if x.channels is None:
                return self.unread("split of an unknown number of channels")
            count = -(-x.channels // parts)
        each = None if x.channels is None or x.channels % count else x.channels // count
        return tuple(Map(x.sizes, each) for _ in range(count))

    def pooled(self, name: str, x: Map, argument: Callable[..., Any]) -> Any:
        """Pool by a function."""
        k, s = argument(0, "kernel_size"), argument(1, "stride")
        s = None if s is None or s == [] else _entry(s)
        if name.startswith("lp_pool"):
            k, s = argument(1, "kernel_size"), argument(2, "stride")
            layer = Pool(_entry(k), s, 0, 1, bool(argument(3, "ceil_mode", False)))
        elif name.startswith("avg_pool"):
            layer = Pool(
                _entry(k),
                s,
                _entry(argument(2, "padding", 0)),
                1,
                bool(argument(3, "ceil_mode", False)),
            )
        elif name.startswith(("max_pool", "boolean_dispatch")):
            layer = Pool(
                _entry(k), s, _entry(argument(2, "padding", 0)), _entry(argument(3, "dilation", 1)),
                bool(argument(4, "ceil_mode", False)),
            )  # fmt: skip
        else:
            return self.unread(name)
        return self.layer(layer, x, x.channels)

    def convolved(self, name: str, x: Any, argument: Callable[..., Any]) -> Any:
        """Convolve by a function, with weights whose shape is known."""
        shape = argument(0, "weight").shape
        kernel = _entry(list(shape[2:]))
        stride, padding = _entry(argument(2, "stride", 1)), argument(3, "padding", 0)
        padding = padding if isinstance(padding, str) else _entry(padding)
        if name.startswith("conv_transpose"):
            groups = argument(5, "groups", 1)
            layer: Any = ConvTranspose(
                kernel, stride, padding, _entry(argument(4, "output_padding", 0)),
                _entry(argument(6, "dilation", 1)),
            )  # fmt: skip
            return self.layer(layer, x, shape[1] * groups)
        layer = Conv(kernel, stride, padding, _entry(argument(4, "dilation", 1)))
        return self.layer(layer, x, shape[0])


class _Tensor:
    """A parameter or buffer, of which the shape is known."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape)


def _padded(shape: Sequence[int], rank: int) -> tuple[int, ...]:
    """Return the spatial sizes of a tensor that is broadcast."""
    return (*[1] * (rank - len(shape)), *shape)[-rank:] if shape else (1,) * rank


def _entries(value: Any, count: int) -> list[Any]:
    """Return a parameter as one entry an axis."""
    if isinstance(value, tuple | list):
        return list(value) * count if len(value) == 1 else list(value)
    return [value] * count


def _entry(value: Any) -> Any:
    """Return a tuple of equal entries as one of them."""
    if isinstance(value, tuple | list) and len(set(value)) == 1:
        return value[0]
    return tuple(value) if isinstance(value, list) else value


def _whole(factor: Any) -> Any:
    """Return a whole float as an int."""
    return int(factor) if isinstance(factor, float) and factor.is_integer() else factor


def _always(number: int) -> Callable[[Any], Any]:
    return lambda i: i * 0 + number


def _adding(number: int) -> Callable[[Any], Any]:
    return lambda i: i + number


def _longest(vectors: Sequence[Any]) -> Any:
    return max(vectors, key=lambda one: len(getattr(one, "factors", ())))


def _cropped(size: Any, cut: slice) -> Any:
    """Return the length of ``range(size)[cut]``."""
    if cut == slice(None) if not any(map(is_traced, _all(cut))) else False:
        return size
    step = 1 if cut.step is None else cut.step

    def bound(value: Any, default: Any) -> Any:
        if value is None:
            return default
        if not is_traced(value) and value < 0:
            return maximum(size + value, 0)
        return minimum(value, size)

    length = bound(cut.stop, size) - bound(cut.start, 0)
    if step != 1:
        length = -(-length // step)
    return length


def _product_is(functions: Sequence[Function], number: int) -> Function:
    """Return where sizes, all at least 1, have a certain product: by its divisors."""
    first, *rest = functions
    if not rest:
        return first.equals(number)
    held = Function.constant(0)
    for divisor in range(1, number + 1):
        if number % divisor == 0:
            one = first.equals(divisor)
            if not (one.is_constant and one.tail.at(0) == 0):
                held = held.either(one.both(_product_is(rest, number // divisor)))
    return held
