"""Say what a run found: tables for the terminal, the README and the docs, and a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import limits
from benchmarks.results import CROWDED, Check, Result, checks, geometric_mean

ROOT = Path(__file__).parent.parent
#: What a run writes into the README, between `<!-- name: begin -->` and `<!-- name: end -->`.
SENTENCE, TABLES = "speed", "benchmark"
WORST = 6  # rows of the full table that the README shows as those with the smallest ratio

#: Column: the libraries whose best time it shows.
COLUMNS = {
    "torch": ("torch",),
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "opencv": ("opencv",),
    "pillow": ("pillow",),
    "litert": ("litert",),
    "others": ("scipy", "skimage", "kornia-rs", "volresample"),
}

SIGNS = {
    "of the limit": "≥", "microseconds": "≤", "call / layer": "≤", "times reading the input": "≤",
}


def duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def ratio_text(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def by_group(results: Iterable[Result]) -> dict[str, list[Result]]:
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.group, []).append(result)
    return groups


def by_case(results: Iterable[Result]) -> dict[tuple[str, int], Result]:
    return {(result.case, result.threads): result for result in results}


def threads_text(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def check_text(check: Check) -> str:
    sign = SIGNS.get(check.what, "≥")
    return f"{check.what} {check.value:.2f}, goal {sign} {check.wanted:g}"


def machine_lines(machine: dict, run: dict) -> list[str]:
    ours = machine["upshape"]
    cache = ours.get("last-level cache", "unknown")
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return [
        f"{machine['cpu']}, {machine['cpus']} CPUs, last-level cache {cache}, {machine['system']}",
        f"upshape {ours.get('upshape')} at commit {machine['commit']}, {ours.get('compiler')}, "
        f"level {ours.get('level in use')}",
        versions,
        f"{machine['date']}; {run['seconds']:g} s a case and thread count, interleaved, minimum",
    ]


# --- the terminal --------------------------------------------------------------------------------


def group_table(title: str, results: list[Result], others: dict[tuple[str, int], Result]) -> Table:
    """One row a case: our time, the peers', the ratio to the best, the distance to the limit."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("case", no_wrap=True)
    shown = {
        "upshape": lambda r: r.ours,
        "packing": lambda r: r.time("upshape") if r.judged == "upshape layer" else None,
        "out=": lambda r: r.time("upshape layer out") or r.time("upshape out"),
    }
    for column, families in COLUMNS.items():
        shown[column] = lambda r, families=families: min(
            (best[1] for best in map(r.best_peer, families) if best), default=None
        )
    shown["fill"] = lambda r: r.fill
    columns = [c for c, value in shown.items() if any(value(r) is not None for r in results)]
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("peer/upshape", justify="right", no_wrap=True)
    table.add_column("of limit", justify="right", no_wrap=True)
    with_goals = any(r.goal for r in results)
    if with_goals:
        table.add_column("goals", no_wrap=True)
    for r in results:
        best, ratio = r.best_peer(), r.ratio()
        ratio_cell = ratio_text(ratio)
        if ratio is not None and ratio < 1:
            ratio_cell = f"[red]{ratio_cell}[/red]"
        if best:
            ratio_cell = f"{best[0]} {ratio_cell}"
        found = checks(r, others)
        missed = sum(not check.met for check in found)
        goals = f"[red]{missed} of {len(found)} missed[/red]" if missed else "met" if found else ""
        table.add_row(
            escape(r.case) + (" [yellow]~[/yellow]" if r.noisy else ""),
            *(duration(shown[column](r)) for column in columns),
            ratio_cell, f"{r.distance:.2f}", *([goals] if with_goals else []),
        )
    return table


def missed_lines(results: list[Result], others: dict[tuple[str, int], Result]) -> list[str]:
    """Return a line for every case that misses one of its goals."""
    lines = []
    for r in results:
        missed = [check_text(check) for check in checks(r, others) if not check.met]
        if missed:
            lines.append(f"missed: {r.case}: {'; '.join(missed)}")
    return lines


def limits_line(results: list[Result]) -> str:
    """Return the limits of the largest result: what the machine gave in this run."""
    largest = max(results, key=lambda r: r.result_bytes)
    rates = [
        f"{name} {largest.result_bytes / largest.times[name].minimum / 1e9:.1f} GB/s"
        for name in (limits.STREAM, limits.PLAIN, limits.FRESH, limits.COPY)
    ]
    peaks = [r.peak_flops / r.times[limits.PEAK].minimum for r in results if limits.PEAK in r.times]
    if peaks:
        rates.append(f"FMA peak {max(peaks) / 1e9:.1f} GFLOP/s")
    return f"{largest.result_bytes / 2**20:.0f} MiB: " + ", ".join(rates)


