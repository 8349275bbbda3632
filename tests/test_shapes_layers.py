"""The size relations of single layers, against counting windows and stamped positions."""

import copy
import dataclasses
import itertools
import pickle
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from upshape.shapes import Choice, Conv, ConvTranspose, Interpolate, Origin, Pool, symbols

SIZES = range(1, 41)
GRID = list(itertools.product(range(1, 8), range(1, 6), range(4), range(1, 4)))  # k, s, p, d


# The oracles: no formula of a size, only positions.


def window_starts(i, k, s, p, d):
    """Where the windows of a convolution start in the padded input."""
    reached = [t * d for t in range(k)]
    return [x for x in range(0, i + 2 * p, s) if x + reached[-1] < i + 2 * p]


def positions_beyond_the_last_window(i, k, s, p, d):
    return i + 2 * p - 1 - (window_starts(i, k, s, p, d)[-1] + (k - 1) * d)


def ceil_windows(i, k, s, p, d):
    """How many windows a pooling that rounds up has.

    A window is there if the one before it (of the first, one that is imagined) has not reached the
    end of the padded input, and if it starts within the input and its left padding.
    """
    end = i + 2 * p - 1
    return sum(x - s + (k - 1) * d < end and x < i + p for x in range(0, i + 2 * p + s, s))


def stamped_length(i, k, s, p, a, d):
    """How long the output is that the stamps of all inputs reach, cropped by p, longer by a."""
    return len(range(max(x * s + t * d for x in range(i) for t in range(k)) + 1)) - 2 * p + a


def takes(layer, i):
    try:
        layer(i)
    except ValueError:
        return False
    return True


# Against the oracles.


def test_convolution_counts_the_windows():
    for k, s, p, d in GRID:
        layer = Conv(k, s, p, d)
        for i in SIZES:
            count = len(window_starts(i, k, s, p, d))
            assert takes(layer, i) == (count > 0) == (i >= layer.minimum)
            if count:
                assert layer(i) == count
                assert layer.remainder(i) == positions_beyond_the_last_window(i, k, s, p, d)


def test_convolution_input_sizes_are_all_that_give_the_output_size():
    for k, s, p, d in GRID:
        layer = Conv(k, s, p, d)
        by_output = {}
        for i in range(1, 70):
            count = len(window_starts(i, k, s, p, d))
            if count:
                remainder = positions_beyond_the_last_window(i, k, s, p, d)
                by_output.setdefault(count, []).append((i, remainder))
        for o in range(1, max(by_output)):  # the last one's list is cut off
            assert list(layer.input_sizes(o)) == by_output.get(o, [])


def test_transposed_convolution_is_as_long_as_its_stamps():
    for k, s, p, d in GRID:
        for a in range(max(s, d)):
            layer = ConvTranspose(k, s, p, a, d)
            for i in range(1, 13):
                length = stamped_length(i, k, s, p, a, d)
                assert takes(layer, i) == (length >= 1) == (i >= layer.minimum)
                if length >= 1:
                    assert layer(i) == length


def test_choices_are_the_sizes_that_the_convolution_takes_back():
    for k, s, p, d in GRID:
        layer = ConvTranspose(k, s, p, dilation=d)
        back = {}
        for o in range(1, 70):
            back.setdefault(len(window_starts(o, k, s, p, d)), []).append(o)
        for i in range(1, 9):
            choices = layer.choices(i)
            assert [o for _, o in choices] == back.get(i, [])
            for a, o in choices:
                assert 0 <= a < s
                assert stamped_length(i, k, s, p, a, d) == o
                assert layer.output_padding_for(i, o) == a
                assert layer(i, output_size=o) == o
                assert ConvTranspose(k, s, p, a, d)(i) == o
            if not choices:
                continue
            for o in {1, choices[0].o - 1, choices[-1].o + 1, 99} - {0, *back.get(i, [])}:
                with pytest.raises(ValueError, match=f"output_size={o} cannot be reached"):
                    layer.output_padding_for(i, o)


