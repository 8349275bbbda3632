"""What the tests of all convolutions draw alike."""

from hypothesis import strategies as st


def normal(rng, shape, dtype="float32"):
    return rng.standard_normal(shape).astype(dtype)


def draw_output(draw, transposed, sizes, kernel_size, parameters):
    """Draw an output_padding if there is one; return the output's sizes.

    Those of an ordinary convolution are of stride 1: positive where the layer's are.
    """
    stride, padding, dilation = (parameters[name] for name in ("stride", "padding", "dilation"))
    axes = zip(sizes, padding, dilation, kernel_size, strict=True)
    if not transposed:
        return [i + 2 * p - d * (k - 1) for i, p, d, k in axes]
    extra = tuple(
        draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
    )
    parameters["output_padding"] = extra
    return [
        (i - 1) * s - 2 * p + d * (k - 1) + 1 + a
        for (i, p, d, k), s, a in zip(axes, stride, extra, strict=True)
    ]
