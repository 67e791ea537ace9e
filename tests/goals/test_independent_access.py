from __future__ import annotations

from allocator.allocation import Allocation, Placement
from models.goals.independent_access import IndependentAccess
from tests.build import make_facts
from tests.goals.agreement import value_of

A, B = {"home_provider": "RAA"}, {"home_provider": "RBB"}
CLINIC = {"site_code": "NCC01"}
EXACT = IndependentAccess(equity_tolerance=0)


def test_each_trust_has_its_share_of_independent_places() -> None:
    facts = make_facts([A, A, B, B], [CLINIC])
    assert value_of(EXACT, facts) == 0
    assert value_of(EXACT, facts, ("e1", "s1")) == 0  # floor(1/2) = 0
    assert value_of(EXACT, facts, ("e1", "s1"), ("e2", "s1")) == 1  # floor(2/2) = 1 for B
    assert value_of(EXACT, facts, ("e1", "s1"), ("e3", "s1")) == 0


def test_tolerance_just_reaches_the_next_person() -> None:
    facts = make_facts([A, A, B, B], [CLINIC])
    assert value_of(IndependentAccess(equity_tolerance=0.001), facts, ("e1", "s1"), ("e2", "s1")) == 0


def test_places_in_nhs_sessions_do_not_count() -> None:
    facts = make_facts([A, A, B, B], [CLINIC, {}])
    assert value_of(EXACT, facts, ("e1", "s2"), ("e2", "s2")) == 0


def test_services_are_counted_each_by_itself() -> None:
    other = {"service_code": "100"}
    patients = [A, A, B, B, {**A, **other}, {**B, **other}]
    facts = make_facts(patients, [CLINIC, {**CLINIC, **other}])
    assert value_of(EXACT, facts, ("e1", "s1"), ("e5", "s2")) == 0  # 1 place in each service
    assert value_of(EXACT, facts, ("e1", "s1"), ("e2", "s1"), ("e5", "s2")) == 1
    assert value_of(EXACT, facts, ("e1", "s1"), ("e2", "s1"), ("e6", "s2")) == 1


def test_bookings_are_left_out_on_both_sides() -> None:
    booked = [
        {"entry_id": entry, "session_id": "s1", "state": "booked", "recorded_on": "2026-02-01"}
        for entry in ("e1", "e2")
    ]
    facts = make_facts([A, A, B, B], [CLINIC], commitments=booked)
    assert value_of(EXACT, facts) == 0


def test_a_place_at_the_own_provider_is_no_independent_place() -> None:
    facts = make_facts([{"home_provider": "NCC"}, {"home_provider": "NCC"}, A, A], [CLINIC])
    assert value_of(EXACT, facts, ("e1", "s1"), ("e2", "s1")) == 0


def test_small_trusts_can_be_left_out() -> None:
    facts = make_facts([A, A, B], [CLINIC])
    places = [("e1", "s1"), ("e2", "s1")]  # no third place: floor(2 / 3) = 0
    assert value_of(EXACT, facts, *places) == 0
    facts = make_facts([A, A, A, A, B, B], [CLINIC])
    places = [(f"e{number}", "s1") for number in range(1, 5)]  # B: floor(4 x 2 / 6) = 1
    assert value_of(EXACT, facts, *places) == 1
    assert value_of(IndependentAccess(equity_tolerance=0, min_size=3), facts, *places) == 0


def test_usage_shows_places_and_floor_of_each_trust() -> None:
    facts = make_facts([A, A, B, B], [CLINIC])
    everybody = frozenset({"e1", "e2", "e3", "e4"})
    allocation = Allocation.of([Placement("e1", "s1"), Placement("e2", "s1")], everybody, everybody)
    usage = EXACT.usage(facts, allocation)
    expected = [["RAA, theatre 110", 2, 1], ["RBB, theatre 110", 0, 1]]
    assert usage[["what", "used", "limit"]].to_numpy().tolist() == expected
