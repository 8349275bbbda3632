"""uint8 in 16 bits: sums of bytes with small whole weights, and their means."""

from libc.stdint cimport int64_t, uint8_t

from table cimport CHANNEL_SUMS, NEAR, Table, Taps
from vector cimport (
    UPSHAPE_SUMS,
    UPSHAPE_SUM_WINDOWS,
    UPSHAPE_VECTOR_BYTES,
    division,
    mean_sums,
    mix_sums,
    pair_sums,
    store_means,
    store_means_twice,
    sums,
    widen_sums,
)

cdef struct Parts:  # the weights of two source rows
    int p, q


cdef inline Parts parts_of(const Table* t, const Taps* taps) noexcept nogil:
    cdef Parts parts
    parts.p = t.by_mean.divisor // t.whole
    parts.q = <int>(taps.weight[1] * parts.p + 0.5) if taps.count == 2 else 0
    parts.p -= parts.q
    return parts


cdef inline void sums_vectors(uint8_t* row, uint8_t* next_row, const Taps* taps,
                              const Taps* next_, const Table* t, Py_ssize_t first,
                              Py_ssize_t last, bint alike) noexcept nogil:
    cdef Py_ssize_t furthest = t.width * t.channels - (first + 1) * UPSHAPE_SUMS
    cdef const uint8_t* a = <const uint8_t*>taps.row[0]
    cdef const uint8_t* b = <const uint8_t*>taps.row[taps.count - 1]
    cdef Parts parts = parts_of(t, taps), next_parts = parts
    cdef division by = t.by_mean
    cdef const int64_t* base = t.base + first * UPSHAPE_SUM_WINDOWS
    cdef const uint8_t* order = t.order + first * UPSHAPE_VECTOR_BYTES
    cdef const uint8_t* weight = t.weight + first * UPSHAPE_VECTOR_BYTES
    cdef Py_ssize_t k, at
    cdef sums above, below
    if next_row != NULL:
        next_parts = parts_of(t, next_)
    for k in range(first, last):
        at = min((k - first) * UPSHAPE_SUMS, furthest)
        above = pair_sums(a, base, order, weight, alike)
        below = pair_sums(b, base, order, weight, alike)
        base += UPSHAPE_SUM_WINDOWS
        order += UPSHAPE_VECTOR_BYTES
        weight += UPSHAPE_VECTOR_BYTES
        if next_row == NULL:
            store_means(row + at, mean_sums(above, below, parts.p, parts.q, &by))
        else:
            store_means_twice(
                row + at, next_row + at, mean_sums(above, below, parts.p, parts.q, &by),
                mean_sums(above, below, next_parts.p, next_parts.q, &by))


cdef inline void sums_pixels(uint8_t* row, uint8_t* next_row, const Taps* taps, const Taps* next_,
                             const Table* t, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t channels = t.channels, x, c, k, low, high
    cdef Py_ssize_t count = (channels + UPSHAPE_SUMS - 1) // UPSHAPE_SUMS
    cdef const uint8_t* a = <const uint8_t*>taps.row[0]
    cdef const uint8_t* b = <const uint8_t*>taps.row[taps.count - 1]
    cdef Parts parts = parts_of(t, taps), next_parts = parts
    cdef division by = t.by_mean
    cdef sums above, below
    cdef int u, v
    if next_row != NULL:
        next_parts = parts_of(t, next_)
    for x in range(first, last):
        low = t.low[x] * channels
        high = low + (channels if t.low[x] < t.source_width - 1 else 0)
        u = t.weight[2 * x]
        v = t.weight[2 * x + 1]
        for k in range(count):
            c = min(k * UPSHAPE_SUMS, channels - UPSHAPE_SUMS)
            above = mix_sums(widen_sums(a + low + c), widen_sums(a + high + c), u, v)
            below = mix_sums(widen_sums(b + low + c), widen_sums(b + high + c), u, v)
            if next_row == NULL:
                store_means(row + c, mean_sums(above, below, parts.p, parts.q, &by))
            else:
                store_means_twice(
                    row + c, next_row + c, mean_sums(above, below, parts.p, parts.q, &by),
                    mean_sums(above, below, next_parts.p, next_parts.q, &by))
        row += t.spacing
        if next_row != NULL:
            next_row += t.spacing


cdef inline void sums_rows(uint8_t* row, uint8_t* next_row, const Taps* taps, const Taps* next_,
                           const Table* t, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Write the steps `first` to `last` - 1 of a row, and of the next if that is not NULL.

    They are vectors, or pixels of many channels. Both rows lie between the same two source rows; a
    row with one tap lies on it.
    """
    if t.kind == CHANNEL_SUMS:
        sums_pixels(row, next_row, taps, next_, t, first, last)
    elif t.reach == NEAR:
        sums_vectors(row, next_row, taps, next_, t, first, last, True)
    else:
        sums_vectors(row, next_row, taps, next_, t, first, last, False)
