"""What the loops of convolution.pyx are handed: a layer's tables, and how one shape is cut.

Both are filled in once, by convolution.pyx, and const from then on. A layer's tables are those of
upshape/lanes.py, whose words these are: tap, offset, phase, class, lane, panel, chunk, slot.

Axes are (z, y, x), always three; the first ones of fewer have one pixel and one tap.
"""

# What the vectors of a tile are, and what becomes of its sums.
cdef enum Order:
    PIXELS      # pixels; the phases of a row are interleaved when they are placed
    PAIRS       # pixels of two phases, which a tile interleaves itself
    CHANNELS    # channels, which are neighbours in a channels-last result
    PHASES      # phases of x, which are neighbours in a row where the stride is wide
    TRANSPOSED  # channels, transposed into rows
    COL2IM      # pixels, a tap a lane: products wait, to be added up where they land

# How pixels reach the tiles.
cdef enum Source:
    ROWS    # a padded patch; a tile stays within a row
    FLAT    # a padded patch; a tile runs on over the border columns into the next row
    IM2COL  # pixels of any rows and images, copied for every offset
    DIRECT  # the input as it lies

# What a plan does, counted; the time of each is a rate, by order of work (upshape/orders.py).
cdef enum:
    CALLS, ITEMS, PRODUCTS, STEPS, STALLS, BROADCASTS, LOADS, SHIFTED_STEPS, SHIFTED_LOADS
    DIRECT_LOADS, OUTER_LINES, WEIGHT_LINES, FAR_WEIGHTS, WAITED_WEIGHTS, PATCH_CHANNELS
    PATCH_ROWS, PATCH_VECTORS, STEPPED_ROWS, STEPPED_VECTORS, PICKED, PICKED_PIXELS, PIECES
    STEPPED_PIECES, PICKED_PIECES, LISTED, NEAR_LINES, FAR_LINES, TILES, PARTIAL
    TRANSPOSED_VECTORS, ADDED_ROWS, ADDED, PLACED_ROWS, PLACED, WOVEN, PAIRED, SCATTERED, FILLED
    NEAR_RESULT, FAR_RESULT, COLLIDED, WAITING, FAR_PIECES, PICKED_LINES
    ASKED_LINES, RUNS, PAIRED_ROWS, PAGE_LINES, STRAY_LINES, STEPPED_LINES, OUTER_STEPPED
    COUNTS

# A table of indices, made once.
ctypedef const Py_ssize_t* Table

# What a layer's shape decides.
cdef struct Layer:
    Order order
    bint single  # float32, else float64
    bint lane_vectors  # vectors are lanes: CHANNELS, PHASES or TRANSPOSED
    bint in_rows  # sums are rows of pixels when they are placed
    Py_ssize_t groups, ci, co  # channels of a group
    Py_ssize_t area  # taps of the kernel
    Py_ssize_t weight_ci, weight_co  # steps of the weights, as the caller has them
    # Pixels of the output and of the input from one q to the next.
    Py_ssize_t sz, sy, sx, isz, isy, isx
    # The least offsets, and how far from there to the greatest ones.
    Py_ssize_t z_first, y_first, x_first, y_span, x_span
    # Phases of rows, of z and y together, and of x; each x's phase's index, or -1.
    Py_ssize_t row_phases, x_phases
    Table row_phase_z, row_phase_y, x_phase, x_place
    # Phases that no tap reaches: runs of rows, how many of them; how many of a row.
    Py_ssize_t row_gaps, x_gaps
    Table gap_z, gap_y, gap_rows
    # COL2IM: a phase is fold + shift output steps, fold below one; x_phase is sorted by its folds.
    Table y_fold, y_shift, x_shift, fold_first
    Py_ssize_t low_phase_y, high_phase_y
    # Classes: the taps from class_first[i] on, class_width[i] of them side by side.
    Py_ssize_t classes, most_taps
    Table class_first, class_width
    # Each tap's offset from the first of its axis, the index of its depth, that of its offset.
    Table tap_z, tap_y, tap_x, tap_depth, tap_id
    Py_ssize_t offsets
    Table offset_z, offset_y, offset_x
    Py_ssize_t depths  # different offsets of z
    Table depth_z
    # Panels: the lanes of a tile; their weights are panel_prefix[i] times the channels further.
    Py_ssize_t panels, most_width
    Table panel_class, panel_second, panel_width, panel_prefix, panel_lane
    Table panel_rz, panel_ry, panel_rx, panel_co, panel_length
    Table panel_most  # vectors of pixels that a tile of so many lanes can have
    Py_ssize_t least_most  # the least of them
    Py_ssize_t weights, lanes  # of all panels, for an input channel
    Py_ssize_t biases  # numbers a group: each lane's; of COL2IM zeros, and each channel's
    Table lane_co, lane_rz, lane_ry, lane_kernel, kernel
    # Chunks: panels whose sums are placed together; where a lane is in its chunk.
    Py_ssize_t chunks, most_chunk_lanes
    Table chunk_panel, chunk_co, slot
    Py_ssize_t blocks, block_channels  # blocks of input channels
    Py_ssize_t panel_taps  # of all panels
    # Kinds of panels, by width: how many there are, how many taps they have together.
    Py_ssize_t kinds
    Table kind_width, kind_panels, kind_taps
    double[COUNTS] rates  # nanoseconds of each count

