"""The border of the convolution kernels: whether arrays lie as a plan expects them to."""

cimport numpy as cnp


cdef struct Frame:  # an array of axes (N, C, D, H, W): how many elements, how many from one on
    Py_ssize_t[5] sizes
    Py_ssize_t[5] steps


cdef inline Frame frame_of(tuple sizes, tuple steps):
    cdef Frame frame
    cdef int axis
    for axis in range(5):
        frame.sizes[axis], frame.steps[axis] = sizes[axis], steps[axis]
    return frame


cdef inline bint lies(cnp.ndarray array, const Frame* frame, bint single) noexcept:
    """Return whether an array of axes (N, C, [D, [H,]] W) has these sizes and steps.

    And whether its elements are aligned and of the right kind. The step of a single element means
    nothing.
    """
    cdef int rank = cnp.PyArray_NDIM(array), axis, own
    cdef Py_ssize_t item = 4 if single else 8
    cdef const cnp.npy_intp* sizes = cnp.PyArray_DIMS(array)
    cdef const cnp.npy_intp* steps = cnp.PyArray_STRIDES(array)
    if (rank < 3 or rank > 5 or not cnp.PyArray_ISALIGNED(array)
            or cnp.PyArray_TYPE(array) != (cnp.NPY_FLOAT if single else cnp.NPY_DOUBLE)):
        return False
    for axis in range(2, 7 - rank):
        if frame.sizes[axis] != 1:
            return False
    for own in range(rank):
        axis = own if own < 2 else own + 5 - rank
        if sizes[own] != frame.sizes[axis] or (
                sizes[own] > 1 and steps[own] != frame.steps[axis] * item):
            return False
    return True
