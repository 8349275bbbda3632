"""How sums of taps are formed: which pass comes first, in what numbers, and with which weights.

The kernel (pyx/taps) is handed what is decided here. A line, what lies between two passes, holds
float32, float64 (of float64, and of integers of more than eight bits and int8) or, of uint8 where
that is exact enough, fixed point: int16 with some binary digits behind the point. Sums of fixed
point are formed in one of four ways:

    pairs    products of two taps, in 32 bits
    rounded  products of 16 bits, each rounded: quickly done, but not where there are many
    tiny     bytes times weights of 8 bits, which are fractions with a small denominator
    floored  products of 16 bits, each rounded down, as OpenCV has them
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Axis", "Couples", "Laid", "Level", "Passes", "Picture", "Sums",
    "cut", "passes", "plan", "sums",
]

#: The letters of the dtypes that sums are formed of.
LETTERS = "fdeB?bhHi"

# What `across` costs, a tap of an element, where `down` costs 1.
_ACROSS = 2.5

# Fixed point is taken where no result is more off than this before it is rounded: results are then
# the exact values rounded to nearest, but for those that close to a tie, which may be one off.
_OFF = 0.1

# Elements of a strip, of source or result, whichever is more: what is transposed of a group, and
# what becomes of it, stay in the first cache. The same in fixed point; where nothing is transposed;
# and where means of 2 x 2 pixels are made: each element is read once, and long strips are read with
# the fewest starts.
_STRIP, _STRIP_FIXED, _STRIP_DOWN, _STRIP_HALVED = 512, 2048, 2048, 8192

# A pixel's window of more elements than this is not transposed: its rows are summed one by one.
_WIDEST = 4096


class Level(NamedTuple):
    """What the vectors of a CPU level are."""

    vector_bytes: int
    shorts: int  # elements of a vector in fixed point
    quads: int  # pixels of four elements in such a vector


class Picture(NamedTuple):
    """What is resized."""

    dtype: str  # NumPy's letter
    channels: int
    gaps: bool = False  # between the pixels of the result
    rounded: bool = False  # each pass gives integers

    @property
    def bytes(self) -> bool:
        """Whether elements are bytes."""
        return self.dtype in "B?"


class Axis(NamedTuple):
    """The table of an axis: pixel j is made of the source's from first[j] on, taps[j] of them."""

    first: NDArray[np.int64]
    taps: NDArray[np.int64]
    weights: NDArray[np.float64]  # a row a pixel: its weights, then zeros
    source: int
    copied: bool  # one tap, of weight 1

    @property
    def pixels(self) -> int:
        """Pixels of the result."""
        return len(self.first)

    @property
    def most(self) -> int:
        """Taps of a pixel, at most, and at least one."""
        return int(self.weights.shape[1])

    @property
    def gain(self) -> float:
        """How much larger than all of its source a pixel may be; at least 1."""
        return max(float(np.abs(self.weights).sum(1).max()), 1.0)

    @property
    def is_half(self) -> bool:
        """Whether each pixel is the mean of two, and they follow each other."""
        return (
            not self.copied and self.most == 2 and bool((self.weights == 0.5).all())
            and bool((self.first == 2 * np.arange(self.pixels)).all()))


class Laid(NamedTuple):
    """The weights of an axis as the kernel reads them."""

    weight: NDArray[Any] | None = None  # a row a pixel, as wide as an element of a line
    way: str = "pairs"
    shift: int = 0  # pairs: sums are divided by 2^shift
    more: int = 0  # pairs: what is added before; half of 2^shift rounds, 0 rounds down
    split: int = 0  # pairs: weights of more than 16 bits are two, the first counts 2^split times
    copies: int = 1  # how often a weight, or a pair of weights, is repeated
    # tiny: what a pixel's sums are multiplied with, times 2^15; 0: nothing. rounded: how often they
    # are doubled: half the weights are laid out for a pixel with one above 1.
    scale: NDArray[np.int16] | None = None
    factor: NDArray[np.int16] | None = None  # rounded, quads: 1 or 2 for each element of a pixel
    place: NDArray[np.int64] | None = None  # quads: elements before a pixel's weights
    lift: int = 0  # rounded: what bytes are multiplied with first, as a power of two
    most_line: int = -1  # what an element of a line is at most, 0 at least; -1: anything