def left_out_lines(results: list[Result]) -> list[str]:
    """Return who was left out and why, each reason once."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for r in results:
        for name, reason in r.left_out.items():
            plain = reason.split(" (")[0]
            cases = reasons.setdefault((name, plain), [])
            if r.case not in cases:
                cases.append(r.case)
    everywhere = len({r.case for r in results})
    lines = []
    for (name, reason), cases in reasons.items():
        where = "everywhere" if len(cases) == everywhere else ", ".join(cases[:3])
        more = f" and {len(cases) - 3} more" if len(cases) > 3 and where != "everywhere" else ""
        lines.append(f"{name} {reason}: {where}{more}")
    return lines


def summary(results: list[Result]) -> list[tuple[str, int, int, str, float, float, int, int]]:
    """Return a row a group and thread count: cases, the worst with its ratio, the mean, goals."""
    others = by_case(results)
    rows = []
    for group, members in by_group(results).items():
        for threads in sorted({r.threads for r in members}):
            mine = [r for r in members if r.threads == threads]
            found = [check for r in mine for check in checks(r, others)]
            rated = [(r.ratio(), r.case) for r in mine if r.ratio() is not None]
            if not rated:
                continue
            worst = min(rated)
            mean = geometric_mean(ratio for ratio, _ in rated)
            rows.append((
                group, threads, len(mine), worst[1], worst[0], mean,
                sum(check.met for check in found), len(found),
            ))
    return rows


def print_run(console: Console, machine: dict, run: dict, results: list[Result]) -> None:
    others = by_case(results)
    console.print()
    for line in machine_lines(machine, run):
        console.print(escape(line), highlight=False)
    for threads in sorted({r.threads for r in results}):
        mine = [r for r in results if r.threads == threads]
        console.print()
        console.rule(threads_text(threads), align="left")
        console.print(limits_line(mine), highlight=False)
        for group, members in by_group(mine).items():
            console.print(group_table(group, members, others))
            for line in missed_lines(members, others):
                console.print(f" {escape(line)}", highlight=False)
            console.print()
    console.print(
        "peer/upshape: the best peer's time over ours, above 1 upshape is faster. "
        "of limit: what the machine needs at least, over our time. ~: a noisy case.\n",
        highlight=False,
    )
    crowded = sum(r.others > CROWDED for r in results)
    if crowded:
        most = max(r.others for r in results)
        console.print(
            f"[yellow]The machine was not to itself: during {crowded} of {len(results)} timings "
            f"other processes kept up to {most:.1f} CPUs busy.[/yellow]\n", highlight=False,
        )
    table = Table(title="groups", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    columns = (
        "group", "threads", "cases", "worst peer/upshape", "in", "geometric mean", "goals met",
    )
    for column in columns:
        side = "left" if column in ("group", "in") else "right"
        table.add_column(column, justify=side, no_wrap=True)
    for group, threads, count, worst, ratio, mean, met, goals in summary(results):
        shown = f"[red]{ratio:.2f}[/red]" if ratio < 1 else f"{ratio:.2f}"
        table.add_row(
            group, str(threads), str(count), shown, escape(worst), f"{mean:.2f}",
            f"{met} of {goals}" if goals else "",
        )
    if table.row_count:
        console.print(table)
    for line in left_out_lines(results):
        console.print(f"left out: {escape(line)}", highlight=False)
    for r in results:
        if r.wrong:
            console.print(f"[bold red]{escape(r.case)}: {escape(r.wrong)}[/bold red]")


# --- the README and the docs ---------------------------------------------------------------------


def caption(machine: dict, run: dict) -> str:
    return " ".join(f"{line}." for line in machine_lines(machine, run))


def require_headlines(results: list[Result], wanted: set[str]) -> None:
    missing = wanted - {r.case for r in results}
    if missing:
        raise SystemExit(
            f"a run without {len(missing)} of the headline cases ({sorted(missing)[0]}, ...) is "
            "not published: leave --filter away"
        )


def published_rows(results: list[Result], threads: list[int]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: one a case, ratio and distance for every thread count."""
    found = by_case(results)
    header = ["case", "upshape", "best peer"]
    for count in threads:
        header += [f"peer / upshape, {threads_text(count)}", "of the limit"]
    rows = []
    for case in dict.fromkeys(r.case for r in results):
        first = next(found[case, count] for count in threads if (case, count) in found)
        best = first.best_peer()
        row = [case, duration(first.ours), f"{best[0]} {duration(best[1])}" if best else "none"]
        for count in threads:
            r = found.get((case, count))
            row += ["", ""] if r is None else [
                ratio_text(r.ratio()) + (" ~" if r.noisy else ""), f"{r.distance:.2f}",
            ]
        rows.append(row)
    return header, rows


