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

A file each, in the order of reading:

    table.pxd     what the loops are handed; what a row is blended from
    dtypes.pxd    one body for all dtypes
    blend.pxd     source rows to a line
    lines.pxd     a line to vectors of the result
    windows.pxd   both in registers; small maps
    sums.pxd      uint8 in 16 bits
    pixels.pxd    vectors of channels, single elements
    near_tie.pxd  uint8's means that float32 cannot round
    tiles.pxd     a tile of some rows: which of these, and past the cache or not

Hot row functions, for who reads the machine code: blend_rows and spread_line (lines), window_rows
and window_row, few_vectors (small maps), sums_rows and sums_pixels (uint8), pixels_two_taps,
pixels_twice (many channels), elements_two_taps.
"""

cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cython.parallel cimport prange
from libc.math cimport fabs, floor
from libc.stdint cimport int64_t, uint16_t, uint8_t
from libc.string cimport memcmp, memset

from dtypes cimport pixel_t, work_t
from lines cimport run_lines
from pixels cimport element
from rows cimport (
    Frame,
    PyArrayObject,
    PyArray_BYTES,
    Rows,
    check_table,
    gcd,
    roles_of,
    rows_of,
    strides_of,
    takes,
)
from table cimport (
    APART,
    CHANNELS,
    CHANNEL_SUMS,
    COPY,
    ELEMENTS,
    FAR,
    LINES,
    MOST_LANES,
    NEAR,
    SAME,
    SUMS,
    WIDE,
    WIDER_APART,
    WIDE_APART,
    WINDOWS,
    Axis,
    Doubt,
    Table,
)
from tiles cimport GATHERED, run_tile
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
    UPSHAPE_HAS_MASKS,
    UPSHAPE_INDEX_BYTES,
    UPSHAPE_SUMS,
    UPSHAPE_SUM_WINDOWS,
    UPSHAPE_VECTOR_BYTES,
    divide_by,
    stream_end,
)
from windows cimport run_windows

import numpy as np

cnp.import_array()

# Elements of a tile, of source or result, whichever is more: its tables and what is read and
# written stay in the first cache while the rows of a block are made.
cdef enum:
    TILE = 768
    LINE_TILE = 1536  # to begin a line costs more: 0.8 to 0.9 of the time with 768

# Rows of a block, where a row has several tiles.
cdef enum:
    BLOCK = 16

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

# A row shrunk to less than this part of it is made element by element: most of a line would go to
# waste.
cdef enum:
    MOST_SHRUNK = 8

# Bytes of scratch that stand on the stack.
cdef enum:
    SMALL = 16384

# Distances this close to a fraction stand for it: float64's positions are, along some thousand
# pixels, and means by the fractions differ from means by the distances by less than TIE.
cdef double WHOLE = 1e-12


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