def test_wider_choices_are_what_a_dilation_above_the_stride_admits():
    for k, s, p, d in GRID:
        layer = ConvTranspose(k, s, p, dilation=d)
        for i in (1, 2, 5, 8):
            expected = []
            for a in range(s, max(s, d)):
                assert dataclasses.replace(layer, output_padding=a).output_padding == a
                length = stamped_length(i, k, s, p, a, d)
                if length >= 1:
                    expected.append((a, length))
            assert list(layer.wider_choices(i)) == expected
        with pytest.raises(ValueError, match="output_padding must be smaller than stride or dil"):
            dataclasses.replace(layer, output_padding=max(s, d))


def test_round_trips_with_the_remainder_are_exact():
    for k, s, p, d in GRID:
        conv = Conv(k, s, p, d)
        assert conv.transpose().transpose() == conv
        for i in range(conv.minimum, 41):
            assert conv.transpose(i)(conv(i)) == i
            assert conv.transpose()(conv(i), output_size=i) == i


def test_pooling_counts_the_windows():
    for k, s, p, d in GRID:
        if 2 * p > k:
            with pytest.raises(ValueError, match="at most half of kernel_size"):
                Pool(k, s, p, d)
            continue
        for mode in (False, True):
            layer = Pool(k, s, p, d, mode)
            by_output = {}
            for i in range(1, 60):
                count = ceil_windows(i, k, s, p, d) if mode else len(window_starts(i, k, s, p, d))
                assert takes(layer, i) == (count > 0) == (i >= layer.minimum)
                if count:
                    assert layer(i) == count
                    by_output.setdefault(count, []).append(i)
            for o in range(1, 9):
                assert list(layer.input_sizes(o)) == by_output.get(o, [])


