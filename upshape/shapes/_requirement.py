"""An answer as rules that other programs take: a minimum and a multiple, and PyTorch's Dims."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from ._quasilinear import Function, SizeSet

__all__ = ["Requirement", "requirement_of", "torch_dims"]

MOST_SHOWN = 8  # sizes that a rule forbids without need


class Requirement(NamedTuple):
    """A rule of thumb for input sizes, and what it forbids although the network takes it.

    Attributes
    ----------
    minimum : int
        The smallest size of the rule.
    multiple_of : int or None
        Sizes are to be multiples of this, `remainder` apart; None if only `minimum` is taken.
    remainder : int
        What a size is to leave on division by `multiple_of`; 0 but for networks that no multiple
        suits.
    share : Fraction
        Which part of the large sizes that are taken the rule allows.
    forbidden : tuple of int
        The first sizes that are taken although the rule forbids them.
    """

    minimum: int
    multiple_of: int | None
    remainder: int
    share: Fraction
    forbidden: tuple[int, ...]

    def __str__(self) -> str:
        if self.multiple_of is None:
            told = f"{self.minimum}"
        elif self.multiple_of == 1:
            told = f"{self.minimum} or more"
        elif self.remainder:
            told = f"{self.multiple_of} n + {self.remainder}, from {self.minimum} on"
        else:
            told = f"a multiple of {self.multiple_of}, from {self.minimum} on"
        if not self.forbidden:
            return told
        listed = ", ".join(map(str, self.forbidden))
        more = ", ..." if len(self.forbidden) == MOST_SHOWN else ""
        return f"{told} (also taken: {listed}{more})"


def requirement_of(sizes: SizeSet, name: str) -> Requirement:
    """Return the rule that allows the most sizes."""
    least = sizes.minimum
    if least is None:
        raise ValueError(f"Answer.requirement: {name} takes no size at all")
    if sizes.is_finite:
        others = _forbidden(sizes, Function.identity().equals(least))
        return Requirement(least, None, least, Fraction(1), others)
    residues = set(sizes.residues)
    modulus = sizes.modulus
    multiple, remainder = _widest(residues, modulus)
    # The rule begins after the last member of its class that is not taken.
    member = (Function.identity() % multiple).equals(remainder)
    missing = SizeSet(member.both(sizes.mask.negated()))
    last = missing.previous(missing.threshold + modulus)
    first = SizeSet(member).next(1 if last is None else last + 1)
    assert first is not None
    allowed = member.both(Function.identity().at_least(first))
    share = Fraction(modulus // multiple, len(residues))
    return Requirement(first, multiple, remainder, share, _forbidden(sizes, allowed))


def _widest(residues: set[int], modulus: int) -> tuple[int, int]:
    """Return the least m, and r, 0 if it can be, with which all large sizes m n + r are taken."""
    starts = [0] if 0 in residues else sorted(residues)
    for multiple in (one for one in range(1, modulus + 1) if modulus % one == 0):
        for start in starts:
            if start < multiple and residues.issuperset(range(start, modulus, multiple)):
                return multiple, start
    raise AssertionError("the modulus itself will do")


def _forbidden(sizes: SizeSet, allowed: Function) -> tuple[int, ...]:
    left = SizeSet(sizes.mask.both(allowed.negated()))
    found = []
    for n in left.from_to(1):
        found.append(n)
        if len(found) == MOST_SHOWN:
            break
    return tuple(found)


def torch_dims(
    sizes: SizeSet, name: str, least: int, most: int | None, network: str
) -> tuple[Any, ...]:
    """Return torch.export.Dims: a class of sizes is one, the size itself where there are few."""
    if sizes.is_finite:
        found = [n for n in sizes.from_to(1) if n >= least and (most is None or n <= most)]
        if sizes.minimum is None:
            raise ValueError(f"Answer.to_torch_dims: {network} takes no size at all")
        return tuple(found)
    from torch.export import Dim

    dims = []
    modulus = sizes.modulus
    for first in sorted(sizes.firsts()):
        low, residue = divmod(first, modulus)
        low = max(low, -(-(least - residue) // modulus))
        high = None if most is None else (most - residue) // modulus
        if high is not None and high < low:
            continue
        own = name if len(sizes.residues) == 1 else f"{name}_{residue}"
        dim = Dim(own, min=low, max=high) if high is not None else Dim(own, min=low)
        if modulus > 1:
            dim = modulus * dim
        dims.append(dim + residue if residue else dim)
    return tuple(dims)
