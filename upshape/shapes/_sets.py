"""Sets of sizes as SymPy sets that print as what they are: {16 n : n >= 1}."""

from __future__ import annotations

from typing import Any

import sympy
from sympy.printing.pretty.stringpict import prettyForm

from ._quasilinear import SizeSet
from .symbols import i

__all__ = ["as_sympy"]

MOST_LISTED = 64  # elements or classes that are listed one by one; more become a condition


class Progression(sympy.Range):
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
        told = self._sympystr(printer)[1:-1].replace(" n", r"\,n").replace(">=", r"\geq")
        return r"\left\{" + told.replace(":", r"\;\middle|\;") + r"\right\}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, sympy.Range) and self.args == other.args

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(sympy.Range(*self.args))


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
            parts.append(_by_condition(sympy.Range(start, stop), period, residues.tolist()))
    if single:
        parts.insert(0, sympy.FiniteSet(*single))
    if len(sizes.residues) <= MOST_LISTED:
        parts += [Progression(first, sympy.oo, sizes.modulus) for first in sizes.firsts()]
    else:
        base = Progression(sizes.threshold, sympy.oo, 1)
        parts.append(_by_condition(base, sizes.modulus, sizes.residues))
    if not parts:
        return sympy.S.EmptySet
    return parts[0] if len(parts) == 1 else sympy.Union(*parts, evaluate=False)


def _by_condition(base: Any, modulus: int, residues: Any) -> Any:
    rest = sympy.Mod(i, modulus)
    missing = modulus - len(residues)
    if missing < len(residues):
        inside = set(residues)
        classes = sympy.FiniteSet(*(r for r in range(modulus) if r not in inside))
        return sympy.ConditionSet(i, sympy.Not(sympy.Contains(rest, classes)), base)
    return sympy.ConditionSet(i, sympy.Contains(rest, sympy.FiniteSet(*residues)), base)
