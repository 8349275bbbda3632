"""The checks of the debug build: a deliberately wrong index is caught, and others pay nothing.

The programs here are compiled from the headers that the kernels are compiled from: UPSHAPE_CHECK,
the fences round the parts of scratch, and real tiles that write into them. Where the kernels
themselves are of a debug build (`make test-debug`), they are handed tables that are wrong.
"""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from upshape import runtime

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
try:
    import preflight
finally:
    sys.path.remove(str(ROOT))

PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include "tile.h"
#include "depthwise.h"

enum { FLOATS = 37, MORE = 5 };

int main(int argc, char **argv)
{
    const long at = strtol(argv[2], NULL, 10);
    size_t bytes = upshape_part_bytes(FLOATS * sizeof(float))
                   + upshape_part_bytes(MORE * sizeof(float)) + upshape_part_bytes(0);
    char *space = aligned_alloc(UPSHAPE_PART_LINE, bytes + 1024), *here = space + 512;
    char *start = here;
    float *first = (float *)upshape_cut(&here, FLOATS * sizeof(float));
    float *second = (float *)upshape_cut(&here, MORE * sizeof(float));
    float from[64] = {0};
    upshape_cut(&here, 0);
    if (argc != 3 || here != start + bytes)
        return 3;
    for (int j = 0; j < FLOATS; j++)
        first[j] = 1;
    for (int j = 0; j < MORE; j++)
        second[j] = 2;
    switch (argv[1][0]) {
    case 'i': /* an index of the first part */
        first[at] = 3;
        break;
    case 's': /* an index of the second part */
        second[at] = 3;
        break;
    case 'm': /* a row of so many elements is moved */
        move_32(first, from, at);
        break;
    case 't': /* the weights and sums of a tile of two rows, so many elements apart */
        tile_pixels_32(2, 1, from, 0, (ptrdiff_t[]){0}, 1, 1, from, from, first, at);
        break;
    case 'c': /* an index that is checked */
        UPSHAPE_CHECK(0 <= at && at < FLOATS);
        break;
    }
    upshape_check_parts(start, here);
    puts("done");
    return 0;
}
"""


def build(folder, *flags):
    """Compile the program and return its path."""
    source, binary = folder / "program.c", folder / "-".join(["program", *flags]).replace("=", "-")
    source.write_text(PROGRAM)
    include = [f"-I{ROOT / 'pyx' / name}" for name in ("simd", "conv")]
    command = [*preflight.compiler(), "-O1", "-w", *include, *flags, str(source), "-o", str(binary)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return binary


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Return the program with checks and without."""
    if preflight.run(preflight.NOTHING)[0]:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("checks")
    return build(folder, "-DUPSHAPE_DEBUG"), build(folder)


def start(program, kind, at):
    return subprocess.run([program, kind, str(at)], capture_output=True, text=True)


RIGHT = [("i", 0), ("i", 36), ("s", 0), ("s", 4), ("m", 37), ("t", 16), ("c", 0), ("c", 36)]
WRONG = [
    ("i", 37, "behind a part of scratch"), ("i", -1, "before a part of scratch"),
    ("i", 48, "behind a part of scratch"), ("s", 5, "behind a part of scratch"),
    ("s", -3, "before a part of scratch"), ("m", 38, "behind a part of scratch"),
    ("t", 37, "behind a part of scratch"), ("i", -16, "size before a part of scratch"),
    ("c", 37, "0 <= at && at < FLOATS"), ("c", -1, "0 <= at && at < FLOATS"),
]


@pytest.mark.parametrize(("kind", "at"), RIGHT)
def test_right_indices_pass(programs, kind, at):
    for program in programs:
        done = start(program, kind, at)
        assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize(("kind", "at", "what"), WRONG)
def test_a_wrong_index_is_caught_with_file_line_and_condition(programs, kind, at, what):
    done = start(programs[0], kind, at)
    assert done.returncode == -signal.SIGABRT
    assert what in done.stderr
    place, line, said = done.stderr.split(":")[1:4]
    name = "program.c" if kind == "c" else "check.h"
    lines = (PROGRAM if kind == "c" else (ROOT / "pyx/simd/check.h").read_text()).splitlines()
    assert place.endswith(name)
    assert "UPSHAPE_CHECK" in lines[int(line) - 1]
    assert said == " check failed"


@pytest.mark.parametrize(("kind", "at", "what"), WRONG)
def test_without_the_debug_build_nothing_is_looked_at(programs, kind, at, what):
    assert start(programs[1], kind, at).stdout == "done\n"


def test_a_condition_is_not_computed_without_the_debug_build(tmp_path):
    text = tmp_path / "call.c"
    text.write_text('#include "check.h"\nint asked(int);\n'
                    "void look(int a) { UPSHAPE_CHECK(asked(a)); }\n")
    command = [*preflight.compiler(), "-S", "-O1", "-w", f"-I{ROOT / 'pyx' / 'simd'}", str(text)]
    for flags, there in ([], False), (["-DUPSHAPE_DEBUG"], True):
        assembly = tmp_path / "call.s"
        subprocess.run([*command, *flags, "-o", str(assembly)], check=True)
        assert ("asked" in assembly.read_text()) == there


