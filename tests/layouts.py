"""The same values in every kind of memory that a user's array can have."""

import numpy as np


def _strided(x):
    every_second = np.zeros([2 * n for n in x.shape], x.dtype)[(slice(None, None, 2),) * x.ndim]
    every_second[...] = x
    return every_second


def _reversed(x):
    backwards = (slice(None, None, -1),) * x.ndim
    return x[backwards].copy()[backwards]


def _read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def channels_last(x):
    """Return the same values in memory whose innermost axis is the channels'."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def _channels_gap(x):
    """Return channels-last memory with room for one channel more after each pixel."""
    last = np.moveaxis(x, 1, -1)
    wide = np.zeros((*last.shape[:-1], last.shape[-1] + 1), x.dtype)
    wide[..., :-1] = last
    return np.moveaxis(wide[..., :-1], -1, 1)


def _odd_address(x):
    """Return a copy whose first byte stands one byte off where its dtype wants it."""
    memory = np.zeros(x.nbytes + 1, np.uint8)[1:]
    odd = memory.view(x.dtype) if x.dtype.itemsize == 1 else np.ndarray(x.shape, x.dtype, memory)
    odd = odd.reshape(x.shape)
    odd[...] = x
    return odd


def _broadcast(x):
    """Return an array whose images share memory, as np.broadcast_to makes it."""
    return np.broadcast_to(x[:1], x.shape)


LAYOUTS = {
    "contiguous": np.ascontiguousarray,
    "fortran": np.asfortranarray,
    "strided": _strided,
    "reversed": _reversed,
    "read-only": _read_only,
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder("S")),
    "channels-last": channels_last,
    "channels-gap": _channels_gap,
    "odd address": _odd_address,
    "broadcast": _broadcast,
}
