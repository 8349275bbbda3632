"""Contenders that know pictures, volumes or one layout only: each says what it lacks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.cases import NEAREST, Interpolate, kernel_of
from benchmarks.peers import Contender, LeftOut, Offer, first_axes, library, same

#: kornia-rs takes other pixels than Pillow and PyTorch for what lies beyond the border: where a
#: kernel of so many taps at most would reach it, the pixels are not compared.
KORNIA_BORDER = 8

# --- pictures ------------------------------------------------------------------------------------


def interpolate_pictures(case: Interpolate, x: np.ndarray, threads: int) -> Iterator[Offer]:
    """SciPy, scikit-image, Pillow and kornia-rs, on one picture."""
    x_last = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if case.layout == "NCHW" else x
    picture = x_last[0, ..., 0] if case.shape[1] == 1 else x_last[0]

    def result(y: np.ndarray) -> np.ndarray:
        return y[None, None] if y.ndim == 2 else np.moveaxis(y, -1, 0)[None]

    def kornia() -> Contender:
        resize = library("kornia-rs").imgproc.resize
        if case.dtype != "uint8" or case.shape[1] != 3:
            raise LeftOut("resizes uint8 of 3 channels only")
        pool = int(os.environ.get("RAYON_NUM_THREADS", os.cpu_count() or 1))
        if pool != threads:
            raise LeftOut(f"has as many threads as RAYON_NUM_THREADS says when it starts ({pool})")
        kernel = kernel_of(case.mode)
        names = {
            "nearest": "nearest", "linear": "bilinear", "cubic": "bicubic", "lanczos": "lanczos",
        }
        if kernel not in names:
            raise LeftOut(f"has no {case.mode}")
        call = partial(resize, picture, case.sizes, names[kernel], case.antialias)
        border = KORNIA_BORDER if case.antialias else 0
        return Contender("kornia-rs", call, result, border, levels=2)

    yield "scipy", lambda: scipy(case, picture, result)
    yield "skimage", lambda: skimage(case, picture, result)
    yield "pillow", lambda: pillow(case, picture, result)
    if case.layout == "NCHW" and case.shape[1] > 1:
        yield "pillow planes", lambda: pillow_planes(case, x)
    yield "kornia-rs", kornia


def order_of(case: Interpolate) -> int:
    """Return the spline's order that is the mode."""
    kernel = kernel_of(case.mode)
    if kernel not in ("nearest", "nearest-exact", "linear"):
        raise LeftOut("has splines, which are no kernels of a few pixels")
    return 0 if case.mode in NEAREST else 1


def scipy(
    case: Interpolate, picture: np.ndarray, result: Callable[[np.ndarray], np.ndarray]
) -> Contender:
    zoom = library("scipy").zoom
    if case.antialias:
        raise LeftOut("has no antialias")
    factors = [o / i for o, i in zip(case.sizes, case.shape[2:], strict=True)]
    factors += [1] * (picture.ndim - len(factors))
    call = partial(zoom, picture, factors, order=order_of(case), mode="nearest", grid_mode=True)
    return Contender("scipy", call, result)


def skimage(
    case: Interpolate, picture: np.ndarray, result: Callable[[np.ndarray], np.ndarray]
) -> Contender:
    """With antialias it blurs by a Gaussian first: its own way, and so at its own border."""
    call = partial(
        library("skimage").resize, picture, case.sizes, order=order_of(case),
        mode="edge" if case.like is None else "reflect", anti_aliasing=case.antialias,
        preserve_range=True,
    )
    return Contender("skimage", call, lambda y: result(y.astype(case.dtype, copy=False)))


def pillow_filter(case: Interpolate) -> int:
    """Return the number of Pillow's filter; it always smooths where a picture shrinks."""
    ways = library("pillow").Resampling
    kernels = {
        "nearest": ways.NEAREST, "nearest-exact": ways.NEAREST, "linear": ways.BILINEAR,
        "cubic": ways.BICUBIC, "lanczos": ways.LANCZOS, "area": ways.BOX,
    }
    return kernels[kernel_of(case.mode)]


def pillow(
    case: Interpolate, picture: np.ndarray, result: Callable[[np.ndarray], np.ndarray]
) -> Contender:
    image_module = library("pillow")
    # CMYK: four bytes a pixel of which none is opacity, by which Pillow would multiply the others.
    kinds = {("uint8", 1): "L", ("uint8", 3): "RGB", ("uint8", 4): "CMYK", ("float32", 1): "F"}
    kind = kinds.get((case.dtype, case.shape[1]))
    if kind is None:
        raise LeftOut(f"has no pictures of {case.shape[1]} channels of {case.dtype}")
    height, width = picture.shape[:2]
    image = image_module.frombytes(kind, (width, height), picture.tobytes())
    call = partial(image.resize, case.sizes[::-1], pillow_filter(case))
    return Contender("pillow", call, lambda y: result(np.asarray(y)))


def pillow_planes(case: Interpolate, x: np.ndarray) -> Contender:
    image_module = library("pillow")
    if case.dtype not in ("uint8", "float32"):
        raise LeftOut(f"has no planes of {case.dtype}")
    images = [image_module.fromarray(plane) for plane in x[0]]
    size, way = case.sizes[::-1], pillow_filter(case)

    def call() -> list:
        return [image.resize(size, way) for image in images]

    return Contender("pillow planes", call, lambda ys: np.stack([np.asarray(y) for y in ys])[None])


# --- channels last -------------------------------------------------------------------------------


def interpolate_litert(case: Interpolate, x: np.ndarray, threads: int) -> Iterator[Offer]:
    """TensorFlow Lite's successor, which has its channels last."""

    def litert() -> Contender:
        interpreters = library("litert")
        if kernel_of(case.mode) not in ("nearest", "nearest-exact", "linear") or case.antialias:
            raise LeftOut("has nearest and bilinear, without antialias")
        if case.dtype not in ("float32", "uint8"):
            raise LeftOut(f"resizes no {case.dtype}")
        from benchmarks import models

        pictures = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if case.layout == "NCHW" else x
        model = models.litert_resize(case, pictures)
        interpreter = interpreters.Interpreter(model_content=model, num_threads=threads)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pictures)
        output = interpreter.get_output_details()[0]["index"]
        return Contender(
            "litert NHWC", interpreter.invoke, lambda _: first_axes(interpreter.get_tensor(output))
        )

    yield "litert NHWC", litert


# --- volumes -------------------------------------------------------------------------------------


def interpolate_volumes(case: Interpolate, x: np.ndarray) -> Iterator[Offer]:
    """Volresample, and SciPy and scikit-image on a volume of one channel."""

    def volresample() -> Contender:
        resample = library("volresample").resample
        names = {"nearest-exact": "nearest", "linear": "linear", "area": "area"}
        kernel = kernel_of(case.mode)
        if kernel not in names or case.antialias or case.layout != "NCHW":
            raise LeftOut("has nearest-exact, linear and area, and splines")
        call = partial(
            resample, x, case.sizes, names[kernel], align_corners=bool(case.align_corners)
        )
        return Contender("volresample", call, same)

    yield "volresample", volresample
    if case.shape[:2] == (1, 1):
        yield "scipy", lambda: scipy(case, x[0, 0], lambda y: y[None, None])
        if case.like == "skimage" or not case.antialias:
            yield "skimage", lambda: skimage(case, x[0, 0], lambda y: y[None, None])
