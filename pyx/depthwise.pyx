"""Depthwise convolution and transposed convolution: every output channel has one input channel.

    out[g co + c, q s + r] = bias + sum over the taps k of phase r of
        w[g co + c, k] x[g, q t + offset(k)]

on each axis, with s the step of the output and t that of the input, and the phases and their taps
as convolution.pyx has them: s phases and t = 1 for a transposed convolution, one phase for an
ordinary one. There are no channels to sum over, so nothing is a product of matrices: the taps of a
pixel are few, its input is read once, and what counts is that every load serves several sums.

Rows (pixels of a row are neighbours in memory): a strip of input rows is copied with its zero
border, the columns of an input step t apart, into the first cache; tiles make vectors of pixels
from it. Channels-last: vectors of channels, straight from the input; a pixel at the border has
fewer taps. Turned: where rows are short or steps are wide, vectors of pixels would be neither full
nor in one piece. There a vector of channels of rows is transposed into the first cache, made as in
channels-last memory, and transposed back. Threads share out blocks, never a sum: the bits do not
depend on them.

The caller has checked: sizes and strides agree with the arrays, the output is disjoint from the
inputs. No Python object is touched inside run's parallel part.

Hot functions (see depthwise.h), for the guard of the generated code:
window_{32,64}_{K}x{S}, stride2_{32,64}_{K}x{P}, sliding_{32,64}_{K}x{S}_{pixels}, taps_{32,64},
pixels_{32,64}, lanes_{32,64}
"""

cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport uintptr_t

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

cnp.import_array()

ctypedef fused real:
    float
    double

cdef extern from "depthwise.h" nogil:
    enum:
        UPSHAPE_VECTOR_BYTES
        UPSHAPE_WINDOW_ROWS
        UPSHAPE_LEAST_SLIDING
    int sliding_pixels(Py_ssize_t n)
    int window_code(Py_ssize_t kernel, Py_ssize_t stride)
    int stride2_code(Py_ssize_t kernel, Py_ssize_t padding)
    void lines_32(float* to, Py_ssize_t to_row, Py_ssize_t rows, Py_ssize_t length,
                  const float* x, Py_ssize_t x_row, Py_ssize_t first, Py_ssize_t end,
                  Py_ssize_t step, Py_ssize_t low, Py_ssize_t high) noexcept
    void lines_64(double* to, Py_ssize_t to_row, Py_ssize_t rows, Py_ssize_t length,
                  const double* x, Py_ssize_t x_row, Py_ssize_t first, Py_ssize_t end,
                  Py_ssize_t step, Py_ssize_t low, Py_ssize_t high) noexcept
    void window_32(int code, const float* x, Py_ssize_t row, Py_ssize_t plane, const float* w,
                   float start, float* to, Py_ssize_t to_row, Py_ssize_t rows,
                   Py_ssize_t n) noexcept
    void window_64(int code, const double* x, Py_ssize_t row, Py_ssize_t plane, const double* w,
                   double start, double* to, Py_ssize_t to_row, Py_ssize_t rows,
                   Py_ssize_t n) noexcept
    void stride2_32(int code, const float* x, Py_ssize_t row, const float* w, float start, float* to,
                  Py_ssize_t to_row, Py_ssize_t rows, Py_ssize_t n) noexcept
    void stride2_64(int code, const double* x, Py_ssize_t row, const double* w, double start,
                  double* to, Py_ssize_t to_row, Py_ssize_t rows, Py_ssize_t n) noexcept
    void taps_32(const float* x, const Py_ssize_t* tap, const Py_ssize_t* kernel, Py_ssize_t taps,
                 const float* w, float start, float* to, Py_ssize_t n) noexcept
    void taps_64(const double* x, const Py_ssize_t* tap, const Py_ssize_t* kernel, Py_ssize_t taps,
                 const double* w, double start, double* to, Py_ssize_t n) noexcept
    void pixels_32(const float* x, Py_ssize_t x_pixel, Py_ssize_t pixels, const Py_ssize_t* tap,
                   const Py_ssize_t* kernel, Py_ssize_t taps, const float* w, const float* start,
                   float* to, Py_ssize_t to_pixel, Py_ssize_t channels) noexcept
    void pixels_64(const double* x, Py_ssize_t x_pixel, Py_ssize_t pixels, const Py_ssize_t* tap,
                   const Py_ssize_t* kernel, Py_ssize_t taps, const double* w, const double* start,
                   double* to, Py_ssize_t to_pixel, Py_ssize_t channels) noexcept
    void sliding_32(int step, int many, Py_ssize_t k, const float* x, Py_ssize_t row,
                  Py_ssize_t rows, Py_ssize_t pixel, Py_ssize_t low, Py_ssize_t high,
                  const float* w, Py_ssize_t w_tap, const float* start, float* to,
                  Py_ssize_t to_pixel, Py_ssize_t channels) noexcept
    void sliding_64(int step, int many, Py_ssize_t k, const double* x, Py_ssize_t row,
                  Py_ssize_t rows, Py_ssize_t pixel, Py_ssize_t low, Py_ssize_t high,
                  const double* w, Py_ssize_t w_tap, const double* start, double* to,
                  Py_ssize_t to_pixel, Py_ssize_t channels) noexcept
    void transpose_in_32(const float* x, Py_ssize_t x_channel, Py_ssize_t x_row, Py_ssize_t rows,
                    Py_ssize_t low, Py_ssize_t high, float* to, Py_ssize_t width,
                    Py_ssize_t to_row) noexcept
    void transpose_in_64(const double* x, Py_ssize_t x_channel, Py_ssize_t x_row, Py_ssize_t rows,
                    Py_ssize_t low, Py_ssize_t high, double* to, Py_ssize_t width,
                    Py_ssize_t to_row) noexcept
    void transpose_out_32(const float* x, Py_ssize_t n, float* to, Py_ssize_t to_channel) noexcept
    void transpose_out_64(const double* x, Py_ssize_t n, double* to, Py_ssize_t to_channel) noexcept
    void lanes_32(const float* x, Py_ssize_t x_pixel, Py_ssize_t pixels, const Py_ssize_t* tap,
                  const Py_ssize_t* kernel, Py_ssize_t taps, const float* w, const float* start,
                  float* to, Py_ssize_t to_pixel) noexcept
    void lanes_64(const double* x, Py_ssize_t x_pixel, Py_ssize_t pixels, const Py_ssize_t* tap,
                  const Py_ssize_t* kernel, Py_ssize_t taps, const double* w, const double* start,
                  double* to, Py_ssize_t to_pixel) noexcept
    void zip_32(float* to, const float* a, const float* b, Py_ssize_t n) noexcept
    void weave_32(float* to, const float** a, Py_ssize_t step, Py_ssize_t n) noexcept
    void weave_64(double* to, const double** a, Py_ssize_t step, Py_ssize_t n) noexcept
    void zip_64(double* to, const double* a, const double* b, Py_ssize_t n) noexcept

