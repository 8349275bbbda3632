"""Random calls on hostile arrays, each with what it must give: the fuzzer's and the tests' cases.

A case is a number: the same number is the same call in every run. Its arrays lie in memory in any
way NumPy allows: misaligned, with gaps, backwards, broadcast, byte-swapped, as a field of packed
records, with any order of axes, overlapping windows, read-only, with any stride along an axis of
length 1. `Canaries` and `Guards` are the two kinds of memory to lay them in: one notices writes
beside an array and into an input, the other ends the process at the first byte that is read or
written beyond an array.

What a call must give is computed here in float64 from the definitions: `upshape.reference` where it
keeps apart what has no weight, one loop over taps where it does not.
"""

import contextlib
import ctypes
import mmap
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from assertions import (
    CONVOLUTION_EXTRA_ROUNDINGS,
    HALF_A_UNIT,
    LINEAR_ROUNDINGS,
    POSITION_ROUNDINGS,
    SMALLEST16,
    U16,
    U32,
    U64,
    assert_same_pixels,
    assert_within,
)

import upshape as up
from upshape import dialects, interpolation, reference

EDGES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97]
CHANNELS = [1, 1, 2, 3, 3, 4, 5, 8, 16, 17, 33]
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
LINEAR_DTYPES = ["f4", "f4", "f8", "f2", "u1"]
MEAN_DTYPES = [*LINEAR_DTYPES, "i1", "i2", "u2", "i4", "?"]
COPIED_DTYPES = ["f4", "f8", "f2", "u1", "i2", "i4", "i8", "?", "c8", "c16", "g", "M8[s]", "S3",
                 "U2", "V5", [("red", "u1"), ("depth", "f4")]]  # fmt: skip
# How many pixels a result may have, so that a case takes about a millisecond.
MOST_PIXELS = 20_000
# Smallest steps of float32 and float64: what underflows is off by one of them at each rounding.
STEP = {4: float(np.finfo("f4").smallest_subnormal), 8: float(np.finfo("f8").smallest_subnormal)}


# --- arrays in memory ----------------------------------------------------------------------------


class Form(NamedTuple):
    """How an array lies in memory: bytes from element to element, and how far off it begins."""

    strides: tuple[int, ...]
    odd: int = 0  # bytes off a multiple of 64
    swapped: bool = False
    read_only: bool = False


def nested(rng: np.random.Generator, shape: tuple[int, ...], item: int) -> list[int]:
    """Return strides of an array whose elements have memory of their own, in any order of axes."""
    rank = len(shape)
    in_order = list(range(rank))
    order = in_order if rank < 3 else choose(rng, [
        in_order, in_order,
        [0, *in_order[2:], 1], [0, *in_order[2:], 1],  # the channels innermost
        [0, rank - 1, *in_order[1:-1]],  # the other way about
        in_order[::-1],  # Fortran
        list(rng.permutation(rank)),
    ])  # fmt: skip
    # Gaps: none, of whole elements, or such that elements are fields of packed records.
    gaps = rng.choice(3, p=[0.45, 0.3, 0.25])
    reach, strides = item, [0] * rank
    for axis in order[::-1]:
        if gaps == 1 and rng.random() < 0.4:
            reach += item * int(rng.integers(1, 9))
        elif gaps == 2 and rng.random() < 0.6:
            reach += int(rng.integers(1, 2 * item + 2))
        strides[int(axis)] = reach
        reach *= max(shape[int(axis)], 1)
    return strides


def draw_form(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any], out: bool = False
) -> Form:
    """Return a way in which an array can lie in memory; an `out` has no element twice."""
    item = dtype.itemsize
    strides = nested(rng, shape, item)
    whole = not any(stride % item for stride in strides)
    for axis, size in enumerate(shape):
        if rng.random() < 0.12:
            strides[axis] *= -1
        if size == 1 and rng.random() < 0.3:  # nobody ever takes this step
            strides[axis] = int(rng.choice([0, 1, -item, item + 1, 1 << 40, -3]))
        if not out and rng.random() < 0.08:  # broadcast
            strides[axis] = 0
        if not out and whole and rng.random() < 0.05:  # overlapping windows
            strides[axis] = item * int(rng.integers(1, 5))
    form = Form(tuple(strides))
    return moved(rng, form, dtype, out)


def moved(
    rng: np.random.Generator, form: Form, dtype: np.dtype[Any], out: bool = False
) -> Form:
    """Return the same strides at another address, of another byte order, writeable or not."""
    odd = int(rng.choice([0, 0, 0, dtype.itemsize, 4, 1, 2, 3, 7, 33]))
    swappable = dtype.kind != "V" and dtype.char != "g"
    swapped = not out and swappable and rng.random() < 0.12
    return Form(form.strides, odd, swapped, not out and bool(rng.random() < 0.2))


def extent(shape: tuple[int, ...], strides: tuple[int, ...], item: int) -> tuple[int, int]:
    """Return where an array's bytes begin and end, counted from its first element."""
    if 0 in shape:
        return 0, 0
    ends = [stride * (size - 1) for size, stride in zip(shape, strides, strict=True)]
    return sum(end for end in ends if end < 0), item + sum(end for end in ends if end > 0)


