"""Exact: is there a plan with this option that is no worse than a given one; solved, not searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from allocator.answer import Ending
from allocator.backends import highs
from allocator.backends.problem import Budget, Problem, Result
from allocator.backends.process import Worker
from allocator.formulation import Model
from allocator.instance import Bools
from allocator.solve.exact import goal_problem

SECONDS = 5.0
"""For one goal of one change; what takes longer proves nothing."""


def no_worse_plan(
    model: Model, option: int, floor: Sequence[int], ours: Bools, worker: Worker
) -> tuple[Bools | None, bool]:
    """(plan that has the option and whose merit is not below `floor` or None, is it settled that there is none).

    Goal by goal, each held at the best it can be with the option: the first goal on which that differs from the floor
    decides. Of such plans it is one that keeps the most of `ours`. Plans are (n_options,) chosen options; `floor` is
    turned so that larger is better. A policy without goals says nothing of better and worse: no plan is looked for.
    """
    held: list[int] = []
    lower = model.column_lower.copy()
    lower[option] = 1
    chosen = None
    for k, goal in enumerate(model.goals):
        result = solved(replace(goal_problem(model, k, held), column_lower=lower), worker)
        if result is None:
            return None, False
        if result.values is None:
            return None, True
        value = goal.value(result.values)
        reached = value if goal.sense == "max" else -value
        if reached < floor[k]:
            return None, True
        chosen = result.values
        held.append(value)
        if reached > floor[k]:
            break
    if chosen is None:
        return None, False
    kept = np.zeros(model.n_columns, dtype=np.int64)
    kept[: model.n_options] = -ours.astype(np.int64)
    calm = solved(replace(goal_problem(model, 0, held), column_lower=lower, costs=kept), worker)
    chosen = chosen if calm is None or calm.values is None else calm.values
    return chosen[: model.n_options].astype(bool), True


def solved(problem: Problem, worker: Worker) -> Result | None:
    """The result where the problem was solved to the end, if only to say that it has no plan; None where not."""
    result: Result | None = worker.call(highs.solve, problem, Budget(SECONDS), seconds=SECONDS).result
    ended = result is not None and result.ending in (Ending.OPTIMAL, Ending.INFEASIBLE)
    return result if ended else None
