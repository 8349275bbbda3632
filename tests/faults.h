/* Preloaded: makes the nth allocation of a thread fail. See tests/inject.py.
 *
 * Allocations of OpenMP's runtime are let pass: it ends the process when it gets no memory. So are
 * those without the GIL: NumPy's iterator (2.4) raises there, and ends the process as well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

extern int PyGILState_Check(void) __attribute__((weak));

static __thread long left; /* allocations until the one that fails; 0: none does */
static __thread long seen;
static __thread int failed, asking;
static long mapped; /* bytes that were mapped by the program and are not given back */

static int of_openmp(void *caller)
{
    Dl_info info;
    int yes;
    asking = 1;
    yes = dladdr(caller, &info) && info.dli_fname
          && (strstr(info.dli_fname, "gomp") || strstr(info.dli_fname, "libomp"));
    asking = 0;
    return yes;
}

static int fails(void *caller)
{
    if (left == 0 || asking || of_openmp(caller) || (PyGILState_Check && !PyGILState_Check()))
        return 0;
    seen++;
    if (left < 0 || --left > 0)
        return 0;
    failed = 1;
    errno = ENOMEM;
    return 1;
}

/* The nth allocation from now on fails; -1: none does, they are counted. */
void faults_arm(long n)
{
    seen = failed = 0;
    left = n;
}

/* No allocation fails any more; return how many there were, negative if one has failed. */
long faults_disarm(void)
{
    left = 0;
    return failed ? -seen : seen;
}

long faults_mapped(void) { return mapped; }

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size)
{
    if (fails(__builtin_return_address(0)))
        return ENOMEM;
    *result = __libc_memalign(alignment, size);
    return *result ? 0 : ENOMEM;
}

void *mmap(void *start, size_t size, int protection, int flags, int file, off_t offset)
{
    void *result;
    if (fails(__builtin_return_address(0)))
        return MAP_FAILED;
    result = (void *)syscall(SYS_mmap, start, size, protection, flags, file, offset);
    if (result != MAP_FAILED)
        __atomic_add_fetch(&mapped, (long)size, __ATOMIC_RELAXED);
    return result;
}

int munmap(void *start, size_t size)
{
    int result = (int)syscall(SYS_munmap, start, size);
    if (result == 0)
        __atomic_sub_fetch(&mapped, (long)size, __ATOMIC_RELAXED);
    return result;
}
