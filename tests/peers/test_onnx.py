"""ONNX models: every operator's shapes, and what is solved from them, against ONNX Runtime."""

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper, parser
from torch import nn

from upshape import shapes
from upshape.shapes import from_onnx, solve
from upshape.shapes._onnx_ops import OPERATORS

INT = np.int64


def build(body, constants=None, opset=18, dims="1, 2, h, w", outputs="y"):
    """Make a model of a graph in ONNX's text form; constants are arrays, or shapes of ones."""
    heads = ", ".join(f"float {name}" for name in outputs.split(","))
    text = (
        f'<ir_version: 8, opset_import: ["" : {opset}]>\n'
        f"graph (float[{dims}] x) => ({heads}) {{ {body} }}"
    )
    model = parser.parse_model(text)
    for name, value in (constants or {}).items():
        array = np.ones(value, np.float32) if isinstance(value, tuple) else np.asarray(value)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    for output in model.graph.output:  # of any rank and type: the runtime finds out
        kind = TensorProto.INT64 if output.name.startswith("int") else TensorProto.FLOAT
        kind = TensorProto.BOOL if output.name.startswith("bool") else kind
        output.CopyFrom(helper.make_tensor_value_info(output.name, kind, None))
    return model


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def outcome(runner, shape, model=None):
    """The shapes that ONNX Runtime makes of an input's shape, None where it refuses it.

    A pooling of the input itself whose kernel does not fit has no output by ONNX's definition; the
    runtime divides towards zero there.
    """
    for node in [] if model is None else model.graph.node:
        if node.op_type in ("MaxPool", "AveragePool", "LpPool") and node.input[0] == "x":
            given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
            kernel = given["kernel_shape"]
            axes = len(kernel)
            if given.get("auto_pad"):
                continue
            pads, apart = given.get("pads", [0] * 2 * axes), given.get("dilations", [1] * axes)
            strides = given.get("strides", [1] * axes)
            for axis, size in enumerate(shape[2:]):
                room = size + pads[axis] + pads[axis + axes] - apart[axis] * (kernel[axis] - 1) - 1
                if room + (strides[axis] - 1) * given.get("ceil_mode", 0) < 0:
                    return None
    if runner is None:
        return None
    try:
        made = runner.run(None, {"x": np.ones(shape, np.float32)})
    except Exception:
        return None
    return [array.shape for array in made]


CONV = {"w": (4, 2, 3, 3)}
UP = {"w": (2, 3, 3, 3)}
PARTS = "h = Shape<start=2, end=3>(x) w = Shape<start=3, end=4>(x) c = Shape<start=0, end=2>(x) "


def ints(*numbers):
    return np.array(numbers, INT)


def floats(*numbers):
    return np.array(numbers, np.float32)


# What is computed with sizes ends in a shape: that of an expanded constant.
def sized(body, constants=None, **more):
    """A graph whose output has h', w' as computed from h and w, at least 1 each."""
    body = f"{PARTS} {body} s = Concat<axis=0>(c, u, v) y = Expand(one, s)"
    return (
        body,
        {"one": np.ones(1, np.float32), "two": ints(2), "k": ints(5), **(constants or {})},
        more,
    )


