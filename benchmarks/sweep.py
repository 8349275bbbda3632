"""Random shapes against every peer: is there one where something else is faster?"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks import report
from benchmarks.__main__ import PEERS, admitted, default_threads, thread_counts
from benchmarks.cases import Case
from benchmarks.machine import describe, hold_peers, keep_teams
from benchmarks.results import Result, geometric_mean, save
from benchmarks.run import run_case
from benchmarks.sweep_cases import KINDS

SECONDS = 0.25
# A case that seems lost is timed again, this much longer: many seem so for noise alone.
AGAIN = 6


def line(result: Result) -> str:
    best = result.best_peer()
    against = f"{best[0]} {report.duration(best[1])}" if best else "no peer"
    return (
        f"{report.ratio_text(result.ratio()) or '-'}  {result.case}, "
        f"{report.threads_text(result.threads)}: {report.duration(result.ours)}, {against}, "
        f"of limit {result.distance:.2f}"
    )


def run_one(
    case: Case, threads: int, seconds: float, rng: random.Random, peers: list[str]
) -> Result:
    result = run_case(case, threads, seconds, rng, peers)
    ratio = result.ratio()
    if ratio is not None and ratio < 1:
        result = run_case(case, threads, AGAIN * seconds, rng, peers)
    return result


def main(arguments: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    p.add_argument("--kind", choices=KINDS, default="interpolate")
    p.add_argument("--count", type=int, default=300)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--only", type=int, action="append", help="only the case of this number")
    p.add_argument("--filter", default="", help="only cases whose name has this text")
    p.add_argument("--threads", type=thread_counts, default=default_threads(), metavar="1,2")
    p.add_argument("--seconds", type=float, default=SECONDS)
    p.add_argument("--peers", help=f"of these only, comma-separated: {', '.join(PEERS)}; or none")
    p.add_argument("--json", type=Path, help="where the run is kept")
    options = p.parse_args(arguments)
    hold_peers()
    keep_teams()
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    peers = admitted(options.peers)
    rng, order = random.Random(options.seed), random.Random(options.seed)
    cases = [KINDS[options.kind](rng, number) for number in range(options.count)]
    if options.only:
        cases = [cases[number] for number in options.only]
    cases = [case for case in cases if options.filter in case.name]
    results: list[Result] = []
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(cases) * len(options.threads))
        for case in cases:
            for threads in options.threads:
                progress.update(task, description=f"{case.name}, {report.threads_text(threads)}")
                results.append(run_one(case, threads, options.seconds, order, peers))
                ratio = results[-1].ratio()
                if options.only or (ratio is not None and ratio < 1):
                    progress.console.print(line(results[-1]), highlight=False, markup=False)
                progress.advance(task)
    report_sweep(console, results)
    if options.json:
        run = {"seconds": options.seconds, "threads": options.threads, "seed": options.seed}
        save(options.json, describe(), run, results)
    return 1 if any(result.wrong for result in results) else 0


def report_sweep(console: Console, results: list[Result]) -> None:
    """Print the lost cases, worst first, and how the ratios spread."""
    console.print()
    for threads in sorted({r.threads for r in results}):
        rated = [(r.ratio(), r) for r in results if r.threads == threads and r.ratio() is not None]
        if not rated:
            continue
        rated.sort(key=lambda pair: pair[0])
        ratios = [ratio for ratio, _ in rated]
        lost = [r for ratio, r in rated if ratio < 1]
        console.print(
            f"{report.threads_text(threads)}: {len(rated)} cases, {len(lost)} below 1; worst "
            f"{ratios[0]:.2f}, tenth {ratios[len(ratios) // 10]:.2f}, median "
            f"{ratios[len(ratios) // 2]:.2f}, geometric mean {geometric_mean(ratios):.2f}",
            highlight=False, style="bold",
        )
        for result in lost:
            console.print("  " + line(result), highlight=False, markup=False)
    alone = sum(r.ratio() is None for r in results)
    if alone:
        console.print(f"{alone} without a peer", highlight=False)
    for text in report.left_out_lines(results):
        console.print(f"left out: {text}", highlight=False, markup=False)
    for r in results:
        if r.wrong:
            console.print(f"{r.case}: {r.wrong}", style="bold red", markup=False)


if __name__ == "__main__":
    sys.exit(main())
