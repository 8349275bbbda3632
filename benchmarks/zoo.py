"""Which published network takes which sizes: every model read, solved and run at its borders.

    python -m benchmarks.zoo --out zoo.jsonl     all models of the libraries that are installed
    python -m benchmarks.zoo timm: monai:        those whose names start so
    python -m benchmarks.zoo --sample 12         one model each of so many families, seed 0
    python -m benchmarks.zoo --square            squares and cubes only, not each axis alone
    python -m benchmarks.zoo --table zoo.jsonl   the table of an earlier run
    python -m benchmarks.zoo --page zoo.jsonl    the tables of the documentation

It needs torch; torchvision, timm, segmentation_models_pytorch, monai, diffusers, transformers and
dynamic_network_architectures are asked as far as they are installed. (torchvision installs beside a
PyTorch for CPUs by ``pip install --no-deps torchvision``.) The models come in a random order, the
same one every time, one of each family before the next one of any, so that a run that is stopped
has seen a fair sample; each runs in a process of its own. A run goes on where the file of its
results ends.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import random
import re
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Container, Sequence
from typing import Any

from .zoo_models import LIBRARIES, Build, has, models

SECONDS = 150  # of the processor for a model, with all its checks: more is no answer
MEMORY = 40 * 2**30  # bytes of addresses that a model's process may take


class TooLong(BaseException):
    """A model took more than its seconds."""


def _late(*args: Any) -> None:
    raise TooLong


def judged(name: str, build: Build, axes: bool = False) -> dict[str, Any]:
    """Read, solve and check one model; return what came of it."""
    record: dict[str, Any] = {"model": name}
    signal.signal(signal.SIGPROF, _late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        _judge(record, build, axes)
    except TooLong:
        record.update(outcome="too long", why=f"not done after {SECONDS} s")
    except AssertionError as error:
        record.update(outcome="wrong", why=str(error)[:500])
    except Exception as error:
        stage = "crash" if "layers" in record else "not built"
        record.update(outcome=stage, why=f"{type(error).__name__}: {str(error)[:500]}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return record


def _judge(record: dict[str, Any], build: Build, axes: bool) -> None:
    """Fill in the record of a model."""
    from upshape import shapes

    model = _built(build)
    record["layers"] = sum(1 for one in model.modules() if not list(one.children()))
    start = time.process_time()
    network = shapes.from_torch(model)
    if network.unread:
        record["seconds"] = round(time.process_time() - start, 2)
        record.update(outcome="refused", why=network.unread[0][:500])
        return
    answer = shapes.solve(network)
    record["seconds"] = round(time.process_time() - start, 2)
    record["sizes"] = str(answer._sizes)[:300]
    record["ways"] = len(answer._survey.ways)
    answer.check()
    if not answer:
        record["why"] = answer._refusal_of_all()[:500]
    alone = []
    for axis in range(answer._rank or 0) if axes else ():
        start = time.process_time()
        try:
            one = shapes.solve(network, axis=axis)
        except ValueError as error:
            record.update(outcome="refused", why=f"axis={axis}: {str(error)[:500]}")
            return
        record.setdefault("seconds_alone", []).append(round(time.process_time() - start, 2))
        record.setdefault("alone", []).append(str(one._sizes)[:300])
        one.check()
        alone.append(one)
    if alone:
        record["unequal"] = _check_unequal(_built(build), network._model, answer, alone)
    record["outcome"] = "right" if answer else "right, none"


def _check_unequal(module: Any, reader: Any, answer: Any, alone: list[Any]) -> int:
    """Hold the answer for sizes that differ from axis to axis against the bare module."""
    first = answer._sizes.next(1) or 224
    wanted = {(224,) * len(alone), (first,) * len(alone), (first + 1,) * len(alone)}
    wanted |= {(480, 854, 64)[: len(alone)], (33, 64, 47)[: len(alone)]}
    firsts = [[one._sizes.next(1), one._sizes.next(33), one._sizes.threshold] for one in alone]
    for turn in range(3):  # a size of another kind for each axis
        wanted.add(tuple(row[(turn + place) % 3] or 1 for place, row in enumerate(firsts)))
    wanted |= {one for one in map(answer.next, sorted(wanted)) if one is not None}
    for sizes in sorted(wanted):
        told = answer.output(sizes) if sizes in answer else None
        found = bare(module, reader, sizes)
        if told is not None and _flat(told) != found:
            raise AssertionError(f"at {sizes} the answer says {told}, the module makes {found}")
        if told is None and found is not None and 0 not in found:
            raise AssertionError(f"at {sizes} the answer says no, the module makes {found}")
    return len(wanted)


def bare(module: Any, reader: Any, sizes: tuple[int, ...]) -> list[int] | None:
    """Run the module as it is with zeros for weights; return its outputs' sizes, None if it fails.

    The reader has not seen this module; it tells how many inputs there are, and their channels.
    """
    import copy

    import torch

    for device in ("meta", "cpu"):
        own = copy.deepcopy(module)  # a module may keep the sizes that it has seen
        own = own.to(device) if device == "cpu" else own.to_empty(device=device)
        shape = reader._shape(sizes)
        image = torch.zeros(shape, device=device, dtype=reader.dtype)
        images, named = [image] * reader.images, dict.fromkeys(reader._by_name, image)
        try:
            with torch.no_grad():
                made = own(*images, **named)
        except Exception as error:
            unknown = isinstance(error, NotImplementedError) or "meta" in str(error)
            if device == "cpu" or not unknown:
                return None
            continue
        return _flat(made)
    return None


def _flat(value: Any) -> list[int]:
    """Return the spatial sizes of all tensors in a result, or its features where it has none."""
    import dataclasses

    import torch

    if isinstance(value, torch.Tensor):
        shape = list(value.shape)
        return shape[2:] if len(shape) > 2 else shape[-1:] or [1]
    if isinstance(value, bool) or not isinstance(value, dict | tuple | list | int):
        if dataclasses.is_dataclass(value):
            fields = [getattr(value, one.name) for one in dataclasses.fields(value)]
            return [size for one in fields for size in _flat(one)]
        return []
    if isinstance(value, int):
        return [value]
    entries = value.values() if isinstance(value, dict) else value
    return [size for one in entries for size in _flat(one)]


def _built(build: Build) -> Any:
    """Build a model with zeros for what is random in it: drawing numbers takes long."""
    import torch
    from torch.overrides import TorchFunctionMode

    random = {getattr(torch.Tensor, name) for name in ("normal_", "uniform_", "erfinv_", "random_")}

    class Zeros(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any, kwargs: Any = None) -> Any:
            return args[0].zero_() if func in random else func(*args, **(kwargs or {}))

    with Zeros():
        return build().eval()


def apart(
    name: str, build: Build, axes: bool = False, judge: Callable[..., dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Judge a model in a process of its own, which may run out of time, memory, or luck."""
    return _ended(name, *_begun(name, build, axes, judge))


