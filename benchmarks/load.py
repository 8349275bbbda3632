"""How long calls take on a machine whose CPUs other processes keep busy, and on an idle one.

    python -m benchmarks.load                      # beside an endless loop a CPU
    python -m benchmarks.load --docs               # and write docs/load.inc
    python -m benchmarks.load --idle               # without: what timing every loop costs
    python -m benchmarks.load --idle --against DIR # and against another build of upshape

Every contender has a process of its own, and they take turns: a library's threads that still spin
would slow down the next one. Calls are about as long as asked for on one thread of upshape.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Case, Convolution, Interpolate

ROOT = Path(__file__).resolve().parents[1]
TARGETS = (100e-6, 1e-3, 5e-3)
SEED = 2016
# Upshape with a thread a CPU, first; the bars that it is held against.
OURS, ALONE, ONNX = "upshape", "upshape, one thread", "onnxruntime"
OFF = "upshape, not adaptive"


# --- what is computed -----------------------------------------------------------------------------


def interpolation(channels: int) -> Case:
    return Interpolate(
        name=f"bilinear {channels}x64x64 2x", group="", shape=(1, channels, 64, 64), scale=2,
        mode="bilinear",
    )


def transposed(channels: int) -> Case:
    return Convolution(
        name=f"conv_transpose2d {channels}x28x28, k4 s2, to {channels // 2} channels", group="",
        shape=(1, channels, 28, 28), channels=channels // 2, kernel=4, stride=2, padding=1,
    )


def least(call: Callable[[], object], calls: int = 15) -> float:
    call()
    best = float("inf")
    for _ in range(calls):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def ours(case: Case) -> Callable[[], object]:
    """Return the call that is judged: the layer, of a convolution."""
    from benchmarks.contenders import offers

    return next(make for name, make in offers(case, 1) if name == case.judged)().call


def of_length(make: Callable[[int], Case], seconds: float) -> Case:
    """Return the case whose call on one thread comes nearest to so many seconds."""
    import upshape as up

    before = up.get_num_threads()
    up.set_num_threads(1)
    try:
        sizes = [8 * k for k in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)]
        found: dict[int, float] = {}
        for channels in sizes:
            found[channels] = least(ours(make(channels)))
            if found[channels] > 2 * seconds:
                break
    finally:
        up.set_num_threads(before)
    return make(min(found, key=lambda channels: abs(np.log(found[channels] / seconds))))


# --- a contender's own process --------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """Who computes, on how many threads, with which build and environment."""

    name: str
    library: str
    threads: int
    path: str = str(ROOT)
    adaptive: bool = True


def prepare(library: str, case: Case, threads: int) -> Callable[[], object]:
    from benchmarks.contenders import offers
    from benchmarks.peers import set_threads

    wanted = case.judged if library == "upshape" else library
    set_threads(threads, {library})
    return next(make for name, make in offers(case, threads) if name == wanted)().call


def times_of(call: Callable[[], object], seconds: float) -> list[float]:
    times = []
    now = time.perf_counter()
    end = now + seconds
    while now < end:
        before = now
        call()
        now = time.perf_counter()
        times.append(now - before)
    return times


def work(library: str, threads: int) -> None:
    """Obey the lines of standard input: a case to prepare, or a turn to take."""
    from benchmarks.peers import inference

    call: Callable[[], object] = lambda: None  # noqa: E731
    with inference({library}):
        for line in sys.stdin:
            order = json.loads(line)
            answer: Any = None
            if "kind" in order:
                make = {"interpolation": interpolation, "transposed": transposed}[order["kind"]]
                call = prepare(library, make(order["channels"]), threads)
                call()
            else:
                if order["adaptive"] is not None:
                    from upshape import _machine

                    _machine.set_adaptive(order["adaptive"])
                answer = times_of(call, order["seconds"])
            print(json.dumps(answer), flush=True)


class Worker:
    """A contender's process, asleep unless it is its turn."""

    def __init__(self, entry: Entry):
        environment = os.environ | {"UPSHAPE_ADAPT_THREADS": str(int(entry.adaptive))}
        # Upshape from the entry's folder, these benchmarks from this one.
        code = (
            f"import sys; sys.path.insert(0, {entry.path!r}); import upshape; "
            f"sys.path.insert(0, {str(ROOT)!r}); from benchmarks.load import work; "
            f"work({entry.library!r}, {entry.threads})"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )

    def ask(self, **order: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("a contender's process has ended")
        return json.loads(answer)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def workers(entries: list[Entry]) -> Iterator[dict[str, Worker]]:
    started: dict[str, Worker] = {}
    try:
        for entry in entries:
            started[entry.name] = Worker(entry)
        yield started
    finally:
        for worker in started.values():
            worker.close()


@contextlib.contextmanager
def endless_loops(count: int) -> Iterator[None]:
    command = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


# --- busy -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One contender's calls of one case, in seconds."""

    case: str
    contender: str
    calls: int
    median: float
    most: float  # of 99 in 100 calls
    longest: float


def row(case: str, contender: str, times: list[float]) -> Row:
    median, most = np.percentile(times, [50, 99])
    return Row(case, contender, len(times), float(median), float(most), max(times))


def take_turns(
    started: dict[str, Worker], case: Case, kind: str, seconds: float, turn: float
) -> list[Row]:
    """Let each contender compute for about so many seconds in all, in turns."""
    times: dict[str, list[float]] = {name: [] for name in started}
    for worker in started.values():
        worker.ask(kind=kind, channels=case.shape[1])
    rng = random.Random(SEED)
    order = list(started)
    for _ in range(max(1, round(seconds / turn))):
        rng.shuffle(order)
        for name in order:
            times[name] += started[name].ask(seconds=turn, adaptive=None)
    return [row(case.name, name, values) for name, values in times.items()]


def cases() -> list[tuple[str, Case]]:
    kinds = {"interpolation": interpolation, "transposed": transposed}
    return [
        (kind, of_length(make, seconds)) for kind, make in kinds.items() for seconds in TARGETS
    ]


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}" if seconds < 0.0995 else f"{seconds * 1e3:.0f}"


