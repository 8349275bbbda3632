"""OpenCV's integers: its source's formulas, pixel by pixel, and a few pixels that it gave."""

import math

import numpy as np
import pytest

import upshape as up

PICTURE = (np.arange(24) ** 2 % 251).astype(np.uint8).reshape(4, 6)

#: What opencv-python-headless 5.0.0.93 makes of PICTURE: the mode, rows of it, columns, rows.
GIVEN = {
    ("linear", 4, 5, 7): [
        [0, 2, 6, 14, 24], [13, 20, 30, 42, 58], [35, 50, 68, 88, 112], [92, 115, 142, 82, 77],
        [141, 173, 207, 81, 35], [102, 141, 184, 167, 43], [77, 122, 169, 220, 47],
    ],
    ("linear", 4, 3, 2): [[22, 40, 66], [124, 190, 76]],
    ("area", 4, 5, 7): [
        [0, 2, 7, 14, 24], [10, 15, 23, 33, 47], [38, 54, 73, 94, 118], [93, 116, 142, 86, 75],
        [148, 178, 211, 78, 33], [96, 137, 180, 183, 54], [79, 123, 170, 219, 61],
    ],
    ("area", 4, 5, 3): [[10, 15, 23, 34, 47], [93, 116, 142, 86, 75], [96, 137, 180, 184, 54]],
    ("lanczos", 4, 5, 7): [
        [1, 1, 7, 1, 11], [0, 7, 10, 50, 65], [29, 45, 60, 93, 119], [104, 123, 174, 65, 85],
        [146, 172, 242, 69, 25], [108, 148, 198, 180, 27], [65, 116, 144, 255, 49],
    ],
    ("cubic", 3, 5, 7): [
        [0, 0, 0, 5, 14], [3, 6, 12, 23, 37], [10, 19, 27, 63, 88], [37, 54, 72, 93, 119],
        [87, 111, 147, 89, 93], [133, 163, 215, 69, 45], [158, 191, 251, 61, 24],
    ],
}  # fmt: skip


