/* Rows taken apart into phases, every s-th pixel into one, and phases put together into a row. A pixel is
 * `size` bytes. */
#ifndef UPSHAPE_PHASES_H
#define UPSHAPE_PHASES_H

#include "vector.h"

/* --- two phases by permutations ---------------------------------------------------------------- */

#if defined(__AVX2__)
/* The bytes of each half of a vector: of its even pixels, then of its odd ones; pixels of 16 bytes are
 * halves as they are. */
UPSHAPE_INLINE __m256i upshape_evens_and_odds(ptrdiff_t size)
{
    uint8_t index[16];
    for (int j = 0; j < 8; j++) {
        int even = size >= 8 ? j : (int)(j / size * 2 * size + j % size);
        index[j] = (uint8_t)even;
        index[j + 8] = (uint8_t)(size >= 8 ? j + 8 : even + size);
    }
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)index));
}

UPSHAPE_INLINE void upshape_two_vectors_apart(
    char* even, char* odd, const char* from, __m256i index, int halves)
{
    __m256i a = _mm256_loadu_si256((const __m256i*)from);
    __m256i b = _mm256_loadu_si256((const __m256i*)from + 1);
    __m256i e, o;
    if (halves) {
        e = _mm256_permute2x128_si256(a, b, 0x20);
        o = _mm256_permute2x128_si256(a, b, 0x31);
    } else {
        a = _mm256_shuffle_epi8(a, index);
        b = _mm256_shuffle_epi8(b, index);
        e = _mm256_permute4x64_epi64(_mm256_unpacklo_epi64(a, b), 0xd8);
        o = _mm256_permute4x64_epi64(_mm256_unpackhi_epi64(a, b), 0xd8);
    }
    _mm256_storeu_si256((__m256i*)even, e);
    _mm256_storeu_si256((__m256i*)odd, o);
}

UPSHAPE_INLINE void upshape_two_vectors_together(
    char* to, const char* even, const char* odd, ptrdiff_t size)
{
    __m256i e = _mm256_loadu_si256((const __m256i*)even);
    __m256i o = _mm256_loadu_si256((const __m256i*)odd);
    __m256i a = e, b = o;
    if (size == 1) {
        a = _mm256_unpacklo_epi8(e, o);
        b = _mm256_unpackhi_epi8(e, o);
    } else if (size == 2) {
        a = _mm256_unpacklo_epi16(e, o);
        b = _mm256_unpackhi_epi16(e, o);
    } else if (size == 4) {
        a = _mm256_unpacklo_epi32(e, o);
        b = _mm256_unpackhi_epi32(e, o);
    } else if (size == 8) {
        a = _mm256_unpacklo_epi64(e, o);
        b = _mm256_unpackhi_epi64(e, o);
    }
    _mm256_storeu_si256((__m256i*)to, _mm256_permute2x128_si256(a, b, 0x20));
    _mm256_storeu_si256((__m256i*)to + 1, _mm256_permute2x128_si256(a, b, 0x31));
}
#endif

/* --- pixels one by one ------------------------------------------------------------------------- */

/* A pixel of `size` bytes as a move of `moved`, known to the compiler: what is moved too much is
 * overwritten by the next pixel. */
UPSHAPE_INLINE void upshape_move_apart(char* to, ptrdiff_t phase, const char* from, ptrdiff_t pixels,
                                       ptrdiff_t phases, ptrdiff_t size, const ptrdiff_t moved)
{
    for (ptrdiff_t i = 0; i < phases && i < pixels; i++) {
        const char* p = from + i * size;
        char* q = to + i * phase;
        ptrdiff_t count = (pixels - i + phases - 1) / phases;
        for (ptrdiff_t j = 0; j < count - 1; j++) {
            __builtin_memcpy(q, p, (size_t)moved);
            q += size;
            p += phases * size;
        }
        __builtin_memcpy(q, p, (size_t)size);
    }
}

UPSHAPE_INLINE void upshape_move_together(char* to, const char* from, ptrdiff_t phase, ptrdiff_t count,
                                          ptrdiff_t phases, ptrdiff_t size, const ptrdiff_t moved)
{
    for (ptrdiff_t j = 0; j < count; j++)
        for (ptrdiff_t i = 0; i < phases; i++) {
            const char* p = from + i * phase + j * size;
            int last = j == count - 1 && i == phases - 1;
            __builtin_memcpy(to, p, (size_t)(last ? size : moved));
            to += size;
        }
}

/* Ask for a line of the cache that will be read soon. */
UPSHAPE_INLINE void upshape_fetch(const void* p) { __builtin_prefetch(p, 0, 2); }

/* Ask for a row that will be read soon. */
UPSHAPE_INLINE void upshape_fetch_row(const char* row, ptrdiff_t bytes)
{
    for (ptrdiff_t j = 0; j < bytes; j += UPSHAPE_LINE)
        __builtin_prefetch(row + j, 0, 2);
}

/* --- whole rows -------------------------------------------------------------------------------- */

UPSHAPE_INLINE int upshape_is_whole_size(ptrdiff_t size)
{
    return size == 1 || size == 2 || size == 4 || size == 8 || size == 16;
}

/* Take a row of so many pixels apart: phase i, from to + i phase on, has the pixels i, i + phases, ... */
UPSHAPE_CALLED void upshape_take_apart(char* to, ptrdiff_t phase, const char* from, ptrdiff_t pixels,
                                       ptrdiff_t phases, ptrdiff_t size)
{
    ptrdiff_t done = 0;
#if defined(__AVX2__)
    if (phases == 2 && upshape_is_whole_size(size)) {
        __m256i index = upshape_evens_and_odds(size);
        for (; done + 64 <= pixels * size; done += 64)
            upshape_two_vectors_apart(
                to + done / 2, to + phase + done / 2, from + done, index, size == 16);
    }
#endif
    from += done;
    pixels -= done / size;
    to += done / phases;
    if (size == 1)
        upshape_move_apart(to, phase, from, pixels, phases, size, 1);
    else if (size == 2)
        upshape_move_apart(to, phase, from, pixels, phases, size, 2);
    else if (size <= 4)
        upshape_move_apart(to, phase, from, pixels, phases, size, 4);
    else if (size <= 8)
        upshape_move_apart(to, phase, from, pixels, phases, size, 8);
    else if (size <= 16)
        upshape_move_apart(to, phase, from, pixels, phases, size, 16);
    else
        upshape_move_apart(to, phase, from, pixels, phases, size, size);
}

/* Put phases of so many pixels each together to a row. */
UPSHAPE_CALLED void upshape_put_together(char* to, const char* from, ptrdiff_t phase, ptrdiff_t count,
                                         ptrdiff_t phases, ptrdiff_t size)
{
    ptrdiff_t done = 0;
#if defined(__AVX2__)
    if (phases == 2 && upshape_is_whole_size(size))
        for (; done + 32 <= count * size; done += 32)
            upshape_two_vectors_together(to + 2 * done, from + done, from + phase + done, size);
#endif
    from += done;
    count -= done / size;
    to += done * phases;
    if (size == 1)
        upshape_move_together(to, from, phase, count, phases, size, 1);
    else if (size == 2)
        upshape_move_together(to, from, phase, count, phases, size, 2);
    else if (size <= 4)
        upshape_move_together(to, from, phase, count, phases, size, 4);
    else if (size <= 8)
        upshape_move_together(to, from, phase, count, phases, size, 8);
    else if (size <= 16)
        upshape_move_together(to, from, phase, count, phases, size, 16);
    else
        upshape_move_together(to, from, phase, count, phases, size, size);
}

#endif
