"""Well-known networks as functions of their input size: for `solve`, and to be copied from.

Each function returns a network, a function of one size. Only what changes a size is there:
activations and normalisations keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ._solve import same
from .layers import Conv, ConvTranspose, Interpolate, Pool

if TYPE_CHECKING:
    from ._size import Size

__all__ = ["dcgan", "deeplab", "fpn", "hrnet", "resnet", "unet"]

Network = Callable[[Any], Any]

# Blocks in each of the four stages, and whether they are bottlenecks (He et al. 2015, table 1).
RESNETS: dict[int, tuple[tuple[int, ...], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}


def _named(name: str, network: Network) -> Network:
    network.__name__ = network.__qualname__ = name
    return network


def unet(levels: int = 4, padding: int = 1) -> Network:
    """Return the U-Net of Ronneberger et al. (2015).

    Parameters
    ----------
    levels : int
        How often it halves the size.
    padding : int
        Of its 3x3 convolutions. With 1 the skip must have the size that it meets; with 0, as in
        the paper, the skip is cropped to it, which takes an even number of pixels off.

    Examples
    --------
    >>> from upshape.shapes import solve
    >>> solve(unet())
    Answer(inputs={16 n : n >= 1}, output=i)
    >>> solve(unet(padding=0)).output(572)
    388
    """

    def network(x: Size) -> Size:
        def block(x: Size) -> Size:
            return Conv(3, padding=padding)(Conv(3, padding=padding)(x))

        skips = []
        for _ in range(levels):
            skips.append(block(x))
            x = Pool(2)(skips[-1])
        x = block(x)
        for skip in reversed(skips):
            x = ConvTranspose(2, stride=2)(x)
            if padding == 1:
                x = same(x, skip)
            else:
                same((skip - x) % 2, 0)  # a crop by the same at both ends
            x = block(x)
        return x

    return _named("unet", network)


def _resnet_stages(depth: int) -> Callable[[Any], list[Any]]:
    if depth not in RESNETS:
        raise ValueError(f"zoo.resnet: depth must be one of {sorted(RESNETS)}, got {depth!r}")
    counts, bottleneck = RESNETS[depth]

    def block(x: Any, stride: int) -> Any:
        if bottleneck:
            y = Conv(1)(Conv(3, stride, padding=1)(Conv(1)(x)))
        else:
            y = Conv(3, padding=1)(Conv(3, stride, padding=1)(x))
        return same(y, x if stride == 1 else Conv(1, stride)(x))

    def stages(x: Any) -> list[Any]:
        x = Pool(3, stride=2, padding=1)(Conv(7, stride=2, padding=3)(x))
        features = []
        for number, count in enumerate(counts):
            for place in range(count):
                x = block(x, 2 if number and not place else 1)
            features.append(x)
        return features

    return stages


def resnet(depth: int = 50) -> Network:
    """Return a residual network (He et al. 2015), up to its last feature map.

    Parameters
    ----------
    depth : {18, 34, 50, 101, 152}
        The number of its layers.

    Examples
    --------
    >>> from upshape.shapes import solve
    >>> solve(resnet(34))
    Answer(inputs={n : n >= 1}, output=floor((i + 31)/32))
    """
    stages = _resnet_stages(depth)
    return _named(f"resnet{depth}", lambda x: stages(x)[-1])


def fpn(depth: int = 50) -> Network:
    """Return a feature pyramid network (Lin et al. 2017) upon a residual network.

    It doubles each feature map and adds the next larger one; it returns all of them, the largest
    first.

    Examples
    --------
    >>> from upshape.shapes import solve
    >>> solve(fpn(50)).residues
    (0, 29, 30, 31)
    """
    stages = _resnet_stages(depth)

    def network(x: Any) -> list[Any]:
        *features, x = [Conv(1)(feature) for feature in stages(x)]
        pyramid = [Conv(3, padding=1)(x)]
        for feature in reversed(features):
            x = same(Interpolate(scale_factor=2)(x), feature)
            pyramid.insert(0, Conv(3, padding=1)(x))
        return pyramid

    return _named(f"fpn{depth}", network)


def hrnet(branches: int = 4) -> Network:
    """Return the stem and one exchange of HRNet (Sun et al. 2019): every scale joined with every.

    Going up a feature map is enlarged by 2, 4, ...; going down it passes convolutions of stride 2.

    Examples
    --------
    >>> from upshape.shapes import solve
    >>> solve(hrnet()).modulus
    32
    """

    def down(x: Any) -> Any:
        return Conv(3, stride=2, padding=1)(x)

    def network(x: Any) -> list[Any]:
        scales = [down(down(x))]
        for _ in range(branches - 1):
            scales.append(down(scales[-1]))
        fused = []
        for number in range(branches):
            arriving = []
            for other, size in enumerate(scales):
                for _ in range(number - other):
                    size = down(size)
                if other > number:
                    size = Interpolate(scale_factor=2 ** (other - number))(size)
                arriving.append(size)
            fused.append(same(*arriving))
        return fused

    return _named("hrnet", network)


def deeplab(rates: Sequence[int] = (6, 12, 18), resize: bool = True) -> Network:
    """Return DeepLab v3 (Chen et al. 2017) upon a dilated ResNet-50 of output stride 8.

    Its dilated branches keep the size, so that nothing but the last step up can go wrong.

    Parameters
    ----------
    rates : sequence of int
        The dilations of the parallel branches.
    resize : bool
        Whether it ends by interpolating to the size of the input, as it does; otherwise by a
        factor of 8, which must lead to that size.

    Examples
    --------
    >>> from upshape.shapes import solve
    >>> solve(deeplab())
    Answer(inputs={n : n >= 1}, output=i)
    >>> solve(deeplab(resize=False))
    Answer(inputs={8 n : n >= 1}, output=i)
    """

    def network(x: Size) -> Size:
        image = x
        x = Pool(3, stride=2, padding=1)(Conv(7, stride=2, padding=3)(x))
        for stride, first, others, count in (
            (1, 1, 1, 3),
            (2, 1, 1, 4),
            (1, 1, 2, 6),
            (1, 2, 4, 3),
        ):
            for place in range(count):
                dilation = others if place else first
                step = 1 if place else stride
                y = Conv(1)(Conv(3, step, padding=dilation, dilation=dilation)(Conv(1)(x)))
                x = same(y, Conv(1, step)(x) if place == 0 else x)
        branches = [Conv(1)(x)]
        branches += [Conv(3, padding=rate, dilation=rate)(x) for rate in rates]
        branches.append(Interpolate(size=x)(x * 0 + 1))  # the mean over the image, spread again
        x = Conv(3, padding=1)(same(*branches))
        if resize:
            return Interpolate(size=image)(x)
        return same(Interpolate(scale_factor=8)(x), image)

    return _named("deeplab", network)


def dcgan(levels: int = 4) -> Network:
    """Return the generator of DCGAN (Radford et al. 2016) with its discriminator behind it.

    The input is the size of the noise, 1 in the paper; the discriminator's last convolution leaves
    one number an image.

    Examples
    --------
    >>> from upshape.shapes import solve
    >>> solve(dcgan()).output(1)
    {'image': 64, 'verdict': 1}
    """

    def network(x: Any) -> dict[str, Any]:
        x = ConvTranspose(4)(x)
        for _ in range(levels):
            x = ConvTranspose(4, stride=2, padding=1)(x)
        image = x
        for _ in range(levels):
            x = Conv(4, stride=2, padding=1)(x)
        return {"image": image, "verdict": Conv(4)(x)}

    return _named("dcgan", network)
