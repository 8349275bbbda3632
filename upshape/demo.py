"""The demonstration: a photograph goes through a feature pyramid, there and back.

Three strided convolutions filter the picture to maps of 1/2, 1/4 and 1/8 of its size; all of them
are brought back to the picture's size in the three ways that there are, and concatenated. What
happens to the sizes on the way is printed, and a picture of it is drawn.
"""

import math
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import upshape as up
from upshape import shapes

__all__ = ["main"]

Array = NDArray[Any]

STEPS = 3
# The one convolution that all scales are made with, and the way back.
DOWN = shapes.Conv(kernel_size=4, stride=2, padding=1)
BACK = DOWN.transpose()
# What height and width leave when divided by 8. With these the floor swallows a pixel at some
# steps and none at others, which is where the size relations become interesting.
REMAINDERS = (5, 3)
SMALLEST, LARGEST = 32, 1024
GREY = np.array([0.299, 0.587, 0.114], np.float32)
ROUNDS = 5


class Scale(NamedTuple):
    """A feature map of the pyramid, and the size that it was made from."""

    factor: int
    features: Array
    before: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.features.shape[2], self.features.shape[3]


class Result(NamedTuple):
    """All scales at the picture's size, by one method."""

    method: str
    concatenated: Array
    seconds: float
    each_seconds: list[float]
    each_psnr: list[float]


# --- the filters ----------------------------------------------------------------------------------


# Bilinear weights for stride 2: a transposed convolution with them interpolates, and a convolution
# with a quarter of them is the blur that should go before taking every second pixel.
TENT = np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25]).astype(np.float32)
BLUR = TENT / 4


def filters() -> Array:
    """Return five filters (5, 3, 4, 4): red, green and blue blurred, and two of edges.

    Examples
    --------
    >>> filters().sum(axis=(1, 2, 3)).round(6)
    array([1., 1., 1., 0., 0.], dtype=float32)
    """
    slope = np.array([-4, -4, 4, 4], np.float32)
    weight = np.zeros((5, 3, 4, 4), np.float32)
    for colour in range(3):
        weight[colour, colour] = BLUR
    weight[3] = GREY[:, None, None] * BLUR * slope
    weight[4] = GREY[:, None, None] * BLUR * slope[:, None]
    return weight


def make_scales(picture: Array) -> list[Scale]:
    """Filter the picture, keeping every second pixel, three times over: o = floor(i / 2)."""
    layer = up.Conv2d(filters(), stride=2, padding=1)
    scales: list[Scale] = []
    colours = picture
    for step in range(1, STEPS + 1):
        features = layer(colours)
        # Outside the map are zeros, which darken the border. What a map of ones becomes says by
        # how much.
        ones = np.ones_like(colours[:, :1])
        features[:, :3] /= up.conv2d(ones, BLUR[None, None], stride=2, padding=1)
        # The edges of the frame are none of the picture.
        features[:, 3:, (0, -1), :] = 0
        features[:, 3:, :, (0, -1)] = 0
        scales.append(Scale(2**step, features, (colours.shape[2], colours.shape[3])))
        colours = np.ascontiguousarray(features[:, :3])
    return scales


# --- three ways back ------------------------------------------------------------------------------


def by_interpolation(mode: str) -> Callable[[list[Array], Array], Array]:
    """Return the way back by an interpolation: one call."""

    def bring_back(features: list[Array], out: Array) -> Array:
        return up.upsample_concat(features, size=out.shape[2:], mode=mode, out=out)

    return bring_back


def by_transposed_convolution(features: list[Array], out: Array) -> Array:
    """Go back by transposed convolutions, a step for each on the way down.

    Every channel is a group of its own, with bilinear weights. `output_size` says at each step
    which of the two possible sizes to go to. The last step writes to its place in `out`.
    """
    first = 0
    for feature in features:
        channels = feature.shape[1]
        place = out[:, first : first + channels]
        first += channels
        sizes = [out.shape[2:]]
        while sizes[-1] != feature.shape[2:]:
            sizes.append(DOWN(sizes[-1]))
        if len(sizes) == 1:
            place[...] = feature
            continue
        weight = np.broadcast_to(TENT, (channels, 1, 4, 4))
        for size in reversed(sizes[:-1]):
            how: dict[str, Any] = {"stride": 2, "padding": 1, "output_size": size}
            # Fewer stamps reach the border: divide by their weight, as on the way down.
            weights = up.conv_transpose2d(np.ones_like(feature[:1, :1]), weight[:1], **how)
            target = place if size == sizes[0] else None
            feature = up.conv_transpose2d(feature, weight, **how, groups=channels, out=target)
            feature /= weights
    return out


