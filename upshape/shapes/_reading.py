"""Which sizes a PyTorch model takes: its own forward, run one path after another.

A run follows the path of one size; it ends with shapes or with an error, and either holds for all
sizes of the path. The next run starts from the smallest size that no path holds yet. When the paths
hold all sizes, that is the proof: every size goes one of them.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._answer import Answer, MendedCall, Repair
from ._axes import checked, reaching, several
from ._between import condition_between, names_of, partners
from ._expression import Expression
from ._outcome import Failure, Out, Reshaped, outs
from ._path import Path, Value
from ._quasilinear import Function, Line, PeriodError, SizeSet, Stretch, _fits
from ._results import _fitted, _input_size, _leaves, _mapped
from ._size import Size, Step, Trace
from .layers import Interpolate

if TYPE_CHECKING:
    from ._run import Model

__all__ = ["TorchAnswer", "TorchNetwork"]

MOST_PATHS = 400
MOST_SINGLE = 100  # paths that hold a few sizes each, and none that goes on for ever
FEW = 64  # sizes
MOST_SECONDS = 60.0  # of the processor: the clock would count what others do on the machine
MOST_ODD = 24  # sizes decided one by one, where symbolic sizes fail and plain ones do not
MOST_VERIFIED = 1024  # ends of paths above are not run again: it would take long
MOST_ENDS = 24
MOST_COMPARED = 2**16  # sizes at which two functions are compared
MEANINGS = (  # what PyTorch says, and what it means to who wrote the model
    (("unhashable type", "SymInt"), "a size is looked up in a dict, a set or a cache"),
    (
        ("aten._local_scalar_dense",),
        "a number is read out of a tensor (item(), int(), max(), if): what comes of it hangs on "
        "the tensor's values, not on sizes alone",
    ),
    (
        ("aten.nonzero",),
        "a tensor is as long as values in another one say (nonzero(), a mask as an index): that "
        "hangs on more than sizes",
    ),
)
HEAD = 2**16  # output sizes below are tabulated where they follow no class


class Way(NamedTuple):
    """A path, and how it ends: in shapes, or in a failure."""

    path: Path
    result: Any
    failure: Failure | None
    reached: Mapping[Any, tuple[Any, Any]] = MappingProxyType({})  # mended calls: size and padding
    at_join: bool = False  # whether it fails where sizes meet that differ


class Survey:
    """All the paths through a model that the budget allows.

    Attributes
    ----------
    ways : list of Way
        The paths, in the order in which they were run.
    covered : SizeSet
        The sizes that one of them holds.
    lost : list of str
        What could not be followed, with its place.
    """

    def __init__(self, model: Model, sizes: Callable[[Any], Sequence[Any]]) -> None:
        self.model = model
        self.sizes = sizes
        self.ways: list[Way] = []
        self.lost: dict[str, None] = {}
        self._covered = Function.constant(0)
        self._odd = 0
        self._run()
        self.covered = SizeSet(self._covered)
        if not self.lost:
            self._verify()

    def _run(self) -> None:
        start = time.process_time()
        hint: int | None = self.model.typical
        while hint is not None:
            late = time.process_time() - start > MOST_SECONDS
            few = hint < MOST_SINGLE * FEW
            single = few and len(self.ways) >= MOST_SINGLE and all(
                way.path.points is not None for way in self.ways
            )
            if late or single or len(self.ways) >= MOST_PATHS:
                self.lost[_blocked(self.ways, hint)] = None
                return
            way = self._way(hint)
            if way is None:
                return
            way, grown = self._noted(way)
            if grown:  # the plan is carried out from the first path on
                self.ways, self._covered = [], Function.constant(0)
                hint = self.model.typical
                continue
            self.ways.append(way)
            try:
                self._covered = self._covered.either(way.path.mask())
                hint = SizeSet(self._covered.negated()).next(1)
            except PeriodError:
                self.lost[_blocked(self.ways, way.path.hint)] = None
                return

    def _noted(self, way: Way) -> tuple[Way, bool]:
        """Add to a path what a repair has to know of it, and to the plan what it proposes."""
        mending = self.model.mending
        if mending is None:
            return way, False
        reached, failing = self._reached, mending.failing
        if way.failure is None or not mending.proposed:
            return way._replace(reached=reached, at_join=way.failure is not None and failing), False
        mending.plan.update(mending.proposed)
        return way, True

    def _verify(self) -> None:
        """Hold the ends of every path against PyTorch's own kernels."""
        sizes: dict[int, Way] = {}
        for way in self.ways:
            firsts = np.sort(way.path.firsts())
            for n in {int(firsts[0]), int(firsts[-1])} - {way.path.hint}:
                if n <= MOST_VERIFIED:
                    sizes[n] = way
        for n in sorted(sizes)[:MOST_ENDS]:
            way = sizes[n]
            try:
                found = self.model.plain(self.sizes(n))
            except Failure as failure:
                if way.failure is None and not failure.is_of_memory:
                    self.lost[f"at size {n} PyTorch fails: {failure}, which its shapes hide"] = None
                continue
            if way.failure is not None or _shapes_at(way.result, n) != found:
                self.lost[f"at size {n} PyTorch makes {found}, which its shapes hide"] = None

    def _way(self, hint: int, strict: bool = False) -> Way | None:
        """Follow one size; None if it is given up."""
        path = Path(hint, strict=strict)
        told: Failure | None = None
        try:
            result = self.model.symbolic(path, self.sizes)
        except Failure as failure:
            result, told = None, failure
        except Reshaped:
            self.model.shares = False
            return self._way(hint, strict)
        if path.told and not (told and all(one.ended(told.error) for one in path.told)):
            return self._way(hint, strict=True)
        if self.model.mending is not None:
            self._reached = {
                key: tuple(map(_value_of, pair)) for key, pair in self.model.mending.reached.items()
            }
        try:
            plain = self.model.plain(self.sizes(hint))
        except Failure as failure:
            if failure.is_of_memory:
                self._give_up(told or failure)
                return None
            if told is not None:
                return Way(path, None, failure)
            if failure.is_of_counting:  # nothing can be held against what no machine can run
                return Way(path, _current(result), None)
            told = Failure(TypeError("symbolic sizes pass where PyTorch refuses plain ones"))
            told.message += f" ({failure.message})"
            told.place = failure.place
            return self._single(hint, told, None, failure)
        if told is None and _at_hint(result) == plain:
            return Way(path, _current(result), None)
        if told is None:
            told = Failure(TypeError("symbolic sizes give other shapes than plain ones"))
        return self._single(hint, told, plain, None)

    def _single(self, hint: int, told: Failure, plain: Any, failure: Failure | None) -> Way | None:
        """Decide one size alone, by what PyTorch makes of it; give up when it is one of many."""
        self._odd += 1
        if self._odd > MOST_ODD or not self.ways:
            self._give_up(told)
            return None
        path = Path(hint, hint)
        path.shrink(hint, hint + 1)
        return Way(path, plain, failure)

    def _give_up(self, told: Failure) -> None:
        """Note what could not be followed, and where."""
        message = told.message
        for words, meaning in MEANINGS:
            if all(word in message for word in words):
                message = meaning
        place = f"{message} ({told.place})" if told.place else message
        where = f"{told.module}: " if told.module else ""
        self.lost[where + place] = None


