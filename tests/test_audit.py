"""The audit finds every way in which a plan can be other than it says, and nothing in an honest one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from allocator.allocation import Allocation, Placement
from allocator.answer import Audit, GoalResult
from allocator.audit import audit, beats, wrong_fates
from allocator.ending import Ending
from allocator.options import Facts, build_options
from allocator.policy import Policy
from allocator.rule import Conflict, closed_sessions, find_conflicts
from models.goals.travel import Travel
from models.rules.max_travel import MaxTravel
from models.rules.one_place import OnePlace
from models.rules.same_service import SameService
from models.rules.session_minutes import SessionMinutes
from tests.build import make_facts

POLICY = Policy("test", (SameService(), MaxTravel(), OnePlace(), SessionMinutes()), (Travel(),))
BOOKED = {"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-20"}


def plan(facts: Facts, *pairs: tuple[str, str] | tuple[str, str, str]) -> Allocation:
    """A plan with these placements and the bases that a run would give it."""
    options = build_options(facts, POLICY.screens, closed_sessions(facts, find_conflicts(POLICY.limits, facts)))
    base = Allocation.from_options(options, np.zeros(len(options), dtype=bool))
    return replace(base, placements=Allocation.of(Placement(*pair) for pair in pairs).placements)


def result(value: int, bound: int | None = None) -> GoalResult:
    return GoalResult("travel", "travel", "min", "minutes", 0.0, value, 0, bound, bound, Ending.OPTIMAL, 0.0)


def audited(facts: Facts, allocation: Allocation, goals: tuple[GoalResult, ...] = ()) -> Audit:
    return audit(facts, POLICY, allocation, goals, find_conflicts(POLICY.limits, facts))


def broken(found: Audit) -> set[str]:
    return {violation.rule for violation in found.violations}


def test_honest_plan_passes_and_is_scored() -> None:
    facts = make_facts([{}, {}, {}], [{}, {"site_code": "RBB01"}])
    found = audited(facts, plan(facts, ("e1", "s1"), ("e2", "s2")), (result(40, bound=40),))
    assert found.passed
    assert found.scores == {"travel": 40}
    assert {"same_service", "session_minutes", "travel", "nobody_twice", "equity_base"} <= set(found.checked)


@pytest.mark.parametrize(
    ("pair", "told"),
    [(("e9", "s1"), "the entry e9 is not in the tables"), (("e1", "s9"), "the session s9 is not in the tables")],
)
def test_unknown_id_is_found(pair: tuple[str, str], told: str) -> None:
    facts = make_facts([{}], [{}])
    found = audited(facts, plan(facts, pair))
    assert told in {violation.message for violation in found.violations}


def test_two_places_are_found() -> None:
    facts = make_facts([{}], [{}, {}])
    assert {"nobody_twice", "one_place"} <= broken(audited(facts, plan(facts, ("e1", "s1"), ("e1", "s2"))))


def test_one_place_written_twice_is_found() -> None:
    facts = make_facts([{}], [{}], commitments=[BOOKED])
    assert audited(facts, plan(facts, ("e1", "s1", "booked"))).passed
    twice = plan(facts, ("e1", "s1", "booked"), ("e1", "s1", "booked"))
    assert broken(audited(facts, twice)) == {"nobody_twice"}


def test_two_bookings_of_one_entry_are_no_fault_of_the_plan() -> None:
    facts = make_facts([{}], [{}, {}], commitments=[BOOKED, {**BOOKED, "session_id": "s2"}])
    assert audited(facts, plan(facts, ("e1", "s1", "booked"), ("e1", "s2", "booked"))).passed


def test_missing_booking_is_found() -> None:
    facts = make_facts([{}], [{}], commitments=[BOOKED])
    assert {"fixed_kept", "accounted_once"} <= broken(audited(facts, plan(facts)))


def test_booking_with_another_state_is_found() -> None:
    facts = make_facts([{}], [{}], commitments=[BOOKED])
    assert "fixed_kept" in broken(audited(facts, plan(facts, ("e1", "s1", "offered"))))


def test_place_that_only_claims_to_be_booked_is_found() -> None:
    facts = make_facts([{"service_code": "999"}], [{}])
    assert broken(audited(facts, plan(facts, ("e1", "s1", "booked")))) == {"fixed_kept"}


@pytest.mark.parametrize(
    ("patient", "commitments", "why"),
    [
        ({}, [{**BOOKED, "state": "treated"}], "treated"),
        ({"held": True}, [], "held"),
        ({}, [{**BOOKED, "session_id": "gone"}], "already settled elsewhere"),
    ],
)
def test_new_place_of_who_is_not_waiting_is_found(
    patient: dict[str, object], commitments: list[dict[str, object]], why: str
) -> None:
    facts = make_facts([patient], [{}], commitments=commitments)
    found = audited(facts, plan(facts, ("e1", "s1")))
    assert f"e1 is {why} and was given a new place in s1" in {violation.message for violation in found.violations}
    assert audited(facts, plan(facts)).passed


def test_new_place_beside_bookings_that_do_not_fit_is_found() -> None:
    facts = make_facts([{"expected_minutes": 300}, {"expected_minutes": 1}], [{}], commitments=[BOOKED])
    kept = ("e1", "s1", "booked")
    assert audited(facts, plan(facts, kept)).passed
    assert "closed_sessions_closed" in broken(audited(facts, plan(facts, kept, ("e2", "s1"))))


def test_new_place_in_a_session_that_intake_closed_is_found() -> None:
    facts = make_facts([{}], [{"closed": True}])
    assert "closed_sessions_closed" in broken(audited(facts, plan(facts, ("e1", "s1"))))


def test_conflict_that_was_not_reported_is_found() -> None:
    facts = make_facts([{"expected_minutes": 300}], [{}], commitments=[BOOKED])
    found = audit(facts, POLICY, plan(facts, ("e1", "s1", "booked")), (), ())
    assert broken(found) == {"conflicts_reported"}


def test_conflict_that_is_none_is_found() -> None:
    facts = make_facts([{}], [{}])
    found = audit(facts, POLICY, plan(facts), (), (Conflict("e1", "s1", "made up"),))
    assert broken(found) == {"conflicts_reported"}


def test_broken_screen_and_broken_limit_are_found() -> None:
    facts = make_facts([{"service_code": "120"}, {"expected_minutes": 300}], [{}])
    assert broken(audited(facts, plan(facts, ("e1", "s1"), ("e2", "s1")))) == {"same_service", "session_minutes"}


def test_wrong_goal_value_shows_both_numbers() -> None:
    facts = make_facts([{}], [{}])
    found = audited(facts, plan(facts, ("e1", "s1")), (result(9),))
    assert [violation.message for violation in found.violations] == ["travel: reported 9; the tables say 10"]


def test_goal_that_was_left_out_is_found() -> None:
    facts = make_facts([{}], [{}])
    other = replace(result(10), label="spend")
    assert "goal_order" in broken(audited(facts, plan(facts, ("e1", "s1")), (other,)))


@pytest.mark.parametrize(("bound", "passed"), [(9, True), (10, True), (11, False)])
def test_value_beyond_its_proven_bound_is_found(bound: int, passed: bool) -> None:
    facts = make_facts([{}], [{}])
    assert audited(facts, plan(facts, ("e1", "s1")), (result(10, bound),)).passed is passed


@pytest.mark.parametrize(
    ("sense", "value", "found"),
    [
        ("max", 9, False),
        ("max", 10, False),
        ("max", 11, True),
        ("min", 9, True),
        ("min", 10, False),
        ("min", 11, False),
    ],
)
def test_value_at_its_bound_does_not_beat_it(sense: str, value: int, found: bool) -> None:
    assert beats(sense, value, 10) is found


def test_wrong_base_of_equity_is_found() -> None:
    facts = make_facts([{}, {"service_code": "120"}], [{}])
    honest = plan(facts, ("e1", "s1"))
    assert honest.with_option == {"e1"}
    assert broken(audited(facts, replace(honest, with_option=frozenset({"e1", "e2"})))) == {"equity_base"}
    assert broken(audited(facts, replace(honest, with_independent_option=frozenset({"e1"})))) == {"equity_base"}


def test_every_entry_has_exactly_one_fate() -> None:
    patients = [{"held": number == 3} for number in range(1, 6)]
    commitments = [
        {**BOOKED, "entry_id": "e4", "state": "treated"},
        {**BOOKED, "entry_id": "e5", "session_id": "gone"},
    ]
    facts = make_facts(patients, [{}], commitments=commitments)
    placed = plan(facts, ("e1", "s1"))
    assert wrong_fates(facts, placed, ["e2", "e4"]) == []
    assert [violation.message for violation in wrong_fates(facts, placed, ["e4"])] == [
        "e2 is nowhere; wanted: exactly one"
    ]
    assert [violation.message for violation in wrong_fates(facts, placed, ["e1", "e2", "e3", "e4", "e5", "e9"])] == [
        "e1 is placed and unplaced; wanted: exactly one",
        "e3 is held and unplaced; wanted: exactly one",
        "e5 is booked in a session that is gone and unplaced; wanted: exactly one",
        "e9 is unplaced; and not in the tables",
    ]
