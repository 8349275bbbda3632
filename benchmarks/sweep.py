"""Random shapes against every peer: is there one where something else is faster?"""

from __future__ import annotations

import argparse
import math
import random
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks import report
from benchmarks.__main__ import PEERS, admitted, default_threads, thread_counts
from benchmarks.cases import Case, Convolution, Interpolate, describe, spatial
from benchmarks.machine import describe as describe_machine
from benchmarks.results import Result, geometric_mean, save
from benchmarks.run import run_case

SECONDS = 0.25
# A case that seems lost is timed again, this much longer: many seem so for noise alone.
AGAIN = 6
MOST_RESULT_BYTES = 64 << 20
MOST_FLOPS = 4e9

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def between(rng: random.Random, low: int, high: int) -> int:
    """Return an int, small ones as likely as large ones: uniform in the logarithm."""
    return round(math.exp(rng.uniform(math.log(low), math.log(high))))


def often(rng: random.Random, choices: dict) -> object:
    """Choose a key, its value being its weight."""
    return rng.choices(list(choices), list(choices.values()))[0]


def random_interpolation(rng: random.Random, number: int) -> Interpolate:
    while True:
        rank = often(rng, {2: 17, 1: 2, 3: 1})
        shape = (
            often(rng, {1: 8, 2: 1, 16: 1}), often(rng, {1: 2, 3: 4, between(rng, 2, 512): 8}),
            *(between(rng, 3, 600 if rank < 3 else 60) for _ in range(rank)),
        )
        dtype = often(rng, {"float32": 6, "uint8": 2, "float64": 1, "float16": 1})
        mode = often(rng, {"nearest": 4, "nearest-exact": 1, LINEAR[rank]: 5})
        size, scale = None, often(rng, {2: 4, 3: 1, 4: 2, 1.5: 2, 0.5: 1, None: 6})
        if scale is None:
            ratio = rng.uniform(0.4, 1) if rng.random() < 0.2 else math.exp(rng.uniform(0, 2))
            skew = [ratio * rng.uniform(0.7, 1.4) for _ in range(rank)]
            size = tuple(max(1, round(n * r)) for n, r in zip(shape[2:], skew, strict=True))
            target = spatial(size)
        else:
            size, target = None, f"{scale:g}x"
            if min(math.floor(n * scale) for n in shape[2:]) < 1:
                continue
        pixels = math.prod(size or tuple(math.floor(n * scale) for n in shape[2:]))
        width = {"float64": 8, "float32": 4, "float16": 2, "uint8": 1}[dtype]
        if shape[0] * shape[1] * pixels * width > MOST_RESULT_BYTES:
            continue
        layout = often(rng, {"NCHW": 6, "NHWC": 3, "channels_last": 1}) if rank == 2 else "NCHW"
        corners = True if mode == LINEAR[rank] and rng.random() < 0.15 else None
        words = [f"#{number}", mode, describe(shape), target, dtype, layout]
        return Interpolate(
            name=" ".join([*words, *(["align_corners"] if corners else [])]), group="sweep",
            shape=shape, size=size, scale=scale, mode=mode, align_corners=corners, dtype=dtype,
            layout=layout,
        )


def random_convolution(rng: random.Random, number: int) -> Convolution:
    while True:
        transposed, rank = rng.random() < 0.7, often(rng, {2: 9, 1: 1})
        inner, outer = between(rng, 1, 1024), between(rng, 1, 1024)
        groups = often(rng, {"one": 8, "each": 1, "some": 1})
        if groups == "each":
            groups = outer = inner
        elif groups == "some":
            groups = rng.choice([2, 4])
            inner, outer = inner * groups, outer * groups
        else:
            groups = 1
        kernel, stride = rng.randint(1, 9), rng.randint(1, 4)
        dilation = often(rng, {1: 8, 2: 1, 3: 1})
        padding = rng.randint(0, dilation * (kernel - 1) // 2)
        more = rng.randint(0, max(stride, dilation) - 1) if transposed else 0
        maps = [between(rng, 4, 256) for _ in range(rank)]
        shape = (often(rng, {1: 8, 4: 1, 16: 1}), inner, *maps)
        reach = dilation * (kernel - 1) + 1
        if transposed:
            out = [(n - 1) * stride - 2 * padding + reach + more for n in shape[2:]]
        else:
            out = [(n + 2 * padding - reach) // stride + 1 for n in shape[2:]]
        if min(out) < 1 or shape[0] * outer * math.prod(out) * 4 > MOST_RESULT_BYTES:
            continue
        letters = {"p": padding, "a": more, "g": groups if groups > 1 else 0}
        letters["d"] = dilation if dilation > 1 else 0
        words = [f"#{number}", "conv_transpose" if transposed else "conv", f"{inner}→{outer}"]
        words += [f"k{kernel}", f"s{stride}", *(f"{key}{n}" for key, n in letters.items() if n)]
        case = Convolution(
            name=" ".join([*words, describe((shape[0], *shape[2:]))]), group="sweep",
            transposed=transposed, shape=shape, channels=outer, kernel=kernel, stride=stride,
            padding=padding, output_padding=more, dilation=dilation, groups=groups,
        )
        if case.flops((shape[0], outer, *out)) <= MOST_FLOPS:
            return case


KINDS = {"interpolate": random_interpolation, "conv": random_convolution}


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
    p.add_argument("--threads", type=thread_counts, default=default_threads(), metavar="1,2")
    p.add_argument("--seconds", type=float, default=SECONDS)
    p.add_argument("--peers", help=f"of these only, comma-separated: {', '.join(PEERS)}; or none")
    p.add_argument("--json", type=Path, help="where the run is kept")
    options = p.parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    peers = admitted(options.peers)
    rng, order = random.Random(options.seed), random.Random(options.seed)
    cases = [KINDS[options.kind](rng, number) for number in range(options.count)]
    if options.only:
        cases = [cases[number] for number in options.only]
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
        save(options.json, describe_machine(), run, results)
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
