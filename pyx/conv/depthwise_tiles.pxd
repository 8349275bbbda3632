"""Cython's view of depthwise.h: one function for both types where C has one for each."""

ctypedef fused real:
    float
    double

cdef extern from "depthwise.h" nogil:
    enum:
        UPSHAPE_VECTOR_BYTES
        UPSHAPE_WINDOW_ROWS
        UPSHAPE_STRIDE2_ROWS
        UPSHAPE_SLIDING_TAPS
        UPSHAPE_LANES_PIXELS
        UPSHAPE_DEPTH_PIXELS
        UPSHAPE_DEPTH_VECTORS
        UPSHAPE_LEAST_SLIDING
    ctypedef struct slide_t "upshape_slide":
        const Py_ssize_t* row
        const Py_ssize_t* kernel
        Py_ssize_t rows, taps
        Py_ssize_t first, end
        int step, many
        Py_ssize_t pixel, to_pixel
        Py_ssize_t w_tap
        Py_ssize_t channels
    int sliding_pixels(Py_ssize_t n) noexcept
    int window_code(Py_ssize_t kernel, Py_ssize_t stride) noexcept
    int deep_window_code(Py_ssize_t kernel, Py_ssize_t stride) noexcept
    int stride2_code(Py_ssize_t kernel, Py_ssize_t padding) noexcept
    void zero_32(float* to, Py_ssize_t n) noexcept
    void zero_64(double* to, Py_ssize_t n) noexcept
    void zip_32(float* to, const float* a, const float* b, Py_ssize_t n) noexcept
    void zip_64(double* to, const double* a, const double* b, Py_ssize_t n) noexcept
    void weave_32(float* to, const float** a, Py_ssize_t step, Py_ssize_t n) noexcept
    void weave_64(double* to, const double** a, Py_ssize_t step, Py_ssize_t n) noexcept
    void lines_32(float* to, Py_ssize_t to_row, Py_ssize_t rows, Py_ssize_t length, const float* x,
                  Py_ssize_t x_row, Py_ssize_t first, Py_ssize_t end, Py_ssize_t step,
                  Py_ssize_t low, Py_ssize_t high) noexcept
    void lines_64(double* to, Py_ssize_t to_row, Py_ssize_t rows, Py_ssize_t length,
                  const double* x, Py_ssize_t x_row, Py_ssize_t first, Py_ssize_t end,
                  Py_ssize_t step, Py_ssize_t low, Py_ssize_t high) noexcept
    void transpose_in_32(const float* x, Py_ssize_t x_channel, Py_ssize_t x_row, Py_ssize_t rows,
                         Py_ssize_t low, Py_ssize_t high, float* to, Py_ssize_t width,
                         Py_ssize_t to_row) noexcept
    void transpose_in_64(const double* x, Py_ssize_t x_channel, Py_ssize_t x_row, Py_ssize_t rows,
                         Py_ssize_t low, Py_ssize_t high, double* to, Py_ssize_t width,
                         Py_ssize_t to_row) noexcept
    void transpose_out_32(const float* x, Py_ssize_t n, float* to, Py_ssize_t to_channel) noexcept
    void transpose_out_64(const double* x, Py_ssize_t n, double* to,
                          Py_ssize_t to_channel) noexcept
    void window_32(int code, const float* x, Py_ssize_t row, Py_ssize_t plane, Py_ssize_t depth,
                   Py_ssize_t depths, const float* w, float start, float* to, Py_ssize_t to_row,
                   Py_ssize_t rows, Py_ssize_t n) noexcept
    void window_64(int code, const double* x, Py_ssize_t row, Py_ssize_t plane, Py_ssize_t depth,
                   Py_ssize_t depths, const double* w, double start, double* to, Py_ssize_t to_row,
                   Py_ssize_t rows, Py_ssize_t n) noexcept
    void stride2_32(int code, const float* x, Py_ssize_t row, const float* w, float start,
                    float* to, Py_ssize_t to_row, Py_ssize_t rows, Py_ssize_t n) noexcept
    void stride2_64(int code, const double* x, Py_ssize_t row, const double* w, double start,
                    double* to, Py_ssize_t to_row, Py_ssize_t rows, Py_ssize_t n) noexcept
    void taps_32(const float* x, const Py_ssize_t* tap, const Py_ssize_t* kernel, Py_ssize_t taps,
                 const float* w, float start, float* to, Py_ssize_t n) noexcept
    void taps_64(const double* x, const Py_ssize_t* tap, const Py_ssize_t* kernel, Py_ssize_t taps,
                 const double* w, double start, double* to, Py_ssize_t n) noexcept
    void pixels_32(const float* x, Py_ssize_t x_pixel, Py_ssize_t pixels, const Py_ssize_t* tap,
                   const Py_ssize_t* kernel, Py_ssize_t taps, const float* w, const float* start,
                   float* to, Py_ssize_t to_pixel, Py_ssize_t channels) noexcept
    void pixels_64(const double* x, Py_ssize_t x_pixel, Py_ssize_t pixels, const Py_ssize_t* tap,
                   const Py_ssize_t* kernel, Py_ssize_t taps, const double* w, const double* start,
                   double* to, Py_ssize_t to_pixel, Py_ssize_t channels) noexcept
    void lanes_32(const float* x, Py_ssize_t x_pixel, Py_ssize_t pixels, const Py_ssize_t* tap,
                  const Py_ssize_t* kernel, Py_ssize_t taps, const float* w, const float* start,
                  float* to, Py_ssize_t to_pixel) noexcept
    void lanes_64(const double* x, Py_ssize_t x_pixel, Py_ssize_t pixels, const Py_ssize_t* tap,
                  const Py_ssize_t* kernel, Py_ssize_t taps, const double* w, const double* start,
                  double* to, Py_ssize_t to_pixel) noexcept
    void sliding_32(const slide_t* slide, const float* x, Py_ssize_t low, Py_ssize_t high,
                    const float* w, const float* start, float* to) noexcept
    void sliding_64(const slide_t* slide, const double* x, Py_ssize_t low, Py_ssize_t high,
                    const double* w, const double* start, double* to) noexcept