def side_by_side(
    chosen: Sequence[tuple[str, Build]], axes: bool = False, processes: int = 2
) -> list[dict[str, Any]]:
    """Judge models, some at a time, each in a process of its own."""
    records: list[dict[str, Any]] = []
    running: list[tuple[str, int, int]] = []
    for name, build in chosen:
        if len(running) == processes:
            records.append(_ended(*running.pop(0)))
        running.append((name, *_begun(name, build, axes)))
    return records + [_ended(*one) for one in running]


def _begun(
    name: str, build: Build, axes: bool, judge: Callable[..., dict[str, Any]] | None = None
) -> tuple[int, int]:
    """Start a process that judges a model; return its number and where its record is read."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))
        with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(ImportError):
            import torch

            torch.set_num_threads(1)
        with contextlib.redirect_stdout(sys.stderr):
            told = json.dumps(judge(name, build) if judge else judged(name, build, axes))
        with os.fdopen(writer, "w") as pipe:
            pipe.write(told)
        os._exit(0)
    os.close(writer)
    return pid, reader


def _ended(name: str, pid: int, reader: int) -> dict[str, Any]:
    """Return the record of a model when its process has ended."""
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    _, status = os.waitpid(pid, 0)
    if told:
        record: dict[str, Any] = json.loads(told)
        return record
    number = os.waitstatus_to_exitcode(status)
    late = -number in (signal.SIGKILL, signal.SIGXCPU)
    return {"model": name, "outcome": "too long" if late else "crash", "why": f"exit {number}"}


def family(name: str) -> str:
    """Return the family of a model: its library, and what its name begins with."""
    library, _, own = name.partition(":")
    return f"{library}:{re.split('[_/+-]', own)[0].rstrip('0123456789')}"


def in_turn(chosen: list[tuple[str, Build]], seed: int = 0) -> list[tuple[str, Build]]:
    """Return models in a random order, one of each family before the next one of any."""
    chance = random.Random(seed)
    chosen = sorted(chosen, key=lambda one: one[0])
    chance.shuffle(chosen)
    turns: dict[str, int] = {}
    placed = []
    for one in chosen:
        turns[family(one[0])] = turn = turns.get(family(one[0]), 0) + 1
        placed.append((turn, one))
    return [one for _, one in sorted(placed, key=lambda pair: pair[0])]


def sample(
    count: int, library: str = "", seed: int = 0, left_out: Container[str] = ()
) -> list[tuple[str, Build]]:
    """Return one model each of so many families, of a library or of all."""
    families: dict[str, list[tuple[str, Build]]] = {}
    for name, build in models():
        if name.startswith(library) and name not in left_out:
            families.setdefault(family(name), []).append((name, build))
    chance = random.Random(seed)
    chosen = chance.sample(sorted(families), min(count, len(families)))
    return [chance.choice(families[one]) for one in chosen]


KINDS = ("answered", "right", "refused", "too long", "wrong", "crash")


def table(records: list[dict[str, Any]]) -> str:
    """Return the table of outcomes, a line a library."""
    lines = [
        f"{'library':<30}{'models':>8}"
        + "".join(f"{kind:>10}" for kind in KINDS)
        + "  median s  worst s"
    ]
    libraries = dict.fromkeys(record["model"].partition(":")[0] for record in records)
    for library in [*libraries, ""]:
        own, counts, seconds = counted(records, library)
        lines.append(
            f"{library or 'all':<30}{len(own):>8}"
            + "".join(f"{count:>10}" for count in counts)
            + "".join(f"{one:>9.1f}" for one in seconds)
        )
    return "\n".join(lines)


def counted(
    records: list[dict[str, Any]], library: str
) -> tuple[list[dict[str, Any]], list[int], list[float]]:
    """Return a library's models, how many have each outcome, and the median and most seconds."""
    own = [
        record
        for record in records
        if record["model"].startswith(library) and record["outcome"] != "not built"
    ]
    times = sorted(record["seconds"] for record in own if "seconds" in record) or [0]
    counts = {kind: sum(one["outcome"].startswith(kind) for one in own) for kind in KINDS}
    counts["answered"] = counts["right"] + counts["wrong"]
    return own, list(counts.values()), [times[len(times) // 2], times[-1]]


def page(about: dict[str, Any], records: list[dict[str, Any]]) -> str:
    """Return the tables of the documentation, as reStructuredText."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    done = sum(record["outcome"] != "not built" for record in records)
    alone = sum("alone" in record for record in records)
    lines = [
        f"{done} models, {alone} of them along each axis alone as well; {about['date']}; "
        f"{versions}.", "",
        ".. list-table::", "   :header-rows: 1", "",
        *_row(["library", "models", *KINDS, "median s", "worst s"]),
    ]  # fmt: skip
    libraries = sorted({record["model"].partition(":")[0] for record in records})
    for library in [*libraries, ""]:
        own, counts, seconds = counted(records, library)
        lines += _row([library or "all", len(own), *counts, *(f"{one:.1f}" for one in seconds)])
    for library in libraries:
        lines += ["", library, "~" * len(library), ""]
        lines += [".. list-table::", "   :header-rows: 1", "   :widths: 30 70", ""]
        lines += _row(["model", "input sizes"])
        for record in sorted(counted(records, library)[0], key=lambda one: one["model"]):
            name = record["model"].partition(":")[2]
            lines += _row([f"``{name}``", _told(record)])
    return "\n".join(lines)


def _row(cells: list[Any]) -> list[str]:
    return [f"   {'* -' if not place else '  -'} {cell}" for place, cell in enumerate(cells)]


def _told(record: dict[str, Any]) -> str:
    """Say what a model takes, or why that is not known."""
    if not record["outcome"].startswith("right"):
        why = re.sub(r"\S*/(site-packages|wt|work)/", "", record["why"]).replace("`", "'")
        return f"*{record['outcome']}*: ``{why[:120].strip()}``"
    sizes = record["sizes"]
    alone = record.get("alone", [record.get("height", sizes)])
    if set(alone) == {sizes}:
        return f"``{sizes}``"
    if len(set(alone)) == 1:
        return f"``{sizes}``; an axis alone: ``{alone[0]}``"
    return f"``{sizes}``; each axis alone: " + ", ".join(f"``{one}``" for one in alone)


def read(path: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a file says of its run, and the last record of every model."""
    about: dict[str, Any] = {}
    found: dict[str, dict[str, Any]] = {}
    with contextlib.suppress(FileNotFoundError), open(path) as file:
        for line in file:
            record = json.loads(line)
            if "model" in record:
                found[record["model"]] = record
            else:
                about.update(record)
    return about, list(found.values())


def about_this_run(others: Sequence[str] = ()) -> dict[str, Any]:
    """Return the date and the versions of what is installed."""
    names = ["torch", *others, *(name for name in LIBRARIES if has(name))]
    versions = {name: importlib.metadata.version(name.replace("_", "-")) for name in names}
    return {"date": datetime.date.today().isoformat(), "versions": versions}


def main() -> None:
    """Run models and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="what the names of the models start with")
    parser.add_argument("--sample", type=int, help="one model each of so many families")
    parser.add_argument("--square", action="store_true", help="not each axis alone")
    parser.add_argument("--out", help="a file to which the records are added, a line of JSON each")
    parser.add_argument("--again", nargs="*", default=[], help="outcomes that are tried once more")
    parser.add_argument("--table", help="print the table of such a file, and run nothing")
    parser.add_argument("--page", help="print the tables of the documentation from such a file")
    args = parser.parse_args()
    if args.page:
        print(page(*read(args.page)))
        return
    if args.table:
        print(table(read(args.table)[1]))
        return
    warnings.simplefilter("ignore")
    chosen = sample(args.sample) if args.sample else in_turn(list(models()))
    if args.names:
        chosen = [one for one in chosen if one[0].startswith(tuple(args.names))]
    records = {one["model"]: one for one in (read(args.out)[1] if args.out else [])}
    if args.out and not records:
        _added(args.out, about_this_run())
    for name, build in chosen:
        if name in records and records[name]["outcome"] not in args.again:
            continue
        records[name] = record = apart(name, build, not args.square)
        told = record.get("sizes") if record["outcome"].startswith("right") else record["why"]
        seconds = record.get("seconds", 0)
        print(f"{record['outcome']:<9} {seconds:>6} s  {name}: {told[:160]}", flush=True)
        if args.out:
            _added(args.out, record)
    print(table(list(records.values())))


def _added(path: str, record: dict[str, Any]) -> None:
    with open(path, "a") as file:
        print(json.dumps(record), file=file)


if __name__ == "__main__":
    main()
