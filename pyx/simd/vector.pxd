"""Cython's view of vector.h and narrow.h."""

from libc.stdint cimport int64_t, uint8_t, uint16_t

cdef extern from "vector.h" nogil:
    enum:
        UPSHAPE_VECTOR_BYTES
        UPSHAPE_INDEX_BYTES
        UPSHAPE_HAS_MASKS
    ctypedef struct words "upshape_words":
        pass
    ctypedef struct bytes16 "upshape_bytes":
        pass
    words load "upshape_load"(const void*)
    words load_half "upshape_load_half"(const void*)
    void store "upshape_store"(void*, words)
    void store_first "upshape_store_first"(void*, words, Py_ssize_t)
    bytes16 load_bytes "upshape_load_bytes"(const void*)
    void store_bytes "upshape_store_bytes"(void*, bytes16)
    words permute "upshape_permute"(words, words)
    words permute_within "upshape_permute_within"(words, words)
    words permute_two "upshape_permute_two"(words, words, words)
    words permute_four "upshape_permute_four"(words, words, words, words, words)
    bytes16 permute_bytes "upshape_permute_bytes"(bytes16, bytes16)
    bytes16 permute_two_bytes "upshape_permute_two_bytes"(bytes16, bytes16, bytes16)
    words mix_floats "upshape_mix_floats"(words, words, words, words)
    words mix_doubles "upshape_mix_doubles"(words, words, words, words)
    float mix_float "upshape_mix_float"(float, float, float, float)
    double mix_double "upshape_mix_double"(double, double, double, double)
    words splat_float "upshape_splat_float"(float)
    words splat_double "upshape_splat_double"(double)
    words add_floats "upshape_add_floats"(words, words)
    words add_doubles "upshape_add_doubles"(words, words)
    void stream_store "upshape_stream_store"(void*, words)
    void stream "upshape_stream"(char*, const char*, size_t)
    void stream_end "upshape_stream_end"()

cdef extern from "narrow.h" nogil:
    enum:
        UPSHAPE_SUMS
        UPSHAPE_SUM_WINDOWS
    float BAND "UPSHAPE_BAND"
    double TIE "UPSHAPE_TIE"
    double WHOLE "UPSHAPE_WHOLE"
    float half_to_float "upshape_half_to_float"(uint16_t)
    uint16_t float_to_half "upshape_float_to_half"(float)
    words widen_half "upshape_widen_half"(const uint16_t*)
    void narrow_half "upshape_narrow_half"(uint16_t*, words)
    words widen_byte "upshape_widen_byte"(const uint8_t*)
    void narrow_byte "upshape_narrow_byte"(uint8_t*, words)
    uint8_t round_byte "upshape_round_byte"(float)
    unsigned narrow_byte_looking "upshape_narrow_byte_looking"(uint8_t*, words)
    ctypedef struct sums "upshape_sums":
        pass
    ctypedef struct division "upshape_division":
        int divisor
        int shift
    bint divide_by "upshape_divide_by"(division*, int)
    sums pair_sums "upshape_pair_sums"(
        const uint8_t*, const int64_t*, const uint8_t*, const uint8_t*, bint)
    sums widen_sums "upshape_widen_sums"(const uint8_t*)
    sums mix_sums "upshape_mix_sums"(sums, sums, int, int)
    sums mean_sums "upshape_mean_sums"(sums, sums, int, int, const division*)
    void store_means "upshape_store_means"(uint8_t*, sums)
    void store_means_twice "upshape_store_means_twice"(uint8_t*, uint8_t*, sums, sums)
