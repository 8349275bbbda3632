"""What a build needs of this machine, asked before anything is translated or compiled.

    python3 preflight.py    # one line for what is missing, and exit status 1

Needs no package, so that make asks it first; setup.py asks it again. Everything is found out by
building a few lines with the compiler and the flags of the build: CC, CPPFLAGS, CFLAGS, LDFLAGS.
"""

from __future__ import annotations  # an old Python, too, reads this file and is told its age

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent

NOTHING = "#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n"
HEADERS = "#include <Python.h>\nint main(void) { return 0; }\n"
OPENMP = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
LEVEL = '#include "machine.h"\nint main(void) { return upshape_x86_level(); }\n'

# How OpenMP is asked for: to the compiler, to the linker. The second is Apple's clang.
OPENMP_FLAGS = [(["-fopenmp"], ["-fopenmp"]), (["-Xpreprocessor", "-fopenmp"], ["-lomp"])]

# What brings what is missing: on Debian and Ubuntu, on Fedora, on macOS.
REMEDIES = {
    "compiler": ("apt install gcc libc6-dev", "dnf install gcc", "xcode-select --install"),
    "headers": ("apt install python3-dev", "dnf install python3-devel", "brew install python"),
    "venv": ("apt install python3-venv", "dnf install python3-pip", "brew install python"),
    "OpenMP of gcc": ("apt install libgomp1", "dnf install libgomp", "brew install libomp"),
    "OpenMP of clang": ("apt install libomp-dev", "dnf install libomp-devel",
                        "brew install libomp"),
}


def remedy(missing: str) -> str:
    """Return the commands that bring it."""
    debian, fedora, macos = REMEDIES[missing]
    return f"Debian, Ubuntu: {debian}; Fedora: {fedora}; macOS: {macos}"


def words(variable: str) -> list[str]:
    """Return the words of an environment variable."""
    return shlex.split(os.environ.get(variable, ""))


def compiler() -> list[str]:
    """Return the command that compiles: CC's, else the one that Python was built with."""
    return words("CC") or shlex.split(sysconfig.get_config_var("CC") or "cc")


def version() -> str:
    """Return what the compiler says of itself."""
    done = subprocess.run([*compiler(), "--version"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", errors="replace")
    return done.stdout


def run(program: str, compile_flags=(), link_flags=(), start=False) -> tuple[int, str]:
    """Build a program, start it if asked to, and return the exit status and what was said."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "check.c"), Path(folder, "check")
        source.write_text(program)
        command = [*compiler(), *words("CPPFLAGS"), *words("CFLAGS"), *compile_flags, str(source),
                   "-o", str(binary), *words("LDFLAGS"), *link_flags]
        try:
            for step in [command, [str(binary)]] if start else [command]:
                done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      encoding="utf-8", errors="replace")
                if done.returncode and step is command:
                    return -1, done.stdout
        except OSError as error:
            return -1, str(error)
    return done.returncode, done.stdout


def builds(program: str, compile_flags=(), link_flags=()) -> bool:
    """Return whether this program can be built with these flags."""
    return run(program, compile_flags, link_flags)[0] == 0


def missing() -> str:
    """Say in one line what keeps the kernels from being compiled; nothing if nothing does."""
    status, said = run(NOTHING)
    if status:
        why = next((line for line in said.splitlines() if "error" in line.lower()), said.strip())
        return (f"no C compiler that works: {shlex.join(compiler())!r} (CC) says {why!r}. "
                + remedy("compiler"))
    include = sysconfig.get_path("include")
    if not builds(HEADERS, ["-fsyntax-only", f"-I{include}"]):
        return f"Python's headers are missing: no Python.h in {include}. {remedy('headers')}"
    return ""


def openmp() -> tuple[list[str], list[str]] | None:
    """Return the flags that compile and link OpenMP here; None if none do."""
    for compile_flags, link_flags in OPENMP_FLAGS:
        if builds(OPENMP, compile_flags, link_flags):
            return compile_flags, link_flags
    return None


def without_openmp() -> str:
    """Say in one line what a build without OpenMP means, and what would bring it."""
    clang = "clang" in version()
    return (f"{shlex.join(compiler())!r} has no OpenMP: upshape will compute on one thread. "
            + remedy("OpenMP of clang" if clang else "OpenMP of gcc"))


def x86_level() -> int:
    """Return the x86-64 level of this machine as the kernels' own test sees it; -1 if unknown."""
    return run(LEVEL, [f"-I{ROOT / 'pyx'}"], start=True)[0]


def main() -> int:
    """Say what is missing to build upshape in a virtual environment."""
    project = (ROOT / "pyproject.toml").read_text()
    needed = re.search(r'requires-python = ">= (\d+)\.(\d+)"', project)
    least = int(needed[1]), int(needed[2])
    if sys.version_info < least:
        said = (f"Python {least[0]}.{least[1]} or later is needed, this is "
                f"{sys.version.split()[0]}: make PYTHON=python3.13 ...")
    elif find_spec("venv") is None or find_spec("ensurepip") is None:
        said = f"Python's venv is missing. {remedy('venv')}"
    else:
        said = missing()
    if said:
        print(f"upshape: {said}", file=sys.stderr)
    elif openmp() is None:
        print(f"upshape: {without_openmp()}", file=sys.stderr)
    return bool(said)


if __name__ == "__main__":
    sys.exit(main())
