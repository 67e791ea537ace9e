"""solve: goal by goal, strictly in order.

A greedy plan stands from the first second. Small models are then solved exactly, one goal after the
other, each goal's value a row for the goals after it; large ones are improved by solving neighbourhoods
exactly. At the end every goal gets a certified bound from row prices. Whatever happens, the best plan
that keeps every row is returned, and the ending says how far the work came.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from allocator.answer import Answer, Ending, GoalResult, Limits, TracePoint
from allocator.backends import highs
from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.certificate import certified_without_prices, held_value
from allocator.errors import NoPlanError
from allocator.formulation import Model
from allocator.instance import Bools, Ints
from allocator.solve.construct import asked_for, construct, option_gain, option_rank, priced_rank
from allocator.solve.contradiction import contradiction
from allocator.solve.exact import GoalSolve, goal_problem, is_small, solve_goal
from allocator.solve.improve import blended, improve_goal
from allocator.solve.loader import Loader, complete, feasible, goal_values, merit, merit_of
from allocator.solve.prove import dual_prices, prove_all
from allocator.stopwatch import Stopwatch

PROOF_SHARE = {"small": 0.08, "large": 0.3}
"""Of the seconds of a run, for certified bounds: a small model's relaxation is solved in no time."""
PRICING_SHARE = 0.12
"""Of the seconds of a run on a large model, for the prices that the first plan is loaded by."""
TOGETHER = 0.4
"""Weight of each goal in those prices, relative to the goal before it, per typical gain of one placement."""
LARGEST_CORE = 15_000
"""Options up to which a goal of a large model is given to an exact solver."""
SHORTEST_SECONDS = 0.5
"""Less than this is not begun: a child process alone takes as long to start."""
RESERVE = (1.0, 6.0)
"""Left for the audit and the reasons: seconds, and so many times what came before the solve."""


@dataclass(eq=False)
class Plan:
    """The best plan so far: columns (n_columns,) that keep every row. The one thing that changes here."""

    model: Model
    columns: Ints
    trace: list[TracePoint]

    @property
    def chosen(self) -> Bools:
        """(n_options,) the placements."""
        return self.columns[: self.model.n_options].astype(bool)

    def offer(self, columns: Ints | None, held: Sequence[int]) -> bool:
        """Take the columns if they keep every row and what is held, and are better on the goals after."""
        if columns is None:
            return False
        tidy = complete(self.model, columns[: self.model.n_options].astype(bool))
        after, before = merit(self.model, tidy), merit(self.model, self.columns)
        floors = merit_of(self.model, held)
        k = len(held)
        keeps = all(new >= floor for new, floor in zip(after, floors, strict=False))
        better = keeps and after[k:] > before[k:] and feasible(self.model, tidy)
        if better:
            self.columns = tidy
        return better

    def note(self, k: int, watch: Stopwatch, bound: int | None = None) -> None:
        """Write down, and tell, how far goal k is."""
        goal = self.model.goals[k]
        value = goal.value(self.columns)
        self.trace.append(TracePoint(watch.elapsed, goal.label, value, bound))
        watch.tell("solve", goal.label, value, bound)


def solve(model: Model, limits: Limits, watch: Stopwatch) -> Answer:
    """The best plan found within the limits, with a result for every goal."""
    watch = watch.reserving(RESERVE[0] + RESERVE[1] * watch.elapsed)
    with Worker() as worker, Worker() as second:
        plan = Plan(model, first_plan(model, limits, watch, worker), [])
        solves: dict[int, GoalSolve] = {}
        cancelled = False
        try:
            search(plan, solves, limits, watch, (worker, second))
        except KeyboardInterrupt:
            cancelled = True
    fill_up(plan, watch)
    values = goal_values(model, plan.columns)
    try:
        certificate, bounds = prove_all(model, values, 0.0 if cancelled else watch.left, limits)
    except KeyboardInterrupt:
        cancelled = True
        certificate, bounds = prove_all(model, values, 0.0, limits)
    unbegun = GoalSolve(None, None, Ending.CANCELLED if cancelled else Ending.TIME_LIMIT)
    results = [goal_result(model, k, values[k], solves.get(k, unbegun), bounds[k]) for k in range(len(model.goals))]
    unproven = [result.ending for result in results if result.ending is not Ending.OPTIMAL]
    ending = Ending.CANCELLED if cancelled else unproven[0] if unproven else Ending.OPTIMAL
    return Answer(plan.chosen, tuple(results), ending, certificate, tuple(plan.trace))


