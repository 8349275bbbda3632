"""Pictures and volumes to a size, in one library's way or another's; and the adjoint of it all.

`resize` is `interpolate` for arrays without a batch axis: it finds the convention that is asked for
and hands the rest to the same plans and kernels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from upshape import arrays, dialects
from upshape.interpolation import (
    BFLOAT16,
    LAYOUTS,
    LINEAR_DTYPES,
    LONGEST,
    MEAN_DTYPES,
    How,
    Job,
    Layout,
    Tabled,
    as_align_corners,
    as_antialias,
    as_channel_axis,
    as_how,
    as_mode,
    as_sizes,
    check_batch,
    check_sizes,
    layout_of,
    through_float32,
)
from upshape.tables import (
    COORDINATES,
    ROUNDINGS,
    ChainedMeans,
    Convention,
    ElevenBits,
    FixedPoint,
    Floored,
    Taps,
    linear_axis,
    nearest_axis,
    packed,
    transposed,
)

__all__ = ["interpolate_backward", "resize"]

Array = NDArray[Any]

POLICIES = ("stretch", "not_larger", "not_smaller")

# Sums of float64 that are made at a time: a quarter of a MiB, which stays in the second cache.
_BLOCK = 1 << 15

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def resize(
    image: ArrayLike,
    size: int | Sequence[int] | None = None,
    mode: str = "linear",
    *,
    scale_factor: float | Sequence[float] | None = None,
    channel_axis: int | None = None,
    antialias: bool | None = None,
    like: str | None = None,
    coordinates: str | None = None,
    nearest_mode: str | None = None,
    cubic_coeff_a: float | None = None,
    exclude_outside: bool = False,
    keep_aspect_ratio_policy: str = "stretch",
    out: Array | None = None,
) -> Array:
    """Resize a picture or a volume, as it is: every axis but the channels.

    The output size of an axis is `size`, or ``floor(i * scale_factor)``.

    Parameters
    ----------
    image : array_like, shape (W,), (H, W) or (D, H, W), and channels where `channel_axis` says
        Numbers of 8 to 32 bits: float32, float64, float16, uint8, int8, int16, uint16, int32, bool
        (and bfloat16 of ml_dtypes); "nearest" copies any dtype of fixed size.
    size : int or sequence of int, optional
        Output size, one for all axes or one each, rows before columns (OpenCV and Pillow have
        columns first). Give this or `scale_factor`.
    mode : str
        ========= ==================================================================================
        nearest   The pixel in which the centre of the new pixel lies: labels, masks, pixel art.
        linear    A good default: a tent, two pixels wide where a picture grows.
        cubic     Sharper; overshoots beside edges.
        lanczos   Sharpest; overshoots, and rings a little.
        area      The mean of all pixels that a new one touches; where a picture grows, its pixels
                  become blocks.
        box       The mean of the pixels whose centres lie in the new one.
        hamming   As quick as linear, sharper where a picture shrinks (Pillow's).
        ========= ==================================================================================

        bilinear and trilinear, bicubic and tricubic are other names for linear and cubic.
    scale_factor : float or sequence of float, optional
        Output size over input size, one for all axes or one each. Without `like`, and with "torch"
        and "onnx", it decides coordinates too; the other libraries are told the size.
    channel_axis : int, optional
        The axis of the channels: -1 for (H, W, C), 0 for (C, H, W). None: there is none.
    antialias : bool, optional
        Whether a new pixel is made of all pixels that it covers where a picture shrinks. None: what
        the library of `like` does if it is not told; True without `like`.
    like : {"torch", "opencv", "pillow", "skimage", "tensorflow", "onnx"}, optional
        Take the pixels, the weights and the defaults of that library's mode.
    coordinates : str, optional
        Where pixels lie, by ONNX's names: half_pixel (the default), half_pixel_symmetric,
        pytorch_half_pixel, align_corners, asymmetric or tf_half_pixel_for_nn. Without `like`, or
        with "onnx"; with "torch" half_pixel and align_corners.
    nearest_mode : {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}, optional
        Which pixel is the nearest. Without `like` or with "onnx".
    cubic_coeff_a : float, optional
        The cubic kernel's a. By default -0.5 with antialias and -0.75 without, -0.75 in ONNX.
        Without `like` or with "onnx".
    exclude_outside : bool
        Pixels beyond the border count nothing, instead of as the border's pixel. Without `like` or
        with "onnx".
    keep_aspect_ratio_policy : {"stretch", "not_larger", "not_smaller"}
        What becomes of `size`: taken as it is; or one factor for all axes, so that no axis gets
        larger, or none smaller, than `size` says.
    out : ndarray, optional
        Where to write the result: right shape and dtype, writeable, apart from `image` in memory.

    Returns
    -------
    ndarray
        The resized image, with the dtype and the axes of `image`; `out` if that was given. Means of
        integers are rounded to the nearest and kept in the range of their dtype; uint8 may become
        the other neighbour within a tenth of a tie, unless `like` says how it is rounded.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or `image` of a dtype that the mode does not take.
    ValueError
        If a value or a size is out of range, arguments contradict each other, the library of `like`
        lacks the mode, or colours would be taken for pixels.
    MemoryError
        If no memory holds the result.

    See Also
    --------
    interpolate : The same for batches (N, C, H, W), with PyTorch's arguments.
    upshape.reference : What the kernels are, and where they come from.

    Notes
    -----
    A library's value range is not taken over, only its pixels: scikit-image's ``preserve_range``
    and PyTorch's unclamped floats are what there is.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> picture = np.array([[0, 100], [100, 200]], np.uint8)
    >>> up.resize(picture, (2, 4))
    array([[  0,  25,  75, 100],
           [100, 125, 175, 200]], dtype=uint8)
    >>> up.resize(picture, (1, 1), mode="area")
    array([[100]], dtype=uint8)

    Colours are no pixels: say where they are.

    >>> up.resize(np.zeros((20, 30, 3), np.uint8), (10, 15), channel_axis=-1).shape
    (10, 15, 3)

    Half a pixel is what libraries differ by:

    >>> row = np.array([0, 10, 20, 30], np.float32)
    >>> for like in ("opencv", "pillow"):
    ...     print(like, up.resize(row, 2, like=like).round(2))
    opencv [ 5. 25.]
    pillow [ 7.14 22.86]
    """
    with arrays.named("resize"):
        asked = Asked(
            like, mode, antialias, coordinates, nearest_mode, cubic_coeff_a, exclude_outside
        )
        return _resize(
            image, size, scale_factor, channel_axis, keep_aspect_ratio_policy, out, asked
        )


class Asked(NamedTuple):
    """The arguments that say how pixels are made."""

    like: Any
    mode: Any
    antialias: Any
    coordinates: Any
    nearest_mode: Any
    cubic_coeff_a: Any
    exclude_outside: Any


def _resize(
    value: Any, size: Any, scale_factor: Any, channel_axis: Any, policy: Any, out: Any, asked: Asked
) -> Array:
    """Check, plan, allocate, run, return."""
    like = dialects.as_like("resize", asked.like)
    mode = dialects.as_mode("resize", asked.mode, like)
    means = not mode.startswith("nearest")
    image = arrays.as_array("resize", "image", value, (*MEAN_DTYPES, BFLOAT16) if means else ())
    if means and image.dtype.name == BFLOAT16:
        return through_float32(
            "resize", image, out,
            lambda plain: _resize(plain, size, scale_factor, channel_axis, policy, None, asked),
        )
    told = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    axis = _as_channels(image, channel_axis, *told)
    x = _as_batch(image, axis)
    if 0 in image.shape:
        raise ValueError(f"resize: image has shape {image.shape}; no axis can be 0")
    check_sizes("resize", "image", (1, *image.shape))
    inputs = x.shape[2:]
    sizes, factors = _as_sizes(inputs, size, scale_factor, policy, like)
    how = _how(asked, like, mode, inputs, sizes, factors, image.dtype)
    if like == "opencv" and image.dtype == np.uint8:
        how = _opencvs_bytes(how, mode, inputs, x.shape[1])
    shape = list(sizes)
    if axis is not None:
        shape.insert(axis, image.shape[axis])
    arrays.check_memory("resize", tuple(shape), image.dtype)
    layout = layout_of(x, 1)
    if out is None:
        try:
            target = layout.empty((*x.shape[:2], *sizes), image.dtype)
        except MemoryError:
            raise MemoryError(
                f"cannot allocate a result of shape {tuple(shape)} and dtype {image.dtype}"
            ) from None
        result: Array = target[0, 0] if axis is None else np.moveaxis(target[0], 0, axis)
    else:
        result = arrays.check_out("resize", out, tuple(shape), image.dtype, image)
        target = _as_batch(result, axis)
        layout = layout_of(target, 1)
    passes = _passes(like, mode, how, image.dtype)
    if passes is not None:
        down_first = _goes_down_first(like, inputs, how.sizes)
        if not isinstance(passes, FixedPoint) or len(inputs) == 3:
            np.copyto(target, _in_passes(x, how, passes, down_first))
            return result
        how = How(how.mode, how.sizes, how.factors, False, passes._replace(down_first=down_first))
    if how.convention == ElevenBits("cubic"):
        # Which elements of a row are sums of float32 depends on all of its channels.
        layout = Layout(1, layout.spatial, last=True)
    Job(x, target, how, layout, target.nbytes, out is None).run()
    return result


def _passes(
    like: str | None, mode: str, how: How, dtype: np.dtype[Any]
) -> Convention | FixedPoint | None:
    """Return the tables of a library that rounds integers after each axis; None: it does not.

    For bytes they are fixed point. Pillow's wider integers, its modes I;16 and I, are sums of
    float64.
    """
    if dtype.name not in ("uint8", "uint16", "int32") or not how.linear or mode == "area":
        return None
    convention = how.convention
    if convention is None:
        convention = Convention("linear", "align_corners" if how.align_corners else "half_pixel")
    if not isinstance(convention, Convention):
        return None
    if dtype != np.uint8:
        return convention if like == "pillow" else None
    if like == "torch":
        return FixedPoint(convention)
    if like == "pillow" or (like == "onnx" and convention.antialias):
        return FixedPoint(convention, 22)
    return None


def _goes_down_first(
    like: str | None, inputs: tuple[int, ...], sizes: tuple[int, ...]
) -> bool:
    """Return whether a library makes the rows of a picture before the columns.

    Pillow 13 does where a picture loses rows, and more than twice as many as columns.
    """
    lost = [i - o for i, o in zip(inputs, sizes, strict=True)]
    return like == "pillow" and len(lost) == 2 and lost[0] > max(2 * lost[1], 0)


def _in_passes(x: Array, how: How, tables: Tabled, down_first: bool) -> Array:
    """Return integers that are rounded and clipped after each axis, the last one first.

    `down_first`: the first one first. Sums of integers and weights of fixed point are exact in
    float64: ties are the library's.
    """
    for axis in range(2, x.ndim) if down_first else reversed(range(2, x.ndim)):
        o, factor = how.sizes[axis - 2], how.factors[axis - 2]
        taps = tables.taps(x.shape[axis], o, factor)
        if taps is None:
            continue
        if not isinstance(tables, FixedPoint):
            x = _tap_by_tap(x, taps, axis)
            continue
        sizes = (*x.shape[2:axis], o, *x.shape[axis + 1:])
        factors = tuple(factor if at == axis - 2 else None for at in range(len(sizes)))
        own = How(how.mode, sizes, factors, False, tables)
        sums = np.empty((*x.shape[:2], *sizes))
        Job(x.astype(np.float64), sums, own, layout_of(sums, 1), sums.nbytes, True).run()
        x = _rounded(sums, x.dtype)
    return x


def _tap_by_tap(x: Array, taps: Taps, axis: int) -> Array:
    """Return integers, sums of float64 along an axis from the first tap on, each product rounded.

    A kernel's fused multiply-adds would round once, and take some ties the other way.
    """
    rows = np.moveaxis(x, axis, 0)
    rest, o = rows.shape[1:], len(taps.first)
    rows = np.ascontiguousarray(rows).reshape(len(rows), -1)
    y = np.empty((o, rows.shape[1]), x.dtype)
    step = max(_BLOCK // rows.shape[1], 1)
    for start in range(0, o, step):
        part = slice(start, start + step)
        first, weights = taps.first[part], taps.weights[part]
        sums = rows[first] * weights[:, :1]
        for tap in range(1, weights.shape[1]):
            sums += rows[first + tap] * weights[:, tap:tap + 1]
        y[part] = _rounded(sums, x.dtype)
    return np.moveaxis(y.reshape(o, *rest), 0, axis)


def _rounded(sums: Array, dtype: np.dtype[Any]) -> Array:
    """Return sums as integers, clipped, in their own memory until then: halves go away from 0."""
    limits = np.iinfo(dtype)
    sums += np.copysign(0.5, sums)
    np.clip(np.trunc(sums, out=sums), limits.min, limits.max, out=sums)
    return sums.astype(dtype)


def _as_channels(image: Array, value: Any, name: str, told: Any) -> int | None:
    """Return the channel axis as a number from 0 on; refuse what looks like forgotten colours.

    `told`: the size or the factor; as many numbers as there are spatial axes leave no doubt.
    """
    rank = image.ndim
    listed = told.ndim > 0 if isinstance(told, np.ndarray) else isinstance(told, Sequence)
    numbers = len(told) if listed else None
    if value is not None:
        axis = arrays.as_int("resize", "channel_axis", value, -rank, rank - 1) % max(rank, 1)
        if not 2 <= rank <= 4:
            raise ValueError(
                f"resize: image has shape {image.shape}, {arrays.axes_of(rank)}; with "
                f"channel_axis={value} it must have 2, 3 or 4 (pass batches to up.interpolate)"
            )
        if rank == 4 and numbers == 2:
            raise ValueError(
                f"resize: image has shape {image.shape}, with channel_axis={value} a volume, and "
                f"{name}={arrays.shown(told)} has 2 numbers; give 3, or pass batches to "
                f"up.interpolate"
            )
        depth = image.shape[0 if axis else 1]
        if rank == 4 and 1 <= depth <= 4 and numbers != 3:
            raise ValueError(
                f"resize: image has shape {image.shape} and looks like a batch of {depth} of "
                f"pictures; pass batches to up.interpolate, or three numbers for {name} if it is "
                f"a volume"
            )
        return int(axis)
    if not 1 <= rank <= 3:
        raise ValueError(
            f"resize: image has shape {image.shape}, {arrays.axes_of(rank)}; it must be (W,), "
            f"(H, W) or (D, H, W), and one more axis with channel_axis (pass batches to "
            f"up.interpolate)"
        )
    if rank == 3 and 1 <= image.shape[2] <= 4:
        raise ValueError(
            f"resize: image has shape {image.shape} and looks like a picture (H, W, C); pass "
            f"channel_axis=-1 to keep its {image.shape[2]} channels, or "
            f"image[..., None] with channel_axis=-1 if it is a volume (D, H, W)"
        )
    if rank == 3 and 1 <= image.shape[0] <= 4 and numbers != 3:
        raise ValueError(
            f"resize: image has shape {image.shape} and looks like a picture (C, H, W); pass "
            f"channel_axis=0 to keep its {image.shape[0]} channels, or three numbers for {name} if "
            f"it is a volume (D, H, W)"
        )
    if rank == 3 and numbers == 2:
        raise ValueError(
            f"resize: image has shape {image.shape}, a volume (D, H, W) without channel_axis, and "
            f"{name}={arrays.shown(told)} has 2 numbers; give 3, or say which axis is the channels"
        )
    return None


def _as_batch(image: Array, axis: int | None) -> Array:
    """Return a view (1, C, *spatial)."""
    return image[None, None] if axis is None else np.moveaxis(image, axis, 0)[None]


def _as_sizes(
    inputs: tuple[int, ...], size: Any, scale_factor: Any, policy: Any, like: str | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """Return output sizes, and factors where they decide coordinates."""
    if not isinstance(policy, str) or policy not in POLICIES:
        raise ValueError(
            f"resize: keep_aspect_ratio_policy={arrays.shown(policy)} must be one of "
            f"{', '.join(POLICIES)}{arrays.meant(policy, POLICIES)}"
        )
    sizes, factors = as_sizes("resize", inputs, size, scale_factor)
    if policy == "stretch":
        return sizes, factors
    if size is None:
        raise ValueError(
            f"resize: keep_aspect_ratio_policy={policy!r} is for size; "
            f"got scale_factor={arrays.shown(scale_factor)}"
        )
    choose = min if policy == "not_larger" else max
    factor = choose(o / i for o, i in zip(sizes, inputs, strict=True))
    # ONNX rounds halves up, and leaves every axis a pixel.
    sizes = tuple(max(math.floor(factor * i + 0.5), 1) for i in inputs)
    # The factor decides coordinates in ONNX; other libraries have no policy, and are told sizes.
    return sizes, (factor if like in (None, "onnx") else None,) * len(inputs)


def _how(
    asked: Asked, like: str | None, mode: str, inputs: tuple[int, ...], sizes: tuple[int, ...],
    factors: tuple[float | None, ...], dtype: np.dtype[Any],
) -> How:
    """Return what a plan is made of."""
    axes = len(sizes)
    shrinks = [o <= i for i, o in zip(inputs, sizes, strict=True)]
    convention = dialects.way_of("resize", like, mode, asked.antialias, shrinks)
    convention = _told(convention, asked, like, mode)._replace(exact=like is not None)
    if like == "torch" and mode.startswith("nearest"):
        return How(mode, sizes, factors, False)
    if like == "pillow" and dtype == np.uint16 and convention.copies:
        # Mode I;16 goes another way through Pillow: it adds up no steps.
        convention = convention._replace(
            arithmetic="float64", coordinates="tf_half_pixel_for_nn"
        )
    if like in ("opencv", "pillow", "skimage", "tensorflow"):
        factors = (None,) * axes  # they are told sizes
    if like == "torch":
        corners = convention.coordinates == "align_corners"
        return as_how(
            "resize", inputs, sizes if factors[0] is None else None,
            None if factors[0] is None else factors, mode, corners, None, convention.antialias,
            dtype,
        )
    quick = quick_how(convention, inputs, sizes, factors, dtype)
    return quick or How(mode, sizes, factors, False, convention)


def _opencvs_bytes(how: How, mode: str, inputs: tuple[int, ...], channels: int) -> How:
    """Return OpenCV's own way for bytes of a row or a picture, where it has one.

    Means of 2 x 2 pixels are rounded like those of other areas, halves to even, where there are two
    channels or more than four, and halves up elsewhere: there they are what linear makes of them.
    More than four channels have other areas only where both factors are whole numbers.
    Cubic of one, three and four channels is Intel's there, and near to the exact value.
    """
    if inputs == how.sizes or len(inputs) == 3 or mode.startswith("nearest"):
        return how
    few = channels in (1, 3, 4)
    if mode == "lanczos" or (mode == "cubic" and not (few and min(inputs) > 3)):
        return how._replace(convention=ElevenBits(mode))
    halved = len(inputs) == 2 and all(i == 2 * o for i, o in zip(inputs, how.sizes, strict=True))
    shrinks = all(o <= i for i, o in zip(inputs, how.sizes, strict=True))
    if mode == "cubic":
        return how
    if (halved and not few) or (mode == "area" and shrinks and not halved):
        whole = all(i % o == 0 for i, o in zip(inputs, how.sizes, strict=True))
        return how._replace(convention=ChainedMeans(whole))
    return how._replace(convention=Floored(area=mode == "area" and not shrinks))


def _told(convention: Convention, asked: Asked, like: str | None, mode: str) -> Convention:
    """Return the convention with what the arguments change of it."""
    changes: dict[str, Any] = {}
    if asked.coordinates is not None:
        allowed = {"torch": ("half_pixel", "align_corners"), None: COORDINATES,
                   "onnx": COORDINATES}.get(like, ())  # fmt: skip
        changes["coordinates"] = _choice("coordinates", asked.coordinates, allowed, like)
    free = like in (None, "onnx")
    if asked.nearest_mode is not None:
        changes["rounding"] = _choice(
            "nearest_mode", asked.nearest_mode, ROUNDINGS if free else (), like
        )
    if asked.cubic_coeff_a is not None:
        _choice("cubic_coeff_a", asked.cubic_coeff_a, None if free else (), like)
        changes["a"] = _as_number("cubic_coeff_a", asked.cubic_coeff_a)
    if arrays.as_bool("resize", "exclude_outside", asked.exclude_outside):
        _choice("exclude_outside", True, None if free else (), like)
        changes["border"] = "exclude"
    corners = like != "torch" or mode in ("linear", "cubic")
    wanted = {
        "coordinates": corners and convention.kernel not in ("area", "coverage", "area-linear"),
        "rounding": convention.copies,
        "a": convention.kernel == "cubic",
        "border": not convention.copies,
    }
    names = {"rounding": "nearest_mode", "a": "cubic_coeff_a", "border": "exclude_outside"}
    for name in changes:
        if not wanted[name]:
            whose = "" if like is None else f" and like={like!r}"
            raise ValueError(
                f"resize: {names.get(name, name)} has no meaning with mode={mode!r}{whose}; leave "
                f"it out"
            )
    if "border" in changes and convention.kernel == "linear" and not convention.antialias:
        changes.pop("border")  # two taps of which one is left out: the other one is all
    return convention._replace(**changes)


def _choice(name: str, value: Any, allowed: Sequence[str] | None, like: str | None) -> Any:
    """Return the value if it is allowed; None: any is."""
    if allowed is None:
        return value
    if not allowed:
        raise ValueError(
            f"resize: {name}={arrays.shown(value)} is ONNX's; like={like!r} has its own, "
            f"leave one of them out"
        )
    if isinstance(value, str) and value == "tf_crop_and_resize":
        raise ValueError(
            f"resize: {name}='tf_crop_and_resize' is two steps; crop the image first, as in "
            f"resize(image[top:bottom, left:right], ...), with coordinates='align_corners'"
        )
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(
            f"resize: {name}={arrays.shown(value)} must be one of {', '.join(allowed)}"
            f"{arrays.meant(value, allowed)}"
        )
    return value


def _as_number(name: str, value: Any) -> float:
    """Return a finite number, of any sign."""
    number = arrays.as_real(value)
    if number is None:
        raise TypeError(f"resize: {name}={arrays.shown(value)} must be a number")
    if not math.isfinite(number):
        raise ValueError(f"resize: {name}={arrays.shown(value)} must be finite")
    return number


def quick_how(
    convention: Convention, inputs: tuple[int, ...], sizes: tuple[int, ...],
    factors: tuple[float | None, ...], dtype: np.dtype[Any],
) -> How | None:
    """Return the way through the kernel of two taps, if that has this convention's numbers."""
    scales = [
        i / o if factor is None else 1.0 / factor
        for i, o, factor in zip(inputs, sizes, factors, strict=True)
    ]
    corners = convention.coordinates == "align_corners"
    if (
        convention.kernel not in ("linear", "gaussian")
        or convention.border == "mirror"
        or convention.coordinates not in ("half_pixel", "align_corners")
        or dtype.name not in LINEAR_DTYPES
        or (convention.antialias and (corners or max(scales) > 1))
        or any(
            i == o and scale != 1 and not corners
            for i, o, scale in zip(inputs, sizes, scales, strict=True)
        )
    ):
        return None
    return How(_LINEAR[len(sizes)], sizes, factors, corners)


# --- the adjoint ----------------------------------------------------------------------------------


class Adjoint(NamedTuple):
    """The convention of the way back: the transposed tables of a forward one."""

    mode: str
    align_corners: bool
    convention: Tabled | None
    double: bool
    copies: bool = False  # what meets in a pixel is added up
    exact: bool = True

    def taps(
        self, i: int, o: int, factor: float | None = None, part: slice | None = None
    ) -> Taps | None:
        """Return the table that takes the gradient of `i` pixels back to the `o` it was made of.

        >>> Adjoint("nearest", False, None, True).taps(4, 2)
        Taps(first=array([0, 2]), weights=array([[1., 1.], [1., 1.]]))
        """
        back = transposed(self.forward(o, i, factor), o)
        if back is None or part is None:
            return back
        return Taps(back.first[part], back.weights[part])

    def forward(self, i: int, o: int, factor: float | None) -> Taps | None:
        """Return the table of the way there."""
        if self.convention is not None:
            return self.convention.taps(i, o, factor)
        if self.mode.startswith("nearest"):
            exact = self.mode == "nearest-exact"
            first = nearest_axis(i, o, factor, exact, self.double)
            return Taps(first, np.ones((o, 1)))
        low, distance, _ = linear_axis(i, o, factor, self.align_corners)
        if distance is None:
            return None
        return packed(low, np.stack([1.0 - distance, distance], axis=1), i)


def interpolate_backward(
    grad: ArrayLike,
    input_size: int | Sequence[int],
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
    *,
    channel_axis: int = 1,
    out: Array | None = None,
) -> Array:
    """Return the gradient of `interpolate` by its input: the adjoint of every mode.

    What a pixel of the result took of a pixel of the input, that pixel gets back of its gradient.

    Parameters
    ----------
    grad : array_like, shape (N, C, L), (N, C, H, W) or (N, C, D, H, W)
        The gradient by what `interpolate` returned: float32, float64 or float16 (or bfloat16).
    input_size : int or sequence of int
        The spatial sizes of `interpolate`'s input, or its whole shape.
    scale_factor, mode, align_corners, recompute_scale_factor, antialias, channel_axis
        What `interpolate` was told. Where it was told a `size`, leave `scale_factor` out.
    out : ndarray, optional
        Where to write the result.

    Returns
    -------
    ndarray
        The gradient by the input, with its sizes and the dtype of `grad`; `out` if that was given.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or `grad` of another dtype.
    ValueError
        If a value is out of range, or `scale_factor` does not lead from `input_size` to `grad`.
    MemoryError
        If no memory holds the result.

    See Also
    --------
    interpolate : The way there.

    Notes
    -----
    With A for `interpolate` and A^T for this function, <A x, y> = <x, A^T y>: the same tables,
    transposed, go through the same kernel. Each pixel is summed by one thread in one order, so that
    the result does not depend on how many there are.

    Examples
    --------
    >>> import numpy as np
    >>> import upshape as up
    >>> grad = np.ones((1, 1, 4, 6), np.float32)
    >>> up.interpolate_backward(grad, (2, 3))[0, 0]
    array([[4., 4., 4.],
           [4., 4., 4.]], dtype=float32)
    >>> up.interpolate_backward(np.eye(3)[None, :1], 2, mode="linear", align_corners=True)
    array([[[1., 0.]]])
    """
    with arrays.named("interpolate_backward"):
        return _backward(
            grad, input_size, scale_factor, mode, align_corners, recompute_scale_factor, antialias,
            channel_axis, out,
        )


def _backward(
    value: Any, input_size: Any, scale_factor: Any, mode: Any, align_corners: Any,
    recompute_scale_factor: Any, antialias: Any, channel_axis: Any, out: Any,
) -> Array:
    """Check, plan, allocate, run, return."""
    name = "interpolate_backward"
    grad = arrays.as_array(name, "grad", value, ("float32", "float64", "float16", BFLOAT16))
    if grad.dtype.name == BFLOAT16:
        return through_float32(
            name, grad, out, lambda plain: _backward(
                plain, input_size, scale_factor, mode, align_corners, recompute_scale_factor,
                antialias, channel_axis, None,
            )
        )
    arrays.check_rank(name, "grad", grad, LAYOUTS)
    mode = as_mode(name, mode, grad.ndim - 2, "grad")
    axis = as_channel_axis(name, channel_axis, grad.ndim)
    check_sizes(name, "grad", grad.shape)
    layout = layout_of(grad, axis)
    sizes = tuple(grad.shape[own] for own in layout.spatial)
    check_batch(name, "grad", grad, input_size=input_size, scale_factor=scale_factor)
    inputs = _as_input_size(name, input_size, grad, axis)
    there = as_how(
        name, inputs, sizes if scale_factor is None else None, scale_factor, mode,
        as_align_corners(name, align_corners, mode), recompute_scale_factor,
        as_antialias(name, antialias, mode), grad.dtype,
    )
    if there.sizes != sizes:
        raise ValueError(
            f"{name}: scale_factor={arrays.shown(scale_factor)} takes input_size={inputs} to "
            f"{there.sizes}, but grad has {sizes}"
        )
    back = Adjoint(mode, there.align_corners, there.convention, grad.dtype == np.float64)
    how = How(mode, inputs, there.factors, False, back)
    shape = list(grad.shape)
    for own, i in zip(layout.spatial, inputs, strict=True):
        shape[own] = i
    arrays.check_memory(name, tuple(shape), grad.dtype)
    if out is None:
        result = layout.empty(tuple(shape), grad.dtype)
    else:
        result = arrays.check_out(name, out, tuple(shape), grad.dtype, grad)
        layout = layout_of(result, axis)
    if result.size:
        Job(grad, result, how, layout, result.nbytes, out is None).run()
    return result


def _as_input_size(name: str, value: Any, grad: Array, axis: int) -> tuple[int, ...]:
    """Return the spatial sizes of the input, given as such or as its whole shape."""
    axes = grad.ndim - 2
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if isinstance(value, (tuple, list)) and len(value) == grad.ndim:
        batch, channels = value[0], value[axis]
        if (batch, channels) != (grad.shape[0], grad.shape[axis]):
            raise ValueError(
                f"{name}: input_size={arrays.shown(value)} is a shape of other images or channels "
                f"than those of grad, whose shape is {grad.shape}"
            )
        value = [size for at, size in enumerate(value) if at not in (0, axis)]
    inputs = arrays.as_ints(name, "input_size", value, axes, 1, spread=False)
    if max(inputs) > LONGEST:
        raise ValueError(
            f"{name}: input_size={arrays.shown(value)} is too large; an axis can have {LONGEST} at "
            f"most"
        )
    return inputs