def _blocked(ways: list[Way], hint: int) -> str:
    """Say where the way of sizes parts too often."""
    blame = Counter(why for way in ways for why in way.path.blame)
    narrowed = [way for way in ways if way.path.narrowed]
    last = narrowed[-1] if narrowed else ways[-1]
    place = last.failure.place if last.failure is not None else ""
    at = f"; {blame.most_common(1)[0][0]}" if blame else f", last at {place}" if place else ""
    return (
        f"the sizes go too many ways: {len(ways)} were followed, and {hint} is of none of them{at}"
    )


def _at(size: Any, n: int) -> int:
    return size.at(n) if isinstance(size, Value) else int(size)


def _value_of(size: Any) -> Any:
    """Return a size as a value or an int."""
    if size is None or isinstance(size, int):
        return size
    value: Value = size.node.value
    return value


def _shapes_at(result: Any, n: int) -> Any:
    return _shapes(result, lambda size: _at(size, n))


def _at_hint(result: Any) -> Any:
    return _shapes(result, lambda size: size.hint if isinstance(size, Value) else size)


def _current(result: Any) -> Any:
    def current(size: Any) -> Any:
        if isinstance(size, Value):
            size.rows()
        return size

    return _shapes(result, current)


def _shapes(result: Any, action: Callable[[Any], Any]) -> Any:
    """Apply `action` to every size in the shapes of a result."""
    if isinstance(result, Out):
        return Out(map(action, result))
    if isinstance(result, dict):
        return {key: _shapes(one, action) for key, one in result.items()}
    if isinstance(result, tuple | list):
        entries = [_shapes(one, action) for one in result]
        return tuple(entries) if isinstance(result, tuple) else entries
    return result


