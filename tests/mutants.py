# ruff: noqa: E501 -- lines of other files stand here as they stand there
"""Do the tests bite? One-line bugs, one at a time, and which test sees each.

    python -m tests.mutants                    all of them; writes docs/mutants.inc
    python -m tests.mutants --only stage       those whose file or name has this word in it
    python -m tests.mutants --level x86-64-v3  at another level than the one in use

A scratch copy of the tree gets one bug after the other; the kernel concerned is built again, for
one CPU level and without much optimisation, and the tests named beside the bug run until one fails.
A bug that no test sees is a survivor: either a test is missing, or `EQUIVALENT` says why there can
be none.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from upshape import _machine, runtime
from upshape.levels import LEVELS

ROOT = Path(__file__).parent.parent
PACKAGES = {name: level.package for name, level in LEVELS.items()}


class Mutant(NamedTuple):
    """A bug: in a file, what is written there, what stands there instead, which tests run."""

    name: str
    file: str
    old: str
    new: str
    tests: str
    kernel: str | None = None  # that must be built again, where the file's name does not say

    @property
    def module(self) -> str | None:
        """The compiled module that the file is a part of; None: it is Python."""
        path = Path(self.file)
        return self.kernel or (path.stem if path.suffix == ".pyx" else None)


def hostile(*kinds: str) -> str:
    """Return the tests of hostile arrays of these kinds."""
    return f"tests/test_hostile.py -k '{' or '.join(kinds)}'"


NEAREST, LINEAR = "tests/test_nearest.py", "tests/test_linear.py"
FOLDERS = ["-Ipyx", "-Ipyx/simd", "-Ipyx/conv"]  # as compiling.py has them
CONV, DEPTHWISE = "tests/test_convolution.py", "tests/test_depthwise.py"
FAULTS, API, RUNTIME = "tests/test_faults.py", "tests/test_api.py", "tests/test_runtime.py"
ARRAYS, PYRAMID, CALLS = "tests/test_arrays.py", "tests/test_pyramid.py", "tests/test_calls.py"
LAYERS, GUARD = "tests/test_shapes_layers.py", "tests/test_guard_pages.py"
SOLVE = "tests/test_solve.py"
LONG = "tests/test_long_axes.py"

FRONT = "upshape/interpolation.py"
TABLES = "upshape/tables.py"
CONVOLUTION, ORDERS = "upshape/convolution.py", "upshape/orders.py"
PARAMETERS, TASKS = "upshape/parameters.py", "upshape/tasks.py"
FRONT_LAYERS = "upshape/layers.py"

MUTANTS = [
    # --- interpolation's front
    Mutant("nearest-exact looks at the pixel's beginning", TABLES,
           "((dst + real(0.5)).astype(np.float64)", "(dst.astype(np.float64)", NEAREST),
    Mutant("the position is not rounded to float32", TABLES,
           "position.astype(np.float32).astype(np.int64)", "position.astype(np.int64)", NEAREST),
    Mutant("float64 arrays get float32 positions", TABLES,
           "np.float64 if double else np.float32", "np.float32", NEAREST),
    Mutant("the factor is not used for the coordinates", TABLES,
           "real(i) / real(o) if factor is None else real(1.0 / factor)", "real(i) / real(o)",
           NEAREST),
    Mutant("corners are aligned with the wrong pixel", TABLES,
           "position = dst * (i - 1) / max(o - 1, 1)", "position = dst * i / max(o - 1, 1)",
           LINEAR),
    Mutant("linear modes take pixels for points", TABLES,
           "np.maximum((dst + 0.5) * scale - 0.5, 0.0)", "np.maximum(dst * scale, 0.0)", LINEAR),
    Mutant("an axis that keeps its size is interpolated", TABLES,
           "    if o == i:\n", "    if o == i and factor is None:\n", LINEAR),
    Mutant("distances are not clipped", TABLES,
           "np.clip(position - low, 0.0, 1.0)", "position - low", LINEAR),
    Mutant("uint8 weights are exact up to 17 bits", FRONT, "bits <= 16", "bits <= 17", LINEAR),
    Mutant("channels-last rows may run backwards", FRONT,
           "array.strides[width] >= array.shape[channels] * item", "True",
           f"{NEAREST} {LINEAR} tests/test_hostile.py"),
    Mutant("pixels may lie apart in an input", FRONT,
           "self.fits(array) and self.spacing(array) == self.pixel(array)", "self.fits(array)",
           f"{NEAREST} {LINEAR}"),
    Mutant("a misaligned out is written in place", FRONT,
           "and (not aligned or out.flags.aligned)", "and True",
           f"{LINEAR} {FAULTS} -k 'misaligned or records'"),
    Mutant("a misaligned input is read in place", FRONT,
           "and (not aligned or array.flags.aligned)", "and True",
           f"{LINEAR} {FAULTS} -k 'misaligned or records'"),
    Mutant("a known call takes an out over its input", FRONT,
           "(out.flags.writeable and not np.may_share_memory(x, out))", "out.flags.writeable",
           NEAREST),
    Mutant("a known call takes a read-only out", FRONT,
           "(out.flags.writeable and not np.may_share_memory(x, out))",
           "not np.may_share_memory(x, out)", NEAREST),
    Mutant("a known call is known by out's shape alone", FRONT,
           "key += (out.shape, out.strides, out.dtype)", "key += (out.shape, out.dtype)",
           f"{NEAREST} tests/test_hostile.py"),
    Mutant("2 == 2.0 == True in a known call", FRONT,
           "return all(map(_alike, own, arguments))", "return True", NEAREST),
    Mutant("a piece lacks its upper neighbour", FRONT,
           "int(low.max()) + reach, i)", "int(low.max()) + 1, i)", LONG),
    Mutant("pieces share a plan though their tables differ", FRONT,
           "if self.planned and all(map(_same_table, tables, latest)):", "if self.planned:", LONG),
    # --- arguments
    Mutant("an overlap that is too hard to find is none", "upshape/arrays.py",
           "except np.exceptions.TooHardError:\n        return True",
           "except np.exceptions.TooHardError:\n        return False", ARRAYS),
    Mutant("a read-only out is written", "upshape/arrays.py",
           "if not out.flags.writeable:", "if False:", f"{ARRAYS} {API}"),
    Mutant("an out may have an element twice", "upshape/arrays.py",
           "if not has_own_memory(out):", "if False:", f"{ARRAYS} {NEAREST}"),
    Mutant("strides are not sorted", "upshape/arrays.py",
           "in sorted(axis for axis in axes if axis[1] > 1)",
           "in list(axis for axis in axes if axis[1] > 1)", ARRAYS),
    Mutant("out is checked against the first input only", "upshape/arrays.py",
           "    for array in inputs:\n        if overlap", "    for array in inputs[:1]:\n        if overlap",
           f"{PYRAMID} {CONV}"),
    Mutant("NumPy's bools are ints", "upshape/arrays.py",
           "    if isinstance(value, (bool, np.bool_)):\n        raise TypeError(f\"{operation}: {name}={shown(value)} must be an int, not a bool{given}\")",
           "    if isinstance(value, bool):\n        raise TypeError(f\"{operation}: {name}={shown(value)} must be an int, not a bool{given}\")",
           f"{ARRAYS} {CONV}"),
    Mutant("arrays within records keep their byte order", "upshape/arrays.py",
           "if dtype.subdtype is not None:", "if False:", f"{ARRAYS} {FAULTS} -k 'order or dtype'"),
    Mutant("out is checked against the first feature only", "upshape/pyramid.py",
           "shape, first.dtype, *xs)", "shape, first.dtype, xs[0])", PYRAMID),
    Mutant("features are written over each other", "upshape/pyramid.py",
           "begin += x.shape[axis]", "begin += 1", PYRAMID),
    Mutant("the size is that of the smallest feature", "upshape/pyramid.py",
           "size = max(inputs, key=math.prod)", "size = min(inputs, key=math.prod)", PYRAMID),
    # --- what is remembered
    Mutant("plans are not bounded in bytes", "upshape/calls.py",
           "or self.nbytes + nbytes > self.most_bytes", "or False", f"{CALLS} {FAULTS} -k 'bound or call'"),
    Mutant("plans are not bounded in number", "upshape/calls.py",
           "len(self._values) >= self.most or", "False or", f"{CALLS} {CONV} -k 'forget or call'"),
    Mutant("what is dropped still counts", "upshape/calls.py",
           "self.nbytes -= self._sizes.pop(key)", "self._sizes.pop(key)", CALLS),
    Mutant("clear_cache leaves the plans", "upshape/calls.py",
           "        store.clear()", "        pass", f"{CALLS} {FAULTS} -k 'given_back or call'"),
    # --- convolution's front
    Mutant("misaligned arrays are walked", ORDERS,
           "    if not array.flags.aligned:\n        return \"other\"",
           "    if False:\n        return \"other\"", f"{CONV} {hostile('Conv', 'conv')}"),
    Mutant("pixels may overlap in memory", ORDERS,
           "stride >= item * shape[1]", "stride >= item", CONV),
    Mutant("a layer knows a shape whatever its strides", TASKS,
           "return x.shape, x.strides, output_size, threads\n", "return x.shape, output_size, threads\n",
           CONV),
    Mutant("a layer knows an out whatever its strides", TASKS,
           "threads, out.shape, out.strides, out.dtype", "threads, out.shape, out.dtype", CONV),
    Mutant("a layer that knows a call takes an out over its input", TASKS,
           "and out.flags.aligned\n            and not np.may_share_memory(out, x))",
           "and out.flags.aligned)", CONV),
    Mutant("a layer that knows a call takes a misaligned out", TASKS,
           "out.flags.writeable and out.flags.aligned", "out.flags.writeable",
           f"{CONV} {hostile('Conv')}"),
    Mutant("swapped weights are packed as they are", CONVOLUTION,
           "flags.c_contiguous and flags.aligned and array.dtype.isnative",
           "flags.c_contiguous and flags.aligned", f"{CONV} {FAULTS} -k 'swapped or known'"),
    Mutant("misaligned weights are packed as they are", CONVOLUTION,
           "flags.c_contiguous and flags.aligned and array.dtype.isnative",
           "flags.c_contiguous and array.dtype.isnative", f"{hostile('conv')}"),
    Mutant("a function does not tell whether there is a bias", CONVOLUTION,
           "None if bias is None else (bias.dtype, bias.shape), stride", "None, stride", CONV),
    Mutant("one phase without taps is left out", ORDERS,
           "len(lanes.phases_of(k, s, p, d)) < s", "len(lanes.phases_of(k, s, p, d)) < s - 1",
           f"{CONV} {hostile('Transpose', 'transpose')}"),
    Mutant("phases are shifted the other way", "upshape/lanes.py",
           "divmod(k * dilation - padding, stride)", "divmod(k * dilation + padding, stride)", CONV),
    Mutant("the steps of single pixels are taken", ORDERS,
           "    if 1 in array.shape:\n", "    if False:\n", f"{FAULTS} -k 'length_one or channels' {CONV}"),
    Mutant("new weights do not end old plans", FRONT_LAYERS,
           "            self._calls.clear()\n", "            pass\n", f"{FAULTS} -k layers_place"),
    Mutant("weights of any shape may be assigned", FRONT_LAYERS,
           "        arrays.check_shape(operation, \"weight\", array, held.shape, \"that of the layer's weights\")\n",
           "", f"{FAULTS} -k layers_place"),
    Mutant("'same' puts the odd zero first", "upshape/shapes/_layer.py",
           "before, after = total // 2, total - total // 2",
           "before, after = total - total // 2, total // 2", CONV),
    Mutant("SAME pads for every size what it pads for the smallest", PARAMETERS,
           "if relation.axes[0].padding not in SAME:", "if True:", CONV),
    Mutant("SAME's weights are packed for the first size that comes", TASKS,
           "        key = parameters, order\n", "        key = parameters.operation, order\n", CONV),
    Mutant("a pair is padded the other way about", PARAMETERS,
           "tuple(before for before, _ in sides or", "tuple(after for _, after in sides or", CONV),
    Mutant("gaps are filled before there is scratch", TASKS,
           "scratch = self.plan.take()", "scratch = None", f"{FAULTS} -k runs_out"),
    Mutant("the order of work depends on the threads", ORDERS,
           "        elif threads > 1:\n", "        elif threads > 99:\n", f"{CONV} {hostile('Conv', 'conv')}"),
    # --- memory
    Mutant("a block of a larger class is taken", "pyx/machine.pyx",
           "if store[i].bytes == bytes:", "if store[i].bytes >= bytes:",
           f"{RUNTIME} -k larger_class {RUNTIME}"),
    Mutant("forgotten blocks are not given back", "pyx/machine.pyx",
           "    upshape_unmap(store[index].start, store[index].bytes)\n", "", RUNTIME),
    Mutant("a block beyond the limit is kept", "pyx/machine.pyx",
           "    if bytes > limit_bytes:\n", "    if False:\n", RUNTIME),
    Mutant("a forked child wakes threads", "pyx/machine.pyx", "    if forked or ", "    if ", RUNTIME),
    Mutant("sizes overflow", "pyx/machine.pyx",
           "elif bytes > most // <size_t>dims[i]:", "elif False:", RUNTIME),
    # --- kernels of interpolation
    Mutant("windows reach past the source's row", "pyx/rows.pxd",
           "        low = min(low, source - span)\n", "", f"{GUARD} {NEAREST}", "nearest"),
    Mutant("a step along a single row is taken", "pyx/rows.pxd",
           "PyArray_STRIDES(array)[axis] if size_of(array, axis) > 1 else 0",
           "PyArray_STRIDES(array)[axis] if axis >= 0 else 0",
           f"{FAULTS} -k 'length_one or records' {hostile('linear')}", "linear"),
    Mutant("a kernel takes rows of any spacing", "pyx/rows.pxd",
           "(width == 1 or stride_of(array, frame.roles.w) == spacing)", "True",
           f"{LINEAR} {hostile('linear')}", "linear"),
    Mutant("rows are gathered past the source's end", "pyx/nearest.pyx",
           "if row + 16 * chunks <= end:", "if True:", f"{GUARD} {NEAREST}"),
    Mutant("a group's last bytes are not written", "pyx/nearest.pyx",
           "if whole * t.stride < bytes:", "if False:", NEAREST),
    Mutant("a plane's last row is a vector", "pyx/nearest.pyx",
           "store_first(to + own.last * own.row, vector, own.row // 4)",
           "store(to + own.last * own.row, vector)", NEAREST, "nearest"),
    Mutant("a group's last vector is torn", "pyx/nearest.pyx",
           "group * source_width, group < whole)", "group * source_width, False)", NEAREST),
    Mutant("streamed rows need not meet", "pyx/nearest.pyx",
           "if used > 0 and (row != block + used or used + t.row > PIECE):",
           "if used > 0 and used + t.row > PIECE:", f"{NEAREST} {hostile('nearest')}"),
    Mutant("images need not meet", "pyx/nearest.pyx",
           "and (rows.dst_n == plane * rows.depth * rows.m or rows.n == 1))", "and True)",
           f"{NEAREST} {hostile('nearest')}"),
    Mutant("copied rows write past the last one", "pyx/nearest.pyx",
           "exact = min(count, 1 + 15 // t.row)", "exact = 0", f"{NEAREST} {hostile('nearest')} {GUARD}"),
    Mutant("a row made twice is a row off", "pyx/nearest.pyx",
           "memcpy(stage + used, stage + used - t.row, t.row)",
           "memcpy(stage + used, stage, t.row)", NEAREST),
    Mutant("sums of 16 bits are rounded down", "pyx/linear/sums.pxd",
           "parts.q = <int>(taps.weight[1] * parts.p + 0.5)", "parts.q = <int>(taps.weight[1] * parts.p)",
           LINEAR),
    Mutant("the row after the last is read", "pyx/linear/windows.pxd",
           "taps.row[0] + (stride if h.low[row] < h.last else 0)", "taps.row[0] + stride",
           f"{GUARD} {LINEAR}"),
    Mutant("doubts beyond the rest are kept", "pyx/linear/lines.pxd",
           "            doubt[before].lanes &= (<unsigned>1 << rest) - 1\n", "            pass\n",
           f"{LINEAR} {hostile('linear')}"),
    Mutant("nothing is a tie", "pyx/simd/narrow.h",
           "#define UPSHAPE_TIE 1e-9", "#define UPSHAPE_TIE -1", LINEAR),
    Mutant("distances near a fraction stand for it", "pyx/simd/narrow.h",
           "#define UPSHAPE_WHOLE 1e-12", "#define UPSHAPE_WHOLE 1e-3", LINEAR),
    Mutant("any two rows are made together", "pyx/linear/windows.pxd",
           "        pair = pairs and row + 1 < end and h.low[row + 1] == h.low[row]",
           "        pair = pairs and row + 1 < end", LINEAR),
    Mutant("a row's last vector is not moved back", "pyx/linear/windows.pxd",
           "- (first + 1) * lanes\n", "- first * lanes\n", f"{LINEAR} {hostile('linear')}"),
    # --- kernels of convolution
    Mutant("channels are counted by their steps", "pyx/conv/tile_channels.inc.h",
           "for (ptrdiff_t channel = 0, k = 0; channel < channels; channel++, k += x_channel) {",
           "for (ptrdiff_t k = 0; k < channels * x_channel; k += x_channel) {",
           f"{FAULTS} -k channels_may {hostile('Conv', 'conv')}", "convolution"),
    Mutant("the right border is not cleared", "pyx/conv/pack.inc.h",
           "        OF(zero)(b + p->high, p->n - p->high);\n", "",
           f"{CONV}", "convolution"),
    Mutant("products are added up beyond their end", "pyx/conv/place.inc.h",
           "k < high && k < here; k++)", "k < here; k++)", CONV, "convolution"),
    Mutant("the left border is rounded down", "pyx/conv/layer.pxd",
           "(-start + step - 1) // step, length)", "-start // step, length)", CONV, "convolution"),
    Mutant("rows are joined across a gap", "pyx/conv/layer.pxd",
           "                and runs[r - 1].qx + runs[r - 1].length == plan.wo\n", "", CONV, "convolution"),
    Mutant("rows below the input are not cleared", "pyx/conv/pack.pxd",
           "(rows - row_high) * width)", "0)",
           CONV, "convolution"),
    Mutant("a layer's latest call is known by its shape", "pyx/machine.pyx",
           "                    or cnp.PyArray_STRIDE(array, axis) != self.strides[axis]):",
           "                    or False):", CONV),
    Mutant("a layer's latest call takes misaligned arrays", "pyx/machine.pyx",
           "not cnp.PyArray_ISBEHAVED_RO(array)", "False", f"{CONV} {hostile('Conv')}"),
    Mutant("a layer's latest call takes any output_size", "pyx/machine.pyx",
           "type(output_size) is not int or output_size != self.output_size",
           "type(output_size) is not int", CONV),
    Mutant("depthwise: the right border is rounded down", "pyx/depthwise.pyx",
           "c0 = max(min(block * vector, count - vector), 0)", "c0 = block * vector",
           f"{DEPTHWISE} {hostile('Conv', 'conv')} {GUARD}"),
    Mutant("depthwise: a depth that was not transposed is taken for seen",
           "pyx/conv/depthwise_lanes.pxd",
           "        seen = depths\n", "        seen = depths + 1\n", DEPTHWISE),
    Mutant("depthwise: the depths of a window lie one after the other",
           "pyx/conv/depthwise_rows.pxd",
           "apart = layer.z.offset[taps.low + 1] - layer.z.offset[taps.low]", "apart = 1", DEPTHWISE),
    # --- the sizes
    Mutant("a convolution's floor is a ceiling", "upshape/shapes/layers.py",
           "return (i + self._both - self.effective_kernel) // self.stride + 1",
           "return -(-(i + self._both - self.effective_kernel) // self.stride) + 1", LAYERS),
    Mutant("the remainder is that of another size", "upshape/shapes/layers.py",
           "return self._beyond(self._checked(i))", "return self._beyond(self._checked(i) + 1)", LAYERS),
    Mutant("output_padding is not added", "upshape/shapes/layers.py",
           "- self._both + self.effective_kernel + self.output_padding",
           "- self._both + self.effective_kernel", LAYERS),
    Mutant("output_padding ends at the stride", "upshape/shapes/layers.py",
           "if a >= max(s, d):", "if a >= s:", LAYERS),
    Mutant("choices of size 0 are offered", "upshape/shapes/layers.py",
           "max(start, 1 - smallest)", "max(start, -smallest)", LAYERS),
    Mutant("taps are not shifted by the padding", "upshape/shapes/layers.py",
           "taps[(t * d - p) % s]", "taps[(t * d) % s]", LAYERS),
    Mutant("a last window may start outside", "upshape/shapes/layers.py",
           "        if not self._drops:\n", "        if True:\n", LAYERS),
    Mutant("a float factor is made exact", "upshape/shapes/layers.py",
           "if isinstance(self.scale_factor, float) and isinstance(i, int):", "if False:",
           f"{LAYERS} {API} {NEAREST}"),
    Mutant("quasi-linear: f // n keeps f's period", "upshape/shapes/_quasilinear.py",
           "times = abs(divisor) // math.gcd(f.rise, divisor)", "times = 1", SOLVE),
    Mutant("quasi-linear: the other half's slope", "upshape/shapes/_quasilinear.py",
           "h = h.times(-1).plus(-1)", "h = h.times(-1)", SOLVE),
]  # fmt: skip

# Bugs that are none: why no test can see them.
EQUIVALENT = {
    "pixels may overlap in memory":
        "an input is only read, and overlapping pixels are read as well; an out of that kind is "
        "refused before",
    "a layer that knows a call takes a misaligned out":
        "on x86 the kernels' loads and stores take any address; the check is for other machines",
    "misaligned weights are packed as they are":
        "on x86 packing takes any address; the check is for other machines",
    "the steps of single pixels are taken":
        "they are multiplied by 0: they decide which order of work is chosen, not what it computes",
    "a kernel takes rows of any spacing":
        "the front asks the same before it; the kernel's own question is a second lock",
    "a known call is known by out's shape alone":
        "a kernel looks at the strides itself and refuses those that it was not planned for, and the "
        "call goes the way of a first one",
    "NumPy's bools are ints":
        "operator.index refuses them as well",
    "channels-last rows may run backwards":
        "the kernels walk such rows as well, pixel by pixel; the condition only has them copied",
    "distances are not clipped":
        "beyond the last centre both neighbours are the last pixel, and a + t (a - a) is a for any t",
}


def each_run(tests: str) -> list[str]:
    """Split tests into runs of pytest: a file, and what is selected of it."""
    return re.findall(r"tests/\S+(?: -k (?:'[^']*'|\S+))?", tests)


class Workshop:
    """A scratch copy of the tree, in which one bug after the other is built and tested."""

    def __init__(self, folder: Path, level: str) -> None:
        self.folder, self.level = folder, level
        self.tree = folder / "tree"
        self.left_out: list[str] = []  # options of pytest
        self.said = ""  # by the latest test that failed
        names = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        for name in filter(None, names):
            if (ROOT / name).exists():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name)
        for built in [*ROOT.glob("upshape/_machine*.so"),
                      *ROOT.glob(f"upshape/{PACKAGES[level]}/*.so")]:
            shutil.copy2(built, self.tree / built.relative_to(ROOT))

    def test(self, tests: str, seconds: float = 300) -> tuple[bool, str]:
        """Run tests until one fails; return whether all passed, and which one did not."""
        environment = {
            **os.environ, "PYTHONPATH": str(self.tree), "UPSHAPE_CPU": self.level,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for run in each_run(tests):
            command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
                       *shlex.split(run), *self.left_out]  # fmt: skip
            try:
                result = subprocess.run(
                    command, cwd=self.tree, env=environment, capture_output=True, text=True,
                    timeout=seconds, check=False,
                )
            except subprocess.TimeoutExpired:
                return False, f"{run.split()[0]} (no end)"
            if result.returncode == 5:
                raise RuntimeError(f"no test is selected by: {run}")
            if result.returncode:
                failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", result.stdout, re.MULTILINE)
                self.said = result.stdout[-600:]
                told = failed[1] if failed else f"{run.split()[0]} (exit {result.returncode})"
                return False, told
        return True, ""

    def build(self, module: str) -> str | None:
        """Build one module from the tree; return what was said if it cannot be."""
        common, levels = re.fullmatch(r"(.*?) \((.*)\)", _machine.build()["flags"]).groups()
        own = dict(level.split(": ") for level in levels.split("; "))[self.level]
        package, name = ("upshape", "_machine") if module == "machine" else (
            f"upshape/{PACKAGES[self.level]}", module
        )
        directives = ("boundscheck=False", "wraparound=False", "initializedcheck=False",
                      "cdivision=True", "binding=True")  # fmt: skip
        source, = Path(self.tree, "pyx").rglob(f"{module}.pyx")
        c = self.folder / f"{module}.c"
        so = self.tree / package / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        for command in (
            [sys.executable, "-m", "cython", "-3", *FOLDERS, "-I.", "--module-name",
             f"{package.replace('/', '.')}.{name}", "-o", str(c), str(source),
             *[word for directive in directives for word in ("-X", directive)]],
            # As setup.py says, but for the last word: it takes a third of the time.
            [*shlex.split(os.environ.get("CC", "gcc")), "-shared", "-fPIC", "-w",
             *shlex.split(common), *([] if module == "machine" else shlex.split(own)),
             "-DNPY_NO_DEPRECATED_API=NPY_2_0_API_VERSION", *FOLDERS, f"-I{np.get_include()}",
             f"-I{sysconfig.get_paths()['include']}", str(c), "-o", str(so) + ".new", "-O1"],
        ):
            result = subprocess.run(
                command, cwd=self.tree, capture_output=True, text=True, check=False
            )
            if result.returncode:
                return (result.stderr or result.stdout)[-2000:]
        os.replace(str(so) + ".new", so)
        return None

    def try_out(self, mutant: Mutant) -> tuple[bool, str]:
        """Return whether the bug was seen, and by which test."""
        path = self.tree / mutant.file
        text = path.read_text()
        path.write_text(text.replace(mutant.old, mutant.new))
        module = mutant.module
        pattern = None if module is None else (
            f"upshape/_{module}*.so" if module == "machine"
            else f"upshape/{PACKAGES[self.level]}/{module}*.so"
        )
        kept = {} if pattern is None else {so: so.read_bytes() for so in self.tree.glob(pattern)}
        try:
            if module is not None:
                said = self.build(module)
                if said is not None:
                    raise RuntimeError(f"{mutant.name}: cannot be built:\n{said}")
            passed, told = self.test(mutant.tests)
            return not passed, told
        finally:
            path.write_text(text)
            for so, content in kept.items():
                so.unlink()  # the old file may still be mapped
                so.write_bytes(content)
                so.chmod(0o755)


def check_lines() -> None:
    """Check that every bug's line is there, and there once."""
    for mutant in MUTANTS:
        count = (ROOT / mutant.file).read_text().count(mutant.old)
        if count != 1:
            raise ValueError(f"{mutant.name}: {mutant.file} has {count} times: {mutant.old}")


