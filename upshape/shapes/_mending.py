"""Repairs of PyTorch models: upsamplings that are told the size that they are joined with.

While a model runs, every tensor has a name (the module that made it, and a number), and remembers
the upsampling it came from, if no size changed since. Where such tensors meet others of other
sizes, it is noted that the upsampling should have reached the other's size; the next run carries
that out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from ._modules import _alike
from ._outcome import Failure, outs
from .layers import ConvTranspose

__all__ = ["Change", "Mending", "mends"]

Key = tuple[str, int]
TRANSPOSED = {torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d}
JOINS = {torch.cat, torch.concat, torch.add, torch.sub, torch.mul, torch.maximum, torch.minimum}
JOINS |= {getattr(torch.Tensor, name) for name in ("add", "sub", "mul", "add_", "sub_", "mul_")}
JOINS |= {torch.Tensor.__add__, torch.Tensor.__iadd__, torch.Tensor.__mul__, torch.Tensor.__sub__}


class Change(NamedTuple):
    """A call that was changed in a run: of an upsampling, or one that joins maps.

    `sizes` are those that it reaches, `before` those it would have made or got (None if unknown),
    `padding` what is put out in addition, `options` what else an interpolation is called with.
    """

    name: str
    what: str
    sizes: tuple[Any, ...]
    before: tuple[Any, ...] | None
    padding: tuple[Any, ...] | None
    options: str = ""


class Mending:
    """What is to be mended in a model, and what was found out in its last run.

    Attributes
    ----------
    plan : dict
        For calls of upsamplings, the tensor whose size they are to reach.
    proposed : dict
        What the last run would add to it.
    factors : dict
        The scale factors that the calls of interpolations had, where all axes have one.
    options : dict
        What else they were called with, as code; of a transposed convolution the function's name.
    layers : dict
        The layers that the calls of transposed convolutions are, without their output padding.
    failing : bool
        Whether sizes met in the last run that differ.
    reached : dict
        The sizes that the calls were told in the last run, and their output paddings.
    changed : list of Change
        What was changed in the last run, with the sizes of all axes.
    """

    def __init__(self, fix: str) -> None:
        self.fix = fix
        self.plan: dict[Key, Key] = {}
        self.factors: dict[Key, float] = {}
        self.options: dict[Key, str] = {}
        self.layers: dict[Key, ConvTranspose] = {}
        self.begin([])

    def begin(self, stack: list[str]) -> None:
        """Begin a run; `stack` names the module that is being called."""
        self.stack = stack
        self.counts: dict[str, int] = {}
        self.shapes: dict[Key, Any] = {}
        self.proposed: dict[Key, Key] = {}
        self.reached: dict[Key, tuple[Any, Any]] = {}
        self.failing = False
        self.changed: list[Change] = []

    def _named(self) -> Key:
        name = self.stack[-1] if self.stack else ""
        self.counts[name] = self.counts.get(name, 0) + 1
        return name, self.counts[name]

    def before(self, func: Any, args: Any, kwargs: Any, decide: Callable[[Any], bool]) -> Any:
        """Return the call in place of this one: (arguments, keyword arguments, its name)."""
        if func in JOINS and not args and "tensors" in kwargs:
            args = (kwargs["tensors"],)
            kwargs = {name: value for name, value in kwargs.items() if name != "tensors"}
        if func in JOINS:
            listed = bool(args) and isinstance(args[0], tuple | list)
            maps = [one for one in (args[0] if listed else args) if isinstance(one, torch.Tensor)]
            along = _along(func, args, kwargs)
            if self.fix in ("pad", "crop"):
                if maps and (fitted := self._fitted(func, maps, along)) is not None:
                    left = iter(fitted)
                    given = [
                        next(left) if isinstance(one, torch.Tensor) else one
                        for one in (args[0] if listed else args)
                    ]
                    return ((given, *args[1:]) if listed else tuple(given)), kwargs, None
            else:
                self._met(maps, along)
        if func in TRANSPOSED or (func is F.interpolate and self.fix == "size"):
            key = self._named()
            wanted = self.shapes.get(self.plan.get(key, key))
            if wanted is not None:
                changed = (
                    self._transposed(key, wanted, decide, *args, **kwargs)
                    if func in TRANSPOSED
                    else self._interpolated(key, wanted, *args, **kwargs)
                )
                if changed is not None:
                    return (*changed, key)
            return args, kwargs, key
        return args, kwargs, None

    def after(self, made: Any, args: Any, key: Key | None) -> None:
        """Name what a function made, and say from which upsampling it comes."""
        if not isinstance(made, torch.Tensor) or hasattr(made, "_upshape_name"):
            return
        made._upshape_name = name = self._named()  # type: ignore[attr-defined]
        self.shapes[name] = tuple(made.shape[2:])
        source = args[0] if args and isinstance(args[0], torch.Tensor) else None
        if key is None and source is not None and _agree(source.shape[2:], made.shape[2:]):
            key = getattr(source, "_upshape_from", None)
        made._upshape_from = key  # type: ignore[attr-defined]

    def _fitted(self, func: Any, maps: list[Any], along: int | None) -> list[Any] | None:
        """Return maps padded to the largest of them, or cropped to the smallest, as they join."""
        rank = maps[0].ndim
        if rank < 3 or any(one.ndim != rank for one in maps):
            return None
        axes = [axis for axis in range(2, rank) if axis != along]
        sizes = [[int(one.shape[axis]) for axis in axes] for one in maps]
        pick = max if self.fix == "pad" else min
        wanted = [pick(column) for column in zip(*sizes, strict=True)]
        if along is None and any(1 in column for column in sizes):
            return None  # they are broadcast
        fitted = []
        for one, own in zip(maps, sizes, strict=True):
            if own != wanted:
                what = "torch.cat" if along is not None else f"torch.{_called(func)}"
                name = self.stack[-1] if self.stack else ""
                self.changed.append(Change(name, what, tuple(wanted), tuple(own), None))
                for axis, size in zip(axes, wanted, strict=True):
                    one = _resized(one, axis, size)
            fitted.append(one)
        return fitted

    def _met(self, maps: list[Any], along: int | None) -> None:
        """Note what should have reached which size, where sizes meet that differ."""
        maps = [one for one in maps if one.ndim > 2 and hasattr(one, "_upshape_name")]
        for one in maps:
            for other in maps:
                mine, yours = _others(one.shape, along), _others(other.shape, along)
                if _agree(mine, yours) or 1 in (*mine, *yours):
                    continue
                self.failing = True
                key = getattr(one, "_upshape_from", None)
                if key in (None, getattr(other, "_upshape_from", None)) or key in self.plan:
                    continue
                self.proposed.setdefault(key, other._upshape_name)

    def _transposed(
        self,
        key: Key,
        wanted: Any,
        decide: Callable[[Any], bool],
        x: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        """Return the arguments with the output padding that reaches a size, None if none does."""
        axes = weight.ndim - 2
        found = []
        for axis in range(axes):
            s, p, d = (_entry(one, axis) for one in (stride, padding, dilation))
            natural = (x.shape[2 + axis] - 1) * s - 2 * p + d * (weight.shape[2 + axis] - 1) + 1
            a = wanted[axis] - natural
            if not (decide(a >= 0) and decide(a < max(s, d))):
                return None
            found.append(a)
        self.reached[key] = (wanted[0], found[0])
        self.options[key] = _called_of(weight)
        taps = tuple(int(size) for size in weight.shape[2:])
        self.layers[key] = ConvTranspose(*map(_alike, (taps, stride, padding, 0, dilation)))
        made = tuple(size - a for size, a in zip(wanted, found, strict=True))
        self.changed.append(Change(key[0], _called_of(weight), wanted, made, tuple(found)))
        return (x, weight, bias, stride, padding, tuple(found), groups, dilation), {}

    def _interpolated(self, key: Key, wanted: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the arguments with a size in place of a factor."""
        if (args and args[0] is not None) or kwargs.get("size") is not None:
            return None
        kept = {
            name: value
            for name, value in kwargs.items()
            if name not in ("size", "scale_factor", "recompute_scale_factor")
        }
        self.reached[key] = (wanted[0], None)
        factor = args[1] if len(args) > 1 else kwargs.get("scale_factor")
        if isinstance(factor, tuple | list) and len(set(factor)) == 1:
            factor = factor[0]
        if isinstance(factor, int | float):
            self.factors[key] = factor
        named = dict(zip(("mode", "align_corners"), args[2:4], strict=False))
        kept = {**kept, **named}
        shown = [f"{name}={value!r}" for name, value in kept.items() if value not in (None, False)]
        self.options[key] = "".join(f", {one}" for one in shown if one != "mode='nearest'")
        change = Change(key[0], "F.interpolate", tuple(wanted), None, None, self.options[key])
        self.changed.append(change)
        return (x, tuple(wanted)), kept


