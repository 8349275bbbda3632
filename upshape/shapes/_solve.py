"""The question itself: which input sizes does a network take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

from ._answer import Answer, MendedCall, Repair
from ._external import from_torch
from ._modules import layer_of
from ._network import is_model, more_needed, no_instance, returned_told
from ._numbers import is_symbolic
from ._quasilinear import Function
from ._repair import common, is_bound, mended
from ._size import Size, Trace, whole_number

__all__ = ["same", "solve"]


@overload
def same(first: Size, /, *sizes: int | Size) -> Size: ...
@overload
def same(first: int, second: Size, /, *sizes: int | Size) -> Size: ...
@overload
def same(*sizes: int) -> int: ...
@overload
def same(*sizes: Any) -> Any: ...
def same(*sizes: Any) -> Any:
    """Join sizes that must agree, as ``torch.cat`` and ``+`` demand of feature maps.

    Parameters
    ----------
    *sizes : int, Size, SymPy expression, or tuples of them
        The sizes; tuples are compared axis by axis.

    Returns
    -------
    int, Size, SymPy expression or tuple
        The size that all of them are.

    Raises
    ------
    ValueError
        If ints differ. For a traced `Size` it is a condition on the input size instead.

    Examples
    --------
    >>> same(75, 75)
    75
    >>> same(74, 75)
    Traceback (most recent call last):
    ...
    ValueError: same: the sizes 74 and 75 do not agree
    >>> from upshape.shapes import Pool, solve
    >>> solve(lambda x: same(x, 2 * Pool(2)(x)))
    Answer(inputs={2 n : n >= 1}, output=i)
    """
    if not sizes:
        raise TypeError("same: one size or more is needed, got none")
    if any(isinstance(size, tuple | list) for size in sizes):
        if (
            not all(isinstance(size, tuple | list) for size in sizes)
            or len({len(size) for size in sizes}) != 1
        ):
            raise ValueError(
                "same: tuples of sizes must all have one entry an axis, got "
                f"{', '.join(map(repr, sizes))}"
            )
        return tuple(same(*axis) for axis in zip(*sizes, strict=True))
    traced = next((size for size in sizes if isinstance(size, Size)), None)
    if traced is not None:
        args = tuple(traced._operand(size, "same") for size in sizes)
        return traced if len(args) == 1 else traced._then("join", *args)
    if any(is_symbolic(size) and not size.is_Integer for size in sizes):
        for size in sizes[1:]:
            difference = sizes[0] - size
            if difference.expand() != 0:
                raise ValueError(
                    f"same: the sizes {sizes[0]} and {size} are not the same expression"
                )
        return sizes[0]
    numbers = [whole_number(size, "same: a size") for size in sizes]
    for number in numbers[1:]:
        if number != numbers[0]:
            told = f"{numbers[0]} and {number}"
            if len(numbers) > 2:
                told = ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"
            raise ValueError(f"same: the sizes {told} do not agree")
    return numbers[0]


def solve(network: Any, *, axis: int | None = None, fix: str | None = None) -> Answer:
    """Find out exactly which input sizes a network takes.

    Parameters
    ----------
    network : callable
        A function of the input size that passes it through layers, joins (`same`) and whole-number
        arithmetic, and returns the output size, or a tuple, list or dict of output sizes. It is
        called once, with a traced `Size`. A PyTorch model, or a layer of upshape, is read with
        `from_torch`.
    axis : int, optional
        For layers that have tuples of parameters: the axis to solve. Needed only where the axes
        of a layer differ.
    fix : {"output_padding", "size"}, optional
        Mend joins that fail: ``"output_padding"`` by calling transposed convolutions with
        ``output_size=`` the size that they are joined with, ``"size"`` also by giving
        interpolations the ``size=`` in place of their factor. The answer is that of the mended
        network; its `repair` says which calls were changed and whether that mends all.

    Returns
    -------
    Answer
        The input sizes: those n >= 1 for which every layer takes the size that reaches it, all
        joins agree and every output is at least 1.

    Raises
    ------
    TypeError
        If the network uses the traced size as a number, or returns no sizes; if it is a class,
        or a function that builds a model, in place of the model.
    ValueError
        If the sizes repeat only after more than a million pixels; the message names the layers.

    Examples
    --------
    >>> from upshape.shapes import Conv, ConvTranspose, Pool, same, solve
    >>> def network(x):
    ...     skip = Conv(3, padding=1)(x)
    ...     x = ConvTranspose(2, stride=2)(Pool(2)(skip))
    ...     return same(x, skip)
    >>> answer = solve(network)
    >>> answer
    Answer(inputs={2 n : n >= 1}, output=i)
    >>> 7 in answer, answer.next(7), answer.output(8)
    (False, 8, 8)
    >>> mended = solve(network, fix="output_padding")
    >>> mended
    Answer(inputs={n : n >= 2}, output=i)
    >>> mended.output_padding
    (Mod(i, 2),)
    """
    network = as_network(network)
    if axis is not None:
        if isinstance(axis, bool) or not hasattr(axis, "__index__"):
            raise TypeError(f"solve: axis must be an int or None, got {axis!r}")
        axis = axis.__index__()
    if fix not in (None, "output_padding", "size"):
        raise ValueError(f"solve: fix must be None, 'output_padding' or 'size', got {fix!r}")
    if hasattr(network, "_solved"):  # a model, which brings its own way of being solved
        return network._solved(axis, fix)  # type: ignore[no-any-return]
    trace = Trace(axis)
    _takes_one(network)
    result = _checked(network(trace.input), trace)
    answer = Answer(trace, result, _name_of(network))
    return answer if fix is None else _with_repair(answer, fix)


def _takes_one(network: Any) -> None:
    """Refuse a function that cannot be called with one size."""
    missing = more_needed(network)
    if missing:
        raise TypeError(
            f"solve: {_name_of(network)} needs {', '.join(missing)} besides the input size; give "
            "it one argument: solve(lambda x: network(x, ...)), where a second input of the same "
            "size is x again"
        )


def _name_of(network: Any) -> str:
    name = getattr(network, "__name__", None) or type(network).__name__
    return "the network" if name == "<lambda>" else str(name)


def _checked(result: Any, trace: Trace) -> Any:
    """Return a network's result with sizes as steps and ints, or refuse it."""
    if isinstance(result, Size):
        return result._operand(result, "solve") if result._trace is trace else _foreign()
    if isinstance(result, dict):
        return {key: _checked(value, trace) for key, value in result.items()}
    if isinstance(result, tuple | list) and result:
        entries = [_checked(value, trace) for value in result]
        return tuple(entries) if isinstance(result, tuple) else entries
    if hasattr(result, "__index__") and not isinstance(result, bool):
        return whole_number(result, "solve: the output")
    told = repr(result)
    raise TypeError(
        "solve: the network must return a size, or a tuple, list or dict of sizes, got "
        f"{told if len(told) <= 200 else type(result).__name__}{returned_told(result)}"
    )


