"""Nearest-neighbour interpolation: exactly the pixels of the definition, in every layout."""

import numpy as np
import pytest
from assertions import assert_same_pixels, unmodified
from hypothesis import given
from hypothesis import strategies as st

import upshape as up
from upshape import interpolation, reference, runtime, weighing

EDGES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97]
DTYPES = [
    np.bool_, np.int8, np.uint8, np.int16, np.float16, np.int32, np.float32, np.int64, np.float64,
    np.complex64, np.complex128, np.longdouble, "M8[s]", "S3", "U5", "V7",
]


def random_array(rng, shape, dtype=np.float32):
    """Return an array of random bytes: what is copied is copied whatever it means."""
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return rng.random(shape) < 0.5
    if dtype.kind in "US":
        return rng.integers(100, 999, shape).astype(dtype)
    count = int(np.prod(shape))
    return np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).reshape(shape)


def expected(x, **arguments):
    """Return the definition's pixels, for dtypes that are bytes to it."""
    return reference.interpolate(x, **arguments)


@pytest.fixture
def streamed(monkeypatch):
    """Write every result past the cache."""
    interpolation._plans.clear()
    monkeypatch.setattr(interpolation, "_STREAMED_FROM", 0)
    yield
    interpolation._plans.clear()


@pytest.fixture
def no_grain(monkeypatch):
    """Let the smallest array wake every thread."""
    interpolation._plans.clear()
    interpolation._resizes.clear()
    monkeypatch.setattr(interpolation, "_THREAD_BYTES", 1)
    yield
    interpolation._plans.clear()
    interpolation._resizes.clear()


def test_factor_one_is_the_identity(rng):
    x = random_array(rng, (2, 3, 9, 17))
    y = up.interpolate(x, scale_factor=1)
    assert_same_pixels(y, x)
    assert not np.shares_memory(x, y)


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("width", [1, 3, 8, 17, 33])
def test_integer_factor_equals_repeat(rng, factor, width):
    x = random_array(rng, (2, 3, 5, width))
    y = up.interpolate(x, scale_factor=factor)
    assert_same_pixels(y, x.repeat(factor, 2).repeat(factor, 3))


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_enlarged_and_reduced_again_is_the_identity(rng, mode):
    x = random_array(rng, (1, 2, 7, 11))
    y = up.interpolate(x, scale_factor=3, mode=mode)
    assert_same_pixels(up.interpolate(y, size=(7, 11), mode=mode), x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 16, 33])
@pytest.mark.parametrize("channel_axis", [1, -1])
def test_every_dtype_and_pixel_takes_the_pixels_of_the_definition(
    rng, dtype, channels, channel_axis
):
    x = random_array(rng, (1, channels, 6, 9), dtype)
    if channel_axis == -1:
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    for size in [(12, 18), (7, 31), (3, 4), (6, 20), (1, 1)]:
        arguments = {"size": size, "channel_axis": channel_axis}
        with unmodified(x):
            y = up.interpolate(x, **arguments)
        assert_same_pixels(y, expected(x, **arguments))


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("i", EDGES)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_vector_edges(rng, dtype, i, mode):
    x = random_array(rng, (1, 2, i), dtype)
    for o in [*EDGES, i + 1, 2 * i, 200]:
        assert_same_pixels(up.interpolate(x, o, mode=mode), expected(x, size=o, mode=mode))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_sizes_in_the_thousands_take_the_pixel_of_the_rounded_product(rng, dtype, mode):
    for i, o in [(1000, 4099), (4099, 1000), (3331, 9999), (12289, 24593), (9999, 10000)]:
        x = np.arange(i, dtype=dtype)[None, None]
        assert_same_pixels(up.interpolate(x, o, mode=mode), expected(x, size=o, mode=mode))
    for factor in [0.1, 0.7, 1.1, 1.3, 2.3, 1 / 3, 3.0000001]:
        x = np.arange(5003, dtype=dtype)[None, None]
        arguments = {"scale_factor": factor, "mode": mode}
        assert_same_pixels(up.interpolate(x, **arguments), expected(x, **arguments))


