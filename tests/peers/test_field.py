"""Faults that were met with real networks and in real use: the smallest input of each, made right.

The rows of networks are held against the network itself, run by PyTorch at every small size.
"""

import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import upshape as up
from upshape.shapes import Conv, ConvTranspose, find, from_torch, same, solve


class Net(nn.Module):
    def __init__(self, function, *parts):
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, x):
        return self.function(x, *self.parts)


def size_of(output, axis):
    """Return the size that an output is said to have, None if it is empty."""
    if isinstance(output, tuple):
        output = next(one for one in output if one is not None)
    if output.numel() == 0:
        return None
    if output.ndim < 4:
        return output.shape[-1]
    sizes = tuple(output.shape[2:])
    if axis is not None:
        return sizes[axis]
    return sizes[0] if sizes[0] == sizes[1] else sizes


def assert_holds(model, axis=None, channels=3, sizes=range(1, 36), other=32):
    """Compare what is said of every small size with what PyTorch makes of it."""
    model.eval()
    answer = solve(model, axis=axis)
    other = answer._survey.sizes(1)[1 - axis] if axis is not None else other
    for n in sizes:
        shape = {None: (n, n), 0: (n, other), 1: (other, n)}[axis]
        try:
            with torch.no_grad():
                wanted = size_of(model(torch.zeros(1, channels, *shape)), axis)
        except Exception:
            wanted = None
        assert (n in answer) == (wanted is not None), n
        if wanted is not None:
            told = answer.output(n)
            assert (told[0] if isinstance(told, tuple) and axis is not None else told) in (
                wanted,
                (wanted,),
            ), n
    return answer


def joined_if_tensor(x, down, up_):
    """What MONAI's blocks do: with a skip they concatenate, without they do not."""
    skip = down(x)
    y = up_(F.max_pool2d(skip, 2))
    return torch.cat([skip, y], 1) if isinstance(skip, torch.Tensor) else y


def padded_by_difference(x, conv, up_):
    """The classic U-Net: the upsampled map is padded by what is missing on either axis."""
    skip = conv(x)
    y = up_(F.max_pool2d(skip, 2))
    rows, columns = skip.size(2) - y.size(2), skip.size(3) - y.size(3)
    pad = [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2]
    return torch.cat([skip, F.pad(y, pad)], 1)


def asserted(x):
    torch._assert(x.shape[2] % 14 == 0, f"height {x.shape[2]} is no multiple of 14")
    torch._assert(x.shape[3] % 14 == 0, f"width {x.shape[3]} is no multiple of 14")
    return x


def cut(x, tap):
    d = (x.shape[2] - tap(x).shape[2]) // 2
    return x[:, :, d:-d, d:-d]


def averaged(x, conv):
    y = conv(x)
    return F.avg_pool2d(y, y.size()[2:])


def gated(x, linear):
    return x * linear(x.mean((2, 3))).view(x.shape[0], -1, 1, 1)


def reflected(x):
    h, w = x.shape[2:]
    return F.pad(x, (0, -w % 32, 0, -h % 32), mode="reflect")


def mapped_by_its_own_weights(x):
    weight = torch.zeros(x.shape[1], 1, 4, 4)
    return F.conv_transpose2d(x, weight, stride=2, groups=x.shape[1])


def conv(a, b, k, **more):
    return nn.Conv2d(a, b, k, **more)


def reflecting(dilation):
    layer = conv(3, 4, 5, padding="same", padding_mode="reflect", dilation=dilation)
    return nn.Sequential(layer, nn.MaxPool2d(2))


