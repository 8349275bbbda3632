"""Pictures: well-formed, no wider than a telephone, with the right numbers in the right places."""

import itertools
import pickle
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import upshape as up
from upshape import draw, reference
from upshape.shapes import Conv, ConvTranspose, Interpolate, Padding, Pool, Unpool, same, solve, zoo

SVG = "{http://www.w3.org/2000/svg}"
KERNEL = np.arange(1, 10).reshape(3, 3)
TENS = [[1, 10], [100, 1000]]

# What the widest of the fonts (DejaVu Sans) makes of a character, in parts of the text's size.
WIDE = {"digit": 0.637, ".": 0.318, " ": 0.318, "-": 0.361}


def elements(drawing):
    """Return the elements of a picture with the shift of the groups around them."""
    found = []

    def walk(element, dx, dy):
        if element.tag == f"{SVG}g":
            move = element.attrib["transform"].removeprefix("translate(").removesuffix(")")
            dx, dy = (shift + float(by) for shift, by in zip((dx, dy), move.split(), strict=True))
        found.append((element.tag.removeprefix(SVG), element, dx, dy))
        for child in element:
            walk(child, dx, dy)

    walk(ET.fromstring(drawing.svg), 0.0, 0.0)
    return found


def boxes(drawing, *kinds):
    """Return (x, y, width, height, text inside) of the rectangles of some classes, as drawn."""
    texts = written(drawing)
    found = []
    for tag, element, dx, dy in elements(drawing):
        if tag == "rect" and element.get("class") in kinds:
            x, y = float(element.attrib["x"]) + dx, float(element.attrib["y"]) + dy
            wide, high = float(element.attrib["width"]), float(element.attrib["height"])
            inside = [t for tx, ty, t in texts if x < tx < x + wide and y < ty < y + high]
            found.append((x, y, wide, high, "".join(inside)))
    return found


def written(drawing):
    """Return (x, y of the baseline, text) of all texts."""
    return [
        (float(element.attrib["x"]) + dx, float(element.attrib["y"]) + dy, element.text)
        for tag, element, dx, dy in elements(drawing)
        if tag == "text"
    ]


def numbers(drawing, *kinds):
    """Return the numbers in the boxes of some classes, row by row."""
    ordered = sorted(boxes(drawing, *kinds), key=lambda box: (round(box[1]), box[0]))
    rows = itertools.groupby(ordered, key=lambda box: round(box[1]))
    return [[float(box[4] or "nan") for box in row] for _, row in rows]


def hatched(drawing):
    """Return where the hatches begin: their first line leaves the upper edge 5 pixels on."""
    starts = [
        element.attrib["d"].removeprefix("M").partition("L")[0].split()
        for tag, element, _, _ in elements(drawing)
        if element.get("class") == "hatch"
    ]
    return [(round(float(x) - 5, 2), float(y)) for x, y in starts]


def network_that_pads(x):
    return same(ConvTranspose(2, stride=2)(Pool(2)(x)), x)


def many_sizes(x):
    for _ in range(39):
        x = Conv(3)(x)
    return x


