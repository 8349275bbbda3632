"""What must hold between the height and the width of a model, said in words.

Each model demands a condition that is known; the words are compared, and the answers about pairs
with the condition itself, at every small pair.
"""

import pickle

import pytest
import torch.nn.functional as F
from torch import nn

from upshape.shapes import from_torch, solve


class Demands(nn.Module):
    """A model that takes the sizes for which a condition holds, and keeps them."""

    def __init__(self, held, unet=False, rank=2):
        super().__init__()
        self.held, self.unet = held, unet
        self.conv = (nn.Conv2d if rank == 2 else nn.Conv3d)(3, 4, 1)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)

    def forward(self, x):
        if not self.held(*x.shape[2:]):
            raise ValueError("these sizes do not go together")
        y = self.conv(x)
        return y + self.up(F.max_pool2d(y, 2)) if self.unet else y


class Transposed(nn.Module):
    def forward(self, x):
        return x + x.transpose(2, 3)


class Tokens(nn.Module):
    """A linear layer over a fixed number of pixels."""

    def __init__(self, count, patch):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, patch, patch)
        self.linear = nn.Linear(count, 10)

    def forward(self, x):
        return self.linear(self.conv(x).flatten(2))


CONDITIONS = [
    (lambda h, w: h == w, "H == W"),
    (lambda h, w: w == 2 * h, "W == 2 * H"),
    (lambda h, w: 2 * h == 3 * w, "2 * H == 3 * W"),
    (lambda h, w: h == w + 5, "H == W + 5"),
    (lambda h, w: h + w == 100, "H + W == 100"),
    (lambda h, w: h >= w, "H >= W"),
    (lambda h, w: h <= w, "H <= W"),
    (lambda h, w: h % 32 == w % 32, "H and W leave the same remainder by 32"),
    (lambda h, w: (h - w) % 6 == 0 and h > 4 and w > 4, "H and W leave the same remainder by 6"),
    (lambda h, w: h // 8 == w // 8, "floor(H / 8) == floor(W / 8)"),
    (lambda h, w: -(-h // 16) == -(-w // 16), "ceil(H / 16) == ceil(W / 16)"),
    (lambda h, w: h * w == 196, "H * W == 196"),
    (lambda h, w: -(-h // 4) * -(-w // 4) == 196, "ceil(H / 4) * ceil(W / 4) == 196"),
    (lambda h, w: h * w == 224 * 160, "H * W == 35840"),
]


@pytest.mark.parametrize(("held", "words"), CONDITIONS, ids=[words for _, words in CONDITIONS])
def test_a_condition_between_height_and_width_is_said(held, words):
    answer = solve(Demands(held))
    assert answer.between_axes == words
    assert words in repr(answer)
    assert words in " ".join(str(answer).split())
    for n in range(1, 40):
        assert (n in answer) == held(n, n)
        for m in (1, 14, 28, 33, n + 5, 2 * n):
            assert ((n, m) in answer) == held(n, m)
    refused = next(pair for pair in ((7, 211), (211, 7), (7, 12)) if not held(*pair))
    assert f"Between the axes: {words}." in " ".join(answer.explain(refused).split())


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("place", range(0, len(CONDITIONS), 3))
def test_one_axis_asked_alone_says_the_other_s_size_and_the_condition(place, axis):
    held, words = CONDITIONS[place]
    answer = solve(Demands(held), axis=axis)
    other = answer._survey.sizes(1)[1 - axis]
    for n in range(1, 300):
        assert (n in answer) == held(*((n, other) if axis == 0 else (other, n)))
    assumed = f"{'HW'[1 - axis]} = {other}"
    assert f"at {assumed}; {words}" in repr(answer)
    assert assumed in str(answer)
    assert words in str(answer)


def test_axes_of_their_own_have_no_condition():
    conditions = [
        lambda h, w: h % 4 == 0 and w % 6 == 0,
        lambda h, w: h > 20 and w > 30,
        lambda h, w: 100 <= h <= 300 and 200 <= w <= 400,
        lambda h, w: h == 224 and w == 224,
        lambda h, w: True,
    ]
    for held in conditions:
        answer = solve(Demands(held))
        assert answer.between_axes is None
        assert "; " not in repr(answer)
        one = solve(Demands(held), axis=0)
        assert "W = " in str(one)  # what is assumed is said, whether or not it counts


def test_a_condition_stands_beside_what_a_network_demands_of_each_axis():
    answer = solve(Demands(lambda h, w: h == w, unet=True))
    assert repr(answer) == "Answer(inputs={2 n : n >= 1}, output=i; H == W)"
    ratio = solve(Demands(lambda h, w: w == 2 * h, unet=True))
    assert ratio.between_axes == "W == 2 * H"
    assert "none" in str(ratio)
    assert "the same on all axes" in " ".join(str(ratio).split())


def test_maps_that_are_broadcast():
    answer = solve(Transposed())
    assert answer.between_axes == "H == W, or one of H and W is 1"
    assert ((1, 5) in answer, (5, 1) in answer, (5, 6) in answer) == (True, True, False)


def test_a_fixed_number_of_tokens():
    assert solve(Tokens(196, 1)).between_axes == "H * W == 196"
    answer = solve(Tokens(196, 16))
    assert answer.between_axes == "floor(H / 16) * floor(W / 16) == 196"
    assert (7 * 16 + 3, 28 * 16) in answer
    assert (8 * 16, 28 * 16) not in answer


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (lambda d, h, w: h == w, "H == W"),
        (lambda d, h, w: d == w, "D == W"),
        (lambda d, h, w: d == h == w, "D == H; D == W; H == W"),
        (lambda d, h, w: d % 2 == 0, None),
    ],
)
def test_three_axes(held, words):
    assert solve(Demands(held, rank=3)).between_axes == words


def test_where_no_form_fits_what_is_known_is_told():
    answer = solve(Demands(lambda h, w: h <= 2 * w and w <= 2 * h))
    assert answer.between_axes is not None
    assert "with W = 112, H is in {n : 56 <= n <= 224}" in answer.between_axes
    area = solve(Demands(lambda h, w: h * w <= 50000)).between_axes
    assert area is not None
    assert "with W = 64, H is in {n : 1 <= n <= 781}" in area
    fours = solve(Demands(lambda h, w: h * w % 4 == 0)).between_axes
    assert fours is not None
    assert "with W = 225, H is in {4 n : n >= 1}" in fours
    single = solve(Demands(lambda h, w: (h, w) == (224, 160))).between_axes
    assert single == "with W = 160, H is in {224}; nothing else is known to be taken"


@pytest.mark.parametrize(
    ("held", "wanted", "found"),
    [
        (lambda h, w: w == 2 * h, (100, 150), (100, 200)),
        (lambda h, w: w == 2 * h, (100, 250), (125, 250)),
        (lambda h, w: h % 32 == w % 32, (100, 150), (100, 164)),
        (lambda h, w: (h, w) == (224, 160), (100, 150), (224, 160)),
        (lambda h, w: h == w, (100, 150), (150, 150)),
        (lambda h, w: h * w == 196, (100, 150), None),
    ],
)
def test_the_next_pair_that_goes_together(held, wanted, found):
    answer = solve(Demands(held))
    assert answer.next(wanted) == found
    if found is not None:
        assert answer.padding(wanted) == tuple(b - a for a, b in zip(wanted, found, strict=True))


def test_conditions_are_pickled_with_their_answers():
    for axis in (None, 0):
        answer = solve(Demands(lambda h, w: h == w), axis=axis)
        again = pickle.loads(pickle.dumps(answer))
        assert repr(again) == repr(answer)
        assert str(again) == str(answer)


def test_a_read_network_says_its_condition_whatever_asks():
    network = from_torch(Demands(lambda h, w: h == w))
    assert solve(network, axis=0).between_axes == solve(network).between_axes == "H == W"


def test_the_command_says_it_too(tmp_path, capsys):
    from upshape.cli import main

    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def forward(self, x):\n"
        "        assert x.shape[2] == x.shape[3]\n"
        "        return x\n"
    )
    assert main(["solve", f"{file}:Net"]) == 0
    assert "between axes  H == W" in capsys.readouterr().out
    assert main(["solve", f"{file}:Net", "--json"]) == 0
    assert '"between_axes": "H == W"' in capsys.readouterr().out
    assert main(["solve", f"{file}:Net", "--axis", "1"]) == 0
    assert "other axes    H = 224" in capsys.readouterr().out
    assert main(["solve", f"{file}:Net", "--size", "30x31"]) == 1
    assert "Between the axes: H == W." in capsys.readouterr().out
