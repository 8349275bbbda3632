"""Cython's view of couples.h."""

from libc.stdint cimport int16_t, int64_t, uint8_t

cdef extern from "couples.h" nogil:
    enum:
        UPSHAPE_COUPLED
    ctypedef struct coupling "upshape_coupling":
        Py_ssize_t blocks, bytes
        Py_ssize_t[3] start
        uint8_t[3][16] turn
    coupling coupling_of "upshape_coupling_of"(Py_ssize_t channels)
    void couple "upshape_couple"(int16_t*, const uint8_t**, Py_ssize_t, const uint8_t*)
    ctypedef struct couples "upshape_couples":
        const int64_t* first
        const int64_t* count
        const int16_t* weight
        Py_ssize_t stride
        int shift, more, split, most
    void spread_couples "upshape_spread_couples"(
        int16_t**, const int16_t*, const couples*, Py_ssize_t channels, Py_ssize_t first,
        Py_ssize_t last, Py_ssize_t low)
