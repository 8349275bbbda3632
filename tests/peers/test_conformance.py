"""The table of conformance in the documentation is what the libraries do."""

import importlib.util

import numpy as np
import pytest
from conformance import HEADER, LIBRARIES, SIZES, compared, stored

import upshape as up

FEWER = 150
SEEDS = 70


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


def test_gradients_are_pytorchs(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    mode, antialias = [
        ("nearest", False), ("bilinear", False), ("bilinear", True),
        ("bicubic", False), ("bicubic", True), ("area", False),
    ][seed % 6]  # fmt: skip
    shape = (2, 3, *rng.integers(2, 20, 2).tolist())
    corners = bool(rng.random() < 0.3) if mode in ("bilinear", "bicubic") else None
    how = {"mode": mode, "antialias": antialias, "align_corners": corners}
    x = torch.from_numpy(rng.standard_normal(shape)).requires_grad_()
    size = tuple(rng.integers(2, 25, 2).tolist())
    y = torch.nn.functional.interpolate(x, size=size, **how)
    grad = rng.standard_normal(y.shape)
    y.backward(torch.from_numpy(grad))
    ours = up.interpolate_backward(grad, shape, **how)
    assert np.allclose(ours, x.grad.numpy(), atol=1e-10)
