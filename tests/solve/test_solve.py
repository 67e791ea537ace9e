"""A whole run: an audited plan whatever happens to the clock, the person or the pins."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest

from allocator.answer import Limits, Progress, Run
from allocator.ending import Ending
from allocator.errors import ContradictionError, NoPlanError
from allocator.options import Facts
from allocator.policy import Policy, read_policy
from allocator.run import allocate
from allocator.solve import lexicographic
from allocator.solve.loader import complete, feasible, merit
from models import CATALOGUE
from models.daily import DAILY
from tests.build import Row, make_facts
from tests.solve.tiny import case_of
from tests.specification.random_instances import random_instance

MORNING = "2026-01-30T08:00:00"
THREE_GOALS = Policy(
    "short", DAILY.rules, tuple(goal for goal in DAILY.goals if goal.name in ("longest_waits", "travel"))
)


@cache
def facts() -> Facts:
    """Six people for two lists: some are over a band, one is urgent."""
    waits = ("2024-01-01", "2024-06-01", "2024-09-01", "2025-01-06", "2025-03-01", "2025-09-01")
    patients = [{"clock_start": wait, "clinical_priority": "P2" if wait < "2024-06" else "P4"} for wait in waits]
    return make_facts(
        patients, [{"minutes": 180}, {"minutes": 180, "site_code": "RBB01"}], info={"reporting_dates": ("2026-03-31",)}
    )


def assert_stands(run: Run) -> None:
    """The plan passed its audit, and no single addition improves it."""
    assert run.audit.violations == ()
    formulation = case_of(run.facts, run.policy).formulation
    options = formulation.options
    places = {(place.entry_id, place.session_id) for place in run.allocation.placements}
    pairs = zip(options.of_entry("entry_id"), options.of_session("session_id"), strict=True)
    chosen = np.array([pair in places for pair in pairs], dtype=bool)
    before = merit(formulation, complete(formulation, chosen))
    for option in np.flatnonzero(~np.isin(options.entry, options.entry[chosen])):
        after = chosen.copy()
        after[option] = True
        columns = complete(formulation, after)
        assert not (feasible(formulation, columns) and merit(formulation, columns) > before)


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_run_without_time_returns_an_audited_plan_soon(seconds: float) -> None:
    begun = time.monotonic()
    run = allocate(facts().instance, DAILY, Limits(seconds=seconds))
    assert time.monotonic() - begun < seconds + 2 + 18, "two seconds are promised; the rest is for a busy machine"
    assert_stands(run)
    assert len(run.allocation.placements) == 4
    assert all(goal.certified_bound is not None for goal in run.goals)


@pytest.mark.parametrize("seed", range(2))
def test_plan_is_maximal_and_audited_on_random_instances(seed: int) -> None:
    policy = read_policy(CATALOGUE, overrides=("group_equity.equity_tolerance=0",))
    try:
        run = allocate(random_instance(seed), Policy("short", policy.rules, policy.goals[3:6]), Limits(work=30))
    except ContradictionError:
        return
    assert_stands(run)


@pytest.mark.parametrize("goal", ["longest_waits_104w", "travel"])
def test_interrupt_during_the_search_keeps_the_best_plan(goal: str) -> None:
    def report(progress: Progress) -> None:
        if progress.goal == goal:
            raise KeyboardInterrupt

    run = allocate(facts().instance, THREE_GOALS, Limits(seconds=60), report)
    assert run.ending is Ending.CANCELLED
    assert_stands(run)
    assert len(run.allocation.placements) == 4
    assert [found.ending for found in run.goals][-1] is Ending.CANCELLED or goal == "travel"


def test_interrupt_during_the_proof_keeps_the_plan_with_weaker_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = lexicographic.prove_all, []

    def interrupted(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(lexicographic, "prove_all", interrupted)
    run = allocate(facts().instance, THREE_GOALS, Limits(seconds=60))
    assert run.ending is Ending.CANCELLED
    assert_stands(run)
    assert all(goal.certified_bound is not None for goal in run.goals)


def test_interrupt_before_any_plan_stands_is_the_persons() -> None:
    def report(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        allocate(facts().instance, THREE_GOALS, Limits(seconds=60), report)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_goal_is_not_optimal_where_people_added_last_take_back_what_a_tolerance_saved(threads: int) -> None:
    """60 waited a year and one a day, whom weeks allow to leave out for 10 minutes of travel: there is room, so not."""
    people = [{"clock_start": "2025-01-06"}] * 60 + [{"clock_start": "2026-02-01", "expected_minutes": 30}]
    run = allocate(make_facts(people, [{"minutes": 1440}] * 4).instance, DAILY, Limits(seconds=10, threads=threads))
    assert len(run.allocation.placements) == 61
    travel = next(goal for goal in run.goals if goal.name == "travel")
    assert (travel.value, travel.solver_bound) == (610, 600)
    assert travel.ending is not Ending.OPTIMAL
    assert run.ending is not Ending.OPTIMAL


def pin(entry_id: str, session_id: str) -> Row:
    return {
        "entry_id": entry_id,
        "session_id": session_id,
        "action": "must",
        "who": "A. Manager",
        "reason": "clinical",
        "recorded_on": MORNING,
    }


def test_pins_that_cannot_all_be_kept_are_a_contradiction_that_names_them() -> None:
    crowded = make_facts([{}, {}, {}], [{"max_cases": 1}], overrides=[pin("e1", "s1"), pin("e2", "s1")])
    with pytest.raises(ContradictionError, match=r"e1 must go to session s1 \(A\. Manager: clinical\)") as caught:
        allocate(crowded.instance, THREE_GOALS, Limits(seconds=60))
    assert "e2 must go to session s1" in str(caught.value)
    assert "\nrule session_cases: s1\n" in str(caught.value)
    assert "Fewer pins and rules do not contradict" in str(caught.value)
    assert "Checked again by a second solver." in str(caught.value)
    assert "e3" not in str(caught.value)
    assert caught.value.exit_code == 4


def test_of_two_rules_that_forbid_the_same_pins_one_is_named() -> None:
    """One case at most, and minutes for one: either rule alone contradicts the pins."""
    crowded = make_facts([{}, {}], [{"max_cases": 1, "minutes": 75}], overrides=[pin("e1", "s1"), pin("e2", "s1")])
    with pytest.raises(ContradictionError, match=r"rule session_(cases|minutes): s1") as caught:
        allocate(crowded.instance, THREE_GOALS, Limits(seconds=60))
    assert str(caught.value).count("\nrule ") == 1


def test_pins_that_defeat_the_greedy_plan_are_kept_by_an_exact_solver() -> None:
    """e1 may have either list and takes the one that e2 needs; only one way keeps both."""
    pinned = make_facts(
        [{"overnight_stays": 0}, {"max_travel_minutes": 10}],
        [{"max_cases": 1}, {"max_cases": 1, "site_code": "RBB01", "date": "2026-03-20"}],
        overrides=[pin("e1", ""), pin("e2", "s1")],
    )
    run = allocate(pinned.instance, THREE_GOALS, Limits(seconds=60))
    assert_stands(run)
    assert {place.entry_id: place.session_id for place in run.allocation.placements} == {"e1": "s2", "e2": "s1"}


def test_no_plan_in_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicographic, "any_plan", lambda *arguments: None)
    crowded = make_facts([{}, {}], [{"max_cases": 1}], overrides=[pin("e1", "s1"), pin("e2", "s1")])
    with pytest.raises(NoPlanError, match=r"No plan stood after 0 s.*Maybe give more with --seconds") as caught:
        allocate(crowded.instance, THREE_GOALS, Limits(seconds=60))
    assert caught.value.exit_code == 6


def test_goal_that_a_bound_proves_is_optimal_and_a_run_is_as_its_worst_goal() -> None:
    run = allocate(facts().instance, THREE_GOALS, Limits(seconds=60))
    assert run.ending is Ending.OPTIMAL
    assert {goal.ending for goal in run.goals} == {Ending.OPTIMAL}
    for goal in run.goals:
        bounds = [bound for bound in (goal.solver_bound, goal.certified_bound) if bound is not None]
        assert all(bound >= goal.value if goal.sense == "max" else bound <= goal.value for bound in bounds)
    assert list(dict.fromkeys(point.goal for point in run.trace)) == [goal.label for goal in run.goals]


def test_instance_without_anybody_or_any_session_runs() -> None:
    for nobody in (make_facts([], [{}]), make_facts([{}], []), make_facts([], [])):
        run = allocate(nobody.instance, THREE_GOALS, Limits(seconds=30))
        assert run.allocation.placements == ()
        assert run.audit.violations == ()
