"""Cython's view of shorts.h."""

from libc.stdint cimport int16_t, int32_t, uint8_t

cdef extern from "shorts.h" nogil:
    enum:
        UPSHAPE_SHORTS
        UPSHAPE_WIDE
        UPSHAPE_QUADS
    ctypedef struct shorts "upshape_shorts":
        pass
    ctypedef struct ints "upshape_ints":
        pass
    ctypedef struct sums32 "upshape_sums32":
        pass
    ctypedef struct sums_of_bytes "upshape_sums_of_bytes":
        pass
    shorts load_shorts "upshape_load_shorts"(const int16_t*)
    void store_shorts "upshape_store_shorts"(int16_t*, shorts)
    shorts widen_to_shorts "upshape_widen_to_shorts"(const uint8_t*)
    ints splat_pair "upshape_splat_pair"(const int16_t*)
    sums32 no_sums "upshape_no_sums"()
    sums32 add_products "upshape_add_products"(sums32, shorts, shorts, ints)
    sums32 raise_sums "upshape_raise_sums"(sums32, int)
    sums32 join_sums "upshape_join_sums"(sums32, sums32, int)
    shorts scaled "upshape_scaled"(sums32, int, int)
    int16_t scaled_one "upshape_scaled_one"(int32_t, int, int)
    shorts clamp_shorts "upshape_clamp_shorts"(shorts, int)
    void narrow_shorts "upshape_narrow_shorts"(uint8_t*, const int16_t*, int, int)
    uint8_t narrow_short "upshape_narrow_short"(int, int, int)
    sums_of_bytes no_sums_of_bytes "upshape_no_sums_of_bytes"()
    ctypedef struct wide_pair "upshape_wide_ints":
        pass
    wide_pair splat_wide_pair "upshape_splat_wide_pair"(const int16_t*)
    void add_products_of_bytes "upshape_add_products_of_bytes"(
        sums_of_bytes*, const uint8_t*, const uint8_t*, wide_pair)
    ctypedef struct wide_zip "upshape_wide_zip":
        pass
    ctypedef struct wide_sums "upshape_wide_sums":
        pass
    wide_sums no_wide_sums "upshape_no_wide_sums"()
    wide_zip zip_wide "upshape_zip_wide"(const int16_t*, const int16_t*)
    wide_sums add_wide "upshape_add_wide"(wide_sums, wide_zip, wide_pair)
    wide_sums join_wide "upshape_join_wide"(wide_sums, wide_sums, int)
    void store_wide "upshape_store_wide"(int16_t*, wide_sums, int, int, int)
    void store_scaled "upshape_store_scaled"(
        int16_t*, const sums_of_bytes*, int, int, int)
    shorts splat_short "upshape_splat_short"(const int16_t*)
    shorts add_rounded "upshape_add_rounded"(shorts, shorts, shorts)
    shorts add_floored "upshape_add_floored"(shorts, shorts, shorts)
    shorts no_shorts "upshape_no_shorts"()
    shorts lift "upshape_lift"(shorts, int)
    shorts above "upshape_above"(shorts)
    ctypedef struct wide "upshape_wide":
        pass
    wide no_wide "upshape_no_wide"()
    void add_four_rounded "upshape_add_four_rounded"(wide*, const int16_t*, const int16_t*)
    void store_four "upshape_store_four"(int16_t*, wide*, int)
    ctypedef struct tiny_sums "upshape_tiny_sums":
        pass
    tiny_sums no_tiny_sums "upshape_no_tiny_sums"()
    void add_tiny "upshape_add_tiny"(
        tiny_sums*, const uint8_t*, const uint8_t*, const int16_t*)
    void store_tiny "upshape_store_tiny"(int16_t*, const tiny_sums*, int)
    shorts eight_bytes "upshape_eight_bytes"(const uint8_t*, const uint8_t*)
    shorts eight_shorts "upshape_eight_shorts"(const int16_t*, const int16_t*)
    void store_eight "upshape_store_eight"(int16_t*, int16_t*, shorts)
    void transpose_shorts "upshape_transpose_shorts"(shorts*)
    shorts join_quads_rounded "upshape_join_quads_rounded"(const shorts*)
    ints no_quads "upshape_no_quads"()
    ints add_quads "upshape_add_quads"(ints, const int16_t*, shorts)
    ints raise_quads "upshape_raise_quads"(ints, int)
    shorts join_quads "upshape_join_quads"(const ints*, int, int)
    shorts multiplied "upshape_multiplied"(shorts, const int16_t*)
