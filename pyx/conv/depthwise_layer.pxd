"""What the loops of depthwise.pyx are handed: a layer's tables, and how one shape is cut.

Both are filled in once, by depthwise.pyx, and const from then on.

Words: patch, the input that a block reads, with its borders; plane, the columns of one phase of an
input step in a patch; part, the taps of one phase of all axes; lane, an element of a vector.
"""

from depthwise_tiles cimport real

# What a plan does, counted; the time of each is a rate, by order of work (upshape/orders.py).
cdef enum:
    CALLS, BLOCKS, CHANNEL_BLOCKS, PATCH_ROWS, PATCH_VECTORS, STEPPED_VECTORS, PICKED
    TABLE_TAPS, SINGLE_TAPS, TAPS_OF_9, TAPS_OF_25, TAPS_OF_49, DEEP_TAPS, SLIDING_TAPS
    TESTED, WINDOWS
    LISTED, TRANSPOSED_IN, TRANSPOSED_OUT, PAGES_APART, PLACED_ROWS, PLACED, WOVEN, SCATTERED
    NEAR_LINES, FAR_LINES, FAR_RESULT, FILLED, SCATTERED_LINES
    COUNTS

cdef enum Order:
    PIXELS
    TRANSPOSED
    CHANNELS

# What makes the sums.
cdef enum Tile:
    TAPS
    WINDOW
    STRIDE2
    SLIDING

# One axis of a layer: its steps, and the taps of its phases.
cdef struct Axis:
    Py_ssize_t step, input_step, phases, taps
    Py_ssize_t first, span  # of the offsets
    const Py_ssize_t* phase  # r
    const Py_ssize_t* start  # the first tap of each phase, and the end of the last
    const Py_ssize_t* offset
    const Py_ssize_t* kernel

# A number for each axis: sizes, or a place.
cdef struct Point:
    Py_ssize_t z, y, x

# The strides of an array, in elements.
cdef struct Steps:
    Py_ssize_t n, c, z, y, x

# Pixels q of a task: where they begin and how many there are.
cdef struct Block:
    Py_ssize_t n, c  # the image; the block of channels
    Point at, size

# The taps of an axis that stay within the input, of those of a phase: low <= tap < high.
cdef struct Taps:
    Py_ssize_t low, high

# The scratch of a thread.
cdef struct Space:
    char* patch
    char* made  # results on their way out
    Py_ssize_t* taps  # the taps, then the weights, of a pixel at the border

# What a layer's shape decides.
cdef struct Layer:
    bint single  # float32, else float64
    Order order
    Axis z, y, x
    double[COUNTS] rates  # nanoseconds of each count
    Py_ssize_t groups, co
    Py_ssize_t area, flat_area  # taps of a channel; of one depth of it
    Py_ssize_t phases  # pixels of the result that a pixel q stands for
    Tile tile
    int code  # which window or stride2

# How one shape of input goes through a layer.
cdef struct Blocking:
    int threads
    bint fits  # this is a plan
    Tile tile
    Py_ssize_t n, vector
    Point size, result, pixels  # of the input, of the result, and the pixels q
    Steps source, target
    Point block, blocks  # the pixels q of a block; how many blocks an axis has
    # Blocks of channels: one, a vector of them, or `side` by side. Rows of lanes made at a time.
    Py_ssize_t c_blocks, side, chunk, items
    # The patch: depths of planes, for the phases of an input step, of rows of whole vectors, in
    # elements from one to the next. `lead`: how far into the first vector it starts, so that its
    # stores straddle no cache lines.
    # `tail`: pixels of a row that only later taps read. `line`: made pixels of a phase of a row.
    Py_ssize_t depth, planes, plane, row, lead, tail, line, patch_size, made_size
    double[COUNTS] done  # by the busiest thread
    double nanoseconds  # estimated
    # The taps of all parts: where they read, and for which weight; and those of the kernel's rows.
    const Py_ssize_t* tap
    const Py_ssize_t* kernel
    const Py_ssize_t* start
    const Py_ssize_t* row_tap
    const Py_ssize_t* row_kernel