METHODS: dict[str, Callable[[list[Array], Array], Array]] = {
    "nearest": by_interpolation("nearest"),
    "bilinear": by_interpolation("bilinear"),
    "transposed conv": by_transposed_convolution,
}


def bring_back(method: str, picture: Array, scales: list[Scale]) -> Result:
    """Bring all scales to the picture's size and concatenate them behind the picture."""
    run = METHODS[method]
    maps = [picture, *(scale.features for scale in scales)]
    channels = sum(feature.shape[1] for feature in maps)
    out = np.empty((1, channels, *picture.shape[2:]), np.float32)
    seconds = shortest(lambda: run(maps, out))
    each_seconds, each_psnr = [], []
    first = picture.shape[1]
    for scale in scales:
        own = np.empty((1, scale.features.shape[1], *picture.shape[2:]), np.float32)
        each_seconds.append(shortest(lambda own=own, scale=scale: run([scale.features], own)))  # type: ignore[misc]
        each_psnr.append(psnr(out[:, first : first + 3], picture))
        first += scale.features.shape[1]
    return Result(method, out, seconds, each_seconds, each_psnr)


def shortest(call: Callable[[], Any]) -> float:
    """Return the seconds of the fastest of a few calls."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def psnr(picture: Array, original: Array) -> float:
    """Return the peak signal-to-noise ratio in dB: how near a picture in [0, 1] is to another.

    Examples
    --------
    >>> round(psnr(np.array([0.5, 0.6]), np.array([0.4, 0.5])), 6)
    20.0
    """
    error = float(np.mean((picture.astype(np.float64) - original) ** 2))
    return math.inf if error == 0 else -10 * math.log10(error)


# --- what is printed ------------------------------------------------------------------------------


def print_sizes(scale: Scale) -> None:
    """Print what the step does to height and width, and where the way back can lead."""
    k, s, p = DOWN.kernel_size, DOWN.stride, DOWN.padding
    for name, i in zip((f"1/{scale.factor} height", "    width"), scale.before, strict=True):
        o, a = DOWN(i), DOWN.remainder(i)
        choices = ", ".join(f"[{c.o}]" if c.o == i else f"{c.o}" for c in BACK.choices(o))
        print(
            f"  {name:11} o = floor(({i} + {2 * p} - {k}) / {s}) + 1 = {o:<4} a = {a}  "
            f"back to {choices}"
        )


def print_table(results: list[Result], picture: Array, scales: list[Scale]) -> None:
    """Print method, shapes, time and PSNR."""
    out = f"{picture.shape[2]} x {picture.shape[3]}"
    print(f"{'method':17}{'channels':>9}  {'from':>9}    {'to':9}{'time':>10}{'PSNR':>11}")
    for result in results:
        for n, scale in enumerate(scales):
            features = scale.features
            print(
                f"{result.method:17}{features.shape[1]:9}  "
                f"{features.shape[2]:>3} x {features.shape[3]:>3} -> {out}"
                f"{1e3 * result.each_seconds[n]:8.2f} ms{result.each_psnr[n]:8.2f} dB"
            )
        shape = result.concatenated.shape
        print(
            f"{result.method:17}{shape[1]:9}  {'all, concatenated':>22}"
            f"{1e3 * result.seconds:8.2f} ms"
        )


def print_example() -> None:
    """Run the example of PyTorch's ConvTranspose2d, and print its sizes and numbers."""
    rng = np.random.default_rng(0)
    bound = 1 / math.sqrt(16 * 3 * 3)  # how PyTorch initialises such layers
    weights = rng.uniform(-bound, bound, (2, 16, 16, 3, 3)).astype(np.float32)
    biases = rng.uniform(-bound, bound, (2, 16)).astype(np.float32)
    x = rng.standard_normal((1, 16, 12, 12)).astype(np.float32)

    downsample = up.Conv2d(weights[0], biases[0], stride=2, padding=1)
    upsample = up.ConvTranspose2d(weights[1], biases[1], stride=2, padding=1)
    h = downsample(x)
    default = upsample(h)
    asked = upsample(h, output_size=x.shape)
    relation = shapes.ConvTranspose(3, stride=2, padding=1)

    print("  x                                    ", x.shape)
    print("  h = downsample(x)                    ", h.shape)
    print("  y = upsample(h)                      ", default.shape)
    print("  y = upsample(h, output_size=x.shape) ", asked.shape)
    told = " or ".join(f"{o} (a = {a})" for a, o in relation.choices(6))
    print(f"Both 11 and 12 pixels become 6, so 6 can become {told}.")
    print("The last row and column are what output_size adds; the rest is the same:")
    for name, y in (("y 11x11", default), ("y 12x12", asked)):
        for row in (9, 10, 11)[: y.shape[2] - 9]:
            numbers = " ".join(f"{value:7.3f}" for value in y[0, 0, row, 7:])
            label = f"{name}, row {row}:" if row == 9 else f"row {row}:"
            print(f"  {label:>17}  ... {numbers}")


