"""How many threads a call gets: beside busy processes, and where threads cannot be had."""

import contextlib
import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import upshape as up
from upshape import _machine

US, MS, S = 10**3, 10**6, 10**9

openmp = pytest.mark.skipif(
    not _machine.build()["openmp"], reason="this build has no OpenMP: one thread"
)


@pytest.fixture
def fresh():
    """Begin and end with whole teams, and leave the number of threads as it was."""
    before, adaptive = up.get_num_threads(), _machine.team_info()["adaptive"]
    _machine.set_adaptive(True)
    yield
    _machine.set_adaptive(adaptive)
    up.set_num_threads(before)


class Clock:
    """Calls of 0.1 ms on one thread, one after another, at a time of their own."""

    def __init__(self):
        self.now, self.shares = S, 2

    def call(self, took=None, share=None, shares=None, idle=0, meanwhile=None):
        """Return the threads that a call gets; it takes `took` if it gets all of them."""
        shares = shares or self.shares
        share = share or 100 * US // shares
        took = took or share + 5 * US
        threads = _machine.rehearse(shares, self.now, share, took, meanwhile)
        self.now += idle + (took if threads == shares else share * shares)
        return threads

    def calls_until(self, threads, most=200_000, **call):
        """Return after how many calls one gets so many threads."""
        for count in range(1, most + 1):
            if self.call(**call) == threads:
                return count
        raise AssertionError(f"{most} calls, and none on {threads} threads")


# --- the decisions, on a clock that the test sets -------------------------------------------------


@pytest.fixture
def clock(fresh):
    return Clock()


def test_threads_that_come_in_time_are_kept(clock):
    assert {clock.call() for _ in range(10_000)} == {2}


def test_waking_threads_is_no_loss(clock):
    assert {clock.call(took=300 * US, idle=S) for _ in range(1000)} == {2}


def test_an_interruption_now_and_then_is_forgiven(clock):
    for _ in range(50):
        assert clock.call(took=2 * MS) == 2
        assert {clock.call() for _ in range(100)} == {2}


def test_uneven_shares_are_no_loss(clock):
    # The first share is the smallest: three pieces of work for two threads.
    assert {clock.call(took=20 * MS, share=10 * MS) for _ in range(1000)} == {2}


def test_a_long_call_beside_others_keeps_its_threads(clock):
    assert {clock.call(took=130 * MS, share=50 * MS) for _ in range(100)} == {2}


def test_one_long_wait_halves_the_team_and_few_calls_bring_it_back(clock):
    assert clock.call(took=3 * MS) == 2
    assert clock.call() == 1
    before = clock.now
    clock.calls_until(2)
    assert clock.now - before <= 30 * MS
    assert {clock.call() for _ in range(1000)} == {2}


def test_long_calls_are_halved_no_longer_than_the_wait_is_worth(clock):
    # 14 ms on one thread; the wait was 5 ms, and 32 calls on one thread would lose 224.
    assert clock.call(took=26 * MS, share=7 * MS) == 2
    assert clock.calls_until(2, share=7 * MS, idle=100 * MS) <= 8


def test_many_short_waits_add_up(clock):
    assert clock.calls_until(1, took=600 * US) <= 8


def test_a_long_calm_buys_no_long_waits(clock):
    for _ in range(10_000):
        clock.call()
    assert clock.call(took=3 * MS) == 2
    assert clock.call() == 1


def test_after_a_pause_there_is_no_credit(clock):
    clock.call(took=18 * MS)
    clock.calls_until(2)
    assert clock.call(took=2 * MS) == 2
    assert clock.call() == 1


def test_calls_with_pauses_between_them_are_counted(clock):
    clock.call(took=18 * MS)
    assert clock.calls_until(2, idle=100 * MS) >= 32


def test_one_team_at_a_time_sees_whether_it_is_calm(clock):
    clock.call(took=18 * MS)
    others = []
    while clock.call(meanwhile=lambda: others.append(clock.call())) == 1:
        others.clear()
    assert others == [1]
    assert clock.call() == 2


def test_teams_that_set_out_before_a_pause_do_not_make_it_longer(clock):
    def nested(depth):
        return None if depth == 0 else lambda: clock.call(
            took=18 * MS, meanwhile=nested(depth - 1))  # fmt: skip

    pauses = _machine.team_info()["pauses"]
    nested(8)()
    assert _machine.team_info()["pauses"] == pauses + 1
    assert clock.calls_until(2) < 2000


