"""solve: goal by goal, strictly in order.

A greedy plan stands from the first second. Small models are then solved exactly, one goal after the
other, each goal's value a row for the goals after it; large ones are improved by solving neighbourhoods
exactly. At the end every goal gets a certified bound from row prices. Whatever happens, the best plan
that keeps every row is returned, and the ending says how far the work came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from allocator.answer import Answer, Ending, GoalResult, Limits, TracePoint
from allocator.backends import highs
from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.certificate import held_value
from allocator.errors import ContradictionError, NoPlanError
from allocator.formulation import Formulation
from allocator.instance import Bools, Ints
from allocator.solve.construct import construct
from allocator.solve.exact import GoalSolve, goal_problem, is_small, solve_goal
from allocator.solve.improve import improve_goal
from allocator.solve.loader import Loader, complete, feasible, goal_values, merit, merit_of
from allocator.solve.prove import prove_all
from allocator.stopwatch import Stopwatch

PROOF_SHARE = 0.25
"""Of the seconds of a run, for certified bounds."""
RESERVE_SECONDS = 2.0
"""Left for the audit and the reasons."""


@dataclass(eq=False)
class Plan:
    """The best plan so far: columns (n_columns,) that keep every row. The one thing that changes here."""

    formulation: Formulation
    columns: Ints
    trace: list[TracePoint]

    @property
    def chosen(self) -> Bools:
        """(n_options,) the placements."""
        return self.columns[: len(self.formulation.options)].astype(bool)

    def offer(self, columns: Ints | None, held: Sequence[int]) -> bool:
        """Take the columns if they keep every row and what is held, and are better on the goals after."""
        if columns is None:
            return False
        tidy = complete(self.formulation, columns[: len(self.formulation.options)].astype(bool))
        after, before = merit(self.formulation, tidy), merit(self.formulation, self.columns)
        floors = merit_of(self.formulation, held)
        k = len(held)
        keeps = all(new >= floor for new, floor in zip(after, floors, strict=False))
        better = keeps and after[k:] > before[k:] and feasible(self.formulation, tidy)
        if better:
            self.columns = tidy
        return better

    def note(self, k: int, watch: Stopwatch, bound: int | None = None) -> None:
        """Write down, and tell, how far goal k is."""
        goal = self.formulation.goals[k]
        value = goal.value(self.columns)
        self.trace.append(TracePoint(watch.elapsed, goal.label, value, bound))
        watch.tell("solve", goal.label, value, bound)


def solve(formulation: Formulation, limits: Limits, watch: Stopwatch) -> Answer:
    """The best plan found within the limits, with a result for every goal."""
    with Worker() as worker:
        plan = Plan(formulation, first_plan(formulation, limits, watch, worker), [])
        solves: dict[int, GoalSolve] = {}
        cancelled = False
        try:
            search(plan, solves, limits, watch, worker)
        except KeyboardInterrupt:
            cancelled = True
    fill_up(plan)
    values = goal_values(formulation, plan.columns)
    certificate, bounds = prove_all(formulation, values, 0.0 if cancelled else proof_seconds(watch), limits)
    results = [goal_result(formulation, k, values[k], solves.get(k), bounds[k]) for k in range(len(formulation.goals))]
    unproven = [result.ending for result in results if result.ending is not Ending.OPTIMAL]
    ending = Ending.CANCELLED if cancelled else unproven[0] if unproven else Ending.OPTIMAL
    return Answer(plan.chosen, tuple(results), ending, certificate, tuple(plan.trace))


def search(plan: Plan, solves: dict[int, GoalSolve], limits: Limits, watch: Stopwatch, worker: Worker) -> None:
    """Improve the plan goal by goal; `solves` is filled as goals are finished."""
    formulation = plan.formulation
    held: list[int] = []
    exact = limits.backend != "auto" or is_small(formulation)
    backend = "highs" if limits.backend == "auto" else limits.backend
    n_goals = len(formulation.goals)
    proof = PROOF_SHARE * limits.seconds if np.isfinite(limits.seconds) else 0.0
    for k, goal in enumerate(formulation.goals):
        left = watch.left - proof - RESERVE_SECONDS
        budget = Budget(
            seconds=max(0.2, left * goal_share(k, n_goals)),
            work=None if limits.work is None else max(1, limits.work // n_goals),
            seed=limits.seed,
            threads=limits.threads,
        )
        begun = watch.elapsed
        if exact:
            solves[k] = solve_goal(formulation, k, held, plan.columns, backend, budget, worker)
            plan.offer(solves[k].columns, held)
        else:
            solves[k] = GoalSolve(None, None, improve_goal(plan, held, budget, worker))
        solves[k] = replace(solves[k], seconds=watch.elapsed - begun)
        plan.note(k, watch, solves[k].solver_bound)
        held.append(held_value(formulation, k, goal.value(plan.columns)))


def goal_share(k: int, n_goals: int) -> float:
    """Share of what is left for goal k of n: earlier goals may take twice an even share."""
    return min(1.0, 2.0 / (n_goals - k + 1))


def first_plan(formulation: Formulation, limits: Limits, watch: Stopwatch, worker: Worker) -> Ints:
    """A plan that keeps every row: greedy, or where pins defeat that, by an exact solver."""
    columns = complete(formulation, construct(formulation))
    if feasible(formulation, columns):
        return columns
    nothing = complete(formulation, formulation.options.fixed.copy())
    if feasible(formulation, nothing):
        return nothing
    problem = goal_problem(formulation, 0, [])
    budget = Budget(seconds=watch.left / 2, seed=limits.seed, threads=limits.threads)
    free = replace(problem, costs=np.zeros_like(problem.costs))
    outcome = worker.call(highs.solve, free, budget, seconds=budget.seconds)
    if outcome.result is not None and outcome.result.ending is Ending.INFEASIBLE:
        raise ContradictionError("The pins and the rules cannot all be kept: no plan keeps every one of them.")
    if outcome.result is None or outcome.result.values is None:
        raise NoPlanError(f"No plan stood after {watch.elapsed:.0f} seconds. Maybe give more with --seconds.")
    found: Ints = outcome.result.values
    return complete(formulation, found[: len(formulation.options)].astype(bool))


def fill_up(plan: Plan) -> None:
    """Add every single placement that keeps all rows and improves the goals in their order."""
    formulation = plan.formulation
    options = formulation.options
    loader = Loader(formulation)
    for option in np.flatnonzero(plan.chosen & ~options.fixed):
        loader.add(int(option))
    entries, starts = np.unique(options.entry, return_index=True)
    stops = np.append(starts[1:], len(options))
    for position in range(len(entries)):
        first, stop = int(starts[position]), int(stops[position])
        if loader.chosen[first:stop].any():
            continue
        for option in first + np.flatnonzero(loader.addable(first, stop)):
            loader.add(int(option))
            if plan.offer(complete(formulation, loader.chosen), ()):
                break
            loader.remove(int(option))


def proof_seconds(watch: Stopwatch) -> float:
    """Seconds left for all certified bounds together."""
    return max(0.0, watch.left - RESERVE_SECONDS)


def goal_result(
    formulation: Formulation, k: int, value: int, solved: GoalSolve | None, certified: int | None
) -> GoalResult:
    """One goal of the answer. A bound that the plan meets proves it, whoever found it."""
    goal = formulation.goals[k]
    ending = Ending.CANCELLED if solved is None else solved.ending
    if certified == value:
        ending = Ending.OPTIMAL
    return GoalResult(
        label=goal.label,
        name=goal.name,
        sense=goal.sense,
        unit=goal.unit,
        tolerance=goal.tolerance,
        value=value,
        base=goal.base,
        solver_bound=None if solved is None else solved.solver_bound,
        certified_bound=certified,
        ending=ending,
        seconds=0.0 if solved is None else solved.seconds,
    )
