"""Nearest-neighbour interpolation: every pixel of the result is a copy of one pixel of the source.

    result[n, m, d, h, x] = source[n, m, index_d[d], index_h[h], index_w[x]]

The tables say which pixel; no convention is known here. A pixel is so many bytes, whatever its
dtype. A row is built by whole vectors, each a permutation of one window of the source row, of half a
vector, one or two, where the plan found that the sources of every vector lie that close (any
enlargement, down to about half the size), else pixel by pixel. Rows of the result that come from
one source row are made anew one after the other where memory is what holds them up; or every
vector is made once and stored in each of them; or a piece of a row is built and copied while it is
in the first cache.

Narrow rows are made many at a time. Where the rows of a plane have no gaps between them, a plane
is one long row, with a table of its own, and so are as many planes without gaps as end with a whole
vector; or each row is one vector, of which the next row overwrites what is too much. Else their
source rows are laid side by side, once for each row of the result, and the group is then one long
row. So a row costs no more than its bytes, and rows narrower than a vector are made by whole
vectors as well.

The caller has checked: indices in range, pixels and the source's rows without gaps, source and
result disjoint. Nothing is allocated within a row loop, no Python object is touched.

Hot row functions, for who reads the machine code: row_halves, row_words, row_words_two,
row_half_bytes, row_one_bytes, rows_words, pairs_words, runs_words, spill_planes, row_past,
row_bytes, row_bytes_two, row_items.
"""

cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cython.parallel cimport prange
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from check cimport UPSHAPE_CHECK, check_parts, cut, part_bytes
from rows cimport (
    Frame,
    Place,
    PyArray_BYTES,
    PyArrayObject,
    Rows,
    check_table,
    gcd,
    place_of,
    reached_by,
    roles_of,
    rows_of,
    step,
    strides_of_result,
    takes,
    windows,
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
    UPSHAPE_INDEX_BYTES,
    UPSHAPE_VECTOR_BYTES,
    bytes16,
    load,
    load_bytes,
    load_half,
    permute,
    permute_bytes,
    permute_two,
    permute_two_bytes,
    permute_within,
    store,
    store_bytes,
    store_first,
    stream,
    stream_end,
    stream_store,
    words,
)

import numpy as np

cnp.import_array()

ctypedef fused item_t:
    uint8_t
    uint16_t
    uint32_t
    uint64_t
    bytes16

cdef enum Kind:
    COPY  # the row as it is
    WORDS  # vectors, permuted by four bytes (by one where a vector has 16)
    BYTES  # vectors of 16 bytes, permuted by one
    ITEMS  # pixel by pixel: 1, 2, 4, 8 or 16 bytes
    TRIPLES  # pixel by pixel: three times as many
    PIXELS  # pixel by pixel: any number of bytes, gaps between the result's pixels allowed

# A window: half a vector, one, two. The shorter it is the less often it lies in two lines of the
# cache, and the narrower may the source be. Words are permuted; of units that are no words each 16
# bytes of the vector get the four words that hold theirs, and permute these by bytes.
cdef enum Span:
    HALF
    ONE
    TWO
    HALF_BYTES
    ONE_BYTES

# Bytes of a row that are built before they are copied on: a part of the first cache.
cdef enum:
    PIECE = 8192

# Rows narrower than this are gathered before they are streamed, so that few lines are torn.
cdef enum:
    NARROW = 2048

# Rows of so many bytes at most are made in groups, of so many bytes at most, on either side.
# Measured on Granite Rapids: groups are 1.03 to 4 times as fast up to 224 bytes, at 256 1.15 times
# at v4 and 0.86 times at v3, at 320 0.9 times.
cdef enum:
    GROUPED = 192 + UPSHAPE_VECTOR_BYTES
    GROUP = 4096

# Equal rows of so many bytes, in a thread's share of so many, are made one after the other, each anew;
# others at once, each vector stored in all of them. A line that is written whole, after the line
# before it, is not read first. On Zen 5, floats to twice the size, rows one after the other are 0.98
# to 1.1 times as fast while the result is in the cache and 1.2 to 1.6 times where it is not, from
# 448 bytes on; at 160 to 224 bytes 0.98 to 1.05, at 56 to 80 bytes 0.7 times. In the second cache
# they are 0.85 to 1.0 times as fast.
cdef enum:
    APART = 320
    APART_SHARE = 1 << 20

# Rows of pixels of so many bytes are made anew rather than copied: that costs no more than the
# copy, and reads what is smaller. 1.08 times as fast at 256 bytes, 0.9 at 64 (Granite Rapids).
cdef enum:
    MANY_BYTES = 128

# Pixels of whole vectors, of so many bytes at most, are copied by these: a call costs as much.
cdef enum:
    PIXEL_BY_VECTORS = 1024

# Bytes of a plane that is made as one row, at most: its table stays in the first cache.
cdef enum:
    PLANE = 8192

# What one row of the result is made from: `steps` steps of `stride` bytes, the last one of a WORDS
# or BYTES row moved back so that it ends with the row. Rows in groups: `group` of them are one row.
cdef struct Table:
    Kind kind
    Py_ssize_t group, source_row  # rows, 0: one by one; bytes of a source row
    Span span  # of windows
    bint alike  # all vectors are permuted alike, and windows, but for the last, begin
    Py_ssize_t advance  # so many bytes apart
    bint pairs  # rows are equal two by two, from the first on
    bint single  # rows are made one after the other, since none or few are equal
    Py_ssize_t pixel, spacing  # bytes of a pixel, bytes from one to the next in the result
    Py_ssize_t steps, stride, row
    int64_t* index
    void* memory  # of the windows' tables
    int64_t* base
    uint8_t* order


# Rows shorter than a vector, of a source of half a vector at most, each row one permutation; all
# sizes are bytes, but for rows: `before` the first that is made of the source's last, `last` the
# last. row = 0: rows are made another way.
cdef struct Spill:
    Py_ssize_t row, source_row, before, last
    uint8_t[2 * UPSHAPE_VECTOR_BYTES] order  # from a row's start, and from half a vector before its end


# How a vector is permuted: by words; then, of units that are no words, by bytes.
cdef struct Order:
    words by
    words within


