/* Sums of bytes in fixed point: elements and weights have 16 bits, sums 32. Two elements and their two
 * weights go into a sum at once (pmaddwd). Vectors are 32 bytes where there is AVX2, whatever the
 * level: transposes of more rows would not fit the registers. Sums of rows, where nothing is transposed,
 * are of vectors of 64 bytes where there are such. */
#ifndef UPSHAPE_SHORTS_H
#define UPSHAPE_SHORTS_H

#include "vector.h"

#if defined(__AVX2__)
#define UPSHAPE_SHORTS 16 /* elements of a vector */
#else
#define UPSHAPE_SHORTS 8
#endif

typedef int16_t upshape_shorts __attribute__((vector_size(2 * UPSHAPE_SHORTS)));
typedef int32_t upshape_ints __attribute__((vector_size(2 * UPSHAPE_SHORTS)));
typedef int16_t upshape_eight __attribute__((vector_size(16)));

#if defined(__AVX512BW__)
#define UPSHAPE_WIDE 32 /* elements of a wide vector */
#else
#define UPSHAPE_WIDE UPSHAPE_SHORTS
#endif

typedef int16_t upshape_wide __attribute__((vector_size(2 * UPSHAPE_WIDE)));

/* Sums of a vector of elements: of those that unpacking puts into its first and its second half. */
typedef struct {
    upshape_ints low, high;
} upshape_sums32;

UPSHAPE_INLINE upshape_shorts upshape_load_shorts(const int16_t* p)
{
    upshape_shorts v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

UPSHAPE_INLINE void upshape_store_shorts(int16_t* p, upshape_shorts v)
{
    __builtin_memcpy(p, &v, sizeof v);
}

UPSHAPE_INLINE upshape_shorts upshape_widen_to_shorts(const uint8_t* p)
{
#if defined(__AVX2__)
    return (upshape_shorts)_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)p));
#elif defined(__SSE4_1__)
    return (upshape_shorts)_mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i*)p));
#else
    upshape_shorts r;
    for (int j = 0; j < UPSHAPE_SHORTS; j++)
        r[j] = p[j];
    return r;
#endif
}

/* Both weights of a pair, over and over. */
UPSHAPE_INLINE upshape_ints upshape_splat_pair(const int16_t* weight)
{
    int32_t pair;
    __builtin_memcpy(&pair, weight, 4);
    return (upshape_ints){0} + pair;
}

/* As many sums of 2 products as an int vector has lanes, of words that follow each other. */
UPSHAPE_INLINE upshape_ints upshape_pair_products(upshape_shorts a, upshape_ints pair)
{
#if defined(__AVX2__)
    return (upshape_ints)_mm256_madd_epi16((__m256i)a, (__m256i)pair);
#elif defined(__SSE2__)
    return (upshape_ints)_mm_madd_epi16((__m128i)a, (__m128i)pair);
#else
    upshape_shorts b = (upshape_shorts)pair;
    upshape_ints r;
    for (int j = 0; j < UPSHAPE_SHORTS / 2; j++)
        r[j] = (int32_t)a[2 * j] * b[2 * j] + (int32_t)a[2 * j + 1] * b[2 * j + 1];
    return r;
#endif
}

/* Elements of a and b in turn, of the first (second) halves of each 16 bytes. */
UPSHAPE_INLINE upshape_shorts upshape_zip_low(upshape_shorts a, upshape_shorts b)
{
#if defined(__AVX2__)
    return (upshape_shorts)_mm256_unpacklo_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (upshape_shorts)_mm_unpacklo_epi16((__m128i)a, (__m128i)b);
#else
    upshape_shorts r;
    for (int j = 0; j < 4; j++) {
        r[2 * j] = a[j];
        r[2 * j + 1] = b[j];
    }
    return r;
#endif
}

UPSHAPE_INLINE upshape_shorts upshape_zip_high(upshape_shorts a, upshape_shorts b)
{
#if defined(__AVX2__)
    return (upshape_shorts)_mm256_unpackhi_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (upshape_shorts)_mm_unpackhi_epi16((__m128i)a, (__m128i)b);
#else
    upshape_shorts r;
    for (int j = 0; j < 4; j++) {
        r[2 * j] = a[4 + j];
        r[2 * j + 1] = b[4 + j];
    }
    return r;
#endif
}