class Sums(NamedTuple):
    """In what numbers sums are formed."""

    item: int  # bytes of an element of a line; 2: fixed point
    laid: list[Laid]  # along d, h and w
    fraction: int = 0  # fixed point: binary digits of a line's elements behind the point
    off: float = 0.0  # how far from the exact values results are before they are rounded
    # What decides about an element near a tie. left: its sum; exact: the exact sum, halves up, but
    # for `chained` elements of a row, for which products are added in float32, the last one first;
    # chained: products added in float32, across and then down; whole: means of whole pixels.
    mending: str = "left"
    chained: int = 0


class Couples(NamedTuple):
    """The weights of a row's pixels, two for each couple: neighbours, of which one is even.

    What is no tap of a couple has weight 0; of split weights both parts follow each other.
    """

    first: NDArray[np.int64]  # a pixel: its first couple, and how many it has
    counts: NDArray[np.int64]
    weight: NDArray[np.int16]  # a row a pixel


class Passes(NamedTuple):
    """How rows are made."""

    across_first: bool
    group: int  # rows that go across together
    transposed: bool  # these are transposed, so that a column is a vector
    halved: bool  # each pixel is the mean of 2 x 2: down and across at once
    quads: bool  # pixels of four elements go across one by one, two rows at a time
    couples: Couples | None  # rows are transposed by couples of pixels
    # The pixels regular[0] to regular[1] - 1 of a row repeat themselves: `period` later, a pixel
    # has the same weights, for the source's pixels `step` further on. 0: they do not.
    period: int
    step: int
    regular: tuple[int, int]
    # For each strip its first pixel, the first and the last + 1 of the source; then the width.
    strips: NDArray[np.intp]
    longest: int  # elements of a strip of the result, at most, and of the source
    longest_source: int
    phase_source: int  # bytes of a phase of a strip
    phase_result: int


def trimmed(table: tuple[Any, ...]) -> Axis:
    """Return a table without zeros at the ends of its weights: what has none is not read.

    table: the first pixels, the weights (a row a pixel; None: an axis that is copied) and the
    source's size.

    >>> trimmed((np.array([0, 1]), np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]), 4))[:3]
    (array([1, 1]), array([2, 1]), array([[0.5, 0.5],
           [1. , 0. ]]))
    """
    first, weights, source = table
    if weights is None:
        one = np.ones((len(first), 1))
        return Axis(first, one[:, 0].astype(np.int64), one, source, True)
    there = weights != 0.0
    none = ~there.any(1)
    begin = there.argmax(1)
    taps = np.where(none, 0, weights.shape[1] - there[:, ::-1].argmax(1) - begin)
    # A pixel of no taps begins where the one before it does.
    known = np.maximum.accumulate(np.where(none, -1, np.arange(len(first))))
    start = np.where(known < 0, 0, (first + begin)[known])
    within = np.arange(max(int(taps.max()), 1))
    at = np.minimum(begin[:, None] + within, weights.shape[1] - 1)
    kept = np.where(within < taps[:, None], np.take_along_axis(weights, at, 1), 0.0)
    return Axis(start.astype(np.int64), taps.astype(np.int64), kept, source, False)


def is_cheaper_across(h: Axis, w: Axis) -> bool:
    """Return whether going across before going down is less work.

    >>> four, two = (trimmed((np.arange(n), None, n)) for n in (4, 2))
    >>> is_cheaper_across(four._replace(source=2), four._replace(source=2))
    True
    >>> is_cheaper_across(two._replace(source=4), two._replace(source=4))
    False
    """
    across, down = _ACROSS * w.most * w.pixels, h.most * h.pixels
    return across * h.source + down * w.pixels < down * w.source + across * h.pixels


# --- in what numbers ------------------------------------------------------------------------------


