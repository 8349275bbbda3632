"""The walk of one size through a PyTorch model, module by module, as a text."""

from __future__ import annotations

import textwrap
from typing import Any

import torch

from ._modules import layer_of
from ._outcome import Failure

__all__ = ["walked"]

WIDTH = 96
NAME = 56
MOST_ON_CPU = 256  # larger inputs are not run for the sake of a message


def walked(answer: Any, n: Any) -> str:
    """Return the walk through a model with the input size n, or one size an axis."""
    model = answer._network._model
    sizes = n if isinstance(n, tuple) else answer._survey.sizes(n)
    rows: list[tuple[str, str, str]] = []

    def leave(module: Any, args: Any, output: Any) -> None:
        if next(module.children(), None) is not None or not args:
            return
        if not all(isinstance(one, torch.Tensor) for one in (args[0], output)):
            return
        before, after = _sizes(args[0]), _sizes(output)
        name = model.names.get(id(module), type(module).__name__)
        layer = layer_of(module)
        note = "" if layer is None else _lost(layer, tuple(args[0].shape[2:]))
        if before != after or note:
            rows.append((f"{name}: {_layer(module, layer)}", f"{before} -> {after}", note))

    hook = torch.nn.modules.module.register_module_forward_hook(leave)
    failure: Failure | None = None
    try:
        model.plain(sizes)
    except Failure as error:
        failure = error
    finally:
        hook.remove()
    taken = n in answer
    if failure is not None and max(sizes) <= MOST_ON_CPU:
        try:  # its messages say more than those of the meta device
            model.plain(sizes, "cpu")
        except Failure as error:
            failure = error
    text = [f"{answer._name} {'takes' if taken else 'does not take'} {n}."]
    if rows:
        text += ["", *_table(rows)]
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


def _layer(module: Any, layer: Any) -> str:
    return repr(layer) if layer is not None else type(module).__name__


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
    if isinstance(n, tuple):
        found = answer.next(n)
        return [] if found is None else ["What mends it:", f"  - input sizes of {found}."]
    below, above = answer._sizes.previous(n), answer._sizes.next(n)
    told = [f"{below} ({n - below} less)"] if below is not None else []
    told += [f"{above} ({above - n} more)"] if above is not None else []
    if not told:
        return ["Nothing mends it: the network takes no size at all."]
    return ["What mends it:", f"  - an input size of {' or '.join(told)}."]
