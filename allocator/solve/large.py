"""large: a plan for a model that no exact solver can hold, by prices and compiled moves.

All goals together first, each goal weighing more than those after it: their prices load a plan, moves improve it.
Then goal by goal, the goals before held at what they reached: at its own prices, over those whom it concerns; or, where
no placement gains on it by itself, with a larger weight in the sum of all. A plan is taken only if it is better in the
exact order of the goals. Source: docs/decisions/0006-large-models.md, 0033-goals-in-order.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from allocator.backends.process import Worker
from allocator.certificate import goal_rows, reduced_prices
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.solve.arrays import Layout, Part
from allocator.solve.construct import and_the_others, option_gain, option_rank, own_gains
from allocator.solve.dual import MANY, Dual, solve_dual
from allocator.solve.halves import first_half, share_out, side_by_side
from allocator.solve.improve import blended, near_the_best, parts
from allocator.solve.loader import complete
from allocator.solve.pace import Pace
from allocator.solve.patterns import Sharpened
from allocator.solve.plan import Plan
from allocator.solve.search import HOT, Search
from allocator.solve.sweep import sweep_small

TOGETHER = 0.4
"""Weight of each goal in the sum of all, relative to the goal before it, per typical gain of one placement."""
BOOST = 5.0
"""How much more a goal weighs when its turn has come."""
DUAL_SHARE = 0.4
"""Of a stretch, for prices at most; the search has the rest."""
CYCLES = (0.15, 0.25, 0.4)
"""Shares of a search that its annealings take, one after the other, each from the best plan so far; from an earlier
run's plan all of them begin hot, for what has changed since is worth more than what was polished."""
MENDING_SHARE = 0.3
"""Of a search, at most until a plan that breaks something breaks nothing: an earlier run's, or what a first annealing
ended with. Mostly it takes a segment or two."""
SWEEP_SHARE = 0.1
"""Of a search, for each of two sweeps over small parts."""
CORE = 0.06
"""Options that lose more than so much of a typical gain, at the prices, are left out of the search of a huge model."""
LOADED = 0.02
"""Least share in the fractional plan of an option that is loaded."""
NEAR = 0.1
"""Options that lose more than so much of a typical gain, at a goal's own prices, are left out of its search."""
ONE_CYCLE = (0.9,)
"""The one annealing of a goal by itself, and of a plan that is good already."""
KEPT = 300
"""How many entries keep their places before a typical gain of the goal counts as little: whom a goal does not concern
stays where that costs the goal nothing."""
WARMTH = 0.5
"""Where a later annealing begins, relative to the first of a search from nothing."""


def moved_goals(model: Model) -> list[int]:
    """Goals that columns change, in order."""
    return [number for number, goal in enumerate(model.goals) if goal.values.any()]


def gains_of(model: Model, k: int | None = None) -> Floats:
    """(n_columns,) all goals as one, larger is better; goal k's turn has come. One goal alone keeps its own units."""
    moved = moved_goals(model)
    if len(moved) == 1:
        return own_gains(model, moved[0])
    return -blended(model, 0, [TOGETHER**place * (BOOST if number == k else 1.0) for place, number in enumerate(moved)])


