"""The derivation of the transposed convolution's size from the convolution's, by SymPy."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import sympy
from sympy import Eq, Mod, Symbol
from sympy.printing.latex import LatexPrinter
from sympy.printing.pretty.pretty import PrettyPrinter
from sympy.printing.pretty.pretty_symbology import pretty_use_unicode
from sympy.printing.str import StrPrinter

from .layers import Conv, ConvTranspose
from .symbols import a, d, i, k, o, p, s

__all__ = ["Derivation", "Step", "condition_of", "derive", "scale_condition"]

WIDTH = 80


class Step(NamedTuple):
    """One equation of a derivation, and the sentence that says where it comes from."""

    equation: Any
    sentence: str


@dataclass(frozen=True, repr=False)
class Derivation:
    """Steps from the size of a convolution to that of a transposed convolution.

    Printing it shows it as text of 80 columns; a notebook shows it as formulas.

    Attributes
    ----------
    steps : tuple of Step
        Pairs of a SymPy equation and a sentence.
    swap : int
        How many steps speak of the convolution. In those after them i is what goes into the
        transposed convolution and o what comes out.

    Examples
    --------
    >>> derivation = derive()
    >>> derivation.result
    Eq(o, a + d*(k - 1) - 2*p + s*(i - 1) + 1)
    >>> derivation.condition
    (a >= 0) & (a < s)
    >>> derivation.wrong_steps(i=12, k=3, s=2, p=1)
    ()
    """

    steps: tuple[Step, ...]
    swap: int

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, number: int) -> Step:
        return self.steps[number]

    @property
    def result(self) -> Any:
        """The transposed convolution's relation, the first step after the swap."""
        return self.steps[self.swap].equation

    @property
    def condition(self) -> Any:
        """The condition on the remainder a, with which the result holds."""
        return sympy.And(sympy.Ge(a, 0, evaluate=False), a < s)

    def wrong_steps(
        self, *, i: int, k: int, s: int = 1, p: int = 0, d: int = 1
    ) -> tuple[Step, ...]:
        """Put numbers into every step, and return those that do not hold.

        The convolution's output size and its remainder are counted, window by window, and not
        taken from a formula.

        Parameters
        ----------
        i, k, s, p, d : int
            The convolution's input size and parameters.

        Returns
        -------
        tuple of Step
            The steps that do not hold, none if all is well.

        Raises
        ------
        ValueError
            If there is no such convolution, or it does not take this input size.

        Examples
        --------
        >>> right = derive()
        >>> wrong = Step(Eq(o, s * i), "It simply multiplies.")
        >>> changed = Derivation((*right.steps[: right.swap], wrong), right.swap)
        >>> [step.sentence for step in changed.wrong_steps(i=11, k=3, s=2, p=1)]
        ['It simply multiplies.']
        """
        Conv(k, s, p, d)(i)  # refuses what has no answer
        reach = d * (k - 1) + 1
        starts = [
            start for start in range(i + 2 * p) if start % s == 0 and start + reach <= i + 2 * p
        ]
        swallowed = i + 2 * p - (starts[-1] + reach)
        values = _letters(i=i, o=len(starts), k=k, s=s, p=p, d=d, a=swallowed, x=i + 2 * p - reach)
        # At once (xreplace), not one by one: SymPy 1.13 finds Eq(a, Mod(a, 2)) false.
        swapped = {**values, **_letters(i=len(starts), o=i)}
        return tuple(
            step
            for number, step in enumerate(self.steps)
            if step.equation.xreplace(swapped if number >= self.swap else values) != sympy.true
        )

    def text(self, unicode: bool | None = None) -> str:
        """Return the derivation as text of at most 80 columns.

        Parameters
        ----------
        unicode : bool, optional
            Draw formulas with Unicode characters; unless given, if the standard output can.

        Returns
        -------
        str
            The numbered steps.
        """
        if unicode is None:
            unicode = _can_print("⎢─⋅≤")
        blocks = []
        for number, (equation, sentence) in enumerate(self.steps, 1):
            if number == self.swap + 1:
                turn = "Swap i and o: now i goes into the transposed convolution, o comes out."
                blocks.append(turn)
            told = textwrap.fill(
                sentence, WIDTH, initial_indent=f"{number}. ", subsequent_indent="   "
            )
            blocks.append(told + "\n\n" + textwrap.indent(_drawn(equation, unicode), "      "))
        blocks.append(
            f"So every a with 0 {'≤' if unicode else '<='} a < s gives an output size that the "
            f"convolution\ntakes back to i: there are s of them."
        )
        return "\n\n".join(blocks)

    def latex(self) -> str:
        """Return the derivation as LaTeX: an array of sentences and equations.

        Returns
        -------
        str
            LaTeX to be put in math mode.
        """
        lines = []
        for number, (equation, sentence) in enumerate(self.steps, 1):
            told = textwrap.wrap(f"{number}. {sentence}", WIDTH)
            lines += [rf"\text{{{line}}} \\" for line in told]
            lines.append(rf"\qquad {equation_latex(equation)} \\[1ex]")
        body = "\n".join(lines)
        return f"\\begin{{array}}{{l}}\n{body}\n\\end{{array}}"

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


