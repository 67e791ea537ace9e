"""The baseline serves the longest wait first, own provider first, then the nearest, and keeps every rule."""

from __future__ import annotations

import numpy as np
import pytest

from allocator.allocation import Allocation
from allocator.audit import audit
from allocator.baseline import baseline
from allocator.formulation import formulate
from allocator.options import Facts, build_options
from allocator.policy import Policy
from allocator.rows import Rows
from allocator.rule import Columns, Limit, Violation
from benchmarks.sketch import sketch_instance, sketch_policy
from models.goals.travel import Travel
from models.rules.max_travel import MaxTravel
from models.rules.one_place import OnePlace
from models.rules.same_service import SameService
from models.rules.session_minutes import SessionMinutes
from models.rules.session_opening import SessionOpening
from tests.build import make_facts

RULES = (SameService(), MaxTravel(), OnePlace(), SessionMinutes(), SessionOpening())


def placed(facts: Facts, policy: Policy | None = None) -> dict[str, str]:
    """entry_id -> session_id of the baseline, after its audit passed."""
    policy = policy or Policy("test", RULES, (Travel(),))
    plan = baseline(formulate(build_options(facts, policy.screens), policy))
    assert audit(facts, policy, plan, (), ()).violations == ()
    return {place.entry_id: place.session_id for place in plan.placements}


def test_longest_wait_is_served_first() -> None:
    facts = make_facts([{"clock_start": "2025-06-02"}, {"clock_start": "2025-06-01"}], [{"minutes": 80}])
    assert placed(facts) == {"e2": "s1"}


def test_own_provider_comes_before_a_nearer_one() -> None:
    travel = [
        {"home_area": "HOME", "site_code": site, "travel_mode": "car", "minutes": minutes}
        for site, minutes in (("RAA01", 50), ("RBB01", 5))
    ]
    facts = make_facts([{}], [{"site_code": "RBB01"}, {"site_code": "RAA01"}], travel=travel)
    assert placed(facts) == {"e1": "s2"}


def test_away_from_home_the_nearest_comes_first_then_the_earliest() -> None:
    facts = make_facts(
        [{}],
        [
            {"site_code": "RBB01", "date": "2026-02-20"},
            {"site_code": "NCC01", "date": "2026-03-10"},
            {"site_code": "NCC01", "date": "2026-03-09"},
        ],
    )
    assert placed(facts) == {"e1": "s3"}


def test_bookings_stay_and_take_their_room() -> None:
    booking = {"entry_id": "e2", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-20"}
    facts = make_facts([{}, {"clock_start": "2026-01-01"}], [{"minutes": 80}], commitments=[booking])
    assert placed(facts) == {"e2": "s1"}


def test_list_with_too_few_people_is_not_opened() -> None:
    assert placed(make_facts([{}], [{"min_cases": 2}])) == {}


def test_list_with_just_enough_people_is_opened() -> None:
    facts = make_facts([{}, {}], [{"min_cases": 3, "host_cases": 1}])
    assert placed(facts) == {"e1": "s1", "e2": "s1"}


def test_list_is_filled_from_those_who_found_no_other_place() -> None:
    facts = make_facts([{}, {}, {}], [{"minutes": 80}, {"min_cases": 2}])
    assert placed(facts) == {"e1": "s1", "e2": "s2", "e3": "s2"}


def test_lists_are_opened_in_date_order() -> None:
    later, sooner = {"min_cases": 2, "date": "2026-03-20"}, {"min_cases": 2, "date": "2026-03-10"}
    assert placed(make_facts([{}, {}], [later, sooner])) == {"e1": "s2", "e2": "s2"}


class SecondOnlyAfterFirst(Limit):
    """For tests: the first entry, who waits shorter, has to be placed before the second may be."""

    name = "second_only_after_first"
    sentence = "The second waits for the first."
    blocked = "the first has no place"

    def rows(self, columns: Columns) -> Rows:
        entry = columns.options.entry
        return Rows.of(columns.n, ["e1"], np.zeros(len(entry)), np.arange(len(entry)), 2 * entry - 1, upper=0)

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        wrong = "e2" in allocation.of_entry and "e1" not in allocation.of_entry
        return [Violation(self.name, "e2 without e1")] if wrong else []


class PinnedToTheSecondSession(Limit):
    """For tests: e1 must be in s2."""

    name = "pinned"
    sentence = "e1 is pinned to s2."
    blocked = "pinned elsewhere"

    def rows(self, columns: Columns) -> Rows:
        options = columns.options
        pinned = np.flatnonzero((options.entry == 0) & (options.session == 1))
        return Rows.of(columns.n, ["e1"], np.zeros(len(pinned)), pinned, np.ones(len(pinned)), lower=1)

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        where = [place.session_id for place in allocation.of_entry.get("e1", ())]
        return [] if where == ["s2"] else [Violation(self.name, f"e1 is in {where}")]


def test_place_that_waits_for_another_is_found_in_a_second_turn() -> None:
    policy = Policy("test", (*RULES, SecondOnlyAfterFirst()), (Travel(),))
    facts = make_facts([{"clock_start": "2025-06-02"}, {"clock_start": "2025-06-01"}], [{}])
    assert placed(facts, policy) == {"e1": "s1", "e2": "s1"}


def test_pinned_entry_goes_only_where_it_is_pinned() -> None:
    policy = Policy("test", (*RULES, PinnedToTheSecondSession()), (Travel(),))
    assert placed(make_facts([{}], [{}, {"site_code": "RBB01"}]), policy) == {"e1": "s2"}


def test_pinned_entry_comes_before_those_who_wait_longer() -> None:
    policy = Policy("test", (*RULES, PinnedToTheSecondSession()), (Travel(),))
    facts = make_facts([{"clock_start": "2025-12-01"}, {}], [{"minutes": 30}, {"minutes": 80}])
    assert placed(facts, policy) == {"e1": "s2"}


def test_list_that_a_pin_asks_for_is_opened_first() -> None:
    policy = Policy("test", (*RULES, PinnedToTheSecondSession()), (Travel(),))
    facts = make_facts([{"clock_start": "2025-12-01"}, {}], [{}, {"min_cases": 2}])
    assert placed(facts, policy) == {"e1": "s2", "e2": "s2"}


def test_pinned_entry_comes_first_in_the_list_that_is_opened_for_it() -> None:
    policy = Policy("test", (*RULES, PinnedToTheSecondSession()), (Travel(),))
    facts = make_facts([{"clock_start": "2025-12-01"}, {}, {}], [{"minutes": 30}, {"min_cases": 2, "minutes": 160}])
    assert placed(facts, policy) == {"e1": "s2", "e2": "s2"}


def test_clerks_of_regions_keep_every_rule_together(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = sketch_instance("S", 1)
    facts, policy = Facts(instance), sketch_policy(instance)
    formulation = formulate(build_options(facts, policy.screens), policy)
    monkeypatch.setattr("allocator.baseline.CUT_FROM", 500)
    monkeypatch.setattr("allocator.baseline.MOST_OF_A_CLERK", 400)
    plan = baseline(formulation)
    assert audit(facts, policy, plan, (), ()).violations == ()
    assert plan.placements
