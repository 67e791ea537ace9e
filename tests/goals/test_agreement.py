"""Price and score of every goal on random tiny instances, values on the boundaries."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from allocator.options import Facts
from allocator.rule import Goal
from models import CATALOGUE
from models.goals import GOALS
from models.goals.fair_between_trusts import FairBetweenTrusts
from models.goals.group_equity import GroupEquity
from models.goals.independent_access import IndependentAccess
from models.goals.longest_waits import LongestWaits
from tests.build import Row, make_facts
from tests.goals.agreement import all_pairs, assert_price_is_score, every_set, random_sets

# Instances here are too small for the usual smallest list.
PARTS = tuple(part for goal in GOALS if goal is not FairBetweenTrusts for part in goal().parts())
OTHERS: tuple[Goal, ...] = (
    LongestWaits(over_weeks=(52, 13, 6)),
    FairBetweenTrusts(smallest_list=1),
    FairBetweenTrusts(long_weeks=13, smallest_list=2),
    GroupEquity(equity_tolerance=0),
    GroupEquity(equity_tolerance=0.3, group_column="home_provider", min_size=2),
    IndependentAccess(equity_tolerance=0),
)


@cache
def random_facts(seed: int, n_entries: int, n_sessions: int) -> Facts:
    """Waits, dates and prices on and around the thresholds; bookings, proposals, held and treated entries."""
    random = np.random.default_rng(seed)

    def one(*values: object) -> object:
        return values[random.integers(len(values))]

    patients: list[Row] = [
        {
            "home_provider": one("RAA", "RAA", "RBB", "NCC"),
            "service_code": one("110", "110", "100"),
            "clinical_priority": one("P2", "P3", "P4", "D2", "D3"),
            "pathway": one("rtt", "rtt", "planned"),
            "clock_start": one("2024-04-01", "2024-04-02", "2025-03-31", "2025-04-01", "2025-12-29", "2026-02-16"),
            "first_prioritised_on": one(None, "2025-12-16", "2026-02-09"),
            "due_date": one(None, None, "2026-03-01", "2025-04-01"),
            "imd_quintile": one(None, 1, 1, 5),
            "tariff_gbp": one(None, 999.99, 1500),
            "home_area": one("HOME", "FAR"),
            "held": one(False, False, False, False, True),
        }
        for _ in range(n_entries)
    ]
    sessions: list[Row] = [
        {
            "site_code": one("RAA01", "RBB01", "NCC01", "NCC01"),
            "date": one("2026-02-05", "2026-03-10", "2026-03-31"),
            "min_cases": one(0, 0, 1),
            "opening_cost_gbp": one(0, 0, 750.5),
            "case_price_gbp": one(None, 1200.35),
        }
        for _ in range(n_sessions)
    ]
    commitments = [
        {
            "entry_id": f"e{random.integers(1, n_entries + 1)}",
            "session_id": one("s1", "s2", "gone"),
            "state": one("proposed", "proposed", "booked", "offered", "treated"),
            "recorded_on": "2026-02-01",
            "expires_on": one(None, "2026-02-20"),
        }
        for _ in range(random.integers(0, 4))
    ]
    dates = one((), ("2026-02-28", "2026-03-31"))
    return make_facts(patients, sessions, info={"reporting_dates": dates}, commitments=commitments)


@pytest.mark.parametrize("goal", [*PARTS, *OTHERS], ids=repr)
def test_price_is_score_on_every_set_of_pairs(goal: Goal) -> None:
    for seed in range(3):
        options = all_pairs(random_facts(seed, 4, 2))
        assert_price_is_score(goal, options, every_set(options))


@pytest.mark.parametrize("goal", [*PARTS, *OTHERS], ids=repr)
def test_price_is_score_on_random_sets_and_takes_several_values(goal: Goal) -> None:
    met = set()
    for seed in range(3, 15):
        options = all_pairs(random_facts(seed, 9, 4))
        met |= assert_price_is_score(goal, options, random_sets(options, 15, seed))
    assert len(met) > 1


def test_every_goal_of_the_shipped_policies_is_in_the_catalogue() -> None:
    used = {type(goal) for policy in CATALOGUE.policies.values() for goal in policy.goals}
    assert used == set(GOALS)