def search(
    plan: Plan, solves: dict[int, GoalSolve], limits: Limits, watch: Stopwatch, workers: tuple[Worker, Worker]
) -> None:
    """Improve the plan goal by goal; `solves` is filled as goals are finished."""
    model = plan.model
    held: list[int] = []
    large = limits.backend == "auto" and not is_small(model)
    n_goals = len(model.goals)
    proof = PROOF_SHARE["large" if large else "small"] * limits.seconds if np.isfinite(limits.seconds) else 0.0
    pricing = PRICING_SHARE * limits.seconds
    priced = large and pricing > SHORTEST_SECONDS
    rank = start_from_prices(plan, pricing, workers[0]) if priced else option_rank(model) if large else None
    for k, goal in enumerate(model.goals):
        begun = watch.elapsed
        left = watch.left - proof
        if left < SHORTEST_SECONDS:
            break
        budget = Budget(
            seconds=max(SHORTEST_SECONDS, left * goal_share(k, n_goals)),
            work=None if limits.work is None else max(1, limits.work // n_goals),
            seed=limits.seed,
            threads=limits.threads,
        )
        if rank is not None:
            ending = improve_large(plan, held, rank, budget, workers[0])
            refill(plan, rank, held)
            solves[k] = GoalSolve(None, None, ending)
        elif limits.backend == "auto":
            solves[k] = improve_small(plan, held, budget, workers)
        else:
            solves[k] = solve_goal(model, k, held, plan.columns, limits.backend, budget, workers[0])
            plan.offer(solves[k].columns, held)
        solves[k] = replace(solves[k], seconds=watch.elapsed - begun)
        plan.note(k, watch, solves[k].solver_bound)
        held.append(held_value(model, k, goal.value(plan.columns)))


def start_from_prices(plan: Plan, seconds: float, worker: Worker) -> Ints:
    """Load a plan by the prices of all goals together, and make it the plan; the rank that it used."""
    model = plan.model
    gains = -blended(model, 0, np.power(TOGETHER, np.arange(len(model.goals))).tolist())
    prices = dual_prices(model, goal_problem(model, 0, []), gains, seconds, worker)
    rank = priced_rank(model, gains - model.rows.matrix.T @ prices)
    columns = complete(model, construct(model, rank))
    if feasible(model, columns):
        plan.columns = columns
    return rank


def improve_large(plan: Plan, held: Sequence[int], rank: Ints, budget: Budget, worker: Worker) -> Ending:
    """One goal of a large model: exactly over those whom it concerns, where they are few; else by moves."""
    model, k = plan.model, len(held)
    if certified_without_prices(model, k) == model.goals[k].value(plan.columns):
        return Ending.OPTIMAL
    gaining = np.max([option_gain(model, j) for j in range(k + 1)], axis=0) > 0
    concerned = np.isin(model.entry, model.entry[gaining])
    core = concerned | plan.chosen
    if not (option_gain(model, k) > 0).any() or core.sum() > LARGEST_CORE:
        return improve_goal(plan, held, budget, worker)
    solved = solve_goal(model, k, held, plan.columns, "highs", budget, worker, core)
    if solved.columns is not None:
        chosen = solved.columns[: model.n_options].astype(bool)
        plan.offer(complete(model, construct(model, rank, chosen)), held)
        plan.offer(solved.columns, held)
    # Only a proof over all options proves the goal; the certified bound may give it.
    return solved.ending if solved.ending is not Ending.OPTIMAL else Ending.WORK_LIMIT


def improve_small(plan: Plan, held: Sequence[int], budget: Budget, workers: tuple[Worker, Worker]) -> GoalSolve:
    """One goal of a small model: exactly, and by moves where that takes long; side by side on two threads.

    With work instead of time it is one after the other, so that threads change nothing.
    """
    model, k = plan.model, len(held)
    exact = partial(solve_goal, model, k, list(held), plan.columns, "highs")
    if budget.work is not None or budget.threads < 2:
        half = replace(budget, seconds=budget.seconds / 2)
        solved = exact(half, workers[0])
        plan.offer(solved.columns, held)
        if solved.ending is not Ending.OPTIMAL:
            improve_goal(plan, held, half, workers[1])
    else:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(exact, budget, workers[0])
            improve_goal(plan, held, budget, workers[1], future.done)
            solved = future.result()
        plan.offer(solved.columns, held)
    met = solved.solver_bound == model.goals[k].value(plan.columns)
    return replace(solved, ending=Ending.OPTIMAL) if met else solved


def goal_share(k: int, n_goals: int) -> float:
    """Share of what is left for goal k of n: earlier goals may take three times an even share."""
    return min(1.0, 3.0 / (n_goals - k + 2))


def first_plan(model: Model, limits: Limits, watch: Stopwatch, worker: Worker) -> Ints:
    """A plan that keeps every row: greedy, or where pins defeat that, by an exact solver."""
    columns = complete(model, construct(model))
    if feasible(model, columns):
        return columns
    nothing = complete(model, model.fixed.copy())
    if feasible(model, nothing):
        return nothing
    for core in (around_pins(model), np.ones(model.n_options, dtype=bool)):
        found = any_plan(model, core, limits, watch, worker)
        if found is not None:
            chosen = found[: model.n_options].astype(bool)
            loaded = complete(model, construct(model, begun=chosen))
            return loaded if feasible(model, loaded) else complete(model, chosen)
    raise NoPlanError(f"No plan stood after {watch.elapsed:.0f} seconds. Maybe give more with --seconds.")


def around_pins(model: Model) -> Bools:
    """(n_options,) options in sessions that pins ask for: enough, nearly always, to keep them."""
    wanted: Bools = np.isin(model.session, model.session[asked_for(model)])
    return wanted


def any_plan(model: Model, core: Bools, limits: Limits, watch: Stopwatch, worker: Worker) -> Ints | None:
    """Any columns that keep every row, with placements among `core` only; None where none was found.

    Raises ContradictionError where every option was allowed and no plan exists.
    """
    problem = goal_problem(model, 0, [])
    upper = problem.column_upper.copy()
    upper[: len(core)][~core & ~model.fixed] = 0
    problem = replace(problem, costs=np.zeros_like(problem.costs), column_upper=upper)
    budget = Budget(seconds=watch.left / 3, seed=limits.seed, threads=limits.threads)
    result = worker.call(highs.solve, problem, budget, seconds=budget.seconds).result
    if result is not None and result.ending is Ending.INFEASIBLE and core.all():
        raise contradiction(model, problem, budget, worker)
    values: Ints | None = None if result is None else result.values
    return values


def fill_up(plan: Plan, watch: Stopwatch) -> None:
    """Add every single placement that keeps all rows and improves the goals in their order, until none is left.

    Where seconds run out, what is left to add stays out: such a plan is good, and not maximal.
    """
    model = plan.model
    refill(plan, option_rank(model), ())
    loader = Loader(model)
    for option in np.flatnonzero(plan.chosen & ~model.fixed):
        loader.add(int(option))
    entries, starts = np.unique(model.entry, return_index=True)
    stops = np.append(starts[1:], model.n_options)[: len(entries)]
    spans = list(zip(starts.tolist(), stops.tolist(), strict=True))
    # A place for one may make room for another: whoever waits for a test, shares that move.
    while sum(add_one(plan, loader, first, stop) for first, stop in spans if watch.left > 0):
        pass


def refill(plan: Plan, rank: Ints, held: Sequence[int]) -> None:
    """Add in order of rank, all at once, whoever still fits; kept only if the plan is better for it."""
    plan.offer(complete(plan.model, construct(plan.model, rank, plan.chosen)), held)


def add_one(plan: Plan, loader: Loader, first: int, stop: int) -> bool:
    """Place an entry without a place, whose options are first..stop, in the first that improves the plan."""
    if loader.chosen[first:stop].any():
        return False
    for option in first + np.flatnonzero(loader.addable(first, stop) & ~loader.too_few_to_open(first, stop)):
        loader.add(int(option))
        if plan.offer(complete(plan.model, loader.chosen), ()):
            return True
        loader.remove(int(option))
    return False


def goal_result(model: Model, k: int, value: int, solved: GoalSolve, certified: int | None) -> GoalResult:
    """One goal of the answer. A bound that the plan meets proves it, whoever found it."""
    goal = model.goals[k]
    ending = solved.ending
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
        solver_bound=solved.solver_bound,
        certified_bound=certified,
        ending=ending,
        seconds=solved.seconds,
    )
