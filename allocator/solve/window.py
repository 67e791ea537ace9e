"""window: the softened bound over some of the options, or over groups of like ones, as a smooth function of prices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from allocator.instance import Floats, Ints
from allocator.solve.priced_columns import Places, curvature, gather, largest_sizes, soften
from allocator.solve.pricing import Pricing, starts_of
from allocator.solve.stretches import columns_of, in_two, starts_within

BOX_TEMPERATURE = 5.0
"""Of openings and auxiliaries, in temperatures of placements: opening moves many of them."""
SETTLED = 0.1
"""Of what bends the bound, the part that shares of 1 count."""
LEAST_SHARES = 0.3
"""Every row is scaled as if it had at least so many half-settled placements."""
LEAST_BEND = 1e-2


@dataclass(frozen=True, eq=False)
class Terms:
    """What a softened bound adds up: columns unit by unit, and rows, in the numbers that places use.

    gain, entry_start  (n_columns,), (n_units + 1,) columns and where those of each unit begin
    places     rows 0..n and then groups, column by column
    row_of     (n_live,) number of each live row; several like rows may share one
    upper, lower  (n,) sides
    weights    (n_own, n_groups) of the first n_own rows
    boxes      (n, n_boxes)
    """

    gain: Floats
    entry_start: Ints
    places: Places
    row_of: Ints
    upper: Floats
    lower: Floats
    weights: sparse.csr_array
    boxes: sparse.csr_array

    @cached_property
    def largest(self) -> Floats:
        """(n,) the largest coefficient of each row; 1 where there is none."""
        n = len(self.upper)
        found = np.zeros(n + self.weights.shape[1])
        largest_sizes(self.places, found)
        found = found[:n]
        n_own = self.weights.shape[0]
        found[:n_own] = np.maximum(found[:n_own], largest_of_rows(self.weights))
        alone = largest_of_rows(self.boxes)
        found = np.where(found > 0, found, alone)
        return np.where(found > 0, found, 1.0)


def largest_of_rows(matrix: sparse.csr_array | sparse.csc_array) -> Floats:
    """(n_rows,) largest coefficient of each row without its sign, 0 where there is none."""
    if not matrix.shape[1]:
        return np.zeros(matrix.shape[0])
    rows = sparse.csr_array(abs(matrix))
    return np.asarray(rows.max(axis=1).toarray().ravel(), dtype=np.float64)


def live_rows(pricing: Pricing) -> Ints:
    """Rows that may carry a price."""
    return np.flatnonzero(np.isfinite(pricing.upper) | np.isfinite(pricing.lower))


def terms_of(pricing: Pricing, kept: Ints) -> Terms:
    """The terms of the options pricing.option[kept], row by row."""
    model, live = pricing.model, live_rows(pricing)
    n_rows, n_groups = model.n_rows, model.rows.weights.shape[1]
    option = pricing.option[kept]
    own = live[live < n_rows]
    number = np.full(n_rows + n_groups, -1, dtype=np.int32)
    number[own] = np.arange(len(own))
    number[n_rows:] = np.arange(len(live), len(live) + n_groups)
    number_held = np.full(len(pricing.lower) - n_rows, -1, dtype=np.int32)
    number_held[live[len(own) :] - n_rows] = np.arange(len(own), len(live))
    entry_start = starts_of(model.entry[option])
    return Terms(
        gain=pricing.gain[kept],
        entry_start=entry_start,
        places=compact(
            option, entry_start, ((pricing.places, number), (pricing.held_places, number_held)), pricing.threads
        ),
        row_of=np.arange(len(live)),
        upper=pricing.upper[live],
        lower=pricing.lower[live],
        weights=sparse.csr_array(model.rows.weights[own]).astype(np.float64),
        boxes=sparse.csr_array(pricing.boxes[live]),
    )


class Window:
    """The softened bound as a function of non-negative scaled variables, one a side of a row."""

    def __init__(self, pricing: Pricing, terms: Terms) -> None:
        self.pricing, self.terms = pricing, terms
        self.live = live_rows(pricing)
        self.above = np.flatnonzero(np.isfinite(terms.upper))
        self.below = np.flatnonzero(np.isfinite(terms.lower))
        self.sides = np.concatenate([terms.upper[self.above], -terms.lower[self.below]])
        self.share = np.zeros(len(terms.gain))
        self.scale = np.ones(len(self.sides))
        self.softness = np.inf

    def own_prices(self, prices: Floats) -> Floats:
        """(n,) prices of the rows of the terms, from row prices (n_rows + n_held,); like rows have their mean."""
        row_of = self.terms.row_of
        number = np.maximum(np.bincount(row_of, minlength=len(self.terms.upper)), 1)
        summed = np.bincount(row_of, prices[self.live], len(self.terms.upper))
        return np.asarray(summed / number)

    def variables(self, prices: Floats) -> Floats:
        """Row prices (n_rows + n_held,) as variables: upper sides first."""
        return self.scaled(self.own_prices(prices))

    def scaled(self, price: Floats) -> Floats:
        """Prices (n,) of the rows of the terms as variables."""
        parts = np.maximum(price[self.above], 0.0), np.maximum(-price[self.below], 0.0)
        return np.asarray(np.concatenate(parts) / self.scale)

    def priced(self, variables: Floats) -> Floats:
        """(n,) prices of the rows of the terms."""
        price = np.zeros(len(self.terms.upper))
        scaled = variables * self.scale
        price[self.above] += scaled[: len(self.above)]
        price[self.below] -= scaled[len(self.above) :]
        return price

    def prices(self, variables: Floats) -> Floats:
        """Row prices (n_rows + n_held,)."""
        prices = np.zeros(len(self.pricing.lower))
        prices[self.live] = self.priced(variables)[self.terms.row_of]
        return prices

    def soft(self, price: Floats, temperature: float) -> tuple[float, float, Floats]:
        """Softened units and boxes at these prices (n,), how soft that is, and the activity (n,)."""
        terms, n, n_own = self.terms, len(self.terms.upper), self.terms.weights.shape[0]
        places = np.concatenate([price, terms.weights.T @ price[:n_own]])

        def part(units: slice) -> tuple[float, float, Floats]:
            activity = np.zeros(len(places))
            starts = starts_within(terms.entry_start, units)
            of_units = soften(starts, terms.gain, terms.places, places, temperature, self.share, activity)
            return *of_units, activity

        one, other = in_two(terms.entry_start, part, self.pricing.threads)
        total, softness, activity = one[0] + other[0], one[1] + other[1], one[2] + other[2]
        used = activity[:n]
        used[:n_own] += terms.weights @ activity[n:]
        of_boxes, soft_boxes, used_by_boxes = self.soft_boxes(price, temperature)
        return total + of_boxes, softness + soft_boxes, used + used_by_boxes

    def soft_boxes(self, price: Floats, temperature: float) -> tuple[float, float, Floats]:
        """Softened boxes alone at these prices (n,), how soft that is, and their activity (n,)."""
        boxed = self.pricing.box_gain - self.terms.boxes.T @ price
        of_boxes = BOX_TEMPERATURE * temperature
        low, width = self.pricing.box_lower, self.pricing.box_width
        lifted = np.logaddexp(0.0, boxed / of_boxes)
        part = np.exp(boxed / of_boxes - lifted)
        total = float(low @ boxed + of_boxes * (width @ lifted))
        softness = float(width @ (of_boxes * lifted - part * boxed))
        return total, softness, np.asarray(self.terms.boxes @ (low + width * part))

    def value_and_gradient(self, variables: Floats, temperature: float) -> tuple[float, Floats]:
        """The softened bound and its gradient over the variables."""
        total, self.softness, used = self.soft(self.priced(variables), temperature)
        gradient = self.sides - np.concatenate([used[self.above], -used[self.below]])
        return total + float(self.sides @ (variables * self.scale)), gradient * self.scale

    def rescale(self, price: Floats, temperature: float) -> None:
        """Scale the variables so that each bends the softened bound about as much, at these prices (n,)."""
        terms, n, n_own = self.terms, len(self.terms.upper), self.terms.weights.shape[0]
        self.soft(price, temperature)
        square = np.zeros(n + terms.weights.shape[1])
        curvature(terms.places, self.share * (1.0 + SETTLED - self.share), square)
        bend = square[:n]
        bend[:n_own] += terms.weights.power(2) @ square[n:]
        boxed = (self.pricing.box_gain - terms.boxes.T @ price) / (BOX_TEMPERATURE * temperature)
        part = 1.0 / (1.0 + np.exp(-np.clip(boxed, -50.0, 50.0)))
        moves = self.pricing.box_width * np.maximum(part * (1.0 - part), LEAST_BEND) / BOX_TEMPERATURE
        bend += terms.boxes.power(2) @ moves
        scale = 1.0 / np.sqrt(bend + LEAST_SHARES * terms.largest**2)
        self.scale = np.concatenate([scale[self.above], scale[self.below]])


def compact(option: Ints, unit_start: Ints, sources: tuple[tuple[Places, Any], ...], threads: int) -> Places:
    """The places of these options, unit by unit, under new numbers, those numbered -1 left out."""
    start = np.zeros(len(option) + 1, dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)

    def count(units: slice) -> None:
        columns = columns_of(unit_start, units)
        for places, number in sources:
            gather(option[columns], places, number, start[columns.start : columns.stop + 1], *nothing)

    def fill(units: slice) -> None:
        columns = columns_of(unit_start, units)
        for places, number in sources:
            gather(option[columns], places, number, after[columns], place, coefficient)

    in_two(unit_start, count, threads)
    start = np.cumsum(start)
    place, coefficient = np.empty(start[-1], dtype=np.int32), np.empty(start[-1], dtype=np.float32)
    after = start[:-1].copy()
    in_two(unit_start, fill, threads)
    return Places(start, place, coefficient)
