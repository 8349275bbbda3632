"""Who computes a case: upshape, and what a user could install instead.

A contender is a callable that computes the whole case, with everything prepared that a user would
prepare once (tensors, sessions, weights, arrays to write into). Nothing is converted inside it, and
its result stays what its library returns.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

import upshape as up
from benchmarks.cases import NEAREST, Case, Convolution, Interpolate, Pyramid

#: Peer: what is imported for it.
PEERS = {
    "torch": "torch",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "opencv": "cv2",
    "scipy": "scipy.ndimage",
    "skimage": "skimage.transform",
    "pillow": "PIL.Image",
}


class LeftOut(Exception):
    """A peer does not take part in a case; the message says why."""


@dataclass(frozen=True)
class Contender:
    """`result` turns what `call` returns into an array (N, C, *spatial)."""

    name: str
    call: Callable[[], Any]
    result: Callable[[Any], np.ndarray]


Offer = tuple[str, Callable[[], Contender]]


@cache
def library(peer: str) -> ModuleType:
    """Import a peer, or raise LeftOut."""
    try:
        if peer in ("onnxruntime", "openvino"):
            importlib.import_module("onnx")
        return importlib.import_module(PEERS[peer])
    except ImportError as error:
        raise LeftOut(f"not installed ({error.name})") from None


def set_threads(threads: int, peers: Collection[str]) -> None:
    """Set the threads of every library that has such a switch; sessions get theirs when made."""
    up.set_num_threads(threads)
    for peer, switch in (("torch", "set_num_threads"), ("opencv", "setNumThreads")):
        if peer in peers:
            with suppress(LeftOut):
                getattr(library(peer), switch)(threads)


def inference(peers: Collection[str]) -> AbstractContextManager[object]:
    """Return the context in which PyTorch records nothing for gradients."""
    if "torch" in peers:
        with suppress(LeftOut):
            return library("torch").inference_mode()
    return nullcontext()


def first_axes(x: np.ndarray) -> np.ndarray:
    """(N, *spatial, C) as a view (N, C, *spatial)."""
    return np.moveaxis(x, -1, 1)


def same(x: np.ndarray) -> np.ndarray:
    return x


def misaligned(like: np.ndarray) -> np.ndarray:
    """Return an array of the same shape that starts 16 bytes behind a cache line."""
    memory = np.empty(like.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + 16
    return memory[start : start + like.nbytes].view(like.dtype).reshape(like.shape)


# --- interpolation -------------------------------------------------------------------------------


def interpolate_ours(case: Interpolate, x: np.ndarray) -> Iterator[Offer]:
    channel_axis = -1 if case.layout == "NHWC" else 1
    mine = first_axes(x) if case.layout == "channels_last" else x
    result = first_axes if channel_axis == -1 else same
    call = partial(
        up.interpolate, mine, case.size, case.scale, case.mode, case.align_corners,
        channel_axis=channel_axis,
    )
    yield "upshape", lambda: Contender("upshape", call, result)

    def with_out() -> Contender:
        y = call()
        out = misaligned(y) if case.misaligned else np.empty_like(y)
        return Contender("upshape out", partial(call, out=out), result)

    yield "upshape out", with_out


def interpolate_torch(case: Interpolate, x: np.ndarray, threads: int) -> Iterator[Offer]:
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
            case.align_corners,
        )
        return Contender(name, call, lambda y: y.numpy())

    yield "torch", lambda: make("torch", False)
    yield "torch channels_last", lambda: make("torch channels_last", True)


def onnxruntime_session(model: bytes, threads: int) -> Any:
    runtime = library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def from_model(
    model: Callable[[], bytes], inputs: dict[str, np.ndarray], threads: int,
    result: Callable[[np.ndarray], np.ndarray],
) -> Iterator[Offer]:
    """ONNX Runtime with arrays, the same with bound memory, and OpenVINO."""

    def run() -> Contender:
        library("onnxruntime")
        session = onnxruntime_session(model(), threads)
        call = partial(session.run, None, inputs)
        return Contender("onnxruntime", call, lambda y: result(y[0]))

    def bound() -> Contender:
        library("onnxruntime")
        session = onnxruntime_session(model(), threads)
        y = session.run(None, inputs)[0]
        binding = session.io_binding()
        for name, x in inputs.items():
            binding.bind_cpu_input(name, x)
        binding.bind_output("y", "cpu", 0, y.dtype, y.shape, y.ctypes.data)
        call = partial(session.run_with_iobinding, binding)
        return Contender("onnxruntime bound", call, lambda _: result(y))

    def openvino() -> Contender:
        core = library("openvino").Core()
        compiled = core.compile_model(
            core.read_model(model()), "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "f32",
                "INFERENCE_NUM_THREADS": threads,
            },
        )
        request = compiled.create_infer_request()
        arrays = [inputs[port.any_name] for port in compiled.inputs]
        call = partial(request.infer, arrays, share_inputs=True, share_outputs=True)
        return Contender("openvino", call, lambda y: result(y[0]))

    yield "onnxruntime", run
    yield "onnxruntime bound", bound
    yield "openvino", openvino


def interpolate_models(case: Interpolate, x: np.ndarray, threads: int) -> Iterator[Offer]:
    def model() -> bytes:
        from benchmarks import models

        return models.resize(case, x)

    result = same if case.layout == "NCHW" else first_axes
    yield from from_model(model, {"x": x}, threads, result)


def opencv_flag(mode: str, align_corners: bool | None) -> int:
    cv2 = library("opencv")
    if align_corners:
        raise LeftOut("has no align_corners")
    flags = {
        "nearest": cv2.INTER_NEAREST, "nearest-exact": cv2.INTER_NEAREST_EXACT,
        "bilinear": cv2.INTER_LINEAR,
    }
    if mode not in flags:
        raise LeftOut("resizes two axes only")
    return flags[mode]


def output_size(case: Interpolate) -> tuple[int, ...]:
    if case.size is not None:
        return case.size
    return tuple(up.shapes.Interpolate(scale_factor=case.scale)(n) for n in case.shape[2:])


def interpolate_opencv(case: Interpolate, x: np.ndarray, threads: int) -> Iterator[Offer]:
    """Picture by picture with the channels last, or plane by plane; into one array."""

    def make(name: str, last: bool) -> Contender:
        cv2 = library("opencv")
        flag = opencv_flag(case.mode, case.align_corners)
        if len(case.shape) != 4:
            raise LeftOut("resizes two axes only")
        height, width = output_size(case)
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


def interpolate_pictures(case: Interpolate, x: np.ndarray, threads: int) -> Iterator[Offer]:
    """SciPy, scikit-image and Pillow, on one picture."""
    order = 0 if case.mode in NEAREST else 1
    x_last = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if case.layout == "NCHW" else x
    picture = x_last[0, ..., 0] if case.shape[1] == 1 else x_last[0]
    height, width = output_size(case)

    def result(y: np.ndarray) -> np.ndarray:
        return y[None, None] if y.ndim == 2 else np.moveaxis(y, -1, 0)[None]

    def scipy() -> Contender:
        zoom = (height / case.shape[2], width / case.shape[3], 1)[: picture.ndim]
        call = partial(
            library("scipy").zoom, picture, zoom, order=order, mode="nearest", grid_mode=True
        )
        return Contender("scipy", call, result)

    def skimage() -> Contender:
        call = partial(
            library("skimage").resize, picture, (height, width), order=order, mode="edge",
            anti_aliasing=False, preserve_range=True,
        )
        return Contender("skimage", call, result)

    def pillow() -> Contender:
        image_module = library("pillow")
        kinds = {("uint8", 3): "RGB", ("uint8", 2): "L", ("float32", 2): "F"}
        if (case.dtype, picture.ndim) not in kinds:
            raise LeftOut(f"has no pictures of {case.shape[1]} channels of {case.dtype}")
        image = image_module.fromarray(picture)
        way = image_module.Resampling.NEAREST if order == 0 else image_module.Resampling.BILINEAR
        call = partial(image.resize, (width, height), way)
        return Contender("pillow", call, lambda y: result(np.asarray(y)))

    yield "scipy", scipy
    yield "skimage", skimage
    yield "pillow", pillow


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
        resize, flag = library("opencv").resize, opencv_flag(case.mode, None)
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
        yield from interpolate_torch(case, x, threads)
        yield from interpolate_models(case, x, threads)
        yield from interpolate_opencv(case, x, threads)
        if case.picture:
            yield from interpolate_pictures(case, x, threads)


# --- do they agree? ------------------------------------------------------------------------------


def disagreement(case: Case, ours: np.ndarray, theirs: np.ndarray) -> str | None:
    """Return how far two results are apart, None if they are the same result.

    Nearest must be the same pixels. A linear mode in float32 differs by the rounding of float32
    coordinates (4e-4 of a pixel at 4000 of them), uint8 by one for those who truncate, and a
    convolution by the rounding of its sums. Another convention is off by orders of magnitude more.
    """
    if ours.shape != theirs.shape:
        return f"other shape: {theirs.shape}, not {ours.shape}"
    if getattr(case, "mode", None) in NEAREST:
        wrong = np.count_nonzero(ours != theirs)
        return f"takes other pixels ({wrong / ours.size:.1%})" if wrong else None
    integer = ours.dtype.kind in "iu"
    wide = np.float64 if ours.dtype == np.float64 else np.float32
    difference = float(np.max(np.abs(np.subtract(ours, theirs, dtype=wide))))
    if isinstance(case, Convolution):
        allowed = 1e-4 * float(np.max(np.abs(ours)))
    elif integer:
        allowed = 1.0
    else:
        allowed = 1e-2 if ours.dtype == np.float16 else 4e-3
    return None if difference <= allowed else f"other values (by up to {difference:.2g})"
