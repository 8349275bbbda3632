"""Faults that were found and mended, one by one, each with the call that showed it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from assertions import (
    assert_close_conv,
    assert_close_conv_transpose,
    assert_close_linear,
    assert_same_pixels,
    unmodified,
)
from layouts import channels_last

import upshape as up
from upshape import reference

MIB = 1 << 20
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is limited and read as Linux does it"
)

# What a program run by `run` has at hand.
PRELUDE = """
import resource
import sys
import numpy as np
import upshape as up

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
"""


def run(code, timeout=120):
    """Run a program in a process of its own; return what it prints.

    Whatever is large comes from the system there, and no arena of the C library has it in store:
    a limit of memory is felt.
    """
    result = subprocess.run(
        [sys.executable, "-c", PRELUDE + code],
        capture_output=True, text=True, timeout=timeout, check=False,
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "4096", "MALLOC_ARENA_MAX": "1"},
    )
    assert result.returncode == 0, f"exit {result.returncode}\n{result.stderr[-2000:]}"
    return result.stdout


def rows_of_records(shape, spare):
    """Return records of one image each, and as many bytes of something else beside it."""
    return np.ones(4, [("image", "f4", shape), ("label", "u1", (spare,))])


# --- wrong results, and memory that is not ours --------------------------------------------------


@pytest.mark.parametrize("gap", [4, 400])
@pytest.mark.parametrize("kind", ["interpolate", "upsample_concat"])
def test_a_misaligned_out_with_room_between_pixels_is_filled_and_nothing_else(gap, kind):
    """In a process of its own: it was memory corruption."""
    run(f"""
