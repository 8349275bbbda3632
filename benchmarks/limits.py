"""What the machine can do at most, timed as contenders of the same case: see pyx/limits.pyx."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from upshape import runtime

LINE = 64
HUGE_PAGE = 2 << 20

# Rounds of the register loop: a millisecond or so.
CHAIN_ROUNDS = 100_000

#: What the limits are called in a run's times.
STREAM, PLAIN, SINGLE, FRESH, COPY, READ, PEAK = (
    "fill, streaming stores", "fill, plain stores", "fill, plain stores on one thread",
    "fill, fresh memory", "np.copyto", "read the input", "FMA peak",
)
NAMES = (STREAM, PLAIN, SINGLE, FRESH, COPY, READ, PEAK)


def aligned(nbytes: int) -> np.ndarray:
    """Return warm float32 memory, whole lines, from a huge page's boundary on."""
    whole = -(-max(nbytes, 1) // LINE) * LINE
    memory = np.zeros(whole + HUGE_PAGE, np.uint8)
    start = -memory.ctypes.data % HUGE_PAGE
    buffer = memory[start : start + whole].view(np.float32)
    buffer.fill(1)
    return buffer


def fill_fresh(nbytes: int, threads: int, fill: Callable[[np.ndarray, int], None]) -> None:
    """Fill memory that NumPy has just been given, as a result without a store would be."""
    memory = np.empty(nbytes + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    fill(memory[start : start + nbytes].view(np.float32), threads)


def contenders(nbytes: int, threads: int) -> dict[str, Callable[[], object]]:
    """Return the loops that write so many bytes, by name."""
    loops = runtime.kernel("limits")
    target, source = aligned(nbytes), aligned(nbytes)
    streaming = target.nbytes > runtime.LAST_LEVEL_CACHE
    fresh = loops.fill_stream if streaming else loops.fill_plain
    alone = {SINGLE: partial(loops.fill_plain, target, 1)} if threads > 1 else {}
    return {
        STREAM: partial(loops.fill_stream, target, threads),
        PLAIN: partial(loops.fill_plain, target, threads),
        **alone,
        FRESH: partial(fill_fresh, target.nbytes, threads, fresh),
        COPY: partial(np.copyto, target, source),
    }


def reader(nbytes: int, threads: int) -> Callable[[], object]:
    """Return the loop that reads so many bytes and does nothing else."""
    return partial(runtime.kernel("limits").read, aligned(nbytes), threads)


def peak(threads: int, double_precision: bool) -> tuple[Callable[[], object], int]:
    """Return the register loop and its operations a call."""
    loop = partial(runtime.kernel("limits").fma_peak, CHAIN_ROUNDS, threads, double_precision)
    return loop, loop()


def fills(threads: int) -> list[str]:
    """Return the fills whose best a result is held against.

    Small results are filled faster by plain stores, large ones by streaming stores; waking a
    thread costs more than a small result does, hence the single one.
    """
    return [STREAM, PLAIN, SINGLE] if threads > 1 else [STREAM, PLAIN]
