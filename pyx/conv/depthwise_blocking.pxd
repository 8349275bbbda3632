"""How a depthwise layer's loops over one shape are cut: what a block has, and what its patch takes.

`rows` and `columns` are the size of blocks where they are above 0. Where `fits` is False
afterwards, the order of work does not take these arrays.
"""

from depthwise_layer cimport CHANNELS, TAPS, TRANSPOSED, Blocking, Layer, item_bytes, up
from depthwise_tiles cimport UPSHAPE_LEAST_SLIDING, UPSHAPE_WINDOW_ROWS

# Sizes, in bytes unless they say otherwise. Measured by `python -m benchmarks --filter depthwise`
# with other values, 1 thread.
cdef enum:
    # A patch of rows: most of a first-level cache of 32 KiB. Zen 5: flat from a third of it on.
    PATCH_BYTES = 24 << 10
    # At most; a kernel that spans more is left to convolution.pyx. Half a second-level cache.
    MOST_BYTES = 256 << 10
    # Channels that are worked on side by side, and the input that a row of such pixels reads, for a
    # second-level cache of 512 KiB. Granite Rapids: half as many channels are slower by a fifth,
    # more are not faster.
    CHANNELS_BYTES = 512
    READ_BYTES = 192 << 10
    # Pixels of a row of a channels-last block, at least: of fewer, too many lie at a border.
    LEAST_PIXELS = 64
    # A patch of transposed channels: a quarter of a second-level cache of 512 KiB. And its results
    # that are made at a time, for a first-level cache beside the patch's rows.
    LANES_BYTES = 128 << 10
    MADE_BYTES = 8 << 10
    # Blocks of a thread, at least, where the work allows: the last ones end nearly together.
    BLOCKS_OF_A_THREAD = 4


cdef inline void set_blocks(const Layer* layer, Blocking* plan, Py_ssize_t rows,
                            Py_ssize_t columns) noexcept nogil:
    """Cut the work of a layer's order."""
    if layer.order == CHANNELS:
        set_channels(layer, plan, rows, columns)
    elif layer.order == TRANSPOSED:
        set_lanes(layer, plan, rows, columns)
    else:
        set_rows(layer, plan, rows, columns)
    if plan.fits:
        count_blocks(plan)


cdef inline void count_blocks(Blocking* plan) noexcept nogil:
    """Fill in how many blocks there are."""
    plan.blocks.z = up(plan.pixels.z, plan.block.z)
    plan.blocks.y = up(plan.pixels.y, plan.block.y)
    plan.blocks.x = up(plan.pixels.x, plan.block.x)
    plan.items = plan.n * plan.c_blocks * plan.blocks.z * plan.blocks.y * plan.blocks.x


