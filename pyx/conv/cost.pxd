"""What the busiest thread does, counted, and the estimate: the sum of the counts times their rates.

Rates are nanoseconds, by order of work and CPU level: `python -m benchmarks.fit` writes them.
"""

from layer cimport (
    ADDED,
    ADDED_ROWS,
    ASKED_LINES,
    BROADCASTS,
    CALLS,
    COLLIDED,
    COUNTS,
    DIRECT,
    DIRECT_LOADS,
    FAR_LINES,
    FAR_PIECES,
    FAR_RESULT,
    FAR_WEIGHTS,
    FILLED,
    FLAT,
    IM2COL,
    ITEMS,
    LISTED,
    LOADS,
    NEAR_LINES,
    NEAR_RESULT,
    OUTER_LINES,
    OUTER_STEPPED,
    PAGE_LINES,
    PAIRED,
    PAIRED_ROWS,
    PAIRS,
    PARTIAL,
    PATCH_CHANNELS,
    PATCH_ROWS,
    PATCH_VECTORS,
    PICKED,
    PICKED_LINES,
    PICKED_PIECES,
    PICKED_PIXELS,
    PIECES,
    PLACED,
    PLACED_ROWS,
    PRODUCTS,
    ROWS,
    RUNS,
    SCATTERED,
    SHIFTED_LOADS,
    SHIFTED_STEPS,
    STALLS,
    STEPPED_LINES,
    STEPPED_PIECES,
    STEPPED_ROWS,
    STEPPED_VECTORS,
    STEPS,
    STRAY_LINES,
    TILES,
    TRANSPOSED,
    TRANSPOSED_VECTORS,
    WAITED_WEIGHTS,
    WAITING,
    WEIGHT_LINES,
    WOVEN,
    Blocking,
    Layer,
    item_bytes,
    tile_count,
    up,
)
from place cimport MOST_WOVEN, woven_steps
from tile cimport (
    UPSHAPE_PIECE_STEP,
    UPSHAPE_PLANE_STEP,
    UPSHAPE_TILE_PIXELS,
    UPSHAPE_TILE_REGISTERS,
    UPSHAPE_TILE_VECTORS,
    UPSHAPE_VECTOR_BYTES,
)

cdef enum:
    # As many bytes more could be read where what is read in one piece ends.
    ROW_BYTES = 256
    # What fits no first, no second cache, in bytes.
    NEAR_BYTES = 32 << 10
    WAITING_BYTES = 16 << 10
    FAR_BYTES = 1 << 20
    # An input that no cache holds, in bytes.
    MEMORY_BYTES = 16 << 20
    # Distance up to which a cache foresees what is read next.
    STRIDE_BYTES = 1 << 10
    # Ways of such caches, and bytes of a way.
    WAYS = 8
    WAY_BYTES = 4 << 10
    FAR_WAYS = 16
    FAR_WAY = 64 << 10
    # Multiply-adds that are in flight: two units of four cycles.
    IN_FLIGHT = 8
    # Multiply-adds that hide a line of weights from the second cache.
    HIDE_A_LINE = 16


cdef inline double rated(const Layer* layer, Blocking* plan, double times) noexcept nogil:
    """Return the nanoseconds of what is counted, each of it so many times."""
    cdef double total = 0
    cdef int count
    for count in range(1, COUNTS):
        plan.done[count] *= times
        total += layer.rates[count] * plan.done[count]
    plan.done[CALLS] = 1
    return total + layer.rates[CALLS]


cdef inline double mean_rows(const Blocking* plan) noexcept nogil:
    """Return the rows of pixels q of a block, on average: the last one of an image has fewer."""
    return <double>plan.qy / plan.y_blocks


cdef inline double mean_columns(const Blocking* plan) noexcept nogil:
    """Return the columns of pixels q of a block, on average."""
    return <double>plan.qx / plan.x_blocks


