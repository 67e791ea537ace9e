"""improve: some of the options of a plan chosen anew by an exact solver, everything else in place.

All rows stand as the rest of the plan leaves them, with the earlier goals held. The objective is the goal with a tail
of the goals after it. A move counts only if the whole plan gets better in the exact order of the goals.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from allocator.backends import highs
from allocator.backends.problem import Budget, Problem
from allocator.backends.process import TICK_SECONDS, Worker, nothing, side_by_side
from allocator.certificate import goal_rows
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.solve.construct import construct, option_gain, option_rank
from allocator.solve.loader import complete
from allocator.solve.pace import Pace
from allocator.solve.plan import Plan

MOVE_NODES = 200
SMALL_PART, PART_SECONDS = 3000, 8.0
"""Options of a part that is solved whole in a large model, and seconds that it may take."""
NEAR = 0.2
"""Of a typical gain: options that lose more than this at the prices of the goal are left out of its sweep."""
LARGEST_PART, LEAST_PART_SECONDS = 15_000, 0.3
"""Options of those in a part whom one goal concerns, up to which they are solved for it; seconds at least."""
TAIL = (1.0, *(0.001 * 0.4**place for place in range(8)))
"""Weights of the goal and of those after it, each per typical gain: a move must not wreck what comes later."""
FINENESS = 1e6
"""The blended objective of a move in whole numbers: so many to one typical gain."""


@dataclass(frozen=True, eq=False)
class Around:
    """What every move of a goal needs, computed once.

    held       (n_held, n_columns) rows that hold goals; they stand below the rows of the model
    lower, upper  (n_rows + n_held,)
    objective  (n_columns,) the goal with its tail, to be made small
    """

    model: Model
    held: sparse.csr_array
    lower: Floats
    upper: Floats
    objective: Floats


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


def sweep_concerned(
    plan: Plan,
    held: Sequence[int],
    prices: Floats,
    pace: Pace,
    seed: int,
    workers: Sequence[Worker],
    heard: Callable[[], None] = nothing,
) -> bool:
    """Solve goal len(held) anew in every part, exactly, over those whom it or an earlier goal concerns.

    Options that lose much at the goal's row prices (n_rows + n_held,) against the best of their entry are left out.
    The largest part comes first; `heard` is called a few times a second. Others in a part keep their places or give
    them up, and take what is left afterwards.
    Parts are solved side by side where there are several workers and the pace is one of seconds. False where a part
    was too large, or nobody can gain on the goal by a place.
    """
    model, k = plan.model, len(held)
    gaining = np.max([option_gain(model, j) for j in range(k + 1)], axis=0) > 0
    concerned = np.isin(model.entry, model.entry[gaining]) & near_the_best(model, k, prices)
    concerned = (concerned | plan.chosen) & ~model.fixed
    part = parts(model)[model.entry]
    if concerned.sum() <= SMALL_PART:
        part = np.zeros_like(part)
    sizes = np.bincount(part[concerned])
    gains = np.bincount(part[concerned & (option_gain(model, k) > 0)], minlength=len(sizes))
    wanted = np.flatnonzero((gains > 0) & (sizes > 1) & (sizes <= LARGEST_PART))
    if not len(wanted):
        return False
    goal = model.goals[k]
    costs = (goal.values if goal.sense == "min" else -goal.values).astype(np.float64)
    around = replace(prepare(model, held), objective=costs)
    at_once = len(workers) if pace.steps is None else 1
    idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    for worker in workers[:at_once]:
        idle.put(worker)

    def solved(free: Ints, budget: Budget) -> tuple[Ints, Ints | None]:
        worker = idle.get()
        try:
            return free, move(around, plan.columns, free, budget, worker)
        finally:
            idle.put(worker)

    def taken(future: Future[tuple[Ints, Ints | None]]) -> None:
        while wait([future], TICK_SECONDS).not_done:
            heard()
        free, found = future.result()
        if found is not None:
            columns = plan.columns.copy()
            columns[free] = found[free]
            if not plan.offer(and_the_others(plan, columns), held):
                plan.offer(complete(model, columns[: model.n_options].astype(bool)), held)

    left = float(sizes[wanted].sum())
    futures: list[Future[tuple[Ints, Ints | None]]] = []
    with side_by_side(workers[:at_once]) as pool:
        for number in wanted[np.argsort(-sizes[wanted], kind="stable")]:
            if pace.over:
                break
            while len(futures) >= at_once:
                taken(futures.pop(0))
            share = at_once * (1.0 - pace.done) * pace.seconds * sizes[number] / left
            left -= sizes[number]
            seconds = np.inf if pace.steps is not None else min(PART_SECONDS, max(LEAST_PART_SECONDS, share))
            free = np.flatnonzero((part == number) & concerned)
            budget = Budget(seconds, None if pace.steps is None else MOVE_NODES, seed)
            futures.append(pool.submit(solved, free, budget))
            pace.step()
        for future in futures:
            taken(future)
    return bool((sizes[gains > 0] <= LARGEST_PART).all())


def near_the_best(model: Model, k: int, prices: Floats) -> Bools:
    """(n_options,) options that lose little at these row prices (n_rows + k,) for goal k against their entry's best."""
    gain = option_gain(model, k)
    reduced = gain - model.rows.column_prices(prices[: model.n_rows])[: model.n_options]
    for price, earlier in zip(prices[model.n_rows :].tolist(), model.goals, strict=False):
        if price:
            reduced = reduced - price * earlier.values[: model.n_options]
    best = np.zeros(model.n_entries)
    np.maximum.at(best, model.entry, reduced)
    usual = np.abs(gain[gain != 0])
    near: Bools = best[model.entry] - reduced <= NEAR * (float(np.median(usual)) if len(usual) else np.inf)
    return near


def and_the_others(plan: Plan, columns: Ints) -> Ints:
    """Everybody as in these columns, and whom they leave out as in the plan where that fits, or anywhere.

    An exact solver that was asked for one goal leaves out whom it does not concern, and the goals after it with them.
    """
    model = plan.model
    rank, n_options = option_rank(model), model.n_options
    rank[plan.chosen] -= n_options
    return complete(model, construct(model, rank, columns[:n_options].astype(bool)))


def parts(model: Model) -> Ints:
    """Number of the part that each entry belongs to, (n_entries,): entries that share sessions hang together."""
    n_entries = model.n_entries
    n_sessions = len(model.opening_column)
    size = n_entries + n_sessions
    edges = (np.ones(model.n_options), (model.entry, n_entries + model.session))
    graph = sparse.coo_array(edges, shape=(size, size)).tocsr()
    _, part = csgraph.connected_components(graph, directed=False)
    return np.asarray(part[:n_entries], dtype=np.int64)


def prepare(model: Model, held: Sequence[int]) -> Around:
    """The goal after the held ones with its tail, and the rows with the held ones below."""
    below, lower, upper = goal_rows(model, held)
    objective = np.rint(FINENESS * blended(model, len(held), TAIL))
    sides = np.append(model.rows.lower, lower), np.append(model.rows.upper, upper)
    return Around(model, below, *sides, objective)


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


def move(around: Around, columns: Ints, free: Ints, budget: Budget, worker: Worker) -> Ints | None:
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
    if outcome.result is None or outcome.result.values is None:
        return None
    after = rest
    after[moving] = outcome.result.values
    return after