CASES = {
    # Windows.
    "Conv": ("y = Conv(x, w)", CONV),
    "Conv stride, sides": ("y = Conv<strides=[2, 3], pads=[1, 0, 2, 1]>(x, w)", CONV),
    "Conv dilation": ("y = Conv<dilations=[2, 3], pads=[1, 1, 1, 1]>(x, w)", CONV),
    "Conv group": ("y = Conv<group=2>(x, w)", {"w": (4, 1, 3, 3)}),
    "Conv upper": ('y = Conv<auto_pad="SAME_UPPER", strides=[2, 3]>(x, w)', CONV),
    "Conv lower": ('y = Conv<auto_pad="SAME_LOWER", strides=[3, 2]>(x, w)', CONV),
    "Conv valid": ('y = Conv<auto_pad="VALID", strides=[2, 2]>(x, w)', CONV),
    "Conv channels": ("y = Conv(x, w)", {"w": (4, 3, 3, 3)}),
    "ConvTranspose": ("y = ConvTranspose(x, w)", UP),
    "ConvTranspose pads": (
        "y = ConvTranspose<strides=[2, 3], pads=[1, 2, 0, 2], output_padding=[1, 2]>(x, w)",
        UP,
    ),
    "ConvTranspose dilation": ("y = ConvTranspose<dilations=[2, 2], strides=[2, 2]>(x, w)", UP),
    "ConvTranspose upper": (
        'y = ConvTranspose<auto_pad="SAME_UPPER", strides=[2, 3]>(x, w)',
        UP,
    ),
    "ConvTranspose lower": (
        'y = ConvTranspose<auto_pad="SAME_LOWER", strides=[2, 2]>(x, w)',
        UP,
    ),
    "ConvTranspose shape, stride": (
        "y = ConvTranspose<output_shape=[40, 7], strides=[3, 4], dilations=[2, 1]>(x, w)",
        UP,
    ),
    "ConvTranspose shape": (
        "y = ConvTranspose<output_shape=[40, 44], strides=[2, 2]>(x, w)",
        UP,
    ),
    "MaxPool": ("y = MaxPool<kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]>(x)", {}),
    "MaxPool ceil": (
        "y = MaxPool<kernel_shape=[3, 2], strides=[2, 3], ceil_mode=1>(x)",
        {},
    ),
    "MaxPool ceil drop": (
        "y = MaxPool<kernel_shape=[2, 2], strides=[3, 4], pads=[1, 1, 1, 1], ceil_mode=1>(x)",
        {},
    ),
    "MaxPool dilation": ("y = MaxPool<kernel_shape=[3, 3], dilations=[2, 2]>(x)", {}),
    "MaxPool upper": (
        'y = MaxPool<kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER">(x)',
        {},
    ),
    "MaxPool wide": ("y = MaxPool<kernel_shape=[3, 3], pads=[2, 2, 2, 2]>(x)", {}),
    "AveragePool": ("y = AveragePool<kernel_shape=[2, 2], strides=[2, 2]>(x)", {}),
    "AveragePool ceil": (
        "y = AveragePool<kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, pads=[0,0,1,1]>(x)",
        {},
    ),
    "LpPool": ("y = LpPool<kernel_shape=[2, 3], strides=[2, 2]>(x)", {}),
    "GlobalAveragePool": ("y = GlobalAveragePool(x)", {}),
    "GlobalMaxPool": ("y = GlobalMaxPool(x)", {}),
    "GlobalLpPool": ("y = GlobalLpPool(x)", {}),
    "MaxUnpool": (
        "p, q = MaxPool<kernel_shape=[2, 3]>(x) y = MaxUnpool<kernel_shape=[2, 3]>(p, q)",
        {},
    ),
    "MaxUnpool shape": (
        "p, q = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x) s = Shape(x)"
        " y = MaxUnpool<kernel_shape=[2, 2], strides=[2, 2]>(p, q, s)",
        {},
    ),
    # Interpolation.
    "Resize scales": ('y = Resize<mode="nearest">(x, , s)', {"s": floats(1, 1, 2, 1.5)}),
    "Resize down": ('y = Resize<mode="linear">(x, , s)', {"s": floats(1, 1, 0.5, 0.25)}),
    "Resize sizes": ('y = Resize<mode="linear">(x, , , s)', {"s": ints(1, 2, 17, 30)}),
    "Resize axes": (
        'y = Resize<mode="nearest", axes=[2, 3]>(x, , , s)',
        {"s": ints(17, 30)},
    ),
    "Resize not larger": (
        'y = Resize<mode="nearest", axes=[2, 3], keep_aspect_ratio_policy="not_larger">(x, , , s)',
        {"s": ints(17, 30)},
    ),
    "Resize not smaller": (
        'y = Resize<mode="nearest", axes=[2, 3], keep_aspect_ratio_policy="not_smaller">(x, , , s)',
        {"s": ints(17, 30)},
    ),
    "Upsample": ('y = Upsample<mode="nearest">(x, s)', {"s": floats(1, 1, 2, 3)}, {"opset": 9}),
    "GridSample": (
        "g = Expand(one, s) y = GridSample(x, g)",
        {"one": np.ones(1, np.float32), "s": ints(1, 7, 9, 2)},
    ),
    # Joins.
    "Add": (
        "a = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x) y = Add(a, b)",
        {"b": (1, 2, 4, 1)},
    ),
    "Sum": ("a = MaxPool<kernel_shape=[2, 2]>(x) y = Sum(a, b, a)", {"b": (2, 1, 1)}),
    "Mean": ("a = MaxPool<kernel_shape=[2, 2]>(x) y = Mean(a, b)", {"b": (1,)}),
    "Max": ("y = Max(x, b)", {"b": (6, 1)}),
    "Min": ("y = Min(x, b)", {"b": (1, 6)}),
    "Sub, Mul, Div, Pow": (
        "a = Sub(x, b) d = Mul(a, b) e = Div(d, x) y = Pow(e, b)",
        {"b": (1, 2, 1, 1)},
    ),
    "Where": ("m = Greater(x, b) y = Where(m, x, b)", {"b": (1, 1, 8, 1)}),
    "Concat": (
        "p = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x)"
        " u = ConvTranspose<strides=[2, 2]>(p, w) y = Concat<axis=1>(u, x)",
        {"w": (2, 3, 2, 2)},
    ),
    "Concat along": (
        "p = MaxPool<kernel_shape=[1, 2], strides=[1, 2]>(x) y = Concat<axis=-1>(p, x, p)",
        {},
    ),
    "PRelu": ("y = PRelu(x, b)", {"b": (2, 1, 1)}),
    # Shapes as values.
    "h // 2, w * 3": sized("u = Div(h, two) v = Mul(w, three)", {"three": ints(3)}),
    "minus": sized("a = Sub(h, k) u = Neg(a) b = Sub(w, k) v = Abs(b)"),
    "minus, div": sized("a = Sub(h, k) u = Div(a, two) v = Max(a, two)"),
    "Mod": sized("a = Mod(h, k) u = Add(a, two) b = Mod<fmod=1>(w, k) v = Add(b, two)"),
    "Min and Max": sized("u = Min(h, k) v = Max(w, k)"),
    "Cast": sized(
        "a = Cast<to=1>(h) b = Mul(a, f) d = Floor(b) u = Cast<to=7>(d)"
        " e = Cast<to=1>(w) g = Div(e, q) i = Ceil(g) v = Cast<to=7>(i)",
        {"f": floats(2.5), "q": floats(3)},
    ),
    "Cast trunc": sized(
        "a = Cast<to=1>(h) b = Mul(a, f) u = Cast<to=7>(b)"
        " e = Cast<to=1>(w) g = Mul(e, f) i = Round(g) v = Cast<to=7>(i)",
        {"f": floats(1.25)},
    ),
    "Where size": sized(
        "m = Greater(h, k) u = Where(m, two, h) n = Equal(w, k) v = Where(n, two, w)"
    ),
    "compared": sized(
        "m = LessOrEqual(h, k) n = GreaterOrEqual(w, k) o = And(m, n) r = Less(h, two)"
        " t = Or(o, r) z = Not(t) j = Xor(z, m) u = Where(z, two, h) v = Where(j, k, w)"
    ),
    "Clip": sized(
        "u = Clip(h, lo, hi) v = Identity(w)", {"lo": np.array(3, INT), "hi": np.array(9, INT)}
    ),
    "Pow": sized("u = Pow(h, two) v = Add(w, two)"),
    "Size": sized(
        "a = Size(x) b = Unsqueeze(a, z) u = Div(b, k) v = Identity(two)", {"z": ints(0)}
    ),
    "ReduceProd": sized(
        "a = Shape(x) b = ReduceProd<keepdims=1>(a, z) u = Div(b, k)"
        " v = ReduceSum<keepdims=1>(a, z)",
        {"z": ints(0)},
    ),
    "Gather of shape": sized(
        "a = Shape(x) b = Gather(a, i) u = Unsqueeze(b, z) d = Gather(a, j) e = Reshape(d, m)"
        " v = Squeeze(e, z)",
        {"z": ints(0), "i": np.array(2, INT), "j": ints(-1), "m": ints(1, 1)},
    ),
    "Slice of shape": sized(
        "a = Shape(x) u = Slice(a, b, d) t = Transpose(a) v = Slice(t, z, o)",
        {"b": ints(2), "d": ints(3), "z": ints(0), "o": ints(1)},
    ),
    "Split of shape": sized("a = Shape(x) e, u, v = Split(a, p)", {"p": ints(2, 1, 1)}),
    "Range": sized(
        "a = Squeeze(h) r = Range(z, a, d) u = Shape(r) v = Identity(w)",
        {"z": np.array(0, INT), "d": np.array(3, INT)},
    ),
    "ConstantOfShape": (
        "h = Shape<start=2, end=4>(x) y = ConstantOfShape<value = float[1] {1.0}>(h)",
        {},
    ),
    "ConstantOfShape int": sized(
        "u = ConstantOfShape<value = int64[1] {4}>(o) v = Identity(w)", {"o": ints(1)}
    ),
    "Tile": ("y = Tile(x, r)", {"r": ints(1, 1, 2, 3)}),
    "If": sized(
        "m = Greater(h, k) q = Squeeze(m)"
        " u = If(q)<then_branch = g1 () => (int64[1] a) { a = Identity(two) },"
        " else_branch = g2 () => (int64[1] a) { a = Identity(h) }> v = Identity(w)"
    ),
    "Sqrt unused": sized("a = Cast<to=1>(h) b = Sqrt(a) u = Identity(h) v = Identity(w)"),
    # Axes.
    "Reshape": ("y = Reshape(x, s)", {"s": ints(0, -1, 12)}),
    "Reshape known": ("y = Reshape(x, s)", {"s": ints(1, 2, 64)}),
    "Reshape zero": ("y = Reshape<allowzero=1>(x, s)", {"s": ints(-1, 6)}),
    "tokens": (
        "s = Shape(x) a = Reshape(x, t) b = Transpose<perm=[0, 2, 1]>(a) "
        "d = Transpose<perm=[0, 2, 1]>(b) e = Reshape(d, s) y = Add(e, x)",
        {"t": ints(0, 2, -1)},
    ),
    "windows": (
        "s = Reshape(x, t) b = Transpose<perm=[0, 2, 4, 1, 3, 5]>(s) y = Reshape(b, u)",
        {"t": ints(1, 2, 1, -1, 4, 5), "u": ints(-1, 2, 20)},
    ),
    "Flatten": ("y = Flatten<axis=2>(x)", {}),
    "Squeeze": ("p = GlobalMaxPool(x) y = Squeeze(p, a)", {"a": ints(2, 3)}),
    "Squeeze size": ("y = Squeeze(x, a)", {"a": ints(2)}),
    "Unsqueeze": ("y = Unsqueeze(x, a)", {"a": ints(0, -1)}),
    "Transpose": ("y = Transpose(x)", {}),
    "Split": ("a, b = Split<axis=2>(x, s) y = Concat<axis=1>(a, a)", {"s": ints(3, 7)}),
    "Split even": ("a, b = Split<axis=3, num_outputs=2>(x) y = Concat<axis=3>(a, b, a)", {}),
    "Split uneven": ("a, b, d = Split<axis=3, num_outputs=3>(x) y = Concat<axis=3>(d, a)", {}),
    "Split old": ("a, b = Split<axis=3>(x) y = Add(a, b)", {}, {"opset": 11}),
    "Slice": (
        "y = Slice(x, a, b, d, e)",
        {"a": ints(1, -9), "b": ints(-2, 2**40), "d": ints(2, 3), "e": ints(2, 3)},
    ),
    "Slice backwards": (
        "y = Slice(x, a, b, d, e)",
        {"a": ints(-1, 7), "b": ints(-(2**40), 1), "d": ints(2, 3), "e": ints(-1, -2)},
    ),
    "Slice by size": (
        "h = Shape<start=2, end=3>(x) e = Div(h, two) y = Slice(x, e, h, a)",
        {"two": ints(2), "a": ints(3)},
    ),
    "Gather": ("y = Gather<axis=2>(x, i)", {"i": ints(0, 3, -2)}),
    "GatherElements": ("y = GatherElements<axis=1>(x, i)", {"i": np.zeros((1, 1, 1, 1), INT)}),
    "GatherND": ("y = GatherND(x, i)", {"i": np.zeros((3, 2), INT)}),
    "Expand": ("y = Expand(x, s)", {"s": ints(3, 1, 1, 6)}),
    "Pad": ("y = Pad(x, p)", {"p": ints(0, 0, 1, 2, 0, 0, 3, 0)}),
    "Pad reflect": ('y = Pad<mode="reflect">(x, p)', {"p": ints(0, 0, 3, 0, 0, 0, 1, 4)}),
    "Pad edge": ('y = Pad<mode="edge">(x, p)', {"p": ints(0, 0, 3, 0, 0, 0, 1, 4)}),
    "Pad cut": ("y = Pad(x, p)", {"p": ints(0, 0, -3, 0, 0, 0, 1, -4)}),
    "Pad axes": ("y = Pad(x, p, , a)", {"p": ints(1, 2), "a": ints(-1)}),
    "Pad to eight": (
        "h = Shape<start=2, end=3>(x) w = Shape<start=3, end=4>(x) nh = Neg(h) nw = Neg(w)"
        " a = Mod(nh, k) b = Mod(nw, k) p = Concat<axis=0>(z, a, b) y = Pad(x, p)",
        {"k": ints(8), "z": ints(0, 0, 0, 0, 0, 0)},
    ),
    "DepthToSpace": ("a = Concat<axis=1>(x, x) y = DepthToSpace<blocksize=2>(a)", {}),
    "SpaceToDepth": ("y = SpaceToDepth<blocksize=3>(x)", {}),
    # Products.
    "MatMul": ("y = MatMul(x, w)", {"w": (12, 3)}),
    "MatMul maps": ("t = Transpose<perm=[0, 1, 3, 2]>(x) y = MatMul(x, t)", {}),
    "MatMul vector": ("y = MatMul(x, v)", {"v": (9,)}),
    "Gemm": ("f = Flatten(x) y = Gemm<transB=1>(f, w)", {"w": (5, 32)}),
    "Einsum": ('y = Einsum<equation="nchw,kc->nkhw">(x, w)', {"w": (5, 2)}),
    "Einsum dots": ('y = Einsum<equation="...hw,wk->...hk">(x, w)', {"w": (7, 2)}),
    "Einsum sum": ('y = Einsum<equation="nchw,nchw->nc">(x, b)', {"b": (1, 2, 6, 6)}),
    # Reductions.
    "ReduceMean": ("y = ReduceMean(x, a)", {"a": ints(2, 3)}),
    "ReduceMax": ("y = ReduceMax<keepdims=0>(x, a)", {"a": ints(1)}),
    "ReduceMin": ("y = ReduceMin<keepdims=0>(x)", {}),
    "Reduce others": (
        "a = ReduceL1(x, z) b = ReduceL2(x, z) d = ReduceLogSum(x, z) e = ReduceLogSumExp(x, z)"
        " f = ReduceSumSquare(x, z) y = Sum(a, b, d, e, f)",
        {"z": ints(1)},
    ),
    "ArgMax": ("i = ArgMax<axis=2>(x) y = Cast<to=1>(i)", {}),
    "ArgMin": ("i = ArgMin<axis=-1, keepdims=0>(x) y = Cast<to=1>(i)", {}),
    "TopK": ("y, i = TopK<axis=3>(x, k)", {"k": ints(6)}),
    "OneHot": (
        "i = ArgMax<axis=1, keepdims=0>(x) y = OneHot(i, d, v)",
        {"d": np.array(5, INT), "v": floats(0, 1)},
    ),
    # What keeps its shape.
    "normalised": (
        "a = BatchNormalization(x, s, s, s, s) y = InstanceNormalization(a, s, s)",
        {"s": (2,)},
    ),
    "LayerNormalization": ("y = LayerNormalization(x, s)", {"s": (9,)}),
    "BatchNormalization channels": ("y = BatchNormalization(x, s, s, s, s)", {"s": (3,)}),
    "activations": (
        "a = Relu(x) b = LeakyRelu(a) d = Elu(b) e = Selu(d) f = Sigmoid(e) g = HardSigmoid(f)"
        " h = Softplus(g) i = Tanh(h) j = Exp(i) k = Erf(j) l = Softmax<axis=1>(k)"
        " m = LogSoftmax(l) n = HardSwish(m) o = Reciprocal(n) p = Sign(o) y = Dropout(p)",
        {},
    ),
    "others": (
        "a = Cast<to=1>(x) b = CastLike(a, x) d = CumSum(b, ax) e = Trilu(d) y = LRN<size=3>(e)",
        {"ax": np.array(2, INT)},
    ),
    "QuantizeLinear": ("q = QuantizeLinear(x, s) y = DequantizeLinear(q, s)", {"s": np.float32(1)}),
}