# --- the picture ----------------------------------------------------------------------------------

INK, FAINT, PAPER = "#22262e", "#6d7480", "#ffffff"
COLOURS = {"nearest": "#d1495b", "bilinear": "#00798c", "transposed conv": "#c9820a"}


def draw(picture: Array, scales: list[Scale], results: list[Result], output: str | Path) -> None:
    """Draw the original, the scales, the results of the coarsest scale and their errors."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = picture.shape[2:]
    column, gap, side = 3.1, 0.16, 0.35
    panel = column * height / width
    caption = 0.62
    figure_width = 4 * column + 3 * gap + 2 * side
    figure_height = 1.15 + 3 * (panel + caption) + 0.25
    style: Any = {"font.family": "DejaVu Sans", "font.size": 9, "text.color": INK}
    with rc_context(style):
        figure = Figure(figsize=(figure_width, figure_height), dpi=120, facecolor=PAPER)
        FigureCanvasAgg(figure)

        def axes(row: int, place: int) -> Any:
            left = side + place * (column + gap)
            bottom = figure_height - 1.15 - row * (panel + caption) - panel
            box = (left / figure_width, bottom / figure_height)
            extent = (column / figure_width, panel / figure_height)
            ax = figure.add_axes((*box, *extent))
            ax.set_axis_off()
            return ax

        def say(ax: Any, title: str, text: str = "", colour: str = INK) -> None:
            under = -0.1 / panel
            ax.text(0, under, title, transform=ax.transAxes, va="top", weight="bold", color=colour)
            low = under - 0.19 / panel
            ax.text(0, low, text, transform=ax.transAxes, va="top", color=FAINT, size=8)

        def show(ax: Any, image: Array) -> None:
            ax.imshow(as_image(image), interpolation="nearest", aspect="auto")

        top = 1 - 0.42 / figure_height
        figure.text(
            side / figure_width, top, "There and back through a feature pyramid",
            size=17, weight="bold", va="center",
        )  # fmt: skip
        figure.text(
            side / figure_width, 1 - 0.8 / figure_height,
            "A photograph is filtered down to 1/2, 1/4 and 1/8 of its size, and every scale is "
            "brought back in three ways.",
            size=10, color=FAINT, va="center",
        )  # fmt: skip

        ax = axes(0, 0)
        show(ax, picture)
        say(ax, f"the picture, {height} x {width}", "sizes are odd on purpose")
        for n, scale in enumerate(scales):
            ax = axes(0, 1 + n)
            draw_scale(ax, scale, (height, width))
            told = [
                f"{i} = 2·{o} + {DOWN.remainder(i)}"
                for i, o in zip(scale.before, scale.size, strict=True)
            ]
            say(ax, f"1/{scale.factor}: {scale.size[0]} x {scale.size[1]}", ",   ".join(told))

        coarsest = scales[-1]
        first = results[0].concatenated.shape[1] - coarsest.features.shape[1]
        backs = [result.concatenated[:, first : first + 3] for result in results]
        errors = [np.abs(back - picture).mean(axis=(0, 1)) for back in backs]
        brightest = max(float(np.quantile(error, 0.995)) for error in errors)

        ax = axes(1, 0)
        draw_channels(ax, results[1].concatenated, (height, width))
        say(ax, f"concatenated: {results[0].concatenated.shape[1]} channels",
            "the picture's 3, and 5 of each scale: colours, edges")  # fmt: skip
        notes = {
            "nearest": "every pixel is repeated",
            "bilinear": f"{coarsest.size[0]} rows stretched over {height}",
            "transposed conv": "step by step: "
            + " to ".join(
                str(n) for n in (coarsest.size[0], *(s.before[0] for s in reversed(scales)))
            ),
        }
        for n, (result, back) in enumerate(zip(results, backs, strict=True)):
            ax = axes(1, 1 + n)
            show(ax, back)
            say(ax, f"1/{coarsest.factor} back: {result.method}", notes[result.method],
                COLOURS[result.method])  # fmt: skip

        draw_bars(axes(2, 0), results, scales)
        for n, (result, error) in enumerate(zip(results, errors, strict=True)):
            ax = axes(2, 1 + n)
            ax.imshow(error, cmap="magma", vmin=0, vmax=brightest, interpolation="nearest",
                      aspect="auto")  # fmt: skip
            say(ax, f"its error: {result.each_psnr[-1]:.2f} dB",
                f"black: none, white: {brightest:.2f} of the range and more",
                COLOURS[result.method])  # fmt: skip
        figure.savefig(output, facecolor=PAPER)


def as_image(picture: Array) -> Array:
    """Return (1, 3, H, W) in [0, 1] as bytes (H, W, 3)."""
    image: Array = np.rint(np.clip(picture[0], 0, 1) * 255).astype(np.uint8)
    return np.moveaxis(image, 0, -1)


def draw_scale(ax: Any, scale: Scale, size: tuple[int, int]) -> None:
    """Draw a feature map at its true size beside the picture: its colours, and its edges."""
    height, width = size
    features = scale.features
    rows, columns = features.shape[2:]
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    ax.fill_between([0, width], 0, height, color="#f1f2f4", linewidth=0, zorder=-1)
    ax.imshow(as_image(features[:, :3]), extent=(0, columns, rows, 0), interpolation="nearest",
              aspect="auto")  # fmt: skip
    gap = height * 0.02
    ax.text(0.97 * width, 0.98 * height, "at true size", ha="right", va="bottom",
            color=FAINT, size=7)  # fmt: skip
    strength = np.hypot(features[0, 3], features[0, 4])
    if scale.factor == 2:
        below = (0, columns, 2 * rows, rows)
    else:
        below = (0, columns, 2 * rows + gap, rows + gap)
    ax.imshow(
        strength, extent=below, cmap="bone", vmin=0, vmax=float(np.quantile(strength, 0.99)) or 1,
        interpolation="nearest", aspect="auto",
    )  # fmt: skip
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)


def draw_channels(ax: Any, concatenated: Array, size: tuple[int, int]) -> None:
    """Draw all channels one behind the other, the picture's in front."""
    height, width = size
    channels = concatenated.shape[1]
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    step = 0.45 / (channels - 1)
    share = 1 - step * (channels - 1)
    for n in reversed(range(channels)):
        channel = concatenated[0, n, ::2, ::2]
        low, high = np.quantile(channel, (0.01, 0.99))
        left, top = n * step * width, (channels - 1 - n) * step * height
        extent = (left, left + share * width, top + share * height, top)
        ax.imshow(
            channel, extent=extent, cmap="gray", vmin=low, vmax=high, aspect="auto", zorder=-n
        )
        ax.plot(
            [extent[0], extent[1], extent[1], extent[0], extent[0]],
            [extent[2], extent[2], extent[3], extent[3], extent[2]],
            color=PAPER, linewidth=0.8, zorder=-n,
        )  # fmt: skip
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)


