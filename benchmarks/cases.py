"""The table of cases: what is computed, on what, and what is aimed at. Nothing is timed here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

NEAREST = ("nearest", "nearest-exact")


def kernel_of(mode: str) -> str:
    """Return the mode whatever the number of axes: linear for bilinear, cubic for tricubic."""
    for kernel in ("linear", "cubic"):
        if mode.endswith(kernel):
            return kernel
    return mode


@dataclass(frozen=True)
class Goal:
    """What a case aims at; None and empty: nothing of that kind.

    Speeds relative to a peer are peer / upshape: above 1 upshape is faster.
    """

    limit: float | None = None  # of the machine's limit
    ratio: float | None = None  # over the best peer
    over: dict[str, float] = field(default_factory=dict)  # over the best of a family of peers
    microseconds: float | None = None  # a call, at most
    rate_of: tuple[str, float] | None = None  # bytes a second, of those of another case
    packing: float | None = None  # functional call / layer object, at most
    reading: float | None = None  # times as long as the input takes to be read, at most


@dataclass(frozen=True)
class Case:
    """One computation. `judged` names the contender of ours that is held against the others."""

    name: str
    group: str
    goal: Goal | None = None
    headline: bool = False
    judged: str = "upshape"

    def flops(self, result_shape: tuple[int, ...]) -> int:
        """Return the operations of the textbook's formula; interpolation counts as copying."""
        return 0


def spatial(values: tuple[int, ...]) -> str:
    return "x".join(map(str, values))


def describe(shape: tuple[int, ...]) -> str:
    """Return a shape in short: the batch only where there is one."""
    batch = f"{shape[0]}·" if shape[0] != 1 else ""
    return batch + spatial(shape[1:])


def random_array(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    rng = np.random.default_rng(math.prod(shape))
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0, 256, shape).astype(dtype)
    single = rng.standard_normal(shape, dtype=np.float32)
    return single if dtype == "float32" else single.astype(dtype)


@dataclass(frozen=True)
class Interpolate(Case):
    """`shape` is (N, C, *spatial) whatever the layout.

    layout: "NCHW"; "NHWC", an array with its channels last (channel_axis=-1); "channels_last", an
    (N, C, H, W) view of such memory. like: the library whose pixels `resize` makes of the one
    picture; None: those of PyTorch, by `interpolate`. picture: whether libraries that know one
    picture or volume take part. misaligned: `out` starts 16 bytes behind a cache line.
    """

    shape: tuple[int, ...] = ()
    size: tuple[int, ...] | None = None
    scale: float | None = None
    mode: str = "nearest"
    align_corners: bool | None = None
    antialias: bool = False
    like: str | None = None
    dtype: str = "float32"
    layout: str = "NCHW"
    picture: bool = False
    misaligned: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """The spatial sizes of the result."""
        if self.size is not None:
            return self.size
        return tuple(math.floor(i * self.scale) for i in self.shape[2:])

    def data(self) -> np.ndarray:
        """Return the input; no bytes that overshoot, which some libraries clip after each axis."""
        x = random_array(self.shape, self.dtype)
        if self.dtype == "uint8" and kernel_of(self.mode) in ("cubic", "lanczos"):
            x = 80 + x % 96
        return x if self.layout == "NCHW" else np.ascontiguousarray(np.moveaxis(x, 1, -1))


@dataclass(frozen=True)
class Pyramid(Case):
    """Features of several scales, brought to the size of the first and concatenated."""

    shapes: tuple[tuple[int, ...], ...] = ()
    mode: str = "bilinear"

    def data(self) -> list[np.ndarray]:
        return [random_array(shape, "float32") for shape in self.shapes]


