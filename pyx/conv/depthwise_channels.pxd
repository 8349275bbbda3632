"""Depthwise layers by vectors of channels as they lie in channels-last memory.

`x` is the first element of an image (IN), `packed` the weights [tap][channel] and the biases (IN),
`out` the first element of the image's result (OUT).
"""

from check cimport UPSHAPE_CHECK
from depthwise_layer cimport (
    SLIDING,
    Axis,
    Block,
    Blocking,
    Layer,
    Point,
    Space,
    Taps,
    inside,
    taps_are_read,
    taps_inside,
    up,
)
from depthwise_sliding cimport sliding_row
from depthwise_tiles cimport pixels, real, slide_t, sliding_pixels


cdef inline void channels_block(const Layer* layer, const Blocking* plan, const Block* block,
                                const real* x, const real* packed, real* out,
                                const Space* space) noexcept nogil:
    """Make a block of pixels of some channels, straight from the input."""
    cdef Py_ssize_t q, y, rz, ry, rx, oz, oy, c0 = block.c * plan.side
    cdef Point phase
    cdef Py_ssize_t channels = min(plan.side, layer.groups - c0)
    cdef int many = sliding_pixels(block.size.x)
    cdef const real* bias
    cdef Point at
    cdef real* to
    if channels < plan.vector:
        # Whole vectors: the last channels may be made twice.
        c0 -= plan.vector - channels
        channels = plan.vector
    UPSHAPE_CHECK(0 <= c0 and c0 + channels <= layer.groups)
    bias = packed + layer.groups * layer.area + c0
    x += c0
    packed += c0
    for q in range(block.at.z, block.at.z + block.size.z):
        at.z = q * layer.z.input_step
        for rz in range(layer.z.phases):
            oz = q * layer.z.step + layer.z.phase[rz]
            if oz >= plan.result.z:
                continue
            for y in range(block.at.y, block.at.y + block.size.y):
                at.y = y * layer.y.input_step
                for ry in range(layer.y.phases):
                    oy = y * layer.y.step + layer.y.phase[ry]
                    if oy >= plan.result.y:
                        continue
                    to = out + oz * plan.target.z + oy * plan.target.y + c0
                    if plan.tile == SLIDING:
                        channels_row[real](layer, plan, block, &at, x, packed, bias, to, many,
                                           channels, space.taps)
                        continue
                    for rx in range(layer.x.phases):
                        phase.z, phase.y, phase.x = rz, ry, rx
                        phase_row[real](layer, plan, block, &at, &phase, x, packed, bias, to,
                                        channels, space.taps)


cdef inline void channels_row(const Layer* layer, const Blocking* plan, const Block* block,
                              const Point* at, const real* x, const real* w, const real* bias,
                              real* out, int many, Py_ssize_t channels,
                              Py_ssize_t* scratch) noexcept nogil:
    """Make a row of pixels by sliding windows; the kernel's rows are those inside the input."""
    cdef Taps depths = taps_inside(&layer.z, 0, at.z, plan.size.z)
    cdef Taps rows = taps_inside(&layer.y, 0, at.y, plan.size.y)
    cdef Py_ssize_t z, y, first = depths.low * layer.y.taps + rows.low, listed = 0
    cdef Py_ssize_t here = at.z * plan.source.z + at.y * plan.source.y
    cdef slide_t slide
    slide.rows = (depths.high - depths.low) * (rows.high - rows.low)
    slide.row, slide.kernel = plan.row_tap + first, plan.row_kernel + first
    slide.first, slide.end, slide.many = block.at.x, block.at.x + block.size.x, many
    slide.step, slide.taps = <int>layer.x.input_step, layer.x.span
    slide.pixel, slide.to_pixel, slide.w_tap = plan.source.x, plan.target.x, layer.groups
    slide.channels = channels
    if depths.high - depths.low > 1 and rows.high - rows.low < layer.y.taps:
        slide.row, slide.kernel = scratch, scratch + layer.area
        for z in range(depths.low, depths.high):
            for y in range(rows.low, rows.high):
                scratch[listed] = plan.row_tap[z * layer.y.taps + y]
                scratch[layer.area + listed] = plan.row_kernel[z * layer.y.taps + y]
                listed += 1
    UPSHAPE_CHECK(listed <= layer.area)
    UPSHAPE_CHECK(taps_are_read(layer, plan, slide.row, slide.kernel, slide.rows, here, 1)
                  and taps_are_read(layer, plan, slide.row, slide.kernel, slide.rows,
                                    here + (plan.size.x - 1) * plan.source.x, 1))
    sliding_row[real](layer, plan, &slide, x + here, w, bias,
                      out + block.at.x * plan.target.x)


