"""Run one case: make its contenders, see that they agree, time them together with the limits."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable

import numpy as np

from benchmarks import limits
from benchmarks.cases import Case, Interpolate
from benchmarks.contenders import disagreement, offers
from benchmarks.peers import Contender, LeftOut, first_axes, inference, set_threads
from benchmarks.results import Result
from benchmarks.timing import measure
from upshape.reference import interpolate


def by_definition(case: Case, ours: np.ndarray) -> bool:
    """Return whether our result is what the definition says: then it is the peer that is wrong.

    (PyTorch's bilinear mode for uint8 is, on some rows of three pixels.) Asked only about
    interpolation, where the definition's few lines are fast enough.
    """
    if not isinstance(case, Interpolate):
        return False
    x = case.data()
    plain = x if case.layout == "NCHW" else np.ascontiguousarray(first_axes(x))
    exact = interpolate(
        plain, case.size, case.scale, case.mode, case.align_corners, antialias=case.antialias
    )
    if ours.dtype.kind in "iu":
        span = np.iinfo(ours.dtype)
        exact = np.clip(np.rint(exact), span.min, span.max)
    return disagreement(case, ours, exact.astype(ours.dtype)) is None


def prepare(
    case: Case, threads: int, peers: Collection[str]
) -> tuple[dict[str, Contender], dict[str, str], np.ndarray, str | None]:
    """Return who takes part, who does not and why, our result, and PyTorch's objection to it."""
    taking_part: dict[str, Contender] = {}
    left_out: dict[str, str] = {}
    reference: np.ndarray | None = None
    wrong = None
    for name, make in offers(case, threads):
        ours = name.startswith("upshape")
        if not ours and name.split()[0] not in peers:
            continue
        try:
            contender = make()
            result = contender.result(contender.call())
        except LeftOut as reason:
            left_out[name] = str(reason)
            continue
        except Exception as error:  # a peer may refuse in any way it likes; ours may not
            if ours:
                raise
            text = str(error).strip().splitlines() or [""]
            left_out[name] = f"refuses: {type(error).__name__}: {text[0][:100]}"
            continue
        if reference is None:
            reference = result
        apart = disagreement(case, reference, result, contender.border, contender.levels)
        if apart is None:
            taking_part[name] = contender
        elif ours:
            raise AssertionError(f"{case.name}: {name} differs from a plain call: {apart}")
        else:
            left_out[name] = apart
            definition = getattr(case, "like", None) is None
            if name == "torch" and definition and not by_definition(case, reference):
                wrong = f"PyTorch's result differs: {apart}"
    assert reference is not None
    return taking_part, left_out, reference, wrong


def left(
    cases: Iterable[Case], counts: Iterable[int], results: Iterable[Result]
) -> list[tuple[Case, int]]:
    """Return which case on how many threads there is no result of."""
    done = {(result.case, result.threads) for result in results}
    return [(case, n) for case in cases for n in counts if (case.name, n) not in done]


def run_case(
    case: Case, threads: int, seconds: float, rng: random.Random, peers: Collection[str]
) -> Result:
    """Time a case on so many threads, for about so many seconds, beside these libraries."""
    set_threads(threads, peers)
    with inference(peers):
        taking_part, left_out, reference, wrong = prepare(case, threads, peers)
        nbytes, shape = reference.nbytes, reference.shape
        double_precision = reference.dtype == np.float64
        del reference
        calls = {name: contender.call for name, contender in taking_part.items()}
        dispensable = {name for name in calls if not name.startswith("upshape")}
        calls |= limits.contenders(nbytes, threads)
        if case.goal and case.goal.reading is not None:
            calls[limits.READ] = limits.reader(case.data().nbytes, threads)
        flops, peak_flops = case.flops(shape), 0
        if flops:
            calls[limits.PEAK], peak_flops = limits.peak(threads, double_precision)
        times, others = measure(calls, seconds, threads, rng, dispensable)
    return Result(
        case=case.name, group=case.group, threads=threads, judged=case.judged,
        headline=case.headline, result_bytes=nbytes, flops=flops, peak_flops=peak_flops,
        fills=limits.fills(threads), times=times, goal=case.goal, left_out=left_out,
        wrong=wrong, others=others,
    )
