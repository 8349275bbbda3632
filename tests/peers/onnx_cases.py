"""Graphs of ONNX in its text form, at least one an operator, for `test_onnx`."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper, parser

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
    "Split computed": (
        "t = Shape<start=2, end=3>(x) p = Div(t, d) q = Sub(t, p) r = Concat<axis=0>(p, q) "
        "a, b = Split<axis=2>(x, r) e = Conv<kernel_shape=[1, 1]>(a, w) y = Concat<axis=2>(e, b)",
        {"d": ints(3), "w": np.ones((2, 2, 1, 1), np.float32)},
    ),
    "Split computed below nothing": (
        "t = Shape<start=2, end=3>(x) p = Sub(t, d) q = Sub(t, p) r = Concat<axis=0>(p, q) "
        "a, b = Split<axis=2>(x, r) y = Identity(b)",
        {"d": ints(4)},
    ),
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

# What keeps a map's shape, one case an operator.
KEEPING = """
    Acos Acosh Asin Asinh Atan Atanh Bernoulli Celu Cos Cosh Gelu Hardmax Log LpNormalization
    MeanVarianceNormalization Mish RandomNormalLike RandomUniformLike Shrink Sin Sinh Softsign
    Swish Tan ThresholdedRelu
"""
NEWER = {"Gelu": 20, "Swish": 24}
CASES |= {name: (f"y = {name}(x)", {}, {"opset": NEWER.get(name, 18)}) for name in KEEPING.split()}
CASES |= {
    "IsNaN": ("booly = IsNaN(x)", {}, {"outputs": "booly"}),
    "IsInf": ("booly = IsInf(x)", {}, {"outputs": "booly"}),
    "BitwiseNot": ("a = Cast<to=7>(x) b = BitwiseNot(a) y = Cast<to=1>(b)", {}),
    "Bitwise": (
        "a = Cast<to=7>(x) b = BitwiseAnd(a, k) c = BitwiseOr(b, k) d = BitwiseXor(c, k)"
        " y = Cast<to=1>(d)",
        {"k": np.ones((6, 1), INT)},
    ),
    "BitShift": (
        'a = Cast<to=13>(x) b = BitShift<direction="LEFT">(a, k) y = Cast<to=1>(b)',
        {"k": np.ones((6, 1), np.uint64)},
    ),
    "CumProd": ("y = CumProd(x, a)", {"a": np.array(2, INT)}, {"opset": 26}),
    "RandomNormal": ("a = RandomNormal<shape=[1, 2, 6, 1]>() y = Add(x, a)", {}),
    "RandomUniform": ("a = RandomUniform<shape=[1, 2, 1, 6]>() y = Add(x, a)", {}),
    "EyeLike": ("s = Shape<start=2>(x) t = ConstantOfShape(s) y = EyeLike(t)", {}),
    "EyeLike of a map": ("y = EyeLike(x)", {}),
    "GroupNormalization": ("y = GroupNormalization<num_groups=1>(x, s, s)", {"s": (1,)}),
    "GroupNormalization 21": (
        "y = GroupNormalization<num_groups=1>(x, s, s)",
        {"s": (2,)},
        {"opset": 21},
    ),
    "GroupNormalization groups": (
        "y = GroupNormalization<num_groups=3>(x, s, s)",
        {"s": (2,)},
        {"opset": 21},
    ),
    "RMSNormalization": ("y = RMSNormalization(x, s)", {"s": (9,)}, {"opset": 23}),
    "RMSNormalization axis": (
        "y = RMSNormalization<axis=2>(x, s)",
        {"s": (9, 9)},
        {"opset": 23},
    ),
    "SimplifiedLayerNormalization": ("y = SimplifiedLayerNormalization(x, s)", {"s": (9,)}),
    "LayerNormalization axis": ("y = LayerNormalization<axis=2>(x, s)", {"s": (9, 9)}),
    "LayerNormalization one": ("y = LayerNormalization(x, s)", {"s": (1,)}),
    "LayerNormalization bias": ("y = LayerNormalization(x, s, b)", {"s": (9,), "b": (6,)}),
    # Numbers with a scale.
    "DynamicQuantizeLinear": (
        "q, s, z = DynamicQuantizeLinear(x) y = DequantizeLinear(q, s, z)",
        {},
    ),
    "ConvInteger": (
        "a = Cast<to=2>(x) b = ConvInteger<strides=[2, 1], pads=[1, 0, 1, 2]>(a, w)"
        " y = Cast<to=1>(b)",
        {"w": np.ones((4, 2, 3, 3), np.uint8)},
    ),
    "MatMulInteger": (
        "a = Cast<to=2>(x) b = MatMulInteger(a, w) y = Cast<to=1>(b)",
        {"w": np.ones((9, 3), np.uint8)},
    ),
    "QLinearConv": (
        "a, s, z = DynamicQuantizeLinear(x) q = QLinearConv(a, s, z, w, s, z, s, z)"
        " y = DequantizeLinear(q, s, z)",
        {"w": np.ones((4, 2, 3, 3), np.uint8)},
    ),
    "QLinearMatMul": (
        "a, s, z = DynamicQuantizeLinear(x) q = QLinearMatMul(a, s, z, w, s, z, s, z)"
        " y = DequantizeLinear(q, s, z)",
        {"w": np.ones((9, 3), np.uint8)},
    ),
    # Indices.
    "ScatterElements": (
        "y = ScatterElements<axis=2>(x, i, u)",
        {"i": np.full((1, 1, 3, 2), 4, INT), "u": (1, 1, 3, 2)},
    ),
    "ScatterElements updates": (
        "y = ScatterElements<axis=2>(x, i, u)",
        {"i": np.zeros((1, 1, 3, 2), INT), "u": (1, 1, 2, 2)},
    ),
    "Scatter": (
        "y = Scatter<axis=3>(x, i, u)",
        {"i": np.full((1, 2, 3, 1), -3, INT), "u": (1, 2, 3, 1)},
        {"opset": 9},
    ),
    "ScatterND": ("y = ScatterND(x, i, u)", {"i": ints([0, 0, 3], [0, 1, -2]), "u": (2, 9)}),
    "ScatterND points": ("y = ScatterND(x, i, u)", {"i": ints([0, 0, 3, 4]), "u": (1,)}),
    "ScatterND updates": ("y = ScatterND(x, i, u)", {"i": ints([0, 0]), "u": (1, 7, 9)}),
    "GatherElements wide": (
        "y = GatherElements<axis=2>(x, i)",
        {"i": np.full((1, 2, 3, 6), -4, INT)},
    ),
    "GatherND far": ("y = GatherND(x, i)", {"i": ints([0, 1, 4], [0, 0, -7])}),
    "GatherND batch": ("y = GatherND<batch_dims=1>(x, i)", {"i": ints([1, 4])}),
    "Gather below": ("y = Gather<axis=2>(x, i)", {"i": np.array(-4, INT)}),
    "CenterCropPad": ("y = CenterCropPad<axes=[2, -1]>(x, s)", {"s": ints(7, 9)}),
    "CenterCropPad of shape": (
        "a = Shape(x) s = Div(a, t) y = CenterCropPad(x, s)",
        {"t": ints(1, 1, 2, 1)},
    ),
    "ReverseSequence": (
        "r = Squeeze(x, z) y = ReverseSequence<batch_axis=0, time_axis=1>(r, l)",
        {"z": ints(0), "l": ints(1, 1)},
    ),
    # Windows whose attributes fit no weights, and what a padding may be.
    "Conv kernel": ("y = Conv<kernel_shape=[2, 2]>(x, w)", CONV),
    "Conv groups": ("y = Conv<group=2>(x, w)", {"w": (3, 1, 3, 3)}),
    "Conv bias": ("y = Conv(x, w, b)", {"w": (4, 2, 3, 3), "b": (3,)}),
    "Conv cut": ("y = Conv<pads=[-1, 0, -1, 0]>(x, w)", CONV),
    "ConvTranspose bias": ("y = ConvTranspose(x, w, b)", {"w": (2, 3, 3, 3), "b": (4,)}),
    "ConvTranspose more": ("y = ConvTranspose<strides=[2,2], output_padding=[2, 2]>(x, w)", UP),
    "ConvTranspose upper more": (
        'y = ConvTranspose<auto_pad="SAME_UPPER", strides=[1, 2], output_padding=[1, 0]>(x, w)',
        UP,
    ),
    "ConvTranspose upper, padded": (
        'y = ConvTranspose<auto_pad="SAME_UPPER", strides=[2, 3], output_padding=[1, 0]>(x, w)',
        UP,
    ),
    "ConvTranspose valid": (
        'y = ConvTranspose<auto_pad="VALID", strides=[2, 3], output_padding=[1, 1]>(x, w)',
        UP,
    ),
    "ConvTranspose whole shape": (
        "y = ConvTranspose<output_shape=[1, 3, 40, 44], strides=[3, 3]>(x, w)",
        UP,
    ),
    "ConvTranspose padded away": (
        "y = ConvTranspose<pads=[3, 3, 3, 3], strides=[2, 2]>(x, w)",
        UP,
    ),
    "MaxPool wide ceil": (
        "y = MaxPool<kernel_shape=[3, 3], pads=[2, 2, 2, 1], strides=[2, 3], ceil_mode=1>(x)",
        {},
    ),
    "AveragePool wide ceil": (
        "y = AveragePool<kernel_shape=[3, 2], pads=[2, 1, 2, 1], strides=[4, 4], ceil_mode=1>(x)",
        {},
    ),
    "MaxPool indices": (
        "a, b = MaxPool<kernel_shape=[2, 2], storage_order=1>(x) y = Cast<to=1>(b)",
        {},
    ),
    "AveragePool old": (
        'y = AveragePool<kernel_shape=[2, 2], auto_pad="SAME_UPPER">(x)',
        {},
        {"opset": 7},
    ),
    "AveragePool dilation": (
        "y = AveragePool<kernel_shape=[2, 2], dilations=[2, 3]>(x)",
        {},
        {"opset": 19},
    ),
    "LpPool ceil": (
        "y = LpPool<kernel_shape=[2, 3], strides=[3, 2], ceil_mode=1, pads=[1, 1, 1, 1]>(x)",
        {},
    ),
    "DeformConv": (
        "y = DeformConv<strides=[2, 2], pads=[1, 1, 1, 1]>(x, w, o)",
        {"w": (4, 2, 3, 3), "o": (1, 18, 5, 5)},
        {"opset": 19},
    ),
    "Col2Im": (
        "r = Reshape(x, s) y = Col2Im<strides=[2, 1]>(r, i, b)",
        {"s": ints(1, 8, -1), "i": ints(9, 3), "b": ints(2, 2)},
    ),
    "RoiAlign": (
        "y = RoiAlign<output_height=3, output_width=2>(x, r, b)",
        {"r": (5, 4), "b": np.zeros(5, INT)},
    ),
    "MaxRoiPool": (
        "y = MaxRoiPool<pooled_shape=[3, 2]>(x, r)",
        {"r": np.zeros((5, 5), np.float32)},
    ),
    # Interpolation.
    "Resize old": ('y = Resize<mode="nearest">(x, s)', {"s": floats(1, 1, 0.5, 3)}, {"opset": 10}),
    "Resize thirds": ('y = Resize<mode="nearest">(x, , s)', {"s": floats(1, 1, 1 / 3, 2 / 3)}),
    "Resize tenths": ('y = Resize<mode="nearest">(x, , s)', {"s": floats(1, 1, 0.7, 0.1)}),
    "Resize both empty": (
        'y = Resize<mode="nearest">(x, r, s, t)',
        {"r": floats(), "s": floats(), "t": ints(1, 2, 5, 5)},
    ),
    "Resize crop sizes": (
        'y = Resize<mode="linear", coordinate_transformation_mode="tf_crop_and_resize">(x, r, , s)',
        {"r": floats(0, 0, 0.25, 0.25, 1, 1, 0.75, 0.75), "s": ints(1, 2, 7, 9)},
    ),
    "Resize by shape": (
        'a = Shape(x) b = Div(a, t) y = Resize<mode="linear">(x, , , b)',
        {"t": ints(1, 1, 2, 3)},
    ),
    "Upsample old": (
        'y = Upsample<mode="nearest", scales=[1.0, 1.0, 2.0, 1.5]>(x)',
        {},
        {"opset": 7},
    ),
    "AffineGrid": ("s = Shape(x) y = AffineGrid(t, s)", {"t": (1, 2, 3)}, {"opset": 20}),
    # Products.
    "Gemm plus": (
        "f = Flatten<axis=3>(x) y = Gemm<transB=1>(f, w, c)",
        {"w": (5, 9), "c": (12, 1)},
    ),
    "Det": ("y = Det(x)", {}),
    # Signals.
    "LSTM": (
        'r = Squeeze(x, z) y, h, c = LSTM<hidden_size=5, direction="bidirectional">(r, w, q)',
        {"z": ints(0), "w": (2, 20, 9), "q": (2, 20, 5)},
    ),
    "GRU": (
        "r = Squeeze(x, z) h, y = GRU<hidden_size=5>(r, w, q)",
        {"z": ints(0), "w": (1, 15, 9), "q": (1, 15, 5)},
    ),
    "RNN": (
        "r = Squeeze(x, z) y, h = RNN<hidden_size=5>(r, w, q)",
        {"z": ints(0), "w": (1, 5, 9), "q": (1, 5, 5)},
    ),
    "Attention": ("y = Attention(x, k, v)", {"k": (1, 2, 7, 9), "v": (1, 2, 7, 5)}, {"opset": 23}),
    "Attention heads": (
        "r = Squeeze(x, z) y = Attention<q_num_heads=3, kv_num_heads=3>(r, k, v)",
        {"z": ints(0), "k": (2, 7, 9), "v": (2, 7, 6)},
        {"opset": 23},
    ),
    "DFT": (
        "u = Unsqueeze(x, z) v = Squeeze(u, n) y = DFT<axis=2>(v)",
        {"z": ints(-1), "n": ints(0)},
    ),
    "DFT one side": (
        "u = Unsqueeze(x, z) y = DFT<onesided=1>(u, l, a)",
        {"z": ints(-1), "l": np.array(7, INT), "a": np.array(3, INT)},
        {"opset": 20},
    ),
    "DFT last": ("u = Unsqueeze(x, z) y = DFT<onesided=1>(u)", {"z": ints(-1)}, {"opset": 20}),
    "STFT": (
        "r = Reshape(x, s) y = STFT(r, t, w)",
        {"s": ints(1, -1, 1), "t": np.array(3, INT), "w": (8,)},
    ),
    "STFT frame": (
        "r = Reshape(x, s) y = STFT<onesided=0>(r, t, , l)",
        {"s": ints(1, -1, 1), "t": np.array(4, INT), "l": np.array(8, INT)},
    ),
    "windows of signals": (
        "s = Shape<start=3, end=4>(x) q = Squeeze(s) a = HannWindow(q) b = HammingWindow(q)"
        " c = BlackmanWindow(q) d = Mul(a, b) e = Mul(c, d) y = Mul(x, e)",
        {},
    ),
    # Sequences.
    "SplitToSequence": (
        "s = SplitToSequence<axis=2>(x, p) y = SequenceAt(s, i)",
        {"p": ints(3, 4), "i": np.array(-1, INT)},
    ),
    "SplitToSequence of channels": (
        "s = SplitToSequence<axis=1, keepdims=0>(x) y = ConcatFromSequence<axis=-1, new_axis=1>(s)",
        {},
    ),
    "sequences": (
        "s = SequenceConstruct(x, x, x) t = SequenceErase(s) u = SequenceErase(t, i)"
        " v = SequenceInsert(u, x, i) n = SequenceLength(v) m = Cast<to=1>(n)"
        " w = ConcatFromSequence<axis=-1>(v) y = Add(w, m)",
        {"i": np.array(0, INT)},
    ),
    "SequenceEmpty": (
        "s = SequenceEmpty() t = SequenceInsert(s, x) y = ConcatFromSequence<axis=2>(t)",
        {},
    ),
    # Graphs in graphs.
    "If outside": (
        "s = Shape<start=2, end=3>(x) g = Sub(s, k) b = Cast<to=9>(g) c = Squeeze(b)"
        " y = If(c)<then_branch = g1 () => (float[n0, n1, n2, n3] u)"
        " { u = MaxPool<kernel_shape=[2, 2]>(x) },"
        " else_branch = g2 () => (float[m0, m1, m2, m3] u) { u = Identity(x) }>",
        {"k": ints(6)},
    ),
    "If of values": (
        "m = ReduceMax<keepdims=0>(x) c = Greater(m, k)"
        " y = If(c)<then_branch = g1 () => (float[n0, n1, n2, n3] u) { u = Relu(x) },"
        " else_branch = g2 () => (float[m0, m1, m2, m3] u) { u = Identity(x) }>",
        {"k": np.float32(0)},
    ),
}


def looped(turns, condition, kept=""):
    """A loop that takes a pixel off each axis a turn, and keeps a map or a shape of each."""
    made, rank = ("o", 4) if kept else ("s", 1)
    sizes = ", ".join(f"q{n}" for n in range(rank))
    return (
        f"y, z = Loop({turns}, {condition}, x) <body = b (int64 i, bool k, float[n0,n1,n2,n3] a)"
        f" => (bool kk, float[m0,m1,m2,m3] o, float[{sizes}] t) {{ kk = Identity(k)"
        f" o = MaxPool<kernel_shape=[2, 2]>(a) s = Shape(o) t = Cast<to=1>({made}) }}>"
    )


LOOP = {"n": np.array(3, INT), "c": np.array(True), "three": ints(3)}
CASES |= {
    "Loop": (looped("n", "c"), LOOP),
    "Loop no condition": (looped("n", ""), LOOP),
    "Loop no turn": (looped("n", "c"), {**LOOP, "n": np.array(0, INT)}),
    "Loop false": (looped("n", "c"), {**LOOP, "c": np.array(False)}),
    "Scan": (
        "t = Transpose<perm=[2, 0, 1, 3]>(x) g = Shape<start=1, end=4>(t) v = ConstantOfShape(g)"
        " z, y = Scan<num_scan_inputs=1, body = b (float[n0,n1,n2] st, float[m0,m1,m2] a)"
        " => (float[p0,p1,p2] so, float[q0,q1,q2] o)"
        " { so = Add(st, a) o = MaxPool<kernel_shape=[2]>(so) }>(v, t)",
        {},
    ),
    "Scan axes": (
        "g = Shape<start=0, end=3>(x) v = ConstantOfShape(g) z, y = Scan<num_scan_inputs=1,"
        " scan_input_axes=[3], scan_output_axes=[-1], body = b (float[n0,n1,n2] st,"
        " float[m0,m1,m2] a) => (float[p0,p1,p2] so, float[q0,q1,q2] o)"
        " { so = Add(st, a) o = MaxPool<kernel_shape=[2]>(so) }>(v, x)",
        {},
    ),
}

# Ends of slices and paddings, of all signs.
FAR = 2**62
ENDS = [
    (0, -1, 2, 1), (-3, FAR, 2, 1), (-1, -FAR, 2, -1), (-1, -FAR, 2, -2), (5, 1, 2, -1),
    (5, -9, 2, -3), (100, -100, 3, -4), (-100, 100, 3, 4), (2, 2**31 - 1, -1, 3),
    (-2, -(2**31), -1, -1), (7, 2, 3, -2), (3, 1, 2, 1), (-4, -2, 2, 1), (FAR, 0, 2, -1),
    (-FAR, 3, 2, 1), (-FAR, FAR, 2, -1), (2, -3, 2, -1), (-4, -FAR, 3, -1), (-5, 1, 3, -1),
]  # fmt: skip
CASES |= {
    f"Slice {ends}": (
        "y = Slice(x, a, b, d, e)",
        {name: ints(end) for name, end in zip("abde", ends, strict=True)},
    )
    for ends in ENDS
}
CASES |= {
    "Slice old": (
        "y = Slice<axes=[2, 3], starts=[1, -5], ends=[-1, 9223372036854775807]>(x)",
        {},
        {"opset": 9},
    ),
    "Slice of leading axes": (
        "y = Slice(x, a, b)",
        {"a": ints(0, 0, 2), "b": ints(1, 2, 9)},
    ),
    "Slice reversed, by size": (
        "h = Shape<start=2, end=3>(x) e = Div(h, t) y = Slice(x, e, z, t, m)",
        {"t": ints(2), "z": ints(-FAR), "m": ints(-1)},
    ),
    "Slice reversed from below": (
        "h = Shape<start=2, end=3>(x) e = Sub(h, k) y = Slice(x, e, z, t, m)",
        {"k": ints(5), "t": ints(2), "z": ints(-FAR), "m": ints(-1)},
    ),
    "Slice to what is left": (
        "h = Shape<start=2, end=3>(x) e = Sub(h, k) y = Slice(x, z, e, t)",
        {"k": ints(5), "t": ints(2), "z": ints(0)},
    ),
    "Slice of a shape, backwards": (
        "a = Shape(x) b = Slice(a, z, e, o, m) y = Expand(one, b)",
        {"one": np.ones(1, np.float32), "z": ints(-1), "e": ints(-9), "o": ints(0), "m": ints(-1)},
    ),
}
PADS = [
    (1, 2, 3, 0), (-1, -2, -3, 0), (-2, 3, 4, -1), (3, 0, -4, 0), (5, 5, 5, 5), (0, -3, 0, 1),
]  # fmt: skip
CASES |= {
    f"Pad {mode} {pads}": (
        f'y = Pad<mode="{mode}">(x, p)',
        {"p": ints(0, 0, *pads[:2], 0, 0, *pads[2:])},
        {"opset": 19},
    )
    for mode in ("constant", "reflect", "edge", "wrap")
    for pads in PADS
}
CASES |= {
    "Pad channels": ('y = Pad<mode="reflect">(x, p)', {"p": ints(0, 1, 0, 0, 0, -1, 0, 0)}),
    "Pad attribute": (
        'y = Pad<mode="reflect", pads=[0, 0, -2, 3, 0, 0, 4, -1]>(x)',
        {},
        {"opset": 10},
    ),
}
for word in ("SAME_UPPER", "SAME_LOWER"):
    for strides in ("[1, 1]", "[2, 3]", "[3, 2]"):
        CASES |= {
            f"Conv {word} {strides}": (
                f'y = Conv<auto_pad="{word}", strides={strides}>(x, w)',
                CONV,
            ),
            f"ConvTranspose {word} {strides}": (
                f'y = ConvTranspose<auto_pad="{word}", strides={strides}>(x, w)',
                UP,
            ),
            f"MaxPool {word} {strides}": (
                f'y = MaxPool<auto_pad="{word}", strides={strides}, kernel_shape=[3, 3]>(x)',
                {},
            ),
            f"AveragePool {word} {strides}": (
                f'y = AveragePool<auto_pad="{word}", strides={strides}, kernel_shape=[3, 4]>(x)',
                {},
            ),
        }
for pads in ((0, 0, 0, 0), (1, 0, 0, 1), (1, 1, 1, 1), (0, 1, 1, 0)):
    for stride in (1, 2, 3, 4):
        for ceil in (0, 1):
            CASES[f"MaxPool {pads} {stride} {ceil}"] = (
                f"y = MaxPool<kernel_shape=[3, 2], strides=[{stride}, {stride}],"
                f" pads=[{', '.join(map(str, pads))}], ceil_mode={ceil}>(x)",
                {},
            )

# Where ONNX Runtime departs from ONNX's definition: it takes no dilation with SAME, fails where
# SAME would have to cut, and knows no axis -1 in a policy.
DEFINED = {
    f"{op} {word}": (
        f'y = {op}<auto_pad="{word}", strides={strides}, dilations=[2, 2]{kernel}>(x{weight})',
        CONV if weight else {},
    )
    for word in ("SAME_UPPER", "SAME_LOWER")
    for op, strides, kernel, weight in (
        ("Conv", "[2, 3]", "", ", w"),
        ("MaxPool", "[4, 2]", ", kernel_shape=[3, 2]", ""),
    )
}
DEFINED |= {
    "MaxPool of one": (
        'y = MaxPool<auto_pad="SAME_UPPER", strides=[2, 3], kernel_shape=[1, 2]>(x)',
        {},
    ),
    "Resize axis": (
        'y = Resize<mode="nearest", axes=[-1], keep_aspect_ratio_policy="not_larger">(x, , , s)',
        {"s": ints(7)},
    ),
}
