"""Windows: blend and spread in registers, no line is stored."""

from libc.string cimport memcpy

from blend cimport Four, blended, loaded, weights_of
from dtypes cimport mix, pixel_t, put, splat, work_t
from rows cimport Place, Rows, place_of, step
from table cimport APART, MOST_LANES, Axis, Table, Taps
from vector cimport UPSHAPE_VECTOR_BYTES, load, permute, store_first, words

# All but uint8. A row's vectors `first` to `last` - 1 are made, of one row or of two between
# the same source rows; the last one of a row is moved back, so that it ends with the row. What a
# vector is spread by is looked up, but for the stretch where only the windows' places change.

cdef struct Spread:
    words low, high, u, v


cdef inline Spread spread_by(const Table* t, Py_ssize_t k) noexcept nogil:
    cdef const char* by = t.by + 4 * k * UPSHAPE_VECTOR_BYTES
    cdef Spread spread
    spread.low = load(by)
    spread.high = load(by + UPSHAPE_VECTOR_BYTES)
    spread.u = load(by + 2 * UPSHAPE_VECTOR_BYTES)
    spread.v = load(by + 3 * UPSHAPE_VECTOR_BYTES)
    return spread


cdef inline words spread(words low, words high, const Spread* by, work_t like) noexcept nogil:
    return mix(permute(low, by.low), permute(high, by.high), by.u, by.v, like)


cdef inline void window_vector(pixel_t* to, pixel_t* next_to, const Taps* taps, Py_ssize_t base,
                               Py_ssize_t upper, const Spread* by, const Four* weights,
                               const Four* next_weights, bint apart, bint past, int count,
                               bint twice, work_t like) noexcept nogil:
    """Write a vector of a row, and if `twice` of the next one, which shares the source rows."""
    cdef Four rows = loaded(taps, base, count, <pixel_t>0), high_rows = rows
    cdef words low = blended(&rows, weights, count, like), next_low
    if apart:
        high_rows = loaded(taps, upper, count, <pixel_t>0)
    put(to, spread(low, blended(&high_rows, weights, count, like) if apart else low, by, like),
        past)
    if twice:
        next_low = blended(&rows, next_weights, count, like)
        put(next_to, spread(next_low, blended(&high_rows, next_weights, count, like) if apart
                            else next_low, by, like), past)


