"""The command line, as a user and as a script see it."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import upshape
from upshape import shapes
from upshape.cli import main

ROOT = Path(__file__).parent.parent


@pytest.fixture
def run(capsys):
    """Run a command line; return its status, its output and its errors."""

    def run(line):
        try:
            status = main(line.split() if isinstance(line, str) else line)
        except SystemExit as leaving:
            status = leaving.code
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def answer(run):
    """Run a command line that answers; return the answer."""

    def answer(line):
        status, out, err = run(line)
        assert (status, err) == (0, "")
        return out

    return answer


@pytest.fixture
def record(answer):
    """Run a command line with --json; return what it says."""
    return lambda line: json.loads(answer([*line.split(), "--json"]))


def test_conv_prints_the_output_size_the_remainder_and_its_companions(answer):
    assert answer("conv 12 -k 3 -s 2 -p 1") == (
        "Convolution: kernel_size 3, stride 2, padding 1, dilation 1\n"
        "\n"
        "  input size    i = 12\n"
        "  output size   o = 6\n"
        "  remainder     a = 1   (1 position beyond the last window)\n"
        "\n"
        "Input sizes that give 6:\n"
        "\n"
        "   i   a\n"
        "  11   0\n"
        "  12   1\n"
        "\n"
        "Back from 6 to 12: the transposed convolution with these parameters and\n"
        "output_padding 1, or with output_size=12.\n"
    )


def test_conv_as_json(record):
    assert record("conv 12 -k 3 -s 2 -p 1") == {
        "layer": "conv",
        "kernel_size": 3,
        "stride": 2,
        "padding": 1,
        "dilation": 1,
        "input_size": 12,
        "output_size": 6,
        "remainder": 1,
        "input_sizes": [{"input_size": 11, "remainder": 0}, {"input_size": 12, "remainder": 1}],
    }


def test_deconv_prints_the_table_of_paddings_and_sizes(answer):
    out = answer("deconv 6 -k 3 -s 2 -p 1")
    assert "  output size      o = 11\n" in out
    assert "  a    o\n  0   11\n  1   12\n" in out
    assert "1, 2, which tends to show a checkerboard" in out
    assert "2 each, even" in answer("deconv 6 -k 4 -s 2 -p 1")


def test_deconv_finds_the_padding_of_an_output_size(answer, record):
    assert "output_padding   a = 1\n" in answer("deconv 6 -k 3 -s 2 -p 1 --output-size 12")
    told = record("deconv 6 -k 3 -s 2 -p 1 --output-size 12")
    assert (told["output_size"], told["output_padding"]) == (12, 1)
    assert told["choices"] == [
        {"output_padding": 0, "output_size": 11},
        {"output_padding": 1, "output_size": 12},
    ]
    assert told["taps_per_phase"] == [1, 2]
    assert told["is_even"] is False
    assert record("deconv 6 -k 3 -s 2 -p 1 -a 1")["output_size"] == 12


def test_deconv_tells_the_wider_choices_apart(answer, record):
    out = answer("deconv 6 -k 2 -s 2 -d 3")
    assert "  0   14\n  1   15\n" in out
    assert "By output_padding= only" in out
    assert "  2   16\n" in out
    told = record("deconv 6 -k 2 -s 2 -d 3")
    assert told["wider_choices"] == [{"output_padding": 2, "output_size": 16}]


def test_several_axes_stand_side_by_side(answer, record):
    out = answer("conv 12x15 -k 3x5 -s 2")
    assert out.startswith("Convolution: kernel_size 3x5, stride 2, padding 0, dilation 1\n")
    assert "                     H    W\n  input size    i = 12   15\n" in out
    assert "  output size   o =  5    6\n" in out
    assert "       H          W\n   i   a      i   a\n  11   0     15   0\n" in out
    assert "Back from 5x6 to 12x15" in out
    told = record("conv 12x15 -k 3x5 -s 2")["axes"]
    assert [axis["output_size"] for axis in told] == [5, 6]
    assert [axis["kernel_size"] for axis in told] == [3, 5]
    told = record("deconv 6 -k 3 -s 2 -p 1 --output-size 11x12")["axes"]
    assert [axis["output_padding"] for axis in told] == [0, 1]


def test_find_lists_the_layers(answer, record):
    out = answer("find deconv --from 6 --to 12 -s 2")
    rows = [line.split() for line in out.splitlines()[3:]]
    assert rows[0] == ["2", "2", "0", "0", "1", "1"]
    assert rows[1] == ["4", "2", "1", "0", "1", "2"]
    found = shapes.find(shapes.ConvTranspose, input_size=6, output_size=12, stride=2)
    assert len(rows) == len(found)
    told = record("find deconv --from 6 --to 12 -s 2")
    assert [layer["kernel_size"] for layer in told] == [layer.kernel_size for layer in found]


def test_nothing_found_is_status_1(run):
    status, out, err = run("find conv --scale 2")
    assert (status, err) == (1, "")
    assert "There are no convolutions that scale every size by 2" in out
    assert run("find conv --scale 2 --json") == (1, "[]\n", "")


def test_find_takes_scales_bounds_and_limits(answer, record):
    assert "scale every size by 2" in answer("find deconv --scale 2")
    assert "take every multiple 2 n to n" in answer("find conv --scale 1/2")
    assert "leave every size as it is" in answer("find conv --same")
    assert [one["kernel_size"] for one in record("find conv --scale 0.5 -k 2,4")] == [2, 4]
    assert [one["kernel_size"] for one in record("find conv --same -k 3-5")] == [3, 5]
    assert all(one["ceil_mode"] for one in record("find pool --scale 1/2 --ceil-mode"))
    short = answer("find deconv --scale 2 --limit 3")
    assert short.endswith("... and more (--limit 0 shows all)\n")
    assert len(short.splitlines()) == 3 + 3 + 1
    assert len(record("find deconv --scale 2 --limit 3")) == 3
    assert "more" not in answer("find conv --from 30 --to 28 -d 1-20 --limit 0 -k 1-40 -p 0-400")


def test_same_is_that_of_tensorflow(answer, record):
    # Keras goes 39 -> 20 -> 40 and surprises people: both sizes give 20.
    told = record("conv 39 -k 3 -s 2 -p same")
    assert (told["output_size"], told["sides"], told["padding"]) == (20, [1, 1], "same_upper")
    assert [origin["input_size"] for origin in told["input_sizes"]] == [39, 40]
    assert record("conv 40 -k 3 -s 2 -p same")["sides"] == [0, 1]
    assert record("conv 40 -k 3 -s 2 -p same_lower")["sides"] == [1, 0]
    told = record("deconv 20 -k 3 -s 2 -p same")
    assert [choice["output_size"] for choice in told["choices"]] == [39, 40]
    assert told["output_size"] == 40
    assert record("deconv 20 -k 3 -s 2 -p same --output-size 39")["sides"] == [1, 1]
    assert "padding       p = 1:1\n" in answer("conv 39 -k 3 -s 2 -p same")
    assert "with output_size=39" in " ".join(answer("conv 39 -k 3 -s 2 -p same").split())
    assert record("conv 12 -k 3 -p VALID") == record("conv 12 -k 3 -p 0")
    found = record("find conv --from 39 --to 20 -k 3 -p same,0:1,1")
    assert {str(layer["padding"]) for layer in found} == {"same_upper", "1"}


def test_sides_of_their_own(record):
    told = record("conv 12x9 -k 4 -p 1:2x0")["axes"]
    assert [axis["output_size"] for axis in told] == [12, 6]
    assert [axis["padding"] for axis in told] == [[1, 2], 0]
    assert "sides" not in told[1]


def test_pool_tells_sizes_and_what_else_gives_them(answer, record):
    assert answer("pool 13 -k 2 --ceil-mode") == (
        "Pooling: kernel_size 2, stride 2, padding 0, dilation 1, ceil_mode True\n"
        "\n"
        "  input size    i = 13\n"
        "  output size   o = 7\n"
        "\n"
        "Input sizes that give 7: 13, 14.\n"
    )
    assert record("pool 13 -k 2")["output_size"] == 6
    assert record("pool 13 -k 3 -s 1")["output_size"] == 11
    assert record("pool 13 -k 2 -p same")["output_size"] == 7
    axes = record("pool 13x10 -k 2")["axes"]
    assert [axis["input_sizes"] for axis in axes] == [[12, 13], [10, 11]]


def test_interpolate_tells_what_a_float_loses_and_where_pixels_lie(answer, record):
    assert record("interpolate 7 --scale 2.5")["output_size"] == 17
    told = record("interpolate 88 --scale 120/88")
    assert (told["output_size"], told["exact_output_size"]) == (119, 120)
    assert "ask for size=120" in " ".join(answer("interpolate 88 --scale 120/88").split())
    assert "float" not in answer("interpolate 88 --scale 5/4")
    assert record("interpolate 7 --scale 0.5 --rounding round")["output_size"] == 4
    axes = record("interpolate 7x8 --scale 2x0.5")["axes"]
    assert [axis["output_size"] for axis in axes] == [14, 4]
    rows = record("interpolate 2 --to 4")["positions"]
    assert [row["half_pixel"] for row in rows] == [0, 0.25, 0.75, 1]
    assert [row["nearest"] for row in rows] == [0, 0, 1, 1]
    corners = [row["corners"] for row in rows]
    assert corners == pytest.approx([0, 1 / 3, 2 / 3, 1])
    # With a factor that does not divide, PyTorch's positions follow the factor.
    rows = record("interpolate 3 --scale 2.5")["positions"]
    assert [row["half_pixel"] for row in rows] == pytest.approx([0, 0.1, 0.5, 0.9, 1.3, 1.7, 2])
    table = answer("interpolate 3 --to 5 --positions")
    assert "  o   half-pixel   corners   nearest   exact\n" in table
    assert "  1        0.400     0.500         0       0\n" in table


def test_deconv_tells_what_output_padding_adds_and_when_it_scales(answer):
    def told(line):
        return " ".join(answer(line).split())

    assert "computed like all others: no zeros" in told("deconv 6 -k 3 -s 2 -p 1 -a 1")
    assert "adds 1 position at the end that no tap reaches" in told("deconv 6 -k 2 -s 2 -a 1")
    assert "adds 2 positions at the end; no tap reaches 1" in told("deconv 6 -k 4 -s 3 -p 1 -a 2")
    assert "adds" not in told("deconv 6 -k 3 -s 2 -p 1")
    assert "With output_padding 1 it multiplies every size by 2" in told("deconv 6 -k 3 -s 2 -p 1")
    assert "It multiplies every size by 2" in told("deconv 6 -k 4 -s 2 -p 1")
    assert "No output_padding makes it multiply every size by 2" in told("deconv 6 -k 5 -s 2")


def test_upshape_alone_prints_help(run):
    status, out, err = run("")
    assert (status, err) == (0, "")
    for name in ("conv", "deconv", "pool", "interpolate", "find", "derive", "solve", "demo"):
        assert f"\n    {name}" in out


def test_derive_prints_the_derivation(answer, record):
    assert answer("derive") == shapes.derive().text() + "\n"
    assert answer("derive --latex") == shapes.derive().latex() + "\n"
    steps = record("derive")
    assert len(steps) == len(shapes.derive())
    assert steps[5]["equation"] == "o = s*(i - 1) - 2*p + d*(k - 1) + 1 + a"
    assert set(steps[0]) == {"equation", "latex", "sentence"}


def test_derive_prints_to_a_terminal_without_unicode(monkeypatch):
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    assert main(["derive"]) == 0
    screen.flush()
    assert b"floor|" in screen.buffer.getvalue()


NETWORKS = """
from dataclasses import dataclass
from helpers_beside import pool
from upshape.shapes import ConvTranspose, same

