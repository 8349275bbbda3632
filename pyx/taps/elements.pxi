"""Single elements: what is left of a row, and rows that nothing else suits."""

from libc.stdint cimport int16_t, int32_t, int8_t, uint8_t

from shorts cimport scaled_one


cdef inline int16_t fixed_element(const pixel_t* p, Py_ssize_t apart, const pixel_t** row,
                                  Py_ssize_t j, const Axis* axis, Py_ssize_t at) noexcept nogil:
    """Sum one element: of rows, or, where those are NULL, of a row's pixels from `p` on."""
    cdef const int16_t* weight = <const int16_t*>axis.weight + at * axis.stride
    cdef const int8_t* tiny = <const int8_t*>weight
    cdef int32_t sum = 0, value
    cdef Py_ssize_t k, pair
    for k in range(axis.taps[at]):
        value = widened(row[k] + j if row != NULL else p + k * apart, <int16_t>0)
        if axis.way == PAIRS:
            pair = k // 2 * 2 * axis.copies
            sum += value * weight[pair + k % 2] * (1 << axis.split)
            if axis.split > 0:
                sum += value * weight[axis.stride // 2 + pair + k % 2]
        elif axis.way == FLOORED:
            sum += (value * weight[axis.copies * k]) >> 16
        elif axis.way == TINY:
            sum += value * tiny[k // 2 * 4 + k % 2]
        else:
            value <<= axis.lift if pixel_t is uint8_t else 0
            sum += (value * weight[axis.copies * k] + 0x4000) >> 15
    if axis.way == PAIRS:
        sum = scaled_one(sum, axis.shift, axis.more)
        return sum if axis.most_line < 0 else min(max(sum, 0), axis.most_line)
    if axis.way == FLOORED:
        return 2 * sum + 1
    if axis.way == TINY and axis.scale[at] != 0:
        return (sum * axis.scale[at] + 0x4000) >> 15
    return sum << axis.scale[at] if axis.way == ROUNDED else sum


cdef void spread_row(work_t* to, const pixel_t* row, const Axis* w, Py_ssize_t channels,
                     Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Make the pixels `first` to `last` - 1 of one row, element by element."""
    cdef Py_ssize_t x, c, k
    cdef const pixel_t* from_
    cdef const work_t* weight
    cdef work_t sum
    for x in range(first, last):
        weight = <const work_t*>w.weight + x * w.stride
        for c in range(channels):
            from_ = row + w.first[x] * channels + c
            if work_t is int16_t:
                to[0] = fixed_element(from_, channels, <const pixel_t**>NULL, 0, w, x)
            else:
                sum = 0
                if w.taps[x] > 0:
                    sum = widened(from_, sum) * weight[0]
                for k in range(1, w.taps[x]):
                    sum = plus_one(sum, widened(from_ + k * channels, sum), weight[k])
                to[0] = sum
            to += 1
