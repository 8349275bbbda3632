/* Depthwise sums whose taps stand in a table. Included for each REAL, by depthwise.h. */

/* A row of pixels; x is what the first of them reads without an offset. */
UPSHAPE_HOT void OF(taps)(
    const REAL *x, const ptrdiff_t *tap, const ptrdiff_t *kernel, ptrdiff_t taps, const REAL *w,
    REAL start, REAL *to, ptrdiff_t n)
{
    enum { MANY = 4 };
    ptrdiff_t at = 0;
    for (; at + MANY * LANES <= n; at += MANY * LANES) {
        VECTOR acc[MANY];
        UPSHAPE_UNROLL for (int v = 0; v < MANY; v++)
            acc[v] = OF(splat)(start);
        for (ptrdiff_t t = 0; t < taps; t++) {
            const REAL *p = x + at + tap[t];
            UPSHAPE_UNROLL for (int v = 0; v < MANY; v++)
                acc[v] += w[kernel[t]] * OF(load)(p + v * LANES);
        }
        UPSHAPE_UNROLL for (int v = 0; v < MANY; v++)
            OF(store)(to + at + v * LANES, acc[v]);
    }
    for (; at < n; at += LANES) {
        VECTOR acc = OF(splat)(start);
        if (at + LANES > n && n >= LANES)
            at = n - LANES;
        for (ptrdiff_t t = 0; t < taps; t++)
            acc += w[kernel[t]] * OF(load)(x + at + tap[t]);
        OF(store_part)(to + at, acc, n - at);
    }
}

/* `many` neighbouring pixels of a vector of channels. */
UPSHAPE_INLINE void OF(upshape_lanes)(
    const int many, const REAL *x, ptrdiff_t x_pixel, const ptrdiff_t *tap,
    const ptrdiff_t *kernel, ptrdiff_t taps, const REAL *w, const REAL *start, REAL *to,
    ptrdiff_t to_pixel)
{
    VECTOR acc[UPSHAPE_LANES_PIXELS];
    UPSHAPE_UNROLL for (int m = 0; m < many; m++)
        acc[m] = OF(load)(start);
    for (ptrdiff_t t = 0; t < taps; t++) {
        const REAL *p = x + tap[t];
        VECTOR weight = OF(load)(w + kernel[t]);
        UPSHAPE_HELD(weight);
        UPSHAPE_UNROLL for (int m = 0; m < many; m++)
            acc[m] += weight * OF(load)(p + m * x_pixel);
    }
    UPSHAPE_UNROLL for (int m = 0; m < many; m++)
        OF(store)(to + m * to_pixel, acc[m]);
}

UPSHAPE_HOT void OF(lanes)(
    const REAL *x, ptrdiff_t x_pixel, ptrdiff_t pixels, const ptrdiff_t *tap,
    const ptrdiff_t *kernel, ptrdiff_t taps, const REAL *w, const REAL *start, REAL *to,
    ptrdiff_t to_pixel)
{
    enum { MOST = UPSHAPE_LANES_PIXELS };
    while (pixels > 0) {
        /* The last two tiles share what is left: a sum alone waits for itself. */
        const ptrdiff_t many =
            pixels >= 2 * MOST ? MOST : pixels > MOST ? (pixels + 1) / 2 : pixels;
        switch (many) {
#define MANY(N)                                                                                   \
    case N: OF(upshape_lanes)(N, x, x_pixel, tap, kernel, taps, w, start, to, to_pixel); break;
            UPSHAPE_UP_TO_7(MANY)
            MANY(8)
#undef MANY
        }
        x += many * x_pixel;
        to += many * to_pixel;
        pixels -= many;
    }
}

/* mb neighbouring pixels of nv vectors of channels. */
UPSHAPE_INLINE void OF(upshape_depth)(
    const int mb, const int nv, const REAL *x, ptrdiff_t x_pixel, const ptrdiff_t *tap,
    const ptrdiff_t *kernel, ptrdiff_t taps, const REAL *w, const REAL *start, REAL *to,
    ptrdiff_t to_pixel)
{
    VECTOR acc[UPSHAPE_DEPTH_PIXELS][UPSHAPE_DEPTH_VECTORS];
    UPSHAPE_UNROLL for (int m = 0; m < mb; m++)
        UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
            acc[m][v] = OF(load)(start + v * LANES);
    for (ptrdiff_t t = 0; t < taps; t++) {
        const REAL *p = x + tap[t];
        const REAL *q = p + (mb > 1 ? 2 * x_pixel : 0);
        VECTOR weights[UPSHAPE_DEPTH_VECTORS];
        __asm__("" : "+r"(p), "+r"(q)); /* two bases, one index */
        UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
            weights[v] = OF(load)(w + kernel[t] + v * LANES);
        UPSHAPE_UNROLL for (int m = 0; m < mb; m++)
            UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
                acc[m][v] += weights[v]
                    * OF(load)((m < 2 ? p : q) + (m & 1) * x_pixel + v * LANES);
    }
    UPSHAPE_UNROLL for (int m = 0; m < mb; m++)
        UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
            OF(store)(to + m * to_pixel + v * LANES, acc[m][v]);
}

/* `many` neighbouring pixels of `channels` channels, at least a vector of them. */
UPSHAPE_INLINE void OF(upshape_pixels_of)(
    const int many, const REAL *x, ptrdiff_t x_pixel, const ptrdiff_t *tap,
    const ptrdiff_t *kernel, ptrdiff_t taps, const REAL *w, const REAL *start, REAL *to,
    ptrdiff_t to_pixel, ptrdiff_t channels)
{
    enum { WIDE = UPSHAPE_DEPTH_VECTORS };
    ptrdiff_t c = 0;
    for (; c + WIDE * LANES <= channels; c += WIDE * LANES)
        OF(upshape_depth)(
            many, WIDE, x + c, x_pixel, tap, kernel, taps, w + c, start + c, to + c, to_pixel);
    for (; c < channels; c += LANES) {
        if (c + LANES > channels)
            c = channels - LANES;
        OF(upshape_depth)(
            many, 1, x + c, x_pixel, tap, kernel, taps, w + c, start + c, to + c, to_pixel);
    }
}

UPSHAPE_HOT void OF(pixels)(
    const REAL *x, ptrdiff_t x_pixel, ptrdiff_t pixels, const ptrdiff_t *tap,
    const ptrdiff_t *kernel, ptrdiff_t taps, const REAL *w, const REAL *start, REAL *to,
    ptrdiff_t to_pixel, ptrdiff_t channels)
{
    enum { MANY = UPSHAPE_DEPTH_PIXELS };
    ptrdiff_t done = 0;
    for (; done + MANY <= pixels; done += MANY)
        OF(upshape_pixels_of)(
            MANY, x + done * x_pixel, x_pixel, tap, kernel, taps, w, start,
            to + done * to_pixel, to_pixel, channels);
    for (; done < pixels; done++)
        OF(upshape_pixels_of)(
            1, x + done * x_pixel, x_pixel, tap, kernel, taps, w, start,
            to + done * to_pixel, to_pixel, channels);
}
