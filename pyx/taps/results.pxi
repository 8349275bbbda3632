"""Results: a line becomes a row of the result, rounded to what that holds."""

from libc.stdint cimport int16_t, int32_t, int8_t, uint16_t, uint8_t

from shorts cimport UPSHAPE_SHORTS, narrow_short, narrow_shorts
from transposes cimport clamp_byte, half, to_integer
from vector cimport (
    UPSHAPE_VECTOR_BYTES,
    float_to_half,
    load,
    narrow_byte,
    narrow_half,
    round_byte,
    stream,
)


cdef inline void narrowed(pixel_t* p, work_t value, const Table* t) noexcept nogil:
    """Round an element of a line to what the result holds; bytes to no more than `most_byte`."""
    if pixel_t is half:
        p[0].bits = float_to_half(value)
    elif pixel_t is uint8_t and work_t is int16_t:
        p[0] = narrow_short(value, t.fraction, <int>t.most_byte)
    elif pixel_t is uint8_t:
        p[0] = round_byte(min(max(<float>value, 0.0), t.most_byte))
    elif pixel_t is int8_t:
        p[0] = <int8_t>to_integer(value, -128.0, 127.0)
    elif pixel_t is int16_t:
        p[0] = <int16_t>to_integer(value, -32768.0, 32767.0)
    elif pixel_t is uint16_t:
        p[0] = <uint16_t>to_integer(value, 0.0, 65535.0)
    elif pixel_t is int32_t:
        p[0] = <int32_t>to_integer(value, -2147483648.0, 2147483647.0)
    else:
        p[0] = <pixel_t>value


cdef inline bint alike(pixel_t* a, work_t b) noexcept nogil:
    """Return whether a line is what the result holds."""
    return (pixel_t is float and work_t is float) or (pixel_t is double and work_t is double)


cdef void narrow(pixel_t* to, const work_t* line, Py_ssize_t count,
                 const Table* t) noexcept nogil:
    """Round a line to what the result holds."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), j = 0
    cdef float most = t.most_byte
    cdef int fraction = t.fraction
    if pixel_t is uint8_t and work_t is int16_t:
        while j + 2 * UPSHAPE_SHORTS <= count:
            narrow_shorts(to + j, line + j, fraction, <int>most)
            j += 2 * UPSHAPE_SHORTS
    elif pixel_t is uint8_t and work_t is float:
        while j + lanes <= count:
            narrow_byte(to + j, clamp_byte(load(line + j), most))
            j += lanes
    elif pixel_t is half and work_t is float:
        while j + lanes <= count:
            narrow_half(<uint16_t*>to + j, load(line + j))
            j += lanes
    for j in range(j, count):
        narrowed(to + j, line[j], t)


cdef void put(pixel_t* to, const work_t* line, Py_ssize_t count, const Table* t,
              char* stage) noexcept nogil:
    """Write a strip of a row of the result, `to` being where it begins there."""
    cdef Py_ssize_t x, c
    if t.spacing != t.channels:
        for x in range(count // t.channels):
            for c in range(t.channels):
                narrowed(to + x * t.spacing + c, line[x * t.channels + c], t)
    elif stage == NULL:
        if <const void*>to != <const void*>line:
            narrow(to, line, count, t)
    elif alike(to, <work_t>0):
        stream(<char*>to, <const char*>line, count * sizeof(pixel_t))
    else:
        narrow(<pixel_t*>stage, line, count, t)
        stream(<char*>to, stage, count * sizeof(pixel_t))


cdef inline work_t* line_of(pixel_t* to, work_t* line, const Table* t, char* stage) noexcept nogil:
    """Return where a strip's sums go: where the result is, if nothing is left to do with them."""
    if alike(to, <work_t>0) and stage == NULL and t.spacing == t.channels:
        return <work_t*>to
    return line
