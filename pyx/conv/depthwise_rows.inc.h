/* Rows of the input on their way into scratch, for the depthwise tiles: as they lie, with their
 * borders, or transposed; and transposed results on their way out. Included for each REAL, by
 * depthwise.h. */

/* to[j] = 0, low <= j < high, and the rest of a vector. */
UPSHAPE_INLINE void OF(upshape_zeros)(REAL *to, ptrdiff_t low, ptrdiff_t high)
{
    for (ptrdiff_t j = low; j < high; j += UPSHAPE_VECTOR_BYTES / sizeof(REAL)) {
        OF(store)(to + j, (VECTOR){0});
        UPSHAPE_SCALAR(j); /* no call of memset */
    }
}

/* Rows of a strip, from `first` to before `end` those of an input that are there:
 * to[j] = x[(j - low) step], low <= j < high; zeros up to `length` and a vector's rest. Rows
 * go upwards: what is written past one is written again. */
UPSHAPE_INLINE void OF(upshape_lines)(
    const int known, REAL *to, ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t length, const REAL *x,
    ptrdiff_t x_row, ptrdiff_t first, ptrdiff_t end, ptrdiff_t step, ptrdiff_t low,
    ptrdiff_t high)
{
    ptrdiff_t row = 0, j;
    for (; row < first; row++, to += to_row)
        OF(upshape_zeros)(to, 0, length);
    for (; row < end; row++, to += to_row, x += x_row) {
        const REAL *here = x;
        OF(upshape_zeros)(to, 0, low);
        j = low;
        if (known == 1) {
            for (; j + LANES <= high; j += LANES, here += LANES)
                OF(store)(to + j, OF(load)(here));
            if (j < high) {
                OF(store)(to + j, OF(load_part)(here, high - j));
                j += LANES;
            }
        } else if (known == 2) {
            for (; j < high; j += LANES, here += 2 * LANES) {
                const ptrdiff_t n = 2 * (high - j) - 1;
                VECTOR p = OF(load_part)(here, n);
                VECTOR q = OF(load_part)(here + LANES, n - LANES);
                OF(store)(to + j, OF(evens)(p, q));
            }
        } else
            for (; j < high; j++, here += step) {
                to[j] = *here;
                UPSHAPE_SCALAR(j);
            }
        OF(upshape_zeros)(to, j, length);
    }
    for (; row < rows; row++, to += to_row)
        OF(upshape_zeros)(to, 0, length);
}

UPSHAPE_HOT void OF(lines)(
    REAL *to, ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t length, const REAL *x, ptrdiff_t x_row,
    ptrdiff_t first, ptrdiff_t end, ptrdiff_t step, ptrdiff_t low, ptrdiff_t high)
{
    if (step == 1)
        OF(upshape_lines)(
            1, to, to_row, rows, length, x, x_row, first, end, step, low, high);
    else if (step == 2)
        OF(upshape_lines)(
            2, to, to_row, rows, length, x, x_row, first, end, step, low, high);
    else
        OF(upshape_lines)(
            0, to, to_row, rows, length, x, x_row, first, end, step, low, high);
}

/* n neighbouring pixels of LANES channels become vectors of channels, `width` in a row. */
UPSHAPE_HOT void OF(transpose_run)(
    const REAL *x, ptrdiff_t x_channel, ptrdiff_t n, REAL *to, ptrdiff_t width, ptrdiff_t to_row)
{
    for (ptrdiff_t done = 0; done < n; done += LANES) {
        const ptrdiff_t at = done + LANES <= n || n < LANES ? done : n - LANES;
        ptrdiff_t column = at % width;
        REAL *there = to + at / width * to_row + column * LANES;
        VECTOR v[LANES];
        UPSHAPE_UNROLL for (int l = 0; l < LANES; l++)
            v[l] = OF(load_part)(x + at + l * x_channel, n - at);
        OF(transpose)(v);
        UPSHAPE_UNROLL for (int i = 0; i < LANES; i++) {
            if (i >= n - at)
                break;
            OF(store)(there, v[i]);
            there += LANES;
            column++;
            if (column == width) {
                column = 0;
                there += to_row - width * LANES;
            }
        }
    }
}

/* Rows of an input, pixels low to high - 1 of them there, as vectors of channels: `width` in
 * a row, zeros for the others. */
static inline void OF(transpose_in)(
    const REAL *x, ptrdiff_t x_channel, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t low,
    ptrdiff_t high, REAL *to, ptrdiff_t width, ptrdiff_t to_row)
{
    const ptrdiff_t n = high - low;
    const ptrdiff_t runs = n == x_row ? 1 : rows;
    for (ptrdiff_t run = 0; run < runs && n > 0; run++)
        OF(transpose_run)(x + run * x_row, x_channel, runs == 1 ? rows * n : n,
                        to + run * to_row + low * LANES, n, to_row);
    for (ptrdiff_t row = 0; row < rows; row++) {
        for (ptrdiff_t j = 0; j < low; j++) {
            OF(store)(to + row * to_row + j * LANES, (VECTOR){0});
            UPSHAPE_SCALAR(j); /* no call of memset */
        }
        for (ptrdiff_t j = high; j < width; j++) {
            OF(store)(to + row * to_row + j * LANES, (VECTOR){0});
            UPSHAPE_SCALAR(j);
        }
    }
}

/* n vectors of channels become neighbouring pixels. Whole blocks of vectors are read. */
UPSHAPE_HOT void OF(transpose_out)(
    const REAL *from, ptrdiff_t n, REAL *to, ptrdiff_t to_channel)
{
    for (ptrdiff_t done = 0; done < n; done += LANES) {
        const ptrdiff_t at = done + LANES <= n || n < LANES ? done : n - LANES;
        VECTOR v[LANES];
        UPSHAPE_UNROLL for (int i = 0; i < LANES; i++)
            v[i] = OF(load)(from + (at + i) * LANES);
        OF(transpose)(v);
        UPSHAPE_UNROLL for (int l = 0; l < LANES; l++)
            OF(store_part)(to + at + l * to_channel, v[l], n - at);
    }
}
