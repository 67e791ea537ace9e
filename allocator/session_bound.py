"""Sessions as problems of their own: what of a model each one settles alone, and what it is then worth at most.

A row is local where its columns are options of one session, or the column that opens it. Of these a session's own
problem keeps: rows that count all its cases, as the fewest and the most of them, and one capacity row,
    sum of weight x <= room,
each for the session once it is open; closed it has nobody. Which rows they are is told by their coefficients, not
by the rule they come from. Other rows, one place an entry among them, have to be priced.

At reduced prices (n_columns,) a session is worth at most: nothing, if it can be closed; or what opening it is worth
and its best pattern of cases (`allocator.session_pattern`). Summed over sessions this proves the bound of
`allocator.certificate`: every plan, cut down to one session, is one of the patterns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from allocator.compiled import compiled
from allocator.instance import Array, Bools, Floats, Ints
from allocator.session_pattern import NEVER, best_patterns_of

if TYPE_CHECKING:
    from allocator.formulation import Model

QUANTA = 2.0**40
"""Whole numbers to the largest price, where prices with fractions are made whole to find patterns."""


@dataclass(frozen=True, eq=False)
class SessionProblems:
    """What each session settles alone. Room and numbers of cases are those of the open session, fixed cases included.

    inside   (n_rows,) rows that the sessions' own problems keep: they need no price
    room     (n_sessions,) upper side of the capacity row, -1 where there is none
    weight   (n_options,) coefficients of the capacity row, 0 where there is none
    fewest   (n_sessions,) cases of the session if it is open
    most     (n_sessions,) as many as it has options where no row says less
    opening  (n_sessions,) column that opens the session; -1 for none, or where no row of the session bars the
             closed one: such a column is no part of the problem
    closable (n_sessions,) may be closed, which is worth nothing
    session, fixed  (n_options,) session of each option, and is it in every plan
    start, option   options of session s are option[start[s]..start[s + 1]]
    """

    inside: Bools
    room: Ints
    weight: Ints
    fewest: Ints
    most: Ints
    opening: Ints
    closable: Bools
    session: Ints
    fixed: Bools
    start: Ints
    option: Ints

    @cached_property
    def left(self) -> tuple[Ints, Ints, Ints]:
        """Room, fewest and most once the fixed cases are in, each (n_sessions,), none below 0."""
        fixed = np.flatnonzero(self.fixed)
        used, count = np.zeros_like(self.room), np.zeros_like(self.room)
        np.add.at(used, self.session[fixed], self.weight[fixed])
        np.add.at(count, self.session[fixed], 1)
        room, fewest, most = self.room - used, self.fewest - count, self.most - count
        return np.maximum(room, 0), np.maximum(fewest, 0), np.maximum(most, 0)


@dataclass(frozen=True, eq=False)
class LocalRows:
    """What rows say of one session, all (n_rows,).

    session   -1 where the row is about several, about auxiliaries, or about no option
    size      options with a coefficient; least, largest of their coefficients; distinct, how many different ones
    opening   coefficient of the column that opens the session
    """

    session: Ints
    size: Ints
    least: Ints
    largest: Ints
    distinct: Ints
    opening: Ints


def session_problems(model: Model) -> SessionProblems:
    """What each session of a model settles alone."""
    rows, n_sessions = model.rows, model.n_sessions
    local = local_rows(model)
    n_options = np.bincount(model.session, minlength=n_sessions)
    opening, closable = _openings(model, local, n_options)
    mine = np.maximum(local.session, 0)
    least_open = np.zeros(n_sessions, dtype=np.int64)
    least_open[opening >= 0] = model.column_lower[opening[opening >= 0]]
    # The row in the session that is open, and in the one that has nobody: there it has to hold by itself.
    lower, upper = np.ceil(rows.lower - local.opening), np.floor(rows.upper - local.opening)
    empty = local.opening * least_open[mine]
    usable = (local.session >= 0) & (upper >= 0) & ((local.opening == 0) | (opening[mine] >= 0))
    usable &= ~_may_be_empty(model)[mine] | ((rows.lower <= empty) & (empty <= rows.upper))
    counts = usable & (local.least == 1) & (local.largest == 1) & (local.size == n_options[mine])
    fewest, most = np.zeros(n_sessions, dtype=np.int64), n_options.astype(np.int64)
    above, below = np.flatnonzero(counts & np.isfinite(upper)), np.flatnonzero(counts & np.isfinite(lower))
    np.minimum.at(most, local.session[above], upper[above].astype(np.int64))
    np.maximum.at(fewest, local.session[below], lower[below].astype(np.int64))
    capacity = usable & ~counts & (local.least >= 0) & np.isfinite(rows.upper) & ~np.isfinite(rows.lower)
    chosen = _most_telling(local, np.flatnonzero(capacity))
    room = np.full(n_sessions, -1, dtype=np.int64)
    room[local.session[chosen]] = upper[chosen].astype(np.int64)
    weight = np.zeros(model.n_options, dtype=np.int64)
    picked = rows.direct[chosen].tocoo()
    told = picked.col < model.n_options
    weight[picked.col[told]] = picked.data[told]
    inside = counts
    inside[chosen] = True
    option = np.argsort(model.session, kind="stable")
    start = np.concatenate([[0], np.cumsum(n_options)])
    return SessionProblems(
        inside, room, weight, fewest, most, opening, closable, model.session, model.fixed, start, option
    )


def local_rows(model: Model) -> LocalRows:
    """What the rows of a model say of one session alone."""
    direct, weights = model.rows.direct, model.rows.weights
    session_of = np.full(model.n_columns, -1, dtype=np.int64)
    session_of[: model.n_options] = model.session
    session_of[model.n_options : model.first_auxiliary] = model.opening_session
    alone = np.ones(model.n_rows, dtype=bool)
    alone[weights.tocoo().row] = False
    return LocalRows(*_looked_at(direct.indptr, direct.indices, direct.data, session_of, model.n_options, alone))


@compiled
def _looked_at(
    indptr: Array, indices: Array, data: Ints, session_of: Ints, n_options: int, alone: Bools
) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints]:
    """The fields of LocalRows, of rows that stand one after the other; those not `alone` (n_rows,) are not local."""
    n_rows = len(indptr) - 1
    session, size = np.full(n_rows, -1, dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
    least, largest = np.zeros(n_rows, dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
    distinct, opening = np.zeros(n_rows, dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
    for row in range(n_rows):
        found = -1
        local = alone[row] and indptr[row] < indptr[row + 1]
        for k in range(indptr[row], indptr[row + 1]):
            here = session_of[indices[k]]
            if data[k] != 0:
                local = local and here >= 0 and (found < 0 or found == here)
                found = here
                if not local:
                    break
                if indices[k] >= n_options:
                    opening[row] += data[k]
                else:
                    size[row] += 1
        if not local or size[row] == 0:
            opening[row], size[row] = 0, 0
            continue
        session[row] = found
        coefficients = np.empty(size[row], dtype=np.int64)
        n = 0
        for k in range(indptr[row], indptr[row + 1]):
            if data[k] != 0 and indices[k] < n_options:
                coefficients[n] = data[k]
                n += 1
        coefficients.sort()
        least[row], largest[row] = coefficients[0], coefficients[-1]
        distinct[row] = 1 + np.sum(coefficients[1:] != coefficients[:-1])
    return session, size, least, largest, distinct, opening


def session_values(problems: SessionProblems, reduced: Ints) -> Ints:
    """What each session is worth at most (n_sessions,) at whole reduced prices (n_columns,), exactly.

    |reduced| over the columns of one session must add up to less than 2**61.
    """
    worth, _ = _patterns(problems, reduced, traced=False)
    return np.where(problems.closable, np.maximum(worth, 0), worth)


def best_patterns(problems: SessionProblems, reduced: Floats) -> tuple[Floats, Bools]:
    """What each session is worth (n_sessions,) at reduced prices (n_columns,), and its best pattern (n_options,).

    Fixed cases are in the pattern. Prices are rounded to 2**-40 of the largest on the way. Where a session is too
    large for its table the worth is a bound from above, and the pattern one that fits the room and the most cases.
    """
    quantum = float(np.abs(reduced).max(initial=0.0)) / QUANTA or 1.0
    worth, chosen = _patterns(problems, np.rint(reduced / quantum).astype(np.int64), traced=True)
    closed = problems.closable & (worth < 0)
    chosen[problems.option[np.repeat(closed, np.diff(problems.start))]] = False
    return np.where(closed, 0.0, worth * quantum), chosen


def _patterns(problems: SessionProblems, reduced: Ints, *, traced: bool) -> tuple[Ints, Bools]:
    """What each session is worth if it is open (n_sessions,), and, if `traced`, who is then in it (n_options,)."""
    room, fewest, most = problems.left
    value = reduced[: len(problems.option)]
    best, chosen = best_patterns_of(
        problems.start, problems.option, ~problems.fixed, value, problems.weight, room, fewest, most, traced
    )
    # Where a session that cannot be closed has no pattern there is no plan either: nothing is too low a bound.
    best[(best == NEVER) & ~problems.closable] = 0
    opened = problems.opening >= 0
    best[opened] += reduced[problems.opening[opened]]
    fixed = np.flatnonzero(problems.fixed)
    np.add.at(best, problems.session[fixed], value[fixed])
    chosen[fixed] = True
    return best, chosen


def _may_be_empty(model: Model) -> Bools:
    """(n_sessions,) sessions in which nothing is fixed."""
    empty = np.ones(model.n_sessions, dtype=bool)
    empty[model.session[model.fixed]] = False
    return empty


def _openings(model: Model, local: LocalRows, n_options: Ints) -> tuple[Ints, Bools]:
    """`opening` and `closable` of SessionProblems, each (n_sessions,)."""
    opening = model.opening_column.copy()
    there = np.flatnonzero(opening >= 0)
    low, high = np.zeros(model.n_sessions), np.zeros(model.n_sessions)
    low[there], high[there] = model.column_lower[opening[there]], model.column_upper[opening[there]]
    empty = _may_be_empty(model)
    # A row that no option fits in while the session is closed: then the open ones are those with somebody in them.
    mine = np.maximum(local.session, 0)
    bars = (local.session >= 0) & (local.size == n_options[mine]) & (local.least > model.rows.upper) & (local.least > 0)
    barred = np.zeros(model.n_sessions, dtype=bool)
    barred[local.session[bars]] = True
    always = (low == 1) & (high == 1)
    opening[~(always | ((low == 0) & (high == 1) & empty & barred))] = -1
    return opening, empty & ~((opening >= 0) & always)


def _most_telling(local: LocalRows, rows: Ints) -> Ints:
    """Of these rows one a session: most distinct coefficients, then most options, then the first."""
    order = np.lexsort((rows, -local.size[rows], -local.distinct[rows], local.session[rows]))
    ordered = rows[order]
    return ordered[np.flatnonzero(np.diff(local.session[ordered], prepend=-1))]