def draw_bars(ax: Any, results: list[Result], scales: list[Scale]) -> None:
    """Draw the PSNR of every method at every scale, as bars."""
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.text(0, 1, "PSNR against the picture, dB", va="top", weight="bold")
    ax.text(0, 0.945, "higher is nearer to it", va="top", color=FAINT, size=8)
    finite = [value for result in results for value in result.each_psnr if math.isfinite(value)]
    longest = max(finite, default=1.0)
    rows = len(scales) * (len(results) + 1)
    thick = 0.84 / rows
    y = 0.86
    for n, scale in enumerate(scales):
        ax.text(0, y - 1.5 * thick, f"1/{scale.factor}", va="center", weight="bold")
        for result in results:
            value = result.each_psnr[n]
            length = 0.62 * (min(value, longest) / longest if longest > 0 else 0)
            ax.barh(y - thick / 2, max(length, 0), 0.8 * thick, left=0.13,
                    color=COLOURS[result.method])  # fmt: skip
            ax.text(0.145 + max(length, 0), y - thick / 2, f"{value:.2f}", va="center", size=8)
            y -= thick
        y -= thick
    for n, result in enumerate(results):
        ax.text((0, 0.22, 0.43)[n], 0.01, result.method, va="bottom", size=8, weight="bold",
                color=COLOURS[result.method])  # fmt: skip


