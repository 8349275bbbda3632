"""Depthwise convolution and transposed convolution: every output channel has one input channel.

    out[g co + c, q s + r] = bias + sum over the taps k of phase r of
        w[g co + c, k] x[g, q t + offset(k)]

on each of three axes, with s the step of the output and t that of the input, and the phases and
their taps as lanes.py has them: s phases and t = 1 for a transposed convolution, one phase
for an ordinary one. Fewer axes are leading ones of one pixel and one tap. There are no channels to
sum over, so nothing is a product of matrices: the taps of a pixel are few, its input is read once,
and what counts is that every load serves several sums.

Three orders of work, each with a file in pyx/conv:

pixels    (depthwise_rows.pxd)
          Pixels of a row are neighbours in memory: a padded patch of input rows, the columns of an
          input step t apart, is copied into the first cache; tiles make vectors of pixels from it.
transposed (depthwise_lanes.pxd)
          Where rows are short or steps are wide, vectors of pixels would be neither full nor in one
          piece. There a vector of channels of rows is transposed into the first cache, made as in
          channels-last memory, and transposed back.
channels  (depthwise_channels.pxd)
          Channels-last: vectors of channels, straight from the input; a pixel at the border has
          fewer taps.

The tables that they walk are described in depthwise_layer.pxd; depthwise_blocking.pxd cuts the work
for a shape, depthwise_cost.pxd counts it.

A task is a block of pixels q of some channels of an image: depths x rows x columns. Threads share
out blocks, never a sum: the bits do not depend on them. A tap in a depth outside the input is left
out; patches have zeros for the rows and columns outside.

The caller has checked: sizes and strides agree with the arrays, the output is disjoint from the
inputs. No Python object is touched inside run's parallel part.

Hot functions (see depthwise.h), for the guard of the generated code:
window_{32,64}_{K}x{S}, deep_window_{32,64}_{K}x{S}, stride2_{32,64}_{K}x{P},
sliding_{32,64}_{K}x{S}_{pixels}, taps_{32,64}, pixels_{32,64}, lanes_{32,64}
"""

cimport numpy as cnp
from cython.parallel cimport prange

