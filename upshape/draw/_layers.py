"""What the pictures ask of a layer: its parameters as ints, one an axis, and what reaches what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["one_of", "reached", "single_axis", "size_of"]

MOST_POSITIONS = 40  # more have no room for their numbers


def one_of(layer: Any, kinds: Sequence[str], what: str) -> Any:
    """Return a relation of one of the kinds, which are names in `upshape.shapes`.

    A layer of upshape or PyTorch is read into its relation.
    """
    from upshape.shapes import from_torch

    name = type(layer).__name__
    if name not in kinds and not hasattr(layer, "formula") and hasattr(layer, "weight"):
        layer = from_torch(layer)
        name = type(layer).__name__
    if name not in kinds or not hasattr(layer, "formula"):
        allowed = ", ".join(kinds[:-1]) + (" or " if len(kinds) > 1 else "") + kinds[-1]
        raise TypeError(
            f"{what}: a relation is needed ({allowed} of upshape.shapes), got {layer!r}"
        )
    for axis in layer.axes:
        for field in ("kernel_size", "stride", "dilation"):
            value = getattr(axis, field, 1)
            if value is not None and type(value) is not int:
                raise TypeError(f"{what}: {field}={value} is no int; symbols cannot be drawn")
    return layer


def single_axis(layer: Any, what: str) -> Any:
    """Return the relation of one axis, or refuse one whose axes differ."""
    axes = layer.axes
    if any(axis != axes[0] for axis in axes):
        raise ValueError(f"{what}: the axes of {layer!r} differ; draw one of its `axes` at a time")
    return axes[0]


def size_of(i: Any, what: str, most: int = MOST_POSITIONS) -> int:
    """Return a size that can be drawn."""
    if isinstance(i, bool) or not hasattr(i, "__index__"):
        raise TypeError(f"{what} must be an int, got {i!r}")
    size = int(i.__index__())
    if not 1 <= size <= most:
        raise ValueError(
            f"{what} must be from 1 to {most} to be drawn, got {size}; a small one shows the same"
        )
    return size


def reached(layer: Any, i: int) -> list[list[tuple[int, int]]]:
    """Return for every output pixel of a transposed convolution the pairs (tap, input pixel).

    Along one axis. Tap t of the kernel carries input q to the output position ``qs - p + td``.

    Examples
    --------
    >>> from upshape.shapes import ConvTranspose
    >>> reached(ConvTranspose(3, stride=2, padding=1, output_padding=1), 2)
    [[(1, 0)], [(2, 0), (0, 1)], [(1, 1)], [(2, 1)]]
    """
    arriving: list[list[tuple[int, int]]] = [[] for _ in range(layer(i))]
    before, _ = layer.padding_for(i)
    for q in range(i):
        for t in range(layer.kernel_size):
            place = q * layer.stride - before + t * layer.dilation
            if 0 <= place < len(arriving):
                arriving[place].append((t, q))
    return arriving
