"""Through and down: a line as a sum of rows, vector by vector."""

from libc.stdint cimport int16_t, uint8_t
from libc.string cimport memset

from shorts cimport (
    UPSHAPE_SHORTS,
    UPSHAPE_WIDE,
    above,
    add_floored,
    add_four_rounded,
    add_products,
    add_products_of_bytes,
    add_rounded,
    add_tiny,
    add_wide,
    clamp_shorts,
    join_sums,
    join_wide,
    lift,
    load_shorts,
    no_shorts,
    no_sums,
    no_sums_of_bytes,
    no_tiny_sums,
    no_wide,
    no_wide_sums,
    scaled,
    shorts,
    splat_pair,
    splat_short,
    splat_wide_pair,
    store_four,
    store_scaled,
    store_shorts,
    store_tiny,
    store_wide,
    sums32,
    sums_of_bytes,
    tiny_sums,
    wide,
    wide_pair,
    wide_sums,
    wide_zip,
    zip_wide,
)
from transposes cimport half
from vector cimport UPSHAPE_VECTOR_BYTES, store, words


cdef inline void blend_vector(work_t* line, const pixel_t** row, const work_t* weight,
                              Py_ssize_t taps, Py_ssize_t j) noexcept nogil:
    cdef words sum = times(widen(row[0] + j, weight[0]), splat(weight[0]), weight[0])
    cdef Py_ssize_t k
    for k in range(1, taps):
        sum = plus(sum, widen(row[k] + j, weight[0]), splat(weight[k]), weight[0])
    store(line + j, sum)


