"""A solver given the whole model at once, as a competent engineer would write it first.

The same rows, columns and goal as the engine has; a row over whole groups gets a column for each group's
sum, as anybody would write it, instead of a coefficient for every member. No start is given.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from allocator.backends.problem import Budget, Problem, Result
from allocator.backends.process import Worker
from allocator.ending import Ending
from allocator.formulation import Model
from allocator.instance import Ints
from allocator.solve.exact import BACKENDS, best_of, columns_of, goal_problem, with_sums

GRACE_SHARE = 0.2
"""How far beyond its limit a solver may go before it is killed, as a share of the limit."""
STARTUP_SECONDS = 60.0


@dataclass(frozen=True, eq=False)
class PeerAnswer:
    """What a solver came to: columns of the model that keep every row, or None; the bound that it claims."""

    columns: Ints | None
    bound: int | None
    status: str
    seconds: float


def started_worker(backend: str) -> Worker:
    """A process that has imported the solver: it has solved a problem without columns."""
    worker = Worker()
    worker.call(BACKENDS[backend], nothing(), Budget(STARTUP_SECONDS), seconds=STARTUP_SECONDS)
    return worker


def solve_whole(model: Model, backend: str, budget: Budget, worker: Worker) -> PeerAnswer:
    """Give the first goal of the model to a solver."""
    problem = with_sums(model, goal_problem(model, 0, []))
    goal = model.goals[0]

    def in_goal_units(bound: int | None) -> int | None:
        return None if bound is None else goal.constant + (bound if goal.sense == "min" else -bound)

    begun = time.monotonic()
    outcome = worker.call(BACKENDS[backend], problem, budget, seconds=budget.seconds * (1 + GRACE_SHARE))
    seconds = time.monotonic() - begun
    bounds = [bound for _, bound in outcome.incumbents if bound is not None]
    status = f"killed after {seconds:.0f} s"
    if outcome.result is not None:
        found: Result = outcome.result
        bounds += [] if found.bound is None else [found.bound]
        status = str(found.ending)
    best = best_of(problem, outcome)
    if best is not None and status == Ending.INFEASIBLE:
        status = str(Ending.SOLVER_FAILED)
    return PeerAnswer(columns_of(model, best), in_goal_units(max(bounds, default=None)), status, seconds)


def nothing() -> Problem:
    """A problem without columns, for a process that is to have its imports behind it."""
    none = np.zeros(0, dtype=np.int64)
    return Problem(
        sparse.csr_array((0, 0), dtype=np.int64), none.astype(np.float64), none.astype(np.float64), none, none, none
    )
