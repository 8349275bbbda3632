/* The tiles of depthwise convolutions: sums over the taps of one channel alone.
 *
 * window: ROWS rows of an ordinary convolution, stride s, kernel k x k, a vector of pixels each.
 * stamp:  ROWS pairs of rows of a transposed convolution of stride 2, whole rows of both phases.
 * taps:   one row of any convolution, its taps from a table.
 * pixels: some pixels of channels-last memory, a vector of channels each, taps from a table.
 * lanes:  the same for a single vector of channels.
 * march:  7, 8 or 14 such pixels of an ordinary convolution, stride 1 or 2.
 *
 * lines copies rows with their borders for window and taps; turn_in and turn_out transpose channels
 * of rows for lanes and march. An input vector is loaded once for all rows of a window or a stamp,
 * or pixels of a march, that read it. Every sum starts from the bias and takes its taps in the
 * order of the kernel's indices, one multiply-add each, in all six and in tile.h: they give the
 * same bits.
 *
 * The caller has checked everything; nothing is allocated. */
#ifndef UPSHAPE_DEPTHWISE_H
#define UPSHAPE_DEPTHWISE_H

#include "part.h"

/* Rows of a tile. Four rows of a 3 x 3 window load 18 vectors for 36 multiply-adds; a single pair
 * of rows of a stamp is as much as 16 registers hold. */
#define UPSHAPE_WINDOW_ROWS 4
#if UPSHAPE_VECTOR_BYTES == 64
#define UPSHAPE_STAMP_ROWS 4
#else
#define UPSHAPE_STAMP_ROWS 1
#endif
/* Pixels and vectors of channels of a channels-last tile: ten loads for eight multiply-adds. */
#define UPSHAPE_DEPTH_PIXELS 4
#define UPSHAPE_DEPTH_VECTORS 2
/* Pixels that a march makes at a time: 7 or 8, since rows of 7, 14, 28 and 56 pixels are as usual
 * as powers of two; 14 where there are registers for them. Of two sizes that waste as little, the
 * larger one is faster by a tenth: its sums need not wait for themselves. */
#define UPSHAPE_LEAST_MARCH 7
#if UPSHAPE_VECTOR_BYTES == 64
#define UPSHAPE_MARCH_PIXELS 14
#else
#define UPSHAPE_MARCH_PIXELS 8
#endif
/* Neighbouring taps that share their loads: fourteen of pixels and seven of weights for 56
 * multiply-adds, in 16 registers. */
#define UPSHAPE_MARCH_TAPS 7
#define UPSHAPE_UP_TO_7(DO, BITS)                                                                 \
    DO(BITS, 1) DO(BITS, 2) DO(BITS, 3) DO(BITS, 4) DO(BITS, 5) DO(BITS, 6) DO(BITS, 7)
#define UPSHAPE_MARCH_SOME(BITS, TAPS)                                                            \
    case TAPS:                                                                                    \
        upshape_march_taps_##BITS(TAPS, s, many, whole, acc, p, pixel, low - first, high - first, \
                                  weight, w_tap);                                                 \
        break;
#define UPSHAPE_UNROLL_MORE UPSHAPE_UNROLLED(64)
/* Pixels of a tile of turned channels: nine loads for eight multiply-adds, all of whole lines. */
#define UPSHAPE_LANES_PIXELS 8
#define UPSHAPE_LANES_CASE(BITS, MANY)                                                            \
    case MANY:                                                                                    \
        upshape_lanes_##BITS(MANY, x, x_pixel, tap, kernel, taps, w, start, to, to_pixel);        \
        break;

/* DO(lane, m), ... for every lane of a vector. */
#define UPSHAPE_LANES2(DO, m) DO(0, m), DO(1, m)
#define UPSHAPE_LANES4(DO, m) UPSHAPE_LANES2(DO, m), DO(2, m), DO(3, m)
#define UPSHAPE_LANES8(DO, m) UPSHAPE_LANES4(DO, m), DO(4, m), DO(5, m), DO(6, m), DO(7, m)
#define UPSHAPE_LANES16(DO, m)                                                                    \
    UPSHAPE_LANES8(DO, m), DO(8, m), DO(9, m), DO(10, m), DO(11, m), DO(12, m), DO(13, m),        \
        DO(14, m), DO(15, m)
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
/* The tap of a lane in a stamp's vector m, whether there is one, and the pixel it reads. */
#define UPSHAPE_TAP_OF(l, m) (2 * (m) + (((l) + p) & 1))
#define UPSHAPE_THERE_IS(l, m) (UPSHAPE_TAP_OF(l, m) < k ? -1 : 0)
#define UPSHAPE_PIXEL_OF(l, m)                                                                    \
    (UPSHAPE_TAP_OF(l, m) < k ? ((l) >> 1) - ((UPSHAPE_TAP_OF(l, m) - p) >> 1) - first : 0)

