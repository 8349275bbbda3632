"""Down and across at once: means of 2 x 2 pixels."""

from libc.stdint cimport int16_t, uint8_t

from pairs cimport add_squares, part_pixels, parting, parting_of, squares, squares_of
from phases cimport fetch
from shorts cimport UPSHAPE_SHORTS
from vector cimport UPSHAPE_VECTOR_BYTES, store, words


cdef inline words mean_of_rows(const pixel_t* p, const pixel_t* q, work_t weight) noexcept nogil:
    cdef words half_of_p = times(widen(p, weight), splat(weight), weight)
    return plus(half_of_p, widen(q, weight), splat(weight), weight)


cdef inline void halve_vector(work_t* line, const pixel_t* p, const pixel_t* q,
                              const parting* by) noexcept nogil:
    """Make a vector of a line."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef work_t weight = <work_t>0.5
    cdef words even = mean_of_rows(p, q, weight), odd = mean_of_rows(p + lanes, q + lanes, weight)
    part_pixels(&even, &odd, by)
    store(line, plus(times(even, splat(weight), weight), odd, splat(weight), weight))


cdef void halve_reals(work_t* line, const pixel_t* p, const pixel_t* q, Py_ssize_t count,
                      Py_ssize_t channels, Py_ssize_t ahead) noexcept nogil:
    """Make so many elements of two rows; a vector holds whole pixels.

    Meanwhile ask for what lies so many bytes ahead of either row.
    """
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), j = 0, at
    cdef parting by = parting_of(channels * <Py_ssize_t>sizeof(work_t))
    cdef work_t weight = <work_t>0.5, even, odd
    while j + lanes <= count:
        fetch(<const char*>(p + 2 * j) + ahead)
        fetch(<const char*>(q + 2 * j) + ahead)
        halve_vector(line + j, p + 2 * j, q + 2 * j, &by)
        j += lanes
    if j < count and count >= lanes:
        j = count - lanes
        halve_vector(line + j, p + 2 * j, q + 2 * j, &by)
        return
    for j in range(j, count):
        at = j // channels * 2 * channels + j % channels
        even = plus_one(widened(p + at, weight) * weight, widened(q + at, weight), weight)
        at += channels
        odd = plus_one(widened(p + at, weight) * weight, widened(q + at, weight), weight)
        line[j] = plus_one(even * weight, odd, weight)


cdef void halve_bytes(int16_t* line, const uint8_t* p, const uint8_t* q, Py_ssize_t count,
                      Py_ssize_t channels, Py_ssize_t ahead) noexcept nogil:
    """The same in fixed point: four times the mean."""
    cdef Py_ssize_t j = 0, at
    cdef squares by = squares_of(channels)
    while j + by.made + 8 <= count:
        fetch(p + 2 * j + ahead)
        fetch(q + 2 * j + ahead)
        add_squares(line + j, p + 2 * j, q + 2 * j, &by)
        j += UPSHAPE_SHORTS // 8 * by.made
    for j in range(j, count):
        at = j // channels * 2 * channels + j % channels
        line[j] = p[at] + p[at + channels] + q[at] + q[at + channels]
