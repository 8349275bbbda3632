"""The kernels' borders: arrays that a plan was not made for are refused, and nothing is written."""

import numpy as np
import pytest
from layers import normal
from layouts import channels_last

import upshape as up
from upshape import orders, runtime, spreading, weighing
from upshape.parameters import out_shape


def misaligned(array):
    memory = np.empty(array.nbytes + 1, np.uint8)
    moved = memory[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def read_only(array):
    view = array.view()
    view.flags.writeable = False
    return view


# What an array of the right kind is changed to.
CHANGES = {
    "another dtype": lambda a: a.astype(np.float64),
    "other bytes first": lambda a: a.astype(">f4"),
    "misaligned": misaligned,
    "a channel less": lambda a: a[:, 1:],
    "a column less": lambda a: a[..., 1:],
    "a copy with a column less": lambda a: a[..., 1:].copy(),
    "a row less": lambda a: a[:, :, 1:].copy(),
    "an image less": lambda a: a[1:],
    "reversed": lambda a: a[..., ::-1],
    "channels last": channels_last,
    "no batch": lambda a: a[0],
}


class Made:
    """A layer in one order of work, planned for arrays of one shape."""

    def __init__(self, kernel, rng, sizes=(33, 34), threads=2):
        if kernel == "convolution":
            self.layer, name = up.ConvTranspose2d(normal(rng, (8, 6, 4, 4)), stride=2), "pixels"
        else:
            self.layer, name = up.Conv2d(normal(rng, (8, 1, 3, 3)), groups=8), "depthwise"
        parameters, order = self.layer._parameters, orders.BY_NAME[name]
        self.x = normal(rng, (2, 8, *sizes))
        self.out = np.zeros(out_shape(parameters, self.x.shape, None), np.float32)
        self.layout = orders.layout(parameters, order)
        self.packed = self.layout.pack(self.layer.weight, None)
        self.plan = orders.plan_of(parameters, order, orders.frames_of(self.x, self.out), threads)


@pytest.fixture(params=["convolution", "depthwise"])
def made(request, rng):
    return Made(request.param, rng)


def test_the_right_arrays_are_taken(made):
    made.plan.run(read_only(made.x), read_only(made.packed), made.out, made.plan.take())
    np.testing.assert_allclose(made.out, made.layer(made.x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", CHANGES)
def test_an_input_that_lies_otherwise_is_refused(made, change):
    with pytest.raises(ValueError, match="the plan was made for arrays that lie otherwise"):
        made.plan.run(CHANGES[change](made.x), made.packed, made.out)
    assert not made.out.any()


@pytest.mark.parametrize("change", [*CHANGES, "read-only"])
def test_a_result_that_lies_otherwise_is_refused(made, change):
    out = (CHANGES | {"read-only": read_only})[change](made.out)
    with pytest.raises(ValueError, match="the plan was made for arrays that lie otherwise"):
        made.plan.run(made.x, made.packed, out)
    assert not out.any()


@pytest.mark.parametrize("cut", [
    lambda p, n: p[: n - 1], lambda p, n: np.empty(2 * n, np.uint8)[::2],
])
def test_packed_weights_of_another_size_are_refused(made, cut):
    with pytest.raises(ValueError, match="the plan was made for arrays that lie otherwise"):
        made.plan.run(made.x, cut(made.packed, made.layout.packed_bytes), made.out)
    assert not made.out.any()


@pytest.mark.parametrize("kernel", ["convolution", "depthwise"])
def test_scratch_of_a_smaller_plan_is_refused(kernel, rng):
    made, small = Made(kernel, rng), Made(kernel, rng, (3, 3), 1)
    up.clear_cache()  # else a larger one that is kept may be taken
    with pytest.raises(ValueError, match="the scratch was taken for another plan"):
        made.plan.run(made.x, made.packed, made.out, small.plan.take())
    assert not made.out.any()


@pytest.mark.parametrize("change", [
    lambda w: w.astype(np.float64), lambda w: w.astype(">f4"), misaligned, lambda w: w[1:].copy(),
    lambda w: w.transpose(2, 3, 0, 1),
])
def test_weights_of_another_kind_are_not_packed(made, change):
    with pytest.raises(ValueError, match="the layout was made for weights of another"):
        made.layout.pack(change(made.layer.weight), None)


def test_biases_and_room_of_another_kind_are_refused(made):
    weight, n = made.layer.weight, made.layer.out_channels
    for bias in (np.ones(n + 1, np.float32), np.ones(n), np.ones(2 * n, np.float32)[::2]):
        with pytest.raises(ValueError, match="the layout was made for weights of another"):
            made.layout.pack(weight, bias)
    room = np.empty(made.layout.packed_bytes, np.uint8)
    for packed in (room[1:], read_only(room)):
        with pytest.raises(ValueError, match="the layout was made for weights of another"):
            made.layout.pack(weight, None, packed)


# --- interpolation -------------------------------------------------------------------------------

ROLES = 0, 1, -1, 2, 3, -1  # which axes are n, m, d, h, w, c
ONE = np.zeros(1, np.int64)


def plan_of(kernel, rows, columns):
    """Return a plan that takes these rows and columns, of a source of 5 x 7 pixels of float32."""
    rows, columns = np.array(rows, np.int64), np.array(columns, np.int64)
    module = runtime.kernel(kernel)
    if kernel == "nearest":
        return module.Plan(ROLES, ONE, rows, columns, 7, 4, 4, False)
    if kernel == "linear":
        neighbours = [(rows, np.zeros(rows.size), 5), (columns, np.zeros(columns.size), 7)]
        axes = ((ONE, None, 1), *neighbours)
        return spreading.plan(module, ROLES, axes, 4, 1, 1, False, False)
    ones = [(rows, np.ones((rows.size, 1)), 5), (columns, np.ones((columns.size, 1)), 7)]
    axes = ((ONE, None, 1), *ones)
    return weighing.plan(module, ROLES, axes, "f", 1, 1, False)


KERNELS = ["nearest", "linear", "taps"]
ROWS, COLUMNS = [0, 1, 1, 2, 4, 3], [0, 0, 6, 2, 3, 3, 5, 4, 1]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_plan_takes_the_pixels_of_its_tables(kernel, rng):
    x, out = normal(rng, (2, 3, 5, 7)), np.zeros((2, 3, 6, 9), np.float32)
    rows = ROWS if kernel == "nearest" else sorted(ROWS)
    columns = COLUMNS if kernel == "nearest" else sorted(COLUMNS)
    assert plan_of(kernel, rows, columns).run(x, out, 1)
    np.testing.assert_array_equal(out, x[:, :, rows][..., columns])


@pytest.mark.parametrize("kernel", KERNELS)
def test_arrays_of_another_plan_are_not_touched(kernel, rng):
    x, out = normal(rng, (2, 3, 5, 7)), np.zeros((2, 3, 6, 9), np.float32)
    plan = plan_of(kernel, sorted(ROWS), sorted(COLUMNS))
    for source, result in [
        (x[:, :, 1:], out), (x[..., 1:].copy(), out), (x[1:], out), (x[:, 1:], out),
        (x[..., ::-1], out), (x[0], out), (x.astype(np.float64), out),
        (x, out[:, :, 1:]), (x, out[..., 1:]), (x, out[..., ::-1]), (x, out[1:]),
    ]:
        assert not plan.run(source, result, 1)
    assert not out.any()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("rows", "columns"), [
    ([0, -1], [0, 6]), ([0, 4], [0, 7]), ([0, 4], [-1, 6]), ([0, 5], [0, 6]),
])
def test_a_table_with_a_wrong_index_is_refused(kernel, rows, columns, rng):
    if kernel == "nearest" and rows == [0, 5]:
        # Such a plan is one for a larger source.
        out = np.zeros((1, 1, 2, 2), np.float32)
        assert not plan_of(kernel, rows, columns).run(normal(rng, (1, 1, 5, 7)), out, 1)
        return
    with pytest.raises(AssertionError, match="a table has"):
        plan_of(kernel, rows, columns)
