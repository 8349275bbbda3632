"""Depthwise layers by vectors of pixels: a patch of input rows with their borders, and its tiles.

`x` is the first element of an image (IN), `packed` the weights [channel][tap] and the biases (IN),
`out` the first element of the image's result (OUT).
"""

from check cimport UPSHAPE_CHECK
from depthwise_layer cimport (
    STRIDE2,
    TAPS,
    Block,
    Blocking,
    Layer,
    Space,
    Taps,
    inside,
    is_read,
    length_of,
    reads_patch,
    taps_are_read,
    taps_inside,
    up,
)
from depthwise_tiles cimport (
    UPSHAPE_STRIDE2_ROWS,
    UPSHAPE_WINDOW_ROWS,
    lines,
    real,
    stride2,
    taps_row,
    weave,
    window,
    zip_rows,
)


cdef inline void rows_block(const Layer* layer, const Blocking* plan, const Block* block,
                            const real* x, const real* packed, real* out,
                            const Space* space) noexcept nogil:
    """Make a block of pixels of the output channels that one input channel has."""
    cdef real* patch = <real*>space.patch + plan.lead
    cdef const real* biases = packed + layer.groups * layer.co * layer.area
    cdef const real* from_
    cdef const real* w
    cdef Py_ssize_t c, channel, q, rz, oz, iz
    cdef Taps taps
    cdef real* to
    UPSHAPE_CHECK(0 <= block.c < layer.groups)
    fill_patch[real](layer, plan, block, x + block.c * plan.source.c, patch)
    for c in range(layer.co):
        channel = block.c * layer.co + c
        w = packed + channel * layer.area
        for q in range(block.size.z):
            iz = (block.at.z + q) * layer.z.input_step
            for rz in range(layer.z.phases):
                oz = (block.at.z + q) * layer.z.step + layer.z.phase[rz]
                if oz >= plan.result.z:
                    continue
                taps = taps_inside(&layer.z, rz, iz, plan.size.z)
                to = out + channel * plan.target.c + oz * plan.target.z
                to += block.at.x * layer.x.step
                from_ = patch + q * layer.z.input_step * plan.depth
                if plan.tile == TAPS:
                    rows_from_table[real](layer, plan, block, from_, rz, &taps, w,
                                          biases[channel], to, space)
                else:
                    rows_of_tile[real](layer, plan, block, from_, &taps, w, biases[channel], to,
                                       space)


cdef inline void fill_patch(const Layer* layer, const Blocking* plan, const Block* block,
                            const real* x, real* patch) noexcept nogil:
    """Copy the rows that a block reads, with their borders; no depths outside the input."""
    cdef Py_ssize_t height = layer.y.span + (block.size.y - 1) * layer.y.input_step
    cdef Py_ssize_t width = max(block.size.x, plan.vector) + plan.tail
    cdef Py_ssize_t iz = block.at.z * layer.z.input_step + layer.z.first
    cdef Py_ssize_t iy = block.at.y * layer.y.input_step + layer.y.first
    cdef Py_ssize_t ix, d, p
    cdef Taps rows = inside(1, iy, plan.size.y, height), columns
    cdef const real* source
    for d in range(layer.z.span + (block.size.z - 1) * layer.z.input_step):
        if not is_read(&layer.z, d, iz + d, plan.size.z):
            continue
        for p in range(plan.planes):
            ix = block.at.x * layer.x.input_step + layer.x.first + p
            columns = inside(layer.x.input_step, ix, plan.size.x, width)
            source = x + (iz + d) * plan.source.z + (iy + rows.low) * plan.source.y
            source += (ix + columns.low * layer.x.input_step) * plan.source.x
            # Whole vectors are written: a row's last one reaches into the next row, or beyond.
            UPSHAPE_CHECK(plan.lead + d * plan.depth + p * plan.plane + (height - 1) * plan.row
                          + width + plan.vector <= plan.patch_size)
            lines(patch + d * plan.depth + p * plan.plane, plan.row, height, width, source,
                  plan.source.y, rows.low, rows.high, layer.x.input_step * plan.source.x,
                  columns.low, columns.high)


