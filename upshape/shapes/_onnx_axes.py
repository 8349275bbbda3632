"""What the operators of ONNX that move, cut and pick along axes do to shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._onnx_ops import (
    Inputs,
    Node,
    axes_of,
    axis_of,
    joined,
    largest,
    listed,
    many,
    operator,
    refuse,
    sizes_of,
    smallest,
)
from ._onnx_values import Number, Tensor, Unread, at_least, equal, product

FAR = 2**31 - 1  # a slice up to here, or beyond, goes to the end


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
    data = None if x.data is None or many(made) else x.data.reshape(tuple(made))
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


@operator("Squeeze")
def squeeze(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Leave out axes of size 1."""
    x = inputs[0]
    axes = axes_of(node, inputs, 1)
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
    axes = axes_of(node, inputs, 1) or []
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


def parts_of(node: Node, inputs: Inputs) -> Sequence[Any] | None:
    """Return the sizes of the parts, which may hang on the input's, None if they are not given."""
    if len(inputs) > 1 and inputs[1] is not None:
        return list(inputs[1].listed("split"))
    given: Sequence[Any] | None = node.get("split")
    return given


@operator("Split")
def split(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Cut into parts along an axis."""
    x = inputs[0]
    axis = axis_of(node, node.get("axis", 0), len(x.shape))
    total = x.shape[axis]
    sizes = parts_of(node, inputs)
    if sizes is None:
        count = node.get("num_outputs") or node.get("outputs")
        part = -((-total) // count)
        if node.version < 18 and not equal(total % count, 0):
            raise refuse(node, f"size {listed([total])} is not divided by {count}")
        sizes = [part] * (count - 1) + [total - part * (count - 1)]
        if not at_least(sizes[-1], 0):
            raise refuse(node, f"size {listed([total])} has no {count} parts")
    elif not equal(sum(sizes), total):
        raise refuse(node, f"parts {listed(sizes)} of size {listed([total])}")
    if not all(at_least(part, 0) for part in sizes):
        raise refuse(node, f"parts {listed(sizes)}, one of them below 0")
    made = []
    start: Any = 0
    for part in sizes:
        shape = [part if place == axis else one for place, one in enumerate(x.shape)]
        data = None
        if x.data is not None and isinstance(part, int) and isinstance(start, int):
            data = np.take(x.data, range(start, start + part), axis)
        made.append(Tensor(shape, data, x.is_float))
        start = start + part
    return made


@operator("Expand")
def expand(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Broadcast to a shape."""
    x = inputs[0]
    made = joined(node, x.shape, sizes_of(node, inputs[1], "the shape"))
    data = None if x.data is None or many(made) else np.broadcast_to(x.data, made)
    return [Tensor(made, data, x.is_float)]


@operator("Tile")
def tile(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Repeat along every axis."""
    x = inputs[0]
    times = sizes_of(node, inputs[1], "the repeats")
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
    _check_indices(node, indices.data, size)
    if indices.data is None or many(made) or x.data is None:
        return [Tensor(made, None, x.is_float)]
    picked = [int(one) % size for one in indices.data.ravel()]
    data = np.take(x.data, picked, axis).reshape(made)
    return [Tensor(made, data, x.is_float)]


def _check_indices(node: Node, indices: Any, size: Any) -> None:
    """Demand that indices, as far as they are known, are positions of an axis."""
    for one in () if indices is None else dict.fromkeys(indices.ravel()):
        if not (at_least(size, one + 1) and at_least(one, -size)):
            raise refuse(node, f"index {listed([one])} of {listed([size])}")


@operator("GatherElements")
def gather_elements(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Pick as many as there are indices."""
    _check_elements(node, inputs[0], inputs[1])
    return [Tensor(inputs[1].shape, None, inputs[0].is_float)]


def _check_elements(node: Node, x: Tensor, indices: Tensor) -> None:
    """Demand that indices, one an element, lie within a tensor."""
    axis = axis_of(node, node.get("axis", 0), len(x.shape))
    inside = len(x.shape) == len(indices.shape) and all(
        at_least(size, count)
        for place, (size, count) in enumerate(zip(x.shape, indices.shape, strict=True))
        if place != axis
    )
    if not inside:
        raise refuse(node, f"indices of shape {listed(indices.shape)} for {listed(x.shape)}")
    _check_indices(node, indices.data, x.shape[axis])


@operator("ScatterElements", "Scatter")
def scatter_elements(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape; there are as many updates as indices."""
    x, indices, updates = inputs[:3]
    _check_elements(node, x, indices)
    _check_updates(node, updates.shape, indices.shape)
    return [x.like()]


def _check_updates(node: Node, shape: Sequence[Any], wanted: Sequence[Any]) -> None:
    if len(shape) != len(wanted) or not all(map(equal, shape, wanted)):
        raise refuse(node, f"updates of shape {listed(shape)}, but it takes {listed(wanted)}")


@operator("GatherND")
def gather_nd(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Pick by tuples of indices."""
    x, indices = inputs[0], inputs[1]
    batch = node.get("batch_dims", 0)
    if not all(map(equal, x.shape[:batch], indices.shape[:batch])):
        raise refuse(node, f"indices of shape {listed(indices.shape)} for {listed(x.shape)}")
    rest = _check_tuples(node, indices, x.shape[batch:])
    return [Tensor((*indices.shape[:-1], *rest), None, x.is_float)]


def _check_tuples(node: Node, indices: Tensor, sizes: Sequence[Any]) -> Sequence[Any]:
    """Return the axes that are left behind tuples of indices, which must lie within the others."""
    last = indices.shape[-1]
    if isinstance(last, Number):
        raise Unread("the length of its indices depends on the size")
    if last > len(sizes):
        raise refuse(node, f"tuples of {last} indices for {len(sizes)} axes")
    for place, row in enumerate(() if indices.data is None else np.moveaxis(indices.data, -1, 0)):
        _check_indices(node, row, sizes[place])
    return sizes[last:]


@operator("ScatterND")
def scatter_nd(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape; the updates are what the tuples of indices pick."""
    x, indices, updates = inputs[:3]
    rest = _check_tuples(node, indices, x.shape)
    _check_updates(node, updates.shape, (*indices.shape[:-1], *rest))
    return [x.like()]


@operator("Slice")
def slice_(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Cut out along axes."""
    x = inputs[0]
    if len(inputs) > 1:
        starts, ends = (one.listed("a bound") for one in inputs[1:3])
        steps = inputs[4].listed("a step") if len(inputs) > 4 and inputs[4] is not None else None
        axes = axes_of(node, inputs, 3)
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
                begin, stop = _ends(x.shape[axis], start, end, step)
                data = np.take(data, range(begin, stop, step), axis)
    return [Tensor(made, data, x.is_float)]


def _sliced(node: Node, size: Any, start: Any, end: Any, step: Any) -> Any:
    """Return how many positions a slice has."""
    if not isinstance(step, int):
        raise Unread("its step depends on the size")
    if step == 0:
        raise refuse(node, "its step is 0")
    begin, stop = _ends(size, start, end, step)
    count = -((begin - stop) // step) if step > 0 else -((stop - begin) // -step)
    return largest(count, 0)


def _ends(size: Any, start: Any, end: Any, step: int) -> tuple[Any, Any]:
    """Return where a slice begins and before which position it ends, from 0 on, -1 for the start.

    ONNX, unlike Python, lets no slice begin before the first position.
    """
    if step > 0:
        return _bound(size, start, 0, size), _bound(size, end, 0, size)
    return _bound(size, start, 0, size - 1), _bound(size, end, -1, size - 1)


def _bound(size: Any, bound: Any, low: Any, high: Any) -> Any:
    """Return a bound of a slice, counted from the start and within low and high."""
    if isinstance(bound, int):
        if bound >= FAR:
            return high
        if bound < -FAR:
            return low
        if bound < 0:
            return largest(size + bound, low)
        return smallest(bound, high)
    if not at_least(bound, 0):
        bound = size + bound
    return smallest(largest(bound, low), high)


@operator("Pad")
def pad(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Add to both ends of axes, or cut off."""
    x = inputs[0]
    rank = len(x.shape)
    if len(inputs) > 1 and inputs[1] is not None:
        pads = inputs[1].listed("the padding")
    else:
        pads = list(node.get("pads") or node.get("paddings"))
    axes = axes_of(node, inputs, 3)
    axes = list(range(rank)) if axes is None else [axis_of(node, axis, rank) for axis in axes]
    mode = node.get("mode", "constant")
    made = list(x.shape)
    for place, axis in enumerate(axes):
        before, after = pads[place], pads[place + len(axes)]
        size = x.shape[axis]
        if mode != "constant":
            _check_source(node, mode, size, before, after)
        made[axis] = size + before + after
        if not at_least(made[axis], 0):
            raise refuse(node, f"it cuts {listed([size])} positions to less than none")
    return [Tensor(made, None, x.is_float)]


def _check_source(node: Node, mode: str, size: Any, before: Any, after: Any) -> None:
    """Demand that enough is left of an axis, after what is cut off, to be repeated."""
    left = size + smallest(before, 0) + smallest(after, 0)
    if not at_least(left, 1):
        raise refuse(node, f"it cuts all off a size of {listed([size])}, and has none to repeat")
    for side in (before, after) if mode == "reflect" else ():
        if not (isinstance(side, int) and side <= 0) and not at_least(left - 1, side):
            raise refuse(
                node, f"a size of {listed([left])} cannot be reflected by {listed([side])}"
            )


@operator("CenterCropPad")
def center_crop_pad(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Cut axes down, or fill them up, to sizes."""
    x = inputs[0]
    rank = len(x.shape)
    axes = node.get("axes")
    axes = range(rank) if axes is None else [axis_of(node, axis, rank) for axis in axes]
    made = list(x.shape)
    for axis, size in zip(axes, sizes_of(node, inputs[1], "the shape"), strict=True):
        made[axis] = size
    return [Tensor(made, None, x.is_float)]


@operator("ReverseSequence")
def reverse_sequence(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the shape; there is one length a member of the batch."""
    x, lengths = inputs
    (count,) = lengths.shape
    if not equal(count, x.shape[node.get("batch_axis", 1)]):
        raise refuse(node, f"{listed([count])} lengths for {listed(x.shape)}")
    return [x.like()]


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