DRAWINGS = {
    "windows": draw.windows(Conv(3, stride=2, padding=1), 12),
    "windows with letters": draw.windows(Conv(3, 3, 1, 2), 13, letters=True),
    "windows, many": draw.windows(Conv(7, stride=2, padding=3), 34),
    "windows, few": draw.windows(Conv(1), 1),
    "windows, same": draw.windows(Conv(4, padding="same"), 7),
    "windows, ceil_mode": draw.windows(Pool(3, stride=2, ceil_mode=True), 8),
    "taps": draw.taps(Conv(3, dilation=2, padding=1), (7, 9), (1, 2)),
    "stamps": draw.stamps(ConvTranspose(3, 2, 1, 1), 6),
    "stamps, many": draw.stamps(ConvTranspose(4, 2, 1), 19),
    "overlap": draw.overlap(ConvTranspose(3, stride=2), 19),
    "overlap map": draw.overlap(ConvTranspose(4, stride=2, dilation=2), (4, 3)),
    "phases": draw.phases(ConvTranspose(4, stride=2, padding=1), 3),
    "matrix": draw.matrix(Conv((3, 3)), 4, "K"),
    "matrix of numbers": draw.matrix(np.arange(12).reshape(3, 4) * 1234.5, label="A", by="column"),
    "grid": draw.grid([[-123456, 0.125], [1e-7, 3]], "x", window=(0, 0, 2, 1), marked=(1, 1)),
    "scatter": draw.scatter(TENS, KERNEL, stride=2, padding=1, output_padding=1),
    "zeros": draw.zeros(TENS, KERNEL, stride=2, at=(1, 1)),
    "nearest": draw.nearest(3, 5),
    "nearest, down": draw.nearest(16, 3, exact=True),
    "ruler": draw.ruler(8, 13),
    "ruler with corners": draw.ruler(2, 4, align_corners=True),
    "ruler with a factor": draw.ruler(3, 4, scale_factor=1.6),
    "bilinear": draw.bilinear(10, 20, 30, 60, 0.25, 0.75),
    "network": draw.network(zoo.unet(), 600),
    "network, wide": draw.network(zoo.unet(padding=0), 572),
    "network, many joins": draw.network(zoo.hrnet(), 128),
    "network, many": draw.network(many_sizes, 4000),
    "network, long": draw.network(lambda x: same(Conv(3)(x), 123456, Pool(2)(x)), 99999),
    "network, too small": draw.network(zoo.unet(), 5),
    "beside": draw.beside(draw.grid(KERNEL), "+", draw.grid(KERNEL), "=", draw.grid(2 * KERNEL)),
    "stack": draw.stack(draw.nearest(3, 5), draw.nearest(3, 5, exact=True)),
}
every_drawing = pytest.mark.parametrize("drawing", DRAWINGS.values(), ids=DRAWINGS.keys())


# --- what holds for every picture ---------------------------------------------------------------


@every_drawing
def test_a_picture_fits_a_telephone_and_says_in_words_what_it_shows(drawing):
    root = ET.fromstring(drawing.svg)
    assert drawing.width <= 400
    assert root.attrib["viewBox"].split()[:2] == ["0", "0"]
    assert root.attrib["role"] == "img"
    assert root.find(f"{SVG}title").text == root.attrib["aria-label"] == drawing.alt
    assert len(drawing.alt) > 10
    assert "id" not in {name for _, element, _, _ in elements(drawing) for name in element.attrib}


def text_box(element, dx, dy):
    size = float(element.attrib["font-size"])
    told = element.text
    wide = size * sum(WIDE["digit"] if c.isdigit() else WIDE.get(c, 0.84) for c in told)
    anchor = {"start": 0.0, "middle": wide / 2, "end": wide}[element.attrib["text-anchor"]]
    x, y = float(element.attrib["x"]) + dx, float(element.attrib["y"]) + dy
    return x - anchor, y - 0.75 * size, x - anchor + wide, y + 0.2 * size


@every_drawing
def test_nothing_lies_outside_the_picture(drawing):
    for tag, element, dx, dy in elements(drawing):
        if tag == "text":
            left, top, right, bottom = text_box(element, dx, dy)
        elif tag == "rect":
            left, top = float(element.get("x", 0)) + dx, float(element.get("y", 0)) + dy
            right = left + float(element.attrib["width"])
            bottom = top + float(element.attrib["height"])
        elif tag == "circle":
            radius = float(element.attrib["r"])
            left, top = float(element.attrib["cx"]) + dx, float(element.attrib["cy"]) + dy
            left, top, right, bottom = left - radius, top - radius, left + radius, top + radius
        else:
            continue
        assert left >= -0.01, (tag, element.text)
        assert top >= -0.01, (tag, element.text)
        assert right <= drawing.width + 0.01, (tag, element.text)
        assert bottom <= drawing.height + 0.01, (tag, element.text)


@every_drawing
def test_every_side_has_its_margin(drawing):
    _ground, *boxes_ = (
        (float(e.get("x", 0)) + dx, float(e.get("y", 0)) + dy, e)
        for tag, e, dx, dy in elements(drawing)
        if tag == "rect"
    )
    for x, y, element in boxes_:
        assert min(x, y) >= 5.9
        assert x + float(element.attrib["width"]) <= drawing.width - 5.9
        assert y + float(element.attrib["height"]) <= drawing.height - 5.9


@every_drawing
def test_a_number_fits_into_its_cell(drawing):
    cells = boxes(drawing, "cell", "output", "input", "tap", "lost", "pixel", "between", "around")
    for tag, element, dx, dy in elements(drawing):
        if tag != "text":
            continue
        x, y = float(element.attrib["x"]) + dx, float(element.attrib["y"]) + dy
        for left, top, wide, high, _ in cells:
            if left < x < left + wide and top < y < top + high:
                text_left, _, text_right, _ = text_box(element, dx, dy)
                assert text_right - text_left <= wide, element.text
                assert float(element.attrib["font-size"]) <= high, element.text


