"""A panel of weights times the pixels of a block, tile by tile: the sums of products.

pixels      Vectors of pixels; a weight is broadcast.
pairs       The same for two phases of a row, which a tile may interleave and write itself.
lanes       Vectors of lanes that are neighbours in the result; a pixel is broadcast.
transposed  Vectors of channels, whose sums a tile transposes into rows.

`tiles` is where the pixels are: a patch, or the input itself (IN); `weights` those of the block of
input channels, `bias` what sums begin with (IN). Sums go on where the last block of input channels
left them; the last one's are placed, or left for place.pxd.
"""

from check cimport UPSHAPE_CHECK
from layer cimport (
    IM2COL,
    Block,
    Blocking,
    Channels,
    Layer,
    Run,
    Table,
    first_lane,
    taps_of,
    tile_count,
    tile_size,
    up,
)
from place cimport ask_for_rows, lanes_at
from tile cimport (
    UPSHAPE_PAIRS,
    UPSHAPE_TILE_PIXELS,
    move,
    real,
    tile_channels,
    tile_pairs,
    tile_pixels,
    transpose_rows,
)


cdef inline const real* weights_of(const Layer* layer, Py_ssize_t panel, const Channels* channels,
                                   const real* weights) noexcept nogil:
    """Return the weights of a panel."""
    UPSHAPE_CHECK(layer.panel_prefix[panel] + layer.panel_width[panel] * taps_of(layer, panel)
                  <= layer.weights)
    return weights + layer.panel_prefix[panel] * channels.count


# --- vectors of pixels ---------------------------------------------------------------------------

cdef inline void pixels_chunk(const Layer* layer, const Blocking* plan, const Block* block,
                              const Channels* channels, Py_ssize_t chunk, const real* tiles,
                              const real* weights, const real* bias, real* sums,
                              const real* out) noexcept nogil:
    """Add a block of input channels to the sums of a chunk's panels."""
    # The rows of the result that will be written are asked for meanwhile, some with each tile.
    cdef Py_ssize_t rows = 0, asked = 0, tiles_left = 0, some
    cdef Py_ssize_t panel, width, taps, segment, at, count, number
    cdef Py_ssize_t vectors = up(block.length, plan.vector)
    cdef Table tap
    cdef const real* w
    cdef const real* init
    cdef const real* source
    cdef real* c
    cdef int nv
    if channels.last and plan.ox == 1 and block.count > 0:
        rows = ((layer.chunk_co[chunk + 1] - layer.chunk_co[chunk]) * layer.row_phases
                * block.count)
        for panel in range(layer.chunk_panel[chunk], layer.chunk_panel[chunk + 1]):
            tiles_left += block.segments * tile_count(plan, vectors, layer.panel_most[panel])
    for panel in range(layer.chunk_panel[chunk], layer.chunk_panel[chunk + 1]):
        tap = plan.tap + layer.class_first[layer.panel_class[panel]]
        width, taps = layer.panel_width[panel], taps_of(layer, panel)
        w = weights_of[real](layer, panel, channels, weights)
        init = bias + layer.panel_lane[panel] if channels.first else NULL
        count = tile_count(plan, vectors, layer.panel_most[panel])
        for segment in range(block.segments):
            source = tiles + segment * plan.patch_y
            c = (sums + (layer.panel_lane[panel] - block.base_lane) * plan.sums_row
                 + segment * plan.row_length)
            at = 0
            for number in range(count):
                nv = <int>tile_size(plan, vectors, count, number)
                if asked < rows:
                    some = up(rows - asked, tiles_left)
                    ask_for_rows[real](layer, plan, block, layer.chunk_co[chunk], asked,
                                       asked + some, out)
                    asked += some
                    tiles_left -= 1
                UPSHAPE_CHECK(c - sums + (width - 1) * plan.sums_row + at + nv * plan.vector
                              <= plan.sums_size)
                tile_pixels[real](<int>width, nv, source, plan.patch_c, tap, taps, channels.count,
                                  w, init, c + at, plan.sums_row)
                at += nv * plan.vector
                source += plan.strip_size if plan.source == IM2COL else nv * plan.vector


