"""The tables of a row: for each of its vectors, which windows, how permuted, by which weights.

Every function fills what a Table points to, or tells how much room that takes; which way of making
a row these are for, and how many of its rows a line makes, is decided in upshape/spreading.py.
"""

from libc.math cimport fabs, floor
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcmp, memset

from rows cimport gcd
from table cimport (
    APART,
    FAR,
    MOST_LANES,
    NEAR,
    WIDE,
    WIDER_APART,
    WIDE_APART,
    Axis,
    Reach,
    Table,
)
from vector cimport (
    UPSHAPE_INDEX_BYTES,
    UPSHAPE_SUMS,
    UPSHAPE_SUM_WINDOWS,
    UPSHAPE_VECTOR_BYTES,
    WHOLE,
)

# --- vectors of the line's numbers ----------------------------------------------------------------

# Where the elements of a vector of the result come from.
cdef struct Sources:
    Py_ssize_t first  # its first element, of those that a line makes
    Py_ssize_t of[2][MOST_LANES]  # elements of the line: the lower neighbours, the upper ones
    Py_ssize_t least[2]
    Py_ssize_t most[2]


cdef inline void set_number(char* to, Py_ssize_t at, double value, bint double_) noexcept nogil:
    """Write a number of the line."""
    if double_:
        (<double*>to)[at] = value
    else:
        (<float*>to)[at] = <float>value


cdef inline void set_weights(char* u, char* v, Py_ssize_t at, double distance,
                             bint double_) noexcept nogil:
    """Write the weights of a lower and of an upper neighbour."""
    set_number(u, at, 1.0 - distance, double_)
    set_number(v, at, distance, double_)


cdef inline Py_ssize_t vectors_of(const Table* t) noexcept nogil:
    """Return the vectors of the rows that a line makes."""
    return (t.rows * t.width * t.channels + t.lanes - 1) // t.lanes


