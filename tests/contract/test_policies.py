"""Whole policies on random instances of four entries and three sessions: every set of pairs, all rules at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from allocator.policy import Policy
from allocator.rows import Rows
from allocator.rule import Columns, Limit, Screen
from models.daily import DAILY
from models.goals.weighted import Weighted
from models.rules import RULES
from models.rules.equal_rates import EqualRates
from models.rules.independent_spend import IndependentSpend
from models.rules.session_cases import SessionCases
from tests.contract.harness import policy_disagreements
from tests.contract.shapes import DAYS, HOMES, HOSTS, Row, Shape, beds, draw_facts, drawn, pins

TIGHTER_OR_LOOSER: Mapping[str, Screen | Limit] = {
    "independent_spend": IndependentSpend(budget_gbp=1500),
    "equal_rates": EqualRates(tolerances=(0.05, 0.08)),
}
"""Parameters that leave something to forbid, and something to admit."""
EVERY_RULE = Policy(
    "every rule",
    tuple(TIGHTER_OR_LOOSER.get(rule.name) or rule() for rule in RULES),
    (Weighted(),),
)
"""Hard equity and a budget too, which the daily policy leaves out."""


def a_bit_of_everything(
    rng: np.random.Generator, entries: list[str], sessions: list[str]
) -> Mapping[str, Sequence[Row]]:
    """Beds on most nights; in one instance of three a pin or a veto."""
    override = pins(rng, entries, sessions) if rng.random() < 1 / 3 else {}
    declined = {
        "entry_id": entries,
        "session_id": sessions,
        "state": ("declined",),
        "recorded_on": ("2026-01-05T09:00:00",),
    }
    return {**beds(rng, entries, sessions), **override, "commitments": [drawn(rng, declined)]}


SHAPE = Shape(
    (),
    {
        "patient_id": ("p1", "p2", "p3", "p4"),
        "home_provider": HOMES,
        "clinical_priority": ("P2", "P3", "P4"),
        "clock_start": ("2024-11-01", "2025-03-12", "2025-12-17"),
        "expected_minutes": (60, 90),
        "overnight_stays": (0, 0, 0, 1, 2),
        "asa_grade": (1, 1, 3),
        "imd_quintile": (None, 1, 5),
        "transfer_consent": ("yes", "yes", "yes", "no"),
        "requires_entry_id": (None, None, "e1"),
    },
    {
        "site_code": HOSTS,
        "date": DAYS[:4],
        "minutes": (135, 240, 300),
        "max_cases": (None, 2),
        "min_cases": (None, None, 2),
        "opening_cost_gbp": (None, 100),
        "result_days": (0, 1),
    },
    organisations={"max_outgoing": (None, None, 1), "max_incoming": (None, None, 2)},
    sites={"max_asa": (None, None, 2)},
    tables=a_bit_of_everything,
    info={"horizon_start": DAYS[0], "horizon_end": DAYS[4]},
    n_entries=4,
)


@pytest.mark.parametrize("policy", [DAILY, EVERY_RULE], ids=lambda policy: policy.name)
def test_rows_of_a_whole_policy_agree_with_all_checks_together(policy: Policy) -> None:
    admitted = forbidden = 0
    for seed in range(8):
        found = policy_disagreements(policy, draw_facts(SHAPE, np.random.default_rng(seed)))
        assert found.disagreements == ()
        admitted += found.admitted
        forbidden += found.forbidden
    assert admitted > 20
    assert forbidden > 20


class CasesForgotten(SessionCases):
    """Checks the cap on cases, and forgets its rows."""

    def rows(self, columns: Columns) -> Rows:
        return Rows.none(columns.n)


def test_rule_whose_rows_are_missing_from_a_policy_is_found() -> None:
    rules = tuple(CasesForgotten() if rule.name == SessionCases.name else rule for rule in DAILY.rules)
    shape = replace(SHAPE, bookings=False, sessions={**SHAPE.sessions, "max_cases": (1,)})
    found = policy_disagreements(Policy("forgetful", rules, ()), draw_facts(shape, np.random.default_rng(1)))
    assert found.disagreements != ()
