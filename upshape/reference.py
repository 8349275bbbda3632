"""The definitions in plain NumPy: readable, slow, and right.

Every fast kernel of upshape has a slow twin here, written from the textbook's formula and not from
the kernel. It is what the tests compare with, and what to read when a transposed convolution (or a
half-pixel centre, or an ``output_padding``) is still a mystery.

Nearest neighbour copies pixels and keeps the dtype. Everything else converts its input to float64,
computes in float64 and returns float64, unrounded: the value that a float32 or uint8 kernel has to
come close to. Arrays are ``(N, C, *spatial)``, with any number of spatial axes; the convolutions
also take ``(C, *spatial)``, one image without a batch axis.

Letters, those of Dumoulin and Visin [1]_: input size i, output size o, kernel size k, stride s,
padding p, dilation d, and a, the remainder that a strided convolution's floor swallows (PyTorch
calls it ``output_padding``).

References
----------
.. [1] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016,
   https://arxiv.org/abs/1603.07285
"""

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = [
    "antialias_matrix",
    "area_matrix",
    "bilinear",
    "bilinear_point",
    "box_kernel",
    "conv",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_matrix",
    "conv_output_size",
    "conv_transpose",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "conv_transpose_by_matrix",
    "conv_transpose_by_scatter",
    "conv_transpose_by_zeros",
    "conv_transpose_output_size",
    "cubic_kernel",
    "cubic_matrix",
    "hamming_kernel",
    "insert_zeros",
    "interpolate",
    "lanczos_kernel",
    "linear",
    "linear_coordinates",
    "linear_kernel",
    "linear_neighbours",
    "nearest",
    "nearest_indices",
    "resample",
    "rotate_180",
    "scaled_size",
    "trilinear",
    "upsample_concat",
]

Array = NDArray[Any]
Float64 = NDArray[np.float64]
# What is padded, or cut off a transposed convolution: ints, pairs (before, after), or a word.
Padding = int | Sequence[int | Sequence[int]] | str
_SAME = ("same_upper", "same_lower")

_SPATIAL_AXES = {
    "linear": 1, "bilinear": 2, "trilinear": 3, "cubic": 1, "bicubic": 2, "tricubic": 3
}  # fmt: skip
_LINEAR_MODE = {axes: mode for mode, axes in _SPATIAL_AXES.items() if mode.endswith("linear")}


# --------------------------------------------------------------------------------------------------
# Interpolation: from an output pixel to the input pixels it looks at, one axis at a time
# --------------------------------------------------------------------------------------------------


def scaled_size(input_size: int, scale_factor: float) -> int:
    """Return the output size that a scale factor gives: o = floor(i * scale_factor), in double.

    Parameters
    ----------
    input_size : int
        i, the number of pixels along the axis.
    scale_factor : float
        How many output pixels there are for an input pixel.

    Returns
    -------
    int
        The size o. It can be one less than hoped for, where the product falls just short of an
        integer.

    Notes
    -----
    This is PyTorch's rule (``torch.nn.functional.interpolate``).

    Examples
    --------
    >>> scaled_size(5, 1.5)
    7
    >>> scaled_size(10, 2.3), 10 * 2.3
    (23, 23.0)
    >>> scaled_size(100, 1.1), scaled_size(100, 0.29), 100 * 0.29
    (110, 28, 28.999999999999996)
    """
    return math.floor(float(input_size) * float(scale_factor))


def nearest_indices(
    input_size: int,
    output_size: int,
    *,
    scale_factor: float | None = None,
    exact: bool = False,
    dtype: DTypeLike = np.float32,
) -> NDArray[np.intp]:
    """Return which input pixel each output pixel copies, along one axis.

    An output pixel ``dst`` begins at ``dst * scale`` on the input's axis, and takes the pixel in
    which it begins; with `exact` the pixel in which its centre lies::

        nearest         src = min(floor(dst * scale),         i - 1)
        nearest-exact   src = min(floor((dst + 0.5) * scale), i - 1)

    Parameters
    ----------
    input_size, output_size : int
        i and o.
    scale_factor : float, optional
        If given, ``scale`` is ``1 / scale_factor``; else it is ``i / o``. The two differ where
        ``i * scale_factor`` is not an integer.
    exact : bool
        Look at the centre of the output pixel and not at its beginning.
    dtype : dtype
        The dtype of the array to be resized, on which the arithmetic depends: see the notes.

    Returns
    -------
    ndarray of intp, shape (o,)
        The source index of every output pixel.

    Notes
    -----
    The position is rounded to float32 before its floor is taken, whatever the dtype: that decides
    which pixel is taken where it is almost an integer, so it is part of the definition. With
    exact=True the centre ``(dst + 0.5) * scale - 0.5`` is rounded as well before the half is added
    again. That is PyTorch's general way (``UpSampleKernel.cpp``, where ``floorf`` meets a double);
    for small images and in channels-last memory PyTorch leaves out the detour, and differs from
    itself.

    OpenCV's ``INTER_NEAREST`` takes the pixels of "nearest", and OpenCV's ``INTER_NEAREST_EXACT``,
    Pillow's ``NEAREST`` and scikit-image's ``resize`` with ``order=0, anti_aliasing=False`` take
    those of "nearest-exact", but for ties: where the position falls on the edge between two pixels,
    or within rounding of it, each may take the other one.

    Examples
    --------
    Three pixels become six, and five:

    >>> nearest_indices(3, 6)
    array([0, 0, 1, 1, 2, 2])
    >>> nearest_indices(3, 5)
    array([0, 0, 1, 1, 2])
    >>> nearest_indices(3, 5, exact=True)
    array([0, 0, 1, 2, 2])

    Four pixels become two: the first of each pair, or the one at the pair's middle.

    >>> nearest_indices(4, 2), nearest_indices(4, 2, exact=True)
    (array([0, 2]), array([1, 3]))

    A factor of 1.6 gives four pixels from three with a scale of 1/1.6, not of 3/4:

    >>> nearest_indices(3, 4, scale_factor=1.6), nearest_indices(3, 4)
    (array([0, 0, 1, 1]), array([0, 0, 1, 2]))
    """
    real: Any = np.float64 if np.dtype(dtype) == np.float64 else np.float32
    if scale_factor is None:
        scale = real(input_size) / real(output_size)
    else:
        scale = real(1.0 / float(scale_factor))
    indices = []
    for dst in range(output_size):
        if exact:
            # Exact but for the rounding to `real`: that of a fused multiply-add.
            centre = real((Fraction(float(real(dst) + real(0.5))) * Fraction(float(scale)))
                          - Fraction(1, 2))
            position = np.float32(centre + real(0.5))
        else:
            position = np.float32(real(dst) * scale)
        indices.append(min(math.floor(position), input_size - 1))
    return np.array(indices, np.intp)


def linear_coordinates(
    input_size: int,
    output_size: int,
    *,
    scale_factor: float | None = None,
    align_corners: bool = False,
) -> Float64:
    """Return where on the input's axis each output pixel's centre lies.

    Two conventions are in use. **Half-pixel centres** take a pixel for a little square, whose
    centre is half a pixel from its edge; the edges of input and output coincide::

        src = (dst + 0.5) * scale - 0.5         scale = i / o, or 1 / scale_factor

    **Aligned corners** take a pixel for a point; the first and the last points coincide::

        src = dst * (i - 1) / (o - 1)           (0 where o = 1)

    Parameters
    ----------
    input_size, output_size : int
        i and o.
    scale_factor : float, optional
        If given, half-pixel centres use ``1 / scale_factor`` as the scale and not ``i / o``.
        Aligned corners never look at it.
    align_corners : bool
        The second convention.

    Returns
    -------
    ndarray of float64, shape (o,)
        Positions from 0 to i - 1: there is nothing to interpolate outside the outermost centres,
        so positions there are moved to them. An axis with o = i is left as it is, whatever the
        factor.

    Notes
    -----
    As PyTorch's ``area_pixel_compute_source_index``, in float64. OpenCV's ``INTER_LINEAR`` has the
    half-pixel convention as well. Pillow's ``BILINEAR`` has it where it enlarges; where it shrinks,
    it takes the mean over a wider window. scikit-image's ``resize`` with ``order=1`` has it if
    told ``mode="edge", anti_aliasing=False``; by default it reflects the picture at its border, and
    smooths it before it shrinks it.

    Examples
    --------
    >>> linear_coordinates(2, 4)
    array([0.  , 0.25, 0.75, 1.  ])
    >>> linear_coordinates(2, 4, align_corners=True) * 3
    array([0., 1., 2., 3.])
    >>> linear_coordinates(4, 2)
    array([0.5, 2.5])
    """
    dst = np.arange(output_size, dtype=np.float64)
    if output_size == input_size:
        return dst
    if align_corners:
        if output_size == 1:
            return np.zeros(1)
        return dst * (input_size - 1) / (output_size - 1)
    scale = input_size / output_size if scale_factor is None else 1.0 / float(scale_factor)
    return np.clip((dst + 0.5) * scale - 0.5, 0.0, input_size - 1.0)


