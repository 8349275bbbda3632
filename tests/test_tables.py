"""The tables of resizing: what every one of them keeps to, and the adjoint's."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from upshape import tables
from upshape.tables import Convention

SIZES = [(1, 1), (1, 5), (5, 1), (2, 3), (3, 2), (4, 4), (7, 9), (9, 7), (30, 4), (4, 30), (97, 31)]
CONVENTIONS = [
    *(Convention(kernel, coordinates, border=border)
      for kernel, coordinates, border in itertools.product(
          ["linear", "cubic", "lanczos"], tables.COORDINATES, ["edge", "exclude"])),
    *(Convention("nearest", coordinates, rounding=rounding)
      for coordinates, rounding in itertools.product(tables.COORDINATES, tables.ROUNDINGS)),
    *(Convention(kernel, antialias=True, border=border)
      for kernel, border in itertools.product(
          ["linear", "cubic", "lanczos", "box", "hamming"], ["edge", "exclude"])),
    *(Convention(kernel) for kernel in ["area", "coverage", "area-linear", "lanczos4"]),
    *(Convention("gaussian", antialias=anti, border=border)
      for anti, border in itertools.product([True, False], ["edge", "mirror"])),
]  # fmt: skip


def dense(taps, i):
    matrix = np.zeros((len(taps.first), i))
    for x, (first, weights) in enumerate(zip(*taps, strict=True)):
        matrix[x, first : first + len(weights)] = weights
    return matrix


@pytest.mark.parametrize("convention", CONVENTIONS, ids=str)
def test_windows_are_inside_and_weights_sum_to_one(convention):
    for i, o in SIZES:
        for factor in (None, (o + 0.4) / i):
            taps = convention.taps(i, o, factor)
            if taps is None:
                assert i == o
                continue
            count = taps.weights.shape[1]
            assert taps.first.dtype == np.int64
            assert taps.first.shape == (o,)
            assert taps.weights.shape == (o, count)
            assert 1 <= count <= i
            assert (taps.first >= 0).all()
            assert (taps.first + count <= i).all()
            assert np.abs(taps.weights.sum(axis=1) - 1).max() < 1e-14


@pytest.mark.parametrize("convention", CONVENTIONS, ids=str)
def test_a_part_of_a_table_is_that_part(convention):
    for i, o in SIZES:
        whole = convention.taps(i, o)
        if whole is None:
            continue
        part = convention.taps(i, o, None, slice(o // 3, o // 2 + 1))
        expected = dense(whole, i)[o // 3 : o // 2 + 1]
        assert np.array_equal(dense(part, i), expected)


@pytest.mark.parametrize("convention", CONVENTIONS, ids=str)
def test_the_adjoint_is_the_transposed_matrix(convention):
    for i, o in SIZES:
        taps = convention.taps(i, o)
        if taps is None:
            continue
        back = tables.transposed(taps, i)
        count = back.weights.shape[1]
        assert (back.first >= 0).all()
        assert (back.first + count <= o).all()
        assert np.array_equal(dense(back, o), dense(taps, i).T)


@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners", "asymmetric"])
def test_lines_stay_lines_inside(coordinates):
    """Linear and cubic interpolation reproduce a ramp, at every position away from the border."""
    for kernel in ("linear", "cubic"):
        position = tables.positions(coordinates, 40, 61)
        inside = (position >= 2) & (position <= 37)
        taps = Convention(kernel, coordinates).taps(40, 61)
        ramp = dense(taps, 40) @ np.arange(40.0)
        # Keys' kernel does so for every a, but quadratics for a = -1/2 only.
        assert np.allclose(ramp[inside], position[inside], atol=0.1 if kernel == "cubic" else 1e-12)
    taps = Convention("cubic", coordinates, a=-0.5).taps(40, 61)
    square = dense(taps, 40) @ np.arange(40.0) ** 2
    assert np.allclose(square[inside], position[inside] ** 2, atol=1e-9)


def test_coverage_is_exact_to_the_last_bit():
    for i, o in SIZES:
        taps = tables.coverage_axis(i, o)
        for x, y in itertools.product(range(o), range(i)):
            covered = min(Fraction(y + 1), Fraction((x + 1) * i, o)) - max(
                Fraction(y), Fraction(x * i, o)
            )
            expected = float(max(covered, Fraction(0)) * Fraction(o, i))
            assert dense(taps, i)[x, y] == expected


def test_an_axis_of_the_same_size_is_copied():
    for kernel in ("linear", "cubic", "lanczos", "area", "coverage"):
        assert Convention(kernel).taps(7, 7) is None
    assert Convention("cubic").taps(7, 7, 1.1) is not None


def test_what_is_symmetric_stays_so():
    """A rule that knows no left and right gives a table that is its own mirror image."""
    for convention in CONVENTIONS:
        if convention.kernel in ("nearest", "box", "lanczos4", "area-linear"):
            continue
        if convention.coordinates in ("asymmetric", "tf_half_pixel_for_nn"):
            continue
        for i, o in SIZES:
            taps = convention.taps(i, o)
            if taps is not None and (o > 1 or convention.coordinates == "half_pixel"):
                matrix = dense(taps, i)
                assert np.abs(matrix - matrix[::-1, ::-1]).max() < 1e-12, (convention, i, o)
