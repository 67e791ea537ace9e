"""What dives end with is finished exactly among the options that a better plan may have, and proves the optimum."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from allocator.answer import Limits
from allocator.backends.process import Worker
from allocator.ending import Ending
from allocator.formulation import Model
from allocator.solve import lexicographic
from allocator.solve.dive import may_be_better_by
from allocator.solve.exact import GoalSolve, solve_goal
from allocator.solve.lexicographic import better_claim, solve
from allocator.solve.loader import complete
from allocator.stopwatch import Stopwatch
from benchmarks.gap import gap_model
from benchmarks.gap_files import GapInstance
from tests.backends.children import emit_then_sleep

LIMITS = Limits(seconds=60.0)


def assignment(seed: int) -> Model:
    """Classic generalised assignment, 60 items and six agents with little to spare."""
    rng = np.random.default_rng(seed)
    weights, costs = rng.integers(5, 26, (6, 60)), rng.integers(10, 51, (6, 60))
    return gap_model(GapInstance(f"seed {seed}", costs, weights, np.full(6, int(0.85 * weights.sum() / 36))))


def solved_plainly(model: Model) -> int:
    """The optimum, by HiGHS with the whole model."""
    goal = solve(model, Limits(seconds=60.0, backend="highs"), Stopwatch(60.0)).goals[0]
    assert goal.ending is Ending.OPTIMAL
    return goal.value


class Recorded:
    """`solve_goal`, which writes down among how many options it was asked; of all of them it finds nothing."""

    def __init__(self, *, asleep: bool = False) -> None:
        self.asked: list[int] = []
        self.asleep = asleep

    def __call__(self, *arguments: Any, **named: Any) -> GoalSolve:
        if (among := named.get("among")) is None:
            if self.asleep:
                assert arguments[6].call(emit_then_sleep, 0, 600.0, seconds=600.0).killed
            return GoalSolve(None, None, Ending.TIME_LIMIT)
        self.asked.append(int(among.sum()))
        return solve_goal(*arguments, **named)


@pytest.mark.parametrize("seed", range(4))
def test_finish_among_what_may_be_better_proves_the_optimum(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = assignment(seed), Recorded()
    monkeypatch.setattr(lexicographic, "solve_goal", asked)
    goal = solve(model, LIMITS, Stopwatch(60.0)).goals[0]
    assert len(asked.asked) == 1
    assert asked.asked[0] < 0.5 * model.n_options
    monkeypatch.undo()
    assert (goal.value, goal.solver_bound, goal.ending) == (solved_plainly(model),) * 2 + (Ending.OPTIMAL,)


def test_finish_on_the_second_thread_ends_the_solver_on_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first would sleep for ten minutes."""
    model, asked, begun = assignment(0), Recorded(asleep=True), time.monotonic()
    monkeypatch.setattr(lexicographic, "solve_goal", asked)
    goal = solve(model, Limits(seconds=300.0, threads=2), Stopwatch(300.0)).goals[0]
    assert len(asked.asked) == 1
    assert goal.ending is Ending.OPTIMAL
    assert time.monotonic() - begun < 250.0
    monkeypatch.undo()
    assert goal.value == solved_plainly(model)


def test_all_options_may_be_better_where_prices_are_too_large_to_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plan is better than one that costs less than nothing."""
    model, nothing = assignment(0), -1_000_000
    assert not may_be_better_by(model, [], np.zeros(model.n_rows), nothing).any()
    monkeypatch.setattr("allocator.certificate.SAFE", 1)
    assert may_be_better_by(model, [], np.zeros(model.n_rows), nothing).all()


def test_options_that_are_left_out_are_in_no_plan_but_those_of_the_start_are() -> None:
    model = assignment(0)
    nobody = np.zeros(model.n_options, dtype=bool)
    with Worker() as worker:
        best = solve_goal(model, 0, [], None, "highs", lexicographic.budget_of(0, 1, 30.0, LIMITS), worker)
        assert best.columns is not None
        start = complete(model, best.columns[: model.n_options].astype(bool))
        again = solve_goal(
            model, 0, [], start, "highs", lexicographic.budget_of(0, 1, 30.0, LIMITS), worker, among=nobody
        )
        nothing = solve_goal(
            model, 0, [], None, "highs", lexicographic.budget_of(0, 1, 30.0, LIMITS), worker, among=nobody
        )
    assert again.ending is Ending.OPTIMAL
    assert again.columns is not None
    assert (again.columns == start).all()
    assert nothing.ending is Ending.INFEASIBLE


def test_of_two_solves_the_proven_one_counts_else_the_last_with_the_better_claim() -> None:
    goal = assignment(0).goals[0]
    open_, proven = Ending.TIME_LIMIT, Ending.OPTIMAL
    assert better_claim(goal, GoalSolve(None, 7, open_), GoalSolve(None, 9, open_)).solver_bound == 9
    assert better_claim(goal, GoalSolve(None, None, open_), GoalSolve(None, 9, open_)).solver_bound == 9
    assert better_claim(goal, GoalSolve(None, 7, open_), GoalSolve(None, 6, proven)).ending is proven
    assert better_claim(goal, GoalSolve(None, 7, proven), GoalSolve(None, 6, open_)).ending is proven
