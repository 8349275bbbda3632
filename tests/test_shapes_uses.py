"""What an answer is good for in programs: rules of thumb, receptive fields, code to paste."""

import itertools
import math
from fractions import Fraction

import pytest

from upshape import shapes
from upshape.shapes import Conv, ConvTranspose, Interpolate, Pool, Unpool, same, solve, zoo

# Rules of thumb.

NETWORKS = [
    zoo.unet(),
    zoo.unet(padding=0),
    zoo.fpn(50),
    zoo.resnet(34),
    zoo.hrnet(),
    lambda x: same(x, 6 * (x // 6), shapes.maximum(x, 100)),
    lambda x: same(2 * Pool(2)(x), 3 * Pool(3)(x)),
    lambda x: same((x * x_) % 5 if (x_ := 2) else x, 4 * (x % 1) + 3),
    lambda x: same(shapes.maximum(x % 4, 1), 1) + x - 9,
    lambda x: same(shapes.minimum(x % 9, 6), 6) * 0 + x,
]


@pytest.mark.parametrize("network", NETWORKS)
def test_every_size_that_the_rule_allows_is_taken_and_no_better_rule_is(network):
    answer = solve(network)
    rule = answer.requirement()
    allowed = {n for n in range(rule.minimum, 5000) if n % rule.multiple_of == rule.remainder}
    taken = {n for n in range(1, 5000) if n in answer}
    assert allowed <= taken
    assert rule.minimum in allowed
    before = rule.minimum - rule.multiple_of
    assert before < 1 or before not in taken
    assert list(rule.forbidden) == sorted(taken - allowed)[:8]
    large = range(4000 - 4000 % answer.modulus - answer.modulus, 4000 - 4000 % answer.modulus)
    assert rule.share == Fraction(len(allowed & {*large}), len(taken & {*large}))
    # No denser class is taken: none with remainder 0 where the rule's is 0, else none at all.
    for r, m in itertools.combinations(range(rule.multiple_of), 2):
        if (r == 0) == (rule.remainder == 0):
            assert not {n for n in range(2000, 5000) if n % m == r} <= taken


def test_rules_as_words():
    assert str(solve(zoo.unet()).requirement()) == "a multiple of 16, from 16 on"
    assert str(solve(zoo.resnet(34)).requirement()) == "1 or more"
    assert str(solve(zoo.unet(padding=0)).requirement()) == "16 n + 12, from 188 on"
    few = solve(lambda x: same(Pool(3)(x), Pool(4)(x))).requirement()
    assert (few.minimum, few.multiple_of, few.forbidden) == (4, None, (5, 8))
    assert str(few) == "4 (also taken: 5, 8)"
    with pytest.raises(ValueError, match="takes no size at all"):
        solve(lambda x: same(x, x + 1)).requirement()


# Code to paste.


def test_repairs_are_code():
    repair = solve(zoo.unet(levels=3), fix="output_padding").repair
    calls = []

    class Map:
        """A feature map that knows its shape alone."""

        def __init__(self, *sizes):
            self.shape = (1, 3, *sizes)

    def upsample(x, output_size):
        calls.append(output_size)

    for line in repair.to_torch().splitlines():
        exec(line, {"upsample": upsample, "image": Map(75, 99), "x": None})
    assert calls == [[18, 24], [37, 49], [75, 99]]


def test_every_expression_is_code():
    networks = [
        lambda x: 3 - 2 * ((x + 1) // 2) + x % 5,
        lambda x: shapes.minimum(2 * (x // 3), 40) - (x // 7) * 3,
        lambda x: -((-x) // 4) + shapes.maximum(x % 3, 1),
        lambda x: 100 - (x // 2 + x // 3) // 2,
    ]
    for network in networks:
        answer = solve(lambda x, network=network: network(x) * 0 + network(x) + 100)
        code = answer._expression_of(answer._result).python("n")
        for n in range(1, 80):
            if n in answer:
                assert eval(code, {"n": n, "min": min, "max": max}) == answer.output(n)


# Receptive fields, against following every pixel.


def follow(layer, pixels, output_size=None):
    """What each output pixel depends on, given what each input pixel does: sets of positions."""
    size = len(pixels)
    made = layer(size) if output_size is None else output_size
    found = []
    for q in range(made):
        if isinstance(layer, Conv | Pool):
            before = layer.padding_for(size).before
            own = [q * layer.stride - before + t * layer.dilation for t in range(layer.kernel_size)]
        elif isinstance(layer, ConvTranspose):
            before = layer.padding_for(size).before
            own = [
                (q + before - t * layer.dilation) // layer.stride
                for t in range(layer.kernel_size)
                if (q + before - t * layer.dilation) % layer.stride == 0
            ]
        else:  # linear interpolation, half-pixel centres
            source = (Fraction(q) + Fraction(1, 2)) * Fraction(size, made) - Fraction(1, 2)
            own = {math.floor(source), math.ceil(source)}
        inside = [pixels[x] for x in own if 0 <= x < size]
        found.append(set().union(*inside))
    return found


class Pixels(list):
    """Stands for a size: what every pixel depends on."""


def run_on_pixels(network, n):
    """Run a network on pixels, by replacing what layers and joins do to a size."""
    return network(Pixels({x} for x in range(n)))


class Followed:
    """A layer that follows pixels, or sizes where it gets one."""

    def __init__(self, layer):
        self.layer = layer

    def __call__(self, x, output_size=None):
        if isinstance(x, Pixels):
            wanted = None if output_size is None else len(output_size)
            return Pixels(follow(self.layer, x, wanted))
        if output_size is None:
            return self.layer(x)
        return self.layer(x, output_size=output_size)


def joined(*maps):
    if isinstance(maps[0], Pixels):
        return Pixels(set().union(*parts) for parts in zip(*maps, strict=True))
    return same(*maps)


L = Followed


def unet(x):
    skip = L(Conv(3, padding=1))(x)
    y = L(Conv(3, padding=1))(L(Pool(2))(skip))
    deep = L(Conv(5, padding=2))(L(Pool(2))(y))
    y = joined(L(ConvTranspose(2, 2))(deep), y)
    return joined(L(ConvTranspose(4, 2, 1))(L(Conv(3, padding=1))(y)), skip)


def dilated(x):
    branches = [L(Conv(3, padding=rate, dilation=rate))(x) for rate in (1, 3, 6)]
    return L(Conv(3, 2, 1))(joined(*branches))


def linear(x):
    y = L(Interpolate(scale_factor=3))(L(Conv(3, 3))(x))
    return L(Conv(3, padding=1))(joined(y, x))


def valid(x):
    return L(ConvTranspose(5, 3, 1))(L(Conv(4, 2))(L(Conv(3))(x)))


@pytest.mark.parametrize(
    ("network", "n", "border"),
    [(unet, 160, 60), (dilated, 120, 20), (linear, 90, 20), (valid, 120, 30)],
)
def test_receptive_fields_are_what_pixels_depend_on(network, n, border):
    field = solve(network).receptive_field()
    pixels = run_on_pixels(network, n)
    inner = [
        (q, min(seen), max(seen))
        for q, seen in enumerate(pixels)
        if border <= q * field.stride <= n - border
    ]
    assert len(inner) >= 10
    assert max(high - low + 1 for _, low, high in inner) == field.size
    # Two pixels a period apart see windows that lie a period of strides apart.
    lows = {q: low for q, low, _ in inner}
    apart = {Fraction(lows[q + 12] - lows[q], 12) for q in lows if q + 12 in lows}
    assert apart == {field.stride}


def test_the_place_of_pixels_is_that_of_their_kernels_centres():
    # Symmetric kernels: the centre of what a pixel sees, on an average over the phases.
    for network in (unet, dilated, linear):
        field = solve(network).receptive_field()
        assert field.misaligned == ()
        pixels = run_on_pixels(network, 240)
        inner = [
            Fraction(min(seen) + max(seen), 2) - q * field.stride
            for q, seen in enumerate(pixels)
            if 84 <= q * field.stride < 156
        ]
        assert sum(inner) / len(inner) == field.offset


def test_joins_of_pixels_at_different_places_are_named():
    field = solve(lambda x: same(Conv(2)(x), Conv(2, padding=1)(x) - 2)).receptive_field()
    assert field.offset is None
    assert field.misaligned == ("same (step 3): pixels lie 1 input pixel apart",)
    field = solve(lambda x: same(Interpolate(size=x)(Conv(3, 2, 1)(x)), x)).receptive_field()
    assert field.misaligned == ("same (step 3): pixels lie 1/2 input pixels apart",)
    assert solve(lambda x: Conv(3, 2, 1)(x)).receptive_field().offset == 0
    assert solve(lambda x: Unpool(2)(Pool(2)(x))).receptive_field().offset == 0
    assert solve(lambda x: Pool(2)(x)).receptive_field()[:3] == (2, 2, Fraction(1, 2))


def test_published_receptive_fields():
    # Araujo, Norris & Sim (2019), Computing Receptive Fields of Convolutional Neural Networks,
    # table 1: alexnet_v2 and vgg_16.
    def alexnet(x):
        x = Pool(3, 2)(Conv(5, padding=2)(Pool(3, 2)(Conv(11, 4)(x))))
        for _ in range(3):
            x = Conv(3, padding=1)(x)
        return Pool(3, 2)(x)

    def vgg(x):
        for count in (2, 2, 3, 3, 3):
            for _ in range(count):
                x = Conv(3, padding=1)(x)
            x = Pool(2)(x)
        return x

    assert solve(alexnet).receptive_field()[:2] == (195, 32)
    assert solve(vgg).receptive_field()[:2] == (212, 32)


def test_what_sizes_compute_is_no_field():
    with pytest.raises(TypeError, match="computes a size; it does not say what becomes"):
        solve(lambda x: x // 2).receptive_field()
    fields = solve(lambda x: {"a": Conv(3)(x), "b": (Pool(2)(x), 7)}).receptive_field()
    assert (fields["a"].size, fields["b"][0].size, fields["b"][1]) == (3, 2, None)


def test_layers_of_all_parameters():
    for k, s, p, d in itertools.product(range(1, 6), range(1, 4), range(3), range(1, 3)):
        for layer in (Conv(k, s, p, d), ConvTranspose(k, s, p, 0, d)):
            pixels = follow(layer, [{x} for x in range(60)])
            field = solve(layer.__call__).receptive_field()
            inner = [
                (min(seen), max(seen))
                for q, seen in enumerate(pixels)
                if 20 <= q * field.stride < 40 and seen
            ]
            wide = max(high - low + 1 for low, high in inner)
            if isinstance(layer, Conv) or d == 1 or s == 1:
                assert field.size == wide
            else:  # between the taps of a dilated kernel there are holes
                assert field.size >= wide
