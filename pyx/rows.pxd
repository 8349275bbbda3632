"""What the interpolation kernels share: where the rows of a picture stand, and windows.

An array of any layout is n * m planes of depth x height rows, and a row is `width` pixels of
neighbouring bytes. NCHW: n batches of m channels, a pixel is one element. Channels last: n batches,
m = 1, a pixel is all channels.
"""

from libc.stdint cimport int64_t, uint8_t


cdef extern from "numpy/arrayobject.h" nogil:
    ctypedef Py_ssize_t npy_intp
    ctypedef struct PyArrayObject:
        pass
    npy_intp* PyArray_DIMS(PyArrayObject*)
    npy_intp* PyArray_STRIDES(PyArrayObject*)
    char* PyArray_BYTES(PyArrayObject*)
    int PyArray_NDIM(PyArrayObject*)
    npy_intp PyArray_ITEMSIZE(PyArrayObject*)

# Which axis of an array plays which part, w that of a row's pixels and c that of a pixel's
# channels; -1: none does, and its size is 1.
cdef struct Roles:
    int n, m, d, h, w, c

# What a plan relies on: sizes of the result; depths and rows of the source, at least, and pixels of
# its rows; bytes of a pixel, and from one pixel of the result's rows to the next.
cdef struct Frame:
    Roles roles
    Py_ssize_t depth, height, width
    Py_ssize_t source_depth, source_height, source_width
    Py_ssize_t pixel, spacing

# Sizes of the result in planes and rows; strides of both arrays in bytes.
cdef struct Rows:
    Py_ssize_t n, m, depth, height
    Py_ssize_t src_n, src_m, src_d, src_h
    Py_ssize_t dst_n, dst_m, dst_d, dst_h

# One row of the result.
cdef struct Place:
    Py_ssize_t n, m, d, h


cdef inline Py_ssize_t size_of(PyArrayObject* array, int axis) noexcept nogil:
    return PyArray_DIMS(array)[axis] if axis >= 0 else 1


cdef inline Py_ssize_t stride_of(PyArrayObject* array, int axis) noexcept nogil:
    """Return the bytes between neighbours: 0 where there are none, whatever the stride says."""
    return PyArray_STRIDES(array)[axis] if size_of(array, axis) > 1 else 0


cdef inline Roles roles_of(tuple axes):
    cdef Roles roles
    roles.n, roles.m, roles.d, roles.h, roles.w, roles.c = axes
    return roles


cdef inline bint has_rows(const Frame* frame, PyArrayObject* array, Py_ssize_t width,
                          Py_ssize_t spacing) noexcept nogil:
    """Return whether the rows of an array have so many pixels, so far apart, each in one piece."""
    cdef Py_ssize_t item = PyArray_ITEMSIZE(array)
    return (size_of(array, frame.roles.w) == width
            and (width == 1 or stride_of(array, frame.roles.w) == spacing)
            and size_of(array, frame.roles.c) * item == frame.pixel
            and (frame.pixel == item or stride_of(array, frame.roles.c) == item))


cdef inline bint takes(const Frame* frame, PyArrayObject* source,
                       PyArrayObject* result) noexcept nogil:
    """Return whether a plan can walk these two arrays: what Layout.reads and .writes promise."""
    return (PyArray_NDIM(source) == PyArray_NDIM(result)
            and size_of(result, frame.roles.d) == frame.depth
            and size_of(result, frame.roles.h) == frame.height
            and size_of(source, frame.roles.d) >= frame.source_depth
            and size_of(source, frame.roles.h) >= frame.source_height
            and size_of(source, frame.roles.n) == size_of(result, frame.roles.n)
            and size_of(source, frame.roles.m) == size_of(result, frame.roles.m)
            and has_rows(frame, source, frame.source_width, frame.pixel)
            and has_rows(frame, result, frame.width, frame.spacing))


