"""Blend: one, two or four source rows become one, as a vector or as a line that is stored.

How many they are (`count`) is known to the compiler wherever it matters: there is one body, and who
calls it names 1, 2 or 4.
"""

from dtypes cimport add, mix, mixed, pixel_t, splat, widen, widened, work_t
from rows cimport Place, Rows, step
from table cimport Axis, Planes, Taps, planes_of, taps_of
from vector cimport UPSHAPE_VECTOR_BYTES, store, words

# A vector of each source row, or each row's weight in all lanes of one.
cdef struct Four:
    words of[4]


cdef inline Four weights_of(const Taps* taps, int count, work_t like) noexcept nogil:
    cdef Four weights
    if count > 1:
        weights.of[0] = splat(<work_t>taps.weight[0])
        weights.of[1] = splat(<work_t>taps.weight[1])
    if count == 4:
        weights.of[2] = splat(<work_t>taps.weight[2])
        weights.of[3] = splat(<work_t>taps.weight[3])
    return weights


cdef inline Four loaded(const Taps* taps, Py_ssize_t at, int count, pixel_t kind) noexcept nogil:
    """Return a vector of each source row, from its element `at` on."""
    cdef Four rows
    rows.of[0] = widen(<const pixel_t*>taps.row[0] + at)
    if count > 1:
        rows.of[1] = widen(<const pixel_t*>taps.row[1] + at)
    if count == 4:
        rows.of[2] = widen(<const pixel_t*>taps.row[2] + at)
        rows.of[3] = widen(<const pixel_t*>taps.row[3] + at)
    return rows


cdef inline words blended(const Four* rows, const Four* weights, int count,
                          work_t like) noexcept nogil:
    cdef words value = rows.of[0]
    if count > 1:
        value = mix(value, rows.of[1], weights.of[0], weights.of[1], like)
    if count == 4:
        value = add(value, mix(rows.of[2], rows.of[3], weights.of[2], weights.of[3], like), like)
    return value


cdef inline work_t blended_element(const Taps* taps, Py_ssize_t at, int count, pixel_t kind,
                                   work_t like) noexcept nogil:
    cdef work_t value = widened(<const pixel_t*>taps.row[0] + at, like)
    if count > 1:
        value = mixed(value, widened(<const pixel_t*>taps.row[1] + at, like),
                      <work_t>taps.weight[0], <work_t>taps.weight[1])
    if count == 4:
        value = value + mixed(widened(<const pixel_t*>taps.row[2] + at, like),
                              widened(<const pixel_t*>taps.row[3] + at, like),
                              <work_t>taps.weight[2], <work_t>taps.weight[3])
    return value


cdef inline void blend_row(work_t* line, const Taps* taps, Py_ssize_t skip, Py_ssize_t vectors,
                           Py_ssize_t length, int count, pixel_t kind) noexcept nogil:
    """Fill a line from element `skip` of the source rows on.

    It gets `vectors` vectors, and what is lacking of `length` elements by one that is moved back.
    """
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), j, k
    cdef Taps own = taps[0]  # in registers: a store to the line might change what is pointed to
    cdef Four weights = weights_of(&own, count, <work_t>0), rows
    for k in range(vectors):
        rows = loaded(&own, skip + k * lanes, count, kind)
        store(line + k * lanes, blended(&rows, &weights, count, <work_t>0))
    if vectors * lanes >= length:
        return
    if length >= lanes:
        rows = loaded(&own, skip + length - lanes, count, kind)
        store(line + length - lanes, blended(&rows, &weights, count, <work_t>0))
        return
    for j in range(length):
        line[j] = blended_element(&own, skip + j, count, kind, <work_t>0)


cdef inline void blend(work_t* line, const Taps* taps, Py_ssize_t skip, Py_ssize_t vectors,
                       Py_ssize_t length, pixel_t kind) noexcept nogil:
    """Fill a line from however many source rows there are."""
    if taps.count == 1:
        blend_row(line, taps, skip, vectors, length, 1, kind)
    elif taps.count == 2:
        blend_row(line, taps, skip, vectors, length, 2, kind)
    else:
        blend_row(line, taps, skip, vectors, length, 4, kind)


cdef inline void blend_alike(work_t* line, const Planes* planes, const Axis* h, Py_ssize_t stride,
                             Py_ssize_t first, Py_ssize_t last, Py_ssize_t vectors,
                             Py_ssize_t length, bint deep, bint high, pixel_t kind) noexcept nogil:
    cdef Planes own = planes[0]
    cdef Py_ssize_t row
    cdef Taps taps
    for row in range(first, last):
        taps_of(&taps, &own, h, stride, row, deep, high)
        blend_row(line, &taps, 0, vectors, length, (2 if deep else 1) * (2 if high else 1), kind)
        line += length


cdef inline void blend_rows(work_t* line, const Planes* planes, const Axis* h, Py_ssize_t stride,
                            Py_ssize_t first, Py_ssize_t last, Py_ssize_t vectors,
                            Py_ssize_t length, bint deep, pixel_t kind) noexcept nogil:
    """Blend the rows `first` to `last` - 1 of one plane or two to lines of `length` elements."""
    if h.t != NULL and not deep:
        blend_alike(line, planes, h, stride, first, last, vectors, length, False, True, kind)
    elif h.t != NULL:
        blend_alike(line, planes, h, stride, first, last, vectors, length, True, True, kind)
    elif deep:
        blend_alike(line, planes, h, stride, first, last, vectors, length, True, False, kind)
    else:
        blend_alike(line, planes, h, stride, first, last, vectors, length, False, False, kind)


cdef inline void blend_group(work_t* line, const char* source, const char* limit, const Axis* d,
                             const Axis* h, const Rows* rows, Place at, Py_ssize_t count,
                             Py_ssize_t skip, Py_ssize_t length, pixel_t like) noexcept nogil:
    """Blend so many rows to lines of `length` elements, from element `skip` of the source rows on.

    A vector that a line ends within reaches into the next one, which is made after it, and reads
    what is behind the source's row, which must not be behind the source: that ends at `limit`.
    """
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t vectors = (length + lanes - 1) // lanes, whole = length // lanes
    cdef Py_ssize_t item = sizeof(pixel_t), piece, safe, furthest
    cdef bint deep = d.t != NULL
    cdef Planes planes
    while count > 0:
        piece = min(count, rows.height - at.h)
        planes = planes_of(source + at.n * rows.src_n + at.m * rows.src_m, d, rows, at.d, deep)
        planes.low += skip * item
        # How many rows' last vectors end within the source, even those of the lowest neighbours.
        safe = piece
        furthest = limit - planes.low - max(planes.apart, 0) - vectors * lanes * item
        if rows.src_h < 0:
            if h.low[at.h] * rows.src_h > furthest:
                safe = 0
        else:
            while safe > 0 and (
                    min(h.low[at.h + safe - 1] + 1, h.last) * rows.src_h > furthest):
                safe -= 1
        blend_rows(line, &planes, h, rows.src_h, at.h, at.h + safe, vectors, length, deep, like)
        blend_rows(line + safe * length, &planes, h, rows.src_h, at.h + safe, at.h + piece, whole,
                   length, deep, like)
        line += piece * length
        count -= piece
        step(rows, &at, piece)
