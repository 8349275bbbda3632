"""Orders of work that were measured: kept for their layer and shape, saved and loaded again.

Which order of work is the fastest is estimated. `measure` of a layer times them all on this machine
and keeps the winner, as FFTW's planner does with FFTW_MEASURE and cuDNN with its benchmark mode; a
file of such choices is FFTW's wisdom.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from upshape import arrays, runtime
from upshape.calls import forget_calls, lock

__all__ = ["Choice", "forget_choices", "load_choices", "save_choices"]

_FORMAT = 1
# A turn is at least this long (seconds), so that the clock's own cost and grain do not count; and a
# way that is this much slower than the best gets no further turn.
_BURST = 200e-6
_HOPELESS = 1.5
_LEAST_TURNS, _MOST_TURNS = 3, 50

Key = Hashable


class Choice(NamedTuple):
    """An order of work by name, and where its tiles read from; None: as estimated."""

    order: str
    source: str | None


_kept: dict[Key, Choice] = {}
# Whether UPSHAPE_CHOICES has been looked at.
_asked = False


@cache
def _cpu() -> str:
    """Return the processor's name, family and model; Linux keeps them in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    pairs = [line.partition(":") for line in lines]
    fields = {name.strip(): value.strip() for name, _, value in pairs}
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    return (f"{fields['model name']}, family {fields.get('cpu family', '?')}, "
            f"model {fields.get('model', '?')}")


def _made_for() -> dict[str, Any]:
    """Return what choices depend on."""
    return {"upshape": runtime.__version__, "level": runtime.LEVEL, "cpu": _cpu()}


# --- what is kept --------------------------------------------------------------------------------


def kept(key: Key) -> Choice | None:
    """Return the choice that was measured or loaded for a layer and shape."""
    if not _asked:
        _load_from_environment()
    return _kept.get(key)


def keep(key: Key, choice: Choice) -> None:
    """Keep a choice; calls that are known are planned anew."""
    with lock:
        _kept[key] = choice
    forget_calls()


def forget_choices() -> None:
    """Forget every measured choice: orders of work are estimated again.

    `clear_cache` leaves them.

    Examples
    --------
    >>> import upshape as up
    >>> up.forget_choices()
    """
    with lock:
        _kept.clear()
    forget_calls()


def fastest(calls: Mapping[Choice, Callable[[], object]], seconds: float) -> dict[Choice, float]:
    """Return the least seconds of each call, the fastest first; all are timed in turn."""
    least, repeats = {}, {}
    for choice, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        least[choice] = time.perf_counter() - start
        repeats[choice] = max(1, round(_BURST / max(least[choice], 1e-9)))
    end = time.perf_counter() + seconds
    for turn in range(_MOST_TURNS):
        if turn >= _LEAST_TURNS and time.perf_counter() > end:
            break
        best = min(least.values())
        for choice, call in calls.items():
            if turn > 0 and least[choice] > _HOPELESS * best:
                continue
            start = time.perf_counter()
            for _ in range(repeats[choice]):
                call()
            took = (time.perf_counter() - start) / repeats[choice]
            least[choice] = min(least[choice], took)
    return dict(sorted(least.items(), key=lambda item: item[1]))


# --- files ---------------------------------------------------------------------------------------


def save_choices(path: str | os.PathLike[str]) -> int:
    """Write the measured orders of work to a file, for `load_choices`.

    Parameters
    ----------
    path : path-like
        The file; one that is there is replaced, at once and whole.

    Returns
    -------
    int
        How many choices were written.

    Raises
    ------
    OSError
        If the file cannot be written.

    See Also
    --------
    load_choices : With an example.
    """
    with lock:
        rows = [[_listed(key), *choice] for key, choice in _kept.items()]
    text = json.dumps({"format": _FORMAT, **_made_for(), "choices": rows}, indent=1)
    target = _named(path, "save_choices")
    folder = os.path.dirname(target) or "."
    try:
        handle, draft = tempfile.mkstemp(dir=folder, prefix=".choices-", text=True)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, target) from None  # not the draft's name
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text + "\n")
        os.replace(draft, target)
    except BaseException:
        os.unlink(draft)
        raise
    return len(rows)


