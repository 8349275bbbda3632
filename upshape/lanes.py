"""A convolution as a product of matrices: its phases and lanes as index tables.

Along one axis, a transposed convolution with stride s is s ordinary convolutions of its input, one
for each phase r of the output index o = q s + r: the taps k with r + p - k d divisible by s land
there, and read the input at i = q + (r + p - k d) / s. An ordinary convolution has one phase, which
reads i = q s + k d - p. Over several axes, phases are tuples; those whose taps read the same
offsets form a class. A *lane* is a (phase, output channel): a row of the product

    C[lane, pixel q] = bias[lane] + sum over (tap, input channel) of  W[lane, K] X[K, q]

A *panel* is the lanes of one register tile, with their weights; a *chunk* the panels whose sums are
placed together. Everything here is plain lists of whole numbers, for one, two and three axes alike
(there are always three, of which the first ones may be trivial); kernels only walk them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Axis", "Lanes", "Tile", "arrange", "axis_of", "consecutive", "phases_of"]

# Products in a row before a sum is put aside: a panel of 6 lanes is 24 KiB of float32.
_LONGEST_SUM = 1024
# With fewer lanes than so many, pieces are shorter, down to this: the sums of many pixels fit.
_MANY_LANES = 48
_SHORTEST_SUM = 128
# Offsets x channels gathered at most: 32 pixels of them fit the scratch.
_MOST_GATHERED = 1200
# Lanes of a chunk whose products are added up later, but for one channel's.
_ADDED_LANES = 48
# Products of a sum up to which pairs pay where they are no twins: a pair loads twice as much as a
# tile of one class, but saves a way through the sums. On an Intel Granite Rapids 12 products take
# half the time, 96 are slower by 4 %.
_FEW_PRODUCTS = 32

Phase = tuple[int, list[tuple[int, int]]]


class Axis(NamedTuple):
    """One axis: `step` output pixels and `read` input pixels from one q to the next; its phases.

    A phase is (r, taps), a tap (offset, kernel index).
    """

    step: int
    read: int
    phases: list[Phase]


class Tile(NamedTuple):
    """What register tiles hold: lanes, vectors, vectors side by side, numbers of a vector."""

    rows: int
    registers: int
    vectors: int
    numbers: int


class Panel(NamedTuple):
    """The lanes of one register tile."""

    tap_class: int
    width: int  # lanes, those that only fill up a vector too
    rz: int
    ry: int
    rx: int
    channel: int  # of its first lane
    used: int
    second: int  # the class of a pair's second lane


def phases_of(kernel: int, stride: int, padding: int, dilation: int) -> list[Phase]:
    """Return the phases of one axis of a transposed convolution that taps reach.

    Output o = q s + r is reached by the taps k with o + p - k d = i s, i = q + offset.

    >>> phases_of(3, 2, 1, 1)
    [(0, [(0, 1)]), (1, [(1, 0), (0, 2)])]
    >>> phases_of(2, 3, 0, 1)  # no tap reaches the third phase
    [(0, [(0, 0)]), (1, [(0, 1)])]
    """
    phases: dict[int, list[tuple[int, int]]] = {}
    for k in range(kernel):
        offset, r = divmod(k * dilation - padding, stride)
        phases.setdefault(r, []).append((-offset, k))
    return sorted(phases.items())


def axis_of(
    kernel: int, stride: int, padding: int, dilation: int, *, transposed: bool,
    taps_are_phases: bool = False,
) -> Axis:
    """Return an axis of a layer.

    With `taps_are_phases` every tap is a phase that reads the pixel itself, as many output pixels
    away as it says: what lands on one pixel is added up later (col2im).

    >>> axis_of(3, 2, 1, 1, transposed=False)
    Axis(step=1, read=2, phases=[(0, [(-1, 0), (0, 1), (1, 2)])])
    >>> axis_of(2, 2, 0, 1, transposed=True)
    Axis(step=2, read=1, phases=[(0, [(0, 0)]), (1, [(0, 1)])])
    >>> axis_of(3, 1, 1, 1, transposed=False, taps_are_phases=True).phases
    [(1, [(0, 0)]), (0, [(0, 1)]), (-1, [(0, 2)])]
    """
    if taps_are_phases:
        sign = 1 if transposed else -1
        landing: list[Phase] = [
            (sign * (k * dilation - padding), [(0, k)]) for k in range(kernel)
        ]
        # An axis' phases are walked by what is left of them below one step.
        return Axis(stride, 1, landing)
    if transposed:
        return Axis(stride, 1, phases_of(kernel, stride, padding, dilation))
    return Axis(1, stride, [(0, [(k * dilation - padding, k) for k in range(kernel)])])


def consecutive(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the runs (first, length) of consecutive numbers in an ascending sequence.

    >>> consecutive([0, 1, 2, 5, 7, 8])
    [(0, 3), (5, 1), (7, 2)]
    """
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((number, 1))
    return runs


