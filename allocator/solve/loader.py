"""Loader: a plan under construction, and what may be added to it without breaking a row.

Knows rows, not rules. A session's opening follows from its use: it is open as soon as somebody is placed
there. Rows that an opening only needs once it is open (minimum cases) may be short while a list is being
filled; `short_sessions` names those, and a finished plan has none. Rows with auxiliaries are left out:
`complete` gives every auxiliary the smallest value that its rows allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from allocator.compiled import compiled
from allocator.formulation import Model
from allocator.instance import Array, Bools, Floats, Ints
from allocator.rows import NARROW


class Column(NamedTuple):
    """Rows column by column: start (n_columns + 1,), row and coefficient (nnz,)."""

    start: Ints
    row: Ints
    coefficient: Ints


class RowRoom(NamedTuple):
    """Sides (n_rows,) that additions are held to; opening j adds coefficient[k] to row[k], k from start[j] on.

    opening_column (n_sessions,), -1 where none.
    """

    lower: Floats
    upper: Floats
    opening_column: Ints
    start: Ints
    row: Ints
    coefficient: Ints


class Loader:
    """Starts from the fixed placements; `chosen` (n_options,) is the plan so far."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.n_options = model.n_options
        n_openings = len(model.opening_session)
        rows = model.rows
        boxed = sparse.csr_array(rows.direct[:, self.n_options :] + rows.weights @ rows.members[:, self.n_options :])
        has_auxiliary = np.diff(boxed[:, n_openings:].tocsr().indptr) > 0
        opening_part = boxed[:, :n_openings]
        relieved = opening_part.minimum(0)
        self._relief = np.asarray(relieved.sum(axis=1)).ravel()
        waits_for_opening = (np.diff(relieved.tocsr().indptr) > 0) & np.isfinite(rows.lower)
        self._strict_rows = ~has_auxiliary & ~waits_for_opening
        self._upper = np.where(self._strict_rows, rows.upper, np.inf)
        self._lower = np.where(self._strict_rows, rows.lower, -np.inf)
        self._opening_cost = opening_part.maximum(0).tocsc()
        waiting = np.flatnonzero(waits_for_opening & ~has_auxiliary)
        self._opening_row = rows.take(waiting).matrix.tocsr()
        self._opening_need = rows.lower[waiting]
        self._fewest, self._opening_rows = self._fewest_cases(waiting)
        self.hold(model.fixed)

    def hold(self, chosen: Bools) -> None:
        """Begin anew from these placements (n_options,), the fixed ones among them."""
        self.chosen: Bools = chosen.copy()
        used = np.bincount(self.model.session[chosen], minlength=self._n_sessions)
        self._cases: Ints = np.asarray(used, dtype=np.int64)
        self.activity = self._activity()

    @cached_property
    def by_column(self) -> Column:
        """All rows column by column, every coefficient spelt out: where options are looked at one by one."""
        rows = self.model.rows
        weights, (direct, members) = rows.weights.tocsc(), rows.by_column
        first, second, third = ((part.indptr, part.indices, part.data) for part in (direct, members, weights))
        start = np.zeros(self.model.n_columns + 1, dtype=np.int64)
        where = np.full(self.model.n_rows, -1, dtype=np.int64)
        _spell_out(first, second, third, start, np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64), where)
        start = np.cumsum(start)
        widest = float(np.abs(direct.data).max(initial=0)) + float(np.max(abs(weights).sum(axis=1), initial=0))
        row = np.empty(start[-1], dtype=np.int32)
        coefficient = np.empty(start[-1], dtype=np.int32 if widest < NARROW else np.int64)
        _spell_out(first, second, third, start, row, coefficient, where)
        return Column(start, row, coefficient)

    @cached_property
    def room(self) -> RowRoom:
        """The sides that additions are held to, and what opening each session uses."""
        cost = self._opening_cost
        return RowRoom(self._lower, self._upper, self.model.opening_column, cost.indptr, cost.indices, cost.data)

    @property
    def _n_sessions(self) -> int:
        return len(self.model.opening_column)

    def _activity(self) -> Array:
        z = np.zeros(self.model.n_columns, dtype=np.int64)
        z[: self.n_options] = self.chosen
        costly = np.asarray(self._opening_cost @ self._opened()).ravel()
        activity: Array = self.model.rows.activity(z) + self._relief + costly
        return activity.astype(np.float64)

    def _opened(self) -> Ints:
        return (self._cases[self.model.opening_session] > 0).astype(np.int64)

    def addable(self, first: int, stop: int) -> Bools:
        """Of the options first..stop, which could be added now one at a time, shape (stop - first,)."""
        free: Bools = ~self.chosen[first:stop]
        session = self.model.session[first:stop]
        _keep_fitting(first, session, self.by_column, self.room, self.n_options, self._cases, self.activity, free)
        return free

    def broken_rows(self, first: int, stop: int) -> tuple[Ints, Ints]:
        """What keeps options first..stop out: (option position, row) of every row that adding it breaks."""
        start, row, coefficient = self.by_column
        spans = start[first : stop + 1]
        inside = slice(spans[0], spans[-1])
        rows, coefficients = row[inside], coefficient[inside]
        position = np.repeat(np.arange(stop - first), np.diff(spans))
        after = self.activity[rows] + coefficients
        breaks = ((coefficients > 0) & (after > self._upper[rows])) | ((coefficients < 0) & (after < self._lower[rows]))
        return position[breaks], np.asarray(rows[breaks], dtype=np.int64)

    def broken(self) -> tuple[Ints, Bools]:
        """Rows that the plan breaks as it stands, and of each whether it is above its upper side."""
        above: Bools = self.activity > self._upper
        rows = np.flatnonzero(above | (self.activity < self._lower))
        return rows, above[rows]

    def too_few_to_open(self, first: int, stop: int) -> Bools:
        """Of options first..stop, which are in a closed session that one case is not enough to open."""
        sessions = self.model.session[first:stop]
        alone: Bools = (self._cases[sessions] == 0) & (self._fewest[sessions] > 1)
        return alone

    @property
    def closed(self) -> Bools:
        """(n_sessions,) nobody is placed there."""
        closed: Bools = self._cases == 0
        return closed

    @property
    def short_if_alone(self) -> Ints:
        """(n_sessions,) the row that one case in the session would leave short; -1 where one is enough."""
        return np.where(self._fewest > 1, self._opening_rows, -1)

    def obstacles(self, first: int, stop: int) -> tuple[Ints, Ints]:
        """The same, with what opening the session would break, and too few cases to open it with one."""
        position, row = self.broken_rows(first, stop)
        positions, rows = [position], [row]
        too_few = self.too_few_to_open(first, stop)
        for option in range(first, stop):
            charged, coefficients = self._opening_charge(option)
            over = charged[self.activity[charged] + coefficients > self._upper[charged]]
            session = self.model.session[option]
            found = np.append(over, self._opening_rows[session]) if too_few[option - first] else over
            positions.append(np.full(len(found), option - first))
            rows.append(np.asarray(found, dtype=np.int64))
        return np.concatenate(positions), np.concatenate(rows)

    def _fewest_cases(self, waiting: Ints) -> tuple[Ints, Ints]:
        """Cases that each session needs to be opened, and the row that says so (-1: none), (n_sessions,)."""
        model = self.model
        fewest = np.zeros(len(model.opening_column), dtype=np.int64)
        rows = np.full(len(model.opening_column), -1, dtype=np.int64)
        openings = slice(self.n_options, self.n_options + len(model.opening_session))
        part = sparse.coo_array(self._opening_row[:, openings])
        sessions = model.opening_session[part.col]
        np.maximum.at(fewest, sessions, (self._opening_need[part.row] - part.data).astype(np.int64))
        rows[sessions] = waiting[part.row]
        return fewest, rows

    def can_add(self, option: int) -> bool:
        """Would every row still be satisfiable with this option added."""
        return bool(self.addable(option, option + 1)[0])

    def _opening_charge(self, option: int) -> tuple[Array, Array]:
        """Rows and coefficients that opening this option's session would add; empty where it is open."""
        model = self.model
        session = model.session[option]
        opening = model.opening_column[session]
        if opening < 0 or self._cases[session] > 0:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        position = opening - self.n_options
        span = slice(self._opening_cost.indptr[position], self._opening_cost.indptr[position + 1])
        return self._opening_cost.indices[span], self._opening_cost.data[span]

    def add(self, option: int) -> None:
        """Place the option; the caller has asked `can_add`."""
        rows, coefficients = self._opening_charge(option)
        self.activity[rows] += coefficients
        self._move(option, 1)

    def remove(self, option: int) -> None:
        """Take the option out again. Rows that other placements rest on are the caller's business."""
        self._move(option, -1)
        rows, coefficients = self._opening_charge(option)
        self.activity[rows] -= coefficients

    def _move(self, option: int, step: int) -> None:
        start, row, coefficient = self.by_column
        span = slice(start[option], start[option + 1])
        self.activity[row[span]] += step * coefficient[span]
        self.chosen[option] = step > 0
        self._cases[self.model.session[option]] += step

    def short_sessions(self) -> frozenset[int]:
        """Rows of sessions that are open and have too few cases to be."""
        model = self.model
        z = np.zeros(model.n_columns, dtype=np.int64)
        z[: self.n_options] = self.chosen
        z[self.n_options : self.n_options + len(model.opening_session)] = self._opened()
        short = self._opening_row @ z < self._opening_need
        openings = self._opening_row[short][:, self.n_options : self.n_options + len(model.opening_session)]
        return frozenset(model.opening_session[np.unique(openings.tocsr().indices)].tolist())


