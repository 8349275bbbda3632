"""Bytes near a tie, where `like` wants those of a library: they are made anew, as it sums them."""

from libc.math cimport floor, floorf
from libc.stdint cimport int32_t, uint8_t

from transposes cimport plus_product

# Elements that are asked together whether any is near a tie.
cdef enum:
    MENDED = 32

# How far two sums of float32, which are means of bytes, may be from each other, a product.
cdef double APART = 0.5**15


cdef inline bint is_near_tie(float value, float tie) noexcept nogil:
    cdef float off = value - floorf(value) - <float>0.5
    return (off < tie) & (off > -tie)


cdef inline Py_ssize_t next_near_tie(const float* line, Py_ssize_t j, Py_ssize_t count,
                                     float tie) noexcept nogil:
    """Return the next element, from j on, that is near a tie, or `count`: vector by vector."""
    cdef Py_ssize_t k
    cdef int near
    while j + MENDED <= count:
        near = 0
        for k in range(MENDED):
            near |= is_near_tie(line[j + k], tie)
        if near:
            break
        j += MENDED
    while j < count and not is_near_tie(line[j], tie):
        j += 1
    return j


cdef void mend_exact(float* line, const float** row, const Table* t, Py_ssize_t h,
                     Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """Make elements of a line that are near a tie anew, as EXACT says; `first`: where it begins."""
    cdef const float* weight = <const float*>t.h.weight + h * t.h.stride
    cdef Py_ssize_t j = next_near_tie(line, 0, count, t.tie), k
    cdef double sum
    cdef float chain
    while j < count:
        sum = 0
        chain = 0
        for k in range(t.h.taps[h] - 1, -1, -1):
            sum += <double>row[k][j] * weight[k]
            chain = plus_product(chain, row[k][j], weight[k])
        line[j] = chain if first + j < t.chained else <float>floor(sum + 0.5)
        j = next_near_tie(line, j + 1, count, t.tie)


cdef void mend_means(float* line, const uint8_t* source, Py_ssize_t row, const Table* t,
                     Py_ssize_t h, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """Make elements of a line that are near a tie anew, as CHAINED or WHOLE says.

    `source`: a plane, whose rows are `row` bytes apart; `first`: the line's first pixel.
    """
    cdef Py_ssize_t j = next_near_tie(line, 0, count, t.tie), x, k, r
    cdef const uint8_t* pixel
    cdef const float* across
    cdef float total, chain
    cdef int32_t whole
    while j < count:
        x = first + j // t.channels
        across = <const float*>t.w.weight + x * t.w.stride
        total = 0
        whole = 0
        for r in range(t.h.taps[h]):
            pixel = source + (t.h.first[h] + r) * row
            pixel += t.w.first[x] * t.channels + j % t.channels
            chain = 0
            for k in range(t.w.taps[x]):
                chain = plus_product(chain, pixel[k * t.channels], across[k])
                whole += pixel[k * t.channels]
            total = plus_product(total, chain, (<const float*>t.h.weight + h * t.h.stride)[r])
        if t.mended == WHOLE:
            total = <float>whole * (<float>1 / <float>(t.h.taps[h] * t.w.taps[x]))
        line[j] = total
        j = next_near_tie(line, j + 1, count, t.tie)