def rated(results: list[Result], threads: int) -> list[Result]:
    """Return the cases that have a peer, the one in which upshape does worst first."""
    found = [r for r in results if r.threads == threads and r.ratio() is not None]
    return sorted(found, key=lambda r: r.ratio())


#: The one line on speed that a first screen has: wins, losses, both ends, where.
SENTENCES = {
    "en": (
        "On one machine ({cpu}, level {level}), with {threads}: faster than the fastest of ten "
        "other libraries (PyTorch, ONNX Runtime, OpenVINO, OpenCV, LiteRT; of those for pictures "
        "and volumes Pillow, scikit-image, SciPy, kornia-rs, volresample) in {won} of {cases} "
        "measured cases and slower in {lost}, from {low} times as fast ({worst}) to {high} times "
        "({best})."
    ),
    "zh": (
        "在一台机器上（{cpu}，指令集级别 {level}，{threads}）测量了 {cases} 项：与十个库（PyTorch、"
        "ONNX Runtime、OpenVINO、OpenCV、LiteRT，以及处理图像和体数据的 Pillow、scikit-image、"
        "SciPy、kornia-rs、volresample）中最快的相比，{won} 项更快，{lost} 项更慢；速度从对方的 "
        "{low} 倍（{worst}）到 {high} 倍（{best}）。"
    ),
}


def sentence(machine: dict, results: list[Result], language: str = "en") -> str:
    threads = min(r.threads for r in results)
    found = rated(results, threads)
    lost = sum(r.ratio() < 1 for r in found)
    return SENTENCES[language].format(
        cpu=machine["cpu"],
        level=machine["upshape"].get("level in use"),
        threads=threads_text(threads) if language == "en" else f"{threads} 个线程",
        cases=len(found), won=len(found) - lost, lost=lost,
        low=ratio_text(found[0].ratio()), worst=found[0].case,
        high=ratio_text(found[-1].ratio()), best=found[-1].case,
    )


def markdown_table(results: list[Result], threads: list[int]) -> list[str]:
    header, rows = published_rows(results, threads)
    return [
        "| " + " | ".join(header) + " |",
        "| --- |" + " ---: |" * (len(header) - 1),
        *("| " + " | ".join(row) + " |" for row in rows), "",
    ]


def markdown(machine: dict, run: dict, results: list[Result]) -> str:
    """Return the README's block: headline cases, the worst of all, and how many are lost."""
    threads = sorted({r.threads for r in results})
    worst = {r.case for r in rated(results, threads[0])[:WORST]}
    lines = [
        "![Ratio of the best peer's time to upshape's](docs/_static/bench.png)", "",
        *markdown_table([r for r in results if r.headline], threads),
        f"The {WORST} of all {len({r.case for r in results})} cases in which upshape does worst, "
        f"with {threads_text(threads[0])}:", "",
        *markdown_table([r for r in results if r.case in worst], threads),
    ]
    lines += [
        f"Peer / upshape: the fastest other library's time over upshape's, above 1 upshape is "
        f"faster; times are those of {threads_text(threads[0])}. The limit is what this machine "
        "needs at least: to write the result with nothing else to do, or to multiply and add at "
        "the peak of its units.",
    ]
    for count in threads:
        ratios = [r.ratio() for r in rated(results, count)]
        lost = sum(ratio < 1 for ratio in ratios)
        lines.append(
            f"{threads_text(count).capitalize()}: {len(ratios)} cases, geometric mean "
            f"{geometric_mean(ratios):.2f}, {lost or 'none'} below 1."
        )
    return "\n".join([*lines, "", caption(machine, run)])


def write_readme(
    machine: dict, run: dict, results: list[Result], path: Path = ROOT / "README.md"
) -> None:
    """Write the sentence and the tables into their places, and draw the picture."""
    text = path.read_text(encoding="utf-8")
    text = put_between(text, SENTENCE, sentence(machine, results), path)
    text = put_between(text, TABLES, markdown(machine, run, results), path)
    draw([r for r in results if r.headline], path.parent / "docs" / "_static" / "bench.png")
    path.write_text(text, encoding="utf-8")
    chinese = path.with_name("README.zh.md")
    text = chinese.read_text(encoding="utf-8")
    text = put_between(text, SENTENCE, sentence(machine, results, "zh"), chinese)
    chinese.write_text(text, encoding="utf-8")


