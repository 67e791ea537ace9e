"""Arrays of a search: the part of a model that may move, laid out for compiled moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from allocator.certificate import UNPRICED, goal_rows
from allocator.compiled import compiled
from allocator.formulation import Model
from allocator.instance import Array, Bools, Floats, Ints
from allocator.session_bound import SessionProblems, session_problems
from allocator.solve.moves import LONGEST_LOG, Arrays, State
from allocator.solve.window import largest_of_rows


@dataclass(frozen=True, eq=False)
class Layout:
    """A model column by column, made once: which rows a search has to watch, and which follow by themselves.

    matrix (n_rows, n_columns) is model.rows.direct.
    """

    model: Model
    sessions: SessionProblems
    matrix: sparse.csc_array

    @classmethod
    def of(cls, model: Model) -> Layout:
        """The layout of a model."""
        return cls(model, session_problems(model), model.rows.by_column[0])

    @cached_property
    def weights(self) -> sparse.csr_array:
        """(n_rows, n_groups) weights of groups in rows."""
        return self.model.rows.weights.tocsr()

    @cached_property
    def members(self) -> sparse.csc_array:
        """(n_groups, n_columns) who is in each group."""
        return self.model.rows.by_column[1]

    @cached_property
    def implied(self) -> Bools:
        """(n_rows,) rows of one session that hold wherever its capacity does.

        sum w x <= room with whole x >= 0 gives sum c x <= side wherever c (room + 1) <= w (side + 1) throughout.
        """
        model, rows = self.model, self.model.rows
        opening = sparse.csr_array(self.matrix[:, model.n_options : model.first_auxiliary])
        implied: Bools = np.isfinite(rows.upper) & ~np.isfinite(rows.lower) & ~self.eased
        implied &= (np.diff(opening.indptr) <= 1) & (np.diff(self.weights.indptr) == 0)
        side = np.where(implied, rows.upper - np.asarray(opening.sum(axis=1)).ravel(), -1.0)
        direct, sessions = rows.direct, self.sessions
        _keep_implied(
            direct.indptr, direct.indices, direct.data, model.session, sessions.room, sessions.weight, side, implied
        )
        return implied

    @cached_property
    def eased(self) -> Bools:
        """(n_rows,) rows with an auxiliary."""
        part = self.matrix[:, self.model.first_auxiliary :].tocsr()
        eased: Bools = np.diff(part.indptr) > 0
        return eased

    @cached_property
    def beyond(self) -> Bools:
        """(n_rows,) rows that a search watches: the others live in a session, follow, or give one place an entry."""
        model = self.model
        watched = np.isfinite(self.model.rows.lower) | np.isfinite(self.model.rows.upper)
        watched &= ~self.sessions.inside
        for block in model.blocks:
            if block.label == UNPRICED:
                watched[block.start : block.stop] = False
        return watched & ~self.implied

    @cached_property
    def base(self) -> Floats:
        """(n_rows,) activity of what is fixed."""
        model = self.model
        return np.asarray(model.rows.activity(model.column_lower), dtype=np.float64)

    @cached_property
    def demanded(self) -> Bools:
        """(n_entries,) entries that must have a place: their row of one place says so."""
        model = self.model
        demanded = np.zeros(model.n_entries, dtype=bool)
        for block in model.blocks:
            if block.label == UNPRICED:
                rows = slice(block.start, block.stop)
                must = np.flatnonzero(model.rows.lower[rows] > self.base[rows]) + block.start
                demanded[model.entry[sparse.csr_array(model.rows.direct[must])[:, : model.n_options].indices]] = True
        return demanded


@dataclass(frozen=True, eq=False)
class Part:
    """Arrays of the options that a search may use, and how they stand in the model.

    option (n_kept,) option of the model
    row    (n_watched,) row of the model; from n_rows on, rows that hold goals
    base   (n_watched,) activity of what is fixed
    size   (n_watched,) largest effect of one placement on each row
    """

    layout: Layout
    arrays: Arrays
    option: Ints
    row: Ints
    base: Floats
    size: Floats

    @classmethod
    def of(cls, layout: Layout, keep: Bools, held: Sequence[int] = ()) -> Part:
        """The part with the options `keep` (n_options,), fixed ones left out, and the first len(held) goals held."""
        model, sessions = layout.model, layout.sessions
        option = np.flatnonzero(keep & ~model.fixed)
        rows = WatchedRows.of(layout, option, held)
        by_session = np.argsort(model.session[option], kind="stable")
        entry, session = model.entry[option], model.session[option]
        weight = sessions.weight[option]
        arrays = Arrays(
            entry_start=np.searchsorted(entry, np.arange(model.n_entries + 1)),
            entry=entry.astype(np.int32),
            session=session.astype(np.int32),
            weight=weight.astype(np.int32),
            session_start=np.searchsorted(session[by_session], np.arange(model.n_sessions + 1)),
            session_option=by_session.astype(np.int32),
            session_entry=entry[by_session].astype(np.int32),
            session_weight=weight[by_session].astype(np.int32),
            room=np.where(sessions.room < 0, np.iinfo(np.int32).max, sessions.room),
            unit=common_step(weight, session, model.n_sessions),
            fewest=sessions.fewest,
            most=sessions.most,
            **rows.arrays(layout, entry),
        )
        return cls(layout, arrays, option, rows.row, rows.base, rows.size)

    def state(self, columns: Ints) -> State:
        """A state with the placements of a plan (n_columns,) that are in the part; fixed ones always."""
        model, arrays = self.layout.model, self.arrays
        fixed = np.flatnonzero(model.fixed)
        count = np.bincount(model.session[fixed], minlength=model.n_sessions)
        load = np.bincount(model.session[fixed], self.layout.sessions.weight[fixed], model.n_sessions)
        widest = np.bincount(arrays.session, minlength=model.n_sessions)
        slots = int(np.minimum(widest, arrays.most).max(initial=0)) + 1
        return State(
            place=np.full(model.n_entries, -1, dtype=np.int64),
            load=load.astype(np.int64),
            cases=count.astype(np.int64),
            activity=self.base.copy(),
            members=np.zeros((model.n_sessions, slots), dtype=np.int32),
            position=np.zeros(model.n_entries, dtype=np.int64),
            member_count=np.zeros(model.n_sessions, dtype=np.int64),
            ease=np.zeros(len(arrays.auxiliary_upper)),
            broken=np.zeros(len(self.row)),
            log_entry=np.zeros(LONGEST_LOG + 1000, dtype=np.int64),
            log_option=np.zeros(LONGEST_LOG + 1000, dtype=np.int64),
            touched=np.zeros(len(self.row) + 1, dtype=np.int64),
            stamp=np.zeros(len(self.row) + 1, dtype=np.int64),
            number=np.array([0, 0, 1, 0]),
            worth=np.zeros(1),
        )

    def placed(self, columns: Ints) -> Ints:
        """Numbers within the part of the placements of a plan (n_columns,)."""
        return np.flatnonzero(columns[self.option])

    def chosen(self, place: Ints) -> Bools:
        """(n_options,) the placements of a state, fixed ones included."""
        chosen = self.layout.model.fixed.copy()
        chosen[self.option[place[place >= 0]]] = True
        return chosen


@dataclass(frozen=True, eq=False)
class WatchedRows:
    """Rows that a search watches, over its options: the model's `beyond`, then those that hold goals.

    options (n_watched, n_kept), openings (n_watched, n_openings), eases (n_watched, n_auxiliaries), weights
    (n_watched, n_groups), members (n_groups, n_kept); all but the first column by column.
    """

    row: Ints
    lower: Floats
    upper: Floats
    base: Floats
    options: sparse.csc_array
    openings: sparse.csc_array
    eases: sparse.coo_array
    weights: sparse.csc_array
    members: sparse.csc_array

    @classmethod
    def of(cls, layout: Layout, option: Ints, held: Sequence[int]) -> WatchedRows:
        """The rows over these options with the first len(held) goals held."""
        model = layout.model
        held_rows, lower, upper = goal_rows(model, held)
        own = np.flatnonzero(layout.beyond)
        first, last = model.n_options, model.first_auxiliary
        below = sparse.csc_array(held_rows)

        def columns(which: Ints) -> sparse.csc_array:
            parts = [sparse.csc_array(layout.matrix[:, which])[own], sparse.csc_array(below[:, which])]
            return sparse.csc_array(sparse.vstack(parts))

        nothing = sparse.csr_array((len(held), layout.weights.shape[1]), dtype=np.int64)
        return cls(
            row=np.concatenate([own, model.n_rows + np.arange(len(held))]),
            lower=np.concatenate([model.rows.lower[own], lower]),
            upper=np.concatenate([model.rows.upper[own], upper]),
            base=np.concatenate([layout.base[own], held_rows @ model.column_lower]),
            options=columns(option),
            openings=columns(np.arange(first, last)),
            eases=columns(np.arange(last, model.n_columns)).tocoo(),
            weights=sparse.vstack([layout.weights[own], nothing], format="csc"),
            members=layout.members[:, option],
        )

    @property
    def size(self) -> Floats:
        """(n_watched,) largest effect of one placement on each row, at least 1."""
        direct, grouped = largest_of_rows(self.options), largest_of_rows(self.weights)
        largest: Floats = np.maximum(np.maximum(direct, grouped), 1.0)
        return largest

    def arrays(self, layout: Layout, entry: Ints) -> dict[str, np.ndarray]:
        """What Arrays say of the rows, over the options of these entries (n_kept,)."""
        model = layout.model
        n_rows, n_auxiliaries = len(self.row), model.n_columns - model.first_auxiliary
        auxiliary = np.full(n_rows, -1, dtype=np.int64)
        coefficient = np.zeros(n_rows)
        auxiliary[self.eases.row], coefficient[self.eases.row] = self.eases.col, self.eases.data
        eased = np.flatnonzero(auxiliary >= 0)
        eased = eased[np.argsort(auxiliary[eased], kind="stable")]
        falls = np.zeros(n_rows, dtype=bool)
        for part in (self.options, self.openings, self.weights):
            falls[part.indices[part.data < 0]] = True
        order = np.argsort(model.opening_session, kind="stable")
        openings = self.openings[:, order]
        opening_start = np.zeros(model.n_sessions + 1, dtype=np.int64)
        opening_start[model.opening_session[order] + 1] = np.diff(openings.indptr)
        soft = falls | (self.lower > self.base) | (auxiliary >= 0)
        user_start, user = self.users(entry, soft)
        relief = self.relief(entry)
        return {
            "row_start": self.options.indptr.astype(np.int64),
            "row": self.options.indices.astype(np.int32),
            "coefficient": self.options.data.astype(np.float64),
            "group_start": self.members.indptr.astype(np.int64),
            "group": self.members.indices.astype(np.int32),
            "weight_start": self.weights.indptr.astype(np.int64),
            "weight_row": self.weights.indices.astype(np.int32),
            "weights": self.weights.data.astype(np.float64),
            "opening_start": np.cumsum(opening_start),
            "opening_row": openings.indices.astype(np.int32),
            "opening_coefficient": openings.data.astype(np.float64),
            "lower": self.lower,
            "upper": self.upper,
            "soft": soft,
            "auxiliary": auxiliary,
            "auxiliary_coefficient": coefficient,
            "auxiliary_start": np.searchsorted(auxiliary[eased], np.arange(n_auxiliaries + 1)),
            "auxiliary_row": eased,
            "auxiliary_upper": model.column_upper[model.first_auxiliary :].astype(np.float64),
            "user_start": user_start,
            "user": user.astype(np.int32),
            "relief_start": relief.indptr.astype(np.int64),
            "relief_option": relief.indices.astype(np.int64),
        }

    def users(self, entry: Ints, soft: Bools) -> tuple[Ints, Ints]:
        """Where those of each row begin (n_watched + 1,), and entries with an option that uses it up: not `soft` ones.

        entry (n_kept,), sorted.
        """
        by_row = self.options.tocsr()
        row = np.repeat(np.arange(len(self.row)), np.diff(by_row.indptr))
        uses = (by_row.data > 0) & ~soft[row]
        row, who = row[uses], entry[by_row.indices[uses]]
        first = (np.diff(row, prepend=-1) != 0) | (np.diff(who, prepend=-1) != 0)
        return np.searchsorted(row[first], np.arange(len(self.row) + 1)), who[first]

    def relief(self, entry: Ints) -> sparse.csr_array:
        """(n_watched, n_kept) where options lower a row that those of one entry alone lower; entry (n_kept,)."""
        part = self.options.tocoo()
        lowers = part.data < 0
        row, option = part.row[lowers], part.col[lowers]
        first = np.full(len(self.row), len(entry), dtype=np.int64)
        last = np.full(len(self.row), -1, dtype=np.int64)
        np.minimum.at(first, row, entry[option].astype(np.int64))
        np.maximum.at(last, row, entry[option].astype(np.int64))
        alone = (first == last)[row]
        there = np.ones(np.count_nonzero(alone)), (row[alone], option[alone])
        return sparse.csr_array(there, shape=self.options.shape)


def common_step(weight: Ints, session: Ints, n_sessions: int) -> Ints:
    """(n_sessions,) greatest common divisor of the weights in each session, 1 where there is none."""
    step = np.zeros(n_sessions, dtype=np.int64)
    np.gcd.at(step, session, weight.astype(np.int64))
    return np.maximum(step, 1)


@compiled
def _keep_implied(
    indptr: Array, indices: Array, data: Array, session: Array, room: Ints, weight: Ints, side: Floats, implied: Bools
) -> None:
    """Of the rows marked, keep those of one session whose capacity says as much of every option in them."""
    for row in range(len(implied)):
        only = -1
        for k in range(indptr[row], indptr[row + 1]):
            option = indices[k]
            if not implied[row]:
                break
            if option < len(session):
                here = session[option]
                follows = room[here] >= 0 and data[k] * (room[here] + 1) <= weight[option] * (side[row] + 1)
                implied[row] = follows and (only < 0 or only == here)
                only = here
        implied[row] &= only >= 0