@given(st.data())
def test_any_shape_any_ratio_any_layout(data):
    axes = data.draw(st.integers(1, 3))
    batch, channels = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 5))
    longest = (80, 24, 9)[axes - 1]
    shape = (batch, channels, *(data.draw(st.integers(1, longest)) for _ in range(axes)))
    dtype = data.draw(st.sampled_from([np.uint8, np.float16, np.float32, np.float64, "c16"]))
    x = random_array(np.random.default_rng(data.draw(st.integers(0, 99))), shape, dtype)
    x = data.draw(st.sampled_from(LAYOUTS))(x)
    arguments = {"mode": data.draw(st.sampled_from(["nearest", "nearest-exact"]))}
    if data.draw(st.booleans()):
        arguments["size"] = tuple(data.draw(st.integers(1, 60)) for _ in range(axes))
    else:
        arguments["scale_factor"] = tuple(
            max(data.draw(st.floats(0.2, 5)), 1 / i) for i in shape[2:]
        )
        arguments["recompute_scale_factor"] = data.draw(st.sampled_from([None, False, True]))
    with unmodified(x):
        y = up.interpolate(x, **arguments)
    assert_same_pixels(y, expected(x, **arguments))


LAYOUTS = [
    np.ascontiguousarray,
    np.asfortranarray,
    lambda x: x[..., ::-1],
    lambda x: x[:, ::-1, ::-1],
    lambda x: x.repeat(2, -1)[..., ::2],
    lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
    lambda x: np.pad(x, [(0, 0), (0, 0)] + [(1, 1)] * (x.ndim - 2))[
        (..., *[slice(1, -1)] * (x.ndim - 2))
    ],
    lambda x: np.broadcast_to(x[:, :1], x.shape),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_layouts_give_the_same_pixels(rng, layout, mode):
    x = layout(random_array(rng, (2, 4, 6, 10), np.uint8).astype(np.float32))
    x.flags.writeable = False
    plain = np.ascontiguousarray(x)
    with unmodified(x):
        y = up.interpolate(x, scale_factor=(2, 1.7), mode=mode)
    assert_same_pixels(y, up.interpolate(plain, scale_factor=(2, 1.7), mode=mode))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_channels_last_memory_gives_channels_last_memory(rng, mode):
    x = np.moveaxis(random_array(rng, (2, 6, 10, 4), np.uint8), -1, 1)
    y = up.interpolate(x, scale_factor=2, mode=mode)
    assert y.shape == (2, 4, 12, 20)
    assert np.moveaxis(y, 1, -1).flags.c_contiguous
    z = up.interpolate(np.moveaxis(x, 1, -1), scale_factor=2, mode=mode, channel_axis=-1)
    assert z.flags.c_contiguous
    assert_same_pixels(y, np.moveaxis(z, -1, 1))


def test_other_byte_order_is_taken():
    x = np.arange(12, dtype=">f4").reshape(1, 1, 3, 4)
    y = up.interpolate(x, scale_factor=2)
    assert y.dtype == np.dtype("f4").newbyteorder("=")
    assert np.array_equal(y, x.repeat(2, 2).repeat(2, 3))


def test_misaligned_input_is_taken(rng):
    for dtype, mode in [("f8", "nearest"), ("f8", "bilinear"), ("f4", "bilinear")]:
        raw = np.zeros(12 * np.dtype(dtype).itemsize + 1, np.uint8)
        x = raw[1:].view(dtype).reshape(1, 1, 3, 4)
        x[...] = rng.random(x.shape)
        assert not x.flags.aligned
        assert_same_pixels(
            up.interpolate(x, scale_factor=2, mode=mode),
            up.interpolate(x.copy(), scale_factor=2, mode=mode),
        )


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("width", [5, 16, 97, 700])
@pytest.mark.usefixtures("streamed")
def test_streamed_results_are_the_same_wherever_out_begins(rng, mode, dtype, width):
    x = random_array(rng, (2, 3, 5, width), np.uint8).astype(dtype)
    wanted = reference.interpolate(x, scale_factor=2, mode=mode)
    whole = up.interpolate(x, scale_factor=2, mode=mode)
    if mode == "nearest":
        assert_same_pixels(whole, wanted)
    raw = np.empty(whole.nbytes + 200, np.uint8)
    for start in [0, 1, 3, 8, 16, 31, 32, 48, 63]:
        raw[...] = 0xA5
        out = raw[start : start + whole.nbytes].view(dtype).reshape(whole.shape)
        assert up.interpolate(x, scale_factor=2, mode=mode, out=out) is out
        assert_same_pixels(out, whole)
        assert (raw[:start] == 0xA5).all()
        assert (raw[start + whole.nbytes :] == 0xA5).all()


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("channel_axis", [1, -1])
def test_out_of_any_strides_is_filled_and_nothing_beside_it(rng, mode, channel_axis):
    x = random_array(rng, (2, 5, 6, 7), np.uint8).astype(np.float32)
    plain = up.interpolate(x, size=(9, 15), mode=mode, channel_axis=channel_axis)
    for cut in [
        lambda a, s: a[tuple(slice(1, 1 + n) for n in s)],
        lambda a, s: a[tuple(slice(0, 2 * n, 2) for n in s)],
        lambda a, s: a[tuple(slice(n - 1, None, -1) for n in s)],
        lambda a, s: a.T[tuple(slice(0, n) for n in s)],
    ]:
        base = np.full((40, 40, 40, 40), -1, np.float32)
        out = cut(base, plain.shape)
        before = base.sum() - out.sum()
        assert up.interpolate(
            x, size=(9, 15), mode=mode, channel_axis=channel_axis, out=out
        ) is out
        assert_same_pixels(out, plain)
        assert base.sum(dtype=np.float64) - out.sum(dtype=np.float64) == pytest.approx(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.complex128])
