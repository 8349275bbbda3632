/* sum = sum * factor + addend, `rounds` times in every chain; the total, so that nothing is
 * optimised away. A factor and an addend of one half keep the sums near 1: no subnormals. The caller
 * passes values that the compiler does not know. Included for each REAL, by limit_loops.h. */
UPSHAPE_CALLED double OF(upshape_chains)(ptrdiff_t rounds, REAL factor, REAL addend)
{
    VECTOR sums[UPSHAPE_CHAINS], total = {0};
    double result = 0;
    UPSHAPE_UNROLL for (int j = 0; j < UPSHAPE_CHAINS; j++)
        sums[j] = OF(splat)((REAL)j);
    for (ptrdiff_t i = 0; i < rounds; i++) {
        UPSHAPE_UNROLL for (int j = 0; j < UPSHAPE_CHAINS; j++)
            sums[j] = sums[j] * factor + addend;
    }
    UPSHAPE_UNROLL for (int j = 0; j < UPSHAPE_CHAINS; j++)
        total += sums[j];
    for (int k = 0; k < LANES; k++)
        result += total[k];
    return result;
}
