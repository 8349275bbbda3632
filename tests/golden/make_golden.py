"""Make the golden files beside this script: what PyTorch 2.13.0 answers, to be compared with.

    python tests/golden/make_golden.py

Each .npz holds `cases`, a JSON list of [arguments, {name: key of the array}], and the arrays, each
kept once. Nothing of upshape is used here.

PyTorch's "nearest" copies or doubles small two-dimensional maps by a shortcut that does not look at
the factor. Maps are therefore given with an additional axis of size 1, in three dimensions, where
there is no shortcut. Its "nearest-exact" is one float32 product only with four channels or more in
channels-last memory; elsewhere one half is subtracted and added again.
"""

import itertools
import json
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

HERE = Path(__file__).parent
RANDOM = random.Random(20161010)
torch.manual_seed(20161010)
torch.set_num_threads(1)


class Golden:
    """Cases that become one file."""

    def __init__(self, name):
        self.name = name
        self.cases = []
        self.arrays = {}
        self.keys = {}

    def add(self, arguments, **arrays):
        keys = {}
        for name, tensor in arrays.items():
            if tensor is not None:
                array = tensor.detach().numpy()
                content = (array.dtype.str, array.shape, array.tobytes())
                keys[name] = self.keys.setdefault(content, f"array{len(self.keys)}")
                self.arrays[keys[name]] = array
        self.cases.append([arguments, keys])

    def save(self):
        cases = np.array(json.dumps(self.cases))
        np.savez_compressed(HERE / f"{self.name}.npz", cases=cases, **self.arrays)
        size = (HERE / f"{self.name}.npz").stat().st_size
        print(f"{self.name}: {len(self.cases)} cases, {size} bytes")


def tensor(shape, dtype):
    if dtype == torch.uint8:
        return torch.randint(0, 256, shape, dtype=dtype)
    return torch.randint(-999, 1000, shape).to(dtype) / 128


def nearest_as_3d(x, size, scale_factor, mode, recompute_scale_factor):
    """Run a nearest mode where PyTorch has no shortcut."""
    missing = 5 - x.ndim
    x = x.reshape(*x.shape[:2], *[1] * missing, *x.shape[2:])
    if size is not None:
        size = (*[1] * missing, *size)
    if scale_factor is not None:
        scale_factor = (*[1.0] * missing, *scale_factor)
    channels = x.shape[1]
    if mode == "nearest-exact" and x.dtype != torch.float64:
        x = torch.cat([x, x[:, :1].expand(-1, 4, -1, -1, -1)], dim=1)
        x = x.to(memory_format=torch.channels_last_3d)
    y = F.interpolate(x, size, scale_factor, mode, recompute_scale_factor=recompute_scale_factor)
    y = y[:, :channels].contiguous()
    return y.reshape(*y.shape[:2], *y.shape[2 + missing :])


SIZES = [  # input, output
    ((1,), (4,)),
    ((5,), (13,)),
    ((13,), (5,)),
    ((9,), (9,)),
    ((31,), (64,)),
    ((3, 4), (6, 8)),
    ((3, 4), (7, 5)),
    ((8, 6), (3, 17)),
    ((5, 7), (1, 1)),
    ((4, 4), (4, 9)),
    ((2, 3, 4), (5, 3, 9)),
    ((3, 2, 5), (2, 7, 1)),
]
FACTORS = [  # input, scale_factor
    ((5,), (2.0,)),
    ((7,), (1.5,)),
    ((10,), (0.3,)),
    ((6,), (1.1,)),
    ((4,), (2.2,)),
    ((3, 5), (2.0, 3.0)),
    ((4, 6), (1.7, 0.6)),
    ((5, 5), (1.1, 1.15)),
    ((4, 3), (2.24, 2.3)),
    ((7, 9), (0.5, 0.25)),
    ((2, 3, 4), (1.5, 2.0, 0.8)),
]


