"""A convolution without the values of its weights: its arguments, checked, and its sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from upshape import arrays, shapes

__all__ = [
    "SAME", "AnyArray", "Ints", "Pads", "Parameters", "as_input", "check_parameters", "out_shape",
    "padded", "paddings", "short",
]

AnyArray = NDArray[Any]
Ints = int | Sequence[int]
Pads = int | str | Sequence[int | Sequence[int]]

_DTYPES = ("float32", "float64")
_LAYOUTS = {
    1: "(N, C, L) or (C, L)",
    2: "(N, C, H, W) or (C, H, W)",
    3: "(N, C, D, H, W) or (C, D, H, W)",
}
# The words that padding can be: TensorFlow's SAME, and PyTorch's words.
SAME = ("same_upper", "same_lower")
_WORDS = ("same", "valid", *SAME)

# Taps of a kernel. With more, sums take seconds and longer that a Fourier transform does at once.
_MOST_TAPS = 1 << 18


class Parameters(NamedTuple):
    """What a layer is, without its weights' values: hashable, one int an axis."""

    operation: str
    transposed: bool
    weight_shape: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]  # at the start of each axis
    dilation: tuple[int, ...]
    groups: int
    relation: shapes.Conv | shapes.ConvTranspose
    single: bool

    @property
    def axes(self) -> int:
        """How many spatial axes there are."""
        return len(self.stride)

    @property
    def kernel(self) -> tuple[int, ...]:
        """The kernel's size, one int an axis."""
        return self.weight_shape[2:]

    @property
    def channels_in(self) -> int:
        """How many channels the input has."""
        return self.weight_shape[0] if self.transposed else self.weight_shape[1] * self.groups

    @property
    def channels_out(self) -> int:
        """How many channels the output has."""
        return self.weight_shape[1] * self.groups if self.transposed else self.weight_shape[0]


def check_parameters(
    operation: str, weight: ArrayLike, bias: ArrayLike | None, stride: Ints, padding: Pads,
    output_padding: Ints | None, groups: int, dilation: Ints, axes: int,
) -> tuple[Parameters, AnyArray, AnyArray | None]:
    """Check everything but the input; output_padding None: an ordinary convolution."""
    transposed = output_padding is not None
    weight = arrays.as_array(operation, "weight", weight, _DTYPES)
    kernel = ", ".join(("kD", "kH", "kW")[-axes:] if axes > 1 else ("k",))
    first = "C_in, C_out/groups" if transposed else "C_out, C_in/groups"
    arrays.check_rank(operation, "weight", weight, {axes + 2: f"({first}, {kernel})"})
    arrays.check_no_empty_axis(operation, "weight", weight)
    if math.prod(weight.shape[2:]) > _MOST_TAPS:
        raise ValueError(
            f"{operation}: weight has shape {weight.shape}, {math.prod(weight.shape[2:])} taps; "
            f"it can have {_MOST_TAPS} (for more, convolve by a Fourier transform, as "
            f"scipy.signal.fftconvolve does)"
        )
    groups = arrays.as_int(operation, "groups", groups, 1)
    arrays.check_divides(operation, "groups", groups, "weight", weight)
    strides = arrays.as_ints(operation, "stride", stride, axes, 1)
    dilations = arrays.as_ints(operation, "dilation", dilation, axes, 1)
    if transposed and isinstance(padding, str) and padding not in SAME:
        raise TypeError(
            f"{operation}: padding={arrays.shown(padding)} must be an int, or 'same_upper' or "
            f"'same_lower', TensorFlow's SAME: o = i*stride"
        )
    pads = arrays.as_padding(operation, "padding", padding, axes, _WORDS)
    channels = weight.shape[1] * groups if transposed else weight.shape[0]
    if isinstance(bias, bool):
        raise TypeError(
            f"{operation}: bias={bias} says whether PyTorch makes one; here it is an array, one "
            f"number an output channel, or None"
        )
    if bias is not None:
        bias = arrays.as_dtype_of(operation, "bias", bias, "weight", weight.dtype)
        arrays.check_shape(operation, "bias", bias, (channels,), "one number an output channel")
    extra = None
    if output_padding is not None:
        extra = arrays.as_ints(operation, "output_padding", output_padding, axes, 0)
    parameters = _parameters(
        operation, weight.shape, strides, pads, extra, dilations, groups,
        weight.dtype == np.float32,
    )
    return parameters, weight, bias


