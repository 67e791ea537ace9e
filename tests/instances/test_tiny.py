"""The hand-worked instances: paper against every plan enumerated, against the tables, and against a run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from allocator.allocation import Allocation
from allocator.answer import Run
from allocator.audit import audit
from allocator.intake.read import read_instance
from allocator.rule import find_conflicts
from allocator.run import allocate
from tests.instances.tiny import FOLDERS, Tiny, best_plans, every_set, feasible_plans, read_tiny

MOST_CHECKED = 600
"""Sets of places that are checked one by one, spread over all of them; the feasible ones all are."""


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def tiny(request: pytest.FixtureRequest) -> Tiny:
    folder: Path = request.param
    return read_tiny(folder)


def pairs_of(tiny: Tiny, chosen: np.ndarray) -> list[list[str]]:
    options = tiny.formulation.options
    entry_ids = options.instance.column("patients", "entry_id")
    session_ids = options.instance.column("sessions", "session_id")
    rows = np.flatnonzero(chosen)
    return [[entry_ids[options.entry[row]], session_ids[options.session[row]]] for row in rows]


def planned(tiny: Tiny, pairs: list[list[str]]) -> Allocation:
    """The plan that `pairs` make, with the states and bases that a run would give it."""
    options = tiny.formulation.options
    wanted = {tuple(pair) for pair in pairs}
    every = pairs_of(tiny, np.ones(len(options), dtype=bool))
    return Allocation.from_options(options, np.array([tuple(pair) in wanted for pair in every]))


@cache
def run_of(folder: Path) -> Run:
    """One run a folder: a run starts a process of its own, so the tests share it."""
    tiny = read_tiny(folder)
    return allocate(tiny.facts.instance, tiny.policy)


def violations_of(tiny: Tiny, allocation: Allocation) -> Iterator[str]:
    for rule in tiny.policy.rules:
        for violation in rule.check(tiny.facts, allocation):
            yield f"{violation.rule}: {violation.message}"


def test_there_are_at_least_ten() -> None:
    assert len(FOLDERS) >= 10


def test_each_has_two_to_eight_entries_and_two_to_five_sessions(tiny: Tiny) -> None:
    assert 2 <= len(tiny.facts.instance.patients) <= 8
    assert 2 <= len(tiny.facts.instance.sessions) <= 5


def test_the_sum_on_paper_shows_every_expected_value(tiny: Tiny) -> None:
    paper = (tiny.folder / "README.md").read_text(encoding="utf-8")
    for value in tiny.expected["goals"].values():
        assert f"**{value:,}**" in paper


def test_intake_accepts_every_row_and_reads_the_same_instance(tiny: Tiny) -> None:
    intake = read_instance(tiny.folder)
    assert intake.quarantine.to_dict("records") == []
    assert intake.instance.fingerprint == tiny.facts.instance.fingerprint


def test_no_plan_of_all_is_better_and_the_best_is_the_one_on_paper(tiny: Tiny) -> None:
    best, choices = best_plans(tiny.formulation)
    assert best == tiny.expected["goals"]
    assert [pairs_of(tiny, chosen) for chosen in choices] == [tiny.expected["placements"]]


def test_there_is_more_than_one_feasible_plan(tiny: Tiny) -> None:
    assert len(feasible_plans(tiny.formulation)) > 1


def test_goals_score_the_plan_on_paper_from_the_tables_alone(tiny: Tiny) -> None:
    allocation = planned(tiny, tiny.expected["placements"])
    scores = {goal.label: goal.score(tiny.facts, allocation) for goal in tiny.policy.ordered_goals}
    assert scores == tiny.expected["goals"]


def test_every_check_passes_the_plan_on_paper(tiny: Tiny) -> None:
    assert list(violations_of(tiny, planned(tiny, tiny.expected["placements"]))) == []


def test_checks_and_rows_agree(tiny: Tiny) -> None:
    """A set of places is feasible for some openings and auxiliaries exactly where no check finds anything."""
    n_options = len(tiny.formulation.options)
    feasible = {tuple(plan) for plan in feasible_plans(tiny.formulation)[:, :n_options].tolist()}
    sets = every_set(tiny.formulation)
    seen = np.unique(np.linspace(0, len(sets) - 1, MOST_CHECKED).astype(np.int64))
    for chosen in [*sets[seen].tolist(), *map(list, feasible)]:
        allocation = Allocation.from_options(tiny.formulation.options, np.array(chosen, dtype=bool))
        allowed = not any(violations_of(tiny, allocation))
        assert allowed == (tuple(chosen) in feasible), pairs_of(tiny, np.array(chosen))


def test_prices_and_scores_agree_on_every_feasible_plan(tiny: Tiny) -> None:
    """A goal's value with auxiliaries at their best is its score from the tables."""
    options, plans = tiny.formulation.options, feasible_plans(tiny.formulation)
    choices, of_plan = np.unique(plans[:, : len(options)], axis=0, return_inverse=True)
    for goal, vector in zip(tiny.policy.ordered_goals, tiny.formulation.goals, strict=True):
        values = vector.constant + plans @ vector.values
        best = np.full(len(choices), values.min() if vector.sense == "max" else values.max())
        (np.maximum if vector.sense == "max" else np.minimum).at(best, of_plan, values)
        for chosen, value in zip(choices, best, strict=True):
            allocation = Allocation.from_options(options, chosen.astype(bool))
            assert goal.score(tiny.facts, allocation) == value, (vector.label, pairs_of(tiny, chosen))


def test_conflicts_are_those_on_paper(tiny: Tiny) -> None:
    found = find_conflicts(tiny.policy.limits, tiny.facts)
    assert [[item.entry_id, item.session_id] for item in found] == tiny.expected.get("conflicts", [])


def test_a_run_gives_the_answer_on_paper_and_passes_its_audit(tiny: Tiny) -> None:
    run = run_of(tiny.folder)
    assert {goal.label: goal.value for goal in run.goals} == tiny.expected["goals"]
    assert [[place.entry_id, place.session_id] for place in run.allocation.placements] == tiny.expected["placements"]
    assert run.audit.passed, run.audit.violations
    assert {item.entry_id: item.reason_code for item in run.unplaced} == tiny.expected["unplaced_reasons"]


def test_the_audit_finds_a_place_too_many(tiny: Tiny) -> None:
    """Adding any option to the plan on paper breaks a rule or the value of a goal that was reported."""
    run = run_of(tiny.folder)
    taken = {entry_id for entry_id, _ in tiny.expected["placements"]}
    every = pairs_of(tiny, np.ones(len(tiny.formulation.options), dtype=bool))
    for pair in every:
        if pair[0] not in taken:
            more = planned(tiny, [*tiny.expected["placements"], pair])
            assert not audit(tiny.facts, tiny.policy, more, run.goals, run.conflicts).passed, pair
