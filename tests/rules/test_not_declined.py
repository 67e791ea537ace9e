from __future__ import annotations

from typing import Any

import pytest

from allocator.allocation import Allocation, Placement
from allocator.options import Facts
from models.rules.not_declined import NotDeclined
from tests.build import make_facts
from tests.rules.agreement import kept_sessions

SESSIONS = ({}, {"site_code": "RBB01"}, {"site_code": "RBB01"})
EVERYWHERE = ["s1", "s2", "s3"]


def settled(*rows: tuple[str, str, str], entry_id: str = "e1") -> Facts:
    """Two entries, three sessions, and commitments (session_id, site_code, state), one a day in this order."""
    commitments: list[dict[str, Any]] = [
        {
            "entry_id": entry_id,
            "session_id": session_id,
            "site_code": site_code,
            "state": state,
            "recorded_on": f"2026-01-{day:02}T09:00:00",
        }
        for day, (session_id, site_code, state) in enumerate(rows, 10)
    ]
    return make_facts([{}, {}], SESSIONS, commitments=commitments)


@pytest.mark.parametrize("state", ["declined", "host_refused"])
def test_declined_session_is_not_offered_again_but_others_are(state: str) -> None:
    facts = settled(("s2", "RBB01", state))
    assert kept_sessions(NotDeclined(), facts, "e1") == ["s1", "s3"]
    assert kept_sessions(NotDeclined(), facts, "e2") == EVERYWHERE


@pytest.mark.parametrize("state", ["declined", "host_refused"])
def test_declined_site_is_not_offered_again_on_any_day(state: str) -> None:
    facts = settled(("", "RBB01", state))
    assert kept_sessions(NotDeclined(), facts, "e1") == ["s1"]
    assert kept_sessions(NotDeclined(), facts, "e2") == EVERYWHERE


@pytest.mark.parametrize("state", ["proposed", "cancelled"])
def test_other_states_bar_nothing(state: str) -> None:
    assert kept_sessions(NotDeclined(), settled(("s2", "", state))) == EVERYWHERE


def test_latest_row_of_a_pair_wins_in_both_directions() -> None:
    assert kept_sessions(NotDeclined(), settled(("s2", "", "declined"), ("s2", "", "cancelled"))) == EVERYWHERE
    assert kept_sessions(NotDeclined(), settled(("s2", "", "proposed"), ("s2", "", "declined"))) == ["s1", "s3"]


def test_row_for_a_session_does_not_lift_the_refusal_of_its_site() -> None:
    assert kept_sessions(NotDeclined(), settled(("", "RBB01", "declined"), ("s2", "RBB01", "cancelled"))) == ["s1"]


def test_declined_places_that_are_gone_bar_nothing_else() -> None:
    facts = settled(("gone", "", "declined"), ("", "ZZZ99", "host_refused"))
    assert kept_sessions(NotDeclined(), facts) == EVERYWHERE


def test_later_row_of_the_same_moment_wins() -> None:
    same = {"entry_id": "e1", "session_id": "s1", "recorded_on": "2026-01-10T09:00:00"}
    lifted = make_facts([{}], SESSIONS, commitments=[{**same, "state": "declined"}, {**same, "state": "cancelled"}])
    barred = make_facts([{}], SESSIONS, commitments=[{**same, "state": "cancelled"}, {**same, "state": "declined"}])
    assert kept_sessions(NotDeclined(), lifted) == EVERYWHERE
    assert kept_sessions(NotDeclined(), barred) == ["s2", "s3"]


def test_moment_counts_and_not_the_place_in_the_file() -> None:
    later = {"entry_id": "e1", "session_id": "s1", "state": "declined", "recorded_on": "2026-01-10T09:00:01"}
    earlier = {**later, "state": "cancelled", "recorded_on": "2026-01-10T09:00:00"}
    assert kept_sessions(NotDeclined(), make_facts([{}], SESSIONS, commitments=[later, earlier])) == ["s2", "s3"]


def test_check_says_who_turned_what_down() -> None:
    facts = settled(("s2", "", "declined"), ("", "RBB01", "host_refused"))
    assert [item.message for item in NotDeclined().check(facts, Allocation.of([Placement("e1", "s2")]))] == [
        "the patient declined s2 before",
        "the host refused RBB01 before",
    ]


def test_reason_counts_sessions_by_who_turned_them_down() -> None:
    facts = settled(("s1", "", "declined"), ("", "RBB01", "host_refused"))
    assert NotDeclined().reason(facts, "e1") == (
        "All 3 sessions of this service were turned down before, alone or with the whole site: "
        "the patient declined 1, the host refused 2."
    )
    assert NotDeclined().reason(facts, "e2") == "No session of this service was declined or refused before."
