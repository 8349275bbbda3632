"""The one place where arrays and arguments are checked.

Each function checks one concept and returns the normalised value. What passes here is what the
kernels rely on: native byte order, a known dtype, whole numbers in range, an `out` that can be
written and overlaps nothing. `operation` is the public function's name: messages open with it.
"""

from __future__ import annotations

import math
import operator
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upshape.shapes import Padding

__all__ = [
    "as_array", "as_bool", "as_choice", "as_dtype_of", "as_int", "as_ints", "as_padding",
    "as_spatial_sizes",
    "axes_wanted", "check_channels", "check_divides", "check_memory", "check_no_empty_axis",
    "check_out", "check_rank", "check_reach", "check_shape", "has_own_memory", "named", "overlap",
    "shown",
]

AnyArray = NDArray[Any]

# What most arrays are made of: their names, without asking twice.
_PLAIN_DTYPES = {np.dtype(name): name for name in ("float32", "float64")}

# Pixels. No memory holds so many, and products of a few such numbers still fit 64 bits.
_FARTHEST = 1 << 44

# Characters of a value in a message.
_MOST_SHOWN = 200


def as_array(operation: str, name: str, value: Any, dtypes: Sequence[str] = ()) -> AnyArray:
    """Return `value` as an ndarray of native byte order, of one of `dtypes` if any are given.

    Raises TypeError for other dtypes, for dtypes without a fixed size, for ragged sequences, for
    masked arrays, and for what another library does not hand out as an array.
    """
    array = value if type(value) is np.ndarray else _from_other(operation, name, value)
    dtype = array.dtype
    if dtype in _PLAIN_DTYPES and (not dtypes or _PLAIN_DTYPES[dtype] in dtypes):
        return array
    if dtype.hasobject or dtype.itemsize == 0 or type(dtype).__name__ == "StringDType":
        raise TypeError(
            f"{operation}: {name} has dtype {dtype}, which has no fixed size; "
            f"convert it with {name}.astype(...) first"
        )
    if dtypes and dtype.name not in dtypes:
        raise TypeError(
            f"{operation}: {name} has dtype {dtype}; it can be {_or(dtypes)} "
            f"(convert it with {_conversion(name, value, dtypes[0])})"
        )
    native = _native(dtype)
    return array if native is dtype else array.astype(native)


def _conversion(name: str, value: Any, dtype: str) -> str:
    """Return how an array, or what is none yet, is converted."""
    if hasattr(value, "astype"):
        return f"{name}.astype(np.{dtype})"
    return f"np.asarray({name}, np.{dtype})"


def _from_other(operation: str, name: str, value: Any) -> AnyArray:
    """Return what is no plain ndarray as one: sequences, other libraries' arrays and tensors."""
    if _is_masked(value):
        raise TypeError(
            f"{operation}: {name} is a masked array, whose mask would be lost; "
            f"pass {name}.filled(...) or {name}.data"
        )
    if callable(getattr(value, "state_dict", None)):
        raise TypeError(
            f"{operation}: {name} is a module, {type(value).__name__}, and no array; "
            f"pass its weight, or make a layer of it with up.from_torch"
        )
    if value is None:
        raise TypeError(f"{operation}: {name} is None; it must be an array")
    if isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(
            f"{operation}: {name}={shown(value)} is no array; read a file first, as in "
            f"np.asarray(PIL.Image.open(path))"
        )
    try:
        if getattr(value, "requires_grad", False) and hasattr(value, "detach"):
            value = value.detach()  # a PyTorch tensor: its values are what is asked for
        return np.asarray(value)
    except Exception as error:  # whatever another library raises where it hands out no array
        help_ = "pass a NumPy array or nested sequences of one length"
        if hasattr(value, "detach"):
            help_ = f"pass {name}.detach().cpu().float().numpy() or the like"
        raise TypeError(
            f"{operation}: {name} cannot be made an array ({error}); {help_}"
        ) from error


