"""Where interpolation's two thresholds lie on this machine: streaming stores, the second thread.

    python -m benchmarks.crossover

Both sides of each are timed in turn in one process. `upshape/interpolation.py` has the thresholds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from upshape import interpolation, runtime

MODES = ("nearest", "bilinear", "bicubic")
MIB = 1 << 20
RESULTS_MIB = (2, 4, 8, 12, 16, 20, 24, 32, 48, 64)  # maps of 256x256: 1/4 MiB a channel
WIDTHS = (32, 64, 96, 128, 192, 256, 512)  # one channel: 4 to 1024 KiB
CALLS = 4  # in a row: the first finds what the other side has left in the caches


def minima(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Return the least seconds of each call, all of them timed in turn."""
    least = [float("inf")] * len(calls)
    for _ in range(rounds):
        for number, call in enumerate(calls):
            call()
            for _ in range(CALLS - 1):
                start = time.perf_counter()
                call()
                least[number] = min(least[number], time.perf_counter() - start)
    return least


def enlarge(
    mode: str, channels: int, width: int, streaming: Sequence[bool], threads: Sequence[int]
) -> list[Callable[[], object]]:
    """Return 2x enlargements to `width`, all of them into the same memory."""
    x = np.random.default_rng(0).random((1, channels, width // 2, width // 2), np.float32)
    layout = interpolation.layout_of(x, 1)
    how = interpolation.as_how(
        "crossover", x.shape[2:], (width, width), None, mode, False, None, dtype=x.dtype
    )
    out = runtime.empty((1, channels, width, width), x.dtype)
    out.fill(0)
    plans = [
        interpolation.kernel_plan(how, x.shape, x.dtype, layout, x.itemsize, past)[0]
        for past in streaming
    ]
    return [partial(plan.run, x, out, n) for plan, n in zip(plans, threads, strict=True)]


def main() -> None:
    for threads in (1, 2):
        print(f"streaming stores, threads: {threads}; time of plain over streaming, above 1 "
              "streaming is ahead")
        for mode in MODES:
            for size in RESULTS_MIB:
                calls = enlarge(mode, 4 * size, 256, (False, True), (threads, threads))
                plain, streamed = minima(calls, 5)
                rates = (f"{size * MIB / seconds / 1e9:5.1f}" for seconds in (plain, streamed))
                print(f"  {mode:9}{size:4} MiB  {plain / streamed:5.2f}   "
                      f"{' and '.join(rates)} GB/s")
    print("threads: time of one over two, above 1 two are ahead")
    for mode in MODES:
        for width in WIDTHS:
            one, two = minima(enlarge(mode, 1, width, (False, False), (1, 2)), 100)
            print(f"  {mode:9}{width * width * 4 >> 10:5} KiB  {one / two:5.2f}"
                  f"   {one * 1e6:6.1f} and {two * 1e6:6.1f} us")


if __name__ == "__main__":
    main()
