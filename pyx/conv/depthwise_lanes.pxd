"""Depthwise layers by vectors of channels that are transposed in the first cache: rows in and out.

`x` is the first element of an image (IN), `packed` the weights [vector of channels][tap][lane] and
the biases (IN), `out` the first element of the image's result (OUT).
"""

from check cimport UPSHAPE_CHECK
from depthwise_layer cimport (
    SLIDING,
    Block,
    Blocking,
    Layer,
    Point,
    Space,
    Taps,
    inside,
    is_read,
    length_of,
    taps_are_read,
    taps_inside,
)
from depthwise_sliding cimport sliding_row
from depthwise_tiles cimport (
    lanes,
    real,
    slide_t,
    sliding_pixels,
    transpose_in,
    transpose_out,
    zero,
)


cdef inline void lanes_block(const Layer* layer, const Blocking* plan, const Block* block,
                             const real* x, const real* packed, real* out,
                             const Space* space) noexcept nogil:
    """Make a block of pixels of a vector of channels, a few rows of a depth at a time."""
    cdef Py_ssize_t c0 = min(block.c * plan.vector, layer.groups - plan.vector)
    cdef Py_ssize_t length = length_of(layer, plan, block)
    cdef real* patch = <real*>space.patch
    cdef real* to
    cdef Py_ssize_t q, rz, oz, y, end, filled = 0, height, depths, seen = 0
    UPSHAPE_CHECK(0 <= c0)
    x += c0 * plan.source.c
    out += c0 * plan.target.c + block.at.x * layer.x.step
    for q in range(block.size.z):
        depths = layer.z.span + q * layer.z.input_step
        y, filled = 0, 0
        while y < block.size.y:
            end = min(y + plan.chunk, block.size.y)
            height = layer.y.span + (end - 1) * layer.y.input_step
            transpose_depths[real](layer, plan, block, x, patch, seen, depths, filled, height)
            filled = height
            for rz in range(layer.z.phases):
                oz = (block.at.z + q) * layer.z.step + layer.z.phase[rz]
                if oz >= plan.result.z:
                    continue
                if plan.tile == SLIDING:
                    sliding_rows[real](layer, plan, block, packed, q, y, end, space)
                else:
                    lanes_rows[real](layer, plan, block, packed, q, rz, y, end, space)
                to = out + oz * plan.target.z
                to += (block.at.y + y) * layer.y.step * plan.target.y
                made_to_rows[real](
                    plan, <real*>space.made, to, length,
                    min((end - y) * layer.y.step,
                        plan.result.y - (block.at.y + y) * layer.y.step))
            y = end
        seen = depths


cdef inline void transpose_depths(const Layer* layer, const Blocking* plan, const Block* block,
                                  const real* x, real* patch, Py_ssize_t seen, Py_ssize_t depths,
                                  Py_ssize_t filled, Py_ssize_t height) noexcept nogil:
    """Transpose the rows from `filled` to `height` of the depths that were not `seen` before.

    The taps that read rows outside the input are left out where the kernel has one depth; else
    these rows are zeros.
    """
    cdef Py_ssize_t width = layer.x.span + (block.size.x - 1) * layer.x.input_step
    cdef Py_ssize_t iz = block.at.z * layer.z.input_step + layer.z.first
    cdef Py_ssize_t iy = block.at.y * layer.y.input_step + layer.y.first
    cdef Py_ssize_t ix = block.at.x * layer.x.input_step + layer.x.first
    cdef Py_ssize_t d, row
    cdef Taps rows = inside(1, iy, plan.size.y, height), columns = inside(1, ix, plan.size.x, width)
    cdef real* to
    x += ix + columns.low
    for d in range(seen, depths):
        if not is_read(&layer.z, d, iz + d, plan.size.z):
            continue
        to = patch + d * plan.depth
        UPSHAPE_CHECK(d * plan.depth + (height - 1) * plan.row + width * plan.vector
                      <= plan.patch_size)
        row = max(rows.low, filled)
        if row < rows.high:
            transpose_in(x + (iz + d) * plan.source.z + (iy + row) * plan.source.y, plan.source.c,
                         plan.source.y, rows.high - row, columns.low, columns.high,
                         to + row * plan.row, width, plan.row)
        if layer.z.span > 1:
            for row in range(filled, height):
                if not rows.low <= row < rows.high:
                    zero(to + row * plan.row, width * plan.vector)


cdef inline void made_to_rows(const Blocking* plan, const real* made, real* out, Py_ssize_t columns,
                              Py_ssize_t rows) noexcept nogil:
    """Transpose made pixels into rows of the result."""
    cdef Py_ssize_t row, n = columns
    if plan.target.y == columns:
        # Rows without a gap between them are one.
        n, rows = rows * columns, 1
    UPSHAPE_CHECK(rows * n * plan.vector <= plan.made_size)
    for row in range(rows):
        transpose_out(made + row * n * plan.vector, n, out + row * plan.target.y, plan.target.c)


