"""compiled: loops over arrays that are turned into machine code the first time they are needed, and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

UNCOUNTED: Any = {"_nrt": False}
"""numba's option for code that leaves out its runtime, which counts references; not in its published types."""
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """numba.njit, cached beside the source and without the interpreter's lock, typed as what it compiles."""
    return cast(Function, numba.njit(cache=True, nogil=True)(function))


def compiled_sums(function: Function) -> Function:
    """The same, where sums may be added up in any order, several terms at once; for nothing that a proof rests on."""
    return cast(Function, numba.njit(cache=True, nogil=True, fastmath={"reassoc"})(function))


def compiled_moves(function: Function) -> Function:
    """The same for what only reads and writes arrays that it is given: it makes none, cuts none, hands none back.

    Nothing counts references to arrays there, which is half of the time of a move through structures of many of them.
    """
    return cast(Function, numba.njit(cache=True, nogil=True, **UNCOUNTED)(function))


def whole(value: int) -> int:
    """A number to hand from one compiled loop to another: for one written out, numba compiles the other once more."""
    return cast(int, np.int64(value))


def is_cold(function: Callable[..., Any]) -> bool:
    """Was this compiled function never compiled here, neither by this process nor, as files say, by one before it."""
    dispatcher = cast(Any, function)
    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}-*.nbi"
    return not is_loaded(function) and not any(Path(dispatcher._cache.cache_path).glob(name))


def is_loaded(function: Callable[..., Any]) -> bool:
    """Has this process called this compiled function, and so compiled it or read it from disk."""
    return bool(cast(Any, function).signatures)