def unet(x):
    return same(ConvTranspose(2, stride=2)(pool(x)), x)

def broken(x):
    return x + nothing

def mending(x):
    return same(pool(x) * 2, x)

def build():
    return unet

def surprising(x):
    raise RuntimeError("of some library")

class Net:
    def __call__(self, x):
        return unet(x)

class Deep(Net):
    def __init__(self, depth):
        self.depth = depth

def hopeless(x):
    return same(x, x + 1)

@dataclass
class Settings:
    depth: int = 2

assert __name__ != "__main__"
"""


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """Write a user's files; return to the path of one of them."""
    (tmp_path / "my_networks.py").write_text(NETWORKS, encoding="utf-8")
    (tmp_path / "helpers_beside.py").write_text(
        "from upshape.shapes import Pool\npool = Pool(2)\n", encoding="utf-8"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path / "my_networks.py"
    for name in ("helpers_beside", "__upshape_network__"):
        sys.modules.pop(name, None)


def test_solve_runs_the_users_file_and_says_so(run, networks):
    status, out, err = run(["solve", f"{networks}:unet"])
    assert status == 0
    assert err == f"upshape solve: running {networks}\n"
    assert "{2 n : n >= 1}" in out
    assert run(["solve", f"{networks}:unet", "--size", "76"])[0] == 0
    status, out, err = run(["solve", f"{networks}:unet", "--size", "75"])
    assert status == 1
    assert "74" in out
    status, out, err = run(["solve", f"{networks}:unet", "--json", "--size", "75"])
    told = json.loads(out)
    assert (told["modulus"], told["residues"], told["minimum"]) == (2, [0], 2)
    assert told["size"]["taken"] is False
    assert (told["size"]["previous"], told["size"]["next"]) == (74, 76)
    assert told["size"]["padding"] == 1


def test_solve_makes_what_a_class_or_a_builder_makes(run, networks):
    _, wanted, _ = run(["solve", f"{networks}:unet", "--json"])
    for name, kind in (("build", "function"), ("Net", "class")):
        status, out, err = run(["solve", f"{networks}:{name}", "--json"])
        assert (status, out) == (0, wanted)
        assert f"{name} is a {kind}; solving what {name}() makes\n" in err


def test_solve_asks_for_axes_repairs_and_ranges(run, networks):
    status, out, _ = run(["solve", f"{networks}:unet", "--range", "5-10"])
    assert (status, out) == (0, "6, 8, 10\n")
    status, out, _ = run(["solve", f"{networks}:unet", "--range", "7-7"])
    assert (status, out) == (1, "None of these sizes is taken.\n")
    status, out, _ = run(["solve", f"{networks}:unet", "--fix", "output_padding"])
    assert status == 0
    assert "output_size=i" in out
    assert "As PyTorch code:\n\n  x = upsample(x, output_size=list(image.shape[2:]))" in out
    status, out, _ = run(["solve", f"{networks}:unet", "--fix", "output_padding", "--json"])
    assert json.loads(out)["repair"]["code"][0].startswith("x = upsample(x, output_size=")
    assert json.loads(out)["repair"]["complete"] is True
    status, out, _ = run(["solve", f"{networks}:unet", "--axis", "1", "--json"])
    assert json.loads(out)["modulus"] == 2
    assert run(["solve", f"{networks}:hopeless"])[0] == 1


def test_onnx_files_need_onnx(run, tmp_path, monkeypatch):
    file = tmp_path / "model.onnx"
    assert run(["solve", str(file)])[::2] == (
        2,
        f"upshape solve: error: there is no file {file}\n",
    )
    file.write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnx", None)
    status, out, err = run(["solve", str(file)])
    assert (status, out) == (2, "")
    assert 'pip install "upshape[onnx]"' in err
    assert len(err.splitlines()) == 1


def test_solve_takes_sizes_of_several_axes(run, networks):
    status, out, _ = run(["solve", f"{networks}:unet", "--size", "1080x1921"])
    assert status == 1
    assert "                   H      W\n  size          1080   1921\n" in out
    assert "  taken next    1080   1922\n" in out
    assert "  to be added      0      1\n" in out
    assert "unet does not take 1080x1921." in out
    assert "Axis 1: unet does not take 1921." in out
    assert "Axis 0" not in out
    assert run(["solve", f"{networks}:unet", "--size", "1080x1920"])[0] == 0
    status, out, _ = run(["solve", f"{networks}:unet", "--size", "1080x1921", "--json"])
    told = json.loads(out)["size"]
    assert (told["taken"], told["next"], told["padding"]) == (False, [1080, 1922], [0, 1])
    status, _, err = run(["solve", f"{networks}:unet", "--size", "8x8", "--axis", "0"])
    assert status == 2
    assert "leave one out" in err


def test_solve_tells_what_is_wrong_with_a_users_file(run, networks, tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("x = 1\ny = x / 0\n", encoding="utf-8")
    crooked = tmp_path / "crooked.py"
    crooked.write_text("def f(:\n", encoding="utf-8")
    leaving = tmp_path / "leaving.py"
    leaving.write_text("import sys\nsys.exit(7)\n", encoding="utf-8")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no model")
    for place, message in [
        ("my_networks.py", "write FILE:NAME"),
        (f"{tmp_path / 'none.py'}:unet", "there is no file"),
        (f"{networks}:vnet", "defines no 'vnet'; it has"),
        (f"{networks}:broken", "my_networks.py:10: NameError: name 'nothing' is not defined"),
        (f"{networks}:surprising", "RuntimeError: of some library"),
        (f"{networks}:Deep", "Deep is a class that wants depth; write a function that makes one"),
        (f"{bad}:y", "bad.py:2: ZeroDivisionError: division by zero"),
        (f"{crooked}:f", "crooked.py:1: SyntaxError"),
        (f"{leaving}:f", "leaving.py:2: SystemExit: 7"),
        (f"{damaged}", "onnx"),  # that the file is damaged, or that the package is missing
    ]:
        status, out, err = run(["solve", place])
        assert (status, out) == (2, "")
        assert err.splitlines()[-1].startswith("upshape solve: error: ")
        assert message in err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("conv 12", "the following arguments are required: -k/--kernel-size"),
        ("conv 0 -k 3", "input size must be at least 1, got 0"),
        ("conv -4 -k 3", "input size must be at least 1, got -4"),
        ("conv 12 -k 0", "kernel_size must be at least 1, got 0"),
        ("conv 12 -k 3 -s 0", "stride must be at least 1, got 0"),
        ("conv 12 -k 3 -p -1", "padding must be at least 0, got -1"),
        ("conv 2 -k 3", "the kernel does not fit into input size 2"),
        ("conv 12x2 -k 3", "axis 1: "),
        ("conv 12x2x3 -k 3x3", "the same number of axes"),
        ("conv 12.5 -k 3", "'12.5' is no integer"),
        ("conv 1e3 -k 3", "'1e3' is no integer"),
        ("conv 2**3 -k 3", "'2**3' is no integer"),
        ("conv 1_0 -k 3", "'1_0' is no integer"),
        ("conv ١٢ -k 3", "is no integer"),
        ("conv __import__('os') -k 3", "is no integer"),
        (f"conv {'9' * 5000} -k 3", "is beyond any size"),
        (f"conv {10**19} -k 3", "input size must be at most 2**63 - 1"),
        ("deconv 6 -k 3 -s 2 -p 1 --output-size 15", "it can be 11 or 12, the nearest is 12"),
        ("deconv 6 -k 3 -s 2 -a 2", "output_padding must be smaller than stride or dilation"),
        ("find deconv", "give --from and --to, or --scale, or --same"),
        ("find deconv --from 6", "give --from and --to, or --scale, or --same"),
        ("find deconv --from 6 --to 12 --scale 2", "give --from and --to, or --scale, or"),
        ("find deconv --scale 1/0", "1/0 divides by zero"),
        ("find deconv --scale two", "'two' is no factor; write 2 or 1/2"),
        ("find deconv --scale 2 -k 5-3", "5-3 is an empty range; write 3-5"),
        ("find deconv --scale 2 -k 0-3", "kernel_size must be at least 1, got 0"),
        ("find conv --same -a 1", "a Conv has no output_padding"),
        ("find upsample --same", "invalid choice: 'upsample'"),
        ("solve x", "write FILE:NAME"),
        ("nothing", "invalid choice: 'nothing'"),
        ("conv 12 -k 3 -p same -s x", "'x' lacks a number"),
        (f"interpolate {2**40} --to {2**41} --positions", "--positions lists 10000 pixels at most"),
        ("conv 12 -k 3 -p 1:", "'1:' lacks a number"),
        ("conv 12 -k 3 -p wide", "'wide' is no integer"),
        ("pool 12 -k 3 -p 2", "padding can be at most half of kernel_size"),
        ("deconv 6 -k 3 -s 2 -p same -a 1", "output_padding must be 0, got 1"),
        ("interpolate 12", "give --scale or --to"),
        ("interpolate 12 --scale 2 --to 24", "give --scale or --to, not both"),
        ("interpolate 1 --scale 1/2", "is too small"),
        ("solve x.py:y --range 5", "'5' is no range; write 500-600"),
        ("solve x.py:y --range 9-5", "9-5 is an empty range; write 5-9"),
        ("solve x.py:y --fix padding", "invalid choice: 'padding'"),
        ("demo -o no/such/folder/picture.png", "there is no folder"),
        ("demo no-such-picture.png", "there is no file no-such-picture.png"),
    ],
)
def test_bad_input_is_one_line_and_status_2(run, line, message):
    status, out, err = run(line)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert "error: " in err