UPSHAPE_INLINE upshape_sums32 upshape_no_sums(void)
{
    upshape_sums32 none = {{0}, {0}};
    return none;
}

UPSHAPE_INLINE upshape_sums32 upshape_add_products(
    upshape_sums32 sum, upshape_shorts a, upshape_shorts b, upshape_ints pair)
{
    sum.low += upshape_pair_products(upshape_zip_low(a, b), pair);
    sum.high += upshape_pair_products(upshape_zip_high(a, b), pair);
    return sum;
}

UPSHAPE_INLINE upshape_sums32 upshape_raise_sums(upshape_sums32 sum, int by)
{
    sum.low <<= by;
    sum.high <<= by;
    return sum;
}

/* sum 2^by + low. */
UPSHAPE_INLINE upshape_sums32 upshape_join_sums(upshape_sums32 sum, upshape_sums32 low, int by)
{
    sum.low = (sum.low << by) + low.low;
    sum.high = (sum.high << by) + low.high;
    return sum;
}

/* Each sum, and `more` besides, divided by 2^shift, rounded down, and saturated to 16 bits: in the order of
 * the elements. With half of 2^shift more, sums are rounded to nearest, halves up. */
UPSHAPE_INLINE upshape_shorts upshape_scaled(upshape_sums32 sum, int shift, int more)
{
    upshape_ints half = (upshape_ints){0} + more;
#if defined(__AVX2__)
    __m128i count = _mm_cvtsi32_si128(shift);
    return (upshape_shorts)_mm256_packs_epi32(
        _mm256_sra_epi32((__m256i)(sum.low + half), count),
        _mm256_sra_epi32((__m256i)(sum.high + half), count));
#elif defined(__SSE2__)
    __m128i count = _mm_cvtsi32_si128(shift);
    return (upshape_shorts)_mm_packs_epi32(
        _mm_sra_epi32((__m128i)(sum.low + half), count),
        _mm_sra_epi32((__m128i)(sum.high + half), count));
#else
    upshape_shorts r;
    sum.low = (sum.low + half) >> shift;
    sum.high = (sum.high + half) >> shift;
    for (int j = 0; j < 8; j++) {
        int32_t v = j < 4 ? sum.low[j] : sum.high[j - 4];
        r[j] = (int16_t)(v < -32768 ? -32768 : v > 32767 ? 32767 : v);
    }
    return r;
#endif
}

UPSHAPE_INLINE int16_t upshape_scaled_one(int32_t sum, int shift, int more)
{
    int32_t v = (sum + more) >> shift;
    return (int16_t)(v < -32768 ? -32768 : v > 32767 ? 32767 : v);
}

/* No element less than 0, none more than `most`. */
UPSHAPE_INLINE upshape_shorts upshape_clamp_shorts(upshape_shorts v, int most)
{
#if defined(__AVX2__)
    return (upshape_shorts)_mm256_min_epi16(
        _mm256_max_epi16((__m256i)v, _mm256_setzero_si256()), _mm256_set1_epi16((short)most));
#elif defined(__SSE2__)
    return (upshape_shorts)_mm_min_epi16(
        _mm_max_epi16((__m128i)v, _mm_setzero_si128()), _mm_set1_epi16((short)most));
#else
    for (int j = 0; j < UPSHAPE_SHORTS; j++)
        v[j] = v[j] < 0 ? 0 : v[j] > most ? (int16_t)most : v[j];
    return v;
#endif
}

UPSHAPE_INLINE uint8_t upshape_narrow_short(int value, int fraction, int most)
{
    if (fraction > 0)
        value = (value + (1 << (fraction - 1)) - 1 + (value >> fraction & 1)) >> fraction;
    return (uint8_t)(value < 0 ? 0 : value > most ? most : value);
}

/* 2 UPSHAPE_SHORTS bytes from elements of `fraction` binary digits behind the point: to nearest, ties to
 * even; bytes of `most` bound them. */
