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
lie between the same source rows. Rows of a few vectors are made column by column: what spreads a
vector, and often its rows' weights, stay in registers over all rows of a plane. Pixels of many
channels need no permutation; single elements are the last resort (strong shrinking, a result with
gaps).

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
    find.pxd      the tables of a row: which windows, how permuted, by which weights

Which way a row is made, and how it is cut into tiles, is decided in upshape/spreading.py.

How many source rows there are, and whether two rows of the result are made at once, is an argument
that the compiler knows (count, twice): each loop stands here once.

Hot loops, for who reads the machine code: blend_row and spread_line (lines), window_rows,
few_vectors (small maps), sums_vectors and sums_pixels (uint8 in 16 bits), pixels_rows (many
channels), elements_row.
"""

cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cython.parallel cimport prange
from libc.stdint cimport int64_t, uint16_t, uint8_t

from check cimport check_parts, cut, part_bytes
from dtypes cimport pixel_t, work_t
from find cimport (
    denominator,
    fill_parts,
    fill_sums,
    fill_vectors,
    find_pairs,
    find_sum_windows,
    reach_of,
    set_number,
    set_weights,
    sum_vectors_of,
    vectors_of,
)
from lines cimport run_lines
from rows cimport (
    Frame,
    PyArrayObject,
    PyArray_BYTES,
    Rows,
    check_table,
    roles_of,
    rows_of,
    strides_of,
    takes,
)
from table cimport (
    APART,
    CHANNELS,
    CHANNEL_SUMS,
    ELEMENTS,
    FAR,
    LINES,
    NEAR,
    SAME,
    SUMS,
    WINDOWS,
    Axis,
    Doubt,
    Kind,
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
    UPSHAPE_SUMS,
    UPSHAPE_SUM_WINDOWS,
    UPSHAPE_VECTOR_BYTES,
    divide_by,
    stream_end,
)
from windows cimport run_windows

import numpy as np

cnp.import_array()

# Rows of a block, where a row has several tiles.
cdef enum:
    BLOCK = 16

# Bytes of scratch that stand on the stack.
cdef enum:
    SMALL = 16384


cdef void run_rows(const Table* t, const Rows* rows, const Axis* d, const Axis* h, pixel_t* to,
                   const char* source, const char* limit, Py_ssize_t first, Py_ssize_t last,
                   char* scratch, char* stage, work_t like) noexcept nogil:
    """Compute the rows `first` to `last` - 1, block by block, and a block tile by tile."""
    cdef Py_ssize_t block = last - first if t.tiles == 1 else BLOCK
    cdef Py_ssize_t whole = t.width * t.channels * <Py_ssize_t>sizeof(pixel_t), tile, end
    while first < last:
        end = min(first + block, last)
        for tile in range(t.tiles):
            if t.kind == LINES:
                run_lines(t, rows, d, h, to, source, limit, first, end, tile, <work_t*>scratch,
                          stage)
            elif (t.kind == WINDOWS and d.t == NULL and h.t != NULL
                  and (stage == NULL or t.few and rows.dst_h == whole)):
                if pixel_t is not uint8_t:
                    run_windows(t, rows, d, h, to, source, limit, first, end, tile, scratch,
                                stage != NULL, like)
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


# --- plans ----------------------------------------------------------------------------------------

#: What spreading.Level says of this build's vectors.
LEVEL = UPSHAPE_VECTOR_BYTES, bool(UPSHAPE_HAS_MASKS), UPSHAPE_SUMS

_WAYS = "copy", "windows", "lines", "sums", "channels", "channel sums", "elements"
_REACHES = "same", "near", "apart", "wide", "wide, apart", "wider, apart", "far"


cdef class Memory:
    """Memory for tables, each of which begins with a line; it is freed with its owner."""
    cdef void* latest
    cdef Py_ssize_t allocated

    cdef void* allocate(self, Py_ssize_t bytes) except NULL:
        """Return so many bytes. Before them stands where they begin, and what was got before."""
        cdef char* memory = <char*>PyMem_RawMalloc(bytes + 128)
        cdef void** start
        if memory == NULL:
            raise MemoryError(f"no memory for a table of {bytes} bytes")
        start = <void**>(memory + 128 - <size_t>memory % 64)
        (start - 1)[0] = memory
        (start - 2)[0] = self.latest
        self.latest = start
        self.allocated += bytes
        return start

    def __dealloc__(self):
        cdef void** start
        while self.latest != NULL:
            start = <void**>self.latest
            self.latest = (start - 2)[0]
            PyMem_RawFree((start - 1)[0])


@cython.final
cdef class Vectors(Memory):
    """The tables of a way of making a row, if there are any: `found`.

    way: see upshape/spreading.py; along, down: of w and of h the lower neighbours, the distances
    from them and the source's size; element: bytes of an element; channels, spacing: elements of a
    pixel, and from one pixel of the result to the next; rows: those of the result that one line
    makes.
    """
    cdef Table table
    cdef int element
    cdef Py_ssize_t width, source_width, channels, spacing
    cdef readonly bint found

    def __init__(self, str way, tuple along, tuple down, int element, Py_ssize_t channels,
                 Py_ssize_t spacing, Py_ssize_t rows):
        cdef Table* t = &self.table
        cdef int64_t[::1] low = along[0]
        cdef double[::1] distance = along[1]
        check_table(low, along[2])
        self.element = element
        self.channels, self.spacing = channels, spacing
        t.kind = <Kind><int>_WAYS.index(way)
        t.low = &low[0]
        t.t = NULL if distance is None else &distance[0]
        self.width, self.source_width = low.shape[0], along[2]
        t.width, t.source_width = self.width, self.source_width
        t.channels, t.spacing, t.rows = channels, spacing, rows
        t.lanes = UPSHAPE_SUMS if t.kind == SUMS else UPSHAPE_VECTOR_BYTES // self.number()
        self.found = self.find(down[1])

    cdef Py_ssize_t number(self) noexcept:
        """Return the bytes of a number of the line."""
        return 8 if self.element == 8 else 4

    cdef bint find(self, double[::1] down) except -1:
        """Fill the tables of this way; return whether that can be done."""
        cdef Table* t = &self.table
        if t.kind == LINES and t.t == NULL:
            t.reach = SAME  # pixels make no difference
            t.width = t.source_width = t.width * t.channels
            t.channels = t.spacing = 1
        elif t.kind == LINES or t.kind == WINDOWS:
            return self.find_vectors(t.kind == LINES)
        elif t.kind == SUMS:
            return self.find_division(down) and self.find_sums()
        elif t.kind == CHANNEL_SUMS:
            return self.find_division(down) and self.find_parts()
        elif t.kind == CHANNELS or t.kind == ELEMENTS:
            return self.find_weights()
        return True

    cdef bint find_weights(self) except -1:
        """Fill u and v, the weights of each pixel."""
        cdef Table* t = &self.table
        cdef Py_ssize_t x
        t.u = <char*>self.allocate(t.width * self.number())
        t.v = <char*>self.allocate(t.width * self.number())
        for x in range(t.width):
            set_weights(t.u, t.v, x, t.t[x], self.element == 8)
        return True

    cdef bint find_vectors(self, bint stored) except -1:
        """Fill base, upper and by, for windows of stored lines or of the source's rows."""
        cdef Table* t = &self.table
        cdef Py_ssize_t count = vectors_of(t), bases
        t.reach = reach_of(t)
        if not stored and t.reach > APART:
            return False
        bases = count * t.lanes if t.reach == FAR else count
        t.base = <int64_t*>self.allocate(bases * sizeof(int64_t))
        t.upper = <int64_t*>self.allocate(bases * sizeof(int64_t))
        t.by = <char*>self.allocate(4 * count * UPSHAPE_VECTOR_BYTES)
        fill_vectors(t, stored, self.element == 8)
        return True

    cdef bint find_division(self, double[::1] down) except -1:
        """Note what weights of w, and of w and h, make together; return whether 16 bits do."""
        cdef Table* t = &self.table
        cdef int parts = 1 if down is None else denominator(&down[0], down.shape[0])
        t.whole = denominator(t.t, t.width)
        return divide_by(&t.by_mean, t.whole * parts)

    cdef bint find_parts(self) except -1:
        """Fill weight, for pixels of many channels."""
        cdef Table* t = &self.table
        cdef Py_ssize_t x
        t.weight = <uint8_t*>self.allocate(2 * t.width)
        for x in range(t.width):
            fill_parts(t, t.weight + 2 * x, x)
        return True

    cdef bint find_sums(self) except -1:
        """Fill base, order and weight, for 16 elements of a window or else for eight."""
        cdef Table* t = &self.table
        cdef Py_ssize_t count = sum_vectors_of(t)
        t.base = <int64_t*>self.allocate(UPSHAPE_SUM_WINDOWS * count * sizeof(int64_t))
        t.order = <uint8_t*>self.allocate(UPSHAPE_VECTOR_BYTES * count)
        t.weight = <uint8_t*>self.allocate(UPSHAPE_VECTOR_BYTES * count)
        t.reach = NEAR
        if not find_sum_windows(t):
            t.reach = APART
            if not find_sum_windows(t):
                return False
        fill_sums(t)
        return True

    @property
    def reach(self):
        """How far apart the sources of a vector lie, at most."""
        return _REACHES[<int>self.table.reach]


