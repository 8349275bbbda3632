/* The register tiles of the convolutions, in the compilers' own vector types.
 *
 * tile_pixels: acc[NB][NV]: NB rows (output channels and phases) by NV vectors of pixels.
 *     acc[b][v] += w[k][b] * x[k][v]      the weights are broadcast, the pixels are vectors
 * tile_channels: acc[MB][NV]: MB pixels by NV vectors of output channels (or phases).
 *     acc[m][v] += x[k][m] * w[k][v]      the pixels are broadcast, the weights are vectors
 *
 * k runs over taps, then input channels: one accumulator an output, always in that order, so the
 * shape of a tile changes no bit of its result. `init` (NULL: go on from what c holds) is where
 * the sum starts: the bias. The caller has checked everything; nothing is allocated.
 *
 * Why vector types: gcc keeps plain arrays of most shapes in memory instead of registers. */
#ifndef UPSHAPE_TILE_H
#define UPSHAPE_TILE_H

#include <stddef.h>
#include "level.h"

/* Rows and vectors of the largest tile, in registers of the level. v2 and v3 have 16 registers:
 * 6 x 2 leaves room for two vectors of pixels and a broadcast weight. v4 has 32: 8 x 3 needs
 * eleven loads for 24 multiply-adds, and eight rows divide the usual channel counts.
 * TILE_PIXELS: pixels of the tiles that broadcast them, by two vectors of lanes; on Granite Rapids 12
 * are 1.05 to 1.1 times as fast as 8; on Zen 5, 14 win 2 % for rows that they divide and lose 10 %
 * for wide strides.
 * A tile of fewer vectors keeps the units less busy. TILE_MISSING: what a vector that is missing
 * costs, in hundredths of one that is there (6 x 1 on Zen 3: 0.6 of the peak; 8 x 2 and 8 x 1 on
 * Granite Rapids: 0.92 and 0.79). TILE_SHIFTED: what the first of the taps that read the same lines
 * costs more, in hundredths, if its vectors straddle lines; all vectors of 64 bytes do.
 * TILE_NARROW: what a shifted vector costs more for being read by one row alone; by two, half of it.
 * Granite Rapids: 1 x 8, 3 x 8 and 8 x 3 take 2.4, 1.4 and 1.15 times as long as the multiply-adds.
 * PIECE_CYCLES: what a piece of a row costs beyond its copying. PIECE_STEP, PLANE_STEP: up to which
 * input step pieces and planes are cheaper than picking their elements one by one. */
#if UPSHAPE_VECTOR_BYTES == 64
#define UPSHAPE_TILE_ROWS 8
#define UPSHAPE_TILE_REGISTERS 24
#define UPSHAPE_TILE_PIXELS 12
#define UPSHAPE_TILE_MISSING 13
#define UPSHAPE_TILE_SHIFTED 25
#define UPSHAPE_TILE_NARROW 120
#define UPSHAPE_PIECE_CYCLES 5
#define UPSHAPE_PIECE_STEP 2
#define UPSHAPE_PLANE_STEP 4
#else
#define UPSHAPE_TILE_ROWS 6
#define UPSHAPE_TILE_REGISTERS 12
#define UPSHAPE_TILE_PIXELS 6
#define UPSHAPE_TILE_MISSING 70
#define UPSHAPE_TILE_SHIFTED 0
#define UPSHAPE_TILE_NARROW 40
#define UPSHAPE_PIECE_CYCLES 12
#define UPSHAPE_PIECE_STEP 1
#define UPSHAPE_PLANE_STEP 1
#endif
#define UPSHAPE_TILE_VECTORS 8

typedef float upshape_v32 __attribute__((vector_size(UPSHAPE_VECTOR_BYTES)));
typedef double upshape_v64 __attribute__((vector_size(UPSHAPE_VECTOR_BYTES)));
typedef float upshape_u32 __attribute__((vector_size(UPSHAPE_VECTOR_BYTES), aligned(4), may_alias));
typedef double upshape_u64 __attribute__((vector_size(UPSHAPE_VECTOR_BYTES), aligned(8), may_alias));

#define UPSHAPE_INLINE static inline __attribute__((always_inline))
#define UPSHAPE_UNROLL UPSHAPE_UNROLLED(16)

/* One load for all its uses: left alone, gcc loads a vector again for each. A vector that is wider
 * than the registers (v4's logic in v3's instructions) cannot be held in one. */
#if defined(__AVX512F__)
#define UPSHAPE_HELD(v) __asm__("" : "+v"(v))
#elif defined(__x86_64__) && UPSHAPE_VECTOR_BYTES <= 32
#define UPSHAPE_HELD(v) __asm__("" : "+x"(v))
#else
#define UPSHAPE_HELD(v) (void)0
#endif
/* A sum that stays beside its product, to be rounded once with it: clang moves the sums that several
 * branches end with behind them. */
#ifdef __clang__
#define UPSHAPE_JOINED(sum) UPSHAPE_HELD(sum)
#else
#define UPSHAPE_JOINED(sum) (void)0
#endif
/* Whether the registers have room for so many vectors, another, and a product on its way. */
#if defined(__AVX512F__)
#define UPSHAPE_HOLDS(count) ((count) + 1 <= 32)
#elif defined(__FMA__)
#define UPSHAPE_HOLDS(count) ((count) + 1 <= 16)
#else
#define UPSHAPE_HOLDS(count) ((count) + 3 <= 16)
#endif