UPSHAPE_INLINE void upshape_narrow_shorts(uint8_t* p, const int16_t* from, int fraction, int most)
{
#if defined(__AVX512BW__)
    __m512i x = _mm512_loadu_si512(from);
    if (fraction > 0) {
        __m128i by = _mm_cvtsi32_si128(fraction);
        __m512i half = _mm512_set1_epi16((short)((1 << (fraction - 1)) - 1));
        __m512i odd = _mm512_and_si512(_mm512_sra_epi16(x, by), _mm512_set1_epi16(1));
        x = _mm512_sra_epi16(_mm512_adds_epi16(x, _mm512_add_epi16(odd, half)), by);
    }
    __m256i both = _mm512_cvtusepi16_epi8(_mm512_max_epi16(x, _mm512_setzero_si512()));
    _mm256_storeu_si256((__m256i*)p, _mm256_min_epu8(both, _mm256_set1_epi8((char)most)));
#elif defined(__AVX2__)
    __m256i x = _mm256_loadu_si256((const __m256i*)from);
    __m256i y = _mm256_loadu_si256((const __m256i*)from + 1), both;
    if (fraction > 0) {
        __m128i by = _mm_cvtsi32_si128(fraction);
        __m256i one = _mm256_set1_epi16(1);
        __m256i half = _mm256_set1_epi16((short)((1 << (fraction - 1)) - 1));
        __m256i odd = _mm256_and_si256(_mm256_sra_epi16(x, by), one);
        x = _mm256_sra_epi16(_mm256_adds_epi16(x, _mm256_add_epi16(odd, half)), by);
        odd = _mm256_and_si256(_mm256_sra_epi16(y, by), one);
        y = _mm256_sra_epi16(_mm256_adds_epi16(y, _mm256_add_epi16(odd, half)), by);
    }
    both = _mm256_permute4x64_epi64(_mm256_packus_epi16(x, y), 0xd8);
    _mm256_storeu_si256((__m256i*)p, _mm256_min_epu8(both, _mm256_set1_epi8((char)most)));
#else
    for (int j = 0; j < 2 * UPSHAPE_SHORTS; j++)
        p[j] = upshape_narrow_short(from[j], fraction, most);
#endif
}

/* --- 2 UPSHAPE_WIDE bytes at once -------------------------------------------------------------- */

typedef int32_t upshape_wide_ints __attribute__((vector_size(2 * UPSHAPE_WIDE)));

typedef struct {
    upshape_wide_ints part[4];
} upshape_sums_of_bytes;

UPSHAPE_INLINE upshape_sums_of_bytes upshape_no_sums_of_bytes(void)
{
    upshape_sums_of_bytes none = {{{0}}};
    return none;
}

/* Both weights of a pair, over and over. */
UPSHAPE_INLINE upshape_wide_ints upshape_splat_wide_pair(const int16_t* weight)
{
    int32_t pair;
    __builtin_memcpy(&pair, weight, 4);
    return (upshape_wide_ints){0} + pair;
}

/* Add the products of so many bytes of two rows; in what order they lie upshape_store_scaled knows. */
UPSHAPE_INLINE void upshape_add_products_of_bytes(
    upshape_sums_of_bytes* sum, const uint8_t* p, const uint8_t* q, upshape_wide_ints pair)
{
#if defined(__AVX512BW__)
    __m512i a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(q), zero = _mm512_setzero_si512();
    __m512i low = _mm512_unpacklo_epi8(a, b), high = _mm512_unpackhi_epi8(a, b);
    __m512i part[4] = {
        _mm512_unpacklo_epi8(low, zero), _mm512_unpackhi_epi8(low, zero),
        _mm512_unpacklo_epi8(high, zero), _mm512_unpackhi_epi8(high, zero)};
    for (int j = 0; j < 4; j++)
        sum->part[j] += (upshape_wide_ints)_mm512_madd_epi16(part[j], (__m512i)pair);
#elif defined(__AVX2__)
    __m256i a = _mm256_loadu_si256((const __m256i*)p), b = _mm256_loadu_si256((const __m256i*)q);
    __m256i zero = _mm256_setzero_si256();
    __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
    upshape_shorts part[4] = {
        (upshape_shorts)_mm256_unpacklo_epi8(low, zero),
        (upshape_shorts)_mm256_unpackhi_epi8(low, zero),
        (upshape_shorts)_mm256_unpacklo_epi8(high, zero),
        (upshape_shorts)_mm256_unpackhi_epi8(high, zero)};
    for (int j = 0; j < 4; j++)
        sum->part[j] += upshape_pair_products(part[j], pair);
#else
    for (int j = 0; j < 2; j++) {
        upshape_shorts a = upshape_widen_to_shorts(p + j * UPSHAPE_SHORTS);
        upshape_shorts b = upshape_widen_to_shorts(q + j * UPSHAPE_SHORTS);
        sum->part[2 * j] += upshape_pair_products(upshape_zip_low(a, b), pair);
        sum->part[2 * j + 1] += upshape_pair_products(upshape_zip_high(a, b), pair);
    }
#endif
}