def weights_of(mode, t):
    """Return OpenCV's weights of a float32 between two pixels, of eleven bits."""
    one = np.float32(1)
    if mode == "lanczos":
        angle = -(float(t + np.float32(3))) * math.pi * 0.25
        sine, cosine = math.sin(angle), math.cos(angle)
        root = math.sqrt(0.5)
        turns = [(1, 0), (-root, -root), (0, 1), (root, -root),
                 (-1, 0), (root, root), (0, -1), (-root, root)]  # fmt: skip
        weights, total = [], np.float32(0)
        for tap, (a, b) in enumerate(turns):
            away = t + np.float32(3) - np.float32(tap)
            y = -float(away) * math.pi * 0.25
            near = abs(away) < 1e-6
            weights.append(np.float32(1e30 if near else (a * sine + b * cosine) / (y * y)))
            total += weights[-1]
        weights = [weight * (one / total) for weight in weights]
    elif mode == "cubic":
        a = np.float32(-0.75)
        weights = [((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a,
                   ((a + 2) * t - (a + 3)) * t * t + 1]
        u = one - t
        weights.append(((a + 2) * u - (a + 3)) * u * u + 1)
        weights.append(one - weights[0] - weights[1] - weights[2])
    else:
        weights = [one - t, t]
    return [int(np.rint(weight * np.float32(2048))) for weight in weights]


def taps_of(mode, i, o, area, picked):
    """Return, for each picked pixel of the result, the source's pixels and their weights."""
    inverse = o / i
    scale = 1.0 / inverse
    found = []
    for x in picked:
        if area:
            low = math.floor(x * scale)
            t = np.float32((x + 1) - (low + 1) * inverse)
            t = np.float32(0) if t <= 0 else t - np.floor(t)
        else:
            position = np.float32((x + 0.5) * scale - 0.5)
            low = math.floor(position)
            t = position - np.float32(low)
        weights = weights_of(mode, t)
        first = low - len(weights) // 2 + 1
        found.append([(min(max(first + k, 0), i - 1), w) for k, w in enumerate(weights)])
    return found


def resized(x, size, mode, area=False, picked=None):
    """Return what OpenCV's formulas give of a picture (H, W, C), or picked rows and columns."""
    h, w, channels = x.shape
    of_rows, of_columns = picked or (range(size[0]), range(size[1]))
    columns = taps_of(mode, w, size[1], area, of_columns)
    rows = taps_of(mode, h, size[0], area, of_rows)
    lines = [
        [sum(int(x[r, p, c]) * a for p, a in taps) for taps in columns for c in range(channels)]
        for r in range(h)
    ]
    result = np.empty((len(rows), len(columns) * channels), np.uint8)
    for y, taps in enumerate(rows):
        for at in range(result.shape[1]):
            if mode == "linear":
                value = sum((lines[r][at] >> 4) * a >> 16 for r, a in taps) + 2 >> 2
            else:
                value = sum(lines[r][at] * a for r, a in taps) + (1 << 21) >> 22
            if mode == "cubic" and at < result.shape[1] // 8 * 8:
                # Vectors of eight are sums of float32, from the last product on.
                chain = np.float32(0)
                for r, a in reversed(taps):
                    chain += np.float32(lines[r][at]) * np.float32(a * 2.0**-22)
                value = int(np.rint(chain))
            result[y, at] = min(max(value, 0), 255)
    return result.reshape(len(rows), len(columns), channels)


SIZES = [(1, 1, 1, 5), (1, 9, 4, 1), (2, 3, 5, 7), (5, 7, 11, 7), (13, 40, 13, 19), (31, 8, 7, 33),
         (20, 30, 10, 15), (9, 50, 18, 100), (33, 70, 12, 21), (6, 6, 20, 90)]  # fmt: skip


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_linear_and_lanczos_are_opencvs_integers(rng, channels, sizes):
    h, w, *size = sizes
    for x in draw_pictures(rng, h, w, channels):
        for mode in ("linear", "lanczos"):
            y = up.resize(x, size, mode, channel_axis=-1, like="opencv")
            assert np.array_equal(y, resized(x, tuple(size), mode))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("channels", [2, 17])
def test_cubic_of_other_channels_is_opencvs_integers_and_floats(rng, channels, sizes):
    h, w, *size = sizes
    for x in draw_pictures(rng, h, w, channels):
        y = up.resize(x, size, "cubic", channel_axis=-1, like="opencv")
        assert np.array_equal(y, resized(x, tuple(size), "cubic"))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("channels", [2, 5, 9])
def test_cubic_of_planes_has_the_floats_of_whole_rows(rng, channels, sizes):
    """Which elements are sums of float32 depends on a row of all channels, wherever they lie."""
    h, w, *size = sizes
    for x in draw_pictures(rng, h, w, channels):
        wanted = resized(x, tuple(size), "cubic")
        planes = np.ascontiguousarray(np.moveaxis(x, -1, 0))
        y = up.resize(planes, size, "cubic", channel_axis=0, like="opencv")
        assert y.flags.c_contiguous
        assert np.array_equal(np.moveaxis(y, 0, -1), wanted)
        backwards = np.ascontiguousarray(x[..., ::-1])[..., ::-1]
        wide = np.zeros((channels, size[0], 2 * size[1]), np.uint8)
        out = np.moveaxis(wide[..., ::2], 0, -1)
        up.resize(backwards, size, "cubic", channel_axis=-1, like="opencv", out=out)
        assert np.array_equal(out, wanted)
        assert not wide[..., 1::2].any()


@pytest.mark.parametrize("sizes", [(3, 8, 7, 8), (9, 5, 9, 21), (8, 40, 3, 41), (1, 1, 2, 1)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_area_that_grows_is_linear_with_weights_of_its_own(rng, channels, sizes):
    h, w, *size = sizes
    for x in draw_pictures(rng, h, w, channels):
        y = up.resize(x, size, "area", channel_axis=-1, like="opencv")
        assert np.array_equal(y, resized(x, tuple(size), "linear", area=True))


def cover_of(i, o):
    """Return, for each pixel of the result, the pixels that it covers and their float32 weights."""
    scale = 1.0 / (o / i)
    found = []
    for x in range(o):
        begin, end = x * scale, x * scale + scale
        width = min(scale, i - begin)
        last = min(math.floor(end), i - 1)
        first = min(math.ceil(begin), last)
        taps = [(first - 1, (first - begin) / width)] if first - begin > 1e-3 else []
        taps += [(pixel, 1.0 / width) for pixel in range(first, last)]
        if end - last > 1e-3:
            taps.append((last, min(end - last, 1.0, width) / width))
        found.append([(pixel, np.float32(weight)) for pixel, weight in taps])
    return found


def shrunk(x, size):
    """Return OpenCV's means of a picture (H, W, C), sums of float32 in its order."""
    (h, w, channels), (oh, ow) = x.shape, size
    if h % oh == 0 and w % ow == 0:
        blocks = x.reshape(oh, h // oh, ow, w // ow, channels).astype(int).sum((1, 3))
        if (h, w) == (2 * oh, 2 * ow) and channels in (1, 3, 4):
            return (blocks + 2) // 4
        scale = np.float32(1) / np.float32(h // oh * (w // ow))
        return np.rint(blocks.astype(np.float32) * scale)
    lines = np.zeros((h, ow, channels), np.float32)
    for at, taps in enumerate(cover_of(w, ow)):
        for pixel, weight in taps:
            lines[:, at] += x[:, pixel] * weight
    result = np.zeros((oh, ow, channels), np.float32)
    for at, taps in enumerate(cover_of(h, oh)):
        for row, weight in taps:
            result[at] += lines[row] * weight
    return np.rint(result)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    "sizes",
    [(9, 7, 5, 6), (64, 80, 48, 24), (75, 200, 75, 64), (31, 62, 9, 62), (300, 5, 7, 4),
     (24, 36, 4, 6), (60, 60, 5, 10), (20, 30, 10, 15), (40, 9, 20, 9), (120, 7, 3, 1)],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_area_that_shrinks_is_opencvs_sums_of_float32(rng, channels, sizes):
    h, w, *size = sizes
    for x in draw_pictures(rng, h, w, channels):
        y = up.resize(x, size, "area", channel_axis=-1, like="opencv")
        assert np.array_equal(y, shrunk(x, tuple(size)))


def test_area_by_six_is_a_tie_of_whole_numbers(rng):
    """A sum of 18 and a multiple of 36 is a half, or what float32 makes of it: many pixels are."""
    x = rng.integers(0, 256, (600, 600, 1)).astype(np.uint8)
    y = up.resize(x, (100, 100), "area", channel_axis=-1, like="opencv")
    wanted = shrunk(x, (100, 100))
    sums = x.reshape(100, 6, 100, 6).astype(int).sum((1, 3))
    assert (sums % 36 == 18).sum() > 100
    assert np.array_equal(y, wanted)


def draw_pictures(rng, h, w, channels):
    """Return a picture of all bytes, and one of black and white."""
    yield rng.integers(0, 256, (h, w, channels)).astype(np.uint8)
    yield rng.integers(0, 2, (h, w, channels)).astype(np.uint8) * 255


@pytest.mark.parametrize(("mode", "rows", "width", "height"), GIVEN)
def test_pixels_that_opencv_gave(mode, rows, width, height):
    y = up.resize(PICTURE[:rows], (height, width), mode, like="opencv")
    assert y.tolist() == GIVEN[mode, rows, width, height]


@pytest.mark.parametrize("mode", ["linear", "area"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_means_of_four_go_up_from_a_half_but_for_two_channels_and_many(mode, channels):
    x = np.zeros((2, 2, channels), np.uint8)
    x[0] = 1
    y = up.resize(x, (1, 1), mode, channel_axis=-1, like="opencv")
    assert y.tolist() == [[[1 if channels in (1, 3, 4) else 0] * channels]]


def test_no_layout_and_no_strip_changes_a_byte(rng):
    """Planes, pixels, rows backwards, a result with gaps, a row longer than a strip."""
    x = rng.integers(0, 256, (9, 2500, 3)).astype(np.uint8)
    for mode in ("linear", "lanczos", "area"):
        how = {"mode": mode, "like": "opencv"}
        y = up.resize(x, (21, 3100), channel_axis=-1, **how)
        wide = np.zeros((21, 6200, 3), np.uint8)
        up.resize(x, (21, 3100), channel_axis=-1, out=wide[:, ::2], **how)
        assert np.array_equal(wide[:, ::2], y)
        assert not wide[:, 1::2].any()
        backwards = np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
        assert np.array_equal(up.resize(backwards, (21, 3100), channel_axis=-1, **how), y)
        for c in range(3):
            plane = np.ascontiguousarray(x[..., c])
            assert np.array_equal(up.resize(plane, (21, 3100), **how), y[..., c])
        assert np.array_equal(
            up.resize(x[0, :, 0], 3100, **how), up.resize(x[:1, :, 0], (1, 3100), **how)[0]
        )


def test_a_result_longer_than_a_piece_is_made_of_the_same_pixels(rng):
    """Tall and wide: pieces begin and end where taps reach beyond the border, and where none do."""
    x = rng.integers(0, 256, (7, 5)).astype(np.uint8)
    long = 300_000
    some = [*range(40), *range(65_530, 65_540), *range(149_990, 150_010), *range(long - 40, long)]
    for mode in ("linear", "lanczos"):
        for size, picked in (((long, 3), (some, range(3))), ((3, long), (range(3), some))):
            y = up.resize(x, size, mode, like="opencv")
            wanted = resized(x[..., None], size, mode, picked=picked)[..., 0]
            assert np.array_equal(y[np.ix_(*picked)], wanted)
