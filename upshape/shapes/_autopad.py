"""A PyTorch model that takes every size: inputs are padded to one it takes, outputs cropped."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._answer import Answer

__all__ = ["AutoPad"]


class _Kind(type):
    """Takes the modules that `AutoPad` makes for its instances."""

    def __instancecheck__(cls, thing: Any) -> bool:
        made = sys.modules.get("upshape.shapes._autopad_torch")
        return made is not None and isinstance(thing, made.AutoPad)


class AutoPad(metaclass=_Kind):
    """Run a model on inputs of any size: pad to the next size that it takes, crop what it makes.

    Parameters
    ----------
    module : torch.nn.Module
        The model. Its inputs are feature maps (N, C, ...).
    answer : Answer, or sequence of one an axis, optional
        The sizes that it takes, for all axes or for each; asked of `solve` unless given.
    mode : {"constant", "reflect", "replicate", "circular"}
        How to pad, as of ``torch.nn.functional.pad``. What is reflected or repeated is taken from
        the padded input where the input itself is too small.
    side : {"end", "begin", "both"}
        Where to pad. With ``"both"`` the smaller half comes first, and is a whole number of output
        pixels.
    value : float
        What to pad with, if the mode is constant.

    Notes
    -----
    Called with several inputs, in tuples, lists or dicts as well, all feature maps of the first
    one's sizes are padded alike; whatever else is given is passed on.

    A feature map that comes out is cropped to where the input lies on it. If the output has q
    pixels an input pixel (1/8, 1, 2, ...; from the answer), then `before` padded pixels are
    ``q * before`` of them, and of an output of size o for the padded size N,
    ``o - floor(q * (N - n))`` belong to the input of size n. Which axes of an output are those, in
    whatever order and with or without channels, is seen from how it grows; a model that takes one
    size alone has maps (N, C, ...) that are in proportion to it. What grows with none of the axes,
    or with several at once, such as tokens, is left as it is. What is padded takes part in the
    computation: pixels near it differ from those of a larger picture, and a mean over the whole map
    counts it.

    Examples
    --------
    ::

        model = shapes.AutoPad(unet, mode="reflect")
        model(torch.zeros(1, 3, 600, 801)).shape        # (1, 21, 600, 801)
    """

    def __new__(
        cls,
        module: Any,
        answer: Answer | Sequence[Answer] | None = None,
        *,
        mode: str = "constant",
        side: str = "end",
        value: float = 0.0,
    ) -> Any:
        try:
            from . import _autopad_torch
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ModuleNotFoundError("AutoPad needs PyTorch: pip install torch") from None
        return _autopad_torch.AutoPad(module, answer, mode=mode, side=side, value=value)
