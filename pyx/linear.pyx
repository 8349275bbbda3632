"""Linear, bilinear and trilinear interpolation: weighted means of 2, 4 or 8 neighbours.

    result[.., d, h, x] = sum over a, b, c in {0, 1} of
        weight_d[a] weight_h[b] weight_w[c] source[.., low_d + a, low_h + b, low_w + c]

with low_d, low_h, low_w and the weights (1 - t, t) from the tables of d, h and x; no convention is
known here. A row of the result is made in two steps, tile by tile:

    blend    line[j] = sum over a, b of weight_d[a] weight_h[b] source[.., low_d + a, low_h + b, j]
    spread   result[x] = weight_w[0] line[low_w] + weight_w[1] line[low_w + 1]

The line is float32 (float64 for float64) whatever the dtype of the arrays: conversions happen at
its two ends. Rows are written from front to back, which is what memory likes best.

A line is stored, and those of many rows are: first the lines of a group of rows are blended, one
behind another without a gap, then they are spread as if they were one row. So rows narrower than a
vector cost no more than wide ones, nothing is read right after it was stored, and a row has no last
vector of its own. A vector of the result is a permutation of one or two vectors of the line, which
also do for pixels of a few channels; shrinking takes up to four, and more than that elements.

Where a row has two taps and is no narrower than two vectors, the line is not stored: a window of it
is blended in a register and spread by permutations, for two rows of the result at once where they
lie between the same source rows. So are narrower rows whose source row is one window: what spreads
it stays in registers over all planes. The same goes for pixels of many channels, which need no
permutation, and for single elements (the last resort: strong shrinking, a result with gaps).

uint8: the mean is rounded to the nearest integer, ties to even. Where all weights are fractions
with a small common denominator (factors 2, 3, 4, 6, 8, 1.5, 1.6, 2.5), 16 bits hold their sums, and
the means are formed in integers. Elsewhere float32 decides, except near a tie, where the mean is
formed again in float64; weights whose products float32 holds exactly need no second look.

The caller has checked: indices in range, pixels and the source's rows without gaps, elements
aligned, source and result disjoint. No allocation in a row loop, no Python object.

Hot row functions, for who reads the machine code: blend_rows and spread_line (lines), window_rows
and window_row, few_vectors (small maps), sums_rows and sums_pixels (uint8), pixels_two_taps,
pixels_twice (many channels), elements_two_taps.
"""

cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cython.parallel cimport prange
from libc.math cimport fabs, floor
from libc.stdint cimport int64_t, uint8_t, uint16_t
from libc.string cimport memcmp, memcpy, memset

from rows cimport (
    Frame,
    Place,
    PyArray_BYTES,
    PyArrayObject,
    Rows,
    check_table,
    gcd,
    place_of,
    roles_of,
    rows_of,
    step,
    strides_of,
    takes,
)
from upshape._machine cimport (
    Team,
    dismiss_team,
    form_team,
    share_begins,
    share_ends,
    team_begins,
    team_ends,
)
from vector cimport (
    BAND,
    UPSHAPE_HAS_MASKS,
    UPSHAPE_INDEX_BYTES,
    UPSHAPE_SUM_WINDOWS,
    UPSHAPE_SUMS,
    UPSHAPE_VECTOR_BYTES,
    add_doubles,
    add_floats,
    divide_by,
    division,
    float_to_half,
    half_to_float,
    load,
    mean_sums,
    mix_double,
    mix_doubles,
    mix_float,
    mix_floats,
    mix_sums,
    narrow_byte,
    narrow_byte_looking,
    narrow_half,
    pair_sums,
    permute,
    permute_four,
    permute_two,
    round_byte,
    splat_double,
    splat_float,
    store,
    store_first,
    store_means,
    store_means_twice,
    stream,
    stream_end,
    stream_store,
    sums,
    widen_byte,
    widen_half,
    widen_sums,
    words,
)

import numpy as np

cnp.import_array()

ctypedef fused pixel_t:  # an element of the arrays
    float
    double
    uint8_t
    uint16_t  # float16's bits

ctypedef fused work_t:  # an element of the line: double for double, else float
    float
    double

cdef enum Kind:
    COPY  # width unchanged
    WINDOWS  # by vectors that are permutations of windows of the source
    LINES  # by vectors that are permutations of windows of stored lines
    SUMS  # windows of uint8 whose weights are fractions with small denominators, in 16 bits
    CHANNELS  # by vectors of channels
    CHANNEL_SUMS  # the same for uint8 in 16 bits
    ELEMENTS  # element by element

# How far apart the sources of a vector may lie. WINDOWS: NEAR or APART; SUMS: NEAR, 16 elements are
# made of one window, or APART, eight are.
cdef enum Reach:
    SAME  # width unchanged: the line is the row
    NEAR  # lower and upper neighbours within a vector of the line
    APART  # the lower ones within a vector, the upper ones within another
    WIDE  # all within two vectors that follow each other
    WIDE_APART  # the lower ones within two vectors, the upper ones within two others
    WIDER_APART  # the same with four vectors
    FAR  # anywhere

# Elements of a tile, of source or result, whichever is more: its tables and what is read and
# written stay in the first cache while the rows of a block are made.
cdef enum:
    TILE = 768
    LINE_TILE = 1536  # to begin a line costs more: 0.8 to 0.9 of the time with 768

# Rows of a block, where a row has several tiles.
cdef enum:
    BLOCK = 16

# Rows of fewer bytes are gathered before they are streamed, so that few lines are torn.
cdef enum:
    NARROW = 2048

# Pixels of this many channels are interpolated one by one, whole vectors of channels at a time; of
# uint8 it takes MANY_BYTES where 16 bits do not hold the sums: lines have no vector half in use.
cdef enum:
    MANY_CHANNELS = 16
    MANY_BYTES = 33

# Elements of a group of rows, of source or result, whichever is more, and at most and at least of
# the rows that one line stands for. Tables (16 bytes an element) and lines share the first cache.
cdef enum:
    LINE = 1024
    LEAST_LINE = 128

# Rows of so many vectors are made by windows where they have two taps and sources lie close enough:
# in 0.6 to 0.8 of the time that lines take at an integer factor, about the same at others (Granite
# Rapids, v4 and v3, results in the second cache); narrower rows by lines. 2 to 4 are as good.
cdef enum:
    WINDOWED = 2

# Rows of so many vectors at most are made by few_vectors.
cdef enum:
    FEW = 16

# Results of so many bytes whose rows do not begin with a vector are written row by row: two rows
# side by side then take 1.2 times as long (Granite Rapids, v4, from 3 MiB on; 2 MiB are its second
# cache).
cdef enum:
    PAIRED = 2 << 20

# A row shrunk to less than this part of it is made element by element: most of a line would go to
# waste.
cdef enum:
    MOST_SHRUNK = 8

# Bytes of scratch that stand on the stack.
cdef enum:
    SMALL = 16384

# Lanes of the widest vectors.
cdef enum:
    MOST_LANES = 16

# Rows so far apart, or a multiple of it, share the same places in the caches and in what merges
# stores: streamed side by side they get in each other's way (a quarter of the speed, on Zen 3).
# Vectors that are whole lines have nothing to merge.
cdef enum:
    PAGE = 4096

