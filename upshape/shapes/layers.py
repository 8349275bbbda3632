"""The layers that change the size of a feature map, each as the relation of two sizes.

The letters are those of Dumoulin and Visin (2016): input size i, output size o, kernel_size k,
stride s, padding p, dilation d, and a, the remainder that the floor swallows, which PyTorch calls
output_padding. A kernel spans d(k-1)+1 positions of its input: the effective kernel.

Every formula stands here once, in a method `formula`, as a plain expression. It gives an int for
an int, a SymPy expression for a SymPy expression and a traced size for a traced size. `formula`
checks nothing; calling the layer does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, overload

from ._layer import SAME, Layer, Padding, SizeLike, Windowed
from ._numbers import LARGEST, ceil_div, is_symbolic, is_traced, larger, smaller, whole

if TYPE_CHECKING:
    from ._size import Size

__all__ = ["Choice", "Conv", "ConvTranspose", "Interpolate", "Origin", "Padding", "Pool", "Unpool"]

# An int, a SymPy expression, or a tuple of them, one an axis.
Parameter: TypeAlias = Any

MOST_LISTED = 1_000_000  # a list of sizes that is longer than this helps nobody


class Origin(NamedTuple):
    """An input size, and the remainder that the layer's floor swallows from it."""

    i: int
    a: int

    @property
    def input_size(self) -> int:
        """The input size i."""
        return self.i

    @property
    def remainder(self) -> int:
        """The remainder a."""
        return self.a


class Choice(NamedTuple):
    """An output padding, and the output size that it leads to."""

    a: int
    o: int

    @property
    def output_padding(self) -> int:
        """The output padding a."""
        return self.a

    @property
    def output_size(self) -> int:
        """The output size o."""
        return self.o


@dataclass(frozen=True, slots=True, repr=False)
class Conv(Windowed):
    """Relate the sizes of a convolution: ``o = floor((i + 2p - [d(k-1)+1]) / s) + 1``.

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int, or tuple of one int an axis
        As of ``torch.nn.Conv2d``. `padding` may also be a `Padding` of different sides, or for
        several axes a pair an axis; ``"valid"``, which is 0; ``"same"``, which needs stride 1 and
        gives o = i: d(k-1) positions in all, the odd one at the end; ``"same_upper"`` (TensorFlow's
        and Keras' SAME) and ``"same_lower"``, see the notes. SymPy expressions are taken in place
        of ints.

    Raises
    ------
    TypeError
        If a parameter is no int.
    ValueError
        If a parameter is out of range.

    Notes
    -----
    SAME gives ``o = ceil(i / s)``. For that it pads ``max((o-1)s + [d(k-1)+1] - i, 0)`` positions
    in all, half of them before the input and half after it, an odd one after it (``"same_upper"``)
    or before it (``"same_lower"``): the amount depends on the input size, see `padding_for`
    (https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2; ONNX, operator Conv,
    attribute auto_pad).

    Examples
    --------
    >>> conv = Conv(3, stride=2, padding=1)
    >>> conv(12), conv((11, 14))
    (6, (6, 7))
    >>> Conv(4, padding=Padding(1, 2))(12), Conv(3, stride=2, padding="same_upper")(39)
    (12, 20)
    >>> from upshape.shapes import i, k, s, p, d
    >>> Conv(k, s, p, d)(i)
    floor((-d*(k - 1) + i + 2*p - 1)/s) + 1
    """

    kernel_size: Parameter
    stride: Parameter = 1
    padding: Parameter = 0
    dilation: Parameter = 1

    def _prepare(self) -> None:
        put = object.__setattr__
        plain = self._normalise(kernel_size=1, stride=1, dilation=1)
        effective = self.dilation * (self.kernel_size - 1) + 1
        put(self, "effective_kernel", effective)
        if self.padding == "same" and self.stride != 1:
            raise ValueError(
                f"Conv: padding='same' needs stride=1, got stride={self.stride}; TensorFlow's SAME "
                "is padding='same_upper'"
            )
        plain = self._read_padding(plain, "same", "valid", *SAME)
        both = self._both
        if self._same:
            self._set_range(1, LARGEST)
        elif plain:
            upper = (LARGEST - 1) * self.stride - both + effective
            self._set_range(max(1, effective - both), upper)
        else:
            self._set_range(_at_least_one(effective - both), None)

    def formula(self, i: Any) -> Any:
        """Return floor((i + 2p - [d(k-1)+1]) / s) + 1, for SAME ceil(i / s), unchecked.

        Examples
        --------
        >>> Conv(3, stride=2, padding=1).formula(12)
        6
        """
        if self._same:
            return ceil_div(i, self.stride)
        return (i + self._both - self.effective_kernel) // self.stride + 1

    def _too_small(self, i: int) -> str:
        return _does_not_fit(self, i)

    def remainder(self, i: SizeLike) -> Any:
        """Return a, the part of the input that the floor swallows: ``(i + 2p - [d(k-1)+1]) mod s``.

        The last a positions of the padded input lie beyond the last window.

        Parameters
        ----------
        i : int, SymPy expression, traced size, or a tuple of them
            The input size.

        Returns
        -------
        int, SymPy expression, traced size, or a tuple of them
            The remainder, 0 <= a < s.

        Examples
        --------
        >>> conv = Conv(3, stride=2, padding=1)
        >>> conv.remainder(11), conv.remainder(12)
        (0, 1)
        """
        if self._axes is not None or isinstance(i, tuple | list):
            return self._each(type(self).remainder, i)
        return self._beyond(self._checked(i))

    def padding_for(self, i: SizeLike) -> Any:
        """Return what is padded before and after an input of size i.

        Parameters
        ----------
        i : int, SymPy expression, traced size, or a tuple of them
            The input size. It counts for SAME only.

        Returns
        -------
        Padding, or a tuple of them
            The pair (before, after).

        Examples
        --------
        >>> conv = Conv(3, stride=2, padding="same_upper")
        >>> conv.padding_for(12), conv.padding_for(13)
        (Padding(before=0, after=1), Padding(before=1, after=1))
        >>> [Conv(3, 2, conv.padding_for(i))(i) for i in (12, 13)], conv((12, 13))
        ([6, 7], (6, 7))
        """
        if self._axes is not None or isinstance(i, tuple | list):
            return self._each(type(self).padding_for, i)
        i = self._checked(i)
        return self._padding_at(i, self.formula(i))

    def input_sizes(self, o: SizeLike) -> Any:
        """Return every input size that gives the output size o, smallest first.

        There are up to s of them, ``i = (o-1)s - 2p + [d(k-1)+1] + a`` for 0 <= a < s; fewer at the
        small end, where i would be below 1. With SAME they are those above (o-1)s up to os.

        Parameters
        ----------
        o : int, SymPy expression, or a tuple of them
            The output size.

        Returns
        -------
        tuple of Origin
            The pairs (i, a); for a SymPy expression the set of the i, with its condition; for a
            tuple, or a layer of several axes, one such answer an axis.

        Examples
        --------
        >>> conv = Conv(3, stride=2, padding=1)
        >>> conv.input_sizes(6)
        (Origin(i=11, a=0), Origin(i=12, a=1))
        >>> [conv(i) for i, a in conv.input_sizes(6)]
        [6, 6]
        >>> from upshape.shapes import o
        >>> conv.input_sizes(o)
        ConditionSet(i, i >= 1, Range(2*o - 1, 2*o + 1, 1))
        """
        if self._axes is not None or isinstance(o, tuple | list):
            return self._each(type(self).input_sizes, o)
        o = whole(o, f"{self._name}: output size", 1)
        first = (o - 1) * self.stride + (1 if self._same else self.effective_kernel - self._both)
        if is_symbolic(first) or is_symbolic(self.stride):
            return _from_one_on(first, first + self.stride)
        _refuse_long_list(self, self.stride)
        return tuple(
            Origin(i, self._beyond(i))
            for i in range(max(1, first), min(first + self.stride, LARGEST + 1))
        )

    def transpose(self, input_size: SizeLike = None) -> ConvTranspose:
        """Return the transposed convolution with the same parameters.

        Parameters
        ----------
        input_size : int, or a tuple of ints, optional
            The input size to go back to: its remainder becomes the output_padding.

        Returns
        -------
        ConvTranspose
            The layer that leads from ``self(i)`` back to i.

        Examples
        --------
        >>> conv = Conv(3, stride=2, padding=1)
        >>> conv.transpose()
        ConvTranspose(kernel_size=3, stride=2, padding=1)
        >>> conv.transpose(12)
        ConvTranspose(kernel_size=3, stride=2, padding=1, output_padding=1)
        >>> conv.transpose(12)(conv(12))
        12
        >>> Conv(3, stride=2, padding="same_upper").transpose(12)
        ConvTranspose(kernel_size=3, stride=2, padding=Padding(before=0, after=1))
        """
        padding: Any = tuple(
            axis.padding if axis._same else axis._padding_at(1, 1) for axis in self.axes
        )
        extra = 0
        if input_size is not None:
            padding, extra = self.padding_for(input_size), self.remainder(input_size)
        elif self._axes is None:
            padding = padding[0]
        return ConvTranspose(self.kernel_size, self.stride, padding, extra, self.dilation)


