"""Resizing by tables of any number of taps, against products of matrices in float64."""

import itertools

import numpy as np
import pytest
from assertions import U16, U32, U64

from upshape import runtime

taps = runtime.kernel("taps")

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


def assert_rounded(result, exact, size):
    """Assert that integers are the exact values rounded, either way within 1/256 of a tie."""
    if result.dtype == bool:
        limits, result = (0, 1), result.view(np.uint8)
    else:
        limits = np.iinfo(result.dtype).min, np.iinfo(result.dtype).max
    off = np.abs(result.astype(np.float64) - np.clip(exact, *limits))
    allowed = 0.5 + (1 / 256 if result.itemsize == 1 else 1e-9) + 1e-12 * size
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
            plan = taps.Plan(
                roles, axes, letter, channels, memory.shape[-1] if last else 1, streaming, only
            )
            memory[...] = 1
            assert plan.run(x, result, threads)
            assert (memory[..., channels:] == 1).all() or not last
            if letter in FLOATS:
                assert_summed(result, exact, size, letter, roundings)
            else:
                assert_rounded(result, exact, size)
            assert ways.setdefault(only, result.tobytes()) == result.tobytes()


@pytest.mark.parametrize("only", ["across", "down"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_what_has_no_weight_leaks_nowhere(rng, only, axis):
    """Taps that fill up a row of the table are never read: NaN and infinities stay away."""
    axes = [draw_table(rng, 9, 12, 4) for _ in range(3)]
    for table in axes:
        table[1][::2, 2:] = 0
    plan = taps.Plan((0, 1, 2, 3, 4, -1), axes, "f", 1, 1, False, only)
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
    plan = taps.Plan((0, 1, 2, 3, 4, -1), axes, "f", 1, 1, False)
    result = np.zeros((1, 1, 1, 1, 1), np.float32)
    assert plan.run(x, result, 1)
    assert plan.take(1).nbytes < 1 << 24
    assert abs(result.item() - x.mean(dtype=np.float64)) < 1e-3


def test_taps_beyond_the_source_are_refused():
    table = np.array([7]), np.ones((1, 3)), 9
    with pytest.raises(AssertionError, match="beyond the source"):
        taps.Plan((0, 1, 2, 3, 4, -1), [copied(1), copied(1), table], "f", 1, 1, False)
