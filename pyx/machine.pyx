"""What the machine is, how many threads a call may use, and where large results live.

The one module that is compiled for any CPU of the architecture: it is imported to find out which
level's kernels can be. All of its state is guarded by the GIL.
"""

cimport cython
cimport numpy as cnp
from cpython.object cimport PyTypeObject
from cpython.ref cimport Py_INCREF

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    cnp.ndarray PyArray_NewFromDescr(
        PyTypeObject* subtype, cnp.dtype descr, int nd, const cnp.npy_intp* dims,
        const cnp.npy_intp* strides, void* data, int flags, void* obj)

cdef extern from "machine.h" nogil:
    const char* UPSHAPE_COMPILER
    const char* UPSHAPE_FLAGS
    const size_t UPSHAPE_HUGE_PAGE
    int upshape_x86_level()
    int upshape_amd()
    long upshape_last_level_cache()
    long upshape_second_level_cache()
    int upshape_openmp_version()
    int upshape_openmp_threads()
    void* upshape_map(size_t bytes)
    void upshape_unmap(void* start, size_t bytes)


# --- the machine ---------------------------------------------------------------------------------

def x86_level():
    """Return the x86-64 level of this CPU: 2, 3 or 4; 1 if it is below v2, 0 if it is no x86-64."""
    return upshape_x86_level()


def amd():
    """Whether the processor is one of AMD's."""
    return bool(upshape_amd())


def last_level_cache():
    """Return the size of the last-level cache in bytes, 0 if unknown."""
    return upshape_last_level_cache()


def second_level_cache():
    """Return the size of a core's second-level cache in bytes, 0 if unknown."""
    return upshape_second_level_cache()


def build():
    """Return how the kernels were built: compiler, flags and OpenMP's date (0: none)."""
    return {
        "compiler": UPSHAPE_COMPILER.decode(),
        "flags": UPSHAPE_FLAGS.decode(),
        "openmp": upshape_openmp_version(),
    }


# --- threads -------------------------------------------------------------------------------------

# OpenMP's own limit, as it stood at import. Where it differs later, somebody (threadpoolctl) has
# changed it in this thread, and that wish goes before ours.
cdef int openmp_at_start = upshape_openmp_threads()
cdef int wanted = 1
cdef bint forked = False


def set_threads(int n):
    """Set how many threads a call may use."""
    global wanted
    wanted = n


def after_fork():
    """Note that this process is a fork's child, where GNU OpenMP's threads are gone for good."""
    global forked
    forked = True


cpdef int threads():
    """Return how many threads a call may use now."""
    cdef int openmp
    if forked or upshape_openmp_version() == 0:
        return 1
    openmp = upshape_openmp_threads()
    return wanted if openmp == openmp_at_start else openmp


# --- memory --------------------------------------------------------------------------------------

# Results from this many bytes on live in recycled blocks: below, NumPy's allocator keeps its pages
# itself, and first touch costs little.
cdef size_t RECYCLED_FROM = 1 << 20

# The store is a short list, oldest first: a block is found by its exact size class.
cdef enum:
    MOST_BLOCKS = 64

cdef struct Kept:
    void* start
    size_t bytes

cdef Kept[MOST_BLOCKS] store
cdef int blocks = 0
cdef size_t kept_bytes = 0
cdef size_t limit_bytes = 0
cdef size_t reused = 0
cdef size_t mapped = 0


cdef size_t size_class(size_t bytes) noexcept:
    """Round up to whole huge pages, with three leading bits: at most 1/8 is wasted."""
    cdef size_t pages = (bytes + UPSHAPE_HUGE_PAGE - 1) // UPSHAPE_HUGE_PAGE
    cdef size_t step = 1
    while pages > 8 * step:
        step *= 2
    return (pages + step - 1) // step * step * UPSHAPE_HUGE_PAGE


