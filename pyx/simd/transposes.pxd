"""Cython's view of transposes.h."""

from libc.stdint cimport int8_t, int16_t, int32_t, uint16_t

from vector cimport words

cdef extern from "transposes.h" nogil:
    ctypedef struct half "upshape_half":
        uint16_t bits
    words times_floats "upshape_times_floats"(words, words)
    words times_doubles "upshape_times_doubles"(words, words)
    words plus_floats "upshape_plus_floats"(words, words, words)
    words plus_doubles "upshape_plus_doubles"(words, words, words)
    float plus_float "upshape_plus_float"(float, float, float)
    double plus_double "upshape_plus_double"(double, double, double)
    void transpose_floats "upshape_transpose_floats"(words*)
    void transpose_doubles "upshape_transpose_doubles"(words*)
    words widen_int8 "upshape_widen_int8"(const int8_t*)
    words widen_int16 "upshape_widen_int16"(const int16_t*)
    words widen_uint16 "upshape_widen_uint16"(const uint16_t*)
    words widen_int32 "upshape_widen_int32"(const int32_t*)
    double to_integer "upshape_to_integer"(double, double, double)
    words clamp_byte "upshape_clamp_byte"(words, float)
    float plus_product "upshape_plus_product"(float, float, float)