def linear_neighbours(
    input_size: int,
    output_size: int,
    *,
    scale_factor: float | None = None,
    align_corners: bool = False,
) -> tuple[NDArray[np.intp], NDArray[np.intp], Float64]:
    """Return the two input pixels between which each output pixel lies, and where between them.

    Parameters
    ----------
    input_size, output_size, scale_factor, align_corners
        As in `linear_coordinates`.

    Returns
    -------
    lower, upper : ndarray of intp, shape (o,)
        The pixels on either side. At the far edge both are the last pixel.
    t : ndarray of float64, shape (o,)
        The distance from `lower`: 0 <= t < 1. The interpolated value is
        ``(1 - t) * x[lower] + t * x[upper]``.

    Examples
    --------
    >>> lower, upper, t = linear_neighbours(2, 4)
    >>> lower, upper, t
    (array([0, 0, 0, 1]), array([1, 1, 1, 1]), array([0.  , 0.25, 0.75, 0.  ]))
    >>> x = np.array([10.0, 20.0])
    >>> (1 - t) * x[lower] + t * x[upper]
    array([10. , 12.5, 17.5, 20. ])
    """
    position = linear_coordinates(
        input_size, output_size, scale_factor=scale_factor, align_corners=align_corners
    )
    lower = np.floor(position).astype(np.intp)
    return lower, np.minimum(lower + 1, input_size - 1), position - lower


def bilinear_point(
    q11: ArrayLike, q21: ArrayLike, q12: ArrayLike, q22: ArrayLike, tx: ArrayLike, ty: ArrayLike
) -> Float64:
    """Interpolate between four corner values: twice along x, then once along y.

    ::

        y1   Q11 ----- R1 ------- Q21        R1 = (1 - tx) Q11 + tx Q21
              |        |           |         R2 = (1 - tx) Q12 + tx Q22
              |        P           |
              |        |           |         P  = (1 - ty) R1  + ty R2
        y2   Q12 ----- R2 ------- Q22
             x1                    x2

    Parameters
    ----------
    q11, q21, q12, q22 : array_like
        The values at (x1, y1), (x2, y1), (x1, y2) and (x2, y2), with y pointing down.
    tx, ty : array_like
        How far the point is from x1 towards x2 and from y1 towards y2, from 0 to 1.

    Returns
    -------
    ndarray of float64
        The value P. Arguments broadcast against each other.

    Notes
    -----
    The textbook's construction (W. H. Press et al., *Numerical Recipes*, "Interpolation on a grid
    in multidimensions"; the names of the corners are those of Wikipedia's "Bilinear
    interpolation"). Doing y first gives the same value: it is the sum of the four corners, each
    weighted by the area of the opposite rectangle.

    Examples
    --------
    The middle of a square is the mean of its corners, and a corner is itself:

    >>> float(bilinear_point(1, 2, 3, 6, tx=0.5, ty=0.5))
    3.0
    >>> float(bilinear_point(1, 2, 3, 6, tx=1.0, ty=0.0))
    2.0
    """
    tx, ty = np.asarray(tx, np.float64), np.asarray(ty, np.float64)
    r1 = (1 - tx) * np.asarray(q11, np.float64) + tx * np.asarray(q21, np.float64)
    r2 = (1 - tx) * np.asarray(q12, np.float64) + tx * np.asarray(q22, np.float64)
    point: Float64 = np.asarray((1 - ty) * r1 + ty * r2)
    return point


# --------------------------------------------------------------------------------------------------
# Resampling kernels: how much a pixel counts that lies x pixels away
# --------------------------------------------------------------------------------------------------


def linear_kernel(x: float) -> float:
    """Return the weight of linear interpolation: ``1 - |x|``, and 0 from 1 on.

    Examples
    --------
    >>> linear_kernel(0.25), linear_kernel(-0.25), linear_kernel(2)
    (0.75, 0.75, 0.0)
    """
    return max(0.0, 1.0 - abs(x))


def cubic_kernel(x: float, a: float = -0.75) -> float:
    """Return the weight of cubic convolution.

    ::

        (a + 2) |x|^3 - (a + 3) |x|^2 + 1            for      |x| <= 1
        a |x|^3 - 5 a |x|^2 + 8 a |x| - 4 a          for  1 < |x| <  2

    Parameters
    ----------
    x : float
        The distance, in pixels.
    a : float
        The slope at 1. Keys derives -1/2: then quadratic polynomials are interpolated exactly.
        OpenCV, PyTorch and ONNX take -3/4, which is a little sharper.

    Returns
    -------
    float
        The weight; 1 at 0 and 0 at every other whole number.

    Notes
    -----
    R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE Transactions on
    Acoustics, Speech, and Signal Processing 29 (1981), equations 9 and 15.

    Examples
    --------
    >>> [cubic_kernel(x, a=-0.5) for x in (0, 0.5, 1, 1.5, 2)]
    [1.0, 0.5625, 0.0, -0.0625, 0.0]
    """
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return 0.0


def lanczos_kernel(x: float, lobes: int = 3) -> float:
    """Return the weight of Lanczos' kernel: sinc(x) sinc(x / lobes), and 0 from `lobes` on.

    The ideal low-pass filter, sinc(x) = sin(pi x) / (pi x), under the first lobe of another one.

    Notes
    -----
    C. E. Duchon, "Lanczos filtering in one and two dimensions", Journal of Applied Meteorology 18
    (1979), in one dimension.

    Examples
    --------
    >>> lanczos_kernel(0), round(lanczos_kernel(0.5), 4), round(lanczos_kernel(1.5), 4)
    (1.0, 0.6079, -0.1351)
    """
    if abs(x) >= lobes:
        return 0.0
    if x == 0:
        return 1.0
    y = math.pi * x
    return lobes * math.sin(y) * math.sin(y / lobes) / y**2


def box_kernel(x: float) -> float:
    """Return the weight of a box one pixel wide, which is open on its left.

    Examples
    --------
    >>> box_kernel(0.5), box_kernel(-0.5), box_kernel(0.6)
    (1.0, 0.0, 0.0)
    """
    return 1.0 if -0.5 < x <= 0.5 else 0.0


def hamming_kernel(x: float) -> float:
    """Return the weight of Pillow's ``HAMMING``: one lobe of the sinc under Hamming's window.

    The window's numbers are 0.54 and 0.46 in float32, as Pillow has them.

    Examples
    --------
    >>> hamming_kernel(0), round(hamming_kernel(0.5), 4), hamming_kernel(1)
    (1.0, 0.3438, 0.0)
    """
    if abs(x) >= 1:
        return 0.0
    if x == 0:
        return 1.0
    y = math.pi * x
    high, low = float(np.float32(0.54)), float(np.float32(0.46))
    return math.sin(y) / y * (high + low * math.cos(y))


# --------------------------------------------------------------------------------------------------
# Resampling an axis, as a matrix [o, i]: row x holds what pixel x of the result takes of each pixel
# --------------------------------------------------------------------------------------------------


def cubic_matrix(
    input_size: int,
    output_size: int,
    *,
    scale_factor: float | None = None,
    align_corners: bool = False,
    a: float = -0.75,
) -> Float64:
    """Return the matrix of cubic interpolation: four pixels around each position.

    Parameters
    ----------
    input_size, output_size : int
        i and o.
    scale_factor, align_corners
        As in `linear_coordinates`, but that a position may lie outside, and that an axis of
        unchanged size is resampled where its scale is not 1.
    a : float
        As in `cubic_kernel`.

    Returns
    -------
    ndarray of float64, shape (o, i)
        Pixels beyond the border are the border's pixel: it takes their weight.

    Examples
    --------
    >>> cubic_matrix(4, 2)
    array([[ 0.5    ,  0.59375, -0.09375,  0.     ],
           [ 0.     , -0.09375,  0.59375,  0.5    ]])
    """
    i, o = input_size, output_size
    scale = i / o if scale_factor is None else 1.0 / float(scale_factor)
    matrix = np.zeros((o, i))
    for dst in range(o):
        position = (dst + 0.5) * scale - 0.5
        if align_corners:
            position = dst * (i - 1) / (o - 1) if o > 1 else 0.0
        low = math.floor(position)
        for pixel in range(low - 1, low + 3):
            inside = min(max(pixel, 0), i - 1)
            matrix[dst, inside] += cubic_kernel(position - pixel, a)
    return matrix