#define UPSHAPE_TILE_BODIES(T, BITS)                                                              \
    UPSHAPE_INLINE void upshape_pixels_##BITS(                                                    \
        const int nb, const int nv, const T *x, ptrdiff_t x_channel, const ptrdiff_t *tap,        \
        ptrdiff_t taps, ptrdiff_t channels, const T *w, const T *init, T *c, ptrdiff_t c_row)     \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        upshape_v##BITS acc[UPSHAPE_TILE_ROWS][UPSHAPE_TILE_VECTORS];                             \
        UPSHAPE_UNROLL for (int b = 0; b < nb; b++)                                               \
            UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                           \
                if (init)                                                                         \
                    acc[b][v] = (upshape_v##BITS){0} + init[b];                                   \
                else                                                                              \
                    acc[b][v] = *(upshape_u##BITS *)(c + b * c_row + v * LANES);                  \
        for (ptrdiff_t t = 0; t < taps; t++) {                                                    \
            const T *p = x + tap[t];                                                              \
            for (ptrdiff_t k = 0; k < channels; k++) {                                            \
                if (nb < nv && UPSHAPE_HOLDS(nb * nv + nb)) { /* few weights */                   \
                    upshape_v##BITS weights[UPSHAPE_TILE_ROWS];                                   \
                    UPSHAPE_UNROLL for (int b = 0; b < nb; b++)                                   \
                        weights[b] = (upshape_v##BITS){0} + w[b];                                 \
                    UPSHAPE_UNROLL for (int v = 0; v < nv; v++) {                                 \
                        upshape_v##BITS pixels = *(const upshape_u##BITS *)(p + v * LANES);       \
                        UPSHAPE_HELD(pixels);                                                     \
                        UPSHAPE_UNROLL for (int b = 0; b < nb; b++)                               \
                            acc[b][v] += weights[b] * pixels;                                     \
                    }                                                                             \
                } else {                                                                          \
                    upshape_v##BITS pixels[UPSHAPE_TILE_VECTORS];                                 \
                    UPSHAPE_UNROLL for (int v = 0; v < nv; v++) {                                 \
                        pixels[v] = *(const upshape_u##BITS *)(p + v * LANES);                    \
                        if (UPSHAPE_HOLDS(nb * nv + nv))                                          \
                            UPSHAPE_HELD(pixels[v]);                                              \
                    }                                                                             \
                    UPSHAPE_UNROLL for (int b = 0; b < nb; b++)                                   \
                        UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                               \
                            acc[b][v] += w[b] * pixels[v];                                        \
                }                                                                                 \
                p += x_channel;                                                                   \
                w += nb;                                                                          \
            }                                                                                     \
        }                                                                                         \
        UPSHAPE_UNROLL for (int b = 0; b < nb; b++)                                               \
            UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                           \
                *(upshape_u##BITS *)(c + b * c_row + v * LANES) = acc[b][v];                      \
    }                                                                                             \
    UPSHAPE_INLINE void upshape_channels_##BITS(                                                  \
        const int mb, const int nv, T *const *x, ptrdiff_t x_channel, const ptrdiff_t *tap, \
        ptrdiff_t taps, ptrdiff_t channels, const T *w, const T *init, T *c)                      \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        upshape_v##BITS acc[UPSHAPE_TILE_PIXELS][2];                                              \
        UPSHAPE_UNROLL for (int m = 0; m < mb; m++)                                               \
            UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                           \
                acc[m][v] = init ? *(const upshape_u##BITS *)(init + v * LANES)                   \
                                 : *(const upshape_u##BITS *)(c + (m * nv + v) * LANES);          \
        for (ptrdiff_t t = 0; t < taps; t++) {                                                    \
            const T *p[UPSHAPE_TILE_PIXELS];                                                      \
            UPSHAPE_UNROLL for (int m = 0; m < mb; m++)                                           \
                p[m] = x[m] + tap[t];                                                             \
            for (ptrdiff_t channel = 0, k = 0; channel < channels; channel++, k += x_channel) {    \
                upshape_v##BITS weights[2];                                                       \
                UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                       \
                    weights[v] = *(const upshape_u##BITS *)(w + v * LANES);                       \
                UPSHAPE_UNROLL for (int m = 0; m < mb; m++)                                       \
                    UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                   \
                        acc[m][v] += p[m][k] * weights[v];                                        \
                w += nv * LANES;                                                                  \
            }                                                                                     \
        }                                                                                         \
        UPSHAPE_UNROLL for (int m = 0; m < mb; m++)                                               \
            UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                           \
                *(upshape_u##BITS *)(c + (m * nv + v) * LANES) = acc[m][v];                       \
    }

UPSHAPE_TILE_BODIES(float, 32)
UPSHAPE_TILE_BODIES(double, 64)

#define UPSHAPE_PIXELS(T, BITS, NB, NV)                                                           \
    static __attribute__((noinline)) void tile_pixels_##BITS##_##NB##x##NV(                       \
        const T *x, ptrdiff_t x_channel, const ptrdiff_t *tap, ptrdiff_t taps, ptrdiff_t channels,\
        const T *w, const T *init, T *c, ptrdiff_t c_row)                                         \
    {                                                                                             \
        upshape_pixels_##BITS(NB, NV, x, x_channel, tap, taps, channels, w, init, c, c_row);      \
    }
#define UPSHAPE_CHANNELS(T, BITS, MB, NV)                                                         \
    static __attribute__((noinline)) void tile_channels_##BITS##_##MB##x##NV(                     \
        T *const *x, ptrdiff_t x_channel, const ptrdiff_t *tap, ptrdiff_t taps,             \
        ptrdiff_t channels, const T *w, const T *init, T *c)                                      \
    {                                                                                             \
        upshape_channels_##BITS(MB, NV, x, x_channel, tap, taps, channels, w, init, c);           \
    }

/* Every shape that a tile can have: the rows by the vectors that the registers hold. */
#if UPSHAPE_VECTOR_BYTES == 64
#define UPSHAPE_PIXEL_SHAPES(DO, T, BITS)                                                         \
    DO(T, BITS, 1, 1) DO(T, BITS, 1, 2) DO(T, BITS, 1, 3) DO(T, BITS, 1, 4)                       \
    DO(T, BITS, 1, 5) DO(T, BITS, 1, 6) DO(T, BITS, 1, 7) DO(T, BITS, 1, 8)                       \
    DO(T, BITS, 2, 1) DO(T, BITS, 2, 2) DO(T, BITS, 2, 3) DO(T, BITS, 2, 4)                       \
    DO(T, BITS, 2, 5) DO(T, BITS, 2, 6) DO(T, BITS, 2, 7) DO(T, BITS, 2, 8)                       \
    DO(T, BITS, 3, 1) DO(T, BITS, 3, 2) DO(T, BITS, 3, 3) DO(T, BITS, 3, 4)                       \
    DO(T, BITS, 3, 5) DO(T, BITS, 3, 6) DO(T, BITS, 3, 7) DO(T, BITS, 3, 8)                       \
    DO(T, BITS, 4, 1) DO(T, BITS, 4, 2) DO(T, BITS, 4, 3) DO(T, BITS, 4, 4)                       \
    DO(T, BITS, 4, 5) DO(T, BITS, 4, 6)                                                           \
    DO(T, BITS, 5, 1) DO(T, BITS, 5, 2) DO(T, BITS, 5, 3) DO(T, BITS, 5, 4)                       \
    DO(T, BITS, 6, 1) DO(T, BITS, 6, 2) DO(T, BITS, 6, 3) DO(T, BITS, 6, 4)                       \
    DO(T, BITS, 7, 1) DO(T, BITS, 7, 2) DO(T, BITS, 7, 3)                                         \
    DO(T, BITS, 8, 1) DO(T, BITS, 8, 2) DO(T, BITS, 8, 3)
#define UPSHAPE_CHANNEL_SHAPES(DO, T, BITS)                                                       \
    DO(T, BITS, 1, 1) DO(T, BITS, 1, 2) DO(T, BITS, 2, 1) DO(T, BITS, 2, 2)                       \
    DO(T, BITS, 3, 1) DO(T, BITS, 3, 2) DO(T, BITS, 4, 1) DO(T, BITS, 4, 2)                       \
    DO(T, BITS, 5, 1) DO(T, BITS, 5, 2) DO(T, BITS, 6, 1) DO(T, BITS, 6, 2)                       \
    DO(T, BITS, 7, 1) DO(T, BITS, 7, 2) DO(T, BITS, 8, 1) DO(T, BITS, 8, 2)                       \
    DO(T, BITS, 9, 1) DO(T, BITS, 9, 2) DO(T, BITS, 10, 1) DO(T, BITS, 10, 2)                     \
    DO(T, BITS, 11, 1) DO(T, BITS, 11, 2) DO(T, BITS, 12, 1) DO(T, BITS, 12, 2)
#else
#define UPSHAPE_PIXEL_SHAPES(DO, T, BITS)                                                         \
    DO(T, BITS, 1, 1) DO(T, BITS, 1, 2) DO(T, BITS, 1, 3) DO(T, BITS, 1, 4)                       \
    DO(T, BITS, 1, 5) DO(T, BITS, 1, 6) DO(T, BITS, 1, 7) DO(T, BITS, 1, 8)                       \
    DO(T, BITS, 2, 1) DO(T, BITS, 2, 2) DO(T, BITS, 2, 3) DO(T, BITS, 2, 4)                       \
    DO(T, BITS, 2, 5) DO(T, BITS, 2, 6)                                                           \
    DO(T, BITS, 3, 1) DO(T, BITS, 3, 2) DO(T, BITS, 3, 3) DO(T, BITS, 3, 4)                       \
    DO(T, BITS, 4, 1) DO(T, BITS, 4, 2) DO(T, BITS, 4, 3)                                         \
    DO(T, BITS, 5, 1) DO(T, BITS, 5, 2) DO(T, BITS, 6, 1) DO(T, BITS, 6, 2)
#define UPSHAPE_CHANNEL_SHAPES(DO, T, BITS)                                                       \
    DO(T, BITS, 1, 1) DO(T, BITS, 1, 2) DO(T, BITS, 2, 1) DO(T, BITS, 2, 2)                       \
    DO(T, BITS, 3, 1) DO(T, BITS, 3, 2) DO(T, BITS, 4, 1) DO(T, BITS, 4, 2)                       \
    DO(T, BITS, 5, 1) DO(T, BITS, 5, 2) DO(T, BITS, 6, 1) DO(T, BITS, 6, 2)
#endif

UPSHAPE_PIXEL_SHAPES(UPSHAPE_PIXELS, float, 32)
UPSHAPE_PIXEL_SHAPES(UPSHAPE_PIXELS, double, 64)
UPSHAPE_CHANNEL_SHAPES(UPSHAPE_CHANNELS, float, 32)
UPSHAPE_CHANNEL_SHAPES(UPSHAPE_CHANNELS, double, 64)

#define UPSHAPE_PIXELS_CASE(T, BITS, NB, NV)                                                      \
    case NB * 16 + NV:                                                                            \
        tile_pixels_##BITS##_##NB##x##NV(x, x_channel, tap, taps, channels, w, init, c, c_row);   \
        break;
#define UPSHAPE_CHANNELS_CASE(T, BITS, MB, NV)                                                    \
    case MB * 16 + NV:                                                                            \
        tile_channels_##BITS##_##MB##x##NV(x, x_channel, tap, taps, channels, w, init, c);        \
        break;
#define UPSHAPE_DISPATCH(T, BITS)                                                                 \
    static inline void tile_pixels_##BITS(                                                        \
        int nb, int nv, const T *x, ptrdiff_t x_channel, const ptrdiff_t *tap, ptrdiff_t taps,    \
        ptrdiff_t channels, const T *w, const T *init, T *c, ptrdiff_t c_row)                     \
    {                                                                                             \
        switch (nb * 16 + nv) {                                                                   \
            UPSHAPE_PIXEL_SHAPES(UPSHAPE_PIXELS_CASE, T, BITS)                                    \
        }                                                                                         \
    }                                                                                             \
    static inline void tile_channels_##BITS(                                                      \
        int mb, int nv, T *const *x, ptrdiff_t x_channel, const ptrdiff_t *tap,             \
        ptrdiff_t taps, ptrdiff_t channels, const T *w, const T *init, T *c)                      \
    {                                                                                             \
        switch (mb * 16 + nv) {                                                                   \
            UPSHAPE_CHANNEL_SHAPES(UPSHAPE_CHANNELS_CASE, T, BITS)                                \
        }                                                                                         \
    }
UPSHAPE_DISPATCH(float, 32)
UPSHAPE_DISPATCH(double, 64)

/* Rows on their way in and out. zip: to[2j] = a[j], to[2j + 1] = b[j]; move: to[j] = a[j];
 * pick: to[j] = a[step j]; zero: to[j] = 0. */
#ifdef __clang__
#define UPSHAPE_SHUFFLE(a, b, mask, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define UPSHAPE_SHUFFLE(a, b, mask, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif
typedef int upshape_i32 __attribute__((vector_size(UPSHAPE_VECTOR_BYTES)));
typedef long long upshape_i64 __attribute__((vector_size(UPSHAPE_VECTOR_BYTES)));
#define UPSHAPE_ZIP2(a, b, M, LOW) UPSHAPE_SHUFFLE(a, b, M, LOW, LOW + 2)
#define UPSHAPE_ZIP4(a, b, M, LOW) UPSHAPE_SHUFFLE(a, b, M, LOW, LOW + 4, LOW + 1, LOW + 5)
#define UPSHAPE_ZIP8(a, b, M, LOW)                                                                \
    UPSHAPE_SHUFFLE(a, b, M, LOW, LOW + 8, LOW + 1, LOW + 9, LOW + 2, LOW + 10, LOW + 3, LOW + 11)
#define UPSHAPE_ZIP16(a, b, M, LOW)                                                               \
    UPSHAPE_SHUFFLE(a, b, M, LOW, LOW + 16, LOW + 1, LOW + 17, LOW + 2, LOW + 18, LOW + 3, LOW + 19, \
                    LOW + 4, LOW + 20, LOW + 5, LOW + 21, LOW + 6, LOW + 22, LOW + 7, LOW + 23)
#define UPSHAPE_EVEN2(a, b, M) UPSHAPE_SHUFFLE(a, b, M, 0, 2)
#define UPSHAPE_EVEN4(a, b, M) UPSHAPE_SHUFFLE(a, b, M, 0, 2, 4, 6)
#define UPSHAPE_EVEN8(a, b, M) UPSHAPE_SHUFFLE(a, b, M, 0, 2, 4, 6, 8, 10, 12, 14)
#define UPSHAPE_EVEN16(a, b, M)                                                                   \
    UPSHAPE_SHUFFLE(a, b, M, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#if UPSHAPE_VECTOR_BYTES == 64
#define UPSHAPE_ZIP_32 UPSHAPE_ZIP16
#define UPSHAPE_ZIP_64 UPSHAPE_ZIP8
#define UPSHAPE_EVEN_32 UPSHAPE_EVEN16
#define UPSHAPE_EVEN_64 UPSHAPE_EVEN8
#elif UPSHAPE_VECTOR_BYTES == 32
#define UPSHAPE_ZIP_32 UPSHAPE_ZIP8
#define UPSHAPE_ZIP_64 UPSHAPE_ZIP4
#define UPSHAPE_EVEN_32 UPSHAPE_EVEN8
#define UPSHAPE_EVEN_64 UPSHAPE_EVEN4
#else
#define UPSHAPE_ZIP_32 UPSHAPE_ZIP4
#define UPSHAPE_ZIP_64 UPSHAPE_ZIP2
#define UPSHAPE_EVEN_32 UPSHAPE_EVEN4
#define UPSHAPE_EVEN_64 UPSHAPE_EVEN2
#endif
/* A scalar tail that stays scalar: it is shorter than a vector, and rows are short in small maps. */
#define UPSHAPE_SCALAR(j) __asm__("" : "+r"(j))
#define UPSHAPE_ROWS_OUT(T, BITS, QUARTER, HALF)                                                  \
    typedef T upshape_h##BITS __attribute__((vector_size(16)));                                   \
    typedef T upshape_k##BITS __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));    \
    UPSHAPE_INLINE void zip_##BITS(T *to, const T *a, const T *b, ptrdiff_t n)                    \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T), SHORT = 16 / sizeof(T) };                \
        ptrdiff_t j = 0;                                                                          \
        for (; j + LANES <= n; j += LANES) {                                                      \
            upshape_v##BITS p = *(const upshape_u##BITS *)(a + j);                                \
            upshape_v##BITS q = *(const upshape_u##BITS *)(b + j);                                \
            *(upshape_u##BITS *)(to + 2 * j) = UPSHAPE_ZIP_##BITS(p, q, upshape_i##BITS, 0);      \
            *(upshape_u##BITS *)(to + 2 * j + LANES) =                                            \
                UPSHAPE_ZIP_##BITS(p, q, upshape_i##BITS, LANES / 2);                             \
        }                                                                                         \
        for (; j + SHORT <= n; j += SHORT) {                                                      \
            upshape_h##BITS p = *(const upshape_k##BITS *)(a + j);                                \
            upshape_h##BITS q = *(const upshape_k##BITS *)(b + j);                                \
            *(upshape_k##BITS *)(to + 2 * j) = QUARTER(p, q, HALF, 0);                            \
            *(upshape_k##BITS *)(to + 2 * j + SHORT) = QUARTER(p, q, HALF, SHORT / 2);            \
        }                                                                                         \
        for (; j < n; j++) {                                                                      \
            to[2 * j] = a[j];                                                                     \
            to[2 * j + 1] = b[j];                                                                 \
            UPSHAPE_SCALAR(j);                                                                    \
        }                                                                                         \
    }                                                                                             \
    UPSHAPE_INLINE void move_##BITS(T *to, const T *a, ptrdiff_t n)                               \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T), SHORT = 16 / sizeof(T) };                \
        ptrdiff_t j = 0;                                                                          \
        for (; j + LANES <= n; j += LANES)                                                        \
            *(upshape_u##BITS *)(to + j) = *(const upshape_u##BITS *)(a + j);                     \
        for (; j + SHORT <= n; j += SHORT)                                                        \
            *(upshape_k##BITS *)(to + j) = *(const upshape_k##BITS *)(a + j);                     \
        for (; j < n; j++) {                                                                      \
            to[j] = a[j];                                                                         \
            UPSHAPE_SCALAR(j);                                                                    \
        }                                                                                         \
    }
#define UPSHAPE_ROWS_IN(T, BITS)                                                                  \
    UPSHAPE_INLINE void zero_##BITS(T *to, ptrdiff_t n)                                           \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        ptrdiff_t j = 0;                                                                          \
        for (; j + LANES <= n; j += LANES)                                                        \
            *(upshape_u##BITS *)(to + j) = (upshape_v##BITS){0};                                  \
        for (; j < n; j++) {                                                                      \
            to[j] = 0;                                                                            \
            UPSHAPE_SCALAR(j);                                                                    \
        }                                                                                         \
    }                                                                                             \
    UPSHAPE_INLINE void pick_##BITS(T *to, const T *a, ptrdiff_t step, ptrdiff_t n)               \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        ptrdiff_t j = 0;                                                                          \
        if (step == 1) {                                                                          \
            move_##BITS(to, a, n);                                                                \
            return;                                                                               \
        }                                                                                         \
        /* Below n, not at it: the last vector's odd neighbour may lie past the array. */         \
        for (; step == 2 && j + LANES < n; j += LANES) {                                          \
            upshape_v##BITS p = *(const upshape_u##BITS *)(a + 2 * j);                            \
            upshape_v##BITS q = *(const upshape_u##BITS *)(a + 2 * j + LANES);                    \
            *(upshape_u##BITS *)(to + j) = UPSHAPE_EVEN_##BITS(p, q, upshape_i##BITS);            \
        }                                                                                         \
        for (; j < n; j++) {                                                                      \
            to[j] = a[step * j];                                                                  \
            UPSHAPE_SCALAR(j);                                                                    \
        }                                                                                         \
    }
typedef int upshape_j32 __attribute__((vector_size(16)));
typedef long long upshape_j64 __attribute__((vector_size(16)));
UPSHAPE_ROWS_OUT(float, 32, UPSHAPE_ZIP4, upshape_j32)
UPSHAPE_ROWS_OUT(double, 64, UPSHAPE_ZIP2, upshape_j64)
UPSHAPE_ROWS_IN(float, 32)
UPSHAPE_ROWS_IN(double, 64)

/* transpose: of as many vectors as a vector has lanes: log2(lanes) times, the first half of them is
 * interleaved with the second.
 * turn: to[l to_row + r] = c[r columns + l]. Columns are whole vectors; of each row of the result, so
 * are the elements that are written, past the last one too. */
#define UPSHAPE_TURN(T, BITS)                                                                     \
    UPSHAPE_INLINE void transpose_##BITS(upshape_v##BITS *v)                                      \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T), HALF = LANES / 2 };                      \
        UPSHAPE_UNROLL for (int done = 1; done < LANES; done *= 2) {                              \
            upshape_v##BITS u[LANES];                                                             \
            UPSHAPE_UNROLL for (int i = 0; i < HALF; i++) {                                       \
                u[2 * i] = UPSHAPE_ZIP_##BITS(v[i], v[i + HALF], upshape_i##BITS, 0);             \
                u[2 * i + 1] = UPSHAPE_ZIP_##BITS(v[i], v[i + HALF], upshape_i##BITS, HALF);      \
            }                                                                                     \
            UPSHAPE_UNROLL for (int i = 0; i < LANES; i++)                                        \
                v[i] = u[i];                                                                      \
        }                                                                                         \
    }                                                                                             \
    UPSHAPE_INLINE void turn_##BITS(T *to, ptrdiff_t to_row, const T *c, ptrdiff_t rows,          \
                                    ptrdiff_t columns)                                            \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        for (ptrdiff_t r = 0; r < rows; r += LANES, to += LANES)                                  \
            for (ptrdiff_t l = 0; l < columns; l += LANES) {                                      \
                upshape_v##BITS v[LANES];                                                         \
                UPSHAPE_UNROLL for (int i = 0; i < LANES; i++)                                    \
                    if (r + i < rows)                                                             \
                        v[i] = *(const upshape_u##BITS *)(c + (r + i) * columns + l);             \
                    else                                                                          \
                        v[i] = (upshape_v##BITS){0};                                              \
                transpose_##BITS(v);                                                              \
                UPSHAPE_UNROLL for (int i = 0; i < LANES; i++)                                    \
                    *(upshape_u##BITS *)(to + (l + i) * to_row) = v[i];                           \
            }                                                                                     \
    }
UPSHAPE_TURN(float, 32)
UPSHAPE_TURN(double, 64)

/* Rows with their borders: to[j] = x[j step] for low <= j < high, 0 for the rest of 0 .. n - 1, in
 * `rows` rows, x_row and to_row apart. Masked vectors need no tails, and rows are hardly longer than
 * a vector in small maps: what the mask leaves out is not read, wherever it lies. */
#ifdef __AVX512F__
#include <immintrin.h>
#define UPSHAPE_ROWS(T, BITS, V, MASK, PS)                                                        \
    UPSHAPE_INLINE unsigned upshape_first_##BITS(ptrdiff_t n)                                     \
    {                                                                                             \
        enum { LANES = 64 / sizeof(T) };                                                          \
        return (1u << (n < 0 ? 0 : n > LANES ? LANES : n)) - 1;                                   \
    }                                                                                             \
    UPSHAPE_INLINE void rows_##BITS(T *to, ptrdiff_t to_row, const T *x, ptrdiff_t x_row,         \
                                    ptrdiff_t rows, ptrdiff_t step, ptrdiff_t low,                \
                                    ptrdiff_t high, ptrdiff_t n)                                  \
    {                                                                                             \
        enum { LANES = 64 / sizeof(T) };                                                          \
        for (ptrdiff_t j = 0; j < n; j += LANES) {                                                \
            const unsigned in = upshape_first_##BITS(high - j) & ~upshape_first_##BITS(low - j);  \
            const MASK out = (MASK)upshape_first_##BITS(n - j);                                   \
            const T *a = x + j * step;                                                            \
            T *b = to + j;                                                                        \
            if (step == 1) {                                                                      \
                for (ptrdiff_t r = 0; r < rows; r++, a += x_row, b += to_row)                     \
                    _mm512_mask_storeu_##PS(b, out, _mm512_maskz_loadu_##PS((MASK)in, a));        \
            } else {                                                                              \
                for (ptrdiff_t r = 0; r < rows; r++, a += x_row, b += to_row)                     \
                    _mm512_mask_storeu_##PS(b, out, upshape_every_##BITS(a, step, (MASK)in));     \
            }                                                                                     \
        }                                                                                         \
    }
/* a[k step] where the mask's bit k is set, else 0. */
#define UPSHAPE_MOST_STEP ((ptrdiff_t)1 << 26) /* whose multiples fit 32 bits */
UPSHAPE_INLINE __m512 upshape_every_32(const float *a, ptrdiff_t step, __mmask16 in)
{
    if (step > UPSHAPE_MOST_STEP) {
        float far[16];
        for (int k = 0; k < 16; k++)
            far[k] = in >> k & 1 ? a[k * step] : 0;
        return _mm512_loadu_ps(far);
    }
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_mask_i32gather_ps(
        _mm512_setzero_ps(), in, _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)step)), a, 4);
}
UPSHAPE_INLINE __m512d upshape_every_64(const double *a, ptrdiff_t step, __mmask8 in)
{
    if (step > UPSHAPE_MOST_STEP) {
        double far[8];
        for (int k = 0; k < 8; k++)
            far[k] = in >> k & 1 ? a[k * step] : 0;
        return _mm512_loadu_pd(far);
    }
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm512_mask_i32gather_pd(
        _mm512_setzero_pd(), in, _mm256_mullo_epi32(lane, _mm256_set1_epi32((int)step)), a, 8);
}
UPSHAPE_ROWS(float, 32, __m512, __mmask16, ps)
UPSHAPE_ROWS(double, 64, __m512d, __mmask8, pd)
#else
#define UPSHAPE_ROWS(T, BITS)                                                                     \
    UPSHAPE_INLINE void rows_##BITS(T *to, ptrdiff_t to_row, const T *x, ptrdiff_t x_row,         \
                                    ptrdiff_t rows, ptrdiff_t step, ptrdiff_t low,                \
                                    ptrdiff_t high, ptrdiff_t n)                                  \
    {                                                                                             \
        for (ptrdiff_t r = 0; r < rows; r++, x += x_row, to += to_row) {                          \
            if (low > 0)                                                                          \
                zero_##BITS(to, low);                                                             \
            pick_##BITS(to + low, x + low * step, step, high - low);                              \
            if (high < n)                                                                         \
                zero_##BITS(to + high, n - high);                                                 \
        }                                                                                         \
    }
UPSHAPE_ROWS(float, 32)
UPSHAPE_ROWS(double, 64)
#endif

/* The planes of an input step, `plane` apart: to[p plane + j] = x[j step + p] where low <= j step + p <
 * high, else 0, for j < n, in `rows` rows. */
#define UPSHAPE_PLANE_BY_PLANE(T, BITS)                                                           \
    UPSHAPE_INLINE void upshape_plane_by_plane_##BITS(                                            \
        T *to, ptrdiff_t to_row, ptrdiff_t plane, const T *x, ptrdiff_t x_row, ptrdiff_t rows,    \
        ptrdiff_t step, ptrdiff_t planes, ptrdiff_t low, ptrdiff_t high, ptrdiff_t n)             \
    {                                                                                             \
        for (ptrdiff_t p = 0; p < planes; p++) {                                                  \
            ptrdiff_t first = low > p ? (low - p + step - 1) / step : 0;                          \
            ptrdiff_t end = high > p ? (high - p + step - 1) / step : 0;                          \
            first = first > n ? n : first;                                                        \
            end = end > n ? n : end < first ? first : end;                                        \
            rows_##BITS(to + p * plane, to_row, x + p, x_row, rows, step, first, end, n);         \
        }                                                                                         \
    }
UPSHAPE_PLANE_BY_PLANE(float, 32)
UPSHAPE_PLANE_BY_PLANE(double, 64)
#ifdef __AVX512F__
/* lane * step + p; step is 1 to 4. */
UPSHAPE_INLINE __m512i upshape_index_32(ptrdiff_t step, ptrdiff_t p)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i by = step == 1 ? lane : _mm512_slli_epi32(lane, step == 4 ? 2 : 1);
    if (step == 3)
        by = _mm512_add_epi32(by, lane);
    return _mm512_add_epi32(by, _mm512_set1_epi32((int)p));
}
UPSHAPE_INLINE __m512i upshape_index_64(ptrdiff_t step, ptrdiff_t p)
{
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    __m512i by = step == 1 ? lane : _mm512_slli_epi64(lane, step == 4 ? 2 : 1);
    if (step == 3)
        by = _mm512_add_epi64(by, lane);
    return _mm512_add_epi64(by, _mm512_set1_epi64(p));
}
/* The first n bits, of up to 64. */
UPSHAPE_INLINE unsigned long long upshape_bits(ptrdiff_t n)
{
    return _bzhi_u64(~0ull, (unsigned)(n < 0 ? 0 : n > 64 ? 64 : n));
}
#define UPSHAPE_PLANES(T, BITS, V, MASK, PS, EPI)                                                 \
    /* Element from[lane] of up to four vectors. Of two, the lowest bits of an index choose one;  \
     * above, it is of the others. */                                                             \
    UPSHAPE_INLINE V upshape_pick_##BITS(const V *v, ptrdiff_t step, __m512i from)                \
    {                                                                                             \
        enum { LANES = 64 / sizeof(T) };                                                          \
        V q = _mm512_permutex2var_##PS(v[0], from, v[1]);                                         \
        if (step > 2) {                                                                           \
            MASK others = _mm512_cmpge_##EPI##_mask(from, _mm512_set1_##EPI(2 * LANES));          \
            q = _mm512_mask_blend_##PS(                                                           \
                others, q, _mm512_permutex2var_##PS(v[2], from, v[3]));                           \
        }                                                                                         \
        return q;                                                                                 \
    }                                                                                             \
    /* Those of four vectors whose bits are set, 0 for the others. */                             \
    UPSHAPE_INLINE void upshape_four_##BITS(V *v, const T *a, unsigned long long in)              \
    {                                                                                             \
        enum { LANES = 64 / sizeof(T) };                                                          \
        UPSHAPE_UNROLL for (int i = 0; i < 4; i++) {                                              \
            MASK some = (MASK)(in >> i * LANES);                                                  \
            v[i] = some ? _mm512_maskz_loadu_##PS(some, a + i * LANES) : (V){0};                  \
        }                                                                                         \
    }                                                                                             \
    /* All planes of up to four vectors at once. */                                               \
    UPSHAPE_INLINE void planes_##BITS(                                                            \
        T *to, ptrdiff_t to_row, ptrdiff_t plane, const T *x, ptrdiff_t x_row, ptrdiff_t rows,    \
        ptrdiff_t step, ptrdiff_t planes, ptrdiff_t low, ptrdiff_t high, ptrdiff_t n)             \
    {                                                                                             \
        enum { LANES = 64 / sizeof(T) };                                                          \
        if (step < 2 || step > 4) {                                                               \
            upshape_plane_by_plane_##BITS(                                                        \
                to, to_row, plane, x, x_row, rows, step, planes, low, high, n);                   \
            return;                                                                               \
        }                                                                                         \
        __m512i from[4];                                                                          \
        UPSHAPE_UNROLL for (int p = 0; p < 4; p++)                                                \
            from[p] = upshape_index_##BITS(step, p);                                              \
        for (ptrdiff_t j = 0; j < n; j += LANES) {                                                \
            const MASK out = (MASK)upshape_first_##BITS(n - j);                                   \
            const unsigned long long in = upshape_bits(high - j * step)                           \
                                          & ~upshape_bits(low - j * step)                         \
                                          & upshape_bits(step * LANES);                           \
            const T *a = x + j * step;                                                            \
            T *b = to + j;                                                                        \
            for (ptrdiff_t r = 0; r < rows; r++, a += x_row, b += to_row) {                       \
                V v[4];                                                                           \
                upshape_four_##BITS(v, a, in);                                                    \
                UPSHAPE_UNROLL for (int p = 0; p < 4; p++)                                        \
                    if (p < planes)                                                               \
                        _mm512_mask_storeu_##PS(b + p * plane, out,                               \
                                                upshape_pick_##BITS(v, step, from[p]));           \
            }                                                                                     \
        }                                                                                         \
    }
