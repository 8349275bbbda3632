"""The border of the convolution kernels: whether arrays lie as a plan expects them to."""

cimport numpy as cnp


cdef struct Frame:  # an array of axes (N, C, H, W): how many elements, and how many from one on
    Py_ssize_t[4] sizes
    Py_ssize_t[4] steps


cdef inline Frame frame_of(tuple sizes, tuple steps):
    cdef Frame frame
    cdef int axis
    for axis in range(4):
        frame.sizes[axis], frame.steps[axis] = sizes[axis], steps[axis]
    return frame


cdef inline bint lies(cnp.ndarray array, const Frame* frame, bint single) noexcept:
    """Return whether an array, (N, C, H, W) or (N, C, W), has these sizes and steps.

    And whether its elements are aligned and of the right kind. The step of a single element means
    nothing.
    """
    cdef int rank = cnp.PyArray_NDIM(array), axis, own
    cdef Py_ssize_t item = 4 if single else 8, size
    if (rank < 3 or rank > 4 or not cnp.PyArray_ISALIGNED(array)
            or cnp.PyArray_TYPE(array) != (cnp.NPY_FLOAT if single else cnp.NPY_DOUBLE)):
        return False
    for axis in range(4):
        own = 2 if rank == 3 and axis == 3 else axis
        size = 1 if rank == 3 and axis == 2 else cnp.PyArray_DIM(array, own)
        if size != frame.sizes[axis] or (
                size > 1 and cnp.PyArray_STRIDE(array, own) != frame.steps[axis] * item):
            return False
    return True
