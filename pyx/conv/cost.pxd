"""What a block costs, in cycles: the sum of what its packing, its products and its placing cost."""

from layer cimport (
    DIRECT,
    FLAT,
    IM2COL,
    PAIRS,
    ROWS,
    TRANSPOSED,
    Blocking,
    Layer,
    up,
)
from tile cimport (
    UPSHAPE_PIECE_CYCLES,
    UPSHAPE_PIECE_STEP,
    UPSHAPE_PLANE_STEP,
    UPSHAPE_TILE_PIXELS,
    UPSHAPE_TILE_REGISTERS,
    UPSHAPE_TILE_ROWS,
    UPSHAPE_TILE_VECTORS,
)

cdef enum:
    FAR_BYTES_A_CYCLE = 8
    # As many bytes more could be read where what is read in one piece ends.
    ROW_BYTES = 256

# What differs between machines; hundredths are those of a tile's multiply-adds (see tile.h).
cdef struct Rates:
    Py_ssize_t missing, shifted, narrow
    double weight_bytes  # that are streamed in a cycle
    Py_ssize_t most_direct  # panels up to which the input is read as it lies, if it can be


cdef inline double block_cost(const Layer* layer, const Blocking* plan,
                              const Rates* rates) noexcept nogil:
    """Estimate the cycles of the busiest thread for the blocks as they are set."""
    cdef Py_ssize_t item = 4 if layer.single else 8
    cdef double vectors, cycles, turns
    cdef double per_vector = <double>layer.weights * layer.ci / 2
    if layer.lane_vectors:
        # A tile's pixels are the broadcast side.
        vectors = (plan.rows * plan.columns + UPSHAPE_TILE_PIXELS - 1) // UPSHAPE_TILE_PIXELS
        if layer.order == TRANSPOSED:
            vectors = <double>plan.rows * plan.columns / UPSHAPE_TILE_PIXELS * plan.reached
        per_vector = per_vector / plan.vector * UPSHAPE_TILE_PIXELS
    else:
        vectors = pixels_cost(layer, plan, rates)
    if plan.source != IM2COL and not layer.lane_vectors and layer.offsets > 1:
        # Taps within a patch are shifted: vectors straddle two lines of the cache, which costs
        # most where few taps read the same lines.
        vectors *= (1 + rates.shifted / 100.0 * layer.lanes / layer.weights
                    + rates.narrow / 100.0 / layer.most_width)
    if layer.order == PAIRS and plan.source != ROWS:
        # The sums are stored, and read again to be written.
        vectors += 8.0 * layer.lanes * vectors / per_vector
    if layer.blocks > 1:
        # Sums put aside and taken up again, once a block of channels.
        vectors += 2.0 * layer.blocks * layer.lanes * vectors / per_vector
    cycles = (vectors * per_vector / plan.splits + pack_cost(layer, plan, item)
              + place_cost(layer, plan))
    # Every block streams all weights from an outer cache, which the products hide in part.
    cycles += <double>layer.weights * layer.ci * item / rates.weight_bytes / plan.splits
    turns = (plan.items + plan.threads - 1) // plan.threads
    return turns * (cycles + 200)


