"""What all layers share: frozen parameters, one or several axes, checked calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, overload

from ._numbers import LARGEST, ceil_div, is_symbolic, is_traced, larger, whole

if TYPE_CHECKING:
    from ._size import Size

__all__ = ["Layer", "Padding", "SizeLike", "Windowed"]

# An int, a SymPy expression, a traced size, or a tuple of them.
SizeLike: TypeAlias = Any


class Padding(NamedTuple):
    """What is padded before the first position of an axis, and after its last one.

    Examples
    --------
    >>> from upshape.shapes import Conv
    >>> Conv(3, stride=2, padding=Padding(0, 1))(12)  # as TensorFlow pads for SAME here
    6
    """

    before: Any
    after: Any

    @property
    def total(self) -> Any:
        """What is padded on both sides together."""
        return self.before + self.after


# SAME as TensorFlow and ONNX have it: o = ceil(i / s), the odd position after or before the input.
SAME = ("same_upper", "same_lower")


class Layer:
    """What all layers share: frozen parameters, one or several axes, checked calls.

    A layer is an instance of one of `Conv`, `ConvTranspose`, `Pool`, `Unpool` and `Interpolate`.
    """

    # _both: what is padded on both sides together, 2p; _before: before the input, p.
    # _same: whether the padding follows from the input size, as TensorFlow's SAME does.
    # _drops: whether ceil_mode may drop the last window. _ratio: an exact scale factor.
    # _least.._most: the ints that the layer takes, empty if it has several axes or symbols in it.
    __slots__ = (
        "_axes",
        "_before",
        "_both",
        "_drops",
        "_least",
        "_lower",
        "_most",
        "_ratio",
        "_same",
        "effective_kernel",
    )

    _axes: tuple[Any, ...] | None
    _before: Any
    _both: Any
    _same: bool
    _drops: bool
    _ratio: tuple[int, int] | None
    _least: int
    _most: int
    _lower: Any
    effective_kernel: Any

    def __post_init__(self) -> None:
        put = object.__setattr__
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        given = {name: _pairs(name, getattr(self, name), self._name) for name in names}
        lengths = {
            name: len(value)
            for name, value in given.items()
            if isinstance(value, tuple | list) and not isinstance(value, Padding)
        }
        put(self, "_axes", None)
        put(self, "_least", 1)
        put(self, "_most", 0)
        put(self, "effective_kernel", None)
        if not lengths:
            self._prepare()
            return
        count = next(iter(lengths.values()))
        if count == 0 or any(length != count for length in lengths.values()):
            told = ", ".join(f"{name}={given[name]!r}" for name in lengths)
            raise ValueError(
                f"{self._name}: tuples must have one entry an axis, and all of them as many "
                f"entries, got {told}"
            )
        axes = tuple(
            type(self)(
                *(value[axis] if name in lengths else value for name, value in given.items())
            )
            for axis in range(count)
        )
        put(self, "_axes", axes)
        for name in [*names, "effective_kernel"]:
            values = tuple(getattr(axis, name) for axis in axes)
            if name != "rounding" and not all(
                value is None or isinstance(value, bool) for value in values
            ):
                put(self, name, values)

    def _prepare(self) -> None:
        """Check and normalise the parameters of a layer of one axis, and find its range."""
        raise NotImplementedError

    def _normalise(self, **least: int) -> bool:
        """Check the integer parameters; tell whether all of them are ints."""
        put = object.__setattr__
        plain = True
        for name, bound in least.items():
            value = whole(getattr(self, name), f"{self._name}: {name}", bound)
            put(self, name, value)
            plain = plain and type(value) is int
        return plain

    def _set_range(self, lower: Any, upper: Any) -> None:
        """Say which inputs the layer takes: from `lower` on, and up to `upper` if both are ints."""
        put = object.__setattr__
        put(self, "_lower", lower)
        if type(lower) is int and type(upper) is int:
            put(self, "_least", lower)
            put(self, "_most", min(upper, LARGEST))

    def __repr__(self) -> str:
        told = []
        for number, field in enumerate(fields(self)):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            default = field.default
            each = value if type(value) is tuple else (value,)
            if (number == 0 and default is MISSING) or any(
                is_traced(one) or one != default for one in each
            ):
                told.append(f"{field.name}={value!r}")
        return f"{self._name}({', '.join(told)})"

    def _repr_html_(self) -> str:
        from upshape.draw._notebook import layer_html  # needed in notebooks alone

        return layer_html(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def axes(self) -> tuple[Any, ...]:
        """The layers of the single axes; a layer without tuples is its own only axis.

        Examples
        --------
        >>> from upshape.shapes import Conv
        >>> Conv((3, 5), stride=2).axes
        (Conv(kernel_size=3, stride=2), Conv(kernel_size=5, stride=2))
        """
        return (self,) if self._axes is None else self._axes

    @property
    def minimum(self) -> Any:
        """The smallest input size that the layer takes; every larger one is taken too.

        Examples
        --------
        >>> from upshape.shapes import Conv
        >>> Conv(7, padding=1).minimum
        5
        """
        if self._axes is not None:
            return tuple(axis.minimum for axis in self._axes)
        return self._lower

    def formula(self, i: Any) -> Any:
        """Return the output size for the input size i, unchecked; for a layer of one axis."""
        raise NotImplementedError

    @overload
    def __call__(self, i: int) -> int: ...
    @overload
    def __call__(self, i: Size) -> Size: ...
    @overload
    def __call__(self, i: tuple[int, ...]) -> tuple[int, ...]: ...
    @overload
    def __call__(self, i: SizeLike) -> Any: ...
    def __call__(self, i: SizeLike) -> Any:
        """Return the output size for the input size i.

        Parameters
        ----------
        i : int, SymPy expression, traced size, or a tuple of them
            The input size. A tuple has one entry an axis.

        Returns
        -------
        int, SymPy expression, traced size, or a tuple of them
            The output size, of the kind of `i`; a tuple if `i` is one or the layer has several
            axes.

        Raises
        ------
        ValueError
            If the layer does not take this size.
        TypeError
            If `i` is no size.
        """
        if type(i) is int and self._least <= i <= self._most:
            return self.formula(i)
        if is_traced(i):
            return i._through(self)
        if self._axes is not None or isinstance(i, tuple | list):
            return self._each(type(self).__call__, i)
        return self.formula(self._checked(i))

    def _checked(self, i: Any) -> Any:
        """Return the input size i of a layer of one axis as an int or expression it can take."""
        if (type(i) is int and self._least <= i <= self._most) or is_traced(i):
            return i
        number = whole(i, f"{self._name}: input size", 1)
        if type(number) is int and self._most:
            if number < self._least:
                raise ValueError(self._too_small(number))
            if number > self._most:
                raise ValueError(
                    f"{self!r}: the output for input size {number} is larger than any array; "
                    f"the input size can be at most {self._most}"
                )
        return i if is_symbolic(i) else number

    def _too_small(self, i: int) -> str:
        """Say why the input size i is too small."""
        return (
            f"{self!r}: input size {i} is too small, it gives output size {self.formula(i)}; "
            f"it must be at least {self._least}"
        )

    def _each(self, ask: Callable[..., Any], *sizes: Any) -> tuple[Any, ...]:
        """Ask every axis; each of `sizes` is a tuple, or one number for all axes."""
        lengths = [len(size) for size in sizes if isinstance(size, tuple | list)]
        if self._axes is not None:
            lengths.append(len(self._axes))
        count = lengths[-1]
        if count == 0 or any(length != count for length in lengths):
            told = " and ".join(repr(size) for size in sizes)
            axes = f"{count} axes" if count != 1 else "one axis"
            raise ValueError(f"{self!r}: {axes} expected, got sizes {told}")
        axes_ = self._axes if self._axes is not None else (self,) * count
        answers = []
        for number, axis in enumerate(axes_):
            own = [size[number] if isinstance(size, tuple | list) else size for size in sizes]
            try:
                answers.append(ask(axis, *own))
            except (TypeError, ValueError) as error:
                if count == 1:
                    raise
                raise type(error)(f"axis {number}: {error}") from None
        return tuple(answers)


class Windowed(Layer):
    """What layers share that move a window over their input, or over their output."""

    __slots__ = ()

    kernel_size: Any
    stride: Any
    padding: Any

    def _read_padding(self, plain: bool, *words: str) -> bool:
        """Check the padding and find out what it adds; tell whether all parameters are ints."""
        put = object.__setattr__
        given = self.padding
        put(self, "_same", given in SAME if isinstance(given, str) else False)
        if isinstance(given, str):
            if given not in words:
                told = ", ".join(map(repr, words))
                raise ValueError(
                    f"{self._name}: padding must be an int, a Padding(before, after) or one of "
                    f"{told}, got {given!r}"
                )
            # What SAME adds at the size at which all windows fit: the most, but for the ends.
            total = larger(self.effective_kernel - self.stride, 0)
            if given == "valid":
                total = 0
                put(self, "padding", 0)
            elif given == "same" and plain and total % 2 == 0:
                put(self, "padding", total // 2)
            before, after = total // 2, total - total // 2
            if given == "same_lower":
                before, after = after, before
        elif isinstance(given, Padding):
            what = f"{self._name}: padding"
            before, after = (
                whole(given.before, f"{what} before", 0),
                whole(given.after, f"{what} after", 0),
            )
            plain = plain and type(before) is type(after) is int
            put(self, "padding", before if before == after else Padding(before, after))
        else:
            before = after = whole(given, f"{self._name}: padding", 0)
            plain = plain and type(before) is int
            put(self, "padding", before)
        put(self, "_before", before)
        put(self, "_both", before + after)
        return plain

    def _padding_at(self, large: Any, small: Any) -> Padding:
        """Return the padding of the larger side's size; `small` is the number of windows."""
        if not self._same:
            return Padding(self._before, self._both - self._before)
        total = larger((small - 1) * self.stride + self.effective_kernel - large, 0)
        half = total // 2
        return (
            Padding(half, total - half) if self.padding == SAME[0] else Padding(total - half, half)
        )

    def _beyond(self, i: Any) -> Any:
        """Return how many positions of the padded input lie beyond the last window."""
        if self._same:
            last = (ceil_div(i, self.stride) - 1) * self.stride
            return larger(i - self.effective_kernel - last, 0)
        return (i + self._both - self.effective_kernel) % self.stride


def _pairs(name: str, value: Any, layer: str) -> Any:
    """Return the padding of several axes with its pairs as such, and any other parameter as it is.

    As in JAX, ((1, 2), (0, 1)) pads the first axis by 1 and 2, the second by 0 and 1.
    """
    if name != "padding" or not isinstance(value, tuple | list) or isinstance(value, Padding):
        return value
    if not any(isinstance(one, tuple | list) for one in value):
        return value
    for one in value:
        if isinstance(one, tuple | list) and len(one) != 2:
            raise ValueError(
                f"{layer}: padding must have an int or a pair (before, after) an axis, got "
                f"{value!r}"
            )
    return tuple(Padding(*one) if isinstance(one, tuple | list) else one for one in value)
