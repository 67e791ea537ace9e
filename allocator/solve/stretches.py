"""stretches: a compiled pass over many units in two stretches, side by side where there is a thread for each.

With one thread there are the same two, one after the other, so that sums do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from allocator.instance import Ints

Result = TypeVar("Result")

SIDE_BY_SIDE = 50_000
"""Columns from which a second thread pays: handing over takes as long as some hundred columns."""


def in_two(start: Ints, work: Callable[[slice], Result], threads: int) -> tuple[Result, Result]:
    """work(units) of the units of the first half of the columns, and of the rest.

    start (n_units + 1,) where the columns of each unit begin. `work` may write only what belongs to its units.
    """
    middle = int(np.searchsorted(start[:-1], (start[0] + start[-1]) // 2))
    first, rest = slice(0, middle), slice(middle, len(start) - 1)
    if threads == 1 or start[-1] - start[0] < SIDE_BY_SIDE:
        return work(first), work(rest)
    with ThreadPoolExecutor(1) as second:
        later = second.submit(work, rest)
        return work(first), later.result()


def columns_of(start: Ints, units: slice) -> slice:
    """The columns of a stretch of units."""
    return slice(int(start[units.start]), int(start[units.stop]))


def starts_within(start: Ints, units: slice) -> Ints:
    """(n + 1,) where the columns of each unit of a stretch begin."""
    return start[units.start : units.stop + 1]
