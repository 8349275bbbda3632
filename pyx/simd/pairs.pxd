"""Cython's view of pairs.h."""

from libc.stdint cimport int16_t, uint8_t

from vector cimport words

cdef extern from "pairs.h" nogil:
    ctypedef struct parting "upshape_parting":
        pass
    ctypedef struct squares "upshape_squares":
        Py_ssize_t made
    parting parting_of "upshape_parting_of"(Py_ssize_t size)
    void part_pixels "upshape_part_pixels"(words*, words*, const parting*)
    squares squares_of "upshape_squares_of"(Py_ssize_t channels)
    void add_squares "upshape_add_squares"(
        int16_t* line, const uint8_t* p, const uint8_t* q, const squares*)
