"""Every solver finds the optimum that enumeration finds, and says so in the same words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from allocator.backends import highs
from allocator.backends.problem import Budget, Problem, Result
from allocator.ending import Ending
from allocator.instance import Ints
from allocator.solve.exact import BACKENDS
from tests.backends.problems import cheapest, hard, knapsacks, problem

EVERY = pytest.mark.parametrize("backend", BACKENDS)


def solved(backend: str, given: Problem, budget: Budget) -> tuple[Result, list[tuple[Ints, int | None]]]:
    """What the solver says, and the incumbents that it told of."""
    told: list[tuple[Ints, int | None]] = []
    return BACKENDS[backend](given, budget, lambda values, bound: told.append((values, bound))), told


def assert_optimum(backend: str, given: Problem) -> None:
    best = cheapest(given)
    result, _ = solved(backend, given, Budget(30))
    if best is None:
        assert (result.ending, result.values, result.native != "") == (Ending.INFEASIBLE, None, True)
        return
    assert result.ending is Ending.OPTIMAL
    assert result.values is not None
    assert given.holds(result.values)
    assert (given.value(result.values), result.bound) == (best, best)


@settings(max_examples=60, deadline=None)
@given(knapsacks())
def test_highs_finds_the_optimum_of_enumeration(given: Problem) -> None:
    assert_optimum("highs", given)


@settings(max_examples=60, deadline=None)
@given(knapsacks())
def test_cpsat_finds_the_optimum_of_enumeration(given: Problem) -> None:
    assert_optimum("cpsat", given)


@settings(max_examples=20, deadline=None)
@given(knapsacks())
def test_cbc_finds_the_optimum_of_enumeration(given: Problem) -> None:
    assert_optimum("cbc", given)


@settings(max_examples=40, deadline=None)
@given(knapsacks())
def test_scip_finds_the_optimum_of_enumeration(given: Problem) -> None:
    assert_optimum("scip", given)


@EVERY
@pytest.mark.parametrize(
    ("given", "best"),
    [
        # 6 to 11 of 3, 7 and 9: the third alone costs 12. CBC's preprocessing leaves the second, 20.
        (problem([[-2, 4, 4], [3, 7, 9]], [-np.inf, 6], [15, 11], [13, 20, 12]), 12),
        # Columns that are not 0 or 1: nobody costs 0, and 10 was called the best.
        (problem([[-3, 6, 6]], -1, 0, [-4, 18, -13], [2, 2, 0]), 0),
    ],
)
def test_optimum_that_preprocessing_of_cbc_loses_is_found(backend: str, given: Problem, best: int) -> None:
    assert cheapest(given) == best
    assert_optimum(backend, given)


@EVERY
def test_minutes_exactly_full_are_allowed_and_one_more_is_not(backend: str) -> None:
    result, _ = solved(backend, problem([[120, 121]], -np.inf, 240, [-5, -9]), Budget(30))
    assert result.values is not None
    assert result.values.tolist() == [0, 1]
    result, _ = solved(backend, problem([[120, 120]], -np.inf, 240, [-5, -9]), Budget(30))
    assert result.values is not None
    assert result.values.tolist() == [1, 1]


@EVERY
def test_large_costs_are_solved_to_the_last_unit(backend: str) -> None:
    """Goals in pence and minutes reach billions; the optimum differs from the next plan by one."""
    billion = 1_000_000_000
    result, _ = solved(backend, problem([[1, 1, 1]], 1, 1, [billion + 1, billion, billion + 2]), Budget(30))
    assert (result.ending, result.bound) == (Ending.OPTIMAL, billion)


@EVERY
def test_problem_without_plan_is_infeasible(backend: str) -> None:
    result, told = solved(backend, problem([[2, 2]], 3, 3, [1, 1]), Budget(30))
    assert (result.ending, result.values, result.bound, told) == (Ending.INFEASIBLE, None, None, [])


@EVERY
def test_problem_without_rows_or_without_columns_is_optimal(backend: str) -> None:
    no_rows, _ = solved(backend, problem([], 0, 0, [-3, 4]), Budget(30))
    assert (no_rows.ending, no_rows.bound) == (Ending.OPTIMAL, -3)
    no_columns, _ = solved(backend, problem([], 0, 0, []), Budget(30))
    assert no_columns.ending is Ending.OPTIMAL
    assert no_columns.values is not None
    assert len(no_columns.values) == 0


@EVERY
def test_hard_problem_ends_on_time_with_a_bound_that_its_plan_does_not_beat(backend: str) -> None:
    given = hard()
    result, told = solved(backend, given, Budget(0.4))
    assert result.ending is Ending.TIME_LIMIT
    plans = [values for values, _ in told] + ([] if result.values is None else [result.values])
    assert plans
    assert all(given.holds(values) for values in plans)
    best = min(given.value(values) for values in plans)
    bounds = [bound for bound in [result.bound, *(bound for _, bound in told)] if bound is not None]
    assert all(bound <= best for bound in bounds)
    assert (result.bound is not None) == (backend != "cbc")


@EVERY
def test_equal_work_gives_equal_results_whatever_the_threads(backend: str) -> None:
    given = hard(60, 8) if backend == "cpsat" else hard(40, 5)
    first, _ = solved(backend, given, Budget(60, work=1, seed=1, threads=1))
    again, _ = solved(backend, given, Budget(60, work=1, seed=1, threads=2))
    assert first.ending is Ending.WORK_LIMIT
    assert (again.ending, again.bound, again.native) == (first.ending, first.bound, first.native)
    assert np.array_equal(first.values, again.values)


@EVERY
def test_start_is_accepted_and_kept_by_a_solver_that_uses_it(backend: str) -> None:
    """Sums that only the planted plan is known to meet: nobody finds it in one unit of work."""
    random = np.random.default_rng(5)
    weights, planted = random.integers(1, 1000, (6, 40)), random.integers(0, 2, 40)
    sums = weights @ planted
    given = problem(weights.tolist(), sums, sums, random.integers(1, 99, 40), start=planted)
    result, told = solved(backend, given, Budget(60, work=1))
    plans = [plan.tolist() for plan in [*(values for values, _ in told), result.values] if plan is not None]
    assert result.ending is Ending.WORK_LIMIT
    # CBC is the baseline that users know: it takes no start.
    assert (planted.tolist() in plans) == (backend != "cbc")


@pytest.mark.parametrize("seed", range(3))
def test_solvers_agree_to_the_last_unit_where_branching_is_needed(seed: int) -> None:
    large = hard(30, 5, seed)
    given = replace(large, costs=large.costs // 400)
    results = [solved(backend, given, Budget(30))[0] for backend in ("highs", "cpsat", "scip")]
    assert [result.ending for result in results] == [Ending.OPTIMAL] * 3
    assert len({result.bound for result in results}) == 1


@pytest.mark.parametrize("backend", ["highs", "cpsat"])
def test_incumbents_get_better_and_keep_every_row(backend: str) -> None:
    given = hard(40, 5)
    _, told = solved(backend, given, Budget(1.0))
    plans = [plan for plan, _ in told if plan is not None]
    values = [given.value(plan) for plan in plans]
    assert len(values) >= 2
    assert values == sorted(values, reverse=True)
    assert all(given.holds(plan) for plan in plans)


def test_bound_is_told_between_plans_so_that_it_outlives_a_killed_solver() -> None:
    given = hard(60, 8)
    _, told = solved("highs", given, Budget(3.0))
    between = [bound for plan, bound in told if plan is None and bound is not None]
    assert between
    assert between == sorted(between)
    assert between[-1] <= min(given.value(plan) for plan, _ in told if plan is not None)


def test_solver_program_that_breaks_down_is_a_failure_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulp.PULP_CBC_CMD.pulp_cbc_path", "/bin/false")
    result, _ = solved("cbc", hard(10, 2), Budget(10))
    assert (result.ending, result.values, result.bound) == (Ending.SOLVER_FAILED, None, None)
    assert "Error" in result.native


def test_relaxation_prices_prove_the_relaxed_value() -> None:
    """Two people for one place worth 5 and 9: the place is worth 5 to 9, in the sign of a minimisation."""
    given = problem([[1, 1]], -np.inf, 1, [-5, -9])
    prices = highs.relaxation_prices(given, Budget(10), lambda *_: None)
    assert prices is not None
    assert -9 <= prices[0] <= -5


def test_relaxation_without_plan_has_no_prices() -> None:
    assert highs.relaxation_prices(problem([[2, 2]], 5, 5, [1, 1]), Budget(10), lambda *_: None) is None


@EVERY
def test_column_without_cost_or_row_stands_in_its_box(backend: str) -> None:
    given = problem([[0]], -np.inf, 0, [0])
    result, _ = solved(backend, replace(given, column_lower=np.ones(1, dtype=np.int64)), Budget(10))
    assert result.ending is Ending.OPTIMAL
    assert result.values is not None
    assert result.values.tolist() == [1]
