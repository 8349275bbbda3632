"""Functions of which the sizes are known: they need not run through PyTorch's kernels.

A run along a path costs a millisecond a call in PyTorch's dispatcher; here it is a tenth of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode

from ._outcome import Reshaped
from ._path import Path, Value
from ._symbolic import Environment

__all__ = ["Quick"]


def _named(names: str, *homes: Any) -> set[Any]:
    """Return the functions of these names, and their twins in place and as operators."""
    found = set()
    for name in names.split():
        for one in (name, f"{name}_", f"__{name}__", f"__r{name}__", f"__i{name}__"):
            found |= {getattr(home, one) for home in homes if hasattr(home, one)}
    return {one for one in found if callable(one)}


def _comparisons() -> set[Any]:
    """Return the functions that compare a tensor, none of them in place."""
    found = set()
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        found |= {getattr(torch, name), getattr(torch.Tensor, name)}
        found |= {getattr(torch.Tensor, f"__{name}__")}
    return found


SAME = _named(
    "relu relu6 elu selu celu leaky_relu prelu gelu silu mish hardswish hardsigmoid hardtanh "
    "sigmoid tanh softplus softsign logsigmoid hardshrink softshrink tanhshrink threshold "
    "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout softmax "
    "log_softmax normalize exp log sqrt rsqrt abs neg sin cos erf square clamp detach",
    F, torch, torch.Tensor, torch._C._nn,
)  # fmt: skip
WITH = _named("add sub mul div truediv true_divide", torch, torch.Tensor)
RESHAPING = {  # in place
    getattr(torch.Tensor, name)
    for name in (
        "unsqueeze_", "squeeze_", "t_", "transpose_", "swapaxes_", "swapdims_", "resize_",
        "resize_as_", "set_", "as_strided_",
    )
} | {torch.Tensor.data.__set__}  # type: ignore[attr-defined,unused-ignore]  # fmt: skip
SHAPED = {torch.Tensor.view, torch.Tensor.reshape, torch.reshape}


class Quick(TorchFunctionMode):  # type: ignore[misc,unused-ignore]
    """Answers for functions whose sizes are known, where the input lies in memory as it should.

    A tensor stands for all that have its sizes, as long as `shares`; where a model changes the
    shape of one in place, `Reshaped` asks for a run in which none does.

    What is anything but plain (a mismatch of channels, an input too small, another layout) goes to
    PyTorch's own kernel, which says so itself.
    """

    def __init__(
        self,
        read: Any,
        env: Environment | None = None,
        light: bool = False,
        mending: Any = None,
        shares: bool = True,
    ) -> None:
        super().__init__()
        self.shares = shares
        self.mending = mending
        self.read = read
        self.env = env
        self.light = light and shares

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.mending is None:
            return self._answered(func, args, kwargs)
        args, kwargs, key = self.mending.before(func, args, kwargs, bool)
        made = self._answered(func, args, kwargs)
        self.mending.after(made, args, key)
        return made

    def _answered(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return what a function makes of its arguments, or of their sizes."""
        if func in self.read.functions:
            return self.read.replaced(self.read.functions[func], args, kwargs)
        if func in RESHAPING and self.shares:
            raise Reshaped
        if self.env is not None and args and isinstance(args[0], torch.Tensor):
            made = self._quick(func, args, kwargs)
            if made is not None and (self.shares or made is not args[0]):
                return made
        elif self.env is not None and func in MAKERS:
            made = MAKERS[func](self, *args, **kwargs)
            if made is not None:
                return made
        elif self.light and args and isinstance(args[0], torch.Tensor):
            made = self._lightly(func, args, kwargs)
            if made is not None:
                return made
        if func in UNPOOLS:
            self._unpooled(UNPOOLS[func], *args, **kwargs)
        made = self._remembered(func, args, kwargs)
        if func in INDEXED:
            _mark(INDEXED[func], made, *args, **kwargs)
        if (
            self.env is not None
            and func in MAKES_PLAIN
            and isinstance(made, torch.Tensor)
            and all(_is_plain(one) for one in args if isinstance(one, torch.Tensor))
        ):
            made._upshape_plain = True  # type: ignore[attr-defined,unused-ignore]
        return made

    def _remembered(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return what PyTorch makes of arguments, asked once for all that are alike in sizes."""
        if func not in PURE or self.env is None or self.mending is not None or not self.shares:
            return func(*args, **kwargs)
        try:
            key = (func, _told(args), _told(kwargs))
        except Untold:
            return func(*args, **kwargs)
        return self.env.once(key, lambda: _marked_plain(func(*args, **kwargs)))

    def _quick(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return what a function makes of a tensor, None where PyTorch had better look at it."""
        x = args[0]
        kept = self._kept(func, args, kwargs)
        if kept is not None:
            return kept
        if func in MAKERS:
            return MAKERS[func](self, *args, **kwargs)
        if func in WITH:
            return self._with(*args) if len(args) == 2 and not kwargs else None
        if func in PRODUCTS:
            return self._product(*args) if len(args) == 2 and not kwargs else None
        if func is torch.Tensor.contiguous:
            return None if kwargs or len(args) > 1 else self._made_plain(x)
        if func is torch.Tensor.__setitem__:
            return self._put(*args)
        if func in POOLS:
            axes, names = POOLS[func]
            named = {**dict(zip(names, args[4:], strict=False)), **kwargs}
            return self._pooled(axes, *args[:4], **named)
        if func is F.pad:
            return self._padded(*args, **kwargs)
        if func is F.linear or func is torch._C._nn.linear:
            return self._linear(*args, **kwargs)
        if func is F.layer_norm:
            return self._normed(x, *args[1:2])
        if func in ADAPTIVE:
            return ADAPTIVE[func](self, *args, **kwargs)
        if not _is_plain(x):
            return None
        if func in SHAPED and not kwargs and len(args) > 1:
            shape = args[1:]
            if isinstance(shape[0], tuple | list):
                shape = tuple(shape[0]) if len(shape) == 1 else ()
            return self._shaped(x, shape)
        if func is torch.flatten or func is torch.Tensor.flatten:
            return self._flattened(x, *args[1:], **kwargs)
        if func in CONVOLUTIONS:
            return self._convolved(x, *args[1:], **kwargs)
        if func in PLAINLY:
            return PLAINLY[func](self, x, *args[1:], **kwargs)
        return None

    def _unpooled(
        self,
        axes: int,
        x: Any,
        indices: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        output_size: Any = None,
    ) -> None:
        """Refuse an unpooling to a map that is too small for where the largest pixels may lie.

        PyTorch finds it out by the values: of zeros each window's first pixel is the largest.
        """
        last = getattr(indices, "_upshape_last", None)
        if last is None:
            return
        stride = kernel_size if stride is None else stride
        made = [
            (size - 1) * s + k - 2 * p
            for size, k, s, p in zip(
                x.shape[-axes:], *(_each(one, axes) for one in (kernel_size, stride, padding)),
                strict=True,
            )
        ]  # fmt: skip
        if output_size is not None:
            made = list(output_size)[-axes:]
        if last >= math.prod(made):
            raise ValueError(
                "max_unpool: the output is smaller than the map that was pooled, so that the "
                "largest pixel of a window may lie outside; give max_unpool its output_size"
            )

    def _adapted(
        self, x: Any, output_size: Any, return_indices: Any = None, *, axes: int, indexed: bool
    ) -> Any:
        """Return what adaptive max pooling makes, None where PyTorch had better look at it."""
        if x.ndim != axes + 2 or not all(one >= 1 for one in x.shape[1:]):
            return None
        wanted = [
            size if one is None else one
            for size, one in zip(x.shape[2:], _each(output_size, axes), strict=True)
        ]
        if not all(isinstance(one, int | torch.SymInt) and one >= 1 for one in wanted):
            return None
        made = self._plain(x, (*x.shape[:2], *wanted))
        if not indexed:
            return made
        return made, torch.empty(made.shape, dtype=torch.int64, device=x.device)

    def _made_plain(self, x: Any) -> Any:
        """Return a tensor as it is once it is copied into one piece."""
        return x if _is_plain(x) else self._plain(x, x.shape)

    def _put(self, x: Any, index: Any, value: Any) -> Any:
        """Put a number where slices say: nothing can go wrong, and no size changes."""
        index = index if isinstance(index, tuple) else (index,)
        sliced = all(isinstance(one, slice) and one.step is None for one in index)
        return x if sliced and len(index) <= x.ndim and isinstance(value, int | float) else None

    def _product(self, x: Any, other: Any) -> Any:
        """Return a product of matrices, or of as many of them."""
        if not isinstance(other, torch.Tensor) or x.dtype != other.dtype or other.ndim < 2:
            return None
        if x.ndim < 3 or other.ndim not in (2, x.ndim):
            return None
        if not _alike(x.shape[-1], other.shape[-2]):
            return None
        if other.ndim > 2 and not all(map(_alike, x.shape[:-2], other.shape[:-2])):
            return None
        return self._plain(x, (*x.shape[:-1], other.shape[-1]))

    def _rolled(self, x: Any, shifts: Any, dims: Any = None) -> Any:
        places = dims if isinstance(dims, tuple | list) else (dims,)
        amounts = shifts if isinstance(shifts, tuple | list) else (shifts,)
        if len(places) != len(amounts):
            return None
        fits = all(isinstance(one, int) and -x.ndim <= one < x.ndim for one in places)
        return self._plain(x, x.shape) if fits else None

    def _compared(self, x: Any, other: Any) -> Any:
        """Return what comparing with a number makes."""
        if not isinstance(other, int | float):
            return None
        made = torch.empty(x.shape, dtype=torch.bool, device=x.device)
        made._upshape_plain = True  # type: ignore[attr-defined,unused-ignore]
        return made

    def _filled(self, x: Any, mask: Any, value: Any) -> Any:
        """Return what filling where a mask says makes."""
        if not isinstance(mask, torch.Tensor) or not isinstance(value, int | float):
            return None
        if mask.dtype != torch.bool or mask.ndim > x.ndim or not x.is_floating_point():
            return None
        pairs = zip(x.shape[x.ndim - mask.ndim :], mask.shape, strict=True)
        return x if all(_is_one(b) or _alike(a, b) for a, b in pairs) else None

    def _with_axis(self, x: Any, dim: Any) -> Any:
        if not isinstance(dim, int) or not -x.ndim - 1 <= dim <= x.ndim:
            return None
        place = dim % (x.ndim + 1)
        return self._plain(x, (*x.shape[:place], 1, *x.shape[place:]))

    def _lightly(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return what a function makes in a run with plain sizes, None where PyTorch is asked."""
        x = args[0]
        if func not in LIGHTLY or not x.is_contiguous() or not x.numel():
            return self._kept(func, args, kwargs)
        return LIGHTLY[func](self, *args, **kwargs)

    def _layer_normed(self, x: Any, shape: Any, *others: Any, **named: Any) -> Any:
        shape = tuple(shape)
        return x if len(shape) <= x.ndim and x.shape[x.ndim - len(shape) :] == shape else None

    def _weighted(self, x: Any, weight: Any, bias: Any = None) -> Any:
        """Return what linear makes of plain sizes."""
        fits = x.ndim > 1 and weight.ndim == 2 and x.shape[-1] == weight.shape[1]
        if not fits or x.dtype != weight.dtype or x.device != weight.device:
            return None
        if bias is not None and bias.shape != weight.shape[:1]:
            return None
        return x.new_empty((*x.shape[:-1], weight.shape[0]))

    def _kept(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return the tensor that a function leaves as it is but for its values, else None."""
        x = args[0]
        if func in SAME:
            return x if x.is_floating_point() and kwargs.get("dtype") is None else None
        if func is F.batch_norm and not (args[5] if len(args) > 5 else kwargs.get("training")):
            mean = args[1] if len(args) > 1 else None
            if mean is not None and x.ndim > 1 and _alike(mean.shape[0], x.shape[1]):
                return x
        return None

    def _entry(self, x: Any, index: Any) -> Any:
        """Return an entry along the first axis."""
        first = x.shape[0] if x.ndim > 1 else None
        if type(index) is not int or not isinstance(first, int) or not -first <= index < first:
            return None
        return self._plain(x, x.shape[1:])

    def _grid(self, theta: Any, size: Any, align_corners: Any = None) -> Any:
        """Return the grid of affine_grid."""
        if len(size) not in (4, 5) or tuple(theta.shape[1:]) != (len(size) - 2, len(size) - 1):
            return None
        return self._plain(theta, (size[0], *size[2:], len(size) - 2))

    def _spaced(self, start: Any, end: Any, steps: Any = None, **options: Any) -> Any:
        """Return what linspace does for a symbolic number of steps."""
        if not isinstance(steps, torch.SymInt) or "out" in options:
            return None
        return torch.empty((steps,), **options)

    def _plain(self, like: Any, sizes: Any) -> Any:
        """Return a tensor of these sizes that lies in memory as it should: one for all of them."""
        sizes = tuple(sizes)
        if self.mending is not None or self.env is None or not self.shares:
            return _new_plain(like, sizes)
        key = (like.dtype, like.device, *map(_key, sizes))
        return self.env.once(key, lambda: _new_plain(like, sizes))

    def _with(self, x: Any, other: Any) -> Any:
        """Return a sum or a product in which the first operand keeps its shape."""
        if not x.is_floating_point():
            return None
        if not isinstance(other, torch.Tensor):
            return x if isinstance(other, int | float | torch.SymInt | torch.SymFloat) else None
        if other.dtype != x.dtype or other.ndim > x.ndim:
            return None
        pairs = list(zip(x.shape[x.ndim - other.ndim :], other.shape, strict=True))
        if all(_is_one(b) or _alike(a, b) for a, b in pairs):
            return x
        if not (_is_plain(x) and _is_plain(other)) or other.ndim < x.ndim:
            return None
        if not all(_is_one(a) or _is_one(b) or _alike(a, b) for a, b in pairs):
            return None
        return self._plain(x, [b if _is_one(a) else a for a, b in pairs])

    def _joined(self, tensors: Any, dim: int = 0, **others: Any) -> Any:
        """Return a concatenation of tensors that are alike but for one axis."""
        if others or not isinstance(tensors, tuple | list) or not all(map(_is_plain, tensors)):
            return None
        first = tensors[0]
        if any(one.ndim != first.ndim or one.dtype != first.dtype for one in tensors):
            return None
        if not isinstance(dim, int) or not -first.ndim <= dim < first.ndim:
            return None
        sizes = list(first.shape)
        place = dim % first.ndim
        for one in tensors[1:]:
            for axis, size in enumerate(one.shape):
                if axis == place:
                    sizes[axis] = sizes[axis] + size
                elif not _alike(sizes[axis], size):
                    return None
        return self._plain(first, sizes)

    def _linear(self, x: Any, weight: Any, bias: Any = None) -> Any:
        if weight.ndim != 2 or x.ndim < 2 or x.dtype != weight.dtype:
            return None
        if x.shape[-1] != weight.shape[1]:
            return None
        return self._plain(x, (*x.shape[:-1], weight.shape[0]))

    def _normed(self, x: Any, shape: Any) -> Any:
        shape = tuple(shape)
        if len(shape) > x.ndim or not all(map(_alike, x.shape[x.ndim - len(shape) :], shape)):
            return None
        return x if _is_plain(x) else self._plain(x, x.shape)

    def _shaped(self, x: Any, shape: Any) -> Any:
        """Return a view: its elements are as many, and one size may be left to be found."""
        assert self.env is not None
        if not all(isinstance(one, int | torch.SymInt) for one in shape):
            return None
        key = ("view", *map(_key, x.shape), "as", *map(_key, shape))
        sizes = self.env.once(key, lambda: self._viewed(x.shape, shape))
        return None if sizes is None else self._plain(x, sizes)

    def _viewed(self, old: Any, shape: Any) -> Any:
        """Return the sizes of a view, None if there is none."""
        assert self.env is not None
        path = self.env.path
        values = [_as_value(path, one) for one in shape]
        free = [place for place, one in enumerate(values) if one.constant == -1]
        if len(free) > 1:
            return None
        elements = known = path.constant(1)
        for size in old:
            elements = elements * _as_value(path, size)
        for place, one in enumerate(values):
            if place not in free:
                if one.constant is None and not path.decide(one.ge(0)):
                    return None
                known = known * one
        if not free:
            held = path.decide(elements.eq(known))
        else:
            if path.decide(known.eq(0)):
                return None
            values[free[0]] = elements.floordiv(known)
            held = path.decide((values[free[0]] * known).eq(elements))
        return tuple(map(self.env.symint, values)) if held else None

    def _flattened(self, x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
        if x.ndim < 2 or not isinstance(start_dim, int) or not isinstance(end_dim, int):
            return None
        start, end = start_dim % x.ndim, end_dim % x.ndim
        if start >= end:
            return x if start == end else None
        assert self.env is not None
        together = self.env.path.constant(1)
        for size in x.shape[start : end + 1]:
            together = together * _as_value(self.env.path, size)
        return self._plain(x, (*x.shape[:start], self.env.symint(together), *x.shape[end + 1 :]))

    def _convolved(
        self,
        x: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        """Return a convolution's output, None where PyTorch had better look at it."""
        axes = weight.ndim - 2
        shape = x.shape
        fits = len(shape) == axes + 2 and shape[1] == weight.shape[1] * groups
        if not fits or x.dtype != weight.dtype or isinstance(padding, str):
            return None
        assert self.env is not None
        sizes = []
        for size, k, s, p, d in zip(
            shape[2:],
            weight.shape[2:],
            *(_each(one, axes) for one in (stride, padding, dilation)),
            strict=True,
        ):
            if not all(isinstance(one, int) for one in (k, s, p, d)):
                return None
            if isinstance(size, int):
                room = size + 2 * p - d * (k - 1) - 1
                made = room // s + 1 if room >= 0 and size >= 1 else None
            else:
                key = ("convolution", size.node.value.key(), k, s, p, d)
                made = self.env.once(key, partial(self._windows, size.node.value, k, s, p, d))
            if made is None:
                return None
            sizes.append(made)
        return self._plain(x, (shape[0], weight.shape[0], *sizes))

    def _windows(self, size: Value, k: int, s: int, p: int, d: int) -> Any:
        """Return the number of a convolution's windows, None if there is no room for one."""
        assert self.env is not None
        path = self.env.path
        room = size + (2 * p - d * (k - 1) - 1)
        if not path.decide(room.ge(0)) or not path.decide(size.ge(1)):
            return None
        return self.env.symint(room.floordiv(s) + 1)

    def _pooled(
        self,
        axes: int,
        x: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
        **others: Any,
    ) -> Any:
        """Return a pooling's output, None where PyTorch had better look at it."""
        shape = x.shape
        if len(shape) != axes + 2 or return_indices:
            return None
        assert self.env is not None
        path = self.env.path
        if stride is None or (isinstance(stride, tuple | list) and not len(stride)):
            stride = kernel_size
        sizes = []
        for size, k, s, p, d in zip(
            shape[2:],
            *(_each(one, axes) for one in (kernel_size, stride, padding, dilation)),
            strict=True,
        ):
            i, k, s, p, d = (_as_value(path, one) for one in (size, k, s, p, d))
            if not (
                path.decide(k.ge(1))
                and path.decide(s.ge(1))
                and path.decide(i.ge(1))
                and path.decide(p.ge(0))
                and path.decide(k.ge(p * 2))
                and path.decide(d.ge(1))
            ):
                return None
            room = i + p * 2 - d * (k - 1) - 1
            made = (room + (s - 1) if ceil_mode else room).floordiv(s) + 1
            if ceil_mode:  # no window begins in the padding on the right
                made = made - ((made - 1) * s).ge(i + p)
            if not path.decide(made.ge(1)):
                return None
            sizes.append(self.env.symint(made))
        return self._plain(x, (*shape[:2], *sizes))

    def _padded(
        self, x: Any, pad: Any, mode: str = "constant", value: Any = None, **named: Any
    ) -> Any:
        """Return a map padded by a constant, None where PyTorch had better look at it.

        What is cropped too far by less than nothing is refused, as PyTorch's kernels refuse it.
        """
        if mode != "constant":
            return None
        assert self.env is not None
        path = self.env.path
        sizes = [_as_value(path, size) for size in x.shape]
        grown = True
        for place in range(0, len(pad), 2):
            axis = -1 - place // 2
            cropped = sizes[axis]
            for amount in (_as_value(path, one) for one in pad[place : place + 2]):
                if path.decide(amount.ge(0)):
                    sizes[axis] = sizes[axis] + amount
                    continue
                grown, cropped = False, cropped + amount
                if not path.decide(cropped.ge(0)):
                    raise RuntimeError("F.pad: narrow(): length must be non-negative")
        if not grown or named or len(pad) % 2 or not _is_plain(x):
            return None
        return self._plain(x, map(self.env.symint, sizes))

    def _interpolated(
        self,
        x: Any,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: Any = None,
        recompute_scale_factor: Any = None,
        antialias: bool = False,
    ) -> Any:
        """Return a map of a given size, or whole times as large; else PyTorch looks at it."""
        axes = x.ndim - 2
        if mode not in SAMPLINGS.get(axes, ()) or not x.is_floating_point() or antialias:
            return None
        if (size is None) == (scale_factor is None) or recompute_scale_factor:
            return None
        if align_corners is not None and mode.startswith("nearest"):
            return None
        told = _each(scale_factor if size is None else size, axes)
        numbers = all(isinstance(one, int | float | torch.SymInt) for one in told)
        if len(told) != axes or not numbers:
            return None
        if size is None:
            if any(isinstance(one, torch.SymInt) or one != int(one) for one in told):
                return None
            told = tuple(old * int(factor) for old, factor in zip(x.shape[2:], told, strict=True))
        elif any(isinstance(one, float) for one in told):
            return None
        if not all(one >= 1 for one in (*x.shape[1:], *told)):
            return None
        return self._plain(x, (*x.shape[:2], *told))

    def _sampled(
        self,
        x: Any,
        grid: Any,
        mode: str = "bilinear",
        padding_mode: str = "zeros",
        align_corners: Any = None,
    ) -> Any:
        """Return what grid_sample makes, None where PyTorch had better look at it."""
        axes = x.ndim - 2
        if axes not in (2, 3) or grid.ndim != x.ndim or grid.dtype != x.dtype:
            return None
        if mode not in ("bilinear", "nearest") or padding_mode not in GRID_PADDINGS:
            return None
        if grid.shape[-1] != axes or not _alike(x.shape[0], grid.shape[0]):
            return None
        if align_corners is None or not all(one >= 1 for one in x.shape[2:]):
            return None
        return self._plain(x, (*x.shape[:2], *grid.shape[1:-1]))

    def _instances_normed(
        self,
        x: Any,
        running_mean: Any = None,
        running_var: Any = None,
        weight: Any = None,
        bias: Any = None,
        use_input_stats: bool = True,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Any:
        """Return what instance_norm makes, None where PyTorch had better look at it."""
        owned = [one for one in (running_mean, running_var, weight, bias) if one is not None]
        if not self._is_normed(x, owned) or not use_input_stats:
            return None
        return x if self._has_elements(x.shape[2:]) else None

    def _groups_normed(
        self, x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
    ) -> Any:
        """Return what group_norm makes, None where PyTorch had better look at it."""
        owned = [one for one in (weight, bias) if one is not None]
        if not self._is_normed(x, owned) or not isinstance(num_groups, int) or num_groups < 1:
            return None
        if not isinstance(x.shape[1], int) or x.shape[1] % num_groups:
            return None
        return x if self._has_elements((x.shape[1] // num_groups, *x.shape[2:])) else None

    def _is_normed(self, x: Any, owned: Any) -> bool:
        """Tell whether a map fits what a normalisation owns: numbers, one a channel."""
        return x.ndim > 2 and all(
            one.shape == (x.shape[1],) and one.dtype == x.dtype for one in owned
        )

    def _has_elements(self, sizes: Any) -> bool:
        """Tell whether there are at least two elements, over which a mean is taken."""
        if self.env is None:
            return all(size >= 1 for size in sizes) and math.prod(sizes) > 1
        path = self.env.path

        def several() -> bool:
            elements = path.constant(1)
            for size in sizes:
                if not path.decide(_as_value(path, size).ge(1)):
                    return False
                elements = elements * _as_value(path, size)
            return path.decide(elements.ge(2))

        found: bool = self.env.once(("several", *map(_key, sizes)), several)
        return found


def _mark(
    axes: int,
    made: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    *others: Any,
    **named: Any,
) -> None:
    """Keep with the indices of a pooling the largest one that there can be."""
    if not isinstance(made, tuple):
        return
    pooled, indices = made
    stride = stride if stride is not None and stride != () else kernel_size
    last = 0
    for size, out, k, s, p, d in zip(
        x.shape[-axes:],
        pooled.shape[-axes:],
        *(_each(one, axes) for one in (kernel_size, stride, padding, dilation)),
        strict=True,
    ):
        end = (out - 1) * s - p + d * (k - 1)
        last = last * size + (end if end < size else size - 1)
    indices._upshape_last = last


def _new_plain(like: Any, sizes: Any) -> Any:
    made = torch.empty(sizes, dtype=like.dtype, device=like.device)
    made._upshape_plain = True  # type: ignore[attr-defined,unused-ignore]
    return made


def _key(size: Any) -> Any:
    """Return what tells a size from others, as long as the path does not change."""
    return size.node.value.key() if isinstance(size, torch.SymInt) else size


def _marked_plain(made: Any) -> Any:
    """Mark tensors whose strides are those of contiguous ones all along the path."""
    for one in made if isinstance(made, tuple | list) else (made,):
        if isinstance(one, FakeTensor) and one.layout == torch.strided:
            expected: Any = 1
            for size, stride in zip(reversed(one.shape), reversed(one.stride()), strict=True):
                if not _alike(stride, expected):
                    break
                expected = expected * size
            else:
                one._upshape_plain = True  # type: ignore[attr-defined,unused-ignore]
    return made


class Untold(Exception):
    """An argument is more than its sizes."""


PLAIN_ARGUMENTS = (int, float, bool, str, type(None), type(...), torch.dtype, torch.device)


def _told(value: Any) -> Any:
    """Return what tells an argument from others, as long as the path does not change."""
    if isinstance(value, PLAIN_ARGUMENTS):
        return type(value), value
    if isinstance(value, torch.SymInt):
        return _key(value)
    if isinstance(value, tuple | list):
        return type(value), *map(_told, value)
    if isinstance(value, slice):
        return slice, _told(value.start), _told(value.stop), _told(value.step)
    if isinstance(value, dict) and "out" not in value:
        return tuple((key, _told(one)) for key, one in value.items())
    # A tensor of one element may be known to PyTorch by its value.
    if not isinstance(value, torch.Tensor) or getattr(value, "constant", None) is not None:
        raise Untold
    known = isinstance(value, FakeTensor) or value.ndim
    if not known or value.layout != torch.strided or hasattr(value, "_upshape_last"):
        raise Untold
    memory = (*map(_key, value.shape), *map(_key, value.stride()), _key(value.storage_offset()))
    return value.dtype, value.device, _is_plain(value), value.is_conj(), memory


def _as_value(path: Path, number: Any) -> Value:
    """Return a size, symbolic or not, as a value."""
    if isinstance(number, torch.SymInt):
        found: Value = number.node.value
        return found
    return path.constant(int(number))


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    if isinstance(value, tuple | list):
        return tuple(value) * axes if len(value) == 1 else tuple(value)
    return (value,) * axes


def _is_plain(x: Any) -> bool:
    """Tell whether a tensor is known to be contiguous."""
    return getattr(x, "_upshape_plain", False)


def _is_one(size: Any) -> bool:
    return isinstance(size, int) and size == 1


def _alike(a: Any, b: Any) -> bool:
    """Tell whether two sizes are the same all along the path."""
    if isinstance(a, int) or isinstance(b, int):
        return isinstance(a, int) and isinstance(b, int) and a == b
    if a is b or a.node.value is b.node.value:
        return True
    difference: Value = a.node.value - b.node.value
    return difference.constant == 0


_MAX = ("dilation", "ceil_mode", "return_indices")  # what may follow the padding by its place
_AVG = ("ceil_mode", "count_include_pad", "divisor_override")
POOLS: dict[Any, tuple[int, tuple[str, ...]]] = {
    F.max_pool1d: (1, _MAX), F.max_pool2d: (2, _MAX), F.max_pool3d: (3, _MAX),
    torch.max_pool1d: (1, _MAX), torch.max_pool2d: (2, _MAX), torch.max_pool3d: (3, _MAX),
    F.avg_pool1d: (1, _AVG), F.avg_pool2d: (2, _AVG), F.avg_pool3d: (3, _AVG),
}  # fmt: skip
MAKERS: dict[Any, Callable[..., Any]] = {
    torch.cat: Quick._joined,
    F.affine_grid: Quick._grid,
    torch.linspace: Quick._spaced,
}
CONVOLUTIONS = {torch.conv1d, torch.conv2d, torch.conv3d}
INDEXED = {getattr(F, f"max_pool{n}d_with_indices"): n for n in (1, 2, 3)}
UNPOOLS = {getattr(F, f"max_unpool{n}d"): n for n in (1, 2, 3)}
ADAPTIVE: dict[Any, Callable[..., Any]] = {
    getattr(F, f"adaptive_max_pool{n}d{told}"): partial(Quick._adapted, axes=n, indexed=bool(told))
    for n in (1, 2, 3)
    for told in ("", "_with_indices")
}
PRODUCTS = {torch.matmul, torch.bmm, torch.Tensor.matmul, torch.Tensor.bmm, torch.Tensor.__matmul__}
PLAINLY: dict[Any, Callable[..., Any]] = {
    torch.roll: Quick._rolled, torch.Tensor.roll: Quick._rolled,
    torch.Tensor.unsqueeze: Quick._with_axis, torch.unsqueeze: Quick._with_axis,
    torch.Tensor.masked_fill: Quick._filled, torch.masked_fill: Quick._filled,
    torch.Tensor.__getitem__: Quick._entry,
    F.interpolate: Quick._interpolated, F.grid_sample: Quick._sampled,
    F.instance_norm: Quick._instances_normed, F.group_norm: Quick._groups_normed,
    **{
        getattr(F, f"adaptive_avg_pool{n}d"): partial(Quick._adapted, axes=n, indexed=False)
        for n in (1, 2, 3)
    },
    **dict.fromkeys(_comparisons(), Quick._compared),
}  # fmt: skip
LIGHTLY: dict[Any, Callable[..., Any]] = {
    F.layer_norm: Quick._layer_normed, F.linear: Quick._weighted,
    torch._C._nn.linear: Quick._weighted,
    F.instance_norm: Quick._instances_normed, F.group_norm: Quick._groups_normed,
}  # fmt: skip
_PURE = (
    "scaled_dot_product_attention softmax normalize layer_norm instance_norm group_norm linear "
    "interpolate grid_sample pad unfold fold adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d avg_pool2d conv1d conv2d conv3d conv_transpose1d conv_transpose2d "
    "conv_transpose3d matmul bmm einsum cat stack chunk split unbind roll flip mean sum amax amin "
    "permute transpose swapaxes movedim reshape view flatten unflatten expand unsqueeze squeeze "
    "contiguous add sub mul div neg maximum minimum where masked_fill ge gt le lt eq ne"
)
_OPERATORS = "getitem add radd sub rsub mul rmul truediv matmul ge gt le lt eq ne"
PURE = {  # functions whose results' sizes and strides hang on their arguments' alone
    getattr(home, name)
    for name in _PURE.split()
    for home in (F, torch, torch.Tensor, torch._C._nn)
    if hasattr(home, name)
} | {getattr(torch.Tensor, f"__{name}__") for name in _OPERATORS.split()}
SAMPLINGS = {  # how interpolate takes maps of so many axes
    1: ("nearest", "nearest-exact", "linear"),
    2: ("nearest", "nearest-exact", "bilinear", "bicubic"),
    3: ("nearest", "nearest-exact", "trilinear"),
}
GRID_PADDINGS = ("zeros", "border", "reflection")
MAKES_PLAIN = {
    torch.empty, F.adaptive_avg_pool2d, F.interpolate,
    torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d,
}  # fmt: skip