def resampling():
    """Cubic, area, antialiased and Lanczos modes, and their gradients."""
    golden = Golden("resampling")
    ways = [
        ("bicubic", False), ("bilinear", True), ("bicubic", True), ("lanczos", True),
        ("area", False),
    ]  # fmt: skip
    sizes = [((3, 4), (7, 9)), ((8, 6), (3, 17)), ((9, 9), (4, 2)), ((5, 7), (5, 3))]
    for (mode, antialias), (shape, size), dtype in itertools.product(
        ways, sizes, (torch.float32, torch.float64)
    ):
        for corners in (False, True) if mode in ("bilinear", "bicubic") else (None,):
            x = tensor((1, 2, *shape), dtype).requires_grad_()
            how = {"size": size, "mode": mode, "antialias": antialias, "align_corners": corners}
            y = F.interpolate(x, **how)
            grad = tensor(tuple(y.shape), dtype)
            y.backward(grad)
            golden.add(how, x=x, y=y, grad=grad, back=x.grad)
    for mode, antialias in ways:
        x, factor = tensor((1, 2, 10, 11), torch.float64), (1.7, 0.6)
        how = {"scale_factor": factor, "mode": mode, "antialias": antialias}
        golden.add(how, x=x, y=F.interpolate(x, **how))
    golden.save()


def interpolation():
    golden = Golden("interpolate")
    linear = {1: "linear", 2: "bilinear", 3: "trilinear"}
    for shape, size in SIZES:
        for dtype in (torch.float32, torch.float64, torch.uint8):
            x = tensor((1, 3, *shape), dtype)
            for mode in ("nearest", "nearest-exact"):
                y = nearest_as_3d(x, size, None, mode, None)
                golden.add({"size": size, "mode": mode}, x=x, y=y)
            mode = linear[len(shape)]
            # PyTorch's uint8 goes by other ways, with weights of 8 bits, and only for images.
            # (For one pixel of three channels it fails an assertion of its own.)
            if dtype == torch.uint8 and (mode != "bilinear" or size == (1, 1)):
                continue
            for align_corners in (False, True):
                y = F.interpolate(x, size, mode=mode, align_corners=align_corners)
                golden.add({"size": size, "mode": mode, "align_corners": align_corners}, x=x, y=y)
    for shape, factor in FACTORS:
        for dtype in (torch.float32, torch.float64):
            x = tensor((1, 2, *shape), dtype)
            for recompute in (None, True):
                arguments = {"scale_factor": factor, "recompute_scale_factor": recompute}
                for mode in ("nearest", "nearest-exact"):
                    y = nearest_as_3d(x, None, factor, mode, recompute)
                    golden.add({**arguments, "mode": mode}, x=x, y=y)
                for align_corners in (False, True):
                    case = {**arguments, "mode": linear[len(shape)], "align_corners": align_corners}
                    golden.add(case, x=x, y=F.interpolate(x, **case))
    golden.save()