def derive() -> Derivation:
    """Derive the size of a transposed convolution from that of a convolution.

    The relation that is started from is the one that `Conv` computes with; the steps are carried
    out by SymPy, and what they arrive at is what `ConvTranspose` computes with.

    Returns
    -------
    Derivation
        The steps. Print it, or show it in a notebook.

    References
    ----------
    Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016.

    Examples
    --------
    >>> for equation, sentence in derive():
    ...     print(equation)
    Eq(o, floor((-d*(k - 1) + i + 2*p - 1)/s) + 1)
    Eq(floor(x/s), (x - Mod(x, s))/s)
    Eq(a, Mod(-d*(k - 1) + i + 2*p - 1, s))
    Eq(o, 1 + (-a - d*(k - 1) + i + 2*p - 1)/s)
    Eq(i, a + d*(k - 1) - 2*p + s*(o - 1) + 1)
    Eq(o, a + d*(k - 1) - 2*p + s*(i - 1) + 1)
    Eq(a, Mod(-d*(k - 1) + o + 2*p - 1, s))
    Eq(a, Mod(a, s))
    """
    x = Symbol("x", integer=True)
    floored = Eq(o, Conv(k, s, p, d)(i))
    (floor,) = floored.atoms(sympy.floor)
    moved = floor.args[0] * s
    identity = Eq(sympy.floor(x / s), (x - Mod(x, s)) / s, evaluate=False)
    remainder = Eq(a, Mod(moved, s, evaluate=False))
    exact = floored.subs(floor, identity.rhs.subs(x, moved)).subs(Mod(moved, s), a)
    (solution,) = sympy.solve(exact, i)
    solved = Eq(i, sympy.collect(sympy.expand(solution), [s, d]))
    swap = {i: o, o: i}
    swapped = solved.subs(swap, simultaneous=True)
    swapped_remainder = Eq(a, Mod(moved.subs(i, o), s, evaluate=False))
    closed = Eq(a, sympy.simplify(swapped_remainder.rhs.subs(o, swapped.rhs)), evaluate=False)
    return Derivation(
        (
            Step(
                floored,
                "A window of a convolution spans d(k-1)+1 positions of the padded input, which has "
                "i+2p. The first one starts at its beginning, the others every s positions, as "
                "long as they fit.",
            ),
            Step(
                identity,
                "A floor rounds an integer x down to a multiple of s: it takes away the remainder, "
                "and then divides exactly.",
            ),
            Step(
                remainder,
                "Call the remainder a: so many positions of the padded input lie beyond the last "
                "window.",
            ),
            Step(exact, "With it the size of the convolution has no floor any more."),
            Step(
                solved,
                "So it can be solved for i: the input size is known again from the output size "
                "and the remainder.",
            ),
            Step(
                swapped,
                "A transposed convolution multiplies by the transposed matrix of a convolution: "
                "what that takes in, it gives out. So its size is the same relation, and a is what "
                "PyTorch calls output_padding.",
            ),
            Step(swapped_remainder, "The same swap says which a leads to a wanted output size o."),
            Step(
                closed,
                "Put the size of step 6 into step 7, and all but a is a multiple of s. What is "
                "left holds for the remainders a = 0, ..., s-1, and for nothing else.",
            ),
        ),
        swap=5,
    )