@dataclass(frozen=True, slots=True, repr=False)
class ConvTranspose(Windowed):
    """Relate the sizes of a transposed convolution: ``o = (i-1)s - 2p + [d(k-1)+1] + a``.

    Parameters
    ----------
    kernel_size, stride, padding, output_padding, dilation : int, or tuple of one int an axis
        As of ``torch.nn.ConvTranspose2d``; a is `output_padding`, less than the larger one of
        `stride` and `dilation`. `padding` may also be a `Padding` of different sides, which are cut
        off before and after the output; or ``"same_upper"`` (TensorFlow's and Keras' SAME) or
        ``"same_lower"``, see the notes. SymPy expressions are taken in place of ints.

    Raises
    ------
    TypeError
        If a parameter is no int.
    ValueError
        If a parameter is out of range.

    Notes
    -----
    A convolution with the same parameters leads back, from o to i, as long as a < s.

    SAME gives ``o = i*s``. TensorFlow wants the output size given (``output_shape``): it may be any
    that SAME's convolution takes back to i, (i-1)s + 1 to i*s; here `output_size` chooses it.
    ``max((i-1)s + [d(k-1)+1] - o, 0)`` positions are cut off in all, an odd one after the output
    (``"same_upper"``) or before it; where that is 0, a more may be left over, see `choices`
    (https://www.tensorflow.org/api_docs/python/tf/nn/conv2d_transpose; ONNX, operator
    ConvTranspose, attribute auto_pad).

    Examples
    --------
    >>> up = ConvTranspose(3, stride=2, padding=1)
    >>> up(6), up(6, output_size=12)
    (11, 12)
    >>> up = ConvTranspose(3, stride=2, padding="same_upper")
    >>> up(20), up(20, output_size=39)
    (40, 39)
    >>> from upshape.shapes import i, k, s, p, a, d
    >>> ConvTranspose(k, s, p, a, d)(i)
    a + d*(k - 1) - 2*p + s*(i - 1) + 1
    """

    kernel_size: Parameter
    stride: Parameter = 1
    padding: Parameter = 0
    output_padding: Parameter = 0
    dilation: Parameter = 1

    def _prepare(self) -> None:
        put = object.__setattr__
        plain = self._normalise(kernel_size=1, stride=1, output_padding=0, dilation=1)
        s, a, d = self.stride, self.output_padding, self.dilation
        effective = d * (self.kernel_size - 1) + 1
        put(self, "effective_kernel", effective)
        plain = self._read_padding(plain, *SAME)
        both = self._both
        if self._same and a != 0:
            raise ValueError(
                f"ConvTranspose: padding={self.padding!r} gives i*stride, or what output_size= "
                f"asks for; output_padding must be 0, got {a}"
            )
        if not plain:
            self._set_range(_at_least_one(1 + ceil_div(1 + both - effective - a, s)), None)
            return
        if a >= max(s, d):
            raise ValueError(
                f"ConvTranspose: output_padding must be smaller than stride or dilation, got "
                f"output_padding={a} with stride={s}, dilation={d}; it "
                + (f"can be 0 to {max(s, d) - 1}" if max(s, d) > 1 else "must be 0")
            )
        upper = (LARGEST + both - effective - a) // s + 1
        self._set_range(max(1, 1 + ceil_div(1 + both - effective - a, s)), upper)

    def formula(self, i: Any) -> Any:
        """Return (i-1)s - 2p + [d(k-1)+1] + a, for SAME i*s, unchecked.

        Examples
        --------
        >>> ConvTranspose(3, stride=2, padding=1).formula(6)
        11
        """
        if self._same:
            return i * self.stride
        return (i - 1) * self.stride - self._both + self.effective_kernel + self.output_padding

    @overload
    def __call__(self, i: int, output_size: int | None = None) -> int: ...
    @overload
    def __call__(self, i: Size, output_size: int | Size | None = None) -> Size: ...
    @overload
    def __call__(self, i: int, output_size: Size) -> Size: ...
    @overload
    def __call__(
        self, i: tuple[int, ...], output_size: int | tuple[int, ...] | None = None
    ) -> tuple[int, ...]: ...
    @overload
    def __call__(self, i: SizeLike, output_size: SizeLike = None) -> Any: ...
    def __call__(self, i: SizeLike, output_size: SizeLike = None) -> Any:
        """Return the output size for the input size i.

        Parameters
        ----------
        i : int, SymPy expression, traced size, or a tuple of them
            The input size. A tuple has one entry an axis.
        output_size : as `i`, optional
            The output size to reach, which is what the call returns. As in PyTorch it decides
            alone: the layer's own output_padding does not count.

        Returns
        -------
        int, SymPy expression, traced size, or a tuple of them
            The output size, of the kind of `i`; a tuple if `i` is one or the layer has several
            axes.

        Raises
        ------
        ValueError
            If the layer does not take this size or cannot reach `output_size`.
        TypeError
            If `i` is no size.
        """
        if type(i) is int:
            if output_size is None and self._least <= i <= self._most:
                return self.formula(i)
            if type(output_size) is int and self._axes is None:
                self.output_padding_for(i, output_size)
                return output_size
        if is_traced(i):
            return i._through(self, output_size=output_size)
        if is_traced(output_size):
            return output_size._reached_from(self, i)
        if self._axes is not None or isinstance(i, tuple | list):
            if output_size is None:
                return self._each(type(self).__call__, i)
            return self._each(type(self).__call__, i, output_size)
        if output_size is None:
            return self.formula(self._checked(i))
        self.output_padding_for(i, output_size)
        if is_symbolic(output_size) or is_traced(output_size):
            return output_size
        return whole(output_size, "ConvTranspose: output_size", 1)

    def _smallest(self, i: Any) -> Any:
        """Return the smallest output size that the input size i can be led to."""
        if self._same:
            return (i - 1) * self.stride + 1
        return (i - 1) * self.stride - self._both + self.effective_kernel

    def choices(self, i: SizeLike) -> Any:
        """Return the s sizes that ``output_size=`` reaches from the input size i, smallest first.

        Parameters
        ----------
        i : int, SymPy expression, or a tuple of them
            The input size.

        Returns
        -------
        tuple of Choice
            The pairs (a, o) with 0 <= a < s and o >= 1; for a tuple, or a layer of several axes,
            one such tuple an axis.

        See Also
        --------
        wider_choices : What ``output_padding=`` reaches beyond them.

        Examples
        --------
        >>> up = ConvTranspose(3, stride=2, padding=1)
        >>> up.choices(6)
        (Choice(a=0, o=11), Choice(a=1, o=12))
        >>> [up.transpose()(o) for a, o in up.choices(6)]
        [6, 6]
        """
        if self._axes is not None or isinstance(i, tuple | list):
            return self._each(type(self).choices, i)
        return self._choices(i, 0, self.stride)

    def wider_choices(self, i: SizeLike) -> Any:
        """Return the sizes that only a dilation above the stride admits, smallest first.

        PyTorch takes an output_padding below the larger one of stride and dilation, although
        its ``output_size=`` only reaches those below the stride. A convolution with the same
        parameters does not lead back to i from these sizes, but to a larger one.

        Parameters
        ----------
        i : int, SymPy expression, or a tuple of them
            The input size.

        Returns
        -------
        tuple of Choice
            The pairs (a, o) with s <= a < max(s, d) and o >= 1; for a tuple, or a layer of several
            axes, one such tuple an axis.

        Examples
        --------
        >>> up = ConvTranspose(2, dilation=3)
        >>> up.choices(5), up.wider_choices(5)
        ((Choice(a=0, o=8),), (Choice(a=1, o=9), Choice(a=2, o=10)))
        >>> [up.transpose()(o) for a, o in up.wider_choices(5)]
        [6, 7]
        """
        if self._axes is not None or isinstance(i, tuple | list):
            return self._each(type(self).wider_choices, i)
        widest = self.stride if self._same else max(self.stride, self.dilation)
        return self._choices(i, self.stride, widest)

    def _choices(self, i: Any, start: Any, stop: Any) -> tuple[Choice, ...]:
        i = whole(i, "ConvTranspose: input size", 1)
        if type(start) is not int or type(stop) is not int:
            raise TypeError(f"{self!r}: choices are counted, which needs an int for the stride")
        _refuse_long_list(self, stop - start)
        smallest = self._smallest(i)
        if type(smallest) is int:
            start, stop = max(start, 1 - smallest), min(stop, LARGEST + 1 - smallest)
        sizes = (smallest + a for a in range(start, stop))
        return tuple(Choice(self._left_over(i, o), o) for o in sizes)

    def _left_over(self, i: Any, o: Any) -> Any:
        """Return the output padding a of the output size o, which is in reach."""
        if not self._same:
            return o - self._smallest(i)
        return larger(o - self.effective_kernel - (i - 1) * self.stride, 0)

    def padding_for(self, i: SizeLike, output_size: SizeLike = None) -> Any:
        """Return what is cut off before and after the output for the input size i.

        Parameters
        ----------
        i, output_size : int, SymPy expression, or a tuple of them
            The input size, and the output size if it is not the layer's own. They count for SAME
            only.

        Returns
        -------
        Padding, or a tuple of them
            The pair (before, after).

        Examples
        --------
        >>> up = ConvTranspose(3, stride=2, padding="same_upper")
        >>> up.padding_for(6), up.padding_for(6, 11)
        (Padding(before=0, after=1), Padding(before=1, after=1))
        >>> ConvTranspose(3, 2, up.padding_for(6, 11))(6)
        11
        """
        if self._axes is not None or isinstance(i, tuple | list):
            sizes = (i,) if output_size is None else (i, output_size)
            return self._each(type(self).padding_for, *sizes)
        i = self._checked(i)
        if output_size is None:
            return self._padding_at(self.formula(i), i)
        self.output_padding_for(i, output_size)
        return self._padding_at(output_size, i)

    def output_padding_for(self, i: SizeLike, output_size: SizeLike) -> Any:
        """Return the output_padding with which the input size i leads to `output_size`.

        It is ``(o + 2p - [d(k-1)+1]) mod s``, if `output_size` can be reached at all.

        Parameters
        ----------
        i, output_size : int, SymPy expression, or a tuple of them
            The input size and the wanted output size.

        Returns
        -------
        int, SymPy expression, or a tuple of them
            The a, 0 <= a < s.

        Raises
        ------
        ValueError
            If there is no such a; the message lists the sizes that can be reached.

        Examples
        --------
        >>> up = ConvTranspose(3, stride=2, padding=1)
        >>> up.output_padding_for(6, 12)
        1
        >>> ConvTranspose(3, stride=2, padding=1, output_padding=1)(6)
        12
        """
        if self._axes is not None or isinstance(i, tuple | list):
            return self._each(type(self).output_padding_for, i, output_size)
        i = whole(i, "ConvTranspose: input size", 1)
        output_size = whole(output_size, "ConvTranspose: output_size", 1)
        smallest = self._smallest(i)
        a = output_size - smallest
        if type(a) is int and type(self.stride) is int and not 0 <= a < self.stride:
            raise ValueError(self._unreachable(i, output_size, smallest))
        return self._left_over(i, output_size)

    def _unreachable(self, i: int, output_size: int, smallest: int) -> str:
        """Say which sizes can be reached instead of `output_size`."""
        told = (
            f"ConvTranspose: output_size={output_size} cannot be reached from input size {i} with "
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding!r}"
        )
        if self.dilation != 1:
            told += f", dilation={self.dilation}"
        low, high = max(1, smallest), smallest + self.stride - 1
        if high < 1:
            return f"{told}; no size can, the padding takes away all of the output"
        if low == high:
            return f"{told}; it can only be {low}"
        nearest = min(max(output_size, low), high)
        can = f"{low} or {high}" if high == low + 1 else f"{low} to {high}"
        told += f"; it can be {can}, the nearest is {nearest}"
        return told if self._same else f"{told} (output_padding={nearest - smallest})"

    def transpose(self) -> Conv:
        """Return the convolution with the same parameters, which leads from o back to i.

        Returns
        -------
        Conv
            The convolution that this layer undoes; `output_padding` has no counterpart in it.

        Examples
        --------
        >>> ConvTranspose(3, stride=2, padding=1, output_padding=1).transpose()
        Conv(kernel_size=3, stride=2, padding=1)
        """
        return Conv(self.kernel_size, self.stride, self.padding, self.dilation)

    def taps_per_phase(self) -> Any:
        """Return how many taps of the kernel reach each phase of the output.

        Tap t of the kernel carries input x to the output position ``xs - p + td``. The positions
        that leave the same remainder modulo s are a phase; where phases get different numbers of
        taps, the output tends to show a checkerboard (Odena et al. 2016).

        Returns
        -------
        tuple of int
            The number for the positions 0 mod s, 1 mod s, ..., (s-1) mod s, away from the borders;
            one such tuple an axis if the layer has several.

        Examples
        --------
        >>> ConvTranspose(3, stride=2).taps_per_phase()
        (2, 1)
        >>> ConvTranspose(4, stride=2, padding=1).taps_per_phase()
        (2, 2)
        """
        if self._axes is not None:
            return tuple(axis.taps_per_phase() for axis in self._axes)
        k, s, p, d = self.kernel_size, self.stride, self._before, self.dilation
        if any(type(value) is not int for value in (k, s, p, d)):
            raise TypeError(f"{self!r}: taps are counted, which needs ints for all parameters")
        _refuse_long_list(self, s)
        # t and t + s reach the same phase: count by whole rounds of s taps.
        rounds, left = divmod(k, s)
        taps = [0] * s
        for t in range(min(k, s)):
            taps[(t * d - p) % s] += rounds + (t < left)
        return tuple(taps)

    @property
    def is_even(self) -> bool:
        """Whether all phases get the same number of taps, so that no checkerboard arises.

        Examples
        --------
        >>> ConvTranspose(3, stride=2).is_even, ConvTranspose(4, stride=2).is_even
        (False, True)
        """
        if self._axes is not None:
            return all(axis.is_even for axis in self._axes)
        k, s, d = self.kernel_size, self.stride, self.dilation
        if any(type(value) is not int for value in (k, s, d)):
            raise TypeError(f"{self!r}: taps are counted, which needs ints for all parameters")
        return phases_are_even(k, s, d)


