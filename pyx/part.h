/* Vectors loaded and stored whole or in part, for the tiles that write results themselves. */
#ifndef UPSHAPE_PART_H
#define UPSHAPE_PART_H

#include "tile.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define UPSHAPE_WHOLE(T, BITS)                                                          \
    UPSHAPE_INLINE upshape_v##BITS load_##BITS(const T *p) { return *(const upshape_u##BITS *)p; }\
    UPSHAPE_INLINE void store_##BITS(T *p, upshape_v##BITS v) { *(upshape_u##BITS *)p = v; }
UPSHAPE_WHOLE(float, 32)
UPSHAPE_WHOLE(double, 64)

/* The first n elements of a vector, if there are so many, and zeros for the rest; no other memory
 * is read or written. */
#if UPSHAPE_VECTOR_BYTES == 64 && defined(__AVX512F__)
UPSHAPE_INLINE upshape_v32 load_part_32(const float *p, ptrdiff_t n)
{
    return n >= 16 ? load_32(p) : n <= 0 ? (upshape_v32){0}
           : (upshape_v32)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
UPSHAPE_INLINE upshape_v64 load_part_64(const double *p, ptrdiff_t n)
{
    return n >= 8 ? load_64(p) : n <= 0 ? (upshape_v64){0}
           : (upshape_v64)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
}
#elif UPSHAPE_VECTOR_BYTES == 32 && defined(__AVX2__)
UPSHAPE_INLINE upshape_v32 load_part_32(const float *p, ptrdiff_t n)
{
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return n >= 8 ? load_32(p) : n <= 0 ? (upshape_v32){0}
           : (upshape_v32)_mm256_maskload_ps(
                 p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane));
}
UPSHAPE_INLINE upshape_v64 load_part_64(const double *p, ptrdiff_t n)
{
    __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
    return n >= 4 ? load_64(p) : n <= 0 ? (upshape_v64){0}
           : (upshape_v64)_mm256_maskload_pd(
                 p, _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)n), lane));
}
#else
#define UPSHAPE_LOAD_PART(T, BITS)                                                                \
    UPSHAPE_INLINE upshape_v##BITS load_part_##BITS(const T *p, ptrdiff_t n)                      \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        T part[LANES] = {0};                                                                      \
        if (n >= LANES)                                                                           \
            return load_##BITS(p);                                                                \
        for (ptrdiff_t j = 0; j < n; j++) {                                                       \
            part[j] = p[j];                                                                       \
            UPSHAPE_SCALAR(j);                                                                    \
        }                                                                                         \
        return load_##BITS(part);                                                                 \
    }
UPSHAPE_LOAD_PART(float, 32)
UPSHAPE_LOAD_PART(double, 64)
#endif

#if UPSHAPE_VECTOR_BYTES == 64 && defined(__AVX512F__)
UPSHAPE_INLINE void store_part_32(float *p, upshape_v32 v, ptrdiff_t n)
{
    if (n >= 16)
        store_32(p, v);
    else if (n > 0)
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
UPSHAPE_INLINE void store_part_64(double *p, upshape_v64 v, ptrdiff_t n)
{
    if (n >= 8)
        store_64(p, v);
    else if (n > 0)
        _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
}
#else
/* Not by a masked store: Zen 1 to 3 take eighteen operations for one. */
#define UPSHAPE_STORE_PART(T, BITS)                                                               \
    UPSHAPE_INLINE void store_part_##BITS(T *p, upshape_v##BITS v, ptrdiff_t n)                   \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        T part[LANES];                                                                            \
        if (n >= LANES) {                                                                         \
            store_##BITS(p, v);                                                                   \
            return;                                                                               \
        }                                                                                         \
        store_##BITS(part, v);                                                                    \
        move_##BITS(p, part, n);                                                                  \
    }
UPSHAPE_STORE_PART(float, 32)
UPSHAPE_STORE_PART(double, 64)
#endif

#define UPSHAPE_FILL(T, BITS)                                                                     \
    UPSHAPE_INLINE void fill_##BITS(T *to, T value, ptrdiff_t n)                                  \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        for (ptrdiff_t j = 0; j < n; j += LANES)                                                  \
            store_part_##BITS(to + j, value - (upshape_v##BITS){0}, n - j);                       \
    }
