"""solve: goal by goal, strictly in order.

A greedy plan stands from the first second. Small models are then solved exactly and by dives, one goal after
the other, each goal's value a row for the goals after it; large ones by prices and moves for all goals together,
then goal by goal. At the end every goal gets a certified bound from row prices. Whatever happens, the best plan that
keeps every row is returned, and the ending says how far the work came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

import numpy as np

from allocator.answer import Answer, Certificate, GoalResult, Limits, Start, silent
from allocator.backends import highs
from allocator.backends.problem import Budget
from allocator.backends.process import Worker, awaited, side_by_side
from allocator.certificate import held_value, stands
from allocator.ending import Ending
from allocator.errors import NoPlanError
from allocator.formulation import GoalVector, Model
from allocator.instance import Bools, Floats, Ints
from allocator.options import spans
from allocator.solve.construct import and_the_others, asked_for, construct, option_rank
from allocator.solve.contradiction import contradiction
from allocator.solve.dive import improve_by_dives, may_be_better_by
from allocator.solve.dual import MANY
from allocator.solve.exact import GoalSolve, goal_problem, is_small, solve_goal
from allocator.solve.large_goals import SHORTEST_SECONDS, Found, goal_share, search_large
from allocator.solve.loader import Loader, complete, feasible, goal_values
from allocator.solve.pace import Pace
from allocator.solve.plan import Plan
from allocator.solve.prove import prove_all
from allocator.solve.teller import Teller
from allocator.stopwatch import Stopwatch

PROOF_SHARE = 0.08
"""Of the seconds of a run on a small model, for certified bounds: its relaxation is solved in no time."""
AT_ONCE, DIVES = 0.1, 0.5
"""Of the seconds of a goal of a small model on one thread: for what an exact solver does at once, and for dives."""
IN_ORDER = ("cpsat", "highs")
"""For small models with goals in order, which count people and shares: CP-SAT is the quickest there by far (0041)."""
RESERVE = (0.3, 1.2)
"""Left for the audit: seconds, and so many times what came before the solve."""


def solve(model: Model, limits: Limits, watch: Stopwatch, start: Start | None = None) -> Answer:
    """The best plan found within the limits, with a result for every goal; `start` is what an earlier solve left."""
    start = start or Start()
    watch = watch.reserving(RESERVE[0] + RESERVE[1] * watch.elapsed)
    large = limits.backend == "auto" and not is_small(model)
    with Worker() as worker, Worker() as second:
        plan = Plan(model, first_plan(model, limits, watch, worker, large, start.chosen), [])
        if start.chosen is not None:
            # Taken one by one, some could be refused on the way: shares and least numbers are only kept in the end.
            plan.offer(complete(model, start.chosen | model.fixed), ())
        found = Found({}, dict(start.of_goals), start.of_sum, start.sharpened)
        teller = Teller(plan, watch)
        worker.tick = second.tick = teller.heard
        cancelled = False
        try:
            if large:
                search_large(plan, found, start.chosen, limits, teller, worker)
            else:
                begin_from(plan, start.chosen)
                search_small(plan, found, limits, teller, (worker, second))
        except KeyboardInterrupt:
            cancelled = True
        try:
            if model.n_options <= MANY:
                fill_up(plan, watch)
        except KeyboardInterrupt:  # whoever was added stays
            cancelled = True
        values = goal_values(model, plan.columns)
        worker.tick = second.tick = silent
        try:
            seconds, heard = (0.0, silent) if cancelled else (watch.left, teller.proving)
            certificate, bounds = prove_all(model, values, found.proposed, seconds, limits, heard, (worker, second))
        except KeyboardInterrupt:
            cancelled = True
            certificate, bounds = prove_all(model, values, {}, 0.0, limits)
    unbegun = GoalSolve(None, None, Ending.CANCELLED if cancelled else Ending.TIME_LIMIT)
    n_goals = len(model.goals)
    results = [goal_result(model, k, values[k], found.solves.get(k, unbegun), bounds[k]) for k in range(n_goals)]
    unproven = [result.ending for result in results if result.ending is not Ending.OPTIMAL]
    ending = Ending.CANCELLED if cancelled else unproven[0] if unproven else Ending.OPTIMAL
    left = Start(plan.chosen, found.of_sum, found.of_goals, sharpened_prices(model, certificate))
    return Answer(plan.chosen, tuple(results), ending, certificate, tuple(plan.trace), left)


def search_small(plan: Plan, found: Found, limits: Limits, teller: Teller, workers: tuple[Worker, Worker]) -> None:
    """Improve the plan goal by goal with an exact solver; `found` is filled as goals are finished."""
    model, held, watch = plan.model, list[int](), teller.watch
    proof = PROOF_SHARE * limits.seconds if np.isfinite(limits.seconds) else 0.0
    for k in range(len(model.goals)):
        begun, before = watch.elapsed, plan.chosen
        if (left := watch.left - proof) < SHORTEST_SECONDS:
            break
        budget = budget_of(k, len(model.goals), left, limits)
        teller.turn(k)
        if limits.backend == "auto" and len(model.goals) == 1:
            solved, prices = improve_small(plan, held, budget, workers, teller)
            if prices is not None:
                found.of_goals[k] = prices
        else:
            named = IN_ORDER if limits.backend == "auto" else (limits.backend,)
            solved = solved_by(named, plan, held, budget, workers[0], teller)
        if (plan.chosen != before).any():
            # An exact solver drops whom this goal does not count, and there may be no time for the goals that do.
            plan.offer(and_the_others(model, plan.chosen, before), held)
        if solved.solver_bound is not None:
            teller.claimed(solved.solver_bound)
        found.solves[k] = replace(solved, seconds=watch.elapsed - begun)
        teller.note()
        held.append(held_value(model, k, model.goals[k].value(plan.columns)))


def solved_by(
    backends: Sequence[str], plan: Plan, held: Sequence[int], budget: Budget, worker: Worker, teller: Teller
) -> GoalSolve:
    """Goal len(held) by the first of these backends that does not fail."""
    for backend in backends:
        solved = solve_goal(plan.model, len(held), held, plan.columns, backend, budget, worker, claimed=teller.claimed)
        if solved.ending is not Ending.SOLVER_FAILED:
            break
    plan.offer(solved.columns, held)
    return solved


def begin_from(plan: Plan, chosen: Bools | None) -> None:
    """Take as many of these placements (n_options,) as every row allows, and what fits beside them."""
    if chosen is None:
        return
    model = plan.model
    first = np.where(chosen, option_rank(model) - model.n_options, option_rank(model))
    plan.offer(complete(model, construct(model, first)), ())


def budget_of(k: int, n_goals: int, seconds: float, limits: Limits) -> Budget:
    """What goal k of n may cost, of these seconds."""
    return Budget(
        seconds=max(SHORTEST_SECONDS, seconds * goal_share(k, n_goals)),
        work=None if limits.work is None else max(1, limits.work // n_goals),
        seed=limits.seed,
        threads=limits.threads,
    )


def improve_small(
    plan: Plan, held: Sequence[int], budget: Budget, workers: tuple[Worker, Worker], teller: Teller
) -> tuple[GoalSolve, Floats | None]:
    """One goal of a small model: exactly, and by dives where that takes long; side by side on two threads.

    What dives end with is finished by an exact solver, among the options that a better plan may have at their prices.
    On one thread, or with work instead of time, so that threads change nothing, it is one after the other: what an
    exact solver does at once, dives, and the finish. Also prices that a dive began from.
    """
    model, k = plan.model, len(held)

    def exact(worker: Worker, budget: Budget, among: Bools | None = None) -> GoalSolve:
        return solve_goal(
            model, k, list(held), plan.columns, "highs", budget, worker, claimed=teller.claimed, among=among
        )

    def finish(worker: Worker, prices: Floats | None, pace: Pace) -> GoalSolve:
        among = None if prices is None else may_be_better_by(model, held, prices, model.goals[k].value(plan.columns))
        return exact(worker, replace(budget, seconds=max(SHORTEST_SECONDS, pace.left)), among)

    def dives(pace: Pace, is_done: Callable[[], bool]) -> Floats | None:
        def done() -> bool:
            teller.heard()
            return is_done()

        return improve_by_dives(plan, held, pace, budget.seed, workers[1], done, teller.bounded)

    prices = None
    if budget.work is None and budget.threads > 1:
        with side_by_side(workers[:1]) as pool:
            begun = Pace(budget.seconds)
            future = pool.submit(exact, budget)
            prices = dives(begun, future.done)
            if prices is not None and not begun.over and not future.done():
                workers[1].tick = partial(heard_beside, future, workers[1], teller)
                solved = finish(workers[1], prices, begun)
                workers[1].tick = teller.heard
                plan.offer(solved.columns, held)
                if solved.ending is Ending.OPTIMAL:
                    workers[0].stop()
                other = awaited(future, teller.heard)
                plan.offer(other.columns, held)
                solved = better_claim(model.goals[k], solved, other)
            else:
                solved = awaited(future, teller.heard)
    else:
        begun = Pace(budget.seconds, budget.work)
        solved = exact(workers[0], share_of(budget, AT_ONCE))
        plan.offer(solved.columns, held)
        if solved.ending is not Ending.OPTIMAL:
            prices = dives(begun.part(DIVES), lambda: False)
            solved = better_claim(model.goals[k], finish(workers[0], prices, begun), solved)
    plan.offer(solved.columns, held)
    met = solved.solver_bound == model.goals[k].value(plan.columns)
    return (replace(solved, ending=Ending.OPTIMAL) if met else solved), prices


def heard_beside(other: Future[GoalSolve], worker: Worker, teller: Teller) -> None:
    """The worker is still at it; it is stopped where another has proven the goal, or failed."""
    teller.heard()
    if other.done() and (other.exception() is not None or other.result().ending is Ending.OPTIMAL):
        worker.stop()


def better_claim(goal: GoalVector, last: GoalSolve, other: GoalSolve) -> GoalSolve:
    """The last of two solves of a goal, or the one that is proven, with the better of their claims."""
    if other.ending is Ending.OPTIMAL:
        return other
    bounds = [bound for bound in (last.solver_bound, other.solver_bound) if bound is not None]
    better = max if goal.sense == "min" else min
    return replace(last, solver_bound=better(bounds, default=None))


def share_of(budget: Budget, share: float) -> Budget:
    """Such a share of a budget."""
    work = None if budget.work is None else max(1, round(share * budget.work))
    return replace(budget, seconds=max(SHORTEST_SECONDS, share * budget.seconds), work=work)


def first_plan(
    model: Model, limits: Limits, watch: Stopwatch, worker: Worker, large: bool, earlier: Bools | None = None
) -> Ints:
    """A plan that keeps every row: greedy, or where pins defeat that, the `earlier` one, or by an exact solver.

    Of a large model nothing but what is fixed, where that keeps every row: its search loads at once.
    """
    nothing = complete(model, model.fixed.copy())
    if large and feasible(model, nothing):
        return nothing
    columns = complete(model, construct(model))
    if feasible(model, columns):
        return columns
    if feasible(model, nothing):
        return nothing
    if earlier is not None and feasible(model, columns := complete(model, earlier | model.fixed)):
        return columns
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
        # Nothing is left to plan: all the seconds may go into saying why.
        raise contradiction(model, problem, replace(budget, seconds=watch.left), worker)
    values: Ints | None = None if result is None else result.values
    return values


def fill_up(plan: Plan, watch: Stopwatch) -> None:
    """Add every single placement that keeps all rows and improves the goals in their order, until none is left.

    Where seconds run out, what is left to add stays out: such a plan is good, and not maximal. Models too large to
    look at every option one by one are left as their search filled them.
    """
    model = plan.model
    plan.offer(complete(model, construct(model, begun=plan.chosen)), ())
    loader = Loader(model)
    loader.hold(plan.chosen)
    # A place for one may make room for another: whoever waits for a test, shares that move.
    while sum(add_one(plan, loader, first, stop) for first, stop in spans(model.entry) if watch.left > 0):
        pass


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


def sharpened_prices(model: Model, certificate: Certificate) -> dict[int, Floats]:
    """By goal, prices (n_rows + k,) of its proof where sessions are the units."""
    prices = certificate.prices / certificate.scale
    return {int(k): prices[k, : model.n_rows + k] for k in np.flatnonzero(certificate.by_session)}


def goal_result(model: Model, k: int, value: int, solved: GoalSolve, certified: int | None) -> GoalResult:
    """One goal of the answer. A bound that the plan meets proves it, whoever found it.

    A solver's word is for the plan that it found: goals after it may spend the tolerance, no more, and people who are
    added last to take back what a tolerance saved leave a goal unproven.
    """
    goal = model.goals[k]
    ending = solved.ending
    if certified == value:
        ending = Ending.OPTIMAL
    elif ending is Ending.OPTIMAL and not stands(model, k, value, solved.solver_bound):
        ending = Ending.TIME_LIMIT
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