def made(name):
    body, constants, *more = CASES[name]
    return build(body, constants, **(more[0] if more else {}))


@pytest.mark.parametrize("name", CASES)
def test_operators_make_the_shapes_that_onnx_runtime_makes(name):
    model = made(name)
    refused = name == "BatchNormalization channels"  # whatever the size, before it runs
    runner = None if refused else session(model)
    network = from_onnx(model)
    assert network.unread == ()
    graph = network._model
    answers = {None: solve(network)}
    answers |= {axis: solve(network, axis=axis) for axis in (0, 1)}
    for axis, answer in answers.items():
        for n in range(1, 31):
            sizes = answer._survey.sizes(n)
            want = outcome(runner, (1, 2, *sizes), model)
            if want is not None and any(0 in shape for shape in want):
                want = None
            assert (n in answer) == (want is not None), (axis, n, want)
            if want is not None:
                assert tuple(answer.shape(n)) == tuple(want[0]), (axis, n)
    assert graph.rank == 2
    if answers[None]:
        answers[None].check()


ALIKE = """
    Acos Acosh Asin Asinh Atan Atanh Bernoulli BitwiseNot Celu Cos Cosh ConvInteger
    DynamicQuantizeLinear EyeLike Gelu GroupNormalization Hardmax IsInf IsNaN Log LpNormalization
    MatMulInteger MeanVarianceNormalization Mish RMSNormalization RandomNormal RandomNormalLike
    RandomUniform RandomUniformLike ScatterElements ScatterND Shrink SimplifiedLayerNormalization
    Sin Sinh Softsign SplitToSequence Swish Tan ThresholdedRelu
"""


