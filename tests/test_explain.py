"""Why an entry has no place: a code from the closed list, and a sentence whose numbers are true."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from allocator import explain
from allocator.allocation import Allocation, Placement
from allocator.answer import Limits, Unplaced
from allocator.explain import explain_sessions, explain_unplaced, obstacles_to
from allocator.formulation import Formulation
from allocator.options import Facts
from allocator.policy import Policy, read_policy
from allocator.rule import find_conflicts
from allocator.run import allocate
from allocator.solve.construct import construct
from models import CATALOGUE
from models.daily import DAILY
from tests.build import Row, make_facts
from tests.solve.tiny import case_of, random_cases
from tests.specification.random_instances import random_instance

MORNING = "2026-01-30T08:00:00"
OWN_CODES = {"treated", "session_in_conflict", "several_rules", "several_limits", "worsens_a_goal"}


def booked(entry_id: str, session_id: str = "s1", state: str = "booked") -> Row:
    return {"entry_id": entry_id, "session_id": session_id, "state": state, "recorded_on": MORNING}


def reasons(facts: Facts, policy: Policy = DAILY, places: tuple[tuple[str, str], ...] = ()) -> dict[str, Unplaced]:
    """entry_id -> why it has no place in the plan of these places."""
    case = case_of(facts, policy)
    options = case.formulation.options
    pairs = zip(options.of_entry("entry_id"), options.of_session("session_id"), strict=True)
    chosen = np.array([pair in places for pair in pairs], dtype=bool) | options.fixed
    assert chosen.sum() - options.fixed.sum() == len(places)
    plan = Allocation.from_options(options, chosen)
    found = explain_unplaced(obstacles_to(case.formulation, plan), policy, find_conflicts(policy.limits, facts))
    return {item.entry_id: item for item in found}


def test_treated() -> None:
    found = reasons(make_facts([{}], [{}], commitments=[booked("e1", state="treated")]))["e1"]
    assert (found.reason_code, found.reason) == ("treated", "Already treated: this entry leaves the list.")


def test_one_screen_that_alone_removes_every_session_says_its_numbers() -> None:
    far = make_facts([{"max_travel_minutes": 25}], [{"site_code": "RBB01"}, {"site_code": "RBB01"}])
    found = reasons(far)["e1"]
    assert found.reason_code == "max_travel"
    assert "the limit is 25 minutes, the nearest is 30" in found.reason


def test_no_session_of_the_service_is_the_screen_that_joins() -> None:
    assert reasons(make_facts([{"service_code": "999"}], [{}]))["e1"].reason_code == "same_service"
    assert reasons(make_facts([{}], []))["e1"].reason_code == "same_service"


def test_without_any_screen_that_joins_there_is_no_session_at_all() -> None:
    found = reasons(make_facts([{}], []), Policy("bare", DAILY.limits, DAILY.goals))["e1"]
    assert (found.reason_code, found.reason) == ("several_rules", "There is no spare session at all.")


def test_several_rules_together_are_counted() -> None:
    """Of three sessions one is too far, two are for others by age: no rule alone removes all."""
    patient, young = {"max_travel_minutes": 25, "age_years": 70}, {"max_age_years": 60}
    found = reasons(make_facts([patient], [{"site_code": "RBB01"}, young, young]))["e1"]
    counted = "2 are not for this age or procedure; 1 is too far away."
    assert found == Unplaced("e1", "several_rules", f"Of the 3 sessions of this service, {counted}")
    found = reasons(make_facts([patient], [{"site_code": "RBB01", **young}, young, {"site_code": "RBB01"}]))["e1"]
    counted = "2 are not for this age or procedure; 2 are too far away. Some count more than once."
    assert found == Unplaced("e1", "several_rules", f"Of the 3 sessions of this service, {counted}")


def test_session_closed_by_a_booking_that_does_not_fit() -> None:
    patients = [{"expected_minutes": 300}, {}, {"expected_minutes": 300}]
    found = reasons(make_facts(patients[:2], [{}], commitments=[booked("e1")]))["e2"]
    assert found.reason_code == "session_in_conflict"
    why = "closed to new cases, since a booking there does not fit or its data are damaged."
    assert found.reason == f"The only session of this service is {why}"
    both = reasons(make_facts(patients, [{}, {}], commitments=[booked("e1"), booked("e3", "s2")]))["e2"]
    assert both.reason == f"All 2 sessions are {why}"


def test_full_lists_are_the_limit_that_is_in_the_way_of_each() -> None:
    facts = make_facts([{}, {}, {}], [{"minutes": 75}, {"minutes": 75}])
    found = reasons(facts, places=(("e1", "s1"), ("e2", "s2")))["e3"]
    assert found.reason_code == "session_minutes"
    assert found.reason.startswith("Could go to 2 suitable sessions, but in each ")
    one = reasons(make_facts([{}, {}], [{"minutes": 75}]), places=(("e1", "s1"),))["e2"]
    assert one.reason.startswith("Could go to 1 suitable session, but not enough minutes ")


def test_different_limits_are_counted() -> None:
    facts = make_facts(
        [{"overnight_stays": 1}, {}], [{"minutes": 75, "site_code": "RBB01"}, {}], beds=(), travel=_near()
    )
    found = reasons(facts, places=(("e2", "s1"),))["e1"]
    assert found.reason_code == "overnight_beds", "no bed anywhere, in the full list as well"
    full = make_facts([{}, {}, {}], [{"minutes": 75}, {"max_cases": 1}])
    found = reasons(full, places=(("e1", "s1"), ("e2", "s2")))["e3"]
    assert found.reason_code == "several_limits"
    assert re.fullmatch(r"Could go to 2 suitable sessions, but in 1 .*; in 1 .*\.", found.reason)


def _near() -> list[Row]:
    return [
        {"home_area": "HOME", "site_code": site, "travel_mode": "car", "minutes": 10}
        for site in ("RAA01", "RBB01", "NCC01")
    ]


def test_session_that_one_alone_does_not_open() -> None:
    found = reasons(make_facts([{}], [{"min_cases": 2}]))["e1"]
    assert found.reason_code == "session_opening"
    assert found.reason == ("Could go to 1 suitable session, but too few people fit the session for it to be opened.")


def test_free_place_that_would_make_a_goal_worse_says_which_and_by_how_much() -> None:
    spend_first = Policy("spend", DAILY.rules, tuple(goal for goal in DAILY.goals if goal.name == "spend"))
    found = reasons(make_facts([{"tariff_gbp": 1234}], [{"opening_cost_gbp": 100}]), spend_first)["e1"]
    assert found.reason_code == "worsens_a_goal"
    assert found.reason == "A place in s1 is free, but using it would make “Spend” worse by £1,334."
    nothing = reasons(make_facts([{}], [{}]), Policy("none", DAILY.rules, ()))["e1"]
    assert nothing.reason == "A place in s1 is free, but using it would improve no goal."


def test_held_and_placed_entries_have_no_reason() -> None:
    facts = make_facts([{"held": True}, {}, {}], [{}], commitments=[booked("e2")])
    assert reasons(facts, places=(("e3", "s1"),)) == {}


@cache
def runs() -> list[tuple[Facts, Policy, Allocation, tuple[Unplaced, ...], Formulation]]:
    """Greedy plans of random tiny instances with their reasons, and the pairs the plan could use."""
    found = []
    for case in random_cases(0, 30):
        if not case.pinned:
            plan = Allocation.from_options(case.formulation.options, construct(case.formulation))
            conflicts = find_conflicts(case.policy.limits, case.facts)
            said = explain_unplaced(obstacles_to(case.formulation, plan), case.policy, conflicts)
            found.append((case.facts, case.policy, plan, said, case.formulation))
    return found


def codes_of(policy: Policy) -> set[str]:
    return OWN_CODES | {rule.label for rule in policy.rules}


def test_codes_are_the_closed_list_that_the_module_shows() -> None:
    table = {line.split("|")[1].strip() for line in (explain.__doc__ or "").splitlines() if line.startswith("| ")}
    assert {code for code in table if code.islower()} == OWN_CODES | {"code"}
    assert {code for code in table if code.isupper() or "NAME" in code} == {"NAME OF A SCREEN", "NAME OF A LIMIT"}


def test_every_waiting_entry_without_a_place_has_one_reason_from_the_list() -> None:
    for facts, policy, plan, said, _ in runs():
        entry_ids = facts.instance.column("patients", "entry_id")
        left = {str(entry_ids[row]) for row in np.flatnonzero(facts.standing.waiting)} - set(plan.of_entry)
        assert [item.entry_id for item in said] == sorted(left)
        assert {item.reason_code for item in said} <= codes_of(policy)
        assert all(item.reason.endswith(".") and "nan" not in item.reason.lower() for item in said)


def extended(plan: Allocation, formulation: Formulation, entry_id: str) -> Iterator[Allocation]:
    """The plan with the entry added in each session that it could use."""
    options = formulation.options
    for row in np.flatnonzero((options.of_entry("entry_id") == entry_id) & ~options.fixed):
        place = Placement(entry_id, str(options.of_session("session_id")[row]))
        yield Allocation.of([*plan.placements, place], plan.with_option, plan.with_independent_option)


def test_limit_that_is_named_forbids_every_session_by_its_own_check() -> None:
    """Judged by the rules' checks over tables and placements: rows have no say in it."""
    named = set()
    for facts, policy, plan, said, formulation in runs():
        limits = {limit.label: limit for limit in policy.limits}
        for item in said:
            tries = list(extended(plan, formulation, item.entry_id))
            if item.reason_code in limits:
                assert tries
                assert all(limits[item.reason_code].check(facts, tried) for tried in tries), item
                assert f"Could go to {len(tries)} suitable session" in item.reason
                named.add(item.reason_code)
            if item.reason_code == "several_limits":
                assert all(any(limit.check(facts, tried) for limit in limits.values()) for tried in tries), item
            if item.reason_code == "worsens_a_goal":
                assert any(not any(limit.check(facts, tried) for limit in limits.values()) for tried in tries), item
    assert {"session_minutes", "session_opening"} <= named


