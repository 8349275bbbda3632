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

/* --- sums of columns --------------------------------------------------------------------------- */

/* Sums of a column's rows. */
#if defined(__AVX512BW__)
typedef int32_t upshape_column __attribute__((vector_size(64)));
#else
typedef upshape_sums32 upshape_column;
#endif

/* How sums become elements of a line: with `more` besides divided by 2^shift, rounded down, none less or
 * more than the bounds; sums of split weights are two, of which the first counts 2^split times. */
typedef struct {
    int shift, more, split;
    upshape_shorts least, most;
} upshape_rounding;

/* most: what an element is at most, 0 at least; -1: whatever 16 bits hold. */
UPSHAPE_INLINE upshape_rounding upshape_rounding_of(int shift, int more, int split, int most)
{
    upshape_rounding by = {.shift = shift, .more = more, .split = split};
    by.least = (upshape_shorts){0} + (int16_t)(most < 0 ? -32768 : 0);
    by.most = (upshape_shorts){0} + (int16_t)(most < 0 ? 32767 : most);
    return by;
}

/* The table of a row: for each pixel the first of its couples, how many these are, and from `stride`
 * times the pixel on their weights, two each; of split ones two, and then what is left of these two. */
typedef struct {
    const int64_t *first, *count;
    const int16_t* weight;
    ptrdiff_t stride;
    int shift, more, split, most; /* as upshape_rounding_of takes them */
} upshape_couples;

UPSHAPE_INLINE upshape_column upshape_full_column(int32_t value)
{
#if defined(__AVX512BW__)
    return (upshape_column){0} + value;
#else
    upshape_column r = {(upshape_ints){0} + value, (upshape_ints){0} + value};
    return r;
#endif
}

/* Add a column times a pair of weights. */
UPSHAPE_INLINE void upshape_add_couples(
    upshape_column* sum, const int16_t* column, const int16_t* weight)
{
#if defined(__AVX512BW__)
    int32_t pair;
    __builtin_memcpy(&pair, weight, 4);
    *sum += (upshape_column)_mm512_madd_epi16(_mm512_loadu_si512(column), _mm512_set1_epi32(pair));
#else
    upshape_ints pair = upshape_splat_pair(weight);
    sum->low += upshape_pair_products(upshape_load_shorts(column), pair);
    sum->high += upshape_pair_products(upshape_load_shorts(column + UPSHAPE_SHORTS), pair);
#endif
}

UPSHAPE_INLINE upshape_column upshape_join_columns(
    upshape_column sum, upshape_column low, const upshape_rounding* by)
{
#if defined(__AVX512BW__)
    return (sum << by->split) + low;
#else
    return upshape_join_sums(sum, low, by->split);
#endif
}

/* Elements of sums to which `more` has been added already: in the order of the rows. */
UPSHAPE_INLINE upshape_shorts upshape_scaled_column(upshape_column sum, const upshape_rounding* by)
{
#if defined(__AVX512BW__)
    __m256i r = _mm512_cvtsepi32_epi16(_mm512_sra_epi32((__m512i)sum, _mm_cvtsi32_si128(by->shift)));
    return (upshape_shorts)_mm256_min_epi16(
        _mm256_max_epi16(r, (__m256i)by->least), (__m256i)by->most);
#elif defined(__AVX2__)
    __m128i count = _mm_cvtsi32_si128(by->shift);
    __m256i r = _mm256_packs_epi32(
        _mm256_sra_epi32((__m256i)sum.low, count), _mm256_sra_epi32((__m256i)sum.high, count));
    return (upshape_shorts)_mm256_min_epi16(
        _mm256_max_epi16(r, (__m256i)by->least), (__m256i)by->most);
#elif defined(__SSE2__)
    __m128i count = _mm_cvtsi32_si128(by->shift);
    __m128i r = _mm_packs_epi32(
        _mm_sra_epi32((__m128i)sum.low, count), _mm_sra_epi32((__m128i)sum.high, count));
    return (upshape_shorts)_mm_min_epi16(_mm_max_epi16(r, (__m128i)by->least), (__m128i)by->most);
#else
    upshape_shorts r;
    for (int j = 0; j < UPSHAPE_SHORTS; j++) {
        int32_t v = (j < 4 ? sum.low[j] : sum.high[j - 4]) >> by->shift;
        r[j] = (int16_t)(v < by->least[j] ? by->least[j] : v > by->most[j] ? by->most[j] : v);
    }
    return r;
#endif
}

/* Whether the sums of both parts of split weights, of `width` columns, fit the registers. */
UPSHAPE_INLINE int upshape_parts_fit(int width)
{
    return UPSHAPE_WIDE > UPSHAPE_SHORTS || width < 3;
}

