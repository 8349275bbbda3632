"""Across, in fixed point, for pixels of four elements: one by one, without a transpose.

A vector holds some whole pixels, and the products of a pixel of the result stand in it one behind
the other until they are added up. Two rows go together.
"""

from libc.stdint cimport int16_t

from shorts cimport (
    UPSHAPE_QUADS,
    UPSHAPE_SHORTS,
    add_quads,
    add_rounded,
    clamp_shorts,
    ints,
    join_quads,
    join_quads_rounded,
    load_shorts,
    multiplied,
    no_quads,
    no_shorts,
    raise_quads,
    shorts,
    store_shorts,
)

# Pixels of four elements that are made together.
cdef enum:
    MOST_QUADS = 4


cdef inline void quad_rounded(shorts* one, shorts* other, const int16_t** row, const Axis* w,
                              Py_ssize_t x, Py_ssize_t vectors) noexcept nogil:
    """Make the sums of a pixel of two rows, one for each place of a pixel in a vector."""
    cdef const int16_t* weight = <const int16_t*>w.weight + w.place[x]
    cdef const int16_t* a = row[0] + 4 * w.first[x]
    cdef const int16_t* b = row[1] + 4 * w.first[x]
    cdef shorts sum = no_shorts(), sum_too = no_shorts(), by
    cdef Py_ssize_t k
    for k in range(vectors):
        by = load_shorts(weight + k * UPSHAPE_SHORTS)
        sum = add_rounded(sum, load_shorts(a + k * UPSHAPE_SHORTS), by)
        sum_too = add_rounded(sum_too, load_shorts(b + k * UPSHAPE_SHORTS), by)
    one[0] = sum
    other[0] = sum_too


cdef inline void quads_rounded(int16_t** to, const int16_t** row, const Axis* w, Py_ssize_t x,
                               Py_ssize_t vectors, Py_ssize_t e) noexcept nogil:
    """Make a vector of pixels of two rows."""
    cdef shorts[MOST_QUADS] a, b
    quad_rounded(a, b, row, w, x, vectors)
    quad_rounded(a + 1, b + 1, row, w, x + 1, vectors)
    if UPSHAPE_QUADS > 2:
        quad_rounded(a + 2, b + 2, row, w, x + 2, vectors)
        quad_rounded(a + 3, b + 3, row, w, x + 3, vectors)
    store_shorts(to[0] + e, multiplied(join_quads_rounded(a), w.factor + 4 * x))
    store_shorts(to[1] + e, multiplied(join_quads_rounded(b), w.factor + 4 * x))


cdef inline void quad(ints* one, ints* other, const int16_t** row, const Axis* w, Py_ssize_t x,
                      Py_ssize_t vectors) noexcept nogil:
    """Make the sums of a pixel of two rows, one for each pair of pixels in a vector."""
    cdef const int16_t* weight = <const int16_t*>w.weight + w.place[x]
    cdef const int16_t* a = row[0] + 4 * w.first[x]
    cdef const int16_t* b = row[1] + 4 * w.first[x]
    cdef ints sum = no_quads(), sum_too = no_quads()
    cdef shorts by
    cdef Py_ssize_t k
    for k in range(vectors):
        by = load_shorts(weight + k * UPSHAPE_SHORTS)
        sum = add_quads(sum, a + k * UPSHAPE_SHORTS, by)
        sum_too = add_quads(sum_too, b + k * UPSHAPE_SHORTS, by)
    if w.split > 0:
        sum = raise_quads(sum, w.split)
        sum_too = raise_quads(sum_too, w.split)
        weight += w.stride // 2
        for k in range(vectors):
            by = load_shorts(weight + k * UPSHAPE_SHORTS)
            sum = add_quads(sum, a + k * UPSHAPE_SHORTS, by)
            sum_too = add_quads(sum_too, b + k * UPSHAPE_SHORTS, by)
    one[0] = sum
    other[0] = sum_too


cdef inline void quads(int16_t** to, const int16_t** row, const Axis* w, Py_ssize_t x,
                       Py_ssize_t vectors, Py_ssize_t e) noexcept nogil:
    """Make a vector of pixels of two rows."""
    cdef ints[MOST_QUADS] a, b
    cdef shorts one, other
    quad(a, b, row, w, x, vectors)
    quad(a + 1, b + 1, row, w, x + 1, vectors)
    if UPSHAPE_QUADS > 2:
        quad(a + 2, b + 2, row, w, x + 2, vectors)
        quad(a + 3, b + 3, row, w, x + 3, vectors)
    one = join_quads(a, w.shift, w.more)
    other = join_quads(b, w.shift, w.more)
    if w.most_line >= 0:
        one = clamp_shorts(one, w.most_line)
        other = clamp_shorts(other, w.most_line)
    store_shorts(to[0] + e, one)
    store_shorts(to[1] + e, other)


cdef inline void spread_quads_by(int16_t** to, const int16_t** row, const Axis* w,
                                 Py_ssize_t first, Py_ssize_t last,
                                 Py_ssize_t vectors) noexcept nogil:
    cdef Py_ssize_t x = first, at
    while x < last:
        at = min(x, last - UPSHAPE_QUADS)
        if w.way == ROUNDED:
            quads_rounded(to, row, w, at, vectors, 4 * (at - first))
        else:
            quads(to, row, w, at, vectors, 4 * (at - first))
        x += UPSHAPE_QUADS


cdef void spread_quads(int16_t** to, const int16_t** row, const Axis* w, Py_ssize_t first,
                       Py_ssize_t last) noexcept nogil:
    """Make the pixels `first` to `last` - 1 of two rows of pixels of four elements.

    Each is made of whole vectors of weights: what lies behind a row is read, and counts nothing.
    """
    cdef Py_ssize_t vectors = (w.most + UPSHAPE_QUADS - 1) // UPSHAPE_QUADS
    if last - first < UPSHAPE_QUADS:
        spread_row(to[0], row[0], w, 4, first, last)
        spread_row(to[1], row[1], w, 4, first, last)
    elif vectors == 1:
        spread_quads_by(to, row, w, first, last, 1)
    elif vectors == 2:
        spread_quads_by(to, row, w, first, last, 2)
    elif vectors == 3:
        spread_quads_by(to, row, w, first, last, 3)
    else:
        spread_quads_by(to, row, w, first, last, vectors)