cdef void forget(int index) noexcept:
    """Give the block at this place of the store back to the system."""
    global blocks, kept_bytes
    cdef int j
    upshape_unmap(store[index].start, store[index].bytes)
    kept_bytes -= store[index].bytes
    blocks -= 1
    for j in range(index, blocks):
        store[j] = store[j + 1]


cdef void shrink(size_t limit) noexcept:
    while kept_bytes > limit:
        forget(0)


cdef void* take(size_t bytes) noexcept:
    """Return a block of this size class, the latest used first: it may still be in a cache."""
    global blocks, kept_bytes, reused, mapped
    cdef int i, j
    cdef void* start
    for i in range(blocks - 1, -1, -1):
        if store[i].bytes == bytes:
            start = store[i].start
            kept_bytes -= bytes
            blocks -= 1
            for j in range(i, blocks):
                store[j] = store[j + 1]
            reused += 1
            return start
    mapped += 1
    start = upshape_map(bytes)
    if start == NULL and blocks > 0:
        shrink(0)
        start = upshape_map(bytes)
    return start


cdef void give(void* start, size_t bytes) noexcept:
    """Keep a block for the next result of its size; the oldest go when the store is full."""
    global blocks, kept_bytes
    if bytes > limit_bytes:
        upshape_unmap(start, bytes)
        return
    shrink(limit_bytes - bytes)
    if blocks == MOST_BLOCKS:
        forget(0)
    store[blocks].start = start
    store[blocks].bytes = bytes
    blocks += 1
    kept_bytes += bytes


@cython.final
@cython.freelist(16)
cdef class Block:
    """The memory of one result: its array's base, so it comes back when the last view dies."""
    cdef void* start
    cdef size_t bytes

    def __dealloc__(self):
        if self.start != NULL:
            give(self.start, self.bytes)


def set_limit(size_t bytes):
    """Bound what the store keeps, in bytes."""
    global limit_bytes
    limit_bytes = bytes
    shrink(bytes)


def clear():
    """Give every kept block back to the system."""
    shrink(0)


def store_info():
    """Return the store's figures: bytes kept, blocks, limit, and how often it was of use."""
    return {
        "kept_bytes": kept_bytes, "blocks": blocks, "limit_bytes": limit_bytes,
        "reused": reused, "mapped": mapped,
    }


cpdef cnp.ndarray empty(tuple shape, cnp.dtype dtype):
    """Return an uninitialised C-contiguous array, in recycled memory from 1 MiB on.

    Raises MemoryError where no memory holds it. The caller has checked that no size is negative.
    """
    cdef cnp.npy_intp[64] dims
    cdef size_t item = cnp.PyDataType_ELSIZE(dtype)
    cdef size_t bytes = item
    cdef size_t most = (<size_t>-1) >> 1
    cdef int rank = len(shape)
    cdef int i
    cdef bint too_large = False
    cdef bint nothing = False
    cdef Block block
    cdef cnp.ndarray array
    for i in range(rank):
        if shape[i] > most:
            too_large = True
            break
        dims[i] = shape[i]
        if dims[i] == 0:
            nothing = True
        elif bytes > most // <size_t>dims[i]:
            too_large = True
        else:
            bytes *= dims[i]
    if too_large:
        raise MemoryError(f"no memory holds a result of shape {shape} and dtype {dtype}")
    Py_INCREF(dtype)  # NewFromDescr steals one
    if nothing or bytes < RECYCLED_FROM:
        return PyArray_NewFromDescr(<PyTypeObject*>cnp.ndarray, dtype, rank, dims, NULL, NULL, 0,
                                    NULL)
    block = Block.__new__(Block)
    block.bytes = size_class(bytes)
    block.start = take(block.bytes)
    if block.start == NULL:
        raise MemoryError(f"cannot allocate {bytes} bytes for a result of shape {shape} "
                          f"and dtype {dtype}")
    array = PyArray_NewFromDescr(<PyTypeObject*>cnp.ndarray, dtype, rank, dims, NULL, block.start,
                                 cnp.NPY_ARRAY_CARRAY, NULL)
    cnp.set_array_base(array, block)
    return array
