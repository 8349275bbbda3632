"""Is the order of work that is chosen the fastest one? Every order is timed, for random layers.

    python -m benchmarks.plans --count 100 --seed 3 --out plans.jsonl
    python -m benchmarks.plans --report plans.jsonl
    python -m benchmarks.plans --tuned

A layer's ways are its orders of work; of each, the plan that the estimate makes; and besides, plans
with the other sources of a tile's pixels, and with blocks of pixels half and twice as large. All
are timed in turn, in one process, and their results held against each other. Printed is the regret
of the choice: the time of the chosen way over that of the best. A long run can be cut into pieces
(`--first`, `--count`) that write into one file (`--out`). `--tuned` takes the layers by which the
numbers of `pyx/conv/blocking.pxd` were chosen that no rate stands for, and prints all their ways.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import upshape as up
from benchmarks.cases import Convolution, describe
from benchmarks.machine import cpu
from benchmarks.report import duration
from benchmarks.sweep_cases import between, often
from upshape import orders, runtime
from upshape.tasks import Task

MOST_RESULT_BYTES = 32 << 20
MOST_FLOPS = 6e8
# A way's turns: at first, unless it is this much slower than the best; then those that are near.
FIRST_TURNS, HOPELESS = 4, 4
LAST_TURNS, NEAR = 14, 1.3
# A turn is at least this long (seconds), so that the clock's own cost and grain do not count.
BURST = 300e-6


@dataclass(frozen=True)
class Layer(Convolution):
    """A convolution of arrays that lie in memory in one of two ways."""

    channels_last: bool = False


class Way(NamedTuple):
    """A plan, and how to ask for it again."""

    order: str
    choices: dict[str, Any]
    plan: Any


# --- layers --------------------------------------------------------------------------------------


def named_layers() -> list[Layer]:
    """Return layers for which the choice was wrong once."""
    tall = {"group": "named", "padding": 4, "kernel": 16, "stride": 8}
    return [
        Layer(name="256→128 k16 s8 p4 400", shape=(1, 256, 400), channels=128, **tall),
        Layer(name="1026→1 k1024 s256 224", group="named", shape=(1, 1026, 224), channels=1,
              kernel=1024, stride=256, bias=False),
        Layer(name="21→21 k16 s8 p4 64x64", shape=(1, 21, 64, 64), channels=21, **tall),
        Layer(name="21→21 k16 s8 p4 64x64 last", shape=(1, 21, 64, 64), channels=21,
              channels_last=True, **tall),
    ]


def tuned_layers() -> list[Layer]:
    """Return the layers that the comments of `pyx/conv/blocking.pxd` name."""
    woven = [(64, 32, (64, 64)), (64, 32, (28, 28)), (16, 16, (160, 160)), (24, 1, (160, 160)),
             (24, 24, (256, 256))]
    direct = [(192, 48, (64, 64)), (64, 64, (128, 128)), (256, 64, (100, 100)),
              (773, 20, (111, 69)), (512, 24, (64, 64)), (256, 64, (56, 56))]
    return [
        Layer(name=f"{ci}→{co} k{k} {sizes[0]}x{sizes[1]}", group="tuned", shape=(1, ci, *sizes),
              channels=co, kernel=k, stride=k, transposed=k > 1)
        for k, kind in ((2, woven), (1, direct)) for ci, co, sizes in kind
    ]


def ranks() -> dict[int, int]:
    """Return how often a layer has so many axes."""
    return {2: 13, 1: 5, **({3: 2} if hasattr(up, "conv3d") else {})}


def random_sizes(rng: random.Random, rank: int, transposed: bool) -> tuple[int, int, int]:
    """Return kernel size, stride and dilation."""
    if transposed and rng.random() < (0.35 if rank == 1 else 0.1):
        stride = between(rng, 5, 256 if rank == 1 else 32)
        return round(stride * rng.choice([1, 2, 2, 3, 4])), stride, 1
    stride = often(rng, {1: 5, 2: 8, 3: 1, 4: 2})
    return rng.randint(1, 9 if rank < 3 else 4), stride, often(rng, {1: 8, 2: 1, 3: 1})


def random_layer(rng: random.Random, number: int) -> Layer:
    """Return a layer of any kind, and a size of its input, of which the work is bounded."""
    while True:
        transposed, rank = rng.random() < 0.65, often(rng, ranks())
        inner, outer, groups = between(rng, 1, 1024), between(rng, 1, 1024), 1
        how = often(rng, {"one": 8, "each": 2, "some": 1})
        if how == "each":
            groups = outer = inner
        elif how == "some":
            groups = rng.choice([2, 4])
            inner, outer = inner * groups, outer * groups
        kernel, stride, dilation = random_sizes(rng, rank, transposed)
        padding = rng.randint(0, dilation * (kernel - 1) // 2)
        more = rng.randint(0, max(stride, dilation) - 1) if transposed else 0
        maps = [between(rng, 4, {1: 4096, 2: 256, 3: 48}[rank]) for _ in range(rank)]
        layer = Layer(
            name="", group="random", transposed=transposed, kernel=kernel, stride=stride,
            shape=(often(rng, {1: 8, 4: 1, 16: 1}), inner, *maps), channels=outer, padding=padding,
            output_padding=more, dilation=dilation, groups=groups,
            dtype=often(rng, {"float32": 9, "float64": 1}), channels_last=rng.random() < 0.35,
        )
        if is_reasonable(layer):
            return Layer(**vars(layer) | {"name": f"#{number} {name_of(layer)}"})


# (transposed, kernel size, stride, padding, output padding) as networks have them.
USUAL = [
    (True, 2, 2, 0, 0), (True, 2, 2, 0, 0), (True, 4, 2, 1, 0), (True, 4, 2, 1, 0),
    (True, 3, 2, 1, 1), (True, 3, 1, 1, 0), (True, 4, 4, 0, 0), (True, 8, 4, 2, 0),
    (True, 16, 8, 4, 0), (True, 5, 2, 2, 1), (True, 6, 2, 2, 0), (True, 4, 1, 0, 0),
    (False, 1, 1, 0, 0), (False, 3, 1, 1, 0), (False, 3, 1, 1, 0), (False, 3, 2, 1, 0),
    (False, 5, 1, 2, 0), (False, 7, 1, 3, 0), (False, 7, 2, 3, 0), (False, 2, 2, 0, 0),
    (False, 4, 4, 0, 0), (False, 16, 16, 0, 0), (False, 1, 2, 0, 0), (False, 9, 1, 4, 0),
]
USUAL_DEPTHWISE = [
    *USUAL, (False, 3, 1, 1, 0), (False, 5, 1, 2, 0), (False, 7, 1, 3, 0), (False, 31, 1, 15, 0),
    (False, 13, 1, 6, 0), (True, 16, 8, 4, 0),
]
USUAL_SIZES = [7, 8, 14, 16, 28, 32, 56, 64, 112, 128]
USUAL_CHANNELS = [3, 8, 16, 21, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024]


def usual_layer(rng: random.Random, number: int) -> Layer:
    """Return a layer as networks have them, and a size of its input."""
    while True:
        depthwise, rank = rng.random() < 0.2, often(rng, ranks())
        transposed, kernel, stride, padding, more = rng.choice(
            USUAL_DEPTHWISE if depthwise else USUAL)
        inner = rng.choice(USUAL_CHANNELS)
        outer = inner if depthwise else rng.choice([*USUAL_CHANNELS, 1, inner, inner])
        size = between(rng, 4, {1: 2048, 2: 192, 3: 40}[rank])
        size = often(rng, {size: 1, size // 4 * 4: 2, rng.choice(USUAL_SIZES): 3})
        maps = [size] * rank if rng.random() < 0.8 else [size, *[max(size // 2, 4)] * (rank - 1)]
        layer = Layer(
            name="", group="usual", transposed=transposed, kernel=kernel, stride=stride,
            shape=(often(rng, {1: 9, 8: 1}), inner, *maps), channels=outer, padding=padding,
            output_padding=more, groups=inner if depthwise else 1,
            channels_last=rng.random() < 0.35,
        )
        if is_reasonable(layer):
            return Layer(**vars(layer) | {"name": f"#u{number} {name_of(layer)}"})


def out_sizes(layer: Layer) -> list[int]:
    """Return the spatial sizes of a layer's result."""
    reach = layer.dilation * (layer.kernel - 1) + 1
    if layer.transposed:
        return [(n - 1) * layer.stride - 2 * layer.padding + reach + layer.output_padding
                for n in layer.shape[2:]]
    return [(n + 2 * layer.padding - reach) // layer.stride + 1 for n in layer.shape[2:]]


def is_reasonable(layer: Layer) -> bool:
    out = out_sizes(layer)
    inner, n = layer.shape[1], layer.shape[0]
    bytes_of = [n * layer.channels * math.prod(out), n * inner * math.prod(layer.shape[2:]),
                inner * layer.channels // layer.groups * layer.kernel**layer.rank]
    return (min(out) >= 1 and max(bytes_of) * 4 <= MOST_RESULT_BYTES
            and 1e4 <= layer.flops((n, layer.channels, *out)) <= MOST_FLOPS)


def name_of(layer: Layer) -> str:
    words = ["convT" if layer.transposed else "conv", f"{layer.shape[1]}→{layer.channels}"]
    words += [f"k{layer.kernel}", f"s{layer.stride}"]
    letters = {"p": layer.padding, "a": layer.output_padding,
               "d": layer.dilation if layer.dilation > 1 else 0,
               "g": layer.groups if layer.groups > 1 else 0}
    words += [f"{letter}{value}" for letter, value in letters.items() if value]
    words.append(describe((layer.shape[0], *layer.shape[2:])))
    words += ["float64"] if layer.dtype == "float64" else []
    return " ".join([*words, *(["last"] if layer.channels_last else [])])


# --- ways ----------------------------------------------------------------------------------------


class Subject:
    """A layer with its arrays, and the ways in which it can be computed."""

    def __init__(self, layer: Layer, threads: int) -> None:
        kind = "ConvTranspose" if layer.transposed else "Conv"
        more = {"output_padding": layer.output_padding} if layer.transposed else {}
        x, weight, bias = layer.data()
        self.module = getattr(up, f"{kind}{layer.rank}d")(
            weight, bias, layer.stride, layer.padding, groups=layer.groups,
            dilation=layer.dilation, **more
        )
        self.layer, self.threads = layer, threads
        self.parameters = self.module._parameters
        self.x = in_memory_order(x, layer.channels_last)
        self.out = in_memory_order(self.module(x), layer.channels_last)
        self.frames = orders.frames_of(self.x, self.out)
        self.packed: dict[Any, np.ndarray] = {}

    def chosen(self) -> str:
        return orders.plan(self.parameters, self.x, self.out, self.threads)[0].name

    def way(self, name: str, **choices: Any) -> Way | None:
        """Return a plan of this order, or None if there is none with these choices."""
        order = orders.BY_NAME[name]
        plan = orders.plan_of(
            self.parameters, order, self.frames, self.threads, **asked(choices)
        )
        source = choices.get("source", plan.description["source"])
        fits = plan.fits and source == plan.description["source"] and plan.thread_bytes < 16 << 20
        return Way(name, choices, plan) if fits else None

    def ways(self, thorough: bool) -> Iterator[Way]:
        """Yield every order's own plan; then those with other sources, pairs and blocks."""
        seen = set()
        for order in orders.ORDERS:
            if not order.takes(self.parameters, self.frames.channels_last):
                continue
            for choices in self.choices(order, thorough):
                way = self.way(order.name, **choices)
                if way is None:
                    continue
                # A block's shape decides what is done, whoever chose it.
                key = order.name, choices.get("pairs"), *way.plan.description.values()
                if key not in seen:
                    seen.add(key)
                    yield way

    def choices(self, order: orders.Order, thorough: bool) -> Iterator[dict[str, Any]]:
        yield {}
        if order.kernel == "depthwise" or order.vectors == "col2im":
            return
        for source in order.sources:
            yield {"source": source}
        own = orders.layout(self.parameters, order)
        if order.vectors == "pixels" and self.parameters.stride[-1] == 2:
            yield {"pairs": not own.pairs}
        if not thorough:
            return
        at = self.way(order.name).plan.description
        rows, columns = at["rows"], at["columns"]
        for block in ((2 * rows, columns), (rows // 2, columns), (rows, 2 * columns),
                      (rows, columns // 2)):
            if self.holds(at["source"], *block):
                yield {"source": at["source"], "block": block}

    def holds(self, source: str, rows: int, columns: int) -> bool:
        """Return whether the result has so many rows and columns of pixels, of one phase."""
        if source == "im2col":
            return rows == 1 and 1 <= columns <= 512
        steps = self.module.stride if self.layer.transposed else (1,) * self.layer.rank
        *_, height, width = (1, *(math.ceil(n / s) for n, s in
                                  zip(self.out.shape[2:], steps, strict=True)))
        return 1 <= rows <= height and 1 <= columns <= width

    def call(self, way: Way) -> Callable[[], None]:
        order = orders.BY_NAME[way.order]
        pairs = way.choices.get("pairs")
        packed = self.packed.get((order, pairs))
        if packed is None:
            packed = orders.layout(self.parameters, order, pairs).pack(
                self.module.weight, self.module.bias
            )
            self.packed[order, pairs] = packed
        gaps, bias = order.leaves_gaps(self.parameters), self.module.bias
        task = Task(None, way.plan, (), None, gaps, packed, bias)
        return lambda: task.run(self.x, packed, bias, self.out)

    def bound(self) -> np.ndarray:
        """Return how far two correct results may be apart: 2 n u times the sum of sizes."""
        module = type(self.module)(
            abs(self.module.weight), None if self.module.bias is None else abs(self.module.bias),
            **{name: getattr(self.module, name)
               for name in ("stride", "padding", "groups", "dilation")},
            **({"output_padding": self.module.output_padding} if self.layer.transposed else {}),
        )
        terms = math.prod(self.parameters.kernel) * self.parameters.channels_in
        terms = terms // self.parameters.groups + 1
        return terms * np.finfo(self.x.dtype).eps * module(abs(self.x))


def asked(choices: dict[str, Any]) -> dict[str, Any]:
    """Return what is asked of a plan, as its constructor takes it."""
    return {key: value for key, value in choices.items() if value is not None}


def in_memory_order(array: np.ndarray, channels_last: bool) -> np.ndarray:
    """Return a copy of (N, C, *spatial) whose channels, or pixels, are neighbours in memory."""
    if not channels_last:
        return np.array(array, order="C")
    return np.moveaxis(np.array(np.moveaxis(array, 1, -1), order="C"), -1, 1)


# --- timing --------------------------------------------------------------------------------------


def least_times(calls: list[Callable[[], None]], judged: int) -> list[float]:
    """Return the least seconds of each call: all in turn, then again those near the best.

    The one that is judged has all turns: what interrupts it for long is no fault of the choice.
    """
    repeats, least = [], []
    for call in calls:
        call()
        took = math.inf
        for _ in range(3):  # one may be interrupted
            start = time.perf_counter()
            call()
            took = min(took, time.perf_counter() - start)
        repeats.append(max(1, math.ceil(BURST / max(took, 1e-9))))
        least.append(took)
    for turns, near in ((FIRST_TURNS, HOPELESS), (LAST_TURNS, NEAR)):
        for _ in range(turns):
            for number, call in enumerate(calls):
                if number != judged and least[number] > near * min(least):
                    continue
                call()
                start = time.perf_counter()
                for _ in range(repeats[number]):
                    call()
                took = (time.perf_counter() - start) / repeats[number]
                least[number] = min(least[number], took)
    return least


def measured(layer: Layer, threads: int, thorough: bool) -> dict[str, Any]:
    """Time every way of a layer; return what there is to know of it, as JSON can hold it."""
    subject = Subject(layer, threads)
    ways = list(subject.ways(thorough))
    bound, first, calls = subject.bound(), None, []
    for way in ways:
        calls.append(subject.call(way))
        subject.out.fill(np.nan)
        calls[-1]()
        if first is None:
            first = subject.out.copy()
        apart = abs(subject.out - first) <= bound
        if not apart.all():
            raise AssertionError(f"{layer.name}: {way.order} {way.choices} gives another result")
    gc.collect()
    chosen = subject.chosen()
    times = least_times(calls, [(way.order, way.choices) for way in ways].index((chosen, {})))
    fields = {key: value for key, value in vars(layer).items()
              if value != Layer.__dataclass_fields__[key].default or key == "name"}
    return {
        "layer": fields, "level": runtime.LEVEL, "cpu": cpu(), "threads": threads,
        "chosen": chosen,
        "ways": [way.plan.description | {
            "order": way.order, "choices": way.choices, "estimate": way.plan.nanoseconds,
            "seconds": seconds,
        } for way, seconds in zip(ways, times, strict=True)],
    }


# --- report --------------------------------------------------------------------------------------


def regret(row: dict[str, Any]) -> tuple[float, dict[str, Any], dict[str, Any]]:
    """Return chosen over best, the chosen way and the best one."""
    ways = [way for way in row["ways"] if not way["choices"]]
    chosen = next(way for way in ways if way["order"] == row["chosen"])
    best = min(row["ways"], key=lambda way: way["seconds"])
    return chosen["seconds"] / best["seconds"], chosen, best


def words(way: dict[str, Any]) -> str:
    block = f"{way['rows']}x{way['columns']}" if "rows" in way else ""
    return f"{way['order']} {way['source']} {block}"


def ratio(a: float, b: float) -> str:
    return f"{a / b:.2f}" if b else "?"


def report(rows: list[dict[str, Any]], worst: int = 10) -> None:
    """Print how the regret is distributed, and the worst layers with what would be better."""
    rated = sorted(((*regret(row), row) for row in rows), key=lambda one: -one[0])
    values = sorted(one[0] for one in rated)
    at = [values[min(int(share * len(values)), len(values) - 1)] for share in (0.5, 0.9, 0.95)]
    print(f"{rows[0]['level']}, {rows[0]['threads']} thread(s), {len(values)} layers: regret "
          f"median {at[0]:.3f}, 90 % {at[1]:.3f}, 95 % {at[2]:.3f}, worst {values[-1]:.2f}; mean "
          f"{sum(values) / len(values):.3f}")
    wrong = [one for one in rated if one[1]["order"] != one[2]["order"]]
    print(f"  another order is best for {len(wrong)}, by more than 1.05 for "
          f"{sum(one[0] > 1.05 for one in wrong)}; another plan of the same order, by more than "
          f"1.05, for {sum(one[0] > 1.05 for one in rated if one not in wrong)}")
    for value, chosen, best, row in rated[:worst]:
        print(f"  {value:5.2f}  {row['layer']['name']}: {words(chosen)}, "
              f"{duration(chosen['seconds'])}; best {words(best)}, {duration(best['seconds'])}; "
              f"estimated {ratio(chosen['estimate'], best['estimate'])}")


def ways_of(rows: list[dict[str, Any]]) -> None:
    """Print all ways of each layer: times over the best one, and over their estimate."""
    for row in rows:
        print(row["layer"]["name"])
        ways = sorted(row["ways"], key=lambda way: way["seconds"])
        for way in ways:
            print(f"  {way['seconds'] / ways[0]['seconds']:5.2f}  {words(way)}: "
                  f"{duration(way['seconds'])}, "
                  f"{ratio(way['seconds'] * 1e9, way['estimate'])} of the estimate")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.plans", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--level", help="CPU level; default: the best this machine has")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seed", type=int, default=0, help="of the random layers")
    p.add_argument("--first", type=int, default=0, help="number of the first of these layers")
    p.add_argument("--count", type=int, default=100, help="how many of them")
    p.add_argument("--seconds", type=float, help="begin no further layer after this time")
    p.add_argument("--usual", action="store_true", help="random layers of the kinds that networks "
                   "have, instead of any")
    p.add_argument("--named", action="store_true", help="the named layers instead of random ones")
    p.add_argument("--tuned", action="store_true", help="the layers of which tuned numbers tell, "
                   "with all their ways")
    p.add_argument("--thorough", action="store_true", help="other blocks as well")
    p.add_argument("--out", type=Path, help="a file to which a line of JSON a layer is added; "
                   "layers that it has are not timed again")
    p.add_argument("--report", type=Path, help="report what such a file holds, and time nothing")
    return p


def layers(options: argparse.Namespace) -> list[Layer]:
    if options.named:
        return named_layers()
    if options.tuned:
        return tuned_layers()
    rng = random.Random(options.seed)
    make = usual_layer if options.usual else random_layer
    made = [make(rng, number) for number in range(options.first + options.count)]
    return made[options.first:]


def known_rows(path: Path | None) -> list[dict[str, Any]]:
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.report:
        report(known_rows(options.report))
        return 0
    if options.level and options.level != runtime.LEVEL:
        os.environ["UPSHAPE_CPU"] = options.level
        own = sys.argv[1:] if arguments is None else arguments
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.plans", *own])
    up.set_num_threads(options.threads)
    rows, start = known_rows(options.out), time.perf_counter()
    done = {row["layer"]["name"] for row in rows}
    for layer in layers(options):
        if layer.name in done:
            continue
        if options.seconds and time.perf_counter() - start > options.seconds:
            break
        rows.append(measured(layer, options.threads, options.thorough))
        if options.out:
            with options.out.open("a") as file:
                file.write(json.dumps(rows[-1], ensure_ascii=False) + "\n")
    report(rows)
    if options.tuned:
        ways_of(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