cdef inline Py_ssize_t order_bytes(Span span) noexcept nogil:
    """Return the bytes of an order in the tables."""
    return 2 * UPSHAPE_VECTOR_BYTES if span >= HALF_BYTES else UPSHAPE_VECTOR_BYTES


cdef inline Order order_of(const uint8_t* order, Py_ssize_t k, Span span) noexcept nogil:
    """Return that of vector k."""
    cdef Order its
    its.by = its.within = load(order + k * order_bytes(span))
    if span >= HALF_BYTES:
        its.within = load(order + k * order_bytes(span) + UPSHAPE_VECTOR_BYTES)
    return its


cdef inline words window(const char* source, Order order, Span span) noexcept nogil:
    """Return a vector of the result."""
    cdef words vector
    if span == TWO:
        return permute_two(load(source), load(source + UPSHAPE_VECTOR_BYTES), order.by)
    if span == HALF or span == HALF_BYTES:
        vector = permute(load_half(source), order.by)
    else:
        vector = permute(load(source), order.by)
    return permute_within(vector, order.within) if span >= HALF_BYTES else vector


cdef inline void row_windows(char* to, const char* source, const int64_t* base,
                             const uint8_t* order, Py_ssize_t count, Span span,
                             bint past) noexcept nogil:
    """Write vectors; past: past the cache, `to` is aligned."""
    cdef Py_ssize_t k
    cdef words vector
    for k in range(count):
        vector = window(source + base[k], order_of(order, k, span), span)
        if past:
            stream_store(to + k * UPSHAPE_VECTOR_BYTES, vector)
        else:
            store(to + k * UPSHAPE_VECTOR_BYTES, vector)


cdef void row_halves(char* to, const char* source, const int64_t* base, const uint8_t* order,
                     Py_ssize_t count) noexcept nogil:
    row_windows(to, source, base, order, count, HALF, False)


cdef void row_words(char* to, const char* source, const int64_t* base, const uint8_t* order,
                    Py_ssize_t count) noexcept nogil:
    row_windows(to, source, base, order, count, ONE, False)


cdef void row_words_two(char* to, const char* source, const int64_t* base, const uint8_t* order,
                        Py_ssize_t count) noexcept nogil:
    row_windows(to, source, base, order, count, TWO, False)


cdef void row_half_bytes(char* to, const char* source, const int64_t* base, const uint8_t* order,
                         Py_ssize_t count) noexcept nogil:
    row_windows(to, source, base, order, count, HALF_BYTES, False)


cdef void row_one_bytes(char* to, const char* source, const int64_t* base, const uint8_t* order,
                        Py_ssize_t count) noexcept nogil:
    row_windows(to, source, base, order, count, ONE_BYTES, False)


cdef void row_past(char* to, const char* source, const Table* t) noexcept nogil:
    """Write a row of whole vectors past the cache."""
    if t.span == HALF:
        row_windows(to, source, t.base, t.order, t.steps, HALF, True)
    elif t.span == ONE:
        row_windows(to, source, t.base, t.order, t.steps, ONE, True)
    elif t.span == TWO:
        row_windows(to, source, t.base, t.order, t.steps, TWO, True)
    elif t.span == HALF_BYTES:
        row_windows(to, source, t.base, t.order, t.steps, HALF_BYTES, True)
    else:
        row_windows(to, source, t.base, t.order, t.steps, ONE_BYTES, True)


cdef inline void one_row(char* to, const char* source, const Table* t, Order order, bint alike,
                         Span span) noexcept nogil:
    """Write a row, whose last vector ends with it; alike: `order` is that of all."""
    cdef Py_ssize_t last = t.steps - 1, advance = t.advance, k
    cdef const int64_t* base = t.base
    for k in range(last):
        if not alike:
            order = order_of(t.order, k, span)
        store(to + k * UPSHAPE_VECTOR_BYTES,
              window(source + (k * advance if alike else base[k]), order, span))
    if not alike:
        order = order_of(t.order, last, span)
    store(to + t.row - UPSHAPE_VECTOR_BYTES, window(source + base[last], order, span))


cdef inline void equal_rows(char* to, const char* source, const Table* t, Order order, bint alike,
                            Span span, Py_ssize_t rows, Py_ssize_t pitch) noexcept nogil:
    """Do as one_row does, for two rows and more that are equal."""
    cdef Py_ssize_t last = t.steps - 1, advance = t.advance, k, j
    cdef const int64_t* base = t.base
    cdef words vector
    for k in range(last):
        if not alike:
            order = order_of(t.order, k, span)
        vector = window(source + (k * advance if alike else base[k]), order, span)
        store(to, vector)
        store(to + pitch, vector)
        for j in range(2, rows):
            store(to + j * pitch, vector)
        to += UPSHAPE_VECTOR_BYTES
    to += t.row - t.steps * UPSHAPE_VECTOR_BYTES
    if not alike:
        order = order_of(t.order, last, span)
    vector = window(source + base[last], order, span)
    store(to, vector)
    store(to + pitch, vector)
    for j in range(2, rows):
        store(to + j * pitch, vector)


# So many rows of so many planes; from one to the next.
cdef struct Block:
    Py_ssize_t planes, count
    Py_ssize_t src_m, src_h, dst_m, dst_h


# The compiler cannot know that no store changes a table: what the loops read are copies of its own.
cdef inline void each_row(const Table* table, char* to, const char* source,
                          const int64_t* index_h, const Block* block, bint alike,
                          Span span) noexcept nogil:
    cdef Table t = table[0]
    cdef Block own = block[0]
    cdef Py_ssize_t m, h
    cdef Order order = order_of(t.order, 0, span)
    for m in range(own.planes):
        for h in range(own.count):
            one_row(to + h * own.dst_h, source + index_h[h] * own.src_h, &t, order, alike, span)
        to += own.dst_m
        source += own.src_m


cdef inline void each_pair(const Table* table, char* to, const char* source,
                           const int64_t* index_h, const Block* block, bint alike,
                           Span span) noexcept nogil:
    cdef Table t = table[0]
    cdef Block own = block[0]
    cdef Py_ssize_t m, h
    cdef Order order = order_of(t.order, 0, span)
    for m in range(own.planes):
        for h in range(0, own.count, 2):
            equal_rows(to + h * own.dst_h, source + index_h[h] * own.src_h, &t, order, alike, span,
                       2, own.dst_h)
        to += own.dst_m
        source += own.src_m


