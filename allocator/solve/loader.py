"""Loader: a plan under construction, and what may be added to it without breaking a row.

Knows rows, not rules. A session's opening follows from its use: it is open as soon as somebody is placed
there. Rows that an opening only needs once it is open (minimum cases) may be short while a list is being
filled; `short_sessions` names those, and a finished plan has none. Rows with auxiliaries are left out:
`complete` gives every auxiliary the smallest value that its rows allow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from allocator.formulation import Model
from allocator.instance import Array, Bools, Ints


class Loader:
    """Starts from the fixed placements; `chosen` (n_options,) is the plan so far."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.n_options = model.n_options
        n_openings = len(model.opening_session)
        end = self.n_options + n_openings
        matrix = model.rows.matrix
        has_auxiliary = np.diff(matrix[:, end:].tocsr().indptr) > 0
        opening_part = matrix[:, self.n_options : end]
        relieved = opening_part.minimum(0)
        self._relief = np.asarray(relieved.sum(axis=1)).ravel()
        waits_for_opening = (np.diff(relieved.tocsr().indptr) > 0) & np.isfinite(model.rows.lower)
        self._strict_rows = ~has_auxiliary & ~waits_for_opening
        self._upper = np.where(self._strict_rows, model.rows.upper, np.inf)
        self._lower = np.where(self._strict_rows, model.rows.lower, -np.inf)
        by_column = matrix.tocsc()
        self._start, self._row, self._coefficient = by_column.indptr, by_column.indices, by_column.data
        self._opening_cost = opening_part.maximum(0).tocsc()
        self._opening_row = matrix[waits_for_opening & ~has_auxiliary].tocsr()
        self._opening_need = model.rows.lower[waits_for_opening & ~has_auxiliary]
        self._fewest, self._opening_rows = self._fewest_cases(np.flatnonzero(waits_for_opening & ~has_auxiliary))
        self.chosen: Bools = model.fixed.copy()
        used = np.bincount(model.session[self.chosen], minlength=self._n_sessions)
        self._cases: Ints = np.asarray(used, dtype=np.int64)
        self.activity = self._activity()

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
        broken, _ = self.broken_rows(first, stop)
        free: Bools = ~self.chosen[first:stop]
        free[broken] = False
        for position in np.flatnonzero(free):
            free[position] = self._opening_fits(first + int(position))
        return free

    def broken_rows(self, first: int, stop: int) -> tuple[Ints, Ints]:
        """What keeps options first..stop out: (option position, row) of every row that adding it breaks."""
        spans = self._start[first : stop + 1]
        inside = slice(spans[0], spans[-1])
        rows, coefficients = self._row[inside], self._coefficient[inside]
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

    def _opening_fits(self, option: int) -> bool:
        rows, coefficients = self._opening_charge(option)
        return not len(rows) or bool((self.activity[rows] + coefficients <= self._upper[rows]).all())

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
        span = slice(self._start[option], self._start[option + 1])
        self.activity[self._row[span]] += step * self._coefficient[span]
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


def complete(model: Model, chosen: Bools) -> Ints:
    """All columns (n_columns,) of a plan: openings from use, auxiliaries as small as their rows allow."""
    n_options = model.n_options
    z = np.zeros(model.n_columns, dtype=np.int64)
    z[:n_options] = chosen
    used = np.zeros(len(model.opening_column), dtype=bool)
    used[model.session[chosen]] = True
    first = n_options + len(model.opening_session)
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
