"""PyTorch's symbolic sizes, backed by the exact functions of a path.

PyTorch lets a tensor's sizes be ``SymInt`` objects, which hand every operation to a node. The
nodes here hold a `Value` of a `Path`: what a model's own code and PyTorch's own shape kernels
compute with sizes is computed exactly, and each decision that they take on a size makes the path
give way.
"""

from __future__ import annotations

import bisect
import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from ._path import Path, Value
from ._telling import TOLD, asked_by_user, told_in

__all__ = ["Environment", "Inexact", "Node"]

LARGE = 2**28  # pixels an axis: how floats beyond are rounded parts no path


class Inexact(TypeError):
    """A float computed from a size that no exact function describes."""


class Environment:
    """What PyTorch asks of a shape environment, answered by a path.

    It creates no symbols and keeps no guards: the path is the condition.
    """

    allow_scalar_outputs = False
    allow_dynamic_output_shape_ops = False
    unbacked_renamings: dict[Any, Any] = {}  # noqa: RUF012  PyTorch reads it, nobody writes it

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pending_fresh_unbacked_symbols: list[Any] = []
        self.symbols: dict[str, Any] = {}
        self._made: dict[Any, Any] = {}
        self._version = 0  # how often the path had changed when these were made

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what `make` makes, made once as long as the path does not change."""
        version = len(self.path.changes)
        if version != self._version:
            self._made, self._version = {}, version
        if key not in self._made:
            made = make()
            if len(self.path.changes) != version:
                return made
            self._made[key] = made
        return self._made[key]

    def symint(self, value: Value) -> Any:
        """Return a value as PyTorch's int."""
        import torch

        number = value.constant
        if number is not None:
            return number
        return torch.SymInt(Node(self, "int", value))  # type: ignore[no-untyped-call]

    def evaluate_sym_node(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Decide what a node is."""
        return node.settled()

    def _maybe_evaluate_static(self, expr: Any, **kwargs: Any) -> Any:
        import sympy

        node = self.symbols.get(str(expr))
        if node is None:
            return expr if expr in (sympy.true, sympy.false) or expr.is_number else None
        known = node.known()
        return None if known is None else sympy.sympify(known)

    def bound_sympy(self, expr: Any, size_oblivious: bool = False) -> Any:
        """Return a range that holds an expression's values: nothing narrower is known."""
        from torch.utils._sympy.value_ranges import ValueRanges

        return ValueRanges.wrap(expr) if expr.is_number else ValueRanges.unknown()

    def suppress_guards(self) -> Any:
        """Return a context in which no guards are kept; none are anyway."""
        return contextlib.nullcontext()

    ignore_fresh_unbacked_symbols = suppress_guards

    def is_unbacked_symint(self, symbol: Any) -> bool:
        """Tell that no size is unknown."""
        return False


class Quotient:
    """A float computed from sizes: a fraction of values, and how IEEE arithmetic gets there.

    `exact` tells that rounding cannot matter to a floor: nothing was rounded, or once only.
    `skew` is by what part the float lies beside the fraction before its one rounding, None where it
    is rounded more than once; `is_plain` tells that it is a number of the program, such as 0.7.
    `by` computes the float itself for the points of a path.
    """

    __slots__ = ("by", "exact", "is_plain", "over", "skew", "top")

    def __init__(
        self,
        top: Value | None,
        over: Value | None,
        exact: bool,
        by: Callable[[], Any],
        skew: Fraction | None = None,
        is_plain: bool = False,
    ) -> None:
        self.top = top
        self.over = over
        self.exact = exact
        self.by = by
        self.skew = skew
        self.is_plain = is_plain

    @classmethod
    def of(cls, value: Value) -> Quotient:
        """Return a whole number as a float."""
        return cls(value, value.path.constant(1), True, lambda: value.rows()[0].astype(float))

    @classmethod
    def number(cls, path: Path, value: float) -> Quotient:
        """Return a float that is the same everywhere."""
        if not math.isfinite(value):
            return cls(None, None, False, lambda: np.array([value]))
        near = Fraction(value).limit_denominator(10**4)
        exact = Fraction(value)
        whole = exact if exact.denominator <= 2**12 or float(near) != value else near
        top, over = path.constant(whole.numerator), path.constant(whole.denominator)
        skew = exact / whole - 1 if whole else None
        return cls(top, over, whole == exact, lambda: np.array([value]), skew, is_plain=True)

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number."""
        return self.over is not None and self.over.constant == 1 and self.exact


class Node:
    """A symbolic int, float or bool, as PyTorch's ``SymInt``, ``SymFloat``, ``SymBool`` want it."""

    __slots__ = ("_expr", "_value", "kind", "pending", "shape_env")

    # What PyTorch asks of a node besides its methods.
    constant = None
    fx_node = None
    _optimized_summation = False

    def __init__(self, env: Environment, kind: str, value: Any) -> None:
        self.shape_env = env
        self.kind = kind
        self._value = value
        self.pending: list[Value] = []  # differences: it is true where all of them are 0
        self._expr: Any = None

    @property
    def value(self) -> Any:
        """Its value; what was put off is decided now."""
        if self._value is None:
            self._value = self.path.all_zero(*self.pending)
        return self._value

    # What it is.

    @property
    def path(self) -> Path:
        """The path that its values are on."""
        return self.shape_env.path

    def is_int(self) -> bool:
        return self.kind == "int"

    def is_float(self) -> bool:
        return self.kind == "float"

    def is_bool(self) -> bool:
        return self.kind == "bool"

    def is_nested_int(self) -> bool:
        return False

    def nested_int(self) -> None:
        return None

    def is_symbolic(self) -> bool:
        return True

    def has_hint(self) -> bool:
        return False  # no kernel is to be chosen by what a size happens to be

    def is_constant(self) -> bool:
        return False

    @property
    def pytype(self) -> type:
        return {"int": int, "float": float, "bool": bool}[self.kind]

    def known(self) -> Any:
        """Return what it is all along the path, None if it changes."""
        if self.kind == "float":
            return None
        if self._value is None:
            numbers = [one.constant for one in self.pending]
            if any(numbers):
                return False
            return None if None in numbers else True
        number = self.value.constant
        return number if number is None or self.kind == "int" else bool(number)

    @property
    def hint(self) -> Any:
        if self.kind == "float":
            return self.float_at_hint()
        if self._value is None:
            return all(one.hint == 0 for one in self.pending)
        number = self.value.hint
        return bool(number) if self.kind == "bool" else number

    _hint = hint

    def maybe_as_int(self) -> int | None:
        return self.known() if self.kind == "int" else None

    def maybe_as_float(self) -> float | None:
        return None

    def maybe_as_bool(self) -> bool | None:
        return self.known() if self.kind == "bool" else None

    @property
    def expr(self) -> Any:
        """A SymPy symbol that stands for it: PyTorch looks at what is a number and what is not."""
        import sympy

        known = self.known()
        if known is not None:
            return sympy.sympify(known)
        if self._expr is None:
            name = f"{self.kind[0]}{len(self.shape_env.symbols)}"
            made = sympy.Symbol(name, integer=True) if self.kind != "bool" else sympy.Symbol(name)
            self._expr = made
            self.shape_env.symbols[name] = self
        return self._expr

    def _only_told(self) -> bool:
        """Tell whether this is for a reader: then the path holds for all of its sizes."""
        if self.kind == "float" or self.path.strict:
            return False
        told = told_in()
        if told is not None and told is not TOLD:
            self.path.told.append(told)
        return told is not None

    def str(self) -> str:
        if self.kind == "int" and asked_by_user() and not self._only_told():
            return f"{self.settled()}"  # it may be looked up by this name
        return f"{self.hint}"

    __str__ = __repr__ = _graph_repr = str

    def clone(self) -> Node:
        return self

    def with_shape_env(self, env: Any) -> Node:
        return self

    # From plain numbers.

    def wrap_int(self, number: int) -> Node:
        return Node(self.shape_env, "int", self.path.constant(int(number)))

    def wrap_float(self, number: float) -> Node:
        return Node(self.shape_env, "float", Quotient.number(self.path, float(number)))

    def wrap_bool(self, number: bool) -> Node:
        return Node(self.shape_env, "bool", self.path.constant(int(number)))

    def _int(self, value: Value) -> Node:
        return Node(self.shape_env, "int", value)

    def _bool(self, value: Value) -> Node:
        return Node(self.shape_env, "bool", value)

    def _float(self, value: Quotient) -> Node:
        return Node(self.shape_env, "float", value)

    # Decisions.

    def settled(self) -> Any:
        """Return what it is for the hint, and keep the sizes for which it is the same."""
        if self.kind == "bool":
            return self.path.decide(self.value)
        if self.kind == "int":
            number = self.value.hint
            if self.value.constant is None:
                self.path.blamed("a size is used as a plain number: in range(), a loop, a name")
                self.path.decide(self.value.eq(number))
            return number
        return self._settled_float()

    def _settled_float(self) -> float:
        value: Quotient = self.value
        self.path.blamed("a float is computed from sizes and used as a plain number")
        if value.top is not None and value.over is not None:
            hint = Fraction(value.top.hint, value.over.hint)
            self.path.decide((value.top * hint.denominator).eq(value.over * hint.numerator))
            if value.exact:
                return float(hint)
        self.listed()
        made = np.broadcast_to(value.by(), (self.path.columns,))
        told = float(made[self.path.column])
        held = np.where(made == told, 1, 0)[None, :]
        self.path.decide(Value(self.path, held, 1))
        return told

    def float_at_hint(self) -> float:
        """Return the float for the hint, as near as a fraction tells."""
        value: Quotient = self.value
        if value.top is None or value.over is None:
            return self._settled_float()
        return float(Fraction(value.top.hint, value.over.hint))

    def listed(self) -> None:
        """Make the path a list of points, on which floats can be computed as they are."""
        if self.path.points is None:
            self.path.narrow("what a float is rounded to differs from size to size")

    def int_(self) -> int:
        return int(self.hint if self._only_told() else self.settled())

    def bool_(self) -> bool:
        return bool(self.settled())

    def guard_int(self, file: Any, line: int) -> int:
        return int(self.settled())

    def guard_float(self, file: Any, line: int) -> float:
        return float(self.settled())

    def guard_bool(self, file: Any, line: int) -> bool:
        return bool(self.settled())

    expect_true = guard_size_oblivious = guard_or_false = guard_or_true = guard_bool

    def statically_known_true(self, file: Any, line: int) -> bool:
        return self.known() is True

    def evaluate(self, size_oblivious: bool = False) -> Any:
        return self.settled()

    # Arithmetic of ints.

    def _both(self, other: Node) -> tuple[Value, Value]:
        return self.value, other.value

    def _fractions(self, other: Node) -> tuple[Quotient, Quotient] | None:
        """Return both as floats if one of them is."""
        if self.kind != "float" and other.kind != "float":
            return None
        left, right = (
            one.value if one.kind == "float" else Quotient.of(one.value) for one in (self, other)
        )
        return left, right

    def add(self, other: Node) -> Node:
        if (pair := self._fractions(other)) is not None:
            return self._float(_combined(pair, np.add, lambda a, b, c, d: (a * d + c * b, b * d)))
        return self._int(self.value + other.value)

    def sub(self, other: Node) -> Node:
        if (pair := self._fractions(other)) is not None:
            return self._float(
                _combined(pair, np.subtract, lambda a, b, c, d: (a * d - c * b, b * d))
            )
        return self._int(self.value - other.value)

    def mul(self, other: Node) -> Node:
        if (pair := self._fractions(other)) is not None:
            return self._float(_combined(pair, np.multiply, lambda a, b, c, d: (a * c, b * d)))
        return self._int(self.value * other.value)

    def truediv(self, other: Node) -> Node:
        if (pair := self._fractions(other)) is None:
            pair = Quotient.of(self.value), Quotient.of(other.value)
        left, right = pair
        if right.top is not None and self.path.decide(right.top.eq(0)):
            raise ZeroDivisionError("division by zero")
        return self._float(_combined((left, right), np.divide, lambda a, b, c, d: (a * d, b * c)))

    int_truediv = float_truediv = truediv

    def floordiv(self, other: Node) -> Node:
        if self._fractions(other) is not None:
            return self.truediv(other).floor().sym_float()
        return self._int(self.value.floordiv(other.value))

    int_floordiv = floordiv

    def mod(self, other: Node) -> Node:
        if self._fractions(other) is not None:
            return self.sub(other.mul(self.truediv(other).floor()))
        return self._int(self.value.mod(other.value))

    def pow_by_natural(self, other: Node) -> Node:
        times = int(other.settled())
        made = self.path.constant(1)
        for _ in range(times):
            made = made * self.value
        return self._int(made)

    def pow(self, other: Node) -> Node:
        return self.pow_by_natural(other) if other.kind == "int" else self.float_pow(other)

    def float_pow(self, other: Node) -> Node:
        power = other.float_at_hint() if other.kind == "float" else other.settled()
        if power == 0.5:
            return self.sqrt()
        if power == int(power) and power >= 1:
            made = self
            for _ in range(int(power) - 1):
                made = made.mul(self)
            return made
        base = self.value if self.kind == "float" else Quotient.of(self.value)
        return self._float(Quotient(None, None, False, lambda: np.power(base.by(), float(power))))

    def sqrt(self) -> Node:
        """Return the square root: exactly where it is a whole number, else as a float."""
        base = self.value if self.kind == "float" else Quotient.of(self.value)
        root = _root(base.top) if base.is_whole and base.top is not None else None
        if root is not None:
            return self._float(Quotient.of(root))
        return self._float(Quotient(None, None, False, lambda: np.sqrt(base.by())))

    sym_sqrt = sqrt

    def neg(self) -> Node:
        if self.kind == "int":
            return self._int(-self.value)
        value: Quotient = self.value
        top = None if value.top is None else -value.top
        return self._float(Quotient(top, value.over, value.exact, lambda: -value.by()))

    def pos(self) -> Node:
        return self

    def abs(self) -> Node:
        return self.neg() if self.lt(self.wrap_int(0)).bool_() else self

    def lshift(self, other: Node) -> Node:
        return self._int(self.value * 2 ** int(other.settled()))

    def rshift(self, other: Node) -> Node:
        return self._int(self.value.floordiv(2 ** int(other.settled())))

    def sym_min(self, other: Node) -> Node:
        if self._fractions(other) is not None:
            return self if self.le(other).bool_() else other
        return self._int(self.value.least(other.value))

    def sym_max(self, other: Node) -> Node:
        if self._fractions(other) is not None:
            return self if self.ge(other).bool_() else other
        return self._int(self.value.greatest(other.value))

    def sym_sum(self, nodes: Any) -> Node:
        made = self.path.constant(0)
        for node in nodes:
            made = made + node.value
        return self._int(made)

    # Comparisons.

    def _compared(self, other: Node, kind: Any) -> Value:
        """Return where self >= other, or self = other."""
        pair = self._fractions(other)
        found: Value
        if pair is None:
            left, right = self.value, other.value
            found = left.ge(right) if kind == "ge" else left.eq(right)
            return found
        a: Any
        b: Any
        c: Any
        d: Any
        (a, b), (c, d) = ((one.top, one.over) for one in pair)
        exact = pair[0].exact and pair[1].exact
        unknown = a is None or b is None or c is None or d is None
        if unknown or not (exact or self._differ(*pair)):
            self.listed()
            left, right = (np.broadcast_to(one.by(), (self.path.columns,)) for one in pair)
            held = left >= right if kind == "ge" else left == right
            return Value(self.path, held.astype(np.int64)[None, :], 1)
        left, right = a * d, c * b
        if not self.path.decide((b * d).ge(0)):
            left, right = -left, -right
        found = left.ge(right) if kind == "ge" else left.eq(right)
        return found

    def _differ(self, left: Any, right: Any) -> bool:
        """Tell whether fractions differ by more than rounding can make up for, or one is 0."""
        if any(
            one.top.constant == 0 and two.skew is not None
            for one, two in ((left, right), (right, left))
        ):
            return True  # a sign, which one rounding leaves alone
        bounds = [one.over.constant for one in (left, right)]
        if not all(bound is not None and 0 < bound <= 10**4 for bound in bounds):
            return False
        return not self.path.decide((left.top * right.over).eq(right.top * left.over))

    def ge(self, other: Node) -> Node:
        return self._bool(self._compared(other, "ge"))

    def le(self, other: Node) -> Node:
        return self._bool(other._compared(self, "ge"))

    def gt(self, other: Node) -> Node:
        return other.ge(self).sym_not() if self.kind == "float" else self._strict(other)

    def lt(self, other: Node) -> Node:
        return other.gt(self)

    def _strict(self, other: Node) -> Node:
        return other.ge(self).sym_not()

    def eq(self, other: Node) -> Node:
        if self.kind == "int" and other.kind == "int":
            made = Node(self.shape_env, "bool", None)
            made.pending = [self.value - other.value]
            return made
        return self._bool(self._compared(other, "eq"))

    def ne(self, other: Node) -> Node:
        return self.eq(other).sym_not()

    def sym_not(self) -> Node:
        return self._bool(self.path.constant(1) - self.value)

    def sym_and(self, other: Node) -> Node:
        for one, two in ((self, other), (other, self)):
            known = one.known()
            if known is not None:
                return two if known else self.wrap_bool(False)
        if self._value is None and other._value is None:
            made = Node(self.shape_env, "bool", None)
            made.pending = [*self.pending, *other.pending]
            return made
        return self._bool(self.value * other.value)

    def sym_or(self, other: Node) -> Node:
        return self.sym_not().sym_and(other.sym_not()).sym_not()

    and_ = sym_and
    or_ = sym_or

    # Bits, where one side is a number or settles to one.

    def bitwise_and(self, other: Node) -> Node:
        return self.sym_and(other) if self.kind == "bool" else self._int(self._bits(other)[0])

    def bitwise_or(self, other: Node) -> Node:
        if self.kind == "bool":
            return self.sym_or(other)
        both, value, bits = self._bits(other)
        return self._int(value + bits - both)

    def bitwise_xor(self, other: Node) -> Node:
        if self.kind == "bool":
            return self.ne(other)
        both, value, bits = self._bits(other)
        return self._int(value + bits - both * 2)

    def _bits(self, other: Node) -> tuple[Value, Value, int]:
        """Return the bits that a size and a number have in common, the size, and the number."""
        value: Value = self.value
        bits = other.value.constant
        if bits is None and value.constant is not None:
            value, bits = other.value, value.constant
        if bits is None:
            bits = int(other.settled())
        kept = bits if bits >= 0 else ~bits  # a & -m is a without the bits of m - 1
        common = self.path.constant(0)
        place = 0
        while kept >> place:
            if not (kept >> place) & 1:
                place += 1
                continue
            end = place
            while (kept >> end) & 1:
                end += 1
            common = common + value.mod(2**end) - value.mod(2**place)
            place = end
        return (common if bits >= 0 else value - common), value, bits

    def sym_ite(self, yes: Node, no: Node) -> Node:
        return yes if self.bool_() else no

    # Between ints and floats.

    def sym_float(self) -> Node:
        return self if self.kind == "float" else self._float(Quotient.of(self.value))

    def sym_int(self) -> Node:
        return self.trunc()

    def is_integer(self) -> Node:
        return self.eq(self.floor().sym_float())

    def floor(self) -> Node:
        if self.kind == "int":
            return self
        value: Quotient = self.value
        if value.top is None or value.over is None:
            return self._listed_floor()
        top, over = value.top, value.over
        whole = None if value.exact else top.mod(over).eq(0)
        if whole is None or whole.constant == 0:
            return self._int(top.floordiv(over))
        if value.skew is not None and self.path.decide(top.ge(0)):
            floor = top.floordiv(over)
            below = self._beside(floor, value.skew) < 0
            return self._int(floor - whole if below else floor)
        if not self.path.decide(whole):  # rounding matters only to what should be whole
            return self._int(top.floordiv(over))
        return self._listed_floor()

    def _beside(self, number: Value, skew: Fraction) -> int:
        """Return on which side of a whole number the float of (1 + skew) times it lies: -1, 0, 1.

        That hangs on the number's leading bits; the path keeps those for which it is as here.
        """
        if abs(skew) < Fraction(1, 2**54) or not self.path.decide(number.ge(1)):
            return 0
        here = number.hint
        if here >= LARGE:
            self.path.decide(number.ge(LARGE))
            return _side(here, skew)
        low = 1 << (here.bit_length() - 1)
        inside = range(low + 1, 2 * low)
        cut = bisect.bisect_left(inside, True, key=lambda one: _side(one, skew) != 0)
        bounds = [low, low + 1 + cut, 2 * low]
        if _side(low, skew) != 0:
            bounds.insert(1, low + 1)
        place = bisect.bisect_right(bounds, here)
        self.path.decide(number.ge(bounds[place - 1]))
        self.path.decide(number.ge(bounds[place]))
        return _side(here, skew)

    def _listed_floor(self) -> Node:
        """Return the floor of floats computed one by one."""
        self.listed()
        made = np.broadcast_to(np.floor(self.value.by()), (self.path.columns,))
        if not np.isfinite(made).all():
            raise Inexact("a size computed from a float that is not finite")
        return self._int(Value(self.path, made.astype(np.int64)[None, :], 1))

    def ceil(self) -> Node:
        if self.kind == "int":
            return self
        value: Quotient = self.value
        top, over = value.top, value.over
        if value.exact or value.skew is None or top is None or over is None:
            return self.neg().floor().neg()
        if not self.path.decide(top.ge(0)):
            return self.neg().floor().neg()
        whole = top.mod(over).eq(0)
        ceil = -(-top).floordiv(over)
        above = whole.constant != 0 and self._beside(ceil, value.skew) > 0
        return self._int(ceil + whole if above else ceil)

    def trunc(self) -> Node:
        if self.kind == "int":
            return self
        return self.floor() if self.ge(self.wrap_int(0)).bool_() else self.ceil()

    def round(self, digits: int | None = None) -> Node:
        """Return the nearest whole number, the even one of two."""
        if self.kind == "int":
            return self
        if digits:
            raise Inexact("a size rounded to digits behind the point")
        value: Quotient = self.value
        top: Any = value.top
        over: Any = value.over
        skew: Any = value.skew
        once = not (value.exact or skew is None or top is None or over is None)
        if once and self.path.decide(top.ge(0)):
            return self._rounded_once(top * 2, over, skew)
        floor = self.floor()
        over = self.sub(floor).mul(self.wrap_float(2.0))
        up = over.gt(self.wrap_float(1.0)).value
        tie = over.eq(self.wrap_float(1.0)).value
        odd = floor.value.mod(2)
        return self._int(floor.value + up + tie * odd)

    def _rounded_once(self, twice: Value, over: Value, skew: Fraction) -> Node:
        """Return the nearest whole number of a float that lies beside half of a fraction."""
        halves = twice.floordiv(over)
        tie = twice.mod(over).eq(0) * halves.mod(2)
        near = (halves + 1).floordiv(2)  # of two, the larger one
        side = self._beside(halves, skew) if tie.constant != 0 else 0
        down = tie if side < 0 else tie * near.mod(2) if side == 0 else self.path.constant(0)
        return self._int(near - down)

    # Memory layouts: only whether a view can be taken hangs on them.

    def is_contiguous(self, sizes: Any, strides: Any) -> Node:
        return self._dense(sizes, strides, range(len(sizes) - 1, -1, -1))

    def _dense(self, sizes: Any, strides: Any, order: Any) -> Node:
        """Return whether elements lie without gaps, the axes nested in an order."""
        path = self.path
        held = path.constant(1)
        expected = path.constant(1)
        for axis in order:
            size, stride = sizes[axis].value, strides[axis].value
            fits = stride.eq(expected)
            if fits.constant != 1:
                fits = path.constant(1) - (path.constant(1) - fits) * (
                    path.constant(1) - size.eq(1)
                )
            held = held * fits
            expected = expected * size
        if held.constant != 1:
            empty = path.constant(0)
            for size in sizes:
                zero = size.value.eq(0)
                empty = empty + zero - empty * zero
            held = held + empty - held * empty
        return self._bool(held)

    def is_channels_last_contiguous_2d(self, sizes: Any, strides: Any) -> Node:
        return (
            self._dense(sizes, strides, (1, 3, 2, 0)) if len(sizes) == 4 else self.wrap_bool(False)
        )

    def is_channels_last_contiguous_3d(self, sizes: Any, strides: Any) -> Node:
        return (
            self._dense(sizes, strides, (1, 4, 3, 2, 0))
            if len(sizes) == 5
            else self.wrap_bool(False)
        )

    def is_channels_last_strides_2d(self, sizes: Any, strides: Any) -> Node:
        return self._last(sizes, strides, (1, 3, 2, 0))

    def is_channels_last_strides_3d(self, sizes: Any, strides: Any) -> Node:
        return self._last(sizes, strides, (1, 4, 3, 2, 0))

    def _last(self, sizes: Any, strides: Any, order: tuple[int, ...]) -> Node:
        """Return whether strides are those of channels that lie together, gaps allowed."""
        if len(sizes) != len(order) or self._int(strides[1].value).eq(self.wrap_int(0)).bool_():
            return self.wrap_bool(False)
        least = self.path.constant(0)
        for axis in order:
            size, stride = sizes[axis].value, strides[axis].value
            if self.path.decide(size.eq(0)) or not self.path.decide(stride.ge(least)):
                return self.wrap_bool(False)
            if axis == 0 and self.path.decide(least.eq(strides[1].value)):
                return self.wrap_bool(False)
            least = stride * size.greatest(1)
        return self.wrap_bool(True)

    def is_non_overlapping_and_dense(self, sizes: Any, strides: Any) -> Node:
        order = sorted(range(len(sizes)), key=lambda axis: strides[axis].value.hint)
        plain = list(range(len(sizes) - 1, -1, -1))
        held = self._dense(sizes, strides, plain)
        if held.known() is True or order == plain:
            return held
        return held.sym_or(self._dense(sizes, strides, order))

    def is_non_overlapping_and_dense_indicator(self, sizes: Any, strides: Any) -> Node:
        return self._int(self.is_non_overlapping_and_dense(sizes, strides).value)


def _side(number: int, skew: Fraction) -> int:
    """Return on which side of a number the double nearest to (1 + skew) times it lies."""
    made = float(number * (1 + skew))
    return (made > number) - (made < number)


def _combined(pair: tuple[Quotient, Quotient], ieee: Any, exact: Any) -> Quotient:
    """Return a float computed from two others."""
    left, right = pair
    by = lambda: ieee(left.by(), right.by())  # noqa: E731
    if left.top is None or left.over is None or right.top is None or right.over is None:
        return Quotient(None, None, False, by)
    top, over = exact(left.top, left.over, right.top, right.over)
    kept = left.exact and right.exact
    if kept:
        # Whole numbers, and halves of them, are never rounded; one division is rounded once.
        fine = all(_is_dyadic(one.over) for one in pair)
        kept = fine if ieee is not np.divide else all(one.is_whole for one in pair)
        if ieee is np.divide and not kept:
            kept = fine and _is_dyadic(over)
        if not fine and ieee is not np.divide:
            kept = False
    number, below = top.constant, over.constant
    if number is not None and below is not None and below:
        same = Fraction(number, below)
        top, over = top.path.constant(same.numerator), top.path.constant(same.denominator)
    elif below != 1 and over.hint:
        top, over, whole = _reduced(top, over)
        kept = kept or (whole and ieee is np.divide and all(one.is_whole for one in pair))
    return Quotient(top, over, kept, by, _skewed(left, right, ieee))


def _skewed(left: Quotient, right: Quotient, ieee: Any) -> Fraction | None:
    """Return by what part a size times or over a number of the program lies beside the fraction."""
    if ieee is np.multiply and right.is_whole and not right.is_plain:
        left, right = right, left
    if not (left.is_whole and right.is_plain) or right.skew is None:
        return None
    if ieee is np.multiply:
        return right.skew
    return 1 / (1 + right.skew) - 1 if ieee is np.divide else None


def _reduced(top: Value, over: Value) -> tuple[Value, Value, bool]:
    """Reduce a fraction of two sizes that is one number or a whole one all along the path."""
    a, b = top.hint, over.hint
    if b and (top * b - over * a).constant == 0:
        same, path = Fraction(a, b), top.path
        return path.constant(same.numerator), path.constant(same.denominator), True
    return top, over, False


def _is_dyadic(over: Value | None) -> bool:
    number = None if over is None else over.constant
    return number is not None and number > 0 and number & (number - 1) == 0


def _root(value: Value) -> Value | None:
    """Return the square root of a value that is a whole square all along the path."""
    path, rows = value.path, value.rows().astype(object)
    if path.points is not None or len(rows) == 1:
        if not path.decide(value.ge(0)):
            raise ValueError("math domain error")
        numbers = [int(number) // value.over for number in value.rows()[0]]
        roots = np.array([math.isqrt(number) for number in numbers])
        found = Value(path, roots[None, :], 1)
        return found if path.decide((found * found).eq(value)) else None
    if len(rows) != 3:
        return None
    made = []
    for column in rows.T:
        fractions = [Fraction(int(one), value.over) for one in column]
        top = _fraction_root(fractions[2])
        if not top:
            return None
        made.append((fractions[1] / (2 * top), top))
    over = math.lcm(*(one.denominator for pair in made for one in pair))
    columns = np.array([[int(one * over) for one in pair] for pair in made], object).T
    found = Value(path, columns, over)
    return found if (found * found - value).constant == 0 and path.decide(found.ge(0)) else None


def _fraction_root(number: Fraction) -> Fraction | None:
    if number < 0:
        return None
    root = Fraction(math.isqrt(number.numerator), math.isqrt(number.denominator))
    return root if root * root == number else None


# What a model's own code calls numbers by.


def _is_symbolic(value: Any) -> bool:
    return type(value).__name__ in ("SymInt", "SymFloat", "SymBool")


class _IntLike(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, int) or type(value).__name__ in ("SymInt", "SymBool")

    def __call__(cls, value: Any = 0, *args: Any) -> Any:
        if type(value).__name__ == "SymFloat":
            return math.trunc(value)
        return value if type(value).__name__ == "SymInt" else int(value, *args)


class _FloatLike(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, float) or type(value).__name__ == "SymFloat"

    def __call__(cls, value: Any = 0.0) -> Any:
        if type(value).__name__ == "SymInt":
            return value.__sym_float__()
        return value if type(value).__name__ == "SymFloat" else float(value)


class _Int(int, metaclass=_IntLike):
    """`int` for a model's module: keeps a symbolic size, and takes it for an int."""


class _Float(float, metaclass=_FloatLike):
    """`float` for a model's module."""


def _sqrt(value: Any) -> Any:
    import torch

    return torch.sym_sqrt(value) if _is_symbolic(value) else math.sqrt(value)


def _divmod(first: Any, second: Any) -> Any:
    if _is_symbolic(first) or _is_symbolic(second):
        return first // second, first % second
    return divmod(first, second)


class _Math:
    """The `math` module for a model's module."""

    sqrt = staticmethod(_sqrt)

    def __getattr__(self, name: str) -> Any:
        return getattr(math, name)


def _rounded(name: str) -> Callable[[Any], Any]:
    """Return NumPy's ceil, floor or sqrt, which keeps a symbolic number symbolic."""
    plain = getattr(np, name)

    def action(value: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_symbolic(value):
            return plain(value, *args, **kwargs)
        if name == "sqrt":
            return _sqrt(value)
        return getattr(math, name)(value).__sym_float__()

    return action


class _Numpy:
    """The `numpy` module for a model's module."""

    ceil = staticmethod(_rounded("ceil"))
    floor = staticmethod(_rounded("floor"))
    sqrt = staticmethod(_rounded("sqrt"))

    @staticmethod
    def prod(values: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the product of numbers, symbolic if one of them is."""
        if isinstance(values, tuple | list) and any(map(_is_symbolic, values)):
            return math.prod(values)
        return np.prod(values, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


# What upshape's own layers call traced sizes by.


def _through(size: Any, layer: Any, output_size: Any = None, label: str | None = None) -> Any:
    """Return what a layer does to a symbolic size, or refuse it as the layer does."""
    if len(layer.axes) > 1:
        each = output_size if isinstance(output_size, tuple | list) else [output_size] * 9
        axes = zip(layer.axes, each, strict=False)
        return tuple(_through(size, axis, one) for axis, one in axes)
    (layer,) = layer.axes
    if not size >= layer.minimum:
        return layer(size.node.hint)  # says why not
    if output_size is not None:
        smallest = layer._smallest(size)
        if not smallest <= output_size < smallest + layer.stride:
            told = [one.node.hint if _is_symbolic(one) else one for one in (size, output_size)]
            layer.output_padding_for(*told)
        return output_size
    factor = getattr(layer, "scale_factor", None)
    if isinstance(factor, float):
        product = size * factor
        if layer.rounding == "round":
            return product.__round__()
        return math.floor(product) if layer.rounding == "floor" else math.ceil(product)
    return layer.formula(size)


_TRACED: dict[str, Any] = {
    "_through": _through,
    "_min": lambda size, other: size.__sym_min__(other),
    "_max": lambda size, other: size.__sym_max__(other),
}


@contextlib.contextmanager
def traced_sizes() -> Iterator[None]:
    """Let upshape's layers take symbolic sizes."""
    import torch

    for name, one in _TRACED.items():
        setattr(torch.SymInt, name, one)
    try:
        yield
    finally:
        for name in _TRACED:
            delattr(torch.SymInt, name)


_STAND_INS: dict[str, Any] = {"int": _Int, "float": _Float, "divmod": _divmod}


@contextlib.contextmanager
def symbolic_numbers(names: set[str]) -> Iterator[None]:
    """Let `int`, `float`, `divmod`, `math` and `numpy` keep symbolic sizes in a model's code."""
    done: list[tuple[dict[str, Any], str, Any]] = []
    missing = object()
    stand_in, stand_in_of_numpy = _Math(), _Numpy()
    try:
        for name in names:
            scope = getattr(sys.modules.get(name), "__dict__", None)
            if scope is None:
                continue
            wanted = {key: one for key, one in _STAND_INS.items() if key not in scope}
            for key, one in list(scope.items()):
                if one is math:
                    wanted[key] = stand_in
                elif one is np:
                    wanted[key] = stand_in_of_numpy
                elif one is math.sqrt:
                    wanted[key] = _sqrt
            for key, one in wanted.items():
                done.append((scope, key, scope.get(key, missing)))
                scope[key] = one
        yield
    finally:
        for scope, key, one in reversed(done):
            if one is missing:
                del scope[key]
            else:
                scope[key] = one
