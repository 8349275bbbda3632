"""The input on its way to the tiles: a padded patch of it, or its pixels for every offset (im2col).

patch    Of each channel the rows that a block of pixels reads, with zeros where they leave the
         input. A tap is an offset into it. Where an input step takes columns apart, each phase of
         the step has a plane of its own, in which pixels q are neighbours again; so has every depth
         that is read.
im2col   For every offset and channel the pixels of a block, whichever rows and images they come
         from, in strips that a tile reads from end to end.

`x` is the first element of the input of a group and block of channels (IN), patches are OUT.
"""

from libc.string cimport memcpy

from check cimport UPSHAPE_CHECK
from layer cimport (
    COL2IM,
    DIRECT,
    IM2COL,
    TRANSPOSED,
    Ahead,
    Blocking,
    Channels,
    Layer,
    Run,
    inside,
    item_bytes,
    tile_count,
    up,
)
from tile cimport (
    UPSHAPE_PLANE_STEP,
    UPSHAPE_TILE_PIXELS,
    UPSHAPE_TILE_REGISTERS,
    UPSHAPE_TILE_VECTORS,
    UPSHAPE_VECTOR_BYTES,
    piece,
    piece_t,
    pieces,
    planes,
    prefetch,
    real,
    zero,
)

cdef enum:
    # Where the input lies in an outer cache, a channel is asked for so many channels ahead.
    CHANNELS_AHEAD = 2
    # Pieces that are copied between asking for a channel's lines and copying from them: about the
    # latency of an outer cache.
    PIECES_AHEAD = 128
    # Pieces that are listed before they are copied, channel by channel.
    MOST_PIECES = 512
    LINE_BYTES = 64
    # Input pixels from one to the next of a piece, up to which all its lines are asked for.
    MOST_LINES = 4
    # The next block's input is asked for while a block is multiplied if the whole input has more
    # than INPUT_BYTES, a channel of the block no more than a page (caches foresee most of longer
    # pieces), and the block is strided or packed by im2col; patches that are copied row by row take
    # up to 1.05 times as long. On a Zen 5 at v4, from 127 x 127 pixels, k3 s2: 64 -> 128 and 128 ->
    # 128 channels take 0.8 of the time; 256 -> 256, k3 s2 transposed, 0.96; at v3 as long.
    INPUT_BYTES = 2 << 20
    SPAN_BYTES = 4 << 10
    # Weights that are read after these lines have been asked for, at most: more of them would drop
    # the lines from a second cache. Lines that a tile asks for, at most.
    LATE_BYTES = 256 << 10
    MOST_ASKED = 128


cdef inline void ask_for_input(const Blocking* plan, const real* x, Py_ssize_t iy, Py_ssize_t rows,
                               Py_ssize_t ix, Py_ssize_t length) noexcept nogil:
    """Have the cache fetch some rows of a channel."""
    cdef Py_ssize_t row, j
    for row in range(max(iy, 0), min(iy + rows, plan.hi)):
        j = 0
        while j < length:
            prefetch(x + row * plan.xy + ix + j)
            j += LINE_BYTES // <Py_ssize_t>sizeof(real)


# --- the next block's input ----------------------------------------------------------------------

