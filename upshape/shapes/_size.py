"""The size that travels through a network while it is solved, and the record of its way.

A `Size` stands for the sizes that one place of a network has for all input sizes at once. It
behaves like an int in sums, products with ints, ``//`` and ``%`` by ints; layers take it. Every
step is written down in a `Trace`: which layer, from what to what, under which condition. The trace
can be run again with other numbers (ints, expressions) or with another output size somewhere.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, NoReturn, overload

from ._expression import Expression
from ._numbers import is_bool, is_symbolic
from ._quasilinear import LIMIT, Function, PeriodError

__all__ = ["Condition", "Size", "Step", "Trace", "maximum", "minimum"]


class Condition:
    """What a step demands: the input sizes for which it holds, and how to say that it does not."""

    __slots__ = ("mask", "step", "tell")

    def __init__(self, step: int, mask: Function, tell: Callable[[int], str]) -> None:
        self.step = step
        self.mask = mask
        self.tell = tell


class Told:
    """The same sentence for every size."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self, n: int) -> str:
        return self.text


class OutOfReach:
    """Says that a layer cannot reach the size that it is asked for."""

    __slots__ = ("count", "smallest", "wanted")

    def __init__(self, smallest: Function, count: int, wanted: Function) -> None:
        self.smallest = smallest
        self.count = count
        self.wanted = wanted

    def __call__(self, n: int) -> str:
        low = self.smallest.at(n)
        high = low + self.count - 1
        can = str(low) if low == high else f"{low} to {high}"
        return f"output_size={self.wanted.at(n)} is out of its reach, it can give {can}"


class Step:
    """One step of a network: what is done, and to which earlier steps or ints.

    The kinds are "input"; "layer" (with a second argument it is to reach that size); "join";
    "broadcast" (a join in which a size of 1 agrees with every other one); "demand" (a condition,
    the size goes on as it is); and "+", "-", "*", "//", "%", "min", "max".
    """

    __slots__ = ("args", "function", "kind", "label", "layer", "number", "place")

    def __init__(
        self, kind: str, args: tuple[Any, ...], layer: Any = None, label: str | None = None
    ) -> None:
        self.kind = kind
        self.args = args  # Steps and ints
        self.layer = layer
        self.label = label
        self.function: Function
        self.number = -1  # in the trace, from 0 on
        self.place = 0  # as shown to the user, from 1 on; 0: not shown

    def __repr__(self) -> str:
        return f"<Step {self.number}: {self.told()}>"

    @property
    def name(self) -> str:
        """What the step is called."""
        if self.layer is not None:
            return f"{self.label}: {self.layer!r}" if self.label else repr(self.layer)
        if self.is_join:
            return self.label or "same"
        return self.label or self.kind

    def told(self) -> str:
        """Return the step's name, with its number where it has one."""
        return f"{self.name} (step {self.place})" if self.place else self.name

    @property
    def parents(self) -> list[Step]:
        """The steps whose sizes it takes."""
        return [arg for arg in self.args if isinstance(arg, Step)]

    @property
    def is_join(self) -> bool:
        """Whether sizes meet here that must agree."""
        return self.kind in ("join", "broadcast")

    @property
    def is_transposed(self) -> bool:
        """Whether this is a transposed convolution."""
        return self.kind == "layer" and hasattr(self.layer, "output_padding_for")

    def run(self, values: Sequence[Any]) -> Any:
        """Return the size for argument sizes of any kind: functions, expressions, ints."""
        kind = self.kind
        if kind == "layer":
            return values[1] if len(values) > 1 else self.layer.formula(values[0])
        if kind == "demand":
            return values[0]
        if kind == "join":  # all agree where it holds: go on with the simplest
            return min(values, key=_length)
        if kind == "broadcast":
            return functools.reduce(_broadcast, values)
        if kind in ("min", "max"):
            first, second = values
            if isinstance(first, int) and isinstance(second, int):
                return min(first, second) if kind == "min" else max(first, second)
            if isinstance(first, int):
                first, second = second, first
            return first._min(second) if kind == "min" else first._max(second)
        return _OPERATIONS[kind](*values)

    def smallest(self, value: Any) -> Any:
        """Return the smallest output size that a layer with an output size can be led to."""
        return self.layer._smallest(value)

    def conditions(self, values: Sequence[Any]) -> list[Condition]:
        """Return what the step demands of its argument sizes, as far as it demands anything."""
        if self.kind == "join":
            found = [
                Condition(self.number, _equal(values[0], value), Told("the sizes differ"))
                for value in values[1:]
            ]
        elif self.kind == "broadcast":
            found = [
                Condition(self.number, _compatible(first, second), Told("the sizes differ"))
                for first, second in itertools.combinations(values, 2)
            ]
        elif self.kind == "demand":
            found = [Condition(self.number, self.layer.mask(*values), self.layer.tell)]
        elif self.kind == "layer":
            found = self._layer_conditions(values)
        else:
            return []
        return [
            one
            for one in found
            if not (one.mask.is_constant and one.mask.tail.at(0))  # holds everywhere
        ]

    def _layer_conditions(self, values: Sequence[Any]) -> list[Condition]:
        layer = self.layer
        value = Function.of(values[0])
        if len(values) == 1:
            return [self._least(value, layer.minimum, "it takes {least} or more")]
        wanted = Function.of(values[1])
        found = [
            self._least(value, 1, "its input size is below 1"),
            self._least(wanted, 1, "the size asked for is below 1"),
        ]
        if hasattr(layer, "_smallest"):
            smallest = Function.of(self.smallest(value))
            count = layer.stride if self.is_transposed else 2 * layer.stride - 1
            a = wanted - smallest
            mask = a.at_least(0).both((-a).at_least(1 - count))
            found.append(Condition(self.number, mask, OutOfReach(smallest, count, wanted)))
        return found

    def _least(self, value: Function, least: int, told: str) -> Condition:
        return Condition(self.number, value.at_least(least), Told(told.format(least=least)))


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
}


