"""Small whole-number problems for the solvers, and their optimum by enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from scipy import sparse

from allocator.backends.problem import Problem


def problem(
    matrix: Sequence[Sequence[int]],
    lower: object,
    upper: object,
    costs: object,
    column_upper: object = 1,
    column_lower: object = 0,
    start: object = None,
) -> Problem:
    """A problem from nested lists; boxes are 0 to 1 unless said."""
    costs = np.array(costs, dtype=np.int64)
    rows = np.array(matrix, dtype=np.int64).reshape(len(matrix), len(costs))
    return Problem(
        sparse.csr_array(rows),
        np.broadcast_to(np.asarray(lower, dtype=np.float64), (len(rows),)).copy(),
        np.broadcast_to(np.asarray(upper, dtype=np.float64), (len(rows),)).copy(),
        np.broadcast_to(np.asarray(column_lower, dtype=np.int64), costs.shape).copy(),
        np.broadcast_to(np.asarray(column_upper, dtype=np.int64), costs.shape).copy(),
        costs,
        None if start is None else np.array(start, dtype=np.int64),
    )


@st.composite
def knapsacks(draw: st.DrawFn) -> Problem:
    """Up to five columns and three rows, packing, covering and equalities mixed; some have no plan."""
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    whole = st.integers(-4, 9)
    matrix = [draw(st.lists(whole, min_size=n, max_size=n)) for _ in range(m)]
    sides = [draw(st.tuples(st.integers(-6, 12), st.integers(0, 8), st.sampled_from(("below", "above", "both"))))
             for _ in range(m)]  # fmt: skip
    lower = [-np.inf if kind == "below" else side for side, _, kind in sides]
    upper = [np.inf if kind == "above" else side + width for side, width, kind in sides]
    column_lower = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    width = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    costs = draw(st.lists(st.integers(-20, 20), min_size=n, max_size=n))
    return problem(matrix, lower, upper, costs, np.add(column_lower, width), column_lower)


def cheapest(of: Problem) -> int | None:
    """The optimum by enumeration; None where no plan keeps every row."""
    boxes = [range(low, high + 1) for low, high in zip(of.column_lower, of.column_upper, strict=True)]
    values = [of.value(z) for z in map(np.array, itertools.product(*boxes)) if of.holds(z)]
    return min(values, default=None)


def hard(n: int = 90, m: int = 8, seed: int = 3) -> Problem:
    """A multidimensional knapsack that no solver proves in a second; costs are large, so gaps are whole."""
    random = np.random.default_rng(seed)
    weights = random.integers(100, 1000, (m, n))
    costs = -(weights.mean(axis=0).astype(np.int64) + random.integers(0, 300, n)) * 10
    return problem(weights, -np.inf, weights.sum(axis=1) // 2, costs)
