/* The register tiles of the convolutions, in the compilers' own vector types.
 *
 * tile_pixels: acc[NB][NV]: NB rows (output channels and phases) by NV vectors of pixels.
 *     acc[b][v] += w[k][b] * x[k][v]      the weights are broadcast, the pixels are vectors
 * tile_pairs: the same for two phases of a row that meet in the registers, to be written there.
 * tile_channels: acc[MB][NV]: MB pixels by NV vectors of output channels (or phases).
 *     acc[m][v] += x[k][m] * w[k][v]      the pixels are broadcast, the weights are vectors
 *
 * k runs over taps, then input channels: one accumulator an output, always in that order, so the
 * shape of a tile changes no bit of its result. `init` (NULL: go on from what c holds) is where
 * the sum starts: the bias. The caller has checked everything; nothing is allocated.
 *
 * Why vector types: gcc keeps plain arrays of most shapes in memory instead of registers. */
#ifndef UPSHAPE_TILE_H
#define UPSHAPE_TILE_H

#include "vector.h"

/* Rows and vectors of the largest tile, in registers of the level. Of 16 registers, 6 x 2 leaves room
 * for two vectors of pixels and a broadcast weight. Of 32, 8 x 3 needs eleven loads for 24
 * multiply-adds, and eight rows divide the usual channel counts.
 * TILE_PIXELS: pixels of the tiles that broadcast them, by two vectors of lanes; on Granite Rapids 12
 * are 1.05 to 1.1 times as fast as 8; on Zen 5, 14 win 2 % for rows that they divide and lose 10 %
 * for wide strides.
 * A tile of fewer vectors keeps the units less busy. TILE_MISSING: what a vector that is missing
 * costs, in hundredths of one that is there (6 x 1 on Zen 3: 0.6 of the peak; 8 x 2 and 8 x 1 on
 * Granite Rapids: 0.92 and 0.79). TILE_SHIFTED: what the first of the taps that read the same lines
 * costs more, in hundredths, if its vectors straddle lines; all vectors of 64 bytes do.
 * TILE_NARROW: what a shifted vector costs more for being read by one row alone; by two, half of it.
 * Granite Rapids: 1 x 8, 3 x 8 and 8 x 3 take 2.4, 1.4 and 1.15 times as long as the multiply-adds.
 * PIECE_CYCLES: what a piece of a row costs beyond its copying. PIECE_STEP, PLANE_STEP: up to which
 * input step pieces and planes are cheaper than picking their elements one by one. */
#if UPSHAPE_REGISTERS == 32
#define UPSHAPE_TILE_ROWS 8
#define UPSHAPE_TILE_REGISTERS 24
#define UPSHAPE_TILE_PIXELS 12
#else
#define UPSHAPE_TILE_ROWS 6
#define UPSHAPE_TILE_REGISTERS 12
#define UPSHAPE_TILE_PIXELS 6
#endif
#if UPSHAPE_VECTOR_BYTES == 64
#define UPSHAPE_TILE_MISSING 13
#define UPSHAPE_TILE_SHIFTED 25
#define UPSHAPE_TILE_NARROW 120
#define UPSHAPE_PIECE_CYCLES 5
#define UPSHAPE_PIECE_STEP 4
#define UPSHAPE_PLANE_STEP 4
#else
#define UPSHAPE_TILE_MISSING 70
#define UPSHAPE_TILE_SHIFTED 0
#define UPSHAPE_TILE_NARROW 40
#define UPSHAPE_PIECE_CYCLES 12
#define UPSHAPE_PIECE_STEP 1
#if UPSHAPE_HAS_STEPS
#define UPSHAPE_PLANE_STEP 4
#else
#define UPSHAPE_PLANE_STEP 1
#endif
#endif
#define UPSHAPE_TILE_VECTORS 8
#define UPSHAPE_PAIRS (UPSHAPE_TILE_ROWS / 2)

/* DO(n, 1) ... DO(n, m): the tiles of n rows (or pixels), of up to m vectors. */
#define UPSHAPE_BY_2(DO, n) DO(n, 1) DO(n, 2)
#define UPSHAPE_BY_3(DO, n) UPSHAPE_BY_2(DO, n) DO(n, 3)
#define UPSHAPE_BY_4(DO, n) UPSHAPE_BY_3(DO, n) DO(n, 4)
#define UPSHAPE_BY_6(DO, n) UPSHAPE_BY_4(DO, n) DO(n, 5) DO(n, 6)
#define UPSHAPE_BY_8(DO, n) UPSHAPE_BY_6(DO, n) DO(n, 7) DO(n, 8)