#define UPSHAPE_DEPTHWISE_BODIES(T, BITS)                                                         \
    /* to[j] = 0, low <= j < high, and the rest of a vector. */                                   \
    UPSHAPE_INLINE void upshape_zeros_##BITS(T *to, ptrdiff_t low, ptrdiff_t high)                \
    {                                                                                             \
        for (ptrdiff_t j = low; j < high; j += UPSHAPE_VECTOR_BYTES / sizeof(T)) {                \
            store_##BITS(to + j, (upshape_v##BITS){0});                                           \
            UPSHAPE_SCALAR(j); /* no call of memset */                                            \
        }                                                                                         \
    }                                                                                             \
    /* Rows of a strip, from `first` to before `end` those of an input that are there:            \
     * to[j] = x[(j - low) step], low <= j < high; zeros up to `length` and a vector's rest. Rows \
     * go upwards: what is written past one is written again. */                                  \
    UPSHAPE_INLINE void upshape_lines_##BITS(                                                     \
        const int known, T *to, ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t length, const T *x,   \
        ptrdiff_t x_row, ptrdiff_t first, ptrdiff_t end, ptrdiff_t step, ptrdiff_t low,           \
        ptrdiff_t high)                                                                           \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        ptrdiff_t row = 0, j;                                                                     \
        for (; row < first; row++, to += to_row)                                                  \
            upshape_zeros_##BITS(to, 0, length);                                                  \
        for (; row < end; row++, to += to_row, x += x_row) {                                      \
            const T *here = x;                                                                    \
            upshape_zeros_##BITS(to, 0, low);                                                     \
            j = low;                                                                              \
            if (known == 1) {                                                                     \
                for (; j + LANES <= high; j += LANES, here += LANES)                              \
                    store_##BITS(to + j, load_##BITS(here));                                      \
                if (j < high) {                                                                   \
                    store_##BITS(to + j, load_part_##BITS(here, high - j));                       \
                    j += LANES;                                                                   \
                }                                                                                 \
            } else if (known == 2) {                                                              \
                for (; j < high; j += LANES, here += 2 * LANES) {                                 \
                    const ptrdiff_t n = 2 * (high - j) - 1;                                       \
                    upshape_v##BITS p = load_part_##BITS(here, n);                                \
                    upshape_v##BITS q = load_part_##BITS(here + LANES, n - LANES);                \
                    store_##BITS(to + j, UPSHAPE_EVEN_##BITS(p, q, upshape_i##BITS));             \
                }                                                                                 \
            } else                                                                                \
                for (; j < high; j++, here += step) {                                             \
                    to[j] = *here;                                                                \
                    UPSHAPE_SCALAR(j);                                                            \
                }                                                                                 \
            upshape_zeros_##BITS(to, j, length);                                                  \
        }                                                                                         \
        for (; row < rows; row++, to += to_row)                                                   \
            upshape_zeros_##BITS(to, 0, length);                                                  \
    }                                                                                             \
    static __attribute__((noinline)) void lines_##BITS(                                           \
        T *to, ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t length, const T *x, ptrdiff_t x_row,   \
        ptrdiff_t first, ptrdiff_t end, ptrdiff_t step, ptrdiff_t low, ptrdiff_t high)            \
    {                                                                                             \
        if (step == 1)                                                                            \
            upshape_lines_##BITS(                                                                 \
                1, to, to_row, rows, length, x, x_row, first, end, step, low, high);              \
        else if (step == 2)                                                                       \
            upshape_lines_##BITS(                                                                 \
                2, to, to_row, rows, length, x, x_row, first, end, step, low, high);              \
        else                                                                                      \
            upshape_lines_##BITS(                                                                 \
                0, to, to_row, rows, length, x, x_row, first, end, step, low, high);              \
    }                                                                                             \
    /* x holds the planes of an input step, `plane` apart, in rows `row` apart. */                \
    UPSHAPE_INLINE void upshape_window_##BITS(                                                    \
        const int k, const int s, const T *x, ptrdiff_t row, ptrdiff_t plane, const T *w,         \
        T start, T *to, ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t n)                            \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T), ROWS = UPSHAPE_WINDOW_ROWS };            \
        upshape_v##BITS weights[49];                                                              \
        UPSHAPE_UNROLL for (int t = 0; t < k * k; t++)                                            \
            weights[t] = w[t] - (upshape_v##BITS){0};                                             \
        for (ptrdiff_t made = 0; made < rows; made += ROWS) {                                     \
            /* The last rows end with the block, if it has so many, as the last vector ends with  \
             * the row. */                                                                        \
            const ptrdiff_t top = made + ROWS <= rows || rows < ROWS ? made : rows - ROWS;        \
            const T *from = x + top * s * row;                                                    \
            T *there = to + top * to_row;                                                         \
            for (ptrdiff_t done = 0; done < n; done += LANES) {                                   \
                const ptrdiff_t at = done + LANES <= n || n < LANES ? done : n - LANES;           \
                upshape_v##BITS acc[ROWS];                                                        \
                UPSHAPE_UNROLL for (int r = 0; r < ROWS; r++)                                     \
                    acc[r] = start - (upshape_v##BITS){0};                                        \
                UPSHAPE_UNROLL for (int i = 0; i < (ROWS - 1) * s + k; i++)                       \
                    UPSHAPE_UNROLL for (int j = 0; j < k; j++) {                                  \
                        upshape_v##BITS v =                                                       \
                            load_##BITS(from + at + i * row + j % s * plane + j / s);             \
                        UPSHAPE_HELD(v);                                                          \
                        UPSHAPE_UNROLL for (int r = 0; r < ROWS; r++)                             \
                            if (i - r * s >= 0 && i - r * s < k)                                  \
                                acc[r] += weights[(i - r * s) * k + j] * v;                       \
                    }                                                                             \
                T *line = there + at;                                                             \
                if (n >= LANES && rows >= ROWS) {                                                 \
                    UPSHAPE_UNROLL for (int r = 0; r < ROWS; r++) {                               \
                        store_##BITS(line, acc[r]);                                               \
                        line += to_row;                                                           \
                        UPSHAPE_SCALAR(line); /* one pointer, not one a row */                    \
                    }                                                                             \
                    continue;                                                                     \
                }                                                                                 \
                UPSHAPE_UNROLL for (int r = 0; r < ROWS; r++) {                                   \
                    if (r >= rows)                                                                \
                        break;                                                                    \
                    store_part_##BITS(line + r * to_row, acc[r], n - at);                         \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
    }                                                                                             \
    /* Tap t of an axis lands on phase (t - p) & 1 and reads the pixel at -((t - p) >> 1). The    \
     * result's row is made of vectors in which each pixel stands once a phase: lane l of vector  \
     * m is what tap 2 m + ((l + p) & 1) reads. Where there is no such tap it is 0, with a        \
     * weight of -0, which changes no sum. */                                                     \
    UPSHAPE_INLINE void upshape_stamp_##BITS(                                                     \
        const int k, const int p, const T *x, ptrdiff_t row, const T *w, T start, T *to,          \
        ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t n)                                            \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T), ROWS = UPSHAPE_STAMP_ROWS };             \
        const int first = -((k - 1 - p) >> 1), last = -((0 - p) >> 1), taps = (k + 1) / 2;        \
        const ptrdiff_t pairs = (rows + 1) / 2;                                                   \
        const upshape_i##BITS there_is = {UPSHAPE_LANES_##BITS(UPSHAPE_THERE_IS, taps - 1)};      \
        const upshape_i##BITS index[2] = {                                                        \
            {UPSHAPE_LANES_##BITS(UPSHAPE_PIXEL_OF, 0)},                                          \
            {UPSHAPE_LANES_##BITS(UPSHAPE_PIXEL_OF, 1)}};                                         \
        upshape_v##BITS weights[8];                                                               \
        UPSHAPE_UNROLL for (int t = 0; t < k * taps; t++) {                                       \
            const int even = 2 * (t % taps) + (p & 1), odd = 2 * (t % taps) + 1 - (p & 1);        \
            upshape_v##BITS a = -(upshape_v##BITS){0}, b = a;                                     \
            if (even < k)                                                                         \
                a = w[t / taps * k + even] - (upshape_v##BITS){0};                                \
            if (odd < k)                                                                          \
                b = w[t / taps * k + odd] - (upshape_v##BITS){0};                                 \
            weights[t] = UPSHAPE_ZIP_##BITS(a, b, upshape_i##BITS, 0);                            \
        }                                                                                         \
        for (ptrdiff_t made = 0; made < pairs; made += ROWS) {                                    \
            const ptrdiff_t top = made + ROWS <= pairs || pairs < ROWS ? made : pairs - ROWS;     \
            for (ptrdiff_t done = 0; done < n; done += LANES) {                                   \
                /* The last vector ends with the row, at a pixel's first phase. */                \
                const ptrdiff_t at =                                                              \
                    done + LANES <= n || n < LANES ? done : (n - LANES + 1) & -2;                 \
                const T *from = x + top * row + at / 2;                                           \
                upshape_v##BITS acc[ROWS][2];                                                     \
                UPSHAPE_UNROLL for (int q = 0; q < ROWS; q++)                                     \
                    acc[q][0] = acc[q][1] = start - (upshape_v##BITS){0};                         \
                UPSHAPE_UNROLL for (int i = ROWS - 1 + last - first; i >= 0; i--) {               \
                    upshape_v##BITS spread[2], v = load_##BITS(from + i * row);                   \
                    UPSHAPE_HELD(v);                                                              \
                    UPSHAPE_UNROLL for (int m = 0; m < taps; m++) {                               \
                        spread[m] = gather_##BITS(v, from + i * row, index[m]);                   \
                        if (2 * m + 1 >= k)                                                       \
                            spread[m] = (upshape_v##BITS)((upshape_i##BITS)spread[m]              \
                                                          & there_is);                            \
                        UPSHAPE_HELD(spread[m]);                                                  \
                    }                                                                             \
                    UPSHAPE_UNROLL for (int m = 0; m < taps; m++)                                 \
                        UPSHAPE_UNROLL for (int q = 0; q < ROWS; q++)                             \
                            UPSHAPE_UNROLL for (int f = 0; f < 2; f++) {                          \
                                const int ky = p - 2 * (i - q + first) + f;                       \
                                if (ky >= 0 && ky < k)                                            \
                                    acc[q][f] += weights[ky * taps + m] * spread[m];              \
                            }                                                                     \
                }                                                                                 \
                T *there = to + 2 * top * to_row + at;                                            \
                if (n - at >= LANES && 2 * (top + ROWS) <= rows) {                                \
                    UPSHAPE_UNROLL for (int q = 0; q < 2 * ROWS; q++) {                           \
                        store_##BITS(there, acc[q >> 1][q & 1]);                                  \
                        there += to_row;                                                          \
                        UPSHAPE_SCALAR(there); /* one pointer, not one a row */                   \
                    }                                                                             \
                    continue;                                                                     \
                }                                                                                 \
                UPSHAPE_UNROLL for (int q = 0; q < 2 * ROWS; q++) {                               \
                    if (2 * top + q >= rows)                                                      \
                        break;                                                                    \
                    store_part_##BITS(there + q * to_row, acc[q >> 1][q & 1], n - at);            \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
    }                                                                                             \
    static __attribute__((noinline)) void taps_##BITS(                                            \
        const T *x, const ptrdiff_t *tap, const ptrdiff_t *kernel, ptrdiff_t taps, const T *w,    \
        T start, T *to, ptrdiff_t n)                                                              \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T), MANY = 4 };                              \
        ptrdiff_t at = 0;                                                                         \
        for (; at + MANY * LANES <= n; at += MANY * LANES) {                                      \
            upshape_v##BITS acc[MANY];                                                            \
            UPSHAPE_UNROLL for (int v = 0; v < MANY; v++)                                         \
                acc[v] = (upshape_v##BITS){0} + start;                                            \
            for (ptrdiff_t t = 0; t < taps; t++) {                                                \
                const T *p = x + at + tap[t];                                                     \
                UPSHAPE_UNROLL for (int v = 0; v < MANY; v++)                                     \
                    acc[v] += w[kernel[t]] * load_##BITS(p + v * LANES);                          \
            }                                                                                     \
            UPSHAPE_UNROLL for (int v = 0; v < MANY; v++)                                         \
                store_##BITS(to + at + v * LANES, acc[v]);                                        \
        }                                                                                         \
        for (; at < n; at += LANES) {                                                             \
            upshape_v##BITS acc = (upshape_v##BITS){0} + start;                                   \
            if (at + LANES > n && n >= LANES)                                                     \
                at = n - LANES;                                                                   \
            for (ptrdiff_t t = 0; t < taps; t++)                                                  \
                acc += w[kernel[t]] * load_##BITS(x + at + tap[t]);                               \
            store_part_##BITS(to + at, acc, n - at);                                              \
        }                                                                                         \
    }                                                                                             \
    /* n neighbouring pixels of LANES channels become vectors of channels, `width` in a row. */   \
    static __attribute__((noinline)) void turn_run_##BITS(                                        \
        const T *x, ptrdiff_t x_channel, ptrdiff_t n, T *to, ptrdiff_t width, ptrdiff_t to_row)   \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        for (ptrdiff_t done = 0; done < n; done += LANES) {                                       \
            const ptrdiff_t at = done + LANES <= n || n < LANES ? done : n - LANES;               \
            ptrdiff_t column = at % width;                                                        \
            T *there = to + at / width * to_row + column * LANES;                                 \
            upshape_v##BITS v[LANES];                                                             \
            UPSHAPE_UNROLL for (int l = 0; l < LANES; l++)                                        \
                v[l] = load_part_##BITS(x + at + l * x_channel, n - at);                          \
            transpose_##BITS(v);                                                                  \
            UPSHAPE_UNROLL for (int i = 0; i < LANES; i++) {                                      \
                if (i >= n - at)                                                                  \
                    break;                                                                        \
                store_##BITS(there, v[i]);                                                        \
                there += LANES;                                                                   \
                column++;                                                                         \
                if (column == width) {                                                            \
                    column = 0;                                                                   \
                    there += to_row - width * LANES;                                              \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
    }                                                                                             \
    /* Rows of an input, pixels low to high - 1 of them there, as vectors of channels: `width` in \
     * a row, zeros for the others. */                                                            \
    static inline void turn_in_##BITS(                                                            \
        const T *x, ptrdiff_t x_channel, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t low,          \
        ptrdiff_t high, T *to, ptrdiff_t width, ptrdiff_t to_row)                                 \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        const ptrdiff_t n = high - low;                                                           \
        const ptrdiff_t runs = n == x_row ? 1 : rows;                                             \
        for (ptrdiff_t run = 0; run < runs && n > 0; run++)                                       \
            turn_run_##BITS(x + run * x_row, x_channel, runs == 1 ? rows * n : n,                 \
                            to + run * to_row + low * LANES, n, to_row);                          \
        for (ptrdiff_t row = 0; row < rows; row++) {                                              \
            for (ptrdiff_t j = 0; j < low; j++) {                                                 \
                store_##BITS(to + row * to_row + j * LANES, (upshape_v##BITS){0});                \
                UPSHAPE_SCALAR(j); /* no call of memset */                                        \
            }                                                                                     \
            for (ptrdiff_t j = high; j < width; j++) {                                            \
                store_##BITS(to + row * to_row + j * LANES, (upshape_v##BITS){0});                \
                UPSHAPE_SCALAR(j);                                                                \
            }                                                                                     \
        }                                                                                         \
    }                                                                                             \
    /* n vectors of channels become neighbouring pixels. Whole blocks of vectors are read. */     \
    static __attribute__((noinline)) void turn_out_##BITS(                                        \
        const T *from, ptrdiff_t n, T *to, ptrdiff_t to_channel)                                  \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        for (ptrdiff_t done = 0; done < n; done += LANES) {                                       \
            const ptrdiff_t at = done + LANES <= n || n < LANES ? done : n - LANES;               \
            upshape_v##BITS v[LANES];                                                             \
            UPSHAPE_UNROLL for (int i = 0; i < LANES; i++)                                        \
                v[i] = load_##BITS(from + (at + i) * LANES);                                      \
            transpose_##BITS(v);                                                                  \
            UPSHAPE_UNROLL for (int l = 0; l < LANES; l++)                                        \
                store_part_##BITS(to + at + l * to_channel, v[l], n - at);                        \
        }                                                                                         \
    }                                                                                             \
    UPSHAPE_INLINE void upshape_lanes_##BITS(                                                     \
        const int many, const T *x, ptrdiff_t x_pixel, const ptrdiff_t *tap,                      \
        const ptrdiff_t *kernel, ptrdiff_t taps, const T *w, const T *start, T *to,               \
        ptrdiff_t to_pixel)                                                                       \
    {                                                                                             \
        upshape_v##BITS acc[UPSHAPE_LANES_PIXELS];                                                \
        UPSHAPE_UNROLL for (int m = 0; m < many; m++)                                             \
            acc[m] = load_##BITS(start);                                                          \
        for (ptrdiff_t t = 0; t < taps; t++) {                                                    \
            const T *p = x + tap[t];                                                              \
            upshape_v##BITS weight = load_##BITS(w + kernel[t]);                                  \
            UPSHAPE_HELD(weight);                                                                 \
            UPSHAPE_UNROLL for (int m = 0; m < many; m++)                                         \
                acc[m] += weight * load_##BITS(p + m * x_pixel);                                  \
        }                                                                                         \
        UPSHAPE_UNROLL for (int m = 0; m < many; m++)                                             \
            store_##BITS(to + m * to_pixel, acc[m]);                                              \
    }                                                                                             \
    static __attribute__((noinline)) void lanes_##BITS(                                           \
        const T *x, ptrdiff_t x_pixel, ptrdiff_t pixels, const ptrdiff_t *tap,                    \
        const ptrdiff_t *kernel, ptrdiff_t taps, const T *w, const T *start, T *to,               \
        ptrdiff_t to_pixel)                                                                       \
    {                                                                                             \
        enum { MOST = UPSHAPE_LANES_PIXELS };                                                     \
        while (pixels > 0) {                                                                      \
            /* The last two tiles share what is left: a sum alone waits for itself. */            \
            const ptrdiff_t many =                                                                \
                pixels >= 2 * MOST ? MOST : pixels > MOST ? (pixels + 1) / 2 : pixels;            \
            switch (many) {                                                                       \
                UPSHAPE_UP_TO_7(UPSHAPE_LANES_CASE, BITS)                                         \
                UPSHAPE_LANES_CASE(BITS, 8)                                                       \
            }                                                                                     \
            x += many * x_pixel;                                                                  \
            to += many * to_pixel;                                                                \
            pixels -= many;                                                                       \
        }                                                                                         \
    }                                                                                             \
    UPSHAPE_INLINE void upshape_depth_##BITS(                                                     \
        const int mb, const int nv, const T *x, ptrdiff_t x_pixel, const ptrdiff_t *tap,          \
        const ptrdiff_t *kernel, ptrdiff_t taps, const T *w, const T *start, T *to,               \
        ptrdiff_t to_pixel)                                                                       \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        upshape_v##BITS acc[UPSHAPE_DEPTH_PIXELS][UPSHAPE_DEPTH_VECTORS];                         \
        UPSHAPE_UNROLL for (int m = 0; m < mb; m++)                                               \
            UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                           \
                acc[m][v] = load_##BITS(start + v * LANES);                                       \
        for (ptrdiff_t t = 0; t < taps; t++) {                                                    \
            const T *p = x + tap[t];                                                              \
            const T *q = p + (mb > 1 ? 2 * x_pixel : 0);                                          \
            upshape_v##BITS weights[UPSHAPE_DEPTH_VECTORS];                                       \
            __asm__("" : "+r"(p), "+r"(q)); /* two bases, one index */                            \
            UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                           \
                weights[v] = load_##BITS(w + kernel[t] + v * LANES);                              \
            UPSHAPE_UNROLL for (int m = 0; m < mb; m++)                                           \
                UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                       \
                    acc[m][v] += weights[v]                                                       \
                        * load_##BITS((m < 2 ? p : q) + (m & 1) * x_pixel + v * LANES);           \
        }                                                                                         \
        UPSHAPE_UNROLL for (int m = 0; m < mb; m++)                                               \
            UPSHAPE_UNROLL for (int v = 0; v < nv; v++)                                           \
                store_##BITS(to + m * to_pixel + v * LANES, acc[m][v]);                           \
    }                                                                                             \
    /* `many` neighbouring pixels of `channels` channels, at least a vector of them. */           \
    UPSHAPE_INLINE void upshape_pixels_of_##BITS(                                                 \
        const int many, const T *x, ptrdiff_t x_pixel, const ptrdiff_t *tap,                      \
        const ptrdiff_t *kernel, ptrdiff_t taps, const T *w, const T *start, T *to,               \
        ptrdiff_t to_pixel, ptrdiff_t channels)                                                   \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T), WIDE = UPSHAPE_DEPTH_VECTORS };          \
        ptrdiff_t c = 0;                                                                          \
        for (; c + WIDE * LANES <= channels; c += WIDE * LANES)                                   \
            upshape_depth_##BITS(                                                                 \
                many, WIDE, x + c, x_pixel, tap, kernel, taps, w + c, start + c, to + c, to_pixel);\
        for (; c < channels; c += LANES) {                                                        \
            if (c + LANES > channels)                                                             \
                c = channels - LANES;                                                             \
            upshape_depth_##BITS(                                                                 \
                many, 1, x + c, x_pixel, tap, kernel, taps, w + c, start + c, to + c, to_pixel);  \
        }                                                                                         \
    }                                                                                             \
    /* Neighbouring taps of a row, for all pixels of a march; low <= column < high are there. */  \
    UPSHAPE_INLINE void upshape_march_taps_##BITS(                                                \
        const int taps, const int s, const int many, const int whole, upshape_v##BITS *acc,       \
        const T *p, ptrdiff_t pixel, ptrdiff_t low, ptrdiff_t high, const T *w, ptrdiff_t w_tap)  \
    {                                                                                             \
        upshape_v##BITS weights[UPSHAPE_MARCH_TAPS];                                              \
        UPSHAPE_UNROLL for (int t = 0; t < taps; t++)                                             \
            weights[t] = load_##BITS(w + t * w_tap);                                              \
        UPSHAPE_UNROLL_MORE for (int j = 0; j < (many - 1) * s + taps; j++) {                     \
            if (whole || (j >= low && j < high)) {                                                \
                upshape_v##BITS v = load_##BITS(p);                                               \
                UPSHAPE_HELD(v);                                                                  \
                UPSHAPE_UNROLL for (int m = 0; m < many; m++)                                     \
                    if (j - m * s >= 0 && j - m * s < taps) {                                     \
                        acc[m] += weights[j - m * s] * v;                                         \
                        UPSHAPE_JOINED(acc[m]);                                                   \
                    }                                                                             \
            }                                                                                     \
            p += pixel;                                                                           \
            UPSHAPE_SCALAR(p); /* one pointer, not one a pixel */                                 \
        }                                                                                         \
    }                                                                                             \
    /* known: the size of the kernel, or 0: its rows are made of a few taps at a time. */         \
    UPSHAPE_INLINE void upshape_march_##BITS(                                                     \
        const int s, const int many, const int known, const int whole, ptrdiff_t k, const T *x,   \
        ptrdiff_t row, ptrdiff_t rows, ptrdiff_t pixel, ptrdiff_t low, ptrdiff_t high,            \
        const T *w, ptrdiff_t w_tap, const T *start, T *to, ptrdiff_t to_pixel,                   \
        ptrdiff_t channels)                                                                       \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T), MOST = UPSHAPE_MARCH_TAPS };             \
        for (ptrdiff_t done = 0; done < channels; done += LANES) {                                \
            const ptrdiff_t c = done + LANES <= channels ? done : channels - LANES;               \
            const T *weight = w + c;                                                              \
            upshape_v##BITS acc[UPSHAPE_MARCH_PIXELS];                                            \
            UPSHAPE_UNROLL for (int m = 0; m < many; m++)                                         \
                acc[m] = load_##BITS(start + c);                                                  \
            for (ptrdiff_t i = 0; i < rows; i++) {                                                \
                const T *p = x + c + i * row;                                                     \
                ptrdiff_t first, taps;                                                            \
                if (known) {                                                                      \
                    upshape_march_taps_##BITS(known, s, many, whole, acc, p, pixel, low, high,    \
                                              weight, w_tap);                                     \
                    weight += known * w_tap;                                                      \
                    continue;                                                                     \
                }                                                                                 \
                for (first = 0; first < k; first += taps) {                                       \
                    taps = k - first;                                                             \
                    taps = taps >= 2 * MOST ? MOST : taps > MOST ? (taps + 1) / 2 : taps;         \
                    switch (taps) {                                                               \
                        UPSHAPE_UP_TO_7(UPSHAPE_MARCH_SOME, BITS)                                 \
                    }                                                                             \
                    p += taps * pixel;                                                            \
                    weight += taps * w_tap;                                                       \
                }                                                                                 \
            }                                                                                     \
            UPSHAPE_UNROLL for (int m = 0; m < many; m++)                                         \
                store_##BITS(to + c + m * to_pixel, acc[m]);                                      \
        }                                                                                         \
    }                                                                                             \
    static __attribute__((noinline)) void pixels_##BITS(                                          \
        const T *x, ptrdiff_t x_pixel, ptrdiff_t pixels, const ptrdiff_t *tap,                    \
        const ptrdiff_t *kernel, ptrdiff_t taps, const T *w, const T *start, T *to,               \
        ptrdiff_t to_pixel, ptrdiff_t channels)                                                   \
    {                                                                                             \
        enum { MANY = UPSHAPE_DEPTH_PIXELS };                                                     \
        ptrdiff_t done = 0;                                                                       \
        for (; done + MANY <= pixels; done += MANY)                                               \
            upshape_pixels_of_##BITS(                                                             \
                MANY, x + done * x_pixel, x_pixel, tap, kernel, taps, w, start,                   \
                to + done * to_pixel, to_pixel, channels);                                        \
        for (; done < pixels; done++)                                                             \
            upshape_pixels_of_##BITS(                                                             \
                1, x + done * x_pixel, x_pixel, tap, kernel, taps, w, start,                      \
                to + done * to_pixel, to_pixel, channels);                                        \
    }