cdef inline Rows rows_of(PyArrayObject* src, PyArrayObject* dst, Roles roles) noexcept nogil:
    """Read the sizes of the result and the strides of both arrays."""
    cdef Rows rows
    rows.n = size_of(dst, roles.n)
    rows.m = size_of(dst, roles.m)
    rows.depth = size_of(dst, roles.d)
    rows.height = size_of(dst, roles.h)
    rows.src_n = stride_of(src, roles.n)
    rows.src_m = stride_of(src, roles.m)
    rows.src_d = stride_of(src, roles.d)
    rows.src_h = stride_of(src, roles.h)
    rows.dst_n = stride_of(dst, roles.n)
    rows.dst_m = stride_of(dst, roles.m)
    rows.dst_d = stride_of(dst, roles.d)
    rows.dst_h = stride_of(dst, roles.h)
    return rows


cdef inline size_t strides_of(const Rows* rows) noexcept nogil:
    """Return a number with every bit that is set in a stride."""
    return <size_t>(rows.src_n | rows.src_m | rows.src_d | rows.src_h
                    | rows.dst_n | rows.dst_m | rows.dst_d | rows.dst_h)


cdef inline size_t strides_of_result(const Rows* rows) noexcept nogil:
    """Return a number with every bit that is set in a stride of the result."""
    return <size_t>(rows.dst_n | rows.dst_m | rows.dst_d | rows.dst_h)


cdef inline Place place_of(const Rows* rows, Py_ssize_t row) noexcept nogil:
    """Return where the row with this number stands, counting planes, depth and height in order."""
    cdef Place at
    at.h = row % rows.height
    row //= rows.height
    at.d = row % rows.depth
    row //= rows.depth
    at.m = row % rows.m
    at.n = row // rows.m
    return at


cdef inline void step(const Rows* rows, Place* at, Py_ssize_t count) noexcept nogil:
    """Go `count` rows on; at most to the first row of the next depth."""
    at.h += count
    if at.h == rows.height:
        at.h = 0
        at.d += 1
        if at.d == rows.depth:
            at.d = 0
            at.m += 1
            if at.m == rows.m:
                at.m = 0
                at.n += 1


# --- windows: a vector of the result as a permutation of one stretch of the source ---------------

cdef inline bint windows(
    const int64_t* index, Py_ssize_t pixels, Py_ssize_t units, Py_ssize_t unit, Py_ssize_t vector,
    Py_ssize_t span, Py_ssize_t source, int step, int64_t* base, uint8_t* order,
) noexcept nogil:
    """Fill, for each vector of a row of the result, the window's start and the permutation.

    The row has `pixels` pixels of `units` units of `unit` bytes; pixel x copies pixel index[x].
    A vector that would reach past the row's end begins earlier, so that it ends with the row.
    Windows are `span` bytes, one vector or two, and end within the `source` bytes of the source's
    row. `step`: the bytes that one index of the permutation counts, 1 or 4; an index takes `step`
    bytes, and one of 4 is negative in the second vector of a window. Return whether every vector's
    sources fit into one window; base and order have room for all vectors.
    """
    cdef Py_ssize_t lanes = vector // unit
    cdef Py_ssize_t total = pixels * units
    cdef Py_ssize_t count = (total + lanes - 1) // lanes
    cdef Py_ssize_t k, lane, first, position, low, high, byte, j
    cdef uint8_t sign
    if total < lanes or source < span:
        return False
    for k in range(count):
        first = min(k * lanes, total - lanes)
        low = source
        high = 0
        for lane in range(lanes):
            position = (index[(first + lane) // units] * units + (first + lane) % units) * unit
            low = min(low, position)
            high = max(high, position + unit)
        low = min(low, source - span)
        if high - low > span:
            return False
        base[k] = low
        for lane in range(lanes):
            position = (index[(first + lane) // units] * units + (first + lane) % units) * unit
            for j in range(unit // step):
                byte = lane * unit + j * step
                order[k * vector + byte] = <uint8_t>((position - low) // step + j)
                if step == 4:
                    sign = 0x80 if position - low >= vector else 0
                    order[k * vector + byte + 1] = 0
                    order[k * vector + byte + 2] = 0
                    order[k * vector + byte + 3] = sign
    return True
