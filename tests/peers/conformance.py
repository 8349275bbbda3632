"""What `resize(like=...)` shares with the library that it is like, over thousands of random sizes.

``python tests/peers/conformance.py`` writes docs/conformance.csv, which the documentation shows;
test_conformance.py runs the calls of the libraries that are installed, and compares with it.
"""

from __future__ import annotations

import csv
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import upshape as up

TABLE = Path(__file__).parents[2] / "docs" / "conformance.csv"
HEADER = ["library", "mode", "antialias", "dtype", "sizes", "equal pixels", "most off"]
SIZES = 1000
LARGEST = 80
# Of values from 0 to 1: positions and products of float32, over sums of this many pixels.
WITHIN = 2e-5

Array = Any


class Call(NamedTuple):
    """A library's call: `run` resizes an array (H, W) to a size (rows, columns)."""

    mode: str
    run: Callable[[Array, tuple[int, int]], Array]
    antialias: bool | None = None
    dtypes: tuple[str, ...] = ("float32", "uint8")


def torch_calls() -> Iterator[Call]:
    import torch
    from torch.nn import functional

    def resized(**how: Any) -> Any:
        return lambda x, size: functional.interpolate(
            torch.from_numpy(x)[None, None], size=size, **how
        )[0, 0].numpy()

    yield Call("nearest", resized(mode="nearest"))
    yield Call("nearest-exact", resized(mode="nearest-exact"))
    yield Call("linear", resized(mode="bilinear"))
    yield Call("linear", resized(mode="bilinear", antialias=True), True)
    yield Call("cubic", resized(mode="bicubic"))
    yield Call("cubic", resized(mode="bicubic", antialias=True), True)
    yield Call("lanczos", resized(mode="lanczos", antialias=True), True)
    yield Call("area", resized(mode="area"), dtypes=("float32",))


def opencv_calls() -> Iterator[Call]:
    import cv2

    def resized(flag: int) -> Any:
        return lambda x, size: cv2.resize(x, size[::-1], interpolation=flag)

    for flag, mode in (
        ("NEAREST", "nearest"), ("NEAREST_EXACT", "nearest-exact"), ("LINEAR", "linear"),
        ("CUBIC", "cubic"), ("AREA", "area"), ("LANCZOS4", "lanczos"),
    ):  # fmt: skip
        dtypes = ("float32", "uint8") if mode == "nearest-exact" else ("float32", "uint8", "uint16")
        yield Call(mode, resized(getattr(cv2, f"INTER_{flag}")), dtypes=dtypes)


def pillow_calls() -> Iterator[Call]:
    from PIL import Image

    def resized(flag: Any) -> Any:
        return lambda x, size: np.asarray(Image.fromarray(x).resize(size[::-1], flag))

    flags = Image.Resampling
    for flag, mode in (
        (flags.NEAREST, "nearest"), (flags.BOX, "box"), (flags.BILINEAR, "linear"),
        (flags.HAMMING, "hamming"), (flags.BICUBIC, "cubic"), (flags.LANCZOS, "lanczos"),
    ):  # fmt: skip
        yield Call(mode, resized(flag), dtypes=("float32", "uint8", "uint16"))


def skimage_calls() -> Iterator[Call]:
    from skimage.transform import resize

    def resized(**how: Any) -> Any:
        def run(x: Array, size: tuple[int, int]) -> Array:
            y = resize(x, size, preserve_range=True, **how)
            return np.rint(y).astype(x.dtype) if x.dtype == np.uint8 else y

        return run

    yield Call("nearest", resized(order=0, anti_aliasing=False))
    yield Call("linear", resized(order=1, anti_aliasing=False), False)
    yield Call("linear", resized(order=1))


def onnx_calls() -> Iterator[Call]:
    import onnxruntime
    from onnx import TensorProto, helper

    @cache
    def session(kind: int, **how: Any) -> Any:
        node = helper.make_node("Resize", ["x", "", "", "size"], ["y"], **how)
        graph = helper.make_graph(
            [node], "resize",
            [
                helper.make_tensor_value_info("x", kind, [1, 1, None, None]),
                helper.make_tensor_value_info("size", TensorProto.INT64, [4]),
            ],
            [helper.make_tensor_value_info("y", kind, [1, 1, None, None])],
        )  # fmt: skip
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
        )
        return onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )

    def resized(**how: Any) -> Any:
        def run(x: Array, size: tuple[int, int]) -> Array:
            kind = TensorProto.FLOAT if x.dtype == np.float32 else TensorProto.UINT8
            whole = np.array([1, 1, *size], np.int64)
            return session(kind, **how).run(None, {"x": x[None, None], "size": whole})[0][0, 0]

        return run

    yield Call("nearest", resized(mode="nearest"))
    yield Call("linear", resized(mode="linear"))
    yield Call("linear", resized(mode="linear", antialias=1), True)
    yield Call("cubic", resized(mode="cubic"), dtypes=("float32",))
    yield Call("cubic", resized(mode="cubic", antialias=1), True)