@pytest.mark.usefixtures("no_grain")
def test_every_number_of_threads_takes_the_same_pixels(rng, dtype):
    for shape in [(1, 1, 1, 9), (2, 3, 7, 5), (1, 2, 40, 33)]:
        x = random_array(rng, shape, dtype)
        assert_same_pixels(up.interpolate(x, scale_factor=2.5), expected(x, scale_factor=2.5))


@pytest.mark.parametrize("pixel", [1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32])
@pytest.mark.parametrize("width", [1, 5, 16, 33, 64])
def test_windows_equal_the_pixel_by_pixel_path(rng, pixel, width):
    kernel = runtime.kernel("nearest")
    x = np.frombuffer(rng.bytes(4 * width * pixel), np.uint8).reshape(1, 4, width, pixel)
    zero = np.zeros(1, np.int64)
    kinds = set()
    for o in [width, width + 1, 2 * width, 3 * width + 1, 8 * width, max(width // 2, 1)]:
        index_h = interpolation.nearest_axis(4, 9, None, False, False)
        index_w = interpolation.nearest_axis(width, o, None, False, False)
        results = []
        for plain in (False, True):
            plan = kernel.Plan((0, -1, -1, 1, 2, 3), zero, index_h, index_w, width, pixel, pixel,
                               False, plain)
            kinds.add(plan.kind.split(" in groups")[0].split(", planes")[0])
            result = np.full((1, 9, o, pixel), 255, np.uint8)
            assert plan.run(x, result, 1)
            results.append(result)
        assert_same_pixels(*results)
        assert_same_pixels(results[0], x[:, index_h][:, :, index_w])
    if width >= 16 and pixel <= 16:
        assert kinds & {"words", "bytes"}


@pytest.mark.parametrize("pixel", [1, 2, 3, 4, 5, 6, 8, 12, 64, 192])
@pytest.mark.parametrize("streaming", [False, True])
def test_any_rows_of_any_pixel_are_those_of_the_source(rng, pixel, streaming):
    """Of every way of building rows; nothing is written beside the result."""
    kernel = runtime.kernel("nearest")
    for _ in range(300):
        width, height, planes = (int(rng.integers(1, most)) for most in (140, 12, 9))
        widths = int(rng.integers(1, 300)), width * int(rng.integers(1, 5))
        o, rows = widths[int(rng.integers(2))], int(rng.integers(1, 30))
        index_h = interpolation.nearest_axis(height, rows, None, False, False)
        index_w = interpolation.nearest_axis(width, o, None, False, False)
        x = np.frombuffer(rng.bytes(planes * height * width * pixel), np.uint8)
        x = x.reshape(planes, height, width, pixel)
        plan = kernel.Plan((0, -1, -1, 1, 2, 3), np.zeros(1, np.int64), index_h, index_w, width,
                           pixel, pixel, streaming)
        expected = x[:, index_h][:, :, index_w]
        fenced = np.full(expected.size + 128, 165, np.uint8)
        result = fenced[64:-64].reshape(expected.shape)
        assert plan.run(x, result, 1)
        assert_same_pixels(result, expected)
        assert (fenced[:64] == 165).all()
        assert (fenced[-64:] == 165).all()


@pytest.mark.parametrize("item", [1, 2, 4])
@pytest.mark.parametrize("i", [(2, 4), (3, 5), (6, 7), (7, 8), (9, 3), (40, 40), (30, 120)])
@pytest.mark.parametrize("threads", [1, 3])
def test_planes_without_gaps_and_nothing_beside_them(rng, item, i, threads):
    """Rows shorter than a vector are written by whole ones; wide ones are written one by one."""
    kernel = runtime.kernel("nearest")
    for factor in (1.5, 2, 3):
        tables = [np.minimum(np.arange(int(n * factor)) / factor, n - 1).astype(int) for n in i]
        plan = kernel.Plan((0, 1, -1, 2, 3, -1), np.zeros(1, np.int64), *tables, i[1], item, item,
                           False)
        for planes in (1, 5, 150):
            x = np.frombuffer(rng.bytes(planes * i[0] * i[1] * item), f"u{item}")
            x = x.reshape(1, planes, *i)
            expected = x[:, :, tables[0]][..., tables[1]]
            fenced = np.full(expected.nbytes + 128, 165, np.uint8)
            result = fenced[64:-64].view(x.dtype).reshape(expected.shape)
            assert plan.run(x, result, threads)
            assert_same_pixels(result, expected)
            assert (fenced[:64] == 165).all()
            assert (fenced[-64:] == 165).all()


def test_small_planes_without_gaps_are_one_row():
    kernel = runtime.kernel("nearest")
    zero, index = np.zeros(1, np.int64), np.arange(10) * 7 // 10
    plan = kernel.Plan((0, 1, -1, 2, 3, -1), zero, index, index, 7, 4, 4, False)
    assert plan.kind.endswith("in groups, planes")
    assert kernel.Plan((0, 1, -1, 2, 3, -1), zero, index, index, 7, 4, 4, True).kind == (
        plan.kind.removesuffix(", planes"))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("i", "o"), [((1, 1), (2, 3)), ((3, 2), (7, 5)), ((5, 7), (10, 14)), ((9, 13), (40, 13)),
                 ((2, 25), (3, 26)), ((7, 11), (7, 16)), ((9, 1), (40, 1)), ((9, 3), (20, 3))],
)
def test_rows_in_groups_equal_rows_one_by_one(rng, i, o, dtype, streaming):
    kernel = runtime.kernel("nearest")
    tables = [interpolation.nearest_axis(a, b, None, False, False)
              for a, b in zip(i, o, strict=True)]
    tables = [np.zeros(1, np.int64), *tables]
    item = np.dtype(dtype).itemsize
    plan = kernel.Plan((0, 1, -1, 2, 3, -1), *tables, i[1], item, item, streaming)
    plain = kernel.Plan((0, 1, -1, 2, 3, -1), *tables, i[1], item, item, False, True)
    alike = np.count_nonzero(np.diff(tables[1]) == 0)
    assert "in groups" in plan.kind or (plan.kind == "words" and 3 * alike >= o[0])
    x = random_array(rng, (5, 31, *i), dtype)
    sources = [x, x[:, ::-1], x[::2, 3:20, ::-1], x[:1, :1]]
    for source in sources:
        expected = np.zeros((*source.shape[:2], *o), dtype)
        plain.run(source, expected, 1)
        room = np.zeros((5, 31, o[0] + 2, o[1] + 3), dtype)
        n, m = source.shape[:2]
        fenced = np.full(expected.nbytes + 128, 165, np.uint8)
        fences = fenced[:64], fenced[-64:]
        # One block, gaps between rows, between planes, and rows in reverse.
        for out in (fenced[64:-64].view(dtype).reshape(expected.shape), room[:n, :m, 1:-1, 2:-1],
                    np.zeros((n, m + 2, *o), dtype)[:, 1:-1], np.zeros_like(expected)[:, :, ::-1]):
            for threads in (1, 3):
                out[...] = 0
                plan.run(source, out, threads)
                assert_same_pixels(np.ascontiguousarray(out), expected)
        room[:n, :m, 1:-1, 2:-1] = 0
        assert not room.any()
        assert all((fence == 165).all() for fence in fences)


def test_a_second_call_with_out_is_checked_like_the_first(rng):
    x = random_array(rng, (1, 2, 4, 4), np.float32)
    wanted = expected(x, scale_factor=2)
    out = np.empty_like(wanted)
    for _ in range(3):
        out[...] = 0
        assert up.interpolate(x, scale_factor=2, out=out) is out
        assert_same_pixels(out, wanted)
    locked = np.empty_like(wanted)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        up.interpolate(x, scale_factor=2, out=locked)
    both = np.zeros(wanted.size + 8, np.float32)
    inside = both[8 : 8 + x.size].reshape(x.shape)
    with pytest.raises(ValueError, match="out overlaps an input"):
        up.interpolate(inside, scale_factor=2, out=both[: wanted.size].reshape(wanted.shape))
    apart = np.zeros((1, 2, 8, 16), np.float32)[..., ::2]
    for _ in range(2):
        up.interpolate(x, scale_factor=2, out=apart)
        assert_same_pixels(np.ascontiguousarray(apart), wanted)


def test_an_empty_batch_gives_an_empty_result():
    y = up.interpolate(np.zeros((0, 3, 4, 5), np.float32), scale_factor=2)
    assert y.shape == (0, 3, 8, 10)
    out = np.zeros((0, 3, 8, 10), np.float32)
    assert up.interpolate(np.zeros((0, 3, 4, 5), np.float32), scale_factor=2, out=out) is out


def test_a_second_call_of_other_types_is_checked_again():
    x = np.zeros((1, 1, 4, 4), np.float32)
    assert up.interpolate(x, size=8).shape == (1, 1, 8, 8)
    assert up.interpolate(x, size=(8, 8)).shape == (1, 1, 8, 8)
    for size in [8.0, (8.0, 8), (8, 8.0), np.float64(8)]:
        with pytest.raises(TypeError, match=r"interpolate: size=.*8\.0.* must be an int"):
            up.interpolate(x, size=size)
    assert up.interpolate(x, scale_factor=1).shape == x.shape
    with pytest.raises(TypeError, match="scale_factor=True must be numbers"):
        up.interpolate(x, scale_factor=True)


def test_plans_kept_are_bounded():
    x = np.zeros((1, 1, 4), np.float32)
    for size in range(1, 600):
        up.interpolate(x, size)
    assert len(interpolation._resizes) <= interpolation._PLANS_KEPT
    assert len(interpolation._plans) <= interpolation._PLANS_KEPT


BAD = [
    ({}, ValueError, "give one of size and scale_factor; got size=None, scale_factor=None"),
    ({"size": 2, "scale_factor": 2}, ValueError, "give one of size and scale_factor"),
    ({"size": 0}, ValueError, "size=0 must be 1 or more"),
    ({"size": (4, -1)}, ValueError, r"size=-1 must be 1 or more, in size=\(4, -1\)"),
    ({"size": (4, 2.5)}, TypeError, r"size=2.5 must be an int, not float, in size=\(4, 2.5\)"),
    ({"size": (4, 4, 4)}, ValueError, r"size=\(4, 4, 4\) has 3 numbers; .* or 2 \(H, W\); if x is "
     r"one volume without a batch axis, pass x\[None\]"),
    ({"size": 2.5}, TypeError, "size=2.5 must be an int, or a tuple or list of 2"),
    ({"size": True}, TypeError, "size=True must be an int, not a bool"),
    ({"size": "8"}, TypeError, "size='8' must be an int"),
    ({"scale_factor": 0}, ValueError, "scale_factor=0 must be positive and finite"),
    ({"scale_factor": -2.0}, ValueError, "scale_factor=-2.0 must be positive"),
    ({"scale_factor": float("nan")}, ValueError, "scale_factor=nan must be positive"),
    ({"scale_factor": float("inf")}, ValueError, "scale_factor=inf must be positive"),
    ({"scale_factor": 0.1}, ValueError, "scale_factor=0.1 leaves nothing of an axis of 3"),
    ({"scale_factor": (2, 2, 2)}, ValueError, r"must be one number .* or 2 \(H, W\)"),
    ({"scale_factor": (2.0,)}, ValueError, r"must be one number .* or 2 \(H, W\)"),
    ({"size": (4,)}, ValueError, r"size=\(4,\) has 1 number; .* or 2 \(H, W\)"),
    ({"scale_factor": 10**19}, MemoryError, "no memory holds an axis of"),
    ({"scale_factor": 10**400}, ValueError, "positive and finite"),
    ({"scale_factor": "2"}, TypeError, "scale_factor='2' must be"),
    ({"scale_factor": b"22"}, TypeError, "scale_factor=b'22' must be a number"),
    ({"scale_factor": 10**5000}, ValueError, "scale_factor=<int> must be positive and finite"),
    ({"size": -(10**5000)}, ValueError, "size=<int> must be 1 or more"),
    ({"size": 10**5000}, MemoryError, "no memory holds a result of shape"),
    ({"size": ((3,), (4, 5))}, TypeError, r"size=\(3,\) must be an int, not tuple"),
    ({"size": np.full(10**6, 3)}, ValueError, r"size=\(3, 3, .{,200}\.\.\. has 1000000 numbers"),
    ({"scale_factor": (2, None)}, TypeError, "must be numbers"),
    ({"scale_factor": (2, np.array([2, 3]))}, TypeError, "must be numbers"),
    ({"scale_factor": 2, "mode": "quintic"}, ValueError, "mode='quintic' must be one of nearest, "),
    ({"scale_factor": 2, "mode": 3}, ValueError, "mode=3 must be one of"),
    ({"scale_factor": 2, "mode": "linear"}, ValueError, "is for 1 spatial axis, but x has 2"),
    ({"scale_factor": 2, "align_corners": True}, ValueError, "no meaning with mode='nearest'"),
    ({"scale_factor": 2, "mode": "bilinear", "align_corners": 1}, TypeError,
     "align_corners=1 must be True or False"),
    ({"size": 3, "recompute_scale_factor": True}, ValueError, "needs a scale_factor"),
    ({"scale_factor": 2, "recompute_scale_factor": 1}, TypeError, "must be True or False"),
    ({"scale_factor": 2, "channel_axis": 2}, ValueError, "channel_axis=2 must be 1 .* or -1"),
    ({"scale_factor": 2, "channel_axis": 0}, ValueError, "channel_axis=0 must be 1 .* or -1"),
    ({"scale_factor": 2, "channel_axis": 7}, ValueError, "channel_axis=7 must be from -4 to 3"),
    ({"scale_factor": 2, "channel_axis": "C"}, TypeError, "channel_axis='C' must be an int"),
    ({"size": 2**62}, MemoryError, "no memory holds a result of shape"),
    ({"scale_factor": 1e300}, MemoryError, "no memory holds an axis of 3 times"),
    ({"scale_factor": 2, "out": [1]}, TypeError, "out must be a NumPy array, not list"),
    ({"scale_factor": 2, "out": np.ma.zeros((1, 2, 6, 8), "f4")}, TypeError,
     "out is a masked array"),
    ({"scale_factor": 2, "out": np.zeros((1, 2, 6, 9), "f4")}, ValueError, "out has shape"),
    ({"scale_factor": 2, "out": np.zeros((1, 2, 6, 8), "f8")}, TypeError, "out has dtype float64"),
    ({"scale_factor": 2, "out": np.broadcast_to(np.float32(0), (1, 2, 6, 8))}, ValueError,
     "out is read-only"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), BAD)
def test_bad_arguments_are_refused_with_the_reason(arguments, error, words):
    x = np.zeros((1, 2, 3, 4), np.float32)
    with pytest.raises(error, match=f"^interpolate: .*{words}"):
        up.interpolate(x, **arguments)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (np.zeros((3, 4)), ValueError, r"x has shape .* 2 axes; pass x\[None, None\] to resize"),
        (np.zeros((1, 2, 3, 4, 5, 6)), ValueError, "6 axes"),
        (np.zeros((1, 0, 3)), ValueError, "only the batch axis, the first, can be 0"),
        (np.zeros((1, 2, 0)), ValueError, "only the batch axis, the first, can be 0"),
        (np.array([[[None]]]), TypeError, "no fixed size"),
        ("text", TypeError, "read a file first"),
        ([[[1, 2], [3]]], TypeError, "cannot be made an array"),
    ],
)
def test_bad_arrays_are_refused_with_the_reason(x, error, words):
    with pytest.raises(error, match=f"^interpolate: .*{words}"):
        up.interpolate(x, scale_factor=2)


