"""The one place where arrays and arguments are checked.

Each function checks one concept and returns the normalised value. What passes here is what the
kernels rely on: native byte order, a known dtype, whole numbers in range, an `out` that can be
written and overlaps nothing. `operation` is the public function's name: messages open with it.
"""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "as_array", "as_bool", "as_choice", "as_dtype_of", "as_int", "as_ints", "as_spatial_sizes",
    "check_channels", "check_divides", "check_no_empty_axis", "check_out", "check_rank",
    "check_reach", "check_shape", "has_own_memory",
]

AnyArray = NDArray[Any]

# What most arrays are made of: their names, without asking twice.
_PLAIN_DTYPES = {np.dtype(name): name for name in ("float32", "float64")}

# Pixels. No memory holds so many, and products of a few such numbers still fit 64 bits.
_FARTHEST = 1 << 44


def as_array(operation: str, name: str, value: Any, dtypes: Sequence[str] = ()) -> AnyArray:
    """Return `value` as an ndarray of native byte order, of one of `dtypes` if any are given.

    Raises TypeError for other dtypes, for dtypes without a fixed size and for ragged sequences.
    """
    if type(value) is np.ndarray:
        array = value
    else:
        try:
            array = np.asarray(value)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{operation}: {name} cannot be made an array ({error}); "
                f"pass a NumPy array or nested sequences of one length"
            ) from error
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
            f"(convert it with {name}.astype(np.{dtypes[0]}))"
        )
    if not dtype.isnative:
        array = array.astype(dtype.newbyteorder("="))
    return array


def as_dtype_of(
    operation: str, name: str, value: Any, other: str, dtype: np.dtype[Any]
) -> AnyArray:
    """Return `value` as an ndarray of exactly this dtype, which the argument `other` has."""
    array = as_array(operation, name, value)
    if array.dtype != dtype:
        raise TypeError(
            f"{operation}: {name} has dtype {array.dtype}, but {other} has {dtype}; "
            f"both must be alike (convert one with .astype)"
        )
    return array


def check_rank(operation: str, name: str, array: AnyArray, ranks: dict[int, str]) -> None:
    """Check the number of axes; `ranks` names the layout that each allowed number stands for."""
    if array.ndim not in ranks:
        layouts = _or([f"{rank} axes {layout}" for rank, layout in ranks.items()])
        raise ValueError(
            f"{operation}: {name} has shape {array.shape}, {array.ndim} axes; "
            f"it must have {layouts}"
        )


def as_int(operation: str, name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return `value` as an int of at least `least` and at most `most`; bools are refused."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{operation}: {name}={value!r} must be an int, not a bool")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{operation}: {name}={value!r} must be an int, not {type(value).__name__}"
        ) from None
    if number < least or (most is not None and number > most):
        allowed = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"{operation}: {name}={value!r} must be {allowed}")
    return number


def as_ints(operation: str, name: str, value: Any, count: int, least: int) -> tuple[int, ...]:
    """Return `value`, an int for all axes or one int an axis, as `count` ints."""
    if isinstance(value, (tuple, list, np.ndarray)) and np.ndim(value) == 1:
        if len(value) == 1 and count > 1:
            value = tuple(value) * count
        if len(value) != count:
            raise ValueError(
                f"{operation}: {name}={value!r} has {len(value)} numbers; "
                f"it must be one int, or {count}, one a spatial axis"
            )
        return tuple(as_int(operation, name, number, least) for number in value)
    return (as_int(operation, name, value, least),) * count


def as_bool(operation: str, name: str, value: Any) -> bool:
    """Return `value` as a bool; only True, False and NumPy's bools are taken."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{operation}: {name}={value!r} must be True or False")
    return bool(value)


def as_choice(operation: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """Return `value`, one of some words."""
    if value not in choices:
        words = _or([repr(choice) for choice in choices])
        raise ValueError(f"{operation}: {name}={value!r} must be an int or {words}")
    return str(value)


def as_spatial_sizes(
    operation: str, name: str, value: Any, count: int, batch: int, channels: int
) -> tuple[int, ...]:
    """Return the sizes of `count` spatial axes, given as such or as the whole shape."""
    if isinstance(value, (tuple, list, np.ndarray)) and np.ndim(value) == 1:
        if len(value) == count + 2:
            given = tuple(as_int(operation, name, number, 0) for number in value[:2])
            if given != (batch, channels):
                raise ValueError(
                    f"{operation}: {name}={value!r} is a whole shape with {given[0]} images of "
                    f"{given[1]} channels, but the result has {batch} of {channels}; "
                    f"give the spatial sizes alone"
                )
        elif len(value) == count + 1:
            if as_int(operation, name, value[0], 0) != channels:
                raise ValueError(
                    f"{operation}: {name}={value!r} is a whole shape with {value[0]} channels, "
                    f"but the result has {channels}; give the spatial sizes alone"
                )
        else:
            return as_ints(operation, name, value, count, 1)
        return as_ints(operation, name, tuple(value[-count:]), count, 1)
    return as_ints(operation, name, value, count, 1)


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
            f"{operation}: {name} reaches {max(values)} pixels far, beyond any array; "
            f"it can reach {_FARTHEST}"
        )


def check_divides(operation: str, name: str, number: int, other: str, array: AnyArray) -> None:
    """Check that a number of groups divides the first axis of an array."""
    if array.shape[0] % number:
        raise ValueError(
            f"{operation}: {name}={number} does not divide the {array.shape[0]} channels of "
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
