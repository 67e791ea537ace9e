from __future__ import annotations

import pytest

from allocator.options import Facts
from models.rules.independent_access import IndependentAccess
from tests.build import make_facts
from tests.rules.placing import allows, booked, plan

EXACT = IndependentAccess(equity_tolerance=0)
CLINIC = {"site_code": "NCC01"}


def homes(*codes: str, **tables: list[dict[str, object]]) -> Facts:
    """One entry a home provider; s1 at the clinic, s2 at Alpha."""
    return make_facts([{"home_provider": code} for code in codes], [CLINIC, {}], **tables)


def test_two_trusts_of_equal_size_at_the_floor() -> None:
    # Two and two with an independent option: of 2 independent places each gets floor(2 x 2/4) = 1.
    facts = homes("RAA", "RAA", "RBB", "RBB")
    assert allows(EXACT, facts, "e1-s1", "e3-s1")
    assert not allows(EXACT, facts, "e1-s1", "e2-s1")


@pytest.mark.parametrize(("tolerance", "allowed"), [(0.0, False), (0.02, True)])
def test_tolerance_is_taken_off_before_rounding_down(tolerance: float, allowed: bool) -> None:
    rule = IndependentAccess(equity_tolerance=tolerance)
    assert allows(rule, homes("RAA", "RAA", "RBB", "RBB"), "e1-s1", "e2-s1") is allowed


def test_places_at_nhs_hosts_do_not_count() -> None:
    facts = homes("RAA", "RAA", "RBB", "RBB")
    assert allows(EXACT, facts, "e1-s2", "e2-s2", "e3-s2")
    assert not allows(EXACT, facts, "e1-s1", "e2-s1", "e3-s2", "e4-s2")


def test_each_service_is_shared_on_its_own() -> None:
    patients = [{"home_provider": home, "service_code": code} for code in ("100", "110") for home in ("RAA", "RBB")]
    facts = make_facts(patients, [{**CLINIC, "service_code": "100"}, {**CLINIC, "service_code": "110"}])
    # One and one in each service: a single place in each has no floor of 1 (floor(1 x 1/2) = 0).
    assert allows(EXACT, facts, "e1-s1", "e3-s2")


def test_one_code_in_two_kinds_of_care_is_two_services() -> None:
    # Operations: one RAA, one RBB. Tests: one RAA. Of 2 places RBB would owe floor(2 x 1/3) = 0 in one pot;
    # RAA has 2 of 3, so floor(2 x 2/3) = 1. Apart, with 1 place each, no floor is above 0 but RAA's for tests.
    test = {"care_kind": "diagnostic"}
    facts = make_facts(
        [{"home_provider": "RAA"}, {"home_provider": "RBB"}, {**test, "home_provider": "RAA"}],
        [CLINIC, {**CLINIC, **test}],
    )
    allocation = plan(facts, "e2-s1", "e3-s2")
    assert allows(EXACT, facts, "e2-s1", "e3-s2")
    assert EXACT.usage(facts, allocation).values.tolist() == [
        ["RAA, diagnostic 110", 1, 1, "places"],
        ["RAA, theatre 110", 0, 0, "places"],
        ["RBB, theatre 110", 1, 0, "places"],
    ]


def test_patients_of_the_independent_provider_itself_do_not_count() -> None:
    facts = homes("RAA", "NCC", "NCC")
    assert allows(EXACT, facts, "e2-s1", "e3-s1")


def test_trust_below_the_smallest_size_has_no_floor() -> None:
    facts = homes("RAA", "RAA", "RBB", "RBB")
    assert allows(IndependentAccess(equity_tolerance=0, min_size=3), facts, "e1-s1", "e2-s1")


def test_bookings_count_on_neither_side() -> None:
    facts = homes("RAA", "RAA", "RAA", "RBB", "RBB", commitments=[booked("e1", "s1")])
    # Two and two are left: of 2 new places RAA gets floor(2 x 2/4) = 1, its booking does not count.
    assert not allows(EXACT, facts, "e4-s1", "e5-s1")
    assert allows(EXACT, facts, "e2-s1", "e4-s1")


def test_message_names_the_trust_and_the_service() -> None:
    facts = homes("RAA", "RAA", "RBB", "RBB")
    (violation,) = EXACT.check(facts, plan(facts, "e1-s1", "e2-s1"))
    assert violation.message == "RBB, theatre 110: 0 new independent places; its floor is 1"
    assert EXACT.usage(facts, plan(facts, "e1-s1")).values.tolist() == [
        ["RAA, theatre 110", 1, 0, "places"],
        ["RBB, theatre 110", 0, 0, "places"],
    ]
