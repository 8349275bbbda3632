/* The loops of limits.pyx that need a vector type: a register loop of multiply-adds, and filling
 * memory with ordinary and with streaming stores. (Not limits.h: that name is the C library's.) */
#ifndef UPSHAPE_LIMIT_LOOPS_H
#define UPSHAPE_LIMIT_LOOPS_H

#include <stddef.h>
#include "level.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* Independent sums: two units x four cycles of latency need 8, and 12 leave room at every level
 * (16 registers: 12 sums, the factor, the addend, a temporary where there is no FMA). */
enum { UPSHAPE_CHAINS = 12 };

typedef float upshape_floats __attribute__((vector_size(UPSHAPE_VECTOR_BYTES)));
typedef double upshape_doubles __attribute__((vector_size(UPSHAPE_VECTOR_BYTES)));

/* sum = sum * factor + addend, `rounds` times in every chain; the total, so that nothing is
 * optimised away. A factor and an addend of one half keep the sums near 1: no subnormals. The caller passes values
 * that the compiler does not know. */
#define UPSHAPE_CHAIN_LOOP(name, scalar, vector)                                                  \
    static __attribute__((noinline)) double name(ptrdiff_t rounds, scalar factor, scalar addend)  \
    {                                                                                             \
        vector sums[UPSHAPE_CHAINS], total = {0};                                                 \
        double result = 0;                                                                        \
        UPSHAPE_UNROLLED(12) for (int j = 0; j < UPSHAPE_CHAINS; j++)                         \
            sums[j] = (vector){0} + (scalar)j;                                                    \
        for (ptrdiff_t i = 0; i < rounds; i++) {                                                  \
            UPSHAPE_UNROLLED(12) for (int j = 0; j < UPSHAPE_CHAINS; j++)                     \
                sums[j] = sums[j] * factor + addend;                                              \
        }                                                                                         \
        UPSHAPE_UNROLLED(12) for (int j = 0; j < UPSHAPE_CHAINS; j++)                         \
            total += sums[j];                                                                     \
        for (size_t k = 0; k < sizeof(vector) / sizeof(scalar); k++)                              \
            result += total[k];                                                                   \
        return result;                                                                            \
    }

UPSHAPE_CHAIN_LOOP(upshape_chains_float, float, upshape_floats)
UPSHAPE_CHAIN_LOOP(upshape_chains_double, double, upshape_doubles)

static inline void upshape_limits_stream(float *to, upshape_floats value)
{
#if defined(__AVX512F__) && UPSHAPE_VECTOR_BYTES == 64
    _mm512_stream_ps(to, (__m512)value);
#elif defined(__AVX__) && UPSHAPE_VECTOR_BYTES == 32
    _mm256_stream_ps(to, (__m256)value);
#elif defined(__SSE2__) && UPSHAPE_VECTOR_BYTES == 16
    _mm_stream_ps(to, (__m128)value);
#else
    *(upshape_floats *)to = value;
#endif
}

/* Write whole lines: start is on a line (64 bytes), count is a multiple of 16 floats. */
static __attribute__((noinline)) void upshape_fill_stream(float *start, ptrdiff_t count, float value)
{
    upshape_floats vector = (upshape_floats){0} + value;
    for (ptrdiff_t i = 0; i < count; i += sizeof(vector) / sizeof(float))
        upshape_limits_stream(start + i, vector);
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

static __attribute__((noinline)) void upshape_fill_plain(float *start, ptrdiff_t count, float value)
{
    upshape_floats vector = (upshape_floats){0} + value;
    for (ptrdiff_t i = 0; i < count; i += sizeof(vector) / sizeof(float))
        *(upshape_floats *)(start + i) = vector;
}

#endif