class Canaries:
    """Memory whose every byte beside an array is known: whoever writes there is seen."""

    room = 160  # more than a vector and an element, on either side

    def __init__(self, seed: int) -> None:
        self._noise = np.random.default_rng(seed)
        self._watched: list[tuple[str, np.ndarray, np.ndarray, np.ndarray]] = []

    def take(self, low: int, high: int, odd: int) -> tuple[np.ndarray, int]:
        """Return bytes, and where in them an array's first element is to stand."""
        begin = self.room - low
        memory = np.frombuffer(
            bytearray(self._noise.bytes(begin + high + self.room + 64 + odd)), np.uint8
        )
        # The first element stands `odd` bytes after a multiple of 64.
        return memory, begin + (odd - (memory.ctypes.data + begin)) % 64

    def watch(self, name: str, array: np.ndarray, memory: np.ndarray, at: int, out: bool) -> None:
        """Remember what these bytes are; those of `array` itself may change if it is an `out`."""
        free = np.zeros(memory.size, bool)
        if out:
            for byte in range(array.itemsize):
                np.ndarray(array.shape, bool, free, at + byte, array.strides)[...] = True
        self._watched.append((name, memory, memory.copy(), free))

    def check(self) -> None:
        """Assert that nothing has been written where it must not be."""
        for name, memory, before, free in self._watched:
            changed = (memory != before) & ~free
            assert not changed.any(), (
                f"{changed.sum()} bytes of or beside {name} were written, the first at "
                f"{int(np.argmax(changed))} of {memory.size}"
            )

    def scribble(self) -> None:
        """Forget what a call has put into every `out`."""
        for _, memory, before, free in self._watched:
            memory[free] = before[free]


