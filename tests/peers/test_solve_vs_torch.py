"""What solve says of PyTorch models, against the models run by PyTorch on the meta device."""

import random

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from upshape.shapes import from_torch, solve

SEEDS = 80


def sizes_of(output):
    """Return the spatial sizes of what a model returns, or its features where there are none."""
    if isinstance(output, dict):
        return {key: sizes_of(value) for key, value in output.items()}
    if isinstance(output, tuple | list):
        return type(output)(sizes_of(value) for value in output)
    if output.ndim == 2:
        return output.shape[1]
    sizes = tuple(output.shape[2:])
    return sizes[0] if len(set(sizes)) == 1 else sizes


def run(model, n, channels=3, axes=2):
    """Return what PyTorch makes of an input of n pixels an axis, None if it refuses."""
    try:
        with torch.no_grad():
            output = model(torch.empty(1, channels, *[n] * axes, device="meta"))
    except (RuntimeError, ValueError):
        return None
    sizes = sizes_of(output)
    return None if sizes == 0 else sizes


def check(model, sizes=range(1, 70), channels=3, axes=2):
    """Compare solve's answer with PyTorch, size by size."""
    model = model.to("meta").eval()
    network = from_torch(model)
    assert network.unread == ()
    answer = solve(network)
    for n in sizes:
        wanted = run(model, n, channels, axes)
        assert (n in answer) == (wanted is not None), (n, wanted, repr(answer))
        if wanted is not None:
            assert answer.output(n) == wanted, n
            assert network(n) == wanted
        else:
            assert "does not take" in answer.explain(n)
    return answer


class Block(nn.Module):
    def __init__(self, inside, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inside != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet34(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        inside, stages = 64, []
        for count, out, stride in ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)):
            blocks = [
                Block(inside if n == 0 else out, out, stride if n == 0 else 1) for n in range(count)
            ]
            stages.append(nn.Sequential(*blocks))
            inside = out
        self.stages = nn.ModuleList(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512, 1000)

    def features(self, x):
        x = self.stem(x)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, x):
        return self.fc(torch.flatten(self.avgpool(self.features(x)[-1]), 1))