NETWORKS = {
    "a branch on what is a tensor": Net(
        joined_if_tensor, conv(3, 4, 3, padding=1), nn.ConvTranspose2d(4, 4, 2, 2)
    ),
    "channels that do not fit": nn.Sequential(conv(3, 8, 3), conv(16, 4, 3)),
    "a gate": Net(gated, nn.Linear(3, 3)),
    "slices with computed bounds": Net(cut, conv(3, 3, 7)),
    "reflection up to a multiple": Net(reflected),
    "reflection in a convolution": reflecting(1),
    "reflection in a dilated convolution": reflecting(4),
    "padding by less than nothing": nn.Sequential(nn.ZeroPad2d((-5, 10, 0, 0)), conv(3, 3, 1)),
    "variance by place": Net(lambda x: x.var((2, 3), False, True)),
    "norm by place": Net(lambda x, linear: linear(x.norm(2, (2, 3))), nn.Linear(3, 2)),
    "tracked instance norm": nn.Sequential(
        nn.MaxPool2d(2), nn.InstanceNorm2d(3, track_running_stats=True)
    ),
    "features": nn.Sequential(conv(3, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "the classic U-Net": Net(
        padded_by_difference, conv(3, 4, 3, padding=1), nn.ConvTranspose2d(4, 4, 2, 2)
    ),
    "an assertion": Net(asserted),
    "sizes as values": Net(lambda x: x / (x.shape[2] * x.shape[3]) * (x.shape[2] / 8)),
    "a comparison that nobody reads": Net(lambda x: (x.shape[2] > 7, x)[1]),
    "pooling by the map's size": Net(averaged, conv(3, 3, 3)),
    "a missing output": Net(lambda x: (x, None)),
    "a norm of a buffer": Net(
        lambda x, norm, linear: x + linear(norm(torch.ones(1, 4))).view(1, 3, 1, 1),
        nn.LayerNorm(4),
        nn.Linear(4, 3),
    ),
    "a one-dimensional layer first": Net(
        lambda x, one, two: two(x) * one(x.mean((2, 3))[:, None]).mean(),
        nn.Conv1d(1, 1, 3, padding=1),
        conv(3, 4, 3),
    ),
    "a maximum with its places": Net(lambda x: torch.max(x, 1, keepdim=True).values),
    "parts of channels": Net(lambda x: torch.tensor_split(x, [1], 1)[1]),
    "weights by the input": Net(mapped_by_its_own_weights),
}


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_answered_as_pytorch_runs_them(name, axis):
    answer = assert_holds(NETWORKS[name], axis)
    answer.check()


@pytest.mark.parametrize(
    ("name", "minimum"),
    [
        ("channels that do not fit", None),
        ("a branch on what is a tensor", 2),
        ("reflection up to a multiple", 17),
        ("reflection in a convolution", 3),
        ("reflection in a dilated convolution", 9),
        ("padding by less than nothing", 5),
        ("tracked instance norm", 2),
        ("an assertion", 14),
    ],
)
def test_the_smallest_sizes_of_these(name, minimum):
    assert solve(NETWORKS[name]).minimum == minimum


def test_an_output_of_fixed_size_is_told_axis_by_axis():
    model = Net(lambda x: F.adaptive_avg_pool2d(x, (5, 7)))
    assert [solve(model, axis=axis).output(32) for axis in (0, 1)] == [5, 7]
    assert solve(model).output(32) == (5, 7)


def test_features_are_the_output_where_no_map_is_left():
    assert solve(NETWORKS["features"]).output(32) == 7


@pytest.mark.parametrize(
    ("read", "error", "match"),
    [
        ({nn.Tanh: lambda x: None}, TypeError, r"a function in read= must return a size, got None"),
        ({nn.Tanh: "same"}, TypeError, r"read={Tanh: \.\.\.} must be a function of the size"),
        ({"nothing": lambda x: x}, ValueError, r"read={'nothing': \.\.\.} names no part of"),
        ({nn.LSTM: lambda x: x}, ValueError, r"read={LSTM: \.\.\.} names no part of"),
    ],
)
def test_what_read_must_be(read, error, match):
    with pytest.raises(error, match=match):
        solve(from_torch(nn.Sequential(conv(3, 3, 3), nn.Tanh()), read=read))


@pytest.mark.parametrize(
    ("kind", "asked", "layer"),
    [
        (ConvTranspose, {"scale": 8, "kernel_size": 16}, ConvTranspose(16, 8, 4)),
        (
            ConvTranspose,
            {"input_size": 46, "output_size": 368, "stride": 8, "kernel_size": 16},
            ConvTranspose(16, 8, 4),
        ),
        (Conv, {"same": True, "kernel_size": 3, "dilation": 12}, Conv(3, padding=12, dilation=12)),
        (Conv, {"scale": Fraction(1, 16)}, Conv(16, 16)),
    ],
)
def test_the_customary_layer_comes_first(kind, asked, layer):
    assert find(kind, **asked)[0] == layer


def test_models_and_layers_are_solved_as_they_are():
    assert repr(solve(nn.Sequential(conv(3, 3, 3)))) == "Answer(inputs={n : n >= 3}, output=i - 2)"
    weight = np.zeros((2, 3, 3, 3), np.float32)
    layer = up.ConvTranspose2d(weight, stride=2)
    assert repr(solve(layer)) == "Answer(inputs={n : n >= 1}, output=2*i + 1)"
    with pytest.raises(TypeError, match=r"Conv2d is a class; make a module of it first"):
        from_torch(nn.Conv2d)


def test_answers_are_kept_compared_and_listed():
    def network(x):
        return same(x // 3, x // 4)

    answer = solve(network)
    assert pickle.loads(pickle.dumps(answer)) == answer == solve(network)
    assert list(answer) == [4, 5, 8]
    with pytest.raises(TypeError, match=r"write answer\.first\(10\)"):
        list(solve(nn.MaxPool2d(2)))


X = np.zeros((1, 2, 5, 5), np.float32)
WEIGHT = np.zeros((2, 3, 3, 3), np.float32)
PICTURE = np.zeros((20, 30, 3), np.uint8)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: up.interpolate(X, scale_factor=(2.0,)), ValueError, "one number for all"),
        (
            lambda: up.interpolate(X, scale_factor=(2.0,), mode="bilinear"),
            ValueError,
            "one number for all",
        ),
        (lambda: up.interpolate(X, scale_factor=10**19), MemoryError, "no memory holds"),
        (
            lambda: up.conv_transpose2d(X, WEIGHT, stride=2, output_size=(17,)),
            ValueError,
            "one int for all spatial axes, or 2",
        ),
        (lambda: up.interpolate(PICTURE, scale_factor=2), ValueError, "looks like a picture"),
        (
            lambda: up.interpolate(PICTURE, scale_factor=2, channel_axis=-1),
            ValueError,
            "looks like a picture",
        ),
        (
            lambda: up.interpolate(np.ma.masked_array(X, X == 0), scale_factor=2),
            TypeError,
            "mask would be lost",
        ),
        (lambda: up.ConvTranspose2d(16, 8, 3, stride=2), TypeError, r"up\.from_torch\(module\)"),
    ],
)
def test_calls_that_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_calls_that_are_taken():
    skip = (1, 99, 12, 12)  # of which the spatial sizes count
    assert up.conv_transpose2d(X, WEIGHT, stride=2, output_size=skip).shape == (1, 3, 12, 12)
    kernel = np.ones((1, 2, 3, 3), np.float32)
    biased = up.conv2d(X, kernel, bias=[7.0])
    assert biased.dtype == np.float32
    assert (biased == 7).all()
    weight = nn.Parameter(torch.zeros(2, 3, 3, 3))
    assert up.conv_transpose2d(X, weight, stride=2).shape == (1, 3, 11, 11)
    words = up.interpolate(np.array([[["a", "b"]]]), scale_factor=2)
    assert words.tolist() == [[["a", "a", "b", "b"]]]  # nearest copies what has a fixed size