cdef inline void each_run(const Table* table, char* to, const char* source,
                          const int64_t* index_h, const Block* block, Span span) noexcept nogil:
    cdef Table t = table[0]
    cdef Block own = block[0]
    cdef Py_ssize_t m, h, equal
    cdef Order order = order_of(t.order, 0, span)
    for m in range(own.planes):
        h = 0
        while h < own.count:
            equal = 1
            while h + equal < own.count and index_h[h + equal] == index_h[h]:
                equal += 1
            if equal == 1:
                one_row(to + h * own.dst_h, source + index_h[h] * own.src_h, &t, order, False, span)
            else:
                equal_rows(to + h * own.dst_h, source + index_h[h] * own.src_h, &t, order, False,
                           span, equal, own.dst_h)
            h += equal
        to += own.dst_m
        source += own.src_m


cdef void rows_words(const Table* t, char* to, const char* source, const int64_t* index_h,
                     const Block* block) noexcept nogil:
    """Write rows one after the other."""
    if t.alike and t.span == HALF:
        each_row(t, to, source, index_h, block, True, HALF)
    elif t.alike and t.span == HALF_BYTES:
        each_row(t, to, source, index_h, block, True, HALF_BYTES)
    elif t.span == HALF:
        each_row(t, to, source, index_h, block, False, HALF)
    elif t.span == ONE:
        each_row(t, to, source, index_h, block, False, ONE)
    elif t.span == TWO:
        each_row(t, to, source, index_h, block, False, TWO)
    elif t.span == HALF_BYTES:
        each_row(t, to, source, index_h, block, False, HALF_BYTES)
    else:
        each_row(t, to, source, index_h, block, False, ONE_BYTES)


cdef void pairs_words(const Table* t, char* to, const char* source, const int64_t* index_h,
                      const Block* block) noexcept nogil:
    """Write rows that are equal two by two, those at once."""
    if t.alike and t.span == HALF:
        each_pair(t, to, source, index_h, block, True, HALF)
    elif t.alike and t.span == HALF_BYTES:
        each_pair(t, to, source, index_h, block, True, HALF_BYTES)
    elif t.span == HALF:
        each_pair(t, to, source, index_h, block, False, HALF)
    elif t.span == ONE:
        each_pair(t, to, source, index_h, block, False, ONE)
    elif t.span == HALF_BYTES:
        each_pair(t, to, source, index_h, block, False, HALF_BYTES)
    else:
        each_pair(t, to, source, index_h, block, False, ONE_BYTES)


cdef void runs_words(const Table* t, char* to, const char* source, const int64_t* index_h,
                     const Block* block) noexcept nogil:
    """Write rows of which any are equal, those at once."""
    if t.span == HALF:
        each_run(t, to, source, index_h, block, HALF)
    elif t.span == ONE:
        each_run(t, to, source, index_h, block, ONE)
    elif t.span == HALF_BYTES:
        each_run(t, to, source, index_h, block, HALF_BYTES)
    else:
        each_run(t, to, source, index_h, block, ONE_BYTES)


