"""Answers as texts: the walk of one size through a network, and the table of all of them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from ._quasilinear import PeriodError
from ._repair import mended
from ._results import _at, _leaves, _listed
from ._size import Condition, Step, ancestors
from .layers import Conv, Pool

if TYPE_CHECKING:
    from ._answer import Answer

__all__ = ["Explanation", "explanation", "table"]

WIDTH = 96
MOST_BLAMED = 6  # layers that are named one by one


class Explanation(str):
    """A text that shows itself as it is; `taken` tells whether the size is taken.

    In a notebook it comes with a picture of the network.
    """

    taken: bool
    _about: tuple[Answer, int] | None  # what was asked; it is not pickled with the text
    __slots__ = ("_about", "taken")

    @classmethod
    def of(cls, text: str, taken: bool, about: tuple[Answer, int] | None = None) -> Explanation:
        """Return the explanation with this text."""
        made = cls(text)
        made.taken, made._about = taken, about
        return made

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from upshape.draw._notebook import explanation_html  # needed in notebooks alone

        return explanation_html(self, getattr(self, "_about", None))

    def __reduce__(self) -> tuple[Any, ...]:
        return Explanation.of, (str(self), self.taken)


def explanation_of_axes(answer: Answer, sizes: tuple[int, ...]) -> Explanation:
    """Return the walks with the sizes that are not taken, one size an axis."""
    taken = answer._takes(sizes)
    told = "x".join(map(str, sizes))
    text = [f"{answer._name} {'takes' if taken else 'does not take'} {told}."]
    if taken:
        text.append(f"The output size is {answer.output(sizes)}.")
    for axis, size in enumerate(sizes):
        if size not in answer._sizes:
            text.append(f"Axis {axis}: {explanation(answer, size)}")
    return Explanation.of("\n\n".join(text), taken)


def explanation(answer: Answer, n: int) -> Explanation:
    """Return the walk through a network with the input size n."""
    condition = answer._failing(n)
    trace = answer._trace
    last = len(trace.steps) - 1 if condition is None else condition.step
    of_output = condition is not None and condition not in trace.conditions
    if of_output:
        last = len(trace.steps) - 1
    shown = [step for step in trace.steps[: last + 1] if step.place]
    text = [f"{answer._name} {'takes' if condition is None else 'does not take'} {n}."]
    failing = trace.steps[condition.step] if condition is not None and not of_output else None
    if shown:
        text += ["", *_walk(shown, n, failing, condition)]
    if condition is None:
        outputs = [_at(leaf, n) for leaf in _leaves(answer._result)]
        many = len(outputs) > 1
        text += ["", f"The output size{'s are' if many else ' is'} {', '.join(map(str, outputs))}."]
    else:
        text += ["", *_why(answer, condition, failing, n)]
        text += ["", *_remedies(answer, failing, n)]
    return Explanation.of("\n".join(text), condition is None, (answer, n))


def _walk(
    steps: list[Step], n: int, failing: Step | None, condition: Condition | None
) -> list[str]:
    """Return a line a step; steps in a row that keep the size share one."""
    rows: list[tuple[str, str, str, str]] = []
    place = 0
    while place < len(steps):
        step = steps[place]
        end = place
        while end < len(steps) and steps[end] is not failing and _keeps(steps[end], n):
            if _at(steps[end], n) != _at(step, n):
                break
            end += 1
        if end - place > 3:
            kept = f"{end - place} steps that keep the size"
            rows.append((f"{step.place}-{steps[end - 1].place}", kept, str(_at(step, n)), ""))
            place = end
            continue
        rows.append((str(step.place), step.name, *_sizes(step, n, failing, condition)))
        place += 1
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    wide = [max(wide[0], 4), min(max(wide[1], 4), 56), max(wide[2], 4)]
    lines = [f"  {'step':>{wide[0]}}  {'what':<{wide[1]}}  size"]
    for number, what, sizes, note in rows:
        line = f"  {number:>{wide[0]}}  {what:<{wide[1]}}  {sizes:<{wide[2]}}  {note}"
        lines.append(line.rstrip())
    return lines


def _keeps(step: Step, n: int) -> bool:
    return len({_at(arg, n) for arg in step.args} | {_at(step, n)}) == 1 and not lost(step, n)


def _sizes(
    step: Step, n: int, failing: Step | None, condition: Condition | None
) -> tuple[str, str]:
    values = [_at(arg, n) for arg in step.args]
    if step is failing:
        if step.is_join:
            return _listed(values), "do not agree"
        return str(values[0]), "does not fit"
    if step.is_join:
        return str(values[0]), ""
    told = f"{values[0]} -> {_at(step, n)}"
    pixels = lost(step, n)
    of_padding = " of padding" if pixels and pixels <= _padded_after(step, n) else ""
    return told, f"drops {_pixels(pixels)}{of_padding}" if pixels else ""


def _pixels(number: int) -> str:
    return f"{number} pixel" if number == 1 else f"{number} pixels"


def lost(step: Step, n: int) -> int:
    """Return how many pixels the floor of a convolution or pooling leaves out at its end."""
    layer = step.layer
    if step.kind != "layer" or getattr(layer, "ceil_mode", False):
        return 0
    if not isinstance(layer, Conv | Pool):
        return 0
    return int(layer._beyond(_at(step.args[0], n)))


def _padded_after(step: Step, n: int) -> int:
    """Return what a convolution or pooling pads after its input."""
    return int(step.layer.padding_for(_at(step.args[0], n)).after)


def _rounds(step: Step, n: int) -> tuple[bool, str] | None:
    """Say what a step's rounding does to n, None if nothing.

    The bool tells whether the sizes are out of proportion after it: whether stride times output is
    not the input.
    """
    layer = step.layer
    if step.kind == "//":
        size = _at(step.args[0], n)
        left = size % step.args[1]
        return (
            (True, f"The division {size} // {step.args[1]} leaves the remainder {left}.")
            if left
            else None
        )
    if step.kind != "layer" or len(step.args) > 1 or step.is_transposed:
        return None
    size, made = _at(step.args[0], n), _at(step, n)
    if getattr(layer, "scale_factor", None) is not None:
        exact = size * layer.exact_factor()
        way = {"floor": "down", "ceil": "up"}.get(layer.rounding, "to the nearest")
        told = f"{step.told()} makes {made} of {size}, rounding {exact} {way}."
        return (True, told) if exact.denominator != 1 else None
    stride = getattr(layer, "stride", 1)
    if stride == 1:
        return None
    if pixels := lost(step, n):
        of = "padding" if pixels <= _padded_after(step, n) else str(size)
        told = f"{step.told()} makes {made} of {size}: its floor drops {_pixels(pixels)} of {of}."
        return made * stride != size, told
    if made * stride != size:
        way = "up" if made * stride > size else "down"
        return True, f"{step.told()} makes {made} of {size}, rounding {size}/{stride} {way}."
    return None


def _origin(arg: Any) -> str:
    """Say where a size that meets another one comes from."""
    computed = ""
    while isinstance(arg, Step) and not arg.place and arg.kind != "input" and arg.parents:
        arg, computed = arg.parents[0], "computed from "
    if not isinstance(arg, Step) or not (arg.place or arg.kind == "input"):
        return "a fixed size"
    if arg.kind == "input":
        return f"{computed}the input"
    return f"{computed}{arg.name}, step {arg.place}"


def _why(answer: Answer, condition: Condition, failing: Step | None, n: int) -> list[str]:
    if failing is None:
        return _wrapped(f"The network has no output: {condition.tell(n)}.")
    values = [_at(arg, n) for arg in failing.args]
    if not failing.is_join:
        return _wrapped(f"{failing.told()} gets size {values[0]}, but {condition.tell(n)}.")
    met = [f"{value} ({_origin(arg)})" for value, arg in zip(values, failing.args, strict=True)]
    text = _wrapped(f"The join at step {failing.place} met {', '.join(met[:-1])} and {met[-1]}.")
    # What all sides share cannot tell them apart.
    behind = [ancestors([arg] if isinstance(arg, Step) else []) for arg in failing.args]
    shared: set[Step] = set.intersection(*behind)
    differ = set().union(*behind) - shared
    own = sorted(differ, key=lambda step: step.number)
    rounded = [told for step in own if (told := _rounds(step, n)) is not None]
    blamed = [told for apart, told in rounded if apart] or [told for _, told in rounded]
    if not blamed:
        changes = [
            f"{step.told()}: {_at(step.args[0], n)} -> {_at(step, n)}"
            for step in own
            if step.kind == "layer" and _at(step.args[0], n) != _at(step, n)
        ]
        summary = "No layer rounds on the way"
        if changes:
            summary += "; the sizes change in " + ", ".join(changes[-MOST_BLAMED:])
        return text + _wrapped(summary + ".")
    return text + [line for told in blamed[-MOST_BLAMED:] for line in _wrapped(told)]


def _remedies(answer: Answer, failing: Step | None, n: int) -> list[str]:
    sizes = answer._sizes
    below, above = sizes.previous(n), sizes.next(n)
    if below is None and above is None:
        items = []
    else:
        told = [f"{below} ({n - below} less)"] if below is not None else []
        told += [f"{above} ({above - n} more)"] if above is not None else []
        items = [f"an input size of {' or '.join(told)}"]
    if failing is not None:
        items += _calls(answer, n)
    if not items:
        return ["Nothing mends it: the network takes no size at all."]
    text = ["What mends it:"]
    for number, item in enumerate(items):
        end = "." if number + 1 == len(items) else ";"
        text += textwrap.wrap(item + end, WIDTH, initial_indent="  - ", subsequent_indent="    ")
    return text


def _calls(answer: Answer, n: int) -> list[str]:
    """Say which calls could be told the size to reach, if that is enough for n."""
    for fix in ("output_padding", "size"):
        try:
            best, twins, plan = mended(answer, fix)
        except PeriodError:
            continue
        if n not in best._sizes:
            continue
        told = []
        for step in sorted(plan, key=lambda step: step.number):
            twin = twins[step]
            source = _at(twin.args[0], n)
            wanted, natural = _at(twin, n), step.layer.formula(source)
            if wanted == natural:
                continue
            if step.is_transposed:
                same = step.layer._same
                padding = "" if same else f" (output_padding={wanted - step.smallest(source)})"
                told.append(
                    f"{step.told()} called with output_size={wanted} in place of {natural}{padding}"
                )
            else:
                told.append(
                    f"Interpolate(size={wanted}) at step {step.place} in place of {step.name}"
                )
        if told:
            return ["; ".join(told) + f"; then {n} is taken as it is"]
    return []


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH)


def table(answer: Answer) -> str:
    """Return what is to be known about an answer, a line a thing."""
    sizes = answer._sizes
    rows: list[tuple[str, str]] = [("input sizes", str(sizes))]
    if answer.minimum is None:
        rows = [("input sizes", f"none: {answer._none}")]
    else:
        rows.append(("smallest", str(answer.minimum)))
        if answer.is_finite:
            rows.append(("largest", str(sizes.previous(sizes.threshold))))
        else:
            listed = ", ".join(map(str, answer.residues[:12]))
            if len(answer.residues) > 12:
                listed += f", ... ({len(answer.residues)} in all)"
            if answer.modulus > 1:
                rows.append(("modulus", f"{answer.modulus}, remainder {listed}"))
        leaves = list(_leaves(answer._result))
        for number, leaf in enumerate(leaves):
            name = "output size" if len(leaves) == 1 else f"output size {number + 1}"
            rows.append((name, str(answer._expression_of(leaf))))
        for step in answer._reached():
            padding = answer._padding_of(step)
            if padding is not None:
                rows.append(("output padding", f"{padding}, in {step.told()}"))
        first = []
        for n in sizes.from_to(1):
            outputs = [str(_at(leaf, n)) for leaf in leaves]
            first.append(f"{n} -> {', '.join(outputs)}")
            if len(first) == 4:
                break
        rows.append(("for example", ";  ".join(first)))
    rows += answer._rows()
    if answer.repair is not None:
        rows.append(("repair", _repair_told(answer)))
    wide = max(len(name) for name, _ in rows)
    lines = [answer._name]
    for name, value in rows:
        lines += textwrap.wrap(
            value,
            WIDTH,
            initial_indent=f"  {name:<{wide}}  ",
            subsequent_indent=" " * (wide + 4),
            break_long_words=False,
        )
    return "\n".join(lines)


def _repair_told(answer: Answer) -> str:
    repair = answer.repair
    assert repair is not None
    if not repair.calls:
        if repair.complete:
            return "none needed: every join holds"
        return "no output size given to a layer mends a join that fails"
    end = "which mends every join" if repair.complete else "which does not mend every join"
    return ", ".join(map(repr, repair.calls)) + f"; {end}"
