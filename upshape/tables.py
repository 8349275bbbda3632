"""Tables of resizing: of which source pixels, and how much of each, a pixel of the result is made.

All there is of conventions is here, one axis at a time, in pure NumPy. A table is `Taps`. It is
made in two steps: a rule of *coordinates* says where on the source's axis a pixel of the result
lies, and a *kernel* says what is taken there: one pixel, a weighted sum of its neighbours, or,
where a picture shrinks and *antialias* is asked for, of as many as the result's pixel covers. What
would lie beyond the border goes to the border pixel, or is left out, or reflected.

`Convention` names a choice of all these; `Convention.taps` makes the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ARITHMETICS",
    "COORDINATES",
    "KERNELS",
    "ROUNDINGS",
    "ChainedMeans",
    "Convention",
    "ElevenBits",
    "FixedPoint",
    "Floored",
    "Taps",
    "antialiased",
    "area_axis",
    "box",
    "coverage_axis",
    "cubic",
    "exact_nearest_axis",
    "float32_positions",
    "hamming",
    "interpolated",
    "lanczos",
    "linear_axis",
    "nearest_axis",
    "opencv_nearest_axis",
    "outputs",
    "packed",
    "pillow_nearest_axis",
    "positions",
    "rounded",
    "smoothed_linear_axis",
    "transposed",
    "triangle",
]

Index = NDArray[np.int64]
Float64 = NDArray[np.float64]
Kernel = Callable[[Float64], Float64]

#: Where pixel `dst` of the result lies on the source's axis, by the names that ONNX gave the rules.
COORDINATES = (
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
    "tf_half_pixel_for_nn",
)

#: Which pixel is nearest to a position between two: ONNX's names.
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")

#: Libraries whose nearest pixel depends on how they compute it, and the words for their ways.
ARITHMETICS = ("exact", "opencv", "pillow", "float64", "onnx", "tensorflow")

#: What a `Convention` can make of a position.
KERNELS = (
    "nearest", "linear", "cubic", "area", "lanczos", "box", "hamming", "coverage", "gaussian",
    "lanczos4", "area-linear", "keys-table",
)

#: What lies beyond the border: the border's pixel, nothing (the other weights grow), or a mirror.
BORDERS = ("edge", "exclude", "mirror")


class Taps(NamedTuple):
    """An axis' table: pixel x is the sum of K pixels from ``first[x]`` on, times ``weights[x]``.

    0 <= first and first + K <= i; rows that need fewer pixels are filled up with zeros.
    """

    first: Index  # [o]
    weights: Float64  # [o, K]


# --- where pixels lie -----------------------------------------------------------------------------


def outputs(o: int, part: slice | None = None) -> Index:
    """Return the pixels of the result that a table is for."""
    return np.arange(o) if part is None else np.arange(part.start, part.stop)


def positions(
    coordinates: str, i: int, o: int, factor: float | None = None, part: slice | None = None
) -> Float64:
    """Return where on an axis of `i` pixels each of `o` pixels (or a part of them) lies.

    `factor` is o / i unless it is given: then it is the number that was asked for, which differs
    where i * factor is no integer.

    >>> positions("half_pixel", 4, 2), positions("asymmetric", 4, 2)
    (array([0.5, 2.5]), array([0., 2.]))
    >>> positions("align_corners", 3, 5), positions("tf_half_pixel_for_nn", 4, 2)
    (array([0. , 0.5, 1. , 1.5, 2. ]), array([1., 3.]))
    >>> positions("half_pixel_symmetric", 5, 4, 0.9).round(3)
    array([0.333, 1.444, 2.556, 3.667])
    """
    dst = outputs(o, part).astype(np.float64)
    scale = i / o if factor is None else 1.0 / factor
    if coordinates == "align_corners":
        return dst * (i - 1) / max(o - 1, 1)
    if coordinates == "asymmetric":
        return dst * scale
    if coordinates == "tf_half_pixel_for_nn":
        return (dst + 0.5) * scale
    if coordinates == "pytorch_half_pixel" and o == 1:
        return np.zeros(len(dst))
    shift = 0.0
    if coordinates == "half_pixel_symmetric" and factor is not None:
        shift = i / 2 * (1 - o / (i * factor))
    return (dst + 0.5) * scale - 0.5 + shift


def rounded(rounding: str, position: NDArray[Any]) -> Index:
    """Return the pixel next to a position.

    >>> [rounded(name, np.array([0.5, 1.2, 1.5])).tolist() for name in ROUNDINGS]
    [[0, 1, 1], [1, 1, 2], [0, 1, 1], [1, 2, 2]]
    """
    half = position.dtype.type(0.5)
    floor = np.floor(position)
    if rounding == "floor":
        index = floor
    elif rounding == "ceil":
        index = np.ceil(position)
    elif rounding == "round_prefer_ceil":
        index = floor + (position - floor >= half)
    else:
        index = floor + (position - floor > half)
    whole: Index = index.astype(np.int64)
    return whole


def nearest_axis(
    i: int, o: int, factor: float | None, exact: bool, double: bool, part: slice | None = None
) -> Index:
    """Return the source pixel of each of `o` output pixels, or of a part of them, as PyTorch does.

    The scale (``1 / factor``, else ``i / o``) and the product are float64 for float64 arrays, else
    float32; the position is rounded to float32 before its floor is taken. "nearest-exact" goes to
    the pixel's centre and back, which float32 notices on long axes.

    >>> nearest_axis(3, 5, None, False, False), nearest_axis(3, 5, None, True, False)
    (array([0, 0, 1, 1, 2]), array([0, 0, 1, 2, 2]))
    """
    real: Any = np.float64 if double else np.float32
    scale = real(i) / real(o) if factor is None else real(1.0 / factor)
    dst = outputs(o, part).astype(real)
    if exact:
        # float64 holds the product of two float32: one rounding, as by a fused multiply-add.
        centre = ((dst + real(0.5)).astype(np.float64) * np.float64(scale) - 0.5).astype(real)
        position = centre + real(0.5)
    else:
        position = dst * scale
    index: Index = position.astype(np.float32).astype(np.int64)
    np.minimum(index, i - 1, out=index)
    return index


def exact_nearest_axis(
    coordinates: str, rounding: str, i: int, o: int, part: slice | None = None
) -> Index:
    """Return the source pixel of each output pixel, by fractions of whole numbers.

    A position that lies between two pixels, or on one, lies there exactly.

    >>> exact_nearest_axis("half_pixel", "round_prefer_ceil", 3, 5)
    array([0, 0, 1, 2, 2])
    >>> exact_nearest_axis("half_pixel", "floor", 3, 47)[23]  # in float64 0.999...: pixel 0
    np.int64(1)
    """
    dst = outputs(o, part)
    if coordinates == "align_corners":
        numerator, denominator = dst * (i - 1), max(o - 1, 1)
    elif coordinates == "asymmetric":
        numerator, denominator = dst * i, o
    elif coordinates == "pytorch_half_pixel" and o == 1:
        numerator, denominator = dst * 0, 1
    else:
        half = 0 if coordinates == "tf_half_pixel_for_nn" else o
        numerator, denominator = (2 * dst + 1) * i - half, 2 * o
    index, rest = np.divmod(numerator, denominator)
    if rounding == "ceil":
        index += rest > 0
    elif rounding == "round_prefer_ceil":
        index += 2 * rest >= denominator
    elif rounding == "round_prefer_floor":
        index += 2 * rest > denominator
    inside: Index = np.clip(index, 0, i - 1)
    return inside


def opencv_nearest_axis(i: int, o: int, part: slice | None = None) -> Index:
    """Return the source pixels of OpenCV's ``INTER_NEAREST``: float64, by way of 1 / (o / i)."""
    index = np.floor(outputs(o, part) * (1.0 / (o / i))).astype(np.int64)
    inside: Index = np.minimum(index, i - 1)
    return inside


