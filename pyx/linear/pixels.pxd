"""Pixel by pixel: vectors of many channels, single elements, and a width that stays."""

from libc.stdint cimport uint8_t

from blend cimport Four, blended, blended_element, loaded, weights_of
from dtypes cimport mix, mixed, narrowed, pixel_t, splat, work_t
from near_tie cimport doubted_element, written
from table cimport Doubt, Table, Taps
from vector cimport UPSHAPE_VECTOR_BYTES, words

# --- many channels: blend and spread in registers -------------------------------------------------

cdef inline void pixels_rows(pixel_t* to, pixel_t* next_to, const Taps* taps, const Taps* next_,
                             const Table* t, Py_ssize_t first, Py_ssize_t last, Doubt* doubt,
                             Py_ssize_t* doubts, bint past, int count, bint twice,
                             work_t like) noexcept nogil:
    """Write the pixels `first` to `last` - 1 of a row, and if `twice` of the next one.

    doubts: of both rows. uint8 is always looked at: where float32 holds every mean, 16 bits mostly
    do as well, and this is not asked.
    """
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t channels = t.channels, vectors = (channels + lanes - 1) // lanes
    cdef Doubt* next_doubt = doubt + t.doubts
    cdef Py_ssize_t own_doubts = 0, others = 0, x, c, k, low, high
    cdef Taps own = taps[0]  # in registers: a store might change what is pointed to
    cdef Four weights = weights_of(taps, count, like), next_weights = weights
    cdef Four lower, upper
    cdef words u, v, values
    if twice:
        next_weights = weights_of(next_, count, like)
    for x in range(first, last):
        low = t.low[x] * channels
        high = low + (channels if t.low[x] < t.source_width - 1 else 0)
        u = splat((<const work_t*>t.u)[x])
        v = splat((<const work_t*>t.v)[x])
        for k in range(vectors):
            c = min(k * lanes, channels - lanes)
            lower = loaded(&own, low + c, count, <pixel_t>0)
            upper = loaded(&own, high + c, count, <pixel_t>0)
            values = mix(blended(&lower, &weights, count, like),
                         blended(&upper, &weights, count, like), u, v, like)
            own_doubts = written(to + c, values, x * channels + c, True, past, doubt, own_doubts)
            if twice:
                values = mix(blended(&lower, &next_weights, count, like),
                             blended(&upper, &next_weights, count, like), u, v, like)
                others = written(next_to + c, values, x * channels + c, True, past, next_doubt,
                                 others)
        to += t.spacing
        if twice:
            next_to += t.spacing
    doubts[0] = own_doubts
    doubts[1] = others


cdef inline void pixels(pixel_t* to, pixel_t* next_to, const Taps* taps, const Taps* next_,
                        const Table* t, Py_ssize_t first, Py_ssize_t last, Doubt* doubt,
                        Py_ssize_t* doubts, bint past, work_t like) noexcept nogil:
    """Do so of however many source rows there are, for two rows if `next_to` is not NULL."""
    if next_to != NULL:
        pixels_rows(to, next_to, taps, next_, t, first, last, doubt, doubts, past, 2, True, like)
    elif taps.count == 2:
        pixels_rows(to, to, taps, next_, t, first, last, doubt, doubts, past, 2, False, like)
    else:  # rarer: the loop asks
        pixels_rows(to, to, taps, next_, t, first, last, doubt, doubts, past, taps.count, False,
                    like)


# --- element by element ---------------------------------------------------------------------------

cdef inline Py_ssize_t elements_row(pixel_t* to, const Taps* taps, const Table* t,
                                    Py_ssize_t first, Py_ssize_t last, Doubt* doubt, int count,
                                    work_t like) noexcept nogil:
    """Write the pixels `first` to `last` - 1 of a row; return how many elements are in doubt."""
    cdef Py_ssize_t channels = t.channels, end = t.source_width - 1
    cdef bint look = pixel_t is uint8_t and not t.exact
    cdef Py_ssize_t doubts = 0, x, c, low, high
    cdef Taps own = taps[0]
    cdef work_t value, u, v
    for x in range(first, last):
        low = t.low[x] * channels
        high = low + (channels if t.low[x] < end else 0)
        u = (<const work_t*>t.u)[x]
        v = (<const work_t*>t.v)[x]
        for c in range(channels):
            value = mixed(blended_element(&own, low + c, count, <pixel_t>0, like),
                          blended_element(&own, high + c, count, <pixel_t>0, like), u, v)
            to[c] = narrowed(value, <pixel_t>0)
            if pixel_t is uint8_t:
                doubts = doubted_element(x * channels + c, value, look, doubt, doubts)
        to += t.spacing
    return doubts


cdef inline Py_ssize_t elements(pixel_t* to, const Taps* taps, const Table* t, Py_ssize_t first,
                                Py_ssize_t last, Doubt* doubt, work_t like) noexcept nogil:
    """Do so of however many source rows there are."""
    if taps.count == 2:
        return elements_row(to, taps, t, first, last, doubt, 2, like)
    if taps.count == 1:
        return elements_row(to, taps, t, first, last, doubt, 1, like)
    return elements_row(to, taps, t, first, last, doubt, 4, like)


# --- a width that stays: by way of a stored line, where elements are converted --------------------

cdef inline Py_ssize_t spread_copy(pixel_t* to, const work_t* low, const Table* t, Py_ssize_t first,
                                   Py_ssize_t last, Doubt* doubt) noexcept nogil:
    """Steps are pixels; the line begins with the first."""
    cdef Py_ssize_t channels = t.channels
    cdef bint look = pixel_t is uint8_t and not t.exact
    cdef Py_ssize_t doubts = 0
    cdef Py_ssize_t x, c
    cdef work_t value
    for x in range(first, last):
        for c in range(channels):
            value = low[c]
            to[c] = narrowed(value, <pixel_t>0)
            if pixel_t is uint8_t:
                doubts = doubted_element(x * channels + c, value, look, doubt, doubts)
        low += channels
        to += t.spacing
    return doubts
