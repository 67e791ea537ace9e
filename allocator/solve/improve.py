"""improve: some of the options of a plan chosen anew by an exact solver, everything else in place.

All rows stand as the rest of the plan leaves them, with the earlier goals held. The objective is the goal with a tail
of the goals after it. A move counts only if the whole plan gets better in the exact order of the goals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from allocator.backends import highs
from allocator.backends.problem import Budget, Problem
from allocator.backends.process import Worker
from allocator.certificate import goal_rows, reduced_prices
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.solve.pace import Pace

MOVE_NODES = 200
"""Of one move, where work is counted instead of seconds."""
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


def near_the_best(model: Model, gains: Floats, prices: Floats, share: float) -> Bools:
    """(n_options,) options that lose at most such a share of a typical gain against their entry's best, or nothing.

    gains (n_columns,) larger is better; prices (n_rows + n_held,).
    """
    usual = np.abs(gains[: model.n_options])
    within = share * float(np.median(usual[usual > 0])) if usual.any() else np.inf
    near: Bools = losses_of_options(model, gains, prices) <= within
    return near


def losses_of_options(model: Model, gains: Floats, prices: Floats) -> Floats:
    """(n_options,) what each loses at these prices (n_rows + n_held,) against the best of its entry, or nothing."""
    reduced = reduced_prices(model, gains, prices)[: model.n_options]
    best = np.zeros(model.n_entries)
    np.maximum.at(best, model.entry, reduced)
    return np.asarray(best[model.entry] - reduced)


def move_budget(pace: Pace, seconds: float, seed: int) -> Budget:
    """What one move may cost: seconds, or nodes where the pace counts work, so that equal work gives equal plans."""
    return Budget(seconds, None, seed) if pace.steps is None else Budget(np.inf, MOVE_NODES, seed)


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
