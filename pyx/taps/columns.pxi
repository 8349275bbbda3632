"""Across, rows side by side: a strip of them is transposed, so that a column is a vector.

A pixel of the result is a sum of columns, and the sums are transposed back.
"""

from libc.stdint cimport int16_t, uint8_t
from libc.string cimport memcpy, memset

from couples cimport UPSHAPE_COUPLED, couple, coupling
from shorts cimport (
    UPSHAPE_SHORTS,
    add_products,
    add_rounded,
    lift,
    load_shorts,
    no_shorts,
    no_sums,
    raise_sums,
    shorts,
    splat_pair,
    splat_short,
    store_eight,
    store_shorts,
    sums32,
    transpose_shorts,
)
from vector cimport UPSHAPE_VECTOR_BYTES, load, store, words

# Columns that are added up together: their sums stay in registers.
cdef enum:
    MOST_COLUMNS = 4


cdef void transpose_fixed(int16_t* transposed, const pixel_t** row, Py_ssize_t count,
                          int by) noexcept nogil:
    """Transpose so many columns of `UPSHAPE_SHORTS` rows; multiply them with 2^by."""
    cdef Py_ssize_t j = 0, g
    cdef shorts[8] block
    while j + 8 <= count:
        for g in range(8):
            block[g] = eights_of(row[g] + j, row[(g + 8) % UPSHAPE_SHORTS] + j)
        transpose_shorts(block)
        for g in range(8):
            store_shorts(transposed + (j + g) * UPSHAPE_SHORTS, lift(block[g], by))
        j += 8
    while j < count:
        for g in range(UPSHAPE_SHORTS):
            transposed[j * UPSHAPE_SHORTS + g] = widened(row[g] + j, <int16_t>0) << by
        j += 1


cdef void transpose(work_t* transposed, const pixel_t** row, Py_ssize_t count) noexcept nogil:
    """Transpose so many columns of as many rows as a vector has lanes."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t j = 0, g
    cdef words[MOST_LANES] block
    while j + lanes <= count:
        for g in range(lanes):
            block[g] = widen(row[g] + j, <work_t>0)
        transpose_block(block, <work_t>0)
        for g in range(lanes):
            store(transposed + (j + g) * lanes, block[g])
        j += lanes
    while j < count:
        for g in range(lanes):
            transposed[j * lanes + g] = widened(row[g] + j, <work_t>0)
        j += 1


cdef inline void columns(words* made, const work_t* transposed, const work_t* weight,
                         Py_ssize_t taps, Py_ssize_t apart, Py_ssize_t width) noexcept nogil:
    """Add up, for each of `width` columns, those that are `apart` elements from each other."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t), i, k
    cdef words[MOST_COLUMNS] sum
    cdef words w
    w = splat(weight[0] if taps > 0 else <work_t>0)
    for i in range(width):
        sum[i] = times(load(transposed + i * lanes), w, weight[0]) if taps > 0 else w
    for k in range(1, taps):
        transposed += apart
        w = splat(weight[k])
        for i in range(width):
            sum[i] = plus(sum[i], load(transposed + i * lanes), w, weight[0])
    for i in range(width):
        made[i] = sum[i]


cdef inline void spread_by(work_t** to, const work_t* transposed, const Axis* w,
                           Py_ssize_t channels, Py_ssize_t first, Py_ssize_t last, Py_ssize_t low,
                           Py_ssize_t width) noexcept nogil:
    """Make pixels, `width` channels at a time."""
    cdef Py_ssize_t lanes = UPSHAPE_VECTOR_BYTES // sizeof(work_t)
    cdef Py_ssize_t x, c, g, n = 0, e = 0
    cdef const work_t* from_
    cdef const work_t* weight
    cdef words[MOST_LANES + MOST_COLUMNS] block
    for x in range(first, last):
        from_ = transposed + (w.first[x] - low) * channels * lanes
        weight = <const work_t*>w.weight + x * w.stride
        c = 0
        while c < channels:
            columns(block + n, from_ + c * lanes, weight, w.taps[x], channels * lanes, width)
            c += width
            n += width
            if n >= lanes:
                transpose_block(block, <work_t>0)
                for g in range(lanes):
                    store(to[g] + e, block[g])
                for g in range(width):
                    block[g] = block[lanes + g]
                e += lanes
                n -= lanes
    if n > 0:
        transpose_block(block, <work_t>0)
        for g in range(lanes):
            memcpy(to[g] + e, &block[g], n * sizeof(work_t))


cdef void spread(work_t** to, const work_t* transposed, const Axis* w, Py_ssize_t channels,
                 Py_ssize_t first, Py_ssize_t last, Py_ssize_t low) noexcept nogil:
    """Make the pixels `first` to `last` - 1 of a group of rows; the first column is pixel `low`."""
    if channels % 4 == 0:
        spread_by(to, transposed, w, channels, first, last, low, 4)
    elif channels % 3 == 0:
        spread_by(to, transposed, w, channels, first, last, low, 3)
    else:
        spread_by(to, transposed, w, channels, first, last, low, 1)


