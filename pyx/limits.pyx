"""What this machine can do at most: multiply-adds a second, and bytes written and read a second.

Not part of the package's interface: the benchmark holds the kernels against these loops, which do
nothing else, at the same CPU level and on the same number of threads.
"""

from cython.parallel cimport prange


cdef extern from "limit_loops.h" nogil:
    const int UPSHAPE_CHAINS
    const int UPSHAPE_VECTOR_BYTES
    double upshape_chains_32(Py_ssize_t rounds, float factor, float addend)
    double upshape_chains_64(Py_ssize_t rounds, double factor, double addend)
    void upshape_fill_stream(float* start, Py_ssize_t count, float value)
    void upshape_fill_plain(float* start, Py_ssize_t count, float value)
    double upshape_read(const float* start, Py_ssize_t count)


cdef enum:
    LINE = 64


cdef double chains(Py_ssize_t rounds, bint double_precision, float half) noexcept nogil:
    if double_precision:
        return upshape_chains_64(rounds, half, half)
    return upshape_chains_32(rounds, half, half)


def fma_peak(Py_ssize_t rounds, int threads, bint double_precision=False, float half=0.5):
    """Run the register loop on every thread; return how many operations that was (an FMA is 2).

    `half` is an argument only to be unknown to the compiler: it removed the chain that started at
    the fixed point of x / 2 + 1 / 2, and the peak came out a twelfth too high.
    """
    cdef double total = 0
    cdef int _t
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // (8 if double_precision else 4)
    if threads == 1:
        with nogil:
            total = chains(rounds, double_precision, half)
    else:
        for _t in prange(threads, nogil=True, schedule="static", num_threads=threads):
            total += chains(rounds, double_precision, half)
    assert total > 0
    return 2 * lanes * UPSHAPE_CHAINS * rounds * threads


cdef void fill_part(float* start, Py_ssize_t lines, int part, int parts,
                    bint stream) noexcept nogil:
    cdef Py_ssize_t first = lines * part // parts
    cdef Py_ssize_t last = lines * (part + 1) // parts
    cdef Py_ssize_t floats = LINE // sizeof(float)
    if stream:
        upshape_fill_stream(start + first * floats, (last - first) * floats, 1.0)
    else:
        upshape_fill_plain(start + first * floats, (last - first) * floats, 1.0)


cdef void fill(float* start, Py_ssize_t lines, int threads, bint stream) noexcept nogil:
    cdef int t
    if threads == 1:
        fill_part(start, lines, 0, 1, stream)
    else:
        for t in prange(threads, schedule="static", num_threads=threads):
            fill_part(start, lines, t, threads, stream)


cdef check_lines(str name, const float* start, Py_ssize_t nbytes):
    if nbytes == 0 or <size_t>start % LINE != 0 or nbytes % LINE != 0:
        raise ValueError(
            f"{name}: the buffer must be whole lines of {LINE} bytes, and start on one"
        )


cdef checked_fill(float[::1] buffer, int threads, bint stream):
    check_lines("fill", &buffer[0] if buffer.shape[0] else NULL, buffer.nbytes)
    with nogil:
        fill(&buffer[0], buffer.shape[0] * sizeof(float) // LINE, threads, stream)


def fill_stream(float[::1] buffer not None, int threads):
    """Fill a float32 buffer with streaming stores, which go past the caches."""
    checked_fill(buffer, threads, True)


def fill_plain(float[::1] buffer not None, int threads):
    """Fill a float32 buffer with ordinary stores."""
    checked_fill(buffer, threads, False)


cdef double read_part(const float* start, Py_ssize_t lines, int part, int parts) noexcept nogil:
    cdef Py_ssize_t first = lines * part // parts
    cdef Py_ssize_t last = lines * (part + 1) // parts
    cdef Py_ssize_t floats = LINE // sizeof(float)
    return upshape_read(start + first * floats, (last - first) * floats)


def read(const float[::1] buffer not None, int threads):
    """Read a float32 buffer; return its sum, for which nothing can be left out."""
    cdef double total = 0
    cdef Py_ssize_t lines = buffer.nbytes // LINE
    cdef int t
    check_lines("read", &buffer[0] if buffer.shape[0] else NULL, buffer.nbytes)
    cdef const float* start = &buffer[0]
    if threads == 1:
        with nogil:
            total = read_part(start, lines, 0, 1)
    else:
        for t in prange(threads, nogil=True, schedule="static", num_threads=threads):
            total += read_part(start, lines, t, threads)
    return total