def _equal(first: Any, second: Any) -> Function:
    return Function.of(first).equals(Function.of(second))


def _compatible(first: Any, second: Any) -> Function:
    """Return where two sizes can be broadcast to one another."""
    agree = _equal(first, second)
    if agree.is_constant and agree.tail.at(0):
        return agree
    return agree.either(_equal(first, 1)).either(_equal(second, 1))


def _broadcast(first: Any, second: Any) -> Any:
    """Return the size that two sizes are broadcast to."""
    if isinstance(first, Function) and isinstance(second, Function):
        for one in (first, second):
            ones = one.equals(1)
            if not ones.is_constant or ones.tail.at(0):
                return first._max(second)
        return min(first, second, key=_length)
    if isinstance(first, Expression) and isinstance(second, Expression):
        return first if first == second else first._max(second)
    if isinstance(first, int) and isinstance(second, int):
        return max(first, second)
    return second._max(first) if isinstance(first, int) else first._max(second)


class Trace:
    """The record of one walk through a network, in the order in which it was taken."""

    def __init__(self, axis: int | None = None) -> None:
        self.axis = axis
        self.steps: list[Step] = []
        self.conditions: list[Condition] = []
        self.places = 0
        self.input = self.add(Step("input", ()))

    def add(self, step: Step) -> Size:
        """Take a step."""
        step.number = len(self.steps)
        if step.kind in ("layer", "join", "broadcast", "demand"):
            self.places += 1
            step.place = self.places
        try:
            if step.kind == "input":
                step.function = Function.identity()
            else:
                values = [arg.function if isinstance(arg, Step) else arg for arg in step.args]
                step.function = Function.of(step.run(values))
                self.conditions += step.conditions(values)
        except PeriodError as error:
            raise PeriodError(_blame(error, [step]), error.period) from None
        self.steps.append(step)
        return Size(self, step)

    def __getstate__(self) -> dict[str, Any]:
        # Steps hold their arguments: a long network would be a deep recursion for pickle.
        rows = [
            (
                step.kind,
                tuple(("step", arg.number) if isinstance(arg, Step) else arg for arg in step.args),
                step.layer,
                step.label,
                step.place,
                step.function,
                type(step),
            )
            for step in self.steps
        ]
        own = {name: value for name, value in vars(self).items() if name not in ("steps", "input")}
        return {**own, "rows": rows}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.steps = []
        for number, row in enumerate(state.pop("rows")):
            kind, args, layer, label, place, function, made = row
            own = (self.steps[arg[1]] if isinstance(arg, tuple) else arg for arg in args)
            step = made.__new__(made)
            Step.__init__(step, kind, tuple(own), layer, label)
            step.number, step.place, step.function = number, place, function
            self.steps.append(step)
        vars(self).update(state)
        self.input = Size(self, self.steps[0])

    def run(self, value: Any) -> list[Any]:
        """Walk through the recorded steps with another kind of number for the input size."""
        values: list[Any] = []
        for step in self.steps:
            if step.kind == "input":
                values.append(value)
                continue
            args = [values[arg.number] if isinstance(arg, Step) else arg for arg in step.args]
            values.append(step.run(args))
        return values


