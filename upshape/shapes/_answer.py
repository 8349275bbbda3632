"""Which input sizes a network takes, exactly; and why it does not take another one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ._axes import checked, joined, nearest, nearest_below, padded, reaching, several
from ._expression import Expression
from ._quasilinear import Function, SizeSet
from ._repair import common
from ._results import _at, _fitted, _function, _input_size, _leaves, _listed, _mapped
from ._size import Condition, Step, Trace, whole_number

if TYPE_CHECKING:
    from ._explain import Explanation
    from ._requirement import Requirement

__all__ = ["Answer", "MendedCall", "Repair"]


def code_of(name: str) -> str:
    """Return the code of a module with this name; members of lists have numbers."""
    return "self." + re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", name)


class MendedCall:
    """A call that a repair changed.

    Attributes
    ----------
    layer : ConvTranspose or Interpolate
        The layer that was called.
    step : int
        The number of the call, as `Answer.explain` shows it; of a model that was read, its number
        among the changed calls.
    name : str or None
        The name of the module in its model, where the network is one.
    """

    __slots__ = ("_options", "_padding", "_size", "layer", "name", "step")

    def __init__(
        self,
        layer: Any,
        step: int,
        size: Expression,
        padding: Expression | None,
        name: str | None = None,
        options: str | None = None,
    ) -> None:
        self._options = (
            options  # None where a module is called; of a function, what else it is given
        )
        self.layer = layer
        self.name = name
        self.step = step
        self._size = size
        self._padding = padding

    @property
    def output_size(self) -> Any:
        """The size to ask the layer for, as a SymPy expression of i."""
        return self._size.sympy()

    @property
    def output_padding(self) -> Any:
        """The output padding that this comes to; None for an interpolation."""
        return None if self._padding is None else self._padding.sympy()

    def to_torch(self, image: str = "image", x: str = "x") -> str:
        """Return the call as PyTorch code.

        Parameters
        ----------
        image, x : str
            What the network's input and the layer's input are called there.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> for call in solve(zoo.unet(levels=2), fix="output_padding").repair.calls:
        ...     print(call.to_torch())
        x = upsample(x, output_size=[n // 2 for n in image.shape[2:]])  # step 9
        x = upsample(x, output_size=list(image.shape[2:]))  # step 13
        """
        if not isinstance(self._size, Expression):  # it has no short form
            return f"# {self!r}"
        text = self._size.python("n")
        axes = f"{image}.shape[2:]"
        sizes = f"list({axes})" if text == "n" else f"[{text} for n in {axes}]"
        where = f" in {self.name}" if self._options is not None and self.name else ""
        layer = code_of(self.name) if self.name else "upsample"
        if getattr(self.layer, "scale_factor", None) is not None:
            mode = f", mode={layer}.mode" if self.name else ""
            options = mode if self._options is None else self._options
            layer, told = "F.interpolate", f"size={sizes}{options}"
        elif self._options is not None and self._padding is not None:
            layer = self._options
            told = f"weight, bias, {self._parameters(axes)}"
        else:
            told = f"output_size={sizes}"
        return f"{x} = {layer}({x}, {told})  # step {self.step}{where}"

    def _parameters(self, axes: str) -> str:
        """Return the arguments of a function that convolves transposed."""
        layer, padding = self.layer, self._padding
        assert padding is not None
        told = f"stride={layer.stride}, padding={layer.padding}"
        told += f", output_padding=[{padding.python('n')} for n in {axes}]"
        return told if layer.dilation == 1 else f"{told}, dilation={layer.dilation}"

    def _content(self) -> tuple[Any, ...]:
        return self.layer, self.step, self.name, self._size, self._padding, self._options

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MendedCall):
            return NotImplemented
        return self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def __repr__(self) -> str:
        called = f"{self.name}: {self.layer!r}" if self.name else repr(self.layer)
        if getattr(self.layer, "scale_factor", None) is not None:
            return f"{called} (step {self.step}) with size={self._size}"
        padding = "" if self._padding is None else f" (output_padding={self._padding})"
        return f"{called} (step {self.step}) with output_size={self._size}{padding}"


class Repair(NamedTuple):
    """What a repair came to: the calls that it changed, and whether every join now holds.

    `complete` tells whether the mended network takes every size that is large enough for its
    layers; `before` is the answer without the repair.
    """

    complete: bool
    calls: tuple[MendedCall, ...]
    before: Answer

    def to_torch(self, image: str = "image", x: str = "x") -> str:
        """Return the changed calls as PyTorch code to paste, a line a call.

        Parameters
        ----------
        image, x : str
            What the network's input and the layers' inputs are called there.
        """
        return "\n".join(call.to_torch(image, x) for call in self.calls)


class Answer:
    """The input sizes that a network takes, and what it makes of them.

    Examples
    --------
    >>> from upshape.shapes import Pool, same, solve
    >>> answer = solve(lambda x: same(2 * Pool(2)(x), 3 * Pool(3)(x)))
    >>> answer
    Answer(inputs={6 n, 6 n + 1 : n >= 1}, output=2*floor(i/2))
    """

    def __init__(self, trace: Trace, result: Any, name: str, repair: Repair | None = None) -> None:
        self._trace = trace
        self._result = result
        self._name = name
        self._conditions = list(trace.conditions)
        for leaf in _leaves(result):
            value = leaf.function if isinstance(leaf, Step) else Function.of(leaf)
            mask = value.at_least(1)
            if not (mask.is_constant and mask.tail.at(0)):
                number = leaf.number if isinstance(leaf, Step) else 0
                self._conditions.append(Condition(number, mask, _BelowOne(value)))
        self._sizes = common(self._conditions, trace)
        self.repair = repair

    # The sizes.

    def _again(self, trace: Trace, result: Any) -> Answer:
        """Return the answer of the same network with another trace."""
        return Answer(trace, result, self._name)

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in vars(self).items() if name in _KEPT}
        numbered = _mapped(
            self._result, lambda leaf: _At(leaf.number) if isinstance(leaf, Step) else leaf
        )
        return {**kept, "_result": numbered}

    def __setstate__(self, state: dict[str, Any]) -> None:
        steps = state["_trace"].steps
        result = _mapped(
            state["_result"], lambda leaf: steps[leaf.number] if isinstance(leaf, _At) else leaf
        )
        vars(self).update(state, _result=result)

    def __eq__(self, other: object) -> bool:
        """Tell whether both take the same sizes and make the same outputs of them."""
        if not isinstance(other, Answer):
            return NotImplemented
        if self is other:
            return True
        if self._sizes != other._sizes or _shape(self._result) != _shape(other._result):
            return False
        pairs = zip(_leaves(self._result), _leaves(other._result), strict=True)
        return all(_alike(_function(mine), _function(yours), self._sizes) for mine, yours in pairs)

    def __hash__(self) -> int:
        return hash(self._sizes)

    # Several axes at once.

    _rank: int | None = None  # the number of axes, where the network has a certain one

    @property
    def between_axes(self) -> str | None:
        """What must hold between the axes of a model that was read, in words, such as ``H == W``.

        None if nothing is seen that must; a network that is a function of one size has no such
        condition. The model is run at some pairs of sizes that it takes on all axes. Where it
        refuses one, exact answers for one axis, at several sizes of the other, are held against the
        forms that conditions have: an equation, an order, the same remainder, a fixed product. It
        is what these answers show; if no form fits them, they are told themselves.
        """
        return None

    @property
    def _none(self) -> str:
        """Say that there is no size."""
        return "the network takes no size"

    def _rows(self) -> list[tuple[str, str]]:
        """Return rows of the answer's table about the other axes."""
        return []

    def _of_axis(self, place: int) -> Answer:
        """Return the answer for one axis: they are alike, or the network could not be traced."""
        return self

    def _partners(self, wanted: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield sizes that go together, where the axes hang together: here they never do."""
        return iter(())

    def _takes(self, sizes: tuple[int, ...]) -> bool:
        """Tell whether sizes, one an axis, are taken."""
        return all(size in self._sizes for size in sizes)

    def _outputs(self, sizes: tuple[int, ...]) -> Any:
        """Return the output sizes of sizes, one an axis."""
        return joined([self.output(size) for size in sizes])

    def __contains__(self, n: Any) -> bool:
        if several(n):
            return self._takes(checked(self, n, "n in answer"))
        number = whole_number(n, "n in answer: the size", "an int")
        return number in self._sizes

    def __bool__(self) -> bool:
        """Tell whether there is any size that is taken."""
        return self.minimum is not None

    def __iter__(self) -> Iterator[int]:
        """Iterate over the sizes, smallest first, if they are finitely many.

        Raises
        ------
        TypeError
            If infinitely many sizes are taken: no list could hold them.
        """
        if not self.is_finite:
            raise TypeError(
                f"{self._name} takes infinitely many sizes; write answer.first(10) for the "
                "smallest ones, or answer.range(1, 1000) for those between two sizes"
            )
        return self._sizes.from_to(1)

    def first(self, count: int) -> list[int]:
        """Return the `count` smallest sizes that are taken, or all if there are fewer.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).first(3)
        [16, 32, 48]
        """
        count = _whole_from(0, count, "Answer.first: count")
        return list(itertools.islice(self._sizes.from_to(1), count))

    def range(self, start: int, stop: int, /) -> list[int]:
        """Return the sizes n that are taken with ``start <= n < stop``, as Python's range.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).range(500, 600)
        [512, 528, 544, 560, 576, 592]
        """
        start = _whole_from(None, start, "Answer.range: start")
        stop = _whole_from(None, stop, "Answer.range: stop")
        return list(self._sizes.from_to(max(start, 1), stop))

    def next(self, n: Any) -> Any:
        """Return the smallest size that is taken and at least n, None if there is none.

        Of one size an axis, return the nearest sizes that are taken and at least as large.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).next(600)
        608
        >>> solve(zoo.unet()).next((480, 854))
        (480, 864)
        """
        if several(n):
            return nearest(self, n)
        return self._sizes.next(_input_size(n, "Answer.next"))

    def previous(self, n: Any) -> Any:
        """Return the largest size that is taken and at most n, None if there is none.

        Of one size an axis, return the nearest sizes that are taken and at most as large.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).previous(600)
        592
        >>> solve(zoo.unet()).previous((480, 854))
        (480, 848)
        """
        if several(n):
            return nearest_below(self, n)
        return self._sizes.previous(_input_size(n, "Answer.previous"))

    def at_least(self, size: Any) -> Any:
        """Return the smallest input size of which every output is at least `size`.

        Of one size an axis, return as many. None if there is none.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet(padding=0)).at_least(400)
        588
        >>> solve(zoo.unet(padding=0)).at_least((400, 500))
        (588, 684)
        """
        if several(size):
            return reaching(self, size)
        size = _input_size(size, "Answer.at_least")
        mask = self._sizes.mask
        for leaf in _leaves(self._result):
            mask = mask.both(_function(leaf).at_least(size))
        return SizeSet(mask).minimum

    def padding(self, n: Any) -> Any:
        """Return how many pixels to add to n so that it is taken: 0 if it is.

        Of one size an axis, return as many numbers: those of `next`.

        Raises
        ------
        ValueError
            If no size from n on is taken.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).padding(600)
        8
        """
        if several(n):
            return padded(self, n)
        n = _input_size(n, "Answer.padding")
        found = self._sizes.next(n)
        if found is None:
            raise ValueError(
                f"Answer.padding: {self._name} takes no size from {n} on; it takes {self._sizes}"
            )
        return found - n

    def covers(self, first: int, last: int) -> bool:
        """Tell whether every size from `first` to `last` is taken.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.resnet(34)).covers(320, 7680)
        True
        """
        first = _input_size(first, "Answer.covers")
        last = _input_size(last, "Answer.covers")
        inside = Function.identity().at_least(first).both((-Function.identity()).at_least(-last))
        return SizeSet(inside).is_subset_of(self._sizes)

    def output(self, n: Any) -> Any:
        """Return the output size for the input size n, or for one size an axis.

        Returns
        -------
        int, or a tuple, list or dict of ints
            As the network returns it.

        Raises
        ------
        ValueError
            If the network does not take n.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet(padding=0)).output(572)
        388
        """
        if several(n):
            return self._outputs(checked(self, n, "Answer.output"))
        n = _input_size(n, "Answer.output")
        if n not in self._sizes:
            condition = self._failing(n)
            assert condition is not None
            raise ValueError(
                f"Answer.output: {self._name} does not take {n}: {self._reason(condition, n)}; "
                f"{self._nearest(n)}; explain({n}) tells more"
            )
        return _mapped(
            self._result, lambda leaf: leaf.function.at(n) if isinstance(leaf, Step) else leaf
        )

    @property
    def modulus(self) -> int:
        """The least m such that, from some size on, only the remainder modulo m counts.

        It is 1 where all sizes are taken from some size on, and where none are.
        """
        return self._sizes.modulus

    @property
    def residues(self) -> tuple[int, ...]:
        """The remainders modulo `modulus` that are taken, from some size on."""
        return self._sizes.residues

    @property
    def threshold(self) -> int:
        """The least size from which on `modulus` and `residues` tell everything."""
        return self._sizes.threshold

    @property
    def minimum(self) -> int | None:
        """The smallest size that is taken, None if there is none."""
        return self._sizes.minimum

    @property
    def is_finite(self) -> bool:
        """Whether only finitely many sizes are taken."""
        return self._sizes.is_finite

    def requirement(self) -> Requirement:
        """Return the rule of thumb, "at least ... and a multiple of ...", and what it costs.

        Returns
        -------
        Requirement
            The minimum, the multiple, and the first sizes that the rule forbids although they are
            taken. Every size that the rule allows is taken.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> print(solve(zoo.unet()).requirement())
        a multiple of 16, from 16 on
        >>> solve(zoo.fpn(50)).requirement()[:3]
        (32, 32, 0)
        >>> print(solve(zoo.fpn(50)).requirement())
        a multiple of 32, from 32 on (also taken: 29, 30, 31, 61, 62, 63, 93, 94, ...)
        """
        from ._requirement import requirement_of

        return requirement_of(self._sizes, self._name)

    def receptive_field(self) -> Any:
        """Return what the output's pixels see of the input, and where they lie on it.

        It is that of pixels away from the borders; it follows layers and joins of a network that is
        written as a function of its size, not what is computed with sizes, which does not say what
        becomes of pixels. With TensorFlow's SAME it is that of input sizes that the strides divide.

        Returns
        -------
        Field
            Its receptive field, its stride and the place of its first pixel; and the joins that add
            up pixels of different places. A tuple, list or dict if there are several outputs.

        Raises
        ------
        TypeError
            If sizes are computed on the way.

        Examples
        --------
        >>> from upshape.shapes import Conv, ConvTranspose, Pool, same, solve, zoo
        >>> field = solve(zoo.resnet(50)).receptive_field()
        >>> field.size, field.stride, field.offset
        (427, Fraction(32, 1), Fraction(0, 1))

        A kernel of 2 moves every pixel by half a one:

        >>> def shifted(x):
        ...     return same(Conv(2)(x), Conv(2, padding=1)(x) - 2)
        >>> solve(shifted).receptive_field().misaligned
        ('same (step 3): pixels lie 1 input pixel apart',)
        """
        from ._field import field_of

        return _mapped(
            self._result,
            lambda leaf: field_of(self._trace.steps, leaf) if isinstance(leaf, Step) else None,
        )

    def _exported_from(self) -> int:
        """Return the size from which on no map on the way that grows has a single pixel."""
        mask = self._sizes.mask
        for step in self._trace.steps:
            function = step.function
            if isinstance(function, Function) and function.tail.rise > 0:
                mask = mask.both(function.at_least(2))
        return SizeSet(mask).minimum or 1

    def to_torch_dims(
        self, name: str = "size", *, minimum: int | None = None, maximum: int | None = None
    ) -> tuple[Any, ...]:
        """Return the sizes as dimensions for ``torch.export`` and ``torch.onnx.export``.

        Parameters
        ----------
        name : str
            The dimension's name; with several classes each has its residue appended.
        minimum : int, optional
            The smallest size. PyTorch exports a size of 1 as a constant, so that, unless given, it
            is the smallest for which no map on the way that grows with the input has a single
            pixel.
        maximum : int, optional
            The largest size.

        Returns
        -------
        tuple
            A ``torch.export.Dim`` for every residue class, a class 16 n + 3 as the derived
            ``16*Dim(name) + 3``: export takes one of them. For finitely many sizes the sizes
            themselves. Sizes below `threshold` that belong to no class are left out.

        Examples
        --------
        ``torch.export.export(unet, (x,), dynamic_shapes=({2: height, 3: width},))`` with
        ``(height,) = answer.to_torch_dims("h")`` and ``(width,) = answer.to_torch_dims("w")``.
        """
        from ._requirement import torch_dims

        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"Answer.to_torch_dims: name must be an identifier, got {name!r}")
        if maximum is not None:
            maximum = _whole_from(1, maximum, "Answer.to_torch_dims: maximum")
        if minimum is not None:
            minimum = _whole_from(1, minimum, "Answer.to_torch_dims: minimum")
        elif self._sizes.is_finite:
            minimum = 1  # these are no dimensions
        else:
            minimum = self._exported_from()
        return torch_dims(self._sizes, name, minimum, maximum, self._name)

    @cached_property
    def inputs(self) -> Any:
        """The sizes as a SymPy set: residue classes, and exceptions at the small end.

        Examples
        --------
        >>> from upshape.shapes import solve, zoo
        >>> solve(zoo.unet()).inputs
        {16 n : n >= 1}
        """
        from ._sets import as_sympy

        return as_sympy(self._sizes)

    # The outputs.

    @cached_property
    def _expressions(self) -> list[Any]:
        return self._trace.run(Expression.identity())

    def _expression_of(self, leaf: Any) -> Expression:
        """Return a size as the shortest expression that holds for all sizes that are taken."""
        if not isinstance(leaf, Step):
            return Expression.of(leaf)
        return _fitted(leaf.function, self._sizes) or Expression.of(self._expressions[leaf.number])

    @cached_property
    def output_size(self) -> Any:
        """The output size as a SymPy expression of i; a tuple, list or dict if there are several.

        It holds for the sizes that are taken.

        Examples
        --------
        >>> from upshape.shapes import Conv, solve
        >>> conv = Conv(3, stride=2, padding=1)
        >>> solve(lambda x: conv(conv(conv(x)))).output_size
        floor(i/8 + 7/8)
        """
        return _mapped(self._result, lambda leaf: self._expression_of(leaf).sympy())

    def _reached(self) -> list[Step]:
        """Return the transposed convolutions that were called with an output size."""
        return [step for step in self._trace.steps if step.is_transposed and len(step.args) > 1]

    def _padding_of(self, step: Step) -> Expression | None:
        layer = step.layer
        if layer._same:
            return None  # only the size can be asked for: no output padding leads there
        wanted = step.args[1]
        source = step.args[0].function
        a = step.function - step.smallest(source)
        fitted = _fitted(a, self._sizes)
        if fitted is not None and not fitted.terms:
            return fitted
        shift = int(layer._both - layer.effective_kernel)
        return (self._expression_of(wanted) + shift).__mod__(layer.stride)

    @cached_property
    def output_padding(self) -> tuple[Any, ...]:
        """The output padding of every transposed convolution called with ``output_size=``.

        SymPy expressions of i, in the order of the calls; they hold for the sizes that are taken.
        Layers with TensorFlow's SAME are left out: they have none.

        Examples
        --------
        >>> from upshape.shapes import ConvTranspose, Pool, solve
        >>> solve(lambda x: ConvTranspose(2, stride=2)(Pool(2)(x), output_size=x)).output_padding
        (Mod(i, 2),)
        """
        found = (self._padding_of(step) for step in self._reached())
        return tuple(padding.sympy() for padding in found if padding is not None)

    # Why not.

    def _failing(self, n: int) -> Condition | None:
        """Return the first condition that n does not meet."""
        for condition in self._conditions:
            if not condition.mask.at(n):
                return condition
        return None

    def _nearest(self, n: int) -> str:
        below, above = self._sizes.previous(n), self._sizes.next(n)
        if below is None and above is None:
            return self._none
        if below is None:
            return f"the smallest size it takes is {above}"
        if above is None:
            return f"the largest size it takes is {below}"
        return f"the nearest sizes it takes are {below} and {above}"

    def _reason(self, condition: Condition, n: int) -> str:
        """Say in one sentence why n fails."""
        step = self._trace.steps[condition.step]
        if condition not in self._trace.conditions:
            return condition.tell(n)
        values = [_at(arg, n) for arg in step.args]
        if step.is_join:
            return f"{step.told()} meets sizes {_listed(values)}"
        return f"{step.told()} gets size {values[0]}, but {condition.tell(n)}"

    def explain(self, n: Any) -> Explanation:
        """Walk through the network with the input size n, up to where it fails, if it does.

        Of one size an axis, walk with those that are not taken.

        Returns
        -------
        Explanation
            A text: each layer's size; at a join that fails, which sizes met, which layer's floor
            lost how many pixels, and what would mend it.

        Examples
        --------
        >>> from upshape.shapes import ConvTranspose, Pool, same, solve
        >>> def network(x):
        ...     return same(ConvTranspose(2, stride=2)(Pool(2)(x)), x)
        >>> print(solve(network).explain(75))
        network does not take 75.
        <BLANKLINE>
          step  what                                    size
             1  Pool(kernel_size=2, stride=2)           75 -> 37   drops 1 pixel
             2  ConvTranspose(kernel_size=2, stride=2)  37 -> 74
             3  same                                    74 and 75  do not agree
        <BLANKLINE>
        The join at step 3 met 74 (ConvTranspose(kernel_size=2, stride=2), step 2) and 75 (the
        input).
        Pool(kernel_size=2, stride=2) (step 1) makes 37 of 75: its floor drops 1 pixel of 75.
        <BLANKLINE>
        What mends it:
          - an input size of 74 (1 less) or 76 (1 more);
          - ConvTranspose(kernel_size=2, stride=2) (step 2) called with output_size=75 in place
            of 74 (output_padding=1); then 75 is taken as it is.
        """
        from ._explain import explanation, explanation_of_axes

        if several(n):
            return explanation_of_axes(self, checked(self, n, "Answer.explain"))
        return explanation(self, _input_size(n, "Answer.explain"))

    # To be read.

    def __repr__(self) -> str:
        def told(result: Any) -> str:
            if isinstance(result, dict):
                return "{" + ", ".join(f"{key!r}: {told(one)}" for key, one in result.items()) + "}"
            if isinstance(result, tuple):
                return "(" + ", ".join(map(told, result)) + ("," if len(result) == 1 else "") + ")"
            if isinstance(result, list):
                return "[" + ", ".join(map(told, result)) + "]"
            return str(self._expression_of(result))

        if self.minimum is None:
            return "Answer(inputs={})"
        return f"Answer(inputs={self._sizes}, output={told(self._result)})"

    def __str__(self) -> str:
        from ._explain import table

        return table(self)

    def _repr_html_(self) -> str:
        from upshape.draw._notebook import answer_html  # needed in notebooks alone

        return answer_html(self)

    def _repr_latex_(self) -> str:
        import sympy

        inputs = sympy.latex(self.inputs)
        if self.minimum is None:
            return f"${inputs}$"
        outputs = [sympy.latex(self._expression_of(leaf).sympy()) for leaf in _leaves(self._result)]
        told = outputs[0] if len(outputs) == 1 else r"\left(" + ",\\; ".join(outputs) + r"\right)"
        return rf"$\displaystyle i \mapsto {told}, \quad i \in {inputs}$"


def _alike(first: Any, second: Any, sizes: SizeSet) -> bool:
    """Tell whether two functions have the same values on a set of sizes."""
    if isinstance(first, Function) != isinstance(second, Function):
        return False  # one of them is quasi-linear, the other is not
    return sizes.is_subset_of(SizeSet(first.equals(second)))


class _BelowOne:
    """Says that an output would be empty."""

    def __init__(self, value: Function) -> None:
        self.value = value

    def __call__(self, n: int) -> str:
        return f"the output size would be {self.value.at(n)}"


class _At:
    """What stands for a step in a pickled result."""

    def __init__(self, number: int) -> None:
        self.number = number


# What an answer is pickled with; the rest follows from it.
_KEPT = ("_conditions", "_name", "_result", "_sizes", "_trace", "repair")


def _shape(result: Any) -> Any:
    """Return what a result is but for its sizes: the tuples, lists and keys that hold them."""
    return _mapped(result, lambda leaf: None)


def _whole_from(least: int | None, value: Any, what: str) -> int:
    number = whole_number(value, what, "an int")
    if least is not None and number < least:
        raise ValueError(f"{what} must be at least {least}, got {number}")
    return number
