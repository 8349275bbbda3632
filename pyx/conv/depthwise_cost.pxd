"""What a depthwise plan does, counted, and how long that is estimated to take."""

from depthwise_layer cimport (
    BLOCKS,
    CALLS,
    CHANNEL_BLOCKS,
    COUNTS,
    DEEP_TAPS,
    FAR_LINES,
    FAR_RESULT,
    FILLED,
    LISTED,
    NEAR_LINES,
    PAGES_APART,
    PATCH_ROWS,
    PATCH_VECTORS,
    PICKED,
    PIXELS,
    PLACED,
    PLACED_ROWS,
    SCATTERED,
    SCATTERED_LINES,
    SINGLE_TAPS,
    SLIDING,
    SLIDING_TAPS,
    STEPPED_VECTORS,
    TABLE_TAPS,
    TAPS,
    TAPS_OF_9,
    TAPS_OF_25,
    TAPS_OF_49,
    TESTED,
    TRANSPOSED,
    TRANSPOSED_IN,
    TRANSPOSED_OUT,
    WINDOW,
    WINDOWS,
    WOVEN,
    Axis,
    Blocking,
    Layer,
    Taps,
    inside,
    item_bytes,
    taps_of_axis,
    up,
)
from depthwise_tiles cimport (
    UPSHAPE_DEPTH_PIXELS,
    UPSHAPE_DEPTH_VECTORS,
    UPSHAPE_LANES_PIXELS,
    UPSHAPE_SLIDING_TAPS,
    UPSHAPE_STRIDE2_ROWS,
    UPSHAPE_WINDOW_ROWS,
    sliding_pixels,
)

cdef enum:
    PAGE_BYTES = 4096
    # What fits no first, no second cache, in bytes.
    NEAR_BYTES = 32 << 10
    FAR_BYTES = 1 << 20


cdef inline void count_work(const Layer* layer, Blocking* plan) noexcept nogil:
    """Count what the busiest thread does, and estimate how long that takes."""
    cdef Py_ssize_t item = item_bytes(layer)
    cdef int count
    cdef double share = up(plan.items, plan.threads) / <double>plan.items
    cdef double results = <double>plan.n * layer.groups * layer.co, read, touched
    for count in range(COUNTS):
        plan.done[count] = 0
    plan.done[BLOCKS] = plan.items
    plan.done[CHANNEL_BLOCKS] = plan.n * plan.c_blocks
    results *= <double>plan.result.z * plan.result.y * plan.result.x / plan.vector
    if layer.phases > layer.z.phases * layer.y.phases * layer.x.phases:
        plan.done[FILLED] = results
    if layer.order == PIXELS:
        count_rows(layer, plan)
    elif layer.order == TRANSPOSED:
        count_lanes(layer, plan)
    else:
        plan.done[PLACED] = results
        count_channels(layer, plan)
    read = <double>plan.n * layer.groups * plan.size.z * plan.size.y * plan.size.x * item
    # What a call touches in all is what the next one finds, or not, in a cache.
    touched = read + results * plan.vector * item
    if touched > NEAR_BYTES:
        plan.done[FAR_LINES if touched > FAR_BYTES else NEAR_LINES] = read / 64
    if touched > FAR_BYTES:
        plan.done[FAR_RESULT] = results * plan.vector * item / 64
        if plan.done[FILLED] > 0:
            plan.done[FAR_RESULT] *= 2
    plan.nanoseconds = layer.rates[CALLS]
    for count in range(1, COUNTS):
        plan.done[count] *= share
        plan.nanoseconds += layer.rates[count] * plan.done[count]
    plan.done[CALLS] = 1