/* Every shape that a tile can have: the rows by the vectors that the registers hold. */
#if UPSHAPE_REGISTERS == 32
#define UPSHAPE_PIXEL_SHAPES(DO)                                                                  \
    UPSHAPE_BY_8(DO, 1) UPSHAPE_BY_8(DO, 2) UPSHAPE_BY_8(DO, 3) UPSHAPE_BY_6(DO, 4)               \
    UPSHAPE_BY_4(DO, 5) UPSHAPE_BY_4(DO, 6) UPSHAPE_BY_3(DO, 7) UPSHAPE_BY_3(DO, 8)
#define UPSHAPE_PAIR_SHAPES(DO)                                                                   \
    UPSHAPE_BY_8(DO, 1) UPSHAPE_BY_6(DO, 2) UPSHAPE_BY_4(DO, 3) UPSHAPE_BY_3(DO, 4)
#define UPSHAPE_CHANNEL_SHAPES(DO)                                                                \
    UPSHAPE_BY_2(DO, 1) UPSHAPE_BY_2(DO, 2) UPSHAPE_BY_2(DO, 3) UPSHAPE_BY_2(DO, 4)               \
    UPSHAPE_BY_2(DO, 5) UPSHAPE_BY_2(DO, 6) UPSHAPE_BY_2(DO, 7) UPSHAPE_BY_2(DO, 8)               \
    UPSHAPE_BY_2(DO, 9) UPSHAPE_BY_2(DO, 10) UPSHAPE_BY_2(DO, 11) UPSHAPE_BY_2(DO, 12)
#else
#define UPSHAPE_PIXEL_SHAPES(DO)                                                                  \
    UPSHAPE_BY_8(DO, 1) UPSHAPE_BY_6(DO, 2) UPSHAPE_BY_4(DO, 3) UPSHAPE_BY_3(DO, 4)               \
    UPSHAPE_BY_2(DO, 5) UPSHAPE_BY_2(DO, 6)
#define UPSHAPE_PAIR_SHAPES(DO) UPSHAPE_BY_6(DO, 1) UPSHAPE_BY_3(DO, 2) UPSHAPE_BY_2(DO, 3)
#define UPSHAPE_CHANNEL_SHAPES(DO)                                                                \
    UPSHAPE_BY_2(DO, 1) UPSHAPE_BY_2(DO, 2) UPSHAPE_BY_2(DO, 3) UPSHAPE_BY_2(DO, 4)               \
    UPSHAPE_BY_2(DO, 5) UPSHAPE_BY_2(DO, 6)
#endif
/* The name of a tile: tile_pixels_32_6x2. */
#define UPSHAPE_TILE_NAME(name, n, m) UPSHAPE_TILE_NAME_OF(name, n, m)
#define UPSHAPE_TILE_NAME_OF(name, n, m) name##_##n##x##m

/* A piece of a row, at most a vector long, that is copied alike for every channel: to[target + j] =
 * x[source + j step] for low <= j < high, 0 for the rest of 0 .. n - 1. */
typedef struct {
    ptrdiff_t source, target;
    int low, high, n; /* with masks, low and n are masks: what is read, what is written */
    int lines; /* of a channel that is copied later: those to be fetched meanwhile */
} upshape_piece;

/* What the tiles of a row of a panel of pairs have in common. */
typedef struct {
    const ptrdiff_t *first, *second; /* what the taps of either phase read; twins: one table */
    ptrdiff_t taps, channels;
    ptrdiff_t x_channel, c_row;      /* from one channel to the next, and one row of sums */
    int pairs;
} upshape_paired;

/* A row of products, of one tap, that is added to a row of the result from `low` on. */
typedef struct {
    const void *products;
    ptrdiff_t low;
} upshape_term;

#define UPSHAPE_EACH_REAL "pack.inc.h"
#include "each_real.h"
#define UPSHAPE_EACH_REAL "tile_pixels.inc.h"
#include "each_real.h"
#define UPSHAPE_EACH_REAL "tile_pairs.inc.h"
#include "each_real.h"
#define UPSHAPE_EACH_REAL "tile_channels.inc.h"
#include "each_real.h"
#define UPSHAPE_EACH_REAL "place.inc.h"
#include "each_real.h"

/* Have the caches fetch a line. */
UPSHAPE_INLINE void upshape_prefetch(const void *line) { __builtin_prefetch(line, 0, 2); }
UPSHAPE_INLINE void upshape_prefetch_to_write(const void *line) { __builtin_prefetch(line, 1, 2); }

#endif
