"""Resizing by tables of any number of taps, against products of matrices in float64."""

import itertools
from functools import partial

import numpy as np
import pytest
from assertions import U16, U32, U64

from upshape import runtime, weighing

plan_of = partial(weighing.plan, runtime.kernel("taps"))

FLOATS = {"f": U32, "d": U64, "e": U32}
INTEGERS = "B?bhHi"
SIZES = [1, 2, 3, 5, 8, 17, 33, 60]
WIDTHS = [1, 2, 5, 17, 40, 97, 700]


def draw_table(rng, i, o, most):
    """Return (first, weights, i): some pixels have fewer taps than others, some none."""
    taps = min(most, i)
    first = np.sort(rng.integers(0, i - taps + 1, o))
    weights = rng.standard_normal((o, taps)) / taps
    if rng.random() < 0.6:
        for row in weights:
            begin = rng.integers(0, taps)
            row[:begin] = 0
            row[rng.integers(begin, taps + 1):] = 0
    return first, weights, i


def copied(i):
    return np.arange(i), None, i


def matrix(table):
    """Return the table as a matrix [o, i]."""
    first, weights, i = table
    if weights is None:
        return np.eye(i)
    dense = np.zeros((len(first), i))
    for row, at, own in zip(dense, first, weights, strict=True):
        row[at : at + len(own)] = own
    return dense


def applied(x, axes, first_axis):
    """Return the exact result, and the sum of the terms' magnitudes."""
    exact, size = x.astype(np.float64), np.abs(x.astype(np.float64))
    for axis, table in enumerate(axes, start=first_axis):
        dense = matrix(table)
        exact = np.moveaxis(np.tensordot(dense, exact, (1, axis)), 0, axis)
        size = np.moveaxis(np.tensordot(abs(dense), size, (1, axis)), 0, axis)
    return exact, size


def draw_pixels(rng, shape, letter):
    if letter in FLOATS:
        return (rng.standard_normal(shape) * 50).astype(letter)
    if letter == "?":
        return rng.random(shape) < 0.5
    limits = np.iinfo(letter)
    return rng.integers(limits.min, limits.max + 1, shape).astype(letter)


def assert_rounded(result, exact, size, plan):
    """Assert that integers are the exact values rounded, either way as near to a tie as is said."""
    if result.dtype == bool:
        limits, result = (0, 1), result.view(np.uint8)
    else:
        limits = np.iinfo(result.dtype).min, np.iinfo(result.dtype).max
    off = np.abs(result.astype(np.float64) - np.clip(exact, *limits))
    near = plan.off if plan.fixed else 2.0**-20 * size if result.itemsize == 1 else 1e-9
    assert plan.off <= 0.1
    allowed = 0.5 + near + 1e-12 * size
    assert (off <= allowed).all(), f"{off.max()} off"


def assert_summed(result, exact, size, letter, roundings):
    """Assert that floats are the exact values within so many roundings."""
    allowed = FLOATS[letter] * roundings * size
    if letter == "e":
        allowed = allowed + U16 * np.abs(exact) + 2.0**-25
    off = np.abs(result.astype(np.float64) - exact)
    overflows = np.isinf(result) & (np.abs(exact) > 65500) if letter == "e" else False
    assert ((off <= allowed) | overflows).all(), f"{off.max()} off"


def draw_case(rng, letter):
    """Return tables, roles, the source, the memory of a result and the result in it."""
    while True:
        axes = []
        for axis in range(3):
            sizes = WIDTHS if axis == 2 else SIZES
            i, o = int(rng.choice(sizes)), int(rng.choice(sizes))
            most = int(rng.choice([1, 2, 4, 5, 9, 30, 600]))
            axes.append(copied(i) if rng.random() < 0.35 else draw_table(rng, i, o, most))
        channels = int(rng.choice([1, 1, 2, 3, 4, 7, 8, 17, 64]))
        inputs, outputs = [t[2] for t in axes], [len(t[0]) for t in axes]
        if max(np.prod(inputs), np.prod(outputs)) * channels < 100_000:
            break
    last = rng.random() < 0.5
    gap = int(rng.choice([0, 0, 1])) if last else 0
    batch = (2,) if last else (2, channels)
    tail = (channels,) if last else ()
    x = draw_pixels(rng, (*batch, *inputs, *tail), letter)
    memory = np.zeros((*batch, *outputs, channels + gap) if last else (*batch, *outputs), letter)
    return axes, last, x, memory, memory[..., :channels] if last else memory


