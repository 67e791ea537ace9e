"""The smallest set of pins and rules without a plan, against every subset of them by brute force."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.formulation import Formulation, formulate
from allocator.options import build_options
from allocator.policy import Policy
from allocator.solve.construct import asking_rows
from allocator.solve.contradiction import NoTimeLeftError, Questions, fewest_that_meet, lines, smallest_contradiction
from allocator.solve.exact import goal_problem
from models.daily import DAILY
from tests.build import Row, make_facts
from tests.solve.test_solve import pin

POLICY = Policy("no goals but one", DAILY.rules, DAILY.goals[:1])
LISTS = {
    "two pins, one case": ([{}, {}], [{"max_cases": 1}], [pin("e1", "s1"), pin("e2", "s1")]),
    "one entry, two sessions": ([{}], [{}, {}], [pin("e1", "s1"), pin("e1", "s2")]),
    "one person, one day": (
        [{"patient_id": "p"}, {"patient_id": "p"}, {}],
        [{}, {"site_code": "RBB01"}],
        [pin("e1", "s1"), pin("e2", "s2"), pin("e3", "s1")],
    ),
    "three that fit two by two": (
        [{"expected_minutes": 90}, {"expected_minutes": 90}, {"expected_minutes": 90}, {}],
        [{"minutes": 240}],
        [pin("e1", "s1"), pin("e2", "s1"), pin("e3", "s1")],
    ),
    "alone in a list for two": ([{}], [{"min_cases": 2}], [pin("e1", "s1")]),
}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as child:
        yield child


def model_of(patients: list[Row], sessions: list[Row], pins: list[Row]) -> Formulation:
    facts = make_facts(patients, sessions, overrides=pins)
    return formulate(build_options(facts, POLICY.screens), POLICY)


def has_plan(model: Formulation, rows: list[int]) -> bool:
    """Of all columns in their boxes, does one keep these rows."""
    spaces = [range(low, high + 1) for low, high in zip(model.column_lower, model.column_upper, strict=True)]
    matrix, lower, upper = model.rows.matrix[rows], model.rows.lower[rows], model.rows.upper[rows]
    return any(
        ((lower <= matrix @ np.array(z)) & (matrix @ np.array(z) <= upper)).all() for z in itertools.product(*spaces)
    )


def test_a_booking_that_takes_the_room_of_a_pin_is_counted(worker: Worker) -> None:
    booked = {"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-30T08:00:00"}
    facts = make_facts([{}, {}], [{"max_cases": 1}], overrides=[pin("e2", "s1")], commitments=[booked])
    model = formulate(build_options(facts, POLICY.screens), POLICY)
    found = smallest_contradiction(model, Questions(goal_problem(model, 0, []), Budget(60.0), worker))
    assert "rule session_cases: s1 (1 booked or offered there)" in lines(model, found)


@pytest.mark.parametrize("name", LISTS)
def test_smallest_contradiction_is_the_smallest_of_all_subsets(name: str, worker: Worker) -> None:
    model = model_of(*LISTS[name])
    found = smallest_contradiction(model, Questions(goal_problem(model, 0, []), Budget(60.0), worker))
    assert found.smallest
    assert found.checked
    rows = [*found.pins, *found.rows]
    assert not has_plan(model, rows)
    assert all(has_plan(model, [other for other in rows if other != row]) for row in rows)
    asking = asking_rows(model)
    parts = [[int(row)] for row in np.flatnonzero(asking)]
    parts += [[row for row in range(block.start, block.stop) if not asking[row]] for block in model.blocks]
    label_of = {row: block.label for block in model.blocks for row in range(block.start, block.stop)}
    size = len(found.pins) + len({label_of[row] for row in found.rows})
    for smaller in itertools.combinations([part for part in parts if part], size - 1):
        assert has_plan(model, [row for part in smaller for row in part]), smaller
    told = lines(model, found)
    assert told[0] == "No plan keeps all of these:"
    assert all(model.rows.keys[row] in " ".join(told) for row in rows)


def test_where_time_runs_out_before_the_smallest_none_of_what_is_named_can_be_left_out(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_long(*_: object) -> list[int]:
        raise NoTimeLeftError

    monkeypatch.setattr("allocator.solve.contradiction.smallest_set", too_long)
    minutes = [40, 40, 40, 35, 55, 50, 35, 30]
    patients: list[Row] = [{"expected_minutes": taken} for taken in minutes]
    pins = [*(pin(f"e{number}", "s1") for number in range(1, 8)), pin("e8", "s2")]
    model = model_of(patients, [{"minutes": 240}, {"minutes": 240}], pins)
    found = smallest_contradiction(model, Questions(goal_problem(model, 0, []), Budget(60.0), worker))
    assert (found.needed, found.smallest, found.checked) == (True, False, True)
    rows = [*found.pins, *found.rows]
    questions = Questions(goal_problem(model, 0, []), Budget(60.0), worker)
    assert not questions.has_plan(rows)
    assert all(questions.has_plan([other for other in rows if other != row]) for row in rows)
    told = lines(model, found)
    assert not any("e8" in line for line in told)
    assert told[-3] == ("Without any one of these they do not contradict; there was no time to look for a smaller set.")


def test_fewest_that_meet_every_set() -> None:
    assert fewest_that_meet([], 3) == []
    assert fewest_that_meet([{0, 1}, {1, 2}], 3) == [1]
    assert len(fewest_that_meet([{0, 1}, {1, 2}, {0, 2}], 3)) == 2


def test_where_time_runs_out_nothing_is_claimed(worker: Worker) -> None:
    model = model_of(*LISTS["two pins, one case"])
    found = smallest_contradiction(model, Questions(goal_problem(model, 0, []), Budget(0.0), worker))
    assert (found.needed, found.smallest, found.checked, len(found.pins)) == (False, False, False, 2)
    assert lines(model, found)[-1].startswith("Time was too short")
