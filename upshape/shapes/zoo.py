"""Well-known networks as functions of their input size, for `solve` and to be copied from."""
from __future__ import annotations
from typing import Any
from collections.abc import Callable
from .layers import Conv, ConvTranspose, Interpolate, Pool
from ._solve import same

def unet(levels: int = 4, padding: int = 1) -> Callable[[Any], Any]:
    def network(x: Any) -> Any:
        skips = []
        for _ in range(levels):
            x = Conv(3, padding=padding)(Conv(3, padding=padding)(x))
            skips.append(x)
            x = Pool(2)(x)
        x = Conv(3, padding=padding)(Conv(3, padding=padding)(x))
        for skip in reversed(skips):
            x = ConvTranspose(2, stride=2)(x)
            x = same(x, skip) if padding else x
            x = Conv(3, padding=padding)(Conv(3, padding=padding)(x))
        return x
    return network