def load_choices(path: str | os.PathLike[str]) -> int:
    """Read measured orders of work from a file that `save_choices` wrote.

    They are added to those that are there, of which they replace those of the same layer and shape.
    ``UPSHAPE_CHOICES=path`` does the same before the first convolution is planned.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    int
        How many choices were read: none if the file was made by another version of upshape, for
        another CPU level or on another processor, which a warning says.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If this is no file of choices.

    Warns
    -----
    RuntimeWarning
        If the file is not for this machine; it is left alone.

    Notes
    -----
    Orders of work add up their sums in different orders: with another one, the last bits of a
    result may differ.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import upshape as up
    >>> layer = up.Conv2d(np.ones((8, 4, 3, 3), np.float32), padding=1)
    >>> times = layer.measure(np.ones((1, 4, 20, 20), np.float32), seconds=0.01)
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "choices.json")
    >>> up.save_choices(path)
    1
    >>> up.forget_choices()
    >>> up.load_choices(path)
    1
    >>> up.forget_choices()
    >>> folder.cleanup()
    """
    global _asked
    _asked = True  # what is loaded by hand goes before what the environment names
    return _load(path, "load_choices")


def _named(path: Any, who: str) -> str:
    """Return a path as a string."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        kind = type(path).__name__
        raise TypeError(f"{who}: path={arrays.shown(path)} must be a path, not {kind}")
    return os.fsdecode(path)


def _load(path: str | os.PathLike[str], who: str) -> int:
    name = _named(path, who)
    with open(name, encoding="utf-8", errors="replace") as file:
        text = file.read()
    try:
        told = json.loads(text)
        made_for = {key: told[key] for key in _made_for()}
        if told["format"] != _FORMAT:
            raise ValueError(f"format {told['format']!r}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{who}: {name!r} is no file of choices ({type(error).__name__}: {error}); "
            f"save_choices writes one"
        ) from None
    differs = [f"{key} {made_for[key]!r}, not {value!r}"
               for key, value in _made_for().items() if made_for[key] != value]
    if differs:
        warnings.warn(
            f"{who}: {name!r} is left alone: it was made for {' and '.join(differs)}",
            RuntimeWarning, stacklevel=3,
        )
        return 0
    read = _checked(told.get("choices"), name, who)
    with lock:
        _kept.update(read)
    forget_calls()
    return len(read)


def _checked(rows: Any, name: str, who: str) -> dict[Key, Choice]:
    """Return the choices of a file's rows; whether they can be used is seen when they are."""
    read: dict[Key, Choice] = {}
    for row in rows if isinstance(rows, list) else [None]:
        if not (isinstance(row, list) and len(row) == 3 and isinstance(row[0], list)
                and isinstance(row[1], str) and isinstance(row[2], str | None)):
            raise ValueError(
                f"{who}: {name!r} is no file of choices (a row is {str(row)[:60]}; it must be "
                f"[layer and shape, order, source]); save_choices writes one"
            )
        read[_hashable(row[0])] = Choice(row[1], row[2])
    return read


def _load_from_environment() -> None:
    """Load the file that UPSHAPE_CHOICES names; a bad one is told and left alone."""
    global _asked
    with lock:
        if _asked:
            return
        _asked = True
    path = os.environ.get("UPSHAPE_CHOICES")
    if not path:
        return
    try:
        _load(path, "UPSHAPE_CHOICES")
    except (OSError, ValueError) as error:
        told = str(error) if isinstance(error, ValueError) else (
            f"UPSHAPE_CHOICES: {path!r} cannot be read ({error.strerror}); save_choices writes one"
        )
        warnings.warn(told, RuntimeWarning, stacklevel=3)


def _listed(value: Any) -> Any:
    """Return tuples as lists, as JSON has them."""
    return [_listed(one) for one in value] if isinstance(value, tuple) else value


def _hashable(value: Any) -> Any:
    """Return lists as tuples."""
    if isinstance(value, Iterable) and not isinstance(value, str | dict):
        return tuple([_hashable(one) for one in value])
    return str(value) if isinstance(value, dict) else value
