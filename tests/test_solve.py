"""solve, same and what they answer; random networks are in test_solve_random.py."""

import functools
import pickle
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import sympy

from upshape.shapes import (
    Conv,
    ConvTranspose,
    Interpolate,
    PeriodError,
    Pool,
    i,
    maximum,
    minimum,
    same,
    solve,
    zoo,
)


def unet(x):
    skips = []
    for _ in range(4):
        x = Conv(3, padding=1)(x)
        skips.append(x)
        x = Pool(2)(x)
    for skip in reversed(skips):
        x = same(ConvTranspose(2, stride=2)(x), skip)
    return x


def halves(x):
    return same(ConvTranspose(2, stride=2)(Pool(2)(x)), x)


# The sizes.


def test_a_unet_takes_the_multiples_of_16():
    answer = solve(unet)
    assert [n for n in range(1, 200) if n in answer] == list(range(16, 200, 16))
    assert (answer.modulus, answer.residues, answer.minimum, answer.threshold) == (16, (0,), 16, 1)
    assert (answer.next(600), answer.previous(600), answer.padding(600)) == (608, 592, 8)
    assert (answer.next(608), answer.previous(608), answer.padding(608)) == (608, 608, 0)
    assert answer.previous(15) is None
    assert answer.output(608) == 608
    assert answer.output_size == i
    assert answer.output_padding == ()
    assert answer.next(10**30) == 10**30 // 16 * 16 + (16 if 10**30 % 16 else 0)


def test_inputs_are_a_sympy_set_that_prints_as_it_is():
    inputs = solve(unet).inputs
    assert isinstance(inputs, sympy.Set)
    assert inputs == sympy.Range(16, sympy.oo, 16)
    assert sympy.Range(16, sympy.oo, 16) == inputs
    assert 48 in inputs
    assert 47 not in inputs
    assert 0 not in inputs
    assert str(inputs) == "{16 n : n >= 1}"
    assert sympy.pretty(inputs, use_unicode=False) == "{16 n : n >= 1}"
    assert sympy.latex(inputs) == r"\left\{16 n \;\middle|\; n \geq 1\right\}"
    assert set(inputs.intersect(sympy.Interval(500, 540))) == {512, 528}


