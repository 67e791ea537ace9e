"""The narrow interface between the engine and a solver: one problem in, one result out.

minimise costs @ z  with  lower <= matrix @ z <= upper,  column_lower <= z <= column_upper,  z whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from allocator.ending import Ending

if TYPE_CHECKING:
    from allocator.instance import Floats, Ints


@dataclass(frozen=True, eq=False)
class Problem:
    """One whole-number minimisation. `start` (n_columns,) is a plan that keeps every row, or None."""

    matrix: sparse.csr_array
    lower: Floats
    upper: Floats
    column_lower: Ints
    column_upper: Ints
    costs: Ints
    start: Ints | None = None

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.costs)

    def value(self, z: Ints) -> int:
        """costs @ z."""
        return int(self.costs @ z)

    def holds(self, z: Ints) -> bool:
        """Does z keep every row and box, in whole numbers."""
        activity = self.matrix @ z
        return bool(
            (activity >= self.lower).all()
            and (activity <= self.upper).all()
            and (z >= self.column_lower).all()
            and (z <= self.column_upper).all()
        )


@dataclass(frozen=True)
class Budget:
    """What one solve may cost. `work` (nodes) is machine-independent; None means time alone ends it."""

    seconds: float
    work: int | None = None
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True, eq=False)
class Result:
    """What a solver claims. `values` keeps every row (checked), `bound` is its own lower bound.

    `native` is the solver's own word for how it ended.
    """

    ending: Ending
    values: Ints | None
    bound: int | None
    native: str


Incumbent = Callable[["Ints | None", int | None], None]
"""Told of every better plan, or of none, and of the bound so far."""


def whole_bound(bound: float) -> int | None:
    """The smallest whole value that a lower bound in floating point leaves possible; None if infinite."""
    if not math.isfinite(bound) or abs(bound) > 1e15:
        return None
    return math.ceil(bound - 1e-6 * max(1.0, abs(bound) * 1e-3))


def checked(problem: Problem, values: np.ndarray[tuple[int], np.dtype[np.float64]] | None) -> Ints | None:
    """The values rounded, where they keep every row in whole numbers; None where they do not."""
    if values is None or len(values) != problem.n_columns:
        return None
    whole = np.rint(np.asarray(values, dtype=np.float64)).astype(np.int64)
    return whole if problem.holds(whole) else None
