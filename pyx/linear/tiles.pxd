"""A tile of some rows: made by its kind, straight to the result or past the cache."""

from libc.stdint cimport uint8_t

from blend cimport blend
from dtypes cimport pixel_t, work_t
from near_tie cimport settle
from pixels cimport elements, pixels, spread_copy
from rows cimport Place, Rows, place_of, step
from sums cimport sums_rows
from table cimport (
    CHANNELS,
    CHANNEL_SUMS,
    ELEMENTS,
    SUMS,
    WINDOWS,
    Axis,
    Doubt,
    Planes,
    Table,
    Taps,
    planes_of,
    taps_of,
)
from vector cimport UPSHAPE_VECTOR_BYTES, stream
from windows cimport windows

# Rows of fewer bytes are gathered before they are streamed, so that few lines are torn.
cdef enum:
    NARROW = 2048

# Rows so far apart, or a multiple of it, share the same places in the caches and in what merges
# stores: streamed side by side they get in each other's way (a quarter of the speed, on Zen 3).
# Vectors that are whole lines have nothing to merge.
cdef enum:
    PAGE = 4096

# Bytes gathered before they are streamed.
cdef enum:
    GATHERED = 8192


# Results of so many bytes with many channels, whose rows do not begin with a vector, are written
# row by row: two rows side by side then take 1.2 times as long (Granite Rapids, v4, from 3 MiB on;
# 2 MiB are its second cache).
cdef enum:
    PAIRED = 2 << 20


cdef inline bint side_by_side(const Table* t, const Rows* rows, pixel_t* to) noexcept nogil:
    """Return whether two rows at once are the faster way."""
    cdef Py_ssize_t bytes = t.width * t.channels * <Py_ssize_t>sizeof(pixel_t)
    return (rows.n * rows.m * rows.depth * rows.height * bytes < PAIRED
            or (<size_t>to | <size_t>rows.dst_h) % UPSHAPE_VECTOR_BYTES == 0)


cdef inline void stored_line(pixel_t* to, const Taps* taps, const Table* t, Py_ssize_t tile,
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


cdef inline void make_tile(pixel_t* to, pixel_t* next_to, const Taps* taps, const Taps* next_,
                           const Table* t, Py_ssize_t tile, work_t* line, Doubt* doubt,
                           bint past) noexcept nogil:
    """Write one tile of a row to `to`; of the next row to `next_to`, if that is not NULL."""
    cdef Py_ssize_t first = t.tile[3 * tile], last = t.tile[3 * tile + 3]
    cdef Doubt* next_doubt = doubt + t.doubts
    cdef Py_ssize_t[2] doubts = [0, 0]
    if t.kind == WINDOWS:
        if pixel_t is not uint8_t:
            windows(to, next_to, taps, next_, t, first, last, past, <work_t>0)
    elif t.kind == SUMS or t.kind == CHANNEL_SUMS:
        sums_rows(<uint8_t*>to, <uint8_t*>next_to, taps, next_, t, first, last)
    elif t.kind == CHANNELS:
        pixels(to, next_to, taps, next_, t, first, last, doubt, doubts, past, <work_t>0)
    elif t.kind == ELEMENTS:
        doubts[0] = elements(to, taps, t, first, last, doubt, <work_t>0)
        if next_to != NULL:
            doubts[1] = elements(next_to, next_, t, first, last, next_doubt, <work_t>0)
    else:
        stored_line(to, taps, t, tile, line, doubt)
        if next_to != NULL:
            stored_line(next_to, next_, t, tile, line, doubt)
    if pixel_t is uint8_t:
        if doubts[0] > 0:
            settle(to, taps, t, first, doubt, doubts[0])
        if doubts[1] > 0:
            settle(next_to, next_, t, first, next_doubt, doubts[1])


cdef inline void run_tile(const Table* t, const Rows* rows, const Axis* d, const Axis* h,
                          pixel_t* to, const char* source, Py_ssize_t first, Py_ssize_t last,
                          Py_ssize_t tile, work_t* line, char* stage) noexcept nogil:
    """Compute one tile of the rows `first` to `last` - 1; with a stage, past the cache."""
    cdef Place at = place_of(rows, first)
    cdef Py_ssize_t per_step = t.lanes if t.kind == WINDOWS or t.kind == SUMS else t.spacing
    cdef Py_ssize_t start = t.tile[3 * tile] * per_step * <Py_ssize_t>sizeof(pixel_t)
    cdef Py_ssize_t whole = t.width * t.spacing * <Py_ssize_t>sizeof(pixel_t)
    cdef Py_ssize_t bytes = min(t.tile[3 * tile + 3] * per_step * <Py_ssize_t>sizeof(pixel_t),
                                whole) - start
    cdef Doubt* doubt = <Doubt*>(<char*>line + t.doubts_at)
    cdef Py_ssize_t used = 0, room
    cdef bint narrow = bytes < NARROW, pair
    cdef bint pairs = t.kind != CHANNELS or stage != NULL or side_by_side(t, rows, to)
    # Whole lines, straight from the registers: the stores drain while the next are computed.
    cdef bint direct = bytes % 64 == 0 and (t.kind == WINDOWS or t.kind == CHANNELS)
    cdef char* row
    cdef char* next_row
    cdef char* block = NULL
    cdef Planes planes
    cdef Taps taps, next_
    while first < last:
        row = (<char*>to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d
               + at.h * rows.dst_h + start)
        planes = planes_of(source + at.n * rows.src_n + at.m * rows.src_m, d, rows, at.d,
                           d.t != NULL)
        taps_of(&taps, &planes, h, rows.src_h, at.h, d.t != NULL, h.t != NULL)
        pair = (pairs and taps.count == 2 and first + 1 < last and at.h + 1 < rows.height
                and h.t != NULL and h.low[at.h + 1] == h.low[at.h])
        if pair:
            taps_of(&next_, &planes, h, rows.src_h, at.h + 1, False, True)
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
