"""Random networks: the answer against integers, counted by hand-written arithmetic.

A program is a list of instructions over a growing list of sizes. `by_solver` runs it with the
layers and the traced size, `by_hand` with ints and none of the library's formulas: windows are
counted, not divided.
"""

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upshape.shapes import Conv, ConvTranspose, Interpolate, Pool, maximum, minimum, same, solve
from upshape.shapes._quasilinear import PeriodError

FACTORS = [2, 3, 0.5, 1.5, 0.25, Fraction(2, 3), Fraction(3, 4), Fraction(7, 5), Fraction(1, 3)]


class Refused(Exception):
    """The network does not take this size."""


def demand(condition):
    if not condition:
        raise Refused


def windows(i, k, s, p, d):
    """Count where a window of k taps can start in the padded input."""
    return len(range(0, i + 2 * p - (d * (k - 1) + 1) + 1, s))


def windows_of_pool(i, k, s, p, d, ceil_mode):
    if not ceil_mode:
        return windows(i, k, s, p, d)
    # PyTorch: round up, then drop the last window if it starts beyond the input and its padding.
    reach = i + 2 * p - (d * (k - 1) + 1)
    count = (reach + s - 1) // s + 1
    if (count - 1) * s >= i + p:
        count -= 1
    return count


def painted(i, k, s, p, d):
    """Count the positions of a transposed convolution: from the first tap to the last one."""
    return (i - 1) * s + d * (k - 1) + 1 - 2 * p


ARITHMETIC = {
    "+": lambda x, y, c: x + c,
    "-": lambda x, y, c: c - x,
    "*": lambda x, y, c: c * x,
    "//": lambda x, y, c: x // c,
    "%": lambda x, y, c: x % c,
    "add": lambda x, y, c: x + y,
    "sub": lambda x, y, c: x - y,
}


