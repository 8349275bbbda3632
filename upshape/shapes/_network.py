"""What people hand over as a network, and what to write in place of what is none."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["is_model", "more_needed", "no_instance", "returned_told", "unreadable", "unwrapped"]


def is_model(thing: Any) -> bool:
    """Tell whether something is a module of PyTorch, without importing it."""
    return hasattr(thing, "named_children") and hasattr(thing, "forward")


def unwrapped(module: Any) -> Any:
    """Return the model inside what torch.compile and the data-parallel wrappers make of it."""
    while True:
        name = type(module).__name__
        home = type(module).__module__
        if home.startswith("torch.") and name in ("DataParallel", "DistributedDataParallel"):
            module = module.module
        elif home.startswith("torch._dynamo") and name == "OptimizedModule":
            module = module._orig_mod
        else:
            return module


def unreadable(module: Any) -> str | None:
    """Say why a PyTorch model cannot be read as it is, None if it can."""
    if type(module).__module__.startswith("torch.jit"):
        return (
            "from_torch: a TorchScript module no longer holds its Python code, which is what is "
            "read; give the module that was traced or scripted"
        )
    if not is_model(module):
        return None
    for name, one in module.named_modules():
        lacks = getattr(one, "has_uninitialized_params", None)
        if callable(lacks) and lacks():
            return (
                f"from_torch: {name or 'the module'} ({type(one).__name__}) has no weights yet: "
                "call the model once with an input, then read it"
            )
    return None


def no_instance(operation: str, thing: Any) -> str | None:
    """Say what is to be written in place of a class or a function that builds a model.

    None if it is neither.
    """
    if isinstance(thing, type):
        if not (is_model(thing) or thing.__module__.partition(".")[0] == "upshape"):
            return None
        arguments = "..." if _needed(thing) else ""
        return (
            f"{operation}: {thing.__name__} is a class; make a module of it first: "
            f"{operation}({thing.__name__}({arguments}))"
        )
    if inspect.isroutine(thing):
        name = thing.__name__
        arguments = "..." if _needed(thing) else ""
        if operation == "from_torch":
            return (
                f"from_torch: {name} is a function, no module; if it builds a model, write "
                f"from_torch({name}({arguments})); a function of a size needs no reading: "
                f"solve({name})"
            )
        if _takes_nothing(thing):
            return (
                f"{operation}: {name} is a function that takes no size; if it builds a model, "
                f"write {operation}({name}())"
            )
    return None


def _signature(function: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _needed(function: Any) -> bool:
    """Tell whether a class or function needs arguments."""
    signature = _signature(function)
    return signature is None or any(
        one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        for one in signature.parameters.values()
    )


def _takes_nothing(function: Any) -> bool:
    signature = _signature(function)
    return signature is not None and all(
        one.kind in (one.KEYWORD_ONLY, one.VAR_KEYWORD) for one in signature.parameters.values()
    )


def more_needed(function: Any) -> list[str]:
    """Return the arguments that a function needs besides a first one given by its place."""
    signature = _signature(function)
    if signature is None:
        return []
    needed = [one for one in signature.parameters.values() if one.default is one.empty]
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    places = [one.name for one in needed if one.kind in by_place]
    return places[1:] + [one.name for one in needed if one.kind is one.KEYWORD_ONLY]


def returned_told(result: Any) -> str:
    """Say what to do about something that a network returned in place of a size."""
    if result is None:
        return "; does it lack its return?"
    if is_model(result) and not isinstance(result, type):
        return "; if this function builds a model, call it and solve what it returns"
    return ""
