"""Fit the rates that the estimates of orders of work are made of, and write them.

    python -m benchmarks.plans --level x86-64-v3 --seed 1 --count 300 --thorough --out v3.jsonl
    python -m benchmarks.fit v3.jsonl v3-of-another-machine.jsonl

A plan counts what it does (the kernel's COUNTED); its estimate is the sum of the counts, each times
its rate in nanoseconds. For each order of work of each level, the rates are first those that come
nearest to the measured times, relative to these, none of them negative, and drawn towards what is
plausible where no layer tells. A choice needs no more than the ratios of a layer's times, so most
of what all of them are off by is then taken away from them, and the rates found again. At last
rates are moved, one at a time, as long as that makes the choices better by more than what moving
them far costs: rates that are moved freely suit the layers at hand and no others. Where the files
are of several machines, the rates are one compromise between them: times of a machine that is
slower as a whole count by that much less. Rates of levels without measurements stay what they are.
"""

from __future__ import annotations

import argparse
import os
import pprint
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.plans import Layer, known_rows
from upshape import _rates, orders, runtime
from upshape.parameters import Parameters, check_parameters, out_shape

# Nanoseconds that are plausible: for what is rare, and to begin with.
PLAUSIBLE = {
    "calls": 300, "items": 50, "products": 0.125, "steps": 0.05, "broadcasts": 0.03, "loads": 0.03,
    "shifted steps": 0.05, "shifted loads": 0.04, "direct loads": 0.04, "weight lines": 1.0,
    "padded channels": 15, "padded rows": 0.5, "padded vectors": 0.75, "stepped rows": 4,
    "stepped vectors": 2, "picked": 0.3, "pieces": 2, "stepped pieces": 3, "picked pieces": 0.5,
    "listed": 10, "far lines": 2, "tiles": 8, "partial": 0.5, "transposed": 1.5, "added rows": 0.5,
    "added": 1.2, "placed rows": 5, "placed": 0.5, "woven": 1.0,
    "filled": 0.5, "blocks": 30, "channel blocks": 20, "patch rows": 1, "patch vectors": 0.4,
    "table taps": 0.28, "taps of 9": 0.13, "taps of 25": 0.18, "taps of 49": 0.23,
    "sliding taps": 0.13, "transposed in": 1.0, "transposed out": 1.5, "pages apart": 0.6,
    "stalls": 0.1, "outer lines": 1.0, "far weights": 2, "waited weights": 1, "near lines": 1,
    "paired": 1.0, "picked pixels": 3, "collided": 2, "waiting": 0.5, "far pieces": 20,
    "picked lines": 1, "asked lines": 1, "runs": 3, "paired rows": 3, "page lines": 20,
    "scattered lines": 0.5, "stray lines": 2, "stepped lines": 1,
    "outer stepped": 4,
    "near result": 0.5, "far result": 2, "deep taps": 0.15,
    "scattered": 0.6, "single taps": 0.5, "tested": 0.3, "windows": 3, "listed taps": 10,
}
# How strongly rates are drawn to these: as if so many layers had said so.
DRAWN = 0.3
# Ways that take this much longer than a layer's best one count less, as they will not be chosen.
FAR = 1.5
# How much of what a layer's ways are off by in common is taken away, in so many repeats.
COMMON, REPEATS = 0.7, 3
# What moving a rate costs, by the square of its logarithm: of the choices' loss.
HELD = 5e-4
# Factors by which a rate is moved, and rounds over all of them.
MOVES = (0.5, 0.7, 0.85, 0.95, 1.05, 1.2, 1.4, 2.0)
ROUNDS = 6


class Way(NamedTuple):
    """One measured way: machine, number of the layer, order, what it does, how long it takes."""

    machine: str
    layer: int
    order: str
    counts: dict[str, float]
    nanoseconds: float


