"""What the operators of ONNX that run graphs of their own do to shapes: If, Loop and Scan.

A handler gets what runs a graph besides the node and its inputs: a function of the graph and of
what its inputs are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ._onnx_ops import Inputs, Node, axis_of, listed, refuse
from ._onnx_sequences import stacked
from ._onnx_values import Number, Tensor, Unread, at_least, equal

__all__ = ["CONTROL"]

MOST_TURNS = 256  # of a loop whose number of turns is known

Runs: TypeAlias = Callable[[Any, Sequence[Any]], list[Any]]


def branch(node: Node, inputs: Inputs, run: Runs) -> list[Any]:
    """Run the branch that a condition on sizes chooses; both, if it hangs on what is no size."""
    condition = inputs[0]
    if condition.data is not None:
        chosen = "then_branch" if condition.data.ravel()[0] else "else_branch"
        return run(node.get(chosen), [])
    made = [run(node.get(name), []) for name in ("then_branch", "else_branch")]
    for one, other in zip(*made, strict=True):
        if not (isinstance(one, Tensor) and isinstance(other, Tensor) and _alike(one, other)):
            raise Unread("its condition depends on what is no size, and its branches differ")
    return [one.like() for one in made[0]]


def _alike(first: Tensor, second: Tensor) -> bool:
    return len(first.shape) == len(second.shape) and all(map(equal, first.shape, second.shape))


def loop(node: Node, inputs: Inputs, run: Runs) -> list[Any]:
    """Run the body turn by turn, as often as sizes tell."""
    most, condition, *carried = [*inputs, None][: max(2, len(inputs))]
    body = node.get("body")
    kept = len(body.output) - 1 - len(carried)
    rows: list[list[Any]] = [[] for _ in range(kept)]
    count = None if most is None else most.listed("the number of turns")[0]
    turn = 0
    while _goes_on(condition) and (count is None or at_least(count, turn + 1)):
        if turn == MOST_TURNS:
            raise Unread(f"it takes more than {MOST_TURNS} turns")
        going = condition or Tensor.holding(1)
        left, *made = run(body, [Tensor.holding(turn), going, *carried])
        condition = None if condition is None else left  # without one, the body's is ignored
        carried = made[: len(carried)]
        for row, one in zip(rows, made[len(carried) :], strict=True):
            row.append(one)
        turn += 1
    # What is stacked in no turn has no shape that is known.
    return [*carried, *(stacked(node, row, 0) if row else None for row in rows)]


def _goes_on(condition: Any) -> bool:
    if condition is None:
        return True
    if condition.data is None:
        raise Unread("its condition depends on what is no size")
    return bool(condition.data.ravel()[0])


def scan(node: Node, inputs: Inputs, run: Runs) -> list[Any]:
    """Run the body on slices: the states keep their shapes, what it makes of slices is stacked."""
    count = node.get("num_scan_inputs")
    states, scanned = list(inputs[: len(inputs) - count]), inputs[len(inputs) - count :]
    axes = node.get("scan_input_axes") or [0] * count
    axes = [axis_of(node, axis, len(one.shape)) for axis, one in zip(axes, scanned, strict=True)]
    lengths = [one.shape[axis] for axis, one in zip(axes, scanned, strict=True)]
    if not all(equal(lengths[0], one) for one in lengths):
        raise refuse(node, f"it scans sizes {listed(lengths)}")
    slices = [
        Tensor((*one.shape[:axis], *one.shape[axis + 1 :]), None, one.is_float)
        for axis, one in zip(axes, scanned, strict=True)
    ]
    states = [one.like() for one in states]
    made = run(node.get("body"), [*states, *slices])
    for before, after in zip(states, made, strict=False):
        if not _alike(before, after):
            raise Unread("its state changes its shape")
    outs = made[len(states) :]
    places = node.get("scan_output_axes") or [0] * len(outs)
    return [
        *(one.like() for one in made[: len(states)]),
        *(_lengthened(node, one, axis, lengths[0]) for axis, one in zip(places, outs, strict=True)),
    ]


def _lengthened(node: Node, one: Tensor, axis: int, length: int | Number) -> Tensor:
    place = axis_of(node, axis, len(one.shape) + 1)
    return Tensor((*one.shape[:place], length, *one.shape[place:]), None, one.is_float)


CONTROL = {"If": branch, "Loop": loop, "Scan": scan}
