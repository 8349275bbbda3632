"""Windows: blend and spread in registers, no line is stored."""

from libc.string cimport memcpy

from blend cimport Four, blended, loaded, weights_of
from dtypes cimport mix, pixel_t, put, splat, widen, work_t
from rows cimport Place, Rows, place_of, step
from table cimport APART, MOST_LANES, Axis, Table, Taps
from vector cimport UPSHAPE_VECTOR_BYTES, load, permute, store_first, stream, words

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


cdef inline void looked_up(pixel_t* row, pixel_t* next_row, const Taps* taps, const Table* t,
                           Py_ssize_t begin, Py_ssize_t first, Py_ssize_t last,
                           const Four* weights, const Four* next_weights, bint apart, bint past,
                           int count, bint twice, work_t like) noexcept nogil:
    """Write the vectors `first` to `last` - 1 of rows that begin with vector `begin`."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), k, at
    cdef Py_ssize_t furthest = t.width * t.channels - (begin + 1) * lanes
    cdef Spread by
    for k in range(first, last):
        at = min((k - begin) * lanes, furthest)
        by = spread_by(t, k)
        window_vector(row + at, next_row + at, taps, t.base[k], t.upper[k] if apart else t.base[k],
                      &by, weights, next_weights, apart, past, count, twice, like)


cdef inline void window_vectors(pixel_t* row, pixel_t* next_row, const Taps* taps,
                                const Taps* next_, const Table* t, Py_ssize_t first,
                                Py_ssize_t last, bint apart, bint past, int count, bint twice,
                                work_t like) noexcept nogil:
    """Write the vectors `first` to `last` - 1 of a row, and if `twice` of the next one."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t even = min(max(t.even, first), last), odd = min(max(t.odd, even), last)
    cdef Py_ssize_t advance = t.advance, base, upper, at = (even - first) * lanes, _k
    cdef Taps own = taps[0]
    cdef Four weights = weights_of(taps, count, like), next_weights = weights
    cdef Spread by
    if twice:
        next_weights = weights_of(next_, count, like)
    looked_up(row, next_row, &own, t, first, first, even, &weights, &next_weights, apart, past,
              count, twice, like)
    if even < odd:
        by = spread_by(t, even)
        base = t.base[even]
        upper = t.upper[even]
        for _k in range(even, odd):
            window_vector(row + at, next_row + at, &own, base, upper, &by, &weights,
                          &next_weights, apart, past, count, twice, like)
            at += lanes
            base += advance
            upper += advance
    looked_up(row, next_row, &own, t, first, odd, last, &weights, &next_weights, apart, past,
              count, twice, like)


cdef inline void window_rows(pixel_t* row, pixel_t* next_row, const Taps* taps, const Taps* next_,
                             const Table* t, Py_ssize_t first, Py_ssize_t last, bint past,
                             int count, bint twice, work_t like) noexcept nogil:
    if t.reach == APART:
        window_vectors(row, next_row, taps, next_, t, first, last, True, past, count, twice, like)
    elif past:
        window_vectors(row, next_row, taps, next_, t, first, last, False, True, count, twice, like)
    else:
        window_vectors(row, next_row, taps, next_, t, first, last, False, False, count, twice,
                       like)


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
                              Py_ssize_t first, Py_ssize_t last, pixel_t kind,
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
        pair = row + 1 < end and h.low[row + 1] == h.low[row]
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


# Planes of rows of a few vectors, where tables of a row weigh as much as its pixels: column after
# column of vectors, two at a time, so that what vectors are spread by stays in registers over all
# rows of a plane, or of several. Where rows come in even pairs (a factor of 2) their weights stay
# there as well, and a source row is loaded once.

# Bytes of a result whose columns are made one after another, if two rows have no more: as _COLUMNS
# in upshape/spreading.py.
cdef enum:
    COLUMNS = 8192

# Several planes: how many, and the bytes from one to the next in the result and the source.
cdef struct Pile:
    Py_ssize_t planes, result, source


