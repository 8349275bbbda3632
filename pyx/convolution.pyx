"""Convolution and transposed convolution: products of small matrices, read from the input itself.

A transposed convolution with stride s is s x s ordinary convolutions of its input, one for each
phase r of the output index o = q s + r: the taps k with (r + p - k d) divisible by s land there,
and read the input at i = q + (r + p - k d) / s. An ordinary convolution is the case of one phase
that reads i = q s + k d - p. Phases whose taps read the same offsets form a class; with K for
(tap, input channel) and L ("lanes") for (phase, output channel), each class is a product

    C[L, pixel q] = bias[L] + sum over K of  W[K, L] X[K, q]
    X[(tap, c), q] = x[c, q + offset(tap)]

No zeros are inserted and X is never stored: tiles read it from a copy of a few input rows with
their zero border (the slab), or from the input itself. Where borders, short rows or vectors that
straddle two lines would cost more, a block of pixels, whichever rows and images they come from, is
gathered for every offset, in panels that a tile reads from end to end.

Loop order: block of pixels (its slab stays in the second-level cache), block of input channels (the
sum over K in pieces of which a panel of weights fits the first-level cache), panel of lanes, tile.
Threads share out blocks of pixels and ranges of lanes, never a sum: the bits do not depend on them.

Four orders of work share all of this: "pixels" makes vectors of pixels and broadcasts weights;
"channels" makes vectors of lanes that lie side by side in the output (channels of a channels-last
array, x-phases of a large stride) and broadcasts pixels; "turned" does so for an output whose rows
lie side by side, and turns the sums of a tile: no pixel beyond a row's end is made, and the taps
that a row cannot read are left out. "stamps" makes every tap a lane, which reads the pixel itself,
so that no border is read and few output channels still fill a tile:

    P[(tap, channel), pixel i] = sum over c of  W[tap, channel, c] x[c, i]

The products of a band of input rows wait in a ring, until all that land on a row of the output are
there: o = i s + k d - p, or i - (k d - p) in an ordinary convolution of stride 1. They are added up
in the order of the kernel's indices, whatever the band.

Where a row's two phases can be made in one tile, and it pays (see tile_pairs.inc.h), the tile
writes them side by side into the result; other tiles leave their sums to write_chunk, which also writes the
pixels that no tap reaches. Layers whose channels have no other channel to be summed with are
depthwise.pyx's.

The caller has checked: sizes and strides agree with the arrays, the output is disjoint from the
inputs. Nothing is allocated, and no Python object is touched, inside run's parallel part.

Register tiles (see tile.h), for the guard of the generated code:
tile_pixels_{32,64}_{NB}x{NV}, tile_channels_{32,64}_{MB}x{NV},
tile_{pairs,twins}_{32,64}_{NP}x{NV}
"""

cimport cython
cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from border cimport Frame, frame_of, lies
from upshape._machine cimport (
    Team,
    dismiss_team,
    form_team,
    share_begins,
    share_ends,
    team_begins,
    team_ends,
)

import numpy as np

from upshape import _machine

cnp.import_array()

ctypedef fused real:
    float
    double

