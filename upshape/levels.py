"""The CPU levels that kernels are compiled for: one row each.

setup.py reads this file to compile them, runtime.py to choose among them; it imports nothing of
upshape. What a number of `needs` stands for is asked of the CPU in pyx/machine.h.
"""

from typing import NamedTuple

__all__ = ["LEVELS", "Level"]


class Level(NamedTuple):
    """What is compiled, and where it runs."""

    package: str  # of the level's modules, in upshape
    needs: int  # what _machine.x86_level() must at least say; 0: any CPU
    flags: tuple[str, ...]  # for the compiler


#: The levels by name, lowest first. "generic" is compiled where there is no other.
LEVELS = {
    "generic": Level("_generic", 0, ()),
    "x86-64-v2": Level("_v2", 2, ("-march=x86-64-v2",)),
    "x86-64-v3": Level("_v3", 3, ("-march=x86-64-v3", "-mprefer-vector-width=256")),
    "x86-64-v4": Level("_v4", 4, ("-march=x86-64-v4", "-mprefer-vector-width=512")),
}
