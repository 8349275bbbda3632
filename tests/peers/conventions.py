"""Which pixels other libraries take: every call is run beside upshape on 400 pairs of sizes.

``python tests/peers/conventions.py`` writes docs/rosetta.csv, which the documentation shows;
test_conventions.py runs the calls of the libraries that are installed, and compares.
"""

from __future__ import annotations

import csv
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import upshape as up

TABLE = Path(__file__).parents[2] / "docs" / "rosetta.csv"
HEADER = ["library", "call", "upshape's mode", "larger", "smaller", "where they differ"]
PAIRS = 400
CLOSE = 1e-4  # of values from 0 to 1
NEAR_A_TIE = Fraction(1, 10_000)  # of a pixel

Array = Any


class Call(NamedTuple):
    """A call of a library: `run` resizes a float32 array (3, i) to (3, o)."""

    package: str
    text: str
    mode: str
    run: Callable[[Array, int], Array]
    align_corners: bool | None = None
    differs: str = ""  # why it does, where it does so elsewhere than at ties

    @property
    def ours(self) -> str:
        return f"{self.mode}, align_corners" if self.align_corners else self.mode


def torch_calls() -> Iterator[Call]:
    import torch
    from torch.nn import functional

    def resized(**how: Any) -> Callable[[Array, int], Array]:
        return lambda x, o: functional.interpolate(
            torch.from_numpy(x)[None, None], size=(len(x), o), **how
        )[0, 0].numpy()

    text = 'interpolate(x, size, mode="{}")'
    for mode in ("nearest", "nearest-exact"):
        yield Call("torch", text.format(mode), mode, resized(mode=mode))
    yield Call("torch", text.format("bilinear"), "linear", resized(mode="bilinear"))
    aligned = resized(mode="bilinear", align_corners=True)
    told = 'interpolate(x, size, mode="bilinear", align_corners=True)'
    yield Call("torch", told, "linear", aligned, True)


def opencv_calls() -> Iterator[Call]:
    import cv2

    def resized(flag: int) -> Callable[[Array, int], Array]:
        return lambda x, o: cv2.resize(x, (o, len(x)), interpolation=flag)

    text = "resize(x, size, interpolation={})"
    for flag, mode in (
        ("INTER_NEAREST", "nearest"),
        ("INTER_NEAREST_EXACT", "nearest-exact"),
        ("INTER_LINEAR", "linear"),
    ):
        run = resized(getattr(cv2, flag))
        yield Call("opencv-python-headless", text.format(flag), mode, run)


def pillow_calls() -> Iterator[Call]:
    from PIL import Image

    def resized(flag: Any) -> Callable[[Array, int], Array]:
        return lambda x, o: np.asarray(Image.fromarray(x).resize((o, len(x)), flag))

    flags = Image.Resampling
    yield Call("pillow", "resize(size, NEAREST)", "nearest-exact", resized(flags.NEAREST))
    yield Call(
        "pillow", "resize(size, BILINEAR)", "linear", resized(flags.BILINEAR),
        differs="shrinks by the mean over a wider window",
    )  # fmt: skip


def skimage_calls() -> Iterator[Call]:
    from skimage.transform import resize

    def resized(**how: Any) -> Callable[[Array, int], Array]:
        return lambda x, o: resize(x, (len(x), o), preserve_range=True, **how)

    yield Call(
        "scikit-image", "resize(x, size, order=0, anti_aliasing=False)", "nearest-exact",
        resized(order=0, anti_aliasing=False),
    )  # fmt: skip
    yield Call(
        "scikit-image", "resize(x, size)", "linear", resized(),
        differs="reflects the border, smooths before it shrinks",
    )  # fmt: skip
    yield Call(
        "scikit-image", 'resize(x, size, mode="edge", anti_aliasing=False)', "linear",
        resized(mode="edge", anti_aliasing=False),
    )  # fmt: skip


def scipy_calls() -> Iterator[Call]:
    from scipy.ndimage import zoom

    def resized(**how: Any) -> Callable[[Array, int], Array]:
        return lambda x, o: zoom(x, (1, o / x.shape[1]), **how)

    yield Call(
        "scipy", 'ndimage.zoom(x, o / i, order=1, mode="nearest")', "linear",
        resized(order=1, mode="nearest"), True,
    )  # fmt: skip
    yield Call(
        "scipy", 'ndimage.zoom(x, o / i, order=1, mode="nearest", grid_mode=True)', "linear",
        resized(order=1, mode="nearest", grid_mode=True),
    )  # fmt: skip


