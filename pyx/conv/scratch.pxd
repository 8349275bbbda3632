"""The working memory of a thread: its parts, their sizes, and where they are."""

from check cimport cut, part_bytes
from layer cimport COL2IM, IM2COL, Blocking, Layer, Run
from pack cimport MOST_PIECES
from tile cimport UPSHAPE_TILE_REGISTERS, piece_t

# The parts, in the order in which they lie.
cdef enum:
    PATCH    # the pixels that tiles read, for all input channels of a block
    SUMS     # sums that wait for the next input channels, or to be placed
    PLACED   # transposed sums, on their way into the result
    TILE     # a tile's sums
    LINE     # a line of the bias, or the phases of a row
    PIECES   # what im2col copies of a channel
    RUNS     # where the pixels of a block are, and the same with joined rows
    PARTS

cdef struct Space:
    char* patch
    char* sums
    char* placed
    char* tile
    char* line
    piece_t* pieces
    Run* runs


cdef inline Py_ssize_t lines_of(const Layer* layer) noexcept nogil:
    """Return how many lines are made beside a row of the result."""
    return layer.sx if layer.order == COL2IM else 1


cdef inline void part_sizes(const Layer* layer, const Blocking* plan, size_t* bytes) noexcept nogil:
    """Fill in what each part takes."""
    cdef size_t item = 4 if layer.single else 8
    bytes[PATCH] = plan.patch_size * item
    bytes[SUMS] = plan.sums_size * item
    bytes[PLACED] = plan.placed_size * item
    bytes[TILE] = 2 * UPSHAPE_TILE_REGISTERS * plan.vector * item
    bytes[LINE] = lines_of(layer) * plan.line * item
    bytes[PIECES] = MOST_PIECES * sizeof(piece_t) if plan.source == IM2COL else 0
    bytes[RUNS] = 2 * plan.most_runs * sizeof(Run)


cdef inline size_t space_bytes(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return what a thread's parts take, in whole pages: threads share none."""
    cdef size_t[PARTS] bytes
    cdef size_t total = 0
    cdef int part
    part_sizes(layer, plan, bytes)
    for part in range(PARTS):
        total += part_bytes(bytes[part])
    return (total + 4095) // 4096 * 4096


cdef inline Space space_at(const Layer* layer, const Blocking* plan, char** here) noexcept nogil:
    """Cut a thread's parts, from `here` on, which moves behind them."""
    cdef size_t[PARTS] bytes
    cdef Space space
    part_sizes(layer, plan, bytes)
    space.patch = cut(here, bytes[PATCH])
    space.sums = cut(here, bytes[SUMS])
    space.placed = cut(here, bytes[PLACED])
    space.tile = cut(here, bytes[TILE])
    space.line = cut(here, bytes[LINE])
    space.pieces = <piece_t*>cut(here, bytes[PIECES])
    space.runs = <Run*>cut(here, bytes[RUNS])
    return space