def test_out_that_overlaps_the_input_is_refused_and_left_alone():
    memory = np.arange(200, dtype=np.float32)
    x = memory[:12].reshape(1, 1, 3, 4)
    out = memory[8 : 8 + 48].reshape(1, 1, 6, 8)
    with unmodified(memory), pytest.raises(ValueError, match="out overlaps an input in memory"):
        up.interpolate(x, scale_factor=2, out=out)


def test_out_whose_elements_share_memory_is_refused():
    out = np.lib.stride_tricks.as_strided(np.zeros(64, np.float32), (1, 1, 6, 8), (0, 0, 0, 4))
    with pytest.raises(ValueError, match="out has elements that share memory"):
        up.interpolate(np.zeros((1, 1, 3, 4), np.float32), scale_factor=2, out=out)


def test_sequences_are_taken():
    y = up.interpolate([[[1, 2]]], scale_factor=2)
    assert y.tolist() == [[[1, 1, 2, 2]]]


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3, 16])
def test_channels_last_out_that_runs_backwards(rng, mode, axis, channels):
    """Backwards along channels, rows or columns: written as it is meant, or by way of a copy."""
    x = rng.random((2, channels, 5, 7), np.float32)
    whole = np.full((2, 12, 16, channels + 2), -1, np.float32)
    out = np.flip(whole[:, 1:-1, 1:-1, 1:-1].transpose(0, 3, 1, 2), axis)
    for source in (x, np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)):
        for _ in range(2):
            whole[...] = -1
            y = up.interpolate(source, size=(10, 14), mode=mode, out=out)
            assert y is out
            np.testing.assert_allclose(
                out, reference.interpolate(x, size=(10, 14), mode=mode), rtol=1e-6, atol=1e-6
            )
            out[...] = -1
            assert (whole == -1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(1, 3), (4, 4), (7, 7), (5, 9), (20, 20), (3, 33), (16, 16)])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_small_planes_together_equal_repeat(rng, dtype, size, factor, threads):
    """However many planes become one row, and rows alike two by two, with gaps between or not."""
    for planes in (1, 2, 3, 8, 16, 21):
        whole = rng.standard_normal((2, 2 * planes, *size)).astype(dtype)
        for x in (whole, whole[:, ::2], whole[:, 1:], whole[:, :, :, ::-1]):
            y = up.interpolate(x, scale_factor=factor, mode="nearest")
            assert_same_pixels(
                np.ascontiguousarray(y),
                np.ascontiguousarray(x.repeat(factor, axis=2).repeat(factor, axis=3)),
            )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.uint8, np.int16])
