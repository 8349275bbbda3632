"""Rows: the passes one after the other, for a strip of some rows."""

from libc.stdint cimport int16_t, uint8_t
from libc.string cimport memcpy

from check cimport UPSHAPE_CHECK
from phases cimport fetch_row
from rows cimport Place, Rows, place_of, step

# Bytes of a row that are asked for at once.
cdef enum:
    FETCHED = 512


cdef void deepen(Plane* p, const Table* t, const Rows* rows, Desk* desk, Py_ssize_t first,
                 Py_ssize_t last, pixel_t* like, work_t like_too) noexcept nogil:
    """Have the lines of the source rows `first` to `last` - 1 made, each of several planes."""
    cdef Py_ssize_t count = (p.high - p.low) * t.channels, k, h
    cdef const char* from_ = p.source + t.d.first[p.d] * rows.src_d + (
        p.low * t.channels * <Py_ssize_t>sizeof(pixel_t))
    UPSHAPE_CHECK(0 <= p.d < t.d.count and count <= t.longest_source)
    UPSHAPE_CHECK(t.d.taps[p.d] == 0 or 0 <= t.d.first[p.d]
                  and t.d.first[p.d] + t.d.taps[p.d] <= t.d.source)
    UPSHAPE_CHECK(0 <= first and last <= t.h.source)
    if first < p.made_from or first > p.made_to:
        p.made_from = p.made_to = first
    for h in range(p.made_to, last):
        for k in range(t.d.taps[p.d]):
            desk.row[k] = from_ + k * rows.src_d + h * rows.src_h
        blend(<work_t*>desk.deep + h % t.deep_ring * t.longest_source, <const pixel_t**>desk.row,
              &t.d, p.d, count)
    p.made_to = max(p.made_to, last)
    p.made_from = max(p.made_from, p.made_to - t.deep_ring)


cdef inline const char* source_row(const Plane* p, const Table* t, const Rows* rows,
                                   const Desk* desk, Py_ssize_t h, pixel_t* like,
                                   work_t like_too) noexcept nogil:
    """Return a source row's strip: a line where planes were blended, else as it stands."""
    UPSHAPE_CHECK(0 <= h < t.h.source and 0 <= p.low <= p.high <= t.w.source)
    UPSHAPE_CHECK(t.d.copied or p.made_from <= h < p.made_to)
    if t.d.copied:
        return p.source + h * rows.src_h + p.low * t.channels * <Py_ssize_t>sizeof(pixel_t)
    return <const char*>(<work_t*>desk.deep + h % t.deep_ring * t.longest_source)


cdef void grow_strip(pixel_t* to, Plane* p, const Table* t, const Rows* rows, Desk* desk,
                     Py_ssize_t h, Py_ssize_t end, work_t like) noexcept nogil:
    """Make a strip of the rows `h` to `end` - 1 of a plane: across, then down.

    Taps beyond the first and the last row of the source are those rows, once more.
    """
    cdef Py_ssize_t made_from = 0, made_to = 0, wanted = 0, k, g, first, last, taps, count
    cdef Py_ssize_t length = (p.last - p.first) * t.channels
    cdef work_t* ring = <work_t*>desk.ring
    cdef work_t* line
    cdef work_t* lines[MOST_LANES]
    cdef const char* from_[MOST_LANES]
    for k in range(h, end):
        wanted = max(wanted, min(t.h.first[k] + t.h.taps[k], t.h.source))
    for h in range(h, end):
        taps = t.h.taps[h]
        first = max(t.h.first[h], 0)
        last = min(t.h.first[h] + taps, t.h.source)
        if taps > 0 and (first < made_from or first > made_to):
            made_from = made_to = first
        while taps > 0 and made_to < last:
            count = min(t.group, wanted - made_to)
            if not t.d.copied:
                deepen(p, t, rows, desk, made_to, made_to + count, <pixel_t*>NULL, like)
            for g in range(count):
                from_[g] = source_row(p, t, rows, desk, made_to + g, <pixel_t*>NULL, like)
                lines[g] = ring + (made_to + g) % t.ring * t.longest
            if t.d.copied:
                across(lines, from_, p, t, desk, count, <pixel_t*>NULL, like)
            else:
                across(lines, from_, p, t, desk, count, <work_t*>NULL, like)
            made_to += count
            made_from = max(made_from, made_to - t.ring)
        g = first % t.ring
        UPSHAPE_CHECK(taps == 0 or made_from <= first < last <= made_to)
        UPSHAPE_CHECK(taps <= t.ring and length <= t.longest)
        for k in range(taps):
            desk.row[k] = <const char*>(ring + g * t.longest)
            if first <= t.h.first[h] + k < last - 1:
                g = g + 1 if g + 1 < t.ring else 0
        line = line_of(to, <work_t*>desk.line, t, desk.stage)
        blend(line, <const work_t**>desk.row, &t.h, h, length)
        if t.rounded:
            make_whole(line, length)
        if work_t is float:
            if t.mended == EXACT:
                mend_exact(line, <const float**>desk.row, t, h, p.first * t.channels, length)
            elif t.mended != LEFT:
                mend_means(line, <const uint8_t*>p.source, rows.src_h, t, h, p.first, length)
        put(to, line, length, t, desk.stage)
        to = <pixel_t*>(<char*>to + rows.dst_h)


