/* The narrow types of the interpolation kernels: float16 and uint8, widened to float32 and rounded
 * back, and sums of uint8 in 16 bits. */
#ifndef UPSHAPE_NARROW_H
#define UPSHAPE_NARROW_H

#include "vector.h"

#define V UPSHAPE_VECTOR_BYTES

/* --- float16 and uint8 ------------------------------------------------------------------------- */

UPSHAPE_INLINE float upshape_half_to_float(uint16_t half)
{
#if defined(__F16C__)
    return _cvtsh_ss(half);
#else
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = (uint32_t)(half & 0x7fff) << 13, bits;
    float value;
    if ((half & 0x7c00) == 0x7c00) { /* infinity, NaN */
        bits = sign | 0x7f800000 | (rest & 0x7fffff);
        __builtin_memcpy(&value, &bits, 4);
        return value;
    }
    __builtin_memcpy(&value, &rest, 4);
    value *= 0x1p112f; /* the exponents' biases differ by 112; this is exact for subnormals too */
    __builtin_memcpy(&bits, &value, 4);
    bits |= sign;
    __builtin_memcpy(&value, &bits, 4);
    return value;
#endif
}

UPSHAPE_INLINE uint16_t upshape_float_to_half(float value)
{
#if defined(__F16C__)
    return _cvtss_sh(value, 0);
#else
    uint32_t bits, sign, tail;
    __builtin_memcpy(&bits, &value, 4);
    sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) /* NaN stays NaN */
        return (uint16_t)(sign | 0x7e00 | (bits >> 13 & 0x3ff));
    if (bits >= 0x477ff000) /* rounds to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (bits < 0x38800000) { /* subnormal: let the adder round at bit -24 */
        float magnitude;
        __builtin_memcpy(&magnitude, &bits, 4);
        magnitude += 0.5f;
        __builtin_memcpy(&bits, &magnitude, 4);
        return (uint16_t)(sign | (bits - 0x3f000000));
    }
    tail = bits >> 13 & 1; /* ties go to even */
    return (uint16_t)(sign | ((bits - 0x38000000 + 0xfff + tail) >> 13));
#endif
}

/* V / 4 elements of a narrow type, as floats. */
UPSHAPE_INLINE upshape_words upshape_widen_half(const uint16_t* p)
{
#if V == 64 && defined(__AVX512F__)
    return (upshape_words)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
#elif V == 32 && defined(__F16C__)
    return (upshape_words)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
#else
    upshape_floats r;
    for (int j = 0; j < V / 4; j++)
        r[j] = upshape_half_to_float(p[j]);
    return (upshape_words)r;
#endif
}

UPSHAPE_INLINE void upshape_narrow_half(uint16_t* p, upshape_words v)
{
#if V == 64 && defined(__AVX512F__)
    _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph((__m512)v, 0));
#elif V == 32 && defined(__F16C__)
    _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph((__m256)v, 0));
#else
    upshape_floats f = (upshape_floats)v;
    for (int j = 0; j < V / 4; j++)
        p[j] = upshape_float_to_half(f[j]);
#endif
}

UPSHAPE_INLINE upshape_words upshape_widen_byte(const uint8_t* p)
{
#if V == 64 && defined(__AVX512F__)
    return (upshape_words)_mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)));
#elif V == 32 && defined(__AVX2__)
    return (upshape_words)_mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)));
#else
    upshape_floats r;
    for (int j = 0; j < V / 4; j++)
        r[j] = p[j];
    return (upshape_words)r;
#endif
}

/* 1.5 * 2^23: a float from 0 to 255 added to it is rounded to an integer, ties to even, which then
 * stands in the lowest byte. */
#define UPSHAPE_ROUNDER 12582912.0f

UPSHAPE_INLINE uint8_t upshape_round_byte(float value)
{
    float shifted = value + UPSHAPE_ROUNDER;
    uint32_t bits;
    __builtin_memcpy(&bits, &shifted, 4);
    return (uint8_t)bits;
}

