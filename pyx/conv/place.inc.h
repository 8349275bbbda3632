/* Sums on their way into the result. Included for each REAL, by tile.h. */

/* A row of sums: to[j] = start + the products[j] of each term for which low <= j < low + width,
 * j < n. */
UPSHAPE_INLINE void OF(add_up)(
    REAL *to, REAL start, const upshape_term *terms, int count, ptrdiff_t width, ptrdiff_t n)
{
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        VECTOR sum = OF(splat)(start);
#if UPSHAPE_HAS_MASKS
        for (int i = 0; i < count; i++) {
            /* In ptrdiff_t: a dilation may lead further than 32 bits. */
            const ptrdiff_t low = terms[i].low - j;
            const unsigned in = OF(first_lanes)(low + width) & ~OF(first_lanes)(low);
            const REAL *a = (const REAL *)terms[i].products + j;
            sum += OF(load_where)(a, (OF(upshape_mask))in);
        }
        OF(store_where)(to + j, (OF(upshape_mask))OF(first_lanes)(n - j), sum);
#else
        const ptrdiff_t here = n - j < LANES ? n - j : LANES;
        for (int i = 0; i < count; i++) {
            const REAL *a = (const REAL *)terms[i].products + j;
            const ptrdiff_t low = terms[i].low - j, high = low + width;
            if (low <= 0 && high >= here && here == LANES) {
                sum += OF(load)(a);
            } else {
                REAL part[LANES] = {0};
                for (ptrdiff_t k = low > 0 ? low : 0; k < high && k < here; k++) {
                    part[k] = a[k];
                    UPSHAPE_SCALAR(k);
                }
                sum += OF(load)(part);
            }
        }
        if (here == LANES) {
            OF(store)(to + j, sum);
        } else {
            for (ptrdiff_t k = 0; k < here; k++)
                to[j + k] = sum[k];
        }
#endif
    }
}

/* --- rows whose phases are lines ---------------------------------------------------------------- */

/* Pixel `at` of a phase's line. Where place[i] is negative it is a line of the bias, of no pixels. Phases
 * are read one by one, as the caller has just stored them: a vector of them would have to wait until all
 * stores before these have left for a cache, those of the result included. */
UPSHAPE_INLINE const REAL *OF(upshape_line)(
    const REAL *const *a, const ptrdiff_t *place, ptrdiff_t i, ptrdiff_t at)
{
    UPSHAPE_SCALAR(i);
    return a[i] + (place[i] < 0 ? 0 : at);
}

#if UPSHAPE_HAS_MASKS
/* Short rows: vector by vector of all of them, so that masks and indices are found once. */
UPSHAPE_INLINE void OF(upshape_short_rows)(
    const int step, REAL *to, ptrdiff_t to_row, const REAL *const *a, const ptrdiff_t *place,
    ptrdiff_t at, ptrdiff_t apart, ptrdiff_t n, ptrdiff_t rows)
{
    INTS from[4];
    UPSHAPE_UNROLL for (int i = 0; i < step; i++)
        UPSHAPE_UNROLL for (int l = 0; l < LANES; l++)
            from[i][l] = (i * LANES + l) % step * LANES + (i * LANES + l) / step;
    for (ptrdiff_t j = 0; step * j < n; j += LANES) {
        const ptrdiff_t rest = n - step * j;
        const OF(upshape_mask) in = (OF(upshape_mask))OF(first_lanes)((rest + step - 1) / step);
        OF(upshape_mask) out[4];
        const REAL *line[4];
        REAL *b = to + step * j;
        UPSHAPE_UNROLL for (int i = 0; i < step; i++) {
            out[i] = (OF(upshape_mask))OF(first_lanes)(rest - i * LANES);
            line[i] = OF(upshape_line)(a, place, i, at) + j;
        }
        for (ptrdiff_t r = 0; r < rows; r++, b += to_row) {
            VECTOR v[4];
            UPSHAPE_UNROLL for (int i = 0; i < step; i++) {
                v[i] = OF(load_where)(line[i], in);
                line[i] += place[i] < 0 ? 0 : apart;
            }
            if (step == 3)
                v[3] = v[2];
            UPSHAPE_UNROLL for (int i = 0; i < step; i++)
                if (rest > i * LANES)
                    OF(store_where)(b + i * LANES, out[i],
                                    step == 1 ? v[0] : OF(pick_lanes)(v, from[i], step > 2));
        }
    }
}
#endif

/* One row. */
UPSHAPE_INLINE void OF(upshape_interleave)(
    REAL *to, const REAL *const *a, ptrdiff_t step, ptrdiff_t n)
{
    const ptrdiff_t whole = n / step;
    if (step == 1)
        OF(move)(to, a[0], n);
    else if (step == 2)
        OF(zip)(to, a[0], a[1], whole);
    else
        OF(weave)(to, a, step, whole);
    for (ptrdiff_t i = 0; i < n - whole * step; i++)
        to[whole * step + i] = a[i][whole];
}

/* to[r to_row + step j + i] = a[i][at + r apart + j], or a[i][j] where place[i] is negative: rows of n
 * elements; step is 1 to 4. */
UPSHAPE_CALLED void OF(interleave_rows)(
    REAL *to, ptrdiff_t to_row, const REAL *const *a, const ptrdiff_t *place, ptrdiff_t at,
    ptrdiff_t apart, ptrdiff_t step, ptrdiff_t n, ptrdiff_t rows)
{
    const REAL *line[4];
#if UPSHAPE_HAS_MASKS
    /* Longer ones are moved in the order of memory. */
    if (rows > 1 && n <= 8 * LANES) {
        switch (step) {
#define SHORT(STEP)                                                                               \
    case STEP: OF(upshape_short_rows)(STEP, to, to_row, a, place, at, apart, n, rows); return;
            SHORT(1)
            SHORT(2)
            SHORT(3)
            SHORT(4)
#undef SHORT
        }
    }
#endif
    for (ptrdiff_t r = 0; r < rows; r++, to += to_row) {
        for (ptrdiff_t i = 0; i < step; i++)
            line[i] = OF(upshape_line)(a, place, i, at + r * apart);
        OF(upshape_interleave)(to, line, step, n);
    }
}

/* to[r to_row + j] = value, j < n, in `rows` rows. */
UPSHAPE_CALLED void OF(fill_rows)(
    REAL *to, ptrdiff_t to_row, REAL value, ptrdiff_t n, ptrdiff_t rows)
{
    for (ptrdiff_t r = 0; r < rows; r++, to += to_row)
        OF(fill)(to, value, n);
}
