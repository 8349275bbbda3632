"""Blend: one, two or four source rows become a line, which is stored."""

from dtypes cimport add, mix, mixed, pixel_t, splat, widen, widened, work_t
from rows cimport Place, Rows, step
from table cimport Axis, Taps
from vector cimport UPSHAPE_VECTOR_BYTES, store, words

# Each makes `vectors` vectors, and of what `count` elements then lack the last vector, moved back.

cdef inline void blend_one(work_t* line, const pixel_t* a, Py_ssize_t vectors,
                           Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t j, k
    for k in range(vectors):
        j = k * lanes
        store(line + j, widen(a + j))
    if vectors * lanes >= count:
        return
    if count >= lanes:
        j = count - lanes
        store(line + j, widen(a + j))
        return
    for j in range(count):
        line[j] = widened(a + j, <work_t>0)


cdef inline void blend_two(work_t* line, const pixel_t* a, const pixel_t* b, const double* weight,
                           Py_ssize_t vectors, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef work_t u = <work_t>weight[0], v = <work_t>weight[1]
    cdef words us = splat(u), vs = splat(v)
    cdef Py_ssize_t j, k
    for k in range(vectors):
        j = k * lanes
        store(line + j, mix(widen(a + j), widen(b + j), us, vs, u))
    if vectors * lanes >= count:
        return
    if count >= lanes:
        j = count - lanes
        store(line + j, mix(widen(a + j), widen(b + j), us, vs, u))
        return
    for j in range(count):
        line[j] = mixed(widened(a + j, u), widened(b + j, u), u, v)


cdef inline void blend_four(work_t* line, const pixel_t* a, const pixel_t* b, const pixel_t* c,
                            const pixel_t* d, const double* weight, Py_ssize_t vectors,
                            Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef work_t u = <work_t>weight[0], v = <work_t>weight[1]
    cdef work_t w = <work_t>weight[2], z = <work_t>weight[3]
    cdef words us = splat(u), vs = splat(v), ws = splat(w), zs = splat(z)
    cdef Py_ssize_t j, k
    for k in range(vectors):
        j = k * lanes
        store(line + j, add(mix(widen(a + j), widen(b + j), us, vs, u),
                            mix(widen(c + j), widen(d + j), ws, zs, u), u))
    if vectors * lanes >= count:
        return
    if count >= lanes:
        j = count - lanes
        store(line + j, add(mix(widen(a + j), widen(b + j), us, vs, u),
                            mix(widen(c + j), widen(d + j), ws, zs, u), u))
        return
    for j in range(count):
        line[j] = (mixed(widened(a + j, u), widened(b + j, u), u, v)
                   + mixed(widened(c + j, u), widened(d + j, u), w, z))


cdef inline void blend(work_t* line, const Taps* taps, Py_ssize_t skip, Py_ssize_t vectors,
                       Py_ssize_t count, pixel_t like) noexcept nogil:
    """Fill the line from element `skip` of the source rows on."""
    cdef const pixel_t* a = <const pixel_t*>taps.row[0] + skip
    if taps.count == 1:
        blend_one(line, a, vectors, count)
    elif taps.count == 2:
        blend_two(line, a, <const pixel_t*>taps.row[1] + skip, taps.weight, vectors, count)
    else:
        blend_four(line, a, <const pixel_t*>taps.row[1] + skip,
                   <const pixel_t*>taps.row[2] + skip, <const pixel_t*>taps.row[3] + skip,
                   taps.weight, vectors, count)


cdef inline void blend_rows(work_t* line, const char* plane, Py_ssize_t apart, const Axis* h,
                            Py_ssize_t stride, const double* weight, Py_ssize_t first,
                            Py_ssize_t last, Py_ssize_t vectors, Py_ssize_t length,
                            pixel_t like) noexcept nogil:
    """Blend rows of one plane, or of two that are `apart`, to lines of `length` elements.

    weight: of the two planes.
    """
    cdef Py_ssize_t row, low
    cdef Taps taps
    if h.t != NULL and apart == 0 and weight == NULL:
        for row in range(first, last):
            low = h.low[row]
            taps.row[0] = plane + low * stride
            taps.row[1] = taps.row[0] + (stride if low < h.last else 0)
            blend_two(line, <const pixel_t*>taps.row[0], <const pixel_t*>taps.row[1],
                      h.weight + 2 * row, vectors, length)
            line += length
    elif h.t != NULL:
        for row in range(first, last):
            low = h.low[row]
            taps.row[0] = plane + low * stride
            taps.row[1] = taps.row[0] + (stride if low < h.last else 0)
            taps.weight[0] = weight[0] * h.weight[2 * row]
            taps.weight[1] = weight[0] * h.weight[2 * row + 1]
            taps.weight[2] = weight[1] * h.weight[2 * row]
            taps.weight[3] = weight[1] * h.weight[2 * row + 1]
            blend_four(line, <const pixel_t*>taps.row[0], <const pixel_t*>taps.row[1],
                       <const pixel_t*>(taps.row[0] + apart), <const pixel_t*>(taps.row[1] + apart),
                       taps.weight, vectors, length)
            line += length
    elif weight != NULL:
        for row in range(first, last):
            taps.row[0] = plane + h.low[row] * stride
            blend_two(line, <const pixel_t*>taps.row[0], <const pixel_t*>(taps.row[0] + apart),
                      weight, vectors, length)
            line += length
    else:
        for row in range(first, last):
            blend_one(line, <const pixel_t*>(plane + h.low[row] * stride), vectors, length)
            line += length


cdef inline void blend_group(work_t* line, const char* source, const char* limit, const Axis* d,
                             const Axis* h, const Rows* rows, Place at, Py_ssize_t count,
                             Py_ssize_t skip, Py_ssize_t length, pixel_t like) noexcept nogil:
    """Blend so many rows to lines of `length` elements, from element `skip` of the source rows on.

    A vector that a line ends within reaches into the next one, which is made after it, and reads
    what is behind the source's row, which must not be behind the source: that ends at `limit`.
    """
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t vectors = (length + lanes - 1) // lanes, whole = length // lanes
    cdef Py_ssize_t item = sizeof(pixel_t), apart, piece, safe, furthest
    cdef const char* plane
    cdef const double* weight
    while count > 0:
        piece = min(count, rows.height - at.h)
        plane = source + at.n * rows.src_n + at.m * rows.src_m + d.low[at.d] * rows.src_d + (
            skip * item)
        apart = 0
        weight = NULL
        if d.t != NULL:
            weight = d.weight + 2 * at.d
            apart = rows.src_d if d.low[at.d] < d.last else 0
        # How many rows' last vectors end within the source, even those of the lowest neighbours.
        safe = piece
        furthest = limit - plane - max(apart, 0) - vectors * lanes * item
        if rows.src_h < 0:
            if h.low[at.h] * rows.src_h > furthest:
                safe = 0
        else:
            while safe > 0 and (
                    min(h.low[at.h + safe - 1] + 1, h.last) * rows.src_h > furthest):
                safe -= 1
        blend_rows(line, plane, apart, h, rows.src_h, weight, at.h, at.h + safe, vectors, length,
                   like)
        blend_rows(line + safe * length, plane, apart, h, rows.src_h, weight, at.h + safe,
                   at.h + piece, whole, length, like)
        line += piece * length
        count -= piece
        step(rows, &at, piece)
