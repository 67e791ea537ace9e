"""The greedy plan: it keeps every row, pins come first, and short lists are emptied."""

from __future__ import annotations

import numpy as np
import pytest

from allocator.allocation import Allocation
from allocator.answer import Limits
from allocator.backends.process import Worker
from allocator.solve.construct import asked_for, construct, option_rank
from allocator.solve.lexicographic import first_plan
from allocator.solve.loader import complete, feasible
from allocator.stopwatch import Stopwatch
from models.daily import DAILY
from tests.build import Row, make_facts
from tests.solve.tiny import Case, case_of, random_cases

MORNING = "2026-01-30T08:00:00"


def placed(case: Case) -> dict[str, str]:
    """entry_id -> session_id of the greedy plan."""
    chosen = construct(case.formulation)
    assert feasible(case.formulation, complete(case.formulation, chosen))
    plan = Allocation.from_options(case.formulation.options, chosen)
    return {place.entry_id: place.session_id for place in plan.placements}


def pin(entry_id: str, session_id: str = "") -> Row:
    return {
        "entry_id": entry_id,
        "session_id": session_id,
        "action": "must",
        "who": "A. Manager",
        "reason": "clinical",
        "recorded_on": MORNING,
    }


def test_greedy_plan_keeps_every_row_where_nothing_is_pinned() -> None:
    somebody = 0
    for case in random_cases(0, 20):
        if not case.pinned:
            chosen = construct(case.formulation)
            assert feasible(case.formulation, complete(case.formulation, chosen))
            assert chosen[case.formulation.options.fixed].all()
            somebody += int((chosen & ~case.formulation.options.fixed).any())
    assert somebody > 10


def test_any_order_gives_a_plan_that_keeps_every_row() -> None:
    for number, case in enumerate(random_cases(0, 20)):
        if not case.pinned:
            n_options = len(case.formulation.options)
            for seed in range(5):
                rank = np.random.default_rng([number, seed]).permutation(n_options)
                chosen = construct(case.formulation, rank)
                assert feasible(case.formulation, complete(case.formulation, chosen))


@pytest.mark.parametrize("daily", [True, False], ids=["daily", "every rule"])
def test_first_plan_keeps_every_row_pins_and_hard_equity_among_them(daily: bool) -> None:
    pinned = 0
    with Worker() as worker:
        for case in random_cases(0, 20, daily=daily):
            if case.allowed.any():
                columns = first_plan(case.formulation, Limits(), Stopwatch(60), worker, large=False)
                assert feasible(case.formulation, columns)
                pinned += case.pinned
    assert pinned >= 1


def test_longest_waiter_over_a_band_goes_before_others() -> None:
    waits = ({"clock_start": "2025-12-01"}, {"clock_start": "2024-01-01"}, {"clock_start": "2025-06-01"})
    facts = make_facts(waits, [{"minutes": 75}], info={"reporting_dates": ("2026-03-31",)})
    assert placed(case_of(facts, DAILY)) == {"e2": "s1"}


def test_pinned_entry_goes_before_everybody_who_would_gain_more() -> None:
    facts = make_facts(
        [{"clinical_priority": "P2", "due_date": "2025-04-01"}, {}], [{"minutes": 75}], overrides=[pin("e2", "s1")]
    )
    assert placed(case_of(facts, DAILY)) == {"e2": "s1"}


def test_pinned_entry_takes_the_session_that_was_asked_for_and_no_better_one() -> None:
    facts = make_facts([{}, {}], [{"minutes": 75}, {"minutes": 75, "date": "2026-03-20"}], overrides=[pin("e1", "s2")])
    assert placed(case_of(facts, DAILY)) == {"e1": "s2", "e2": "s1"}


def test_rows_ask_only_for_what_fixed_places_do_not_give() -> None:
    booking = {"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": MORNING}
    facts = make_facts([{}, {}], [{}, {}], overrides=[pin("e1"), pin("e2", "s2")], commitments=[booking])
    case = case_of(facts, DAILY)
    options = case.formulation.options
    entries, sessions = options.of_entry("entry_id"), options.of_session("session_id")
    asked = [(entries[i], sessions[i]) for i in np.flatnonzero(asked_for(case.formulation))]
    assert asked == [("e2", "s2")]


def test_list_that_stays_too_short_is_emptied_and_its_people_go_elsewhere() -> None:
    facts = make_facts([{}, {}], [{"min_cases": 3, "date": "2026-03-03"}, {"min_cases": 2, "date": "2026-03-20"}])
    assert placed(case_of(facts, DAILY)) == {"e1": "s2", "e2": "s2"}


def test_nobody_is_left_without_the_test_when_the_list_of_the_test_is_emptied() -> None:
    """The test's list needs two and has one; whoever waits for it must not stay placed without it."""
    facts = make_facts(
        [
            {"care_kind": "diagnostic", "service_code": "MRI", "clinical_priority": "D3", "patient_id": "p1"},
            {"requires_entry_id": "e1", "patient_id": "p1"},
            {},
        ],
        [
            {"care_kind": "diagnostic", "service_code": "MRI", "date": "2026-03-03", "min_cases": 2, "result_days": 1},
            {"date": "2026-03-10"},
        ],
    )
    assert placed(case_of(facts, DAILY)) == {"e3": "s2"}


def test_rank_follows_the_first_goal_on_which_options_differ() -> None:
    for case in random_cases(0, 16):
        formulation = case.formulation
        n_options = len(formulation.options)
        sign = np.array([[1 if goal.sense == "max" else -1] for goal in formulation.goals])
        gains = sign * np.array([goal.values[:n_options] for goal in formulation.goals])
        order = np.argsort(option_rank(formulation))
        vectors = [tuple(gains[:, option]) for option in order]
        assert vectors == sorted(vectors, reverse=True)
