"""memory: what is free goes back to the system, and what is large and seldom read can be out of memory meanwhile."""

from __future__ import annotations

import ctypes
import errno
import gc
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from allocator.instance import Array

FILED_FROM = 200 << 20
"""Bytes from which an array is kept in a file."""

_filed: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Settings of the C library: how many bytes may be free at the end of its heap, how many arrays be outside of it."""
USUAL, KEPT = {M_TRIM_THRESHOLD: 128 << 10, M_MMAP_MAX: 65536}, {M_TRIM_THRESHOLD: -1, M_MMAP_MAX: 0}


def keep_free() -> None:
    """From now on what is let go stays with this process for what it needs next, until `give_back`.

    Otherwise every large array is returned by itself, and its pages are asked for anew by the next one: hosts that take
    back what is free in a machine need seconds for each gigabyte of that. Nothing where the C library has no such
    setting. Source: docs/decisions/0045-memory-that-is-kept.md.
    """
    _set(KEPT)


@contextmanager
def keeping_free() -> Iterator[None]:
    """The same for a while: what is free then is given back."""
    keep_free()
    try:
        yield
    finally:
        _set(USUAL)
        give_back()


def _set(settings: dict[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, value in settings.items():
            mallopt(setting, value)


def put_away() -> None:
    """Let go of what stands in files until it is read again."""
    for mapped in list(_filed):
        mapped.madvise(mmap.MADV_DONTNEED)


def give_back() -> None:
    """Return what is free, and what stands in files until it is read again; nothing where the system cannot."""
    gc.collect()
    put_away()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def room_for(number: int, dtype: np.dtype) -> Array:
    """(number,) room to write to; a large one in a file without a name, of which memory holds what is being read.

    It lives as long as the array. Where the disk has no room, or the system no such files, it is in memory.
    """
    size = number * dtype.itemsize
    if size < FILED_FROM or not hasattr(os, "posix_fallocate"):
        return np.empty(number, dtype=dtype)
    with tempfile.TemporaryFile() as file:
        try:
            # All of it at once: a file that turns out too large while it is written to ends the process.
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EOPNOTSUPP, errno.EINVAL, errno.EDQUOT):
                raise
            return np.empty(number, dtype=dtype)
        mapped = mmap.mmap(file.fileno(), size)
    _filed.add(mapped)
    return np.frombuffer(mapped, dtype=dtype)
