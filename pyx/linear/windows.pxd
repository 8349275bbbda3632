"""Windows: blend and spread in registers, no line is stored."""

from libc.string cimport memcpy

from dtypes cimport mix, pixel_t, put, splat, widen, work_t
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


cdef struct Weights:  # of the source rows, for a row and, of two rows, for the next
    words p, q, r, s


cdef inline words blended(const Taps* taps, Py_ssize_t at, const Weights* weights, pixel_t kind,
                          work_t like) noexcept nogil:
    """Return a vector of the blend of one or two source rows."""
    cdef words a = widen(<const pixel_t*>taps.row[0] + at)
    if taps.count > 1:
        a = mix(a, widen(<const pixel_t*>taps.row[1] + at), weights.p, weights.q, like)
    return a


cdef inline void window_row(pixel_t* row, const Taps* taps, const Table* t, Py_ssize_t first,
                            Py_ssize_t last, bint past, work_t like) noexcept nogil:
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t furthest = t.width * t.channels - (first + 1) * lanes, k
    cdef words low, high
    cdef Weights weights
    cdef Spread by
    if taps.count > 1:
        weights.p = splat(<work_t>taps.weight[0])
        weights.q = splat(<work_t>taps.weight[1])
    for k in range(first, last):
        by = spread_by(t, k)
        low = high = blended(taps, t.base[k], &weights, <pixel_t>0, like)
        if t.reach == APART:
            high = blended(taps, t.upper[k], &weights, <pixel_t>0, like)
        put(row + min((k - first) * lanes, furthest), spread(low, high, &by, like), past)


cdef inline void window_twice(pixel_t* to, pixel_t* next_to, const pixel_t* a, const pixel_t* b,
                              Py_ssize_t base, Py_ssize_t upper, const Spread* by,
                              const Weights* weights, bint apart, bint past,
                              work_t like) noexcept nogil:
    cdef words left = widen(a + base), right = widen(b + base)
    cdef words low = mix(left, right, weights.p, weights.q, like)
    cdef words next_low = mix(left, right, weights.r, weights.s, like)
    if not apart:
        put(to, spread(low, low, by, like), past)
        put(next_to, spread(next_low, next_low, by, like), past)
        return
    left = widen(a + upper)
    right = widen(b + upper)
    put(to, spread(low, mix(left, right, weights.p, weights.q, like), by, like), past)
    put(next_to, spread(next_low, mix(left, right, weights.r, weights.s, like), by, like), past)


