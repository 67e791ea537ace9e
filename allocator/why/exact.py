"""Exact: is there a plan with this option that is no worse than a given one; solved, not searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from allocator.backends import highs
from allocator.backends.problem import Budget, Problem, Result
from allocator.backends.process import Worker
from allocator.ending import Ending
from allocator.formulation import Model
from allocator.instance import Bools, Ints
from allocator.solve.construct import option_gain
from allocator.solve.exact import goal_problem

SECONDS = 5.0
"""For one goal of one change; what takes longer proves nothing."""


def no_worse_plan(
    model: Model, option: int, floor: Sequence[int], ours: Bools, worker: Worker
) -> tuple[Bools | None, bool]:
    """(plan that has the option and whose merit is not below `floor` or None, is it settled that there is none).

    Goal by goal, each held at the best it can be with the option: the first goal on which that differs from the floor
    decides. Of such plans it is one that keeps the most of `ours` (`calm_plan`). Plans are (n_options,) chosen options;
    `floor` is turned so that larger is better. A policy without goals says nothing of better and worse: no plan is
    looked for.
    """
    held: list[int] = []
    better: int | None = None
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
            better = k
            break
    if chosen is None:
        return None, False
    calm = calm_plan(model, option, floor, ours, better, worker)
    return (chosen if calm is None else calm)[: model.n_options].astype(bool), True


def calm_plan(
    model: Model, option: int, floor: Sequence[int], ours: Bools, better: int | None, worker: Worker
) -> Ints | None:
    """Columns of a plan that has the option, is no worse than the floor, and disturbs few; None where none was found.

    No better than it must be: it keeps the floor on the goals before the first that the option itself serves, and is
    better there by one; where that cannot be, on the goal `better`, on which some plan is (None: on every goal).
    """
    own = next((k for k in range(len(model.goals)) if option_gain(model, k)[option] > 0), len(model.goals))
    first = len(model.goals) if better is None else better
    for k in dict.fromkeys((max(own, first), first)):
        ends = [value + (place == k) for place, value in enumerate(floor[: k + 1])]
        held = [end if goal.sense == "max" else -end for end, goal in zip(ends, model.goals, strict=False)]
        problem = goal_problem(model, 0, held)
        lower = model.column_lower.copy()
        lower[option] = 1
        calm = solved(replace(problem, column_lower=lower, costs=disturbance(model, option, ours)), worker)
        if calm is not None and calm.values is not None:
            return calm.values
    return None


def disturbance(model: Model, option: int, ours: Bools) -> Ints:
    """(n_columns,) costs that are least where most keep their place, others move rather than lose it, and few gain."""
    has_place = np.isin(model.entry, model.entry[ours])
    costs = np.zeros(model.n_columns, dtype=np.int64)
    costs[: model.n_options] = np.where(ours, -3, np.where(has_place, -1, 1))
    costs[option] = 0
    return costs


def solved(problem: Problem, worker: Worker) -> Result | None:
    """The result where the problem was solved to the end, if only to say that it has no plan; None where not."""
    result: Result | None = worker.call(highs.solve, problem, Budget(SECONDS), seconds=SECONDS).result
    ended = result is not None and result.ending in (Ending.OPTIMAL, Ending.INFEASIBLE)
    return result if ended else None
