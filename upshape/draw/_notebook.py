"""What layers and answers of `upshape.shapes` look like in a notebook: their text and a picture."""

from __future__ import annotations

from html import escape
from typing import Any

from ._grids import stack
from ._network import network
from ._strips import ruler, stamps, windows
from ._svg import Drawing

__all__ = ["answer_html", "explanation_html", "layer_html"]

DRAWN = ("Conv", "ConvTranspose", "Interpolate", "Pool")
USUAL = 512  # an answer is drawn at the largest size up to here that is taken


def layer_html(layer: Any, told: str | None = None) -> str:
    """Return a relation with its picture, one for each axis that differs, under what it is."""
    try:
        drawn = [axis for axis in dict.fromkeys(layer.axes) if type(axis).__name__ in DRAWN]
        shown = [_layer(axis) for axis in drawn]
    except (TypeError, ValueError):  # symbols, or more positions than can be told apart
        shown = []
    picture = str(stack(*shown)) if shown else ""
    return f"<div><code>{escape(told or repr(layer))}</code><br/>{picture}</div>"


def _layer(axis: Any) -> Drawing:
    """Draw a relation of one axis at a small size, one that shows the remainder."""
    kind = type(axis).__name__
    if kind == "Interpolate":
        return ruler(4, axis(4))
    if kind == "ConvTranspose":
        return stamps(axis, max(4, axis.minimum))
    sizes = axis.input_sizes(max(4, axis(axis.minimum)))
    last = sizes[-1]
    return windows(axis, last[0] if isinstance(last, tuple) else last)


def answer_html(answer: Any) -> str:
    """Return what `solve` found, with the network at a usual size that is taken."""
    size = answer.previous(USUAL) or answer.minimum
    return _with_network(str(answer), answer, size)


def explanation_html(text: str, about: tuple[Any, int] | None) -> str:
    """Return the walk through a network, with its picture if it is known which one it is."""
    return _with_network(text, *(about or (None, None)))


def _with_network(text: str, answer: Any, n: int | None) -> str:
    picture = ""
    if n is not None:
        try:
            picture = str(network(answer, n))
        except ValueError:  # too many columns to be told apart
            picture = ""
    return f"<div><pre>{escape(text)}</pre>{picture}</div>"