cdef inline void down_fetching(work_t* line, const Plane* p, const Table* t, const Rows* rows,
                               Desk* desk, Py_ssize_t h, Py_ssize_t count,
                               pixel_t* like) noexcept nogil:
    """Sum rows of the source, a piece at a time: before it, ask for that of the rows behind.

    These are what the next row needs besides. All at once would be more than memory answers.
    """
    cdef Py_ssize_t element = <Py_ssize_t>sizeof(pixel_t), some, k
    cdef Py_ssize_t first = t.h.first[h] + t.h.taps[h]
    cdef Py_ssize_t last = t.h.first[h + 1] + t.h.taps[h + 1] if h + 1 < t.h.count else 0
    # Behind the last row is none, and none is asked for.
    cdef const char* behind = source_row(p, t, rows, desk, min(first, t.h.source - 1), like,
                                         <work_t>0)
    while count > 0:
        some = FETCHED // element if count >= 2 * FETCHED // element else count
        for k in range(last - first):
            fetch_row(behind + k * rows.src_h, some * element)
        blend(line, <const pixel_t**>desk.row, &t.h, h, some)
        for k in range(t.h.taps[h]):
            desk.row[k] += some * element
        line += some
        behind += some * element
        count -= some


cdef void down(Plane* p, const Table* t, const Rows* rows, Desk* desk, Py_ssize_t h, work_t* line,
               pixel_t* like) noexcept nogil:
    """Make a line of the source's strip: the rows of the source that a row is made of, summed."""
    cdef Py_ssize_t first = t.h.first[h], taps = t.h.taps[h], k
    cdef Py_ssize_t count = (p.high - p.low) * t.channels
    if not t.d.copied and taps > 0:
        deepen(p, t, rows, desk, first, first + taps, like, <work_t>0)
    for k in range(taps):
        desk.row[k] = source_row(p, t, rows, desk, first + k, like, <work_t>0)
    if t.d.copied:
        down_fetching(line, p, t, rows, desk, h, count, like)
    elif t.h.copied:
        memcpy(line, desk.row[0], count * sizeof(work_t))
    else:
        blend(line, <const work_t**>desk.row, &t.h, h, count)
    if t.rounded:
        make_whole(line, count)


cdef inline Plane plane_of(const Table* t, const Rows* rows, const Place* at, const char* source,
                           char* to, Py_ssize_t strip) noexcept nogil:
    cdef Plane p
    p.source = source + at.n * rows.src_n + at.m * rows.src_m
    if t.d.copied:
        p.source += at.d * rows.src_d
    p.result = to + at.n * rows.dst_n + at.m * rows.dst_m + at.d * rows.dst_d
    p.d = at.d
    p.first = t.strip[3 * strip]
    p.last = t.strip[3 * strip + 3]
    p.low = t.strip[3 * strip + 1]
    p.high = t.strip[3 * strip + 2]
    p.made_from = p.made_to = 0
    return p


cdef inline void move(Plane* p, const Table* t, const Rows* rows, const Place* at,
                      const char* source, char* to) noexcept nogil:
    """Go to another plane, unless it is the same one."""
    cdef Plane new = plane_of(t, rows, at, source, to, 0)
    if new.source != p.source or new.d != p.d:
        p.made_from = p.made_to = 0
    p.source = new.source
    p.result = new.result
    p.d = new.d


