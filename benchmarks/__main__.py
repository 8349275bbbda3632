"""Time the cases and say what came of it."""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks import report
from benchmarks.cases import Case, table
from benchmarks.machine import UNHELD, describe, held, hold_peers, keep_teams
from benchmarks.peers import PEERS, missing
from benchmarks.results import Result, load, resume, save
from benchmarks.run import left, run_case

SECONDS, QUICK_SECONDS = 6.0, 1.5
SEED = 2016


def thread_counts(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",")]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return counts


def default_threads() -> list[int]:
    """Return 1 and, where there are two CPUs to run on, 2."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [1, 2] if (usable or 1) > 1 else [1]


def parser() -> argparse.ArgumentParser:
    build = report.ROOT / "build"
    p = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    p.add_argument("--filter", action="append", metavar="REGEX",
                   help="cases whose group or name matches; may be repeated")
    p.add_argument("--goals", action="store_true", help="only the cases that have a goal")
    p.add_argument("--threads", type=thread_counts, default=default_threads(), metavar="1,2",
                   help="thread counts (default: 1 and, where there are two CPUs, 2)")
    p.add_argument("--quick", action="store_true",
                   help=f"{QUICK_SECONDS:g} seconds a case instead of {SECONDS:g}")
    p.add_argument("--seconds", type=float, help="seconds a case and thread count")
    p.add_argument("--peers", help=f"of these only, comma-separated: {', '.join(PEERS)}; or none")
    p.add_argument("--json", type=Path, default=build / "bench.json",
                   help="where the run is kept (default: %(default)s)")
    p.add_argument("--plot", type=Path, default=build / "bench.png",
                   help="where the picture goes (default: %(default)s)")
    p.add_argument("--resume", action="store_true",
                   help="go on with the kept run: time only what it lacks")
    p.add_argument("--load", type=Path, metavar="JSON", help="time nothing: show a kept run")
    p.add_argument("--readme", action="store_true", help="write the headline cases into README.md")
    p.add_argument("--docs", action="store_true", help="write table and pictures into docs/")
    p.add_argument("--list", action="store_true", help="list the cases and stop")
    return p


def choose(options: argparse.Namespace) -> list[Case]:
    patterns = [re.compile(text) for text in options.filter or [""]]
    chosen = [
        case for case in table()
        if any(p.search(case.name) or p.search(case.group) for p in patterns)
        and (case.goal is not None or not options.goals)
    ]
    if not chosen:
        raise SystemExit(f"no case matches {options.filter}; --list lists them")
    return chosen


def admitted(text: str | None) -> list[str]:
    """Return the peers that take part: those named, else all that can be held as upshape is."""
    all_of_them = [peer for peer in PEERS if not (held() and peer in UNHELD)]
    wanted = all_of_them if text is None else [] if text == "none" else text.split(",")
    for peer in wanted:
        if peer not in PEERS:
            raise SystemExit(f"--peers: no peer {peer!r}; there are {', '.join(PEERS)}")
    return wanted


def run_all(
    console: Console, cases: list[Case], options: argparse.Namespace
) -> tuple[dict, dict, list[Result]]:
    """Time the cases; what is done is kept at once, so that a run that ends early is not lost."""
    peers = admitted(options.peers)
    for peer in peers:
        if lacks := missing(peer):
            console.print(f"{peer}: not installed ({lacks}); left out", style="yellow")
    machine = describe()
    run = {"seconds": options.seconds, "threads": options.threads, "seed": SEED}
    results: list[Result] = []
    if options.resume and options.json.exists():
        machine, results = resume(options.json, machine, run)
    order = {case.name: number for number, case in enumerate(table())}
    to_do = left(cases, options.threads, results)
    rng = random.Random(SEED)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(to_do))
        for case, threads in to_do:
            progress.update(task, description=f"{case.name}, {report.threads_text(threads)}")
            result = run_case(case, threads, options.seconds, rng, peers)
            results.append(result)
            results.sort(key=lambda result: (order[result.case], result.threads))
            save(options.json, machine, run, results)
            best = result.best_peer()
            against = f"{best[0]} {best[1] / result.ours:.2f}" if best else "no peer"
            progress.console.print(
                f"{case.name}, {report.threads_text(threads)}: "
                f"{report.duration(result.ours)}, {against}, of limit {result.distance:.2f}",
                style="dim", highlight=False, markup=False,
            )
            progress.advance(task)
    return machine, run, results


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    hold_peers()
    keep_teams()
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    if options.seconds is None:
        options.seconds = QUICK_SECONDS if options.quick else SECONDS
    if options.load:
        machine, run, results = load(options.load)
    else:
        cases = choose(options)
        if options.list:
            for case in cases:
                console.print(f"{case.group}: {case.name}", highlight=False, markup=False)
            return 0
        machine, run, results = run_all(console, cases, options)
    report.print_run(console, machine, run, results)
    report.draw(results, options.plot)
    if options.readme or options.docs:
        report.require_headlines(results, {case.name for case in table() if case.headline})
        if options.readme:
            report.write_readme(machine, run, results)
        if options.docs:
            report.write_docs(machine, run, results)
    console.print(f"\nkept: {options.load or options.json}, {options.plot}", highlight=False)
    return 1 if any(result.wrong for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
