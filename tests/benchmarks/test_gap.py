"""`bench gap`: known optima through every backend, and no answer that does not hold is printed."""

from __future__ import annotations

import csv
import io
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.answer import Answer, Limits
from allocator.ending import Ending
from allocator.errors import AuditFailedError, InputError
from allocator.solve.lexicographic import solve
from allocator.stopwatch import Stopwatch
from benchmarks import gap
from benchmarks.gap import COLUMNS, checked_cost, fits_nowhere, gap_model, judged, row, run_gap
from benchmarks.gap_files import GapInstance, read_gap

HERE = Path(__file__).parent / "gap"
BACKENDS = ("auto", "highs", "cpsat", "scip", "cbc")
OPTIMA = {"three": 7, "pair-1": 15, "pair-2": 16}
"""Of three: items 0 and 2 to agent 1 and item 1 to agent 0, each where it is cheapest, and agent 1 is full.
Of pair-1: the one agent takes both items and is full. Of pair-2: agents 1 and 2 have room for one item each,
best item 1 for 3 and item 3 for 2, and agent 0 takes the others for 5 and 6."""


@pytest.fixture
def _cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the warm-up: seconds do not matter here."""
    monkeypatch.setattr(gap, "warm_up", lambda limits: None)


def by_enumeration(instance: GapInstance) -> int | None:
    """The lowest cost over all assignments; None where none is allowed."""
    best = None
    for agents in itertools.product(range(instance.n_agents), repeat=instance.n_items):
        used = [0] * instance.n_agents
        for item, agent in enumerate(agents):
            used[agent] += int(instance.weights[agent, item])
        if all(carried <= room for carried, room in zip(used, instance.capacities, strict=True)):
            cost = sum(int(instance.costs[agent, item]) for item, agent in enumerate(agents))
            best = cost if best is None else min(best, cost)
    return best


def printed(*files: str, **limits: object) -> list[dict[str, str]]:
    out = io.StringIO()
    run_gap([HERE / f"{name}.txt" for name in files], Limits(**{"seconds": 6.0, **limits}), out=out)  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def three() -> GapInstance:
    (found,) = read_gap(HERE / "three.txt")
    return found


def answer_of(instance: GapInstance) -> Answer:
    return solve(gap_model(instance), Limits(seconds=4.0), Stopwatch(4.0))


def test_optima_are_those_of_enumeration() -> None:
    found = [*read_gap(HERE / "three.txt"), *read_gap(HERE / "pair.txt")]
    assert {instance.name: by_enumeration(instance) for instance in found} == OPTIMA


@pytest.mark.usefixtures("_cold")
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_proves_the_known_optimum(backend: str) -> None:
    (found,) = printed("three", backend=backend, seed=3)
    assert tuple(found) == COLUMNS
    assert (found["value"], found["bound"], found["status"]) == ("7", "7", "optimal")
    assert (found["instance"], found["seed"], found["backend"], found["threads"]) == ("three", "3", backend, "1")
    assert float(found["seconds"]) > 0


def test_a_row_an_instance_in_the_order_given_and_none_for_the_warm_up() -> None:
    found = printed("pair", "three", seconds=2.0)
    assert {row["instance"]: int(row["value"]) for row in found} == OPTIMA
    assert [row["instance"] for row in found] == ["pair-1", "pair-2", "three"]


@pytest.mark.usefixtures("_cold")
def test_a_solver_that_calls_an_instance_impossible_beside_a_plan_has_failed() -> None:
    """Weights near 10^8: CBC says so of what CP-SAT solves to 45."""
    (ours,) = printed("wide", backend="cbc")
    assert ours["status"] in ("solver_failed", "optimal")
    assert int(ours["value"]) >= 45
    (proven,) = printed("wide", backend="cpsat")
    assert (proven["value"], proven["status"]) == ("45", "optimal")


@pytest.mark.usefixtures("_cold")
def test_instance_without_any_assignment_is_infeasible_and_empty() -> None:
    (found,) = printed("none")
    assert (found["value"], found["bound"], found["status"]) == ("", "", "infeasible")


def test_item_that_no_agent_can_carry_is_infeasible_at_once() -> None:
    heavy = replace(three(), capacities=np.array([4, 1]))
    assert not fits_nowhere(heavy)
    heavier = replace(heavy, weights=heavy.weights + np.array([0, 3, 0]))
    assert fits_nowhere(heavier)
    assert row(heavier, Limits(seconds=0.1))[1:3] == (None, None)
    assert row(heavier, Limits(seconds=0.1))[4] is Ending.INFEASIBLE


def test_nothing_is_printed_or_solved_where_one_file_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gap, "solve", lambda *_: pytest.fail("solved"))
    out = io.StringIO()
    with pytest.raises(InputError, match="cannot be read"):
        run_gap([HERE / "three.txt", HERE / "missing.txt"], Limits(), out=out)
    assert out.getvalue() == ""


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_model_allows_what_the_file_allows_at_its_cost(seed: int) -> None:
    """Every assignment, as columns of the model, keeps its rows where capacities hold, and has the file's cost."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 5)))
    instance = GapInstance("any", rng.integers(-5, 9, shape), rng.integers(0, 6, shape), rng.integers(0, 12, shape[0]))
    model = gap_model(instance)
    number = {pair: column for column, pair in enumerate(zip(model.entry, model.session, strict=True))}
    costs = []
    for agents in itertools.product(range(shape[0]), repeat=shape[1]):
        pairs = list(enumerate(agents))
        if not all(pair in number for pair in pairs):
            continue
        z = np.zeros(model.n_columns, dtype=np.int64)
        z[[number[pair] for pair in pairs]] = 1
        activity = model.rows.activity(z)
        if ((activity >= model.rows.lower) & (activity <= model.rows.upper)).all():
            costs.append(model.goals[0].value(z))
    assert min(costs, default=None) == by_enumeration(instance)


def test_cost_of_an_assignment_is_that_of_the_file() -> None:
    assert checked_cost(three(), np.array([0, 1, 2]), np.array([1, 0, 1])) == 2 + 1 + 4


@pytest.mark.parametrize(
    ("items", "agents", "message"),
    [
        ([0, 1], [1, 0], "item 2 goes to 0 agents"),
        ([0, 1, 2, 2], [1, 0, 0, 1], "item 2 goes to 2 agents"),
        ([0, 1, 2], [1, 1, 1], "agent 1 carries 6; 4 is allowed"),
    ],
)
def test_assignment_that_is_none_fails_its_check(items: list[int], agents: list[int], message: str) -> None:
    with pytest.raises(AuditFailedError, match=message):
        checked_cost(three(), np.array(items), np.array(agents))


def tampered_choice(answer: Answer) -> Answer:
    chosen = answer.chosen.copy()
    chosen[np.flatnonzero(chosen)[0]] = False
    return replace(answer, chosen=chosen)


def tampered_value(answer: Answer) -> Answer:
    return replace(answer, goals=(replace(answer.goals[0], value=answer.goals[0].value - 1),))


def tampered_bound(answer: Answer) -> Answer:
    return replace(answer, goals=(replace(answer.goals[0], certified_bound=answer.goals[0].value + 1),))


def test_answer_that_does_not_hold_is_never_printed() -> None:
    answer = answer_of(three())
    assert judged(three(), answer) == (7, 7, Ending.OPTIMAL)
    for tamper in (tampered_choice, tampered_value, tampered_bound):
        with pytest.raises(AuditFailedError):
            judged(three(), tamper(answer))
