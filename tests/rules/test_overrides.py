from __future__ import annotations

import pytest

from allocator.errors import ContradictionError
from allocator.formulation import formulate
from allocator.options import Facts
from allocator.policy import Policy
from allocator.rule import closed_sessions
from models.rules.overrides import Overrides, in_force
from tests.build import Row, make_facts
from tests.contract.harness import pairs_of
from tests.rules.placing import allows, booked, plan

RULE = Overrides()
BETA = {"site_code": "RBB01"}


def override(action: str, *, entry_id: str = "e1", session_id: str = "", site_code: str = "", day: int = 1) -> Row:
    """A pin or a veto that Ann recorded."""
    return {
        "entry_id": entry_id,
        "session_id": session_id,
        "site_code": site_code,
        "action": action,
        "who": "Ann",
        "reason": "surgeon asked",
        "recorded_on": f"2026-01-{day:02d}T09:00:00",
    }


def facts_with(*overrides: Row, **tables: list[Row]) -> Facts:
    """Two entries; s1 and s2 at Alpha, s3 at Beta."""
    return make_facts([{}, {}], [{}, {}, BETA], overrides=list(overrides), **tables)


def test_pin_to_a_session_is_kept_by_that_session_only() -> None:
    facts = facts_with(override("must", session_id="s2"))
    assert allows(RULE, facts, "e1-s2")
    assert not allows(RULE, facts, "e1-s1")
    assert not allows(RULE, facts)


def test_pin_to_a_site_is_kept_by_any_session_there() -> None:
    facts = facts_with(override("must", site_code="RAA01"))
    assert allows(RULE, facts, "e1-s1")
    assert allows(RULE, facts, "e1-s2")
    assert not allows(RULE, facts, "e1-s3")


def test_pin_without_a_target_is_kept_by_any_place() -> None:
    facts = facts_with(override("must"))
    assert allows(RULE, facts, "e1-s3")
    assert not allows(RULE, facts, "e2-s1")


@pytest.mark.parametrize(
    ("veto", "refused"),
    [({"session_id": "s1"}, ["s1"]), ({"site_code": "RAA01"}, ["s1", "s2"]), ({}, ["s1", "s2", "s3"])],
)
def test_veto_rules_out_its_session_its_site_or_everything(veto: dict[str, str], refused: list[str]) -> None:
    facts = facts_with(override("never", **veto))
    assert [session for session in ("s1", "s2", "s3") if not allows(RULE, facts, f"e1-{session}")] == refused
    assert allows(RULE, facts, "e2-s1", "e2-s2", "e2-s3")


def test_later_row_for_the_same_target_wins_in_any_order() -> None:
    pin, veto = override("must", session_id="s1", day=2), override("never", session_id="s1", day=1)
    for rows in ((pin, veto), (veto, pin)):
        assert allows(RULE, facts_with(*rows), "e1-s1")


def test_a_pin_and_a_veto_of_one_moment_stop_the_run_in_any_order() -> None:
    pin, veto = override("must", session_id="s1"), override("never", session_id="s1")
    for rows in ((pin, veto), (veto, pin)):
        with pytest.raises(ContradictionError, match=r"e1 must go to session s1 .*ruled out too"):
            formulate(pairs_of(facts_with(*rows), same_service=True), Policy("test", (RULE,), ()))


def test_the_same_pin_twice_in_one_moment_is_one_pin() -> None:
    facts = facts_with(override("must", session_id="s1"), override("must", session_id="s1"))
    assert [pin.action for pin in in_force(facts)] == ["must"]
    assert allows(RULE, facts, "e1-s1")


def test_booking_at_the_pinned_place_keeps_the_pin() -> None:
    assert allows(RULE, facts_with(override("must", session_id="s1"), commitments=[booked("e1", "s1")]))


def test_booking_that_is_ruled_out_stays_is_a_conflict_and_its_session_stays_open() -> None:
    facts = facts_with(override("never", site_code="RAA01"), commitments=[booked("e1", "s1")])
    assert allows(RULE, facts, "e2-s1")
    (conflict,) = RULE.conflicts(facts)
    assert (conflict.entry_id, conflict.session_id) == ("e1", "s1")
    assert conflict.problem == "it is booked, yet e1 must never go to site RAA01 (Ann: surgeon asked)"
    assert closed_sessions(facts, [conflict]) == frozenset()


def test_override_of_somebody_treated_or_unknown_means_nothing() -> None:
    treated = {"entry_id": "e1", "state": "treated", "recorded_on": "2026-02-01T09:00:00"}
    assert allows(RULE, facts_with(override("must"), override("must", entry_id="gone"), commitments=[treated]))


@pytest.mark.parametrize(
    ("rows", "tables", "why"),
    [
        ([{"session_id": "s9"}], {}, "the session is not in the list of sessions. Maybe it was withdrawn."),
        ([{"site_code": "NCC01"}], {}, "no session that it means is open to the entry under the rules."),
        ([{"session_id": "s2"}], {"commitments": [booked("e1", "s1")]}, "the entry is already fixed in s1."),
    ],
)
def test_pin_without_an_option_stops_the_run_and_says_why(
    rows: list[dict[str, str]], tables: dict[str, list[Row]], why: str
) -> None:
    facts = facts_with(*(override("must", **row) for row in rows), **tables)
    with pytest.raises(ContradictionError) as caught:
        formulate(pairs_of(facts, same_service=True), Policy("test", (RULE,), ()))
    assert str(caught.value).startswith("Overrides that cannot be kept:\ne1 must go to ")
    assert "(Ann: surgeon asked)" in str(caught.value)
    assert why in str(caught.value)


def test_every_impossible_pin_is_named_not_the_first() -> None:
    facts = facts_with(override("must", session_id="s9"), override("must", entry_id="e2", session_id="s8"))
    with pytest.raises(ContradictionError) as caught:
        formulate(pairs_of(facts, same_service=True), Policy("test", (RULE,), ()))
    assert len(str(caught.value).splitlines()) == 3


def test_pin_whose_sessions_are_all_vetoed_stops_the_run() -> None:
    facts = facts_with(override("must", session_id="s3"), override("never", site_code="RBB01"))
    with pytest.raises(ContradictionError, match="ruled out too"):
        formulate(pairs_of(facts, same_service=True), Policy("test", (RULE,), ()))


def test_pin_of_a_held_entry_stops_the_run_and_says_that_it_is_held() -> None:
    facts = make_facts([{"held": True}], [{}], overrides=[override("must")])
    with pytest.raises(ContradictionError, match="the entry is held"):
        formulate(pairs_of(facts, same_service=True), Policy("test", (RULE,), ()))


def test_usage_counts_pins_and_vetoes_kept() -> None:
    facts = facts_with(override("must", session_id="s1"), override("never", entry_id="e2", session_id="s2"))
    assert RULE.usage(facts, plan(facts, "e2-s2")).values.tolist() == [
        ["pins kept", 0, 1, "overrides"],
        ["vetoes kept", 0, 1, "overrides"],
    ]
