/* Rows of a depthwise k x k convolution, vectors of pixels. Included for each REAL, by depthwise.h. */

#define PARAMETERS                                                                                \
    const REAL *x, ptrdiff_t row, ptrdiff_t plane, const REAL *w, REAL start, REAL *to,           \
    ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t n
#define ARGUMENTS x, row, plane, w, start, to, to_row, rows, n

/* x holds the planes of an input step, `plane` apart, in rows `row` apart. */
UPSHAPE_INLINE void OF(upshape_window)(const int k, const int s, PARAMETERS)
{
    enum { ROWS = UPSHAPE_WINDOW_ROWS };
    VECTOR weights[49];
    UPSHAPE_UNROLL for (int t = 0; t < k * k; t++)
        weights[t] = OF(splat)(w[t]);
    for (ptrdiff_t made = 0; made < rows; made += ROWS) {
        /* The last rows end with the block, if it has so many, as the last vector ends with
         * the row. */
        const ptrdiff_t top = made + ROWS <= rows || rows < ROWS ? made : rows - ROWS;
        const REAL *from = x + top * s * row;
        REAL *there = to + top * to_row;
        for (ptrdiff_t done = 0; done < n; done += LANES) {
            const ptrdiff_t at = done + LANES <= n || n < LANES ? done : n - LANES;
            VECTOR acc[ROWS];
            UPSHAPE_UNROLL for (int r = 0; r < ROWS; r++)
                acc[r] = OF(splat)(start);
            UPSHAPE_UNROLL for (int i = 0; i < (ROWS - 1) * s + k; i++)
                UPSHAPE_UNROLL for (int j = 0; j < k; j++) {
                    VECTOR v = OF(load)(from + at + i * row + j % s * plane + j / s);
                    UPSHAPE_HELD(v);
                    UPSHAPE_UNROLL for (int r = 0; r < ROWS; r++)
                        if (i - r * s >= 0 && i - r * s < k)
                            acc[r] += weights[(i - r * s) * k + j] * v;
                }
            REAL *line = there + at;
            if (n >= LANES && rows >= ROWS) {
                UPSHAPE_UNROLL for (int r = 0; r < ROWS; r++) {
                    OF(store)(line, acc[r]);
                    line += to_row;
                    UPSHAPE_SCALAR(line); /* one pointer, not one a row */
                }
                continue;
            }
            UPSHAPE_UNROLL for (int r = 0; r < ROWS; r++) {
                if (r >= rows)
                    break;
                OF(store_part)(line + r * to_row, acc[r], n - at);
            }
        }
    }
}

#define TILE(K, S)                                                                                \
    UPSHAPE_CALLED void UPSHAPE_NAMED(OF(window), K, S)(PARAMETERS)                               \
    { OF(upshape_window)(K, S, ARGUMENTS); }
UPSHAPE_WINDOWS(TILE)
#undef TILE

static inline void OF(window)(int code, PARAMETERS)
{
    switch (code) {
#define TILE(K, S) case K * 16 + S: UPSHAPE_NAMED(OF(window), K, S)(ARGUMENTS); break;
        UPSHAPE_WINDOWS(TILE)
#undef TILE
    }
}

#undef PARAMETERS
#undef ARGUMENTS
