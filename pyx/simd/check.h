/* Checks that cost nothing: real in a build with UPSHAPE_DEBUG=1, absent from any other.
 *
 * UPSHAPE_CHECK(condition): where it is false, the process ends with the file, the line and the
 * condition. In Cython's C, file and line are those of the .pyx (the debug build has #line lines).
 *
 * Scratch is one block a thread, cut into parts that begin with a cache line:
 *
 *     bytes += upshape_part_bytes(n)          when it is sized: what a part of n bytes takes
 *     part = upshape_cut(&here, n)            when it is cut: the part at `here`, which moves behind it
 *     upshape_check_parts(space, here)        when the call ends: nobody wrote beside a part
 *
 * In the debug build a part has a fence of known bytes before and after it, which the last of these
 * looks at. The first fence also holds the part's size, so that the parts are found one after the
 * other. `space` must be aligned to a cache line. */
#ifndef UPSHAPE_CHECK_H
#define UPSHAPE_CHECK_H

#include <stddef.h>
#include <stdint.h>

enum { UPSHAPE_PART_LINE = 64 }; /* bytes of a cache line: no part shares one with its neighbour */

#ifdef UPSHAPE_DEBUG
#include <stdio.h>
#include <stdlib.h>
enum { UPSHAPE_FENCE = 64, UPSHAPE_FENCE_BYTE = 0xCB };

static __attribute__((noinline, noreturn, cold, unused)) void upshape_fail(
    const char *file, long line, const char *what)
{
    fprintf(stderr, "upshape: %s:%ld: check failed: %s\n", file, line, what);
    fflush(stderr);
    abort();
}
#define UPSHAPE_CHECK(condition)                                                                  \
    ((condition) ? (void)0 : upshape_fail(__FILE__, __LINE__, #condition))
#else
enum { UPSHAPE_FENCE = 0 };
/* The condition is compiled, never computed: what it names is used. */
#define UPSHAPE_CHECK(condition) ((void)sizeof((condition) ? 1 : 0))
#endif

static inline size_t upshape_whole_lines(size_t bytes)
{
    return (bytes + UPSHAPE_PART_LINE - 1) / UPSHAPE_PART_LINE * UPSHAPE_PART_LINE;
}

static inline size_t upshape_part_bytes(size_t bytes)
{
    return upshape_whole_lines(bytes) + 2 * UPSHAPE_FENCE;
}

static inline char *upshape_cut(char **here, size_t bytes)
{
    char *part = *here + UPSHAPE_FENCE;
#ifdef UPSHAPE_DEBUG
    /* The fence behind begins with the part's last byte, not with its last line. */
    UPSHAPE_CHECK(((uintptr_t)*here & (UPSHAPE_PART_LINE - 1)) == 0);
    __builtin_memset(*here, UPSHAPE_FENCE_BYTE, UPSHAPE_FENCE);
    __builtin_memcpy(*here, &bytes, sizeof bytes);
    __builtin_memset(part + bytes, UPSHAPE_FENCE_BYTE,
                     upshape_whole_lines(bytes) - bytes + UPSHAPE_FENCE);
#endif
    *here += upshape_part_bytes(bytes);
    return part;
}

/* All parts between the start of a scratch block and its first byte that was not cut off. */
static inline void upshape_check_parts(const char *space, const char *end)
{
#ifdef UPSHAPE_DEBUG
    while (space < end) {
        const char *part = space + UPSHAPE_FENCE;
        size_t bytes = 0, j;
        for (j = sizeof bytes; j < UPSHAPE_FENCE; j++)
            UPSHAPE_CHECK((unsigned char)space[j] == UPSHAPE_FENCE_BYTE && "before a part of scratch");
        __builtin_memcpy(&bytes, space, sizeof bytes);
        UPSHAPE_CHECK(bytes <= (size_t)(end - part) && "the size before a part of scratch");
        space += upshape_part_bytes(bytes);
        for (part += bytes; part < space; part++)
            UPSHAPE_CHECK((unsigned char)*part == UPSHAPE_FENCE_BYTE && "behind a part of scratch");
    }
    UPSHAPE_CHECK(space == end && "the parts of scratch fill it");
#else
    (void)space;
    (void)end;
#endif
}

#endif