cdef inline bint asks_ahead(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return whether what a block packs is asked for while the one before is multiplied."""
    cdef double bytes = <double>plan.n * layer.groups * layer.ci * plan.di * plan.hi * plan.wi
    return (bytes * item_bytes(layer) > INPUT_BYTES and plan.xx == 1
            and (plan.source == IM2COL or layer.isx > 1 and plan.source != DIRECT)
            and (not layer.lane_vectors or layer.order == TRANSPOSED))


cdef inline void look_ahead(const Layer* layer, const Blocking* plan, Py_ssize_t index,
                            Py_ssize_t channels, const char* x, Ahead* ahead) noexcept nogil:
    """Note what a block reads of these channels: of im2col's, the part in its first depth.

    `x` is the first of these channels of the first image.
    """
    cdef Py_ssize_t item = item_bytes(layer), n, qz, y, column, rows, columns, last, low, high
    cdef Py_ssize_t left, right, first_z, end_z
    column = index % plan.x_blocks * plan.columns
    if plan.source == IM2COL:
        last = min(column + plan.columns, plan.n * plan.qz * plan.qy * plan.qx) - 1
        y, column, columns = column // plan.qx, column % plan.qx, last - column + 1
        qz = y // plan.qy
        rows = min(last // plan.qx, (qz + 1) * plan.qy - 1) - y + 1
        y -= qz * plan.qy
        if rows > 1:
            column, columns = 0, plan.qx
        n, qz = qz // plan.qz, qz % plan.qz
    else:
        y = index // plan.x_blocks % plan.y_blocks * plan.rows
        qz = index // plan.x_blocks // plan.y_blocks
        n, qz = qz // plan.qz, qz % plan.qz
        rows, columns = min(plan.rows, plan.qy - y), min(plan.columns, plan.qx - column)
    low = max(y * layer.isy + layer.y_first, 0)
    high = min((y + rows - 1) * layer.isy + layer.y_first + layer.y_span, plan.hi)
    left = max(column * layer.isx + layer.x_first, 0)
    right = min((column + columns - 1) * layer.isx + layer.x_first + layer.x_span, plan.wi)
    first_z = max(qz * layer.isz + layer.z_first, 0)
    end_z = min(qz * layer.isz + layer.z_first + layer.depth_z[layer.depths - 1] + 1, plan.di)
    ahead.channel = ahead.depth = ahead.row = ahead.at = ahead.channels = 0
    ahead.depths = ahead.rows = ahead.length = 0
    if low >= high or left >= right or first_z >= end_z:
        return
    ahead.channels, ahead.depths, ahead.rows = channels, end_z - first_z, high - low
    ahead.xc, ahead.xz, ahead.xy = plan.xc * item, plan.xz * item, plan.xy * item
    ahead.length = (right - left) * item
    if ahead.length == ahead.xy:
        # Whole rows follow each other.
        ahead.length *= ahead.rows
        ahead.rows = 1
    if ahead.length * ahead.rows * ahead.depths > SPAN_BYTES:
        ahead.channels = 0
    ahead.first = x + (n * plan.xn + first_z * plan.xz + low * plan.xy + left) * item


cdef inline void share_lines(const Layer* layer, const Blocking* plan, Py_ssize_t segments,
                             Py_ssize_t length, Py_ssize_t channels, Ahead* ahead) noexcept nogil:
    """Share out these lines among a block's tiles, the last ones if it reads many weights."""
    cdef Py_ssize_t kind, width, tiles = 0, late, lines
    cdef double weights = <double>layer.weights * channels * item_bytes(layer) / plan.splits
    if layer.order == TRANSPOSED:
        tiles = layer.panels * up(plan.rows * plan.columns, UPSHAPE_TILE_PIXELS)
    else:
        for kind in range(layer.kinds):
            width = layer.kind_width[kind]
            tiles += layer.kind_panels[kind] * segments * tile_count(
                plan, up(length, plan.vector),
                max(min(UPSHAPE_TILE_REGISTERS // width, UPSHAPE_TILE_VECTORS), 1))
    tiles = max(tiles // plan.splits, 1)
    late = max(<Py_ssize_t>(tiles * min(1.0, LATE_BYTES / max(weights, 1.0))), 1)
    lines = ahead.channels * ahead.depths * ahead.rows * up(ahead.length, LINE_BYTES)
    ahead.wait, ahead.each = tiles - late, min(up(lines, late), MOST_ASKED)


cdef inline void ask_ahead(Ahead* ahead) noexcept nogil:
    """Have the cache fetch the next lines."""
    cdef Py_ssize_t left = ahead.each
    if ahead.wait > 0:
        ahead.wait -= 1
        return
    while left > 0 and ahead.channel < ahead.channels:
        left -= 1
        prefetch(ahead.first + ahead.channel * ahead.xc + ahead.depth * ahead.xz
                 + ahead.row * ahead.xy + ahead.at)
        ahead.at += LINE_BYTES
        if ahead.at < ahead.length:
            continue
        ahead.at = 0
        ahead.row += 1
        if ahead.row == ahead.rows:
            ahead.row = 0
            ahead.depth += 1
        if ahead.depth == ahead.depths:
            ahead.depth = 0
            ahead.channel += 1


# --- a padded patch ------------------------------------------------------------------------------

cdef inline void fill_patch(const Layer* layer, const Blocking* plan, const real* x,
                            Py_ssize_t channels, bint last, real* patch, Py_ssize_t qz,
                            Py_ssize_t y0, Py_ssize_t x0, Py_ssize_t rows) noexcept nogil:
    """Copy the input rows that a block reads, with zeros where they leave the input.

    The block's first pixel is (qz, y0, x0); `x` is its image's. `last`: no channels follow these.
    """
    cdef Py_ssize_t c, d, iz, low, high, ahead, ix = x0 * layer.isx + layer.x_first
    cdef bint row_by_row = 1 < layer.isx <= UPSHAPE_PLANE_STEP
    cdef Py_ssize_t size = plan.planes_y * plan.planes_x * plan.patch_rows * plan.patch_y
    cdef const real* source
    UPSHAPE_CHECK(rows <= plan.patch_rows and channels <= layer.block_channels)
    # Pixels of all channels side by side, or channel by channel.
    UPSHAPE_CHECK(channels <= plan.patch_x or layer.depths * size <= plan.patch_c)
    UPSHAPE_CHECK((0 if channels <= plan.patch_x else (channels - 1) * plan.patch_c)
                  + layer.depths * size <= plan.patch_size)
    if plan.patch_x != 1 or plan.xx != 1:
        for d in range(layer.depths):
            iz = qz * layer.isz + layer.z_first + layer.depth_z[d]
            fill_pixels[real](layer, plan, x + iz * plan.xz, channels, patch + d * size,
                              0 <= iz < plan.di, y0, x0, rows)
        return
    # Channel by channel: both sides are read and written in the order of memory.
    inside(1, ix, plan.wi, plan.patch_columns * layer.isx, &low, &high)
    for c in range(channels):
        for d in range(layer.depths):
            iz = qz * layer.isz + layer.z_first + layer.depth_z[d]
            if not 0 <= iz < plan.di:
                zero[real](patch + c * plan.patch_c + d * size, size)
                continue
            source = x + c * plan.xc + iz * plan.xz
            ahead = 0
            if row_by_row:
                ahead = plan.xc if plan.far and not (last and c + 1 == channels) else 0
            elif plan.far and c + CHANNELS_AHEAD < channels:
                ask_for_input[real](plan, source + CHANNELS_AHEAD * plan.xc,
                                    y0 * layer.isy + layer.y_first, rows * layer.isy, ix + low,
                                    high - low)
            fill_rows[real](layer, plan, source + ix, patch + c * plan.patch_c + d * size, y0, rows,
                            low, high, ahead)


cdef inline void fill_rows(const Layer* layer, const Blocking* plan, const real* x, real* patch,
                           Py_ssize_t y0, Py_ssize_t rows, Py_ssize_t low, Py_ssize_t high,
                           Py_ssize_t ahead) noexcept nogil:
    """Copy rows of one channel and depth, of which columns low .. high are in the input.

    `ahead`: as far from there are the rows that are copied next, 0 if they need not be fetched.
    """
    cdef Py_ssize_t py, px, iy, row_low, row_high, width = plan.patch_columns
    cdef real* to
    cdef const real* source
    for py in range(plan.planes_y):
        iy = y0 * layer.isy + layer.y_first + py
        inside(layer.isy, iy, plan.hi, rows, &row_low, &row_high)
        UPSHAPE_CHECK(0 <= row_low <= row_high <= rows)
        UPSHAPE_CHECK(row_low == row_high or iy + row_low * layer.isy >= 0)
        UPSHAPE_CHECK(row_low == row_high or iy + (row_high - 1) * layer.isy < plan.hi)
        to = patch + py * plan.planes_x * plan.patch_rows * width
        for px in range(plan.planes_x):
            zero[real](to + px * plan.patch_rows * width, row_low * width)
            zero[real](to + (px * plan.patch_rows + row_high) * width, (rows - row_high) * width)
        to += row_low * width
        source = x + (iy + row_low * layer.isy) * plan.xy
        if low == 0 and high == width == plan.xy and layer.isx == layer.isy == 1:
            memcpy(to, source, (row_high - row_low) * width * sizeof(real))
        else:
            planes[real](to, width, plan.patch_rows * width, source, layer.isy * plan.xy,
                         row_high - row_low, layer.isx, plan.planes_x, low, high, width, ahead)


cdef inline void fill_pixels(const Layer* layer, const Blocking* plan, const real* x,
                             Py_ssize_t channels, real* patch, bint inside_depth, Py_ssize_t y0,
                             Py_ssize_t x0, Py_ssize_t rows) noexcept nogil:
    """Copy rows of one depth pixel by pixel, all channels of each; zeros outside."""
    cdef Py_ssize_t py, px, row, column, iy, ix, low, high, step = layer.isx
    cdef real* to
    for py in range(plan.planes_y):
        for px in range(plan.planes_x):
            ix = x0 * step + layer.x_first + px
            inside(step, ix, plan.wi, plan.patch_columns, &low, &high)
            for row in range(rows):
                iy = (y0 + row) * layer.isy + layer.y_first + py
                to = patch + ((py * plan.planes_x + px) * plan.patch_rows + row) * plan.patch_y
                for column in range(plan.patch_columns):
                    fill_pixel[real](plan, x + iy * plan.xy + (ix + column * step) * plan.xx,
                                     channels, to, inside_depth and 0 <= iy < plan.hi
                                     and low <= column < high)
                    to += plan.patch_x


cdef inline void fill_pixel(const Blocking* plan, const real* source, Py_ssize_t channels, real* to,
                            bint within) noexcept nogil:
    """Copy the channels of a pixel that is within the input, or zeros."""
    cdef Py_ssize_t c
    if within and plan.patch_c == 1 and plan.xc == 1:
        memcpy(to, source, channels * sizeof(real))
    elif within:
        for c in range(channels):
            to[c * plan.patch_c] = source[c * plan.xc]
    elif plan.patch_c == 1:
        zero[real](to, channels)
    else:
        for c in range(channels):
            to[c * plan.patch_c] = 0


# --- im2col --------------------------------------------------------------------------------------

cdef inline void im2col(const Layer* layer, const Blocking* plan, const real* x,
                        Py_ssize_t channels, real* patch, const Run* runs, Py_ssize_t count,
                        piece_t* listed) noexcept nogil:
    """Copy, for every offset and channel, what each pixel of the block reads."""
    cdef Py_ssize_t c, i, number, starts, ahead, from_offset = 0, end_offset
    cdef Py_ssize_t step = plan.xx * layer.isx
    # Pieces of an offset: a row has one more than whole vectors, and is cut where a strip ends.
    cdef Py_ssize_t most = count + plan.pixels // plan.vector + plan.pixels // plan.strip
    UPSHAPE_CHECK(channels <= layer.block_channels)
    while from_offset < layer.offsets:
        # As many offsets as there is room for: what they read of a channel is still at hand.
        number = starts = 0
        end_offset = from_offset
        while end_offset < layer.offsets and (number == 0 or number + most <= MOST_PIECES):
            starts = number
            number = list_pieces[real](layer, plan, end_offset, runs, count, listed, number, x)
            if end_offset == from_offset or begins_row(layer, end_offset):
                mark_lines(layer, plan, listed + starts, number - starts)
            end_offset += 1
        # The first and the last offset's rows are all that there are, or nearly so, where no step
        # leads to others.
        mark_lines(layer, plan, listed + starts, number - starts)
        ahead = 1 + PIECES_AHEAD // number
        for c in range(channels):
            if c + ahead < channels and from_offset + 1 == end_offset and step == 1:
                for i in range(number):
                    prefetch(x + (c + ahead) * plan.xc + listed[i].source)
            elif c + ahead < channels:
                ask_for_pieces[real](x + (c + ahead) * plan.xc, listed, number)
            pieces[real](patch + c * plan.strip, x + c * plan.xc, step, listed, number)
        from_offset = end_offset


cdef inline bint begins_row(const Layer* layer, Py_ssize_t offset) noexcept nogil:
    """Return whether an offset is the first of rows that no other block of pixels reads."""
    return (layer.isy > 1 and layer.offset_y[offset] != layer.offset_y[offset - 1]
            or layer.isz > 1 and layer.offset_z[offset] != layer.offset_z[offset - 1])


cdef inline void mark_lines(const Layer* layer, const Blocking* plan, piece_t* listed,
                            Py_ssize_t number) noexcept nogil:
    """Have the lines of these pieces fetched: each takes about as many as its step is wide."""
    cdef Py_ssize_t i, lines = 1
    if plan.far and plan.xx * layer.isx <= MOST_LINES:
        lines = max(plan.xx * layer.isx * UPSHAPE_VECTOR_BYTES // LINE_BYTES, 1)
    for i in range(number):
        listed[i].lines = <int>lines


cdef inline void ask_for_pieces(const real* x, const piece_t* listed,
                                Py_ssize_t number) noexcept nogil:
    """Have the cache fetch what is marked of a channel."""
    cdef Py_ssize_t i
    cdef int line
    for i in range(number):
        if listed[i].lines > 0:
            prefetch(x + listed[i].source)
        for line in range(1, listed[i].lines):
            prefetch(x + listed[i].source + line * (LINE_BYTES // <Py_ssize_t>sizeof(real)))


cdef inline Py_ssize_t list_pieces(const Layer* layer, const Blocking* plan, Py_ssize_t offset,
                                   const Run* runs, Py_ssize_t count, piece_t* listed,
                                   Py_ssize_t number, const real* kind) noexcept nogil:
    """Append what an offset copies of a channel, in pieces of up to a vector; return their number.

    A piece is of one strip; rows that follow each other in the input are one.
    """
    cdef Py_ssize_t r = 0, iz, iy, ix, low, high, at, source, length, done, some
    cdef Py_ssize_t step = plan.xx * layer.isx
    cdef Py_ssize_t first = offset * layer.block_channels * plan.strip
    while r < count:
        iz = runs[r].qz * layer.isz + layer.offset_z[offset]
        iy = runs[r].qy * layer.isy + layer.offset_y[offset]
        ix = runs[r].qx * layer.isx + layer.offset_x[offset]
        length, at = runs[r].length, runs[r].at
        source = runs[r].n * plan.xn + iz * plan.xz + iy * plan.xy + ix * plan.xx
        inside(layer.isx, ix, plan.wi, length, &low, &high)
        UPSHAPE_CHECK(low >= high
                      or 0 <= ix + low * layer.isx and ix + (high - 1) * layer.isx < plan.wi)
        if not (0 <= iz < plan.di and 0 <= iy < plan.hi):
            low = high = length
        r += 1
        while (low == 0 and high == length and r < count
               and follows(layer, plan, offset, runs + r) and iy + 1 < plan.hi):
            length += runs[r].length
            high = length
            iy += 1
            r += 1
        done = 0
        while done < length:
            some = min(length - done, plan.strip - at % plan.strip, plan.vector)
            UPSHAPE_CHECK(number < MOST_PIECES)
            listed[number].source = source + done * step
            listed[number].target = at // plan.strip * plan.strip_size + at % plan.strip + first
            UPSHAPE_CHECK(0 <= listed[number].target
                          and (layer.block_channels - 1) * plan.strip + listed[number].target
                          + some <= plan.patch_size)
            piece[real](listed + number, low - done, high - done, some, kind)
            listed[number].lines = 0
            number += 1
            done += some
            at += some
    return number


cdef inline bint follows(const Layer* layer, const Blocking* plan, Py_ssize_t offset,
                         const Run* run) noexcept nogil:
    """Return whether what an offset reads of a run follows, in memory, the run before."""
    return (run.length == plan.wi == plan.qx and layer.offset_x[offset] == 0
            and plan.xy == plan.wi * plan.xx and run.n == (run - 1).n and run.qz == (run - 1).qz
            and layer.isx == 1 and layer.isy == 1)


# --- what is read past the pixels ----------------------------------------------------------------

cdef inline void clear_rest(const Layer* layer, const Blocking* plan, real* patch,
                            Py_ssize_t channels, Py_ssize_t length,
                            Py_ssize_t rows) noexcept nogil:
    """Clear what whole vectors read past the `length` pixels of a block, or past its `rows`.

    It changes no result, but if another plan has left numbers there that are denormal as these
    elements (integers, say, or another type's), each product with one costs some hundred cycles.
    """
    cdef Py_ssize_t o, c, plane, rest, width = plan.patch_columns
    cdef Py_ssize_t number = layer.depths * plan.planes_y * plan.planes_x
    cdef Py_ssize_t used = number * plan.patch_rows * width
    if plan.source == IM2COL:
        rest = (plan.vector - length % plan.vector) % plan.vector
        if rest > 0:
            UPSHAPE_CHECK(length // plan.strip * plan.strip_size + length % plan.strip
                          + (layer.offsets * layer.block_channels - 1) * plan.strip + rest
                          <= plan.patch_size)
            patch += length // plan.strip * plan.strip_size + length % plan.strip
            for o in range(layer.offsets):
                for c in range(channels):
                    zero[real](patch + (o * layer.block_channels + c) * plan.strip, rest)
        return
    UPSHAPE_CHECK(channels * plan.patch_c + UPSHAPE_TILE_VECTORS * plan.vector <= plan.patch_size)
    for c in range(channels):
        if rows < plan.patch_rows:
            for plane in range(number):
                zero[real](patch + c * plan.patch_c + (plane * plan.patch_rows + rows) * width,
                           min(max(plan.vector, plan.shared), (plan.patch_rows - rows) * width))
        if plan.patch_c > used:
            zero[real](patch + c * plan.patch_c + used, plan.patch_c - used)
    zero[real](patch + channels * plan.patch_c, UPSHAPE_TILE_VECTORS * plan.vector)