def onnx_calls() -> Iterator[Call]:
    import onnxruntime
    from onnx import TensorProto, helper

    @cache
    def session(**how: str) -> Any:
        node = helper.make_node("Resize", ["x", "", "", "size"], ["y"], **how)
        graph = helper.make_graph(
            [node], "resize",
            [
                helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, None, None]),
                helper.make_tensor_value_info("size", TensorProto.INT64, [4]),
            ],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, None, None])],
        )  # fmt: skip
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
        )
        return onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )

    def resized(**how: str) -> Callable[[Array, int], Array]:
        def run(x: Array, o: int) -> Array:
            size = np.array([1, 1, len(x), o], np.int64)
            return session(**how).run(None, {"x": x[None, None], "size": size})[0][0, 0]

        return run

    where = "coordinate_transformation_mode"
    for text, mode, how in (
        ("asymmetric, floor", "nearest", {where: "asymmetric", "nearest_mode": "floor"}),
        ("half_pixel, round_prefer_ceil", "nearest-exact",
         {where: "half_pixel", "nearest_mode": "round_prefer_ceil"}),
        ("half_pixel, round_prefer_floor (the default)", "nearest-exact",
         {where: "half_pixel", "nearest_mode": "round_prefer_floor"}),
    ):  # fmt: skip
        run = resized(mode="nearest", **how)
        yield Call("onnxruntime", f"Resize, nearest, {text}", mode, run)
    run = resized(mode="linear", **{where: "half_pixel"})
    yield Call("onnxruntime", "Resize, linear, half_pixel (the default)", "linear", run)
    run = resized(mode="linear", **{where: "align_corners"})
    yield Call("onnxruntime", "Resize, linear, align_corners", "linear", run, True)
    run = resized(mode="linear", **{where: "asymmetric"})
    yield Call(
        "onnxruntime", "Resize, linear, asymmetric", "linear", run,
        differs="looks at dst * scale, without the half pixel",
    )  # fmt: skip


def tensorflow_calls() -> Iterator[Call]:
    import tensorflow as tf

    old = tf.compat.v1.image

    def resized(call: Any, *how: Any, **more: Any) -> Callable[[Array, int], Array]:
        return lambda x, o: call(x[None, :, :, None], (len(x), o), *how, **more)[0, :, :, 0].numpy()

    yield Call(
        "tensorflow-cpu", 'image.resize(x, size, "nearest")', "nearest-exact",
        resized(tf.image.resize, "nearest"),
    )  # fmt: skip
    yield Call("tensorflow-cpu", "image.resize(x, size)", "linear", resized(tf.image.resize))
    yield Call(
        "tensorflow-cpu", "compat.v1.image.resize_nearest_neighbor(x, size)", "nearest",
        resized(old.resize_nearest_neighbor),
    )  # fmt: skip
    yield Call(
        "tensorflow-cpu", "compat.v1.image.resize_bilinear(x, size, align_corners=True)", "linear",
        resized(old.resize_bilinear, align_corners=True), True,
    )  # fmt: skip
    yield Call(
        "tensorflow-cpu", "compat.v1.image.resize_bilinear(x, size)", "linear",
        resized(old.resize_bilinear),
        differs="looks at dst * scale, without the half pixel",
    )  # fmt: skip


#: Package: what to import, to see whether it is there, and its calls.
LIBRARIES: dict[str, tuple[str, Callable[[], Iterator[Call]]]] = {
    "torch": ("torch", torch_calls),
    "opencv-python-headless": ("cv2", opencv_calls),
    "pillow": ("PIL", pillow_calls),
    "scikit-image": ("skimage", skimage_calls),
    "scipy": ("scipy", scipy_calls),
    "onnxruntime": ("onnxruntime", onnx_calls),
    "tensorflow-cpu": ("tensorflow", tensorflow_calls),
}


def pairs() -> list[tuple[int, int]]:
    """Return half as many pairs (i, o) with o > i as there are, and half with o < i."""
    draw = random.Random(0)
    found = [sorted(draw.sample(range(2, 120), 2)) for _ in range(PAIRS)]
    return [(a, b) if n % 2 else (b, a) for n, (a, b) in enumerate(found)]


def at_ties_alone(theirs: Array, ours: Array, i: int, o: int, half: Fraction) -> bool:
    """Tell whether nearest pixels differ only where the position lies on a pixel's edge."""
    for dst in np.flatnonzero((theirs != ours).any(0)).tolist():
        position = (dst + half) * Fraction(i, o)
        if abs(position - round(position)) > NEAR_A_TIE:
            return False
    return True


def compared(call: Call) -> list[str]:
    """Return the call's row: how many of the pairs come out as upshape's, and where others do not.

    For nearest, every pixel must be the same; for linear, every value within 0.0001.
    """
    equal = {True: 0, False: 0}
    elsewhere = False
    random_values = np.random.default_rng(0)
    for i, o in pairs():
        x = random_values.random((3, i), np.float32)
        ours = up.interpolate(
            x[None], size=o, mode=call.mode, align_corners=call.align_corners
        )[0]
        theirs = call.run(x, o)
        if call.mode == "linear":
            same = bool(np.abs(theirs - ours).max() <= CLOSE)
            elsewhere |= not same
        else:
            same = np.array_equal(theirs, ours)
            half = Fraction(call.mode == "nearest-exact", 2)
            elsewhere |= not at_ties_alone(theirs, ours, i, o, half)
        equal[o > i] += same
    assert elsewhere == bool(call.differs), f"{call.text}: differs elsewhere is {elsewhere}"
    where = call.differs or ("ties" if sum(equal.values()) < PAIRS else "")
    counts = [str(equal[larger]) for larger in (True, False)]
    library = f"{call.package} {metadata.version(call.package)}"
    return [library, call.text, call.ours, *counts, where]


def rows_of(package: str) -> list[list[str]]:
    _, calls = LIBRARIES[package]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's and Pillow's, at import
        return [compared(call) for call in calls()]


def stored() -> list[list[str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def main() -> None:
    rows = [HEADER, *(row for package in LIBRARIES for row in rows_of(package))]
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    csv.writer(sys.stdout).writerows(rows)


if __name__ == "__main__":
    main()
