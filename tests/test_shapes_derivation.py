"""The derivation, with numbers put into every step."""

import itertools

import pytest
import sympy
from sympy import Eq, Symbol

from upshape.shapes import Conv, ConvTranspose, Derivation, derive, scale_condition, symbols
from upshape.shapes._derivation import Step

i, o, k, s, p, d, a = (getattr(symbols, letter) for letter in "iokspda")
x = Symbol("x", integer=True)

NUMBERS = [
    numbers
    for numbers in itertools.product((5, 8, 12, 13), (1, 2, 3, 4), (1, 2, 3), (0, 1, 2), (1, 2))
    if numbers[0] + 2 * numbers[3] >= numbers[4] * (numbers[1] - 1) + 1
][::7]


@pytest.fixture(scope="module")
def derivation():
    return derive()


def counted(i_, k_, s_, p_, d_):
    """The output size and the remainder of a convolution, by counting."""
    end = i_ + 2 * p_
    starts = [x for x in range(0, end, s_) if x + d_ * (k_ - 1) < end]
    return len(starts), end - (starts[-1] + d_ * (k_ - 1) + 1)


def holds_at(equation, numbers):
    """Whether an equation is true of these numbers: all of them put in at once.

    Put in one by one, s before a, SymPy 1.13 finds a = a mod s false of them all.
    """
    return equation.subs(numbers, simultaneous=True) == sympy.true


def test_every_step_holds_for_counted_numbers(derivation):
    for numbers in NUMBERS:
        i_, k_, s_, p_, d_ = numbers
        o_, a_ = counted(*numbers)
        shared = {k: k_, s: s_, p: p_, d: d_, a: a_, x: i_ + 2 * p_ - d_ * (k_ - 1) - 1}
        for number, (equation, _) in enumerate(derivation.steps):
            turned = number >= derivation.swap
            values = {**shared, i: o_ if turned else i_, o: i_ if turned else o_}
            assert holds_at(equation, values), (number, numbers)


def test_wrong_steps_finds_none(derivation):
    for numbers in NUMBERS[::4]:
        assert derivation.wrong_steps(**dict(zip("ikspd", numbers, strict=True))) == ()


@pytest.mark.parametrize(
    ("number", "wrong"),
    [
        (0, Eq(o, sympy.ceiling((i + 2 * p - d * (k - 1) - 1) / s) + 1)),
        (1, Eq(sympy.floor(x / s), x / s)),
        (2, Eq(a, sympy.Mod(i + 2 * p - d * (k - 1), s, evaluate=False))),
        (3, Eq(o, (i + 2 * p - d * (k - 1) - 1 - a) / s)),
        (4, Eq(i, (o - 1) * s - 2 * p + d * (k - 1) + 1)),
        (5, Eq(o, i * s - 2 * p + d * (k - 1) + 1 + a)),
        (6, Eq(a, sympy.Mod(o + p - d * (k - 1) - 1, s, evaluate=False))),
        (7, Eq(a, a + 1, evaluate=False)),
    ],
)
def test_a_wrong_step_is_noticed(derivation, number, wrong):
    steps = list(derivation.steps)
    assert steps[number].equation != wrong
    steps[number] = Step(wrong, "This is wrong.")
    changed = Derivation(tuple(steps), derivation.swap)
    noticed = set()
    for numbers in NUMBERS:
        noticed.update(changed.wrong_steps(**dict(zip("ikspd", numbers, strict=True))))
    assert noticed == {steps[number]}


def test_it_starts_and_arrives_at_what_the_layers_compute_with(derivation):
    assert derivation[0].equation == Eq(o, Conv(k, s, p, d)(i))
    assert derivation.result == Eq(o, ConvTranspose(k, s, p, a, d)(i))
    assert derivation.result.rhs == ConvTranspose(k, s, p, a, d).formula(i)
    for a_, s_ in itertools.product(range(4), range(1, 4)):
        holds = holds_at(derivation.condition, {a: a_, s: s_})
        assert holds == (a_ < s_)
        assert holds_at(derivation[-1].equation, {a: a_, s: s_}) == holds


def test_every_step_is_an_equation_with_a_sentence(derivation):
    assert len(derivation) == len(list(derivation)) >= 6
    for equation, sentence in derivation:
        assert isinstance(equation, Eq)
        assert sentence[0].isupper()
        assert sentence.endswith(".")


@pytest.mark.parametrize("unicode", [True, False])
def test_it_prints_within_80_columns(derivation, unicode):
    text = derivation.text(unicode)
    assert max(map(len, text.splitlines())) <= 80
    assert text.isascii() != unicode
    assert all(line == line.rstrip() for line in text.splitlines())
    for number in range(1, len(derivation) + 1):
        assert f"{number}. " in text
    assert str(derivation) == repr(derivation)


def test_it_prints_in_the_order_of_the_literature(derivation):
    text = derivation.text(unicode=False)
    assert "o = s*(i - 1) - 2*p + d*(k - 1) + 1 + a" in text
    assert "i + 2*p - d*(k - 1) - 1 - a" in text


def test_it_is_latex_in_a_notebook(derivation):
    latex = derivation._repr_latex_()
    assert latex.startswith("$")
    assert latex.endswith("$")
    assert r"\left\lfloor" in latex
    assert r"o = s \left(i - 1\right) - 2 p + d \left(k - 1\right) + 1 + a" in latex
    assert latex.count(r"\begin{array}") == latex.count(r"\end{array}") == 1
    assert latex.count("{") == latex.count("}")


def test_numbers_that_have_no_answer_are_refused(derivation):
    with pytest.raises(ValueError, match="does not fit"):
        derivation.wrong_steps(i=3, k=7)


def test_the_condition_of_a_scale_is_that_of_all_sizes():
    condition = scale_condition()
    for k_, s_, p_, d_ in itertools.product((1, 2, 3, 4), (1, 2, 3), (0, 1, 2), (1, 2)):
        for a_ in range(max(s_, d_)):
            layer = ConvTranspose(k_, s_, p_, a_, d_)
            scales = layer.minimum == 1 and all(layer(n) == s_ * n for n in range(1, 9))
            holds = condition.subs({k: k_, s: s_, p: p_, d: d_, a: a_}) == sympy.true
            assert holds == scales
    assert scale_condition(3) == condition.subs(s, 3)