def sums(picture: Picture, axes: Sequence[Axis], level: Level, across_first: bool,
         fixed: bool = True) -> Sums:
    """Choose what sums are formed in, and lay out the weights accordingly.

    `fixed`: fixed point may be taken.

    >>> axis = trimmed((np.array([0, 2]), np.full((2, 2), 0.5), 4))
    >>> one, level = trimmed((np.arange(1), None, 1)), Level(32, 16, 4)
    >>> [sums(Picture(dtype, 1), (one, axis, axis), level, False).item for dtype in "feBh"]
    [4, 4, 2, 8]
    """
    if picture.rounded and not (picture.bytes and axes[0].copied):
        raise AssertionError("bytes alone are rounded after each pass, down and across")
    made = None
    if picture.rounded and fixed:
        made = _whole_sums(picture, axes, level, across_first)
    elif picture.dtype == "B" and fixed:
        # A mean of bools is off by as much as one of bytes would be: too much for 0 and 1.
        made = _fixed_sums(picture, axes, level, across_first)
    if made is not None:
        return made
    item = 8 if picture.rounded or picture.dtype not in "feB?" else 4
    dtype = np.float64 if item == 8 else np.float32
    return Sums(item, [Laid(np.ascontiguousarray(axis.weights, dtype)) for axis in axes])


def _whole_sums(picture: Picture, axes: Sequence[Axis], level: Level,
                across_first: bool) -> Sums | None:
    """Lay out weights for passes that give integers, if they have no more digits than fit."""
    laid = [Laid()]
    for axis in axes[1:]:
        digits, split = digits_of(axis.weights, 1 << 15), 0
        if digits < 0:
            digits, split = digits_of(axis.weights, 1 << 26), 11
        if digits < 0:
            return None
        quads = axis is axes[2] and takes_quads(picture, axis) and not takes_couples(
            picture, axes, "pairs", across_first)
        given = Laid(shift=digits, more=1 << digits >> 1, split=split, most_line=255)
        laid.append(given if axis.copied else _lay_out(
            given, axis.weights * 2.0**digits, level, quads))
    return None if axes[1].copied and axes[2].copied else Sums(2, laid)


def _fixed_sums(picture: Picture, axes: Sequence[Axis], level: Level,
                across_first: bool) -> Sums | None:
    """Lay out weights for fixed point, if no result is then more off than _OFF."""
    order = [n for n in ((0, 2, 1) if across_first else (0, 1, 2)) if not axes[n].copied]
    if not order:
        return None
    whole, by = parts_of(axes[order[0]].weights) if order[0] != 2 else (None, None)
    full = 7 if by is None or not by.any() else 6
    fraction, gain = full, float(np.prod([axis.gain for axis in axes]))
    while 255.0 * gain * 2.0**fraction > 32700.0:
        fraction -= 1
        if fraction < 4:
            return None
    made: list[tuple[Laid, NDArray[np.float64]]] = []
    off = 0.0
    if (whole is not None and by is not None and fraction == full
            and picture.channels * axes[2].source >= 4 * level.shorts):
        if full == 6:  # what is divided by 128 as it is has one digit more
            by = np.where(by == 0, 16384, by).astype(np.int16)
        made, off = [(Laid(way="tiny", scale=by), whole)], 0.5**7 if by.any() else 0.0
    off = _choose_ways(axes, order, fraction, made, off)
    if off > _OFF:
        return None
    laid = [Laid()] * 3
    for n, (given, whole) in zip(order, made, strict=True):
        lift = fraction if given.way == "rounded" and n == order[0] else 0
        quads = n == 2 and takes_quads(picture, axes[2]) and not takes_couples(
            picture, axes, given.way, across_first)
        laid[n] = _lay_out(given._replace(lift=lift), whole, level, quads)
    return Sums(2, laid, fraction, off)


def _floored_sums(picture: Picture, axes: Sequence[Axis], level: Level) -> Sums:
    """Lay out OpenCV's weights of eleven bits: sums across and products down are rounded down.

    A line has seven digits behind the point, and a result two, and one that lifts what is a tie:
    16 bits hold lines of weights that sum to 2056.
    """
    h, w = (axis.weights * 2048.0 for axis in axes[1:])
    for own in (h, w):
        if (picture.dtype != "B" or not axes[0].copied or (own != np.rint(own)).any()
                or own.min() < 0 or own.sum(1).max() > 2056):
            raise AssertionError("bytes across and down, of weights of eleven bits, are floored")
    quads = takes_quads(picture, axes[2])
    return Sums(2, [Laid(), _lay_out(Laid(way="floored"), h, level, False),
                    _lay_out(Laid(shift=4), w, level, quads)], 3)