@every_drawing
def test_a_picture_has_no_words_but_the_letters_of_the_literature(drawing):
    letters = set("ioskpdaxywAKBLPR") | {"Q11", "Q21", "Q12", "Q22", "R1", "R2"}
    for _, _, told in written(drawing):
        words = [word for word in told.replace("(", " ").split() if word[0].isalpha()]
        assert set(words) <= letters | {"e", "k", "d"} | {"2p"}, told


def test_a_picture_shows_itself_and_can_be_saved(tmp_path):
    drawing = draw.grid([1, 2], 'a "<name>" & more')
    assert drawing._repr_svg_() == str(drawing) == drawing.svg
    assert repr(drawing).startswith("<Drawing ")
    drawing.save(tmp_path / "x.svg")
    assert ET.parse(tmp_path / "x.svg").getroot().find(f"{SVG}title").text == drawing.alt


# --- one axis -----------------------------------------------------------------------------------


def random_layers(kind, count=40):
    rng = np.random.default_rng(0)
    for _ in range(count):
        k, s, p, d = (
            int(rng.integers(low, high)) for low, high in ((1, 5), (1, 5), (0, 3), (1, 4))
        )
        i = int(rng.integers(1, 8))
        if kind is Conv:
            if i + 2 * p >= d * (k - 1) + 1:
                yield Conv(k, s, p, d), i
        else:
            layer = ConvTranspose(k, s, p, int(rng.integers(0, max(s, d))), d)
            if i >= layer.minimum:
                yield layer, i


@pytest.mark.parametrize(("layer", "i"), list(random_layers(Conv)), ids=str)
def test_windows_lie_where_a_convolution_looks(layer, i):
    k, s, p, d = layer.kernel_size, layer.stride, layer.padding, layer.dilation
    drawing = draw.windows(layer, i)
    # Slide the window along by hand.
    windows, start = [], 0
    while start + (k - 1) * d < i + 2 * p:
        windows.append([start + t * d for t in range(k)])
        start += s
    strip = [
        box
        for box in boxes(drawing, "cell", "lost")
        if box[1] == boxes(drawing, "cell", "lost")[0][1]
    ]
    cell = strip[0][2]
    assert len(strip) == i + 2 * p
    assert [box[4] for box in strip] == [
        str(place - p) if p <= place < p + i else "" for place in range(i + 2 * p)
    ]
    dots = sorted(
        round((float(element.attrib["cx"]) - strip[0][0]) / cell - 0.5, 1)
        for tag, element, _, _ in elements(drawing)
        if tag == "circle"
    )
    assert dots == sorted(place for window in windows for place in window)
    # No more rows than it takes for windows not to lie on one another.
    rows = {e.attrib["cy"] for tag, e, _, _ in elements(drawing) if tag == "circle"}
    assert len(rows) == min(len(windows), -(-(d * (k - 1) + 1) // s))
    lost = i + 2 * p - 1 - windows[-1][-1]
    assert len(boxes(drawing, "lost")) == lost
    assert hatched(drawing) == [box[:2] for box in boxes(drawing, "lost")]
    assert [box[4] for box in boxes(drawing, "output")] == [str(q) for q in range(len(windows))]
    told = f"a = {lost} lost" if lost else "nothing lost"
    assert f"o = {len(windows)} " in drawing.alt
    assert drawing.alt.endswith(f"{told}.")


@pytest.mark.parametrize(("layer", "i"), list(random_layers(ConvTranspose)), ids=str)
def test_stamps_and_overlap_count_what_arrives(layer, i):
    k, s, p, a, d = (
        layer.kernel_size, layer.stride, layer.padding, layer.output_padding, layer.dilation,
    )  # fmt: skip
    counts = reference.conv_transpose(
        np.ones((1, i)), np.ones((1, 1, k)), stride=s, padding=p, output_padding=a, dilation=d
    )[0]
    drawing = draw.stamps(layer, i)
    cells = boxes(drawing, "cell")
    assert [float(box[4]) for box in cells] == counts.tolist()
    assert sorted(hatched(drawing)) == sorted(box[:2] for box in boxes(drawing, "cut"))
    assert len(boxes(drawing, "cut")) == len(boxes(drawing, "cell", "cut")) - len(counts)
    added = boxes(drawing, "added")
    assert len(added) == (a > 0)
    if added:
        assert added[0][2] == pytest.approx(a * cells[0][2], abs=0.02)
        assert added[0][0] + added[0][2] == pytest.approx(cells[-1][0] + cells[-1][2], abs=0.02)
    assert drawing.alt.endswith(f"taps {' '.join(str(int(count)) for count in counts)}.")

    bars = draw.overlap(layer, i)
    written_ = [int(told) for _, _, told in sorted(written(bars))]
    assert written_ == counts.tolist()
    heights = [box[3] for box in boxes(bars, "bar")]
    drawn = [count for count in counts if count]
    assert np.allclose(np.divide(heights, drawn), heights[0] / drawn[0], rtol=0.01)


def test_an_overlap_map_is_the_product_of_its_axes():
    layer = ConvTranspose((3, 4), stride=(2, 3), padding=(0, 1), output_padding=(1, 2))
    counts = reference.conv_transpose(
        np.ones((1, 3, 4)), np.ones((1, 1, 3, 4)), stride=(2, 3), padding=(0, 1),
        output_padding=(1, 2),
    )[0]  # fmt: skip
    assert np.array_equal(numbers(draw.overlap(layer, (3, 4)), "cell"), counts)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("i", "o"), [(3, 5), (4, 2), (7, 7), (1, 6), (5, 3)])
def test_a_nearest_arrow_ends_in_the_pixel_that_is_copied(i, o, exact):
    drawing = draw.nearest(i, o, exact=exact)
    sources = boxes(drawing, "input")
    mode = "nearest-exact" if exact else "nearest"
    copied = reference.interpolate(np.arange(i)[None, None], size=o, mode=mode)[0, 0]
    assert [int(box[4]) for box in boxes(drawing, "output")] == copied.tolist()
    ends = [
        float(element.attrib["cx"]) for tag, element, _, _ in elements(drawing) if tag == "circle"
    ]
    for x, index in zip(ends, copied, strict=True):
        left, _, wide, _, told = sources[index]
        assert left <= x <= left + wide
        assert told == str(index)
    first, last = boxes(drawing, "output")[0], boxes(drawing, "output")[-1]
    assert first[0] == sources[0][0]
    assert last[0] + last[2] == pytest.approx(sources[-1][0] + sources[-1][2], abs=0.05)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("i", "o"), [(2, 4), (5, 3), (4, 9)])
