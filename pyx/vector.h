/* What Cython lacks for the interpolation kernels: vectors of one level's width, a permute of a
 * window, conversions, and stores past the cache. GCC's vector extensions wherever they compile to
 * the instruction meant; an intrinsic, with a portable fallback, where they do not.
 *
 * A vector is loaded and stored without any alignment; streaming stores alone need whole aligned
 * lines, and upshape_stream is the one function that issues them. */
#ifndef UPSHAPE_VECTOR_H
#define UPSHAPE_VECTOR_H

#include <stdint.h>
#include <string.h>
#include "level.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define UPSHAPE_INLINE static inline __attribute__((always_inline))

#define V UPSHAPE_VECTOR_BYTES
#define UPSHAPE_LINE 64

typedef int32_t upshape_words __attribute__((vector_size(V)));
typedef int64_t upshape_longs __attribute__((vector_size(V)));
typedef float upshape_floats __attribute__((vector_size(V)));
typedef double upshape_doubles __attribute__((vector_size(V)));
typedef uint8_t upshape_bytes __attribute__((vector_size(16)));

/* --- load, store, permute ---------------------------------------------------------------------- */

/* __builtin_memcpy here: where a distribution has its compiler fortify memcpy, that of 16 bytes to an
 * array on the stack is a call that checks, several times as slow. */

UPSHAPE_INLINE upshape_words upshape_load(const void* p)
{
    upshape_words v;
    __builtin_memcpy(&v, p, V);
    return v;
}

UPSHAPE_INLINE void upshape_store(void* p, upshape_words v) { __builtin_memcpy(p, &v, V); }

UPSHAPE_INLINE upshape_bytes upshape_load_bytes(const void* p)
{
    upshape_bytes v;
    __builtin_memcpy(&v, p, 16);
    return v;
}

UPSHAPE_INLINE void upshape_store_bytes(void* p, upshape_bytes v) { __builtin_memcpy(p, &v, 16); }

/* Byte j of the result is byte index[j] of the window; 0 <= index[j] < 16. */
UPSHAPE_INLINE upshape_bytes upshape_permute_bytes(upshape_bytes window, upshape_bytes index)
{
#if defined(__SSSE3__)
    return (upshape_bytes)_mm_shuffle_epi8((__m128i)window, (__m128i)index);
#elif defined(__GNUC__) && !defined(__clang__)
    return __builtin_shuffle(window, index);
#else
    upshape_bytes r;
    for (int j = 0; j < 16; j++)
        r[j] = window[index[j] & 15];
    return r;
#endif
}

/* The same for two neighbouring windows; 0 <= index[j] < 32. */
UPSHAPE_INLINE upshape_bytes upshape_permute_two_bytes(
    upshape_bytes first, upshape_bytes second, upshape_bytes index)
{
#if defined(__SSSE3__)
    __m128i past = _mm_add_epi8((__m128i)index, _mm_set1_epi8(0x70)); /* sign: not of the first */
    __m128i before = _mm_sub_epi8((__m128i)index, _mm_set1_epi8(16)); /* sign: not of the second */
    return (upshape_bytes)_mm_or_si128(
        _mm_shuffle_epi8((__m128i)first, past), _mm_shuffle_epi8((__m128i)second, before));
#elif defined(__GNUC__) && !defined(__clang__)
    return __builtin_shuffle(first, second, index);
#else
    upshape_bytes r;
    for (int j = 0; j < 16; j++)
        r[j] = index[j] < 16 ? first[index[j]] : second[index[j] & 15];
    return r;
#endif
}

/* A 16-byte vector has no permute of words on x86: there an index counts bytes, else words. */
#if V == 16
#define UPSHAPE_INDEX_BYTES 1
#else
#define UPSHAPE_INDEX_BYTES 4
#endif

/* Word j of the result is word index[j] of the window (or byte and byte, see above). */
UPSHAPE_INLINE upshape_words upshape_permute(upshape_words window, upshape_words index)
{
#if V == 16
    return (upshape_words)upshape_permute_bytes((upshape_bytes)window, (upshape_bytes)index);
#elif V == 32 && defined(__AVX2__)
    return (upshape_words)_mm256_permutevar8x32_epi32((__m256i)window, (__m256i)index);
#elif V == 64 && defined(__AVX512F__)
    return (upshape_words)_mm512_permutexvar_epi32((__m512i)index, (__m512i)window);
#else
    upshape_words r;
    for (int j = 0; j < V / 4; j++)
        r[j] = window[index[j] & (V / 4 - 1)];
    return r;
#endif
}

/* Word j of the result is word index[j] of two neighbouring windows: counted through both, in words
 * with the sign bit set for the second window (or in bytes, without: see above). */
