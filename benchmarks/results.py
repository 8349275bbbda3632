"""One case's times, and what follows from them: ratios, distance to the limit, goals."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import limits
from benchmarks.cases import Goal
from benchmarks.timing import Timing

FORMAT = 1

# A median this far above the minimum: the machine was not to itself.
NOISY = 1.3
# CPUs that other processes may keep busy.
CROWDED = 0.15

# On several threads a convolution's share of the peak may be this much lower.
SEVERAL_THREADS = 0.9


@dataclass(frozen=True)
class Check:
    """One goal of one case: the value, what it should be, and whether it is."""

    what: str
    value: float
    wanted: float
    met: bool


@dataclass
class Result:
    """`times` has every contender and every limit; `peak_flops` is what the peak's call does."""

    case: str
    group: str
    threads: int
    judged: str
    headline: bool
    result_bytes: int
    flops: int
    peak_flops: int
    fills: list[str]
    times: dict[str, Timing]
    goal: Goal | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    wrong: str | None = None
    others: float = 0.0  # CPUs that other processes kept busy

    # --- ours and the peers' ---------------------------------------------------------------------

    @property
    def ours(self) -> float:
        return self.times[self.judged].minimum

    def time(self, name: str) -> float | None:
        timing = self.times.get(name)
        return timing.minimum if timing else None

    def peers(self, family: str | None = None) -> dict[str, float]:
        """Return the peers' times; a family is a library's name, or "NCHW"."""
        found = {
            name: timing.minimum
            for name, timing in self.times.items()
            if not name.startswith("upshape") and name not in limits.NAMES
        }
        if family == "NCHW":
            return {name: t for name, t in found.items() if name != "torch channels_last"}
        if family is not None:
            return {name: t for name, t in found.items() if name.split()[0] == family}
        return found

    def best_peer(self, family: str | None = None) -> tuple[str, float] | None:
        peers = self.peers(family)
        return min(peers.items(), key=lambda item: item[1]) if peers else None

    def ratio(self, family: str | None = None) -> float | None:
        """Return peer / upshape for the best peer: above 1 upshape is faster."""
        best = self.best_peer(family)
        return best[1] / self.ours if best else None

    @property
    def noisy(self) -> bool:
        if self.others > CROWDED:
            return True
        names = [self.judged]
        best = self.best_peer()
        if best:
            names.append(best[0])
        return any(self.times[n].median > NOISY * self.times[n].minimum for n in names)

    # --- the limit -------------------------------------------------------------------------------

    @property
    def fill(self) -> float:
        """Return the seconds that it takes to write as many bytes."""
        return min(self.times[name].minimum for name in self.fills)

    @property
    def limit(self) -> float:
        """Return the least seconds that the machine needs."""
        peak = self.times.get(limits.PEAK)
        counting = self.flops * peak.minimum / self.peak_flops if peak else 0.0
        return max(self.fill, counting)

    @property
    def distance(self) -> float:
        """Return limit / time: 1 is the limit itself."""
        return self.limit / self.ours

    @property
    def rate(self) -> float:
        """Return the bytes of the result written a second."""
        return self.result_bytes / self.ours


def checks(result: Result, others: dict[tuple[str, int], Result]) -> list[Check]:
    """Hold a result against its goal; `others` are the run's results by case and threads."""
    goal = result.goal
    if goal is None:
        return []
    found: list[Check] = []

    def at_least(what: str, value: float | None, wanted: float | None) -> None:
        if wanted is not None and value is not None:
            found.append(Check(what, value, wanted, value >= wanted))

    def at_most(what: str, value: float | None, wanted: float | None) -> None:
        if wanted is not None and value is not None:
            found.append(Check(what, value, wanted, value <= wanted))

    if goal.limit is not None:
        several = result.flops and result.threads > 1
        at_least(
            "of the limit", result.distance, goal.limit * (SEVERAL_THREADS if several else 1)
        )
    at_least("over the best peer", result.ratio(), goal.ratio)
    for family, wanted in goal.over.items():
        at_least(f"over {family}", result.ratio(family), wanted)
    at_most("microseconds", result.ours * 1e6, goal.microseconds)
    read = result.time(limits.READ)
    at_most("times reading the input", read and result.ours / read, goal.reading)
    if goal.rate_of is not None:
        name, wanted = goal.rate_of
        other = others.get((name, result.threads))
        at_least("of float32's bytes a second", other and result.rate / other.rate, wanted)
    plain, layer = result.time("upshape"), result.time("upshape layer")
    if plain is not None and layer is not None:
        at_most("call / layer", plain / layer, goal.packing)
    return found


def geometric_mean(values: Iterable[float]) -> float:
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))


# --- kept runs -----------------------------------------------------------------------------------


def save(
    path: Path, machine: dict[str, object], run: dict[str, object], results: list[Result]
) -> None:
    """Keep a run as JSON: wholly, or as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "format": FORMAT, "machine": machine, "run": run,
        "results": [asdict(result) for result in results],
    }
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    beside.replace(path)


def load(path: Path) -> tuple[dict, dict, list[Result]]:
    """Return machine, run and results of a kept run."""
    content = json.loads(path.read_text())
    if content.get("format") != FORMAT:
        raise SystemExit(f"{path}: not a run of this benchmark (format {content.get('format')!r})")
    results = []
    for fields in content["results"]:
        fields["times"] = {name: Timing(**timing) for name, timing in fields["times"].items()}
        if fields["goal"] is not None:
            rate_of = fields["goal"]["rate_of"]
            fields["goal"] = Goal(**fields["goal"] | {"rate_of": rate_of and tuple(rate_of)})
        results.append(Result(**fields))
    return content["machine"], content["run"], results


def differences(there: dict, here: dict) -> Iterator[tuple[str, object, object]]:
    """Yield what differs, but for the date: name, value there, value here."""
    for key, now in here.items():
        was = there.get(key)
        if isinstance(now, dict) and isinstance(was, dict):
            yield from differences(was, now)
        elif was != now and key != "date":
            yield key, was, now


def resume(
    path: Path, machine: dict[str, object], run: dict[str, object]
) -> tuple[dict, list[Result]]:
    """Return machine and results of a kept run that was of this machine, and like this one."""
    kept, kept_run, results = load(path)
    for what, there, here in [("machine", kept, machine), ("run", kept_run, run)]:
        for key, was, now in differences(there, here):
            raise SystemExit(
                f"--resume: {path} is another {what}'s: {key} was {was!r}, is {now!r}; "
                f"leave --resume out to begin anew"
            )
    return kept, results
