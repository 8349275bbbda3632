/* Neighbouring pixels of a depthwise convolution, vectors of channels, the window sliding along a row.
 * Included for each REAL, by depthwise.h. */

#define PARAMETERS                                                                                \
    ptrdiff_t k, const REAL *x, const ptrdiff_t *row, const ptrdiff_t *kernel, ptrdiff_t rows,    \
    ptrdiff_t pixel, ptrdiff_t low, ptrdiff_t high, const REAL *w, ptrdiff_t w_tap,               \
    const REAL *start, REAL *to, ptrdiff_t to_pixel, ptrdiff_t channels
#define ARGUMENTS                                                                                 \
    k, x, row, kernel, rows, pixel, low, high, w, w_tap, start, to, to_pixel, channels

/* Neighbouring taps of a row, for all pixels of the window; low <= column < high are there. */
UPSHAPE_INLINE void OF(upshape_sliding_taps)(
    const int taps, const int s, const int many, const int whole, VECTOR *acc,
    const REAL *p, ptrdiff_t pixel, ptrdiff_t low, ptrdiff_t high, const REAL *w, ptrdiff_t w_tap)
{
    VECTOR weights[UPSHAPE_SLIDING_TAPS];
    UPSHAPE_UNROLL for (int t = 0; t < taps; t++)
        weights[t] = OF(load)(w + t * w_tap);
    UPSHAPE_UNROLL_MORE for (int j = 0; j < (many - 1) * s + taps; j++) {
        if (whole || (j >= low && j < high)) {
            VECTOR v = OF(load)(p);
            UPSHAPE_HELD(v);
            UPSHAPE_UNROLL for (int m = 0; m < many; m++)
                if (j - m * s >= 0 && j - m * s < taps) {
                    acc[m] += weights[j - m * s] * v;
                    UPSHAPE_JOINED(acc[m]);
                }
        }
        p += pixel;
        UPSHAPE_SCALAR(p); /* one pointer, not one a pixel */
    }
}

/* Row i of the kernel reads the input's row at x + row[i], for the weights at w + kernel[i].
 * known: the size of the kernel, or 0: its rows are made of a few taps at a time. */
UPSHAPE_INLINE void OF(upshape_sliding)(
    const int s, const int many, const int known, const int whole, PARAMETERS)
{
    enum { MOST = UPSHAPE_SLIDING_TAPS };
    for (ptrdiff_t done = 0; done < channels; done += LANES) {
        const ptrdiff_t c = done + LANES <= channels ? done : channels - LANES;
        VECTOR acc[UPSHAPE_SLIDING_PIXELS];
        UPSHAPE_UNROLL for (int m = 0; m < many; m++)
            acc[m] = OF(load)(start + c);
        for (ptrdiff_t i = 0; i < rows; i++) {
            const REAL *p = x + c + row[i], *weight = w + c + kernel[i];
            ptrdiff_t first, taps;
            if (known) {
                OF(upshape_sliding_taps)(known, s, many, whole, acc, p, pixel, low, high, weight,
                                         w_tap);
                continue;
            }
            for (first = 0; first < k; first += taps) {
                taps = k - first;
                taps = taps >= 2 * MOST ? MOST : taps > MOST ? (taps + 1) / 2 : taps;
                switch (taps) {
#define SOME(TAPS)                                                                                \
    case TAPS:                                                                                    \
        OF(upshape_sliding_taps)(TAPS, s, many, whole, acc, p, pixel, low - first, high - first,  \
                                 weight, w_tap);                                                  \
        break;
                    UPSHAPE_UP_TO_7(SOME)
#undef SOME
                }
                p += taps * pixel;
                weight += taps * w_tap;
            }
        }
        UPSHAPE_UNROLL for (int m = 0; m < many; m++)
            OF(store)(to + c + m * to_pixel, acc[m]);
    }
}

#define TILE(K, S, N)                                                                             \
    UPSHAPE_HOT void UPSHAPE_NAMED_3(OF(sliding), K, S, N)(PARAMETERS)                            \
    {                                                                                             \
        if (K && low <= 0 && high >= (N - 1) * S + K)                                             \
            OF(upshape_sliding)(S, N, K, 1, ARGUMENTS);                                           \
        else                                                                                      \
            OF(upshape_sliding)(S, N, K, 0, ARGUMENTS);                                           \
    }
UPSHAPE_SLIDING(TILE)
#undef TILE

/* The tiles take all of a window one by one: read from memory in their loops, it costs 4 % of the
 * time (Zen 5, x86-64-v4). */
static inline void OF(sliding)(
    const upshape_slide *slide, const REAL *x, ptrdiff_t low, ptrdiff_t high, const REAL *w,
    const REAL *start, REAL *to)
{
    const ptrdiff_t *const row = slide->row, *const kernel = slide->kernel;
    const ptrdiff_t rows = slide->rows, pixel = slide->pixel, to_pixel = slide->to_pixel;
    const ptrdiff_t w_tap = slide->w_tap, channels = slide->channels;
    const ptrdiff_t k = slide->taps, known = k == 3 || k == 5 || k == 7 ? k : 0;
    switch (known * 256 + slide->step * 16 + slide->many) {
#define TILE(K, S, N)                                                                             \
    case K * 256 + S * 16 + N: UPSHAPE_NAMED_3(OF(sliding), K, S, N)(ARGUMENTS); break;
        UPSHAPE_SLIDING(TILE)
#undef TILE
    }
}

#undef PARAMETERS
#undef ARGUMENTS
