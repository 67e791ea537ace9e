"""Two runs side by side: who changes, groups that add up, and ranges that hold the truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from allocator.allocation import Allocation
from allocator.answer import Limits, Run
from allocator.compare import (
    GROUPS,
    Comparison,
    compared,
    comparison_figures,
    goal_change,
    goal_changes,
    places_of,
    side_of,
    verdict_of,
)
from allocator.errors import UsageError
from allocator.lab.compare_words import comparison_lines, comparison_page
from allocator.lab.ground import stored_run
from allocator.lab.page import html
from allocator.policy import read_policy
from allocator.report.write import write_run
from allocator.run import allocate
from models import CATALOGUE
from models.daily import DAILY
from tests.build import make_facts
from tests.instances.tiny import FOLDERS as TINY_FOLDERS
from tests.instances.tiny import best_plans, read_tiny

INSTANT = Limits(seconds=0.1)
NEARER = read_policy(CATALOGUE, overrides=("max_travel.car_minutes=25",))
PATIENTS = [
    {"clock_start": "2024-06-01", "imd_quintile": 1},
    {"clock_start": "2024-07-01", "imd_quintile": None},
    {"home_provider": "RBB", "transfer_consent": "no"},
]
SESSIONS = [{"minutes": 100}, {"minutes": 100, "site_code": "RBB01"}]


@pytest.fixture(scope="module")
def runs() -> tuple[Run, Run]:
    """The same people, with sessions up to 60 and up to 25 minutes away."""
    instance = make_facts(PATIENTS, SESSIONS, info={"reporting_dates": ("2026-03-31",)}).instance
    return allocate(instance, DAILY, INSTANT), allocate(instance, NEARER, INSTANT)


@pytest.fixture(scope="module")
def found(runs: tuple[Run, Run]) -> Comparison:
    return compared(side_of("far", runs[0]), side_of("near", runs[1]))


def test_who_gains_loses_and_moves_is_what_the_plans_say(runs: tuple[Run, Run], found: Comparison) -> None:
    before, after = (places_of(run.allocation) for run in runs)
    assert before["e2"] == ("s2",) or before["e1"] == ("s2",)
    told = {person.entry_id: person.change for person in found.people}
    for entry in ("e1", "e2", "e3"):
        old, new = before.get(entry), after.get(entry)
        wanted = None if old == new else "gains" if old is None else "loses" if new is None else "moves"
        assert told.get(entry) == wanted
    assert found.count("loses") == 1


def test_every_grouping_counts_everybody_once(found: Comparison) -> None:
    assert set(found.groups) == set(GROUPS)
    for rows in found.groups.values():
        assert sum(row.entries for row in rows) == 3
        assert sum(row.placed_b - row.placed_a for row in rows) == found.count("gains") - found.count("loses")
        assert sum(row.loses for row in rows) == found.count("loses")
    assert [row.group for row in found.groups["deprivation"]] == ["fifth 1 (most deprived)", "fifth 3", "not known"]
    assert [row.group for row in found.groups["home"]] == ["RAA", "RBB"]


def test_run_compared_with_itself_changes_nothing(runs: tuple[Run, Run]) -> None:
    same = compared(side_of("a", runs[0]), side_of("b", runs[0]))
    assert same.people == ()
    assert same.same == len(places_of(runs[0].allocation))
    assert all(goal.a == goal.b and goal.verdict == "same" and goal.low == goal.high == 0 for goal in same.goals)
    assert comparison_lines(same)[-2:] == ["By wait band on the morning of the plan:", "  2 groups without a change."]


def test_one_question_has_one_best_until_the_two_plans_part(runs: tuple[Run, Run]) -> None:
    """Same tables, rules and goals: only what is held of earlier goals can tell the best of two runs apart."""
    a = side_of("a", runs[0])
    empty = replace(side_of("b", runs[0]), allocation=Allocation(()))
    changes = goal_changes(a, empty)
    parts = next(place for place, goal in enumerate(changes) if goal.a != goal.b)
    assert all(goal.verdict == "same" for goal in changes[: parts + 1])
    assert {goal.verdict for goal in changes[parts + 1 :]} - {"same"}
    spends = replace(DAILY, goals=(DAILY.goals[0].model_copy(update={"tolerance": 0.1}), *DAILY.goals[1:]))
    unproven = replace(a, goals=())
    assert [goal.low for goal in goal_changes(unproven, unproven)] == [0] * len(changes)
    assert [goal.low for goal in goal_changes(unproven, replace(unproven, policy=spends))] == [0] + [None] * (
        len(changes) - 1
    )


@pytest.mark.parametrize(
    ("sense", "values", "bounds", "interval", "verdict"),
    [
        ("max", (10, 20), (12, 25), (8, 15), "better"),
        ("max", (10, 13), (12, 15), (1, 5), "better"),
        ("max", (10, 12), (12, 15), (0, 5), "undecided"),
        ("max", (10, 5), (12, 9), (-7, -1), "worse"),
        ("min", (10, 20), (8, 15), (5, 12), "worse"),
        ("min", (20, 10), (15, 8), (-12, -5), "better"),
        ("min", (7, 7), (7, 7), (0, 0), "same"),
        ("min", (10, 10), (8, 8), (-2, 2), "undecided"),
        ("max", (10, 20), (None, 25), (None, None), "undecided"),
    ],
)
def test_range_of_the_best_possible_by_hand(
    sense: str,
    values: tuple[int, int],
    bounds: tuple[int | None, int | None],
    interval: tuple[int | None, int | None],
    verdict: str,
) -> None:
    change = goal_change("goal", "people", sense, values, bounds)
    assert ((change.low, change.high), change.verdict) == (interval, verdict)


def test_range_holds_the_true_change_on_hand_worked_instances() -> None:
    """The best under each policy by enumeration; the first goal, which no earlier goal holds."""
    folder = next(folder for folder in TINY_FOLDERS if folder.name == "tiny-travel")
    tiny = read_tiny(folder)
    other = read_policy(CATALOGUE, (folder / "policy.toml").read_text(encoding="utf-8"), ("max_travel.car_minutes=20",))
    sides = [
        side_of(name, allocate(tiny.facts.instance, policy, INSTANT))
        for name, policy in (("a", tiny.policy), ("b", other))
    ]
    change = goal_changes(*sides)[0]
    from allocator.lab.ground import ground_of

    best = [best_plans(ground_of(tiny.facts.instance, side.policy).formulation)[0][change.label] for side in sides]
    assert change.low is not None
    assert change.high is not None
    assert change.low <= best[1] - best[0] <= change.high
    assert best[0] != best[1]


def test_zero_on_the_edge_of_a_range_is_not_told_apart() -> None:
    assert verdict_of("max", 0, 5) == "undecided"
    assert verdict_of("min", -5, 0) == "undecided"


def test_goal_that_only_one_policy_has_is_scored_on_both_plans_without_a_range(runs: tuple[Run, Run]) -> None:
    fewer = replace(DAILY, goals=tuple(goal for goal in DAILY.goals if goal.name != "travel"))
    side = replace(side_of("b", runs[1]), policy=fewer)
    changes = {goal.label: goal for goal in goal_changes(side_of("a", runs[0]), side)}
    assert changes["travel"].verdict == "not_in_both"
    assert changes["travel"].low is None
    assert changes["travel"].b == runs[1].audit.scores["travel"]


def test_goal_with_other_parameters_is_measured_as_a_measures_it(runs: tuple[Run, Run]) -> None:
    later = read_policy(CATALOGUE, overrides=("urgent_delay.unplaced_days=300",))
    other = compared(side_of("a", runs[0]), replace(side_of("b", runs[1]), policy=later))
    assert any("other parameters: urgent_delay" in notice for notice in other.notices)


def test_runs_of_other_people_are_refused_and_of_other_tables_are_noted(runs: tuple[Run, Run]) -> None:
    strangers = make_facts([{"entry_id": "x1", "patient_id": "q1"}], SESSIONS)
    with pytest.raises(UsageError, match="no entry in common"):
        compared(side_of("a", runs[0]), replace(side_of("b", runs[1]), facts=strangers))
    some = make_facts(PATIENTS[:2], SESSIONS)
    other = compared(side_of("a", runs[0]), side_of("b", allocate(some.instance, DAILY, INSTANT)))
    assert "1 entries are only in A, 0 only in B, 2 in both" in other.notices[0]


def test_stored_run_compares_as_the_run_itself(runs: tuple[Run, Run], found: Comparison, tmp_path: Path) -> None:
    for name, run in zip(("far", "near"), runs, strict=True):
        write_run(run, None, tmp_path / name)
    sides = [stored_run(tmp_path / name, CATALOGUE).side for name in ("far", "near")]
    assert comparison_figures(compared(*sides)) == comparison_figures(found)


def test_words_and_page_say_so_where_the_gap_is_too_wide(found: Comparison) -> None:
    lines = "\n".join(comparison_lines(found))
    page = html(comparison_page(found, {"RAA": "Alpha <b>NHS</b> Trust"}))
    for text in (lines, page):
        assert "cannot be told apart at this gap" in text
        assert "a later goal may be worse only since an earlier one is better" in text
    assert "Alpha &lt;b&gt;NHS&lt;/b&gt; Trust" in page
    assert "<script" not in page
    assert json.loads(json.dumps(comparison_figures(found)))["totals"]["loses"] == 1
