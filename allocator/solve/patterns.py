"""patterns: row prices that prove a better bound, with sessions as its units, by a smoothed dual over their patterns.

At row prices, those of one place an entry among them, every session is worth at most its best pattern of cases
(`allocator.session_bound`). That bound is piecewise linear in the prices. Here the best of a session's patterns
becomes temperature x log sum exp over all of them (`allocator.solve.soft_patterns`), which L-BFGS-B minimises at
falling temperatures, over the options near being worth their room, within a region that is trusted. What counts,
and is kept, is the exact bound over all options. Measured in docs/decisions/0030-session-patterns.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import optimize, sparse
from threadpoolctl import threadpool_limits

from allocator.answer import silent
from allocator.certificate import priced_rows
from allocator.compiled import compiled
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.session_bound import QUANTA
from allocator.session_pattern import NEVER, best_patterns_of, greatest_common_divisor
from allocator.solve.dual import Descent, Effort, OutOfTimeError
from allocator.solve.priced_columns import Places
from allocator.solve.pricing import Held, Pricing, idle_rows
from allocator.solve.soft_patterns import Tables, soften_patterns
from allocator.solve.window import Window, terms_of

TEMPERATURES = (0.01, 0.0035, 0.0012, 0.0006, 0.0003)
"""In typical gains."""
WINDOW = (6.0, 0.03)
"""Options are in the window within so many temperatures, and so many typical gains, of being worth their room;
further by what a price of its room proves of a session above its best pattern."""
LOOKS = 8
"""At one temperature, at most."""
ENOUGH = 2e-5
"""A temperature is done when neither bound falls by more than this share of it, the softened one at the end."""
ENOUGH_OF_SOFTNESS = 1e-3
"""The same as a share of how soft the bound still is."""
REACH, LEAST_REACH, LARGEST_REACH = 4.0, 0.1, 64.0
"""Of a window, how far a look may move what a placement pays for one row: at first, and at least and most later."""
EARLIER_SETTLED = 2
"""Temperatures that prices of an earlier run count as settled at, where they begin: hotter ones lose what they know."""
ITERATIONS = 15
"""Between looks at the exact bound."""
LARGEST_TABLES = 2_000_000
"""Cells of the tables of one session."""


class Sharpened(NamedTuple):
    """Prices (n_rows + n_held,), and how many temperatures they are settled at: all of them where nothing is left."""

    prices: Floats
    settled: int


def sharpen(
    model: Model,
    gains: Floats,
    held: Held,
    prices: Floats,
    *,
    seconds: float,
    work: int | None = None,
    tell: Callable[[float], None] = silent,
    settled: int = 0,
    earlier: Floats | None = None,
) -> Sharpened:
    """Prices (n_rows + n_held,) whose bound with sessions as units is no worse than that of the given ones.

    gains (n_columns,), larger is better; the given prices carry those of one place an entry (`prove.entry_prices`), and
    are `settled` at so many temperatures already. `earlier` are those that an earlier run ended with; where they prove
    more it begins at them. `work` counts evaluations; `tell` hears of the best bound at least every second.
    """
    deadline = time.monotonic() + seconds
    pricing = SessionPricing(model, np.asarray(gains, dtype=np.float64), held)
    descent = PatternDescent(pricing, prices, Effort(deadline, work, tell))
    with threadpool_limits(1), suppress(OutOfTimeError):
        if earlier is not None and descent.is_better(earlier):
            settled = EARLIER_SETTLED
        descent.cool(settled)
    return Sharpened(descent.best, descent.settled)


class SessionPricing(Pricing):
    """One goal over the rows of a model with sessions as units: options stand session by session."""

    def __init__(self, model: Model, gains: Floats, held: Held) -> None:
        super().__init__(model, gains, held)
        problems, n_options = model.sessions, model.n_options
        closed = priced_rows(model, len(held[1]), by_session=True) & ~idle_rows(model, gains, held[0])
        fixed = np.zeros(model.n_columns)
        fixed[:n_options] = model.fixed
        used = np.concatenate([model.rows.activity(fixed), held[0] @ fixed])
        self.upper = np.where(closed, np.concatenate([model.rows.upper, held[2]]) - used, np.inf)
        self.lower = np.where(closed, np.concatenate([model.rows.lower, held[1]]) - used, -np.inf)
        # Whoever is worth nothing at any prices may still make up the fewest cases of a session.
        filling = (problems.left[1] > 0) | (problems.opening >= 0)
        useful = (self._worth(gains) | filling[model.session]) & ~model.fixed
        self.option = problems.option[useful[problems.option]]
        self.gain = gains[self.option]
        self.start = starts_in(model.session[self.option], model.n_sessions)
        self.entry_start = self.start
        members = sparse.vstack([model.rows.direct, model.rows.members], format="csr")
        self.places = Places.of_rows(members, n_options)
        self.opens = np.flatnonzero(problems.opening >= 0)
        self.opening = problems.opening[self.opens] - n_options
        self.box_lower[self.opening] = 0.0
        self.box_width[self.opening] = 0.0

    def openings(self, prices: Floats) -> Floats:
        """(n_sessions,) what opening each session is worth at row prices (n_rows + n_held,)."""
        worth = np.zeros(self.model.n_sessions)
        worth[self.opens] = (self.box_gain - self.boxes.T @ prices)[self.opening]
        return worth

    def bound(self, prices: Floats, reduced: Floats) -> tuple[float, Floats]:
        """The exact bound at these prices, and the best pattern of every open session, opening left out."""
        problems = self.model.sessions
        opening = self.openings(prices)
        largest = max(np.abs(reduced).max(initial=0.0), np.abs(opening).max(initial=0.0))
        quantum = float(largest) / QUANTA or 1.0
        value = np.zeros(self.model.n_options, dtype=np.int64)
        value[self.option] = np.rint(reduced / quantum)
        found, _ = best_patterns_of(
            problems.start, problems.option, ~problems.fixed, value, problems.weight, *problems.left, False
        )
        never = found == NEVER
        best = np.where(never, 0.0, found * quantum)
        worth = np.where(problems.closable, np.where(never, 0.0, np.maximum(best + opening, 0.0)), best + opening)
        return float(worth.sum()) + self.rest(prices), best


class PatternWindow(Window):
    """The softened bound by sessions over the options pricing.option[kept], as a function of prices."""

    def __init__(self, pricing: SessionPricing, kept: Ints, tables: Tables) -> None:
        terms = replace(terms_of(pricing, kept), entry_start=tables.start)
        super().__init__(pricing, terms)
        self.sessions, self.tables = pricing, tables
        self.by_option = sparse.csr_array(
            (terms.places.coefficient, terms.places.place, terms.places.start),
            shape=(len(kept), len(terms.upper) + terms.weights.shape[1]),
        )
        self.opened = np.zeros(len(tables.room))

    def soft(self, price: Floats, temperature: float) -> tuple[float, float, Floats]:
        """Softened sessions and boxes at these prices (n,), how soft that is, and the activity (n,)."""
        terms, n_own = self.terms, self.terms.weights.shape[0]
        value = terms.gain - self.by_option @ np.concatenate([price, terms.weights.T @ price[:n_own]])
        total, softness, used = self.soft_boxes(price, temperature)
        opening = np.zeros(len(self.opened))
        pricing = self.sessions
        opening[pricing.opens] = (pricing.box_gain - terms.boxes.T @ price)[pricing.opening]
        worth = soften_patterns(self.tables, value, opening, temperature, self.share, self.opened)
        activity = self.by_option.T @ self.share
        used += activity[: len(price)]
        used[:n_own] += terms.weights @ activity[len(price) :]
        opened = np.zeros(len(pricing.box_gain))
        opened[pricing.opening] = self.opened[pricing.opens]
        used += terms.boxes @ opened
        softness += worth - float(self.share @ value) - float(self.opened @ opening)
        return total + worth, softness, used


class PatternDescent(Descent):
    """From price vector to price vector, the best one kept."""

    pricing: SessionPricing

    def __init__(self, pricing: SessionPricing, start: Floats, effort: Effort) -> None:
        super().__init__(pricing, start, effort)
        self.reach = REACH

    def is_better(self, prices: Floats) -> bool:
        """Do these prices (n_rows + n_held,) prove more than the best so far; then they are kept."""
        before = self.best_bound
        return self.look(self.pricing.possible(prices)) < before

    def cool(self, settled: int) -> None:
        """Minimise at one temperature after the other; OutOfTimeError where seconds or work are spent."""
        self.settled = settled
        self.look(self.best)
        size = max(1.0, abs(self.best_bound))
        for temperature in TEMPERATURES[settled:]:
            for _ in range(LOOKS):
                before, window = self.best_bound, self.window(temperature)
                fell = self.minimise(window, temperature * self.typical)
                enough = max(ENOUGH * size, ENOUGH_OF_SOFTNESS * window.softness)
                if not self.blind and max(fell, before - self.best_bound) < enough:
                    break
            self.settled += 1

    def window(self, temperature: float) -> Window:
        """The options to work on: those near being worth their room."""
        pricing = self.pricing
        problems = pricing.model.sessions
        room, fewest, most = problems.left
        weight = problems.weight[pricing.option]
        within = (WINDOW[0] * temperature + WINDOW[1]) * self.typical
        of_room, of_case = prices_inside(pricing.start, self.reduced, weight, room, most)
        of_session = pricing.model.session[pricing.option]
        above = self.reduced - of_room[of_session] * weight - of_case[of_session]
        proved = np.bincount(of_session, np.maximum(above, 0.0), len(room)) + of_room * room + of_case * most
        gap = np.maximum(proved - self.entry_best, 0.0)
        kept = np.flatnonzero((above > -within - gap[of_session]) & (weight <= room[of_session]))
        start = starts_in(of_session[kept], len(room))
        step, steps, top, counted = table_sizes(start, weight[kept], room, fewest, most)
        tables = Tables(
            start=start,
            weight=weight[kept] // step[of_session[kept]],
            room=steps,
            fewest=fewest,
            top=top,
            counted=counted,
            may_close=problems.closable & ((problems.opening >= 0) | (fewest > 0)),
            tilt=of_room * step,
            centre=self.entry_best,
        )
        window = PatternWindow(pricing, kept, tables)
        self.last = kept, window, temperature * self.typical
        return window

    def iterations(self, window: Window) -> int:
        """How many between looks at the exact bound."""
        return ITERATIONS

    def take(self, prices: Floats, soft: float) -> None:
        """Go to these prices; or stay, where options outside the window make them worse than before."""
        before, bound = self.prices, self.bound
        found = self.look(prices)
        self.blind = found > soft + ENOUGH * abs(soft) or found == np.inf
        self.reach = max(LEAST_REACH, 0.5 * self.reach) if self.blind else min(LARGEST_REACH, 2.0 * self.reach)
        if self.blind and self.bound > bound:
            self.look(before)

    def region(self, window: Window, begun: Floats, temperature: float) -> optimize.Bounds:
        """How far the variables may go: no row may change what one placement pays by more than a part of a window."""
        near = WINDOW[0] * temperature + WINDOW[1] * self.typical
        largest = window.terms.largest
        step = self.reach * near / (np.concatenate([largest[window.above], largest[window.below]]) * window.scale)
        return optimize.Bounds(np.maximum(0.0, begun - step), begun + step)


def starts_in(sorted_sessions: Ints, n_sessions: int) -> Ints:
    """(n_sessions + 1,) where the options of each session begin, and their number at the end."""
    return np.concatenate([[0], np.cumsum(np.bincount(sorted_sessions, minlength=n_sessions))])


@compiled
def prices_inside(start: Ints, value: Floats, weight: Ints, room: Ints, most: Ints) -> tuple[Floats, Floats]:
    """A price of one unit of each session's room, or of one of its cases, whichever is short; both (n_sessions,).

    That of the item which does not fit any more, the best for their weight first; value, weight (n_items,).
    """
    of_room, of_case = np.zeros(len(room)), np.zeros(len(room))
    for s in range(len(room)):
        useful = start[s] + np.flatnonzero(value[start[s] : start[s + 1]] > 0.0)
        density = value[useful] / np.maximum(weight[useful], 1e-9)
        left, cases = room[s], 0
        for k in np.argsort(-density):
            left -= weight[useful[k]]
            if left < 0:
                of_room[s] = density[k]
                break
            cases += 1
        if cases > most[s]:
            of_room[s] = 0.0
            of_case[s] = np.sort(value[useful])[-1 - most[s]]
    return of_room, of_case


@compiled
def table_sizes(start: Ints, weight: Ints, room: Ints, fewest: Ints, most: Ints) -> tuple[Ints, Ints, Ints, Bools]:
    """Units of room to a step, room in steps, `top` and `counted` of the tables of these sessions, (n_sessions,)."""
    n_sessions = len(room)
    step, steps, top = np.ones(n_sessions, np.int64), np.zeros(n_sessions, np.int64), np.zeros(n_sessions, np.int64)
    counted = np.zeros(n_sessions, np.bool_)
    for s in range(n_sessions):
        weights = weight[start[s] : start[s + 1]]
        n = len(weights)
        common = 0
        for k in range(n):
            common = greatest_common_divisor(common, int(weights[k]))
        if common > 0:
            step[s], steps[s] = common, room[s] // common
        lightest = weights.min() if n else 1
        at_once = min(n, room[s] // lightest) if lightest > 0 else n
        counted[s] = most[s] < at_once
        top[s] = most[s] if counted[s] else fewest[s]
        if (n + 1) * (top[s] + 1) * (steps[s] + 1) > LARGEST_TABLES:
            top[s] = -1
    return step, steps, top, counted
