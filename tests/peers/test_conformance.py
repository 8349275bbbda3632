"""The table of conformance in the documentation is what the libraries do."""

import importlib.util

import numpy as np
import pytest
from conformance import HEADER, LIBRARIES, SIZES, compared, stored

import upshape as up

FEWER = 150


def installed(like):
    package, module, _ = LIBRARIES[like]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{package} is not installed: its rows of docs/conformance.csv are not checked")
    return [row for row in stored()[1:] if row[0].split()[0] == package]


@pytest.mark.parametrize("like", LIBRARIES)
@pytest.mark.filterwarnings("ignore")
def test_a_library_shares_what_the_table_says(like):
    """On the first of the table's sizes: no pixel differs where none does on all of them."""
    rows = installed(like)
    _, _, calls = LIBRARIES[like]
    found = [(call, dtype) for call in calls() for dtype in call.dtypes]
    assert len(rows) == len(found)
    for row, (call, dtype) in zip(rows, found, strict=True):
        assert row[1] == call.mode
        assert row[3] == dtype
        part, most = compared(like, call, dtype, FEWER)
        if row[5] == "100.0000 %":
            assert part == 1, row
        else:
            assert part > float(row[5][:-1]) / 100 - 0.02, row
        assert most <= float(row[6]) * 1.5, row  # the table has one digit


def test_the_table_has_every_library():
    header, *rows = stored()
    assert header == HEADER
    assert {row[0].split()[0] for row in rows} == {package for package, _, _ in LIBRARIES.values()}
    assert all(int(row[4]) == SIZES for row in rows)


@pytest.mark.parametrize(("i", "o"), [(194, 193), (1000, 999), (999, 1000), (700, 698)])
def test_bytes_of_pytorch_where_hardly_a_pixel_is_lost(i, o):
    """Sizes beyond the table's: a weight of nearly 1 decides how many bits all of them have."""
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).integers(0, 256, (9, i)).astype(np.uint8)
    whole = torch.from_numpy(x)[None, None]
    for mode, theirs in (("linear", "bilinear"), ("cubic", "bicubic")):
        for antialias in (False, True):
            y = up.resize(x, (7, o), mode, like="torch", antialias=antialias)
            expected = torch.nn.functional.interpolate(
                whole, size=(7, o), mode=theirs, antialias=antialias
            )
            assert np.array_equal(y, expected[0, 0].numpy())


@pytest.mark.parametrize("channels", [2, 5, 9, 16])
def test_planes_of_bytes_are_opencvs_pictures(channels):
    """Cubic's sums of float32 and of integers differ at ties, of which there are many here."""
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    for h, w, oh, ow in ((20, 30, 40, 15), (31, 8, 155, 12), (35, 14, 35, 7), (50, 40, 25, 80)):
        x = rng.integers(0, 256, (h, w, channels)).astype(np.uint8)
        planes = np.ascontiguousarray(np.moveaxis(x, -1, 0))
        y = up.resize(planes, (oh, ow), "cubic", channel_axis=0, like="opencv")
        expected = cv2.resize(x, (ow, oh), interpolation=cv2.INTER_CUBIC)
        assert np.array_equal(np.moveaxis(y, 0, -1), expected)


def test_antialias_of_pytorch_is_wrong_where_one_column_is_left_and_rows_grow():
    """The example of the conformance page."""
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).random((1, 1, 20, 63))
    how = {"mode": "bilinear", "antialias": True}
    both = torch.nn.functional.interpolate(torch.from_numpy(x), size=(57, 1), **how).numpy()
    ours = up.interpolate(x, size=(57, 1), **how)
    assert np.abs(both - ours).max() > 0.01
    # All of its rows are the first one; ours are what the two axes give one after the other.
    assert (both == both[:, :, :1]).all()
    steps = up.interpolate(up.interpolate(x, size=(20, 1), **how), size=(57, 1), **how)
    assert np.abs(ours - steps).max() < 1e-12


GRADIENTS = [
    *[(mode, False, axes) for mode in ("nearest", "nearest-exact", "area") for axes in (1, 2, 3)],
    ("linear", False, 1), ("bilinear", False, 2), ("trilinear", False, 3), ("bilinear", True, 2),
    ("bicubic", False, 2), ("bicubic", True, 2), ("lanczos", True, 2),
]  # fmt: skip
TOLERANCES = {"float64": 1e-10, "float32": 1e-4, "float16": 0.1}


def gradients(torch, x, grad, told, how):
    """Return PyTorch's gradient."""
    tensor = torch.from_numpy(x).requires_grad_()
    torch.nn.functional.interpolate(tensor, **told, **how).backward(torch.from_numpy(grad))
    return tensor.grad.numpy()