# A layer whose tables are wrong in one place, computed in one order of work.
WRONG_TABLE = """
import sys
import numpy as np
import upshape as up
from upshape import lanes, orders

kind, order = sys.argv[1], orders.BY_NAME[sys.argv[2]]
arrange, axes_of = lanes.arrange, orders._axes

class Narrow(lanes.Lanes):
    span = 1, 1, 1

def arrange_wrongly(*args, **keywords):
    arranged = arrange(*args, **keywords)
    if kind == "slot":
        arranged.slot[-1] += 4000
    elif kind == "span":
        arranged.__class__ = Narrow
    elif kind == "weight":
        arranged.classes.kernel[-1] += 1000
    elif kind == "channel":
        arranged.panels[-1] = arranged.panels[-1]._replace(channel=1000)
        arranged.lane_channel[-1] = 1000
    return arranged

def axes_wrongly(*args):
    z, y, x = axes_of(*args)
    r, taps = y.phases[-1]
    if kind == "tap":  # between two that are in the input, where all between are
        taps = [taps[0], (4000, taps[1][1]), *taps[2:]]
    elif kind == "kernel":
        taps = [*taps[:-1], (taps[-1][0], 1000)]
    return z, y._replace(phases=[*y.phases[:-1], (r, taps)]), x

orders.lanes.arrange, orders._axes = arrange_wrongly, axes_wrongly
if order.kernel == "depthwise":
    layer = up.Conv2d(np.ones((16, 1, 4, 4), np.float32), padding=2, dilation=2, groups=16)
    shape, made = (1, 16, 20, 70), (1, 16, 18, 68)
else:
    layer = up.ConvTranspose2d(np.ones((9, 8, 4, 4), np.float32), stride=2, padding=1)
    shape, made = (1, 9, 5, 400), (1, 8, 10, 800)
x, out = np.ones(shape, np.float32), np.empty(made, np.float32)
if "channels" in order.name:
    x, out = [np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (x, out)]
layout = orders.layout(layer._parameters, order)
plan = order.module.Plan(layout, *orders.frames_of(x, out)[:4], 1)
assert plan.fits
plan.run(x, layout.pack(layer.weight, None), out)
print("done")
"""


# What a failed check prints is in a kernel that has checks.
CHECKED = b"check failed" in Path(runtime.kernel("convolution").__file__).read_bytes()
IN_PLACE, IN_TILES, IN_NEST = "place.pxd", "multiply.pxd", "convolution.pyx"
IN_ROWS, IN_LANES, IN_CHANNELS = [
    f"depthwise_{name}.pxd" for name in ("rows", "lanes", "channels")]


@pytest.mark.skipif(not CHECKED, reason="only a debug build looks at indices")
@pytest.mark.parametrize(("kind", "order", "where"), [
    *[("", order, None) for order in (
        "pixels", "channels", "phases", "transposed", "col2im", "depthwise",
        "depthwise transposed", "depthwise channels")],
    ("slot", "pixels", IN_PLACE), ("slot", "transposed", IN_PLACE), ("slot", "col2im", IN_PLACE),
    ("span", "pixels", IN_TILES), ("span", "phases", IN_TILES), ("span", "transposed", IN_TILES),
    ("span", "channels", IN_TILES),
    ("weight", "pixels", IN_NEST), ("weight", "channels", IN_NEST), ("weight", "col2im", IN_NEST),
    ("channel", "pixels", IN_NEST), ("channel", "phases", IN_NEST),
    ("kernel", "depthwise", IN_ROWS), ("kernel", "depthwise transposed", IN_LANES),
    ("kernel", "depthwise channels", IN_CHANNELS), ("tap", "depthwise channels", IN_CHANNELS),
])
def test_a_wrong_table_of_a_layer_is_caught(kind, order, where):
    done = subprocess.run([sys.executable, "-c", WRONG_TABLE, kind, order], capture_output=True,
                          text=True)
    if where is None:
        assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
        return
    assert done.returncode == -signal.SIGABRT, done.stderr
    assert re.match(rf"upshape: (.*/)?{re.escape(where)}:\d+: check failed: ", done.stderr)


WRONG_SCRATCH = """
import sys
import numpy as np
import upshape as up
from upshape import spreading

part, cut = sys.argv[1], spreading.cut

def cut_wrongly(*args, **keywords):
    made = cut(*args, **keywords)
    return made._replace(**{part: getattr(made, part) // 4} if part else {})

spreading.cut = cut_wrongly
up.interpolate(np.zeros((1, 1, 50, 7, 30), np.uint8), (90, 9, 700), mode="trilinear")
print("done")
"""


@pytest.mark.skipif(not CHECKED, reason="only a debug build has fences")
@pytest.mark.parametrize("part", ["", "room"])
def test_working_memory_of_linear_interpolation_has_fences(part):
    done = subprocess.run([sys.executable, "-c", WRONG_SCRATCH, part], capture_output=True,
                          text=True)
    if not part:
        assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
        return
    assert done.returncode == -signal.SIGABRT, done.stderr
    assert "behind a part of scratch" in done.stderr
