/* What the kernel of tables with any number of taps needs beyond vector.h: products and sums that are
 * fused alike in vectors and in single numbers, transposes of a block of as many vectors as a vector
 * has lanes, and the conversions of the integers. */
#ifndef UPSHAPE_TRANSPOSES_H
#define UPSHAPE_TRANSPOSES_H

#include "vector.h"

#define V UPSHAPE_VECTOR_BYTES

typedef struct {
    uint16_t bits;
} upshape_half; /* float16, told from uint16 */

/* --- sum + a b --------------------------------------------------------------------------------- */

UPSHAPE_INLINE upshape_words upshape_times_floats(upshape_words a, upshape_words b)
{
    return (upshape_words)((upshape_floats)a * (upshape_floats)b);
}

UPSHAPE_INLINE upshape_words upshape_times_doubles(upshape_words a, upshape_words b)
{
    return (upshape_words)((upshape_doubles)a * (upshape_doubles)b);
}

UPSHAPE_INLINE upshape_words upshape_plus_floats(
    upshape_words sum, upshape_words a, upshape_words b)
{
#if V == 64 && defined(__AVX512F__)
    return (upshape_words)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)sum);
#elif V == 32 && defined(__FMA__)
    return (upshape_words)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)sum);
#elif UPSHAPE_HAS_FMA
    upshape_floats x = (upshape_floats)a, y = (upshape_floats)b, r = (upshape_floats)sum;
    for (unsigned j = 0; j < V / sizeof(float); j++)
        r[j] = __builtin_fmaf(x[j], y[j], r[j]);
    return (upshape_words)r;
#else
    return (upshape_words)((upshape_floats)sum + (upshape_floats)a * (upshape_floats)b);
#endif
}

UPSHAPE_INLINE upshape_words upshape_plus_doubles(
    upshape_words sum, upshape_words a, upshape_words b)
{
#if V == 64 && defined(__AVX512F__)
    return (upshape_words)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)sum);
#elif V == 32 && defined(__FMA__)
    return (upshape_words)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)sum);
#elif UPSHAPE_HAS_FMA
    upshape_doubles x = (upshape_doubles)a, y = (upshape_doubles)b, r = (upshape_doubles)sum;
    for (unsigned j = 0; j < V / sizeof(double); j++)
        r[j] = __builtin_fma(x[j], y[j], r[j]);
    return (upshape_words)r;
#else
    return (upshape_words)((upshape_doubles)sum + (upshape_doubles)a * (upshape_doubles)b);
#endif
}

UPSHAPE_INLINE float upshape_plus_float(float sum, float a, float b)
{
#if UPSHAPE_HAS_FMA
    return __builtin_fmaf(a, b, sum);
#else
    return sum + a * b;
#endif
}

UPSHAPE_INLINE double upshape_plus_double(double sum, double a, double b)
{
#if UPSHAPE_HAS_FMA
    return __builtin_fma(a, b, sum);
#else
    return sum + a * b;
#endif
}

/* --- transposes: lane j of vector k becomes lane k of vector j --------------------------------- */

#if V == 32 && defined(__AVX2__)
/* The four rows of 128-bit halves that an 8 x 8 block's quarters are put together from. */
UPSHAPE_INLINE void upshape_transpose_halves(__m256* r, __m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 ab = _mm256_unpacklo_ps(a, b), cd = _mm256_unpacklo_ps(c, d);
    __m256 ef = _mm256_unpackhi_ps(a, b), gh = _mm256_unpackhi_ps(c, d);
    r[0] = _mm256_shuffle_ps(ab, cd, 0x44);
    r[1] = _mm256_shuffle_ps(ab, cd, 0xee);
    r[2] = _mm256_shuffle_ps(ef, gh, 0x44);
    r[3] = _mm256_shuffle_ps(ef, gh, 0xee);
}
#elif V == 64 && defined(__AVX512F__)
UPSHAPE_INLINE void upshape_transpose_quarters(__m512* r, __m512 a, __m512 b, __m512 c, __m512 d)
{
    __m512 ab = _mm512_unpacklo_ps(a, b), cd = _mm512_unpacklo_ps(c, d);
    __m512 ef = _mm512_unpackhi_ps(a, b), gh = _mm512_unpackhi_ps(c, d);
    r[0] = _mm512_shuffle_ps(ab, cd, 0x44);
    r[1] = _mm512_shuffle_ps(ab, cd, 0xee);
    r[2] = _mm512_shuffle_ps(ef, gh, 0x44);
    r[3] = _mm512_shuffle_ps(ef, gh, 0xee);
}
#endif

