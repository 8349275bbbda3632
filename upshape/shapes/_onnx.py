"""Which sizes an ONNX file takes: its graph, followed from shape to shape."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import (  # noqa: F401  (they fill the table)
    _onnx_axes,
    _onnx_layers,
    _onnx_sequences,
    _onnx_signals,
)
from ._axes import checked, several
from ._onnx_flow import CONTROL
from ._onnx_mending import mends
from ._onnx_ops import MOST_ELEMENTS, OPERATORS, Node, listed
from ._onnx_values import Number, Real, Tensor, Unread, at_least, equal
from ._outcome import Failure, Out
from ._path import Path
from ._reading import Survey, TorchAnswer, TorchNetwork, _told
from ._results import _input_size, _leaves

__all__ = ["OnnxAnswer", "OnnxNetwork", "load"]

WIDTH = 96
TYPICAL = 224  # the size whose path is followed first
FLOATS = (1, 10, 11, 16)  # TensorProto's FLOAT, FLOAT16, DOUBLE and BFLOAT16


def load(model: Any) -> tuple[Any, str]:
    """Return a model of any form as a ModelProto, and its name."""
    import onnx

    if isinstance(model, onnx.ModelProto):
        return model, model.graph.name or "the model"
    if not isinstance(model, bytes | str | os.PathLike):
        raise TypeError(
            "from_onnx: the model must be a path, bytes or an onnx.ModelProto, got "
            f"{model!r} ({type(model).__name__})"
        )
    name = "the model" if isinstance(model, bytes) else os.path.basename(model)
    try:
        if isinstance(model, bytes):
            return onnx.load_from_string(model), name
        return onnx.load(os.fspath(model), load_external_data=False), name
    except OSError:
        raise
    except Exception as error:  # protobuf's own, which has no public name
        raise ValueError(f"from_onnx: {name} is no ONNX model: {error}") from None


class Graph:
    """An ONNX graph that is run on shapes: what `Survey` asks of a model."""

    def __init__(self, proto: Any, batch: int) -> None:
        if proto.functions:
            from onnx import inliner

            proto = inliner.inline_local_functions(proto)
        self.proto = proto
        self.batch = batch
        self.versions = {one.domain: one.version for one in proto.opset_import}
        self.constants = {one.name: _constant(one) for one in proto.graph.initializer}
        self.inputs = [
            (one.name, _dimensions(one), one.type.tensor_type.elem_type)
            for one in proto.graph.input
            if one.name not in self.constants
        ]
        self.outputs = [one.name for one in proto.graph.output]
        if not self.inputs or not self.outputs:
            raise ValueError("from_onnx: the model has no inputs, or no outputs")
        self.open = self._open_axes()
        self.rank = max(1, len(self.open))
        needed = _needed(proto.graph.node, self.outputs)
        self.nodes = [self._node(one) for one in needed]
        self.used = _names(needed) | set(self.outputs)
        self.typical = TYPICAL
        self.mending = None  # nothing of a file is called otherwise
        self.reached: dict[str, list[int]] = {}  # spatial sizes that nodes make, for a remedy
        self.padded: dict[tuple[str, int], list[int]] = {}  # shapes of nodes' inputs, for a remedy

    def _open_axes(self) -> list[int]:
        """Return the axes of the first input that are its sizes."""
        if not self.inputs or self.inputs[0][1] is None:
            return [2, 3]
        dimensions = self.inputs[0][1]
        last = len(dimensions) - 1
        if last < 2:
            return [last]
        if not isinstance(dimensions[1], int) and isinstance(dimensions[last], int):
            return list(range(1, last))  # channels come last
        return list(range(2, last + 1))

    @property
    def fixed(self) -> list[int | None]:
        """The sizes that the file fixes, None for those that it leaves open."""
        dimensions = (self.inputs[0][1] if self.inputs else None) or []
        found = [dimensions[axis] if axis < len(dimensions) else None for axis in self.open]
        return [one if isinstance(one, int) else None for one in found]

    @property
    def channels_last(self) -> bool:
        """Whether the first input has its channels on the last axis."""
        return (self.open[0] == 1 and len(self.open) > 1) or (
            self.open == [1] and len(self.inputs[0][1] or ()) == 3
        )

    def _node(self, proto: Any) -> tuple[Any, Node]:
        attributes = {one.name: self._attribute(one) for one in proto.attribute}
        attributes["outputs"] = len(proto.output)
        name = proto.name or (proto.output[0] if proto.output else proto.op_type)
        version = self.versions.get(proto.domain, self.versions.get("", 1))
        return proto, Node(proto.op_type, name, attributes, version)

    def _attribute(self, proto: Any) -> Any:
        import onnx

        value = onnx.helper.get_attribute_value(proto)
        if isinstance(value, onnx.TensorProto):
            return _constant(value)
        if isinstance(value, onnx.GraphProto):
            return value
        if isinstance(value, bytes):
            return value.decode()
        return list(value) if proto.type in (6, 7, 8) else value  # FLOATS, INTS, STRINGS

    # Runs.

    def symbolic(self, path: Path, sizes: Callable[[Any], Sequence[Any]]) -> Any:
        """Run along a path, and return the shapes of what comes out."""
        return self._run([Number.of(path.identity())], sizes)

    def plain(self, spatial: Sequence[int], device: str = "") -> Any:
        """Run with plain sizes."""
        return self._run([0], lambda _: spatial)

    def _run(self, size: list[Any], sizes: Callable[[Any], Sequence[Any]]) -> Any:
        known: dict[str, Any] = {**self.constants, "": None}
        self._feed(known, list(sizes(size[0])))
        self.walk(known)
        found = [known[name].shape for name in self.outputs]
        for name, shape in zip(self.outputs, found, strict=True):
            if not all(at_least(one, 1) for one in shape):
                raise Failure(ValueError(f"output {name!r} would be empty"), name)
        outs = [Out(_unwrapped(one) for one in self._ordered(shape)) for shape in found]
        return outs[0] if len(outs) == 1 else tuple(outs)

    def _ordered(self, shape: Sequence[Any]) -> Sequence[Any]:
        """Return a shape with its channels first."""
        if self.channels_last and len(shape) == self.rank + 2:
            return (shape[0], shape[-1], *shape[1:-1])
        return shape

    def walk(self, known: dict[str, Any], watch: Callable[..., None] | None = None) -> None:
        """Run all nodes; `watch` gets each with what went in and came out."""
        for proto, node in self.nodes:
            self._step(proto, node, known, watch)

    def _step(
        self, proto: Any, node: Node, known: dict[str, Any], watch: Callable[..., None] | None
    ) -> None:
        for name in proto.input:
            if name not in known:
                raise Unread(f"{node.told}: nothing makes its input {name!r}")
        inputs = [known[name] for name in proto.input]
        if node.op == "Constant":
            made = [_given(node)]
        elif node.op not in {*OPERATORS, *CONTROL} or proto.domain not in ("", "ai.onnx"):
            raise Unread(f"{node.told}: the operator is not known")
        else:
            made = self._made(node, inputs, known)
        for name, one in zip(proto.output, made, strict=False):
            if name:
                known[name] = _held(one)
        if watch is not None:
            watch(node, inputs, made)

    def _made(self, node: Node, inputs: list[Any], known: dict[str, Any]) -> list[Any]:
        """Return what a node makes of its inputs."""

        def run(graph: Any, given: Sequence[Any]) -> list[Any]:
            return self._inner(graph, given, known)

        try:
            if node.op in CONTROL:
                return CONTROL[node.op](node, inputs, run)
            if not (self.reached or self.padded):
                return list(OPERATORS[node.op](node, inputs))
            return self._mended(node, list(inputs))
        except Unread as error:
            raise Unread(f"{node.told}: {error}") from None
        except ZeroDivisionError as error:
            raise Failure(ValueError(f"{node.told}: {error}"), node.name) from None
        except (TypeError, ValueError, IndexError, AttributeError, KeyError) as error:
            raise Unread(f"{node.told}: {error}") from None

    def _mended(self, node: Node, inputs: list[Any]) -> list[Any]:
        """Return what a node makes where a remedy is tried."""
        for number, one in enumerate(inputs):
            if (node.name, number) in self.padded:
                inputs[number] = Tensor(self.padded[node.name, number], None, one.is_float)
        made = list(OPERATORS[node.op](node, inputs))
        if node.name in self.reached:
            first = made[0]
            shape = (*first.shape[:2], *self.reached[node.name])
            made[0] = Tensor(shape, None, first.is_float)
        return made

    def _inner(self, graph: Any, given: Sequence[Any], known: dict[str, Any]) -> list[Any]:
        """Run the graph of a node, which sees what is known outside."""
        inner = dict(known)
        inner |= {one.name: _constant(one) for one in graph.initializer}
        inner |= {one.name: value for one, value in zip(graph.input, given, strict=True)}
        names = [one.name for one in graph.output]
        for one in _needed(graph.node, names):
            proto, own = self._node(one)
            self._step(proto, own, inner, None)
        return [inner[name] for name in names]

    def _feed(self, known: dict[str, Any], sizes: list[Any]) -> None:
        """Give every input its shape."""
        named: dict[str, Any] = {}
        for number, (name, dimensions, kind) in enumerate(self.inputs):
            if number and name not in self.used:
                continue
            if not dimensions:
                raise Unread(f"input {name!r} has no axes")
            open_axes = self.open
            if number and len(dimensions) != len(self.inputs[0][1] or ()):
                open_axes = []
            shape = []
            for axis, wanted in enumerate(dimensions):
                size = sizes[open_axes.index(axis)] if axis in open_axes else None
                if size is None or (number and isinstance(wanted, int)):
                    size = self._other(name, axis, wanted, named)
                elif isinstance(wanted, int) and not equal(size, wanted):
                    raise Failure(
                        ValueError(
                            f"input {name!r}: axis {axis} has the fixed size {wanted}, got "
                            f"{listed([size])}"
                        ),
                        name,
                    )
                if isinstance(wanted, str) and wanted:
                    size = self._agreeing(name, axis, wanted, size, named)
                shape.append(size)
            known[name] = Tensor(shape, None, kind in FLOATS)

    def _other(self, name: str, axis: int, wanted: Any, named: Mapping[str, Any]) -> Any:
        """Return the size of an axis that is none of the sizes asked about."""
        if isinstance(wanted, int):
            return wanted
        if wanted in named:
            return named[wanted]
        if axis == 0:
            return self.batch
        if axis == 1:
            channels = self._channels(name)
            if channels is not None:
                return channels
        raise Unread(f"input {name!r}: its axis {axis} ({wanted or 'unnamed'}) is open")

    def _channels(self, name: str) -> int | None:
        """Return the channels that the first convolution of an input takes."""
        for proto, node in self.nodes:
            if node.op == "Conv" and proto.input[0] == name and proto.input[1] in self.constants:
                return int(self.constants[proto.input[1]].shape[1]) * int(node.get("group", 1))
        return None

    def _agreeing(self, name: str, axis: int, wanted: str, size: Any, named: dict[str, Any]) -> Any:
        """Return the size of a named dimension, which is the same wherever it stands."""
        have = named.setdefault(wanted, size)
        if not equal(have, size):
            raise Failure(
                ValueError(
                    f"input {name!r}: axis {axis} is {wanted}, which is {listed([have])}, not "
                    f"{listed([size])}"
                ),
                name,
            )
        return have


def _unwrapped(size: Any) -> Any:
    return size.value if isinstance(size, Number) else int(size)


def _held(one: Any) -> Any:
    """Return a tensor without elements that are too many to be followed."""
    if isinstance(one, Tensor) and one.data is not None and one.data.size > MOST_ELEMENTS:
        return one.like()
    return one


def _constant(proto: Any) -> Tensor:
    """Return a constant: its shape, and its elements where there are few."""
    from onnx import TensorProto, numpy_helper

    shape = list(proto.dims)
    is_float = proto.data_type in FLOATS
    many = int(np.prod(shape, dtype=np.int64)) > (64 if is_float else MOST_ELEMENTS)
    external = proto.data_location == TensorProto.EXTERNAL
    if many or external or proto.data_type == TensorProto.STRING:
        return Tensor(shape, None, is_float)
    array = numpy_helper.to_array(proto)
    data = np.empty(array.shape, object)
    for place, one in np.ndenumerate(array):
        data[place] = Real.of(float(one)) if is_float else int(one)
    return Tensor(shape, data, is_float)


def _given(node: Node) -> Tensor:
    """Return what a Constant node holds."""
    for name, value in node.attributes.items():
        if isinstance(value, Tensor):
            return value
        if name == "value_int":
            return Tensor.holding(int(value))
        if name == "value_ints":
            return Tensor.holding([int(one) for one in value])
        if name == "value_float":
            return Tensor.holding(Real.of(float(value)), True)
        if name == "value_floats":
            return Tensor.holding([Real.of(float(one)) for one in value], True)
    raise Unread(f"{node.told}: it holds no numbers")


def _dimensions(proto: Any) -> list[Any] | None:
    """Return an input's dimensions: ints, and names of open ones."""
    tensor = proto.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [
        one.dim_value if one.HasField("dim_value") else one.dim_param for one in tensor.shape.dim
    ]


