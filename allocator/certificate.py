"""The certificate: row prices that prove how good a plan can be, checked without any solver.

Goal k, turned so that larger is better, is: maximise c @ z over all plans at least as good as ours on
the goals before. For row prices u (whole numbers, in units of 1 / scale) every such plan satisfies

    scale c @ z  <=  sum over rows of (u upper if u > 0, u lower if u < 0)
                   + sum over units of the most that one can be worth
                   + sum over other columns of their best reduced price over their box

with reduced prices scale c - matrix^T u. It follows from adding u times the rows and bounding each
separable unit on its own. A goal has units of one kind:

    an entry    max(0, best reduced price of its options), fixed placements their reduced price; one place an
                entry is used in the units, so its rows carry no price
    a session   its best pattern of cases and its opening, or nothing (`allocator.session_bound`); rows that the
                sessions' own problems keep carry no price, those of one place an entry do

It holds for any u: nobody has to trust where the prices came from. All arithmetic is whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from allocator.answer import Certificate
from allocator.formulation import Model
from allocator.instance import Array, Bools, Floats, Ints
from allocator.session_bound import session_values

SCALE = 2**20
SAFE = 2**62
UNPRICED = "one_place"


class PricesTooLargeError(ValueError):
    """Prices that cannot be checked in 64-bit whole numbers."""


def goal_sides(model: Model, held: Sequence[int]) -> tuple[Floats, Floats]:
    """Sides (len(held),) of the rows that hold the first goals at these values: (lower, upper)."""
    goals = model.goals[: len(held)]
    sides = np.array([value - goal.constant for goal, value in zip(goals, held, strict=True)], dtype=np.float64)
    larger = np.array([goal.sense == "max" for goal in goals], dtype=bool)
    return np.where(larger, sides, -np.inf), np.where(larger, np.inf, sides)


def goal_rows(model: Model, held: Sequence[int]) -> tuple[sparse.csr_array, Floats, Floats]:
    """Rows that hold the first len(held) goals at these values: (matrix, lower, upper)."""
    goals = model.goals[: len(held)]
    values = np.array([goal.values for goal in goals], dtype=np.int64).reshape(len(goals), model.n_columns)
    return (sparse.csr_array(values), *goal_sides(model, held))


def held_value(model: Model, k: int, value: int) -> int:
    """What later goals must keep of goal k once it stands at `value`: all of it less its tolerance."""
    goal = model.goals[k]
    # The tolerance is a decimal that a person wrote: 0.005 is 5 in 1,000, not its nearest double.
    share = round(goal.tolerance * 1_000_000)
    allowed = share * abs(value - goal.base) // 1_000_000
    return value - allowed if goal.sense == "max" else value + allowed


def stands(model: Model, k: int, value: int, best: int | None) -> bool:
    """Is this value of goal k the best one, or no further from it than its tolerance."""
    if best is None:
        return False
    least = held_value(model, k, best)
    return value >= least if model.goals[k].sense == "max" else value <= least


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


def priced_rows(model: Model, n_held: int, by_session: bool = False) -> Bools:
    """Rows (n_rows + n_held,) that may carry a price: all but those that the units keep."""
    priced = np.ones(model.n_rows + n_held, dtype=bool)
    if by_session:
        priced[: model.n_rows] = ~model.sessions.inside
        return priced
    for block in model.blocks:
        if block.label == UNPRICED:
            priced[block.start : block.stop] = False
    return priced


def certified_bound(model: Model, k: int, certificate: Certificate) -> int:
    """The value that no plan can beat on goal k, recomputed from the prices; ValueError if unproven."""
    if not certificate.proven[k]:
        raise ValueError(f"goal {k} has no certificate")
    held = [int(value) for value in certificate.held[k, :k]]
    prices = certificate.prices[k, : model.n_rows + k]
    return bound_of(model, k, held, prices, certificate.scale, bool(certificate.by_session[k]))


@dataclass(frozen=True, eq=False)
class Terms:
    """What row prices make of one goal, larger is better, in units of 1 / scale.

    prices   (n_rows + k,) the prices that count: none on rows that the units keep, none against an open side
    sides    (n_rows + k,) the side that each priced row is held at
    reduced  (n_columns,) reduced prices
    """

    prices: Ints
    sides: Floats
    reduced: Ints

    @property
    def rows_part(self) -> int:
        """Sum over rows of price times side."""
        told = np.flatnonzero(self.prices)
        parts = zip(self.prices[told].tolist(), self.sides[told].tolist(), strict=True)
        return sum(price * int(side) for price, side in parts)


def terms_of(model: Model, k: int, held: Sequence[int], prices: Ints, scale: int, by_session: bool) -> Terms:
    """Goal k at row prices (n_rows + k,), earlier goals held at `held`. Raises PricesTooLargeError."""
    rows, goal = model.rows, model.goals[k]
    below, above = goal_sides(model, held)
    lower, upper = np.concatenate([rows.lower, below]), np.concatenate([rows.upper, above])
    prices = np.where(priced_rows(model, len(held), by_session), prices, 0)
    sides = np.where(prices > 0, upper, np.where(prices < 0, lower, 0.0))
    # An open side proves nothing: its price counts as none.
    prices = np.where(np.isfinite(sides), prices, 0)
    _refuse_overflow(model, prices, scale * np.abs(goal.values.astype(np.float64)), _widest(model, by_session))
    return Terms(prices, sides, reduced_prices(model, sign_of(model, k) * scale * goal.values, prices))


def reduced_prices(model: Model, gains: Array, prices: Array) -> Array:
    """(n_columns,) gains less what the rows cost at these prices (n_rows + n_held,), whole numbers or floats.

    gains (n_columns,) larger is better; rows beyond the model's hold its first goals.
    """
    reduced: Array = gains - model.rows.column_prices(prices[: model.n_rows])
    for price, held in zip(prices[model.n_rows :].tolist(), model.goals, strict=False):
        if price:
            reduced -= price * held.values
    return reduced


def sign_of(model: Model, k: int) -> int:
    """1 where more of goal k is better, -1 where less is."""
    return 1 if model.goals[k].sense == "max" else -1


def bound_of(model: Model, k: int, held: Sequence[int], prices: Ints, scale: int, by_session: bool = False) -> int:
    """The bound on goal k that row prices (n_rows + k,) prove, earlier goals held at `held`.

    The units are entries, or sessions. Raises PricesTooLargeError.
    """
    terms = terms_of(model, k, held, prices, scale, by_session)
    units = units_part(model, terms.reduced, unit_values(model, terms.reduced, by_session), by_session)
    return model.goals[k].constant + sign_of(model, k) * ((terms.rows_part + units) // scale)


def unit_values(model: Model, reduced: Ints, by_session: bool) -> Ints:
    """The most that each unit can be worth: (n_sessions,) sessions, or (n_entries,) entries."""
    return session_values(model.sessions, reduced) if by_session else entry_values(model, reduced)


def units_part(model: Model, reduced: Ints, unit: Ints, by_session: bool) -> int:
    """Sum of what the units are worth, and of the best reduced price of what belongs to none.

    Sessions have their fixed placements, and mostly their openings, in them; entries have neither.
    """
    if by_session:
        return exact_sum(unit) + boxed_part(model, reduced, boxed_beside_sessions(model))
    n_options = model.n_options
    fixed_part = exact_sum(reduced[:n_options][model.fixed])
    return fixed_part + exact_sum(unit) + boxed_part(model, reduced, np.arange(n_options, model.n_columns))


def entry_values(model: Model, reduced: Ints) -> Ints:
    """(n_entries,) the best reduced price of each entry's free options, or nothing."""
    best = np.zeros(model.n_entries, dtype=np.int64)
    free = np.flatnonzero(~model.fixed)
    np.maximum.at(best, model.entry[free], reduced[free])
    return best


