"""pricing: one goal over the rows of a model: who is worth pricing, and the exact bound at any prices."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import sparse

from allocator.certificate import priced_rows
from allocator.formulation import Model
from allocator.instance import Array, Bools, Floats, Ints
from allocator.memory import put_away
from allocator.solve.priced_columns import Places, bests, subtract_prices
from allocator.solve.stretches import columns_of, in_two, starts_within

Held = tuple[sparse.csr_array, Floats, Floats]
"""Rows that hold earlier goals: matrix (n_held, n_columns), lower, upper; see `certificate.goal_rows`."""


@lru_cache(maxsize=1)
def places_of(model: Model) -> Places:
    """The places of a model's options, kept for the next goal."""
    return Places.of(model)


def make_room() -> None:
    """Forget the model before, in a process that works on one after the other; its memory is for the next."""
    places_of.cache_clear()
    put_away()


class Pricing:
    """One goal over the rows of a model: who is worth pricing, and the exact bound at any prices."""

    def __init__(self, model: Model, gains: Floats, held: Held, threads: int = 1) -> None:
        self.model, self.threads = model, threads
        n_options = model.n_options
        self.places, self.held_places = places_of(model), Places.of_rows(held[0], n_options)
        self.held = held[0]
        lower = np.concatenate([model.rows.lower, held[1]])
        upper = np.concatenate([model.rows.upper, held[2]])
        closed = priced_rows(model, len(held[1])) & ~idle_rows(model, gains, held[0])
        fixed = np.zeros(model.n_columns)
        fixed[:n_options] = model.fixed
        used = np.concatenate([model.rows.activity(fixed), held[0] @ fixed])
        self.upper = np.where(closed, upper - used, np.inf)
        self.lower = np.where(closed, lower - used, -np.inf)
        self.constant = float(gains[:n_options][model.fixed].sum())
        self.option = np.flatnonzero(self._worth(gains) & ~model.fixed)
        self.gain = gains[self.option]
        self.entry_start = starts_of(model.entry[self.option])
        self.box_gain = gains[n_options:]
        self.box_lower = model.column_lower[n_options:].astype(np.float64)
        self.box_width = model.column_upper[n_options:] - self.box_lower
        direct = sparse.csr_array(model.rows.direct[:, n_options:]).astype(np.float64)
        grouped = model.rows.weights @ model.rows.members[:, n_options:]
        self.boxes = sparse.vstack([direct + grouped, held[0][:, n_options:]], format="csr").astype(np.float64)

    def _worth(self, gains: Floats) -> Bools:
        """(n_options,) could the reduced gain be above nothing at any prices; the others bound nothing."""
        model, n_options, n_rows = self.model, self.model.n_options, self.model.n_rows
        worth: Bools = gains[:n_options] > 0
        helps = np.zeros(model.n_columns, dtype=bool)
        for rows, first in ((model.rows.direct, 0), (self.held, n_rows)):
            row, column, data = _triplets(rows)
            stop = first + rows.shape[0]
            up, low = np.isfinite(self.upper[first:stop]), np.isfinite(self.lower[first:stop])
            helps[column[((data < 0) & up[row]) | ((data > 0) & low[row])]] = True
        row, group, data = _triplets(model.rows.weights)
        up, low = np.isfinite(self.upper[:n_rows]), np.isfinite(self.lower[:n_rows])
        useful = np.unique(group[((data < 0) & up[row]) | ((data > 0) & low[row])])
        helps[model.rows.members[useful].indices] = True
        return worth | helps[:n_options]

    def possible(self, prices: Floats) -> Floats:
        """The prices without those that a row's open side, or no number at all, makes worthless."""
        prices = np.nan_to_num(prices, nan=0.0, posinf=0.0, neginf=0.0)
        side = np.where(prices > 0, self.upper, self.lower)
        return np.where(np.isfinite(side), prices, 0.0)

    def places_prices(self, prices: Floats) -> Floats:
        """Prices of rows and groups (n_rows + n_groups,)."""
        of_rows = prices[: self.model.n_rows]
        return np.concatenate([of_rows, self.model.rows.weights.T @ of_rows])

    def reduced(self, prices: Floats) -> Floats:
        """(n_worth,) gains after paying, of the options worth pricing."""
        value, of_places = self.gain.copy(), self.places_prices(prices)

        def subtract(units: slice) -> None:
            columns = columns_of(self.entry_start, units)
            option, part = self.option[columns], value[columns]
            subtract_prices(option, self.places, of_places, part)
            if self.held.shape[0]:
                subtract_prices(option, self.held_places, prices[self.model.n_rows :], part)

        in_two(self.entry_start, subtract, self.threads)
        return value

    def rest(self, prices: Floats) -> float:
        """What the bound has beside the entries: fixed placements, boxed columns, sides of the rows."""
        boxed = self.box_gain - self.boxes.T @ prices
        total = self.constant + float(self.box_lower @ boxed + self.box_width @ np.maximum(boxed, 0.0))
        above, below = prices > 0, prices < 0
        return total + float(prices[above] @ self.upper[above] + prices[below] @ self.lower[below])

    def bound(self, prices: Floats, reduced: Floats) -> tuple[float, Floats]:
        """The exact bound at these prices, and the best of every entry with an option worth pricing."""
        best = np.zeros(len(self.entry_start) - 1)
        in_two(
            self.entry_start,
            lambda units: bests(starts_within(self.entry_start, units), reduced, best[units]),
            self.threads,
        )
        return float(best.sum()) + self.rest(prices), best


def _triplets(matrix: sparse.csr_array) -> tuple[Array, Array, Array]:
    """(row, column, coefficient) of a matrix."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices, matrix.data


def starts_of(sorted_keys: Ints) -> Ints:
    """Where each key begins in a sorted array, and its length at the end."""
    return np.append(np.flatnonzero(np.diff(sorted_keys, prepend=-1)), len(sorted_keys))


def idle_rows(model: Model, gains: Floats, held: sparse.csr_array) -> Bools:
    """(n_rows + n_held,) rows that an auxiliary of a later goal satisfies for nothing."""
    first = model.first_auxiliary
    matters = (gains[first:] != 0) | (abs(held[:, first:]).sum(axis=0) > 0)
    free = sparse.csr_array(model.rows.direct[:, first:][:, ~matters])
    return np.concatenate([np.diff(free.indptr) > 0, np.zeros(held.shape[0], dtype=bool)])


def typical_gain(pricing: Pricing) -> float:
    """What a placement usually gains; where none does, what a column usually costs."""
    gains = pricing.gain[pricing.gain > 0]
    if not len(gains):
        gains = np.abs(np.concatenate([pricing.gain, pricing.box_gain]))
        gains = gains[gains > 0]
    return float(np.median(gains)) if len(gains) else 1.0
