"""Horizon ends 2026-03-31, so whoever is unplaced is late until 2026-04-28."""

from __future__ import annotations

import numpy as np
import pytest

from models.goals.urgent_delay import UrgentDelay
from tests.build import Row, make_facts
from tests.goals.agreement import value_of


def value(patient: Row, day: str | None, goal: UrgentDelay | None = None) -> int:
    facts = make_facts([patient], [{"date": day or "2026-03-10"}])
    return value_of(goal or UrgentDelay(), facts, *([("e1", "s1")] if day else []))


P2 = {"clinical_priority": "P2", "clock_start": "2026-01-01", "first_prioritised_on": "2026-02-10"}


@pytest.mark.parametrize(("day", "late"), [("2026-03-09", 0), ("2026-03-10", 0), ("2026-03-11", 1), ("2026-03-31", 21)])
def test_p2_is_due_28_days_after_prioritisation_and_not_late_on_that_day(day: str, late: int) -> None:
    assert value(P2, day) == late


def test_unplaced_p2_is_late_until_28_days_after_the_horizon() -> None:
    assert value(P2, None) == 49  # 2026-03-10 to 2026-04-28
    assert value(P2, None, UrgentDelay(unplaced_days=0)) == 21


def test_without_prioritisation_date_the_clock_start_counts() -> None:
    patient = {"clinical_priority": "P2", "clock_start": "2026-02-10"}
    assert value(patient, "2026-03-12") == 2


def test_d2_is_due_after_14_days() -> None:
    patient = {"clinical_priority": "D2", "clock_start": "2026-02-24"}
    assert value(patient, "2026-03-10") == 0
    assert value(patient, "2026-03-12") == 2
    assert value(patient, "2026-03-12", UrgentDelay(d2_days=10)) == 6


def test_own_due_date_comes_before_the_computed_one() -> None:
    assert value({**P2, "due_date": "2026-03-01"}, "2026-03-11") == 10


@pytest.mark.parametrize("priority", ["P3", "P4", "D4"])
def test_own_due_date_makes_any_priority_urgent(priority: str) -> None:
    assert value({"clinical_priority": priority, "due_date": "2026-03-01"}, "2026-03-11") == 10


def test_planned_care_is_due_on_its_due_date() -> None:
    assert value({"pathway": "planned", "due_date": "2026-03-10"}, "2026-03-11") == 1


@pytest.mark.parametrize("priority", ["P3", "P4", "D3", "D4", "P5"])
def test_other_priorities_without_due_date_count_nothing(priority: str) -> None:
    assert value({"clinical_priority": priority}, None) == 0


def test_due_after_all_counting_is_never_late() -> None:
    assert value({"due_date": "2026-05-01"}, None) == 0
    assert value({"due_date": "2026-04-27"}, None) == 1


def test_p2_days_can_be_set() -> None:
    assert value(P2, "2026-03-11", UrgentDelay(p2_days=14)) == 15


def test_overdue_patients_count_every_day() -> None:
    overdue = {"clinical_priority": "P2", "clock_start": "2025-12-01"}  # due 2025-12-29
    facts = make_facts([overdue, P2], [{"date": "2026-02-10"}])
    nobody, first, second = (value_of(UrgentDelay(), facts, *pairs) for pairs in ([], [("e1", "s1")], [("e2", "s1")]))
    assert (nobody, first, second) == (120 + 49, 43 + 49, 120 + 0)


def test_booking_counts_with_its_day_and_uncounted_entries_not_at_all() -> None:
    facts = make_facts(
        [P2, {**P2, "held": True}, P2],
        [{"date": "2026-03-12"}],
        commitments=[
            {"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": "2026-02-01"},
            {"entry_id": "e2", "session_id": "s1", "state": "booked", "recorded_on": "2026-02-01"},
            {"entry_id": "e3", "session_id": "gone", "state": "booked", "recorded_on": "2026-02-01"},
        ],
    )
    assert value_of(UrgentDelay(), facts) == 2


def test_treated_entry_counts_nothing() -> None:
    commitments = [{"entry_id": "e1", "session_id": "s1", "state": "treated", "recorded_on": "2026-02-01"}]
    assert value_of(UrgentDelay(), make_facts([P2], [{}], commitments=commitments)) == 0


def test_due_days_are_shown() -> None:
    due = UrgentDelay().due(make_facts([P2, {}, {"due_date": "2026-03-01"}]))
    assert due[0] == np.datetime64("2026-03-10")
    assert np.isnat(due[1])
    assert due[2] == np.datetime64("2026-03-01")
