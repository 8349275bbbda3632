"""What a build asks of the machine and what it compiles, with compilers that lack one thing.

The compilers are scripts: they refuse what they are said to lack, and pass on the rest.
"""

import importlib.util
import os
import platform
import re
import shlex
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
X86_64 = platform.machine().lower() in ("x86_64", "amd64")

if not (ROOT / "setup.py").exists():
    pytest.skip("these tests belong to a source tree", allow_module_level=True)


def load(name):
    """Return a module of the source tree's root, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


preflight = load("preflight")


def start(*command, **environment):
    """Run a command of the source tree with other variables in the environment."""
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=300, check=False,
    )


@pytest.fixture
def compiler(tmp_path):
    """Return a function that makes a compiler of its refusals: a shell pattern, what it says."""
    def make(**refusals):
        cases = "".join(
            f"  *{shlex.quote(word)}*) echo {shlex.quote(said)} >&2; exit 1;;\n"
            for word, said in refusals.values()
        )
        script = tmp_path / "cc"
        script.write_text(
            f"#!/bin/sh\ncase \"$*\" in\n{cases}esac\n"
            f"exec {shlex.join(preflight.compiler())} \"$@\"\n"
        )
        script.chmod(0o755)
        return str(script)

    return make


NO_HEADERS = (f"-I{sysconfig.get_path('include')}", "fatal error: Python.h: No such file")
NO_OPENMP = ("-fopenmp", "error: unsupported option '-fopenmp'")
BROKEN = ("", "cannot find crt1.o: error")


def assert_one_line(text, *words):
    """One line that names what is missing and the command that brings it, on three systems."""
    assert text.count("\n") == 1, text
    for word in ("upshape: ", "Debian, Ubuntu: apt install", "Fedora: dnf install", "macOS: ",
                 *words):
        assert word in text


# --- what is missing is said in a line, before anything is done ----------------------------------


def test_nothing_is_missing_here():
    result = start("preflight.py")
    assert (result.returncode, result.stdout) == (0, "")


def test_missing_compiler_is_said_in_a_line():
    result = start("preflight.py", CC="/nonexistent/cc -O1")
    assert result.returncode == 1
    assert_one_line(result.stderr, "no C compiler", "/nonexistent/cc -O1", "apt install gcc")


def test_compiler_without_a_c_library_is_said_in_a_line(compiler):
    result = start("preflight.py", CC=compiler(all=BROKEN))
    assert result.returncode == 1
    assert_one_line(result.stderr, "no C compiler that works", "crt1.o", "libc6-dev")


def test_missing_headers_are_said_in_a_line(compiler):
    result = start("preflight.py", CC=compiler(headers=NO_HEADERS))
    assert result.returncode == 1
    assert_one_line(result.stderr, "no Python.h in", "python3-dev", "python3-devel")


def test_missing_openmp_is_said_in_a_line_and_is_no_error(compiler):
    result = start("preflight.py", CC=compiler(openmp=NO_OPENMP))
    assert result.returncode == 0
    assert_one_line(result.stderr, "has no OpenMP", "one thread", "libomp")


@pytest.mark.parametrize("refusal", [BROKEN, NO_HEADERS])
def test_build_stops_in_a_line_before_it_translates(compiler, tmp_path, refusal):
    pytest.importorskip("setuptools", minversion="77")
    result = start(
        "setup.py", "-q", "build_ext", "--build-lib", str(tmp_path / "lib"),
        "--build-temp", str(tmp_path / "temp"), CC=compiler(it=refusal), UPSHAPE_LEVELS="all",
    )
    assert result.returncode != 0
    assert_one_line(result.stderr, "apt install")
    assert "translating" not in result.stdout
    assert not (tmp_path / "lib").exists()


# --- OpenMP is looked for with the flags of the build --------------------------------------------


@pytest.mark.parametrize("variable", ["CPPFLAGS", "CFLAGS", "LDFLAGS"])
def test_openmp_is_looked_for_with_the_builds_flags(tmp_path, monkeypatch, variable):
    script = tmp_path / "cc"
    script.write_text(
        "#!/bin/sh\ncase \"$*\" in\n  *-L/where/openmp/lies*-fopenmp*) ;;\n"
        "  *-fopenmp*-L/where/openmp/lies*) ;;\n  *-fopenmp*) exit 1;;\nesac\nexit 0\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    monkeypatch.setenv(variable, "")
    assert preflight.openmp() is None
    monkeypatch.setenv(variable, "-L/where/openmp/lies")
    assert preflight.openmp() == (["-fopenmp"], ["-fopenmp"])


def test_compiler_is_a_command_with_arguments(monkeypatch):
    monkeypatch.setenv("CC", "ccache 'my gcc' -m64")
    assert preflight.compiler() == ["ccache", "my gcc", "-m64"]


# --- the levels ----------------------------------------------------------------------------------


@pytest.fixture
def setup_script(monkeypatch):
    """Return a function from environment to setup.py as a module, which sets nothing up."""
    setuptools = pytest.importorskip("setuptools", minversion="77")
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: None)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])

    def read(**environment):
        for name in ("UPSHAPE_LEVELS", "UPSHAPE_DEBUG", "UPSHAPE_SANITIZE", "UPSHAPE_EMULATE_V4"):
            monkeypatch.setenv(name, environment.get(name, ""))
        return load("setup")

    return read


@pytest.mark.skipif(not X86_64, reason="elsewhere there is one level")
@pytest.mark.parametrize(("asked", "level", "names"), [
    ("", 4, ["x86-64-v3", "x86-64-v4"]),
    ("", 3, ["x86-64-v2", "x86-64-v3"]),
    ("", 2, ["x86-64-v2"]),
    ("", -1, ["x86-64-v3", "x86-64-v4"]),  # the check could not be run
    ("best", 4, ["x86-64-v4"]),
    ("best", 3, ["x86-64-v3"]),
    ("best", 2, ["x86-64-v2"]),
    ("all", 2, ["x86-64-v2", "x86-64-v3", "x86-64-v4"]),
    ("x86-64-v4,x86-64-v2", 2, ["x86-64-v4", "x86-64-v2"]),
])
def test_levels_are_those_that_this_machine_uses(setup_script, monkeypatch, asked, level, names):
    script = setup_script(UPSHAPE_LEVELS=asked)
    monkeypatch.setattr(script.preflight, "x86_level", lambda: level)
    assert script.wanted_levels() == names


@pytest.mark.skipif(not X86_64, reason="elsewhere there is one level")
def test_unknown_levels_and_old_cpus_are_refused(setup_script, monkeypatch):
    script = setup_script(UPSHAPE_LEVELS="x86-64-v3,avx2")
    with pytest.raises(SystemExit, match="UPSHAPE_LEVELS=x86-64-v3,avx2 must be best, all or of"):
        script.wanted_levels()
    script = setup_script()
    monkeypatch.setattr(script.preflight, "x86_level", lambda: 1)
    with pytest.raises(SystemExit, match="older than x86-64-v2"):
        script.wanted_levels()


def test_level_of_this_machine_is_what_the_kernels_see():
    from upshape import _machine

    assert preflight.x86_level() == _machine.x86_level()


def test_every_kernel_is_named_once_for_each_level(setup_script):
    modules = setup_script().extensions()
    names = [ext.name for ext in modules]
    kernels = {path.stem for path in ROOT.glob("pyx/**/*.pyx")} - {"machine"}
    packages = {level.package for level in setup_script().LEVELS.values()}
    assert sorted(names) == sorted(
        ["upshape._machine", *(f"upshape.{p}.{k}" for p in packages for k in kernels)]
    )


def test_every_source_of_the_kernels_is_in_the_source_distribution(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    listed = (tmp_path / "upshape.egg-info" / "SOURCES.txt").read_text().splitlines()
    sources = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("pyx/**/*.*")}
    assert {Path(name).parent.as_posix() for name in sources} >= {
        "pyx", "pyx/conv", "pyx/linear", "pyx/simd"}
    assert sources - set(listed) == set()


def test_every_file_of_the_kernels_is_known_to_belong_to_a_module(monkeypatch):
    pytest.importorskip("setuptools", minversion="77")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    made_of = load("compiling").made_of
    modules = {path.stem: made_of(str(path)) for path in Path().glob("pyx/**/*.pyx")}
    known = set().union(*modules.values())
    assert known == {str(path) for path in Path().glob("pyx/**/*.*")} | {"upshape/_machine.pxd"}
    assert "pyx/conv/tile_pixels.inc.h" in modules["convolution"] - modules["nearest"]
    assert "pyx/simd/level.h" in modules["nearest"] & modules["depthwise"] & modules["limits"]


MOST_LINES_OF_A_MACRO = 8


def test_what_is_compiled_has_lines():
    # A debugger and a compiler's message cannot point into a macro.
    longest = {}
    for path in ROOT.glob("pyx/**/*.h"):
        run = 0
        for line in path.read_text().splitlines():
            run = run + 1 if line.endswith("\\") else 0
            longest[path.name] = max(longest.get(path.name, 0), run + 1)
    assert {name: lines for name, lines in longest.items() if lines > MOST_LINES_OF_A_MACRO} == {}


def test_folders_of_the_building_python_are_dropped_from_the_linker(tmp_path, monkeypatch):
    pytest.importorskip("setuptools", minversion="77")
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    compiling = load("compiling")
    (tmp_path / "libgomp.so.1").touch()
    monkeypatch.setenv("LDFLAGS", "-Wl,-rpath,/asked/for")
    command = ["gcc", "-shared", "-L/foreign", "-Wl,-rpath,/foreign", "-Wl,-R/foreign",
               "-Wl,-rpath=/foreign", "-Wl,-rpath,/asked/for", f"-Wl,-rpath,{tmp_path}"]
    assert compiling.without_rpath(command) == [
        "gcc", "-shared", "-L/foreign", "-Wl,-rpath,/asked/for", f"-Wl,-rpath,{tmp_path}"
    ]


# --- versions ------------------------------------------------------------------------------------


def versions(text):
    """Return {name: (operator, version as numbers)} of requirements that have one."""
    found = re.findall(r"([\w-]+)\s*(==|>=)\s*([\d.]+)", text)
    return {name: (sign, [int(part) for part in at.split(".")]) for name, sign, at in found}


def test_oldest_versions_are_the_promised_ones():
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)
    promised = versions("\n".join([
        *project["build-system"]["requires"], *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["test"],
    ]))
    tested = versions((ROOT / "tests" / "oldest.txt").read_text())
    assert tested.keys() == promised.keys()
    for name, (sign, floor) in promised.items():
        assert sign == ">="
        assert tested[name][0] == "=="
        assert tested[name][1][: len(floor)] == floor, name
