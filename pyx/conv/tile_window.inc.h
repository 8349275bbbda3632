/* Rows of a depthwise k x k convolution, vectors of pixels. Included for each REAL, by depthwise.h. */

#define PARAMETERS                                                                                \
    const REAL *x, ptrdiff_t row, ptrdiff_t plane, ptrdiff_t depth, ptrdiff_t depths,             \
    const REAL *w, REAL start, REAL *to, ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t n
#define ARGUMENTS x, row, plane, depth, depths, w, start, to, to_row, rows, n

/* Add the k x k taps of a depth to the sums of ROWS rows; each input vector is loaded once. */
UPSHAPE_INLINE void OF(upshape_add_window)(
    const int k, const int s, const VECTOR *weights, VECTOR *acc, const REAL *from, ptrdiff_t at,
    ptrdiff_t row, ptrdiff_t plane)
{
    enum { ROWS = UPSHAPE_WINDOW_ROWS };
    UPSHAPE_UNROLL for (int i = 0; i < (ROWS - 1) * s + k; i++)
        UPSHAPE_UNROLL for (int j = 0; j < k; j++) {
            VECTOR v = OF(load)(from + at + i * row + j % s * plane + j / s);
            UPSHAPE_HELD(v);
            UPSHAPE_UNROLL for (int r = 0; r < ROWS; r++)
                if (i - r * s >= 0 && i - r * s < k)
                    acc[r] += weights[(i - r * s) * k + j] * v;
        }
}

/* Store the sums: whole vectors of ROWS rows, or as many rows as there are, n elements of each. */
UPSHAPE_INLINE void OF(upshape_store_window)(
    REAL *to, ptrdiff_t to_row, const VECTOR *acc, int whole, ptrdiff_t rows, ptrdiff_t n)
{
    enum { ROWS = UPSHAPE_WINDOW_ROWS };
    if (whole) {
        UPSHAPE_UNROLL for (int r = 0; r < ROWS; r++) {
            OF(store)(to, acc[r]);
            to += to_row;
            UPSHAPE_SCALAR(to); /* one pointer, not one a row */
        }
        return;
    }
    UPSHAPE_UNROLL for (int r = 0; r < ROWS; r++) {
        if (r >= rows)
            break;
        OF(store_part)(to + r * to_row, acc[r], n);
    }
}

/* x holds the planes of an input step, `plane` apart, in rows `row` apart. deep: of so many depths,
 * `depth` apart, whose weights stand one after the other; else of one, whose weights stay in the
 * registers. */
UPSHAPE_INLINE void OF(upshape_window)(const int k, const int s, const int deep, PARAMETERS)
{
    enum { ROWS = UPSHAPE_WINDOW_ROWS };
    VECTOR weights[49];
    UPSHAPE_UNROLL for (int t = 0; t < k * k; t++)
        if (!deep)
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
            if (!deep)
                OF(upshape_add_window)(k, s, weights, acc, from, at, row, plane);
            for (ptrdiff_t z = 0; deep && z < depths; z++) {
                UPSHAPE_UNROLL for (int t = 0; t < k * k; t++)
                    weights[t] = OF(splat)(w[z * k * k + t]);
                OF(upshape_add_window)(k, s, weights, acc, from + z * depth, at, row, plane);
            }
            OF(upshape_store_window)(
                there + at, to_row, acc, n >= LANES && rows >= ROWS, rows, n - at);
        }
    }
}

#define TILE(K, S)                                                                                \
    UPSHAPE_HOT void UPSHAPE_NAMED(OF(window), K, S)(PARAMETERS)                                  \
    { OF(upshape_window)(K, S, 0, ARGUMENTS); }
UPSHAPE_WINDOWS(TILE)
#undef TILE
#define TILE(K, S)                                                                                \
    UPSHAPE_HOT void UPSHAPE_NAMED(OF(deep_window), K, S)(PARAMETERS)                             \
    { OF(upshape_window)(K, S, 1, ARGUMENTS); }
UPSHAPE_DEEP_WINDOWS(TILE)
#undef TILE

static inline void OF(window)(int code, PARAMETERS)
{
    switch (code) {
#define TILE(K, S) case K * 16 + S: UPSHAPE_NAMED(OF(window), K, S)(ARGUMENTS); break;
        UPSHAPE_WINDOWS(TILE)
#undef TILE
#define TILE(K, S) case K * 16 + S + 256: UPSHAPE_NAMED(OF(deep_window), K, S)(ARGUMENTS); break;
        UPSHAPE_DEEP_WINDOWS(TILE)
#undef TILE
    }
}

#undef PARAMETERS
#undef ARGUMENTS