cdef void shrink_strip(pixel_t* to, const char* source, const Table* t, const Rows* rows,
                       Desk* desk, Py_ssize_t first, Py_ssize_t last, Py_ssize_t strip,
                       work_t like) noexcept nogil:
    """Make a strip of the rows `first` to `last` - 1: down, then across."""
    cdef Place at = place_of(rows, first)
    cdef Plane p = plane_of(t, rows, &at, source, <char*>to, strip)
    cdef Py_ssize_t skip = p.first * t.spacing * <Py_ssize_t>sizeof(pixel_t), count, g
    cdef Py_ssize_t length = (p.last - p.first) * t.channels
    cdef work_t* line
    cdef work_t* lines[MOST_LANES]
    cdef pixel_t* result[MOST_LANES]
    cdef const char* from_[MOST_LANES]
    cdef const char* plane[MOST_LANES]
    cdef Py_ssize_t h[MOST_LANES]
    while first < last:
        count = min(t.group, last - first)
        UPSHAPE_CHECK(count <= MOST_LANES and length <= t.longest)
        for g in range(count):
            move(&p, t, rows, &at, source, <char*>to)
            plane[g] = p.source
            h[g] = at.h
            result[g] = <pixel_t*>(p.result + at.h * rows.dst_h + skip)
            lines[g] = line_of(result[g], <work_t*>desk.line + g * t.longest, t, desk.stage)
            line = <work_t*>desk.ring + g * t.longest_source
            if t.w.copied:
                down(&p, t, rows, desk, at.h, lines[g], <pixel_t*>NULL)
            elif not t.h.copied:
                down(&p, t, rows, desk, at.h, line, <pixel_t*>NULL)
                from_[g] = <const char*>line
            elif not t.d.copied:
                deepen(&p, t, rows, desk, at.h, at.h + 1, <pixel_t*>NULL, like)
                from_[g] = source_row(&p, t, rows, desk, at.h, <pixel_t*>NULL, like)
            else:
                from_[g] = source_row(&p, t, rows, desk, at.h, <pixel_t*>NULL, like)
            step(rows, &at, 1)
        if not t.w.copied:
            if t.h.copied and t.d.copied:
                across(lines, from_, &p, t, desk, count, <pixel_t*>NULL, like)
            else:
                across(lines, from_, &p, t, desk, count, <work_t*>NULL, like)
        for g in range(count):
            if work_t is float:
                if t.mended != LEFT:
                    mend_means(lines[g], <const uint8_t*>plane[g], rows.src_h, t, h[g], p.first,
                               length)
            put(result[g], lines[g], length, t, desk.stage)
        first += count


cdef void halve_strip(pixel_t* to, const char* source, const Table* t, const Rows* rows,
                      Desk* desk, Py_ssize_t first, Py_ssize_t last, Py_ssize_t strip,
                      work_t like) noexcept nogil:
    """Make a strip of the rows `first` to `last` - 1."""
    cdef Place at = place_of(rows, first)
    cdef Plane p = plane_of(t, rows, &at, source, <char*>to, strip)
    cdef Py_ssize_t length = (p.last - p.first) * t.channels, ahead, k
    cdef pixel_t* result
    cdef work_t* line
    cdef const char* row
    while first < last:
        move(&p, t, rows, &at, source, <char*>to)
        result = <pixel_t*>(p.result + at.h * rows.dst_h) + p.first * t.spacing
        line = line_of(result, <work_t*>desk.line, t, desk.stage)
        row = source_row(&p, t, rows, desk, t.h.first[at.h], result, like)
        ahead = 2 * rows.src_h if at.h + 1 < t.h.count else 0
        if work_t is int16_t:
            halve_bytes(line, <const uint8_t*>row, <const uint8_t*>(row + rows.src_h), length,
                        t.channels, ahead)
            if t.h.way == FLOORED:
                for k in range(length):
                    line[k] = 2 * line[k] + 1
        else:
            halve_reals(line, <const pixel_t*>row, <const pixel_t*>(row + rows.src_h), length,
                        t.channels, ahead)
        put(result, line, length, t, desk.stage)
        step(rows, &at, 1)
        first += 1
