"""SAME is TensorFlow's: its numbers, for 1, 2 and 3 axes, and for every output size there is."""

import numpy as np
import pytest
from assertions import assert_within, convolution_magnitude

import upshape as up
from upshape import reference, shapes

tensorflow = pytest.importorskip("tensorflow")


def channels_first(y):
    return np.moveaxis(y.numpy(), -1, 1)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolutions_give_the_same_numbers(axes):
    rng = np.random.default_rng(axes)
    for _ in range(40):
        sizes, kernel = (rng.integers(1, high, axes) for high in ([40, 14, 7][axes - 1], 6))
        stride = int(rng.integers(1, 4))
        x = rng.standard_normal((2, *sizes, 3)).astype(np.float32)
        weight = rng.standard_normal((*kernel, 3, 5)).astype(np.float32)
        golden = channels_first(tensorflow.nn.convolution(x, weight, stride, padding="SAME"))
        ours = np.moveaxis(x, -1, 1), np.moveaxis(weight, (-1, -2), (0, 1))
        y = getattr(up, f"conv{axes}d")(*ours, stride=stride, padding="same_upper")
        magnitude = convolution_magnitude(
            reference.conv, *ours, stride=stride, padding="same_upper"
        )
        assert_within(y, golden.astype(np.float64), 1e-5 * magnitude)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_transposed_convolutions_give_the_same_numbers_at_every_output_size(axes):
    rng = np.random.default_rng(axes)
    for _ in range(40):
        sizes, kernel = (rng.integers(1, high, axes) for high in ([40, 14, 7][axes - 1], 6))
        stride = tuple(rng.integers(1, 4, axes).tolist())
        relation = shapes.ConvTranspose(tuple(kernel.tolist()), stride, "same_upper")
        wanted = tuple(
            int(rng.choice([choice.o for choice in axis.choices(int(i))]))
            for axis, i in zip(relation.axes, sizes, strict=True)
        )
        x = rng.standard_normal((2, *sizes, 3)).astype(np.float32)
        weight = rng.standard_normal((*kernel, 5, 3)).astype(np.float32)
        golden = channels_first(
            tensorflow.nn.conv_transpose(x, weight, (2, *wanted, 5), stride, padding="SAME")
        )
        ours = np.moveaxis(x, -1, 1), np.moveaxis(weight, (-1, -2), (0, 1))
        how = {"stride": stride, "padding": "same_upper", "output_size": wanted}
        y = getattr(up, f"conv_transpose{axes}d")(*ours, **how)
        magnitude = convolution_magnitude(reference.conv_transpose, *ours, **how)
        assert_within(y, golden.astype(np.float64), 1e-5 * magnitude)