cdef inline double pixels_cost(const Layer* layer, const Blocking* plan,
                               const Rates* rates) noexcept nogil:
    """Return what the block's tiles cost, in vectors of full tiles."""
    cdef Py_ssize_t vector = plan.vector, last, blocks = plan.x_blocks
    if plan.source == ROWS:
        return plan.rows * tiles_cost(layer, rates, plan.row_length // vector)
    if plan.source == IM2COL:
        # Blocks are equal but for the last.
        last = plan.n * plan.qz * plan.qy * plan.qx - (blocks - 1) * plan.columns
        return ((blocks - 1) * tiles_cost(layer, rates, plan.sums_row // vector)
                + tiles_cost(layer, rates, (last + vector - 1) // vector)) / blocks
    return tiles_cost(layer, rates, plan.sums_row // vector)


cdef inline double tiles_cost(const Layer* layer, const Rates* rates,
                              Py_ssize_t vectors) noexcept nogil:
    """Return what so many vectors side by side cost, cut as in pixels_chunk."""
    cdef Py_ssize_t width = min(layer.most_width, UPSHAPE_TILE_ROWS)
    cdef Py_ssize_t most = min(UPSHAPE_TILE_REGISTERS // width, UPSHAPE_TILE_VECTORS)
    cdef double missing = up(vectors, most) * most - vectors
    return vectors + missing * rates.missing / 100.0


cdef inline double pack_cost(const Layer* layer, const Blocking* plan,
                             Py_ssize_t item) noexcept nogil:
    """Return what copying the input of a block costs."""
    cdef double copied, pieces, bytes, runs
    # Copying a vector takes about three cycles, a piece of two vectors eight; picking it, or a
    # piece of more vectors, as many as it has elements.
    cdef double per_copy = 3
    if plan.source == DIRECT:
        return 0
    if layer.isx > (UPSHAPE_PIECE_STEP if plan.source == IM2COL else UPSHAPE_PLANE_STEP):
        per_copy = 14
    elif plan.source == IM2COL and layer.isx > 1:
        per_copy = 8
    if plan.source == IM2COL:
        pieces = <double>layer.offsets * layer.ci * (
            <double>plan.pixels / plan.qx * up(plan.qx, plan.vector) + plan.pixels / plan.strip)
        # And listing the pieces.
        copied = pieces * (per_copy + UPSHAPE_PIECE_CYCLES + 15.0 / layer.ci)
        bytes = layer.ci * (plan.pixels * <double>item * layer.isx + ROW_BYTES)
    else:
        pieces = (<double>layer.ci * plan.patch_rows * plan.planes_x * plan.planes_y
                  * layer.depths)
        copied = pieces * ((16 if layer.isx > UPSHAPE_PLANE_STEP else 2)
                           + per_copy * up(plan.patch_columns, plan.vector))
        # A channel takes some cycles, however few rows it has.
        copied += 60.0 * layer.ci * plan.planes_y * layer.depths
        bytes = (<double>layer.ci * layer.depths * plan.patch_rows * plan.patch_columns * item
                 * layer.isx)
        # Whole rows follow each other.
        runs = plan.patch_rows if plan.columns < plan.qx else 1
        bytes += layer.ci * runs * ROW_BYTES
    if plan.far:
        # Whole lines, of the rows that are read.
        copied += bytes * plan.planes_y / FAR_BYTES_A_CYCLE
    return copied


cdef inline double place_cost(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return what writing the result of a block costs."""
    cdef double cycles = 0, runs
    if layer.order == TRANSPOSED:
        # Transposing takes six instructions a vector; a tile, some before and after.
        cycles += 6.0 * layer.lanes * up(plan.pixels, plan.vector) / plan.splits
        runs = up(plan.rows, max(UPSHAPE_TILE_PIXELS // plan.qx, 1))
        cycles += (60.0 * layer.panels * runs * up(plan.columns, UPSHAPE_TILE_PIXELS)
                   / plan.splits)
    if layer.in_rows and not (layer.order == PAIRS and plan.source == ROWS):
        # Writing a row takes some cycles, however short; all rows of an image may be one.
        runs = plan.rows if plan.source in (ROWS, FLAT) else plan.pixels / plan.qx + 1.0
        if plan.oy == plan.wo and layer.sy == layer.sx == 1:
            if plan.source == IM2COL:
                runs = <double>plan.pixels / (plan.qz * plan.qy * plan.qx) + 1
            elif plan.source in (ROWS, FLAT) and plan.row_length == plan.columns == plan.wo:
                runs = 1
        cycles += 20.0 * layer.co * layer.row_phases * runs / plan.splits
    return cycles


cdef inline double bands_cost(const Layer* layer, const Blocking* plan, const Rates* rates,
                              Py_ssize_t reach) noexcept nogil:
    """Estimate the cycles of a thread for col2im; an output row reads one row and `reach` more."""
    cdef Py_ssize_t item = 4 if layer.single else 8
    # Cycles of an image's products, of adding them up and writing them, of im2col.
    cdef double tiles, added, copied, cycles
    tiles = (tiles_cost(layer, rates, plan.band // plan.vector) * up(plan.hi, plan.rows)
             * layer.weights * layer.ci / 2)
    tiles += (up(plan.hi * plan.wi, plan.pixels) * <double>layer.weights * layer.ci * item
              / rates.weight_bytes)
    added = <double>layer.lanes * plan.hi * (2 + 5.0 * up(plan.wi, plan.vector))
    added += <double>layer.co * plan.ho * (40 + 3.0 * up(plan.wo, plan.vector))
    copied = 6.0 * layer.ci * plan.splits * up(plan.hi * plan.wi, plan.vector)
    if plan.far:
        copied += (<double>layer.ci * plan.splits * plan.hi * plan.wi * item / FAR_BYTES_A_CYCLE)
    cycles = (tiles + added + copied) * plan.n * layer.groups / plan.threads
    if plan.parts > 1:
        cycles *= 1 + <double>reach * (plan.parts - 1) / plan.hi
    return cycles
