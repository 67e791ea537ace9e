"""The certificate: row prices that prove how good a plan can be, checked without any solver.

Goal k, turned so that larger is better, is: maximise c @ z over all plans at least as good as ours on
the goals before. For row prices u (whole numbers, in units of 1 / scale) every such plan satisfies

    scale c @ z  <=  sum over rows of (u upper if u > 0, u lower if u < 0)
                   + sum over entries of max(0, best reduced price of its options)
                   + sum over fixed placements of their reduced price
                   + sum over other columns of their best reduced price over their box

with reduced prices scale c - matrix^T u. It follows from adding u times the rows and bounding each
separable unit on its own; one place an entry is used in the units, so its rows carry no price. It holds
for any u: nobody has to trust where the prices came from. All arithmetic is whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from allocator.answer import Certificate
from allocator.formulation import Model
from allocator.instance import Floats, Ints

SCALE = 2**20
SAFE = 2**62
UNPRICED = "one_place"


class PricesTooLargeError(ValueError):
    """Prices that cannot be checked in 64-bit whole numbers."""


def goal_rows(model: Model, held: Sequence[int]) -> tuple[sparse.csr_array, Floats, Floats]:
    """Rows that hold the first len(held) goals at these values: (matrix, lower, upper)."""
    goals = model.goals[: len(held)]
    values = np.array([goal.values for goal in goals], dtype=np.int64).reshape(len(goals), model.n_columns)
    sides = np.array([value - goal.constant for goal, value in zip(goals, held, strict=True)], dtype=np.float64)
    larger = np.array([goal.sense == "max" for goal in goals], dtype=bool)
    return (
        sparse.csr_array(values),
        np.where(larger, sides, -np.inf),
        np.where(larger, np.inf, sides),
    )


def held_value(model: Model, k: int, value: int) -> int:
    """What later goals must keep of goal k once it stands at `value`: all of it less its tolerance."""
    goal = model.goals[k]
    # The tolerance is a decimal that a person wrote: 0.005 is 5 in 1,000, not its nearest double.
    share = round(goal.tolerance * 1_000_000)
    allowed = share * abs(value - goal.base) // 1_000_000
    return value - allowed if goal.sense == "max" else value + allowed


def with_held(model: Model, held: Sequence[int]) -> tuple[sparse.csr_array, Floats, Floats]:
    """All rows of the model, then the rows that hold goals: (matrix, lower, upper)."""
    rows = model.rows
    if not len(held):
        return rows.matrix, rows.lower, rows.upper
    matrix, lower, upper = goal_rows(model, held)
    return (
        sparse.vstack([rows.matrix, matrix], format="csr"),
        np.concatenate([rows.lower, lower]),
        np.concatenate([rows.upper, upper]),
    )


def priced_rows(model: Model, n_held: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows that may carry a price: all but those of one place an entry."""
    priced = np.ones(model.n_rows + n_held, dtype=bool)
    for block in model.blocks:
        if block.label == UNPRICED:
            priced[block.start : block.stop] = False
    return priced


def certified_bound(model: Model, k: int, certificate: Certificate) -> int:
    """The value that no plan can beat on goal k, recomputed from the prices; ValueError if unproven."""
    if not certificate.proven[k]:
        raise ValueError(f"goal {k} has no certificate")
    held = [int(value) for value in certificate.held[k, :k]]
    n_rows = model.n_rows
    prices = np.concatenate([certificate.prices[k, :n_rows], certificate.prices[k, n_rows : n_rows + k]])
    return bound_of(model, k, held, prices, certificate.scale)


def bound_of(model: Model, k: int, held: Sequence[int], prices: Ints, scale: int) -> int:
    """The bound on goal k that row prices (n_rows + k,) prove, earlier goals held at `held`."""
    matrix, lower, upper = with_held(model, held)
    goal = model.goals[k]
    sign = 1 if goal.sense == "max" else -1
    prices = np.where(priced_rows(model, len(held)), prices, 0)
    sides = np.where(prices > 0, upper, np.where(prices < 0, lower, 0.0))
    # An open side proves nothing: its price counts as none.
    prices = np.where(np.isfinite(sides), prices, 0)
    sides = np.where(np.isfinite(sides), sides, 0.0).astype(np.int64)
    _refuse_overflow(matrix, prices, goal.values, scale, int(model.column_upper.max(initial=1)))
    reduced = sign * scale * goal.values - matrix.T @ prices
    rows_part = sum(int(price) * int(side) for price, side in zip(prices, sides, strict=True) if price)
    total = rows_part + units_part(model, reduced)
    best = total // scale
    return goal.constant + sign * best


def units_part(model: Model, reduced: Ints) -> int:
    """Sum over entries, fixed placements and boxed columns of the best reduced price of each."""
    n_options = model.n_options
    free = ~model.fixed
    fixed_part = _exact_sum(reduced[:n_options][model.fixed])
    best = np.zeros(model.n_entries, dtype=np.int64)
    np.maximum.at(best, model.entry[free], reduced[:n_options][free])
    low, high = model.column_lower[n_options:], model.column_upper[n_options:]
    boxed = np.maximum(reduced[n_options:] * low, reduced[n_options:] * high)
    return fixed_part + _exact_sum(best) + _exact_sum(boxed)


def _exact_sum(values: Ints) -> int:
    """Sum without overflow: halves are added apart."""
    high, low = values >> 31, values & (2**31 - 1)
    return (int(high.sum()) << 31) + int(low.sum())


def _refuse_overflow(matrix: sparse.csr_array, prices: Ints, values: Ints, scale: int, widest: int) -> None:
    """Reduced prices times the widest box must stay within 64 bits."""
    columns = abs(matrix).astype(np.float64).T @ np.abs(prices.astype(np.float64))
    largest = float(columns.max(initial=0.0)) + float(np.abs(values.astype(np.float64)).max(initial=0.0)) * scale
    if largest * max(1, widest) >= SAFE:
        raise PricesTooLargeError("The certificate's prices are too large to be checked in whole numbers.")


def certified_without_prices(model: Model, k: int) -> int:
    """The bound on goal k at prices of zero: everybody gets what is best for the goal alone."""
    nothing = np.zeros(model.n_rows, dtype=np.int64)
    return bound_of(model, k, [], nothing, 1)


def whole_prices(prices: Floats) -> Ints:
    """Row prices rounded to whole units of 1 / SCALE."""
    cleaned = np.clip(np.nan_to_num(prices, nan=0.0, posinf=0.0, neginf=0.0), -(2.0**30), 2.0**30)
    return np.rint(cleaned * SCALE).astype(np.int64)
