"""Depthwise convolution and transposed convolution: every output channel has one input channel.

    out[g co + c, q s + r] = bias + sum over the taps k of phase r of
        w[g co + c, k] x[g, q t + offset(k)]

on each of three axes, with s the step of the output and t that of the input, and the phases and
their taps as lanes.py has them: s phases and t = 1 for a transposed convolution, one phase
for an ordinary one. Fewer axes are leading ones of one pixel and one tap. There are no channels to
sum over, so nothing is a product of matrices: the taps of a pixel are few, its input is read once,
and what counts is that every load serves several sums.

Three orders of work, each with a part below:

pixels    Pixels of a row are neighbours in memory: a padded patch of input rows, the columns of an
          input step t apart, is copied into the first cache; tiles make vectors of pixels from it.
transposed
          Where rows are short or steps are wide, vectors of pixels would be neither full nor in one
          piece. There a vector of channels of rows is transposed into the first cache, made as in
          channels-last memory, and transposed back.
channels  Channels-last: vectors of channels, straight from the input; a pixel at the border has
          fewer taps.

A task is a block of pixels q of some channels of an image: depths x rows x columns. Threads share
out blocks, never a sum: the bits do not depend on them. A tap in a depth outside the input is left
out; patches have zeros for the rows and columns outside.

The caller has checked: sizes and strides agree with the arrays, the output is disjoint from the
inputs. No Python object is touched inside run's parallel part.

Words: patch, the input that a block reads, with its borders; plane, the columns of one phase of an
input step in a patch; part, the taps of one phase of all axes; lane, an element of a vector.

Hot functions (see depthwise.h), for the guard of the generated code:
window_{32,64}_{K}x{S}, deep_window_{32,64}_{K}x{S}, stride2_{32,64}_{K}x{P},
sliding_{32,64}_{K}x{S}_{pixels}, taps_{32,64}, pixels_{32,64}, lanes_{32,64}
"""

cimport numpy as cnp
from cython.parallel cimport prange

