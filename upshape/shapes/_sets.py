"""Sets of sizes as SymPy sets that print as what they are: {16 n : n >= 1}."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy
from sympy.printing.pretty.stringpict import prettyForm

from ._quasilinear import SizeSet

__all__ = ["as_sympy"]

MOST_LISTED = 64  # elements or classes that are listed one by one; more become a condition


LATEX = {
    "{": r"\left\{",
    "}": r"\right\}",
    " mod ": r" \bmod ",
    " not in ": r" \notin ",
    " in ": r" \in ",
    ">=": r"\geq",
    "<=": r"\leq",
    "|": r"\cup",
}


class Progression(sympy.Range):  # type: ignore[misc]
    """The residue class {m n + r : n >= n0}: a SymPy Range without end, printed as a class."""

    def _parts(self) -> tuple[int, int, int]:
        first, modulus = int(self.start), int(self.step)
        return modulus, first % modulus, first // modulus

    def _sympystr(self, printer: Any) -> str:
        modulus, residue, low = self._parts()
        factor = f"{modulus} n" if modulus > 1 else "n"
        return "{" + factor + (f" + {residue}" if residue else "") + f" : n >= {low}" + "}"

    def _sympyrepr(self, printer: Any) -> str:
        return f"Range({self.start}, oo, {self.step})"

    def _pretty(self, printer: Any) -> Any:
        told = self._sympystr(printer)
        return prettyForm(told.replace(">=", "≥") if printer._use_unicode else told)

    def _latex(self, printer: Any) -> str:
        told = self._sympystr(printer)[1:-1].replace(">=", r"\geq")
        return r"\left\{" + told.replace(" : ", r" \;\middle|\; ") + r"\right\}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, sympy.Range) and self.args == other.args

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(sympy.Range(*self.args))


class Sizes(sympy.Set):  # type: ignore[misc]
    """Sizes of too many classes to be listed: a set that knows its elements."""

    is_iterable = True

    def __new__(cls, sizes: SizeSet, start: int, stop: Any) -> Any:
        """Return the part of `sizes` from `start` on, below `stop`."""
        made = sympy.Basic.__new__(cls, sympy.Integer(start), sympy.sympify(stop))
        made._sizes = sizes
        return made

    def _hashable_content(self) -> Any:
        return (*self.args, id(self._sizes))

    def _contains(self, other: Any) -> Any:
        if other.is_Integer:
            inside = int(other) in self._sizes and self.args[0] <= other < self.args[1]
            return sympy.true if inside else sympy.false
        return sympy.false if other.is_integer is False else None

    def __iter__(self) -> Iterator[Any]:
        stop = None if self.args[1] == sympy.oo else int(self.args[1])
        return map(sympy.Integer, self._sizes.from_to(int(self.args[0]), stop))

    def _sympystr(self, printer: Any) -> str:
        return str(self._sizes)

    def _pretty(self, printer: Any) -> Any:
        return prettyForm(str(self._sizes))

    def _latex(self, printer: Any) -> str:
        told = str(self._sizes)
        for plain, latex in LATEX.items():
            told = told.replace(plain, latex)
        return told


def as_sympy(sizes: SizeSet) -> Any:
    """Return a set of sizes as a SymPy set."""
    parts: list[Any] = []
    single: list[int] = []
    for start, stop, period, residues in sizes.head():
        if (stop - start) * len(residues) <= MOST_LISTED * period:
            single += sizes.from_to(start, stop)
        elif len(residues) <= MOST_LISTED:
            for residue in residues.tolist():
                first = start + (residue - start) % period
                parts.append(sympy.Range(first, stop, period))
        else:
            parts.append(Sizes(sizes, start, stop))
    if single:
        parts.insert(0, sympy.FiniteSet(*single))
    if len(sizes.residues) <= MOST_LISTED:
        parts += [Progression(first, sympy.oo, sizes.modulus) for first in sizes.firsts()]
    else:
        parts.append(Sizes(sizes, sizes.threshold, sympy.oo))
    if not parts:
        return sympy.S.EmptySet
    return parts[0] if len(parts) == 1 else sympy.Union(*parts, evaluate=False)
