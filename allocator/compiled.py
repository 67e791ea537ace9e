"""compiled: loops over arrays that are turned into machine code the first time they are needed, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """numba.njit, cached beside the source and without the interpreter's lock, typed as what it compiles."""
    return cast(Function, numba.njit(cache=True, nogil=True)(function))