def test_a_ruler_hangs_pixels_where_they_are(i, o, align_corners):
    drawing = draw.ruler(i, o, align_corners=align_corners)
    sources = boxes(drawing, "input")
    cell, origin = sources[0][2], sources[0][0]
    hung = [
        (float(element.attrib["cx"]) - origin) / cell - 0.5
        for tag, element, _, _ in elements(drawing)
        if element.get("class") == "output"
    ]
    if align_corners:
        assert np.allclose(hung, np.linspace(0, i - 1, o), atol=0.01)
    else:  # the outer edges of both strips coincide
        edges = np.linspace(0, i, o + 1)
        assert np.allclose(hung, (edges[1:] + edges[:-1]) / 2 - 0.5, atol=0.01)
    values = reference.linear(np.arange(i)[None, None], o, align_corners=align_corners)[0, 0]
    assert drawing.alt.endswith("at " + " ".join(f"{value:.4g}" for value in values) + ".")


@pytest.mark.parametrize("i", [5, 6, 7, 8])
@pytest.mark.parametrize(
    "layer",
    [
        Conv(3, stride=2, padding="same_upper"),
        Conv(4, stride=3, padding="same_lower"),
        Conv(2, stride=3, padding="same_upper"),
        Conv(3, padding=Padding(0, 2), dilation=2),
        Pool(3, stride=2, padding=1, ceil_mode=True),
        Pool(2, padding="same_upper"),
    ],
    ids=str,
)
def test_windows_of_any_padding_begin_where_it_begins(layer, i):
    drawing = draw.windows(layer, i)
    cells = sorted(boxes(drawing, "cell", "lost"))
    before = [box[4] for box in cells].index("0")
    assert before == layer.padding_for(i).before
    assert [box[4] for box in cells[before : before + i]] == [str(n) for n in range(i)]
    assert len(boxes(drawing, "output")) == layer(i)
    taps = {
        round((float(element.attrib["cx"]) - cells[0][0]) / cells[0][2] - 0.5)
        for tag, element, _, _ in elements(drawing)
        if tag == "circle"
    }
    starts = range(0, layer(i) * layer.stride, layer.stride)
    assert taps == {s + t * layer.dilation for s in starts for t in range(layer.kernel_size)}