class TorchNetwork:
    """A PyTorch model as a function of its input size, for `solve`.

    Called with a size, or one an axis, it runs the model on PyTorch's meta device and returns the
    output size: one an axis where they differ, or the number of features where no spatial axis is
    left; a tuple, list or dict as the model does. `solve` runs it with symbolic sizes.

    Attributes
    ----------
    unread : tuple of str
        What could not be followed, with its place in the model's code. Such a network cannot be
        solved; say with ``from_torch(model, read={...})`` what these parts do to a size.
    """

    def __init__(
        self,
        module: Any,
        read: Mapping[Any, Callable[..., Any]] | None = None,
        name: str | None = None,
        example: tuple[int, ...] | None = None,
    ) -> None:
        from ._run import Model

        self.__name__ = name or type(module).__name__
        if example is None:
            self._model = Model(module, dict(read or {}))
        else:
            batch, channels, *spatial = example
            given = (len(spatial), channels, spatial[0])
            self._model = Model(module, dict(read or {}), given, batch)
        self._surveys: dict[int | None, Survey] = {}

    def __repr__(self) -> str:
        return f"<TorchNetwork {self.__name__}>"

    def __call__(self, x: Any) -> Any:
        """Return the output size for the input size x: an int, one an axis, or a traced Size."""
        if isinstance(x, Size):
            return self._inside(x)
        sizes = self._spatial(x)
        try:
            result = self._model.plain(sizes)
        except Failure as failure:
            raise ValueError(f"{self.__name__} does not take {x}: {failure}") from failure.error
        return _told(result, self._model.rank, None)

    def _inside(self, x: Size) -> Any:
        """Go through the model inside a network that is written as a function of its size."""
        answer = self._solved(x._trace.axis)
        if any(leaf.varies or isinstance(leaf.function, Pieces) for leaf in answer._read_leaves()):
            raise TypeError(
                f"{self.__name__}: its output size is not quasi-linear in its input size, so it "
                "cannot be a part of another network; solve it by itself"
            )
        taken = x._trace.add(Step("demand", (x._step,), Taken(self.__name__, answer._sizes)))

        def through(leaf: Any) -> Any:
            if not isinstance(leaf, Leaf):
                return leaf
            return taken._through(Read(self.__name__, leaf.function, answer._expression_of(leaf)))

        return _mapped(answer._result, through)

    def _spatial(self, x: Any) -> tuple[int, ...]:
        rank = self._model.rank
        if isinstance(x, tuple | list):
            if len(x) != rank:
                raise ValueError(
                    f"from_torch: {self.__name__} has {rank} spatial axes, got sizes {x!r}"
                )
            return tuple(int(size) for size in x)
        return (int(x),) * rank

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be followed."""
        return tuple(self._survey(None).lost)

    def _survey(self, axis: int | None) -> Survey:
        if axis not in self._surveys:
            rank = self._model.rank
            if axis is None:
                self._surveys[axis] = Survey(self._model, lambda size: (size,) * rank)
            else:
                other = self._other_axes()
                self._surveys[axis] = Survey(
                    self._model,
                    lambda size: tuple(size if n == axis else other for n in range(rank)),
                )
        return self._surveys[axis]

    def _other_axes(self) -> int:
        """Return the size that the axes have that are not solved: one that the network takes."""
        survey = self._survey(None)
        taken = SizeSet(_union(survey.ways))
        typical = self._model.typical
        return taken.next(typical) or taken.previous(typical) or typical

    def _solved(self, axis: int | None, fix: str | None = None) -> TorchAnswer:
        """Return the answer of `solve`."""
        if fix is not None:
            return self._mended(axis, fix)
        rank = self._model.rank
        if axis is not None:
            if not -rank <= axis < rank:
                raise ValueError(
                    f"solve: axis={axis} asked for, but {self.__name__} has {rank} axes"
                )
            axis %= rank
        survey = self._survey(axis)
        if survey.lost:
            raise ValueError(
                f"from_torch: {self.__name__} has parts whose effect on sizes is unknown: "
                f"{'; '.join(survey.lost)}. Say what they do to a size with "
                "from_torch(model, read={part: function of the size}), where a part is a module's "
                "class, its name, or a function"
            )
        self._refuse_miscalled(survey)
        return TorchAnswer(self, survey, axis)

    def _refuse_miscalled(self, survey: Survey) -> None:
        """Refuse to answer where no size is decided on: the model was called wrongly."""
        if len(survey.ways) != 1 or survey.ways[0].failure is None:
            return
        (way,) = survey.ways
        error = way.failure.error if way.failure is not None else None
        if isinstance(error, TypeError | LookupError | AttributeError | NameError):
            raise ValueError(
                f"from_torch: {self.__name__} was called with {self._model.told_inputs()}, and "
                f"fails whatever the size: {way.failure}. Give a module whose forward takes "
                "feature maps alone, such as one that calls this model with what it needs"
            ) from error

    def _mended(self, axis: int | None, fix: str) -> TorchAnswer:
        """Return the answer of the model with its upsamplings mended."""
        from ._mending import Mending

        before = self._solved(axis)
        mended = copy.copy(self)
        mended._surveys = {}
        mended._model = copy.copy(self._model)
        mended._model.mending = Mending(fix)
        answer = mended._solved(axis)
        calls = answer._mended_calls(mended._model)
        complete = not any(way.at_join for way in answer._survey.ways)
        answer.repair = Repair(complete, calls, before)
        return answer


def _told(result: Any, rank: int, axis: int | None) -> Any:
    """Return shapes as what is told of them: spatial sizes, or features."""
    if isinstance(result, dict):
        return {key: _told(one, rank, axis) for key, one in result.items()}
    if not isinstance(result, Out):
        entries = [_told(one, rank, axis) for one in result]
        return tuple(entries) if isinstance(result, tuple) else entries
    if len(result) < 3:
        return result[-1] if result else 1
    if axis is not None and len(result) == rank + 2:
        return result[2 + axis]
    sizes = tuple(result[2:])
    return sizes[0] if all(_same(size, sizes[0]) for size in sizes) else sizes


def _shapes_told(result: Any) -> Any:
    """Return shapes as one size an axis, even where they are equal."""
    if isinstance(result, Out):
        return tuple(result[2:]) if len(result) > 2 else _told(result, 0, None)
    if isinstance(result, dict):
        return {key: _shapes_told(one) for key, one in result.items()}
    entries = [_shapes_told(one) for one in result]
    return tuple(entries) if isinstance(result, tuple) else entries


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Value) and isinstance(b, Value):
        difference = a - b
        return difference.constant == 0
    return not isinstance(a, Value) and not isinstance(b, Value) and bool(a == b)


def _union(ways: Sequence[Way], taken: bool = True) -> Function:
    """Return where the paths are that end in shapes (or in failures)."""
    held = Function.constant(0)
    for way in ways:
        if (way.failure is None) == taken:
            held = held.either(way.path.mask())
    return held


class Leaf(Step):
    """An output size of a model that was read, in place of the step of a trace."""

    __slots__ = ("pieces",)

    def __init__(self, function: Any, pieces: list[tuple[SizeSet, Any]], number: int) -> None:
        super().__init__("output", ())
        self.function = function
        self.pieces = pieces
        self.number = number

    @property
    def varies(self) -> bool:
        """Whether it is another number of sizes for some inputs than for others."""
        return isinstance(self.function, Varied)


# A piece of fewer sizes is held against a polynomial size by size, one of more as a polynomial.
FEW = 200


class Pieces:
    """A function of the input size as the values on paths: where it is no quasi-linear one."""

    def __init__(self, pieces: list[tuple[SizeSet, Value | int]]) -> None:
        self.pieces = pieces

    def at(self, n: int) -> int:
        """Return f(n)."""
        for sizes, value in self.pieces:
            if n in sizes:
                return value.at(n) if isinstance(value, Value) else value
        raise ValueError(f"no value at {n}")

    def equals(self, other: Any) -> Function:
        """Return where it is another function: it is compared as a whole."""
        return Function.constant(int(isinstance(other, Pieces) and _agree(self, other)))

    def polynomial(self) -> Any:
        """Return the one polynomial of i that all pieces are, None if they are not one."""
        import sympy

        from .symbols import i

        found: Any = None
        few: list[tuple[SizeSet, Value | int]] = []
        for sizes, value in self.pieces:
            if sizes.is_finite and len(list(itertools.islice(sizes.from_to(1), FEW))) < FEW:
                few.append((sizes, value))
                continue
            rows = value.rows() if isinstance(value, Value) else np.array([[value]])
            over = value.over if isinstance(value, Value) else 1
            if rows.shape[1] > 1:
                return None
            one = sum(sympy.Rational(int(a), over) * i**n for n, a in enumerate(rows[:, 0]))
            if found is not None and sympy.expand(found - one) != 0:
                return None
            found = one
        if found is None:
            return None
        for sizes, value in few:
            for n in sizes.from_to(1):
                wanted = value.at(n) if isinstance(value, Value) else value
                if sympy.sympify(found).subs(i, n) != wanted:
                    return None
        return found

    def __str__(self) -> str:
        found = self.polynomial()
        if found is not None:
            return str(found)
        firsts = [f"{n} -> {self.at(n)}" for n in self._firsts()]
        return "one polynomial a class: " + ", ".join(firsts)

    def _firsts(self) -> list[int]:
        found: list[int] = []
        for sizes, _ in self.pieces:
            for n in sizes.from_to(1):
                found.append(n)
                if len(found) % 4 == 0:
                    break
        return sorted(found)[:8]

    def sympy(self) -> Any:
        """Return the polynomial, or SymPy's function of the sizes."""
        import sympy

        from .symbols import i

        found = self.polynomial()
        return sympy.Function("f")(i) if found is None else found


