"""Where interpolation's two thresholds lie on this machine: streaming stores, the second thread.

    python -m benchmarks.crossover

Both sides of each are timed in turn in one process. `upshape/interpolation.py` has the thresholds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from upshape import interpolation, runtime

MODES = ("nearest", "bilinear")
MIB = 1 << 20
RESULTS_MIB = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128)  # maps of 256x256: 1/4 MiB a channel
WIDTHS = (32, 64, 96, 128, 192, 256, 512)  # one channel: 4 to 1024 KiB


def minima(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Return the least seconds of each call, all of them timed in turn."""
    least = [float("inf")] * len(calls)
    for _ in range(rounds):
        for number, call in enumerate(calls):
            start = time.perf_counter()
            call()
            least[number] = min(least[number], time.perf_counter() - start)
    return least


def enlarge(
    mode: str, channels: int, width: int, streaming: bool, threads: int
) -> Callable[[], object]:
    """Return a 2x enlargement to `width`, into memory that has been written before."""
    x = np.random.default_rng(0).random((1, channels, width // 2, width // 2), np.float32)
    layout = interpolation.layout_of(x, 1)
    how = interpolation.How(mode, (width, width), (None, None), False)
    plan, _ = interpolation.kernel_plan(how, x.shape, x.dtype, layout, x.itemsize, streaming)
    out = runtime.empty((1, channels, width, width), x.dtype)
    out.fill(0)
    return lambda: plan.run(x, out, threads)


def main() -> None:
    print("streaming stores, 1 thread: time of plain over streaming, above 1 streaming is ahead")
    for mode in MODES:
        for size in RESULTS_MIB:
            plain, streamed = minima(
                [enlarge(mode, 4 * size, 256, streaming, 1) for streaming in (False, True)], 25
            )
            print(f"  {mode:9}{size:4} MiB  {plain / streamed:5.2f}"
                  f"   {size * MIB / plain / 1e9:5.1f} and {size * MIB / streamed / 1e9:5.1f} GB/s")
    print("threads: time of one over two, above 1 two are ahead")
    for mode in MODES:
        for width in WIDTHS:
            one, two = minima([enlarge(mode, 1, width, False, n) for n in (1, 2)], 300)
            print(f"  {mode:9}{width * width * 4 >> 10:5} KiB  {one / two:5.2f}"
                  f"   {one * 1e6:6.1f} and {two * 1e6:6.1f} us")


if __name__ == "__main__":
    main()
