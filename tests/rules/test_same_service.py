from __future__ import annotations

from allocator.allocation import Allocation, Placement
from allocator.options import build_options
from models.rules.same_service import SameService
from tests.build import make_facts
from tests.rules.agreement import kept, kept_sessions, named_pairs

SESSIONS = (
    {},
    {"service_code": "120"},
    {"care_kind": "diagnostic"},
    {"site_code": "NCC01"},
    {"service_code": "X05"},
    {"service_code": "X05", "site_code": "RBB01"},
)


def test_session_of_the_same_kind_and_service_is_kept_at_any_provider() -> None:
    assert kept_sessions(SameService(), make_facts([{}], SESSIONS)) == ["s1", "s4"]


def test_pooled_code_is_kept_only_at_the_home_provider() -> None:
    facts = make_facts([{"service_code": "X05"}, {"service_code": "X05", "home_provider": "RBB"}], SESSIONS)
    assert kept(SameService(), facts) == {("e1", "s5"), ("e2", "s6")}


def test_policy_says_which_codes_are_pooled() -> None:
    facts = make_facts([{}, {"service_code": "X05"}], SESSIONS)
    assert kept(SameService(pooled_codes=("110",)), facts) == {("e1", "s1"), ("e2", "s5"), ("e2", "s6")}


def test_join_makes_exactly_the_pairs_that_the_screen_keeps() -> None:
    facts = make_facts([{}, {"service_code": "X05"}, {"care_kind": "diagnostic"}, {"service_code": "999"}], SESSIONS)
    screen = SameService()
    assert set(named_pairs(build_options(facts, [screen]))) == kept(screen, facts)


def test_check_says_what_was_needed_and_what_the_session_is_for() -> None:
    facts = make_facts([{}], SESSIONS)
    (violation,) = SameService().check(facts, Allocation.of([Placement("e1", "s2")]))
    assert "110" in violation.message
    assert "120" in violation.message


def test_reason_counts_the_sessions_of_the_service() -> None:
    facts = make_facts([{"service_code": "999"}, {}, {"service_code": "X05", "home_provider": "NCC"}], SESSIONS)
    screen = SameService()
    assert screen.reason(facts, "e1") == "No spare session is for theatre service 999."
    assert screen.reason(facts, "e2") == "2 spare sessions are for theatre service 110."
    assert "the home provider NCC, which has 0 of the 2 spare sessions" in screen.reason(facts, "e3")
