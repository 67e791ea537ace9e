from __future__ import annotations

import numpy as np
import pytest

from models.goals.routine_delay import RoutineDelay
from tests.build import Row, make_facts
from tests.goals.agreement import value_of

P3 = {"clinical_priority": "P3", "clock_start": "2025-06-01", "first_prioritised_on": "2025-12-16"}  # due 2026-03-10


def value(patient: Row, day: str | None, goal: RoutineDelay | None = None) -> int:
    facts = make_facts([patient], [{"date": day or "2026-03-10"}])
    return value_of(goal or RoutineDelay(), facts, *([("e1", "s1")] if day else []))


@pytest.mark.parametrize(("day", "late"), [("2026-02-03", 0), ("2026-03-10", 0), ("2026-03-11", 1)])
def test_p3_is_due_84_days_after_prioritisation_and_not_late_on_that_day(day: str, late: int) -> None:
    assert value(P3, day) == late


def test_unplaced_p3_is_late_until_after_the_horizon() -> None:
    assert value(P3, None) == 49
    assert value(P3, None, RoutineDelay(unplaced_days=0)) == 21


def test_d3_is_due_after_42_days() -> None:
    patient = {"clinical_priority": "D3", "clock_start": "2026-01-27"}
    assert value(patient, "2026-03-11") == 1
    assert value(patient, "2026-03-11", RoutineDelay(d3_days=50)) == 0


def test_own_due_date_is_left_to_urgent_delay() -> None:
    assert value({**P3, "due_date": "2026-01-01"}, None) == 0


@pytest.mark.parametrize("priority", ["P2", "P4", "D2", "D4", "P6"])
def test_other_priorities_count_nothing(priority: str) -> None:
    assert value({"clinical_priority": priority}, None) == 0


def test_p3_days_can_be_set() -> None:
    assert value(P3, "2026-03-10", RoutineDelay(p3_days=80)) == 4


def test_only_its_own_entries_have_a_due_day() -> None:
    due = RoutineDelay().due(make_facts([P3, {"clinical_priority": "P2"}, {**P3, "due_date": "2026-03-01"}]))
    assert due[0] == np.datetime64("2026-03-10")
    assert np.isnat(due[1:]).all()
