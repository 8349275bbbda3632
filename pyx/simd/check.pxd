"""Cython's view of check.h: checks and fences that only the debug build has."""

cdef extern from "check.h" nogil:
    void UPSHAPE_CHECK(bint condition) noexcept
    size_t part_bytes "upshape_part_bytes"(size_t bytes) noexcept
    char* cut "upshape_cut"(char** here, size_t bytes) noexcept
    void check_parts "upshape_check_parts"(const char* space, const char* end) noexcept
