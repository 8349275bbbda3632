"""The ready networks, each against the arithmetic of its paper written out in ints."""

import itertools
import time

import pytest

from upshape.shapes import solve, zoo


def check(network, by_hand, last=400):
    """Compare an answer with a function that gives the output, or None where there is none."""
    answer = solve(network)
    for n in [*range(1, last), 10**6, 10**6 + 1, 10**6 + 31]:
        wanted = by_hand(n)
        assert (n in answer) == (wanted is not None), n
        if wanted is not None:
            assert answer.output(n) == wanted, n
    return answer


def half_up(n):
    return (n + 1) // 2


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5])
def test_a_padded_unet_takes_what_can_be_halved_as_often(levels):
    answer = check(zoo.unet(levels), lambda n: None if n % 2**levels else n)
    assert str(answer.inputs) == f"{{{2**levels} n : n >= 1}}"


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_an_unpadded_unet_crops_its_skips_evenly(levels):
    def by_hand(n):
        skips = []
        for _ in range(levels):
            n -= 4
            if n < 2:
                return None
            skips.append(n)
            n //= 2
        n -= 4
        if n < 1:
            return None
        for skip in reversed(skips):
            n *= 2
            if (skip - n) % 2 or n <= 4:
                return None
            n -= 4
        return n

    answer = check(zoo.unet(levels, padding=0), by_hand, 700)
    if levels == 4:
        assert answer.output(572) == 388
        assert (answer.minimum, answer.modulus, answer.residues) == (188, 16, (12,))


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_a_resnet_takes_every_size(depth):
    def by_hand(n):
        for _ in range(5):
            n = half_up(n)
        return n

    answer = check(zoo.resnet(depth), by_hand)
    assert str(answer.inputs) == "{n : n >= 1}"


def test_a_resnet34_takes_every_height_from_320_to_7680():
    # What torch.export does not decide: it demands that the height be even.
    answer = solve(zoo.resnet(34))
    assert answer.covers(320, 7680)
    assert all(height in answer for height in range(320, 7681))
    assert [answer.output(height) for height in (320, 1242, 7680)] == [10, 39, 240]


@pytest.mark.parametrize("depth", [18, 50])
def test_a_feature_pyramid_needs_halves_that_double_again(depth):
    def by_hand(n):
        sizes = [half_up(half_up(n))]
        for _ in range(3):
            sizes.append(half_up(sizes[-1]))
        if any(large != 2 * small for large, small in itertools.pairwise(sizes)):
            return None
        return sizes

    answer = check(zoo.fpn(depth), by_hand)
    assert answer.residues == (0, 29, 30, 31)


@pytest.mark.parametrize("branches", [1, 2, 3, 4])
def test_hrnet_joins_every_scale_with_every_other(branches):
    def by_hand(n):
        sizes = [half_up(half_up(n))]
        for _ in range(branches - 1):
            sizes.append(half_up(sizes[-1]))
        for number, size in enumerate(sizes):
            for other in range(number + 1, branches):
                if sizes[other] * 2 ** (other - number) != size:
                    return None
        return sizes

    check(zoo.hrnet(branches), by_hand)


def test_deeplab_ends_at_the_size_of_its_input():
    check(zoo.deeplab(), lambda n: n)
    check(zoo.deeplab(rates=(12, 24, 36)), lambda n: n)
    # Without the last resize the three halvings must come out even.
    check(zoo.deeplab(resize=False), lambda n: None if n % 8 else n)


def test_dcgan_makes_64_pixels_of_one():
    check(zoo.dcgan(), lambda n: {"image": 16 * (n + 3), "verdict": n})


def test_an_unknown_depth_is_refused():
    with pytest.raises(ValueError, match=r"one of \[18, 34, 50, 101, 152\], got 20"):
        zoo.resnet(20)


@pytest.mark.parametrize(
    ("network", "limit"), [(zoo.unet(5), 0.020), (zoo.fpn(152), 0.100)], ids=["unet5", "fpn152"]
)
def test_answers_come_at_once(network, limit):
    def once():
        start = time.perf_counter()
        solve(network)
        return time.perf_counter() - start

    # The bound is meant for a machine that does nothing else: the best of several, thrice the time.
    assert min(once() for _ in range(5)) < 3 * limit
