"""Random tiny formulations whose every plan is enumerated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from allocator.errors import ContradictionError
from allocator.formulation import Formulation, formulate
from allocator.instance import Bools, Ints
from allocator.options import Facts, build_options
from allocator.policy import Policy, read_policy
from allocator.rule import closed_sessions, find_conflicts
from allocator.solve.loader import complete, merit
from models import CATALOGUE
from tests.contract.harness import MAX_PAIRS, all_sets, rows_allow
from tests.contract.shapes import DAYS, HOMES, HOSTS, Row, Shape, draw_facts, pins
from tests.contract.test_policies import EVERY_RULE

DAILY = read_policy(
    CATALOGUE,
    overrides=(
        "group_equity.equity_tolerance=0",
        "independent_access.equity_tolerance=0",
        "fair_between_trusts.long_weeks=1",
        "fair_between_trusts.smallest_list=1",
    ),
)
"""The daily policy, so strict that the shares of four people can fall short."""


@dataclass(frozen=True, eq=False)
class Case:
    """A formulation, and every set of its options that holds the fixed ones."""

    facts: Facts
    policy: Policy
    formulation: Formulation

    @cached_property
    def sets(self) -> Bools:
        return all_sets(self.formulation.options)

    @cached_property
    def allowed(self) -> Bools:
        """(n_sets,) some openings and auxiliaries keep every row: worked out by the contract's harness."""
        return rows_allow(self.formulation.options, self.policy, self.sets)

    @cached_property
    def plans(self) -> Ints:
        """All columns of every plan that keeps every row, (n_plans, n_columns)."""
        found = [complete(self.formulation, chosen) for chosen in self.sets[self.allowed]]
        return np.array(found, dtype=np.int64).reshape(len(found), self.formulation.columns.n)

    @cached_property
    def merits(self) -> list[tuple[int, ...]]:
        """The goal vector of every plan, larger is better."""
        return [merit(self.formulation, plan) for plan in self.plans]

    @property
    def pinned(self) -> bool:
        """Did a person ask for a place by name."""
        return "must" in self.facts.instance.column("overrides", "action").tolist()


def case_of(facts: Facts, policy: Policy) -> Case:
    """The formulation as a run makes it."""
    closed = closed_sessions(facts, find_conflicts(policy.limits, facts))
    return Case(facts, policy, formulate(build_options(facts, policy.screens, closed), policy))


def seldom_pinned(rng: np.random.Generator, entries: list[str], sessions: list[str]) -> Mapping[str, Sequence[Row]]:
    """In one instance of three pins and vetoes."""
    return pins(rng, entries, sessions) if rng.random() < 0.35 else {}


SHAPE = Shape(
    (),
    {
        "patient_id": ("p1", "p2", "p3", "p4", "p5", "p6"),
        "home_provider": HOMES,
        "clinical_priority": ("P2", "P3", "P4"),
        "clock_start": ("2024-11-01", "2025-03-12", "2025-12-17"),
        "expected_minutes": (60, 75, 90),
        "imd_quintile": (1, 5),
        "requires_entry_id": (None, None, None, "e1", "e4"),
    },
    {
        "site_code": HOSTS,
        "date": DAYS[:4],
        "minutes": (150, 210, 300),
        "max_cases": (None, None, None, 2),
        "min_cases": (None, None, 2),
        "opening_cost_gbp": (None, 100),
        "result_days": (0, 1),
    },
    organisations={"max_outgoing": (None, None, None, 2)},
    tables=seldom_pinned,
    info={"horizon_start": DAYS[0], "horizon_end": DAYS[4], "reporting_dates": (DAYS[2],)},
    n_entries=4,
)


@cache
def random_case(seed: int, *, daily: bool = True) -> Case | None:
    """Four entries and three sessions, minimum cases and openings among them; None where pins contradict."""
    try:
        case = case_of(draw_facts(SHAPE, np.random.default_rng(seed)), DAILY if daily else EVERY_RULE)
    except ContradictionError:
        return None
    return case if (~case.formulation.options.fixed).sum() <= MAX_PAIRS else None


def random_cases(first: int, stop: int, *, daily: bool = True) -> list[Case]:
    """The cases of these seeds that are not contradictions and have an option."""
    cases = [random_case(seed, daily=daily) for seed in range(first, stop)]
    return [case for case in cases if case is not None and (~case.formulation.options.fixed).any()]
