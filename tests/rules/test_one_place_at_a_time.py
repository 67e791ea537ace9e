from __future__ import annotations

import pytest

from allocator.options import Facts
from models.rules.one_place_at_a_time import OnePlaceAtATime
from tests.build import make_facts
from tests.rules.placing import allows, booked, plan

PERSON = {"patient_id": "p1"}


def two_places(first: dict[str, object], second: dict[str, object], nights: float | None = 0) -> Facts:
    """One person: e1 may go to s1 (service 100), e2 to s2 (service 110)."""
    return make_facts(
        [{**PERSON, "service_code": "100", "overnight_stays": nights}, {**PERSON, "service_code": "110"}],
        [{"service_code": "100", **first}, {"service_code": "110", **second}],
    )


@pytest.mark.parametrize(("gap", "day", "allowed"), [(1, 10, False), (1, 11, True), (3, 12, False), (3, 13, True)])
def test_second_place_is_the_gap_or_more_after_the_first(gap: int, day: int, allowed: bool) -> None:
    facts = two_places({"date": "2026-03-10"}, {"date": f"2026-03-{day}"})
    assert allows(OnePlaceAtATime(min_gap_days=gap), facts, "e1-s1", "e2-s2") is allowed


@pytest.mark.parametrize(
    ("day", "allowed"), [(9, True), (10, False), (11, False), (12, False), (13, False), (14, True)]
)
def test_nothing_from_the_first_day_of_a_stay_of_three_nights_to_the_day_of_discharge(day: int, allowed: bool) -> None:
    facts = two_places({"date": "2026-03-10"}, {"date": f"2026-03-{day:02d}"}, nights=3)
    assert allows(OnePlaceAtATime(), facts, "e1-s1", "e2-s2") is allowed


def test_without_a_gap_one_visit_to_one_site_may_hold_two_places() -> None:
    same_site = two_places({"date": "2026-03-10"}, {"date": "2026-03-10"})
    other_site = two_places({"date": "2026-03-10"}, {"date": "2026-03-10", "site_code": "RBB01"})
    overnight = two_places({"date": "2026-03-10"}, {"date": "2026-03-10"}, nights=1)
    no_gap = OnePlaceAtATime(min_gap_days=0)
    assert allows(no_gap, same_site, "e1-s1", "e2-s2")
    assert not allows(no_gap, other_site, "e1-s1", "e2-s2")
    assert not allows(no_gap, overnight, "e1-s1", "e2-s2")


def test_without_a_gap_the_day_of_discharge_is_still_taken() -> None:
    facts = two_places({"date": "2026-03-10"}, {"date": "2026-03-11"}, nights=1)
    assert not allows(OnePlaceAtATime(min_gap_days=0), facts, "e1-s1", "e2-s2")


def test_unknown_stay_of_an_operation_counts_as_the_policy_says() -> None:
    facts = two_places({"date": "2026-03-10"}, {"date": "2026-03-11"}, nights=None)
    assert not allows(OnePlaceAtATime(), facts, "e1-s1", "e2-s2")
    assert allows(OnePlaceAtATime(unknown_stays_theatre=0), facts, "e1-s1", "e2-s2")


def test_other_people_do_not_matter() -> None:
    facts = make_facts([{}, {}], [{}])
    assert allows(OnePlaceAtATime(), facts, "e1-s1", "e2-s1")


def test_booking_keeps_new_places_of_the_same_person_away() -> None:
    facts = make_facts([PERSON, PERSON], [{}, {"date": "2026-03-11"}], commitments=[booked("e1", "s1")])
    assert not allows(OnePlaceAtATime(), facts, "e2-s1")
    assert allows(OnePlaceAtATime(), facts, "e2-s2")


def test_two_clashing_bookings_stay_and_a_third_place_keeps_clear_of_both() -> None:
    sessions = [{}, {"site_code": "RBB01"}, {"date": "2026-03-10"}, {"date": "2026-03-11"}]
    facts = make_facts([PERSON] * 3, sessions, commitments=[booked("e1", "s1"), booked("e2", "s2")])
    assert allows(OnePlaceAtATime(), facts)
    assert not allows(OnePlaceAtATime(), facts, "e3-s3")
    assert allows(OnePlaceAtATime(), facts, "e3-s4")


def test_message_names_both_days_and_the_gap() -> None:
    facts = two_places({"date": "2026-03-10"}, {"date": "2026-03-11", "site_code": "RBB01"})
    (violation,) = OnePlaceAtATime(min_gap_days=2).check(facts, plan(facts, "e1-s1", "e2-s2"))
    assert violation.entry_ids == ("e1", "e2")
    assert violation.message == (
        "leaves RAA01 on 2026-03-10 and is due at RBB01 on 2026-03-11; the gap wanted is 2 days"
    )


def test_usage_counts_people_with_several_places() -> None:
    facts = make_facts([PERSON, PERSON, {}], [{}, {"date": "2026-03-20"}])
    usage = OnePlaceAtATime().usage(facts, plan(facts, "e1-s1", "e2-s2", "e3-s1"))
    assert usage.values.tolist() == [["people with several places", 1, 1, "people"]]
