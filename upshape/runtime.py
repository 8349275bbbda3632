"""The machine's side of upshape: which kernels run, on how many threads, in which memory."""

from __future__ import annotations

import os
import re
from glob import glob
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType

from upshape import arrays
from upshape.calls import forget_all
from upshape.levels import LEVELS

try:
    from upshape import _machine
except ImportError as error:
    raise ImportError(
        f"upshape's compiled modules cannot be imported ({error}). In a source tree, build them "
        f"with `pip install -e .`; an installed upshape is found from any other folder"
    ) from error

__all__ = ["__version__", "clear_cache", "get_num_threads", "set_num_threads", "show_config"]

__version__ = "0.1.0"

# Best first.
_LEVELS = dict(reversed(LEVELS.items()))

# What may be asked for: more threads than most machines have CPUs.
_MOST_THREADS = 1024

# What a call uses at most: so many threads a CPU, or so many on a small machine.
_THREADS_A_CPU, _THREADS_ANYHOW = 4, 16

_DEFAULT_CACHE_MB = 256


def _built(level: str) -> bool:
    folder = os.path.join(os.path.dirname(__file__), _LEVELS[level].package)
    return os.path.isdir(folder) and any(
        name.endswith(tuple(EXTENSION_SUFFIXES)) for name in os.listdir(folder)
    )


def usable_levels() -> list[str]:
    """Return the levels that are built and that this CPU can run, best first."""
    has = _machine.x86_level()
    return [name for name, level in _LEVELS.items() if has >= level.needs and _built(name)]


def _choose_level() -> str:
    """Return the level whose kernels are used: UPSHAPE_CPU's, else the best there is."""
    usable = usable_levels()
    forced = os.environ.get("UPSHAPE_CPU")
    if forced:
        if forced not in _LEVELS:
            raise ImportError(
                f"UPSHAPE_CPU={forced!r} is no CPU level; it can be one of {', '.join(_LEVELS)}"
            )
        if not _built(forced):
            built = ", ".join(filter(_built, _LEVELS)) or "none"
            raise ImportError(f"UPSHAPE_CPU={forced}: no kernels were built for it; built: {built}")
        if forced not in usable:
            raise ImportError(
                f"UPSHAPE_CPU={forced}: this CPU lacks instructions of that level; "
                f"it can run {', '.join(usable) or 'none that was built'}"
            )
        return forced
    if usable:
        return usable[0]
    raise ImportError(
        "upshape: no kernels were built that this CPU can run; "
        "build it from source on this machine (pip install --no-binary upshape upshape)"
    )


def _from_environment(name: str, default: int, least: int) -> int:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < least:
        raise ImportError(f"{name}={text!r} must be a whole number, {least} or more")
    return int(text)