cdef inline double mean_pixels(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return the pixels of a block, on average."""
    if plan.source == IM2COL:
        return <double>plan.n * plan.qz * plan.qy * plan.qx / plan.x_blocks
    if plan.source == DIRECT and not layer.lane_vectors:
        return <double>plan.qz * plan.qy * plan.qx / plan.x_blocks
    return mean_rows(plan) * mean_columns(plan)


cdef inline double count_block(const Layer* layer, Blocking* plan) noexcept nogil:
    """Count what an item of the block as it is set takes; return the estimate of all of them."""
    cdef int count
    cdef double share = mean_pixels(layer, plan) / (<double>plan.rows * plan.columns)
    for count in range(COUNTS):
        plan.done[count] = 0
    plan.done[ITEMS] = 1
    count_tiles(layer, plan)
    if plan.source != IM2COL:
        for count in range(COUNTS):
            if count != ITEMS:
                plan.done[count] *= share
    if plan.source == IM2COL:
        count_im2col(layer, plan)
    elif plan.source == DIRECT:
        count_direct(layer, plan)
    else:
        count_patch(layer, plan)
    count_placed(layer, plan)
    count_cached(layer, plan, share)
    plan.nanoseconds = rated(layer, plan, (plan.items + plan.threads - 1) // plan.threads)
    return plan.nanoseconds


cdef inline bint writes_pairs(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return whether tiles write the result: pairs whose tiles are of one row."""
    return layer.order == PAIRS and plan.source == ROWS and plan.ox == 1


cdef inline bint collides(const Layer* layer, const Blocking* plan, Py_ssize_t ways,
                          Py_ssize_t way) noexcept nogil:
    """Return whether the lines of a pixel's channels, as they lie, drop each other from a cache."""
    return plan.xx == 1 and layer.block_channels > places(plan.xc * item_bytes(layer), ways, way)


cdef inline Py_ssize_t places(Py_ssize_t distance, Py_ssize_t ways, Py_ssize_t way) noexcept nogil:
    """Return how many lines that are a distance apart a cache can hold."""
    cdef Py_ssize_t apart = way
    while distance % apart != 0 and apart > 64:
        apart //= 2
    return ways * (way // apart)


cdef inline void count_cached(const Layer* layer, Blocking* plan, double share) noexcept nogil:
    """Count the lines that a block reads from outer caches."""
    cdef double item = item_bytes(layer), bytes, lines, tiles = plan.done[TILES]
    # Every block streams all weights, which the products hide in part.
    lines = layer.weights * layer.ci * item / 64 / plan.splits
    plan.done[WEIGHT_LINES] = lines
    if layer.weights * layer.ci * item * layer.groups > FAR_BYTES:
        plan.done[FAR_WEIGHTS] = lines
    plan.done[WAITED_WEIGHTS] = max(0.0, lines - plan.done[PRODUCTS] / HIDE_A_LINE)
    # Sums that are more than fit a first cache wait in the next one.
    bytes = (plan.sums_size + plan.placed_size) * item
    if bytes > WAITING_BYTES and layer.blocks == 1 and not writes_pairs(layer, plan):
        plan.done[WAITING] = <double>layer.lanes * plan.sums_row * item / 64 / plan.splits * share
    # Every panel reads the patch, or the input as it lies; every tile its panel.
    bytes = plan.patch_size * item
    if plan.source == DIRECT:
        bytes = layer.block_channels * mean_pixels(layer, plan) * item
        bytes *= min(layer.isy, layer.y_span) * min(layer.isx, layer.x_span)
    lines = bytes / 64 * layer.panels * layer.blocks / plan.splits
    if plan.source == DIRECT and collides(layer, plan, FAR_WAYS, FAR_WAY):
        plan.done[COLLIDED] = lines
    elif bytes > NEAR_BYTES or plan.source == DIRECT and collides(layer, plan, WAYS, WAY_BYTES):
        plan.done[OUTER_LINES] = lines
    bytes = layer.weights * item / layer.panels * layer.block_channels
    if bytes > NEAR_BYTES:
        plan.done[OUTER_LINES] += tiles * bytes / 64


cdef inline double stalls(Py_ssize_t rows, Py_ssize_t vectors, double of_vector) noexcept nogil:
    """Return the multiply-adds that a step of a tile could make besides, while it waits."""
    return max(0.0, max(<double>IN_FLIGHT, rows + vectors * of_vector) - rows * vectors)


cdef inline double panel_stalls(const Layer* layer, const Blocking* plan, double segments,
                                Py_ssize_t vectors, double of_vector) noexcept nogil:
    """Return the stalls of all panels in a step of so many segments of vectors side by side."""
    cdef double total = 0
    cdef Py_ssize_t kind, width, most, tiles, some
    for kind in range(layer.kinds):
        width = layer.kind_width[kind]
        most = max(min(UPSHAPE_TILE_REGISTERS // width, UPSHAPE_TILE_VECTORS), 1)
        tiles = tile_count(plan, vectors, most)
        if plan.source == IM2COL:
            some = min(plan.strip // plan.vector, vectors)
            total += layer.kind_taps[kind] * ((tiles - 1) * stalls(width, some, of_vector) + stalls(
                width, vectors - (tiles - 1) * some, of_vector))
            continue
        some = vectors // tiles
        total += layer.kind_taps[kind] * (
            (tiles - vectors % tiles) * stalls(width, some, of_vector)
            + vectors % tiles * stalls(width, some + 1, of_vector))
    return segments * total


cdef inline double lane_stalls(const Layer* layer, double tiles, double pixels) noexcept nogil:
    """Return the stalls of all panels of lanes in a step of so many tiles of pixels."""
    cdef double total = 0
    cdef Py_ssize_t kind, width, some = <Py_ssize_t>(pixels / tiles)
    cdef double more = pixels - tiles * some
    cdef Py_ssize_t vector = UPSHAPE_VECTOR_BYTES // item_bytes(layer)
    for kind in range(layer.kinds):
        width = layer.kind_width[kind] // vector
        total += layer.kind_taps[kind] * ((tiles - more) * stalls(some, width, 1)
                                          + more * stalls(some + 1, width, 1))
    return total


cdef inline void count_tiles(const Layer* layer, Blocking* plan) noexcept nogil:
    """Count the products of a block, and what its tiles load for them."""
    cdef double sums = <double>layer.ci / plan.splits, vectors, tiles, shifted
    cdef double* done = plan.done
    if layer.lane_vectors:
        # A tile's pixels are the broadcast side.
        vectors = <double>plan.rows * plan.columns
        tiles = up(plan.rows * plan.columns, UPSHAPE_TILE_PIXELS)
        if layer.order == TRANSPOSED:
            tiles = transposed_tiles(plan)
            sums *= plan.reached
        done[PRODUCTS] = vectors * sums * layer.weights / plan.vector
        done[BROADCASTS] = vectors * sums * layer.panel_taps
        done[LOADS] = tiles * sums * layer.weights / plan.vector
        done[STALLS] = sums * lane_stalls(layer, tiles, vectors)
        vectors *= <double>layer.lanes / plan.vector
        if plan.source == DIRECT:
            done[DIRECT_LOADS] = done[BROADCASTS]
    else:
        pixel_tiles(layer, plan, &vectors, &tiles)
        shifted = 1
        if plan.source not in (DIRECT, IM2COL) and layer.offsets > 1:
            shifted += UPSHAPE_VECTOR_BYTES / 64.0
        done[STALLS] = sums * pixel_stalls(layer, plan, shifted)
        done[PRODUCTS] = vectors * sums * layer.weights
        done[BROADCASTS] = tiles * sums * layer.weights
        done[LOADS] = vectors * sums * layer.panel_taps
        vectors *= layer.lanes
        if plan.source == DIRECT:
            done[DIRECT_LOADS] = done[LOADS]
        elif plan.source != IM2COL and layer.offsets > 1:
            # Taps within a patch are shifted: vectors straddle two lines of the cache, which costs
            # most where few taps read the same lines.
            done[SHIFTED_LOADS] = done[LOADS]
            done[SHIFTED_STEPS] = vectors * sums
    done[STEPS] = tiles * sums * layer.panel_taps
    done[TILES] = tiles * layer.panels * layer.blocks / plan.splits
    if layer.blocks > 1:
        # Sums put aside and taken up again, once a block of channels.
        done[PARTIAL] = vectors * layer.blocks / plan.splits
    if layer.order == TRANSPOSED:
        done[TRANSPOSED_VECTORS] = <double>layer.lanes * up(plan.pixels, plan.vector) / plan.splits


cdef inline double transposed_tiles(const Blocking* plan) noexcept nogil:
    """Return how many tiles a panel has: of pieces of a row, or of some short rows."""
    return (<double>up(plan.rows, max(UPSHAPE_TILE_PIXELS // plan.qx, 1))
            * up(plan.columns, UPSHAPE_TILE_PIXELS))


cdef inline void pixel_tiles(const Layer* layer, const Blocking* plan, double* vectors,
                             double* tiles) noexcept nogil:
    """Count the vectors of a block's pixels, and the tiles that a panel has."""
    cdef Py_ssize_t blocks = plan.x_blocks, last, of_row, most = layer.least_most
    if plan.source == ROWS:
        of_row = plan.row_length // plan.vector
        vectors[0] = <double>plan.rows * of_row
        tiles[0] = <double>plan.rows * up(of_row, most)
        return
    of_row = up(plan.sums_row, plan.vector)
    vectors[0], tiles[0] = of_row, tile_count(plan, of_row, most)
    if plan.source == IM2COL:
        # Blocks are equal but for the last.
        last = up(plan.n * plan.qz * plan.qy * plan.qx - (blocks - 1) * plan.columns, plan.vector)
        vectors[0] = ((blocks - 1) * vectors[0] + last) / blocks
        tiles[0] = ((blocks - 1) * tiles[0] + tile_count(plan, last, most)) / blocks


cdef inline double pixel_stalls(const Layer* layer, const Blocking* plan,
                                double shifted) noexcept nogil:
    """Return the stalls of all panels in a step of a block."""
    cdef Py_ssize_t blocks = plan.x_blocks, last
    cdef double total
    if plan.source == ROWS:
        return panel_stalls(layer, plan, plan.rows, plan.row_length // plan.vector, shifted)
    total = panel_stalls(layer, plan, 1, up(plan.sums_row, plan.vector), shifted)
    if plan.source == IM2COL:
        last = up(plan.n * plan.qz * plan.qy * plan.qx - (blocks - 1) * plan.columns, plan.vector)
        total = ((blocks - 1) * total + panel_stalls(layer, plan, 1, last, shifted)) / blocks
    return total


cdef inline void count_apart(const Layer* layer, Blocking* plan, Py_ssize_t step,
                             double elements) noexcept nogil:
    """Count what pixels cost that are so many elements apart, when channels are picked in turn.

    Up to `STRIDE_BYTES` a cache foresees where the next one is.
    """
    cdef Py_ssize_t item = item_bytes(layer), distance = step * item
    if distance >= STRIDE_BYTES and plan.pixels > places(distance, WAYS, WAY_BYTES):
        plan.done[PICKED_LINES] = elements
    if distance >= WAY_BYTES and plan.far:
        plan.done[PAGE_LINES] = elements * item / 64


cdef inline void count_im2col(const Layer* layer, Blocking* plan) noexcept nogil:
    """Count the pieces that im2col copies for a block."""
    cdef Py_ssize_t step = layer.isx * plan.xx
    cdef double pixels = mean_pixels(layer, plan)
    cdef double pieces = layer.offsets * (
        pixels / plan.qx * up(plan.qx, plan.vector) + pixels / plan.strip)
    plan.done[LISTED] = pieces * layer.blocks
    plan.done[RUNS] = pixels / plan.qx + 1
    if step == 1:
        plan.done[PIECES] = pieces * layer.ci
    elif step <= UPSHAPE_PIECE_STEP:
        plan.done[STEPPED_PIECES] = pieces * layer.ci
    else:
        plan.done[PIECES] = pieces * layer.ci
        plan.done[PICKED_PIECES] = <double>layer.offsets * layer.ci * pixels
    if plan.xx != 1:
        count_apart(layer, plan, step, plan.done[PICKED_PIECES])
    if plan.near:
        plan.done[ASKED_LINES if plan.far else NEAR_LINES] = layer.ci / 64.0 * (
            pixels * item_bytes(layer) * layer.isx
            + (ROW_BYTES if plan.xx == 1 else 0))
    if plan.far and plan.xx == 1:
        count_stepped(layer, plan, pixels)


cdef inline void count_stepped(const Layer* layer, Blocking* plan, double pixels) noexcept nogil:
    """Count the lines of the rows, but the first, that an input step has between two pixels.

    Each row of pixels reads them in pieces, which begin and end within a line.
    """
    cdef Py_ssize_t item = item_bytes(layer)
    cdef Py_ssize_t further = plan.planes_y * min(layer.isz, layer.depths) - 1
    cdef double row = min(plan.qx * layer.isx * item + 64, plan.wi * item)
    cdef double input = <double>plan.n * layer.groups * layer.ci * plan.di * plan.hi * plan.wi
    plan.done[OUTER_STEPPED if input * item > MEMORY_BYTES else STEPPED_LINES] = (
        layer.ci * pixels / plan.qx * further * row / 64)


cdef inline void count_direct(const Layer* layer, Blocking* plan) noexcept nogil:
    """Count the whole lines that are read of the input as it lies."""
    cdef double pixels = mean_pixels(layer, plan)
    if not layer.lane_vectors:
        plan.done[RUNS] = pixels / plan.qx + 1
    pixels *= layer.depths * min(layer.isy, layer.y_span) * min(layer.isx, layer.x_span)
    if plan.far and not layer.lane_vectors:
        # Each tile reads a line or two of every channel: no cache foresees that.
        plan.done[STRAY_LINES] = pixels * layer.ci * item_bytes(layer) / 64
    elif plan.near:
        plan.done[FAR_LINES if plan.far else NEAR_LINES] = (
            pixels * layer.ci * item_bytes(layer) / 64)


cdef inline void count_patch(const Layer* layer, Blocking* plan) noexcept nogil:
    """Count what is copied for a block, and the whole lines that are read for it."""
    cdef double* done = plan.done
    cdef double planes = <double>layer.depths * plan.planes_y * plan.planes_x, runs
    cdef double patch_rows = plan.patch_rows - plan.rows + mean_rows(plan)
    cdef double columns = plan.patch_columns - plan.columns + mean_columns(plan)
    cdef double rows = planes * patch_rows * layer.ci
    if plan.patch_x != 1 and plan.xc == 1:
        # A pixel's channels lie side by side.
        done[PATCH_ROWS] = planes * patch_rows * columns * layer.blocks
        done[PATCH_VECTORS] = done[PATCH_ROWS] * up(layer.block_channels, plan.vector)
    elif plan.patch_x != 1 or plan.xx != 1 or layer.isx > UPSHAPE_PLANE_STEP:
        done[STEPPED_ROWS] = rows
        done[PICKED] = rows * columns
        if plan.xx != 1:
            done[PICKED_PIXELS] = (
                planes * patch_rows * columns * layer.blocks)
    elif layer.isx > 1:
        done[STEPPED_ROWS] = rows
        done[STEPPED_VECTORS] = rows * up(plan.patch_columns, plan.vector)
    else:
        done[PATCH_ROWS] = rows
        done[PATCH_VECTORS] = rows * up(plan.patch_columns, plan.vector)
    done[PATCH_CHANNELS] = <double>layer.ci * plan.planes_y * layer.depths
    if plan.near:
        # Whole rows follow each other.
        runs = patch_rows if plan.columns < plan.qx else 1
        done[FAR_LINES if plan.far else NEAR_LINES] = layer.ci * plan.planes_y * layer.depths * (
            patch_rows * columns * item_bytes(layer) * layer.isx
            + (runs * ROW_BYTES if plan.xx == 1 else 0)) / 64


cdef inline void count_placed(const Layer* layer, Blocking* plan) noexcept nogil:
    """Count the rows and vectors of the result that a block writes."""
    cdef double pixels = mean_pixels(layer, plan), runs = mean_rows(plan), vectors, gaps, phases
    cdef double* done = plan.done
    if plan.source not in (ROWS, FLAT) and not layer.lane_vectors:
        runs = pixels / plan.qx + 1
    phases = layer.sz * layer.sy * layer.sx
    if phases > layer.row_phases * layer.x_phases:
        gaps = phases if not layer.in_rows else phases - layer.row_phases * layer.x_phases
        done[FILLED] = pixels * layer.co * gaps / plan.vector / plan.splits
    count_written(layer, plan, pixels * phases * layer.co / plan.splits)
    if not layer.in_rows:
        # Of every pixel, each panel's lanes.
        done[PLACED_ROWS] = pixels * layer.panels / plan.splits
        done[PLACED] = pixels * layer.lanes / plan.vector / plan.splits
        return
    vectors = pixels * layer.lanes / plan.vector / plan.splits
    if writes_pairs(layer, plan):
        done[PAIRED] = vectors
        if plan.qx % plan.vector != 0:
            done[PAIRED_ROWS] = layer.co * layer.row_phases * mean_rows(plan) / plan.splits
        return
    if plan.oy == plan.wo and layer.sy == layer.sx == 1:
        # All rows of an image may be one.
        if plan.source == IM2COL or plan.source == DIRECT:
            runs = pixels / (plan.qz * plan.qy * plan.qx) + 1
        elif plan.row_length == plan.columns == plan.wo:
            runs = 1
    done[PLACED_ROWS] = layer.co * layer.row_phases * runs / plan.splits
    if plan.far and plan.ox == 1:
        done[FAR_PIECES] = <double>layer.co / plan.splits * (
            mean_rows(plan) * layer.row_phases
            if plan.source in (ROWS, FLAT) and plan.columns < plan.qx else 1)
    if plan.ox != 1 or layer.sx > woven_steps(layer, plan):
        done[SCATTERED] = pixels * layer.lanes / plan.splits
    elif layer.sx > 1:
        done[WOVEN] = vectors
    else:
        done[PLACED] = vectors


cdef inline void count_written(const Layer* layer, Blocking* plan,
                               double elements) noexcept nogil:
    """Count the lines that are written for so many elements of the result."""
    cdef double* done = plan.done
    cdef double item = item_bytes(layer), lines = elements * item / 64
    cdef double step = plan.ox * layer.sx * item  # from one element to the next
    cdef bint alone = layer.in_rows and (plan.ox != 1 or layer.sx > woven_steps(layer, plan))
    if alone and (plan.ox != 1 or plan.columns * step > NEAR_BYTES):
        # Channel by channel, or phase by phase, a line is written for each element.
        lines = elements * min(1.0, step / 64)
    if done[FILLED] > 0 and not layer.in_rows:
        lines += elements * item / 64
    if not layer.in_rows:
        # What a panel writes of a pixel begins and ends within a line.
        lines += mean_pixels(layer, plan) * layer.panels * 0.75 / plan.splits
    if plan.far:
        done[FAR_RESULT] = lines
    elif plan.near:
        done[NEAR_RESULT] = lines


cdef inline void count_bands(const Layer* layer, Blocking* plan, Py_ssize_t reach) noexcept nogil:
    """Count what all bands take: products, adding them up and writing them, gathering."""
    cdef double* done = plan.done
    cdef double images = <double>plan.n * layer.groups, vectors, tiles, bands
    cdef Py_ssize_t count, width = plan.band // plan.vector
    for count in range(COUNTS):
        done[count] = 0
    bands = up(plan.hi, plan.rows)
    vectors = bands * width
    tiles = bands * up(width, plan.strip // plan.vector)
    done[ITEMS] = bands * plan.splits
    done[PRODUCTS] = vectors * layer.weights * layer.ci
    done[BROADCASTS] = tiles * layer.weights * layer.ci
    done[LOADS] = vectors * layer.panel_taps * layer.ci
    done[STEPS] = tiles * layer.panel_taps * layer.ci
    done[STALLS] = layer.ci * panel_stalls(layer, plan, bands, width, 1)
    done[TILES] = tiles * layer.panels
    done[WEIGHT_LINES] = (up(plan.hi * plan.wi, plan.pixels) * <double>layer.weights * layer.ci
                          * item_bytes(layer) / 64)
    if <double>layer.weights * layer.ci * item_bytes(layer) * layer.groups > FAR_BYTES:
        done[FAR_WEIGHTS] = done[WEIGHT_LINES]
    done[WAITED_WEIGHTS] = max(0.0, done[WEIGHT_LINES] - done[PRODUCTS] / HIDE_A_LINE)
    done[ADDED_ROWS] = <double>layer.lanes * plan.hi
    done[ADDED] = done[ADDED_ROWS] * up(plan.wi, plan.vector)
    done[PLACED_ROWS] = <double>layer.co * plan.ho
    done[PLACED] = done[PLACED_ROWS] * up(plan.wo, plan.vector)
    if layer.sx > 1:
        done[WOVEN] = done[PLACED]
    count = PIECES if plan.xx == 1 else PICKED_PIECES
    done[count] = <double>layer.ci * plan.splits * up(plan.hi * plan.wi, plan.vector)
    if count == PICKED_PIECES:
        done[PIECES] = done[count]
        done[count] *= plan.vector
        count_apart(layer, plan, plan.xx, done[count])
    count_written(layer, plan, done[PLACED_ROWS] * plan.wo)
    if plan.ox != 1 or layer.sx > MOST_WOVEN:
        done[SCATTERED] = done[PLACED_ROWS] * plan.wo
        done[PLACED] = done[WOVEN] = 0
    if plan.near:
        done[ASKED_LINES if plan.far else NEAR_LINES] = (
            <double>layer.ci * plan.splits * plan.hi * plan.wi * item_bytes(layer) / 64)
    if plan.parts > 1:
        images *= 1 + <double>reach * (plan.parts - 1) / plan.hi
    plan.nanoseconds = rated(layer, plan, images / plan.threads)