UPSHAPE_INLINE upshape_words upshape_permute_two(
    upshape_words first, upshape_words second, upshape_words index)
{
#if V == 16 && defined(__SSSE3__)
    __m128i past = _mm_add_epi8((__m128i)index, _mm_set1_epi8(0x70)); /* sign: not of the first */
    __m128i before = _mm_sub_epi8((__m128i)index, _mm_set1_epi8(16)); /* sign: not of the second */
    return (upshape_words)_mm_or_si128(
        _mm_shuffle_epi8((__m128i)first, past), _mm_shuffle_epi8((__m128i)second, before));
#elif V == 32 && defined(__AVX2__)
    return (upshape_words)_mm256_blendv_ps(
        _mm256_permutevar8x32_ps((__m256)first, (__m256i)index),
        _mm256_permutevar8x32_ps((__m256)second, (__m256i)index), (__m256)index);
#elif V == 64 && defined(__AVX512F__)
    return (upshape_words)_mm512_permutex2var_epi32(
        (__m512i)first, (__m512i)index, (__m512i)second);
#elif V == 16
    upshape_bytes from = (upshape_bytes)index, a = (upshape_bytes)first, b = (upshape_bytes)second;
    upshape_bytes r;
    for (int j = 0; j < V; j++)
        r[j] = from[j] < V ? a[from[j]] : b[from[j] & (V - 1)];
    return (upshape_words)r;
#else
    upshape_words r;
    for (int j = 0; j < V / 4; j++)
        r[j] = (index[j] < 0 ? second : first)[index[j] & (V / 4 - 1)];
    return r;
#endif
}

/* The same for four neighbouring windows, of words only: the sign bit is set for the second and the
 * fourth window, the bit below it for the third and the fourth. */
UPSHAPE_INLINE upshape_words upshape_permute_four(
    upshape_words first, upshape_words second, upshape_words third, upshape_words fourth,
    upshape_words index)
{
    upshape_words before = upshape_permute_two(first, second, index);
    upshape_words behind = upshape_permute_two(third, fourth, index);
#if V == 32 && defined(__AVX2__)
    return (upshape_words)_mm256_blendv_ps(
        (__m256)before, (__m256)behind, (__m256)_mm256_slli_epi32((__m256i)index, 1));
#elif V == 64 && defined(__AVX512F__)
    return (upshape_words)_mm512_mask_mov_epi32(
        (__m512i)before, _mm512_test_epi32_mask((__m512i)index, _mm512_set1_epi32(1 << 30)),
        (__m512i)behind);
#else
    upshape_words r;
    for (int j = 0; j < V / 4; j++)
        r[j] = (index[j] & 1 << 30 ? behind : before)[j];
    return r;
#endif
}

/* Whether the level fuses products into sums. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define UPSHAPE_FMA 1
#else
#define UPSHAPE_FMA 0
#endif

/* --- arithmetic -------------------------------------------------------------------------------- */

/* A product that is rounded before it is added to. Of the two products of a u + b v the compiler may
 * join either with the sum; it must be the same one in every function, since which function makes a
 * row depends on the number of threads, and its bits must not. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_assoc_barrier)
#define UPSHAPE_ROUNDED(product) __builtin_assoc_barrier(product)
#elif __has_builtin(__arithmetic_fence)
#define UPSHAPE_ROUNDED(product) __arithmetic_fence(product)
#endif
#endif
#ifndef UPSHAPE_ROUNDED
#define UPSHAPE_ROUNDED(product) (product)
#endif

/* a u + b v. Which product is fused into the sum is said, not left to the compiler: every path through
 * the kernels gives the same bits. */
UPSHAPE_INLINE upshape_words upshape_mix_floats(
    upshape_words a, upshape_words b, upshape_words u, upshape_words v)
{
    upshape_floats second = (upshape_floats)b * (upshape_floats)v;
#if V == 64 && defined(__AVX512F__)
    return (upshape_words)_mm512_fmadd_ps((__m512)a, (__m512)u, (__m512)second);
#elif V == 32 && defined(__FMA__)
    return (upshape_words)_mm256_fmadd_ps((__m256)a, (__m256)u, (__m256)second);
#elif UPSHAPE_FMA
    upshape_floats x = (upshape_floats)a, y = (upshape_floats)u, r;
    for (unsigned j = 0; j < V / sizeof(float); j++)
        r[j] = __builtin_fmaf(x[j], y[j], second[j]);
    return (upshape_words)r;
#else
    return (upshape_words)((upshape_floats)a * (upshape_floats)u + second);
#endif
}