/* As many elements: sums scaled as by upshape_scaled; none less than 0 or more than `most`, unless that is
 * negative. */
UPSHAPE_INLINE void upshape_store_scaled(
    int16_t* p, const upshape_sums_of_bytes* sum, int shift, int more, int most)
{
#if defined(__AVX512BW__)
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const __m128i count = _mm_cvtsi32_si128(shift);
    const __m512i half = _mm512_set1_epi32(more);
    __m512i x[4];
    for (int j = 0; j < 4; j++)
        x[j] = _mm512_sra_epi32(_mm512_add_epi32((__m512i)sum->part[j], half), count);
    __m512i a = _mm512_packs_epi32(x[0], x[1]), b = _mm512_packs_epi32(x[2], x[3]);
    if (most >= 0) {
        const __m512i bound = _mm512_set1_epi16((short)most), zero = _mm512_setzero_si512();
        a = _mm512_min_epi16(_mm512_max_epi16(a, zero), bound);
        b = _mm512_min_epi16(_mm512_max_epi16(b, zero), bound);
    }
    _mm512_storeu_si512(p, _mm512_permutex2var_epi64(a, first, b));
    _mm512_storeu_si512(p + 32, _mm512_permutex2var_epi64(a, second, b));
#else
    upshape_sums32 first = {sum->part[0], sum->part[1]}, second = {sum->part[2], sum->part[3]};
    upshape_shorts a = upshape_scaled(first, shift, more), b = upshape_scaled(second, shift, more);
    if (most >= 0) {
        a = upshape_clamp_shorts(a, most);
        b = upshape_clamp_shorts(b, most);
    }
#if defined(__AVX2__)
    _mm256_storeu_si256(
        (__m256i*)p, _mm256_permute2x128_si256((__m256i)a, (__m256i)b, 0x20));
    _mm256_storeu_si256(
        (__m256i*)p + 1, _mm256_permute2x128_si256((__m256i)a, (__m256i)b, 0x31));
#else
    upshape_store_shorts(p, a);
    upshape_store_shorts(p + UPSHAPE_SHORTS, b);
#endif
#endif
}

/* --- UPSHAPE_WIDE elements at once -------------------------------------------------------------- */

/* Elements of two rows in turn, and sums of them: of the first and of the second halves of each 16 bytes. */
typedef struct {
    upshape_wide low, high;
} upshape_wide_zip;

typedef struct {
    upshape_wide_ints low, high;
} upshape_wide_sums;

UPSHAPE_INLINE upshape_wide_sums upshape_no_wide_sums(void)
{
    upshape_wide_sums none = {{0}, {0}};
    return none;
}

UPSHAPE_INLINE upshape_wide_zip upshape_zip_wide(const int16_t* p, const int16_t* q)
{
    upshape_wide_zip r;
#if defined(__AVX512BW__)
    __m512i a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(q);
    r.low = (upshape_wide)_mm512_unpacklo_epi16(a, b);
    r.high = (upshape_wide)_mm512_unpackhi_epi16(a, b);
#else
    upshape_shorts a = upshape_load_shorts(p), b = upshape_load_shorts(q);
    r.low = upshape_zip_low(a, b);
    r.high = upshape_zip_high(a, b);
#endif
    return r;
}

