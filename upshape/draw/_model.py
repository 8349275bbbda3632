"""The walk of one size through a PyTorch model, as the columns and joins of a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ._columns import Walk

__all__ = ["walk_model"]


def walk_model(answer: Any, n: int) -> Walk:
    """Run a model at the input size n, on no data, and write down what becomes of its maps."""
    from upshape.shapes._run import Failure

    model = answer._network._model
    watch = _Watch(model.rank, 0 if answer._axis is None else answer._axis)
    hook = torch.nn.modules.module.register_module_forward_hook(watch.leave)
    try:
        with watch:
            model.plain(answer._survey.sizes(n))
    except Failure as failure:
        if watch.walk.failing is None:
            watch.walk.refused = failure.message
    finally:
        hook.remove()
    return watch.walk


class _Watch(TorchFunctionMode):
    """Sees every function of PyTorch that takes maps, and every module that gives one."""

    def __init__(self, rank: int, axis: int) -> None:
        super().__init__()
        self.rank = rank
        self.axis = 2 + axis
        self.walk = Walk()
        self.columns: dict[int, int] = {}
        self.kept: list[Any] = []  # so that no other tensor gets the same id

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [*_tensors(args), *_tensors(kwargs)]
        if getattr(func, "__name__", "").startswith(("conv", "_conv")):
            tensors = tensors[:1]  # weights have as many axes as maps
        maps = self._maps(tensors)
        try:
            made = func(*args, **(kwargs or {}))
        except Exception:
            self._write_failure(maps)
            raise
        self._write(maps, made)
        return made

    def leave(self, module: Any, args: Any, output: Any) -> None:
        """Write down what a module without parts made of its map."""
        if next(module.children(), None) is None:
            self._write(self._maps(list(_tensors(args))), output)

    def _maps(self, tensors: list[Any]) -> list[Any]:
        return [one for one in tensors if one.ndim == self.rank + 2]

    def _size(self, tensor: Any) -> int:
        return int(tensor.shape[self.axis])

    def _column(self, tensor: Any) -> int:
        """Return the column of a map; one that no function was seen to make begins its own."""
        if id(tensor) not in self.columns:
            last = (len(self.walk.columns) - 1,) if self.walk.columns else ()
            self._place(tensor, self.walk.column(self._size(tensor), last))
        return self.columns[id(tensor)]

    def _place(self, tensor: Any, column: int) -> None:
        self.columns[id(tensor)] = column
        self.kept.append(tensor)

    def _write(self, maps: list[Any], made: Any) -> None:
        if not isinstance(made, torch.Tensor) or made.ndim != self.rank + 2 or not maps:
            return
        if id(made) in self.columns:
            return
        sources = [self._column(one) for one in maps]
        size = self._size(made)
        if len(set(sources)) > 1 and {self._size(one) for one in maps} == {size}:
            self.walk.join(tuple(sources), tuple(self._size(one) for one in maps), True)
            self._place(made, max(sources))
        else:
            self._place(made, self.walk.column(size, (sources[0],)))

    def _write_failure(self, maps: list[Any]) -> None:
        sizes = tuple(self._size(one) for one in maps)
        if len(set(sizes)) > 1 and self.walk.failing is None:
            self.walk.join(tuple(self._column(one) for one in maps), sizes, False)


def _tensors(value: Any) -> Iterator[Any]:
    """Return the tensors in the arguments of a function."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _tensors(one)
