"""Padding of two sides, and SAME: the numbers of ONNX Runtime, for 1, 2 and 3 axes."""

import numpy as np
import pytest
from assertions import assert_within, convolution_magnitude

import upshape as up
from upshape import reference, shapes

onnxruntime = pytest.importorskip("onnxruntime")
helper = pytest.importorskip("onnx").helper

WORDS = {"same_upper": "SAME_UPPER", "same_lower": "SAME_LOWER"}


def computed(operation, x, weight, attributes):
    """Return what ONNX Runtime computes with a node of these attributes."""
    inputs = {"x": x, "w": weight}
    graph = helper.make_graph(
        [helper.make_node(operation, list(inputs), ["y"], **attributes)],
        "case",
        [helper.make_tensor_value_info(name, 1, array.shape) for name, array in inputs.items()],
        [helper.make_tensor_value_info("y", 1, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)[0]


def some_case(rng, axes, transposed, padding):
    """Return x, weight, our parameters and ONNX' attributes of a layer with an output."""

    def each(low, high):
        return tuple(int(n) for n in rng.integers(low, high + 1, axes))

    while True:
        kernel, stride, sizes = each(1, 5), each(1, 3), each(1, [60, 14, 7][axes - 1])
        # ONNX Runtime has no SAME with dilation for Conv.
        dilation = each(1, 3) if padding == "pairs" else (1,) * axes
        groups = int(rng.choice([1, 1, 2]))
        inner, outer = (groups * int(n) for n in rng.integers(1, 9, 2))
        attributes = {"strides": stride, "dilations": dilation, "group": groups}
        pads = padding
        if padding == "pairs":
            pads = tuple(zip(each(0, 3), each(0, 3), strict=True))
            before, after = zip(*pads, strict=True)
            attributes["pads"] = [*before, *after]
        else:
            attributes["auto_pad"] = WORDS[padding]
        if padding != "pairs" and transposed and any(
            (i - 1) * s + k < i * s for i, s, k in zip(sizes, stride, kernel, strict=True)
        ):
            continue  # less than nothing to cut off: ONNX Runtime has another size there
        try:
            if transposed:
                shapes.ConvTranspose(kernel, stride, pads, 0, dilation)(sizes)
            else:
                shapes.Conv(kernel, stride, pads, dilation)(sizes)
        except ValueError:
            continue
        channels = (inner, outer // groups) if transposed else (outer, inner // groups)
        x = rng.standard_normal((2, inner, *sizes)).astype(np.float32)
        weight = rng.standard_normal((*channels, *kernel)).astype(np.float32)
        return x, weight, {"stride": stride, "padding": pads, "dilation": dilation,
                           "groups": groups}, attributes  # fmt: skip


@pytest.mark.parametrize("padding", ["pairs", *WORDS])
@pytest.mark.parametrize("transposed", [False, True], ids=["conv", "conv_transpose"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_functions_and_layers_give_the_same_numbers(axes, transposed, padding):
    rng = np.random.default_rng(axes)
    name = f"conv{'_transpose' * transposed}{axes}d"
    kind = f"Conv{'Transpose' * transposed}{axes}d"
    for _ in range(40):
        x, weight, parameters, attributes = some_case(rng, axes, transposed, padding)
        golden = computed("ConvTranspose" if transposed else "Conv", x, weight, attributes)
        slow = reference.conv_transpose if transposed else reference.conv
        magnitude = convolution_magnitude(slow, x, weight, **parameters)
        y = getattr(up, name)(x, weight, **parameters)
        assert_within(y, golden.astype(np.float64), 1e-5 * magnitude)
        layer = getattr(up, kind)(weight, **parameters)
        for _ in range(2):
            assert_within(layer(x), golden.astype(np.float64), 1e-5 * magnitude)
