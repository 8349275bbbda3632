"""What the operators of ONNX that make lists of tensors do to shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._onnx_ops import Inputs, Node, axis_of, listed, operator, refuse
from ._onnx_values import Tensor, Unread, at_least, equal

__all__ = ["Tensors", "stacked"]

MOST_PARTS = 256  # of a tensor that is cut up, where its size tells how many


class Tensors(list[Tensor]):
    """A sequence, as ONNX calls it: a list of tensors."""


def _place(node: Node, sequence: Tensors, inputs: Inputs, number: int, last: int) -> int:
    """Return a position from 0 on, `last` where none is given."""
    if len(inputs) <= number or inputs[number] is None:
        return last
    (place,) = inputs[number].listed("the position")
    if not isinstance(place, int):
        raise Unread("its position depends on the size")
    if not -len(sequence) <= place <= last:
        raise refuse(node, f"position {place} of {len(sequence)} tensors")
    return place + len(sequence) if place < 0 else place


@operator("SequenceEmpty", "SequenceConstruct")
def construct(node: Node, inputs: Inputs) -> Sequence[Any]:
    """Make a list of tensors."""
    return [Tensors(inputs)]


@operator("SequenceInsert")
def insert(node: Node, inputs: Inputs) -> Sequence[Any]:
    """Put a tensor in, at the end unless a position is given."""
    made = Tensors(inputs[0])
    made.insert(_place(node, made, inputs, 2, len(made)), inputs[1])
    return [made]


@operator("SequenceErase")
def erase(node: Node, inputs: Inputs) -> Sequence[Any]:
    """Take a tensor out, the last one unless a position is given."""
    made = Tensors(inputs[0])
    if not made:
        raise refuse(node, "the sequence is empty")
    del made[_place(node, made, inputs, 1, len(made) - 1)]
    return [made]


@operator("SequenceAt")
def at(node: Node, inputs: Inputs) -> Sequence[Any]:
    """Return one of the tensors."""
    sequence = inputs[0]
    return [sequence[_place(node, sequence, inputs, 1, len(sequence) - 1)]]


@operator("SequenceLength")
def length(node: Node, inputs: Inputs) -> Sequence[Any]:
    """Return how many tensors there are."""
    return [Tensor.holding(len(inputs[0]))]


@operator("SplitToSequence")
def split_to_sequence(node: Node, inputs: Inputs) -> Sequence[Any]:
    """Cut into parts along an axis: of given sizes, of one size but for the last, or of 1."""
    x = inputs[0]
    axis = axis_of(node, node.get("axis", 0), len(x.shape))
    total = x.shape[axis]
    given = inputs[1] if len(inputs) > 1 else None
    if given is not None and len(given.shape) == 1:
        sizes = given.listed("the parts")
        if not equal(sum(sizes), total):
            raise refuse(node, f"parts {listed(sizes)} of size {listed([total])}")
    else:
        part = 1 if given is None else given.listed("the part")[0]
        if not at_least(part, 1):
            raise refuse(node, f"parts of size {listed([part])}")
        sizes, left = [], total
        while at_least(left, 1):
            if len(sizes) == MOST_PARTS:
                raise Unread(f"it makes more than {MOST_PARTS} parts")
            sizes.append(part if at_least(left, part) else left)
            left = left - part
    gone = given is None and not node.get("keepdims", 1)
    made = Tensors()
    for size in sizes:
        middle = () if gone else (size,)
        made.append(Tensor((*x.shape[:axis], *middle, *x.shape[axis + 1 :]), None, x.is_float))
    return [made]


@operator("ConcatFromSequence")
def concat_from_sequence(node: Node, inputs: Inputs) -> Sequence[Any]:
    """Join the tensors along an axis, or along a new one."""
    (sequence,) = inputs
    if not sequence:
        raise refuse(node, "the sequence is empty")
    rank = len(sequence[0].shape)
    if node.get("new_axis", 0):
        return [stacked(node, sequence, axis_of(node, node.get("axis"), rank + 1))]
    from ._onnx_axes import concat

    return concat(node, sequence)


def stacked(node: Node, tensors: Sequence[Tensor], axis: int) -> Tensor:
    """Return tensors of one shape joined along a new axis."""
    first = tensors[0]
    for one in tensors[1:]:
        if len(one.shape) != len(first.shape) or not all(map(equal, one.shape, first.shape)):
            raise refuse(node, f"shapes {listed(first.shape)} and {listed(one.shape)}")
    return Tensor((*first.shape[:axis], len(tensors), *first.shape[axis:]), None, first.is_float)
