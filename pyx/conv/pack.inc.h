/* Rows of the input on their way into scratch, with their borders. Included for each REAL, by tile.h. */

#if UPSHAPE_HAS_MASKS
#define MASK OF(upshape_mask)
/* step * lane + first, for each lane; step is 1 to 4. */
UPSHAPE_INLINE INTS OF(upshape_steps)(ptrdiff_t step, int first)
{
    INTS lane;
    UPSHAPE_UNROLL for (int l = 0; l < LANES; l++)
        lane[l] = l;
    INTS by = step == 1 ? lane : lane << (step == 4 ? 2 : 1);
    if (step == 3)
        by += lane;
    return by + first;
}
/* Those of four vectors whose bits are set, 0 for the others. */
UPSHAPE_INLINE void OF(upshape_load_four)(VECTOR *v, const REAL *a, unsigned long long in)
{
    UPSHAPE_UNROLL for (int i = 0; i < 4; i++) {
        MASK some = (MASK)(in >> i * LANES);
        v[i] = some ? OF(load_where)(a + i * LANES, some) : (VECTOR){0};
    }
}
#endif

/* Rows with their borders: to[j] = x[j step] for low <= j < high, 0 for the rest of 0 .. n - 1, in
 * `rows` rows, x_row and to_row apart. Masked vectors need no tails, and rows are hardly longer than
 * a vector in small maps: what the mask leaves out is not read, wherever it lies. */
UPSHAPE_INLINE void OF(rows)(
    REAL *to, ptrdiff_t to_row, const REAL *x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t step,
    ptrdiff_t low, ptrdiff_t high, ptrdiff_t n)
{
#if UPSHAPE_HAS_MASKS
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const MASK in = (MASK)(OF(first_lanes)(high - j) & ~OF(first_lanes)(low - j));
        const MASK out = (MASK)OF(first_lanes)(n - j);
        const REAL *a = x + j * step;
        REAL *b = to + j;
        if (step == 1) {
            for (ptrdiff_t r = 0; r < rows; r++, a += x_row, b += to_row)
                OF(store_where)(b, out, OF(load_where)(a, in));
        } else {
            for (ptrdiff_t r = 0; r < rows; r++, a += x_row, b += to_row)
                OF(store_where)(b, out, OF(every)(a, step, in));
        }
    }
#else
    for (ptrdiff_t r = 0; r < rows; r++, x += x_row, to += to_row) {
        if (low > 0)
            OF(zero)(to, low);
        OF(pick)(to + low, x + low * step, step, high - low);
        if (high < n)
            OF(zero)(to + high, n - high);
    }
#endif
}

/* The planes of an input step, `plane` apart: to[p plane + j] = x[j step + p] where low <= j step + p <
 * high, else 0, for j < n, in `rows` rows. */
UPSHAPE_INLINE void OF(upshape_plane_by_plane)(
    REAL *to, ptrdiff_t to_row, ptrdiff_t plane, const REAL *x, ptrdiff_t x_row, ptrdiff_t rows,
    ptrdiff_t step, ptrdiff_t planes, ptrdiff_t low, ptrdiff_t high, ptrdiff_t n)
{
    for (ptrdiff_t p = 0; p < planes; p++) {
        ptrdiff_t first = low > p ? (low - p + step - 1) / step : 0;
        ptrdiff_t end = high > p ? (high - p + step - 1) / step : 0;
        first = first > n ? n : first;
        end = end > n ? n : end < first ? first : end;
        OF(rows)(to + p * plane, to_row, x + p, x_row, rows, step, first, end, n);
    }
}

/* Have the caches fetch the elements from `low` to below `high`. */
UPSHAPE_INLINE void OF(upshape_ask_ahead)(const REAL *x, ptrdiff_t low, ptrdiff_t high)
{
    for (ptrdiff_t j = low; j < high; j += 64 / (ptrdiff_t)sizeof(REAL))
        __builtin_prefetch(x + j);
}

#if UPSHAPE_HAS_STEPS
/* The same for a step that the compiler knows. Whole vectors are stored wherever a plane has room for
 * them: what they write behind a row, the next one writes again. */
UPSHAPE_INLINE void OF(upshape_planes_of)(
    const int step, REAL *to, ptrdiff_t to_row, ptrdiff_t plane, const REAL *x, ptrdiff_t x_row,
    ptrdiff_t rows, ptrdiff_t planes, ptrdiff_t low, ptrdiff_t high, ptrdiff_t n, ptrdiff_t ahead)
{
    for (ptrdiff_t r = 0; r < rows; r++, x += x_row, to += to_row) {
        OF(upshape_ask_ahead)(x + ahead, low, ahead != 0 ? high : low);
        for (ptrdiff_t j = 0; j < n; j += LANES) {
            const ptrdiff_t room = (rows - 1 - r) * to_row + n - j;
            VECTOR v[4];
            UPSHAPE_UNROLL for (int i = 0; i < step; i++) {
                const ptrdiff_t at = j * step + i * LANES;
                v[i] = (VECTOR){0};
                if (low <= at && at + LANES <= high)
                    v[i] = OF(load)(x + at);
                else if (low < at + LANES && at < high)
                    v[i] = OF(load_between)(x + at, low - at, high - at);
            }
            OF(take_apart)(v, step);
            UPSHAPE_UNROLL for (int p = 0; p < step; p++)
                if (p < planes && room >= LANES)
                    OF(store)(to + p * plane + j, v[p]);
                else if (p < planes)
                    OF(store_part)(to + p * plane + j, v[p], n - j);
        }
    }
}
#endif