@cython.final
cdef class Plan(Memory):
    """Everything about a linear interpolation that its arguments decide: spreading.plan makes it.

    roles, axes, streaming, exact: as there; vectors: the tables of a row; pieces: what
    spreading.cut makes of it.
    """
    cdef Frame frame
    cdef Table table
    cdef Axis d
    cdef Axis h
    cdef int element
    cdef bint streaming
    cdef object keep
    cdef Py_ssize_t line, doubts, stage  # bytes of the parts of a thread's memory

    def __init__(self, roles, tuple axes, Vectors vectors not None, pieces, bint exact,
                 bint streaming):
        self.element, self.streaming = vectors.element, streaming
        self.keep = axes, vectors
        self.frame.roles = roles_of(roles)
        self.frame.pixel = vectors.channels * vectors.element
        self.frame.spacing = vectors.spacing * vectors.element
        self.frame.width, self.frame.source_width = vectors.width, vectors.source_width
        self.set_axis(&self.d, axes[0])
        self.set_axis(&self.h, axes[1])
        self.frame.depth, self.frame.source_depth = self.d.count, self.d.last + 1
        self.frame.height, self.frame.source_height = self.h.count, self.h.last + 1
        self.table = vectors.table
        self.table.exact = exact
        tiles, room, doubts, group, stage, few = pieces
        self.set_tiles(tiles, room, doubts, group, stage, few)

    cdef int set_axis(self, Axis* axis, tuple given) except -1:
        """Note the rows, or planes, that those of the result lie between, and their weights."""
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
                set_number(axis.as_work, 2 * j, axis.weight[2 * j], self.element == 8)
                set_number(axis.as_work, 2 * j + 1, axis.weight[2 * j + 1], self.element == 8)
            find_pairs(axis)
        return 0

    cdef int set_tiles(self, list tiles, Py_ssize_t room, Py_ssize_t doubts, Py_ssize_t group,
                       Py_ssize_t stage, bint few) except -1:
        """Note the tiles of a row, and the working memory of a thread."""
        cdef Table* t = &self.table
        cdef Py_ssize_t j
        t.tiles = len(tiles) // 3
        t.tile = <Py_ssize_t*>self.allocate(len(tiles) * sizeof(Py_ssize_t))
        for j in range(len(tiles)):
            t.tile[j] = tiles[j]
        t.doubts, t.group, t.few = doubts, group, few
        self.line = room * (8 if self.element == 8 else 4)
        self.doubts = 2 * doubts * sizeof(Doubt) if self.element == 1 else 0
        self.stage = max(stage, GATHERED) + 128 if self.streaming else 0
        t.doubts_at = part_bytes(self.line)
        return 0

    @property
    def kind(self):
        """How rows are made."""
        return _WAYS[<int>self.table.kind]

    @property
    def nbytes(self):
        """Bytes that the tables take."""
        axes, vectors = self.keep
        return self.allocated + (<Vectors>vectors).allocated + sum([
            table.nbytes for axis in axes for table in axis[:2] if table is not None])

    cdef Py_ssize_t room(self) noexcept:
        """Return the bytes of a thread."""
        cdef Py_ssize_t bytes = part_bytes(self.line) + part_bytes(self.doubts)
        return bytes + (part_bytes(self.stage) if self.streaming else 0)

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
                share_of(self, to, from_, limit, &rows, memory, 0, total)
            else:
                team_begins(&team)
                for t in prange(threads, num_threads=team.threads, schedule="static"):
                    share_begins(&team, t)
                    share_of(self, to, from_, limit, &rows, memory + t * room,
                             total * t // threads, total * (t + 1) // threads)
                    share_ends(&team, t)
                team_ends(&team)
        dismiss_team(&team)
        return True


cdef void share_of(Plan plan, char* to, const char* source, const char* limit, const Rows* rows,
                   char* memory, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Do a thread's share, with memory of its own, which begins with a line of the cache."""
    cdef char* here = memory
    cdef char* line = cut(&here, plan.line)
    cdef char* stage = NULL
    cut(&here, plan.doubts)  # they follow the line: Table.doubts_at
    if plan.streaming:
        stage = cut(&here, plan.stage)
    run_share(plan.element, &plan.table, rows, &plan.d, &plan.h, to, source, limit, first, last,
              line, stage)
    check_parts(memory, here)
