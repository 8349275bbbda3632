"""Who computes a case: upshape, and what a user could install instead."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np

import upshape as up
from benchmarks.cases import NEAREST, Case, Convolution, Interpolate, Pyramid, kernel_of
from benchmarks.peers import Contender, LeftOut, Offer, first_axes, from_model, library, same
from benchmarks.pictures import interpolate_litert, interpolate_pictures, interpolate_volumes


def misaligned(like: np.ndarray) -> np.ndarray:
    """Return an array of the same shape that starts 16 bytes behind a cache line."""
    memory = np.empty(like.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + 16
    return memory[start : start + like.nbytes].view(like.dtype).reshape(like.shape)


# --- interpolation -------------------------------------------------------------------------------


def interpolate_ours(case: Interpolate, x: np.ndarray) -> Iterator[Offer]:
    """`interpolate`; where the case is another library's way, `resize` of the one picture."""
    result = first_axes if case.layout == "NHWC" else same
    mine = first_axes(x) if case.layout == "channels_last" else x
    if case.like is None:
        call = partial(
            up.interpolate, mine, case.size, case.scale, case.mode, case.align_corners,
            antialias=case.antialias, channel_axis=-1 if case.layout == "NHWC" else 1,
        )
    else:
        call = partial(
            up.resize, mine[0], case.sizes, case.mode, like=case.like, antialias=case.antialias,
            channel_axis=-1 if case.layout == "NHWC" else 0,
        )

    def batch(y: np.ndarray) -> np.ndarray:
        return result(y if case.like is None else y[None])

    yield "upshape", lambda: Contender("upshape", call, batch)

    def with_out() -> Contender:
        y = call()
        out = misaligned(y) if case.misaligned else np.empty_like(y)
        return Contender("upshape out", partial(call, out=out), batch)

    yield "upshape out", with_out


def interpolate_torch(case: Interpolate, x: np.ndarray) -> Iterator[Offer]:
    def make(name: str, last: bool) -> Contender:
        torch = library("torch")
        tensor = torch.from_numpy(x if case.layout == "NCHW" else first_axes(x))
        if last:
            if tensor.ndim == 3:
                raise LeftOut("has no channels_last for one axis")
            orders = {4: torch.channels_last, 5: torch.channels_last_3d}
            tensor = tensor.contiguous(memory_format=orders[tensor.ndim])
        else:
            tensor = tensor.contiguous()
        call = partial(
            torch.nn.functional.interpolate, tensor, case.size, case.scale, case.mode,
            case.align_corners, antialias=case.antialias,
        )
        return Contender(name, call, lambda y: y.numpy())

    yield "torch", lambda: make("torch", False)
    yield "torch channels_last", lambda: make("torch channels_last", True)


def interpolate_models(case: Interpolate, x: np.ndarray, threads: int) -> Iterator[Offer]:
    def model() -> bytes:
        from benchmarks import models

        if kernel_of(case.mode) in ("area", "lanczos"):
            raise LeftOut(f"ONNX has no {case.mode}")
        return models.resize(case, x)

    result = same if case.layout == "NCHW" else first_axes
    yield from from_model(model, {"x": x}, threads, result)


def opencv_flag(mode: str, align_corners: bool | None = None, antialias: bool = False) -> int:
    cv2 = library("opencv")
    if align_corners:
        raise LeftOut("has no align_corners")
    flags = {
        "nearest": cv2.INTER_NEAREST, "nearest-exact": cv2.INTER_NEAREST_EXACT,
        "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA,
        "lanczos": cv2.INTER_LANCZOS4,
    }
    if antialias and mode != "lanczos":
        raise LeftOut("has no antialias")
    return flags[kernel_of(mode)]


def interpolate_opencv(case: Interpolate, x: np.ndarray) -> Iterator[Offer]:
    """Picture by picture with the channels last, or plane by plane; into one array."""

    def make(name: str, last: bool) -> Contender:
        cv2 = library("opencv")
        if len(case.shape) != 4:
            raise LeftOut("resizes two axes only")
        flag = opencv_flag(case.mode, case.align_corners, case.antialias)
        height, width = case.sizes
        n, c = case.shape[:2]
        if last:
            pictures = x if case.layout != "NCHW" else np.ascontiguousarray(np.moveaxis(x, 1, -1))
            y = np.empty((n, height, width, c), x.dtype)
            sources, targets = list(pictures), list(y)
            if c == 1:
                sources = [source[..., 0] for source in sources]
                targets = [target[..., 0] for target in targets]
            result = first_axes
        else:
            y = np.empty((n, c, height, width), x.dtype)
            sources = list(x.reshape(n * c, *x.shape[2:]))
            targets = list(y.reshape(n * c, height, width))
            result = same
        pairs, size, resize = list(zip(sources, targets, strict=True)), (width, height), cv2.resize

        def call() -> None:
            for source, target in pairs:
                resize(source, size, target, 0, 0, flag)

        return Contender(name, call, lambda _: result(y))

    if case.layout == "NCHW":
        yield "opencv planes", lambda: make("opencv planes", False)
    if case.layout != "NCHW" or case.shape[1] <= 4:
        yield "opencv HWC", lambda: make("opencv HWC", True)


# --- pyramids ------------------------------------------------------------------------------------