def area_matrix(input_size: int, output_size: int) -> Float64:
    """Return the matrix of means over the pixels that a pixel of the result touches.

    Pixel ``dst`` covers the source from ``dst * i / o`` to ``(dst + 1) * i / o``; the pixels that
    it touches count alike, whether it covers them or a part of them.

    Parameters
    ----------
    input_size, output_size : int
        i and o.

    Returns
    -------
    ndarray of float64, shape (o, i)
        Rows sum to 1.

    Notes
    -----
    PyTorch's ``mode="area"``, which is its ``adaptive_avg_pool``. OpenCV's ``INTER_AREA`` counts
    pixels by the part that is covered.

    Examples
    --------
    >>> area_matrix(4, 2)
    array([[0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0.5, 0.5]])
    >>> area_matrix(3, 2)
    array([[0.5, 0.5, 0. ],
           [0. , 0.5, 0.5]])
    """
    i, o = input_size, output_size
    matrix = np.zeros((o, i))
    for dst in range(o):
        begin, end = math.floor(Fraction(dst * i, o)), math.ceil(Fraction((dst + 1) * i, o))
        matrix[dst, begin:end] = 1 / (end - begin)
    return matrix


def antialias_matrix(
    input_size: int,
    output_size: int,
    kernel: Callable[[float], float],
    radius: float,
    *,
    scale_factor: float | None = None,
) -> Float64:
    """Return the matrix of a kernel that is as wide as the result's pixels are.

    Where a picture shrinks by `scale`, its pixels are `scale` source pixels wide. A kernel that
    looks at its own neighbourhood only would miss those in between; so it is stretched. The pixels
    whose centres lie within ``radius * scale`` of the result's, rounded, are weighted by the kernel
    at their distance over `scale`; their weights are divided by their sum. Pixels that do not exist
    do not count. Where a picture grows, nothing is stretched.

    Parameters
    ----------
    input_size, output_size : int
        i and o.
    kernel : callable
        The weight of a pixel at some distance.
    radius : float
        From which distance on the kernel is 0.
    scale_factor : float, optional
        If given, ``scale`` is ``1 / scale_factor``; else it is ``i / o``.

    Returns
    -------
    ndarray of float64, shape (o, i)
        Rows sum to 1.

    Notes
    -----
    Pillow's ``precompute_coeffs`` (``Resample.c``), and PyTorch's ``antialias=True`` after it.

    Examples
    --------
    >>> antialias_matrix(4, 2, linear_kernel, 1) * 7
    array([[3., 3., 1., 0.],
           [0., 1., 3., 3.]])
    """
    i, o = input_size, output_size
    scale = i / o if scale_factor is None else 1.0 / float(scale_factor)
    stretch = max(scale, 1.0)
    matrix = np.zeros((o, i))
    for dst in range(o):
        centre = (dst + 0.5) * scale  # counted from the edge, where the first pixel's is 0.5
        begin = max(math.floor(centre - radius * stretch + 0.5), 0)
        end = min(math.floor(centre + radius * stretch + 0.5), i)
        for pixel in range(begin, end):
            matrix[dst, pixel] = kernel((pixel + 0.5 - centre) / stretch)
        matrix[dst] /= matrix[dst].sum()
    return matrix


def resample(x: ArrayLike, matrices: Sequence[ArrayLike]) -> Float64:
    """Multiply the last axes of an array by one matrix each.

    Parameters
    ----------
    x : array_like, shape (..., i_1, i_2, ...)
        As many last axes as there are matrices.
    matrices : sequence of array_like, shapes (o_1, i_1), (o_2, i_2), ...
        One an axis.

    Returns
    -------
    ndarray of float64, shape (..., o_1, o_2, ...)
        The products.

    Examples
    --------
    >>> resample([[1, 2], [3, 4]], [[[0.5, 0.5]], [[1, 0], [0.5, 0.5], [0, 1]]])
    array([[2. , 2.5, 3. ]])
    """
    y = np.asarray(x).astype(np.float64)
    for axis, matrix in enumerate(matrices, start=y.ndim - len(matrices)):
        product = np.tensordot(np.asarray(matrix, np.float64), y, (1, axis))
        y = np.moveaxis(product, 0, axis)
    return y


# --------------------------------------------------------------------------------------------------
# Interpolation of whole arrays
# --------------------------------------------------------------------------------------------------