def frames_of(layer: Layer) -> tuple[Parameters, orders.Frames]:
    """Return a layer's parameters and its arrays' frames; memory is named, not touched."""
    weight_shape = (
        (layer.shape[1], layer.channels // layer.groups) if layer.transposed
        else (layer.channels, layer.shape[1] // layer.groups)
    ) + (layer.kernel,) * layer.rank
    parameters, _, _ = check_parameters(
        "fit", np.empty(weight_shape, layer.dtype), None, layer.stride, layer.padding,
        layer.output_padding if layer.transposed else None, layer.groups, layer.dilation,
        layer.rank,
    )
    result_shape = out_shape(parameters, layer.shape, None)

    def array(shape: tuple[int, ...]) -> np.ndarray:
        if not layer.channels_last:
            return np.empty(shape, layer.dtype)
        return np.moveaxis(np.empty((shape[0], *shape[2:], shape[1]), layer.dtype), -1, 1)

    return parameters, orders.frames_of(array(layer.shape), array(result_shape))


def ways_of(row: dict[str, Any], number: int) -> Iterator[Way]:
    """Yield a layer's measured ways, with what their plans count."""
    fields = {key: tuple(value) if key == "shape" else value for key, value in row["layer"].items()}
    parameters, frames = frames_of(Layer(**{"group": "fit"} | fields))
    for way in row["ways"]:
        order = orders.BY_NAME[way["order"]]
        choices = dict(way["choices"])
        if order.kernel == "convolution":
            # The very plan that was measured, whatever the rates say now.
            choices |= {"source": way["source"], "block": (way["rows"], way["columns"])}
        plan = orders.plan_of(parameters, order, frames, row["threads"], **choices)
        yield Way(row["cpu"], number, way["order"], plan.counts, 1e9 * way["seconds"])


class Fit:
    """The rates of all orders of one level, as one vector; and how good the choices by them are."""

    def __init__(self, ways: list[Way]) -> None:
        self.columns = sorted({(way.order, name) for way in ways for name in way.counts})
        at = {column: number for number, column in enumerate(self.columns)}
        self.counts = np.zeros((len(ways), len(at)))
        for number, way in enumerate(ways):
            for name, count in way.counts.items():
                self.counts[number, at[way.order, name]] = count
        self.times = np.array([way.nanoseconds for way in ways])
        self.starts = np.flatnonzero(np.diff([-1, *(way.layer for way in ways)]))
        self.layer = np.repeat(
            np.arange(len(self.starts)), np.diff([*self.starts, len(ways)])
        )
        self.machine = np.array([way.machine for way in ways])
        self.plausible = np.array([PLAUSIBLE[name] for _, name in self.columns])
        self.times /= self.slowness()
        self.best = np.minimum.reduceat(self.times, self.starts)

    def slowness(self) -> np.ndarray:
        """Return, for each way, how much slower its machine is than the first one."""
        off = self.times / (self.counts @ self.plausible)
        best = np.minimum.reduceat(self.times, self.starts)
        near = self.times < FAR * best[self.layer]
        found = {
            name: np.median(off[near & (self.machine == name)])
            for name in dict.fromkeys(self.machine)
        }
        first = found[self.machine[0]]
        return np.array([found[name] / first for name in self.machine])

    def regrets(self, estimates: np.ndarray) -> np.ndarray:
        """Return, for each layer, the time of the way of the least estimate over the best."""
        least = np.minimum.reduceat(estimates, self.starts)
        chosen = np.where(estimates == least[self.layer], self.times, np.inf)
        return np.minimum.reduceat(chosen, self.starts) / self.best

    def loss(self, estimates: np.ndarray, moves: np.ndarray) -> float:
        """Return how bad choices are, the worst most; a little, how far estimates are off.

        And how far the rates were moved, in logarithms.
        """
        off = np.log(estimates / self.times)
        beyond = np.log(self.regrets(estimates))
        return float(beyond.mean() + 3 * (beyond**2).mean() + 0.02 * (off**2).mean()
                     + HELD * (moves**2).sum())

    def nearest(self) -> np.ndarray:
        """Return the rates that come nearest to the times, and to their ratios within a layer."""
        weights = self.weights()
        rates = self.nearest_to(self.times)
        for _ in range(REPEATS):
            off = weights**2 * np.log(self.counts @ rates / self.times)
            common = np.bincount(self.layer, off) / np.bincount(self.layer, weights**2)
            rates = self.nearest_to(self.times * np.exp(COMMON * common[self.layer]))
        return rates

    def weights(self) -> np.ndarray:
        """Return how much each way counts."""
        return np.minimum(1, FAR * self.best[self.layer] / self.times)

    def nearest_to(self, times: np.ndarray) -> np.ndarray:
        """Return the rates that come nearest to such times."""
        plausible, weights = self.plausible, self.weights()
        shares = self.counts * plausible / times[:, None]
        rows = np.vstack([shares * weights[:, None], np.sqrt(DRAWN) * np.eye(len(plausible))])
        wanted = np.concatenate([weights, np.full(len(plausible), np.sqrt(DRAWN))])
        return plausible * not_negative(rows, wanted)

    def moved(self, rates: np.ndarray) -> np.ndarray:
        """Return rates that choose better, by moving one at a time."""
        estimates = self.counts @ rates
        moves = np.zeros(len(rates))
        loss = self.loss(estimates, moves)
        for _ in range(ROUNDS):
            before = loss
            for column in range(len(rates)):
                part = self.counts[:, column] * rates[column]
                for factor in MOVES:
                    now = estimates + (factor - 1) * part
                    moves[column] += np.log(factor)
                    now_loss = self.loss(now, moves)
                    if now_loss >= loss - 1e-6:
                        moves[column] -= np.log(factor)
                        continue
                    loss, estimates = now_loss, now
                    rates = rates.copy()
                    rates[column] *= factor
                    part = self.counts[:, column] * rates[column]
            if loss > before - 1e-4:
                break
        return rates

    def told(self, rates: np.ndarray) -> list[str]:
        """Say how good rates are, a line a machine."""
        estimates = self.counts @ rates
        regrets, off = self.regrets(estimates), np.log(estimates / self.times)
        lines = []
        for name in dict.fromkeys(self.machine):
            values = np.sort(regrets[self.machine[self.starts] == name])
            at = [
                values[min(int(share * len(values)), len(values) - 1)]
                for share in (0.5, 0.9, 0.95)
            ]
            wide = np.exp(np.sqrt((off[self.machine == name] ** 2).mean())) - 1
            lines.append(f"{name}: regret median {at[0]:.3f}, 90 % {at[1]:.3f}, 95 % "
                         f"{at[2]:.3f}, worst {values[-1]:.2f}; estimates off by {wide:.0%}")
        return lines


def not_negative(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the least squares' solution without negative numbers, by coordinate descent."""
    gram, right = rows.T @ rows, rows.T @ wanted
    solution = np.ones(len(right))
    for _ in range(1000):
        for one in range(len(right)):
            step = (right[one] - gram[one] @ solution) / gram[one, one]
            solution[one] = max(solution[one] + step, 0.02)
    return solution


def fitted(rows: list[dict[str, Any]]) -> tuple[dict[str, dict[str, float]], str]:
    """Return the rates of one level by order and name, and how good they are."""
    rows = [row for row in rows if len(list(ways_of(row, 0))) > 1]
    fit = Fit([way for number, row in enumerate(rows) for way in ways_of(row, number)])
    near = fit.nearest()
    rates = fit.moved(near)
    for title, found in (("nearest", near), ("moved", rates)):
        for line in fit.told(found):
            print(f"  {title:8}{line}")
    made: dict[str, dict[str, float]] = {}
    seen = fit.counts.any(axis=0)
    for (order, name), rate, used in zip(fit.columns, rates, seen, strict=True):
        if used:
            made.setdefault(order, {})[name] = float(f"{rate:.3g}")
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    machines = Counter(row["cpu"] for row in rows)
    told = [f"{name}, {count} layers" for name, count in machines.items()]
    return made, f"{'; '.join(told)}; {len(fit.times)} ways, {when}"


def write(rates: dict[str, Any], measured: dict[str, str]) -> None:
    """Write the module that holds the rates."""
    head = Path(_rates.__file__).read_text().split("# fmt: off")[0]
    told = pprint.pformat(measured, width=98, sort_dicts=False)
    table = pprint.pformat(rates, width=98, sort_dicts=False)
    Path(_rates.__file__).write_text(
        f"{head}# fmt: off\nMEASURED: dict[str, str] = \\\n {told}\n\n"
        f"RATES: dict[str, dict[str, dict[str, float]]] = \\\n {table}\n"
    )


def main(arguments: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.fit", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("files", type=Path, nargs="+", help="what benchmarks.plans --out has written")
    p.add_argument("--dry", action="store_true", help="write nothing")
    options = p.parse_args(arguments)
    rows = [row for path in options.files for row in known_rows(path)]
    levels = sorted({row["level"] for row in rows})
    if levels != [runtime.LEVEL]:
        if len(levels) > 1:
            p.error(f"these files are of several levels, {', '.join(levels)}: fit one at a time")
        os.environ["UPSHAPE_CPU"] = levels[0]
        own = sys.argv[1:] if arguments is None else arguments
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.fit", *own])
    print(f"{levels[0]}: {len(rows)} layers")
    made, told = fitted(rows)
    if not options.dry:
        write(_rates.RATES | {levels[0]: made}, _rates.MEASURED | {levels[0]: told})
    return 0


if __name__ == "__main__":
    sys.exit(main())
