"""Resizing by tables: each pixel of the result is a weighted sum of a stretch of the source's.

    result[.., d, h, x] = sum over a, b, c of
        weight_d[d, a] weight_h[h, b] weight_w[x, c]
            source[.., first_d[d] + a, first_h[h] + b, first_w[x] + c]

Any number of taps along each axis; no convention is known here. The three sums are three passes:

    through   along d: rows of several planes become one                  (blend)
    down      along h: rows of a plane become one                         (blend)
    across    along w: a row is squeezed or stretched                     (transpose, spread)

first `through`, then of the other two the one that leaves less to do: `across` first where a
picture grows, `down` first where it shrinks. What lies between two passes are lines in a ring, of a
strip of the row, so that it stays in the first caches however large the picture is.

`blend` adds up rows vector by vector. `across` would need permutations that depend on the table;
instead as many rows as a vector has lanes go through it together: a strip of them is transposed, so
that a column is a vector, a pixel of the result is a sum of columns, and the sums are transposed
back. That does for any table and any number of channels; pixels of many channels need no transpose,
and in fixed point pixels of four do without: a vector holds some whole pixels, and the products of
a pixel of the result stand in it one behind the other until they are added up (spread_quads).
Where a row's table repeats itself after a few pixels (factors such as 2, 1/2 and 3/2), rows are
taken apart into phases instead, and each phase of the result is a sum of phases, made by `blend`.
A picture of which means of 2 x 2 pixels are made goes down and across at once (halve).

Sums are formed in float32 (in float64 for float64 and for integers of more than eight bits and
int8), tap after tap, fused where the level fuses, whatever path and however many rows go together:
a result's bits depend on nothing but source and tables. Zeros at the ends of a pixel's weights are
no taps: what they would multiply is not read, and a NaN there leaks nowhere.

The caller has checked: first >= 0, first + taps <= the source's size, pixels and the source's rows
without gaps, elements aligned, source and result disjoint. No allocation in a row loop, no Python
object.

Where sums of bytes are formed of pairs, rows are transposed by couples of pixels instead, so that
a product takes both (couple_rows, and couples.h).

Hot functions, for who reads the machine code: blend, transpose, spread, spread_phases,
spread_channels, spread_quads, upshape_spread_couples, halve_reals, halve_bytes.

Words: a *strip* is a stretch of a row of the result, with the stretch of the source that it needs.
A *group* is as many rows as go through `across` together.
A *phase* is every second, third or fourth pixel of a row.
A *quad* is a pixel of four elements.
A *couple* is two neighbouring pixels of a row, of which the first is an even one: of each channel
two elements side by side.
"""

cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t
from libc.math cimport floor, floorf
from libc.string cimport memcpy, memset

from check cimport UPSHAPE_CHECK, check_parts, cut, part_bytes
from couples cimport (
    UPSHAPE_COUPLED,
    couple,
    couples,
    coupling,
    coupling_of,
    spread_couples,
)
from rows cimport (
    Frame,
    Place,
    PyArray_BYTES,
    PyArrayObject,
    Rows,
    place_of,
    roles_of,
    rows_of,
    step,
    strides_of,
    takes,
)
from pairs cimport add_squares, part_pixels, parting, parting_of, squares, squares_of
from phases cimport fetch, fetch_row, put_together, take_apart
from shorts cimport (
    UPSHAPE_QUADS,
    UPSHAPE_SHORTS,
    UPSHAPE_WIDE,
    above,
    add_floored,
    add_four_rounded,
    add_products,
    add_products_of_bytes,
    add_quads,
    add_rounded,
    add_tiny,
    add_wide,
    clamp_shorts,
    eight_bytes,
    eight_shorts,
    ints,
    join_quads,
    join_quads_rounded,
    join_sums,
    join_wide,
    lift,
    load_shorts,
    multiplied,
    narrow_short,
    narrow_shorts,
    no_quads,
    no_shorts,
    no_sums,
    no_sums_of_bytes,
    no_tiny_sums,
    no_wide,
    no_wide_sums,
    raise_quads,
    raise_sums,
    scaled,
    scaled_one,
    shorts,
    splat_pair,
    splat_short,
    splat_wide_pair,
    store_eight,
    store_four,
    store_scaled,
    store_shorts,
    store_tiny,
    store_wide,
    sums32,
    sums_of_bytes,
    tiny_sums,
    transpose_shorts,
    wide,
    wide_pair,
    wide_sums,
    wide_zip,
    widen_to_shorts,
    zip_wide,
)
from transposes cimport (
    clamp_byte,
    half,
    plus_double,
    plus_doubles,
    plus_float,
    plus_floats,
    plus_product,
    times_doubles,
    times_floats,
    to_integer,
    transpose_doubles,
    transpose_floats,
    widen_int8,
    widen_int16,
    widen_int32,
    widen_uint16,
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
    UPSHAPE_VECTOR_BYTES,
    float_to_half,
    half_to_float,
    load,
    narrow_byte,
    narrow_half,
    round_byte,
    splat_double,
    splat_float,
    store,
    stream,
    stream_end,
    widen_byte,
    widen_half,
    words,
)

import numpy as np

cnp.import_array()

ctypedef fused pixel_t:  # an element of the arrays
    float
    double
    half
    uint8_t
    int8_t
    int16_t
    uint16_t
    int32_t

ctypedef fused work_t:  # an element of a line
    float
    double
    int16_t  # fixed point

# Bytes of a row that are asked for at once.
cdef enum:
    FETCHED = 512

# Lanes of the widest vectors.
cdef enum:
    MOST_LANES = 16

# Pixels of four elements that are made together.
cdef enum:
    MOST_QUADS = 4

# Columns that are added up together: their sums stay in registers.
cdef enum:
    MOST_COLUMNS = 4

# How sums are formed in fixed point.
cdef enum Way:
    PAIRS  # products of two taps, 32 bits: weights are pairs
    ROUNDED  # products of 16 bits, each rounded: a weight is stored twice
    TINY  # weights of 8 bits, fractions with a small denominator
    FLOORED  # products of 16 bits, each rounded down, and twice their sum and 1: a tie is above it

# Elements that are asked together whether any is near a tie.
cdef enum:
    MENDED = 32

# How far two sums of float32, which are means of bytes, may be from each other, a product.
cdef double APART = 0.5**15

# What becomes of elements that are near a tie: another library's sums decide about them.
cdef enum Mending:
    LEFT  # as they are
    EXACT  # across is exact, and so is down, halves up; or a sum of float32, the last product first
    CHAINED  # sums of float32, first product first, across and then down
    WHOLE  # means of whole pixels: their sum, times what float32 has for one by their number

# The table of an axis, zeros at the ends of the weights left out.
cdef struct Axis:
    Py_ssize_t count, source  # pixels of the result and of the source
    Py_ssize_t most  # taps of a pixel, at most
    bint copied
    const int64_t* first
    const int64_t* taps
    const char* weight  # `stride` a pixel, as wide as an element of a line
    Py_ssize_t stride
    const int64_t* place  # quads: elements before a pixel's weights; pixels alike share them
    couples couples
    Py_ssize_t copies  # fixed point: how often a weight, or a pair of weights, is repeated
    int shift  # fixed point: sums are divided by 2^shift
    int more  # PAIRS: what is added to a sum before; half of 2^shift rounds, 0 rounds down
    int split  # PAIRS: weights of more than 16 bits are two, and the first counts 2^split times
    Way way
    # TINY: what a pixel's sums are multiplied with, times 2^15; 0: nothing. ROUNDED: how often they
    # are doubled: half the weights are laid out for a pixel with one above 1.
    const int16_t* scale
    const int16_t* factor  # ROUNDED, quads: 1 or 2 for each element of a pixel, as `scale` says
    int lift  # ROUNDED: what bytes are multiplied with first, as a power of two
    int most_line  # fixed point: what an element of a line is at most, 0 at least; -1: anything

cdef struct Table:
    Axis d
    Axis h
    Axis w
    bint across_first
    Py_ssize_t channels, spacing  # elements of a pixel, from one to the next in the result
    float most_byte  # what bytes of the result are at most: 1 for bool
    int fraction  # fixed point: binary digits of a line's elements behind the point
    bint rounded  # every pass gives integers
    Mending mended
    float tie  # how near to a tie elements are mended: sums of float32 are less off
    Py_ssize_t chained  # EXACT: elements of a row that are sums of float32
    Py_ssize_t group  # rows that go across together
    Py_ssize_t strips
    const Py_ssize_t* strip  # for each: its first pixel, the first and the last + 1 of the source
    Py_ssize_t longest, longest_source  # elements of a strip, at most
    bint transposed  # rows are transposed to go across
    bint halved  # each pixel is the mean of 2 x 2: down and across at once
    bint quads  # pixels of four elements go across one by one, two rows at a time
    bint coupled  # rows are transposed by couples to go across
    coupling coupling
    # The pixels regular_from to regular_to - 1 of a row repeat themselves: `period` later, a pixel
    # has the same weights, for the source's pixels `step` further on. 0: they do not.
    Py_ssize_t period, step, regular_from, regular_to
    Py_ssize_t phase_source, phase_result  # bytes of a phase of a strip
    Py_ssize_t ring, deep_ring  # lines of the ring between down and across, and before both

# A thread's memory: its parts, in the order in which they lie, as Desk has them.
cdef enum:
    IN_TRANSPOSED, IN_PHASES, IN_PHASES_MADE, IN_RING, IN_DEEP, IN_LINE, IN_STAGE, IN_ROW
    PARTS

cdef struct Desk:
    char* transposed  # or a row of bytes, lifted
    char* phases
    char* phases_made
    char* ring
    char* deep
    char* line
    char* stage  # NULL: results are not written past the cache
    const char** row  # taps of a pixel
    const char* start
    const char* end


