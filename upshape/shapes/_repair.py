"""Repairs of networks: calls that are told which size to reach, so that a join holds.

A plan says for some calls which size they are to reach: a step of the original trace (or an int),
and what leads back from there to the call, if layers lie between the call and the join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from ._quasilinear import Function, PeriodError, SizeSet
from ._results import _mapped
from ._size import Condition, Size, Step, Trace, _blame, ancestors

if TYPE_CHECKING:
    from ._answer import Answer

__all__ = ["Plan", "common", "is_bound", "mended"]

Plan: TypeAlias = dict[Step, tuple[Any, tuple[Callable[[Any], Any], ...]]]


def mended(answer: Answer, fix: str) -> tuple[Answer, dict[Step, Step], Plan]:
    """Mend the failing joins of a network as far as they can be.

    Returns the answer of the mended network, its step for every step of the original one, and the
    plan.
    """
    plan: Plan = {}
    best, twins = answer, {step: step for step in answer._trace.steps}
    for join in [step for step in answer._trace.steps if step.is_join]:
        base, held = _held(best, twins[join])
        if base.is_subset_of(held):
            continue
        chosen = plan
        for changes in _changes(join, plan, fix):
            rebuilt = _rebuilt(answer, {**plan, **changes})
            if rebuilt is None or not best._sizes.is_subset_of(rebuilt[0]._sizes):
                continue
            base, now = _held(rebuilt[0], rebuilt[1][join])
            if held.is_subset_of(now) and not now.is_subset_of(held):
                (best, twins), held, chosen = rebuilt, now, {**plan, **changes}
                if base.is_subset_of(held):
                    break
        plan = chosen
    return best, twins, plan


def is_bound(answer: Answer, condition: Condition) -> bool:
    """Tell whether a condition is none of a join, or of a size that is to be reached."""
    step = answer._trace.steps[condition.step]
    if condition not in answer._trace.conditions:
        return True
    return not step.is_join and len(step.args) == 1


def _held(answer: Answer, join: Step) -> tuple[SizeSet, SizeSet]:
    """Return the sizes large enough for all layers, and those of them for which a join holds.

    A size that is to be reached for the join's sake, and cannot be, counts as the join failing.
    """
    trace = answer._trace
    base = [one for one in answer._conditions if is_bound(answer, one)]
    behind = {step.number for step in ancestors([join])}
    own = [
        one
        for one in trace.conditions
        if one.step == join.number or (one.step in behind and trace.steps[one.step].kind == "layer")
    ]
    return common(base, trace), common(base + own, trace)


def _changes(join: Step, plan: Plan, fix: str) -> Iterator[Plan]:
    """Propose what to add to a plan so that a join holds: first the least."""
    chains = [_chain(arg, fix) if isinstance(arg, Step) else [] for arg in join.args]
    for target in sorted(range(len(chains)), key=lambda number: bool(chains[number])):
        others = [
            chain
            for chain, arg in zip(chains, join.args, strict=True)
            if chain and arg is not join.args[target]
        ]
        for depth in range(1, max(map(len, others), default=0) + 1):
            changes = {
                step: (join.args[target], back)
                for chain in others
                for step, back in chain[:depth]
                if step not in plan
            }
            if changes:
                yield changes


def _chain(step: Step, fix: str) -> list[tuple[Step, tuple[Callable[[Any], Any], ...]]]:
    """Return the calls behind a size that could be given a size to reach, nearest first.

    With each comes what leads from the wanted size to the call's own output size.
    """
    found: list[tuple[Step, tuple[Callable[[Any], Any], ...]]] = []
    back: tuple[Callable[[Any], Any], ...] = ()
    while step.kind != "input" and step.parents:
        parent = step.parents[0]
        free = step.kind == "layer" and len(step.args) == 1
        if free and step.is_transposed:
            found.append((step, back))
            back = (*back, step.layer.transpose().formula)
        elif free and fix == "size" and getattr(step.layer, "scale_factor", None) is not None:
            found.append((step, back))
            break
        else:
            if step.is_join or len(step.parents) > 1:
                break
            shift = step.function - parent.function
            if not shift.is_constant:
                break
            if shift.tail.at(0):
                back = (*back, _shifted_by(-shift.tail.at(0)))
        step = parent
    return found


def _shifted_by(number: int) -> Callable[[Any], Any]:
    return lambda size: size + number


def _rebuilt(answer: Answer, plan: Plan) -> tuple[Answer, dict[Step, Step]] | None:
    """Return the answer of a network with a plan carried out, None if that goes in a circle."""
    trace = Trace(answer._trace.axis)
    twins: dict[Step, Step] = {answer._trace.steps[0]: trace.input._step}
    entered: set[Step] = set()
    waiting = list(reversed(answer._trace.steps))
    try:
        while waiting:
            step = waiting[-1]
            if step in twins:
                waiting.pop()
                continue
            needed = step.parents
            if step in plan and isinstance(plan[step][0], Step):
                needed = [*needed, plan[step][0]]
            missing = [one for one in needed if one not in twins]
            if missing:
                if step in entered:
                    return None
                entered.add(step)
                waiting += missing
                continue
            args = tuple(twins[arg] if isinstance(arg, Step) else arg for arg in step.args)
            if step in plan:
                wanted, back = plan[step]
                size: Any = Size(trace, twins[wanted]) if isinstance(wanted, Step) else wanted
                for action in back:
                    size = action(size)
                args += (size._step if isinstance(size, Size) else size,)
            size = trace.add(Step(step.kind, args, step.layer, step.label))
            twins[step] = size._step
        result = _mapped(
            answer._result, lambda leaf: twins[leaf] if isinstance(leaf, Step) else leaf
        )
        return answer._again(trace, result), twins
    except PeriodError:
        return None


def common(conditions: list[Condition], trace: Trace) -> SizeSet:
    """Return the sizes for which all conditions hold."""
    mask = Function.constant(1)
    for condition in conditions:
        try:
            mask = mask.both(condition.mask)
        except PeriodError as error:
            steps = sorted({one.step for one in conditions if one.mask.tail.period > 1})
            raise PeriodError(
                _blame(error, [trace.steps[number] for number in steps]), error.period
            ) from None
    return SizeSet(mask)
