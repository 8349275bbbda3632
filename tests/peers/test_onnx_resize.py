"""`resize` beside ONNX's reference implementation, whose every attribute it has."""

import numpy as np
import pytest

import upshape as up

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

# The reference has no tf_half_pixel_for_nn.
COORDINATES = (
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
)  # fmt: skip
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def reference(x, kind, values, attributes):
    """Return the result of a Resize node."""
    inputs = ["x", "", "values"] if kind == "scales" else ["x", "", "", "values"]
    node = helper.make_node("Resize", inputs, ["y"], **attributes)
    of_values = TensorProto.FLOAT if kind == "scales" else TensorProto.INT64
    of_x = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        [node], "resize",
        [
            helper.make_tensor_value_info("x", of_x, [None] * x.ndim),
            helper.make_tensor_value_info("values", of_values, [None]),
        ],
        [helper.make_tensor_value_info("y", of_x, [None] * x.ndim)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    values = np.array(values, np.float32 if kind == "scales" else np.int64)
    return ReferenceEvaluator(model).run(None, {"x": x, "values": values})[0]


def draw(rng, mode):
    """Return an array, what is asked of the node, and the same of `resize`."""
    axes = int(rng.integers(1, 4))
    most = {1: 30, 2: 12, 3: 7}[axes]
    shape = tuple(int(n) for n in rng.integers(1, most, axes))
    if axes == 3:
        shape = (shape[0] + 5, shape[1], shape[2] + 5)  # no picture of few channels
    coordinates = str(rng.choice(COORDINATES))
    node = {"mode": mode, "coordinate_transformation_mode": coordinates}
    ours = {"mode": mode, "coordinates": coordinates}
    if mode == "nearest":
        ours["nearest_mode"] = node["nearest_mode"] = str(rng.choice(ROUNDINGS))
    else:
        ours["antialias"] = bool(rng.random() < 0.4)
        node["antialias"] = int(ours["antialias"])
        ours["exclude_outside"] = bool(rng.random() < 0.4)
        node["exclude_outside"] = int(ours["exclude_outside"])
    if mode == "cubic":
        ours["cubic_coeff_a"] = node["cubic_coeff_a"] = float(rng.choice([-0.75, -0.5, -1.0]))
    if rng.random() < 0.5:
        kind, values = "scales", rng.choice([0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.25, 3.0], axes)
        values = np.maximum(values, [2.0 ** np.ceil(np.log2(1 / i)) for i in shape]).tolist()
        ours["scale_factor"] = values
    else:
        kind, values = "sizes", [int(n) for n in rng.integers(1, most, axes)]
        ours["size"] = values
        policy = str(rng.choice(["stretch", "not_larger", "not_smaller"]))
        ours["keep_aspect_ratio_policy"] = node["keep_aspect_ratio_policy"] = policy
    return rng.random(shape), kind, values, node, ours


def goes_by_the_text(x, kind, values, node):
    """Return whether the reference goes by the operator's text here: see the conformance page."""
    if kind == "scales":
        factors = values
    else:
        factors = [o / i for o, i in zip(values, x.shape, strict=True)]
        choose = {"not_larger": min, "not_smaller": max}.get(node["keep_aspect_ratio_policy"])
        factors = factors if choose is None else [choose(factors)] * len(factors)
    sizes = [i * factor for i, factor in zip(x.shape, factors, strict=True)]
    whole = all(abs(size - round(size)) < 1e-9 for size in sizes)
    where = node["coordinate_transformation_mode"]
    if where == "align_corners":
        return whole
    if where == "pytorch_half_pixel":
        return min(sizes) >= 2
    return min(sizes) >= 0.5 and (whole or where != "half_pixel_symmetric")


@pytest.mark.parametrize("like", ["onnx", None])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_every_attribute_is_the_references(mode, like):
    rng = np.random.default_rng(16)
    compared = 0
    apart, pixels = 0, 0
    while compared < 250:
        x, kind, values, node, ours = draw(rng, mode)
        if not goes_by_the_text(x, kind, values, node):
            continue
        if like is None and ours.get("antialias"):
            continue  # beyond the border is nothing there, and the border's pixel in ONNX
        y = up.resize(x, like=like, **ours)
        expected = reference(x, kind, values, node)
        assert y.shape == expected.shape
        off = np.abs(y - expected)
        apart += int((off > 1e-5).sum())  # the reference's cubic weights are float32
        pixels += off.size
        compared += 1
    # Positions on a tie, or on a pixel up to a rounding: the reference's are float64, nearest's of
    # like="onnx" float32 as in ONNX Runtime, and without like exact.
    assert apart <= 0.001 * pixels