cdef inline void pairs_chunk(const Layer* layer, const Blocking* plan, const Block* block,
                             const Channels* channels, Py_ssize_t chunk, const real* tiles,
                             const real* weights, const real* bias, real* sums, real* out,
                             bint write) noexcept nogil:
    """Do as pixels_chunk does, for panels of pairs; if told to, write the result.

    Segments are rows then.
    """
    cdef Py_ssize_t panel, width, taps, segment, at, lane, count, number, n = 0
    cdef Py_ssize_t vectors = up(block.length, plan.vector)
    cdef Table first
    cdef Table second
    cdef const real* w
    cdef const real* init
    cdef const real* source
    cdef real* c
    cdef real* to[UPSHAPE_PAIRS]
    cdef int nv
    for panel in range(layer.chunk_panel[chunk], layer.chunk_panel[chunk + 1]):
        first = plan.tap + layer.class_first[layer.panel_class[panel]]
        second = plan.tap + layer.class_first[layer.panel_second[panel]]
        width, taps = layer.panel_width[panel], taps_of(layer, panel)
        lane = layer.panel_lane[panel]
        w = weights_of[real](layer, panel, channels, weights)
        init = bias + lane if channels.first else NULL
        count = tile_count(plan, vectors, layer.panel_most[panel])
        for segment in range(block.segments):
            source = tiles + segment * plan.patch_y
            c = sums + (lane - block.base_lane) * plan.sums_row + segment * plan.row_length
            at = 0
            for number in range(count):
                nv = <int>tile_size(plan, vectors, count, number)
                if write:
                    n = pair_rows[real](layer, plan, block.runs + segment, at, lane, width // 2,
                                        block.length, out, to)
                UPSHAPE_CHECK(write or c - sums + (width - 1) * plan.sums_row + at
                              + nv * plan.vector <= plan.sums_size)
                tile_pairs[real](<int>(width // 2), nv, source, plan.patch_c, first, second,
                                 taps, channels.count, w, init, c + at, plan.sums_row,
                                 to if write else NULL, n)
                at += nv * plan.vector
                source += plan.strip_size if plan.source == IM2COL else nv * plan.vector


cdef inline Py_ssize_t pair_rows(const Layer* layer, const Blocking* plan, const Run* run,
                                 Py_ssize_t at, Py_ssize_t lane, Py_ssize_t pairs,
                                 Py_ssize_t length, real* out, real** to) noexcept nogil:
    """Find where the pairs of a tile belong, or NULL; return how many pixels of a row are left."""
    cdef Py_ssize_t pair, oz, oy, ox = 2 * (run.qx + at)
    for pair in range(pairs):
        oz = run.qz * layer.sz + layer.lane_rz[lane + 2 * pair]
        oy = run.qy * layer.sy + layer.lane_ry[lane + 2 * pair]
        to[pair] = (out + run.n * plan.on + layer.lane_co[lane + 2 * pair] * plan.oc
                    + oz * plan.oz + oy * plan.oy + ox)
        if oz >= plan.dout or oy >= plan.ho:
            to[pair] = NULL
    return min(2 * (length - at), plan.wo - ox)


# --- vectors of lanes ----------------------------------------------------------------------------

cdef inline void lanes_chunk(const Layer* layer, const Blocking* plan, const Block* block,
                             const Channels* channels, Py_ssize_t panel, const real* tiles,
                             const real* weights, const real* bias, real* sums, real* tile,
                             real* out) noexcept nogil:
    """Add a block of input channels to a panel's sums; place the last ones.

    `tile`: room for a tile's sums.
    """
    cdef Py_ssize_t width = layer.panel_width[panel], taps = taps_of(layer, panel)
    cdef Table tap = plan.tap + layer.class_first[layer.panel_class[panel]]
    cdef const real* w = weights_of[real](layer, panel, channels, weights)
    cdef const real* init = bias + layer.panel_lane[panel] if channels.first else NULL
    cdef real* c = tile
    cdef real* x[UPSHAPE_TILE_PIXELS]
    cdef real* to[UPSHAPE_TILE_PIXELS]
    cdef Py_ssize_t[UPSHAPE_TILE_PIXELS] used
    cdef Py_ssize_t r, j, done, m = 0, number = 0, length = block.runs[0].length
    # As few tiles as there can be, and as even.
    cdef Py_ssize_t count = up(block.count * length, UPSHAPE_TILE_PIXELS)
    cdef Py_ssize_t some = tile_size(plan, block.count * length, count, 0)
    if layer.blocks > 1:
        c = sums + (layer.panel_lane[panel] - block.base_lane) * plan.sums_row
    for r in range(block.count):
        for j in range(length):
            UPSHAPE_CHECK(m < UPSHAPE_TILE_PIXELS)
            x[m] = <real*>tiles + r * plan.patch_y + j * plan.patch_x
            used[m] = lanes_at[real](layer, plan, panel, block.runs + r, j, out, to + m)
            m += 1
            if m < some:
                continue
            number += 1
            some = tile_size(plan, block.count * length, count, number)
            UPSHAPE_CHECK(c == tile or (c - sums) + m * width <= plan.sums_size)
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


cdef inline void transposed_panel(const Layer* layer, const Blocking* plan, const Block* block,
                                  const Channels* channels, Py_ssize_t panel, const real* tiles,
                                  const real* weights, const real* bias, real* sums, real* tile,
                                  real* placed) noexcept nogil:
    """Add a block of input channels to a panel's sums; transpose the last ones into `placed`.

    A tile is of one row, or of some short ones, and leaves out the taps that none of these can
    read, whichever of them are in this block: what is left out depends on no block, nor on threads.
    """
    cdef Py_ssize_t own = layer.panel_class[panel], across = layer.class_width[own]
    cdef Py_ssize_t start = layer.class_first[own], first, end
    cdef const real* w
    cdef real* c = tile
    cdef Py_ssize_t some = max(UPSHAPE_TILE_PIXELS // plan.qx, 1), row = 0, last, high, low
    if layer.blocks > 1:
        c = sums + (layer.panel_lane[panel] - block.base_lane) * plan.pixels
    while row < block.rows:
        # Rows low .. high of the result, of which this block may have a part.
        low = (block.y + row) // some * some
        high = min(low + some, plan.qy) - 1
        last = min(high + 1 - block.y, block.rows)
        first, end = start, layer.class_first[own + 1]
        while first < end and not reaches(layer, plan, first, block.qz, low, high):
            first += across
        while first < end and not reaches(layer, plan, end - 1, block.qz, low, high):
            end -= across
        w = (weights_of[real](layer, panel, channels, weights)
             + (first - start) * channels.count * layer.panel_width[panel])
        transposed_rows[real](layer, plan, block, channels, panel, tiles, w,
                              bias + layer.panel_lane[panel], row, last, first, end, &c, &placed)
        row = last


cdef inline void transposed_rows(const Layer* layer, const Blocking* plan, const Block* block,
                                 const Channels* channels, Py_ssize_t panel, const real* tiles,
                                 const real* w, const real* bias, Py_ssize_t row, Py_ssize_t last,
                                 Py_ssize_t first, Py_ssize_t end, real** c,
                                 real** placed) noexcept nogil:
    """Add the taps from `first` to before `end` to the sums of some rows, tile by tile."""
    cdef real* x[UPSHAPE_TILE_PIXELS]
    cdef Py_ssize_t count = up(block.length, UPSHAPE_TILE_PIXELS), number, some, m, r, t
    cdef Py_ssize_t column = 0, width = layer.panel_width[panel]
    for number in range(count):
        some = block.length // count + (number < block.length % count)
        m = 0
        for r in range(row, last):
            for t in range(some):
                UPSHAPE_CHECK(m < UPSHAPE_TILE_PIXELS)
                x[m] = <real*>tiles + r * plan.patch_y + column + t
                m += 1
        column += some
        tile_channels[real](<int>m, <int>(width // plan.vector), x, plan.patch_c, plan.tap + first,
                            end - first, channels.count, w, bias if channels.first else NULL, c[0])
        if channels.last:
            transpose_rows[real](placed[0], plan.sums_row, c[0], m, width)
        if layer.blocks > 1:
            c[0] += m * width
        placed[0] += m