def _cpus() -> int:
    """Return how many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _default_threads() -> int:
    """Return UPSHAPE_NUM_THREADS, else OMP_NUM_THREADS, else the CPUs this process may run on."""
    default = _cpus()
    # OpenMP's variable may be a list, one number a nesting level, and OpenMP ignores a bad one.
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isdecimal() and int(first) > 0:
        default = int(first)
    return min(_from_environment("UPSHAPE_NUM_THREADS", default, 1), _MOST_THREADS)


def _adaptive() -> bool:
    """Return whether UPSHAPE_ADAPT_THREADS lets a busy machine have fewer threads: 1 unless set."""
    adapt = _from_environment("UPSHAPE_ADAPT_THREADS", 1, 0)
    if adapt > 1:
        raise ImportError(f"UPSHAPE_ADAPT_THREADS='{adapt}' must be 0 or 1")
    return adapt == 1


def _openmp_stack() -> int:
    """Return the bytes of an OpenMP thread's stack, 0 for the system's default.

    OpenMP's variable is a number of KiB, or has a unit; a bad one is ignored, as OpenMP does.
    """
    for name in ("OMP_STACKSIZE", "GOMP_STACKSIZE"):
        text = os.environ.get(name, "").strip().upper()
        if size := re.fullmatch(r"(\d{1,15})\s*([BKMG]?)", text):
            return int(size[1]) << {"B": 0, "K": 10, "M": 20, "G": 30}[size[2] or "K"]
    return 0


def _last_level_cache() -> int:
    """Return the bytes of the last-level cache that one CPU reaches, 0 if unknown.

    Linux's own files go first: the C library adds up the caches of a whole package on some CPUs.
    """
    largest = 0
    for path in glob("/sys/devices/system/cpu/cpu0/cache/index*/size"):
        with open(path) as file:
            text = file.read().strip()
        if text.endswith("K") and text[:-1].isdecimal():
            largest = max(largest, int(text[:-1]) << 10)
    return largest or int(_machine.last_level_cache())


LEVEL = _choose_level()
LAST_LEVEL_CACHE = _last_level_cache()

_machine.set_threads(_default_threads())
_machine.set_most_shares(max(_THREADS_ANYHOW, _THREADS_A_CPU * _cpus()))
_machine.set_adaptive(_adaptive())
_machine.set_stack(_openmp_stack())
_machine.set_limit(_from_environment("UPSHAPE_CACHE_MB", _DEFAULT_CACHE_MB, 0) << 20)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_machine.after_fork)

#: Return into how many shares a call's work may be cut now: an int from 1 on.
threads = _machine.threads

#: Return an uninitialised C-contiguous array: ``empty(shape, dtype)``, recycled from 1 MiB on.
empty = _machine.empty


def kernel(name: str) -> ModuleType:
    """Return the compiled module of this name for the CPU level in use."""
    return import_module(f"upshape.{_LEVELS[LEVEL].package}.{name}")


def set_num_threads(n: int) -> None:
    """Set how many threads a call may use, for the whole process.

    Parameters
    ----------
    n : int
        1 to 1024. More threads than CPUs only cost time, and a call uses 4 a CPU at most (16 where
        there are few CPUs).

    Raises
    ------
    TypeError
        If `n` is not an int.
    ValueError
        If `n` is out of range.

    Notes
    -----
    A call whose work is small uses fewer. A process made by ``fork`` computes on one thread: GNU
    OpenMP's threads do not survive a fork. A limit set with threadpoolctl goes before this one.

    Where other processes keep the CPUs busy, threads would wait for one that does not run: a call
    that took longer than one thread would have needed makes the next ones use half as many, and
    whole teams are tried again after 32 calls, later after up to 1024, and after ten seconds at the
    latest. Results do not depend on it. ``UPSHAPE_ADAPT_THREADS=0`` turns it off. Threads that the
    system refuses (``ulimit -u``, ``ulimit -v``) are done without.

    Examples
    --------
    >>> import upshape as up
    >>> before = up.get_num_threads()
    >>> up.set_num_threads(1)
    >>> up.get_num_threads()
    1
    >>> up.set_num_threads(before)
    """
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(
            f"set_num_threads: n={arrays.shown(n)} must be an int, not {type(n).__name__}"
        )
    n = n.__index__()
    if not 1 <= n <= _MOST_THREADS:
        raise ValueError(f"set_num_threads: n={arrays.shown(n)} must be from 1 to {_MOST_THREADS}")
    _machine.set_threads(n)


def get_num_threads() -> int:
    """Return how many threads a call may use.

    Returns
    -------
    int
        What `set_num_threads` set, else ``UPSHAPE_NUM_THREADS``, else ``OMP_NUM_THREADS``, else
        the number of CPUs this process may run on; OpenMP's own limit where threadpoolctl has
        changed it; 1 in a forked child and in a build without OpenMP. Large calls may use fewer
        at times: see `set_num_threads`.

    Examples
    --------
    >>> import upshape as up
    >>> up.get_num_threads() >= 1
    True
    """
    count: int = _machine.threads_asked()
    return count


def clear_cache() -> None:
    """Give the memory kept for further results and calls back to the system.

    Results of a MiB and more live in blocks that are kept when their array dies, up to
    ``UPSHAPE_CACHE_MB`` MiB (256 unless set). Plans of earlier calls, their tables, and memory
    that calls work in are kept as well, up to some 150 MiB in all. Arrays that are alive, and the
    packed weights of layers, are not touched.

    Examples
    --------
    >>> import upshape as up
    >>> up.clear_cache()
    """
    forget_all()
    _machine.forget_scratch()
    _machine.clear()


def _teams() -> str:
    """Return what became of the teams of threads, in words."""
    info = _machine.team_info()
    words = [f"{info['teams']} so far"]
    if info["adaptive"]:
        words.append(f"halved {info['pauses']} times because threads were late")
    else:
        words.append("never halved (UPSHAPE_ADAPT_THREADS=0)")
    bounds = {"allowed": "now {} threads at most", "startable": "the system lets {} threads start"}
    words += [text.format(info[name]) for name, text in bounds.items() if info[name]]
    return "; ".join(words)


def show_config() -> None:
    """Print version, compiler, CPU levels, OpenMP, threads and the state of the memory store.

    Examples
    --------
    >>> import upshape as up
    >>> up.show_config()  # doctest: +ELLIPSIS
    upshape ...
    """
    build = _machine.build()
    store = _machine.store_info()
    openmp = f"yes ({build['openmp']})" if build["openmp"] else "no: one thread"
    rows = {
        "compiler": build["compiler"],
        "flags": build["flags"],
        "levels built": ", ".join(filter(_built, _LEVELS)),
        "level in use": LEVEL + (" (UPSHAPE_CPU)" if os.environ.get("UPSHAPE_CPU") else ""),
        "OpenMP": openmp,
        "threads": str(get_num_threads()),
        "teams": _teams(),
        "last-level cache": f"{LAST_LEVEL_CACHE / 2**20:.0f} MiB",
        "memory store": (
            f"{store['kept_bytes'] / 2**20:.0f} MiB kept in {store['blocks']} blocks, "
            f"at most {store['limit_bytes'] / 2**20:.0f} MiB; "
            f"{store['reused']} results reused a block, {store['mapped']} got a new one"
        ),
    }
    print(f"upshape {__version__}")
    for name, value in rows.items():
        print(f"  {name:<18}{value}")
