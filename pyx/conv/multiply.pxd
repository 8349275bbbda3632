"""A panel of weights times the pixels of a block, tile by tile: the sums of products.

pixels      Vectors of pixels; a weight is broadcast.
pairs       The same for two phases of a row, which a tile may interleave and write itself.
lanes       Vectors of lanes that are neighbours in the result; a pixel is broadcast.
transposed  Vectors of channels, whose sums a tile transposes into rows.

Sums go on where the last block of input channels left them; the last one's are placed in `out`, the
result of a group (OUT), or left for place.pxd.
"""

from check cimport UPSHAPE_CHECK
from layer cimport (
    DIRECT,
    IM2COL,
    Block,
    Blocking,
    Channels,
    Cut,
    Layer,
    Operands,
    Run,
    Table,
    cut_evenly,
    cut_vectors,
    first_lane,
    first_read,
    taps_of,
    tile_count,
    up,
)
from pack cimport ask_ahead
from place cimport CACHE_LINE, ask_for_rows, lanes_at
from tile cimport (
    UPSHAPE_PAIRS,
    UPSHAPE_TILE_PIXELS,
    UPSHAPE_TILE_REGISTERS,
    move,
    paired_t,
    prefetch_to_write,
    real,
    tile_channels,
    tile_pairs,
    tile_pixels,
    transpose_rows,
)


cdef inline const real* weights_of(const Layer* layer, Py_ssize_t panel, const Channels* channels,
                                   const Operands* operands, const real* kind) noexcept nogil:
    """Return the weights of a panel; `kind` says of which type."""
    UPSHAPE_CHECK(0 <= panel < layer.panels)
    UPSHAPE_CHECK(layer.panel_prefix[panel] + layer.panel_width[panel] * taps_of(layer, panel)
                  <= layer.weights)
    return <const real*>operands.weights + layer.panel_prefix[panel] * channels.count


cdef inline const real* start_of(const Layer* layer, Py_ssize_t panel, const Channels* channels,
                                 const Operands* operands, const real* kind) noexcept nogil:
    """Return what a panel's sums begin with: biases, or NULL where there are sums already."""
    UPSHAPE_CHECK(0 <= layer.panel_lane[panel])
    UPSHAPE_CHECK(layer.panel_lane[panel] + layer.panel_width[panel] <= layer.biases)
    return <const real*>operands.bias + layer.panel_lane[panel] if channels.first else NULL


cdef inline void image_bounds(const Blocking* plan, Py_ssize_t* low,
                              Py_ssize_t* high) noexcept nogil:
    """Find where a channel of an image begins and ends, from its first pixel: rows may go down."""
    cdef Py_ssize_t z = (plan.di - 1) * plan.xz, y = (plan.hi - 1) * plan.xy
    cdef Py_ssize_t x = (plan.wi - 1) * plan.xx
    low[0] = min(z, 0) + min(y, 0) + min(x, 0)
    high[0] = max(z, 0) + max(y, 0) + max(x, 0) + 1


cdef inline bint reads_within(const Layer* layer, const Blocking* plan, const Block* block,
                              Py_ssize_t at, Table tap, Py_ssize_t taps, Py_ssize_t channels,
                              Py_ssize_t length) noexcept nogil:
    """Whether a tile reads its patch alone, or its image where that is read as it lies.

    `length` elements of each tap and channel, from `at` on among those of the block.
    """
    cdef Py_ssize_t t, low = 0, high = plan.patch_size - (channels - 1) * plan.patch_c
    if plan.source == DIRECT:
        at += first_read(layer, plan, block)
        image_bounds(plan, &low, &high)
    for t in range(taps):
        if not low <= at + tap[t] <= high - length:
            return False
    return True


# --- the rows of the result that will be written -------------------------------------------------

# The caches are asked for them while a chunk is multiplied, for `each` rows with each tile.
cdef struct Asking:
    Py_ssize_t rows, asked, each


