"""Formulation: goal vectors, one sparse matrix, named row blocks; whole numbers throughout.

Columns are placements, openings and auxiliaries (see `allocator.rule.Columns`), all whole and boxed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from allocator.instance import Bools, Ints, read_only
from allocator.options import Options
from allocator.policy import Policy
from allocator.rows import Rows
from allocator.rule import Columns, Goal
from allocator.session_bound import SessionProblems, session_problems


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
class Model:
    """What the engine sees: lower <= matrix @ z <= upper, z whole and boxed, goals in order. No tables, no rules.

    Columns are options first, then openings, then auxiliaries.

    entry, session   (n_options,) int32, unit and list of each option, sorted by entry, then session
    fixed            (n_options,) in every plan
    alike            (n_sessions,) number of the kind of each session: those of one site and service
    opening_session  (n_openings,) the session that each opening column opens
    column_lower, column_upper  (n_columns,) int8, int64 where an auxiliary goes further
    """

    n_entries: int
    n_sessions: int
    entry: Ints
    session: Ints
    fixed: Bools
    alike: Ints
    opening_session: Ints
    rows: Rows
    blocks: tuple[Block, ...]
    column_lower: Ints
    column_upper: Ints
    goals: tuple[GoalVector, ...]

    @property
    def n_options(self) -> int:
        """Number of options."""
        return len(self.entry)

    @property
    def n_columns(self) -> int:
        """Number of columns: options, openings, auxiliaries."""
        return len(self.column_lower)

    @property
    def n_rows(self) -> int:
        """Number of rows, those that hold goals left out."""
        return len(self.rows.lower)

    @property
    def first_auxiliary(self) -> int:
        """Column of the first auxiliary; the number of columns where there is none."""
        return self.n_options + len(self.opening_session)

    @cached_property
    def option_start(self) -> Ints:
        """Where the options of each entry begin, shape (n_entries + 1,)."""
        return read_only(np.searchsorted(self.entry, np.arange(self.n_entries + 1)))

    @cached_property
    def opening_column(self) -> Ints:
        """Column of each session's opening, -1 where it needs none, shape (n_sessions,)."""
        columns = np.full(self.n_sessions, -1, dtype=np.int64)
        columns[self.opening_session] = self.n_options + np.arange(len(self.opening_session))
        return read_only(columns)

    @cached_property
    def sessions(self) -> SessionProblems:
        """What each session settles alone."""
        return session_problems(self)


@dataclass(frozen=True, eq=False)
class Formulation(Model):
    """A model with the tables behind it."""

    columns: Columns

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
    parts = [Rows.none(columns.n), *(rule.rows(columns) for rule in makers)]
    stops = np.cumsum([len(part.keys) for part in parts[1:]]).tolist()
    blocks = tuple(
        Block(rule.label, start, stop)
        for rule, start, stop in zip(makers, [0, *stops], stops, strict=False)
        if stop > start
    )
    # Handed over one by one and held by nobody here, so that what is copied is free at once.
    rows = Rows.stacked(parts.pop(0) for _ in range(len(parts)))
    lower, upper = column_box(columns)
    return Formulation(
        n_entries=len(options.facts.standing.waiting),
        n_sessions=len(columns.opening_column),
        entry=options.entry,
        session=options.session,
        fixed=options.fixed,
        alike=kinds_of_sessions(options),
        opening_session=columns.opening_session,
        rows=forgiving(rows, lower),
        blocks=blocks,
        column_lower=lower,
        column_upper=upper,
        goals=goal_vectors(goals, columns, lower),
        columns=columns,
    )


def kinds_of_sessions(options: Options) -> Ints:
    """(n_sessions,) the same number for sessions of one site and service."""
    sessions = options.instance.table("sessions")
    keys = ["site_code", "care_kind", "service_code"]
    return read_only(sessions.groupby(keys, sort=False, dropna=False).ngroup().to_numpy(dtype=np.int64))


def openings(options: Options) -> Ints:
    """Rows of sessions that are only worth opening for enough cases, or cost something to open."""
    instance = options.instance
    closed = (instance.column("sessions", "min_cases") > 0) | (instance.column("sessions", "opening_cost_gbp") > 0)
    return read_only(np.intersect1d(np.flatnonzero(closed), options.session))


def column_box(columns: Columns) -> tuple[Ints, Ints]:
    """Box of every column: fixed placements and their openings are 1, auxiliaries end at their upper."""
    most = max((auxiliary.upper for _, group in columns.auxiliaries for auxiliary in group), default=1)
    width = np.int8 if most <= np.iinfo(np.int8).max else np.int64
    lower: Ints = columns.fixed.astype(width)
    used = np.unique(columns.options.session[columns.options.fixed])
    opened = columns.opening_column[used]
    lower[opened[opened >= 0]] = 1
    upper: Ints = np.ones(columns.n, dtype=width)
    for label, group in columns.auxiliaries:
        upper[columns.auxiliary_columns(label)] = [auxiliary.upper for auxiliary in group]
    return read_only(lower), read_only(upper)


def forgiving(rows: Rows, fixed: Ints) -> Rows:
    """The rows, so wide that what is fixed satisfies them: no limit throws a booking out."""
    if not fixed.any():
        return rows
    activity = rows.activity(fixed)
    touched = rows.magnitudes().activity(fixed) > 0
    lower = np.where(touched, np.minimum(rows.lower, activity), rows.lower)
    upper = np.where(touched, np.maximum(rows.upper, activity), rows.upper)
    return replace(rows, lower=read_only(lower), upper=read_only(upper))


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