/* Lane l of v, the vector at x, is lane index[l], which may lie in the vector behind it. */
#if defined(__clang__)
#define UPSHAPE_GATHER(T, BITS)                                                                   \
    UPSHAPE_INLINE upshape_v##BITS gather_##BITS(                                                 \
        upshape_v##BITS v, const T *x, upshape_i##BITS index)                                     \
    {                                                                                             \
        enum { LANES = UPSHAPE_VECTOR_BYTES / sizeof(T) };                                        \
        UPSHAPE_UNROLL for (int l = 0; l < LANES; l++)                                            \
            v[l] = x[index[l]];                                                                   \
        return v;                                                                                 \
    }
UPSHAPE_GATHER(float, 32)
UPSHAPE_GATHER(double, 64)
#else
#define gather_32(v, x, index) __builtin_shuffle(v, index)
#if UPSHAPE_VECTOR_BYTES == 16
#define gather_64(v, x, index) __builtin_shuffle(v, load_64(x + 2), index)
#else
#define gather_64(v, x, index) __builtin_shuffle(v, index)
#endif
#endif

UPSHAPE_DEPTHWISE_BODIES(float, 32)
UPSHAPE_DEPTHWISE_BODIES(double, 64)

/* The kernels that are compiled: of windows and marches (size, stride), of stamps (size, padding
 * modulo 2). */
