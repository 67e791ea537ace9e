"""memory: what is free goes back to the system, where the C library would keep it for later."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Return what is free; nothing where the C library has no word for it."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