def verdict(rows: dict[str, Row]) -> str:
    """Hold upshape against the aims: its median and its 99th percentile."""
    if not {OURS, ALONE, ONNX} <= set(rows):
        return ""
    mine, alone, peer = rows[OURS], rows[ALONE], rows[ONNX]
    bar = min(alone.median, peer.median)
    words = [
        f"median {mine.median / bar:.2f} times the better of one thread and {ONNX} (aim: 2)",
        f"99 % {mine.most / peer.most:.2f} times {ONNX}'s (aim: 1)",
    ]
    met = mine.median <= 2 * bar and mine.most <= peer.most
    return f"  {'met' if met else 'MISSED'}: {', '.join(words)}"


def busy(
    threads: int, loops: int, seconds: float, turn: float
) -> tuple[list[Row], list[float]]:
    """Time every case beside so many loops; return the rows, and the load averages meanwhile."""
    entries = [
        Entry(OURS, "upshape", threads), Entry(ALONE, "upshape", 1),
        Entry(OFF, "upshape", threads, adaptive=False),
        Entry(ONNX, "onnxruntime", threads), Entry("torch", "torch", threads),
    ]
    chosen = cases()
    found: list[Row] = []
    loads: list[float] = []
    with workers(entries) as started, endless_loops(loops):
        time.sleep(0.5)
        for kind, case in chosen:
            rows = take_turns(started, case, kind, seconds, turn)
            loads.append(os.getloadavg()[0])
            print(f"{case.name}   (load {loads[-1]:.1f})")
            for r in rows:
                print(f"  {r.contender:24} median {ms(r.median):>8}   99 % {ms(r.most):>8}   "
                      f"longest {ms(r.longest):>8} ms   {r.calls} calls")
            print(verdict({r.contender: r for r in rows}), flush=True)
            found += rows
    return found, loads


