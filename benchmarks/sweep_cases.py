"""Random cases, reproducible by their seed: shapes, ratios, dtypes, layouts; layers of any kind."""

from __future__ import annotations

import math
import random

from benchmarks.cases import Convolution, Interpolate, describe, spatial

MOST_RESULT_BYTES = 64 << 20
MOST_FLOPS = 4e9

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def between(rng: random.Random, low: int, high: int) -> int:
    """Return an int, small ones as likely as large ones: uniform in the logarithm."""
    return round(math.exp(rng.uniform(math.log(low), math.log(high))))


def often(rng: random.Random, choices: dict) -> object:
    """Choose a key, its value being its weight."""
    return rng.choices(list(choices), list(choices.values()))[0]


def random_interpolation(rng: random.Random, number: int) -> Interpolate:
    while True:
        rank = often(rng, {2: 17, 1: 2, 3: 1})
        shape = (
            often(rng, {1: 8, 2: 1, 16: 1}), often(rng, {1: 2, 3: 4, between(rng, 2, 512): 8}),
            *(between(rng, 3, 600 if rank < 3 else 60) for _ in range(rank)),
        )
        dtype = often(rng, {"float32": 6, "uint8": 2, "float64": 1, "float16": 1})
        mode = often(rng, {"nearest": 4, "nearest-exact": 1, LINEAR[rank]: 5})
        size, scale = None, often(rng, {2: 4, 3: 1, 4: 2, 1.5: 2, 0.5: 1, None: 6})
        if scale is None:
            ratio = rng.uniform(0.4, 1) if rng.random() < 0.2 else math.exp(rng.uniform(0, 2))
            skew = [ratio * rng.uniform(0.7, 1.4) for _ in range(rank)]
            size = tuple(max(1, round(n * r)) for n, r in zip(shape[2:], skew, strict=True))
            target = spatial(size)
        else:
            size, target = None, f"{scale:g}x"
            if min(math.floor(n * scale) for n in shape[2:]) < 1:
                continue
        pixels = math.prod(size or tuple(math.floor(n * scale) for n in shape[2:]))
        width = {"float64": 8, "float32": 4, "float16": 2, "uint8": 1}[dtype]
        if shape[0] * shape[1] * pixels * width > MOST_RESULT_BYTES:
            continue
        layout = often(rng, {"NCHW": 6, "NHWC": 3, "channels_last": 1}) if rank == 2 else "NCHW"
        corners = True if mode == LINEAR[rank] and rng.random() < 0.15 else None
        words = [f"#{number}", mode, describe(shape), target, dtype, layout]
        return Interpolate(
            name=" ".join([*words, *(["align_corners"] if corners else [])]), group="sweep",
            shape=shape, size=size, scale=scale, mode=mode, align_corners=corners, dtype=dtype,
            layout=layout,
        )


def random_convolution(rng: random.Random, number: int) -> Convolution:
    while True:
        transposed, rank = rng.random() < 0.7, often(rng, {2: 8, 1: 1, 3: 1})
        inner, outer = between(rng, 1, 1024), between(rng, 1, 1024)
        groups = often(rng, {"one": 8, "each": 1, "some": 1})
        if groups == "each":
            groups = outer = inner
        elif groups == "some":
            groups = rng.choice([2, 4])
            inner, outer = inner * groups, outer * groups
        else:
            groups = 1
        kernel, stride = rng.randint(1, 9 if rank < 3 else 5), rng.randint(1, 4)
        dilation = often(rng, {1: 8, 2: 1, 3: 1})
        padding = rng.randint(0, dilation * (kernel - 1) // 2)
        more = rng.randint(0, max(stride, dilation) - 1) if transposed else 0
        maps = [between(rng, 4, 256 if rank < 3 else 64) for _ in range(rank)]
        shape = (often(rng, {1: 8, 4: 1, 16: 1}), inner, *maps)
        reach = dilation * (kernel - 1) + 1
        if transposed:
            out = [(n - 1) * stride - 2 * padding + reach + more for n in shape[2:]]
        else:
            out = [(n + 2 * padding - reach) // stride + 1 for n in shape[2:]]
        if min(out) < 1 or shape[0] * outer * math.prod(out) * 4 > MOST_RESULT_BYTES:
            continue
        if inner * outer // groups * kernel**rank * 4 > MOST_RESULT_BYTES:
            continue
        letters = {"p": padding, "a": more, "g": groups if groups > 1 else 0}
        letters["d"] = dilation if dilation > 1 else 0
        words = [f"#{number}", "conv_transpose" if transposed else "conv", f"{inner}→{outer}"]
        words += [f"k{kernel}", f"s{stride}", *(f"{key}{n}" for key, n in letters.items() if n)]
        case = Convolution(
            name=" ".join([*words, describe((shape[0], *shape[2:]))]), group="sweep",
            transposed=transposed, shape=shape, channels=outer, kernel=kernel, stride=stride,
            padding=padding, output_padding=more, dilation=dilation, groups=groups,
        )
        if case.flops((shape[0], outer, *out)) <= MOST_FLOPS:
            return case


KINDS = {"interpolate": random_interpolation, "conv": random_convolution}