@dataclass(frozen=True, slots=True, repr=False)
class Pool(Windowed):
    """Relate the sizes of a pooling: those of a convolution, or rounded up with `ceil_mode`.

    With `ceil_mode` a last window may reach beyond the padded input, but not start beyond the
    input and its left padding: ``o = min(ceil((i + 2p - [d(k-1)+1]) / s) + 1, ceil((i + p) / s))``.

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int, or tuple of one int an axis
        As of ``torch.nn.MaxPool2d``: `stride` is `kernel_size` unless given, and `padding` is at
        most half of `kernel_size`. `padding` may also be a `Padding` of different sides, each less
        than `kernel_size`, as ONNX has them; ``"valid"``, which is 0; ``"same_upper"``
        (TensorFlow's and Keras' SAME) or ``"same_lower"``, with which ``o = ceil(i / s)`` as for
        `Conv`. SymPy expressions are taken in place of ints.
    ceil_mode : bool
        Round up. SAME does in any case.

    Raises
    ------
    TypeError
        If a parameter is no int.
    ValueError
        If a parameter is out of range.

    Examples
    --------
    >>> Pool(2)(13), Pool(2, ceil_mode=True)(13), Pool(2, padding="same_upper")(13)
    (6, 7, 7)
    >>> from upshape.shapes import i
    >>> Pool(3, 2, 1)(i)
    floor(i/2 - 1/2) + 1
    """

    kernel_size: Parameter
    stride: Parameter = None
    padding: Parameter = 0
    dilation: Parameter = 1
    ceil_mode: bool = False

    def _prepare(self) -> None:
        put = object.__setattr__
        if self.stride is None:
            put(self, "stride", self.kernel_size)
        if not isinstance(self.ceil_mode, bool):
            if type(self.ceil_mode).__name__ not in ("bool_", "bool"):  # NumPy's
                raise TypeError(f"Pool: ceil_mode must be a bool, got {self.ceil_mode!r}")
            put(self, "ceil_mode", bool(self.ceil_mode))
        plain = self._normalise(kernel_size=1, stride=1, dilation=1)
        s, k = self.stride, self.kernel_size
        effective = self.dilation * (k - 1) + 1
        put(self, "effective_kernel", effective)
        plain = self._read_padding(plain, "valid", *SAME)
        # Only such a long stride can bring the start of the last window beyond the input.
        put(self, "_drops", not plain or s + self._both - self._before > effective)
        reach = effective - self._both - (s - 1 if self.ceil_mode else 0)
        if self._same:
            self._set_range(1, LARGEST)
        elif not plain:
            self._set_range(_at_least_one(reach), None)
        else:
            self._check_padding()
            self._set_range(max(1, reach), LARGEST)

    def _check_padding(self) -> None:
        p, k = self.padding, self.kernel_size
        if isinstance(p, Padding):
            if max(p) >= k:
                raise ValueError(
                    f"Pool: each side of padding must be less than kernel_size, got padding={p} "
                    f"with kernel_size={k}; it can be 0 to {k - 1}"
                )
        elif 2 * p > k:
            raise ValueError(
                f"Pool: padding can be at most half of kernel_size, got padding={p} with "
                f"kernel_size={k}; it can be 0 to {k // 2}"
            )

    def formula(self, i: Any) -> Any:
        """Return the output size for the input size i, unchecked.

        Examples
        --------
        >>> Pool(1, stride=3, ceil_mode=True).formula(5)
        2
        """
        if self._same:
            return ceil_div(i, self.stride)
        past = i + self._both - self.effective_kernel
        if not self.ceil_mode:
            return past // self.stride + 1
        windows = ceil_div(past, self.stride) + 1
        if not self._drops:
            return windows
        return smaller(windows, ceil_div(i + self._before, self.stride))

    def _too_small(self, i: int) -> str:
        return _does_not_fit(self, i)

    def padding_for(self, i: SizeLike) -> Any:
        """Return what is padded before and after an input of size i; as of `Conv`.

        Examples
        --------
        >>> Pool(2, padding="same_upper").padding_for((12, 13))
        (Padding(before=0, after=0), Padding(before=0, after=1))
        """
        if self._axes is not None or isinstance(i, tuple | list):
            return self._each(type(self).padding_for, i)
        i = self._checked(i)
        return self._padding_at(i, self.formula(i))

    def input_sizes(self, o: SizeLike) -> Any:
        """Return every input size that gives the output size o, smallest first.

        Parameters
        ----------
        o : int, or a tuple of ints
            The output size.

        Returns
        -------
        tuple of int
            The input sizes; one such tuple an axis for a tuple, or a layer of several axes.

        Examples
        --------
        >>> Pool(2).input_sizes(6), Pool(2, ceil_mode=True).input_sizes(6)
        ((12, 13), (11, 12))
        """
        if self._axes is not None or isinstance(o, tuple | list):
            return self._each(type(self).input_sizes, o)
        o = whole(o, "Pool: output size", 1)
        if type(o) is not int or not self._most:
            raise TypeError(f"{self!r}: input sizes are counted, which needs ints, got {o}")
        _refuse_long_list(self, self.stride)
        # Rounding up moves the s sizes of the floor down by s - 1; the last window's rule lets
        # some more belong to o.
        last = o * self.stride - self._both + self.effective_kernel - 1
        if self._same:
            last = o * self.stride
        first = last - 2 * (self.stride - 1)
        stop = max(last, o * self.stride - self._before)
        sizes = range(max(self._least, first), min(stop, LARGEST) + 1)
        return tuple(i for i in sizes if self.formula(i) == o)