def _choose_ways(axes: Sequence[Axis], order: list[int], fraction: int,
                 made: list[tuple[Laid, NDArray[np.float64]]], off: float) -> float:
    """Choose how the sums of each pass are formed; return how far off the last one's may be.

    `made` has the first pass, if that is chosen already, and gets the others.
    """
    size = 255.0
    for n, axis in enumerate(axes[j] for j in order):
        own, gain, given = axis.weights, axis.gain, 0 if n == 0 else fraction
        if n == 0 and made:
            size *= gain
            continue
        twice = np.abs(own).max(1) > 1.0
        one = 32768.0 / (1.0 + twice[:, None])
        whole = np.clip(np.rint(own * one), -32768, 32767)
        own_off = float((size * np.abs(whole / one - own).sum(1)
                         + (own != 0).sum(1) * (1.0 + twice) * 0.5**(fraction + 1)).max())
        allowed = _OFF * (0.5 if n < len(order) - 1 else 1.0)
        if ((n > 0 or order[0] == 2) and np.abs(own).max() < 1.99
                and off * gain + own_off < allowed):
            made.append((Laid(way="rounded", scale=twice.astype(np.int16)), whole))
        else:
            bit = bits_of(own, size * gain * 2.0**given)
            whole = whole_weights(own, bit)
            shift = bit + given - fraction
            if shift < 1 or np.abs(whole).max() > 32767:
                return 1.0
            own_off = size * float(np.abs(whole / 2.0**bit - own).sum(1).max())
            own_off += 0.5**(fraction + 1)
            made.append((Laid(shift=shift, more=1 << shift >> 1), whole))
        off = off * gain + own_off
        size *= gain
    return off