def pillow_nearest_axis(i: int, o: int, part: slice | None = None) -> Index:
    """Return the source pixels of Pillow's ``NEAREST``: a step in float64, added up.

    OpenCV 5 has taken them over as its ``INTER_NEAREST_EXACT``.

    >>> pillow_nearest_axis(2, 7)  # 2 / 7, added up, is a little less than 1 at the tie
    array([0, 0, 0, 0, 1, 1, 1])
    """
    step = i / o
    position = np.add.accumulate(np.concatenate([[step * 0.5], np.full(o - 1, step)]))
    index: Index = np.clip(position.astype(np.int64), 0, i - 1)
    return index if part is None else index[part]


def float32_positions(
    coordinates: str, i: int, o: int, factor: float | None = None, part: slice | None = None
) -> NDArray[np.float32]:
    """Return what ONNX Runtime makes of `positions`: every step in float32, divided by o / i."""
    real = np.float32
    dst = outputs(o, part).astype(real)
    scale = real(o) / real(i) if factor is None else real(factor)
    half = real(0.5)
    if coordinates == "align_corners":
        position = dst * real(i - 1) / real(max(o - 1, 1))
    elif coordinates == "asymmetric":
        position = dst / scale
    elif coordinates == "tf_half_pixel_for_nn":
        position = (dst + half) / scale
    elif coordinates == "pytorch_half_pixel" and o == 1:
        position = np.zeros(len(dst), real)
    elif coordinates == "half_pixel_symmetric":
        shift = real(i) / real(2) * (real(1) - real(o) / (scale * real(i)))
        position = shift + (dst + half) / scale - half
    else:
        position = (dst + half) / scale - half
    result: NDArray[np.float32] = position.astype(real)
    return result


