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

import numpy as np
from scipy import optimize
from threadpoolctl import threadpool_limits

from allocator.answer import silent
from allocator.certificate import goal_rows
from allocator.formulation import Model
from allocator.instance import Floats, Ints
from allocator.solve.coarse import coarse_terms
from allocator.solve.correction import CORRECTED_AT, correction_of
from allocator.solve.pricing import Held, Pricing, typical_gain
from allocator.solve.window import Window, terms_of

TEMPERATURES = (0.3, 0.1, 0.03, 0.01, *(0.004 * 0.4**step for step in range(12)))
"""In typical gains; as many as precision asks for."""
AFTER_COARSE, WARM = 0.03, 0.1
"""The temperatures that coarse prices, and given ones, go on from."""
PAYS = 1e-3
"""Of the bound, by how much less a correction must lower it to be the last."""
COARSE = (0.3, 0.1, 0.03)
"""Temperatures over like sessions taken as one."""
ITERATIONS, ITERATIONS_OF_MANY, MANY = 60, 25, 500_000
"""Between looks at the exact bound; the scales of the variables and the window are then made anew."""
LOOKS = 6
"""At one temperature, at most."""
ENOUGH = 0.05
"""A temperature is done when the softened bound falls by less than this share of its softness."""
WINDOW = (20.0, 0.3)
"""Options are in the window within so many temperatures, and so many typical gains, of the best of their entry."""
REACH, REACH_HELD = 4.0, 0.5
"""Of a window, how far the first look may move what a placement pays for one row; further after each good one. Less
where goals are held: a price of theirs moves everybody."""
TOLD_SECONDS = 0.5
"""Between words on the best bound."""
SOFTEST, PRECISION = 0.01, 2e-5
"""Of the bound: where softness is less, and one temperature lowered the bound by less, colder is of no use."""


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
        """Count an evaluation, tell the best bound twice a second; OutOfTimeError where it was one too many."""
        self.evaluations += 1
        now = time.monotonic()
        if now > self.told + TOLD_SECONDS:
            self.told = now
            self.tell(bound)
        if (self.work is not None and self.evaluations > self.work) or now > self.deadline - self.reserve:
            raise OutOfTimeError


def solve_dual(
    model: Model,
    gains: Floats,
    held: Held,
    *,
    start: Floats | None = None,
    seconds: float,
    work: int | None = None,
    tell: Callable[[float], None] = silent,
    threads: int = 1,
) -> Dual:
    """The best prices found within `seconds` or `work` evaluations for making gains (n_columns,) large.

    `start` are prices (n_rows + n_held,) from another goal or another day. `tell` hears of the
    best bound so far at the first evaluation, twice a second, and at the end.
    """
    deadline = time.monotonic() + seconds
    pricing = Pricing(model, np.asarray(gains, dtype=np.float64), held, threads)
    descent = Descent(pricing, start, Effort(deadline, work, tell))
    # Its vectors are short: threads of the linear algebra only wait for each other, most of all on a busy machine.
    with threadpool_limits(1), suppress(OutOfTimeError):
        descent.run(warm=start is not None)
    with suppress(OutOfTimeError):
        tell(descent.best_bound)
    return descent.result()


def corrected_prices(
    model: Model,
    gains: Floats,
    held: Held,
    start: Floats,
    *,
    seconds: float,
    work: int | None = None,
    tell: Callable[[float], None] = silent,
    threads: int = 1,
) -> Floats:
    """Prices (n_rows + n_held,) no worse than `start`, those of like rows changed together: see `correction`."""
    deadline = time.monotonic() + seconds
    pricing = Pricing(model, np.asarray(gains, dtype=np.float64), held, threads)
    descent = Descent(pricing, start, Effort(deadline, work, tell))
    with threadpool_limits(1), suppress(OutOfTimeError):
        descent.correct()
    return descent.best