def _sizes_and_factors(
    shape: tuple[int, ...],
    size: int | Sequence[int] | None,
    scale_factor: float | Sequence[float] | None,
    recompute_scale_factor: bool | None,
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """Return output size and, where it is to be used for coordinates, factor of every axis."""
    if (size is None) == (scale_factor is None):
        raise ValueError("give either size or scale_factor, and not both")
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor=True needs a scale_factor; size was given")
        return _each_axis("size", size, len(shape)), (None,) * len(shape)
    factors = _each_axis("scale_factor", scale_factor, len(shape))
    sizes = tuple(scaled_size(i, f) for i, f in zip(shape, factors, strict=True))
    return sizes, (None,) * len(shape) if recompute_scale_factor else factors


def _each_axis(name: str, value: Any, axes: int) -> tuple[Any, ...]:
    """Return one value an axis: a number counts for every axis."""
    values = tuple(value) if isinstance(value, (Sequence, np.ndarray)) else (value,) * axes
    if len(values) != axes:
        raise ValueError(f"{name}={value!r} has {len(values)} values; there are {axes} axes")
    return values


def nearest(
    x: ArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    *,
    exact: bool = False,
    recompute_scale_factor: bool | None = None,
) -> Array:
    """Resize by copying, for every output pixel, one input pixel.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        Any dtype, any number of spatial axes.
    size : int or sequence of int, optional
        Output size of every spatial axis.
    scale_factor : float or sequence of float, optional
        Output size over input size. Give this or `size`.
    exact : bool
        "nearest-exact": the pixel at the centre of the output pixel, not at its beginning.
    recompute_scale_factor : bool, optional
        Use `scale_factor` for the output size only, and i / o for the coordinates.

    Returns
    -------
    ndarray, shape (N, C, *size)
        Same dtype as `x`.

    See Also
    --------
    nearest_indices : Which pixel that is.

    Examples
    --------
    >>> x = np.array([[1, 2], [3, 4]])[None, None]
    >>> nearest(x, scale_factor=2)[0, 0]
    array([[1, 1, 2, 2],
           [1, 1, 2, 2],
           [3, 3, 4, 4],
           [3, 3, 4, 4]])
    >>> nearest(x, size=(2, 3))[0, 0]
    array([[1, 1, 2],
           [3, 3, 4]])
    """
    x = np.asarray(x)
    shape = x.shape[2:]
    sizes, factors = _sizes_and_factors(shape, size, scale_factor, recompute_scale_factor)
    for axis, (i, o, factor) in enumerate(zip(shape, sizes, factors, strict=True), start=2):
        indices = nearest_indices(i, o, scale_factor=factor, exact=exact, dtype=x.dtype)
        x = np.take(x, indices, axis=axis)
    return x


def linear(
    x: ArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    *,
    align_corners: bool = False,
    recompute_scale_factor: bool | None = None,
) -> Float64:
    """Resize by linear interpolation along every spatial axis in turn.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        One spatial axis for what PyTorch calls "linear", two for "bilinear", three for
        "trilinear"; any number will do.
    size, scale_factor, recompute_scale_factor
        As in `nearest`.
    align_corners : bool
        Which coordinates: see `linear_coordinates`.

    Returns
    -------
    ndarray of float64, shape (N, C, *size)
        Unrounded, whatever the dtype of `x`.

    See Also
    --------
    bilinear : Two axes at once, from the four corners.

    Notes
    -----
    Linear interpolation is separable: interpolating along one axis after the other gives the same
    as weighting the 2, 4 or 8 surrounding pixels by the product of their one-axis weights.

    Examples
    --------
    >>> linear([[[10, 20]]], size=4)
    array([[[10. , 12.5, 17.5, 20. ]]])
    >>> linear([[[10, 20]]], size=3, align_corners=True)
    array([[[10., 15., 20.]]])
    """
    y = np.asarray(x).astype(np.float64)
    shape = y.shape[2:]
    sizes, factors = _sizes_and_factors(shape, size, scale_factor, recompute_scale_factor)
    for axis, (i, o, factor) in enumerate(zip(shape, sizes, factors, strict=True), start=2):
        lower, upper, t = linear_neighbours(i, o, scale_factor=factor, align_corners=align_corners)
        t = t.reshape(-1, *[1] * (y.ndim - axis - 1))
        y = (1 - t) * np.take(y, lower, axis) + t * np.take(y, upper, axis)
    return y


def bilinear(
    x: ArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    *,
    align_corners: bool = False,
    recompute_scale_factor: bool | None = None,
) -> Float64:
    """Resize images by bilinear interpolation, each output pixel from its four corners.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        Two spatial axes.
    size, scale_factor, recompute_scale_factor
        As in `nearest`.
    align_corners : bool
        Which coordinates: see `linear_coordinates`.

    Returns
    -------
    ndarray of float64, shape (N, C, *size)
        Unrounded, whatever the dtype of `x`.

    See Also
    --------
    bilinear_point : The formula.

    Examples
    --------
    >>> x = np.array([[0, 4], [8, 12]])[None, None]
    >>> bilinear(x, scale_factor=2)[0, 0]
    array([[ 0.,  1.,  3.,  4.],
           [ 2.,  3.,  5.,  6.],
           [ 6.,  7.,  9., 10.],
           [ 8.,  9., 11., 12.]])
    >>> bilinear(x, size=3, align_corners=True)[0, 0]
    array([[ 0.,  2.,  4.],
           [ 4.,  6.,  8.],
           [ 8., 10., 12.]])
    """
    x = np.asarray(x)
    if x.ndim != 4:
        raise ValueError(f"bilinear: x has shape {x.shape}; it must be (N, C, H, W)")
    shape = x.shape[2:]
    sizes, factors = _sizes_and_factors(shape, size, scale_factor, recompute_scale_factor)
    (y1, y2, ty), (x1, x2, tx) = (
        linear_neighbours(i, o, scale_factor=factor, align_corners=align_corners)
        for i, o, factor in zip(shape, sizes, factors, strict=True)
    )
    rows1, rows2 = y1[:, None], y2[:, None]
    return bilinear_point(
        q11=x[:, :, rows1, x1],
        q21=x[:, :, rows1, x2],
        q12=x[:, :, rows2, x1],
        q22=x[:, :, rows2, x2],
        tx=tx,
        ty=ty[:, None],
    )


def trilinear(
    x: ArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    *,
    align_corners: bool = False,
    recompute_scale_factor: bool | None = None,
) -> Float64:
    """Resize volumes by trilinear interpolation, each output pixel from its eight corners.

    Parameters
    ----------
    x : array_like, shape (N, C, D, H, W)
        Three spatial axes.
    size, scale_factor, recompute_scale_factor
        As in `nearest`.
    align_corners : bool
        Which coordinates: see `linear_coordinates`.

    Returns
    -------
    ndarray of float64, shape (N, C, *size)
        Unrounded, whatever the dtype of `x`.

    Notes
    -----
    The eight corners are visited one by one; each counts by the product of three weights, ``t``
    for the pixel on the far side of an axis and ``1 - t`` for the one on the near side.

    Examples
    --------
    The middle of a cube is the mean of its corners:

    >>> cube = np.array([[[0, 1], [2, 3]], [[4, 5], [6, 7]]])[None, None]
    >>> trilinear(cube, size=1)
    array([[[[[3.5]]]]])
    """
    x = np.asarray(x)
    if x.ndim != 5:
        raise ValueError(f"trilinear: x has shape {x.shape}; it must be (N, C, D, H, W)")
    shape = x.shape[2:]
    sizes, factors = _sizes_and_factors(shape, size, scale_factor, recompute_scale_factor)
    axes = [
        linear_neighbours(i, o, scale_factor=factor, align_corners=align_corners)
        for i, o, factor in zip(shape, sizes, factors, strict=True)
    ]
    total = np.zeros(x.shape[:2] + sizes)
    for sides in itertools.product((0, 1), repeat=3):
        pixels = [axis[side] for axis, side in zip(axes, sides, strict=True)]
        z, y, w = (axis[2] if side else 1 - axis[2] for axis, side in zip(axes, sides, strict=True))
        corner = x[:, :, pixels[0][:, None, None], pixels[1][:, None], pixels[2]]
        total += z[:, None, None] * y[:, None] * w * corner
    return total


def interpolate(
    x: ArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
    *,
    channel_axis: int = 1,
) -> Array:
    """Resize by one of its modes; the slow twin of `upshape.interpolate`.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial), or (N, *spatial, C) for ``channel_axis=-1``
        The input.
    size, scale_factor, recompute_scale_factor
        As in `nearest`.
    mode : str
        nearest, nearest-exact, area or lanczos for any number of spatial axes; linear and cubic,
        bilinear and bicubic, trilinear and tricubic for one, two and three.
    align_corners : bool, optional
        For the linear and cubic modes: see `linear_coordinates`.
    antialias : bool
        For the linear and cubic modes and lanczos, which needs it: see `antialias_matrix`. A cubic
        kernel has a = -1/2 then, and -3/4 without.
    channel_axis : {1, -1}
        Where the channels are.

    Returns
    -------
    ndarray
        In the dtype of `x` for the nearest modes, in float64 for all others.

    Examples
    --------
    >>> interpolate([[[1, 2]]], scale_factor=2)
    array([[[1, 1, 2, 2]]])
    >>> interpolate([[[1, 2]]], scale_factor=2, mode="linear")
    array([[[1.  , 1.25, 1.75, 2.  ]]])
    """
    x = np.moveaxis(np.asarray(x), channel_axis, 1)
    y: Array
    if mode in ("nearest", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(f"align_corners={align_corners} has no meaning for mode={mode!r}")
        exact = mode == "nearest-exact"
        y = nearest(
            x, size, scale_factor, exact=exact, recompute_scale_factor=recompute_scale_factor
        )
    else:
        if _SPATIAL_AXES.get(mode, x.ndim - 2) != x.ndim - 2:
            raise ValueError(
                f"mode={mode!r} is for {_SPATIAL_AXES[mode]} spatial axes; x has {x.ndim - 2}"
            )
        if mode.endswith("linear") and not antialias:
            by_axes: tuple[Callable[..., Float64], ...] = (linear, bilinear, trilinear)
            y = by_axes[x.ndim - 3](
                x, size, scale_factor, align_corners=bool(align_corners),
                recompute_scale_factor=recompute_scale_factor,
            )
            return np.moveaxis(y, 1, channel_axis)
        sizes, factors = _sizes_and_factors(
            x.shape[2:], size, scale_factor, recompute_scale_factor
        )
        y = resample(x, [
            _mode_matrix(i, o, factor, mode, bool(align_corners), antialias)
            for i, o, factor in zip(x.shape[2:], sizes, factors, strict=True)
        ])  # fmt: skip
    return np.moveaxis(y, 1, channel_axis)


def _mode_matrix(
    i: int, o: int, factor: float | None, mode: str, align_corners: bool, antialias: bool
) -> Float64:
    """Return the matrix of an axis in one of the modes that take means."""
    if mode == "area":
        return area_matrix(i, o)
    if antialias:
        if i == o:
            return np.eye(i)
        if align_corners:
            # PyTorch's antialias has aligned corners as another scale, and no other centre.
            factor = (o - 1) / (i - 1) if min(i, o) > 1 else math.inf
        if mode.endswith("linear"):
            return antialias_matrix(i, o, linear_kernel, 1, scale_factor=factor)
        if mode.endswith("cubic"):
            return antialias_matrix(
                i, o, lambda x: cubic_kernel(x, a=-0.5), 2, scale_factor=factor
            )
        if mode == "lanczos":
            return antialias_matrix(i, o, lanczos_kernel, 3, scale_factor=factor)
    elif mode.endswith("cubic"):
        return cubic_matrix(i, o, scale_factor=factor, align_corners=align_corners)
    raise ValueError(f"there is no mode={mode!r} with antialias={antialias}")


def upsample_concat(
    features: Sequence[ArrayLike],
    size: int | Sequence[int] | None = None,
    mode: str | None = None,
    align_corners: bool | None = None,
    *,
    channel_axis: int = 1,
) -> Array:
    """Bring feature maps to one size and concatenate their channels.

    Parameters
    ----------
    features : sequence of array_like
        Each ``(N, C_n, *spatial_n)``: channels and spatial sizes may differ.
    size : int or sequence of int, optional
        The common size; by default that of the feature with the most pixels.
    mode : str, optional
        As in `interpolate`; by default linear, bilinear or trilinear.
    align_corners : bool, optional
        As in `interpolate`.
    channel_axis : {1, -1}
        Where the channels are.

    Returns
    -------
    ndarray, shape (N, C_1 + C_2 + ..., *size)
        In float64 for the linear modes.

    Examples
    --------
    >>> fine, coarse = np.ones((1, 1, 4)), np.full((1, 2, 2), 3)
    >>> upsample_concat([fine, coarse])
    array([[[1., 1., 1., 1.],
            [3., 3., 3., 3.],
            [3., 3., 3., 3.]]])
    """
    maps = [np.moveaxis(np.asarray(feature), channel_axis, 1) for feature in features]
    if size is None:
        size = max((m.shape[2:] for m in maps), key=math.prod)
    if mode is None:
        mode = _LINEAR_MODE[maps[0].ndim - 2]
    resized = [interpolate(m, size, mode=mode, align_corners=align_corners) for m in maps]
    return np.moveaxis(np.concatenate(resized, axis=1), 1, channel_axis)


# --------------------------------------------------------------------------------------------------
# Convolution
# --------------------------------------------------------------------------------------------------


def conv_output_size(i: int, k: int, s: int = 1, p: int = 0, d: int = 1) -> int:
    """Return the size of a convolution's output: o = floor((i + 2p - [d(k-1)+1]) / s) + 1.

    The kernel, with d - 1 gaps between its taps, covers d(k-1)+1 pixels. Its first position is at
    the start of the padded input, the others follow at a distance of s, and the floor forgets the
    a = (i + 2p - [d(k-1)+1]) mod s pixels in which no whole step fits any more.

    Parameters
    ----------
    i, k, s, p, d : int
        Input size, kernel size, stride, padding on either side, dilation.

    Returns
    -------
    int
        The size o.

    Examples
    --------
    >>> [conv_output_size(i, k=3, s=2, p=1) for i in (11, 12, 13)]
    [6, 6, 7]
    """
    return (i + 2 * p - (d * (k - 1) + 1)) // s + 1


def conv_transpose_output_size(
    i: int, k: int, s: int = 1, p: int = 0, a: int = 0, d: int = 1
) -> int:
    """Return the size of a transposed convolution's output: o = (i-1)s - 2p + [d(k-1)+1] + a.

    It is `conv_output_size` read backwards: the sizes o from which a convolution would come to i
    are s in number, and a (``output_padding``) says which one.

    Parameters
    ----------
    i, k, s, p, a, d : int
        Input size, kernel size, stride, padding, output padding, dilation.

    Returns
    -------
    int
        The size o.

    Examples
    --------
    >>> [conv_transpose_output_size(6, k=3, s=2, p=1, a=a) for a in (0, 1)]
    [11, 12]
    >>> [conv_output_size(o, k=3, s=2, p=1) for o in (11, 12)]
    [6, 6]
    """
    return (i - 1) * s - 2 * p + d * (k - 1) + 1 + a


def _batched(x: ArrayLike, axes: int) -> tuple[Float64, bool]:
    """Return x as float64 with a batch axis, and whether that axis was there already."""
    x = np.asarray(x).astype(np.float64)
    if x.ndim not in (axes + 1, axes + 2):
        raise ValueError(f"x has shape {x.shape}; (N, C, *spatial) with {axes} spatial axes needed")
    return (x, True) if x.ndim == axes + 2 else (x[None], False)


def _pixels(*spatial: Any) -> Any:
    """Return an index of the last axes: for each a number, or (first, how many, step)."""
    return (
        ...,
        *(
            slice(axis[0], axis[0] + (axis[1] - 1) * axis[2] + 1, axis[2])
            if isinstance(axis, tuple)
            else axis
            for axis in spatial
        ),
    )


def _add_bias(y: Float64, bias: ArrayLike | None) -> Float64:
    if bias is None:
        return y
    return y + np.asarray(bias).astype(np.float64).reshape(-1, *[1] * (y.ndim - 2))


def conv(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float64:
    """Convolve: every output pixel is the sum of the pixels under the kernel times its weights.

    As everywhere in deep learning this is, strictly, a correlation: the kernel is not rotated::

        y[n, co, q] = bias[co] + sum over ci, m of  weight[co, ci, m] * x[n, ci, q*s - p + m*d]

    with x taken as 0 outside its bounds. q and m are as long as there are spatial axes.

    Parameters
    ----------
    x : array_like, shape (N, C_in, *spatial) or (C_in, *spatial)
        The input.
    weight : array_like, shape (C_out, C_in / groups, *kernel)
        One kernel for every pair of output and input channel (of the same group).
    bias : array_like, shape (C_out,), optional
        Added to every pixel of an output channel.
    stride : int or sequence of int
        Distance between kernel positions.
    padding : int, sequence with one int or pair (before, after) an axis, or a word
        Zeros put on both sides of every axis. "valid": none. "same" keeps the size (for stride 1)
        and puts the odd zero, if there is one, at the end. "same_upper" and "same_lower" put so
        many that ``o = ceil(i / s)``, an odd one at the end or at the start (TensorFlow's SAME;
        ONNX' auto_pad).
    dilation : int or sequence of int
        Distance between kernel taps.
    groups : int
        Input and output channels are cut into so many groups, and each output group sees its own
        input group only.

    Returns
    -------
    ndarray of float64, shape (N, C_out, *o) or (C_out, *o)
        o is given by `conv_output_size`.

    Notes
    -----
    The formula of ``torch.nn.functional.conv2d``; the sizes are those of Dumoulin and Visin's
    Relationship 6, with dilation.

    Examples
    --------
    The difference of neighbours, and the same at every second position:

    >>> x = np.array([[1, 4, 9, 16, 25]])
    >>> conv(x, [[[-1, 1]]])
    array([[3., 5., 7., 9.]])
    >>> conv(x, [[[-1, 1]]], stride=2)
    array([[3., 7.]])
    """
    weight = np.asarray(weight).astype(np.float64)
    kernel = weight.shape[2:]
    axes = len(kernel)
    x, has_batch = _batched(x, axes)
    s = _each_axis("stride", stride, axes)
    d = _each_axis("dilation", dilation, axes)
    before, after = _paddings(padding, x.shape[2:], kernel, s, d)
    x = np.pad(x, [(0, 0), (0, 0), *zip(before, after, strict=True)])
    # The padding is in x now, so p is 0 from here on.
    o = tuple(conv_output_size(x.shape[2 + n], kernel[n], s[n], 0, d[n]) for n in range(axes))
    if min(o, default=1) < 1:
        raise ValueError(f"a kernel {kernel} with dilation {d} does not fit in {x.shape[2:]}")

    c_out, c_group = weight.shape[:2]
    if x.shape[1] != groups * c_group or c_out % groups:
        raise ValueError(f"weight {weight.shape} with groups={groups} does not fit x {x.shape}")
    x = x.reshape(x.shape[0], groups, c_group, *x.shape[2:])
    grouped_weight = weight.reshape(groups, c_out // groups, c_group, *kernel)
    y = np.zeros((x.shape[0], groups, c_out // groups, *o))
    for m in np.ndindex(*kernel):
        # What tap m sees, for all kernel positions at once.
        seen = x[_pixels(*((m[n] * d[n], o[n], s[n]) for n in range(axes)))]
        y += np.einsum("ngi...,goi->ngo...", seen, grouped_weight[_pixels(*m)])
    y = _add_bias(y.reshape(y.shape[0], c_out, *o), bias)
    return y if has_batch else y[0]


def _paddings(
    padding: Padding,
    sizes: tuple[int, ...],
    kernel: tuple[int, ...],
    s: tuple[int, ...],
    d: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how many zeros go before and after the input, for every axis."""
    if padding == "same":
        if any(step != 1 for step in s):
            raise ValueError("padding='same' is for stride 1: no padding keeps the size otherwise")
        total = [gap * (k - 1) for k, gap in zip(kernel, d, strict=True)]
        return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    if _is_same(padding):
        windows = [-(-i // step) for i, step in zip(sizes, s, strict=True)]
        halves = [
            _halves(padding, max((o - 1) * step + gap * (k - 1) + 1 - i, 0))
            for i, o, k, step, gap in zip(sizes, windows, kernel, s, d, strict=True)
        ]
        return tuple(one[0] for one in halves), tuple(one[1] for one in halves)
    return _sides(0 if padding == "valid" else padding, len(kernel))


def _is_same(padding: Any) -> bool:
    return isinstance(padding, str) and padding in _SAME


def _halves(word: Any, total: int) -> tuple[int, int]:
    """Return a SAME padding's two sides; an odd pixel goes where the word says."""
    return (total // 2, total - total // 2)[:: 1 if word == "same_upper" else -1]  # type: ignore[return-value]


def _sides(padding: Any, axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what goes before and after, for every axis: an int counts for both sides."""
    if isinstance(padding, str):
        raise ValueError(f"padding={padding!r} is none of the words that are taken")
    pairs = [
        tuple(one) if isinstance(one, (Sequence, np.ndarray)) else (one, one)
        for one in _each_axis("padding", padding, axes)
    ]
    return tuple(before for before, _ in pairs), tuple(after for _, after in pairs)


def _check_axes(name: str, weight: ArrayLike, axes: int) -> None:
    """Check that a weight's kernels have so many axes."""
    if np.ndim(weight) != axes + 2:
        count = ("three", "four", "five")[axes - 1]
        raise ValueError(f"{name}: weight has shape {np.shape(weight)}; {count} axes are needed")


def conv1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float64:
    """Convolve signals (N, C, L); the slow twin of `upshape.conv1d`.

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups
        As in `conv`, with one spatial axis.

    Returns
    -------
    ndarray of float64
        As in `conv`.

    Examples
    --------
    >>> conv1d([[1, 2, 3]], [[[1, 10]]], bias=[0.5])
    array([[21.5, 32.5]])
    """
    _check_axes("conv1d", weight, 1)
    return conv(x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float64:
    """Convolve images (N, C, H, W); the slow twin of `upshape.conv2d`.

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups
        As in `conv`, with two spatial axes.

    Returns
    -------
    ndarray of float64
        As in `conv`.

    Examples
    --------
    >>> x = np.arange(16).reshape(1, 4, 4)
    >>> conv2d(x, np.ones((1, 1, 2, 2)), stride=2)
    array([[[10., 18.],
            [42., 50.]]])
    """
    _check_axes("conv2d", weight, 2)
    return conv(x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float64:
    """Convolve volumes (N, C, D, H, W); the slow twin of `upshape.conv3d`.

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups
        As in `conv`, with three spatial axes.

    Returns
    -------
    ndarray of float64
        As in `conv`.

    Examples
    --------
    >>> x = np.arange(8).reshape(1, 2, 2, 2)
    >>> conv3d(x, np.ones((1, 1, 2, 1, 1)))
    array([[[[ 4.,  6.],
             [ 8., 10.]]]])
    """
    _check_axes("conv3d", weight, 3)
    return conv(x, weight, bias, stride, padding, dilation, groups)


def _axis_matrices(i: int, o: int, k: int, s: int, p: int, d: int) -> Float64:
    """Return for every tap m the o x i matrix of zeros and ones that picks its pixel."""
    picks = np.zeros((k, o, i))
    for m, q in np.ndindex(k, o):
        source = q * s - p + m * d
        if 0 <= source < i:
            picks[m, q, source] = 1.0
    return picks


def _matrix(
    weight: Float64,
    sizes: tuple[int, ...],
    o: tuple[int, ...],
    s: tuple[int, ...],
    p: tuple[int, ...],
    d: tuple[int, ...],
    groups: int,
) -> Float64:
    """Return the matrix of a convolution from `sizes` to `o`."""
    kernel = weight.shape[2:]
    axes = len(kernel)
    picks = [_axis_matrices(sizes[n], o[n], kernel[n], s[n], p[n], d[n]) for n in range(axes)]
    c_out, c_group = weight.shape[:2]
    rows_a_group = c_out // groups
    matrix = np.zeros((c_out * math.prod(o), groups * c_group * math.prod(sizes)))
    for m in np.ndindex(*kernel):
        channels = np.zeros((c_out, groups * c_group))
        for g in range(groups):
            rows = slice(g * rows_a_group, (g + 1) * rows_a_group)
            columns = slice(g * c_group, (g + 1) * c_group)
            channels[rows, columns] = weight[_pixels(*m)][rows]
        block = channels
        for n in range(axes):
            block = np.kron(block, picks[n][m[n]])
        matrix += block
    return matrix


def conv_matrix(
    weight: ArrayLike,
    input_shape: Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float64:
    """Return the matrix K of a convolution: ``y.ravel() = K @ x.ravel()``.

    A convolution is linear, so it has a matrix: a row for every output pixel, a column for every
    input pixel, and a weight where the one sees the other. Its transpose is the transposed
    convolution, which is where that has its name from.

    Parameters
    ----------
    weight : array_like, shape (C_out, C_in / groups, *kernel)
        As in `conv`.
    input_shape : sequence of int
        ``(C_in, *spatial)``, the shape of one image; or the sizes ``(*spatial)`` alone.
    stride, padding, dilation, groups
        As in `conv`.

    Returns
    -------
    ndarray of float64, shape (C_out * prod(o), C_in * prod(i))
        K, dense and mostly zeros: meant for small examples.

    Notes
    -----
    Dumoulin and Visin, section 4.1. K is built from Kronecker products: along one axis, tap m
    picks pixel ``q*s - p + m*d`` for output q, which is a matrix of zeros and ones; a tap of a 2-D
    kernel picks along both axes at once.

    Examples
    --------
    A kernel of three taps on five pixels, with stride 2:

    >>> K = conv_matrix([[[1, 2, 3]]], input_shape=(5,), stride=2)
    >>> K
    array([[1., 2., 3., 0., 0.],
           [0., 0., 1., 2., 3.]])

    There, and back: K takes five pixels to two, and its transpose takes two to five.

    >>> K @ [1, 1, 1, 1, 1], K.T @ [1, 10]
    (array([6., 6.]), array([ 1.,  2., 13., 20., 30.]))
    """
    weight = np.asarray(weight).astype(np.float64)
    kernel = weight.shape[2:]
    axes = len(kernel)
    shape = tuple(input_shape)
    if len(shape) == axes:
        shape = (groups * weight.shape[1], *shape)
    if len(shape) != axes + 1 or shape[0] != groups * weight.shape[1]:
        raise ValueError(
            f"input_shape={tuple(input_shape)} does not fit weight {weight.shape} with "
            f"groups={groups}: (C_in, *spatial) with C_in = {groups * weight.shape[1]} needed"
        )
    sizes = shape[1:]
    s = _each_axis("stride", stride, axes)
    d = _each_axis("dilation", dilation, axes)
    p, after = _paddings(padding, sizes, kernel, s, d)
    padded = [before + i + more for before, i, more in zip(p, sizes, after, strict=True)]
    o = tuple(conv_output_size(padded[n], kernel[n], s[n], 0, d[n]) for n in range(axes))
    if min(o, default=1) < 1:
        raise ValueError(f"a kernel {kernel} with dilation {d} does not fit in {sizes}")
    return _matrix(weight, sizes, o, s, p, d, groups)


# --------------------------------------------------------------------------------------------------
# Transposed convolution, in three ways that share no step
# --------------------------------------------------------------------------------------------------


def insert_zeros(x: ArrayLike, stride: int | Sequence[int], spatial_axes: int) -> Array:
    """Put s - 1 zeros between neighbouring pixels, along the last `spatial_axes` axes.

    Parameters
    ----------
    x : array_like
        The input.
    stride : int or sequence of int
        The spacing s.
    spatial_axes : int
        How many axes to spread.

    Returns
    -------
    ndarray
        i pixels along an axis have become ``(i - 1) * s + 1``.

    Examples
    --------
    >>> insert_zeros([[1, 2, 3]], stride=2, spatial_axes=1)
    array([[1, 0, 2, 0, 3]])
    """
    x = np.asarray(x)
    s = _each_axis("stride", stride, spatial_axes)
    lead = x.ndim - spatial_axes
    sizes = (max((i - 1) * step + 1, 0) for i, step in zip(x.shape[lead:], s, strict=True))
    spread = np.zeros((*x.shape[:lead], *sizes), x.dtype)
    spread[_pixels(*((0, i, step) for i, step in zip(x.shape[lead:], s, strict=True)))] = x
    return spread


def rotate_180(weight: ArrayLike, spatial_axes: int) -> Array:
    """Turn a kernel by 180 degrees: reverse each of its last `spatial_axes` axes.

    Parameters
    ----------
    weight : array_like
        The kernel, or an array of them.
    spatial_axes : int
        How many axes a kernel has.

    Returns
    -------
    ndarray
        Same shape.

    Examples
    --------
    >>> rotate_180([[1, 2], [3, 4]], spatial_axes=2)
    array([[4, 3],
           [2, 1]])
    """
    weight = np.asarray(weight)
    return np.flip(weight, axis=tuple(range(weight.ndim - spatial_axes, weight.ndim)))


def _same_cut(
    word: Any,
    i: tuple[int, ...],
    o: tuple[int, ...],
    kernel: tuple[int, ...],
    s: tuple[int, ...],
    d: tuple[int, ...],
) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    """Return what SAME cuts off where o is asked for, and the output padding, for every axis.

    It is what a convolution with SAME padding would pad that leads from o back to i.
    """
    full = [
        (n - 1) * step + gap * (k - 1) + 1 for n, k, step, gap in zip(i, kernel, s, d, strict=True)
    ]
    cut = tuple(_halves(word, max(f - size, 0)) for f, size in zip(full, o, strict=True))
    return cut, tuple(max(size - f, 0) for f, size in zip(full, o, strict=True))


class _Plan:
    """Arguments of a transposed convolution, checked, one value an axis."""

    def __init__(
        self,
        x: ArrayLike,
        weight: ArrayLike,
        stride: int | Sequence[int],
        padding: Padding,
        output_padding: int | Sequence[int],
        groups: int,
        dilation: int | Sequence[int],
    ) -> None:
        self.weight: Float64 = np.asarray(weight).astype(np.float64)
        self.kernel = self.weight.shape[2:]
        self.axes = len(self.kernel)
        self.x, self.has_batch = _batched(x, self.axes)
        self.s = _each_axis("stride", stride, self.axes)
        self.d = _each_axis("dilation", dilation, self.axes)
        self.i = self.x.shape[2:]
        if _is_same(padding):
            if np.any(output_padding):
                raise ValueError(f"padding={padding!r} decides the size; output_padding must be 0")
            o = tuple(i * s for i, s in zip(self.i, self.s, strict=True))
            padding, output_padding = _same_cut(padding, self.i, o, self.kernel, self.s, self.d)
        self.a = _each_axis("output_padding", output_padding, self.axes)
        self.p, self.after = _sides(padding, self.axes)
        c_in = self.weight.shape[0]
        if self.x.shape[1] != c_in or c_in % groups:
            raise ValueError(
                f"weight {self.weight.shape} with groups={groups} does not fit x {self.x.shape}"
            )
        if any(not 0 <= a < max(s, d) for a, s, d in zip(self.a, self.s, self.d, strict=True)):
            raise ValueError(
                f"output_padding={output_padding} must be at least 0 and smaller than "
                f"max(stride, dilation), with stride={stride} and dilation={dilation}"
            )
        self.groups = groups
        self.c_out = groups * self.weight.shape[1]
        self.o = tuple(
            conv_transpose_output_size(
                self.i[n], self.kernel[n], self.s[n], 0, self.a[n], self.d[n]
            ) - self.p[n] - self.after[n]
            for n in range(self.axes)
        )  # fmt: skip
        if min(self.o, default=1) < 1:
            raise ValueError(f"the output would have size {self.o}; less padding is needed")

    def finish(self, y: Float64, bias: ArrayLike | None) -> Float64:
        y = _add_bias(y, bias)
        return y if self.has_batch else y[0]


def conv_transpose_by_zeros(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Float64:
    """Transposed convolution, first way: spread the input with zeros and convolve.

    1. Insert s - 1 zeros between neighbouring input pixels.
    2. Put d(k-1) - p zeros around the outside, and a more at the end.
    3. Rotate the kernel by 180 degrees and convolve, with stride 1.

    The stride of the convolution that is being transposed has become the spacing of the input, so
    a transposed convolution is at times called one "with fractional stride".

    Parameters
    ----------
    x : array_like, shape (N, C_in, *spatial) or (C_in, *spatial)
        The input.
    weight : array_like, shape (C_in, C_out / groups, *kernel)
        The weights of the convolution that is transposed: the axes of input and output channels
        have changed places in meaning only, so that the same array serves both.
    bias : array_like, shape (C_out,), optional
        Added to every pixel of an output channel.
    stride, dilation : int or sequence of int
        s and d of the convolution that is transposed.
    padding : int, sequence with one int or pair (before, after) an axis, or a word
        p, which is cut off both ends of every axis of the output. "same_upper" and "same_lower"
        cut so much off that ``o = i * s``, an odd pixel at the end or at the start.
    output_padding : int or sequence of int
        a: how many pixels the output gets on top of the smallest size, at the end of each axis.
    groups : int
        As in `conv`.

    Returns
    -------
    ndarray of float64, shape (N, C_out, *o) or (C_out, *o)
        o is given by `conv_transpose_output_size`.

    See Also
    --------
    conv_transpose_by_matrix : The second way.
    conv_transpose_by_scatter : The third.

    Notes
    -----
    Dumoulin and Visin, section 4.5 and Relationship 14 (with dilation besides). Nobody computes it
    so: of the products in step 3 all but one in s (in s * s on images) are by zero.

    Examples
    --------
    The input (1, 10) becomes (1, 0, 10), and (0, 0, 1, 0, 10, 0, 0) with a zero outside for every
    tap of the kernel but one; the kernel (1, 2, 3) becomes (3, 2, 1):

    >>> conv_transpose_by_zeros([[1, 10]], [[[1, 2, 3]]], stride=2)
    array([[ 1.,  2., 13., 20., 30.]])
    """
    plan = _Plan(x, weight, stride, padding, output_padding, groups, dilation)
    spread = insert_zeros(plan.x, plan.s, plan.axes)
    for n in range(plan.axes):
        border = plan.d[n] * (plan.kernel[n] - 1)
        spread = _pad_or_crop(
            spread, 2 + n, border - plan.p[n], border - plan.after[n] + plan.a[n]
        )
    # (C_in, C_out/g, ...) -> (C_out, C_in/g, ...): the convolution goes from C_in to C_out.
    c_in, c_group = plan.weight.shape[:2]
    rotated = rotate_180(plan.weight, plan.axes)
    rotated = rotated.reshape(groups, c_in // groups, c_group, *plan.kernel)
    rotated = rotated.swapaxes(1, 2).reshape(plan.c_out, c_in // groups, *plan.kernel)
    return plan.finish(conv(spread, rotated, dilation=plan.d, groups=groups), bias)


def _pad_or_crop(x: Array, axis: int, before: int, after: int) -> Array:
    """Add zeros to an axis; negative numbers take pixels away."""
    widths = [(0, 0)] * x.ndim
    widths[axis] = (max(before, 0), max(after, 0))
    x = np.pad(x, widths)
    keep = range(x.shape[axis])[max(-before, 0) : x.shape[axis] + min(after, 0)]
    return np.take(x, keep, axis)


def conv_transpose_by_matrix(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Float64:
    """Transposed convolution, second way: multiply by the transpose of a convolution's matrix.

    The convolution from the output's size o to the input's size i has a matrix K (`conv_matrix`).
    Its transpose leads from i to o: ``y.ravel() = K.T @ x.ravel()``. It brings back the shape, and
    not the values: K.T is no inverse of K.

    Parameters
    ----------
    x, weight, bias, stride, padding, output_padding, groups, dilation
        As in `conv_transpose_by_zeros`.

    Returns
    -------
    ndarray of float64
        As in `conv_transpose_by_zeros`.

    See Also
    --------
    conv_matrix : The matrix.

    Notes
    -----
    Dumoulin and Visin, section 4.1. It is the definition that explains the name, why the gradient
    of a convolution is a transposed convolution, and why ``output_padding`` must exist: the matrix
    needs to know from which of the s possible sizes the convolution came.

    Examples
    --------
    >>> conv_transpose_by_matrix([[1, 10]], [[[1, 2, 3]]], stride=2)
    array([[ 1.,  2., 13., 20., 30.]])
    >>> conv_transpose_by_matrix([[1, 10]], [[[1, 2, 3]]], stride=2, output_padding=1)
    array([[ 1.,  2., 13., 20., 30.,  0.]])
    """
    plan = _Plan(x, weight, stride, padding, output_padding, groups, dilation)
    # Where a >= s (dilation allows it), `conv` would go on for a step or more; K stops at i.
    matrix = _matrix(plan.weight, plan.o, plan.i, plan.s, plan.p, plan.d, groups)
    flat = plan.x.reshape(plan.x.shape[0], -1) if plan.x.size else np.zeros((0, matrix.shape[0]))
    y = flat @ matrix
    return plan.finish(y.reshape(plan.x.shape[0], plan.c_out, *plan.o), bias)


def conv_transpose_by_scatter(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Float64:
    """Transposed convolution, third way: every input pixel stamps its kernel onto the output.

    Take an empty canvas. For each input pixel q put the kernel down with its first tap at q*s,
    multiplied by the pixel, and add it to what is there already. At last cut p pixels off the
    beginning of each axis, and off its end what exceeds o.

    Where stamps overlap they add up; if s does not divide k, some output pixels get more stamps
    than others, which is the "checkerboard" seen in generated pictures [1]_.

    Parameters
    ----------
    x, weight, bias, stride, padding, output_padding, groups, dilation
        As in `conv_transpose_by_zeros`.

    Returns
    -------
    ndarray of float64
        As in `conv_transpose_by_zeros`.

    Notes
    -----
    In the letters of `conv`: ``y[n, co, q*s - p + m*d] += weight[ci, co, m] * x[n, ci, q]``.
    `conv` gathers with the very same index, which is why the one is the other's transpose.

    References
    ----------
    .. [1] A. Odena, V. Dumoulin, C. Olah, "Deconvolution and checkerboard artifacts", 2016,
       https://distill.pub/2016/deconv-checkerboard

    Examples
    --------
    The pixel 1 stamps (1, 2, 3) at 0, the pixel 10 stamps (10, 20, 30) at 2:

    >>> conv_transpose_by_scatter([[1, 10]], [[[1, 2, 3]]], stride=2)
    array([[ 1.,  2., 13., 20., 30.]])

    Two stamps meet at every second pixel:

    >>> conv_transpose_by_scatter([[1, 1, 1]], [[[1, 1, 1]]], stride=2)
    array([[1., 1., 2., 1., 2., 1., 1.]])
    """
    plan = _Plan(x, weight, stride, padding, output_padding, groups, dilation)
    batch, c_in, c_group = plan.x.shape[0], plan.weight.shape[0], plan.weight.shape[1]
    span = tuple(d * (k - 1) + 1 for k, d in zip(plan.kernel, plan.d, strict=True))
    full = tuple(
        (i - 1) * s + length + a
        for i, s, length, a in zip(plan.i, plan.s, span, plan.a, strict=True)
    )
    grouped_x = plan.x.reshape(batch, groups, c_in // groups, *plan.i)
    stamps = plan.weight.reshape(groups, c_in // groups, c_group, *plan.kernel)
    canvas = np.zeros((batch, groups, c_group, *full))
    for q in np.ndindex(*plan.i):
        pixel = grouped_x[_pixels(*q)]
        where = _pixels(*((q[n] * plan.s[n], plan.kernel[n], plan.d[n]) for n in range(plan.axes)))
        canvas[where] += np.einsum("ngi,gio...->ngo...", pixel, stamps)
    y = canvas.reshape(batch, plan.c_out, *full)
    y = y[_pixels(*((p, o, 1) for p, o in zip(plan.p, plan.o, strict=True)))]
    return plan.finish(y, bias)


_METHODS = {
    "zeros": conv_transpose_by_zeros,
    "matrix": conv_transpose_by_matrix,
    "scatter": conv_transpose_by_scatter,
}


def conv_transpose(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
    *,
    output_size: int | Sequence[int] | None = None,
    method: str = "scatter",
) -> Float64:
    """Transposed convolution, by whichever of the three ways is asked for.

    Parameters
    ----------
    x, weight, bias, stride, padding, output_padding, groups, dilation
        As in `conv_transpose_by_zeros`.
    output_size : int or sequence of int, optional
        The size to reach, one of the s sizes from the smallest on, instead of `output_padding`.
        Spatial sizes, or the whole shape of the output.
    method : {"scatter", "matrix", "zeros"}
        Which way.

    Returns
    -------
    ndarray of float64
        As in `conv_transpose_by_zeros`.

    See Also
    --------
    conv_transpose_by_zeros, conv_transpose_by_matrix, conv_transpose_by_scatter

    Examples
    --------
    >>> x, weight = [[1, 10]], [[[1, 2, 3]]]
    >>> conv_transpose(x, weight, stride=2, padding=1)
    array([[ 2., 13., 20.]])
    >>> conv_transpose(x, weight, stride=2, padding=1, output_size=4)
    array([[ 2., 13., 20., 30.]])
    """
    if output_size is not None:
        kernel = np.shape(weight)[2:]
        axes = len(kernel)
        sizes = np.shape(x)[-axes:]
        s, d = _each_axis("stride", stride, axes), _each_axis("dilation", dilation, axes)
        if np.ndim(output_size) == 0:
            wanted = _each_axis("output_size", output_size, axes)
        else:
            wanted = tuple(np.asarray(output_size).tolist())[-axes:]
        if _is_same(padding):
            smallest = [(i - 1) * step + 1 for i, step in zip(sizes, s, strict=True)]
        else:
            before, after = _sides(padding, axes)
            smallest = [
                conv_transpose_output_size(sizes[n], kernel[n], s[n], 0, 0, d[n])
                - before[n] - after[n] for n in range(axes)
            ]  # fmt: skip
        output_padding = tuple(w - least for w, least in zip(wanted, smallest, strict=True))
        if any(not 0 <= a < step for a, step in zip(output_padding, s, strict=True)):
            raise ValueError(
                f"output_size={output_size} is out of reach: each axis can have from {smallest} "
                f"on as many sizes as its stride, {s}"
            )
        if _is_same(padding):
            padding, output_padding = _same_cut(padding, sizes, wanted, kernel, s, d)
    if method not in _METHODS:
        raise ValueError(f"method={method!r} is none of {', '.join(_METHODS)}")
    return _METHODS[method](x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
    *,
    output_size: int | Sequence[int] | None = None,
) -> Float64:
    """Transposed convolution of signals; the slow twin of `upshape.conv_transpose1d`.

    Parameters
    ----------
    x, weight, bias, stride, padding, output_padding, groups, dilation, output_size
        As in `conv_transpose`, with one spatial axis.

    Returns
    -------
    ndarray of float64
        As in `conv_transpose`.

    Examples
    --------
    >>> conv_transpose1d([[1, 10]], [[[1, 2]]], stride=2)
    array([[ 1.,  2., 10., 20.]])
    """
    _check_axes("conv_transpose1d", weight, 1)
    return conv_transpose(
        x, weight, bias, stride, padding, output_padding, groups, dilation, output_size=output_size
    )


def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
    *,
    output_size: int | Sequence[int] | None = None,
) -> Float64:
    """Transposed convolution of images; the slow twin of `upshape.conv_transpose2d`.

    Parameters
    ----------
    x, weight, bias, stride, padding, output_padding, groups, dilation, output_size
        As in `conv_transpose`, with two spatial axes.

    Returns
    -------
    ndarray of float64
        As in `conv_transpose`.

    Examples
    --------
    >>> x = np.array([[[1, 2], [3, 4]]])
    >>> conv_transpose2d(x, np.ones((1, 1, 2, 2)), stride=2)
    array([[[1., 1., 2., 2.],
            [1., 1., 2., 2.],
            [3., 3., 4., 4.],
            [3., 3., 4., 4.]]])
    """
    _check_axes("conv_transpose2d", weight, 2)
    return conv_transpose(
        x, weight, bias, stride, padding, output_padding, groups, dilation, output_size=output_size
    )


def conv_transpose3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
    *,
    output_size: int | Sequence[int] | None = None,
) -> Float64:
    """Transposed convolution of volumes; the slow twin of `upshape.conv_transpose3d`.

    Parameters
    ----------
    x, weight, bias, stride, padding, output_padding, groups, dilation, output_size
        As in `conv_transpose`, with three spatial axes.

    Returns
    -------
    ndarray of float64
        As in `conv_transpose`.

    Examples
    --------
    >>> conv_transpose3d([[[[1, 2]]]], np.ones((1, 1, 1, 2, 2)), stride=(1, 1, 2))
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    """
    _check_axes("conv_transpose3d", weight, 3)
    return conv_transpose(
        x, weight, bias, stride, padding, output_padding, groups, dilation, output_size=output_size
    )
