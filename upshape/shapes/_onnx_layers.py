"""What the operators of ONNX that compute layers do to shapes: windows, products, reductions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from ._layer import Padding
from ._onnx_ops import (
    Inputs,
    Node,
    add,
    axes_of,
    axis_of,
    broadcast,
    fits,
    joined,
    largest,
    listed,
    multiply,
    operator,
    refuse,
    sizes_of,
    smallest,
)
from ._onnx_values import Real, Tensor, Unread, at_least, equal, product
from .layers import Conv, ConvTranspose, Pool

LARGE = 2**22  # no axis has so many pixels


# Products of matrices.


@operator("MatMul", "MatMulInteger")
def matmul(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Multiply the last two axes; broadcast the others."""
    return [Tensor(_product(node, inputs[0].shape, inputs[1].shape))]


@operator("QLinearMatMul")
def quantized_matmul(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Multiply matrices of which each has a scale and a zero point."""
    return [Tensor(_product(node, inputs[0].shape, inputs[3].shape), None, False)]


def _product(node: Node, first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    """Return the shape of a product of matrices, or vectors."""
    a, b = list(first), list(second)
    row, column = len(a) == 1, len(b) == 1
    a, b = [1, *a] if row else a, [*b, 1] if column else b
    if not equal(a[-1], b[-2]):
        raise refuse(node, f"shapes {listed(first)} and {listed(second)}")
    made = [*joined(node, a[:-2], b[:-2])]
    made += [] if row else [a[-2]]
    made += [] if column else [b[-1]]
    return made


@operator("Gemm")
def gemm(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Multiply two matrices."""
    a, b = list(inputs[0].shape), list(inputs[1].shape)
    a = a[::-1] if node.get("transA", 0) else a
    b = b[::-1] if node.get("transB", 0) else b
    if len(a) != 2 or len(b) != 2:
        raise refuse(node, f"shapes {listed(a)} and {listed(b)}, but it takes matrices")
    if not equal(a[1], b[0]):
        raise refuse(node, f"{listed(a[1:2])} features, but the weights take {listed(b[:1])}")
    made = (a[0], b[1])
    if len(inputs) > 2 and inputs[2] is not None:
        fits(node, made, inputs[2].shape)
    return [Tensor(made)]


@operator("Einsum")
def einsum(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Sum over the letters that the result lacks."""
    equation = node.get("equation").replace(" ", "")
    left, arrow, right = equation.partition("->")
    known: dict[str, Any] = {}
    dots: tuple[Any, ...] = ()
    for term, one in zip(left.split(","), inputs, strict=True):
        before, ellipsis, after = term.partition("...")
        sizes = list(one.shape)
        middle = len(sizes) - len(before) - len(after)
        if middle < 0 or (middle and not ellipsis):
            raise refuse(node, f"{term} for a tensor with {len(sizes)} axes")
        letters = [*before, *[""] * middle, *after]
        if ellipsis:
            dots = joined(node, dots, sizes[len(before) : len(before) + middle])
        for letter, size in zip(letters, sizes, strict=True):
            if not letter:
                continue
            have = known.get(letter, size)
            known[letter] = broadcast(node, have, size, [have], [size])
    if not arrow:
        single = [letter for letter in sorted(known) if left.count(letter) == 1]
        right = ("..." if "..." in left else "") + "".join(single)
    before, ellipsis, after = right.partition("...")
    made = [known[letter] for letter in before]
    made += [*dots] if ellipsis else []
    return [Tensor([*made, *(known[letter] for letter in after)])]


# Reductions.


@operator(
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
    "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare",
)  # fmt: skip
def reduce(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Leave axes out, or at size 1."""
    x = inputs[0]
    rank = len(x.shape)
    axes = axes_of(node, inputs, 1)
    if not axes:
        if node.get("noop_with_empty_axes", 0):
            return [x.like()]
        axes = list(range(rank))
    gone = {axis_of(node, axis, rank) for axis in axes}
    keep = node.get("keepdims", 1)
    if x.data is not None and node.op in REDUCED and rank == 1 and len(x.data):
        made = x.data[0]
        for one in x.data[1:]:
            made = REDUCED[node.op](made, one)
        return [Tensor.holding([made] if keep else made, x.is_float)]
    return [_without(x, gone, keep)]


REDUCED = {
    "ReduceMax": largest, "ReduceMin": smallest, "ReduceProd": multiply, "ReduceSum": add,
}  # fmt: skip


def _without(x: Tensor, gone: set[int], keep: int, is_float: bool = True) -> Tensor:
    sizes = [
        1 if axis in gone else one for axis, one in enumerate(x.shape) if keep or axis not in gone
    ]
    return Tensor(sizes, None, is_float)


@operator("ArgMax", "ArgMin")
def arg_max(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Leave one axis out, or at size 1."""
    x = inputs[0]
    gone = {axis_of(node, node.get("axis", 0), len(x.shape))}
    return [_without(x, gone, node.get("keepdims", 1), False)]


@operator("TopK")
def top_k(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Keep the k largest along an axis."""
    x = inputs[0]
    axis = axis_of(node, node.get("axis", -1), len(x.shape))
    (count,) = inputs[1].listed("k") if len(inputs) > 1 else [node.get("k")]
    if not at_least(x.shape[axis], count):
        raise refuse(node, f"{listed([count])} of {listed([x.shape[axis]])}")
    sizes = [count if place == axis else one for place, one in enumerate(x.shape)]
    return [Tensor(sizes), Tensor(sizes, None, False)]


# Windows.


def _entries(node: Node, name: str, axes: int, default: int) -> list[int]:
    found = node.get(name)
    return [default] * axes if not found else list(found)


def _paddings(node: Node, axes: int) -> list[Any]:
    """Return what is padded on every axis, as the layers take it."""
    word = node.get("auto_pad", "NOTSET")
    if word in ("SAME_UPPER", "SAME_LOWER"):
        return [word.lower()] * axes
    pads = _entries(node, "pads", 2 * axes, 0)
    if word == "VALID":
        pads = [0] * (2 * axes)
    return [Padding(pads[axis], pads[axis + axes]) for axis in range(axes)]


def _through(node: Node, kind: Any, parameters: Sequence[Any], size: Any) -> Any:
    """Return the output size of a layer, refused where the size is too small."""
    try:
        layer = kind(*parameters)
    except ValueError as error:  # no size is taken with such parameters
        raise refuse(node, str(error)) from None
    if not at_least(size, layer.minimum):
        told = listed([size])
        if isinstance(layer, ConvTranspose):
            raise refuse(node, f"size {told} leaves no output; it must be {layer.minimum} or more")
        raise refuse(
            node,
            f"the kernel, which spans {layer.effective_kernel}, does not fit into {told} and its "
            f"padding; it must be {layer.minimum} or more",
        )
    return layer.formula(size)


@operator("Conv", "ConvInteger")
def conv(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Convolve."""
    return [_convolved(node, inputs[0], inputs[1], inputs[2:] if node.op == "Conv" else ())]


@operator("QLinearConv")
def quantized_conv(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Convolve numbers of which each tensor has a scale and a zero point."""
    return [_convolved(node, inputs[0], inputs[3], inputs[8:])]


@operator("DeformConv")
def deform_conv(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Convolve with a kernel that is moved by offsets, two a tap, of the output's size."""
    made = _convolved(node, inputs[0], inputs[1], inputs[3:4])
    taps, groups = product(inputs[1].shape[2:]), node.get("offset_group", 1)
    for one, times in ((inputs[2], 2), (inputs[4] if len(inputs) > 4 else None, 1)):
        if one is None:
            continue
        wanted = (made.shape[0], times * taps * groups, *made.shape[2:])
        if not all(map(equal, one.shape, wanted)):
            raise refuse(node, f"offsets of shape {listed(one.shape)}, not {listed(wanted)}")
    return [made]


def _convolved(node: Node, x: Tensor, weight: Tensor, bias: Inputs) -> Tensor:
    """Return what a convolution makes of a map."""
    axes = len(weight.shape) - 2
    groups = node.get("group", 1)
    _check_map(node, x, axes, weight.shape[1] * groups)
    if not equal(weight.shape[0] % groups, 0):
        raise refuse(node, f"{weight.shape[0]} output channels are not {groups} groups")
    _check_bias(node, bias, weight.shape[0])
    kernel = _kernel(node, weight)
    made = [
        _through(node, Conv, (k, s, p, d), size)
        for k, s, p, d, size in zip(
            kernel,
            _entries(node, "strides", axes, 1),
            _paddings(node, axes),
            _entries(node, "dilations", axes, 1),
            x.shape[2:],
            strict=True,
        )
    ]
    return Tensor((x.shape[0], weight.shape[0], *made))


def _kernel(node: Node, weight: Tensor) -> list[Any]:
    """Return the kernel's sizes, which are those of the weights."""
    kernel, wanted = list(weight.shape[2:]), node.get("kernel_shape")
    if wanted and not all(map(equal, kernel, wanted)):
        raise refuse(node, f"kernel_shape {listed(wanted)}, but the weights are {listed(kernel)}")
    return kernel


def _check_bias(node: Node, bias: Inputs, channels: Any) -> None:
    """Demand one number of bias a channel, if there is any."""
    for one in bias:
        if one is not None and not equal(one.shape[0], channels):
            raise refuse(node, f"{listed([channels])} channels, but a bias of {one.shape[0]}")


def _check_map(node: Node, x: Tensor, axes: int, channels: Any) -> None:
    if len(x.shape) != axes + 2:
        raise refuse(node, f"shape {listed(x.shape)}, but it takes {axes} spatial axes")
    if not equal(x.shape[1], channels):
        raise refuse(
            node, f"{listed(x.shape[1:2])} channels, but the weights take {listed([channels])}"
        )


@operator("ConvTranspose")
def conv_transpose(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Convolve transposed."""
    x, weight = inputs[0], inputs[1]
    axes = len(weight.shape) - 2
    _check_map(node, x, axes, weight.shape[0])
    channels = weight.shape[1] * node.get("group", 1)
    if not equal(weight.shape[0] % node.get("group", 1), 0):
        raise refuse(node, f"{weight.shape[0]} channels are not {node.get('group')} groups")
    _check_bias(node, inputs[2:3], channels)
    kernel = _kernel(node, weight)
    if node.get("output_shape"):
        wanted = list(node.get("output_shape"))
        if len(wanted) != axes:
            raise refuse(node, f"output_shape {wanted}, but there are {axes} spatial axes")
        _check_reach(node, kernel, wanted, x.shape[2:])
        return [Tensor((x.shape[0], channels, *wanted))]
    made = []
    for k, s, p, a, d, size in zip(
        kernel,
        _entries(node, "strides", axes, 1),
        _paddings(node, axes),
        _entries(node, "output_padding", axes, 0),
        _entries(node, "dilations", axes, 1),
        x.shape[2:],
        strict=True,
    ):
        if isinstance(p, str):
            if not 0 <= a < max(s, d):
                raise refuse(node, f"output_padding={a} is not below stride={s} or dilation={d}")
            if d * (k - 1) + 1 + a < s:
                raise Unread(f"ONNX does not settle {p} with a kernel smaller than the stride")
            a = 0  # SAME makes the output size what it is
        made.append(_through(node, ConvTranspose, (k, s, p, a, d), size))
    return [Tensor((x.shape[0], channels, *made))]


def _check_reach(
    node: Node, kernel: Sequence[int], wanted: Sequence[int], sizes: Sequence[Any]
) -> None:
    """Refuse an output size with positions that belong to a further input position."""
    axes = len(wanted)
    strides = _entries(node, "strides", axes, 1)
    dilations = _entries(node, "dilations", axes, 1)
    for k, s, d, o, size in zip(kernel, strides, dilations, wanted, sizes, strict=True):
        if not at_least(size * s + d * (k - 1), o):
            raise refuse(node, f"size {listed([size])} does not reach output_shape {o}")


@operator("MaxPool", "AveragePool", "LpPool")
def pool(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Pool."""
    x = inputs[0]
    kernel = node.get("kernel_shape")
    axes = len(kernel)
    if len(x.shape) != axes + 2:
        raise refuse(node, f"shape {listed(x.shape)}, but it takes {axes} spatial axes")
    ceil = bool(node.get("ceil_mode", 0))
    made = []
    for k, s, p, d, size in zip(
        kernel,
        _entries(node, "strides", axes, 1),
        _paddings(node, axes),
        _entries(node, "dilations", axes, 1),
        x.shape[2:],
        strict=True,
    ):
        if isinstance(p, Padding) and max(p) >= k:
            raise refuse(node, f"a padding of {max(p)} is not smaller than the kernel of {k}")
        wide = isinstance(p, Padding) and 2 * max(p) > k  # more than the layer of ours takes
        if wide and ceil:
            made.append(_rounded_up(node, k, s, p, d, size))
        elif wide:
            made.append(_through(node, Conv, (k, s, p, d), size))
        else:
            made.append(_through(node, Pool, (k, s, p, d, ceil), size))
    sizes = (*x.shape[:2], *made)
    return [Tensor(sizes), Tensor(sizes, None, False)]


def _rounded_up(node: Node, k: int, s: int, p: Padding, d: int, size: Any) -> Any:
    """Return the output size of a pooling that rounds up; a last window starts in the input."""
    room = size + p.before + p.after - (d * (k - 1) + 1)
    if not at_least(room, 0):
        raise refuse(node, f"the kernel of {k} does not fit into {listed([size])} and its padding")
    made = -(-room // s) + 1
    return made - 1 if at_least((made - 1) * s, size + p.before) else made


@operator("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Leave one pixel."""
    x = inputs[0]
    return [Tensor((*x.shape[:2], *(1 for _ in x.shape[2:])))]


@operator("MaxUnpool")
def max_unpool(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Put the maxima back."""
    x = inputs[0]
    if len(inputs) > 2 and inputs[2] is not None:
        return [Tensor(sizes_of(node, inputs[2], "the output shape"))]
    kernel = node.get("kernel_shape")
    axes = len(kernel)
    strides = _entries(node, "strides", axes, 1)
    pads = _entries(node, "pads", 2 * axes, 0)
    made = [
        (size - 1) * strides[axis] - pads[axis] - pads[axis + axes] + kernel[axis]
        for axis, size in enumerate(x.shape[2:])
    ]
    return [Tensor((*x.shape[:2], *made))]


# Interpolation.


@operator("Resize", "Upsample")
def resize(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Interpolate."""
    x = inputs[0]
    rank = len(x.shape)
    axes = node.get("axes")
    axes = list(range(rank)) if not axes else [axis_of(node, axis, rank) for axis in axes]
    if node.op == "Upsample" or (node.version < 11 and len(inputs) == 2):
        scales, sizes = inputs[1] if len(inputs) > 1 else node.get("scales"), None
    else:
        scales = inputs[2] if len(inputs) > 2 else None
        sizes = inputs[3] if len(inputs) > 3 else None
    made = list(x.shape)
    if sizes is not None and sizes.shape != (0,):
        wanted = sizes_of(node, sizes, "the size")
        policy = node.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            wanted = _proportional([x.shape[axis] for axis in axes], wanted, policy)
        for axis, size in zip(axes, wanted, strict=True):
            made[axis] = size
        return [Tensor(made)]
    if scales is None:
        raise Unread("neither scales nor sizes are given")
    factors = scales if isinstance(scales, list) else _factors(scales)
    if node.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise Unread("ONNX has tf_crop_and_resize cut before it scales, ONNX Runtime has it not")
    for axis, factor in zip(axes, factors, strict=True):
        made[axis] = _scaled(x.shape[axis], factor)
    return [Tensor(made)]


def _factors(scales: Tensor) -> list[Any]:
    if scales.data is None:
        raise Unread("its scales are computed from what is no size")
    return list(scales.data.ravel())


def _scaled(size: Any, factor: Any) -> Any:
    """Return floor(size * factor), as a float32 has it."""
    factor = Real.of(factor)
    if isinstance(factor.top, int) and not factor.rounded:
        return (Real.of(size) * factor).floor()
    if isinstance(size, int) and isinstance(factor.top, int) and factor.over != 1:
        return int(np.float32(size) * np.float32(factor.top / factor.over))
    if isinstance(factor.top, int):
        near = _fraction_of(factor.top / factor.over)
        return size * near.numerator // near.denominator
    return (Real.of(size) * factor).floor()


@lru_cache
def _fraction_of(factor: float) -> Fraction:
    """Return the fraction that has the floors which a float32 has, for sizes below LARGE."""
    near = Fraction(factor).limit_denominator(1000)
    sizes = np.arange(1, LARGE)
    exact = sizes * near.numerator // near.denominator
    found = (sizes.astype(np.float32) * np.float32(factor)).astype(np.int64)
    wrong = np.flatnonzero(exact != found)
    if len(wrong):
        raise Unread(f"its scale {factor:.8g} is rounded, and no fraction has its floors")
    return near


def _proportional(sizes: list[Any], wanted: list[Any], policy: str) -> list[Any]:
    """Return sizes in proportion, as large as fit into `wanted`, or as small as cover it."""
    best = 0
    for axis in range(1, len(sizes)):
        # wanted / size is smaller on this axis
        less = not at_least(wanted[axis] * sizes[best], wanted[best] * sizes[axis])
        if less == (policy == "not_larger"):
            best = axis
    # Rounded to the nearest size, halves up.
    return [(2 * size * wanted[best] + sizes[best]) // (2 * sizes[best]) for size in sizes]


@operator("Col2Im")
def col_to_im(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Put blocks, one a column, together to a map."""
    x = inputs[0]
    sizes, block = sizes_of(node, inputs[1], "the image"), inputs[2].listed("the block")
    axes = len(sizes)
    windows = [
        _through(node, Conv, (k, s, p, d), size)
        for k, s, p, d, size in zip(
            block,
            _entries(node, "strides", axes, 1),
            _paddings(node, axes),
            _entries(node, "dilations", axes, 1),
            sizes,
            strict=True,
        )
    ]
    taps = product(block)
    if not (equal(x.shape[1] % taps, 0) and equal(x.shape[2], product(windows))):
        raise refuse(
            node, f"shape {listed(x.shape)}, but {taps} taps and {listed(windows)} windows"
        )
    return [Tensor((x.shape[0], x.shape[1] // taps, *sizes))]


@operator("RoiAlign", "MaxRoiPool")
def regions(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Bring regions of a map to one size."""
    x, rois = inputs[0], inputs[1]
    size = node.get("pooled_shape") or (node.get("output_height", 1), node.get("output_width", 1))
    return [Tensor((rois.shape[0], x.shape[1], *size))]


@operator("AffineGrid")
def affine_grid(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Return the place of every pixel of an output of a shape."""
    count, _, *sizes = sizes_of(node, inputs[1], "the shape")
    return [Tensor((count, *sizes, len(sizes)))]


@operator("GridSample")
def grid_sample(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Take as many pixels as the grid has."""
    x, grid = inputs[0], inputs[1]
    return [Tensor((*x.shape[:2], *grid.shape[1:-1]))]


@operator("OneHot")
def one_hot(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Put in an axis of as many classes as there are."""
    (depth,) = inputs[1].listed("depth")
    sizes = list(inputs[0].shape)
    axis = node.get("axis", -1)
    sizes.insert(axis % (len(sizes) + 1), depth)
    return [Tensor(sizes)]


@operator("EyeLike", "RandomNormal", "RandomUniform")
def made_up(node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Return numbers of the shape that is asked for."""
    if node.op == "EyeLike" and len(inputs[0].shape) != 2:
        raise refuse(node, f"shape {listed(inputs[0].shape)}, but it makes matrices")
    return [Tensor(inputs[0].shape if node.op == "EyeLike" else node.get("shape"))]
