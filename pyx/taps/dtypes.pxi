"""One body for all dtypes: an element of the arrays becomes one of a line, and back.

`like` names the type where no argument does.
"""

from libc.stdint cimport int16_t, int32_t, int8_t, uint16_t, uint8_t

from shorts cimport UPSHAPE_SHORTS, eight_bytes, eight_shorts, load_shorts, shorts, widen_to_shorts
from transposes cimport (
    half,
    plus_double,
    plus_doubles,
    plus_float,
    plus_floats,
    times_doubles,
    times_floats,
    transpose_doubles,
    transpose_floats,
    widen_int16,
    widen_int32,
    widen_int8,
    widen_uint16,
)
from vector cimport (
    UPSHAPE_VECTOR_BYTES,
    half_to_float,
    load,
    splat_double,
    splat_float,
    widen_byte,
    widen_half,
    words,
)

ctypedef fused pixel_t:  # an element of the arrays
    float
    double
    half
    uint8_t
    int8_t
    int16_t
    uint16_t
    int32_t

ctypedef fused work_t:  # an element of a line
    float
    double
    int16_t  # fixed point


cdef inline words widen(const pixel_t* p, work_t like) noexcept nogil:
    cdef double[8] values
    cdef Py_ssize_t j
    if pixel_t is uint8_t and work_t is double:
        for j in range(UPSHAPE_VECTOR_BYTES // 8):
            values[j] = p[j]
        return load(values)
    elif pixel_t is uint8_t:
        return widen_byte(p)
    elif pixel_t is half:
        return widen_half(<const uint16_t*>p)
    elif pixel_t is int8_t:
        return widen_int8(p)
    elif pixel_t is int16_t:
        return widen_int16(p)
    elif pixel_t is uint16_t:
        return widen_uint16(p)
    elif pixel_t is int32_t:
        return widen_int32(p)
    else:
        return load(p)


cdef inline work_t widened(const pixel_t* p, work_t like) noexcept nogil:
    if pixel_t is half:
        return <work_t>half_to_float(p[0].bits)
    else:
        return <work_t>p[0]


cdef inline words splat(work_t value) noexcept nogil:
    if work_t is double:
        return splat_double(value)
    else:
        return splat_float(value)


cdef inline words times(words a, words b, work_t like) noexcept nogil:
    if work_t is double:
        return times_doubles(a, b)
    else:
        return times_floats(a, b)


cdef inline words plus(words sum, words a, words b, work_t like) noexcept nogil:
    if work_t is double:
        return plus_doubles(sum, a, b)
    else:
        return plus_floats(sum, a, b)


cdef inline work_t plus_one(work_t sum, work_t a, work_t b) noexcept nogil:
    if work_t is double:
        return plus_double(sum, a, b)
    else:
        return <work_t>plus_float(sum, a, b)


cdef inline void transpose_block(words* block, work_t like) noexcept nogil:
    if work_t is double:
        transpose_doubles(block)
    else:
        transpose_floats(block)


cdef inline Py_ssize_t lanes_of(work_t like) noexcept nogil:
    """Return how many rows go across together."""
    return UPSHAPE_SHORTS if work_t is int16_t else UPSHAPE_VECTOR_BYTES // sizeof(work_t)


cdef inline shorts shorts_of(const pixel_t* p) noexcept nogil:
    return widen_to_shorts(<const uint8_t*>p) if pixel_t is uint8_t else load_shorts(
        <const int16_t*>p)


cdef inline shorts eights_of(const pixel_t* p, const pixel_t* q) noexcept nogil:
    return eight_bytes(<const uint8_t*>p, <const uint8_t*>q) if pixel_t is uint8_t else (
        eight_shorts(<const int16_t*>p, <const int16_t*>q))
