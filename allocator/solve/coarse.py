"""coarse: the terms of a bound with like sessions taken as one, to find roughly the right prices in little time.

Sessions are alike where the model says so (`Model.alike`: one site, one service). The options of an entry in like
sessions are one column, which uses the mean of what they use and gains the most that one of them does. Rows of one
block that such options use in turn (the minutes of each list, the beds of each night) are one row with all their
room; one that all of them use stays by itself (who sends them, who takes them). Its price, given to each of them, is
where the descent over all options begins.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from allocator.compiled import compiled
from allocator.instance import Array, Floats, Ints
from allocator.solve.priced_columns import Places
from allocator.solve.pricing import Pricing
from allocator.solve.window import Terms, live_rows, terms_of

LEAST_LIKE = 3.0
"""Options to a coarse column, on average, from which taking them as one is worth it."""


def coarse_terms(pricing: Pricing) -> Terms | None:
    """The coarse terms of a pricing; None where too few sessions are alike."""
    model = pricing.model
    session = model.session[pricing.option]
    column_of, n_columns = columns_of_kinds(pricing.entry_start, model.alike[session])
    if n_columns * LEAST_LIKE > len(session):
        return None
    fine = terms_of(pricing, np.arange(len(pricing.option)))
    columns = by_column(column_of, n_columns)
    row_of = like_rows(fine, columns, blocks_of_live(pricing))
    n = int(row_of.max(initial=-1)) + 1
    merge = sparse.csr_array((np.ones(len(row_of)), (row_of, np.arange(len(row_of)))), shape=(n, len(row_of)))
    n_fine_own, n_groups = fine.weights.shape
    n_own = int(row_of[:n_fine_own].max(initial=-1)) + 1
    number = np.concatenate([row_of, n + np.arange(n_groups)])
    start, place, coefficient, gain = _merged(*columns, fine.places, number, fine.gain, n + n_groups)
    first = np.append(column_of[fine.entry_start[:-1]], n_columns)
    return Terms(
        gain=gain,
        entry_start=first,
        places=Places(start, place, coefficient),
        row_of=row_of,
        upper=np.asarray(merge @ fine.upper),
        lower=np.asarray(merge @ fine.lower),
        weights=sparse.csr_array(merge[:n_own, :n_fine_own] @ fine.weights),
        boxes=sparse.csr_array(merge @ fine.boxes),
    )


def blocks_of_live(pricing: Pricing) -> Ints:
    """(n_live,) block of every live row; rows over groups, and those that hold goals, are blocks of their own."""
    model, live = pricing.model, live_rows(pricing)
    block = len(model.blocks) + np.arange(len(pricing.lower))
    for number, part in enumerate(model.blocks):
        block[part.start : part.stop] = number
    return np.unique(block[live], return_inverse=True)[1].astype(np.int64)


def by_column(column_of: Ints, n_columns: int) -> tuple[Ints, Ints]:
    """Where the options of each coarse column begin (n_columns + 1,), and the options, column by column."""
    start = np.append(0, np.cumsum(np.bincount(column_of, minlength=n_columns)))
    return start, np.argsort(column_of, kind="stable")


def like_rows(fine: Terms, columns: tuple[Ints, Ints], block: Ints) -> Ints:
    """(n_live,) number of each row among the coarse ones, in the order of the first row of each.

    columns as `by_column` says; block (n_live,).
    """
    parent = np.arange(len(block))
    _unite(*columns, fine.places, block, int(block.max(initial=-1)) + 1, parent)
    root = _roots(parent)
    return np.unique(root, return_inverse=True)[1].astype(np.int64)


@compiled
def columns_of_kinds(entry_start: Ints, kind: Ints) -> tuple[Ints, int]:
    """(n_options,) coarse column of every option, and how many there are; those of one entry stand together."""
    column_of = np.zeros(len(kind), dtype=np.int64)
    seen = np.full(kind.max() + 1 if len(kind) else 0, -1, dtype=np.int64)
    number = 0
    for entry in range(len(entry_start) - 1):
        first = number
        for option in range(entry_start[entry], entry_start[entry + 1]):
            if seen[kind[option]] < first:
                seen[kind[option]] = number
                number += 1
            column_of[option] = seen[kind[option]]
    return column_of, number


@compiled
def _root(parent: Ints, row: int) -> int:
    """The row that stands for all those united with this one: the first of them."""
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@compiled
def _roots(parent: Ints) -> Ints:
    """(n_rows,) the root of every row."""
    found = np.zeros(len(parent), dtype=np.int64)
    for row in range(len(parent)):
        found[row] = _root(parent, row)
    return found


@compiled
def _unite(column_start: Ints, options: Ints, places: Places, block: Ints, n_blocks: int, parent: Ints) -> None:
    """Unite rows of one block that some options of a coarse column stand in and others do not."""
    uses, seen = np.zeros(len(block), dtype=np.int64), np.full(len(block), -1, dtype=np.int64)
    last, met = np.full(n_blocks, -1, dtype=np.int64), np.full(n_blocks, -1, dtype=np.int64)
    for column in range(len(column_start) - 1):
        like = options[column_start[column] : column_start[column + 1]]
        for option in like:
            for row in places.place[places.start[option] : places.start[option + 1]]:
                if row < len(block):
                    if seen[row] != column:
                        seen[row], uses[row] = column, 0
                    uses[row] += 1
        for option in like:
            for row in places.place[places.start[option] : places.start[option + 1]]:
                if row < len(block) and uses[row] < len(like):
                    own = block[row]
                    if met[own] == column:
                        one, other = _root(parent, last[own]), _root(parent, row)
                        parent[max(one, other)] = min(one, other)
                    met[own], last[own] = column, row


@compiled
def _merged(
    column_start: Ints, options: Ints, places: Places, number: Ints, gain: Floats, n_places: int
) -> tuple[Ints, Array, Array, Floats]:
    """Places (start, place, coefficient) and gains of the coarse columns."""
    n_columns = len(column_start) - 1
    start = np.zeros(n_columns + 1, dtype=np.int64)
    place = np.zeros(len(places.place), dtype=np.int32)
    coefficient = np.zeros(len(places.place), dtype=np.float32)
    most = np.full(n_columns, -np.inf)
    where, stamp = np.zeros(n_places, dtype=np.int64), np.full(n_places, -1, dtype=np.int64)
    size = 0
    for column in range(n_columns):
        begun, like = size, options[column_start[column] : column_start[column + 1]]
        for option in like:
            most[column] = max(most[column], gain[option])
            for position in range(places.start[option], places.start[option + 1]):
                new = number[places.place[position]]
                if stamp[new] != column:
                    stamp[new], where[new] = column, size
                    place[size], coefficient[size] = new, 0.0
                    size += 1
                coefficient[where[new]] += places.coefficient[position]
        coefficient[begun:size] /= len(like)
        start[column + 1] = size
    return start, place[:size].copy(), coefficient[:size].copy(), most