@pytest.mark.parametrize(
    "layer",
    [
        ConvTranspose(3, stride=2, padding="same_upper"),
        ConvTranspose(4, stride=2, padding="same_lower"),
        ConvTranspose(2, stride=3, padding="same_upper"),
        ConvTranspose(4, stride=2, padding=Padding(0, 3)),
    ],
    ids=str,
)
def test_stamps_matrix_and_overlap_know_any_padding(layer):
    before, _ = layer.padding_for(4)
    whole = reference.conv_transpose(
        np.ones((1, 4)), np.arange(1.0, layer.kernel_size + 1)[None, None], stride=layer.stride
    )[0]
    wanted = np.zeros(before + layer(4) + len(whole))
    wanted[: len(whole)] = whole
    matrix = np.nan_to_num(numbers(draw.matrix(layer, 4), "cell"))
    assert np.array_equal(matrix.sum(axis=1), wanted[before : before + layer(4)])
    counts = np.count_nonzero(matrix, axis=1)
    assert [float(box[4]) for box in boxes(draw.stamps(layer, 4), "cell")] == counts.tolist()
    assert draw.overlap(layer, 4).alt.endswith(f"taps {' '.join(map(str, counts))}.")


# --- two axes -----------------------------------------------------------------------------------


def test_a_matrix_has_the_columns_that_unit_inputs_give():
    layer = Conv((2, 3), stride=(1, 2), padding=(1, 0), dilation=(2, 1))
    weight = np.arange(1.0, 7).reshape(1, 1, 2, 3)
    drawn = np.nan_to_num(numbers(draw.matrix(layer, (3, 5)), "cell"))
    for column, unit in enumerate(np.eye(15)):
        made = reference.conv(
            unit.reshape(1, 3, 5), weight, stride=(1, 2), padding=(1, 0), dilation=(2, 1)
        )
        assert np.array_equal(drawn[:, column], made.ravel())
    up = ConvTranspose(2, stride=1, dilation=3, output_padding=2)
    made = reference.conv_transpose([[1, 10, 100]], [[[1, 2]]], dilation=3, output_padding=2)
    drawn = np.nan_to_num(numbers(draw.matrix(up, 3), "cell"))
    assert np.array_equal(drawn @ [1, 10, 100], made[0])


@pytest.mark.parametrize("by", ["row", "column"])
def test_rows_or_columns_of_a_matrix_share_a_colour(by):
    drawing = draw.matrix(np.arange(1, 13).reshape(3, 4), by=by)
    fills = [e.attrib["fill"] for t, e, _, _ in elements(drawing) if e.get("class") == "cell"]
    table = np.array(fills).reshape(3, 4)
    lines = table if by == "row" else table.T
    assert all(len(set(line)) == 1 for line in lines.tolist())
    assert len(set(lines[:, 0].tolist())) == len(lines)


def test_stamps_add_up_to_what_the_kernels_compute():
    drawing = draw.scatter(TENS, KERNEL, stride=2, padding=1, output_padding=1)
    y = up.conv_transpose2d(
        np.array(TENS, np.float32)[None, None], KERNEL[None, None].astype(np.float32), stride=2,
        padding=1, output_padding=1,
    )[0, 0]  # fmt: skip
    told = " / ".join(" ".join(str(int(value)) for value in row) for row in y)
    assert drawing.alt.endswith(f"4 x 4 numbers, {told}.")
    cells = boxes(drawing, "cell")
    assert len(cells) == 5 * 36  # four stamps and their sum, on a canvas of 6 x 6
    whole = [float(box[4]) for box in cells[-36:]]
    each = np.nan_to_num([[float(box[4] or "nan") for box in cells[n : n + 36]]
                          for n in range(0, 144, 36)])  # fmt: skip
    assert np.array_equal(each.sum(axis=0), whole)
    assert np.array_equal(np.reshape(whole, (6, 6))[1:5, 1:5], y)


