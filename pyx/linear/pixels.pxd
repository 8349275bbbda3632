"""Pixel by pixel: vectors of many channels, single elements, and a width that stays."""

from libc.stdint cimport int64_t, uint8_t

from dtypes cimport add, mix, mixed, narrowed, pixel_t, splat, widen, widened, work_t
from near_tie cimport doubted_element, written
from table cimport Doubt, Table, Taps
from vector cimport UPSHAPE_VECTOR_BYTES, words

# --- many channels: blend and spread in registers -------------------------------------------------

cdef inline Py_ssize_t pixels_taps(pixel_t* to, const Taps* taps, const Table* t, Py_ssize_t first,
                                   Py_ssize_t last, Doubt* doubt, bint past,
                                   work_t like) noexcept nogil:
    """Steps are pixels of many channels, `spacing` elements apart; one tap, or four."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t channels = t.channels, count = (channels + lanes - 1) // lanes
    cdef bint look = pixel_t is uint8_t and not t.exact
    cdef Py_ssize_t doubts = 0, x, c, k, low, high
    cdef words u, v, values, lower, upper
    cdef const pixel_t* row
    for x in range(first, last):
        low = t.low[x] * channels
        high = low + (channels if t.low[x] < t.source_width - 1 else 0)
        u = splat((<const work_t*>t.u)[x])
        v = splat((<const work_t*>t.v)[x])
        for k in range(count):
            c = min(k * lanes, channels - lanes)
            row = <const pixel_t*>taps.row[0]
            if taps.count == 1:
                lower = widen(row + low + c)
                upper = widen(row + high + c)
            else:
                lower = four(taps, low + c, <pixel_t>0, like)
                upper = four(taps, high + c, <pixel_t>0, like)
            values = mix(lower, upper, u, v, like)
            doubts = written(to + c, values, x * channels + c, look, past, doubt, doubts)
        to += t.spacing
    return doubts


cdef inline words four(const Taps* taps, Py_ssize_t at, pixel_t kind, work_t like) noexcept nogil:
    return add(mix(widen(<const pixel_t*>taps.row[0] + at), widen(<const pixel_t*>taps.row[1] + at),
                   splat(<work_t>taps.weight[0]), splat(<work_t>taps.weight[1]), like),
               mix(widen(<const pixel_t*>taps.row[2] + at), widen(<const pixel_t*>taps.row[3] + at),
                   splat(<work_t>taps.weight[2]), splat(<work_t>taps.weight[3]), like), like)


cdef inline Py_ssize_t pixels_two_taps(pixel_t* to, const pixel_t* a, const pixel_t* b,
                                       const double* weight, const Table* t, Py_ssize_t first,
                                       Py_ssize_t last, Doubt* doubt, bint past,
                                       work_t like) noexcept nogil:
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t channels = t.channels, count = (channels + lanes - 1) // lanes
    cdef bint look = pixel_t is uint8_t and not t.exact
    cdef Py_ssize_t doubts = 0, x, c, k, low, high
    cdef words p = splat(<work_t>weight[0]), q = splat(<work_t>weight[1])
    cdef words u, v, values
    for x in range(first, last):
        low = t.low[x] * channels
        high = low + (channels if t.low[x] < t.source_width - 1 else 0)
        u = splat((<const work_t*>t.u)[x])
        v = splat((<const work_t*>t.v)[x])
        for k in range(count):
            c = min(k * lanes, channels - lanes)
            values = mix(mix(widen(a + low + c), widen(b + low + c), p, q, like),
                         mix(widen(a + high + c), widen(b + high + c), p, q, like), u, v, like)
            doubts = written(to + c, values, x * channels + c, look, past, doubt, doubts)
        to += t.spacing
    return doubts


cdef inline Py_ssize_t pixels_twice(pixel_t* to, pixel_t* next_to, const pixel_t* a,
                                    const pixel_t* b, const double* weight,
                                    const double* next_weight, const Table* t, Py_ssize_t first,
                                    Py_ssize_t last, Doubt* doubt, Doubt* next_doubt,
                                    Py_ssize_t* next_doubts, bint past, work_t like) noexcept nogil:
    """Two rows of the result between the same two source rows."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t channels = t.channels, count = (channels + lanes - 1) // lanes
    cdef bint look = pixel_t is uint8_t and not t.exact
    cdef Py_ssize_t doubts = 0, others = 0, x, c, k, low, high
    cdef words p = splat(<work_t>weight[0]), q = splat(<work_t>weight[1])
    cdef words r = splat(<work_t>next_weight[0]), s = splat(<work_t>next_weight[1])
    cdef words u, v, values, a_low, a_high, b_low, b_high
    for x in range(first, last):
        low = t.low[x] * channels
        high = low + (channels if t.low[x] < t.source_width - 1 else 0)
        u = splat((<const work_t*>t.u)[x])
        v = splat((<const work_t*>t.v)[x])
        for k in range(count):
            c = min(k * lanes, channels - lanes)
            a_low = widen(a + low + c)
            b_low = widen(b + low + c)
            a_high = widen(a + high + c)
            b_high = widen(b + high + c)
            values = mix(mix(a_low, b_low, p, q, like), mix(a_high, b_high, p, q, like), u, v, like)
            doubts = written(to + c, values, x * channels + c, look, past, doubt, doubts)
            values = mix(mix(a_low, b_low, r, s, like), mix(a_high, b_high, r, s, like), u, v, like)
            others = written(next_to + c, values, x * channels + c, look, past, next_doubt, others)
        to += t.spacing
        next_to += t.spacing
    next_doubts[0] = others
    return doubts


