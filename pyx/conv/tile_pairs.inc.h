/* The tile of transposed convolutions with stride 2 whose two phases of a row have as many taps.
 *
 * acc[2 NP][NV]: NP pairs (an output channel of a row, both x-phases) by NV vectors of pixels.
 *     acc[2 p][v] += w[k][2 p] * x[first[k]][v]
 *     acc[2 p + 1][v] += w[k][2 p + 1] * x[second[k]][v]
 *
 * Twins are pairs that read the same pixels (a kernel no larger than the stride): loaded once.
 *
 * Both phases of a pixel meet in registers, so the tile can write its part of the result itself:
 * `to` has a row for each pair (NULL: none), of which n elements are left to write. Without `to`
 * the sums go to c, which is also where they come from without `init`.
 *
 * k runs as in tile_pixels, so it gives the same bits. Included for each REAL. */

#define PARAMETERS                                                                                \
    const upshape_paired *row, const REAL *x, const REAL *w, const REAL *init, REAL *c,           \
    REAL *const *to, ptrdiff_t n
#define ARGUMENTS row, x, w, init, c, to, n

/* Write the rows of the pairs, both phases of a pixel side by side. */
UPSHAPE_INLINE void OF(upshape_write_pairs)(
    const int np, const int nv, VECTOR acc[][UPSHAPE_TILE_VECTORS], REAL *const *to, ptrdiff_t n)
{
    UPSHAPE_UNROLL for (int b = 0; b < 2 * np; b += 2) {
        REAL *row = to[b / 2];
        if (!row)
            continue;
        UPSHAPE_UNROLL for (int v = 0; v < nv; v++) {
            VECTOR low = OF(zip_low)(acc[b][v], acc[b + 1][v]);
            VECTOR high = OF(zip_high)(acc[b][v], acc[b + 1][v]);
            if (n >= 2 * nv * LANES) {
                OF(store)(row + 2 * v * LANES, low);
                OF(store)(row + (2 * v + 1) * LANES, high);
            } else {
                OF(store_part)(row + 2 * v * LANES, low, n - 2 * v * LANES);
                OF(store_part)(row + (2 * v + 1) * LANES, high, n - (2 * v + 1) * LANES);
            }
        }
    }
}

UPSHAPE_INLINE void OF(upshape_pairs)(
    const int np, const int nv, const int alike, PARAMETERS)
{
    const ptrdiff_t x_channel = row->x_channel, c_row = row->c_row;
    const ptrdiff_t taps = row->taps, channels = row->channels;
    VECTOR acc[2 * UPSHAPE_PAIRS][UPSHAPE_TILE_VECTORS];
    UPSHAPE_UNROLL for (int b = 0; b < 2 * np; b++)
        UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
            acc[b][v] = init ? OF(splat)(init[b]) : OF(load)(c + b * c_row + v * LANES);
    for (ptrdiff_t t = 0; t < taps; t++) {
        const REAL *p = x + row->first[t], *q = x + row->second[t];
        for (ptrdiff_t k = 0; k < channels; k++) {
            UPSHAPE_UNROLL for (int f = 0; f < 2 - alike; f++) {
                VECTOR pixels[UPSHAPE_TILE_VECTORS];
                UPSHAPE_UNROLL for (int v = 0; v < nv; v++) {
                    pixels[v] = OF(load)((f ? q : p) + v * LANES);
                    if (UPSHAPE_HOLDS(2 * np * nv + nv))
                        UPSHAPE_HELD(pixels[v]);
                }
                UPSHAPE_UNROLL for (int b = f; b < 2 * np; b += 2 - alike)
                    UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
                        acc[b][v] += w[b] * pixels[v];
            }
            p += x_channel;
            q += x_channel;
            w += 2 * np;
        }
    }
    if (to) {
        OF(upshape_write_pairs)(np, nv, acc, to, n);
        return;
    }
    UPSHAPE_UNROLL for (int b = 0; b < 2 * np; b++)
        UPSHAPE_UNROLL for (int v = 0; v < nv; v++)
            OF(store)(c + b * c_row + v * LANES, acc[b][v]);
}

#define TILE(NP, NV)                                                                              \
    UPSHAPE_CALLED void UPSHAPE_TILE_NAME(OF(tile_pairs), NP, NV)(PARAMETERS)                     \
    { OF(upshape_pairs)(NP, NV, 0, ARGUMENTS); }                                                  \
    UPSHAPE_CALLED void UPSHAPE_TILE_NAME(OF(tile_twins), NP, NV)(PARAMETERS)                     \
    { OF(upshape_pairs)(NP, NV, 1, ARGUMENTS); }
UPSHAPE_PAIR_SHAPES(TILE)
#undef TILE

static inline void OF(tile_pairs)(int nv, PARAMETERS)
{
    switch (row->pairs * 32 + nv * 2 + (row->first == row->second)) {
#define TILE(NP, NV)                                                                              \
    case NP * 32 + NV * 2: UPSHAPE_TILE_NAME(OF(tile_pairs), NP, NV)(ARGUMENTS); break;           \
    case NP * 32 + NV * 2 + 1: UPSHAPE_TILE_NAME(OF(tile_twins), NP, NV)(ARGUMENTS); break;
        UPSHAPE_PAIR_SHAPES(TILE)
#undef TILE
    }
}

#undef PARAMETERS
#undef ARGUMENTS
