"""Allocations that fail, one at a time: every call must give its result, or raise and do nothing.

    python -m tests.inject                 every kind of call, every allocation
    python -m tests.inject --every 7       each seventh allocation only

A library that is preloaded (tests/faults.h, compiled here) lets the nth malloc, calloc, realloc,
aligned_alloc or mmap of a call fail: NumPy's arrays, the kernels' tables and working memory, blocks
for results, large objects of Python's (small ones it takes from memory that it has). After each:
the process lives; the result is right, or the call has raised and `out` is as it was; memory that
was mapped comes back. The exit status is the number of findings, at most 100.
"""

import argparse
import ctypes
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).parent
COMPILER = shutil.which(os.environ.get("CC", "cc"))
# More allocations than any call makes.
MOST = 100_000


class Kind(NamedTuple):
    """A call: `call()` returns its result, `call(out=...)` writes it there."""

    call: Callable[..., np.ndarray]
    out: Callable[[np.ndarray], np.ndarray] = np.empty_like


def kinds() -> dict[str, Kind]:
    """Return one call of each kind: function, mode, layout, order of work, size class."""
    import upshape as up

    rng = np.random.default_rng(3)

    def some(*shape: int) -> np.ndarray:
        return rng.random(shape, np.float32)

    def last(x: np.ndarray) -> np.ndarray:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)

    def swapped(x: np.ndarray) -> np.ndarray:
        return x.astype(x.dtype.newbyteorder())

    x, small = some(1, 8, 30, 33), some(2, 3, 7, 9)
    large = some(1, 16, 64, 64)  # its results are of recycled memory, or streamed
    bytes_ = rng.integers(0, 256, (1, 3, 40, 50), np.uint8)
    weight, bias = some(8, 6, 4, 4), some(6)
    kernel, alone = some(5, 8, 3, 3), some(8, 1, 3, 3)
    wide, wide_bias = some(8, 4, 3, 3), some(4)
    grouped, taps, x_last, x_swapped = some(8, 2, 3, 3), some(4, 30, 5), last(x), swapped(x)
    kernel_swapped, rows = swapped(kernel), x[0, :, :, ::-1]
    volume, cubes = some(1, 4, 5, 6, 9), some(4, 6, 2, 2, 2)
    layers = (up.ConvTranspose2d(weight, bias, stride=2, padding=1), up.Conv2d(kernel, padding=1))

    def interpolate(x: np.ndarray, **how: object) -> Callable[..., np.ndarray]:
        return lambda **out: up.interpolate(x, **how, **out)

    def misaligned(result: np.ndarray) -> np.ndarray:
        memory = np.empty(result.nbytes + 1, np.uint8)
        return memory[1:].view(result.dtype).reshape(result.shape)

    return {
        "nearest": Kind(interpolate(x, scale_factor=2)),
        "nearest, large": Kind(interpolate(large, scale_factor=4)),
        "nearest, reversed": Kind(interpolate(x[..., ::-1], size=(50, 47))),
        "nearest-exact, records": Kind(
            interpolate(np.zeros((1, 2, 5, 5), "u1,f4"), size=7, mode="nearest-exact")),
        "bilinear": Kind(interpolate(x, scale_factor=2, mode="bilinear")),
        "bilinear, large": Kind(interpolate(large, scale_factor=4, mode="bilinear")),
        "bilinear, channels last": Kind(interpolate(x_last, size=(41, 52), mode="bilinear")),
        "bilinear, misaligned out": Kind(
            interpolate(x, size=(41, 52), mode="bilinear"), misaligned),
        "bilinear, uint8": Kind(interpolate(bytes_, scale_factor=1.5, mode="bilinear")),
        "bilinear, swapped": Kind(interpolate(x_swapped, scale_factor=2, mode="bilinear")),
        "trilinear": Kind(interpolate(some(1, 2, 5, 6, 7), size=(9, 8, 11), mode="trilinear")),
        "upsample_concat": Kind(
            lambda **out: up.upsample_concat([x, x[:, :3, ::2, ::-3], x_last[:, :, 4:]], **out)),
        "upsample_concat, nearest": Kind(
            lambda **out: up.upsample_concat([small, small[:, :, ::2]], mode="nearest", **out)),
        "conv_transpose2d": Kind(
            lambda **out: up.conv_transpose2d(x, weight, bias, stride=2, padding=1, **out)),
        "conv_transpose2d, gaps": Kind(
            lambda **out: up.conv_transpose2d(x, wide, wide_bias, stride=9, **out)),
        "conv_transpose2d, groups, channels last": Kind(
            lambda **out: up.conv_transpose2d(x_last, grouped, stride=2, groups=4, **out)
        ),
        "conv2d": Kind(lambda **out: up.conv2d(x, kernel, padding=1, **out)),
        "conv2d, swapped": Kind(lambda **out: up.conv2d(x_swapped, kernel_swapped, **out)),
        "conv2d, depthwise": Kind(lambda **out: up.conv2d(x, alone, padding=1, groups=8, **out)),
        "conv1d, reversed": Kind(lambda **out: up.conv1d(rows, taps, **out)),
        "conv3d": Kind(lambda **out: up.conv3d(volume, cubes.swapaxes(0, 1).copy(), **out)),
        "conv_transpose3d": Kind(lambda **out: up.conv_transpose3d(volume, cubes, bias, 2, **out)),
        "conv_transpose3d, channels last": Kind(
            lambda **out: up.conv_transpose3d(last(volume), cubes, bias, stride=2, **out)),
        "ConvTranspose2d": Kind(lambda **out: layers[0](x, **out)),
        "Conv2d": Kind(lambda **out: layers[1](x, **out)),
    }


