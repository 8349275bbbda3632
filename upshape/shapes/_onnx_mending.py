"""What would let an ONNX model take a size: nodes that reach another one, or pads before a join."""

from __future__ import annotations

import copy
from typing import Any

from ._onnx_ops import Node
from ._onnx_values import Tensor
from ._outcome import Failure

__all__ = ["mends"]

MOST_CHANGES = 32
JOINS = {"Concat", "Add", "Sub", "Mul", "Div", "Sum", "Max", "Min", "Mean"}
UPSAMPLINGS = {"ConvTranspose", "Resize", "Upsample"}


def mends(graph: Any, sizes: list[int]) -> list[str]:
    """Return what to change so that a graph takes these sizes, a text a way; each was followed.

    Upsamplings are told what to reach, or, where that does not do, maps are padded where they join.
    """
    for pads in (False, True):
        found = _mended(graph, sizes, pads)
        if found:
            return ["; ".join(found)]
    return []


def _mended(graph: Any, sizes: list[int], pads: bool) -> list[str]:
    changed = copy.copy(graph)
    changed.reached, changed.padded = {}, {}
    told: list[str] = []
    for _ in range(MOST_CHANGES):
        known: dict[str, Any] = {**graph.constants, "": None}
        try:
            changed._feed(known, list(sizes))
            changed.walk(known)
        except Failure as failure:
            more: list[str] = []
            for proto, node in graph.nodes:
                if node.name == failure.module and node.op in JOINS:
                    change = _pad if pads else _reach
                    more = change(changed, proto, node, known)
            if not more:
                return []
            told += more
            continue
        outputs = [known[name].shape for name in graph.outputs]
        return told if all(size >= 1 for shape in outputs for size in shape) else []
    return []


def _maps(proto: Any, known: dict[str, Any]) -> list[tuple[int, list[int]]]:
    """Return the shapes of the maps that meet, with the numbers of their inputs."""
    found = []
    for number, name in enumerate(proto.input):
        tensor = known.get(name)
        if isinstance(tensor, Tensor) and len(tensor.shape) > 2:
            found.append((number, [int(size) for size in tensor.shape]))
    return found if len({len(shape) for _, shape in found}) == 1 else []


def _axes(node: Node, shape: list[int]) -> list[int]:
    """Return the axes on which maps must agree."""
    along = node.get("axis", 0) % len(shape) if node.op == "Concat" else None
    return [axis for axis in range(2, len(shape)) if axis != along]


def _pad(graph: Any, proto: Any, node: Node, known: dict[str, Any]) -> list[str]:
    """Pad the maps that meet to the largest."""
    maps = _maps(proto, known)
    told = []
    for number, shape in maps:
        axes = _axes(node, shape)
        wanted = list(shape)
        for axis in axes:
            wanted[axis] = max(other[axis] for _, other in maps)
        if wanted != shape and (node.name, number) not in graph.padded:
            graph.padded[node.name, number] = wanted
            pads = [after - before for before, after in zip(shape, wanted, strict=True)]
            told.append(
                f"a Pad with pads={[0] * len(pads) + pads} on {proto.input[number]!r} before "
                f"{node.told}"
            )
    return told


def _reach(graph: Any, proto: Any, node: Node, known: dict[str, Any]) -> list[str]:
    """Let the upsampling before a join reach the size that it is joined with."""
    maps = _maps(proto, known)
    for number, shape in maps:
        source = _upsampling(graph, proto.input[number], shape, known)
        if source is None or source.name in graph.reached:
            continue
        for other, wanted in maps:
            if other == number or wanted[2:] == shape[2:]:
                continue
            told = _told(source, shape, wanted)
            if told:
                graph.reached[source.name] = wanted[2:]
                return [told]
    return []


def _upsampling(graph: Any, name: str, shape: list[int], known: dict[str, Any]) -> Node | None:
    """Return the upsampling from which a tensor comes, if its size did not change since."""
    makers = {output: one for one in graph.nodes for output in one[0].output}
    while name in makers:
        proto, node = makers[name]
        if node.op in UPSAMPLINGS:
            found: Node = node
            return found
        name = proto.input[0] if proto.input else ""
        source = known.get(name)
        if not isinstance(source, Tensor) or list(source.shape[2:]) != shape[2:]:
            return None
    return None


def _told(node: Node, shape: list[int], wanted: list[int]) -> str:
    """Say how a node reaches a size, nothing if it cannot."""
    if node.op != "ConvTranspose":
        return f"{node.told} with the sizes {wanted[2:]} in place of {shape[2:]}"
    if node.get("output_shape") or node.get("auto_pad", "NOTSET") != "NOTSET":
        return ""
    axes = len(shape) - 2
    before = list(node.get("output_padding") or [0] * axes)
    strides = node.get("strides") or [1] * axes
    dilations = node.get("dilations") or [1] * axes
    padding = [a + size - had for a, size, had in zip(before, wanted[2:], shape[2:], strict=True)]
    limits = map(max, strides, dilations)
    if not all(0 <= a < limit for a, limit in zip(padding, limits, strict=True)):
        return ""
    return f"{node.told} with output_padding={padding} in place of {before}"