@dataclass(frozen=True)
class Convolution(Case):
    """A convolution, or a transposed one; the same number on every axis."""

    transposed: bool = True
    shape: tuple[int, ...] = ()
    channels: int = 1
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    output_padding: int = 0
    dilation: int = 1
    groups: int = 1
    bilinear: bool = False
    bias: bool = True
    dtype: str = "float32"
    judged: str = "upshape layer"

    @property
    def rank(self) -> int:
        return len(self.shape) - 2

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return input, weight and bias."""
        inner = self.shape[1]
        first, second = (inner, self.channels) if self.transposed else (self.channels, inner)
        weight_shape = (first, second // self.groups) + (self.kernel,) * self.rank
        if self.bilinear:
            tent = 1 - np.abs(np.arange(self.kernel) - (self.kernel - 1) / 2) / self.stride
            weight = np.broadcast_to(np.outer(tent, tent), weight_shape).astype(self.dtype)
        else:
            weight = random_array(weight_shape, self.dtype)
        bias = random_array((self.channels,), self.dtype) if self.bias else None
        return random_array(self.shape, self.dtype), weight, bias

    def flops(self, result_shape: tuple[int, ...]) -> int:
        """Every tap of every pixel, an FMA each: input pixels where transposed, else output ones.

        This is what counters of operations count. Taps that fall outside are counted too, so a
        kernel that leaves them out may exceed the peak on a small map.
        """
        pixels = math.prod((self.shape if self.transposed else result_shape)[2:])
        taps = self.kernel**self.rank * self.shape[1] * self.channels // self.groups
        return 2 * self.shape[0] * pixels * taps


# --- the table -----------------------------------------------------------------------------------


def upsample(
    group: str,
    shape: tuple[int, ...],
    to: float | tuple[int, ...],
    modes: dict[str, Goal | None],
    tags: tuple[str, ...] = (),
    **more: object,
) -> Iterator[Interpolate]:
    """Name and yield one case a mode. `to` is a factor, or the size."""
    target = f"to {spatial(to)}" if isinstance(to, tuple) else f"{to:g}x"
    size, scale = (to, None) if isinstance(to, tuple) else (None, to)
    for mode, goal in modes.items():
        name = " ".join([mode, describe(shape), target, *tags])
        yield Interpolate(
            name=name, group=group, goal=goal, shape=shape, size=size, scale=scale, mode=mode,
            **more,
        )


def both(nearest: Goal | None = None, bilinear: Goal | None = None) -> dict[str, Goal | None]:
    return {"nearest": nearest, "bilinear": bilinear}


def interpolations() -> Iterator[Case]:
    large = both(Goal(0.92, 1.3), Goal(0.92, 2.0))
    yield from upsample("large results", (1, 256, 64, 64), 4, large, headline=True)
    yield from upsample("large results", (8, 64, 64, 64), 2, large)
    yield from upsample("large results", (1, 3, 1080, 1920), 2, large, headline=True)
    yield from upsample("large results", (1, 19, 128, 256), 8, large, headline=True)

    misaligned = both(Goal(0.6, 1.2), Goal(0.6, 1.2))
    tags: tuple[str, ...] = ("misaligned out",)
    for shape, factor in (((1, 256, 64, 64), 4), ((1, 3, 1080, 1920), 2)):
        yield from upsample(
            "misaligned out", shape, factor, misaligned, tags, misaligned=True,
            judged="upshape out",
        )

    group = "maps and pictures"
    yield from upsample(group, (1, 3, 256, 256), 2, both(Goal(0.65, 1.6), Goal(0.5, 2.3)))
    yield from upsample(
        group, (1, 64, 56, 56), 2, both(Goal(0.5, 1.5), Goal(0.4, 2.5)), headline=True
    )
    yield from upsample(
        group, (1, 3, 375, 500), (600, 800), both(Goal(0.55, 3.0), Goal(0.38, 1.8)),
        headline=True, picture=True,
    )
    yield from upsample(group, (1, 1, 512, 512), 2, both(), picture=True)
    yield from upsample(group, (1, 3, 540, 960), 2, both())
    yield from upsample(group, (1, 256, 32, 32), 1.5, both())
    yield from upsample(group, (1, 128, 100, 100), (137, 151), both())
    yield from upsample(group, (1, 64, 112, 112), 0.5, both())
    yield from upsample(group, (16, 64, 28, 28), 2, both())
    yield from upsample(group, (16, 3, 160, 160), 1.4, both())
    yield from upsample(
        group, (1, 21, 65, 65), (513, 513), {"bilinear": None}, ("align_corners",),
        align_corners=True,
    )
    yield from upsample(group, (1, 64, 56, 56), 1.6, {"nearest-exact": None})
    yield from upsample(group, (1, 64, 8192), 2, {"nearest": None, "linear": None})
    yield from upsample(group, (1, 32, 16, 32, 32), 2, {"nearest": None, "trilinear": None})
    yield from upsample(group, (1, 64, 56, 56), 2, both(), ("float64",), dtype="float64")

    group = "channels last"
    last = Goal(0.6, over={"opencv": 1.3, "torch": 5.0})
    yield from upsample(
        group, (1, 3, 540, 960), 2, both(last, last), ("HWC",), layout="NHWC", headline=True
    )
    yield from upsample(group, (1, 64, 128, 128), 2, both(last, last), ("HWC",), layout="NHWC")
    tags = ("channels_last",)
    yield from upsample(group, (1, 3, 540, 960), 2, both(last, last), tags, layout="channels_last")
    yield from upsample(
        group, (1, 64, 128, 128), 2, both(last, last), tags, layout="channels_last", headline=True
    )
    yield from upsample(group, (1, 64, 56, 56), (100, 90), both(), ("HWC",), layout="NHWC")

    group = "uint8"
    more = {"dtype": "uint8"}
    tags = ("uint8",)
    of_float = Goal(ratio=3.0, rate_of=("bilinear 3x540x960 2x", 0.5))
    modes = both(None, of_float)
    yield from upsample(group, (1, 3, 540, 960), 2, modes, tags, headline=True, **more)
    tags, more = ("uint8", "HWC"), {"dtype": "uint8", "layout": "NHWC"}
    of_float = Goal(ratio=3.0, rate_of=("bilinear 3x540x960 2x HWC", 0.5))
    modes = both(None, of_float)
    yield from upsample(group, (1, 3, 540, 960), 2, modes, tags, picture=True, **more)
    yield from upsample(group, (1, 3, 375, 500), (600, 800), both(), tags, picture=True, **more)
    yield from upsample(group, (16, 3, 224, 224), 1.5, both(), tags, **more)

    group = "small calls"
    few = both(Goal(ratio=2, microseconds=4), Goal(ratio=2, microseconds=5.5))
    yield from upsample(group, (1, 3, 64, 64), 2, few, headline=True)
    few = both(Goal(ratio=2, microseconds=1.5), Goal(ratio=2, microseconds=1.5))
    yield from upsample(group, (1, 3, 8, 8), 2, few)

    group = "pyramids"
    for first, mode, headline in (
        (64, "bilinear", True), (64, "nearest", False), (128, "bilinear", False)
    ):
        sizes = [first >> k for k in range(4)]
        yield Pyramid(
            name=f"{mode} 4 scales of 256 to {first}x{first}", group=group, mode=mode,
            shapes=tuple((1, 256, n, n) for n in sizes), headline=headline,
        )


#: The ways that have more taps than two: (mode, antialias).
UP = (("bicubic", False), ("bicubic", True), ("lanczos", True), ("area", False))
DOWN = (("bilinear", True), ("bicubic", False), ("bicubic", True), ("lanczos", True))
BY_WHOLE_FACTORS = (("area", False),)  # by others libraries differ in what a pixel covers


def resizings() -> Iterator[Case]:
    """Every other way of resizing: planes and channels last, up and down; then volumes."""
    for ways, size, to, size_64, to_64 in (
        (UP, (360, 640), (720, 1280), (128, 128), (256, 256)),
        (DOWN, (720, 1280), (288, 512), (256, 256), (100, 100)),
        (BY_WHOLE_FACTORS, (720, 1280), (360, 640), (256, 256), (128, 128)),
    ):
        group = "growing" if ways is UP else "shrinking"
        for dtype in ("float32", "uint8"):
            for channels, layout in ((3, "NCHW"), (1, "NHWC"), (3, "NHWC"), (4, "NHWC")):
                yield from many_taps(
                    group, ways, (1, channels, *size), to, dtype, layout, picture=True,
                    headline=(channels, layout, dtype) == (3, "NHWC", "uint8"),
                )
            yield from many_taps(group, ways, (1, 64, *size_64), to_64, dtype, "NHWC")
    for factor, to in (("2", (540, 960)), ("3", (360, 640)), ("4.5", (240, 427))):
        for layout in ("NCHW", "NHWC"):
            yield from many_taps(
                "1080p shrinking", (("bilinear", True), ("bicubic", True)), (1, 3, 1080, 1920), to,
                "uint8", layout, (f"by {factor}",), Goal(ratio=1.0, over=AVX2, reading=1.5),
                picture=True,
            )


#: The peers that have kernels of their own for bytes.
AVX2 = {"torch": 1.2, "pillow": 1.2}


def many_taps(
    group: str, ways: tuple[tuple[str, bool], ...], shape: tuple[int, ...], to: tuple[int, ...],
    dtype: str, layout: str, tags: tuple[str, ...] = (), goal: Goal | None = None, **more: Any,
) -> Iterator[Interpolate]:
    """Yield a case a way."""
    for mode, antialias in ways:
        words = [
            *(["antialias"] if antialias and mode != "lanczos" else []), *tags,
            *(["uint8"] if dtype == "uint8" else []), *(["HWC"] if layout == "NHWC" else []),
        ]
        over = AVX2 if dtype == "uint8" and antialias else {}
        yield from upsample(
            group, shape, to, {mode: goal or Goal(ratio=1.0, over=over)}, tuple(words),
            antialias=antialias, dtype=dtype, layout=layout, **more,
        )


def same_pixels() -> Iterator[Case]:
    """What other libraries make, pixel for pixel: uint8 pictures."""
    group, size, to = "same pixels", (720, 1280), (288, 512)
    ways = (
        ("pillow", "bilinear", True), ("pillow", "bicubic", True), ("pillow", "lanczos", True),
        ("torch", "bilinear", True), ("torch", "bicubic", True), ("opencv", "bilinear", False),
        ("opencv", "bicubic", False), ("opencv", "area", False), ("opencv", "lanczos", False),
        ("skimage", "bilinear", True),
    )
    for like, mode, antialias in ways:
        for channels, layout in ((3, "NCHW"), (3, "NHWC")):
            yield from upsample(
                group, (1, channels, *size), to, {mode: Goal(ratio=1.0)},
                (f"like {like}", "uint8", *(["HWC"] if layout == "NHWC" else [])),
                like=like, antialias=antialias, dtype="uint8", layout=layout, picture=True,
            )


def small_maps() -> Iterator[Case]:
    """Maps of a network's neck: many channels of few pixels."""
    goal = Goal(over={"torch": 1.2, "litert": 1.2})
    for shape in ((1, 256, 20, 20), (1, 512, 7, 7), (1, 128, 33, 33)):
        yield from upsample("small maps", shape, 2, both(goal, goal))


