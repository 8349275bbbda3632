"""How the loops over one shape are cut: from a source of the tiles and a size of blocks, all else.

`choose_blocks` and `choose_bands` try those that fit the scratch of a thread, and keep the one that
is estimated to cost least.
"""

from cost cimport count_bands, count_block
from layer cimport (
    CHANNELS,
    COL2IM,
    DIRECT,
    FLAT,
    IM2COL,
    PAIRS,
    PHASES,
    ROWS,
    TRANSPOSED,
    Blocking,
    Layer,
    Source,
    first_lane,
    inside,
    item_bytes,
    tiles_write,
    up,
)
from pack cimport MOST_PIECES
from place cimport MOST_TERMS
from tile cimport UPSHAPE_TILE_REGISTERS, UPSHAPE_TILE_VECTORS, UPSHAPE_VECTOR_BYTES

# Sizes of a thread's scratch, in bytes.
cdef enum:
    # A patch, at most. With the sums it leaves room for a panel of weights in a second-level cache
    # of 512 KiB; larger ones gain nothing where the cache is larger.
    PATCH_BYTES = 192 << 10
    # The same for kernels of so many taps that their borders alone take most of that.
    WIDE_BYTES = 8 << 20
    # Sums that are not yet complete, at most: 1024 lanes of 48 pixels, and a margin.
    SUMS_BYTES = 208 << 10
    # COL2IM: products that wait to be added up; the pixels that are packed for them, at most.
    PRODUCTS_BYTES = 256 << 10
    COL2IM_BYTES = 288 << 10
    # A patch takes no more elements than so many, or it does not fit.
    HUGE = 1 << 30

cdef enum:
    # A first-level cache that most CPUs have: ways, bytes of a way, of a line.
    WAYS = 8
    WAY_BYTES = 4096
    LINE_BYTES = 64
    # Panels up to which the input is read as it lies however it lies: a copy costs as much.
    FEW_PASSES = 2
    # Of the input, in a block that reads it as it lies for many panels: they find it in a
    # second-level cache. Flat from 200 to 700 KiB; three MiB take 1.1 to 1.3 times as long (773 ->
    # 20 channels, k1, 111 x 69 pixels on a Zen 5).
    DIRECT_BYTES = 480 << 10
    # Pixels of a block that reads the input as it lies, at most; of one that im2col packs, at most.
    DIRECT_PIXELS = 2048
    MOST_PIXELS = MOST_PIECES
    # Of the result, in a block that reads the input as it lies, and whose panels write pixels in
    # turn: flat from 128 KiB to 1 MiB; ten MiB take 1.1 to 1.3 times as long (24 -> 24 channels,
    # k2 s2, 256 x 256 pixels on a Zen 5).
    RESULT_BYTES = 256 << 10
    # Of a result that no cache holds: pairs of phases have their rows fetched before they write
    # them. At v4 on a Zen 5 (16 and 24 channels, k2 s2): 33 MiB take 0.5 to 0.6 of the time, 24
    # MiB 0.7; 16 MiB as long, less than that up to 1.1 times as long.
    OUTER_BYTES = 16 << 20
    # Pixels of a band at most, but for a row: flat from 100 to 500.
    MOST_BAND = 256


# What the choice depends on beyond a shape.
cdef struct Machine:
    # Bytes of a patch of im2col, or of one whose pixels are broadcast to a wide stride's phases.
    Py_ssize_t wide_patch


# --- sizes that follow from a source and a block -------------------------------------------------