def _foreign() -> Any:
    raise ValueError("solve: the network returned a size of another solve")


def as_network(thing: Any) -> Callable[[Any], Any]:
    """Return a function of the input size: `thing` itself, or what a module does to a size.

    Raises
    ------
    TypeError
        If it is neither a function of a size nor anything that is read as one.
    """
    if (told := no_instance("solve", thing)) is not None:
        raise TypeError(told)
    if layer_of(thing) is not None or is_model(thing):
        return _named(from_torch(thing), thing)
    if not callable(thing):
        raise TypeError(
            f"solve: network must be a function of the input size, got {thing!r} "
            f"({type(thing).__name__}); a PyTorch model will do, too"
        )
    return thing  # type: ignore[no-any-return]


def _named(network: Any, thing: Any) -> Callable[[Any], Any]:
    """Give a single layer that was read the name of its module."""
    if hasattr(network, "__name__"):
        return network  # type: ignore[no-any-return]

    def layer(x: Any) -> Any:
        return network(x)

    layer.__name__ = type(thing).__name__
    return layer


def _with_repair(answer: Answer, fix: str) -> Answer:
    best, twins, plan = mended(answer, fix)
    calls = []
    for step in sorted(plan, key=lambda step: step.number):
        twin = twins[step]
        natural = Function.of(twin.layer.formula(twin.args[0].function))
        if (twin.function - natural).is_constant and twin.function.at(1) == natural.at(1):
            continue  # it reaches that size by itself
        size = best._expression_of(twin)
        padding = best._padding_of(twin) if step.is_transposed else None
        calls.append(MendedCall(step.layer, step.place, size, padding, step.label))
    base = common([one for one in best._conditions if is_bound(best, one)], best._trace)
    complete = base.is_subset_of(best._sizes)
    repaired = Answer(best._trace, best._result, answer._name)
    repaired.repair = Repair(complete, tuple(calls), answer)
    return repaired
