"""Layers read from modules, without PyTorch: from look-alikes, and from upshape's own layers."""

import numpy as np
import pytest

import upshape as up
from upshape.shapes import Conv, ConvTranspose, Interpolate, Pool, from_torch


def module_class(name, home="torch.nn.modules.some", bases=(), **attributes):
    """A class that looks like one of PyTorch's."""

    def forward(self, x):
        return x

    return type(name, bases, {"__module__": home, "forward": forward, **attributes})


def test_attributes_become_parameters_and_alike_axes_one_number():
    cases = [
        (
            module_class(
                "Conv2d", kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1)
            ),
            Conv(3, 2, 1),
        ),
        (
            module_class(
                "Conv3d",
                kernel_size=(3, 5, 3),
                stride=(1, 1, 1),
                padding=(1, 2, 1),
                dilation=(1, 1, 1),
            ),
            Conv((3, 5, 3), 1, (1, 2, 1)),
        ),
        (
            module_class("Conv1d", kernel_size=(4,), stride=(1,), padding="same", dilation=(1,)),
            Conv(4, padding="same"),
        ),
        (
            module_class(
                "ConvTranspose2d",
                kernel_size=(3, 3),
                stride=(2, 2),
                padding=(1, 1),
                output_padding=(1, 0),
                dilation=(1, 1),
            ),
            ConvTranspose(3, 2, 1, (1, 0)),
        ),
        (
            module_class(
                "MaxPool2d", kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=True
            ),
            Pool(3, 2, 1, 1, True),
        ),
        (
            module_class("AvgPool1d", kernel_size=(2,), stride=(2,), padding=(0,), ceil_mode=False),
            Pool(2),
        ),
        (module_class("LPPool2d", kernel_size=3, stride=None, ceil_mode=False), Pool(3)),
        (module_class("Upsample", size=None, scale_factor=2.0), Interpolate(scale_factor=2)),
        (module_class("Upsample", size=(8, 9), scale_factor=None), Interpolate((8, 9))),
        (
            module_class("Upsample", size=None, scale_factor=(0.7, 0.5)),
            Interpolate(scale_factor=(0.7, 0.5)),
        ),
    ]
    for kind, layer in cases:
        assert from_torch(kind()) == layer


def test_a_subclass_counts_as_its_base_unless_it_computes_otherwise():
    base = module_class(
        "Conv2d", kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1)
    )
    derived = type("MyConv", (base,), {"__module__": "my_network"})
    assert from_torch(derived()) == Conv(3, 2, 1)
    padded = type("MyConv", (base,), {"__module__": "my_network", "forward": lambda self, x: x})
    with pytest.raises(TypeError, match="MyConv is neither"):
        from_torch(padded())


def test_upshapes_own_layers_are_read():
    weight = np.zeros((4, 4, 3, 5), np.float32)
    cases = [
        (
            up.ConvTranspose2d(weight, stride=2, padding=1, output_padding=1),
            ConvTranspose((3, 5), 2, 1, 1),
        ),
        (up.Conv2d(weight, stride=(2, 1), dilation=2), Conv((3, 5), (2, 1), 0, 2)),
        (up.Conv2d(weight[..., :3]), Conv(3)),
        (up.Conv1d(weight[:, :, 0], padding=2), Conv(5, padding=2)),
        (up.ConvTranspose1d(weight[:, :, 0], stride=3), ConvTranspose(5, 3)),
    ]
    for layer, expected in cases:
        read = from_torch(layer)
        assert read.axes * (len(expected.axes) // len(read.axes)) == expected.axes
        sizes = (9, 11)[: weight.ndim - 2 if "2d" in type(layer).__name__ else 1]
        assert layer(np.zeros((1, 4, *sizes), np.float32)).shape[2:] == read(sizes)


def test_what_is_no_module_is_refused():
    class Conv2d:
        kernel_size = stride = padding = dilation = 1

    for thing in (3, "Conv2d", Conv2d(), Conv(3)):
        with pytest.raises(TypeError, match=r"neither a torch\.nn\.Module nor a layer of upshape"):
            from_torch(thing)
