"""The sums on their way into the result.

rows        Sums that are rows of pixels: the phases of a row are interleaved, phases that no tap
            reaches get the bias.
pixels      Vectors of lanes that are neighbours in the result: they are moved there (channels-last,
            or the phases of a wide stride).
transposed  Vectors of channels become rows of pixels, and are placed as these.
col2im      Products wait until all that land on a row of the result are there, and are added up, in
            the order of the kernel's indices.

`out` is the first element of the result of a group (OUT), `bias` what its sums begin with (IN).
"""

from check cimport UPSHAPE_CHECK
from layer cimport (
    PHASES,
    TRANSPOSED,
    Block,
    Blocking,
    Layer,
    Run,
    first_lane,
    up,
)
from tile cimport (
    UPSHAPE_HAS_MASKS,
    add_up,
    fill_row,
    fill_rows,
    interleave_rows,
    move,
    prefetch_to_write,
    real,
    term_t,
    weave,
    zip_rows,
)

cdef enum:
    MOST_TERMS = 128  # taps of a kernel whose products are added up
    MOST_WOVEN = 4  # phases that a row is interleaved of, vector by vector
    CACHE_LINE = 64


cdef inline Py_ssize_t woven_steps(const Layer* layer, const Blocking* plan) noexcept nogil:
    """Return up to which output step a row is woven, vector by vector, of its phases.

    Without masks a row of less than a vector is placed pixel by pixel in less time than woven.
    """
    if not UPSHAPE_HAS_MASKS and (
            plan.qx * (layer.sx if 2 * layer.x_phases >= layer.sx else 1) < plan.vector):
        return 2
    return MOST_WOVEN


cdef inline real* result_at(const Layer* layer, const Blocking* plan, real* out, Py_ssize_t n,
                            Py_ssize_t co, Py_ssize_t oz, Py_ssize_t oy,
                            Py_ssize_t ox) noexcept nogil:
    """Return where a pixel of the result is."""
    UPSHAPE_CHECK(0 <= co < layer.co)
    UPSHAPE_CHECK(0 <= n < plan.n)
    UPSHAPE_CHECK(0 <= oz < plan.dout)
    UPSHAPE_CHECK(0 <= oy < plan.ho)
    UPSHAPE_CHECK(0 <= ox < plan.wo)
    return out + n * plan.on + co * plan.oc + oz * plan.oz + oy * plan.oy + ox * plan.ox


cdef inline void fill(real* to, Py_ssize_t step, real value, Py_ssize_t n) noexcept nogil:
    """Write a value so many times, `step` elements apart."""
    cdef Py_ssize_t j
    if step != 1:
        for j in range(n):
            to[j * step] = value
    else:
        fill_row[real](to, value, n)


# --- rows ----------------------------------------------------------------------------------------

