"""improve_goal: large neighbourhood search, one goal at a time, every move solved exactly by HiGHS.

A neighbourhood is a handful of sessions that somebody who loses on the goal could use. Everybody in them,
and those without a place who could use them, are placed anew as a small whole-number problem with all
rows as the rest of the plan leaves them and the earlier goals held. Its objective is the goal with a tail
of the goals after it. A move counts only if the whole plan gets better in the exact order of the goals.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from allocator.answer import Ending
from allocator.backends import highs
from allocator.backends.problem import Budget, Problem
from allocator.backends.process import Worker
from allocator.certificate import goal_rows
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.solve.construct import option_gain
from allocator.solve.pace import Pace
from allocator.solve.plan import Plan

SESSIONS = 8
"""Sessions in a neighbourhood."""
NEWCOMERS = 60
"""Entries without a place that a neighbourhood admits."""
MOVE_SECONDS = 0.6
MOVE_NODES = 200
SMALL_PART, PART_SECONDS = 3000, 3.0
"""Options of a part that is solved whole in a large model, and seconds that it may take."""
SWEEP_SHARE = 0.9
"""Of the seconds of a goal, for solving anew each part of the model that hangs together."""
TAIL = (1.0, *(0.001 * 0.4**place for place in range(8)))
"""Weights of the goal and of those after it, each per typical gain: a move must not wreck what comes later."""
PATIENCE = 60
"""Moves without any gain after which a goal is left."""
FINENESS = 1e6
"""The blended objective of a move in whole numbers: so many to one typical gain."""


class MoveFailedError(RuntimeError):
    """The solver broke down on a move; its own word for it is the message."""


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """What the choice of neighbourhoods needs, computed once a goal.

    gain       (n_options,) what each option does for the goal, larger is better
    best       (n_entries,) the most that any option of the entry could do
    held       (n_held, n_columns) rows that hold goals; they stand below the rows of the model
    lower, upper  (n_rows + n_held,)
    objective  (n_columns,) the goal with its tail, to be made small
    """

    model: Model
    gain: Ints
    best: Ints
    held: sparse.csr_array
    lower: Floats
    upper: Floats
    objective: Floats


def improve_goal(
    plan: Plan, held: Sequence[int], budget: Budget, worker: Worker, done: Callable[[], bool] = lambda: False
) -> Ending:
    """Improve goal len(held) of the plan until time, work or patience ends, or somebody else is `done`."""
    around = prepare(plan.model, held)
    try:
        return search_around(plan, around, held, budget, worker, done)
    except MoveFailedError:
        return Ending.SOLVER_FAILED


def search_around(
    plan: Plan,
    around: Neighbourhoods,
    held: Sequence[int],
    budget: Budget,
    worker: Worker,
    done: Callable[[], bool],
) -> Ending:
    """A sweep over the parts of the model, then neighbourhoods by chance."""
    random = np.random.default_rng([budget.seed, len(held)])
    deadline = time.monotonic() + budget.seconds
    sweep(plan, around, held, budget, worker, deadline)
    moves = idle = 0
    while idle < PATIENCE and not done():
        if budget.work is not None and moves >= budget.work:
            return Ending.WORK_LIMIT
        left = deadline - time.monotonic()
        if left < 0.1:
            return Ending.TIME_LIMIT
        free = choose(around, plan.columns, random)
        if not len(free):
            # Everybody has the best that the goal could give; only a certificate says that nothing is better.
            return Ending.WORK_LIMIT
        seconds = np.inf if budget.work is not None else min(MOVE_SECONDS, left)
        found = move(around, plan.columns, free, Budget(seconds, MOVE_NODES, budget.seed), worker)
        idle = 0 if plan.offer(found, held) else idle + 1
        moves += 1
    return Ending.TIME_LIMIT


def sweep(
    plan: Plan, around: Neighbourhoods, held: Sequence[int], budget: Budget, worker: Worker, deadline: float
) -> None:
    """Solve each part of the model that hangs together anew, those with most to gain first."""
    model = plan.model
    loss = entry_loss(around, plan.chosen)
    part = parts(around.model)
    lost = np.bincount(part[model.entry], weights=loss[model.entry], minlength=part.max(initial=0) + 1)
    waiting = float(lost.sum())
    concerned = np.isin(model.entry, np.flatnonzero(loss > 0))
    for number in np.argsort(-lost, kind="stable"):
        left = deadline - time.monotonic()
        if lost[number] == 0 or left < 0.1:
            break
        share = SWEEP_SHARE * left * lost[number] / waiting
        waiting -= float(lost[number])
        free = np.flatnonzero((part[model.entry] == number) & (concerned | plan.chosen) & ~model.fixed)
        seconds = np.inf if budget.work is not None else max(0.3, share)
        work = None if budget.work is None else min(budget.work, MOVE_NODES)
        plan.offer(move(around, plan.columns, free, Budget(seconds, work, budget.seed), worker), held)


def sweep_small(plan: Plan, held: Sequence[int], pace: Pace, seed: int, worker: Worker) -> None:
    """Solve every part that hangs together and has few options anew, exactly, the smallest first."""
    model = plan.model
    part = parts(model)[model.entry]
    sizes = np.bincount(part[~model.fixed])
    small = np.flatnonzero((sizes > 1) & (sizes <= SMALL_PART))
    if not len(small):
        return
    around = prepare(model, held)
    for number in small[np.argsort(sizes[small], kind="stable")]:
        if pace.over:
            break
        free = np.flatnonzero((part == number) & ~model.fixed)
        work = None if pace.steps is None else MOVE_NODES
        seconds = np.inf if pace.steps is not None else min(PART_SECONDS, (1.0 - pace.done) * pace.seconds)
        plan.offer(move(around, plan.columns, free, Budget(seconds, work, seed), worker), held)
        pace.step()


def parts(model: Model) -> Ints:
    """Number of the part that each entry belongs to, (n_entries,): entries that share sessions hang together."""
    n_entries = model.n_entries
    n_sessions = len(model.opening_column)
    size = n_entries + n_sessions
    edges = (np.ones(model.n_options), (model.entry, n_entries + model.session))
    graph = sparse.coo_array(edges, shape=(size, size)).tocsr()
    _, part = csgraph.connected_components(graph, directed=False)
    return np.asarray(part[:n_entries], dtype=np.int64)


def prepare(model: Model, held: Sequence[int]) -> Neighbourhoods:
    """Gains of the goal after the held ones, and the rows with the held ones below."""
    gain = option_gain(model, len(held))
    if not gain.any():
        # The goal moves through auxiliaries only (shares, shortfalls): whoever has no place may matter to it.
        gain = np.ones_like(gain)
    best = np.zeros(model.n_entries, dtype=np.int64)
    np.maximum.at(best, model.entry, gain)
    below, lower, upper = goal_rows(model, held)
    objective = np.rint(FINENESS * blended(model, len(held), TAIL))
    sides = np.append(model.rows.lower, lower), np.append(model.rows.upper, upper)
    return Neighbourhoods(model, gain, best, below, *sides, objective)


def blended(model: Model, k: int, weights: Sequence[float]) -> Floats:
    """Goal k and those after it as one objective to make small, (n_columns,): a weight per typical gain.

    Goals that no column changes take no weight.
    """
    blend = np.zeros(model.n_columns)
    moved = [goal for goal in model.goals[k:] if goal.values.any()]
    for weight, goal in zip(weights, moved, strict=False):
        costs = (goal.values if goal.sense == "min" else -goal.values).astype(np.float64)
        blend += weight * costs / float(np.abs(costs[costs != 0]).mean())
    return blend


def choose(around: Neighbourhoods, columns: Ints, random: np.random.Generator) -> Ints:
    """Options that are free in the next neighbourhood; none where nobody can gain."""
    model = around.model
    chosen = columns[: model.n_options].astype(bool)
    loss = entry_loss(around, chosen)
    losers = np.flatnonzero(loss > 0)
    if not len(losers):
        return losers
    weight = loss[losers] / loss[losers].sum()
    seed = int(random.choice(losers, p=weight))
    sessions = nearby_sessions(around, seed, random)
    in_reach = np.isin(model.session, sessions) & ~model.fixed
    inside = np.unique(model.entry[in_reach & chosen])
    placed = np.zeros(len(loss), dtype=bool)
    placed[model.entry[chosen]] = True
    outside = np.unique(model.entry[in_reach])
    outside = outside[~placed[outside]]
    if len(outside) > NEWCOMERS:
        lucky = random.random(len(outside)) ** (1.0 / (1.0 + loss[outside] / max(1, loss[outside].max())))
        outside = outside[np.argsort(-(loss[outside] / max(1, loss.max()) + 0.3 * lucky), kind="stable")[:NEWCOMERS]]
    entries = np.concatenate([inside, outside, [seed]])
    return np.flatnonzero(np.isin(model.entry, entries) & (in_reach | (chosen & ~model.fixed)))


def entry_loss(around: Neighbourhoods, chosen: Bools) -> Ints:
    """What each entry could gain at best on the goal beyond what it has, (n_entries,)."""
    has = np.zeros(len(around.best), dtype=np.int64)
    np.add.at(has, around.model.entry[chosen], around.gain[chosen])
    loss = around.best - has
    loss[around.model.entry[around.model.fixed]] = 0
    return loss


def nearby_sessions(around: Neighbourhoods, seed: int, random: np.random.Generator) -> Ints:
    """Sessions that the seed could use, and sessions that are like them by who could use them."""
    model = around.model
    first, stop = np.searchsorted(model.entry, [seed, seed + 1])
    mine = model.session[first:stop]
    gains = around.gain[first:stop].astype(np.float64)
    order = np.argsort(-(gains - gains.min()) / max(1.0, np.ptp(gains)) - random.random(len(mine)), kind="stable")
    picked = mine[order[: SESSIONS // 2]]
    fellows = np.unique(model.entry[np.isin(model.session, picked)])
    others = np.setdiff1d(np.unique(model.session[np.isin(model.entry, fellows)]), picked)
    more = random.permutation(others)[: SESSIONS - len(picked)]
    return np.concatenate([picked, more])


def move(around: Neighbourhoods, columns: Ints, free: Ints, budget: Budget, worker: Worker) -> Ints | None:
    """The plan with the free options, and the openings and auxiliaries, chosen anew; None if no answer."""
    model = around.model
    n_options = model.n_options
    sessions = np.unique(model.session[free])
    openings = model.opening_column[sessions]
    auxiliaries = np.arange(n_options + len(model.opening_session), model.n_columns)
    moving = np.concatenate([free, openings[openings >= 0], auxiliaries])
    part = sparse.vstack([model.rows.columns(moving), around.held[:, moving]], format="csr")
    touched = np.flatnonzero(np.diff(part.indptr))
    part = part[touched]
    rest = columns.copy()
    rest[moving] = 0
    used = np.append(model.rows.activity(rest), around.held @ rest)[touched]
    problem = Problem(
        part,
        around.lower[touched] - used,
        around.upper[touched] - used,
        model.column_lower[moving],
        model.column_upper[moving],
        around.objective[moving].astype(np.int64),
        columns[moving],
    )
    outcome = worker.call(highs.solve, problem, budget, seconds=budget.seconds)
    if outcome.result is not None and outcome.result.ending is Ending.SOLVER_FAILED:
        raise MoveFailedError(outcome.result.native)
    if outcome.result is None or outcome.result.values is None:
        return None
    after = rest
    after[moving] = outcome.result.values
    return after
