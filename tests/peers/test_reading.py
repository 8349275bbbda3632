"""What is read of models as people write them: branches, raised errors, sizes that become numbers.

Every answer is held against the model itself at every small size: a network is given as PyTorch
runs it (on the CPU, with zeros for weights), never as the reader sees it.
"""

import dataclasses
import logging
import math
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from upshape.shapes import (
    AutoPad,
    Conv,
    ConvTranspose,
    Interpolate,
    Pool,
    from_torch,
    same,
    solve,
)


class N(nn.Module):
    """A module whose forward is a function of it and its input."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)
        self.function = forward

    def forward(self, x):
        return self.function(self, x)


def c(k, s=1, p=0, inside=3, out=3):
    return nn.Conv2d(inside, out, k, s, p)


def sizes_of(output, axis, rank):
    """Return the sizes of what a model returns, None if any is empty."""
    if isinstance(output, torch.Tensor):
        if output.ndim < 3:
            return output.shape[-1]
        if axis is not None and output.ndim == rank + 2:
            return output.shape[2 + axis]
        sizes = tuple(output.shape[2:])
        return sizes[0] if len(set(sizes)) == 1 else sizes
    if isinstance(output, dict):
        return {key: sizes_of(one, axis, rank) for key, one in output.items() if one is not None}
    return type(output)(sizes_of(one, axis, rank) for one in output if one is not None)


def empty(output):
    if isinstance(output, torch.Tensor):
        return output.numel() == 0
    values = output.values() if isinstance(output, dict) else output
    return any(empty(one) for one in values if one is not None)


def run(model, sizes, channels, axis):
    """Return what PyTorch's CPU makes of an input, None if it refuses or nothing is left."""
    try:
        with torch.no_grad():
            output = model(torch.zeros(1, channels, *sizes))
    except Exception:
        return None
    return None if empty(output) else sizes_of(output, axis, len(sizes))


def holds(model, axis=None, others=40, sizes=range(1, 40), channels=3, rank=2):
    """Compare solve's answer with PyTorch's CPU, size by size; return the answer."""
    model.eval()
    network = from_torch(model)
    assert network.unread == ()
    answer = solve(network, axis=axis)
    for n in sizes:
        spatial = [n if axis is None or place == axis else others for place in range(rank)]
        wanted = run(model, spatial, channels, axis)
        assert (n in answer) == (wanted is not None), (n, wanted, repr(answer))
        if wanted is not None:
            assert answer.output(n) == wanted, n
        else:
            assert "does not take" in answer.explain(n)
    answer.check()
    return answer


