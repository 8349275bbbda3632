"""A short search with failing allocations, and that the search sees what it looks for."""

import sys

import numpy as np
import pytest
from inject import COMPILER, Kind, once, search

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the preloaded library is written for glibc"
)
compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")


@linux
@compiler
def test_calls_give_their_result_or_raise_and_leave_out_alone():
    found = search(every=8)
    assert found.wrong == []
    assert found.came["MemoryError"] > 100
    # NumPy and CPython raise a few of other names.
    assert found.came["MemoryError"] > 0.8 * (found.came.total() - found.came["result"])


class Failing:
    """Says that an allocation has failed, whatever happens."""

    def arm(self, number):
        self.armed = number

    def disarm(self):
        return -self.armed


class NotFailing(Failing):
    """Says that none has failed."""

    def disarm(self):
        return self.armed


RIGHT = np.arange(6.0)


def right(out=None):
    if out is None:
        return RIGHT.copy()
    out[...] = RIGHT
    return out


def wrong(out=None):
    return right() + 1 if out is None else np.add(right(), 1, out=out)


def write_and_raise(out=None):
    right(out=out)
    raise MemoryError


def only_raise(out=None):
    raise MemoryError


@pytest.mark.parametrize(("call", "faults", "out", "finding"), [
    (right, NotFailing(), False, None),
    (right, Failing(), True, None),
    (only_raise, Failing(), True, None),
    (only_raise, NotFailing(), True, "MemoryError without a fault"),
    (wrong, Failing(), False, "the result is wrong"),
    (wrong, Failing(), True, "the result is wrong"),
    (write_and_raise, Failing(), True, "MemoryError, and out was written"),
])
def test_the_search_sees_what_is_wrong(call, faults, out, finding):
    target = np.empty_like(RIGHT) if out else None
    _, _, found = once(Kind(call), 1, True, target, RIGHT.tobytes(), faults)
    assert found == finding