# The part of the work that a strip of a plane's rows is: where they stand.
cdef struct Plane:
    const char* source  # of the plane: n, m (and d, where that is copied)
    char* result  # of the plane: n, m, d
    Py_ssize_t d
    Py_ssize_t first, last  # pixels of the strip
    Py_ssize_t low, high  # pixels of the source's strip
    Py_ssize_t made_from, made_to  # source rows whose lines are in the deep ring


# --- one body for all dtypes ---------------------------------------------------------------------

cdef inline words widen(const pixel_t* p, work_t like) noexcept nogil:
    cdef double[8] values
    cdef Py_ssize_t j
    if pixel_t is uint8_t and work_t is double:
        for j in range(UPSHAPE_VECTOR_BYTES // 8):
            values[j] = p[j]
        return load(values)
    elif pixel_t is uint8_t:
        return widen_byte(p)
    elif pixel_t is half:
        return widen_half(<const uint16_t*>p)
    elif pixel_t is int8_t:
        return widen_int8(p)
    elif pixel_t is int16_t:
        return widen_int16(p)
    elif pixel_t is uint16_t:
        return widen_uint16(p)
    elif pixel_t is int32_t:
        return widen_int32(p)
    else:
        return load(p)


cdef inline work_t widened(const pixel_t* p, work_t like) noexcept nogil:
    if pixel_t is half:
        return <work_t>half_to_float(p[0].bits)
    else:
        return <work_t>p[0]


cdef inline void narrowed(pixel_t* p, work_t value, const Table* t) noexcept nogil:
    """Round an element of a line to what the result holds; bytes to no more than `most_byte`."""
    if pixel_t is half:
        p[0].bits = float_to_half(value)
    elif pixel_t is uint8_t and work_t is int16_t:
        p[0] = narrow_short(value, t.fraction, <int>t.most_byte)
    elif pixel_t is uint8_t:
        p[0] = round_byte(min(max(<float>value, 0.0), t.most_byte))
    elif pixel_t is int8_t:
        p[0] = <int8_t>to_integer(value, -128.0, 127.0)
    elif pixel_t is int16_t:
        p[0] = <int16_t>to_integer(value, -32768.0, 32767.0)
    elif pixel_t is uint16_t:
        p[0] = <uint16_t>to_integer(value, 0.0, 65535.0)
    elif pixel_t is int32_t:
        p[0] = <int32_t>to_integer(value, -2147483648.0, 2147483647.0)
    else:
        p[0] = <pixel_t>value


cdef inline words splat(work_t value) noexcept nogil:
    if work_t is double:
        return splat_double(value)
    else:
        return splat_float(value)


cdef inline words times(words a, words b, work_t like) noexcept nogil:
    if work_t is double:
        return times_doubles(a, b)
    else:
        return times_floats(a, b)


cdef inline words plus(words sum, words a, words b, work_t like) noexcept nogil:
    if work_t is double:
        return plus_doubles(sum, a, b)
    else:
        return plus_floats(sum, a, b)


cdef inline work_t plus_one(work_t sum, work_t a, work_t b) noexcept nogil:
    if work_t is double:
        return plus_double(sum, a, b)
    else:
        return <work_t>plus_float(sum, a, b)


cdef inline void transpose_block(words* block, work_t like) noexcept nogil:
    if work_t is double:
        transpose_doubles(block)
    else:
        transpose_floats(block)


cdef inline Py_ssize_t lanes_of(work_t like) noexcept nogil:
    """Return how many rows go across together."""
    return UPSHAPE_SHORTS if work_t is int16_t else UPSHAPE_VECTOR_BYTES // sizeof(work_t)


cdef inline shorts shorts_of(const pixel_t* p) noexcept nogil:
    return widen_to_shorts(<const uint8_t*>p) if pixel_t is uint8_t else load_shorts(
        <const int16_t*>p)


cdef inline shorts eights_of(const pixel_t* p, const pixel_t* q) noexcept nogil:
    return eight_bytes(<const uint8_t*>p, <const uint8_t*>q) if pixel_t is uint8_t else (
        eight_shorts(<const int16_t*>p, <const int16_t*>q))


# --- through and down: a line as a sum of rows ---------------------------------------------------

cdef inline void blend_vector(work_t* line, const pixel_t** row, const work_t* weight,
                              Py_ssize_t taps, Py_ssize_t j) noexcept nogil:
    cdef words sum = times(widen(row[0] + j, weight[0]), splat(weight[0]), weight[0])
    cdef Py_ssize_t k
    for k in range(1, taps):
        sum = plus(sum, widen(row[k] + j, weight[0]), splat(weight[k]), weight[0])
    store(line + j, sum)


cdef void blend_reals(work_t* line, const pixel_t** row, const work_t* weight, Py_ssize_t taps,
                      Py_ssize_t count) noexcept nogil:
    """Add up so many elements of rows, four vectors at a time."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t j = 0, k
    cdef words a, b, c, d, w
    cdef work_t sum
    while j + 4 * lanes <= count:
        w = splat(weight[0])
        a = times(widen(row[0] + j, weight[0]), w, weight[0])
        b = times(widen(row[0] + j + lanes, weight[0]), w, weight[0])
        c = times(widen(row[0] + j + 2 * lanes, weight[0]), w, weight[0])
        d = times(widen(row[0] + j + 3 * lanes, weight[0]), w, weight[0])
        for k in range(1, taps):
            w = splat(weight[k])
            a = plus(a, widen(row[k] + j, weight[0]), w, weight[0])
            b = plus(b, widen(row[k] + j + lanes, weight[0]), w, weight[0])
            c = plus(c, widen(row[k] + j + 2 * lanes, weight[0]), w, weight[0])
            d = plus(d, widen(row[k] + j + 3 * lanes, weight[0]), w, weight[0])
        store(line + j, a)
        store(line + j + lanes, b)
        store(line + j + 2 * lanes, c)
        store(line + j + 3 * lanes, d)
        j += 4 * lanes
    while j + lanes <= count:
        blend_vector(line, row, weight, taps, j)
        j += lanes
    if j < count and count >= lanes:
        blend_vector(line, row, weight, taps, count - lanes)
        return
    while j < count:
        sum = widened(row[0] + j, weight[0]) * weight[0]
        for k in range(1, taps):
            sum = plus_one(sum, widened(row[k] + j, weight[0]), weight[k])
        line[j] = sum
        j += 1


cdef inline shorts scaled_line(sums32 sum, const Axis* axis) noexcept nogil:
    cdef shorts value = scaled(sum, axis.shift, axis.more)
    return value if axis.most_line < 0 else clamp_shorts(value, axis.most_line)


cdef inline int16_t fixed_element(const pixel_t* p, Py_ssize_t apart, const pixel_t** row,
                                  Py_ssize_t j, const Axis* axis, Py_ssize_t at) noexcept nogil:
    """Sum one element: of rows, or, where those are NULL, of a row's pixels from `p` on."""
    cdef const int16_t* weight = <const int16_t*>axis.weight + at * axis.stride
    cdef const int8_t* tiny = <const int8_t*>weight
    cdef int32_t sum = 0, value
    cdef Py_ssize_t k, pair
    for k in range(axis.taps[at]):
        value = widened(row[k] + j if row != NULL else p + k * apart, <int16_t>0)
        if axis.way == PAIRS:
            pair = k // 2 * 2 * axis.copies
            sum += value * weight[pair + k % 2] * (1 << axis.split)
            if axis.split > 0:
                sum += value * weight[axis.stride // 2 + pair + k % 2]
        elif axis.way == FLOORED:
            sum += (value * weight[axis.copies * k]) >> 16
        elif axis.way == TINY:
            sum += value * tiny[k // 2 * 4 + k % 2]
        else:
            value <<= axis.lift if pixel_t is uint8_t else 0
            sum += (value * weight[axis.copies * k] + 0x4000) >> 15
    if axis.way == PAIRS:
        sum = scaled_one(sum, axis.shift, axis.more)
        return sum if axis.most_line < 0 else min(max(sum, 0), axis.most_line)
    if axis.way == FLOORED:
        return 2 * sum + 1
    if axis.way == TINY and axis.scale[at] != 0:
        return (sum * axis.scale[at] + 0x4000) >> 15
    return sum << axis.scale[at] if axis.way == ROUNDED else sum


cdef inline void blend_tiny(int16_t* line, const uint8_t** row, const int16_t* weight,
                            Py_ssize_t pairs, int scale, Py_ssize_t j) noexcept nogil:
    """Make four vectors of a line."""
    cdef tiny_sums sum = no_tiny_sums()
    cdef Py_ssize_t k
    for k in range(pairs):
        add_tiny(&sum, row[2 * k] + j, row[2 * k + 1] + j, weight + 2 * k)
    store_tiny(line + j, &sum, scale)


cdef inline void blend_bytes(int16_t* line, const uint8_t** row, const Axis* axis,
                             const int16_t* weight, Py_ssize_t pairs, Py_ssize_t j,
                             bint twice) noexcept nogil:
    """Make two wide vectors of a line, or four."""
    cdef sums_of_bytes a = no_sums_of_bytes(), b = no_sums_of_bytes()
    cdef wide_pair w
    cdef const uint8_t* p
    cdef const uint8_t* q
    cdef Py_ssize_t k
    for k in range(pairs):
        w = splat_wide_pair(weight + 2 * k)
        p = row[2 * k] + j
        q = row[2 * k + 1] + j
        add_products_of_bytes(&a, p, q, w)
        if twice:
            add_products_of_bytes(&b, p + 2 * UPSHAPE_WIDE, q + 2 * UPSHAPE_WIDE, w)
    store_scaled(line + j, &a, axis.shift, axis.more, axis.most_line)
    if twice:
        store_scaled(line + j + 2 * UPSHAPE_WIDE, &b, axis.shift, axis.more, axis.most_line)


cdef inline void blend_shorts(int16_t* line, const pixel_t** row, const Axis* axis,
                              const int16_t* weight, Py_ssize_t pairs,
                              Py_ssize_t j) noexcept nogil:
    """Make a vector of a line."""
    cdef sums32 sum = no_sums(), low = no_sums()
    cdef const int16_t* weight_too = weight + axis.stride // 2
    cdef shorts a, b
    cdef Py_ssize_t k
    if axis.split > 0:
        for k in range(pairs):
            a = shorts_of(row[2 * k] + j)
            b = shorts_of(row[2 * k + 1] + j)
            sum = add_products(sum, a, b, splat_pair(weight + 2 * k))
            low = add_products(low, a, b, splat_pair(weight_too + 2 * k))
        sum = join_sums(sum, low, axis.split)
    else:
        for k in range(pairs):
            sum = add_products(sum, shorts_of(row[2 * k] + j), shorts_of(row[2 * k + 1] + j),
                               splat_pair(weight + 2 * k))
    store_shorts(line + j, scaled_line(sum, axis))


cdef inline void blend_two_wide(int16_t* line, const int16_t** row, const Axis* axis,
                                const int16_t* weight, Py_ssize_t pairs, Py_ssize_t j,
                                bint split) noexcept nogil:
    """Make two wide vectors of a line."""
    cdef wide_sums[2] sum, low
    cdef wide_zip[2] zipped
    cdef Py_ssize_t half = axis.stride // 2, i, k
    for i in range(2):
        sum[i] = low[i] = no_wide_sums()
    for k in range(pairs):
        for i in range(2):
            zipped[i] = zip_wide(row[2 * k] + j + i * UPSHAPE_WIDE,
                                 row[2 * k + 1] + j + i * UPSHAPE_WIDE)
            sum[i] = add_wide(sum[i], zipped[i], splat_wide_pair(weight + 2 * k))
            if split:
                low[i] = add_wide(low[i], zipped[i], splat_wide_pair(weight + half + 2 * k))
    for i in range(2):
        if split:
            sum[i] = join_wide(sum[i], low[i], axis.split)
        store_wide(line + j + i * UPSHAPE_WIDE, sum[i], axis.shift, axis.more, axis.most_line)


cdef inline void blend_four_rounded(int16_t* line, const int16_t** row, const int16_t* weight,
                                    Py_ssize_t taps, int doubled, Py_ssize_t j) noexcept nogil:
    """Make four wide vectors of a line."""
    cdef wide[4] sum
    cdef Py_ssize_t k
    for k in range(4):
        sum[k] = no_wide()
    for k in range(taps):
        add_four_rounded(sum, row[k] + j, weight + 2 * k)
    store_four(line + j, sum, doubled)


cdef inline void blend_rounded(int16_t* line, const pixel_t** row, const Axis* axis,
                               const int16_t* weight, Py_ssize_t taps, int doubled,
                               Py_ssize_t j) noexcept nogil:
    """Make a vector of a line."""
    cdef shorts sum = no_shorts()
    cdef Py_ssize_t k
    for k in range(taps):
        sum = add_rounded(sum, lift(shorts_of(row[k] + j), axis.lift if pixel_t is uint8_t else 0),
                          splat_short(weight + 2 * k))
    store_shorts(line + j, lift(sum, doubled))


cdef inline void blend_floored(int16_t* line, const int16_t** row, const int16_t* weight,
                               Py_ssize_t taps, Py_ssize_t j) noexcept nogil:
    """Make four vectors of a line."""
    cdef shorts[4] sum
    cdef shorts w
    cdef Py_ssize_t k, g
    for g in range(4):
        sum[g] = no_shorts()
    for k in range(taps):
        w = splat_short(weight + 2 * k)
        for g in range(4):
            sum[g] = add_floored(sum[g], load_shorts(row[k] + j + g * UPSHAPE_SHORTS), w)
    for g in range(4):
        store_shorts(line + j + g * UPSHAPE_SHORTS, above(sum[g]))


cdef void blend_fixed(int16_t* line, const pixel_t** row, const Axis* axis, Py_ssize_t at,
                      Py_ssize_t count) noexcept nogil:
    """The same in fixed point."""
    cdef const int16_t* weight = <const int16_t*>axis.weight + at * axis.stride
    cdef Py_ssize_t taps = axis.taps[at], pairs = (taps + 1) // 2, j = 0
    if taps % 2:
        row[taps] = row[0]  # with weight 0
    if axis.way == TINY:
        if pixel_t is uint8_t:
            while j + 4 * UPSHAPE_SHORTS <= count:
                blend_tiny(line, row, weight, pairs, axis.scale[at], j)
                j += 4 * UPSHAPE_SHORTS
            if j < count and count >= 4 * UPSHAPE_SHORTS:
                blend_tiny(line, row, weight, pairs, axis.scale[at], count - 4 * UPSHAPE_SHORTS)
                return
    elif axis.way == FLOORED:
        if pixel_t is int16_t:
            while j + 4 * UPSHAPE_SHORTS <= count:
                blend_floored(line, row, weight, taps, j)
                j += 4 * UPSHAPE_SHORTS
            if j < count and count >= 4 * UPSHAPE_SHORTS:
                blend_floored(line, row, weight, taps, count - 4 * UPSHAPE_SHORTS)
                return
    elif axis.way == ROUNDED:
        if pixel_t is int16_t:
            while j + 4 * UPSHAPE_WIDE <= count:
                blend_four_rounded(line, row, weight, taps, axis.scale[at], j)
                j += 4 * UPSHAPE_WIDE
        while j + UPSHAPE_SHORTS <= count:
            blend_rounded(line, row, axis, weight, taps, axis.scale[at], j)
            j += UPSHAPE_SHORTS
        if j < count and count >= UPSHAPE_SHORTS:
            blend_rounded(line, row, axis, weight, taps, axis.scale[at], count - UPSHAPE_SHORTS)
            return
    else:
        if pixel_t is uint8_t and axis.split == 0:
            while j + 4 * UPSHAPE_WIDE <= count:
                blend_bytes(line, row, axis, weight, pairs, j, True)
                j += 4 * UPSHAPE_WIDE
            while j + 2 * UPSHAPE_WIDE <= count:
                blend_bytes(line, row, axis, weight, pairs, j, False)
                j += 2 * UPSHAPE_WIDE
            if j < count and count >= 2 * UPSHAPE_WIDE:
                blend_bytes(line, row, axis, weight, pairs, count - 2 * UPSHAPE_WIDE, False)
                return
        if pixel_t is int16_t:
            while j + 2 * UPSHAPE_WIDE <= count:
                if axis.split > 0:
                    blend_two_wide(line, row, axis, weight, pairs, j, True)
                else:
                    blend_two_wide(line, row, axis, weight, pairs, j, False)
                j += 2 * UPSHAPE_WIDE
        while j + UPSHAPE_SHORTS <= count:
            blend_shorts(line, row, axis, weight, pairs, j)
            j += UPSHAPE_SHORTS
        if j < count and count >= UPSHAPE_SHORTS:
            blend_shorts(line, row, axis, weight, pairs, count - UPSHAPE_SHORTS)
            return
    for j in range(j, count):
        line[j] = fixed_element(row[0], 0, row, j, axis, at)


cdef inline void blend(work_t* line, const pixel_t** row, const Axis* axis, Py_ssize_t at,
                       Py_ssize_t count) noexcept nogil:
    """Make a line of `count` elements: the rows that pixel `at` of an axis is made of, summed."""
    if axis.taps[at] == 0:
        memset(line, 0, count * sizeof(work_t))
    elif work_t is int16_t:
        blend_fixed(line, row, axis, at, count)
    else:
        blend_reals(line, row, <const work_t*>axis.weight + at * axis.stride, axis.taps[at], count)


# --- across: rows side by side, a column a vector ------------------------------------------------

cdef void transpose_fixed(int16_t* transposed, const pixel_t** row, Py_ssize_t count,
                          int by) noexcept nogil:
    """Transpose so many columns of `UPSHAPE_SHORTS` rows; multiply them with 2^by."""
    cdef Py_ssize_t j = 0, g
    cdef shorts[8] block
    while j + 8 <= count:
        for g in range(8):
            block[g] = eights_of(row[g] + j, row[(g + 8) % UPSHAPE_SHORTS] + j)
        transpose_shorts(block)
        for g in range(8):
            store_shorts(transposed + (j + g) * UPSHAPE_SHORTS, lift(block[g], by))
        j += 8
    while j < count:
        for g in range(UPSHAPE_SHORTS):
            transposed[j * UPSHAPE_SHORTS + g] = widened(row[g] + j, <int16_t>0) << by
        j += 1


cdef void transpose(work_t* transposed, const pixel_t** row, Py_ssize_t count) noexcept nogil:
    """Transpose so many columns of as many rows as a vector has lanes."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t j = 0, g
    cdef words[MOST_LANES] block
    while j + lanes <= count:
        for g in range(lanes):
            block[g] = widen(row[g] + j, <work_t>0)
        transpose_block(block, <work_t>0)
        for g in range(lanes):
            store(transposed + (j + g) * lanes, block[g])
        j += lanes
    while j < count:
        for g in range(lanes):
            transposed[j * lanes + g] = widened(row[g] + j, <work_t>0)
        j += 1


cdef inline void columns(words* made, const work_t* transposed, const work_t* weight,
                         Py_ssize_t taps, Py_ssize_t apart, Py_ssize_t width) noexcept nogil:
    """Add up, for each of `width` columns, those that are `apart` elements from each other."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), i, k
    cdef words[MOST_COLUMNS] sum
    cdef words w
    w = splat(weight[0] if taps > 0 else <work_t>0)
    for i in range(width):
        sum[i] = times(load(transposed + i * lanes), w, weight[0]) if taps > 0 else w
    for k in range(1, taps):
        transposed += apart
        w = splat(weight[k])
        for i in range(width):
            sum[i] = plus(sum[i], load(transposed + i * lanes), w, weight[0])
    for i in range(width):
        made[i] = sum[i]


cdef inline void spread_by(work_t** to, const work_t* transposed, const Axis* w,
                           Py_ssize_t channels, Py_ssize_t first, Py_ssize_t last, Py_ssize_t low,
                           Py_ssize_t width) noexcept nogil:
    """Make pixels, `width` channels at a time."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t x, c, g, n = 0, e = 0
    cdef const work_t* from_
    cdef const work_t* weight
    cdef words[MOST_LANES + MOST_COLUMNS] block
    for x in range(first, last):
        from_ = transposed + (w.first[x] - low) * channels * lanes
        weight = <const work_t*>w.weight + x * w.stride
        c = 0
        while c < channels:
            columns(block + n, from_ + c * lanes, weight, w.taps[x], channels * lanes, width)
            c += width
            n += width
            if n >= lanes:
                transpose_block(block, <work_t>0)
                for g in range(lanes):
                    store(to[g] + e, block[g])
                for g in range(width):
                    block[g] = block[lanes + g]
                e += lanes
                n -= lanes
    if n > 0:
        transpose_block(block, <work_t>0)
        for g in range(lanes):
            memcpy(to[g] + e, &block[g], n * sizeof(work_t))


cdef void spread(work_t** to, const work_t* transposed, const Axis* w, Py_ssize_t channels,
                 Py_ssize_t first, Py_ssize_t last, Py_ssize_t low) noexcept nogil:
    """Make the pixels `first` to `last` - 1 of a group of rows; the first column is pixel `low`."""
    if channels % 4 == 0:
        spread_by(to, transposed, w, channels, first, last, low, 4)
    elif channels % 3 == 0:
        spread_by(to, transposed, w, channels, first, last, low, 3)
    else:
        spread_by(to, transposed, w, channels, first, last, low, 1)


cdef inline sums32 add_column(sums32 sum, const int16_t* transposed, const int16_t* weight,
                              Py_ssize_t taps, Py_ssize_t apart) noexcept nogil:
    cdef Py_ssize_t k
    cdef shorts last
    for k in range(taps // 2):
        sum = add_products(sum, load_shorts(transposed), load_shorts(transposed + apart),
                           splat_pair(weight + 2 * k))
        transposed += 2 * apart
    if taps % 2:
        last = load_shorts(transposed)
        sum = add_products(sum, last, last, splat_pair(weight + taps - 1))
    return sum


cdef inline shorts column_fixed(const int16_t* transposed, const Axis* w, const int16_t* weight,
                                Py_ssize_t taps, Py_ssize_t apart) noexcept nogil:
    cdef sums32 sum = add_column(no_sums(), transposed, weight, taps, apart)
    if w.split > 0:
        sum = add_column(raise_sums(sum, w.split), transposed, weight + w.stride // 2, taps, apart)
    return scaled_line(sum, w)


cdef inline void columns_rounded(shorts* made, const int16_t* transposed, const int16_t* weight,
                                 Py_ssize_t taps, Py_ssize_t apart, int doubled,
                                 Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef shorts[MOST_COLUMNS] sum
    cdef shorts w
    for i in range(width):
        sum[i] = no_shorts()
    for k in range(taps):
        w = splat_short(weight + 2 * k)
        for i in range(width):
            sum[i] = add_rounded(sum[i], load_shorts(transposed + i * UPSHAPE_SHORTS), w)
        transposed += apart
    for i in range(width):
        made[i] = lift(sum[i], doubled)


cdef inline void spread_fixed_by(int16_t** to, const int16_t* transposed, const Axis* w,
                                 Py_ssize_t channels, Py_ssize_t first, Py_ssize_t last,
                                 Py_ssize_t low, Py_ssize_t width) noexcept nogil:
    """The same in fixed point."""
    cdef Py_ssize_t x, c, g, n = 0, e = 0, apart = channels * UPSHAPE_SHORTS
    cdef const int16_t* from_
    cdef const int16_t* weight
    cdef shorts[8 + MOST_COLUMNS] block
    for x in range(first, last):
        from_ = transposed + (w.first[x] - low) * apart
        weight = <const int16_t*>w.weight + x * w.stride
        c = 0
        while c < channels:
            if w.way == ROUNDED:
                columns_rounded(block + n, from_ + c * UPSHAPE_SHORTS, weight, w.taps[x], apart,
                                w.scale[x], width)
            else:
                for g in range(width):
                    block[n + g] = column_fixed(from_ + (c + g) * UPSHAPE_SHORTS, w, weight,
                                                w.taps[x], apart)
            c += width
            n += width
            if n >= 8:
                transpose_shorts(block)
                for g in range(8):
                    store_eight(to[g] + e, to[(g + 8) % UPSHAPE_SHORTS] + e, block[g])
                for g in range(width):
                    block[g] = block[8 + g]
                e += 8
                n -= 8
    if n > 0:
        transpose_shorts(block)
        for g in range(8):
            memcpy(to[g] + e, &block[g], n * sizeof(int16_t))
            if UPSHAPE_SHORTS == 16:
                memcpy(to[g + 8] + e, <char*>&block[g] + 16, n * sizeof(int16_t))


cdef void spread_fixed(int16_t** to, const int16_t* transposed, const Axis* w, Py_ssize_t channels,
                       Py_ssize_t first, Py_ssize_t last, Py_ssize_t low) noexcept nogil:
    if channels % 4 == 0:
        spread_fixed_by(to, transposed, w, channels, first, last, low, 4)
    elif channels % 3 == 0:
        spread_fixed_by(to, transposed, w, channels, first, last, low, 3)
    else:
        spread_fixed_by(to, transposed, w, channels, first, last, low, 1)


# --- across: columns of couples ------------------------------------------------------------------

cdef void couple_rows(int16_t* columns, const uint8_t** row, Py_ssize_t count, Py_ssize_t readable,
                      const coupling* by) noexcept nogil:
    """Make columns of `count` bytes of rows; what is behind the `readable` ones is 0."""
    cdef Py_ssize_t at = 0, b, g, start
    cdef uint8_t[MOST_LANES][16] end
    cdef const uint8_t* end_of[MOST_LANES]
    for g in range(UPSHAPE_SHORTS):
        end_of[g] = end[g]
    while at < count:
        for b in range(by.blocks):
            start = at + by.start[b]
            if start + 16 <= readable:
                couple(columns, row, start, by.turn[b])
            else:
                memset(end, 0, sizeof(end))
                if start < readable:
                    for g in range(UPSHAPE_SHORTS):
                        memcpy(end[g], row[g] + start, readable - start)
                couple(columns, end_of, 0, by.turn[b])
            columns += 4 * UPSHAPE_COUPLED
        at += by.bytes


cdef void spread_row(work_t* to, const pixel_t* row, const Axis* w, Py_ssize_t channels,
                     Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Make the pixels `first` to `last` - 1 of one row, element by element."""
    cdef Py_ssize_t x, c, k
    cdef const pixel_t* from_
    cdef const work_t* weight
    cdef work_t sum
    for x in range(first, last):
        weight = <const work_t*>w.weight + x * w.stride
        for c in range(channels):
            from_ = row + w.first[x] * channels + c
            if work_t is int16_t:
                to[0] = fixed_element(from_, channels, <const pixel_t**>NULL, 0, w, x)
            else:
                sum = 0
                if w.taps[x] > 0:
                    sum = widened(from_, sum) * weight[0]
                for k in range(1, w.taps[x]):
                    sum = plus_one(sum, widened(from_ + k * channels, sum), weight[k])
                to[0] = sum
            to += 1


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


cdef void spread_channels(work_t* to, const pixel_t* row, const Axis* w, Py_ssize_t channels,
                          Py_ssize_t first, Py_ssize_t last, const char** taps) noexcept nogil:
    """Make the pixels `first` to `last` - 1 of one row of pixels of many channels."""
    cdef Py_ssize_t x, k
    for x in range(first, last):
        for k in range(w.taps[x]):
            taps[k] = <const char*>(row + (w.first[x] + k) * channels)
        blend(to, <const pixel_t**>taps, w, x, channels)
        to += channels


cdef void lift_row(int16_t* lifted, const uint8_t* row, Py_ssize_t count, int by) noexcept nogil:
    """Widen bytes and multiply them with 2^by."""
    cdef Py_ssize_t j = 0
    while j + UPSHAPE_SHORTS <= count:
        store_shorts(lifted + j, lift(widen_to_shorts(row + j), by))
        j += UPSHAPE_SHORTS
    for j in range(j, count):
        lifted[j] = <int16_t>row[j] << by


cdef void spread_phases(work_t* to, const pixel_t* row, const Plane* p, const Table* t,
                        Desk* desk) noexcept nogil:
    """Make a strip of one row whose table repeats itself: each phase a sum of the source's."""
    cdef const Axis* w = &t.w
    cdef Py_ssize_t channels = t.channels, pixel = channels * <Py_ssize_t>sizeof(pixel_t)
    cdef Py_ssize_t begin = (max(p.first, t.regular_from) + t.period - 1) // t.period * t.period
    cdef Py_ssize_t count = (min(p.last, t.regular_to) - begin) // t.period
    cdef Py_ssize_t end = begin + count * t.period, base, reach = 0, j, k, at
    cdef const char* from_
    cdef work_t* made
    if min(p.last, t.regular_to) - begin < t.period:
        spread_row(to, row, w, channels, p.first, p.last)
        return
    spread_row(to, row, w, channels, p.first, begin)
    spread_row(to + (end - p.first) * channels, row, w, channels, end, p.last)
    to += (begin - p.first) * channels
    base = w.first[begin]
    for j in range(begin, begin + t.period):
        base = min(base, w.first[j])
        reach = max(reach, w.first[j] + w.taps[j])
    from_ = <const char*>(row + base * channels)
    if t.step > 1:
        take_apart(desk.phases, t.phase_source, from_, reach - base + (count - 1) * t.step, t.step,
                   pixel)
    for j in range(t.period):
        for k in range(w.taps[begin + j]):
            at = w.first[begin + j] - base + k
            desk.row[k] = from_ + at * pixel if t.step == 1 else (
                desk.phases + at % t.step * t.phase_source + at // t.step * pixel)
        made = to if t.period == 1 else <work_t*>(desk.phases_made + j * t.phase_result)
        blend(made, <const pixel_t**>desk.row, w, begin + j, count * channels)
    if t.period > 1:
        put_together(<char*>to, desk.phases_made, t.phase_result, count, t.period,
                     channels * <Py_ssize_t>sizeof(work_t))


# --- down and across at once: means of 2 x 2 pixels ----------------------------------------------

cdef inline words mean_of_rows(const pixel_t* p, const pixel_t* q, work_t weight) noexcept nogil:
    cdef words half_of_p = times(widen(p, weight), splat(weight), weight)
    return plus(half_of_p, widen(q, weight), splat(weight), weight)


cdef inline void halve_vector(work_t* line, const pixel_t* p, const pixel_t* q,
                              const parting* by) noexcept nogil:
    """Make a vector of a line."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef work_t weight = <work_t>0.5
    cdef words even = mean_of_rows(p, q, weight), odd = mean_of_rows(p + lanes, q + lanes, weight)
    part_pixels(&even, &odd, by)
    store(line, plus(times(even, splat(weight), weight), odd, splat(weight), weight))


cdef void halve_reals(work_t* line, const pixel_t* p, const pixel_t* q, Py_ssize_t count,
                      Py_ssize_t channels, Py_ssize_t ahead) noexcept nogil:
    """Make so many elements of two rows; a vector holds whole pixels.

    Meanwhile ask for what lies so many bytes ahead of either row.
    """
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), j = 0, at
    cdef parting by = parting_of(channels * <Py_ssize_t>sizeof(work_t))
    cdef work_t weight = <work_t>0.5, even, odd
    while j + lanes <= count:
        fetch(<const char*>(p + 2 * j) + ahead)
        fetch(<const char*>(q + 2 * j) + ahead)
        halve_vector(line + j, p + 2 * j, q + 2 * j, &by)
        j += lanes
    if j < count and count >= lanes:
        j = count - lanes
        halve_vector(line + j, p + 2 * j, q + 2 * j, &by)
        return
    for j in range(j, count):
        at = j // channels * 2 * channels + j % channels
        even = plus_one(widened(p + at, weight) * weight, widened(q + at, weight), weight)
        at += channels
        odd = plus_one(widened(p + at, weight) * weight, widened(q + at, weight), weight)
        line[j] = plus_one(even * weight, odd, weight)


cdef void halve_bytes(int16_t* line, const uint8_t* p, const uint8_t* q, Py_ssize_t count,
                      Py_ssize_t channels, Py_ssize_t ahead) noexcept nogil:
    """The same in fixed point: four times the mean."""
    cdef Py_ssize_t j = 0, at
    cdef squares by = squares_of(channels)
    while j + by.made + 8 <= count:
        fetch(p + 2 * j + ahead)
        fetch(q + 2 * j + ahead)
        add_squares(line + j, p + 2 * j, q + 2 * j, &by)
        j += UPSHAPE_SHORTS // 8 * by.made
    for j in range(j, count):
        at = j // channels * 2 * channels + j % channels
        line[j] = p[at] + p[at + channels] + q[at] + q[at + channels]


# --- results -------------------------------------------------------------------------------------

cdef inline bint alike(pixel_t* a, work_t b) noexcept nogil:
    """Return whether a line is what the result holds."""
    return (pixel_t is float and work_t is float) or (pixel_t is double and work_t is double)


cdef void narrow(pixel_t* to, const work_t* line, Py_ssize_t count,
                 const Table* t) noexcept nogil:
    """Round a line to what the result holds."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), j = 0
    cdef float most = t.most_byte
    cdef int fraction = t.fraction
    if pixel_t is uint8_t and work_t is int16_t:
        while j + 2 * UPSHAPE_SHORTS <= count:
            narrow_shorts(to + j, line + j, fraction, <int>most)
            j += 2 * UPSHAPE_SHORTS
    elif pixel_t is uint8_t and work_t is float:
        while j + lanes <= count:
            narrow_byte(to + j, clamp_byte(load(line + j), most))
            j += lanes
    elif pixel_t is half and work_t is float:
        while j + lanes <= count:
            narrow_half(<uint16_t*>to + j, load(line + j))
            j += lanes
    for j in range(j, count):
        narrowed(to + j, line[j], t)


cdef void put(pixel_t* to, const work_t* line, Py_ssize_t count, const Table* t,
              char* stage) noexcept nogil:
    """Write a strip of a row of the result, `to` being where it begins there."""
    cdef Py_ssize_t x, c
    if t.spacing != t.channels:
        for x in range(count // t.channels):
            for c in range(t.channels):
                narrowed(to + x * t.spacing + c, line[x * t.channels + c], t)
    elif stage == NULL:
        if <const void*>to != <const void*>line:
            narrow(to, line, count, t)
    elif alike(to, <work_t>0):
        stream(<char*>to, <const char*>line, count * sizeof(pixel_t))
    else:
        narrow(<pixel_t*>stage, line, count, t)
        stream(<char*>to, stage, count * sizeof(pixel_t))


cdef inline work_t* line_of(pixel_t* to, work_t* line, const Table* t, char* stage) noexcept nogil:
    """Return where a strip's sums go: where the result is, if nothing is left to do with them."""
    if alike(to, <work_t>0) and stage == NULL and t.spacing == t.channels:
        return <work_t*>to
    return line


# --- rows ----------------------------------------------------------------------------------------

cdef void deepen(Plane* p, const Table* t, const Rows* rows, Desk* desk, Py_ssize_t first,
                 Py_ssize_t last, pixel_t* like, work_t like_too) noexcept nogil:
    """Have the lines of the source rows `first` to `last` - 1 made, each of several planes."""
    cdef Py_ssize_t count = (p.high - p.low) * t.channels, k, h
    cdef const char* from_ = p.source + t.d.first[p.d] * rows.src_d + (
        p.low * t.channels * <Py_ssize_t>sizeof(pixel_t))
    UPSHAPE_CHECK(0 <= p.d < t.d.count and count <= t.longest_source)
    UPSHAPE_CHECK(t.d.taps[p.d] == 0 or 0 <= t.d.first[p.d]
                  and t.d.first[p.d] + t.d.taps[p.d] <= t.d.source)
    UPSHAPE_CHECK(0 <= first and last <= t.h.source)
    if first < p.made_from or first > p.made_to:
        p.made_from = p.made_to = first
    for h in range(p.made_to, last):
        for k in range(t.d.taps[p.d]):
            desk.row[k] = from_ + k * rows.src_d + h * rows.src_h
        blend(<work_t*>desk.deep + h % t.deep_ring * t.longest_source, <const pixel_t**>desk.row,
              &t.d, p.d, count)
    p.made_to = max(p.made_to, last)
    p.made_from = max(p.made_from, p.made_to - t.deep_ring)


cdef inline const char* source_row(const Plane* p, const Table* t, const Rows* rows,
                                   const Desk* desk, Py_ssize_t h, pixel_t* like,
                                   work_t like_too) noexcept nogil:
    """Return a source row's strip: a line where planes were blended, else as it stands."""
    UPSHAPE_CHECK(0 <= h < t.h.source and 0 <= p.low <= p.high <= t.w.source)
    UPSHAPE_CHECK(t.d.copied or p.made_from <= h < p.made_to)
    if t.d.copied:
        return p.source + h * rows.src_h + p.low * t.channels * <Py_ssize_t>sizeof(pixel_t)
    return <const char*>(<work_t*>desk.deep + h % t.deep_ring * t.longest_source)


cdef void make_whole(work_t* line, Py_ssize_t count) noexcept nogil:
    """Round a line to bytes, halves up; in fixed point it is so already."""
    cdef Py_ssize_t j
    if work_t is not int16_t:
        for j in range(count):
            line[j] = min(max(floor(line[j] + <work_t>0.5), <work_t>0), <work_t>255)


cdef inline bint is_near_tie(float value, float tie) noexcept nogil:
    cdef float off = value - floorf(value) - <float>0.5
    return (off < tie) & (off > -tie)


cdef inline Py_ssize_t next_near_tie(const float* line, Py_ssize_t j, Py_ssize_t count,
                                     float tie) noexcept nogil:
    """Return the next element, from j on, that is near a tie, or `count`: vector by vector."""
    cdef Py_ssize_t k
    cdef int near
    while j + MENDED <= count:
        near = 0
        for k in range(MENDED):
            near |= is_near_tie(line[j + k], tie)
        if near:
            break
        j += MENDED
    while j < count and not is_near_tie(line[j], tie):
        j += 1
    return j


cdef void mend_exact(float* line, const float** row, const Table* t, Py_ssize_t h,
                     Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """Make elements of a line that are near a tie anew, as EXACT says; `first`: where it begins."""
    cdef const float* weight = <const float*>t.h.weight + h * t.h.stride
    cdef Py_ssize_t j = next_near_tie(line, 0, count, t.tie), k
    cdef double sum
    cdef float chain
    while j < count:
        sum = 0
        chain = 0
        for k in range(t.h.taps[h] - 1, -1, -1):
            sum += <double>row[k][j] * weight[k]
            chain = plus_product(chain, row[k][j], weight[k])
        line[j] = chain if first + j < t.chained else <float>floor(sum + 0.5)
        j = next_near_tie(line, j + 1, count, t.tie)


cdef void mend_means(float* line, const uint8_t* source, Py_ssize_t row, const Table* t,
                     Py_ssize_t h, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """Make elements of a line that are near a tie anew, as CHAINED or WHOLE says.

    `source`: a plane, whose rows are `row` bytes apart; `first`: the line's first pixel.
    """
    cdef Py_ssize_t j = next_near_tie(line, 0, count, t.tie), x, k, r
    cdef const uint8_t* pixel
    cdef const float* across
    cdef float total, chain
    cdef int32_t whole
    while j < count:
        x = first + j // t.channels
        across = <const float*>t.w.weight + x * t.w.stride
        total = 0
        whole = 0
        for r in range(t.h.taps[h]):
            pixel = source + (t.h.first[h] + r) * row
            pixel += t.w.first[x] * t.channels + j % t.channels
            chain = 0
            for k in range(t.w.taps[x]):
                chain = plus_product(chain, pixel[k * t.channels], across[k])
                whole += pixel[k * t.channels]
            total = plus_product(total, chain, (<const float*>t.h.weight + h * t.h.stride)[r])
        if t.mended == WHOLE:
            total = <float>whole * (<float>1 / <float>(t.h.taps[h] * t.w.taps[x]))
        line[j] = total
        j = next_near_tie(line, j + 1, count, t.tie)


cdef inline bint stays_in_strip(const Axis* w, const Plane* p) noexcept nogil:
    """Whether the taps of a strip's pixels are in the stretch of the source that it has."""
    cdef Py_ssize_t x
    for x in range(p.first, p.last):
        if w.taps[x] > 0 and not p.low <= w.first[x] <= p.high - w.taps[x]:
            return False
    return 0 <= p.first <= p.last <= w.count


cdef void across(work_t** to, const char** row, const Plane* p, const Table* t, Desk* desk,
                 Py_ssize_t count, pixel_t* like, work_t like_too) noexcept nogil:
    """Take a strip of `count` rows across, each to a line."""
    cdef Py_ssize_t lanes = lanes_of(<work_t>0), g
    cdef Py_ssize_t skip = p.low * t.channels, elements = (p.high - p.low) * t.channels
    cdef work_t* transposed = <work_t*>desk.transposed
    cdef const int16_t* quad_row[2]
    UPSHAPE_CHECK(0 < count <= MOST_LANES and elements <= t.longest_source)
    UPSHAPE_CHECK(stays_in_strip(&t.w, p))
    if t.coupled and 4 * count > lanes:
        if work_t is int16_t and pixel_t is uint8_t:
            for g in range(count, lanes):  # rows that nobody wants
                row[g] = row[0]
                to[g] = <work_t*>desk.line + lanes * t.longest
            couple_rows(transposed, <const uint8_t**>row, elements,
                        (t.w.source - p.low) * t.channels, &t.coupling)
            spread_couples(to, transposed, &t.w.couples, t.channels, p.first, p.last, p.low // 2)
    elif t.quads:
        if work_t is int16_t:
            for g in range(2):
                if g >= count:
                    row[g] = row[0]
                    to[g] = <work_t*>desk.line + t.group * t.longest
                if pixel_t is uint8_t:
                    lift_row(<int16_t*>transposed + g * t.longest_source, <const uint8_t*>row[g],
                             elements, t.w.lift)
                    quad_row[g] = <int16_t*>transposed + g * t.longest_source - skip
                else:
                    quad_row[g] = <const int16_t*>row[g] - skip
            spread_quads(to, quad_row, &t.w, p.first, p.last)
    elif t.transposed and 4 * count > lanes:
        for g in range(count, lanes):  # rows that nobody wants
            row[g] = row[0]
            to[g] = <work_t*>desk.line + lanes * t.longest
        if work_t is int16_t:
            transpose_fixed(transposed, <const pixel_t**>row, elements, t.w.lift)
            spread_fixed(to, transposed, &t.w, t.channels, p.first, p.last, p.low)
        else:
            transpose(transposed, <const pixel_t**>row, elements)
            spread(to, transposed, &t.w, t.channels, p.first, p.last, p.low)
    elif t.period > 0:
        for g in range(count):
            if pixel_t is uint8_t and work_t is int16_t and t.w.way == ROUNDED:
                # Each byte is taken by several taps of several phases.
                lift_row(<int16_t*>transposed, <const uint8_t*>row[g], elements, t.w.lift)
                spread_phases(to[g], <const int16_t*>transposed - skip, p, t, desk)
            else:
                spread_phases(to[g], <const pixel_t*>row[g] - skip, p, t, desk)
    elif t.transposed or t.coupled or t.channels < lanes:
        for g in range(count):
            spread_row(to[g], <const pixel_t*>row[g] - skip, &t.w, t.channels, p.first, p.last)
    else:
        for g in range(count):
            spread_channels(to[g], <const pixel_t*>row[g] - skip, &t.w, t.channels, p.first,
                            p.last, desk.row)
    if t.rounded:
        for g in range(count):
            make_whole(to[g], (p.last - p.first) * t.channels)


cdef void grow_strip(pixel_t* to, Plane* p, const Table* t, const Rows* rows, Desk* desk,
                     Py_ssize_t h, Py_ssize_t end, work_t like) noexcept nogil:
    """Make a strip of the rows `h` to `end` - 1 of a plane: across, then down.

    Taps beyond the first and the last row of the source are those rows, once more.
    """
    cdef Py_ssize_t made_from = 0, made_to = 0, wanted = 0, k, g, first, last, taps, count
    cdef Py_ssize_t length = (p.last - p.first) * t.channels
    cdef work_t* ring = <work_t*>desk.ring
    cdef work_t* line
    cdef work_t* lines[MOST_LANES]
    cdef const char* from_[MOST_LANES]
    for k in range(h, end):
        wanted = max(wanted, min(t.h.first[k] + t.h.taps[k], t.h.source))
    for h in range(h, end):
        taps = t.h.taps[h]
        first = max(t.h.first[h], 0)
        last = min(t.h.first[h] + taps, t.h.source)
        if taps > 0 and (first < made_from or first > made_to):
            made_from = made_to = first
        while taps > 0 and made_to < last:
            count = min(t.group, wanted - made_to)
            if not t.d.copied:
                deepen(p, t, rows, desk, made_to, made_to + count, <pixel_t*>NULL, like)
            for g in range(count):
                from_[g] = source_row(p, t, rows, desk, made_to + g, <pixel_t*>NULL, like)
                lines[g] = ring + (made_to + g) % t.ring * t.longest
            if t.d.copied:
                across(lines, from_, p, t, desk, count, <pixel_t*>NULL, like)
            else:
                across(lines, from_, p, t, desk, count, <work_t*>NULL, like)
            made_to += count
            made_from = max(made_from, made_to - t.ring)
        g = first % t.ring
        UPSHAPE_CHECK(taps == 0 or made_from <= first < last <= made_to)
        UPSHAPE_CHECK(taps <= t.ring and length <= t.longest)
        for k in range(taps):
            desk.row[k] = <const char*>(ring + g * t.longest)
            if first <= t.h.first[h] + k < last - 1:
                g = g + 1 if g + 1 < t.ring else 0
        line = line_of(to, <work_t*>desk.line, t, desk.stage)
        blend(line, <const work_t**>desk.row, &t.h, h, length)
        if t.rounded:
            make_whole(line, length)
        if work_t is float:
            if t.mended == EXACT:
                mend_exact(line, <const float**>desk.row, t, h, p.first * t.channels, length)
            elif t.mended != LEFT:
                mend_means(line, <const uint8_t*>p.source, rows.src_h, t, h, p.first, length)
        put(to, line, length, t, desk.stage)
        to = <pixel_t*>(<char*>to + rows.dst_h)


cdef inline void down_fetching(work_t* line, const Plane* p, const Table* t, const Rows* rows,
                               Desk* desk, Py_ssize_t h, Py_ssize_t count,
                               pixel_t* like) noexcept nogil:
    """Sum rows of the source, a piece at a time: before it, ask for that of the rows behind.

    These are what the next row needs besides. All at once would be more than memory answers.
    """
    cdef Py_ssize_t element = <Py_ssize_t>sizeof(pixel_t), some, k
    cdef Py_ssize_t first = t.h.first[h] + t.h.taps[h]
    cdef Py_ssize_t last = t.h.first[h + 1] + t.h.taps[h + 1] if h + 1 < t.h.count else 0
    # Behind the last row is none, and none is asked for.
    cdef const char* behind = source_row(p, t, rows, desk, min(first, t.h.source - 1), like,
                                         <work_t>0)
    while count > 0:
        some = FETCHED // element if count >= 2 * FETCHED // element else count
        for k in range(last - first):
            fetch_row(behind + k * rows.src_h, some * element)
        blend(line, <const pixel_t**>desk.row, &t.h, h, some)
        for k in range(t.h.taps[h]):
            desk.row[k] += some * element
        line += some
        behind += some * element
        count -= some


cdef void down(Plane* p, const Table* t, const Rows* rows, Desk* desk, Py_ssize_t h, work_t* line,
               pixel_t* like) noexcept nogil:
    """Make a line of the source's strip: the rows of the source that a row is made of, summed."""
    cdef Py_ssize_t first = t.h.first[h], taps = t.h.taps[h], k
    cdef Py_ssize_t count = (p.high - p.low) * t.channels
    if not t.d.copied and taps > 0:
        deepen(p, t, rows, desk, first, first + taps, like, <work_t>0)
    for k in range(taps):
        desk.row[k] = source_row(p, t, rows, desk, first + k, like, <work_t>0)
    if t.d.copied:
        down_fetching(line, p, t, rows, desk, h, count, like)
    elif t.h.copied:
        memcpy(line, desk.row[0], count * sizeof(work_t))
    else:
        blend(line, <const work_t**>desk.row, &t.h, h, count)
    if t.rounded:
        make_whole(line, count)


cdef inline Plane plane_of(const Table* t, const Rows* rows, const Place* at, const char* source,
                           char* to, Py_ssize_t strip) noexcept nogil:
    cdef Plane p
    p.source = source + at.n * rows.src_n + at.m * rows.src_m
    if t.d.copied:
        p.source += at.d * rows.src_d
    p.result = to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d
    p.d = at.d
    p.first = t.strip[3 * strip]
    p.last = t.strip[3 * strip + 3]
    p.low = t.strip[3 * strip + 1]
    p.high = t.strip[3 * strip + 2]
    p.made_from = p.made_to = 0
    return p


cdef inline void move(Plane* p, const Table* t, const Rows* rows, const Place* at,
                      const char* source, char* to) noexcept nogil:
    """Go to another plane, unless it is the same one."""
    cdef Plane new = plane_of(t, rows, at, source, to, 0)
    if new.source != p.source or new.d != p.d:
        p.made_from = p.made_to = 0
    p.source = new.source
    p.result = new.result
    p.d = new.d


cdef void shrink_strip(pixel_t* to, const char* source, const Table* t, const Rows* rows,
                       Desk* desk, Py_ssize_t first, Py_ssize_t last, Py_ssize_t strip,
                       work_t like) noexcept nogil:
    """Make a strip of the rows `first` to `last` - 1: down, then across."""
    cdef Place at = place_of(rows, first)
    cdef Plane p = plane_of(t, rows, &at, source, <char*>to, strip)
    cdef Py_ssize_t skip = p.first * t.spacing * <Py_ssize_t>sizeof(pixel_t), count, g
    cdef Py_ssize_t length = (p.last - p.first) * t.channels
    cdef work_t* line
    cdef work_t* lines[MOST_LANES]
    cdef pixel_t* result[MOST_LANES]
    cdef const char* from_[MOST_LANES]
    cdef const char* plane[MOST_LANES]
    cdef Py_ssize_t h[MOST_LANES]
    while first < last:
        count = min(t.group, last - first)
        UPSHAPE_CHECK(count <= MOST_LANES and length <= t.longest)
        for g in range(count):
            move(&p, t, rows, &at, source, <char*>to)
            plane[g] = p.source
            h[g] = at.h
            result[g] = <pixel_t*>(p.result + at.h * rows.dst_h + skip)
            lines[g] = line_of(result[g], <work_t*>desk.line + g * t.longest, t, desk.stage)
            line = <work_t*>desk.ring + g * t.longest_source
            if t.w.copied:
                down(&p, t, rows, desk, at.h, lines[g], <pixel_t*>NULL)
            elif not t.h.copied:
                down(&p, t, rows, desk, at.h, line, <pixel_t*>NULL)
                from_[g] = <const char*>line
            elif not t.d.copied:
                deepen(&p, t, rows, desk, at.h, at.h + 1, <pixel_t*>NULL, like)
                from_[g] = source_row(&p, t, rows, desk, at.h, <pixel_t*>NULL, like)
            else:
                from_[g] = source_row(&p, t, rows, desk, at.h, <pixel_t*>NULL, like)
            step(rows, &at, 1)
        if not t.w.copied:
            if t.h.copied and t.d.copied:
                across(lines, from_, &p, t, desk, count, <pixel_t*>NULL, like)
            else:
                across(lines, from_, &p, t, desk, count, <work_t*>NULL, like)
        for g in range(count):
            if work_t is float:
                if t.mended != LEFT:
                    mend_means(lines[g], <const uint8_t*>plane[g], rows.src_h, t, h[g], p.first,
                               length)
            put(result[g], lines[g], length, t, desk.stage)
        first += count


cdef void halve_strip(pixel_t* to, const char* source, const Table* t, const Rows* rows,
                      Desk* desk, Py_ssize_t first, Py_ssize_t last, Py_ssize_t strip,
                      work_t like) noexcept nogil:
    """Make a strip of the rows `first` to `last` - 1."""
    cdef Place at = place_of(rows, first)
    cdef Plane p = plane_of(t, rows, &at, source, <char*>to, strip)
    cdef Py_ssize_t length = (p.last - p.first) * t.channels, ahead, k
    cdef pixel_t* result
    cdef work_t* line
    cdef const char* row
    while first < last:
        move(&p, t, rows, &at, source, <char*>to)
        result = <pixel_t*>(p.result + at.h * rows.dst_h) + p.first * t.spacing
        line = line_of(result, <work_t*>desk.line, t, desk.stage)
        row = source_row(&p, t, rows, desk, t.h.first[at.h], result, like)
        ahead = 2 * rows.src_h if at.h + 1 < t.h.count else 0
        if work_t is int16_t:
            halve_bytes(line, <const uint8_t*>row, <const uint8_t*>(row + rows.src_h), length,
                        t.channels, ahead)
            if t.h.way == FLOORED:
                for k in range(length):
                    line[k] = 2 * line[k] + 1
        else:
            halve_reals(line, <const pixel_t*>row, <const pixel_t*>(row + rows.src_h), length,
                        t.channels, ahead)
        put(result, line, length, t, desk.stage)
        step(rows, &at, 1)
        first += 1


cdef void run_rows(pixel_t* to, const char* source, const Table* t, const Rows* rows, Desk* desk,
                   Py_ssize_t first, Py_ssize_t last, work_t like) noexcept nogil:
    """Compute the rows `first` to `last` - 1, block by block, and a block strip by strip.

    A block is as many rows as share what has been made of the source: a plane's, else a group.
    """
    cdef Py_ssize_t end, strip
    cdef Place at
    cdef Plane p
    while first < last:
        at = place_of(rows, first)
        end = min(last, first + t.group)
        if t.across_first or not t.d.copied:
            end = min(last, first + rows.height - at.h)
        for strip in range(t.strips):
            if t.across_first:
                p = plane_of(t, rows, &at, source, <char*>to, strip)
                grow_strip(<pixel_t*>(p.result + at.h * rows.dst_h) + p.first * t.spacing, &p, t,
                           rows, desk, at.h, at.h + end - first, like)
            elif t.halved:
                halve_strip(to, source, t, rows, desk, first, end, strip, like)
            else:
                shrink_strip(to, source, t, rows, desk, first, end, strip, like)
        first = end
    if desk.stage != NULL:
        stream_end()


cdef inline void run_share(char code, int work, char* to, const char* source, const Table* t,
                           const Rows* rows, Desk* desk, Py_ssize_t first,
                           Py_ssize_t last) noexcept nogil:
    """Choose the body for this dtype, by NumPy's letter."""
    if code == b"f":
        run_rows(<float*>to, source, t, rows, desk, first, last, <float>0)
    elif code == b"d":
        run_rows(<double*>to, source, t, rows, desk, first, last, <double>0)
    elif code == b"e":
        run_rows(<half*>to, source, t, rows, desk, first, last, <float>0)
    elif (code == b"B" or code == b"?") and work == 2:
        run_rows(<uint8_t*>to, source, t, rows, desk, first, last, <int16_t>0)
    elif (code == b"B" or code == b"?") and work == 4:
        run_rows(<uint8_t*>to, source, t, rows, desk, first, last, <float>0)
    elif code == b"B":
        run_rows(<uint8_t*>to, source, t, rows, desk, first, last, <double>0)
    elif code == b"b":
        run_rows(<int8_t*>to, source, t, rows, desk, first, last, <double>0)
    elif code == b"h":
        run_rows(<int16_t*>to, source, t, rows, desk, first, last, <double>0)
    elif code == b"H":
        run_rows(<uint16_t*>to, source, t, rows, desk, first, last, <double>0)
    else:
        run_rows(<int32_t*>to, source, t, rows, desk, first, last, <double>0)


#: What weighing.Level says of this build's vectors.
LEVEL = UPSHAPE_VECTOR_BYTES, UPSHAPE_SHORTS, UPSHAPE_QUADS

_WAYS = "pairs", "rounded", "tiny", "floored"
_MENDINGS = "left", "exact", "chained", "whole"


cdef const int16_t* shorts_at(const int16_t[::1] values):
    return NULL if values is None else &values[0]


cdef class Plan:
    """Everything about a resize that its tables decide: weighing.plan makes it.

    roles: which axes of the arrays are n, m, d, h, w, c (-1: none); axes, made, rows, picture:
    weighing's Axis of d, h and w, Sums, Passes and Picture; spacing: elements from one pixel of the
    result to the next; streaming: write past the cache.
    """
    cdef Frame frame
    cdef Table table
    cdef char code
    cdef int element, work
    cdef bint streaming
    cdef object keep, made, rows
    cdef Py_ssize_t most_taps

    def __init__(self, roles, list axes, made, rows, picture, Py_ssize_t spacing, bint streaming):
        cdef Table* t = &self.table
        self.keep, self.made, self.rows = axes, made, rows
        self.code = ord(picture.dtype)
        self.element = np.dtype(picture.dtype).itemsize
        self.work = made.item
        self.streaming = streaming
        t.channels = picture.channels
        t.spacing = spacing
        t.most_byte = 1.0 if picture.dtype == "?" else 255.0
        t.rounded = picture.rounded
        t.fraction = made.fraction
        t.mended = <Mending><int>_MENDINGS.index(made.mending)
        t.chained = made.chained
        self.set_axis(&t.d, axes[0], made.laid[0])
        self.set_axis(&t.h, axes[1], made.laid[1])
        self.set_axis(&t.w, axes[2], made.laid[2])
        if t.mended != LEFT and not (self.code == b"B" and self.work == 4 and t.d.copied):
            raise AssertionError("bytes across and down, sums of float32, are mended")
        t.tie = APART * (t.h.most + t.w.most)
        self.set_rows()
        self.frame.roles = roles_of(roles)
        self.frame.depth = t.d.count
        self.frame.height = t.h.count
        self.frame.width = t.w.count
        self.frame.source_depth = t.d.source
        self.frame.source_height = t.h.source
        self.frame.source_width = t.w.source
        self.frame.pixel = t.channels * self.element
        self.frame.spacing = spacing * self.element
        t.deep_ring = t.h.most + t.group - 1
        t.ring = t.deep_ring
        self.most_taps = max(t.d.most, t.h.most, t.w.most) + 1

    cdef int set_axis(self, Axis* axis, given, laid) except -1:
        """Take over where an axis's taps are, and its weights."""
        cdef const int64_t[::1] first = given.first, taps = given.taps, place = laid.place
        cdef cnp.ndarray weight = laid.weight
        cdef Table* t = &self.table
        cdef Py_ssize_t j
        # Rows beyond the source are made in grow_strip alone.
        cdef bint beyond = axis == &t.h and (laid.way == "floored" or t.mended == EXACT)
        axis.count, axis.source, axis.most = given.pixels, given.source, given.most
        axis.copied = given.copied
        axis.first, axis.taps = &first[0], &taps[0]
        for j in range(axis.count):
            if taps[j] > 0 and not beyond and not 0 <= first[j] <= axis.source - taps[j]:
                raise AssertionError("a table has taps beyond the source")
        if weight is not None:
            if not (weight.flags.c_contiguous and weight.itemsize == self.work
                    and len(weight) == axis.count):
                raise AssertionError(f"weights of {weight.dtype} do not make these sums")
            axis.weight = PyArray_BYTES(<PyArrayObject*>weight)
            axis.stride = weight.shape[1]
        axis.place = NULL if place is None else &place[0]
        axis.copies, axis.split = laid.copies, laid.split
        axis.shift, axis.more = laid.shift, laid.more
        axis.way = <Way><int>_WAYS.index(laid.way)
        axis.scale, axis.factor = shorts_at(laid.scale), shorts_at(laid.factor)
        axis.lift, axis.most_line = laid.lift, laid.most_line
        return 0

    cdef int set_rows(self) except -1:
        """Take over how rows are made."""
        cdef Table* t = &self.table
        cdef const Py_ssize_t[::1] strips = self.rows.strips
        t.across_first = self.rows.across_first
        if not t.across_first and (t.mended == EXACT or (t.h.way == FLOORED and not (
                self.rows.halved))):
            raise AssertionError("lines are exact, or floored, where rows go across first")
        t.group, t.transposed = self.rows.group, self.rows.transposed
        t.halved, t.quads = self.rows.halved, self.rows.quads
        t.coupled = self.rows.couples is not None
        if t.coupled:
            self.set_couples(&t.w, self.rows.couples)
        t.period, t.step = self.rows.period, self.rows.step
        t.regular_from, t.regular_to = self.rows.regular
        t.strips, t.strip = strips.shape[0] // 3, &strips[0]
        t.longest, t.longest_source = self.rows.longest, self.rows.longest_source
        t.phase_source, t.phase_result = self.rows.phase_source, self.rows.phase_result
        return 0

    cdef int set_couples(self, Axis* axis, given) except -1:
        """Take over the weights of couples."""
        cdef const int64_t[::1] first = given.first, counts = given.counts
        cdef const int16_t[:, ::1] weight = given.weight
        self.table.coupling = coupling_of(self.table.channels)
        axis.couples.first, axis.couples.count = &first[0], &counts[0]
        axis.couples.weight, axis.couples.stride = &weight[0, 0], weight.shape[1]
        axis.couples.shift, axis.couples.more = axis.shift, axis.more
        axis.couples.split, axis.couples.most = axis.split, axis.most_line
        return 0

    @property
    def kind(self):
        """Which passes there are, in their order."""
        cdef Table* t = &self.table
        passes = [] if t.d.copied else ["through"]
        two = [] if t.h.copied else ["down"]
        two += [] if t.w.copied else ["across"]
        return " ".join(passes + (two[::-1] if t.across_first else two)) or "copy"

    @property
    def ways(self):
        """How sums are formed in fixed point, along d, h and w."""
        return [laid.way for laid in self.made.laid]

    @property
    def off(self):
        """How far from the exact values results of fixed point are before they are rounded."""
        return self.made.off

    @property
    def fixed(self):
        """Whether sums are formed in fixed point."""
        return self.work == 2

    @property
    def period(self):
        """After how many pixels a row's table repeats itself, where that is made use of, or 0."""
        return self.table.period

    @property
    def quads(self):
        """Whether pixels of four elements go across one by one."""
        return self.table.quads

    @property
    def coupled(self):
        """Whether rows of bytes go across by couples."""
        return self.table.coupled

    @property
    def halved(self):
        """Whether means of 2 x 2 pixels are made, down and across at once."""
        return self.table.halved

    @property
    def nbytes(self):
        """Bytes that the tables take."""
        arrays = [array for each in (*self.keep, *self.made.laid, self.rows) for array in each]
        return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))

    cdef void part_sizes(self, Py_ssize_t* bytes) noexcept nogil:
        """Fill in what each part of a thread's memory takes."""
        cdef Table* t = &self.table
        cdef Py_ssize_t work = self.work
        bytes[IN_TRANSPOSED] = (
            t.longest_source * t.group * work
            if t.transposed or t.quads or t.coupled or t.w.lift > 0 else 0)
        bytes[IN_PHASES] = t.phase_source * t.step if t.period > 0 and t.step > 1 else 0
        bytes[IN_PHASES_MADE] = t.phase_result * t.period if t.period > 1 else 0
        bytes[IN_RING] = 0
        if t.across_first:
            bytes[IN_RING] = t.ring * t.longest * work
        elif not t.w.copied and not t.h.copied:
            bytes[IN_RING] = t.group * t.longest_source * work
        bytes[IN_DEEP] = 0 if t.d.copied else t.deep_ring * t.longest_source * work
        bytes[IN_LINE] = (t.group + 1) * t.longest * work
        bytes[IN_STAGE] = t.longest * work if self.streaming else 0
        bytes[IN_ROW] = self.most_taps * sizeof(char*)

    cdef Py_ssize_t room(self) noexcept nogil:
        """Return the bytes of a thread's memory."""
        cdef Py_ssize_t[PARTS] bytes
        cdef Py_ssize_t total = 0
        cdef int part
        self.part_sizes(bytes)
        for part in range(PARTS):
            total += part_bytes(bytes[part])
        return total

    cdef Desk desk_at(self, char* memory) noexcept nogil:
        """Cut a thread's memory, which begins with a line of the cache, into its parts."""
        cdef Py_ssize_t[PARTS] bytes
        cdef Desk desk
        cdef char* here = memory
        self.part_sizes(bytes)
        desk.transposed = cut(&here, bytes[IN_TRANSPOSED])
        desk.phases = cut(&here, bytes[IN_PHASES])
        desk.phases_made = cut(&here, bytes[IN_PHASES_MADE])
        desk.ring = cut(&here, bytes[IN_RING])
        desk.deep = cut(&here, bytes[IN_DEEP])
        desk.line = cut(&here, bytes[IN_LINE])
        desk.stage = cut(&here, bytes[IN_STAGE])
        desk.row = <const char**>cut(&here, bytes[IN_ROW])
        desk.start, desk.end = memory, here
        if not self.streaming:
            desk.stage = NULL
        return desk

    def take(self, int threads):
        """Return the working memory of a run on so many threads, to be handed to it."""
        return np.empty(self.room() * max(threads, 1) + 64, np.uint8)

    def run(self, cnp.ndarray source not None, cnp.ndarray result not None, int threads,
            cnp.ndarray scratch=None):
        """Fill `result` from `source`, on so many threads; scratch: from `take`, for as many.

        Return whether that was done: not if elements are not aligned, or the arrays are not what
        the plan was made for.
        """
        cdef Rows rows
        cdef Py_ssize_t total, room
        cdef const char* from_ = PyArray_BYTES(<PyArrayObject*>source)  # IN
        cdef char* to = PyArray_BYTES(<PyArrayObject*>result)  # OUT
        cdef char* memory
        cdef Team team
        cdef int t
        if not takes(&self.frame, <PyArrayObject*>source, <PyArrayObject*>result):
            return False
        rows = rows_of(<PyArrayObject*>source, <PyArrayObject*>result, self.frame.roles)
        if (<size_t>from_ | <size_t>to | strides_of(&rows)) % <size_t>self.element != 0:
            return False
        total = rows.n * rows.m * rows.depth * rows.height
        threads = max(1, min(threads, total))
        if scratch is None:
            scratch = self.take(threads)
        memory = PyArray_BYTES(<PyArrayObject*>scratch)
        memory += (-<size_t>memory) % 64
        room = self.room()
        if cnp.PyArray_NBYTES(scratch) < room * threads + 64:
            raise ValueError("the scratch was taken for another plan")
        form_team(&team, threads)
        with nogil:
            if team.threads == 1:
                share_of(self, to, from_, &rows, memory, 0, total)
            else:
                team_begins(&team)
                for t in prange(threads, num_threads=team.threads, schedule="static"):
                    share_begins(&team, t)
                    share_of(self, to, from_, &rows, memory + t * room, total * t // threads,
                             total * (t + 1) // threads)
                    share_ends(&team, t)
                team_ends(&team)
        dismiss_team(&team)
        return True


cdef void share_of(Plan plan, char* to, const char* source, const Rows* rows, char* memory,
                   Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Do a thread's share, with memory of its own."""
    cdef Desk desk = plan.desk_at(memory)
    run_share(plan.code, plan.work, to, source, &plan.table, rows, &desk, first, last)
    check_parts(desk.start, desk.end)