cdef inline void window_rows(pixel_t* row, pixel_t* next_row, const pixel_t* a, const pixel_t* b,
                             const double* weight, const double* next_weight, const Table* t,
                             Py_ssize_t first, Py_ssize_t last, bint past,
                             work_t like) noexcept nogil:
    """Two rows of the result between the same two source rows."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t furthest = t.width * t.channels - (first + 1) * lanes
    cdef Py_ssize_t even = min(max(t.even, first), last), odd = min(max(t.odd, even), last)
    cdef Py_ssize_t advance = t.advance, base, upper, k = first, at, _k
    cdef bint apart = t.reach == APART
    cdef Weights weights
    cdef Spread by
    weights.p = splat(<work_t>weight[0])
    weights.q = splat(<work_t>weight[1])
    weights.r = splat(<work_t>next_weight[0])
    weights.s = splat(<work_t>next_weight[1])
    while k < last:
        at = min((k - first) * lanes, furthest)
        by = spread_by(t, k)
        base = t.base[k]
        upper = t.upper[k]
        if k < even or k >= odd:
            window_twice(row + at, next_row + at, a, b, base, upper, &by, &weights, apart, past,
                         like)
            k += 1
        elif not apart and not past:
            for _k in range(even, odd):
                window_twice(row + at, next_row + at, a, b, base, base, &by, &weights, False, False,
                             like)
                at += lanes
                base += advance
            k = odd
        else:
            for _k in range(even, odd):
                window_twice(row + at, next_row + at, a, b, base, upper, &by, &weights, apart, past,
                             like)
                at += lanes
                base += advance
                upper += advance
            k = odd


cdef inline void window_plane(char* to, Py_ssize_t spacing, const char* plane, Py_ssize_t stride,
                              const Axis* h, const Table* t, Py_ssize_t row, Py_ssize_t end,
                              Py_ssize_t first, Py_ssize_t last, bint pairs, pixel_t kind,
                              work_t like) noexcept nogil:
    """Write the rows `row` to `end` - 1 of a plane, `spacing` bytes apart, two taps each."""
    cdef const char* a
    cdef const char* b
    cdef Taps taps
    while row < end:
        a = plane + h.low[row] * stride
        b = a + (stride if h.low[row] < h.last else 0)
        if pairs and row + 1 < end and h.low[row + 1] == h.low[row]:
            window_rows(<pixel_t*>to, <pixel_t*>(to + spacing), <const pixel_t*>a,
                        <const pixel_t*>b, h.weight + 2 * row, h.weight + 2 * row + 2, t, first,
                        last, False, like)
            row += 2
            to += 2 * spacing
            continue
        taps.count = 2
        taps.row[0] = a
        taps.row[1] = b
        taps.weight[0] = h.weight[2 * row]
        taps.weight[1] = h.weight[2 * row + 1]
        window_row(<pixel_t*>to, &taps, t, first, last, False, like)
        row += 1
        to += spacing


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


cdef inline void looked_up_row(pixel_t* to, pixel_t* next_to, const pixel_t* a, const pixel_t* b,
                               const Table* t, const Weights* weights, Py_ssize_t size, bint twice,
                               work_t like) noexcept nogil:
    """Write a row, and the next if `twice`, by vectors whose tables are looked up."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), k, at
    cdef Py_ssize_t count = (size + lanes - 1) // lanes
    cdef words low
    cdef Spread by
    for k in range(count):
        at = min(k * lanes, size - lanes)
        by = spread_by(t, k)
        if twice:
            window_twice(to + at, next_to + at, a, b, t.base[k], t.base[k], &by, weights, False,
                         False, like)
        else:
            low = mix(widen(a + t.base[k]), widen(b + t.base[k]), weights.p, weights.q, like)
            put(to + at, spread(low, low, &by, like), False)


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
    cdef Weights weights
    cdef pixel_t[MOST_LANES] last_a
    cdef pixel_t[MOST_LANES] last_b
    cdef words left, right
    cdef const char* plane
    cdef const char* a
    cdef const char* b
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
            a = plane + h.low[row] * rows.src_h
            b = a + (rows.src_h if h.low[row] < h.last else 0)
            twice = pairs and row + 1 < end and h.low[row + 1] == h.low[row]
            weights.p = splat(weight[2 * row])
            weights.q = splat(weight[2 * row + 1])
            if twice:
                weights.r = splat(weight[2 * row + 2])
                weights.s = splat(weight[2 * row + 3])
            if source_size < lanes and (a > furthest or b > furthest):
                memcpy(last_a, a, source_size * sizeof(pixel_t))
                memcpy(last_b, b, source_size * sizeof(pixel_t))
                a = <const char*>last_a
                b = <const char*>last_b
            if held == 0:
                looked_up_row(<pixel_t*>result, <pixel_t*>(result + rows.dst_h),
                              <const pixel_t*>a, <const pixel_t*>b, t, &weights, size, twice,
                              like)
            else:
                left = widen(<const pixel_t*>a)
                right = widen(<const pixel_t*>b)
                put_row(<pixel_t*>result, mix(left, right, weights.p, weights.q, like), &by,
                        &next_by, held, size, like)
                if twice:
                    put_row(<pixel_t*>(result + rows.dst_h),
                            mix(left, right, weights.r, weights.s, like), &by, &next_by, held,
                            size, like)
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
