"""Random layers, and what upshape.shapes says of them, for the explorer's formulas."""

import random

from upshape.shapes import Conv, ConvTranspose

#: Reads layers, returns what sizes.js makes of them, in the form of `expected`.
SCRIPT = """
(cases => cases.map(([i, k, s, p, d]) => {
  const layer = { k, s, p, d };
  return [upshapeSizes.conv(i, layer), upshapeSizes.remainder(i, layer),
    upshapeSizes.choices(i, layer).map(pair => [pair.a, pair.o]), upshapeSizes.taps(layer)];
}))
"""


def random_cases(count, seed=0):
    """Return (i, k, s, p, d), small ones and large ones, kernels that do not fit among them."""
    draw = random.Random(seed)
    return [
        [
            draw.randint(1, draw.choice((4, 32, 5000))),
            draw.randint(1, draw.choice((3, 9, 64))),
            draw.randint(1, draw.choice((2, 6, 40))),
            draw.randint(0, draw.choice((1, 8, 70))),
            draw.randint(1, draw.choice((1, 4, 12))),
        ]
        for _ in range(count)
    ]


def expected(case):
    """Return what upshape.shapes says: o and a of the convolution, choices, taps per phase."""
    i, k, s, p, d = case
    conv, back = Conv(k, s, p, d), ConvTranspose(k, s, p, dilation=d)
    fits = i >= conv.minimum
    return [
        conv(i) if fits else None,
        conv.remainder(i) if fits else None,
        [list(pair) for pair in back.choices(i)],
        list(back.taps_per_phase()),
    ]