from border cimport Frame, check_arrays, check_weights, frame_of
from check cimport UPSHAPE_CHECK, check_parts, cut, part_bytes
from depthwise_tiles cimport (
    UPSHAPE_DEPTH_PIXELS,
    UPSHAPE_DEPTH_VECTORS,
    UPSHAPE_LANES_PIXELS,
    UPSHAPE_LEAST_SLIDING,
    UPSHAPE_SLIDING_TAPS,
    UPSHAPE_STRIDE2_ROWS,
    UPSHAPE_VECTOR_BYTES,
    UPSHAPE_WINDOW_ROWS,
    deep_window_code,
    lanes,
    lines,
    pixels,
    real,
    sliding,
    sliding_pixels,
    stride2,
    stride2_code,
    taps_row,
    transpose_in,
    transpose_out,
    weave,
    window,
    window_code,
    zero,
    zip_rows,
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

# Sizes, in bytes unless they say otherwise. Measured by `python -m benchmarks --filter depthwise`
# with other values, 1 thread.
cdef enum:
    # A patch of rows: most of a first-level cache of 32 KiB. Zen 5: flat from a third of it on.
    PATCH_BYTES = 24 << 10
    # At most; a kernel that spans more is left to convolution.pyx. Half a second-level cache.
    MOST_BYTES = 256 << 10
    # Channels that are worked on side by side, and the input that a row of such pixels reads, for a
    # second-level cache of 512 KiB. Granite Rapids: half as many channels are slower by a fifth,
    # more are not faster.
    CHANNELS_BYTES = 512
    READ_BYTES = 192 << 10
    # Pixels of a row of a channels-last block, at least: of fewer, too many lie at a border.
    LEAST_PIXELS = 64
    # A patch of transposed channels: a quarter of a second-level cache of 512 KiB. And its results
    # that are made at a time, for a first-level cache beside the patch's rows.
    LANES_BYTES = 128 << 10
    MADE_BYTES = 8 << 10
    PAGE_BYTES = 4096
    # What fits no first, no second cache, in bytes.
    NEAR_BYTES = 32 << 10
    FAR_BYTES = 1 << 20
    # Multiply-adds from which a second thread is worth waking, as in convolution.pyx: a depthwise
    # layer makes fewer of them in that time.
    WORTH_A_THREAD = 200000
    # Blocks of a thread, at least, where the work allows: the last ones end nearly together.
    BLOCKS_OF_A_THREAD = 4

# What a plan does, counted; the time of each is a rate, by order of work (upshape/orders.py).
cdef enum:
    CALLS, BLOCKS, CHANNEL_BLOCKS, PATCH_ROWS, PATCH_VECTORS, STEPPED_VECTORS, PICKED
    TABLE_TAPS, SINGLE_TAPS, TAPS_OF_9, TAPS_OF_25, TAPS_OF_49, DEEP_TAPS, SLIDING_TAPS
    TESTED, WINDOWS
    LISTED, TRANSPOSED_IN, TRANSPOSED_OUT, PAGES_APART, PLACED_ROWS, PLACED, WOVEN, SCATTERED
    NEAR_LINES, FAR_LINES, FAR_RESULT, FILLED, SCATTERED_LINES
    COUNTS

COUNTED = {
    "calls": "a call",
    "blocks": "a block of pixels of some channels",
    "channel blocks": "a channel, or block of channels, of an image",
    "patch rows": "a row of a patch",
    "patch vectors": "a vector copied to a patch",
    "stepped vectors": "a vector of every second pixel copied to a patch, by permutations",
    "picked": "an element that is copied to a patch on its own",
    "table taps": "a vector of multiply-adds, its tap from a table",
    "single taps": "such a one that waits for the one before it",
    "taps of 9": "a vector of multiply-adds of a kernel of up to 9 taps that is compiled",
    "taps of 25": "of one of up to 25 taps: the more, the fewer stay in registers",
    "taps of 49": "of one of more taps",
    "deep taps": "of one of several depths, whose weights are loaded anew for each",
    "sliding taps": "a vector of multiply-adds of a window that slides over pixels",
    "tested": "a load of such a window, which may leave the input",
    "windows": "such a window, a row of the kernel",
    "listed taps": "a run of pixels of a row with the same taps",
    "transposed in": "a vector of the input, transposed",
    "transposed out": "a vector of the result, transposed",
    "pages apart": "such a vector of channels that are whole pages from each other",
    "placed rows": "a row of the result",
    "placed": "a vector of the result",
    "woven": "a vector of the result in which phases alternate",
    "scattered": "an element of the result that is placed on its own",
    "near lines": "64 bytes of an input that fits no first cache",
    "far lines": "64 bytes of an input that fits no second cache",
    "far result": "64 bytes of a result that fits no second cache, each time they are written",
    "filled": "a vector of a result with pixels that no tap reaches, which the caller fills",
    "scattered lines": "64 bytes written for scattered elements, of a row that fits no first cache",
}

cdef enum Order:
    PIXELS
    TRANSPOSED
    CHANNELS

# What makes the sums.
cdef enum Tile:
    TAPS
    WINDOW
    STRIDE2
    SLIDING


cdef inline Py_ssize_t up(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """Return a / b, rounded up."""
    return (a + b - 1) // b


# One axis of a layer: its steps, and the taps of its phases.
cdef struct Axis:
    Py_ssize_t step, input_step, phases, taps
    Py_ssize_t first, span  # of the offsets
    Py_ssize_t* phase  # r
    Py_ssize_t* start  # the first tap of each phase, and the end of the last
    Py_ssize_t* offset
    Py_ssize_t* kernel


# A number for each axis: sizes, or a place.
cdef struct Point:
    Py_ssize_t z, y, x


# The strides of an array, in elements.
cdef struct Steps:
    Py_ssize_t n, c, z, y, x


# Pixels q of a task: where they begin and how many there are.
cdef struct Block:
    Py_ssize_t n, c  # the image; the block of channels
    Point at, size


# Sliding windows along a row: the rows of the kernel that are inside the input, and the pixels.
cdef struct Slide:
    const Py_ssize_t* row  # where each of the kernel's rows reads
    const Py_ssize_t* kernel  # and its first weight
    Py_ssize_t rows
    Py_ssize_t first, end  # pixels of the row
    int many  # made at a time
    Py_ssize_t pixel, to_pixel  # from one to the next, of what is read and of what is made
    Py_ssize_t w_tap  # from a tap's weights to the next one's
    Py_ssize_t channels


# The taps of an axis that stay within the input, of those of a phase: low <= tap < high.
cdef struct Taps:
    Py_ssize_t low, high


# The scratch of a thread.
cdef struct Space:
    char* patch
    char* made  # results on their way out
    Py_ssize_t* taps  # the taps, then the weights, of a pixel at the border


cdef Py_ssize_t* keep(list kept, list values):
    """Return a C array of these values that lives as long as the list of kept things."""
    cdef cnp.ndarray array = np.array(values, np.intp)
    kept.append(array)
    return <Py_ssize_t*>cnp.PyArray_DATA(array)


cdef Axis axis_of(list kept, Py_ssize_t step, Py_ssize_t input_step, list phases):
    cdef Axis axis
    taps = [tap for _, some in phases for tap in some]
    offsets = [offset for offset, _ in taps]
    starts, end = [0], 0
    for _, some in phases:
        end += len(some)
        starts.append(end)
    axis.step, axis.input_step, axis.phases, axis.taps = step, input_step, len(phases), end
    axis.first, axis.span = min(offsets), max(offsets) - min(offsets) + 1
    axis.phase, axis.start = keep(kept, [r for r, _ in phases]), keep(kept, starts)
    axis.offset, axis.kernel = keep(kept, offsets), keep(kept, [k for _, k in taps])
    return axis


cdef bint is_sliding(const Axis* axis) noexcept:
    """Return whether the taps of an ordinary convolution read neighbours."""
    return (axis.step == 1 and axis.span == axis.taps
            and axis.offset[axis.span - 1] == axis.first + axis.span - 1)


cdef inline Taps taps_inside(const Axis* axis, Py_ssize_t phase, Py_ssize_t at,
                             Py_ssize_t size) noexcept nogil:
    """Find the taps of a phase that a pixel at `at` of the input reads within its `size` pixels.

    Offsets rise or fall, so that these are neighbours.
    """
    cdef Taps taps
    taps.low, taps.high = axis.start[phase], axis.start[phase + 1]
    while taps.low < taps.high and not 0 <= at + axis.offset[taps.low] < size:
        taps.low += 1
    while taps.low < taps.high and not 0 <= at + axis.offset[taps.high - 1] < size:
        taps.high -= 1
    return taps


cdef inline Taps inside(Py_ssize_t step, Py_ssize_t start, Py_ssize_t size,
                        Py_ssize_t length) noexcept nogil:
    """Find low <= j < high of 0 .. length - 1 for which start + j step is in 0 .. size - 1."""
    cdef Taps found
    found.low, found.high = 0, length
    if start < 0:
        found.low = min(up(-start, step), length)
    if start + (length - 1) * step >= size:
        found.high = max(up(max(size - start, 0), step), found.low)
    return found


cdef inline double taps_of_axis(const Axis* axis, Py_ssize_t length, Py_ssize_t size) noexcept:
    """Return how many taps so many pixels q read, of all phases, that are within the input."""
    cdef double total = 0
    cdef Py_ssize_t t
    cdef Taps reached
    for t in range(axis.taps):
        reached = inside(axis.input_step, axis.offset[t], size, length)
        total += reached.high - reached.low
    return total


cdef inline bint is_read(const Axis* axis, Py_ssize_t place, Py_ssize_t at,
                         Py_ssize_t size) noexcept nogil:
    """Return whether a place of a patch is in the input, at `at`, and not between two steps."""
    return 0 <= at < size and (
        axis.span >= axis.input_step or place % axis.input_step < axis.span)


cdef class Layout:
    """What a layer's shape decides."""
    cdef readonly bint single
    cdef Order order
    cdef Axis z, y, x
    cdef double[COUNTS] rates
    cdef Py_ssize_t groups, co
    cdef Py_ssize_t area, flat_area  # taps of a channel; of one depth of it
    cdef Py_ssize_t phases  # pixels of the result that a pixel q stands for
    cdef Tile tile
    cdef int code  # which window or stride2
    cdef list kept

    def __init__(self, tuple z_axis, tuple y_axis, tuple x_axis, Py_ssize_t groups, Py_ssize_t co,
                 str vectors, bint single, square, dict rates=None):
        """Arrange a layer's work; an axis: (step, input step, its phases), as lanes.Axis has them.

        `vectors`: "pixels", "transposed" or "channels". `square`: (kernel, stride, padding) where
        the last two axes have the same and no dilation, or None. `rates`: nanoseconds of each of
        COUNTED, 0 if left out.
        """
        cdef int count
        self.kept = []
        for count, name in enumerate(COUNTED):
            self.rates[count] = 0 if rates is None else rates.get(name, 0)
        self.z = axis_of(self.kept, z_axis[0], z_axis[1], z_axis[2])
        self.y = axis_of(self.kept, y_axis[0], y_axis[1], y_axis[2])
        self.x = axis_of(self.kept, x_axis[0], x_axis[1], x_axis[2])
        self.groups, self.co, self.single = groups, co, single
        self.order = <Order><int>("pixels", "transposed", "channels").index(vectors)
        self.flat_area = self.y.taps * self.x.taps
        self.area = self.z.taps * self.flat_area
        self.phases = self.z.step * self.y.step * self.x.step
        self.tile, self.code = TAPS, 0
        if self.order != PIXELS:
            if (self.z.step == 1 and is_sliding(&self.y) and is_sliding(&self.x)
                    and self.x.input_step <= 2):
                self.tile = SLIDING
        elif square is not None:
            self.choose_tile(square)

    cdef choose_tile(self, tuple square):
        """Take a tile that is compiled for this kernel, if there is one."""
        kernel, stride, padding = square
        flat = self.z.taps == 1 and self.z.step == self.z.input_step == 1 and self.z.first == 0
        if self.x.step == 1 and self.z.step == 1 and self.x.offset[0] == self.x.first:
            self.code = window_code(kernel, stride) if flat else deep_window_code(kernel, stride)
            self.tile = WINDOW
        elif self.x.step == 2 and flat:
            self.code = stride2_code(kernel, padding)
            self.tile = STRIDE2
        if self.code == 0:
            self.tile = TAPS

    @property
    def nbytes(self):
        """Bytes that the tables take."""
        return 1000 + sum([array.nbytes for array in self.kept])

    @property
    def packed_bytes(self):
        """How many bytes packed weights take."""
        item = 4 if self.single else 8
        count = self.groups * self.co
        if self.order == TRANSPOSED:
            lanes_of_vector = UPSHAPE_VECTOR_BYTES // item
            count = up(count, lanes_of_vector) * lanes_of_vector
        return (count * (self.area + 1) + UPSHAPE_VECTOR_BYTES) * item

    def pack(self, cnp.ndarray weight not None, cnp.ndarray bias, cnp.ndarray packed=None):
        """Return the weights (C-contiguous, of this layout's dtype) in the order of use.

        That is [channel][tap] for pixels, and [tap][channel] for vectors of channels, transposed
        ones one after the other; then the biases. They are put into `packed` if that is given,
        memory of packed_bytes or more.
        """
        if packed is None:
            packed = np.empty(self.packed_bytes, np.uint8)
        cdef Py_ssize_t channels = self.groups * self.co
        check_weights(weight, channels * self.area, bias, channels, packed, self.packed_bytes,
                      self.single)
        cdef const void* w = cnp.PyArray_DATA(weight)  # IN
        cdef const void* b = NULL if bias is None else cnp.PyArray_DATA(bias)  # IN
        cdef void* p = cnp.PyArray_DATA(packed)  # OUT
        with nogil:
            if self.single:
                pack_weights(self, <const float*>w, <const float*>b, <float*>p)
            else:
                pack_weights(self, <const double*>w, <const double*>b, <double*>p)
        return packed


cdef void pack_weights(Layout layout, const real* weight, const real* bias,
                       real* packed) noexcept nogil:
    cdef Py_ssize_t count = layout.groups * layout.co, area = layout.area, c, t, c0, block
    cdef Py_ssize_t vector = UPSHAPE_VECTOR_BYTES // sizeof(real)
    UPSHAPE_CHECK(area == layout.z.taps * layout.y.taps * layout.x.taps)
    if layout.order == TRANSPOSED:
        for block in range(up(count, vector)):
            # The last block is whole: some channels are in two.
            c0 = max(min(block * vector, count - vector), 0)
            for c in range(min(vector, count)):
                for t in range(area):
                    packed[(block * area + t) * vector + c] = weight[(c0 + c) * area + t]
                packed[(up(count, vector) * area + block) * vector + c] = (
                    bias[c0 + c] if bias != NULL else 0)
        return
    for c in range(count):
        for t in range(area):
            packed[t * count + c if layout.order == CHANNELS else c * area + t] = (
                weight[c * area + t])
        packed[count * area + c] = bias[c] if bias != NULL else 0


cdef inline Point point_of(tuple shape):
    cdef Point point
    point.z, point.y, point.x = shape[2], shape[3], shape[4]
    return point


cdef inline Steps steps_of(tuple strides):
    cdef Steps steps
    steps.n, steps.c, steps.z, steps.y, steps.x = strides
    return steps


cdef class Plan:
    """How one shape of input goes through a layout: blocks, and the threads' shares of them."""
    cdef Layout layout
    cdef readonly int threads
    cdef readonly bint fits
    cdef Py_ssize_t n, vector
    cdef Point size, result, pixels  # of the input, of the result, and the pixels q
    cdef Steps source, target
    cdef Point block, blocks  # the pixels q of a block; how many blocks an axis has
    # Blocks of channels: one, a vector of them, or `side` by side. Rows of lanes made at a time.
    cdef Py_ssize_t c_blocks, side, chunk, items
    # The patch: depths of planes, for the phases of an input step, of rows of whole vectors, in
    # elements from one to the next. `lead`: how far into the first vector it starts, so that its
    # stores straddle no cache lines.
    # `tail`: pixels of a row that only later taps read. `line`: made pixels of a phase of a row.
    cdef Py_ssize_t depth, planes, plane, row, lead, tail, line, patch_size, made_size
    cdef readonly size_t thread_bytes
    cdef double[COUNTS] done  # by the busiest thread
    cdef readonly double nanoseconds  # estimated
    cdef Tile tile
    cdef list kept
    # The taps of all parts: where they read, and for which weight; and those of the kernel's rows.
    cdef Py_ssize_t* tap
    cdef Py_ssize_t* kernel
    cdef Py_ssize_t* start
    cdef Py_ssize_t* row_tap
    cdef Py_ssize_t* row_kernel
    cdef Frame source_frame, target_frame
    cdef Py_ssize_t packed_bytes

    def __init__(self, Layout layout, tuple x_shape, tuple x_strides, tuple out_shape,
                 tuple out_strides, int threads, rows=None, columns=None, bint plain=False):
        """Plan for (N, C, D, H, W) arrays; strides count elements.

        `rows`, `columns`: the size of blocks, and `plain`: taps from a table only; tests hold them
        against each other. Where `fits` is False, this is no plan.
        """
        cdef Py_ssize_t item = 4 if layout.single else 8
        cdef double work
        self.layout = layout
        self.n = x_shape[0]
        self.size, self.result = point_of(x_shape), point_of(out_shape)
        self.source, self.target = steps_of(x_strides), steps_of(out_strides)
        self.source_frame = frame_of(x_shape, x_strides)
        self.target_frame = frame_of(out_shape, out_strides)
        self.packed_bytes = layout.packed_bytes
        self.pixels.z = up(self.result.z, layout.z.step)
        self.pixels.y = up(self.result.y, layout.y.step)
        self.pixels.x = up(self.result.x, layout.x.step)
        self.vector = UPSHAPE_VECTOR_BYTES // item
        work = <double>self.n * self.pixels.z * self.pixels.y * self.pixels.x
        work *= <double>layout.groups * layout.co * (layout.area + 1)
        self.threads = <int>max(min(<double>threads, work / WORTH_A_THREAD), 1.0)
        self.kept = []
        self.tile = TAPS if plain else layout.tile
        self.lead = self.patch_size = self.made_size = 0
        if layout.order == CHANNELS:
            self.set_channels(item, rows, columns)
        elif layout.order == TRANSPOSED:
            self.set_lanes(item, rows, columns)
        else:
            self.set_rows(item, rows, columns)
        if self.fits:
            self.count_blocks()
            self.thread_bytes = (part_bytes(self.patch_size * item)
                                 + part_bytes(self.made_size * item)
                                 + part_bytes(2 * layout.area * sizeof(Py_ssize_t)))
            self.list_taps()
            self.list_rows()
            self.count(item)

    cdef void count_blocks(self) noexcept:
        self.blocks.z = up(self.pixels.z, self.block.z)
        self.blocks.y = up(self.pixels.y, self.block.y)
        self.blocks.x = up(self.pixels.x, self.block.x)
        self.items = self.n * self.c_blocks * self.blocks.z * self.blocks.y * self.blocks.x

    cdef set_block_rows(self, double row_bytes, double most, Py_ssize_t least, rows):
        """Choose rows and depths of a block whose patch has so many bytes; row_bytes: of a row."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t fitting, wanted = BLOCKS_OF_A_THREAD * self.threads
        cdef double depth_bytes
        fitting = <Py_ssize_t>(most / (row_bytes * layout.z.span))
        self.block.y = max((fitting - layout.y.span) // layout.y.input_step + 1, least)
        if self.n * self.c_blocks * self.pixels.z < wanted:
            self.block.y = min(self.block.y, up(self.pixels.y, wanted))
        self.block.y = min(self.block.y, self.pixels.y) if rows is None else rows
        self.block.y = up(self.pixels.y, up(self.pixels.y, self.block.y))
        self.block.z = 1
        if self.block.y == self.pixels.y and self.pixels.z > 1:
            depth_bytes = row_bytes * (layout.y.span + (self.block.y - 1) * layout.y.input_step)
            fitting = <Py_ssize_t>(most / depth_bytes)
            fitting = (fitting - layout.z.span) // layout.z.input_step + 1
            if self.n * self.c_blocks < wanted:
                fitting = min(fitting, up(self.pixels.z, wanted))
            self.block.z = max(min(fitting, self.pixels.z), 1)

    cdef set_channels(self, Py_ssize_t item, rows, columns):
        """Cut channels-last work: pixels for the threads, channels for the caches."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t channels = layout.groups, wanted = BLOCKS_OF_A_THREAD * self.threads
        cdef double pixel = <double>min(layout.y.span, self.size.y) * layout.x.input_step * item
        pixel *= min(layout.z.taps, self.size.z)
        self.fits = (layout.co == 1 and self.source.c == self.target.c == 1
                     and channels >= self.vector)
        self.side = min(channels, max(CHANNELS_BYTES // item, self.vector))
        self.block.x = max(<Py_ssize_t>(READ_BYTES / (pixel * self.side)), LEAST_PIXELS)
        self.block.x = min(self.block.x, self.pixels.x) if columns is None else columns
        while columns is None and 0 < self.pixels.x % self.block.x < UPSHAPE_LEAST_SLIDING:
            self.block.x += 1  # a last block that a sliding window fills
        if self.last_columns() < UPSHAPE_LEAST_SLIDING:
            self.tile = TAPS
        self.c_blocks = up(channels, self.side)
        self.block.z, self.block.y = 1, self.pixels.y
        if self.n * self.c_blocks * self.pixels.z < wanted:
            self.block.y = up(self.pixels.y, min(self.pixels.y, wanted))
        if rows is not None:
            self.block.y = rows

    cdef Py_ssize_t last_columns(self) noexcept:
        """Return how many pixels the last block of a row has; a sliding window makes them alone."""
        return self.pixels.x - (up(self.pixels.x, self.block.x) - 1) * self.block.x

    cdef set_rows(self, Py_ssize_t item, rows, columns):
        """Cut the pixels into blocks whose patch fits the first cache."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t tall = UPSHAPE_WINDOW_ROWS, parts = 1, vector = self.vector, height
        cdef Py_ssize_t least = layout.y.span + (tall - 1) * layout.y.input_step
        cdef double bytes
        self.planes = min(layout.x.input_step, layout.x.span)
        self.lead = up(max(-layout.x.first, 0), layout.x.input_step) % vector
        self.lead = (vector - self.lead) % vector
        self.tail = (layout.x.span - 1) // layout.x.input_step
        while True:
            self.block.x = up(self.pixels.x, parts)
            if parts > 1:
                self.block.x = up(self.block.x, vector) * vector
            if columns is not None:
                self.block.x = columns
            self.row = max(self.block.x, vector) + self.lead + self.tail
            self.row = up(self.row, vector) * vector
            bytes = <double>self.row * self.planes * item
            if (bytes * least * layout.z.span <= PATCH_BYTES or columns is not None
                    or self.block.x <= 4 * vector):
                break
            parts += parts
        self.fits = self.target.x == 1 and bytes * least * layout.z.span <= MOST_BYTES
        if not self.fits:
            return
        self.c_blocks = layout.groups
        self.set_block_rows(bytes, PATCH_BYTES, tall, rows)
        # Whole tiles are read and whole vectors are written, whether they are there or not.
        height = layout.y.span + (max(self.block.y, tall) - 1) * layout.y.input_step
        self.plane = self.row * height
        self.depth = self.plane * self.planes
        self.patch_size = self.depth * (layout.z.span + (self.block.z - 1) * layout.z.input_step)
        self.patch_size += 2 * vector
        self.line = (up(self.block.x, vector) + 1) * vector
        self.made_size = layout.x.phases * self.line

    cdef set_lanes(self, Py_ssize_t item, rows, columns):
        """Cut the pixels into blocks that, transposed, fit the second cache with their results."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t vector = self.vector
        cdef double bytes, made
        self.fits = (layout.co == 1 and layout.groups >= vector
                     and self.source.x == self.target.x == 1
                     and layout.z.phases == layout.z.step and layout.y.phases == layout.y.step
                     and layout.x.phases == layout.x.step)
        self.planes, self.block.x = 1, self.pixels.x if columns is None else columns
        while True:
            self.row = (layout.x.span + (self.block.x - 1) * layout.x.input_step) * vector
            bytes = <double>self.row * item
            if (bytes * layout.y.span * layout.z.span <= LANES_BYTES or columns is not None
                    or self.block.x <= 16):
                break
            self.block.x = up(self.block.x, 2)
        if self.last_columns() < UPSHAPE_LEAST_SLIDING:
            self.tile = TAPS
        made = <double>self.block.x * layout.y.step * layout.x.step * vector * item
        self.fits = (self.fits and bytes * layout.y.span * layout.z.span <= MOST_BYTES
                     and made <= MOST_BYTES)
        if not self.fits:
            return
        self.c_blocks = up(layout.groups, vector)
        self.set_block_rows(bytes, LANES_BYTES, 1, rows)
        self.depth = self.row * (layout.y.span + (self.block.y - 1) * layout.y.input_step)
        self.patch_size = self.depth * (layout.z.span + (self.block.z - 1) * layout.z.input_step)
        self.chunk = <Py_ssize_t>max(min(MADE_BYTES / made, <double>self.block.y), 1)
        self.made_size = self.chunk * self.block.x * layout.y.step * layout.x.step + vector
        self.made_size *= vector

    cdef void count(self, Py_ssize_t item) noexcept:
        """Count what the busiest thread does, and estimate how long that takes."""
        cdef Layout layout = self.layout
        cdef int count
        cdef double share = up(self.items, self.threads) / <double>self.items
        cdef double results = <double>self.n * layout.groups * layout.co, read, touched
        for count in range(COUNTS):
            self.done[count] = 0
        self.done[BLOCKS] = self.items
        self.done[CHANNEL_BLOCKS] = self.n * self.c_blocks
        results *= <double>self.result.z * self.result.y * self.result.x / self.vector
        if layout.phases > layout.z.phases * layout.y.phases * layout.x.phases:
            self.done[FILLED] = results
        if layout.order == PIXELS:
            self.count_rows(item)
        elif layout.order == TRANSPOSED:
            self.count_lanes()
        else:
            self.done[PLACED] = results
            self.count_channels()
        read = <double>self.n * layout.groups * self.size.z * self.size.y * self.size.x * item
        # What a call touches in all is what the next one finds, or not, in a cache.
        touched = read + results * self.vector * item
        if touched > NEAR_BYTES:
            self.done[FAR_LINES if touched > FAR_BYTES else NEAR_LINES] = read / 64
        if touched > FAR_BYTES:
            self.done[FAR_RESULT] = results * self.vector * item / 64
            if self.done[FILLED] > 0:
                self.done[FAR_RESULT] *= 2
        self.nanoseconds = layout.rates[CALLS]
        for count in range(1, COUNTS):
            self.done[count] *= share
            self.nanoseconds += layout.rates[count] * self.done[count]
        self.done[CALLS] = 1

    cdef void count_rows(self, Py_ssize_t item) noexcept:
        """Count what rows of vectors of pixels take."""
        cdef Layout layout = self.layout
        cdef double* done = self.done
        cdef Py_ssize_t many
        cdef double channels = <double>self.n * layout.groups, rows, copied, made
        # The last block of an axis has fewer pixels.
        rows = self.blocks.z * (layout.z.span - layout.z.input_step)
        rows += self.pixels.z * layout.z.input_step
        rows *= (self.blocks.y * (layout.y.span - layout.y.input_step)
                 + self.pixels.y * layout.y.input_step)
        rows *= channels * self.planes * self.blocks.x
        copied = rows * up(self.row, self.vector)
        done[PATCH_ROWS] = rows
        if layout.x.input_step == 1:
            done[PATCH_VECTORS] = copied
        elif layout.x.input_step == 2:
            done[STEPPED_VECTORS] = copied
        else:
            done[PICKED] = copied * self.vector
        channels *= layout.co
        made = channels * self.result.z * self.result.y * self.blocks.x
        done[PLACED_ROWS] = made
        if layout.x.step > 4 or (layout.x.step > 2 and layout.x.phases < layout.x.step):
            done[SCATTERED] = channels * self.result.z * self.result.y * self.result.x
            if self.block.x * layout.x.step * item > NEAR_BYTES:
                # A line is written anew for each phase.
                done[SCATTERED_LINES] = done[SCATTERED] * min(1.0, layout.x.step * item / 64.0)
        else:
            done[WOVEN if layout.x.step > 1 else PLACED] = made / self.blocks.x * up(
                self.result.x, self.vector)
        channels *= taps_of_axis(&layout.z, self.pixels.z, self.size.z)
        if self.tile == TAPS:
            self.count_table_rows(channels * self.pixels.y * layout.y.taps)
            done[LISTED] = made * layout.x.phases
            return
        # Whole tiles are made, however few rows or pixels there are.
        many = UPSHAPE_WINDOW_ROWS if self.tile == WINDOW else UPSHAPE_STRIDE2_ROWS
        rows = <double>many * ((self.blocks.y - 1) * up(self.block.y, many) + up(
            self.pixels.y - (self.blocks.y - 1) * self.block.y, many))
        made = channels * rows * layout.flat_area * self.blocks.x
        done[DEEP_TAPS if layout.z.taps > 1 else
             TAPS_OF_9 if layout.flat_area <= 9 else
             TAPS_OF_25 if layout.flat_area <= 25 else TAPS_OF_49] = made * up(
                 self.block.x, self.vector)

    cdef void count_table_rows(self, double rows) noexcept:
        """Count the products of rows of taps from a table: four vectors at a time, the rest alone.
        """
        cdef Layout layout = self.layout
        cdef Py_ssize_t whole = self.block.x // (4 * self.vector)
        rows *= layout.x.taps * self.blocks.x
        self.done[TABLE_TAPS] = rows * 4 * whole
        self.done[SINGLE_TAPS] = rows * up(self.block.x - whole * 4 * self.vector, self.vector)

    cdef void count_lanes(self) noexcept:
        """Count what vectors of transposed channels take: the transpositions, and the taps."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t item = 4 if layout.single else 8, some, rows
        cdef double depths, channels = <double>self.n * self.c_blocks, taps, runs, many
        cdef double* done = self.done
        depths = <double>self.blocks.z * (layout.z.span - layout.z.input_step)
        depths += self.pixels.z * layout.z.input_step
        if layout.z.span == 1:
            depths = self.size.z
        # Whole squares are transposed: of the rows of a chunk, which may follow each other.
        runs = channels * depths
        rows = min(self.chunk * layout.y.input_step, self.size.y)
        some = min(self.size.x, self.block.x * layout.x.input_step)
        done[TRANSPOSED_IN] = runs * self.blocks.x * self.size.y * self.vector * (
            <double>up(rows * some, self.vector) / rows if self.source.y == some
            else up(some, self.vector))
        runs = channels * self.result.z * self.blocks.x * self.result.y
        rows = min(self.chunk * layout.y.step, self.result.y)
        some = min(self.result.x, self.block.x * layout.x.step)
        done[TRANSPOSED_OUT] = runs * self.vector * (
            <double>up(rows * some, self.vector) / rows if self.target.y == some
            else up(some, self.vector))
        if self.source.c * item % PAGE_BYTES == 0:
            done[PAGES_APART] += done[TRANSPOSED_IN]
        if self.target.c * item % PAGE_BYTES == 0:
            done[PAGES_APART] += done[TRANSPOSED_OUT]
        done[PATCH_ROWS] = channels * depths * self.size.y * self.blocks.x
        done[PLACED_ROWS] = runs * self.vector
        taps = channels * taps_of_axis(&layout.z, self.pixels.z, self.size.z)
        if layout.z.span == 1:
            taps *= taps_of_axis(&layout.y, self.pixels.y, self.size.y)
        else:
            taps *= self.pixels.y * layout.y.taps
        if self.tile == SLIDING:
            self.count_windows(taps, channels * self.vector)
            return
        # Up to eight pixels at a time.
        many = <double>up(self.block.x, UPSHAPE_LANES_PIXELS) * UPSHAPE_LANES_PIXELS
        done[TABLE_TAPS] = taps * layout.x.taps
        done[SINGLE_TAPS] = done[TABLE_TAPS] * self.blocks.x * (many - self.block.x)
        done[TABLE_TAPS] *= self.pixels.x
        done[LISTED] = channels * self.pixels.z * layout.z.phases * self.pixels.y * (
            layout.y.phases * layout.x.phases) * self.blocks.x

    cdef void count_windows(self, double rows, double channels) noexcept:
        """Count what windows take that slide along so many rows of the kernel."""
        cdef Layout layout = self.layout
        cdef int many = sliding_pixels(self.block.x)
        cdef double* done = self.done
        cdef double windows = rows * up(self.block.x, many) * self.blocks.x
        cdef Py_ssize_t pieces = up(layout.x.taps, UPSHAPE_SLIDING_TAPS)
        done[WINDOWS] = windows * pieces
        # A window leaves out what is outside, but for those that reach both.
        done[SLIDING_TAPS] = rows * taps_of_axis(&layout.x, self.pixels.x, self.size.x)
        done[SLIDING_TAPS] *= <double>up(self.block.x, many) * many / self.block.x
        if layout.x.taps not in (3, 5, 7):
            done[TESTED] = windows * (
                pieces * (many - 1) * layout.x.input_step + layout.x.taps)

    cdef void count_channels(self) noexcept:
        """Count what vectors of channels take that are read as they lie."""
        cdef Layout layout = self.layout
        cdef Axis* ax = &layout.x
        cdef Py_ssize_t vectors = up(layout.groups, self.vector), rx, t, low, high, count
        cdef double* done = self.done
        cdef double rows, runs, read, alone
        cdef Taps reached
        rows = self.n * taps_of_axis(&layout.z, self.pixels.z, self.size.z)
        rows *= taps_of_axis(&layout.y, self.pixels.y, self.size.y)
        if self.tile == SLIDING:
            self.count_windows(rows * vectors, self.n)
            done[PLACED_ROWS] = <double>self.n * self.result.z * self.result.y * self.blocks.x
            return
        runs = <double>self.n * self.pixels.z * layout.z.phases * self.pixels.y * layout.y.phases
        for rx in range(ax.phases):
            low, high, count = 0, self.pixels.x, ax.start[rx + 1] - ax.start[rx]
            read = 0
            for t in range(ax.start[rx], ax.start[rx + 1]):
                reached = inside(ax.input_step, ax.offset[t], self.size.x, self.pixels.x)
                low, high = max(low, reached.low), min(high, reached.high)
                read += reached.high - reached.low
            high = max(high, low)
            # Four pixels at a time where all taps are inside; the others one by one.
            alone = read - (high - low) // UPSHAPE_DEPTH_PIXELS * UPSHAPE_DEPTH_PIXELS * count
            done[TABLE_TAPS] += rows * vectors * (read - alone)
            done[SINGLE_TAPS] += rows * up(vectors, UPSHAPE_DEPTH_VECTORS) * alone
            done[LISTED] += runs * (self.pixels.x - (high - low) + self.blocks.x)
        done[PLACED_ROWS] = runs * self.blocks.x

    cdef tuple tap_of(self, Py_ssize_t z, Py_ssize_t y, Py_ssize_t x):
        """Return where three axes' taps read, from a pixel q, and the place of their weight.

        In the patch, whose first pixel is that of the first offsets, or in the input.
        """
        cdef Layout layout = self.layout
        cdef Py_ssize_t depth = layout.z.offset[z], row = layout.y.offset[y]
        cdef Py_ssize_t column = layout.x.offset[x]
        cdef Py_ssize_t weight = layout.z.kernel[z] * layout.y.taps + layout.y.kernel[y]
        weight = weight * layout.x.taps + layout.x.kernel[x]
        if layout.order == CHANNELS:
            return (depth * self.source.z + row * self.source.y + column * self.source.x,
                    weight * layout.groups)
        column -= layout.x.first
        place = (depth - layout.z.first) * self.depth + (row - layout.y.first) * self.row
        if layout.order == TRANSPOSED:
            return place + column * self.vector, weight * self.vector
        return (place + column % layout.x.input_step * self.plane + column // layout.x.input_step,
                weight)

    cdef list_taps(self):
        """List the taps of all parts, in the order of the kernel's indices."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t rz, ry, rx, z, y, x
        taps, kernel, start = [], [], [0]
        for rz in range(layout.z.phases):
            for ry in range(layout.y.phases):
                for rx in range(layout.x.phases):
                    for z in range(layout.z.start[rz], layout.z.start[rz + 1]):
                        for y in range(layout.y.start[ry], layout.y.start[ry + 1]):
                            for x in range(layout.x.start[rx], layout.x.start[rx + 1]):
                                tap, weight = self.tap_of(z, y, x)
                                taps.append(tap)
                                kernel.append(weight)
                    start.append(len(taps))
        self.tap, self.kernel = keep(self.kept, taps), keep(self.kept, kernel)
        self.start = keep(self.kept, start)

    cdef list_rows(self):
        """List the kernel's rows for sliding windows: where they read, without the column."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t z, y, column
        taps, kernel = [], []
        if self.tile == SLIDING:
            column = self.source.x if layout.order == CHANNELS else self.vector
            for z in range(layout.z.taps):
                for y in range(layout.y.taps):
                    tap, weight = self.tap_of(z, y, 0)
                    # In a patch, column 0 is that of the first offset already.
                    taps.append(tap - (layout.x.first * column if layout.order == CHANNELS else 0))
                    kernel.append(weight)
        self.row_tap, self.row_kernel = keep(self.kept, taps), keep(self.kept, kernel)

    @property
    def description(self):
        """What was chosen, in words and numbers, for tests and benchmarks."""
        return {
            "order": ("pixels", "transposed", "channels")[self.layout.order],
            "source": "depthwise",
            "tile": ("taps", "window", "stride2", "sliding")[self.tile],
            "depths": self.block.z, "rows": self.block.y, "columns": self.block.x,
            "channels": self.side, "items": self.items, "threads": self.threads,
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
        return take_scratch(self.thread_bytes * self.threads)

    cpdef run(self, cnp.ndarray x, cnp.ndarray packed, cnp.ndarray out, Scratch scratch=None):
        """Compute the layer; x and out have the shapes and strides of this plan."""
        check_arrays(x, &self.source_frame, out, &self.target_frame, packed, self.packed_bytes,
                     self.layout.single)
        if scratch is None:
            scratch = self.take()
        elif scratch.bytes < self.thread_bytes * self.threads:
            raise ValueError("the scratch was taken for another plan")
        cdef Team team
        cdef int t, threads = self.threads
        cdef size_t room = self.thread_bytes
        cdef const char* source = cnp.PyArray_BYTES(x)  # IN
        cdef const char* weights = cnp.PyArray_BYTES(packed)  # IN
        cdef char* target = cnp.PyArray_BYTES(out)  # OUT
        cdef char* space = scratch.aligned
        form_team(&team, threads)
        with nogil:
            if team.threads == 1:
                for t in range(threads):
                    run_thread(self, self.layout, t, source, weights, target, space)
            else:
                team_begins(&team)
                for t in prange(threads, schedule="static", num_threads=team.threads):
                    share_begins(&team, t)
                    run_thread(self, self.layout, t, source, weights, target, space + t * room)
                    share_ends(&team, t)
                team_ends(&team)
        dismiss_team(&team)
        give_scratch(scratch)


cdef void run_thread(Plan plan, Layout layout, int thread, const char* x, const char* packed,
                     char* out, char* scratch) noexcept nogil:
    """Cut the thread's scratch and do its share."""
    cdef Space space
    cdef Py_ssize_t item = 4 if layout.single else 8
    cdef char* here = scratch
    space.patch = cut(&here, plan.patch_size * item)
    space.made = cut(&here, plan.made_size * item)
    space.taps = <Py_ssize_t*>cut(&here, 2 * layout.area * sizeof(Py_ssize_t))
    if layout.single:
        run_share[float](plan, layout, thread, <const float*>x, <const float*>packed, <float*>out,
                         &space)
    else:
        run_share[double](plan, layout, thread, <const double*>x, <const double*>packed,
                          <double*>out, &space)
    check_parts(scratch, here)


cdef inline void to_next(Plan plan, Block* block) noexcept nogil:
    """Go to the next block: columns, rows, depths, channels, images."""
    block.at.x += plan.block.x
    if block.at.x >= plan.pixels.x:
        block.at.x = 0
        block.at.y += plan.block.y
        if block.at.y >= plan.pixels.y:
            block.at.y = 0
            block.at.z += plan.block.z
            if block.at.z >= plan.pixels.z:
                block.at.z = 0
                block.c += 1
                if block.c == plan.c_blocks:
                    block.c = 0
                    block.n += 1


cdef void run_share(Plan plan, Layout layout, int thread, const real* x, const real* packed,
                    real* out, const Space* space) noexcept nogil:
    """Make a thread's blocks, which follow each other."""
    cdef Block block
    cdef Py_ssize_t _, first = plan.items * thread // plan.threads, at = first
    block.at.x = at % plan.blocks.x * plan.block.x
    at //= plan.blocks.x
    block.at.y = at % plan.blocks.y * plan.block.y
    at //= plan.blocks.y
    block.at.z = at % plan.blocks.z * plan.block.z
    at //= plan.blocks.z
    block.c = at % plan.c_blocks
    block.n = at // plan.c_blocks
    for _ in range(first, plan.items * (thread + 1) // plan.threads):
        UPSHAPE_CHECK(block.n < plan.n)
        block.size.z = min(plan.block.z, plan.pixels.z - block.at.z)
        block.size.y = min(plan.block.y, plan.pixels.y - block.at.y)
        block.size.x = min(plan.block.x, plan.pixels.x - block.at.x)
        if layout.order == CHANNELS:
            channels_block[real](plan, layout, &block, x + block.n * plan.source.n, packed,
                                 out + block.n * plan.target.n, space)
        elif layout.order == TRANSPOSED:
            lanes_block[real](plan, layout, &block, x + block.n * plan.source.n, packed,
                              out + block.n * plan.target.n, space)
        else:
            rows_block[real](plan, layout, &block, x + block.n * plan.source.n, packed,
                             out + block.n * plan.target.n, space)
        to_next(plan, &block)


# --- what the debug build checks -----------------------------------------------------------------

cdef inline bint reads_patch(Plan plan, const real* from_, const Space* space, Py_ssize_t low,
                             Py_ssize_t high) noexcept nogil:
    """Whether elements low .. high from here on are in the patch."""
    cdef Py_ssize_t at = from_ - <const real*>space.patch
    return 0 <= at + low and at + high <= plan.patch_size


cdef inline void image_bounds(Plan plan, Py_ssize_t* low, Py_ssize_t* high) noexcept nogil:
    """Find where a channel of an image begins and ends, from its first pixel: rows may go down."""
    cdef Py_ssize_t z = (plan.size.z - 1) * plan.source.z, y = (plan.size.y - 1) * plan.source.y
    cdef Py_ssize_t x = (plan.size.x - 1) * plan.source.x
    low[0] = min(z, 0) + min(y, 0) + min(x, 0)
    high[0] = max(z, 0) + max(y, 0) + max(x, 0) + 1


cdef inline bint taps_are_read(Plan plan, Layout layout, const Py_ssize_t* tap,
                               const Py_ssize_t* kernel, Py_ssize_t count, Py_ssize_t at,
                               Py_ssize_t length) noexcept nogil:
    """Whether taps of a table read the patch alone, or the image where there is none.

    `length` elements of each, from `at` on; and whether each has one of the kernel's weights.
    """
    cdef Py_ssize_t t, low = 0, high = plan.patch_size, apart = 1
    if layout.order == TRANSPOSED:
        apart = plan.vector
    elif layout.order == CHANNELS:
        apart = layout.groups
        image_bounds(plan, &low, &high)
    for t in range(count):
        if not low <= at + tap[t] <= high - length:
            return False
        if not (0 <= kernel[t] < layout.area * apart and kernel[t] % apart == 0):
            return False
    return True


# --- pixels: vectors of pixels -------------------------------------------------------------------

cdef void rows_block(Plan plan, Layout layout, const Block* block, const real* x,
                     const real* packed, real* out, const Space* space) noexcept nogil:
    """Make a block of pixels of the output channels that one input channel has."""
    cdef real* patch = <real*>space.patch + plan.lead
    cdef const real* biases = packed + layout.groups * layout.co * layout.area
    cdef const real* from_
    cdef const real* w
    cdef Py_ssize_t c, channel, q, rz, oz, iz
    cdef Taps taps
    cdef real* to
    fill_patch[real](plan, layout, block, x + block.c * plan.source.c, patch)
    UPSHAPE_CHECK(0 <= block.c < layout.groups)
    for c in range(layout.co):
        channel = block.c * layout.co + c
        w = packed + channel * layout.area
        for q in range(block.size.z):
            iz = (block.at.z + q) * layout.z.input_step
            for rz in range(layout.z.phases):
                oz = (block.at.z + q) * layout.z.step + layout.z.phase[rz]
                if oz >= plan.result.z:
                    continue
                taps = taps_inside(&layout.z, rz, iz, plan.size.z)
                to = out + channel * plan.target.c + oz * plan.target.z
                to += block.at.x * layout.x.step
                from_ = patch + q * layout.z.input_step * plan.depth
                if plan.tile == TAPS:
                    rows_from_table[real](plan, layout, block, from_, rz, &taps, w,
                                          biases[channel], to, space)
                else:
                    rows_of_tile[real](plan, layout, block, from_, &taps, w, biases[channel], to,
                                       space)


cdef void fill_patch(Plan plan, Layout layout, const Block* block, const real* x,
                     real* patch) noexcept nogil:
    """Copy the rows that a block reads, with their borders; no depths outside the input."""
    cdef Py_ssize_t height = layout.y.span + (block.size.y - 1) * layout.y.input_step
    cdef Py_ssize_t width = max(block.size.x, plan.vector) + plan.tail
    cdef Py_ssize_t iz = block.at.z * layout.z.input_step + layout.z.first
    cdef Py_ssize_t iy = block.at.y * layout.y.input_step + layout.y.first
    cdef Py_ssize_t ix, d, p
    cdef Taps rows = inside(1, iy, plan.size.y, height), columns
    cdef const real* source
    for d in range(layout.z.span + (block.size.z - 1) * layout.z.input_step):
        if not is_read(&layout.z, d, iz + d, plan.size.z):
            continue
        for p in range(plan.planes):
            ix = block.at.x * layout.x.input_step + layout.x.first + p
            columns = inside(layout.x.input_step, ix, plan.size.x, width)
            source = x + (iz + d) * plan.source.z + (iy + rows.low) * plan.source.y
            source += (ix + columns.low * layout.x.input_step) * plan.source.x
            # Whole vectors are written: a row's last one reaches into the next row, or beyond.
            UPSHAPE_CHECK(plan.lead + d * plan.depth + p * plan.plane + (height - 1) * plan.row
                          + width + plan.vector <= plan.patch_size)
            lines(patch + d * plan.depth + p * plan.plane, plan.row, height, width, source,
                  plan.source.y, rows.low, rows.high, layout.x.input_step * plan.source.x,
                  columns.low, columns.high)


cdef inline Py_ssize_t length_of(Plan plan, Layout layout, const Block* block) noexcept nogil:
    """Return how many pixels of the result a row of a block has."""
    return min(block.size.x * layout.x.step, plan.result.x - block.at.x * layout.x.step)


cdef void rows_of_tile(Plan plan, Layout layout, const Block* block, const real* patch,
                       const Taps* taps, const real* w, real start, real* out,
                       const Space* space) noexcept nogil:
    """Make the rows of a depth by a tile that knows the kernel."""
    cdef Py_ssize_t y = block.at.y * layout.y.step
    cdef Py_ssize_t rows = min(block.size.y * layout.y.step, plan.result.y - y)
    cdef Py_ssize_t length = length_of(plan, layout, block), apart = 0, first = 0
    UPSHAPE_CHECK(0 < rows <= plan.result.y - y and 0 < length)
    if plan.tile == STRIDE2:
        # Whole tiles are made; a lane may read the pixel behind its vector.
        UPSHAPE_CHECK(reads_patch[real](
            plan, patch, space, 0, (max(up(rows, 2), UPSHAPE_STRIDE2_ROWS) + layout.y.span - 2)
            * plan.row + length // 2 + plan.vector + 2))
        stride2(layout.code, patch, plan.row, w, start, out + y * plan.target.y, plan.target.y,
                rows, length)
        return
    if taps.high > taps.low:
        first = layout.z.offset[taps.low] - layout.z.first
    if taps.high > taps.low + 1:
        apart = layout.z.offset[taps.low + 1] - layout.z.offset[taps.low]
    UPSHAPE_CHECK(reads_patch[real](
        plan, patch, space, first * plan.depth,
        (first + max(taps.high - taps.low - 1, 0) * apart) * plan.depth
        + (plan.planes - 1) * plan.plane
        + ((max(rows, UPSHAPE_WINDOW_ROWS) - 1) * layout.y.input_step + layout.y.span - 1)
        * plan.row + max(length, plan.vector) + plan.tail))
    window(layout.code, patch + first * plan.depth, plan.row, plan.plane, apart * plan.depth,
           taps.high - taps.low, w + taps.low * layout.flat_area, start, out + y * plan.target.y,
           plan.target.y, rows, length)


cdef void rows_from_table(Plan plan, Layout layout, const Block* block, const real* patch,
                          Py_ssize_t rz, const Taps* taps, const real* w, real start, real* out,
                          const Space* space) noexcept nogil:
    """Make a depth's rows from the table of taps: each x-phase a line, the lines interleaved."""
    cdef Py_ssize_t q, ry, rx, oy, n, part, first, count, step = layout.x.step
    cdef Py_ssize_t length = length_of(plan, layout, block)
    cdef Py_ssize_t whole = length // step, rest = length % step
    cdef real* made = <real*>space.made
    cdef const real* from_
    cdef real* to
    for q in range(block.size.y):
        from_ = patch + q * layout.y.input_step * plan.row
        for ry in range(layout.y.phases):
            oy = (block.at.y + q) * layout.y.step + layout.y.phase[ry]
            if oy >= plan.result.y:
                continue
            to = out + oy * plan.target.y
            for rx in range(layout.x.phases):
                n = whole + (layout.x.phase[rx] < rest)
                UPSHAPE_CHECK(n <= plan.line)
                part = (rz * layout.y.phases + ry) * layout.x.phases + rx
                count = layout.y.start[ry + 1] - layout.y.start[ry]
                count *= layout.x.start[rx + 1] - layout.x.start[rx]  # of each depth
                first = plan.start[part] + (taps.low - layout.z.start[rz]) * count
                count *= taps.high - taps.low
                UPSHAPE_CHECK(taps_are_read(
                    plan, layout, plan.tap + first, plan.kernel + first, count,
                    from_ - <const real*>space.patch, max(n, plan.vector)))
                taps_row(from_, plan.tap + first, plan.kernel + first, count, w, start,
                         to if step == 1 else made + rx * plan.line, n)
            if step > 1:
                interleave[real](layout, made, plan.line, to, length)


cdef inline void interleave(Layout layout, const real* made, Py_ssize_t line, real* to,
                            Py_ssize_t length) noexcept nogil:
    """Put the lines of the x-phases into a row; pixels of no phase are left as they are."""
    cdef Py_ssize_t step = layout.x.step, n = length // step, rx, r, j
    cdef const real* lines_of[4]
    if step <= 4 and layout.x.phases == step:
        for rx in range(step):
            lines_of[rx] = made + rx * line
        if step == 2:
            zip_rows(to, lines_of[0], lines_of[1], n)
        else:
            weave(to, lines_of, step, n)
        for rx in range(length - n * step):
            to[n * step + rx] = lines_of[rx][n]
        return
    for rx in range(layout.x.phases):
        r = layout.x.phase[rx]
        for j in range(up(length - r, step) if length > r else 0):
            to[j * step + r] = made[rx * line + j]


# --- transposed: vectors of channels, from rows ---------------------------------------------------

cdef void lanes_block(Plan plan, Layout layout, const Block* block, const real* x,
                      const real* packed, real* out, const Space* space) noexcept nogil:
    """Make a block of pixels of a vector of channels, a few rows of a depth at a time."""
    cdef Py_ssize_t c0 = min(block.c * plan.vector, layout.groups - plan.vector)
    cdef Py_ssize_t length = length_of(plan, layout, block)
    cdef real* patch = <real*>space.patch
    cdef real* to
    cdef Py_ssize_t q, rz, oz, y, end, filled = 0, height, depths, seen = 0
    UPSHAPE_CHECK(0 <= c0)
    x += c0 * plan.source.c
    out += c0 * plan.target.c + block.at.x * layout.x.step
    for q in range(block.size.z):
        depths = layout.z.span + q * layout.z.input_step
        y, filled = 0, 0
        while y < block.size.y:
            end = min(y + plan.chunk, block.size.y)
            height = layout.y.span + (end - 1) * layout.y.input_step
            transpose_depths[real](plan, layout, block, x, patch, seen, depths, filled, height)
            filled = height
            for rz in range(layout.z.phases):
                oz = (block.at.z + q) * layout.z.step + layout.z.phase[rz]
                if oz >= plan.result.z:
                    continue
                if plan.tile == SLIDING:
                    sliding_rows[real](plan, layout, block, packed, q, y, end, space)
                else:
                    lanes_rows[real](plan, layout, block, packed, q, rz, y, end, space)
                to = out + oz * plan.target.z
                to += (block.at.y + y) * layout.y.step * plan.target.y
                made_to_rows[real](
                    plan, <real*>space.made, to, length,
                    min((end - y) * layout.y.step,
                        plan.result.y - (block.at.y + y) * layout.y.step))
            y = end
        seen = depths


cdef void transpose_depths(Plan plan, Layout layout, const Block* block, const real* x,
                           real* patch, Py_ssize_t seen, Py_ssize_t depths, Py_ssize_t filled,
                           Py_ssize_t height) noexcept nogil:
    """Transpose the rows from `filled` to `height` of the depths that were not `seen` before.

    The taps that read rows outside the input are left out where the kernel has one depth; else
    these rows are zeros.
    """
    cdef Py_ssize_t width = layout.x.span + (block.size.x - 1) * layout.x.input_step
    cdef Py_ssize_t iz = block.at.z * layout.z.input_step + layout.z.first
    cdef Py_ssize_t iy = block.at.y * layout.y.input_step + layout.y.first
    cdef Py_ssize_t ix = block.at.x * layout.x.input_step + layout.x.first
    cdef Py_ssize_t d, row
    cdef Taps rows = inside(1, iy, plan.size.y, height), columns = inside(1, ix, plan.size.x, width)
    cdef real* to
    x += ix + columns.low
    for d in range(seen, depths):
        if not is_read(&layout.z, d, iz + d, plan.size.z):
            continue
        to = patch + d * plan.depth
        UPSHAPE_CHECK(d * plan.depth + (height - 1) * plan.row + width * plan.vector
                      <= plan.patch_size)
        row = max(rows.low, filled)
        if row < rows.high:
            transpose_in(x + (iz + d) * plan.source.z + (iy + row) * plan.source.y, plan.source.c,
                         plan.source.y, rows.high - row, columns.low, columns.high,
                         to + row * plan.row, width, plan.row)
        if layout.z.span > 1:
            for row in range(filled, height):
                if not rows.low <= row < rows.high:
                    zero(to + row * plan.row, width * plan.vector)


cdef inline void made_to_rows(Plan plan, const real* made, real* out, Py_ssize_t columns,
                              Py_ssize_t rows) noexcept nogil:
    """Transpose made pixels into rows of the result."""
    cdef Py_ssize_t row, n = columns
    if plan.target.y == columns:
        # Rows without a gap between them are one.
        n, rows = rows * columns, 1
    UPSHAPE_CHECK(rows * n * plan.vector <= plan.made_size)
    for row in range(rows):
        transpose_out(made + row * n * plan.vector, n, out + row * plan.target.y, plan.target.c)


cdef void sliding_rows(Plan plan, Layout layout, const Block* block, const real* packed,
                       Py_ssize_t z, Py_ssize_t first, Py_ssize_t last,
                       const Space* space) noexcept nogil:
    """Make the rows from `first` to before `last` of a depth of an ordinary convolution."""
    cdef Py_ssize_t vector = plan.vector, q, row, at
    cdef Py_ssize_t ix = block.at.x * layout.x.input_step + layout.x.first
    cdef Py_ssize_t width = layout.x.span + (block.size.x - 1) * layout.x.input_step
    cdef real* made = <real*>space.made
    cdef Slide slide
    cdef const real* w = packed + block.c * layout.area * vector
    cdef const real* bias = packed + (plan.c_blocks * layout.area + block.c) * vector
    cdef Taps depths = taps_inside(
        &layout.z, 0, (block.at.z + z) * layout.z.input_step, plan.size.z), rows
    UPSHAPE_CHECK((last - first) * block.size.x * vector <= plan.made_size)
    rows.low, rows.high = 0, layout.y.taps
    slide.first, slide.end = block.at.x, block.at.x + block.size.x
    slide.many = sliding_pixels(block.size.x)
    slide.pixel = slide.to_pixel = slide.w_tap = slide.channels = vector
    for q in range(first, last):
        if layout.z.span == 1:
            rows = taps_inside(&layout.y, 0, (block.at.y + q) * layout.y.input_step, plan.size.y)
        # Either all rows of each depth, or some of a single one: they are neighbours in the table.
        row = depths.low * layout.y.taps + rows.low
        slide.row, slide.kernel = plan.row_tap + row, plan.row_kernel + row
        slide.rows = (depths.high - depths.low) * (rows.high - rows.low)
        at = z * layout.z.input_step * plan.depth + q * layout.y.input_step * plan.row
        UPSHAPE_CHECK(taps_are_read(plan, layout, slide.row, slide.kernel, slide.rows, at,
                                    width * vector))
        sliding_row[real](plan, layout, &slide, <real*>space.patch + at - ix * vector, w, bias,
                          made)
        made += block.size.x * vector


cdef void lanes_rows(Plan plan, Layout layout, const Block* block, const real* packed,
                     Py_ssize_t z, Py_ssize_t rz, Py_ssize_t first, Py_ssize_t last,
                     const Space* space) noexcept nogil:
    """Make the rows of pixels q from `first` to before `last` of a depth from the table of taps."""
    cdef Point phase
    cdef Py_ssize_t q, ry, row, length = length_of(plan, layout, block)
    cdef Taps depths = taps_inside(
        &layout.z, rz, (block.at.z + z) * layout.z.input_step, plan.size.z), rows
    for q in range(first, last):
        for ry in range(layout.y.phases):
            if (block.at.y + q) * layout.y.step + layout.y.phase[ry] >= plan.result.y:
                continue
            phase.z, phase.y, phase.x = rz, ry, 0
            if layout.z.span == 1:
                rows = taps_inside(&layout.y, ry, (block.at.y + q) * layout.y.input_step,
                                   plan.size.y)
            else:
                rows.low, rows.high = layout.y.start[ry], layout.y.start[ry + 1]
            row = (q - first) * layout.y.step + layout.y.phase[ry]
            UPSHAPE_CHECK((row + 1) * length * plan.vector <= plan.made_size)
            lanes_row[real](
                plan, layout, block, &phase, &depths, &rows,
                z * layout.z.input_step * plan.depth + q * layout.y.input_step * plan.row, packed,
                <real*>space.made + row * length * plan.vector, space)


cdef inline void lanes_row(Plan plan, Layout layout, const Block* block, const Point* phase,
                           const Taps* depths, const Taps* rows, Py_ssize_t at,
                           const real* packed, real* made, const Space* space) noexcept nogil:
    """Make a row of a vector of channels, of one phase along z and y; at: where the patch is read.
    """
    cdef Py_ssize_t vector = plan.vector, rx, n, part, first, across
    cdef Py_ssize_t length = length_of(plan, layout, block)
    cdef Py_ssize_t whole = length // layout.x.step, rest = length % layout.x.step
    cdef const real* w = packed + block.c * layout.area * vector
    cdef const real* bias = packed + (plan.c_blocks * layout.area + block.c) * vector
    # Either all rows of each depth, or some of a single one: their taps are neighbours.
    cdef Py_ssize_t count = (depths.high - depths.low) * (rows.high - rows.low)
    cdef Py_ssize_t before = layout.y.start[phase.y + 1] - layout.y.start[phase.y]
    before *= depths.low - layout.z.start[phase.z]
    before += rows.low - layout.y.start[phase.y]
    for rx in range(layout.x.phases):
        n = whole + (layout.x.phase[rx] < rest)
        across = layout.x.start[rx + 1] - layout.x.start[rx]
        part = (phase.z * layout.y.phases + phase.y) * layout.x.phases + rx
        first = plan.start[part] + before * across
        UPSHAPE_CHECK(count * across == 0 or plan.start[part] <= first)
        UPSHAPE_CHECK(count * across == 0 or first + count * across <= plan.start[part + 1])
        UPSHAPE_CHECK(taps_are_read(
            plan, layout, plan.tap + first, plan.kernel + first, count * across, at,
            (max(n - 1, 0) * layout.x.input_step + 1) * vector))
        lanes(<real*>space.patch + at, layout.x.input_step * vector, n, plan.tap + first,
              plan.kernel + first, count * across, w, bias, made + layout.x.phase[rx] * vector,
              layout.x.step * vector)


# --- channels: vectors of channels as they lie ---------------------------------------------------

cdef void channels_block(Plan plan, Layout layout, const Block* block, const real* x,
                         const real* packed, real* out, const Space* space) noexcept nogil:
    """Make a block of pixels of some channels, straight from the input."""
    cdef Py_ssize_t q, y, rz, ry, rx, oz, oy, c0 = block.c * plan.side
    cdef Point phase
    cdef Py_ssize_t channels = min(plan.side, layout.groups - c0)
    cdef int many = sliding_pixels(block.size.x)
    cdef const real* bias
    cdef Point at
    cdef real* to
    if channels < plan.vector:
        # Whole vectors: the last channels may be made twice.
        c0 -= plan.vector - channels
        channels = plan.vector
    UPSHAPE_CHECK(0 <= c0 and c0 + channels <= layout.groups)
    bias = packed + layout.groups * layout.area + c0
    x += c0
    packed += c0
    for q in range(block.at.z, block.at.z + block.size.z):
        at.z = q * layout.z.input_step
        for rz in range(layout.z.phases):
            oz = q * layout.z.step + layout.z.phase[rz]
            if oz >= plan.result.z:
                continue
            for y in range(block.at.y, block.at.y + block.size.y):
                at.y = y * layout.y.input_step
                for ry in range(layout.y.phases):
                    oy = y * layout.y.step + layout.y.phase[ry]
                    if oy >= plan.result.y:
                        continue
                    to = out + oz * plan.target.z + oy * plan.target.y + c0
                    if plan.tile == SLIDING:
                        channels_row[real](plan, layout, block, &at, x, packed, bias, to, many,
                                           channels, space.taps)
                        continue
                    for rx in range(layout.x.phases):
                        phase.z, phase.y, phase.x = rz, ry, rx
                        phase_row[real](plan, layout, block, &at, &phase, x, packed, bias, to,
                                        channels, space.taps)


cdef void channels_row(Plan plan, Layout layout, const Block* block, const Point* at,
                       const real* x, const real* w, const real* bias, real* out, int many,
                       Py_ssize_t channels, Py_ssize_t* scratch) noexcept nogil:
    """Make a row of pixels by sliding windows; the kernel's rows are those inside the input."""
    cdef Taps depths = taps_inside(&layout.z, 0, at.z, plan.size.z)
    cdef Taps rows = taps_inside(&layout.y, 0, at.y, plan.size.y)
    cdef Py_ssize_t z, y, first = depths.low * layout.y.taps + rows.low, listed = 0
    cdef Py_ssize_t here = at.z * plan.source.z + at.y * plan.source.y
    cdef Slide slide
    slide.rows = (depths.high - depths.low) * (rows.high - rows.low)
    slide.row, slide.kernel = plan.row_tap + first, plan.row_kernel + first
    slide.first, slide.end, slide.many = block.at.x, block.at.x + block.size.x, many
    slide.pixel, slide.to_pixel, slide.w_tap = plan.source.x, plan.target.x, layout.groups
    slide.channels = channels
    if depths.high - depths.low > 1 and rows.high - rows.low < layout.y.taps:
        slide.row, slide.kernel = scratch, scratch + layout.area
        for z in range(depths.low, depths.high):
            for y in range(rows.low, rows.high):
                scratch[listed] = plan.row_tap[z * layout.y.taps + y]
                scratch[layout.area + listed] = plan.row_kernel[z * layout.y.taps + y]
                listed += 1
    UPSHAPE_CHECK(listed <= layout.area)
    UPSHAPE_CHECK(taps_are_read(plan, layout, slide.row, slide.kernel, slide.rows, here, 1)
                  and taps_are_read(plan, layout, slide.row, slide.kernel, slide.rows,
                                    here + (plan.size.x - 1) * plan.source.x, 1))
    sliding_row[real](plan, layout, &slide, x + here, w, bias,
                      out + block.at.x * plan.target.x)


cdef void sliding_row(Plan plan, Layout layout, const Slide* slide, const real* x, const real* w,
                      const real* bias, real* to) noexcept nogil:
    """Make the pixels from `first` to before `end` of a row, `many` at a time: as many or more.

    x: pixel 0 of the rows that are read, were their taps 0; to: pixel `first`.
    """
    cdef Py_ssize_t q = slide.first, ix, low, high, step = layout.x.input_step
    cdef int many = slide.many
    UPSHAPE_CHECK(0 < many <= slide.end - slide.first)
    while q < slide.end:
        # The last pixels may be made twice.
        q = min(q, slide.end - many)
        ix = q * step + layout.x.first
        low, high = max(-ix, 0), min(plan.size.x - ix, step * (many - 1) + layout.x.span)
        sliding(<int>step, many, layout.x.span, x + ix * slide.pixel, slide.row, slide.kernel,
                slide.rows, slide.pixel, low, high, w, slide.w_tap, bias,
                to + (q - slide.first) * slide.to_pixel, slide.to_pixel, slide.channels)
        q += many


cdef void phase_row(Plan plan, Layout layout, const Block* block, const Point* at,
                    const Point* phase, const real* x, const real* w, const real* bias, real* out,
                    Py_ssize_t channels, Py_ssize_t* scratch) noexcept nogil:
    """Make the pixels of one phase in a row from the table of taps."""
    cdef const Axis* ax = &layout.x
    cdef Py_ssize_t part = (phase.z * layout.y.phases + phase.y) * ax.phases + phase.x
    cdef Py_ssize_t t, count, n, q, first, whole, whole_end, end, r = ax.phase[phase.x]
    cdef bint all_rows = is_whole(&layout.z, phase.z, at.z, plan.size.z) and is_whole(
        &layout.y, phase.y, at.y, plan.size.y)
    cdef const Py_ssize_t* tap
    cdef const Py_ssize_t* kernel
    cdef Taps reached
    cdef Point here = at[0]
    if r >= plan.result.x:
        return
    end = min(up(plan.result.x - r, ax.step), block.at.x + block.size.x)
    # The pixels that all taps reach.
    whole, whole_end = block.at.x, end
    for t in range(ax.start[phase.x], ax.start[phase.x + 1]):
        reached = inside(ax.input_step, ax.offset[t], plan.size.x, end)
        whole, whole_end = max(whole, reached.low), min(whole_end, reached.high)
    q = block.at.x
    while q < end:
        tap, kernel = plan.tap + plan.start[part], plan.kernel + plan.start[part]
        count = plan.start[part + 1] - plan.start[part]
        n = whole_end - q if whole <= q < whole_end else 1
        here.x = q * ax.input_step
        if n == 1 or not all_rows:
            count = list_inside(plan, layout, phase, &here, scratch)
            tap, kernel = scratch, scratch + layout.area
        first = here.z * plan.source.z + here.y * plan.source.y + here.x * plan.source.x
        UPSHAPE_CHECK(taps_are_read(plan, layout, tap, kernel, count, first, 1)
                      and taps_are_read(plan, layout, tap, kernel, count, first
                                        + (n - 1) * ax.input_step * plan.source.x, 1))
        pixels(x + first, ax.input_step * plan.source.x, n, tap, kernel, count, w, bias,
               out + (q * ax.step + r) * plan.target.x, ax.step * plan.target.x, channels)
        q += n


cdef inline bint is_whole(const Axis* axis, Py_ssize_t phase, Py_ssize_t at,
                          Py_ssize_t size) noexcept nogil:
    """Return whether all taps of a phase stay within the input."""
    cdef Taps taps = taps_inside(axis, phase, at, size)
    return taps.low == axis.start[phase] and taps.high == axis.start[phase + 1]


cdef Py_ssize_t list_inside(Plan plan, Layout layout, const Point* phase, const Point* at,
                            Py_ssize_t* scratch) noexcept nogil:
    """List the taps of a part that stay within the input, for a pixel; return how many."""
    cdef Taps depths = taps_inside(&layout.z, phase.z, at.z, plan.size.z)
    cdef Taps rows = taps_inside(&layout.y, phase.y, at.y, plan.size.y)
    cdef Taps columns = taps_inside(&layout.x, phase.x, at.x, plan.size.x)
    cdef Py_ssize_t part = (phase.z * layout.y.phases + phase.y) * layout.x.phases + phase.x
    cdef Py_ssize_t height = layout.y.start[phase.y + 1] - layout.y.start[phase.y]
    cdef Py_ssize_t width = layout.x.start[phase.x + 1] - layout.x.start[phase.x]
    cdef Py_ssize_t z, y, x, row, count = 0
    for z in range(depths.low, depths.high):
        for y in range(rows.low, rows.high):
            row = (z - layout.z.start[phase.z]) * height + y - layout.y.start[phase.y]
            row = plan.start[part] + row * width - layout.x.start[phase.x]
            for x in range(columns.low, columns.high):
                UPSHAPE_CHECK(plan.start[part] <= row + x < plan.start[part + 1])
                UPSHAPE_CHECK(count < layout.area)
                scratch[count] = plan.tap[row + x]
                scratch[layout.area + count] = plan.kernel[row + x]
                count += 1
    return count
