"""The walk of one size through a PyTorch model, by its modules and functions, as a text."""

from __future__ import annotations

import textwrap
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ._answer import code_of
from ._mending import Change, mends
from ._modules import layer_of
from ._outcome import Failure
from ._quick import POOLS
from .layers import Pool

__all__ = ["walked"]

WIDTH = 96
NAME = 56
SLICES = {"getitem": "a slice"}
MOST_ON_CPU = 256  # larger inputs are not run for the sake of a message


class _Rows(TorchFunctionMode):  # type: ignore[misc,unused-ignore]
    """Notes what changes sizes in a run: modules without parts, and functions outside of these."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.found: list[tuple[str, str, str]] = []
        self.stack: list[Any] = []

    def __enter__(self) -> Any:
        modules = torch.nn.modules.module
        self.hooks = [
            modules.register_module_forward_pre_hook(self._enter),
            modules.register_module_forward_hook(self._leave),
        ]
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        for hook in self.hooks:
            hook.remove()
        super().__exit__(*error)

    def _enter(self, module: Any, args: Any) -> None:
        self.stack.append(module)

    def _leave(self, module: Any, args: Any, output: Any) -> None:
        self.stack.pop()
        if not args or not self._is_part(module):
            return
        layer = layer_of(module)
        told = repr(layer) if layer is not None else type(module).__name__
        self._note(module, told, layer, args[0], output)

    def _is_part(self, module: Any) -> bool:
        """Tell whether a module is shown as one thing."""
        return module is not self.model.module and next(module.children(), None) is None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if args and self.stack and not self._is_part(self.stack[-1]):
            layer = _pooling(func, args, kwargs)
            name = func.__name__.strip("_")
            told = repr(layer) if layer is not None else SLICES.get(name, name)
            self._note(self.stack[-1], told, layer, args[0], made)
        return made

    def _note(self, module: Any, told: str, layer: Any, x: Any, made: Any) -> None:
        if isinstance(made, tuple) and made:
            made = made[0]  # a pooling with its indices
        if not all(isinstance(one, torch.Tensor) for one in (x, made)):
            return
        if x.ndim != made.ndim or x.ndim != self.model.rank + 2:
            return
        before, after = _sizes(x), _sizes(made)
        note = "" if layer is None else _lost(layer, tuple(x.shape[2:]))
        if before != after or note:
            name = self.model.names.get(id(module), "")
            self.found.append((f"{name}: {told}" if name else told, f"{before} -> {after}", note))


def _pooling(func: Any, args: Any, kwargs: Any) -> Any:
    """Return the layer that a call of a pooling is, None if it is none."""
    if func not in POOLS:
        return None
    _, names = POOLS[func]
    places = ("kernel_size", "stride", "padding", *names)
    given = {**dict(zip(places, args[1:], strict=False)), **kwargs}
    kept = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if name in kept and value not in (None, [], ())
    }
    try:
        return Pool(**chosen)
    except (TypeError, ValueError):
        return None


def walked(answer: Any, n: Any) -> str:
    """Return the walk through a model with the input size n, or one size an axis."""
    model = answer._network._model
    sizes = n if isinstance(n, tuple) else answer._survey.sizes(n)
    rows = _Rows(model)
    failure: Failure | None = None
    try:
        with rows:
            model.plain(sizes, full=True)
    except Failure as error:
        failure = error
    taken = n in answer
    if failure is not None and max(sizes) <= MOST_ON_CPU:
        try:  # its messages say more than those of the meta device
            model.plain(sizes, "cpu")
        except Failure as error:
            failure = error
    text = [f"{answer._name} {'takes' if taken else 'does not take'} {n}."]
    if rows.found:
        text += ["", *_table(rows.found)]
    if taken:
        made = answer.output(n)
        text += ["", f"The output size is {made}."]
        return "\n".join(text)
    text.append("")
    if failure is None:
        text += textwrap.wrap("The network has no output: an output would be empty.", WIDTH)
    else:
        where = f" in {failure.module}" if failure.module else ""
        text += textwrap.wrap(f"It fails{where}: {failure.message}.", WIDTH)
        if failure.place:
            text.append(f"  {failure.place}")
    text += ["", *_remedies(answer, n)]
    return "\n".join(text)


def _sizes(x: Any) -> str:
    sizes = tuple(x.shape[2:]) if x.ndim > 2 else tuple(x.shape[1:])
    return str(sizes[0]) if len(set(sizes)) == 1 else "x".join(map(str, sizes))


def _lost(layer: Any, sizes: tuple[int, ...]) -> str:
    """Say how many pixels the floor of a convolution or pooling leaves out."""
    axes = layer.axes if len(layer.axes) > 1 else layer.axes * len(sizes)
    found = []
    for axis, size in zip(axes, sizes, strict=False):
        if getattr(axis, "stride", 1) == 1 or getattr(axis, "ceil_mode", False):
            continue
        if hasattr(axis, "output_padding") or not hasattr(axis, "effective_kernel"):
            continue
        if not isinstance(axis.padding, int):
            continue
        pixels = (size + 2 * axis.padding - axis.effective_kernel) % axis.stride
        of = " of padding" if pixels <= axis.padding else ""
        if pixels:
            found.append(f"drops {pixels} pixel{'s' if pixels > 1 else ''}{of}")
    return found[0] if found else ""


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    cut = [(_shortened(name), sizes, note) for name, sizes, note in rows]
    wide = max(len(name) for name, _, _ in cut)
    room = max(len(sizes) for _, sizes, _ in cut)
    steps = max(4, len(str(len(cut))))
    lines = [f"  {'step':>{steps}}  {'what':<{wide}}  size"]
    for number, (name, sizes, note) in enumerate(cut, 1):
        lines.append(f"  {number:>{steps}}  {name:<{wide}}  {sizes:<{room}}  {note}".rstrip())
    return lines


def _shortened(name: str) -> str:
    if len(name) <= NAME:
        return name
    half = (NAME - 3) // 2
    return f"{name[:half]}...{name[-half:]}"


def _remedies(answer: Any, n: Any) -> list[str]:
    """Say what mends it: other sizes, or a change of the model with which these are taken."""
    sizes = n if isinstance(n, tuple) else answer._survey.sizes(n)
    text, items = [], []
    if isinstance(n, tuple):
        if answer.between_axes is not None:
            text = textwrap.wrap(f"Between the axes: {answer.between_axes}.", WIDTH)
        found = answer.next(n)
        items += [] if found is None else [f"input sizes of {found}"]
    else:
        below, above = answer._sizes.previous(n), answer._sizes.next(n)
        told = [f"{below} ({n - below} less)"] if below is not None else []
        told += [f"{above} ({above - n} more)"] if above is not None else []
        items += [f"an input size of {' or '.join(told)}"] if told else []
    items += _changes(answer._network._model, sizes, n)
    if not items:
        return [*text, f"Nothing mends it: {answer._none}."]
    text.append("What mends it:")
    for number, item in enumerate(items, 1):
        end = "." if number == len(items) else ";"
        text += textwrap.wrap(
            item + end,
            WIDTH,
            initial_indent="  - ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return text


def _changes(model: Any, sizes: tuple[int, ...], n: Any) -> list[str]:
    """Say which changes of a model let it take these sizes; each was run."""
    items = []
    for fix, changes in mends(model, sizes):
        told = {"pad": _padded, "crop": _cropped}.get(fix, _told_size)
        parts = dict.fromkeys(told(model, one) for one in changes)
        ask = f"; solve(model, fix={fix!r}).repair.to_torch() says it for all sizes"
        ask = ask if told is _told_size else ""
        items.append(f"{'; '.join(parts)}; then {n} is taken as it is{ask}")
    return items


def _told_size(model: Any, change: Change) -> str:
    """Say how an upsampling is told the size to reach."""
    layer = code_of(change.name)
    module = dict(model.module.named_modules()).get(change.name)
    sizes = _listed_sizes(change.sizes)
    if change.padding is None:
        own = hasattr(module, "mode")
        options = f", mode={layer}.mode" if own else change.options
        where = f" in {change.name}" if change.name and not own else ""
        return f"F.interpolate(x, size={sizes}{options}){where} in place of its factor"
    assert change.before is not None
    padding = change.padding[0] if len(set(change.padding)) == 1 else tuple(change.padding)
    was = f"in place of {_one_or_all(change.before)} (output_padding={padding})"
    if hasattr(module, "output_padding"):
        return f"{layer}(x, output_size={sizes}) {was}"
    where = f" in {change.name}" if change.name else ""
    return f"{change.what}(..., output_padding={padding}){where}, which makes {sizes}"


def _padded(model: Any, change: Change) -> str:
    """Say how a map is padded before it meets others."""
    assert change.before is not None
    pads = []
    for size, had in zip(reversed(change.sizes), reversed(change.before), strict=True):
        pads += [0, size - had]
    where = f" in {change.name}" if change.name else ""
    return (
        f"F.pad(x, {pads}) on the map of {_one_or_all(change.before)} before {change.what}{where}"
    )


def _cropped(model: Any, change: Change) -> str:
    """Say how a map is cropped before it meets others."""
    assert change.before is not None
    where = f" in {change.name}" if change.name else ""
    cut = ", ".join(f":{size}" for size in change.sizes)
    return f"x[..., {cut}] of the map of {_one_or_all(change.before)} before {change.what}{where}"


def _listed_sizes(sizes: tuple[Any, ...]) -> str:
    return str([int(size) for size in sizes])


def _one_or_all(sizes: tuple[Any, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "x".join(map(str, sizes))