# --- element by element ---------------------------------------------------------------------------

cdef inline Py_ssize_t elements_two_taps(pixel_t* to, const Taps* taps, const Table* t,
                                         Py_ssize_t first, Py_ssize_t last, Doubt* doubt,
                                         work_t like) noexcept nogil:
    """Steps are pixels, `spacing` elements apart."""
    cdef Py_ssize_t channels = t.channels, end = t.source_width - 1
    cdef bint look = pixel_t is uint8_t and not t.exact
    cdef Py_ssize_t doubts = 0, x, c, low, high
    cdef const pixel_t* a = <const pixel_t*>taps.row[0]
    cdef const pixel_t* b = <const pixel_t*>taps.row[1]
    cdef const int64_t* index = t.low
    cdef const work_t* u = <const work_t*>t.u
    cdef const work_t* v = <const work_t*>t.v
    cdef work_t p = <work_t>taps.weight[0], q = <work_t>taps.weight[1], value
    for x in range(first, last):
        low = index[x] * channels
        high = low + (channels if index[x] < end else 0)
        for c in range(channels):
            value = mixed(
                mixed(widened(a + low + c, like), widened(b + low + c, like), p, q),
                mixed(widened(a + high + c, like), widened(b + high + c, like), p, q), u[x], v[x])
            to[c] = narrowed(value, <pixel_t>0)
            if pixel_t is uint8_t:
                doubts = doubted_element(x * channels + c, value, look, doubt, doubts)
        to += t.spacing
    return doubts


cdef inline work_t element(const Taps* taps, Py_ssize_t at, pixel_t kind,
                           work_t like) noexcept nogil:
    cdef work_t a = widened(<const pixel_t*>taps.row[0] + at, like)
    if taps.count == 1:
        return a
    return (mixed(a, widened(<const pixel_t*>taps.row[1] + at, like), <work_t>taps.weight[0],
                  <work_t>taps.weight[1])
            + mixed(widened(<const pixel_t*>taps.row[2] + at, like),
                    widened(<const pixel_t*>taps.row[3] + at, like), <work_t>taps.weight[2],
                    <work_t>taps.weight[3]))


cdef inline Py_ssize_t elements_taps(pixel_t* to, const Taps* taps, const Table* t,
                                     Py_ssize_t first, Py_ssize_t last, Doubt* doubt,
                                     work_t like) noexcept nogil:
    """The same for one tap, or four."""
    cdef Py_ssize_t channels = t.channels
    cdef bint look = pixel_t is uint8_t and not t.exact
    cdef Py_ssize_t doubts = 0, x, c, low, high
    cdef work_t value
    for x in range(first, last):
        low = t.low[x] * channels
        high = low + (channels if t.low[x] < t.source_width - 1 else 0)
        for c in range(channels):
            value = mixed(element(taps, low + c, <pixel_t>0, like),
                          element(taps, high + c, <pixel_t>0, like),
                          (<const work_t*>t.u)[x], (<const work_t*>t.v)[x])
            to[c] = narrowed(value, <pixel_t>0)
            if pixel_t is uint8_t:
                doubts = doubted_element(x * channels + c, value, look, doubt, doubts)
        to += t.spacing
    return doubts


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