def test_a_long_axis_has_pytorch_s_pixels():
    x = np.random.default_rng(0).integers(0, 255, (1, 1, 17_000_023), np.uint8)
    wanted = F.interpolate(torch.from_numpy(x), scale_factor=1.1, mode="nearest-exact")
    found = up.interpolate(x, scale_factor=1.1, mode="nearest-exact")
    assert np.array_equal(found, wanted.numpy())


def test_the_second_call_of_a_layer_gives_the_first_one_s_bits():
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((3, 32, 6, 5), np.float32)
    bias = rng.standard_normal(3).astype(np.float32)
    layer = up.Conv2d(weight, bias, stride=(4, 3), padding=(9, 3), dilation=(3, 1))
    x = rng.standard_normal((1, 32, 4, 12), np.float32)[:, :, ::-1, ::-1]
    arrays = (torch.from_numpy(one.copy()) for one in (x, weight, bias))
    wanted = F.conv2d(*arrays, (4, 3), (9, 3), (3, 1)).numpy()
    height, width = wanted.shape[2:]
    calls = []
    for _ in range(4):
        out = np.empty((1, height, width, 3), np.float32).transpose(0, 3, 1, 2)
        calls.append(layer(x, out=out).copy())
    assert all(np.array_equal(calls[0], one) for one in calls)
    np.testing.assert_allclose(calls[0], wanted, rtol=1e-3, atol=1e-3)
