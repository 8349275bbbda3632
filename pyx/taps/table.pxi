"""What the loops of taps are handed: the tables of a plan, a thread's memory, where it works."""

from libc.stdint cimport int16_t, int64_t

from couples cimport couples, coupling

# Lanes of the widest vectors.
cdef enum:
    MOST_LANES = 16

# How sums are formed in fixed point.
cdef enum Way:
    PAIRS  # products of two taps, 32 bits: weights are pairs
    ROUNDED  # products of 16 bits, each rounded: a weight is stored twice
    TINY  # weights of 8 bits, fractions with a small denominator
    FLOORED  # products of 16 bits, each rounded down, and twice their sum and 1: a tie is above it

# What becomes of elements that are near a tie: another library's sums decide about them.
cdef enum Mending:
    LEFT  # as they are
    EXACT  # across is exact, and so is down, halves up; or a sum of float32, the last product first
    CHAINED  # sums of float32, first product first, across and then down
    WHOLE  # means of whole pixels: their sum, times what float32 has for one by their number

# The table of an axis, zeros at the ends of the weights left out.
cdef struct Axis:
    Py_ssize_t count, source  # pixels of the result and of the source
    Py_ssize_t most  # taps of a pixel, at most
    bint copied
    const int64_t* first
    const int64_t* taps
    const char* weight  # `stride` a pixel, as wide as an element of a line
    Py_ssize_t stride
    const int64_t* place  # quads: elements before a pixel's weights; pixels alike share them
    couples couples
    Py_ssize_t copies  # fixed point: how often a weight, or a pair of weights, is repeated
    int shift  # fixed point: sums are divided by 2^shift
    int more  # PAIRS: what is added to a sum before; half of 2^shift rounds, 0 rounds down
    int split  # PAIRS: weights of more than 16 bits are two, and the first counts 2^split times
    Way way
    # TINY: what a pixel's sums are multiplied with, times 2^15; 0: nothing. ROUNDED: how often they
    # are doubled: half the weights are laid out for a pixel with one above 1.
    const int16_t* scale
    const int16_t* factor  # ROUNDED, quads: 1 or 2 for each element of a pixel, as `scale` says
    int lift  # ROUNDED: what bytes are multiplied with first, as a power of two
    int most_line  # fixed point: what an element of a line is at most, 0 at least; -1: anything

cdef struct Table:
    Axis d
    Axis h
    Axis w
    bint across_first
    Py_ssize_t channels, spacing  # elements of a pixel, from one to the next in the result
    float most_byte  # what bytes of the result are at most: 1 for bool
    int fraction  # fixed point: binary digits of a line's elements behind the point
    bint rounded  # every pass gives integers
    Mending mended
    float tie  # how near to a tie elements are mended: sums of float32 are less off
    Py_ssize_t chained  # EXACT: elements of a row that are sums of float32
    Py_ssize_t group  # rows that go across together
    Py_ssize_t strips
    const Py_ssize_t* strip  # for each: its first pixel, the first and the last + 1 of the source
    Py_ssize_t longest, longest_source  # elements of a strip, at most
    bint transposed  # rows are transposed to go across
    bint halved  # each pixel is the mean of 2 x 2: down and across at once
    bint quads  # pixels of four elements go across one by one, two rows at a time
    bint coupled  # rows are transposed by couples to go across
    coupling coupling
    # The pixels regular_from to regular_to - 1 of a row repeat themselves: `period` later, a pixel
    # has the same weights, for the source's pixels `step` further on. 0: they do not.
    Py_ssize_t period, step, regular_from, regular_to
    Py_ssize_t phase_source, phase_result  # bytes of a phase of a strip
    Py_ssize_t ring, deep_ring  # lines of the ring between down and across, and before both

# A thread's memory: its parts, in the order in which they lie, as Desk has them.
cdef enum:
    IN_TRANSPOSED, IN_PHASES, IN_PHASES_MADE, IN_RING, IN_DEEP, IN_LINE, IN_STAGE, IN_ROW
    PARTS

cdef struct Desk:
    char* transposed  # or a row of bytes, lifted
    char* phases
    char* phases_made
    char* ring
    char* deep
    char* line
    char* stage  # NULL: results are not written past the cache
    const char** row  # taps of a pixel
    const char* start
    const char* end

# The part of the work that a strip of a plane's rows is: where they stand.
cdef struct Plane:
    const char* source  # of the plane: n, m (and d, where that is copied)
    char* result  # of the plane: n, m, d
    Py_ssize_t d
    Py_ssize_t first, last  # pixels of the strip
    Py_ssize_t low, high  # pixels of the source's strip
    Py_ssize_t made_from, made_to  # source rows whose lines are in the deep ring