# Bytes of the slab of a thread, at most. With the sums it leaves room for a panel of weights in a
# second-level cache of 512 KiB; larger ones gain nothing where the cache is larger.
cdef Py_ssize_t SLAB_BYTES = 192 << 10
# The same for kernels of so many taps that their borders alone take most of that.
cdef Py_ssize_t WIDE_BYTES = 8 << 20
# The same for gathered pixels, and for pixels that are broadcast to a wide stride's phases: 3/8 of
# the second-level cache. Such layers have many weights, which every block of pixels streams, so
# more pixels are better up to about 100 of 1200 products; beyond, less is gained than scratch is
# spent. 512 KiB (Zen 3): 192 KiB; 1 MiB (Zen 4): 384; 2 MiB (Granite Rapids): 480, where 192 take
# 1.1 times as long for 1024 -> 512 channels.
cdef Py_ssize_t GATHERED_BYTES = min(
    max(_machine.second_level_cache() * 3 // 8, SLAB_BYTES), 480 << 10)

cdef extern from "tile.h" nogil:
    enum:
        UPSHAPE_VECTOR_BYTES
        UPSHAPE_TILE_ROWS
        UPSHAPE_TILE_REGISTERS
        UPSHAPE_TILE_PIXELS
        UPSHAPE_TILE_VECTORS
        UPSHAPE_PIECE_STEP
        UPSHAPE_PLANE_STEP
    void tile_pixels_32(int nb, int nv, const float* x, Py_ssize_t x_channel, const Py_ssize_t* tap,
                        Py_ssize_t taps, Py_ssize_t channels, const float* w, const float* init,
                        float* c, Py_ssize_t c_row) noexcept
    void tile_pixels_64(int nb, int nv, const double* x, Py_ssize_t x_channel,
                        const Py_ssize_t* tap, Py_ssize_t taps, Py_ssize_t channels,
                        const double* w, const double* init, double* c, Py_ssize_t c_row) noexcept
    void tile_channels_32(int mb, int nv, float** x, Py_ssize_t x_channel,
                          const Py_ssize_t* tap, Py_ssize_t taps, Py_ssize_t channels,
                          const float* w, const float* init, float* c) noexcept
    void tile_channels_64(int mb, int nv, double** x, Py_ssize_t x_channel,
                          const Py_ssize_t* tap, Py_ssize_t taps, Py_ssize_t channels,
                          const double* w, const double* init, double* c) noexcept
    void zip_32(float* to, const float* a, const float* b, Py_ssize_t n) noexcept
    void zip_64(double* to, const double* a, const double* b, Py_ssize_t n) noexcept
    void move_32(float* to, const float* a, Py_ssize_t n) noexcept
    void move_64(double* to, const double* a, Py_ssize_t n) noexcept
    ctypedef struct stamp_t "upshape_stamp":
        const void* products
        Py_ssize_t low
    void add_up_32(float* to, float start, const stamp_t* stamps, int count, Py_ssize_t width,
                   Py_ssize_t n) noexcept
    void add_up_64(double* to, double start, const stamp_t* stamps, int count, Py_ssize_t width,
                   Py_ssize_t n) noexcept
    void turn_32(float* to, Py_ssize_t to_row, const float* c, Py_ssize_t rows,
                 Py_ssize_t columns) noexcept
    void turn_64(double* to, Py_ssize_t to_row, const double* c, Py_ssize_t rows,
                 Py_ssize_t columns) noexcept
    void zero_32(float* to, Py_ssize_t n) noexcept
    void zero_64(double* to, Py_ssize_t n) noexcept
    ctypedef struct piece_t "upshape_piece":
        Py_ssize_t source, target
    void piece_32(piece_t* piece, Py_ssize_t low, Py_ssize_t high, Py_ssize_t n) noexcept
    void piece_64(piece_t* piece, Py_ssize_t low, Py_ssize_t high, Py_ssize_t n) noexcept
    void pieces_32(float* to, const float* x, Py_ssize_t step, const piece_t* pieces,
                   Py_ssize_t count) noexcept
    void pieces_64(double* to, const double* x, Py_ssize_t step, const piece_t* pieces,
                   Py_ssize_t count) noexcept
    void prefetch "upshape_prefetch"(const void* line) noexcept
    void prefetch_to_write "upshape_prefetch_to_write"(const void* line) noexcept
    void planes_32(float* to, Py_ssize_t to_row, Py_ssize_t plane, const float* x,
                   Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t step, Py_ssize_t planes,
                   Py_ssize_t low, Py_ssize_t high, Py_ssize_t n) noexcept
    void planes_64(double* to, Py_ssize_t to_row, Py_ssize_t plane, const double* x,
                   Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t step, Py_ssize_t planes,
                   Py_ssize_t low, Py_ssize_t high, Py_ssize_t n) noexcept

cdef extern from "tile.h" nogil:
    void fill_32(float* to, float value, Py_ssize_t n) noexcept
    void fill_64(double* to, double value, Py_ssize_t n) noexcept

cdef extern from "tile.h" nogil:
    enum:
        UPSHAPE_PAIRS
    void tile_pairs_32(int pairs, int nv, const float* x, Py_ssize_t x_channel,
                       const Py_ssize_t* first, const Py_ssize_t* second, Py_ssize_t taps,
                       Py_ssize_t channels, const float* w, const float* init, float* c,
                       Py_ssize_t c_row, float** to, Py_ssize_t n) noexcept
    void tile_pairs_64(int pairs, int nv, const double* x, Py_ssize_t x_channel,
                       const Py_ssize_t* first, const Py_ssize_t* second, Py_ssize_t taps,
                       Py_ssize_t channels, const double* w, const double* init, double* c,
                       Py_ssize_t c_row, double** to, Py_ssize_t n) noexcept
    void weave_32(float* to, const float** a, Py_ssize_t step, Py_ssize_t n) noexcept
    void weave_64(double* to, const double** a, Py_ssize_t step, Py_ssize_t n) noexcept

cdef enum:
    # Bytes of the sums that are not yet complete, at most: 1024 lanes of 48 pixels, and a margin.
    SUMS_BYTES = 208 << 10
    # Multiply-adds from which a second thread is worth waking.
    WORTH_A_THREAD = 400000
    DIRECT_PIXELS = 2048
    HUGE = 1 << 30
    # Pixels of a gathered block, at most.
    MOST_PIXELS = 512
    # Bytes of the products that wait to be added up.
    STAMPED_BYTES = 256 << 10
    # Bytes of the pixels that are gathered for them, at most.
    STAMPED_SLAB_BYTES = 288 << 10
    # Pixels of a band at most, but for a row: flat from 100 to 500.
    MOST_BAND = 256
    # An input of so many bytes is asked for before it is copied, some channels ahead.
    FAR_BYTES = 1 << 20
    CHANNELS_AHEAD = 2
    # As many bytes more could be read where what is read in one piece ends.
    ROW_BYTES = 256
    # Taps of a stamped kernel, at most.
    STAMPS = 128
    # Pieces that are copied between asking for a channel's lines and copying from them: about the
    # latency of an outer cache.
    PIECES_AHEAD = 128

# How a block of pixels reaches the tiles.
cdef enum Source:
    ROWS      # slab; a tile stays within a row
    FLAT      # slab; a tile runs on over the border columns into the next row
    GATHERED  # pixels of any rows and images, gathered for every offset
    DIRECT    # the input itself

SOURCES = ("rows", "flat", "gathered", "direct")

# What a plan does, counted; the time of each is a rate, by order of work (upshape/orders.py).
cdef enum:
    CALLS, ITEMS, PRODUCTS, STEPS, BROADCASTS, LOADS, SHIFTED_STEPS, SHIFTED_LOADS, DIRECT_LOADS
    WEIGHT_LINES, SLAB_CHANNELS, SLAB_ROWS, SLAB_VECTORS, STEPPED_ROWS, STEPPED_VECTORS, PICKED
    PIECES, STEPPED_PIECES, PICKED_PIECES, LISTED, FAR_LINES, TILES, PARTIAL, TRANSPOSED
    ADDED_ROWS, ADDED, PLACED_ROWS, PLACED, WOVEN, FILLED
    COUNTS

COUNTED = {
    "calls": "a call",
    "items": "a block of pixels, or a band, of a range of lanes",
    "products": "a vector of multiply-adds",
    "steps": "a tile's step along its sum, of one tap and input channel",
    "broadcasts": "a number spread over a vector",
    "loads": "a vector that is loaded to be multiplied",
    "shifted steps": "a tile's channel, which reads a line for the first of several taps",
    "shifted loads": "such a load from where vectors straddle lines",
    "direct loads": "such a load from the input itself",
    "weight lines": "64 bytes of weights, read from an outer cache",
    "slab channels": "a channel of a slab",
    "slab rows": "a row of a slab",
    "slab vectors": "a vector copied to a slab",
    "stepped rows": "a row of a slab that takes every second pixel, or fewer",
    "stepped vectors": "a vector of it, by permutations",
    "picked": "an element that is copied on its own",
    "pieces": "a piece of a row, gathered",
    "stepped pieces": "such a piece of every second pixel, or fewer, by permutations",
    "picked pieces": "an element of such a piece that is copied on its own",
    "listed": "a piece that is listed before it is gathered",
    "far lines": "64 bytes of an input that fits no second cache",
    "tiles": "a tile",
    "partial": "a vector of sums put aside and taken up again",
    "transposed": "a vector of sums transposed",
    "added rows": "a row of products that is added up",
    "added": "a vector of products that is added up",
    "placed rows": "a row of the result",
    "placed": "a vector of the result, or of sums moved there",
    "woven": "a vector of the result in which phases alternate",
    "filled": "a vector of pixels that no tap reaches, or of all where the caller fills those",
}


cdef inline Py_ssize_t up(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """Return a / b, rounded up, of numbers that are not negative."""
    return (a + b - 1) // b

cdef struct Run:
    # Pixels q that lie side by side in a row of an image.
    Py_ssize_t n, qz, qy, qx, length
    Py_ssize_t at  # place of the first among the sums of its block


cdef class Layout:
    """What a layer's shape decides: classes, panels of lanes, blocks of input channels."""
    cdef list kept
    cdef readonly bint channels
    cdef readonly bint pairs  # panels are pairs of lanes, the x-phases of a row's channel
    cdef readonly bint single
    cdef readonly bint turned  # vectors of lanes, but the output lies in rows
    cdef bint in_rows  # sums are rows, when they are written
    cdef readonly bint stamped  # each phase is a tap, and the phases of a pixel are added up
    cdef Py_ssize_t lane_step_channel, lane_step_x
    cdef readonly Py_ssize_t groups, ci, co, area
    cdef double[COUNTS] rates
    cdef Py_ssize_t panel_taps  # of all panels
    cdef Py_ssize_t weight_ci, weight_co
    cdef Py_ssize_t sz, sy, sx, isz, isy, isx
    cdef Py_ssize_t z_first, y_first, x_first, y_span, x_span
    # Phases of rows: of z and y together; each x's phase's place, or -1.
    cdef Py_ssize_t row_phases, x_phases
    cdef Py_ssize_t* row_phase_z
    cdef Py_ssize_t* row_phase_y
    cdef Py_ssize_t* x_phase
    cdef Py_ssize_t* x_place
    # Phases that no tap reaches: runs of rows, how many of them; how many of a row.
    cdef Py_ssize_t row_gaps, x_gaps
    cdef Py_ssize_t* gap_z
    cdef Py_ssize_t* gap_y
    cdef Py_ssize_t* gap_rows
    # A stamped phase is fold + shift output steps, fold below one; x_phase is sorted by its folds.
    cdef Py_ssize_t* y_fold
    cdef Py_ssize_t* y_shift
    cdef Py_ssize_t* x_shift
    cdef Py_ssize_t* fold_first
    cdef Py_ssize_t classes, most_taps, most_width
    cdef Py_ssize_t* class_first
    cdef Py_ssize_t* class_width  # taps side by side
    # Each tap's offset from the first of its axis; and which of the planes it reads.
    cdef Py_ssize_t* tap_z
    cdef Py_ssize_t* tap_y
    cdef Py_ssize_t* tap_x
    cdef Py_ssize_t* tap_plane
    cdef Py_ssize_t* tap_id
    cdef Py_ssize_t offsets
    cdef Py_ssize_t* offset_z
    cdef Py_ssize_t* offset_y
    cdef Py_ssize_t* offset_x
    cdef Py_ssize_t planes  # different offsets of z
    cdef Py_ssize_t* plane_z
    cdef Py_ssize_t panels
    cdef Py_ssize_t* panel_class
    cdef Py_ssize_t* panel_second  # the class of a pair's second lane
    cdef Py_ssize_t* panel_width
    cdef Py_ssize_t* panel_most  # vectors of pixels that a tile of so many lanes can have
    cdef Py_ssize_t least_most  # the least of them
    cdef Py_ssize_t* panel_prefix
    cdef Py_ssize_t* panel_lane
    cdef Py_ssize_t* panel_rz
    cdef Py_ssize_t* panel_ry
    cdef Py_ssize_t* panel_rx
    cdef Py_ssize_t* panel_co
    cdef Py_ssize_t* panel_length
    cdef Py_ssize_t weights, lanes
    cdef Py_ssize_t biases  # numbers a group: each lane's; where stamped, zeros and each channel's
    cdef Py_ssize_t* lane_co
    cdef Py_ssize_t* lane_rz
    cdef Py_ssize_t* lane_ry
    cdef Py_ssize_t* lane_kernel
    cdef Py_ssize_t* kernel
    cdef Py_ssize_t chunks, most_chunk_lanes
    cdef Py_ssize_t* chunk_panel
    cdef Py_ssize_t* chunk_co
    cdef Py_ssize_t* slot
    cdef Py_ssize_t blocks, block_channels

    def __init__(self, lanes, Py_ssize_t groups, Py_ssize_t area, bint transposed, bint single,
                 dict rates=None):
        """Hold the tables of a layer's lanes (see upshape.lanes) as the loops walk them.

        `area`: taps of the kernel. `transposed`: weights lie as a transposed convolution's.
        `single`: float32, else float64. `rates`: nanoseconds of each of COUNTED, 0 if left out.
        """
        cdef int count
        self.kept = []
        for count, name in enumerate(COUNTED):
            self.rates[count] = 0 if rates is None else rates.get(name, 0)
        self.channels, self.turned, self.stamped = lanes.channels, lanes.transposed, lanes.added
        self.pairs, self.single = lanes.pairs, single
        self.in_rows = self.turned or not self.channels
        self.lane_step_channel, self.lane_step_x = (
            not lanes.lanes_are_phases, lanes.lanes_are_phases)
        self.groups, self.ci, self.co, self.area = groups, lanes.ci, lanes.co, area
        if transposed:
            self.weight_ci, self.weight_co = self.co * area, area
        else:
            self.weight_ci, self.weight_co = area, self.ci * area
        self.blocks = lanes.blocks
        self.block_channels = up(self.ci, self.blocks)
        self.hold_axes(lanes)
        self.hold_taps(lanes)
        self.hold_panels(lanes)

    cdef int hold_axes(self, lanes) except -1:
        """Note steps and phases."""
        z, y, x = lanes.axes
        self.sz, self.isz, _ = z
        self.sy, self.isy, _ = y
        self.sx, self.isx, _ = x
        rows, gaps = lanes.row_phases, lanes.row_gaps
        x_at = [r for r, _ in x.phases]
        self.row_phases, self.x_phases = len(rows), len(x_at)
        self.row_phase_z = self.keep([rz for rz, _ in rows])
        self.row_phase_y = self.keep([ry for _, ry in rows])
        self.x_phase = self.keep(x_at)
        self.x_place = self.keep([x_at.index(r) if r in x_at else -1 for r in range(self.sx)])
        self.row_gaps = len(gaps)
        self.x_gaps = 0 if self.stamped else self.sx - len(x_at)
        self.gap_z, self.gap_y, self.gap_rows = (
            self.keep([gap[0] for gap in gaps]), self.keep([gap[1] for gap in gaps]),
            self.keep([gap[2] for gap in gaps]))
        self.y_fold = self.keep([ry % self.sy for _, ry in rows])
        self.y_shift = self.keep([ry // self.sy for _, ry in rows])
        self.x_shift = self.keep([r // self.sx for r in x_at])
        self.fold_first = self.keep(
            [sum([r % self.sx < fold for r in x_at]) for fold in range(self.sx + 1)])
        return 0

    cdef int hold_taps(self, lanes) except -1:
        """Note which offsets each class of phases reads."""
        classes, offsets, taps = lanes.classes, lanes.offsets, lanes.classes.taps
        z_first, y_first, x_first = lanes.first
        self.z_first, self.y_first, self.x_first = z_first, y_first, x_first
        _, self.y_span, self.x_span = lanes.span
        planes = sorted({tz for tz, _, _ in taps})
        self.planes = len(planes)
        self.plane_z = self.keep([tz - z_first for tz in planes])
        self.classes, self.most_taps = len(classes.members), classes.most_taps
        self.offsets = len(offsets)
        self.class_first, self.class_width = self.keep(classes.first), self.keep(classes.across)
        self.tap_z = self.keep([tz - z_first for tz, _, _ in taps])
        self.tap_y = self.keep([ty - y_first for _, ty, _ in taps])
        self.tap_x = self.keep([tx - x_first for _, _, tx in taps])
        self.tap_plane = self.keep([planes.index(tz) for tz, _, _ in taps])
        numbers = {offset: number for number, offset in enumerate(offsets)}
        self.tap_id = self.keep([numbers[tap] for tap in taps])
        self.offset_z, self.offset_y, self.offset_x = (
            self.keep([offset[0] for offset in offsets]),
            self.keep([offset[1] for offset in offsets]),
            self.keep([offset[2] for offset in offsets]))
        return 0

    cdef int hold_panels(self, lanes) except -1:
        """Note the lanes of each panel, and where its weights are."""
        panels, rows = lanes.panels, lanes.row_phases
        prefixes, firsts, prefix, lane = [], [], 0, 0
        for panel in panels:
            prefixes.append(prefix)
            firsts.append(lane)
            prefix += panel.width * lanes.classes.count(panel.tap_class)
            self.panel_taps += lanes.classes.count(panel.tap_class)
            lane += panel.width
        firsts.append(lane)
        self.weights, self.lanes = prefix, lane
        self.biases = lane + self.co if self.stamped else lane
        self.most_width = max([panel.width for panel in panels])
        self.panels, self.chunks = len(panels), len(lanes.chunk_panel) - 1
        self.most_chunk_lanes = max(
            [firsts[b] - firsts[a] for a, b in zip(lanes.chunk_panel, lanes.chunk_panel[1:])])
        self.panel_prefix, self.panel_lane = self.keep(prefixes), self.keep(firsts)
        (self.panel_class, self.panel_width, self.panel_rz, self.panel_ry, self.panel_rx,
         self.panel_co, self.panel_length, self.panel_second) = (
            self.keep([panel[0] for panel in panels]), self.keep([panel[1] for panel in panels]),
            self.keep([panel[2] for panel in panels]), self.keep([panel[3] for panel in panels]),
            self.keep([panel[4] for panel in panels]), self.keep([panel[5] for panel in panels]),
            self.keep([panel[6] for panel in panels]), self.keep([panel[7] for panel in panels]))
        most = [max(min(UPSHAPE_TILE_REGISTERS // panel.width, UPSHAPE_TILE_VECTORS), 1)
                for panel in panels]
        self.panel_most, self.least_most = self.keep(most), min(most)
        self.lane_co, self.lane_kernel = self.keep(lanes.lane_channel), self.keep(lanes.lane_kernel)
        self.lane_rz = self.keep([rows[row][0] for row in lanes.lane_row])
        self.lane_ry = self.keep([rows[row][1] for row in lanes.lane_row])
        self.kernel, self.slot = self.keep(lanes.classes.kernel), self.keep(lanes.slot)
        self.chunk_panel, self.chunk_co = (
            self.keep(lanes.chunk_panel), self.keep(lanes.chunk_channel))
        return 0

    cdef Py_ssize_t* keep(self, values) except NULL:
        """Return a C array of these values that lives as long as this object."""
        cdef cnp.ndarray array = np.array(values if values else [0], np.intp)
        self.kept.append(array)
        return <Py_ssize_t*>cnp.PyArray_DATA(array)

    @property
    def nbytes(self):
        """Bytes that the tables take."""
        return 1000 + sum([array.nbytes for array in self.kept])

    @property
    def packed_bytes(self):
        """How many bytes packed weights take."""
        return ((self.groups * (self.ci * self.weights + self.biases) + UPSHAPE_VECTOR_BYTES)
                * (4 if self.single else 8))

    def pack(self, cnp.ndarray weight not None, cnp.ndarray bias, cnp.ndarray packed=None):
        """Return the weights (C-contiguous, of this layout's shape and dtype) in the order of use.

        [group][block of input channels][panel][tap][channel][lane], then the biases [group][lane].
        They are put into `packed` if that is given, memory of packed_bytes or more.
        """
        if packed is None:
            packed = np.empty(self.packed_bytes, np.uint8)
        cdef void* w = cnp.PyArray_DATA(weight)
        cdef void* b = NULL if bias is None else cnp.PyArray_DATA(bias)
        cdef void* p = cnp.PyArray_DATA(packed)
        with nogil:
            if self.single:
                pack_weights(self, <const float*>w, <const float*>b, <float*>p)
            else:
                pack_weights(self, <const double*>w, <const double*>b, <double*>p)
        return packed


def tile(bint single):
    """Return what register tiles hold: lanes, vectors, vectors side by side, numbers of a vector."""
    return (UPSHAPE_TILE_ROWS, UPSHAPE_TILE_REGISTERS, UPSHAPE_TILE_VECTORS,
            UPSHAPE_VECTOR_BYTES // (4 if single else 8))


cdef void pack_weights(Layout layout, const real* weight, const real* bias,
                       real* packed) noexcept nogil:
    cdef Py_ssize_t g, b, panel, tap, lane, c, first, end, taps, width, lane0, cls
    cdef Py_ssize_t[64] base
    cdef real* out = packed
    cdef const real* w
    for g in range(layout.groups):
        w = weight + g * layout.ci * layout.co * layout.area
        for b in range(layout.blocks):
            first = layout.ci * b // layout.blocks
            end = layout.ci * (b + 1) // layout.blocks
            for panel in range(layout.panels):
                cls = layout.panel_class[panel]
                taps = layout.class_first[cls + 1] - layout.class_first[cls]
                width = layout.panel_width[panel]
                lane0 = layout.panel_lane[panel]
                for tap in range(taps):
                    for lane in range(width):
                        base[lane] = -1
                        if layout.lane_co[lane0 + lane] >= 0:
                            base[lane] = (layout.lane_co[lane0 + lane] * layout.weight_co
                                          + layout.kernel[layout.lane_kernel[lane0 + lane] + tap])
                    for c in range(first, end):
                        for lane in range(width):
                            if base[lane] >= 0:
                                out[lane] = w[base[lane] + c * layout.weight_ci]
                            else:
                                out[lane] = 0
                        out += width
    for g in range(layout.groups):
        for lane in range(layout.lanes):
            out[lane] = 0
            if bias != NULL and layout.lane_co[lane] >= 0 and not layout.stamped:
                out[lane] = bias[g * layout.co + layout.lane_co[lane]]
        for lane in range(layout.lanes, layout.biases):
            out[lane] = 0
            if bias != NULL:
                out[lane] = bias[g * layout.co + lane - layout.lanes]
        out += layout.biases


# --- scratch -------------------------------------------------------------------------------------

@cython.final
cdef class Scratch:
    """Memory for one call's threads, kept for the next."""
    cdef void* start
    cdef char* aligned
    cdef size_t bytes

    def __dealloc__(self):
        free(self.start)


cdef enum:
    MOST_SPARES = 4

# As long as it ever gets: keeping a scratch when the result is written must not ask for memory.
cdef list spare_scratch = [None] * MOST_SPARES
cdef int spares = 0


cdef Scratch take_scratch(size_t bytes):
    """Return scratch of at least so many bytes that nobody else uses."""
    global spares
    cdef Scratch scratch
    if spares > 0:
        spares -= 1
        scratch = spare_scratch[spares]
        spare_scratch[spares] = None
        if scratch.bytes >= bytes:
            return scratch
    scratch = Scratch.__new__(Scratch)
    scratch.start = malloc(bytes + 4096)
    if scratch.start == NULL:
        raise MemoryError(f"cannot allocate {bytes} bytes of working memory")
    scratch.aligned = <char*>((<uintptr_t>scratch.start + 4095) & ~<uintptr_t>4095)
    scratch.bytes = bytes
    # Tiles read a little past the pixels. What they find changes no result, but must be no
    # denormal number: some processors are slow with those.
    memset(scratch.aligned, 0, bytes)
    return scratch


cdef void give_scratch(Scratch scratch) noexcept:
    global spares
    if spares < MOST_SPARES:
        spare_scratch[spares] = scratch
        spares += 1


def forget_scratch():
    """Free the scratch that is kept between calls."""
    global spares
    while spares > 0:
        spares -= 1
        spare_scratch[spares] = None


# --- one input shape -----------------------------------------------------------------------------

cdef class Plan:
    """How one shape of input goes through a layout: the tiles' source, blocks, threads' shares."""
    cdef Layout layout
    cdef int source
    cdef readonly int threads
    cdef Py_ssize_t n, di, hi, wi, dout, ho, wo, qz, qy, qx, vector
    cdef Py_ssize_t xn, xc, xz, xy, xx, on, oc, oz, oy, ox
    # A block: `rows` x `columns` pixels of one depth of an image, or `pixels` of a flat sequence.
    cdef Py_ssize_t rows, columns, pixels, row_length
    cdef Py_ssize_t y_blocks, x_blocks, image_blocks, splits, items
    # The slab: element strides of channel, row and column; planes for the phases of an input step.
    cdef Py_ssize_t slab_rows, slab_columns, planes_y, planes_x
    cdef Py_ssize_t slab_c, slab_y, slab_x, slab_size
    cdef Py_ssize_t shared  # border columns that belong to two rows
    # Gathered pixels: those of a panel lie side by side for each offset and channel.
    cdef Py_ssize_t panel, panel_size
    # Stamps: bands of `rows` rows, whose products wait in a ring; an image's rows go to `parts`.
    cdef Py_ssize_t band, ring, parts
    cdef Py_ssize_t line  # elements of a phase of an output row
    cdef Py_ssize_t* ring_at  # where in the ring an input row's products are
    cdef Py_ssize_t sums_row, sums_size, most_runs
    cdef Py_ssize_t gap_line  # elements of a row's phase without taps
    cdef Py_ssize_t turned_at  # where the rows are among the sums
    cdef double[COUNTS] done  # by the busiest thread
    cdef readonly double nanoseconds  # estimated, of the busiest thread
    cdef readonly bint fits
    cdef bint far
    cdef double reached  # how much of the taps is in the input, where others are left out
    cdef readonly size_t thread_bytes
    cdef list kept
    cdef Py_ssize_t* tap
    cdef Frame source_frame, result_frame
    cdef Py_ssize_t packed_bytes

    def __init__(self, Layout layout, tuple x_shape, tuple x_strides, tuple out_shape,
                 tuple out_strides, int threads, source=None, block=None):
        """Plan for (N, C, D, H, W) arrays, of which D and H may be 1; strides count elements.

        `source` allows one source of the tiles only, `block` (rows, columns) one size of blocks:
        tests hold them against each other, and benchmarks choose the numbers above.
        """
        cdef Py_ssize_t t, y, item = 4 if layout.single else 8
        cdef double work
        self.layout = layout
        self.n, _, self.di, self.hi, self.wi = x_shape
        _, _, self.dout, self.ho, self.wo = out_shape
        self.xn, self.xc, self.xz, self.xy, self.xx = x_strides
        self.on, self.oc, self.oz, self.oy, self.ox = out_strides
        self.source_frame = frame_of(x_shape, x_strides)
        self.result_frame = frame_of(out_shape, out_strides)
        self.packed_bytes = layout.packed_bytes
        self.qz = (self.dout + layout.sz - 1) // layout.sz
        self.qy = (self.ho + layout.sy - 1) // layout.sy
        self.qx = (self.wo + layout.sx - 1) // layout.sx
        self.vector = UPSHAPE_VECTOR_BYTES // item
        # If every offset is a multiple of the step, all are in one plane.
        self.planes_y, self.planes_x = 1, 1
        for t in range(layout.offsets):
            if (layout.offset_y[t] - layout.y_first) % layout.isy != 0:
                self.planes_y = min(layout.isy, layout.y_span)
            if (layout.offset_x[t] - layout.x_first) % layout.isx != 0:
                self.planes_x = min(layout.isx, layout.x_span)
        work = (<double>self.n * self.qz * self.qy * self.qx * layout.groups * layout.ci
                * (layout.weights + layout.lanes))
        self.threads = <int>max(min(<double>threads, work / WORTH_A_THREAD), 1.0)
        self.kept = []
        self.fits = True
        self.far = (<double>self.n * layout.groups * layout.ci * self.di * self.hi * self.wi * item
                    > FAR_BYTES)
        if layout.turned:
            self.reached = self.reach()
        if layout.stamped:
            self.qy, self.qx = self.hi, self.wi
            if block is not None:
                self.set_bands(item, block[0])
            else:
                self.choose_bands(item)
            rings = np.empty(self.hi, np.intp)
            self.kept.append(rings)
            self.ring_at = <Py_ssize_t*>cnp.PyArray_DATA(rings)
            for y in range(self.hi):
                self.ring_at[y] = y // self.rows % self.ring * self.band + y % self.rows * self.wi
        elif block is None:
            self.choose(item, -1 if source is None else SOURCES.index(source))
        else:
            self.set_block(SOURCES.index(source), block[0], block[1])
        if not layout.stamped:
            self.nanoseconds = count_block(self, layout, item)
        taps = np.empty(layout.class_first[layout.classes] + 1, np.intp)
        self.kept.append(taps)
        self.tap = <Py_ssize_t*>cnp.PyArray_DATA(taps)
        for t in range(layout.class_first[layout.classes]):
            if self.source == GATHERED:
                self.tap[t] = layout.tap_id[t] * layout.block_channels * self.panel
            elif self.source == DIRECT:
                self.tap[t] = (layout.tap_z[t] * self.xz + layout.tap_y[t] * self.xy
                               + layout.tap_x[t] * self.xx)
            else:
                self.tap[t] = self.slab_offset(layout.tap_plane[t], layout.tap_y[t], layout.tap_x[t])
        self.thread_bytes = (item * (self.slab_size + self.sums_size)
                             + 2 * self.most_runs * sizeof(Run))
        if self.source == GATHERED:
            self.thread_bytes += MOST_PIXELS * sizeof(piece_t)
        self.thread_bytes = (self.thread_bytes + 4095 + 64) // 4096 * 4096 + 4096

    cdef void choose_bands(self, Py_ssize_t item) noexcept:
        """Keep the cheapest height of a band that fits the scratch."""
        cdef Py_ssize_t rows = min(self.hi, max(MOST_BAND // self.wi, 1)), best_rows = 0
        cdef double best = 0
        while rows > 0:
            self.set_bands(item, rows)
            if self.fits and (best_rows == 0 or self.nanoseconds < best):
                best, best_rows = self.nanoseconds, rows
            rows -= 1 + rows // 8
        self.set_bands(item, max(best_rows, 1))

    cdef void set_bands(self, Py_ssize_t item, Py_ssize_t rows) noexcept:
        """Fill in how products are made and wait, with so many rows in a band."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t reach, y, low, high, blocks, pixels, most
        low = high = layout.row_phase_y[0]
        for y in range(layout.row_phases):
            low, high = min(low, layout.row_phase_y[y]), max(high, layout.row_phase_y[y])
        # Rows of the input that an output row reads, but for one.
        reach = min((high - low) // layout.sy + 1, self.hi) - 1
        self.rows = min(rows, self.hi)
        self.band = up(self.rows * self.wi, self.vector) * self.vector
        self.ring = 1 if self.rows == self.hi else 1 + up(reach, self.rows)
        self.source = GATHERED
        self.panel = min(layout.least_most * self.vector, self.band)
        most = min(GATHERED_BYTES, STAMPED_SLAB_BYTES)
        pixels = min(most // (item * layout.block_channels), MOST_PIXELS) // self.panel * self.panel
        self.pixels = min(max(pixels, self.panel), up(self.band, self.panel) * self.panel)
        self.columns = self.pixels
        self.panel_size = layout.block_channels * self.panel
        self.slab_c = self.panel
        self.slab_size = up(self.pixels, self.panel) * self.panel_size
        self.sums_row = self.ring * self.band
        self.most_runs = self.pixels
        self.splits = min(up(layout.lanes * self.sums_row * item, STAMPED_BYTES), layout.chunks)
        while (self.splits < layout.chunks
               and self.sums_of_split() * self.sums_row * item > STAMPED_BYTES):
            self.splits += 1
        self.sums_size = self.sums_of_split() * self.sums_row
        self.fits = (self.sums_size * item <= STAMPED_BYTES and self.slab_size * item <= most
                     and layout.blocks == 1 and self.di == self.dout == 1
                     and layout.row_phases * layout.x_phases <= STAMPS)
        self.line = (up(self.wo, layout.sx) // self.vector + 2) * self.vector
        self.sums_size += layout.sx * self.line + 2 * UPSHAPE_TILE_REGISTERS * self.vector
        blocks = self.n * layout.groups * self.splits
        self.parts = 1
        if blocks % self.threads != 0 and blocks < 12 * self.threads:
            self.parts = min(self.threads, self.ho)
        self.items = blocks * self.parts
        count_bands(self, layout, item, reach)

    cdef Py_ssize_t slab_offset(self, Py_ssize_t z, Py_ssize_t y, Py_ssize_t x) noexcept:
        """Where the slab has the tap of a plane, y rows down and x columns right of the first."""
        cdef Py_ssize_t plane = y % self.layout.isy * self.planes_x + x % self.layout.isx
        plane += z * self.planes_y * self.planes_x
        return (plane * self.slab_rows * self.slab_y
                + y // self.layout.isy * self.slab_y + x // self.layout.isx * self.slab_x)

    cdef void set_block(self, int source, Py_ssize_t rows, Py_ssize_t columns) noexcept:
        """Fill in the sizes that follow from a source and the size of its blocks."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t channels = layout.block_channels, vector = self.vector, blocks, parts
        cdef Py_ssize_t planes = layout.planes * self.planes_y * self.planes_x
        self.source, self.rows, self.columns = source, rows, columns
        self.y_blocks = (self.qy + rows - 1) // rows
        self.x_blocks = (self.qx + columns - 1) // columns
        if source == GATHERED:
            self.pixels = columns
            self.image_blocks = 1
            self.y_blocks = 1
            self.x_blocks = up(self.n * self.qz * self.qy * self.qx, columns)
            self.sums_row = up(columns, vector) * vector
            # As few panels as there can be, and as even.
            self.panel = up(columns, vector * layout.least_most) * vector * layout.least_most
            blocks = self.panel // (vector * layout.least_most)
            self.panel = up(self.sums_row // vector, blocks) * vector
            self.panel_size = layout.offsets * channels * self.panel
            self.slab_c = self.panel
            self.slab_size = blocks * self.panel_size
            self.most_runs = columns
        elif source == DIRECT and not layout.channels:
            self.pixels = columns
            self.y_blocks = 1
            self.x_blocks = up(self.qz * self.qy * self.qx, columns)
            self.image_blocks = self.n
            self.sums_row = (columns + vector - 1) // vector * vector + vector
            self.slab_c, self.slab_size = self.xc, 0
            self.most_runs = columns // self.qx + 3
        else:
            self.image_blocks = self.n * self.qz
            self.slab_rows = rows + (layout.y_span - 1) // layout.isy
            self.slab_columns = columns + (layout.x_span - 1) // layout.isx
            self.shared = 0
            if source == FLAT and columns == self.qx and layout.isx == 1:
                # A row's right border is the next one's left border as well.
                self.shared = min(layout.x_first + self.slab_columns - self.wi, -layout.x_first)
                self.shared = max(self.shared, 0)
                self.slab_columns -= self.shared
            if source == ROWS:
                self.row_length = (columns + vector - 1) // vector * vector
                self.sums_row = rows * self.row_length
            else:
                self.row_length = self.slab_columns
                self.sums_row = (rows - 1) * self.row_length + columns
                self.sums_row = (self.sums_row + vector - 1) // vector * vector
            if layout.channels:
                self.row_length = columns
                self.sums_row = self.pixels = rows * columns
            if layout.turned:
                # Whole vectors are written, and one more may be read.
                self.sums_row = (up(self.pixels, vector) + 1) * vector
            self.most_runs = rows
            if layout.channels and layout.lane_step_channel and not layout.turned:
                self.slab_c, self.slab_x = 1, channels
                self.slab_y = self.slab_columns * self.slab_x
                self.slab_size = planes * self.slab_rows * self.slab_y
            else:
                self.slab_x, self.slab_y = 1, self.slab_columns
                # An odd number of vectors from channel to channel, so that all sets are used.
                self.slab_c = planes * self.slab_rows * self.slab_columns
                self.slab_c = up(self.slab_c + self.shared, vector) * vector
                if self.slab_c // vector % 2 == 0 and channels > 8 and rows * columns > 2 * vector:
                    self.slab_c += vector
                self.slab_size = channels * self.slab_c
            if <double>self.slab_rows * self.slab_columns * planes * channels > HUGE:
                self.slab_size = HUGE  # and its strides have overflowed
            if source == DIRECT:
                self.slab_size = 0
                self.slab_c = self.xc
                self.slab_y, self.slab_x = self.xy * layout.isy, self.xx * layout.isx
        # Tiles may read whole vectors past the last pixel.
        self.slab_size += UPSHAPE_TILE_VECTORS * vector
        blocks = self.image_blocks * layout.groups * self.y_blocks * self.x_blocks
        self.splits = self.split_count(blocks)
        parts = self.pixels if layout.channels else self.sums_row
        if layout.blocks > 1:
            while (self.splits < layout.chunks
                   and self.sums_of_split() * parts * UPSHAPE_VECTOR_BYTES > SUMS_BYTES * vector):
                self.splits = min(2 * self.splits, layout.chunks)
        self.items = self.splits * blocks
        if layout.blocks > 1:
            self.sums_size = self.sums_of_split() * parts
        elif layout.channels:
            self.sums_size = 0
        else:
            self.sums_size = layout.most_chunk_lanes * self.sums_row
        self.turned_at = up(self.sums_size, vector) * vector
        if layout.turned:
            self.sums_size = self.turned_at + layout.most_chunk_lanes * self.sums_row
        self.sums_size += 2 * UPSHAPE_TILE_REGISTERS * vector
        self.gap_line = up(min(columns, self.qx), vector) * vector if layout.x_gaps > 0 else 0
        self.sums_size += self.gap_line

    cdef Py_ssize_t sums_of_split(self) noexcept:
        """Return the lanes of the largest range of chunks."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t split, most = 0, first, end
        for split in range(self.splits):
            first = layout.panel_lane[layout.chunk_panel[layout.chunks * split // self.splits]]
            end = layout.panel_lane[layout.chunk_panel[layout.chunks * (split + 1) // self.splits]]
            most = max(most, end - first)
        return most

    cdef Py_ssize_t split_count(self, Py_ssize_t blocks) noexcept:
        """Into how many ranges of lanes to cut the work, so that every thread has its share."""
        if self.threads == 1 or blocks % self.threads == 0 or blocks >= 12 * self.threads:
            return 1
        return min(self.layout.chunks, self.threads)

    cdef bint within_scratch(self, Py_ssize_t item) noexcept:
        cdef Py_ssize_t most = SLAB_BYTES
        cdef double borders
        if (self.source == GATHERED or self.layout.turned
                or (self.layout.channels and self.layout.lane_step_x)):
            most = GATHERED_BYTES
        if self.source == ROWS or self.source == FLAT:
            # What a kernel of very many taps reads for one pixel fits no second-level cache, but is
            # read in order; the only other way is a copy of it for every pixel.
            borders = (<double>self.slab_size / self.slab_rows / self.slab_columns
                       * ((self.layout.y_span - 1) // self.layout.isy + 1)
                       * ((self.layout.x_span - 1) // self.layout.isx + 1) * item)
            if 2 * borders > SLAB_BYTES:
                most = max(most, <Py_ssize_t>min(3 * borders, <double>WIDE_BYTES))
        return self.slab_size * item <= most and self.sums_size * item <= SUMS_BYTES

    cdef void choose(self, Py_ssize_t item, int only) noexcept:
        """Try the sources and block sizes that fit the scratch; keep the cheapest."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t parts, columns, rows, step, plane = self.qz * self.qy * self.qx
        cdef Py_ssize_t total = self.n * plane
        cdef double best = -1, cost
        cdef int source, best_source = ROWS, last = ROWS if layout.channels else FLAT
        cdef Py_ssize_t best_rows = 1, best_columns = min(self.qx, 2 * self.vector)
        # No tap leaves the input.
        cdef bint within = (
            layout.z_first >= 0 and layout.y_first >= 0 and layout.x_first >= 0
            and ((self.qz - 1) * layout.isz + layout.z_first + layout.plane_z[layout.planes - 1]
                 < self.di)
            and (self.qy - 1) * layout.isy + layout.y_first + layout.y_span <= self.hi
            and (self.qx - 1) * layout.isx + layout.x_first + layout.x_span <= self.wi)
        if (not layout.channels and within and layout.most_taps <= 1 and layout.blocks == 1
                and only in (-1, DIRECT)):
            if (layout.isy == layout.isx == layout.y_span == layout.x_span == 1
                    and self.qx == self.wi and self.xy == self.wi and self.xx == 1
                    and layout.isz == layout.planes == 1 and self.qz == self.di
                    and (self.qz == 1 or self.xz == self.hi * self.wi)
                    and layout.z_first == 0 and layout.y_first == 0 and layout.x_first == 0
                    and (plane % self.vector == 0 or plane > DIRECT_PIXELS)):
                best_source, best_columns = DIRECT, min(plane, DIRECT_PIXELS)
                self.set_block(DIRECT, 1, best_columns)
                best = count_block(self, layout, item)
        if layout.channels and layout.lane_step_channel and within and not layout.turned:
            last = DIRECT
        for source in range(ROWS, last + 1):
            if (source == GATHERED or (source == FLAT and layout.channels)
                    or (only >= 0 and source != only)):
                continue
            parts = 1
            while True:
                columns = (self.qx + parts - 1) // parts
                if parts > 1:
                    columns = (columns + self.vector - 1) // self.vector * self.vector
                rows = self.qy
                step = 1
                while rows >= 1:
                    self.set_block(source, rows, columns)
                    if self.within_scratch(item):
                        cost = count_block(self, layout, item)
                        if best < 0 or cost < best:
                            best, best_source, best_rows, best_columns = cost, source, rows, columns
                        # Somewhat smaller blocks may share out better.
                        step += 1
                        if step > 3 or rows == 1:
                            break
                    # The next smaller number of rows that cuts the height evenly.
                    rows = self.smaller(rows)
                if columns <= 2 * self.vector:
                    break
                parts += 1 if parts < 4 else parts // 2
        if not layout.channels and only in (-1, GATHERED):
            columns = 2 * self.vector
            while True:
                self.set_block(GATHERED, 1, min(columns, total))
                if not self.within_scratch(item) and best >= 0:
                    break
                # More pixels than sums fit: each range of lanes would gather them anew.
                if best_source == GATHERED and self.splits > self.split_count(self.x_blocks):
                    break
                cost = count_block(self, layout, item)
                if best < 0 or cost < best:
                    best, best_source = cost, GATHERED
                    best_rows, best_columns = 1, min(columns, total)
                if columns >= total or columns >= MOST_PIXELS:
                    break
                columns += self.vector
        self.set_block(best_source, best_rows, best_columns)

    cdef inline bint reaches(self, Py_ssize_t tap, Py_ssize_t qz, Py_ssize_t low,
                             Py_ssize_t high) noexcept nogil:
        """Whether a tap may be in the input, for one of the rows low .. high of a depth."""
        cdef Py_ssize_t iy = self.layout.tap_y[tap] + self.layout.y_first
        cdef Py_ssize_t iz = self.layout.tap_z[tap] + self.layout.z_first + qz * self.layout.isz
        return (0 <= iz < self.di
                and high * self.layout.isy + iy >= 0 and low * self.layout.isy + iy < self.hi)

    cdef double reach(self) noexcept:
        """Return how much of the taps, over all rows, is in the input."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t t, low, high, taps = layout.class_first[layout.classes]
        cdef double total = 0, planes
        for t in range(taps):
            inside(layout.isz, layout.tap_z[t] + layout.z_first, self.di, self.qz, &low, &high)
            planes = high - low
            inside(layout.isy, layout.tap_y[t] + layout.y_first, self.hi, self.qy, &low, &high)
            total += planes * (high - low)
        return total / taps / self.qz / self.qy

    cdef inline Py_ssize_t pieces(self, Py_ssize_t vectors, Py_ssize_t most) noexcept nogil:
        """Into how many tiles to cut so many vectors side by side: as few as there can be."""
        return up(vectors, self.panel // self.vector if self.source == GATHERED else most)

    cdef inline Py_ssize_t piece(self, Py_ssize_t vectors, Py_ssize_t pieces,
                                 Py_ssize_t number) noexcept nogil:
        """Return the vectors of a tile: panels where there are some, else as even as can be."""
        cdef Py_ssize_t most = self.panel // self.vector
        if self.source == GATHERED:
            return min(most, vectors - number * most)
        return vectors // pieces + (number < vectors % pieces)

    cdef Py_ssize_t smaller(self, Py_ssize_t rows) noexcept:
        """Return the next smaller number of rows worth trying: an even cut of the height."""
        cdef Py_ssize_t blocks
        if rows <= 1:
            return 0
        blocks = (self.qy + rows - 1) // rows + 1
        return min((self.qy + blocks - 1) // blocks, rows - 1)

    @property
    def description(self):
        """What was chosen, in words and numbers, for tests and benchmarks."""
        return {
            "order": ("turned" if self.layout.turned else
                      "channels" if self.layout.channels else
                      "stamps" if self.layout.stamped else "pixels"),
            "source": SOURCES[self.source],
            "rows": self.rows, "columns": self.columns, "items": self.items, "splits": self.splits,
            "threads": self.threads, "channel blocks": self.layout.blocks,
            "panels": self.layout.panels,
        }

    @property
    def counts(self):
        """What the busiest thread does, by the names of COUNTED."""
        return {name: self.done[count] for count, name in enumerate(COUNTED)}

    @property
    def nbytes(self):
        """Bytes that this plan takes, but for its layout."""
        return 1000 + sum([array.nbytes for array in self.kept])

    cpdef Scratch take(self):
        """Return the working memory of a run, to be handed to it."""
        if not self.fits:
            raise ValueError("this layout does not fit the scratch of a thread")
        return take_scratch(self.thread_bytes * self.threads)

    cpdef run(self, cnp.ndarray x, cnp.ndarray packed, cnp.ndarray out, Scratch scratch=None):
        """Compute the layer; x and out have the shapes and strides of this plan."""
        cdef int threads = self.threads
        if not (lies(x, &self.source_frame, self.layout.single)
                and lies(out, &self.result_frame, self.layout.single)
                and packed.nbytes >= self.packed_bytes):
            raise ValueError("the plan was made for arrays that lie otherwise in memory")
        if scratch is None:
            scratch = self.take()
        cdef const void* source = cnp.PyArray_DATA(x)
        cdef const void* weights = cnp.PyArray_DATA(packed)
        cdef void* target = cnp.PyArray_DATA(out)
        cdef Team team
        cdef int t
        form_team(&team, threads)
        with nogil:
            if team.threads == 1:
                for t in range(threads):
                    run_thread(self, self.layout, t, source, weights, target, scratch.aligned)
            else:
                team_begins(&team)
                for t in prange(threads, schedule="static", num_threads=team.threads):
                    share_begins(&team, t)
                    run_thread(self, self.layout, t, source, weights, target, scratch.aligned)
                    share_ends(&team, t)
                team_ends(&team)
        dismiss_team(&team)
        give_scratch(scratch)


cdef void run_thread(Plan plan, Layout layout, int thread, const void* x, const void* packed,
                     void* out, char* space) noexcept nogil:
    """Do one thread's share, in its part of the scratch."""
    space += thread * plan.thread_bytes
    if layout.single:
        run_share[float](plan, layout, thread, <const float*>x, <const float*>packed, <float*>out,
                         space)
    else:
        run_share[double](plan, layout, thread, <const double*>x, <const double*>packed,
                          <double*>out, space)

# --- estimates -----------------------------------------------------------------------------------

cdef double rated(Plan plan, Layout layout, double times) noexcept:
    """Return the nanoseconds of what is counted, each of it so many times."""
    cdef double total = 0
    cdef int count
    for count in range(1, COUNTS):
        plan.done[count] *= times
        total += layout.rates[count] * plan.done[count]
    plan.done[CALLS] = 1
    return total + layout.rates[CALLS]


cdef double count_block(Plan plan, Layout layout, Py_ssize_t item) noexcept:
    """Count what an item of the block as it is set takes; return the estimate of all of them."""
    cdef int count
    for count in range(COUNTS):
        plan.done[count] = 0
    plan.done[ITEMS] = 1
    count_tiles(plan, layout)
    if plan.source == GATHERED:
        count_gathered(plan, layout, item)
    elif plan.source != DIRECT:
        count_slab(plan, layout, item)
    count_placed(plan, layout)
    # Every block streams all weights from an outer cache, which the products hide in part.
    plan.done[WEIGHT_LINES] = <double>layout.weights * layout.ci * item / 64 / plan.splits
    return rated(plan, layout, (plan.items + plan.threads - 1) // plan.threads)


cdef void count_tiles(Plan plan, Layout layout) noexcept:
    """Count the products of a block, and what its tiles load for them."""
    cdef double sums = <double>layout.ci / plan.splits, vectors, tiles
    cdef double* done = plan.done
    if layout.channels:
        # A tile's pixels are the broadcast side.
        vectors = <double>plan.rows * plan.columns
        tiles = up(plan.rows * plan.columns, UPSHAPE_TILE_PIXELS)
        if layout.turned:
            tiles = turned_tiles(plan)
            sums *= plan.reached
        done[PRODUCTS] = vectors * sums * layout.weights / plan.vector
        done[BROADCASTS] = vectors * sums * layout.panel_taps
        done[LOADS] = tiles * sums * layout.weights / plan.vector
        vectors *= <double>layout.lanes / plan.vector
        if plan.source == DIRECT:
            done[DIRECT_LOADS] = done[BROADCASTS]
    else:
        pixel_tiles(plan, layout, &vectors, &tiles)
        done[PRODUCTS] = vectors * sums * layout.weights
        done[BROADCASTS] = tiles * sums * layout.weights
        done[LOADS] = vectors * sums * layout.panel_taps
        vectors *= layout.lanes
        if plan.source == DIRECT:
            done[DIRECT_LOADS] = done[LOADS]
        elif plan.source != GATHERED and layout.offsets > 1:
            # Taps within a slab are shifted: vectors straddle two lines of the cache, which costs
            # most where few taps read the same lines.
            done[SHIFTED_LOADS] = done[LOADS]
            done[SHIFTED_STEPS] = vectors * sums
    done[STEPS] = tiles * sums * layout.panel_taps
    done[TILES] = tiles * layout.panels * layout.blocks / plan.splits
    if layout.blocks > 1:
        # Sums put aside and taken up again, once a block of channels.
        done[PARTIAL] = vectors * layout.blocks / plan.splits
    if layout.turned:
        done[TRANSPOSED] = <double>layout.lanes * up(plan.pixels, plan.vector) / plan.splits


cdef double turned_tiles(Plan plan) noexcept:
    """Return how many tiles a panel has: of pieces of a row, or of some short rows."""
    return (<double>up(plan.rows, max(UPSHAPE_TILE_PIXELS // plan.qx, 1))
            * up(plan.columns, UPSHAPE_TILE_PIXELS))


cdef void pixel_tiles(Plan plan, Layout layout, double* vectors, double* tiles) noexcept:
    """Count the vectors of a block's pixels, and the tiles that a panel has."""
    cdef Py_ssize_t blocks = plan.x_blocks, last, of_row, most = layout.least_most
    if plan.source == ROWS:
        of_row = plan.row_length // plan.vector
        vectors[0] = <double>plan.rows * of_row
        tiles[0] = <double>plan.rows * up(of_row, most)
        return
    of_row = up(plan.sums_row, plan.vector)
    vectors[0], tiles[0] = of_row, plan.pieces(of_row, most)
    if plan.source == GATHERED:
        # Blocks are equal but for the last.
        last = up(plan.n * plan.qz * plan.qy * plan.qx - (blocks - 1) * plan.columns, plan.vector)
        vectors[0] = ((blocks - 1) * vectors[0] + last) / blocks
        tiles[0] = ((blocks - 1) * tiles[0] + plan.pieces(last, most)) / blocks


cdef void count_gathered(Plan plan, Layout layout, Py_ssize_t item) noexcept:
    """Count the pieces that are gathered for a block."""
    cdef Py_ssize_t step = layout.isx * plan.xx
    cdef double pieces = layout.offsets * (
        <double>plan.pixels / plan.qx * up(plan.qx, plan.vector) + plan.pixels / plan.panel)
    plan.done[LISTED] = pieces * layout.blocks
    if step == 1:
        plan.done[PIECES] = pieces * layout.ci
    elif step <= UPSHAPE_PLANE_STEP:
        plan.done[STEPPED_PIECES] = pieces * layout.ci
    else:
        plan.done[PICKED_PIECES] = <double>layout.offsets * layout.ci * plan.pixels
    if plan.far:
        plan.done[FAR_LINES] = layout.ci * (plan.pixels * <double>item * step + ROW_BYTES) / 64


cdef void count_slab(Plan plan, Layout layout, Py_ssize_t item) noexcept:
    """Count what is copied for a block, and the whole lines that are read for it."""
    cdef double* done = plan.done
    cdef double planes = <double>layout.planes * plan.planes_y * plan.planes_x, runs
    cdef double rows = planes * plan.slab_rows * layout.ci
    if plan.slab_x != 1 and plan.xc == 1:
        # A pixel's channels lie side by side.
        done[SLAB_ROWS] = planes * plan.slab_rows * plan.slab_columns * layout.blocks
        done[SLAB_VECTORS] = done[SLAB_ROWS] * up(layout.block_channels, plan.vector)
    elif plan.slab_x != 1 or plan.xx != 1 or layout.isx > UPSHAPE_PLANE_STEP:
        done[STEPPED_ROWS] = rows
        done[PICKED] = rows * plan.slab_columns
    elif layout.isx > 1:
        done[STEPPED_ROWS] = rows
        done[STEPPED_VECTORS] = rows * up(plan.slab_columns, plan.vector)
    else:
        done[SLAB_ROWS] = rows
        done[SLAB_VECTORS] = rows * up(plan.slab_columns, plan.vector)
    done[SLAB_CHANNELS] = <double>layout.ci * plan.planes_y * layout.planes
    if plan.far:
        # Whole rows follow each other.
        runs = plan.slab_rows if plan.columns < plan.qx else 1
        done[FAR_LINES] = layout.ci * plan.planes_y * layout.planes * (
            <double>plan.slab_rows * plan.slab_columns * item * layout.isx + runs * ROW_BYTES) / 64


cdef void count_placed(Plan plan, Layout layout) noexcept:
    """Count the rows and vectors of the result that a block writes."""
    cdef double pixels = plan.pixels, runs = plan.rows, vectors, gaps, phases
    cdef double* done = plan.done
    if plan.source in (ROWS, FLAT):
        pixels = <double>plan.rows * plan.columns
    elif not layout.channels:
        runs = pixels / plan.qx + 1
    phases = layout.sz * layout.sy * layout.sx
    if phases > layout.row_phases * layout.x_phases:
        gaps = phases if not layout.in_rows else phases - layout.row_phases * layout.x_phases
        done[FILLED] = pixels * layout.co * gaps / plan.vector / plan.splits
    if not layout.in_rows:
        # Of every pixel, each panel's lanes.
        done[PLACED_ROWS] = pixels * layout.panels / plan.splits
        done[PLACED] = pixels * layout.lanes / plan.vector / plan.splits
        return
    vectors = pixels * layout.lanes / plan.vector / plan.splits
    if layout.pairs and plan.source == ROWS:
        done[WOVEN] = vectors
        return
    if plan.oy == plan.wo and layout.sy == layout.sx == 1:
        # All rows of an image may be one.
        if plan.source == GATHERED or plan.source == DIRECT:
            runs = pixels / (plan.qz * plan.qy * plan.qx) + 1
        elif plan.row_length == plan.columns == plan.wo:
            runs = 1
    done[PLACED_ROWS] = layout.co * layout.row_phases * runs / plan.splits
    if layout.sx > 1:
        done[WOVEN] = vectors
    else:
        done[PLACED] = vectors
    if plan.ox != 1:
        done[PICKED] += pixels * layout.lanes / plan.splits


cdef void count_bands(Plan plan, Layout layout, Py_ssize_t item, Py_ssize_t reach) noexcept:
    """Count what all bands take: products, adding them up and writing them, gathering."""
    cdef double* done = plan.done
    cdef double images = <double>plan.n * layout.groups, vectors, tiles, bands
    cdef Py_ssize_t count, width = plan.band // plan.vector
    for count in range(COUNTS):
        done[count] = 0
    bands = up(plan.hi, plan.rows)
    vectors = bands * width
    tiles = bands * up(width, plan.panel // plan.vector)
    done[ITEMS] = bands * plan.splits
    done[PRODUCTS] = vectors * layout.weights * layout.ci
    done[BROADCASTS] = tiles * layout.weights * layout.ci
    done[LOADS] = vectors * layout.panel_taps * layout.ci
    done[STEPS] = tiles * layout.panel_taps * layout.ci
    done[TILES] = tiles * layout.panels
    done[WEIGHT_LINES] = (up(plan.hi * plan.wi, plan.pixels) * <double>layout.weights * layout.ci
                          * item / 64)
    done[ADDED_ROWS] = <double>layout.lanes * plan.hi
    done[ADDED] = done[ADDED_ROWS] * up(plan.wi, plan.vector)
    done[PLACED_ROWS] = <double>layout.co * plan.ho
    done[PLACED] = done[PLACED_ROWS] * up(plan.wo, plan.vector)
    if layout.sx > 1:
        done[WOVEN] = done[PLACED]
    count = PIECES if plan.xx == 1 else PICKED_PIECES
    done[count] = <double>layout.ci * plan.splits * up(plan.hi * plan.wi, plan.vector)
    if count == PICKED_PIECES:
        done[count] *= plan.vector
    if plan.ox != 1:
        done[PICKED] = done[PLACED_ROWS] * plan.wo
    if plan.far:
        done[FAR_LINES] = <double>layout.ci * plan.splits * plan.hi * plan.wi * item / 64
    if plan.parts > 1:
        images *= 1 + <double>reach * (plan.parts - 1) / plan.hi
    plan.nanoseconds = rated(plan, layout, images / plan.threads)



@cython.final
cdef class Repeat:
    """A layer's latest call, to be repeated without asking anything twice."""
    cdef object plan
    cdef cnp.ndarray packed
    cdef object output_size, memory, view, dtype, empty, threads
    cdef int wanted, rank, kind
    cdef Py_ssize_t[8] shape
    cdef Py_ssize_t[8] strides

    def __init__(self, plan, cnp.ndarray packed, cnp.ndarray x, output_size, tuple memory,
                 view, empty, threads):
        """Note the input's shape, and how to make the result.

        That is empty(memory, dtype), its axes permuted by `view` unless that is None.
        """
        cdef int axis
        self.plan, self.packed, self.output_size = plan, packed, output_size
        self.memory, self.view, self.dtype, self.empty = memory, view, x.dtype, empty
        self.threads, self.wanted = threads, threads()
        self.rank, self.kind = cnp.PyArray_NDIM(x), cnp.PyArray_TYPE(x)
        for axis in range(self.rank):
            self.shape[axis], self.strides[axis] = x.shape[axis], x.strides[axis]

    def call(self, x, output_size):
        """Return the result if this input is like the latest, else None."""
        cdef cnp.ndarray array, result
        cdef int axis
        if type(x) is not cnp.ndarray:
            return None
        array = x
        if (cnp.PyArray_NDIM(array) != self.rank or cnp.PyArray_TYPE(array) != self.kind
                or not cnp.PyArray_ISBEHAVED_RO(array)):
            return None
        for axis in range(self.rank):
            if (cnp.PyArray_DIM(array, axis) != self.shape[axis]
                    or cnp.PyArray_STRIDE(array, axis) != self.strides[axis]):
                return None
        if output_size is not self.output_size and (
                type(output_size) is not int or output_size != self.output_size):
            return None
        if <int>self.threads() != self.wanted:
            return None
        result = self.empty(self.memory, self.dtype)
        if self.view is not None:
            result = result.transpose(self.view)
        self.plan.run(array, self.packed, result)
        return result


cdef void run_share(Plan plan, Layout layout, int thread, const real* x, const real* packed,
                    real* out, char* space) noexcept nogil:
    """Do one thread's items: each a group, a range of lanes and a block of pixels."""
    cdef Py_ssize_t item, block, split, g, rest, first_chunk, end_chunk
    cdef Py_ssize_t blocks = plan.image_blocks * plan.y_blocks * plan.x_blocks
    cdef Py_ssize_t first = plan.items * thread // plan.threads
    cdef Py_ssize_t end = plan.items * (thread + 1) // plan.threads
    cdef real* slab = <real*>space
    cdef real* sums = slab + (plan.slab_size + 15) // 16 * 16
    cdef piece_t* pieces = <piece_t*>(sums + (plan.sums_size + 15) // 16 * 16)
    cdef Run* runs = <Run*>(pieces + (MOST_PIXELS if plan.source == GATHERED else 0))
    cdef const real* biases = packed + layout.groups * layout.ci * layout.weights
    if layout.stamped:
        for item in range(first, end):
            stamp_item[real](plan, layout, item, x, packed, biases, out, slab, sums, runs, pieces)
        return
    for item in range(first, end):
        block = item % blocks
        rest = item // blocks
        split = rest % plan.splits
        g = rest // plan.splits
        first_chunk = layout.chunks * split // plan.splits
        end_chunk = layout.chunks * (split + 1) // plan.splits
        run_item[real](plan, layout, block, first_chunk, end_chunk, x + g * layout.ci * plan.xc,
                       packed + g * layout.ci * layout.weights, biases + g * layout.biases,
                       out + g * layout.co * plan.oc, slab, sums, runs, pieces)


cdef inline void run_item(Plan plan, Layout layout, Py_ssize_t block, Py_ssize_t first_chunk,
                          Py_ssize_t end_chunk, const real* x, const real* packed,
                          const real* bias, real* out, real* slab, real* sums, Run* runs,
                          piece_t* pieces) noexcept nogil:
    cdef Py_ssize_t count = 0, b, first, channels, chunk, y0 = 0, x0 = 0, length = 0, i
    cdef Py_ssize_t n = 0, qz = 0, segments = 1, base_lane, rows = 0, shift = 0
    cdef const real* tiles = slab
    cdef const real* weights
    cdef bint last, written = False
    cdef const Run* lines
    cdef Py_ssize_t line_count, panel
    cdef Py_ssize_t x_block = block % plan.x_blocks
    cdef Py_ssize_t y_block = block // plan.x_blocks % plan.y_blocks

    # Which pixels.
    if plan.source == GATHERED:
        y0 = x_block * plan.pixels
        length = min(plan.pixels, plan.n * plan.qz * plan.qy * plan.qx - y0)
        count = list_runs(plan, y0, length, 0, runs)
    elif plan.source == DIRECT and not layout.channels:
        n = block // plan.x_blocks
        x0 = x_block * plan.pixels
        length = min(plan.pixels, plan.qz * plan.qy * plan.qx - x0)
        # Whole vectors to the last pixel of the plane: begin a little earlier, in the block before.
        shift = (plan.vector - length % plan.vector) % plan.vector
        if x_block < plan.x_blocks - 1:
            shift = 0
        count = list_runs(plan, n * plan.qz * plan.qy * plan.qx + x0, length, shift, runs)
        length += shift
        tiles = x + n * plan.xn + x0 - shift
    else:
        n = block // plan.x_blocks // plan.y_blocks // plan.qz
        qz = block // plan.x_blocks // plan.y_blocks % plan.qz
        y0 = y_block * plan.rows
        x0 = x_block * plan.columns
        rows = min(plan.rows, plan.qy - y0)
        length = min(plan.columns, plan.qx - x0)
        for i in range(rows):
            runs[i].n, runs[i].qz, runs[i].qy, runs[i].qx = n, qz, y0 + i, x0
            runs[i].length = length
            runs[i].at = i * (length if layout.turned else plan.row_length)
        count = rows
        if plan.source == ROWS:
            segments = rows
        else:
            length += (rows - 1) * plan.row_length

    lines, line_count = runs, count
    if layout.in_rows and layout.sy == layout.sx == plan.ox == 1 and plan.oy == plan.wo:
        lines = runs + plan.most_runs
        line_count = join_runs(plan, runs, count, runs + plan.most_runs)
    base_lane = layout.panel_lane[layout.chunk_panel[first_chunk]]
    for b in range(layout.blocks):
        first = layout.ci * b // layout.blocks
        channels = layout.ci * (b + 1) // layout.blocks - first
        weights = packed + first * layout.weights
        last = b == layout.blocks - 1
        if plan.source == GATHERED:
            gather[real](plan, layout, x + first * plan.xc, channels, slab, runs, count, pieces)
        elif plan.source != DIRECT:
            fill_slab[real](plan, layout, x + n * plan.xn + first * plan.xc, channels, slab, qz, y0,
                            x0, plan.slab_rows - plan.rows + rows)
        if not layout.channels and plan.source != DIRECT:
            clear_rest[real](plan, layout, slab, channels, length,
                             plan.slab_rows - plan.rows + rows)
        elif layout.channels and plan.source == DIRECT:
            tiles = (x + n * plan.xn + first * plan.xc
                     + (qz * layout.isz + layout.z_first) * plan.xz
                     + (y0 * layout.isy + layout.y_first) * plan.xy
                     + (x0 * layout.isx + layout.x_first) * plan.xx)
        for chunk in range(first_chunk, end_chunk):
            if layout.blocks == 1:
                base_lane = layout.panel_lane[layout.chunk_panel[chunk]]
            if layout.turned:
                for panel in range(layout.chunk_panel[chunk], layout.chunk_panel[chunk + 1]):
                    turned_panel[real](plan, layout, chunk, panel, tiles, channels, weights, bias,
                                       b, sums, qz, y0, rows, length, base_lane)
            elif layout.channels:
                channels_chunk[real](plan, layout, chunk, tiles, channels, weights, bias, b, out,
                                     sums, runs, count, base_lane)
            elif layout.pairs:
                written = plan.source == ROWS and last and plan.ox == 1
                pairs_chunk[real](plan, layout, chunk, tiles, channels, weights, bias, b, sums,
                                  segments, length, base_lane, out, runs, written)
            else:
                pixels_chunk[real](plan, layout, chunk, tiles, channels, weights, bias, b, sums,
                                   segments, length, base_lane, out, lines, line_count)
            if last and layout.in_rows:
                if not written:
                    write_chunk[real](plan, layout, chunk, sums, base_lane, bias, out, lines,
                                      line_count)
                if layout.row_gaps > 0:
                    write_gaps[real](plan, layout, chunk, bias, out, runs, count)


cdef inline Py_ssize_t list_runs(Plan plan, Py_ssize_t first, Py_ssize_t length, Py_ssize_t at,
                                 Run* runs) noexcept nogil:
    """Cut pixels first .. first + length of all images in a row into runs; return how many."""
    cdef Py_ssize_t count = 0, some, row = first // plan.qx
    cdef Py_ssize_t depth = row // plan.qy  # of all images in a row
    cdef Py_ssize_t qx = first - row * plan.qx, qy = row - depth * plan.qy
    cdef Py_ssize_t n = depth // plan.qz
    cdef Py_ssize_t qz = depth - n * plan.qz
    while length > 0:
        some = min(length, plan.qx - qx)
        runs[count].n, runs[count].qz, runs[count].qy, runs[count].qx = n, qz, qy, qx
        runs[count].length, runs[count].at = some, at
        count += 1
        at += some
        length -= some
        qx = 0
        qy += 1
        if qy == plan.qy:
            qy = 0
            qz += 1
        if qz == plan.qz:
            qz = 0
            n += 1
    return count


cdef inline Py_ssize_t join_runs(Plan plan, const Run* runs, Py_ssize_t count,
                                 Run* joined) noexcept nogil:
    """Make one of rows that follow each other in the result and in the sums; return how many."""
    cdef Py_ssize_t r, last = -1
    cdef bint joins_depths = plan.qz == plan.dout and plan.oz == plan.ho * plan.oy
    for r in range(count):
        if (last >= 0 and runs[r].n == joined[last].n and runs[r].qx == 0
                and (runs[r].qz == runs[r - 1].qz or joins_depths)
                and runs[r - 1].qx + runs[r - 1].length == plan.wo
                and runs[r].at == joined[last].at + joined[last].length):
            joined[last].length += runs[r].length
        else:
            last += 1
            joined[last] = runs[r]
    return last + 1


# --- the input's side ----------------------------------------------------------------------------

cdef inline void inside(Py_ssize_t step, Py_ssize_t start, Py_ssize_t size, Py_ssize_t length,
                        Py_ssize_t* low, Py_ssize_t* high) noexcept nogil:
    """Find low <= j < high of 0 .. length - 1 for which start + j step is in 0 .. size - 1."""
    low[0], high[0] = 0, length
    if start < 0:
        low[0] = min(-start if step == 1 else (-start + step - 1) // step, length)
    if start + (length - 1) * step >= size:
        high[0] = 0
        if size > start:
            high[0] = size - start if step == 1 else (size - start + step - 1) // step
        high[0] = max(high[0], low[0])


cdef inline void zero(real* to, Py_ssize_t n) noexcept nogil:
    if real is float:
        zero_32(to, n)
    else:
        zero_64(to, n)


cdef void ask_for_input(Plan plan, const real* x, Py_ssize_t iy, Py_ssize_t rows, Py_ssize_t ix,
                        Py_ssize_t length) noexcept nogil:
    """Have the cache fetch some rows of a channel."""
    cdef Py_ssize_t row, j
    for row in range(max(iy, 0), min(iy + rows, plan.hi)):
        j = 0
        while j < length:
            prefetch(x + row * plan.xy + ix + j)
            j += 64 // <Py_ssize_t>sizeof(real)


cdef void fill_slab(Plan plan, Layout layout, const real* x, Py_ssize_t channels, real* slab,
                    Py_ssize_t qz, Py_ssize_t y0, Py_ssize_t x0, Py_ssize_t rows) noexcept nogil:
    """Copy the input rows that a block reads, with zeros where they leave the input."""
    cdef Py_ssize_t c, p, iz, low, high, ix = x0 * layout.isx + layout.x_first
    cdef Py_ssize_t size = plan.planes_y * plan.planes_x * plan.slab_rows * plan.slab_y
    cdef const real* source
    if plan.slab_x != 1 or plan.xx != 1:
        for p in range(layout.planes):
            iz = qz * layout.isz + layout.z_first + layout.plane_z[p]
            fill_pixels[real](plan, layout, x + iz * plan.xz, channels, slab + p * size,
                              0 <= iz < plan.di, y0, x0, rows)
        return
    # Channel by channel: both sides are read and written in the order of memory.
    inside(1, ix, plan.wi, plan.slab_columns * layout.isx, &low, &high)
    for c in range(channels):
        for p in range(layout.planes):
            iz = qz * layout.isz + layout.z_first + layout.plane_z[p]
            if not 0 <= iz < plan.di:
                zero[real](slab + c * plan.slab_c + p * size, size)
                continue
            source = x + c * plan.xc + iz * plan.xz
            if plan.far and c + CHANNELS_AHEAD < channels:
                ask_for_input[real](plan, source + CHANNELS_AHEAD * plan.xc,
                                    y0 * layout.isy + layout.y_first, rows * layout.isy, ix + low,
                                    high - low)
            fill_rows[real](plan, layout, source + ix, slab + c * plan.slab_c + p * size, y0, rows,
                            low, high)


cdef inline void fill_rows(Plan plan, Layout layout, const real* x, real* slab, Py_ssize_t y0,
                           Py_ssize_t rows, Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    """Copy rows of one channel and depth, of which columns low .. high are in the input."""
    cdef Py_ssize_t py, px, iy, row_low, row_high, width = plan.slab_columns
    cdef real* to
    cdef const real* source
    for py in range(plan.planes_y):
        iy = y0 * layout.isy + layout.y_first + py
        inside(layout.isy, iy, plan.hi, rows, &row_low, &row_high)
        to = slab + py * plan.planes_x * plan.slab_rows * width
        for px in range(plan.planes_x):
            zero[real](to + px * plan.slab_rows * width, row_low * width)
            zero[real](to + (px * plan.slab_rows + row_high) * width, (rows - row_high) * width)
        to += row_low * width
        source = x + (iy + row_low * layout.isy) * plan.xy
        if low == 0 and high == width == plan.xy and layout.isx == layout.isy == 1:
            memcpy(to, source, (row_high - row_low) * width * sizeof(real))
        elif real is float:
            planes_32(to, width, plan.slab_rows * width, source, layout.isy * plan.xy,
                      row_high - row_low, layout.isx, plan.planes_x, low, high, width)
        else:
            planes_64(to, width, plan.slab_rows * width, source, layout.isy * plan.xy,
                      row_high - row_low, layout.isx, plan.planes_x, low, high, width)


cdef void fill_pixels(Plan plan, Layout layout, const real* x, Py_ssize_t channels, real* slab,
                      bint inside_depth, Py_ssize_t y0, Py_ssize_t x0,
                      Py_ssize_t rows) noexcept nogil:
    """Copy rows of one depth pixel by pixel, all channels of each; zeros outside."""
    cdef Py_ssize_t py, px, row, column, c, iy, ix, low, high
    cdef Py_ssize_t step = layout.isx
    cdef real* to
    cdef const real* source
    for py in range(plan.planes_y):
        for px in range(plan.planes_x):
            ix = x0 * step + layout.x_first + px
            inside(step, ix, plan.wi, plan.slab_columns, &low, &high)
            for row in range(rows):
                iy = (y0 + row) * layout.isy + layout.y_first + py
                to = slab + ((py * plan.planes_x + px) * plan.slab_rows + row) * plan.slab_y
                for column in range(plan.slab_columns):
                    source = x + iy * plan.xy + (ix + column * step) * plan.xx
                    if inside_depth and 0 <= iy < plan.hi and low <= column < high:
                        if plan.slab_c == 1 and plan.xc == 1:
                            memcpy(to, source, channels * sizeof(real))
                        else:
                            for c in range(channels):
                                to[c * plan.slab_c] = source[c * plan.xc]
                    elif plan.slab_c == 1:
                        zero[real](to, channels)
                    else:
                        for c in range(channels):
                            to[c * plan.slab_c] = 0
                    to += plan.slab_x


cdef void gather(Plan plan, Layout layout, const real* x, Py_ssize_t channels, real* slab,
                 const Run* runs, Py_ssize_t count, piece_t* pieces) noexcept nogil:
    """Copy, for every offset and channel, what each pixel of the block reads."""
    cdef Py_ssize_t c, i, number, ends = 0, starts, ahead, from_offset = 0, end_offset
    # Pieces of an offset: a row has one more than whole vectors, and is cut where a panel ends.
    cdef Py_ssize_t most = count + plan.pixels // plan.vector + plan.pixels // plan.panel
    while from_offset < layout.offsets:
        # As many offsets as there is room for: what they read of a channel is still at hand.
        number = ends = starts = 0
        end_offset = from_offset
        while end_offset < layout.offsets and (number == 0 or number + most <= MOST_PIXELS):
            starts = number
            number = list_pieces[real](plan, layout, end_offset, runs, count, pieces, number, x)
            if end_offset == from_offset:
                ends = number
            end_offset += 1
        ahead = 1 + PIECES_AHEAD // number
        for c in range(channels):
            if c + ahead < channels:
                # The first and the last offset's rows are all that there are, or nearly so.
                for i in range(number):
                    if i < ends or i >= starts:
                        prefetch(x + (c + ahead) * plan.xc + pieces[i].source)
            if real is float:
                pieces_32(slab + c * plan.panel, x + c * plan.xc, plan.xx * layout.isx, pieces,
                          number)
            else:
                pieces_64(slab + c * plan.panel, x + c * plan.xc, plan.xx * layout.isx, pieces,
                          number)
        from_offset = end_offset


cdef Py_ssize_t list_pieces(Plan plan, Layout layout, Py_ssize_t offset, const Run* runs,
                            Py_ssize_t count, piece_t* pieces, Py_ssize_t number,
                            const real* kind) noexcept nogil:
    """Append what an offset copies of a channel, in pieces of up to a vector; return their number.

    A piece is of one panel; rows that follow each other in the input are one.
    """
    cdef Py_ssize_t r = 0, iz, iy, ix, low, high, at, source, length, done, some
    cdef Py_ssize_t step = plan.xx * layout.isx
    cdef Py_ssize_t first = offset * layout.block_channels * plan.panel
    while r < count:
        iz = runs[r].qz * layout.isz + layout.offset_z[offset]
        iy = runs[r].qy * layout.isy + layout.offset_y[offset]
        ix = runs[r].qx * layout.isx + layout.offset_x[offset]
        length, at = runs[r].length, runs[r].at
        source = runs[r].n * plan.xn + iz * plan.xz + iy * plan.xy + ix * plan.xx
        inside(layout.isx, ix, plan.wi, length, &low, &high)
        if not (0 <= iz < plan.di and 0 <= iy < plan.hi):
            low = high = length
        r += 1
        while (low == 0 and high == length and r < count
               and runs[r].length == plan.wi == plan.qx and layout.offset_x[offset] == 0
               and plan.xy == plan.wi * plan.xx and runs[r].n == runs[r - 1].n
               and runs[r].qz == runs[r - 1].qz
               and layout.isx == 1 and layout.isy == 1 and iy + 1 < plan.hi):
            length += runs[r].length
            high = length
            iy += 1
            r += 1
        done = 0
        while done < length:
            some = min(length - done, plan.panel - at % plan.panel, plan.vector)
            pieces[number].source = source + done * step
            pieces[number].target = at // plan.panel * plan.panel_size + at % plan.panel + first
            if real is float:
                piece_32(&pieces[number], low - done, high - done, some)
            else:
                piece_64(&pieces[number], low - done, high - done, some)
            number += 1
            done += some
            at += some
    return number


cdef void clear_rest(Plan plan, Layout layout, real* slab, Py_ssize_t channels, Py_ssize_t length,
                     Py_ssize_t rows) noexcept nogil:
    """Clear what whole vectors read past the pixels of a block.

    It changes no result, but if another plan has left numbers there that are denormal as these
    elements (integers, say, or another type's), each product with one costs some hundred cycles.
    """
    cdef Py_ssize_t o, c, plane, rest, width = plan.slab_columns
    cdef Py_ssize_t planes = layout.planes * plan.planes_y * plan.planes_x
    cdef Py_ssize_t used = planes * plan.slab_rows * width
    if plan.source == GATHERED:
        rest = (plan.vector - length % plan.vector) % plan.vector
        if rest > 0:
            slab += length // plan.panel * plan.panel_size + length % plan.panel
            for o in range(layout.offsets):
                for c in range(channels):
                    zero[real](slab + (o * layout.block_channels + c) * plan.panel, rest)
        return
    for c in range(channels):
        if rows < plan.slab_rows:
            for plane in range(planes):
                zero[real](slab + c * plan.slab_c + (plane * plan.slab_rows + rows) * width,
                           min(max(plan.vector, plan.shared), (plan.slab_rows - rows) * width))
        if plan.slab_c > used:
            zero[real](slab + c * plan.slab_c + used, plan.slab_c - used)
    zero[real](slab + channels * plan.slab_c, UPSHAPE_TILE_VECTORS * plan.vector)


# --- vectors of pixels ---------------------------------------------------------------------------

cdef inline void pixels_chunk(Plan plan, Layout layout, Py_ssize_t chunk, const real* tiles,
                              Py_ssize_t channels, const real* weights, const real* bias,
                              Py_ssize_t b, real* sums, Py_ssize_t segments, Py_ssize_t length,
                              Py_ssize_t base_lane, const real* out, const Run* runs,
                              Py_ssize_t count) noexcept nogil:
    """Add a block of input channels to the sums of a chunk's panels, over a block's pixels."""
    # The rows of the result that will be written are asked for meanwhile, some with each tile.
    cdef Py_ssize_t rows = 0, asked = 0, tiles_left = 0, some
    cdef Py_ssize_t panel, cls, taps, width, segment, at, pieces, piece
    cdef Py_ssize_t vectors = up(length, plan.vector)
    cdef const Py_ssize_t* tap
    cdef const real* w
    cdef const real* init
    cdef const real* source
    cdef real* c
    cdef int nv
    if b == layout.blocks - 1 and plan.ox == 1:
        rows = (layout.chunk_co[chunk + 1] - layout.chunk_co[chunk]) * layout.row_phases * count
        for panel in range(layout.chunk_panel[chunk], layout.chunk_panel[chunk + 1]):
            tiles_left += segments * plan.pieces(vectors, layout.panel_most[panel])
    for panel in range(layout.chunk_panel[chunk], layout.chunk_panel[chunk + 1]):
        cls = layout.panel_class[panel]
        taps = layout.class_first[cls + 1] - layout.class_first[cls]
        tap = plan.tap + layout.class_first[cls]
        width = layout.panel_width[panel]
        w = weights + layout.panel_prefix[panel] * channels
        init = bias + layout.panel_lane[panel] if b == 0 else NULL
        pieces = plan.pieces(vectors, layout.panel_most[panel])
        for segment in range(segments):
            source = tiles + segment * plan.slab_y
            c = (sums + (layout.panel_lane[panel] - base_lane) * plan.sums_row
                 + segment * plan.row_length)
            at = 0
            for piece in range(pieces):
                nv = <int>plan.piece(vectors, pieces, piece)
                if asked < rows:
                    some = up(rows - asked, tiles_left)
                    ask_for_rows[real](plan, layout, layout.chunk_co[chunk], asked, asked + some,
                                       out, runs, count)
                    asked += some
                    tiles_left -= 1
                if real is float:
                    tile_pixels_32(<int>width, nv, source, plan.slab_c, tap, taps, channels,
                                   w, init, c + at, plan.sums_row)
                else:
                    tile_pixels_64(<int>width, nv, source, plan.slab_c, tap, taps, channels,
                                   w, init, c + at, plan.sums_row)
                at += nv * plan.vector
                source += plan.panel_size if plan.source == GATHERED else nv * plan.vector


cdef void ask_for_rows(Plan plan, Layout layout, Py_ssize_t first_co, Py_ssize_t row,
                       Py_ssize_t end, const real* out, const Run* runs,
                       Py_ssize_t count) noexcept nogil:
    """Have the cache fetch these rows of a chunk's result, counted as write_chunk writes them."""
    cdef Py_ssize_t r, oz, oy, j, length, rest
    cdef const real* to
    for row in range(row, end):
        r = row % count
        rest = row // count
        oz = runs[r].qz * layout.sz + layout.row_phase_z[rest % layout.row_phases]
        oy = runs[r].qy * layout.sy + layout.row_phase_y[rest % layout.row_phases]
        if oz < plan.dout and oy < plan.ho:
            to = (out + runs[r].n * plan.on + (first_co + rest // layout.row_phases) * plan.oc
                  + oz * plan.oz + oy * plan.oy + runs[r].qx * layout.sx)
            length = runs[r].length
            if layout.sx > 1:
                length = min(length, up(plan.wo - runs[r].qx * layout.sx, layout.sx))
            j = 0
            while j < length * layout.sx:
                prefetch_to_write(to + j)
                j += 64 // <Py_ssize_t>sizeof(real)


cdef inline void pairs_chunk(Plan plan, Layout layout, Py_ssize_t chunk, const real* tiles,
                             Py_ssize_t channels, const real* weights, const real* bias,
                             Py_ssize_t b, real* sums, Py_ssize_t segments, Py_ssize_t length,
                             Py_ssize_t base_lane, real* out, const Run* runs,
                             bint write) noexcept nogil:
    """Do as pixels_chunk does, for panels of pairs; if told to, write the result.

    Segments are rows then.
    """
    cdef Py_ssize_t panel, cls, taps, width, segment, at, lane, pieces, piece, pair, n = 0
    cdef Py_ssize_t oz, oy
    cdef Py_ssize_t vectors = (length + plan.vector - 1) // plan.vector
    cdef const Py_ssize_t* first
    cdef const Py_ssize_t* second
    cdef const real* w
    cdef const real* init
    cdef const real* source
    cdef real* c
    cdef real* to[UPSHAPE_PAIRS]
    cdef real* row
    cdef int nv
    for panel in range(layout.chunk_panel[chunk], layout.chunk_panel[chunk + 1]):
        cls = layout.panel_class[panel]
        taps = layout.class_first[cls + 1] - layout.class_first[cls]
        first = plan.tap + layout.class_first[cls]
        second = plan.tap + layout.class_first[layout.panel_second[panel]]
        width = layout.panel_width[panel]
        lane = layout.panel_lane[panel]
        w = weights + layout.panel_prefix[panel] * channels
        init = bias + lane if b == 0 else NULL
        pieces = plan.pieces(vectors, layout.panel_most[panel])
        for segment in range(segments):
            source = tiles + segment * plan.slab_y
            c = sums + (lane - base_lane) * plan.sums_row + segment * plan.row_length
            at = 0
            for piece in range(pieces):
                nv = <int>plan.piece(vectors, pieces, piece)
                if write:
                    row = out + runs[segment].n * plan.on + 2 * (runs[segment].qx + at)
                    n = min(2 * (length - at), plan.wo - 2 * (runs[segment].qx + at))
                    for pair in range(width // 2):
                        oz = runs[segment].qz * layout.sz + layout.lane_rz[lane + 2 * pair]
                        oy = runs[segment].qy * layout.sy + layout.lane_ry[lane + 2 * pair]
                        to[pair] = (row + layout.lane_co[lane + 2 * pair] * plan.oc + oz * plan.oz
                                    + oy * plan.oy)
                        if oz >= plan.dout or oy >= plan.ho:
                            to[pair] = NULL
                if real is float:
                    tile_pairs_32(<int>(width // 2), nv, source, plan.slab_c, first, second,
                                  taps, channels, w, init, c + at, plan.sums_row,
                                  to if write else NULL, n)
                else:
                    tile_pairs_64(<int>(width // 2), nv, source, plan.slab_c, first, second,
                                  taps, channels, w, init, c + at, plan.sums_row,
                                  to if write else NULL, n)
                at += nv * plan.vector
                source += plan.panel_size if plan.source == GATHERED else nv * plan.vector


cdef void write_chunk(Plan plan, Layout layout, Py_ssize_t chunk, real* sums,
                      Py_ssize_t base_lane, const real* bias, real* out, const Run* runs,
                      Py_ssize_t count) noexcept nogil:
    """Write the sums of a chunk, the phases of a row interleaved."""
    cdef Py_ssize_t first_lane = layout.panel_lane[layout.chunk_panel[chunk]]
    cdef Py_ssize_t co, iy, ix, r, j, oz, oy, length, full, rx, step = layout.sx
    cdef Py_ssize_t phases = layout.x_phases
    cdef const Py_ssize_t* slot
    cdef const real* a
    cdef const real* phase[4]
    cdef const real* lines[4]
    cdef real* to
    cdef real* gap = sums + plan.sums_size - plan.gap_line
    cdef real value
    # Short rows, of few phases longer ones too, are written faster one by one.
    cdef bint few = plan.qx * (step if 2 * phases >= step else 1) < plan.vector
    cdef bint packed = plan.ox == 1 and step <= (2 if few else 4)
    if layout.turned:
        sums += plan.turned_at
    else:
        sums += (first_lane - base_lane) * plan.sums_row
    for co in range(layout.chunk_co[chunk], layout.chunk_co[chunk + 1]):
        value = bias[first_lane + layout.slot[co * layout.row_phases * phases]]
        if packed and layout.x_gaps > 0:
            fill[real](gap, 1, value, plan.gap_line)
        for iy in range(layout.row_phases):
            slot = layout.slot + (co * layout.row_phases + iy) * phases
            if packed:
                for ix in range(step):
                    phase[ix] = gap
                    if layout.x_place[ix] >= 0:
                        phase[ix] = sums + slot[layout.x_place[ix]] * plan.sums_row
            for r in range(count):
                oz = runs[r].qz * layout.sz + layout.row_phase_z[iy]
                oy = runs[r].qy * layout.sy + layout.row_phase_y[iy]
                if oz >= plan.dout or oy >= plan.ho:
                    continue
                to = (out + runs[r].n * plan.on + co * plan.oc + oz * plan.oz + oy * plan.oy
                      + runs[r].qx * step * plan.ox)
                length = runs[r].length
                if packed and step == 1:
                    if real is float:
                        move_32(to, phase[0] + runs[r].at, length)
                    else:
                        move_64(to, phase[0] + runs[r].at, length)
                    continue
                length = min(length * step, plan.wo - runs[r].qx * step)
                if packed:
                    full = length // step
                    for ix in range(step):
                        lines[ix] = phase[ix]
                        if layout.x_place[ix] >= 0:
                            lines[ix] += runs[r].at
                    if step == 2:
                        if real is float:
                            zip_32(to, lines[0], lines[1], full)
                        else:
                            zip_64(to, lines[0], lines[1], full)
                    elif real is float:
                        weave_32(to, lines, step, full)
                    else:
                        weave_64(to, lines, step, full)
                    for ix in range(length - full * step):
                        to[full * step + ix] = lines[ix][full]
                    continue
                if layout.x_gaps > 0:
                    fill[real](to, plan.ox, value, length)
                for ix in range(phases):
                    rx = layout.x_phase[ix]
                    a = sums + slot[ix] * plan.sums_row + runs[r].at
                    full = (length - rx + step - 1) // step if length > rx else 0
                    for j in range(full):
                        to[(j * step + rx) * plan.ox] = a[j]


cdef void write_gaps(Plan plan, Layout layout, Py_ssize_t chunk, const real* bias, real* out,
                     const Run* runs, Py_ssize_t count) noexcept nogil:
    """Write the rows of a chunk that no tap reaches."""
    cdef Py_ssize_t first_lane = layout.panel_lane[layout.chunk_panel[chunk]]
    cdef Py_ssize_t co, gap, r, oz, oy, end, length, phases = layout.row_phases * layout.x_phases
    cdef real value
    cdef real* to
    for co in range(layout.chunk_co[chunk], layout.chunk_co[chunk + 1]):
        value = bias[first_lane + layout.slot[co * phases]]
        for gap in range(layout.row_gaps):
            for r in range(count):
                oz = runs[r].qz * layout.sz + layout.gap_z[gap]
                if oz >= plan.dout:
                    continue
                oy = runs[r].qy * layout.sy + layout.gap_y[gap]
                end = min(oy + layout.gap_rows[gap], plan.ho)
                length = min(runs[r].length * layout.sx, plan.wo - runs[r].qx * layout.sx)
                to = (out + runs[r].n * plan.on + co * plan.oc + oz * plan.oz + oy * plan.oy
                      + runs[r].qx * layout.sx * plan.ox)
                if plan.ox == 1 and length == plan.oy and oy < end:
                    # These rows follow each other.
                    length *= end - oy
                    end = oy + 1
                while oy < end:
                    fill[real](to, plan.ox, value, length)
                    to += plan.oy
                    oy += 1


cdef inline void fill(real* to, Py_ssize_t step, real value, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    if step != 1:
        for j in range(n):
            to[j * step] = value
    elif real is float:
        fill_32(to, value, n)
    else:
        fill_64(to, value, n)


# --- stamps --------------------------------------------------------------------------------------

cdef inline void stamp_item(Plan plan, Layout layout, Py_ssize_t item, const real* x,
                            const real* packed, const real* biases, real* out, real* slab,
                            real* sums, Run* runs, piece_t* pieces) noexcept nogil:
    """Make some rows of an image's result, of a group's range of lanes.

    Band by band of the input, every tap's product with every pixel is made; then the output rows
    that need no further one are added up and written.
    """
    cdef Py_ssize_t part = item % plan.parts, rest = item // plan.parts
    cdef Py_ssize_t split = rest % plan.splits, g = rest // plan.splits % layout.groups
    cdef Py_ssize_t n = rest // plan.splits // layout.groups
    cdef Py_ssize_t first_chunk = layout.chunks * split // plan.splits
    cdef Py_ssize_t end_chunk = layout.chunks * (split + 1) // plan.splits
    cdef Py_ssize_t oy = plan.ho * part // plan.parts, end = plan.ho * (part + 1) // plan.parts
    cdef Py_ssize_t base_lane = layout.panel_lane[layout.chunk_panel[first_chunk]]
    cdef Py_ssize_t low = layout.row_phase_y[0], high = low, y, row, last, length, at, some, count
    cdef Py_ssize_t chunk, co, done
    cdef real* band
    cdef real* lines = sums + plan.sums_size - layout.sx * plan.line
    for y in range(layout.row_phases):
        low, high = min(low, layout.row_phase_y[y]), max(high, layout.row_phase_y[y])
    x += g * layout.ci * plan.xc
    packed += g * layout.ci * layout.weights
    biases += g * layout.biases
    out += n * plan.on + g * layout.co * plan.oc
    # The first and the last row of the input that these rows read.
    row = max(up(max(oy - high, 0), layout.sy), 0) // plan.rows * plan.rows
    last = plan.hi - 1
    if end - 1 - low < plan.hi * layout.sy:
        last = (end - 1 - low) // layout.sy if end - 1 >= low else -1
    while oy < end:
        if row <= last:
            length = min(plan.rows, plan.hi - row) * plan.wi
            band = sums + row // plan.rows % plan.ring * plan.band
            at = 0
            while at < length:
                some = min(plan.pixels, length - at)
                count = list_runs(plan, (n * plan.hi + row) * plan.wi + at, some, 0, runs)
                gather[real](plan, layout, x, layout.ci, slab, runs, count, pieces)
                clear_rest[real](plan, layout, slab, layout.ci, some, 0)
                for chunk in range(first_chunk, end_chunk):
                    pixels_chunk[real](plan, layout, chunk, slab, layout.ci, packed, biases, 0,
                                       band + at, 1, some, base_lane, NULL, runs, 0)
                at += some
            row += plan.rows
        done = end if row > last else min(end, row * layout.sy + low)
        while oy < done:
            for chunk in range(first_chunk, end_chunk):
                for co in range(layout.chunk_co[chunk], layout.chunk_co[chunk + 1]):
                    add_up_row[real](
                        plan, layout, sums + (layout.panel_lane[layout.chunk_panel[chunk]]
                                              - base_lane) * plan.sums_row,
                        co, oy, biases[layout.lanes + co],
                        out + co * plan.oc + oy * plan.oy, lines)
            oy += 1


cdef void add_up_row(Plan plan, Layout layout, const real* sums, Py_ssize_t co, Py_ssize_t oy,
                     real bias, real* out, real* lines) noexcept nogil:
    """Write a row of the result: a pixel is the bias and the products that land there."""
    cdef Py_ssize_t y, x, f, iy, length, rows = 0, step = layout.sx, line = plan.line
    cdef Py_ssize_t q = oy // layout.sy, r = oy - q * layout.sy
    cdef bint packed = plan.ox == 1
    cdef stamp_t[STAMPS] stamps
    cdef const Py_ssize_t* slot[STAMPS]
    cdef const real* row[STAMPS]
    cdef const real* some[4]
    cdef int count
    if step == 1 and packed:
        lines = out
    for y in range(layout.row_phases):
        iy = q - layout.y_shift[y]
        if layout.y_fold[y] == r and 0 <= iy < plan.hi:
            slot[rows] = layout.slot + (co * layout.row_phases + y) * layout.x_phases
            row[rows] = sums + plan.ring_at[iy]
            rows += 1
    for f in range(step):
        count = 0
        for y in range(rows):
            for x in range(layout.fold_first[f], layout.fold_first[f + 1]):
                stamps[count].low = layout.x_shift[x]
                stamps[count].products = row[y] + slot[y][x] * plan.sums_row - layout.x_shift[x]
                count += 1
        length = up(plan.wo - f, step) if plan.wo > f else 0
        if real is float:
            add_up_32(lines + f * line, bias, stamps, count, plan.wi, length)
        else:
            add_up_64(lines + f * line, bias, stamps, count, plan.wi, length)
    if step == 1 and packed:
        return
    length = plan.wo // step
    if packed and step == 2:
        if real is float:
            zip_32(out, lines, lines + line, length)
        else:
            zip_64(out, lines, lines + line, length)
    elif packed and (step == 3 or step == 4):
        for f in range(step):
            some[f] = lines + f * line
        if real is float:
            weave_32(out, some, step, length)
        else:
            weave_64(out, some, step, length)
    else:
        length = 0
    for x in range(length * step, plan.wo):
        out[x * plan.ox] = lines[x % step * line + x // step]


# --- vectors of lanes ----------------------------------------------------------------------------

cdef inline void channels_chunk(Plan plan, Layout layout, Py_ssize_t panel, const real* tiles,
                                Py_ssize_t channels, const real* weights, const real* bias,
                                Py_ssize_t b, real* out, real* sums, const Run* runs,
                                Py_ssize_t count, Py_ssize_t base_lane) noexcept nogil:
    """Add a block of input channels to a panel's sums, over a block's pixels; write the last."""
    cdef Py_ssize_t cls = layout.panel_class[panel], width = layout.panel_width[panel]
    cdef Py_ssize_t taps = layout.class_first[cls + 1] - layout.class_first[cls]
    cdef const Py_ssize_t* tap = plan.tap + layout.class_first[cls]
    cdef const real* w = weights + layout.panel_prefix[panel] * channels
    cdef const real* init = bias + layout.panel_lane[panel] if b == 0 else NULL
    cdef real* c = sums
    cdef real* x[UPSHAPE_TILE_PIXELS]
    cdef real* to[UPSHAPE_TILE_PIXELS]
    cdef Py_ssize_t[UPSHAPE_TILE_PIXELS] used
    cdef Py_ssize_t r, j, m = 0, oz, oy, ox, done, length = runs[0].length
    # As few tiles as there can be, and as even.
    cdef Py_ssize_t pieces = up(count * length, UPSHAPE_TILE_PIXELS), piece = 0
    cdef Py_ssize_t some = plan.piece(count * length, pieces, 0)
    cdef bint last = b == layout.blocks - 1
    if layout.blocks > 1:
        c = sums + (layout.panel_lane[panel] - base_lane) * plan.sums_row
    for r in range(count):
        oz = runs[r].qz * layout.sz + layout.panel_rz[panel]
        oy = runs[r].qy * layout.sy + layout.panel_ry[panel]
        for j in range(length):
            x[m] = <real*>tiles + r * plan.slab_y + j * plan.slab_x
            ox = (runs[r].qx + j) * layout.sx + layout.panel_rx[panel]
            used[m] = layout.panel_length[panel]
            if layout.lane_step_x:
                used[m] = min(used[m], plan.wo - ox)
            if oz >= plan.dout or oy >= plan.ho or ox >= plan.wo:
                used[m] = 0
            to[m] = (out + runs[r].n * plan.on + layout.panel_co[panel] * plan.oc + oz * plan.oz
                     + oy * plan.oy + ox * plan.ox)
            m += 1
            if m < some:
                continue
            piece += 1
            some = plan.piece(count * length, pieces, piece)
            if real is float:
                tile_channels_32(<int>m, <int>(width // plan.vector), x, plan.slab_c, tap, taps,
                                 channels, w, init, c)
            else:
                tile_channels_64(<int>m, <int>(width // plan.vector), x, plan.slab_c, tap, taps,
                                 channels, w, init, c)
            if last:
                for done in range(m):
                    if real is float:
                        move_32(to[done], c + done * width, used[done])
                    else:
                        move_64(to[done], c + done * width, used[done])
            if layout.blocks > 1:
                c += m * width
            m = 0


cdef inline void turned_panel(Plan plan, Layout layout, Py_ssize_t chunk, Py_ssize_t panel,
                              const real* tiles, Py_ssize_t channels, const real* weights,
                              const real* bias, Py_ssize_t b, real* sums, Py_ssize_t qz, Py_ssize_t y0,
                              Py_ssize_t rows, Py_ssize_t length,
                              Py_ssize_t base_lane) noexcept nogil:
    """Add a block of input channels to a panel's sums, over a block's pixels; turn the last.

    A tile is of one row, or of some short ones, and leaves out the taps that none of these can
    read, whichever of them are in this block: what is left out depends on no block, nor on threads.
    """
    cdef Py_ssize_t cls = layout.panel_class[panel], width = layout.panel_width[panel]
    cdef Py_ssize_t first, end, across = layout.class_width[cls]
    cdef const real* w = weights + layout.panel_prefix[panel] * channels
    cdef const real* init = bias + layout.panel_lane[panel] if b == 0 else NULL
    cdef real* turned = sums + plan.turned_at + plan.sums_row * (
        layout.panel_lane[panel] - layout.panel_lane[layout.chunk_panel[chunk]])
    cdef real* c = sums + plan.turned_at + layout.most_chunk_lanes * plan.sums_row
    cdef real* x[UPSHAPE_TILE_PIXELS]
    cdef Py_ssize_t some = max(UPSHAPE_TILE_PIXELS // plan.qx, 1), row = 0, last, column
    cdef Py_ssize_t pieces = up(length, UPSHAPE_TILE_PIXELS), piece, count, m, low, high, t, r
    if layout.blocks > 1:
        c = sums + (layout.panel_lane[panel] - base_lane) * plan.pixels
    while row < rows:
        # Rows low .. high of the result, of which this block may have a part.
        low = (y0 + row) // some * some
        high = min(low + some, plan.qy) - 1
        last = min(high + 1 - y0, rows)
        first, end = layout.class_first[cls], layout.class_first[cls + 1]
        while first < end and not plan.reaches(first, qz, low, high):
            first += across
        while first < end and not plan.reaches(end - 1, qz, low, high):
            end -= across
        column = 0
        for piece in range(pieces):
            count = length // pieces + (piece < length % pieces)
            m = 0
            for r in range(row, last):
                for t in range(count):
                    x[m] = <real*>tiles + r * plan.slab_y + column + t
                    m += 1
            column += count
            if real is float:
                tile_channels_32(<int>m, <int>(width // plan.vector), x, plan.slab_c,
                                 plan.tap + first, end - first, channels,
                                 w + (first - layout.class_first[cls]) * channels * width, init, c)
            else:
                tile_channels_64(<int>m, <int>(width // plan.vector), x, plan.slab_c,
                                 plan.tap + first, end - first, channels,
                                 w + (first - layout.class_first[cls]) * channels * width, init, c)
            if b == layout.blocks - 1:
                if real is float:
                    turn_32(turned, plan.sums_row, c, m, width)
                else:
                    turn_64(turned, plan.sums_row, c, m, width)
            if layout.blocks > 1:
                c += m * width
            turned += m
        row = last
