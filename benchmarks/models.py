"""Models of one operation: ONNX for ONNX Runtime and OpenVINO, a flat buffer for LiteRT."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.cases import Convolution, Interpolate, Pyramid, kernel_of

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


def resize_attributes(
    mode: str, align_corners: bool | None, antialias: bool = False
) -> dict[str, object]:
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
    attributes: dict[str, object] = {
        "mode": kernel_of(mode), "coordinate_transformation_mode": coordinates,
    }
    if kernel_of(mode) == "cubic":
        attributes["cubic_coeff_a"] = -0.5 if antialias else -0.75
    if antialias:
        attributes |= {"antialias": 1, "exclude_outside": 1}
    return attributes


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
        "Resize", names, ["y"], **resize_attributes(case.mode, case.align_corners, case.antialias)
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


def litert_resize(case: Interpolate, x: np.ndarray) -> bytes:
    """Resize two axes of an array with its channels last."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    nearest = case.mode.startswith("nearest")
    kind = "NearestNeighbor" if nearest else "Bilinear"
    operators = schema.BuiltinOperator
    code = operators.RESIZE_NEAREST_NEIGHBOR if nearest else operators.RESIZE_BILINEAR
    numbers = {"float32": schema.TensorType.FLOAT32, "uint8": schema.TensorType.UINT8}
    n, c = case.shape[:2]
    sizes = np.array(case.sizes, np.int32)
    shapes = {"x": x.shape, "sizes": (2,), "y": (n, *case.sizes, c)}
    tensors = []
    for name, shape in shapes.items():
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, list(shape)
        tensor.type = schema.TensorType.INT32 if name == "sizes" else numbers[case.dtype]
        tensor.buffer = 1 if name == "sizes" else 0
        tensors.append(tensor)
    options = getattr(schema, f"Resize{kind}OptionsT")()
    options.alignCorners = bool(case.align_corners)
    options.halfPixelCenters = case.mode != "nearest" and not case.align_corners
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1], [2]
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"Resize{kind}Options")
    operator.builtinOptions = options
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs = tensors, [0], [2]
    graph.operators = [operator]
    operator_code = schema.OperatorCodeT()
    operator_code.builtinCode = operator_code.deprecatedBuiltinCode = code
    operator_code.version = 3
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [operator_code], [graph]
    constant = schema.BufferT()
    constant.data = np.frombuffer(sizes.tobytes(), np.uint8)
    model.buffers = [schema.BufferT(), constant]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
