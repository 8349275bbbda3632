"""Programs of torch.export: their guards and ranges are conditions like any other."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim, export

from upshape.shapes import from_export, from_torch, solve


class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, 2, 1)
        self.up = nn.ConvTranspose2d(8, 3, 2, 2)

    def forward(self, x):
        return torch.cat([x, self.up(torch.relu(self.down(x)))], 1)


def program(model, shape, dims):
    return export(model.eval(), (torch.zeros(shape),), dynamic_shapes=(dims,))


def holds(exported, sizes, shape):
    """Compare an answer with the program itself, size by size."""
    answer = solve(from_export(exported))
    run = exported.module()
    for n in sizes:
        try:
            wanted = tuple(run(torch.zeros(*shape[:2], n, n)).shape[2:])
        except Exception:
            wanted = None
        assert (n in answer) == (wanted is not None), n
        if wanted is not None:
            assert answer.output((n, n)) == wanted
    return answer


@pytest.mark.parametrize("batch", [1, 2])
def test_derived_dimensions_and_ranges_bound_the_answer(batch):
    h, w = Dim("h", min=2, max=20), Dim("w", min=3, max=16)
    shape = (batch, 3, 24, 24)
    exported = program(Halves(), shape, {2: 2 * h, 3: 2 * w})
    answer = holds(exported, range(1, 50), shape)
    assert list(answer) == list(range(6, 33, 2))
    assert set(answer) < set(solve(from_torch(Halves())).range(1, 99))


def test_a_static_program_takes_its_size_only():
    exported = program(Halves(), (1, 3, 24, 24), None)
    assert list(solve(from_export(exported))) == [24]


def test_a_check_in_the_forward_becomes_a_guard():
    class Checked(Halves):
        def forward(self, x):
            torch._check(x.shape[2] % 3 == 0)
            return F.max_pool2d(super().forward(x), 3)

    h, w = 6 * Dim("h", min=1, max=9), 6 * Dim("w", min=1, max=9)
    answer = holds(program(Checked(), (1, 3, 24, 24), {2: h, 3: w}), range(1, 60), (1, 3))
    assert list(answer) == list(range(6, 55, 6))


def test_what_is_no_program_is_refused():
    with pytest.raises(TypeError, match=r"ExportedProgram.*got Halves.*from_torch"):
        from_export(Halves())