def _called(func: Any) -> str:
    return str(getattr(func, "__name__", "add")).strip("_").removeprefix("i")


def _called_of(weight: Any) -> str:
    return f"F.conv_transpose{weight.ndim - 2}d"


def _along(func: Any, args: Any, kwargs: Any) -> int | None:
    """Return the axis along which maps are concatenated, None if they meet in another way."""
    if func not in (torch.cat, torch.concat) or not args:
        return None
    dim = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0))
    return int(dim) % int(args[0][0].ndim)


def _others(shape: Any, along: int | None) -> tuple[Any, ...]:
    """Return the sizes that must agree where maps meet."""
    return tuple(size for axis, size in enumerate(shape) if axis > 1 and axis != along)


def _resized(x: Any, axis: int, size: int) -> Any:
    """Return a map padded or cropped at its end to a size."""
    more = size - x.shape[axis]
    if more <= 0:
        return x.narrow(axis, 0, size)
    return F.pad(x, [0, 0] * (x.ndim - 1 - axis) + [0, more])


def mends(model: Any, sizes: tuple[int, ...]) -> list[tuple[str, list[Change]]]:
    """Return the ways of mending that let a model take sizes, with what each changes.

    Upsamplings are told what to reach, or, where that does not do, maps are padded or cropped where
    they meet.
    """
    found: list[tuple[str, list[Change]]] = []
    for fix in ("output_padding", "size", "pad", "crop"):
        if found and fix in ("size", "pad"):
            break
        changes = _mended(model, sizes, fix)
        if changes:
            found.append((fix, changes))
    return found


def _mended(model: Any, sizes: tuple[int, ...], fix: str) -> list[Change]:
    """Return what a way of mending changes, if the model takes the sizes then."""
    changed = copy.copy(model)
    changed.mending = mending = Mending(fix)
    while True:
        try:
            found = changed.plain(sizes)
        except Failure:
            if mending.failing and mending.proposed:
                mending.plan.update(mending.proposed)
                continue
            return []
        return [] if any(0 in shape for shape in outs(found)) else mending.changed


def _entry(value: Any, axis: int) -> Any:
    if isinstance(value, tuple | list):
        return value[axis] if len(value) > 1 else value[0]
    return value


def _agree(first: Any, second: Any) -> bool:
    """Tell whether sizes are the same for the size whose path is followed."""

    def at_hint(size: Any) -> int:
        return int(size.node.hint) if isinstance(size, torch.SymInt) else int(size)

    return len(first) == len(second) and all(
        at_hint(a) == at_hint(b) for a, b in zip(first, second, strict=True)
    )
