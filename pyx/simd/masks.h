/* The instructions of a level with masks (UPSHAPE_HAS_MASKS): a lane whose bit is not set is neither
 * read nor written, wherever it lies. Included by vector.h. */
#ifndef UPSHAPE_MASKS_H
#define UPSHAPE_MASKS_H

typedef __mmask16 upshape_mask_32;
typedef __mmask8 upshape_mask_64;

/* Those lanes; 0 for the others. */
UPSHAPE_INLINE upshape_floats load_where_32(const float *p, upshape_mask_32 where)
{
    return (upshape_floats)_mm512_maskz_loadu_ps(where, p);
}

UPSHAPE_INLINE upshape_doubles load_where_64(const double *p, upshape_mask_64 where)
{
    return (upshape_doubles)_mm512_maskz_loadu_pd(where, p);
}

UPSHAPE_INLINE void store_where_32(float *p, upshape_mask_32 where, upshape_floats v)
{
    _mm512_mask_storeu_ps(p, where, (__m512)v);
}

UPSHAPE_INLINE void store_where_64(double *p, upshape_mask_64 where, upshape_doubles v)
{
    _mm512_mask_storeu_pd(p, where, (__m512d)v);
}

/* Lane lane[j] of four vectors, counted through them all; `all` of them, or of the first two. */
UPSHAPE_INLINE upshape_floats pick_lanes_32(const upshape_floats *v, upshape_words lane, int all)
{
    const __m512i from = (__m512i)lane;
    __m512 q = _mm512_permutex2var_ps((__m512)v[0], from, (__m512)v[1]);
    if (all)
        q = _mm512_mask_blend_ps(_mm512_cmpge_epi32_mask(from, _mm512_set1_epi32(32)), q,
                                 _mm512_permutex2var_ps((__m512)v[2], from, (__m512)v[3]));
    return (upshape_floats)q;
}

UPSHAPE_INLINE upshape_doubles pick_lanes_64(const upshape_doubles *v, upshape_longs lane, int all)
{
    const __m512i from = (__m512i)lane;
    __m512d q = _mm512_permutex2var_pd((__m512d)v[0], from, (__m512d)v[1]);
    if (all)
        q = _mm512_mask_blend_pd(_mm512_cmpge_epi64_mask(from, _mm512_set1_epi64(16)), q,
                                 _mm512_permutex2var_pd((__m512d)v[2], from, (__m512d)v[3]));
    return (upshape_doubles)q;
}

/* a[k step] where the mask's bit k is set, else 0. */
enum { UPSHAPE_MOST_STEP = 1 << 26 }; /* whose multiples fit 32 bits */
UPSHAPE_INLINE upshape_floats every_32(const float *a, ptrdiff_t step, upshape_mask_32 where)
{
    if (step > UPSHAPE_MOST_STEP) {
        float far[16];
        for (int k = 0; k < 16; k++)
            far[k] = where >> k & 1 ? a[k * step] : 0;
        return (upshape_floats)_mm512_loadu_ps(far);
    }
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return (upshape_floats)_mm512_mask_i32gather_ps(
        _mm512_setzero_ps(), where, _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)step)), a, 4);
}

UPSHAPE_INLINE upshape_doubles every_64(const double *a, ptrdiff_t step, upshape_mask_64 where)
{
    if (step > UPSHAPE_MOST_STEP) {
        double far[8];
        for (int k = 0; k < 8; k++)
            far[k] = where >> k & 1 ? a[k * step] : 0;
        return (upshape_doubles)_mm512_loadu_pd(far);
    }
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (upshape_doubles)_mm512_mask_i32gather_pd(
        _mm512_setzero_pd(), where, _mm256_mullo_epi32(lane, _mm256_set1_epi32((int)step)), a, 8);
}

/* The first n bits, of up to 64. */
UPSHAPE_INLINE unsigned long long upshape_bits(ptrdiff_t n)
{
    return _bzhi_u64(~0ull, (unsigned)(n < 0 ? 0 : n > 64 ? 64 : n));
}

/* The lowest bits of `bits`, at those places of the word where `places` has a bit. */
UPSHAPE_INLINE unsigned long long upshape_spread_bits(
    unsigned long long bits, unsigned long long places)
{
    return _pdep_u64(bits, places);
}

#endif
