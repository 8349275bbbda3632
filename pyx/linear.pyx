"""Linear, bilinear and trilinear interpolation: weighted means of 2, 4 or 8 neighbours.

    result[.., d, h, x] = sum over a, b, c in {0, 1} of
        weight_d[a] weight_h[b] weight_w[c] source[.., low_d + a, low_h + b, low_w + c]

with low_d, low_h, low_w and the weights (1 - t, t) from the tables of d, h and x; no convention is
known here. A row of the result is made in two steps, tile by tile:

    blend    line[j] = sum over a, b of weight_d[a] weight_h[b] source[.., low_d + a, low_h + b, j]
    spread   result[x] = weight_w[0] line[low_w] + weight_w[1] line[low_w + 1]

The line has the source's width, so that blending costs little, and is float32 (float64 for float64)
whatever the dtype of the arrays: conversions happen at its two ends. Rows are written one after
another from front to back, which is what memory likes best. A line ends with a copy of its last
pixel, so that low + 1 is always there. Spreading goes by whole vectors, each a permutation of two
windows of the line one pixel apart, where the plan found that the sources of every vector lie that
close (any enlargement), else element by element.

uint8: the mean is rounded to the nearest integer, ties to even. float32 decides, except within
BAND of a tie, where the mean is formed again in float64; weights whose products float32 holds
exactly need no second look.

The caller has checked: indices in range, pixels and the source's rows without gaps, elements
aligned, source and result disjoint. No allocation in a row loop, no Python object.

Hot row functions, for who reads the machine code: blend_two, blend_four, spread_windows,
spread_elements, spread_pixels.
"""

cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cython.parallel cimport prange
from libc.math cimport fabs, floor
from libc.stdint cimport int64_t, uint8_t, uint16_t
from libc.string cimport memcpy