UPSHAPE_INLINE void upshape_narrow_byte(uint8_t* p, upshape_words v)
{
    upshape_words bits = (upshape_words)((upshape_floats)v + UPSHAPE_ROUNDER);
#if V == 64 && defined(__AVX512F__)
    _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8((__m512i)bits));
#elif V == 32 && defined(__AVX2__)
    __m256i low = _mm256_and_si256((__m256i)bits, _mm256_set1_epi32(255));
    __m128i pairs = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    _mm_storel_epi64((__m128i*)p, _mm_packus_epi16(pairs, pairs));
#else
    for (int j = 0; j < V / 4; j++)
        p[j] = (uint8_t)bits[j];
#endif
}

/* Narrow, too; return a bit for each float within UPSHAPE_BAND of a half, where float32 may round
 * wrongly: what is stored for it may be either integer. The floats are shifted to where their last
 * digit is 2^-14: the fraction is looked at, and cut off. */
#define UPSHAPE_BAND (3.5f / 16384)

/* Means in float64 that are closer than this to a half are ties: its own error is far below. */
#define UPSHAPE_TIE 1e-9

/* Distances this close to a fraction stand for it: float64's positions are, along some thousand
 * pixels, and means by the fractions differ from means by the distances by less than a tie's. */
#define UPSHAPE_WHOLE 1e-12

UPSHAPE_INLINE unsigned upshape_narrow_byte_looking(uint8_t* p, upshape_words v)
{
    /* A half, to round, and four digits: a float near a half has a fraction of 0 to 7 digits. */
    upshape_words bits = (upshape_words)((upshape_floats)v + (768.5f + 4.0f / 16384));
#if V == 64 && defined(__AVX512F__)
    _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(_mm512_srli_epi32((__m512i)bits, 14)));
    return _mm512_testn_epi32_mask((__m512i)bits, _mm512_set1_epi32(0x3ff8));
#elif V == 32 && defined(__AVX2__)
    __m256i low = _mm256_and_si256(_mm256_srli_epi32((__m256i)bits, 14), _mm256_set1_epi32(255));
    __m128i pairs = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    __m256i digits = _mm256_and_si256((__m256i)bits, _mm256_set1_epi32(0x3ff8));
    _mm_storel_epi64((__m128i*)p, _mm_packus_epi16(pairs, pairs));
    return (unsigned)_mm256_movemask_ps(
        _mm256_castsi256_ps(_mm256_cmpeq_epi32(digits, _mm256_setzero_si256())));
#else
    upshape_words near = (bits & 0x3ff8) == 0;
    unsigned lanes = 0;
    for (int j = 0; j < V / 4; j++)
        p[j] = (uint8_t)(bits[j] >> 14);
#if V == 16 && defined(__SSE2__)
    lanes = (unsigned)_mm_movemask_ps((__m128)near);
#else
    for (int j = 0; j < V / 4; j++)
        lanes |= (unsigned)(near[j] != 0) << j;
#endif
    return lanes;
#endif
}

/* --- sums of uint8 in 16 bits ------------------------------------------------------------------ */

#define UPSHAPE_SUMS (UPSHAPE_VECTOR_BYTES / 2) /* sums of a vector */
#define UPSHAPE_SUM_WINDOWS (UPSHAPE_VECTOR_BYTES / 16) /* eight are made of one window of 16 bytes */

typedef uint16_t upshape_sums __attribute__((vector_size(V)));

/* A sum becomes a mean: divided by `divisor`, rounded to nearest, ties to even. */
typedef struct {
    int divisor;    /* at most 256 */
    uint16_t magic; /* n / divisor = n magic / 2^(16 + shift), rounded down */
    int shift;      /* 0: the divisor is a power of two, from 2 on */
    uint16_t half;  /* half the divisor, rounded down; a power of two's, less 1 */
    uint16_t ties;  /* 1: there are ties, the divisor is even */
} upshape_division;

