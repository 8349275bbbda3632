"""The search for layers, against trying all of them."""

import itertools
import time
from fractions import Fraction

import pytest
import sympy

from upshape.shapes import Conv, ConvTranspose, Interpolate, Pool, find, symbols

K, S, P, D = range(1, 8), range(1, 5), range(4), range(1, 4)
BOUNDS = {"kernel_size": K, "stride": S, "padding": P, "dilation": D}


def all_layers(kind, d=D):
    """Every layer of a kind within the bounds, built by trying all parameters."""
    layers = []
    for k, s, p, d_ in itertools.product(K, S, P, d):
        if kind is ConvTranspose:
            layers += [ConvTranspose(k, s, p, a, d_) for a in range(max(s, d_))]
        elif kind is Conv or 2 * p <= k:
            layers.append(kind(k, s, p, d_))
            if kind is Pool:
                layers.append(Pool(k, s, p, d_, True))
    return layers


def leads(layer, i, o):
    return i >= layer.minimum and layer(i) == o


def order(layer):
    return not layer.is_even, layer.output_padding, layer.kernel_size, layer.dilation


@pytest.mark.parametrize(("i", "o"), [(6, 12), (6, 11), (1, 1), (5, 5), (7, 30), (3, 100)])
def test_transposed_convolutions_found_are_all_there_are(i, o):
    found = list(find(ConvTranspose, input_size=i, output_size=o, **BOUNDS))
    assert len(set(found)) == len(found)
    assert set(found) == {layer for layer in all_layers(ConvTranspose) if leads(layer, i, o)}
    assert found == sorted(found, key=order)


@pytest.mark.parametrize(("i", "o"), [(12, 6), (11, 6), (1, 1), (5, 5), (30, 7), (9, 100), (13, 4)])
@pytest.mark.parametrize("kind", [Conv, Pool])
def test_convolutions_and_poolings_found_are_all_there_are(kind, i, o):
    modes = {"ceil_mode": (False, True)} if kind is Pool else {}
    found = list(find(kind, input_size=i, output_size=o, **BOUNDS, **modes))
    assert len(set(found)) == len(found)
    assert set(found) == {layer for layer in all_layers(kind) if leads(layer, i, o)}


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, Fraction(1, 2), Fraction(3, 2)])
def test_transposed_convolutions_that_scale_every_size_are_all_there_are(scale):
    found = list(find(ConvTranspose, scale=scale, **BOUNDS))
    assert set(found) == {
        layer
        for layer in all_layers(ConvTranspose)
        if all(leads(layer, i, i * scale) for i in range(1, 40))
    }
    assert found == sorted(found, key=order)


@pytest.mark.parametrize("scale", [1, 2, Fraction(1, 2), Fraction(1, 3), Fraction(1, 4), 0.25, 0.4])
@pytest.mark.parametrize("kind", [Conv, Pool])
def test_convolutions_and_poolings_that_scale_every_multiple_are_all_there_are(kind, scale):
    modes = {"ceil_mode": (True, False)} if kind is Pool else {}
    if scale == 0.4:
        with pytest.raises(ValueError, match=r"find: .*write scale=Fraction\(2, 5\)"):
            find(kind, scale=scale)
        scale = Fraction(2, 5)
    exact = Fraction(scale)
    found = list(find(kind, scale=scale, **BOUNDS, **modes))
    assert set(found) == {
        layer
        for layer in all_layers(kind)
        if all(leads(layer, exact.denominator * n, exact.numerator * n) for n in range(1, 30))
    }


@pytest.mark.parametrize("kind", [Conv, ConvTranspose, Pool])
def test_same_keeps_every_size(kind):
    found = set(find(kind, same=True, **BOUNDS))
    expected = {
        layer
        for layer in all_layers(kind)
        if not getattr(layer, "ceil_mode", False) and all(leads(layer, i, i) for i in range(1, 40))
    }
    assert found == expected
    assert found == set(find(kind, scale=1, **BOUNDS))