/* Make `width` columns of elements, the sums of `count` couples each, `apart` from each other. */
UPSHAPE_INLINE void upshape_sum_couples(
    upshape_shorts* made, const int16_t* column, const int16_t* weight, ptrdiff_t count,
    ptrdiff_t apart, const upshape_rounding* by, int split, int width)
{
    const upshape_column more = upshape_full_column(by->more);
    const int together = split && upshape_parts_fit(width), step = split ? 4 : 2;
    upshape_column sum[4], low[4];
    for (int i = 0; i < width; i++) {
        sum[i] = split ? upshape_full_column(0) : more;
        low[i] = more;
    }
    for (ptrdiff_t k = 0; k < count; k++)
        for (int i = 0; i < width; i++) {
            const int16_t* at = column + k * apart + i * UPSHAPE_COUPLED;
            upshape_add_couples(&sum[i], at, weight + k * step);
            if (together)
                upshape_add_couples(&low[i], at, weight + k * step + 2);
        }
    if (split)
        for (int i = 0; i < width; i++)
            sum[i] = upshape_join_columns(sum[i], low[i], by);
    if (split && !together)
        for (ptrdiff_t k = 0; k < count; k++)
            for (int i = 0; i < width; i++)
                upshape_add_couples(
                    &sum[i], column + k * apart + i * UPSHAPE_COUPLED, weight + k * step + 2);
    for (int i = 0; i < width; i++)
        made[i] = upshape_scaled_column(sum[i], by);
}

/* Make the columns of pixel x. */
UPSHAPE_INLINE void upshape_sum_pixel(
    upshape_shorts* made, const int16_t* columns, const upshape_couples* w, ptrdiff_t x, ptrdiff_t low,
    const upshape_rounding* by, int split, int channels)
{
    const ptrdiff_t apart = channels * UPSHAPE_COUPLED;
    upshape_sum_couples(made, columns + (w->first[x] - low) * apart, w->weight + x * w->stride,
                        w->count[x], apart, by, split, channels);
}

/* Store eight elements of each row. */
UPSHAPE_INLINE void upshape_store_eights(int16_t** to, ptrdiff_t at, upshape_shorts* block)
{
    upshape_transpose_shorts(block);
    for (int g = 0; g < 8; g++)
        upshape_store_eight(to[g] + at, to[(g + 8) % UPSHAPE_SHORTS] + at, block[g]);
}

/* Make the pixels `first` to `last` - 1 of UPSHAPE_SHORTS rows, of columns that begin with couple `low`.
 * Eight pixels at a time fill whole vectors of each row; the lines have room for what is too much of the
 * last ones. */
UPSHAPE_INLINE void upshape_spread_by(
    int16_t** to, const int16_t* columns, const upshape_couples* w, int channels, ptrdiff_t first,
    ptrdiff_t last, ptrdiff_t low, int split)
{
    const upshape_rounding by = upshape_rounding_of(w->shift, w->more, w->split, w->most);
    upshape_shorts block[8 * 4] = {{0}};
    for (ptrdiff_t e = 0; first < last; first += 8, e += 8 * channels) {
        int count = last - first < 8 ? (int)(last - first) : 8;
        if (count == 8 && channels < 3)
            UPSHAPE_UNROLL
            for (int i = 0; i < 8; i++)
                upshape_sum_pixel(block + i * channels, columns, w, first + i, low, &by, split, channels);
        else
            for (int i = 0; i < count; i++)
                upshape_sum_pixel(block + i * channels, columns, w, first + i, low, &by, split, channels);
        for (int c = 0; c < channels; c++)
            if (8 * c < count * channels)
                upshape_store_eights(to, e + 8 * c, block + 8 * c);
    }
}

/* The same for any number of channels up to four. */
UPSHAPE_CALLED void upshape_spread_couples(
    int16_t** to, const int16_t* columns, const upshape_couples* w, ptrdiff_t channels,
    ptrdiff_t first, ptrdiff_t last, ptrdiff_t low)
{
    int split = w->split > 0;
    if (channels == 1 && split)
        upshape_spread_by(to, columns, w, 1, first, last, low, 1);
    else if (channels == 1)
        upshape_spread_by(to, columns, w, 1, first, last, low, 0);
    else if (channels == 2 && split)
        upshape_spread_by(to, columns, w, 2, first, last, low, 1);
    else if (channels == 2)
        upshape_spread_by(to, columns, w, 2, first, last, low, 0);
    else if (channels == 3 && split)
        upshape_spread_by(to, columns, w, 3, first, last, low, 1);
    else if (channels == 3)
        upshape_spread_by(to, columns, w, 3, first, last, low, 0);
    else if (split)
        upshape_spread_by(to, columns, w, 4, first, last, low, 1);
    else
        upshape_spread_by(to, columns, w, 4, first, last, low, 0);
}

#endif
