"""How the kernels are compiled: each .pyx is translated once, and its C compiled for each level.

What was compiled before, of the same files, by the same tools and with the same flags, is taken
from build/kept. What is being done, and how long it takes, is printed while it is done; pip shows
that with ``-v``.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from setuptools import Extension
from setuptools.command.build_ext import build_ext

import preflight

KEPT = Path("build", "kept")
# Where headers and .pxd are looked for; a file's name is the same in every #include and cimport.
FOLDERS = ["pyx", "pyx/simd", "pyx/conv", "pyx/linear", "pyx/taps"]
MACHINE = "upshape/_machine.pxd"  # what the kernels take from the baseline module

# Module: seconds that a core of Zen 5 takes to translate it and to compile it for a level. They
# order the work and announce its time, no more.
SECONDS = {
    "convolution": (2, 15), "depthwise": (1, 9), "linear": (5, 5), "taps": (5, 7),
    "nearest": (1.5, 3), "limits": (1, 3), "machine": (1, 1),
}
SECONDS_OF_OTHERS = (1, 3)
SLOWER = 2  # than Zen 5, where no translation has shown the speed of this machine


def say(text: str) -> None:
    """Print a line of progress at once."""
    print(f"upshape: {text}", flush=True)


def seconds(stem: str) -> tuple[float, float]:
    """Return how long a module takes: see above."""
    return SECONDS.get(stem, SECONDS_OF_OTHERS)


def source_of(stem: str) -> str:
    """Return the path of a module's .pyx, in whichever folder of pyx/ it lies."""
    return str(next(Path("pyx").rglob(f"{stem}.pyx")))


def made_of(path: str) -> set[str]:
    """Return a source and the files that it includes or cimports, and those that they do."""
    found, new = set(), {path, MACHINE}
    while new:
        found |= new
        text = "\n".join(Path(name).read_text() for name in new)
        names = re.findall(r'(?:include|UPSHAPE_EACH_REAL|extern from) "([\w.]+)"', text)
        names += [f"{name}.pxd" for name in re.findall(r"^from (\w+) cimport", text, re.MULTILINE)]
        new = {str(Path(folder, name)) for folder in FOLDERS for name in names
               if Path(folder, name).exists()} - found
    return found


def up_to_date(made: Path, sources: Iterable[str]) -> bool:
    """Return whether a file is there and younger than what it is made of."""
    return made.exists() and made.stat().st_mtime > max(os.stat(path).st_mtime for path in sources)


def without_rpath(command: list[str]) -> list[str]:
    """Drop the folders of the Python that builds, except one that an OpenMP runtime lies in."""
    def foreign(word: str) -> bool:
        folder = re.match(r"-Wl,(?:-rpath[,=]|-R,?)(/.+)", word)
        return folder is not None and not list(Path(folder[1]).glob("lib*omp*"))

    own = preflight.words("LDFLAGS")
    return [word for word in command if word in own or not foreign(word)]