#define UPSHAPE_WINDOWS(DO, T, BITS)                                                              \
    DO(T, BITS, 3, 1) DO(T, BITS, 3, 2) DO(T, BITS, 5, 1) DO(T, BITS, 5, 2) DO(T, BITS, 7, 1)     \
    DO(T, BITS, 7, 2)
#define UPSHAPE_STAMPS(DO, T, BITS)                                                               \
    DO(T, BITS, 2, 0) DO(T, BITS, 3, 0) DO(T, BITS, 3, 1) DO(T, BITS, 4, 0) DO(T, BITS, 4, 1)

#define UPSHAPE_WINDOW(T, BITS, K, S)                                                             \
    static __attribute__((noinline)) void window_##BITS##_##K##x##S(                              \
        const T *x, ptrdiff_t row, ptrdiff_t plane, const T *w, T start, T *to, ptrdiff_t to_row, \
        ptrdiff_t rows, ptrdiff_t n)                                                              \
    {                                                                                             \
        upshape_window_##BITS(K, S, x, row, plane, w, start, to, to_row, rows, n);                \
    }
#define UPSHAPE_STAMP(T, BITS, K, P)                                                              \
    static __attribute__((noinline)) void stamp_##BITS##_##K##x##P(                               \
        const T *x, ptrdiff_t row, const T *w, T start, T *to, ptrdiff_t to_row, ptrdiff_t rows,  \
        ptrdiff_t n)                                                                              \
    {                                                                                             \
        upshape_stamp_##BITS(K, P, x, row, w, start, to, to_row, rows, n);                        \
    }
