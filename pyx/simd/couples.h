/* Columns of couples: of two neighbouring pixels of a row, an element each, side by side in 32 bits. So a
 * sum of columns takes two taps at once, and nothing is interleaved for it. A column is UPSHAPE_SHORTS
 * rows high; in which order its rows stand upshape_scaled_couples knows. */
#ifndef UPSHAPE_COUPLES_H
#define UPSHAPE_COUPLES_H

#include "shorts.h"

#define UPSHAPE_COUPLED (2 * UPSHAPE_SHORTS) /* elements of a column */

/* How pixels of up to four bytes become couples: four columns are made of the 16 bytes from `start` on,
 * turned; after `blocks` times four columns, `bytes` bytes are done, and all begins again. */
typedef struct {
    ptrdiff_t blocks, bytes;
    ptrdiff_t start[3];
    uint8_t turn[3][16];
} upshape_coupling;

UPSHAPE_INLINE upshape_coupling upshape_coupling_of(ptrdiff_t channels)
{
    upshape_coupling by = {.blocks = channels == 3 ? 3 : 1};
    by.bytes = 8 * by.blocks;
    for (ptrdiff_t b = 0; b < by.blocks; b++) {
        by.start[b] = 4 * b / channels * 2 * channels;
        for (ptrdiff_t i = 0; i < 4; i++) {
            ptrdiff_t column = 4 * b + i, first = column / channels * 2 * channels + column % channels;
            uint8_t* turn = by.turn[b] + 4 * i;
            turn[0] = (uint8_t)(first - by.start[b]);
            turn[2] = (uint8_t)(turn[0] + channels);
            turn[1] = turn[3] = 0x80; /* the upper bytes of both elements: 0 */
        }
    }
    return by;
}

/* Make four columns of the 16 bytes from `at` on of UPSHAPE_SHORTS rows. */
UPSHAPE_INLINE void upshape_couple(
    int16_t* to, const uint8_t* const* row, ptrdiff_t at, const uint8_t* turn)
{
#if defined(__AVX512BW__)
    const __m512i by = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)turn));
    __m512i v[4];
    for (int i = 0; i < 4; i++) {
        __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)(row[i] + at)));
        x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i*)(row[i + 4] + at)), 1);
        x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i*)(row[i + 8] + at)), 2);
        x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i*)(row[i + 12] + at)), 3);
        v[i] = _mm512_shuffle_epi8(x, by);
    }
    __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
    __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
    _mm512_storeu_si512(to, _mm512_unpacklo_epi64(a, c));
    _mm512_storeu_si512(to + UPSHAPE_COUPLED, _mm512_unpackhi_epi64(a, c));
    _mm512_storeu_si512(to + 2 * UPSHAPE_COUPLED, _mm512_unpacklo_epi64(b, d));
    _mm512_storeu_si512(to + 3 * UPSHAPE_COUPLED, _mm512_unpackhi_epi64(b, d));
#elif defined(__AVX2__)
    /* Rows 0 to 3 and 8 to 11, then 4 to 7 and 12 to 15: packing puts them in order. */
    const __m256i by = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)turn));
    for (int half = 0; half < 2; half++, row += 4, to += UPSHAPE_SHORTS) {
        __m256i v[4];
        for (int i = 0; i < 4; i++)
            v[i] = _mm256_shuffle_epi8(
                _mm256_inserti128_si256(
                    _mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)(row[i] + at))),
                    _mm_loadu_si128((const __m128i*)(row[i + 8] + at)), 1), by);
        __m256i a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpackhi_epi32(v[0], v[1]);
        __m256i c = _mm256_unpacklo_epi32(v[2], v[3]), d = _mm256_unpackhi_epi32(v[2], v[3]);
        _mm256_storeu_si256((__m256i*)to, _mm256_unpacklo_epi64(a, c));
        _mm256_storeu_si256((__m256i*)(to + UPSHAPE_COUPLED), _mm256_unpackhi_epi64(a, c));
        _mm256_storeu_si256((__m256i*)(to + 2 * UPSHAPE_COUPLED), _mm256_unpacklo_epi64(b, d));
        _mm256_storeu_si256((__m256i*)(to + 3 * UPSHAPE_COUPLED), _mm256_unpackhi_epi64(b, d));
    }
