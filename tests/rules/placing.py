"""Does a limit allow a given set of new placements: its rows and its check must give the same answer."""

from __future__ import annotations

import numpy as np

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.policy import Policy
from allocator.rule import Limit
from models.rules.one_place import OnePlace
from tests.build import Row
from tests.contract.harness import NEEDS_ONE_PLACE, allocations, pairs_of, rows_allow


def plan(facts: Facts, *placed: str) -> Allocation:
    """A plan with bookings and the new places given as "e1-s1"; everybody with a session has an option."""
    return _chosen(facts, placed)[1]


def allows(limit: Limit, facts: Facts, *placed: str) -> bool:
    """Are the new places, given as "e1-s1", allowed beside the bookings."""
    feasible, allocation = _chosen(facts, placed, limit)
    violations = limit.check(facts, allocation)
    assert feasible == (violations == []), (placed, feasible, violations)
    assert all(violation.rule == limit.name for violation in violations)
    assert list(limit.usage(facts, allocation).columns) == ["what", "used", "limit", "unit"]
    return feasible


def booked(entry_id: str, session_id: str, **more: str) -> Row:
    """A row of commitments that fixes a place."""
    return {
        "entry_id": entry_id,
        "session_id": session_id,
        "state": "booked",
        "recorded_on": "2026-02-01T09:00:00",
        **more,
    }


def _chosen(facts: Facts, placed: tuple[str, ...], *limits: Limit) -> tuple[bool, Allocation]:
    options = pairs_of(facts, same_service=True)
    names = [
        f"{entry_id}-{session_id}"
        for entry_id, session_id in zip(options.of_entry("entry_id"), options.of_session("session_id"), strict=True)
    ]
    assert set(placed) <= set(names), f"no such pair: {set(placed) - set(names)}"
    chosen = (np.isin(names, placed) | options.fixed)[None, :]
    rules = limits + ((OnePlace(),) if any(limit.name in NEEDS_ONE_PLACE for limit in limits) else ())
    return bool(rows_allow(options, Policy("test", rules, ()), chosen)[0]), allocations(options, chosen)[0]