UPSHAPE_WINDOWS(UPSHAPE_WINDOW, float, 32)
UPSHAPE_WINDOWS(UPSHAPE_WINDOW, double, 64)
UPSHAPE_STAMPS(UPSHAPE_STAMP, float, 32)
UPSHAPE_STAMPS(UPSHAPE_STAMP, double, 64)

#define UPSHAPE_MARCH(T, BITS, K, S, MANY)                                                        \
    static __attribute__((noinline)) void march_##BITS##_##K##x##S##_##MANY(                      \
        ptrdiff_t k, const T *x, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t pixel, ptrdiff_t low,   \
        ptrdiff_t high, const T *w, ptrdiff_t w_tap, const T *start, T *to, ptrdiff_t to_pixel,   \
        ptrdiff_t channels)                                                                       \
    {                                                                                             \
        if (K && low <= 0 && high >= (MANY - 1) * S + K)                                          \
            upshape_march_##BITS(S, MANY, K, 1, k, x, row, rows, pixel, low, high, w, w_tap,      \
                                 start, to, to_pixel, channels);                                  \
        else                                                                                      \
            upshape_march_##BITS(S, MANY, K, 0, k, x, row, rows, pixel, low, high, w, w_tap,      \
                                 start, to, to_pixel, channels);                                  \
    }
