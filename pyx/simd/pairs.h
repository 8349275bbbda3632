/* Neighbouring pixels brought together, to be added: those of even places into one vector, those of odd
 * places into another. */
#ifndef UPSHAPE_PAIRS_H
#define UPSHAPE_PAIRS_H

#include "shorts.h"

/* --- pixels of whole words, as many as fill a vector ------------------------------------------- */

/* How to part two vectors of pixels of `size` bytes, by which a vector can be divided. */
typedef struct {
    ptrdiff_t size;
#if defined(__AVX512F__) && UPSHAPE_VECTOR_BYTES == 64
    __m512i even, odd;
#endif
} upshape_parting;

UPSHAPE_INLINE upshape_parting upshape_parting_of(ptrdiff_t size)
{
    upshape_parting by = {.size = size};
#if defined(__AVX512F__) && UPSHAPE_VECTOR_BYTES == 64
    int32_t even[16], words = (int32_t)(size / 4);
    for (int j = 0; j < 16; j++)
        even[j] = j / words * 2 * words + j % words;
    by.even = _mm512_loadu_si512(even);
    by.odd = _mm512_add_epi32(by.even, _mm512_set1_epi32(words));
#endif
    return by;
}

/* Of the pixels that stand in a and go on in b: those of even places, in their order, into a; those of
 * odd places into b. */
UPSHAPE_INLINE void upshape_part_pixels(upshape_words* a, upshape_words* b, const upshape_parting* by)
{
#if defined(__AVX512F__) && UPSHAPE_VECTOR_BYTES == 64
    __m512i x = (__m512i)*a, y = (__m512i)*b;
    *a = (upshape_words)_mm512_permutex2var_epi32(x, by->even, y);
    *b = (upshape_words)_mm512_permutex2var_epi32(x, by->odd, y);
#elif defined(__AVX2__) && UPSHAPE_VECTOR_BYTES == 32
    __m256i x = (__m256i)*a, y = (__m256i)*b, even = x, odd = y;
    if (by->size == 4) {
        even = (__m256i)_mm256_shuffle_ps((__m256)x, (__m256)y, 0x88);
        odd = (__m256i)_mm256_shuffle_ps((__m256)x, (__m256)y, 0xdd);
    } else if (by->size == 8) {
        even = _mm256_unpacklo_epi64(x, y);
        odd = _mm256_unpackhi_epi64(x, y);
    } else if (by->size == 16) {
        even = _mm256_permute2x128_si256(x, y, 0x20);
        odd = _mm256_permute2x128_si256(x, y, 0x31);
    }
    if (by->size < 16) {
        even = _mm256_permute4x64_epi64(even, 0xd8);
        odd = _mm256_permute4x64_epi64(odd, 0xd8);
    }
    *a = (upshape_words)even;
    *b = (upshape_words)odd;
#else
    const int words = (int)by->size / 4, lanes = UPSHAPE_VECTOR_BYTES / 4;
    int32_t both[2 * UPSHAPE_VECTOR_BYTES / 4];
    __builtin_memcpy(both, a, sizeof *a);
    __builtin_memcpy(both + lanes, b, sizeof *b);
    for (int j = 0; j < lanes; j++) {
        int even = j / words * 2 * words + j % words;
        (*a)[j] = both[even];
        (*b)[j] = both[even + words];
    }
#endif
}

/* --- bytes, up to 8 a pixel -------------------------------------------------------------------- */

/* Bytes that upshape_add_squares makes for each 8 elements of a vector, and their places: of a byte of
 * a pixel, then of the same one of the next pixel. */
typedef struct {
    ptrdiff_t made;
    uint8_t place[16];
} upshape_squares;

UPSHAPE_INLINE upshape_squares upshape_squares_of(ptrdiff_t channels)
{
    upshape_squares by = {.made = 8 / channels * channels};
    for (ptrdiff_t j = 0; j < 8; j++) {
        ptrdiff_t first = j < by.made ? j / channels * 2 * channels + j % channels : 0;
        by.place[2 * j] = (uint8_t)first;
        by.place[2 * j + 1] = (uint8_t)(first + channels);
    }
    return by;
}

/* Store sums of 2 x 2 pixels of the rows p and q: `made` sums for each 8 elements of a vector. Of the
 * rows 16 bytes from 2 made bytes before what comes next are read, of `line` 8 elements written. */
UPSHAPE_INLINE void upshape_add_squares(
    int16_t* line, const uint8_t* p, const uint8_t* q, const upshape_squares* by)
{
#if defined(__AVX2__)
    const __m256i one = _mm256_set1_epi8(1);
    const __m256i place = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)by->place));
    __m256i a, b;
    if (by->made == 8) {
        a = _mm256_loadu_si256((const __m256i*)p);
        b = _mm256_loadu_si256((const __m256i*)q);
    } else {
        const ptrdiff_t read = 2 * by->made;
        a = _mm256_loadu2_m128i((const __m128i*)(p + read), (const __m128i*)p);
        b = _mm256_loadu2_m128i((const __m128i*)(q + read), (const __m128i*)q);
    }
    a = _mm256_maddubs_epi16(_mm256_shuffle_epi8(a, place), one);
    b = _mm256_maddubs_epi16(_mm256_shuffle_epi8(b, place), one);
    upshape_store_eight(line, line + by->made, (upshape_shorts)_mm256_add_epi16(a, b));
#else
    for (int j = 0; j < 8; j++) {
        uint8_t i = by->place[2 * j], k = by->place[2 * j + 1];
        line[j] = (int16_t)(p[i] + p[k] + q[i] + q[k]);
    }
#endif
}

#endif