UPSHAPE_INLINE upshape_wide_sums upshape_add_wide(
    upshape_wide_sums sum, upshape_wide_zip zip, upshape_wide_ints pair)
{
#if defined(__AVX512BW__)
    sum.low += (upshape_wide_ints)_mm512_madd_epi16((__m512i)zip.low, (__m512i)pair);
    sum.high += (upshape_wide_ints)_mm512_madd_epi16((__m512i)zip.high, (__m512i)pair);
#else
    sum.low += upshape_pair_products(zip.low, pair);
    sum.high += upshape_pair_products(zip.high, pair);
#endif
    return sum;
}

/* sum 2^by + low. */
UPSHAPE_INLINE upshape_wide_sums upshape_join_wide(
    upshape_wide_sums sum, upshape_wide_sums low, int by)
{
    sum.low = (sum.low << by) + low.low;
    sum.high = (sum.high << by) + low.high;
    return sum;
}

/* Each sum, and `more` besides, divided by 2^shift, rounded down, and saturated; none less than 0 or more
 * than `most`, unless that is negative. */
UPSHAPE_INLINE void upshape_store_wide(
    int16_t* p, upshape_wide_sums sum, int shift, int more, int most)
{
#if defined(__AVX512BW__)
    const __m128i count = _mm_cvtsi32_si128(shift);
    const __m512i half = _mm512_set1_epi32(more);
    __m512i v = _mm512_packs_epi32(
        _mm512_sra_epi32(_mm512_add_epi32((__m512i)sum.low, half), count),
        _mm512_sra_epi32(_mm512_add_epi32((__m512i)sum.high, half), count));
    if (most >= 0)
        v = _mm512_min_epi16(
            _mm512_max_epi16(v, _mm512_setzero_si512()), _mm512_set1_epi16((short)most));
    _mm512_storeu_si512(p, v);
#else
    upshape_sums32 both = {sum.low, sum.high};
    upshape_shorts v = upshape_scaled(both, shift, more);
    upshape_store_shorts(p, most >= 0 ? upshape_clamp_shorts(v, most) : v);
#endif
}

/* --- products that are rounded, and sums of 16 bits -------------------------------------------- */

/* Both bytes of a pair of elements: a 16-bit number, over and over; it is stored twice, since 32 bits
 * are what a load can repeat. */
UPSHAPE_INLINE upshape_shorts upshape_splat_short(const int16_t* twice)
{
    return (upshape_shorts)upshape_splat_pair(twice);
}

/* sum + a b / 2^15, the product rounded. */
UPSHAPE_INLINE upshape_shorts upshape_add_rounded(
    upshape_shorts sum, upshape_shorts a, upshape_shorts b)
{
#if defined(__AVX2__)
    return sum + (upshape_shorts)_mm256_mulhrs_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSSE3__)
    return sum + (upshape_shorts)_mm_mulhrs_epi16((__m128i)a, (__m128i)b);
#else
    for (int j = 0; j < UPSHAPE_SHORTS; j++)
        sum[j] = (int16_t)(sum[j] + (((int32_t)a[j] * b[j] + 0x4000) >> 15));
    return sum;
#endif
}

/* sum + a b / 2^16, the product rounded down. */
UPSHAPE_INLINE upshape_shorts upshape_add_floored(
    upshape_shorts sum, upshape_shorts a, upshape_shorts b)
{
#if defined(__AVX2__)
    return sum + (upshape_shorts)_mm256_mulhi_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return sum + (upshape_shorts)_mm_mulhi_epi16((__m128i)a, (__m128i)b);
#else
    for (int j = 0; j < UPSHAPE_SHORTS; j++)
        sum[j] = (int16_t)(sum[j] + ((int32_t)a[j] * b[j] >> 16));
    return sum;
#endif
}

UPSHAPE_INLINE upshape_shorts upshape_no_shorts(void) { return (upshape_shorts){0}; }

UPSHAPE_INLINE upshape_shorts upshape_lift(upshape_shorts v, int shift) { return v << shift; }

/* 2 v + 1: in digits of which there is one more, v and a little; what was a tie is rounded up. */
UPSHAPE_INLINE upshape_shorts upshape_above(upshape_shorts v) { return v << 1 | 1; }

UPSHAPE_INLINE upshape_wide upshape_no_wide(void) { return (upshape_wide){0}; }