cdef inline void phase_row(const Layer* layer, const Blocking* plan, const Block* block,
                           const Point* at, const Point* phase, const real* x, const real* w,
                           const real* bias, real* out, Py_ssize_t channels,
                           Py_ssize_t* scratch) noexcept nogil:
    """Make the pixels of one phase in a row from the table of taps."""
    cdef const Axis* ax = &layer.x
    cdef Py_ssize_t part = (phase.z * layer.y.phases + phase.y) * ax.phases + phase.x
    cdef Py_ssize_t t, count, n, q, first, whole, whole_end, end, r = ax.phase[phase.x]
    cdef bint all_rows = is_whole(&layer.z, phase.z, at.z, plan.size.z) and is_whole(
        &layer.y, phase.y, at.y, plan.size.y)
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
            count = list_inside(layer, plan, phase, &here, scratch)
            tap, kernel = scratch, scratch + layer.area
        first = here.z * plan.source.z + here.y * plan.source.y + here.x * plan.source.x
        UPSHAPE_CHECK(taps_are_read(layer, plan, tap, kernel, count, first, 1)
                      and taps_are_read(layer, plan, tap, kernel, count, first
                                        + (n - 1) * ax.input_step * plan.source.x, 1))
        pixels(x + first, ax.input_step * plan.source.x, n, tap, kernel, count, w, bias,
               out + (q * ax.step + r) * plan.target.x, ax.step * plan.target.x, channels)
        q += n


cdef inline bint is_whole(const Axis* axis, Py_ssize_t phase, Py_ssize_t at,
                          Py_ssize_t size) noexcept nogil:
    """Return whether all taps of a phase stay within the input."""
    cdef Taps taps = taps_inside(axis, phase, at, size)
    return taps.low == axis.start[phase] and taps.high == axis.start[phase + 1]


cdef inline Py_ssize_t list_inside(const Layer* layer, const Blocking* plan, const Point* phase,
                                   const Point* at, Py_ssize_t* scratch) noexcept nogil:
    """List the taps of a part that stay within the input, for a pixel; return how many."""
    cdef Taps depths = taps_inside(&layer.z, phase.z, at.z, plan.size.z)
    cdef Taps rows = taps_inside(&layer.y, phase.y, at.y, plan.size.y)
    cdef Taps columns = taps_inside(&layer.x, phase.x, at.x, plan.size.x)
    cdef Py_ssize_t part = (phase.z * layer.y.phases + phase.y) * layer.x.phases + phase.x
    cdef Py_ssize_t height = layer.y.start[phase.y + 1] - layer.y.start[phase.y]
    cdef Py_ssize_t width = layer.x.start[phase.x + 1] - layer.x.start[phase.x]
    cdef Py_ssize_t z, y, x, row, count = 0
    for z in range(depths.low, depths.high):
        for y in range(rows.low, rows.high):
            row = (z - layer.z.start[phase.z]) * height + y - layer.y.start[phase.y]
            row = plan.start[part] + row * width - layer.x.start[phase.x]
            for x in range(columns.low, columns.high):
                UPSHAPE_CHECK(plan.start[part] <= row + x < plan.start[part + 1])
                UPSHAPE_CHECK(count < layer.area)
                scratch[count] = plan.tap[row + x]
                scratch[layer.area + count] = plan.kernel[row + x]
                count += 1
    return count