UPSHAPE_PLANES(float, 32, __m512, __mmask16, ps, epi32)
UPSHAPE_PLANES(double, 64, __m512d, __mmask8, pd, epi64)
#else
#define planes_32 upshape_plane_by_plane_32
#define planes_64 upshape_plane_by_plane_64
#endif

/* Pieces of rows, at most a vector long, that are copied alike for every channel: to[target + j] =
 * x[source + j step] for low <= j < high, 0 for the rest of 0 .. n - 1. */
typedef struct {
    ptrdiff_t source, target;
    int low, high, n; /* with masked vectors, low and n are masks: what is read, what is written */
} upshape_piece;

#ifdef __AVX512F__
#define UPSHAPE_PIECES(T, BITS, V, MASK, PS)                                                      \
    UPSHAPE_INLINE void piece_##BITS(upshape_piece *p, ptrdiff_t low, ptrdiff_t high, ptrdiff_t n)\
    {                                                                                             \
        p->low = (int)(upshape_first_##BITS(high) & ~upshape_first_##BITS(low)                    \
                       & upshape_first_##BITS(n));                                                \
        p->n = (int)upshape_first_##BITS(n);                                                      \
    }                                                                                             \
    UPSHAPE_INLINE void pieces_##BITS(T *to, const T *x, ptrdiff_t step, const upshape_piece *p,  \
                                      ptrdiff_t count)                                            \
    {                                                                                             \
        enum { LANES = 64 / sizeof(T) };                                                          \
        if (step == 1) {                                                                          \
            for (ptrdiff_t i = 0; i < count; i++)                                                 \
                _mm512_mask_storeu_##PS(                                                          \
                    to + p[i].target, (MASK)p[i].n,                                               \
                    _mm512_maskz_loadu_##PS((MASK)p[i].low, x + p[i].source));                    \
        } else if (2 <= step && step <= 4) {                                                      \
            const unsigned long long every = step == 2 ? 0x5555555555555555u                      \
                                           : step == 3 ? 0x9249249249249249u : 0x1111111111111111u;\
            const __m512i from = upshape_index_##BITS(step, 0);                                   \
            for (ptrdiff_t i = 0; i < count; i++) {                                               \
                V v[4];                                                                           \
                upshape_four_##BITS(v, x + p[i].source, _pdep_u64((MASK)p[i].low, every));        \
                _mm512_mask_storeu_##PS(to + p[i].target, (MASK)p[i].n,                           \
                                        upshape_pick_##BITS(v, step, from));                      \
            }                                                                                     \
        } else {                                                                                  \
            for (ptrdiff_t i = 0; i < count; i++)                                                 \
                _mm512_mask_storeu_##PS(                                                          \
                    to + p[i].target, (MASK)p[i].n,                                               \
                    upshape_every_##BITS(x + p[i].source, step, (MASK)p[i].low));                 \
        }                                                                                         \
    }
