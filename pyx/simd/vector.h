/* What Cython lacks: vectors of one level's width, and the instructions that move them. GCC's vector
 * extensions wherever they compile to the instruction meant; an intrinsic, with a portable fallback,
 * where they do not.
 *
 *     load, store, load_part, store_part      whole vectors without any alignment, or their first lanes
 *     permute, permute_two, permute_four      lanes of one, two or four vectors, by an index
 *     zip, evens, weave, transpose            rows interleaved and taken apart
 *     mix, splat, add                         arithmetic
 *     stream, stream_store                    past the cache: these alone need whole aligned lines
 *
 * The first half is for the interpolation kernels, which take a vector as a bag of bits
 * (upshape_words); the second, reals.inc.h, knows its type and is there for float and for double. */
#ifndef UPSHAPE_VECTOR_H
#define UPSHAPE_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include "check.h"
#include "level.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

/* The first half of a vector; the lanes of the other hold whatever they may. */
UPSHAPE_INLINE upshape_words upshape_load_half(const void* p)
{
#if V == 64 && defined(__AVX512F__)
    return (upshape_words)_mm512_castsi256_si512(_mm256_loadu_si256(p));
#elif V == 32 && defined(__AVX2__)
    return (upshape_words)_mm256_castsi128_si256(_mm_loadu_si128(p));
#else
    upshape_words v = {0};
    __builtin_memcpy(&v, p, V / 2);
    return v;
#endif
}

UPSHAPE_INLINE void upshape_store(void* p, upshape_words v) { __builtin_memcpy(p, &v, V); }

/* The first n words, 0 < n <= V / 4. */
UPSHAPE_INLINE void upshape_store_first(void* p, upshape_words v, ptrdiff_t n)
{
#if V == 64 && defined(__AVX512F__)
    _mm512_mask_storeu_epi32(p, (__mmask16)((1u << n) - 1), (__m512i)v);
#else
    __builtin_memcpy(p, &v, (size_t)n * 4);
#endif
}

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

/* Byte j of each 16 bytes is their byte index[j]; 0 <= index[j] < 16. */
UPSHAPE_INLINE upshape_words upshape_permute_within(upshape_words v, upshape_words index)
{
#if V == 64 && defined(__AVX512BW__)
    return (upshape_words)_mm512_shuffle_epi8((__m512i)v, (__m512i)index);
#elif V == 32 && defined(__AVX2__)
    return (upshape_words)_mm256_shuffle_epi8((__m256i)v, (__m256i)index);
#else
    upshape_words r;
    for (int j = 0; j < V; j += 16) {
        upshape_bytes part = upshape_permute_bytes(
            upshape_load_bytes((const char*)&v + j), upshape_load_bytes((const char*)&index + j));
        upshape_store_bytes((char*)&r + j, part);
    }
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
#elif UPSHAPE_HAS_FMA
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
#elif UPSHAPE_HAS_FMA
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
#if UPSHAPE_HAS_FMA
    return __builtin_fmaf(a, u, b * v);
#else
    return a * u + b * v;
#endif
}

