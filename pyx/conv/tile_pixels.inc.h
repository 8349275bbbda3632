/* NB rows of weights by NV vectors of pixels: see tile.h. Included for each REAL. */

#define PARAMETERS                                                                                \
    const REAL *x, ptrdiff_t x_channel, const ptrdiff_t *tap, ptrdiff_t taps, ptrdiff_t channels, \
    const REAL *w, const REAL *init, REAL *c, ptrdiff_t c_row
#define ARGUMENTS x, x_channel, tap, taps, channels, w, init, c, c_row

UPSHAPE_INLINE void OF(upshape_pixels)(const int nb, const int nv, PARAMETERS)
{
    VECTOR acc[UPSHAPE_TILE_ROWS][UPSHAPE_TILE_VECTORS];
    UPSHAPE_UNROLL for (int b = 0; b < nb; b++)
        UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
            acc[b][v] = init ? OF(splat)(init[b]) : OF(load)(c + b * c_row + v * LANES);
    for (ptrdiff_t t = 0; t < taps; t++) {
        const REAL *p = x + tap[t];
        for (ptrdiff_t k = 0; k < channels; k++) {
            if (nb < nv && UPSHAPE_HOLDS(nb * nv + nb)) { /* few weights */
                VECTOR weights[UPSHAPE_TILE_ROWS];
                UPSHAPE_UNROLL for (int b = 0; b < nb; b++)
                    weights[b] = OF(splat)(w[b]);
                UPSHAPE_UNROLL for (int v = 0; v < nv; v++) {
                    VECTOR pixels = OF(load)(p + v * LANES);
                    UPSHAPE_HELD(pixels);
                    UPSHAPE_UNROLL for (int b = 0; b < nb; b++)
                        acc[b][v] += weights[b] * pixels;
                }
            } else {
                VECTOR pixels[UPSHAPE_TILE_VECTORS];
                UPSHAPE_UNROLL for (int v = 0; v < nv; v++) {
                    pixels[v] = OF(load)(p + v * LANES);
                    if (UPSHAPE_HOLDS(nb * nv + nv))
                        UPSHAPE_HELD(pixels[v]);
                }
                UPSHAPE_UNROLL for (int b = 0; b < nb; b++)
                    UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
                        acc[b][v] += w[b] * pixels[v];
            }
            p += x_channel;
            w += nb;
        }
    }
    UPSHAPE_UNROLL for (int b = 0; b < nb; b++)
        UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
            OF(store)(c + b * c_row + v * LANES, acc[b][v]);
}

#define TILE(NB, NV)                                                                              \
    UPSHAPE_CALLED void UPSHAPE_TILE_NAME(OF(tile_pixels), NB, NV)(PARAMETERS)                    \
    { OF(upshape_pixels)(NB, NV, ARGUMENTS); }
UPSHAPE_PIXEL_SHAPES(TILE)
#undef TILE

static inline void OF(tile_pixels)(int nb, int nv, PARAMETERS)
{
    switch (nb * 16 + nv) {
#define TILE(NB, NV)                                                                              \
    case NB * 16 + NV: UPSHAPE_TILE_NAME(OF(tile_pixels), NB, NV)(ARGUMENTS); break;
        UPSHAPE_PIXEL_SHAPES(TILE)
#undef TILE
    }
}

#undef PARAMETERS
#undef ARGUMENTS
