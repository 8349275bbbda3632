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