# --- the searching process ------------------------------------------------------------------------


class Faults:
    """The preloaded library's switch."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self.arm, self.disarm, self.mapped = (
            library.faults_arm, library.faults_disarm, library.faults_mapped)
        self.arm.argtypes, self.arm.restype = [ctypes.c_long], None
        self.disarm.restype = self.mapped.restype = ctypes.c_long


def once(
    kind: Kind, number: int, cold: bool, out: np.ndarray | None, right: bytes, faults: Faults
) -> tuple[bool, str, str | None]:
    """Make one call whose nth allocation fails: whether one did, what came, what was wrong."""
    import upshape as up

    if cold:
        up.clear_cache()
    how = {}
    if out is not None:
        out[...] = np.frombuffer(b"M" * out.itemsize, out.dtype)[0]
        how["out"] = out
    before = None if out is None else out.tobytes()
    result, came = None, "result"
    faults.arm(number)
    try:
        result = kind.call(**how)
    except Exception as error:
        # The name only: a traceback would keep the call's arrays.
        came = type(error).__name__
    failed = faults.disarm() < 0
    if result is not None:
        wrong = None if result.tobytes() == right else "the result is wrong"
    elif not failed:
        wrong = f"{came} without a fault"
    elif out is not None and out.tobytes() != before:
        wrong = f"{came}, and out was written"
    else:
        wrong = None
    return failed, came, wrong


def work(every: int, offset: int) -> None:
    """Try every kind of call, every `every`th allocation; say so on the standard output."""
    import upshape as up
    from upshape import _machine

    faults = Faults()
    _machine.set_adaptive(False)  # two threads are two threads, however busy the machine
    for name, kind in kinds().items():
        result = kind.call()
        right = result.tobytes()
        target = kind.out(result)
        del result
        for threads in (1, 2):
            up.set_num_threads(threads)
            for cold in (True, False):
                for out in (None, target):
                    label = (f"{name}; {threads} threads; {'cold' if cold else 'warm'}"
                             f"{'; out' if out is not None else ''}")
                    kind.call() if out is None else kind.call(out=out)
                    gc.collect()
                    up.clear_cache()
                    mapped = faults.mapped()
                    for number in range(1 + offset % every, MOST, every):
                        print("try", number, label, flush=True)
                        if not cold:
                            kind.call() if out is None else kind.call(out=out)
                        failed, came, wrong = once(kind, number, cold, out, right, faults)
                        if wrong:
                            print("wrong", number, f"{label}: {wrong}", flush=True)
                        if not failed:
                            break
                        print("came", came, flush=True)
                    gc.collect()
                    up.clear_cache()
                    lost = faults.mapped() - mapped
                    if lost >= 2 << 20:
                        print("wrong", number, f"{label}: {lost >> 20} MiB are lost", flush=True)
    print("done", flush=True)


# --- the command ----------------------------------------------------------------------------------


class Findings(NamedTuple):
    """What came of the calls that had a fault, by name, and what was wrong."""

    came: Counter[str]
    wrong: list[str]


def compiled(folder: Path) -> Path:
    """Compile the library that is preloaded."""
    library = folder / "faults.so"
    assert COMPILER is not None
    subprocess.run(
        [COMPILER, "-shared", "-fPIC", "-O1", "-fno-builtin", "-x", "c", str(HERE / "faults.h"),
         "-o", str(library), "-ldl"], check=True,
    )
    return library


def search(every: int = 1, offset: int = 0) -> Findings:
    """Run the searching process; its death is a finding."""
    came: Counter[str] = Counter()
    wrong: list[str] = []
    latest, done = "nothing", False
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"LD_PRELOAD": str(compiled(Path(folder)))}
        command = [sys.executable, str(HERE / "inject.py"), "--child", f"{every},{offset}"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stderr is not None
            for line in child.stdout:
                word, _, rest = line.rstrip().partition(" ")
                if word == "try":
                    latest = rest
                elif word == "came":
                    came[rest] += 1
                elif word == "wrong":
                    wrong.append(rest)
                done = done or word == "done"
            errors = child.stderr.read()
    if not done:
        wrong.append(f"the process ended ({child.returncode}) at {latest}: {errors[-1000:]}")
    return Findings(came, wrong)


def main() -> None:
    p = argparse.ArgumentParser(prog="python -m tests.inject", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--every", type=int, default=1, help="each so many-th allocation")
    p.add_argument("--offset", type=int, default=0, help="the first of them")
    p.add_argument("--child", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.child:
        work(*map(int, args.child.split(",")))
        return
    found = search(args.every, args.offset)
    print(f"{found.came.total()} faults: "
          + ", ".join(f"{count} {name}" for name, count in found.came.most_common()))
    for text in found.wrong:
        print("WRONG", text)
    print(f"{len(found.wrong)} findings")
    raise SystemExit(min(len(found.wrong), 100))


if __name__ == "__main__":
    main()