@pytest.mark.parametrize(
    "line",
    [
        "conv 12 -k 3 -s 2 -p 1",
        f"conv {2**62} -k 3 -s 7 -p 1",
        "conv 12x13 -k 3x5 -s 100 -p 1x2",
        "deconv 6 -k 64 -s 32 -p 16",
        "deconv 6 -k 2 -s 2 -d 30",
        f"deconv {2**60} -k 3 -s 2",
        "find deconv --from 6 --to 12",
        f"find deconv --from {2**40} --to {2**41} -d 1-3",
        "find pool --scale 1/2 --ceil-mode",
        "pool 1000000x2000000x3000000 -k 3 -s 100 -p same",
        "conv 100000000x200000000x300000000x4 -k 3 -s 2",
        "interpolate 12x13 --scale 1.3 --positions",
        f"interpolate {2**40} --to {2**41}",
        "interpolate 88 --scale 120/88",
        "derive",
        "",
        "--help",
        "conv --help",
        "deconv --help",
        "find --help",
        "solve --help",
        "demo --help",
    ],
)
def test_output_fits_80_columns(run, line, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = run(line)
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert all(text == text.rstrip() for text in out.splitlines())


def test_version(answer):
    with pytest.raises(SystemExit) as leaving:
        main(["--version"])
    assert leaving.value.code == 0


def test_the_module_runs_as_a_program():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "upshape", "conv", "12", "-k", "3", "-s", "2", "-p", "1", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=environment,
    )
    assert json.loads(done.stdout)["output_size"] == 6
    done = subprocess.run(
        [sys.executable, "-m", "upshape", "--version"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=environment,
    )
    assert done.stdout == f"upshape {upshape.__version__}\n"


def test_a_reader_that_stops_reading_is_no_error():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "upshape", "conv", "3", "-k", "1", "-s", "100000", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) == 0
    assert errors == b""