def lowered_prices(
    model: Model,
    gains: Floats,
    start: Floats,
    typical: float,
    temperatures: Sequence[float],
    *,
    seconds: float,
    work: int | None = None,
    tell: Callable[[float], None] = silent,
    threads: int = 1,
) -> Floats:
    """Prices (n_rows,) no worse than `start`, for gains (n_columns,) beyond what entries have elsewhere.

    Those may be much smaller than what a placement usually gains (`typical`), which temperatures are told in.
    `tell` hears of the bound twice a second.
    """
    deadline = time.monotonic() + seconds
    pricing = Pricing(model, gains, goal_rows(model, ()), threads)
    descent = Descent(pricing, start, Effort(deadline, work, tell))
    descent.typical = typical
    with threadpool_limits(1), suppress(OutOfTimeError):
        for temperature in temperatures:
            descent.minimise(descent.window(temperature), temperature * typical)
    return descent.best


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
        self.wide, self.blind = 1.0, False
        self.reach = REACH_HELD if pricing.held.shape[0] else REACH
        self.last: tuple[Ints, Window, float] | None = None

    def look(self, prices: Floats) -> float:
        """The exact bound at these prices, which are kept if it is the best so far; no bound where one is no number."""
        begun = time.monotonic()
        if not np.isfinite(prices).all():
            # A line search may end so, once in some hundred runs: whoever looks goes back to where it was.
            return np.inf
        self.prices, self.reduced = prices, self.pricing.reduced(prices)
        self.bound, self.entry_best = self.pricing.bound(prices, self.reduced)
        if self.bound < self.best_bound:
            self.best, self.best_bound = prices, self.bound
        self.effort.reserve = 2.0 * (time.monotonic() - begun)
        return self.bound

    def run(self, warm: bool) -> None:
        """Minimise at one temperature after the other; OutOfTimeError where seconds or work are spent.

        Hot ones over like sessions taken as one, where many are alike; then over the options near the best.
        """
        size = max(1.0, abs(self.best_bound - self.pricing.constant))
        coarse = None if warm else coarse_terms(self.pricing)
        if coarse is not None:
            window = Window(self.pricing, coarse)
            for temperature in COARSE:
                self.settle(window, temperature)
        hottest = WARM if warm else TEMPERATURES[0] if coarse is None else AFTER_COARSE
        before = np.inf
        for temperature in TEMPERATURES:
            if temperature > hottest:
                continue
            softness = self.settle(None, temperature)
            # Prices that were given may be better than what hot temperatures make of them: then there is more to come.
            gained, lost = before - self.best_bound, self.bound - self.best_bound
            if softness < SOFTEST * size and max(gained, lost) < PRECISION * size and not self.blind:
                break
            before = self.best_bound

    def correct(self) -> None:
        """Change the prices of like rows together, while that pays: see `correction`."""
        for temperature in CORRECTED_AT:
            before = self.best_bound
            correction = correction_of(self.pricing, self.best, self.pricing.reduced(self.best))
            correction.lower(temperature * self.typical, lambda: self.effort.spend(self.best_bound), self.look)
            if before - self.best_bound < PAYS * abs(self.best_bound):
                break
        self.look(self.best)

    def settle(self, given: Window | None, temperature: float) -> float:
        """Minimise at one temperature until that pays no more, in windows or in the one given; how soft it then is."""
        for _ in range(LOOKS):
            window = given or self.window(temperature)
            if self.minimise(window, temperature * self.typical) < ENOUGH * window.softness and not self.blind:
                break
        return window.softness

    def window(self, temperature: float) -> Window:
        """The options to work on: those near the best of their entry."""
        pricing = self.pricing
        near = (WINDOW[0] * temperature + WINDOW[1]) * self.typical * self.wide
        best = np.repeat(self.entry_best, np.diff(pricing.entry_start))
        kept = np.flatnonzero(self.reduced >= best - near)
        window = Window(pricing, terms_of(pricing, kept))
        self.last = kept, window, temperature * self.typical
        return window

    def minimise(self, window: Window, temperature: float) -> float:
        """Some iterations at one temperature; by how much the softened bound fell in the second half of them."""
        window.rescale(window.own_prices(self.prices), temperature)
        begun = window.variables(self.prices)
        first, _ = window.value_and_gradient(begun, temperature)
        lowest, found, halfway, evaluations = first, begun, first, 0
        iterations = self.iterations(window)

        def value_and_gradient(variables: Floats) -> tuple[float, Floats]:
            nonlocal lowest, found, halfway, evaluations
            evaluations += 1
            if evaluations <= iterations // 2:
                halfway = lowest
            self.effort.spend(self.best_bound)
            if not np.isfinite(variables).all():
                # Where the bound does not bend at all the method may divide by nothing: that step leads nowhere.
                return np.inf, np.zeros(len(variables))
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
                bounds=self.region(window, begun, temperature),
                options={"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 20, "ftol": 0.0, "gtol": 0.0},
            )
        finally:
            is_coarse = self.last is None or self.last[1] is not window
            self.take(window.prices(found), np.inf if is_coarse else lowest)
        return halfway - lowest

    def iterations(self, window: Window) -> int:
        """How many between looks at the exact bound."""
        return ITERATIONS_OF_MANY if len(window.terms.gain) > MANY else ITERATIONS

    def region(self, window: Window, begun: Floats, temperature: float) -> optimize.Bounds:
        """How far the variables may go: no row may change what one placement pays by more than a part of a window."""
        near = WINDOW[0] * temperature + WINDOW[1] * self.typical
        largest = window.terms.largest
        step = self.reach * near / (np.concatenate([largest[window.above], largest[window.below]]) * window.scale)
        return optimize.Bounds(np.maximum(0.0, begun - step), begun + step)

    def take(self, prices: Floats, soft: float) -> None:
        """Go to these prices; or stay, where options outside the window make them worse than before."""
        before, bound = self.prices, self.bound
        found = self.look(prices)
        self.blind = found > soft or found == np.inf
        self.wide = 2.0 * self.wide if self.blind else max(1.0, 0.5 * self.wide)
        if self.blind or self.bound < bound:
            self.reach *= 0.5 if self.blind else 1.5
        if self.blind and self.bound > bound:
            self.look(before)

    def result(self) -> Dual:
        """The best prices, and the shares of the last softened choice."""
        model = self.pricing.model
        shares = model.fixed.astype(np.float64)
        if self.last is not None:
            kept, window, temperature = self.last
            window.soft(window.own_prices(self.prices), temperature)
            shares[self.pricing.option[kept]] = window.share
        return Dual(self.best, shares, self.best_bound)