def exact_indices(i, o):
    """Return the nearest indices of exact arithmetic."""
    return [dst * i // o for dst in range(o)]


def steps(y):
    """Return by how much the index grows from pixel to pixel: small numbers, that compress well."""
    return torch.diff(y.reshape(-1).long(), prepend=torch.tensor([0])).to(torch.int8)


def indices():
    """Find sizes where float32 takes another pixel than exact arithmetic, and keep its choice."""
    golden = Golden("indices")
    for dtype in (torch.float32, torch.float64):
        for mode in ("nearest", "nearest-exact"):
            found = 0
            while found < 6:
                # float64 and exact arithmetic part only where the product is large.
                most = 3000 if dtype == torch.float32 else 20000
                i, o = RANDOM.randint(100, most), RANDOM.randint(100, most)
                x = torch.arange(i, dtype=dtype).reshape(1, 1, i)
                y = nearest_as_3d(x, (o,), None, mode, None).reshape(o)
                if mode == "nearest":
                    wanted = exact_indices(i, o)
                else:
                    wanted = [min((2 * dst + 1) * i // (2 * o), i - 1) for dst in range(o)]
                if y.long().tolist() == wanted:
                    continue
                found += 1
                golden.add(
                    {"input_size": i, "output_size": o, "mode": mode, "dtype": str(dtype)[6:]},
                    steps=steps(y),
                )
            for _ in range(4):
                i = RANDOM.randint(100, 3000)
                factor = RANDOM.uniform(0.3, 3.0)
                x = torch.arange(i, dtype=dtype).reshape(1, 1, i)
                y = nearest_as_3d(x, None, (factor,), mode, None).reshape(-1)
                golden.add(
                    {
                        "input_size": i,
                        "output_size": len(y),
                        "scale_factor": factor,
                        "mode": mode,
                        "dtype": str(dtype)[6:],
                    },
                    steps=steps(y),
                )
    golden.save()


def convolution():
    golden = Golden("convolution")
    add_convolutions(golden, {
        ("conv", 1): F.conv1d,
        ("conv", 2): F.conv2d,
        ("conv_transpose", 1): F.conv_transpose1d,
        ("conv_transpose", 2): F.conv_transpose2d,
    })  # fmt: skip
    for size in (11, 12):  # with output_size, by the layer
        layer = nn.ConvTranspose2d(2, 3, (3, 4), stride=(2, 3), padding=1, dilation=(1, 2))
        x = tensor((1, 2, 6, 4), torch.float32)
        output_size = (size, size + 3)
        y = layer(x, output_size=output_size)
        golden.add(
            {"function": "conv_transpose2d", "stride": (2, 3), "padding": 1, "dilation": (1, 2),
             "output_size": output_size},
            x=x, weight=layer.weight, bias=layer.bias, y=y,
        )  # fmt: skip
    golden.save()


def volumes():
    """Run convolutions of three axes, in a file of their own: the others stay what they were."""
    golden = Golden("volumes")
    add_convolutions(
        golden, {("conv", 3): F.conv3d, ("conv_transpose", 3): F.conv_transpose3d}, largest=5
    )
    for size in (7, 8):
        layer = nn.ConvTranspose3d(2, 3, (3, 4, 1), (2, 3, 1), (1, 1, 0), dilation=(1, 2, 1))
        x = tensor((1, 2, 4, 3, 2), torch.float32)
        output_size = (size, size + 5, 2)
        y = layer(x, output_size=output_size)
        golden.add(
            {"function": "conv_transpose3d", "stride": (2, 3, 1), "padding": (1, 1, 0),
             "dilation": (1, 2, 1), "output_size": output_size},
            x=x, weight=layer.weight, bias=layer.bias, y=y,
        )  # fmt: skip
    golden.save()


def add_convolutions(golden, functions, largest=7):
    """Add 24 random convolutions of each of these functions."""
    for (kind, axes), function in functions.items():
        made = 0
        while made < 24:

            def each(low, high, axes=axes):
                return tuple(RANDOM.randint(low, high) for _ in range(axes))

            groups = RANDOM.choice([1, 1, 2, 3])
            c_in, c_out = groups * RANDOM.randint(1, 3), groups * RANDOM.randint(1, 3)
            parameters = {
                "stride": each(1, 3),
                "padding": each(0, 3),
                "dilation": each(1, 3),
                "groups": groups,
            }
            if kind == "conv":
                weight_shape = (c_out, c_in // groups, *each(1, 4))
                if made % 8 == 7:
                    parameters.update(padding="same", stride=(1,) * axes)
                if made % 8 == 3:
                    parameters.update(padding="valid")
            else:
                weight_shape = (c_in, c_out // groups, *each(1, 4))
                most = [max(s, d) - 1 for s, d in zip(
                    parameters["stride"], parameters["dilation"], strict=True)]  # fmt: skip
                parameters["output_padding"] = tuple(RANDOM.randint(0, n) for n in most)
            dtype = RANDOM.choice([torch.float32, torch.float64])
            x = tensor((2, c_in, *each(1, largest)), dtype)
            weight = tensor(weight_shape, dtype)
            bias = tensor((c_out,), dtype) if RANDOM.random() < 0.6 else None
            try:
                y = function(x, weight, bias, **parameters)
            except RuntimeError:  # an output of size 0
                continue
            if y.numel() == 0:  # the same, where PyTorch returns it
                continue
            golden.add(
                {"function": f"{kind}{axes}d", **parameters}, x=x, weight=weight, bias=bias, y=y
            )
            made += 1


def example():
    """Run the example of ConvTranspose2d's documentation."""
    golden = Golden("pytorch_example")
    x = torch.randn(1, 16, 12, 12)
    downsample = nn.Conv2d(16, 16, 3, stride=2, padding=1)
    upsample = nn.ConvTranspose2d(16, 16, 3, stride=2, padding=1)
    h = downsample(x)
    golden.add(
        {},
        x=x,
        down_weight=downsample.weight,
        down_bias=downsample.bias,
        up_weight=upsample.weight,
        up_bias=upsample.bias,
        h=h,
        y_default=upsample(h),
        y=upsample(h, output_size=x.size()),
    )
    golden.save()


if __name__ == "__main__":
    if not torch.__version__.startswith("2.13.0"):
        raise SystemExit(f"the golden files are PyTorch 2.13.0's; this is {torch.__version__}")
    interpolation()
    indices()
    convolution()
    example()
    volumes()
    resampling()
