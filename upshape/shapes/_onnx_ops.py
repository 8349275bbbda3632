"""What the operators of ONNX do to shapes: a table from an operator's name to its handler.

A handler gets the node and what is known of its inputs (None where an optional one is missing), and
returns what is known of its outputs. It raises a `Failure` where ONNX refuses the shapes, and
`Unread` where it does not know what comes out. The operators' definitions:
https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from ._layer import Padding
from ._onnx_values import (
    Number,
    Real,
    Tensor,
    Unread,
    at_least,
    elementwise,
    equal,
    product,
)
from ._outcome import Failure
from .layers import Conv, ConvTranspose, Pool

__all__ = ["OPERATORS", "Node", "refuse"]

MOST_ELEMENTS = 4096  # of a tensor whose elements are followed
FAR = 2**31 - 1  # a slice up to here, or beyond, goes to the end


class Node:
    """A node of a graph: its operator, name and attributes."""

    def __init__(self, op: str, name: str, attributes: dict[str, Any], version: int) -> None:
        self.op = op
        self.name = name
        self.attributes = attributes
        self.version = version  # of the operator set

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, default)

    @property
    def told(self) -> str:
        """What the node is called in messages."""
        return f"{self.op} {self.name!r}"


Inputs: TypeAlias = Sequence[Any]
Handler: TypeAlias = Callable[[Node, Inputs], Sequence[Tensor]]

OPERATORS: dict[str, Handler] = {}


def operator(*names: str) -> Callable[[Handler], Handler]:
    """Enter a handler in the table."""

    def enter(handler: Handler) -> Handler:
        for name in names:
            OPERATORS[name] = handler
        return handler

    return enter


def refuse(node: Node, message: str) -> Failure:
    """Return the failure of a node that does not take its shapes."""
    return Failure(ValueError(f"{node.told}: {message}"), node.name)


def listed(sizes: Sequence[Any]) -> str:
    """Write sizes as a shape."""
    return "x".join(str(size.value.hint if isinstance(size, Number) else size) for size in sizes)


def axis_of(node: Node, axis: int, rank: int) -> int:
    """Return an axis from 0 on."""
    if not -rank <= axis < max(rank, 1):
        raise refuse(node, f"axis {axis} of a tensor with {rank} axes")
    return axis % rank if rank else 0


# Element by element.

KEEPING = """
    Relu LeakyRelu ThresholdedRelu Elu Celu Selu Gelu Sigmoid HardSigmoid HardSwish Mish Swish
    Softplus Softsign Softmax LogSoftmax Hardmax Tanh Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh
    Asinh Acosh Atanh Erf Reciprocal Sign Dropout LRN LpNormalization MeanVarianceNormalization
    IsNaN IsInf Not BitwiseNot CumSum Trilu Bernoulli RandomNormalLike RandomUniformLike Shrink
    QuantizeLinear DequantizeLinear DynamicQuantizeLinear ScatterND ScatterElements
"""


@operator(*KEEPING.split())
def keeping(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape; the elements become unknown."""
    x = inputs[0]
    made = x.like()
    if node.op == "DynamicQuantizeLinear":
        return [made, Tensor(()), Tensor(())]
    return [made, made]