def pyramid(case: Pyramid, features: list[np.ndarray], threads: int) -> Iterator[Offer]:
    size = case.shapes[0][2:]
    call = partial(up.upsample_concat, features, None, case.mode)
    yield "upshape", lambda: Contender("upshape", call, same)
    yield (
        "upshape out",
        lambda: Contender("upshape out", partial(call, out=np.empty_like(call())), same),
    )

    def with_torch(name: str, last: bool) -> Contender:
        torch = library("torch")
        order = torch.channels_last if last else torch.contiguous_format
        tensors = [torch.from_numpy(x).contiguous(memory_format=order) for x in features]
        resize = torch.nn.functional.interpolate

        def join() -> Any:
            return torch.cat(
                [t if t.shape[2:] == size else resize(t, size, mode=case.mode) for t in tensors], 1
            )

        return Contender(name, join, lambda y: y.numpy())

    yield "torch", lambda: with_torch("torch", False)
    yield "torch channels_last", lambda: with_torch("torch channels_last", True)

    def model() -> bytes:
        from benchmarks import models

        return models.pyramid(case, features)

    inputs = {f"x{k}": x for k, x in enumerate(features)}
    yield from from_model(model, inputs, threads, same)

    def opencv() -> Contender:
        resize, flag = library("opencv").resize, opencv_flag(case.mode)
        channels = [x.shape[1] for x in features]
        y = np.empty((1, sum(channels), *size), np.float32)
        pairs = list(zip((plane for x in features for plane in x[0]), y[0], strict=True))
        width_first = (size[1], size[0])

        def join() -> None:
            for source, target in pairs:
                resize(source, width_first, target, 0, 0, flag)

        return Contender("opencv planes", join, lambda _: y)

    yield "opencv planes", opencv


# --- convolutions --------------------------------------------------------------------------------


def convolution(case: Convolution, threads: int) -> Iterator[Offer]:
    x, weight, bias = case.data()
    name = f"conv{'_transpose' * case.transposed}{case.rank}d"
    numbers: dict[str, int] = {
        "stride": case.stride, "padding": case.padding, "dilation": case.dilation,
        "groups": case.groups,
    }
    if case.transposed:
        numbers["output_padding"] = case.output_padding

    call = partial(getattr(up, name), x, weight, bias, **numbers)
    yield "upshape", lambda: Contender("upshape", call, same)

    @cache
    def layer() -> Any:
        kind = f"Conv{'Transpose' * case.transposed}{case.rank}d"
        return getattr(up, kind)(weight, bias, **numbers)

    yield "upshape layer", lambda: Contender("upshape layer", partial(layer(), x), same)

    def layer_out() -> Contender:
        call = partial(layer(), x, out=np.empty_like(layer()(x)))
        return Contender("upshape layer out", call, same)

    yield "upshape layer out", layer_out

    def with_torch(contender: str, last: bool) -> Contender:
        torch = library("torch")
        arrays = (x, weight, bias)
        tensors = [None if array is None else torch.from_numpy(array) for array in arrays]
        if last:
            if case.rank == 1:
                raise LeftOut("has no channels_last for one axis")
            order = {2: torch.channels_last, 3: torch.channels_last_3d}[case.rank]
            tensors[:2] = [t.contiguous(memory_format=order) for t in tensors[:2]]
        call = partial(getattr(torch.nn.functional, name), *tensors, **numbers)
        return Contender(contender, call, lambda y: y.numpy())

    yield "torch", lambda: with_torch("torch", False)
    yield "torch channels_last", lambda: with_torch("torch channels_last", True)

    def model() -> bytes:
        from benchmarks import models

        return models.convolution(case, x, weight, bias)

    yield from from_model(model, {"x": x}, threads, same)


# --- all of them ---------------------------------------------------------------------------------


def offers(case: Case, threads: int) -> Iterator[Offer]:
    """Yield name and maker of every contender that could compute this case, ours first."""
    if isinstance(case, Convolution):
        yield from convolution(case, threads)
    elif isinstance(case, Pyramid):
        yield from pyramid(case, case.data(), threads)
    elif isinstance(case, Interpolate):
        x = case.data()
        yield from interpolate_ours(case, x)
        yield from interpolate_torch(case, x)
        yield from interpolate_models(case, x, threads)
        yield from interpolate_opencv(case, x)
        if case.picture:
            yield from interpolate_pictures(case, x, threads)
        if len(case.shape) == 4:
            yield from interpolate_litert(case, x, threads)
        if len(case.shape) == 5:
            yield from interpolate_volumes(case, x)


# --- do they agree? ------------------------------------------------------------------------------


def disagreement(
    case: Case, ours: np.ndarray, theirs: np.ndarray, border: int = 0, levels: float = 1.0
) -> str | None:
    """Return how far two results are apart, None if they are the same result.

    Nearest must be the same pixels. Another mode in float32 differs by the rounding of float32
    coordinates (4e-4 of a pixel at 4000 of them), uint8 by so many levels (one for those who
    truncate), and a convolution by the rounding of its sums. Another convention is off by orders of
    magnitude more. `border`: so many pixels from there on are not compared.
    """
    if ours.shape != theirs.shape:
        return f"other shape: {theirs.shape}, not {ours.shape}"
    if ours.dtype != theirs.dtype:
        return f"other dtype: {theirs.dtype}, not {ours.dtype}"
    if border:
        inner = (..., *[slice(border, -border)] * (ours.ndim - 2))
        ours, theirs = ours[inner], theirs[inner]
    if getattr(case, "mode", None) in NEAREST:
        wrong = np.count_nonzero(ours != theirs)
        return f"takes other pixels ({wrong / ours.size:.1%})" if wrong else None
    integer = ours.dtype.kind in "iu"
    wide = np.float64 if ours.dtype == np.float64 else np.float32
    difference = float(np.max(np.abs(np.subtract(ours, theirs, dtype=wide))))
    if isinstance(case, Convolution):
        allowed = 1e-4 * float(np.max(np.abs(ours)))
    elif integer:
        allowed = levels
    else:
        allowed = 1e-2 if ours.dtype == np.float16 else 4e-3
    return None if difference <= allowed else f"other values (by up to {difference:.2g})"