@pytest.mark.parametrize("at", [(0, 0), (1, 2), (3, 3)])
def test_the_window_over_the_zeros_gives_the_framed_pixel(at):
    drawing = draw.zeros(TENS, KERNEL, stride=2, padding=1, output_padding=1, at=at)
    left, top, wide, high, _ = boxes(drawing, "frame")[0]
    seen = [
        float(box[4])
        for box in boxes(drawing, "pixel", "between", "around")
        if left - 1 < box[0] < left + wide - 1 and top - 1 < box[1] < top + high - 1
    ]
    y = reference.conv_transpose(
        np.array(TENS)[None], KERNEL[None, None], stride=2, padding=1, output_padding=1
    )[0]
    assert len(seen) == 9
    assert np.dot(seen, KERNEL[::-1, ::-1].ravel()) == y[at]
    assert float(boxes(drawing, "frame")[1][4]) == y[at]
    assert len(boxes(drawing, "pixel")) == 4


def test_taps_lie_on_what_one_output_pixel_depends_on():
    layer, at = Conv((2, 3), stride=(2, 1), padding=(1, 2), dilation=(3, 2)), (1, 2)
    drawing = draw.taps(layer, (6, 5), at)
    weight = np.ones((1, 1, 2, 3))
    drawn = boxes(drawing, "cell", "tap")
    lefts, tops = (sorted({round(box[n], 1) for box in drawn}) for n in (0, 1))
    tapped = {(tops.index(round(box[1], 1)), lefts.index(round(box[0], 1)))
              for box in boxes(drawing, "tap")}  # fmt: skip
    padded = np.zeros((8, 9))
    seen = set()
    for place in np.ndindex(8, 9):  # which pixel of the padded input moves the output pixel?
        padded[place] = 1
        if reference.conv(padded[None], weight, stride=(2, 1), dilation=(3, 2))[0][at]:
            seen.add(place)
        padded[place] = 0
    assert tapped == seen


def test_phases_share_out_the_taps():
    layer = ConvTranspose(3, stride=2, padding=1)
    drawing = draw.phases(layer, 3)
    lists = drawing.alt.split("taps ")[1].split(";")[0].split(" | ")
    assert sorted(" ".join(lists).split(), key=int) == [str(tap) for tap in range(1, 10)]
    # By one tap at a time: which output pixels does it reach?
    for number, tap in enumerate(np.eye(9).reshape(9, 1, 1, 3, 3), 1):
        y = reference.conv_transpose(np.ones((1, 4, 4)), tap, stride=2, padding=1)[0]
        (phase,) = {(row % 2, column % 2) for row, column in np.argwhere(y).tolist()}
        assert str(number) in lists[phase[0] * 2 + phase[1]].split()


def test_bilinear_shows_the_construction():
    told = dict(text.split(" = ") for _, _, text in written(draw.bilinear(1, 5, 9, 21, 0.25, 0.5)))
    assert told == {
        "Q11": "1", "Q21": "5", "Q12": "9", "Q22": "21", "R1": "2", "R2": "12", "P": "7",
    }  # fmt: skip


def test_frames_and_colours_of_a_grid():
    drawing = draw.grid(KERNEL, window=(1, 0, 2, 2), colours=np.eye(3, dtype=int) - 1)
    assert numbers(drawing, "cell") == KERNEL.tolist()
    ((left, top, wide, high, _),) = boxes(drawing, "frame")
    cells = {box[4]: box for box in boxes(drawing, "cell")}
    assert (left, top) == cells["4"][:2]
    assert left + wide == pytest.approx(cells["8"][0] + cells["8"][2])
    assert top + high == pytest.approx(cells["8"][1] + cells["8"][3])
    fills = [e.attrib["fill"] for t, e, _, _ in elements(drawing) if e.get("class") == "cell"]
    assert [fill != "#FFFFFF" for fill in fills] == np.eye(3, dtype=bool).ravel().tolist()


# --- networks -----------------------------------------------------------------------------------


def test_a_networks_columns_are_as_high_as_its_sizes():
    drawing = draw.network(zoo.unet(), 592)
    heights = [box[3] for box in boxes(drawing, "map")]
    sizes = [592, 296, 148, 74, 37, 74, 148, 296, 592]
    assert np.allclose(heights, 150 * np.array(sizes) / 592, atol=0.01)
    assert drawing.alt == f"unet takes 592: sizes {' '.join(map(str, sizes))}."
    assert "#D55E00" not in drawing.svg
    # Each bow ends over two columns; the outer ones are over the inner ones.
    bows = [e for t, e, _, _ in elements(drawing) if t == "line" and e.get("stroke") == "#0072B2"]
    flat = [e for e in bows if e.attrib["y1"] == e.attrib["y2"]]
    assert len(bows) == 4 * 3
    centres = np.array([box[0] + box[2] / 2 for box in boxes(drawing, "map")])

    def column(x):
        return int(np.abs(centres - float(x)).argmin())

    ends = {column(e.attrib["x1"]): column(e.attrib["x2"]) for e in flat}
    assert ends == {n: 8 - n for n in range(4)}
    heights = {column(e.attrib["x1"]): float(e.attrib["y1"]) for e in flat}
    assert [heights[n] for n in range(4)] == sorted(heights.values())


