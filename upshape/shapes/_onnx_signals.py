"""What the operators of ONNX for signals do to shapes: spectra, recurrence, attention."""

from __future__ import annotations

from collections.abc import Sequence

from ._onnx_ops import Inputs, Node, axis_of, listed, operator, refuse
from ._onnx_values import Tensor, Unread, at_least, equal


@operator("HannWindow", "HammingWindow", "BlackmanWindow")
def window(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Return as many numbers as are asked for."""
    return [Tensor(inputs[0].listed("the length"))]


@operator("DFT")
def dft(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Transform along an axis, which may be cut or filled up first; the last axis is complex."""
    x = inputs[0]
    made = list(x.shape)
    axis = node.get("axis", 1)
    if node.version >= 20:
        (axis,) = inputs[2].listed("the axis") if len(inputs) > 2 and inputs[2] else (-2,)
    axis = axis_of(node, axis, len(made))
    if len(inputs) > 1 and inputs[1] is not None:
        (made[axis],) = inputs[1].listed("the length")
    if node.get("onesided", 0) and not node.get("inverse", 0):
        made[axis] = made[axis] // 2 + 1
    if node.get("onesided", 0) and node.get("inverse", 0):
        raise Unread("a one-sided inverse transform")
    return [Tensor((*made[:-1], 2))]


@operator("STFT")
def stft(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Transform frames of a signal (batch, samples, 1 or 2)."""
    signal, step = inputs[0], inputs[1].listed("the step")[0]
    frame = inputs[2].shape[0] if len(inputs) > 2 and inputs[2] is not None else None
    if len(inputs) > 3 and inputs[3] is not None:
        (frame,) = inputs[3].listed("the frame's length")
    if frame is None:
        raise refuse(node, "neither a window nor a frame_length is given")
    if not at_least(signal.shape[1], frame):
        raise refuse(node, f"{listed(signal.shape[1:2])} samples, but frames of {frame}")
    bins = frame // 2 + 1 if node.get("onesided", 1) else frame
    return [Tensor((signal.shape[0], (signal.shape[1] - frame) // step + 1, bins, 2))]


@operator("LSTM", "GRU", "RNN")
def recurrent(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Go through a sequence (steps, batch, features), or (batch, steps, features)."""
    x, weight = inputs[0], inputs[1]
    batch_first = node.get("layout", 0)
    batch, steps = x.shape[:2] if batch_first else x.shape[1::-1]
    hidden = node.get("hidden_size")
    directions = 2 if node.get("direction", "forward") == "bidirectional" else 1
    if not equal(x.shape[2], weight.shape[2]):
        told = f"{listed(x.shape[2:])} features, but the weights take {listed(weight.shape[2:])}"
        raise refuse(node, told)
    if batch_first:
        states = Tensor((batch, directions, hidden))
        return [Tensor((batch, steps, directions, hidden)), states, states]
    states = Tensor((directions, batch, hidden))
    return [Tensor((steps, directions, batch, hidden)), states, states]


@operator("Attention")
def attention(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Attend: the shape is the query's, with the values' features."""
    query, key, value = inputs[:3]
    if any(one is not None for one in inputs[4:6]):
        raise Unread("it attends to what was before")
    if len(query.shape) == 4:
        if not (equal(query.shape[-1], key.shape[-1]) and equal(key.shape[-2], value.shape[-2])):
            raise refuse(node, f"shapes {', '.join(listed(one.shape) for one in inputs[:3])}")
        return [Tensor((*query.shape[:3], value.shape[3]))]
    heads, own = node.get("q_num_heads"), node.get("kv_num_heads")
    for one, count in ((query, heads), (key, own), (value, own)):
        if not equal(one.shape[2] % count, 0):
            raise refuse(node, f"{listed(one.shape[2:])} features are not {count} heads")
    same = equal(query.shape[2] // heads, key.shape[2] // own) and equal(
        key.shape[1], value.shape[1]
    )
    if not same:
        raise refuse(node, f"shapes {', '.join(listed(one.shape) for one in inputs[:3])}")
    return [Tensor((*query.shape[:2], value.shape[2] // own * heads))]


@operator("Det")
def det(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Return a number a matrix."""
    shape = inputs[0].shape
    if not equal(shape[-1], shape[-2]):
        raise refuse(node, f"a matrix of {listed(shape[-2:])} is not square")
    return [Tensor(shape[:-2])]