# --- all of it ------------------------------------------------------------------------------------


def load_picture(image: str | Path | None) -> tuple[Array, str]:
    """Return a picture (1, 3, H, W) in [0, 1] whose sizes leave remainders, and its name."""
    try:
        # Pillow first: Matplotlib needs it as well, and says so less clearly.
        from PIL import Image, ImageOps

        get_sample_data = import_module("matplotlib.cbook").get_sample_data
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the demonstration reads pictures with Pillow and draws with Matplotlib, but there is "
            f"{str(error)[0].lower()}{str(error)[1:]}: pip install 'upshape[plot]'"
        ) from None
    name = "grace_hopper.jpg" if image is None else Path(image).name
    source = get_sample_data(name, asfileobj=False) if image is None else image
    try:
        with Image.open(source) as opened:
            photograph = ImageOps.exif_transpose(opened).convert("RGB")
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name}: {error}") from None
    photograph.thumbnail((LARGEST, LARGEST))
    if min(photograph.size) < SMALLEST:
        raise ValueError(
            f"{name} is {photograph.width} x {photograph.height} pixels; "
            f"{SMALLEST} x {SMALLEST} is the least that leaves something to see at 1/8"
        )
    pixels = np.asarray(photograph, dtype=np.float32) / 255
    height, width = (
        (n - wanted) // 8 * 8 + wanted for n, wanted in zip(pixels.shape, REMAINDERS, strict=False)
    )
    return np.ascontiguousarray(np.moveaxis(pixels[:height, :width], -1, 0)[None]), name


def main(image: str | Path | None = None, output: str | Path = "upshape-demo.png") -> None:
    """Take a picture through a feature pyramid and back, print the sizes and draw the results.

    Parameters
    ----------
    image : str or path, optional
        Any file that Pillow reads. By default the photograph that Matplotlib ships.
    output : str or path
        Where the drawing goes: .png, .jpg and what else Matplotlib writes.

    Raises
    ------
    ModuleNotFoundError
        If Matplotlib or Pillow is missing: they come with ``pip install "upshape[plot]"``.
    OSError
        If the picture cannot be read, or the drawing not written.
    ValueError
        If the picture is too small.
    """
    picture, name = load_picture(image)
    height, width = picture.shape[2:]
    print(f"{name}, cut to {height} x {width}: odd sizes, so that the floors swallow pixels.")
    print()
    print("Down: three convolutions with k=4, s=2, p=1. From the input size i follow the")
    print("output size o and the remainder a, which the floor swallows:")
    print()
    print("  o = floor((i + 2p - k) / s) + 1        a = (i + 2p - k) mod s")
    print()
    print("Back: a transposed convolution with the same k, s, p can lead to s sizes, one")
    print("for each remainder. The size that we came from is in brackets; output_size=")
    print("asks for it.")
    print()
    scales = make_scales(picture)
    for scale in scales:
        print_sizes(scale)
    print()
    results = [bring_back(method, picture, scales) for method in METHODS]
    print("Back. Every scale to the picture's size, and all of them concatenated with it.")
    print("PSNR: how near the colours are to the picture's.")
    print()
    print_table(results, picture, scales)
    print()
    print("Interpolation knows the sizes alone: it stretches a map over the picture,")
    print("remainder and all. The transposed convolution, with bilinear weights and")
    print("output_size= at each step, puts every pixel back where it came from.")
    print()
    print("PyTorch's example: a convolution with k=3, s=2, p=1, and the transposed")
    print("convolution that undoes what it does to the size.")
    print()
    print_example()
    draw(picture, scales, results, output)
    print()
    print(f"Drawn: {output}")
