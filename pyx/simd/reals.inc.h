/* Vectors of REAL, and rows of REAL that are moved by them; included by vector.h, see each_real.h. */

/* A vector as it lies in memory, wherever that is. Not by __builtin_memcpy: gcc then loads it as
 * integers, which costs the multiply-adds moves. */
typedef VECTOR OF(upshape_loose) __attribute__((aligned(sizeof(REAL)), may_alias));

UPSHAPE_INLINE VECTOR OF(load)(const REAL *p) { return *(const OF(upshape_loose) *)p; }

UPSHAPE_INLINE void OF(store)(REAL *p, VECTOR v) { *(OF(upshape_loose) *)p = v; }

/* Every lane is a; -0 too, which adding to zeros would lose. */
UPSHAPE_INLINE VECTOR OF(splat)(REAL a) { return a - (VECTOR){0}; }

/* a and b in turn: the lower halves of both, the upper halves. */
UPSHAPE_INLINE VECTOR OF(zip_low)(VECTOR a, VECTOR b)
{
    return UPSHAPE_SHUFFLE(a, b, INTS, OF(UPSHAPE_ZIP)(0));
}

UPSHAPE_INLINE VECTOR OF(zip_high)(VECTOR a, VECTOR b)
{
    return UPSHAPE_SHUFFLE(a, b, INTS, OF(UPSHAPE_ZIP)(LANES / 2));
}

/* Every second lane of a, then of b, from the first on. */
UPSHAPE_INLINE VECTOR OF(evens)(VECTOR a, VECTOR b)
{
    return UPSHAPE_SHUFFLE(a, b, INTS, OF(UPSHAPE_EVENS));
}

/* --- parts -------------------------------------------------------------------------------------- */

#if UPSHAPE_HAS_MASKS
/* A bit for each of the first n lanes, as many as there are. */
UPSHAPE_INLINE unsigned OF(first_lanes)(ptrdiff_t n)
{
    return (1u << (n < 0 ? 0 : n > LANES ? LANES : n)) - 1;
}
#endif

/* to[j] = a[j]. The last elements are moved one by one: where gcc sees a loop, it writes another for
 * vectors, which short rows pass in vain. */
UPSHAPE_INLINE void OF(move)(REAL *to, const REAL *a, ptrdiff_t n)
{
    enum { PART = 16 / sizeof(REAL) };
    ptrdiff_t j = 0;
    for (; j + LANES <= n; j += LANES)
        OF(store)(to + j, OF(load)(a + j));
    for (; j + PART <= n; j += PART)
        *(OF(upshape_part) *)(to + j) = *(const OF(upshape_part) *)(a + j);
    for (; j < n; j++) {
        to[j] = a[j];
        UPSHAPE_SCALAR(j);
    }
}

/* The first n lanes, if there are so many, and zeros for the rest; no other memory is read. */
UPSHAPE_INLINE VECTOR OF(load_part)(const REAL *p, ptrdiff_t n)
{
    if (n >= LANES)
        return OF(load)(p);
#if UPSHAPE_HAS_MASKS
    if (n <= 0)
        return (VECTOR){0};
    return OF(load_where)(p, (OF(upshape_mask))((1u << n) - 1));
#elif UPSHAPE_VECTOR_BYTES == 32 && defined(__AVX2__)
    if (n <= 0)
        return (VECTOR){0};
    return OF(upshape_load_first)(p, n);
#else
    REAL part[LANES] = {0};
    for (ptrdiff_t j = 0; j < n; j++) {
        part[j] = p[j];
        UPSHAPE_SCALAR(j);
    }
    return OF(load)(part);
#endif
}

/* Store the first n lanes; no other memory is written. */
UPSHAPE_INLINE void OF(store_part)(REAL *p, VECTOR v, ptrdiff_t n)
{
    if (n >= LANES) {
        OF(store)(p, v);
        return;
    }
#if UPSHAPE_HAS_MASKS
    if (n > 0)
        OF(store_where)(p, (OF(upshape_mask))((1u << n) - 1), v);
#else
    /* Not by a masked store: Zen 1 to 3 take eighteen operations for one. */
    REAL part[LANES];
    OF(store)(part, v);
    OF(move)(p, part, n);
#endif
}

/* --- rows --------------------------------------------------------------------------------------- */

/* to[j] = value */
UPSHAPE_INLINE void OF(fill)(REAL *to, REAL value, ptrdiff_t n)
{
    for (ptrdiff_t j = 0; j < n; j += LANES)
        OF(store_part)(to + j, OF(splat)(value), n - j);
}

/* to[j] = 0 */
UPSHAPE_INLINE void OF(zero)(REAL *to, ptrdiff_t n)
{
    ptrdiff_t j = 0;
    for (; j + LANES <= n; j += LANES)
        OF(store)(to + j, (VECTOR){0});
    for (; j < n; j++) {
        to[j] = 0;
        UPSHAPE_SCALAR(j);
    }
}

/* to[j] = a[step j] */
UPSHAPE_INLINE void OF(pick)(REAL *to, const REAL *a, ptrdiff_t step, ptrdiff_t n)
{
    ptrdiff_t j = 0;
    if (step == 1) {
        OF(move)(to, a, n);
        return;
    }
    /* Below n, not at it: the last vector's odd neighbour may lie past the array. */
    for (; step == 2 && j + LANES < n; j += LANES)
        OF(store)(to + j, OF(evens)(OF(load)(a + 2 * j), OF(load)(a + 2 * j + LANES)));
    for (; j < n; j++) {
        to[j] = a[step * j];
        UPSHAPE_SCALAR(j);
    }
}

