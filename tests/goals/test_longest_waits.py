"""At the reporting date 2026-03-31, exactly 52 weeks back is 2025-04-01 and 104 weeks back is 2024-04-02."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.goals.longest_waits import LongestWaits
from tests.build import Row, make_facts
from tests.goals.agreement import value_of


def band(weeks: int) -> LongestWaits:
    return LongestWaits(over_weeks=(weeks,))


def value(patient: Row, day: str, weeks: int = 52, *dates: str) -> int:
    facts = make_facts([patient], [{"date": day}], info={"reporting_dates": dates})
    return value_of(band(weeks), facts, ("e1", "s1"))


def test_exactly_7n_days_is_not_over_the_band() -> None:
    assert value({"clock_start": "2025-04-01"}, "2026-03-10") == 0
    assert value({"clock_start": "2025-03-31"}, "2026-03-10") == 1


@pytest.mark.parametrize(("weeks", "start"), [(6, "2026-02-17"), (13, "2025-12-30"), (104, "2024-04-02")])
def test_band_is_a_parameter(weeks: int, start: str) -> None:
    day_before = {6: "2026-02-16", 13: "2025-12-29", 104: "2024-04-01"}[weeks]
    assert value({"clock_start": start}, "2026-03-10", weeks) == 0
    assert value({"clock_start": day_before}, "2026-03-10", weeks) == 1


def test_placed_on_the_reporting_date_counts_and_the_day_after_does_not() -> None:
    assert value({}, "2026-02-28", 52, "2026-02-28") == 1
    assert value({}, "2026-03-01", 52, "2026-02-28") == 0


def test_every_reporting_date_counts() -> None:
    assert value({}, "2026-02-28", 52, "2026-02-28", "2026-03-31") == 2
    assert value({}, "2026-03-01", 52, "2026-02-28", "2026-03-31") == 1


def test_nobody_placed_is_zero() -> None:
    assert value_of(band(52), make_facts([{}], [{}])) == 0


def test_bands_are_cumulative() -> None:
    facts = make_facts([{"clock_start": "2024-01-01"}], [{}])
    assert [value_of(part, facts, ("e1", "s1")) for part in LongestWaits().parts()] == [1, 1, 1, 1]


def test_planned_care_waits_from_its_due_date() -> None:
    planned = {"pathway": "planned", "clock_start": "2020-01-01"}
    assert value({**planned, "due_date": "2025-04-01"}, "2026-03-10") == 0
    assert value({**planned, "due_date": "2025-03-31"}, "2026-03-10") == 1
    assert value(planned, "2026-03-10") == 0


def test_each_band_is_a_goal_of_its_own_highest_first() -> None:
    goal = LongestWaits(over_weeks=(13, 6), tolerance=0.1)
    assert [part.label for part in goal.parts()] == ["longest_waits_13w", "longest_waits_6w"]
    assert [part.tolerance for part in goal.parts()] == [0.1, 0.1]


def test_bookings_count_and_held_entries_do_not() -> None:
    facts = make_facts(
        [{}, {"held": True}],
        [{}],
        commitments=[
            {"entry_id": entry, "session_id": "s1", "state": "booked", "recorded_on": "2026-02-01"}
            for entry in ("e1", "e2")
        ],
    )
    assert value_of(band(52), facts) == 1


@pytest.mark.parametrize("weeks", [(), (52, 104), (52, 52), (-1,)])
def test_bands_out_of_order_are_refused(weeks: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        LongestWaits(over_weeks=weeks)
