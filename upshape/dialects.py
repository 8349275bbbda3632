"""How other libraries resize: for each library and mode of theirs, the convention that they have.

A *dialect* is a library's row of ways. Each way says which `tables.Convention` its tables have, and
whether it can be, or always is, antialiased. What a library lacks is not in its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from upshape import arrays
from upshape.tables import Convention

__all__ = ["ALIASES", "DIALECTS", "MODES", "Way", "as_mode", "way_of"]

#: What `resize` can do, whatever the number of axes.
MODES = ("nearest", "linear", "cubic", "area", "lanczos", "box", "hamming")

#: Other libraries' names for the same: PyTorch's, and what Pillow, OpenCV and scikit-image say.
ALIASES = {
    "nearest-exact": "nearest-exact", "bilinear": "linear", "trilinear": "linear",
    "bicubic": "cubic", "tricubic": "cubic", "lanczos3": "lanczos", "lanczos4": "lanczos",
}  # fmt: skip


class Way(NamedTuple):
    """A mode of a library: its convention without antialias, and with."""

    plain: Convention | None
    antialiased: Convention | None = None
    default: bool = False  # whether antialias is on if nobody says

    def convention(self, antialias: bool) -> Convention | None:
        """Return the convention; None: there is none."""
        return self.antialiased if antialias else self.plain


def _smooth(kernel: str, a: float = -0.5) -> Convention:
    """Return Pillow's way, which is also PyTorch's antialias."""
    return Convention(kernel, antialias=True, border="exclude", a=a)


_CENTRE = Convention("nearest", rounding="round_prefer_ceil")

_OWN = {
    "nearest": Way(_CENTRE),
    "nearest-exact": Way(_CENTRE),
    "linear": Way(Convention("linear"), _smooth("linear"), True),
    "cubic": Way(Convention("cubic"), _smooth("cubic"), True),
    "lanczos": Way(Convention("lanczos"), _smooth("lanczos"), True),
    "area": Way(Convention("area")),
    "box": Way(None, _smooth("box"), True),
    "hamming": Way(None, _smooth("hamming"), True),
}

_OPENCV = {
    "nearest": Way(Convention("nearest", arithmetic="opencv")),
    # OpenCV 5 adds up steps as Pillow does; OpenCV 4 takes other pixels at ties.
    "nearest-exact": Way(Convention("nearest", arithmetic="pillow")),
    "linear": Way(Convention("linear")),
    "cubic": Way(Convention("cubic")),
    # Where an axis grows, `resize` takes "area-linear" for all of them, as OpenCV does.
    "area": Way(Convention("coverage")),
    "lanczos": Way(Convention("lanczos4")),
}

_PILLOW = {
    "nearest": Way(Convention("nearest", arithmetic="pillow", rounding="floor")),
    **{
        name: Way(None, _smooth(name), True)
        for name in ("box", "linear", "hamming", "cubic", "lanczos")
    },
}

_SKIMAGE = {
    "nearest": Way(
        Convention("nearest", rounding="round_prefer_ceil", arithmetic="float64")
    ),
    "linear": Way(
        Convention("gaussian", border="mirror"),
        Convention("gaussian", antialias=True, border="mirror"), True,
    ),
}  # fmt: skip

_TENSORFLOW = {
    "nearest": Way(
        Convention("nearest", "tf_half_pixel_for_nn", rounding="floor", arithmetic="tensorflow")
    ),
    "linear": Way(Convention("linear"), _smooth("linear")),
    "cubic": Way(Convention("keys-table", border="exclude", a=-0.5), _smooth("cubic")),
    "area": Way(Convention("coverage")),
    "lanczos": Way(Convention("lanczos", border="exclude"), _smooth("lanczos")),
}

_ONNX = {
    "nearest": Way(Convention("nearest", arithmetic="onnx")),
    "linear": Way(Convention("linear"), Convention("linear", antialias=True)),
    "cubic": Way(Convention("cubic"), Convention("cubic", antialias=True)),
}

#: PyTorch's nearest modes are `interpolate`'s own; no convention here stands for them.
_TORCH = {
    "nearest": Way(_CENTRE),
    "nearest-exact": Way(_CENTRE),
    "linear": Way(Convention("linear"), _smooth("linear")),
    "cubic": Way(Convention("cubic"), _smooth("cubic")),
    "area": Way(Convention("area")),
    "lanczos": Way(None, _smooth("lanczos"), True),
}

DIALECTS: dict[str | None, dict[str, Way]] = {
    None: _OWN, "torch": _TORCH, "opencv": _OPENCV, "pillow": _PILLOW, "skimage": _SKIMAGE,
    "tensorflow": _TENSORFLOW, "onnx": _ONNX,
}  # fmt: skip


#: Why a mode that one would look for is not there, and what is.
ABSENT: dict[tuple[str | None, str], str] = {
    ("skimage", "cubic"): (
        " (its order=3 is a spline through all pixels of the image, which no few taps make; the "
        "nearest thing is mode='cubic' without like)"
    ),
    ("skimage", "area"): (
        " (its downscale_local_mean, by whole factors, is mode='area' without like)"
    ),
    ("pillow", "area"): " (its mean of pixels is mode='box')",
    ("onnx", "lanczos"): " (ONNX's Resize has no lanczos)",
}  # fmt: skip


#: What else libraries are called.
_NAMES = {
    "pytorch": "torch", "torchvision": "torch", "cv2": "opencv", "cv": "opencv", "pil": "pillow",
    "scikit-image": "skimage", "scikit_image": "skimage", "tf": "tensorflow", "keras": "tensorflow",
    "onnxruntime": "onnx", "ort": "onnx",
}  # fmt: skip


def as_like(operation: str, value: object) -> str | None:
    """Return the name of a library, or None."""
    if value is None:
        return None
    names = [name for name in DIALECTS if name]
    if isinstance(value, str) and value in names:
        return value
    meant = arrays.meant(value, names, _NAMES)
    raise ValueError(
        f"{operation}: like={arrays.shown(value)} must be one of {', '.join(names)}, or None"
        + meant
    )


def _meant(value: object, modes: dict[str, Way]) -> str:
    """Return the mode that another library's constant is, as a question; or nothing.

    >>> _meant("INTER_CUBIC", DIALECTS["opencv"]), _meant("spline", DIALECTS["opencv"])
    ("; did you mean 'cubic'?", '')
    >>> _meant("bilinaer", DIALECTS["opencv"]), _meant("BICUBIC", DIALECTS["pillow"])
    ("; did you mean 'linear'?", "; did you mean 'cubic'?")
    """
    name = value if isinstance(value, str) else getattr(value, "name", None)
    if not isinstance(name, str):
        return ""
    return arrays.meant(name.lower().removeprefix("inter_"), tuple(modes), ALIASES)


def as_mode(operation: str, value: object, like: str | None) -> str:
    """Return the mode by its one name, if the library has it."""
    modes = DIALECTS[like]
    name = ALIASES.get(value, value) if isinstance(value, str) else None
    if name not in modes:
        whose = "" if like is None else f" with like={like!r}"
        why = ABSENT.get((like, name), "") if isinstance(name, str) else ""
        raise ValueError(
            f"{operation}: mode={arrays.shown(value)} must be one of {', '.join(modes)}{whose}"
            + (why or _meant(value, modes))
        )
    return name


def way_of(
    operation: str, like: str | None, mode: str, antialias: object, shrinks: Sequence[bool]
) -> Convention:
    """Return the convention of a library's mode, for axes of which some may shrink."""
    way = DIALECTS[like][mode]
    smooth = way.default if antialias is None else arrays.as_bool(
        operation, "antialias", antialias
    )
    convention = way.convention(smooth)
    if convention is None:
        whose = "" if like is None else f" and like={like!r}"
        raise ValueError(
            f"{operation}: antialias={arrays.shown(antialias)} is not to be had with "
            f"mode={mode!r}{whose}, which is {'never' if smooth else 'always'} antialiased; "
            f"leave it out"
        )
    if like == "opencv" and mode == "area" and not all(shrinks):
        return Convention("area-linear")
    return convention
