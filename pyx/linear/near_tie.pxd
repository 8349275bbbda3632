"""uint8 near a tie: float32 notes which means it cannot round, float64 forms them again."""

from libc.math cimport fabs, floor
from libc.stdint cimport uint8_t

from dtypes cimport pixel_t, put, work_t
from rows cimport Place, Rows, place_of
from table cimport Axis, Doubt, Planes, Table, Taps, planes_of, taps_of
from vector cimport BAND, TIE, narrow_byte_looking, words

# float32's error in a mean of uint8 is 255 (values) x 2^-24 x 10 roundings, 1.5e-4, at most, and
# BAND more.
cdef inline Py_ssize_t written(pixel_t* to, words value, Py_ssize_t at, bint look, bint past,
                               Doubt* doubt, Py_ssize_t doubts) noexcept nogil:
    """Write a vector; note which of its elements are in doubt, if any; return how many vectors are.

    at: its first element, for the note.
    """
    if pixel_t is uint8_t:
        if look:
            doubt[doubts].at = at
            doubt[doubts].lanes = narrow_byte_looking(to, value)
            return doubts + (doubt[doubts].lanes != 0)
    put(to, value, past)
    return doubts


cdef inline Py_ssize_t doubted_element(Py_ssize_t at, work_t value, bint look, Doubt* doubt,
                                       Py_ssize_t doubts) noexcept nogil:
    if look and fabs(fabs(value - floor(value)) - 0.5) < BAND:
        doubt[doubts].at = at
        doubt[doubts].lanes = 1
        return doubts + 1
    return doubts


cdef inline uint8_t settled(const Taps* taps, const Table* t, Py_ssize_t x,
                            Py_ssize_t c) noexcept nogil:
    """Form one mean in float64, and round it to the nearest integer, ties to even."""
    cdef Py_ssize_t low = x, high = x
    cdef double along = 0.0, value = 0.0, below, off
    cdef const uint8_t* row
    cdef int a
    if t.t != NULL:
        low = t.low[x]
        high = min(low + 1, t.source_width - 1)
        along = t.t[x]
    for a in range(taps.count):
        row = <const uint8_t*>taps.row[a]
        value += taps.weight[a] * ((1.0 - along) * row[low * t.channels + c]
                                   + along * row[high * t.channels + c])
    below = floor(value)
    off = value - below
    if fabs(off - 0.5) < TIE:
        return <uint8_t>(<int>below + (<int>below & 1))
    return <uint8_t>(<int>below + (off > 0.5))


cdef inline void settle(uint8_t* to, const Taps* taps, const Table* t, Py_ssize_t first,
                        const Doubt* doubt, Py_ssize_t doubts) noexcept nogil:
    """Form the elements in doubt again. `to` is where the pixel `first` was written."""
    cdef Py_ssize_t j, e, x
    cdef unsigned lanes
    for j in range(doubts):
        e = doubt[j].at
        lanes = doubt[j].lanes
        while lanes != 0:
            if lanes & 1:
                x = e // t.channels
                to[(x - first) * t.spacing + e % t.channels] = settled(
                    taps, t, x, e % t.channels)
            lanes >>= 1
            e += 1


cdef inline void settle_lines(uint8_t* to, Py_ssize_t first, Py_ssize_t start, const char* source,
                              const Axis* d, const Axis* h, const Rows* rows, const Table* t,
                              const Doubt* doubt, Py_ssize_t doubts) noexcept nogil:
    """The same for a group of rows. `to` is where element `start` of row `first` was written."""
    cdef Py_ssize_t row = t.width * t.channels, own = -1, j, e
    cdef unsigned lanes
    cdef Place at
    cdef Planes planes
    cdef Taps taps
    for j in range(doubts):
        e = start + doubt[j].at
        lanes = doubt[j].lanes
        while lanes != 0:
            if lanes & 1:
                if e // row != own:
                    own = e // row
                    at = place_of(rows, first + own)
                    planes = planes_of(source + at.n * rows.src_n + at.m * rows.src_m, d, rows,
                                       at.d, d.t != NULL)
                    taps_of(&taps, &planes, h, rows.src_h, at.h, d.t != NULL, h.t != NULL)
                to[e - start] = settled(&taps, t, e % row // t.channels, e % t.channels)
            lanes >>= 1
            e += 1