def test_what_keeps_people_out_of_a_session_is_what_checks_of_the_rules_say() -> None:
    """Person after person: who fits a session and has no place is added to it, and every limit judges the plan."""
    named = Counter[str]()
    for facts, policy, plan, _, formulation in runs():
        options = formulation.options
        pairs = zip(options.of_entry("entry_id"), options.of_session("session_id"), strict=True)
        expected: dict[str, Counter[str]] = {}
        for entry_id, session_id in pairs:
            if entry_id in plan.of_entry:
                continue
            added = [*plan.placements, Placement(str(entry_id), str(session_id))]
            tried = Allocation.of(added, plan.with_option, plan.with_independent_option)
            broken = {limit.blocked for limit in policy.limits if limit.check(facts, tried)}
            told = expected.setdefault(str(session_id), Counter())
            told.update(broken or ["a place would make a goal worse"])
            told["people"] += 1
        said = explain_sessions(obstacles_to(formulation, plan), policy)
        assert set(said) == set(expected)
        for session_id, counts in expected.items():
            n_people = counts.pop("people")
            head, told_parts = said[session_id].split(" no place: ")
            assert told_parts.endswith(". Some count more than once") == (counts.total() > n_people)
            told_parts = told_parts.removesuffix(". Some count more than once")
            assert int(head.split()[0]) == n_people
            assert sorted(told_parts.split("; ")) == sorted(f"for {n} {phrase}" for phrase, n in counts.items())
            named.update(counts)
    assert len(named) >= 4, named


