"""Convolution and transposed convolution: products of small matrices, read from the input itself.

A transposed convolution with stride s is s ordinary convolutions of its input along each axis, one
for each phase r of the output index o = q s + r: the taps k with (r + p - k d) divisible by s land
there, and read the input at i = q + (r + p - k d) / s. An ordinary convolution is the case of one
phase that reads i = q s + k d - p. Phases whose taps read the same offsets form a class; with K for
(tap, input channel) and L ("lanes") for (phase, output channel), each class is a product

    C[L, pixel q] = bias[L] + sum over K of  W[K, L] X[K, q]
    X[(tap, c), q] = x[c, q + offset(tap)]

of which upshape/lanes.py makes the tables. No zeros are inserted. Three movements, a file each:

    pack.pxd      the pixels to where tiles read them: as they lie, a padded patch, or im2col
    multiply.pxd  a panel of weights times these pixels, tile by tile
    place.pxd     the sums into the result: interleaved, channels-last, transposed, or added up

blocking.pxd cuts the loops for a shape, by the estimates of cost.pxd; scratch.pxd has the working
memory. The loop nest, the same for all orders of work (docs/kernels.rst draws it):

    for block of pixels                 its patch stays in the second-level cache
        for block of input channels     sums over K, in pieces
            pack
            for chunk of lanes          what is placed together
                for panel of lanes, tile of pixels:  multiply
                place, after the last block of input channels

Threads share out blocks of pixels and ranges of lanes, never a sum: the bits do not depend on them.
With col2im every tap is a lane, which reads the pixel itself,

    P[(tap, channel), pixel i] = sum over c of  W[tap, channel, c] x[c, i]

and the products of a band of input rows wait in a ring, until all that land on a row of the output
are there: o = i s + k d - p, or i - (k d - p) in an ordinary convolution of stride 1.

The caller has checked the arguments; `run` checks once more that arrays lie as its plan says.
Nothing is allocated, and no Python object is touched, inside its parallel part. Layers whose
channels have no other channel to be summed with are depthwise.pyx's.

Register tiles (see tile.h), for the guard of the generated code:
tile_pixels_{32,64}_{NB}x{NV}, tile_channels_{32,64}_{MB}x{NV},
tile_{pairs,twins}_{32,64}_{NP}x{NV}
"""

cimport numpy as cnp
from cython.parallel cimport prange

from blocking cimport (
    OUTER_BYTES,
    PATCH_BYTES,
    Machine,
    choose_bands,
    choose_blocks,
    reach,
    set_bands,
    set_block,
    set_ring,
    tap_offset,
)
from border cimport Frame, check_arrays, check_weights, frame_of
from check cimport UPSHAPE_CHECK, check_parts
from cost cimport FAR_BYTES, NEAR_BYTES, count_block
from layer cimport (
    CHANNELS,
    COL2IM,
    DIRECT,
    IM2COL,
    PAIRS,
    PHASES,
    ROWS,
    TRANSPOSED,
    Ahead,
    Block,
    Blocking,
    Channels,
    Layer,
    Operands,
    Order,
    Run,
    first_lane,
    first_read,
    join_runs,
    list_runs,
    stack_runs,
    taps_of,
    tiles_write,
    up,
)
from multiply cimport lanes_chunk, pairs_chunk, pixels_chunk, transposed_panel
from pack cimport asks_ahead, clear_rest, fill_patch, im2col, look_ahead, share_lines
from place cimport add_up_row, place_gaps, place_rows
from scratch cimport Space, space_at, space_bytes
from tile cimport (
    UPSHAPE_TILE_REGISTERS,
    UPSHAPE_TILE_ROWS,
    UPSHAPE_TILE_VECTORS,
    UPSHAPE_VECTOR_BYTES,
    real,
)
from upshape._machine cimport (
    Scratch,
    Team,
    dismiss_team,
    form_team,
    give_scratch,
    share_begins,
    share_ends,
    take_scratch,
    team_begins,
    team_ends,
)

import numpy as np

cnp.import_array()

cdef enum:
    # Multiply-adds from which a second thread is worth waking.
    WORTH_A_THREAD = 400000
    MOST_WIDTH = 64  # lanes of a panel

SOURCES = ("rows", "flat", "im2col", "direct")
ORDERS = ("pixels", "pairs", "channels", "phases", "transposed", "col2im")

