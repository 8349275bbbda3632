"""What is remembered of earlier calls: bounded in entries and in bytes, and given up at once.

A call on arrays like those of an earlier one is a look-up. What it finds (tables, plans, packed
weights) takes memory, so each store has a limit, and `forget_all` empties every store there is.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Calls", "also_forget", "forget_all", "forget_calls", "lock"]

Value = TypeVar("Value")

_stores: weakref.WeakSet[Calls[Any]] = weakref.WeakSet()
_others: list[Callable[[], object]] = []

#: Held while anything here is changed, and by who forks: a child has no thread that could let go.
lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
    )


class Calls(Generic[Value]):
    """Values by key, the oldest of which go when there are too many or they take too much.

    `get` is the dictionary's own: None for a key that is not there. `latest` is whatever the owner
    wants to keep of the latest call.

    Examples
    --------
    >>> calls = Calls(most=2, most_bytes=100)
    >>> for number in range(3):
    ...     calls.put(number, str(number), 10)
    >>> calls.get(0), calls.get(2), len(calls), calls.nbytes
    (None, '2', 2, 20)
    >>> calls.put(3, "too large to be kept", 51)
    >>> len(calls), calls.get(3)
    (2, None)
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most, self.most_bytes = most, most_bytes
        self.nbytes = 0
        self.latest: Any = None
        self._values: dict[Any, Value] = {}
        self._sizes: dict[Any, int] = {}
        self.get = self._values.get
        with lock:
            _stores.add(self)

    def __len__(self) -> int:
        return len(self._values)

    def values(self) -> list[Value]:
        """Return what is kept, the oldest first."""
        with lock:
            return list(self._values.values())

    def put(self, key: Any, value: Value, nbytes: int) -> None:
        """Keep a value; one that would take more than half of all room is not worth it."""
        if nbytes > self.most_bytes // 2:
            return
        with lock:
            self._drop(key)
            while self._values and (
                len(self._values) >= self.most or self.nbytes + nbytes > self.most_bytes
            ):
                self._drop(next(iter(self._values)))
            self._sizes[key] = nbytes
            self._values[key] = value
            self.nbytes += nbytes

    def clear(self) -> None:
        """Forget everything."""
        with lock:
            self._values.clear()
            self._sizes.clear()
            self.nbytes = 0
            self.latest = None

    def _drop(self, key: Any) -> None:
        if key in self._sizes:
            self.nbytes -= self._sizes.pop(key)
            self._values.pop(key, None)


def also_forget(forget: Callable[[], object]) -> None:
    """Have this called as well when everything is forgotten."""
    _others.append(forget)


def forget_calls() -> None:
    """Empty every store: what is called next is planned anew."""
    with lock:
        for store in list(_stores):
            store.clear()


def forget_all() -> None:
    """Empty every store, and what else was named."""
    forget_calls()
    for forget in _others:
        forget()
