/* Rows of a depthwise transposed convolution of stride 2. Included for each REAL, by depthwise.h. */

#define PARAMETERS                                                                                \
    const REAL *x, ptrdiff_t row, const REAL *w, REAL start, REAL *to, ptrdiff_t to_row,          \
    ptrdiff_t rows, ptrdiff_t n
#define ARGUMENTS x, row, w, start, to, to_row, rows, n

#if defined(__clang__)
UPSHAPE_INLINE VECTOR OF(upshape_gather)(const REAL *x, INTS index)
{
    VECTOR v;
    UPSHAPE_UNROLL for (int l = 0; l < LANES; l++)
        v[l] = x[index[l]];
    return v;
}
#endif

/* The tap of a lane in a row's vector m, whether there is one, and the pixel it reads. */
#define TAP_OF(l, m) (2 * (m) + (((l) + p) & 1))
#define THERE_IS(l, m) (TAP_OF(l, m) < k ? -1 : 0)
#define PIXEL_OF(l, m) (TAP_OF(l, m) < k ? ((l) >> 1) - ((TAP_OF(l, m) - p) >> 1) - first : 0)

/* One vector of ROWS pairs of rows: the sums, and their stores. whole: both are all there, else the
 * first `rows` rows of the result are, and n elements of each. */
UPSHAPE_INLINE void OF(upshape_stride2_vector)(
    const int k, const int p, const int whole, const REAL *from, ptrdiff_t row,
    const VECTOR *weights, const INTS *index, INTS there_is, REAL start, REAL *there,
    ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t n)
{
    enum { ROWS = UPSHAPE_STRIDE2_ROWS };
    const int first = -((k - 1 - p) >> 1), last = -((0 - p) >> 1), taps = (k + 1) / 2;
    VECTOR acc[ROWS][2];
    UPSHAPE_UNROLL for (int q = 0; q < ROWS; q++)
        acc[q][0] = acc[q][1] = OF(splat)(start);
    UPSHAPE_UNROLL for (int i = ROWS - 1 + last - first; i >= 0; i--) {
        VECTOR spread[2], v = OF(load)(from + i * row);
        UPSHAPE_HELD(v);
        UPSHAPE_UNROLL for (int m = 0; m < taps; m++) {
            spread[m] = OF(gather)(v, from + i * row, index[m]);
            if (2 * m + 1 >= k)
                spread[m] = (VECTOR)((INTS)spread[m] & there_is);
            UPSHAPE_HELD(spread[m]);
        }
        UPSHAPE_UNROLL for (int m = 0; m < taps; m++)
            UPSHAPE_UNROLL for (int q = 0; q < ROWS; q++)
                UPSHAPE_UNROLL for (int f = 0; f < 2; f++) {
                    const int ky = p - 2 * (i - q + first) + f;
                    if (ky >= 0 && ky < k)
                        acc[q][f] += weights[ky * taps + m] * spread[m];
                }
    }
    UPSHAPE_UNROLL for (int q = 0; q < 2 * ROWS; q++) {
        if (whole) {
            OF(store)(there, acc[q >> 1][q & 1]);
            there += to_row;
            UPSHAPE_SCALAR(there); /* one pointer, not one a row */
        } else {
            if (q >= rows)
                break;
            OF(store_part)(there + q * to_row, acc[q >> 1][q & 1], n);
        }
    }
}

/* Tap t of an axis lands on phase (t - p) & 1 and reads the pixel at -((t - p) >> 1). The
 * result's row is made of vectors in which each pixel stands once a phase: lane l of vector
 * m is what tap 2 m + ((l + p) & 1) reads. Where there is no such tap it is 0, with a
 * weight of -0, which changes no sum. */
UPSHAPE_INLINE void OF(upshape_stride2)(const int k, const int p, PARAMETERS)
{
    enum { ROWS = UPSHAPE_STRIDE2_ROWS };
    const int first = -((k - 1 - p) >> 1), taps = (k + 1) / 2;
    const ptrdiff_t pairs = (rows + 1) / 2;
    const INTS there_is = {OF(UPSHAPE_LANES)(THERE_IS, taps - 1)};
    const INTS index[2] = {{OF(UPSHAPE_LANES)(PIXEL_OF, 0)}, {OF(UPSHAPE_LANES)(PIXEL_OF, 1)}};
    VECTOR weights[8];
    UPSHAPE_UNROLL for (int t = 0; t < k * taps; t++) {
        const int even = 2 * (t % taps) + (p & 1), odd = 2 * (t % taps) + 1 - (p & 1);
        VECTOR a = -(VECTOR){0}, b = a;
        if (even < k)
            a = OF(splat)(w[t / taps * k + even]);
        if (odd < k)
            b = OF(splat)(w[t / taps * k + odd]);
        weights[t] = OF(zip_low)(a, b);
    }
    for (ptrdiff_t made = 0; made < pairs; made += ROWS) {
        const ptrdiff_t top = made + ROWS <= pairs || pairs < ROWS ? made : pairs - ROWS;
        const REAL *from = x + top * row;
        REAL *there = to + 2 * top * to_row;
        ptrdiff_t done = 0;
        if (2 * (top + ROWS) <= rows)
            for (; done + LANES <= n; done += LANES)
                OF(upshape_stride2_vector)(k, p, 1, from + done / 2, row, weights, index, there_is,
                                           start, there + done, to_row, 0, 0);
        for (; done < n; done += LANES) {
            /* The last vector ends with the row, at a pixel's first phase. */
            const ptrdiff_t at = done + LANES <= n || n < LANES ? done : (n - LANES + 1) & -2;
            OF(upshape_stride2_vector)(k, p, 0, from + at / 2, row, weights, index, there_is,
                                       start, there + at, to_row, rows - 2 * top, n - at);
        }
    }
}

#undef TAP_OF
#undef THERE_IS
#undef PIXEL_OF

#define TILE(K, P)                                                                                \
    UPSHAPE_HOT void UPSHAPE_NAMED(OF(stride2), K, P)(PARAMETERS)                                 \
    { OF(upshape_stride2)(K, P, ARGUMENTS); }
UPSHAPE_STRIDES2(TILE)
#undef TILE

static inline void OF(stride2)(int code, PARAMETERS)
{
    switch (code) {
#define TILE(K, P) case K * 16 + P: UPSHAPE_NAMED(OF(stride2), K, P)(ARGUMENTS); break;
        UPSHAPE_STRIDES2(TILE)
#undef TILE
    }
}

#undef PARAMETERS
#undef ARGUMENTS