cdef inline void count_rows(const Layer* layer, Blocking* plan) noexcept nogil:
    """Count what rows of vectors of pixels take."""
    cdef Py_ssize_t item = item_bytes(layer)
    cdef double* done = plan.done
    cdef Py_ssize_t many
    cdef double channels = <double>plan.n * layer.groups, rows, copied, made
    # The last block of an axis has fewer pixels.
    rows = plan.blocks.z * (layer.z.span - layer.z.input_step)
    rows += plan.pixels.z * layer.z.input_step
    rows *= (plan.blocks.y * (layer.y.span - layer.y.input_step)
             + plan.pixels.y * layer.y.input_step)
    rows *= channels * plan.planes * plan.blocks.x
    copied = rows * up(plan.row, plan.vector)
    done[PATCH_ROWS] = rows
    if layer.x.input_step == 1:
        done[PATCH_VECTORS] = copied
    elif layer.x.input_step == 2:
        done[STEPPED_VECTORS] = copied
    else:
        done[PICKED] = copied * plan.vector
    channels *= layer.co
    made = channels * plan.result.z * plan.result.y * plan.blocks.x
    done[PLACED_ROWS] = made
    if layer.x.step > 4 or (layer.x.step > 2 and layer.x.phases < layer.x.step):
        done[SCATTERED] = channels * plan.result.z * plan.result.y * plan.result.x
        if plan.block.x * layer.x.step * item > NEAR_BYTES:
            # A line is written anew for each phase.
            done[SCATTERED_LINES] = done[SCATTERED] * min(1.0, layer.x.step * item / 64.0)
    else:
        done[WOVEN if layer.x.step > 1 else PLACED] = made / plan.blocks.x * up(
            plan.result.x, plan.vector)
    channels *= taps_of_axis(&layer.z, plan.pixels.z, plan.size.z)
    if plan.tile == TAPS:
        count_table_rows(layer, plan, channels * plan.pixels.y * layer.y.taps)
        done[LISTED] = made * layer.x.phases
        return
    # Whole tiles are made, however few rows or pixels there are.
    many = UPSHAPE_WINDOW_ROWS if plan.tile == WINDOW else UPSHAPE_STRIDE2_ROWS
    rows = <double>many * ((plan.blocks.y - 1) * up(plan.block.y, many) + up(
        plan.pixels.y - (plan.blocks.y - 1) * plan.block.y, many))
    made = channels * rows * layer.flat_area * plan.blocks.x
    done[DEEP_TAPS if layer.z.taps > 1 else
         TAPS_OF_9 if layer.flat_area <= 9 else
         TAPS_OF_25 if layer.flat_area <= 25 else TAPS_OF_49] = made * up(
             plan.block.x, plan.vector)


cdef inline void count_table_rows(const Layer* layer, Blocking* plan, double rows) noexcept nogil:
    """Count the products of rows of taps from a table: four vectors at a time, the rest alone.
    """
    cdef Py_ssize_t whole = plan.block.x // (4 * plan.vector)
    rows *= layer.x.taps * plan.blocks.x
    plan.done[TABLE_TAPS] = rows * 4 * whole
    plan.done[SINGLE_TAPS] = rows * up(plan.block.x - whole * 4 * plan.vector, plan.vector)


cdef inline void count_lanes(const Layer* layer, Blocking* plan) noexcept nogil:
    """Count what vectors of transposed channels take: the transpositions, and the taps."""
    cdef Py_ssize_t item = item_bytes(layer), some, rows
    cdef double depths, channels = <double>plan.n * plan.c_blocks, taps, runs, many
    cdef double* done = plan.done
    depths = <double>plan.blocks.z * (layer.z.span - layer.z.input_step)
    depths += plan.pixels.z * layer.z.input_step
    if layer.z.span == 1:
        depths = plan.size.z
    # Whole squares are transposed: of the rows of a chunk, which may follow each other.
    runs = channels * depths
    rows = min(plan.chunk * layer.y.input_step, plan.size.y)
    some = min(plan.size.x, plan.block.x * layer.x.input_step)
    done[TRANSPOSED_IN] = runs * plan.blocks.x * plan.size.y * plan.vector * (
        <double>up(rows * some, plan.vector) / rows if plan.source.y == some
        else up(some, plan.vector))
    runs = channels * plan.result.z * plan.blocks.x * plan.result.y
    rows = min(plan.chunk * layer.y.step, plan.result.y)
    some = min(plan.result.x, plan.block.x * layer.x.step)
    done[TRANSPOSED_OUT] = runs * plan.vector * (
        <double>up(rows * some, plan.vector) / rows if plan.target.y == some
        else up(some, plan.vector))
    if plan.source.c * item % PAGE_BYTES == 0:
        done[PAGES_APART] += done[TRANSPOSED_IN]
    if plan.target.c * item % PAGE_BYTES == 0:
        done[PAGES_APART] += done[TRANSPOSED_OUT]
    done[PATCH_ROWS] = channels * depths * plan.size.y * plan.blocks.x
    done[PLACED_ROWS] = runs * plan.vector
    taps = channels * taps_of_axis(&layer.z, plan.pixels.z, plan.size.z)
    if layer.z.span == 1:
        taps *= taps_of_axis(&layer.y, plan.pixels.y, plan.size.y)
    else:
        taps *= plan.pixels.y * layer.y.taps
    if plan.tile == SLIDING:
        count_windows(layer, plan, taps, channels * plan.vector)
        return
    # Up to eight pixels at a time.
    many = <double>up(plan.block.x, UPSHAPE_LANES_PIXELS) * UPSHAPE_LANES_PIXELS
    done[TABLE_TAPS] = taps * layer.x.taps
    done[SINGLE_TAPS] = done[TABLE_TAPS] * plan.blocks.x * (many - plan.block.x)
    done[TABLE_TAPS] *= plan.pixels.x
    done[LISTED] = channels * plan.pixels.z * layer.z.phases * plan.pixels.y * (
        layer.y.phases * layer.x.phases) * plan.blocks.x