@lru_cache(maxsize=1024)
def _parameters(
    operation: str, weight_shape: tuple[int, ...], strides: tuple[int, ...],
    pads: str | tuple[int | tuple[int, int], ...], extra: tuple[int, ...] | None,
    dilations: tuple[int, ...], groups: int, single: bool,
) -> Parameters:
    """Return the parameters of a layer, as far as they can be checked without arrays."""
    kernels = weight_shape[2:]
    sides = [] if isinstance(pads, str) else [
        one if isinstance(one, tuple) else (one, one) for one in pads
    ]
    for name, values in {
        "stride": strides, "padding": [side for pair in sides for side in pair],
        "dilation": [d * (k - 1) for d, k in zip(dilations, kernels, strict=True)],
    }.items():
        arrays.check_reach(operation, name, values)
    if pads == "same" and set(strides) != {1}:
        raise ValueError(
            f"{operation}: padding='same' needs stride=1, got stride={short(strides)}; "
            f"give the padding as ints, or as 'same_upper', TensorFlow's SAME"
        )
    relation: Any
    if extra is not None:
        relation = _sized(operation, shapes.ConvTranspose, kernels, strides, pads, extra, dilations)
    else:
        relation = _sized(operation, shapes.Conv, kernels, strides, pads, dilations)
    # A word: what it stands for at the smallest size; with SAME, each call asks anew (padded).
    before = tuple(before for before, _ in sides or relation.padding_for(relation.minimum))
    return Parameters(
        operation, extra is not None, weight_shape, strides, before, dilations, groups, relation,
        single,
    )


def padded(
    parameters: Parameters, sizes: tuple[int, ...], output_sizes: tuple[int, ...]
) -> Parameters:
    """Return the parameters with what is padded before the first pixel of inputs of these sizes.

    A kernel needs to know no more: zeros after the last pixel are where the output's size says.
    """
    relation: Any = parameters.relation
    if relation.axes[0].padding not in SAME:  # which stands for all axes
        return parameters
    of = (sizes, output_sizes) if parameters.transposed else (sizes,)
    return parameters._replace(padding=tuple(pair.before for pair in relation.padding_for(*of)))


def _sized(operation: str, ask: Callable[..., Any], *arguments: Any) -> Any:
    """Ask the size solver; what it refuses is refused in the name of the operation."""
    try:
        return ask(*arguments)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{operation}: {error}") from None


def as_input(parameters: Parameters, x: ArrayLike) -> AnyArray:
    """Return the input as an array of the right dtype, rank and channels."""
    operation, axes = parameters.operation, parameters.axes
    dtype = np.dtype(np.float32 if parameters.single else np.float64)
    array = arrays.as_array(operation, "x", x, _DTYPES)
    array = arrays.as_dtype_of(operation, "x", array, "weight", dtype)
    layouts = _LAYOUTS[axes].split(" or ")
    arrays.check_rank(operation, "x", array, {axes + 2: layouts[0], axes + 1: layouts[1]})
    arrays.check_channels(
        operation, "x", array, array.ndim - axes - 1, parameters.channels_in,
        parameters.weight_shape, parameters.groups,
    )
    arrays.check_no_empty_axis(operation, "x", array, first=array.ndim - axes)
    return array


def out_shape(
    parameters: Parameters, x_shape: tuple[int, ...], output_size: Any, batched: bool = True
) -> tuple[int, ...]:
    """Return the shape of the result for an input of shape (N, C, *spatial)."""
    operation, axes = parameters.operation, parameters.axes
    relation: Any = parameters.relation
    sizes = x_shape[-axes:]
    if output_size is None:
        spatial = _sized(operation, relation, sizes)
    else:
        wanted = arrays.as_spatial_sizes(
            operation, "output_size", output_size, axes, 2 if batched else 1
        )
        try:
            spatial = relation(sizes, wanted)
        except ValueError:
            raise ValueError(_unreachable(parameters, sizes, output_size)) from None
    return (x_shape[0], parameters.channels_out, *spatial)


def _unreachable(
    parameters: Parameters, sizes: tuple[int, ...], output_size: Any
) -> str:
    """Say which output sizes there are instead of the one that was asked for."""
    told = []
    for axis, i in zip(parameters.relation.axes, sizes, strict=True):
        # As axis.choices(i), of which there are as many as the stride.
        low = axis._smallest(i)
        low, high = max(low, 1), low + axis.stride - 1
        if high < 1:
            told.append("none (the padding takes away all of the output)")
        else:
            told.append(f"{low}" if low == high else
                        f"{low} or {high}" if high == low + 1 else f"{low} to {high}")
    if len(set(told)) == 1:
        can = ("each axis" if len(told) > 1 else "it") + f" can be {told[0]}"
    else:
        can = "; ".join(f"axis {axis} can be {text}" for axis, text in enumerate(told))
    show = {"kernel_size": parameters.weight_shape[2:], "stride": parameters.stride,
            "padding": paddings(parameters), "dilation": parameters.dilation}
    words = ", ".join(
        f"{name}={short(value)!r}"
        for name, value in show.items() if name != "dilation" or set(value) != {1}
    )
    return (f"{parameters.operation}: output_size={arrays.shown(output_size)} cannot be reached "
            f"from input {sizes if len(sizes) > 1 else sizes[0]} with {words}; {can}")


def paddings(parameters: Parameters) -> tuple[Any, ...]:
    """Return what is padded at each axis: an int, a Padding of two sides, or a word."""
    return tuple(axis.padding for axis in parameters.relation.axes)


def short(values: tuple[Any, ...]) -> Any:
    """Return one number where all axes have the same."""
    return values[0] if len(set(values)) == 1 else values
