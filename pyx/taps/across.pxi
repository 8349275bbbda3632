"""Across: which of the ways takes rows there, and those that need no transpose."""

from libc.math cimport floor
from libc.stdint cimport int16_t, uint8_t

from check cimport UPSHAPE_CHECK
from couples cimport spread_couples
from phases cimport put_together, take_apart
from shorts cimport UPSHAPE_SHORTS, lift, store_shorts, widen_to_shorts


cdef void spread_channels(work_t* to, const pixel_t* row, const Axis* w, Py_ssize_t channels,
                          Py_ssize_t first, Py_ssize_t last, const char** taps) noexcept nogil:
    """Make the pixels `first` to `last` - 1 of one row of pixels of many channels."""
    cdef Py_ssize_t x, k
    for x in range(first, last):
        for k in range(w.taps[x]):
            taps[k] = <const char*>(row + (w.first[x] + k) * channels)
        blend(to, <const pixel_t**>taps, w, x, channels)
        to += channels


cdef void lift_row(int16_t* lifted, const uint8_t* row, Py_ssize_t count, int by) noexcept nogil:
    """Widen bytes and multiply them with 2^by."""
    cdef Py_ssize_t j = 0
    while j + UPSHAPE_SHORTS <= count:
        store_shorts(lifted + j, lift(widen_to_shorts(row + j), by))
        j += UPSHAPE_SHORTS
    for j in range(j, count):
        lifted[j] = <int16_t>row[j] << by


cdef void spread_phases(work_t* to, const pixel_t* row, const Plane* p, const Table* t,
                        Desk* desk) noexcept nogil:
    """Make a strip of one row whose table repeats itself: each phase a sum of the source's."""
    cdef const Axis* w = &t.w
    cdef Py_ssize_t channels = t.channels, pixel = channels * <Py_ssize_t>sizeof(pixel_t)
    cdef Py_ssize_t begin = (max(p.first, t.regular_from) + t.period - 1) // t.period * t.period
    cdef Py_ssize_t count = (min(p.last, t.regular_to) - begin) // t.period
    cdef Py_ssize_t end = begin + count * t.period, base, reach = 0, j, k, at
    cdef const char* from_
    cdef work_t* made
    if min(p.last, t.regular_to) - begin < t.period:
        spread_row(to, row, w, channels, p.first, p.last)
        return
    spread_row(to, row, w, channels, p.first, begin)
    spread_row(to + (end - p.first) * channels, row, w, channels, end, p.last)
    to += (begin - p.first) * channels
    base = w.first[begin]
    for j in range(begin, begin + t.period):
        base = min(base, w.first[j])
        reach = max(reach, w.first[j] + w.taps[j])
    from_ = <const char*>(row + base * channels)
    if t.step > 1:
        take_apart(desk.phases, t.phase_source, from_, reach - base + (count - 1) * t.step, t.step,
                   pixel)
    for j in range(t.period):
        for k in range(w.taps[begin + j]):
            at = w.first[begin + j] - base + k
            desk.row[k] = from_ + at * pixel if t.step == 1 else (
                desk.phases + at % t.step * t.phase_source + at // t.step * pixel)
        made = to if t.period == 1 else <work_t*>(desk.phases_made + j * t.phase_result)
        blend(made, <const pixel_t**>desk.row, w, begin + j, count * channels)
    if t.period > 1:
        put_together(<char*>to, desk.phases_made, t.phase_result, count, t.period,
                     channels * <Py_ssize_t>sizeof(work_t))


cdef void make_whole(work_t* line, Py_ssize_t count) noexcept nogil:
    """Round a line to bytes, halves up; in fixed point it is so already."""
    cdef Py_ssize_t j
    if work_t is not int16_t:
        for j in range(count):
            line[j] = min(max(floor(line[j] + <work_t>0.5), <work_t>0), <work_t>255)


cdef inline bint stays_in_strip(const Axis* w, const Plane* p) noexcept nogil:
    """Whether the taps of a strip's pixels are in the stretch of the source that it has."""
    cdef Py_ssize_t x
    for x in range(p.first, p.last):
        if w.taps[x] > 0 and not p.low <= w.first[x] <= p.high - w.taps[x]:
            return False
    return 0 <= p.first <= p.last <= w.count


cdef void across(work_t** to, const char** row, const Plane* p, const Table* t, Desk* desk,
                 Py_ssize_t count, pixel_t* like, work_t like_too) noexcept nogil:
    """Take a strip of `count` rows across, each to a line."""
    cdef Py_ssize_t lanes = lanes_of(<work_t>0), g
    cdef Py_ssize_t skip = p.low * t.channels, elements = (p.high - p.low) * t.channels
    cdef work_t* transposed = <work_t*>desk.transposed
    cdef const int16_t* quad_row[2]
    UPSHAPE_CHECK(0 < count <= MOST_LANES and elements <= t.longest_source)
    UPSHAPE_CHECK(stays_in_strip(&t.w, p))
    if t.coupled and 4 * count > lanes:
        if work_t is int16_t and pixel_t is uint8_t:
            for g in range(count, lanes):  # rows that nobody wants
                row[g] = row[0]
                to[g] = <work_t*>desk.line + lanes * t.longest
            couple_rows(transposed, <const uint8_t**>row, elements,
                        (t.w.source - p.low) * t.channels, &t.coupling)
            spread_couples(to, transposed, &t.w.couples, t.channels, p.first, p.last, p.low // 2)
    elif t.quads:
        if work_t is int16_t:
            for g in range(2):
                if g >= count:
                    row[g] = row[0]
                    to[g] = <work_t*>desk.line + t.group * t.longest
                if pixel_t is uint8_t:
                    lift_row(<int16_t*>transposed + g * t.longest_source, <const uint8_t*>row[g],
                             elements, t.w.lift)
                    quad_row[g] = <int16_t*>transposed + g * t.longest_source - skip
                else:
                    quad_row[g] = <const int16_t*>row[g] - skip
            spread_quads(to, quad_row, &t.w, p.first, p.last)
    elif t.transposed and 4 * count > lanes:
        for g in range(count, lanes):  # rows that nobody wants
            row[g] = row[0]
            to[g] = <work_t*>desk.line + lanes * t.longest
        if work_t is int16_t:
            transpose_fixed(transposed, <const pixel_t**>row, elements, t.w.lift)
            spread_fixed(to, transposed, &t.w, t.channels, p.first, p.last, p.low)
        else:
            transpose(transposed, <const pixel_t**>row, elements)
            spread(to, transposed, &t.w, t.channels, p.first, p.last, p.low)
    elif t.period > 0:
        for g in range(count):
            if pixel_t is uint8_t and work_t is int16_t and t.w.way == ROUNDED:
                # Each byte is taken by several taps of several phases.
                lift_row(<int16_t*>transposed, <const uint8_t*>row[g], elements, t.w.lift)
                spread_phases(to[g], <const int16_t*>transposed - skip, p, t, desk)
            else:
                spread_phases(to[g], <const pixel_t*>row[g] - skip, p, t, desk)
    elif t.transposed or t.coupled or t.channels < lanes:
        for g in range(count):
            spread_row(to[g], <const pixel_t*>row[g] - skip, &t.w, t.channels, p.first, p.last)
    else:
        for g in range(count):
            spread_channels(to[g], <const pixel_t*>row[g] - skip, &t.w, t.channels, p.first,
                            p.last, desk.row)
    if t.rounded:
        for g in range(count):
            make_whole(to[g], (p.last - p.first) * t.channels)