cdef inline void count_windows(const Layer* layer, Blocking* plan, double rows,
                               double channels) noexcept nogil:
    """Count what windows take that slide along so many rows of the kernel."""
    cdef int many = sliding_pixels(plan.block.x)
    cdef double* done = plan.done
    cdef double windows = rows * up(plan.block.x, many) * plan.blocks.x
    cdef Py_ssize_t pieces = up(layer.x.taps, UPSHAPE_SLIDING_TAPS)
    done[WINDOWS] = windows * pieces
    # A window leaves out what is outside, but for those that reach both.
    done[SLIDING_TAPS] = rows * taps_of_axis(&layer.x, plan.pixels.x, plan.size.x)
    done[SLIDING_TAPS] *= <double>up(plan.block.x, many) * many / plan.block.x
    if layer.x.taps not in (3, 5, 7):
        done[TESTED] = windows * (
            pieces * (many - 1) * layer.x.input_step + layer.x.taps)


cdef inline void count_channels(const Layer* layer, Blocking* plan) noexcept nogil:
    """Count what vectors of channels take that are read as they lie."""
    cdef const Axis* ax = &layer.x
    cdef Py_ssize_t vectors = up(layer.groups, plan.vector), rx, t, low, high, count
    cdef double* done = plan.done
    cdef double rows, runs, read, alone
    cdef Taps reached
    rows = plan.n * taps_of_axis(&layer.z, plan.pixels.z, plan.size.z)
    rows *= taps_of_axis(&layer.y, plan.pixels.y, plan.size.y)
    if plan.tile == SLIDING:
        count_windows(layer, plan, rows * vectors, plan.n)
        done[PLACED_ROWS] = <double>plan.n * plan.result.z * plan.result.y * plan.blocks.x
        return
    runs = <double>plan.n * plan.pixels.z * layer.z.phases * plan.pixels.y * layer.y.phases
    for rx in range(ax.phases):
        low, high, count = 0, plan.pixels.x, ax.start[rx + 1] - ax.start[rx]
        read = 0
        for t in range(ax.start[rx], ax.start[rx + 1]):
            reached = inside(ax.input_step, ax.offset[t], plan.size.x, plan.pixels.x)
            low, high = max(low, reached.low), min(high, reached.high)
            read += reached.high - reached.low
        high = max(high, low)
        # Four pixels at a time where all taps are inside; the others one by one.
        alone = read - (high - low) // UPSHAPE_DEPTH_PIXELS * UPSHAPE_DEPTH_PIXELS * count
        done[TABLE_TAPS] += rows * vectors * (read - alone)
        done[SINGLE_TAPS] += rows * up(vectors, UPSHAPE_DEPTH_VECTORS) * alone
        done[LISTED] += runs * (plan.pixels.x - (high - low) + plan.blocks.x)
    done[PLACED_ROWS] = runs * plan.blocks.x
