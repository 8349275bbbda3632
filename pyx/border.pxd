"""The border of the convolution kernels: what is checked, once a call, before a pointer is taken.

No type of memoryview says what these arrays are: an input has three to five axes, whose innermost
one is that of the pixels or of the channels. And a memoryview takes its array's buffer, which costs
85 ns an array (docs/kernels.rst), where all that is looked at here costs ten: the kind of its
elements, their alignment and byte order, whether it may be written, every size and every step.
"""

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

    And whether its elements are aligned, of this machine's byte order and of the right kind. The
    step of a single element means nothing.
    """
    cdef int rank = cnp.PyArray_NDIM(array), axis, own
    cdef Py_ssize_t item = 4 if single else 8
    cdef const cnp.npy_intp* sizes = cnp.PyArray_DIMS(array)
    cdef const cnp.npy_intp* steps = cnp.PyArray_STRIDES(array)
    if (rank < 3 or rank > 5 or not cnp.PyArray_ISBEHAVED_RO(array)
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


cdef inline bint holds(cnp.ndarray array, Py_ssize_t bytes) noexcept:
    """Return whether an array is so many bytes, or more, in one piece."""
    return cnp.PyArray_IS_C_CONTIGUOUS(array) and cnp.PyArray_NBYTES(array) >= bytes


cdef inline bint is_row(cnp.ndarray array, Py_ssize_t count, bint single) noexcept:
    """Return whether an array is so many numbers of the right kind in one piece."""
    return (cnp.PyArray_TYPE(array) == (cnp.NPY_FLOAT if single else cnp.NPY_DOUBLE)
            and cnp.PyArray_ISCARRAY_RO(array) and cnp.PyArray_SIZE(array) == count)


cdef inline int check_arrays(cnp.ndarray x, const Frame* source, cnp.ndarray out,
                             const Frame* result, cnp.ndarray packed, Py_ssize_t packed_bytes,
                             bint single) except -1:
    """Refuse a call's arrays if they are not those that a plan was made for."""
    if not (lies(x, source, single) and lies(out, result, single)
            and cnp.PyArray_ISWRITEABLE(out) and holds(packed, packed_bytes)):
        raise ValueError("the plan was made for arrays that lie otherwise in memory")
    return 0


cdef inline int check_weights(cnp.ndarray weight, Py_ssize_t count, cnp.ndarray bias,
                              Py_ssize_t biases, cnp.ndarray packed, Py_ssize_t packed_bytes,
                              bint single) except -1:
    """Refuse weights, a bias (or None) and room for them if they are not a layout's."""
    if not (is_row(weight, count, single) and (bias is None or is_row(bias, biases, single))
            and holds(packed, packed_bytes) and cnp.PyArray_ISWRITEABLE(packed)):
        raise ValueError("the layout was made for weights of another shape or dtype")
    return 0