cdef inline Py_ssize_t patch_offset(const Layer* layer, const Blocking* plan, Py_ssize_t z,
                                    Py_ssize_t y, Py_ssize_t x) noexcept nogil:
    """Where the patch has the tap of a depth, y rows down and x columns right of the first."""
    cdef Py_ssize_t plane = y % layer.isy * plan.planes_x + x % layer.isx
    plane += z * plan.planes_y * plan.planes_x
    return (plane * plan.patch_rows * plan.patch_y
            + y // layer.isy * plan.patch_y + x // layer.isx * plan.patch_x)


cdef inline Py_ssize_t tap_offset(const Layer* layer, const Blocking* plan,
                                  Py_ssize_t tap) noexcept nogil:
    """Return where a tap's pixels are, from those of the first one."""
    if plan.source == IM2COL:
        return layer.tap_id[tap] * layer.block_channels * plan.strip
    if plan.source == DIRECT:
        return (layer.tap_z[tap] * plan.xz + layer.tap_y[tap] * plan.xy
                + layer.tap_x[tap] * plan.xx)
    return patch_offset(layer, plan, layer.tap_depth[tap], layer.tap_y[tap], layer.tap_x[tap])


cdef inline void set_block(const Layer* layer, Blocking* plan, Source source, Py_ssize_t rows,
                           Py_ssize_t columns) noexcept nogil:
    """Fill in the sizes that follow from a source and the size of its blocks."""
    plan.source, plan.rows, plan.columns = source, rows, columns
    plan.y_blocks = up(plan.qy, rows)
    plan.x_blocks = up(plan.qx, columns)
    if source == IM2COL:
        set_im2col(layer, plan)
    elif source == DIRECT and not layer.lane_vectors:
        set_direct(layer, plan)
    else:
        set_patch(layer, plan)
    # Tiles may read whole vectors past the last pixel.
    plan.patch_size += UPSHAPE_TILE_VECTORS * plan.vector
    set_sums(layer, plan)


cdef inline void set_im2col(const Layer* layer, Blocking* plan) noexcept nogil:
    """Set a block of pixels of any rows, packed in strips: as few as there can be, and as even."""
    cdef Py_ssize_t most = plan.vector * layer.least_most, strips
    plan.pixels = plan.columns
    plan.image_blocks = plan.y_blocks = 1
    plan.x_blocks = up(plan.n * plan.qz * plan.qy * plan.qx, plan.columns)
    plan.sums_row = up(plan.columns, plan.vector) * plan.vector
    strips = up(plan.columns, most)
    plan.strip = up(plan.sums_row // plan.vector, strips) * plan.vector
    plan.strip_size = layer.offsets * layer.block_channels * plan.strip
    plan.patch_c = plan.strip
    plan.patch_size = strips * plan.strip_size
    plan.most_runs = plan.columns


cdef inline void set_direct(const Layer* layer, Blocking* plan) noexcept nogil:
    """Set a block of pixels of an image that are read as they lie."""
    plan.pixels = plan.columns
    plan.y_blocks = 1
    plan.x_blocks = up(plan.qz * plan.qy * plan.qx, plan.columns)
    plan.image_blocks = plan.n
    # A block may begin up to a vector earlier.
    plan.sums_row = up(plan.columns, plan.vector) * plan.vector + plan.vector
    plan.patch_c, plan.patch_size = plan.xc, 0
    plan.most_runs = plan.columns // plan.qx + 3


cdef inline void set_patch(const Layer* layer, Blocking* plan) noexcept nogil:
    """Set a block of rows x columns, and the patch that it reads."""
    cdef Py_ssize_t vector = plan.vector, planes = layer.depths * plan.planes_y * plan.planes_x
    plan.image_blocks = plan.n * plan.qz
    plan.patch_rows = plan.rows + (layer.y_span - 1) // layer.isy
    plan.patch_columns = plan.columns + (layer.x_span - 1) // layer.isx
    plan.shared = 0
    if plan.source == FLAT and plan.columns == plan.qx and layer.isx == 1:
        # A row's right border is the next one's left border as well.
        plan.shared = min(layer.x_first + plan.patch_columns - plan.wi, -layer.x_first)
        plan.shared = max(plan.shared, 0)
        plan.patch_columns -= plan.shared
    plan.most_runs = plan.rows
    set_rows(layer, plan)
    if layer.order == CHANNELS:
        plan.patch_c, plan.patch_x = 1, layer.block_channels
        plan.patch_y = plan.patch_columns * plan.patch_x
        plan.patch_size = planes * plan.patch_rows * plan.patch_y
    else:
        plan.patch_x, plan.patch_y = 1, plan.patch_columns
        # An odd number of vectors from channel to channel, so that all sets are used.
        plan.patch_c = planes * plan.patch_rows * plan.patch_columns
        plan.patch_c = up(plan.patch_c + plan.shared, vector) * vector
        if (plan.patch_c // vector % 2 == 0 and layer.block_channels > 8
                and plan.rows * plan.columns > 2 * vector):
            plan.patch_c += vector
        plan.patch_size = layer.block_channels * plan.patch_c
    if (<double>plan.patch_rows * plan.patch_columns * planes * layer.block_channels > HUGE):
        plan.patch_size = HUGE  # and its strides have overflowed
    if plan.source == DIRECT:
        plan.patch_size = 0
        plan.patch_c = plan.xc
        plan.patch_y, plan.patch_x = plan.xy * layer.isy, plan.xx * layer.isx


cdef inline void set_rows(const Layer* layer, Blocking* plan) noexcept nogil:
    """Set how the sums of a block's rows lie."""
    cdef Py_ssize_t vector = plan.vector
    if layer.lane_vectors:
        plan.row_length = plan.columns
        plan.sums_row = plan.pixels = plan.rows * plan.columns
    elif plan.source == ROWS:
        plan.row_length = up(plan.columns, vector) * vector
        plan.sums_row = plan.rows * plan.row_length
    else:
        plan.row_length = plan.patch_columns
        plan.sums_row = (plan.rows - 1) * plan.row_length + plan.columns
        plan.sums_row = up(plan.sums_row, vector) * vector
    if layer.order == TRANSPOSED:
        # Whole vectors are written, and one more may be read.
        plan.sums_row = (up(plan.pixels, vector) + 1) * vector


cdef inline void set_sums(const Layer* layer, Blocking* plan) noexcept nogil:
    """Cut the work among threads, lanes too where their sums are many; size what waits."""
    cdef Py_ssize_t vector = plan.vector
    cdef Py_ssize_t blocks = plan.image_blocks * layer.groups * plan.y_blocks * plan.x_blocks
    cdef Py_ssize_t parts = plan.pixels if layer.lane_vectors else plan.sums_row
    plan.splits = split_count(layer, plan, blocks)
    if layer.blocks > 1:
        while (plan.splits < layer.chunks
               and split_lanes(layer, plan) * parts * UPSHAPE_VECTOR_BYTES > SUMS_BYTES * vector):
            plan.splits = min(2 * plan.splits, layer.chunks)
    plan.items = plan.splits * blocks
    if layer.blocks > 1:
        plan.sums_size = split_lanes(layer, plan) * parts
    elif layer.lane_vectors or tiles_write(layer, plan):
        plan.sums_size = 0
    else:
        plan.sums_size = layer.most_chunk_lanes * plan.sums_row
    plan.sums_size = up(plan.sums_size, vector) * vector
    plan.placed_size = (
        layer.most_chunk_lanes * plan.sums_row if layer.order == TRANSPOSED else 0)
    plan.line = up(min(plan.columns, plan.qx), vector) * vector if layer.x_gaps > 0 else 0


cdef inline Py_ssize_t split_lanes(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return the lanes of the largest range of chunks."""
    cdef Py_ssize_t split, most = 0
    for split in range(plan.splits):
        most = max(most, first_lane(layer, layer.chunks * (split + 1) // plan.splits)
                   - first_lane(layer, layer.chunks * split // plan.splits))
    return most


cdef inline Py_ssize_t split_count(const Layer* layer, const Blocking* plan,
                                   Py_ssize_t blocks) noexcept nogil:
    """Into how many ranges of lanes to cut the work, so that every thread has its share."""
    if plan.threads == 1 or blocks % plan.threads == 0 or blocks >= 12 * plan.threads:
        return 1
    return min(layer.chunks, plan.threads)


# --- the choice of a block -----------------------------------------------------------------------

cdef inline bint within_scratch(const Layer* layer, const Blocking* plan,
                                const Machine* machine) noexcept nogil:
    """Return whether a thread's patch and sums are small enough to stay in its caches."""
    cdef Py_ssize_t most = PATCH_BYTES, item = item_bytes(layer), sums
    cdef double borders
    if plan.source == IM2COL or layer.order == TRANSPOSED or layer.order == PHASES:
        most = machine.wide_patch
    if plan.source == ROWS or plan.source == FLAT:
        # What a kernel of very many taps reads for one pixel fits no second-level cache, but is
        # read in order; the only other way is a copy of it for every pixel.
        borders = (<double>plan.patch_size / plan.patch_rows / plan.patch_columns
                   * ((layer.y_span - 1) // layer.isy + 1)
                   * ((layer.x_span - 1) // layer.isx + 1) * item)
        if 2 * borders > PATCH_BYTES:
            most = max(most, <Py_ssize_t>min(3 * borders, <double>WIDE_BYTES))
    sums = (plan.sums_size + plan.placed_size + plan.line
            + 2 * UPSHAPE_TILE_REGISTERS * plan.vector)
    return plan.patch_size * item <= most and sums * item <= SUMS_BYTES


cdef inline Py_ssize_t smaller(const Blocking* plan, Py_ssize_t rows) noexcept nogil:
    """Return the next smaller number of rows worth trying: an even cut of the height."""
    cdef Py_ssize_t blocks
    if rows <= 1:
        return 0
    blocks = up(plan.qy, rows) + 1
    return min(up(plan.qy, blocks), rows - 1)


cdef inline bint stays_within(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return whether no tap of any pixel leaves the input."""
    return (
        layer.z_first >= 0 and layer.y_first >= 0 and layer.x_first >= 0
        and ((plan.qz - 1) * layer.isz + layer.z_first + layer.depth_z[layer.depths - 1] < plan.di)
        and (plan.qy - 1) * layer.isy + layer.y_first + layer.y_span <= plan.hi
        and (plan.qx - 1) * layer.isx + layer.x_first + layer.x_span <= plan.wi)


cdef inline bint is_read_as_it_lies(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return whether the only tap of every pixel q is the input's pixel q, all in one piece."""
    cdef Py_ssize_t plane = plan.qz * plan.qy * plan.qx
    return (
        not layer.lane_vectors and layer.most_taps <= 1
        and stays_within(layer, plan)
        and layer.isy == layer.isx == layer.y_span == layer.x_span == 1
        and plan.qx == plan.wi and plan.xy == plan.wi and plan.xx == 1
        and layer.isz == layer.depths == 1 and plan.qz == plan.di
        and (plan.qz == 1 or plan.xz == plan.hi * plan.wi)
        and layer.z_first == 0 and layer.y_first == 0 and layer.x_first == 0
        and (plane % plan.vector == 0 or plane > 2 * plan.vector))


cdef inline Py_ssize_t direct_pixels(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return the pixels of a block that reads the input as it lies.

    A plane of no whole vectors has two blocks or more: the last one begins in the one before.
    """
    cdef Py_ssize_t plane = plan.qz * plan.qy * plan.qx, most = DIRECT_PIXELS
    cdef Py_ssize_t tile = layer.least_most * plan.vector
    if plane % plan.vector != 0:
        plane = up(up(plane, 2), plan.vector) * plan.vector
    if layer.panels > FEW_PASSES:
        most = DIRECT_BYTES // (layer.block_channels * item_bytes(layer)) // tile * tile
        most = min(max(most, 2 * tile), DIRECT_PIXELS)
    return min(plane, most)


cdef inline bint planes_collide(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return whether the lines of a pixel's channels, as they lie, drop each other from a cache.

    In a first cache of 8 ways of 4 KiB, lines whose distance is a multiple of 4 KiB share 8 places.
    `python -m benchmarks.plans` at v3 on a Zen 5: 64 -> 32 channels, k2 s2, 64 x 64 pixels takes
    1.5 times as long from the input as from a patch; 28 x 28 pixels take as long. Where rows have
    one phase, nothing is to be woven and a copy gains nothing: from im2col, 512 -> 24 channels, k1,
    64 x 64 pixels takes 1.4 times as long at v4, about as long at v3; 256 -> 64, 56 x 56 pixels
    1.15 times at both.
    """
    cdef Py_ssize_t apart = WAY_BYTES, distance = plan.xc * item_bytes(layer)
    while distance % apart != 0 and apart > LINE_BYTES:
        apart //= 2
    return layer.block_channels > WAYS * (WAY_BYTES // apart)


# The block that costs least so far.
cdef struct Best:
    Source source
    Py_ssize_t rows, columns
    double nanoseconds  # negative: none yet


cdef inline double handicap(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return how many times its estimate a block counts for: what no rate of a count tells.

    `python -m benchmarks.plans --tuned` prints times and estimates of the layers that are named
    here; what is said was measured on a Zen 5.
    """
    cdef double times = 1, bytes
    # Pairs go from the registers to the result where a tile is of one row; where no second cache
    # holds what a call touches, what that spares is estimated too low (64 -> 32 channels, k2 s2,
    # 64 x 64 pixels at v4: rows are estimated 2 % above other sources, and take 12 % less). Of
    # 28 x 28 pixels rows take 1.2 to 1.3 times the best.
    if layer.order == PAIRS and plan.far and plan.source != ROWS:
        times /= 0.95
    # Caches that fetch ahead do so along whole rows (16 -> 16 channels, k2 s2, 160 x 160 pixels at
    # v3: blocks of 20 x 80 are estimated 2 % above those of 5 x 160, and take 30 % more).
    if plan.far and plan.xx == 1 and plan.columns < plan.qx and plan.source in (ROWS, FLAT):
        times /= 0.95
    # As it lies, the input takes longest where tiles are so narrow that they read a line of each
    # channel. k1 at v3 takes up to 1.9 times its estimate where no cache holds them (773 -> 20,
    # 111 x 69; 256 -> 64, 100 x 100: 1.0), and 1.4 times the best where all channels share the
    # places of a cache (192 -> 48 channels, 64 x 64; 64 -> 64, 128 x 128). At v4, 0.8 to 1.4 times
    # its estimate. A single panel comes back to no line (24 -> 1 channels, k2 s2, 160 x 160).
    if (plan.source == DIRECT and not layer.lane_vectors and plan.far and layer.panels > 1
            and UPSHAPE_VECTOR_BYTES < 64):
        bytes = <double>plan.n * layer.groups * layer.ci * plan.di * plan.hi * plan.wi
        bytes *= item_bytes(layer)
        if plan.xc * item_bytes(layer) % WAY_BYTES == 0 or bytes > OUTER_BYTES / 2:
            times *= 1.7
    return times


cdef inline void consider(const Layer* layer, Blocking* plan, Best* best) noexcept nogil:
    """Keep the block as it is set if it costs least."""
    cdef double cost = count_block(layer, plan) * handicap(layer, plan)
    if best.nanoseconds < 0 or cost < best.nanoseconds:
        best.nanoseconds, best.source = cost, plan.source
        best.rows, best.columns = plan.rows, plan.columns


cdef inline void choose_blocks(const Layer* layer, Blocking* plan, const Machine* machine,
                               int only) noexcept nogil:
    """Try the sources (or `only` one) and blocks that fit the scratch; keep the cheapest."""
    cdef Best best
    best.source, best.rows, best.columns = ROWS, 1, min(plan.qx, 2 * plan.vector)
    best.nanoseconds = -1
    if is_read_as_it_lies(layer, plan) and (only == DIRECT or (only == -1 and (
            layer.panels <= FEW_PASSES or layer.x_phases == 1
            or not planes_collide(layer, plan)))):
        set_block(layer, plan, DIRECT, 1, direct_pixels(layer, plan))
        if layer.blocks == 1 or within_scratch(layer, plan, machine):
            consider(layer, plan, &best)
    if only in (-1, ROWS):
        choose_patch(layer, plan, machine, ROWS, &best)
    if only in (-1, FLAT) and not layer.lane_vectors:
        choose_patch(layer, plan, machine, FLAT, &best)
    if only in (-1, DIRECT) and layer.order == CHANNELS and stays_within(layer, plan):
        choose_patch(layer, plan, machine, DIRECT, &best)
    if only in (-1, IM2COL) and not layer.lane_vectors:
        choose_im2col(layer, plan, machine, &best)
    set_block(layer, plan, best.source, best.rows, best.columns)


cdef inline void choose_patch(const Layer* layer, Blocking* plan, const Machine* machine,
                              Source source, Best* best) noexcept nogil:
    """Try blocks of rows x columns."""
    cdef Py_ssize_t parts = 1, columns, rows, step
    while True:
        columns = up(plan.qx, parts)
        if parts > 1:
            columns = up(columns, plan.vector) * plan.vector
        rows = plan.qy
        if source == DIRECT and layer.x_phases > 1:
            # What one panel leaves between its pixels another one fills soon.
            rows = max(min(rows, RESULT_BYTES // (columns * layer.lanes * item_bytes(layer))), 1)
        step = 1
        while rows >= 1:
            set_block(layer, plan, source, rows, columns)
            if within_scratch(layer, plan, machine):
                consider(layer, plan, best)
                # Somewhat smaller blocks may share out better.
                step += 1
                if step > 3 or rows == 1:
                    break
            # The next smaller number of rows that cuts the height evenly.
            rows = smaller(plan, rows)
        if columns <= 2 * plan.vector:
            break
        parts += 1 if parts < 4 else parts // 2


cdef inline void choose_im2col(const Layer* layer, Blocking* plan, const Machine* machine,
                               Best* best) noexcept nogil:
    """Try blocks of pixels of any rows."""
    cdef Py_ssize_t total = plan.n * plan.qz * plan.qy * plan.qx, columns = 2 * plan.vector
    while True:
        set_block(layer, plan, IM2COL, 1, min(columns, total))
        if not within_scratch(layer, plan, machine) and best.nanoseconds >= 0:
            break
        # More pixels than sums fit: each range of lanes would pack them anew.
        if best.source == IM2COL and plan.splits > split_count(layer, plan, plan.x_blocks):
            break
        consider(layer, plan, best)
        if columns >= total or columns >= MOST_PIXELS:
            break
        columns += plan.vector


# --- bands of products that are added up ---------------------------------------------------------

cdef inline void choose_bands(const Layer* layer, Blocking* plan,
                              const Machine* machine) noexcept nogil:
    """Keep the cheapest height of a band that fits the scratch."""
    cdef Py_ssize_t rows = min(plan.hi, max(MOST_BAND // plan.wi, 1)), best_rows = 0
    cdef double best = 0
    while rows > 0:
        set_bands(layer, plan, machine, rows)
        if plan.fits and (best_rows == 0 or plan.nanoseconds < best):
            best, best_rows = plan.nanoseconds, rows
        rows -= 1 + rows // 8
    set_bands(layer, plan, machine, max(best_rows, 1))


cdef inline void set_bands(const Layer* layer, Blocking* plan, const Machine* machine,
                           Py_ssize_t rows) noexcept nogil:
    """Fill in how products are made and wait, with so many rows in a band."""
    cdef Py_ssize_t item = item_bytes(layer), blocks, most, pixels
    # Rows of the input that an output row reads, but for one.
    cdef Py_ssize_t reach = (layer.high_phase_y - layer.low_phase_y) // layer.sy + 1
    reach = min(reach, plan.hi) - 1
    plan.rows = min(rows, plan.hi)
    plan.band = up(plan.rows * plan.wi, plan.vector) * plan.vector
    plan.ring = 1 if plan.rows == plan.hi else 1 + up(reach, plan.rows)
    plan.source = IM2COL
    plan.strip = min(layer.least_most * plan.vector, plan.band)
    most = min(machine.wide_patch, COL2IM_BYTES)
    pixels = min(most // (item * layer.block_channels), MOST_PIXELS) // plan.strip * plan.strip
    plan.pixels = min(max(pixels, plan.strip), up(plan.band, plan.strip) * plan.strip)
    plan.columns = plan.most_runs = plan.pixels
    plan.strip_size = layer.block_channels * plan.strip
    plan.patch_c = plan.strip
    plan.patch_size = up(plan.pixels, plan.strip) * plan.strip_size
    plan.sums_row = plan.ring * plan.band
    plan.splits = min(up(layer.lanes * plan.sums_row * item, PRODUCTS_BYTES), layer.chunks)
    while (plan.splits < layer.chunks
           and split_lanes(layer, plan) * plan.sums_row * item > PRODUCTS_BYTES):
        plan.splits += 1
    plan.sums_size, plan.placed_size = split_lanes(layer, plan) * plan.sums_row, 0
    plan.fits = (plan.sums_size * item <= PRODUCTS_BYTES and plan.patch_size * item <= most
                 and layer.blocks == 1 and plan.di == plan.dout == 1
                 and layer.row_phases * layer.x_phases <= MOST_TERMS)
    plan.line = (up(plan.wo, layer.sx) // plan.vector + 2) * plan.vector
    blocks = plan.n * layer.groups * plan.splits
    plan.parts = 1
    if blocks % plan.threads != 0 and blocks < 12 * plan.threads:
        plan.parts = min(plan.threads, plan.ho)
    plan.items = blocks * plan.parts
    count_bands(layer, plan, reach)


cdef inline void set_ring(const Blocking* plan, Py_ssize_t* ring_at) noexcept nogil:
    """Fill in where in the ring each input row's products are."""
    cdef Py_ssize_t y
    for y in range(plan.hi):
        ring_at[y] = y // plan.rows % plan.ring * plan.band + y % plan.rows * plan.wi


cdef inline double reach(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return how much of the taps, over all rows, is in the input."""
    cdef Py_ssize_t t, low, high, taps = layer.class_first[layer.classes]
    cdef double total = 0, depths
    for t in range(taps):
        inside(layer.isz, layer.tap_z[t] + layer.z_first, plan.di, plan.qz, &low, &high)
        depths = high - low
        inside(layer.isy, layer.tap_y[t] + layer.y_first, plan.hi, plan.qy, &low, &high)
        total += depths * (high - low)
    return total / taps / plan.qz / plan.qy
