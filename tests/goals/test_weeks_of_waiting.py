"""Plan date 2026-02-02, horizon to 2026-03-31."""

from __future__ import annotations

import pytest

from models.goals.weeks_of_waiting import WeeksOfWaiting
from tests.build import Row, make_facts
from tests.goals.agreement import value_of


@pytest.mark.parametrize(
    ("patient", "day", "days"),
    [
        ({"clock_start": "2026-01-03"}, "2026-03-31", 30 + 0),
        ({"clock_start": "2026-01-03"}, "2026-03-30", 30 + 1),
        ({"clock_start": "2026-02-02"}, "2026-03-01", 0 + 30),
        ({"clock_start": "2026-02-05"}, "2026-03-01", 0 + 30),
        ({"pathway": "planned", "clock_start": "2020-01-01", "due_date": "2026-01-23"}, "2026-03-31", 10),
        ({"pathway": "planned", "clock_start": "2020-01-01"}, "2026-03-30", 1),
        ({"clock_start": "2026-01-03"}, "2026-04-20", 30),
    ],
)
def test_days_waited_and_days_left_add_up(patient: Row, day: str, days: int) -> None:
    facts = make_facts([patient], [{"date": day}])
    assert value_of(WeeksOfWaiting(), facts, ("e1", "s1")) == days
    assert value_of(WeeksOfWaiting(), facts) == 0


def test_later_goals_may_spend_half_a_percent_unless_told_otherwise() -> None:
    assert WeeksOfWaiting().tolerance == 0.005
    assert WeeksOfWaiting(tolerance=0).tolerance == 0


def test_bookings_count_and_held_entries_do_not() -> None:
    booked = [
        {"entry_id": entry, "session_id": "s1", "state": "booked", "recorded_on": "2026-02-01"}
        for entry in ("e1", "e2")
    ]
    patients = [{"clock_start": "2026-01-03"}, {"clock_start": "2026-01-03", "held": True}]
    facts = make_facts(patients, [{"date": "2026-03-31"}], commitments=booked)
    assert value_of(WeeksOfWaiting(), facts) == 30
