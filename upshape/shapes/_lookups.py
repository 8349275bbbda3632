"""A model's own dicts and caches, so that a size may be looked up in them.

A symbolic size has no hash: which numbers it equals hangs on the path. In the place of a dict it is
compared with the keys one by one, each comparison a decision like any other; a function that is
cached is called.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any

__all__ = ["Lookups"]

_CACHED = type(functools.lru_cache(lambda: None))


def _is_symbolic(key: Any) -> bool:
    if isinstance(key, tuple):
        return any(map(_is_symbolic, key))
    return type(key).__name__ in ("SymInt", "SymFloat", "SymBool")


def _equal(one: Any, two: Any) -> bool:
    """Tell whether two keys are the same one; sizes in them are decided on last."""
    if isinstance(one, tuple) and isinstance(two, tuple):
        if len(one) != len(two):
            return False
        pairs = sorted(zip(one, two, strict=True), key=lambda pair: any(map(_is_symbolic, pair)))
        return all(_equal(a, b) for a, b in pairs)
    numbers = (int, float)
    for a, b in ((one, two), (two, one)):
        if _is_symbolic(a) and not _is_symbolic(b) and not isinstance(b, numbers):
            return False
    return bool(one == two)


class _Sized:
    """Holds a key with a size in it, which has no hash of its own."""

    def __init__(self, key: Any) -> None:
        self.key = key


class Lookup(MutableMapping[Any, Any], dict[Any, Any]):  # type: ignore[metaclass,misc]
    """A dict whose keys may be symbolic sizes."""

    def __init__(self, entries: dict[Any, Any]) -> None:
        super().__init__()
        self._held: dict[Any, Any] = dict(entries)

    def _found(self, key: Any) -> Any:
        """Return the key under which a key's entry is held, None if there is none."""
        symbolic = _is_symbolic(key)
        if not symbolic and key in self._held:
            return key
        for held in self._held:
            wrapped = isinstance(held, _Sized)
            if (symbolic or wrapped) and _equal(held.key if wrapped else held, key):
                return held
        return _Sized(key) if symbolic else key

    def __getitem__(self, key: Any) -> Any:
        """Return the entry of a key."""
        found = self._found(key)
        if found not in self._held:
            raise KeyError("no such key")  # to tell a size would be to decide on it
        return self._held[found]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Put an entry."""
        self._held[self._found(key)] = value

    def __delitem__(self, key: Any) -> None:
        """Leave out an entry."""
        found = self._found(key)
        if found not in self._held:
            raise KeyError("no such key")  # to tell a size would be to decide on it
        del self._held[found]

    def __iter__(self) -> Iterator[Any]:
        """Yield the keys, in the order in which they came."""
        return (one.key if isinstance(one, _Sized) else one for one in self._held)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._held)

    def __repr__(self) -> str:
        """Return the entries as a dict shows them."""
        return repr({key: self[key] for key in self})

    def copy(self) -> Lookup:
        """Return another one with the same entries."""
        return Lookup(self._held)


class Lookups:
    """The dicts and cached functions of a model, found once and replaced while it runs."""

    def __init__(self, modules: list[Any], scopes: set[str], own: set[str]) -> None:
        self._places: list[tuple[Any, str, Any]] = []  # whose attribute it is, its name, and it
        self._modules = modules
        self._own = own
        kinds = dict.fromkeys(kind for one in modules for kind in type(one).__mro__)
        owners = [sys.modules[name] for name in sorted(scopes) if name in sys.modules]
        for owner in (*owners, *(kind for kind in kinds if kind.__module__ in scopes)):
            for name, one in list(vars(owner).items()):
                if not name.startswith("__") and (type(one) is dict or type(one) is _CACHED):
                    self._places.append((owner, name, one))

    @contextlib.contextmanager
    def replaced(self) -> Iterator[None]:
        """Put a copy of each dict, and each function without its cache, in its place."""
        copies: dict[int, Any] = {}

        def copied(one: Any) -> Any:
            if type(one) is not dict:
                return one.__wrapped__ if type(one) is _CACHED else one
            if id(one) not in copies:
                copies[id(one)] = made = Lookup({})
                made._held.update({key: copied(entry) for key, entry in one.items()})
            return copies[id(one)]

        try:
            for owner, name, one in self._places:
                setattr(owner, name, copied(one))
            for module in self._modules:
                for name, one in list(module.__dict__.items()):
                    if name not in self._own and (type(one) is dict or type(one) is _CACHED):
                        module.__dict__[name] = copied(one)
            yield
        finally:
            for owner, name, one in self._places:
                setattr(owner, name, one)