cdef inline void set_block_rows(const Layer* layer, Blocking* plan, double row_bytes, double most,
                                Py_ssize_t least, Py_ssize_t rows) noexcept nogil:
    """Choose rows and depths of a block whose patch has so many bytes; row_bytes: of a row."""
    cdef Py_ssize_t fitting, wanted = BLOCKS_OF_A_THREAD * plan.threads
    cdef double depth_bytes
    fitting = <Py_ssize_t>(most / (row_bytes * layer.z.span))
    plan.block.y = max((fitting - layer.y.span) // layer.y.input_step + 1, least)
    if plan.n * plan.c_blocks * plan.pixels.z < wanted:
        plan.block.y = min(plan.block.y, up(plan.pixels.y, wanted))
    plan.block.y = min(plan.block.y, plan.pixels.y) if rows == 0 else rows
    plan.block.y = up(plan.pixels.y, up(plan.pixels.y, plan.block.y))
    plan.block.z = 1
    if plan.block.y == plan.pixels.y and plan.pixels.z > 1:
        depth_bytes = row_bytes * (layer.y.span + (plan.block.y - 1) * layer.y.input_step)
        fitting = <Py_ssize_t>(most / depth_bytes)
        fitting = (fitting - layer.z.span) // layer.z.input_step + 1
        if plan.n * plan.c_blocks < wanted:
            fitting = min(fitting, up(plan.pixels.z, wanted))
        plan.block.z = max(min(fitting, plan.pixels.z), 1)


cdef inline void set_channels(const Layer* layer, Blocking* plan, Py_ssize_t rows,
                              Py_ssize_t columns) noexcept nogil:
    """Cut channels-last work: pixels for the threads, channels for the caches."""
    cdef Py_ssize_t item = item_bytes(layer)
    cdef Py_ssize_t channels = layer.groups, wanted = BLOCKS_OF_A_THREAD * plan.threads
    cdef double pixel = <double>min(layer.y.span, plan.size.y) * layer.x.input_step * item
    pixel *= min(layer.z.taps, plan.size.z)
    plan.fits = (layer.co == 1 and plan.source.c == plan.target.c == 1
                 and channels >= plan.vector)
    plan.side = min(channels, max(CHANNELS_BYTES // item, plan.vector))
    plan.block.x = max(<Py_ssize_t>(READ_BYTES / (pixel * plan.side)), LEAST_PIXELS)
    plan.block.x = min(plan.block.x, plan.pixels.x) if columns == 0 else columns
    while columns == 0 and 0 < plan.pixels.x % plan.block.x < UPSHAPE_LEAST_SLIDING:
        plan.block.x += 1  # a last block that a sliding window fills
    if last_columns(plan) < UPSHAPE_LEAST_SLIDING:
        plan.tile = TAPS
    plan.c_blocks = up(channels, plan.side)
    plan.block.z, plan.block.y = 1, plan.pixels.y
    if plan.n * plan.c_blocks * plan.pixels.z < wanted:
        plan.block.y = up(plan.pixels.y, min(plan.pixels.y, wanted))
    if rows > 0:
        plan.block.y = rows


cdef inline Py_ssize_t last_columns(const Blocking* plan) noexcept nogil:
    """Return how many pixels the last block of a row has; a sliding window makes them alone."""
    return plan.pixels.x - (up(plan.pixels.x, plan.block.x) - 1) * plan.block.x


cdef inline void set_rows(const Layer* layer, Blocking* plan, Py_ssize_t rows,
                          Py_ssize_t columns) noexcept nogil:
    """Cut the pixels into blocks whose patch fits the first cache."""
    cdef Py_ssize_t item = item_bytes(layer)
    cdef Py_ssize_t tall = UPSHAPE_WINDOW_ROWS, parts = 1, vector = plan.vector, height
    cdef Py_ssize_t least = layer.y.span + (tall - 1) * layer.y.input_step
    cdef double bytes
    plan.planes = min(layer.x.input_step, layer.x.span)
    plan.lead = up(max(-layer.x.first, 0), layer.x.input_step) % vector
    plan.lead = (vector - plan.lead) % vector
    plan.tail = (layer.x.span - 1) // layer.x.input_step
    while True:
        plan.block.x = up(plan.pixels.x, parts)
        if parts > 1:
            plan.block.x = up(plan.block.x, vector) * vector
        if columns > 0:
            plan.block.x = columns
        plan.row = max(plan.block.x, vector) + plan.lead + plan.tail
        plan.row = up(plan.row, vector) * vector
        bytes = <double>plan.row * plan.planes * item
        if (bytes * least * layer.z.span <= PATCH_BYTES or columns > 0
                or plan.block.x <= 4 * vector):
            break
        parts += parts
    plan.fits = plan.target.x == 1 and bytes * least * layer.z.span <= MOST_BYTES
    if not plan.fits:
        return
    plan.c_blocks = layer.groups
    set_block_rows(layer, plan, bytes, PATCH_BYTES, tall, rows)
    # Whole tiles are read and whole vectors are written, whether they are there or not.
    height = layer.y.span + (max(plan.block.y, tall) - 1) * layer.y.input_step
    plan.plane = plan.row * height
    plan.depth = plan.plane * plan.planes
    plan.patch_size = plan.depth * (layer.z.span + (plan.block.z - 1) * layer.z.input_step)
    plan.patch_size += 2 * vector
    plan.line = (up(plan.block.x, vector) + 1) * vector
    plan.made_size = layer.x.phases * plan.line


cdef inline void set_lanes(const Layer* layer, Blocking* plan, Py_ssize_t rows,
                           Py_ssize_t columns) noexcept nogil:
    """Cut the pixels into blocks that, transposed, fit the second cache with their results."""
    cdef Py_ssize_t item = item_bytes(layer)
    cdef Py_ssize_t vector = plan.vector
    cdef double bytes, made
    plan.fits = (layer.co == 1 and layer.groups >= vector
                 and plan.source.x == plan.target.x == 1
                 and layer.z.phases == layer.z.step and layer.y.phases == layer.y.step
                 and layer.x.phases == layer.x.step)
    plan.planes, plan.block.x = 1, plan.pixels.x if columns == 0 else columns
    while True:
        plan.row = (layer.x.span + (plan.block.x - 1) * layer.x.input_step) * vector
        bytes = <double>plan.row * item
        if (bytes * layer.y.span * layer.z.span <= LANES_BYTES or columns > 0
                or plan.block.x <= 16):
            break
        plan.block.x = up(plan.block.x, 2)
    if last_columns(plan) < UPSHAPE_LEAST_SLIDING:
        plan.tile = TAPS
    made = <double>plan.block.x * layer.y.step * layer.x.step * vector * item
    plan.fits = (plan.fits and bytes * layer.y.span * layer.z.span <= MOST_BYTES
                 and made <= MOST_BYTES)
    if not plan.fits:
        return
    plan.c_blocks = up(layer.groups, vector)
    set_block_rows(layer, plan, bytes, LANES_BYTES, 1, rows)
    plan.depth = plan.row * (layer.y.span + (plan.block.y - 1) * layer.y.input_step)
    plan.patch_size = plan.depth * (layer.z.span + (plan.block.z - 1) * layer.z.input_step)
    plan.chunk = <Py_ssize_t>max(min(MADE_BYTES / made, <double>plan.block.y), 1)
    plan.made_size = plan.chunk * plan.block.x * layer.y.step * layer.x.step + vector
    plan.made_size *= vector