# What once went wrong, each for its kind: the names are those of the operations.


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_classifiers_are_solved_axis_by_axis(axis):
    model = nn.Sequential(c(3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    answer = holds(model, axis)
    assert answer.minimum == 3
    assert answer.output(100) == 2
    deep = nn.Sequential(
        c(11, 4, 2, 3, 8), nn.MaxPool2d(3, 2), nn.AdaptiveAvgPool2d(6), nn.Flatten(),
        nn.Linear(288, 10),
    )  # fmt: skip
    assert holds(deep, axis).minimum == 15


@pytest.mark.parametrize(
    "values",
    [nn.Parameter(torch.zeros(4, 2)), torch.zeros(4, 2)],
    ids=["parameter", "buffer"],
)
def test_computing_with_parameters_and_buffers(values):
    model = N(lambda s, x: x * s.lin(s.values).sum(), lin=nn.Linear(2, 2), values=values)
    assert str(holds(model)._sizes) == "{n : n >= 1}"
    normed = N(
        lambda s, x: s.conv(x) + F.layer_norm(s.values, (2,)).mean(), conv=c(3), values=values
    )
    assert holds(normed).minimum == 3


@pytest.mark.parametrize(
    "is_tensor",
    [
        lambda x: isinstance(x, torch.Tensor),
        torch.is_tensor,
        lambda x: torch.jit.isinstance(x, torch.Tensor),
    ],
    ids=["isinstance", "is_tensor", "jit"],
)
def test_a_branch_on_what_is_a_tensor_is_the_one_that_tensors_take(is_tensor):
    answer = holds(N(lambda s, x: F.max_pool2d(x, 2) if is_tensor(x) else x))
    assert answer.minimum == 2
    assert answer.output(33) == 16

    def forward(s, x):
        skip = s.conv(x)
        y = s.up(F.max_pool2d(skip, 2))
        if is_tensor(skip):
            y = torch.cat([skip, y], 1)
        return y

    parts = {"conv": c(3, 1, 1), "up": nn.ConvTranspose2d(3, 3, 2, 2)}
    assert str(holds(N(forward, **parts))._sizes) == "{2 n : n >= 1}"


def test_slices_whose_bounds_are_sizes():
    holds(N(lambda s, x: x[:, :, -s.conv(x).size(2) :, :], conv=c(3)), 0)
    holds(N(lambda s, x: x[:, :, 1::2, 1::2] + x[:, :, ::2, ::2]))

    def forward(s, x):
        d = (x.shape[2] - s.conv(x).shape[2]) // 2
        return x[:, :, d:-d, d:-d]

    assert holds(N(forward, conv=c(7))).minimum == 7

    def one_sided(s, x):
        d = x.shape[2] - s.conv(x).shape[2]
        return x[:, :, :-d, :-d]

    assert holds(N(one_sided, conv=c(4))).minimum == 4


@pytest.mark.parametrize("name", ["mul_", "add_", "sub_", "div_"])
def test_what_is_changed_in_place_does_not_grow(name):
    model = N(lambda s, x: getattr(s.a(x), name)(s.b(x)), a=c(5, 2), b=c(1, 2))
    assert str(holds(model)._sizes) == "{}"

    def grown(s, x):
        y = s.a(x)
        y += s.b(x)
        return y

    assert str(holds(N(grown, a=c(5, 2), b=c(1, 2)))._sizes) == "{}"


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("multiple", [8, 32])
def test_padding_up_to_a_multiple(mode, multiple):
    def forward(s, x):
        h, w = x.shape[-2:]
        return F.pad(x, (0, -w % multiple, 0, -h % multiple), mode=mode)

    answer = holds(N(forward), sizes=range(1, 70))
    if mode == "reflect":
        assert answer.minimum == multiple // 2 + 1

    def always(s, x):
        _, _, h, w = x.shape
        return F.pad(x, (0, multiple - w % multiple, 0, multiple - h % multiple), mode)

    holds(N(always), sizes=range(1, 70))


@pytest.mark.parametrize(("dilation", "least"), [(1, 3), (4, 9)])
def test_padding_by_reflection_inside_a_convolution(dilation, least):
    conv = nn.Conv2d(3, 4, 5, padding="same", padding_mode="reflect", dilation=dilation)
    assert holds(nn.Sequential(conv, nn.MaxPool2d(2))).minimum == least


@pytest.mark.parametrize("pad", [(-5, 10, 0, 0), (10, -5, 0, 0), (-3, -3, -1, 2), (0, 0, -2, -2)])
@pytest.mark.parametrize("axis", [0, 1])
def test_padding_by_less_than_nothing(pad, axis):
    holds(nn.Sequential(nn.ZeroPad2d(pad), nn.Identity()), axis)
    holds(N(lambda s, x: F.pad(x, pad)), axis)


def test_rows_that_go_to_the_batch():
    model = N(lambda s, x: s.lin(s.conv(x).view(-1, 12)), lin=nn.Linear(12, 2), conv=c(2, 2))
    answer = holds(model)
    assert [n for n in range(1, 14) if n in answer] == [4, 5, 8, 9, 12, 13]


def test_features_are_counted():
    flat = holds(N(lambda s, x: s.conv(x).view(x.shape[0], -1), conv=c(3)))
    assert flat.output(10) == 3 * 64
    assert str(flat.output_size) == "3*i**2 - 12*i + 12"
    pooled = nn.Sequential(nn.Conv2d(3, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert holds(pooled).output(20) == 7


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("tracked", [False, True])
def test_instance_norm_wants_more_than_one_pixel_unless_it_is_tracked(axis, tracked):
    model = nn.Sequential(c(3, 2, 1), nn.InstanceNorm2d(3, track_running_stats=tracked))
    answer = holds(model, axis)
    assert answer.minimum == (3 if axis is None and not tracked else 1)


def test_channels_that_do_not_fit_take_no_size():
    answer = holds(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(16, 4, 3)))
    assert not answer
    assert "16" in answer.explain(20)


def test_a_gate_keeps_the_map():
    def forward(s, x):
        y = s.conv(x)
        return y * s.lin(y.mean((2, 3))).view(y.shape[0], -1, 1, 1)

    answer = holds(N(forward, lin=nn.Linear(3, 3), conv=c(3, 2)))
    assert answer.output(21) == 10


def test_arguments_by_their_place():
    assert holds(N(lambda s, x: s.conv(x).var((2, 3), False, True), conv=c(3))).output(9) == 1
    model = N(lambda s, x: s.lin(s.conv(x).norm(2, (2, 3))), conv=c(3), lin=nn.Linear(3, 2))
    assert holds(model).output(9) == 2


@pytest.mark.parametrize("axis", [0, 1])
def test_an_output_of_fixed_size_an_axis(axis):
    model = N(lambda s, x: F.adaptive_avg_pool2d(x, (5, 7)))
    assert holds(model, axis).output(30) == (5, 7)[axis]


class PadsTheDifference(nn.Module):
    """The classic U-Net that pads the upsampled map by the difference of the two axes."""

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList(c(3, 1, 1, 8 if n else 3, 8) for n in range(3))
        self.up = nn.ModuleList(nn.ConvTranspose2d(16 if n else 8, 8, 2, 2) for n in range(3))

    def forward(self, x):
        skips = []
        for conv in self.down:
            x = conv(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(x)
            dy, dx = skip.size()[2] - x.size()[2], skip.size()[3] - x.size()[3]
            x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
            x = torch.cat([skip, x], dim=1)
        return x


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_differences_of_sizes_as_padding(axis):
    assert str(holds(PadsTheDifference(), axis)._sizes) == "{n : n >= 8}"


@pytest.mark.parametrize("way", ["_assert", "assert", "raise", "check"])
def test_what_a_forward_demands_of_a_size(way):
    def forward(s, x):
        h = x.shape[2]
        if way == "_assert":
            torch._assert(h % 14 == 0, "not a multiple of 14")
        elif way == "assert":
            assert h % 14 == 0, "not a multiple of 14"
        elif way == "check":
            torch._check(h % 14 == 0, lambda: "not a multiple of 14")
        elif h % 14 != 0:
            raise ValueError("not a multiple of 14")
        return s.conv(x)

    answer = holds(N(forward, conv=c(14, 14)))
    assert str(answer._sizes) == "{14 n : n >= 1}"
    told = str(answer.explain(20))
    assert "not a multiple of 14" in told
    assert "test_reading.py" in told


def test_sizes_that_are_used_for_values_only():
    def forward(s, x):
        h, w = x.shape[-2:]
        _ = h > 3
        return s.conv(x / (h * w)) * (h / 8)

    assert str(holds(N(forward, conv=c(3)))._sizes) == "{n : n >= 3}"


def test_a_window_as_large_as_the_map():
    assert (
        holds(N(lambda s, x: F.avg_pool2d(s.conv(x), s.conv(x).size()[2:]), conv=c(3))).output(9)
        == 1
    )


@dataclasses.dataclass
class Output:
    sample: torch.Tensor
    loss: torch.Tensor | None = None


def test_what_a_model_may_return():
    assert holds(N(lambda s, x: (s.conv(x), None), conv=c(3))).output(9) == (7,)
    assert holds(N(lambda s, x: {"a": s.conv(x), "b": None}, conv=c(3))).output(9) == {"a": 7}
    model = N(lambda s, x: Output(s.conv(x)), conv=c(3))
    assert solve(from_torch(model)).output(9) == {"sample": 7}
    model = N(lambda s, x: [x, (s.conv(x), x.mean((2, 3)))], conv=c(3))
    assert holds(model).output(9) == [9, (7, 3)]


def test_layers_in_an_order_of_their_own():
    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Conv1d(3, 3, 1)
            self.two = c(3)

        def forward(self, x):
            y = self.two(x)
            return self.one(y.flatten(2)).view(y.shape)

    assert holds(Late()).output(9) == 7


def test_parts_of_an_axis():
    assert holds(N(lambda s, x: torch.max(x, 1, keepdim=True).values)).output(9) == 9
    assert holds(N(lambda s, x: torch.tensor_split(x, [1], 1)[1])).output(9) == 9
    holds(N(lambda s, x: torch.cat(torch.chunk(x, 2, 2), 1)))
    holds(N(lambda s, x: x.split([4, x.shape[2] - 4], 2)[1]))
    holds(N(lambda s, x: torch.stack([x, x], 2).flatten(1, 2)))
    holds(N(lambda s, x: torch.roll(x, (1, -1), (2, 3))[:, :, 1:]))


def test_weights_by_the_channels_of_the_input():
    def forward(s, x):
        weight = s.kernel.expand(x.shape[1], 1, 4, 4)
        return F.conv_transpose2d(x, weight, stride=2, groups=x.shape[1])

    assert holds(N(forward, kernel=torch.zeros(1, 1, 4, 4))).output(9) == 20


# What people write around sizes.


TURN = torch.eye(2, 3)[None]


@pytest.mark.filterwarnings("ignore:Default grid_sample:UserWarning")
@pytest.mark.parametrize(
    "forward",
    [
        lambda s, x: F.interpolate(x, size=int(x.shape[2] * 0.5)),
        lambda s, x: F.interpolate(x, size=(math.ceil(x.shape[2] / 8) * 8,) * 2),
        lambda s, x: F.interpolate(x, size=[round(d * 0.75) for d in x.shape[2:]]),
        lambda s, x: F.interpolate(x, scale_factor=(0.5, 1.5)),
        lambda s, x: F.interpolate(F.max_pool2d(x, 3, 2, 1), x.shape[-2:], mode="bilinear") + x,
        lambda s, x: x[:, :, : int(math.sqrt(x.shape[2] * x.shape[3]))],
        lambda s, x: x if x.shape[2] % 2 else F.max_pool2d(x, 2),
        lambda s, x: s.conv(x) if min(x.shape[2:]) > 6 else x,
        lambda s, x: F.max_pool2d(x, 2, ceil_mode=True) + F.avg_pool2d(x, 2, ceil_mode=True),
        lambda s, x: F.pixel_shuffle(F.pixel_unshuffle(x, 4), 2),
        lambda s, x: F.fold(F.unfold(x, 4, stride=4), x.shape[2:], 4, stride=4),
        lambda s, x: F.unfold(x, 3),
        lambda s, x: x.unfold(2, 4, 2),
        lambda s, x: F.adaptive_avg_pool2d(x, x.shape[2] // 4),
        lambda s, x: x.permute(0, 2, 3, 1).reshape(1, -1, 3).mT.unflatten(2, x.shape[2:]),
        lambda s, x: x.view(1, 3, x.shape[2] // 4, 4, -1, 4).transpose(3, 4).flatten(1, 3),
        lambda s, x: F.glu(torch.cat([x, x], 1), 1),
        lambda s, x: x.repeat(1, 1, 2, 1).flip(2),
        lambda s, x: x.new_zeros(1, 3, x.shape[2] + 1, x.size(-1)),
        lambda s, x: x.unsqueeze(2).expand(-1, -1, 2, -1, -1).reshape(1, 6, *x.shape[2:]),
        lambda s, x: F.scaled_dot_product_attention(*[x.flatten(2).transpose(1, 2)] * 3),
        lambda s, x: torch.einsum("bchw,bdhw->bcd", x, x),
        lambda s, x: F.max_unpool2d(
            *F.max_pool2d(x, 2, return_indices=True), 2, output_size=x.shape[2:]
        ),
        lambda s, x: F.grid_sample(x, F.affine_grid(TURN, list(x.shape), False)),
        lambda s, x: x[:, :, torch.arange(x.shape[2] // 2)],
        lambda s, x: torch.fft.rfft2(x).abs(),
        lambda s, x: F.interpolate(x, size=[int(np.ceil(d / 7)) * 7 for d in x.shape[2:]]),
        lambda s, x: x.reshape(1, -1, int(np.prod(x.shape[2:])) // 4),
        lambda s, x: F.interpolate(x, size=-(-x.shape[2] // 3) + math.floor(-x.shape[2] / 7) + 9),
        lambda s, x: F.interpolate(x, scale_factor=2, mode="nearest") * x.shape[2] ** -0.5,
    ],
)  # fmt: skip
def test_what_people_write(forward):
    holds(N(forward, conv=c(3)))


def test_windows_and_their_reversal():
    def forward(s, x):
        b, ch, h, w = x.shape
        x = F.pad(x, (0, (7 - w % 7) % 7, 0, (7 - h % 7) % 7))
        hp, wp = x.shape[2:]
        x = x.permute(0, 2, 3, 1).view(b, hp // 7, 7, wp // 7, 7, ch)
        x = x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, 49, ch)
        x = F.scaled_dot_product_attention(x, x, x)
        x = x.view(b, hp // 7, wp // 7, 7, 7, ch).permute(0, 1, 3, 2, 4, 5)
        x = x.contiguous().view(b, hp, wp, ch)[:, :h, :w, :]
        return x.permute(0, 3, 1, 2)

    answer = holds(N(forward))
    assert str(answer._sizes) == "{n : n >= 1}"
    assert answer.output(30) == 30


def test_spectrograms():
    model = N(
        lambda s, x: s.conv(torch.stft(x[:, 0], 32, 8, return_complex=True).abs()[:, :, :-1]),
        conv=nn.Conv1d(17, 2, 3),
    )
    holds(model, sizes=range(1, 60), channels=1, rank=1)


def test_sizes_that_a_module_keeps_for_itself():
    """A module that shrinks its window for good does so for one run only."""

    class Shrinks(nn.Module):
        def __init__(self):
            super().__init__()
            self.window, self.conv = 7, c(3, 1, 1)

        def forward(self, x):
            if x.shape[2] <= self.window:
                self.window = x.shape[2]
            return F.avg_pool2d(self.conv(x), self.window)

    model = Shrinks()
    network = from_torch(model)
    answer = solve(network)
    assert model.window == 7
    assert not network.unread
    assert [answer.output(n) for n in (3, 7, 14, 20)] == [1, 1, 2, 2]


def test_what_depends_on_values_is_named_with_its_place():
    network = from_torch(N(lambda s, x: x[:, :, : int(x.sum())], conv=c(3)))
    assert len(network.unread) == 1
    assert "test_reading.py" in network.unread[0]
    assert "read out of a tensor" in network.unread[0]
    with pytest.raises(ValueError, match=r"unknown.*test_reading.py.*read="):
        solve(network)


def test_two_images():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = c(3, 2, 1)

        def forward(self, first, second):
            return self.conv(first) - self.conv(second)

    assert solve(from_torch(Pair())).output(9) == 5


def test_a_model_is_left_as_it_was():
    model = nn.Sequential(c(3), nn.BatchNorm2d(3)).train()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    solve(from_torch(model)).check()
    assert model.training
    assert model[1].training
    for name, one in model.state_dict().items():
        assert torch.equal(one, before[name])


class Listens(nn.Module):
    """Collects what its parts make, by hooks that its first call installs."""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList([nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 8, 3, 2)])
        self.heads = nn.ModuleList([nn.Conv2d(4, 5, 1), nn.Conv2d(8, 5, 1)])
        self.listening, self.heard, self.known = False, [], {}

    def forward(self, x):
        if not self.listening:
            self.listening = True
            for stage in self.stages:
                stage.register_forward_hook(lambda one, args, made: self.heard.append(made))
        self.heard.clear()
        for stage in self.stages:
            x = stage(x)
        pairs = zip(self.heard, self.heads, strict=True)
        return [self.known.setdefault(head, head(one)) for one, head in pairs]


def test_what_a_first_call_installs_does_not_stay():
    """Hooks that stayed while the flag that says so went were installed once a run."""
    model = Listens()
    answer = solve(from_torch(model))
    assert answer.first(2) == [7, 8]
    assert answer.output(224) == [111, 55]
    answer.check()
    assert not model.listening
    assert not model.known
    assert not any(stage._forward_hooks for stage in model.stages)


def test_a_wrong_answer_does_not_pass_its_check():
    answer = solve(from_torch(N(lambda s, x: s.conv(x), conv=c(3))))
    answer.check()
    with pytest.raises(AssertionError, match="the answer says"):
        answer.check(N(lambda s, x: s.conv(x), conv=c(4)))
    with pytest.raises(AssertionError, match="but PyTorch refuses it"):
        answer.check(N(lambda s, x: s.conv(x), conv=c(3, inside=4)))


# Several axes at once.


@pytest.mark.parametrize("pair", [(480, 854), (7, 9), (64, 40), (33, 8)])
def test_height_and_width_together(pair):
    model = PadsTheDifference().eval()
    answer = solve(from_torch(model))
    assert (pair in answer) == (run(model, pair, 3, None) is not None)
    found = answer.next(pair)
    assert run(model, found, 3, None) is not None
    assert answer.padding(pair) == tuple(b - a for a, b in zip(pair, found, strict=True))
    with torch.no_grad():
        assert answer.output(found) == tuple(model(torch.zeros(1, 3, *found)).shape[2:])
    assert answer.explain(pair).taken == (pair in answer)


def test_a_u_net_s_axes_are_padded_each_on_its_own():
    class Plain(PadsTheDifference):
        def forward(self, x):
            skip = self.down[0](x)
            return torch.cat([self.up[0](F.max_pool2d(skip, 2))[:, :3], skip], 1)

    answer = solve(from_torch(Plain()))
    assert answer.next((481, 854)) == (482, 854)
    assert answer.padding((481, 853)) == (1, 1)


def test_axes_that_must_be_equal():
    def forward(s, x):
        assert x.shape[2] == x.shape[3], "no square"
        return s.conv(x)

    answer = solve(from_torch(N(forward, conv=c(2, 2))))
    assert (40, 40) in answer
    assert (40, 42) not in answer
    assert answer.next((40, 42)) == (42, 42)
    assert "no square" in answer.explain((40, 42))


def test_the_smallest_input_for_an_output():
    answer = solve(from_torch(N(lambda s, x: s.conv(x), conv=c(3, 2))))
    assert answer.at_least(10) == 21
    counted = solve(from_torch(N(lambda s, x: s.conv(x).flatten(1), conv=c(3, 2))))
    assert counted.at_least(300) == 21


@pytest.mark.parametrize(("pair", "match"), [((1, 2, 3), "2 sizes"), ((0, 4), "at least 1")])
def test_pairs_that_are_none(pair, match):
    answer = solve(from_torch(N(lambda s, x: s.conv(x), conv=c(3, 2))))
    with pytest.raises(ValueError, match=match):
        answer.next(pair)


def test_a_machine_too_small_for_a_size_does_not_make_the_model_refuse_it(monkeypatch):
    """Only the CPU tells whether what is empty on the way is refused; here it has no memory."""
    from upshape.shapes import _run

    monkeypatch.setattr(_run, "MOST_PIXELS", 0)
    network = from_torch(N(lambda s, x: torch.cat([x, x[:, :0].cumsum(2)], 1)))
    assert len(network.unread) == 1
    assert "not run on the CPU" in network.unread[0]


def test_a_waveform_without_channels():
    model = N(lambda s, x: s.conv(x.unsqueeze(1)), conv=nn.Conv1d(1, 4, 10, 5)).eval()
    answer = solve(from_torch(model))
    assert answer.minimum == 10
    for n in range(10, 40):
        assert answer.output(n) == model(torch.zeros(1, n)).shape[2]
    answer.check()


@pytest.mark.parametrize(
    "part",
    [
        lambda y: torch.chunk(y, 3, 2)[0],
        lambda y: y[:, :, : min(y.shape[2], 17), : max(y.shape[3] - 20, 4)],
        lambda y: y[:, :, y.shape[2] // 2 :] if y.shape[2] // 10 else y,
    ],
    ids=["chunk", "bounds", "branch"],
)
def test_a_map_that_is_square_for_some_sizes_has_an_output_an_axis(part):
    answer = holds(N(lambda s, x: part(s.conv(x)), conv=c(3, 1, 1)))
    for n in answer.first(30):
        made = answer.output(n)
        told = tuple(leaf.function.at(n) for leaf in answer._result)
        assert told == (made if isinstance(made, tuple) else (made, made))
    assert "output=(" in repr(answer)


def test_outputs_of_another_number_for_some_sizes_are_told_as_such():
    answer = holds(N(lambda s, x: (x, F.max_pool2d(x, 2)) if x.shape[3] % 2 else x))
    assert "2 -> 2, 3 -> (3, 1)" in repr(answer)
    assert (answer.output(3), answer.output(4)) == ((3, 1), 4)
    assert answer.at_least(2) == 2
    assert answer == answer
    with pytest.raises(ValueError, match="another number"):
        answer.receptive_field()


def test_a_read_model_inside_a_network_of_sizes():
    unet = N(
        lambda s, x: torch.cat([s.up(F.max_pool2d(s.conv(x), 2)), s.conv(x)], 1),
        conv=c(3), up=nn.ConvTranspose2d(3, 3, 2, 2),
    )  # fmt: skip
    inner, pool = from_torch(unet), Pool(2)
    answer = solve(lambda x: same(Conv(3, padding=1)(inner(pool(x))), pool(x) - 2))
    model = N(lambda s, x: unet(F.max_pool2d(x, 2)))
    for n in range(1, 60):
        wanted = run(model, (n, n), 3, None)
        assert (n in answer) == (wanted is not None)
        if wanted is not None:
            assert answer.output(n) == wanted
    assert "takes {2 n : n >= 2}" in answer.explain(6)
    assert pickle.loads(pickle.dumps(answer)) == answer
    with pytest.raises(TypeError, match="what becomes of the pixels"):
        answer.receptive_field()


@pytest.mark.parametrize(
    "size", [lambda x: 20 - x, lambda x: 3 * x + 1, lambda x: x // 3 - 2, lambda x: x % 7]
)
def test_sizes_computed_before_a_read_model(size):
    model = N(
        lambda s, x: s.a(x) if x.shape[2] < 9 else F.max_pool2d(x, 3, ceil_mode=True), a=c(3, 2, 1)
    )
    inner = from_torch(model)
    answer = solve(lambda x: inner(size(x)))
    for n in range(1, 80):
        i = size(n)
        wanted = run(model, (i, i), 3, None) if i > 0 else None
        assert (n in answer) == (wanted is not None)
        if wanted is not None:
            assert answer.output(n) == wanted


def test_a_read_model_whose_size_is_no_quasi_linear_function_is_no_part():
    inner = from_torch(N(lambda s, x: x.flatten(1)[:, : x.shape[2] * x.shape[3]]))
    with pytest.raises(TypeError, match="not quasi-linear"):
        solve(lambda x: inner(x))


class ByKeyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = c(3, 2)

    def forward(self, *, x, y):
        return self.conv(x + y)


def test_inputs_that_are_given_by_keyword():
    answer = solve(ByKeyword())
    assert str(answer._sizes) == "{n : n >= 3}"
    assert answer.output(9) == 4


def test_a_model_that_fails_at_every_size_says_why():
    with pytest.raises(ValueError, match=r"of shape \(1, 3, n, n\), and fails whatever the size"):
        solve(N(lambda s, d: s.conv(d["image"]), conv=c(3)))
    answer = solve(nn.Embedding(3, 4))
    assert answer.minimum is None
    for told in (repr(answer), str(answer)):
        assert "at 224 it fails" in told
        assert "scalar types" in told
    assert "channel" in repr(solve(nn.Sequential(c(3), c(3, inside=7))))


def refuses_by_percent(h):
    if h % 4 or h < 9:
        raise ValueError("bad size %d" % h)  # noqa: UP031


def refuses_by_format(h):
    if h % 4:
        message = "bad size {:d}".format(h)  # noqa: UP032
        raise ValueError(message)


def asserts(h):
    assert h % 4 == 0, "bad size " + str(h)


def logs(h):
    logging.getLogger("model").warning("size %d", h)


@pytest.mark.parametrize("tells", [refuses_by_percent, refuses_by_format, asserts, logs])
def test_a_size_that_is_told_parts_no_way(tells):
    def forward(s, x):
        tells(x.shape[2])
        return s.conv(x)

    model = N(forward, conv=c(3))
    answer = holds(model)
    assert len(answer._survey.ways) < 8
    if tells is not logs:
        assert "bad size 18" in answer.explain(18)


def test_a_size_that_is_told_and_looked_up_is_no_constant():
    def forward(s, x):
        return F.max_pool2d(x, {"14": 2, "16": 4}.get(str(min(x.shape[2], 20)), 3))

    assert holds(N(forward)).output(14) == 7

    def caught(s, x):
        try:
            if x.shape[2] < 9:
                raise ValueError("%d" % x.shape[2])  # noqa: UP031
        except ValueError as error:
            return F.max_pool2d(x, 2) if str(error) == "7" else x
        return x

    assert holds(N(caught)).output(7) == 3


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_wrapped_models_are_read_as_what_they_wrap(wrap):
    model = nn.Sequential(c(3), nn.MaxPool2d(2))
    assert solve(wrap(model)) == solve(model)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: torch.jit.script(nn.Sequential(c(3))), "TorchScript"),
        (lambda: torch.jit.trace(nn.Sequential(c(3)), torch.zeros(1, 3, 8, 8)), "TorchScript"),
        (lambda: nn.Sequential(c(3), nn.LazyConv2d(4, 3)), r"1 \(LazyConv2d\) has no weights"),
        (lambda: nn.Sequential(nn.LazyLinear(4)), r"0 \(LazyLinear\) has no weights"),
    ],
    ids=["script", "trace", "convolution", "linear"],
)
def test_models_that_cannot_be_read_as_they_are(make, match):
    with pytest.raises(TypeError, match=match):
        from_torch(make())


def test_sizes_that_each_go_their_own_way_are_given_up_soon():
    network = from_torch(N(lambda s, x: torch.split(x, 5, 2)[-1]))
    assert "too many ways" in network.unread[0]
    assert len(network._survey(None).ways) <= 100


def test_a_mended_functional_call_has_its_factor():
    def forward(s, x):
        y = F.interpolate(F.interpolate(x, scale_factor=0.5), scale_factor=2)
        return torch.cat([y, x], 1)

    (call,) = solve(N(forward), fix="size").repair.calls
    assert repr(call) == "Interpolate(scale_factor=2) (step 1) with size=i"


def test_a_size_that_is_looked_up_is_named_with_its_place():
    (told,) = from_torch(N(lambda s, x: x if {14: 1}.get(x.shape[2]) else -x)).unread
    assert told.startswith("a size is looked up in a dict, a set or a cache (")
    assert "{14: 1}.get" in told


# Kinds that the zoo of published models showed.


class Blocks(nn.Module):
    """Attention in blocks: relative positions cut from rows without an upper bound (HaloNet)."""

    def __init__(self):
        super().__init__()
        self.conv = c(1)

    def forward(self, x):
        y = self.conv(x)
        b, ch, h, w = y.shape
        assert h % 4 == 0
        assert w % 4 == 0
        blocks = (h // 4) * (w // 4)
        rows = y.reshape(b * ch, blocks, 16)
        return F.pad(rows, (0, 1))[:, :blocks, 1:].reshape(b, ch, h, w)


def test_a_slice_of_a_product_of_sizes_without_an_end_parts_no_way():
    answer = holds(Blocks())
    assert str(answer._sizes) == "{4 n : n >= 1}"
    assert len(answer._survey.ways) < 10


def test_the_message_of_an_assertion_function_parts_no_way():
    def forward(s, x):
        h, w = x.shape[2:]
        torch._assert(h % 8 == 0, f"the height {h} is no multiple of 8")
        torch._assert(w % 8 == 0, f"the width {w} is no multiple of 8")
        return s.conv(x)

    answer = holds(N(forward, conv=c(3, 1, 1)))
    assert str(answer._sizes) == "{8 n : n >= 1}"
    assert len(answer._survey.ways) < 5


def windows(s, x):
    """Attention in shifted windows with a mask, as torchvision's Swin has it."""
    b, ch, h, w = x.shape
    x = F.pad(x.permute(0, 2, 3, 1), (0, 0, 0, -w % 4, 0, -h % 4))
    high, wide = x.shape[1:3]
    shift = [0 if size <= 4 else 2 for size in (high, wide)]
    x = torch.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2)) if sum(shift) else x
    count = (high // 4) * (wide // 4)
    x = x.view(b, high // 4, 4, wide // 4, 4, ch).permute(0, 1, 3, 2, 4, 5)
    x = s.lin(x.reshape(b * count, 16, ch))
    attention = x @ x.transpose(-2, -1)
    if sum(shift):
        mask = x.new_zeros((high, wide))
        for n, rows in enumerate(((0, -4), (-4, -shift[0]), (-shift[0], None))):
            mask[rows[0] : rows[1], 0:-4] = n
        mask = mask.view(high // 4, 4, wide // 4, 4).permute(0, 2, 1, 3).reshape(count, 16)
        mask = mask.unsqueeze(1) - mask.unsqueeze(2)
        mask = mask.masked_fill(mask != 0, -100.0).masked_fill(mask == 0, 0.0)
        attention = attention + mask
    x = attention.softmax(-1).matmul(x).view(b, high // 4, wide // 4, 4, 4, ch)
    x = x.permute(0, 1, 3, 2, 4, 5).reshape(b, high, wide, ch)
    x = torch.roll(x, shifts=(shift[0], shift[1]), dims=(1, 2)) if sum(shift) else x
    return x[:, :h, :w].permute(0, 3, 1, 2).contiguous().view(b, ch, h * w)


def test_shifted_windows_with_a_mask():
    answer = holds(N(windows, lin=nn.Linear(3, 3)))
    assert answer.output(30) == 900
    assert len(answer._survey.ways) < 10


def test_products_of_what_does_not_fit_are_refused():
    wrong = N(lambda s, x: torch.matmul(x, x[:, :, :4]))
    assert str(holds(wrong)._sizes) == "{1, 2, 3, 4}"
    rows = N(lambda s, x: torch.bmm(x[0], x[0, :, :5]))
    assert str(holds(rows)._sizes) == "{1, 2, 3, 4, 5}"


@pytest.mark.parametrize(
    "cut",
    [
        lambda n: n - (n & 1),
        lambda n: n & ~3,
        lambda n: n & 13,
        lambda n: 6 & n,
        lambda n: n | 5,
        lambda n: n ^ 9,
    ],
)
def test_bits_of_sizes(cut):
    holds(N(lambda s, x: F.interpolate(x, size=(cut(x.shape[2]), 7))))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_adaptive_max_pooling_to_computed_sizes(axes):
    pool, conv = getattr(F, f"adaptive_max_pool{axes}d"), getattr(nn, f"Conv{axes}d")
    model = N(
        lambda s, x: pool(s.conv(x), tuple(size // 2 for size in x.shape[2:])), conv=conv(3, 3, 1)
    )
    answer = solve(from_torch(model.eval()))
    assert str(answer._sizes) == "{n : n >= 2}"
    assert [answer.output(n) for n in (2, 9)] == [1, 4]
    for n in range(1, 12):
        wanted = run(model, (n,) * axes, 3, None)
        assert (answer.output(n) if n in answer else None) == wanted


def test_unpooling_to_a_map_that_is_too_small_for_an_index():
    """Which pixel is the largest, the values say: a size is taken if all values are."""

    def forward(s, x):
        return F.max_unpool2d(*F.max_pool2d(s.conv(x), 2, return_indices=True), 2)

    torch.manual_seed(0)
    model = N(forward, conv=c(1)).eval()
    answer = solve(from_torch(model))
    for n in range(2, 12):
        failed = False
        for _ in range(40):
            try:
                model(torch.randn(1, 3, n, n))
            except Exception:
                failed = True
        assert (n in answer) == (not failed), n
    told = N(
        lambda s, x: F.max_unpool2d(
            *F.max_pool2d(x, 2, return_indices=True), 2, output_size=x.shape[2:]
        )
    )
    assert str(holds(told)._sizes) == "{n : n >= 2}"


def test_a_kernel_that_tells_the_number_of_elements_parts_no_way():
    def forward(s, x):
        y = s.conv(x).transpose(1, 2)  # in no plain order, so that PyTorch's own kernel says no
        return y.reshape(1, 3, 7, 7)

    answer = holds(N(forward, conv=c(3, 4, 1)))
    assert str(answer._sizes) == "{25, 26, 27, 28}"
    assert len(answer._survey.ways) < 10


def test_a_flag_that_hangs_on_a_size():
    def forward(s, x):
        y = s.conv(x).flatten(2)
        return F.scaled_dot_product_attention(y, y, y, is_causal=x.shape[2] > 4)

    holds(N(forward, conv=c(3)))


def test_a_function_in_read_that_fails_is_no_refusal_of_the_model():
    model = nn.Sequential(c(3), nn.ReLU())
    with pytest.raises(TypeError, match="a function in read= fails: ZeroDivisionError"):
        solve(from_torch(model, read={"1": lambda n: n // 0}))

    def refusing(n):
        if n < 5:
            raise ValueError("too small")
        return n

    assert solve(from_torch(model, read={"1": refusing})).minimum == 7


class Opaque(nn.Module):
    """Does what a module does, in a way that cannot be followed."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        found = self.module(x)
        return found[:, :, : found.shape[2] + int(0 * x.sum().item())]


READ = [
    (Conv(3, stride=2, padding=1), c(3, 2, 1)),
    (Conv((5, 3), stride=(2, 1), padding=(0, 1)), c((5, 3), (2, 1), (0, 1))),
    (c(4, 3, 1), c(4, 3, 1)),
    (Pool(3, stride=2, padding=1, ceil_mode=True), nn.MaxPool2d(3, 2, 1, ceil_mode=True)),
    (ConvTranspose(4, stride=3, padding=2), nn.ConvTranspose2d(3, 3, 4, 3, 2)),
    (
        lambda n: ConvTranspose(3, stride=2, padding=1)(n, output_size=2 * n),
        nn.ConvTranspose2d(3, 3, 3, 2, 1, 1),
    ),
    (Interpolate(scale_factor=1.7), nn.Upsample(scale_factor=1.7)),
    (Interpolate(scale_factor=(2, 0.7)), nn.Upsample(scale_factor=(2.0, 0.7))),
    (Interpolate(size=7), nn.Upsample(7)),
    (lambda n: Pool(2)(Conv(3)(n)), nn.Sequential(c(3), nn.MaxPool2d(2))),
]


@pytest.mark.parametrize(("layer", "module"), READ)
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_a_part_that_is_read_as_a_layer_does_what_the_module_does(layer, module, axis):
    model = nn.Sequential(c(3, 1, 1), Opaque(module), c(2)).eval()
    assert from_torch(model).unread
    answer = solve(from_torch(model, read={Opaque: layer}), axis=axis)
    for n in (*range(1, 40), 90, 100):
        sizes = [n if axis in (None, place) else 40 for place in range(2)]
        wanted = run(model, sizes, 3, axis)
        assert (n in answer) == (wanted is not None), n
        if wanted is not None:
            assert answer.output(n) == wanted


def test_autopad_says_that_it_wants_a_batch():
    padded = AutoPad(nn.Sequential(c(3, 1, 1), nn.PixelUnshuffle(4)))
    with pytest.raises(ValueError, match=r"2 spatial axes\), got \(3, 5, 7\); .* as x\[None\]"):
        padded(torch.zeros(3, 5, 7))
    assert padded(torch.zeros(1, 3, 5, 7)).shape[1] == 48


@pytest.mark.parametrize("name", ["relu", "sum", "shifted"])
def test_a_shape_that_is_changed_in_place_is_no_other_tensors(name):
    """Tensors of one size are told apart where a model changes the shape of one of them."""

    def forward(s, x):
        y = {"relu": F.relu, "sum": lambda x: x + 1, "shifted": lambda x: s.conv(x)}[name](x)
        z = s.conv(x)
        z.unsqueeze_(-1)
        y.transpose_(2, 3)
        return z.squeeze(-1)[:, :, 2:], s.conv(x), y[..., 1:]

    for axis in (None, 0, 1):
        holds(N(forward, conv=c(3, 1, 1)), axis, others=224, sizes=range(1, 12))


@pytest.mark.parametrize("size", [(1, 3), (3, 1), (7, 5)])
@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.InstanceNorm2d(3), lambda: nn.InstanceNorm2d(4, affine=True),
        lambda: nn.GroupNorm(3, 3), lambda: nn.GroupNorm(1, 3),
        lambda: N(lambda s, x: F.normalize(x, dim=1)), lambda: nn.AdaptiveAvgPool2d((None, 2)),
        lambda: nn.AdaptiveAvgPool2d(0), lambda: nn.Upsample(scale_factor=2),
        lambda: nn.Upsample(size=(4, 7), mode="bilinear"), lambda: nn.Upsample(scale_factor=0.5),
        lambda: nn.Upsample(scale_factor=(2, 3), mode="bicubic", align_corners=True),
        lambda: nn.Upsample(scale_factor=2, mode="linear"),
        lambda: N(lambda s, x: F.interpolate(x, x.shape[2] - 2)),
        lambda: N(lambda s, x: F.pad(x, (1, 2, 3, 0, 0, 1))),
        lambda: N(lambda s, x: F.pad(x, (0, x.shape[-1] % 3 - 1, -2, 5))),
        lambda: N(lambda s, x: F.pad(x, (1, 2, 3))),
        lambda: N(lambda s, x: x[0] + x[:, 0]), lambda: N(lambda s, x: x[-1]),
        lambda: N(lambda s, x: F.grid_sample(x, s.grid, align_corners=False),
                  grid=torch.zeros(1, 5, 6, 2)),
        lambda: N(lambda s, x: F.grid_sample(x, x.permute(0, 2, 3, 1)[..., 1:],
                                             align_corners=True)),
        lambda: N(lambda s, x: F.grid_sample(x, s.grid, align_corners=True),
                  grid=torch.zeros(2, 5, 6, 2)),
    ],
)  # fmt: skip
def test_sizes_known_without_kernels(layer, size):
    """What the reader knows of a function agrees with PyTorch, where PyTorch refuses as well."""
    for axis in (None, 0, 1):
        holds(nn.Sequential(c(size), layer()), axis, others=224, sizes=range(1, 14))