cdef inline void rows_of_tile(const Layer* layer, const Blocking* plan, const Block* block,
                              const real* patch, const Taps* taps, const real* w, real start,
                              real* out, const Space* space) noexcept nogil:
    """Make the rows of a depth by a tile that knows the kernel."""
    cdef Py_ssize_t y = block.at.y * layer.y.step
    cdef Py_ssize_t rows = min(block.size.y * layer.y.step, plan.result.y - y)
    cdef Py_ssize_t length = length_of(layer, plan, block), apart = 0, first = 0
    UPSHAPE_CHECK(0 < rows <= plan.result.y - y and 0 < length)
    if plan.tile == STRIDE2:
        # Whole tiles are made; a lane may read the pixel behind its vector.
        UPSHAPE_CHECK(reads_patch[real](
            plan, patch, space, 0, (max(up(rows, 2), UPSHAPE_STRIDE2_ROWS) + layer.y.span - 2)
            * plan.row + length // 2 + plan.vector + 2))
        stride2(layer.code, patch, plan.row, w, start, out + y * plan.target.y, plan.target.y,
                rows, length)
        return
    if taps.high > taps.low:
        first = layer.z.offset[taps.low] - layer.z.first
    if taps.high > taps.low + 1:
        apart = layer.z.offset[taps.low + 1] - layer.z.offset[taps.low]
    UPSHAPE_CHECK(reads_patch[real](
        plan, patch, space, first * plan.depth,
        (first + max(taps.high - taps.low - 1, 0) * apart) * plan.depth
        + (plan.planes - 1) * plan.plane
        + ((max(rows, UPSHAPE_WINDOW_ROWS) - 1) * layer.y.input_step + layer.y.span - 1)
        * plan.row + max(length, plan.vector) + plan.tail))
    window(layer.code, patch + first * plan.depth, plan.row, plan.plane, apart * plan.depth,
           taps.high - taps.low, w + taps.low * layer.flat_area, start, out + y * plan.target.y,
           plan.target.y, rows, length)


cdef inline void rows_from_table(const Layer* layer, const Blocking* plan, const Block* block,
                                 const real* patch, Py_ssize_t rz, const Taps* taps, const real* w,
                                 real start, real* out, const Space* space) noexcept nogil:
    """Make a depth's rows from the table of taps: each x-phase a line, the lines interleaved."""
    cdef Py_ssize_t q, ry, rx, oy, n, part, first, count, step = layer.x.step
    cdef Py_ssize_t length = length_of(layer, plan, block)
    cdef Py_ssize_t whole = length // step, rest = length % step
    cdef real* made = <real*>space.made
    cdef const real* from_
    cdef real* to
    for q in range(block.size.y):
        from_ = patch + q * layer.y.input_step * plan.row
        for ry in range(layer.y.phases):
            oy = (block.at.y + q) * layer.y.step + layer.y.phase[ry]
            if oy >= plan.result.y:
                continue
            to = out + oy * plan.target.y
            for rx in range(layer.x.phases):
                n = whole + (layer.x.phase[rx] < rest)
                UPSHAPE_CHECK(n <= plan.line)
                part = (rz * layer.y.phases + ry) * layer.x.phases + rx
                count = layer.y.start[ry + 1] - layer.y.start[ry]
                count *= layer.x.start[rx + 1] - layer.x.start[rx]  # of each depth
                first = plan.start[part] + (taps.low - layer.z.start[rz]) * count
                count *= taps.high - taps.low
                UPSHAPE_CHECK(taps_are_read(
                    layer, plan, plan.tap + first, plan.kernel + first, count,
                    from_ - <const real*>space.patch, max(n, plan.vector)))
                taps_row(from_, plan.tap + first, plan.kernel + first, count, w, start,
                         to if step == 1 else made + rx * plan.line, n)
            if step > 1:
                interleave[real](layer, made, plan.line, to, length)


cdef inline void interleave(const Layer* layer, const real* made, Py_ssize_t line, real* to,
                            Py_ssize_t length) noexcept nogil:
    """Put the lines of the x-phases into a row; pixels of no phase are left as they are."""
    cdef Py_ssize_t step = layer.x.step, n = length // step, rx, r, j
    cdef const real* lines_of[4]
    if step <= 4 and layer.x.phases == step:
        for rx in range(step):
            lines_of[rx] = made + rx * line
        if step == 2:
            zip_rows(to, lines_of[0], lines_of[1], n)
        else:
            weave(to, lines_of, step, n)
        for rx in range(length - n * step):
            to[n * step + rx] = lines_of[rx][n]
        return
    for rx in range(layer.x.phases):
        r = layer.x.phase[rx]
        for j in range(up(length - r, step) if length > r else 0):
            to[j * step + r] = made[rx * line + j]