def _is_masked(value: Any) -> bool:
    """Return whether this is a masked array; where nobody has imported those, there are none."""
    ma = sys.modules.get("numpy.ma")
    return ma is not None and isinstance(value, ma.MaskedArray)


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a dtype with all its parts in native byte order; itself, if they are."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        own = _native(base)
        return dtype if own is base else np.dtype((own, shape))
    if dtype.fields is None:
        return dtype if dtype.isnative else dtype.newbyteorder("=")
    names = list(dtype.names or ())
    formats = [_native(dtype.fields[name][0]) for name in names]
    if all(own is dtype.fields[name][0] for own, name in zip(formats, names, strict=True)):
        return dtype
    return np.dtype({
        "names": names, "formats": formats, "itemsize": dtype.itemsize,
        "offsets": [dtype.fields[name][1] for name in names],
    })


def as_dtype_of(
    operation: str, name: str, value: Any, other: str, dtype: np.dtype[Any]
) -> AnyArray:
    """Return `value` as an ndarray of exactly this dtype, which the argument `other` has.

    Python's own numbers have no dtype and take this one, as NumPy's promotion (NEP 50) has it.
    """
    array = as_array(operation, name, value)
    if array.dtype != dtype and _is_python(value) and array.dtype.kind in "if":
        array = array.astype(dtype)
    if array.dtype != dtype:
        raise TypeError(
            f"{operation}: {name} has dtype {array.dtype}, but {other} has {dtype}; "
            f"both must be alike (convert one with .astype)"
        )
    return array


def _is_python(value: Any) -> bool:
    """Return whether a value is made of Python's lists, tuples, ints and floats alone."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_python, value))
    return type(value) in (int, float)


def check_rank(operation: str, name: str, array: AnyArray, ranks: dict[int, str]) -> None:
    """Check the number of axes; `ranks` names the layout that each allowed number stands for."""
    if array.ndim not in ranks:
        layouts = _or([f"{axes_of(rank)} {layout}" for rank, layout in ranks.items()])
        raise ValueError(
            f"{operation}: {name} has shape {array.shape}, {axes_of(array.ndim)}; "
            f"it must have {layouts}"
        )


def axes_of(count: int, kind: str = "") -> str:
    """Say how many axes there are: "1 axis", "2 spatial axes"."""
    return f"{count} {kind}{'axis' if count == 1 else 'axes'}"


def as_int(
    operation: str, name: str, value: Any, least: int, most: int | None = None, whole: Any = None
) -> int:
    """Return `value` as an int of at least `least` and at most `most`; bools are refused.

    `whole`: what the user passed, if this is one number of it.

    >>> as_int("interpolate", "size", 0, 1, whole=(4, 0))
    Traceback (most recent call last):
    ValueError: interpolate: size=0 must be 1 or more, in size=(4, 0)
    """
    given = "" if whole is None else f", in {name}={shown(whole)}"
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{operation}: {name}={shown(value)} must be an int, not a bool{given}")
    try:
        number = operator.index(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(
            f"{operation}: {name}={shown(value)} must be an int, not {kind}{given}"
        ) from None
    if number < least or (most is not None and number > most):
        allowed = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"{operation}: {name}={shown(value)} must be {allowed}{given}")
    return number


def as_ints(
    operation: str, name: str, value: Any, count: int, least: int, spread: bool = True
) -> tuple[int, ...]:
    """Return `value`, an int for all axes or one int for each, as `count` ints.

    `spread`: whether a sequence of one int is taken for all axes.
    """
    if _is_sequence(value):
        if len(value) != count and not (len(value) == 1 and spread):
            numbers = "number" if len(value) == 1 else "numbers"
            raise ValueError(
                f"{operation}: {name}={shown(value)} has {len(value)} {numbers}; "
                f"it must be {axes_wanted('int', count)}"
            )
        given = tuple(as_int(operation, name, one, least, whole=value) for one in value)
        return given * (count // len(value))
    if count > 1 and not hasattr(value, "__index__"):
        raise TypeError(
            f"{operation}: {name}={shown(value)} must be an int, or a tuple or list of {count} "
            f"({', '.join('DHW'[-count:])}), not {type(value).__name__}"
        )
    return (as_int(operation, name, value, least),) * count


def as_padding(
    operation: str, name: str, value: Any, count: int, words: Sequence[str]
) -> str | tuple[int | tuple[int, int], ...]:
    """Return what is padded at each of `count` axes: an int, or a pair (before, after); or a word.

    >>> as_padding("conv2d", "padding", ((0, 1), 2), 2, ("same", "valid"))
    ((0, 1), 2)
    >>> as_padding("conv2d", "padding", 1, 2, ("same", "valid"))
    (1, 1)
    """
    if isinstance(value, str):
        return as_choice(operation, name, value, words)
    if isinstance(value, Padding):
        value = (value,)  # the same two sides for all axes
    if isinstance(value, np.ndarray) and value.ndim == 2:
        value = tuple(map(tuple, value.tolist()))
    if not _is_sequence(value) or not any(map(_is_sequence, value)):
        if count == 1 and _is_sequence(value) and len(value) == 2:
            raise ValueError(
                f"{operation}: {name}={shown(value)} has 2 numbers; it must be one int, or one "
                f"pair (before, after) in a tuple: {name}=({shown(tuple(value))},)"
            )
        return as_ints(operation, name, value, count, 0)
    if len(value) not in (1, count):
        raise ValueError(
            f"{operation}: {name}={shown(value)} has {len(value)} entries; it must be "
            f"{axes_wanted('int or pair (before, after)', count)}"
        )
    return tuple(_sides(operation, name, one, value) for one in value) * (count // len(value))


def _sides(operation: str, name: str, one: Any, value: Any) -> int | tuple[int, int]:
    """Return what is padded at an axis: an int, or a pair."""
    if not _is_sequence(one):
        return as_int(operation, name, one, 0, whole=value)
    if len(one) != 2:
        raise ValueError(
            f"{operation}: {name}={shown(value)} must have an int or a pair (before, after) an axis"
        )
    before, after = (as_int(operation, name, side, 0, whole=value) for side in one)
    return before, after


def axes_wanted(kind: str, count: int) -> str:
    """Say what is taken for so many spatial axes: "one int, or 2 (H, W)"."""
    if count == 1:
        return f"one {kind}"
    return f"one {kind} for all spatial axes, or {count} ({', '.join('DHW'[-count:])})"


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim == 1)


def as_real(value: Any) -> float | None:
    """Return a number as a float, infinity if it is beyond those; None: it is no number.

    >>> as_real(np.float32(0.5)), as_real(10**400), as_real(True), as_real(np.array([1, 2]))
    (0.5, inf, None, None)
    """
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):  # an array of several numbers, or of none
        return None


def shown(value: Any) -> str:
    """Return how the user wrote this, NumPy's arrays as tuples; what is long is cut.

    >>> shown(np.array([3, 4])), shown("x" * 1000)[190:]
    ('(3, 4)', 'xxxxxxx...')
    """
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = tuple(value[:_MOST_SHOWN].tolist())
    try:
        text = repr(value)
    except Exception:  # an int of more digits than Python prints, or an object of the user's
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN - 3] + "..."


def as_bool(operation: str, name: str, value: Any) -> bool:
    """Return `value` as a bool; only True, False and NumPy's bools are taken."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{operation}: {name}={shown(value)} must be True or False")
    return bool(value)


