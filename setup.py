"""What is compiled: every kernel of pyx/ once for each CPU level, and the baseline module once.

A build compiles what this machine uses: its best level and, for the tests, the one below. The
environment asks for other things:

- ``UPSHAPE_LEVELS``: ``best`` alone, ``all`` (what a wheel holds), or names, comma-separated;
- ``UPSHAPE_DEBUG=1``: bounds checks and asserts;
- ``UPSHAPE_SANITIZE=1``: AddressSanitizer and UBSan, quickly compiled;
- ``UPSHAPE_OPENMP=0``: one thread, as where the compiler has no OpenMP;
- ``UPSHAPE_EMULATE_V4=1``: the v4 modules with v4's vector width and tiles but v3's instructions,
  so that their logic can be tested without AVX-512.

How it is compiled stands in compiling.py, what must be there for it in preflight.py.
"""

import os
import platform
import runpy
import sys
from pathlib import Path
from typing import ClassVar

from setuptools import Extension, setup

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))  # pip starts this file from elsewhere
import preflight  # noqa: E402
from compiling import CompileKernels  # noqa: E402

DEBUG = os.environ.get("UPSHAPE_DEBUG") == "1"
SANITIZE = os.environ.get("UPSHAPE_SANITIZE") == "1"
EMULATE_V4 = os.environ.get("UPSHAPE_EMULATE_V4") == "1"

# The levels of this kind of machine, lowest first.
LEVELS = runpy.run_path(str(ROOT / "upshape" / "levels.py"))["LEVELS"]
ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
LEVELS = {name: level for name, level in LEVELS.items() if (name != "generic") == ON_X86}
if ON_X86 and EMULATE_V4:
    LEVELS["x86-64-v4"] = LEVELS["x86-64-v4"]._replace(
        flags=("-march=x86-64-v3", "-DUPSHAPE_VECTOR_BYTES=64", "-Wno-psabi"))

# No -ffast-math: NaN stays NaN, and sums keep their order. Contraction to FMA is wanted.
FLAGS = ["-O1" if SANITIZE else "-O3", "-fno-math-errno", "-fno-trapping-math"]
FLAGS += ["-ffp-contract=fast", "-fvisibility=hidden"]
FLAGS += ["-DUPSHAPE_DEBUG", "-UNDEBUG", "-g"] if DEBUG else ["-DNDEBUG", "-g0"]
FLAGS += [] if DEBUG else ["-w"]  # most of the C is Cython's, with functions that nothing uses
FLAGS += ["-DUPSHAPE_EMULATE_V4"] if EMULATE_V4 else []
LINK_FLAGS = []
if SANITIZE:
    # Elements lie where the caller's strides put them: unaligned loads and stores are meant. Null
    # and the sizes of objects are AddressSanitizer's, and make the tiles twice as long to compile.
    LINK_FLAGS = ["-fsanitize=address,undefined", "-fno-sanitize=alignment,null,object-size"]
    FLAGS += [*LINK_FLAGS, "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-g1"]

# Flags that only some compilers and linkers know.
KNOWN_TO_SOME = [
    # gcc 13 and later keep products and sums apart where one sum runs through a loop: that is
    # slower here, and which loops are such depends on the path, so that paths would differ in the
    # last bit.
    "--param=avoid-fma-max-bits=0",
    "-fstack-protector-strong",
]
KNOWN_TO_SOME_LINKERS = ["-Wl,-z,relro,-z,now"]  # the table of foreign addresses is read-only


def extensions() -> list[Extension]:
    """Name every module, with its .pyx as source: the sdist needs no generated C."""
    kernels = sorted(path for path in ROOT.glob("pyx/**/*.pyx") if path.stem != "machine")
    modules = [Extension("upshape._machine", ["pyx/machine.pyx"], extra_compile_args=FLAGS[:],
                         extra_link_args=LINK_FLAGS[:])]
    for level in LEVELS.values():
        modules += [
            Extension(f"upshape.{level.package}.{path.stem}", [str(path.relative_to(ROOT))],
                      extra_compile_args=[*FLAGS, *level.flags], extra_link_args=LINK_FLAGS[:])
            for path in kernels
        ]
    return modules


def wanted_levels() -> list[str]:
    """Return the names of the levels that are compiled: see above."""
    asked, names = os.environ.get("UPSHAPE_LEVELS", ""), list(LEVELS)
    if asked in ("", "best"):
        has = preflight.x86_level() if ON_X86 else -1
        usable = [name for name in names if has < 0 or has >= LEVELS[name].needs]
        if not usable:
            raise SystemExit(
                f"upshape: this CPU is older than {names[0]}, the lowest level there is")
        return usable[-1:] if asked else usable[-2:]
    wanted = names if asked == "all" else asked.split(",")
    if not set(wanted) <= set(names):
        raise SystemExit(
            f"upshape: UPSHAPE_LEVELS={asked} must be best, all or of {', '.join(names)}"
        )
    return wanted


class BuildUpshape(CompileKernels):
    """Compile what is wanted of the above."""

    with_openmp = os.environ.get("UPSHAPE_OPENMP") != "0"
    flags_of_levels = "; ".join(
        f"{name}: {' '.join(level.flags)}" for name, level in LEVELS.items())
    known_to_some = KNOWN_TO_SOME
    known_to_some_linkers = KNOWN_TO_SOME_LINKERS
    directives: ClassVar[dict[str, bool]] = {
        "boundscheck": DEBUG,
        "wraparound": False,
        "initializedcheck": DEBUG,
        "cdivision": True,
        "binding": True,
    }

    def wanted(self, ext: Extension) -> bool:
        """Return whether a module is of a level that is compiled."""
        packages = [LEVELS[name].package for name in wanted_levels()]
        return ext.name.split(".")[1] in ("_machine", *packages)


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildUpshape})