@dataclass(frozen=True, slots=True, repr=False)
class Unpool(Windowed):
    """Relate the sizes of a max unpooling: ``o = (i-1)s - 2p + k``.

    Parameters
    ----------
    kernel_size, stride, padding : int, or tuple of one int an axis
        As of ``torch.nn.MaxUnpool2d``: `stride` is `kernel_size` unless given.

    Raises
    ------
    TypeError
        If a parameter is no int.
    ValueError
        If a parameter is out of range.

    Examples
    --------
    >>> unpool = Unpool(2)
    >>> unpool(6), unpool(6, output_size=13)
    (12, 13)
    >>> from upshape.shapes import Pool, same, solve
    >>> solve(lambda x: same(unpool(Pool(2)(x), output_size=x), x))
    Answer(inputs={n : n >= 2}, output=i)
    """

    kernel_size: Parameter
    stride: Parameter = None
    padding: Parameter = 0

    def _prepare(self) -> None:
        put = object.__setattr__
        if self.stride is None:
            put(self, "stride", self.kernel_size)
        plain = self._normalise(kernel_size=1, stride=1)
        put(self, "effective_kernel", self.kernel_size)
        plain = self._read_padding(plain)
        least = 1 + ceil_div(1 + self._both - self.kernel_size, self.stride)
        if not plain:
            self._set_range(_at_least_one(least), None)
            return
        self._set_range(max(1, least), (LARGEST + self._both - self.kernel_size) // self.stride + 1)

    def formula(self, i: Any) -> Any:
        """Return (i-1)s - 2p + k, unchecked.

        Examples
        --------
        >>> Unpool(3, stride=2).formula(6)
        13
        """
        return (i - 1) * self.stride - self._both + self.kernel_size

    def _smallest(self, i: Any) -> Any:
        """Return the smallest output size that the input size i can be led to."""
        return self.formula(i) - self.stride + 1

    @overload
    def __call__(self, i: int, output_size: int | None = None) -> int: ...
    @overload
    def __call__(self, i: Size, output_size: int | Size | None = None) -> Size: ...
    @overload
    def __call__(self, i: SizeLike, output_size: SizeLike = None) -> Any: ...
    def __call__(self, i: SizeLike, output_size: SizeLike = None) -> Any:
        """Return the output size for the input size i; `output_size` chooses one of `choices`.

        Parameters
        ----------
        i : int, SymPy expression, traced size, or a tuple of them
            The input size. A tuple has one entry an axis.
        output_size : as `i`, optional
            The output size to reach, which is what the call returns.

        Returns
        -------
        int, SymPy expression, traced size, or a tuple of them
            The output size.

        Raises
        ------
        ValueError
            If the layer does not take this size or cannot reach `output_size`.
        """
        if is_traced(i):
            return i._through(self, output_size=output_size)
        if is_traced(output_size):
            return output_size._reached_from(self, i)
        if self._axes is not None or isinstance(i, tuple | list):
            sizes = (i,) if output_size is None else (i, output_size)
            return self._each(type(self).__call__, *sizes)
        if output_size is None:
            return self.formula(self._checked(i))
        i = whole(i, "Unpool: input size", 1)
        wanted = whole(output_size, "Unpool: output_size", 1)
        low = self._smallest(i)
        high = low + 2 * (self.stride - 1)
        if type(low) is int and type(high) is int and not low <= wanted <= high:
            raise ValueError(
                f"Unpool: output_size={wanted} cannot be reached from input size {i} with "
                f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding!r}; "
                f"it can be {max(1, low)} to {high}"
            )
        return wanted

    def choices(self, i: SizeLike) -> Any:
        """Return the output sizes that ``output_size=`` reaches from the input size i.

        PyTorch takes those less than a stride away from the layer's own.

        Examples
        --------
        >>> Unpool(2).choices(6), Unpool(3, stride=2).choices(6)
        ((11, 12, 13), (12, 13, 14))
        """
        if self._axes is not None or isinstance(i, tuple | list):
            return self._each(type(self).choices, i)
        i = whole(i, "Unpool: input size", 1)
        low = self._smallest(i)
        if type(low) is not int or type(self.stride) is not int:
            raise TypeError(f"{self!r}: choices are counted, which needs ints, got {i}")
        _refuse_long_list(self, 2 * self.stride - 1)
        return tuple(range(max(1, low), low + 2 * self.stride - 1))