@pytest.mark.parametrize("work", [100 * US, MS, 5 * MS])
def test_on_a_busy_machine_few_calls_are_late(clock, work):
    got = [clock.call(took=work + 18 * MS, share=work // 2) for _ in range(3000)]
    assert got.count(2) <= 6
    assert got[-1000:].count(2) <= 1


def test_waits_cost_little_of_the_time_on_a_busy_machine(clock):
    start = clock.now
    late = sum(18 * MS * (clock.call(took=18 * MS) == 2) for _ in range(300_000))
    assert late < 0.05 * (clock.now - start)


def test_rare_calls_are_tried_again_after_ten_seconds(clock):
    for _ in range(8):
        clock.calls_until(2, took=50 * MS)
    assert clock.call() == 1
    assert clock.calls_until(2, idle=S) <= 12


def test_a_calm_second_makes_the_next_pause_a_short_one(clock):
    for _ in range(4):
        clock.calls_until(2, took=18 * MS)
    clock.calls_until(2)
    for _ in range(30_000):
        clock.call()
    assert clock.call(took=18 * MS) == 2
    assert clock.calls_until(2) < 2000


def test_large_teams_are_halved_step_by_step(clock):
    clock.shares = 16
    sizes = []
    for _ in range(40):
        threads = clock.call(took=30 * MS)
        assert threads in (16, 8)  # what was halved is in time: rehearse says so
        sizes.append(threads)
    assert sizes[:3] == [16, 8, 8]


def test_what_a_halved_team_gains_does_not_pay_for_failed_tries(clock):
    clock.shares = 16
    clock.call(took=30 * MS)
    for _ in range(3):
        clock.calls_until(16, took=MS)
        assert clock.call() == 8


def test_smaller_calls_than_the_halved_team_are_not_touched(clock):
    clock.shares = 16
    assert clock.call(took=30 * MS) == 16
    assert clock.call() == 8
    assert clock.call(shares=4) == 4


def test_it_can_be_turned_off(clock):
    _machine.set_adaptive(False)
    assert {clock.call(took=50 * MS) for _ in range(100)} == {2}


# --- results --------------------------------------------------------------------------------------


def calls():
    """Return calls that use every kernel, each large enough for several threads."""
    rng = np.random.default_rng(7)
    x = rng.random((2, 24, 40, 40), np.float32)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    weight = rng.random((24, 12, 4, 4), np.float32)
    kernel = rng.random((16, 24, 3, 3), np.float32)
    alone = rng.random((24, 1, 3, 3), np.float32)
    volume = rng.random((2, 16, 12, 14, 20), np.float32)
    cubes = rng.random((16, 16, 3, 3, 3), np.float32)
    return {
        "nearest": lambda: up.interpolate(x, scale_factor=3),
        "bilinear": lambda: up.interpolate(x, scale_factor=3, mode="bilinear"),
        "bilinear, channels last": lambda: up.interpolate(last, scale_factor=3, mode="bilinear"),
        "conv_transpose2d": lambda: up.conv_transpose2d(x, weight, stride=2, padding=1),
        "conv2d": lambda: up.conv2d(x, kernel, padding=1),
        "depthwise": lambda: up.conv2d(x, alone, padding=1, groups=24),
        "conv_transpose3d": lambda: up.conv_transpose3d(volume, cubes, stride=2, padding=1),
        "conv3d": lambda: up.conv3d(volume, cubes, padding=1),
        "upsample_concat": lambda: up.upsample_concat([x, x[:, :, ::2, ::2]]),
    }


@openmp
@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("name", calls())
def test_halved_teams_give_the_same_bits(name):
    call = calls()[name]
    for threads in (2, 7, 16):
        up.set_num_threads(threads)
        _machine.set_adaptive(False)
        expected = call()
        _machine.set_adaptive(True)
        size = threads
        while size > 1:
            np.testing.assert_array_equal(call(), expected)
            _machine.rehearse(size, time.monotonic_ns(), US, 10 * S)
            size = (size + 1) // 2
            assert _machine.team_info()["allowed"] <= size
        np.testing.assert_array_equal(call(), expected)


# --- a busy machine -------------------------------------------------------------------------------


@contextlib.contextmanager
def busy_processes(count):
    """Keep so many CPUs busy with endless loops."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@openmp
@pytest.mark.usefixtures("fresh")
def test_beside_busy_processes_calls_soon_take_one_thread():
    x = np.ones((1, 64, 64, 64), np.float32)
    up.set_num_threads(max(2, os.cpu_count()))
    before = _machine.team_info()
    single = total = 0
    with busy_processes(2 * os.cpu_count()):
        end = time.monotonic() + 20
        while time.monotonic() < end and single < 100:
            up.interpolate(x, scale_factor=2, mode="bilinear")
            single += _machine.team_info()["allowed"] is not None
            total += 1
    after = _machine.team_info()
    assert after["pauses"] > before["pauses"], f"{total} calls, none of them late"
    assert single >= 100


@openmp
def test_the_environment_turns_it_off():
    code = "import upshape as up; up.show_config()"
    assert "never halved" in run_python(code, UPSHAPE_ADAPT_THREADS="0").stdout
    assert "halved 0 times" in run_python(code, UPSHAPE_ADAPT_THREADS="1").stdout
    assert "halved 0 times" in run_python(code, UPSHAPE_ADAPT_THREADS="").stdout


@pytest.mark.parametrize("text", ["2", "yes", "-1"])
def test_a_bad_switch_is_refused_by_name(text):
    result = run_python("import upshape", UPSHAPE_ADAPT_THREADS=text)
    assert result.returncode != 0
    assert f"UPSHAPE_ADAPT_THREADS='{text}' must be" in result.stderr


# --- threads that cannot be had -------------------------------------------------------------------


def run_python(code, **environment):
    """Run a program with these variables; None: without one."""
    variables = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True, text=True, timeout=120, check=False,
    )


CALLS = """
import resource, sys, threading
import numpy as np, upshape as up
from numpy.testing import assert_array_equal
from upshape import _machine

x = np.arange(64 * 56 * 56, dtype=np.float32).reshape(1, 64, 56, 56)
weight = np.ones((64, 8, 4, 4), np.float32)

def results():
    return (up.interpolate(x, scale_factor=2), up.interpolate(x, scale_factor=2, mode="bilinear"),
            up.conv_transpose2d(x, weight, stride=2, padding=1))

def assert_right():
    for result, right in zip(results(), expected, strict=True):
        assert_array_equal(result, right)

up.set_num_threads(1)
expected = results()
"""


@openmp
@pytest.mark.skipif(
    "clang" in _machine.build()["compiler"].lower(),
    reason="LLVM's OpenMP takes memory beyond a thread's stack, which nobody can ask it for first",
)
@pytest.mark.skipif(sys.platform != "linux", reason="address space is bounded on Linux only")
@pytest.mark.parametrize("stack", [None, "64M", "1G"])
@pytest.mark.parametrize("room", [8 << 20, 100 << 20, 1 << 30])
def test_threads_that_find_no_memory_are_done_without(room, stack):
    code = CALLS + f"""
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + {room}, -1))
for threads in (2, 1024, 7, 1024):
    up.set_num_threads(threads)
    assert up.get_num_threads() == threads
    try:
        assert_right()
    except MemoryError:
        pass
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
assert_right()
print("done")
"""
    result = run_python(code, OMP_STACKSIZE=stack, UPSHAPE_ADAPT_THREADS="0")
    assert result.stdout == "done\n", result.stderr
    assert result.returncode == 0


@openmp
@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts threads as processes")
def test_threads_beyond_the_users_limit_are_done_without():
    code = CALLS + """
import os
if os.geteuid() == 0:
    os.setuid(54321)  # the limit does not hold for root
resource.setrlimit(resource.RLIMIT_NPROC, (4, 4))
up.set_num_threads(16)
workers = [threading.Thread(target=assert_right) for _ in range(2)]
for worker in workers:
    worker.start()
assert_right()
for worker in workers:
    worker.join()
assert _machine.team_info()["startable"] < 16
print("done")
"""
    result = run_python(code, UPSHAPE_ADAPT_THREADS="0")
    assert result.stdout == "done\n", result.stderr
    assert result.returncode == 0
    assert "Error" not in result.stderr


def test_a_call_is_cut_into_few_shares_whatever_is_asked_for(fresh):
    up.set_num_threads(1024)
    assert up.get_num_threads() == (1024 if _machine.build()["openmp"] else 1)
    assert _machine.threads() <= max(16, 4 * os.cpu_count())