UPSHAPE_PIECES(float, 32, __m512, __mmask16, ps)
UPSHAPE_PIECES(double, 64, __m512d, __mmask8, pd)
#else
#define UPSHAPE_PIECES(T, BITS)                                                                   \
    UPSHAPE_INLINE void piece_##BITS(upshape_piece *p, ptrdiff_t low, ptrdiff_t high, ptrdiff_t n)\
    {                                                                                             \
        p->low = (int)(low < 0 ? 0 : low > n ? n : low);                                          \
        p->high = (int)(high < p->low ? p->low : high > n ? n : high);                            \
        p->n = (int)n;                                                                            \
    }                                                                                             \
    UPSHAPE_INLINE void pieces_##BITS(T *to, const T *x, ptrdiff_t step, const upshape_piece *p,  \
                                      ptrdiff_t count)                                            \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        for (; count > 0; count--, p++) {                                                         \
            const T *a = x + p->source;                                                           \
            T *b = to + p->target;                                                                \
            if (step == 1 && p->low == 0 && p->high == LANES) {                                   \
                *(upshape_u##BITS *)b = *(const upshape_u##BITS *)a;                              \
                continue;                                                                         \
            }                                                                                     \
            zero_##BITS(b, p->low);                                                               \
            pick_##BITS(b + p->low, a + p->low * step, step, p->high - p->low);                   \
            zero_##BITS(b + p->high, p->n - p->high);                                             \
        }                                                                                         \
    }