ROUNDINGS = ("floor", "round", "ceil")


@dataclass(frozen=True, slots=True, repr=False)
class Interpolate(Layer):
    """Relate the sizes of an interpolation: ``o = size``, or ``o = floor(i * scale_factor)``.

    Parameters
    ----------
    size : int, SymPy expression, traced size, or tuple of one an axis, optional
        The output size.
    scale_factor : int, float, Fraction, or tuple of one an axis, optional
        The factor. With a float the product is computed in double, as PyTorch does; with an int or
        a Fraction it is exact. One of `size` and `scale_factor` must be given.
    rounding : {"floor", "round", "ceil"}
        How the product becomes a size: rounded down as PyTorch and ONNX do, to the nearest one and
        halves to the even one as OpenCV and scikit-image do, or rounded up.

    Raises
    ------
    TypeError
        If a parameter is of another kind.
    ValueError
        If a parameter is out of range, or not one of both is given.

    Examples
    --------
    >>> Interpolate(scale_factor=2)(6), Interpolate(size=(9, 14))((6, 7))
    (12, (9, 14))
    >>> [Interpolate(scale_factor=0.5, rounding=way)(7) for way in ("floor", "round", "ceil")]
    [3, 4, 4]
    >>> from fractions import Fraction
    >>> from upshape.shapes import i
    >>> Interpolate(scale_factor=Fraction(3, 2))(i)
    floor(3*i/2)
    """

    size: Parameter = None
    scale_factor: Parameter = None
    rounding: str = "floor"

    def _prepare(self) -> None:
        put = object.__setattr__
        if self.rounding not in ROUNDINGS:
            raise ValueError(
                f"Interpolate: rounding must be 'floor', 'round' or 'ceil', got {self.rounding!r}"
            )
        if (self.size is None) == (self.scale_factor is None):
            raise ValueError(
                f"Interpolate: give one of size and scale_factor, got size={self.size!r}, "
                f"scale_factor={self.scale_factor!r}"
            )
        if self.size is not None:
            if not is_traced(self.size):
                put(self, "size", whole(self.size, "Interpolate: size", 1))
            self._set_range(1, LARGEST)
            return
        factor = _factor(self.scale_factor)
        put(self, "scale_factor", factor)
        ratio = Fraction(factor)
        exact = not isinstance(factor, float) or max(ratio.as_integer_ratio()) <= SIMPLE
        put(self, "_ratio", ratio.as_integer_ratio() if exact else None)
        least = {
            "floor": math.ceil(1 / ratio),
            "round": math.floor(1 / (2 * ratio)) + 1,
            "ceil": 1,
        }[self.rounding]
        if least > LARGEST:
            raise ValueError(f"Interpolate: scale_factor={factor!r} leaves nothing of any size")
        if isinstance(factor, float):
            # The product of a float can reach a whole number before or after the exact one.
            while least > 1 and self.formula(least - 1) >= 1:
                least -= 1
            while self.formula(least) < 1:
                least += 1
        self._set_range(least, math.floor(LARGEST / ratio))

    def formula(self, i: Any) -> Any:
        """Return the output size for the input size i, unchecked.

        Examples
        --------
        >>> Interpolate(scale_factor=0.7).formula(10)
        7
        """
        if self.size is not None:
            return self.size
        if isinstance(self.scale_factor, float) and isinstance(i, int):
            return _ROUND[self.rounding](i * self.scale_factor)
        numerator, denominator = self._ratio or self.exact_factor().as_integer_ratio()
        if self.rounding == "ceil":
            return ceil_div(i * numerator, denominator)
        if self.rounding == "round":
            return _rounded(i * numerator, denominator)
        return i * numerator // denominator

    def input_sizes(self, o: SizeLike) -> Any:
        """Return every input size that gives the output size o, smallest first.

        Parameters
        ----------
        o : int, or a tuple of ints
            The output size.

        Returns
        -------
        tuple of int
            The input sizes; one such tuple an axis for a tuple, or a layer of several axes.

        Raises
        ------
        ValueError
            If `size` was given: then every input size gives it, or none does.

        Examples
        --------
        >>> from fractions import Fraction
        >>> half = Interpolate(scale_factor=0.5)
        >>> half.input_sizes(6), Interpolate(scale_factor=Fraction(3, 2)).input_sizes(5)
        ((12, 13), ())
        """
        if self._axes is not None or isinstance(o, tuple | list):
            return self._each(type(self).input_sizes, o)
        if self.size is not None:
            raise ValueError(f"{self!r}: every input size gives its size; none gives another one")
        o = whole(o, "Interpolate: output size", 1)
        if type(o) is not int:
            raise TypeError(f"{self!r}: input sizes are counted, which needs ints, got {o}")
        factor = Fraction(self.scale_factor)
        # Rounding moves the ends by less than two sizes and what a float's product is off.
        slack = 2 + math.ceil(o / factor) // 2**50
        first = max(self._least, math.floor((o - 1) / factor) - slack)
        last = min(self._most, math.ceil((o + 1) / factor) + slack)
        _refuse_long_list(self, last - first)
        return tuple(i for i in range(first, last + 1) if self.formula(i) == o)

    def lost_to_rounding(self, i: int) -> int:
        """Return how many pixels a float factor's rounding loses, 0 if none.

        A float such as 120/88 is a little less than the number that it stands for: its product with
        88 is below 120, and its floor 119. The Fraction that was meant loses nothing.

        Parameters
        ----------
        i : int
            The input size.

        Returns
        -------
        int
            What the Fraction's output size is larger than the float's; negative if it is smaller.

        See Also
        --------
        simplest_factor : The Fraction.

        Examples
        --------
        >>> layer = Interpolate(scale_factor=120/88)
        >>> layer(88), layer.lost_to_rounding(88), layer.simplest_factor()
        (119, 1, Fraction(15, 11))
        >>> Interpolate(scale_factor=layer.simplest_factor())(88)
        120
        """
        if self._axes is not None or self.scale_factor is None:
            raise ValueError(f"{self!r}: one scale_factor is needed here; use layer.axes")
        if not isinstance(self.scale_factor, float):
            return 0
        meant = Interpolate(scale_factor=self.simplest_factor(), rounding=self.rounding)
        return int(meant.formula(i) - self(i))

    def simplest_factor(self) -> Fraction:
        """Return the Fraction of a small denominator that a float factor stands for.

        Examples
        --------
        >>> Interpolate(scale_factor=0.7).simplest_factor()
        Fraction(7, 10)
        """
        if self._axes is not None or self.scale_factor is None:
            raise ValueError(f"{self!r}: one scale_factor is needed here; use layer.axes")
        if isinstance(self.scale_factor, float):
            return _simplest(self.scale_factor)
        return Fraction(self.scale_factor)

    def exact_factor(self) -> Fraction:
        """Return the scale factor as a Fraction, for sizes that are no ints.

        Returns
        -------
        Fraction
            The factor.

        Raises
        ------
        ValueError
            If the factor is a float such as 0.7, whose products are rounded; the message says
            which Fraction to write instead. Floats such as 0.5 and 1.5, whose products with sizes
            are exact, are taken.

        Examples
        --------
        >>> Interpolate(scale_factor=1.5).exact_factor()
        Fraction(3, 2)
        """
        factor = self.scale_factor
        if factor is None or isinstance(factor, tuple):
            raise ValueError(f"{self!r}: one scale_factor is needed here; use layer.axes")
        if self._ratio is None:
            raise ValueError(
                f"Interpolate: the sizes that scale_factor={factor!r} gives depend on the rounding "
                f"of a float, so that nothing exact can be said of all sizes; write "
                f"scale_factor={_simplest(factor)!r}"
            )
        return Fraction(*self._ratio)


