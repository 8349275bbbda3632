"""Hold two runs against each other: before and after a change."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.report import by_case, duration, machine_lines, threads_text
from benchmarks.results import Result, geometric_mean, load

# Below this, a difference is not told from noise.
NOISE = 0.05


def compare(before: Result, after: Result) -> tuple[float, float]:
    """Return before / after in seconds, and the same with each held against its own limit.

    Where the machine itself was faster in one run, the second number says what is left.
    """
    plain = before.ours / after.ours
    return plain, plain * after.limit / before.limit


def main(arguments: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    p.add_argument("before", type=Path)
    p.add_argument("after", type=Path)
    p.add_argument("--changed", action="store_true",
                   help=f"only cases that changed by more than {NOISE:.0%}")
    options = p.parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    runs = []
    for name in ("before", "after"):
        machine, run, results = load(getattr(options, name))
        runs.append(by_case(results))
        where, what, _, when = machine_lines(machine, run)
        text = "; ".join([what, where, when])
        console.print(f"[bold]{name}[/bold]: {escape(text)}", highlight=False)
    before, after = runs
    shared = [key for key in before if key in after]
    if not shared:
        raise SystemExit("the two runs share no case")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("case", no_wrap=True)
    columns = ("threads", "before", "after", "before/after", "against the limit", "peer/upshape")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    changes = []
    for key in shared:
        a, b = before[key], after[key]
        plain, relative = compare(a, b)
        changes.append((plain, relative))
        if options.changed and abs(relative - 1) <= NOISE:
            continue
        colour = "green" if relative > 1 + NOISE else "red" if relative < 1 - NOISE else "default"
        ratios = [r.ratio() for r in (a, b)]
        both = " → ".join("none" if ratio is None else f"{ratio:.2f}" for ratio in ratios)
        table.add_row(
            escape(key[0]) + (" [yellow]~[/yellow]" if a.noisy or b.noisy else ""), str(key[1]),
            duration(a.ours), duration(b.ours), f"{plain:.2f}",
            f"[{colour}]{relative:.2f}[/{colour}]", both,
        )
    console.print(table)
    console.print(
        f"{len(shared)} cases, above 1 the second run is faster: geometric mean "
        f"{geometric_mean(plain for plain, _ in changes):.3f}, against the limits "
        f"{geometric_mean(relative for _, relative in changes):.3f}", highlight=False,
    )
    for name, mine, other in (("before", before, after), ("after", after, before)):
        alone = [f"{case}, {threads_text(n)}" for case, n in mine if (case, n) not in other]
        if alone:
            more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
            console.print(f"only {name}: {escape('; '.join(alone[:5]))}{more}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