COUNTED = {
    "calls": "a call",
    "items": "a block of pixels, or a band, of a range of lanes",
    "products": "a vector of multiply-adds",
    "steps": "a tile's step along its sum, of one tap and input channel",
    "stalls": "a multiply-add that could be made while a tile waits, for its sums or for loads",
    "broadcasts": "a number spread over a vector",
    "loads": "a vector that is loaded to be multiplied",
    "shifted steps": "a tile's channel, which reads a line for the first of several taps",
    "shifted loads": "such a load from where vectors straddle lines",
    "direct loads": "such a load from the input itself",
    "outer lines": "64 bytes of a patch, or of a panel, that fits no first cache",
    "weight lines": "64 bytes of weights, read from an outer cache",
    "far weights": "64 bytes of weights that fit no second cache",
    "waited weights": "64 bytes of weights that are not hidden",
    "padded channels": "a channel of a patch",
    "padded rows": "a row of a patch",
    "padded vectors": "a vector copied to a patch",
    "stepped rows": "a row of a patch that takes every second pixel, or fewer",
    "stepped vectors": "a vector of it, by permutations",
    "picked": "an element that is copied on its own",
    "picked pixels": "a pixel whose channels are copied on their own",
    "pieces": "a piece of a row, copied by im2col",
    "stepped pieces": "such a piece of every second pixel, or fewer, by permutations",
    "picked pieces": "an element of such a piece that is copied on its own",
    "listed": "a piece that is listed before it is copied",
    "near lines": "64 bytes of an input that fits no first cache",
    "far lines": "64 bytes of an input that fits no second cache",
    "tiles": "a tile",
    "partial": "a vector of sums put aside and taken up again",
    "transposed": "a vector of sums transposed",
    "added rows": "a row of products that is added up",
    "added": "a vector of products that is added up",
    "placed rows": "a row of the result",
    "placed": "a vector of the result, or of sums moved there",
    "woven": "a vector of the result in which phases alternate",
    "paired": "such a vector that a tile writes itself",
    "scattered": "an element of the result that is placed on its own",
    "filled": "a vector of pixels that no tap reaches, or of all where the caller fills those",
    "near result": "64 bytes of a result that fits no first cache, each time they are written",
    "far result": "64 bytes of a result that fits no second cache, each time they are written",
    "collided": "64 bytes of an input that is read as it lies, which drop each other from caches",
    "waiting": "64 bytes of sums that fit no first cache while they wait to be placed",
    "far pieces": "a piece of a channel's plane of such a result",
    "picked lines": "an element that is picked from a line that a first cache has lost since",
    "asked lines": "such a line of an input that is asked for ahead",
    "runs": "a row of pixels, of a block of any rows",
    "paired rows": "a row that a tile writes itself and that ends within a vector",
    "page lines": "64 bytes of pixels a page apart, picked from an input that fits no second cache",
    "stray lines": "64 bytes of an input that is read as it lies and fits no second cache",
    "stepped lines": "64 bytes of an input step's further rows, read by im2col in pieces, of an "
                     "input that fits no second cache",
    "outer stepped": "such a line of an input that no cache holds",
}


cdef Machine machine