cdef inline Asking ask_while(const Layer* layer, const Blocking* plan, const Block* block,
                             const Channels* channels, Py_ssize_t chunk,
                             Py_ssize_t vectors) noexcept nogil:
    """Share out the rows that a chunk is placed in among its tiles: vectors are a segment's."""
    cdef Py_ssize_t panel, tiles = 0
    cdef Asking asking
    asking.rows = asking.asked = asking.each = 0
    if channels.last and plan.ox == 1 and block.count > 0:
        for panel in range(layer.chunk_panel[chunk], layer.chunk_panel[chunk + 1]):
            tiles += block.segments * tile_count(plan, vectors, layer.panel_most[panel])
        asking.rows = ((layer.chunk_co[chunk + 1] - layer.chunk_co[chunk]) * layer.row_phases
                       * block.count)
        asking.each = up(asking.rows, tiles)
    return asking


cdef inline void ask_on(const Layer* layer, const Blocking* plan, const Block* block,
                        Py_ssize_t chunk, Asking* asking, const real* out) noexcept nogil:
    """Ask for the next rows."""
    if asking.asked < asking.rows:
        ask_for_rows[real](layer, plan, block, layer.chunk_co[chunk], asking.asked,
                           min(asking.asked + asking.each, asking.rows), out)
        asking.asked += asking.each


# --- vectors of pixels ---------------------------------------------------------------------------

cdef inline void pixels_chunk(const Layer* layer, const Blocking* plan, const Block* block,
                              const Channels* channels, Py_ssize_t chunk,
                              const Operands* operands, const real* out) noexcept nogil:
    """Add a block of input channels to the sums of a chunk's panels."""
    cdef const real* tiles = <const real*>operands.tiles
    cdef real* sums = <real*>operands.sums
    cdef Py_ssize_t panel, width, taps, segment, number, left, some
    cdef Py_ssize_t vectors = up(block.length, plan.vector)
    cdef Cut cut
    cdef Table tap
    cdef const real* w
    cdef const real* init
    cdef const real* source
    cdef real* c
    cdef int nv
    cdef Asking asking = ask_while(layer, plan, block, channels, chunk, vectors)
    for panel in range(layer.chunk_panel[chunk], layer.chunk_panel[chunk + 1]):
        tap = plan.tap + layer.class_first[layer.panel_class[panel]]
        width, taps = layer.panel_width[panel], taps_of(layer, panel)
        w = weights_of[real](layer, panel, channels, operands, tiles)
        init = start_of[real](layer, panel, channels, operands, tiles)
        cut = cut_vectors(plan, vectors, layer.panel_most[panel])
        for segment in range(block.segments):
            source = tiles + segment * plan.patch_y
            c = (sums + (layer.panel_lane[panel] - block.base_lane) * plan.sums_row
                 + segment * plan.row_length)
            left = vectors
            for number in range(cut.count):
                nv = <int>min(cut.some + (number < cut.more), left)
                left -= nv
                some = nv * plan.vector
                ask_on[real](layer, plan, block, chunk, &asking, out)
                ask_ahead(operands.ahead)
                UPSHAPE_CHECK(c >= sums
                              and (c - sums) % plan.sums_row + some <= plan.sums_row)
                UPSHAPE_CHECK(c - sums + (width - 1) * plan.sums_row + some <= plan.sums_size)
                UPSHAPE_CHECK(reads_within(layer, plan, block, source - tiles, tap, taps,
                                           channels.count, some))
                tile_pixels[real](<int>width, nv, source, plan.patch_c, tap, taps, channels.count,
                                  w, init, c, plan.sums_row)
                c += some
                source += plan.strip_size if plan.source == IM2COL else some