def test_taps_per_phase_are_those_that_stamping_counts():
    for k, s, p, d in GRID:
        layer = ConvTranspose(k, s, p, dilation=d)
        inputs = 3 * k * d + 12  # so many that the middle is away from the borders
        reached = [x * s - p + t * d for x in range(inputs) for t in range(k)]
        middle = (inputs // 2) * s
        counted = tuple(reached.count(middle + phase) for phase in range(s))
        assert layer.taps_per_phase() == counted
        assert layer.is_even == (len(set(counted)) == 1)


@pytest.mark.parametrize("factor", [0.7, 0.1, 1 / 3, 0.3, 1.1, 2.5, 2.0, 1e-3, 7.77])
def test_float_factors_floor_the_rounded_product(factor):
    layer = Interpolate(scale_factor=factor)
    for i in range(1, 2000):
        product = np.float64(i) * np.float64(factor)
        if product >= 1:
            assert layer(i) == int(np.floor(product))
        assert takes(layer, i) == (product >= 1) == (i >= layer.minimum)


@pytest.mark.parametrize("factor", [2, 1, Fraction(7, 10), Fraction(1, 3), Fraction(5, 2)])
def test_integer_and_fraction_factors_are_exact(factor):
    layer = Interpolate(scale_factor=factor)
    numerator, denominator = Fraction(factor).as_integer_ratio()
    for i in range(1, 100):
        steps = sum(o * denominator <= i * numerator for o in range(1, 300))
        assert takes(layer, i) == (steps > 0) == (i >= layer.minimum)
        if steps:
            assert layer(i) == steps


def test_interpolation_to_a_size_takes_every_size_there():
    assert [Interpolate(7)(i) for i in (1, 7, 100)] == [7, 7, 7]
    assert Interpolate(size=(7, 9))((3, 100)) == (7, 9)


# Symbols.


def test_symbolic_sizes_agree_with_integers():
    i = symbols.i
    for k, s, p, d in GRID[::7]:
        layers = [Conv(k, s, p, d), ConvTranspose(k, s, p, 0, d), ConvTranspose(k, s, p, s - 1, d)]
        if 2 * p <= k:
            layers += [Pool(k, s, p, d), Pool(k, s, p, d, True)]
        layers += [Interpolate(scale_factor=Fraction(k, s))]
        for layer in layers:
            expression = layer(i)
            for n in range(layer.minimum, layer.minimum + 12):
                assert expression.subs(i, n) == layer(n)
        remainder = layers[0].remainder(i)
        for n in range(layers[0].minimum, layers[0].minimum + 12):
            assert remainder.subs(i, n) == layers[0].remainder(n)


def test_symbolic_parameters_agree_with_integers():
    i, o, k, s, p, d, a = (getattr(symbols, letter) for letter in "iokspda")
    conv, up = Conv(k, s, p, d), ConvTranspose(k, s, p, a, d)
    pool, rounded_up = Pool(k, s, p, d), Pool(k, s, p, d, True)
    cases = [(13, 3, 2, 1, 1, 1), (40, 5, 3, 2, 2, 0), (16, 7, 5, 3, 3, 4), (9, 4, 4, 0, 2, 3)]
    for i_, k_, s_, p_, d_, a_ in cases:
        values = {i: i_, o: i_, k: k_, s: s_, p: p_, d: d_, a: a_}
        assert conv(i).subs(values) == Conv(k_, s_, p_, d_)(i_)
        assert conv.remainder(i).subs(values) == Conv(k_, s_, p_, d_).remainder(i_)
        assert conv.minimum.subs(values) == Conv(k_, s_, p_, d_).minimum
        assert up(i).subs(values) == ConvTranspose(k_, s_, p_, a_, d_)(i_)
        assert up.minimum.subs(values) == ConvTranspose(k_, s_, p_, a_, d_).minimum
        assert pool(i).subs(values) == Pool(k_, s_, p_, d_)(i_)
        assert rounded_up(i).subs(values) == Pool(k_, s_, p_, d_, True)(i_)
        origins = {n for n, _ in Conv(k_, s_, p_, d_).input_sizes(i_)}
        found = conv.input_sizes(o).subs(values)
        near = range(min(origins) - s_, max(origins) + s_ + 1)
        assert {n for n in near if found.contains(n) == sympy.true} == origins


def test_symbolic_sizes_print_as_in_the_literature():
    i, k, s, p, d = (getattr(symbols, letter) for letter in "ikspd")
    assert str(Conv(k, s, p, d)(i)) == "floor((-d*(k - 1) + i + 2*p - 1)/s) + 1"
    assert Conv(3, 2, 1)(i) == sympy.floor((i - 1) / 2) + 1
    assert Conv(3, 2, 1).remainder(i) == sympy.Mod(i - 1, 2)
    assert ConvTranspose(3, 2, 1)(i) == 2 * i - 1
    assert Pool(3, 2, 1, ceil_mode=True)(i) == sympy.ceiling((i - 1) / 2) + 1
    assert ConvTranspose(3, 2, 1).choices(i) == ((0, 2 * i - 1), (1, 2 * i))
    assert ConvTranspose(3, 2, 1).output_padding_for(i, 2 * i) == 1


def test_the_symbols_are_integers_that_sizes_and_parameters_can_be():
    for letter in "ioksd":
        assert getattr(symbols, letter).is_integer
        assert getattr(symbols, letter).is_positive
    for letter in "pa":  # 0 is a padding
        assert getattr(symbols, letter).is_integer
        assert getattr(symbols, letter).is_nonnegative


def test_sympy_integers_are_checked_and_stay_sympy_integers():
    answer = Conv(3, 2, 1)(sympy.Integer(12))
    assert answer == 6
    assert isinstance(answer, sympy.Integer)
    assert isinstance(Conv(sympy.Integer(3)).kernel_size, int)
    with pytest.raises(ValueError, match="does not fit"):
        Conv(5)(sympy.Integer(4))


def test_input_sizes_of_a_symbol_are_a_set_with_its_condition():
    o = symbols.o
    sizes = Conv(1, 3, 2).input_sizes(o)  # i = 3o - 6 + a, of which small ones are below 1
    for size in range(1, 6):
        expected = {i for i, _ in Conv(1, 3, 2).input_sizes(size)}
        chosen = sizes.subs(o, size)
        assert {n for n in range(-9, 40) if chosen.contains(n) == sympy.true} == expected


# Several axes.


def test_a_layer_of_two_axes_answers_as_its_axes_do():
    layer = Conv((3, 5), stride=2, padding=(1, 2), dilation=(1, 2))
    rows, columns = Conv(3, 2, 1, 1), Conv(5, 2, 2, 2)
    assert layer.axes == (rows, columns)
    assert layer.stride == (2, 2)
    assert layer.minimum == (rows.minimum, columns.minimum)
    assert layer.effective_kernel == (3, 9)
    assert layer((12, 17)) == (rows(12), columns(17))
    assert layer(17) == (rows(17), columns(17))
    assert layer.remainder((12, 17)) == (rows.remainder(12), columns.remainder(17))
    assert layer.input_sizes((6, 4)) == (rows.input_sizes(6), columns.input_sizes(4))
    back = layer.transpose((12, 17))
    assert back(layer((12, 17))) == (12, 17)
    assert layer.transpose()(layer((12, 17)), output_size=(12, 17)) == (12, 17)


def test_a_layer_of_one_axis_answers_a_tuple_axis_by_axis():
    assert Conv(3, 2, 1)((11, 12, 14)) == (6, 6, 7)
    assert Conv(3, 2, 1).axes == (Conv(3, 2, 1),)
    assert ConvTranspose(3, 2, 1).choices((6, 7)) == (((0, 11), (1, 12)), ((0, 13), (1, 14)))
    assert ConvTranspose(3, 2, 1).output_padding_for((6, 6), (11, 12)) == (0, 1)
    assert ConvTranspose(3, 2, 1)((6, 6), output_size=12) == (12, 12)
    assert ConvTranspose((4, 3), 2).taps_per_phase() == ((2, 2), (2, 1))
    assert not ConvTranspose((4, 3), 2).is_even
    assert ConvTranspose((2, 2), 1, dilation=(1, 3)).wider_choices(5) == ((), ((1, 9), (2, 10)))
    assert Pool((2, 3))((12, 12)) == (6, 4)
    assert Pool((2, 3)).stride == (2, 3)
    assert Pool(2).input_sizes((6, 5)) == ((12, 13), (10, 11))
    assert Interpolate(scale_factor=(2, 0.5))((6, 7)) == (12, 3)
    assert Conv([3, 3]).kernel_size == (3, 3)


def test_errors_of_an_axis_name_it():
    with pytest.raises(ValueError, match=r"^axis 1: .*does not fit into input size 2"):
        Conv(3)((12, 2))
    with pytest.raises(ValueError, match=r"2 axes expected, got sizes \(1, 2, 3\)"):
        Conv((3, 3))((1, 2, 3))
    with pytest.raises(ValueError, match=r"kernel_size=\(3, 3\), stride=\(1, 2, 3\)"):
        Conv((3, 3), (1, 2, 3))
    with pytest.raises(ValueError, match="one entry an axis"):
        Conv(())
    with pytest.raises(ValueError, match="axes expected"):
        Conv(3)(())


# Traced sizes.


class Traced:
    """Stands for the size of a network that is being solved."""

    def _through(self, layer, **options):
        return layer, options


def test_a_traced_size_gets_the_layer_and_answers_itself():
    assert Conv(3)(Traced()) == (Conv(3), {})
    assert Conv((3, 3))(Traced()) == (Conv((3, 3)), {})
    assert Pool(2)((Traced(), 12)) == ((Pool(2), {}), 6)
    wanted = Traced()
    assert ConvTranspose(3)(Traced(), output_size=wanted) == (
        ConvTranspose(3),
        {"output_size": wanted},
    )
    assert ConvTranspose(3)(Traced()) == (ConvTranspose(3), {"output_size": None})
    assert Interpolate(size=wanted).size is wanted


def test_exact_factors_are_the_floats_that_are_meant_exactly():
    assert Interpolate(scale_factor=1.5).exact_factor() == Fraction(3, 2)
    assert Interpolate(scale_factor=2).exact_factor() == 2
    assert Interpolate(scale_factor=Fraction(7, 10)).exact_factor() == Fraction(7, 10)
    for factor, write in [
        (0.7, "7, 10"),
        (1 / 3, "1, 3"),
        (2 / 3, "2, 3"),
        (0.125001, "125001, 1"),
    ]:
        with pytest.raises(ValueError, match=rf"write scale_factor=Fraction\({write}"):
            Interpolate(scale_factor=factor).exact_factor()
        with pytest.raises(ValueError, match=rf"write scale_factor=Fraction\({write}"):
            Interpolate(scale_factor=factor)(symbols.i)
    with pytest.raises(ValueError, match="one scale_factor is needed"):
        Interpolate(7).exact_factor()


# Same padding.


def test_same_padding_keeps_every_size():
    for k, d in itertools.product(range(1, 8), range(1, 4)):
        layer = Conv(k, padding="same", dilation=d)
        assert [layer(i) for i in SIZES] == list(SIZES)
        assert [layer.remainder(i) for i in SIZES] == [0] * 40
        assert layer.input_sizes(9) == ((9, 0),)
        if d * (k - 1) % 2 == 0:
            assert layer == Conv(k, padding=d * (k - 1) // 2, dilation=d)
        else:
            assert layer.padding == "same"
            half = d * (k - 1) // 2
            back = layer.transpose()
            assert (back.padding.before, back.padding.after) == (half, half + 1)
            assert [back(i) for i in SIZES] == list(SIZES)
    assert Conv(3, padding="valid") == Conv(3)
    assert Conv((3, 4), padding="same").padding == (1, "same")
    with pytest.raises(ValueError, match="padding='same' needs stride=1, got stride=2"):
        Conv(3, 2, padding="same")
    with pytest.raises(ValueError, match=r"one of 'same', 'valid', .*, got 'full'"):
        Conv(3, padding="full")


# Bad input.


@pytest.mark.parametrize("kind", [Conv, ConvTranspose, Pool])
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1, got 0"),
        ({"kernel_size": -3}, ValueError, "kernel_size must be at least 1, got -3"),
        ({"stride": 0}, ValueError, "stride must be at least 1, got 0"),
        ({"stride": -1}, ValueError, "stride must be at least 1, got -1"),
        ({"padding": -1}, ValueError, "padding must be at least 0, got -1"),
        ({"dilation": 0}, ValueError, "dilation must be at least 1, got 0"),
        ({"stride": 2.0}, TypeError, "stride must be an int, got 2.0"),
        ({"stride": True}, TypeError, "stride must be an int, got True"),
        ({"kernel_size": np.float32(3)}, TypeError, "kernel_size must be an int"),
        ({"kernel_size": "3"}, TypeError, "kernel_size must be an int, got '3'"),
        ({"kernel_size": None}, TypeError, "kernel_size must be an int, got None"),
        ({"dilation": np.bool_(True)}, TypeError, "dilation must be an int"),
        ({"padding": 2**63}, ValueError, r"padding must be at most 2\*\*63 - 1"),
        ({"stride": sympy.Rational(1, 2)}, TypeError, "stride must be an integer, got 1/2"),
        ({"stride": -symbols.s}, ValueError, "stride must be at least 1, got -s"),
    ],
)
def test_bad_parameters_are_refused(kind, parameters, error, message):
    with pytest.raises(error, match=f"{kind.__name__}: {message}"):
        kind(**{"kernel_size": 3, **parameters})


