"""What is made of answers for PyTorch: padding and cropping, exported dimensions, pasted code."""

import copy
import dataclasses
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from upshape import shapes
from upshape.shapes import AutoPad, solve, zoo


class UNet(nn.Module):
    """Two levels, joined by concatenation; `keep` says what it returns."""

    def __init__(self, keep="map"):
        super().__init__()
        self.down0 = nn.Conv2d(1, 4, 3, padding=1)
        self.down1 = nn.Conv2d(4, 4, 3, padding=1)
        self.deep = nn.Conv2d(4, 4, 3, padding=1)
        self.up1 = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.up0 = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.keep = keep

    def forward(self, x):
        skip0 = self.down0(x)
        skip1 = self.down1(F.max_pool2d(skip0, 2))
        deep = self.deep(F.max_pool2d(skip1, 2))
        x = torch.cat([self.up1(deep), skip1], 1)
        x = torch.cat([self.up0(x), skip0], 1)
        if self.keep == "all":
            return {"map": x, "pyramid": (skip1, deep), "features": deep.mean((2, 3))}
        return x


@pytest.fixture(scope="module")
def answers():
    """What the U-Net takes, an axis at a time."""
    return [solve(UNet("all"), axis=axis) for axis in (0, 1)]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("side", ["end", "begin", "both"])
def test_any_size_goes_through_and_comes_back(answers, mode, side):
    model = UNet().eval()
    padded = AutoPad(model, answers, mode=mode, side=side)
    for height, width in [(13, 18), (16, 8), (21, 5), (3, 3), (1, 7)]:
        x = torch.randn(1, 1, height, width)
        out = padded(x)
        assert out.shape == (1, 8, height, width)
        if height % 4 == 0 == width % 4:
            assert torch.equal(out, model(x))


@pytest.mark.parametrize("side", ["end", "both"])
def test_what_is_cropped_is_where_the_input_lies(answers, side):
    # A part of a large picture, padded with the picture's own pixels, gives the picture's result.
    torch.manual_seed(0)
    model = UNet("all").eval()
    for n in (41, 42, 43, 44):
        x = torch.randn(1, 1, n, n)
        padded = AutoPad(model, answers, side=side)
        ((before, after), _) = padded.padding((n, n))
        assert before + after == -n % 4
        want = model(F.pad(x, (before, after, before, after)))
        found = padded(x)
        assert torch.equal(found["map"], want["map"][..., before : before + n, before : before + n])
        for level, (got, all_) in enumerate(zip(found["pyramid"], want["pyramid"], strict=True), 1):
            scale = 2**level
            start, size = before // scale, -(-n // scale)
            assert before % scale == 0
            assert torch.equal(got, all_[..., start : start + size, start : start + size])
        assert torch.equal(found["features"], want["features"])


def test_the_model_is_asked_unless_an_answer_is_given():
    model = UNet().eval()
    padded = AutoPad(model)
    assert padded(torch.zeros(1, 1, 13, 18)).shape == (1, 8, 13, 18)
    assert [answer.requirement().multiple_of for answer in padded.answers(2)] == [4, 4]


def test_padded_models_are_copied_and_pickled(answers):
    model = UNet().eval()
    for padded in (AutoPad(model), AutoPad(model, answers), AutoPad(model, solve(zoo.unet(2)))):
        assert padded(torch.zeros(1, 1, 13, 18)).shape == (1, 8, 13, 18)
        for twin in (copy.deepcopy(padded), pickle.loads(pickle.dumps(padded))):
            assert isinstance(twin, AutoPad)
            assert twin.module is not model
            x = torch.randn(1, 1, 13, 18)
            assert torch.equal(twin(x), padded(x))


