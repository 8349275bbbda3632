"""The checks at the door: what passes, what is refused, and in which words."""

import numpy as np
import pytest

import upshape as up
from upshape import arrays


def test_ndarrays_pass_untouched():
    x = np.zeros((2, 3), np.float32)[:, ::-1]
    assert arrays.as_array("op", "x", x, ("float32",)) is x


def test_sequences_become_arrays():
    assert arrays.as_array("op", "x", [[1.0, 2.0]]).tolist() == [[1.0, 2.0]]


def test_other_byte_order_is_converted_without_changing_values():
    x = np.arange(5, dtype=">f4")
    y = arrays.as_array("op", "x", x, ("float32",))
    assert y.dtype.isnative
    assert y.tolist() == x.tolist()


@pytest.mark.parametrize("x", [np.array([None, 1]), np.zeros(3, "V0")])
def test_dtypes_without_a_fixed_size_are_refused(x):
    with pytest.raises(TypeError, match=r"op: x has dtype .* no fixed size"):
        arrays.as_array("op", "x", x)


def test_ragged_sequences_are_refused():
    with pytest.raises(TypeError, match="op: x cannot be made an array"):
        arrays.as_array("op", "x", [[1, 2], [3]])


def test_other_dtypes_are_refused_with_those_taken():
    with pytest.raises(TypeError, match=r"op: x has dtype int64; it can be float32 or float64"):
        arrays.as_array("op", "x", np.arange(3), ("float32", "float64"))


def test_dtypes_must_be_alike():
    with pytest.raises(TypeError, match="op: w has dtype float64, but x has float32"):
        arrays.as_dtype_of("op", "w", np.zeros(2), "x", np.dtype("f4"))


def test_ranks_are_named_with_their_layouts():
    with pytest.raises(ValueError, match=r"op: x has shape \(2,\), 1 axis; it must have 3 axes"):
        arrays.check_rank("op", "x", np.zeros(2), {3: "(N, C, W)", 4: "(N, C, H, W)"})


@pytest.mark.parametrize("value", [True, np.True_, 1.0, "1", None, [1]])
def test_ints_are_ints(value):
    with pytest.raises(TypeError, match="op: n="):
        arrays.as_int("op", "n", value, 0)


def test_int_ranges_are_named():
    assert arrays.as_int("op", "n", np.uint8(3), 0, 3) == 3
    with pytest.raises(ValueError, match="op: n=-1 must be 0 or more"):
        arrays.as_int("op", "n", -1, 0)
    with pytest.raises(ValueError, match="op: n=4 must be from 0 to 3"):
        arrays.as_int("op", "n", 4, 0, 3)


@pytest.mark.parametrize("value", [2, (2, 2), [2, 2], np.array([2, 2]), (2,)])
def test_one_int_stands_for_all_axes(value):
    assert arrays.as_ints("op", "stride", value, 2, 1) == (2, 2)


def test_wrong_count_of_ints_is_refused():
    with pytest.raises(ValueError, match=r"op: stride=\(1, 2, 3\) has 3 numbers"):
        arrays.as_ints("op", "stride", (1, 2, 3), 2, 1)


@pytest.mark.parametrize("value", [1, 0, None, "yes"])
def test_bools_are_bools(value):
    with pytest.raises(TypeError, match="op: flag="):
        arrays.as_bool("op", "flag", value)


def readonly():
    out = np.zeros((2, 3), np.float32)
    out.flags.writeable = False
    return out


@pytest.mark.parametrize(("out", "error", "message"), [
    ([[0, 0, 0]], TypeError, "out must be a NumPy array, not list"),
    (np.zeros((2, 3)), TypeError, "out has dtype float64; it must have float32"),
    (np.zeros((2, 3), ">f4"), TypeError, "out has dtype >f4"),
    (np.zeros((3, 2), np.float32), ValueError, r"out has shape \(3, 2\); it must have \(2, 3\)"),
    (readonly(), ValueError, "out is read-only"),
    (np.lib.stride_tricks.as_strided(np.zeros(3, np.float32), (2, 3), (0, 4)), ValueError,
     "out has elements that share memory"),
])
def test_unfit_outs_are_refused(out, error, message):
    with pytest.raises(error, match=f"op: {message}"):
        arrays.check_out("op", out, (2, 3), np.dtype("f4"))


