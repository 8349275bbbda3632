/* The loops of limits.pyx that need a vector type: a register loop of multiply-adds, filling memory
 * with ordinary and with streaming stores, and reading it. (Not limits.h: that name is the C
 * library's.) */
#ifndef UPSHAPE_LIMIT_LOOPS_H
#define UPSHAPE_LIMIT_LOOPS_H

#include "vector.h"

/* Independent sums: two units x four cycles of latency need 8, and 12 leave room at every level
 * (16 registers: 12 sums, the factor, the addend, a temporary where there is no FMA). */
enum { UPSHAPE_CHAINS = 12 };

#define UPSHAPE_EACH_REAL "limit_chains.inc.h"
#include "each_real.h"

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
    upshape_floats vector = splat_32(value);
    for (ptrdiff_t i = 0; i < count; i += sizeof(vector) / sizeof(float))
        upshape_limits_stream(start + i, vector);
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

static __attribute__((noinline)) void upshape_fill_plain(float *start, ptrdiff_t count, float value)
{
    upshape_floats vector = splat_32(value);
    for (ptrdiff_t i = 0; i < count; i += sizeof(vector) / sizeof(float))
        *(upshape_floats *)(start + i) = vector;
}

/* The sum of whole lines, in eight chains: an addition takes longer than two loads. */
static __attribute__((noinline)) double upshape_read(const float *start, ptrdiff_t count)
{
    enum { CHAINS = 8, FLOATS = sizeof(upshape_floats) / sizeof(float) };
    upshape_floats sums[CHAINS] = {{0}};
    double total = 0;
    ptrdiff_t i = 0;
    for (; i + CHAINS * FLOATS <= count; i += CHAINS * FLOATS) {
        UPSHAPE_UNROLL for (int j = 0; j < CHAINS; j++)
            sums[j] += *(const upshape_floats *)(start + i + j * FLOATS);
    }
    for (; i < count; i += FLOATS)
        sums[0] += *(const upshape_floats *)(start + i);
    for (int j = 0; j < CHAINS; j++)
        for (int k = 0; k < FLOATS; k++)
            total += sums[j][k];
    return total;
}

#endif
