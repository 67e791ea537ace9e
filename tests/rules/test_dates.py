"""The morning is Monday 2 February 2026; the horizon runs from 3 February to 31 March."""

from __future__ import annotations

from typing import Any

import pytest

from allocator.allocation import Allocation, Placement
from models.rules.dates import Dates
from tests.build import SITES, make_facts
from tests.rules.agreement import kept, kept_sessions

NO_NOTICE = {"min_notice_days": 0}


def days_kept(
    patient: dict[str, Any], *days: str, screen: Dates | None = None, session: dict[str, Any] | None = None, **more: Any
) -> list[str]:
    """Which of these days are kept for a patient who needs no notice unless said."""
    facts = make_facts([{**NO_NOTICE, **patient}], [{"date": day, **(session or {})} for day in days], **more)
    return [days[int(session_id[1:]) - 1] for session_id in kept_sessions(screen or Dates(), facts)]


def test_first_and_last_day_of_the_horizon_are_allowed() -> None:
    days = ("2026-02-02", "2026-02-03", "2026-03-31", "2026-04-01")
    assert days_kept({}, *days) == ["2026-02-03", "2026-03-31"]


def test_patient_is_placed_from_the_earliest_date_on() -> None:
    assert days_kept({"earliest_date": "2026-03-10"}, "2026-03-09", "2026-03-10") == ["2026-03-10"]


@pytest.mark.parametrize(
    ("priority", "first", "too_soon"),
    [
        ("P2", "2026-02-05", "2026-02-04"),
        ("P3", "2026-02-09", "2026-02-08"),
        ("P4", "2026-02-16", "2026-02-15"),
        ("P5", "2026-02-16", "2026-02-15"),
        ("D2", "2026-02-05", "2026-02-04"),
        ("D3", "2026-02-09", "2026-02-08"),
        ("D4", "2026-02-16", "2026-02-15"),
    ],
)
def test_notice_depends_on_the_priority_and_is_inclusive(priority: str, first: str, too_soon: str) -> None:
    patient = {"min_notice_days": None, "clinical_priority": priority}
    assert days_kept(patient, first, too_soon) == [first]


@pytest.mark.parametrize("priority", ["P2", "P3", "P4", "D2", "D3", "D4"])
def test_hub_sets_the_notice_of_each_priority(priority: str) -> None:
    screen = Dates(**{f"notice_days_{priority.lower()}": 21})
    patient = {"min_notice_days": None, "clinical_priority": priority}
    assert days_kept(patient, "2026-02-22", "2026-02-23", screen=screen) == ["2026-02-23"]


@pytest.mark.parametrize(
    ("own", "first", "too_soon"), [(1, "2026-02-03", "2026-02-02"), (21, "2026-02-23", "2026-02-22")]
)
def test_notice_that_the_patient_accepts_wins_over_the_policy(own: int, first: str, too_soon: str) -> None:
    assert days_kept({"min_notice_days": own}, first, too_soon) == [first]


def test_days_in_a_time_when_the_patient_is_unavailable_are_not_offered() -> None:
    away = [{"entry_id": "e1", "from": "2026-03-10", "to": "2026-03-11"}]
    days = ("2026-03-09", "2026-03-10", "2026-03-11", "2026-03-12")
    assert days_kept({}, *days, unavailable=away) == ["2026-03-09", "2026-03-12"]


def test_patient_must_be_available_to_the_last_day_of_the_stay() -> None:
    away = [{"entry_id": "e1", "from": "2026-03-10", "to": "2026-03-11"}]
    days = ("2026-03-07", "2026-03-08", "2026-03-09", "2026-03-12")
    assert days_kept({"overnight_stays": 2}, *days, unavailable=away) == ["2026-03-07", "2026-03-12"]
    assert days_kept({"overnight_stays": None}, *days, unavailable=away) == [
        "2026-03-07",
        "2026-03-08",
        "2026-03-09",
        "2026-03-12",
    ]


def test_times_away_overlap_touch_the_horizon_and_belong_to_one_entry() -> None:
    away = [
        {"entry_id": "e1", "from": "2025-01-01", "to": "2026-02-03"},
        {"entry_id": "e1", "from": "2026-02-03", "to": "2026-02-04"},
        {"entry_id": "e1", "from": "2026-03-31", "to": "2027-01-01"},
        {"entry_id": "gone", "from": "2026-02-05", "to": "2026-02-05"},
        {"entry_id": "e2", "from": "2026-02-05", "to": "2026-02-05"},
    ]
    days = ("2026-02-03", "2026-02-04", "2026-02-05", "2026-03-30", "2026-03-31")
    facts = make_facts([NO_NOTICE, NO_NOTICE], [{"date": day} for day in days], unavailable=away)
    assert kept_sessions(Dates(), facts, "e1") == ["s3", "s4"]
    assert kept_sessions(Dates(), facts, "e2") == ["s1", "s2", "s4", "s5"]