cdef inline void pairs_chunk(const Layer* layer, const Blocking* plan, const Block* block,
                             const Channels* channels, Py_ssize_t chunk,
                             const Operands* operands, real* out, bint write) noexcept nogil:
    """Add a block of input channels to the sums of a chunk's pairs; if told to, write the result.

    Segments are rows then.
    """
    cdef const real* tiles = <const real*>operands.tiles
    cdef real* sums = <real*>operands.sums
    cdef Py_ssize_t panel, width, segment, lane, number, left, some, n = 0
    cdef Py_ssize_t vectors = up(block.length, plan.vector)
    cdef Cut cut
    cdef paired_t row
    cdef const real* w
    cdef const real* init
    cdef const real* source
    cdef real* c
    cdef real* to[UPSHAPE_PAIRS]
    cdef int nv
    cdef Asking asking
    asking.rows = asking.asked = 0
    if not write:  # else step_on asks
        asking = ask_while(layer, plan, block, channels, chunk, vectors)
    row.channels, row.x_channel, row.c_row = channels.count, plan.patch_c, plan.sums_row
    for panel in range(layer.chunk_panel[chunk], layer.chunk_panel[chunk + 1]):
        row.first = plan.tap + layer.class_first[layer.panel_class[panel]]
        row.second = plan.tap + layer.class_first[layer.panel_second[panel]]
        row.taps = taps_of(layer, panel)
        width, lane = layer.panel_width[panel], layer.panel_lane[panel]
        row.pairs = <int>(width // 2)
        w = weights_of[real](layer, panel, channels, operands, tiles)
        init = start_of[real](layer, panel, channels, operands, tiles)
        cut = cut_vectors(plan, vectors, layer.panel_most[panel])
        for segment in range(block.segments):
            source = tiles + segment * plan.patch_y
            c = sums + (lane - block.base_lane) * plan.sums_row + segment * plan.row_length
            left = vectors
            if write:
                n = pair_rows[real](layer, plan, block.runs + segment, lane, row.pairs,
                                    block.length, out, to)
            for number in range(cut.count):
                nv = <int>min(cut.some + (number < cut.more), left)
                left -= nv
                some = nv * plan.vector
                ask_on[real](layer, plan, block, chunk, &asking, out)
                ask_ahead(operands.ahead)
                UPSHAPE_CHECK(c >= sums)
                UPSHAPE_CHECK(write or c - sums + (width - 1) * plan.sums_row + some
                              <= plan.sums_size)
                UPSHAPE_CHECK(reads_within(layer, plan, block, source - tiles, row.first,
                                           row.taps, channels.count, some))
                UPSHAPE_CHECK(reads_within(layer, plan, block, source - tiles, row.second,
                                           row.taps, channels.count, some))
                tile_pairs[real](nv, &row, source, w, init, c, to if write else NULL, n)
                c += some
                source += plan.strip_size if plan.source == IM2COL else some
                n -= 2 * some
                if write:
                    step_on[real](layer, plan, row.pairs, 2 * some, to)


cdef inline Py_ssize_t pair_rows(const Layer* layer, const Blocking* plan, const Run* run,
                                 Py_ssize_t lane, Py_ssize_t pairs, Py_ssize_t length, real* out,
                                 real** to) noexcept nogil:
    """Find where the pairs of a row belong, or NULL; return how many pixels they have there."""
    cdef Py_ssize_t pair, oz, oy, ox = 2 * run.qx
    for pair in range(pairs):
        oz = run.qz * layer.sz + layer.lane_rz[lane + 2 * pair]
        oy = run.qy * layer.sy + layer.lane_ry[lane + 2 * pair]
        to[pair] = (out + run.n * plan.on + layer.lane_co[lane + 2 * pair] * plan.oc
                    + oz * plan.oz + oy * plan.oy + ox)
        UPSHAPE_CHECK(0 <= oz and 0 <= oy and 0 <= ox)
        UPSHAPE_CHECK(0 <= run.n < plan.n and 0 <= layer.lane_co[lane + 2 * pair] < layer.co)
        if oz >= plan.dout or oy >= plan.ho:
            to[pair] = NULL
    return min(2 * length, plan.wo - ox)


cdef inline void step_on(const Layer* layer, const Blocking* plan, Py_ssize_t pairs,
                         Py_ssize_t length, real** to) noexcept nogil:
    """Step on in the rows of some pairs; have that part of the next rows fetched from memory."""
    cdef Py_ssize_t pair, j
    for pair in range(pairs):
        if to[pair] == NULL:
            continue
        if plan.outer_result:
            j = 0
            while j < length:
                prefetch_to_write(to[pair] + layer.sy * plan.oy + j)
                j += CACHE_LINE // <Py_ssize_t>sizeof(real)
        to[pair] += length


# --- vectors of lanes ----------------------------------------------------------------------------

cdef inline void lanes_chunk(const Layer* layer, const Blocking* plan, const Block* block,
                             const Channels* channels, Py_ssize_t panel,
                             const Operands* operands, real* out) noexcept nogil:
    """Add a block of input channels to a panel's sums; place the last ones."""
    cdef const real* tiles = <const real*>operands.tiles
    cdef real* sums = <real*>operands.sums
    cdef real* tile = <real*>operands.tile
    cdef Py_ssize_t width = layer.panel_width[panel], taps = taps_of(layer, panel)
    cdef Table tap = plan.tap + layer.class_first[layer.panel_class[panel]]
    cdef const real* w = weights_of[real](layer, panel, channels, operands, tiles)
    cdef const real* init = start_of[real](layer, panel, channels, operands, tiles)
    cdef real* c = tile
    cdef real* x[UPSHAPE_TILE_PIXELS]
    cdef real* to[UPSHAPE_TILE_PIXELS]
    cdef Py_ssize_t[UPSHAPE_TILE_PIXELS] used
    cdef Py_ssize_t r, j, done, m = 0, number = 0, length = block.runs[0].length
    cdef Cut cut = cut_evenly(block.count * length, UPSHAPE_TILE_PIXELS)
    cdef Py_ssize_t some = cut.some + (cut.more > 0)
    if layer.blocks > 1:
        c = sums + (layer.panel_lane[panel] - block.base_lane) * plan.sums_row
    for r in range(block.count):
        for j in range(length):
            UPSHAPE_CHECK(m < UPSHAPE_TILE_PIXELS)
            x[m] = <real*>tiles + r * plan.patch_y + j * plan.patch_x
            UPSHAPE_CHECK(reads_within(layer, plan, block, <const real*>x[m] - tiles, tap, taps,
                                       channels.count, 1))
            used[m] = lanes_at[real](layer, plan, panel, block.runs + r, j, out, to + m)
            m += 1
            if m < some:
                continue
            number += 1
            some = cut.some + (number < cut.more)
            UPSHAPE_CHECK(c == tile or c >= sums and c - sums + m * width <= plan.sums_size)
            UPSHAPE_CHECK(m * width <= 2 * UPSHAPE_TILE_REGISTERS * plan.vector)
            tile_channels[real](<int>m, <int>(width // plan.vector), x, plan.patch_c, tap, taps,
                                channels.count, w, init, c)
            if channels.last:
                for done in range(m):
                    if used[done] > 0:
                        move[real](to[done], c + done * width, used[done])
            if layer.blocks > 1:
                c += m * width
            m = 0


cdef inline bint reaches(const Layer* layer, const Blocking* plan, Py_ssize_t tap, Py_ssize_t qz,
                         Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    """Whether a tap may be in the input, for one of the rows low .. high of a depth."""
    cdef Py_ssize_t iy = layer.tap_y[tap] + layer.y_first
    cdef Py_ssize_t iz = layer.tap_z[tap] + layer.z_first + qz * layer.isz
    return (0 <= iz < plan.di
            and high * layer.isy + iy >= 0 and low * layer.isy + iy < plan.hi)


# Rows of a block that a tile computes together; the taps that one of them can read.
cdef struct Reached:
    Py_ssize_t row, last
    Py_ssize_t first, end
    Py_ssize_t made  # pixels of the block that are computed already


cdef inline void transposed_panel(const Layer* layer, const Blocking* plan, const Block* block,
                                  const Channels* channels, Py_ssize_t panel,
                                  const Operands* operands, real* placed) noexcept nogil:
    """Add a block of input channels to a panel's sums; transpose the last ones into `placed`.

    A tile is of one row, or of some short ones, and leaves out the taps that none of these can
    read, whichever of them are in this block: what is left out depends on no block, nor on threads.
    """
    cdef Py_ssize_t own = layer.panel_class[panel], across = layer.class_width[own]
    cdef Py_ssize_t some = max(UPSHAPE_TILE_PIXELS // plan.qx, 1), high, low
    cdef const real* w = weights_of[real](layer, panel, channels, operands, placed)
    cdef real* c = <real*>operands.tile
    cdef Reached now
    if layer.blocks > 1:
        c = <real*>operands.sums + (layer.panel_lane[panel] - block.base_lane) * plan.pixels
    now.row = now.made = 0
    while now.row < block.rows:
        # Rows low .. high of the result, of which this block may have a part.
        low = (block.y + now.row) // some * some
        high = min(low + some, plan.qy) - 1
        now.last = min(high + 1 - block.y, block.rows)
        now.first, now.end = layer.class_first[own], layer.class_first[own + 1]
        while now.first < now.end and not reaches(layer, plan, now.first, block.qz, low, high):
            now.first += across
        while now.first < now.end and not reaches(layer, plan, now.end - 1, block.qz, low, high):
            now.end -= across
        transposed_rows[real](layer, plan, block, channels, panel, operands, &now, w, c, placed)
        now.row = now.last


cdef inline void transposed_rows(const Layer* layer, const Blocking* plan, const Block* block,
                                 const Channels* channels, Py_ssize_t panel,
                                 const Operands* operands, Reached* now, const real* w,
                                 real* c, real* placed) noexcept nogil:
    """Add the taps that are reached to the sums of some rows, tile by tile."""
    cdef const real* tiles = <const real*>operands.tiles
    cdef const real* init = start_of[real](layer, panel, channels, operands, tiles)
    cdef real* x[UPSHAPE_TILE_PIXELS]
    cdef Py_ssize_t count = up(block.length, UPSHAPE_TILE_PIXELS), number, some, m, r, t
    cdef Py_ssize_t column = 0, width = layer.panel_width[panel]
    cdef Py_ssize_t own = layer.panel_class[panel]
    UPSHAPE_CHECK(layer.class_first[own] <= now.first <= now.end <= layer.class_first[own + 1])
    w += (now.first - layer.class_first[own]) * channels.count * width
    if layer.blocks > 1:
        c += now.made * width
    for number in range(count):
        some = block.length // count + (number < block.length % count)
        m = 0
        for r in range(now.row, now.last):
            for t in range(some):
                UPSHAPE_CHECK(m < UPSHAPE_TILE_PIXELS)
                x[m] = <real*>tiles + r * plan.patch_y + column + t
                UPSHAPE_CHECK(reads_within(layer, plan, block, <const real*>x[m] - tiles,
                                           plan.tap + now.first, now.end - now.first,
                                           channels.count, 1))
                m += 1
        column += some
        UPSHAPE_CHECK(m * width <= 2 * UPSHAPE_TILE_REGISTERS * plan.vector)
        UPSHAPE_CHECK(layer.blocks == 1 or c - <real*>operands.sums + m * width <= plan.sums_size)
        # Whole vectors are written.
        UPSHAPE_CHECK(now.made + up(m, plan.vector) * plan.vector <= plan.sums_row)
        ask_ahead(operands.ahead)
        tile_channels[real](<int>m, <int>(width // plan.vector), x, plan.patch_c,
                            plan.tap + now.first, now.end - now.first, channels.count, w, init,
                            c)
        if channels.last:
            transpose_rows[real](placed + now.made, plan.sums_row, c, m, width)
        if layer.blocks > 1:
            c += m * width
        now.made += m