@pytest.mark.parametrize(
    ("mode", "antialias", "axes", "dtype"),
    [
        (*way, dtype) for way in GRADIENTS for dtype in TOLERANCES
        if not (dtype == "float16" and way[1])  # PyTorch has no antialias of float16 on the CPU
    ],
)
def test_gradients_are_pytorchs(mode, antialias, axes, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(axes)
    most = {1: 40, 2: 20, 3: 9}[axes]
    for _ in range(12):
        inputs, sizes = (rng.integers(2, most, axes).tolist() for _ in range(2))
        corners = mode.endswith(("linear", "cubic")) and bool(rng.random() < 0.3)
        how = {"mode": mode, "antialias": antialias, "align_corners": corners or None}
        x = rng.standard_normal((2, 3, *inputs)).astype(dtype)
        told, factor = {"size": sizes}, None
        if mode != "area" and min(inputs) > 4 and rng.random() < 0.5:
            factor = float(rng.choice([0.5, 0.7, 1.3, 2.0, 3.1]))
            told = {"scale_factor": factor}
        grad = rng.standard_normal(up.interpolate(x, **told, **how).shape).astype(dtype)
        ours = up.interpolate_backward(grad, inputs, factor, **how)
        assert ours.dtype == x.dtype
        theirs = gradients(torch, x, grad, told, how)
        assert np.allclose(ours, theirs, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])


@pytest.mark.parametrize(
    ("shape", "how"),
    [
        ((1, 1, 2, 7), {"mode": "bilinear", "antialias": True}),
        ((1, 1, 3, 5, 5), {"mode": "nearest"}),
    ],
)
def test_pytorchs_gradient_is_not_the_adjoint_where_an_axis_keeps_its_size(shape, how):
    """The example of the conformance page: a factor that leaves an axis as long as it is."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    there = up.interpolate(x, scale_factor=1.3, **how)
    forward = torch.nn.functional.interpolate(torch.from_numpy(x), scale_factor=1.3, **how)
    assert np.abs(there - forward.numpy()).max() < 1e-12
    grad = rng.standard_normal(there.shape)
    theirs = gradients(torch, x, grad, {"scale_factor": 1.3}, how)
    ours = up.interpolate_backward(grad, shape, 1.3, **how)
    assert abs((there * grad).sum() - (x * theirs).sum()) > 0.1
    assert abs((there * grad).sum() - (x * ours).sum()) < 1e-12


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    ("mode", "antialias"),
    [("nearest", False), ("bilinear", False), ("bicubic", False), ("area", False)],
)
def test_small_floats_are_pytorchs_within_their_rounding(mode, antialias, name):
    """Half of the distance of two neighbours, twice: PyTorch rounds once, and so do we."""
    torch = pytest.importorskip("torch")
    dtype = np.float16 if name == "float16" else pytest.importorskip("ml_dtypes").bfloat16
    step = {"float16": 2.0**-10, "bfloat16": 2.0**-7}[name]
    rng = np.random.default_rng(16)
    for _ in range(20):
        inputs, sizes = (tuple(rng.integers(2, 30, 2).tolist()) for _ in range(2))
        x = rng.standard_normal((1, 3, *inputs)).astype(dtype)
        tensor = torch.from_numpy(x.astype(np.float32)).to(getattr(torch, name))
        how = {"size": sizes, "mode": mode, "antialias": antialias}
        theirs = torch.nn.functional.interpolate(tensor, **how).float().numpy()
        ours = up.interpolate(x, **how)
        assert ours.dtype == dtype
        exact = up.interpolate(x.astype(np.float64), **how)
        apart = np.abs(ours.astype(np.float64) - theirs)
        if mode == "nearest":
            assert not apart.any()
        else:
            assert (apart <= step * (2 + np.abs(exact))).all()
            assert (np.abs(ours - exact) <= step / 2 * (np.abs(exact) + 2**-6) * 1.01).all()


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiased_small_floats_are_float64s_rounded(mode):
    """PyTorch has none of them on the CPU."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    rng = np.random.default_rng(17)
    for dtype, step in ((np.float16, 2.0**-10), (ml_dtypes.bfloat16, 2.0**-7)):
        x = rng.standard_normal((1, 2, 30, 40)).astype(dtype)
        ours = up.interpolate(x, size=(11, 13), mode=mode, antialias=True)
        exact = up.interpolate(x.astype(np.float64), size=(11, 13), mode=mode, antialias=True)
        assert ours.dtype == dtype
        assert (np.abs(ours - exact) <= step / 2 * (np.abs(exact) + 2**-6) * 1.01).all()