cdef inline Py_ssize_t up(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """Return a / b, rounded up."""
    return (a + b - 1) // b


cdef inline Py_ssize_t item_bytes(const Layer* layer) noexcept nogil:
    """Return the bytes of an element."""
    return 4 if layer.single else 8


cdef inline Taps taps_inside(const Axis* axis, Py_ssize_t phase, Py_ssize_t at,
                             Py_ssize_t size) noexcept nogil:
    """Find the taps of a phase that a pixel at `at` of the input reads within its `size` pixels.

    Offsets rise or fall, so that these are neighbours.
    """
    cdef Taps taps
    taps.low, taps.high = axis.start[phase], axis.start[phase + 1]
    while taps.low < taps.high and not 0 <= at + axis.offset[taps.low] < size:
        taps.low += 1
    while taps.low < taps.high and not 0 <= at + axis.offset[taps.high - 1] < size:
        taps.high -= 1
    return taps


cdef inline Taps inside(Py_ssize_t step, Py_ssize_t start, Py_ssize_t size,
                        Py_ssize_t length) noexcept nogil:
    """Find low <= j < high of 0 .. length - 1 for which start + j step is in 0 .. size - 1."""
    cdef Taps found
    found.low, found.high = 0, length
    if start < 0:
        found.low = min(up(-start, step), length)
    if start + (length - 1) * step >= size:
        found.high = max(up(max(size - start, 0), step), found.low)
    return found


cdef inline double taps_of_axis(const Axis* axis, Py_ssize_t length,
                                Py_ssize_t size) noexcept nogil:
    """Return how many taps so many pixels q read, of all phases, that are within the input."""
    cdef double total = 0
    cdef Py_ssize_t t
    cdef Taps reached
    for t in range(axis.taps):
        reached = inside(axis.input_step, axis.offset[t], size, length)
        total += reached.high - reached.low
    return total


cdef inline bint is_read(const Axis* axis, Py_ssize_t place, Py_ssize_t at,
                         Py_ssize_t size) noexcept nogil:
    """Return whether a place of a patch is in the input, at `at`, and not between two steps."""
    return 0 <= at < size and (
        axis.span >= axis.input_step or place % axis.input_step < axis.span)


cdef inline Py_ssize_t length_of(const Layer* layer, const Blocking* plan,
                                 const Block* block) noexcept nogil:
    """Return how many pixels of the result a row of a block has."""
    return min(block.size.x * layer.x.step, plan.result.x - block.at.x * layer.x.step)


# --- what the debug build checks -----------------------------------------------------------------

cdef inline bint reads_patch(const Blocking* plan, const real* from_, const Space* space,
                             Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    """Whether elements low .. high from here on are in the patch."""
    cdef Py_ssize_t at = from_ - <const real*>space.patch
    return 0 <= at + low and at + high <= plan.patch_size


cdef inline void image_bounds(const Blocking* plan, Py_ssize_t* low,
                              Py_ssize_t* high) noexcept nogil:
    """Find where a channel of an image begins and ends, from its first pixel: rows may go down."""
    cdef Py_ssize_t z = (plan.size.z - 1) * plan.source.z, y = (plan.size.y - 1) * plan.source.y
    cdef Py_ssize_t x = (plan.size.x - 1) * plan.source.x
    low[0] = min(z, 0) + min(y, 0) + min(x, 0)
    high[0] = max(z, 0) + max(y, 0) + max(x, 0) + 1


cdef inline bint taps_are_read(const Layer* layer, const Blocking* plan, const Py_ssize_t* tap,
                               const Py_ssize_t* kernel, Py_ssize_t count, Py_ssize_t at,
                               Py_ssize_t length) noexcept nogil:
    """Whether taps of a table read the patch alone, or the image where there is none.

    `length` elements of each, from `at` on; and whether each has one of the kernel's weights.
    """
    cdef Py_ssize_t t, low = 0, high = plan.patch_size, apart = 1
    if layer.order == TRANSPOSED:
        apart = plan.vector
    elif layer.order == CHANNELS:
        apart = layer.groups
        image_bounds(plan, &low, &high)
    for t in range(count):
        if not low <= at + tap[t] <= high - length:
            return False
        if not (0 <= kernel[t] < layer.area * apart and kernel[t] % apart == 0):
            return False
    return True