@pytest.mark.parametrize("letter", [*FLOATS, *INTEGERS])
def test_random_tables_are_matrices(rng, letter):
    for _ in range(60):
        axes, last, x, memory, result = draw_case(rng, letter)
        channels = x.shape[-1] if last else 1
        roles = (0, -1, 1, 2, 3, 4) if last else (0, 1, 2, 3, 4, -1)
        exact, size = applied(x, axes, 1 if last else 2)
        roundings = sum(2 + table[1].shape[1] for table in axes if table[1] is not None) + 2
        ways: dict[str, bytes] = {}
        for streaming, only, threads in itertools.product(
            [False, True], ["across", "down"], [1, 3]
        ):
            plan = plan_of(
                roles, axes, letter, channels, memory.shape[-1] if last else 1, streaming, only
            )
            memory[...] = 1
            assert plan.run(x, result, threads)
            assert (memory[..., channels:] == 1).all() or not last
            if letter in FLOATS:
                assert_summed(result, exact, size, letter, roundings)
            else:
                assert_rounded(result, exact, size, plan)
            assert ways.setdefault(only, result.tobytes()) == result.tobytes()


@pytest.mark.parametrize("only", ["across", "down"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_what_has_no_weight_leaks_nowhere(rng, only, axis):
    """Taps that fill up a row of the table are never read: NaN and infinities stay away."""
    axes = [draw_table(rng, 9, 12, 4) for _ in range(3)]
    for table in axes:
        table[1][::2, 2:] = 0
    plan = plan_of((0, 1, 2, 3, 4, -1), axes, "f", 1, 1, False, only)
    dense = matrix(axes[axis]) != 0
    for bad in range(9):
        x = rng.standard_normal((1, 2, 9, 9, 9)).astype(np.float32)
        whole = np.moveaxis(x, 2 + axis, 0)
        whole[bad] = rng.choice([np.nan, np.inf])
        result = np.zeros((1, 2, 12, 12, 12), np.float32)
        assert plan.run(x, result, 2)
        for o in range(12):
            own = np.moveaxis(result[0], 1 + axis, 0)[o]
            others = [a for a in range(3) if a != axis]
            reached = [matrix(axes[a]).any(1) for a in others]
            if dense[o, bad]:
                assert not np.isfinite(own[:, reached[0]][:, :, reached[1]]).any()
            else:
                assert np.isfinite(own).all()


def test_a_row_of_a_million_pixels_becomes_one(rng):
    """A window of any size: it is not laid out as a whole."""
    i = 1_000_003
    x = rng.standard_normal((1, 1, 1, 1, i)).astype(np.float32)
    table = np.zeros(1, np.int64), np.full((1, i), 1 / i), i
    axes = [copied(1), copied(1), table]
    plan = plan_of((0, 1, 2, 3, 4, -1), axes, "f", 1, 1, False)
    result = np.zeros((1, 1, 1, 1, 1), np.float32)
    assert plan.run(x, result, 1)
    assert plan.take(1).nbytes < 1 << 24
    assert abs(result.item() - x.mean(dtype=np.float64)) < 1e-3


def test_taps_beyond_the_source_are_refused():
    table = np.array([7]), np.ones((1, 3)), 9
    with pytest.raises(AssertionError, match="beyond the source"):
        plan_of((0, 1, 2, 3, 4, -1), [copied(1), copied(1), table], "f", 1, 1, False)


# --- bytes in fixed point ------------------------------------------------------------------------


def antialiased_table(i, o, support, weigh):
    """Return the table of a kernel that is stretched where a picture shrinks."""
    scale = max(i / o, 1.0)
    centres = (np.arange(o) + 0.5) * i / o - 0.5
    first = np.maximum(np.ceil(centres - support * scale), 0).astype(np.int64)
    end = np.minimum(np.floor(centres + support * scale), i - 1).astype(np.int64) + 1
    taps = int((end - first).max())
    start = np.minimum(first, i - taps)
    places = start[:, None] + np.arange(taps)
    weights = weigh((places - centres[:, None]) / scale)
    weights[(places < first[:, None]) | (places >= end[:, None])] = 0
    return start, np.ascontiguousarray(weights / weights.sum(1, keepdims=True)), i


def triangle(x):
    return np.maximum(1 - np.abs(x), 0)


def keys(x, a=-0.5):
    x = np.abs(x)
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


RESIZES = [
    (support, weigh, (i, o))
    for support, weigh in ((1, triangle), (2, keys))
    for i, o in [(64, 32), (90, 30), (90, 20), (64, 128), (50, 77), (77, 50), (40, 8), (33, 33)]
]


def draw_picture(rng, shape):
    """Return bytes that make kernels overshoot: noise, edges of black and white, plains."""
    picture = rng.integers(0, 256, shape).astype(np.uint8)
    edges = rng.random(shape) < 0.5
    picture[edges & (rng.random(shape) < 0.7)] = 255
    picture[~edges & (rng.random(shape) < 0.7)] = 0
    return picture


@pytest.mark.parametrize("channels", [1, 3, 4, 64])
@pytest.mark.parametrize(("support", "weigh", "sizes"), RESIZES)
def test_bytes_are_rounded_to_nearest_but_beside_ties(rng, support, weigh, sizes, channels):
    i, o = sizes
    down, across = (antialiased_table(i, o, support, weigh) for _ in range(2))
    x = draw_picture(rng, (2, i, i, channels))
    exact, size = applied(x, [down, across], 1)
    for only in ("across", "down"):
        plan = plan_of(
            (0, -1, -1, 1, 2, 3), [copied(1), down, across], "B", channels, channels, False, only
        )
        result = np.zeros((2, o, o, channels), np.uint8)
        assert plan.run(x, result, 1)
        assert plan.fixed or (weigh is keys and i % o > 0)
        assert_rounded(result, exact, size, plan)
        assert (result == np.clip(np.rint(exact), 0, 255)).mean() > 0.95


def test_the_fast_ways_are_taken():
    """Else the test above would hold nothing of them."""
    half, cubic = (antialiased_table(64, 32, *kernel) for kernel in ((1, triangle), (2, keys)))
    ways = [
        plan_of((0, -1, -1, 1, 2, 3), [copied(1), *axes], "B", 3, 3, False, only).ways[1:]
        for axes, only in (
            ([half, half], "down"), ([cubic, half], "down"), ([half, half], "across")
        )
    ]
    assert ways == [["tiny", "rounded"], ["pairs", "rounded"], ["rounded", "rounded"]]


@pytest.mark.parametrize("channels", [1, 3, 4, 17])
@pytest.mark.parametrize("bits", [8, 14, 22])
@pytest.mark.parametrize("axes", ["both", "down", "across"])
@pytest.mark.parametrize("only", [None, "across", "down"])
def test_passes_that_give_integers(rng, axes, only, bits, channels):
    """One pass, then the other, each rounded halves up and kept within a byte: bit for bit."""
    tables = []
    for axis in ("down", "across"):
        first, weights, i = antialiased_table(60, 37, 2, keys)
        tables.append((first, np.rint(weights * 2.0**bits) / 2.0**bits, i)
                      if axes in ("both", axis) else copied(60))
    x = draw_picture(rng, (1, 60, 60, channels))
    wanted = x.astype(np.float64)
    order = [(1, tables[0]), (2, tables[1])]
    for axis, table in order if only == "down" else reversed(order):
        wanted = np.moveaxis(np.tensordot(matrix(table), wanted, (1, axis)), 0, axis)
        wanted = np.clip(np.floor(wanted + 0.5), 0, 255)
    for fixed in (True, False):
        plan = plan_of((0, -1, -1, 1, 2, 3), [copied(1), *tables], "B", channels, channels,
                         False, only, True, fixed)
        result = np.zeros(wanted.shape, np.uint8)
        assert plan.run(x, result, 2)
        assert plan.fixed == fixed
        assert (result == wanted).all()


def test_bools_are_means_rounded(rng):
    table = antialiased_table(60, 37, 2, keys)
    x = rng.random((3, 60, 60)) < 0.5
    plan = plan_of((0, -1, -1, 1, 2, -1), [copied(1), table, table], "?", 1, 1, False)
    result = np.zeros((3, 37, 37), bool)
    assert plan.run(x, result, 1)
    exact, size = applied(x, [table, table], 1)
    assert_rounded(result, exact, size, plan)


@pytest.mark.parametrize("letter", ["f", "d", "e", "B", "h"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(
    "sizes", [(400, 200), (200, 400), (300, 150), (90, 270), (401, 200), (128, 32), (60, 80)]
)
def test_tables_that_repeat_themselves_are_matrices(rng, letter, channels, sizes):
    """Phase by phase, rows have the values that any table gives."""
    i, o = sizes
    for support, weigh in ((1, triangle), (2, keys)):
        table = antialiased_table(i, o, support, weigh)
        x = draw_pixels(rng, (2, 5, i, channels), letter)
        exact, size = applied(x, [table], 2)
        plan = plan_of((0, -1, -1, 1, 2, 3), [copied(1), copied(5), table], letter, channels,
                         channels, False)
        result = np.zeros((2, 5, o, channels), letter)
        assert plan.run(x, result, 1)
        if letter in FLOATS:
            assert_summed(result, exact, size, letter, table[1].shape[1] + 4)
        else:
            assert_rounded(result, exact, size, plan)


def test_rows_are_made_phase_by_phase():
    """Where the test above would else prove nothing."""
    half, twice = (antialiased_table(*sizes, 1, triangle) for sizes in ((400, 200), (200, 400)))
    third = antialiased_table(300, 100, 1, triangle)
    for table, channels, period in ((half, 1, 1), (twice, 1, 2), (third, 3, 1), (third, 1, 0)):
        plan = plan_of((0, -1, -1, 1, 2, 3), [copied(1), copied(5), table], "f", channels,
                         channels, False)
        assert plan.period == period


# --- pixels of four bytes ------------------------------------------------------------------------


@pytest.mark.parametrize("only", ["across", "down"])
@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("most", [1, 3, 4, 5, 9, 13, 40])
def test_pixels_of_four_bytes_have_the_bits_of_any_others(rng, only, rounded, most):
    """Made one by one, two rows at a time, they are as those of five, whose rows go together.

    Tables are of positive and negative weights, some above one; strips are short and long.
    """
    for i, o in [(60, 37), (40, 1), (5, 3), (700, 450), (2500, 1111), (33, 34)]:
        taps_ = min(most, i)
        first = np.sort(rng.integers(0, i - taps_ + 1, o))
        weights = rng.random((o, taps_)) - 0.2
        weights /= np.abs(weights).sum(1, keepdims=True) / rng.choice([0.9, 1.5], (o, 1))
        if rounded:
            weights = np.rint(weights * 2.0**20) / 2.0**20
        table, rows = (first, weights, i), antialiased_table(9, 7, 1, triangle)
        if rounded:
            rows = rows[0], np.rint(rows[1] * 2.0**14) / 2.0**14, rows[2]
        x = draw_picture(rng, (2, 9, i, 5))
        made = []
        for channels in (4, 5):
            plan = plan_of((0, -1, -1, 1, 2, 3), [copied(1), rows, table], "B", channels,
                             channels, False, only, rounded)
            result = np.zeros((2, 7, o, channels), np.uint8)
            assert plan.run(np.ascontiguousarray(x[..., :channels]), result, 2)
            assert (plan.quads or plan.coupled) == (plan.fixed and channels == 4)
            made.append(result[..., :4])
        np.testing.assert_array_equal(*made)


def test_weights_of_pixels_of_four_bytes_are_formed_either_way():
    """Else the test above would hold nothing of one of them."""
    up, down = antialiased_table(40, 60, 1, triangle), antialiased_table(90, 20, 2, keys)
    plans = [plan_of((0, -1, -1, 1, 2, 3), [copied(1), rows, table], "B", 4, 4, False)
             for rows, table in ((copied(5), up), (down, down), (copied(5), down))]
    assert [(plan.quads, plan.coupled, plan.ways[2]) for plan in plans] == [
        (True, False, "rounded"), (True, False, "pairs"), (False, True, "pairs")
    ]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [14, 22])
@pytest.mark.parametrize("most", [1, 2, 3, 7, 12, 40])
def test_rows_of_couples_have_the_bits_of_any_others(rng, most, bits, channels):
    """Those of five channels are not made of couples; first taps are even and odd.

    A couple's second pixel may be none of the row's, and counts nothing.
    """
    for i, o in [(60, 37), (61, 8), (5, 3), (700, 450), (2501, 1111), (33, 34)]:
        taps_ = min(most, i)
        first = np.sort(rng.integers(0, i - taps_ + 1, o))
        first[-1] = i - taps_
        weights = rng.random((o, taps_)) - 0.2
        weights /= np.abs(weights).sum(1, keepdims=True) / 1.4
        table = first, np.rint(weights * 2.0**bits) / 2.0**bits, i
        rows = antialiased_table(21, 7, 1, triangle)
        rows = rows[0], np.rint(rows[1] * 2.0**14) / 2.0**14, rows[2]
        x = draw_picture(rng, (2, 21, i, 5))
        made = []
        for count in (channels, 5):
            plan = plan_of((0, -1, -1, 1, 2, 3), [copied(1), rows, table], "B", count, count, False,
                           "across", True)
            result = np.zeros((2, 7, o, count), np.uint8)
            assert plan.run(np.ascontiguousarray(x[..., :count]), result, 2)
            assert plan.coupled == (count < 5)
            made.append(result[..., :channels])
        np.testing.assert_array_equal(*made)


# --- means of 2 x 2 pixels -----------------------------------------------------------------------


def halves(i):
    """Return the table of the means of pixels 0 and 1, 2 and 3, ...; not of an odd last."""
    return np.arange(i // 2) * 2, np.full((i // 2, 2), 0.5), i


def halves_plan(sizes, letter, channels, *more):
    axes = [copied(1), halves(sizes[0]), halves(sizes[1])]
    return plan_of((0, -1, -1, 1, 2, 3), axes, letter, channels, *more)


@pytest.mark.parametrize("letter", [*FLOATS, "B", "?", "h"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 64])
@pytest.mark.parametrize("sizes", [(2, 2), (6, 8), (9, 70), (4, 333), (2, 5001)])
def test_means_of_four_pixels_are_exact_or_rounded_once_a_pass(rng, letter, channels, sizes):
    """Integers are rounded to nearest, ties to even; floats twice, as half and half of two."""
    x = draw_pixels(rng, (2, *sizes, channels), letter)
    even = x[:, : sizes[0] // 2 * 2, : sizes[1] // 2 * 2]
    if letter in FLOATS:
        even = even.astype("f" if letter == "e" else letter)
        half = even.dtype.type(0.5)
        down = even[:, ::2] * half + even[:, 1::2] * half
        wanted = (down[:, :, ::2] * half + down[:, :, 1::2] * half).astype(letter)
    else:
        whole = even.astype(np.float64)
        sums = whole[:, ::2] + whole[:, 1::2]
        wanted = np.rint((sums[:, :, ::2] + sums[:, :, 1::2]) / 4).astype(letter)
    for streaming, gap, threads in itertools.product([False, True], [0, 1], [1, 3]):
        plan = halves_plan(sizes, letter, channels, channels + gap, streaming, "down")
        memory = np.ones((*wanted.shape[:3], channels + gap), letter)
        assert plan.run(x, memory[..., :channels], threads)
        assert (memory[..., :channels] == wanted).all()
        assert (memory[..., channels:] == 1).all()


def test_which_means_are_made_down_and_across_at_once():
    """Where the test above would else prove nothing."""
    for letter, channels, only, halved in (
        ("B", 3, None, True), ("B", 8, None, True), ("B", 9, None, False), ("f", 1, None, True),
        ("f", 3, None, False), ("f", 4, None, True), ("d", 1, "down", True),
        ("f", 1, "across", False), ("h", 2, None, True), ("?", 1, None, True),
    ):
        assert halves_plan((64, 64), letter, channels, channels, False, only).halved == halved
    axes = [copied(1), halves(64), antialiased_table(64, 32, 1, triangle)]
    for d, h, w in (axes, [axes[0], axes[2], axes[1]], [halves(64), axes[1], axes[1]]):
        assert not plan_of((0, -1, 1, 2, 3, 4), [d, h, w], "f", 1, 1, False).halved
