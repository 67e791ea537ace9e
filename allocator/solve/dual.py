"""dual: row prices that prove a good bound on any gains, by a smoothed dual function.

maximise gains @ z over the rows: at row prices u every plan is worth at most what entries gain after paying,
each at its best or nothing, plus boxed columns at their best, plus what the sides of the rows cost. That bound is
piecewise linear in u. Here every "best of an entry" becomes temperature x log sum exp, which is smooth; L-BFGS-B
minimises it at falling temperatures, over the options near the best of their entry. What counts, and is kept, is
the exact bound over all options. The shares of the softened choice are a fractional plan.
Source: entropy smoothing; measured in docs/decisions/0001-how-to-solve.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, sparse

from allocator.formulation import Model
from allocator.instance import Floats, Ints
from allocator.solve.priced_columns import Places, curvature, gather, soften
from allocator.solve.pricing import Held, Pricing, starts_of, typical_gain

TEMPERATURES = (0.3, 0.1, 0.03, 0.01, 0.004, 0.0016, 0.0006)
"""In typical gains."""
WARM = 0.03
"""The temperature that given prices begin at."""
BOX_TEMPERATURE = 5.0
"""Of openings and auxiliaries, in temperatures of placements: opening moves many of them."""
ITERATIONS = 25
"""Between looks at the exact bound; the scales of the variables and the window are then made anew."""
LOOKS = 6
"""At one temperature, at most."""
SETTLED = 0.1
"""Of what bends the bound, the part that shares of 1 count."""
LEAST_SHARES = 0.3
"""Every row is scaled as if it had at least so many half-settled placements."""
LEAST_BEND = 1e-2
ENOUGH = 0.1
"""A temperature is done when the softened bound falls by less than this share of its softness."""
WINDOW = (20.0, 0.3)
"""Options are in the window within so many temperatures, and so many typical gains, of the best of their entry."""
SAMPLE = 200_000
"""Options that hot temperatures look at, about: those of every so-manieth entry."""
SAMPLED_UNTIL = 0.02
"""Colder temperatures see all entries."""
PRECISION = 5e-5
"""Of the bound: where softness is less than this, colder is of no use."""


@dataclass(frozen=True, eq=False)
class Dual:
    """Prices and what they say.

    prices  (n_rows + n_held,) in the sense of a maximisation: reduced gains = gains - matrix^T prices
    shares  (n_options,) fractional plan of the softened choice, fixed placements 1
    bound   what no plan exceeds, exact at these prices
    """

    prices: Floats
    shares: Floats
    bound: float


def silent(bound: float) -> None:
    """Tell nobody."""


class OutOfTimeError(Exception):
    """The seconds or the work of a dual are spent."""


@dataclass(eq=False)
class Effort:
    """What is left to spend. One unit of work is one evaluation of the softened bound.

    reserve  seconds that the exact bound takes, to be left at the end
    """

    deadline: float
    work: int | None
    tell: Callable[[float], None]
    told: float = 0.0
    reserve: float = 0.0
    evaluations: int = 0

    def spend(self, bound: float) -> None:
        """Count an evaluation, tell the best bound once a second; OutOfTimeError where it was one too many."""
        self.evaluations += 1
        now = time.monotonic()
        if now > self.told + 1.0:
            self.told = now
            self.tell(bound)
        if (self.work is not None and self.evaluations > self.work) or now > self.deadline - self.reserve:
            raise OutOfTimeError


class Window:
    """The softened bound over some of the options, as a function of non-negative scaled variables."""

    def __init__(self, pricing: Pricing, kept: Ints, every: int) -> None:
        model = pricing.model
        n_rows, n_groups = model.n_rows, model.rows.weights.shape[1]
        self.pricing = pricing
        self.kept, self.every = kept, every
        option = pricing.option[self.kept]
        self.gain = pricing.gain[self.kept]
        self.entry_start = starts_of(model.entry[option])
        live = np.flatnonzero(np.isfinite(pricing.upper) | np.isfinite(pricing.lower))
        self.live = live
        own = live[live < n_rows]
        number = np.full(n_rows + n_groups, -1, dtype=np.int32)
        number[own] = np.arange(len(own))
        self.weights = sparse.csr_array(model.rows.weights[own]).astype(np.float64)
        number[n_rows:] = np.arange(len(live), len(live) + n_groups)
        self.n_own = len(own)
        number_held = np.full(len(pricing.lower) - n_rows, -1, dtype=np.int32)
        number_held[live[len(own) :] - n_rows] = np.arange(len(own), len(live))
        self.places = compact(option, ((pricing.places, number), (pricing.held_places, number_held)))
        self.boxes = sparse.csr_array(pricing.boxes[live])
        self.above = np.flatnonzero(np.isfinite(pricing.upper[live]))
        self.below = np.flatnonzero(np.isfinite(pricing.lower[live]))
        self.sides = np.concatenate([pricing.upper[live][self.above], -pricing.lower[live][self.below]])
        self.largest = largest(self.places, len(live), self.weights, self.boxes)
        self.share = np.zeros(len(option))
        self.scale = np.ones(len(self.sides))

    def variables(self, prices: Floats) -> Floats:
        """Row prices as variables: upper sides first."""
        mine = prices[self.live]
        parts = np.maximum(mine[self.above], 0.0), np.maximum(-mine[self.below], 0.0)
        return np.asarray(np.concatenate(parts) / self.scale)

    def live_prices(self, variables: Floats) -> Floats:
        """(n_live,) prices of the rows that carry any."""
        price = np.zeros(len(self.live))
        scaled = variables * self.scale
        price[self.above] += scaled[: len(self.above)]
        price[self.below] -= scaled[len(self.above) :]
        return price

    def prices(self, variables: Floats) -> Floats:
        """Row prices (n_rows + n_held,)."""
        prices = np.zeros(len(self.pricing.lower))
        prices[self.live] = self.live_prices(variables)
        return prices

    def soft(self, price: Floats, temperature: float) -> tuple[float, float, Floats]:
        """Softened entries and boxes at live prices, how soft that is, and the activity (n_live,)."""
        n_live = len(self.live)
        places = np.concatenate([price, self.weights.T @ price[: self.n_own]])
        activity = np.zeros(len(places))
        total, softness = soften(self.entry_start, self.gain, self.places, places, temperature, self.share, activity)
        # Every entry of a sample stands for so many.
        total, softness, activity = self.every * total, self.every * softness, self.every * activity
        used = activity[:n_live]
        used[: self.n_own] += self.weights @ activity[n_live:]
        boxed = self.pricing.box_gain - self.boxes.T @ price
        of_boxes = BOX_TEMPERATURE * temperature
        low, width = self.pricing.box_lower, self.pricing.box_width
        lifted = np.logaddexp(0.0, boxed / of_boxes)
        part = np.exp(boxed / of_boxes - lifted)
        total += float(low @ boxed + of_boxes * (width @ lifted))
        softness += float(width @ (of_boxes * lifted - part * boxed))
        used += self.boxes @ (low + width * part)
        return total, softness, used

    def value_and_gradient(self, variables: Floats, temperature: float) -> tuple[float, Floats]:
        """The softened bound and its gradient over the variables."""
        total, self.softness, used = self.soft(self.live_prices(variables), temperature)
        gradient = self.sides - np.concatenate([used[self.above], -used[self.below]])
        return total + float(self.sides @ (variables * self.scale)), gradient * self.scale

    def rescale(self, price: Floats, temperature: float) -> None:
        """Scale the variables so that each bends the softened bound about as much, at these live prices."""
        self.soft(price, temperature)
        square = np.zeros(len(self.live) + self.weights.shape[1])
        curvature(self.places, self.share * (1.0 + SETTLED - self.share), square)
        square *= self.every
        bend = square[: len(self.live)]
        bend[: self.n_own] += self.weights.power(2) @ square[len(self.live) :]
        boxed = (self.pricing.box_gain - self.boxes.T @ price) / (BOX_TEMPERATURE * temperature)
        part = 1.0 / (1.0 + np.exp(-np.clip(boxed, -50.0, 50.0)))
        moves = self.pricing.box_width * np.maximum(part * (1.0 - part), LEAST_BEND) / BOX_TEMPERATURE
        bend += self.boxes.power(2) @ moves
        scale = 1.0 / np.sqrt(bend + LEAST_SHARES * self.largest**2)
        self.scale = np.concatenate([scale[self.above], scale[self.below]])


def largest(places: Places, n_live: int, weights: sparse.csr_array, boxes: sparse.csr_array) -> Floats:
    """(n_live,) the largest coefficient of each row; 1 where there is none."""
    found = np.zeros(n_live + weights.shape[1])
    np.maximum.at(found, places.place, np.abs(places.coefficient))
    found = found[:n_live]
    found[: weights.shape[0]] = np.maximum(found[: weights.shape[0]], abs(weights).max(axis=1).toarray().ravel())
    alone = abs(boxes).max(axis=1).toarray().ravel()
    found = np.where(found > 0, found, alone)
    return np.where(found > 0, found, 1.0)


def compact(option: Ints, sources: tuple[tuple[Places, Any], ...]) -> Places:
    """The places of these options under new numbers, those numbered -1 left out."""
    start = np.zeros(len(option) + 1, dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int32), np.zeros(0)
    for places, number in sources:
        gather(option, places, number, start, *nothing)
    start = np.cumsum(start)
    place, coefficient = np.empty(start[-1], dtype=np.int32), np.empty(start[-1])
    after = start[:-1].copy()
    for places, number in sources:
        gather(option, places, number, after, place, coefficient)
    return Places(start, place, coefficient)


def solve_dual(
    model: Model,
    gains: Floats,
    held: Held,
    *,
    start: Floats | None = None,
    seconds: float,
    work: int | None = None,
    tell: Callable[[float], None] = silent,
) -> Dual:
    """The best prices found within `seconds` or `work` evaluations for making gains (n_columns,) large.

    `start` are prices (n_rows + n_held,) from another goal or another day. `tell` hears of each better bound,
    and of the best one at least every second.
    """
    deadline = time.monotonic() + seconds
    pricing = Pricing(model, np.asarray(gains, dtype=np.float64), held)
    descent = Descent(pricing, start, Effort(deadline, work, tell))
    with suppress(OutOfTimeError):
        descent.run(TEMPERATURES if start is None else [t for t in TEMPERATURES if t <= WARM])
    return descent.result()


class Descent:
    """From price vector to price vector, the best one kept."""

    def __init__(self, pricing: Pricing, start: Floats | None, effort: Effort) -> None:
        self.pricing, self.effort = pricing, effort
        self.typical = typical_gain(pricing)
        nothing = np.zeros(len(pricing.lower))
        self.best, self.best_bound = nothing, np.inf
        self.look(nothing)
        if start is not None:
            self.look(pricing.possible(start))
        self.wide = 1.0
        self.last: tuple[Window, float] | None = None

    def look(self, prices: Floats) -> float:
        """The exact bound at these prices, which are kept if it is the best so far."""
        begun = time.monotonic()
        self.prices, self.reduced = prices, self.pricing.reduced(prices)
        self.bound, self.entry_best = self.pricing.bound(prices, self.reduced)
        if self.bound < self.best_bound:
            self.best, self.best_bound = prices, self.bound
        self.effort.reserve = 2.0 * (time.monotonic() - begun)
        return self.bound

    def run(self, temperatures: Sequence[float]) -> None:
        """Minimise at one temperature after the other; OutOfTimeError where seconds or work are spent."""
        size = max(1.0, abs(self.best_bound - self.pricing.constant))
        for temperature in temperatures:
            for _ in range(LOOKS):
                window = self.window(temperature)
                self.last = window, temperature * self.typical
                fell = self.minimise(*self.last)
                if fell < ENOUGH * window.softness:
                    break
            if window.softness < PRECISION * size:
                break

    def window(self, temperature: float) -> Window:
        """The options to work on: those near the best of their entry; of a sample of the entries while it is hot."""
        pricing = self.pricing
        near = (WINDOW[0] * temperature + WINDOW[1]) * self.typical * self.wide
        sizes = np.diff(pricing.entry_start)
        kept = self.reduced >= np.repeat(self.entry_best - near, sizes)
        every = max(1, int(kept.sum()) // SAMPLE) if temperature > SAMPLED_UNTIL else 1
        if every > 1:
            kept &= np.repeat(np.arange(len(sizes)) % every == 0, sizes)
        return Window(pricing, np.flatnonzero(kept), every)

    def minimise(self, window: Window, temperature: float) -> float:
        """Some iterations at one temperature; by how much the softened bound fell."""
        window.rescale(self.prices[window.live], temperature)
        begun = window.variables(self.prices)
        first, _ = window.value_and_gradient(begun, temperature)
        lowest, found = first, begun

        def value_and_gradient(variables: Floats) -> tuple[float, Floats]:
            nonlocal lowest, found
            self.effort.spend(self.best_bound)
            value, gradient = window.value_and_gradient(variables, temperature)
            if value < lowest:
                lowest, found = value, variables.copy()
            return value, gradient

        try:
            optimize.minimize(
                value_and_gradient,
                begun,
                jac=True,
                method="L-BFGS-B",
                bounds=optimize.Bounds(0.0, np.inf),
                options={"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "maxcor": 20, "ftol": 0.0, "gtol": 0.0},
            )
        finally:
            # What a window of every so-manieth option says of the others is not to be judged by the others.
            self.take(window.prices(found), np.inf if window.every > 1 else lowest)
        return first - lowest

    def take(self, prices: Floats, soft: float) -> None:
        """Go to these prices; or stay, where options outside the window make them worse than before."""
        before, bound = self.prices, self.bound
        blind = self.look(prices) > soft
        self.wide = 2.0 * self.wide if blind else max(1.0, 0.5 * self.wide)
        if blind and self.bound > bound:
            self.look(before)

    def result(self) -> Dual:
        """The best prices, and the shares of the last softened choice."""
        model = self.pricing.model
        shares = model.fixed.astype(np.float64)
        if self.last is not None:
            window, temperature = self.last
            window.soft(self.prices[window.live], temperature)
            shares[self.pricing.option[window.kept]] = window.share
        return Dual(self.best, shares, self.best_bound)