def resized_volumes() -> Iterator[Case]:
    """Volumes of CT and MR, one channel and four."""
    group, goal = "resized volumes", Goal(ratio=4.0)
    for channels in (1, 4):
        shape = (1, channels, 64, 96, 96)
        modes = {"trilinear": goal, "tricubic": goal, "area": goal}
        for to in ((96, 144, 144), (40, 60, 60)):
            yield from upsample(group, shape, to, modes)
        modes = {"trilinear": goal, "tricubic": goal}
        yield from upsample(group, shape, (40, 60, 60), modes, ("antialias",), antialias=True)


def transposed(
    shape: tuple[int, ...], channels: int, kernel: int, stride: int = 1, goal: Goal | None = None,
    note: str = "", headline: bool = False, group: str = "transposed convolutions", **more: Any,
) -> Convolution:
    letters = {"padding": "p", "output_padding": "a", "dilation": "d"}
    parts = [f"{shape[1]}→{channels}", f"k{kernel}", f"s{stride}"]
    parts += [f"{letters[key]}{value}" for key, value in more.items() if key in letters]
    parts += [describe((shape[0], *shape[2:])), *([note] if note else [])]
    return Convolution(
        name=" ".join(parts), group=group, goal=goal, headline=headline, shape=shape,
        channels=channels, kernel=kernel, stride=stride, **more,
    )


