"""Cython's view of tile.h: one function for both types where C has one for each."""

ctypedef fused real:
    float
    double

cdef extern from "tile.h" nogil:
    enum:
        UPSHAPE_VECTOR_BYTES
        UPSHAPE_TILE_ROWS
        UPSHAPE_TILE_REGISTERS
        UPSHAPE_TILE_PIXELS
        UPSHAPE_TILE_VECTORS
        UPSHAPE_TILE_MISSING
        UPSHAPE_TILE_SHIFTED
        UPSHAPE_TILE_NARROW
        UPSHAPE_PIECE_CYCLES
        UPSHAPE_PIECE_STEP
        UPSHAPE_PLANE_STEP
        UPSHAPE_PAIRS
        UPSHAPE_HAS_MASKS
    ctypedef struct piece_t "upshape_piece":
        Py_ssize_t source, target
        int lines
    ctypedef struct paired_t "upshape_paired":
        const Py_ssize_t* first
        const Py_ssize_t* second
        Py_ssize_t taps, channels
        Py_ssize_t x_channel, c_row
        int pairs
    ctypedef struct term_t "upshape_term":
        const void* products
        Py_ssize_t low
    void prefetch "upshape_prefetch"(const void* line) noexcept
    void prefetch_to_write "upshape_prefetch_to_write"(const void* line) noexcept
    void tile_pixels_32(int nb, int nv, const float* x, Py_ssize_t x_channel,
                        const Py_ssize_t* tap, Py_ssize_t taps, Py_ssize_t channels,
                        const float* w, const float* init, float* c, Py_ssize_t c_row) noexcept
    void tile_pixels_64(int nb, int nv, const double* x, Py_ssize_t x_channel,
                        const Py_ssize_t* tap, Py_ssize_t taps, Py_ssize_t channels,
                        const double* w, const double* init, double* c, Py_ssize_t c_row) noexcept
    void tile_channels_32(int mb, int nv, float** x, Py_ssize_t x_channel, const Py_ssize_t* tap,
                          Py_ssize_t taps, Py_ssize_t channels, const float* w, const float* init,
                          float* c) noexcept
    void tile_channels_64(int mb, int nv, double** x, Py_ssize_t x_channel, const Py_ssize_t* tap,
                          Py_ssize_t taps, Py_ssize_t channels, const double* w,
                          const double* init, double* c) noexcept
    void tile_pairs_32(int nv, const paired_t* row, const float* x, const float* w,
                       const float* init, float* c, float** to, Py_ssize_t n) noexcept
    void tile_pairs_64(int nv, const paired_t* row, const double* x, const double* w,
                       const double* init, double* c, double** to, Py_ssize_t n) noexcept
    void piece_32(piece_t* piece, Py_ssize_t low, Py_ssize_t high, Py_ssize_t n) noexcept
    void piece_64(piece_t* piece, Py_ssize_t low, Py_ssize_t high, Py_ssize_t n) noexcept
    void pieces_32(float* to, const float* x, Py_ssize_t step, const piece_t* pieces,
                   Py_ssize_t count) noexcept
    void pieces_64(double* to, const double* x, Py_ssize_t step, const piece_t* pieces,
                   Py_ssize_t count) noexcept
    void planes_32(float* to, Py_ssize_t to_row, Py_ssize_t plane, const float* x,
                   Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t step, Py_ssize_t planes,
                   Py_ssize_t low, Py_ssize_t high, Py_ssize_t n, Py_ssize_t ahead) noexcept
    void planes_64(double* to, Py_ssize_t to_row, Py_ssize_t plane, const double* x,
                   Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t step, Py_ssize_t planes,
                   Py_ssize_t low, Py_ssize_t high, Py_ssize_t n, Py_ssize_t ahead) noexcept
    void add_up_32(float* to, float start, const term_t* terms, int count, Py_ssize_t width,
                   Py_ssize_t n) noexcept
    void add_up_64(double* to, double start, const term_t* terms, int count, Py_ssize_t width,
                   Py_ssize_t n) noexcept
    void transpose_rows_32(float* to, Py_ssize_t to_row, const float* c, Py_ssize_t rows,
                           Py_ssize_t columns) noexcept
    void transpose_rows_64(double* to, Py_ssize_t to_row, const double* c, Py_ssize_t rows,
                           Py_ssize_t columns) noexcept
    void zip_32(float* to, const float* a, const float* b, Py_ssize_t n) noexcept
    void zip_64(double* to, const double* a, const double* b, Py_ssize_t n) noexcept
    void weave_32(float* to, const float** a, Py_ssize_t step, Py_ssize_t n) noexcept
    void weave_64(double* to, const double** a, Py_ssize_t step, Py_ssize_t n) noexcept
    void interleave_rows_32(float* to, Py_ssize_t to_row, const float** a, const Py_ssize_t* place,
                            Py_ssize_t at, Py_ssize_t apart, Py_ssize_t step, Py_ssize_t n,
                            Py_ssize_t rows) noexcept
    void interleave_rows_64(double* to, Py_ssize_t to_row, const double** a,
                            const Py_ssize_t* place, Py_ssize_t at, Py_ssize_t apart,
                            Py_ssize_t step, Py_ssize_t n, Py_ssize_t rows) noexcept
    void fill_rows_32(float* to, Py_ssize_t to_row, float value, Py_ssize_t n,
                      Py_ssize_t rows) noexcept
    void fill_rows_64(double* to, Py_ssize_t to_row, double value, Py_ssize_t n,
                      Py_ssize_t rows) noexcept
    void move_32(float* to, const float* a, Py_ssize_t n) noexcept
    void move_64(double* to, const double* a, Py_ssize_t n) noexcept
    void fill_32(float* to, float value, Py_ssize_t n) noexcept
    void fill_64(double* to, double value, Py_ssize_t n) noexcept
    void zero_32(float* to, Py_ssize_t n) noexcept
    void zero_64(double* to, Py_ssize_t n) noexcept


