"""ONNX models: every operator's shapes, and what is solved from them, against ONNX Runtime."""

import itertools
import re
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from onnx import helper, parser
from onnx.reference import ReferenceEvaluator
from onnx_cases import CASES, DEFINED, build, floats, ints
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from torch import nn

from upshape import shapes
from upshape.shapes import from_onnx, solve
from upshape.shapes._onnx_flow import CONTROL
from upshape.shapes._onnx_ops import OPERATORS


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


def made(name):
    body, constants, *more = CASES[name]
    return build(body, constants, **(more[0] if more else {}))


# Refused whatever the size, before anything runs.
NEVER = {
    "BatchNormalization channels", "Conv cut", "ConvTranspose whole shape", "EyeLike of a map",
}  # fmt: skip
# Not in ONNX Runtime.
REFERENCE = {"CumProd"}


@pytest.mark.parametrize("name", CASES)
def test_operators_make_the_shapes_that_onnx_runtime_makes(name):
    model = made(name)
    if name in REFERENCE:
        runner = ReferenceEvaluator(model)
    else:
        runner = None if name in NEVER else session(model)
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
    for sizes in itertools.product((1, 2, 5, 8, 9, 12), (1, 3, 6, 9, 12)):
        want = outcome(runner, (1, 2, *sizes), model)
        taken = want is not None and not any(0 in shape for shape in want)
        assert (sizes in answers[None]) == taken, sizes
        if taken and len(want[0]) == 4:
            assert answers[None].output(sizes) == tuple(want[0][2:]), sizes
    if answers[None] and name not in REFERENCE:
        answers[None].check()


def test_files_that_are_refused_whole_do_not_load():
    for name in NEVER:
        with pytest.raises(Fail, match="ShapeInferenceError"):
            session(made(name))
        assert not solve(from_onnx(made(name)))


def inferred(name, sizes):
    """The output's spatial sizes by onnx's own shape inference."""
    body, constants = DEFINED[name]
    model = build(body, constants, dims=f"1, 2, {sizes[0]}, {sizes[1]}")
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    return tuple(one.dim_value for one in model.graph.output[0].type.tensor_type.shape.dim[2:])


@pytest.mark.parametrize("name", DEFINED)
def test_where_the_runtime_departs_the_definition_holds(name):
    model = build(*DEFINED[name])
    runner, answer = session(model), solve(from_onnx(model))
    different = False
    for sizes in itertools.product((1, 2, 3, 6, 7, 12, 13), repeat=2):
        assert answer.output(sizes) == inferred(name, sizes)
        found = outcome(runner, (1, 2, *sizes))
        different |= found is None or found[0][2:] != answer.output(sizes)
    assert different


def test_every_operator_has_a_case():
    models = [made(name) for name in CASES]
    covered = {node.op_type for model in models for node in model.graph.node}
    assert {*OPERATORS, *CONTROL} - covered == {"BitCast"}  # of a newer onnx than the oldest


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


class Block(nn.Module):
    """A residual block of ResNet: what is added must have been halved alike."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.skip = nn.Conv2d(before, after, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.skip(x))


def resnet():
    """ResNet-18 as published, of fewer channels."""
    widths = [8, 8, 8, 16, 16, 32, 32, 64, 64]
    blocks = [Block(a, b, 1 if a == b else 2) for a, b in itertools.pairwise(widths)]
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    ).eval()  # fmt: skip


def test_a_resnet_of_open_height_takes_every_height_by_each_way_of_reading_it():
    """https://github.com/pytorch/pytorch/issues/124507: torch.export refused a range of heights."""
    model = resnet()
    height = torch.export.Dim("height", min=320, max=7680)
    image = torch.zeros(1, 3, 640, 352)
    program = torch.export.export(model, (image,), dynamic_shapes=({2: height},))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = torch.onnx.export(
            model, (image,), dynamo=True, dynamic_shapes=({2: height},), verbose=False
        ).model_proto
    read = {
        "module": solve(model, axis=0),
        "fx": solve(torch.fx.symbolic_trace(model), axis=0),
        "export": solve(shapes.from_export(program), axis=0),
        "onnx": solve(from_onnx(file), axis=0),
    }
    for way, answer in read.items():
        assert answer.covers(320, 7680), way
        assert answer.output(1000) == 10, way
    # The program was told its range; the others were told nothing, and take what there is.
    assert (read["export"].minimum, 7681 in read["export"]) == (320, False)
    for way in ("module", "fx", "onnx"):
        assert read[way].covers(1, 10**6), way
    read["onnx"].check()


def decoder(up):
    """A map, halved with a loss and brought back by `up`, joined with itself."""
    body = f"""
        half = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)
        kept = Relu (half)
        {up}
        y = Concat <axis = 1> (x, back)
    """
    return build(body, {"w": (2, 2, 2, 2), "f": floats(1, 1, 2, 2)})


def told(model, n):
    """Return the last remedy that explain names, on one line."""
    return " ".join(str(solve(from_onnx(model)).explain(n)).split("  - ")[-1].split())


@pytest.mark.parametrize("sizes", [(9, 9), (8, 9), (13, 6)])
def test_what_mends_a_file_mends_it_in_onnx_runtime(sizes):
    model = decoder("back = ConvTranspose <strides = [2, 2]> (kept, w)")
    shape = (1, 2, *sizes)
    assert outcome(session(model), shape) is None
    remedy = told(model, sizes)
    padding = [int(one) for one in re.search(r"output_padding=\[(\d), (\d)\]", remedy).groups()]
    (node,) = (one for one in model.graph.node if one.op_type == "ConvTranspose")
    node.attribute.append(helper.make_attribute("output_padding", padding))
    assert outcome(session(model), shape) == [(1, 4, *sizes)]


def test_a_resize_is_told_its_sizes():
    model = decoder("back = Resize <mode = \"nearest\"> (kept, , f)")
    assert "with the sizes [9, 12] in place of [8, 12]" in told(model, (9, 12))


def test_a_pad_before_a_join_where_no_upsampling_does():
    body = """
        small = MaxPool <kernel_shape = [3, 2], strides = [1, 1]> (x)
        y = Concat <axis = 1> (x, small)
    """
    model = build(body, {})
    remedy = told(model, (9, 12))
    pads = [int(one) for one in re.search(r"pads=\[([\d, ]+)\] on 'small'", remedy)[1].split(",")]
    assert pads == [0, 0, 0, 0, 0, 0, 2, 1]
    fixed = body.replace("y =", "padded = Pad (small, p)\n y =").replace("x, small", "x, padded")
    mended = build(fixed, {"p": ints(*pads)})
    assert outcome(session(mended), (1, 2, 9, 12)) == [(1, 4, 9, 12)]


def test_what_holds_between_the_axes_of_a_file():
    model = build("t = Transpose <perm = [0, 1, 3, 2]> (x)\n y = Add (x, t)", {})
    answer = solve(from_onnx(model))
    assert answer.between_axes == "H == W, or one of H and W is 1"
    assert "Between the axes: H == W" in str(answer.explain((5, 7)))
