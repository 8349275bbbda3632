"""The search for layers: from what a layer should do to the parameters that do it.

One relation serves all kinds, since a transposed convolution is a convolution read backwards. With
I the larger side (the convolution's input) and O the smaller one,

    I = (O - 1)s - 2p + [d(k-1)+1] + a.

For given a, k, d and s it leaves one padding p, so nothing is tried out: the loops run over the
candidates of a, k, d and s, in the order of the answers, and p follows. Paddings of different sides
and TensorFlow's SAME are candidates only if they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Generic, NamedTuple, TypeVar, overload

from ._layer import SAME, Layer, Padding
from ._numbers import is_symbolic, whole
from .layers import Conv, ConvTranspose, Interpolate, Pool, phases_are_even

__all__ = ["Found", "find"]

L = TypeVar("L", bound=Layer)

MOST_CUSTOMARY = 1024  # strides above it are found if they are asked for


class Found(Sequence[L], Generic[L]):
    """The layers that `find` has found: a sequence that is searched only as far as it is read.

    Attributes
    ----------
    condition : sympy.Eq
        The equation in k, s, p, d and a that all of them solve, but for poolings with ceil_mode.
    """

    def __init__(self, search: tuple[Any, ...], question: tuple[Any, ...]) -> None:
        self._found: list[L] = []
        self._search = search
        self._left: Iterator[L] = _search(*search)
        self._question = question

    def __reduce__(self) -> tuple[Any, ...]:
        return Found, (self._search, self._question)

    def _read(self, count: int | None) -> None:
        """Search on until `count` layers are known, or all of them."""
        for layer in self._left:
            self._found.append(layer)
            if count is not None and len(self._found) >= count:
                return

    def __iter__(self) -> Iterator[L]:
        position = 0
        while True:
            if position == len(self._found):
                self._read(position + 1)
                if position == len(self._found):
                    return
            yield self._found[position]
            position += 1

    def __bool__(self) -> bool:
        if not self._found:
            self._read(1)
        return bool(self._found)

    def __len__(self) -> int:
        self._read(None)
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> L: ...
    @overload
    def __getitem__(self, index: slice) -> list[L]: ...
    def __getitem__(self, index: int | slice) -> L | list[L]:
        if isinstance(index, slice):
            ends = [end for end in (index.start, index.stop) if end is not None]
            forward = index.stop is not None and all(end >= 0 for end in ends)
            if forward and (index.step is None or index.step > 0):
                if len(self._found) < index.stop:
                    self._read(index.stop)
            else:
                self._read(None)
        elif index < 0:
            self._read(None)
        elif len(self._found) <= index:
            self._read(index + 1)
        return self._found[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Found | list | tuple):
            return list(self) == list(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        shown = self[:4]
        told = [repr(layer) for layer in shown[:3]]
        return f"[{', '.join([*told, '...'][: len(shown)])}]"

    @property
    def condition(self) -> Any:
        """The equation that the layers solve."""
        from ._derivation import condition_of

        return condition_of(*self._question)


def find(
    kind: type[L],
    *,
    input_size: int | tuple[int, ...] | None = None,
    output_size: int | tuple[int, ...] | None = None,
    scale: int | float | Fraction | None = None,
    same: bool = False,
    kernel_size: int | Iterable[int] | None = None,
    stride: int | Iterable[int] | None = None,
    padding: int | str | Padding | Iterable[int | str | tuple[int, int]] | None = None,
    output_padding: int | Iterable[int] | None = None,
    dilation: int | Iterable[int] = 1,
    ceil_mode: bool | Iterable[bool] | None = None,
) -> Found[L]:
    """Find every layer of a kind that takes one size to another, or that scales every size.

    Parameters
    ----------
    kind : Conv, ConvTranspose or Pool
        The kind of layer.
    input_size, output_size : int, or tuple of one int an axis
        The layer takes `input_size` to `output_size`; with tuples on every axis.
    scale : int or Fraction
        The layer scales every size by this factor: a transposed convolution every i to ``i*scale``,
        a convolution or pooling with the scale 1/n every ``n*i`` to i.
    same : bool
        The layer leaves every size as it is: ``scale=1``.
    kernel_size, stride, padding, output_padding, dilation : int or iterable of ints
        A fixed value, or the candidates. Unless given, `stride` is 1 to 4 and the ratio of the
        sizes (with `scale`: what it demands), `kernel_size` 1 to 8 and up to twice the stride,
        `padding` whatever follows, up to 3 or d(k-1) (with more, a window would lie in the padding
        alone), and `output_padding` whatever PyTorch admits. Candidates of `padding` may also be
        pairs (before, after), and words: ``"same_upper"``, ``"same_lower"``, for `Conv` ``"same"``.
    ceil_mode : bool or iterable of bools
        For `Pool`: fixed, or the candidates; False unless given.

    Returns
    -------
    Found
        A sequence of layers, the customary ones first: even phases before a checkerboard, then a
        small remainder a, a small kernel, a small dilation. It is searched as far as it is read.
        Its attribute `condition` is the equation that the layers solve, but for poolings with
        ceil_mode.

    Raises
    ------
    TypeError
        If a parameter is of the wrong kind, or `kind` has no such parameter.
    ValueError
        If a candidate is no possible value, or not one question is asked.

    Notes
    -----
    A transposed convolution has ``o = s*i`` for every i exactly if ``d(k-1) + 1 + a = 2p + s``, and
    a convolution or pooling ``o = i`` for the input s*i on the same condition.

    Examples
    --------
    >>> from upshape.shapes import Conv, ConvTranspose, find
    >>> found = find(ConvTranspose, input_size=6, output_size=12, stride=2)
    >>> found[:2]
    [ConvTranspose(kernel_size=2, stride=2), ConvTranspose(kernel_size=4, stride=2, padding=1)]
    >>> {layer(6) for layer in found}
    {12}
    >>> find(ConvTranspose, scale=2, stride=2).condition
    Eq(a + d*(k - 1) + 1, 2*p + 2)
    >>> find(Conv, same=True, kernel_size=5)
    [Conv(kernel_size=5, padding=2)]
    >>> find(ConvTranspose, scale=8, kernel_size=16, output_padding=0)
    [ConvTranspose(kernel_size=16, stride=8, padding=4)]
    >>> find(Conv, input_size=39, output_size=20, kernel_size=3, padding="same_upper")
    [Conv(kernel_size=3, stride=2, padding='same_upper')]
    >>> find(Conv, scale=2)
    []
    """
    if kind not in (Conv, ConvTranspose, Pool):
        hint = (
            "; an interpolation reaches any size: Interpolate(size)" if kind is Interpolate else ""
        )
        raise TypeError(f"find: kind must be Conv, ConvTranspose or Pool, got {kind!r}{hint}")
    name = kind.__name__
    if output_padding is not None and kind is not ConvTranspose:
        raise TypeError(f"find: a {name} has no output_padding, got {output_padding!r}")
    if ceil_mode is not None and kind is not Pool:
        raise TypeError(f"find: a {name} has no ceil_mode, got {ceil_mode!r}")
    if not isinstance(same, bool):
        raise TypeError(f"find: same must be a bool, got {same!r}")
    sized = input_size is not None or output_size is not None
    if sized + (scale is not None) + same != 1 or (input_size is None) != (output_size is None):
        raise ValueError(
            "find: ask for input_size= and output_size=, or for scale=, or for same=True; got "
            f"input_size={input_size!r}, output_size={output_size!r}, scale={scale!r}, same={same}"
        )
    k = None if kernel_size is None else _candidates("kernel_size", kernel_size, 1)
    d = _candidates("dilation", dilation, 1)
    p = _paddings(kind, padding)
    a = None if output_padding is None else _candidates("output_padding", output_padding, 0)
    if sized:
        pairs = _pairs(input_size, output_size)
        given = _customary_strides(kind, pairs) if stride is None else stride
        strides = _candidates("stride", given, 1)
        question: tuple[Any, ...] = (kind, *pairs[0])
    else:
        factor = Fraction(1) if same else _exact(scale)
        ratio = factor if kind is ConvTranspose else 1 / factor
        step = ratio.numerator
        pairs = [(1, step)] if kind is ConvTranspose else [(step, 1)]
        strides = _candidates("stride", step if stride is None else stride, 1)
        # A layer of another stride has another slope.
        strides = [step] if ratio.denominator == 1 and step in strides else []
        question = (kind, ratio)
    modes = _modes(ceil_mode)
    return Found((kind, pairs, strides, modes, k, d, p, a), question)


def _candidates(what: str, given: Any, least: int) -> Sequence[int]:
    """Return the candidates for a parameter in ascending order; a range stays one."""
    if isinstance(given, range):
        values: Sequence[int] = given if given.step > 0 else given[::-1]
        ends = [values[0], values[-1]] if values else []
    else:
        if isinstance(given, str | bytes):
            raise TypeError(f"find: {what} must be an int or an iterable of ints, got {given!r}")
        try:
            items = list(given)
        except TypeError:
            items = [given]
        values = ends = sorted({_whole(one, what, least) for one in items})
    for end in ends:
        _whole(end, what, least)
    return values


class _Paddings(NamedTuple):
    """The candidates for the padding; `ints` is None where it only has to follow."""

    ints: Sequence[int] | frozenset[int] | None
    pairs: tuple[Padding, ...] = ()
    words: tuple[str, ...] = ()

    def has(self, p: int, most: int) -> bool:
        """Tell whether p is a candidate; `most` is the largest one that is customary."""
        return 0 <= p <= most if self.ints is None else p in self.ints


def _paddings(kind: type[Layer], given: Any) -> _Paddings:
    if given is None or isinstance(given, range):
        return _Paddings(None if given is None else _candidates("padding", given, 0))
    one = isinstance(given, str | bytes | Padding) or not isinstance(given, Iterable)
    ints, pairs, words = [], [], []
    for value in [given] if one else given:
        if value == "valid" and kind is not ConvTranspose:
            ints.append(0)
        elif isinstance(value, str):
            allowed = ["same", *SAME] if kind is Conv else [*SAME]
            if value not in allowed:
                told = ", ".join(map(repr, allowed))
                raise TypeError(
                    "find: padding must be an int or an iterable of ints, pairs (before, after) "
                    f"and words ({told}), got {value!r}"
                )
            words.append(value)
        elif isinstance(value, tuple | list) and len(value) == 2:
            pairs.append(Padding(*(_whole(side, "padding", 0) for side in value)))
        else:
            ints.append(_whole(value, "padding", 0))
    ints += [pair.before for pair in pairs if pair.before == pair.after]
    pairs = [pair for pair in pairs if pair.before != pair.after]
    return _Paddings(frozenset(ints), tuple(sorted(set(pairs))), tuple(dict.fromkeys(words)))


def _customary_strides(kind: type[Layer], pairs: list[tuple[int, int]]) -> set[int]:
    """Return the strides 1 to 4, and the ratios of the sizes."""
    strides = {1, 2, 3, 4}
    for i, o in pairs:
        large, small = (o, i) if kind is ConvTranspose else (i, o)
        strides |= {n for n in (large // small, -(-large // small)) if 4 < n <= MOST_CUSTOMARY}
    return strides


def _whole(value: Any, what: str, least: int) -> int:
    number = whole(value, f"find: {what}", least)
    if is_symbolic(number):
        raise TypeError(f"find: {what} must be an int, got the symbol {value}")
    return int(number)


def _pairs(input_size: Any, output_size: Any) -> list[tuple[int, int]]:
    """Return the sizes as pairs (i, o), one an axis."""
    inputs = input_size if isinstance(input_size, tuple | list) else (input_size,)
    outputs = output_size if isinstance(output_size, tuple | list) else (output_size,)
    if len(inputs) != len(outputs) or not inputs:
        raise ValueError(
            f"find: input_size and output_size must have equally many axes, got "
            f"input_size={input_size!r}, output_size={output_size!r}"
        )
    return [
        (_whole(i, "input_size", 1), _whole(o, "output_size", 1))
        for i, o in zip(inputs, outputs, strict=True)
    ]


def _exact(scale: Any) -> Fraction:
    try:
        return Interpolate(scale_factor=scale).exact_factor()
    except (TypeError, ValueError) as error:
        told = str(error).replace("Interpolate: ", "find: ").replace("scale_factor", "scale")
        raise type(error)(told) from None


def _modes(ceil_mode: Any) -> list[bool]:
    try:
        modes = [ceil_mode] if isinstance(ceil_mode, bool) else list(ceil_mode or [False])
    except TypeError:
        modes = [ceil_mode]
    if not all(isinstance(mode, bool) for mode in modes):
        raise TypeError(
            f"find: ceil_mode must be a bool or an iterable of bools, got {ceil_mode!r}"
        )
    return sorted(set(modes))


def _search(
    kind: Any,
    pairs: list[tuple[int, int]],
    strides: Sequence[int],
    modes: list[bool],
    k: Sequence[int] | None,
    d: Sequence[int],
    p: _Paddings,
    a: Sequence[int] | None,
) -> Iterator[Any]:
    """Yield the layers that take each i of `pairs` to its o, in the order of `find`."""
    if not (strides and d):
        return
    if False in modes:
        yield from _rounded_down(kind, pairs, strides, k, d, p, a)
    if True in modes:
        yield from _rounded_up(pairs, strides, k, d, p)


def _rounded_down(
    kind: Any,
    pairs: list[tuple[int, int]],
    strides: Sequence[int],
    k: Sequence[int] | None,
    d: Sequence[int],
    p: _Paddings,
    a: Sequence[int] | None,
) -> Iterator[Any]:
    """Yield the layers for which the relation of the module's head holds, or SAME's."""
    transposed = kind is ConvTranspose
    large, small = pairs[0][::-1] if transposed else pairs[0]
    if a is None:
        a = range(max(strides[-1], d[-1]) if transposed else strides[-1])
    kernels = range(1, _largest_kernel(strides[-1]) + 1) if k is None else k
    for even in (True, False) if transposed else (None,):
        for a_, k_, d_, s_ in _tuples(a, kernels, d, strides):
            if a_ >= (max(s_, d_) if transposed else s_):
                continue
            if k is None and k_ > _largest_kernel(s_):
                continue
            if transposed and phases_are_even(k_, s_, d_) is not even:
                continue
            total = (small - 1) * s_ + d_ * (k_ - 1) + 1 + a_ - large
            for padding in _fitting(kind, p, total, k_, d_, s_, a_):
                layer: Any
                layer = (
                    ConvTranspose(k_, s_, padding, a_, d_)
                    if transposed
                    else kind(k_, s_, padding, d_)
                )
                if all(_takes(layer, i, o) for i, o in pairs):
                    yield layer


def _largest_kernel(stride: int) -> int:
    """Return the largest kernel that is tried unless kernels are given."""
    return max(8, 2 * stride)


def _fitting(
    kind: Any, p: _Paddings, total: int, k: int, d: int, s: int, a: int
) -> Iterator[int | str | Padding]:
    """Yield the paddings that add `total` positions, and the words where they are possible."""
    most = k // 2 if kind is Pool else max(3, d * (k - 1))
    half = total // 2
    if total % 2 == 0 and p.has(half, most) and (kind is not Pool or half <= most):
        yield half
    for pair in p.pairs:
        if pair.total == total and (kind is not Pool or max(pair) < k):
            yield pair
    # With an odd effective kernel "same" is the int that may be a candidate, too.
    known = {half} if total % 2 == 0 and p.has(half, most) else set()
    for word in p.words if a == 0 else ():
        if word == "same" and s != 1:
            continue
        same = kind(k, s, padding=word, dilation=d).padding
        if same not in known:
            known.add(same)
            yield word


def _tuples(*candidates: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield what itertools.product does, but without storing the ranges."""
    if not candidates:
        yield ()
        return
    for first in candidates[0]:
        for rest in _tuples(*candidates[1:]):
            yield (first, *rest)


def _rounded_up(
    pairs: list[tuple[int, int]],
    strides: Sequence[int],
    k: Sequence[int] | None,
    d: Sequence[int],
    p: _Paddings,
) -> Iterator[Pool]:
    """Yield the poolings with ceil_mode, trying the paddings: they are few."""
    kernels = range(1, _largest_kernel(strides[-1]) + 1) if k is None else k
    for k_, d_, s_ in _tuples(kernels, d, strides):
        if k is None and k_ > _largest_kernel(s_):
            continue
        tried: list[Any] = [half for half in range(k_ // 2 + 1) if p.has(half, k_ // 2)]
        for padding in [*tried, *(pair for pair in p.pairs if max(pair) < k_)]:
            layer = Pool(k_, s_, padding, d_, True)
            if all(_takes(layer, i, o) for i, o in pairs):
                yield layer


def _takes(layer: Any, i: int, o: int) -> bool:
    return bool(layer.minimum <= i and layer.formula(i) == o)