cdef inline void ask_for_rows(const Layer* layer, const Blocking* plan, const Block* block,
                              Py_ssize_t first_co, Py_ssize_t row, Py_ssize_t end,
                              const real* out) noexcept nogil:
    """Have the cache fetch these rows of a chunk's result, counted as place_rows places them."""
    cdef Py_ssize_t oz, oy, j, length, rest
    cdef const real* to
    cdef const Run* run
    for row in range(row, end):
        run = block.runs + row % block.count
        rest = row // block.count
        oz = run.qz * layer.sz + layer.row_phase_z[rest % layer.row_phases]
        oy = run.qy * layer.sy + layer.row_phase_y[rest % layer.row_phases]
        if oz < plan.dout and oy < plan.ho:
            to = (out + run.n * plan.on + (first_co + rest // layer.row_phases) * plan.oc
                  + oz * plan.oz + oy * plan.oy + run.qx * layer.sx)
            length = run.length
            if layer.sx > 1:
                length = min(length, up(plan.wo - run.qx * layer.sx, layer.sx))
            j = 0
            while j < length * layer.sx:
                prefetch_to_write(to + j)
                j += CACHE_LINE // <Py_ssize_t>sizeof(real)


cdef inline void place_rows(const Layer* layer, const Blocking* plan, const Block* block,
                            Py_ssize_t chunk, const real* sums, const real* bias, real* gap,
                            real* out) noexcept nogil:
    """Place the sums of a chunk, the phases of a row interleaved.

    `gap`: room for a line of the bias.
    """
    cdef Py_ssize_t co, row, r, oz, oy, rows, length
    cdef Py_ssize_t step = layer.sx
    cdef const Py_ssize_t* slot
    cdef const real* phase[MOST_WOVEN]
    cdef const Run* run
    cdef real* to
    cdef real value
    cdef bint woven = plan.ox == 1 and step <= woven_steps(layer, plan)
    for co in range(layer.chunk_co[chunk], layer.chunk_co[chunk + 1]):
        slot = layer.slot + co * layer.row_phases * layer.x_phases
        UPSHAPE_CHECK(0 <= slot[0] < layer.most_chunk_lanes)
        value = bias[first_lane(layer, chunk) + slot[0]]
        if woven and layer.x_gaps > 0:
            fill[real](gap, 1, value, plan.line)
        for row in range(layer.row_phases):
            if woven:
                find_phases[real](layer, plan, sums, slot, gap, phase)
            r = 0
            while r < block.count:
                run = block.runs + r
                oz = run.qz * layer.sz + layer.row_phase_z[row]
                oy = run.qy * layer.sy + layer.row_phase_y[row]
                rows = run.rows if woven else 1
                r += rows
                if oz >= plan.dout or oy >= plan.ho:
                    continue
                to = result_at[real](layer, plan, out, run.n, co, oz, oy, run.qx * step)
                UPSHAPE_CHECK(0 <= run.at and run.at + run.length <= plan.sums_row)
                if woven and step == rows == 1:
                    # Joined rows, and depths, follow each other up to the end of an image.
                    UPSHAPE_CHECK((oz * plan.ho + oy) * plan.wo + run.qx + run.length
                                  <= plan.dout * plan.ho * plan.wo)
                    UPSHAPE_CHECK(layer.x_place[0] == 0)
                    move[real](to, phase[0] + run.at, run.length)
                    continue
                length = run.length
                if step > 1:
                    length = min(length * step, plan.wo - run.qx * step)
                UPSHAPE_CHECK(layer.x_gaps == 0 or not woven or up(length, step) <= plan.line)
                if woven:
                    if rows > 1:
                        rows = min(rows, up(plan.ho - oy, layer.sy))
                    UPSHAPE_CHECK(oy + (rows - 1) * layer.sy < plan.ho)
                    UPSHAPE_CHECK(run.at + (rows - 1) * run.apart + run.length <= plan.sums_row)
                    interleave_rows[real](to, layer.sy * plan.oy, phase, layer.x_place, run.at,
                                          run.apart, layer.sx, length, rows)
                    continue
                if layer.x_gaps > 0:
                    fill[real](to, plan.ox, value, length)
                place_pixels[real](layer, plan, to, sums + run.at, slot, length)
            slot += layer.x_phases


cdef inline void find_phases(const Layer* layer, const Blocking* plan, const real* sums,
                             const Py_ssize_t* slot, const real* gap,
                             const real** phase) noexcept nogil:
    """Find the line of each phase of a row: of its sums, or of nothing but the bias."""
    cdef Py_ssize_t r
    for r in range(layer.sx):
        phase[r] = gap
        if layer.x_place[r] >= 0:
            UPSHAPE_CHECK(0 <= slot[layer.x_place[r]] < layer.most_chunk_lanes)
            phase[r] = sums + slot[layer.x_place[r]] * plan.sums_row


cdef inline void place_pixels(const Layer* layer, const Blocking* plan, real* to, const real* sums,
                              const Py_ssize_t* slot, Py_ssize_t length) noexcept nogil:
    """Write a row of so many pixels one by one, phase by phase."""
    cdef Py_ssize_t phase, r, j, step = layer.sx
    cdef const real* line
    for phase in range(layer.x_phases):
        r = layer.x_phase[phase]
        UPSHAPE_CHECK(0 <= slot[phase] < layer.most_chunk_lanes)
        line = sums + slot[phase] * plan.sums_row
        for j in range((length - r + step - 1) // step if length > r else 0):
            to[(j * step + r) * plan.ox] = line[j]


cdef inline void place_gaps(const Layer* layer, const Blocking* plan, const Block* block,
                            Py_ssize_t chunk, const real* bias, real* out) noexcept nogil:
    """Write the rows of a chunk that no tap reaches."""
    cdef Py_ssize_t co, gap, r, oz, oy, end, length, rows
    cdef Py_ssize_t phases = layer.row_phases * layer.x_phases
    cdef const Run* run
    cdef real value
    cdef real* to
    for co in range(layer.chunk_co[chunk], layer.chunk_co[chunk + 1]):
        UPSHAPE_CHECK(0 <= layer.slot[co * phases] < layer.most_chunk_lanes)
        value = bias[first_lane(layer, chunk) + layer.slot[co * phases]]
        for gap in range(layer.row_gaps):
            r = 0
            while r < block.count:
                run = block.runs + r
                rows = run.rows if plan.ox == 1 and layer.gap_rows[gap] < layer.sy else 1
                r += rows
                oz = run.qz * layer.sz + layer.gap_z[gap]
                oy = run.qy * layer.sy + layer.gap_y[gap]
                end = min(oy + layer.gap_rows[gap], plan.ho)
                if oz >= plan.dout or oy >= end:
                    continue
                length = run.length  # of several rows where these are joined: only where sx is 1
                if layer.sx > 1:
                    length = min(length * layer.sx, plan.wo - run.qx * layer.sx)
                to = result_at[real](layer, plan, out, run.n, co, oz, oy, run.qx * layer.sx)
                UPSHAPE_CHECK(
                    (oz * plan.ho + end - 1) * plan.wo + run.qx * layer.sx + length
                    <= plan.dout * plan.ho * plan.wo)
                if rows > 1:
                    while oy < end:
                        fill_rows[real](to, layer.sy * plan.oy, value, length,
                                        min(rows, up(plan.ho - oy, layer.sy)))
                        to += plan.oy
                        oy += 1
                    continue
                if plan.ox == 1 and length == plan.oy:
                    # These rows follow each other.
                    length *= end - oy
                    end = oy + 1
                while oy < end:
                    fill[real](to, plan.ox, value, length)
                    to += plan.oy
                    oy += 1


# --- vectors of lanes ----------------------------------------------------------------------------

cdef inline Py_ssize_t lanes_at(const Layer* layer, const Blocking* plan, Py_ssize_t panel,
                                const Run* run, Py_ssize_t column, real* out,
                                real** to) noexcept nogil:
    """Find where the lanes of a panel belong, of a run's pixel; return how many of them."""
    cdef Py_ssize_t oz = run.qz * layer.sz + layer.panel_rz[panel]
    cdef Py_ssize_t oy = run.qy * layer.sy + layer.panel_ry[panel]
    cdef Py_ssize_t ox = (run.qx + column) * layer.sx + layer.panel_rx[panel]
    cdef Py_ssize_t used = layer.panel_length[panel]
    if oz >= plan.dout or oy >= plan.ho or ox >= plan.wo:
        return 0
    if layer.order == PHASES:
        used = min(used, plan.wo - ox)
    UPSHAPE_CHECK(layer.order == PHASES or layer.panel_co[panel] + used <= layer.co)
    to[0] = result_at[real](layer, plan, out, run.n, layer.panel_co[panel], oz, oy, ox)
    return used


# --- col2im --------------------------------------------------------------------------------------

cdef inline void add_up_row(const Layer* layer, const Blocking* plan, const real* sums,
                            Py_ssize_t co, Py_ssize_t oy, real bias, real* lines,
                            real* out) noexcept nogil:
    """Write a row of the result: a pixel is the bias and the products that land there.

    `lines`: room for the phases of a row.
    """
    cdef Py_ssize_t y, iy, length, rows = 0, step = layer.sx, fold
    cdef Py_ssize_t q = oy // layer.sy, r = oy - q * layer.sy
    cdef const Py_ssize_t* slot[MOST_TERMS]
    cdef const real* row[MOST_TERMS]
    UPSHAPE_CHECK(0 <= co < layer.co and 0 <= oy < plan.ho)
    if step == 1 and plan.ox == 1:
        lines = out
    for y in range(layer.row_phases):
        iy = q - layer.y_shift[y]
        if layer.y_fold[y] == r and 0 <= iy < plan.hi:
            UPSHAPE_CHECK(rows < MOST_TERMS)
            UPSHAPE_CHECK(0 <= plan.ring_at[iy] <= plan.ring * plan.band - plan.wi)
            slot[rows] = layer.slot + (co * layer.row_phases + y) * layer.x_phases
            row[rows] = sums + plan.ring_at[iy]
            rows += 1
    for fold in range(step):
        length = up(plan.wo - fold, step) if plan.wo > fold else 0
        UPSHAPE_CHECK(lines == out or length <= plan.line)
        add_up_line[real](layer, plan, fold, row, slot, rows, bias, lines + fold * plan.line,
                          length)
    if lines != out:
        place_lines[real](layer, plan, lines, out)


cdef inline void add_up_line(const Layer* layer, const Blocking* plan, Py_ssize_t fold,
                             const real** row, const Py_ssize_t** slot, Py_ssize_t rows, real bias,
                             real* line, Py_ssize_t length) noexcept nogil:
    """Add up the products of these input rows that land on a phase of a row."""
    cdef term_t[MOST_TERMS] terms
    cdef Py_ssize_t y, x
    cdef int count = 0
    for y in range(rows):
        for x in range(layer.fold_first[fold], layer.fold_first[fold + 1]):
            UPSHAPE_CHECK(count < MOST_TERMS)
            UPSHAPE_CHECK(0 <= slot[y][x] < layer.most_chunk_lanes)
            terms[count].low = layer.x_shift[x]
            terms[count].products = row[y] + slot[y][x] * plan.sums_row - layer.x_shift[x]
            count += 1
    add_up[real](line, bias, terms, count, plan.wi, length)


cdef inline void place_lines(const Layer* layer, const Blocking* plan, const real* lines,
                             real* out) noexcept nogil:
    """Write a row whose phases are lines, interleaved."""
    cdef Py_ssize_t step = layer.sx, f, x, length = plan.wo // step
    cdef const real* some[MOST_WOVEN]
    if plan.ox == 1 and step == 2:
        zip_rows[real](out, lines, lines + plan.line, length)
    elif plan.ox == 1 and 2 < step <= MOST_WOVEN:
        for f in range(step):
            some[f] = lines + f * plan.line
        weave[real](out, some, step, length)
    else:
        length = 0
    for x in range(length * step, plan.wo):
        out[x * plan.ox] = lines[x % step * plan.line + x // step]
