"""Models of one operation, in ONNX: what ONNX Runtime and OpenVINO are given to run."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.cases import Convolution, Interpolate, Pyramid

# The oldest versions that say all that is needed: every runtime of the last years reads them.
OPSET, IR = 19, 9


def finish(nodes: list, inputs: dict[str, np.ndarray], constants: dict[str, np.ndarray]) -> bytes:
    """Return the serialised model with these inputs, and the result "y"."""
    first = next(iter(inputs.values()))
    unknown = [f"axis{k}" for k in range(first.ndim)]
    graph = helper.make_graph(
        nodes, "case",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for name, x in inputs.items()
        ],
        [helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(first.dtype), unknown)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def resize_attributes(mode: str, align_corners: bool | None) -> dict[str, str]:
    """Return the attributes of Resize that mean what PyTorch's mode means."""
    if mode == "nearest":
        return {
            "mode": "nearest", "nearest_mode": "floor",
            "coordinate_transformation_mode": "asymmetric",
        }
    if mode == "nearest-exact":
        # floor of the half-pixel coordinate plus a half: round half up.
        return {
            "mode": "nearest", "nearest_mode": "round_prefer_ceil",
            "coordinate_transformation_mode": "half_pixel",
        }
    coordinates = "align_corners" if align_corners else "half_pixel"
    return {"mode": "linear", "coordinate_transformation_mode": coordinates}


def resize(case: Interpolate, x: np.ndarray) -> bytes:
    """Resize, in the layout of the array."""
    last = case.layout != "NCHW"
    rank = len(case.shape) - 2
    if case.scale is not None:
        factors = [case.scale] * rank
        scales = [1, *factors, 1] if last else [1, 1, *factors]
        target, constant = "scales", np.array(scales, np.float32)
        names = ["x", "", target]
    else:
        n, c = case.shape[:2]
        sizes = [n, *case.size, c] if last else [n, c, *case.size]
        target, constant = "sizes", np.array(sizes, np.int64)
        names = ["x", "", "", target]
    node = helper.make_node(
        "Resize", names, ["y"], **resize_attributes(case.mode, case.align_corners)
    )
    return finish([node], {"x": x}, {target: constant})


def pyramid(case: Pyramid, features: list[np.ndarray]) -> bytes:
    """A Resize for every feature that is not of the result's size, and a Concat."""
    size = case.shapes[0][2:]
    inputs = {f"x{k}": x for k, x in enumerate(features)}
    nodes, joined, constants = [], [], {}
    for name, x in inputs.items():
        if x.shape[2:] == size:
            joined.append(name)
            continue
        joined.append(f"{name}_up")
        constants[f"{name}_sizes"] = np.array([*x.shape[:2], *size], np.int64)
        nodes.append(
            helper.make_node(
                "Resize", [name, "", "", f"{name}_sizes"], [f"{name}_up"],
                **resize_attributes(case.mode, None),
            )
        )
    nodes.append(helper.make_node("Concat", joined, ["y"], axis=1))
    return finish(nodes, inputs, constants)


def convolution(
    case: Convolution, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None
) -> bytes:
    """Conv or ConvTranspose, its weights in the model."""
    axes = case.rank
    attributes = {
        "kernel_shape": [case.kernel] * axes, "strides": [case.stride] * axes,
        "dilations": [case.dilation] * axes, "pads": [case.padding] * (2 * axes),
        "group": case.groups,
    }
    if case.transposed:
        attributes["output_padding"] = [case.output_padding] * axes
    constants = {"w": weight} if bias is None else {"w": weight, "b": bias}
    operation = "ConvTranspose" if case.transposed else "Conv"
    node = helper.make_node(operation, ["x", *constants], ["y"], **attributes)
    return finish([node], {"x": x}, constants)