@pytest.mark.parametrize(
    "layer", [Conv(3), ConvTranspose(3), Pool(3), Interpolate(7), Interpolate(None, 2)]
)
@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        (0, ValueError, "input size must be at least 1, got 0"),
        (-5, ValueError, "input size must be at least 1, got -5"),
        (12.0, TypeError, r"input size must be an int, got 12.0 \(float\)"),
        (np.float64(12), TypeError, "input size must be an int"),
        (True, TypeError, "input size must be an int, got True"),
        ("12", TypeError, r"input size must be an int, got '12' \(str\)"),
        (None, TypeError, "input size must be an int, got None"),
        (2**63, ValueError, r"input size must be at most 2\*\*63 - 1"),
        (sympy.Rational(1, 2), TypeError, "input size must be an integer, got 1/2"),
        (sympy.Float(12.0), TypeError, "input size must be an integer, got 12"),
        (-symbols.i, ValueError, "input size must be at least 1, got -i"),
    ],
)
def test_bad_sizes_are_refused(layer, size, error, message):
    with pytest.raises(error, match=message):
        layer(size)


def test_a_kernel_that_does_not_fit_is_refused_with_what_does():
    with pytest.raises(
        ValueError,
        match=r"Conv\(kernel_size=4, padding=1, dilation=3\): the kernel does not fit into input "
        r"size 7: it spans 10 positions, the input and its padding 9; the input size must be at "
        r"least 8",
    ):
        Conv(4, padding=1, dilation=3)(7)
    with pytest.raises(ValueError, match="it spans 7 positions, the input only 6"):
        Pool(7)(6)
    with pytest.raises(ValueError, match="does not fit"):
        Conv(4, padding=1, dilation=3).remainder(7)
    with pytest.raises(ValueError, match="gives output size -1; it must be at least 4"):
        ConvTranspose(1, 2, 3)(3)
    with pytest.raises(ValueError, match="gives output size 0; it must be at least 4"):
        Interpolate(scale_factor=0.3)(3)