pixel = (8 + {gap // 4}) * 4
memory = np.full(1 + 8 * 64 * pixel + 99, 77, "u1")
strides = (8 * 64 * pixel, 4, 64 * pixel, pixel)
out = np.ndarray((1, 8, 8, 64), "f4", memory, 1, strides)
mine = np.ndarray(out.shape, "V4", np.zeros(memory.size, "u1"), 1, strides)
x = np.random.default_rng(0).random((1, 8, 4, 6), np.float32)
for call in range(3):
    if {kind!r} == "interpolate":
        up.interpolate(x, size=(8, 64), mode="bilinear", out=out)
    else:
        up.upsample_concat([x[:, :3], x[:, 3:]], size=(8, 64), out=out)
    assert np.array_equal(out, up.interpolate(x, size=(8, 64), mode="bilinear"))
    out.view("V4")[...] = np.void(b"MMMM")
    assert (memory == 77).all(), "bytes beside out were written"
""")


@pytest.mark.parametrize("which", ["weight", "bias", "both", "x"])
@pytest.mark.parametrize(
    "name", [f"conv{kind}{axes}d" for kind in ("", "_transpose") for axes in (1, 2, 3)]
)
def test_swapped_weights_and_bias_are_read_as_numbers_by_every_call(name, which, rng):
    axes = int(name[-2])
    x = rng.standard_normal((1, 3, *(6,) * axes)).astype("f4")
    weight = rng.standard_normal((3, 3, *(2,) * axes)).astype("f4")
    bias = rng.standard_normal(3).astype("f4")
    expected = getattr(up, name)(x, weight, bias)
    if which == "x":
        x = x.astype(">f4")
    if which in ("weight", "both"):
        weight = weight.astype(">f4")
    if which in ("bias", "both"):
        bias = bias.astype(">f4")
    for _ in range(3):
        assert_same_pixels(getattr(up, name)(x, weight, bias), expected)
    layer = getattr(up, "".join(word.capitalize() for word in name.split("_")))
    layer = layer(weight, bias)
    for _ in range(3):
        assert_same_pixels(layer(x), expected)


def steps_of_channels(x):
    """Yield the array with every kind of step from channel to channel."""
    yield "broadcast", np.broadcast_to(x[:, :1], x.shape)
    yield "backwards", x[:, ::-1]
    yield "channels-last, backwards", channels_last(x)[:, ::-1]
    yield "one channel, backwards", x[:, 2:1:-1]
    yield "one channel of no step", np.lib.stride_tricks.as_strided(
        x, (1, 1, *x.shape[2:]), (0, 0, *x.strides[2:]))  # fmt: skip
    yield "every other, backwards", x[:, ::-2]


@pytest.mark.parametrize("name", ["conv", "conv_transpose"])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("case", range(6))
def test_channels_may_step_backwards_or_not_at_all(name, padding, kernel, case, rng):
    _, x = list(steps_of_channels(rng.standard_normal((1, 4, 6, 7)).astype("f4")))[case]
    channels = x.shape[1]
    shape = (8, channels) if name == "conv" else (channels, 8)
    weight = rng.standard_normal((*shape, kernel, kernel)).astype("f4")
    if kernel == 1 and padding:
        padding = 0
    function = getattr(up, f"{name}2d")
    check = assert_close_conv if name == "conv" else assert_close_conv_transpose
    for _ in range(2):
        y = function(x, weight, padding=padding)
        check(y, x, weight, padding=padding)
        last = np.full((1, *y.shape[2:], 8), 77, "f4").transpose(0, 3, 1, 2)
        function(x, weight, padding=padding, out=last)
        check(last, x, weight, padding=padding)
        rows = np.full(y.shape, 77, "f4")
        function(x, weight, padding=padding, out=rows)
        check(rows, x, weight, padding=padding)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_field_of_packed_records_is_an_input_and_an_out(mode, count, rng):
    records = rows_of_records((1, 4, 4), 1)
    records["image"] = rng.standard_normal(records["image"].shape)
    x = records["image"][:count]
    for _ in range(2):
        y = up.interpolate(x, size=6, mode=mode)
        expected = reference.interpolate(x, size=6, mode=mode)
        np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)
    larger = rows_of_records((1, 6, 6), 3)[:count]
    larger["label"] = 9
    for _ in range(2):
        larger["image"] = np.nan
        up.interpolate(x, size=6, mode=mode, out=larger["image"])
        assert_same_pixels(larger["image"].copy(), y)
        assert (larger["label"] == 9).all()
    weight = rng.standard_normal((2, 1, 3, 3)).astype("f4")
    for _ in range(2):
        assert_close_conv(up.conv2d(x, weight), x, weight)


@pytest.mark.parametrize("stride", [0, 1, 5, -4, -7, 1 << 40])
@pytest.mark.parametrize("axis", [0, 1, 2, 3])
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u1"])
def test_the_step_along_an_axis_of_length_one_is_never_taken(stride, axis, dtype, rng):
    shape = tuple(1 if n == axis else size for n, size in enumerate((2, 3, 5, 7)))
    values = (rng.standard_normal(shape) * 50).astype(dtype)
    strides = list(values.strides)
    strides[axis] = stride
    x = np.ndarray(shape, dtype, values, 0, strides)
    for arguments in ({"mode": "bilinear"}, {"mode": "bilinear", "channel_axis": -1}):
        for _ in range(2):
            assert_close_linear(up.interpolate(x, size=(6, 9), **arguments), x,
                                size=(6, 9), **arguments)
    assert_same_pixels(up.interpolate(x, size=(6, 9)),
                       reference.interpolate(values, size=(6, 9)))
    if values.dtype.char in "fd":
        weight = rng.standard_normal((4, shape[1], 1, 1)).astype(dtype)
        for _ in range(2):
            assert_close_conv(up.conv2d(x, weight), values, weight)
            assert_close_conv_transpose(up.conv_transpose2d(x, weight.swapaxes(0, 1), stride=2),
                                        values, weight.swapaxes(0, 1), stride=2)


@pytest.mark.parametrize("size", [(6, 16), (9, 8), (3, 5)])
@pytest.mark.parametrize("axes", [(2,), (3,), (0, 2), (1, 2), (0, 1, 2, 3)])
def test_misaligned_broadcast_arrays_are_interpolated_as_what_they_are(axes, size, rng):
    shape = tuple(1 if axis in axes else n for axis, n in enumerate((2, 3, 6, 8)))
    small = np.ndarray(shape, "f4", np.zeros(4 * 2 * 3 * 6 * 8 + 1, "u1"), 1)
    small[...] = rng.standard_normal(shape)
    x = np.broadcast_to(small, (2, 3, 6, 8))
    for _ in range(2):
        with unmodified(x):
            y = up.interpolate(x, size=size, mode="bilinear")
        assert_close_linear(y, x, size=size, mode="bilinear")
        assert_same_pixels(up.interpolate(x, size=size), reference.interpolate(x, size=size))


@pytest.mark.parametrize(
    "kind", [f"Conv{kind}{axes}d" for kind in ("", "Transpose") for axes in (1, 2, 3)]
)
@pytest.mark.parametrize("called", [False, True])
def test_weights_put_in_a_layers_place_are_checked_and_computed_with(kind, called, rng):
    axes, make = int(kind[-2]), getattr(up, kind)
    weight, bias = rng.standard_normal((4, 4, *(3,) * axes)), rng.standard_normal(4)
    x = rng.standard_normal((1, 4, *(9,) * axes))
    layer, expected = make(weight, bias), make(weight, bias)(x)
    if called:
        layer(x)
        layer(x)
    # What does not fit is refused, and the layer stays what it was.
    for name, other in [
        ("weight", np.ones((1,) * (axes + 2))), ("weight", np.ones((8, *weight.shape[1:]))),
        ("weight", weight.astype("f4")), ("weight", None), ("weight", weight.ravel()),
        ("bias", np.ones(1)), ("bias", np.ones(5)), ("bias", bias.astype("f4")),
    ]:
        with pytest.raises((TypeError, ValueError), match=rf"^{kind}: {name} "):
            setattr(layer, name, other)
    for name in ("weight", "bias"):
        with pytest.raises(AttributeError):
            delattr(layer, name)
        with pytest.raises(ValueError, match="read-only"):
            getattr(layer, name)[...] = 0
    for _ in range(2):
        assert_same_pixels(layer(x), expected)
    # What fits is copied, and computed with from the next call on.
    other, shift = 2 * weight[..., ::-1], bias[::-1].astype(">f8")
    layer.weight, layer.bias = other, shift
    expected = make(other, shift)(x)
    other[...] = shift[...] = np.nan
    out = np.empty_like(expected)
    for _ in range(2):
        assert_same_pixels(layer(x), expected)
        assert_same_pixels(layer(x, out=out), expected)
    layer.bias = None
    assert_same_pixels(layer(x), make(layer.weight)(x))


# --- memory, time, the process -------------------------------------------------------------------


@linux
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_plans_of_many_long_rows_are_bounded_and_given_back(mode):
    """Thirty rows of a million pixels: at 34 bytes a pixel, a GiB of tables."""
    kept, left = map(int, run(f"""
def call(n):
    up.interpolate(np.zeros((1, 1, n), np.float32), size=2 * n + 1, mode={mode!r})
call(1000)
up.clear_cache()
before = resident()
for n in range(500_000, 500_030):
    call(n)
kept = resident() - before
up.clear_cache()
print(kept, resident() - before)
""").split())
    assert kept <= 384 * MIB
    assert left <= 32 * MIB


@linux
@pytest.mark.parametrize(
    "call",
    [
        "up.interpolate(x, size=(1, 1 << 24), mode='nearest')",
        "up.interpolate(x, size=(1, 1 << 24), mode='bilinear')",
        "up.interpolate(x, scale_factor=(1.0, 1.5), mode='nearest-exact')",
    ],
)
def test_a_long_row_needs_little_besides_its_pixels(call):
    """16 bytes a pixel would be 256 MiB, and ended the process where a row filled the memory."""
    more = int(run(f"""
x = np.ones((1, 1, 1, 12_000_000), np.uint8)
up.interpolate(x[..., :1000], size=(1, 2000), mode="bilinear")
before = peak()
y = {call}
print((peak() - before - y.nbytes) * 1000 // y.size)
"""))
    assert more <= 8000, f"{more / 1000} bytes a pixel"


def test_out_is_untouched_where_a_later_feature_is_refused():
    a = np.ones((1, 2, 1, 4), np.uint8)
    b = np.broadcast_to(np.uint8(1), (1, 1, 1, 2**31 + 1))
    out = np.full((1, 3, 2, 8), 77, np.uint8)
    with pytest.raises(ValueError, match=r"^upsample_concat: features\[1\]"):
        up.upsample_concat([a, b], size=(2, 8), mode="nearest", out=out)
    assert (out == 77).all()


RUNS_OUT_OF_MEMORY = {
    "nearest of a reversed x": """
x = np.ones((1, 4, 300, 300), np.float32)[..., ::-1]
def call(out=None): return up.interpolate(x, size=(600, 600), out=out)
""",
    "bilinear, channels-last": """
x = np.ones((1, 300, 300, 4), np.float32).transpose(0, 3, 1, 2)
def call(out=None): return up.interpolate(x, size=(300, 8000), mode="bilinear", out=out)
""",
    "concat, a later feature copied": """
x = np.ones((1, 4, 300, 300), np.float32)
def call(out=None): return up.upsample_concat([x, x[:, ::-1, :, ::-1]], size=(400, 400), out=out)
""",
    "conv_transpose2d with gaps": """
x, w = np.ones((1, 64, 60, 60), np.float32), np.ones((64, 16, 3, 3), np.float32)
def call(out=None): return up.conv_transpose2d(x, w, stride=9, out=out)
""",
    "conv2d of a copied x": """
x, w = np.ones((1, 16, 200, 200), np.float32)[..., ::-1], np.ones((64, 16, 3, 3), np.float32)
def call(out=None): return up.conv2d(x, w, out=out)
""",
    "conv2d into an out that is copied": """
x, w = np.ones((1, 16, 200, 200), np.float32), np.ones((16, 16, 3, 3), np.float32)
def call(out=None): return up.conv2d(x, w, out=None if out is None else out[..., ::-1])
""",
}


@linux
@pytest.mark.parametrize("case", RUNS_OUT_OF_MEMORY)
def test_out_is_untouched_where_memory_runs_out(case):
    """Ever more memory, until there is enough: each call is whole, or has written nothing."""
    refused, done = map(int, run(f"""
import gc
up.set_num_threads(1)
{RUNS_OUT_OF_MEMORY[case]}
wanted = np.array(call())
out = np.empty_like(wanted)
def address_space():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
refused = done = step = 0
while done < 3:
    out[...] = 77
    up.clear_cache()
    gc.collect()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + step * 192 * 1024, before[1]))
    try:
        call(out)
        failed = None
    except MemoryError as error:
        failed = error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    step += 1
    if failed is None:
        done += 1
        assert np.array_equal(out, wanted), "a call that returned is not whole"
    else:
        refused += 1
        assert (out == 77).all(), f"step {{step}}: out was written, and the call raised"
print(refused, done)
""").split())
    assert refused >= 1
    assert done == 3


ABSURD_TAPS = {
    "conv1d, 65,536 taps": "conv1d(ones(1, 1, 1 << 17), ones(1, 1, 1 << 16))",
    "conv_transpose1d, 65,536 taps": "conv_transpose1d(ones(1, 1, 100), ones(1, 1, 1 << 16))",
    "conv_transpose1d, 2^22 taps": "conv_transpose1d(ones(1, 1, 3), ones(1, 1, 1 << 22))",
    "conv_transpose1d, 2^22 taps far apart":
        "conv_transpose1d(ones(1, 1, 3), ones(1, 1, 1 << 22), stride=1 << 20)",
    "conv1d, 2^30 taps": "conv1d(ones(1, 1, 3), view(1, 1, 1 << 30), padding=1 << 30)",
    "conv_transpose1d, 2^30 taps": "conv_transpose1d(ones(1, 1, 3), view(1, 1, 1 << 30))",
    "conv2d, 2^30 taps":
        "conv2d(ones(1, 1, 3, 3), view(1, 1, 1 << 15, 1 << 15), padding=1 << 15)",
    "conv_transpose2d, 2^20 taps": "conv_transpose2d(ones(1, 1, 3, 3), ones(1, 1, 1024, 1024))",
}


@pytest.mark.parametrize("case", ABSURD_TAPS)
def test_kernels_of_absurdly_many_taps_end_soon(case):
    """They are computed, or refused with the reason: right, and in seconds."""
    said = run(f"""
def ones(*shape): return np.ones(shape, np.float32)
def view(*shape): return np.broadcast_to(np.float32(1), shape)
try:
    y = up.{ABSURD_TAPS[case]}
    middle = float(y.reshape(-1)[y.size // 2])
    assert middle > 0 and middle == int(middle)
    print("done")
except (ValueError, MemoryError) as error:
    print(error)
""", timeout=30).strip()
    assert said == "done" or said.startswith(ABSURD_TAPS[case].split("(")[0] + ": "), said


@pytest.mark.parametrize(("stride", "size"), [(1 << 43, 5), (10**6 + 1, 5), (1 << 20, 1)])
def test_an_output_size_out_of_reach_is_answered_in_the_name_of_the_operation(stride, size):
    x, weight = np.ones((1, 1, 4), np.float32), np.ones((1, 1, 3), np.float32)
    with pytest.raises(ValueError, match=rf"^conv_transpose1d: output_size={size} cannot be"):
        up.conv_transpose1d(x, weight, stride=stride, output_size=size)


def test_records_of_mixed_byte_orders_go_with_native_ones(rng):
    native = np.dtype([("a", "f4"), ("b", "i2", (3,))])
    mixed = np.dtype([("a", "<f4"), ("b", ">i2", (3,))])
    x = np.zeros((1, 1, 3), native)
    x["a"], x["b"] = rng.random((1, 1, 3)), rng.integers(-99, 99, (1, 1, 3, 3))
    y = up.upsample_concat([x.astype(mixed), x], mode="nearest", size=6)
    assert y.dtype == native
    for name in native.names:
        for channel in (0, 1):
            assert np.array_equal(y[name][0, channel], np.repeat(x[name][0, 0], 2, axis=0))
    nested = np.dtype([("in", [("c", ">u4", (2, 2)), ("d", "<f8")]), ("e", ">M8[s]")])
    x = np.zeros((1, 1, 2), nested)
    y = up.interpolate(x, size=4)
    assert y.dtype["in"]["c"].base.isnative
    assert y.dtype["e"].isnative


# --- absurd arguments ----------------------------------------------------------------------------

X3, X4 = np.ones((1, 1, 5), np.float32), np.ones((1, 1, 5, 5), np.float32)
W3, W4 = np.ones((1, 1, 3), np.float32), np.ones((1, 1, 3, 3), np.float32)
X5, W5 = np.ones((1, 1, 5, 5, 5), np.float32), np.ones((1, 1, 3, 3, 3), np.float32)
ABSURD = {
    **{f"interpolate to 2**{n}": (lambda n=n: up.interpolate(X4, size=2**n))
       for n in (31, 40, 61, 62, 63, 64, 70)},
    **{f"interpolate to (1, 2**{n})": (lambda n=n: up.interpolate(X4, size=(1, 2**n)))
       for n in (45, 62, 63, 64, 70)},
    **{f"bilinear to 2**{n}": (lambda n=n: up.interpolate(X4, size=2**n, mode="bilinear"))
       for n in (31, 62, 64)},
    **{f"factor {f}": (lambda f=f: up.interpolate(X4, scale_factor=f))
       for f in (1e300, 5e-324, float(2**62), 1e18, 1e19, 10**19)},
    "factor 10**400": lambda: up.interpolate(X4, scale_factor=10**400),
    **{f"conv2d, stride 2**{n}": (lambda n=n: up.conv2d(X4, W4, stride=2**n))
       for n in (40, 44, 62, 63, 70)},
    **{f"conv2d, padding 2**{n}": (lambda n=n: up.conv2d(X4, W4, padding=2**n))
       for n in (31, 40, 44, 62, 63, 70)},
    **{f"{name}, dilation and padding 2**{n}":
       (lambda n=n, name=name: getattr(up, name)(
           *{"1": (X3, W3), "2": (X4, W4), "3": (X5, W5)}[name[-2]],
           dilation=2**n, padding=2**n))
       for n in (31, 32, 33, 40, 43, 62, 63, 70)
       for name in ("conv1d", "conv2d", "conv3d",
                    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")},
    **{f"conv2d, groups 2**{n}": (lambda n=n: up.conv2d(X4, W4, groups=2**n))
       for n in (40, 63, 70)},
    **{f"conv_transpose1d, stride 2**{n}":
       (lambda n=n: up.conv_transpose1d(X3, W3, stride=2**n)) for n in (40, 44, 62, 63, 70)},
    **{f"conv_transpose1d, dilation 2**{n}":
       (lambda n=n: up.conv_transpose1d(X3, W3, dilation=2**n)) for n in (40, 44, 62, 63, 70)},
    **{f"conv_transpose1d, padding 2**{n}":
       (lambda n=n: up.conv_transpose1d(X3, W3, padding=2**n)) for n in (40, 62, 63, 70)},
    **{f"conv_transpose2d, output_size 2**{n}":
       (lambda n=n: up.conv_transpose2d(X4, W4, stride=2, output_size=2**n))
       for n in (40, 63, 70)},
    **{f"set_num_threads(2**{n})": (lambda n=n: up.set_num_threads(2**n)) for n in (31, 63, 70)},
    "a dtype of a MiB": lambda: up.interpolate(np.zeros((1, 1, 3), f"V{MIB}"), size=5),
    "upsample_concat to 2**62": lambda: up.upsample_concat([X4, X4], size=2**62),
}


def answer_absurd():
    """Try every absurd call: each gives a result, or an error of this library's own, at once."""
    for case, call in ABSURD.items():
        print(case, flush=True)
        begin = time.perf_counter()
        try:
            call()
        except (ValueError, TypeError, MemoryError) as error:
            names = ("interpolate: ", "conv", "upsample_concat: ", "set_num_threads: ")
            if not str(error).startswith(names):
                raise AssertionError("an error that names no operation") from error
        assert time.perf_counter() - begin < 5


def test_absurd_arguments_are_answered_at_once():
    """In a process of its own, which must live."""
    code = "import sys; sys.path[:0] = sys.argv[1:]; import test_faults as t; t.answer_absurd()"
    result = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        capture_output=True, text=True, timeout=120, check=False,
    )
    cases = result.stdout.splitlines()
    assert result.returncode == 0, (
        f"{cases[-1]}: exit {result.returncode}\n{result.stderr[-500:]}"
    )
    assert cases == list(ABSURD)


@linux
def test_a_view_of_a_single_pixel_is_not_copied_whole():
    """2**26 pixels that are one: no 256 MiB go into four."""
    more = int(run("""
x = np.broadcast_to(np.float32(3), (1, 1, 1 << 13, 1 << 13))
up.interpolate(x[..., :9, :9], size=(2, 2), mode="bilinear")
before = peak()
for mode in ("nearest", "bilinear"):
    assert up.interpolate(x, size=(2, 2), mode=mode).tolist() == [[[[3, 3], [3, 3]]]]
print(peak() - before)
"""))
    assert more <= 64 * MIB


@linux
def test_a_row_of_more_pixels_than_31_bits_is_refused_before_it_is_copied():
    more = int(run("""
x = np.broadcast_to(np.uint8(1), (1, 1, 2**31))
before = peak()
for mode in ("nearest", "linear"):
    for call in (lambda: up.interpolate(x, size=7, mode=mode),
                 lambda: up.upsample_concat([x[..., :9], x], size=7, mode=mode)):
        try:
            call()
        except ValueError as error:
            assert "at most" in str(error), error
            assert str(error).startswith(("interpolate: x ", "upsample_concat: features[1] "))
        else:
            raise AssertionError("not refused")
print(peak() - before)
"""))
    assert more <= 64 * MIB


def test_numpy_itself_is_the_oracle_of_a_result_of_many_rows(rng):
    """A result of 64 MiB and its way back, from a view with gaps between its rows."""
    x = rng.integers(0, 256, (1, 1, 2000, 2100), np.uint8)[..., :2000]
    y = up.interpolate(x, scale_factor=4)
    assert_same_pixels(y, np.repeat(np.repeat(x, 4, 2), 4, 3))
    assert_same_pixels(up.interpolate(y, scale_factor=0.25), x.copy())
