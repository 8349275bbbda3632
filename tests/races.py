"""ThreadSanitizer over the kernels and the state they share: no two threads touch the same bytes.

    make test-races

Needs clang, its libomp with libarcher (which tells the sanitizer what OpenMP's barriers order), and
kernels that were compiled with ``CC="clang -fsanitize=thread"``: the folder that has them is the
argument. For the level x86-64-v2: the sanitizer leaves out loads and stores of more than 16 bytes.
Python itself is not instrumented, so a small program with the sanitizer in it embeds it.
Before it believes in silence, a call that does race (two Python threads, one `out`) must be seen.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SEEN = 66  # the exit status when a race was reported
PROGRAM = """
#include <Python.h>
int main(int argc, char **argv) { return Py_BytesMain(argc, argv); }
"""


# --- under the sanitizer --------------------------------------------------------------------------


def calls() -> list[Callable[[], np.ndarray]]:
    """Return calls that use every kernel and every order of work that threads share."""
    import upshape as up

    rng = np.random.default_rng(0)

    def some(*shape: int, dtype: str = "f4") -> np.ndarray:
        return rng.random(shape).astype(dtype)

    x, wide = some(1, 24, 40, 40), some(2, 32, 24, 24)
    last = np.moveaxis(some(1, 40, 40, 24), -1, 1)
    bytes_ = rng.integers(0, 256, (1, 24, 40, 40), np.uint8)
    double = some(1, 24, 40, 40, dtype="f8")
    weight, kernel, alone = some(24, 12, 4, 4), some(16, 24, 3, 3), some(24, 1, 3, 3)
    many, far = some(32, 64, 3, 3), some(24, 4, 3, 3)
    volume, cubes = some(2, 16, 12, 14, 20), some(16, 16, 3, 3, 3)
    layer = up.ConvTranspose2d(weight, stride=2, padding=1)
    found: list[Callable[[], np.ndarray]] = [
        lambda: up.upsample_concat([x, x[:, :, ::2, ::2]]),
        lambda: up.interpolate(some(1, 64, 90, 90), scale_factor=4),  # past the cache
        lambda: up.interpolate(some(1, 4, 9, 20, 20), scale_factor=2, mode="trilinear"),
        lambda: up.conv_transpose2d(x, weight, stride=2, padding=1),
        lambda: up.conv_transpose2d(last, weight, stride=2, padding=1),
        lambda: up.conv_transpose2d(wide, many, stride=2),
        lambda: up.conv_transpose2d(x, far, stride=5),  # pixels that no tap reaches
        lambda: up.conv_transpose2d(x, some(24, 1, 4, 4), stride=2, groups=24),
        lambda: up.conv2d(x, kernel, padding=1),
        lambda: up.conv2d(last, kernel, padding=1),
        lambda: up.conv2d(x, alone, padding=1, groups=24),
        lambda: up.conv2d(last, alone, padding=1, groups=24),
        lambda: up.conv1d(x[0], some(30, 40, 5)),
        lambda: up.conv_transpose3d(volume, cubes, stride=2, padding=1),
        lambda: up.conv3d(volume, cubes, padding=1),
        lambda: layer(x),
    ]
    for array in (x, last, bytes_, double):
        for mode in ("nearest", "bilinear"):
            found.append(lambda array=array, mode=mode: up.interpolate(array, None, 3, mode))
    return found


def work() -> None:
    """Make every call on several numbers of threads, then all of them from several threads."""
    import upshape as up
    from upshape import _machine

    _machine.set_adaptive(False)  # whole teams, however slow the sanitizer is
    made = 0
    for threads in (2, 3, 7):
        up.set_num_threads(threads)
        for call in calls():
            for _ in range(3):
                call()
                made += 1
    _machine.set_adaptive(True)

    def everything(number: int) -> None:
        for _ in range(3):
            for call in calls():
                call()
            up.set_num_threads(2 + number % 3)
            up.clear_cache()

    workers = [threading.Thread(target=everything, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(made + 9 * len(calls()), "calls", flush=True)


def race() -> None:
    """Let two threads write one array: what the sanitizer must see."""
    import upshape as up

    x = np.zeros((1, 32, 64, 64), np.float32)
    out = up.interpolate(x, scale_factor=4, mode="bilinear")

    end = time.monotonic() + 3

    def write() -> None:
        while time.monotonic() < end:
            up.interpolate(x, scale_factor=4, mode="bilinear", out=out)

    workers = [threading.Thread(target=write) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


# --- the command ----------------------------------------------------------------------------------


def embedded(clang: str, folder: Path) -> Path:
    """Compile a Python that has the sanitizer in it."""
    source, program = folder / "python.c", folder / "python"
    source.write_text(PROGRAM)
    libraries = sysconfig.get_config_var("LIBDIR")
    version = sysconfig.get_config_var("LDVERSION")
    subprocess.run(
        [clang, "-fsanitize=thread", str(source), f"-I{sysconfig.get_path('include')}",
         f"-L{libraries}", f"-lpython{version}", f"-Wl,-rpath,{libraries}", "-o", str(program)],
        check=True,
    )
    return program


def archer(clang: str) -> Path:
    """Return where libarcher lies: beside the library of this clang."""
    library = Path(clang).resolve().parents[1] / "lib" / "libarcher.so"
    if not library.exists():
        raise SystemExit(f"test-races: there is no {library}; libomp's package has it")
    return library


def run(program: Path, built: Path, clang: str, what: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(built), *(path for path in sys.path if path)]),
        "TSAN_OPTIONS": f"ignore_noninstrumented_modules=1 halt_on_error=1 exitcode={SEEN}",
        "OMP_TOOL_LIBRARIES": str(archer(clang)), "ARCHER_OPTIONS": "verbose=1",
        # Threads that wait sleep: spinning ones take minutes, where CPUs are few.
        "OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0",
    }
    # The sanitizer wants its own places in memory, which random ones may overlap.
    fixed = [shutil.which("setarch"), platform.machine(), "-R"] if shutil.which("setarch") else []
    return subprocess.run(
        [*fixed, str(program), str(Path(__file__).resolve()), what], env=environment,
        capture_output=True, text=True, check=False,
    )


def main() -> None:
    if sys.argv[1] in ("--work", "--race"):
        {"--work": work, "--race": race}[sys.argv[1]]()
        return
    built, clang = Path(sys.argv[1]).resolve(), shutil.which("clang")
    if clang is None:
        raise SystemExit("test-races: there is no clang")
    with tempfile.TemporaryDirectory() as folder:
        program = embedded(clang, Path(folder))
        seen = run(program, built, clang, "--race")
        if seen.returncode != SEEN or "data race" not in seen.stderr:
            raise SystemExit(f"a race was not seen (exit {seen.returncode}): {seen.stderr[-3000:]}")
        done = run(program, built, clang, "--work")
    if "Archer detected OpenMP application" not in done.stdout + done.stderr:
        raise SystemExit("Archer was not at work")
    if done.returncode or "WARNING: ThreadSanitizer" in done.stderr:
        raise SystemExit(f"exit {done.returncode}\n{done.stdout}{done.stderr[:20000]}")
    print(f"test-races: {done.stdout.splitlines()[-1]} without a data race; a race was seen")


if __name__ == "__main__":
    main()
