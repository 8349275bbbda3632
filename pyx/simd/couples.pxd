"""Cython's view of couples.h."""

from libc.stdint cimport int16_t, uint8_t

from shorts cimport shorts

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
        pass
    couples no_couples "upshape_no_couples"()
    couples add_couples "upshape_add_couples"(couples, const int16_t*, const int16_t*)
    couples join_couples "upshape_join_couples"(couples, couples, int)
    shorts scaled_couples "upshape_scaled_couples"(couples, int)
