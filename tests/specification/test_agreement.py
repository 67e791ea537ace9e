"""Every backend finds the goal values that the specification finds, on every small instance."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import pytest

from allocator.answer import Limits
from allocator.backends.problem import Budget
from allocator.certificate import held_value
from allocator.ending import Ending
from allocator.errors import ContradictionError
from allocator.formulation import formulate
from allocator.instance import Instance
from allocator.options import Facts, Options, build_options
from allocator.policy import Policy, read_policy
from allocator.rule import closed_sessions, find_conflicts
from allocator.run import allocate
from allocator.solve.exact import BACKENDS, goal_problem
from models import CATALOGUE
from tests.instances.tiny import FOLDERS, Tiny, read_tiny
from tests.specification.model import allowed_pairs, specified
from tests.specification.random_instances import random_instance
from tests.specification.reading import read

Found = list[tuple[str, int]] | Literal["contradiction"]

VARIANTS = (
    ("daily", ()),
    (
        "weighted",
        (
            "group_equity.equity_tolerance=0",
            "independent_access.equity_tolerance=0",
            "equal_rates.enabled=true",
            "equal_rates.tolerances=[0.3, 0.25]",
            "equal_rates.smallest=2",
        ),
    ),
    (
        "daily",
        (
            "one_place_at_a_time.min_gap_days=0",
            "session_minutes.safety_sds=1.5",
            "independent_spend.budget_gbp=3000",
            "group_equity.equity_tolerance=0",
            "site_accepts.unknown_fits_independent=true",
            "overnight_beds.unknown_stays_theatre=0",
            "weeks_of_waiting.tolerance=0.1",
            "fair_between_trusts.smallest_list=2",
        ),
    ),
    (
        "daily",
        (
            "dates.notice_days_p4=22",
            "dates.notice_days_p2=23",
            "in_pool.admit_cancer=true",
            "in_pool.deferred_priorities=[]",
            "consent.offer_to_not_asked=false",
            "max_travel.hard_cap_minutes=20",
            "one_place_at_a_time.min_gap_days=14",
            "session_accepts.unknown_fits_independent=true",
            "urgent_delay.tolerance=0.2",
            "fair_between_trusts.long_weeks=13",
            "fair_between_trusts.smallest_list=1",
        ),
    ),
)
SEEDS = tuple(range(24))
SCREENED_SEEDS = tuple(range(200, 240))


@cache
def policy_of(variant: int) -> Policy:
    base, overrides = VARIANTS[variant]
    return read_policy(CATALOGUE, f'base = "{base}"', overrides)


@cache
def case_of(seed: int) -> tuple[Instance, Policy]:
    return random_instance(seed), policy_of(seed % len(VARIANTS))


def options_of(instance: Instance, policy: Policy) -> Options:
    facts = Facts(instance)
    return build_options(facts, policy.screens, closed_sessions(facts, find_conflicts(policy.limits, facts)))


def by_specification(instance: Instance, policy: Policy) -> Found:
    try:
        return specified(instance, policy)
    except ContradictionError:
        return "contradiction"


@cache
def expected_of(seed: int) -> Found:
    return by_specification(*case_of(seed))


@cache
def worked(folder: Path) -> tuple[Tiny, Found]:
    tiny = read_tiny(folder)
    return tiny, by_specification(tiny.facts.instance, tiny.policy)


def by_backend(instance: Instance, policy: Policy, backend: str) -> Found:
    """Goal by goal through the narrow interface, in this process and without a clock."""
    try:
        formulation = formulate(options_of(instance, policy), policy)
    except ContradictionError:
        return "contradiction"
    held: list[int] = []
    found = []
    for k, goal in enumerate(formulation.goals):
        result = BACKENDS[backend](goal_problem(formulation, k, held), Budget(seconds=60), lambda *_: None)
        if result.ending is Ending.INFEASIBLE:
            return "contradiction"
        assert (result.ending, result.values is None) == (Ending.OPTIMAL, False)
        assert result.values is not None
        value = goal.value(result.values)
        found.append((goal.label, value))
        held.append(held_value(formulation, k, value))
    return found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_backend_agrees_on_every_instance_worked_by_hand(folder: Path, backend: str) -> None:
    tiny, expected = worked(folder)
    assert expected == [(goal.label, tiny.expected["goals"][goal.label]) for goal in tiny.policy.ordered_goals]
    assert by_backend(tiny.facts.instance, tiny.policy, backend) == expected


@pytest.mark.parametrize(
    ("seed", "backend"),
    [(seed, backend) for backend in BACKENDS for seed in (SEEDS if backend == "highs" else SEEDS[:8])],
)
def test_backend_agrees_on_random_instances(seed: int, backend: str) -> None:
    assert by_backend(*case_of(seed), backend) == expected_of(seed)


def test_screens_leave_the_pairs_that_the_specification_leaves() -> None:
    for seed in SCREENED_SEEDS:
        instance, policy = case_of(seed)
        options = options_of(instance, policy)
        pairs = zip(options.of_entry("entry_id"), options.of_session("session_id"), strict=True)
        assert sorted(pairs) == sorted(allowed_pairs(read(instance), policy)), seed


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(100, 140))
def test_backend_agrees_on_many_random_instances(seed: int, backend: str) -> None:
    assert by_backend(*case_of(seed), backend) == expected_of(seed)


def test_random_instances_are_worth_comparing() -> None:
    """Most have a plan, some cannot be kept; most goals take several values."""
    found = [expected_of(seed) for seed in SEEDS]
    assert sum(values != "contradiction" for values in found) >= len(SEEDS) // 2
    values = [dict(value) for value in found if value != "contradiction"]
    several = [
        goal.label for goal in policy_of(0).ordered_goals if len({v[goal.label] for v in values if goal.label in v}) > 1
    ]
    assert len(several) >= 8


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_whole_run_agrees_and_its_audit_passes(backend: Literal["highs", "cpsat", "cbc"]) -> None:
    instance, policy = case_of(0)
    run = allocate(instance, policy, Limits(seconds=240, backend=backend))
    assert run.audit.violations == ()
    exact = [goal for goal in run.goals if goal.tolerance == 0]
    expected = dict(by_specification(instance, policy))
    assert {goal.label: goal.value for goal in exact} == {goal.label: expected[goal.label] for goal in exact}