cdef inline void put_spread(pixel_t* to, words line, const Spread* by, bint whole, Py_ssize_t size,
                            work_t like) noexcept nogil:
    """Write a vector, or only its first `size` elements if not `whole`."""
    cdef words value = spread(line, line, by, like)
    if pixel_t is float or pixel_t is double:
        if not whole:
            store_first(to, value, size * sizeof(pixel_t) // 4)
            return
    put(to, value, False)


# What two columns are made from and spread by.
cdef struct Columns:
    Spread by[2]
    Py_ssize_t source  # bytes from the windows of the first to those of the second
    Py_ssize_t result  # the same of what they become
    Py_ssize_t size  # elements of a vector that are written

# How many columns: part of one, one, two that share their windows, two.
cdef enum Side:
    PART, ONE, SHARED, TWO


cdef inline void put_columns(char* to, words line, words other, const Columns* columns, Side side,
                             pixel_t kind, work_t like) noexcept nogil:
    put_spread(<pixel_t*>to, line, &columns.by[0], side != PART, columns.size, like)
    if side == SHARED or side == TWO:
        put_spread(<pixel_t*>(to + columns.result), other if side == TWO else line,
                   &columns.by[1], True, columns.size, like)


cdef inline void column_pairs(char* to, Py_ssize_t spacing, const char* source, Py_ssize_t stride,
                              const work_t* weight, Py_ssize_t pairs, const Columns* columns,
                              Side side, pixel_t kind, work_t like) noexcept nogil:
    """Write so many even pairs of rows: the weights are those of the first."""
    cdef words p = splat(weight[0]), q = splat(weight[1])
    cdef words next_p = splat(weight[2]), next_q = splat(weight[3])
    cdef words low = widen(<const pixel_t*>source), high, other = low, other_high = low
    cdef Py_ssize_t _k
    if side == TWO:
        other = widen(<const pixel_t*>(source + columns.source))
    for _k in range(pairs):
        source += stride
        high = widen(<const pixel_t*>source)
        if side == TWO:
            other_high = widen(<const pixel_t*>(source + columns.source))
        put_columns(to, mix(low, high, p, q, like), mix(other, other_high, p, q, like), columns,
                    side, kind, like)
        put_columns(to + spacing, mix(low, high, next_p, next_q, like),
                    mix(other, other_high, next_p, next_q, like), columns, side, kind, like)
        low = high
        other = other_high
        to += 2 * spacing


cdef inline void column_rows(char* to, Py_ssize_t spacing, const char* source, Py_ssize_t stride,
                             const Axis* h, Py_ssize_t row, Py_ssize_t end,
                             const Columns* columns, Side side, pixel_t kind,
                             work_t like) noexcept nogil:
    """Write the rows `row` to `end` - 1, one by one."""
    cdef const work_t* weight = <const work_t*>h.as_work
    cdef Py_ssize_t last = h.last, low
    cdef const char* a
    cdef const char* b
    cdef words line, other, p, q
    for row in range(row, end):
        low = h.low[row]
        a = source + low * stride
        b = a + (stride if low < last else 0)
        p = splat(weight[2 * row])
        q = splat(weight[2 * row + 1])
        line = mix(widen(<const pixel_t*>a), widen(<const pixel_t*>b), p, q, like)
        other = line
        if side == TWO:
            other = mix(widen(<const pixel_t*>(a + columns.source)),
                        widen(<const pixel_t*>(b + columns.source)), p, q, like)
        put_columns(to, line, other, columns, side, kind, like)
        to += spacing


cdef inline void column(char* to, Py_ssize_t spacing, const char* source, Py_ssize_t stride,
                        const Pile* pile, const Axis* h, Py_ssize_t row, Py_ssize_t end,
                        const Columns* columns, Side side, pixel_t kind,
                        work_t like) noexcept nogil:
    """Write one column, or two, of the rows `row` to `end` - 1 of each plane."""
    cdef Columns own = columns[0]  # in registers: a store might change what is pointed to
    cdef Py_ssize_t begin = max(row, h.even), pairs, after, _k
    begin += (begin - h.even) % 2
    pairs = max(0, (min(end, h.odd) - begin) // 2)
    if pairs == 0:
        begin = row
    after = begin + 2 * pairs
    for _k in range(pile.planes):
        if pairs > 0:
            column_rows(to, spacing, source, stride, h, row, begin, &own, side, kind, like)
            column_pairs(to + (begin - row) * spacing, spacing, source + h.low[begin] * stride,
                         stride, <const work_t*>h.as_work + 2 * begin, pairs, &own, side, kind,
                         like)
        column_rows(to + (after - row) * spacing, spacing, source, stride, h, after, end, &own,
                    side, kind, like)
        to += pile.result
        source += pile.source


cdef inline void all_columns(char* to, Py_ssize_t spacing, const char* plane, Py_ssize_t stride,
                             const Pile* pile, const Axis* h, const Table* t, Py_ssize_t row,
                             Py_ssize_t end, pixel_t kind, work_t like) noexcept nogil:
    """Write the rows `row` to `end` - 1 of each plane."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), item = sizeof(pixel_t)
    cdef Py_ssize_t size = t.width * t.channels, count = (size + lanes - 1) // lanes, k = 0, at
    cdef Columns columns
    columns.size = min(size, lanes)
    columns.source = columns.result = 0
    columns.by[0] = columns.by[1] = spread_by(t, 0)
    if size < lanes:
        column(to, spacing, plane, stride, pile, h, row, end, &columns, PART, kind, like)
        return
    while k < count:
        at = min(k * lanes, size - lanes)
        columns.by[0] = spread_by(t, k)
        if k + 1 < count:
            columns.by[1] = spread_by(t, k + 1)
            columns.source = (t.base[k + 1] - t.base[k]) * item
            columns.result = (min((k + 1) * lanes, size - lanes) - at) * item
        if k + 1 == count:
            column(to + at * item, spacing, plane + t.base[k] * item, stride, pile, h, row, end,
                   &columns, ONE, kind, like)
        elif columns.source == 0:
            column(to + at * item, spacing, plane + t.base[k] * item, stride, pile, h, row, end,
                   &columns, SHARED, kind, like)
        else:
            column(to + at * item, spacing, plane + t.base[k] * item, stride, pile, h, row, end,
                   &columns, TWO, kind, like)
        k += 2


cdef inline bint reaches(const char* plane, Py_ssize_t stride, const Axis* h, Py_ssize_t row,
                         const char* furthest) noexcept nogil:
    """Return whether a row is made of a source row that begins behind `furthest`."""
    cdef const char* low = plane + h.low[row] * stride
    return low > furthest or (h.low[row] < h.last and low + stride > furthest)


cdef inline bint leaves(const char* plane, const Rows* rows, const Axis* h, Py_ssize_t row,
                        Py_ssize_t end, const char* furthest) noexcept nogil:
    """Return whether one of the rows `row` to `end` - 1 does: the first or the last of them."""
    return (reaches(plane, rows.src_h, h, row, furthest)
            or reaches(plane, rows.src_h, h, end - 1, furthest))


cdef inline void last_row(char* to, const char* plane, Py_ssize_t stride, const Axis* h,
                          Py_ssize_t row, const Table* t, pixel_t kind,
                          work_t like) noexcept nogil:
    """Write a row of up to two vectors, and read nothing behind its source rows."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), k
    cdef Py_ssize_t size = t.width * t.channels, bytes = t.source_width * t.channels
    cdef const work_t* weight = <const work_t*>h.as_work + 2 * row
    cdef const char* low = plane + h.low[row] * stride
    cdef pixel_t[MOST_LANES] first
    cdef pixel_t[MOST_LANES] second
    cdef Spread by
    cdef words line
    bytes *= sizeof(pixel_t)
    memcpy(first, low, bytes)
    memcpy(second, low + (stride if h.low[row] < h.last else 0), bytes)
    line = mix(widen(first), widen(second), splat(weight[0]), splat(weight[1]), like)
    for k in range((size + lanes - 1) // lanes):
        by = spread_by(t, k)
        if size < lanes:
            put_spread(<pixel_t*>to, line, &by, False, size, like)
        else:
            put_spread(<pixel_t*>to + min(k * lanes, size - lanes), line, &by, True, lanes, like)


cdef inline void few_vectors(const Table* t, const Rows* rows, const Axis* d, const Axis* h,
                             char* to, const char* source, const char* limit, Py_ssize_t first,
                             Py_ssize_t last, char* stage, bint past, pixel_t kind,
                             work_t like) noexcept nogil:
    """Write the rows `first` to `last` - 1 of few vectors; stage: room for COLUMNS or two rows.

    What lies behind a source row is read as well, if the row is narrower than a vector, but never
    what lies behind the source, which ends at `limit`. `past` the cache: rows have no gaps.
    """
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), item = sizeof(pixel_t)
    cdef Py_ssize_t bytes = t.width * t.channels * item, together = max(2, COLUMNS // bytes)
    cdef bint narrow = t.source_width * t.channels < lanes
    cdef const char* furthest = limit - lanes * item
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t row, end, _k
    cdef const char* plane
    cdef char* result
    cdef Pile pile
    while first < last:
        plane = source + at.n * rows.src_n + at.m * rows.src_m + d.low[at.d] * rows.src_d
        result = (to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d
                  + at.h * rows.dst_h)
        row = at.h
        end = row + min(min(last - first, rows.height - row), together)
        pile = [1, rows.dst_m, rows.src_m]
        if (end - row == rows.height and rows.depth == 1
                and (not past or rows.dst_m == rows.height * bytes)):
            pile.planes = max(1, min(min(last - first, together) // rows.height, rows.m - at.m))
        if narrow:
            while pile.planes > 1 and (
                    leaves(plane, rows, h, row, end, furthest)
                    or leaves(plane + (pile.planes - 1) * rows.src_m, rows, h, row, end,
                              furthest)):
                pile.planes -= 1
            while end > row and leaves(plane, rows, h, row, end, furthest):
                end -= 1
        if end == row:
            end = row + 1
            last_row(stage if past else result, plane, rows.src_h, h, row, t, kind, like)
        elif past:
            all_columns(stage, bytes, plane, rows.src_h, &pile, h, t, row, end, kind, like)
        else:
            all_columns(result, rows.dst_h, plane, rows.src_h, &pile, h, t, row, end, kind, like)
        if past:
            stream(result, stage, pile.planes * (end - row) * bytes)
        for _k in range(pile.planes):
            step(rows, &at, end - row)
        first += pile.planes * (end - row)


cdef inline void run_windows(const Table* t, const Rows* rows, const Axis* d, const Axis* h,
                             pixel_t* to, const char* source, const char* limit, Py_ssize_t first,
                             Py_ssize_t last, Py_ssize_t tile, char* stage, bint past,
                             work_t like) noexcept nogil:
    """Compute one tile of the rows `first` to `last` - 1 of two taps each by windows.

    stage: working memory of few vectors, and only these are written `past` the cache here.
    """
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t start = t.tile[3 * tile] * t.lanes * <Py_ssize_t>sizeof(pixel_t), count
    if t.few:
        few_vectors(t, rows, d, h, <char*>to, source, limit, first, last, stage, past,
                    <pixel_t>0, like)
        return
    while first < last:
        count = min(last - first, rows.height - at.h)
        window_plane(<char*>to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d
                     + at.h * rows.dst_h + start, rows.dst_h,
                     source + at.n * rows.src_n + at.m * rows.src_m + d.low[at.d] * rows.src_d,
                     rows.src_h, h, t, at.h, at.h + count, t.tile[3 * tile], t.tile[3 * tile + 3],
                     <pixel_t>0, like)
        step(rows, &at, count)
        first += count