def test_overlap_is_told_from_interleaving():
    memory = np.zeros((2, 6), np.float32)
    x = memory[:, ::2]
    assert arrays.check_out("op", memory[:, 1::2], (2, 3), np.dtype("f4"), x) is not None
    with pytest.raises(ValueError, match="op: out overlaps an input"):
        arrays.check_out("op", memory[:, 0:3], (2, 3), np.dtype("f4"), x)


@pytest.mark.parametrize(("array", "own"), [
    (np.zeros((2, 3, 4)), True),
    (np.zeros((2, 3, 4)).transpose(2, 0, 1)[::-1, :, ::2], True),
    (np.zeros((0, 3)), True),
    (np.broadcast_to(np.zeros(3), (2, 3)), False),
    (np.lib.stride_tricks.as_strided(np.zeros(9), (4, 4), (8, 8)), False),
    (np.lib.stride_tricks.sliding_window_view(np.zeros(9), 1), True),
])
def test_elements_that_share_memory_are_seen(array, own):
    assert arrays.has_own_memory(array) is own


def test_an_overlap_that_is_too_hard_to_find_is_taken_for_one():
    """Two combs of twelve teeth lengths each: whether they meet is a subset-sum problem."""
    rng, memory = np.random.default_rng(5), np.zeros(1 << 25, np.uint8)
    combs = [
        np.ndarray((2,) * 12, np.uint8, memory, offset, tuple(rng.integers(1 << 18, 1 << 20, 12)))
        for offset in (0, 100_000)
    ]
    with pytest.raises(np.exceptions.TooHardError):
        np.shares_memory(*combs, max_work=10_000)
    assert np.shares_memory(*combs, max_work=10**8)
    assert arrays.overlap(*combs)


@pytest.mark.parametrize(("word", "call"), [
    ("bilinear", lambda: up.interpolate(np.ones((1, 1, 4, 4)), 8, mode="biliner")),
    ("nearest-exact", lambda: up.interpolate(np.ones((1, 1, 4, 4)), 8, mode="NEAREST_EXACT")),
    ("cubic", lambda: up.resize(np.ones((4, 4)), 8, mode="bicubik")),
    ("linear", lambda: up.resize(np.ones((4, 4)), 8, mode="INTER_LINEAR", like="opencv")),
    ("opencv", lambda: up.resize(np.ones((4, 4)), 8, like="cv2")),
    ("skimage", lambda: up.resize(np.ones((4, 4)), 8, like="Scikit-Image")),
    ("half_pixel", lambda: up.resize(np.ones((4, 4)), 8, coordinates="half-pixel")),
    ("round_prefer_ceil", lambda: up.resize(np.ones((4, 4)), 8, mode="nearest",
                                            nearest_mode="round_prefered_ceil")),
    ("not_smaller", lambda: up.resize(np.ones((4, 4)), 8, keep_aspect_ratio_policy="NotSmaller")),
    ("same", lambda: up.conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), padding="SAME")),
])
def test_a_word_that_is_nearly_one_is_asked_back(word, call):
    with pytest.raises(ValueError, match=f"; did you mean '{word}'\\?$"):
        call()


def test_a_word_of_another_kind_is_not_guessed_at():
    for mode in ("near", "spline", "", "x" * 50):
        with pytest.raises(ValueError, match=r"lanczos, .*hamming$"):
            up.resize(np.ones((4, 4)), 8, mode=mode)


def test_one_picture_with_the_sizes_of_two_axes_is_told_about_its_batch_axis():
    for x in (np.ones((2, 8, 9)), np.ones((8, 9, 2))):
        for given in ({"size": (4, 4)}, {"scale_factor": (2, 2)}):
            with pytest.raises(ValueError, match=r"has 2 numbers; .* if x is one picture without"):
                up.interpolate(x, **given)