cdef inline Sources sources_of(const Table* t, Py_ssize_t k) noexcept nogil:
    """Return where vector k comes from. The last one is moved back, to end with its row."""
    cdef Py_ssize_t row = t.width * t.channels, source = t.source_width * t.channels
    cdef Py_ssize_t total = t.rows * row, side, lane, place, at, j
    cdef Sources sources
    sources.first = max(0, min(k * t.lanes, total - t.lanes))
    for side in range(2):
        sources.least[side] = t.rows * source
        sources.most[side] = 0
        for lane in range(t.lanes):
            place = min(sources.first + lane, total - 1)
            at = place % row
            j = min(t.low[at // t.channels] + side, t.source_width - 1) * t.channels
            j += at % t.channels + place // row * source
            sources.of[side][lane] = j
            sources.least[side] = min(sources.least[side], j)
            sources.most[side] = max(sources.most[side], j)
    return sources


cdef inline Reach reach_of(const Table* t) noexcept nogil:
    """Return how far apart the sources of a vector lie, at most."""
    cdef Py_ssize_t near = 0, apart = 0, lanes = t.lanes, k, low, high
    cdef Sources s
    for k in range(vectors_of(t)):
        s = sources_of(t, k)
        low = s.most[0] - s.least[0]
        high = s.most[1] - s.least[1]
        apart = max(apart, max(low, high) + 1)
        near = max(near, max(s.most[0], s.most[1]) - min(s.least[0], s.least[1]) + 1)
    if near <= lanes:
        return NEAR
    if apart <= lanes:
        return APART
    if near <= 2 * lanes:
        return WIDE
    if apart <= 2 * lanes:
        return WIDE_APART
    return WIDER_APART if apart <= 4 * lanes and UPSHAPE_INDEX_BYTES == 4 else FAR


cdef inline void fill_order(const Table* t, uint8_t* order, const Py_ssize_t* from_,
                            Py_ssize_t base) noexcept nogil:
    """Write the permutation that takes elements `from_` out of a window that begins at `base`."""
    cdef uint8_t[4] windows = [0, 0x80, 0x40, 0xc0]
    cdef Py_ssize_t unit = UPSHAPE_VECTOR_BYTES // t.lanes // UPSHAPE_INDEX_BYTES, lane, j, at
    for lane in range(t.lanes):
        at = (from_[lane] - base) * unit
        for j in range(unit):
            order[(lane * unit + j) * UPSHAPE_INDEX_BYTES] = <uint8_t>(at + j)
            if UPSHAPE_INDEX_BYTES == 4:  # which of four windows
                order[(lane * unit + j) * 4 + 3] = windows[at // (t.lanes * unit)]


cdef inline void fill_vector(Table* t, Py_ssize_t k, bint stored, bint double_) noexcept nogil:
    """Fill base, upper and by for vector k of a stored line, or of the source's row itself."""
    cdef Py_ssize_t row = t.width * t.channels, bytes = UPSHAPE_VECTOR_BYTES, side, lane, place
    cdef Py_ssize_t most = max(0, t.source_width * t.channels - t.lanes)
    cdef Sources s = sources_of(t, k)
    cdef char* by = t.by + 4 * k * bytes
    for lane in range(t.lanes):
        place = min(s.first + lane, t.rows * row - 1)
        set_weights(by + 2 * bytes, by + 3 * bytes, lane, t.t[place % row // t.channels], double_)
    if t.reach == FAR:
        for lane in range(t.lanes):
            t.base[k * t.lanes + lane] = s.of[0][lane]
            t.upper[k * t.lanes + lane] = s.of[1][lane]
        return
    if t.reach == NEAR or t.reach == WIDE:
        s.least[0] = s.least[1] = min(s.least[0], s.least[1])
    for side in range(2):
        if not stored:  # behind a stored line is room
            s.least[side] = min(s.least[side], most)
        fill_order(t, <uint8_t*>by + side * bytes, s.of[side], s.least[side])
    t.base[k] = s.least[0]
    t.upper[k] = s.least[1]


# So many vectors at least are worth a loop of their own.
cdef enum:
    EVEN = 3


cdef inline void find_even(Table* t) noexcept nogil:
    """Find the longest stretch of vectors that differ in where their windows begin alone."""
    cdef Py_ssize_t bytes = UPSHAPE_VECTOR_BYTES
    cdef Py_ssize_t whole = t.width * t.channels // t.lanes  # the last one may be moved back
    cdef Py_ssize_t k, begin = 0
    t.even = t.odd = t.advance = 0
    for k in range(1, whole + 1):
        if (k < whole and t.base[k] - t.base[k - 1] == t.upper[k] - t.upper[k - 1]
                and (k == begin + 1
                     or t.base[k] - t.base[k - 1] == t.base[begin + 1] - t.base[begin])
                and memcmp(t.by + 4 * k * bytes, t.by + 4 * begin * bytes, 4 * bytes) == 0):
            continue
        if k - begin > max(EVEN - 1, t.odd - t.even):
            t.even = begin
            t.odd = k
            t.advance = t.base[begin + 1] - t.base[begin]
        begin = k


cdef inline void fill_vectors(Table* t, bint stored, bint double_) noexcept nogil:
    """Fill base, upper and by for all vectors; t.reach is known."""
    cdef Py_ssize_t k
    memset(t.by, 0, 4 * vectors_of(t) * UPSHAPE_VECTOR_BYTES)
    for k in range(vectors_of(t)):
        fill_vector(t, k, stored, double_)
    if not stored:
        find_even(t)


# --- rows in pairs --------------------------------------------------------------------------------

cdef inline bint is_pair(const Axis* axis, Py_ssize_t begin, Py_ssize_t at) noexcept nogil:
    """Return whether rows `at` and `at` + 1 are as far on from `begin` as an even pair is."""
    cdef Py_ssize_t low = axis.low[begin] + (at - begin) // 2
    return (axis.low[at] == low and axis.low[at + 1] == low and low < axis.last
            and memcmp(axis.weight + 2 * at, axis.weight + 2 * begin, 4 * sizeof(double)) == 0)


cdef inline void find_pairs(Axis* axis) noexcept nogil:
    """Find the longest stretch of pairs of rows that differ in their source rows alone."""
    cdef Py_ssize_t begin = 0, end
    axis.even = axis.odd = 0
    while begin + 1 < axis.count:
        end = begin
        while end + 1 < axis.count and is_pair(axis, begin, end):
            end += 2
        if end - begin > axis.odd - axis.even:
            axis.even = begin
            axis.odd = end
        begin = max(begin + 1, end - 1)


# --- uint8 in 16 bits -----------------------------------------------------------------------------

cdef inline int denominator(const double* t, Py_ssize_t count) noexcept nogil:
    """Return the smallest integer that makes integers of the distances; 0 if it is above 127."""
    cdef int whole = 1, own
    cdef Py_ssize_t j
    for j in range(count):
        if fabs(t[j] * whole - floor(t[j] * whole + 0.5)) <= WHOLE * whole:
            continue
        for own in range(2, 128):
            if fabs(t[j] * own - floor(t[j] * own + 0.5)) <= WHOLE * own:
                break
        else:
            return 0
        whole = whole // <int>gcd(whole, own) * own
        if whole > 127:
            return 0
    return whole


cdef inline void fill_parts(const Table* t, uint8_t* weight, Py_ssize_t x) noexcept nogil:
    """Write the weights of pixel x, a pair that makes t.whole together."""
    weight[1] = <uint8_t>(t.t[x] * t.whole + 0.5)
    weight[0] = <uint8_t>(t.whole - weight[1])


cdef inline Py_ssize_t sum_vectors_of(const Table* t) noexcept nogil:
    """Return the vectors of a row."""
    return (t.width * t.channels + UPSHAPE_SUMS - 1) // UPSHAPE_SUMS


# A byte of the result: its pixel, and the bytes of the source that it is a mean of.
cdef struct Pair:
    Py_ssize_t x, low, high


cdef inline Pair pair_of(const Table* t, Py_ssize_t at) noexcept nogil:
    cdef Pair pair
    pair.x = at // t.channels
    pair.low = t.low[pair.x] * t.channels + (at - pair.x * t.channels)
    pair.high = pair.low + (t.channels if t.low[pair.x] < t.source_width - 1 else 0)
    return pair


cdef inline bint find_sum_windows(Table* t) noexcept nogil:
    """Fill base for vectors of sums; return whether the windows hold what they need.

    A window of 16 bytes is for 16 elements if t.reach is NEAR, else for eight.
    """
    cdef Py_ssize_t total = t.width * t.channels, k, j, e, at
    cdef Py_ssize_t[MOST_LANES] least
    cdef Py_ssize_t[MOST_LANES] most
    cdef Pair pair
    for k in range(sum_vectors_of(t)):
        at = min(k * UPSHAPE_SUMS, total - UPSHAPE_SUMS)
        for j in range(UPSHAPE_SUM_WINDOWS):
            least[j] = t.source_width * t.channels - 16
            most[j] = 0
        for j in range(UPSHAPE_SUMS):
            e = j // 16 * 2 if t.reach == NEAR else j // 8
            pair = pair_of(t, at + j)
            least[e] = min(least[e], pair.low)
            most[e] = max(most[e], pair.high)
        for j in range(UPSHAPE_SUM_WINDOWS):
            e = j // 2 * 2 if t.reach == NEAR else j
            t.base[k * UPSHAPE_SUM_WINDOWS + j] = least[e]
            if most[e] - least[e] > 15:
                return False
    return True


cdef inline void fill_sums(Table* t) noexcept nogil:
    """Fill order and weight for vectors of sums, whose windows are known."""
    cdef Py_ssize_t total = t.width * t.channels, k, j, e, at, base
    cdef Pair pair
    for k in range(sum_vectors_of(t)):
        at = min(k * UPSHAPE_SUMS, total - UPSHAPE_SUMS)
        for j in range(UPSHAPE_SUMS):
            e = k * UPSHAPE_VECTOR_BYTES + 2 * j
            base = t.base[k * UPSHAPE_SUM_WINDOWS + j // 8]
            pair = pair_of(t, at + j)
            t.order[e] = <uint8_t>(pair.low - base)
            t.order[e + 1] = <uint8_t>(pair.high - base)
            fill_parts(t, t.weight + e, pair.x)