cdef enum:
    # Bytes of a strip of input: most of a first-level cache of 32 KiB. Flat from a third of it on.
    NEAR_BYTES = 24 << 10
    # Bytes of channels that are worked on side by side, and of the input that a row of such pixels
    # reads, for a second-level cache of 512 KiB. On an Intel Granite Rapids, half as many channels
    # are slower by a fifth, more are not faster.
    DEPTH_BYTES = 512
    FAR_BYTES = 192 << 10
    LEAST_PIXELS = 64
    # Bytes of a strip at most; a kernel that spans more is left to convolution.pyx.
    MOST_BYTES = 256 << 10
    # Bytes of turned channels: for a second-level cache of 512 KiB. And of their results that are
    # made at a time, for a first-level cache.
    TURNED_BYTES = 128 << 10
    MADE_BYTES = 8 << 10
    PAGE_BYTES = 4096
    # Pixels up to which turning pays where there are more results than pixels of the input.
    FEW_PIXELS = 800
    # Multiply-adds from which a second thread is worth waking, as in convolution.pyx: a depthwise
    # layer makes fewer of them in that time.
    WORTH_A_THREAD = 200000

# What makes the rows.
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
    Py_ssize_t step, input_step, phases
    Py_ssize_t first, span  # of the offsets
    Py_ssize_t* phase  # r
    Py_ssize_t* start  # the first tap of each phase, and the end of the last
    Py_ssize_t* offset
    Py_ssize_t* kernel


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
    axis.step, axis.input_step, axis.phases = step, input_step, len(phases)
    axis.first, axis.span = min(offsets), max(offsets) - min(offsets) + 1
    axis.phase, axis.start = keep(kept, [r for r, _ in phases]), keep(kept, starts)
    axis.offset, axis.kernel = keep(kept, offsets), keep(kept, [k for _, k in taps])
    return axis


cdef bint is_sliding(const Axis* axis) noexcept:
    """Return whether the taps of an ordinary convolution read neighbours."""
    return (axis.step == 1 and axis.span == axis.start[1]
            and axis.offset[axis.span - 1] == axis.first + axis.span - 1)