def _up(a: int, b: int) -> int:
    """Return a / b, rounded up."""
    return -(-a // b)


def _grouped(phases: Sequence[Phase]) -> dict[tuple[int, ...], list[int]]:
    """Return {offsets: [indices of the phases that read them]} of one axis."""
    classes: dict[tuple[int, ...], list[int]] = {}
    for index, (_, taps) in enumerate(phases):
        classes.setdefault(tuple([offset for offset, _ in taps]), []).append(index)
    return classes


class Classes:
    """The classes of phases of three axes, and the taps that each reads."""

    def __init__(self, axes: Sequence[Axis], kernel: Sequence[int]) -> None:
        z, y, x = axes
        self.taps: list[tuple[int, int, int]] = []  # each tap's offset from q
        self.first = [0]  # of each class's taps, and one past the last
        self.across: list[int] = []  # taps side by side in a row
        #: Of each class: indices of its row phases (of z and y together), and of its x phases.
        self.members: list[tuple[list[int], list[int]]] = []
        self.of: dict[tuple[int, int], int] = {}
        self.kernel: list[int] = []  # the weights' places, of each phase tap by tap
        self.kernel_at: dict[tuple[int, int], int] = {}
        for z_offsets, rzs in _grouped(z.phases).items():
            for y_offsets, rys in _grouped(y.phases).items():
                for x_offsets, rxs in _grouped(x.phases).items():
                    self.taps += [
                        (tz, ty, tx) for tz in z_offsets for ty in y_offsets for tx in x_offsets
                    ]
                    self.first.append(len(self.taps))
                    self.across.append(len(x_offsets))
                    rows = [rz * len(y.phases) + ry for rz in rzs for ry in rys]
                    self.members.append((rows, rxs))
                    self._add_kernels(axes, kernel, rows, rxs)

    def _add_kernels(
        self, axes: Sequence[Axis], kernel: Sequence[int], rows: list[int], rxs: list[int]
    ) -> None:
        z, y, x = axes
        for row in rows:
            rz, ry = divmod(row, len(y.phases))
            for rx in rxs:
                self.of[row, rx] = len(self.members) - 1
                self.kernel_at[row, rx] = len(self.kernel)
                self.kernel += [
                    (kz * kernel[1] + ky) * kernel[2] + kx
                    for _, kz in z.phases[rz][1] for _, ky in y.phases[ry][1]
                    for _, kx in x.phases[rx][1]
                ]

    def count(self, index: int) -> int:
        """Return how many taps a class has."""
        return self.first[index + 1] - self.first[index]

    @property
    def most_taps(self) -> int:
        return max([self.count(index) for index in range(len(self.members))])


@dataclass
class Lanes:
    """The tables of a layer in one order of work; lists of whole numbers, one entry a thing."""

    axes: tuple[Axis, Axis, Axis]
    classes: Classes
    ci: int
    co: int
    order: str  # of the kernel's ORDERS: what `vectors` of `arrange` says, or "pairs"
    panels: list[Panel]
    lane_channel: list[int]  # -1 where a lane fills up a vector
    lane_row: list[int]  # index of its row phase
    lane_x: list[int]  # index of its x phase
    lane_kernel: list[int]  # where its weights' places start in classes.kernel
    chunk_panel: list[int]  # of each chunk the first panel, and one past the last
    chunk_channel: list[int]
    slot: list[int]  # [channel][row phase][x phase]: which of its chunk's lanes

    @property
    def are_vectors(self) -> bool:
        """Whether a vector is of lanes, not of pixels."""
        return self.order in ("channels", "phases", "transposed")

    @cached_property
    def row_phases(self) -> list[tuple[int, int]]:
        """The phases (rz, ry) of rows, in the order of their indices."""
        z, y, _ = self.axes
        return [(rz, ry) for rz, _ in z.phases for ry, _ in y.phases]

    @property
    def row_gaps(self) -> list[tuple[int, int, int]]:
        """The rows that no tap reaches, as (rz, first ry, how many)."""
        if self.order == "col2im":
            return []
        z, y, _ = self.axes
        z_at, y_at = [r for r, _ in z.phases], [r for r, _ in y.phases]
        within = consecutive([r for r in range(y.step) if r not in y_at])
        return [
            (rz, first, rows) for rz in range(z.step)
            for first, rows in (within if rz in z_at else [(0, y.step)])
        ]

    @property
    def first(self) -> tuple[int, int, int]:
        """The least offset of each axis."""
        taps = self.classes.taps
        z, y, x = [min([tap[axis] for tap in taps]) for axis in range(3)]
        return z, y, x

    @property
    def span(self) -> tuple[int, int, int]:
        """From the least to the greatest offset of each axis, both included."""
        taps = self.classes.taps
        z, y, x = [max([tap[axis] for tap in taps]) - low + 1
                   for axis, low in enumerate(self.first)]
        return z, y, x

    @cached_property
    def offsets(self) -> list[tuple[int, int, int]]:
        """The different offsets, in the order in which taps come."""
        return list(dict.fromkeys(self.classes.taps))

    @property
    def blocks(self) -> int:
        """Into how many pieces sums over input channels are cut."""
        lanes, most = len(self.lane_channel), self.classes.most_taps
        longest = _LONGEST_SUM
        if not self.are_vectors and self.order != "col2im":
            longest = min(max(_LONGEST_SUM * lanes // _MANY_LANES, _SHORTEST_SUM), _LONGEST_SUM)
        blocks = max(_up(self.ci * most, longest), 1)
        if not self.are_vectors:
            blocks = max(blocks, _up(self.ci * len(self.offsets), _MOST_GATHERED))
        return min(blocks, self.ci)

    def add(self, panel: Panel, lanes: Iterable[tuple[int, int, int]]) -> None:
        """Append a panel of these (channel, row phase, x phase)."""
        self.panels.append(panel)
        for channel, row, rx in lanes:
            self.lane_channel.append(channel)
            self.lane_row.append(row)
            self.lane_x.append(rx)
            self.lane_kernel.append(self.classes.kernel_at[row, rx])

    def fill(self, lanes: int) -> None:
        """Append lanes that only fill up a vector."""
        self.lane_channel += [-1] * lanes
        self.lane_row += [0] * lanes
        self.lane_x += [0] * lanes
        self.lane_kernel += [self.lane_kernel[-1]] * lanes

    def end_chunk(self, channel: int) -> None:
        """End the chunk of the panels so far; the next one's first channel is this."""
        self.chunk_panel.append(len(self.panels))
        self.chunk_channel.append(channel)

    def note_slots(self, first_lane: int) -> None:
        """Note where the lanes from this one on are among those of their chunk."""
        rows, phases = len(self.row_phases), len(self.axes[2].phases)
        if not self.slot:
            self.slot = [0] * (self.co * rows * phases)
        for lane in range(first_lane, len(self.lane_channel)):
            channel = self.lane_channel[lane]
            if channel >= 0:
                place = (channel * rows + self.lane_row[lane]) * phases + self.lane_x[lane]
                self.slot[place] = lane - first_lane


def arrange(
    axes: tuple[Axis, Axis, Axis], kernel: tuple[int, int, int], ci: int, co: int, tile: Tile, *,
    vectors: str = "pixels", pairs: bool | None = None,
) -> Lanes:
    """Arrange a layer's lanes in panels and chunks, for one group of its channels.

    `vectors` says what lies side by side in a register: "pixels", or lanes that lie side by side in
    the output: "channels" (of a channels-last array), "phases" (of x, where the stride is large),
    "transposed" (channels, whose sums are transposed into rows), or "col2im": pixels, and every tap
    is a lane of its own. `pairs`: whether both x phases of a stride of 2 are made in one tile,
    wherever that can be; None: where it pays.

    Two input and three output channels, kernel_size=2, stride=2:

    >>> one, two = Axis(1, 1, [(0, [(0, 0)])]), axis_of(2, 2, 0, 1, transposed=True)
    >>> lanes = arrange((one, one, two), (1, 1, 2), 2, 3, Tile(6, 12, 8, 8), pairs=False)
    >>> lanes.lane_channel
    [0, 0, 1, 1, 2, 2]
    >>> lanes.slot, lanes.chunk_panel, lanes.blocks
    ([0, 1, 2, 3, 4, 5], [0, 1], 1)
    """
    if vectors == "col2im":
        z, y, x = axes
        axes = z, y, x._replace(phases=sorted(x.phases, key=lambda phase: phase[0] % x.step))
    classes = Classes(axes, kernel)
    x = axes[2]
    if pairs is None:
        pairs = len(_grouped(x.phases)) == 1 or ci * classes.most_taps <= _FEW_PRODUCTS
    order = vectors
    if (pairs and vectors == "pixels" and x.step == 2 and len(x.phases) == 2
            and len(x.phases[0][1]) == len(x.phases[1][1])):
        order = "pairs"
    lanes = Lanes(
        axes=axes, classes=classes, ci=ci, co=co, order=order, panels=[], lane_channel=[],
        lane_row=[], lane_x=[], lane_kernel=[], chunk_panel=[0], chunk_channel=[0], slot=[],
    )
    _ARRANGE[vectors](lanes, tile)
    return lanes


def _arrange_pixels(lanes: Lanes, tile: Tile) -> None:
    """Make a chunk of few channels, all their phases; a panel of the lanes that a tile has."""
    co, area = lanes.co, len(lanes.classes.kernel)
    pieces = _up(co, max(_ADDED_LANES // area, 1) if lanes.order == "col2im" else tile.rows)
    bounds = [co * piece // pieces for piece in range(pieces + 1)]
    for first, end in pairwise(bounds):
        first_lane = len(lanes.lane_channel)
        for index, (rows, rxs) in enumerate(lanes.classes.members):
            step = 1
            if lanes.order == "pairs":
                # Both classes of a row at once, a pair's lanes side by side.
                if rxs[0] != 0:
                    continue
                rxs, step = [0, 1], 2
            all_lanes = [(c, row, rx) for c in range(first, end) for row in rows for rx in rxs]
            parts = _up(len(all_lanes), tile.rows)
            for part in range(parts):
                some = all_lanes[len(all_lanes) // step * part // parts * step:
                                 len(all_lanes) // step * (part + 1) // parts * step]
                second = lanes.classes.of[some[-1][1:]]
                lanes.add(Panel(index, len(some), 0, 0, 0, first, len(some), second), some)
        lanes.end_chunk(end)
        lanes.note_slots(first_lane)


def _arrange_transposed(lanes: Lanes, tile: Tile) -> None:
    """Make a chunk of up to two vectors of channels, in all phases."""
    longest = 2 * tile.numbers
    for first in range(0, lanes.co, longest):
        used = min(longest, lanes.co - first)
        width = _up(used, tile.numbers) * tile.numbers
        first_lane = len(lanes.lane_channel)
        for index, (rows, rxs) in enumerate(lanes.classes.members):
            for row in rows:
                for rx in rxs:
                    lanes.add(Panel(index, width, 0, 0, 0, first, used, index),
                              [(c, row, rx) for c in range(first, first + used)])
                    lanes.fill(width - used)
        lanes.end_chunk(first + used)
        lanes.note_slots(first_lane)


def _arrange_side_by_side(lanes: Lanes, tile: Tile) -> None:
    """Make a panel, and chunk, of up to two vectors of lanes that are neighbours in the output."""
    x = lanes.axes[2]
    x_at = [r for r, _ in x.phases]
    longest = 2 * tile.numbers
    for index, (rows, rxs) in enumerate(lanes.classes.members):
        # Neighbours: (first x phase, first channel, how many).
        if lanes.order == "phases":
            neighbours = [(x_at.index(r), c, count) for c in range(lanes.co)
                          for r, count in consecutive([x_at[rx] for rx in rxs])]
        else:
            neighbours = [(rx, 0, lanes.co) for rx in rxs]
        for row in rows:
            rz, ry = lanes.row_phases[row]
            for rx, c, count in neighbours:
                for start in range(0, count, longest):
                    used = min(longest, count - start)
                    width = _up(used, tile.numbers) * tile.numbers
                    if lanes.order == "phases":
                        some = [(c, row, rx + start + lane) for lane in range(used)]
                    else:
                        some = [(start + lane, row, rx) for lane in range(used)]
                    lanes.add(
                        Panel(index, width, rz, ry, x_at[some[0][2]], some[0][0], used, index),
                        some)
                    lanes.fill(width - used)
                    lanes.end_chunk(0)


# By what lies side by side in a register.
_ARRANGE = {
    "pixels": _arrange_pixels, "col2im": _arrange_pixels, "transposed": _arrange_transposed,
    "channels": _arrange_side_by_side, "phases": _arrange_side_by_side,
}