def convolutions() -> Iterator[Case]:
    def wide(pixels: int) -> Goal:
        packing = 1.3 if pixels >= 1000 else None
        return Goal(0.9, 1.0, {"NCHW": 1.15}, packing=packing)

    yield transposed((1, 1024, 28, 28), 512, 2, 2, wide(784), "U-Net", headline=True)
    yield transposed((1, 512, 56, 56), 256, 2, 2, note="U-Net")
    yield transposed((1, 256, 56, 56), 128, 2, 2, note="U-Net")
    goal = Goal(0.85, over={"NCHW": 1.3}, packing=1.3)
    yield transposed((1, 128, 112, 112), 64, 2, 2, goal, "U-Net", headline=True)
    yield transposed((1, 64, 112, 112), 32, 2, 2, note="U-Net")
    yield transposed((1, 512, 8, 8), 256, 4, 2, wide(64), "DCGAN", padding=1)
    yield transposed((16, 512, 8, 8), 256, 4, 2, wide(1024), "DCGAN", headline=True, padding=1)
    yield transposed((16, 128, 16, 16), 64, 4, 2, note="DCGAN", padding=1)
    yield transposed((16, 64, 32, 32), 3, 4, 2, Goal(ratio=1.5), "DCGAN", headline=True, padding=1)
    yield transposed(
        (1, 256, 64, 64), 256, 3, 2, wide(4096), headline=True, padding=1, output_padding=1
    )
    yield transposed((1, 64, 64, 64), 64, 3, 1, wide(4096), padding=2, dilation=2)
    yield transposed((1, 24, 160, 160), 24, 2, 2, Goal(ratio=1.5), "thin", headline=True)
    yield transposed((1, 24, 160, 160), 1, 2, 2, Goal(ratio=1.5), "thin")
    yield transposed(
        (1, 64, 64, 64), 64, 4, 2, Goal(ratio=2), "depthwise", headline=True, padding=1, groups=64,
        bilinear=True, bias=False,
    )
    yield transposed(
        (1, 21, 16, 16), 21, 64, 32, Goal(ratio=3), "FCN", headline=True, bias=False
    )
    yield transposed(
        (1, 1026, 224), 1, 1024, 256, Goal(0.85, 1.0), "inverse STFT", headline=True, bias=False
    )
    yield transposed(
        (1, 16, 6, 6), 16, 3, 2, Goal(ratio=2, microseconds=4), "small call", group="small calls",
        padding=1, output_padding=1,
    )

    for shape, channels, stride in (
        ((1, 64, 56, 56), 64, 1), ((1, 128, 28, 28), 128, 1), ((1, 256, 14, 14), 256, 1),
        ((1, 64, 56, 56), 128, 2), ((1, 128, 56, 56), 256, 2),
    ):
        yield transposed(
            shape, channels, 3, stride, Goal(0.8, 0.9), "conv2d", group="convolutions",
            transposed=False, padding=1,
        )