/* Add the products of four wide vectors of a row, each rounded. */
UPSHAPE_INLINE void upshape_add_four_rounded(
    upshape_wide* sum, const int16_t* row, const int16_t* twice)
{
#if defined(__AVX512BW__)
    int32_t pair;
    __builtin_memcpy(&pair, twice, 4);
    __m512i w = _mm512_set1_epi32(pair);
    for (int j = 0; j < 4; j++)
        sum[j] += (upshape_wide)_mm512_mulhrs_epi16(
            _mm512_loadu_si512(row + j * UPSHAPE_WIDE), w);
#else
    upshape_shorts w = upshape_splat_short(twice);
    for (int j = 0; j < 4; j++)
        sum[j] = upshape_add_rounded(sum[j], upshape_load_shorts(row + j * UPSHAPE_SHORTS), w);
#endif
}

UPSHAPE_INLINE void upshape_store_four(int16_t* p, upshape_wide* sum, int shift)
{
    for (int j = 0; j < 4; j++) {
        upshape_wide v = sum[j] << shift;
        __builtin_memcpy(p + j * UPSHAPE_WIDE, &v, sizeof v);
    }
}

/* Sums of 4 UPSHAPE_SHORTS bytes, weights of 8 bits: of those that unpacking puts into first and second
 * halves. */
#define UPSHAPE_TINY_PARTS (2 * UPSHAPE_SHORTS / UPSHAPE_WIDE)
typedef struct {
    upshape_wide low[UPSHAPE_TINY_PARTS], high[UPSHAPE_TINY_PARTS];
} upshape_tiny_sums;

UPSHAPE_INLINE upshape_tiny_sums upshape_no_tiny_sums(void)
{
    upshape_tiny_sums none = {{{0}}, {{0}}};
    return none;
}

UPSHAPE_INLINE void upshape_add_tiny(
    upshape_tiny_sums* sum, const uint8_t* p, const uint8_t* q, const int16_t* twice)
{
#if defined(__AVX512BW__)
    int32_t pair;
    __builtin_memcpy(&pair, twice, 4);
    __m512i w = _mm512_set1_epi32(pair), a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(q);
    sum->low[0] += (upshape_wide)_mm512_maddubs_epi16(_mm512_unpacklo_epi8(a, b), w);
    sum->high[0] += (upshape_wide)_mm512_maddubs_epi16(_mm512_unpackhi_epi8(a, b), w);
#elif defined(__AVX2__)
    __m256i w = (__m256i)upshape_splat_short(twice);
    for (int j = 0; j < 2; j++) {
        __m256i a = _mm256_loadu_si256((const __m256i*)p + j);
        __m256i b = _mm256_loadu_si256((const __m256i*)q + j);
        sum->low[j] += (upshape_shorts)_mm256_maddubs_epi16(_mm256_unpacklo_epi8(a, b), w);
        sum->high[j] += (upshape_shorts)_mm256_maddubs_epi16(_mm256_unpackhi_epi8(a, b), w);
    }
#else
    int8_t w[2];
    __builtin_memcpy(w, twice, 2);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < UPSHAPE_SHORTS; j++) {
            int at = 2 * UPSHAPE_SHORTS * i + j;
            sum->low[i][j] = (int16_t)(sum->low[i][j] + p[at] * w[0] + q[at] * w[1]);
            at += UPSHAPE_SHORTS;
            sum->high[i][j] = (int16_t)(sum->high[i][j] + p[at] * w[0] + q[at] * w[1]);
        }
#endif
}

/* Store the sums times scale / 2^15, 0: as they are. */
UPSHAPE_INLINE void upshape_store_tiny(int16_t* p, const upshape_tiny_sums* sum, int scale)
{
#if defined(__AVX512BW__)
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    __m512i low = (__m512i)sum->low[0], high = (__m512i)sum->high[0];
    if (scale) {
        low = _mm512_mulhrs_epi16(low, _mm512_set1_epi16((short)scale));
        high = _mm512_mulhrs_epi16(high, _mm512_set1_epi16((short)scale));
    }
    _mm512_storeu_si512(p, _mm512_permutex2var_epi64(low, first, high));
    _mm512_storeu_si512(p + 32, _mm512_permutex2var_epi64(low, second, high));
#else
    upshape_shorts by = (upshape_shorts){0} + (int16_t)scale;
    for (int j = 0; j < 2; j++, p += 2 * UPSHAPE_SHORTS) {
        upshape_shorts low = sum->low[j], high = sum->high[j];
        if (scale) {
            low = upshape_add_rounded(upshape_no_shorts(), low, by);
            high = upshape_add_rounded(upshape_no_shorts(), high, by);
        }
#if defined(__AVX2__)
        _mm256_storeu_si256(
            (__m256i*)p, _mm256_permute2x128_si256((__m256i)low, (__m256i)high, 0x20));
        _mm256_storeu_si256(
            (__m256i*)p + 1, _mm256_permute2x128_si256((__m256i)low, (__m256i)high, 0x31));
#else
        upshape_store_shorts(p, low);
        upshape_store_shorts(p + UPSHAPE_SHORTS, high);
#endif
    }
#endif
}

