from __future__ import annotations

import pytest

from models.rules.session_cases import SessionCases
from tests.build import make_facts
from tests.rules.placing import allows, booked, plan


@pytest.mark.parametrize(("host_cases", "allowed"), [(1, True), (2, False)])
def test_two_places_beside_the_hosts_cases_fit_a_cap_of_three(host_cases: int, allowed: bool) -> None:
    facts = make_facts([{}, {}], [{"max_cases": 3, "host_cases": host_cases}])
    assert allows(SessionCases(), facts, "e1-s1", "e2-s1") is allowed


def test_empty_cap_is_no_cap_and_zero_takes_nobody() -> None:
    facts = make_facts([{}, {}], [{}, {"max_cases": 0}])
    assert allows(SessionCases(), facts, "e1-s1", "e2-s1")
    assert not allows(SessionCases(), facts, "e1-s2")


def test_host_over_its_own_cap_takes_nobody_and_is_no_conflict() -> None:
    facts = make_facts([{}], [{"max_cases": 2, "host_cases": 3}])
    assert allows(SessionCases(), facts)
    assert not allows(SessionCases(), facts, "e1-s1")
    assert SessionCases().conflicts(facts) == []


def test_bookings_over_the_cap_stay_are_conflicts_and_nobody_is_added() -> None:
    commitments = [booked("e1", "s1"), booked("e2", "s1")]
    facts = make_facts([{}] * 3, [{"max_cases": 1}], commitments=commitments)
    assert allows(SessionCases(), facts)
    assert not allows(SessionCases(), facts, "e3-s1")
    conflicts = SessionCases().conflicts(facts)
    assert [conflict.entry_id for conflict in conflicts] == ["e1", "e2"]
    assert conflicts[0].problem == "its session has 2 cases, the host's included; at most 1"


def test_bookings_at_the_cap_are_no_conflict() -> None:
    facts = make_facts([{}, {}], [{"max_cases": 1}], commitments=[booked("e1", "s1")])
    assert SessionCases().conflicts(facts) == []
    assert not allows(SessionCases(), facts, "e2-s1")


def test_usage_counts_the_hosts_cases() -> None:
    facts = make_facts([{}], [{"max_cases": 4, "host_cases": 2}])
    assert SessionCases().usage(facts, plan(facts, "e1-s1")).values.tolist() == [["s1", 3, 4, "cases"]]