def test_outputs_beyond_any_array_are_refused():
    assert ConvTranspose(3, 2)(2**62 - 1) == 2**63 - 1
    with pytest.raises(ValueError, match=r"larger than any array; .* at most 4611686018427387903"):
        ConvTranspose(3, 2)(2**62)
    with pytest.raises(ValueError, match="larger than any array"):
        Interpolate(scale_factor=3)(2**62)
    with pytest.raises(ValueError, match="larger than any array"):
        Conv(1, padding=2**62)(2**62)
    with pytest.raises(ValueError, match="a list of 1000000000 sizes is too long"):
        ConvTranspose(1, stride=10**9).choices(3)
    assert ConvTranspose(1, stride=10**9).output_padding_for(3, 2 * 10**9 + 8) == 7


def test_an_output_size_out_of_reach_is_refused_with_the_choices_and_the_nearest():
    up = ConvTranspose(3, 2, 1)
    with pytest.raises(
        ValueError,
        match=r"output_size=14 cannot be reached from input size 6 with kernel_size=3, stride=2, "
        r"padding=1; it can be 11 or 12, the nearest is 12 \(output_padding=1\)",
    ):
        up.output_padding_for(6, 14)
    with pytest.raises(ValueError, match=r"it can be 11 or 12, the nearest is 11 \(output_padd"):
        up(6, output_size=3)
    with pytest.raises(ValueError, match="dilation=2; it can be 21 to 24, the nearest is 24 "):
        ConvTranspose(3, 4, 0, dilation=2).output_padding_for(5, 99)
    with pytest.raises(ValueError, match="it can only be 6"):
        ConvTranspose(3, 1, 1)(6, output_size=7)
    with pytest.raises(ValueError, match="no size can, the padding takes away all"):
        ConvTranspose(1, 1, 3)(2, output_size=7)
    with pytest.raises(TypeError, match=r"output_size must be an int, got 12\.5"):
        up(6, output_size=12.5)
    with pytest.raises(ValueError, match="output_size must be at least 1, got 0"):
        up(6, output_size=0)