/* The kernels that networks have are known, 0 is any other. */
#define UPSHAPE_MARCHES_OF(DO, T, BITS, S, MANY)                                                  \
    DO(T, BITS, 0, S, MANY) DO(T, BITS, 3, S, MANY) DO(T, BITS, 5, S, MANY)                       \
    DO(T, BITS, 7, S, MANY)
#define UPSHAPE_MARCHES_BOTH(DO, T, BITS, MANY)                                                   \
    UPSHAPE_MARCHES_OF(DO, T, BITS, 1, MANY) UPSHAPE_MARCHES_OF(DO, T, BITS, 2, MANY)
#if UPSHAPE_VECTOR_BYTES == 64
#define UPSHAPE_MARCHES(DO, T, BITS)                                                              \
    UPSHAPE_MARCHES_BOTH(DO, T, BITS, 7) UPSHAPE_MARCHES_BOTH(DO, T, BITS, 8)                     \
    UPSHAPE_MARCHES_BOTH(DO, T, BITS, 14)
#else
#define UPSHAPE_MARCHES(DO, T, BITS)                                                              \
    UPSHAPE_MARCHES_BOTH(DO, T, BITS, 7) UPSHAPE_MARCHES_BOTH(DO, T, BITS, 8)
#endif
UPSHAPE_MARCHES(UPSHAPE_MARCH, float, 32)
UPSHAPE_MARCHES(UPSHAPE_MARCH, double, 64)

