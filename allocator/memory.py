"""memory: what is free goes back to the system, and what is large and seldom read can be out of memory meanwhile."""

from __future__ import annotations

import ctypes
import errno
import gc
import mmap
import os
import tempfile
import weakref

import numpy as np

from allocator.instance import Array

FILED_FROM = 200 << 20
"""Bytes from which an array is kept in a file."""

_filed: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def give_back() -> None:
    """Return what is free, and what stands in files until it is read again; nothing where the system cannot."""
    gc.collect()
    for mapped in list(_filed):
        mapped.madvise(mmap.MADV_DONTNEED)
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