/* Find the constants; return whether they give every mean of uint8 exactly. */
UPSHAPE_INLINE int upshape_divide_by(upshape_division* by, int divisor)
{
    int shift = 0;
    if (divisor < 2 || divisor > 256)
        return 0;
    while (divisor >> (shift + 1))
        shift++;
    by->divisor = divisor;
    by->ties = divisor % 2 == 0;
    if ((divisor & (divisor - 1)) == 0) {
        by->shift = 0;
        by->magic = (uint16_t)(65536 / divisor);
        by->half = (uint16_t)(divisor / 2 - 1);
        return 1;
    }
    by->shift = shift;
    by->magic = (uint16_t)(((65536u << shift) + (uint32_t)divisor - 1) / (uint32_t)divisor);
    by->half = (uint16_t)(divisor / 2);
    /* The product grows with n: it is enough to look at where the quotient steps. */
    for (uint32_t q = 1; q <= 256; q++) {
        uint32_t n = q * (uint32_t)divisor;
        if (n * (uint64_t)by->magic >> (16 + shift) != q
            || (n - 1) * (uint64_t)by->magic >> (16 + shift) != q - 1)
            return 0;
    }
    return 1;
}

/* Sum j is weight[2j] * byte order[2j] + weight[2j + 1] * byte order[2j + 1] of the window that sums
 * j / 8 * 8 to j / 8 * 8 + 7 are made of: it begins at row + base[j / 8]. Weights are at most 127.
 * `alike`: bases 0 and 1 are equal, and so are 2 and 3. */
UPSHAPE_INLINE upshape_sums upshape_pair_sums(
    const uint8_t* row, const int64_t* base, const uint8_t* order, const uint8_t* weight, int alike)
{
#if V == 64 && defined(__AVX512BW__)
#define UPSHAPE_WINDOW(j) _mm_loadu_si128((const __m128i*)(row + base[j]))
    __m512i window;
    if (alike) {
        window = _mm512_mask_broadcast_i32x4(
            _mm512_broadcast_i32x4(UPSHAPE_WINDOW(0)), 0xff00, UPSHAPE_WINDOW(2));
    } else {
        window = _mm512_castsi128_si512(UPSHAPE_WINDOW(0));
        window = _mm512_mask_broadcast_i32x4(window, 0x00f0, UPSHAPE_WINDOW(1));
        window = _mm512_mask_broadcast_i32x4(window, 0x0f00, UPSHAPE_WINDOW(2));
        window = _mm512_mask_broadcast_i32x4(window, 0xf000, UPSHAPE_WINDOW(3));
    }
    return (upshape_sums)_mm512_maddubs_epi16(
        _mm512_shuffle_epi8(window, _mm512_loadu_si512((const void*)order)),
        _mm512_loadu_si512((const void*)weight));
#undef UPSHAPE_WINDOW
#elif V == 32 && defined(__AVX2__)
    __m256i window = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)(row + base[0])));
    if (!alike)
        window = _mm256_inserti128_si256(
            window, _mm_loadu_si128((const __m128i*)(row + base[1])), 1);
    return (upshape_sums)_mm256_maddubs_epi16(
        _mm256_shuffle_epi8(window, _mm256_loadu_si256((const __m256i*)order)),
        _mm256_loadu_si256((const __m256i*)weight));
#elif V == 16 && defined(__SSSE3__)
    __m128i window = _mm_loadu_si128((const __m128i*)(row + base[0]));
    (void)alike;
    return (upshape_sums)_mm_maddubs_epi16(
        _mm_shuffle_epi8(window, _mm_loadu_si128((const __m128i*)order)),
        _mm_loadu_si128((const __m128i*)weight));
#else
    upshape_sums r;
    (void)alike;
    for (int j = 0; j < UPSHAPE_SUMS; j++) {
        const uint8_t* window = row + base[j / 8];
        r[j] = (uint16_t)(window[order[2 * j]] * weight[2 * j]
                          + window[order[2 * j + 1]] * weight[2 * j + 1]);
    }
    return r;
#endif
}

/* As many bytes. */
UPSHAPE_INLINE upshape_sums upshape_widen_sums(const uint8_t* p)
{
#if V == 64 && defined(__AVX512BW__)
    return (upshape_sums)_mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)p));