#define UPSHAPE_MARCH_CASE(T, BITS, K, S, MANY)                                                   \
    case K * 256 + S * 16 + MANY:                                                                 \
        march_##BITS##_##K##x##S##_##MANY(k, x, row, rows, pixel, low, high, w, w_tap, start, to, \
                                          to_pixel, channels);                                    \
        break;
#define UPSHAPE_WINDOW_CASE(T, BITS, K, S)                                                        \
    case K * 16 + S:                                                                              \
        window_##BITS##_##K##x##S(x, row, plane, w, start, to, to_row, rows, n);                  \
        break;
#define UPSHAPE_STAMP_CASE(T, BITS, K, P)                                                         \
    case K * 16 + P:                                                                              \
        stamp_##BITS##_##K##x##P(x, row, w, start, to, to_row, rows, n);                          \
        break;
#define UPSHAPE_KNOWN_CASE(T, BITS, K, S) case K * 16 + S:
#define UPSHAPE_DEPTHWISE_DISPATCH(T, BITS)                                                       \
    static inline void window_##BITS(                                                             \
        int code, const T *x, ptrdiff_t row, ptrdiff_t plane, const T *w, T start, T *to,         \
        ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t n)                                            \
    {                                                                                             \
        switch (code) {                                                                           \
            UPSHAPE_WINDOWS(UPSHAPE_WINDOW_CASE, T, BITS)                                         \
        }                                                                                         \
    }                                                                                             \
    static inline void march_##BITS(                                                              \
        int s, int many, ptrdiff_t k, const T *x, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t pixel, \
        ptrdiff_t low, ptrdiff_t high, const T *w, ptrdiff_t w_tap, const T *start, T *to,        \
        ptrdiff_t to_pixel, ptrdiff_t channels)                                                   \
    {                                                                                             \
        switch ((k == 3 || k == 5 || k == 7 ? k : 0) * 256 + s * 16 + many) {                     \
            UPSHAPE_MARCHES(UPSHAPE_MARCH_CASE, T, BITS)                                          \
        }                                                                                         \
    }                                                                                             \
    static inline void stamp_##BITS(                                                              \
        int code, const T *x, ptrdiff_t row, const T *w, T start, T *to, ptrdiff_t to_row,        \
        ptrdiff_t rows, ptrdiff_t n)                                                              \
    {                                                                                             \
        switch (code) {                                                                           \
            UPSHAPE_STAMPS(UPSHAPE_STAMP_CASE, T, BITS)                                           \
        }                                                                                         \
    }