# A float n/2**e with n and 2**e up to this has exact products with every size below 2**33.
SIMPLE = 2**20


_ROUND: dict[str, Any] = {"floor": math.floor, "round": round, "ceil": math.ceil}


def _rounded(numerator: Any, denominator: int) -> Any:
    """Return the whole number nearest to a quotient, of two the even one."""
    if isinstance(numerator, int):
        return round(Fraction(numerator, denominator))
    twice = 2 * numerator + denominator
    nearest = twice // (2 * denominator)
    if denominator % 2:
        return nearest
    # In the middle between two numbers the upper one was taken: one less where it is odd.
    middle = 1 - smaller(twice % (2 * denominator), 1)
    return nearest - smaller(middle, nearest % 2)


def _factor(value: Any) -> int | float | Fraction:
    """Return a scale factor as an int, a float or a Fraction."""
    if is_symbolic(value) and value.is_Rational:
        value = Fraction(int(value.p), int(value.q))
    if isinstance(value, Fraction):
        factor: int | float | Fraction = value
    elif isinstance(value, bool | str | bytes | complex):
        raise TypeError(f"Interpolate: scale_factor must be a number, got {value!r}")
    else:
        try:
            factor = int(value.__index__()) if hasattr(value, "__index__") else float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"Interpolate: scale_factor must be an int, a float or a Fraction, got {value!r}"
            ) from None
    if not 0 < factor < math.inf:
        raise ValueError(f"Interpolate: scale_factor must be positive and finite, got {value!r}")
    if factor > LARGEST:
        raise ValueError(f"Interpolate: scale_factor={value!r} is larger than any size")
    return factor