UPSHAPE_INLINE double upshape_mix_double(double a, double b, double u, double v)
{
#if UPSHAPE_HAS_FMA
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

/* --- what the compilers must be told ------------------------------------------------------------ */

/* One load for all its uses: left alone, gcc loads a vector again for each. A vector that is wider
 * than the registers (v4's logic in v3's instructions) cannot be held in one. */
#if UPSHAPE_HAS_MASKS
#define UPSHAPE_HELD(v) __asm__("" : "+v"(v))
#elif defined(__x86_64__) && UPSHAPE_VECTOR_BYTES <= 32
#define UPSHAPE_HELD(v) __asm__("" : "+x"(v))
#elif defined(__aarch64__) && UPSHAPE_VECTOR_BYTES == 16
#define UPSHAPE_HELD(v) __asm__("" : "+w"(v))
#else
#define UPSHAPE_HELD(v) (void)0
#endif
/* A sum that stays beside its product, to be rounded once with it: clang moves the sums that several
 * branches end with behind them. */
#ifdef __clang__
#define UPSHAPE_JOINED(sum) UPSHAPE_HELD(sum)
#else
#define UPSHAPE_JOINED(sum) (void)0
#endif
/* Whether the registers have room for so many vectors, another, and a product on its way. */
#define UPSHAPE_HOLDS(count) ((count) + (UPSHAPE_HAS_FMA ? 1 : 3) <= UPSHAPE_REGISTERS)
/* A scalar tail that stays scalar: it is shorter than a vector, and rows are short in small maps. */
#define UPSHAPE_SCALAR(j) __asm__("" : "+r"(j))

/* --- vectors that know their type --------------------------------------------------------------- */

/* UPSHAPE_SHUFFLE(a, b, INTS, lane, ...): those lanes of two vectors, counted through both. */
#ifdef __clang__
#define UPSHAPE_SHUFFLE(a, b, mask, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define UPSHAPE_SHUFFLE(a, b, mask, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif

/* The lanes of two vectors in turn, from lane n on; and every second lane. */
#define UPSHAPE_ZIP2(n) n, n + 2
#define UPSHAPE_ZIP4(n) n, n + 4, n + 1, n + 5
#define UPSHAPE_ZIP8(n) n, n + 8, n + 1, n + 9, n + 2, n + 10, n + 3, n + 11
#define UPSHAPE_ZIP16(n) n, n + 16, n + 1, n + 17, n + 2, n + 18, n + 3, n + 19, \
    n + 4, n + 20, n + 5, n + 21, n + 6, n + 22, n + 7, n + 23
#define UPSHAPE_EVENS2 0, 2
#define UPSHAPE_EVENS4 0, 2, 4, 6
#define UPSHAPE_EVENS8 UPSHAPE_EVENS4, 8, 10, 12, 14
#define UPSHAPE_EVENS16 UPSHAPE_EVENS8, 16, 18, 20, 22, 24, 26, 28, 30
#if V == 64
#define UPSHAPE_ZIP_32 UPSHAPE_ZIP16
#define UPSHAPE_ZIP_64 UPSHAPE_ZIP8
#define UPSHAPE_EVENS_32 UPSHAPE_EVENS16
#define UPSHAPE_EVENS_64 UPSHAPE_EVENS8
#elif V == 32
#define UPSHAPE_ZIP_32 UPSHAPE_ZIP8
#define UPSHAPE_ZIP_64 UPSHAPE_ZIP4
#define UPSHAPE_EVENS_32 UPSHAPE_EVENS8
#define UPSHAPE_EVENS_64 UPSHAPE_EVENS4
#else
#define UPSHAPE_ZIP_32 UPSHAPE_ZIP4
#define UPSHAPE_ZIP_64 UPSHAPE_ZIP2
#define UPSHAPE_EVENS_32 UPSHAPE_EVENS4
#define UPSHAPE_EVENS_64 UPSHAPE_EVENS2
#endif

/* The lower halves of two 16-byte vectors, wherever they lie, in turn, or the upper ones. */
typedef float upshape_part_32 __attribute__((vector_size(16), aligned(4), may_alias));
typedef double upshape_part_64 __attribute__((vector_size(16), aligned(8), may_alias));
typedef int32_t upshape_part_words __attribute__((vector_size(16)));
typedef int64_t upshape_part_longs __attribute__((vector_size(16)));
UPSHAPE_INLINE upshape_part_32 upshape_zip_part_32(upshape_part_32 a, upshape_part_32 b, int upper)
{
    return upper ? UPSHAPE_SHUFFLE(a, b, upshape_part_words, UPSHAPE_ZIP4(2))
                 : UPSHAPE_SHUFFLE(a, b, upshape_part_words, UPSHAPE_ZIP4(0));
}
UPSHAPE_INLINE upshape_part_64 upshape_zip_part_64(upshape_part_64 a, upshape_part_64 b, int upper)
{
    return upper ? UPSHAPE_SHUFFLE(a, b, upshape_part_longs, UPSHAPE_ZIP2(1))
                 : UPSHAPE_SHUFFLE(a, b, upshape_part_longs, UPSHAPE_ZIP2(0));
}

#if UPSHAPE_HAS_MASKS
#include "masks.h"
#elif V == 32 && defined(__AVX2__)
/* The first n lanes, 0 < n, and zeros for the rest. */
UPSHAPE_INLINE upshape_floats upshape_load_first_32(const float *p, ptrdiff_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (upshape_floats)_mm256_maskload_ps(
        p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane));
}
UPSHAPE_INLINE upshape_doubles upshape_load_first_64(const double *p, ptrdiff_t n)
{
    const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
    return (upshape_doubles)_mm256_maskload_pd(
        p, _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)n), lane));
}
#define UPSHAPE_HAS_STEPS 1
#include "steps.h"
#endif
#ifndef UPSHAPE_HAS_STEPS
#define UPSHAPE_HAS_STEPS 0
#endif
#define UPSHAPE_EACH_REAL "reals.inc.h"
#include "each_real.h"

#undef V
#endif