/* --- transposes -------------------------------------------------------------------------------- */

/* Eight elements of a row, and behind them eight of a row further on where a vector holds both. */
UPSHAPE_INLINE upshape_shorts upshape_eight_bytes(const uint8_t* row, const uint8_t* other)
{
#if defined(__AVX2__)
    __m128i a = _mm_loadl_epi64((const __m128i*)row), b = _mm_loadl_epi64((const __m128i*)other);
    return (upshape_shorts)_mm256_cvtepu8_epi16(_mm_unpacklo_epi64(a, b));
#else
    (void)other;
    return upshape_widen_to_shorts(row);
#endif
}

UPSHAPE_INLINE upshape_shorts upshape_eight_shorts(const int16_t* row, const int16_t* other)
{
#if defined(__AVX2__)
    return (upshape_shorts)_mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)row)),
        _mm_loadu_si128((const __m128i*)other), 1);
#else
    (void)other;
    return upshape_load_shorts(row);
#endif
}

UPSHAPE_INLINE void upshape_store_eight(int16_t* row, int16_t* other, upshape_shorts v)
{
    __builtin_memcpy(row, &v, 16);
#if defined(__AVX2__)
    __builtin_memcpy(other, (const char*)&v + 16, 16);
#else
    (void)other;
#endif
}

/* Element j of each eight of vector k becomes element k of vector j. */
UPSHAPE_INLINE void upshape_transpose_shorts(upshape_shorts* v)
{
#if defined(__SSE2__)
    upshape_shorts a[8], b[8];
    for (int j = 0; j < 4; j++) {
        a[2 * j] = upshape_zip_low(v[2 * j], v[2 * j + 1]);
        a[2 * j + 1] = upshape_zip_high(v[2 * j], v[2 * j + 1]);
    }
#if defined(__AVX2__)
#define UPSHAPE_ZIP(kind, x, y) (upshape_shorts)_mm256_unpack##kind((__m256i)(x), (__m256i)(y))
#else
#define UPSHAPE_ZIP(kind, x, y) (upshape_shorts)_mm_unpack##kind((__m128i)(x), (__m128i)(y))
#endif
    for (int j = 0; j < 2; j++) {
        b[4 * j] = UPSHAPE_ZIP(lo_epi32, a[4 * j], a[4 * j + 2]);
        b[4 * j + 1] = UPSHAPE_ZIP(hi_epi32, a[4 * j], a[4 * j + 2]);
        b[4 * j + 2] = UPSHAPE_ZIP(lo_epi32, a[4 * j + 1], a[4 * j + 3]);
        b[4 * j + 3] = UPSHAPE_ZIP(hi_epi32, a[4 * j + 1], a[4 * j + 3]);
    }
    for (int j = 0; j < 4; j++) {
        v[2 * j] = UPSHAPE_ZIP(lo_epi64, b[j], b[j + 4]);
        v[2 * j + 1] = UPSHAPE_ZIP(hi_epi64, b[j], b[j + 4]);
    }
#undef UPSHAPE_ZIP
#else
    upshape_shorts transposed[8];
    for (int k = 0; k < 8; k++)
        for (int j = 0; j < 8; j++)
            transposed[j][k] = v[k][j];
    for (int k = 0; k < 8; k++)
        v[k] = transposed[k];
#endif
}

/* --- pixels of four elements ------------------------------------------------------------------- */

