"""Formulation: goal vectors, one sparse matrix, named row blocks; whole numbers throughout.

Columns are placements, openings and auxiliaries (see `allocator.rule.Columns`), all whole and boxed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from allocator.instance import Ints, read_only
from allocator.options import Options
from allocator.policy import Policy
from allocator.rule import Columns, Goal, Rows


@dataclass(frozen=True)
class Block:
    """Rows start..stop of the matrix come from the rule with this label."""

    label: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class GoalVector:
    """A goal as numbers. value = constant + values @ columns; `base` is the part that no plan changes.

    base = constant + what fixed placements contribute; gaps and tolerances leave it out.
    """

    label: str
    name: str
    sense: Literal["min", "max"]
    unit: str
    tolerance: float
    values: Ints
    constant: int
    base: int

    def value(self, columns: Ints) -> int:
        """The value of a plan given as columns (n_columns,)."""
        return self.constant + int(self.values @ columns)


@dataclass(frozen=True, eq=False)
class Formulation:
    """lower <= matrix @ z <= upper, column_lower <= z <= column_upper, z whole; goals in order.

    matrix (n_rows, n_columns) int64 in row order; `blocks` says which rule made which rows.
    """

    columns: Columns
    rows: Rows
    blocks: tuple[Block, ...]
    column_lower: Ints
    column_upper: Ints
    goals: tuple[GoalVector, ...]

    @property
    def options(self) -> Options:
        """The placements among the columns."""
        return self.columns.options


def formulate(options: Options, policy: Policy) -> Formulation:
    """Turn a policy over options into numbers."""
    goals = policy.ordered_goals
    makers = (*policy.limits, *goals)
    declared = tuple((rule.label, rule.auxiliaries(options)) for rule in makers)
    columns = Columns(options, openings(options), tuple(group for group in declared if group[1]))
    parts = [rule.rows(columns) for rule in makers]
    stops = np.cumsum([part.matrix.shape[0] for part in parts]).tolist()
    blocks = tuple(
        Block(rule.label, start, stop)
        for rule, start, stop in zip(makers, [0, *stops], stops, strict=False)
        if stop > start
    )
    rows = Rows.stacked([Rows.none(columns.n), *parts])
    lower, upper = column_box(columns)
    return Formulation(columns, forgiving(rows, lower), blocks, lower, upper, goal_vectors(goals, columns, lower))


def openings(options: Options) -> Ints:
    """Rows of sessions that are only worth opening for enough cases, or cost something to open."""
    instance = options.instance
    closed = (instance.column("sessions", "min_cases") > 0) | (instance.column("sessions", "opening_cost_gbp") > 0)
    return read_only(np.intersect1d(np.flatnonzero(closed), options.session))


def column_box(columns: Columns) -> tuple[Ints, Ints]:
    """Box of every column: fixed placements and their openings are 1, auxiliaries end at their upper."""
    lower = columns.fixed.astype(np.int64)
    used = np.unique(columns.options.session[columns.options.fixed])
    opened = columns.opening_column[used]
    lower[opened[opened >= 0]] = 1
    upper = np.ones(columns.n, dtype=np.int64)
    for label, group in columns.auxiliaries:
        upper[columns.auxiliary_columns(label)] = [auxiliary.upper for auxiliary in group]
    return read_only(lower), read_only(upper)


def forgiving(rows: Rows, fixed: Ints) -> Rows:
    """The rows, so wide that what is fixed satisfies them: no limit throws a booking out."""
    activity = rows.matrix @ fixed
    touched = (abs(rows.matrix) @ fixed) > 0
    lower = np.where(touched, np.minimum(rows.lower, activity), rows.lower)
    upper = np.where(touched, np.maximum(rows.upper, activity), rows.upper)
    return Rows(rows.matrix, read_only(lower), read_only(upper), rows.keys)


def goal_vectors(goals: tuple[Goal, ...], columns: Columns, fixed: Ints) -> tuple[GoalVector, ...]:
    """Every goal as numbers over the columns."""
    vectors = []
    for goal in goals:
        price = goal.price(columns)
        base = price.constant + int(price.values @ fixed)
        vectors.append(
            GoalVector(
                label=goal.label,
                name=goal.name,
                sense=goal.sense,
                unit=goal.unit,
                tolerance=goal.tolerance,
                values=read_only(price.values),
                constant=price.constant,
                base=base,
            )
        )
    return tuple(vectors)
