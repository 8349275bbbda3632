/* What the baseline module asks of the machine: its CPU level, its cache, its memory, OpenMP. */
#ifndef UPSHAPE_MACHINE_H
#define UPSHAPE_MACHINE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define UPSHAPE_MMAP 1
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

#ifndef UPSHAPE_FLAGS
#define UPSHAPE_FLAGS "unknown"
#endif

#if defined(__clang__)
#define UPSHAPE_COMPILER __VERSION__
#elif defined(__GNUC__)
#define UPSHAPE_COMPILER "gcc " __VERSION__
#else
#define UPSHAPE_COMPILER "unknown"
#endif

/* Give back to the system what the C library's allocator keeps of freed tables. */
static void upshape_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

/* The x86-64 level (2, 3, 4), 1 below v2, 0 elsewhere. The builtins also ask the operating system
 * whether it saves the wide registers. */
static int upshape_x86_level(void)
{
#if defined(__x86_64__) && (defined(__clang__) || defined(__GNUC__))
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("ssse3")
          && __builtin_cpu_supports("popcnt")))
        return 1;
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
          && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")))
        return 2;
    if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
          && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
          && __builtin_cpu_supports("avx512vl"))) {
#ifdef UPSHAPE_EMULATE_V4
        return 4; /* the v4 modules hold v3's instructions */
#endif
        return 3;
    }
    return 4;
#else
    return 0;
#endif
}

/* Bytes of the last-level cache, 0 if the system does not say. */
static long upshape_last_level_cache(void)
{
    long bytes = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
#ifdef _SC_LEVEL2_CACHE_SIZE
    if (bytes <= 0)
        bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return bytes > 0 ? bytes : 0;
}

/* Bytes of a core's second-level cache, 0 if the system does not say. */
static long upshape_second_level_cache(void)
{
    long bytes = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return bytes > 0 ? bytes : 0;
}

static int upshape_openmp_version(void)
{
#ifdef _OPENMP
    return _OPENMP;
#else
    return 0;
#endif
}

static int upshape_openmp_threads(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

#define UPSHAPE_HUGE_PAGE ((size_t)2 << 20)

/* Bytes (a multiple of UPSHAPE_HUGE_PAGE) of fresh memory that starts on a huge page; NULL if
 * there are none. Page-aligned huge pages are what makes first touch fast. */
static void *upshape_map(size_t bytes)
{
#ifdef UPSHAPE_MMAP
    size_t reserved = bytes + UPSHAPE_HUGE_PAGE;
    char *start, *aligned;
    if (reserved < bytes)
        return NULL;
    start = mmap(NULL, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    aligned = (char *)(((uintptr_t)start + UPSHAPE_HUGE_PAGE - 1) & ~(uintptr_t)(UPSHAPE_HUGE_PAGE - 1));
    if (aligned > start)
        munmap(start, (size_t)(aligned - start));
    if (start + reserved > aligned + bytes)
        munmap(aligned + bytes, (size_t)(start + reserved - aligned - bytes));
#ifdef MADV_HUGEPAGE
    madvise(aligned, bytes, MADV_HUGEPAGE);
#endif
    return aligned;
#else
    return malloc(bytes);
#endif
}

static void upshape_unmap(void *start, size_t bytes)
{
#ifdef UPSHAPE_MMAP
    munmap(start, bytes);
#else
    (void)bytes;
    free(start);
#endif
}

#endif
