/* Vectors taken apart into the phases of a step (UPSHAPE_HAS_STEPS), for a level without masks. Included
 * by vector.h. */
#ifndef UPSHAPE_STEPS_H
#define UPSHAPE_STEPS_H

/* Lanes low <= l < high, which may lie outside, and zeros for the others, which are not read. */
UPSHAPE_INLINE upshape_floats load_between_32(const float *p, ptrdiff_t low, ptrdiff_t high)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const int first = low > 8 ? 8 : low < 0 ? 0 : (int)low;
    const int end = high > 8 ? 8 : high < 0 ? 0 : (int)high;
    return (upshape_floats)_mm256_maskload_ps(
        p, _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(first), lane),
                               _mm256_cmpgt_epi32(_mm256_set1_epi32(end), lane)));
}

UPSHAPE_INLINE upshape_doubles load_between_64(const double *p, ptrdiff_t low, ptrdiff_t high)
{
    const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
    return (upshape_doubles)_mm256_maskload_pd(
        p, _mm256_andnot_si256(_mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)low), lane),
                               _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)high), lane)));
}

/* v[p] = every step-th lane of the step vectors v, counted through them all, from lane p on; step is 2
 * to 4. Of three vectors, a phase's lanes have places of their own: they are gathered where they are,
 * and put in order then. */
UPSHAPE_INLINE void take_apart_32(upshape_floats *v, const int step)
{
    const __m256 a = (__m256)v[0], b = (__m256)v[1];
    if (step == 2) {
        const __m256 even = _mm256_shuffle_ps(a, b, 0x88), odd = _mm256_shuffle_ps(a, b, 0xdd);
        v[0] = (upshape_floats)_mm256_permute4x64_pd((__m256d)even, 0xd8);
        v[1] = (upshape_floats)_mm256_permute4x64_pd((__m256d)odd, 0xd8);
        return;
    }
    const __m256 c = (__m256)v[2];
    if (step == 3) {
        const __m256 p = _mm256_blend_ps(_mm256_blend_ps(a, b, 0x92), c, 0x24);
        const __m256 q = _mm256_blend_ps(_mm256_blend_ps(a, c, 0x49), b, 0x24);
        const __m256 r = _mm256_blend_ps(_mm256_blend_ps(a, b, 0x49), c, 0x92);
        v[0] = (upshape_floats)_mm256_permutevar8x32_ps(
            p, _mm256_setr_epi32(0, 3, 6, 1, 4, 7, 2, 5));
        v[1] = (upshape_floats)_mm256_permutevar8x32_ps(
            q, _mm256_setr_epi32(1, 4, 7, 2, 5, 0, 3, 6));
        v[2] = (upshape_floats)_mm256_permutevar8x32_ps(
            r, _mm256_setr_epi32(2, 5, 0, 3, 6, 1, 4, 7));
        return;
    }
    const __m256 d = (__m256)v[3];
    /* In each half of four vectors, lanes 0 to 3 of a pixel: a transpose. */
    const __m256 i = _mm256_permute2f128_ps(a, c, 0x20), j = _mm256_permute2f128_ps(a, c, 0x31);
    const __m256 k = _mm256_permute2f128_ps(b, d, 0x20), l = _mm256_permute2f128_ps(b, d, 0x31);
    const __m256d low = (__m256d)_mm256_unpacklo_ps(i, j), high = (__m256d)_mm256_unpackhi_ps(i, j);
    const __m256d next = (__m256d)_mm256_unpacklo_ps(k, l), last = (__m256d)_mm256_unpackhi_ps(k, l);
    v[0] = (upshape_floats)_mm256_unpacklo_pd(low, next);
    v[1] = (upshape_floats)_mm256_unpackhi_pd(low, next);
    v[2] = (upshape_floats)_mm256_unpacklo_pd(high, last);
    v[3] = (upshape_floats)_mm256_unpackhi_pd(high, last);
}

UPSHAPE_INLINE void take_apart_64(upshape_doubles *v, const int step)
{
    const __m256d a = (__m256d)v[0], b = (__m256d)v[1];
    if (step == 2) {
        v[0] = (upshape_doubles)_mm256_permute4x64_pd(_mm256_unpacklo_pd(a, b), 0xd8);
        v[1] = (upshape_doubles)_mm256_permute4x64_pd(_mm256_unpackhi_pd(a, b), 0xd8);
        return;
    }
    const __m256d c = (__m256d)v[2];
    if (step == 3) {
        const __m256d p = _mm256_blend_pd(_mm256_blend_pd(a, b, 0x4), c, 0x2);
        const __m256d q = _mm256_blend_pd(_mm256_blend_pd(a, b, 0x9), c, 0x4);
        const __m256d r = _mm256_blend_pd(_mm256_blend_pd(a, b, 0x2), c, 0x9);
        v[0] = (upshape_doubles)_mm256_permute4x64_pd(p, 0x6c); /* 0, 3, 2, 1 */
        v[1] = (upshape_doubles)_mm256_permute4x64_pd(q, 0xb1); /* 1, 0, 3, 2 */
        v[2] = (upshape_doubles)_mm256_permute4x64_pd(r, 0xc6); /* 2, 1, 0, 3 */
        return;
    }
    const __m256d d = (__m256d)v[3];
    const __m256d low = _mm256_unpacklo_pd(a, b), high = _mm256_unpackhi_pd(a, b);
    const __m256d next = _mm256_unpacklo_pd(c, d), last = _mm256_unpackhi_pd(c, d);
    v[0] = (upshape_doubles)_mm256_permute2f128_pd(low, next, 0x20);
    v[1] = (upshape_doubles)_mm256_permute2f128_pd(high, last, 0x20);
    v[2] = (upshape_doubles)_mm256_permute2f128_pd(low, next, 0x31);
    v[3] = (upshape_doubles)_mm256_permute2f128_pd(high, last, 0x31);
}

#endif
