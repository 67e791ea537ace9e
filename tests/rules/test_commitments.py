from __future__ import annotations

from allocator.allocation import Allocation, Placement
from models.rules.commitments import Commitments
from tests.build import make_facts
from tests.rules.placing import allows, booked, plan

RULE = Commitments()


def test_booking_is_kept_and_others_are_free_to_come() -> None:
    facts = make_facts([{}, {}], [{}], commitments=[booked("e1", "s1")])
    assert allows(RULE, facts)
    assert allows(RULE, facts, "e2-s1")


def test_booking_left_out_of_the_plan_is_reported() -> None:
    facts = make_facts([{}], [{}], commitments=[booked("e1", "s1")])
    (violation,) = RULE.check(facts, Allocation.of([]))
    assert violation.message == "s1 is booked for this entry; the plan has no such place"


def test_booking_moved_elsewhere_is_reported() -> None:
    facts = make_facts([{}], [{}, {}], commitments=[booked("e1", "s1")])
    assert len(RULE.check(facts, Allocation.of([Placement("e1", "s2")]))) == 1


def test_state_must_be_the_one_that_was_recorded() -> None:
    facts = make_facts([{}], [{}], commitments=[booked("e1", "s1", state="offered")])
    assert RULE.check(facts, Allocation.of([Placement("e1", "s1", "offered")])) == []
    assert len(RULE.check(facts, Allocation.of([Placement("e1", "s1", "booked")]))) == 1
    assert len(RULE.check(facts, Allocation.of([Placement("e1", "s1")]))) == 1


def test_booking_that_nobody_recorded_is_reported() -> None:
    facts = make_facts([{}], [{}])
    (violation,) = RULE.check(facts, Allocation.of([Placement("e1", "s1", "booked")]))
    assert violation.message == "s1 is booked in the plan; no commitment says so"


def test_offer_is_kept_on_the_day_it_expires_and_free_on_the_next() -> None:
    # The plan is made on 2 February 2026.
    for expires_on, kept in (("2026-02-02", True), ("2026-02-01", False)):
        offer = booked("e1", "s1", state="offered", expires_on=expires_on)
        facts = make_facts([{}], [{}], commitments=[offer])
        assert (RULE.check(facts, Allocation.of([])) != []) is kept


def test_proposal_may_be_left_out() -> None:
    facts = make_facts([{}], [{}], commitments=[booked("e1", "s1", state="proposed")])
    assert RULE.check(facts, Allocation.of([])) == []


def test_booking_in_a_session_that_is_gone_is_not_asked_for() -> None:
    facts = make_facts([{}], [{}], commitments=[booked("e1", "withdrawn")])
    assert RULE.check(facts, Allocation.of([])) == []


def test_usage_counts_fixed_places() -> None:
    facts = make_facts([{}, {}], [{}], commitments=[booked("e1", "s1")])
    assert RULE.usage(facts, plan(facts, "e2-s1")).values.tolist() == [["fixed places", 1, 1, "places"]]