UPSHAPE_INLINE upshape_words upshape_mix_doubles(
    upshape_words a, upshape_words b, upshape_words u, upshape_words v)
{
    upshape_doubles second = (upshape_doubles)b * (upshape_doubles)v;
#if V == 64 && defined(__AVX512F__)
    return (upshape_words)_mm512_fmadd_pd((__m512d)a, (__m512d)u, (__m512d)second);
#elif V == 32 && defined(__FMA__)
    return (upshape_words)_mm256_fmadd_pd((__m256d)a, (__m256d)u, (__m256d)second);
#elif UPSHAPE_FMA
    upshape_doubles x = (upshape_doubles)a, y = (upshape_doubles)u, r;
    for (unsigned j = 0; j < V / sizeof(double); j++)
        r[j] = __builtin_fma(x[j], y[j], second[j]);
    return (upshape_words)r;
#else
    return (upshape_words)((upshape_doubles)a * (upshape_doubles)u + second);
#endif
}

/* The same of single numbers, fused as the vectors are, so that both give the same bits. */
UPSHAPE_INLINE float upshape_mix_float(float a, float b, float u, float v)
{
#if UPSHAPE_FMA
    return __builtin_fmaf(a, u, b * v);
#else
    return a * u + b * v;
#endif
}

UPSHAPE_INLINE double upshape_mix_double(double a, double b, double u, double v)
{
#if UPSHAPE_FMA
    return __builtin_fma(a, u, b * v);
#else
    return a * u + b * v;
#endif
}

UPSHAPE_INLINE upshape_words upshape_splat_float(float a)
{
    return (upshape_words)((upshape_floats){0} + a);
}

UPSHAPE_INLINE upshape_words upshape_splat_double(double a)
{
    return (upshape_words)((upshape_doubles){0} + a);
}

UPSHAPE_INLINE upshape_words upshape_add_floats(upshape_words a, upshape_words b)
{
    return (upshape_words)((upshape_floats)a + (upshape_floats)b);
}

UPSHAPE_INLINE upshape_words upshape_add_doubles(upshape_words a, upshape_words b)
{
    return (upshape_words)((upshape_doubles)a + (upshape_doubles)b);
}

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

/* --- stores past the cache --------------------------------------------------------------------- */

/* Copy n bytes. Whole 64-byte lines of the target go past the cache; what comes before the first
 * and after the last goes the usual way. A streaming store of an address that is no multiple of its
 * size would fault: the head below makes that impossible, wherever `to` points. */
UPSHAPE_INLINE void upshape_stream(char* to, const char* from, size_t n)
{
#if defined(__SSE2__)
    size_t head = (size_t)(-(uintptr_t)to & (UPSHAPE_LINE - 1));
    if (head > n)
        head = n;
    __builtin_memcpy(to, from, head);
    to += head;
    from += head;
    n -= head;
    for (; n >= UPSHAPE_LINE; n -= UPSHAPE_LINE, to += UPSHAPE_LINE, from += UPSHAPE_LINE) {
#if defined(__AVX512F__)
        _mm512_stream_si512((__m512i*)to, _mm512_loadu_si512((const void*)from));
#elif defined(__AVX__)
        __m256i a = _mm256_loadu_si256((const __m256i*)from);
        __m256i b = _mm256_loadu_si256((const __m256i*)(from + 32));
        _mm256_stream_si256((__m256i*)to, a);
        _mm256_stream_si256((__m256i*)(to + 32), b);
#else
        for (int j = 0; j < UPSHAPE_LINE; j += 16)
            _mm_stream_si128((__m128i*)(to + j), _mm_loadu_si128((const __m128i*)(from + j)));
#endif
    }
#endif
    __builtin_memcpy(to, from, n);
}

/* Store a vector past the cache where that cannot fault, else the usual way. */
UPSHAPE_INLINE void upshape_stream_store(void* p, upshape_words v)
{
#if defined(__SSE2__)
    if (((uintptr_t)p & (V - 1)) == 0) {
#if V == 64 && defined(__AVX512F__)
        _mm512_stream_si512((__m512i*)p, (__m512i)v);
#elif V == 32 && defined(__AVX__)
        _mm256_stream_si256((__m256i*)p, (__m256i)v);
#else
        __m128i part[V / 16];
        __builtin_memcpy(part, &v, V);
        for (int j = 0; j < V / 16; j++)
            _mm_stream_si128((__m128i*)p + j, part[j]);
#endif
        return;
    }
#endif
    upshape_store(p, v);
}

/* Streaming stores are weakly ordered: what another thread reads next must come after this. */
UPSHAPE_INLINE void upshape_stream_end(void)
{
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

#undef V
#endif