class CompileKernels(build_ext):
    """Check the tools, translate each .pyx once, compile what is wanted, the longest first."""

    flags_of_levels = ""
    with_openmp = True
    known_to_some: ClassVar[list[str]] = []
    known_to_some_linkers: ClassVar[list[str]] = []
    directives: ClassVar[dict[str, bool]] = {}

    def wanted(self, ext: Extension) -> bool:
        """Return whether this module is compiled now."""
        raise NotImplementedError

    def finalize_options(self) -> None:
        """Compile on all cores unless told otherwise."""
        super().finalize_options()
        self.parallel = int(self.parallel or os.cpu_count() or 1)
        self.force = True  # what need not be compiled is decided in build_extension

    def run(self) -> None:
        """Stop in one line where something is missing; else build what is wanted."""
        if missing := preflight.missing():
            raise SystemExit(f"upshape: {missing}")
        self.extensions = [ext for ext in self.extensions if self.wanted(ext)]
        super().run()

    def build_extensions(self) -> None:
        """Give every module its flags and its C, then let setuptools compile."""
        stems = {ext.name: Path(ext.sources[0]).stem for ext in self.extensions}
        self.parts = {stem: sorted(made_of(source_of(stem))) for stem in stems.values()}
        self.extensions.sort(key=lambda ext: -seconds(stems[ext.name])[1])
        slower = self.translate(dict.fromkeys(stems.values()))
        self.compiler.linker_so = without_rpath(self.compiler.linker_so)
        self.complete_flags()
        for ext in self.extensions:
            self.give_source(ext, stems[ext.name])
        self.to_do = [ext for ext in self.extensions if not self.is_kept(ext)]
        self.began, self.done = time.monotonic(), 0
        self.announce(slower)
        super().build_extensions()

    def translated(self, stem: str) -> Path:
        """Return where the C of a .pyx lies: one file for all levels."""
        debug = "-debug" if self.directives["boundscheck"] else ""
        return (KEPT / f"cython-{version('cython')}{debug}" / f"{stem}.c").absolute()

    def translate(self, stems: Iterable[str]) -> float:
        """Translate what has changed; return how much slower than Zen 5 this machine did it."""
        stale = [stem for stem in stems if not up_to_date(
            self.translated(stem), [path for path in self.parts[stem] if not path.endswith(".h")])]
        if not stale:
            return SLOWER
        say(f"translating {len(stale)} modules to C")
        began = time.monotonic()
        with ThreadPoolExecutor(self.parallel) as pool:
            list(pool.map(self.translate_one, sorted(stale, key=seconds, reverse=True)))
        expected = sum(seconds(stem)[0] for stem in stale) / min(self.parallel, len(stale))
        return (time.monotonic() - began) / expected

    def translate_one(self, stem: str) -> None:
        """Translate a .pyx, under a name that holds for every level's package."""
        name = "upshape._machine" if stem == "machine" else f"upshape._kernels.{stem}"
        made = self.translated(stem)
        made.parent.mkdir(parents=True, exist_ok=True)
        began = time.time()
        unfinished = made.with_suffix(".unfinished.c")
        options = [word for name, on in self.directives.items() for word in ("-X", f"{name}={on}")]
        if self.directives["boundscheck"]:  # a debug build: its checks name lines of the .pyx
            options.append("--line-directives")
        command = [sys.executable, "-m", "cython", "-3", *[f"-I{folder}" for folder in FOLDERS],
                   "-I.", *options, "--module-name", name, "-o", str(unfinished),
                   source_of(stem)]
        if subprocess.run(command).returncode:
            raise SystemExit(f"upshape: Cython cannot translate {source_of(stem)}")
        os.utime(unfinished, (began, began))  # what is edited meanwhile is younger
        unfinished.replace(made)

    def complete_flags(self) -> None:
        """Add what this compiler and this linker know of OpenMP and of what only some know."""
        flags = [flag for flag in self.known_to_some
                 if preflight.builds(preflight.NOTHING, ["-Werror", flag])]
        link_flags = [flag for flag in self.known_to_some_linkers
                      if preflight.builds(preflight.NOTHING, [], ["-Werror", flag])]
        openmp = preflight.openmp() if self.with_openmp else ([], [])
        if openmp is None:
            say(f"warning: {preflight.without_openmp()}")
        else:
            flags, link_flags = flags + openmp[0], link_flags + openmp[1]
        for ext in self.extensions:
            ext.extra_compile_args += flags
            ext.extra_link_args += link_flags
            if ext.name == "upshape._machine":  # which tells them: show_config
                told = f"{' '.join(ext.extra_compile_args)} ({self.flags_of_levels})"
                ext.define_macros += [("UPSHAPE_FLAGS", f'"{told}"')]

    def give_source(self, ext: Extension, stem: str) -> None:
        """Make the module's .c, which includes the common one: objects are named after sources."""
        import numpy  # here: what compiles nothing needs no NumPy

        ext.depends = self.parts[stem]
        ext.include_dirs = [*FOLDERS, numpy.get_include()]
        ext.define_macros += [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")]
        tools = [preflight.version(), sys.version, numpy.__version__]
        tools += [shlex.join(preflight.words(name)) for name in ("CPPFLAGS", "CFLAGS", "LDFLAGS")]
        flags = [*ext.extra_compile_args, *ext.extra_link_args, str(ext.define_macros)]
        key = sha256("\n".join([*tools, *flags, str(self.translated(stem))]).encode())
        ext.kept = KEPT / key.hexdigest()[:16]
        ext.kept.mkdir(parents=True, exist_ok=True)
        source = ext.kept / f"{ext.name}.c"
        source.write_text(f'#include "{self.translated(stem)}"\n')
        ext.sources = [str(source)]

    def kept(self, ext: Extension) -> Path:
        """Return where the compiled module is kept."""
        return ext.kept / Path(self.get_ext_fullpath(ext.name)).name

    def is_kept(self, ext: Extension) -> bool:
        """Return whether the module need not be compiled."""
        return up_to_date(self.kept(ext), ext.depends)

    def announce(self, slower: float) -> None:
        """Say what is compiled now and about how long that takes."""
        if not self.to_do:
            return say("all modules are compiled already")
        each = [seconds(ext.name.split(".")[-1])[1] * slower for ext in self.to_do]
        cores = min(self.parallel, len(each))
        packages = sorted({ext.name.split(".")[1].strip("_") for ext in self.to_do})
        return say(f"compiling {len(each)} modules ({', '.join(packages)}), about "
                   f"{max(*each, sum(each) / cores):.0f} s on {cores} cores")

    def build_extension(self, ext: Extension) -> None:
        """Compile a module, or take the one that was kept."""
        path = Path(self.get_ext_fullpath(ext.name))
        if self.is_kept(ext):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.kept(ext), path)
            return
        began = time.time()
        super().build_extension(ext)
        shutil.copy2(path, self.kept(ext))
        os.utime(self.kept(ext), (began, began))
        self.done += 1
        say(f"  {self.done}/{len(self.to_do)}, {time.monotonic() - self.began:.0f} s: {ext.name}")