# How one shape of input goes through a layer.
cdef struct Blocking:
    Source source
    int threads
    bint near, far  # what a call touches fits no first, no second cache
    bint outer_result  # the result lies in memory, whatever cache there is
    bint fits  # the scratch of a thread is bounded
    Py_ssize_t vector  # elements
    # Sizes of the input (di, hi, wi), of the result (dout, ho, wo), pixels q.
    Py_ssize_t n, di, hi, wi, dout, ho, wo, qz, qy, qx
    # Steps of the input and of the result, in elements.
    Py_ssize_t xn, xc, xz, xy, xx, on, oc, oz, oy, ox
    # A block: `rows` x `columns` pixels of one depth of an image, or `pixels` of a flat sequence.
    Py_ssize_t rows, columns, pixels
    Py_ssize_t row_length  # from one row to the next among the pixels that are computed
    Py_ssize_t y_blocks, x_blocks, image_blocks
    Py_ssize_t splits, items  # ranges of lanes; blocks x ranges x groups: the work
    # The patch: rows and columns, steps of channel, row and column; planes, where an input step
    # takes columns (rows) apart.
    Py_ssize_t patch_rows, patch_columns, planes_y, planes_x
    Py_ssize_t patch_c, patch_y, patch_x, patch_size
    Py_ssize_t shared  # border columns that belong to two rows
    # IM2COL: pixels that lie side by side for each offset and channel, elements of all of these.
    Py_ssize_t strip, strip_size
    # COL2IM: elements of a lane's band of `rows` rows; bands in the ring; parts of an image's rows.
    Py_ssize_t band, ring, parts
    Table ring_at  # where in the ring an input row's products are
    # Elements: from lane to lane of the sums; of all that wait; of all transposed ones; of a line.
    Py_ssize_t sums_row, sums_size, placed_size, line
    Py_ssize_t most_runs
    Table tap  # where each tap's pixels are, from those of the first
    double[COUNTS] done  # by the busiest thread
    double nanoseconds  # estimated, of the busiest thread
    double reached  # TRANSPOSED: how many of the taps, of 1, are in the input: others are left out

# Pixels q that lie side by side in a row of an image.
cdef struct Run:
    Py_ssize_t n, qz, qy, qx, length
    Py_ssize_t at  # place of the first among the sums of its block
    # From this one on, rows of one image that are as long and begin at the same column, and from
    # one to the next among the sums.
    Py_ssize_t rows, apart

# Work that is done in one go: a block of pixels of a group, a range of lanes.
cdef struct Block:
    Py_ssize_t n, qz, y, x  # the first pixel q, unless it is of a flat sequence
    Py_ssize_t rows  # of q
    Py_ssize_t length  # pixels side by side that are computed
    Py_ssize_t segments  # so often, a row of the patch apart
    Py_ssize_t first_chunk, end_chunk
    Py_ssize_t base_lane  # the lane that the sums begin with
    Py_ssize_t listed  # runs of pixels that are read
    # Where pixels are placed: the same runs, those joined that follow each other in the result.
    const Run* runs
    Py_ssize_t count

# A block of input channels.
cdef struct Channels:
    Py_ssize_t count
    bint first, last

# The lines of the input that the next block reads: the caches are asked for some with each tile.
cdef struct Ahead:
    Py_ssize_t wait, each  # tiles that ask for nothing yet; lines that one of the others asks for
    Py_ssize_t channels, depths, rows, length  # spans, and the bytes of one
    Py_ssize_t xc, xz, xy  # from one to the next, in bytes
    const char* first
    Py_ssize_t channel, depth, row, at  # the next line; none is left where `channel` is `channels`

# What panels are multiplied with, and where their sums wait: elements of the layer's type.
cdef struct Operands:
    const void* tiles  # IN: a block's pixels: a patch, or the input itself
    const void* weights  # IN: those of a group's block of input channels
    const void* bias  # IN: what a group's sums begin with
    void* sums  # room for the sums of the block's range of lanes
    void* tile  # room for a tile's sums
    Ahead* ahead


cdef inline Py_ssize_t item_bytes(const Layer* layer) noexcept nogil:
    """Return the bytes of an element."""
    return 4 if layer.single else 8


