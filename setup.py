"""What is compiled: every kernel of pyx/ once for each CPU level, and the baseline module once.

Environment: ``UPSHAPE_LEVELS`` (comma-separated) builds some levels only; ``UPSHAPE_DEBUG=1``
turns on bounds checks and asserts; ``UPSHAPE_EMULATE_V4=1`` compiles the v4 modules with v4's
vector width and tiles but v3's instructions, so that their logic can be tested without AVX-512.
"""

import os
import platform
import tempfile
import warnings
from glob import glob
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
DEBUG = os.environ.get("UPSHAPE_DEBUG") == "1"
X86_64 = platform.machine().lower() in ("x86_64", "amd64")

# Level: (package, flags). The package name is what runtime.py looks for.
if X86_64:
    LEVELS = {
        "x86-64-v2": ("_v2", ["-march=x86-64-v2"]),
        "x86-64-v3": ("_v3", ["-march=x86-64-v3", "-mprefer-vector-width=256"]),
        "x86-64-v4": ("_v4", ["-march=x86-64-v4", "-mprefer-vector-width=512"]),
    }
    if os.environ.get("UPSHAPE_EMULATE_V4") == "1":
        emulated = ["-march=x86-64-v3", "-DUPSHAPE_VECTOR_BYTES=64", "-Wno-psabi"]
        LEVELS["x86-64-v4"] = ("_v4", emulated)
else:
    LEVELS = {"generic": ("_generic", [])}
if os.environ.get("UPSHAPE_LEVELS"):
    wanted = os.environ["UPSHAPE_LEVELS"].split(",")
    if not set(wanted) <= set(LEVELS):
        raise SystemExit(f"UPSHAPE_LEVELS={','.join(wanted)}: there are {', '.join(LEVELS)}")
    LEVELS = {name: LEVELS[name] for name in wanted}

# No -ffast-math: NaN stays NaN, and sums keep their order. Contraction to FMA is wanted.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]
FLAGS += ["-DUPSHAPE_DEBUG", "-UNDEBUG", "-g"] if DEBUG else ["-DNDEBUG", "-g0"]

# gcc 13 and later keep products and sums apart where one sum runs through a loop: that is slower
# here, and which loops are such depends on the path, so that paths would differ in the last bit.
JOINED = ["--param=avoid-fma-max-bits=0"]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "binding": True,
}

OPENMP_CHECK = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
OPENMP_FLAGS = [(["-fopenmp"], ["-fopenmp"]), (["-Xpreprocessor", "-fopenmp"], ["-lomp"])]


def extensions() -> list[Extension]:
    """Name every module, with its .pyx as source: the sdist needs no generated C."""
    shared = {
        "include_dirs": ["pyx", numpy.get_include()],
        "depends": sorted(glob("pyx/*.h") + glob("pyx/*.pxd") + ["upshape/_machine.pxd"]),
        "define_macros": [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    }
    kernels = sorted(path.stem for path in ROOT.glob("pyx/*.pyx") if path.stem != "machine")
    modules = [
        Extension("upshape._machine", ["pyx/machine.pyx"], extra_compile_args=FLAGS[:], **shared)
    ]
    for package, flags in LEVELS.values():
        modules += [
            Extension(
                f"upshape.{package}.{kernel}", [f"pyx/{kernel}.pyx"],
                extra_compile_args=FLAGS + flags, **shared,
            )
            for kernel in kernels
        ]
    return modules


class BuildKernels(build_ext):
    """Cython first, into one directory a level: one .pyx, several modules, no shared .c."""

    def finalize_options(self) -> None:
        """Compile on all cores unless told otherwise."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self) -> None:
        """Turn each .pyx into C in its level's own folder, then compile."""
        compile_flags, link_flags = self.openmp()
        if self.builds("int main(void) { return 0; }\n", JOINED, []):
            compile_flags = compile_flags + JOINED
        for ext in self.extensions:
            ext.extra_compile_args += compile_flags
            ext.extra_link_args += link_flags
            package = ext.name.split(".")[-2]
            if ext.name == "upshape._machine":
                levels = "; ".join(f"{name}: {' '.join(own)}" for name, (_, own) in LEVELS.items())
                flags = f"{' '.join(FLAGS + compile_flags)} ({levels})"
                ext.define_macros = [*ext.define_macros, ("UPSHAPE_FLAGS", f'"{flags}"')]
            ext.sources = cythonize(
                [Extension(ext.name, ext.sources)],
                build_dir=str(Path(self.build_temp, package)), include_path=["pyx", "."],
                compiler_directives=DIRECTIVES, force=self.force, quiet=True,
            )[0].sources
        super().build_extensions()

    def openmp(self) -> tuple[list[str], list[str]]:
        """Return the flags that compile and link OpenMP here; none, with a warning, if none do."""
        for compile_flags, link_flags in OPENMP_FLAGS:
            if self.builds(OPENMP_CHECK, compile_flags, link_flags):
                return compile_flags, link_flags
        warnings.warn("this compiler has no OpenMP: upshape will use one thread", stacklevel=2)
        return [], []

    def builds(self, program: str, compile_flags: list[str], link_flags: list[str]) -> bool:
        """Return whether this program can be built with these flags."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "check.c")
            source.write_text(program)
            try:
                objects = self.compiler.compile(
                    [str(source)], output_dir=folder, extra_postargs=compile_flags
                )
                self.compiler.link_executable(
                    objects, str(Path(folder, "check")), extra_postargs=link_flags
                )
            except Exception:  # whatever a compiler's driver raises, the answer is "not so"
                return False
        return True


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildKernels})
