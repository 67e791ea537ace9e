from __future__ import annotations

import pytest

from allocator.allocation import Allocation, Placement
from models.rules.max_travel import MaxTravel
from tests.build import make_facts
from tests.rules.agreement import kept_sessions

SITES = ("RAA01", "RBB01", "NCC01")
SESSIONS = tuple({"site_code": code} for code in SITES)


def journeys(*minutes: int | None, mode: str = "car") -> list[dict[str, object]]:
    """Minutes from HOME to RAA01, RBB01 and NCC01; None where there is no row."""
    return [
        {"home_area": "HOME", "site_code": site, "travel_mode": mode, "minutes": value}
        for site, value in zip(SITES, minutes, strict=True)
        if value is not None
    ]


def test_entry_at_exactly_the_travel_limit_is_kept_and_one_minute_more_is_not() -> None:
    facts = make_facts([{}], SESSIONS, travel=journeys(59, 60, 61))
    assert kept_sessions(MaxTravel(car_minutes=60), facts) == ["s1", "s2"]


@pytest.mark.parametrize(("own", "expected"), [(90, ["s1", "s2"]), (30, ["s1"]), (29, [])])
def test_own_limit_wins_over_the_policy_in_both_directions(own: int, expected: list[str]) -> None:
    facts = make_facts([{"max_travel_minutes": own}], SESSIONS, travel=journeys(30, 90, 91))
    assert kept_sessions(MaxTravel(car_minutes=60), facts) == expected


def test_hard_cap_stands_above_what_a_patient_accepts() -> None:
    facts = make_facts([{"max_travel_minutes": 90}, {}], SESSIONS, travel=journeys(30, 75, 76))
    screen = MaxTravel(car_minutes=120, hard_cap_minutes=75)
    assert kept_sessions(screen, facts, "e1") == ["s1", "s2"]
    assert kept_sessions(screen, facts, "e2") == ["s1", "s2"]


def test_public_transport_has_its_own_limit() -> None:
    facts = make_facts(
        [{"travel_mode": "public_transport"}], SESSIONS, travel=journeys(75, 76, 30, mode="public_transport")
    )
    assert kept_sessions(MaxTravel(), facts) == ["s1", "s3"]


def test_unknown_journey_does_not_fit_even_at_home() -> None:
    facts = make_facts([{"max_travel_minutes": 1440}], SESSIONS, travel=journeys(None, 20, None))
    assert kept_sessions(MaxTravel(), facts) == ["s2"]


def test_check_gives_both_numbers() -> None:
    facts = make_facts([{}], SESSIONS, travel=journeys(10, 61, None))
    screen = MaxTravel()
    plan = Allocation.of([Placement("e1", "s2"), Placement("e1", "s3")])
    messages = [item.message for item in screen.check(facts, plan)]
    assert messages == [
        "the journey to s2 is 61 minutes; the limit is 60 minutes",
        "the journey to s3 is unknown; the limit is 60 minutes",
    ]


def test_reason_names_the_nearest_session_that_is_too_far() -> None:
    patients = [{}, {"home_area": "ELSEWHERE"}]
    facts = make_facts(patients, [*SESSIONS, {"service_code": "999"}], travel=journeys(74, 80, 99))
    assert MaxTravel().reason(facts, "e1") == (
        "All 3 sessions of this service are too far away: the limit is 60 minutes, the nearest is 74 (Alpha General)."
    )
    assert MaxTravel().reason(facts, "e2") == (
        "All 3 sessions of this service are at a site to which the journey is not known; the limit is 60 minutes."
    )
    assert MaxTravel(car_minutes=75).reason(facts, "e1") == (
        "2 of the 3 sessions of this service are too far away: "
        "the limit is 75 minutes, the nearest is 80 (Beta General)."
    )