def configure(Py_ssize_t second_level_cache):
    """Tell the kernel how many bytes a core's second-level cache has.

    The patches of im2col, and those whose pixels are broadcast to a wide stride's phases, take 3/8
    of the cache. Such layers have many weights, which every block of pixels streams, so more pixels
    are better up to about 100 of 1200 products; beyond, less is gained than scratch is spent. 512
    KiB (Zen 3): 192 KiB; 1 MiB (Zen 4): 384; 2 MiB (Granite Rapids): 480, where 192 take 1.1 times
    as long for 1024 -> 512 channels.
    """
    machine.wide_patch = min(max(second_level_cache * 3 // 8, PATCH_BYTES), 480 << 10)


configure(512 << 10)


# --- a layer -------------------------------------------------------------------------------------

cdef class Layout:
    """What a layer's shape decides: the tables of upshape.lanes, as the loops walk them."""
    cdef Layer own
    cdef list kept

    def __init__(self, lanes, Py_ssize_t groups, Py_ssize_t area, bint transposed, bint single,
                 dict rates=None):
        """Hold the tables of a layer's lanes (see upshape.lanes) as the loops walk them.

        `area`: taps of the kernel. `transposed`: weights lie as a transposed convolution's.
        `single`: float32, else float64. `rates`: nanoseconds of each of COUNTED, 0 if left out.
        """
        cdef Layer* own = &self.own
        cdef int count
        for count, name in enumerate(COUNTED):
            own.rates[count] = 0 if rates is None else rates.get(name, 0)
        self.kept = []
        own.single = single
        own.order = <Order><int>ORDERS.index(lanes.order)
        own.lane_vectors = own.order in (CHANNELS, PHASES, TRANSPOSED)
        own.in_rows = own.order not in (CHANNELS, PHASES)
        own.groups, own.ci, own.co, own.area = groups, lanes.ci, lanes.co, area
        if transposed:
            own.weight_ci, own.weight_co = own.co * area, area
        else:
            own.weight_ci, own.weight_co = area, own.ci * area
        own.blocks = lanes.blocks
        own.block_channels = up(own.ci, own.blocks)
        self.hold_axes(lanes)
        self.hold_taps(lanes)
        self.hold_panels(lanes)

    cdef int hold_axes(self, lanes) except -1:
        """Note steps and phases."""
        cdef Layer* own = &self.own
        z, y, x = lanes.axes
        own.sz, own.isz, _ = z
        own.sy, own.isy, _ = y
        own.sx, own.isx, _ = x
        rows, gaps = lanes.row_phases, lanes.row_gaps
        x_at = [r for r, _ in x.phases]
        own.row_phases, own.x_phases = len(rows), len(x_at)
        own.row_phase_z = self.keep([rz for rz, _ in rows])
        own.row_phase_y = self.keep([ry for _, ry in rows])
        own.x_phase = self.keep(x_at)
        own.x_place = self.keep([x_at.index(r) if r in x_at else -1 for r in range(own.sx)])
        own.row_gaps = len(gaps)
        own.x_gaps = 0 if own.order == COL2IM else own.sx - len(x_at)
        own.gap_z, own.gap_y, own.gap_rows = (
            self.keep([gap[0] for gap in gaps]), self.keep([gap[1] for gap in gaps]),
            self.keep([gap[2] for gap in gaps]))
        own.y_fold = self.keep([ry % own.sy for _, ry in rows])
        own.y_shift = self.keep([ry // own.sy for _, ry in rows])
        own.low_phase_y = min([ry for _, ry in rows])
        own.high_phase_y = max([ry for _, ry in rows])
        own.x_shift = self.keep([r // own.sx for r in x_at])
        own.fold_first = self.keep(
            [sum([r % own.sx < fold for r in x_at]) for fold in range(own.sx + 1)])
        return 0

    cdef int hold_taps(self, lanes) except -1:
        """Note which offsets each class of phases reads."""
        cdef Layer* own = &self.own
        classes, offsets, taps = lanes.classes, lanes.offsets, lanes.classes.taps
        z_first, y_first, x_first = lanes.first
        own.z_first, own.y_first, own.x_first = z_first, y_first, x_first
        _, own.y_span, own.x_span = lanes.span
        depths = sorted({tz for tz, _, _ in taps})
        own.depths = len(depths)
        own.depth_z = self.keep([tz - z_first for tz in depths])
        own.classes, own.most_taps = len(classes.members), classes.most_taps
        own.offsets = len(offsets)
        own.class_first, own.class_width = self.keep(classes.first), self.keep(classes.across)
        own.tap_z = self.keep([tz - z_first for tz, _, _ in taps])
        own.tap_y = self.keep([ty - y_first for _, ty, _ in taps])
        own.tap_x = self.keep([tx - x_first for _, _, tx in taps])
        own.tap_depth = self.keep([depths.index(tz) for tz, _, _ in taps])
        numbers = {offset: number for number, offset in enumerate(offsets)}
        own.tap_id = self.keep([numbers[tap] for tap in taps])
        own.offset_z, own.offset_y, own.offset_x = (
            self.keep([offset[0] for offset in offsets]),
            self.keep([offset[1] for offset in offsets]),
            self.keep([offset[2] for offset in offsets]))
        return 0

    cdef int hold_panels(self, lanes) except -1:
        """Note the lanes of each panel, and where its weights are."""
        cdef Layer* own = &self.own
        panels, rows = lanes.panels, lanes.row_phases
        prefixes, firsts, prefix, lane = [], [], 0, 0
        for panel in panels:
            prefixes.append(prefix)
            firsts.append(lane)
            prefix += panel.width * lanes.classes.count(panel.tap_class)
            own.panel_taps += lanes.classes.count(panel.tap_class)
            lane += panel.width
        firsts.append(lane)
        own.weights, own.lanes = prefix, lane
        own.biases = lane + own.co if own.order == COL2IM else lane
        own.most_width = max([panel.width for panel in panels])
        own.panels, own.chunks = len(panels), len(lanes.chunk_panel) - 1
        own.most_chunk_lanes = max(
            [firsts[b] - firsts[a] for a, b in zip(lanes.chunk_panel, lanes.chunk_panel[1:])])
        own.panel_prefix, own.panel_lane = self.keep(prefixes), self.keep(firsts)
        (own.panel_class, own.panel_width, own.panel_rz, own.panel_ry, own.panel_rx,
         own.panel_co, own.panel_length, own.panel_second) = (
            self.keep([panel[0] for panel in panels]), self.keep([panel[1] for panel in panels]),
            self.keep([panel[2] for panel in panels]), self.keep([panel[3] for panel in panels]),
            self.keep([panel[4] for panel in panels]), self.keep([panel[5] for panel in panels]),
            self.keep([panel[6] for panel in panels]), self.keep([panel[7] for panel in panels]))
        most = [max(min(UPSHAPE_TILE_REGISTERS // panel.width, UPSHAPE_TILE_VECTORS), 1)
                for panel in panels]
        own.panel_most, own.least_most = self.keep(most), min(most)
        own.lane_co, own.lane_kernel = self.keep(lanes.lane_channel), self.keep(lanes.lane_kernel)
        own.lane_rz = self.keep([rows[row][0] for row in lanes.lane_row])
        own.lane_ry = self.keep([rows[row][1] for row in lanes.lane_row])
        kinds = {}
        for panel in panels:
            count, taps = kinds.get(panel.width, (0, 0))
            kinds[panel.width] = count + 1, taps + lanes.classes.count(panel.tap_class)
        own.kinds = len(kinds)
        own.kind_width = self.keep(list(kinds))
        own.kind_panels = self.keep([count for count, _ in kinds.values()])
        own.kind_taps = self.keep([taps for _, taps in kinds.values()])
        own.kernel, own.slot = self.keep(lanes.classes.kernel), self.keep(lanes.slot)
        own.chunk_panel, own.chunk_co = (
            self.keep(lanes.chunk_panel), self.keep(lanes.chunk_channel))
        return 0

    cdef Py_ssize_t* keep(self, values) except NULL:
        """Return a C array of these values that lives as long as this object."""
        cdef cnp.ndarray array = np.array(values if values else [0], np.intp)
        self.kept.append(array)
        return <Py_ssize_t*>cnp.PyArray_DATA(array)

    @property
    def pairs(self):
        """Whether a tile makes both phases of a row."""
        return self.own.order == PAIRS

    @property
    def nbytes(self):
        """Bytes that the tables take."""
        return 1000 + sum([array.nbytes for array in self.kept])

    @property
    def packed_bytes(self):
        """How many bytes packed weights take."""
        return ((self.own.groups * (self.own.ci * self.own.weights + self.own.biases)
                 + UPSHAPE_VECTOR_BYTES) * (4 if self.own.single else 8))

    def pack(self, cnp.ndarray weight not None, cnp.ndarray bias, cnp.ndarray packed=None):
        """Return the weights (C-contiguous, of this layout's shape and dtype) in the order of use.

        [group][block of input channels][panel][tap][channel][lane], then the biases [group][lane].
        They are put into `packed` if that is given, memory of packed_bytes or more.
        """
        if packed is None:
            packed = np.empty(self.packed_bytes, np.uint8)
        cdef Py_ssize_t channels = self.own.groups * self.own.co
        check_weights(weight, channels * self.own.ci * self.own.area, bias, channels, packed,
                      self.packed_bytes, self.own.single)
        cdef const void* w = cnp.PyArray_DATA(weight)  # IN
        cdef const void* b = NULL if bias is None else cnp.PyArray_DATA(bias)  # IN
        cdef void* p = cnp.PyArray_DATA(packed)  # OUT
        with nogil:
            if self.own.single:
                pack_weights[float](&self.own, <const float*>w, <const float*>b, <float*>p)
            else:
                pack_weights[double](&self.own, <const double*>w, <const double*>b, <double*>p)
        return packed


def tile(bint single):
    """Return what tiles hold: lanes, vectors, vectors side by side, numbers of a vector."""
    return (UPSHAPE_TILE_ROWS, UPSHAPE_TILE_REGISTERS, UPSHAPE_TILE_VECTORS,
            UPSHAPE_VECTOR_BYTES // (4 if single else 8))


cdef void pack_weights(const Layer* layer, const real* weight, const real* bias,
                       real* packed) noexcept nogil:
    """Put all weights in the order of use, and the biases behind them."""
    cdef Py_ssize_t g, b, panel, first, count
    cdef real* out = packed
    for g in range(layer.groups):
        for b in range(layer.blocks):
            first = layer.ci * b // layer.blocks
            count = layer.ci * (b + 1) // layer.blocks - first
            for panel in range(layer.panels):
                pack_panel[real](layer, panel, count, weight + g * layer.ci * layer.co * layer.area
                                 + first * layer.weight_ci, out)
                out += taps_of(layer, panel) * layer.panel_width[panel] * count
    UPSHAPE_CHECK(out == packed + layer.groups * layer.ci * layer.weights)
    for g in range(layer.groups):
        pack_biases[real](layer, bias if bias == NULL else bias + g * layer.co, out)
        out += layer.biases


cdef inline void pack_panel(const Layer* layer, Py_ssize_t panel, Py_ssize_t channels,
                            const real* weight, real* out) noexcept nogil:
    """Put a panel's weights of a block of input channels in the order of use."""
    cdef Py_ssize_t tap, lane, c, width = layer.panel_width[panel]
    cdef Py_ssize_t first = layer.panel_lane[panel]
    cdef Py_ssize_t[MOST_WIDTH] base
    UPSHAPE_CHECK(width <= MOST_WIDTH and first + width <= layer.lanes)
    UPSHAPE_CHECK(layer.panel_prefix[panel] + taps_of(layer, panel) * width <= layer.weights)
    for tap in range(taps_of(layer, panel)):
        for lane in range(width):
            base[lane] = -1
            UPSHAPE_CHECK(layer.lane_co[first + lane] < layer.co)
            if layer.lane_co[first + lane] >= 0:
                UPSHAPE_CHECK(0 <= layer.kernel[layer.lane_kernel[first + lane] + tap])
                UPSHAPE_CHECK(layer.kernel[layer.lane_kernel[first + lane] + tap] < layer.area)
                base[lane] = (layer.lane_co[first + lane] * layer.weight_co
                              + layer.kernel[layer.lane_kernel[first + lane] + tap])
        for c in range(channels):
            for lane in range(width):
                if base[lane] >= 0:
                    out[lane] = weight[base[lane] + c * layer.weight_ci]
                else:
                    out[lane] = 0
            out += width


cdef inline void pack_biases(const Layer* layer, const real* bias, real* out) noexcept nogil:
    """Put a group's biases in the order of use, zeros if there are none."""
    cdef Py_ssize_t lane
    for lane in range(layer.lanes):
        out[lane] = 0
        if bias != NULL and layer.lane_co[lane] >= 0 and layer.order != COL2IM:
            out[lane] = bias[layer.lane_co[lane]]
    for lane in range(layer.lanes, layer.biases):
        out[lane] = bias[lane - layer.lanes] if bias != NULL else 0


# --- one input shape -----------------------------------------------------------------------------

# A call: what its threads share.
cdef struct Task:
    const Layer* layer
    const Blocking* plan
    const void* x
    const void* packed
    void* out
    char* space
    size_t bytes  # of the space, for each thread


cdef class Plan:
    """How one shape of input goes through a layout: the tiles' source, blocks, threads' shares."""
    cdef Layout layout
    cdef Blocking own
    cdef readonly size_t thread_bytes
    cdef list kept
    cdef Frame source_frame, result_frame
    cdef Py_ssize_t packed_bytes

    def __init__(self, Layout layout, tuple x_shape, tuple x_strides, tuple out_shape,
                 tuple out_strides, int threads, source=None, block=None):
        """Plan for (N, C, D, H, W) arrays, of which D and H may be 1; strides count elements.

        `source` allows one of SOURCES only, `block` (rows, columns) one size of blocks: tests hold
        them against each other, benchmarks time them.
        """
        cdef Blocking* own = &self.own
        self.layout, self.kept = layout, []
        own.n, _, own.di, own.hi, own.wi = x_shape
        _, _, own.dout, own.ho, own.wo = out_shape
        own.xn, own.xc, own.xz, own.xy, own.xx = x_strides
        own.on, own.oc, own.oz, own.oy, own.ox = out_strides
        self.source_frame = frame_of(x_shape, x_strides)
        self.result_frame = frame_of(out_shape, out_strides)
        self.packed_bytes = layout.packed_bytes
        self.count_work(threads)
        if layout.own.order == COL2IM:
            self.plan_bands(-1 if block is None else block[0])
        elif block is None:
            choose_blocks(&layout.own, own, &machine,
                          -1 if source is None else SOURCES.index(source))
        else:
            set_block(&layout.own, own, SOURCES.index(source), block[0], block[1])
        if layout.own.order != COL2IM:
            count_block(&layout.own, own)
        self.place_taps()
        self.thread_bytes = space_bytes(&layout.own, own)

    cdef void count_work(self, int threads) noexcept:
        """Note what does not depend on how the loops are cut: pixels q, planes, threads."""
        cdef const Layer* layer = &self.layout.own
        cdef Blocking* own = &self.own
        cdef Py_ssize_t t, item = 4 if layer.single else 8
        cdef double work, result
        own.fits = True
        own.qz, own.qy, own.qx = (
            up(own.dout, layer.sz), up(own.ho, layer.sy), up(own.wo, layer.sx))
        own.vector = UPSHAPE_VECTOR_BYTES // item
        # If every offset is a multiple of the step, all are in one plane.
        own.planes_y, own.planes_x = 1, 1
        for t in range(layer.offsets):
            if (layer.offset_y[t] - layer.y_first) % layer.isy != 0:
                own.planes_y = min(layer.isy, layer.y_span)
            if (layer.offset_x[t] - layer.x_first) % layer.isx != 0:
                own.planes_x = min(layer.isx, layer.x_span)
        work = (<double>own.n * own.qz * own.qy * own.qx * layer.groups * layer.ci
                * (layer.weights + layer.lanes))
        own.threads = <int>max(min(<double>threads, work / WORTH_A_THREAD), 1.0)
        result = <double>own.n * layer.groups * layer.co * own.dout * own.ho * own.wo * item
        own.outer_result = result > OUTER_BYTES
        # What a call touches in all is what the next one finds, or not, in a cache.
        work = <double>own.n * layer.groups * layer.ci * own.di * own.hi * own.wi * item
        work += <double>layer.weights * layer.ci * layer.groups * item + result
        own.far, own.near = work > FAR_BYTES, work > NEAR_BYTES
        if layer.order == TRANSPOSED:
            own.reached = reach(layer, own)

    cdef int plan_bands(self, Py_ssize_t rows) except -1:
        """Cut an image in bands of so many rows, or of what is estimated to cost least (-1)."""
        cdef Py_ssize_t* ring_at
        self.own.qy, self.own.qx = self.own.hi, self.own.wi
        if rows >= 0:
            set_bands(&self.layout.own, &self.own, &machine, rows)
        else:
            choose_bands(&self.layout.own, &self.own, &machine)
        ring_at = self.keep(self.own.hi)
        set_ring(&self.own, ring_at)
        self.own.ring_at = ring_at
        return 0

    cdef int place_taps(self) except -1:
        """Note where each tap's pixels are, from those of the first."""
        cdef const Layer* layer = &self.layout.own
        cdef Py_ssize_t t, count = layer.class_first[layer.classes]
        cdef Py_ssize_t* tap = self.keep(count + 1)
        for t in range(count):
            tap[t] = tap_offset(layer, &self.own, t)
        self.own.tap = tap
        return 0

    cdef Py_ssize_t* keep(self, Py_ssize_t count) except NULL:
        """Return a C array of so many numbers that lives as long as this object."""
        cdef cnp.ndarray array = np.empty(count, np.intp)
        self.kept.append(array)
        return <Py_ssize_t*>cnp.PyArray_DATA(array)

    @property
    def threads(self):
        """How many threads the work is cut for."""
        return self.own.threads

    @property
    def fits(self):
        """Whether the scratch of a thread is bounded."""
        return self.own.fits

    @property
    def nanoseconds(self):
        """Estimated time of the busiest thread."""
        return self.own.nanoseconds

    @property
    def counts(self):
        """What the busiest thread does, by the names of COUNTED."""
        return {name: self.own.done[count] for count, name in enumerate(COUNTED)}

    @property
    def description(self):
        """What was chosen, in words and numbers, for tests and benchmarks."""
        return {
            "order": ORDERS[self.layout.own.order], "source": SOURCES[self.own.source],
            "rows": self.own.rows, "columns": self.own.columns, "items": self.own.items,
            "splits": self.own.splits, "threads": self.own.threads,
            "channel blocks": self.layout.own.blocks, "panels": self.layout.own.panels,
        }

    @property
    def nbytes(self):
        """Bytes that this plan takes, but for its layout."""
        return 1000 + sum([array.nbytes for array in self.kept])

    cpdef Scratch take(self):
        """Return the working memory of a run, to be handed to it."""
        if not self.own.fits:
            raise ValueError("this layout does not fit the scratch of a thread")
        return take_scratch(self.thread_bytes * self.own.threads)

    cpdef run(self, cnp.ndarray x, cnp.ndarray packed, cnp.ndarray out, Scratch scratch=None):
        """Compute the layer; x and out have the shapes and strides of this plan."""
        check_arrays(x, &self.source_frame, out, &self.result_frame, packed, self.packed_bytes,
                     self.layout.own.single)
        if scratch is None:
            scratch = self.take()
        elif scratch.bytes < self.thread_bytes * self.own.threads:
            raise ValueError("the scratch was taken for another plan")
        cdef Task task
        task.layer, task.plan, task.bytes = &self.layout.own, &self.own, self.thread_bytes
        task.x = cnp.PyArray_DATA(x)  # IN
        task.packed = cnp.PyArray_DATA(packed)  # IN
        task.out = cnp.PyArray_DATA(out)  # OUT
        task.space = scratch.aligned
        cdef Team team
        cdef int t, threads = self.own.threads
        form_team(&team, threads)
        with nogil:
            if team.threads == 1:
                for t in range(threads):
                    run_thread(&task, t)
            else:
                team_begins(&team)
                for t in prange(threads, schedule="static", num_threads=team.threads):
                    share_begins(&team, t)
                    run_thread(&task, t)
                    share_ends(&team, t)
                team_ends(&team)
        dismiss_team(&team)
        give_scratch(scratch)


# --- the loop nest -------------------------------------------------------------------------------

cdef void run_thread(const Task* task, int thread) noexcept nogil:
    """Do one thread's share, in its part of the scratch."""
    cdef char* start = task.space + thread * task.bytes
    cdef char* end = start
    cdef Space space = space_at(task.layer, task.plan, &end)
    UPSHAPE_CHECK(end <= start + task.bytes)
    if task.layer.single:
        run_share[float](task, thread, &space, <const float*>task.x, <const float*>task.packed,
                         <float*>task.out)
    else:
        run_share[double](task, thread, &space, <const double*>task.x, <const double*>task.packed,
                          <double*>task.out)
    check_parts(start, end)


cdef void run_share(const Task* task, int thread, const Space* space, const real* x,
                    const real* packed, real* out) noexcept nogil:
    """Do one thread's items: each a group, a range of lanes and a block of pixels."""
    cdef Py_ssize_t item, first, end
    first = task.plan.items * thread // task.plan.threads
    end = task.plan.items * (thread + 1) // task.plan.threads
    for item in range(first, end):
        if task.layer.order == COL2IM:
            run_bands[real](task.layer, task.plan, item, space, x, packed, out)
        else:
            run_item[real](task.layer, task.plan, item, end, space, x, packed, out)


cdef inline const real* biases_of(const Layer* layer, Py_ssize_t g,
                                  const real* packed) noexcept nogil:
    """Return the biases of a group: they follow all weights."""
    return packed + layer.groups * layer.ci * layer.weights + g * layer.biases


cdef inline Operands operands_of(const Space* space, const void* bias,
                                 Ahead* ahead) noexcept nogil:
    """Return where sums wait and what they begin with; pixels and weights come with each block."""
    cdef Operands operands
    operands.tiles = operands.weights = NULL
    operands.bias, operands.sums, operands.tile = bias, space.sums, space.tile
    operands.ahead = ahead
    ahead.wait = ahead.each = ahead.channel = ahead.channels = 0
    return operands


cdef inline void run_item(const Layer* layer, const Blocking* plan, Py_ssize_t item,
                          Py_ssize_t end, const Space* space, const real* x, const real* packed,
                          real* out) noexcept nogil:
    """Compute a block of pixels, of a group's range of lanes; items up to `end` will follow."""
    cdef Py_ssize_t blocks = plan.image_blocks * plan.y_blocks * plan.x_blocks
    cdef Py_ssize_t rest = item // blocks, chunk, b, first
    cdef Py_ssize_t split = rest % plan.splits, g = rest // plan.splits
    cdef const real* bias = biases_of[real](layer, g, packed)
    cdef Ahead ahead
    cdef Operands operands = operands_of(space, bias, &ahead)
    cdef Channels channels
    cdef Block block
    set_pixels(layer, plan, item % blocks, space.runs, &block)
    block.first_chunk = layer.chunks * split // plan.splits
    block.end_chunk = layer.chunks * (split + 1) // plan.splits
    block.base_lane = first_lane(layer, block.first_chunk)
    for b in range(layer.blocks):
        first = layer.ci * b // layer.blocks
        channels.count = layer.ci * (b + 1) // layer.blocks - first
        channels.first, channels.last = b == 0, b == layer.blocks - 1
        operands.weights = packed + (g * layer.ci + first) * layer.weights
        operands.tiles = pack_pixels[real](layer, plan, &block, &channels,
                                           x + (g * layer.ci + first) * plan.xc, space)
        if asks_ahead(layer, plan):
            set_ahead[real](layer, plan, &block, item, end, b + 1, channels.count, x, &ahead)
        for chunk in range(block.first_chunk, block.end_chunk):
            if layer.blocks == 1:
                block.base_lane = first_lane(layer, chunk)
            run_chunk[real](layer, plan, &block, &channels, chunk, &operands, space,
                            out + g * layer.co * plan.oc)


cdef inline void set_ahead(const Layer* layer, const Blocking* plan, const Block* block,
                           Py_ssize_t item, Py_ssize_t end, Py_ssize_t b, Py_ssize_t channels,
                           const real* x, Ahead* ahead) noexcept nogil:
    """Find what is packed next: the item's block `b` of channels, or the next item's first."""
    cdef Py_ssize_t blocks = plan.image_blocks * plan.y_blocks * plan.x_blocks, first, count
    if b == layer.blocks:
        item += 1
        b = 0
        if item == end:
            return
    first = layer.ci * b // layer.blocks
    count = layer.ci * (b + 1) // layer.blocks - first
    first += item // blocks // plan.splits * layer.ci
    look_ahead(layer, plan, item % blocks, count, <const char*>(x + first * plan.xc), ahead)
    share_lines(layer, plan, block.segments, block.length, channels, ahead)


cdef inline void set_pixels(const Layer* layer, const Blocking* plan, Py_ssize_t index, Run* runs,
                            Block* block) noexcept nogil:
    """Fill in which pixels a block has, and where they are placed."""
    cdef Py_ssize_t i, image, shift
    cdef Py_ssize_t x_block = index % plan.x_blocks
    cdef Py_ssize_t y_block = index // plan.x_blocks % plan.y_blocks
    block.n = block.qz = block.y = block.x = block.rows = 0
    block.segments = 1
    image = index // plan.x_blocks // plan.y_blocks
    if plan.source == IM2COL:
        block.y = x_block * plan.pixels
        block.length = min(plan.pixels, plan.n * plan.qz * plan.qy * plan.qx - block.y)
        block.count = list_runs(plan, block.y, block.length, 0, runs)
    elif plan.source == DIRECT and not layer.lane_vectors:
        block.n, block.x = image, x_block * plan.pixels
        block.length = min(plan.pixels, plan.qz * plan.qy * plan.qx - block.x)
        # Whole vectors to the last pixel of the plane: begin a little earlier, in the block before.
        shift = (plan.vector - block.length % plan.vector) % plan.vector
        if x_block < plan.x_blocks - 1:
            shift = 0
        block.count = list_runs(plan, image * plan.qz * plan.qy * plan.qx + block.x, block.length,
                                shift, runs)
        block.length += shift
        block.x -= shift
    else:
        block.n, block.qz = image // plan.qz, image % plan.qz
        block.y, block.x = y_block * plan.rows, x_block * plan.columns
        block.rows = block.count = min(plan.rows, plan.qy - block.y)
        block.length = min(plan.columns, plan.qx - block.x)
        for i in range(block.rows):
            runs[i].n, runs[i].qz, runs[i].qy, runs[i].qx = (
                block.n, block.qz, block.y + i, block.x)
            runs[i].length = block.length
            runs[i].at = i * (block.length if layer.order == TRANSPOSED else plan.row_length)
        if plan.source == ROWS:
            block.segments = block.rows
        else:
            block.length += (block.rows - 1) * plan.row_length
    UPSHAPE_CHECK(0 < block.count <= plan.most_runs)
    block.listed = block.count
    if layer.in_rows and layer.sy == layer.sx == plan.ox == 1 and plan.oy == plan.wo:
        block.count = join_runs(plan, runs, block.count, runs + plan.most_runs)
        runs += plan.most_runs
    stack_runs(runs, block.count)
    block.runs = runs


cdef inline const real* pack_pixels(const Layer* layer, const Blocking* plan, const Block* block,
                                    const Channels* channels, const real* x,
                                    const Space* space) noexcept nogil:
    """Return where tiles read a block's pixels of these channels: packed, unless as they lie."""
    cdef real* patch = <real*>space.patch
    cdef Py_ssize_t rows = plan.patch_rows - plan.rows + block.rows
    if plan.source == IM2COL:
        im2col[real](layer, plan, x, channels.count, patch, space.runs, block.listed, space.pieces)
    elif plan.source == DIRECT:
        return x + block.n * plan.xn + first_read(layer, plan, block)
    else:
        fill_patch[real](layer, plan, x + block.n * plan.xn, channels.count, channels.last, patch,
                         block.qz, block.y, block.x, rows)
    if not layer.lane_vectors:
        clear_rest[real](layer, plan, patch, channels.count, block.length, rows)
    return patch


cdef inline void run_chunk(const Layer* layer, const Blocking* plan, const Block* block,
                           const Channels* channels, Py_ssize_t chunk, const Operands* operands,
                           const Space* space, real* out) noexcept nogil:
    """Multiply a chunk's panels; place its sums if they are complete."""
    cdef const real* bias = <const real*>operands.bias
    cdef const real* sums = <const real*>operands.sums
    cdef Py_ssize_t panel, lane = first_lane(layer, chunk)
    cdef bint written = False
    if layer.order == TRANSPOSED:
        sums = <real*>space.placed
        for panel in range(layer.chunk_panel[chunk], layer.chunk_panel[chunk + 1]):
            UPSHAPE_CHECK((layer.panel_lane[panel] - lane + layer.panel_width[panel])
                          * plan.sums_row <= plan.placed_size)
            transposed_panel[real](
                layer, plan, block, channels, panel, operands,
                <real*>space.placed + plan.sums_row * (layer.panel_lane[panel] - lane))
    elif layer.lane_vectors:
        lanes_chunk[real](layer, plan, block, channels, chunk, operands, out)
    elif layer.order == PAIRS:
        written = channels.last and tiles_write(layer, plan)
        pairs_chunk[real](layer, plan, block, channels, chunk, operands, out, written)
    else:
        pixels_chunk[real](layer, plan, block, channels, chunk, operands, out)
    if not (channels.last and layer.in_rows):
        return
    if layer.order != TRANSPOSED:
        sums += (lane - block.base_lane) * plan.sums_row
    if not written:
        place_rows[real](layer, plan, block, chunk, sums, bias, <real*>space.line, out)
    if layer.row_gaps > 0:
        place_gaps[real](layer, plan, block, chunk, bias, out)


# --- col2im --------------------------------------------------------------------------------------

cdef inline void run_bands(const Layer* layer, const Blocking* plan, Py_ssize_t item,
                           const Space* space, const real* x, const real* packed,
                           real* out) noexcept nogil:
    """Make some rows of an image's result, of a group's range of lanes.

    Band by band of the input, every tap's product with every pixel is made; then the output rows
    that need no further one are added up and written.
    """
    cdef Py_ssize_t part = item % plan.parts, rest = item // plan.parts
    cdef Py_ssize_t split = rest % plan.splits, g = rest // plan.splits % layer.groups
    cdef Py_ssize_t oy = plan.ho * part // plan.parts, end = plan.ho * (part + 1) // plan.parts
    cdef Py_ssize_t row, last, done
    cdef const real* bias = biases_of[real](layer, g, packed)
    cdef Ahead ahead
    cdef Operands operands = operands_of(space, bias, &ahead)
    cdef Block block
    operands.tiles, operands.weights = space.patch, packed + g * layer.ci * layer.weights
    block.n = rest // plan.splits // layer.groups
    block.first_chunk = layer.chunks * split // plan.splits
    block.end_chunk = layer.chunks * (split + 1) // plan.splits
    block.base_lane = first_lane(layer, block.first_chunk)
    x += g * layer.ci * plan.xc
    out += block.n * plan.on + g * layer.co * plan.oc
    # The first and the last row of the input that these rows read.
    row = max(up(max(oy - layer.high_phase_y, 0), layer.sy), 0) // plan.rows * plan.rows
    last = plan.hi - 1
    if end - 1 - layer.low_phase_y < plan.hi * layer.sy:
        last = (end - 1 - layer.low_phase_y) // layer.sy if end - 1 >= layer.low_phase_y else -1
    while oy < end:
        if row <= last:
            multiply_band[real](layer, plan, &block, row, space, x, &operands)
            row += plan.rows
        done = end if row > last else min(end, row * layer.sy + layer.low_phase_y)
        while oy < done:
            UPSHAPE_CHECK(is_waiting(layer, plan, oy, row))
            add_up_rows[real](layer, plan, &block, oy, space, bias, out + oy * plan.oy)
            oy += 1


cdef inline bint is_waiting(const Layer* layer, const Blocking* plan, Py_ssize_t oy,
                            Py_ssize_t made) noexcept nogil:
    """Whether all products that land on a row of the result are in the ring.

    `made`: the input rows whose products have been made, of which the ring holds the last bands.
    """
    cdef Py_ssize_t y, iy
    for y in range(layer.row_phases):
        iy = oy // layer.sy - layer.y_shift[y]
        if layer.y_fold[y] == oy % layer.sy and 0 <= iy < plan.hi:
            if not made - plan.ring * plan.rows <= iy < made:
                return False
    return True


cdef inline void multiply_band(const Layer* layer, const Blocking* plan, Block* block,
                               Py_ssize_t row, const Space* space, const real* x,
                               Operands* operands) noexcept nogil:
    """Make the products of a band of input rows, from `row` on, in its place of the ring."""
    cdef Py_ssize_t length = min(plan.rows, plan.hi - row) * plan.wi, at = 0, count, chunk
    cdef real* band = <real*>space.sums + row // plan.rows % plan.ring * plan.band
    cdef Channels channels
    channels.count, channels.first, channels.last = layer.ci, True, True
    block.segments, block.count = 1, 0
    while at < length:
        block.length = min(plan.pixels, length - at)
        UPSHAPE_CHECK(at + up(block.length, plan.vector) * plan.vector <= plan.band)
        count = list_runs(plan, (block.n * plan.hi + row) * plan.wi + at, block.length, 0,
                          space.runs)
        im2col[real](layer, plan, x, layer.ci, <real*>space.patch, space.runs, count,
                     space.pieces)
        clear_rest[real](layer, plan, <real*>space.patch, layer.ci, block.length, 0)
        operands.sums = band + at
        for chunk in range(block.first_chunk, block.end_chunk):
            pixels_chunk[real](layer, plan, block, &channels, chunk, operands, <const real*>NULL)
        at += block.length


cdef inline void add_up_rows(const Layer* layer, const Blocking* plan, const Block* block,
                             Py_ssize_t oy, const Space* space, const real* biases,
                             real* out) noexcept nogil:
    """Write a row of every channel of a range of lanes."""
    cdef Py_ssize_t chunk, co
    cdef const real* sums
    for chunk in range(block.first_chunk, block.end_chunk):
        sums = (<real*>space.sums
                + (first_lane(layer, chunk) - block.base_lane) * plan.sums_row)
        for co in range(layer.chunk_co[chunk], layer.chunk_co[chunk + 1]):
            add_up_row[real](layer, plan, sums, co, oy, biases[layer.lanes + co],
                             <real*>space.line, out + co * plan.oc)
