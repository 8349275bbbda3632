"""Which input sizes a network takes, exactly; and why it does not take another one."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, overload

import numpy as np

from ._axes import checked, joined, nearest, padded, several
from ._expression import Expression
from ._numbers import is_symbolic
from ._quasilinear import LIMIT, Function, PeriodError, SizeSet
from ._size import (
    Condition,
    Size,
    Step,
    Trace,
    _blame,
    ancestors,
    whole_number,
)

if TYPE_CHECKING:
    from ._explain import Explanation
    from ._requirement import Requirement

__all__ = ["Answer", "MendedCall", "Repair", "same", "solve"]


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
    from ._network import as_network

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
    result = _checked(network(trace.input), trace)
    answer = Answer(trace, result, _name_of(network))
    return answer if fix is None else _with_repair(answer, fix)


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
    from ._network import returned_told

    told = repr(result)
    raise TypeError(
        "solve: the network must return a size, or a tuple, list or dict of sizes, got "
        f"{told if len(told) <= 200 else type(result).__name__}{returned_told(result)}"
    )


def _foreign() -> Any:
    raise ValueError("solve: the network returned a size of another solve")


def _mapped(result: Any, action: Callable[[Any], Any]) -> Any:
    """Apply `action` to every size of a result."""
    if isinstance(result, dict):
        return {key: _mapped(value, action) for key, value in result.items()}
    if isinstance(result, tuple | list):
        entries = [_mapped(value, action) for value in result]
        return tuple(entries) if isinstance(result, tuple) else entries
    return action(result)


def _leaves(result: Any) -> Iterator[Any]:
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, tuple | list):
        for value in result:
            yield from _leaves(value)
    else:
        yield result


def _input_size(n: Any, what: str) -> int:
    if isinstance(n, Size):
        raise TypeError(f"{what}: the size must be an int, got a traced Size")
    number = whole_number(n, f"{what}: the size", "an int")
    if number < 1:
        raise ValueError(f"{what}: the size must be at least 1, got {number}")
    return number


def _common(conditions: list[Condition], trace: Trace) -> SizeSet:
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


class MendedCall:
    """A call that a repair changed.

    Attributes
    ----------
    layer : ConvTranspose or Interpolate
        The layer that was called.
    step : int
        The number of the call, as `Answer.explain` shows it.
    name : str or None
        The name of the module in its model, where the network is one.
    """

    __slots__ = ("_padding", "_size", "layer", "name", "step")

    def __init__(
        self,
        layer: Any,
        step: int,
        size: Expression,
        padding: Expression | None,
        name: str | None = None,
    ) -> None:
        self.layer = layer
        self.name = name
        self.step = step
        self._size = size
        self._padding = padding

    @property
    def output_size(self) -> Any:
        """The size to ask the layer for, as a SymPy expression of i."""
        return self._size.sympy()

    @property
    def output_padding(self) -> Any:
        """The output padding that this comes to; None for an interpolation."""
        return None if self._padding is None else self._padding.sympy()

    def to_torch(self, image: str = "image", x: str = "x") -> str:
        """Return the call as PyTorch code.

        Parameters
        ----------
        image, x : str
            What the network's input and the layer's input are called there.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> for call in solve(zoo.unet(levels=2), fix="output_padding").repair.calls:
        ...     print(call.to_torch())
        x = upsample(x, output_size=[n // 2 for n in image.shape[2:]])  # step 9
        x = upsample(x, output_size=list(image.shape[2:]))  # step 13
        """
        if not isinstance(self._size, Expression):  # it has no short form
            return f"# {self!r}"
        text = self._size.python("n")
        axes = f"{image}.shape[2:]"
        sizes = f"list({axes})" if text == "n" else f"[{text} for n in {axes}]"
        name = re.sub(r"\.(\d+)", r"[\1]", self.name or "")  # members of lists have numbers
        layer = f"self.{name}" if name else "upsample"
        if getattr(self.layer, "scale_factor", None) is not None:
            mode = f", mode={layer}.mode" if name else ""
            layer, sizes = "F.interpolate", f"size={sizes}{mode}"
        else:
            sizes = f"output_size={sizes}"
        return f"{x} = {layer}({x}, {sizes})  # step {self.step}"

    def _content(self) -> tuple[Any, ...]:
        return self.layer, self.step, self.name, self._size, self._padding

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MendedCall):
            return NotImplemented
        return self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def __repr__(self) -> str:
        called = f"{self.name}: {self.layer!r}" if self.name else repr(self.layer)
        if getattr(self.layer, "scale_factor", None) is not None:
            return f"{called} (step {self.step}) with size={self._size}"
        padding = "" if self._padding is None else f" (output_padding={self._padding})"
        return f"{called} (step {self.step}) with output_size={self._size}{padding}"


class Repair(NamedTuple):
    """What a repair came to: the calls that it changed, and whether every join now holds.

    `complete` tells whether the mended network takes every size that is large enough for its
    layers; `before` is the answer without the repair.
    """

    complete: bool
    calls: tuple[MendedCall, ...]
    before: Answer

    def to_torch(self, image: str = "image", x: str = "x") -> str:
        """Return the changed calls as PyTorch code to paste, a line a call.

        Parameters
        ----------
        image, x : str
            What the network's input and the layers' inputs are called there.
        """
        return "\n".join(call.to_torch(image, x) for call in self.calls)


class Answer:
    """The input sizes that a network takes, and what it makes of them.

    Examples
    --------
    >>> from upshape.shapes import Pool, same, solve
    >>> answer = solve(lambda x: same(2 * Pool(2)(x), 3 * Pool(3)(x)))
    >>> answer
    Answer(inputs={6 n, 6 n + 1 : n >= 1}, output=2*floor(i/2))
    """

    def __init__(self, trace: Trace, result: Any, name: str, repair: Repair | None = None) -> None:
        self._trace = trace
        self._result = result
        self._name = name
        self._conditions = list(trace.conditions)
        for leaf in _leaves(result):
            value = leaf.function if isinstance(leaf, Step) else Function.of(leaf)
            mask = value.at_least(1)
            if not (mask.is_constant and mask.tail.at(0)):
                number = leaf.number if isinstance(leaf, Step) else 0
                self._conditions.append(Condition(number, mask, _BelowOne(value)))
        self._sizes = _common(self._conditions, trace)
        self.repair = repair

    # The sizes.

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in vars(self).items() if name in _KEPT}
        numbered = _mapped(
            self._result, lambda leaf: _At(leaf.number) if isinstance(leaf, Step) else leaf
        )
        return {**kept, "_result": numbered}

    def __setstate__(self, state: dict[str, Any]) -> None:
        steps = state["_trace"].steps
        result = _mapped(
            state["_result"], lambda leaf: steps[leaf.number] if isinstance(leaf, _At) else leaf
        )
        vars(self).update(state, _result=result)

    def __eq__(self, other: object) -> bool:
        """Tell whether both take the same sizes and make the same outputs of them."""
        if not isinstance(other, Answer):
            return NotImplemented
        if self is other:
            return True
        if self._sizes != other._sizes or _shape(self._result) != _shape(other._result):
            return False
        pairs = zip(_leaves(self._result), _leaves(other._result), strict=True)
        return all(
            self._sizes.is_subset_of(SizeSet(_function(mine).equals(_function(yours))))
            for mine, yours in pairs
        )

    def __hash__(self) -> int:
        return hash(self._sizes)

    # Several axes at once.

    _rank: int | None = None  # the number of axes, where the network has a certain one

    def _of_axis(self, place: int) -> Answer:
        """Return the answer for one axis: they are alike, or the network could not be traced."""
        return self

    def _takes(self, sizes: tuple[int, ...]) -> bool:
        """Tell whether sizes, one an axis, are taken."""
        return all(size in self._sizes for size in sizes)

    def _outputs(self, sizes: tuple[int, ...]) -> Any:
        """Return the output sizes of sizes, one an axis."""
        return joined([self.output(size) for size in sizes])

    def __contains__(self, n: Any) -> bool:
        if several(n):
            return self._takes(checked(self, n, "n in answer"))
        number = whole_number(n, "n in answer: the size", "an int")
        return number in self._sizes

    def __bool__(self) -> bool:
        """Tell whether there is any size that is taken."""
        return self.minimum is not None

    def __iter__(self) -> Iterator[int]:
        """Iterate over the sizes, smallest first, if they are finitely many.

        Raises
        ------
        TypeError
            If infinitely many sizes are taken: no list could hold them.
        """
        if not self.is_finite:
            raise TypeError(
                f"{self._name} takes infinitely many sizes; write answer.first(10) for the "
                "smallest ones, or answer.range(1, 1000) for those between two sizes"
            )
        return self._sizes.from_to(1)

    def first(self, count: int) -> list[int]:
        """Return the `count` smallest sizes that are taken, or all if there are fewer.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).first(3)
        [16, 32, 48]
        """
        count = _whole_from(0, count, "Answer.first: count")
        return list(itertools.islice(self._sizes.from_to(1), count))

    def range(self, start: int, stop: int, /) -> list[int]:
        """Return the sizes n that are taken with ``start <= n < stop``, as Python's range.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).range(500, 600)
        [512, 528, 544, 560, 576, 592]
        """
        start = _whole_from(None, start, "Answer.range: start")
        stop = _whole_from(None, stop, "Answer.range: stop")
        return list(self._sizes.from_to(max(start, 1), stop))

    def next(self, n: Any) -> Any:
        """Return the smallest size that is taken and at least n, None if there is none.

        Of one size an axis, return the nearest sizes that are taken and at least as large.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).next(600)
        608
        >>> solve(zoo.unet()).next((480, 854))
        (480, 864)
        """
        if several(n):
            return nearest(self, n)
        return self._sizes.next(_input_size(n, "Answer.next"))

    def previous(self, n: int) -> int | None:
        """Return the largest size that is taken and at most n, None if there is none.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).previous(600)
        592
        """
        return self._sizes.previous(_input_size(n, "Answer.previous"))

    def at_least(self, size: int) -> int | None:
        """Return the smallest input size of which every output is at least `size`.

        None if there is none.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet(padding=0)).at_least(400)
        588
        """
        size = _input_size(size, "Answer.at_least")
        mask = self._sizes.mask
        for leaf in _leaves(self._result):
            mask = mask.both(_function(leaf).at_least(size))
        return SizeSet(mask).minimum

    def padding(self, n: Any) -> Any:
        """Return how many pixels to add to n so that it is taken: 0 if it is.

        Of one size an axis, return as many numbers: those of `next`.

        Raises
        ------
        ValueError
            If no size from n on is taken.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).padding(600)
        8
        """
        if several(n):
            return padded(self, n)
        n = _input_size(n, "Answer.padding")
        found = self._sizes.next(n)
        if found is None:
            raise ValueError(
                f"Answer.padding: {self._name} takes no size from {n} on; it takes {self._sizes}"
            )
        return found - n

    def covers(self, first: int, last: int) -> bool:
        """Tell whether every size from `first` to `last` is taken.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.resnet(34)).covers(320, 7680)
        True
        """
        first = _input_size(first, "Answer.covers")
        last = _input_size(last, "Answer.covers")
        inside = Function.identity().at_least(first).both((-Function.identity()).at_least(-last))
        return SizeSet(inside).is_subset_of(self._sizes)

    def output(self, n: Any) -> Any:
        """Return the output size for the input size n, or for one size an axis.

        Returns
        -------
        int, or a tuple, list or dict of ints
            As the network returns it.

        Raises
        ------
        ValueError
            If the network does not take n.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet(padding=0)).output(572)
        388
        """
        if several(n):
            return self._outputs(checked(self, n, "Answer.output"))
        n = _input_size(n, "Answer.output")
        if n not in self._sizes:
            condition = self._failing(n)
            assert condition is not None
            raise ValueError(
                f"Answer.output: {self._name} does not take {n}: {self._reason(condition, n)}; "
                f"{self._nearest(n)}; explain({n}) tells more"
            )
        return _mapped(
            self._result, lambda leaf: leaf.function.at(n) if isinstance(leaf, Step) else leaf
        )

    @property
    def modulus(self) -> int:
        """The least m such that, from some size on, only the remainder modulo m counts.

        It is 1 where all sizes are taken from some size on, and where none are.
        """
        return self._sizes.modulus

    @property
    def residues(self) -> tuple[int, ...]:
        """The remainders modulo `modulus` that are taken, from some size on."""
        return self._sizes.residues

    @property
    def threshold(self) -> int:
        """The least size from which on `modulus` and `residues` tell everything."""
        return self._sizes.threshold

    @property
    def minimum(self) -> int | None:
        """The smallest size that is taken, None if there is none."""
        return self._sizes.minimum

    @property
    def is_finite(self) -> bool:
        """Whether only finitely many sizes are taken."""
        return self._sizes.is_finite

    def requirement(self) -> Requirement:
        """Return the rule of thumb, "at least ... and a multiple of ...", and what it costs.

        Returns
        -------
        Requirement
            The minimum, the multiple, and the first sizes that the rule forbids although they are
            taken. Every size that the rule allows is taken.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> print(solve(zoo.unet()).requirement())
        a multiple of 16, from 16 on
        >>> solve(zoo.fpn(50)).requirement()[:3]
        (32, 32, 0)
        >>> print(solve(zoo.fpn(50)).requirement())
        a multiple of 32, from 32 on (also taken: 29, 30, 31, 61, 62, 63, 93, 94, ...)
        """
        from ._requirement import requirement_of

        return requirement_of(self._sizes, self._name)

    def receptive_field(self) -> Any:
        """Return what the output's pixels see of the input, and where they lie on it.

        It is that of pixels away from the borders; it follows layers and joins of a network that is
        written as a function of its size, not what is computed with sizes, which does not say what
        becomes of pixels. With TensorFlow's SAME it is that of input sizes that the strides divide.

        Returns
        -------
        Field
            Its receptive field, its stride and the place of its first pixel; and the joins that add
            up pixels of different places. A tuple, list or dict if there are several outputs.

        Raises
        ------
        TypeError
            If sizes are computed on the way.

        Examples
        --------
        >>> from upshape.shapes import Conv, ConvTranspose, Pool, same, solve, zoo
        >>> field = solve(zoo.resnet(50)).receptive_field()
        >>> field.size, field.stride, field.offset
        (427, Fraction(32, 1), Fraction(0, 1))

        A kernel of 2 moves every pixel by half a one:

        >>> def shifted(x):
        ...     return same(Conv(2)(x), Conv(2, padding=1)(x) - 2)
        >>> solve(shifted).receptive_field().misaligned
        ('same (step 3): pixels lie 1 input pixel apart',)
        """
        from ._field import field_of

        return _mapped(
            self._result,
            lambda leaf: field_of(self._trace.steps, leaf) if isinstance(leaf, Step) else None,
        )

    def to_torch_dims(self, name: str = "size", *, maximum: int | None = None) -> tuple[Any, ...]:
        """Return the sizes as dimensions for ``torch.export`` and ``torch.onnx.export``.

        Parameters
        ----------
        name : str
            The dimension's name; with several classes each has its residue appended.
        maximum : int, optional
            The largest size.

        Returns
        -------
        tuple
            A ``torch.export.Dim`` for every residue class, a class 16 n + 3 as the derived
            ``16*Dim(name) + 3``: export takes one of them. For finitely many sizes the sizes
            themselves. Sizes below `threshold` that belong to no class are left out.

        Examples
        --------
        ``torch.export.export(unet, (x,), dynamic_shapes=({2: height, 3: width},))`` with
        ``(height,) = answer.to_torch_dims("h")`` and ``(width,) = answer.to_torch_dims("w")``.
        """
        from ._requirement import torch_dims

        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"Answer.to_torch_dims: name must be an identifier, got {name!r}")
        if maximum is not None:
            maximum = _whole_from(1, maximum, "Answer.to_torch_dims: maximum")
        return torch_dims(self._sizes, name, maximum, self._name)

    @cached_property
    def inputs(self) -> Any:
        """The sizes as a SymPy set: residue classes, and exceptions at the small end.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).inputs
        {16 n : n >= 1}
        """
        from ._sets import as_sympy

        return as_sympy(self._sizes)

    # The outputs.

    @cached_property
    def _expressions(self) -> list[Any]:
        return self._trace.run(Expression.identity())

    def _expression_of(self, leaf: Any) -> Expression:
        """Return a size as the shortest expression that holds for all sizes that are taken."""
        if not isinstance(leaf, Step):
            return Expression.of(leaf)
        return _fitted(leaf.function, self._sizes) or Expression.of(self._expressions[leaf.number])

    @cached_property
    def output_size(self) -> Any:
        """The output size as a SymPy expression of i; a tuple, list or dict if there are several.

        It holds for the sizes that are taken.

        Examples
        --------
        >>> from upshape.shapes import Conv, solve
        >>> conv = Conv(3, stride=2, padding=1)
        >>> solve(lambda x: conv(conv(conv(x)))).output_size
        floor(i/8 + 7/8)
        """
        return _mapped(self._result, lambda leaf: self._expression_of(leaf).sympy())

    def _reached(self) -> list[Step]:
        """Return the transposed convolutions that were called with an output size."""
        return [step for step in self._trace.steps if step.is_transposed and len(step.args) > 1]

    def _padding_of(self, step: Step) -> Expression | None:
        layer = step.layer
        if layer._same:
            return None  # only the size can be asked for: no output padding leads there
        wanted = step.args[1]
        source = step.args[0].function
        a = step.function - step.smallest(source)
        fitted = _fitted(a, self._sizes)
        if fitted is not None and not fitted.terms:
            return fitted
        shift = int(layer._both - layer.effective_kernel)
        return (self._expression_of(wanted) + shift).__mod__(layer.stride)

    @cached_property
    def output_padding(self) -> tuple[Any, ...]:
        """The output padding of every transposed convolution called with ``output_size=``.

        SymPy expressions of i, in the order of the calls; they hold for the sizes that are taken.
        Layers with TensorFlow's SAME are left out: they have none.

        Examples
        --------
        >>> from upshape.shapes import ConvTranspose, Pool, solve
        >>> solve(lambda x: ConvTranspose(2, stride=2)(Pool(2)(x), output_size=x)).output_padding
        (Mod(i, 2),)
        """
        found = (self._padding_of(step) for step in self._reached())
        return tuple(padding.sympy() for padding in found if padding is not None)

    # Why not.

    def _failing(self, n: int) -> Condition | None:
        """Return the first condition that n does not meet."""
        for condition in self._conditions:
            if not condition.mask.at(n):
                return condition
        return None

    def _nearest(self, n: int) -> str:
        below, above = self._sizes.previous(n), self._sizes.next(n)
        if below is None and above is None:
            return "it takes no size at all"
        if below is None:
            return f"the smallest size it takes is {above}"
        if above is None:
            return f"the largest size it takes is {below}"
        return f"the nearest sizes it takes are {below} and {above}"

    def _reason(self, condition: Condition, n: int) -> str:
        """Say in one sentence why n fails."""
        step = self._trace.steps[condition.step]
        if condition not in self._trace.conditions:
            return condition.tell(n)
        values = [_at(arg, n) for arg in step.args]
        if step.is_join:
            return f"{step.told()} meets sizes {_listed(values)}"
        return f"{step.told()} gets size {values[0]}, but {condition.tell(n)}"

    def explain(self, n: Any) -> Explanation:
        """Walk through the network with the input size n, up to where it fails, if it does.

        Of one size an axis, walk with those that are not taken.

        Returns
        -------
        Explanation
            A text: each layer's size; at a join that fails, which sizes met, which layer's floor
            lost how many pixels, and what would mend it.

        Examples
        --------
        >>> from upshape.shapes import ConvTranspose, Pool, same, solve
        >>> def network(x):
        ...     return same(ConvTranspose(2, stride=2)(Pool(2)(x)), x)
        >>> print(solve(network).explain(75))
        network does not take 75.
        <BLANKLINE>
          step  what                                    size
             1  Pool(kernel_size=2, stride=2)           75 -> 37   drops 1 pixel
             2  ConvTranspose(kernel_size=2, stride=2)  37 -> 74
             3  same                                    74 and 75  do not agree
        <BLANKLINE>
        The join at step 3 met 74 (ConvTranspose(kernel_size=2, stride=2), step 2) and 75 (the
        input).
        Pool(kernel_size=2, stride=2) (step 1) makes 37 of 75: its floor drops 1 pixel of 75.
        <BLANKLINE>
        What mends it:
          - an input size of 74 (1 less) or 76 (1 more);
          - ConvTranspose(kernel_size=2, stride=2) (step 2) called with output_size=75 in place
            of 74 (output_padding=1); then 75 is taken as it is.
        """
        from ._explain import explanation, explanation_of_axes

        if several(n):
            return explanation_of_axes(self, checked(self, n, "Answer.explain"))
        return explanation(self, _input_size(n, "Answer.explain"))

    # To be read.

    def __repr__(self) -> str:
        def told(result: Any) -> str:
            if isinstance(result, dict):
                return "{" + ", ".join(f"{key!r}: {told(one)}" for key, one in result.items()) + "}"
            if isinstance(result, tuple):
                return "(" + ", ".join(map(told, result)) + ("," if len(result) == 1 else "") + ")"
            if isinstance(result, list):
                return "[" + ", ".join(map(told, result)) + "]"
            return str(self._expression_of(result))

        if self.minimum is None:
            return "Answer(inputs={})"
        return f"Answer(inputs={self._sizes}, output={told(self._result)})"

    def __str__(self) -> str:
        from ._explain import table

        return table(self)

    def _repr_html_(self) -> str:
        from upshape.draw._notebook import answer_html  # needed in notebooks alone

        return answer_html(self)

    def _repr_latex_(self) -> str:
        import sympy

        inputs = sympy.latex(self.inputs)
        if self.minimum is None:
            return f"${inputs}$"
        outputs = [sympy.latex(self._expression_of(leaf).sympy()) for leaf in _leaves(self._result)]
        told = outputs[0] if len(outputs) == 1 else r"\left(" + ",\\; ".join(outputs) + r"\right)"
        return rf"$\displaystyle i \mapsto {told}, \quad i \in {inputs}$"


class _BelowOne:
    """Says that an output would be empty."""

    def __init__(self, value: Function) -> None:
        self.value = value

    def __call__(self, n: int) -> str:
        return f"the output size would be {self.value.at(n)}"


class _At:
    """What stands for a step in a pickled result."""

    def __init__(self, number: int) -> None:
        self.number = number


# What an answer is pickled with; the rest follows from it.
_KEPT = ("_conditions", "_name", "_result", "_sizes", "_trace", "repair")


def _function(leaf: Any) -> Function:
    return leaf.function if isinstance(leaf, Step) else Function.of(leaf)


def _shape(result: Any) -> Any:
    """Return what a result is but for its sizes: the tuples, lists and keys that hold them."""
    return _mapped(result, lambda leaf: None)


def _whole_from(least: int | None, value: Any, what: str) -> int:
    number = whole_number(value, what, "an int")
    if least is not None and number < least:
        raise ValueError(f"{what} must be at least {least}, got {number}")
    return number


def _at(arg: Any, n: int) -> int:
    return arg.function.at(n) if isinstance(arg, Step) else int(arg)


def _listed(values: list[int]) -> str:
    return ", ".join(map(str, values[:-1])) + f" and {values[-1]}"


def _fitted(function: Function, sizes: SizeSet) -> Expression | None:
    """Return (P i + B) / Q, or floor((P i + B) / Q), if a function is that on a set of sizes.

    P / Q is the function's slope. h = Q f - P i repeats with the period, so one period of every
    stretch shows whether h is one number, or keeps within Q consecutive ones.
    """
    tail = function.tail
    divisor = math.gcd(tail.rise, tail.period)
    slope, run = tail.rise // divisor, tail.period // divisor
    spread: list[int] = []
    found: list[int] = []
    cuts: list[Any] = sorted({*function.starts, *sizes.mask.starts})
    for start, stop in zip(cuts, [*cuts[1:], None], strict=True):
        line, mask = function.line_at(start), sizes.mask.line_at(start)
        if not mask.offsets.any():
            continue
        count = math.lcm(line.period, mask.period)
        level = line.rise * run == slope * line.period
        if stop is not None and stop - start <= (count if level else LIMIT):
            count = stop - start
        elif line.rise * run != slope * line.period:
            return None
        if count > LIMIT:
            return None
        taken = np.flatnonzero(mask.over(start, count))
        values = line.over(start, count)[taken]
        if max(abs(run), abs(slope)) * (line.over_bound(start, count) + start + count) >= 2**62:
            values, taken = values.astype(object), taken.astype(object)
        if len(taken):
            shift = values * run - (taken + start) * slope
            spread += [int(shift.min()), int(shift.max())]
            found += [int(values.min()), int(values.max())]
            if stop is None or stop - start > count:
                found += [] if slope == 0 else [found[-1] + 1]  # it goes on
    if not spread:
        return None
    low, high = min(spread), max(spread)
    if low == high:
        return Expression.fraction(slope, low, run, floored=False)
    if min(found) == max(found):
        return Expression.of(found[0])
    if high > low + run - 1:
        return _stepped(function, sizes)
    constant = min(max(0, high), low + run - 1)
    return Expression.fraction(slope, constant, run, floored=True)


def _stepped(function: Function, sizes: SizeSet) -> Expression | None:
    """Return R floor((i + b) / M) + d, if a function is that on a set of sizes."""
    tail = function.tail
    if not sizes.residues or tail.rise == 0 or tail.period > LIMIT // 8:
        return None
    start = -(-max(sizes.threshold, function.starts[-1]) // tail.period) * tail.period
    taken = list(sizes.from_to(start, start + tail.period))
    if not taken:
        return None
    offsets = [tail.at(n) - tail.rise * (n // tail.period) for n in taken]
    d = min(offsets)
    jumps = [n for n, offset in zip(taken, offsets, strict=True) if offset > d]
    b = start + tail.period - jumps[0] if jumps else 0
    line = (Function.identity() + b) // tail.period * tail.rise + d
    if not sizes.is_subset_of(SizeSet(line.equals(function))):
        return None
    return (Expression.identity() + b) // tail.period * tail.rise + d


# Repair. A plan says for some calls which size they are to reach: a step of the original trace (or
# an int), and what leads back from there to the call, if layers lie between the call and the join.

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
    base = _common([one for one in best._conditions if _is_bound(best, one)], best._trace)
    complete = base.is_subset_of(best._sizes)
    repaired = Answer(best._trace, best._result, answer._name)
    repaired.repair = Repair(complete, tuple(calls), answer)
    return repaired


def _is_bound(answer: Answer, condition: Condition) -> bool:
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
    base = [one for one in answer._conditions if _is_bound(answer, one)]
    behind = {step.number for step in ancestors([join])}
    own = [
        one
        for one in trace.conditions
        if one.step == join.number or (one.step in behind and trace.steps[one.step].kind == "layer")
    ]
    return _common(base, trace), _common(base + own, trace)


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
        return Answer(trace, result, answer._name), twins
    except PeriodError:
        return None
