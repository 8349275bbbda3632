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

A file each, in the order of reading; they are included, not cimported, so that the compiler may
leave the hot functions uninlined (inlined, they spill: up to 1.5 times the time):

    table.pxi     what the loops are handed
    dtypes.pxi    one body for all dtypes
    results.pxi   a line to a row of the result
    elements.pxi  single elements, tap by tap
    blend.pxi     through and down
    columns.pxi   across, by transposed rows
    quads.pxi     across, pixels of four elements in fixed point
    across.pxi    across: which of these, and those without a transpose
    halve.pxi     means of 2 x 2 pixels
    ties.pxi      bytes near a tie, made anew as another library sums them
    rows.pxi      the passes of a strip of some rows, one after the other

In which order the passes go, in what numbers sums are formed, and how rows are cut into strips, is
decided in upshape/weighing.py.

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
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint16_t, uint8_t

from check cimport check_parts, cut, part_bytes
from couples cimport coupling_of
from rows cimport (
    Frame,
    Place,
    PyArrayObject,
    PyArray_BYTES,
    Rows,
    place_of,
    roles_of,
    rows_of,
    strides_of,
    takes,
)
from shorts cimport UPSHAPE_QUADS, UPSHAPE_SHORTS
from transposes cimport half
from upshape._machine cimport (
    Team,
    dismiss_team,
    form_team,
    share_begins,
    share_ends,
    team_begins,
    team_ends,
)
from vector cimport UPSHAPE_VECTOR_BYTES, stream_end

import numpy as np

cnp.import_array()

include "table.pxi"
include "dtypes.pxi"
include "results.pxi"
include "elements.pxi"
include "blend.pxi"
include "columns.pxi"
include "quads.pxi"
include "across.pxi"
include "halve.pxi"
include "ties.pxi"
include "rows.pxi"


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
