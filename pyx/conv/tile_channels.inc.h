/* MB pixels by NV vectors of output channels or phases: see tile.h. Included for each REAL. */

#define PARAMETERS                                                                                \
    REAL *const *x, ptrdiff_t x_channel, const ptrdiff_t *tap, ptrdiff_t taps,                    \
    ptrdiff_t channels, const REAL *w, const REAL *init, REAL *c
#define ARGUMENTS x, x_channel, tap, taps, channels, w, init, c

UPSHAPE_INLINE void OF(upshape_channels)(const int mb, const int nv, PARAMETERS)
{
    VECTOR acc[UPSHAPE_TILE_PIXELS][2];
    UPSHAPE_UNROLL for (int m = 0; m < mb; m++)
        UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
            acc[m][v] = init ? OF(load)(init + v * LANES) : OF(load)(c + (m * nv + v) * LANES);
    for (ptrdiff_t t = 0; t < taps; t++) {
        const REAL *p[UPSHAPE_TILE_PIXELS];
        UPSHAPE_UNROLL for (int m = 0; m < mb; m++)
            p[m] = x[m] + tap[t];
        for (ptrdiff_t channel = 0, k = 0; channel < channels; channel++, k += x_channel) {
            VECTOR weights[2];
            UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
                weights[v] = OF(load)(w + v * LANES);
            UPSHAPE_UNROLL for (int m = 0; m < mb; m++)
                UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
                    acc[m][v] += p[m][k] * weights[v];
            w += nv * LANES;
        }
    }
    UPSHAPE_UNROLL for (int m = 0; m < mb; m++)
        UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
            OF(store)(c + (m * nv + v) * LANES, acc[m][v]);
}

#define TILE(MB, NV)                                                                              \
    UPSHAPE_CALLED void UPSHAPE_TILE_NAME(OF(tile_channels), MB, NV)(PARAMETERS)                  \
    { OF(upshape_channels)(MB, NV, ARGUMENTS); }
UPSHAPE_CHANNEL_SHAPES(TILE)
#undef TILE

static inline void OF(tile_channels)(int mb, int nv, PARAMETERS)
{
    switch (mb * 16 + nv) {
#define TILE(MB, NV)                                                                              \
    case MB * 16 + NV: UPSHAPE_TILE_NAME(OF(tile_channels), MB, NV)(ARGUMENTS); break;
        UPSHAPE_CHANNEL_SHAPES(TILE)
#undef TILE
    }
}

#undef PARAMETERS
#undef ARGUMENTS
