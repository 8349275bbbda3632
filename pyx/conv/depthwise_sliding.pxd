"""Windows of a depthwise layer that slide along a row: vectors of channels, transposed or not."""

from check cimport UPSHAPE_CHECK
from depthwise_layer cimport Blocking, Layer
from depthwise_tiles cimport real, slide_t, sliding


cdef inline void sliding_row(const Layer* layer, const Blocking* plan, const slide_t* slide,
                             const real* x, const real* w, const real* bias,
                             real* to) noexcept nogil:
    """Make the pixels from `first` to before `end` of a row, `many` at a time: as many or more.

    x: pixel 0 of the rows that are read, were their taps 0; to: pixel `first`.
    """
    cdef Py_ssize_t q = slide.first, ix, low, high, step = layer.x.input_step, many = slide.many
    UPSHAPE_CHECK(0 < many <= slide.end - slide.first)
    while q < slide.end:
        # The last pixels may be made twice.
        q = min(q, slide.end - many)
        ix = q * step + layer.x.first
        low, high = max(-ix, 0), min(plan.size.x - ix, step * (many - 1) + layer.x.span)
        sliding(slide, x + ix * slide.pixel, low, high, w, bias,
                to + (q - slide.first) * slide.to_pixel)
        q += many