def linear_axis(
    i: int, o: int, factor: float | None, align_corners: bool, part: slice | None = None
) -> tuple[Index, Float64 | None, int]:
    """Return the lower neighbour of each of `o` output pixels, how far it is, and `i`.

    An axis whose size does not change is copied, whatever the factor: its distances are None.

    >>> linear_axis(2, 4, None, False)
    (array([0, 0, 0, 1]), array([0.  , 0.25, 0.75, 0.25]), 2)
    """
    dst = outputs(o, part).astype(np.float64)
    if o == i:
        return dst.astype(np.int64), None, i
    if align_corners:
        position = dst * (i - 1) / max(o - 1, 1)
    else:
        scale = i / o if factor is None else 1.0 / factor
        position = np.maximum((dst + 0.5) * scale - 0.5, 0.0)
    low = np.minimum(position.astype(np.int64), i - 1)
    return low, np.clip(position - low, 0.0, 1.0), i


# --- kernels: how much of a pixel is taken that lies so far away ----------------------------------


def triangle(x: Float64) -> Float64:
    """Return the linear kernel, 1 - |x| up to 1."""
    return np.maximum(1.0 - np.abs(x), 0.0)


def cubic(x: Float64, a: float = -0.75) -> Float64:
    """Return Keys' cubic convolution kernel, which reaches 2 pixels far.

    a = -0.75 in PyTorch, OpenCV and ONNX; -0.5, Keys' own choice, in Pillow, TensorFlow and
    PyTorch's antialias.

    >>> cubic(np.array([0, 0.5, 1, 1.5, 2]))
    array([ 1.     ,  0.59375,  0.     , -0.09375,  0.     ])
    """
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def lanczos(x: Float64, lobes: int = 3) -> Float64:
    """Return the sinc function under its own first lobe, stretched over so many lobes.

    >>> lanczos(np.array([0, 1.5, 3])).round(4)
    array([ 1.    , -0.1351,  0.    ])
    """
    value = np.where(np.abs(x) < lobes, np.sinc(x) * np.sinc(x / lobes), 0.0)
    # The sine of a multiple of pi is not quite zero in floating point; here it is.
    return np.where(x == np.round(x), x == 0, value)


def box(x: Float64) -> Float64:
    """Return 1 for what is at most half a pixel away, on the left side of that only."""
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


def hamming(x: Float64) -> Float64:
    """Return the sinc function's first lobe under Hamming's window, Pillow's HAMMING.

    Its numbers are 0.54 and 0.46 in float32, as Pillow has them, and their sum is 1.
    """
    high, low = float(np.float32(0.54)), float(np.float32(0.46))
    window = np.where(x == 0, 1.0, high + low * np.cos(np.pi * x))
    return np.where(np.abs(x) < 1, np.sinc(x) * window, 0.0)


# --- tables ---------------------------------------------------------------------------------------