/* The same; all planes of up to four vectors at once, where a level has what that takes. What is
 * `ahead` of each row, unless that is 0, is asked for with it: all at once would keep the row waiting. */
UPSHAPE_INLINE void OF(planes)(
    REAL *to, ptrdiff_t to_row, ptrdiff_t plane, const REAL *x, ptrdiff_t x_row, ptrdiff_t rows,
    ptrdiff_t step, ptrdiff_t planes, ptrdiff_t low, ptrdiff_t high, ptrdiff_t n, ptrdiff_t ahead)
{
#if UPSHAPE_HAS_MASKS
    if (2 <= step && step <= 4) {
        INTS from[4];
        UPSHAPE_UNROLL for (int p = 0; p < 4; p++)
            from[p] = OF(upshape_steps)(step, p);
        for (ptrdiff_t j = 0; j < n; j += LANES) {
            const MASK out = (MASK)OF(first_lanes)(n - j);
            const unsigned long long in = upshape_bits(high - j * step)
                                          & ~upshape_bits(low - j * step)
                                          & upshape_bits(step * LANES);
            const ptrdiff_t lines = j == 0 && ahead != 0 ? high : 0;
            const REAL *a = x + j * step;
            REAL *b = to + j;
            for (ptrdiff_t r = 0; r < rows; r++, a += x_row, b += to_row) {
                VECTOR v[4];
                OF(upshape_ask_ahead)(a + ahead, low, lines);
                OF(upshape_load_four)(v, a, in);
                UPSHAPE_UNROLL for (int p = 0; p < 4; p++)
                    if (p < planes)
                        OF(store_where)(b + p * plane, out,
                                        OF(pick_lanes)(v, from[p], step > 2));
            }
        }
        return;
    }
#elif UPSHAPE_HAS_STEPS
    if (step == 2)
        OF(upshape_planes_of)(2, to, to_row, plane, x, x_row, rows, planes, low, high, n,
                              ahead);
    else if (step == 3)
        OF(upshape_planes_of)(3, to, to_row, plane, x, x_row, rows, planes, low, high, n,
                              ahead);
    else if (step == 4)
        OF(upshape_planes_of)(4, to, to_row, plane, x, x_row, rows, planes, low, high, n,
                              ahead);
    if (2 <= step && step <= 4)
        return;
#endif
    OF(upshape_plane_by_plane)(
        to, to_row, plane, x, x_row, rows, step, planes, low, high, n);
}

/* Prepare a piece: see tile.h. */
UPSHAPE_INLINE void OF(piece)(upshape_piece *p, ptrdiff_t low, ptrdiff_t high, ptrdiff_t n)
{
#if UPSHAPE_HAS_MASKS
    p->low = (int)(OF(first_lanes)(high) & ~OF(first_lanes)(low) & OF(first_lanes)(n));
    p->n = (int)OF(first_lanes)(n);
#else
    p->low = (int)(low < 0 ? 0 : low > n ? n : low);
    p->high = (int)(high < p->low ? p->low : high > n ? n : high);
    p->n = (int)n;
#endif
}

/* Copy `count` pieces of a channel. */
UPSHAPE_INLINE void OF(pieces)(
    REAL *to, const REAL *x, ptrdiff_t step, const upshape_piece *p, ptrdiff_t count)
{
#if UPSHAPE_HAS_MASKS
    if (step == 1) {
        for (ptrdiff_t i = 0; i < count; i++)
            OF(store_where)(to + p[i].target, (MASK)p[i].n,
                            OF(load_where)(x + p[i].source, (MASK)p[i].low));
    } else if (2 <= step && step <= 4) {
        const unsigned long long every = step == 2 ? 0x5555555555555555u
                                       : step == 3 ? 0x9249249249249249u : 0x1111111111111111u;
        const INTS from = OF(upshape_steps)(step, 0);
        for (ptrdiff_t i = 0; i < count; i++) {
            VECTOR v[4];
            OF(upshape_load_four)(v, x + p[i].source,
                                  upshape_spread_bits((MASK)p[i].low, every));
            OF(store_where)(to + p[i].target, (MASK)p[i].n, OF(pick_lanes)(v, from, step > 2));
        }
    } else {
        for (ptrdiff_t i = 0; i < count; i++)
            OF(store_where)(to + p[i].target, (MASK)p[i].n,
                            OF(every)(x + p[i].source, step, (MASK)p[i].low));
    }
#else
    for (; count > 0; count--, p++) {
        const REAL *a = x + p->source;
        REAL *b = to + p->target;
        if (step == 1 && p->low == 0 && p->high == LANES) {
            OF(store)(b, OF(load)(a));
            continue;
        }
        OF(zero)(b, p->low);
        OF(pick)(b + p->low, a + p->low * step, step, p->high - p->low);
        OF(zero)(b + p->high, p->n - p->high);
    }
#endif
}

#undef MASK