Sparse = tuple[Array, Array, Array]
"""indptr, indices and data of a matrix, column by column."""


@compiled
def _spell_out(
    direct: Sparse, members: Sparse, weights: Sparse, start: Ints, row: Ints, coefficient: Ints, where: Ints
) -> None:
    """Rows of each column, ascending, with all that the column has there by itself and in groups.

    With no room in `row` they are counted, into start[column + 1]. `where` (n_rows,) is scratch, -1 throughout.
    """
    counting = len(row) == 0
    rows, sums = np.empty(len(where), dtype=np.int64), np.empty(len(where), dtype=np.int64)
    for column in range(len(start) - 1):
        n = 0
        for k in range(direct[0][column], direct[0][column + 1]):
            where[direct[1][k]] = n
            rows[n], sums[n] = direct[1][k], direct[2][k]
            n += 1
        for m in range(members[0][column], members[0][column + 1]):
            group = members[1][m]
            for k in range(weights[0][group], weights[0][group + 1]):
                if where[weights[1][k]] < 0:
                    where[weights[1][k]] = n
                    rows[n], sums[n] = weights[1][k], 0
                    n += 1
                sums[where[weights[1][k]]] += weights[2][k] * members[2][m]
        if counting:
            start[column + 1] = n
        else:
            order = np.argsort(rows[:n])
            row[start[column] : start[column + 1]] = rows[:n][order]
            coefficient[start[column] : start[column + 1]] = sums[:n][order]
        for i in range(n):
            where[rows[i]] = -1