def packed(low: Index, weights: Float64, i: int, border: str = "edge") -> Taps:
    """Return the table of windows that may reach beyond the border.

    Window x has the pixels from ``low[x]`` on, each with its weight. What lies outside is added to
    the border's pixel ("edge") or to its mirror image ("mirror"), or left out, and the other
    weights grow until their sum is 1 ("exclude").

    >>> packed(np.array([-1, 2]), np.array([[0.25, 0.25, 0.5]] * 2), 3).weights
    array([[0.5, 0.5], [0. , 1. ]])
    >>> packed(np.array([-1]), np.array([[0.2, 0.2, 0.6]]), 3, "exclude").weights
    array([[0.25, 0.75]])
    """
    index = low[:, None] + np.arange(weights.shape[1])
    if border == "exclude":
        weights = np.where((index >= 0) & (index < i), weights, 0.0)
        weights = weights / weights.sum(axis=1, keepdims=True)
    if border == "mirror":
        period = max(2 * (i - 1), 1)
        index = np.abs(index) % period
        index = np.minimum(index, period - index) if i > 1 else index * 0
    else:
        np.clip(index, 0, i - 1, out=index)
    first = index.min(axis=1)
    count = int((index.max(axis=1) - first).max()) + 1
    first = np.minimum(first, i - count)
    # Columns one after the other, each into its place: several may share one.
    places = (index - first[:, None]) + np.arange(len(low))[:, None] * count
    folded = np.zeros(len(low) * count)
    folded += np.bincount(places.ravel(), weights.ravel(), len(folded))
    return Taps(first, folded.reshape(len(low), count))


def interpolated(
    position: Float64, i: int, kernel: Kernel, radius: int, border: str = "edge",
    normalised: bool = False,
) -> Taps:
    """Return the table of a kernel that is laid at each position, as wide as it is.

    >>> interpolated(np.array([0.5, 1.25]), 4, triangle, 1)
    Taps(first=array([0, 1]), weights=array([[0.5 , 0.5 ], [0.75, 0.25]]))
    """
    low = np.floor(position).astype(np.int64) - (radius - 1)
    # Distances from the first pixel on: the fraction of a position keeps its digits.
    nearest = (position - np.floor(position))[:, None] + (radius - 1)
    weights = kernel(nearest - np.arange(2 * radius))
    if normalised:
        weights = weights / weights.sum(axis=1, keepdims=True)
    return packed(low, weights, i, border)


def antialiased(
    centre: Float64, scale: float, i: int, kernel: Kernel, radius: float, border: str = "exclude"
) -> Taps:
    """Return the table of a kernel that is stretched by `scale` where the picture shrinks.

    `centre` counts from the axis' edge: the first pixel's is 0.5. The window and the weights are
    those of Pillow (``precompute_coeffs``), which PyTorch and ONNX follow: the pixels whose centres
    are within the stretched radius, rounded, with weights that sum to 1.

    >>> antialiased(np.array([1.0, 3.0]), 2.0, 4, triangle, 1).weights * 7
    array([[3., 3., 1.], [1., 3., 3.]])
    """
    stretch = max(scale, 1.0)
    support = radius * stretch
    low = np.floor(centre - support + 0.5).astype(np.int64)
    end = np.floor(centre + support + 0.5).astype(np.int64)
    if border == "exclude":
        low, end = np.maximum(low, 0), np.minimum(end, i)
    # A window that its radius leaves empty takes the pixel in which its centre lies.
    end = np.maximum(end, low + 1)
    count = np.arange(int((end - low).max()))
    # Multiplied, and summed from the left, as there: what is a tie for Pillow is one here.
    weights = kernel((low[:, None] + count - centre[:, None] + 0.5) * (1.0 / stretch))
    weights = np.where(count < (end - low)[:, None], weights, 0.0)
    total = weights.cumsum(axis=1)[:, -1:]
    weights = weights / np.where(total == 0, 1.0, total)
    return packed(low, weights, i)