@operator("Identity")
def identity(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep everything."""
    return [inputs[0]]


@operator("BatchNormalization", "InstanceNormalization", "GroupNormalization")
def normalised(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape; scale and shift are one number a channel."""
    x, scale = inputs[0], inputs[1]
    grouped = node.op == "GroupNormalization" and node.version < 21
    if not grouped and len(x.shape) > 1 and not equal(x.shape[1], scale.shape[0]):
        raise refuse(node, f"{listed(x.shape[1:2])} channels, but it normalises {scale.shape[0]}")
    return [x.like()] * 5


@operator("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization")
def layer_normalised(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape; scale and shift fit the last axes."""
    x, scale = inputs[0], inputs[1]
    _fits(node, x.shape, scale.shape)
    return [x.like()] * 3


def _fits(node: Node, large: Sequence[Any], small: Sequence[Any]) -> None:
    """Demand that a shape can be broadcast to a larger one."""
    last = large[len(large) - len(small) :] if len(small) <= len(large) else []
    if len(last) != len(small) or not all(
        equal(b, 1) or equal(a, b) for a, b in zip(last, small, strict=True)
    ):
        raise refuse(node, f"shapes {listed(large)} and {listed(small)} do not agree")


@operator("PRelu")
def prelu(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape, to which the slope is broadcast."""
    _fits(node, inputs[0].shape, inputs[1].shape)
    return [inputs[0].like()]


@operator("Clip")
def clip(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape; follow elements between bounds."""
    x = inputs[0]
    bounds = [*inputs[1:3], None, None]
    if x.data is None or node.version < 11:
        return [x.like()]
    data = x.data
    for bound, action in zip(bounds, (_max, _min), strict=False):
        if bound is None:
            continue
        if bound.data is None:
            return [x.like()]
        data = elementwise(action, data, bound.data)
    return [Tensor(x.shape, data, x.is_float)]


def _unary(action: Callable[[Any], Any]) -> Handler:
    def handler(node: Node, inputs: Inputs) -> Sequence[Tensor]:
        x = inputs[0]
        if x.data is None:
            return [x.like()]
        return [Tensor(x.shape, elementwise(action, x.data), x.is_float)]

    return handler


def _rounding(way: str) -> Callable[[Any], Any]:
    def rounded(number: Any) -> Any:
        return Real.of(getattr(Real.of(number), way)())

    return rounded


OPERATORS["Neg"] = _unary(lambda number: -number)
OPERATORS["Abs"] = _unary(lambda number: _max(number, -number))
OPERATORS["Floor"] = _unary(_rounding("floor"))
OPERATORS["Ceil"] = _unary(_rounding("ceil"))
OPERATORS["Round"] = _unary(_rounding("round"))
OPERATORS["Sqrt"] = _unary(lambda number: Real(0, 1, 2))


@operator("Cast", "CastLike")
def cast(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape; elements become integers, or floats."""
    x = inputs[0]
    is_float = inputs[1].is_float if node.op == "CastLike" else node.get("to") in FLOATS
    if x.data is None:
        return [Tensor(x.shape, None, is_float)]
    if is_float:
        return [Tensor(x.shape, elementwise(Real.of, x.data), True)]
    return [Tensor(x.shape, elementwise(_integer, x.data), False)]


FLOATS = {1, 10, 11, 16}  # TensorProto's FLOAT, FLOAT16, DOUBLE and BFLOAT16


def _integer(number: Any) -> Any:
    return number.trunc() if isinstance(number, Real) else number


# Two tensors, broadcast.


def joined(node: Node, *shapes: Sequence[Any]) -> tuple[Any, ...]:
    """Return the shape to which shapes are broadcast."""
    made: tuple[Any, ...] = ()
    for shape in shapes:
        rank = max(len(made), len(shape))
        left = (1,) * (rank - len(made)) + made
        right = (1,) * (rank - len(shape)) + tuple(shape)
        made = tuple(_broadcast(node, a, b, made, shape) for a, b in zip(left, right, strict=True))
    return made


def _broadcast(node: Node, a: Any, b: Any, first: Sequence[Any], second: Sequence[Any]) -> Any:
    if a is b or (isinstance(b, int) and b == 1):
        return a
    if isinstance(a, int) and a == 1:
        return b
    if equal(a, b):
        return a if isinstance(a, int) else b
    if equal(a, 1):
        return b
    if equal(b, 1):
        return a
    raise refuse(node, f"shapes {listed(first)} and {listed(second)} do not agree")


def _binary(action: Callable[[Any, Any], Any], compares: bool = False) -> Handler:
    def handler(node: Node, inputs: Inputs) -> Sequence[Tensor]:
        shape = joined(node, *(one.shape for one in inputs))
        is_float = not compares and any(one.is_float for one in inputs)
        if any(one.data is None for one in inputs) or _many(shape):
            return [Tensor(shape, None, is_float)]
        data = inputs[0].data
        for one in inputs[1:]:
            data = elementwise(action, data, one.data)
        return [Tensor(shape, data, is_float)]

    return handler


def _many(shape: Sequence[Any]) -> bool:
    return any(isinstance(size, Number) for size in shape) or math.prod(shape) > MOST_ELEMENTS


def _reals(a: Any, b: Any) -> tuple[Any, Any]:
    return (Real.of(a), Real.of(b)) if isinstance(a, Real) or isinstance(b, Real) else (a, b)


def _divide(a: Any, b: Any) -> Any:
    a, b = _reals(a, b)
    if isinstance(a, Real):
        return a.divided(b)
    if isinstance(b, int) and b == 0:
        raise ZeroDivisionError("integer division by zero")
    # ONNX divides integers as C does: towards zero.
    if at_least(a, 0) == at_least(b, 1):
        return a // b
    return -((-a) // b)


def _compared(a: Any, b: Any) -> tuple[Any, Any]:
    """Return two numbers of which the first is at least the second just when a >= b."""
    a, b = _reals(a, b)
    if isinstance(a, Real):
        if a.rounded or b.rounded:
            raise Unread("it compares floats that are rounded")
        return a.top * b.over, b.top * a.over
    return a, b


def _ge(a: Any, b: Any) -> bool:
    return at_least(*_compared(a, b))


def _eq(a: Any, b: Any) -> bool:
    return equal(*_compared(a, b))


def _max(a: Any, b: Any) -> Any:
    return _chosen(a, b, "_max")


def _min(a: Any, b: Any) -> Any:
    return _chosen(a, b, "_min")


def _chosen(a: Any, b: Any, which: str) -> Any:
    if isinstance(a, Number):
        return getattr(a, which)(b) if not isinstance(b, Real) else _pick(a, b, which)
    if isinstance(b, Number) and not isinstance(a, Real):
        return getattr(b, which)(a)
    return _pick(a, b, which)


def _pick(a: Any, b: Any, which: str) -> Any:
    return (a if _ge(a, b) else b) if which == "_max" else (b if _ge(a, b) else a)


def _power(a: Any, b: Any) -> Any:
    b = b.top if isinstance(b, Real) and b.over == 1 and not b.rounded else b
    if isinstance(b, int) and 0 <= b <= 4:
        made: Any = Real.of(1) if isinstance(a, Real) else 1
        for _ in range(b):
            made = made * a
        return made
    return Real(0, 1, 2)


def _modulo(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    if node.get("fmod", 0):
        return _binary(lambda a, b: a - b * _divide(a, b))(node, inputs)
    return _binary(lambda a, b: a % b)(node, inputs)


def _add(a: Any, b: Any) -> Any:
    a, b = _reals(a, b)
    return a + b


def _subtract(a: Any, b: Any) -> Any:
    a, b = _reals(a, b)
    return a - b


def _multiply(a: Any, b: Any) -> Any:
    a, b = _reals(a, b)
    return a * b


OPERATORS |= {
    "Add": _binary(_add),
    "Sub": _binary(_subtract),
    "Mul": _binary(_multiply),
    "Div": _binary(_divide),
    "Sum": _binary(_add),
    "Max": _binary(_max),
    "Min": _binary(_min),
    "Pow": _binary(_power),
    "Mod": _modulo,
    "Equal": _binary(lambda a, b: int(_eq(a, b)), True),
    "GreaterOrEqual": _binary(lambda a, b: int(_ge(a, b)), True),
    "LessOrEqual": _binary(lambda a, b: int(_ge(b, a)), True),
    "Greater": _binary(lambda a, b: int(not _ge(b, a)), True),
    "Less": _binary(lambda a, b: int(not _ge(a, b)), True),
    "And": _binary(lambda a, b: int(bool(a) and bool(b)), True),
    "Or": _binary(lambda a, b: int(bool(a) or bool(b)), True),
    "Xor": _binary(lambda a, b: int(bool(a) != bool(b)), True),
}
OPERATORS["Not"] = _unary(lambda number: int(not number))
OPERATORS["Mean"] = lambda node, inputs: [Tensor(joined(node, *(one.shape for one in inputs)))]


@operator("Where")
def where(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Choose element by element."""
    shape = joined(node, *(one.shape for one in inputs))
    is_float = inputs[1].is_float
    if any(one.data is None for one in inputs) or _many(shape):
        return [Tensor(shape, None, is_float)]
    data = elementwise(lambda held, yes, no: yes if held else no, *(one.data for one in inputs))
    return [Tensor(shape, data, is_float)]


# Shapes as values.


@operator("Shape")
def shape(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Return the shape."""
    sizes = list(inputs[0].shape)
    return [Tensor.holding(sizes[slice(node.get("start", 0), node.get("end"))])]


@operator("Size")
def size(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Return the number of elements."""
    return [Tensor.holding(product(inputs[0].shape))]


@operator("ConstantOfShape")
def constant_of_shape(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Return one number everywhere."""
    sizes = _sizes(node, inputs[0], "the shape")
    value = node.get("value")
    is_float = value is None or value.is_float
    if _many(sizes) or value is None or value.data is None:
        return [Tensor(sizes, None, is_float)]
    data = np.empty(tuple(sizes), object)
    data.fill(value.data.ravel()[0])
    return [Tensor(sizes, data, is_float)]


@operator("Range")
def range_(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Return start, start + delta, ..., below limit."""
    if any(one.data is None for one in inputs):
        raise Unread("its ends are computed from what is no size")
    start, limit, delta = (one.data.ravel()[0] for one in inputs)
    is_float = inputs[0].is_float
    if is_float:
        count = Real.of(_subtract(limit, start)).divided(delta).ceil()
    else:
        count = -((start - limit) // delta)
    count = _max(count, 0)
    if isinstance(count, Number) or count > MOST_ELEMENTS or is_float:
        return [Tensor([count], None, is_float)]
    return [Tensor.holding([start + place * delta for place in range(count)])]


def _sizes(node: Node, x: Tensor, what: str) -> list[Any]:
    found = x.listed(what)
    for one in found:
        if not at_least(one, 0):
            raise refuse(node, f"{what} has a negative size")
    return found


# Moving axes about.


@operator("Reshape")
def reshape(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Write the elements in another shape."""
    x = inputs[0]
    wanted = inputs[1].listed("the shape") if len(inputs) > 1 else list(node.get("shape"))
    free, made = None, []
    for place, one in enumerate(wanted):
        if isinstance(one, int) and one == 0 and not node.get("allowzero", 0):
            if place >= len(x.shape):
                raise refuse(node, f"no axis {place} in {listed(x.shape)} to copy")
            made.append(x.shape[place])
        elif equal(one, -1):
            free = place
            made.append(1)
        else:
            made.append(one)
    total, known = product(x.shape), product(made)
    if free is not None:
        if equal(known, 0) or not equal(total % known, 0):
            raise refuse(node, _does_not_fit(x.shape, wanted))
        made[free] = total // known
    elif not equal(total, known):
        raise refuse(node, _does_not_fit(x.shape, wanted))
    data = None if x.data is None or _many(made) else x.data.reshape(tuple(made))
    return [Tensor(made, data, x.is_float)]


def _does_not_fit(shape: Sequence[Any], wanted: Sequence[Any]) -> str:
    return f"shape {listed(shape)} cannot become {listed(wanted)}"


@operator("Flatten")
def flatten(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Write the elements as a matrix."""
    x = inputs[0]
    axis = node.get("axis", 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    return [Tensor((product(x.shape[:axis]), product(x.shape[axis:])), None, x.is_float)]


@operator("Transpose")
def transpose(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Permute the axes."""
    x = inputs[0]
    order = node.get("perm") or list(range(len(x.shape)))[::-1]
    if sorted(order) != list(range(len(x.shape))):
        raise refuse(node, f"the order {order} for {len(x.shape)} axes")
    data = None if x.data is None else x.data.transpose(order)
    return [Tensor([x.shape[axis] for axis in order], data, x.is_float)]


def _axes(node: Node, inputs: Inputs, place: int, name: str = "axes") -> list[int] | None:
    """Return the axes that a node names by an input, or by an attribute."""
    if len(inputs) > place and inputs[place] is not None:
        return [int(axis) for axis in inputs[place].listed(name)]
    axes = node.get(name)
    return None if axes is None else list(axes)


@operator("Squeeze")
def squeeze(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Leave out axes of size 1."""
    x = inputs[0]
    axes = _axes(node, inputs, 1)
    rank = len(x.shape)
    if axes is None:
        gone = [axis for axis, one in enumerate(x.shape) if equal(one, 1)]
    else:
        gone = [axis_of(node, axis, rank) for axis in axes]
        for axis in gone:
            if not equal(x.shape[axis], 1):
                raise refuse(node, f"axis {axis} of {listed(x.shape)} is not 1")
    left = [one for axis, one in enumerate(x.shape) if axis not in gone]
    data = None if x.data is None else x.data.reshape(tuple(left))
    return [Tensor(left, data, x.is_float)]


@operator("Unsqueeze")
def unsqueeze(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Put in axes of size 1."""
    x = inputs[0]
    axes = _axes(node, inputs, 1) or []
    rank = len(x.shape) + len(axes)
    new = {axis_of(node, axis, rank) for axis in axes}
    left = iter(x.shape)
    made = [1 if axis in new else next(left) for axis in range(rank)]
    data = None if x.data is None else x.data.reshape(tuple(made))
    return [Tensor(made, data, x.is_float)]


@operator("Concat")
def concat(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Join along an axis; the others must agree."""
    rank = len(inputs[0].shape)
    axis = axis_of(node, node.get("axis", 1), rank)
    made = list(inputs[0].shape)
    for one in inputs[1:]:
        if len(one.shape) != rank:
            raise refuse(node, f"shapes {listed(inputs[0].shape)} and {listed(one.shape)}")
        for place in range(rank):
            if place == axis:
                made[axis] = made[axis] + one.shape[axis]
            elif not equal(made[place], one.shape[place]):
                raise refuse(
                    node,
                    f"sizes {listed([made[place]])} and {listed([one.shape[place]])} on axis "
                    f"{place} do not agree",
                )
            elif isinstance(one.shape[place], int):
                made[place] = one.shape[place]
    is_float = any(one.is_float for one in inputs)
    if any(one.data is None for one in inputs):
        return [Tensor(made, None, is_float)]
    return [Tensor(made, np.concatenate([one.data for one in inputs], axis), is_float)]


@operator("Split", "SplitToSequence")
def split(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Cut into parts along an axis."""
    x = inputs[0]
    axis = axis_of(node, node.get("axis", 0), len(x.shape))
    total = x.shape[axis]
    if node.op == "SplitToSequence":
        raise Unread("it makes a sequence")
    sizes = _axes(node, inputs, 1, "split")
    if sizes is None:
        count = node.get("num_outputs") or node.get("outputs")
        part = -((-total) // count)
        if node.version < 18 and not equal(total % count, 0):
            raise refuse(node, f"size {listed([total])} is not divided by {count}")
        sizes = [part] * (count - 1) + [total - part * (count - 1)]
        if not at_least(sizes[-1], 0):
            raise refuse(node, f"size {listed([total])} has no {count} parts")
    elif not equal(sum(sizes), total):
        raise refuse(node, f"parts {sizes} of size {listed([total])}")
    made = []
    start: Any = 0
    for part in sizes:
        shape = [part if place == axis else one for place, one in enumerate(x.shape)]
        data = None
        if x.data is not None and not isinstance(part, Number):
            data = np.take(x.data, range(start, start + part), axis)
        made.append(Tensor(shape, data, x.is_float))
        start = start + part
    return made


@operator("Expand")
def expand(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Broadcast to a shape."""
    x = inputs[0]
    made = joined(node, x.shape, _sizes(node, inputs[1], "the shape"))
    data = None if x.data is None or _many(made) else np.broadcast_to(x.data, made)
    return [Tensor(made, data, x.is_float)]


@operator("Tile")
def tile(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Repeat along every axis."""
    x = inputs[0]
    times = _sizes(node, inputs[1], "the repeats")
    return [
        Tensor([one * count for one, count in zip(x.shape, times, strict=True)], None, x.is_float)
    ]


@operator("Gather")
def gather(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Pick along an axis."""
    x, indices = inputs[0], inputs[1]
    axis = axis_of(node, node.get("axis", 0), len(x.shape))
    made = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    size = x.shape[axis]
    if indices.data is None or _many(made) or x.data is None:
        for one in [] if indices.data is None else indices.data.ravel():
            if not (at_least(size, one + 1) and at_least(one, -size)):
                raise refuse(node, f"index {listed([one])} of {listed([size])}")
        return [Tensor(made, None, x.is_float)]
    picked = [int(one) for one in indices.data.ravel()]
    if any(not -size <= one < size for one in picked):
        raise refuse(node, f"indices {picked} of {listed([size])}")
    data = np.take(x.data, [one % size for one in picked], axis).reshape(made)
    return [Tensor(made, data, x.is_float)]


@operator("GatherElements")
def gather_elements(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Pick as many as there are indices."""
    return [Tensor(inputs[1].shape, None, inputs[0].is_float)]


@operator("GatherND")
def gather_nd(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Pick by tuples of indices."""
    x, indices = inputs[0], inputs[1]
    batch = node.get("batch_dims", 0)
    last = indices.shape[-1]
    if isinstance(last, Number):
        raise Unread("the length of its indices depends on the size")
    return [Tensor((*indices.shape[:-1], *x.shape[batch + last :]), None, x.is_float)]


@operator("Slice")
def slice_(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Cut out along axes."""
    x = inputs[0]
    if len(inputs) > 1:
        starts, ends = (one.listed("a bound") for one in inputs[1:3])
        steps = inputs[4].listed("a step") if len(inputs) > 4 and inputs[4] is not None else None
        axes = _axes(node, inputs, 3)
    else:
        starts, ends, steps = node.get("starts"), node.get("ends"), None
        axes = node.get("axes")
    axes = list(range(len(starts))) if axes is None else list(axes)
    steps = [1] * len(starts) if steps is None else steps
    made, data = list(x.shape), x.data
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = axis_of(node, axis, len(x.shape))
        made[axis] = _sliced(node, x.shape[axis], start, end, step)
        if data is not None:
            if any(isinstance(one, Number) for one in (start, end, x.shape[axis])):
                data = None
            else:
                index: list[Any] = [slice(None)] * len(made)
                stop = None if step < 0 and end < -FAR else end
                index[axis] = slice(start, stop, step)
                data = data[tuple(index)]
    return [Tensor(made, data, x.is_float)]


def _sliced(node: Node, size: Any, start: Any, end: Any, step: Any) -> Any:
    """Return how many positions a slice has."""
    if not isinstance(step, int) or step == 0:
        raise Unread("its step depends on the size")
    low, high = (0, size) if step > 0 else (-1, size - 1)
    begin = _bound(size, start, 0 if step > 0 else -1, high)
    stop = _bound(size, end, low, high if step > 0 else size - 1)
    count = -((begin - stop) // step) if step > 0 else -((stop - begin) // -step)
    return _max(count, 0)


def _bound(size: Any, bound: Any, low: Any, high: Any) -> Any:
    """Return a bound of a slice, counted from the start and within low and high."""
    if isinstance(bound, int):
        if bound >= FAR:
            return high
        if bound < -FAR:
            return low
        if bound < 0:
            return _max(size + bound, low)
        return _min(bound, high)
    if not at_least(bound, 0):
        bound = size + bound
    return _min(_max(bound, low), high)


@operator("Pad")
def pad(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Add to both ends of axes, or cut off."""
    x = inputs[0]
    rank = len(x.shape)
    if len(inputs) > 1 and inputs[1] is not None:
        pads = inputs[1].listed("the padding")
    else:
        pads = list(node.get("pads") or node.get("paddings"))
    axes = _axes(node, inputs, 3)
    axes = list(range(rank)) if axes is None else [axis_of(node, axis, rank) for axis in axes]
    mode = node.get("mode", "constant")
    made = list(x.shape)
    for place, axis in enumerate(axes):
        before, after = pads[place], pads[place + len(axes)]
        size = x.shape[axis]
        if mode == "reflect":
            for side in (before, after):
                if not (isinstance(side, int) and side <= 0) and not at_least(size - 1, side):
                    raise refuse(
                        node, f"a size of {listed([size])} cannot be reflected by {listed([side])}"
                    )
        made[axis] = size + before + after
        if not at_least(made[axis], 0):
            raise refuse(node, f"it cuts {listed([size])} positions to less than none")
    return [Tensor(made, None, x.is_float)]


@operator("DepthToSpace")
def depth_to_space(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Turn channels into pixels."""
    count, channels, *sizes = inputs[0].shape
    block = node.get("blocksize")
    if not equal(channels % block**2, 0):
        raise refuse(node, f"{listed([channels])} channels for blocks of {block}")
    return [Tensor((count, channels // block**2, *(one * block for one in sizes)))]


@operator("SpaceToDepth")
def space_to_depth(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Turn pixels into channels."""
    count, channels, *sizes = inputs[0].shape
    block = node.get("blocksize")
    for one in sizes:
        if not equal(one % block, 0):
            raise refuse(node, f"size {listed([one])} is not divided by {block}")
    return [Tensor((count, channels * block**2, *(one // block for one in sizes)))]


# Products of matrices.


@operator("MatMul", "MatMulInteger")
def matmul(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Multiply the last two axes; broadcast the others."""
    a, b = list(inputs[0].shape), list(inputs[1].shape)
    row, column = len(a) == 1, len(b) == 1
    a, b = [1, *a] if row else a, [*b, 1] if column else b
    if not equal(a[-1], b[-2]):
        raise refuse(node, f"shapes {listed(inputs[0].shape)} and {listed(inputs[1].shape)}")
    made = [*joined(node, a[:-2], b[:-2])]
    made += [] if row else [a[-2]]
    made += [] if column else [b[-1]]
    return [Tensor(made)]


@operator("Gemm")
def gemm(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Multiply two matrices."""
    a, b = list(inputs[0].shape), list(inputs[1].shape)
    a = a[::-1] if node.get("transA", 0) else a
    b = b[::-1] if node.get("transB", 0) else b
    if not equal(a[1], b[0]):
        raise refuse(node, f"{listed(a[1:2])} features, but the weights take {listed(b[:1])}")
    return [Tensor((a[0], b[1]))]


@operator("Einsum")
def einsum(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Sum over the letters that the result lacks."""
    equation = node.get("equation").replace(" ", "")
    left, arrow, right = equation.partition("->")
    known: dict[str, Any] = {}
    dots: tuple[Any, ...] = ()
    for term, one in zip(left.split(","), inputs, strict=True):
        before, ellipsis, after = term.partition("...")
        sizes = list(one.shape)
        middle = len(sizes) - len(before) - len(after)
        if middle < 0 or (middle and not ellipsis):
            raise refuse(node, f"{term} for a tensor with {len(sizes)} axes")
        letters = [*before, *[""] * middle, *after]
        if ellipsis:
            dots = joined(node, dots, sizes[len(before) : len(before) + middle])
        for letter, size in zip(letters, sizes, strict=True):
            if not letter:
                continue
            have = known.get(letter, size)
            known[letter] = _broadcast(node, have, size, [have], [size])
    if not arrow:
        single = [letter for letter in sorted(known) if left.count(letter) == 1]
        right = ("..." if "..." in left else "") + "".join(single)
    before, ellipsis, after = right.partition("...")
    made = [known[letter] for letter in before]
    made += [*dots] if ellipsis else []
    return [Tensor([*made, *(known[letter] for letter in after)])]


# Reductions.


@operator(
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
    "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare",
)  # fmt: skip
def reduce(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Leave axes out, or at size 1."""
    x = inputs[0]
    rank = len(x.shape)
    axes = _axes(node, inputs, 1)
    if not axes:
        if node.get("noop_with_empty_axes", 0):
            return [x.like()]
        axes = list(range(rank))
    gone = {axis_of(node, axis, rank) for axis in axes}
    keep = node.get("keepdims", 1)
    if x.data is not None and node.op in ("ReduceProd", "ReduceSum") and rank == 1:
        action = _multiply if node.op == "ReduceProd" else _add
        made: Any = 1 if node.op == "ReduceProd" else 0
        for one in x.data:
            made = action(made, one)
        return [Tensor.holding([made] if keep else made, x.is_float)]
    return [_without(x, gone, keep)]


def _without(x: Tensor, gone: set[int], keep: int, is_float: bool = True) -> Tensor:
    sizes = [
        1 if axis in gone else one for axis, one in enumerate(x.shape) if keep or axis not in gone
    ]
    return Tensor(sizes, None, is_float)


@operator("ArgMax", "ArgMin")
def arg_max(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Leave one axis out, or at size 1."""
    x = inputs[0]
    gone = {axis_of(node, node.get("axis", 0), len(x.shape))}
    return [_without(x, gone, node.get("keepdims", 1), False)]


@operator("TopK")
def top_k(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the k largest along an axis."""
    x = inputs[0]
    axis = axis_of(node, node.get("axis", -1), len(x.shape))
    (count,) = inputs[1].listed("k") if len(inputs) > 1 else [node.get("k")]
    if not at_least(x.shape[axis], count):
        raise refuse(node, f"{listed([count])} of {listed([x.shape[axis]])}")
    sizes = [count if place == axis else one for place, one in enumerate(x.shape)]
    return [Tensor(sizes), Tensor(sizes, None, False)]


# Windows.


def _entries(node: Node, name: str, axes: int, default: int) -> list[int]:
    found = node.get(name)
    return [default] * axes if not found else list(found)


def _paddings(node: Node, axes: int) -> list[Any]:
    """Return what is padded on every axis, as the layers take it."""
    word = node.get("auto_pad", "NOTSET")
    if word in ("SAME_UPPER", "SAME_LOWER"):
        return [word.lower()] * axes
    pads = _entries(node, "pads", 2 * axes, 0)
    if word == "VALID":
        pads = [0] * (2 * axes)
    return [Padding(pads[axis], pads[axis + axes]) for axis in range(axes)]


def _through(node: Node, layer: Any, size: Any) -> Any:
    """Return the output size of a layer, refused where the size is too small."""
    if not at_least(size, layer.minimum):
        told = listed([size])
        if isinstance(layer, ConvTranspose):
            raise refuse(node, f"size {told} leaves no output; it must be {layer.minimum} or more")
        raise refuse(
            node,
            f"the kernel, which spans {layer.effective_kernel}, does not fit into {told} and its "
            f"padding; it must be {layer.minimum} or more",
        )
    return layer.formula(size)


@operator("Conv", "ConvInteger")
def conv(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Convolve."""
    x, weight = inputs[0], inputs[1]
    axes = len(weight.shape) - 2
    groups = node.get("group", 1)
    _check_map(node, x, axes, weight.shape[1] * groups)
    kernel = node.get("kernel_shape") or list(weight.shape[2:])
    made = [
        _through(node, Conv(k, s, p, d), size)
        for k, s, p, d, size in zip(
            kernel,
            _entries(node, "strides", axes, 1),
            _paddings(node, axes),
            _entries(node, "dilations", axes, 1),
            x.shape[2:],
            strict=True,
        )
    ]
    return [Tensor((x.shape[0], weight.shape[0], *made))]


def _check_map(node: Node, x: Tensor, axes: int, channels: Any) -> None:
    if len(x.shape) != axes + 2:
        raise refuse(node, f"shape {listed(x.shape)}, but it takes {axes} spatial axes")
    if not equal(x.shape[1], channels):
        raise refuse(
            node, f"{listed(x.shape[1:2])} channels, but the weights take {listed([channels])}"
        )


@operator("ConvTranspose")
def conv_transpose(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Convolve transposed."""
    x, weight = inputs[0], inputs[1]
    axes = len(weight.shape) - 2
    _check_map(node, x, axes, weight.shape[0])
    channels = weight.shape[1] * node.get("group", 1)
    kernel = node.get("kernel_shape") or list(weight.shape[2:])
    if node.get("output_shape"):
        wanted = list(node.get("output_shape"))[-axes:]
        _check_reach(node, kernel, wanted, x.shape[2:])
        return [Tensor((x.shape[0], channels, *wanted))]
    made = []
    for k, s, p, a, d, size in zip(
        kernel,
        _entries(node, "strides", axes, 1),
        _paddings(node, axes),
        _entries(node, "output_padding", axes, 0),
        _entries(node, "dilations", axes, 1),
        x.shape[2:],
        strict=True,
    ):
        layer = ConvTranspose(k, s, p, 0 if isinstance(p, str) else a, d)
        made.append(_through(node, layer, size))
    return [Tensor((x.shape[0], channels, *made))]


def _check_reach(
    node: Node, kernel: Sequence[int], wanted: Sequence[int], sizes: Sequence[Any]
) -> None:
    """Refuse an output size with positions that belong to a further input position."""
    axes = len(wanted)
    strides = _entries(node, "strides", axes, 1)
    dilations = _entries(node, "dilations", axes, 1)
    for k, s, d, o, size in zip(kernel, strides, dilations, wanted, sizes, strict=True):
        if not at_least(size * s + d * (k - 1), o):
            raise refuse(node, f"size {listed([size])} does not reach output_shape {o}")


@operator("MaxPool", "AveragePool", "LpPool")
def pool(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Pool."""
    x = inputs[0]
    kernel = node.get("kernel_shape")
    axes = len(kernel)
    if len(x.shape) != axes + 2:
        raise refuse(node, f"shape {listed(x.shape)}, but it takes {axes} spatial axes")
    ceil = bool(node.get("ceil_mode", 0))
    made = []
    for k, s, p, d, size in zip(
        kernel,
        _entries(node, "strides", axes, 1),
        _paddings(node, axes),
        _entries(node, "dilations", axes, 1),
        x.shape[2:],
        strict=True,
    ):
        wide = isinstance(p, Padding) and p.before == p.after and 2 * p.before > k
        if wide and ceil:
            raise Unread("ceil_mode with a padding of more than half the kernel")
        layer: Any = Conv(k, s, p, d) if wide else Pool(k, s, p, d, ceil)
        made.append(_through(node, layer, size))
    sizes = (*x.shape[:2], *made)
    return [Tensor(sizes), Tensor(sizes, None, False)]


@operator("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Leave one pixel."""
    x = inputs[0]
    return [Tensor((*x.shape[:2], *(1 for _ in x.shape[2:])))]


@operator("MaxUnpool")
def max_unpool(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Put the maxima back."""
    x = inputs[0]
    if len(inputs) > 2 and inputs[2] is not None:
        return [Tensor(_sizes(node, inputs[2], "the output shape"))]
    kernel = node.get("kernel_shape")
    axes = len(kernel)
    strides = _entries(node, "strides", axes, 1)
    pads = _entries(node, "pads", 2 * axes, 0)
    made = [
        (size - 1) * strides[axis] - pads[axis] - pads[axis + axes] + kernel[axis]
        for axis, size in enumerate(x.shape[2:])
    ]
    return [Tensor((*x.shape[:2], *made))]


# Interpolation.


@operator("Resize", "Upsample")
def resize(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Interpolate."""
    x = inputs[0]
    rank = len(x.shape)
    axes = node.get("axes")
    axes = list(range(rank)) if not axes else [axis_of(node, axis, rank) for axis in axes]
    if node.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise Unread("tf_crop_and_resize")
    if node.op == "Upsample" or (node.version < 11 and len(inputs) == 2):
        scales, sizes = inputs[1] if len(inputs) > 1 else node.get("scales"), None
    else:
        scales = inputs[2] if len(inputs) > 2 else None
        sizes = inputs[3] if len(inputs) > 3 else None
    made = list(x.shape)
    if sizes is not None and sizes.shape != (0,):
        wanted = _sizes(node, sizes, "the size")
        policy = node.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            wanted = _proportional([x.shape[axis] for axis in axes], wanted, policy)
        for axis, size in zip(axes, wanted, strict=True):
            made[axis] = size
        return [Tensor(made)]
    if scales is None:
        raise Unread("neither scales nor sizes are given")
    factors = scales if isinstance(scales, list) else _factors(scales)
    for axis, factor in zip(axes, factors, strict=True):
        made[axis] = _scaled(x.shape[axis], factor)
    return [Tensor(made)]


def _factors(scales: Tensor) -> list[Any]:
    if scales.data is None:
        raise Unread("its scales are computed from what is no size")
    return list(scales.data.ravel())


def _scaled(size: Any, factor: Any) -> Any:
    """Return floor(size * factor), as a float32 has it."""
    factor = Real.of(factor)
    if isinstance(factor.top, int) and not factor.rounded:
        return (Real.of(size) * factor).floor()
    if isinstance(size, int) and isinstance(factor.top, int) and factor.over != 1:
        return int(np.float32(size) * np.float32(factor.top / factor.over))
    return (Real.of(size) * factor).floor()


def _proportional(sizes: list[Any], wanted: list[Any], policy: str) -> list[Any]:
    """Return sizes in proportion, as large as fit into `wanted`, or as small as cover it."""
    best = 0
    for axis in range(1, len(sizes)):
        # wanted / size is smaller on this axis
        less = not at_least(wanted[axis] * sizes[best], wanted[best] * sizes[axis])
        if less == (policy == "not_larger"):
            best = axis
    # Rounded to the nearest size, halves up.
    return [(2 * size * wanted[best] + sizes[best]) // (2 * sizes[best]) for size in sizes]


@operator("GridSample")
def grid_sample(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Take as many pixels as the grid has."""
    x, grid = inputs[0], inputs[1]
    return [Tensor((*x.shape[:2], *grid.shape[1:-1]))]


@operator("OneHot")
def one_hot(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Put in an axis of as many classes as there are."""
    (depth,) = inputs[1].listed("depth")
    sizes = list(inputs[0].shape)
    axis = node.get("axis", -1)
    sizes.insert(axis % (len(sizes) + 1), depth)
    return [Tensor(sizes)]


@operator("EyeLike", "RandomNormal", "RandomUniform")
def made_up(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Return numbers of the shape that is asked for."""
    return [Tensor(inputs[0].shape if node.op == "EyeLike" else node.get("shape"))]