/* A vector holds so many pixels; the sums of as many pixels of the result become one vector. */
#define UPSHAPE_QUADS (UPSHAPE_SHORTS / 4)

/* Of so many vectors of sums: each one's pixels added up, one behind the other. */
UPSHAPE_INLINE upshape_shorts upshape_join_quads_rounded(const upshape_shorts* sum)
{
#if defined(__AVX2__)
    __m256i ab = _mm256_add_epi16(_mm256_unpacklo_epi64((__m256i)sum[0], (__m256i)sum[1]),
                                  _mm256_unpackhi_epi64((__m256i)sum[0], (__m256i)sum[1]));
    __m256i cd = _mm256_add_epi16(_mm256_unpacklo_epi64((__m256i)sum[2], (__m256i)sum[3]),
                                  _mm256_unpackhi_epi64((__m256i)sum[2], (__m256i)sum[3]));
    return (upshape_shorts)_mm256_add_epi16(
        _mm256_permute2x128_si256(ab, cd, 0x20), _mm256_permute2x128_si256(ab, cd, 0x31));
#elif defined(__SSE2__)
    return (upshape_shorts)_mm_add_epi16(_mm_unpacklo_epi64((__m128i)sum[0], (__m128i)sum[1]),
                                         _mm_unpackhi_epi64((__m128i)sum[0], (__m128i)sum[1]));
#else
    upshape_shorts r;
    for (int i = 0; i < UPSHAPE_QUADS; i++)
        for (int c = 0; c < 4; c++) {
            int whole = 0;
            for (int k = 0; k < UPSHAPE_QUADS; k++)
                whole += sum[i][4 * k + c];
            r[4 * i + c] = (int16_t)whole;
        }
    return r;
#endif
}

UPSHAPE_INLINE upshape_ints upshape_no_quads(void) { return (upshape_ints){0}; }

UPSHAPE_INLINE upshape_ints upshape_raise_quads(upshape_ints sum, int by) { return sum << by; }

/* Add pixels times weights, which are pairs: two neighbouring pixels have a sum. */
UPSHAPE_INLINE upshape_ints upshape_add_quads(
    upshape_ints sum, const int16_t* pixels, upshape_shorts pairs)
{
    upshape_shorts v = upshape_load_shorts(pixels);
#if defined(__AVX2__)
    const __m128i turn = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    v = (upshape_shorts)_mm256_shuffle_epi8((__m256i)v, _mm256_broadcastsi128_si256(turn));
#elif defined(__SSSE3__)
    const __m128i turn = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    v = (upshape_shorts)_mm_shuffle_epi8((__m128i)v, turn);
#else
    upshape_shorts in_turn;
    for (int c = 0; c < 4; c++) {
        in_turn[2 * c] = v[c];
        in_turn[2 * c + 1] = v[c + 4];
    }
    v = in_turn;
#endif
    return sum + upshape_pair_products(v, (upshape_ints)pairs);
}

/* Of so many vectors of sums: each one's pixels added up and scaled as by upshape_scaled, one behind the
 * other. */
UPSHAPE_INLINE upshape_shorts upshape_join_quads(const upshape_ints* sum, int shift, int more)
{
#if defined(__AVX2__)
    __m256i ab = _mm256_add_epi32(_mm256_permute2x128_si256((__m256i)sum[0], (__m256i)sum[1], 0x20),
                                  _mm256_permute2x128_si256((__m256i)sum[0], (__m256i)sum[1], 0x31));
    __m256i cd = _mm256_add_epi32(_mm256_permute2x128_si256((__m256i)sum[2], (__m256i)sum[3], 0x20),
                                  _mm256_permute2x128_si256((__m256i)sum[2], (__m256i)sum[3], 0x31));
    upshape_sums32 both = {(upshape_ints)ab, (upshape_ints)cd};
    return (upshape_shorts)_mm256_permute4x64_epi64((__m256i)upshape_scaled(both, shift, more), 0xd8);
#else
    upshape_sums32 both = {sum[0], sum[1]};
    return upshape_scaled(both, shift, more);
#endif
}

/* Each element times another: the lower 16 bits. */
UPSHAPE_INLINE upshape_shorts upshape_multiplied(upshape_shorts v, const int16_t* by)
{
    return v * upshape_load_shorts(by);
}

#endif
