from __future__ import annotations

import pytest

from allocator.options import Facts
from models.rules.test_before_treatment import TestBeforeTreatment
from tests.build import make_facts
from tests.rules.placing import allows, booked, plan

RULE = TestBeforeTreatment()
TEST = {"care_kind": "diagnostic", "service_code": "MRI"}


def chain(treated_on: str, *, result_days: int = 2, **tables: list[dict[str, object]]) -> Facts:
    """e1 waits for the test e2; the test is on 10 March (s1), the operation in s2."""
    return make_facts(
        [{"requires_entry_id": "e2"}, TEST],
        [{**TEST, "date": "2026-03-10", "result_days": result_days}, {"date": treated_on}],
        **tables,
    )


@pytest.mark.parametrize(("treated_on", "allowed"), [("2026-03-11", False), ("2026-03-12", True)])
def test_treatment_waits_for_the_result_of_the_test(treated_on: str, allowed: bool) -> None:
    # Test on 10 March, two days until its result: 12 March.
    assert allows(RULE, chain(treated_on), "e1-s2", "e2-s1") is allowed


def test_result_on_the_same_day_allows_treatment_on_that_day() -> None:
    assert allows(RULE, chain("2026-03-10", result_days=0), "e1-s2", "e2-s1")


def test_treatment_without_its_test_is_not_placed_and_the_test_may_stand_alone() -> None:
    facts = chain("2026-03-20")
    assert not allows(RULE, facts, "e1-s2")
    assert allows(RULE, facts, "e2-s1")


@pytest.mark.parametrize(("treated_on", "allowed"), [("2026-03-11", False), ("2026-03-12", True)])
def test_booked_test_counts_from_its_result(treated_on: str, allowed: bool) -> None:
    facts = chain(treated_on, commitments=[booked("e2", "s1")])
    assert allows(RULE, facts, "e1-s2") is allowed


def test_booked_treatment_stays_although_its_test_has_no_place() -> None:
    assert allows(RULE, chain("2026-03-10", commitments=[booked("e1", "s2")]))


@pytest.mark.parametrize(("done_on", "allowed"), [("2026-03-10", True), ("2026-03-11", False)])
def test_test_that_is_done_allows_treatment_from_that_day(done_on: str, allowed: bool) -> None:
    patient = {"requires_entry_id": "long-gone", "required_done_on": done_on}
    facts = make_facts([patient], [{"date": "2026-03-10"}])
    assert allows(RULE, facts, "e1-s1") is allowed


def test_test_on_no_list_and_not_done_keeps_treatment_out() -> None:
    facts = make_facts([{"requires_entry_id": "nobody"}], [{}])
    assert not allows(RULE, facts, "e1-s1")


def test_test_that_left_the_list_as_treated_allows_treatment() -> None:
    treated = {"entry_id": "e2", "state": "treated", "recorded_on": "2026-02-01T09:00:00"}
    assert allows(RULE, chain("2026-03-10", commitments=[treated]), "e1-s2")


@pytest.mark.parametrize(("last", "allowed"), [("2026-03-13", False), ("2026-03-14", True)])
def test_chain_of_three_keeps_its_order(last: str, allowed: bool) -> None:
    # e3 on 10 March, result on the 11th; e2 on 12 March, result on the 14th; then e1.
    facts = make_facts(
        [{"requires_entry_id": "e2"}, {**TEST, "requires_entry_id": "e3"}, {**TEST, "service_code": "ECHO"}],
        [
            {**TEST, "service_code": "ECHO", "date": "2026-03-10", "result_days": 1},
            {**TEST, "date": "2026-03-12", "result_days": 2},
            {"date": last},
        ],
    )
    assert allows(RULE, facts, "e3-s1", "e2-s2", "e1-s3") is allowed
    assert not allows(RULE, facts, "e2-s2", "e1-s3")


def test_two_chains_do_not_help_each_other() -> None:
    facts = make_facts(
        [{"requires_entry_id": "e3"}, {"requires_entry_id": "e4"}, TEST, TEST],
        [{**TEST, "date": "2026-03-10"}, {"date": "2026-03-12"}],
    )
    assert allows(RULE, facts, "e1-s2", "e3-s1")
    assert not allows(RULE, facts, "e1-s2", "e4-s1")
    assert allows(RULE, facts, "e1-s2", "e2-s2", "e3-s1", "e4-s1")


def test_circle_is_not_placed() -> None:
    facts = make_facts([{"requires_entry_id": "e2"}, {"requires_entry_id": "e1"}], [{}, {"date": "2026-03-12"}])
    assert not allows(RULE, facts, "e1-s2", "e2-s1")


def test_message_says_when_the_result_is_there() -> None:
    facts = chain("2026-03-11")
    (violation,) = RULE.check(facts, plan(facts, "e1-s2", "e2-s1"))
    assert violation.message == "placed on 2026-03-11; the result of its test e2 is there on 2026-03-12"
    assert violation.entry_ids == ("e1",)