cdef inline void sliding_rows(const Layer* layer, const Blocking* plan, const Block* block,
                              const real* packed, Py_ssize_t z, Py_ssize_t first, Py_ssize_t last,
                              const Space* space) noexcept nogil:
    """Make the rows from `first` to before `last` of a depth of an ordinary convolution."""
    cdef Py_ssize_t vector = plan.vector, q, row, at
    cdef Py_ssize_t ix = block.at.x * layer.x.input_step + layer.x.first
    cdef Py_ssize_t width = layer.x.span + (block.size.x - 1) * layer.x.input_step
    cdef real* made = <real*>space.made
    cdef slide_t slide
    cdef const real* w = packed + block.c * layer.area * vector
    cdef const real* bias = packed + (plan.c_blocks * layer.area + block.c) * vector
    cdef Taps depths = taps_inside(
        &layer.z, 0, (block.at.z + z) * layer.z.input_step, plan.size.z), rows
    UPSHAPE_CHECK((last - first) * block.size.x * vector <= plan.made_size)
    rows.low, rows.high = 0, layer.y.taps
    slide.first, slide.end = block.at.x, block.at.x + block.size.x
    slide.step, slide.many = <int>layer.x.input_step, sliding_pixels(block.size.x)
    slide.taps = layer.x.span
    slide.pixel = slide.to_pixel = slide.w_tap = slide.channels = vector
    for q in range(first, last):
        if layer.z.span == 1:
            rows = taps_inside(&layer.y, 0, (block.at.y + q) * layer.y.input_step, plan.size.y)
        # Either all rows of each depth, or some of a single one: they are neighbours in the table.
        row = depths.low * layer.y.taps + rows.low
        slide.row, slide.kernel = plan.row_tap + row, plan.row_kernel + row
        slide.rows = (depths.high - depths.low) * (rows.high - rows.low)
        at = z * layer.z.input_step * plan.depth + q * layer.y.input_step * plan.row
        UPSHAPE_CHECK(taps_are_read(layer, plan, slide.row, slide.kernel, slide.rows, at,
                                    width * vector))
        sliding_row[real](layer, plan, &slide, <real*>space.patch + at - ix * vector, w, bias,
                          made)
        made += block.size.x * vector


cdef inline void lanes_rows(const Layer* layer, const Blocking* plan, const Block* block,
                            const real* packed, Py_ssize_t z, Py_ssize_t rz, Py_ssize_t first,
                            Py_ssize_t last, const Space* space) noexcept nogil:
    """Make the rows of pixels q from `first` to before `last` of a depth from the table of taps."""
    cdef Point phase
    cdef Py_ssize_t q, ry, row, length = length_of(layer, plan, block)
    cdef Taps depths = taps_inside(
        &layer.z, rz, (block.at.z + z) * layer.z.input_step, plan.size.z), rows
    for q in range(first, last):
        for ry in range(layer.y.phases):
            if (block.at.y + q) * layer.y.step + layer.y.phase[ry] >= plan.result.y:
                continue
            phase.z, phase.y, phase.x = rz, ry, 0
            if layer.z.span == 1:
                rows = taps_inside(&layer.y, ry, (block.at.y + q) * layer.y.input_step,
                                   plan.size.y)
            else:
                rows.low, rows.high = layer.y.start[ry], layer.y.start[ry + 1]
            row = (q - first) * layer.y.step + layer.y.phase[ry]
            UPSHAPE_CHECK((row + 1) * length * plan.vector <= plan.made_size)
            lanes_row[real](
                layer, plan, block, &phase, &depths, &rows,
                z * layer.z.input_step * plan.depth + q * layer.y.input_step * plan.row, packed,
                <real*>space.made + row * length * plan.vector, space)


cdef inline void lanes_row(const Layer* layer, const Blocking* plan, const Block* block,
                           const Point* phase, const Taps* depths, const Taps* rows, Py_ssize_t at,
                           const real* packed, real* made, const Space* space) noexcept nogil:
    """Make a row of a vector of channels, of one phase along z and y; at: where the patch is read.
    """
    cdef Py_ssize_t vector = plan.vector, rx, n, part, first, across
    cdef Py_ssize_t length = length_of(layer, plan, block)
    cdef Py_ssize_t whole = length // layer.x.step, rest = length % layer.x.step
    cdef const real* w = packed + block.c * layer.area * vector
    cdef const real* bias = packed + (plan.c_blocks * layer.area + block.c) * vector
    # Either all rows of each depth, or some of a single one: their taps are neighbours.
    cdef Py_ssize_t count = (depths.high - depths.low) * (rows.high - rows.low)
    cdef Py_ssize_t before = layer.y.start[phase.y + 1] - layer.y.start[phase.y]
    before *= depths.low - layer.z.start[phase.z]
    before += rows.low - layer.y.start[phase.y]
    for rx in range(layer.x.phases):
        n = whole + (layer.x.phase[rx] < rest)
        across = layer.x.start[rx + 1] - layer.x.start[rx]
        part = (phase.z * layer.y.phases + phase.y) * layer.x.phases + rx
        first = plan.start[part] + before * across
        UPSHAPE_CHECK(count * across == 0 or plan.start[part] <= first)
        UPSHAPE_CHECK(count * across == 0 or first + count * across <= plan.start[part + 1])
        UPSHAPE_CHECK(taps_are_read(
            layer, plan, plan.tap + first, plan.kernel + first, count * across, at,
            (max(n - 1, 0) * layer.x.input_step + 1) * vector))
        lanes(<real*>space.patch + at, layer.x.input_step * vector, n, plan.tap + first,
              plan.kernel + first, count * across, w, bias, made + layer.x.phase[rx] * vector,
              layer.x.step * vector)
