/* The tiles of depthwise convolutions: sums over the taps of one channel alone.
 *
 * window:  ROWS rows of an ordinary convolution, stride s, kernel k x k, a vector of pixels each;
 *          deep_window: the same, over the depths of a kernel of three axes.
 * stride2: ROWS pairs of rows of a transposed convolution of stride 2, whole rows of both phases.
 * taps:    one row of any convolution, its taps from a table.
 * pixels:  some pixels of channels-last memory, a vector of channels each, taps from a table.
 * lanes:   the same for a single vector of channels.
 * sliding: 7, 8 or 14 such pixels of an ordinary convolution, stride 1 or 2: a window that slides
 *          along a row, every pixel of which is loaded once.
 *
 * lines copies rows with their borders for window and taps; transpose_in and transpose_out transpose
 * channels of rows for lanes and sliding. An input vector is loaded once for all rows of a window or
 * a stride2, or pixels of a sliding window, that read it. Every sum starts from the bias and takes
 * its taps in the order of the kernel's indices, one multiply-add each, in all six and in tile.h:
 * they give the same bits.
 *
 * The caller has checked everything; nothing is allocated. */
#ifndef UPSHAPE_DEPTHWISE_H
#define UPSHAPE_DEPTHWISE_H

#include "vector.h"

/* A tile begins with a line of the cache: how fast it is hangs on nothing that is compiled before
 * it. Where lines are cut differently, a loop of a few instructions takes up to 1.4 times as long
 * (Zen 5, x86-64-v3). */
#define UPSHAPE_HOT UPSHAPE_CALLED __attribute__((aligned(64)))

/* Rows of a tile. Four rows of a 3 x 3 window load 18 vectors for 36 multiply-adds; a single pair
 * of rows of a stride2 is as much as 16 registers hold. */
#define UPSHAPE_WINDOW_ROWS 4
#if UPSHAPE_REGISTERS == 32
#define UPSHAPE_STRIDE2_ROWS 4
#else
#define UPSHAPE_STRIDE2_ROWS 1
#endif
/* Pixels and vectors of channels of a channels-last tile: ten loads for eight multiply-adds. */
#define UPSHAPE_DEPTH_PIXELS 4
#define UPSHAPE_DEPTH_VECTORS 2
/* Pixels that a sliding window makes at a time: 7 or 8, since rows of 7, 14, 28 and 56 pixels are as
 * usual as powers of two; 14 where there are registers for them. Of two sizes that waste as little,
 * the larger one is faster by a tenth: its sums need not wait for themselves. */
#define UPSHAPE_LEAST_SLIDING 7
#if UPSHAPE_REGISTERS == 32
#define UPSHAPE_SLIDING_PIXELS 14
#else
#define UPSHAPE_SLIDING_PIXELS 8
#endif
/* Neighbouring taps that share their loads: fourteen of pixels and seven of weights for 56
 * multiply-adds, in 16 registers. */
#define UPSHAPE_SLIDING_TAPS 7
/* Pixels of a tile of transposed channels: nine loads for eight multiply-adds, all of whole lines. */
#define UPSHAPE_LANES_PIXELS 8

/* The kernels that are compiled: of windows (size, stride), also over several depths, of stride2 (size,
 * padding modulo 2), and of sliding windows (size, stride, pixels), where 0 is any other size. */
#define UPSHAPE_WINDOWS(DO) DO(3, 1) DO(3, 2) DO(5, 1) DO(5, 2) DO(7, 1) DO(7, 2)
#define UPSHAPE_DEEP_WINDOWS(DO) DO(3, 1) DO(3, 2)
#define UPSHAPE_STRIDES2(DO) DO(2, 0) DO(3, 0) DO(3, 1) DO(4, 0) DO(4, 1)
#define UPSHAPE_SLIDING_OF(DO, S, N) DO(0, S, N) DO(3, S, N) DO(5, S, N) DO(7, S, N)
#define UPSHAPE_SLIDING_BOTH(DO, N) UPSHAPE_SLIDING_OF(DO, 1, N) UPSHAPE_SLIDING_OF(DO, 2, N)
#if UPSHAPE_SLIDING_PIXELS == 14
#define UPSHAPE_SLIDING(DO)                                                                       \
    UPSHAPE_SLIDING_BOTH(DO, 7) UPSHAPE_SLIDING_BOTH(DO, 8) UPSHAPE_SLIDING_BOTH(DO, 14)
#else
#define UPSHAPE_SLIDING(DO) UPSHAPE_SLIDING_BOTH(DO, 7) UPSHAPE_SLIDING_BOTH(DO, 8)
#endif
#define UPSHAPE_UP_TO_7(DO) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
/* The name of a tile: window_32_3x1, sliding_32_3x1_14. */
#define UPSHAPE_NAMED(name, k, s) UPSHAPE_NAMED_OF(name, k, s)
#define UPSHAPE_NAMED_OF(name, k, s) name##_##k##x##s
#define UPSHAPE_NAMED_3(name, k, s, n) UPSHAPE_NAMED_3_OF(name, k, s, n)
#define UPSHAPE_NAMED_3_OF(name, k, s, n) name##_##k##x##s##_##n

