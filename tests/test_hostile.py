"""Every public function on hostile arrays: right, the same bits every time, and nothing beside."""

import numpy as np
import pytest
from assertions import assert_same_pixels
from hostile import KINDS, Canaries, Form, draw, extent, lay, run, small_work_wakes_threads

CASES = 36  # of each kind


def numbers(kind, count=CASES):
    first = list(KINDS).index(kind)
    return range(first, first + count * len(KINDS), len(KINDS))


# The convolutions never write past the cache.
KEPT = [(kind, False) for kind in KINDS]
STREAMED = [(kind, True) for kind in KINDS if "onv" not in kind]


@pytest.mark.parametrize(("kind", "streamed"), KEPT + STREAMED)
def test_hostile_arrays_are_computed_as_what_they_are(kind, streamed):
    with small_work_wakes_threads(streamed):
        for number in numbers(kind):
            try:
                run(number, Canaries, threads=(1, 2, 7))
            except Exception as error:
                again = f"python -m tests.fuzz --one {number}{' --streamed' * streamed}"
                raise AssertionError(f"{draw(number).text}\nagain: {again}") from error


# --- the generator itself ------------------------------------------------------------------------


def kinds_of(form, shape, dtype, out):
    """Name what is hostile about an array."""
    item = dtype.itemsize
    longer = [(n, s) for n, s in zip(shape, form.strides, strict=True) if n > 1]
    found = {
        "misaligned": form.odd % item != 0 and item > 1,
        "backwards": any(s < 0 for _, s in longer),
        "fields of packed records": any(s % item for _, s in longer),
        "an odd step along an axis of length 1": any(
            n == 1 and s % item for n, s in zip(shape, form.strides, strict=True)
        ),
    }
    if not out:
        found |= {
            "broadcast": any(s == 0 for _, s in longer),
            "swapped": form.swapped,
            "read-only": form.read_only,
        }
    if len(shape) > 2:
        steps = [abs(s) for _, s in longer]
        found |= {
            "channels innermost": shape[1] > 1 and abs(form.strides[1]) == min(steps),
            "Fortran": len(steps) > 2 and steps == sorted(steps),
            "gaps": bool(steps) and sum((n - 1) * abs(s) for n, s in longer) + item
            > item * np.prod([n for n, _ in longer]),
        }
    return {name for name, there in found.items() if there}


def test_every_argument_meets_every_kind_of_hostile_array():
    """Each at least a few times among the cases above, else they prove less than they say."""
    seen = {}
    for kind in KINDS:
        for number in numbers(kind):
            case = draw(number)
            given = [("out", case.out, case.shape, next(iter(case.values.values())).dtype)]
            given += [(name.split("[")[0], form, case.values[name].shape, case.values[name].dtype)
                      for name, form in case.forms.items()]  # fmt: skip
            for name, form, shape, dtype in given:
                if form is not None:
                    for what in kinds_of(form, shape, dtype, name == "out"):
                        seen[name, what] = seen.get((name, what), 0) + 1
    everything = {"misaligned", "backwards", "fields of packed records"}
    inputs = {"broadcast", "swapped", "read-only"}
    whole = {"channels innermost", "Fortran", "gaps", "an odd step along an axis of length 1"}
    for name, wanted in {
        "x": everything | inputs | whole, "features": everything | inputs | whole,
        "weight": everything | inputs | whole, "bias": everything | inputs,
        "out": everything | whole,
    }.items():
        for what in wanted:
            assert seen.get((name, what), 0) >= 4, f"{name} is hardly ever: {what}"


def test_a_case_is_the_same_in_every_run():
    for number in range(40):
        one, other = draw(number), draw(number)
        assert one.text == other.text
        for name in one.values:
            assert_same_pixels(one.values[name], other.values[name])


def test_an_array_is_laid_as_its_form_says():
    values = np.arange(24, dtype="f4").reshape(1, 2, 3, 4)
    form = Form((7, -48, 4, 12), odd=3, swapped=True, read_only=True)
    array = lay(Canaries(0), "x", values, form)
    assert array.strides == form.strides
    assert array.ctypes.data % 64 == 3
    assert array.dtype == ">f4"
    assert not array.flags.writeable
    assert np.array_equal(array, values)
    assert extent(values.shape, form.strides, 4) == (-48, 4 + 8 + 36)