@pytest.mark.parametrize("last", [False, True])
def test_one_tap_equals_the_kernel_of_any_number(rng, dtype, last):
    """A weight of one leaves a number as it is, bit by bit."""
    one, any_number = runtime.kernel("nearest"), runtime.kernel("taps")
    roles = (0, -1, 1, 2, 3, 4) if last else (0, 1, 2, 3, 4, -1)
    for _ in range(120):
        sizes = rng.choice([1, 2, 3, 5, 7, 8, 9, 14, 16, 17, 20, 33, 65], (3, 2))
        sizes[0] = 1 if rng.random() < 0.5 else sizes[0] % 5 + 1
        indices = [np.sort(rng.integers(0, i, o)) for i, o in sizes]
        axes = [
            (index, np.ones((len(index), 1)), int(i))
            for index, (i, _) in zip(indices, sizes, strict=True)
        ]
        channels = int(rng.choice([1, 2, 3, 16, 33]))
        elements = channels if last else 1
        inputs, outputs = sizes.T.tolist()
        shape = (2, *inputs, channels) if last else (2, channels, *inputs)
        x = (rng.standard_normal(shape) * 50).astype(dtype)
        results = [
            np.zeros((2, *outputs, channels) if last else (2, channels, *outputs), dtype)
            for _ in range(2)
        ]
        pixel = elements * x.itemsize
        plan = one.Plan(roles, *indices, inputs[2], pixel, pixel, False)
        assert plan.run(x, results[0], 1)
        plan = weighing.plan(
            any_number, roles, axes, x.dtype.char, elements, elements, False)
        assert plan.run(x, results[1], 1)
        assert_same_pixels(*results)