def _simplest(factor: float) -> Fraction:
    """Return the Fraction of a small denominator that a float was meant to be."""
    denominator = 10
    while True:
        fraction = Fraction(factor).limit_denominator(denominator)
        if float(fraction) == factor:
            return fraction
        denominator *= 10


def _does_not_fit(layer: Any, i: int) -> str:
    """Say why a window does not fit into the input size i."""
    told = f"{layer!r}: the kernel does not fit into input size {i}: it spans "
    told += f"{layer.effective_kernel} positions, the input"
    if layer._both:
        told += f" and its padding {i + layer._both}"
    else:
        told += f" only {i}"
    return f"{told}; the input size must be at least {layer._least}"


def phases_are_even(k: int, s: int, d: int) -> bool:
    """Tell whether the taps of a transposed convolution reach all phases equally often."""
    # s taps in a row reach every phase once, unless d and s share a divisor: then some never.
    return k % s == 0 and math.gcd(d, s) == 1


def _at_least_one(bound: Any) -> Any:
    """Return Max(1, bound)."""
    import sympy

    return sympy.Max(1, bound)


def _from_one_on(first: Any, stop: Any) -> Any:
    """Return the set of the integers i >= 1 from `first` up to `stop`, without it."""
    import sympy

    i = sympy.Symbol("i", integer=True)  # unlike symbols.i it could be below 1
    return sympy.ConditionSet(i, i >= 1, sympy.Range(first, stop))


def _refuse_long_list(layer: object, length: int) -> None:
    if length > MOST_LISTED:
        raise ValueError(
            f"{layer!r}: a list of {length} sizes is too long; at most {MOST_LISTED} are listed"
        )
