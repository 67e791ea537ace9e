"""dive: whole plans out of the relaxation over session patterns (`allocator.solve.master`).

A dive fixes the patterns that the relaxation likes best, generates what the other sessions then want, and goes on
until few options are free; those are placed exactly by HiGHS. Its bound says early whether it can still beat the
plan. Later dives keep a part of the plan's own sessions, as many as leaves something to find. They end where the
relaxation's prices leave few options that a better plan may have: those are for an exact solver.
Sources: Sadykov, Vanderbeck, Pessoa, Tahiri and Uchoa (2019) for dives; Danna, Rothberg and Le Pape (2005) for
keeping what plan and relaxation share. What it brings: docs/decisions/0032-dives.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from allocator.answer import silent
from allocator.backends.process import Worker
from allocator.certificate import SCALE, PricesTooLargeError, goal_rows, whole_prices
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.option_losses import may_be_better, priced_goal
from allocator.solve.construct import own_gains
from allocator.solve.dual import solve_dual
from allocator.solve.improve import move, move_budget, prepare
from allocator.solve.loader import complete
from allocator.solve.master import Master, Pattern
from allocator.solve.pace import Pace
from allocator.solve.patterns import sharpen
from allocator.solve.plan import Plan
from allocator.solve.prove import entry_prices

PRICES_SHARE = 0.1
"""Of the time, for prices to begin with."""
ROOT_ITERATIONS, ITERATIONS = 1000, 60
"""Rounds of new patterns before anything is fixed, and after each fixing."""
ROUNDS_OF_A_STEP = 5
"""Where a run counts work, the rounds before anything is fixed are no more than so many for each step."""
FEW = 180
"""Free options that an exact solver places well in no time."""
FINISH_SECONDS = 1.0
FEW_LEFT = 1_000, 0.5
"""Options that a better plan may have, at most, and their share, of which an exact solver finds the best: no more dives
then."""
SURE = 0.999
"""A pattern with this share is fixed without another."""
STEP = 0.5
"""A goal gets better by whole numbers."""
NOISE = 0.1
"""Largest share that chance adds to a pattern's, so that no two dives are the same."""
FREE_DIVES = 4
"""Dives that keep nothing, before those that keep a part of the plan."""
KEPT, LESS, MORE, MOST_KEPT = 0.4, 0.9, 0.02, 0.7
"""Share of sessions kept; it falls by a factor where nothing could be better, and rises where something could."""


def improve_by_dives(
    plan: Plan,
    held: Sequence[int],
    pace: Pace,
    seed: int,
    worker: Worker,
    done: Callable[[], bool] = lambda: False,
    tell: Callable[[float], None] = silent,
) -> Floats | None:
    """Improve goal len(held) of a plan until the pace ends, somebody is `done`, or few options can be in a better one.

    Row prices (n_rows + n_held,) that prove a bound by sessions on that goal; None where time was short. `tell` hears
    that bound on its gains.
    """
    model, k = plan.model, len(held)
    around = prepare(model, held)
    gains = own_gains(model, k)

    def stop() -> bool:
        return pace.over or done()

    random = np.random.default_rng([seed, k])
    master = Master(model, gains, held, plan.columns)
    master.begin(first_prices(model, gains, held, pace), random)
    rounds = ROOT_ITERATIONS if pace.steps is None else min(ROOT_ITERATIONS, ROUNDS_OF_A_STEP * pace.steps)
    bound = master.solve(float(gains @ plan.columns) + STEP, rounds, stop)
    prices = master.prices
    tell(bound)
    share, dives = KEPT, 0
    looked_at = -np.inf if np.isfinite(bound) else np.inf
    while not stop() and bound >= (cutoff := float(gains @ plan.columns) + STEP):
        if cutoff > looked_at:
            looked_at = cutoff
            if few_may_be_better(model, held, prices, model.goals[k].value(plan.columns)):
                break
        kept = np.zeros(model.n_options, dtype=bool)
        if dives >= FREE_DIVES:
            kept = plan.chosen & (random.random(model.n_sessions) < share)[model.session]
        found = dive(master, cutoff, kept, random, stop)
        master.prices = prices
        if found is not None:
            begun, free = complete(model, found[0]), np.flatnonzero(found[1])
            budget = move_budget(pace, min(FINISH_SECONDS, pace.left), seed)
            plan.offer(move(around, begun, free, budget, worker) if len(free) else begun, held)
        if dives >= FREE_DIVES:
            share = share * LESS if found is None else min(MOST_KEPT, share + MORE)
        dives += 1
        pace.step()
    return prices if np.isfinite(bound) else None


def few_may_be_better(model: Model, held: Sequence[int], prices: Floats, value: int) -> bool:
    """Are those options few that a plan better than this value of goal len(held) may have, by these prices."""
    few = min(FEW_LEFT[0], FEW_LEFT[1] * model.n_options)
    return int((may_be_better_by(model, held, prices, value) & ~model.fixed).sum()) <= few


def may_be_better_by(model: Model, held: Sequence[int], prices: Floats, value: int) -> Bools:
    """(n_options,) which options a plan better than this value of goal len(held) may have, by these prices."""
    whole = whole_prices(prices)
    try:
        goal = priced_goal(model, len(held), held, whole, SCALE, True, value)
    except PricesTooLargeError:
        return np.ones(model.n_options, dtype=bool)
    return may_be_better(model, goal)


def first_prices(model: Model, gains: Floats, held: Sequence[int], pace: Pace) -> Floats:
    """Row prices (n_rows + n_held,) near those of the best bound by sessions: from that by entries, sharpened."""
    rows = goal_rows(model, held)
    short = pace.part(PRICES_SHARE)
    dual = solve_dual(model, gains, rows, seconds=short.seconds / 2, work=short.steps)
    begun = entry_prices(model, gains, dual.prices)
    return sharpen(model, gains, rows, begun, seconds=short.seconds / 2, work=short.steps).prices


def dive(
    master: Master, cutoff: float, kept: Bools, random: np.random.Generator, stop: Callable[[], bool]
) -> tuple[Bools, Bools] | None:
    """One dive: placements, and options that are still free, both (n_options,); None if it cannot beat the cutoff.

    `kept` (n_options,) are placements, whole sessions, to begin with.
    """
    model = master.model
    try:
        if kept.any():
            master.keep(kept)
        while True:
            if master.fixed and master.solve(cutoff, ITERATIONS, stop) < cutoff:
                return None
            if stop():
                return None
            free = ~master.blocked & ~model.fixed
            share = master.shares()
            if free.sum() <= FEW or not share.any():
                return model.fixed | master.placed, free
            sure = np.flatnonzero(share > SURE)
            if not len(sure):
                sure = np.array([np.argmax(share + NOISE * random.random(len(share)) * (share > 0))])
            master.fix(sure.tolist())
            master.know(without_taken(master, np.flatnonzero(share)))
    finally:
        master.release()


def without_taken(master: Master, numbers: Ints) -> list[Pattern]:
    """What is left of these patterns, in sessions not settled, once entries that are taken are out."""
    model = master.model
    rest: list[Pattern] = []
    for number in numbers.tolist():
        session, option = master.patterns[number]
        left = option[~master.taken[model.entry[option]] | model.fixed[option]]
        if not master.settled[session] and max(1, model.sessions.fewest[session]) <= len(left) < len(option):
            rest.append((session, left))
    return rest
