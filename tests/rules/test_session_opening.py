from __future__ import annotations

import pytest

from models.rules.session_opening import SessionOpening
from tests.build import make_facts
from tests.rules.placing import allows, booked, plan


@pytest.mark.parametrize(("placed", "allowed"), [((), True), (("e1-s1",), False), (("e1-s1", "e2-s1"), True)])
def test_session_has_its_minimum_of_two_or_nobody(placed: tuple[str, ...], allowed: bool) -> None:
    facts = make_facts([{}, {}], [{"min_cases": 2}])
    assert allows(SessionOpening(), facts, *placed) is allowed


@pytest.mark.parametrize(("host_cases", "allowed"), [(1, False), (2, True), (3, True)])
def test_hosts_cases_count_towards_a_minimum_of_three(host_cases: int, allowed: bool) -> None:
    facts = make_facts([{}], [{"min_cases": 3, "host_cases": host_cases}])
    assert allows(SessionOpening(), facts, "e1-s1") is allowed


def test_minimum_above_everybody_takes_nobody() -> None:
    facts = make_facts([{}], [{"min_cases": 2}])
    assert not allows(SessionOpening(), facts, "e1-s1")


def test_session_with_a_booking_is_open_and_needs_no_minimum() -> None:
    facts = make_facts([{}, {}], [{"min_cases": 3}], commitments=[booked("e1", "s1")])
    assert allows(SessionOpening(), facts)
    assert allows(SessionOpening(), facts, "e2-s1")


def test_opening_cost_alone_sets_no_minimum() -> None:
    facts = make_facts([{}], [{"opening_cost_gbp": 500}])
    assert allows(SessionOpening(), facts, "e1-s1")


def test_usage_shows_cases_against_the_minimum() -> None:
    facts = make_facts([{}, {}], [{"min_cases": 3, "host_cases": 1}, {}])
    usage = SessionOpening().usage(facts, plan(facts, "e1-s1", "e2-s1"))
    assert usage.values.tolist() == [["s1", 3, 3, "cases"]]