@dataclass(eq=False)
class LargeSearch:
    """What goes from stretch to stretch of a large model: prices (n_rows,) of the sum of all goals."""

    plan: Plan
    seed: int
    heard: Callable[[], None]
    worker: Worker
    prices: Floats | None = None
    threads: int = 1
    bounded: Callable[[float], None] | None = None
    """Hears of bounds on the gains, where they are those of one goal in its own units."""
    busy: Future[Sharpened] | None = None
    """What the second thread does meanwhile; it is free where there is nothing, or where that is done."""

    @cached_property
    def layout(self) -> Layout:
        """The model, laid out once."""
        return Layout.of(self.plan.model)

    @cached_property
    def parts(self) -> Ints:
        """(n_entries,) what hangs together."""
        return parts(self.plan.model)

    def together(
        self,
        pace: Pace,
        chosen: Bools | None,
        beside: Callable[[Floats], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """All goals at once, from placements (n_options,) of an earlier plan or from nothing.

        `beside` is told the prices, and entered while moves are made.
        """
        model, gains = self.plan.model, gains_of(self.plan.model)
        part: Part | None = self._loaded(gains)
        if model.n_options > MANY:
            part = None  # some options are left out below, and the dual needs the room
        dual = self._dual(gains, pace)
        if part is None:
            part = Part.of(self.layout, self._core(gains, dual.prices) | (dual.shares > LOADED))
        search = Search(part, gains, dual.prices, model.column_lower, self.seed)
        search.start(order_of(dual, part) if chosen is None else np.flatnonzero(chosen[part.option]))
        rest = pace.rest(1.0 - DUAL_SHARE)
        if chosen is not None:
            with beside(dual.prices):
                self._mend(search, rest)
                self._anneal(search, (), rest.rest(1.0), CYCLES, HOT)
            return
        swept = model.n_options <= MANY
        self._cycle(search, (), rest.part(CYCLES[0] if swept else CYCLES[0] + SWEEP_SHARE), HOT)
        self._mend(search, rest)
        if swept:
            sweep_small(self.plan, (), rest.part(SWEEP_SHARE), self.seed, self.worker)
        self._go_back(search)
        with beside(dual.prices):
            self._anneal(search, (), rest, CYCLES[1:], HOT * WARMTH)

    def _loaded(self, gains: Floats) -> Part:
        """The options as one part, and from the first second a plan: everybody in order, wherever they fit.

        Of very many options some, drawn: who has no room in those has it later.
        """
        model = self.plan.model
        drawn = np.ones(model.n_options, dtype=bool)
        if model.n_options > MANY:
            drawn = np.random.default_rng(self.seed).random(model.n_options) < MANY / model.n_options
        part = Part.of(self.layout, drawn)
        search = Search(part, gains, np.zeros(model.n_rows), model.column_lower, self.seed)
        search.load(np.argsort(option_rank(model)[part.option], kind="stable"))
        if search.best is not None:
            self.plan.offer(complete(model, part.chosen(search.best.place)), ())
        return part

    def one(
        self, held: Sequence[int], pace: Pace, dual_share: float = DUAL_SHARE, cycles: Sequence[float] = CYCLES
    ) -> None:
        """The goal after those held, from the plan as it stands."""
        model, k = self.plan.model, len(held)
        gains = gains_of(model, k)
        of_sum = self._dual(gains, pace, dual_share).prices
        prices = np.concatenate([of_sum, np.zeros(k)])
        part = Part.of(self.layout, self._core(gains, of_sum), held)
        search = Search(part, gains, prices, self.plan.columns, self.seed + k + 1)
        self._anneal(self._holding(search, held), held, pace.rest(1.0 - dual_share), cycles, HOT * WARMTH)

    def goal(self, held: Sequence[int], prices: Floats, pace: Pace) -> None:
        """The goal after those held by itself, at its own prices (n_rows + n_held,), from the plan as it stands.

        Over those whom it or an earlier goal concerns, and whoever its prices pay for, as a test that a treatment
        waits for. Others keep their places or give them up, and in the end take what is left.
        """
        model, k, before = self.plan.model, len(held), self.plan.chosen
        gains = own_gains(model, k)
        gaining = np.max([option_gain(model, j) for j in range(k + 1)], axis=0) > 0
        gaining |= reduced_prices(model, gains, prices)[: model.n_options] > 0
        concerned = np.isin(model.entry, model.entry[gaining])
        part = Part.of(self.layout, (concerned & near_the_best(model, gains, prices, NEAR)) | before, held)
        search = Search(part, gains + keeping(model, gains, before), prices, self.plan.columns, self.seed + k + 1)
        placed = gains[: model.n_options][before & (gains[: model.n_options] > 0)]
        if len(placed):
            search.typical = float(placed.mean())  # those who only keep a place would make it small
        self._anneal(self._holding(search, held), held, pace, ONE_CYCLE, HOT)
        self.plan.offer(and_the_others(model, self.plan.chosen, before), held)

    def _holding(self, search: Search, held: Sequence[int]) -> Search:
        """The search, with no auxiliary that goals held count larger than in the plan."""
        model = self.plan.model
        counted = np.any([goal.values[model.first_auxiliary :] != 0 for goal in model.goals[: len(held)]], axis=0)
        most = model.column_upper[model.first_auxiliary :]
        ease = np.where(counted, self.plan.columns[model.first_auxiliary :], most).astype(np.float64)
        search.within(search.part.arrays.lower, search.part.arrays.upper, ease)
        return search

    def _core(self, gains: Floats, prices: Floats) -> Bools:
        """(n_options,) options near the best of their entry at these prices (n_rows,), and the plan's own.

        All of them where there are not too many: prices that had little time are no reason to leave anybody out.
        """
        model = self.plan.model
        if model.n_options <= MANY:
            return np.ones(model.n_options, dtype=bool)
        return near_the_best(model, gains, prices, CORE) | self.plan.chosen

    def _dual(self, gains: Floats, pace: Pace, share: float = DUAL_SHARE) -> Dual:
        short = pace.part(share)
        nothing_held = goal_rows(self.plan.model, ())
        alone = len(moved_goals(self.plan.model)) == 1
        dual = solve_dual(
            self.plan.model,
            gains,
            nothing_held,
            start=self.prices,
            seconds=short.seconds,
            work=short.steps,
            tell=self.bounded if alone and self.bounded is not None else lambda bound: self.heard(),
            threads=self.threads,
        )
        self.prices = dual.prices
        return dual

    def _anneal(self, search: Search, held: Sequence[int], pace: Pace, cycles: Sequence[float], hot: float) -> None:
        """Annealings of such shares of a pace, each from the best plan so far; then small parts, exactly."""
        for share in cycles:
            self._cycle(search, held, pace.part(share), hot)
            self._go_back(search)
        sweep_small(self.plan, held, pace.part(SWEEP_SHARE), self.seed, self.worker)

    def _cycle(self, search: Search, held: Sequence[int], pace: Pace, hot: float) -> None:
        """One annealing from where a search stands: with a free thread by one search of each half of the model.

        Where there are no halves two searches go over everything: they end far apart. What one that is stopped has
        found counts too.
        """
        if self.threads == 1 or (self.busy is not None and not self.busy.done()):
            try:
                search.cycle(pace, hot, self.heard)
            finally:
                self._offer(search, held)
            return
        model, part = self.plan.model, search.part
        columns = complete(model, part.chosen(search.state.place))
        first = first_half(self.parts, model.entry, search.random)
        if first is None:
            copies = [search, search.over(part, columns, self.seed + 1)]
            try:
                side_by_side([partial(one.cycle, pace, hot) for one in copies], self.heard)
            finally:
                for copy in copies:
                    self._offer(copy, held)
            return
        keep = np.zeros(model.n_options, dtype=bool)
        keep[part.option] = True
        halves = [search.over(Part.of(self.layout, keep & half, held), columns, self.seed) for half in (first, ~first)]
        share_out(halves)
        try:
            side_by_side([partial(one.cycle, pace, hot) for one in halves], self.heard)
        finally:
            search.join(halves)
            self._offer(search, held)

    def _mend(self, search: Search, pace: Pace) -> None:
        """Until a search that has found no plan yet breaks nothing, within a share of a pace."""
        if search.best is None:
            search.mend(pace.part(MENDING_SHARE), self.heard)
            self._offer(search, ())

    def _go_back(self, search: Search) -> None:
        """To the best plan so far; a search that has found none goes on from where it stands."""
        if search.best is not None:
            search.adopt(self.plan.columns)

    def _offer(self, search: Search, held: Sequence[int]) -> None:
        if search.best is not None:
            self.plan.offer(complete(self.plan.model, search.part.chosen(search.best.place)), held)


def keeping(model: Model, gains: Floats, chosen: Bools) -> Floats:
    """(n_columns,) a little for whoever has a place, wherever it is. gains (n_columns,), chosen (n_options,)."""
    placed = np.zeros(model.n_entries, dtype=bool)
    placed[model.entry[chosen]] = True
    kept = np.zeros(model.n_columns)
    kept[: model.n_options] = placed[model.entry] * float(np.abs(gains[gains != 0]).mean()) / KEPT
    return kept


def order_of(dual: Dual, part: Part) -> Ints:
    """Options of a part to load: those of the fractional plan, largest share first."""
    share = dual.shares[part.option]
    order = np.flatnonzero(share > LOADED)
    return order[np.argsort(-share[order], kind="stable")]
