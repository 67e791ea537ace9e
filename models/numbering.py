"""Row numbers of tables, millions at a time: counted, never sorted."""

from __future__ import annotations

import numpy as np

from allocator.instance import Ints


def numbered(rows: Ints) -> tuple[Ints, Ints]:
    """The distinct rows, ascending, and for each given one its place among them, shape (n_rows,), int32.

    What np.unique(rows, return_inverse=True) gives, for row numbers of a table (0 or more), without sorting.
    """
    seen = np.zeros(int(rows.max(initial=-1)) + 1, dtype=bool)
    seen[rows] = True
    return np.flatnonzero(seen), (np.cumsum(seen, dtype=np.int32) - np.int32(1))[rows]
