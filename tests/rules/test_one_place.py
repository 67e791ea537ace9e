from __future__ import annotations

from allocator.allocation import Allocation, Placement
from models.rules.one_place import OnePlace
from tests.build import make_facts
from tests.rules.placing import allows, booked, plan


def test_entry_has_one_place_and_not_two() -> None:
    facts = make_facts([{}, {}], [{}, {}])
    assert allows(OnePlace(), facts, "e1-s1", "e2-s1")
    assert not allows(OnePlace(), facts, "e1-s1", "e1-s2")


def test_two_entries_of_one_person_are_two_places() -> None:
    facts = make_facts([{"patient_id": "p1"}, {"patient_id": "p1"}], [{}, {}])
    assert allows(OnePlace(), facts, "e1-s1", "e2-s2")


def test_double_booking_stays_and_is_not_reported() -> None:
    facts = make_facts([{}, {}], [{}, {}], commitments=[booked("e1", "s1"), booked("e1", "s2")])
    assert allows(OnePlace(), facts, "e2-s1")
    assert not allows(OnePlace(), facts, "e2-s1", "e2-s2")


def test_new_place_beside_a_booking_is_reported() -> None:
    facts = make_facts([{}], [{}, {}], commitments=[booked("e1", "s1")])
    by_hand = Allocation.of([Placement("e1", "s1", "booked"), Placement("e1", "s2")])
    (violation,) = OnePlace().check(facts, by_hand)
    assert violation.message == "e1 has 2 places; at most 1 is allowed"


def test_usage_counts_entries_with_a_place() -> None:
    facts = make_facts([{}, {}, {}], [{}])
    usage = OnePlace().usage(facts, plan(facts, "e1-s1", "e2-s1"))
    assert usage.values.tolist() == [["entries with a place", 2, 3, "entries"]]
