"""Every public function on hostile arrays: right, the same bits every time, and nothing beside."""

import numpy as np
import pytest
from assertions import assert_same_pixels
from hostile import (
    KINDS,
    Canaries,
    Form,
    conv_transpose,
    draw,
    extent,
    lay,
    linear,
    run,
    small_work_wakes_threads,
)

from upshape import reference

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


# --- what is compared with, and what is noticed --------------------------------------------------


def is_tame(case):
    """Return whether all numbers are finite: a pixel beside infinity may be either of two."""
    return all(
        array.dtype.kind != "f" or np.isfinite(array).all() for array in case.values.values()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_with_one_wrong_pixel_is_noticed(kind):
    tried = 0
    for number in numbers(kind, 12):
        case = draw(number)
        if not is_tame(case):
            continue
        memory = Canaries(number)
        arrays = {key: lay(memory, key, case.values[key], form) for key, form in case.forms.items()}
        y = np.array(case.function(arrays, None))
        case.check(y, arrays)
        for at in {0, y.size // 2, y.size - 1}:
            wrong = np.ascontiguousarray(y.copy())
            # The highest bits: an exponent's, or half of a byte's range.
            wrong.reshape(-1).view(np.uint8).reshape(y.size, -1)[at, -1] ^= 0x40
            with pytest.raises(AssertionError):
                case.check(wrong, arrays)
            tried += 1
        with pytest.raises((AssertionError, ValueError)):
            case.check(y[..., None], arrays)
    assert tried >= 6


def test_a_write_beside_out_or_into_an_input_is_noticed():
    for out, spoilt in [(True, "before"), (True, "behind"), (True, "between"), (False, "itself")]:
        memory = Canaries(3)
        array = lay(memory, "x", np.zeros((1, 2, 3, 4), "f4"), Form((200, 100, 32, 8), 1), out)
        memory.check()
        around = memory._watched[0][1]
        first = array.ctypes.data - around.ctypes.data
        if out:
            array[...] = 7  # its own elements are free
            memory.check()
        at = {"before": first - 1, "behind": first + 100 + 64 + 24 + 4, "between": first + 5,
              "itself": first}[spoilt]  # fmt: skip
        around[at] ^= 1
        with pytest.raises(AssertionError, match="were written"):
            memory.check()


def test_the_definitions_here_are_those_of_the_reference():
    """Written anew, for speed and for infinities: once more the same, where all is finite."""
    rng = np.random.default_rng(8)
    for number in range(60):
        axes = int(rng.integers(1, 4))
        kernel, stride, dilation = (
            tuple(int(n) for n in rng.integers(1, 4, axes)) for _ in range(3)
        )
        x = rng.standard_normal((2, 4, *rng.integers(3, 7, axes)))
        weight = rng.standard_normal((4, 3, *kernel))
        extra = tuple(int(rng.integers(max(both))) for both in zip(stride, dilation, strict=True))
        padding = [((1, 1),) * axes, ((0, 2),) * axes, "same_upper", "same_lower"][number % 4]
        if isinstance(padding, str):
            extra = (0,) * axes
        parameters = {"stride": stride, "padding": padding, "dilation": dilation,
                      "output_padding": extra, "groups": 2}  # fmt: skip
        if not isinstance(padding, str) and min(
            (i - 1) * s - 2 + d * (k - 1) + 1 + a
            for i, s, d, k, a in zip(x.shape[2:], stride, dilation, kernel, extra, strict=True)
        ) < 1:
            continue
        np.testing.assert_allclose(
            conv_transpose(x, weight, parameters),
            reference.conv_transpose(x, weight, None, **parameters), rtol=1e-12, atol=1e-12,
        )
        x = rng.standard_normal((2, 3, 5, 6)).astype("f4")
        size, corners = tuple(int(n) for n in rng.integers(1, 12, 2)), bool(rng.integers(2))
        exact, bound, either = linear(x, size, (None, None), corners)
        np.testing.assert_allclose(
            exact, reference.bilinear(x, size=size, align_corners=corners), rtol=1e-12, atol=1e-12
        )
        assert (bound <= 1e-5).all()
        assert not either.any()