UPSHAPE_INLINE void upshape_transpose_floats(upshape_words* v)
{
#if V == 32 && defined(__AVX2__)
    __m256 low[4], high[4];
    upshape_transpose_halves(low, (__m256)v[0], (__m256)v[1], (__m256)v[2], (__m256)v[3]);
    upshape_transpose_halves(high, (__m256)v[4], (__m256)v[5], (__m256)v[6], (__m256)v[7]);
    for (int j = 0; j < 4; j++) {
        v[j] = (upshape_words)_mm256_permute2f128_ps(low[j], high[j], 0x20);
        v[j + 4] = (upshape_words)_mm256_permute2f128_ps(low[j], high[j], 0x31);
    }
#elif V == 64 && defined(__AVX512F__)
    __m512 part[4][4];
    for (int j = 0; j < 4; j++)
        upshape_transpose_quarters(part[j], (__m512)v[4 * j], (__m512)v[4 * j + 1],
                              (__m512)v[4 * j + 2], (__m512)v[4 * j + 3]);
    for (int j = 0; j < 4; j++) {
        __m512 a = _mm512_shuffle_f32x4(part[0][j], part[1][j], 0x44);
        __m512 b = _mm512_shuffle_f32x4(part[2][j], part[3][j], 0x44);
        __m512 c = _mm512_shuffle_f32x4(part[0][j], part[1][j], 0xee);
        __m512 d = _mm512_shuffle_f32x4(part[2][j], part[3][j], 0xee);
        v[j] = (upshape_words)_mm512_shuffle_f32x4(a, b, 0x88);
        v[j + 4] = (upshape_words)_mm512_shuffle_f32x4(a, b, 0xdd);
        v[j + 8] = (upshape_words)_mm512_shuffle_f32x4(c, d, 0x88);
        v[j + 12] = (upshape_words)_mm512_shuffle_f32x4(c, d, 0xdd);
    }
#elif V == 16 && defined(__SSE2__)
    __m128 a = (__m128)v[0], b = (__m128)v[1], c = (__m128)v[2], d = (__m128)v[3];
    _MM_TRANSPOSE4_PS(a, b, c, d);
    v[0] = (upshape_words)a;
    v[1] = (upshape_words)b;
    v[2] = (upshape_words)c;
    v[3] = (upshape_words)d;
#else
    float transposed[V / 4][V / 4];
    for (int k = 0; k < V / 4; k++)
        for (int j = 0; j < V / 4; j++)
            transposed[j][k] = ((upshape_floats)v[k])[j];
    for (int k = 0; k < V / 4; k++)
        v[k] = upshape_load(transposed[k]);
#endif
}

UPSHAPE_INLINE void upshape_transpose_doubles(upshape_words* v)
{
#if V == 32 && defined(__AVX2__)
    __m256d a = _mm256_unpacklo_pd((__m256d)v[0], (__m256d)v[1]);
    __m256d b = _mm256_unpackhi_pd((__m256d)v[0], (__m256d)v[1]);
    __m256d c = _mm256_unpacklo_pd((__m256d)v[2], (__m256d)v[3]);
    __m256d d = _mm256_unpackhi_pd((__m256d)v[2], (__m256d)v[3]);
    v[0] = (upshape_words)_mm256_permute2f128_pd(a, c, 0x20);
    v[1] = (upshape_words)_mm256_permute2f128_pd(b, d, 0x20);
    v[2] = (upshape_words)_mm256_permute2f128_pd(a, c, 0x31);
    v[3] = (upshape_words)_mm256_permute2f128_pd(b, d, 0x31);
#else
    double transposed[V / 8][V / 8];
    for (int k = 0; k < V / 8; k++)
        for (int j = 0; j < V / 8; j++)
            transposed[j][k] = ((upshape_doubles)v[k])[j];
    for (int k = 0; k < V / 8; k++)
        v[k] = upshape_load(transposed[k]);
#endif
}

/* --- integers ---------------------------------------------------------------------------------- */

/* A vector of doubles from as many integers. */
UPSHAPE_INLINE upshape_words upshape_widen_int8(const int8_t* p)
{
    upshape_doubles r;
    for (int j = 0; j < V / 8; j++)
        r[j] = p[j];
    return (upshape_words)r;
}

UPSHAPE_INLINE upshape_words upshape_widen_int16(const int16_t* p)
{
    upshape_doubles r;
    for (int j = 0; j < V / 8; j++)
        r[j] = p[j];
    return (upshape_words)r;
}

UPSHAPE_INLINE upshape_words upshape_widen_uint16(const uint16_t* p)
{
    upshape_doubles r;
    for (int j = 0; j < V / 8; j++)
        r[j] = p[j];
    return (upshape_words)r;
}

UPSHAPE_INLINE upshape_words upshape_widen_int32(const int32_t* p)
{
    upshape_doubles r;
    for (int j = 0; j < V / 8; j++)
        r[j] = p[j];
    return (upshape_words)r;
}

/* To the nearest integer, ties to even, no less than `low` and no more than `high`. What float64's
 * roundings leave beside a tie is taken for one. */
UPSHAPE_INLINE double upshape_to_integer(double value, double low, double high)
{
    double nearest = __builtin_rint(value);
    double even = 2.0 * __builtin_rint(0.5 * value);
    double off = __builtin_fabs(value - nearest);
    nearest = off > 0.5 - 1e-9 ? even : nearest;
    nearest = nearest < low ? low : nearest;
    return nearest > high ? high : nearest;
}

/* No float less than 0, none more than `most`. */
UPSHAPE_INLINE upshape_words upshape_clamp_byte(upshape_words v, float most)
{
#if V == 64 && defined(__AVX512F__)
    return (upshape_words)_mm512_min_ps(
        _mm512_max_ps((__m512)v, _mm512_setzero_ps()), _mm512_set1_ps(most));
#elif V == 32 && defined(__AVX2__)
    return (upshape_words)_mm256_min_ps(
        _mm256_max_ps((__m256)v, _mm256_setzero_ps()), _mm256_set1_ps(most));
#elif V == 16 && defined(__SSE2__)
    return (upshape_words)_mm_min_ps(_mm_max_ps((__m128)v, _mm_setzero_ps()), _mm_set1_ps(most));
#else
    upshape_floats f = (upshape_floats)v;
    for (int j = 0; j < V / 4; j++)
        f[j] = f[j] < 0.0f ? 0.0f : f[j] > most ? most : f[j];
    return (upshape_words)f;
#endif
}

#undef V
/* sum + a b, both rounded, whatever the level fuses. */
UPSHAPE_INLINE float upshape_plus_product(float sum, float a, float b)
{
    volatile float product = a * b;
    return sum + product;
}

#endif