/* DO(lane, m), ... for every lane of a vector. */
#define UPSHAPE_LANES2(DO, m) DO(0, m), DO(1, m)
#define UPSHAPE_LANES4(DO, m) UPSHAPE_LANES2(DO, m), DO(2, m), DO(3, m)
#define UPSHAPE_LANES8(DO, m) UPSHAPE_LANES4(DO, m), DO(4, m), DO(5, m), DO(6, m), DO(7, m)
#define UPSHAPE_LANES12(DO, m) UPSHAPE_LANES8(DO, m), DO(8, m), DO(9, m), DO(10, m), DO(11, m)
#define UPSHAPE_LANES16(DO, m) UPSHAPE_LANES12(DO, m), DO(12, m), DO(13, m), DO(14, m), DO(15, m)
#if UPSHAPE_VECTOR_BYTES == 64
#define UPSHAPE_LANES_32 UPSHAPE_LANES16
#define UPSHAPE_LANES_64 UPSHAPE_LANES8
#elif UPSHAPE_VECTOR_BYTES == 32
#define UPSHAPE_LANES_32 UPSHAPE_LANES8
#define UPSHAPE_LANES_64 UPSHAPE_LANES4
#else
#define UPSHAPE_LANES_32 UPSHAPE_LANES4
#define UPSHAPE_LANES_64 UPSHAPE_LANES2
#endif

/* Lane l of v, the vector at x, is lane index[l], which may lie in the vector behind it. */
#if defined(__clang__)
#define gather_32(v, x, index) upshape_gather_32(x, index)
#define gather_64(v, x, index) upshape_gather_64(x, index)
#elif UPSHAPE_VECTOR_BYTES == 16
#define gather_32(v, x, index) __builtin_shuffle(v, index)
#define gather_64(v, x, index) __builtin_shuffle(v, load_64(x + 2), index)
#else
#define gather_32(v, x, index) __builtin_shuffle(v, index)
#define gather_64(v, x, index) __builtin_shuffle(v, index)
#endif

/* Sliding windows along a row: the rows of the kernel that are inside the input, and the pixels. */
typedef struct {
    const ptrdiff_t *row, *kernel; /* where each of the kernel's rows reads, and its first weight */
    ptrdiff_t rows, taps;          /* taps of a row */
    ptrdiff_t first, end;          /* pixels of the row that is made */
    int step, many;                /* of the input; pixels that are made at a time */
    ptrdiff_t pixel, to_pixel;     /* from one to the next, of what is read and of what is made */
    ptrdiff_t w_tap;               /* from a tap's weights to the next one's */
    ptrdiff_t channels;
} upshape_slide;

#define UPSHAPE_EACH_REAL "depthwise_rows.inc.h"
#include "each_real.h"
#define UPSHAPE_EACH_REAL "tile_window.inc.h"
#include "each_real.h"
#define UPSHAPE_EACH_REAL "tile_stride2.inc.h"
#include "each_real.h"
#define UPSHAPE_EACH_REAL "tile_taps.inc.h"
#include "each_real.h"
#define UPSHAPE_EACH_REAL "tile_sliding.inc.h"
#include "each_real.h"

/* How many pixels a sliding window makes at a time, of a row of n. */
static inline int sliding_pixels(ptrdiff_t n)
{
    int best = UPSHAPE_LEAST_SLIDING;
    for (int many = 8; many <= UPSHAPE_SLIDING_PIXELS && many <= n; many += 6)
        if ((n + many - 1) / many * many <= (n + best - 1) / best * best)
            best = many;
    return best;
}

/* Whether there is such a tile: its code, else 0. */
#define TILE(K, S) case K * 16 + S:
static inline int window_code(ptrdiff_t kernel, ptrdiff_t stride)
{
    const ptrdiff_t code = kernel < 16 && stride < 16 ? kernel * 16 + stride : 0;
    switch (code) {
        UPSHAPE_WINDOWS(TILE)
        return (int)code;
    }
    return 0;
}

static inline int deep_window_code(ptrdiff_t kernel, ptrdiff_t stride)
{
    const ptrdiff_t code = kernel < 16 && stride < 16 ? kernel * 16 + stride : 0;
    switch (code) {
        UPSHAPE_DEEP_WINDOWS(TILE)
        return (int)code + 256;
    }
    return 0;
}

static inline int stride2_code(ptrdiff_t kernel, ptrdiff_t padding)
{
    const ptrdiff_t code = kernel < 16 ? kernel * 16 + padding % 2 : 0;
    switch (code) {
        UPSHAPE_STRIDES2(TILE)
        return (int)code;
    }
    return 0;
}
#undef TILE

#endif
