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


def test_several_axes_are_answered_one_by_one(answer, record):
    out = answer("conv 12x15 -k 3x5 -s 2")
    assert out.index("Axis 0") < out.index("kernel_size 3") < out.index("Axis 1")
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


def test_find_takes_scales_bounds_and_limits(answer, record):
    assert "scale every size by 2" in answer("find deconv --scale 2")
    assert "take every multiple 2 n to n" in answer("find conv --scale 1/2")
    assert "leave every size as it is" in answer("find conv --same")
    assert [one["kernel_size"] for one in record("find conv --scale 0.5 -k 2,4")] == [2, 4]
    assert [one["kernel_size"] for one in record("find conv --same -k 3-5")] == [3, 5]
    assert all(one["ceil_mode"] for one in record("find pool --scale 1/2 --ceil-mode"))
    assert "There are no convolutions that scale every size by 2" in answer("find conv --scale 2")
    assert record("find conv --scale 2") == []
    short = answer("find deconv --scale 2 --limit 3")
    assert short.endswith("... and more (--limit 0 shows all)\n")
    assert len(short.splitlines()) == 3 + 3 + 1
    assert len(record("find deconv --scale 2 --limit 3")) == 3
    assert "more" not in answer("find conv --from 30 --to 28 -d 1-20 --limit 0 -k 1-40 -p 0-400")


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
    status, out, err = run(["solve", f"{networks}:unet", "--size", "75"])
    assert status == 0
    assert "74" in out
    status, out, err = run(["solve", f"{networks}:unet", "--json", "--size", "75"])
    told = json.loads(out)
    assert (told["modulus"], told["residues"], told["minimum"]) == (2, [0], 2)
    assert told["size"]["taken"] is False
    assert (told["size"]["previous"], told["size"]["next"]) == (74, 76)
    assert told["size"]["padding"] == 1


def test_solve_tells_what_is_wrong_with_a_users_file(run, networks, tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("x = 1\ny = x / 0\n", encoding="utf-8")
    crooked = tmp_path / "crooked.py"
    crooked.write_text("def f(:\n", encoding="utf-8")
    for place, message in [
        ("my_networks.py", "write FILE:NAME"),
        (f"{tmp_path / 'none.py'}:unet", "there is no file"),
        (f"{networks}:vnet", "defines no 'vnet'; it has"),
        (f"{networks}:broken", "my_networks.py:10: NameError: name 'nothing' is not defined"),
        (f"{bad}:y", "bad.py:2: ZeroDivisionError: division by zero"),
        (f"{crooked}:f", "crooked.py:1: SyntaxError"),
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
        ("", "the following arguments are required: COMMAND"),
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
        "derive",
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