class UNet(nn.Module):
    def __init__(self, way, conv=nn.Conv2d, pool=nn.MaxPool2d, up=nn.ConvTranspose2d, levels=3):
        super().__init__()
        self.way = way
        self.down = nn.ModuleList(conv(8 if n else 3, 8, 3, padding=1) for n in range(levels))
        self.pool = pool(2)
        self.up = nn.ModuleList(up(16 if n else 8, 8, 2, 2) for n in range(levels))

    def forward(self, x):
        skips = []
        for conv in self.down:
            x = torch.relu(conv(x))
            skips.append(x)
            x = self.pool(x)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            if self.way == "output_size":
                x = up(x, output_size=skip.shape[-2:])
            elif self.way == "size()":
                x = up(x, output_size=skip.size())
            else:
                x = up(x)
            if self.way == "pad":
                down, right = skip.size(2) - x.size(2), skip.shape[3] - x.shape[3]
                x = F.pad(x, [right // 2, right - right // 2, down // 2, down - down // 2])
            elif self.way == "resize":
                x = F.interpolate(x, size=skip.shape[2:], mode="bilinear", align_corners=False)
            elif self.way == "crop":
                skip = skip[:, :, : x.shape[2], : x.shape[3]]
            x = torch.cat([skip, x], dim=1)
        return x


@pytest.mark.parametrize("way", [None, "output_size", "size()", "pad", "resize", "crop"])
def test_unets_of_every_way_to_join(way):
    answer = check(UNet(way))
    assert answer.modulus == (8 if way is None else 1)


def test_unets_of_one_and_three_axes():
    check(UNet(None, nn.Conv1d, nn.MaxPool1d, nn.ConvTranspose1d), axes=1)
    check(UNet(None, nn.Conv3d, nn.MaxPool3d, nn.ConvTranspose3d, 2), range(1, 34), axes=3)


def test_a_resnet34_takes_every_height_from_320_to_7680():
    answer = check(ResNet34(), [*range(1, 40), 320, 321, 1241, 1242])
    assert answer.covers(320, 7680)
    assert answer.output(320) == 1000


class Pyramid(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = ResNet34()
        self.side = nn.ModuleList(nn.Conv2d(c, 16, 1) for c in (64, 128, 256, 512))

    def forward(self, x):
        features = self.body.features(x)
        sides = [side(feature) for side, feature in zip(self.side, features, strict=True)]
        x = sides.pop()
        made = {"p5": x}
        for number, side in enumerate(reversed(sides)):
            x = side + F.interpolate(x, scale_factor=2.0, mode="nearest")
            made[f"p{4 - number}"] = x
        return made


def test_a_feature_pyramid_even_where_one_pixel_is_broadcast():
    check(Pyramid(), range(1, 70))


class Fixed(nn.Module):
    def __init__(self, view):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2)
        )
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(400, 10)
        self.view = view

    def forward(self, x):
        x = self.features(x)
        if self.view == "view":
            x = x.view(x.size(0), -1)
        elif self.view == "reshape":
            x = torch.reshape(x, (x.shape[0], -1))
        else:
            x = self.flatten(x)
        return F.log_softmax(self.fc(x), dim=1)


@pytest.mark.parametrize("view", ["view", "reshape", "flatten"])
def test_a_linear_layer_demands_a_fixed_size(view):
    answer = check(Fixed(view), range(1, 60))
    assert list(answer) == [32, 33, 34, 35]


class Mixed(nn.Module):
    """Squeeze and excitation, dilated branches, a mean spread over the image, chunks, crops."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Sigmoid())
        self.rates = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=r, dilation=r) for r in (1, 2, 4))
        self.norm = nn.GroupNorm(2, 8)
        self.scale = nn.Parameter(torch.zeros(1, 8, 1, 1))
        self.project = nn.Conv2d(32, 16, 1)

    def forward(self, x):
        y = self.norm(self.stem(x)) * self.scale
        y = y * self.squeeze(y)
        image = F.interpolate(F.adaptive_avg_pool2d(y, (1, 1)), size=y.shape[-2:], mode="nearest")
        y = torch.cat([*(rate(y) for rate in self.rates), image], 1)
        a, b = torch.chunk(self.project(y), 2, dim=1)
        y = a * torch.sigmoid(b)
        y = y[:, :, 1:-1, 1:-1]
        return F.interpolate(y, x.shape[-2:], mode="bilinear"), y.mean(dim=(2, 3))


def test_a_mixture_of_what_models_do():
    # Below 5 the crop leaves nothing, which PyTorch lets pass on the meta device alone.
    answer = check(Mixed(), range(5, 70))
    assert answer.minimum == 5


@pytest.mark.parametrize(
    "layers",
    [
        [nn.PixelUnshuffle(4), nn.Conv2d(48, 16, 3), nn.PixelShuffle(2)],
        [nn.ReflectionPad2d(5), nn.Conv2d(3, 4, 7, stride=3)],
        [nn.ReplicationPad2d((1, 2, 1, 2)), nn.AvgPool2d(4, ceil_mode=True)],
        [nn.ZeroPad2d(-2), nn.Conv2d(3, 4, 2)],
        [nn.CircularPad2d(4), nn.MaxPool2d(3, 3, 1)],
        [nn.Conv2d(3, 4, 5, padding=2, padding_mode="reflect"), nn.LPPool2d(2, 3)],
        [nn.Conv2d(3, 4, 5, padding=2, padding_mode="circular")],
        [nn.Conv2d(3, 4, 4, padding="same", dilation=2), nn.Upsample(scale_factor=1.5)],
        [nn.Conv2d(3, 4, 3, 2), nn.InstanceNorm2d(4)],
        [nn.Conv2d(3, 4, 3, 2), nn.LayerNorm([4, 9, 9])],
        [nn.Conv2d(3, 4, 3, 2), nn.AdaptiveMaxPool2d(3), nn.Flatten(), nn.Linear(36, 5)],
        [nn.Upsample(size=7), nn.ConvTranspose2d(3, 4, 4, 3, 1, 2)],
        [nn.UpsamplingBilinear2d(scale_factor=2), nn.Dropout2d(), nn.Hardswish()],
        [nn.ConvTranspose2d(3, 3, 3, 2, 5), nn.Conv2d(3, 3, 4)],
    ],
    ids=lambda layers: type(layers[0]).__name__,
)
def test_single_layers_in_a_row(layers):
    check(nn.Sequential(*layers), range(1, 60))


class Functions(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(6, 3, 3, 3))
        self.back = nn.Parameter(torch.zeros(6, 2, 4, 4))

    def forward(self, x):
        y = F.conv2d(x, self.weight, stride=2, padding=1)
        y = F.max_pool2d(F.relu(y), 3, 2, 1)
        y = F.avg_pool2d(y, 2, 1)
        y = F.conv_transpose2d(y, self.back, None, 2, 1)
        return [y.relu().contiguous(), torch.cat([y, y], dim=3), y.sum(1, keepdim=True) - y]


def test_functions_in_place_of_modules():
    answer = check(Functions(), range(1, 50))
    assert answer.output(33)[1][1] == 2 * answer.output(33)[0]


class Embedded(nn.Module):
    """A parameter of fixed size is added."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 16, 16)
        self.place = nn.Parameter(torch.zeros(1, 8, 14, 14))

    def forward(self, x):
        return self.patches(x) + self.place


def test_a_parameter_of_fixed_size_fixes_the_input():
    answer = check(Embedded(), [*range(1, 50), *range(215, 250)])
    assert [n for n in answer if n > 31] == list(range(224, 240))


def test_axes_that_differ_are_told_apart():
    model = nn.Sequential(nn.Conv2d(3, 4, (3, 5), stride=(2, 1)), nn.MaxPool2d((1, 2)))
    network = from_torch(model.to("meta"))
    for axis in (0, 1):
        answer = solve(network, axis=axis)
        for n in range(1, 40):
            size = [20, 20]
            size[axis] = n
            try:
                wanted = model(torch.empty(1, 3, *size, device="meta")).shape[2 + axis]
            except RuntimeError:
                wanted = 0
            assert (n in answer) == (wanted > 0)
            if wanted:
                assert answer.output(n) == wanted
    assert solve(network).output(21) == network((21, 21))


class Branching(nn.Module):
    def forward(self, x):
        return x if x.shape[2] % 2 else F.max_pool2d(x, 2)


class Mysterious(nn.Module):
    """What a part makes of a size depends on the values in a tensor."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.cut = Cut()

    def forward(self, x):
        return self.cut(self.conv(x))


class Cut(nn.Module):
    def forward(self, x):
        return x[:, :, : int(x.sum())]


def test_a_branch_on_a_size_is_followed_both_ways():
    check(Branching(), range(1, 30))
    assert solve(from_torch(Branching())).output(6) == 3


def test_what_could_not_be_read_is_listed():
    network = from_torch(Mysterious())
    assert len(network.unread) == 1
    assert network.unread[0].startswith("cut: ")
    assert "test_solve_vs_torch.py" in network.unread[0]
    with pytest.raises(ValueError, match=r"cut: .*read="):
        solve(network)
    told = from_torch(Mysterious(), read={Cut: lambda x: (x - 1) * 2})
    assert told.unread == ()
    assert solve(told).output(9) == 12
    assert solve(from_torch(Mysterious(), read={"cut": lambda x: x})).output(9) == 7
    inside = nn.Sequential(nn.Conv2d(3, 3, 3), Cut())
    assert solve(from_torch(inside, read={Cut: lambda x: x})).minimum == 3


@pytest.mark.parametrize(
    ("read", "error", "match"),
    [
        ({Cut: "same"}, TypeError, r"read=\{Cut: ...\} must be a function of the size, got 'same'"),
        ({"cat": lambda x: x}, ValueError, r"read=\{'cat': ...\} names no part of Mysterious"),
    ],
)
def test_what_is_said_of_parts_is_checked(read, error, match):
    with pytest.raises(error, match=match):
        from_torch(Mysterious(), read=read)


def test_a_part_that_is_said_to_return_no_size():
    with pytest.raises(TypeError, match="read= must return a size, got None"):
        from_torch(Mysterious(), read={Cut: lambda x: None})


@pytest.mark.parametrize("fix", ["output_padding", "size"])
@pytest.mark.parametrize("up", [nn.ConvTranspose2d, None])
def test_a_model_in_a_repair(fix, up):
    model = UNet(None)
    if up is None:
        model.up = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(16 if n else 8, 8, 1))
            for n in range(3)
        )
    mended = solve(from_torch(model), fix=fix)
    if up is None and fix == "output_padding":
        assert not mended.repair.complete
        assert not mended.repair.calls
        assert mended.modulus == 8
        return
    assert mended.repair.complete
    assert mended.repair.before.modulus == 8
    assert str(mended.inputs) == "{n : n >= 8}"
    assert mended.output(75) == 75
    names = ["up.0", "up.1", "up.2"] if up else ["up.0.0", "up.1.0", "up.2.0"]
    assert [call.name for call in mended.repair.calls] == names
    assert [str(call.output_size) for call in mended.repair.calls] == [
        "floor(i/4)",
        "floor(i/2)",
        "i",
    ]
    mended.check()
    if up:
        assert "up.0" in solve(from_torch(UNet(None))).explain(100)
        assert "self.up[0](x, output_size=" in mended.repair.to_torch()


class Random(nn.Module):
    """A random encoder and decoder, joined by concatenation, sums or not at all."""

    def __init__(self, chance):
        super().__init__()
        c = 4
        self.first = nn.Conv2d(3, c, chance.randint(1, 4), 1, chance.randint(0, 1))
        self.down, self.up, self.ways = nn.ModuleList(), nn.ModuleList(), []
        for _ in range(chance.randint(1, 3)):
            s, k = chance.randint(2, 4), chance.randint(1, 5)
            self.down.append(
                chance.choice(
                    [
                        nn.Conv2d(c, c, k, s, chance.randint(0, 2), chance.randint(1, 2)),
                        nn.MaxPool2d(k, s, k // 2, ceil_mode=chance.random() < 0.5),
                        nn.AvgPool2d(k, s, chance.randint(0, k // 2), chance.random() < 0.5),
                    ]
                )
            )
            t = chance.choice([s, s, s, 2])
            p, k = chance.randint(0, 1), chance.randint(2, 4)
            self.up.insert(
                0,
                chance.choice(
                    [
                        nn.ConvTranspose2d(c, c, k, t, p, chance.randint(0, t - 1)),
                        nn.Upsample(scale_factor=t),
                        nn.Upsample(scale_factor=chance.choice([1.5, 2.5, t])),
                    ]
                ),
            )
            self.ways.append(chance.choice(["cat", "add", "max", "sized", "none"]))
        self.narrow = nn.Conv2d(2 * c, c, 1)

    def forward(self, x):
        x = self.first(x)
        skips = []
        for layer in self.down:
            skips.append(x)
            x = layer(x)
        for layer, skip, way in zip(self.up, reversed(skips), self.ways, strict=True):
            if way == "sized" and isinstance(layer, nn.ConvTranspose2d):
                x = layer(x, output_size=skip.shape[2:])
            else:
                x = layer(x)
            if way == "cat":
                x = self.narrow(torch.cat([x, skip], 1))
            elif way == "add":
                x = x + skip
            elif way == "max":
                x = torch.maximum(x, skip)
        return x


def test_random_models(seed):
    check(Random(random.Random(seed)), range(1, 45))