def _length(value: Any) -> tuple[int, int]:
    if isinstance(value, Function):
        return len(value.lines), value.tail.period
    return (0, value.length) if isinstance(value, Expression) else (0, 0)


def ancestors(steps: Iterable[Step]) -> set[Step]:
    """Return the steps and all that they depend on."""
    found: set[Step] = set()
    waiting = list(steps)
    while waiting:
        step = waiting.pop()
        if step not in found:
            found.add(step)
            waiting += step.parents
    return found


MOST_BLAMED = 8  # steps that an error names one by one


def _blame(error: PeriodError, steps: list[Step]) -> str:
    """Say which steps made the period as long as it is."""
    grown: list[tuple[int, Step]] = []
    for step in ancestors(steps):
        if not hasattr(step, "function"):
            continue
        before = math.lcm(1, *(parent.function.tail.period for parent in step.parents))
        after = step.function.tail.period
        if after > before and step.kind != "input":
            grown.append((after // before, step))
    grown.sort(key=lambda one: (-one[0], one[1].number))
    last = ", ".join(step.told() for step in steps[:MOST_BLAMED])
    if len(steps) > MOST_BLAMED:
        last += f" and {len(steps) - MOST_BLAMED} more"
    groups: dict[tuple[str, int], list[Step]] = {}
    for factor, step in grown:
        groups.setdefault((step.name, factor), []).append(step)
    parts = [
        f"{members[0].told()} by {factor}"
        if len(members) == 1
        else f"{name} by {factor}, {len(members)} times"
        for (name, factor), members in groups.items()
    ]
    told = "; ".join(parts[:MOST_BLAMED])
    if len(parts) > MOST_BLAMED:
        told += f"; and {len(parts) - MOST_BLAMED} more"
    told = f"; before, it grew in {told}" if parts else ""
    return (
        f"solve: at {last} the sizes repeat only every {error.period} pixels, above the limit of "
        f"{LIMIT}{told}"
    )


class _Resize:
    """What stands in a trace for ``Interpolate(size=other)``: the size is another step's."""

    minimum = 1

    def formula(self, i: Any) -> Any:
        """Never asked: the size is given with every call."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return "Interpolate(size=...)"


class Size:
    """The sizes that one place of a network has, for all input sizes at once.

    `solve` hands one to the network; layers, `same`, `maximum`, `minimum` and ``+ - * // %`` with
    ints return others. It is an exact function of the input size, not a number: it cannot be
    compared, counted to or used as an index.

    Examples
    --------
    >>> from upshape.shapes import Conv, solve
    >>> def network(x):
    ...     x = Conv(3, stride=2, padding=1)(x)
    ...     print(x)
    ...     return 2 * x
    >>> solve(network).output(7)
    floor((i + 1)/2)
    8
    """

    __slots__ = ("_step", "_trace")
    __array_ufunc__ = None  # NumPy ints leave the operators to us

    def __init__(self, trace: Trace, step: Step) -> None:
        self._trace = trace
        self._step = step

    def __repr__(self) -> str:
        return f"Size({self})"

    def __str__(self) -> str:
        return str(Expression.of(self._trace.run(Expression.identity())[self._step.number]))

    def __format__(self, form: str) -> str:
        return format(str(self), form)

    # What layers, joins and operators do.

    def _through(self, layer: Any, output_size: Any = None, label: str | None = None) -> Size:
        """Go through a layer."""
        size = getattr(layer, "size", None)
        if isinstance(size, tuple):
            size = self._entry(size, f"{type(layer).__name__}: size")
        if isinstance(size, Size):
            layer, output_size = _Resize(), size
        layer = self._axis_of(layer)
        if getattr(layer, "scale_factor", None) is not None:
            layer.exact_factor()
        args: tuple[Any, ...] = (self._step,)
        if output_size is not None:
            if isinstance(output_size, tuple | list):
                output_size = self._entry(output_size, f"{layer!r}: output_size")
            args += (self._operand(output_size, f"{layer!r}: output_size"),)
        return self._trace.add(Step("layer", args, layer, label))

    def _reached_from(self, layer: Any, i: Any) -> Size:
        """Be the output size of a layer whose input size is an int."""
        start = self._trace.add(Step("+", (whole_number(i, f"{layer!r}: input size"), 0)))
        return start._through(layer, output_size=self)

    def _axis_of(self, layer: Any) -> Any:
        """Return the layer of the axis that this size is on."""
        axes = getattr(layer, "axes", (layer,))
        axis = self._trace.axis
        if axis is not None and len(axes) > 1:
            if not -len(axes) <= axis < len(axes):
                raise ValueError(
                    f"solve: axis={axis} asked for, but {layer!r} has {len(axes)} axes"
                )
            return axes[axis]
        if any(one != axes[0] for one in axes):
            raise TypeError(
                f"{layer!r}: its axes differ and a traced size is a single one; solve one axis at "
                "a time, with solve(network, axis=0) and solve(network, axis=1)"
            )
        return axes[0]

    def _entry(self, sizes: Any, what: str) -> Any:
        """Return the entry of a tuple of sizes for the axis that is being solved."""
        axis = self._trace.axis
        if axis is None and (len(sizes) == 1 or all(size is sizes[0] for size in sizes)):
            axis = 0
        if axis is None or not -len(sizes) <= axis < len(sizes):
            raise TypeError(
                f"{what} must be one size for a traced size, got {len(sizes)}; "
                "solve one axis at a time, with solve(network, axis=0)"
            )
        return sizes[axis]

    def _operand(self, other: Any, what: str) -> Any:
        """Return the step of a size, or a number as an int."""
        if isinstance(other, Size):
            if other._trace is not self._trace:
                raise ValueError(f"{what}: a size of another solve; sizes cannot be carried over")
            return other._step
        return whole_number(other, what)

    def _then(self, kind: str, *args: Any) -> Size:
        return self._trace.add(Step(kind, args))

    def _operate(self, kind: str, other: Any, swapped: bool = False) -> Size:
        if isinstance(other, Fraction) and other.denominator == 1:
            other = other.numerator
        if isinstance(other, Size) or _is_int(other):
            operand = self._operand(other, f"Size {kind}")
            args = (operand, self._step) if swapped else (self._step, operand)
            if kind in ("+", "-"):
                return self._then(kind, *args)
            # Products and quotients need an int: a size that is the same for all inputs is one.
            values = [
                arg.function.tail.at(0)
                if isinstance(arg, Step) and arg.function.is_constant
                else arg
                for arg in args
            ]
            if kind == "*" and isinstance(values[0], int):
                values.reverse()
            if isinstance(values[1], int):
                if values[1] == 0 and kind != "*":
                    raise ZeroDivisionError(f"Size {kind} 0")
                first = values[0] if isinstance(values[0], Step) else self._constant(values[0])
                return self._then(kind, first, values[1])
            if kind == "*":
                raise TypeError(
                    "Size * Size: the product of two sizes is not quasi-linear, so no period "
                    "decides it; sizes can be multiplied by ints"
                )
            raise TypeError(
                f"Size {kind} Size: sizes can be divided by ints only, so that the result repeats "
                "with a period"
            )
        if isinstance(other, float | Fraction):
            raise TypeError(
                f"Size {kind} {other!r}: sizes are whole; for a scaled size write "
                "Interpolate(scale_factor=...)(x), or x * numerator // denominator"
            )
        return NotImplemented  # type: ignore[no-any-return]

    def _constant(self, value: int) -> Step:
        step = Step("+", (value, 0))
        self._trace.add(step)
        return step

    def __add__(self, other: int | Size) -> Size:
        return self._operate("+", other)

    def __radd__(self, other: int | Size) -> Size:
        return self._operate("+", other, True)

    def __sub__(self, other: int | Size) -> Size:
        return self._operate("-", other)

    def __rsub__(self, other: int | Size) -> Size:
        return self._operate("-", other, True)

    def __mul__(self, other: int | Size) -> Size:
        return self._operate("*", other)

    def __rmul__(self, other: int | Size) -> Size:
        return self._operate("*", other, True)

    def __floordiv__(self, other: int | Size) -> Size:
        return self._operate("//", other)

    def __rfloordiv__(self, other: int | Size) -> Size:
        return self._operate("//", other, True)

    def __mod__(self, other: int | Size) -> Size:
        return self._operate("%", other)

    def __rmod__(self, other: int | Size) -> Size:
        return self._operate("%", other, True)

    def __divmod__(self, other: Any) -> tuple[Size, Size]:
        return self // other, self % other

    def __neg__(self) -> Size:
        return self._then("*", self._step, -1)

    def __pos__(self) -> Size:
        return self

    def __abs__(self) -> Size:
        return self._max(-self)

    def _min(self, other: Any) -> Size:
        return self._then("min", self._step, self._operand(other, "minimum"))

    def _max(self, other: Any) -> Size:
        return self._then("max", self._step, self._operand(other, "maximum"))

    # What a size is not.

    def _refuse(self, use: str, instead: str) -> NoReturn:
        raise TypeError(
            f"{use}: a Size is a function of the input size, it has no value while a network is "
            f"solved; {instead}"
        )

    def __bool__(self) -> bool:
        self._refuse(
            "bool(Size)",
            "to demand something write same(a, b); for a choice write shapes.maximum(a, b) or "
            "shapes.minimum(a, b)",
        )

    def _compare(self, sign: str) -> NoReturn:
        self._refuse(
            f"Size {sign} ...",
            "write same(a, b) to demand that sizes agree, and shapes.maximum(a, b) or "
            "shapes.minimum(a, b) instead of max and min",
        )

    def __eq__(self, other: object) -> bool:
        self._compare("==")

    def __ne__(self, other: object) -> bool:
        self._compare("!=")

    def __lt__(self, other: object) -> bool:
        self._compare("<")

    def __le__(self, other: object) -> bool:
        self._compare("<=")

    def __gt__(self, other: object) -> bool:
        self._compare(">")

    def __ge__(self, other: object) -> bool:
        self._compare(">=")

    def __hash__(self) -> int:
        self._refuse(
            "hash(Size), as sets, dicts and caches ask for it",
            "write what holds for every size with +, -, *, // and %; what is looked up by a size, "
            "or differs for single ones, cannot be followed",
        )

    def __index__(self) -> int:
        self._refuse(
            "Size as an index, a range or a loop count",
            "loops and indices need ints that do not depend on the input size",
        )

    def __int__(self) -> int:
        self._refuse("int(Size)", "sizes are whole already: leave the int() out")

    def __float__(self) -> float:
        self._refuse("float(Size)", "write x * numerator // denominator, or Interpolate")

    def __round__(self, digits: int | None = None) -> int:
        self._refuse("round(Size)", "write (2 * x * numerator + denominator) // (2 * denominator)")

    def __truediv__(self, other: Any) -> NoReturn:
        self._refuse("Size / ...", "write // for the whole quotient, or -(-x // n) to round up")

    __rtruediv__ = __truediv__

    def __pow__(self, other: Any) -> NoReturn:
        self._refuse("Size ** ...", "powers of sizes are not quasi-linear")

    __rpow__ = __pow__

    def __iter__(self) -> NoReturn:
        self._refuse("iterating over a Size", "it is the size of one axis, not a tuple")

    def __len__(self) -> int:
        self._refuse("len(Size)", "it is the size of one axis, not a tuple")

    def __getitem__(self, key: Any) -> NoReturn:
        self._refuse("Size[...]", "it is the size of one axis, not a tuple; leave the index out")

    def __contains__(self, key: Any) -> bool:
        self._refuse("... in Size", "it is the size of one axis, not a tuple")


def _is_int(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def whole_number(value: Any, what: str, kinds: str = "an int or a Size") -> int:
    """Return an int, or a NumPy or SymPy integer, as an int."""
    if is_bool(value):
        raise TypeError(f"{what} must be an int, got {value!r}")
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    if is_symbolic(value) and not value.is_Integer:
        raise TypeError(f"{what}: a SymPy expression and a traced size do not mix, got {value}")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be {kinds}, got {value!r} ({type(value).__name__})") from None


def _extreme(sizes: tuple[Any, ...], what: str) -> Any:
    if len(sizes) < 2:
        raise TypeError(f"{what}: two sizes or more are needed, got {len(sizes)}")
    if any(isinstance(size, tuple | list) for size in sizes):
        raise TypeError(f"{what}: single sizes are needed, got a tuple; ask one axis at a time")
    result = sizes[0]
    if not isinstance(result, Size) and not is_symbolic(result):
        result = whole_number(result, what)
    for size in sizes[1:]:
        if is_symbolic(result) or is_symbolic(size):
            import sympy

            result = (sympy.Min if what == "minimum" else sympy.Max)(result, size)
        elif isinstance(result, Size):
            result = result._min(size) if what == "minimum" else result._max(size)
        elif isinstance(size, Size):
            result = size._min(result) if what == "minimum" else size._max(result)
        else:
            size = whole_number(size, what)
            result = min(result, size) if what == "minimum" else max(result, size)
    return result


@overload
def minimum(first: Size, /, *sizes: int | Size) -> Size: ...
@overload
def minimum(first: int, second: Size, /, *sizes: int | Size) -> Size: ...
@overload
def minimum(*sizes: int) -> int: ...
@overload
def minimum(*sizes: Any) -> Any: ...
def minimum(*sizes: Any) -> Any:
    """Return the smallest of sizes: `min` for ints, SymPy expressions and traced sizes.

    Parameters
    ----------
    *sizes : int, SymPy expression or Size
        Two sizes or more.

    Returns
    -------
    int, SymPy expression or Size
        The smallest.

    Examples
    --------
    >>> minimum(5, 3, 4)
    3
    >>> from upshape.shapes import solve
    >>> solve(lambda x: minimum(2 * x, x + 10)).output(30)
    40
    """
    return _extreme(sizes, "minimum")


@overload
def maximum(first: Size, /, *sizes: int | Size) -> Size: ...
@overload
def maximum(first: int, second: Size, /, *sizes: int | Size) -> Size: ...
@overload
def maximum(*sizes: int) -> int: ...
@overload
def maximum(*sizes: Any) -> Any: ...
def maximum(*sizes: Any) -> Any:
    """Return the largest of sizes: `max` for ints, SymPy expressions and traced sizes.

    Parameters
    ----------
    *sizes : int, SymPy expression or Size
        Two sizes or more.

    Returns
    -------
    int, SymPy expression or Size
        The largest.

    Examples
    --------
    >>> maximum(5, 3, 4)
    5
    >>> from upshape.shapes import Pool, same, solve
    >>> solve(lambda x: same(maximum(x, 100), x)).minimum
    100
    """
    return _extreme(sizes, "maximum")