def _lay_out(laid: Laid, given: NDArray[np.float64], level: Level, quads: bool) -> Laid:
    """Lay out integers as weights: as pairs of 16 or of 8 bits, or each of them twice.

    Pixels of four elements have them four times, for whole vectors of pixels.
    """
    count, most = given.shape
    twice = laid.way in ("rounded", "floored")
    copies = 4 if quads else 2 if twice else 1
    by = level.quads if quads else 2
    whole = np.zeros((count, -(-most // by) * by), np.int32)
    whole[:, :most] = given
    place = factor = None
    if quads:
        # Pixels with the same weights share those of the first: they stay in the cache.
        seen: dict[bytes, int] = {}
        place = np.array([seen.setdefault(row.tobytes(), j) for j, row in enumerate(given)])
        if laid.scale is not None:
            factor = np.repeat(np.int16(1) << laid.scale, 4)
    if laid.way == "tiny":
        weight = _pairs(whole.astype(np.int8), 2).view(np.int16)
    elif twice:
        weight = np.repeat(whole.astype(np.int16), copies, axis=1)
    else:
        weight = _pairs((whole >> laid.split).astype(np.int16), copies)
        if laid.split > 0:
            rest = (whole & ((1 << laid.split) - 1)).astype(np.int16)
            weight = np.hstack([weight, _pairs(rest, copies)])
    if place is not None:
        place = place.astype(np.int64) * weight.shape[1]
    return laid._replace(weight=np.ascontiguousarray(weight), copies=copies, factor=factor,
                         place=place)


def _pairs(weight: NDArray[Any], copies: int) -> NDArray[Any]:
    """Repeat each pair of weights so many times.

    >>> _pairs(np.arange(4).reshape(1, 4), 2)
    array([[0, 1, 0, 1, 2, 3, 2, 3]])
    """
    count, most = weight.shape
    return np.repeat(weight.reshape(count, most // 2, 1, 2), copies, axis=2).reshape(count, -1)


def bits_of(weights: NDArray[np.float64], largest: float) -> int:
    """Return with how many binary digits weights of 16 bits have sums of 32, up to `largest`.

    >>> bits_of(np.array([[0.5, 0.5]]), 255.0), bits_of(np.array([[1.5, -0.5]]), 255.0)
    (15, 14)
    """
    bit, top = 1, float(np.abs(weights).max())
    while (bit < 22 and top * 2.0**(bit + 1) + weights.shape[1] < 32767
           and largest * 2.0**(bit + 1) < 2.0**31 * 0.95):
        bit += 1
    return bit


def digits_of(weights: NDArray[np.float64], most: int) -> int:
    """Return how many binary digits weights have behind the point.

    -1: they are no integers below `most` with any number of digits, or their sums of bytes have
    more than 32 bits.

    >>> digits_of(np.array([[0.25, 0.75]]), 1 << 15), digits_of(np.array([[1 / 3, 2 / 3]]), 1 << 15)
    (2, -1)
    """
    for digits in range(23):
        whole = weights * 2.0**digits
        if np.abs(whole).max() >= most:
            return -1
        if (whole == np.rint(whole)).all() and digits > 0:
            return digits if 255 * np.abs(whole).sum(1).max() < 2**31 - 2**digits else -1
    return -1


def whole_weights(weights: NDArray[np.float64], bit: int) -> NDArray[np.float64]:
    """Return weights times 2^bit as integers; what is left of a sum goes to its largest weight.

    >>> whole_weights(np.array([[0.3, 0.3, 0.4]]), 3)
    array([[2., 2., 4.]])
    """
    whole = np.rint(weights * 2.0**bit)
    at = np.abs(whole).argmax(1)[:, None]
    rest = np.rint(weights.sum(1, keepdims=True) * 2.0**bit) - whole.sum(1, keepdims=True)
    np.put_along_axis(whole, at, np.take_along_axis(whole, at, 1) + rest, 1)
    return whole


def parts_of(
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int16]] | tuple[None, None]:
    """Return weights as integers of 8 bits and, a pixel, what sums of bytes are multiplied with.

    Sums times 2^-15 times that have six binary digits behind the point, or seven where it is 0.
    (None, None): weights are no fractions with such small denominators.

    >>> parts_of(np.array([[0.25, 0.75], [1 / 3, 2 / 3]]))
    (array([[32., 96.],
           [42., 84.]]), array([    0, 16644], dtype=int16))
    """
    left = np.ones(len(weights), bool)
    whole, by = np.zeros(weights.shape), np.zeros(len(weights), np.int16)
    if (weights < 0).any() or (weights.sum(1) > 1 + 1e-9).any():
        return None, None
    for most in range(128, 64, -1):
        scaled_up = weights * most
        fits = left & (np.abs(scaled_up - np.rint(scaled_up)) < 1e-6).all(1)
        whole[fits] = np.rint(scaled_up[fits])
        by[fits] = 0 if most == 128 else min(round(32768 * 64 / most), 32767)
        left &= ~fits
    return (None, None) if left.any() or whole.max() > 127 else (whole, by)


# --- how rows are made ----------------------------------------------------------------------------


def passes(picture: Picture, axes: Sequence[Axis], made: Sums, level: Level,
           across_first: bool) -> Passes:
    """Choose how rows go across, and cut them into strips."""
    d, h, w = axes
    channels, fixed = picture.channels, made.item == 2
    group = level.shorts if fixed else level.vector_bytes // made.item
    coupled = (fixed and made.laid[2].copies == 1
               and takes_couples(picture, axes, made.laid[2].way, across_first))
    quads = fixed and takes_quads(picture, w) and not coupled
    period, step, regular = 0, 0, (0, 0)
    if not (w.copied or quads or channels >= group):
        period, step, regular = _period(w, made.laid[2], channels, fixed)
    # Phases are sums of whole rows: quicker than couples, but not where weights are split.
    if coupled and made.laid[2].split > 0:
        period, step, regular = 0, 0, (0, 0)
    coupled = coupled and period == 0
    # Pixels of up to eight bytes are halved, in fixed point, and pixels of which a vector holds
    # some.
    floored = made.laid[1].way == "floored"
    halved = (
        (floored or not (across_first or picture.rounded)) and d.copied and h.is_half and w.is_half
        and (channels <= 8 if fixed else level.vector_bytes % (channels * made.item) == 0))
    transposed = not (w.copied or quads or coupled or period) and channels < group
    group = 2 if quads else 1 if period else group
    elements = _STRIP_FIXED if fixed else _STRIP
    if halved:
        elements = _STRIP_HALVED
    elif w.copied or period or quads:
        elements = _STRIP_DOWN
    most = max(1, elements // channels)
    if period > 1:
        most = max(most // period, 1) * period
    strips, longest, longest_source = cut(w, most)
    longest, longest_source = longest * channels, longest_source * channels
    if longest_source > _WIDEST:
        transposed, group = False, 1
    # Lines begin with a line of the cache, and have room for what a vector more would take.
    longest, longest_source = ((size + 31) // 16 * 16 for size in (longest, longest_source))
    if quads:
        longest_source += (4 * w.most + 15) // 16 * 16
    couples = None
    if coupled:  # a strip begins with a couple; columns are made by up to twelve
        couples = couples_of(w, made.laid[2])
        strips[1::3] -= strips[1::3] % 2
        longest_source += 32 + 16 * channels
    phase_source = phase_result = 0
    if period:
        room = 2 * channels + 64
        phase_source = _padded((longest_source // step + room) * made.item)
        phase_result = _padded((longest // period + room) * made.item)
    return Passes(across_first and not halved, group, transposed, halved, quads, couples, period,
                  step, regular, strips, longest, longest_source, phase_source, phase_result)


def takes_quads(picture: Picture, w: Axis) -> bool:
    """Return whether rows of fixed point are made pixel by pixel, of vectors of whole pixels.

    Twice and half as many pixels are sooner made of phases.
    """
    return (picture.channels == 4 and not w.copied
            and w.source != 2 * w.pixels and w.pixels != 2 * w.source)


def takes_couples(picture: Picture, axes: Sequence[Axis], way: str, across_first: bool) -> bool:
    """Return whether rows of bytes go across by couples, as pixels of up to four do.

    They are the source's own, and sums of fixed point are formed of pairs.
    """
    d, h, w = axes
    return (
        way == "pairs" and picture.channels <= 4 and not w.copied and d.copied
        and (across_first or h.copied))


def couples_of(axis: Axis, laid: Laid) -> Couples:
    """Return the weights of couples.

    >>> axis = trimmed((np.array([1, 2]), np.array([[1.0, 2.0], [3.0, 4.0]]), 4))
    >>> couples_of(axis, Laid(np.array([[1, 2], [3, 4]], np.int16)))[1:]
    (array([2, 1]), array([[0, 1, 2, 0],
           [3, 4, 0, 0]], dtype=int16))
    """
    assert laid.weight is not None
    parts, odd = 2 if laid.split > 0 else 1, axis.first % 2
    given = laid.weight.reshape(axis.pixels, parts, -1)[:, :, :axis.most]
    most = axis.most // 2 + 1
    weight = np.zeros((axis.pixels, parts, 2 * most), np.int16)
    for begin in (0, 1):
        weight[odd == begin, :, begin:begin + axis.most] = given[odd == begin]
    by_turns = weight.reshape(axis.pixels, parts, most, 2).swapaxes(1, 2)
    return Couples(axis.first // 2, (odd + axis.taps + 1) // 2,
                   np.ascontiguousarray(by_turns).reshape(axis.pixels, -1))


def _period(w: Axis, laid: Laid, channels: int, fixed: bool) -> tuple[int, int, tuple[int, int]]:
    """Find after how many pixels of a row the table repeats itself, if that is worth while.

    Pixels of one and two elements are taken apart by twos, others by up to four. In fixed point,
    rows of three channels are transposed sooner than phases of theirs are put together.
    """
    assert laid.weight is not None
    bits = laid.weight.view(np.int16)
    most = 2 if channels < 3 else 4
    longest = 1 if fixed and channels not in (1, 2, 4) else most
    for period in range(1, longest + 1):
        middle = w.pixels // 2 // period * period
        if middle + 2 * period > w.pixels:
            break
        by = int(w.first[middle + period] - w.first[middle])
        if not 1 <= by <= most:
            continue
        alike = (w.first[period:] - w.first[:-period] == by) & (w.taps[period:] == w.taps[:-period])
        alike &= (bits[period:] == bits[:-period]).all(1)
        if laid.scale is not None:
            alike &= laid.scale[period:] == laid.scale[:-period]
        other = np.flatnonzero(~alike)
        at = int(np.searchsorted(other, middle))
        first = int(other[at - 1]) + 1 if at > 0 else 0
        last = int(other[at]) if at < len(other) else len(alike)
        if 4 * (last + period - first) >= 3 * w.pixels and last - first >= 8 * period:
            return period, by, (first, last + period)
    return 0, 0, (0, 0)


def cut(w: Axis, most: int) -> tuple[NDArray[np.intp], int, int]:
    """Cut a row into strips of so many pixels at most, of the result and of the source.

    Return them, see Passes.strips, and the most pixels of one, of the result and of the source.

    >>> cut(trimmed((np.arange(5), np.full((5, 2), 0.5), 6)), 3)
    (array([0, 0, 3, 2, 2, 5, 4, 4, 6, 5]), 2, 3)
    """
    low, high = w.first, w.first + w.taps
    # No pixel from the first of a strip on begins before this; and so far reach those before its
    # end: where tables go back and forth, strips are shorter than they might be.
    least = np.minimum.accumulate(low[::-1])[::-1]
    ends = np.searchsorted(np.maximum.accumulate(high), least + most, side="right").tolist()
    starts, x = [], 0
    while x < w.pixels:
        starts.append(x)
        x = min(x + most, max(x + 1, ends[x]))
    lows = np.minimum.reduceat(low, starts)
    highs = np.maximum.reduceat(high, starts)
    strips = np.append(np.column_stack([starts, lows, highs]), w.pixels).astype(np.intp)
    width = max(b - a for a, b in zip(starts, [*starts[1:], w.pixels], strict=True))
    return strips, width, max(int((highs - lows).max()), 1)


def _padded(nbytes: int) -> int:
    return (nbytes + 63) // 64 * 64


def plan(
    kernel: Any, roles: tuple[int, ...], tables: Sequence[tuple[Any, ...]], dtype: str,
    channels: int, spacing: int, streaming: bool, only: str | None = None, rounded: bool = False,
    fixed: bool = True, floored: bool = False, mending: str = "left", chained: int = 0,
) -> Any:
    """Return the kernel's plan.

    roles: which axes of the arrays are n, m, d, h, w, c (-1: none); tables: for d, h and w the
    first pixels (int64), the weights (float64, a row a pixel; None: an axis that is copied) and the
    source's size; dtype: NumPy's letter, one of `LETTERS`; channels, spacing: elements of a pixel,
    and from one pixel of the result to the next; streaming: write past the cache; only: "across"
    or "down", the pass to begin with. For uint8 alone: `rounded`: across comes first if `only` does
    not say otherwise, and each pass gives integers, halves up, of weights that are whole numbers
    divided by a power of two (as PyTorch and Pillow do it); `fixed`: fixed point may be taken;
    `floored`: weights are of eleven bits, across comes first, and taps may lie beyond the first and
    the last row; `mending`, `chained`: see Sums; "exact" says of the weights what `floored` does.
    """
    if dtype not in LETTERS:
        raise AssertionError(f"no sums of dtype {dtype!r} are formed")
    level = Level(*kernel.LEVEL)
    picture = Picture(dtype, channels, spacing != channels, rounded)
    axes = [trimmed(table) for table in tables]
    h, w = axes[1:]
    across_first = not w.copied and not h.copied and (
        only == "across" if only is not None
        else floored or mending == "exact" or rounded or is_cheaper_across(h, w))
    if floored:
        made = _floored_sums(picture, axes, level)
    else:
        made = sums(picture, axes, level, across_first, fixed and mending == "left")
        made = made._replace(mending=mending, chained=chained)
    rows = passes(picture, axes, made, level, across_first)
    if rows.halved and made.item == 2 and not floored:  # a line holds sums of four
        made = made._replace(fraction=2, off=0.0)
    return kernel.Plan(roles, axes, made, rows, picture, spacing, streaming and not picture.gaps)
