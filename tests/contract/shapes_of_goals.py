"""The shape of every goal, with parameters that fit the small numbers of a tiny instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from allocator.rule import Goal
from models.goals.fair_between_trusts import FairBetweenTrusts
from models.goals.group_equity import GroupEquity
from models.goals.independent_access import IndependentAccess
from models.goals.keep_proposals import KeepProposals
from models.goals.longest_waits import LongestWaits
from models.goals.routine_delay import RoutineDelay
from models.goals.spend import Spend
from models.goals.travel import Travel
from models.goals.urgent_delay import UrgentDelay
from models.goals.weeks_of_waiting import WeeksOfWaiting
from models.goals.weighted import Weighted
from tests.contract.shapes import DAYS, HOMES, HOSTS, WHEN, Row, Shape, drawn, journeys

HORIZON = {"horizon_start": DAYS[0], "horizon_end": DAYS[5], "reporting_dates": [DAYS[2], DAYS[5]]}
DATED = {"date": DAYS, "site_code": HOSTS}
PRIORITIES = ("P2", "P3", "P4", "D2", "D3")


def plans(rng: np.random.Generator, entries: list[str], sessions: list[str]) -> Mapping[str, Sequence[Row]]:
    """What was proposed before: some of it in a session that is gone."""
    values = {
        "entry_id": entries,
        "session_id": [*sessions, "gone"],
        "state": ("proposed", "proposed", "cancelled"),
        "recorded_on": ("2026-01-05T09:00:00", WHEN),
    }
    return {"commitments": [drawn(rng, values) for _ in range(3)]}


URGENCY = {
    "clinical_priority": PRIORITIES,
    "first_prioritised_on": (None, "2026-02-09", "2026-02-10", "2026-03-01"),
    "clock_start": ("2025-12-16", "2025-12-17", "2026-01-05"),
    "due_date": (None, None, DAYS[1], DAYS[3]),
    "pathway": (None, None, "planned"),
}
"""Dates around the due days of the goals: 28 or 84 days before one of the days of the horizon."""

EXACT_WEEKS = ("2025-03-11", "2025-03-12", "2025-03-13", "2025-03-16", "2025-12-01")
"""364 days before the first days of the horizon, one less, one more: over 52 weeks is more than 364."""

SHAPES: Mapping[str, tuple[Goal, Shape]] = {
    "urgent_delay": (UrgentDelay(), Shape((), URGENCY, DATED, info=HORIZON)),
    "longest_waits": (
        LongestWaits(over_weeks=(53, 52)),
        Shape((), {"clock_start": EXACT_WEEKS, "pathway": (None, "planned")}, DATED, info=HORIZON),
    ),
    "routine_delay": (RoutineDelay(), Shape((), URGENCY, DATED, info=HORIZON)),
    "fair_between_trusts": (
        FairBetweenTrusts(smallest_list=1),
        Shape((), {"home_provider": HOMES, "clock_start": EXACT_WEEKS}, DATED, info=HORIZON),
    ),
    "weeks_of_waiting": (WeeksOfWaiting(), Shape((), {"clock_start": EXACT_WEEKS}, DATED, info=HORIZON)),
    "group_equity": (
        GroupEquity(equity_tolerance=0),
        Shape((), {"imd_quintile": (None, 1, 1, 5)}, n_entries=6, n_sessions=2),
    ),
    "independent_access": (
        IndependentAccess(equity_tolerance=0),
        Shape(
            (),
            {"home_provider": (*HOMES, *HOMES, "NCC"), "service_code": (*["110"] * 5, "100")},
            {"site_code": ("NCC01", "NCC01", "NCC01", "RAA01")},
            n_entries=6,
            n_sessions=2,
        ),
    ),
    "keep_proposals": (KeepProposals(), Shape((), {}, DATED, tables=plans, info=HORIZON)),
    "travel": (
        Travel(),
        Shape((), {"home_area": ("NEAR", "FAR")}, {"site_code": HOSTS}, tables=journeys),
    ),
    "spend": (
        Spend(),
        Shape(
            (),
            {"tariff_gbp": (None, 1000.10, 1000.11)},
            {"case_price_gbp": (None, None, 900.5), "opening_cost_gbp": (None, 0.1, 100.1), "min_cases": (None, 2)},
        ),
    ),
    "weighted": (
        Weighted(),
        Shape(
            (),
            {**URGENCY, "home_area": ("NEAR", "FAR"), "tariff_gbp": (None, 1000.10), "home_provider": HOMES},
            {**DATED, "opening_cost_gbp": (None, 100.1)},
            tables=journeys,
            info=HORIZON,
        ),
    ),
}
