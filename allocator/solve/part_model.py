"""part_model: some of the options of a model as a model of their own, which fits through a wire.

Every row keeps its exact sense: a part that holds all of a plan has the row's own sides, and among parts a row's room
is shared out so that what each keeps adds up to what the whole has (`Shares`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from allocator.answer import silent
from allocator.compiled import compiled
from allocator.formulation import Block, GoalVector, Model
from allocator.instance import Array, Bools, Floats, Ints, read_only
from allocator.memory import put_away
from allocator.rows import Rows
from allocator.solve.partition import Regions

Sides = tuple[Floats, Floats]
"""Lower and upper side of every row, each (n_rows,)."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where the options, all columns and the rows of a part stand in the whole: three arrays, a number each."""

    option: Ints
    column: Ints
    row: Ints


def part_model(
    model: Model, option: Ints, fixed: Ints, sides: Sides, heard: Callable[[], None] = silent
) -> tuple[Model, Place]:
    """The part with these options, of which `fixed` are in every plan; both sorted numbers of options.

    `sides` are those of all rows of the whole, for the columns of the part alone. `heard` is called now and then.
    """
    heard()
    entries, entry = np.unique(model.entry[option], return_inverse=True)
    sessions, session = np.unique(model.session[option], return_inverse=True)
    opening = np.flatnonzero(np.isin(model.opening_session, sessions))
    here = np.zeros(model.n_columns, dtype=bool)
    here[option] = True
    here[model.n_options + opening] = True
    heard()
    row = rows_of(model, here, heard)
    heard()
    eases = sparse.csr_array(model.rows.direct[:, model.first_auxiliary :])[row]
    here[model.first_auxiliary + np.unique(eases.indices)] = True
    column = np.flatnonzero(here).astype(np.int32)
    is_fixed = np.zeros(len(option), dtype=bool)
    is_fixed[np.searchsorted(option, fixed)] = True
    opened = np.isin(model.opening_session[opening], sessions[session[is_fixed]])
    lower = model.column_lower[column].copy()
    lower[: len(option)] = is_fixed
    lower[len(option) : len(option) + len(opening)] = opened
    part = Model(
        n_entries=len(entries),
        n_sessions=len(sessions),
        entry=read_only(entry.astype(np.int32)),
        session=read_only(session.astype(np.int32)),
        fixed=read_only(is_fixed),
        alike=read_only(model.alike[sessions]),
        opening_session=read_only(np.searchsorted(sessions, model.opening_session[opening])),
        rows=part_rows(model, row, column, sides, heard),
        blocks=blocks_of(model, row),
        column_lower=read_only(lower),
        column_upper=read_only(model.column_upper[column]),
        goals=tuple(part_goal(goal, column, lower) for goal in model.goals),
    )
    return part, Place(option, column, row)


def part_goal(goal: GoalVector, column: Ints, fixed: Ints) -> GoalVector:
    """A goal over some columns, without its constant; `fixed` are their values in every plan."""
    values = read_only(goal.values[column])
    base = int(values @ fixed)
    return GoalVector(goal.label, goal.name, goal.sense, goal.unit, goal.tolerance, values, 0, base)


def blocks_of(model: Model, row: Ints) -> tuple[Block, ...]:
    """The blocks of a part that keeps these rows, sorted."""
    found = [(block.label, *np.searchsorted(row, [block.start, block.stop]).tolist()) for block in model.blocks]
    return tuple(Block(label, start, stop) for label, start, stop in found if stop > start)


def rows_of(model: Model, here: Bools, heard: Callable[[], None]) -> Ints:
    """Rows in which a column that is `here` (n_columns,) stands, by itself or in a group."""
    rows = model.rows
    stands = _any_of(rows.direct.indptr, rows.direct.indices, here)
    heard()
    put_away()  # of the whole only one of the two matrices is in memory
    groups = _any_of(rows.members.indptr, rows.members.indices, here)
    return np.flatnonzero(stands | (abs(rows.weights) @ groups.astype(np.int64) > 0))


def part_rows(model: Model, row: Ints, column: Ints, sides: Sides, heard: Callable[[], None]) -> Rows:
    """These rows over these columns."""
    rows = model.rows
    number = np.full(model.n_columns, -1, dtype=np.int32)
    number[column] = np.arange(len(column))
    weights = sparse.csr_array(rows.weights[row])
    groups = np.unique(weights.indices).astype(np.int64)
    weights = sparse.csr_array(weights.tocsc()[:, groups])
    members = _taken(rows.members, groups, number, len(column))
    put_away()
    heard()
    direct = _taken(rows.direct, row, number, len(column))
    put_away()
    heard()
    return Rows(direct, read_only(sides[0][row]), read_only(sides[1][row]), ("",) * len(row), members, weights)


