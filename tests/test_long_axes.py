"""A long axis is made in pieces: the same bits, and memory that its length does not decide."""

from contextlib import contextmanager

import numpy as np
import pytest
from assertions import assert_same_pixels
from layouts import channels_last

import upshape as up
from upshape import calls, interpolation

CASES = [
    ((2, 3, 40), (150,), None), ((1, 1, 200), (70,), None), ((1, 2, 9, 120), (9, 300), None),
    ((2, 1, 130, 7), (391, 20), None), ((1, 2, 3, 5, 90), (3, 9, 90), None),
    ((1, 3, 150), None, 2.0), ((1, 3, 150), None, 1.1), ((1, 2, 101, 99), None, (2.0, 1.5)),
    ((1, 1, 100, 100), (100, 201), None),
]


@contextmanager
def short_pieces(kept=1 << 20):
    """Have axes of more than 64 pixels made in pieces of 32; keep tables of so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpolation, "_LONG", 64)
        patch.setattr(interpolation, "_PIECE", 32)
        patch.setattr(interpolation, "_PIECES_BYTES", kept)
        calls.forget_all()
        yield patch
    calls.forget_all()


def modes(axes, dtype):
    linear = ("linear", "bilinear", "trilinear")[axes - 1]
    nearest = ["nearest", "nearest-exact"]
    return nearest if dtype == np.int16 else [*nearest, linear]


@pytest.mark.parametrize("kept", [1 << 20, 0])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.uint8, np.int16])
def test_pieces_give_the_bits_of_the_whole(rng, dtype, last, kept):
    for shape, size, factor in CASES:
        x = (rng.random(shape) * 255).astype(dtype)
        x = channels_last(x) if last else x
        for mode in modes(len(shape) - 2, dtype):
            for corners in ([None] if mode.startswith("nearest") else [False, True]):
                calls.forget_all()
                ask = {"size": size, "scale_factor": factor, "mode": mode, "align_corners": corners}
                whole = up.interpolate(x, **ask)
                with short_pieces(kept):
                    for _ in range(2):
                        assert_same_pixels(up.interpolate(x, **ask), whole)
                    padded = np.full((*whole.shape[:-1], whole.shape[-1] + 3), 7, dtype)
                    up.interpolate(x, **ask, out=padded[..., :-3])
                    assert_same_pixels(padded[..., :-3], whole)
                    assert (padded[..., -3:] == 7).all()


def test_pieces_of_a_regular_axis_share_their_plans():
    with short_pieces():
        up.interpolate(np.zeros((1, 1, 32 * 40), np.float32), scale_factor=2, mode="linear")
        ((plan, _),) = interpolation._plans.values()
    assert len(plan.planned) == 80
    assert len({id(own) for own, _, _ in plan.planned}) <= 3  # the two ends, and all between


def test_pieces_without_room_for_plans_never_write_half_a_result(rng):
    x = rng.random((1, 1, 300))
    out = np.full((1, 1, 401), -1.0)
    expected = up.interpolate(x, 401, mode="linear")
    piece, asked = interpolation.Pieces._piece, []

    def fail_late(self, parts):
        asked.append(parts)
        if len(asked) > 10:
            raise MemoryError("no memory")
        return piece(self, parts)

    with short_pieces(0) as patch:
        patch.setattr(interpolation.Pieces, "_piece", fail_late)
        with pytest.raises(MemoryError):
            up.interpolate(x, 401, mode="linear", out=out)
        assert len(asked) == 11
        assert (out == -1).all()
        patch.setattr(interpolation.Pieces, "_piece", piece)
        up.interpolate(x, 401, mode="linear", out=out)
    assert_same_pixels(out, expected)


def test_the_memory_of_plans_is_bounded_and_given_back():
    x = np.zeros((1, 1, 100_000), np.float32)
    for size in range(300_000, 300_040):
        up.interpolate(x, size, mode="linear")
    for store in (interpolation._plans, interpolation._resizes):
        assert 0 < store.nbytes <= interpolation._PLAN_BYTES
    up.clear_cache()
    for store in (interpolation._plans, interpolation._resizes):
        assert store.nbytes == len(store) == 0