def test_begin_must_be_whole_output_pixels():
    half = nn.Sequential(nn.Conv2d(1, 1, 2, stride=2), nn.ConvTranspose2d(1, 1, 2, stride=2))
    answer = solve(lambda x: shapes.same(x, 4 * (x // 4)) // 2)
    with pytest.raises(ValueError, match=r"shifts the output by 1/2 pixels; use side='end'"):
        AutoPad(nn.Sequential(half, nn.MaxPool2d(2)), answer, side="begin")(torch.zeros(1, 1, 3, 3))


def test_valid_networks_lose_their_border_only():
    model = nn.Sequential(nn.Conv2d(1, 1, 5), nn.MaxPool2d(2), nn.ConvTranspose2d(1, 1, 2, 2))
    answer = solve(lambda x: shapes.same(x, 4 * (x // 4)) - 4)
    x = torch.randn(1, 1, 18, 20)
    out = AutoPad(model, answer)(x)
    assert out.shape[2:] == (14, 16)
    assert torch.equal(out, model(F.pad(x, (0, 0, 0, 2)))[:, :, :14])


def test_parameters_are_checked():
    model = UNet()
    for arguments, message in [
        ({"mode": "edge"}, "mode must be one of constant, reflect"),
        ({"side": "left"}, "side must be one of end, begin, both"),
    ]:
        with pytest.raises(ValueError, match=message):
            AutoPad(model, **arguments)
    with pytest.raises(TypeError, match=r"AutoPad: module must be a torch\.nn\.Module"):
        AutoPad(lambda x: x)
    assert "mode='reflect'" in repr(AutoPad(model, mode="reflect"))


def test_exported_dimensions_are_the_classes_that_are_taken():
    model = UNet().eval()
    answer = solve(model)
    (height,), (width,) = answer.to_torch_dims("h"), answer.to_torch_dims("w", maximum=4096)
    program = torch.export.export(
        model, (torch.zeros(1, 1, 32, 48),), dynamic_shapes=({2: height, 3: width},)
    )
    for sizes in ((8, 8), (64, 36), (12, 100)):
        assert program.module()(torch.zeros(1, 1, *sizes)).shape[2:] == sizes
    with pytest.raises((AssertionError, RuntimeError)):
        program.module()(torch.zeros(1, 1, 30, 32))


class Strided(nn.Module):
    """Maps become single pixels long before the input does."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, 2, 1)
        self.deep = nn.Conv2d(4, 4, 3, 2, 1)

    def forward(self, x):
        return F.max_pool2d(self.deep(self.stem(x)), 2).mean((2, 3))


@pytest.mark.parametrize(
    "model",
    [
        UNet(),
        UNet("all"),
        Strided(),
        nn.Sequential(nn.Conv2d(1, 4, 7), nn.MaxPool2d(2)),
        nn.Sequential(nn.Conv2d(1, 4, 5, stride=3), nn.ConvTranspose2d(4, 1, 3, 3)),
    ],
)
@pytest.mark.parametrize("maximum", [None, 200])
def test_dimensions_are_taken_by_export_as_they_are(model, maximum):
    model.eval()
    answer = solve(model)
    heights, widths = (answer.to_torch_dims(name, maximum=maximum) for name in "hw")
    for height, width in zip(heights, widths, strict=True):
        program = torch.export.export(
            model, (torch.zeros(1, 1, 64, 64),), dynamic_shapes=({2: height, 3: width},)
        )
        exported = solve(shapes.from_export(program))
        assert exported.minimum is not None
        large = answer.range(exported.minimum, 150)
        assert large == exported.range(1, 150)
        assert exported.minimum <= 16


def test_dimensions_from_a_size_on():
    (dim,) = solve(UNet()).to_torch_dims("h", minimum=30, maximum=50)
    assert (dim.root.min, dim.root.max) == (8, 12)
    assert solve(lambda x: shapes.same(x // 3, x // 4)).to_torch_dims(minimum=5) == (5, 8)
    kept = pickle.loads(pickle.dumps(solve(UNet()))).to_torch_dims("h")
    assert kept[0].root.__name__ == "h"
    with pytest.raises(ValueError, match=r"Answer\.to_torch_dims: minimum must be at least 1"):
        solve(UNet()).to_torch_dims(minimum=0)


def test_a_union_is_one_dimension_each():
    network = nn.Sequential(nn.Conv1d(1, 1, 3, padding=1))
    answer = solve(lambda x: shapes.same(2 * (x // 2), 3 * (x // 3)))
    dims = answer.to_torch_dims("n")
    told = []
    for dim, n in zip(dims, (12, 13), strict=True):
        program = torch.export.export(network, (torch.zeros(1, 1, n),), dynamic_shapes=({2: dim},))
        (shape,) = [node.meta["val"].shape for node in program.graph.nodes if node.name == "conv1d"]
        (symbol,) = shape[2].node.expr.free_symbols
        told.append([int(shape[2].node.expr.subs(symbol, m)) for m in (2, 3)])
        assert program.module()(torch.zeros(1, 1, n + 6)).shape[2] == n + 6
    assert told == [[12, 18], [13, 19]]
    few = solve(lambda x: shapes.same(x // 3, x // 4))
    assert few.to_torch_dims() == tuple(few)


def test_pasted_code_mends_the_model():
    class Mended(UNet):
        def forward(self, image):
            skip0 = self.down0(image)
            skip1 = self.down1(F.max_pool2d(skip0, 2))
            x = self.deep(F.max_pool2d(skip1, 2))
            scope = {"self": self, "image": image, "x": x}
            exec(LINES[0].replace("upsample", "self.up1"), scope)
            scope["x"] = torch.cat([scope["x"], skip1], 1)
            exec(LINES[1].replace("upsample", "self.up0"), scope)
            return torch.cat([scope["x"], skip0], 1)

    repair = solve(shapes.zoo.unet(2), fix="output_padding").repair
    LINES = repair.to_torch().splitlines()
    assert Mended()(torch.zeros(1, 1, 27, 30)).shape[2:] == (27, 30)


def test_pickled_answers_of_models_leave_the_model_behind():
    class Local(UNet):
        """A class that cannot be pickled."""

    for axis in (None, 0):
        answer = solve(Local(), axis=axis)
        twin = pickle.loads(pickle.dumps(answer))
        assert twin == answer
        assert hash(twin) == hash(answer)
        assert (str(twin), repr(twin)) == (str(answer), repr(answer))
        for n in range(1, 50):
            assert (n in twin) == (n in answer)
            if n in answer:
                assert (twin.output(n), twin.shape(n)) == (answer.output(n), answer.shape(n))
        assert twin.requirement() == answer.requirement()
        for ask in (lambda twin=twin: twin.explain(13), lambda twin=twin: twin.check()):
            with pytest.raises(TypeError, match="a pickled answer does not hold the model"):
                ask()


def test_unpooling_modules_are_read():
    module = nn.MaxUnpool2d((2, 3), stride=(2, 1), padding=(0, 1))
    layer = shapes.from_torch(module)
    assert layer.axes == (shapes.Unpool(2, 2, 0), shapes.Unpool(3, 1, 1))
    pool = nn.MaxPool2d((2, 3), stride=(2, 1), padding=(0, 1), return_indices=True)
    for n in range(4, 20):
        small, indices = pool(torch.zeros(1, 1, n, n))
        for height in range(n - 3, n + 4):
            try:
                made = module(small, indices, output_size=(height, n)).shape[2]
            except (ValueError, RuntimeError) as error:
                if "Found an invalid max index" in str(error):
                    continue
                made = None
            assert (height in layer.axes[0].choices(small.shape[2])) == (made is not None)


def test_repairs_of_models_are_code_with_their_modules_names():
    class Doubled(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.MaxPool2d(2)
            self.up = nn.Upsample(scale_factor=2, mode="bilinear")

        def forward(self, image):
            return torch.cat([self.up(self.down(image)), image], 1)

    class Mended(Doubled):
        def forward(self, image):
            scope = {"self": self, "F": F, "image": image, "x": self.down(image)}
            exec(LINE, scope)
            return torch.cat([scope["x"], image], 1)

    repair = solve(Doubled(), fix="size").repair
    LINE = repair.to_torch()
    assert "mode=self.up.mode" in LINE
    assert Mended()(torch.zeros(1, 1, 27, 30)).shape[2:] == (27, 30)
    assert "up: Interpolate(scale_factor=2) (step 1) with size=i" in str(repair.calls[0])


def test_answers_of_squares_compare_by_their_values():
    class Flat(nn.Module):
        def __init__(self, way):
            super().__init__()
            self.way = way

        def forward(self, x):
            return self.way(x)

    ways = [
        lambda x: x.flatten(1),
        lambda x: x.reshape(1, x.shape[1] * x.shape[2] * x.shape[3]),
        lambda x: x[:, :, :, : 2 * (x.shape[3] // 2)].flatten(1),
        lambda x: torch.cat([x, x[:, :, : x.shape[2] // 40]], 2).flatten(1),
    ]
    first, second, *others = (solve(Flat(way)) for way in ways)
    assert first == second
    assert hash(first) == hash(second)
    for other in (*others, solve(Flat(lambda x: x))):
        assert first != other
    assert pickle.loads(pickle.dumps(first)) == first


def small_resnet(x):
    y = shapes.Pool(3, 2, 1)(shapes.Conv(7, 2, 3)(x))
    for stride in (1, 2):
        z = shapes.Conv(3, padding=1)(shapes.Conv(3, stride, 1)(y))
        y = shapes.same(z, shapes.Conv(1, stride)(y))
    return y


class SmallResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3), nn.BatchNorm2d(4), nn.ReLU6())
        self.first = nn.ModuleList(nn.Conv2d(4, 4, 3, stride, 1) for stride in (1, 2))
        self.second = nn.ModuleList(nn.Conv2d(4, 4, 3, 1, 1) for _ in range(2))
        self.short = nn.ModuleList(nn.Conv2d(4, 4, 1, stride) for stride in (1, 2))

    def forward(self, x):
        y = F.max_pool2d(self.stem(x), 3, 2, 1)
        for first, second, short in zip(self.first, self.second, self.short, strict=True):
            y = F.hardswish(second(F.gelu(first(y))) + short(y))
        return y


def unet(x):
    skip0 = shapes.Conv(3, padding=1)(x)
    skip1 = shapes.Conv(3, padding=1)(shapes.Pool(2)(skip0))
    deep = shapes.Conv(3, padding=1)(shapes.Pool(2)(skip1))
    x = shapes.same(shapes.ConvTranspose(2, 2)(deep), skip1)
    return {
        "map": shapes.same(shapes.ConvTranspose(2, 2)(x), skip0),
        "pyramid": (skip1, deep),
    }


def test_receptive_fields_of_models_are_those_of_their_relations():
    for model, network in ((SmallResNet(), small_resnet), (UNet("all"), unet)):
        got = solve(model).receptive_field()
        want = solve(network).receptive_field()
        if isinstance(want, dict):
            got = [got["map"], *got["pyramid"]]
            want = [want["map"], *want["pyramid"]]
        for one, other in zip(
            *((x if isinstance(x, list) else [x]) for x in (got, want)), strict=True
        ):
            assert one[:3] == other[:3]
            assert one.misaligned is None


def test_models_of_one_image_show_their_fields_too():
    class Single(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 5, 2, 2)

        def forward(self, x):
            y = self.conv(x.reshape(1, 3, *x.shape[2:]))
            return y[:, :, 3:-3]

    assert solve(Single(), axis=1).receptive_field()[:3] == (5, 2, 0)
    assert solve(Single(), axis=0).receptive_field()[:3] == (5, 2, 6)


def test_a_pixel_that_sees_everything():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x):
            y = self.conv(x)
            return y * y.mean((2, 3), keepdim=True)

    with pytest.raises(ValueError, match="a pixel of Gated sees all of an input"):
        solve(Gated()).receptive_field()


class Shaped(nn.Module):
    """Takes multiples of 4, and returns what `make` does of the map and its half."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x, *others, scale=None):
        if any(size % 4 for size in x.shape[2:]):
            raise ValueError("multiples of 4 only")
        return self.make(x, *others) if scale is None else self.make(x, *others) * scale


@dataclasses.dataclass
class Found:
    number: int
    map: torch.Tensor
    missing: None = None


@pytest.mark.parametrize(
    ("make", "shapes_of"),
    [
        (lambda x: x.argmax(1), lambda y: [y.shape, (2, 13, 18)]),
        (lambda x: x.permute(0, 2, 3, 1), lambda y: [y.shape, (2, 13, 18, 3)]),
        (lambda x: x.transpose(2, 3), lambda y: [y.shape, (2, 3, 18, 13)]),
        (lambda x: x.flatten(2), lambda y: [y.shape, (2, 3, 16 * 20)]),
        (lambda x: x.mean((2, 3)), lambda y: [y.shape, (2, 3)]),
        (lambda x: F.avg_pool2d(x, 4), lambda y: [y.shape, (2, 3, 4, 5)]),
        (lambda x: x.unsqueeze(1), lambda y: [y.shape, (2, 1, 3, 13, 18)]),
        (lambda x: {0: 7, 1: x, 2: None}, lambda y: [y[1].shape, (2, 3, 13, 18)]),
        (lambda x: Found(7, x), lambda y: [y.map.shape, (2, 3, 13, 18)]),
        (lambda x: (3, [x, (x.mean(),)]), lambda y: [y[1][0].shape, (2, 3, 13, 18)]),
    ],
)
@pytest.mark.parametrize("side", ["end", "both", "begin"])
def test_outputs_are_cropped_along_the_axes_that_are_the_inputs(make, shapes_of, side):
    model = AutoPad(Shaped(make), side=side)
    x = torch.rand(2, 3, 13, 18)
    if side == "begin" and "avg_pool2d" in make.__code__.co_names:
        with pytest.raises(ValueError, match="padding 3 pixels before axis 0 shifts the output"):
            model(x)  # by 3/4 of a pixel
        return
    found, wanted = shapes_of(model(x))
    assert tuple(found) == wanted


def test_several_inputs_are_padded_alike():
    a, b, scale = torch.rand(2, 3, 13, 18), torch.rand(2, 1, 13, 18), torch.rand(2, 1, 1, 1)
    model = AutoPad(Shaped(lambda x, y: x - y), solve(lambda x: shapes.same(x, 4 * (x // 4))))
    assert torch.equal(model(a, b), a - b)
    assert torch.equal(model(a, b, scale=scale), (a - b) * scale)
    nested = AutoPad(Shaped(lambda x, y: x - y["b"][0]), model.answer())
    assert torch.equal(nested(a, {"b": [b]}), a - b)
    with pytest.raises(TypeError, match="AutoPad: no feature map among the inputs"):
        model(3)


def test_sizes_that_go_together_only_and_sizes_that_are_fixed():
    class Square(nn.Module):
        def forward(self, x):
            return x + x.transpose(2, 3)

    class Fixed(nn.Module):
        def forward(self, x):
            assert x.shape[2:] == (64, 64)
            return x, F.avg_pool2d(x, 8), x.mean((2, 3))

    x = torch.rand(1, 3, 13, 18)
    assert AutoPad(Square())(x).shape == x.shape
    whole, eighth, features = AutoPad(Fixed())(x)
    assert torch.equal(whole, x)
    assert (eighth.shape[2:], features.shape) == ((2, 3), (1, 3))
    with pytest.raises(ValueError, match="found no sizes from"):
        AutoPad(Fixed())(torch.zeros(1, 3, 65, 64))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padded_models_of_other_types_train(dtype, mode):
    model = AutoPad(UNet().to(dtype), mode=mode)
    x = torch.rand(1, 1, 13, 18, dtype=dtype, requires_grad=True)
    out = model(x)
    assert (out.dtype, out.shape[2:]) == (dtype, x.shape[2:])
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert all(one.grad is not None for one in model.module.parameters())
    fresh = AutoPad(UNet().to(dtype), mode=mode)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh(x), out)


def test_what_is_given_as_an_answer_is_checked():
    for answer in (4, [], ["x"], lambda x: x):
        with pytest.raises(TypeError, match="AutoPad: answer must be what solve returns"):
            AutoPad(UNet(), answer)
    with pytest.raises(TypeError, match="AutoPad: value must be a number, got 'a'"):
        AutoPad(UNet(), value="a")


def test_fields_of_models_with_several_inputs():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 5, padding=1)

        def forward(self, a, b, *, c):
            return self.one(a) + self.two(b) + c[:, :, 1:-1, 1:-1]

    field = solve(Pair()).receptive_field()
    assert (field.size, field.stride, field.offset) == (5, 1, 1)