def test_the_defaults_cover_what_is_customary():
    for kind, sizes in ((ConvTranspose, (6, 12)), (Conv, (12, 6))):
        found = set(find(kind, input_size=sizes[0], output_size=sizes[1]))
        assert found >= {layer for layer in all_layers(kind, d=[1]) if leads(layer, *sizes)}
    assert ConvTranspose(8, 4, 2) in find(ConvTranspose, scale=4)
    assert ConvTranspose(8, 8) in find(ConvTranspose, scale=8)


def test_the_customary_ones_come_first():
    found = find(ConvTranspose, scale=2)
    assert found[0] == ConvTranspose(2, 2)
    assert found[1] == ConvTranspose(4, 2, 1)
    assert found[-1] == ConvTranspose(7, 2, 3, 1)
    assert find(Conv, same=True, kernel_size=(5, 3)) == [Conv(3, padding=1), Conv(5, padding=2)]


def test_parameters_are_fixed_by_an_int_and_chosen_from_an_iterable():
    found = find(
        ConvTranspose,
        input_size=6,
        output_size=12,
        kernel_size=iter([3, 4, 4]),
        stride={2},
        padding=1,
        output_padding=[1, 0],
    )
    assert list(found) == [ConvTranspose(4, 2, 1), ConvTranspose(3, 2, 1, 1)]
    assert find(ConvTranspose, scale=2, output_padding=0, kernel_size=range(7, 2, -1)) == [
        ConvTranspose(4, 2, 1),
        ConvTranspose(6, 2, 2),
    ]
    assert find(ConvTranspose, scale=2, stride=3) == []
    assert find(ConvTranspose, scale=2, kernel_size=[]) == []


def test_sizes_of_several_axes_must_all_fit():
    found = find(ConvTranspose, input_size=(6, 7), output_size=(12, 14), stride=2)
    assert set(found) == set(find(ConvTranspose, scale=2))
    assert find(ConvTranspose, input_size=(6, 7), output_size=(12, 15), stride=2) == []


def test_nothing_found_is_an_empty_sequence():
    found = find(Conv, scale=2)
    assert not found
    assert len(found) == 0
    assert list(found) == []
    assert found == []
    assert repr(found) == "[]"
    with pytest.raises(IndexError):
        found[0]


def test_what_is_found_is_a_sequence():
    found = find(ConvTranspose, scale=2)
    layers = list(found)
    assert len(found) == len(layers) == 8
    assert list(found) == layers  # once more
    assert found[2:5] == layers[2:5]
    assert found[:-1] == layers[:-1]
    assert found[::-1] == layers[::-1]
    assert found[::2] == layers[::2]
    assert found[-3] == layers[-3]
    assert layers[3] in found
    assert found == find(ConvTranspose, scale=2)
    assert found != layers[1:]
    assert repr(found) == f"[{layers[0]!r}, {layers[1]!r}, {layers[2]!r}, ...]"
    assert repr(find(ConvTranspose, scale=2, kernel_size=4)) == f"[{ConvTranspose(4, 2, 1)!r}]"


def test_the_search_goes_only_as_far_as_it_is_read():
    found = find(
        ConvTranspose,
        input_size=6,
        output_size=10**9,
        kernel_size=range(1, 10**12),
        stride=2,
        padding=range(10**12),
        output_padding=0,
    )
    started = time.perf_counter()
    wanted = 10**9 - 10  # the kernel of the first: (6-1)*2 + k = 10**9
    found = find(
        ConvTranspose,
        input_size=6,
        output_size=10**9,
        kernel_size=range(wanted - 5, 10**12),
        stride=2,
        padding=range(10**12),
        output_padding=0,
    )
    assert found[0] == ConvTranspose(wanted, 2)
    assert found[2] == ConvTranspose(wanted + 4, 2, 2)
    assert time.perf_counter() - started < 1


def test_the_default_search_is_fast():
    best = {}
    for name, question in {
        "sizes": lambda: list(find(ConvTranspose, input_size=6, output_size=12)),
        "scale": lambda: list(find(ConvTranspose, scale=2)),
        "conv": lambda: list(find(Conv, input_size=12, output_size=6)),
    }.items():
        times = []
        for _ in range(5):
            started = time.perf_counter()
            question()
            times.append(time.perf_counter() - started)
        best[name] = min(times)
    assert max(best.values()) < 0.05, best


