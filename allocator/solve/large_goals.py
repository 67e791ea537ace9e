"""large_goals: the goals of a large model in order: all together, then one after the other, each at its prices.

Where there is a second thread nobody waits for prices: they are looked for ahead (`allocator.solve.ahead`), at values
of the goals before that are not their last; what they prove then hardly changes. Where there is one goal its bound is
sharpened while it is searched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from allocator.answer import Limits
from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.certificate import goal_rows, held_value
from allocator.ending import Ending
from allocator.instance import Bools, Floats
from allocator.solve.ahead import Ahead
from allocator.solve.construct import option_gain, own_gains
from allocator.solve.dual import OutOfTimeError
from allocator.solve.exact import GoalSolve
from allocator.solve.improve import MOVE_NODES
from allocator.solve.large import LargeSearch, moved_goals
from allocator.solve.last_few import place_last_few
from allocator.solve.pace import Pace
from allocator.solve.patterns import Sharpened, sharpen
from allocator.solve.plan import Plan
from allocator.solve.prove import LARGEST_SHARPENED, Proposed, dual_prices, entry_prices
from allocator.solve.teller import Teller
from allocator.stopwatch import Stopwatch

LAST_PROOF_SHARE, LAST_PROOFS_SHARE = 0.4, 0.4
"""Of the seconds, left for sharpening the prices of the one goal, or of all goals."""
LAST_LOOK_SHARE, LAST_GLANCE_SHARE = 0.04, 0.03
"""The same where prices are only looked at: they are sharpened by then, or the model is too large for that."""
TOGETHER_SHARE = 0.12
"""Of what is left at the beginning, for all goals together."""
PROOF_SHARE_OF_GOAL = 0.4
"""Of the seconds of a goal, at most for the prices that prove its bound."""
POLISH = 0.5
"""The same where they were looked for beside the goal before."""
AHEAD = 3.0
"""How many times an even share of what is left the prices of a goal may take beside the search."""
LAST_FEW_SHARE = 0.06
"""Of what is left, at most, for the last few people whom a goal could gain."""
BLIND_SHARE = 0.3
"""Of the seconds of a goal that no placement gains on by itself: moves find little there."""
SHORTEST_SECONDS = 0.5
"""Less than this is not begun: a child process alone takes as long to start."""


T = TypeVar("T")


@dataclass(eq=False)
class Found:
    """What a search has found beside its plan: how goals ended, and prices of goals and of all goals together."""

    solves: dict[int, GoalSolve]
    of_goals: dict[int, Floats]
    of_sum: Floats | None
    earlier: Mapping[int, Floats] = field(default_factory=dict)
    """Sharpened prices of goals, as an earlier run left them."""
    sharpened: dict[int, Sharpened] = field(default_factory=dict)
    rough: set[int] = field(default_factory=set)

    @property
    def proposed(self) -> dict[int, Proposed]:
        """Prices of every goal that has some."""
        return {
            k: Proposed(self.of_goals.get(k), self.sharpened.get(k), k in self.rough, self.earlier.get(k))
            for k in sorted({*self.of_goals, *self.earlier})
        }


def search_large(
    plan: Plan, found: Found, chosen: Bools | None, limits: Limits, teller: Teller, worker: Worker
) -> None:
    """Improve a plan too large for exact solvers; `chosen` (n_options,) are placements to begin from."""
    moved, watch = moved_goals(plan.model), teller.watch
    if not moved or watch.left < SHORTEST_SECONDS:
        return
    teller.turn(moved[0])
    alone, two = len(moved) == 1, limits.threads > 1 and limits.work is None
    if np.isfinite(limits.seconds):
        if plan.model.n_options > LARGEST_SHARPENED:
            share = LAST_GLANCE_SHARE
        elif alone:
            share = LAST_LOOK_SHARE if two else LAST_PROOF_SHARE
        else:
            share = LAST_PROOFS_SHARE
        watch = watch.reserving(share * watch.left)
    threads = 2 if alone and two else 1
    large = LargeSearch(plan, limits.seed, teller.heard, worker, found.of_sum, threads, teller.bounded)
    goals = LargeGoals(large, found, limits, teller, watch, moved, two)
    if alone:
        goals.alone(moved[0], chosen)
        goals.in_order()
    else:
        goals.together_and_in_order(chosen)
    found.of_sum = large.prices


@dataclass(frozen=True, eq=False)
class LargeGoals:
    """The goals of one search: `moved` are those that columns change; `two`: a second thread may do something."""

    large: LargeSearch
    found: Found
    limits: Limits
    teller: Teller
    watch: Stopwatch
    moved: list[int]
    two: bool

    def alone(self, k: int, chosen: Bools | None) -> None:
        """The one goal that moves."""
        pace = self._pace(1.0)

        @contextmanager
        def meanwhile(prices: Floats) -> Iterator[None]:
            self.found.of_goals[k] = np.append(prices, np.zeros(k))
            if not self.two or self.large.plan.model.n_options > LARGEST_SHARPENED:
                yield
                return
            with beside(partial(self._sharpened, k, pace.left)) as future:
                self.large.busy = future
                yield
            self.found.sharpened[k] = future.result()

        self.large.together(pace, chosen, meanwhile)

    def together_and_in_order(self, chosen: Bools | None) -> None:
        """All goals, each weighing more than those after it, and then one after the other."""
        begin = dict(self.found.of_goals)
        model, earlier = self.large.plan.model, self.found.earlier
        ahead = Ahead(model, begin, earlier, self._held, self._seconds_ahead, self._bounded)
        try:
            with ahead.working() if self.two else nullcontext():
                self.large.together(self._pace(TOGETHER_SHARE), chosen)
                self.in_order(ahead if self.two else None)
        finally:
            self.found.of_goals |= {k: found for k, found in ahead.prices.items() if k not in self.found.solves}
            self.found.sharpened |= ahead.sharpened
            self.found.rough |= ahead.rough

    def in_order(self, ahead: Ahead | None = None) -> None:
        """One goal after the other, those before held. Where only one moves it is done."""
        plan, held = self.large.plan, list[int]()
        for k, goal in enumerate(plan.model.goals):
            begun = self.watch.elapsed
            ending = Ending.WORK_LIMIT if self.limits.work is not None else Ending.TIME_LIMIT
            loosest = self.teller.turn(k)
            if len(self.moved) > 1 and loosest != goal.value(plan.columns) and self.watch.left >= SHORTEST_SECONDS:
                # Nodes where work is counted, for equal plans, and the clock all the same.
                nodes = None if self.limits.work is None else MOVE_NODES
                budget = Budget(LAST_FEW_SHARE * self.watch.left, nodes, self.limits.seed)
                place_last_few(plan, held, budget, self.large.worker)
            if loosest == goal.value(plan.columns):
                ending = Ending.OPTIMAL
            elif self.watch.left < SHORTEST_SECONDS:
                break
            elif len(self.moved) > 1:
                self._one(k, held, self._pace(goal_share(k, len(plan.model.goals))), ahead)
            self.found.solves[k] = GoalSolve(None, None, ending, self.watch.elapsed - begun)
            self.teller.note()
            held.append(held_value(plan.model, k, goal.value(plan.columns)))

    def _one(self, k: int, held: list[int], pace: Pace, ahead: Ahead | None) -> None:
        """Goal k: its prices, or what is left to find of them, and then the plan."""
        plan = self.large.plan
        begin = ahead.take(k, self.large.heard) if ahead is not None else None
        share = PROOF_SHARE_OF_GOAL if begin is None else POLISH
        short, begin = pace.part(share), self.found.of_goals.get(k) if begin is None else begin
        prices = dual_prices(plan.model, k, held, begin, short.seconds, short.steps, self.teller.bounded)
        self.found.of_goals[k] = prices
        rest = pace.rest(1.0 - share)
        if (option_gain(plan.model, k) > 0).any():
            self.large.goal(held, prices, rest)
        else:
            self.large.one(held, rest.part(BLIND_SHARE))

    def _seconds_ahead(self, k: int) -> float | None:
        """How long the prices of goal k may take beside the search; None where the plan is the best for it already."""
        goals = self.large.plan.model.goals
        if k not in self.moved or self.teller.loosest(k) == goals[k].value(self.large.plan.columns):
            return None
        return self.watch.left * AHEAD / (len(goals) - k + 2)

    def _bounded(self, k: int, bound: float) -> None:
        """What the thread ahead says of goal k is told where that goal is in hand."""
        if self.teller.k == k:
            self.teller.bounded(bound)

    def _sharpened(self, k: int, seconds: float, tell: Callable[[float], None]) -> Sharpened:
        """Prices of goal k with sessions as units, sharpened from those found."""
        model = self.large.plan.model
        gains, rows = own_gains(model, k), goal_rows(model, self._held(k))

        def bounded(bound: float) -> None:
            self.teller.bounded(bound)
            tell(bound)

        start = entry_prices(model, gains, self.found.of_goals[k])
        return sharpen(model, gains, rows, start, seconds=seconds, tell=bounded, earlier=self.found.earlier.get(k))

    def _held(self, k: int) -> list[int]:
        """What the goals before goal k are held at as the plan stands."""
        plan = self.large.plan
        return [held_value(plan.model, j, goal.value(plan.columns)) for j, goal in enumerate(plan.model.goals[:k])]

    def _pace(self, share: float) -> Pace:
        """Such a share of what is left; of the work, what one of many stretches gets."""
        work = self.limits.work
        steps = None if work is None else max(4, work if len(self.moved) == 1 else work // 4)
        return Pace(share * self.watch.left, steps)


@contextmanager
def beside(find: Callable[[Callable[[float], None]], T]) -> Iterator[Future[T]]:
    """find(tell) by a thread of its own while the block runs; after that what it tells ends it, by OutOfTimeError."""
    stopped = threading.Event()

    def tell(_: float) -> None:
        if stopped.is_set():
            raise OutOfTimeError

    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(find, tell)
        try:
            yield future
        finally:
            stopped.set()


def goal_share(k: int, n_goals: int) -> float:
    """Share of what is left for goal k of n: earlier goals may take four times an even share."""
    return min(1.0, 4.0 / (n_goals - k + 3))
