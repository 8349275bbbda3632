"""Cython's view of phases.h."""

cdef extern from "phases.h" nogil:
    void take_apart "upshape_take_apart"(
        char* to, Py_ssize_t phase, const char* from_, Py_ssize_t pixels, Py_ssize_t phases,
        Py_ssize_t size)
    void put_together "upshape_put_together"(
        char* to, const char* from_, Py_ssize_t phase, Py_ssize_t count, Py_ssize_t phases,
        Py_ssize_t size)
    void fetch "upshape_fetch"(const void*)
    void fetch_row "upshape_fetch_row"(const char* row, Py_ssize_t bytes)