cdef inline void window_rows(pixel_t* row, pixel_t* next_row, const Taps* taps, const Taps* next_,
                             const Table* t, Py_ssize_t first, Py_ssize_t last, bint past,
                             int count, bint twice, work_t like) noexcept nogil:
    """Write the vectors `first` to `last` - 1 of a row, and if `twice` of the next one."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t furthest = t.width * t.channels - (first + 1) * lanes
    cdef Py_ssize_t even = min(max(t.even, first), last), odd = min(max(t.odd, even), last)
    cdef Py_ssize_t advance = t.advance, base, upper, k = first, at, _k
    cdef bint apart = t.reach == APART
    cdef Taps own = taps[0]
    cdef Four weights = weights_of(taps, count, like), next_weights = weights
    cdef Spread by
    if twice:
        next_weights = weights_of(next_, count, like)
    while k < last:
        at = min((k - first) * lanes, furthest)
        by = spread_by(t, k)
        base = t.base[k]
        upper = t.upper[k]
        if k < even or k >= odd:
            window_vector(row + at, next_row + at, &own, base, upper, &by, &weights, &next_weights,
                          apart, past, count, twice, like)
            k += 1
        elif not apart and not past:
            for _k in range(even, odd):
                window_vector(row + at, next_row + at, &own, base, base, &by, &weights,
                              &next_weights, False, False, count, twice, like)
                at += lanes
                base += advance
            k = odd
        else:
            for _k in range(even, odd):
                window_vector(row + at, next_row + at, &own, base, upper, &by, &weights,
                              &next_weights, apart, past, count, twice, like)
                at += lanes
                base += advance
                upper += advance
            k = odd


cdef inline void windows(pixel_t* row, pixel_t* next_row, const Taps* taps, const Taps* next_,
                         const Table* t, Py_ssize_t first, Py_ssize_t last, bint past,
                         work_t like) noexcept nogil:
    """Do so of however many source rows there are, for two rows if `next_row` is not NULL."""
    if next_row != NULL:
        window_rows(row, next_row, taps, next_, t, first, last, past, 2, True, like)
    elif taps.count == 2:
        window_rows(row, row, taps, next_, t, first, last, past, 2, False, like)
    else:
        window_rows(row, row, taps, next_, t, first, last, past, 1, False, like)


cdef inline void window_plane(char* to, Py_ssize_t spacing, const char* plane, Py_ssize_t stride,
                              const Axis* h, const Table* t, Py_ssize_t row, Py_ssize_t end,
                              Py_ssize_t first, Py_ssize_t last, bint pairs, pixel_t kind,
                              work_t like) noexcept nogil:
    """Write the rows `row` to `end` - 1 of a plane, `spacing` bytes apart, two taps each."""
    cdef Taps taps, next_
    cdef bint pair
    while row < end:
        taps.count = 2
        taps.row[0] = plane + h.low[row] * stride
        taps.row[1] = taps.row[0] + (stride if h.low[row] < h.last else 0)
        taps.weight[0] = h.weight[2 * row]
        taps.weight[1] = h.weight[2 * row + 1]
        pair = pairs and row + 1 < end and h.low[row + 1] == h.low[row]
        if pair:
            next_.weight[0] = h.weight[2 * row + 2]
            next_.weight[1] = h.weight[2 * row + 3]
            window_rows(<pixel_t*>to, <pixel_t*>(to + spacing), &taps, &next_, t, first, last,
                        False, 2, True, like)
        else:
            window_rows(<pixel_t*>to, <pixel_t*>to, &taps, &next_, t, first, last, False, 2,
                        False, like)
        row += 2 if pair else 1
        to += 2 * spacing if pair else spacing


# Planes of rows of a few vectors, where tables of a row weigh as much as its pixels: the weights of
# rows are looked up as they are used, and what the vectors are spread by is held in registers over
# all planes, where a source row is one window and a row of the result one vector or two.

cdef inline void put_row(pixel_t* to, words low, const Spread* by, const Spread* next_by, int held,
                         Py_ssize_t size, work_t like) noexcept nogil:
    """Write a row of `held` vectors, whose `size` elements come from one window."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    if held == 1 and size < lanes and (pixel_t is float or pixel_t is double):
        store_first(to, spread(low, low, by, like), size * sizeof(pixel_t) // 4)
        return
    put(to, spread(low, low, by, like), False)
    if held == 2:
        put(to + size - lanes, spread(low, low, next_by, like), False)


cdef inline void looked_up_row(pixel_t* to, pixel_t* next_to, const Taps* taps, const Table* t,
                               const Four* weights, const Four* next_weights, Py_ssize_t size,
                               bint twice, work_t like) noexcept nogil:
    """Write a row, and the next if `twice`, by vectors whose tables are looked up."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), k, at
    cdef Py_ssize_t count = (size + lanes - 1) // lanes
    cdef Spread by
    for k in range(count):
        at = min(k * lanes, size - lanes)
        by = spread_by(t, k)
        window_vector(to + at, next_to + at, taps, t.base[k], t.base[k], &by, weights,
                      next_weights, False, False, 2, twice, like)


cdef inline void few_vectors(const Table* t, const Rows* rows, const Axis* d, const Axis* h,
                             char* to, const char* source, const char* limit, Py_ssize_t first,
                             Py_ssize_t last, int held, bint pairs, pixel_t kind,
                             work_t like) noexcept nogil:
    """Write the rows `first` to `last` - 1 of few vectors; held: how many, 0 where looked up.

    What lies behind a source row is read as well, if the row is narrower than a vector, but never
    what lies behind the source, which ends at `limit`.
    """
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t size = t.width * t.channels, source_size = t.source_width * t.channels
    cdef const char* furthest = limit - lanes * <Py_ssize_t>sizeof(pixel_t)
    cdef const work_t* weight = <const work_t*>h.as_work
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t row, end, count
    cdef Spread by = spread_by(t, 0), next_by = spread_by(t, 1 if held == 2 else 0)
    cdef Four weights, next_weights, window
    cdef pixel_t[MOST_LANES] last_a
    cdef pixel_t[MOST_LANES] last_b
    cdef const char* plane
    cdef Taps taps
    cdef char* result
    cdef bint twice
    while first < last:
        count = min(last - first, rows.height - at.h)
        plane = source + at.n * rows.src_n + at.m * rows.src_m + d.low[at.d] * rows.src_d
        result = (to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d
                  + at.h * rows.dst_h)
        row = at.h
        end = row + count
        while row < end:
            taps.row[0] = plane + h.low[row] * rows.src_h
            taps.row[1] = taps.row[0] + (rows.src_h if h.low[row] < h.last else 0)
            twice = pairs and row + 1 < end and h.low[row + 1] == h.low[row]
            weights.of[0] = splat(weight[2 * row])
            weights.of[1] = splat(weight[2 * row + 1])
            if twice:
                next_weights.of[0] = splat(weight[2 * row + 2])
                next_weights.of[1] = splat(weight[2 * row + 3])
            if source_size < lanes and (taps.row[0] > furthest or taps.row[1] > furthest):
                memcpy(last_a, taps.row[0], source_size * sizeof(pixel_t))
                memcpy(last_b, taps.row[1], source_size * sizeof(pixel_t))
                taps.row[0] = <const char*>last_a
                taps.row[1] = <const char*>last_b
            if held == 0 and twice:
                looked_up_row(<pixel_t*>result, <pixel_t*>(result + rows.dst_h), &taps, t,
                              &weights, &next_weights, size, True, like)
            elif held == 0:
                looked_up_row(<pixel_t*>result, <pixel_t*>result, &taps, t, &weights, &weights,
                              size, False, like)
            else:
                window = loaded(&taps, 0, 2, kind)
                put_row(<pixel_t*>result, blended(&window, &weights, 2, like), &by, &next_by,
                        held, size, like)
                if twice:
                    put_row(<pixel_t*>(result + rows.dst_h),
                            blended(&window, &next_weights, 2, like), &by, &next_by, held, size,
                            like)
            row += 2 if twice else 1
            result += 2 * rows.dst_h if twice else rows.dst_h
        step(rows, &at, count)
        first += count


cdef inline void few_held_vectors(const Table* t, const Rows* rows, const Axis* d, const Axis* h,
                                  char* to, const char* source, const char* limit, Py_ssize_t first,
                                  Py_ssize_t last, pixel_t kind, work_t like) noexcept nogil:
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    if t.width * t.channels <= lanes:
        few_vectors(t, rows, d, h, to, source, limit, first, last, 1, True, kind, like)
    else:
        few_vectors(t, rows, d, h, to, source, limit, first, last, 2, True, kind, like)


# Results of so many bytes whose rows do not begin with a vector are written row by row: two rows
# side by side then take 1.2 times as long (Granite Rapids, v4, from 3 MiB on; 2 MiB are its second
# cache).
cdef enum:
    PAIRED = 2 << 20


cdef inline bint side_by_side(const Table* t, const Rows* rows, pixel_t* to) noexcept nogil:
    """Return whether two rows at once are the faster way."""
    cdef Py_ssize_t pixels = rows.n * rows.m * rows.depth * rows.height * t.width
    return (pixels * t.channels * <Py_ssize_t>sizeof(pixel_t) < PAIRED
            or (<size_t>to | <size_t>rows.dst_h) % UPSHAPE_VECTOR_BYTES == 0)


cdef inline void run_windows(const Table* t, const Rows* rows, const Axis* d, const Axis* h,
                             pixel_t* to, const char* source, const char* limit, Py_ssize_t first,
                             Py_ssize_t last, Py_ssize_t tile, work_t like) noexcept nogil:
    """Compute one tile of the rows `first` to `last` - 1 of two taps each by windows."""
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t start = t.tile[3 * tile] * t.lanes * <Py_ssize_t>sizeof(pixel_t), count
    cdef bint pairs = side_by_side(t, rows, to)
    if t.few and t.tile[3] <= 2 and t.source_width * t.channels <= t.lanes:
        few_held_vectors(t, rows, d, h, <char*>to, source, limit, first, last, <pixel_t>0, like)
        return
    if t.few:
        few_vectors(t, rows, d, h, <char*>to, source, limit, first, last, 0, pairs, <pixel_t>0,
                    like)
        return
    while first < last:
        count = min(last - first, rows.height - at.h)
        window_plane(<char*>to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d
                     + at.h * rows.dst_h + start, rows.dst_h,
                     source + at.n * rows.src_n + at.m * rows.src_m + d.low[at.d] * rows.src_d,
                     rows.src_h, h, t, at.h, at.h + count, t.tile[3 * tile], t.tile[3 * tile + 3],
                     pairs, <pixel_t>0, like)
        step(rows, &at, count)
        first += count