/* to[2j] = a[j], to[2j + 1] = b[j] */
UPSHAPE_INLINE void OF(zip)(REAL *to, const REAL *a, const REAL *b, ptrdiff_t n)
{
    enum { PART = 16 / sizeof(REAL) };
    ptrdiff_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        VECTOR p = OF(load)(a + j), q = OF(load)(b + j);
        OF(store)(to + 2 * j, OF(zip_low)(p, q));
        OF(store)(to + 2 * j + LANES, OF(zip_high)(p, q));
    }
    for (; j + PART <= n; j += PART) {
        OF(upshape_part) p = *(const OF(upshape_part) *)(a + j);
        OF(upshape_part) q = *(const OF(upshape_part) *)(b + j);
        *(OF(upshape_part) *)(to + 2 * j) = OF(upshape_zip_part)(p, q, 0);
        *(OF(upshape_part) *)(to + 2 * j + PART) = OF(upshape_zip_part)(p, q, 1);
    }
    for (; j < n; j++) {
        to[2 * j] = a[j];
        to[2 * j + 1] = b[j];
        UPSHAPE_SCALAR(j);
    }
}

/* to[step j + i] = a[i][j], j < n, step 3 or 4. */
#if defined(__GNUC__) && !defined(__clang__)
UPSHAPE_CALLED void OF(weave)(REAL *to, const REAL *const *a, ptrdiff_t step, ptrdiff_t n)
{
    INTS two[3] = {{0}, {0}, {0}}, three[3] = {{0}, {0}, {0}};
    UPSHAPE_UNROLL for (int i = 0; i < 3; i++)
        UPSHAPE_UNROLL for (int l = 0; l < LANES; l++) {
            const int pixel = (i * LANES + l) / 3, phase = (i * LANES + l) % 3;
            two[i][l] = phase == 1 ? LANES + pixel : pixel;
            three[i][l] = phase == 2 ? LANES + pixel : l;
        }
    for (ptrdiff_t j = 0; j < n; j += LANES, to += step * LANES) {
        const ptrdiff_t rest = n - j;
        VECTOR p = OF(load_part)(a[0] + j, rest);
        VECTOR q = OF(load_part)(a[1] + j, rest);
        VECTOR r = OF(load_part)(a[2] + j, rest);
        if (step == 3) {
            UPSHAPE_UNROLL for (int i = 0; i < 3; i++) {
                VECTOR both = __builtin_shuffle(p, q, two[i]);
                OF(store_part)(to + i * LANES, __builtin_shuffle(both, r, three[i]),
                               3 * rest - i * LANES);
            }
            continue;
        }
        VECTOR s = OF(load_part)(a[3] + j, rest);
        UPSHAPE_UNROLL for (int half = 0; half < 2; half++) {
            VECTOR even = half ? OF(zip_high)(p, r) : OF(zip_low)(p, r);
            VECTOR odd = half ? OF(zip_high)(q, s) : OF(zip_low)(q, s);
            REAL *here = to + 2 * half * LANES;
            OF(store_part)(here, OF(zip_low)(even, odd), 4 * rest - 2 * half * LANES);
            OF(store_part)(here + LANES, OF(zip_high)(even, odd),
                           4 * rest - (2 * half + 1) * LANES);
        }
    }
}
#else
/* clang shuffles by constants only. */
UPSHAPE_CALLED void OF(weave)(REAL *to, const REAL *const *a, ptrdiff_t step, ptrdiff_t n)
{
    for (ptrdiff_t j = 0; j < n; j++)
        for (ptrdiff_t i = 0; i < step; i++)
            to[step * j + i] = a[i][j];
}
#endif

/* As many vectors as a vector has lanes: log2(lanes) times, the first half of them is interleaved
 * with the second. */
UPSHAPE_INLINE void OF(transpose)(VECTOR *v)
{
    UPSHAPE_UNROLL for (int done = 1; done < LANES; done *= 2) {
        VECTOR u[LANES];
        UPSHAPE_UNROLL for (int i = 0; i < LANES / 2; i++) {
            u[2 * i] = OF(zip_low)(v[i], v[i + LANES / 2]);
            u[2 * i + 1] = OF(zip_high)(v[i], v[i + LANES / 2]);
        }
        UPSHAPE_UNROLL for (int i = 0; i < LANES; i++)
            v[i] = u[i];
    }
}

/* to[l to_row + r] = c[r columns + l]. Columns are whole vectors; of each row of the result, so are
 * the elements that are written, past the last one too. */
UPSHAPE_INLINE void OF(transpose_rows)(
    REAL *to, ptrdiff_t to_row, const REAL *c, ptrdiff_t rows, ptrdiff_t columns)
{
    for (ptrdiff_t r = 0; r < rows; r += LANES, to += LANES)
        for (ptrdiff_t l = 0; l < columns; l += LANES) {
            VECTOR v[LANES];
            UPSHAPE_UNROLL for (int i = 0; i < LANES; i++)
                if (r + i < rows)
                    v[i] = OF(load)(c + (r + i) * columns + l);
                else
                    v[i] = (VECTOR){0};
            OF(transpose)(v);
            UPSHAPE_UNROLL for (int i = 0; i < LANES; i++)
                OF(store)(to + (l + i) * to_row, v[i]);
        }
}