# Bytes gathered before they are streamed.
cdef enum:
    GATHERED = 8192

# Means closer than this to a half are ties: float64's error is far below.
cdef double TIE = 1e-9

# Distances this close to a fraction stand for it: float64's positions are, along some thousand
# pixels, and means by the fractions differ from means by the distances by less than TIE.
cdef double WHOLE = 1e-12

# Which elements of the result a step stands for, how the line is spread.
cdef struct Table:
    Kind kind
    bint exact  # float32 holds every mean of uint8 exactly
    Py_ssize_t channels, spacing  # elements of a pixel, from one to the next in the result
    Py_ssize_t width, source_width  # pixels
    Py_ssize_t lanes  # elements of a vector of the line
    Py_ssize_t tiles
    Py_ssize_t doubts  # at most, of a row of a tile, or of a group of rows
    Py_ssize_t room  # elements of the longest line, with what is read beyond it
    Py_ssize_t* tile  # for each tile: its first step, the first and the last + 1 pixel of the line
    int64_t* low
    double* t
    Py_ssize_t rows  # LINES: rows of the result that one line stands for, one after another
    Py_ssize_t group  # LINES: rows of the result that are blended before they are spread
    Reach reach
    bint few  # WINDOWS: rows of so few vectors that few_vectors makes them
    int64_t* base  # where the windows of lower and of upper pixels begin, in elements
    int64_t* upper
    uint8_t* order  # SUMS: which bytes of the windows, in pairs
    Py_ssize_t even, odd  # from vector `even` to `odd` - 1 windows advance evenly,
    Py_ssize_t advance  # by so many elements, and all else is alike
    division by_mean  # SUMS: by what the weights of h and w make together
    int whole  # SUMS: what a pair of weights of w makes
    uint8_t* weight  # SUMS: in pairs
    char* by  # for each vector: how lower, how upper pixels are permuted; their weights
    char* u  # weights of the lower and of the upper pixels, where steps are pixels
    char* v

# The lower neighbours along d or h and the distances from them; t NULL: an axis that is copied.
cdef struct Axis:
    const int64_t* low
    const double* t
    double* weight  # of the lower neighbour and of the next, in pairs
    char* as_work  # the same, as numbers of the line
    Py_ssize_t count, last

# Elements of a vector of uint8 that are near a tie.
cdef struct Doubt:
    Py_ssize_t at  # the vector's first element, from where the tile begins
    unsigned lanes  # a bit for each element

# What one row is blended from.
cdef struct Taps:
    int count
    const char* row[4]
    double weight[4]


# --- one body for all dtypes ---------------------------------------------------------------------

cdef inline words widen(const pixel_t* p) noexcept nogil:
    if pixel_t is uint8_t:
        return widen_byte(p)
    elif pixel_t is uint16_t:
        return widen_half(p)
    else:
        return load(p)


cdef inline void narrow(pixel_t* p, words v) noexcept nogil:
    if pixel_t is uint8_t:
        narrow_byte(p, v)
    elif pixel_t is uint16_t:
        narrow_half(p, v)
    else:
        store(p, v)


cdef inline void put(pixel_t* p, words v, bint past) noexcept nogil:
    """Store a vector, past the cache if so wished and if elements are not narrowed."""
    if pixel_t is float or pixel_t is double:
        if past:
            stream_store(p, v)
            return
    narrow(p, v)


cdef inline work_t widened(const pixel_t* p, work_t like) noexcept nogil:
    if pixel_t is uint16_t:
        return half_to_float(p[0])
    else:
        return p[0]


cdef inline pixel_t narrowed(work_t value, pixel_t like) noexcept nogil:
    if pixel_t is uint8_t:
        return round_byte(value)
    elif pixel_t is uint16_t:
        return float_to_half(value)
    else:
        return <pixel_t>value


cdef inline words splat(work_t value) noexcept nogil:
    if work_t is double:
        return splat_double(value)
    else:
        return splat_float(value)


cdef inline words mix(words a, words b, words u, words v, work_t like) noexcept nogil:
    if work_t is double:
        return mix_doubles(a, b, u, v)
    else:
        return mix_floats(a, b, u, v)


cdef inline work_t mixed(work_t a, work_t b, work_t u, work_t v) noexcept nogil:
    if work_t is double:
        return mix_double(a, b, u, v)
    else:
        return mix_float(a, b, u, v)


cdef inline words add(words a, words b, work_t like) noexcept nogil:
    if work_t is double:
        return add_doubles(a, b)
    else:
        return add_floats(a, b)


# --- blend one, two or four source rows into a stored line ---------------------------------------

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


# --- uint8 near a tie: elements in doubt ----------------------------------------------------------

# float32's error in a mean of uint8 is 255 (values) x 2^-24 x 10 roundings, 1.5e-4, at most, and
# BAND more.
cdef inline Py_ssize_t written(pixel_t* to, words value, Py_ssize_t at, bint look, bint past,
                               Doubt* doubt, Py_ssize_t doubts) noexcept nogil:
    """Write a vector; note which of its elements are in doubt, if any; return how many vectors are.

    at: its first element, for the note.
    """
    if pixel_t is uint8_t:
        if look:
            doubt[doubts].at = at
            doubt[doubts].lanes = narrow_byte_looking(to, value)
            return doubts + (doubt[doubts].lanes != 0)
    put(to, value, past)
    return doubts


# --- windows: blend and spread in registers -------------------------------------------------------

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


