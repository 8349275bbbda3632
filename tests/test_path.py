"""Exact functions along a path, against plain Python numbers at every size of it."""

import random

import pytest

from upshape.shapes._path import Path


def sizes_on(path, most=400):
    """Return the sizes of a path below a bound, from its mask."""
    mask = path.mask()
    return [i for i in range(1, most) if mask.at(i)]


class Walk:
    """A random straight-line program of sizes, run on numbers or on values."""

    def __init__(self, chance, steps):
        self.steps = []
        for place in range(1, steps + 1):
            kind = chance.choice(["+", "-", "*", "//", "%", "min", "max", "//c", "//c", "%c", "+c"])
            first = chance.randrange(max(0, place - 3), place)
            second = (
                chance.choice([1, 2, 2, 3, 4, 5, 7, 8, -3])
                if kind.endswith("c")
                else chance.randrange(place)
            )
            self.steps.append((kind, first, second))
        self.compared = [
            (chance.randrange(steps + 1), chance.randrange(steps + 1), chance.choice(["ge", "eq"]))
            for _ in range(3)
        ]

    def numbers(self, i):
        """Return all values and outcomes for one size, None after a division by zero."""
        values = [i]
        for kind, first, second in self.steps:
            a = values[first]
            b = second if kind.endswith("c") else values[second]
            try:
                values.append(_numbers(kind, a, b))
            except ZeroDivisionError:
                return [*values, None], []
        outcomes = [
            values[a] >= values[b] if kind == "ge" else values[a] == values[b]
            for a, b, kind in self.compared
        ]
        return values, outcomes

    def along(self, path):
        values = [path.identity()]
        for kind, first, second in self.steps:
            a = values[first]
            b = second if kind.endswith("c") else values[second]
            try:
                values.append(_values(kind, a, b))
            except ZeroDivisionError:
                return [*values, None], []
        outcomes = []
        for a, b, kind in self.compared:
            outcomes.append(path.decide(getattr(values[a], kind)(values[b])))
        return values, outcomes


def _numbers(kind, a, b):
    if kind in ("min", "max"):
        return min(a, b) if kind == "min" else max(a, b)
    kind = kind.rstrip("c")
    if kind == "+":
        return a + b
    if kind == "-":
        return a - b
    if kind == "*":
        return a * b
    return a // b if kind == "//" else a % b


def _values(kind, a, b):
    if kind in ("min", "max"):
        return a.least(b) if kind == "min" else a.greatest(b)
    kind = kind.rstrip("c")
    if kind in ("+", "-", "*"):
        return _numbers(kind, a, b)
    return a.floordiv(b) if kind == "//" else a.mod(b)


@pytest.mark.parametrize("seed", range(300))
def test_values_are_python_s_at_every_size_of_the_path(seed):
    chance = random.Random(seed)
    walk = Walk(chance, chance.randint(2, 7))
    path = Path(chance.choice([1, 2, 3, 5, 8, 16, 30, 64, 100, 224]))
    values, outcomes = walk.along(path)
    assert path.mask().at(path.hint)
    sizes = sizes_on(path)
    assert sizes
    for i in sizes:
        wanted, wanted_outcomes = walk.numbers(i)
        assert [None if value is None else value.at(i) for value in values] == wanted, (
            i,
            walk.steps,
        )
        assert outcomes == wanted_outcomes, i


@pytest.mark.parametrize("seed", range(40))
def test_paths_from_the_smallest_size_that_is_left_cover_all_sizes(seed):
    """Every size goes one way, and the paths of one program do not contradict each other."""
    chance = random.Random(1000 + seed)
    walk = Walk(chance, 3)
    left = set(range(1, 60))
    for _ in range(60):
        path = Path(min(left))
        walk.along(path)
        left -= set(sizes_on(path, 60))
        if not left:
            return
    pytest.fail(f"{len(left)} sizes are left")


def test_a_product_of_sizes_is_divided_exactly():
    path = Path(64)
    i = path.identity()
    tokens = (i.floordiv(4)) * (i.floordiv(4))
    assert tokens.floordiv(i.floordiv(4)).at(67) == 16
    assert (i * i * 3).floordiv(i * i).constant == 3
    assert path.stop is None


def test_a_comparison_with_a_large_number_needs_no_table():
    path = Path(10)
    assert not path.decide(path.identity().ge(2**63 - 1))
    assert path.stop is None
    assert path.points is None
    path = Path(10)
    assert not path.decide(path.identity().ge(2**20))
    assert path.stop == 2**20
    assert path.points is None
    path = Path(10)
    assert path.decide((path.identity() * path.identity()).ge(0))
    assert path.stop is None
    assert path.start == 1


def test_a_path_keeps_the_side_of_its_hint():
    path = Path(9)
    i = path.identity()
    assert not path.decide(i.mod(4).eq(0))
    assert path.residues.tolist() == [1, 2, 3]
    assert path.decide(i.ge(7))
    assert (path.start, path.stop) == (7, None)
    assert not path.decide(i.ge(20))
    assert path.points.tolist() == [7, 9, 10, 11, 13, 14, 15, 17, 18, 19]


def test_too_many_classes_narrow_the_path_to_sizes_near_the_hint():
    path = Path(100)
    i = path.identity()
    assert i.mod(10**6 + 3).at(100) == 100
    assert path.narrowed
    assert 100 in path.points.tolist()