def test_the_join_that_fails_is_red_and_says_what_met():
    answer = solve(zoo.unet())
    drawing = draw.network(answer, 600)
    assert drawing.svg == draw.network(zoo.unet(), 600).svg
    red = [
        element for _, element, _, _ in elements(drawing) if "#D55E00" in element.attrib.values()
    ]
    (label,) = [element for element in red if element.tag == f"{SVG}text"]
    assert label.text == "74 ≠ 75"
    maps = boxes(drawing, "map")
    ends = {float(e.attrib["x1"]) for e in red if e.tag == f"{SVG}line"}
    assert ends == {maps[n][0] + maps[n][2] / 2 for n in (3, 5)}
    assert "74 and 75" in str(answer.explain(600))


@pytest.mark.parametrize(
    ("network", "told"), [(lambda x: same(x, x + 1), "9 ≠ 10"), (lambda x: same(x, 75), "9 ≠ 75")]
)
def test_a_join_of_one_map_with_a_number_is_red_too(network, told):
    drawing = draw.network(network, 9)
    labels = [e for tag, e, _, _ in elements(drawing) if tag == "text" and e.text == told]
    assert [label.attrib["fill"] for label in labels] == ["#D55E00"]
    assert drawing.alt.endswith(f"the join of {told.replace('≠', 'and')} fails.")


@pytest.mark.parametrize("name", ["network", "network, wide", "network, many", "network, long"])
def test_sizes_below_columns_do_not_lie_on_one_another(name):
    drawing = DRAWINGS[name]
    lines = {}
    for tag, element, dx, dy in elements(drawing):
        if tag == "text" and element.text.isdigit():
            left, _, right, _ = text_box(element, dx, dy)
            lines.setdefault(element.attrib["y"], []).append((left, right))
    assert lines
    for line in lines.values():
        line.sort()
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(line))


