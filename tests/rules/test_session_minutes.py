from __future__ import annotations

import pytest

from models.rules.session_minutes import SessionMinutes
from tests.build import make_facts
from tests.rules.placing import allows, booked, plan


@pytest.mark.parametrize(("minutes", "allowed"), [(158, False), (159, True)])
def test_two_hours_and_one_turnaround_fit_159_minutes_at_85_percent(minutes: int, allowed: bool) -> None:
    # 60 + 15 + 60 = 135 minutes; 0.85 x 158 = 134.3 and 0.85 x 159 = 135.15.
    facts = make_facts([{}, {}], [{"minutes": minutes}])
    assert allows(SessionMinutes(), facts, "e1-s1", "e2-s1") is allowed


@pytest.mark.parametrize(("minutes", "allowed"), [(134, False), (135, True)])
def test_diagnostic_minutes_are_used_in_full(minutes: int, allowed: bool) -> None:
    test = {"care_kind": "diagnostic"}
    facts = make_facts([test, test], [{**test, "minutes": minutes}])
    assert allows(SessionMinutes(), facts, "e1-s1", "e2-s1") is allowed


@pytest.mark.parametrize(("minutes", "allowed"), [(69, False), (70, True)])
def test_margin_is_the_given_share_of_the_sd_rounded_up(minutes: int, allowed: bool) -> None:
    # 60 + ceil(0.5 x 19) = 70 minutes.
    facts = make_facts([{"minutes_sd": 19}], [{"minutes": minutes}])
    assert allows(SessionMinutes(theatre_utilisation=1, safety_sds=0.5), facts, "e1-s1") is allowed


@pytest.mark.parametrize(("minutes", "allowed"), [(79, False), (80, True)])
def test_unknown_sd_counts_as_a_share_of_the_minutes(minutes: int, allowed: bool) -> None:
    # 60 + ceil(0.32 x 60 = 19.2) = 80 minutes.
    facts = make_facts([{}], [{"minutes": minutes}])
    assert allows(SessionMinutes(theatre_utilisation=1, safety_sds=1), facts, "e1-s1") is allowed


@pytest.mark.parametrize(("minutes", "allowed"), [(60, False), (61, True)])
def test_margin_a_hair_above_nothing_is_a_minute(minutes: int, allowed: bool) -> None:
    facts = make_facts([{"minutes_sd": 19}], [{"minutes": minutes}])
    assert allows(SessionMinutes(theatre_utilisation=1, safety_sds=1e-11), facts, "e1-s1") is allowed


def test_one_case_needs_no_turnaround() -> None:
    facts = make_facts([{}], [{"minutes": 60}])
    assert allows(SessionMinutes(theatre_utilisation=1), facts, "e1-s1")


def test_booking_uses_its_minutes() -> None:
    facts = make_facts([{}, {}], [{"minutes": 158}], commitments=[booked("e1", "s1")])
    assert not allows(SessionMinutes(), facts, "e2-s1")


def test_bookings_beyond_the_planned_minutes_stay_and_nobody_is_added() -> None:
    facts = make_facts([{}, {}, {"expected_minutes": 1}], [{"minutes": 135}], commitments=BOTH)
    assert allows(SessionMinutes(), facts)
    assert not allows(SessionMinutes(), facts, "e3-s1")
    assert SessionMinutes().conflicts(facts) == []


def test_bookings_beyond_the_whole_session_are_conflicts() -> None:
    facts = make_facts([{}, {}], [{"minutes": 134}], commitments=BOTH)
    conflicts = SessionMinutes().conflicts(facts)
    assert [(conflict.entry_id, conflict.session_id) for conflict in conflicts] == [("e1", "s1"), ("e2", "s1")]
    assert conflicts[0].problem == "its bookings take 135 minutes; the session has 134"
    assert conflicts[0].closes


def test_session_with_an_opening_cost_has_the_same_room() -> None:
    facts = make_facts([{}, {}], [{"minutes": 158, "opening_cost_gbp": 100}])
    assert allows(SessionMinutes(), facts, "e1-s1")
    assert not allows(SessionMinutes(), facts, "e1-s1", "e2-s1")


def test_usage_shows_minutes_used_and_room() -> None:
    facts = make_facts([{}, {}], [{"minutes": 240}])
    usage = SessionMinutes().usage(facts, plan(facts, "e1-s1", "e2-s1"))
    assert usage.values.tolist() == [["s1", 150, 219, "minutes"]]


BOTH = [booked("e1", "s1"), booked("e2", "s1")]
