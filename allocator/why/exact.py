"""Exact: is there a plan with this option that is no worse than a given one; solved, not searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from allocator.answer import Ending
from allocator.backends import highs
from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.formulation import Model
from allocator.instance import Bools
from allocator.solve.exact import goal_problem

SECONDS = 5.0
"""For one goal of one change; what takes longer proves nothing."""


def no_worse_plan(model: Model, option: int, floor: Sequence[int], worker: Worker) -> tuple[Bools | None, bool]:
    """(plan that has the option and whose merit is not below `floor` or None, is it settled that there is none).

    Goal by goal, each held at the best it can be with the option: the first goal on which that differs from the floor
    decides. A plan is (n_options,) chosen options; `floor` is turned so that larger is better. A policy without goals
    says nothing of better and worse: no plan is looked for.
    """
    held: list[int] = []
    lower = model.column_lower.copy()
    lower[option] = 1
    chosen = None
    for k, goal in enumerate(model.goals):
        problem = replace(goal_problem(model, k, held), column_lower=lower)
        result = worker.call(highs.solve, problem, Budget(SECONDS), seconds=SECONDS).result
        if result is None or (result.ending is not Ending.OPTIMAL and result.ending is not Ending.INFEASIBLE):
            return None, False
        if result.values is None:
            return None, True
        value = goal.value(result.values)
        reached = value if goal.sense == "max" else -value
        if reached < floor[k]:
            return None, True
        chosen = result.values[: model.n_options].astype(bool)
        if reached > floor[k]:
            return chosen, True
        held.append(value)
    return chosen, True