def scale_condition(scale: int | None = None) -> Any:
    """Return the equation on which a transposed convolution multiplies every size by its stride.

    Parameters
    ----------
    scale : int, optional
        The factor, which is the stride; unless given it is the symbol s.

    Returns
    -------
    sympy.Eq
        The condition. A convolution or pooling with the same parameters divides every multiple of
        its stride by it on the same condition.

    Examples
    --------
    >>> scale_condition()
    Eq(a + d*(k - 1) + 1, 2*p + s)
    >>> scale_condition(2)
    Eq(a + d*(k - 1) + 1, 2*p + 2)
    """
    # o - q*i is to vanish for every i: its two coefficients do, so that q is s and the rest 0.
    q = Symbol("q")
    slope, rest = sympy.Poly(ConvTranspose(k, s, p, a, d)(i) - q * i, i).all_coeffs()
    (stride,) = sympy.solve(slope, q)
    taken = 2 * p + stride
    condition = Eq(sympy.collect(sympy.expand(rest + taken), d), taken)
    return condition if scale is None else condition.subs(s, scale)


def condition_of(kind: type, *numbers: Any) -> Any:
    """Return the equation behind a search: for a scale, or for an input and an output size."""
    if len(numbers) == 1:
        ratio = Fraction(numbers[0])
        return scale_condition(ratio.numerator) if ratio.denominator == 1 else sympy.false
    large, small = numbers[::-1] if kind is ConvTranspose else numbers
    return Eq(large, ConvTranspose(k, s, p, a, d)(sympy.Integer(small)), evaluate=False)


def _letters(**values: int) -> dict[Any, int]:
    symbols = {symbol.name: symbol for symbol in (a, d, i, k, o, p, s)}
    symbols["x"] = Symbol("x", integer=True)
    return {symbols[name]: value for name, value in values.items()}


def _can_print(characters: str) -> bool:
    try:
        characters.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _drawn(equation: Any, unicode: bool) -> str:
    """Return a formula over several lines of text."""
    before = pretty_use_unicode(unicode)  # a setting of the printer that is global
    try:
        drawn = _Pretty({"use_unicode": unicode, "wrap_line": False}).doprint(equation)
    finally:
        pretty_use_unicode(before)
    return "\n".join(line.rstrip() for line in drawn.splitlines())


class _LiteratureOrder:
    """Printers with it write sums as the literature does: i + 2p - d(k-1) - 1 - a."""

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        return sorted(expr.as_ordered_terms(), key=_rank)


def _rank(term: Any) -> int:
    names = {symbol.name for symbol in term.free_symbols}
    if term.has(Mod):
        return 5
    for rank, letters in enumerate(("iox", "p", "kd", "s")):
        if names & set(letters):
            return rank
    return 6 if "a" in names else 4


class _Pretty(_LiteratureOrder, PrettyPrinter):  # type: ignore[misc]
    """Draw formulas over several lines of text."""


class _Latex(_LiteratureOrder, LatexPrinter):  # type: ignore[misc]
    """Write formulas as LaTeX."""


class _Plain(_LiteratureOrder, StrPrinter):  # type: ignore[misc]
    """Write formulas in one line of text."""

    def _print_Relational(self, expr: Any) -> str:
        sides = f"{self._print(expr.lhs)} = {self._print(expr.rhs)}"
        return sides if isinstance(expr, Eq) else str(super()._print_Relational(expr))


def equation_text(equation: Any) -> str:
    """Return an equation in one line of text.

    Examples
    --------
    >>> equation_text(derive().result)
    'o = s*(i - 1) - 2*p + d*(k - 1) + 1 + a'
    """
    return str(_Plain().doprint(equation))


def equation_latex(equation: Any) -> str:
    """Return an equation as LaTeX."""
    return str(_Latex().doprint(equation))