def by_hand(program, n):
    sizes = [n]
    for name, (x, y), numbers in program:
        x, y = sizes[x % len(sizes)], sizes[y % len(sizes)]
        if name in ("conv", "pool", "up", "up_to"):
            demand(x >= 1)
        if name == "conv":
            o = windows(x, *numbers)
            demand(o >= 1)
        elif name == "pool":
            o = windows_of_pool(x, *numbers)
            demand(o >= 1)
        elif name == "up":
            k, s, p, a, d = numbers
            o = painted(x, k, s, p, d) + a
            demand(o >= 1)
        elif name == "up_to":
            k, s, p, _, d = numbers
            o = y
            demand(o >= 1 and painted(x, k, s, p, d) <= o < painted(x, k, s, p, d) + s)
        elif name == "scale":
            o = int(Fraction(numbers[0]) * x // 1)
            demand(x >= 1 and o >= 1)
        elif name == "size":
            o = y
            demand(x >= 1 and o >= 1)
        elif name == "join":
            o = x
            demand(x == y)
        elif name in ("min", "max"):
            o = min(x, y) if name == "min" else max(x, y)
        else:
            c = numbers[0]
            o = ARITHMETIC[name](x, y, c)
        sizes.append(o)
    demand(sizes[-1] >= 1)
    return sizes[-1]


def by_solver(program):
    def network(n):
        sizes = [n]
        for name, (x, y), numbers in program:
            x, y = sizes[x % len(sizes)], sizes[y % len(sizes)]
            c = numbers[0]
            match name:
                case "conv":
                    o = Conv(*numbers)(x)
                case "pool":
                    o = Pool(*numbers)(x)
                case "up":
                    o = ConvTranspose(*numbers)(x)
                case "up_to":
                    o = ConvTranspose(*numbers)(x, output_size=y)
                case "scale":
                    o = Interpolate(scale_factor=c)(x)
                case "size":
                    o = Interpolate(size=y)(x)
                case "join":
                    o = same(x, y)
                case "min":
                    o = minimum(x, y)
                case "max":
                    o = maximum(x, y)
                case _:
                    o = ARITHMETIC[name](x, y, c)
            sizes.append(o)
        return sizes[-1]

    return network


small = st.integers(0, 3)


@st.composite
def conv(draw):
    return (
        draw(st.integers(1, 7)),
        draw(st.integers(1, 5)),
        draw(small),
        draw(st.integers(1, 3)),
    )


@st.composite
def pool(draw):
    k, d = draw(st.integers(1, 5)), draw(st.integers(1, 2))
    p = draw(st.integers(0, k // 2))
    return k, draw(st.integers(1, 5)), p, d, draw(st.booleans())


@st.composite
def up(draw):
    k, s, p, d = draw(conv())
    return k, s, p, draw(st.integers(0, max(s, d) - 1)), d


PARAMETERS = {
    "conv": conv(),
    "pool": pool(),
    "up": up(),
    "up_to": up(),
    "scale": st.tuples(st.sampled_from(FACTORS)),
    "+": st.tuples(st.integers(-9, 9)),
    "-": st.tuples(st.integers(-9, 30)),
    "*": st.tuples(st.integers(-2, 4)),
    "//": st.tuples(st.sampled_from([-3, -2, -1, 1, 2, 3, 4, 5])),
    "%": st.tuples(st.sampled_from([-3, -1, 1, 2, 3, 4, 5])),
}
LAYERS = ["conv", "pool", "up", "scale", "conv", "pool", "up"]
OTHERS = ["up_to", "size", "join", "+", "-", "*", "//", "%", "add", "sub", "min", "max"]


@st.composite
def instruction(draw, names):
    name = draw(st.sampled_from(names))
    places = draw(st.integers(-3, -1)), draw(st.integers(-6, -1))
    return name, places, draw(PARAMETERS.get(name, st.just((0,))))


def chains():
    return st.lists(instruction(LAYERS), min_size=1, max_size=6)


def anything():
    return st.lists(instruction(LAYERS + OTHERS), min_size=1, max_size=9)


@st.composite
def decoders(draw):
    """A way down and a way up again, joined with the skips: residue classes nearly always."""
    program, skips, here = [], [], 0
    for _ in range(draw(st.integers(1, 3))):
        skips.append(here)
        s = draw(st.integers(2, 4))
        kind = draw(st.sampled_from(["conv", "pool", "scale"]))
        if kind == "conv":
            k = draw(st.integers(1, 5))
            numbers = (k, s, draw(st.integers(0, k // 2)), 1)
        elif kind == "pool":
            k = draw(st.integers(2, 4))
            numbers = (k, s, draw(st.integers(0, k // 2)), 1, draw(st.booleans()))
        else:
            numbers = (Fraction(1, s),)
        program.append((kind, here, 0, numbers, s))
        here = len(program)
    for skip in reversed(skips):
        s = program[skip][4] if skip < len(program) else 2
        k = draw(st.integers(1, 4))
        p = draw(st.integers(0, 1))
        kind = draw(st.sampled_from(["up", "up", "up_to", "scale"]))
        numbers = (s,) if kind == "scale" else (k, s, p, draw(st.integers(0, s - 1)), 1)
        program.append((kind, here, skip, numbers, s))
        program.append(("join", len(program), skip, (0,), 1))
        here = len(program)
    # Places from the end, as the instructions have them, become places from the start.
    return [(kind, (x, y), numbers) for kind, x, y, numbers, _ in program]


def interesting(answer):
    """Return the sizes to look at: the small ones, one period and more, and some far away."""
    start = min(answer.threshold, 5000)
    span = min(2 * answer.modulus + 5, 60)
    far = 10**6 + 7 * answer.modulus
    yield from range(1, 70)
    yield from range(max(1, start - 10), start + span)
    yield from range(far, far + min(span, 20))
    yield from range(10**12, 10**12 + 5)


def check(program):
    try:
        answer = solve(by_solver(program))
    except PeriodError:
        return None
    outputs = answer.output_size
    for n in sorted(set(interesting(answer))):
        try:
            wanted = by_hand(program, n)
        except Refused:
            assert n not in answer, n
            with pytest.raises(ValueError, match="does not take"):
                answer.output(n)
        else:
            assert n in answer, n
            assert answer.output(n) == wanted
            if n in (1, 2, 5, 12, 69, 10**12):
                assert (
                    outputs.subs("i", n) == wanted
                    or outputs.subs(dict.fromkeys(outputs.free_symbols, n)) == wanted
                )
    return answer


FIXED = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(FIXED, max_examples=500)
@given(chains())
def test_chains_of_layers(program):
    check(program)


@settings(FIXED, max_examples=800)
@given(anything())
def test_anything_goes(program):
    check(program)


@settings(FIXED, max_examples=800)
@given(decoders())
def test_encoders_with_decoders(program):
    answer = check(program)
    if answer is not None and not answer.is_finite:
        sizes = [n for n in range(1, 300) if n in answer]
        for n in (1, 17, 100):
            assert answer.next(n) == next((m for m in range(n, 10**5) if m in answer), None)
            assert answer.previous(n) == max((m for m in sizes if m <= n), default=None)
