"""The letters of the size formulas as SymPy symbols.

All are integers. The sizes i and o, kernel_size k, stride s and dilation d are positive; padding p
and the remainder a can be 0.
"""

from sympy import Symbol, symbols

__all__ = ["a", "d", "i", "k", "o", "p", "s"]

i: Symbol
o: Symbol
k: Symbol
s: Symbol
d: Symbol
p: Symbol
a: Symbol

i, o, k, s, d = symbols("i o k s d", integer=True, positive=True)
p, a = symbols("p a", integer=True, nonnegative=True)
