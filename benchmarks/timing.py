"""Time several callables fairly: interleaved, in shuffled order, many rounds, one process."""

from __future__ import annotations

import gc
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

# A burst is at least this long (seconds), so that the clock's own cost and grain do not count.
BURST = 400e-6
# Calls shorter than this are preceded by one that is not timed: it brings the caches and the
# threads of its library back after the others' turn. Longer calls do not notice.
WARM_UP_BELOW = 20e-3
# Rounds below this say little about noise.
LEAST_ROUNDS = 5
MOST_ROUNDS = 200
# A peer this much slower than the fastest cannot be the best: a few rounds of it will do.
FAR_BEHIND = 4.0
# The threads of a library that has just run go on spinning, and would slow the next one down:
# wait until the process uses less than this share of a CPU, but no longer than this (seconds).
# `python -m benchmarks.timing` prints how long each library's do. On two cores of a Zen 5:
# ONNX Runtime's 31 and 33 ms at most and seldom, OpenVINO's 1.4 ms, the others' next to nothing.
# The longest wait is three times that.
QUIET = 0.2
LONGEST_WAIT = 100e-3


@dataclass(frozen=True)
class Timing:
    """Seconds a call."""

    minimum: float
    median: float
    rounds: int


def busy_elsewhere() -> float:
    """Return the CPU seconds that others have used since boot, stolen ones too; 0 if unknown."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    fields = [int(text) for text in stat.read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _, _, interrupts, soft, stolen = fields
    ticks = user + nice + system + interrupts + soft + stolen
    return ticks / os.sysconf("SC_CLK_TCK") - time.process_time()


def settle() -> float:
    """Wait until the threads of whoever ran last sleep; return the seconds that it took."""
    start = time.perf_counter()
    while True:
        busy, clock = time.process_time(), time.perf_counter()
        time.sleep(200e-6)
        now = time.perf_counter()
        if time.process_time() - busy < QUIET * (now - clock) or now - start > LONGEST_WAIT:
            return now - start


def burst(call: Callable[[], object], calls: int) -> float:
    """Return the seconds a call takes; each result is dropped before the next call."""
    again = repeat(None, calls)
    start = time.perf_counter()
    for _ in again:
        call()
    return (time.perf_counter() - start) / calls


def measure(
    contenders: dict[str, Callable[[], object]],
    seconds: float,
    threads: int,
    rng: random.Random,
    peers: set[str],
) -> tuple[dict[str, Timing], float]:
    """Time the contenders, all of them together for about this many seconds.

    Return every contender's timing, and how many CPUs other processes kept busy meanwhile. `peers`
    are those that may be dropped after a few rounds when they are far behind.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    calls: dict[str, int] = {}
    gc.collect()
    gc.disable()
    try:
        start, elsewhere = time.perf_counter(), busy_elsewhere()
        end = start + seconds
        for name, call in contenders.items():
            call()
            once = min(burst(call, 1) for _ in range(2))
            calls[name] = max(1, int(BURST / max(once, 1e-9)))
            times[name].append(burst(call, calls[name]))
            if threads > 1:
                settle()
        order = list(contenders)
        for done in range(1, MOST_ROUNDS):
            rng.shuffle(order)
            fastest = min((min(times[name]) for name in peers), default=0.0)
            for name in order:
                best = min(times[name])
                if name in peers and best > FAR_BEHIND * fastest and done >= LEAST_ROUNDS:
                    continue
                call = contenders[name]
                if best < WARM_UP_BELOW:
                    call()
                times[name].append(burst(call, calls[name]))
                if threads > 1:
                    settle()
            if time.perf_counter() > end and done + 1 >= LEAST_ROUNDS:
                break
        others = (busy_elsewhere() - elsewhere) / (time.perf_counter() - start)
    finally:
        gc.enable()
    timings = {
        name: Timing(min(values), sorted(values)[len(values) // 2], len(values))
        for name, values in times.items()
    }
    return timings, max(0.0, others)


def main() -> None:
    """Print how long each library's threads go on after a call on two of them."""
    from benchmarks import contenders, peers
    from benchmarks.cases import Convolution, Interpolate

    cases = [
        Convolution(name="convolution", group="spin", shape=(1, 64, 64, 64), channels=64, kernel=3,
                    transposed=False),
        Interpolate(name="bilinear", group="spin", shape=(1, 64, 64, 64), size=(128, 128),
                    mode="bilinear"),
    ]
    for case in cases:
        peers.set_threads(2, peers.PEERS)
        for name, make in contenders.offers(case, 2):
            try:
                contender = make()  # which holds what its call writes into
            except peers.LeftOut:
                continue
            contender.call()
            waited = []
            for _ in range(25):
                contender.call()
                waited.append(settle())
            median = sorted(waited)[len(waited) // 2]
            print(f"{case.name:12} {name:24} {median * 1e3:6.1f} ms, "
                  f"at most {max(waited) * 1e3:.1f}")


if __name__ == "__main__":
    main()