def test_screen_that_is_named_leaves_no_session_by_its_own_check() -> None:
    named = set()
    for seed in range(12):
        instance, policy = random_instance(seed), read_policy(CATALOGUE)
        facts = Facts(instance)
        screens = {screen.name: screen for screen in policy.screens}
        case = case_of(facts, Policy("screens", policy.screens, ()))
        plan = Allocation.from_options(case.formulation.options, case.formulation.options.fixed)
        conflicts = find_conflicts(policy.limits, facts)
        for item in explain_unplaced(obstacles_to(case.formulation, plan), case.policy, conflicts):
            if item.reason_code in screens:
                for session_id in facts.instance.session_row:
                    tried = Allocation.of([Placement(item.entry_id, session_id)])
                    assert screens[item.reason_code].check(facts, tried) or screens["same_service"].check(facts, tried)
                named.add(item.reason_code)
    assert len(named) >= 3


@pytest.mark.parametrize("name", ["tiny-bookings"])
def test_reasons_of_a_whole_run_are_true_of_its_plan(name: str) -> None:
    from allocator.intake import read_instance
    from instances import path

    folder: Path = path(name)
    instance = read_instance(folder).instance
    policy = read_policy(CATALOGUE, (folder / "policy.toml").read_text(encoding="utf-8"))
    run = allocate(instance, policy, Limits(work=50))
    placed = set(run.allocation.of_entry)
    assert not {item.entry_id for item in run.unplaced} & placed
    assert {item.reason_code for item in run.unplaced} <= codes_of(policy)
