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

#endif