from border cimport Frame, check_arrays, check_weights, frame_of
from check cimport UPSHAPE_CHECK, check_parts, cut, part_bytes
from depthwise_blocking cimport set_blocks
from depthwise_channels cimport channels_block
from depthwise_cost cimport count_work
from depthwise_lanes cimport lanes_block
from depthwise_layer cimport (
    CHANNELS,
    PIXELS,
    SLIDING,
    STRIDE2,
    TAPS,
    TRANSPOSED,
    WINDOW,
    Axis,
    Block,
    Blocking,
    Layer,
    Order,
    Point,
    Space,
    Steps,
    item_bytes,
    up,
)
from depthwise_rows cimport rows_block
from depthwise_tiles cimport (
    UPSHAPE_VECTOR_BYTES,
    deep_window_code,
    real,
    stride2_code,
    window_code,
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
    # Multiply-adds from which a second thread is worth waking, as in convolution.pyx: a depthwise
    # layer makes fewer of them in that time.
    WORTH_A_THREAD = 200000

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


# --- a layer -------------------------------------------------------------------------------------

cdef Py_ssize_t* keep(list kept, list values):
    """Return a C array of these values that lives as long as the list of kept things."""
    cdef cnp.ndarray array = np.array(values, np.intp)
    kept.append(array)
    return <Py_ssize_t*>cnp.PyArray_DATA(array)


cdef Axis axis_of(list kept, Py_ssize_t step, Py_ssize_t input_step, list phases):
    """Return an axis as the loops walk it: its phases' taps one after the other."""
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


cdef class Layout:
    """What a layer's shape decides."""
    cdef Layer own
    cdef list kept

    def __init__(self, tuple z_axis, tuple y_axis, tuple x_axis, Py_ssize_t groups, Py_ssize_t co,
                 str vectors, bint single, square, dict rates=None):
        """Arrange a layer's work; an axis: (step, input step, its phases), as lanes.Axis has them.

        `vectors`: "pixels", "transposed" or "channels". `square`: (kernel, stride, padding) where
        the last two axes have the same and no dilation, or None. `rates`: nanoseconds of each of
        COUNTED, 0 if left out.
        """
        cdef Layer* own = &self.own
        cdef int count
        self.kept = []
        for count, name in enumerate(COUNTED):
            own.rates[count] = 0 if rates is None else rates.get(name, 0)
        own.z = axis_of(self.kept, z_axis[0], z_axis[1], z_axis[2])
        own.y = axis_of(self.kept, y_axis[0], y_axis[1], y_axis[2])
        own.x = axis_of(self.kept, x_axis[0], x_axis[1], x_axis[2])
        own.groups, own.co, own.single = groups, co, single
        own.order = <Order><int>("pixels", "transposed", "channels").index(vectors)
        own.flat_area = own.y.taps * own.x.taps
        own.area = own.z.taps * own.flat_area
        own.phases = own.z.step * own.y.step * own.x.step
        own.tile, own.code = TAPS, 0
        if own.order != PIXELS:
            if (own.z.step == 1 and is_sliding(&own.y) and is_sliding(&own.x)
                    and own.x.input_step <= 2):
                own.tile = SLIDING
        elif square is not None:
            self.choose_tile(square)

    cdef choose_tile(self, tuple square):
        """Take a tile that is compiled for this kernel, if there is one."""
        cdef Layer* own = &self.own
        kernel, stride, padding = square
        flat = own.z.taps == 1 and own.z.step == own.z.input_step == 1 and own.z.first == 0
        if own.x.step == 1 and own.z.step == 1 and own.x.offset[0] == own.x.first:
            own.code = window_code(kernel, stride) if flat else deep_window_code(kernel, stride)
            own.tile = WINDOW
        elif own.x.step == 2 and flat:
            own.code = stride2_code(kernel, padding)
            own.tile = STRIDE2
        if own.code == 0:
            own.tile = TAPS

    @property
    def nbytes(self):
        """Bytes that the tables take."""
        return 1000 + sum([array.nbytes for array in self.kept])

    @property
    def packed_bytes(self):
        """How many bytes packed weights take."""
        cdef const Layer* own = &self.own
        cdef Py_ssize_t item = item_bytes(own), count = own.groups * own.co
        if own.order == TRANSPOSED:
            count = up(count, UPSHAPE_VECTOR_BYTES // item) * (UPSHAPE_VECTOR_BYTES // item)
        return (count * (own.area + 1) + UPSHAPE_VECTOR_BYTES) * item

    def pack(self, cnp.ndarray weight not None, cnp.ndarray bias, cnp.ndarray packed=None):
        """Return the weights (C-contiguous, of this layout's dtype) in the order of use.

        That is [channel][tap] for pixels, and [tap][channel] for vectors of channels, transposed
        ones one after the other; then the biases. They are put into `packed` if that is given,
        memory of packed_bytes or more.
        """
        cdef const Layer* own = &self.own
        if packed is None:
            packed = np.empty(self.packed_bytes, np.uint8)
        cdef Py_ssize_t channels = own.groups * own.co
        check_weights(weight, channels * own.area, bias, channels, packed, self.packed_bytes,
                      own.single)
        cdef const void* w = cnp.PyArray_DATA(weight)  # IN
        cdef const void* b = NULL if bias is None else cnp.PyArray_DATA(bias)  # IN
        cdef void* p = cnp.PyArray_DATA(packed)  # OUT
        with nogil:
            if own.single:
                pack_weights(own, <const float*>w, <const float*>b, <float*>p)
            else:
                pack_weights(own, <const double*>w, <const double*>b, <double*>p)
        return packed


cdef void pack_weights(const Layer* layer, const real* weight, const real* bias,
                       real* packed) noexcept nogil:
    """Put all weights in the order of use, and the biases behind them."""
    cdef Py_ssize_t count = layer.groups * layer.co, area = layer.area, c, t, c0, block
    cdef Py_ssize_t vector = UPSHAPE_VECTOR_BYTES // sizeof(real)
    UPSHAPE_CHECK(area == layer.z.taps * layer.y.taps * layer.x.taps)
    if layer.order == TRANSPOSED:
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
            packed[t * count + c if layer.order == CHANNELS else c * area + t] = (
                weight[c * area + t])
        packed[count * area + c] = bias[c] if bias != NULL else 0


# --- one input shape -----------------------------------------------------------------------------

cdef inline Point point_of(tuple shape):
    """Return the spatial sizes of an (N, C, D, H, W) array."""
    cdef Point point
    point.z, point.y, point.x = shape[2], shape[3], shape[4]
    return point


cdef inline Steps steps_of(tuple strides):
    """Return the strides of an (N, C, D, H, W) array."""
    cdef Steps steps
    steps.n, steps.c, steps.z, steps.y, steps.x = strides
    return steps


# A call: what its threads share.
cdef struct Task:
    const Layer* layer
    const Blocking* plan
    const char* x
    const char* packed
    char* out
    char* space
    size_t bytes  # of the space, for each thread


cdef class Plan:
    """How one shape of input goes through a layout: blocks, and the threads' shares of them."""
    cdef Layout layout
    cdef Blocking own
    cdef readonly size_t thread_bytes
    cdef list kept
    cdef Frame source_frame, target_frame
    cdef Py_ssize_t packed_bytes

    def __init__(self, Layout layout, tuple x_shape, tuple x_strides, tuple out_shape,
                 tuple out_strides, int threads, rows=None, columns=None, bint plain=False):
        """Plan for (N, C, D, H, W) arrays; strides count elements.

        `rows`, `columns`: the size of blocks, and `plain`: taps from a table only; tests hold them
        against each other. Where `fits` is False, this is no plan.
        """
        cdef const Layer* layer = &layout.own
        cdef Blocking* own = &self.own
        cdef Py_ssize_t item = item_bytes(layer)
        cdef double work
        self.layout, self.kept = layout, []
        own.n = x_shape[0]
        own.size, own.result = point_of(x_shape), point_of(out_shape)
        own.source, own.target = steps_of(x_strides), steps_of(out_strides)
        self.source_frame = frame_of(x_shape, x_strides)
        self.target_frame = frame_of(out_shape, out_strides)
        self.packed_bytes = layout.packed_bytes
        own.pixels.z = up(own.result.z, layer.z.step)
        own.pixels.y = up(own.result.y, layer.y.step)
        own.pixels.x = up(own.result.x, layer.x.step)
        own.vector = UPSHAPE_VECTOR_BYTES // item
        work = <double>own.n * own.pixels.z * own.pixels.y * own.pixels.x
        work *= <double>layer.groups * layer.co * (layer.area + 1)
        own.threads = <int>max(min(<double>threads, work / WORTH_A_THREAD), 1.0)
        own.tile = TAPS if plain else layer.tile
        set_blocks(layer, own, 0 if rows is None else rows, 0 if columns is None else columns)
        if own.fits:
            self.thread_bytes = (part_bytes(own.patch_size * item)
                                 + part_bytes(own.made_size * item)
                                 + part_bytes(2 * layer.area * sizeof(Py_ssize_t)))
            self.list_taps()
            self.list_rows()
            count_work(layer, own)

    cdef tuple tap_of(self, Py_ssize_t z, Py_ssize_t y, Py_ssize_t x):
        """Return where three axes' taps read, from a pixel q, and the place of their weight.

        In the patch, whose first pixel is that of the first offsets, or in the input.
        """
        cdef const Layer* layer = &self.layout.own
        cdef Blocking* own = &self.own
        cdef Py_ssize_t depth = layer.z.offset[z], row = layer.y.offset[y]
        cdef Py_ssize_t column = layer.x.offset[x]
        cdef Py_ssize_t weight = layer.z.kernel[z] * layer.y.taps + layer.y.kernel[y]
        weight = weight * layer.x.taps + layer.x.kernel[x]
        if layer.order == CHANNELS:
            return (depth * own.source.z + row * own.source.y + column * own.source.x,
                    weight * layer.groups)
        column -= layer.x.first
        place = (depth - layer.z.first) * own.depth + (row - layer.y.first) * own.row
        if layer.order == TRANSPOSED:
            return place + column * own.vector, weight * own.vector
        return (place + column % layer.x.input_step * own.plane + column // layer.x.input_step,
                weight)

    cdef list_taps(self):
        """List the taps of all parts, in the order of the kernel's indices."""
        cdef const Layer* layer = &self.layout.own
        cdef Blocking* own = &self.own
        cdef Py_ssize_t rz, ry, rx, z, y, x
        taps, kernel, start = [], [], [0]
        for rz in range(layer.z.phases):
            for ry in range(layer.y.phases):
                for rx in range(layer.x.phases):
                    for z in range(layer.z.start[rz], layer.z.start[rz + 1]):
                        for y in range(layer.y.start[ry], layer.y.start[ry + 1]):
                            for x in range(layer.x.start[rx], layer.x.start[rx + 1]):
                                tap, weight = self.tap_of(z, y, x)
                                taps.append(tap)
                                kernel.append(weight)
                    start.append(len(taps))
        own.tap, own.kernel = keep(self.kept, taps), keep(self.kept, kernel)
        own.start = keep(self.kept, start)

    cdef list_rows(self):
        """List the kernel's rows for sliding windows: where they read, without the column."""
        cdef const Layer* layer = &self.layout.own
        cdef Blocking* own = &self.own
        cdef Py_ssize_t z, y, column
        taps, kernel = [], []
        if own.tile == SLIDING:
            column = own.source.x if layer.order == CHANNELS else own.vector
            for z in range(layer.z.taps):
                for y in range(layer.y.taps):
                    tap, weight = self.tap_of(z, y, 0)
                    # In a patch, column 0 is that of the first offset already.
                    taps.append(tap - (layer.x.first * column if layer.order == CHANNELS else 0))
                    kernel.append(weight)
        own.row_tap, own.row_kernel = keep(self.kept, taps), keep(self.kept, kernel)

    @property
    def description(self):
        """What was chosen, in words and numbers, for tests and benchmarks."""
        cdef const Blocking* own = &self.own
        return {
            "order": ("pixels", "transposed", "channels")[self.layout.own.order],
            "source": "depthwise",
            "tile": ("taps", "window", "stride2", "sliding")[own.tile],
            "depths": own.block.z, "rows": own.block.y, "columns": own.block.x,
            "channels": own.side, "items": own.items, "threads": own.threads,
        }

    @property
    def counts(self):
        """What the busiest thread does, by the names of COUNTED."""
        return {name: self.own.done[count] for count, name in enumerate(COUNTED)}

    @property
    def nbytes(self):
        """Bytes that this plan takes, but for its layout."""
        return 1000 + sum([array.nbytes for array in self.kept])

    @property
    def threads(self):
        """How many threads the work is cut for."""
        return self.own.threads

    @property
    def fits(self):
        """Whether these arrays are taken: otherwise this is no plan."""
        return self.own.fits

    @property
    def nanoseconds(self):
        """Estimated time of the busiest thread."""
        return self.own.nanoseconds

    cpdef Scratch take(self):
        """Return the working memory of a run, to be handed to it."""
        return take_scratch(self.thread_bytes * self.own.threads)

    cpdef run(self, cnp.ndarray x, cnp.ndarray packed, cnp.ndarray out, Scratch scratch=None):
        """Compute the layer; x and out have the shapes and strides of this plan."""
        check_arrays(x, &self.source_frame, out, &self.target_frame, packed, self.packed_bytes,
                     self.layout.own.single)
        if scratch is None:
            scratch = self.take()
        elif scratch.bytes < self.thread_bytes * self.own.threads:
            raise ValueError("the scratch was taken for another plan")
        cdef Task task
        task.layer, task.plan, task.bytes = &self.layout.own, &self.own, self.thread_bytes
        task.x = cnp.PyArray_BYTES(x)  # IN
        task.packed = cnp.PyArray_BYTES(packed)  # IN
        task.out = cnp.PyArray_BYTES(out)  # OUT
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


# --- a thread's share ----------------------------------------------------------------------------

cdef void run_thread(const Task* task, int thread) noexcept nogil:
    """Cut the thread's scratch and do its share."""
    cdef const Layer* layer = task.layer
    cdef const Blocking* plan = task.plan
    cdef Space space
    cdef Py_ssize_t item = item_bytes(layer)
    cdef char* start = task.space + thread * task.bytes
    cdef char* here = start
    space.patch = cut(&here, plan.patch_size * item)
    space.made = cut(&here, plan.made_size * item)
    space.taps = <Py_ssize_t*>cut(&here, 2 * layer.area * sizeof(Py_ssize_t))
    UPSHAPE_CHECK(here <= start + task.bytes)
    if layer.single:
        run_share[float](layer, plan, thread, <const float*>task.x, <const float*>task.packed,
                         <float*>task.out, &space)
    else:
        run_share[double](layer, plan, thread, <const double*>task.x, <const double*>task.packed,
                          <double*>task.out, &space)
    check_parts(start, here)


cdef inline void to_next(const Blocking* plan, Block* block) noexcept nogil:
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


cdef void run_share(const Layer* layer, const Blocking* plan, int thread, const real* x,
                    const real* packed, real* out, const Space* space) noexcept nogil:
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
        if layer.order == CHANNELS:
            channels_block[real](layer, plan, &block, x + block.n * plan.source.n, packed,
                                 out + block.n * plan.target.n, space)
        elif layer.order == TRANSPOSED:
            lanes_block[real](layer, plan, &block, x + block.n * plan.source.n, packed,
                              out + block.n * plan.target.n, space)
        else:
            rows_block[real](layer, plan, &block, x + block.n * plan.source.n, packed,
                             out + block.n * plan.target.n, space)
        to_next(plan, &block)