cdef class Layout:
    """What a layer's shape decides."""
    cdef readonly bint channels, turned, single
    cdef Axis y, x
    cdef Py_ssize_t groups, co, kernel_x, area
    cdef Tile tile
    cdef int code
    cdef list kept

    def __init__(self, tuple y_axis, tuple x_axis, Py_ssize_t groups, Py_ssize_t co,
                 Py_ssize_t kernel_x, Py_ssize_t area, bint channels, bint turned, bint single,
                 square):
        """Arrange a layer's work; the axes are those of convolution.Layout.

        `channels`: the memory is channels-last; `turned`: it is not, but vectors are of channels.
        `square`: (kernel, stride, padding) where both axes have the same and no dilation, or None.
        """
        self.kept = []
        self.y = axis_of(self.kept, y_axis[0], y_axis[1], y_axis[2])
        self.x = axis_of(self.kept, x_axis[0], x_axis[1], x_axis[2])
        self.groups, self.co, self.kernel_x, self.area = groups, co, kernel_x, area
        self.channels, self.turned, self.single = channels, turned, single
        self.tile, self.code = TAPS, 0
        if channels or turned:
            if is_sliding(&self.y) and is_sliding(&self.x) and self.x.input_step <= 2:
                self.tile = SLIDING
        elif square is not None:
            kernel, stride, padding = square
            if self.x.step == 1 and self.x.offset[0] == self.x.first:
                self.tile, self.code = WINDOW, window_code(kernel, stride)
            elif self.x.step == 2:
                self.tile, self.code = STRIDE2, stride2_code(kernel, padding)
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
        if self.turned:
            lanes = UPSHAPE_VECTOR_BYTES // item
            count = up(count, lanes) * lanes
        return (count * (self.area + 1) + UPSHAPE_VECTOR_BYTES) * item

    def pack(self, cnp.ndarray weight not None, cnp.ndarray bias, cnp.ndarray packed=None):
        """Return the weights (C-contiguous, of this layout's dtype) in the order of use.

        That is [channel][tap] for rows, and [tap][channel] for vectors of channels, turned ones one
        after the other; then the biases. They are put into `packed` if that is given, memory of
        packed_bytes or more.
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


cdef void pack_weights(Layout layout, const real* weight, const real* bias,
                       real* packed) noexcept nogil:
    cdef Py_ssize_t count = layout.groups * layout.co, area = layout.area, c, t, c0, block
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(real)
    if layout.turned:
        for block in range(up(count, lanes)):
            # The last block is whole: some channels are in two.
            c0 = max(min(block * lanes, count - lanes), 0)
            for c in range(min(lanes, count)):
                for t in range(area):
                    packed[(block * area + t) * lanes + c] = weight[(c0 + c) * area + t]
                packed[(up(count, lanes) * area + block) * lanes + c] = (
                    bias[c0 + c] if bias != NULL else 0)
        return
    for c in range(count):
        for t in range(area):
            packed[t * count + c if layout.channels else c * area + t] = weight[c * area + t]
        packed[count * area + c] = bias[c] if bias != NULL else 0


cdef class Plan:
    """How one shape of input goes through a layout: strips, and the threads' shares of them."""
    cdef Layout layout
    cdef readonly int threads
    cdef readonly bint fits, pays
    cdef Py_ssize_t n, hi, wi, ho, wo, qy, qx, vector
    cdef Py_ssize_t xn, xc, xy, xx, on, oc, oy, ox
    # A block: rows x columns pixels q, or rows x all columns of some channels.
    cdef Py_ssize_t rows, columns, depth, chunk, y_blocks, x_blocks, c_blocks, items
    # The strip: planes for the phases of an input step, each of rows of whole vectors. `lead`: how
    # far into the first vector it starts, so that its stores straddle no cache lines.
    cdef Py_ssize_t planes, plane, row, lead, strip_size
    cdef readonly size_t thread_bytes
    cdef readonly double nanoseconds  # estimated, of one core with all of it
    cdef Tile tile
    cdef list kept
    cdef Py_ssize_t* tap
    cdef Py_ssize_t* kernel
    cdef Py_ssize_t* start
    cdef Frame source_frame, result_frame
    cdef Py_ssize_t packed_bytes

    def __init__(self, Layout layout, tuple x_shape, tuple x_strides, tuple out_shape,
                 tuple out_strides, int threads, rows=None, columns=None, bint plain=False):
        """Plan for (N, C, H, W) arrays; strides count elements.

        `rows`, `columns`: the size of blocks, and `plain`: taps from a table only; tests hold them
        against each other. Where `fits` is False, this is no plan; without `pays` convolution.pyx
        has a faster one.
        """
        cdef Py_ssize_t item = 4 if layout.single else 8
        cdef double work
        self.layout = layout
        self.n, _, _, self.hi, self.wi = x_shape
        _, _, _, self.ho, self.wo = out_shape
        self.xn, self.xc, _, self.xy, self.xx = x_strides
        self.on, self.oc, _, self.oy, self.ox = out_strides
        self.source_frame = frame_of(x_shape, x_strides)
        self.result_frame = frame_of(out_shape, out_strides)
        self.packed_bytes = layout.packed_bytes
        self.qy, self.qx = up(self.ho, layout.y.step), up(self.wo, layout.x.step)
        self.vector = UPSHAPE_VECTOR_BYTES // item
        work = <double>self.n * self.qy * self.qx * layout.groups * layout.co * (layout.area + 1)
        self.threads = <int>max(min(<double>threads, work / WORTH_A_THREAD), 1.0)
        self.kept = []
        self.tile = TAPS if plain else layout.tile
        if layout.channels:
            if self.qx < UPSHAPE_LEAST_SLIDING:
                self.tile = TAPS
            self.set_depth(item, rows, columns)
        elif layout.turned:
            self.set_lanes(item, rows, columns)
        else:
            self.set_strip(item, rows, columns)
        if self.fits:
            self.list_taps()
            if layout.turned:
                self.nanoseconds = self.turned_cycles()
            elif not layout.channels:
                self.nanoseconds = self.strip_cycles()
        phases = layout.y.step * layout.x.step
        if layout.turned:
            # A single tap is hardly worth a turn, nor are many more results than inputs: those of
            # channels that are made twice or whole pages apart even less.
            few = FEW_PIXELS * layout.groups // (up(layout.groups, self.vector) * self.vector)
            if self.oc * item % PAGE_BYTES == 0:
                few //= 3
            self.pays = layout.area > 1 and (phases == 1 or self.qy * self.qx <= few)
        else:
            # Rows of two axes from a table take twice as long as convolution.pyx takes, which
            # makes them of eight vectors at a time.
            self.pays = layout.channels or self.tile != TAPS or self.qy == 1

    def set_depth(self, Py_ssize_t item, rows, columns):
        """Cut channels-last work: pixels for the threads, channels for the caches."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t channels = layout.groups
        cdef double pixel = <double>min(layout.y.span, self.hi) * layout.x.input_step * item
        self.fits = layout.co == 1 and self.xc == self.oc == 1 and channels >= self.vector
        self.depth = min(channels, max(DEPTH_BYTES // item, self.vector))
        self.columns = min(max(<Py_ssize_t>(FAR_BYTES / (pixel * self.depth)), LEAST_PIXELS),
                           self.qx)
        if columns is not None:
            self.columns = columns
        self.rows = self.qy
        if self.n * up(channels, self.depth) < 4 * self.threads:
            self.rows = up(self.qy, min(self.qy, 4 * self.threads))
        if rows is not None:
            self.rows = rows
        self.y_blocks, self.x_blocks = up(self.qy, self.rows), up(self.qx, self.columns)
        self.c_blocks = up(channels, self.depth)
        self.items = self.n * self.y_blocks * self.x_blocks * self.c_blocks
        self.strip_size = 0
        self.thread_bytes = 2 * layout.area * sizeof(Py_ssize_t)

    def set_strip(self, Py_ssize_t item, rows, columns):
        """Cut the pixels into blocks whose strip of input fits the first cache."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t fitting, tall = UPSHAPE_WINDOW_ROWS
        cdef double bytes
        cdef Py_ssize_t least = layout.y.span + (tall - 1) * layout.y.input_step
        self.planes = min(layout.x.input_step, layout.x.span)
        self.lead = up(max(-layout.x.first, 0), layout.x.input_step) % self.vector
        self.lead = (self.vector - self.lead) % self.vector
        parts = 1
        while True:
            self.columns = up(self.qx, parts)
            if parts > 1:
                self.columns = up(self.columns, self.vector) * self.vector
            if columns is not None:
                self.columns = columns
            self.row = max(self.columns, self.vector) + self.lead
            self.row += (layout.x.span - 1) // layout.x.input_step
            self.row = up(self.row, self.vector) * self.vector
            bytes = <double>self.row * self.planes * item
            if (bytes * least <= NEAR_BYTES or columns is not None
                    or self.columns <= 4 * self.vector):
                break
            parts += parts
        self.fits = self.ox == 1 and bytes * least <= MOST_BYTES
        if not self.fits:
            return
        fitting = <Py_ssize_t>(NEAR_BYTES / bytes)
        self.rows = max((fitting - layout.y.span) // layout.y.input_step + 1, tall)
        if self.n * layout.groups < 4 * self.threads:
            self.rows = min(self.rows, up(self.qy, 4 * self.threads))
        self.rows = min(self.rows, self.qy) if rows is None else rows
        self.y_blocks = up(self.qy, self.rows)
        self.rows = up(self.qy, self.y_blocks)
        self.y_blocks, self.x_blocks = up(self.qy, self.rows), up(self.qx, self.columns)
        self.c_blocks = layout.groups
        self.items = self.n * layout.groups * self.y_blocks * self.x_blocks
        # Whole tiles are read and whole vectors are written, whether they are there or not.
        self.plane = self.row * (
            layout.y.span + (max(self.rows, tall) - 1) * layout.y.input_step)
        self.strip_size = self.planes * self.plane + 2 * self.vector
        self.thread_bytes = item * (
            self.strip_size + layout.x.phases * (up(self.columns, self.vector) + 1) * self.vector)

    def set_lanes(self, Py_ssize_t item, rows, columns):
        """Cut the pixels into blocks that, turned, fit the second cache with their results."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t lanes = self.vector, phases = layout.y.step * layout.x.step, fitting
        cdef double bytes
        self.fits = (layout.co == 1 and layout.groups >= lanes and self.xx == self.ox == 1
                     and layout.y.phases == layout.y.step and layout.x.phases == layout.x.step)
        self.planes, self.lead, self.columns = 1, 0, self.qx if columns is None else columns
        while True:
            self.row = (layout.x.span + (self.columns - 1) * layout.x.input_step) * lanes
            bytes = <double>self.row * item
            if bytes * layout.y.span <= TURNED_BYTES or columns is not None or self.columns <= 16:
                break
            self.columns = up(self.columns, 2)
        if self.qx - (up(self.qx, self.columns) - 1) * self.columns < UPSHAPE_LEAST_SLIDING:
            self.tile = TAPS
        self.fits = (self.fits and bytes * layout.y.span <= MOST_BYTES
                     and <double>self.columns * phases * lanes * item <= MOST_BYTES)
        if not self.fits:
            return
        fitting = <Py_ssize_t>(
            (TURNED_BYTES / bytes - layout.y.span) / layout.y.input_step) + 1
        self.rows = min(max(fitting, 1), self.qy) if rows is None else rows
        self.c_blocks = up(layout.groups, lanes)
        if self.n * self.c_blocks < 4 * self.threads and rows is None:
            self.rows = min(self.rows, up(self.qy, 4 * self.threads))
        self.y_blocks = up(self.qy, self.rows)
        self.rows = up(self.qy, self.y_blocks)
        self.y_blocks, self.x_blocks = up(self.qy, self.rows), up(self.qx, self.columns)
        self.items = self.n * self.c_blocks * self.y_blocks * self.x_blocks
        self.strip_size = self.row * (layout.y.span + (self.rows - 1) * layout.y.input_step)
        bytes = <double>self.columns * phases * lanes * item
        self.chunk = <Py_ssize_t>max(min(MADE_BYTES / bytes, <double>self.rows), 1)
        self.thread_bytes = item * (
            self.strip_size + (self.chunk * self.columns * phases + lanes) * lanes)

    cdef double strip_cycles(self) noexcept:
        """Estimate what rows of vectors of pixels cost. The numbers were fitted on a Zen 5."""
        cdef Layout layout = self.layout
        cdef double taps = layout.area / <double>(layout.y.step * layout.x.step)
        cdef double copied = up(self.row, self.vector), made
        if self.tile == TAPS:
            taps *= 1.1
        else:
            # The more weights, the fewer of them stay in registers.
            taps *= 0.5 if layout.area <= 9 else 0.7 if layout.area <= 25 else 0.9
            if UPSHAPE_VECTOR_BYTES == 16 and layout.area > 9:
                taps *= 1.4
        # A step is taken by permutations, or element by element.
        copied *= 1.5 * layout.x.input_step if layout.x.input_step < 3 else self.vector
        copied = (copied + 4) * self.planes * self.x_blocks
        copied *= layout.y.span + (self.qy - 1) * layout.y.input_step
        made = self.ho * up(self.wo, self.vector) * (taps + 1)
        return self.n * layout.groups * (80 + copied + layout.co * made)

    cdef double turned_cycles(self) noexcept:
        """Estimate what vectors of turned channels cost: the turns, and the taps."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t item = 4 if layout.single else 8
        cdef double transpose_in = 0.25 * self.vector, transpose_out = 1 + 0.5 * self.vector
        cdef double tap = 0.85 if self.tile == TAPS else 0.5
        if UPSHAPE_VECTOR_BYTES == 16:
            tap *= 1.5  # products and sums are apart
        # Channels that are whole pages apart meet in a few lines of the first cache.
        if self.xc * item % PAGE_BYTES == 0:
            transpose_in += 0.25 * self.vector
        if self.oc * item % PAGE_BYTES == 0:
            transpose_out += 0.25 * self.vector
        return self.n * self.c_blocks * (
            transpose_in * self.hi * self.wi + transpose_out * self.ho * self.wo
            + tap * layout.area * self.qy * self.qx)

    def list_taps(self):
        """List the taps of all phases: where they read, and the weight they read it for."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t ry, rx, t, k, row, column
        taps, kernel, start = [], [], [0]
        for ry in range(layout.y.phases):
            for rx in range(layout.x.phases):
                for t in range(layout.y.start[ry], layout.y.start[ry + 1]):
                    for k in range(layout.x.start[rx], layout.x.start[rx + 1]):
                        row, column = layout.y.offset[t], layout.x.offset[k]
                        weight = layout.y.kernel[t] * layout.kernel_x + layout.x.kernel[k]
                        if layout.channels:
                            taps.append(row * self.xy + column * self.xx)
                            kernel.append(weight * layout.groups)
                        elif layout.turned:
                            taps.append((row - layout.y.first) * self.row
                                        + (column - layout.x.first) * self.vector)
                            kernel.append(weight * self.vector)
                        else:
                            column -= layout.x.first
                            taps.append((row - layout.y.first) * self.row
                                        + column % layout.x.input_step * self.plane
                                        + column // layout.x.input_step)
                            kernel.append(weight)
                start.append(len(taps))
        self.tap, self.kernel = keep(self.kept, taps), keep(self.kept, kernel)
        self.start = keep(self.kept, start)

    @property
    def description(self):
        """What was chosen, in words and numbers, for tests and benchmarks."""
        return {
            "order": ("channels" if self.layout.channels
                      else "turned" if self.layout.turned else "pixels"),
            "source": "depthwise",
            "tile": ("taps", "window", "stride2", "sliding")[self.tile],
            "rows": self.rows, "columns": self.columns, "channels": self.depth,
            "items": self.items, "threads": self.threads,
        }

    @property
    def nbytes(self):
        """Bytes that this plan takes, but for its layout."""
        return 1000 + sum([array.nbytes for array in self.kept])

    cdef size_t room(self) noexcept:
        """Return the bytes of a thread."""
        return (self.thread_bytes + 127) // 64 * 64

    cpdef cnp.ndarray take(self):
        """Return the working memory of a run, to be handed to it."""
        return np.empty(self.room() * self.threads + 64, np.uint8)

    cpdef run(self, cnp.ndarray x, cnp.ndarray packed, cnp.ndarray out, cnp.ndarray scratch=None):
        """Compute the layer; x and out have the shapes and strides of this plan."""
        cdef Team team
        cdef int t, threads = self.threads
        cdef size_t room = self.room()
        cdef const char* source = cnp.PyArray_BYTES(x)
        cdef const char* weights = cnp.PyArray_BYTES(packed)
        cdef char* target = cnp.PyArray_BYTES(out)
        cdef char* space
        if not (lies(x, &self.source_frame, self.layout.single)
                and lies(out, &self.result_frame, self.layout.single)
                and packed.nbytes >= self.packed_bytes):
            raise ValueError("the plan was made for arrays that lie otherwise in memory")
        if scratch is None:
            scratch = self.take()
        space = <char*>((<uintptr_t>cnp.PyArray_DATA(scratch) + 63) & ~<uintptr_t>63)
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


cdef void run_thread(Plan plan, Layout layout, int thread, const char* x, const char* packed,
                     char* out, char* space) noexcept nogil:
    """Do one thread's share."""
    if layout.single:
        run_share[float](plan, layout, thread, <const float*>x, <const float*>packed, <float*>out,
                         space)
    else:
        run_share[double](plan, layout, thread, <const double*>x, <const double*>packed,
                          <double*>out, space)


cdef void run_share(Plan plan, Layout layout, int thread, const real* x, const real* packed,
                    real* out, char* space) noexcept nogil:
    cdef Py_ssize_t _, n, c, y, column, first = plan.items * thread // plan.threads
    cdef const real* bias = packed + layout.groups * layout.co * layout.area
    column = first % plan.x_blocks
    y = first // plan.x_blocks % plan.y_blocks
    c = first // plan.x_blocks // plan.y_blocks % plan.c_blocks
    n = first // plan.x_blocks // plan.y_blocks // plan.c_blocks
    for _ in range(first, plan.items * (thread + 1) // plan.threads):
        if layout.channels:
            channels_block[real](plan, layout, x + n * plan.xn, packed, bias, out + n * plan.on,
                                 y * plan.rows, column * plan.columns, c * plan.depth,
                                 <Py_ssize_t*>space)
        elif layout.turned:
            lanes_block[real](plan, layout, x + n * plan.xn, packed, out + n * plan.on, c,
                              y * plan.rows, column * plan.columns, <real*>space)
        else:
            rows_block[real](plan, layout, x + n * plan.xn + c * plan.xc,
                             packed + c * layout.co * layout.area, bias + c * layout.co,
                             out + n * plan.on + c * layout.co * plan.oc, y * plan.rows,
                             column * plan.columns, <real*>space)
        column += 1
        if column == plan.x_blocks:
            column = 0
            y += 1
            if y == plan.y_blocks:
                y = 0
                c += 1
                if c == plan.c_blocks:
                    c = 0
                    n += 1


# --- vectors of pixels ---------------------------------------------------------------------------

cdef inline void inside(Py_ssize_t step, Py_ssize_t start, Py_ssize_t size, Py_ssize_t length,
                        Py_ssize_t* low, Py_ssize_t* high) noexcept nogil:
    """Find low <= j < high of 0 .. length - 1 for which start + j step is in 0 .. size - 1."""
    low[0], high[0] = 0, length
    if start < 0:
        low[0] = min(up(-start, step), length)
    if start + (length - 1) * step >= size:
        high[0] = max(up(max(size - start, 0), step), low[0])


cdef void rows_block(Plan plan, Layout layout, const real* x, const real* w, const real* bias,
                     real* out, Py_ssize_t y0, Py_ssize_t x0, real* strip) noexcept nogil:
    """Make a block of pixels of the output channels that one input channel has."""
    cdef Py_ssize_t rows = min(plan.rows, plan.qy - y0), columns = min(plan.columns, plan.qx - x0)
    cdef Py_ssize_t height = layout.y.span + (rows - 1) * layout.y.input_step
    cdef Py_ssize_t width = max(columns, plan.vector) + (layout.x.span - 1) // layout.x.input_step
    cdef Py_ssize_t px, iy, ix, c, q, top, bottom, low, high, length
    cdef real* to
    cdef const real* source
    iy = y0 * layout.y.input_step + layout.y.first
    inside(1, iy, plan.hi, height, &top, &bottom)
    strip += plan.lead
    for px in range(plan.planes):
        ix = x0 * layout.x.input_step + layout.x.first + px
        inside(layout.x.input_step, ix, plan.wi, width, &low, &high)
        source = x + (iy + top) * plan.xy + (ix + low * layout.x.input_step) * plan.xx
        if real is float:
            lines_32(strip + px * plan.plane, plan.row, height, width, source, plan.xy, top,
                     bottom, layout.x.input_step * plan.xx, low, high)
        else:
            lines_64(strip + px * plan.plane, plan.row, height, width, source, plan.xy, top,
                     bottom, layout.x.input_step * plan.xx, low, high)

    length = min(columns * layout.x.step, plan.wo - x0 * layout.x.step)
    for c in range(layout.co):
        to = out + c * plan.oc + x0 * layout.x.step
        if plan.tile == TAPS:
            taps_rows[real](plan, layout, strip, w + c * layout.area, bias[c], to, y0, rows, length,
                            strip - plan.lead + plan.strip_size)
            continue
        to += y0 * layout.y.step * plan.oy
        q = min(rows * layout.y.step, plan.ho - y0 * layout.y.step)
        if plan.tile == WINDOW:
            window[real](plan, layout, strip, w + c * layout.area, bias[c], to, q, length)
        else:
            stride2[real](plan, layout, strip, w + c * layout.area, bias[c], to, q, length)


cdef inline void window(Plan plan, Layout layout, const real* x, const real* w, real start,
                        real* to, Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    if real is float:
        window_32(layout.code, x, plan.row, plan.plane, w, start, to, plan.oy, rows, n)
    else:
        window_64(layout.code, x, plan.row, plan.plane, w, start, to, plan.oy, rows, n)


cdef inline void stride2(Plan plan, Layout layout, const real* x, const real* w, real start, real* to,
                       Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    if real is float:
        stride2_32(layout.code, x, plan.row, w, start, to, plan.oy, rows, n)
    else:
        stride2_64(layout.code, x, plan.row, w, start, to, plan.oy, rows, n)


cdef void taps_rows(Plan plan, Layout layout, const real* strip, const real* w, real start,
                    real* out, Py_ssize_t y0, Py_ssize_t rows, Py_ssize_t length,
                    real* lines) noexcept nogil:
    """Make rows from the table of taps: each x-phase a line, the lines interleaved."""
    cdef Py_ssize_t q, ry, rx, r, oy, n, j, part, step = layout.x.step
    cdef Py_ssize_t line_size = (up(plan.columns, plan.vector) + 1) * plan.vector
    cdef real* to
    cdef real* made
    cdef const real* woven[4]
    for q in range(rows):
        for ry in range(layout.y.phases):
            oy = (y0 + q) * layout.y.step + layout.y.phase[ry]
            if oy >= plan.ho:
                continue
            to = out + oy * plan.oy
            for rx in range(layout.x.phases):
                r = layout.x.phase[rx]
                n = up(length - r, step) if length > r else 0
                part = ry * layout.x.phases + rx
                made = to if step == 1 else lines + rx * line_size
                if real is float:
                    taps_32(strip + q * layout.y.input_step * plan.row,
                            plan.tap + plan.start[part], plan.kernel + plan.start[part],
                            plan.start[part + 1] - plan.start[part], w, start, made, n)
                else:
                    taps_64(strip + q * layout.y.input_step * plan.row,
                            plan.tap + plan.start[part], plan.kernel + plan.start[part],
                            plan.start[part + 1] - plan.start[part], w, start, made, n)
                if step > 4 or layout.x.phases < step:
                    for j in range(n):
                        to[j * step + r] = made[j]
            if 2 < step <= 4 and layout.x.phases == step:
                n = length // step
                for rx in range(step):
                    woven[rx] = lines + rx * line_size
                if real is float:
                    weave_32(to, woven, step, n)
                else:
                    weave_64(to, woven, step, n)
                for rx in range(length - n * step):
                    to[n * step + rx] = woven[rx][n]
            if step == 2 and layout.x.phases == 2:
                n = length // 2
                if real is float:
                    zip_32(to, lines, lines + line_size, n)
                else:
                    zip_64(to, lines, lines + line_size, n)
                if length % 2:
                    to[length - 1] = lines[n]


# --- vectors of channels, turned -----------------------------------------------------------------

cdef void lanes_block(Plan plan, Layout layout, const real* x, const real* w, real* out,
                      Py_ssize_t block, Py_ssize_t y0, Py_ssize_t x0, real* strip) noexcept nogil:
    """Make a block of pixels of a vector of channels, a few rows at a time."""
    cdef Py_ssize_t lanes = plan.vector, c0 = min(block * lanes, layout.groups - lanes)
    cdef Py_ssize_t rows = min(plan.rows, plan.qy - y0), columns = min(plan.columns, plan.qx - x0)
    cdef Py_ssize_t height, width = layout.x.span + (columns - 1) * layout.x.input_step
    cdef Py_ssize_t iy = y0 * layout.y.input_step + layout.y.first
    cdef Py_ssize_t ix = x0 * layout.x.input_step + layout.x.first
    cdef Py_ssize_t q = 0, end, top, bottom, low, high, turned = 0
    cdef Py_ssize_t made_columns = min(columns * layout.x.step, plan.wo - x0 * layout.x.step)
    cdef real* made = strip + plan.strip_size
    inside(1, ix, plan.wi, width, &low, &high)
    x += c0 * plan.xc + ix + low
    out += c0 * plan.oc + x0 * layout.x.step
    while q < rows:
        end = min(q + plan.chunk, rows)
        height = layout.y.span + (end - 1) * layout.y.input_step
        inside(1, iy, plan.hi, height, &top, &bottom)
        top = max(top, turned)
        turned = height
        if top < bottom:
            transpose_in[real](plan, x + (iy + top) * plan.xy, bottom - top, low, high,
                          strip + top * plan.row, width)
        lanes_rows[real](plan, layout, strip + q * layout.y.input_step * plan.row, w, block,
                         y0 + q, y0 + end, made, x0, made_columns)
        transpose_out[real](plan, made, out + (y0 + q) * layout.y.step * plan.oy,
                       min((end - q) * layout.y.step, plan.ho - (y0 + q) * layout.y.step),
                       made_columns)
        q = end


cdef inline void transpose_in(Plan plan, const real* x, Py_ssize_t rows, Py_ssize_t low,
                         Py_ssize_t high, real* to, Py_ssize_t width) noexcept nogil:
    if real is float:
        transpose_in_32(x, plan.xc, plan.xy, rows, low, high, to, width, plan.row)
    else:
        transpose_in_64(x, plan.xc, plan.xy, rows, low, high, to, width, plan.row)


cdef inline void transpose_out(Plan plan, const real* made, real* out, Py_ssize_t rows,
                          Py_ssize_t columns) noexcept nogil:
    cdef Py_ssize_t row, n = columns
    if plan.oy == columns:
        # Rows without a gap between them are one.
        n, rows = rows * columns, 1
    for row in range(rows):
        if real is float:
            transpose_out_32(made + row * n * plan.vector, n, out + row * plan.oy, plan.oc)
        else:
            transpose_out_64(made + row * n * plan.vector, n, out + row * plan.oy, plan.oc)


cdef inline void lanes_rows(Plan plan, Layout layout, const real* x, const real* w,
                            Py_ssize_t block, Py_ssize_t first, Py_ssize_t last, real* made,
                            Py_ssize_t x0, Py_ssize_t columns) noexcept nogil:
    """Make rows q from `first` to before `last` of a vector of channels, `columns` pixels each."""
    cdef const real* source
    cdef Py_ssize_t lanes = plan.vector, q, ry, rx, oy, iy, t, end, count, part, n
    cdef const real* bias = w + (plan.c_blocks * layout.area + block) * lanes
    cdef real* to
    w += block * layout.area * lanes
    for q in range(first, last):
        iy = q * layout.y.input_step
        for ry in range(layout.y.phases):
            oy = q * layout.y.step + layout.y.phase[ry]
            if oy >= plan.ho:
                continue
            # The taps that stay within the input's height.
            t, end = layout.y.start[ry], layout.y.start[ry + 1]
            while t < end and not 0 <= iy + layout.y.offset[t] < plan.hi:
                t += 1
            while t < end and not 0 <= iy + layout.y.offset[end - 1] < plan.hi:
                end -= 1
            for rx in range(layout.x.phases):
                n = columns - layout.x.phase[rx]
                if n <= 0:
                    continue
                n = up(n, layout.x.step)
                count = layout.x.start[rx + 1] - layout.x.start[rx]
                part = plan.start[ry * layout.x.phases + rx]
                part += (t - layout.y.start[ry]) * count
                count *= end - t
                to = made + ((oy - first * layout.y.step) * columns + layout.x.phase[rx]) * lanes
                if plan.tile == SLIDING:
                    source = x + t * plan.row
                    source -= (x0 * layout.x.input_step + layout.x.first) * lanes
                    sliding_row[real](plan, layout, source, plan.row, end - t, lanes,
                                    w + t * layout.kernel_x * lanes, lanes, bias, to, lanes, x0,
                                    x0 + columns, lanes)
                    continue
                if real is float:
                    lanes_32(x, layout.x.input_step * lanes, n, plan.tap + part,
                             plan.kernel + part, count, w, bias, to, layout.x.step * lanes)
                else:
                    lanes_64(x, layout.x.input_step * lanes, n, plan.tap + part,
                             plan.kernel + part, count, w, bias, to, layout.x.step * lanes)
        x += layout.y.input_step * plan.row


# --- vectors of channels -------------------------------------------------------------------------

cdef void channels_block(Plan plan, Layout layout, const real* x, const real* w, const real* bias,
                         real* out, Py_ssize_t y0, Py_ssize_t x0, Py_ssize_t c0,
                         Py_ssize_t* scratch) noexcept nogil:
    """Make a block of pixels of some channels, straight from the input."""
    cdef Py_ssize_t q, ry, rx, oy, low, high, end
    cdef Py_ssize_t channels = min(plan.depth, layout.groups - c0)
    if channels < plan.vector:
        # Whole vectors: the last channels may be made twice.
        c0 -= plan.vector - channels
        channels = plan.vector
    for q in range(y0, min(y0 + plan.rows, plan.qy)):
        for ry in range(layout.y.phases):
            oy = q * layout.y.step + layout.y.phase[ry]
            if oy >= plan.ho:
                continue
            if plan.tile == SLIDING:
                # The taps that stay within the input's height.
                inside(1, q * layout.y.input_step + layout.y.first, plan.hi, layout.y.span, &low,
                       &high)
                end = min(x0 + plan.columns, plan.qx)
                sliding_row[real](plan, layout,
                                x + c0 + (q * layout.y.input_step + layout.y.first + low) * plan.xy,
                                plan.xy, high - low, plan.xx,
                                w + c0 + low * layout.kernel_x * layout.groups, layout.groups,
                                bias + c0, out + oy * plan.oy + x0 * plan.ox + c0, plan.ox, x0,
                                end, channels)
                continue
            for rx in range(layout.x.phases):
                taps_row[real](plan, layout, ry, rx, x + c0, w + c0, bias + c0,
                               out + oy * plan.oy + c0, q, x0, channels, scratch)


cdef void sliding_row(Plan plan, Layout layout, const real* x, Py_ssize_t row, Py_ssize_t rows,
                    Py_ssize_t pixel, const real* w, Py_ssize_t w_tap, const real* bias, real* to,
                    Py_ssize_t to_pixel, Py_ssize_t first, Py_ssize_t end,
                    Py_ssize_t channels) noexcept nogil:
    """Make the pixels from `first` to before `end` of a row, a sliding window's or more.

    x: the first pixel of the first of the `rows` rows that are read; to: pixel `first`.
    """
    cdef Py_ssize_t qx = first, ix, low, high, step = layout.x.input_step
    cdef int many = sliding_pixels(end - first)
    while qx < end:
        # The last pixels may be made twice.
        qx = min(qx, end - many)
        ix = qx * step + layout.x.first
        low, high = max(-ix, 0), min(plan.wi - ix, step * (many - 1) + layout.x.span)
        if real is float:
            sliding_32(<int>step, many, layout.x.span, x + ix * pixel, row, rows, pixel, low, high,
                     w, w_tap, bias, to + (qx - first) * to_pixel, to_pixel, channels)
        else:
            sliding_64(<int>step, many, layout.x.span, x + ix * pixel, row, rows, pixel, low, high,
                     w, w_tap, bias, to + (qx - first) * to_pixel, to_pixel, channels)
        qx += many


cdef void taps_row(Plan plan, Layout layout, Py_ssize_t ry, Py_ssize_t rx, const real* x,
                   const real* w, const real* bias, real* out, Py_ssize_t q, Py_ssize_t x0,
                   Py_ssize_t channels, Py_ssize_t* scratch) noexcept nogil:
    """Make the pixels of one phase in a row from the table of taps."""
    cdef const Axis* ax = &layout.x
    cdef Py_ssize_t part = ry * ax.phases + rx, iy = q * layout.y.input_step
    cdef Py_ssize_t t, low, high, count, pixels, qx, all_low = x0, all_high, end
    cdef bint row_inside = (iy + layout.y.first >= 0
                            and iy + layout.y.first + layout.y.span <= plan.hi)
    cdef const Py_ssize_t* tap
    cdef const Py_ssize_t* kernel
    if ax.phase[rx] >= plan.wo:
        return
    end = min(up(plan.wo - ax.phase[rx], ax.step), x0 + plan.columns)
    # The pixels that all taps reach.
    all_high = end
    for t in range(ax.start[rx], ax.start[rx + 1]):
        inside(ax.input_step, ax.offset[t], plan.wi, end, &low, &high)
        all_low, all_high = max(all_low, low), min(all_high, high)
    qx = x0
    while qx < end:
        tap, kernel = plan.tap + plan.start[part], plan.kernel + plan.start[part]
        count = plan.start[part + 1] - plan.start[part]
        pixels = 1
        if all_low <= qx < all_high:
            pixels = all_high - qx
        if pixels == 1 or not row_inside:
            count = taps_inside(plan, layout, ry, rx, iy, qx * ax.input_step, scratch,
                                scratch + layout.area)
            tap, kernel = scratch, scratch + layout.area
        if real is float:
            pixels_32(x + iy * plan.xy + qx * ax.input_step * plan.xx, ax.input_step * plan.xx,
                      pixels, tap, kernel, count, w, bias,
                      out + (qx * ax.step + ax.phase[rx]) * plan.ox, ax.step * plan.ox, channels)
        else:
            pixels_64(x + iy * plan.xy + qx * ax.input_step * plan.xx, ax.input_step * plan.xx,
                      pixels, tap, kernel, count, w, bias,
                      out + (qx * ax.step + ax.phase[rx]) * plan.ox, ax.step * plan.ox, channels)
        qx += pixels


cdef inline Py_ssize_t taps_inside(Plan plan, Layout layout, Py_ssize_t ry, Py_ssize_t rx,
                                   Py_ssize_t iy, Py_ssize_t ix, Py_ssize_t* taps,
                                   Py_ssize_t* kernel) noexcept nogil:
    """List the taps of a phase that stay within the input, for a pixel; return how many."""
    cdef Py_ssize_t t, k, count = 0
    cdef const Axis* ay = &layout.y
    cdef const Axis* ax = &layout.x
    for t in range(ay.start[ry], ay.start[ry + 1]):
        if not 0 <= iy + ay.offset[t] < plan.hi:
            continue
        for k in range(ax.start[rx], ax.start[rx + 1]):
            if 0 <= ix + ax.offset[k] < plan.wi:
                taps[count] = ay.offset[t] * plan.xy + ax.offset[k] * plan.xx
                kernel[count] = ((ay.kernel[t] * layout.kernel_x + ax.kernel[k])
                                 * layout.groups)
                count += 1
    return count