def test_every_operator_has_a_case():
    covered = {
        node.op_type for name in CASES if name != "ScatterND" for node in made(name).graph.node
    }
    # Shapes are kept by these as by the others of their row, or the runtime lacks them.
    alike = {*ALIKE.split()}
    assert set(OPERATORS) - covered == alike & set(OPERATORS) - covered
    assert not alike & covered


# Whole models.


class Skip(nn.Module):
    """Down twice, and up to the sizes of what was."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.second = nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, x):
        skip = self.first(x)
        deep = F.interpolate(self.second(skip), size=skip.shape[2:], mode="bilinear")
        return F.interpolate(torch.cat([deep, skip], 1), size=x.shape[2:])


class Windows(nn.Module):
    """Padded to windows of 8x8, attention within them, and cropped again."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 3, padding=1)
        self.query = nn.Linear(8, 8)

    def forward(self, x):
        h, w = x.shape[2:]
        y = self.embed(F.pad(x, (0, (8 - w % 8) % 8, 0, (8 - h % 8) % 8), mode="reflect"))
        b, c, height, width = y.shape
        t = y.permute(0, 2, 3, 1).reshape(b, height // 8, 8, width // 8, 8, c)
        t = t.permute(0, 1, 3, 2, 4, 5).reshape(-1, 64, c)
        t = t + self.query(t) @ t.transpose(1, 2) @ t
        y = t.reshape(b, height // 8, width // 8, 8, 8, c).permute(0, 1, 3, 2, 4, 5)
        return y.reshape(b, height, width, c).permute(0, 3, 1, 2)[:, :, :h, :w]


class Shuffled(nn.Module):
    """Pixels to channels and back, by different blocks; a gate; a pooling that rounds up."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, 2, 1)
        self.gate = nn.Linear(27, 27)

    def forward(self, x):
        y = F.pixel_unshuffle(F.pixel_shuffle(self.conv(x), 2), 3)
        y = y * self.gate(y.mean((2, 3))).sigmoid()[:, :, None, None]
        return F.max_pool2d(y, 3, 2, 1, ceil_mode=True)


@pytest.mark.parametrize("kind", [Skip, Windows, Shuffled])
def test_exported_models_have_the_answers_of_their_modules(kind, tmp_path):
    model = kind().eval()
    open_axis = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (torch.zeros(1, 3, 96, 144),),
            dynamo=True,
            dynamic_shapes=({2: open_axis, 3: open_axis},),
            verbose=False,
        )
    file = tmp_path / "model.onnx"
    program.save(file)
    network = from_onnx(file)
    for axis in (None, 0, 1):
        answer = solve(network, axis=axis)
        assert answer == solve(model, axis=axis)
        answer.check(str(file))
    whole = solve(network)
    for sizes in ((17, 40), (5, 30), (6, 35), (1, 1)):
        assert (sizes in whole) == (sizes in solve(model))
        assert f"{sizes[0]}x{sizes[1]}" in str(whole.explain(sizes))


def test_channels_last_and_other_ranks():
    model = build(
        "t = Transpose<perm=[0, 3, 1, 2]>(x) p = MaxPool<kernel_shape=[2, 2], strides=[2, 3]>(t)"
        " y = Transpose<perm=[0, 2, 3, 1]>(p)",
        dims="n, h, w, 3",
    )
    assert repr(solve(from_onnx(model), axis=0)) == "Answer(inputs={n : n >= 2}, output=floor(i/2))"
    assert solve(from_onnx(model), axis=1).output(9) == 3
    model = build("y = MaxPool<kernel_shape=[4]>(x)", dims="1, 3, n")
    assert repr(solve(from_onnx(model))) == "Answer(inputs={n : n >= 4}, output=i - 3)"
    model = build("y = MatMul(x, w)", {"w": (8, 4)}, dims="b, n")
    assert list(solve(from_onnx(model))) == [8]


def test_fixed_sizes_are_taken_alone():
    model = build("y = Relu(x)", dims="1, 3, 224, 200")
    assert list(solve(from_onnx(model), axis=0)) == [224]
    assert list(solve(from_onnx(model), axis=1)) == [200]
    assert not solve(from_onnx(model))
    assert "has the fixed size 224, got 9" in str(solve(from_onnx(model), axis=0).explain(9))


def test_named_dimensions_agree():
    model = build("y = Relu(x)", dims="1, 3, s, s")
    assert solve(from_onnx(model)).minimum == 1
    assert not solve(from_onnx(model), axis=0).covers(1, 300)
    two = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18]> g (float[1, 3, h, w] x, float[1, 5, h, w] z)'
        " => (float[1, 8, h, w] y) { y = Concat<axis=1>(x, z) }"
    )
    assert solve(from_onnx(two)).covers(1, 1000)
    half = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18]> g (float[1, 3, h, w] x, float[1, 5, a, b] z)'
        " => (float[1, 8, h, w] y) { y = Concat<axis=1>(x, z) }"
    )
    assert solve(from_onnx(half)).covers(1, 1000)


def test_what_is_not_understood_is_named_and_nothing_is_claimed():
    for body, told in [
        ("y = NonZero(x)", "NonZero 'y': the operator is not known"),
        (
            "i = ArgMax<axis=2>(x) j = Slice(i, z, o, t) y = Expand(x, j)",
            "the shape is computed from",
        ),
        (
            "s = Shape<start=2, end=4>(x) f = Cast<to=1>(s) g = Mul(f, q) h = Cast<to=7>(g)"
            " y = ConstantOfShape(h)",
            "Cast 'h': it computes with floats that are rounded",
        ),
    ]:
        constants = {"z": ints(0), "o": ints(1), "t": ints(2), "q": floats(1.3)}
        network = from_onnx(build(body, constants))
        (text,) = network.unread
        assert told in text
        with pytest.raises(ValueError, match="parts whose effect on sizes is unknown"):
            solve(network)
    # What no output depends on is no matter.
    assert from_onnx(build("n = NonZero(x) y = Relu(x)")).unread == ()
    text = '<ir_version: 8, opset_import: ["" : 18]> g (float[1, 3, h, w] x, float[n, k] z) => '
    unused = parser.parse_model(text + "(float[1, 3, h, w] y) { y = Relu(x) q = Relu(z) }")
    assert from_onnx(unused).unread == ()
    solve(from_onnx(unused)).check()
    used = parser.parse_model(text + "(float[1, 3, h, w] y) { y = Add(x, z) }")
    assert from_onnx(used).unread == ("input 'z': its axis 1 (k) is open",)
    model = build("y = Relu(x)")
    model.graph.node[0].input[0] = "nowhere"
    assert from_onnx(model).unread == ("Relu 'y': nothing makes its input 'nowhere'",)


def test_functions_of_a_model_are_looked_into():
    text = """<ir_version: 8, opset_import: ["" : 18, "own" : 1]>
    graph (float[1, 2, h, w] x) => (float[1, 2, a, b] y) { z = own.halved(x) y = own.halved(z) }
    <domain: "own", opset_import: ["" : 18]>
    halved (a) => (b) { b = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(a) }"""
    answer = solve(from_onnx(parser.parse_model(text)))
    assert repr(answer) == "Answer(inputs={n : n >= 4}, output=floor(i/4))"


def test_files_bytes_and_what_is_none(tmp_path):
    model = build("y = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x)")
    file = tmp_path / "half.onnx"
    onnx.save(model, file)
    for one in (file, str(file), model.SerializeToString(), model):
        assert solve(from_onnx(one)) == solve(shapes.Pool(2))
    assert "half.onnx does not take 1" in str(solve(from_onnx(file)).explain(1))
    with pytest.raises(TypeError, match=r"must be a path, bytes or an onnx\.ModelProto, got 3"):
        from_onnx(3)
    with pytest.raises(ValueError, match="from_onnx: the model is no ONNX model"):
        from_onnx(b"junk" * 10)
    with pytest.raises(ValueError, match="the model has no inputs, or no outputs"):
        from_onnx(b"")
    with pytest.raises(FileNotFoundError):
        from_onnx(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match="batch must be an int of at least 1, got 0"):
        from_onnx(model, batch=0)


def test_files_are_not_mended():
    network = from_onnx(build("y = Relu(x)"))
    with pytest.raises(TypeError, match="and a file has none; mend the model"):
        solve(network, fix="size")


def test_check_finds_a_wrong_answer():
    right = build("y = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x)")
    wrong = build("y = MaxPool<kernel_shape=[3, 3], strides=[2, 2]>(x)")
    answer = solve(from_onnx(right))
    answer.check()
    with pytest.raises(AssertionError, match="at 4: the answer says 2, but ONNX Runtime makes 1"):
        answer.check(wrong.SerializeToString())


def test_the_command_line_solves_files(tmp_path, capsys):
    from upshape.cli import main

    file = tmp_path / "half.onnx"
    onnx.save(build("y = SpaceToDepth<blocksize=3>(x)"), file)
    assert main(["solve", str(file)]) == 0
    assert "{3 n : n >= 1}" in capsys.readouterr().out
    assert main(["solve", str(file), "--size", "7x9"]) == 1
    assert "size 7 is not divided by 3" in capsys.readouterr().out