cdef inline sums32 add_column(sums32 sum, const int16_t* transposed, const int16_t* weight,
                              Py_ssize_t taps, Py_ssize_t apart) noexcept nogil:
    cdef Py_ssize_t k
    cdef shorts last
    for k in range(taps // 2):
        sum = add_products(sum, load_shorts(transposed), load_shorts(transposed + apart),
                           splat_pair(weight + 2 * k))
        transposed += 2 * apart
    if taps % 2:
        last = load_shorts(transposed)
        sum = add_products(sum, last, last, splat_pair(weight + taps - 1))
    return sum


cdef inline shorts column_fixed(const int16_t* transposed, const Axis* w, const int16_t* weight,
                                Py_ssize_t taps, Py_ssize_t apart) noexcept nogil:
    cdef sums32 sum = add_column(no_sums(), transposed, weight, taps, apart)
    if w.split > 0:
        sum = add_column(raise_sums(sum, w.split), transposed, weight + w.stride // 2, taps, apart)
    return scaled_line(sum, w)


cdef inline void columns_rounded(shorts* made, const int16_t* transposed, const int16_t* weight,
                                 Py_ssize_t taps, Py_ssize_t apart, int doubled,
                                 Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef shorts[MOST_COLUMNS] sum
    cdef shorts w
    for i in range(width):
        sum[i] = no_shorts()
    for k in range(taps):
        w = splat_short(weight + 2 * k)
        for i in range(width):
            sum[i] = add_rounded(sum[i], load_shorts(transposed + i * UPSHAPE_SHORTS), w)
        transposed += apart
    for i in range(width):
        made[i] = lift(sum[i], doubled)


cdef inline void spread_fixed_by(int16_t** to, const int16_t* transposed, const Axis* w,
                                 Py_ssize_t channels, Py_ssize_t first, Py_ssize_t last,
                                 Py_ssize_t low, Py_ssize_t width) noexcept nogil:
    """The same in fixed point."""
    cdef Py_ssize_t x, c, g, n = 0, e = 0, apart = channels * UPSHAPE_SHORTS
    cdef const int16_t* from_
    cdef const int16_t* weight
    cdef shorts[8 + MOST_COLUMNS] block
    for x in range(first, last):
        from_ = transposed + (w.first[x] - low) * apart
        weight = <const int16_t*>w.weight + x * w.stride
        c = 0
        while c < channels:
            if w.way == ROUNDED:
                columns_rounded(block + n, from_ + c * UPSHAPE_SHORTS, weight, w.taps[x], apart,
                                w.scale[x], width)
            else:
                for g in range(width):
                    block[n + g] = column_fixed(from_ + (c + g) * UPSHAPE_SHORTS, w, weight,
                                                w.taps[x], apart)
            c += width
            n += width
            if n >= 8:
                transpose_shorts(block)
                for g in range(8):
                    store_eight(to[g] + e, to[(g + 8) % UPSHAPE_SHORTS] + e, block[g])
                for g in range(width):
                    block[g] = block[8 + g]
                e += 8
                n -= 8
    if n > 0:
        transpose_shorts(block)
        for g in range(8):
            memcpy(to[g] + e, &block[g], n * sizeof(int16_t))
            if UPSHAPE_SHORTS == 16:
                memcpy(to[g + 8] + e, <char*>&block[g] + 16, n * sizeof(int16_t))


cdef void spread_fixed(int16_t** to, const int16_t* transposed, const Axis* w, Py_ssize_t channels,
                       Py_ssize_t first, Py_ssize_t last, Py_ssize_t low) noexcept nogil:
    if channels % 4 == 0:
        spread_fixed_by(to, transposed, w, channels, first, last, low, 4)
    elif channels % 3 == 0:
        spread_fixed_by(to, transposed, w, channels, first, last, low, 3)
    else:
        spread_fixed_by(to, transposed, w, channels, first, last, low, 1)


cdef void couple_rows(int16_t* columns, const uint8_t** row, Py_ssize_t count, Py_ssize_t readable,
                      const coupling* by) noexcept nogil:
    """Make columns of `count` bytes of rows; what is behind the `readable` ones is 0."""
    cdef Py_ssize_t at = 0, b, g, start
    cdef uint8_t[MOST_LANES][16] end
    cdef const uint8_t* end_of[MOST_LANES]
    for g in range(UPSHAPE_SHORTS):
        end_of[g] = end[g]
    while at < count:
        for b in range(by.blocks):
            start = at + by.start[b]
            if start + 16 <= readable:
                couple(columns, row, start, by.turn[b])
            else:
                memset(end, 0, sizeof(end))
                if start < readable:
                    for g in range(UPSHAPE_SHORTS):
                        memcpy(end[g], row[g] + start, readable - start)
                couple(columns, end_of, 0, by.turn[b])
            columns += 4 * UPSHAPE_COUPLED
        at += by.bytes
