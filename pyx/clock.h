/* The clock that parallel loops are timed with. */
#ifndef UPSHAPE_CLOCK_H
#define UPSHAPE_CLOCK_H

#include <stdint.h>
#if defined(__unix__) || defined(__APPLE__)
#include <time.h>
#define UPSHAPE_CLOCK 1
#elif defined(_OPENMP)
#include <omp.h>
#endif

/* Nanoseconds since some moment; 0 where there is no clock. */
static inline int64_t upshape_now(void)
{
#ifdef UPSHAPE_CLOCK
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
#elif defined(_OPENMP)
    return (int64_t)(omp_get_wtime() * 1e9);
#else
    return 0;
#endif
}

#endif