def tensorflow_calls() -> Iterator[Call]:
    import tensorflow as tf

    def resized(method: str, antialias: bool = False) -> Any:
        def run(x: Array, size: tuple[int, int]) -> Array:
            y = tf.image.resize(x[None, :, :, None], size, method, antialias=antialias)
            y = y[0, :, :, 0].numpy()
            return np.clip(np.rint(y), 0, 255).astype(x.dtype) if x.dtype == np.uint8 else y

        return run

    yield Call("nearest", resized("nearest"))
    yield Call("linear", resized("bilinear"))
    yield Call("linear", resized("bilinear", True), True)
    yield Call("cubic", resized("bicubic"))
    yield Call("cubic", resized("bicubic", True), True)
    yield Call("area", resized("area"))
    yield Call("lanczos", resized("lanczos3"))
    yield Call("lanczos", resized("lanczos3", True), True)


#: `like`: the package, what to import, and its calls.
LIBRARIES: dict[str, tuple[str, str, Callable[[], Iterator[Call]]]] = {
    "torch": ("torch", "torch", torch_calls),
    "opencv": ("opencv-python-headless", "cv2", opencv_calls),
    "pillow": ("pillow", "PIL", pillow_calls),
    "skimage": ("scikit-image", "skimage", skimage_calls),
    "onnx": ("onnxruntime", "onnxruntime", onnx_calls),
    "tensorflow": ("tensorflow-cpu", "tensorflow", tensorflow_calls),
}


def cases(dtype: str, count: int) -> Iterator[tuple[Array, tuple[int, int]]]:
    """Return pictures and sizes: larger, smaller, and one of each."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        h, w, oh, ow = (int(n) for n in rng.integers(1, LARGEST, 4))
        if rng.random() < 0.2:
            oh, ow = 2 * h, 2 * w
        x = rng.random((h, w), np.float32)
        if dtype != "float32":
            x = (x * (np.iinfo(dtype).max + 0.99)).astype(dtype)
        yield x, (oh, ow)


def compared(like: str, call: Call, dtype: str, count: int) -> tuple[float, float]:
    """Return the part of equal pixels, and the largest difference."""
    equal = total = 0
    most = 0.0
    for x, size in cases(dtype, count):
        ours = up.resize(x, size, call.mode, like=like, antialias=call.antialias)
        theirs = call.run(np.ascontiguousarray(x), size)
        off = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
        within = WITHIN if dtype == "float32" and "nearest" not in call.mode else 0
        equal += int((off <= within).sum())
        total += off.size
        most = max(most, float(off.max()))
    return equal / total, most


def rows_of(like: str, count: int = SIZES) -> list[list[str]]:
    """Return a library's rows of the table."""
    package, _, calls = LIBRARIES[like]
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in calls():
            for dtype in call.dtypes:
                part, most = compared(like, call, dtype, count)
                shown = f"{most:.1g}" if dtype == "float32" else f"{most:.0f}"
                rows.append([
                    f"{package} {metadata.version(package)}", call.mode,
                    {None: "", True: "yes", False: "no"}[call.antialias], dtype, str(count),
                    f"{int(part * 1e6) / 1e4:.4f} %", shown,
                ])  # fmt: skip
    return rows


def stored() -> list[list[str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def main() -> None:
    """Write the rows of the libraries that are named, or of all; the others' stay."""
    wanted = sys.argv[1:] or list(LIBRARIES)
    kept = stored()[1:] if TABLE.exists() else []
    rows = [HEADER]
    for like, (package, _, _) in LIBRARIES.items():
        if like in wanted:
            rows += rows_of(like)
        else:
            rows += [row for row in kept if row[0].split()[0] == package]
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    csv.writer(sys.stdout).writerows(rows)


if __name__ == "__main__":
    main()
