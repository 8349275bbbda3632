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
 * k runs as in tile.h, so it gives the same bits. */
#ifndef UPSHAPE_PAIR_H
#define UPSHAPE_PAIR_H

#include "part.h"

#define UPSHAPE_PAIRS (UPSHAPE_TILE_ROWS / 2)

#define UPSHAPE_PAIR_BODIES(T, BITS)                                                              \
    UPSHAPE_INLINE void upshape_pair_##BITS(                                                      \
        const int np, const int nv, const int alike, const T *x, ptrdiff_t x_channel,             \
        const ptrdiff_t *first, const ptrdiff_t *second, ptrdiff_t taps, ptrdiff_t channels,      \
        const T *w, const T *init, T *c, ptrdiff_t c_row, T *const *to, ptrdiff_t n)              \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        upshape_v##BITS acc[2 * UPSHAPE_PAIRS][UPSHAPE_TILE_VECTORS];                             \
        UPSHAPE_UNROLL for (int b = 0; b < 2 * np; b++)                                           \
            UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                           \
                acc[b][v] = init ? (upshape_v##BITS){0} + init[b]                                 \
                                 : load_##BITS(c + b * c_row + v * LANES);                        \
        for (ptrdiff_t t = 0; t < taps; t++) {                                                    \
            const T *p = x + first[t], *q = x + second[t];                                        \
            for (ptrdiff_t k = 0; k < channels; k++) {                                            \
                UPSHAPE_UNROLL for (int f = 0; f < 2 - alike; f++) {                              \
                    upshape_v##BITS pixels[UPSHAPE_TILE_VECTORS];                                 \
                    UPSHAPE_UNROLL for (int v = 0; v < nv; v++) {                                 \
                        pixels[v] = load_##BITS((f ? q : p) + v * LANES);                         \
                        if (UPSHAPE_HOLDS(2 * np * nv + nv))                                      \
                            UPSHAPE_HELD(pixels[v]);                                              \
                    }                                                                             \
                    UPSHAPE_UNROLL for (int b = f; b < 2 * np; b += 2 - alike)                    \
                        UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                               \
                            acc[b][v] += w[b] * pixels[v];                                        \
                }                                                                                 \
                p += x_channel;                                                                   \
                q += x_channel;                                                                   \
                w += 2 * np;                                                                      \
            }                                                                                     \
        }                                                                                         \
        if (!to) {                                                                                \
            UPSHAPE_UNROLL for (int b = 0; b < 2 * np; b++)                                       \
                UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                       \
                    store_##BITS(c + b * c_row + v * LANES, acc[b][v]);                           \
            return;                                                                               \
        }                                                                                         \
        UPSHAPE_UNROLL for (int b = 0; b < 2 * np; b += 2) {                                      \
            T *row = to[b / 2];                                                                   \
            if (!row)                                                                             \
                continue;                                                                         \
            UPSHAPE_UNROLL for (int v = 0; v < nv; v++) {                                         \
                upshape_v##BITS low =                                                             \
                    UPSHAPE_ZIP_##BITS(acc[b][v], acc[b + 1][v], upshape_i##BITS, 0);             \
                upshape_v##BITS high =                                                            \
                    UPSHAPE_ZIP_##BITS(acc[b][v], acc[b + 1][v], upshape_i##BITS, LANES / 2);     \
                if (n >= 2 * nv * LANES) {                                                        \
                    store_##BITS(row + 2 * v * LANES, low);                                       \
                    store_##BITS(row + (2 * v + 1) * LANES, high);                                \
                } else {                                                                          \
                    store_part_##BITS(row + 2 * v * LANES, low, n - 2 * v * LANES);               \
                    store_part_##BITS(row + (2 * v + 1) * LANES, high, n - (2 * v + 1) * LANES);  \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
    }

UPSHAPE_PAIR_BODIES(float, 32)
UPSHAPE_PAIR_BODIES(double, 64)

/* Every shape: the pairs by the vectors that the registers hold. */
#if UPSHAPE_VECTOR_BYTES == 64
#define UPSHAPE_PAIR_SHAPES(DO, T, BITS)                                                          \
    DO(T, BITS, 1, 1) DO(T, BITS, 1, 2) DO(T, BITS, 1, 3) DO(T, BITS, 1, 4)                       \
    DO(T, BITS, 1, 5) DO(T, BITS, 1, 6) DO(T, BITS, 1, 7) DO(T, BITS, 1, 8)                       \
    DO(T, BITS, 2, 1) DO(T, BITS, 2, 2) DO(T, BITS, 2, 3) DO(T, BITS, 2, 4)                       \
    DO(T, BITS, 2, 5) DO(T, BITS, 2, 6)                                                           \
    DO(T, BITS, 3, 1) DO(T, BITS, 3, 2) DO(T, BITS, 3, 3) DO(T, BITS, 3, 4)                       \
    DO(T, BITS, 4, 1) DO(T, BITS, 4, 2) DO(T, BITS, 4, 3)
#else
#define UPSHAPE_PAIR_SHAPES(DO, T, BITS)                                                          \
    DO(T, BITS, 1, 1) DO(T, BITS, 1, 2) DO(T, BITS, 1, 3) DO(T, BITS, 1, 4)                       \
    DO(T, BITS, 1, 5) DO(T, BITS, 1, 6)                                                           \
    DO(T, BITS, 2, 1) DO(T, BITS, 2, 2) DO(T, BITS, 2, 3)                                         \
    DO(T, BITS, 3, 1) DO(T, BITS, 3, 2)
#endif

#define UPSHAPE_PAIR(T, BITS, NAME, ALIKE, NP, NV)                                                \
    static __attribute__((noinline)) void tile_##NAME##_##BITS##_##NP##x##NV(                     \
        const T *x, ptrdiff_t x_channel, const ptrdiff_t *first, const ptrdiff_t *second,         \
        ptrdiff_t taps, ptrdiff_t channels, const T *w, const T *init, T *c, ptrdiff_t c_row,     \
        T *const *to, ptrdiff_t n)                                                                \
    {                                                                                             \
        upshape_pair_##BITS(NP, NV, ALIKE, x, x_channel, first, second, taps, channels, w, init,  \
                            c, c_row, to, n);                                                     \
    }
#define UPSHAPE_PAIRS_AND_TWINS(T, BITS, NP, NV)                                                  \
    UPSHAPE_PAIR(T, BITS, pairs, 0, NP, NV)                                                       \
    UPSHAPE_PAIR(T, BITS, twins, 1, NP, NV)
UPSHAPE_PAIR_SHAPES(UPSHAPE_PAIRS_AND_TWINS, float, 32)
UPSHAPE_PAIR_SHAPES(UPSHAPE_PAIRS_AND_TWINS, double, 64)

#define UPSHAPE_PAIR_CASE(T, BITS, NP, NV)                                                        \
    case NP * 16 + NV:                                                                            \
        if (first == second)                                                                      \
            tile_twins_##BITS##_##NP##x##NV(x, x_channel, first, second, taps, channels, w, init, \
                                            c, c_row, to, n);                                     \
        else                                                                                      \
            tile_pairs_##BITS##_##NP##x##NV(x, x_channel, first, second, taps, channels, w, init, \
                                            c, c_row, to, n);                                     \
        break;
#define UPSHAPE_PAIR_DISPATCH(T, BITS)                                                            \
    static inline void tile_pairs_##BITS(                                                         \
        int np, int nv, const T *x, ptrdiff_t x_channel, const ptrdiff_t *first,                  \
        const ptrdiff_t *second, ptrdiff_t taps, ptrdiff_t channels, const T *w, const T *init,   \
        T *c, ptrdiff_t c_row, T *const *to, ptrdiff_t n)                                         \
    {                                                                                             \
        switch (np * 16 + nv) {                                                                   \
            UPSHAPE_PAIR_SHAPES(UPSHAPE_PAIR_CASE, T, BITS)                                       \
        }                                                                                         \
    }
UPSHAPE_PAIR_DISPATCH(float, 32)
UPSHAPE_PAIR_DISPATCH(double, 64)

#endif
