"""exact: one goal as a whole-number problem, given to a backend in a child process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import sparse

from allocator.answer import silent
from allocator.backends import cbc, cpsat, highs, scip
from allocator.backends.problem import Budget, Incumbent, Problem, Result
from allocator.backends.process import Outcome, Worker
from allocator.certificate import with_held
from allocator.ending import Ending
from allocator.formulation import Model
from allocator.instance import Bools, Ints
from allocator.row_products import activities

BACKENDS: Mapping[str, Callable[[Problem, Budget, Incumbent], Result]] = {
    "highs": highs.solve,
    "cpsat": cpsat.solve,
    "scip": scip.solve,
    "cbc": cbc.solve,
}


SMALL, SMALL_IN_ORDER = 20_000, 2_000
"""Options up to which a model is small, with one goal and with several (0041)."""
OWN_SHARE, LONGEST_OVERRUN = 0.85, 2.0
"""Of the seconds until a solver is killed, what it is told to take: at least such a share, and all but so many."""


@dataclass(frozen=True, eq=False)
class GoalSolve:
    """What came of one goal: the best columns found (or None), the backend's claim, and how it ended."""

    columns: Ints | None
    solver_bound: int | None
    ending: Ending
    seconds: float = 0.0


def goal_problem(model: Model, k: int, held: Sequence[int], start: Ints | None = None) -> Problem:
    """Goal k as a minimisation, with the goals before it held."""
    matrix, lower, upper = with_held(model, held)
    goal = model.goals[k]
    costs = goal.values if goal.sense == "min" else -goal.values
    return Problem(matrix, lower, upper, model.column_lower, model.column_upper, costs, start)


def with_sums(model: Model, problem: Problem) -> Problem:
    """The problem with a column for the sum of each group behind its own, as anybody would write it.

    Rows over whole groups are then a few coefficients instead of one for every member: many times faster to solve.
    """
    rows = model.rows
    n_groups = rows.members.shape[0]
    if not n_groups:
        return problem
    n_held = len(problem.lower) - model.n_rows
    held = sparse.csr_array(problem.matrix[model.n_rows :])
    minus_sums = -sparse.eye_array(n_groups, dtype=np.int64, format="csr")
    no_sums = sparse.csr_array((n_held, n_groups), dtype=np.int64)
    parts = [[rows.direct, rows.weights], [held, no_sums], [rows.members, minus_sums]]
    nothing, sums = np.zeros(n_groups), partial(activities, rows.members)
    return replace(
        problem,
        matrix=sparse.block_array(parts, format="csr"),
        lower=np.concatenate([problem.lower, nothing]),
        upper=np.concatenate([problem.upper, nothing]),
        column_lower=np.concatenate([problem.column_lower, sums(problem.column_lower)]),
        column_upper=np.concatenate([problem.column_upper, sums(problem.column_upper)]),
        costs=np.concatenate([problem.costs, np.zeros(n_groups, dtype=np.int64)]),
        start=None if problem.start is None else np.concatenate([problem.start, sums(problem.start)]),
    )


def solve_goal(
    model: Model,
    k: int,
    held: Sequence[int],
    start: Ints | None,
    backend: str,
    budget: Budget,
    worker: Worker,
    claimed: Callable[[int], None] = silent,
    among: Bools | None = None,
) -> GoalSolve:
    """Goal k by one backend, within the budget; the child is killed when it overruns.

    `claimed` hears of every bound that the backend claims on the way. Other options than those `among` (n_options,) and
    those of `start` are left out: where no better plan has any of them, what is claimed holds for all.
    """
    problem = goal_problem(model, k, held, start)
    if among is not None:
        problem = replace(problem, column_upper=without_others(model, among, start))
    problem = with_sums(model, problem)
    # The solver's own limit comes first, for only a solver that ends by itself hands back its bound.
    own = replace(budget, seconds=max(OWN_SHARE * budget.seconds, budget.seconds - LONGEST_OVERRUN))
    goal = model.goals[k]

    def in_goal_units(bound: int | None) -> int | None:
        return None if bound is None else goal.constant + (bound if goal.sense == "min" else -bound)

    def heard(values: Ints | None, bound: int | None) -> None:
        if (claim := in_goal_units(bound)) is not None:
            claimed(claim)

    outcome = worker.call(BACKENDS[backend], problem, own, seconds=budget.seconds, heard=heard)
    best = best_of(problem, outcome)
    if outcome.result is not None:
        found: Result = outcome.result
        if found.ending is Ending.INFEASIBLE and start is not None:  # and the start keeps every row
            return GoalSolve(columns_of(model, best), None, Ending.SOLVER_FAILED)
        return GoalSolve(columns_of(model, best), in_goal_units(found.bound), found.ending)
    bounds = [bound for _, bound in outcome.incumbents if bound is not None]
    return GoalSolve(columns_of(model, best), in_goal_units(max(bounds, default=None)), Ending.TIME_LIMIT)


def without_others(model: Model, among: Bools, start: Ints | None) -> Ints:
    """(n_columns,) upper ends, 0 for options that are neither among these, nor in the start, nor fixed."""
    kept = among | model.fixed
    if start is not None:
        kept = kept | (start[: model.n_options] > 0)
    upper = model.column_upper.copy()
    upper[: model.n_options][~kept] = 0
    return upper


def columns_of(model: Model, values: Ints | None) -> Ints | None:
    """Columns of the model (n_columns,), without the sums behind them."""
    return None if values is None else values[: model.n_columns]


def best_of(problem: Problem, outcome: Outcome) -> Ints | None:
    """The cheapest values that a solver ended with or told on the way, if there are any."""
    ended = [] if outcome.result is None else [outcome.result.values]
    there = [values for values in (*ended, *(told for told, _ in outcome.incumbents)) if values is not None]
    return min(there, key=problem.value) if there else None


def is_small(model: Model) -> bool:
    """Is the whole model worth giving to an exact solver: of one goal a larger one than of several in order."""
    return model.n_options <= (SMALL if len(model.goals) == 1 else SMALL_IN_ORDER)
