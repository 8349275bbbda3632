"""The same model read twice, as PyTorch's and as ONNX's: do both answers agree?

    python -m benchmarks.twins --out twins.jsonl      a sample of the published models
    python -m benchmarks.twins timm: --count 20       so many whose names start so
    python -m benchmarks.twins --page twins.jsonl     the table of the documentation

It needs torch, onnx, onnxscript and onnxruntime, and the libraries that `benchmarks.zoo` reads.
Each model is exported with open height and width; a small one of each family, seed 0. The file's
answer is held against ONNX Runtime: an exporter may fix what its example decided, and then the
file takes other sizes than the model.
"""

from __future__ import annotations

import argparse
import io
import random
import signal
import warnings
from typing import Any

from upshape.shapes._results import _leaves

from . import zoo

SECONDS = 200  # of the processor for a model
EXAMPLE = 64, 96, 128, 160, 192, 224, 256, 288, 320, 384  # sizes that examples may have


def judged(name: str, build: zoo.Build) -> dict[str, Any]:
    """Export, read and compare one model; return what came of it."""
    record: dict[str, Any] = {"model": name}
    signal.signal(signal.SIGPROF, zoo._late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        _judge(record, build)
    except zoo.TooLong:
        record.update(outcome="too long", why=f"not done after {SECONDS} s")
    except AssertionError as error:
        record.update(outcome="wrong", why=str(error)[:500])
    except Exception as error:
        record.setdefault("outcome", "crash")
        record.setdefault("why", f"{type(error).__name__}: {str(error)[:500]}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return record


def _judge(record: dict[str, Any], build: zoo.Build) -> None:
    """Fill in the record of a model."""
    from upshape import shapes

    model = zoo._built(build)
    try:
        answer = shapes.solve(shapes.from_torch(model))
    except ValueError as error:
        record.update(outcome="not read", why=str(error)[:500])
        return
    record["torch"] = str(answer._sizes)[:200]
    if answer.is_finite:
        record.update(outcome="one size", why="it takes finitely many sizes: nothing is open")
        return
    file = _exported(record, model, answer)
    if file is None:
        return
    network = shapes.from_onnx(file)
    if network.unread:
        record.update(outcome="refused", why=network.unread[0][:500])
        return
    twin = shapes.solve(network)
    record["onnx"] = str(twin._sizes)[:200]
    differ = _different(answer, twin)
    twin.check(file)
    record["outcome"] = "the file differs" if differ else "the same"
    if differ:
        record["why"] = differ


def _different(answer: Any, twin: Any) -> str:
    """Say where two answers differ, around their borders and beyond; nothing if nowhere."""
    for n in sorted({*answer._checked_sizes(), *twin._checked_sizes()}):
        if (n in answer) != (n in twin):
            which = "PyTorch's" if n in answer else "the file's"
            return f"{n} is taken by {which} alone"
        if n in answer and list(_leaves(answer.output(n))) != list(_leaves(twin.output(n))):
            return f"of {n} PyTorch's makes {answer.output(n)}, the file {twin.output(n)}"
    return ""


def _exported(record: dict[str, Any], model: Any, answer: Any) -> bytes | None:
    """Return the model as a file with open height and width, None if no exporter takes it."""
    import torch

    runner = answer._network._model
    # Height and width must differ, or the exporter may take them for one size.
    sizes = [n for n in EXAMPLE if n in answer and runner.rank == 2 and runner.images == 1]
    pairs = ((a, b) for a in sizes for b in sizes if a < b and (a, b) in answer)
    spatial = next(pairs, None)
    if spatial is None:
        record.update(outcome="not exported", why="it takes no single picture of two sizes")
        return None
    image = torch.zeros(1, runner.channels, *spatial)
    auto = torch.export.Dim.DYNAMIC
    ways = {
        "dynamo": {"dynamo": True, "dynamic_shapes": ({2: auto, 3: auto},), "verbose": False},
        "TorchScript": {"dynamo": False, "dynamic_axes": {"x": {2: "h", 3: "w"}},
                        "input_names": ["x"]},
    }  # fmt: skip
    for way, options in ways.items():
        buffer = io.BytesIO()
        try:
            made = torch.onnx.export(
                model, (image,), None if way == "dynamo" else buffer, **options
            )
        except Exception as error:
            record["why"] = f"{way}: {type(error).__name__}: {str(error).strip()[:300]}"
            continue
        record["way"] = way
        record.pop("why", None)
        if way == "dynamo":
            made.save(buffer)
        return buffer.getvalue()
    record["outcome"] = "not exported"
    return None


KINDS = ("the same", "the file differs", "refused", "wrong", "crash", "too long", "not exported")


def page(about: dict[str, Any], records: list[dict[str, Any]]) -> str:
    """Return the table of the documentation, as reStructuredText."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    records = [one for one in records if one["outcome"] in KINDS]
    counts = [(kind, sum(one["outcome"] == kind for one in records)) for kind in KINDS]
    told = ", ".join(f"{count} {kind}" for kind, count in counts if count)
    lines = [f"{len(records)} models, {about['date']}; {versions}. {told}.", ""]
    lines += [".. list-table::", "   :header-rows: 1", "   :widths: 30 12 58", ""]
    lines += zoo._row(["model", "exporter", "input sizes"])
    for one in sorted(records, key=lambda one: one["model"]):
        sizes = f"``{one.get('torch', '')}``"
        if one["outcome"] != "the same":
            why = one.get("why", "").replace("`", "'").split("\n")[0][:160]
            sizes += f"; *{one['outcome']}*: ``{why}``"
        lines += zoo._row([f"``{one['model']}``", one.get("way", "none"), sizes])
    return "\n".join(lines)


def main() -> None:
    """Run models and print what came of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="what the names of the models start with")
    parser.add_argument("--count", type=int, default=60, help="one model each of so many families")
    parser.add_argument("--out", help="a file to which the records are added, a line of JSON each")
    parser.add_argument("--page", help="print the table of the documentation from such a file")
    args = parser.parse_args()
    if args.page:
        print(page(*zoo.read(args.page)))
        return
    warnings.simplefilter("ignore")
    chosen = zoo.sample(10**6)
    random.Random(0).shuffle(chosen)
    chosen = [one for one in chosen if one[0].startswith(tuple(args.names) or "")]
    done = {one["model"] for one in (zoo.read(args.out)[1] if args.out else [])}
    if args.out and not done:
        zoo._added(args.out, zoo.about_this_run(["onnx", "onnxscript", "onnxruntime"]))
    for name, build in chosen[: args.count]:
        if name in done:
            continue
        record = zoo.apart(name, build, judge=judged)
        print(
            f"{record['outcome']:<17} {name}: {record.get('why', record.get('torch'))}", flush=True
        )
        if args.out:
            zoo._added(args.out, record)


if __name__ == "__main__":
    main()