@compiled
def _keep_fitting(
    first: int, session: Ints, column: Column, room: RowRoom, n_options: int, cases: Ints, activity: Array, free: Bools
) -> None:
    """Of the options from `first` on that are free, keep those that every row has room for, their opening's as well."""
    for i in range(len(free)):
        option = first + i
        for k in range(column.start[option], column.start[option + 1]):
            after = activity[column.row[k]] + column.coefficient[k]
            if (column.coefficient[k] > 0 and after > room.upper[column.row[k]]) or (
                column.coefficient[k] < 0 and after < room.lower[column.row[k]]
            ):
                free[i] = False
        opening = room.opening_column[session[i]] - n_options
        if free[i] and opening >= 0 and cases[session[i]] == 0:
            for k in range(room.start[opening], room.start[opening + 1]):
                if activity[room.row[k]] + room.coefficient[k] > room.upper[room.row[k]]:
                    free[i] = False


def complete(model: Model, chosen: Bools) -> Ints:
    """All columns (n_columns,) of a plan: openings from use, auxiliaries as small as their rows allow."""
    n_options = model.n_options
    first = n_options + len(model.opening_session)
    # Placements and openings are 0 or 1: of millions that is told in bytes.
    z: Ints = np.zeros(model.n_columns, dtype=np.int8 if first == model.n_columns else np.int64)
    z[:n_options] = chosen
    used = np.zeros(len(model.opening_column), dtype=bool)
    used[model.session[chosen]] = True
    z[n_options:first] = used[model.opening_session]
    if first < model.n_columns:
        auxiliary = sparse.coo_array(model.rows.direct[:, first:])
        missing = model.rows.lower - model.rows.activity(z)
        row, column, coefficient = auxiliary.row, auxiliary.col, auxiliary.data
        helps = (coefficient > 0) & (missing[row] > 0)
        needed = np.ceil(missing[row[helps]] / coefficient[helps]).astype(np.int64)
        np.maximum.at(z, first + column[helps], needed)
    return z


def feasible(model: Model, z: Ints) -> bool:
    """Do all columns keep every row and every box, exactly."""
    activity = model.rows.activity(z)
    rows = model.rows
    return bool(
        (activity >= rows.lower).all()
        and (activity <= rows.upper).all()
        and (z >= model.column_lower).all()
        and (z <= model.column_upper).all()
    )


def goal_values(model: Model, z: Ints) -> tuple[int, ...]:
    """The value of every goal, in order."""
    return tuple(goal.value(z) for goal in model.goals)


def merit(model: Model, z: Ints) -> tuple[int, ...]:
    """Goal values turned so that larger is better: compare two plans with < and >."""
    return merit_of(model, goal_values(model, z))


def merit_of(model: Model, values: Sequence[int]) -> tuple[int, ...]:
    """The values of the first len(values) goals turned so that larger is better."""
    goals = model.goals[: len(values)]
    return tuple(value if goal.sense == "max" else -value for goal, value in zip(goals, values, strict=True))
