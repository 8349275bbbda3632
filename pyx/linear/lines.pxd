"""Lines: spread what was blended and stored."""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

from blend cimport blend_group
from dtypes cimport mix, pixel_t, work_t
from near_tie cimport settle_lines, written
from rows cimport Place, Rows, place_of, step
from table cimport (
    APART,
    FAR,
    MOST_LANES,
    NEAR,
    SAME,
    WIDE,
    WIDER_APART,
    WIDE_APART,
    Axis,
    Doubt,
    Reach,
    Table,
)
from vector cimport UPSHAPE_VECTOR_BYTES, load, permute, permute_four, permute_two, stream, words


cdef inline words taken(const work_t* low, const work_t* high, const char* by, Reach reach,
                        work_t like) noexcept nogil:
    """Return a vector of what a line is spread to."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef words order = load(by), high_order = load(by + UPSHAPE_VECTOR_BYTES), a, b
    if reach == NEAR or reach == APART:
        a = permute(load(low), order)
        b = permute(load(high), high_order)
    elif reach == WIDER_APART:
        a = permute_four(load(low), load(low + lanes), load(low + 2 * lanes),
                         load(low + 3 * lanes), order)
        b = permute_four(load(high), load(high + lanes), load(high + 2 * lanes),
                         load(high + 3 * lanes), high_order)
    else:
        a = permute_two(load(low), load(low + lanes), order)
        b = permute_two(load(high), load(high + lanes), high_order)
    return mix(a, b, load(by + 2 * UPSHAPE_VECTOR_BYTES), load(by + 3 * UPSHAPE_VECTOR_BYTES),
               like)


cdef inline words gathered(const work_t* line, const int64_t* base, const int64_t* upper,
                           const char* by, work_t like) noexcept nogil:
    """The same, element by element."""
    cdef work_t[MOST_LANES] a
    cdef work_t[MOST_LANES] b
    cdef Py_ssize_t j
    for j in range(<Py_ssize_t>(UPSHAPE_VECTOR_BYTES // sizeof(work_t))):
        a[j] = line[base[j]]
        b[j] = line[upper[j]]
    return mix(load(a), load(b), load(by + 2 * UPSHAPE_VECTOR_BYTES),
               load(by + 3 * UPSHAPE_VECTOR_BYTES), like)


cdef inline Py_ssize_t spread_vectors(pixel_t* to, Py_ssize_t at, const work_t* line,
                                      const Table* t, Py_ssize_t first, Py_ssize_t last,
                                      Py_ssize_t furthest, Doubt* doubt, Py_ssize_t doubts,
                                      bint look, Reach reach) noexcept nogil:
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef const char* by = t.by + 4 * first * UPSHAPE_VECTOR_BYTES
    cdef const int64_t* base = t.base
    cdef const int64_t* upper = t.base if reach == NEAR or reach == WIDE else t.upper
    cdef Py_ssize_t k, place
    cdef words value
    for k in range(first, last):
        if reach == SAME:
            value = load(line + first * lanes + min((k - first) * lanes, furthest))
        elif reach == FAR:
            value = gathered(line, t.base + k * lanes, t.upper + k * lanes, by, <work_t>0)
        else:
            value = taken(line + base[k], line + upper[k], by, reach, <work_t>0)
        by += 4 * UPSHAPE_VECTOR_BYTES
        place = at + min((k - first) * lanes, furthest)
        doubts = written(to + place, value, place, look, False, doubt, doubts)
    return doubts


cdef inline Py_ssize_t spread_line(pixel_t* to, Py_ssize_t at, const work_t* line, const Table* t,
                                   Py_ssize_t first, Py_ssize_t last, Py_ssize_t furthest,
                                   Doubt* doubt, Py_ssize_t doubts) noexcept nogil:
    """Write vectors `first` to `last` - 1 of a line from element `at` on; return how many doubts.

    A vector begins `furthest` elements behind `at`, or before.
    """
    cdef bint look = not t.exact
    if t.reach == NEAR:
        return spread_vectors(to, at, line, t, first, last, furthest, doubt, doubts, look, NEAR)
    if t.reach == APART:
        return spread_vectors(to, at, line, t, first, last, furthest, doubt, doubts, look, APART)
    if t.reach == WIDE:
        return spread_vectors(to, at, line, t, first, last, furthest, doubt, doubts, look, WIDE)
    if t.reach == WIDE_APART:
        return spread_vectors(to, at, line, t, first, last, furthest, doubt, doubts, look,
                              WIDE_APART)
    if t.reach == WIDER_APART:
        return spread_vectors(to, at, line, t, first, last, furthest, doubt, doubts, look,
                              WIDER_APART)
    if t.reach == FAR:
        return spread_vectors(to, at, line, t, first, last, furthest, doubt, doubts, look, FAR)
    return spread_vectors(to, at, line, t, first, last, furthest, doubt, doubts, look, SAME)


cdef inline Py_ssize_t spread_group(pixel_t* to, const work_t* line, const Table* t,
                                    Py_ssize_t rows, Py_ssize_t source,
                                    Doubt* doubt) noexcept nogil:
    """Write so many whole rows, one after another, from their lines of `source` elements."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t row = t.width * t.channels, done = 0, doubts = 0
    cdef Py_ssize_t together = rows if t.reach == SAME else t.rows
    cdef Py_ssize_t total = together * row, whole, rest, before
    cdef pixel_t[MOST_LANES] last
    if total >= lanes:
        while done + together <= rows:
            doubts = spread_line(to, done * row, line + done * source, t, 0,
                                 (total + lanes - 1) // lanes, total - lanes, doubt, doubts)
            done += together
    if done == rows:
        return doubts
    whole = (rows - done) * row // lanes
    rest = (rows - done) * row % lanes
    line += done * source
    doubts = spread_line(to, done * row, line, t, 0, whole, total, doubt, doubts)
    if rest > 0:
        before = doubts
        doubts = spread_line(last, 0, line, t, whole, whole + 1, 0, doubt, doubts)
        memcpy(to + done * row + whole * lanes, last, rest * sizeof(pixel_t))
        if doubts > before:
            doubt[before].at = done * row + whole * lanes
            doubt[before].lanes &= (<unsigned>1 << rest) - 1
    return doubts


cdef inline Py_ssize_t gapless(const Rows* rows, Py_ssize_t bytes) noexcept nogil:
    """Return after how many rows of so many bytes there may be a gap between rows of the result."""
    if rows.height > 1 and rows.dst_h != bytes:
        return 1
    bytes *= rows.height
    if rows.depth > 1 and rows.dst_d != bytes:
        return rows.height
    bytes *= rows.depth
    if rows.m > 1 and rows.dst_m != bytes:
        return rows.height * rows.depth
    bytes *= rows.m
    if rows.n > 1 and rows.dst_n != bytes:
        return rows.height * rows.depth * rows.m
    return rows.height * rows.depth * rows.m * rows.n


cdef inline void run_lines(const Table* t, const Rows* rows, const Axis* d, const Axis* h,
                           pixel_t* to, const char* source, const char* limit, Py_ssize_t first,
                           Py_ssize_t last, Py_ssize_t tile, work_t* line,
                           char* stage) noexcept nogil:
    """Compute one tile of the rows `first` to `last` - 1 by way of lines, several rows at once."""
    cdef Py_ssize_t item = sizeof(pixel_t), row = t.width * t.channels
    cdef Py_ssize_t start = t.tile[3 * tile] * t.lanes
    cdef Py_ssize_t size = min(t.tile[3 * tile + 3] * t.lanes, row) - start
    cdef Py_ssize_t skip = t.tile[3 * tile + 1] * t.channels
    cdef Py_ssize_t length = t.tile[3 * tile + 2] * t.channels - skip
    cdef Py_ssize_t together = gapless(rows, row * item), count, doubts
    cdef Doubt* doubt = <Doubt*>(<char*>line + t.doubts_at)
    cdef char* result
    cdef pixel_t* target
    cdef Place at = place_of(rows, first)
    while first < last:
        count = min(last - first, t.group)
        if count > 1:
            count = min(count, together - first % together)
        result = (<char*>to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d
                  + at.h * rows.dst_h + start * item)
        target = <pixel_t*>(result if stage == NULL else stage)
        blend_group(line, source, limit, d, h, rows, at, count, skip, length, <pixel_t>0)
        if t.tiles == 1:
            doubts = spread_group(target, line, t, count, length, doubt)
        else:
            doubts = spread_line(target, 0, line - skip, t, t.tile[3 * tile], t.tile[3 * tile + 3],
                                 row - start - t.lanes, doubt, 0)
        if pixel_t is uint8_t:
            if doubts > 0:
                settle_lines(<uint8_t*>target, first, start, source, d, h, rows, t, doubt, doubts)
        if stage != NULL:
            stream(result, stage, (size if count == 1 else count * row) * item)
        first += count
        if count == 1:
            step(rows, &at, 1)
        else:
            at = place_of(rows, first)