cdef void blend_reals(work_t* line, const pixel_t** row, const work_t* weight, Py_ssize_t taps,
                      Py_ssize_t count) noexcept nogil:
    """Add up so many elements of rows, four vectors at a time."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t j = 0, k
    cdef words a, b, c, d, w
    cdef work_t sum
    while j + 4 * lanes <= count:
        w = splat(weight[0])
        a = times(widen(row[0] + j, weight[0]), w, weight[0])
        b = times(widen(row[0] + j + lanes, weight[0]), w, weight[0])
        c = times(widen(row[0] + j + 2 * lanes, weight[0]), w, weight[0])
        d = times(widen(row[0] + j + 3 * lanes, weight[0]), w, weight[0])
        for k in range(1, taps):
            w = splat(weight[k])
            a = plus(a, widen(row[k] + j, weight[0]), w, weight[0])
            b = plus(b, widen(row[k] + j + lanes, weight[0]), w, weight[0])
            c = plus(c, widen(row[k] + j + 2 * lanes, weight[0]), w, weight[0])
            d = plus(d, widen(row[k] + j + 3 * lanes, weight[0]), w, weight[0])
        store(line + j, a)
        store(line + j + lanes, b)
        store(line + j + 2 * lanes, c)
        store(line + j + 3 * lanes, d)
        j += 4 * lanes
    while j + lanes <= count:
        blend_vector(line, row, weight, taps, j)
        j += lanes
    if j < count and count >= lanes:
        blend_vector(line, row, weight, taps, count - lanes)
        return
    while j < count:
        sum = widened(row[0] + j, weight[0]) * weight[0]
        for k in range(1, taps):
            sum = plus_one(sum, widened(row[k] + j, weight[0]), weight[k])
        line[j] = sum
        j += 1


cdef inline shorts scaled_line(sums32 sum, const Axis* axis) noexcept nogil:
    cdef shorts value = scaled(sum, axis.shift, axis.more)
    return value if axis.most_line < 0 else clamp_shorts(value, axis.most_line)


cdef inline void blend_tiny(int16_t* line, const uint8_t** row, const int16_t* weight,
                            Py_ssize_t pairs, int scale, Py_ssize_t j) noexcept nogil:
    """Make four vectors of a line."""
    cdef tiny_sums sum = no_tiny_sums()
    cdef Py_ssize_t k
    for k in range(pairs):
        add_tiny(&sum, row[2 * k] + j, row[2 * k + 1] + j, weight + 2 * k)
    store_tiny(line + j, &sum, scale)


cdef inline void blend_bytes(int16_t* line, const uint8_t** row, const Axis* axis,
                             const int16_t* weight, Py_ssize_t pairs, Py_ssize_t j,
                             bint twice) noexcept nogil:
    """Make two wide vectors of a line, or four."""
    cdef sums_of_bytes a = no_sums_of_bytes(), b = no_sums_of_bytes()
    cdef wide_pair w
    cdef const uint8_t* p
    cdef const uint8_t* q
    cdef Py_ssize_t k
    for k in range(pairs):
        w = splat_wide_pair(weight + 2 * k)
        p = row[2 * k] + j
        q = row[2 * k + 1] + j
        add_products_of_bytes(&a, p, q, w)
        if twice:
            add_products_of_bytes(&b, p + 2 * UPSHAPE_WIDE, q + 2 * UPSHAPE_WIDE, w)
    store_scaled(line + j, &a, axis.shift, axis.more, axis.most_line)
    if twice:
        store_scaled(line + j + 2 * UPSHAPE_WIDE, &b, axis.shift, axis.more, axis.most_line)


cdef inline void blend_shorts(int16_t* line, const pixel_t** row, const Axis* axis,
                              const int16_t* weight, Py_ssize_t pairs,
                              Py_ssize_t j) noexcept nogil:
    """Make a vector of a line."""
    cdef sums32 sum = no_sums(), low = no_sums()
    cdef const int16_t* weight_too = weight + axis.stride // 2
    cdef shorts a, b
    cdef Py_ssize_t k
    if axis.split > 0:
        for k in range(pairs):
            a = shorts_of(row[2 * k] + j)
            b = shorts_of(row[2 * k + 1] + j)
            sum = add_products(sum, a, b, splat_pair(weight + 2 * k))
            low = add_products(low, a, b, splat_pair(weight_too + 2 * k))
        sum = join_sums(sum, low, axis.split)
    else:
        for k in range(pairs):
            sum = add_products(sum, shorts_of(row[2 * k] + j), shorts_of(row[2 * k + 1] + j),
                               splat_pair(weight + 2 * k))
    store_shorts(line + j, scaled_line(sum, axis))


cdef inline void blend_two_wide(int16_t* line, const int16_t** row, const Axis* axis,
                                const int16_t* weight, Py_ssize_t pairs, Py_ssize_t j,
                                bint split) noexcept nogil:
    """Make two wide vectors of a line."""
    cdef wide_sums[2] sum, low
    cdef wide_zip[2] zipped
    cdef Py_ssize_t half = axis.stride // 2, i, k
    for i in range(2):
        sum[i] = low[i] = no_wide_sums()
    for k in range(pairs):
        for i in range(2):
            zipped[i] = zip_wide(row[2 * k] + j + i * UPSHAPE_WIDE,
                                 row[2 * k + 1] + j + i * UPSHAPE_WIDE)
            sum[i] = add_wide(sum[i], zipped[i], splat_wide_pair(weight + 2 * k))
            if split:
                low[i] = add_wide(low[i], zipped[i], splat_wide_pair(weight + half + 2 * k))
    for i in range(2):
        if split:
            sum[i] = join_wide(sum[i], low[i], axis.split)
        store_wide(line + j + i * UPSHAPE_WIDE, sum[i], axis.shift, axis.more, axis.most_line)


cdef inline void blend_four_rounded(int16_t* line, const int16_t** row, const int16_t* weight,
                                    Py_ssize_t taps, int doubled, Py_ssize_t j) noexcept nogil:
    """Make four wide vectors of a line."""
    cdef wide[4] sum
    cdef Py_ssize_t k
    for k in range(4):
        sum[k] = no_wide()
    for k in range(taps):
        add_four_rounded(sum, row[k] + j, weight + 2 * k)
    store_four(line + j, sum, doubled)


cdef inline void blend_rounded(int16_t* line, const pixel_t** row, const Axis* axis,
                               const int16_t* weight, Py_ssize_t taps, int doubled,
                               Py_ssize_t j) noexcept nogil:
    """Make a vector of a line."""
    cdef shorts sum = no_shorts()
    cdef Py_ssize_t k
    for k in range(taps):
        sum = add_rounded(sum, lift(shorts_of(row[k] + j), axis.lift if pixel_t is uint8_t else 0),
                          splat_short(weight + 2 * k))
    store_shorts(line + j, lift(sum, doubled))


cdef inline void blend_floored(int16_t* line, const int16_t** row, const int16_t* weight,
                               Py_ssize_t taps, Py_ssize_t j) noexcept nogil:
    """Make four vectors of a line."""
    cdef shorts[4] sum
    cdef shorts w
    cdef Py_ssize_t k, g
    for g in range(4):
        sum[g] = no_shorts()
    for k in range(taps):
        w = splat_short(weight + 2 * k)
        for g in range(4):
            sum[g] = add_floored(sum[g], load_shorts(row[k] + j + g * UPSHAPE_SHORTS), w)
    for g in range(4):
        store_shorts(line + j + g * UPSHAPE_SHORTS, above(sum[g]))


cdef void blend_fixed(int16_t* line, const pixel_t** row, const Axis* axis, Py_ssize_t at,
                      Py_ssize_t count) noexcept nogil:
    """The same in fixed point."""
    cdef const int16_t* weight = <const int16_t*>axis.weight + at * axis.stride
    cdef Py_ssize_t taps = axis.taps[at], pairs = (taps + 1) // 2, j = 0
    if taps % 2:
        row[taps] = row[0]  # with weight 0
    if axis.way == TINY:
        if pixel_t is uint8_t:
            while j + 4 * UPSHAPE_SHORTS <= count:
                blend_tiny(line, row, weight, pairs, axis.scale[at], j)
                j += 4 * UPSHAPE_SHORTS
            if j < count and count >= 4 * UPSHAPE_SHORTS:
                blend_tiny(line, row, weight, pairs, axis.scale[at], count - 4 * UPSHAPE_SHORTS)
                return
    elif axis.way == FLOORED:
        if pixel_t is int16_t:
            while j + 4 * UPSHAPE_SHORTS <= count:
                blend_floored(line, row, weight, taps, j)
                j += 4 * UPSHAPE_SHORTS
            if j < count and count >= 4 * UPSHAPE_SHORTS:
                blend_floored(line, row, weight, taps, count - 4 * UPSHAPE_SHORTS)
                return
    elif axis.way == ROUNDED:
        if pixel_t is int16_t:
            while j + 4 * UPSHAPE_WIDE <= count:
                blend_four_rounded(line, row, weight, taps, axis.scale[at], j)
                j += 4 * UPSHAPE_WIDE
        while j + UPSHAPE_SHORTS <= count:
            blend_rounded(line, row, axis, weight, taps, axis.scale[at], j)
            j += UPSHAPE_SHORTS
        if j < count and count >= UPSHAPE_SHORTS:
            blend_rounded(line, row, axis, weight, taps, axis.scale[at], count - UPSHAPE_SHORTS)
            return
    else:
        if pixel_t is uint8_t and axis.split == 0:
            while j + 4 * UPSHAPE_WIDE <= count:
                blend_bytes(line, row, axis, weight, pairs, j, True)
                j += 4 * UPSHAPE_WIDE
            while j + 2 * UPSHAPE_WIDE <= count:
                blend_bytes(line, row, axis, weight, pairs, j, False)
                j += 2 * UPSHAPE_WIDE
            if j < count and count >= 2 * UPSHAPE_WIDE:
                blend_bytes(line, row, axis, weight, pairs, count - 2 * UPSHAPE_WIDE, False)
                return
        if pixel_t is int16_t:
            while j + 2 * UPSHAPE_WIDE <= count:
                if axis.split > 0:
                    blend_two_wide(line, row, axis, weight, pairs, j, True)
                else:
                    blend_two_wide(line, row, axis, weight, pairs, j, False)
                j += 2 * UPSHAPE_WIDE
        while j + UPSHAPE_SHORTS <= count:
            blend_shorts(line, row, axis, weight, pairs, j)
            j += UPSHAPE_SHORTS
        if j < count and count >= UPSHAPE_SHORTS:
            blend_shorts(line, row, axis, weight, pairs, count - UPSHAPE_SHORTS)
            return
    for j in range(j, count):
        line[j] = fixed_element(row[0], 0, row, j, axis, at)


cdef inline void blend(work_t* line, const pixel_t** row, const Axis* axis, Py_ssize_t at,
                       Py_ssize_t count) noexcept nogil:
    """Make a line of `count` elements: the rows that pixel `at` of an axis is made of, summed."""
    if axis.taps[at] == 0:
        memset(line, 0, count * sizeof(work_t))
    elif work_t is int16_t:
        blend_fixed(line, row, axis, at, count)
    else:
        blend_reals(line, row, <const work_t*>axis.weight + at * axis.stride, axis.taps[at], count)
