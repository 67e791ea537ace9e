"""Columns as a pricing sees them: option by option the rows and groups it stands in, and compiled passes over them.

A row over whole groups is priced through its groups: the price of a group is worked out once, and an option pays
the price of every group that it is in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from allocator.certificate import UNPRICED
from allocator.compiled import compiled
from allocator.formulation import Model
from allocator.instance import Array, Bools, Floats, Ints

LEAST_SHARE = 1e-10
"""A share below this is none."""
FAR = 25.0
"""Options that stand so many temperatures below the best of their entry have no share."""


class Places(NamedTuple):
    """Option by option: the rows and groups that it stands in. start (n + 1,), place and coefficient (nnz,).

    Coefficients are float32: exact to 16 million, and what prices prove is worked out again from the rows.
    """

    start: Ints
    place: Array
    coefficient: Array

    @classmethod
    def of(cls, model: Model) -> Places:
        """Places of every option; rows 0..n_rows, then groups. Rows of one place an entry are left out."""
        n_options, n_rows = model.n_options, model.n_rows
        direct, members = model.rows.direct, model.rows.members
        skipped = np.zeros(n_rows, dtype=np.bool_)
        for block in model.blocks:
            skipped[block.start : block.stop] |= block.label == UNPRICED
        nobody = np.zeros(members.shape[0], dtype=np.bool_)
        count = np.zeros(n_options + 1, dtype=np.int64)
        _count(direct.indptr, direct.indices, skipped, count)
        _count(members.indptr, members.indices, nobody, count)
        start = np.cumsum(count)
        place = np.empty(start[-1], dtype=np.int32)
        coefficient = np.empty(start[-1], dtype=np.float32)
        after = start[:-1].copy()
        _fill(direct.indptr, direct.indices, direct.data, skipped, 0, after, place, coefficient)
        _fill(members.indptr, members.indices, members.data, nobody, n_rows, after, place, coefficient)
        return cls(start, place, coefficient)

    @classmethod
    def of_rows(cls, rows: sparse.csr_array, n_options: int) -> Places:
        """Places of every option in the rows of a matrix (n_rows, n_columns)."""
        by_column = sparse.csc_array(rows[:, :n_options])
        return cls(
            by_column.indptr.astype(np.int64), by_column.indices.astype(np.int32), by_column.data.astype(np.float32)
        )


@compiled
def _count(indptr: Array, indices: Array, skipped: Bools, count: Ints) -> None:
    """Add to count[j + 1] the rows that column j stands in."""
    n_options = len(count) - 1
    for row in range(len(indptr) - 1):
        if not skipped[row]:
            for position in range(indptr[row], indptr[row + 1]):
                if indices[position] < n_options:
                    count[indices[position] + 1] += 1


@compiled
def _fill(
    indptr: Array,
    indices: Array,
    data: Ints,
    skipped: Bools,
    first: int,
    after: Ints,
    place: Array,
    coefficient: Array,
) -> None:
    """Write the rows of each column at `after`, which moves on."""
    for row in range(len(indptr) - 1):
        if not skipped[row]:
            for position in range(indptr[row], indptr[row + 1]):
                column = indices[position]
                if column < len(after):
                    place[after[column]] = first + row
                    coefficient[after[column]] = data[position]
                    after[column] += 1


@compiled
def subtract_prices(option: Ints, places: Places, price: Floats, value: Floats) -> None:
    """value[i] less the price of what option[i] uses."""
    for i in range(len(option)):
        total = 0.0
        for position in range(places.start[option[i]], places.start[option[i] + 1]):
            total += price[places.place[position]] * places.coefficient[position]
        value[i] -= total


@compiled
def bests(entry_start: Ints, value: Floats, best: Floats) -> None:
    """best[e] of the values entry_start[e]..entry_start[e + 1], at least 0."""
    for entry in range(len(entry_start) - 1):
        highest = 0.0
        for option in range(entry_start[entry], entry_start[entry + 1]):
            highest = max(highest, value[option])
        best[entry] = highest


@compiled
def gather(option: Ints, places: Places, number: Array, start: Ints, place: Array, coefficient: Array) -> None:
    """Append the places of each option under their new numbers; start[i + 1] counts and becomes an end.

    Called first with no room in `place`, to count.
    """
    counting = len(place) == 0
    for i in range(len(option)):
        for position in range(places.start[option[i]], places.start[option[i] + 1]):
            new = number[places.place[position]]
            if new >= 0:
                if not counting:
                    place[start[i]] = new
                    coefficient[start[i]] = places.coefficient[position]
                    start[i] += 1
                else:
                    start[i + 1] += 1


@compiled
def soften(
    entry_start: Ints,
    gain: Floats,
    places: Places,
    price: Floats,
    temperature: float,
    share: Floats,
    activity: Floats,
) -> tuple[float, float]:
    """Softened sum of the best of every entry, and how far it stands above what the shares are worth.

    Writes share (n_options,) and adds to activity (n_places,). An entry may always have nothing, at 0.
    """
    total, softness = 0.0, 0.0
    for entry in range(len(entry_start) - 1):
        first, last = entry_start[entry], entry_start[entry + 1]
        best = 0.0
        for option in range(first, last):
            value = gain[option]
            for position in range(places.start[option], places.start[option + 1]):
                value -= price[places.place[position]] * places.coefficient[position]
            share[option] = value
            best = max(best, value)
        weight = np.exp(-best / temperature)
        worth = 0.0
        lowest = best - FAR * temperature
        for option in range(first, last):
            value = share[option]
            if value > lowest:
                lifted = np.exp((value - best) / temperature)
                worth += lifted * value
                share[option] = lifted
                weight += lifted
            else:
                share[option] = 0.0
        total += best + temperature * np.log(weight)
        softness += best + temperature * np.log(weight) - worth / weight
        for option in range(first, last):
            if share[option] > LEAST_SHARE:
                part = share[option] / weight
                share[option] = part
                for position in range(places.start[option], places.start[option + 1]):
                    activity[places.place[position]] += part * places.coefficient[position]
            else:
                share[option] = 0.0
    return total, softness


@compiled
def largest_sizes(places: Places, size: Floats) -> None:
    """Raise size (n_places,) to the largest coefficient of each row or group without its sign."""
    for position in range(len(places.place)):
        place = places.place[position]
        size[place] = max(size[place], abs(places.coefficient[position]))


@compiled
def curvature(places: Places, share: Floats, square: Floats) -> None:
    """Add share x coefficient^2 to square (n_places,): how strongly each price acts on the shares."""
    for option in range(len(share)):
        for position in range(places.start[option], places.start[option + 1]):
            square[places.place[position]] += share[option] * places.coefficient[position] ** 2