cdef inline void tile_pixels(int nb, int nv, const real* x, Py_ssize_t x_channel,
                             const Py_ssize_t* tap, Py_ssize_t taps, Py_ssize_t channels,
                             const real* w, const real* init, real* c,
                             Py_ssize_t c_row) noexcept nogil:
    if real is float:
        tile_pixels_32(nb, nv, x, x_channel, tap, taps, channels, w, init, c, c_row)
    else:
        tile_pixels_64(nb, nv, x, x_channel, tap, taps, channels, w, init, c, c_row)


cdef inline void tile_channels(int mb, int nv, real** x, Py_ssize_t x_channel,
                               const Py_ssize_t* tap, Py_ssize_t taps, Py_ssize_t channels,
                               const real* w, const real* init, real* c) noexcept nogil:
    if real is float:
        tile_channels_32(mb, nv, x, x_channel, tap, taps, channels, w, init, c)
    else:
        tile_channels_64(mb, nv, x, x_channel, tap, taps, channels, w, init, c)


cdef inline void tile_pairs(int nv, const paired_t* row, const real* x, const real* w,
                            const real* init, real* c, real** to, Py_ssize_t n) noexcept nogil:
    if real is float:
        tile_pairs_32(nv, row, x, w, init, c, to, n)
    else:
        tile_pairs_64(nv, row, x, w, init, c, to, n)


cdef inline void piece(piece_t* piece, Py_ssize_t low, Py_ssize_t high, Py_ssize_t n,
                       const real* kind) noexcept nogil:
    if real is float:
        piece_32(piece, low, high, n)
    else:
        piece_64(piece, low, high, n)


cdef inline void pieces(real* to, const real* x, Py_ssize_t step, const piece_t* pieces,
                        Py_ssize_t count) noexcept nogil:
    if real is float:
        pieces_32(to, x, step, pieces, count)
    else:
        pieces_64(to, x, step, pieces, count)


cdef inline void planes(real* to, Py_ssize_t to_row, Py_ssize_t plane, const real* x,
                        Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t step, Py_ssize_t planes,
                        Py_ssize_t low, Py_ssize_t high, Py_ssize_t n,
                        Py_ssize_t ahead) noexcept nogil:
    if real is float:
        planes_32(to, to_row, plane, x, x_row, rows, step, planes, low, high, n, ahead)
    else:
        planes_64(to, to_row, plane, x, x_row, rows, step, planes, low, high, n, ahead)


cdef inline void add_up(real* to, real start, const term_t* terms, int count, Py_ssize_t width,
                        Py_ssize_t n) noexcept nogil:
    if real is float:
        add_up_32(to, start, terms, count, width, n)
    else:
        add_up_64(to, start, terms, count, width, n)


cdef inline void transpose_rows(real* to, Py_ssize_t to_row, const real* c, Py_ssize_t rows,
                                Py_ssize_t columns) noexcept nogil:
    if real is float:
        transpose_rows_32(to, to_row, c, rows, columns)
    else:
        transpose_rows_64(to, to_row, c, rows, columns)


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


cdef inline void interleave_rows(real* to, Py_ssize_t to_row, const real** a,
                                 const Py_ssize_t* place, Py_ssize_t at, Py_ssize_t apart,
                                 Py_ssize_t step, Py_ssize_t n, Py_ssize_t rows) noexcept nogil:
    if real is float:
        interleave_rows_32(to, to_row, a, place, at, apart, step, n, rows)
    else:
        interleave_rows_64(to, to_row, a, place, at, apart, step, n, rows)


cdef inline void fill_rows(real* to, Py_ssize_t to_row, real value, Py_ssize_t n,
                           Py_ssize_t rows) noexcept nogil:
    if real is float:
        fill_rows_32(to, to_row, value, n, rows)
    else:
        fill_rows_64(to, to_row, value, n, rows)


cdef inline void move(real* to, const real* a, Py_ssize_t n) noexcept nogil:
    if real is float:
        move_32(to, a, n)
    else:
        move_64(to, a, n)


cdef inline void fill_row(real* to, real value, Py_ssize_t n) noexcept nogil:
    if real is float:
        fill_32(to, value, n)
    else:
        fill_64(to, value, n)


cdef inline void zero(real* to, Py_ssize_t n) noexcept nogil:
    if real is float:
        zero_32(to, n)
    else:
        zero_64(to, n)