from rows cimport PyArray_BYTES, PyArrayObject, Place, Roles, Rows, place_of, rows_of, step, strides_of, windows
from vector cimport (
    UPSHAPE_INDEX_BYTES,
    UPSHAPE_VECTOR_BYTES,
    add_doubles,
    add_floats,
    float_to_half,
    half_to_float,
    load,
    mix_doubles,
    mix_floats,
    narrow_byte,
    narrow_half,
    near_half,
    permute,
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
    WINDOWS  # by whole vectors
    ELEMENTS  # element by element
    PIXELS  # many channels, or gaps between the result's pixels: loops over channels

# Elements of a tile, of line or result, whichever is more: both stay in the first cache.
cdef enum:
    TILE = 2048

# Rows of fewer bytes are gathered before they are streamed, so that few lines are torn.
cdef enum:
    NARROW = 2048

# Pixels of this many channels are interpolated one by one, whole vectors of channels at a time.
cdef enum:
    MANY_CHANNELS = 16

# A bound on float32's error in a mean of uint8: 255 (values) x 2^-24 x 10 roundings is 1.5e-4.
cdef float BAND = 2e-4

# Means closer than this to a half are ties: float64's error is far below, the distance between
# different means of pictures that fit into memory above.
cdef double TIE = 1e-10

# Which elements of the result a step stands for, how the line is spread.
cdef struct Table:
    Kind kind
    bint exact  # float32 holds every mean of uint8 exactly
    Py_ssize_t channels, spacing  # elements of a pixel, from one to the next in the result
    Py_ssize_t width, source_width  # pixels
    Py_ssize_t lanes  # elements of a vector of the line
    Py_ssize_t tiles
    Py_ssize_t room  # elements of the longest line, with what is read beyond it
    Py_ssize_t* tile  # for each tile: its first step, the first and the last + 1 pixel of the line
    int64_t* low
    double* t
    int64_t* base
    uint8_t* order
    char* u  # weights of the lower and of the upper pixel, in the order of the vectors' lanes
    char* v

# The lower neighbours along d or h and the distances from them; t NULL: an axis that is copied.
cdef struct Axis:
    const int64_t* low
    const double* t
    Py_ssize_t last

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


cdef inline words add(words a, words b, work_t like) noexcept nogil:
    if work_t is double:
        return add_doubles(a, b)
    else:
        return add_floats(a, b)


# --- blend: from two or four source rows to a line ------------------------------------------------

cdef void blend_one(work_t* line, const pixel_t* a, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t j, k
    for k in range(count // lanes):
        j = k * lanes
        store(line + j, widen(a + j))
    for j in range(count - count % lanes, count):
        line[j] = widened(a + j, <work_t>0)


cdef void blend_two(work_t* line, const pixel_t* a, const pixel_t* b, const double* weight,
                    Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef work_t u = <work_t>weight[0], v = <work_t>weight[1]
    cdef words us = splat(u), vs = splat(v)
    cdef Py_ssize_t j, k
    for k in range(count // lanes):
        j = k * lanes
        store(line + j, mix(widen(a + j), widen(b + j), us, vs, u))
    for j in range(count - count % lanes, count):
        line[j] = widened(a + j, u) * u + widened(b + j, u) * v


cdef void blend_four(work_t* line, const pixel_t* a, const pixel_t* b, const pixel_t* c,
                     const pixel_t* d, const double* weight, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef work_t u = <work_t>weight[0], v = <work_t>weight[1]
    cdef work_t w = <work_t>weight[2], z = <work_t>weight[3]
    cdef words us = splat(u), vs = splat(v), ws = splat(w), zs = splat(z)
    cdef Py_ssize_t j, k
    for k in range(count // lanes):
        j = k * lanes
        store(line + j, add(mix(widen(a + j), widen(b + j), us, vs, u),
                            mix(widen(c + j), widen(d + j), ws, zs, u), u))
    for j in range(count - count % lanes, count):
        line[j] = ((widened(a + j, u) * u + widened(b + j, u) * v)
                   + (widened(c + j, u) * w + widened(d + j, u) * z))


cdef inline void blend(work_t* line, const Taps* taps, Py_ssize_t skip, Py_ssize_t count,
                       pixel_t like) noexcept nogil:
    """Fill the line from element `skip` of the source rows on."""
    cdef const pixel_t* a = <const pixel_t*>taps.row[0] + skip
    if taps.count == 1:
        blend_one(line, a, count)
    elif taps.count == 2:
        blend_two(line, a, <const pixel_t*>taps.row[1] + skip, taps.weight, count)
    else:
        blend_four(line, a, <const pixel_t*>taps.row[1] + skip,
                   <const pixel_t*>taps.row[2] + skip, <const pixel_t*>taps.row[3] + skip,
                   taps.weight, count)


# --- spread: from a line to a row of the result ---------------------------------------------------

# Each returns how many steps are in doubt (uint8 near a tie) and lists them.

cdef Py_ssize_t spread_windows(pixel_t* to, const char* line, const Table* t, Py_ssize_t first,
                               Py_ssize_t last, Py_ssize_t* doubt, work_t like) noexcept nogil:
    """Steps are vectors. `line` is where the whole row's line would begin."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t apart = t.channels * sizeof(work_t)
    cdef Py_ssize_t total = t.width * t.channels
    cdef bint look = pixel_t is uint8_t and not t.exact
    cdef Py_ssize_t doubts = 0
    cdef Py_ssize_t k, at
    cdef const char* window
    cdef words order, value
    for k in range(first, last):
        window = line + t.base[k]
        order = load(t.order + k * UPSHAPE_VECTOR_BYTES)
        value = mix(permute(load(window), order), permute(load(window + apart), order),
                    load(t.u + k * UPSHAPE_VECTOR_BYTES), load(t.v + k * UPSHAPE_VECTOR_BYTES),
                    like)
        at = min(k * lanes, total - lanes) - first * lanes
        narrow(to + at, value)
        if pixel_t is uint8_t:
            if look and near_half(value, BAND):
                doubt[doubts] = k
                doubts += 1
    return doubts


cdef inline bint doubtful(work_t value) noexcept nogil:
    return fabs(fabs(value - floor(value)) - 0.5) < BAND


cdef Py_ssize_t spread_elements(pixel_t* to, const char* line, const Table* t, Py_ssize_t first,
                                Py_ssize_t last, Py_ssize_t* doubt, work_t like) noexcept nogil:
    """Steps are pixels of few channels."""
    cdef Py_ssize_t channels = t.channels
    cdef bint look = pixel_t is uint8_t and not t.exact
    cdef Py_ssize_t doubts = 0
    cdef Py_ssize_t x, c
    cdef const work_t* low
    cdef work_t value
    cdef const work_t* u = <const work_t*>t.u
    cdef const work_t* v = <const work_t*>t.v
    cdef bint unsure
    for x in range(first, last):
        low = <const work_t*>line + t.low[x] * channels
        unsure = False
        for c in range(channels):
            value = low[c] * u[x] + low[c + channels] * v[x]
            to[c] = narrowed(value, <pixel_t>0)
            if pixel_t is uint8_t:
                unsure = unsure or (look and doubtful(value))
        to += channels
        if pixel_t is uint8_t:
            if unsure:
                doubt[doubts] = x
                doubts += 1
    return doubts


cdef Py_ssize_t spread_pixels(pixel_t* to, const char* line, const Table* t, Py_ssize_t first,
                              Py_ssize_t last, Py_ssize_t* doubt, work_t like) noexcept nogil:
    """Steps are pixels of many channels, `spacing` elements apart."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t channels = t.channels
    cdef bint look = pixel_t is uint8_t and not t.exact
    cdef Py_ssize_t doubts = 0
    cdef Py_ssize_t x, c, k
    cdef const work_t* low
    cdef const work_t* high
    cdef work_t u, v, value
    cdef words us, vs, values
    cdef bint unsure
    for x in range(first, last):
        low = <const work_t*>line + t.low[x] * channels
        high = low + channels
        u = (<const work_t*>t.u)[x]
        v = (<const work_t*>t.v)[x]
        us = splat(u)
        vs = splat(v)
        unsure = False
        for k in range(channels // lanes):
            c = k * lanes
            values = mix(load(low + c), load(high + c), us, vs, u)
            narrow(to + c, values)
            if pixel_t is uint8_t:
                unsure = unsure or (look and near_half(values, BAND))
        for c in range(channels - channels % lanes, channels):
            value = low[c] * u + high[c] * v
            to[c] = narrowed(value, <pixel_t>0)
            if pixel_t is uint8_t:
                unsure = unsure or (look and doubtful(value))
        to += t.spacing
        if pixel_t is uint8_t:
            if unsure:
                doubt[doubts] = x
                doubts += 1
    return doubts


cdef Py_ssize_t spread_copy(pixel_t* to, const char* line, const Table* t, Py_ssize_t first,
                            Py_ssize_t last, Py_ssize_t* doubt, work_t like) noexcept nogil:
    """Steps are pixels."""
    cdef Py_ssize_t channels = t.channels
    cdef bint look = pixel_t is uint8_t and not t.exact
    cdef Py_ssize_t doubts = 0
    cdef Py_ssize_t x, c
    cdef work_t value
    cdef const work_t* low = <const work_t*>line + first * channels
    cdef bint unsure
    for x in range(first, last):
        unsure = False
        for c in range(channels):
            value = low[c]
            to[c] = narrowed(value, <pixel_t>0)
            if pixel_t is uint8_t:
                unsure = unsure or (look and doubtful(value))
        low += channels
        to += t.spacing
        if pixel_t is uint8_t:
            if unsure:
                doubt[doubts] = x
                doubts += 1
    return doubts


# --- uint8 near a tie -----------------------------------------------------------------------------

cdef uint8_t settled(const Taps* taps, const Table* t, Py_ssize_t x, Py_ssize_t c) noexcept nogil:
    """Form one mean in float64, and round it to the nearest integer, ties to even."""
    cdef Py_ssize_t low = x, high = x
    cdef double along = 0.0, value = 0.0, below, off
    cdef const uint8_t* row
    cdef int a
    if t.kind != COPY:
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
                 const Py_ssize_t* doubt, Py_ssize_t doubts) noexcept nogil:
    """Form the steps in doubt again. `to` is where the step `first` was written."""
    cdef Py_ssize_t total = t.width * t.channels
    cdef Py_ssize_t j, e, x, c, start
    for j in range(doubts):
        if t.kind == WINDOWS:
            start = min(doubt[j] * t.lanes, total - t.lanes)
            for e in range(start, start + t.lanes):
                to[e - first * t.lanes] = settled(taps, t, e // t.channels, e % t.channels)
        else:
            x = doubt[j]
            for c in range(t.channels):
                to[(x - first) * t.spacing + c] = settled(taps, t, x, c)


# --- rows -----------------------------------------------------------------------------------------

cdef inline void make_tile(pixel_t* to, const Taps* taps, const Table* t, Py_ssize_t tile,
                           work_t* line, Py_ssize_t* doubt) noexcept nogil:
    """Write one tile of a row to `to`."""
    cdef Py_ssize_t first = t.tile[3 * tile], last = t.tile[3 * tile + 3]
    cdef Py_ssize_t low = t.tile[3 * tile + 1], high = t.tile[3 * tile + 2]
    cdef Py_ssize_t channels = t.channels, count = (high - low) * channels
    cdef Py_ssize_t doubts, c
    cdef const char* origin
    if t.kind == COPY and t.spacing == channels:
        if (pixel_t is float and work_t is float) or (pixel_t is double and work_t is double):
            blend(<work_t*>to, taps, low * channels, count, <pixel_t>0)
            return
    blend(line, taps, low * channels, count, <pixel_t>0)
    if high == t.source_width:
        for c in range(channels):
            line[count + c] = line[count - channels + c]
    origin = <const char*>(line - low * channels)
    if t.kind == WINDOWS:
        doubts = spread_windows(to, origin, t, first, last, doubt, <work_t>0)
    elif t.kind == ELEMENTS:
        doubts = spread_elements(to, origin, t, first, last, doubt, <work_t>0)
    elif t.kind == PIXELS:
        doubts = spread_pixels(to, origin, t, first, last, doubt, <work_t>0)
    else:
        doubts = spread_copy(to, origin, t, first, last, doubt, <work_t>0)
    if pixel_t is uint8_t:
        if doubts > 0:
            settle(to, taps, t, first, doubt, doubts)


cdef inline int taps_of(Taps* taps, const char* plane, const Axis* d, const Axis* h,
                        const Rows* rows, const Place* at) noexcept nogil:
    """Note the source rows that a row is blended from, and their weights."""
    cdef const char* low
    cdef Py_ssize_t apart_d = 0, apart_h = 0
    cdef double t_d = 0.0, t_h = 0.0
    low = plane + d.low[at.d] * rows.src_d + h.low[at.h] * rows.src_h
    if d.t != NULL:
        t_d = d.t[at.d]
        apart_d = rows.src_d if d.low[at.d] < d.last else 0
    if h.t != NULL:
        t_h = h.t[at.h]
        apart_h = rows.src_h if h.low[at.h] < h.last else 0
    taps.count = 1
    taps.row[0] = low
    taps.weight[0] = 1.0
    if h.t != NULL:
        taps.row[taps.count] = low + apart_h
        taps.weight[0] = 1.0 - t_h
        taps.weight[1] = t_h
        taps.count = 2
    if d.t != NULL:
        if h.t != NULL:
            taps.row[2] = low + apart_d
            taps.row[3] = low + apart_d + apart_h
            taps.weight[0] = (1.0 - t_d) * (1.0 - t_h)
            taps.weight[1] = (1.0 - t_d) * t_h
            taps.weight[2] = t_d * (1.0 - t_h)
            taps.weight[3] = t_d * t_h
            taps.count = 4
        else:
            taps.row[1] = low + apart_d
            taps.weight[0] = 1.0 - t_d
            taps.weight[1] = t_d
            taps.count = 2
    return 0


cdef void run_rows(const Table* t, const Rows* rows, const Axis* d, const Axis* h, pixel_t* to,
                   const char* source, Py_ssize_t first, Py_ssize_t last, char* scratch,
                   char* stage, work_t like) noexcept nogil:
    """Compute the rows `first` to `last` - 1; with a stage, past the cache."""
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t element = sizeof(pixel_t)
    cdef Py_ssize_t bytes = t.width * t.channels * element
    cdef Py_ssize_t per_step = t.lanes if t.kind == WINDOWS else t.spacing
    cdef work_t* line = <work_t*>scratch
    cdef Py_ssize_t* doubt = <Py_ssize_t*>(line + t.room)
    cdef Py_ssize_t used = 0, r, tile, start, end
    cdef char* row
    cdef char* block = NULL
    cdef Taps taps
    for r in range(first, last):
        row = (<char*>to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d
               + at.h * rows.dst_h)
        taps_of(&taps, source + at.n * rows.src_n + at.m * rows.src_m, d, h, rows, &at)
        if stage == NULL:
            for tile in range(t.tiles):
                make_tile(<pixel_t*>row + t.tile[3 * tile] * per_step, &taps, t, tile, line, doubt)
        elif bytes >= NARROW:
            for tile in range(t.tiles):
                start = t.tile[3 * tile] * per_step * element
                end = min(t.tile[3 * tile + 3] * per_step * element, bytes)
                make_tile(<pixel_t*>stage, &taps, t, tile, line, doubt)
                stream(row + start, stage, end - start)
        else:
            if used > 0 and (row != block + used or used + bytes > 4 * NARROW):
                stream(block, stage, used)
                used = 0
            if used == 0:
                block = row
            for tile in range(t.tiles):
                make_tile(<pixel_t*>(stage + used) + t.tile[3 * tile] * per_step, &taps, t, tile,
                          line, doubt)
            used += bytes
        step(rows, &at, 1)
    if used > 0:
        stream(block, stage, used)
    if stage != NULL:
        stream_end()


cdef inline void run_share(int element, const Table* t, const Rows* rows, const Axis* d,
                           const Axis* h, char* to, const char* source, Py_ssize_t first,
                           Py_ssize_t last, char* scratch, char* stage) noexcept nogil:
    """Choose the body for this dtype, by the bytes of an element."""
    if element == 4:
        run_rows(t, rows, d, h, <float*>to, source, first, last, scratch, stage, <float>0)
    elif element == 8:
        run_rows(t, rows, d, h, <double*>to, source, first, last, scratch, stage, <double>0)
    elif element == 1:
        run_rows(t, rows, d, h, <uint8_t*>to, source, first, last, scratch, stage, <float>0)
    else:
        run_rows(t, rows, d, h, <uint16_t*>to, source, first, last, scratch, stage, <float>0)


@cython.final
cdef class Plan:
    """Everything about a linear interpolation that its arguments decide.

    roles: which axes of the arrays are n, m, d, h (-1: none); axes: for d, h and w the lower
    neighbours (int64), the distances from them (float64, None: an axis that is copied) and the
    source's size; element: bytes of an element, which say the dtype; channels, spacing: elements of
    a pixel, and from one pixel of the result to the next; exact: float32 holds every mean of uint8;
    streaming: write past the cache; plain: no windows.
    """
    cdef Roles roles
    cdef Table table
    cdef Axis d
    cdef Axis h
    cdef int element
    cdef bint streaming
    cdef object keep
    cdef Py_ssize_t scratch, stage

    def __init__(self, roles, axes, int element, Py_ssize_t channels, Py_ssize_t spacing,
                 bint exact, bint streaming, bint plain=False):
        cdef Table* t = &self.table
        cdef int64_t[::1] low
        cdef double[::1] distance
        cdef Py_ssize_t steps, k, lane, e, x, total
        cdef Py_ssize_t work = 8 if element == 8 else 4
        self.roles.n, self.roles.m, self.roles.d, self.roles.h = roles
        self.keep = axes
        self.element = element
        self.streaming = streaming and spacing == channels
        self.set_axis(&self.d, axes[0])
        self.set_axis(&self.h, axes[1])
        low, distance, t.source_width = axes[2]
        t.low = &low[0]
        t.t = NULL if distance is None else &distance[0]
        t.width = low.shape[0]
        t.channels = channels
        t.spacing = spacing
        t.exact = exact
        t.lanes = UPSHAPE_VECTOR_BYTES // work
        total = t.width * channels
        steps = t.width
        if t.t == NULL:
            t.kind = COPY
        else:
            t.kind = ELEMENTS
            if spacing != channels or channels >= MANY_CHANNELS:
                t.kind = PIXELS
            elif not plain and total >= t.lanes:
                steps = (total + t.lanes - 1) // t.lanes
                t.base = <int64_t*>self.allocate(steps * sizeof(int64_t))
                t.order = <uint8_t*>self.allocate(steps * UPSHAPE_VECTOR_BYTES)
                # The line goes on past its end by a pixel and a vector.
                if windows(t.low, t.width, channels, work, UPSHAPE_VECTOR_BYTES,
                           t.source_width * channels * work + UPSHAPE_VECTOR_BYTES,
                           UPSHAPE_INDEX_BYTES, t.base, t.order):
                    t.kind = WINDOWS
                else:
                    steps = t.width
                    if channels >= t.lanes:
                        t.kind = PIXELS
            t.u = <char*>self.allocate(max(steps * t.lanes, t.width) * work)
            t.v = <char*>self.allocate(max(steps * t.lanes, t.width) * work)
            if t.kind == WINDOWS:
                for k in range(steps):
                    e = min(k * t.lanes, total - t.lanes)
                    for lane in range(t.lanes):
                        self.set_weight(k * t.lanes + lane, t.t[(e + lane) // channels])
            else:
                for x in range(t.width):
                    self.set_weight(x, t.t[x])
        self.cut_tiles(steps)

    cdef int set_axis(self, Axis* axis, tuple given) except -1:
        cdef int64_t[::1] low = given[0]
        cdef double[::1] distance = given[1]
        axis.low = &low[0]
        axis.t = NULL if distance is None else &distance[0]
        axis.last = given[2] - 1
        return 0

    cdef void* allocate(self, Py_ssize_t bytes) except NULL:
        cdef void* memory = PyMem_RawMalloc(bytes)
        if memory == NULL:
            raise MemoryError(f"no memory for the tables of a row of {self.table.width} pixels")
        return memory

    cdef void set_weight(self, Py_ssize_t at, double distance) noexcept:
        if self.element == 8:
            (<double*>self.table.u)[at] = 1.0 - distance
            (<double*>self.table.v)[at] = distance
        else:
            (<float*>self.table.u)[at] = <float>(1.0 - distance)
            (<float*>self.table.v)[at] = <float>distance

    cdef int cut_tiles(self, Py_ssize_t steps) except -1:
        """Cut a row into tiles, and find what each needs of the line."""
        cdef Table* t = &self.table
        cdef Py_ssize_t per_step = t.lanes if t.kind == WINDOWS else t.channels
        cdef Py_ssize_t total = t.width * t.channels
        cdef Py_ssize_t each, first, last, start, end, low, high, j
        each = TILE * min(t.width, t.source_width) // t.source_width // per_step
        each = max(1, each)
        t.tiles = (steps + each - 1) // each
        t.tile = <Py_ssize_t*>self.allocate((3 * t.tiles + 1) * sizeof(Py_ssize_t))
        t.room = 0
        for j in range(t.tiles):
            first = j * each
            last = min(first + each, steps)
            start = min(first * per_step, total - per_step) // t.channels
            end = (min(last * per_step, total) - 1) // t.channels
            if t.kind == COPY:
                low = start
                high = end + 1
            else:
                low = t.low[start]
                high = min(t.low[end] + 2, t.source_width)
            t.tile[3 * j] = first
            t.tile[3 * j + 1] = low
            t.tile[3 * j + 2] = high
            t.room = max(t.room, (high - low) * t.channels)
        t.tile[3 * t.tiles] = steps
        t.room += t.channels + 2 * t.lanes
        t.room += t.room % 2  # what follows it holds Py_ssize_t
        self.scratch = t.room * (8 if self.element == 8 else 4) + (each + 1) * sizeof(Py_ssize_t)
        self.scratch = (self.scratch + 63) // 64 * 64
        self.stage = max((each + 1) * per_step * self.element, 4 * NARROW) + UPSHAPE_VECTOR_BYTES
        self.stage = (self.stage + 63) // 64 * 64
        return 0

    def __dealloc__(self):
        PyMem_RawFree(self.table.base)
        PyMem_RawFree(self.table.order)
        PyMem_RawFree(self.table.u)
        PyMem_RawFree(self.table.v)
        PyMem_RawFree(self.table.tile)

    @property
    def kind(self):
        """How rows are spread."""
        return ["copy", "windows", "elements", "pixels"][<int>self.table.kind]

    def run(self, cnp.ndarray source not None, cnp.ndarray result not None, int threads):
        """Fill `result` from `source`, on so many threads.

        Return whether that was done: not if elements are not aligned.
        """
        cdef Rows rows = rows_of(<PyArrayObject*>source, <PyArrayObject*>result, self.roles)
        cdef Py_ssize_t total = rows.n * rows.m * rows.depth * rows.height
        cdef const char* from_ = PyArray_BYTES(<PyArrayObject*>source)
        cdef char* to = PyArray_BYTES(<PyArrayObject*>result)
        cdef Py_ssize_t room = self.scratch + (self.stage if self.streaming else 0)
        cdef char* memory
        cdef int t
        if (<size_t>from_ | <size_t>to | strides_of(&rows)) % <size_t>self.element != 0:
            return False
        if total < threads:
            threads = <int>total
        threads = max(threads, 1)
        memory = <char*>PyMem_RawMalloc(room * threads)
        if memory == NULL:
            raise MemoryError(f"no memory for a line of {self.table.room} elements a thread")
        with nogil:
            if threads <= 1:
                run_share(self.element, &self.table, &rows, &self.d, &self.h, to, from_, 0, total,
                          memory, memory + self.scratch if self.streaming else NULL)
            else:
                for t in prange(threads, num_threads=threads, schedule="static", chunksize=1):
                    run_share(self.element, &self.table, &rows, &self.d, &self.h, to, from_,
                              total * t // threads, total * (t + 1) // threads,
                              memory + t * room,
                              memory + t * room + self.scratch if self.streaming else NULL)
        PyMem_RawFree(memory)
        return True
