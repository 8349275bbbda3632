"""Sizes as expressions of the input size i, in whole numbers, with nested floors merged.

This is bookkeeping for what is shown; nothing is decided here. An expression is a sum of atoms
with int factors. Atoms are i, floor(e / d), e / d where that is whole, e mod d, min(e, f) and
max(e, f).
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

__all__ = ["Expression"]

Atom: TypeAlias = tuple[Any, ...]
INPUT: Atom = ("i",)


class Expression:
    """A sum ``constant + factor * atom + ...``; supports + - and //, %, * by ints, min and max."""

    __slots__ = ("constant", "terms")

    # The mark by which a layer's formula recognises what it must not hand to SymPy.
    _through = None

    def __init__(self, constant: int = 0, terms: tuple[tuple[Atom, int], ...] = ()) -> None:
        self.constant = constant
        self.terms = terms

    @classmethod
    def identity(cls) -> Expression:
        """Return the expression i."""
        return cls(0, ((INPUT, 1),))

    @classmethod
    def of(cls, value: Any) -> Expression:
        """Return `value`, an expression or an int, as an expression."""
        return value if isinstance(value, Expression) else cls(int(value))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Expression)
            and self.constant == other.constant
            and self.terms == other.terms
        )

    def __hash__(self) -> int:
        return hash((self.constant, self.terms))

    @classmethod
    def fraction(cls, rise: int, constant: int, run: int, floored: bool) -> Expression:
        """Return ``(rise * i + constant) / run``, or its floor."""
        numerator = cls(constant, ((INPUT, rise),) if rise else ())
        if floored and rise > 0 and -run < constant < run > 1:
            return cls(0, ((("floor", numerator, run), 1),))
        if floored or rise % run == 0 == constant % run:
            return numerator // run
        return cls(0, ((("over", numerator, run), 1),))

    @property
    def length(self) -> int:
        """How much there is to read: the number of atoms at all depths."""
        count = 1 if self.constant else 0
        for atom, _ in self.terms:
            count += 1 + sum(part.length for part in atom if isinstance(part, Expression))
        return count

    def __add__(self, other: Any) -> Expression:
        other = Expression.of(other)
        terms = dict(self.terms)
        for atom, factor in other.terms:
            terms[atom] = terms.get(atom, 0) + factor
        left = tuple((atom, factor) for atom, factor in terms.items() if factor)
        return Expression(self.constant + other.constant, left)

    __radd__ = __add__

    def __mul__(self, number: Any) -> Expression:
        number = int(number)
        if number == 0:
            return Expression()
        return Expression(
            self.constant * number, tuple((atom, factor * number) for atom, factor in self.terms)
        )

    __rmul__ = __mul__

    def __neg__(self) -> Expression:
        return self * -1

    def __sub__(self, other: Any) -> Expression:
        return self + Expression.of(other) * -1

    def __rsub__(self, other: Any) -> Expression:
        return Expression.of(other) - self

    def __floordiv__(self, divisor: Any) -> Expression:
        d = int(divisor)
        if d < 0:
            return (self * -1) // -d
        if d == 1:
            return self
        # What d divides comes out of the floor.
        outside = Expression(
            self.constant // d,
            tuple((atom, factor // d) for atom, factor in self.terms if factor % d == 0),
        )
        constant = self.constant % d
        inside = tuple((atom, factor) for atom, factor in self.terms if factor % d)
        if not inside:
            return outside
        # floor((g e + c) / (g d)) = floor((e + floor(c / g)) / d), and with d = 1 no floor is left.
        common = math.gcd(d, *(factor for _, factor in inside))
        if common > 1:
            inside = tuple((atom, factor // common) for atom, factor in inside)
            return outside + Expression(constant // common, inside) // (d // common)
        if inside[0][1] < 0:  # floor(-e / d) = -floor((e + d - 1) / d)
            return outside - (Expression(constant, inside) * -1 + (d - 1)) // d
        if len(inside) == 1 and inside[0][0][0] == "floor" and inside[0][1] == 1:
            # floor((floor(e / b) + c) / d) = floor((e + b c) / (b d))
            _, numerator, b = inside[0][0]
            merged: Expression = (numerator + b * constant) // (b * d)
            return outside + merged
        return outside + Expression(0, ((("floor", Expression(constant, inside), d), 1),))

    def __mod__(self, divisor: Any) -> Expression:
        d = int(divisor)
        if d < 0:
            return ((self * -1) % -d) * -1
        terms = tuple((atom, factor % d) for atom, factor in self.terms if factor % d)
        rest = Expression(self.constant % d, terms)
        return rest if not terms else Expression(0, ((("mod", rest, d), 1),))

    def _min(self, other: Any) -> Expression:
        return self._choice("min", Expression.of(other))

    def _max(self, other: Any) -> Expression:
        return self._choice("max", Expression.of(other))

    def _choice(self, kind: str, other: Expression) -> Expression:
        mine, yours = _one_floor(self), _one_floor(other)
        if mine[:2] == yours[:2]:  # the same but for a constant
            return self if (mine[2] <= yours[2]) == (kind == "min") else other
        parts = sorted((self, other), key=lambda e: (e.length, str(e)))
        return Expression(0, (((kind, *parts), 1),))

    def __str__(self) -> str:
        told = ""
        for atom, factor in self.terms:
            text = _atom_text(atom)
            size = abs(factor)
            sign = "-" if factor < 0 else "+"
            text = text if size == 1 else f"{size}*{text}"
            told += f" {sign} {text}" if told else (f"-{text}" if factor < 0 else text)
        if self.constant and told:
            return f"{told} {'-' if self.constant < 0 else '+'} {abs(self.constant)}"
        return told or str(self.constant)

    def python(self, i: str) -> str:
        """Return the expression as Python code in which the input size is called `i`."""
        told = ""
        for atom, factor in self.terms:
            text = _atom_code(atom, i)
            if factor != 1 and atom[0] in ("floor", "over", "mod"):
                text = f"({text})"
            if abs(factor) != 1:
                text = f"{abs(factor)} * {text}"
            sign = "-" if factor < 0 else "+"
            told += f" {sign} {text}" if told else ("-" if factor < 0 else "") + text
        if self.constant and told:
            return f"{told} {'-' if self.constant < 0 else '+'} {abs(self.constant)}"
        return told or str(self.constant)

    def at(self, i: Expression) -> Expression:
        """Return the expression with another one in place of the input size."""
        made = Expression(self.constant)
        for atom, factor in self.terms:
            if atom == INPUT:
                made = made + i * factor
                continue
            first = atom[1].at(i)
            if atom[0] in ("min", "max"):
                part = first._choice(atom[0], atom[2].at(i))
            else:  # "over" is whole, so that a floor changes nothing
                part = first % atom[2] if atom[0] == "mod" else first // atom[2]
            made = made + part * factor
        return made

    def sympy(self) -> Any:
        """Return the SymPy expression."""
        import sympy

        from .symbols import i

        def one(atom: Atom) -> Any:
            if atom == INPUT:
                return i
            if atom[0] == "floor":
                return sympy.floor(atom[1].sympy() / atom[2])
            if atom[0] == "over":
                return atom[1].sympy() / atom[2]
            if atom[0] == "mod":
                return sympy.Mod(atom[1].sympy(), atom[2])
            parts = [part.sympy() for part in atom[1:]]
            return sympy.Min(*parts) if atom[0] == "min" else sympy.Max(*parts)

        return sympy.Add(
            sympy.Integer(self.constant), *(factor * one(atom) for atom, factor in self.terms)
        )


def _one_floor(e: Expression) -> tuple[Any, int, int]:
    """Split an expression into what two may share, and the constant by which they then differ."""
    if len(e.terms) == 1 and e.terms[0][0][0] == "floor" and e.terms[0][1] == 1:
        _, numerator, d = e.terms[0][0]
        return numerator.terms, d, numerator.constant + d * e.constant
    return frozenset(e.terms), 1, e.constant


def _atom_code(atom: Atom, i: str) -> str:
    """Write an atom as Python code: a name, a call, or one division."""
    if atom == INPUT:
        return i
    parts = [part.python(i) if isinstance(part, Expression) else str(part) for part in atom[1:]]
    if atom[0] in ("min", "max"):
        return f"{atom[0]}({', '.join(parts)})"
    first = parts[0] if parts[0].isidentifier() else f"({parts[0]})"
    return f"{first} {'%' if atom[0] == 'mod' else '//'} {parts[1]}"


def _atom_text(atom: Atom) -> str:
    if atom == INPUT:
        return "i"
    if atom[0] in ("floor", "over", "mod"):
        text = str(atom[1])
        whole = len(atom[1].terms) == 1 and not atom[1].constant
        if atom[0] == "over":
            return f"{text}/{atom[2]}" if whole else f"({text})/{atom[2]}"
        if atom[0] == "floor":
            return f"floor({text}/{atom[2]})" if whole else f"floor(({text})/{atom[2]})"
        return f"({text if whole else f'({text})'} mod {atom[2]})"
    return f"{atom[0]}({', '.join(map(str, atom[1:]))})"