cdef void window_row(pixel_t* row, const Taps* taps, const Table* t, Py_ssize_t first,
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


cdef void window_plane(char* to, Py_ssize_t spacing, const char* plane, Py_ssize_t stride,
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

cdef inline void put_row(pixel_t* to, words low, const Spread* by, const Spread* next_by,
                         int held, Py_ssize_t size, work_t like) noexcept nogil:
    """Write a row of `held` vectors, whose `size` elements come from one window."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    if held == 1 and size < lanes and (pixel_t is float or pixel_t is double):
        store_first(to, spread(low, low, by, like), size * sizeof(pixel_t) // 4)
        return
    put(to, spread(low, low, by, like), False)
    if held == 2:
        put(to + size - lanes, spread(low, low, next_by, like), False)


cdef inline void looked_up_row(pixel_t* to, pixel_t* next_to, const pixel_t* a, const pixel_t* b,
                               const Table* t, const Weights* weights, Py_ssize_t size,
                               bint twice, work_t like) noexcept nogil:
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


cdef void few_held_vectors(const Table* t, const Rows* rows, const Axis* d, const Axis* h,
                           char* to, const char* source, const char* limit, Py_ssize_t first,
                           Py_ssize_t last, pixel_t kind, work_t like) noexcept nogil:
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    if t.width * t.channels <= lanes:
        few_vectors(t, rows, d, h, to, source, limit, first, last, 1, True, kind, like)
    else:
        few_vectors(t, rows, d, h, to, source, limit, first, last, 2, True, kind, like)


# --- lines: spread what was blended ---------------------------------------------------------------

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


cdef Py_ssize_t spread_line(pixel_t* to, Py_ssize_t at, const work_t* line, const Table* t,
                            Py_ssize_t first, Py_ssize_t last, Py_ssize_t furthest, Doubt* doubt,
                            Py_ssize_t doubts) noexcept nogil:
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


cdef Py_ssize_t spread_group(pixel_t* to, const work_t* line, const Table* t, Py_ssize_t rows,
                             Py_ssize_t source, Doubt* doubt) noexcept nogil:
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


# --- uint8 in 16 bits -----------------------------------------------------------------------------

cdef struct Parts:  # the weights of two source rows
    int p, q


cdef inline Parts parts_of(const Table* t, const Taps* taps) noexcept nogil:
    cdef Parts parts
    parts.p = t.by_mean.divisor // t.whole
    parts.q = <int>(taps.weight[1] * parts.p + 0.5) if taps.count == 2 else 0
    parts.p -= parts.q
    return parts


cdef inline void sums_vectors(uint8_t* row, uint8_t* next_row, const Taps* taps,
                              const Taps* next_, const Table* t, Py_ssize_t first,
                              Py_ssize_t last, bint alike) noexcept nogil:
    cdef Py_ssize_t furthest = t.width * t.channels - (first + 1) * UPSHAPE_SUMS
    cdef const uint8_t* a = <const uint8_t*>taps.row[0]
    cdef const uint8_t* b = <const uint8_t*>taps.row[taps.count - 1]
    cdef Parts parts = parts_of(t, taps), next_parts = parts
    cdef division by = t.by_mean
    cdef const int64_t* base = t.base + first * UPSHAPE_SUM_WINDOWS
    cdef const uint8_t* order = t.order + first * UPSHAPE_VECTOR_BYTES
    cdef const uint8_t* weight = t.weight + first * UPSHAPE_VECTOR_BYTES
    cdef Py_ssize_t k, at
    cdef sums above, below
    if next_row != NULL:
        next_parts = parts_of(t, next_)
    for k in range(first, last):
        at = min((k - first) * UPSHAPE_SUMS, furthest)
        above = pair_sums(a, base, order, weight, alike)
        below = pair_sums(b, base, order, weight, alike)
        base += UPSHAPE_SUM_WINDOWS
        order += UPSHAPE_VECTOR_BYTES
        weight += UPSHAPE_VECTOR_BYTES
        if next_row == NULL:
            store_means(row + at, mean_sums(above, below, parts.p, parts.q, &by))
        else:
            store_means_twice(
                row + at, next_row + at, mean_sums(above, below, parts.p, parts.q, &by),
                mean_sums(above, below, next_parts.p, next_parts.q, &by))


cdef void sums_rows(uint8_t* row, uint8_t* next_row, const Taps* taps, const Taps* next_,
                    const Table* t, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Write the vectors `first` to `last` - 1 of a row, and of the next if that is not NULL.

    Both lie between the same two source rows; a row with one tap lies on it.
    """
    if t.reach == NEAR:
        sums_vectors(row, next_row, taps, next_, t, first, last, True)
    else:
        sums_vectors(row, next_row, taps, next_, t, first, last, False)


cdef void sums_pixels(uint8_t* row, uint8_t* next_row, const Taps* taps, const Taps* next_,
                      const Table* t, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """The same for pixels of many channels, `spacing` elements apart."""
    cdef Py_ssize_t channels = t.channels, x, c, k, high
    cdef Py_ssize_t count = (channels + UPSHAPE_SUMS - 1) // UPSHAPE_SUMS
    cdef const uint8_t* a
    cdef const uint8_t* b
    cdef Parts parts = parts_of(t, taps), next_parts = parts
    cdef division by = t.by_mean
    cdef sums above, below
    cdef int u, v
    if next_row != NULL:
        next_parts = parts_of(t, next_)
    for x in range(first, last):
        a = <const uint8_t*>taps.row[0] + t.low[x] * channels
        b = <const uint8_t*>taps.row[taps.count - 1] + t.low[x] * channels
        high = channels if t.low[x] < t.source_width - 1 else 0
        u = t.weight[2 * x]
        v = t.weight[2 * x + 1]
        for k in range(count):
            c = min(k * UPSHAPE_SUMS, channels - UPSHAPE_SUMS)
            above = mix_sums(widen_sums(a + c), widen_sums(a + high + c), u, v)
            below = mix_sums(widen_sums(b + c), widen_sums(b + high + c), u, v)
            if next_row == NULL:
                store_means(row + c, mean_sums(above, below, parts.p, parts.q, &by))
            else:
                store_means_twice(
                    row + c, next_row + c, mean_sums(above, below, parts.p, parts.q, &by),
                    mean_sums(above, below, next_parts.p, next_parts.q, &by))
        row += t.spacing
        if next_row != NULL:
            next_row += t.spacing


# --- many channels: blend and spread in registers -------------------------------------------------

cdef Py_ssize_t pixels_taps(pixel_t* to, const Taps* taps, const Table* t, Py_ssize_t first,
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


cdef Py_ssize_t pixels_two_taps(pixel_t* to, const pixel_t* a, const pixel_t* b,
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


cdef Py_ssize_t pixels_twice(pixel_t* to, pixel_t* next_to, const pixel_t* a, const pixel_t* b,
                             const double* weight, const double* next_weight, const Table* t,
                             Py_ssize_t first, Py_ssize_t last, Doubt* doubt,
                             Doubt* next_doubt, Py_ssize_t* next_doubts,
                             bint past, work_t like) noexcept nogil:
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

cdef inline Py_ssize_t doubted_element(Py_ssize_t at, work_t value, bint look, Doubt* doubt,
                                       Py_ssize_t doubts) noexcept nogil:
    if look and fabs(fabs(value - floor(value)) - 0.5) < BAND:
        doubt[doubts].at = at
        doubt[doubts].lanes = 1
        return doubts + 1
    return doubts


cdef Py_ssize_t elements_two_taps(pixel_t* to, const Taps* taps, const Table* t, Py_ssize_t first,
                                  Py_ssize_t last, Doubt* doubt, work_t like) noexcept nogil:
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


cdef Py_ssize_t elements_taps(pixel_t* to, const Taps* taps, const Table* t, Py_ssize_t first,
                              Py_ssize_t last, Doubt* doubt, work_t like) noexcept nogil:
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

cdef Py_ssize_t spread_copy(pixel_t* to, const work_t* low, const Table* t, Py_ssize_t first,
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


# --- what a row is blended from -------------------------------------------------------------------

cdef inline void taps_of(Taps* taps, const char* plane, const Axis* d, const Axis* h,
                         const Rows* rows, Py_ssize_t at_d, Py_ssize_t at_h) noexcept nogil:
    """Note the source rows that a row is blended from, and their weights."""
    cdef const char* low = plane + d.low[at_d] * rows.src_d + h.low[at_h] * rows.src_h
    cdef const double* of_d
    cdef const double* of_h
    cdef Py_ssize_t apart_d = 0, apart_h = 0
    taps.count = 1
    taps.row[0] = low
    taps.weight[0] = 1.0
    if h.t != NULL:
        of_h = h.weight + 2 * at_h
        apart_h = rows.src_h if h.low[at_h] < h.last else 0
        taps.count = 2
        taps.row[1] = low + apart_h
        taps.weight[0] = of_h[0]
        taps.weight[1] = of_h[1]
    if d.t != NULL:
        of_d = d.weight + 2 * at_d
        apart_d = rows.src_d if d.low[at_d] < d.last else 0
        if h.t != NULL:
            taps.count = 4
            taps.row[2] = low + apart_d
            taps.row[3] = low + apart_d + apart_h
            taps.weight[0] = of_d[0] * of_h[0]
            taps.weight[1] = of_d[0] * of_h[1]
            taps.weight[2] = of_d[1] * of_h[0]
            taps.weight[3] = of_d[1] * of_h[1]
        else:
            taps.count = 2
            taps.row[1] = low + apart_d
            taps.weight[0] = of_d[0]
            taps.weight[1] = of_d[1]


# --- uint8 near a tie -----------------------------------------------------------------------------

cdef uint8_t settled(const Taps* taps, const Table* t, Py_ssize_t x, Py_ssize_t c) noexcept nogil:
    """Form one mean in float64, and round it to the nearest integer, ties to even."""
    cdef Py_ssize_t low = x, high = x
    cdef double along = 0.0, value = 0.0, below, off
    cdef const uint8_t* row
    cdef int a
    if t.t != NULL:
        low = t.low[x]
        high = min(low + 1, t.source_width - 1)
        along = t.t[x]
    for a in range(taps.count):
        row = <const uint8_t*>taps.row[a]
        value += taps.weight[a] * ((1.0 - along) * row[low * t.channels + c]
                                   + along * row[high * t.channels + c])
    below = floor(value)
    off = value - below
    if fabs(off - 0.5) < TIE:
        return <uint8_t>(<int>below + (<int>below & 1))
    return <uint8_t>(<int>below + (off > 0.5))


cdef void settle(uint8_t* to, const Taps* taps, const Table* t, Py_ssize_t first,
                 const Doubt* doubt, Py_ssize_t doubts) noexcept nogil:
    """Form the elements in doubt again. `to` is where the pixel `first` was written."""
    cdef Py_ssize_t j, e, x
    cdef unsigned lanes
    for j in range(doubts):
        e = doubt[j].at
        lanes = doubt[j].lanes
        while lanes != 0:
            if lanes & 1:
                x = e // t.channels
                to[(x - first) * t.spacing + e % t.channels] = settled(
                    taps, t, x, e % t.channels)
            lanes >>= 1
            e += 1


cdef void settle_lines(uint8_t* to, Py_ssize_t first, Py_ssize_t start, const char* source,
                       const Axis* d, const Axis* h, const Rows* rows, const Table* t,
                       const Doubt* doubt, Py_ssize_t doubts) noexcept nogil:
    """The same for a group of rows. `to` is where element `start` of row `first` was written."""
    cdef Py_ssize_t row = t.width * t.channels, own = -1, j, e
    cdef unsigned lanes
    cdef Place at
    cdef Taps taps
    for j in range(doubts):
        e = start + doubt[j].at
        lanes = doubt[j].lanes
        while lanes != 0:
            if lanes & 1:
                if e // row != own:
                    own = e // row
                    at = place_of(rows, first + own)
                    taps_of(&taps, source + at.n * rows.src_n + at.m * rows.src_m, d, h, rows,
                            at.d, at.h)
                to[e - start] = settled(&taps, t, e % row // t.channels, e % t.channels)
            lanes >>= 1
            e += 1


# --- rows -----------------------------------------------------------------------------------------

cdef void stored_line(pixel_t* to, const Taps* taps, const Table* t, Py_ssize_t tile,
                      work_t* line, Doubt* doubt) noexcept nogil:
    """Write one tile of a row to `to`, by way of a line in memory."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t first = t.tile[3 * tile], last = t.tile[3 * tile + 3]
    cdef Py_ssize_t low = t.tile[3 * tile + 1], high = t.tile[3 * tile + 2]
    cdef Py_ssize_t channels = t.channels, count = (high - low) * channels
    cdef Py_ssize_t doubts
    if t.spacing == channels:
        if (pixel_t is float and work_t is float) or (pixel_t is double and work_t is double):
            blend(<work_t*>to, taps, low * channels, count // lanes, count, <pixel_t>0)
            return
    blend(line, taps, low * channels, count // lanes, count, <pixel_t>0)
    doubts = spread_copy(to, line, t, first, last, doubt)
    if pixel_t is uint8_t:
        if doubts > 0:
            settle(to, taps, t, first, doubt, doubts)


cdef void make_tile(pixel_t* to, pixel_t* next_to, const Taps* taps, const Taps* next_,
                    const Table* t, Py_ssize_t tile, work_t* line, Doubt* doubt,
                    bint past) noexcept nogil:
    """Write one tile of a row to `to`; of the next row to `next_to`, if that is not NULL."""
    cdef Py_ssize_t first = t.tile[3 * tile], last = t.tile[3 * tile + 3]
    cdef Doubt* next_doubt = doubt + t.doubts
    cdef Py_ssize_t doubts = 0, others = 0
    if t.kind == WINDOWS:
        if pixel_t is not uint8_t:
            if next_to != NULL:
                window_rows(to, next_to, <const pixel_t*>taps.row[0], <const pixel_t*>taps.row[1],
                            taps.weight, next_.weight, t, first, last, past, <work_t>0)
            else:
                window_row(to, taps, t, first, last, past, <work_t>0)
    elif t.kind == SUMS:
        sums_rows(<uint8_t*>to, <uint8_t*>next_to, taps, next_, t, first, last)
    elif t.kind == CHANNEL_SUMS:
        sums_pixels(<uint8_t*>to, <uint8_t*>next_to, taps, next_, t, first, last)
    elif t.kind == CHANNELS:
        if next_to != NULL:
            doubts = pixels_twice(
                to, next_to, <const pixel_t*>taps.row[0], <const pixel_t*>taps.row[1], taps.weight,
                next_.weight, t, first, last, doubt, next_doubt, &others, past, <work_t>0)
        elif taps.count == 2:
            doubts = pixels_two_taps(
                to, <const pixel_t*>taps.row[0], <const pixel_t*>taps.row[1], taps.weight, t, first,
                last, doubt, past, <work_t>0)
        else:
            doubts = pixels_taps(to, taps, t, first, last, doubt, past, <work_t>0)
    elif t.kind == ELEMENTS:
        if taps.count == 2:
            doubts = elements_two_taps(to, taps, t, first, last, doubt, <work_t>0)
            if next_to != NULL:
                others = elements_two_taps(next_to, next_, t, first, last, next_doubt, <work_t>0)
        else:
            doubts = elements_taps(to, taps, t, first, last, doubt, <work_t>0)
    else:
        stored_line(to, taps, t, tile, line, doubt)
        if next_to != NULL:
            stored_line(next_to, next_, t, tile, line, doubt)
    if pixel_t is uint8_t:
        if doubts > 0:
            settle(to, taps, t, first, doubt, doubts)
        if others > 0:
            settle(next_to, next_, t, first, next_doubt, others)


cdef void blend_rows(work_t* line, const char* plane, Py_ssize_t apart, const Axis* h,
                     Py_ssize_t stride, const double* weight, Py_ssize_t first, Py_ssize_t last,
                     Py_ssize_t vectors, Py_ssize_t length, pixel_t like) noexcept nogil:
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


cdef void blend_group(work_t* line, const char* source, const char* limit, const Axis* d,
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


cdef void run_lines(const Table* t, const Rows* rows, const Axis* d, const Axis* h, pixel_t* to,
                    const char* source, const char* limit, Py_ssize_t first, Py_ssize_t last,
                    Py_ssize_t tile, work_t* line, char* stage) noexcept nogil:
    """Compute one tile of the rows `first` to `last` - 1 by way of lines, several rows at once."""
    cdef Py_ssize_t item = sizeof(pixel_t), row = t.width * t.channels
    cdef Py_ssize_t start = t.tile[3 * tile] * t.lanes
    cdef Py_ssize_t size = min(t.tile[3 * tile + 3] * t.lanes, row) - start
    cdef Py_ssize_t skip = t.tile[3 * tile + 1] * t.channels
    cdef Py_ssize_t length = t.tile[3 * tile + 2] * t.channels - skip
    cdef Py_ssize_t together = gapless(rows, row * item), count, doubts
    cdef Doubt* doubt = <Doubt*>(line + t.room)
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


cdef inline bint side_by_side(const Table* t, const Rows* rows, pixel_t* to) noexcept nogil:
    """Return whether two rows at once are the faster way."""
    cdef Py_ssize_t pixels = rows.n * rows.m * rows.depth * rows.height * t.width
    return (pixels * t.channels * <Py_ssize_t>sizeof(pixel_t) < PAIRED
            or (<size_t>to | <size_t>rows.dst_h) % UPSHAPE_VECTOR_BYTES == 0)


cdef void run_tile(const Table* t, const Rows* rows, const Axis* d, const Axis* h, pixel_t* to,
                   const char* source, Py_ssize_t first, Py_ssize_t last, Py_ssize_t tile,
                   work_t* line, char* stage) noexcept nogil:
    """Compute one tile of the rows `first` to `last` - 1; with a stage, past the cache."""
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t per_step = t.lanes if t.kind == WINDOWS or t.kind == SUMS else t.spacing
    cdef Py_ssize_t start = t.tile[3 * tile] * per_step * <Py_ssize_t>sizeof(pixel_t)
    cdef Py_ssize_t whole = t.width * t.spacing * <Py_ssize_t>sizeof(pixel_t)
    cdef Py_ssize_t bytes = min(t.tile[3 * tile + 3] * per_step * <Py_ssize_t>sizeof(pixel_t),
                                whole) - start
    cdef Doubt* doubt = <Doubt*>(line + t.room)
    cdef Py_ssize_t used = 0, room
    cdef bint narrow = bytes < NARROW, pair
    cdef bint pairs = t.kind != CHANNELS or stage != NULL or side_by_side(t, rows, to)
    # Whole lines, straight from the registers: the stores drain while the next are computed.
    cdef bint direct = bytes % 64 == 0 and (t.kind == WINDOWS or t.kind == CHANNELS)
    cdef char* row
    cdef char* next_row
    cdef char* block = NULL
    cdef Taps taps, next_
    while first < last:
        row = (<char*>to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d
               + at.h * rows.dst_h + start)
        taps_of(&taps, source + at.n * rows.src_n + at.m * rows.src_m, d, h, rows, at.d, at.h)
        pair = (pairs and taps.count == 2 and first + 1 < last and at.h + 1 < rows.height
                and h.t != NULL and h.low[at.h + 1] == h.low[at.h])
        if pair:
            taps_of(&next_, source + at.n * rows.src_n + at.m * rows.src_m, d, h, rows, at.d,
                    at.h + 1)
        next_row = NULL
        if stage == NULL:
            if pair:
                next_row = row + rows.dst_h
            make_tile(<pixel_t*>row, <pixel_t*>next_row, &taps, &next_, t, tile, line, doubt,
                      False)
        elif (pixel_t is float or pixel_t is double) and direct and <size_t>row % 64 == 0 and not (
                pair and (rows.dst_h % 64 != 0 or (
                    rows.dst_h % PAGE == 0 and UPSHAPE_VECTOR_BYTES < 64))):
            if pair:
                next_row = row + rows.dst_h
            make_tile(<pixel_t*>row, <pixel_t*>next_row, &taps, &next_, t, tile, line, doubt, True)
        elif narrow and not (pair and rows.dst_h != bytes):
            room = bytes * (2 if pair else 1)
            if used > 0 and (row != block + used or used + room > GATHERED):
                stream(block, stage, used)
                used = 0
            if used == 0:
                block = row
            if pair:
                next_row = stage + used + bytes
            make_tile(<pixel_t*>(stage + used), <pixel_t*>next_row, &taps, &next_, t, tile, line,
                      doubt, False)
            used += room
        else:
            if used > 0:
                stream(block, stage, used)
                used = 0
            if pair:
                next_row = stage + (bytes + 63) // 64 * 64
            make_tile(<pixel_t*>stage, <pixel_t*>next_row, &taps, &next_, t, tile, line, doubt,
                      False)
            stream(row, stage, bytes)
            if pair:
                stream(row + rows.dst_h, next_row, bytes)
        step(rows, &at, 2 if pair else 1)
        first += 2 if pair else 1
    if used > 0:
        stream(block, stage, used)


cdef void run_windows(const Table* t, const Rows* rows, const Axis* d, const Axis* h, pixel_t* to,
                      const char* source, const char* limit, Py_ssize_t first, Py_ssize_t last,
                      Py_ssize_t tile, work_t like) noexcept nogil:
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


cdef void run_rows(const Table* t, const Rows* rows, const Axis* d, const Axis* h, pixel_t* to,
                   const char* source, const char* limit, Py_ssize_t first, Py_ssize_t last,
                   char* scratch, char* stage, work_t like) noexcept nogil:
    """Compute the rows `first` to `last` - 1, block by block, and a block tile by tile."""
    cdef Py_ssize_t block = last - first if t.tiles == 1 else BLOCK
    cdef Py_ssize_t tile, end
    while first < last:
        end = min(first + block, last)
        for tile in range(t.tiles):
            if t.kind == LINES:
                run_lines(t, rows, d, h, to, source, limit, first, end, tile, <work_t*>scratch,
                          stage)
            elif t.kind == WINDOWS and stage == NULL and d.t == NULL and h.t != NULL:
                if pixel_t is not uint8_t:
                    run_windows(t, rows, d, h, to, source, limit, first, end, tile, like)
            else:
                run_tile(t, rows, d, h, to, source, first, end, tile, <work_t*>scratch, stage)
        first = end
    if stage != NULL:
        stream_end()


cdef inline void run_share(int element, const Table* t, const Rows* rows, const Axis* d,
                           const Axis* h, char* to, const char* source, const char* limit,
                           Py_ssize_t first, Py_ssize_t last, char* scratch,
                           char* stage) noexcept nogil:
    """Choose the body for this dtype, by the bytes of an element."""
    if element == 4:
        run_rows(t, rows, d, h, <float*>to, source, limit, first, last, scratch, stage,
                 <float>0)
    elif element == 8:
        run_rows(t, rows, d, h, <double*>to, source, limit, first, last, scratch, stage,
                 <double>0)
    elif element == 1:
        run_rows(t, rows, d, h, <uint8_t*>to, source, limit, first, last, scratch, stage,
                 <float>0)
    else:
        run_rows(t, rows, d, h, <uint16_t*>to, source, limit, first, last, scratch, stage,
                 <float>0)


cdef int denominator(const double* t, Py_ssize_t count) noexcept nogil:
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


@cython.final
cdef class Plan:
    """Everything about a linear interpolation that its arguments decide.

    roles: which axes of the arrays are n, m, d, h, w, c (-1: none); axes: for d, h and w the lower
    neighbours (int64), the distances from them (float64, None: an axis that is copied) and the
    source's size; element: bytes of an element, which say the dtype; channels, spacing: elements of
    a pixel, and from one pixel of the result to the next; exact: float32 holds every mean of uint8;
    streaming: write past the cache; only: the kind to take if it can be done, for tests.
    """
    cdef Frame frame
    cdef Table table
    cdef Axis d
    cdef Axis h
    cdef int element
    cdef bint streaming
    cdef object keep
    cdef Py_ssize_t scratch, stage, allocated

    def __init__(self, roles, axes, int element, Py_ssize_t channels, Py_ssize_t spacing,
                 bint exact, bint streaming, str only=None):
        cdef Table* t = &self.table
        cdef int64_t[::1] low
        cdef double[::1] distance
        cdef Py_ssize_t x, total
        cdef bint contiguous, many
        cdef Py_ssize_t work = 8 if element == 8 else 4
        self.frame.roles = roles_of(roles)
        self.frame.depth = len(axes[0][0])
        self.frame.height = len(axes[1][0])
        self.frame.width = len(axes[2][0])
        self.frame.source_depth = axes[0][2]
        self.frame.source_height = axes[1][2]
        self.frame.source_width = axes[2][2]
        self.frame.pixel = channels * element
        self.frame.spacing = spacing * element
        self.keep = axes
        self.element = element
        self.streaming = streaming and spacing == channels
        self.set_axis(&self.d, axes[0])
        self.set_axis(&self.h, axes[1])
        low, distance, t.source_width = axes[2]
        check_table(low, t.source_width)
        t.low = &low[0]
        t.t = NULL if distance is None else &distance[0]
        t.width = low.shape[0]
        t.channels = channels
        t.spacing = spacing
        t.exact = exact
        t.lanes = UPSHAPE_VECTOR_BYTES // work
        total = t.width * channels
        contiguous = spacing == channels
        many = channels >= t.lanes
        t.rows = t.group = 1
        if t.t == NULL and (element >= 4 or not contiguous):
            t.kind = COPY
        elif t.t == NULL:
            t.kind = LINES
            t.reach = SAME
            t.width = t.source_width = total  # pixels make no difference
            t.channels = t.spacing = 1
        elif only == "elements":
            t.kind = ELEMENTS
        elif only in (None, "channel sums") and self.find_channel_sums():
            t.kind = CHANNEL_SUMS
        elif many and only in (None, "channels") and (not contiguous or channels >= (
                MANY_BYTES if element == 1 else MANY_CHANNELS)):
            t.kind = CHANNELS
        elif contiguous and only in (None, "sums") and self.find_sums():
            t.kind = SUMS
            t.lanes = UPSHAPE_SUMS
        elif (contiguous and element > 1
              and (only == "windows" or only is None and self.is_windowed())
              and self.d.t == NULL and self.find_vectors(False)):
            t.kind = WINDOWS
        elif (contiguous and only in (None, "lines") and self.find_vectors(True)
              and (only == "lines" or not many or t.reach <= WIDE_APART)):
            t.kind = LINES
        elif many:
            t.kind = CHANNELS
        else:
            t.kind = ELEMENTS
        if t.kind == CHANNELS or t.kind == ELEMENTS:
            t.u = <char*>self.allocate(t.width * work)
            t.v = <char*>self.allocate(t.width * work)
            for x in range(t.width):
                self.set_weight(t.u, t.v, x, t.t[x])
        self.cut_tiles()

    cdef bint has_windows(self) noexcept:
        """Return whether a vector of the result may come from a window of the source's rows.

        A vector of a source row that is narrower reads what lies behind it, and a row of the result
        that is narrower is stored by a mask: few_vectors does both.
        """
        cdef const Table* t = &self.table
        cdef Py_ssize_t row = t.width * t.channels, source = t.source_width * t.channels
        if row >= t.lanes and source >= t.lanes:
            return True
        if self.h.t == NULL or self.streaming or source > t.lanes or row > FEW * t.lanes:
            return False
        return row >= t.lanes or (UPSHAPE_HAS_MASKS and self.element >= 4 and 2 * row > t.lanes)

    cdef bint is_windowed(self) noexcept:
        """Return whether windows are faster than stored lines."""
        cdef const Table* t = &self.table
        cdef Py_ssize_t row = t.width * t.channels, source = t.source_width * t.channels
        return row >= WINDOWED * t.lanes or source <= t.lanes and self.has_windows()

    cdef bint find_vectors(self, bint stored) except -1:
        """Fill base, upper and by for vectors of stored lines, or of the source's rows themselves.

        Return whether that can be done, and is worth it.
        """
        cdef Table* t = &self.table
        cdef Py_ssize_t lanes = t.lanes, channels = t.channels, bytes = UPSHAPE_VECTOR_BYTES
        cdef Py_ssize_t row = t.width * channels, source = t.source_width * channels
        cdef Py_ssize_t unit = bytes // lanes // UPSHAPE_INDEX_BYTES
        cdef Py_ssize_t total, steps, k, lane, side, e, j, at, place, base, entries
        cdef Py_ssize_t near = 0, apart = 0
        cdef Py_ssize_t[2] least, most
        cdef uint8_t[4] windows = [0, 0x80, 0x40, 0xc0]
        cdef Py_ssize_t[2][MOST_LANES] from_
        cdef uint8_t* order
        if source > MOST_SHRUNK * row or not stored and not self.has_windows():
            return False
        t.rows = 1
        if stored:  # as many rows as end with a whole vector: none is moved back
            t.rows = lanes // gcd(row, lanes)
            if t.rows * row > LINE and row >= lanes:
                t.rows = 1
            elif t.rows * row < LEAST_LINE:
                t.rows *= (LEAST_LINE + t.rows * row - 1) // (t.rows * row)
        total = t.rows * row
        steps = (total + lanes - 1) // lanes
        for k in range(2 * steps):
            e = max(0, min(k % steps * lanes, total - lanes))
            if k == steps:  # how far apart sources lie is known
                t.reach = (NEAR if near <= lanes else APART if apart <= lanes
                           else WIDE if near <= 2 * lanes else WIDE_APART if apart <= 2 * lanes
                           else WIDER_APART if apart <= 4 * lanes and UPSHAPE_INDEX_BYTES == 4
                           else FAR)
                if not stored and t.reach > APART:
                    return False
                entries = steps * lanes if t.reach == FAR else steps
                self.release(t.base)
                self.release(t.upper)
                self.release(t.by)
                t.base = t.upper = NULL
                t.by = NULL
                t.base = <int64_t*>self.allocate(entries * sizeof(int64_t))
                t.upper = <int64_t*>self.allocate(entries * sizeof(int64_t))
                t.by = <char*>self.allocate(4 * steps * bytes)
                memset(t.by, 0, 4 * steps * bytes)
            for side in range(2):
                least[side] = t.rows * source
                most[side] = 0
                for lane in range(lanes):
                    place = min(e + lane, total - 1)
                    at = place % row
                    j = min(t.low[at // channels] + side, t.source_width - 1) * channels
                    j += at % channels + place // row * source
                    from_[side][lane] = j
                    least[side] = min(least[side], j)
                    most[side] = max(most[side], j)
            if k < steps:
                apart = max(apart, max(most[0] - least[0], most[1] - least[1]) + 1)
                near = max(near, max(most[0], most[1]) - min(least[0], least[1]) + 1)
                continue
            at = k - steps
            order = <uint8_t*>t.by + 4 * at * bytes
            for lane in range(lanes):
                self.set_weight(<char*>order + 2 * bytes, <char*>order + 3 * bytes, lane,
                                t.t[min(e + lane, total - 1) % row // channels])
            if t.reach == FAR:
                for lane in range(lanes):
                    t.base[at * lanes + lane] = from_[0][lane]
                    t.upper[at * lanes + lane] = from_[1][lane]
                continue
            if t.reach == NEAR or t.reach == WIDE:
                least[0] = least[1] = min(least[0], least[1])
            for side in range(2):
                if not stored:  # behind a stored line is room
                    least[side] = min(least[side], max(0, source - lanes))
                for lane in range(lanes):
                    base = (from_[side][lane] - least[side]) * unit
                    for j in range(unit):
                        order[(lane * unit + j) * UPSHAPE_INDEX_BYTES] = <uint8_t>(base + j)
                        if UPSHAPE_INDEX_BYTES == 4:  # which of four windows
                            order[(lane * unit + j) * 4 + 3] = windows[base // (lanes * unit)]
                order += bytes
            t.base[at] = least[0]
            t.upper[at] = least[1]
        if not stored:
            self.find_even(steps)
        return True

    cdef bint find_division(self):
        """Note what weights of w, and of w and h, make together; return whether 16 bits do."""
        cdef Table* t = &self.table
        cdef int parts = 1 if self.h.t == NULL else denominator(self.h.t, self.h.count)
        t.whole = denominator(t.t, t.width)
        return divide_by(&t.by_mean, t.whole * parts)

    cdef bint find_channel_sums(self) except -1:
        """Fill weight for pixels of many channels; return whether 16 bits hold their sums."""
        cdef Table* t = &self.table
        cdef Py_ssize_t x
        if self.element != 1 or self.d.t != NULL or t.channels < UPSHAPE_SUMS:
            return False
        if not self.find_division():
            return False
        t.weight = <uint8_t*>self.allocate(2 * t.width)
        for x in range(t.width):
            t.weight[2 * x + 1] = <uint8_t>(t.t[x] * t.whole + 0.5)
            t.weight[2 * x] = <uint8_t>(t.whole - t.weight[2 * x + 1])
        return True

    cdef bint find_sums(self) except -1:
        """Fill base, order and weight for sums in 16 bits; return whether that can be done."""
        cdef Table* t = &self.table
        cdef Py_ssize_t channels = t.channels, total = t.width * channels
        cdef Py_ssize_t source = t.source_width * channels
        cdef Py_ssize_t steps = (total + UPSHAPE_SUMS - 1) // UPSHAPE_SUMS
        cdef Py_ssize_t k, j, e, x, low, high, at
        cdef Py_ssize_t[MOST_LANES] least
        cdef Py_ssize_t[MOST_LANES] most
        cdef int v
        if self.element != 1 or self.d.t != NULL or total < UPSHAPE_SUMS or source < 16:
            return False
        if not self.find_division():
            return False
        # First whether 16 elements come from one window, then whether eight do.
        t.base = <int64_t*>self.allocate(UPSHAPE_SUM_WINDOWS * steps * sizeof(int64_t))
        t.order = <uint8_t*>self.allocate(UPSHAPE_VECTOR_BYTES * steps)
        t.weight = <uint8_t*>self.allocate(UPSHAPE_VECTOR_BYTES * steps)
        t.reach = NEAR
        k = 0
        while k < steps:
            at = min(k * UPSHAPE_SUMS, total - UPSHAPE_SUMS)
            for j in range(UPSHAPE_SUM_WINDOWS):
                least[j] = source - 16
                most[j] = 0
            for j in range(UPSHAPE_SUMS):
                x = (at + j) // channels
                low = t.low[x] * channels + (at + j) % channels
                high = low + (channels if t.low[x] < t.source_width - 1 else 0)
                e = j // 16 * 2 if t.reach == NEAR else j // 8
                least[e] = min(least[e], low)
                most[e] = max(most[e], high)
            for j in range(UPSHAPE_SUM_WINDOWS):
                e = j // 2 * 2 if t.reach == NEAR else j
                t.base[k * UPSHAPE_SUM_WINDOWS + j] = least[e]
                if most[e] - least[e] > 15:
                    break
            else:
                for j in range(UPSHAPE_SUMS):
                    x = (at + j) // channels
                    low = t.low[x] * channels + (at + j) % channels
                    high = low + (channels if t.low[x] < t.source_width - 1 else 0)
                    e = k * UPSHAPE_VECTOR_BYTES + 2 * j
                    v = <int>(t.t[x] * t.whole + 0.5)
                    low -= t.base[k * UPSHAPE_SUM_WINDOWS + j // 8]
                    high -= t.base[k * UPSHAPE_SUM_WINDOWS + j // 8]
                    t.order[e] = <uint8_t>low
                    t.order[e + 1] = <uint8_t>high
                    t.weight[e] = <uint8_t>(t.whole - v)
                    t.weight[e + 1] = <uint8_t>v
                k += 1
                continue
            if t.reach == APART:
                self.release(t.base)
                self.release(t.order)
                self.release(t.weight)
                t.base = NULL
                t.order = NULL
                t.weight = NULL
                return False
            t.reach = APART
            k = 0
        return True

    cdef int find_even(self, Py_ssize_t steps) except -1:
        """Find the longest stretch of vectors that differ in where their windows begin alone."""
        cdef Table* t = &self.table
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
            if k - begin > max(1, t.odd - t.even):
                t.even = begin
                t.odd = k
                t.advance = t.base[begin + 1] - t.base[begin]
            begin = k
        return 0

    cdef int set_axis(self, Axis* axis, tuple given) except -1:
        cdef int64_t[::1] low = given[0]
        cdef double[::1] distance = given[1]
        cdef Py_ssize_t j
        check_table(low, given[2])
        axis.low = &low[0]
        axis.t = NULL if distance is None else &distance[0]
        axis.count = low.shape[0]
        axis.last = given[2] - 1
        if axis.t != NULL:
            axis.weight = <double*>self.allocate(2 * axis.count * sizeof(double))
            axis.as_work = <char*>self.allocate(
                2 * axis.count * (8 if self.element == 8 else 4))
            for j in range(axis.count):
                axis.weight[2 * j] = 1.0 - axis.t[j]
                axis.weight[2 * j + 1] = axis.t[j]
                self.set_number(axis.as_work, 2 * j, axis.weight[2 * j])
                self.set_number(axis.as_work, 2 * j + 1, axis.weight[2 * j + 1])
        return 0

    cdef void* allocate(self, Py_ssize_t bytes) except NULL:
        """Return memory that begins with a line; where all of it begins stands before it."""
        cdef char* memory = <char*>PyMem_RawMalloc(bytes + 128)
        cdef char* start
        if memory == NULL:
            raise MemoryError(f"no memory for the tables of a row of {self.table.width} pixels")
        start = memory + 128 - <size_t>memory % 64
        (<void**>start - 1)[0] = memory
        self.allocated += bytes
        return start

    cdef void release(self, void* start) noexcept:
        if start != NULL:
            PyMem_RawFree((<void**>start - 1)[0])

    cdef void set_weight(self, char* u, char* v, Py_ssize_t at, double distance) noexcept:
        self.set_number(u, at, 1.0 - distance)
        self.set_number(v, at, distance)

    cdef void set_number(self, char* to, Py_ssize_t at, double value) noexcept:
        if self.element == 8:
            (<double*>to)[at] = value
        else:
            (<float*>to)[at] = <float>value

    cdef int cut_tiles(self) except -1:
        """Cut a row into tiles, and find what each needs of the line."""
        cdef Table* t = &self.table
        cdef bint vectors = t.kind == WINDOWS or t.kind == SUMS or t.kind == LINES
        cdef Py_ssize_t per_step = t.lanes if vectors else t.channels
        cdef Py_ssize_t total = t.width * t.channels, source = t.source_width * t.channels
        cdef Py_ssize_t work = 8 if self.element == 8 else 4
        cdef Py_ssize_t steps = (total + per_step - 1) // per_step
        cdef Py_ssize_t each, first, last, start, end, low, high, j
        each = LINE_TILE if t.kind == LINES else TILE
        each = each * min(t.width, t.source_width) // t.source_width // per_step
        each = min(max(1, each), steps)
        if t.kind == LINES and (t.rows > 1 or max(total, source) <= LINE):
            each = steps
        t.tiles = (steps + each - 1) // each
        t.tile = <Py_ssize_t*>self.allocate((3 * t.tiles + 1) * sizeof(Py_ssize_t))
        t.room = 0
        for j in range(t.tiles):
            first = j * each
            last = min(first + each, steps)
            start = max(0, min(first * per_step, total - per_step)) // t.channels
            end = (min(last * per_step, total) - 1) // t.channels
            low = start
            high = end + 1
            if t.t != NULL:
                low = t.low[start]
                high = min(t.low[end] + 2, t.source_width)
            if t.kind == LINES and t.tiles == 1:
                low = 0
                high = t.source_width
            t.tile[3 * j] = first
            t.tile[3 * j + 1] = low
            t.tile[3 * j + 2] = high
            if t.kind == COPY or t.kind == LINES:
                t.room = max(t.room, (high - low) * t.channels)
        t.tile[3 * t.tiles] = steps
        t.few = (t.kind == WINDOWS and t.reach == NEAR and t.tiles == 1 and steps <= FEW
                 and self.h.t != NULL and not self.streaming)
        t.doubts = 1 + each * (t.channels if not vectors else 1)
        self.stage = max(2 * (each + 1) * per_step * self.element, GATHERED)
        if t.kind == LINES and t.tiles == 1:
            t.group = max(1, LINE // max(total, source) // t.rows) * t.rows
            t.room *= t.group
            t.doubts = t.group * (total // t.lanes + 2)
            self.stage = max(self.stage, t.group * total * self.element)
        t.room += t.channels + 6 * t.lanes
        t.room += t.room % 2  # Doubts follow it: what they hold is aligned
        self.scratch = t.room * work
        if self.element == 1:
            self.scratch += 2 * t.doubts * sizeof(Doubt)
        self.scratch = (self.scratch + 63) // 64 * 64 + 64
        self.stage = (self.stage + 128 + 63) // 64 * 64
        return 0

    def __dealloc__(self):
        self.release(self.table.base)
        self.release(self.table.upper)
        self.release(self.table.order)
        self.release(self.table.weight)
        self.release(self.table.by)
        self.release(self.table.u)
        self.release(self.table.v)
        self.release(self.table.tile)
        self.release(self.d.weight)
        self.release(self.h.weight)
        self.release(self.d.as_work)
        self.release(self.h.as_work)

    @property
    def kind(self):
        """How rows are spread."""
        kinds = ["copy", "windows", "lines", "sums", "channels", "channel sums", "elements"]
        return kinds[<int>self.table.kind]

    @property
    def nbytes(self):
        """Bytes that the tables take, and at most what was tried for them."""
        return self.allocated + sum([
            table.nbytes for axis in self.keep for table in axis[:2] if table is not None])

    cdef Py_ssize_t room(self) noexcept:
        """Return the bytes of a thread."""
        return self.scratch + (self.stage if self.streaming else 0)

    def take(self, int threads):
        """Return the working memory of a run on so many threads, to be handed to it."""
        cdef Py_ssize_t bytes = self.room() * max(threads, 1) + 64
        return None if bytes <= SMALL else np.empty(bytes, np.uint8)

    def run(self, cnp.ndarray source not None, cnp.ndarray result not None, int threads,
            cnp.ndarray scratch=None):
        """Fill `result` from `source`, on so many threads; scratch: from `take`, for as many.

        Return whether that was done: not if elements are not aligned, or the arrays are not what
        the plan was made for.
        """
        cdef Rows rows
        cdef Py_ssize_t total, room = self.room()
        cdef const char* from_ = PyArray_BYTES(<PyArrayObject*>source)  # IN
        cdef char* to = PyArray_BYTES(<PyArrayObject*>result)  # OUT
        cdef const char* limit
        cdef char[SMALL] small
        cdef char* memory = &small[0]
        cdef Team team
        cdef int t
        if not takes(&self.frame, <PyArrayObject*>source, <PyArrayObject*>result):
            return False
        rows = rows_of(<PyArrayObject*>source, <PyArrayObject*>result, self.frame.roles)
        if (<size_t>from_ | <size_t>to | strides_of(&rows)) % <size_t>self.element != 0:
            return False
        total = rows.n * rows.m * rows.depth * rows.height
        if total < threads:
            threads = <int>total
        threads = max(threads, 1)
        limit = (from_ + self.table.source_width * self.table.channels * self.element
                 + max(0, (rows.n - 1) * rows.src_n) + max(0, (rows.m - 1) * rows.src_m)
                 + max(0, self.d.last * rows.src_d) + max(0, self.h.last * rows.src_h))
        if room * threads + 64 > SMALL:
            if scratch is None:
                scratch = self.take(threads)
            if cnp.PyArray_NBYTES(scratch) < room * threads + 64:
                raise ValueError("the scratch was taken for another plan")
            memory = PyArray_BYTES(<PyArrayObject*>scratch)
        memory += (-<size_t>memory) % 64
        form_team(&team, threads)
        with nogil:
            if team.threads == 1:
                run_share(self.element, &self.table, &rows, &self.d, &self.h, to, from_, limit, 0,
                          total, memory, memory + self.scratch if self.streaming else NULL)
            else:
                team_begins(&team)
                for t in prange(threads, num_threads=team.threads, schedule="static"):
                    share_begins(&team, t)
                    run_share(self.element, &self.table, &rows, &self.d, &self.h, to, from_, limit,
                              total * t // threads, total * (t + 1) // threads,
                              memory + t * room,
                              memory + t * room + self.scratch if self.streaming else NULL)
                    share_ends(&team, t)
                team_ends(&team)
        dismiss_team(&team)
        return True
