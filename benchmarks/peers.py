"""The peers: what is imported for each, the threads they run on, and what taking part means.

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
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

import upshape as up

#: Peer: what is imported for it.
PEERS = {
    "torch": "torch",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "opencv": "cv2",
    "scipy": "scipy.ndimage",
    "skimage": "skimage.transform",
    "pillow": "PIL.Image",
    "kornia-rs": "kornia_rs",
    "volresample": "volresample",
    "litert": "ai_edge_litert.interpreter",
}
#: What a peer needs besides: models are written with these.
NEEDED = {"onnxruntime": ("onnx",), "openvino": ("onnx",), "litert": ("flatbuffers",)}


class LeftOut(Exception):
    """A peer does not take part in a case; the message says why."""


@dataclass(frozen=True)
class Contender:
    """`result` turns what `call` returns into an array (N, C, *spatial).

    `border`: so many pixels from the border on are made in a way of the library's own, and are not
    held against ours; all others are. `levels`: so far apart may bytes be.
    """

    name: str
    call: Callable[[], Any]
    result: Callable[[Any], np.ndarray]
    border: int = 0
    levels: float = 1.0


Offer = tuple[str, Callable[[], Contender]]


@cache
def library(peer: str) -> ModuleType:
    """Import a peer, or raise LeftOut."""
    try:
        for needed in NEEDED.get(peer, ()):
            importlib.import_module(needed)
        return importlib.import_module(PEERS[peer])
    except ImportError as error:
        raise LeftOut(f"not installed ({error.name})") from None


def missing(peer: str) -> str | None:
    """Return the package that a peer lacks, without importing what it has."""
    names = [*NEEDED.get(peer, ()), PEERS[peer].split(".")[0]]
    return next((name for name in names if find_spec(name) is None), None)


def set_threads(threads: int, peers: Collection[str]) -> None:
    """Set the threads of every library that has such a switch; sessions get theirs when made."""
    up.set_num_threads(threads)
    switches = {
        "torch": "set_num_threads", "opencv": "setNumThreads", "volresample": "set_num_threads",
    }
    for peer, switch in switches.items():
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