def table(results: list[tuple[Mutant, bool, str]], level: str) -> str:
    """Return the results as a page's table."""
    killed = sum(seen for _, seen, _ in results)
    lines = [
        f"{killed} of {len(results)} bugs are seen ({level}; ``python -m tests.mutants``).",
        "", ".. list-table::", "   :header-rows: 1", "   :widths: 24 46 30", "",
        "   * - file", "     - bug", "     - seen by",
    ]  # fmt: skip
    for mutant, seen, told in results:
        reason = f"``{told.partition('[')[0]}``" if seen else f"nothing: {EQUIVALENT.get(mutant.name, 'a test is missing')}"
        lines += [f"   * - ``{mutant.file}``", f"     - {mutant.name}", f"     - {reason}"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Try the bugs that were asked for; return how many survive without a reason."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="bugs whose file or name has this in it")
    parser.add_argument("--level", default=runtime.LEVEL, choices=list(PACKAGES))
    parser.add_argument("--trust", action="store_true", help="do not run the tests without a bug")
    parser.add_argument("--table", type=Path, help="write the table here (all: docs/mutants.inc)")
    chosen = parser.parse_args()
    check_lines()
    mutants = [m for m in MUTANTS if chosen.only in m.file or chosen.only in m.name]
    page = chosen.table or (ROOT / "docs/mutants.inc" if not chosen.only else None)
    results: list[tuple[Mutant, bool, str]] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        shop = Workshop(Path(folder), chosen.level)
        unharmed = {run for mutant in mutants for run in each_run(mutant.tests)}
        for tests in () if chosen.trust else sorted(unharmed):
            while not (answer := shop.test(tests))[0]:
                print(f"left out, for it fails without any bug: {answer[1]}", flush=True)
                if f"--deselect={answer[1]}" in shop.left_out or "::" not in answer[1]:
                    raise SystemExit("that is no single test: mend it first")
                print(shop.said, flush=True)
                shop.left_out.append(f"--deselect={answer[1]}")
        for mutant in mutants:
            begin = time.monotonic()
            seen, told = shop.try_out(mutant)
            results.append((mutant, seen, told))
            mark = "seen     " if seen else "equal    " if mutant.name in EQUIVALENT else "SURVIVES "
            print(f"{mark} {mutant.file}: {mutant.name}  [{time.monotonic() - begin:.0f} s] {told}",
                  flush=True)
            if page is not None:
                page.write_text(table(results, chosen.level))
    unseen = [m for m, seen, _ in results if not seen and m.name not in EQUIVALENT]
    print(f"{len(results) - len(unseen)} of {len(results)} seen or equal")
    return len(unseen)


if __name__ == "__main__":
    sys.exit(main())
