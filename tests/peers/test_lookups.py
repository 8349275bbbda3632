"""Models that look sizes up: in dicts of their own, of the class or file, in cached functions."""

import functools

import pytest
import torch
import torch.nn.functional as F
from test_reading import N, c, holds
from torch import nn

from upshape.shapes import from_torch, solve

KEPT = {}
POOLS = {16: 2, 30: 3, "names": 5}


@functools.cache
def positions(height, width):
    return torch.zeros(1, 3, height, width)


@functools.cache
def weights(kernel):
    return torch.zeros(3, 3, kernel, kernel)


class Cached(nn.Module):
    """Keeps what it makes for a size, in the way that a method says."""

    table = {(8, 8): 2, (12, 12): 3}  # noqa: RUF012  as people write it

    def __init__(self, way):
        super().__init__()
        self.conv = c(3, 2, 1)
        self.kept = {"nested": {}}
        self.way = way

    def forward(self, x):
        x = self.conv(x)
        return getattr(self, self.way)(x, *x.shape[2:])

    def in_a_dict_of_its_own(self, x, h, w):
        if (h, w, x.device) not in self.kept:
            self.kept[h, w, x.device] = torch.zeros(1, 3, h, w)
        return x + self.kept[h, w, x.device]

    def in_a_nested_dict(self, x, h, w):
        kept = self.kept["nested"]
        made = kept.setdefault(h, torch.zeros(h, 1))
        return x + made + kept.get(w, 0)

    def in_a_dict_of_the_file(self, x, h, w):
        made = KEPT.get((h, w))
        if made is None:
            KEPT[h, w] = made = torch.zeros(1, 3, h, w)
        assert len(KEPT) == 1
        assert list(KEPT) == [(h, w)]
        return x + made

    def in_a_table_of_the_class(self, x, h, w):
        return F.max_pool2d(x, self.table[h, w] if (h, w) in self.table else 1)  # noqa: SIM401

    def in_a_table_of_the_file(self, x, h, w):
        return F.max_pool2d(x, POOLS.get(h, 4))

    def in_a_table_that_lacks_most(self, x, h, w):
        return F.max_pool2d(x, POOLS[h])

    def by_a_cached_function(self, x, h, w):
        return F.conv2d(x + positions(h, w), weights(3))

    @functools.lru_cache(maxsize=4)  # noqa: B019  as people write it
    def grid(self, h, w):
        return torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"))

    def by_a_cached_method(self, x, h, w):
        return torch.cat([x, self.grid(h, w)[None].float()], 1)


WAYS = [name for name in vars(Cached) if name.startswith(("in_", "by_"))]


@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("way", WAYS)
def test_a_size_that_is_looked_up(way, axis):
    KEPT.clear()

    class Fresh(nn.Module):  # what a run keeps must not be there for the next one's assertions
        def __init__(self):
            super().__init__()
            self.model = Cached(way)

        def forward(self, x):
            KEPT.clear()
            return self.model(x)

    others = from_torch(Fresh().eval())._other_axes()
    holds(Fresh(), axis=axis, others=others, sizes=range(1, 70))


def test_what_a_model_keeps_is_left_as_it_was():
    weights.cache_clear()
    model = Cached("by_a_cached_function").eval()
    own = model.kept
    solve(model)
    assert weights.cache_info().currsize == 0  # nothing without values is kept for later
    assert type(model(torch.zeros(1, 3, 16, 16))) is torch.Tensor
    assert model.kept is own
    assert own == {"nested": {}}
    KEPT.clear()
    model = Cached("in_a_dict_of_the_file").eval()
    solve(model)
    assert KEPT == {}
    assert type(KEPT) is dict


def test_a_literal_dict_is_named_with_its_place():
    (told,) = from_torch(N(lambda s, x: x if {14: 1}.get(x.shape[2]) else -x)).unread
    assert told.startswith("a size is looked up in a dict, a set or a cache (")
    assert "{14: 1}.get" in told