def area_axis(i: int, o: int, part: slice | None = None) -> Taps:
    """Return the table of means over the pixels that a pixel of the result touches.

    Those from floor(dst i / o) to ceil((dst + 1) i / o), each counted as a whole: PyTorch's
    ``mode="area"`` and ``adaptive_avg_pool``.

    >>> area_axis(4, 2).weights, (area_axis(3, 2).weights * 2).tolist()
    (array([[0.5, 0.5], [0.5, 0.5]]), [[1.0, 1.0], [1.0, 1.0]])
    """
    dst = outputs(o, part)
    first = dst * i // o
    count = -(-(dst + 1) * i // o) - first
    taps = np.arange(int(count.max()))
    weights = np.where(taps < count[:, None], 1.0 / count[:, None], 0.0)
    return packed(first, weights, i)


def coverage_axis(i: int, o: int, part: slice | None = None) -> Taps:
    """Return the table of means in which a pixel counts as far as the result's pixel covers it.

    OpenCV's ``INTER_AREA`` where it shrinks; all weights are exact fractions, rounded.

    >>> (coverage_axis(3, 2).weights * 3).tolist()
    [[2.0, 1.0], [1.0, 2.0]]
    """
    dst = outputs(o, part)
    first = dst * i // o
    count = -(-(dst + 1) * i // o) - first
    taps = first[:, None] + np.arange(int(count.max()))
    begin = np.maximum(taps * o, (dst * i)[:, None])
    end = np.minimum((taps + 1) * o, ((dst + 1) * i)[:, None])
    return packed(first, np.maximum(end - begin, 0) / i, i)


def area_linear_axis(i: int, o: int, part: slice | None = None) -> Taps:
    """Return the table of OpenCV's ``INTER_AREA`` where an axis grows.

    A pixel of the result that lies within one of the source's is that one; one that lies across an
    edge is a mean of the two, by what it covers of each.

    >>> area_linear_axis(2, 3).weights
    array([[1. , 0. ], [0.5, 0.5], [0. , 1. ]])
    """
    dst = outputs(o, part)
    low = np.minimum((dst * (1.0 / (o / i))).astype(np.int64), i - 1)
    # float32 makes 1 of 0.999..., and then nothing of it.
    covered = ((dst + 1) - (low + 1) * (o / i)).astype(np.float32)
    beyond = np.where(covered <= 0, 0.0, covered - np.floor(covered)).astype(np.float64)
    return packed(low, np.stack([1.0 - beyond, beyond], axis=1), i)


def smoothed_linear_axis(position: Float64, i: int, sigma: float, border: str = "mirror") -> Taps:
    """Return the table of a Gaussian filter with linear interpolation after it, scikit-image's.

    The filter's window ends at four standard deviations, as in ``scipy.ndimage``.

    >>> smoothed_linear_axis(np.array([0.5]), 2, 0.0).weights
    array([[0.5, 0.5]])
    """
    radius = int(4 * sigma + 0.5)
    taps = np.arange(-radius, radius + 1)
    gauss = np.exp(-0.5 * (taps / sigma) ** 2) if radius else np.ones(1)
    gauss = gauss / gauss.sum()
    low = np.floor(position)
    t = (position - low)[:, None]
    weights = (1 - t) * np.append(gauss, 0.0) + t * np.append(0.0, gauss)
    return packed(low.astype(np.int64) - radius, weights, i, border)


def lanczos4_axis(position: Float64, i: int) -> Taps:
    """Return the table of OpenCV's ``INTER_LANCZOS4``: eight taps, normalised.

    >>> lanczos4_axis(np.array([3.0]), 8).weights
    array([[0., 0., 0., 1., 0., 0., 0., 0.]])
    """
    return interpolated(position, i, lambda x: lanczos(x, 4), 4, "edge", normalised=True)


def float32_cubic(t: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the four weights of each position between two pixels, as OpenCV computes them.

    >>> float32_cubic(np.array([0.5], np.float32)).tolist()
    [[-0.09375, 0.59375, 0.59375, -0.09375]]
    """
    a, one = np.float32(-0.75), np.float32(1)
    first = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a
    near = [((a + 2) * x - (a + 3)) * x * x + 1 for x in (t, one - t)]
    return np.stack([first, *near, one - first - near[0] - near[1]], axis=1)


def float32_lanczos4(t: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the eight weights of each position between two pixels, as OpenCV computes them.

    Of one sine and one cosine, a sum and a division of float32; a pixel itself counts 1e30.

    >>> float32_lanczos4(np.array([0.5], np.float32)).round(3)[0, :4]
    array([-0.013,  0.06 , -0.166,  0.619], dtype=float32)
    """
    root = 0.70710678118654752440084436210485
    turns = ((1, 0), (-root, -root), (0, 1), (root, -root),
             (-1, 0), (root, root), (0, -1), (-root, root))  # fmt: skip
    angle = -(t + np.float32(3)).astype(np.float64) * np.pi * 0.25
    sine, cosine = np.sin(angle), np.cos(angle)
    weights: NDArray[np.float32] = np.empty((len(t), 8), np.float32)
    for tap, (by_sine, by_cosine) in enumerate(turns):
        distance = (t + np.float32(3)) - np.float32(tap)
        near = np.abs(distance) < np.float32(1e-6)
        y = np.where(near, 1.0, -distance.astype(np.float64) * np.pi * 0.25)
        weights[:, tap] = np.where(near, 1e30, (by_sine * sine + by_cosine * cosine) / (y * y))
    total = weights.cumsum(axis=1, dtype=np.float32)[:, -1:]
    weights *= np.float32(1) / total
    return weights


def transposed(taps: Taps | None, i: int) -> Taps | None:
    """Return the table of the adjoint: that which takes an axis of `o` pixels back to `i`.

    The same weights: what pixel x of the result took of pixel y, y gets back of x.

    >>> transposed(Taps(np.array([0, 0, 1]), np.array([[1.0, 0], [0.5, 0.5], [1.0, 0]])), 3)
    Taps(first=array([0, 1, 1]), weights=array([[1. , 0.5], [0.5, 1. ], [0. , 0. ]]))
    """
    if taps is None:
        return None
    o = len(taps.first)
    rows, columns = np.nonzero(taps.weights)
    pixels = taps.first[rows] + columns
    begin = np.full(i, o, np.int64)
    np.minimum.at(begin, pixels, rows)
    end = np.zeros(i, np.int64)
    np.maximum.at(end, pixels, rows + 1)
    widest = max(int((end - begin).max()), 1)
    first = np.clip(begin, 0, o - widest)
    weights = np.zeros((i, widest))
    weights[pixels, rows - first[pixels]] = taps.weights[rows, columns]
    return Taps(first, weights)


# --- conventions ----------------------------------------------------------------------------------

#: Kernels that are stretched where a picture shrinks, and how far they reach.
_STRETCHED: dict[str, tuple[Kernel, float]] = {
    "linear": (triangle, 1.0),
    "box": (box, 0.5),
    "hamming": (hamming, 1.0),
}


class Convention(NamedTuple):
    """A way of resizing: coordinates, kernel and border."""

    kernel: str = "linear"
    coordinates: str = "half_pixel"
    antialias: bool = False
    border: str = "edge"
    rounding: str = "round_prefer_floor"
    arithmetic: str = "exact"  # nearest's, one of ARITHMETICS
    a: float = -0.75  # cubic's
    lobes: int = 3  # lanczos'
    exact: bool = False  # bytes are sums of float32, rounded once, and never fixed point

    @property
    def copies(self) -> bool:
        """Whether each pixel is one of the source, as it is."""
        return self.kernel == "nearest"

    def taps(
        self, i: int, o: int, factor: float | None = None, part: slice | None = None
    ) -> Taps | None:
        """Return the table of an axis from `i` to `o` pixels, or of a part of them; None: a copy.

        >>> Convention("cubic").taps(4, 2).weights
        array([[ 0.5    ,  0.59375, -0.09375],
               [-0.09375,  0.59375,  0.5    ]])
        """
        scale = i / o if factor is None else 1.0 / factor
        if self.copies:
            first = self.sources(i, o, factor, part)
            return Taps(first, np.ones((len(first), 1)))
        if i == o and (
            self.kernel in ("area", "coverage", "area-linear")
            or (scale == 1.0 and self.coordinates != "tf_half_pixel_for_nn")
            or (self.coordinates == "align_corners" and not self.antialias)
        ):
            return None
        if self.kernel == "area":
            return area_axis(i, o, part)
        if self.kernel == "coverage":
            return coverage_axis(i, o, part)
        if self.kernel == "area-linear":
            return area_linear_axis(i, o, part)
        position = positions(self.coordinates, i, o, factor, part)
        if self.kernel == "keys-table":
            low = np.floor(position)
            position = low + np.rint((position - low) * 1024) / 1024
            return interpolated(
                position, i, lambda x: cubic(x, self.a), 2, self.border, normalised=True
            )
        if self.kernel == "gaussian":
            sigma = max(0.0, (scale - 1) / 2) if self.antialias else 0.0
            return smoothed_linear_axis(position, i, sigma, self.border)
        if self.kernel == "lanczos4":
            return lanczos4_axis(position, i)
        kernel, radius = self._kernel()
        if self.antialias:
            return antialiased(position + 0.5, scale, i, kernel, radius, self.border)
        if self.kernel == "linear" and self.border == "edge":
            np.clip(position, 0, i - 1, out=position)
        return interpolated(
            position, i, kernel, math.ceil(radius), self.border, self.kernel == "lanczos"
        )

    def sources(
        self, i: int, o: int, factor: float | None = None, part: slice | None = None
    ) -> Index:
        """Return the one source pixel of each pixel of the result.

        >>> Convention("nearest", rounding="ceil").sources(4, 2)
        array([1, 3])
        """
        ways = {
            "opencv": opencv_nearest_axis,
            "pillow": pillow_nearest_axis,
        }
        if self.arithmetic in ways:
            return ways[self.arithmetic](i, o, part)
        if self.arithmetic == "tensorflow":
            dst = outputs(o, part).astype(np.float32) + np.float32(0.5)
            position: NDArray[Any] = dst * (np.float32(i) / np.float32(o))
        elif self.arithmetic == "onnx":
            position = float32_positions(self.coordinates, i, o, factor, part)
        elif self.arithmetic == "exact" and factor is None:
            return exact_nearest_axis(self.coordinates, self.rounding, i, o, part)
        else:
            position = positions(self.coordinates, i, o, factor, part)
        return np.clip(rounded(self.rounding, position), 0, i - 1)

    def _kernel(self) -> tuple[Kernel, float]:
        if self.kernel == "cubic":
            return lambda x: cubic(x, self.a), 2.0
        if self.kernel == "lanczos":
            return lambda x: lanczos(x, self.lobes), float(self.lobes)
        return _STRETCHED[self.kernel]


class FixedPoint(NamedTuple):
    """A convention's tables with weights of so many bits after the point.

    `bits` None: as many as a 16-bit integer has room for, given the largest weight of the axis.
    `down_first`: rows come before columns.
    """

    convention: Convention
    bits: int | None = None
    exact: bool = True
    down_first: bool = False

    @property
    def copies(self) -> bool:
        """Whether each pixel is one of the source, as it is."""
        return False

    def taps(
        self, i: int, o: int, factor: float | None = None, part: slice | None = None
    ) -> Taps | None:
        """Return the table of an axis, as `Convention.taps` does.

        >>> (FixedPoint(Convention(), 4).taps(3, 5).weights * 16)[1:3]
        array([[10.,  6.], [16.,  0.]])
        """
        taps = self.convention.taps(i, o, factor)
        if taps is None:
            return None
        bits = self.bits
        if bits is None:
            bits, largest = 0, self._largest(taps.weights, i, o, factor)
            while bits < 22 and int(0.5 + largest * 2 ** (bits + 1)) < 1 << 15:
                bits += 1
        # Halves away from zero, as by C's conversion of w + 0.5 or w - 0.5.
        whole = np.trunc(taps.weights * 2.0**bits + np.copysign(0.5, taps.weights))
        first, weights = taps.first, whole / 2.0**bits
        return Taps(first, weights) if part is None else Taps(first[part], weights[part])

    def _largest(self, weights: Float64, i: int, o: int, factor: float | None) -> float:
        """Return the largest weight that PyTorch meets while it makes those of an axis.

        It adds a cubic's taps beyond the border to the last pixel one by one, and sees that pixel's
        own weight before one beyond, which may be negative, makes it smaller.
        """
        largest = float(weights.max())
        if self.convention.kernel != "cubic" or self.convention.antialias:
            return largest
        away = positions(self.convention.coordinates, i, o, factor) - (i - 1)
        return max(largest, float(cubic(away, self.convention.a).max()))


def _opencvs_positions(
    i: int, o: int, part: slice | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the lower neighbours and the distances from them, as OpenCV's float32 has them."""
    position = ((outputs(o, part) + 0.5) * (1.0 / (o / i)) - 0.5).astype(np.float32)
    low = np.floor(position)
    return low, position - low


def _of_eleven_bits(weights: NDArray[np.float32]) -> Float64:
    """Round weights to eleven bits behind the point, each by itself."""
    whole: Float64 = np.rint(weights * np.float32(2048)).astype(np.float64)
    return whole / 2048


class Floored(NamedTuple):
    """OpenCV's ``INTER_LINEAR`` of bytes: weights of eleven bits, sums that are rounded down.

    `area`: its ``INTER_AREA`` where an axis grows, which goes the same way. A sum across is divided
    by 16, its product with a weight down by 65536, both rounded down; the sum of the two products
    is divided by 4 and rounded, halves up.
    """

    area: bool = False
    exact: bool = True

    @property
    def copies(self) -> bool:
        """Whether each pixel is one of the source, as it is."""
        return False

    def taps(
        self, i: int, o: int, factor: float | None = None, part: slice | None = None
    ) -> Taps:
        """Return the table of an axis; what lies beyond the border is the border's pixel, again.

        A product with each of two weights is rounded down, where one with their sum is not.

        >>> Floored().taps(3, 5)
        Taps(first=array([-1,  0,  1,  1,  2]), weights=array([[0.20019531, 0.79980469],
               [0.60009766, 0.39990234],
               [1.        , 0.        ],
               [0.39990234, 0.60009766],
               [0.79980469, 0.20019531]]))
        """
        if self.area:
            dst = outputs(o, part)
            low = np.floor(dst * (1.0 / (o / i)))
            # float32 makes 1 of 0.999..., and then nothing of it.
            beyond = ((dst + 1) - (low + 1) * (o / i)).astype(np.float32)
            beyond = np.where(beyond <= 0, np.float32(0), beyond - np.floor(beyond))
        else:
            low, beyond = _opencvs_positions(i, o, part)
        weights = np.stack([np.float32(1) - beyond, beyond], axis=1)
        return Taps(low.astype(np.int64), _of_eleven_bits(weights))


class ElevenBits(NamedTuple):
    """OpenCV's ``INTER_LANCZOS4`` and ``INTER_CUBIC`` of bytes: integers, rounded once, halves up.

    Each weight is computed in float32, as there, and rounded to eleven bits by itself.
    """

    kernel: str
    exact: bool = True

    @property
    def copies(self) -> bool:
        """Whether each pixel is one of the source, as it is."""
        return False

    def taps(
        self, i: int, o: int, factor: float | None = None, part: slice | None = None
    ) -> Taps:
        """Return the table of an axis; what lies beyond the border is the border's pixel, again.

        >>> taps = ElevenBits("cubic").taps(4, 2)
        >>> taps.first.tolist(), (taps.weights * 2048).tolist()
        ([-1, 1], [[-192.0, 1216.0, 1216.0, -192.0], [-192.0, 1216.0, 1216.0, -192.0]])
        """
        low, beyond = _opencvs_positions(i, o, part)
        weights = (float32_cubic if self.kernel == "cubic" else float32_lanczos4)(beyond)
        first = low.astype(np.int64) - (weights.shape[1] // 2 - 1)
        return Taps(first, _of_eleven_bits(weights))


class ChainedMeans(NamedTuple):
    """OpenCV's ``INTER_AREA`` of bytes where no axis grows: sums of float32, product by product.

    `whole`: both axes shrink by whole factors; it adds up the pixels and multiplies once.
    """

    whole: bool
    exact: bool = True

    @property
    def copies(self) -> bool:
        """Whether each pixel is one of the source, as it is."""
        return False

    def taps(
        self, i: int, o: int, factor: float | None = None, part: slice | None = None
    ) -> Taps | None:
        """Return the table of an axis; what covers less than a thousandth of a pixel is left out.

        >>> (ChainedMeans(False).taps(3, 2).weights * 3).round(3)
        array([[2., 1.],
               [1., 2.]])
        """
        if i == o:
            return None
        scale = 1.0 / (o / i)
        begin = outputs(o, part) * scale
        end = begin + scale
        width = np.minimum(scale, i - begin)
        last = np.minimum(np.floor(end).astype(np.int64), i - 1)
        first = np.minimum(np.ceil(begin).astype(np.int64), last)
        # The pixel that is begun with, whole ones, and one that is begun.
        before = np.where(first - begin > 1e-3, (first - begin) / width, 0.0)
        beyond = np.where(end - last > 1e-3, np.minimum(np.minimum(end - last, 1.0), width) / width,
                          0.0)
        count = int((last - first).max())
        taps = np.arange(count)
        between = np.where(taps < (last - first)[:, None], (1.0 / width)[:, None], 0.0)
        weights = np.zeros((len(begin), count + 2))
        weights[:, 0] = before
        weights[:, 1:-1] = between
        np.put_along_axis(weights, (1 + last - first)[:, None], beyond[:, None], 1)
        return packed(first - 1, weights.astype(np.float32).astype(np.float64), i)
