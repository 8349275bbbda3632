"""Layout.reads and Layout.writes say which arrays a kernel takes, and the kernels say the same."""

import numpy as np
import pytest
from assertions import assert_same_pixels
from hostile import Canaries, draw_form, lay

from upshape import interpolation

CASES = 600


def drawn(rng):
    """Return the shapes of an input and its result, and where the channels are."""
    axes = int(rng.integers(1, 4))
    last = bool(rng.random() < 0.5)
    channels = int(rng.choice([1, 1, 2, 3, 5, 17]))
    shapes = []
    for most in (7, 12):
        spatial = tuple(int(n) for n in rng.integers(1, most, axes))
        shapes.append((2, *spatial, channels) if last else (2, channels, *spatial))
    return *shapes, (axes + 1 if last else 1)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_a_kernel_takes_what_its_layout_says_and_nothing_else(mode):
    rng = np.random.default_rng(7)
    seen = {True: 0, False: 0}
    for number in range(CASES):
        dtype = np.dtype(rng.choice(["f4", "f8", "f2", "u1"]))
        x_shape, shape, axis = drawn(rng)
        axes = len(shape) - 2
        spatial = shape[1:-1] if axis != 1 else shape[2:]
        name = ("linear", "bilinear", "trilinear")[axes - 1] if mode == "linear" else mode
        how = interpolation.How(name, spatial, (None,) * axes, False)
        memory = Canaries(number)
        x_form = draw_form(rng, x_shape, dtype)._replace(swapped=False)
        x = lay(memory, "x", rng.integers(0, 9, x_shape).astype(dtype), x_form)
        out = lay(memory, "out", np.empty(shape, dtype), draw_form(rng, shape, dtype, out=True),
                  out=True)
        for layout in (interpolation.layout_of(x, axis), interpolation.layout_of(out, axis)):
            reads, writes = layout.reads(x, how.linear), layout.writes(out, how.linear)
            spacing = layout.spacing(out) if writes else layout.pixel(out)
            plan, _ = interpolation.kernel_plan(how, x_shape, dtype, layout, spacing, False)
            before = out.copy()
            taken = plan.run(x, out, 1)
            assert taken == (reads and writes), (x_form, out.strides, layout)
            if not taken:
                bits = f"V{dtype.itemsize}"
                assert_same_pixels(out.view(bits), before.view(bits))
            seen[taken] += 1
        memory.check()
    assert min(seen.values()) > CASES // 10
