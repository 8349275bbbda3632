"""What the loops of linear interpolation are handed: the tables of a plan, and the rows of a blend.

No convention is known here: low and t are the lower neighbours along an axis and the distances from
them, and all else is made of these (find.pxd).
"""

from libc.stdint cimport int64_t, uint8_t

from rows cimport Rows
from vector cimport division

cdef enum Kind:
    COPY  # width unchanged
    WINDOWS  # by vectors that are permutations of windows of the source
    LINES  # by vectors that are permutations of windows of stored lines
    SUMS  # windows of uint8 whose weights are fractions with small denominators, in 16 bits
    CHANNELS  # by vectors of channels
    CHANNEL_SUMS  # the same for uint8 in 16 bits
    ELEMENTS  # element by element

# How far apart the sources of a vector may lie. WINDOWS: NEAR or APART; SUMS: NEAR, 16 elements are
# made of one window, or APART, eight are.
cdef enum Reach:
    SAME  # width unchanged: the line is the row
    NEAR  # lower and upper neighbours within a vector of the line
    APART  # the lower ones within a vector, the upper ones within another
    WIDE  # all within two vectors that follow each other
    WIDE_APART  # the lower ones within two vectors, the upper ones within two others
    WIDER_APART  # the same with four vectors
    FAR  # anywhere

# Lanes of the widest vectors.
cdef enum:
    MOST_LANES = 16

# Which elements of the result a step stands for, how the line is spread.
cdef struct Table:
    Kind kind
    bint exact  # float32 holds every mean of uint8 exactly
    Py_ssize_t channels, spacing  # elements of a pixel, from one to the next in the result
    Py_ssize_t width, source_width  # pixels
    Py_ssize_t lanes  # elements of a vector of the line
    Py_ssize_t tiles
    Py_ssize_t doubts  # at most, of a row of a tile, or of a group of rows
    Py_ssize_t doubts_at  # bytes from the line to them
    Py_ssize_t* tile  # for each tile: its first step, the first and the last + 1 pixel of the line
    int64_t* low
    double* t
    Py_ssize_t rows  # LINES: rows of the result that one line stands for, one after another
    Py_ssize_t group  # LINES: rows of the result that are blended before they are spread
    Reach reach
    bint few  # WINDOWS: rows of so few vectors that few_vectors makes them
    int64_t* base  # where the windows of lower and of upper pixels begin, in elements
    int64_t* upper
    uint8_t* order  # SUMS: which bytes of the windows, in pairs
    Py_ssize_t even, odd  # from vector `even` to `odd` - 1 windows advance evenly,
    Py_ssize_t advance  # by so many elements, and all else is alike
    division by_mean  # SUMS: by what the weights of h and w make together
    int whole  # SUMS: what a pair of weights of w makes
    uint8_t* weight  # SUMS: in pairs
    char* by  # for each vector: how lower, how upper pixels are permuted; their weights
    char* u  # weights of the lower and of the upper pixels, where steps are pixels
    char* v

# The lower neighbours along d or h and the distances from them; t NULL: an axis that is copied.
cdef struct Axis:
    const int64_t* low
    const double* t
    double* weight  # of the lower neighbour and of the next, in pairs
    char* as_work  # the same, as numbers of the line
    Py_ssize_t count, last
    Py_ssize_t even, odd  # from `even` to `odd` - 1 pairs lie between the same two, by the weights
    # of the pair before and one on from it

# Elements of a vector of uint8 that are near a tie.
cdef struct Doubt:
    Py_ssize_t at  # the vector's first element, from where the tile begins
    unsigned lanes  # a bit for each element

# What one row is blended from.
cdef struct Taps:
    int count
    const char* row[4]
    double weight[4]


# The plane of the source that a plane of the result lies on, or the two that it lies between.
cdef struct Planes:
    const char* low
    Py_ssize_t apart
    double weight[2]


cdef inline Planes planes_of(const char* volume, const Axis* d, const Rows* rows, Py_ssize_t at,
                             bint deep) noexcept nogil:
    """Return them. deep: there are two."""
    cdef Planes planes
    planes.low = volume + d.low[at] * rows.src_d
    planes.apart = 0
    planes.weight = [1.0, 0.0]
    if deep:
        planes.apart = rows.src_d if d.low[at] < d.last else 0
        planes.weight = [d.weight[2 * at], d.weight[2 * at + 1]]
    return planes


cdef inline void taps_of(Taps* taps, const Planes* planes, const Axis* h, Py_ssize_t stride,
                         Py_ssize_t at, bint deep, bint high) noexcept nogil:
    """Note the source rows that a row is blended from, and their weights.

    stride: bytes from one to the next; deep, high: it lies between two along d, along h.
    """
    cdef const double* of_h = h.weight + 2 * at if high else NULL
    cdef Py_ssize_t apart = stride if high and h.low[at] < h.last else 0
    taps.count = (2 if deep else 1) * (2 if high else 1)
    taps.row[0] = planes.low + h.low[at] * stride
    taps.row[1] = taps.row[0] + (apart if high else planes.apart)
    if deep and high:
        taps.row[2] = taps.row[0] + planes.apart
        taps.row[3] = taps.row[1] + planes.apart
        taps.weight[0] = planes.weight[0] * of_h[0]
        taps.weight[1] = planes.weight[0] * of_h[1]
        taps.weight[2] = planes.weight[1] * of_h[0]
        taps.weight[3] = planes.weight[1] * of_h[1]
    elif high:
        taps.weight[0] = of_h[0]
        taps.weight[1] = of_h[1]
    else:
        taps.weight[0] = planes.weight[0]
        taps.weight[1] = planes.weight[1]