class Varied(Pieces):
    """Outputs of which there are more, or that have other axes, for some sizes than for others."""

    def at(self, n: int) -> Any:
        """Return what the output is at n: a size, or a tuple, list or dict of them."""
        for sizes, told in self.pieces:
            if n in sizes:
                return _mapped(told, lambda one: _at(one, n))
        raise ValueError(f"no value at {n}")

    def equals(self, other: Any) -> Function:
        """Return where it is another such output: it is compared as a whole."""
        return Function.constant(int(isinstance(other, Varied) and self._same_as(other)))

    def _same_as(self, other: Varied) -> bool:
        for (mine, f), (yours, g) in itertools.product(self.pieces, other.pieces):
            both = SizeSet(mine.mask.both(yours.mask))
            if both.minimum is None:
                continue
            if _structure(f) != _structure(g):
                return False
            pairs = zip(_leaves(f), _leaves(g), strict=True)
            if not all(_agree(Pieces([(both, a)]), Pieces([(both, b)])) for a, b in pairs):
                return False
        return True

    def polynomial(self) -> None:
        """Return None: no polynomial has values of several kinds."""

    def __str__(self) -> str:
        firsts = [f"{n} -> {self.at(n)}" for n in self._firsts()]
        return "another number of sizes for some inputs: " + ", ".join(firsts)


class Taken:
    """What a model that is a part of a network demands of its input size."""

    def __init__(self, name: str, sizes: SizeSet) -> None:
        self.name = name
        self.sizes = sizes

    def mask(self, value: Any) -> Function:
        """Return where a size is one that the model takes."""
        return _composed(self.sizes.mask, Function.of(value), 0)

    def tell(self, n: int) -> str:
        """Say what it demands."""
        return f"it takes {self.sizes}"

    def __repr__(self) -> str:
        return self.name


class Read:
    """What a model that is a part of a network does to a size, as a layer of it."""

    minimum = 1

    def __init__(self, name: str, function: Function, expression: Any) -> None:
        self.name = name
        self.function = function
        self.expression = expression

    def formula(self, i: Any) -> Any:
        """Return the output size."""
        if isinstance(i, Function):
            return _composed(self.function, i, 1)
        if isinstance(i, int):
            return self.function.at(i)
        if not isinstance(self.expression, Expression):
            raise TypeError(f"{self.name}: its output size has no short expression")
        return self.expression.at(i)

    def __repr__(self) -> str:
        return self.name