def test_session_can_be_booked_on_its_last_booking_day_and_not_after() -> None:
    sessions = [{"book_by": "2026-02-02"}, {"book_by": "2026-02-01"}, {"book_by": None}]
    assert kept_sessions(Dates(), make_facts([{}], sessions)) == ["s1", "s3"]


def test_lead_days_of_a_site_count_for_transfers_and_not_at_home() -> None:
    sites = [{**row, "lead_days": 10} for row in SITES]
    sessions = [{"site_code": code, "date": day} for code in ("RAA01", "RBB01") for day in ("2026-02-11", "2026-02-12")]
    assert kept_sessions(Dates(), make_facts([NO_NOTICE], sessions, sites=sites)) == ["s1", "s2", "s4"]


def test_day_on_which_the_assessment_lapses_is_the_last_one_allowed() -> None:
    assert days_kept({"poa_valid_until": "2026-03-10"}, "2026-03-10", "2026-03-11") == ["2026-03-10"]


def test_unknown_assessment_fits_unless_the_policy_says_otherwise_and_only_theatre_needs_one() -> None:
    kinds = [{"care_kind": "theatre"}, {"care_kind": "diagnostic"}, {"poa_valid_until": "2026-03-10"}]
    facts = make_facts(kinds, [{}])
    assert {entry for entry, _ in kept(Dates(), facts)} == {"e1", "e2", "e3"}
    assert {entry for entry, _ in kept(Dates(unknown_assessment_fits=False), facts)} == {"e2", "e3"}


def test_check_reports_every_obstacle_with_its_dates() -> None:
    facts = make_facts(
        [{"earliest_date": "2026-03-01", "overnight_stays": 1, "poa_valid_until": "2026-01-31"}],
        [{"date": "2026-02-03", "site_code": "RBB01", "book_by": "2026-02-01"}, {"date": "2026-04-02"}],
        sites=[{**row, "lead_days": 7} for row in SITES],
        unavailable=[{"entry_id": "e1", "from": "2026-02-04", "to": "2026-02-08"}],
    )
    messages = [item.message for item in Dates().check(facts, Allocation.of([Placement("e1", "s1")]))]
    assert messages == [
        "s1 is on 2026-02-03, and had to be booked by 2026-02-01",
        "s1 is on 2026-02-03, and Beta General prepares a transfer for 7 days",
        "s1 is on 2026-02-03, before the patient is free (2026-03-01)",
        "s1 is on 2026-02-03, too soon for 14 days' notice from 2026-02-02",
        "s1 is on 2026-02-03, after the pre-operative assessment lapses (2026-01-31)",
        "s1 is on 2026-02-03, for a stay to 2026-02-04, and the patient is unavailable from 2026-02-04 to 2026-02-08",
    ]
    (horizon, _) = Dates().check(facts, Allocation.of([Placement("e1", "s2")]))
    assert horizon.message == "s2 is on 2026-04-02, outside the days planned for (2026-02-03 to 2026-03-31)"


def test_one_day_is_a_day() -> None:
    facts = make_facts(
        [{"min_notice_days": 2}, {"min_notice_days": 1}], [{"date": "2026-02-02"}, {"date": "2026-02-03"}]
    )
    later, sooner = (Dates().misses(facts.instance, *pair)[-1] for pair in (("e1", "s2"), ("e2", "s1")))
    assert later.words == "s2 is on 2026-02-03, too soon for 2 days' notice from 2026-02-02"
    assert later.wish == "the patient accepted 1 day's notice instead of 2"
    assert sooner.words == "s1 is on 2026-02-02, too soon for 1 day's notice from 2026-02-02"


def test_reason_gives_the_obstacle_that_rules_out_most_sessions_at_its_nearest_miss() -> None:
    sessions = [{"date": "2026-02-05"}, {"date": "2026-02-12"}, {"date": "2026-03-20"}]
    facts = make_facts([{"poa_valid_until": "2026-03-10"}, {}, NO_NOTICE], sessions)
    assert Dates().reason(facts, "e1") == (
        "All 3 sessions of this service are on a day that is not possible. "
        "Most often (2): s2 is on 2026-02-12, too soon for 14 days' notice from 2026-02-02."
    )
    assert Dates().reason(facts, "e2").startswith("2 of the 3 sessions of this service are on a day that is not")
    assert Dates().reason(facts, "e3") == "No session of this service is on a day that is not possible."
