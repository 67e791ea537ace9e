from __future__ import annotations

from typing import Any

import pytest

from allocator.allocation import Allocation, Placement
from allocator.options import Facts
from models.rules.in_pool import InPool
from tests.build import make_facts
from tests.rules.agreement import kept

SESSIONS = ({"date": "2026-03-09"}, {"date": "2026-03-10"}, {"date": "2026-03-11"})
EVERY_DAY = ["s1", "s2", "s3"]


def sessions_of(facts: Facts, screen: InPool | None = None, entry_id: str = "e1") -> list[str]:
    """What is kept for one entry, whether it waits or not."""
    found = kept(screen or InPool(), facts, only_waiting=False)
    return sorted(session for entry, session in found if entry == entry_id)


def committed(state: str, **columns: Any) -> Facts:
    """One entry with one commitment."""
    row = {"entry_id": "e1", "session_id": "s1", "state": state, "recorded_on": "2026-01-10T09:00:00", **columns}
    return make_facts([{}], SESSIONS, commitments=[row])


def test_ordinary_entry_is_in_the_pool_every_day() -> None:
    assert sessions_of(make_facts([{}], SESSIONS)) == EVERY_DAY


@pytest.mark.parametrize("priority", ["P5", "P6"])
def test_deferred_priorities_are_not_placed_unless_the_policy_says_so(priority: str) -> None:
    facts = make_facts([{"clinical_priority": priority}], SESSIONS)
    assert sessions_of(facts) == []
    assert sessions_of(facts, InPool(deferred_priorities=())) == EVERY_DAY


def test_planned_entry_is_placed_on_its_due_date_but_not_the_day_before() -> None:
    facts = make_facts([{"pathway": "planned", "due_date": "2026-03-10"}], SESSIONS)
    assert sessions_of(facts) == ["s2", "s3"]


def test_planned_entry_without_a_due_date_is_not_placed() -> None:
    assert sessions_of(make_facts([{"pathway": "planned"}], SESSIONS)) == []


def test_due_date_of_other_pathways_holds_nobody_back() -> None:
    assert sessions_of(make_facts([{"due_date": "2026-03-10"}], SESSIONS)) == EVERY_DAY


def test_cancer_is_placed_only_where_the_policy_admits_it() -> None:
    facts = make_facts([{"pathway": "cancer"}], SESSIONS)
    assert sessions_of(facts) == []
    assert sessions_of(facts, InPool(admit_cancer=True)) == EVERY_DAY


def test_date_at_home_allows_the_day_before_it_and_not_the_day_itself() -> None:
    assert sessions_of(make_facts([{"home_tci_date": "2026-03-10"}], SESSIONS)) == ["s1"]


def test_held_entry_is_never_placed() -> None:
    assert sessions_of(make_facts([{"held": True}, {"held": False}], SESSIONS)) == []
    assert sessions_of(make_facts([{"held": True}, {"held": False}], SESSIONS), entry_id="e2") == EVERY_DAY


@pytest.mark.parametrize("state", ["treated", "booked", "offered"])
def test_settled_entry_gets_no_new_place(state: str) -> None:
    assert sessions_of(committed(state)) == []


def test_booking_in_a_session_that_is_gone_still_settles_the_entry() -> None:
    assert sessions_of(committed("booked", session_id="gone")) == []


@pytest.mark.parametrize("state", ["proposed", "cancelled", "declined", "host_refused"])
def test_entry_that_is_not_settled_stays_in_the_pool(state: str) -> None:
    assert sessions_of(committed(state)) == EVERY_DAY


def test_offer_holds_on_the_day_it_expires_and_not_the_day_after() -> None:
    assert sessions_of(committed("offered", expires_on="2026-02-02")) == []
    assert sessions_of(committed("offered", expires_on="2026-02-01")) == EVERY_DAY


def test_latest_row_decides_whether_an_entry_is_settled() -> None:
    rows = [("booked", "2026-01-10T09:00:00"), ("cancelled", "2026-01-11T09:00:00")]
    commitments = [
        {"entry_id": "e1", "session_id": "s1", "state": state, "recorded_on": moment} for state, moment in rows
    ]
    assert sessions_of(make_facts([{}], SESSIONS, commitments=commitments)) == EVERY_DAY


def test_check_says_why_and_on_which_day() -> None:
    facts = make_facts([{"pathway": "planned", "due_date": "2026-03-10"}], SESSIONS)
    (violation,) = InPool().check(facts, Allocation.of([Placement("e1", "s1")]))
    assert violation.message == "the planned procedure is not due before 2026-03-10; placed on 2026-03-09"


def test_reasons_name_what_keeps_the_entry_out() -> None:
    patients = [
        {"clinical_priority": "P5"},
        {"pathway": "cancer"},
        {"pathway": "planned"},
        {"pathway": "planned", "due_date": "2026-05-01"},
        {"home_tci_date": "2026-02-20"},
        {"held": True},
        {},
    ]
    facts = make_facts([{"held": False, **row} for row in patients], SESSIONS)
    reasons = [InPool().reason(facts, f"e{number}") for number in range(1, 8)]
    days = "All 3 sessions of this service are on a day that does not count for this entry (2026-03-09 to 2026-03-11)"
    assert reasons == [
        "Priority P5 means that the procedure is deferred.",
        "The entry is on a cancer pathway, which this policy leaves to the cancer teams.",
        "The entry is planned and its due date is not known.",
        f"{days}: the planned procedure is not due before 2026-05-01.",
        f"{days}: the home provider has already given the date 2026-02-20.",
        "The entry is held back because its data are damaged.",
        "No session of this service is on a day on which this entry is not waiting.",
    ]