UPSHAPE_FILL(float, 32)
UPSHAPE_FILL(double, 64)

/* Rows of three or four phases. With gcc alone: clang shuffles by constants only. */
#if defined(__GNUC__) && !defined(__clang__)
#define UPSHAPE_WEAVES 1
#define UPSHAPE_PICKED(a, b, mask) __builtin_shuffle(a, b, mask)
#define UPSHAPE_WEAVE(T, BITS)                                                                    \
    /* to[step j + i] = a[i][j], j < n, step 3 or 4. */                                           \
    static __attribute__((noinline)) void weave_##BITS(                                           \
        T *to, const T *const *a, ptrdiff_t step, ptrdiff_t n)                                    \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        upshape_i##BITS two[3] = {{0}, {0}, {0}}, three[3] = {{0}, {0}, {0}};                     \
        UPSHAPE_UNROLL for (int i = 0; i < 3; i++)                                                \
            UPSHAPE_UNROLL for (int l = 0; l < LANES; l++) {                                      \
                const int pixel = (i * LANES + l) / 3, phase = (i * LANES + l) % 3;               \
                two[i][l] = phase == 1 ? LANES + pixel : pixel;                                   \
                three[i][l] = phase == 2 ? LANES + pixel : l;                                     \
            }                                                                                     \
        for (ptrdiff_t j = 0; j < n; j += LANES) {                                                \
            const ptrdiff_t rest = n - j;                                                         \
            upshape_v##BITS p = load_part_##BITS(a[0] + j, rest);                                 \
            upshape_v##BITS q = load_part_##BITS(a[1] + j, rest);                                 \
            upshape_v##BITS r = load_part_##BITS(a[2] + j, rest);                                 \
            T *here = to + step * j;                                                              \
            if (step == 3) {                                                                      \
                UPSHAPE_UNROLL for (int i = 0; i < 3; i++)                                        \
                    store_part_##BITS(                                                            \
                        here + i * LANES,                                                         \
                        UPSHAPE_PICKED(UPSHAPE_PICKED(p, q, two[i]), r, three[i]),                \
                        3 * rest - i * LANES);                                                    \
            } else {                                                                              \
                upshape_v##BITS s = load_part_##BITS(a[3] + j, rest);                             \
                UPSHAPE_UNROLL for (int half = 0; half < 2; half++) {                             \
                    upshape_v##BITS even =                                                        \
                        half ? UPSHAPE_ZIP_##BITS(p, r, upshape_i##BITS, LANES / 2)               \
                             : UPSHAPE_ZIP_##BITS(p, r, upshape_i##BITS, 0);                      \
                    upshape_v##BITS odd =                                                         \
                        half ? UPSHAPE_ZIP_##BITS(q, s, upshape_i##BITS, LANES / 2)               \
                             : UPSHAPE_ZIP_##BITS(q, s, upshape_i##BITS, 0);                      \
                    store_part_##BITS(                                                            \
                        here + 2 * half * LANES,                                                  \
                        UPSHAPE_ZIP_##BITS(even, odd, upshape_i##BITS, 0),                        \
                        4 * rest - 2 * half * LANES);                                             \
                    store_part_##BITS(                                                            \
                        here + (2 * half + 1) * LANES,                                            \
                        UPSHAPE_ZIP_##BITS(even, odd, upshape_i##BITS, LANES / 2),                \
                        4 * rest - (2 * half + 1) * LANES);                                       \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
    }
UPSHAPE_WEAVE(float, 32)
UPSHAPE_WEAVE(double, 64)
#else
static inline void weave_32(float *to, const float *const *a, ptrdiff_t step, ptrdiff_t n)
{
    for (ptrdiff_t j = 0; j < n; j++)
        for (ptrdiff_t i = 0; i < step; i++)
            to[step * j + i] = a[i][j];
}
static inline void weave_64(double *to, const double *const *a, ptrdiff_t step, ptrdiff_t n)
{
    for (ptrdiff_t j = 0; j < n; j++)
        for (ptrdiff_t i = 0; i < step; i++)
            to[step * j + i] = a[i][j];
}
#endif

#endif
