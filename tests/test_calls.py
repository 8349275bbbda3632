"""What is remembered of earlier calls: bounded, and given up at once."""

import os
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import upshape as up
from upshape.calls import Calls, lock


def test_the_oldest_go_when_there_are_too_many():
    calls = Calls(most=3, most_bytes=1000)
    for number in range(5):
        calls.put(number, str(number), 1)
    assert [calls.get(number) for number in range(5)] == [None, None, "2", "3", "4"]
    assert len(calls) == 3
    assert calls.values() == ["2", "3", "4"]


def test_the_oldest_go_when_they_take_too_much():
    calls = Calls(most=100, most_bytes=100)
    for number in range(5):
        calls.put(number, number, 30)
        assert calls.nbytes <= 100
    assert calls.values() == [2, 3, 4]
    calls.put(5, 5, 50)  # two must go
    assert calls.values() == [4, 5]
    assert calls.nbytes == 80


def test_what_is_dropped_or_replaced_counts_no_more():
    calls = Calls(most=100, most_bytes=100)
    for _ in range(50):
        calls.put("same", 1, 40)
    assert calls.nbytes == 40
    calls.put("other", 2, 50)
    assert calls.nbytes == 90
    assert len(calls) == 2
    calls.clear()
    assert calls.nbytes == len(calls) == 0
    assert calls.get("same") is calls.latest is None


def test_what_would_take_more_than_half_of_all_room_is_not_kept():
    calls = Calls(most=100, most_bytes=100)
    calls.put(0, 0, 10)
    calls.put(1, 1, 51)
    assert calls.values() == [0]


def test_clear_cache_forgets_every_store_and_what_was_named():
    calls = Calls(most=3, most_bytes=1000)
    calls.put(0, 0, 1)
    calls.latest = 1
    up.clear_cache()
    assert len(calls) == 0
    assert calls.latest is None


@pytest.mark.parametrize("most_bytes", [50, 10**6])
def test_bounds_hold_with_many_threads(most_bytes):
    calls = Calls(most=7, most_bytes=most_bytes)

    def work(first):
        for number in range(first, first + 300):
            calls.put(number % 40, number, number % 9)
            calls.get(number % 13)
            if number % 50 == 0:
                calls.clear()

    workers = [threading.Thread(target=work, args=(100 * k,)) for k in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(calls) <= 7
    assert 0 <= calls.nbytes <= most_bytes
    calls.clear()
    assert calls.nbytes == 0


def test_clear_cache_while_layers_are_made():
    weight, failures, done = np.ones((1, 1, 1)), [], threading.Event()

    def make():
        while not done.is_set():
            for _ in range(20):
                up.Conv1d(weight)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    maker = threading.Thread(target=make)
    maker.start()
    end = time.monotonic() + 2
    try:
        while time.monotonic() < end and not failures:
            try:
                up.clear_cache()
            except RuntimeError as error:
                failures.append(error)
    finally:
        done.set()
        maker.join()
        sys.setswitchinterval(interval)
    assert not failures


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_while_another_thread_keeps_a_call_can_keep_its_own():
    """No child has a thread that could let go of what a thread held at that moment."""
    held, calls = threading.Event(), Calls(most=3, most_bytes=1000)

    def keep():
        with lock:
            held.set()
            time.sleep(0.3)

    keeper = threading.Thread(target=keep)
    keeper.start()
    held.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside a thread
        child = os.fork()
    if child == 0:
        signal.alarm(10)
        calls.put(0, 0, 1)
        up.clear_cache()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    keeper.join()
    assert status == 0