cdef inline void zero(real* to, Py_ssize_t n) noexcept nogil:
    if real is float:
        zero_32(to, n)
    else:
        zero_64(to, n)

cdef inline void zip_rows(real* to, const real* a, const real* b, Py_ssize_t n) noexcept nogil:
    if real is float:
        zip_32(to, a, b, n)
    else:
        zip_64(to, a, b, n)

cdef inline void weave(real* to, const real** a, Py_ssize_t step, Py_ssize_t n) noexcept nogil:
    if real is float:
        weave_32(to, a, step, n)
    else:
        weave_64(to, a, step, n)

cdef inline void lines(real* to, Py_ssize_t to_row, Py_ssize_t rows, Py_ssize_t length,
                       const real* x, Py_ssize_t x_row, Py_ssize_t first, Py_ssize_t end,
                       Py_ssize_t step, Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    if real is float:
        lines_32(to, to_row, rows, length, x, x_row, first, end, step, low, high)
    else:
        lines_64(to, to_row, rows, length, x, x_row, first, end, step, low, high)

cdef inline void transpose_in(const real* x, Py_ssize_t x_channel, Py_ssize_t x_row,
                              Py_ssize_t rows, Py_ssize_t low, Py_ssize_t high, real* to,
                              Py_ssize_t width, Py_ssize_t to_row) noexcept nogil:
    if real is float:
        transpose_in_32(x, x_channel, x_row, rows, low, high, to, width, to_row)
    else:
        transpose_in_64(x, x_channel, x_row, rows, low, high, to, width, to_row)

cdef inline void transpose_out(const real* x, Py_ssize_t n, real* to,
                               Py_ssize_t to_channel) noexcept nogil:
    if real is float:
        transpose_out_32(x, n, to, to_channel)
    else:
        transpose_out_64(x, n, to, to_channel)

cdef inline void window(int code, const real* x, Py_ssize_t row, Py_ssize_t plane, Py_ssize_t depth,
                        Py_ssize_t depths, const real* w, real start, real* to, Py_ssize_t to_row,
                        Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    if real is float:
        window_32(code, x, row, plane, depth, depths, w, start, to, to_row, rows, n)
    else:
        window_64(code, x, row, plane, depth, depths, w, start, to, to_row, rows, n)
cdef inline void stride2(int code, const real* x, Py_ssize_t row, const real* w, real start,
                         real* to, Py_ssize_t to_row, Py_ssize_t rows,
                         Py_ssize_t n) noexcept nogil:
    if real is float:
        stride2_32(code, x, row, w, start, to, to_row, rows, n)
    else:
        stride2_64(code, x, row, w, start, to, to_row, rows, n)

cdef inline void taps_row(const real* x, const Py_ssize_t* tap, const Py_ssize_t* kernel,
                          Py_ssize_t taps, const real* w, real start, real* to,
                          Py_ssize_t n) noexcept nogil:
    if real is float:
        taps_32(x, tap, kernel, taps, w, start, to, n)
    else:
        taps_64(x, tap, kernel, taps, w, start, to, n)

cdef inline void pixels(const real* x, Py_ssize_t x_pixel, Py_ssize_t pixels,
                        const Py_ssize_t* tap, const Py_ssize_t* kernel, Py_ssize_t taps,
                        const real* w, const real* start, real* to, Py_ssize_t to_pixel,
                        Py_ssize_t channels) noexcept nogil:
    if real is float:
        pixels_32(x, x_pixel, pixels, tap, kernel, taps, w, start, to, to_pixel, channels)
    else:
        pixels_64(x, x_pixel, pixels, tap, kernel, taps, w, start, to, to_pixel, channels)

cdef inline void lanes(const real* x, Py_ssize_t x_pixel, Py_ssize_t pixels, const Py_ssize_t* tap,
                       const Py_ssize_t* kernel, Py_ssize_t taps, const real* w, const real* start,
                       real* to, Py_ssize_t to_pixel) noexcept nogil:
    if real is float:
        lanes_32(x, x_pixel, pixels, tap, kernel, taps, w, start, to, to_pixel)
    else:
        lanes_64(x, x_pixel, pixels, tap, kernel, taps, w, start, to, to_pixel)

cdef inline void sliding(const slide_t* slide, const real* x, Py_ssize_t low, Py_ssize_t high,
                         const real* w, const real* start, real* to) noexcept nogil:
    if real is float:
        sliding_32(slide, x, low, high, w, start, to)
    else:
        sliding_64(slide, x, low, high, w, start, to)
