"""Resizing by tables: each pixel of the result is a weighted sum of a stretch of the source's.

    result[.., d, h, x] = sum over a, b, c of
        weight_d[d, a] weight_h[h, b] weight_w[x, c]
            source[.., first_d[d] + a, first_h[h] + b, first_w[x] + c]

Any number of taps along each axis; no convention is known here. The three sums are three passes:

    through   along d: rows of several planes become one                  (blend)
    down      along h: rows of a plane become one                         (blend)
    across    along w: a row is squeezed or stretched                     (turn, spread)

first `through`, then of the other two the one that leaves less to do: `across` first where a
picture grows, `down` first where it shrinks. What lies between two passes are lines in a ring, of a
strip of the row, so that it stays in the first caches however large the picture is.

`blend` adds up rows vector by vector. `across` would need permutations that depend on the table;
instead as many rows as a vector has lanes go through it together: a strip of them is transposed, so
that a column is a vector, a pixel of the result is a sum of columns, and the sums are transposed
back. That does for any table and any number of channels; pixels of many channels need no transpose.

Sums are formed in float32 (in float64 for float64 and for integers of more than eight bits and
int8), tap after tap, fused where the level fuses, whatever path and however many rows go together:
a result's bits depend on nothing but source and tables. Zeros at the ends of a pixel's weights are
no taps: what they would multiply is not read, and a NaN there leaks nowhere.

The caller has checked: first >= 0, first + taps <= the source's size, pixels and the source's rows
without gaps, elements aligned, source and result disjoint. No allocation in a row loop, no Python
object.

Hot functions, for who reads the machine code: blend, turn, spread, spread_channels.

Words: a *strip* is a stretch of a row of the result, with the stretch of the source that it needs.
A *group* is as many rows as go through `across` together.
"""

cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cython.parallel cimport prange
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memcpy, memset

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
from taps_h cimport (
    clamp_byte,
    half,
    plus_double,
    plus_doubles,
    plus_float,
    plus_floats,
    times_doubles,
    times_floats,
    to_integer,
    turn_doubles,
    turn_floats,
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

ctypedef fused work_t:  # what sums are formed in
    float
    double

# Elements of a strip, of source or result, whichever is more: what is transposed of a group, and
# what becomes of it, stay in the first cache.
cdef enum:
    STRIP = 512

# A pixel's window of more elements than this is not transposed: its rows are summed one by one.
cdef enum:
    WIDEST = 4096

# Where nothing goes across, there is nothing to transpose: elements of a strip.
cdef enum:
    STRIP_DOWN = 2048

# Lanes of the widest vectors.
cdef enum:
    MOST_LANES = 16

# What `across` costs, a tap of an element, where `down` costs 1.
cdef double ACROSS = 2.5

# The table of an axis, zeros at the ends of the weights left out.
cdef struct Axis:
    Py_ssize_t count, source  # pixels of the result and of the source
    Py_ssize_t most  # taps of a pixel, at most
    bint copied
    int64_t* first
    int64_t* taps
    char* weight  # `most` a pixel, in what sums are formed in

cdef struct Table:
    Axis d
    Axis h
    Axis w
    bint across_first
    Py_ssize_t channels, spacing  # elements of a pixel, from one to the next in the result
    float most_byte  # what bytes of the result are at most: 1 for bool
    Py_ssize_t group  # rows that go across together
    Py_ssize_t strips
    Py_ssize_t* strip  # for each: its first pixel, the first and the last + 1 of the source
    Py_ssize_t longest, longest_source  # elements of a strip, at most
    bint turned  # rows are transposed to go across
    Py_ssize_t ring, deep_ring  # lines of the ring between down and across, and before both

# A thread's memory.
cdef struct Desk:
    char* turned
    char* ring
    char* deep
    char* line
    char* stage  # NULL: results are not written past the cache
    const char** row  # taps of a pixel


# --- one body for all dtypes ---------------------------------------------------------------------

cdef inline words widen(const pixel_t* p) noexcept nogil:
    if pixel_t is uint8_t:
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
        return half_to_float(p[0].bits)
    else:
        return <work_t>p[0]


cdef inline void narrowed(pixel_t* p, work_t value, work_t most) noexcept nogil:
    if pixel_t is half:
        p[0].bits = float_to_half(value)
    elif pixel_t is uint8_t:
        p[0] = round_byte(min(max(value, <work_t>0), most))
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
        return plus_float(sum, a, b)


cdef inline void turn_block(words* block, work_t like) noexcept nogil:
    if work_t is double:
        turn_doubles(block)
    else:
        turn_floats(block)


# --- through and down: a line as a sum of rows ---------------------------------------------------

cdef inline void blend_vector(work_t* line, const pixel_t** row, const work_t* weight,
                              Py_ssize_t taps, Py_ssize_t j) noexcept nogil:
    cdef words sum = times(widen(row[0] + j), splat(weight[0]), weight[0])
    cdef Py_ssize_t k
    for k in range(1, taps):
        sum = plus(sum, widen(row[k] + j), splat(weight[k]), weight[0])
    store(line + j, sum)


cdef void blend(work_t* line, const pixel_t** row, const work_t* weight, Py_ssize_t taps,
                Py_ssize_t count) noexcept nogil:
    """Add up so many elements of rows, four vectors at a time."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t j = 0, k
    cdef words a, b, c, d, w
    cdef work_t sum
    if taps == 0:
        memset(line, 0, count * sizeof(work_t))
        return
    while j + 4 * lanes <= count:
        w = splat(weight[0])
        a = times(widen(row[0] + j), w, weight[0])
        b = times(widen(row[0] + j + lanes), w, weight[0])
        c = times(widen(row[0] + j + 2 * lanes), w, weight[0])
        d = times(widen(row[0] + j + 3 * lanes), w, weight[0])
        for k in range(1, taps):
            w = splat(weight[k])
            a = plus(a, widen(row[k] + j), w, weight[0])
            b = plus(b, widen(row[k] + j + lanes), w, weight[0])
            c = plus(c, widen(row[k] + j + 2 * lanes), w, weight[0])
            d = plus(d, widen(row[k] + j + 3 * lanes), w, weight[0])
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


# --- across: rows side by side, a column a vector ------------------------------------------------

cdef void turn(work_t* turned, const pixel_t** row, Py_ssize_t count) noexcept nogil:
    """Transpose so many columns of as many rows as a vector has lanes."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t j = 0, g
    cdef words[MOST_LANES] block
    while j + lanes <= count:
        for g in range(lanes):
            block[g] = widen(row[g] + j)
        turn_block(block, <work_t>0)
        for g in range(lanes):
            store(turned + (j + g) * lanes, block[g])
        j += lanes
    while j < count:
        for g in range(lanes):
            turned[j * lanes + g] = widened(row[g] + j, <work_t>0)
        j += 1


cdef inline words column(const work_t* turned, const work_t* weight, Py_ssize_t taps,
                         Py_ssize_t apart) noexcept nogil:
    """Add up columns that are `apart` elements from each other."""
    cdef words sum
    cdef Py_ssize_t k
    if taps == 0:
        return splat(<work_t>0)
    sum = times(load(turned), splat(weight[0]), weight[0])
    for k in range(1, taps):
        sum = plus(sum, load(turned + k * apart), splat(weight[k]), weight[0])
    return sum


cdef void spread(work_t** to, const work_t* turned, const Axis* w, Py_ssize_t channels,
                 Py_ssize_t first, Py_ssize_t last, Py_ssize_t low) noexcept nogil:
    """Make the pixels `first` to `last` - 1 of a group of rows from columns, the first of pixel `low`.
    """
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t x, c, g, n = 0, e = 0
    cdef const work_t* from_
    cdef const work_t* weight
    cdef words[MOST_LANES] block
    for x in range(first, last):
        from_ = turned + (w.first[x] - low) * channels * lanes
        weight = <const work_t*>w.weight + x * w.most
        for c in range(channels):
            block[n] = column(from_ + c * lanes, weight, w.taps[x], channels * lanes)
            n += 1
            if n == lanes:
                turn_block(block, <work_t>0)
                for g in range(lanes):
                    store(to[g] + e, block[g])
                e += lanes
                n = 0
    if n > 0:
        turn_block(block, <work_t>0)
        for g in range(lanes):
            memcpy(to[g] + e, &block[g], n * sizeof(work_t))


cdef void spread_row(work_t* to, const pixel_t* row, const Axis* w, Py_ssize_t channels,
                     Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Make the pixels `first` to `last` - 1 of one row, element by element."""
    cdef Py_ssize_t x, c, k
    cdef const pixel_t* from_
    cdef const work_t* weight
    cdef work_t sum
    for x in range(first, last):
        weight = <const work_t*>w.weight + x * w.most
        for c in range(channels):
            from_ = row + w.first[x] * channels + c
            sum = 0
            if w.taps[x] > 0:
                sum = widened(from_, sum) * weight[0]
            for k in range(1, w.taps[x]):
                sum = plus_one(sum, widened(from_ + k * channels, sum), weight[k])
            to[0] = sum
            to += 1


cdef void spread_channels(work_t* to, const pixel_t* row, const Axis* w, Py_ssize_t channels,
                          Py_ssize_t first, Py_ssize_t last, const char** taps) noexcept nogil:
    """Make the pixels `first` to `last` - 1 of one row of pixels of many channels."""
    cdef Py_ssize_t x, k
    for x in range(first, last):
        for k in range(w.taps[x]):
            taps[k] = <const char*>(row + (w.first[x] + k) * channels)
        blend(to, <const pixel_t**>taps, <const work_t*>w.weight + x * w.most, w.taps[x], channels)
        to += channels


# --- results -------------------------------------------------------------------------------------

cdef inline bint alike(pixel_t* a, work_t b) noexcept nogil:
    """Return whether a line is what the result holds."""
    return (pixel_t is float and work_t is float) or (pixel_t is double and work_t is double)


cdef void narrow(pixel_t* to, const work_t* line, Py_ssize_t count, work_t most) noexcept nogil:
    """Round a line to what the result holds; bytes to no more than `most`."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), j = 0
    if pixel_t is uint8_t and work_t is float:
        while j + lanes <= count:
            narrow_byte(to + j, clamp_byte(load(line + j), most))
            j += lanes
    elif pixel_t is half and work_t is float:
        while j + lanes <= count:
            narrow_half(<uint16_t*>to + j, load(line + j))
            j += lanes
    for j in range(j, count):
        narrowed(to + j, line[j], most)


cdef void put(pixel_t* to, const work_t* line, Py_ssize_t count, const Table* t,
              char* stage) noexcept nogil:
    """Write a strip of a row of the result, `to` being where it begins there."""
    cdef Py_ssize_t x, c
    if t.spacing != t.channels:
        for x in range(count // t.channels):
            for c in range(t.channels):
                narrowed(to + x * t.spacing + c, line[x * t.channels + c], <work_t>t.most_byte)
    elif stage == NULL:
        if <const void*>to != <const void*>line:
            narrow(to, line, count, <work_t>t.most_byte)
    elif alike(to, <work_t>0):
        stream(<char*>to, <const char*>line, count * sizeof(pixel_t))
    else:
        narrow(<pixel_t*>stage, line, count, <work_t>t.most_byte)
        stream(<char*>to, stage, count * sizeof(pixel_t))


cdef inline work_t* line_of(pixel_t* to, work_t* line, const Table* t, char* stage) noexcept nogil:
    """Return where a strip's sums go: where the result is, if nothing is left to do with them."""
    if alike(to, <work_t>0) and stage == NULL and t.spacing == t.channels:
        return <work_t*>to
    return line


# --- rows ----------------------------------------------------------------------------------------

# The part of the work that a strip of a plane's rows is: where they stand.
cdef struct Plane:
    const char* source  # of the plane: n, m (and d, where that is copied)
    char* result  # of the plane: n, m, d
    Py_ssize_t d
    Py_ssize_t first, last  # pixels of the strip
    Py_ssize_t low, high  # pixels of the source's strip
    Py_ssize_t made_from, made_to  # source rows whose lines are in the deep ring


cdef void deepen(Plane* p, const Table* t, const Rows* rows, Desk* desk, Py_ssize_t first,
                 Py_ssize_t last, pixel_t* like, work_t like_too) noexcept nogil:
    """Have the lines of the source rows `first` to `last` - 1 made, each of several planes."""
    cdef Py_ssize_t count = (p.high - p.low) * t.channels, k, h
    cdef const char* from_ = p.source + t.d.first[p.d] * rows.src_d + (
        p.low * t.channels * <Py_ssize_t>sizeof(pixel_t))
    if first < p.made_from or first > p.made_to:
        p.made_from = p.made_to = first
    for h in range(p.made_to, last):
        for k in range(t.d.taps[p.d]):
            desk.row[k] = from_ + k * rows.src_d + h * rows.src_h
        blend(<work_t*>desk.deep + h % t.deep_ring * t.longest_source, <const pixel_t**>desk.row,
              <const work_t*>t.d.weight + p.d * t.d.most, t.d.taps[p.d], count)
    p.made_to = max(p.made_to, last)
    p.made_from = max(p.made_from, p.made_to - t.deep_ring)


cdef inline const char* source_row(const Plane* p, const Table* t, const Rows* rows,
                                   const Desk* desk, Py_ssize_t h, pixel_t* like,
                                   work_t like_too) noexcept nogil:
    """Return a source row's strip: a line where planes were blended, else as it stands."""
    if t.d.copied:
        return p.source + h * rows.src_h + p.low * t.channels * <Py_ssize_t>sizeof(pixel_t)
    return <const char*>(<work_t*>desk.deep + h % t.deep_ring * t.longest_source)


cdef void across(work_t** to, const char** row, const Plane* p, const Table* t, Desk* desk,
                 Py_ssize_t count, pixel_t* like, work_t like_too) noexcept nogil:
    """Take a strip of `count` rows across, each to a line."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), g
    cdef Py_ssize_t skip = p.low * t.channels
    if t.turned and 4 * count > lanes:
        for g in range(count, lanes):  # rows that nobody wants
            row[g] = row[0]
            to[g] = <work_t*>desk.line + lanes * t.longest
        turn(<work_t*>desk.turned, <const pixel_t**>row, (p.high - p.low) * t.channels)
        spread(to, <const work_t*>desk.turned, &t.w, t.channels, p.first, p.last, p.low)
    elif t.turned or t.channels < lanes:
        for g in range(count):
            spread_row(to[g], <const pixel_t*>row[g] - skip, &t.w, t.channels, p.first, p.last)
    else:
        for g in range(count):
            spread_channels(to[g], <const pixel_t*>row[g] - skip, &t.w, t.channels, p.first,
                            p.last, desk.row)


cdef void grow_strip(pixel_t* to, Plane* p, const Table* t, const Rows* rows, Desk* desk,
                     Py_ssize_t h, Py_ssize_t end, work_t like) noexcept nogil:
    """Make a strip of the rows `h` to `end` - 1 of a plane: across, then down."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t made_from = 0, made_to = 0, wanted = 0, k, g, first, taps, count
    cdef Py_ssize_t length = (p.last - p.first) * t.channels
    cdef work_t* ring = <work_t*>desk.ring
    cdef work_t* line
    cdef work_t* lines[MOST_LANES]
    cdef const char* from_[MOST_LANES]
    for k in range(h, end):
        wanted = max(wanted, t.h.first[k] + t.h.taps[k])
    for h in range(h, end):
        first = t.h.first[h]
        taps = t.h.taps[h]
        if taps > 0 and (first < made_from or first > made_to):
            made_from = made_to = first
        while taps > 0 and made_to < first + taps:
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
        for k in range(taps):
            desk.row[k] = <const char*>(ring + (first + k) % t.ring * t.longest)
        line = line_of(to, <work_t*>desk.line, t, desk.stage)
        blend(line, <const work_t**>desk.row, <const work_t*>t.h.weight + h * t.h.most, taps,
              length)
        put(to, line, length, t, desk.stage)
        to = <pixel_t*>(<char*>to + rows.dst_h)


cdef void down(Plane* p, const Table* t, const Rows* rows, Desk* desk, Py_ssize_t h, work_t* line,
               pixel_t* like) noexcept nogil:
    """Make a line of the source's strip: the rows of the source that a row is made of, summed."""
    cdef Py_ssize_t first = t.h.first[h], taps = t.h.taps[h], k
    cdef Py_ssize_t count = (p.high - p.low) * t.channels
    cdef const work_t* weight = <const work_t*>t.h.weight + h * t.h.most
    if not t.d.copied and taps > 0:
        deepen(p, t, rows, desk, first, first + taps, like, <work_t>0)
    for k in range(taps):
        desk.row[k] = source_row(p, t, rows, desk, first + k, like, <work_t>0)
    if t.d.copied:
        blend(line, <const pixel_t**>desk.row, weight, taps, count)
    else:
        blend(line, <const work_t**>desk.row, weight, taps, count)


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
    while first < last:
        count = min(t.group, last - first)
        for g in range(count):
            move(&p, t, rows, &at, source, <char*>to)
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
            put(result[g], lines[g], length, t, desk.stage)
        first += count


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
            else:
                shrink_strip(to, source, t, rows, desk, first, end, strip, like)
        first = end
    if desk.stage != NULL:
        stream_end()


cdef inline void run_share(char code, char* to, const char* source, const Table* t,
                           const Rows* rows, Desk* desk, Py_ssize_t first,
                           Py_ssize_t last) noexcept nogil:
    """Choose the body for this dtype, by NumPy's letter."""
    if code == b"f":
        run_rows(<float*>to, source, t, rows, desk, first, last, <float>0)
    elif code == b"d":
        run_rows(<double*>to, source, t, rows, desk, first, last, <double>0)
    elif code == b"e":
        run_rows(<half*>to, source, t, rows, desk, first, last, <float>0)
    elif code == b"B" or code == b"?":
        run_rows(<uint8_t*>to, source, t, rows, desk, first, last, <float>0)
    elif code == b"b":
        run_rows(<int8_t*>to, source, t, rows, desk, first, last, <double>0)
    elif code == b"h":
        run_rows(<int16_t*>to, source, t, rows, desk, first, last, <double>0)
    elif code == b"H":
        run_rows(<uint16_t*>to, source, t, rows, desk, first, last, <double>0)
    else:
        run_rows(<int32_t*>to, source, t, rows, desk, first, last, <double>0)


cdef class Plan:
    """Everything about a resize that its tables decide.

    roles: which axes of the arrays are n, m, d, h, w, c (-1: none); axes: for d, h and w the first
    pixels (int64), the weights (float64, a row a pixel; None: an axis that is copied) and the
    source's size; dtype: NumPy's letter, one of `LETTERS`; channels, spacing: elements of a pixel,
    and from one pixel of the result to the next; streaming: write past the cache; only: "across"
    or "down", the pass to begin with, for tests.
    """
    cdef Frame frame
    cdef Table table
    cdef char code
    cdef int element, work
    cdef bint streaming
    cdef Py_ssize_t allocated, most_taps

    def __init__(self, roles, axes, str dtype, Py_ssize_t channels, Py_ssize_t spacing,
                 bint streaming, str only=None):
        cdef Table* t = &self.table
        if dtype not in LETTERS:
            raise AssertionError(f"no sums of dtype {dtype!r} are formed")
        self.code = ord(dtype)
        self.element = np.dtype(dtype).itemsize
        self.work = 4 if dtype in "feB?" else 8
        self.set_axis(&t.d, axes[0])
        self.set_axis(&t.h, axes[1])
        self.set_axis(&t.w, axes[2])
        self.frame.roles = roles_of(roles)
        self.frame.depth = t.d.count
        self.frame.height = t.h.count
        self.frame.width = t.w.count
        self.frame.source_width = t.w.source
        self.frame.pixel = channels * self.element
        self.frame.spacing = spacing * self.element
        self.streaming = streaming and spacing == channels
        t.channels = channels
        t.most_byte = 1.0 if dtype == "?" else 255.0
        t.spacing = spacing
        t.group = UPSHAPE_VECTOR_BYTES // self.work
        t.turned = not t.w.copied and channels < t.group
        t.across_first = not t.w.copied and not t.h.copied and (
            self.is_cheaper_across() if only is None else only == "across")
        self.cut_strips()
        t.deep_ring = t.h.most + t.group - 1
        t.ring = t.deep_ring
        self.most_taps = max(t.d.most, t.h.most, t.w.most, 1)

    cdef int set_axis(self, Axis* axis, tuple given) except -1:
        """Take over a table; leave out zeros at the ends of weights."""
        cdef const int64_t[::1] first = given[0]
        cdef const double[:, ::1] weight
        cdef Py_ssize_t j, k, begin, end, most = 1
        axis.count = first.shape[0]
        axis.source = given[2]
        axis.copied = given[1] is None
        axis.first = <int64_t*>self.allocate(axis.count * sizeof(int64_t))
        axis.taps = <int64_t*>self.allocate(axis.count * sizeof(int64_t))
        if axis.copied:
            axis.most = 1
            axis.weight = <char*>self.allocate(axis.count * self.work)
            for j in range(axis.count):
                axis.first[j] = first[j]
                axis.taps[j] = 1
                self.set_weight(axis, j, 1.0)
            return 0
        weight = given[1]
        for j in range(axis.count):
            begin = 0
            end = weight.shape[1]
            while end > 0 and weight[j, end - 1] == 0.0:
                end -= 1
            while begin < end and weight[j, begin] == 0.0:
                begin += 1
            if begin < end and (first[j] + begin < 0 or first[j] + end > axis.source):
                raise AssertionError("a table has taps beyond the source")
            axis.first[j] = first[j] + begin if begin < end else (
                axis.first[j - 1] if j > 0 else 0)
            axis.taps[j] = end - begin
            most = max(most, end - begin)
        axis.most = most
        axis.weight = <char*>self.allocate(axis.count * most * self.work)
        for j in range(axis.count):
            begin = axis.first[j] - first[j]
            for k in range(axis.taps[j]):
                self.set_weight(axis, j * most + k, weight[j, begin + k])
        return 0

    cdef void set_weight(self, Axis* axis, Py_ssize_t at, double weight) noexcept:
        if self.work == 8:
            (<double*>axis.weight)[at] = weight
        else:
            (<float*>axis.weight)[at] = <float>weight

    cdef bint is_cheaper_across(self) noexcept:
        """Return whether going across before going down is less work."""
        cdef Table* t = &self.table
        cdef double w = ACROSS * t.w.most * t.w.count, h = t.h.most * t.h.count
        return w * t.h.source + h * t.w.count < h * t.w.source + w * t.h.count

    cdef int cut_strips(self) except -1:
        """Cut a row into strips."""
        cdef Table* t = &self.table
        cdef Py_ssize_t most = max(1, (STRIP if not t.w.copied else STRIP_DOWN) // t.channels)
        cdef Py_ssize_t x, k, start = 0, low = 0, high = 0, own_low, own_high
        cdef list strips = []
        for x in range(t.w.count):
            own_low = t.w.first[x]
            own_high = own_low + t.w.taps[x]
            if x > start and (x - start == most
                              or max(high, own_high) - min(low, own_low) > most):
                strips.append((start, low, high))
                start = x
            if x == start:
                low = own_low
                high = own_high
            low = min(low, own_low)
            high = max(high, own_high)
        strips.append((start, low, high))
        t.strips = len(strips)
        t.strip = <Py_ssize_t*>self.allocate((3 * t.strips + 1) * sizeof(Py_ssize_t))
        t.strip[3 * t.strips] = t.w.count
        t.longest = t.longest_source = 1
        for k in range(t.strips):
            t.strip[3 * k], t.strip[3 * k + 1], t.strip[3 * k + 2] = strips[k]
            x = strips[k + 1][0] if k + 1 < t.strips else t.w.count
            t.longest = max(t.longest, (x - t.strip[3 * k]) * t.channels)
            t.longest_source = max(t.longest_source, (
                t.strip[3 * k + 2] - t.strip[3 * k + 1]) * t.channels)
        if t.longest_source > WIDEST:
            t.turned = False
            t.group = 1
        # Lines begin with a line of the cache, and have room for what a vector more would take.
        t.longest = (t.longest + 31) // 16 * 16
        t.longest_source = (t.longest_source + 31) // 16 * 16
        return 0

    cdef void* allocate(self, Py_ssize_t bytes) except NULL:
        cdef void* memory = PyMem_RawMalloc(max(bytes, 1))
        if memory == NULL:
            raise MemoryError(f"no memory for the tables of {self.frame.width} pixels")
        self.allocated += bytes
        return memory

    def __dealloc__(self):
        free_axis(&self.table.d)
        free_axis(&self.table.h)
        free_axis(&self.table.w)
        PyMem_RawFree(self.table.strip)

    @property
    def kind(self):
        """Which passes there are, in their order."""
        cdef Table* t = &self.table
        passes = [] if t.d.copied else ["through"]
        two = [] if t.h.copied else ["down"]
        two += [] if t.w.copied else ["across"]
        return " ".join(passes + (two[::-1] if t.across_first else two)) or "copy"

    @property
    def nbytes(self):
        """Bytes that the tables take."""
        return self.allocated

    cdef Py_ssize_t lay(self, Desk* desk, char* memory) noexcept nogil:
        """Lay out a thread's memory from here on; return its bytes."""
        cdef Table* t = &self.table
        cdef Py_ssize_t at = 0, work = self.work
        desk.turned = memory + at
        at += padded(t.longest_source * t.group * work if t.turned else 0)
        desk.ring = memory + at
        if t.across_first:
            at += padded(t.ring * t.longest * work)
        elif not t.w.copied and not t.h.copied:
            at += padded(t.group * t.longest_source * work)
        desk.deep = memory + at
        at += padded(0 if t.d.copied else t.deep_ring * t.longest_source * work)
        desk.line = memory + at
        at += padded((t.group + 1) * t.longest * work)
        desk.stage = memory + at if self.streaming else NULL
        at += padded(t.longest * work if self.streaming else 0)
        desk.row = <const char**>(memory + at)
        at += padded(self.most_taps * sizeof(char*))
        return at

    def take(self, int threads):
        """Return the working memory of a run on so many threads, to be handed to it."""
        cdef Desk desk
        return np.empty(self.lay(&desk, NULL) * max(threads, 1) + 64, np.uint8)

    def run(self, cnp.ndarray source not None, cnp.ndarray result not None, int threads,
            cnp.ndarray scratch=None):
        """Fill `result` from `source`, on so many threads; scratch: from `take`, for as many.

        Return whether that was done: not if elements are not aligned, or the arrays are not what
        the plan was made for.
        """
        cdef Rows rows
        cdef Py_ssize_t total, room
        cdef const char* from_ = PyArray_BYTES(<PyArrayObject*>source)
        cdef char* to = PyArray_BYTES(<PyArrayObject*>result)
        cdef char* memory
        cdef Desk desk
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
        room = self.lay(&desk, memory)
        form_team(&team, threads)
        with nogil:
            if team.threads == 1:
                run_share(self.code, to, from_, &self.table, &rows, &desk, 0, total)
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
    cdef Desk desk
    plan.lay(&desk, memory)
    run_share(plan.code, to, source, &plan.table, rows, &desk, first, last)


cdef void free_axis(Axis* axis) noexcept:
    PyMem_RawFree(axis.first)
    PyMem_RawFree(axis.taps)
    PyMem_RawFree(axis.weight)


cdef inline Py_ssize_t padded(Py_ssize_t bytes) noexcept nogil:
    return (bytes + 63) // 64 * 64


# The letters of the dtypes that sums are formed of.
LETTERS = "fdeB?bhHi"