cdef void row_bytes(char* to, const char* source, const int64_t* base, const uint8_t* order,
                    Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(0, count - 1, 2):  # two at a time: one alone is mostly the loop itself
        store_bytes(to + k * 16,
                    permute_bytes(load_bytes(source + base[k]), load_bytes(order + k * 16)))
        store_bytes(to + k * 16 + 16,
                    permute_bytes(load_bytes(source + base[k + 1]),
                                  load_bytes(order + k * 16 + 16)))
    if count % 2:
        k = count - 1
        store_bytes(to + k * 16,
                    permute_bytes(load_bytes(source + base[k]), load_bytes(order + k * 16)))


cdef void row_bytes_two(char* to, const char* source, const int64_t* base, const uint8_t* order,
                        Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(count):
        store_bytes(to + k * 16,
                    permute_two_bytes(load_bytes(source + base[k]),
                                      load_bytes(source + base[k] + 16),
                                      load_bytes(order + k * 16)))


cdef inline void row_vectors(char* to, const char* source, const Table* t, Py_ssize_t first,
                             Py_ssize_t count) noexcept nogil:
    """Write vectors of a row to `to`, from vector `first` on."""
    cdef const int64_t* base = t.base + first
    cdef const uint8_t* order
    if t.kind == WORDS:
        order = t.order + first * order_bytes(t.span)
        if t.span == HALF:
            row_halves(to, source, base, order, count)
        elif t.span == ONE:
            row_words(to, source, base, order, count)
        elif t.span == TWO:
            row_words_two(to, source, base, order, count)
        elif t.span == HALF_BYTES:
            row_half_bytes(to, source, base, order, count)
        else:
            row_one_bytes(to, source, base, order, count)
        return
    order = t.order + first * t.stride
    if t.span == ONE:
        row_bytes(to, source, base, order, count)
    else:
        row_bytes_two(to, source, base, order, count)


cdef void row_items(item_t* to, const char* source, const int64_t* index, Py_ssize_t count,
                    int multiple) noexcept nogil:
    cdef Py_ssize_t x
    if multiple == 1:
        for x in range(count):
            memcpy(&to[x], source + index[x] * <Py_ssize_t>sizeof(item_t), sizeof(item_t))
    else:
        for x in range(count):
            memcpy(&to[3 * x], source + index[x] * <Py_ssize_t>(3 * sizeof(item_t)),
                   3 * sizeof(item_t))


cdef void row_pixels(char* to, const char* source, const int64_t* index, Py_ssize_t count,
                     Py_ssize_t pixel, Py_ssize_t spacing) noexcept nogil:
    cdef Py_ssize_t x, k
    cdef const char* its
    if pixel % UPSHAPE_VECTOR_BYTES == 0 and pixel <= PIXEL_BY_VECTORS:
        for x in range(count):
            its = source + index[x] * pixel
            for k in range(pixel // UPSHAPE_VECTOR_BYTES):
                store(to + x * spacing + k * UPSHAPE_VECTOR_BYTES,
                      load(its + k * UPSHAPE_VECTOR_BYTES))
        return
    for x in range(count):
        memcpy(to + x * spacing, source + index[x] * pixel, pixel)


cdef inline void items(char* to, const char* source, const int64_t* index, Py_ssize_t count,
                       Py_ssize_t item, int multiple) noexcept nogil:
    if item == 1:
        row_items[uint8_t](<uint8_t*>to, source, index, count, multiple)
    elif item == 2:
        row_items[uint16_t](<uint16_t*>to, source, index, count, multiple)
    elif item == 4:
        row_items[uint32_t](<uint32_t*>to, source, index, count, multiple)
    elif item == 8:
        row_items[uint64_t](<uint64_t*>to, source, index, count, multiple)
    else:
        row_items[bytes16](<bytes16*>to, source, index, count, multiple)


cdef inline void build(const Table* t, char* to, const char* source, Py_ssize_t first,
                       Py_ssize_t last) noexcept nogil:
    """Write the steps `first` to `last` - 1 of a row, or of a group's, to `to`."""
    cdef Py_ssize_t whole = last
    UPSHAPE_CHECK(0 <= first <= last <= t.steps * max(t.group, 1))
    if t.kind == WORDS or t.kind == BYTES:
        if last * t.stride > t.row:  # only the row's last step, and never its first
            whole = last - 1
        row_vectors(to, source, t, first, whole - first)
        if whole < last:
            row_vectors(to + t.row - (first + 1) * t.stride, source, t, whole, 1)
    elif t.kind == COPY:
        memcpy(to, source + first * t.stride, min(last * t.stride, t.row) - first * t.stride)
    elif t.kind == ITEMS:
        items(to, source, t.index + first, last - first, t.pixel, 1)
    elif t.kind == TRIPLES:
        items(to, source, t.index + first, last - first, t.pixel // 3, 3)
    else:
        row_pixels(to, source, t.index + first, last - first, t.pixel, t.spacing)


cdef inline Py_ssize_t piece_end(const Table* t, Py_ssize_t first) noexcept nogil:
    """Return the step at which the piece that begins with `first` ends."""
    cdef Py_ssize_t last = first + max(1, PIECE // t.stride)
    return t.steps if last + 1 >= t.steps else last


cdef inline void write_rows(const Table* t, char* to, const char* source, Py_ssize_t count,
                            Py_ssize_t pitch) noexcept nogil:
    """Build a row in the result itself, and the rows that are alike piece by piece with it."""
    cdef Py_ssize_t first = 0, last, start, bytes, j
    if t.spacing != t.pixel:
        for j in range(count):
            row_pixels(to + j * pitch, source, t.index, t.steps, t.pixel, t.spacing)
        return
    while first < t.steps:
        last = piece_end(t, first)
        start = first * t.stride
        bytes = min(last * t.stride, t.row) - start
        build(t, to + start, source, first, last)
        for j in range(1, count):
            if t.kind == PIXELS and t.pixel >= MANY_BYTES:
                build(t, to + j * pitch + start, source, first, last)
            else:
                memcpy(to + j * pitch + start, to + start, bytes)
        first = last


cdef inline void stream_rows(const Table* t, char* to, const char* source, Py_ssize_t count,
                             Py_ssize_t pitch, char* stage) noexcept nogil:
    """Build a row in the stage, and stream each piece to the rows that are alike."""
    cdef Py_ssize_t first = 0, last, start, bytes, j
    while first < t.steps:
        last = piece_end(t, first)
        start = first * t.stride
        bytes = min(last * t.stride, t.row) - start
        build(t, stage, source, first, last)
        for j in range(count):
            stream(to + j * pitch + start, stage, bytes)
        first = last


# --- narrow rows, in groups -----------------------------------------------------------------------

cdef inline void gather(char* line, const Rows* rows, const Table* t, const int64_t* index_d,
                        const int64_t* index_h, const char* source, const char* end, Place* at,
                        Py_ssize_t count) noexcept nogil:
    """Lay the source rows of the next `count` rows side by side.

    They are copied by 16 bytes: what is too much is overwritten by the next row, and nothing is
    read from `end` on.
    """
    cdef Py_ssize_t bytes = t.source_row, chunks = (bytes + 15) // 16, some, h, k
    cdef const char* plane
    cdef const char* row
    UPSHAPE_CHECK(0 <= count and count * bytes <= GROUP)
    while count > 0:
        some = min(count, rows.height - at.h)
        plane = (source + at.n * rows.src_n + at.m * rows.src_m + index_d[at.d] * rows.src_d)
        for h in range(at.h, at.h + some):
            row = plane + index_h[h] * rows.src_h
            if row + 16 * chunks <= end:
                for k in range(chunks):
                    store_bytes(line + 16 * k, load_bytes(row + 16 * k))
            else:
                memcpy(line, row, bytes)
            line += bytes
        step(rows, at, some)
        count -= some


cdef inline void spread(char* to, const char* line, const Table* t,
                        Py_ssize_t bytes) noexcept nogil:
    """Write the first bytes of a group's rows."""
    cdef Py_ssize_t whole = bytes // t.stride
    cdef char[UPSHAPE_VECTOR_BYTES] last
    if t.kind == WORDS or t.kind == BYTES:
        row_vectors(to, line, t, 0, whole)
        if whole * t.stride < bytes:
            row_vectors(last, line, t, whole, 1)
            memcpy(to + whole * t.stride, last, bytes - whole * t.stride)
    elif t.kind == COPY:
        memcpy(to, line, bytes)
    else:
        build(t, to, line, 0, whole)


cdef inline Py_ssize_t reach(Py_ssize_t stride, Py_ssize_t last) noexcept nogil:
    """Return how far up in memory the last of an axis lies."""
    return max(stride * last, 0)


cdef void run_groups(const Table* t, const Rows* rows, const int64_t* index_d,
                     const int64_t* index_h, char* to, const char* source, Py_ssize_t first,
                     Py_ssize_t last, bint streaming) noexcept nogil:
    """Compute the rows `first` to `last` - 1, in groups that have no gap in the result."""
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t plane = rows.height * t.row, count, exact
    cdef bint rows_meet = rows.dst_h == t.row or rows.height == 1
    cdef bint planes_meet = (
        rows_meet and (rows.dst_d == plane or rows.depth == 1)
        and (rows.dst_m == plane * rows.depth or rows.m == 1)
        and (rows.dst_n == plane * rows.depth * rows.m or rows.n == 1))
    cdef const char* end = (
        source + reach(rows.src_n, rows.n - 1) + reach(rows.src_m, rows.m - 1)
        + reach(rows.src_d, index_d[rows.depth - 1]) + reach(rows.src_h, index_h[rows.height - 1])
        + t.source_row)
    cdef char[GROUP + 64] line
    cdef char[GROUP] stage
    cdef char* group
    while first < last:
        count = min(t.group, last - first)
        if not planes_meet:
            count = min(count, rows.height - at.h) if rows_meet else 1
        group = to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d + at.h * rows.dst_h
        if t.kind == COPY and not streaming:
            # Rows as they are need no line; the last ones must not write past themselves.
            exact = min(count, 1 + 15 // t.row)
            gather(group, rows, t, index_d, index_h, source, end, &at, count - exact)
            gather(group + (count - exact) * t.row, rows, t, index_d, index_h, source, NULL, &at,
                   exact)
            first += count
            continue
        gather(line, rows, t, index_d, index_h, source, end, &at, count)
        if streaming:
            spread(stage, line, t, count * t.row)
            stream(group, stage, count * t.row)
        else:
            spread(group, line, t, count * t.row)
        first += count
    if streaming:
        stream_end()


# --- planes without gaps, as one row each --------------------------------------------------------

cdef void run_planes(const Table* t, const Rows* rows, const int64_t* index_d, char* to,
                     const char* source, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Compute the planes `first` to `last` - 1; `rows` has planes of one row."""
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t _
    for _ in range(last - first):
        build(t, to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d,
              source + at.n * rows.src_n + at.m * rows.src_m + index_d[at.d] * rows.src_d, 0,
              t.steps)
        step(rows, &at, 1)


# --- rows shorter than a vector, in planes without gaps ------------------------------------------

cdef void spill_planes(const Spill* spill, char* to, const char* source, const int64_t* index_h,
                       Py_ssize_t planes, Py_ssize_t src_m, Py_ssize_t dst_m) noexcept nogil:
    """Write planes by a vector a row: what is too much is overwritten by the next row.

    A plane's last source row is read by a window that ends with it, its last row written as it is.
    """
    cdef Spill own = spill[0]
    cdef Py_ssize_t _, h, moved = UPSHAPE_VECTOR_BYTES // 2 - own.source_row
    cdef words by = load(own.order), by_last = load(own.order + UPSHAPE_VECTOR_BYTES), vector
    for _ in range(planes):
        for h in range(own.before):
            vector = permute(load_half(source + index_h[h] * own.source_row), by)
            store(to + h * own.row, vector)
        vector = permute(load_half(source + index_h[own.last] * own.source_row - moved), by_last)
        for h in range(own.before, own.last):
            store(to + h * own.row, vector)
        store_first(to + own.last * own.row, vector, own.row // 4)
        to += dst_m
        source += src_m


cdef void run_spilling(const Spill* spill, const Rows* rows, const int64_t* index_d,
                       const int64_t* index_h, char* to, const char* source, Py_ssize_t first,
                       Py_ssize_t last) noexcept nogil:
    """Compute the planes `first` to `last` - 1; `rows` has planes of one row."""
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t left = last - first, planes
    while left > 0:
        planes = min(left, rows.m - at.m) if rows.depth == 1 else 1
        spill_planes(spill, to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d,
                     source + at.n * rows.src_n + at.m * rows.src_m + index_d[at.d] * rows.src_d,
                     index_h, planes, rows.src_m, rows.dst_m)
        left -= planes
        at.m += planes - 1
        step(rows, &at, 1)


# --- any rows ------------------------------------------------------------------------------------

cdef void run_words(const Table* t, const Rows* rows, const int64_t* index_d,
                    const int64_t* index_h, char* to, const char* source, Py_ssize_t first,
                    Py_ssize_t last, bint apart) noexcept nogil:
    """Compute the rows `first` to `last` - 1 by words: whole planes at once where they are."""
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t left = last - first
    cdef Block block
    cdef const char* plane
    cdef char* row
    block.src_m, block.src_h = rows.src_m, rows.src_h
    block.dst_m, block.dst_h = rows.dst_m, rows.dst_h
    while left > 0:
        block.planes = 1
        block.count = min(left, rows.height - at.h)
        if rows.depth == 1 and block.count == rows.height:
            block.planes = min(left // rows.height, rows.m - at.m)
        plane = source + at.n * rows.src_n + at.m * rows.src_m + index_d[at.d] * rows.src_d
        row = to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d + at.h * rows.dst_h
        if apart or t.single:
            rows_words(t, row, plane, index_h + at.h, &block)
        elif t.pairs and at.h % 2 == 0 and block.count % 2 == 0:
            pairs_words(t, row, plane, index_h + at.h, &block)
        else:
            runs_words(t, row, plane, index_h + at.h, &block)
        left -= block.planes * block.count
        at.m += block.planes - 1
        step(rows, &at, block.count)


cdef void run_rows(const Table* t, const Rows* rows, const int64_t* index_d,
                   const int64_t* index_h, char* to, const char* source, Py_ssize_t first,
                   Py_ssize_t last, char* stage) noexcept nogil:
    """Compute the rows `first` to `last` - 1; with a stage, past the cache."""
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t left = last - first, count, j, used = 0
    cdef const char* source_row
    cdef char* row
    cdef char* block = NULL
    # Whole lines go straight from the registers; a row is made anew for each that is alike, which
    # costs less than to keep it in between.
    cdef bint direct = (t.kind == WORDS and t.row % 64 == 0
                        and (<size_t>to | strides_of_result(rows)) % 64 == 0)
    while left > 0:
        count = 1
        while (count < left and at.h + count < rows.height
               and index_h[at.h + count] == index_h[at.h]):
            count += 1
        source_row = (source + at.n * rows.src_n + at.m * rows.src_m
                      + index_d[at.d] * rows.src_d + index_h[at.h] * rows.src_h)
        row = (to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d
               + at.h * rows.dst_h)
        if stage == NULL:
            write_rows(t, row, source_row, count, rows.dst_h)
        elif direct:
            for j in range(count):
                row_past(row + j * rows.dst_h, source_row, t)
        elif t.row >= NARROW:
            stream_rows(t, row, source_row, count, rows.dst_h, stage)
        else:
            for j in range(count):
                if used > 0 and (row != block + used or used + t.row > PIECE):
                    stream(block, stage, used)
                    used = 0
                if used == 0:
                    block = row
                if j > 0 and used > 0:
                    memcpy(stage + used, stage + used - t.row, t.row)
                else:
                    build(t, stage + used, source_row, 0, t.steps)
                used += t.row
                row += rows.dst_h
        step(rows, &at, count)
        left -= count
    if used > 0:
        stream(block, stage, used)
    if stage != NULL:
        stream_end()


cdef inline Py_ssize_t stage_bytes(const Table* t) noexcept nogil:
    """Return the bytes of a stage: a piece and a step more, or one pixel; gathered rows."""
    return 2 * PIECE + 2 * max(t.stride, UPSHAPE_VECTOR_BYTES)


cdef inline void run_share(const Table* t, const Spill* spill, const Rows* rows,
                           const int64_t* index_d, const int64_t* index_h, char* to,
                           const char* source, Py_ssize_t first, Py_ssize_t last, char* memory,
                           bint streaming, bint planes, bint apart) noexcept nogil:
    """Do one thread's rows, or planes; past the cache if it has memory for a stage."""
    cdef char* here = memory
    cdef char* stage = NULL if memory == NULL else cut(&here, stage_bytes(t))
    if spill != NULL:
        run_spilling(spill, rows, index_d, index_h, to, source, first, last)
    elif planes:
        run_planes(t, rows, index_d, to, source, first, last)
    elif t.group:
        run_groups(t, rows, index_d, index_h, to, source, first, last, streaming)
    elif t.kind == WORDS and stage == NULL:
        run_words(t, rows, index_d, index_h, to, source, first, last, apart)
    else:
        run_rows(t, rows, index_d, index_h, to, source, first, last, stage)
    check_parts(memory, here)


cdef bint windows_of_units(int64_t[::1] index, Py_ssize_t units, Py_ssize_t unit, Py_ssize_t span,
                           Py_ssize_t source, int64_t* base, uint8_t* order) noexcept:
    """Do as `windows` does for units of 1 or 2 bytes: 16 bytes of a vector get four words.

    An order is that of the words, then that of the bytes within 16.
    """
    cdef Py_ssize_t vector = UPSHAPE_VECTOR_BYTES, total = index.shape[0] * units * unit
    cdef Py_ssize_t steps = (total + vector - 1) // vector, k, byte, first, low, high, at, j, start
    cdef int64_t[UPSHAPE_VECTOR_BYTES] from_
    if total < vector or source < span:
        return False
    for k in range(steps):
        first = min(k * vector, total - vector)
        low, high = source, 0
        for byte in range(vector):
            at = (first + byte) // unit
            from_[byte] = ((index[at // units] * units + at % units) * unit
                           + (first + byte) % unit)
            low = min(low, from_[byte])
            high = max(high, from_[byte] + 1)
        low = min(low, source - span)
        if high - low > span:
            return False
        base[k] = low
        for start in range(0, vector, 16):
            first = span
            for j in range(16):
                first = min(first, (from_[start + j] - low) // 4 * 4)
            for j in range(16):
                at = from_[start + j] - low - first
                if at > 15:
                    return False
                order[vector + start + j] = <uint8_t>at
                # The words behind the window's last one hold no unit that is wanted.
                order[start + j] = 0
                if j % 4 == 0:
                    order[start + j] = <uint8_t>min(first // 4 + j // 4, span // 4 - 1)
        order += 2 * vector
    return True


cdef bint find_windows(Table* t, Kind kind, int64_t[::1] index, Py_ssize_t source_width,
                       Py_ssize_t vector, Py_ssize_t unit, int index_bytes) except -1:
    """Build rows by these windows, if every vector's sources fit into one; return whether."""
    cdef Py_ssize_t steps = (t.row + vector - 1) // vector, units = t.pixel // unit, k
    cdef Py_ssize_t order = vector if t.span <= TWO else 2 * vector, span = vector
    if t.span == HALF or t.span == HALF_BYTES:
        span = vector // 2
    elif t.span == TWO:
        span = 2 * vector
    t.memory = PyMem_RawMalloc(64 + steps * (order + sizeof(int64_t)))
    if t.memory == NULL:
        raise MemoryError(f"no memory for the tables of a row of {index.shape[0]} pixels")
    t.order = <uint8_t*>t.memory + (-<size_t>t.memory) % 64  # an order lies in one line of the cache
    t.base = <int64_t*>(t.order + steps * order)
    if (windows(&index[0], index.shape[0], units, unit, vector, span, source_width * t.pixel,
                index_bytes, t.base, t.order) if t.span <= TWO else
            windows_of_units(index, units, unit, span, source_width * t.pixel, t.base, t.order)):
        t.kind = kind
        t.steps = steps
        t.stride = vector
        t.alike = memcmp(t.order, t.order + order, (steps - 1) * order) == 0
        t.advance = t.base[1] if steps > 1 else 0
        for k in range(steps - 1):
            t.alike = t.alike and t.base[k] == k * t.advance
        return True
    free_windows(t)
    return False


cdef void free_windows(Table* t) noexcept:
    PyMem_RawFree(t.memory)
    t.memory = NULL
    t.base = NULL
    t.order = NULL


@cython.final
cdef class Plan:
    """Everything about a nearest-neighbour interpolation that its arguments decide.

    roles: which axes of the arrays are n, m, d, h, w, c (-1: none); the indices of the three axes,
    int64; source_width: pixels of a source row; pixel, spacing: bytes of a pixel, and from one
    pixel of the result to the next; streaming: write past the cache.
    """
    cdef Frame frame
    cdef Table table
    cdef Table plane  # a plane's, as one row: steps are 0 where there is none
    cdef Table planes  # that of several planes without gaps, which end with a whole vector
    cdef Py_ssize_t many  # how many
    cdef Spill spill
    cdef bint streaming
    cdef object keep
    cdef int64_t* index_d
    cdef int64_t* index_h

    def __init__(self, roles, int64_t[::1] index_d not None, int64_t[::1] index_h not None,
                 int64_t[::1] index_w not None, Py_ssize_t source_width, Py_ssize_t pixel,
                 Py_ssize_t spacing, bint streaming, bint plain=False):
        cdef Table* t = &self.table
        cdef Py_ssize_t width = index_w.shape[0]
        cdef Py_ssize_t x
        cdef bint same = width == source_width
        self.frame.roles = roles_of(roles)
        self.frame.depth = index_d.shape[0]
        self.frame.height = index_h.shape[0]
        self.frame.width = width
        self.frame.source_depth = reached_by(index_d)
        self.frame.source_height = reached_by(index_h)
        self.frame.source_width = source_width
        check_table(index_w, source_width)
        self.frame.pixel = pixel
        self.frame.spacing = spacing
        self.keep = (index_d, index_h, index_w)
        self.index_d = &index_d[0]
        self.index_h = &index_h[0]
        self.streaming = streaming and spacing == pixel
        t.index = &index_w[0]
        t.pixel = pixel
        t.spacing = spacing
        t.row = width * pixel
        t.source_row = source_width * pixel
        t.group = 0
        t.steps = width
        t.stride = pixel
        for x in range(width):
            same = same and index_w[x] == x
        t.pairs = self.frame.height % 2 == 0
        t.single = True
        for x in range(1, self.frame.height):
            t.pairs = t.pairs and (index_h[x] == index_h[x - 1]) == (x % 2 == 1)
            t.single = t.single and index_h[x] != index_h[x - 1]
        if spacing != pixel:
            t.kind = PIXELS
        elif same and not plain:
            t.kind = COPY
            t.stride = PIECE
            t.steps = (t.row + PIECE - 1) // PIECE
            if t.row <= GROUPED:
                t.group = GROUP // t.row
        else:
            if pixel in (1, 2, 4, 8, 16):
                t.kind = ITEMS
            elif pixel in (3, 6, 12, 24, 48):
                t.kind = TRIPLES
            else:
                t.kind = PIXELS
            if pixel < 64 and not plain:
                if t.row <= GROUPED and t.source_row <= GROUPED:
                    self.find_rows(index_h, index_w, source_width)
                else:
                    self.find_any_windows(t, index_w, source_width)
        t.single = t.single or t.span == TWO

    cdef int find_rows(self, int64_t[::1] index_h, int64_t[::1] index_w,
                       Py_ssize_t source_width) except -1:
        """Find the way of making narrow rows."""
        cdef Table* t = &self.table
        cdef Py_ssize_t height = index_h.shape[0], alike = 0, h
        cdef Kind kind = t.kind
        for h in range(1, height):
            alike += index_h[h] == index_h[h - 1]
        # Two rows and more that are alike cost one permutation, but each ends with a vector that
        # overlaps the one before.
        if 3 * alike >= height and t.row >= UPSHAPE_VECTOR_BYTES:
            self.find_any_windows(t, index_w, source_width)
            if t.kind == WORDS and t.span != TWO:
                return 0
            free_windows(t)
            t.kind, t.steps, t.stride = kind, index_w.shape[0], t.pixel
        self.find_plane(index_h, index_w, source_width)
        self.find_spill(index_h, index_w)
        self.find_groups(index_w, source_width)
        return 0

    cdef int find_plane(self, int64_t[::1] index_h, int64_t[::1] index_w,
                        Py_ssize_t source_width) except -1:
        """Make a plane one row, if it is small and vectors of it come from one window each."""
        cdef Table* t = &self.plane
        cdef Py_ssize_t row = self.table.row * index_h.shape[0]
        cdef Py_ssize_t source = (max(index_h) + 1) * source_width
        if self.streaming or row > PLANE or index_h.shape[0] == 1:
            return 0
        plane = np.asarray(index_h)[:, None] * source_width + np.asarray(index_w)
        self.find_one_row(t, plane, 1, source)
        self.many = UPSHAPE_VECTOR_BYTES // gcd(row, UPSHAPE_VECTOR_BYTES)
        if t.base != NULL and self.many > 1 and self.many * row <= PLANE:
            self.find_one_row(&self.planes, plane, self.many, source)
        return 0

    cdef void find_spill(self, int64_t[::1] index_h, int64_t[::1] index_w) noexcept:
        """Let a vector a row make the planes, if each is a good part of one, and the source's too."""
        cdef Py_ssize_t half = UPSHAPE_VECTOR_BYTES // 2, height = index_h.shape[0], h, word, from_
        cdef Py_ssize_t row = self.table.row, source_row = self.table.source_row
        cdef Py_ssize_t pixel = self.table.pixel
        cdef int64_t last = self.frame.source_height - 1
        cdef uint8_t* order = self.spill.order
        cdef int part, j
        if (self.streaming or pixel % 4 or not half <= row < UPSHAPE_VECTOR_BYTES
                or not half <= 2 * source_row <= 2 * half or last == 0):
            return
        for h in range(1, height):
            if index_h[h] < index_h[h - 1]:
                return
        for part in range(2):
            for word in range(UPSHAPE_VECTOR_BYTES // 4):
                from_ = 4 * min(word, row // 4 - 1)
                from_ = index_w[from_ // pixel] * pixel + from_ % pixel
                from_ += (half - source_row) * part
                for j in range(4):
                    order[j] = 0 if UPSHAPE_INDEX_BYTES == 4 else <uint8_t>(from_ + j)
                if UPSHAPE_INDEX_BYTES == 4:
                    order[0] = <uint8_t>(from_ // 4)
                order += 4
        self.spill.before = 0
        while index_h[self.spill.before] < last:
            self.spill.before += 1
        self.spill.last = height - 1
        self.spill.row, self.spill.source_row = row, source_row

    cdef int find_one_row(self, Table* t, plane, Py_ssize_t many, Py_ssize_t source) except -1:
        """Make so many planes of `source` pixels one row; no steps: it has no windows."""
        cdef int64_t[::1] indices = (np.arange(many)[:, None, None] * source + plane).ravel()
        t.pixel = t.spacing = self.table.pixel
        t.row = indices.shape[0] * t.pixel
        t.source_row = source * t.pixel
        self.find_any_windows(t, indices, many * source)
        if t.base == NULL:
            t.steps = 0
        return 0

    cdef int find_groups(self, int64_t[::1] index, Py_ssize_t source_width) except -1:
        """Make groups of rows one row, of whatever kind."""
        cdef Table* t = &self.table
        cdef Py_ssize_t group = GROUP // max(t.row, t.source_row)
        cdef Py_ssize_t whole = UPSHAPE_VECTOR_BYTES // gcd(t.row, UPSHAPE_VECTOR_BYTES)
        # So many rows are whole vectors; 16 are those of words, whatever a pixel, and of 16 bytes.
        group = group // whole * whole if group >= whole else group // 16 * 16
        indices = (np.arange(group)[:, None] * source_width + np.asarray(index)).ravel()
        self.keep += (indices,)
        t.row *= group
        self.find_any_windows(t, indices, group * source_width, group < whole)
        t.row //= group
        t.group = group
        if t.base == NULL:
            index = indices
            t.index = &index[0]
        return 0

    cdef int find_any_windows(self, Table* t, int64_t[::1] index, Py_ssize_t source_width,
                              bint torn=False) except -1:
        """Make windows the way of building rows, of the kind that is found first.

        torn: the row must be whole vectors, and those of units that are no words would not be.
        """
        cdef Py_ssize_t unit = 4 if t.pixel % 4 == 0 else 2 if t.pixel % 2 == 0 else 1
        cdef Span span
        for span in ((HALF, ONE, TWO) if unit == 4 else ()):
            t.span = span
            if find_windows(t, WORDS, index, source_width, UPSHAPE_VECTOR_BYTES, 4,
                            UPSHAPE_INDEX_BYTES):
                return 0
        wide = unit < 4 and not torn and UPSHAPE_VECTOR_BYTES > 16
        for span in ((HALF_BYTES, ONE_BYTES) if wide else ()):
            t.span = span
            if find_windows(t, WORDS, index, source_width, UPSHAPE_VECTOR_BYTES, unit, 1):
                return 0
        for span in (ONE, TWO):
            t.span = span
            if find_windows(t, BYTES, index, source_width, 16, unit, 1):
                return 0
        return 0

    def __dealloc__(self):
        free_windows(&self.table)
        free_windows(&self.plane)
        free_windows(&self.planes)

    @property
    def kind(self):
        """How rows are built."""
        kind = ["copy", "words", "bytes", "items", "triples", "pixels"][<int>self.table.kind]
        if self.table.group:
            kind += " in groups"
        return kind + ", planes" if self.plane.steps else kind

    @property
    def nbytes(self):
        """Bytes that the tables take, at most."""
        cdef const Table* t = &self.table
        own = t.steps * (8 + 2 * t.stride) if t.base != NULL else 0
        own += self.plane.steps * (8 + 2 * self.plane.stride)
        own += self.planes.steps * (8 + 2 * self.planes.stride)
        return own + sum([np.asarray(index).nbytes for index in self.keep])

    def take(self, int threads):
        """Return the working memory of a run on so many threads, to be handed to it."""
        if not self.streaming or self.table.group:
            return None
        return np.empty(self.room() * max(threads, 1) + 64, np.uint8)

    cdef Py_ssize_t room(self) noexcept:
        """Return the bytes of a thread's memory, in whole lines of the cache."""
        return part_bytes(stage_bytes(&self.table))

    def run(self, cnp.ndarray source not None, cnp.ndarray result not None, int threads,
            cnp.ndarray scratch=None):
        """Fill `result` from `source`, on so many threads; scratch: from `take`, for as many.

        Return whether that was done: not if the arrays are not what the plan was made for.
        """
        cdef Rows rows
        cdef Py_ssize_t total
        cdef const char* from_ = PyArray_BYTES(<PyArrayObject*>source)  # IN
        cdef char* to = PyArray_BYTES(<PyArrayObject*>result)  # OUT
        cdef char* memory = NULL
        cdef Py_ssize_t room = self.room()
        cdef Team team
        cdef int t
        cdef const Table* table = &self.table
        cdef bint planes, apart
        cdef const Spill* spill = NULL
        if not takes(&self.frame, <PyArrayObject*>source, <PyArrayObject*>result):
            return False
        rows = rows_of(<PyArrayObject*>source, <PyArrayObject*>result, self.frame.roles)
        total = rows.n * rows.m * rows.depth * rows.height
        planes = (self.plane.steps > 0
                  and rows.src_h == table.source_row and rows.dst_h == table.row)
        if planes:
            table = &self.plane
            total //= rows.height
            rows.height = 1
            if self.spill.row > 0:
                spill = &self.spill
            elif (self.planes.steps > 0 and rows.depth == 1 and rows.m % self.many == 0
                    and rows.src_m == self.planes.source_row
                    and rows.dst_m == self.plane.row):
                table = &self.planes
                total //= self.many
                rows.m //= self.many
                rows.src_m *= self.many
                rows.dst_m *= self.many
        if total < threads:
            threads = <int>total
        if self.streaming and not self.table.group:
            if scratch is None:
                scratch = self.take(threads)
            if cnp.PyArray_NBYTES(scratch) < room * threads + 64:
                raise ValueError("the scratch was taken for another plan")
            memory = PyArray_BYTES(<PyArrayObject*>scratch)
            memory += (-<size_t>memory) % 64
        form_team(&team, threads)
        apart = table.row >= APART and total // team.threads * table.row >= APART_SHARE
        with nogil:
            if team.threads == 1:
                run_share(table, spill, &rows, self.index_d, self.index_h, to, from_, 0, total,
                          memory, self.streaming, planes, apart)
            else:
                team_begins(&team)
                for t in prange(threads, num_threads=team.threads, schedule="static"):
                    share_begins(&team, t)
                    run_share(table, spill, &rows, self.index_d, self.index_h, to, from_,
                              total * t // threads, total * (t + 1) // threads,
                              NULL if memory == NULL else memory + t * room, self.streaming,
                              planes, apart)
                    share_ends(&team, t)
                team_ends(&team)
        dismiss_team(&team)
        return True