def _needed(nodes: Sequence[Any], outputs: Sequence[str]) -> list[Any]:
    """Return the nodes on which the outputs depend, in order."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted |= _names([node])
    return kept[::-1]


def _names(nodes: Sequence[Any]) -> set[str]:
    """Return what nodes read, in their branches too."""
    found: set[str] = set()
    for node in nodes:
        found.update(node.input)
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                found |= _names(graph.node) | {one.name for one in graph.output}
    return found


class OnnxNetwork(TorchNetwork):
    """An ONNX model as a function of its input size, for `solve`.

    Called with a size, or one an axis, it returns the output size; `solve` finds all sizes.

    Attributes
    ----------
    unread : tuple of str
        What could not be followed. Such a model cannot be solved.
    """

    def __init__(self, proto: Any, name: str, batch: int) -> None:
        self.__name__ = name
        self._model: Any = Graph(proto, batch)
        self._surveys: dict[int | None, Survey] = {}

    def __repr__(self) -> str:
        return f"<OnnxNetwork {self.__name__}>"

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be followed."""
        try:
            return tuple(self._survey(None).lost)
        except Unread as error:
            return (str(error),)

    def _survey(self, axis: int | None) -> Survey:
        if axis is None:
            return super()._survey(None)
        if axis not in self._surveys:
            fixed = self._model.fixed
            other = None if all(one is not None for one in fixed) else self._other_axes()
            sizes = [other if one is None else one for one in fixed]
            self._surveys[axis] = Survey(
                self._model,
                lambda size: tuple(size if n == axis else one for n, one in enumerate(sizes)),
            )
        return self._surveys[axis]

    def _solved(self, axis: int | None, fix: str | None = None) -> OnnxAnswer:
        """Return the answer of `solve`."""
        if fix is not None:
            raise TypeError(
                "solve: fix= mends calls in a network's code, and a file has none; mend the model "
                "that it was exported from"
            )
        rank = self._model.rank
        if axis is not None:
            if not -rank <= axis < rank:
                raise ValueError(
                    f"solve: axis={axis} asked for, but {self.__name__} has {rank} open axes"
                )
            axis %= rank
        try:
            survey = self._survey(axis)
            lost = list(survey.lost)
        except Unread as error:
            lost = [str(error)]
        if lost:
            raise ValueError(
                f"from_onnx: {self.__name__} has parts whose effect on sizes is unknown: "
                f"{'; '.join(lost)}"
            )
        return OnnxAnswer(self, survey, axis)