def put_between(text: str, name: str, content: str, path: Path) -> str:
    """Replace what stands between the marks of that name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if begin not in text or end not in text:
        raise SystemExit(f"{path}: no {begin} and {end} to write between")
    before, rest = text.split(begin, 1)
    return f"{before}{begin}\n{content}\n{end}{rest.split(end, 1)[1]}"


def csv_table(header: list[str], rows: list[list[str]], title: str) -> list[str]:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    heading = io.StringIO()
    csv.writer(heading, lineterminator="").writerow(header)
    return [
        f".. csv-table:: {title}", f"   :header: {heading.getvalue()}", "",
        *(f"   {line}" for line in written.getvalue().splitlines()), "",
    ]


def write_docs(
    machine: dict, run: dict, results: list[Result], folder: Path = ROOT / "docs"
) -> None:
    """Write what the pages include. Of a lower level than the machine's best that is its table."""
    # "x86-64-v3 (UPSHAPE_CPU)" where it is not the best.
    level = machine["upshape"]["level in use"].split()[0]
    built = machine["upshape"]["levels built"]
    if level != built.split(", ")[0]:
        told = [WRITTEN, "", f"{caption(machine, run)}", "", *tables(results)]
        (folder / f"bench-{level}.inc").write_text("\n".join(told), encoding="utf-8")
        return
    draw([r for r in results if r.headline], folder / "_static" / "bench.png")
    draw(results, folder / "_static" / "bench-all.png")
    lines = [
        WRITTEN, "",
        ".. figure:: _static/bench.png",
        "   :alt: bars: the best peer's time over upshape's", "",
        f"   {caption(machine, run)}", "",
        *tables(results),
        ".. figure:: _static/bench-all.png", "   :alt: the same bars, for every case", "",
    ]
    missing = left_out_lines(results)
    if missing:
        lines += ["Left out:", "", *(f"- {line}" for line in missing), ""]
    (folder / "bench.inc").write_text("\n".join(lines), encoding="utf-8")
    for language, name in (("en", "speed-line.inc"), ("zh", "speed-line.zh.inc")):
        told = [WRITTEN, "", sentence(machine, results, language), ""]
        (folder / name).write_text("\n".join(told), encoding="utf-8")


WRITTEN = ".. Written by: make bench ARGS=--docs"


def tables(results: list[Result]) -> list[str]:
    """Return every case, group by group, and the groups."""
    threads = sorted({r.threads for r in results})
    lines: list[str] = []
    for group, members in by_group(results).items():
        lines += csv_table(*published_rows(members, threads), group.capitalize())
    rows = [
        [group, str(count), str(cases), f"{ratio:.2f}", worst, f"{mean:.2f}"]
        for group, count, cases, worst, ratio, mean, _, _ in summary(results)
    ]
    header = ["group", "threads", "cases", "worst peer / upshape", "in", "geometric mean"]
    return lines + csv_table(header, rows, "Groups")


# --- the picture ---------------------------------------------------------------------------------


TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20, 50, 100)


def draw(results: list[Result], path: Path) -> None:
    """Draw a bar a case and thread count: the best peer's time over ours, on a line at 1."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    shown = [r for r in results if r.ratio() is not None]
    if not shown:
        return
    threads = sorted({r.threads for r in shown})
    cases = list(dict.fromkeys(r.case for r in shown))
    groups = list(by_group(shown))
    found = by_case(shown)
    group_of = {r.case: r.group for r in shown}
    colours = {group: f"C{k}" for k, group in enumerate(groups)}
    height = 0.8 / len(threads)
    fig, ax = plt.subplots(figsize=(9, 1.7 + 0.26 * len(cases)), layout="constrained")
    for row, case in enumerate(cases):
        for k, count in enumerate(threads):
            r = found.get((case, count))
            if r is None:
                continue
            ratio = r.ratio()
            place = row + (k - (len(threads) - 1) / 2) * height
            ax.barh(
                place, ratio - 1, left=1, height=height, color=colours[group_of[case]],
                alpha=1 - 0.45 * k / max(1, len(threads) - 1),
                hatch="////" if ratio < 1 else None, edgecolor="white", linewidth=0.4,
            )
            ax.annotate(
                f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}", (max(ratio, 1), place),
                xytext=(3, 0), textcoords="offset points", va="center",
                fontsize=6 if len(threads) > 1 else 7,
            )
    ax.axvline(1, color="black", linewidth=1)
    ax.set_xscale("log")
    ratios = [r.ratio() for r in shown]
    ax.set_xlim(min(0.8, min(ratios) * 0.9), max(2.0, max(ratios)) * 1.25)
    low, high = ax.get_xlim()
    ticks = [t for t in TICKS if low <= t <= high]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.set_yticks(range(len(cases)), cases, fontsize=7.5)
    ax.set_ylim(len(cases) - 0.4, -0.6)
    ax.grid(axis="x", linewidth=0.4, alpha=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    strong = " (upper bar), ".join(map(threads_text, threads)) + (
        " (lower, paler)" if len(threads) > 1 else ""
    )
    ax.set_xlabel("time of the fastest other library / time of upshape: above 1 upshape is faster")
    ax.set_title(strong, fontsize=9, loc="left")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colours[group]) for group in groups]
    fig.legend(handles, groups, fontsize=7, loc="outside lower center", ncols=4, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=130)
    plt.close(fig)