def test_interpolation_refuses_what_is_no_size_or_factor():
    for size, factor in [(None, None), (7, 2)]:
        with pytest.raises(ValueError, match="give one of size and scale_factor"):
            Interpolate(size, factor)
    for factor in (0, -1, 0.0, float("nan"), float("inf"), -0.5, Fraction(-1, 2)):
        with pytest.raises(ValueError, match="scale_factor must be positive and finite"):
            Interpolate(scale_factor=factor)
    for factor in ("2", True, 1j, [], object()):
        with pytest.raises((TypeError, ValueError), match=r"scale_factor|one entry an axis"):
            Interpolate(scale_factor=factor)
    with pytest.raises(ValueError, match="leaves nothing of any size"):
        Interpolate(scale_factor=1e-300)
    with pytest.raises(ValueError, match="larger than any size"):
        Interpolate(scale_factor=1e300)
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        Interpolate(0)


def test_ceil_mode_is_a_bool():
    assert Pool(2, ceil_mode=np.bool_(True)) == Pool(2, ceil_mode=True)
    with pytest.raises(TypeError, match="ceil_mode must be a bool, got 1"):
        Pool(2, ceil_mode=1)


def test_counting_needs_integers():
    k, s, i = symbols.k, symbols.s, symbols.i
    with pytest.raises(TypeError, match="needs an int for the stride"):
        ConvTranspose(3, s).choices(i)
    with pytest.raises(TypeError, match="needs ints for all parameters"):
        ConvTranspose(k, 2).taps_per_phase()
    with pytest.raises(TypeError, match="needs ints for all parameters"):
        _ = ConvTranspose(k, 2).is_even
    with pytest.raises(TypeError, match="needs ints"):
        Pool(2).input_sizes(i)


