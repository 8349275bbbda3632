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

__all__ = [
    "MOST_ELEMENTS", "OPERATORS", "Inputs", "Node", "add", "axes_of", "axis_of", "broadcast",
    "fits", "joined", "largest", "listed", "many", "multiply", "operator", "refuse", "sizes_of",
    "smallest",
]  # fmt: skip

MOST_ELEMENTS = 4096  # of a tensor whose elements are followed


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


def axes_of(node: Node, inputs: Inputs, place: int, name: str = "axes") -> list[int] | None:
    """Return the axes that a node names by an input, or by an attribute."""
    if len(inputs) > place and inputs[place] is not None:
        return [int(axis) for axis in inputs[place].listed(name)]
    axes = node.get(name)
    return None if axes is None else list(axes)


# Element by element.

KEEPING = """
    Relu LeakyRelu ThresholdedRelu Elu Celu Selu Gelu Sigmoid HardSigmoid HardSwish Mish Swish
    Softplus Softsign Softmax LogSoftmax Hardmax Tanh Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh
    Asinh Acosh Atanh Erf Reciprocal Sign Dropout LRN LpNormalization MeanVarianceNormalization
    IsNaN IsInf BitwiseNot CumSum CumProd Trilu Bernoulli RandomNormalLike RandomUniformLike Shrink
    QuantizeLinear DequantizeLinear DynamicQuantizeLinear BitCast
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
    x, channels = inputs[0], inputs[0].shape[1] if len(inputs[0].shape) > 1 else 1
    groups = node.get("num_groups", 1)
    if not equal(channels % groups, 0):
        raise refuse(node, f"{listed([channels])} channels are not {groups} groups of one size")
    wanted = channels
    if node.op == "GroupNormalization" and node.version < 21:
        wanted = groups
    for one in inputs[1:]:
        if not equal(wanted, one.shape[0]):
            raise refuse(node, f"{listed([wanted])} channels, but it normalises {one.shape[0]}")
    return [x.like()] * 5


@operator("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization")
def layer_normalised(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape; scale and shift fit the last axes."""
    x = inputs[0]
    for one in inputs[1:]:
        if one is not None:
            fits(node, x.shape, one.shape)
    return [x.like()] * 3


def fits(node: Node, large: Sequence[Any], small: Sequence[Any]) -> None:
    """Demand that a shape can be broadcast to a larger one."""
    last = large[len(large) - len(small) :] if len(small) <= len(large) else []
    if len(last) != len(small) or not all(
        equal(b, 1) or equal(a, b) for a, b in zip(last, small, strict=True)
    ):
        raise refuse(node, f"shapes {listed(large)} and {listed(small)} do not agree")


@operator("PRelu")
def prelu(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape, to which the slope is broadcast."""
    fits(node, inputs[0].shape, inputs[1].shape)
    return [inputs[0].like()]


@operator("Clip")
def clip(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape; follow elements between bounds."""
    x = inputs[0]
    bounds = [*inputs[1:3], None, None]
    if x.data is None or node.version < 11:
        return [x.like()]
    data = x.data
    for bound, action in zip(bounds, (largest, smallest), strict=False):
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
OPERATORS["Abs"] = _unary(lambda number: largest(number, -number))
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
    if node.get("to") == BOOL:
        return [Tensor(x.shape, elementwise(lambda one: int(not _eq(one, 0)), x.data), False)]
    return [Tensor(x.shape, elementwise(_integer, x.data), False)]


FLOATS = {1, 10, 11, 16}  # TensorProto's FLOAT, FLOAT16, DOUBLE and BFLOAT16
BOOL = 9


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
        made = tuple(broadcast(node, a, b, made, shape) for a, b in zip(left, right, strict=True))
    return made


def broadcast(node: Node, a: Any, b: Any, first: Sequence[Any], second: Sequence[Any]) -> Any:
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
        if any(one.data is None for one in inputs) or many(shape):
            return [Tensor(shape, None, is_float)]
        data = inputs[0].data
        for one in inputs[1:]:
            data = elementwise(action, data, one.data)
        return [Tensor(shape, data, is_float)]

    return handler


def many(shape: Sequence[Any]) -> bool:
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


def largest(a: Any, b: Any) -> Any:
    return _chosen(a, b, "_max")


def smallest(a: Any, b: Any) -> Any:
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


def add(a: Any, b: Any) -> Any:
    a, b = _reals(a, b)
    return a + b


def _subtract(a: Any, b: Any) -> Any:
    a, b = _reals(a, b)
    return a - b


def multiply(a: Any, b: Any) -> Any:
    a, b = _reals(a, b)
    return a * b


OPERATORS |= {
    "Add": _binary(add),
    "Sub": _binary(_subtract),
    "Mul": _binary(multiply),
    "Div": _binary(_divide),
    "Sum": _binary(add),
    "Max": _binary(largest),
    "Min": _binary(smallest),
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
for _name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift"):
    OPERATORS[_name] = lambda node, inputs: [
        Tensor(joined(node, *(one.shape for one in inputs)), None, False)
    ]
OPERATORS["Mean"] = lambda node, inputs: [Tensor(joined(node, *(one.shape for one in inputs)))]


@operator("Where")
def where(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Choose element by element."""
    shape = joined(node, *(one.shape for one in inputs))
    is_float = inputs[1].is_float
    if any(one.data is None for one in inputs) or many(shape):
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
    sizes = sizes_of(node, inputs[0], "the shape")
    value = node.get("value")
    is_float = value is None or value.is_float
    if many(sizes) or value is None or value.data is None:
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
    count = largest(count, 0)
    if isinstance(count, Number) or count > MOST_ELEMENTS or is_float:
        return [Tensor([count], None, is_float)]
    return [Tensor.holding([start + place * delta for place in range(count)])]


def sizes_of(node: Node, x: Tensor, what: str) -> list[Any]:
    found = x.listed(what)
    for one in found:
        if not at_least(one, 0):
            raise refuse(node, f"{what} has a negative size")
    return found