def test_a_network_that_is_too_small_ends_in_a_cross():
    drawing = draw.network(zoo.unet(), 5)
    assert drawing.alt.startswith("unet does not take 5: sizes 5 2 1; then Pool(kernel_size=2, ")
    assert drawing.svg.count('stroke="#D55E00"') == 2
    below = draw.network(lambda x: Conv(3)(x) - 4, 6)
    assert below.alt == "the network does not take 6: sizes 6 4 0; then the output size would be 0."


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: draw.windows(ConvTranspose(3), 5), TypeError, "windows: .*Conv or Pool.* got "),
        (lambda: draw.windows(Conv(3, 2), 501), ValueError, "501 positions .* i = 39 has the same"),
        (lambda: draw.windows(Conv(3), (5, 5)), TypeError, "one axis is drawn at a time"),
        (lambda: draw.windows(Conv((3, 5)), 9), ValueError, "axes of .* differ"),
        (lambda: draw.windows(Conv(3), 2), ValueError, "does not fit into input size 2"),
        (lambda: draw.stamps("conv", 5), TypeError, "stamps: a relation .* got 'conv'"),
        (lambda: draw.stamps(ConvTranspose(60), 10), ValueError, "stamps: 69 positions"),
        (lambda: draw.overlap(ConvTranspose(3), (2, 2, 2)), ValueError, "a map has two axes"),
        (lambda: draw.phases(ConvTranspose(3, stride=3), 2), ValueError, "9 phases are too many"),
        (lambda: draw.matrix(Conv(3)), ValueError, "needs an input_size"),
        (lambda: draw.matrix(Conv(3), 5, by="x"), ValueError, "'row' or 'column', got 'x'"),
        (lambda: draw.grid(np.zeros((2, 2, 2))), ValueError, r"got shape \(2, 2, 2\)"),
        (lambda: draw.grid(["a"]), TypeError, "numbers, got dtype"),
        (lambda: draw.grid(np.zeros((99, 2))), ValueError, "at most 64 numbers"),
        (lambda: draw.grid([1], window=(0, 0, 1, 2)), ValueError, "does not lie within"),
        (lambda: draw.taps(Conv(3), 5, at=(3, 0)), ValueError, r"at=\(3, 0\) does not lie"),
        (lambda: draw.scatter(np.ones((4, 4)), KERNEL), ValueError, "16 stamps are too many"),
        (lambda: draw.zeros(KERNEL, [[1]], padding=1), ValueError, "padding=.* draw stamps or"),
        (lambda: draw.bilinear(1, 2, 3, 4, tx=1.5), ValueError, "tx must be from 0 to 1, got 1.5"),
        (lambda: draw.network(zoo.unet(), 0), ValueError, "must be at least 1, got 0"),
        (lambda: draw.network(5, 5), TypeError, "must be a function"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_with_what_can(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_symbols_are_refused():
    from upshape.shapes import k

    with pytest.raises(TypeError, match="kernel_size=k is no int"):
        draw.windows(Conv(k), 5)


def test_upshapes_own_layers_are_read():
    layer = up.ConvTranspose2d(np.ones((1, 1, 3, 3), np.float32), stride=2, padding=1)
    assert draw.stamps(layer, 4).alt == draw.stamps(ConvTranspose((3, 3), 2, 1).axes[0], 4).alt


# --- in notebooks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "drawing"),
    [
        (Conv(3, 2, 1), draw.windows(Conv(3, 2, 1), 8)),
        (Conv(7, padding=3), draw.windows(Conv(7, padding=3), 4)),
        (Pool(2, ceil_mode=True), draw.windows(Pool(2, ceil_mode=True), 8)),
        (ConvTranspose((3, 3), 2, 1), draw.stamps(ConvTranspose(3, 2, 1), 4)),
        (Interpolate(scale_factor=1.5), draw.ruler(4, 6)),
        (Conv(99), None),
        (Interpolate(size=500), None),
        (Unpool(2), None),
    ],
    ids=lambda value: None if isinstance(value, draw.Drawing) else str(value),
)
def test_a_layer_shows_itself_in_a_notebook(layer, drawing):
    told = layer._repr_html_()
    root = ET.fromstring(told)
    assert root.find("code").text == repr(layer)
    assert (f"<title>{drawing.alt}</title>" in told) if drawing else root.find(f"{SVG}svg") is None


def test_a_layer_of_two_kinds_of_axes_and_one_of_symbols_show_themselves():
    from upshape.shapes import k

    told = ConvTranspose((3, 4), stride=2)._repr_html_()
    assert "kernel_size=3, stride=2) on" in told
    assert "kernel_size=4, stride=2) on" in told
    assert "<svg" not in Conv(k)._repr_html_()


def test_answers_and_explanations_show_themselves_in_a_notebook():
    answer = solve(zoo.unet())
    root = ET.fromstring(answer._repr_html_())
    assert root.find("pre").text == str(answer)
    assert root.find(f"{SVG}svg").attrib["aria-label"].startswith("unet takes 512: sizes 512 256")
    explanation = answer.explain(600)
    root = ET.fromstring(explanation._repr_html_())
    assert root.find("pre").text == str(explanation)
    assert root.find(f"{SVG}svg").attrib["aria-label"] == draw.network(answer, 600).alt
    assert "<svg" not in solve(lambda x: same(x, x + 1))._repr_html_()


def test_an_explanation_is_drawn_at_its_size_or_another():
    answer = solve(zoo.unet())
    assert draw.network(answer.explain(600)).svg == draw.network(answer, 600).svg
    assert draw.network(answer.explain(600), 592).svg == draw.network(answer, 592).svg
    with pytest.raises(TypeError, match="the input size n is needed"):
        draw.network(answer)
    with pytest.raises(ValueError, match="pickled"):
        draw.network(pickle.loads(pickle.dumps(answer.explain(600))))


def test_layers_that_compute_show_themselves_in_a_notebook():
    layer = up.ConvTranspose2d(np.ones((1, 1, 3, 3), np.float32), stride=2, padding=1)
    root = ET.fromstring(layer._repr_html_())
    assert root.find("code").text == repr(layer)
    told = root.find(f"{SVG}svg").attrib["aria-label"]
    assert told == draw.stamps(ConvTranspose(3, 2, 1), 4).alt


def test_a_pickled_explanation_is_its_text():
    explanation = solve(network_that_pads).explain(75)
    again = pickle.loads(pickle.dumps(explanation))
    assert again == explanation
    assert again.taken is False
    assert ET.fromstring(again._repr_html_()).find("pre").text == str(explanation)