# As objects.

LAYERS = [
    Conv(3, 2, 1),
    Conv((3, 5), 2, (1, 2)),
    Conv(4, padding="same"),
    ConvTranspose(3, 2, 1, 1),
    ConvTranspose(3, dilation=2, output_padding=1),
    Pool(2),
    Pool((2, 3), ceil_mode=True),
    Interpolate(7),
    Interpolate(scale_factor=(0.5, 2)),
    Interpolate(scale_factor=Fraction(7, 10)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_layers_can_be_rebuilt_copied_and_compared(layer):
    assert eval(repr(layer)) == layer
    for twin in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer), copy.copy(layer)):
        assert twin == layer
        assert hash(twin) == hash(layer)
        assert twin(40) == layer(40)
    name = dataclasses.fields(layer)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(layer, name, 9)
    assert layer not in [other for other in LAYERS if other is not layer]


def test_numpy_integers_are_ints():
    for kind in (np.int8, np.uint8, np.int32, np.int64, np.uint64):
        layer = Conv(kind(3), kind(2), kind(1))
        assert layer == Conv(3, 2, 1)
        answer = layer(kind(12))
        assert (answer, type(answer)) == (6, int)
        assert type(layer.remainder(kind(12))) is int
        assert type(ConvTranspose(3, 2, 1)(kind(6), output_size=kind(12))) is int
    assert type(Conv(np.int64(3)).kernel_size) is int
    assert Interpolate(scale_factor=np.float32(0.5)) == Interpolate(scale_factor=0.5)
    assert Interpolate(scale_factor=np.int64(2)) == Interpolate(scale_factor=2)


def test_pairs_have_names():
    assert Conv(3, 2, 1).input_sizes(6)[1] == Origin(i=12, a=1)
    origin, choice = Origin(12, 1), Choice(1, 12)
    assert (origin.input_size, origin.remainder) == (origin.i, origin.a) == (12, 1)
    assert (choice.output_padding, choice.output_size) == (choice.a, choice.o) == (1, 12)


def test_integer_queries_and_searches_do_not_load_sympy():
    code = """
import sys
from upshape.shapes import Conv, ConvTranspose, Pool, Interpolate, find
Conv(3, 2, 1)(12), Conv(3, 2, 1).remainder(12), Conv(3, 2, 1).input_sizes(6)
ConvTranspose(3, 2, 1).choices(6), ConvTranspose(3, 2, 1)(6, output_size=12)
Pool(3, ceil_mode=True)(12), Interpolate(scale_factor=0.7)(12), Conv((3, 3))((12, 12))
list(find(ConvTranspose, scale=2))
assert "sympy" not in sys.modules
from upshape.shapes import i
assert "sympy" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_every_public_name_is_there_and_others_are_not():
    from upshape import shapes

    for name in shapes.__all__:
        assert getattr(shapes, name) is not None
    assert set(shapes.__all__) <= set(dir(shapes))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = shapes.nothing


# Far beyond the grid.

large = st.integers(1, 2**30)


@given(large, large, large, st.integers(0, 2**30), large)
def test_large_sizes_obey_the_relation(i, k, s, p, d):
    conv = Conv(k, s, p, d)
    i += conv.minimum - 1
    o, a = conv(i), conv.remainder(i)
    assert (o - 1) * s + a == i + 2 * p - (d * (k - 1) + 1)
    assert 0 <= a < s
    up = conv.transpose()
    assert up.output_padding_for(o, i) == a
    assert up(o, output_size=i) == i