class Guards:
    """Memory that ends where the array ends (or begins where it begins): nothing else is mapped."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._noise = np.random.default_rng(seed + 1)
        self._protect = ctypes.CDLL(None, use_errno=True).mprotect

    def take(self, low: int, high: int, odd: int) -> tuple[np.ndarray, int]:
        """Return bytes between two pages that nobody may touch."""
        size, page = high - low, mmap.PAGESIZE
        inner = -(-(size + 64) // page) * page
        memory = mmap.mmap(-1, inner + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for wall in (start, start + page + inner):
            done = self._protect(ctypes.c_void_p(wall), ctypes.c_size_t(page), 0)
            assert done == 0, f"mprotect failed with errno {ctypes.get_errno()}"
        within = np.frombuffer(memory, np.uint8, inner, page)
        within[...] = np.frombuffer(self._noise.bytes(inner), np.uint8)
        begin = inner - size if self._rng.random() < 0.7 else 0
        return within, begin - low

    def watch(self, name: str, array: np.ndarray, memory: np.ndarray, at: int, out: bool) -> None:
        """Leave the watching to the pages."""

    def check(self) -> None:
        """Leave the check to the pages."""

    def scribble(self) -> None:
        """Leave `out` as it is."""


def lay(
    memory: Canaries | Guards, name: str, values: np.ndarray, form: Form, out: bool = False
) -> np.ndarray:
    """Return an array of this form; what its elements share holds the values of one of them."""
    dtype = values.dtype.newbyteorder("S") if form.swapped else values.dtype
    low, high = extent(values.shape, form.strides, dtype.itemsize)
    room, at = memory.take(low, high, form.odd)
    array = np.ndarray(values.shape, dtype, room, at, form.strides)
    if not out:
        array[...] = values
    memory.watch(name, array, room, at, out)
    array.flags.writeable = not form.read_only
    return array


# --- values --------------------------------------------------------------------------------------


def draw_values(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, special: bool = True
) -> np.ndarray:
    """Return numbers; some have NaN, infinities, denormals and negative zeros among them."""
    dtype = np.dtype(dtype)
    if dtype == np.uint8:
        return rng.integers(0, 256, shape, np.uint8)
    if dtype.char not in "efd":
        raw = rng.integers(0, 2 if dtype.kind == "b" else 256, (*shape, dtype.itemsize), np.uint8)
        if dtype.kind == "U":
            raw = raw % 2  # code points that there are
        return np.ascontiguousarray(raw).view(dtype).reshape(shape)
    values = rng.standard_normal(shape).astype(dtype)
    if special and rng.random() < 0.2:
        tiny = np.finfo(dtype).smallest_subnormal
        few = rng.random(shape) < rng.choice([0.01, 0.2])
        values[few] = rng.choice(
            np.array([np.nan, np.inf, -np.inf, -0.0, tiny, -3 * tiny], dtype), int(few.sum())
        )
    elif special and rng.random() < 0.04:
        values *= np.finfo(dtype).smallest_normal
    return values


# --- definitions ---------------------------------------------------------------------------------


def linear(x: np.ndarray, sizes: tuple[int, ...], factors: Any, corners: bool) -> Any:
    """Return the exact values of a linear mode, and by how much a result may differ from them.

    And which pixels have a neighbour without weight that is no number: as in PyTorch they may be
    NaN, or what they would be without it. `x` is (N, C, *spatial).
    """
    exact = x.astype(np.float64)
    largest = np.where(np.isfinite(exact), np.abs(exact), 0)
    either = np.zeros(x.shape, bool)
    for axis, (o, factor) in enumerate(zip(sizes, factors, strict=True), start=2):
        lower, upper, t = reference.linear_neighbours(
            x.shape[axis], o, scale_factor=factor, align_corners=corners
        )
        t = t.reshape(-1, *[1] * (x.ndim - axis - 1))
        below, above = np.take(exact, lower, axis), np.take(exact, upper, axis)
        either = np.take(either, lower, axis) | np.take(either, upper, axis)
        either |= (t == 0) & ~np.isfinite(above)
        exact = np.where(t == 0, below, (1 - t) * below + t * above)
        largest = np.maximum(np.take(largest, lower, axis), np.take(largest, upper, axis))
    if x.dtype == np.uint8:
        return exact, HALF_A_UNIT, either
    axes = len(sizes)
    u, step = (U64, STEP[8]) if x.dtype == np.float64 else (U32, STEP[4])
    position = POSITION_ROUNDINGS * U64 * axes * max(x.shape[2:]) * largest
    bound = position + LINEAR_ROUNDINGS * axes * (u * largest + step)
    if x.dtype == np.float16:
        bound = bound * (1 + 2 * U16) + U16 * np.abs(exact) + SMALLEST16
    return exact, bound, either


def conv(x: np.ndarray, weight: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
    """Return a convolution without bias, from its definition."""
    return reference.conv(x, weight, None, **parameters)


def conv_transpose(x: np.ndarray, weight: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
    """Return a transposed convolution without bias: every tap in turn stamps the whole input."""
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    groups, kernel = parameters["groups"], weight.shape[2:]
    per_axis = [parameters[name] for name in ("stride", "dilation", "output_padding")]
    spatial = x.shape[-len(kernel):]
    full = [(i - 1) * s + d * (k - 1) + 1 + a
            for i, k, s, d, a in zip(spatial, kernel, *per_axis, strict=True)]
    y = np.zeros((x.shape[0], groups, weight.shape[1], *full))
    x = x.reshape(x.shape[0], groups, -1, *spatial)
    weight = weight.reshape(groups, x.shape[2], *weight.shape[1:])
    for tap in np.ndindex(*kernel):
        where = tuple(
            slice(m * d, m * d + (i - 1) * s + 1, s)
            for m, i, s, d, _ in zip(tap, spatial, *per_axis, strict=True)
        )
        y[(..., *where)] += np.einsum("ngi...,gio->ngo...", x, weight[(..., *tap)])
    if isinstance(parameters["padding"], str):
        y, kept = same_of(y, spatial, per_axis[0], parameters["padding"])
    else:
        kept = tuple(
            slice(p[0], size - p[1]) for size, p in zip(full, parameters["padding"], strict=True)
        )
    return y[(..., *kept)].reshape(y.shape[0], -1, *[k.stop - k.start for k in kept])


def same_of(
    y: np.ndarray, sizes: tuple[int, ...], stride: tuple[int, ...], word: str
) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Return all that was stamped, with zeros up to i s pixels, and which i s of them SAME keeps.

    As many are cut off before as after; an odd one after them, or with "same_lower" before.
    """
    wanted = [i * s for i, s in zip(sizes, stride, strict=True)]
    full = y.shape[-len(sizes):]
    missing = [max(size - n, 0) for size, n in zip(wanted, full, strict=True)]
    y = np.pad(y, [(0, 0)] * (y.ndim - len(sizes)) + [(0, n) for n in missing])
    beyond = [max(n - size, 0) for size, n in zip(wanted, full, strict=True)]
    first = [(n + 1) // 2 if word == "same_lower" else n // 2 for n in beyond]
    return y, tuple(slice(p, p + size) for p, size in zip(first, wanted, strict=True))


def sums(definition: Any, x: Any, weight: Any, bias: Any, parameters: dict[str, Any]) -> Any:
    """Return the exact values of a convolution, and by how much a result may differ from them."""
    with np.errstate(invalid="ignore"):
        exact = definition(x, weight, parameters)
    tame = np.where(np.isfinite(x), np.abs(x), 0)
    magnitude = definition(tame, np.abs(weight), parameters)
    if bias is not None:
        column = bias.astype(np.float64).reshape(-1, *[1] * (exact.ndim - 2))
        exact, magnitude = exact + column, magnitude + np.abs(column)
    transposed = definition is conv_transpose
    channels = weight.shape[0] // parameters["groups"] if transposed else weight.shape[1]
    terms = channels * int(np.prod(weight.shape[2:])) + CONVOLUTION_EXTRA_ROUNDINGS
    u = U64 if x.dtype == np.float64 else U32
    both = 2 if u == U64 else 1  # float64's oracle rounds as well
    return exact, both * terms * (u * magnitude + STEP[x.dtype.itemsize])


# --- cases ---------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A call: its arrays' values and forms, its parameters, and what checks its result."""

    text: str
    values: dict[str, np.ndarray]
    forms: dict[str, Form]
    again: dict[str, Form]  # the same strides, in other places
    out: Form | None
    shape: tuple[int, ...]
    function: Callable[..., np.ndarray]
    check: Callable[[np.ndarray, dict[str, np.ndarray]], None]


def draw_sizes(rng: np.random.Generator, axes: int, most: int) -> tuple[int, ...]:
    """Return sizes of axes around the edges of vectors, with no more pixels than `most`."""
    sizes = [1] * axes
    for axis in rng.permutation(axes):
        room = most // int(np.prod(sizes))
        fitting = [edge for edge in EDGES if edge <= max(room, 1)]
        sizes[int(axis)] = int(rng.choice(fitting))
    return tuple(sizes)


def draw_batch(rng: np.random.Generator, axes: int, dtype: Any) -> int:
    """Return how many images; three axes of bytes must not look like a picture without a batch."""
    return int(rng.choice([1, 1, 2, 3] if axes > 1 or dtype != "u1" else [1, 1, 2]))


def draw_scale(rng: np.random.Generator, spatial: tuple[int, ...]) -> dict[str, Any]:
    """Return size or scale_factor, and the sizes and factors that they stand for."""
    axes = len(spatial)
    if rng.random() < 0.5:
        room = min(int(MOST_PIXELS ** (1 / axes)), 3000)
        sizes = tuple(
            int(rng.choice([i, min(2 * i, room), min(3 * i, room),
                            rng.integers(1, room + 1), rng.choice(EDGES[:12])]))
            for i in spatial
        )
        return {"size": sizes if rng.random() < 0.8 else sizes[0]}
    factor = rng.choice([1.0, 2.0, 3.0, 4.0, 1.5, 0.5, float(rng.uniform(0.3, 3.3))], axes)
    own = tuple(float(max(f, 1 / i)) for f, i in zip(factor, spatial, strict=True))
    arguments: dict[str, Any] = {"scale_factor": own}
    if rng.random() < 0.3:
        arguments["recompute_scale_factor"] = bool(rng.random() < 0.5)
    return arguments


def sizes_and_factors(
    spatial: tuple[int, ...], arguments: dict[str, Any]
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """Return an interpolation's output sizes, and the factors that decide its coordinates."""
    names = ("size", "scale_factor", "recompute_scale_factor")
    return reference._sizes_and_factors(spatial, *map(arguments.get, names))


def draw_interpolate(rng: np.random.Generator, mode: str) -> Case:
    """Return a call of interpolate."""
    axes = {name: axes for axes, name in LINEAR.items()}.get(mode) or int(rng.integers(1, 4))
    copied = mode.startswith("nearest")
    dtype = choose(rng, COPIED_DTYPES if copied else LINEAR_DTYPES)
    channels, batch = int(rng.choice(CHANNELS)), draw_batch(rng, axes, dtype)
    spatial = draw_sizes(rng, axes, max(MOST_PIXELS // (4 * channels * batch), 1))
    arguments = {"mode": mode, **draw_scale(rng, spatial)}
    if not copied:
        arguments["align_corners"] = choose(rng, [None, False, True])
    sizes, factors = sizes_and_factors(spatial, arguments)
    last = rng.random() < 0.3
    shape = (batch, *spatial, channels) if last else (batch, channels, *spatial)
    result = (batch, *sizes, channels) if last else (batch, channels, *sizes)
    if last:
        arguments["channel_axis"] = int(choose(rng, [-1, axes + 1]))

    def check(y: np.ndarray, given: dict[str, np.ndarray]) -> None:
        axis = arguments.get("channel_axis", 1)
        assert_interpolated(y, given["x"], sizes, factors, mode, axis,
                            bool(arguments.get("align_corners")))

    values = {"x": draw_values(rng, shape, dtype)}
    function = Function("interpolate", arguments)
    return finish(rng, "interpolate", values, arguments, result, function, check)


def assert_interpolated(
    y: np.ndarray, x: np.ndarray, sizes: Any, factors: Any, mode: str, axis: int, corners: bool
) -> None:
    """Assert that this is what the mode's definition says."""
    native = x.dtype.newbyteorder("=")
    x, y = np.moveaxis(x.astype(native), axis, 1), np.moveaxis(y, axis, 1)
    assert y.dtype == native
    if mode.startswith("nearest"):
        exact = mode == "nearest-exact"
        for at, (o, factor) in enumerate(zip(sizes, factors, strict=True), start=2):
            index = reference.nearest_indices(
                x.shape[at], o, scale_factor=factor, exact=exact, dtype=native
            )
            x = np.take(x, index, at)
        assert_same_pixels(y, x)
        return
    with np.errstate(invalid="ignore", over="ignore"):
        exact, bound, either = linear(x, sizes, factors, corners)
        assert_within(np.where(either, exact.astype(native), y), exact, bound)


def draw_means(rng: np.random.Generator, mode: str, antialias: bool) -> Case:
    """Return a call of interpolate in a mode of many taps."""
    axes = int(rng.integers(1, 4))
    if mode in ("linear", "cubic"):
        mode = {1: "", 2: "bi", 3: "tri"}[axes] + mode
    dtype = choose(rng, MEAN_DTYPES)
    channels, batch = int(rng.choice(CHANNELS)), draw_batch(rng, axes, dtype)
    spatial = draw_sizes(rng, axes, max(MOST_PIXELS // (8 * channels * batch), 1))
    arguments = {"mode": mode, "antialias": antialias, **draw_scale(rng, spatial)}
    sizes, _ = sizes_and_factors(spatial, arguments)
    last = rng.random() < 0.3
    shape = (batch, *spatial, channels) if last else (batch, channels, *spatial)
    result = (batch, *sizes, channels) if last else (batch, channels, *sizes)
    arguments["channel_axis"] = -1 if last else 1

    def check(y: np.ndarray, given: dict[str, np.ndarray]) -> None:
        assert_resampled(y, given["x"], reference.interpolate, arguments)

    values = {"x": draw_values(rng, shape, dtype)}
    return finish(rng, "interpolate", values, arguments, result,
                  Function("interpolate", arguments), check)


def assert_resampled(
    y: np.ndarray, x: np.ndarray, definition: Callable[..., np.ndarray], arguments: dict[str, Any]
) -> None:
    """Assert that sums of many taps are right where everything that they may reach is finite."""
    native = x.dtype.newbyteorder("=")
    x = x.astype(native)
    assert y.dtype == native
    wide = x.astype(np.float64)
    if not np.isfinite(wide).all():  # what is not finite spreads no further than its taps
        return
    exact = definition(x, **arguments)
    most = float(np.abs(wide).max(initial=0)) * 8
    assert y.shape == exact.shape
    if native.kind == "b":
        assert (np.ascontiguousarray(y).view(np.uint8) <= 1).all()
    with np.errstate(invalid="ignore"):  # a wrong pixel may be no number
        y = y.astype(np.float64)
    if native.kind == "f":
        real = np.finfo(np.float64 if native == np.float64 else np.float32)
        allowed = 100 * float(real.eps) * most + 64 * float(real.smallest_subnormal)
        if native == np.float16:
            allowed = allowed + U16 * np.abs(exact) + SMALLEST16
        with np.errstate(over="ignore"):
            limit = float(np.finfo(native).max)
        inside = np.abs(exact) < limit * 0.999
        with np.errstate(invalid="ignore"):
            assert (np.abs(y - exact) <= allowed)[inside].all()
        return
    limits = (0, 1) if native.kind == "b" else (np.iinfo(native).min, np.iinfo(native).max)
    off = np.abs(y - np.clip(exact, *limits))
    # Bytes go through fixed point, which may be a tenth off before it is rounded.
    allowed = 0.5 + (0.1 if native.itemsize == 1 else 0.01) + 1e-12 * most
    assert (off <= allowed).all(), f"{off.max()} off"


def draw_resize(rng: np.random.Generator) -> Case:
    """Return a call of resize: a picture with channels anywhere, without like."""
    mode = choose(rng, ["area", "linear", "cubic", "lanczos"])
    dtype = choose(rng, MEAN_DTYPES)
    spatial = draw_sizes(rng, 2, MOST_PIXELS // 64)
    sizes = draw_sizes(rng, 2, MOST_PIXELS // 64)
    at, channels = int(rng.integers(0, 3)), int(rng.choice([1, 2, 3, 4, 17]))
    shape, result = list(spatial), list(sizes)
    shape.insert(at, channels)
    result.insert(at, channels)
    arguments: dict[str, Any] = {"size": tuple(sizes), "mode": mode, "channel_axis": at}
    names = {"linear": "bilinear", "cubic": "bicubic"}

    def definition(x: np.ndarray, **_: Any) -> np.ndarray:
        y = reference.interpolate(
            np.moveaxis(x, at, 0)[None], tuple(sizes), mode=names.get(mode, mode),
            antialias=mode != "area",
        )
        return np.moveaxis(y[0], 0, at)

    def check(y: np.ndarray, given: dict[str, np.ndarray]) -> None:
        assert_resampled(y, given["x"], definition, {})

    def function(given: dict[str, np.ndarray], out: np.ndarray | None) -> np.ndarray:
        return up.resize(given["x"], **arguments, out=out)

    values = {"x": draw_values(rng, tuple(shape), dtype)}
    return finish(rng, "resize", values, arguments, tuple(result), function, check)


def draw_like(rng: np.random.Generator) -> Case:
    """Return a call of resize in a library's way, of one to three axes with channels anywhere."""
    like = choose(rng, [name for name in dialects.DIALECTS if name])
    mode = choose(rng, list(dialects.DIALECTS[like]))
    dtype = choose(rng, MEAN_DTYPES)
    axes = int(rng.integers(1, 4))
    spatial, sizes = (draw_sizes(rng, axes, MOST_PIXELS // 64) for _ in range(2))
    at, channels = int(rng.integers(0, axes + 1)), int(rng.choice([1, 2, 3, 4, 17]))
    shape, result = list(spatial), list(sizes)
    shape.insert(at, channels)
    result.insert(at, channels)
    arguments: dict[str, Any] = {
        "size": tuple(sizes), "mode": mode, "channel_axis": at, "like": like
    }

    def check(y: np.ndarray, given: dict[str, np.ndarray]) -> None:
        """In whatever memory, a channel is what it is alone: bytes may round the other way."""
        x = given["x"].astype(given["x"].dtype.newbyteorder("="))
        assert y.dtype == x.dtype
        expected = np.concatenate([
            up.resize(np.ascontiguousarray(np.take(x, [c], axis=at)), **arguments)
            for c in range(channels)
        ], axis=at)
        if mode.startswith("nearest"):
            assert np.array_equal(y, expected, equal_nan=x.dtype.kind == "f")
            return
        wide = np.abs(x.astype(np.float64))
        if not np.isfinite(wide).all():  # what is not finite spreads no further than its taps
            return
        allowed = 1.0
        if x.dtype.kind == "f":
            real = np.finfo(x.dtype)
            allowed = (4 if x.itemsize == 2 else 200) * float(real.eps) * wide.max()
            allowed += 64 * float(real.smallest_subnormal)
        inside = np.isfinite(expected)
        with np.errstate(invalid="ignore"):  # a wrong pixel may be no number
            off = np.abs(y[inside].astype(np.float64) - expected[inside].astype(np.float64))
            assert (off <= allowed).all(), f"{off.max()} off"

    def function(given: dict[str, np.ndarray], out: np.ndarray | None) -> np.ndarray:
        return up.resize(given["x"], **arguments, out=out)

    values = {"x": draw_values(rng, tuple(shape), dtype)}
    return finish(rng, "resize like", values, arguments, tuple(result), function, check)


def draw_backward(rng: np.random.Generator) -> Case:
    """Return a call of interpolate_backward."""
    axes = int(rng.integers(1, 4))
    mode, antialias = choose(rng, [("nearest", False), ("linear", False), ("cubic", True),
                                   ("area", False), ("lanczos", True)])
    if mode in ("linear", "cubic"):
        mode = {1: "", 2: "bi", 3: "tri"}[axes] + mode
    dtype = choose(rng, ["f4", "f8"])
    channels = int(rng.choice([1, 2, 3, 4, 17]))
    inputs = draw_sizes(rng, axes, MOST_PIXELS // (8 * channels))
    sizes = draw_sizes(rng, axes, MOST_PIXELS // (8 * channels))
    how = {"mode": mode, "antialias": antialias}
    shape, result = (1, channels, *sizes), (1, channels, *inputs)

    def definition(x: np.ndarray, largest: bool = False) -> np.ndarray:
        for axis, (i, o) in enumerate(zip(inputs, sizes, strict=True), start=2):
            eye = np.eye(i).reshape(1, i, i)  # one channel for each pixel: the columns of A
            one = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic",
                   "tricubic": "cubic"}.get(mode, mode)
            matrix = reference.interpolate(eye, o, mode=one, antialias=antialias)[0]  # [i, o]
            if mode == "nearest" and dtype == "f4":
                matrix = reference.interpolate(eye.astype("f4"), o)[0]
            if largest:  # every weight as large as the largest
                matrix = (matrix != 0) * np.abs(matrix).max()
            matrix = matrix.astype(np.float64)
            x = np.moveaxis(np.tensordot(matrix, x.astype(np.float64), (1, axis)), 0, axis)
        return x

    def check(y: np.ndarray, given: dict[str, np.ndarray]) -> None:
        x = given["x"].astype(given["x"].dtype.newbyteorder("="))
        if not np.isfinite(x).all():
            return
        exact, size = definition(x), definition(np.abs(x), largest=True)
        real = np.finfo(x.dtype)
        # Small weights are differences of large ones; n products add up to within n eps.
        allowed = (16 + sum(sizes)) * float(real.eps) * size
        finite = np.abs(exact) < float(real.max) / 100
        assert y.shape == exact.shape
        with np.errstate(invalid="ignore"):  # a wrong pixel may be no number
            off = np.abs(y.astype(np.float64) - exact)
        assert (off <= allowed + float(real.tiny))[finite].all()

    def function(given: dict[str, np.ndarray], out: np.ndarray | None) -> np.ndarray:
        return up.interpolate_backward(given["x"], tuple(inputs), **how, out=out)

    values = {"x": draw_values(rng, shape, dtype)}
    return finish(rng, "interpolate_backward", values, how, result, function, check)


def draw_concat(rng: np.random.Generator) -> Case:
    """Return a call of upsample_concat."""
    axes = int(rng.integers(1, 4))
    mode = choose(rng, [None, LINEAR[axes], "nearest", "nearest-exact"])
    copied = mode is not None and mode.startswith("nearest")
    dtype = choose(rng, COPIED_DTYPES if copied else LINEAR_DTYPES)
    batch, last = draw_batch(rng, axes, dtype), bool(rng.random() < 0.4)
    values: dict[str, np.ndarray] = {}
    spatials, channels = [], []
    for k in range(int(rng.integers(1, 4))):
        channels.append(int(rng.choice(CHANNELS)))
        spatials.append(draw_sizes(rng, axes, max(MOST_PIXELS // (6 * channels[k] * batch), 1)))
        shape = (batch, *spatials[k], channels[k]) if last else (batch, channels[k], *spatials[k])
        values[f"features[{k}]"] = draw_values(rng, shape, dtype)
    room = min(int((MOST_PIXELS / (batch * sum(channels))) ** (1 / axes)) + 1, 3000)
    size = None if rng.random() < 0.4 else tuple(
        int(n) for n in rng.integers(1, room + 1, axes)
    )
    sizes = size or max(spatials, key=np.prod)
    arguments: dict[str, Any] = {"size": size, "mode": mode}
    if not copied:
        arguments["align_corners"] = choose(rng, [None, False, True])
    axis = -1 if last else 1
    arguments["channel_axis"] = axis
    result = (batch, *sizes, sum(channels)) if last else (batch, sum(channels), *sizes)

    def function(given: dict[str, np.ndarray], out: np.ndarray | None) -> np.ndarray:
        return up.upsample_concat(list(given.values()), **arguments, out=out)

    def check(y: np.ndarray, given: dict[str, np.ndarray]) -> None:
        parts = np.split(y, np.cumsum(channels)[:-1], axis)
        for part, x in zip(parts, given.values(), strict=True):
            assert_interpolated(part, x, sizes, (None,) * axes, mode or LINEAR[axes], axis,
                                bool(arguments.get("align_corners")))

    return finish(rng, "upsample_concat", values, arguments, result, function, check)


def draw_convolution(rng: np.random.Generator, name: str) -> Case:
    """Return a call of a convolution, or of a layer."""
    transposed, axes = "transpose" in name.lower(), int(name[-2])
    groups = int(rng.choice([1, 1, 1, 2, 3, 8]))
    many = CHANNELS if groups == 1 else [1, 1, 2, 3, 5]
    c_in, c_out = (groups * int(rng.choice(many)) for _ in range(2))
    if groups > 1 and rng.random() < 0.5:  # depthwise
        c_in, c_out = groups, groups * int(rng.choice([1, 1, 2, 3]))
    batch = int(rng.choice([1, 1, 2]))
    while True:
        kernel = tuple(int(k) for k in rng.choice([1, 2, 3, 3, 4, 5], axes))
        if axes == 1 and rng.random() < 0.3:
            kernel = (int(rng.choice([16, 33, 64])),)
        if rng.random() < 0.5:
            kernel = kernel[:1] * axes
        stride = tuple(int(s) for s in rng.choice([1, 1, 2, 2, 3, 4, 9], axes))
        padding = tuple((int(p),) * 2 for p in rng.choice([0, 0, 0, 1, 2, 3], axes))
        if rng.random() < 0.15:
            padding = tuple((p, int(rng.integers(4))) for p, _ in padding)
        dilation = tuple(int(d) for d in rng.choice([1, 1, 1, 2, 3], axes))
        if rng.random() < 0.5:
            stride, padding, dilation = (v[:1] * axes for v in (stride, padding, dilation))
        spatial = draw_sizes(rng, axes, MOST_PIXELS // (4 * max(c_in, c_out) * batch) + 1)
        parameters: dict[str, Any] = {
            "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
        }
        same = rng.random() < 0.1
        if same:
            parameters["padding"] = choose(rng, ["same_upper", "same_lower"])
        if transposed:
            parameters["output_padding"] = tuple(
                int(rng.integers(max(s, d))) if rng.random() < 0.3 and not same else 0
                for s, d in zip(stride, dilation, strict=True)
            )
        window = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        if same:
            sizes = [i * s if transposed else -(-i // s)
                     for i, s in zip(spatial, stride, strict=True)]
        elif transposed:
            sizes = [(i - 1) * s - sum(p) + w + a for i, s, p, w, a in zip(
                spatial, stride, padding, window, parameters["output_padding"], strict=True)]
        else:
            sizes = [(i + sum(p) - w) // s + 1
                     for i, p, w, s in zip(spatial, padding, window, stride, strict=True)]
        if min(sizes) > 0 and np.prod(sizes) * c_out * batch <= 4 * MOST_PIXELS:
            break
    dtype = np.dtype(choose(rng, ["f4", "f4", "f8"]))
    shape = (c_in, c_out // groups) if transposed else (c_out, c_in // groups)
    values = {
        "x": draw_values(rng, (batch, c_in, *spatial), dtype),
        "weight": draw_values(rng, (*shape, *kernel), dtype, special=False),
    }
    if rng.random() < 0.5:
        values["bias"] = draw_values(rng, (c_out,), dtype, special=False)
    definition = conv_transpose if transposed else conv
    arguments = {key: plain(rng, value) for key, value in parameters.items()}
    if not same and all(before == after for before, after in padding):
        arguments["padding"] = plain(rng, tuple(before for before, _ in padding))
    elif not same:
        arguments["padding"] = padding  # a single pair would be two axes

    def check(y: np.ndarray, given: dict[str, np.ndarray]) -> None:
        given = {key: array.astype(dtype) for key, array in given.items()}
        assert y.dtype == dtype
        exact, bound = sums(definition, given["x"], given["weight"], given.get("bias"), parameters)
        assert_within(y, exact, bound)

    return finish(rng, name, values, arguments, (batch, c_out, *sizes),
                  Layer(name, arguments) if name[0] == "C" else Function(name, arguments), check)


class Function:
    """A function of the library with its parameters."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self._function, self._arguments = getattr(up, name), arguments

    def __call__(self, given: dict[str, np.ndarray], out: np.ndarray | None) -> np.ndarray:
        """Call it."""
        return self._function(*given.values(), **self._arguments, out=out)


class Layer:
    """A layer of the library, made when it is first called and kept for the same weights."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self._class, self._arguments = getattr(up, name), arguments
        self._made: tuple[Any, Any] = (None, None)

    def __call__(self, given: dict[str, np.ndarray], out: np.ndarray | None) -> np.ndarray:
        """Call the layer with these weights."""
        x, *weights = given.values()
        if self._made[0] is not weights[0]:
            self._made = weights[0], self._class(*weights, **self._arguments)
        return self._made[1](x, out=out)


def plain(rng: np.random.Generator, value: Any) -> Any:
    """Return one number instead of a tuple of equals, sometimes."""
    alike = isinstance(value, tuple) and len(set(value)) == 1
    return value[0] if alike and rng.random() < 0.7 else value


def choose(rng: np.random.Generator, values: list[Any]) -> Any:
    """Return one of some values of any kind."""
    return values[int(rng.integers(len(values)))]


def finish(
    rng: np.random.Generator, name: str, values: dict[str, np.ndarray], arguments: Any,
    shape: tuple[int, ...], function: Any, check: Any,
) -> Case:
    """Return the case, with its arrays' forms drawn and its text."""
    forms = {key: draw_form(rng, array.shape, array.dtype) for key, array in values.items()}
    again = {key: moved(rng, form, values[key].dtype) for key, form in forms.items()}
    dtype = next(iter(values.values())).dtype
    out = draw_form(rng, shape, dtype, out=True) if rng.random() < 0.6 else None
    told = ", ".join(
        f"{key}: {array.dtype} {array.shape} {tuple(forms[key])}" for key, array in values.items()
    )
    text = f"{name}({told}; {arguments}; out: {shape} {out and tuple(out)})"
    return Case(text, values, forms, again, out, shape, function, check)


KINDS: dict[str, Callable[[np.random.Generator], Case]] = {
    **{mode: (lambda rng, mode=mode: draw_interpolate(rng, mode))
       for mode in ("nearest", "nearest-exact", *LINEAR.values())},
    "upsample_concat": draw_concat,
    **{f"{mode}, antialias" if antialias else mode:
       (lambda rng, mode=mode, antialias=antialias: draw_means(rng, mode, antialias))
       for mode, antialias in (("cubic", False), ("area", False), ("cubic", True),
                               ("lanczos", True))},
    "linear, antialias": lambda rng: draw_means(rng, "linear", True),
    "resize": draw_resize,
    "resize like": draw_like,
    "interpolate_backward": draw_backward,
    **{name: (lambda rng, name=name: draw_convolution(rng, name))
       for name in ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
                    "conv_transpose3d", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d",
                    "ConvTranspose2d", "ConvTranspose3d")},
}  # fmt: skip


def draw(number: int) -> Case:
    """Return the case of this number; its kind is the number modulo their count."""
    names = list(KINDS)
    return KINDS[names[number % len(names)]](np.random.default_rng(number))


# --- running -------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_work_wakes_threads(streamed: bool = False) -> Any:
    """Let the smallest interpolation use every thread, and its result be written past the cache."""
    kept = interpolation._THREAD_BYTES, interpolation._STREAMED_FROM
    interpolation._THREAD_BYTES = 1
    if streamed:
        interpolation._STREAMED_FROM = 0
    up.clear_cache()
    yield
    interpolation._THREAD_BYTES, interpolation._STREAMED_FROM = kept
    up.clear_cache()


def run(number: int, memory: type[Canaries] | type[Guards], threads: tuple[int, ...]) -> int:
    """Run a case: first and later calls, on every number of threads; return how many calls.

    The same call gives the same bits, whatever the number of threads and whether it is the first;
    all of them are right; nothing but `out` changes.
    """
    case = draw(number)
    before, calls = up.get_num_threads(), 0
    room = memory(number)
    arrays = {key: lay(room, key, case.values[key], form) for key, form in case.forms.items()}
    dtype = next(iter(case.values.values())).dtype
    out = None
    if case.out is not None:
        out = lay(room, "out", np.empty(case.shape, dtype), case.out, out=True)
    bits = None
    try:
        for count in threads:
            up.set_num_threads(count)
            for _ in range(2):
                y = case.function(arrays, out)
                calls += 1
                assert out is None or y is out
                assert y.shape == case.shape
                room.check()
                if bits is None:
                    case.check(y, arrays)
                    bits = y.tobytes()
                assert y.tobytes() == bits, f"other bits on {count} threads"
                room.scribble()
        other = memory(number)
        arrays = {key: lay(other, key, case.values[key], form) for key, form in case.again.items()}
        y = case.function(arrays, out)
        room.check()
        other.check()
        case.check(y, arrays)
        return calls + 1
    finally:
        up.set_num_threads(before)