class Shares:
    """Shares out the sides of every row among parts that have no column in common, part after part.

    Each part has what its fixed columns use, and of the room beyond it as much as it has of the coefficients of the
    columns that may move; whole numbers, which add up to the row's own sides.
    """

    def __init__(self, model: Model, part: Ints, number: int) -> None:
        """`part` (n_columns,) says which of so many parts each column is in, -1 none."""
        self.model = model
        rows, fixed = model.rows, model.column_lower > 0
        moving, still = np.where(fixed, -1, part), np.where(fixed, part, -1)
        weights = abs(rows.weights)
        self.sizes = (_weighed(rows.direct, moving, number) + weights @ _weighed(rows.members, moving, number)).T
        self.fixed = np.zeros((number, model.n_rows))
        if fixed.any():
            for k in range(number):
                self.fixed[k] = rows.activity(np.where(still == k, model.column_lower, 0))
        # An auxiliary counts where its rows are: it is no part's own, and what is fixed of it is nothing.
        self.total = np.maximum(self.sizes.sum(axis=0), 1.0)

    def sides(self) -> Iterable[Sides]:
        """The sides of every part in turn."""
        rows, before = self.model.rows, np.zeros(self.model.n_rows)
        base = self.fixed.sum(axis=0)
        for size, fixed in zip(self.sizes, self.fixed, strict=True):
            after = before + size
            first, last = before / self.total, after / self.total
            last = np.where(after >= self.total, 1.0, last)
            yield tuple(fixed + shared(side - base, first, last) for side in (rows.lower, rows.upper))  # type: ignore[misc]
            before = after


def parts_in_turn(model: Model, regions: Regions, heard: Callable[[], None] = silent) -> Iterator[tuple[Model, Place]]:
    """Every region as a model of its own: plans of all of them, put together, keep every row."""
    part_of = parts_of(model, regions)
    for number, sides in enumerate(Shares(model, part_of, regions.number).sides()):
        option = np.flatnonzero(part_of[: model.n_options] == number).astype(np.int32)
        yield part_model(model, option, option[model.fixed[option]], sides, heard)


def parts_of(model: Model, regions: Regions) -> Ints:
    """(n_columns,) region of every option that crosses no border, and of every opening; -1 of the others; int16."""
    part = np.full(model.n_columns, -1, dtype=np.int16)
    region = regions.of_session.astype(np.int16)
    mine = region[model.session]
    part[: model.n_options] = np.where(mine == regions.of_entry[model.entry], mine, -1)
    here = np.zeros(model.n_sessions, dtype=bool)
    here[model.session[part[: model.n_options] >= 0]] = True
    part[model.n_options : model.first_auxiliary] = np.where(here, region, -1)[model.opening_session]
    return part


def shared(room: Floats, first: Floats, last: Floats) -> Floats:
    """What of a whole number of room falls between two shares of it, rounded so that all of it is given away once."""
    whole = np.where(np.isfinite(room), room, 0.0)
    size = np.abs(whole)
    part = np.sign(whole) * (np.floor(size * last) - np.floor(size * first))
    return np.where(np.isfinite(room), part, room)


def _taken(matrix: sparse.csr_array, row: Ints, number: Array, n_columns: int) -> sparse.csr_array:
    """These rows, with columns under their new number (n_columns of the matrix,); -1 leaves out."""
    size = _counted(matrix.indptr, matrix.indices, row, number >= 0)
    start = np.concatenate([[0], np.cumsum(size)])
    index, data = np.empty(start[-1], dtype=np.int32), np.empty(start[-1], dtype=matrix.data.dtype)
    _copied(matrix.indptr, matrix.indices, matrix.data, row, number, index, data)
    narrow = start.astype(np.int32) if start[-1] < 2**31 else start
    return sparse.csr_array((data, index, narrow), shape=(len(row), n_columns))


def _weighed(matrix: sparse.csr_array, part: Ints, number: int) -> Floats:
    """(n_rows, number) sum of the coefficients, without their signs, of the columns of each part; -1 is none."""
    weight = np.zeros((matrix.shape[0], number))
    _add_weights(matrix.indptr, matrix.indices, matrix.data, part, weight)
    return weight


@compiled
def _any_of(indptr: Array, indices: Array, here: Bools) -> Bools:
    """(n_rows,) does a column that is `here` stand in the row."""
    found = np.zeros(len(indptr) - 1, dtype=np.bool_)
    for row in range(len(found)):
        for k in range(indptr[row], indptr[row + 1]):
            if here[indices[k]]:
                found[row] = True
                break
    return found


@compiled
def _counted(indptr: Array, indices: Array, rows: Ints, here: Bools) -> Ints:
    """(n of rows,) how many of the columns that are `here` stand in each of these rows."""
    count = np.zeros(len(rows), dtype=np.int64)
    for i in range(len(rows)):
        for k in range(indptr[rows[i]], indptr[rows[i] + 1]):
            if here[indices[k]]:
                count[i] += 1
    return count


@compiled
def _add_weights(indptr: Array, indices: Array, data: Array, part: Ints, weight: Floats) -> None:
    for row in range(len(indptr) - 1):
        for k in range(indptr[row], indptr[row + 1]):
            if part[indices[k]] >= 0:
                weight[row, part[indices[k]]] += abs(data[k])


@compiled
def _copied(indptr: Array, indices: Array, data: Array, rows: Ints, number: Array, index: Array, value: Array) -> None:
    at = 0
    for row in rows:
        for k in range(indptr[row], indptr[row + 1]):
            if number[indices[k]] >= 0:
                index[at], value[at] = number[indices[k]], data[k]
                at += 1