def test_the_condition_is_what_the_found_layers_solve():
    k, s, p, d, a = (getattr(symbols, letter) for letter in "kspda")
    condition = find(ConvTranspose, scale=2).condition
    assert condition == sympy.Eq(d * (k - 1) + 1 + a, 2 * p + 2)
    found = set(find(ConvTranspose, scale=2, **{**BOUNDS, "stride": 2}))
    for layer in all_layers(ConvTranspose):
        if layer.stride == 2:
            values = dict(
                zip(
                    (k, p, d, a),
                    (layer.kernel_size, layer.padding, layer.dilation, layer.output_padding),
                    strict=True,
                )
            )
            assert (condition.subs(values) == sympy.true) == (layer in found)
    assert find(Conv, scale=Fraction(1, 2)).condition == condition
    assert find(Conv, scale=2).condition == sympy.false
    sizes = find(ConvTranspose, input_size=6, output_size=12)
    for layer in sizes:
        values = {
            k: layer.kernel_size,
            s: layer.stride,
            p: layer.padding,
            d: layer.dilation,
            a: layer.output_padding,
        }
        assert sizes.condition.subs(values) == sympy.true
    back = find(Conv, input_size=12, output_size=6)
    for layer in back:
        values = {
            k: layer.kernel_size,
            s: layer.stride,
            p: layer.padding,
            d: layer.dilation,
            a: layer.remainder(12),
        }
        assert back.condition.subs(values) == sympy.true


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "ask for input_size= and output_size=, or for scale="),
        ({"input_size": 6}, ValueError, "ask for input_size= and output_size="),
        ({"scale": 2, "same": True}, ValueError, "ask for input_size= and output_size="),
        ({"scale": 2, "input_size": 3, "output_size": 6}, ValueError, "ask for"),
        ({"scale": 0}, ValueError, "find: scale must be positive"),
        ({"scale": "2"}, TypeError, "find: scale must be a number"),
        ({"same": 1}, TypeError, "same must be a bool, got 1"),
        ({"input_size": 0, "output_size": 3}, ValueError, "input_size must be at least 1, got 0"),
        ({"input_size": 3, "output_size": 2.5}, TypeError, "output_size must be an int"),
        ({"input_size": (3, 4), "output_size": 6}, ValueError, "equally many axes"),
        ({"input_size": (), "output_size": ()}, ValueError, "equally many axes"),
        (
            {"scale": 2, "kernel_size": range(3)},
            ValueError,
            "kernel_size must be at least 1, got 0",
        ),
        ({"scale": 2, "stride": [2, 0]}, ValueError, "stride must be at least 1, got 0"),
        ({"scale": 2, "padding": "12"}, TypeError, "padding must be an int or an iterable of ints"),
        ({"scale": 2, "padding": [1.5]}, TypeError, r"padding must be an int, got 1\.5"),
        ({"scale": 2, "padding": -1}, ValueError, "padding must be at least 0, got -1"),
        (
            {"scale": 2, "dilation": symbols.d},
            TypeError,
            "dilation must be an int, got the symbol d",
        ),
        ({"scale": 2, "ceil_mode": True}, TypeError, "a ConvTranspose has no ceil_mode"),
    ],
)
def test_bad_questions_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        find(ConvTranspose, **arguments)


def test_other_kinds_are_refused():
    with pytest.raises(TypeError, match=r"reaches any size: Interpolate\(size\)"):
        find(Interpolate, input_size=6, output_size=12)
    with pytest.raises(TypeError, match="kind must be Conv, ConvTranspose or Pool, got 'Conv'"):
        find("Conv", same=True)
    with pytest.raises(TypeError, match="a Conv has no output_padding, got 1"):
        find(Conv, same=True, output_padding=1)
    with pytest.raises(TypeError, match="ceil_mode must be a bool or an iterable of bools"):
        find(Pool, scale=Fraction(1, 2), ceil_mode=3)