UPSHAPE_PIECES(float, 32)
UPSHAPE_PIECES(double, 64)
#endif

/* A row of sums: to[j] = start + the products[j] of each stamp for which low <= j < low + width,
 * j < n. */
typedef struct {
    const void *products;
    ptrdiff_t low;
} upshape_stamp;

#ifdef __AVX512F__
#define UPSHAPE_ADD_UP(T, BITS, V, MASK, PS)                                                      \
    UPSHAPE_INLINE void add_up_##BITS(T *to, T start, const upshape_stamp *stamps, int count,     \
                                      ptrdiff_t width, ptrdiff_t n)                               \
    {                                                                                             \
        enum { LANES = 64 / sizeof(T) };                                                          \
        for (ptrdiff_t j = 0; j < n; j += LANES) {                                                \
            V sum = _mm512_set1_##PS(start);                                                      \
            for (int i = 0; i < count; i++) {                                                     \
                /* In ptrdiff_t: a dilation may lead further than 32 bits. */                     \
                const ptrdiff_t low = stamps[i].low - j;                                          \
                const MASK in = (MASK)(upshape_first_##BITS(low + width)                          \
                                       & ~upshape_first_##BITS(low));                             \
                const T *a = (const T *)stamps[i].products + j;                                   \
                sum = _mm512_add_##PS(sum, _mm512_maskz_loadu_##PS(in, a));                       \
            }                                                                                     \
            _mm512_mask_storeu_##PS(to + j, (MASK)upshape_first_##BITS(n - j), sum);              \
        }                                                                                         \
    }
UPSHAPE_ADD_UP(float, 32, __m512, __mmask16, ps)
UPSHAPE_ADD_UP(double, 64, __m512d, __mmask8, pd)
#else
#define UPSHAPE_ADD_UP(T, BITS)                                                                   \
    UPSHAPE_INLINE void add_up_##BITS(T *to, T start, const upshape_stamp *stamps, int count,     \
                                      ptrdiff_t width, ptrdiff_t n)                               \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        for (ptrdiff_t j = 0; j < n; j += LANES) {                                                \
            const ptrdiff_t here = n - j < LANES ? n - j : LANES;                                 \
            upshape_v##BITS sum = (upshape_v##BITS){0} + start;                                   \
            for (int i = 0; i < count; i++) {                                                     \
                const T *a = (const T *)stamps[i].products + j;                                   \
                const ptrdiff_t low = stamps[i].low - j, high = low + width;                      \
                if (low <= 0 && high >= here && here == LANES) {                                  \
                    sum += *(const upshape_u##BITS *)a;                                           \
                } else {                                                                          \
                    T part[LANES] = {0};                                                          \
                    for (ptrdiff_t k = low > 0 ? low : 0; k < high && k < here; k++) {            \
                        part[k] = a[k];                                                           \
                        UPSHAPE_SCALAR(k);                                                        \
                    }                                                                             \
                    sum += *(const upshape_u##BITS *)part;                                        \
                }                                                                                 \
            }                                                                                     \
            if (here == LANES) {                                                                  \
                *(upshape_u##BITS *)(to + j) = sum;                                               \
            } else {                                                                              \
                for (ptrdiff_t k = 0; k < here; k++)                                              \
                    to[j + k] = sum[k];                                                           \
            }                                                                                     \
        }                                                                                         \
    }
UPSHAPE_ADD_UP(float, 32)
UPSHAPE_ADD_UP(double, 64)
#endif

/* Have the caches fetch a line. */
UPSHAPE_INLINE void upshape_prefetch(const void *line) { __builtin_prefetch(line, 0, 2); }
UPSHAPE_INLINE void upshape_prefetch_to_write(const void *line) { __builtin_prefetch(line, 1, 2); }

#endif