UPSHAPE_DEPTHWISE_DISPATCH(float, 32)
UPSHAPE_DEPTHWISE_DISPATCH(double, 64)

/* How many pixels a march makes at a time, of a row of n. */
static inline int march_pixels(ptrdiff_t n)
{
    int best = UPSHAPE_LEAST_MARCH;
    for (int many = 8; many <= UPSHAPE_MARCH_PIXELS && many <= n; many += 6)
        if ((n + many - 1) / many * many <= (n + best - 1) / best * best)
            best = many;
    return best;
}

/* Whether there is such a tile: its code, else 0. */
static inline int window_code(ptrdiff_t kernel, ptrdiff_t stride)
{
    ptrdiff_t code = kernel < 16 && stride < 16 ? kernel * 16 + stride : 0;
    switch (code) {
        UPSHAPE_WINDOWS(UPSHAPE_KNOWN_CASE, float, 32)
        return (int)code;
    }
    return 0;
}
static inline int stamp_code(ptrdiff_t kernel, ptrdiff_t padding)
{
    ptrdiff_t code = kernel < 16 ? kernel * 16 + padding % 2 : 0;
    switch (code) {
        UPSHAPE_STAMPS(UPSHAPE_KNOWN_CASE, float, 32)
        return (int)code;
    }
    return 0;
}

#endif