class OnnxAnswer(TorchAnswer):
    """The input sizes that an ONNX model takes, and what it makes of them."""

    def explain(self, n: Any) -> Any:
        """Walk through the model with the input size n, or one size an axis."""
        from ._explain import Explanation

        what = "Answer.explain"
        n = checked(self, n, what) if several(n) else _input_size(n, what)
        return Explanation.of(self._walked(n), n in self)

    def _walked(self, n: Any) -> str:
        graph: Any = self._network._model
        sizes = list(n) if several(n) else list(self._survey.sizes(n))
        told_size = "x".join(map(str, n)) if several(n) else str(n)
        rows: list[tuple[str, str]] = []

        def watch(node: Node, inputs: Sequence[Any], made: Sequence[Tensor]) -> None:
            before = inputs[0].shape if inputs and isinstance(inputs[0], Tensor) else ()
            after = made[0].shape if made and isinstance(made[0], Tensor) else ()
            if len(before) >= 3 and tuple(before[2:]) != tuple(after[2:]):
                rows.append((node.told, f"{listed(before)} -> {listed(after)}"))

        known = {**graph.constants, "": None}
        failure = None
        try:
            graph._feed(known, sizes)
            graph.walk(known, watch)
        except Failure as error:
            failure = error
        taken = n in self
        text = [f"{self._name} {'takes' if taken else 'does not take'} {told_size}."]
        if rows:
            wide = min(max(len(what) for what, _ in rows), 56)
            text += ["", *(f"  {what:<{wide}}  {sizes}".rstrip() for what, sizes in rows)]
        if taken:
            return "\n".join([*text, "", f"The output size is {self.output(n)}."])
        told = "an output would be empty" if failure is None else failure.message
        text += ["", *textwrap.wrap(f"It fails: {told}.", WIDTH), ""]
        if several(n):
            near = [str(found)] if (found := self.next(n)) is not None else []
            if self.between_axes is not None:
                text += textwrap.wrap(f"Between the axes: {self.between_axes}.", WIDTH)
        else:
            below, above = self._sizes.previous(n), self._sizes.next(n)
            near = [f"{below} ({n - below} less)"] if below is not None else []
            near += [f"{above} ({above - n} more)"] if above is not None else []
        items = [f"an input size of {' or '.join(near)}"] if near else []
        items += [f"{one}; then {told_size} is taken" for one in mends(graph, sizes)]
        if items:
            text.append("What mends it:")
            for number, item in enumerate(items, 1):
                text += textwrap.wrap(
                    item + (";" if number < len(items) else "."),
                    WIDTH,
                    initial_indent="  - ",
                    subsequent_indent="    ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
        else:
            text.append(f"Nothing mends it: {self._none}.")
        return "\n".join(text)

    def receptive_field(self) -> Any:
        """Refuse: of a file only shapes are followed."""
        raise TypeError(
            f"Answer.receptive_field: of {self._name} only the shapes are followed; ask the answer "
            "of the model that was exported"
        )

    def check(self, model: Any = None, *, device: str | None = None) -> None:
        """Run the model with ONNX Runtime where this answer could be wrong, and compare.

        Parameters
        ----------
        model : path or bytes, optional
            The model with its weights; without it, the one that was read.
        device : str, optional
            The execution provider; that of the CPU unless given.

        Raises
        ------
        AssertionError
            At the first size at which the model does something else than the answer says.

        Notes
        -----
        Sizes that are refused because nothing is left of a map are not run: ONNX Runtime's poolings
        make a pixel where ONNX defines none, and maps without pixels can end the process.
        """
        import onnxruntime

        graph: Any = self._network._model
        source = graph.proto.SerializeToString() if model is None else model
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            source, options, providers=[device or "CPUExecutionProvider"]
        )
        for n in self._checked_sizes():
            wanted = self.output(n) if n in self else None
            if wanted is None and self._is_too_small(n):
                continue
            try:
                found = self._outcome(session, n)
                told = ""
            except Failure as error:
                found, told = None, f" ({error.message})"
            except Exception as error:  # ONNX Runtime's own have no common base
                found, told = None, f" ({str(error).splitlines()[0]})"
            if wanted is None and 0 in _leaves(found):
                found = None
            if found != wanted:
                says = "that it is not taken" if wanted is None else str(wanted)
                does = f"refuses it{told}" if found is None else f"makes {found} of it"
                raise AssertionError(
                    f"{self._name} at {n}: the answer says {says}, but ONNX Runtime {does}"
                )

    def _is_too_small(self, n: int) -> bool:
        """Tell whether n is refused because nothing is left of a map.

        ONNX Runtime is not asked about such sizes: dividing towards zero, its poolings make a pixel
        where ONNX defines none, and maps without pixels can end the process.
        """
        try:
            self._network._model.plain(self._survey.sizes(n))
        except Failure as error:
            told = ("does not fit", "leaves no output", "would be empty", "negative size")
            return any(one in error.message for one in told)
        return False

    def _outcome(self, session: Any, n: int) -> Any:
        """Return the output size that ONNX Runtime makes of n."""
        graph: Any = self._network._model
        known: dict[str, Any] = {}
        graph._feed(known, list(self._survey.sizes(n)))
        feeds = {}
        for one in session.get_inputs():
            kind = {
                "tensor(float)": np.float32,
                "tensor(double)": np.float64,
                "tensor(float16)": np.float16,
            }.get(one.type, np.int64)
            shape = (
                known[one.name].shape
                if one.name in known
                else [size if isinstance(size, int) else 1 for size in one.shape]
            )
            feeds[one.name] = np.zeros(shape, kind)
        made = [Out(graph._ordered(array.shape)) for array in session.run(None, feeds)]
        return _told(made[0] if len(made) == 1 else tuple(made), graph.rank, self._axis)