@pytest.mark.parametrize(
    ("network", "told", "wanted"),
    [
        (lambda x: x, "{n : n >= 1}", range(1, 3000)),
        (Conv(7), "{n : n >= 7}", range(7, 3000)),
        (lambda x: same(x, x + 1), "{}", []),
        (lambda x: same(x, 100), "{100}", [100]),
        (lambda x: same(x // 3, x // 4), "{4, 5, 8}", [4, 5, 8]),
        (lambda x: same(minimum(x, 40), x), "{n : 1 <= n <= 40}", range(1, 41)),
        (lambda x: same(maximum(x, 40), x), "{n : n >= 40}", range(40, 3000)),
        (
            lambda x: same(2 * Pool(2)(x), 3 * Pool(3)(x)),
            "{6 n, 6 n + 1 : n >= 1}",
            [n for n in range(6, 3000) if n % 6 in (0, 1)],
        ),
        (
            lambda x: same((x - 4) // 6 * 6, x - 4, maximum(x - 4, 24)),
            "{6 n + 4 : n >= 4}",
            range(28, 3000, 6),
        ),
        (
            lambda x: (same(minimum(x % 5, maximum(20 - x, 0)), 0), x)[1],
            "{5, 10, 15} | {n : n >= 20}",
            [5, 10, 15, *range(20, 3000)],
        ),
    ],
)
def test_all_none_finitely_many_and_exceptions(network, told, wanted):
    answer = solve(network)
    assert str(answer._sizes) == told
    wanted = list(wanted)
    assert [n for n in range(1, 3000) if n in answer] == wanted
    inputs = answer.inputs
    assert [n for n in range(1, 60) if n in inputs] == [n for n in wanted if n < 60]
    assert answer.minimum == (wanted[0] if wanted else None)
    assert bool(answer) == bool(wanted)
    assert answer.is_finite == (len(wanted) < 100)
    if not answer.is_finite:
        m, t = answer.modulus, answer.threshold
        # The least threshold and the least modulus.
        for n in range(t, 2500):
            assert (n in answer) == (n % m in answer.residues)
        assert t == 1 or ((t - 1) in answer) != ((t - 1) % m in answer.residues)
        for divisor in range(1, m):
            if m % divisor == 0:
                assert any((n in answer) != ((n + divisor) in answer) for n in range(t, t + m))


def test_sizes_that_are_far_away_stay_exact():
    answer = solve(lambda x: same(maximum(x, 10**15), x))
    assert answer.minimum == 10**15
    assert 10**15 - 1 not in answer
    answer = solve(lambda x: same(minimum(x, 10**15), x))
    assert answer.previous(10**20) == 10**15
    assert 10**15 in answer.inputs
    answer = solve(Conv(10**12))
    assert answer.minimum == 10**12
    big = 10**25
    assert solve(lambda x: (x * 10**30 + 7) // 10**30 - 3).output(big) == big - 3
    answer = solve(lambda x: same(x * 10**20, 10**40))
    assert list(answer) == [10**20]


def test_a_period_beyond_the_limit_names_the_layers():
    def network(x):
        for k in (7, 11, 13, 17, 19, 23):
            x = Pool(k)(x)
        return x

    with pytest.raises(PeriodError, match=r"every 7436429 pixels.*Pool\(kernel_size=7.*by 7"):
        solve(network)
    with pytest.raises(ValueError, match="1000000"):
        solve(lambda x: sum((Pool(k)(x) for k in (2, 3, 5, 7, 11, 13, 17, 19)), start=x))
    # Just below it there is an answer.
    assert solve(lambda x: Pool(1000)(Pool(1000)(x))).output(10**6) == 1


def test_joins_of_residues_beyond_the_limit_name_the_joins():
    def network(x):
        for p in (2, 3, 5, 7, 11, 13, 17, 19):
            same(x % p, 0)
        return x

    with pytest.raises(PeriodError, match="same"):
        solve(network)


def test_several_outputs_keep_their_structure():
    answer = solve(lambda x: {"a": (x, Pool(2)(x)), "b": [x + 1], "c": 3})
    assert answer.output(9) == {"a": (9, 4), "b": [10], "c": 3}
    assert answer.output_size["a"][1] == sympy.floor(i / 2)
    assert answer.minimum == 2
    assert repr(answer) == (
        "Answer(inputs={n : n >= 2}, output={'a': (i, floor(i/2)), 'b': [i + 1], 'c': 3})"
    )


def test_outputs_below_one_are_not_taken():
    answer = solve(lambda x: x - 5)
    assert answer.minimum == 6
    with pytest.raises(ValueError, match="the output size would be -2"):
        answer.output(3)


def test_first_sizes_and_cover():
    answer = solve(unet)
    assert answer.first(3) == [16, 32, 48]
    assert not answer.covers(16, 17)
    assert answer.covers(32, 32)
    assert solve(zoo.resnet(34)).covers(320, 7680)


# Expressions.


@pytest.mark.parametrize(
    ("network", "wanted"),
    [
        (Conv(3, stride=2, padding=1), sympy.floor((i + 1) / 2)),
        (Conv(3, stride=2), sympy.floor((i - 1) / 2)),
        (lambda x: Conv(3, 2, 1)(Conv(7, 2, 3)(x)), sympy.floor((i + 3) / 4)),
        (lambda x: Conv(5, 3)(Conv(4, 2, 1)(Pool(2)(x))), sympy.floor((i - 8) / 12)),
        (lambda x: 2 * (x // 2), 2 * sympy.floor(i / 2)),
        (lambda x: Interpolate(scale_factor=1.5)(x), sympy.floor(3 * i / 2)),
        (lambda x: -(-x // 4), sympy.floor((i + 3) / 4)),
        (lambda x: x * 0 + 7, 7),
        (lambda x: x % 4 + 1, sympy.Mod(i, 4) + 1),
        (lambda x: maximum(x, 10), sympy.Max(i, 10)),
        (lambda x: same(2 * (x // 2), x) // 2, i / 2),
    ],
)
def test_the_output_size_is_one_short_expression(network, wanted):
    answer = solve(network)
    assert sympy.simplify(answer.output_size - wanted) == 0
    assert answer.output_size.free_symbols <= {i}
    for n in range(1, 40):
        if n in answer:
            assert answer.output_size.subs(i, n) == answer.output(n)


def test_nested_floors_are_one_floor():
    def network(x):
        for k, s, p in ((7, 2, 3), (3, 2, 1), (3, 3, 0), (5, 2, 1)):
            x = Conv(k, s, p)(x)
        return x

    assert solve(network).output_size.count(sympy.floor) == 1


def test_the_output_padding_of_every_call_with_an_output_size():
    def network(x):
        small = Conv(3, stride=3, padding=1)(x)
        up = ConvTranspose(3, stride=3, padding=1)
        return up(small, output_size=x), up(Pool(2)(x), output_size=3 * Pool(2)(x))

    first, second = solve(network).output_padding
    for n in range(2, 30):
        small = (n - 1) // 3 + 1
        assert first.subs(i, n) == n - ((small - 1) * 3 + 1)
        assert second == 2


# Arithmetic and joins.


def test_same_of_ints_tuples_and_expressions():
    assert same(5) == 5
    assert same(5, np.int64(5), 5) == 5
    assert same((5, 6), (5, 6)) == (5, 6)
    assert same(i + 1, 1 + i) == i + 1
    with pytest.raises(ValueError, match="74 and 75 do not agree"):
        same(74, 75)
    with pytest.raises(ValueError, match="3, 3 and 4 do not agree"):
        same(3, 3, 4)
    with pytest.raises(ValueError, match="5 and 7"):
        same((4, 5), (4, 7))
    with pytest.raises(ValueError, match="one entry an axis"):
        same((4, 5), 4)
    with pytest.raises(TypeError, match="got none"):
        same()
    for wrong in (True, 2.0, "5", None):
        with pytest.raises(TypeError, match="must be an int"):
            same(5, wrong)


def test_a_size_counts_with_ints_of_any_kind():
    answer = solve(lambda x: np.int64(3) + 2 * x * np.int32(2) - sympy.Integer(1) - Fraction(2, 1))
    assert answer.output(5) == 20
    assert solve(lambda x: divmod(x, 5)[0] + divmod(x, 5)[1]).output(13) == 5
    assert solve(lambda x: abs(3 - x) + 1).output(9) == 7
    assert solve(lambda x: +x - -x).output(4) == 8
    assert solve(lambda x: x * Interpolate(size=3)(x)).output(4) == 12


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (lambda x: 1 if x else 2, r"bool\(Size\).*same\(a, b\)"),
        (lambda x: range(x), "a range or a loop count"),
        (lambda x: [1, 2, 3][x], "index"),
        (lambda x: int(x), r"leave the int\(\) out"),
        (lambda x: float(x), "numerator // denominator"),
        (lambda x: x == 5, "same"),
        (lambda x: x != 5, "same"),
        (lambda x: max(x, 5), r"shapes.maximum\(a, b\)"),
        (lambda x: min(5, x), r"shapes.minimum"),
        (lambda x: x <= 5, "same"),
        (lambda x: x >= 5, "same"),
        (lambda x: x / 2, "//"),
        (lambda x: 2 / x, "//"),
        (lambda x: x * 0.5, r"Interpolate\(scale_factor=...\)"),
        (lambda x: x * Fraction(1, 2), "Interpolate"),
        (lambda x: x * x, "quasi-linear"),
        (lambda x: x**2, "quasi-linear"),
        (lambda x: 100 // x, "by ints only"),
        (lambda x: x % x, "by ints only"),
        (lambda x: round(x), "whole|round"),
        (lambda x: list(x), "one axis"),
        (lambda x: x[0], "leave the index out"),
        (lambda x: len(x), "one axis"),
        (lambda x: x + True, "int|unsupported"),
        (lambda x: None, "does it lack its return"),
        (lambda x: "64", "must return a size"),
        (lambda x: 2.5, "must return a size"),
    ],
)
def test_a_size_is_no_number(network, told):
    with pytest.raises(TypeError, match=told):
        solve(network)


def test_networks_that_cannot_be_solved():
    with pytest.raises(TypeError, match="must be a function of the input size, got 5"):
        solve(5)
    with pytest.raises(ValueError, match=r"Fraction\(7, 10\)"):
        solve(Interpolate(scale_factor=0.7))
    with pytest.raises(ZeroDivisionError):
        solve(lambda x: x // 0)
    with pytest.raises(RuntimeError, match="my own"):
        solve(lambda x: (_ for _ in ()).throw(RuntimeError("my own")))
    kept = []
    solve(lambda x: kept.append(x) or x)
    with pytest.raises(ValueError, match="another solve"):
        solve(lambda x: same(x, kept[0]))
    with pytest.raises(ValueError, match="another solve"):
        solve(lambda x: kept[0])


@pytest.mark.parametrize("ask", ["next", "previous", "padding", "output", "explain"])
def test_questions_about_what_is_no_size(ask):
    question = getattr(solve(unet), ask)
    for wrong in (True, 16.0, "16", None, 2.5):
        with pytest.raises(TypeError, match="must be an int"):
            question(wrong)
    for wrong in (0, -16):
        with pytest.raises(ValueError, match=f"at least 1, got {wrong}"):
            question(wrong)
    for right in (np.int32(32), sympy.Integer(32)):
        question(right)


def test_membership_of_what_is_no_size():
    answer = solve(unet)
    assert np.int64(16) in answer
    assert 0 not in answer
    assert -16 not in answer
    for wrong in (True, 16.0, "16"):
        with pytest.raises(TypeError, match="must be an int"):
            wrong in answer  # noqa: B015


def test_padding_where_no_size_is_left():
    answer = solve(lambda x: same(minimum(x, 40), x))
    assert answer.next(41) is None
    with pytest.raises(ValueError, match="no size from 41 on"):
        answer.padding(41)


# Axes.


def test_layers_with_tuples_are_solved_an_axis_at_a_time():
    def network(x):
        return Conv((3, 5), stride=(2, 3))(x)

    with pytest.raises(TypeError, match=r"solve\(network, axis=0\)"):
        solve(network)
    assert solve(network, axis=0).output(9) == 4
    assert solve(network, axis=1).output(9) == 2
    assert solve(network, axis=-1).output(9) == 2
    assert solve(Conv((3, 3), stride=2)).output(9) == 4
    with pytest.raises(ValueError, match="axis=2"):
        solve(network, axis=2)
    with pytest.raises(TypeError, match="axis must be an int"):
        solve(network, axis=1.0)
    assert solve(lambda x: ConvTranspose((2, 2), stride=2)(x // 2, output_size=(x, x))).minimum == 2


# Output sizes.


def test_an_output_size_can_be_reached_or_not():
    up = ConvTranspose(3, stride=3, padding=1)
    answer = solve(lambda x: up(Pool(4)(x), output_size=x))
    for n in range(1, 60):
        small = (n - 4) // 4 + 1
        reachable = n >= 4 and (small - 1) * 3 + 1 <= n <= (small - 1) * 3 + 3
        assert (n in answer) == reachable
    with pytest.raises(ValueError, match="out of its reach, it can give 4 to 6"):
        answer.output(8)


def test_an_output_size_decides_alone():
    up = ConvTranspose(2, stride=2, output_padding=1)
    assert solve(lambda x: up(Pool(2)(x), output_size=x)).covers(2, 500)


def test_layers_of_an_int_that_reach_a_size():
    answer = solve(lambda x: ConvTranspose(3, stride=2)(7, output_size=x))
    assert list(answer) == [15, 16]
    assert solve(lambda x: Interpolate(size=x)(7)).output(9) == 9
    assert solve(lambda x: Interpolate(size=x)(Pool(2)(x))).minimum == 2


# Repair.


def test_a_unet_is_mended_by_output_sizes_for_all_inputs():
    mended = solve(unet, fix="output_padding")
    assert mended.repair.complete
    assert mended.minimum == 16
    assert mended.covers(16, 10**6)
    assert [call.step for call in mended.repair.calls] == [9, 11, 13, 15]
    assert [call.output_size for call in mended.repair.calls] == [
        sympy.floor(i / 8),
        sympy.floor(i / 4),
        sympy.floor(i / 2),
        i,
    ]
    assert mended.output_padding == tuple(call.output_padding for call in mended.repair.calls)
    assert mended.repair.before.modulus == 16
    for n in range(16, 200):
        sizes = [n, n // 2, n // 4, n // 8, n // 16]
        assert [a.subs(i, n) for a in mended.output_padding] == [
            sizes[k - 1] - 2 * sizes[k] for k in (4, 3, 2, 1)
        ]


def test_what_a_repair_says_holds_when_it_is_carried_out():
    def carried_out(x):
        skips = []
        for _ in range(4):
            skips.append(x)
            x = Pool(2)(x)
        for skip in reversed(skips):
            x = same(ConvTranspose(2, stride=2)(x, output_size=skip), skip)
        return x

    assert solve(carried_out).covers(16, 5000)


def test_a_chain_of_transposed_convolutions_is_mended_as_one():
    def network(x):
        y = x
        for _ in range(3):
            y = Conv(3, stride=2, padding=1)(y)
        for _ in range(3):
            y = ConvTranspose(3, stride=2, padding=1)(y)
        return same(y, x)

    assert solve(network).modulus == 8
    mended = solve(network, fix="output_padding")
    assert mended.repair.complete
    assert mended.covers(1, 3000)
    assert len(mended.repair.calls) == 3


def test_layers_between_the_call_and_the_join_are_led_back_through():
    def network(x):
        y = ConvTranspose(2, stride=2)(Pool(2)(x))
        return same(Conv(3)(Conv(1)(y)) + 2, x)

    mended = solve(network, fix="output_padding")
    assert mended.repair.complete
    assert mended.covers(4, 500)


def test_two_joins_that_fail_alike_are_both_mended():
    def network(x):
        up = ConvTranspose(2, stride=2)
        return same(up(Pool(2)(x)), x), same(up(Pool(2)(x)), x)

    mended = solve(network, fix="output_padding")
    assert mended.repair.complete
    assert len(mended.repair.calls) == 2


def test_what_no_output_size_can_mend():
    answer = solve(lambda x: same(ConvTranspose(2, stride=2)(Pool(5)(x)), x), fix="output_padding")
    assert not answer.repair.complete
    assert answer.repair.calls == ()
    assert answer.minimum is None
    answer = solve(lambda x: same(2 * Pool(2)(x), x), fix="output_padding")
    assert not answer.repair.complete
    assert answer.modulus == 2


def test_a_network_that_needs_no_repair():
    answer = solve(Conv(3), fix="output_padding")
    assert answer.repair.complete
    assert answer.repair.calls == ()
    with pytest.raises(ValueError, match="'output_padding'"):
        solve(Conv(3), fix="padding")


def test_interpolations_are_mended_by_their_size():
    assert not solve(zoo.fpn(18), fix="output_padding").repair.complete
    mended = solve(zoo.fpn(18), fix="size")
    assert mended.repair.complete
    assert mended.covers(1, 2000)


# Explanations.


def test_the_walk_of_600_pixels_through_a_unet():
    text = solve(unet).explain(600)
    assert not text.taken
    for told in (
        "unet does not take 600.",
        "150 -> 75",
        "75 -> 37    drops 1 pixel",
        "37 -> 74",
        "74 and 75   do not agree",
        "makes 37 of 75: its floor drops 1 pixel of 75",
        "an input size of 592 (8 less) or 608 (8 more)",
        "called with output_size=75 in place of 74",
        "(output_padding=1); then 600 is taken as it is.",
    ):
        assert told in text, told
    assert repr(text) == str(text)
    assert max(map(len, text.splitlines())) <= 100


def test_the_walk_of_a_size_that_is_taken():
    text = solve(unet).explain(608)
    assert text.taken
    assert "unet takes 608." in text
    assert "The output size is 608." in text


def test_an_output_size_is_proposed_only_if_it_is_enough():
    def network(x):
        skip = x
        x = same(ConvTranspose(2, stride=2)(Pool(2)(x)), skip)
        return same(2 * Pool(2)(x), skip)

    assert "output_size" not in solve(network).explain(75)
    assert "output_size=75" in solve(halves).explain(75)


def test_a_kernel_that_does_not_fit_is_told():
    text = solve(zoo.unet(padding=0)).explain(100)
    assert "gets size 2, but it takes 3 or more" in text
    assert "an input size of 188 (88 more)" in text


def test_an_interpolation_is_told_its_size():
    text = solve(zoo.fpn(50)).explain(225)
    assert "16 and 15   do not agree" in text
    assert "rounding 15/2 up" in text
    assert "Interpolate(size=15)" in text


def test_nothing_mends_a_network_that_takes_nothing():
    assert "takes no size at all" in solve(lambda x: same(x, x + 1)).explain(5)


# To be read.


def test_the_answer_in_one_line_as_a_table_and_in_latex():
    answer = solve(unet)
    assert repr(answer) == "Answer(inputs={16 n : n >= 1}, output=i)"
    table = str(answer)
    assert table.splitlines()[0] == "unet"
    assert "{16 n : n >= 1}" in table
    assert "16 -> 16;  32 -> 32" in table
    assert answer._repr_latex_() == (
        r"$\displaystyle i \mapsto i, \quad i \in \left\{16 n \;\middle|\; n \geq 1\right\}$"
    )
    assert "which mends every join" in " ".join(str(solve(unet, fix="output_padding")).split())
    assert repr(solve(lambda x: same(x, x + 1))) == "Answer(inputs={})"
    assert "takes no size" in str(solve(lambda x: same(x, x + 1)))


def test_integers_solve_without_sympy():
    code = (
        "import sys; from upshape.shapes import Pool, same, solve;"
        "a = solve(lambda x: same(2 * Pool(2)(x), x));"
        "assert 4 in a and a.next(5) == 6 and repr(a); a.explain(5); str(a);"
        "assert 'sympy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sets_survive_a_pickle():
    inputs = solve(unet).inputs
    assert pickle.loads(pickle.dumps(inputs)) == inputs


@pytest.mark.parametrize(
    "network",
    [
        lambda x: x if x in {3, 4} else 2 * x,
        lambda x: {14: 3, 16: 4}.get(x, 2 * x),
        functools.lru_cache(lambda x: 2 * x),
    ],
    ids=["set", "dict", "cache"],
)
def test_what_is_looked_up_by_a_size_is_refused(network):
    with pytest.raises(TypeError, match=r"hash\(Size\)"):
        solve(network)


@pytest.mark.parametrize(
    ("network", "missing"),
    [(lambda x, y: same(x, y), "y"), (lambda x, *, k, s=1: x, "k"), (lambda x, y, z: x, "y, z")],
)
def test_a_function_that_needs_more_than_a_size_is_told_what_to_write(network, missing):
    with pytest.raises(TypeError, match=f"needs {missing} besides the input size"):
        solve(network)


def test_the_nearest_sizes_below_one_an_axis():
    answer = solve(zoo.unet())
    assert answer.previous((480, 854)) == (480, 848)
    assert answer.previous((15, 100)) is None
    assert answer.previous((16, 31)) == (16, 16)
