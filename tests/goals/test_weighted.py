"""Points in thousandths; plan date 2026-02-02, 10 minutes to RAA01, tariff 1000 GBP (5,000 thousandths)."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.goals.weighted import Weighted
from tests.build import make_facts
from tests.goals.agreement import value_of

TRAVEL_AND_MONEY = 10 * 200 + 1000 * 5


@pytest.mark.parametrize(
    ("clock_start", "points"),
    [
        ("2024-02-05", 1_000_000 + 104 * 500),  # 728 days: exactly 104 weeks
        ("2024-02-06", 300_000 + 103 * 500),
        ("2024-08-05", 300_000 + 78 * 500),  # 546 days: exactly 78 weeks
        ("2024-08-06", 100_000 + 77 * 500),
        ("2024-11-04", 100_000 + 65 * 500),  # 455 days: exactly 65 weeks
        ("2024-11-05", 30_000 + 64 * 500),
        ("2026-02-02", 30_000),
        ("2026-03-01", 30_000),
    ],
)
def test_bands_begin_at_their_weeks_and_whole_weeks_count(clock_start: str, points: int) -> None:
    facts = make_facts([{"clock_start": clock_start}], [{}])
    assert value_of(Weighted(), facts, ("e1", "s1")) == points - TRAVEL_AND_MONEY
    assert value_of(Weighted(), facts) == 0


@pytest.mark.parametrize(("day", "extra"), [("2026-03-02", 2_000_000), ("2026-03-03", 0)])
def test_urgent_by_the_due_date_counts_and_a_day_later_does_not(day: str, extra: int) -> None:
    facts = make_facts([{"clinical_priority": "P2", "clock_start": "2026-02-02"}], [{"date": day}])
    assert value_of(Weighted(), facts, ("e1", "s1")) == 30_000 + extra - TRAVEL_AND_MONEY


def test_own_due_date_is_urgent_too() -> None:
    facts = make_facts([{"clock_start": "2026-02-02", "due_date": "2026-03-10"}], [{"date": "2026-03-10"}])
    assert value_of(Weighted(), facts, ("e1", "s1")) == 2_030_000 - TRAVEL_AND_MONEY


def test_money_is_rounded_down_to_thousandths_a_case_and_an_opening_at_a_time() -> None:
    patients = [{"clock_start": "2026-02-02", "tariff_gbp": 0.39}] * 2
    facts = make_facts(patients, [{"opening_cost_gbp": 1.99}])  # 39 x 5 // 100 = 1; 199 x 5 // 100 = 9
    assert value_of(Weighted(), facts, ("e1", "s1"), ("e2", "s1")) == 2 * (30_000 - 2_000 - 1) - 9


def test_every_weight_is_a_parameter() -> None:
    facts = make_facts([{"clock_start": "2026-01-05", "tariff_gbp": None}], [{"opening_cost_gbp": 3}])  # 4 weeks
    goal = Weighted(
        band_weeks=(4,),
        band_values=(7,),
        below_bands=1,
        per_week=10,
        per_travel_minute=1,
        per_gbp=2,
        default_case_gbp=5,
    )
    assert value_of(goal, facts, ("e1", "s1")) == 7 + 40 - 10 - 10 - 6


def test_held_entries_earn_nothing() -> None:
    booked = [{"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": "2026-02-01"}]
    assert value_of(Weighted(), make_facts([{"held": True}], [{}], commitments=booked)) == 0


@pytest.mark.parametrize("bands", [((104, 78), (1,)), ((78, 104), (1, 2)), ((78, 78), (1, 2))])
def test_bands_that_do_not_fit_are_refused(bands: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValidationError):
        Weighted(band_weeks=bands[0], band_values=bands[1])