#elif defined(__SSSE3__)
    const __m128i by = _mm_loadu_si128((const __m128i*)turn);
    for (int half = 0; half < 2; half++, row += 4, to += UPSHAPE_SHORTS) {
        __m128i v[4];
        for (int i = 0; i < 4; i++)
            v[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i*)(row[i] + at)), by);
        __m128i a = _mm_unpacklo_epi32(v[0], v[1]), b = _mm_unpackhi_epi32(v[0], v[1]);
        __m128i c = _mm_unpacklo_epi32(v[2], v[3]), d = _mm_unpackhi_epi32(v[2], v[3]);
        _mm_storeu_si128((__m128i*)to, _mm_unpacklo_epi64(a, c));
        _mm_storeu_si128((__m128i*)(to + UPSHAPE_COUPLED), _mm_unpackhi_epi64(a, c));
        _mm_storeu_si128((__m128i*)(to + 2 * UPSHAPE_COUPLED), _mm_unpacklo_epi64(b, d));
        _mm_storeu_si128((__m128i*)(to + 3 * UPSHAPE_COUPLED), _mm_unpackhi_epi64(b, d));
    }
#else
    for (int i = 0; i < 4; i++)
        for (int g = 0; g < UPSHAPE_SHORTS; g++)
            for (int h = 0; h < 2; h++)
                to[i * UPSHAPE_COUPLED + 2 * g + h] = row[g][at + turn[4 * i + 2 * h]];
#endif
}

/* Sums of a column's rows. */
#if defined(__AVX512BW__)
typedef int32_t upshape_couples __attribute__((vector_size(64)));
#else
typedef upshape_sums32 upshape_couples;
#endif

UPSHAPE_INLINE upshape_couples upshape_no_couples(void)
{
#if defined(__AVX512BW__)
    return (upshape_couples){0};
#else
    return upshape_no_sums();
#endif
}

/* Add a column times a pair of weights. */
UPSHAPE_INLINE upshape_couples upshape_add_couples(
    upshape_couples sum, const int16_t* column, const int16_t* weight)
{
#if defined(__AVX512BW__)
    int32_t pair;
    __builtin_memcpy(&pair, weight, 4);
    return sum + (upshape_couples)_mm512_madd_epi16(
        _mm512_loadu_si512(column), _mm512_set1_epi32(pair));
#else
    upshape_ints pair = upshape_splat_pair(weight);
    sum.low += upshape_pair_products(upshape_load_shorts(column), pair);
    sum.high += upshape_pair_products(upshape_load_shorts(column + UPSHAPE_SHORTS), pair);
    return sum;
#endif
}

/* sum 2^by + low. */
UPSHAPE_INLINE upshape_couples upshape_join_couples(
    upshape_couples sum, upshape_couples low, int by)
{
#if defined(__AVX512BW__)
    return (sum << by) + low;
#else
    return upshape_join_sums(sum, low, by);
#endif
}

/* Each sum divided by 2^shift, halves up, and saturated to 16 bits: in the order of the rows. */
UPSHAPE_INLINE upshape_shorts upshape_scaled_couples(upshape_couples sum, int shift)
{
#if defined(__AVX512BW__)
    __m512i half = _mm512_set1_epi32(1 << shift >> 1);
    return (upshape_shorts)_mm512_cvtsepi32_epi16(
        _mm512_sra_epi32(_mm512_add_epi32((__m512i)sum, half), _mm_cvtsi32_si128(shift)));
#else
    return upshape_scaled(sum, shift);
#endif
}

#endif
