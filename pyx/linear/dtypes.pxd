"""One body for all dtypes: what an element of the arrays and one of the line have in common."""

from libc.stdint cimport uint16_t, uint8_t

from vector cimport (
    add_doubles,
    add_floats,
    float_to_half,
    half_to_float,
    load,
    mix_double,
    mix_doubles,
    mix_float,
    mix_floats,
    narrow_byte,
    narrow_half,
    round_byte,
    splat_double,
    splat_float,
    store,
    stream_store,
    widen_byte,
    widen_half,
    words,
)

ctypedef fused pixel_t:  # an element of the arrays
    float
    double
    uint8_t
    uint16_t  # float16's bits

ctypedef fused work_t:  # an element of the line: double for double, else float
    float
    double


cdef inline words widen(const pixel_t* p) noexcept nogil:
    if pixel_t is uint8_t:
        return widen_byte(p)
    elif pixel_t is uint16_t:
        return widen_half(p)
    else:
        return load(p)


cdef inline void narrow(pixel_t* p, words v) noexcept nogil:
    if pixel_t is uint8_t:
        narrow_byte(p, v)
    elif pixel_t is uint16_t:
        narrow_half(p, v)
    else:
        store(p, v)


cdef inline void put(pixel_t* p, words v, bint past) noexcept nogil:
    """Store a vector, past the cache if so wished and if elements are not narrowed."""
    if pixel_t is float or pixel_t is double:
        if past:
            stream_store(p, v)
            return
    narrow(p, v)


cdef inline work_t widened(const pixel_t* p, work_t like) noexcept nogil:
    if pixel_t is uint16_t:
        return half_to_float(p[0])
    else:
        return p[0]


cdef inline pixel_t narrowed(work_t value, pixel_t like) noexcept nogil:
    if pixel_t is uint8_t:
        return round_byte(value)
    elif pixel_t is uint16_t:
        return float_to_half(value)
    else:
        return <pixel_t>value


cdef inline words splat(work_t value) noexcept nogil:
    if work_t is double:
        return splat_double(value)
    else:
        return splat_float(value)


cdef inline words mix(words a, words b, words u, words v, work_t like) noexcept nogil:
    if work_t is double:
        return mix_doubles(a, b, u, v)
    else:
        return mix_floats(a, b, u, v)


cdef inline work_t mixed(work_t a, work_t b, work_t u, work_t v) noexcept nogil:
    if work_t is double:
        return mix_double(a, b, u, v)
    else:
        return mix_float(a, b, u, v)


cdef inline words add(words a, words b, work_t like) noexcept nogil:
    if work_t is double:
        return add_doubles(a, b)
    else:
        return add_floats(a, b)