def boxed_beside_sessions(model: Model) -> Ints:
    """Columns that are no option, and open no session whose own problem has its opening."""
    boxed = np.ones(model.n_columns, dtype=bool)
    boxed[: model.n_options] = False
    opening = model.sessions.opening
    boxed[opening[opening >= 0]] = False
    return np.flatnonzero(boxed)


def boxed_part(model: Model, reduced: Ints, columns: Ints) -> int:
    """Sum over these columns of the best reduced price over the box of each."""
    return exact_sum(boxed_values(model, reduced, columns))


def boxed_values(model: Model, reduced: Array, columns: Ints) -> Array:
    """(len(columns),) the best reduced price over the box of each."""
    low, high = model.column_lower[columns], model.column_upper[columns]
    best: Array = np.maximum(reduced[columns] * low, reduced[columns] * high)
    return best


def exact_sum(values: Ints) -> int:
    """Sum without overflow: halves are added apart."""
    high, low = values >> 31, values & (2**31 - 1)
    return (int(high.sum()) << 31) + int(low.sum())


def _widest(model: Model, by_session: bool) -> int:
    """What may be multiplied with, or added up of, a reduced price: the widest box, and the largest session."""
    widest = int(model.column_upper.max(initial=1))
    if by_session:
        # The best pattern of a session needs the sum over its columns to stay below half of the 62 bits.
        widest = max(widest, 2 * (int(np.bincount(model.session).max(initial=0)) + 1))
    return widest


def _refuse_overflow(model: Model, prices: Ints, values: Floats, widest: int) -> None:
    """Reduced prices, of which the goal brings so much (n_columns,), times `widest` must stay within 64 bits."""
    size = np.abs(prices.astype(np.float64))
    largest = values + model.rows.column_sizes(size[: model.n_rows])
    for price, before in zip(size[model.n_rows :].tolist(), model.goals, strict=False):
        if price:
            largest += price * np.abs(before.values.astype(np.float64))
    if float(largest.max(initial=0.0)) * max(1, widest) >= SAFE:
        raise PricesTooLargeError("The certificate's prices are too large to be checked in whole numbers.")


def certified_without_prices(model: Model, k: int) -> int:
    """The bound on goal k at prices of zero: everybody gets what is best for the goal alone."""
    nothing = np.zeros(model.n_rows, dtype=np.int64)
    return bound_of(model, k, [], nothing, 1)


def whole_prices(prices: Floats) -> Ints:
    """Row prices rounded to whole units of 1 / SCALE."""
    cleaned = np.clip(np.nan_to_num(prices, nan=0.0, posinf=0.0, neginf=0.0), -(2.0**30), 2.0**30)
    return np.rint(cleaned * SCALE).astype(np.int64)
