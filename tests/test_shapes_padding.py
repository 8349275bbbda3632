"""Padding of different sides, TensorFlow's SAME, unpooling and rounding, against counting them."""

import copy
import itertools
import math
import pickle
from fractions import Fraction

import pytest

from upshape.shapes import (
    Conv,
    ConvTranspose,
    Interpolate,
    Padding,
    Pool,
    Unpool,
    find,
    same,
    solve,
    symbols,
)

SIZES = range(1, 41)
GRID = list(itertools.product(range(1, 6), range(1, 5), range(1, 4)))  # k, s, d
SIDES = [(0, 0), (0, 1), (1, 0), (2, 1), (0, 3)]
WORDS = ["same_upper", "same_lower"]


def tensorflow_same(size, k, s, d, word):
    """What SAME pads, as TensorFlow's documentation has it (notes on padding, 2.)."""
    kernel = d * (k - 1) + 1
    total = max(kernel - s, 0) if size % s == 0 else max(kernel - size % s, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if word == "same_upper" else (large, small)


def windows(size, before, after, k, s, d):
    """The starts of the windows in the padded input, counted from the input's first position."""
    span = d * (k - 1) + 1
    return [t for t in range(-before, size + after, s) if t + span <= size + after]


def canvas(size, k, s, d):
    """How many positions the stamps of a transposed convolution cover."""
    return max(t * s + tap * d for t in range(size) for tap in range(k)) + 1


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("kind", [Conv, Pool])
def test_sides_of_their_own_are_counted(kind, sides):
    for k, s, d in GRID:
        if kind is Pool and max(sides) >= k:
            continue
        layer = kind(k, s, Padding(*sides), d)
        for size in SIZES:
            count = len(windows(size, *sides, k, s, d))
            assert (size >= layer.minimum) == (count > 0)
            if count:
                assert layer(size) == count
                assert layer.padding_for(size) == sides
                if kind is Conv:
                    end = windows(size, *sides, k, s, d)[-1] + d * (k - 1) + 1
                    assert layer.remainder(size) == size + sides[1] - end


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("kind", [Conv, Pool])
def test_same_is_what_tensorflow_documents(kind, word):
    for k, s, d in GRID:
        layer = kind(k, s, word, d)
        for size in SIZES:
            sides = tensorflow_same(size, k, s, d, word)
            starts = windows(size, *sides, k, s, d)
            assert layer(size) == len(starts) == math.ceil(size / s)
            assert layer.padding_for(size) == sides
            if kind is Conv:
                left = size + sides[1] - (starts[-1] + d * (k - 1) + 1)
                assert layer.remainder(size) == left
                assert layer.transpose(size)(layer(size)) == size
        for o in range(1, 12):
            origins = layer.input_sizes(o)
            found = [one.i for one in origins] if kind is Conv else list(origins)
            assert found == [size for size in range(1, 60) if math.ceil(size / s) == o]


@pytest.mark.parametrize("sides", SIDES)
def test_a_transposed_convolution_is_cut_on_each_side(sides):
    for k, s, d in GRID:
        for a in range(max(s, d)):
            layer = ConvTranspose(k, s, Padding(*sides), a, d)
            for size in range(1, 12):
                left = canvas(size, k, s, d) - sum(sides) + a
                assert (size >= layer.minimum) == (left >= 1)
                if left >= 1:
                    assert layer(size) == left
        assert layer.transpose() == Conv(k, s, Padding(*sides), d)


@pytest.mark.parametrize("word", WORDS)
def test_transposed_same_goes_back_to_all_that_same_took(word):
    for k, s, d in GRID:
        up, down = ConvTranspose(k, s, word, 0, d), Conv(k, s, word, d)
        assert up.wider_choices(7) == ()
        for size in range(1, 12):
            assert up(size) == size * s
            choices = up.choices(size)
            assert [o for _, o in choices] == [o for o in range(1, 60) if down(o) == size]
            for a, o in choices:
                sides = up.padding_for(size, o)
                assert sides == tensorflow_same(o, k, s, d, word)
                assert a == down.remainder(o) == up.output_padding_for(size, o)
                assert ConvTranspose(k, s, sides, a, d)(size) == o == up(size, output_size=o)
                # The canvas, cut and widened, is the output.
                assert canvas(size, k, s, d) - sum(sides) + a == o
            assert up.padding_for(size) == tensorflow_same(size * s, k, s, d, word)
            with pytest.raises(ValueError, match=f"it can .*{size * s}"):
                up(size, output_size=size * s + 1)
        assert (
            up.taps_per_phase()
            == ConvTranspose(
                k, s, up.padding_for(50), max(s - d * (k - 1) - 1, 0), d
            ).taps_per_phase()
        )


def test_keras_issue_39_20_40():
    down = Conv(3, stride=2, padding="same_upper")
    up = down.transpose()
    assert (down(39), up(20), up(20, output_size=39)) == (20, 40, 39)
    assert solve(lambda x: same(up(down(x)), x)).residues == (0,)
    mended = solve(lambda x: same(up(down(x)), x), fix="output_padding")
    assert mended.repair.complete
    assert mended.minimum == 1
    assert mended.output_padding == ()
    assert str(mended.repair.calls[0]).endswith("with output_size=i")
    assert "output_padding" not in str(solve(lambda x: same(up(down(x)), x)).explain(39))


def test_ceil_mode_with_sides_drops_a_window_that_starts_after_the_input():
    for (k, s, d), sides in itertools.product(GRID, SIDES):
        if max(sides) >= k:
            continue
        layer = Pool(k, s, Padding(*sides), d, True)
        span = d * (k - 1) + 1
        for size in SIZES:
            # ONNX: windows go on until one reaches the padded end, but start in the input.
            starts = [-sides[0]]
            while starts[-1] + span < size + sides[1]:
                starts.append(starts[-1] + s)
            count = len([t for t in starts if t < size]) if span <= size + sum(sides) + s - 1 else 0
            if size >= layer.minimum:
                assert layer(size) == count


def test_alike_sides_are_an_int_and_pairs_are_one_an_axis():
    assert Conv(3, padding=Padding(1, 1)) == Conv(3, padding=1)
    two = Conv(3, padding=((1, 2), (0, 1)))
    assert two.axes == (Conv(3, padding=Padding(1, 2)), Conv(3, padding=Padding(0, 1)))
    assert two((10, 10)) == (11, 9)
    assert two.padding_for(10) == ((1, 2), (0, 1))
    assert Conv(3, padding=(1, 2)).axes == (Conv(3, padding=1), Conv(3, padding=2))
    assert Conv(3, padding=[(1, 2), 3]).axes[1] == Conv(3, padding=3)
    assert Conv((3, 5), 2, "same_upper")((7, 8)) == (4, 4)
    back = Conv((3, 5), 2, "same_upper").transpose((7, 8))
    assert back((4, 4)) == (7, 8)
    for layer in (two, Conv(3, 2, "same_lower"), Unpool(2), Interpolate(None, 0.5, "round")):
        assert pickle.loads(pickle.dumps(layer)) == copy.deepcopy(layer) == layer
        assert eval(repr(layer)) == layer
        assert hash(eval(repr(layer))) == hash(layer)


def test_symbols_agree_with_integers():
    i, k, s, p = symbols.i, symbols.k, symbols.s, symbols.p
    pair = Conv(k, s, Padding(p, 2 * p))
    up = ConvTranspose(k, s, "same_upper")
    for values in itertools.product(range(1, 5), range(1, 4), range(3), range(5, 9)):
        numbers = dict(zip((k, s, p, i), values, strict=True))
        k_, s_, p_, i_ = values
        assert pair(i).subs(numbers) == Conv(k_, s_, Padding(p_, 2 * p_))(i_)
        assert Conv(k, s, "same_upper")(i).subs(numbers) == Conv(k_, s_, "same_upper")(i_)
        assert up(i).subs(numbers) == i_ * s_
        remainder = Conv(k, s, "same_lower").remainder(i)
        assert remainder.subs(numbers) == Conv(k_, s_, "same_lower").remainder(i_)


@pytest.mark.parametrize(
    "layer",
    [
        Conv(3, 2, Padding(0, 1)),
        Conv(3, 3, "same_upper"),
        Pool(2, 2, "same_lower"),
        ConvTranspose(4, 3, Padding(2, 1)),
        ConvTranspose(4, 3, "same_upper"),
        Unpool(3, 2, 1),
        Interpolate(scale_factor=Fraction(3, 2), rounding="round"),
        Interpolate(scale_factor=Fraction(5, 4), rounding="round"),
        Interpolate(scale_factor=0.75, rounding="ceil"),
        Interpolate(scale_factor=Fraction(1, 6), rounding="round"),
    ],
)
def test_solve_agrees_with_integers(layer):
    answer = solve(lambda x: layer(layer(x)))

    def takes(n):
        try:
            return layer(layer(n))
        except ValueError:
            return None

    for n in range(1, 80):
        assert (n in answer) == (takes(n) is not None)
        if n in answer:
            assert answer.output(n) == takes(n)
            assert answer.output_size.subs(symbols.i, n) == takes(n)


def test_what_sides_and_words_are_refused():
    for make, message in [
        (lambda: Conv(3, 2, "same"), "needs stride=1.*SAME is padding='same_upper'"),
        (lambda: Conv(3, padding="full"), r"one of 'same', 'valid', .*, got 'full'"),
        (lambda: ConvTranspose(3, padding="same"), "one of 'same_upper', 'same_lower', got 'same'"),
        (lambda: ConvTranspose(3, 2, "same_upper", 1), "output_padding must be 0, got 1"),
        (lambda: Pool(3, padding=Padding(3, 0)), "less than kernel_size.*it can be 0 to 2"),
        (lambda: Conv(3, padding=Padding(0, -1)), "padding after must be at least 0, got -1"),
        (lambda: Conv(3, padding=((1, 2, 3), 0)), r"a pair \(before, after\) an axis"),
        (lambda: Interpolate(scale_factor=2, rounding="up"), "'floor', 'round' or 'ceil'"),
        (lambda: Unpool(2)(6, output_size=14), "it can be 11 to 13"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()


# Unpooling.


def test_unpooling_undoes_pooling_by_its_sizes():
    for k_, s_ in itertools.product(range(1, 5), range(1, 5)):
        for p_ in range(k_ // 2 + 1):
            pool, unpool = Pool(k_, s_, p_), Unpool(k_, s_, p_)
            for n in range(pool.minimum, 40):
                if pool(n) >= unpool.minimum:
                    assert unpool(pool(n)) <= n  # what the floor dropped is missing
                    assert unpool(pool(n), output_size=n) == n
                    assert n in unpool.choices(pool(n))


def test_a_network_of_unpoolings_knows_their_reach():
    answer = solve(lambda x: Unpool(2)(Pool(3)(x), output_size=x))
    for n in range(3, 40):
        fits = abs(2 * (n // 3) - n) < 2
        assert (n in answer) == fits
    told = " ".join(str(answer.explain(9)).split())
    assert "out of its reach, it can give 5 to 7" in told


# Rounding.


@pytest.mark.parametrize(
    "factor", [2, 0.5, 0.7, 1.3, 120 / 88, Fraction(3, 2), Fraction(2, 7), 3e-3]
)
def test_rounding_of_products(factor):
    for n in range(1, 300):
        for rounding, rounded in (("floor", math.floor), ("round", round), ("ceil", math.ceil)):
            layer = Interpolate(scale_factor=factor, rounding=rounding)
            wanted = rounded(n * factor)
            assert (n >= layer.minimum) == (wanted >= 1)
            if wanted >= 1:
                assert layer(n) == wanted
                assert n in layer.input_sizes(wanted)


def test_inputs_of_an_interpolation_are_all_there_are():
    for factor in (2, 0.5, 0.7, 2.5, Fraction(5, 3), Fraction(1, 7)):
        for rounding in ("floor", "round", "ceil"):
            layer = Interpolate(scale_factor=factor, rounding=rounding)
            for o in range(1, 12):
                found = [n for n in range(1, 100) if n >= layer.minimum and layer(n) == o]
                assert list(layer.input_sizes(o)) == found


def test_a_float_that_loses_a_pixel_is_told():
    layer = Interpolate(scale_factor=120 / 88)
    assert (layer(88), layer.lost_to_rounding(88), layer.lost_to_rounding(87)) == (119, 1, 0)
    assert layer.simplest_factor() == Fraction(15, 11)
    assert Interpolate(scale_factor=1.5).lost_to_rounding(3) == 0


# Finding them.


def test_find_takes_sides_and_words():
    found = find(Conv, input_size=39, output_size=20, padding=["same_upper", 1, (0, 1), (1, 2)])
    assert found
    assert {layer(39) for layer in found} == {20}
    kinds = {layer.padding for layer in found}
    assert {"same_upper", 1} <= kinds
    expected = {
        Conv(k_, s_, side)
        for k_ in range(1, 9)
        for s_ in range(1, 5)
        for side in ("same_upper", 1, Padding(0, 1), Padding(1, 2))
        if Conv(k_, s_, side).minimum <= 39 and Conv(k_, s_, side)(39) == 20
    }
    assert set(found) == expected
    assert find(ConvTranspose, scale=2, padding="same_upper", kernel_size=3) == [
        ConvTranspose(3, 2, "same_upper")
    ]
    assert Pool(2, padding="same_upper") in find(Pool, scale=Fraction(1, 2), padding="same_upper")
    assert find(Conv, same=True, kernel_size=4, padding="same") == [Conv(4, padding="same")]
    assert find(Conv, same=True, kernel_size=4, padding=[Padding(1, 2)]) == [
        Conv(4, padding=Padding(1, 2))
    ]
    with pytest.raises(TypeError, match=r"find: padding must be .*'same_lower'.*, got 'full'"):
        find(Conv, same=True, padding="full")


@pytest.mark.parametrize(
    ("kind", "question", "wanted"),
    [
        (ConvTranspose, {"scale": 8, "kernel_size": 16}, ConvTranspose(16, 8, 4)),
        (
            ConvTranspose,
            {"input_size": 46, "output_size": 368, "stride": 8, "kernel_size": 16},
            ConvTranspose(16, 8, 4),
        ),
        (ConvTranspose, {"input_size": 46, "output_size": 368}, ConvTranspose(16, 8, 4)),
        (Conv, {"same": True, "kernel_size": 3, "dilation": 12}, Conv(3, 1, 12, 12)),
        (Conv, {"same": True, "kernel_size": 31}, Conv(31, 1, 15)),
        (Conv, {"scale": Fraction(1, 16)}, Conv(16, 16)),
        (Conv, {"scale": 1 / 32}, Conv(32, 32)),
        (Conv, {"input_size": 224, "output_size": 14}, Conv(16, 16)),
        (Pool, {"scale": Fraction(1, 16)}, Pool(16)),
        (Pool, {"same": True, "kernel_size": 13}, Pool(13, 1, 6)),
        (ConvTranspose, {"scale": 256, "kernel_size": 1024}, ConvTranspose(1024, 256, 384)),
        (
            ConvTranspose,
            {"scale": 3, "kernel_size": 9, "dilation": 5},
            ConvTranspose(9, 3, 19, 0, 5),
        ),
    ],
)
def test_the_customary_layer_is_found_without_bounds(kind, question, wanted):
    found = find(kind, **question)
    assert wanted in found[:200]


def test_what_is_found_without_bounds_is_what_wide_bounds_find():
    for kind, sizes in ((ConvTranspose, (46, 368)), (Conv, (368, 46)), (Pool, (64, 4))):
        question = {"input_size": sizes[0], "output_size": sizes[1]}
        found = find(kind, **question)
        bounds = {"kernel_size": range(1, 40), "padding": range(60)}
        wide = find(kind, **question, stride=range(1, 20), **bounds)
        assert set(found) <= set(wide)
        for layer in wide:
            within = layer.kernel_size <= max(8, 2 * layer.stride)
            within = within and layer.padding <= max(3, layer.effective_kernel - 1)
            if within and layer.stride in (1, 2, 3, 4, max(sizes) // min(sizes)):
                assert layer in found