def volumes() -> Iterator[Case]:
    """Layers of 3-D U-Nets (volumes of CT and MR), up to 64^3 voxels."""
    more = {"group": "volumes"}
    for channels, n in ((256, 8), (128, 16), (64, 32)):
        yield transposed((1, channels, n, n, n), channels // 2, 2, 2, note="U-Net", **more)
    yield transposed((1, 64, 16, 16, 16), 32, 4, 2, padding=1, **more)
    yield transposed((1, 32, 32, 32, 32), 16, 3, 2, padding=1, output_padding=1, **more)
    yield transposed((1, 3, 32, 32, 32), 3, 4, 2, note="depthwise", padding=1, groups=3,
                     bias=False, **more)
    for channels, n in ((128, 16), (32, 32), (16, 64)):
        yield transposed(
            (1, channels, n, n, n), channels, 3, note="conv3d", transposed=False, padding=1,
            **more,
        )
    yield transposed((1, 32, 32, 32, 32), 64, 3, 2, note="conv3d", transposed=False, padding=1,
                     **more)
    yield transposed((1, 64, 32, 32, 32), 64, 3, note="conv3d depthwise", transposed=False,
                     padding=1, groups=64, bias=False, **more)
    yield transposed((1, 16, 4, 6, 6), 8, 2, 2, note="small call", **more)


def table() -> list[Case]:
    """Return every case, grouped; names are unique."""
    cases = [
        *interpolations(), *small_maps(), *resizings(), *same_pixels(), *resized_volumes(),
        *convolutions(), *volumes(),
    ]
    order = list(dict.fromkeys(case.group for case in cases))
    cases.sort(key=lambda case: order.index(case.group))
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), "two cases share a name"
    return cases