def as_choice(operation: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """Return `value`, one of some words."""
    if value not in choices:
        words = _or([repr(choice) for choice in choices])
        raise ValueError(
            f"{operation}: {name}={shown(value)} must be an int or {words}{meant(value, choices)}"
        )
    return str(value)


def meant(
    value: object, words: Sequence[str], aliases: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Return the word that a wrong one, or its alias, is closest to, as a question; or nothing.

    >>> meant("half-pixel", ["half_pixel", "asymmetric"]), meant(3, ["half_pixel"])
    ("; did you mean 'half_pixel'?", '')
    """
    if not isinstance(value, str):
        return ""
    from difflib import get_close_matches  # only where something is wrong

    known = {alias: word for alias, word in aliases.items() if word in words}
    known |= {word: word for word in words}
    known = {written.replace("-", "_"): word for written, word in known.items()}
    near = get_close_matches(value.lower().replace("-", "_"), known, 1, cutoff=0.84)
    return f"; did you mean {known[near[0]]!r}?" if near else ""


def as_spatial_sizes(
    operation: str, name: str, value: Any, count: int, others: int
) -> tuple[int, ...]:
    """Return the sizes of `count` spatial axes, given as such or after `others` of a whole shape.

    Of a whole shape, batch and channels are not looked at, as in PyTorch: ``skip.shape`` says
    where to go, whatever the skip connection's channels.
    """
    if _is_sequence(value) and len(value) == others + count:
        for number in value[:-count]:
            as_int(operation, name, number, 0, whole=value)
        value = tuple(value[-count:])
    return as_ints(operation, name, value, count, 1, spread=False)


def check_no_empty_axis(operation: str, name: str, array: AnyArray, first: int = 0) -> None:
    """Check that no axis from `first` on has size 0."""
    if 0 in array.shape[first:]:
        axis = array.shape.index(0, first)
        raise ValueError(
            f"{operation}: {name} has shape {array.shape}; axis {axis} must have size 1 or more"
        )


def check_shape(
    operation: str, name: str, array: AnyArray, shape: tuple[int, ...], meaning: str
) -> None:
    """Check that an array has exactly this shape."""
    if array.shape != shape:
        raise ValueError(
            f"{operation}: {name} has shape {array.shape}; it must have {shape}, {meaning}"
        )


def check_reach(operation: str, name: str, values: Sequence[int]) -> None:
    """Check that a window's parameters do not lead further than any array does."""
    if any(value > _FARTHEST for value in values):
        raise ValueError(
            f"{operation}: {name} reaches {shown(max(values))} pixels far, beyond any array; "
            f"it can reach {_FARTHEST}"
        )


def check_divides(operation: str, name: str, number: int, other: str, array: AnyArray) -> None:
    """Check that a number of groups divides the first axis of an array."""
    if array.shape[0] % number:
        raise ValueError(
            f"{operation}: {name}={shown(number)} does not divide the {array.shape[0]} channels of "
            f"axis 0 of {other}, whose shape is {array.shape}"
        )


def check_channels(
    operation: str, name: str, array: AnyArray, axis: int, channels: int,
    weight_shape: tuple[int, ...], groups: int,
) -> None:
    """Check that an input has the channels that the weights are for."""
    if array.shape[axis] != channels:
        raise ValueError(
            f"{operation}: {name} has shape {array.shape} with {array.shape[axis]} channels "
            f"(axis {axis}); weight of shape {weight_shape} with groups={groups} takes {channels}"
        )


def check_out(
    operation: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], *inputs: AnyArray
) -> AnyArray:
    """Check that `out` can hold the result and that writing it changes no input."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{operation}: out must be a NumPy array, not {type(out).__name__}")
    if _is_masked(out):
        raise TypeError(
            f"{operation}: out is a masked array, whose mask would stay as it is; pass out.data"
        )
    if out.dtype != dtype or not out.dtype.isnative:
        raise TypeError(f"{operation}: out has dtype {out.dtype}; it must have {dtype}")
    if out.shape != shape:
        raise ValueError(f"{operation}: out has shape {out.shape}; it must have {shape}")
    if not out.flags.writeable:
        raise ValueError(f"{operation}: out is read-only; it must be writeable")
    if not has_own_memory(out):
        raise ValueError(
            f"{operation}: out has elements that share memory (strides {out.strides}); "
            f"each must have its own, as in np.empty({shape}, np.{dtype})"
        )
    for array in inputs:
        if overlap(out, array):
            raise ValueError(
                f"{operation}: out overlaps an input in memory; it must be an array of its own"
            )
    return out


def check_memory(operation: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse a result that no memory holds, before anything of its size is made."""
    if math.prod(shape) * dtype.itemsize >= 2**47:
        raise MemoryError(
            f"{operation}: no memory holds a result of shape {shown(shape)} and dtype {dtype}"
        )


class named:
    """Let a MemoryError say whose it is: ``with named("conv2d"): ...``.

    A class, since a generator is made anew for every call and wants memory of its own at the end.
    """

    __slots__ = ("operation",)

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MemoryError):
            told = str(error)
            if not told.startswith(f"{self.operation}: "):
                raise MemoryError(f"{self.operation}: {told or 'no memory is left'}") from None


def has_own_memory(array: AnyArray) -> bool:
    """Return whether no two elements of an array share memory, as far as its strides prove it."""
    reach = array.itemsize
    axes = zip(map(abs, array.strides), array.shape, strict=True)
    for stride, size in sorted(axis for axis in axes if axis[1] > 1):
        if stride < reach:
            return array.size == 0
        reach += stride * (size - 1)
    return True


def overlap(a: AnyArray, b: AnyArray) -> bool:
    """Return whether two arrays share memory; where that is too hard to tell, say yes."""
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def _or(words: Sequence[str]) -> str:
    """Join words as a sentence lists them: a, b or c."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