#elif V == 32 && defined(__AVX2__)
    return (upshape_sums)_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)p));
#elif V == 16 && defined(__SSE4_1__)
    return (upshape_sums)_mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i*)p));
#else
    upshape_sums r;
    for (int j = 0; j < UPSHAPE_SUMS; j++)
        r[j] = p[j];
    return r;
#endif
}

UPSHAPE_INLINE upshape_sums upshape_mix_sums(upshape_sums a, upshape_sums b, int u, int v)
{
    return a * (uint16_t)u + b * (uint16_t)v;
}

/* The upper 16 bits of the products. */
UPSHAPE_INLINE upshape_sums upshape_upper_products(upshape_sums a, uint16_t b)
{
#if V == 64 && defined(__AVX512BW__)
    return (upshape_sums)_mm512_mulhi_epu16((__m512i)a, _mm512_set1_epi16((short)b));
#elif V == 32 && defined(__AVX2__)
    return (upshape_sums)_mm256_mulhi_epu16((__m256i)a, _mm256_set1_epi16((short)b));
#elif V == 16 && defined(__SSE2__)
    return (upshape_sums)_mm_mulhi_epu16((__m128i)a, _mm_set1_epi16((short)b));
#else
    upshape_sums r;
    for (int j = 0; j < UPSHAPE_SUMS; j++)
        r[j] = (uint16_t)((uint32_t)a[j] * b >> 16);
    return r;
#endif
}

/* The mean of two rows' sums with weights u and v. */
UPSHAPE_INLINE upshape_sums upshape_mean_sums(
    upshape_sums a, upshape_sums b, int u, int v, const upshape_division* by)
{
    upshape_sums sum = upshape_mix_sums(a, b, u, v), mean;
    if (by->shift == 0) {
        upshape_sums odd = upshape_upper_products(sum, by->magic) & 1;
        return upshape_upper_products(sum + odd + by->half, by->magic);
    }
    sum += by->half;
    mean = upshape_upper_products(sum, by->magic) >> by->shift;
    /* No remainder: it was a tie, which the half has carried up. */
    return mean - (mean & by->ties & (upshape_sums)(mean * (uint16_t)by->divisor == sum));
}

/* Store a byte for each mean. */
UPSHAPE_INLINE void upshape_store_means(uint8_t* p, upshape_sums a)
{
#if V == 64 && defined(__AVX512BW__)
    _mm256_storeu_si256((__m256i*)p, _mm512_cvtepi16_epi8((__m512i)a));
#elif V == 32 && defined(__AVX2__)
    _mm_storeu_si128((__m128i*)p, _mm_packus_epi16(
        _mm256_castsi256_si128((__m256i)a), _mm256_extracti128_si256((__m256i)a, 1)));
#elif V == 16 && defined(__SSE2__)
    _mm_storel_epi64((__m128i*)p, _mm_packus_epi16((__m128i)a, (__m128i)a));
#else
    for (int j = 0; j < UPSHAPE_SUMS; j++)
        p[j] = (uint8_t)a[j];
#endif
}

/* The same for two vectors, with fewer instructions. */
UPSHAPE_INLINE void upshape_store_means_twice(
    uint8_t* p, uint8_t* q, upshape_sums a, upshape_sums b)
{
#if V == 64 && defined(__AVX512BW__)
    __m512i both = _mm512_permutexvar_epi64(
        _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), _mm512_packus_epi16((__m512i)a, (__m512i)b));
    _mm256_storeu_si256((__m256i*)p, _mm512_castsi512_si256(both));
    _mm256_storeu_si256((__m256i*)q, _mm512_extracti64x4_epi64(both, 1));
#elif V == 32 && defined(__AVX2__)
    __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi16((__m256i)a, (__m256i)b), 0xd8);
    _mm_storeu_si128((__m128i*)p, _mm256_castsi256_si128(both));
    _mm_storeu_si128((__m128i*)q, _mm256_extracti128_si256(both, 1));
#else
    upshape_store_means(p, a);
    upshape_store_means(q, b);
#endif
}
#undef V
#endif