def _composed(outer: Function, inner: Function, otherwise: int) -> Function:
    """Return outer(inner(i)), and a number where the inner size is below 1."""
    tail = inner.tail
    begin, last = inner.starts[-1], outer.starts[-1]
    if tail.rise > 0:  # from where on is the inner size in the outer one's last stretch?
        low = int(tail.offsets.min())
        begin = max(begin, tail.period * (max(0, -(-(last - low) // tail.rise)) + 1))
        times = outer.tail.period // math.gcd(outer.tail.period, tail.rise)
    elif tail.rise < 0:
        high = int(tail.offsets.max())
        begin = max(begin, tail.period * (max(0, -(-high // -tail.rise)) + 1))
        times = 1
    else:
        times = 1
    period = _fits(tail.period * times)
    if begin > HEAD:
        raise PeriodError(f"the sizes follow no period before {begin}", begin)

    def at(n: int) -> int:
        size = inner.at(n)
        return outer.at(size) if size >= 1 else otherwise

    head = np.array([at(n) for n in range(1, begin)], object)
    base = -(-begin // period) * period
    values = [at(base + residue) for residue in range(2 * period)]
    rise = values[period] - values[0]
    offsets = np.array(values[:period], object) - rise * (base // period)
    bound = max(1, *(abs(int(one)) for one in offsets))
    stretches: list[Stretch] = [(begin, Line(period, rise, offsets, bound).reduced())]
    if begin > 1:
        bound = max(1, *(abs(int(one)) for one in head))
        stretches.insert(0, (1, Line.explicit(1, head, bound)))
    return Function._built(stretches)


class _Apart:
    """Stands for the model of a pickled answer, and for what was found out about it."""

    ways: tuple[Way, ...] = ()

    def __init__(self, name: str, rank: int) -> None:
        self.__name__ = name
        self.rank = rank

    @property
    def _model(self) -> _Apart:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise TypeError(
            f"{vars(self).get('__name__')}: a pickled answer does not hold the model, which is "
            "needed for this; solve it again"
        )


def _agree(first: Pieces, second: Pieces) -> bool:
    """Tell whether two functions have the same values wherever both have one.

    Polynomials of degree m that agree at m + 1 places of a class agree on all of it.
    """
    for (mine, f), (yours, g) in itertools.product(first.pieces, second.pieces):
        both = SizeSet(mine.mask.both(yours.mask))
        points = both.from_to(1, both.threshold)
        if not both.is_finite:
            period, places = both.modulus, 1
            for value in (f, g):
                if isinstance(value, Value):
                    period = math.lcm(period, value.path.period)
                    places = max(places, len(value.rows()))
            if period * places > MOST_COMPARED:
                return False
            points = both.from_to(1, both.threshold + period * places)
        if any(_at(f, n) != _at(g, n) for n in points):
            return False
    return True


class TorchAnswer(Answer):
    """The input sizes that a PyTorch model takes, and what it makes of them.

    Like every `Answer`; `check` runs the model itself at the sizes where this could be wrong.
    """

    def __init__(self, network: TorchNetwork, survey: Survey, axis: int | None) -> None:
        self._network = network
        self._survey = survey
        self._axis = axis
        self._name = network.__name__
        self.repair = None
        self._conditions = []
        self._trace = Trace(axis)
        rank = network._model.rank
        ways = []
        for way in survey.ways:
            if way.failure is None:
                ways += _not_empty(way, rank)
        self._ways: list[tuple[SizeSet, Any]] = ways
        taken = Function.constant(0)
        for sizes, _ in ways:
            taken = taken.either(sizes.mask)
        self._sizes = SizeSet(taken)
        self._result = self._joined([sizes for sizes, _ in ways], [one for _, one in ways])

    # The outputs.

    def _joined(self, sizes: list[SizeSet], shapes: list[Any]) -> Any:
        """Return what the paths return as one result, of leaves."""
        if not shapes:
            return 1
        first = shapes[0]
        if all(isinstance(one, Out) for one in shapes):
            return self._joined_shapes(sizes, shapes)
        if len({_structure(one) for one in shapes}) > 1:
            rank = self._network._model.rank
            return self._varied(sizes, [_told(one, rank, self._axis) for one in shapes])
        if isinstance(first, dict):
            return {key: self._joined(sizes, [one[key] for one in shapes]) for key in first}
        entries = [self._joined(sizes, [one[n] for one in shapes]) for n in range(len(first))]
        return tuple(entries) if isinstance(first, tuple) else entries

    def _joined_shapes(self, sizes: list[SizeSet], shapes: list[Out]) -> Any:
        """Return the sizes of one output: one an axis if they differ on any path."""
        told = [_told(one, self._network._model.rank, self._axis) for one in shapes]
        axes = {len(one) for one in told if isinstance(one, tuple)}
        if not axes:
            return self._leaf(sizes, told)
        if len(axes) > 1 or len({len(one) for one in shapes}) > 1:
            return self._varied(sizes, told)
        spread = [one if isinstance(one, tuple) else (one,) * min(axes) for one in told]
        return tuple(self._leaf(sizes, list(axis)) for axis in zip(*spread, strict=True))

    def _varied(self, sizes: list[SizeSet], told: list[Any]) -> Leaf:
        """Return the leaf of an output that is another kind of thing for other sizes."""
        pieces = list(zip(sizes, told, strict=True))
        leaf = Leaf(Varied(pieces), pieces, len(self._trace.steps))
        self._trace.steps.append(leaf)
        return leaf

    def _leaf(self, sizes: list[SizeSet], values: list[Any]) -> Any:
        if all(isinstance(one, int) for one in values) and len(set(values)) == 1:
            return values[0]
        pieces = list(zip(sizes, values, strict=True))
        function = _as_function(pieces)
        leaf = Leaf(function or Pieces(pieces), pieces, len(self._trace.steps))
        self._trace.steps.append(leaf)
        return leaf

    def shape(self, n: int) -> Any:
        """Return the whole shape of every output for the input size n, batch and channels with it.

        Raises
        ------
        ValueError
            If the model does not take n.
        """
        for sizes, shapes in self._ways:
            if n in sizes:
                found = _shapes(shapes, lambda one: one.at(n) if isinstance(one, Value) else one)
                return _plain(found)
        return self.output(n)

    def _exported_from(self) -> int:
        """Return the size from which on no map on the way that grows has a single pixel."""
        model = self._network._model
        if isinstance(model, _Apart) or not hasattr(model, "singles"):
            return super()._exported_from()
        sizes = self._survey.sizes
        large = self._sizes.next(max(2 * model.typical, self._sizes.threshold))
        assert large is not None
        stay = model.singles(sizes(large))
        low, high = self._sizes.minimum or 1, large
        while low < high:  # maps grow with the input, so a bisection finds where they begin to
            middle = (low + high) // 2
            taken = self._sizes.next(middle) or high
            if model.singles(sizes(taken)) - stay:
                low = taken + 1
            else:
                high = middle
        return self._sizes.next(low) or 1

    def _read_leaves(self) -> list[Leaf]:
        return [leaf for leaf in _leaves(self._result) if isinstance(leaf, Leaf)]

    def _mended_calls(self, model: Model) -> tuple[MendedCall, ...]:
        """Return the calls of upsamplings that a repair changed."""
        from ._modules import layer_of

        taken = [way for way in self._survey.ways if way.failure is None]
        keys = dict.fromkeys(key for way in taken for key in way.reached)
        modules = {name: one for one in model.module.modules() for name in [model.names[id(one)]]}
        calls = []
        for number, key in enumerate(keys, 1):
            ways = [way for way in taken if key in way.reached]
            sizes = [SizeSet(way.path.mask()) for way in ways]
            leaf = self._leaf(sizes, [way.reached[key][0] for way in ways])
            size = self._expression_of(leaf)
            layer = layer_of(modules[key[0]])
            options = None
            if layer is None:  # a function is called
                factor = model.mending.factors.get(key, 1)
                layer = model.mending.layers.get(key) or Interpolate(scale_factor=factor)
                options = model.mending.options.get(key, "")
            padding = None
            if ways[0].reached[key][1] is not None and isinstance(size, Expression):
                padding = self._padding_for(layer, size)
            calls.append(MendedCall(layer, number, size, padding, key[0], options))
        return tuple(calls)

    def _padding_for(self, layer: Any, size: Expression) -> Expression:
        """Return the output padding by which a transposed convolution reaches a size."""
        axis = layer.axes[0]
        found: Expression = (size + int(2 * axis.padding - axis.effective_kernel)) % axis.stride
        return found

    def __getstate__(self) -> dict[str, Any]:
        # The model stays behind: it may be large, and of a class that cannot be pickled.
        apart = _Apart(self._name, self._network._model.rank)
        return {
            **super().__getstate__(),
            "between_axes": self.between_axes,  # it is found out by running the model
            "_others": self._others,
            "_axis": self._axis,
            "_ways": self._ways,
            "_network": apart,
            "_survey": apart,
        }

    def receptive_field(self) -> Any:
        """Return what the output's pixels see of the input, by running the model.

        See `Answer.receptive_field`. A model that was solved without ``axis=`` is looked at along
        its last axis. What is seen are the positions from which NaN arrives, through weights that
        are 0 as well; through a mean over the whole map, a pixel sees all of it.

        Raises
        ------
        ValueError
            If a pixel sees the whole input.
        """
        from ._seen import seen

        return seen(self)

    # Several axes at once: what the model itself does with them.

    @property
    def _rank(self) -> int | None:  # type: ignore[override]
        return self._network._model.rank

    def _of_axis(self, place: int) -> Answer:
        return self._network._solved(place)

    def _partners(self, wanted: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if self.between_axes is not None:
            yield from partners(self._network, wanted, taken_along)

    def _takes(self, sizes: tuple[int, ...]) -> bool:
        if len(set(sizes)) == 1:
            return sizes[0] in self._sizes
        try:
            found = self._network._model.plain(sizes)
        except Failure:
            return False
        return not any(0 in shape for shape in outs(found))

    def _outputs(self, sizes: tuple[int, ...]) -> Any:
        try:
            found = self._network._model.plain(sizes)
        except Failure as failure:
            raise ValueError(
                f"Answer.output: {self._name} does not take {sizes}: {failure}"
            ) from failure.error
        return _shapes_told(found)

    def at_least(self, size: Any) -> Any:
        """Return the smallest input size of which every output is at least `size`."""
        if several(size):
            return reaching(self, size)
        leaves = [leaf for leaf in _leaves(self._result) if isinstance(leaf, Leaf)]
        if not any(isinstance(leaf.function, Pieces) for leaf in leaves):
            return super().at_least(size)
        sizes = self._sizes.from_to(1)
        found = (n for n in sizes if min(_leaves(self.output(n))) >= size)
        return next(found, None)

    def output(self, n: Any) -> Any:
        """Return the output size for the input size n, as the model returns it."""
        if several(n):
            return self._outputs(checked(self, n, "Answer.output"))
        n = _input_size(n, "Answer.output")
        for sizes, shapes in self._ways:
            if n in sizes:
                found = _shapes(shapes, lambda one: one.at(n) if isinstance(one, Value) else one)
                return _told(found, self._network._model.rank, self._axis)
        raise ValueError(
            f"Answer.output: {self._name} does not take {n}: {self._refusal(n)}; "
            f"{self._nearest(n)}; explain({n}) tells more"
        )

    def _refusal(self, n: int) -> str:
        for way in self._survey.ways:
            if way.path.mask().at(n):
                if way.failure is None:
                    return "an output would be empty"
                try:
                    self._network._model.plain(self._survey.sizes(n))
                except Failure as failure:
                    return str(failure)
                return str(way.failure)
        return "it is not decided"

    def _expression_of(self, leaf: Any) -> Any:
        if isinstance(leaf, Leaf):
            if isinstance(leaf.function, Pieces):
                return leaf.function
            found = _fitted(leaf.function, self._sizes) or self._through_ends(leaf.function)
            return Pieces(leaf.pieces) if found is None else found
        return super()._expression_of(leaf)

    def _through_ends(self, function: Function) -> Expression | None:
        """Return the line through the first and last of finitely many sizes, if it fits all."""
        low = self._sizes.minimum
        if not self._sizes.is_finite or low is None or self._sizes.threshold > HEAD:
            return None
        high = self._sizes.previous(self._sizes.threshold)
        assert high is not None
        if high == low:
            return Expression.of(function.at(low))
        slope = Fraction(function.at(high) - function.at(low), high - low)
        start = function.at(low) - slope * low
        if any(function.at(n) != slope * n + start for n in self._sizes.from_to(1)):
            return None
        run = math.lcm(slope.denominator, start.denominator)
        return Expression.fraction(int(slope * run), int(start * run), run, floored=False)

    # What holds between the axes.

    @cached_property
    def between_axes(self) -> str | None:
        """What must hold between the axes, in words; None if nothing is seen that must."""
        try:
            return condition_between(self._network, self._alike, taken_along)
        except ValueError:  # equal sizes cannot be followed, so nothing is known of others
            return None

    @property
    def _alike(self) -> SizeSet:
        """The sizes that the model takes on all axes."""
        return self._sizes if self._axis is None else self._network._solved(None)._sizes

    @cached_property
    def _others(self) -> str:
        """Say which sizes the other axes have where one is asked for alone."""
        if self._axis is None:
            return ""
        sizes = self._survey.sizes(0)
        named = zip(names_of(len(sizes)), sizes, strict=True)
        told = [f"{name} = {n}" for place, (name, n) in enumerate(named) if place != self._axis]
        return ", ".join(told)

    @property
    def _none(self) -> str:
        if self._others:
            return f"{super()._none} at {self._others}"
        if (self._rank or 1) > 1:
            return f"{super()._none} that is the same on all axes"
        return super()._none

    def _rows(self) -> list[tuple[str, str]]:
        """Return what is to be known of the other axes, as rows of a table."""
        rows = [("other axes", self._others)] if self._others else []
        if self.between_axes is not None:
            rows.append(("between axes", self.between_axes))
        return rows

    # Why not.

    def _refusal_of_all(self) -> str:
        """Say why no size is taken: how the model fails at the size that was tried first."""
        way = self._survey.ways[0]
        n = way.path.hint
        if way.failure is None:
            return f"at {n} an output would be empty"
        where = f" in {way.failure.module}" if way.failure.module else ""
        return f"at {n} it fails{where}: {way.failure}"

    def __repr__(self) -> str:
        told = super().__repr__()
        if self.between_axes is not None:
            others = f"at {self._others}; " if self._others else ""
            told = f"{told[:-1]}; {others}{self.between_axes})"
        if self.minimum is None and self._survey.ways:
            return f"{told[:-1]}; {self._refusal_of_all()})"
        return told

    def __str__(self) -> str:
        if self.minimum is None and self._survey.ways:
            return f"{super().__str__()}\n  {self._refusal_of_all()}"
        return super().__str__()

    def explain(self, n: Any) -> Any:
        """Walk through the model with the input size n, or one size an axis."""
        from ._explain import Explanation
        from ._walk import walked

        what = "Answer.explain"
        n = checked(self, n, what) if several(n) else _input_size(n, what)
        return Explanation.of(walked(self, n), n in self, (self, n))

    # Whether it is true.

    def check(self, model: Any = None, *, device: str | None = None) -> None:
        """Run the model itself where this answer could be wrong, and compare.

        The sizes are those around the borders of every path, through a period, and some large
        ones; they run on PyTorch's meta device, or on the CPU where that cannot tell. Functions
        that keep every size (normalisations, activations) run at two of them. A size for which this
        machine is too small is passed over.

        Parameters
        ----------
        model : torch.nn.Module, optional
            The model; without it, the one that was read.
        device : {"meta", "cpu"}, optional
            Where to run.

        Raises
        ------
        AssertionError
            At the first size at which the model does something else than the answer says.
        """
        runner = self._network._model
        if model is not None and model is not runner.module:
            from ._run import Model

            given = (runner.rank, runner.channels, runner.typical)
            runner = Model(model, {}, given, runner.batch)
        whole = {self._sizes.next(1), self._sizes.next(runner.typical)}
        for n in self._checked_sizes():
            wanted = self.output(n) if n in self else None
            try:
                shapes = runner.plain(self._survey.sizes(n), device or "meta", full=n in whole)
                found = _told(shapes, runner.rank, self._axis)
                found = None if 0 in _leaves(found) else found
                told = ""
            except Failure as failure:
                if failure.is_of_memory:
                    continue
                found, told = None, f" ({failure})"
            if found != wanted:
                raise AssertionError(
                    f"{self._name} at {n}: the answer says {_said(wanted)}, but PyTorch "
                    f"{'refuses it' + told if found is None else f'makes {found} of it'}"
                )

    def _checked_sizes(self) -> list[int]:
        """Return sizes around all borders, through a period and some large ones."""
        found = set(range(1, 9))
        for way in self._survey.ways:
            path = way.path
            firsts = path.firsts().tolist()
            found |= {*firsts[:3], *firsts[-2:], path.start - 1, path.start, path.hint}
            if path.stop is not None:
                found |= {path.stop - 1, path.stop}
        low = self._sizes.threshold
        period = min(self._sizes.modulus, 32)
        found |= set(range(low - 1, low + period + 2))
        found |= {low + self._sizes.modulus, 224, 255, 256, 257}
        return sorted(n for n in found if 1 <= n <= max(1024, 2 * low + 64))


def _said(wanted: Any) -> str:
    return "that it is not taken" if wanted is None else str(wanted)


def taken_along(model: Any, sizes: Callable[[Any], tuple[Any, ...]]) -> SizeSet:
    """Return the sizes that a model takes along a line: all axes as functions of one size.

    Raises LookupError where not all of them could be followed.
    """
    survey = Survey(model, sizes)
    if survey.lost:
        raise LookupError(f"not followed: {'; '.join(survey.lost)}")
    taken = Function.constant(0)
    for way in survey.ways:
        if way.failure is None:
            for found, _ in _not_empty(way, model.rank):
                taken = taken.either(found.mask)
    return SizeSet(taken)


def _plain(shapes: Any) -> Any:
    if isinstance(shapes, Out):
        return tuple(shapes)
    if isinstance(shapes, dict):
        return {key: _plain(one) for key, one in shapes.items()}
    entries = [_plain(one) for one in shapes]
    return tuple(entries) if isinstance(shapes, tuple) else entries


def _structure(told: Any) -> Any:
    """Return what a result is but for its sizes."""
    if isinstance(told, dict):
        return ("dict", *((key, _structure(one)) for key, one in told.items()))
    if isinstance(told, tuple | list) and not isinstance(told, Out):
        return (type(told).__name__, *map(_structure, told))
    return None


def _not_empty(way: Way, rank: int) -> list[tuple[SizeSet, Any]]:
    """Return the sizes of a path for which every output is at least 1, with its shapes."""
    mask = way.path.mask()
    for shape in outs(way.result):
        for size in shape[2:] if len(shape) > 2 else shape:
            if isinstance(size, Value):
                mask = mask.both(_at_least_one(size))
            elif size < 1:
                return []
    sizes = SizeSet(mask)
    return [(sizes, way.result)] if sizes.minimum is not None else []


def _at_least_one(value: Value) -> Function:
    """Return where on its path a value is at least 1."""
    path = value.path
    if path.points is not None:
        kept = [int(n) for n in path.points if value.at(int(n)) >= 1]
    else:
        held = _never_below_one(value)
        if held:
            return Function.constant(1)
        function = _as_function([(SizeSet(path.mask()), value)])
        if function is not None:
            return function.at_least(1)
        kept = []
    from ._quasilinear import _points

    return Function._built(_points(kept, 1))


def _never_below_one(value: Value) -> bool:
    from ._path import _settled

    rows = (value - 1).rows()
    path = value.path
    first = path.firsts() if rows.shape[1] > 1 else np.array([path.start])
    told = _settled(rows, first)
    return told is not None and bool(told.all())


def _as_function(pieces: list[tuple[SizeSet, Any]]) -> Function | None:
    """Return values on paths as one quasi-linear function, None if they are none.

    Between the paths it is anything.
    """
    slope: tuple[int, int] | None = None
    period, head = 1, 1
    for sizes, value in pieces:
        head = max(head, sizes.threshold if sizes.is_finite else sizes.mask.starts[-1])
        if sizes.is_finite:
            continue
        rows = value.rows() if isinstance(value, Value) else np.array([[value]])
        over = value.over if isinstance(value, Value) else 1
        if len(rows) > 2:
            return None
        rises = set(rows[1].tolist()) if len(rows) == 2 else {0}
        if len(rises) > 1:
            return None
        common = math.gcd(rise := rises.pop(), over)
        found = (rise // common, over // common)
        if slope is not None and slope != found:
            return None
        slope = found
        own = value.path.period if isinstance(value, Value) else 1
        period = math.lcm(period, own, sizes.modulus, found[1])
    if head > HEAD:
        return None
    try:
        _fits(period)
    except PeriodError:
        return None
    rise, run = slope or (0, 1)
    residues = np.arange(period)
    offsets = rise * residues // run
    values = rise * np.arange(1, head) // run
    for sizes, value in pieces:
        inside = list(sizes.from_to(1, head))
        if inside:
            values[np.array(inside) - 1] = [_at(value, n) for n in inside]
        if not sizes.is_finite:
            base = -(-head // period) * period
            for n in sizes.from_to(base, base + period):
                offsets[n - base] = _at(value, n) - rise * (base // run)
    bound = int(max(abs(offsets).max(), 1))
    line = Line(period, rise * period // run, offsets, bound).reduced()
    stretches: list[Stretch] = [(head, line)]
    if head > 1:
        bound = int(max(abs(values).max(), 1))
        stretches.insert(0, (1, Line.explicit(1, values, bound)))
    return Function._built(stretches)