def write_docs(
    rows: list[Row], threads: int, loops: int, loads: list[float], folder: Path = ROOT / "docs"
) -> None:
    """Write what docs/speed.rst includes."""
    from benchmarks.machine import describe
    from benchmarks.report import csv_table, machine_lines

    names = list(dict.fromkeys(r.contender for r in rows))
    by_case: dict[str, dict[str, Row]] = {}
    for r in rows:
        by_case.setdefault(r.case, {})[r.contender] = r
    table = [
        [case, *(f"{ms(found[n].median)} / {ms(found[n].most)}" for n in names)]
        for case, found in by_case.items()
    ]
    machine = describe()
    described = ". ".join(machine_lines(machine, {"seconds": 0})[:-1])
    lines = [
        ".. Written by: python -m benchmarks.load --docs", "",
        *csv_table(["case", *names], table, "Milliseconds, median / 99 %"),
        f"{threads} threads but where one is named, beside {loops} endless loops; the system's "
        f"load average was {min(loads):.0f} to {max(loads):.0f}. {described}. "
        f"{machine['date']}.", "",
    ]
    (folder / "load.inc").write_text("\n".join(lines))


# --- idle -----------------------------------------------------------------------------------------


def idle(threads: int, seconds: float, turn: float, against: str | None) -> None:
    """Print what the decisions cost where nothing else runs: on against off, new against old."""
    entries = [Entry(OURS, "upshape", threads)]
    if against:
        entries.append(Entry("the other build", "upshape", threads, path=str(Path(against))))
    rng = random.Random(SEED)
    print(f"{threads} threads; times of a call in us: least, median of the turns' medians; "
          "ratios are to the first")
    chosen = cases()
    with workers(entries) as started:
        for kind, case in chosen:
            for worker in started.values():
                worker.ask(kind=kind, channels=case.shape[1])
            variants: dict[str, tuple[Worker, bool | None]] = {
                OURS: (started[OURS], True), OFF: (started[OURS], False),
            }
            if against:
                variants["the other build"] = (started["the other build"], None)
            least_of: dict[str, list[float]] = {name: [] for name in variants}
            median_of: dict[str, list[float]] = {name: [] for name in variants}
            order = list(variants)
            for _ in range(max(3, round(seconds / turn))):
                rng.shuffle(order)
                for name in order:
                    worker, adaptive = variants[name]
                    times = worker.ask(seconds=turn, adaptive=adaptive)
                    least_of[name].append(min(times))
                    median_of[name].append(float(np.median(times)))
            print(f"{case.name}   (load {os.getloadavg()[0]:.1f})")
            first = (min(least_of[OURS]), float(np.median(median_of[OURS])))
            for name in variants:
                own = (min(least_of[name]), float(np.median(median_of[name])))
                print(f"  {name:24} {own[0] * 1e6:9.1f} {own[1] * 1e6:9.1f}   "
                      f"ratio {own[0] / first[0]:.3f} {own[1] / first[1]:.3f}", flush=True)


def main() -> None:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    p = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", type=int, default=max(2, cpus))
    p.add_argument("--loops", type=int, default=cpus, help="endless loops beside the calls")
    p.add_argument("--seconds", type=float, default=6, help="of each contender and case")
    p.add_argument("--turn", type=float, help="seconds of a turn")
    p.add_argument("--idle", action="store_true", help="no loops; the decisions on and off")
    p.add_argument("--against", metavar="DIR", help="another build of upshape, for --idle")
    p.add_argument("--docs", action="store_true", help="write docs/load.inc")
    args = p.parse_args()
    if args.idle:
        idle(args.threads, args.seconds, args.turn or 0.05, args.against)
    else:
        rows, loads = busy(args.threads, args.loops, args.seconds, args.turn or 0.5)
        if args.docs:
            write_docs(rows, args.threads, args.loops, loads)


if __name__ == "__main__":
    main()