cdef inline Py_ssize_t up(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """Return a / b, rounded up, of numbers that are not negative."""
    return (a + b - 1) // b


cdef inline Py_ssize_t first_read(const Layer* layer, const Blocking* plan,
                                  const Block* block) noexcept nogil:
    """DIRECT: return where the first tap of a block's first pixel reads, from the image's first."""
    if not layer.lane_vectors:
        return block.x
    return ((block.qz * layer.isz + layer.z_first) * plan.xz
            + (block.y * layer.isy + layer.y_first) * plan.xy
            + (block.x * layer.isx + layer.x_first) * plan.xx)


cdef inline void inside(Py_ssize_t step, Py_ssize_t start, Py_ssize_t size, Py_ssize_t length,
                        Py_ssize_t* low, Py_ssize_t* high) noexcept nogil:
    """Find low <= j < high of 0 .. length - 1 for which start + j step is in 0 .. size - 1."""
    low[0], high[0] = 0, length
    if start < 0:
        low[0] = min(-start if step == 1 else (-start + step - 1) // step, length)
    if start + (length - 1) * step >= size:
        high[0] = 0
        if size > start:
            high[0] = size - start if step == 1 else (size - start + step - 1) // step
        high[0] = max(high[0], low[0])


cdef inline Py_ssize_t taps_of(const Layer* layer, Py_ssize_t panel) noexcept nogil:
    """Return how many taps the lanes of a panel have."""
    cdef Py_ssize_t own = layer.panel_class[panel]
    return layer.class_first[own + 1] - layer.class_first[own]


cdef inline Py_ssize_t first_lane(const Layer* layer, Py_ssize_t chunk) noexcept nogil:
    """Return the first lane of a chunk."""
    return layer.panel_lane[layer.chunk_panel[chunk]]


cdef inline Py_ssize_t tile_count(const Blocking* plan, Py_ssize_t vectors,
                                  Py_ssize_t most) noexcept nogil:
    """Into how many tiles to cut so many vectors side by side: as few as there can be."""
    return up(vectors, plan.strip // plan.vector if plan.source == IM2COL else most)


cdef inline bint tiles_write(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return whether pairs go from the registers to the result, with no sums between."""
    return layer.order == PAIRS and plan.source == ROWS and plan.ox == 1


# How vectors side by side, or pixels, are cut into tiles.
cdef struct Cut:
    Py_ssize_t count
    Py_ssize_t some, more  # of a tile; tiles, the first ones, that have one more


cdef inline Cut cut_evenly(Py_ssize_t length, Py_ssize_t most) noexcept nogil:
    """Cut into as few tiles as there can be, and as even."""
    cdef Cut cut
    cut.count = up(length, most)
    cut.some = length // cut.count
    cut.more = length - cut.count * cut.some
    return cut


cdef inline Cut cut_vectors(const Blocking* plan, Py_ssize_t vectors,
                            Py_ssize_t most) noexcept nogil:
    """Cut vectors of pixels: evenly, or where there are strips, into these and what is left."""
    cdef Cut cut
    if plan.source != IM2COL:
        return cut_evenly(vectors, most)
    cut.some, cut.more = plan.strip // plan.vector, 0
    cut.count = up(vectors, cut.some)
    return cut


cdef inline Py_ssize_t list_runs(const Blocking* plan, Py_ssize_t first, Py_ssize_t length,
                                 Py_ssize_t at, Run* runs) noexcept nogil:
    """Cut pixels first .. first + length of all images in a row into runs; return how many."""
    cdef Py_ssize_t count = 0, some, row = first // plan.qx
    cdef Py_ssize_t depth = row // plan.qy  # of all images in a row
    cdef Py_ssize_t qx = first - row * plan.qx, qy = row - depth * plan.qy
    cdef Py_ssize_t n = depth // plan.qz
    cdef Py_ssize_t qz = depth - n * plan.qz
    while length > 0:
        some = min(length, plan.qx - qx)
        runs[count].n, runs[count].qz, runs[count].qy, runs[count].qx = n, qz, qy, qx
        runs[count].length, runs[count].at = some, at
        count += 1
        at += some
        length -= some
        qx = 0
        qy += 1
        if qy == plan.qy:
            qy = 0
            qz += 1
        if qz == plan.qz:
            qz = 0
            n += 1
    return count


cdef inline Py_ssize_t join_runs(const Blocking* plan, const Run* runs, Py_ssize_t count,
                                 Run* joined) noexcept nogil:
    """Make one of rows that follow each other in the result and in the sums; return how many."""
    cdef Py_ssize_t r, last = -1
    cdef bint joins_depths = plan.qz == plan.dout and plan.oz == plan.ho * plan.oy
    for r in range(count):
        if (last >= 0 and runs[r].n == joined[last].n and runs[r].qx == 0
                and (runs[r].qz == runs[r - 1].qz or joins_depths)
                and runs[r - 1].qx + runs[r - 1].length == plan.wo
                and runs[r].at == joined[last].at + joined[last].length):
            joined[last].length += runs[r].length
        else:
            last += 1
            joined[last] = runs[r]
    return last + 1


cdef inline void stack_runs(Run* runs, Py_ssize_t count) noexcept nogil:
    """Note how many rows, from each run on, can be placed in one go."""
    cdef Py_ssize_t r = count - 1
    cdef Run* own
    cdef const Run* below
    while r >= 0:
        own, below = runs + r, runs + r + 1
        own.rows, own.apart = 1, 0
        if (r + 1 < count and below.n == own.n and below.qz == own.qz and below.qx == own.qx
                and below.qy == own.qy + 1 and below.length == own.length):
            own.apart = below.at - own.at
            if below.rows == 1 or below.apart == own.apart:
                own.rows = below.rows + 1
            else:
                own.rows = 2
        r -= 1
