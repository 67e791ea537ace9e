"""The last few people of a goal: who is in their way moves, and nothing that an earlier goal holds is given up."""

from __future__ import annotations

import numpy as np
import pytest

from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.certificate import held_value
from allocator.formulation import Formulation, formulate
from allocator.options import build_options
from allocator.solve.last_few import chosen_anew, place_last_few
from allocator.solve.loader import complete, goal_values
from allocator.solve.plan import Plan
from models.daily import DAILY
from tests.build import Row, make_facts

BUDGET = Budget(30.0)
LONGEST: Row = {"clock_start": "2024-06-01", "max_travel_minutes": 20}
"""Over 78 weeks, and has to go to s1: s2 is 30 minutes away."""
LONG: Row = {"clock_start": "2024-10-01"}
URGENT: Row = {"clock_start": "2026-01-20", "clinical_priority": "P2"}


def model_of(*people: Row, beta: bool = True) -> Formulation:
    """Lists for one each: s1 near everybody, and s2 at Beta."""
    lists: list[Row] = [{"minutes": 75}, {"minutes": 75, "site_code": "RBB01"}]
    facts = make_facts(list(people), lists if beta else lists[:1], info={"reporting_dates": ("2026-03-31",)})
    return formulate(build_options(facts, DAILY.screens), DAILY)


def pairs(plan: Plan) -> set[tuple[int, int]]:
    return set(zip(plan.model.entry[plan.chosen].tolist(), plan.model.session[plan.chosen].tolist(), strict=True))


def after(model: Formulation, *begun: tuple[int, int]) -> set[tuple[int, int]]:
    """Pairs of entry and session, from these, once the last few of goal 78 weeks are placed."""
    chosen = np.array([pair in begun for pair in zip(model.entry.tolist(), model.session.tolist(), strict=True)])
    assert chosen.sum() == len(begun)
    plan = Plan(model, complete(model, chosen), [])
    k = [goal.label for goal in model.goals].index("longest_waits_78w")
    values = goal_values(model, plan.columns)
    with Worker() as worker:
        place_last_few(plan, [held_value(model, j, values[j]) for j in range(k)], BUDGET, worker)
    return pairs(plan)


def test_who_is_in_the_way_goes_elsewhere() -> None:
    assert after(model_of(LONGEST, LONG), (1, 0)) == {(0, 0), (1, 1)}


def test_who_is_in_the_way_gives_the_place_up_where_there_is_no_other() -> None:
    assert after(model_of(LONGEST, LONG, beta=False), (1, 0)) == {(0, 0)}


def test_what_an_earlier_goal_holds_stays() -> None:
    assert after(model_of(LONGEST, URGENT, beta=False), (1, 0)) == {(1, 0)}


def test_many_are_left_to_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocator.solve.last_few.FEW", 0)
    assert after(model_of(LONGEST, LONG), (1, 0)) == {(1, 0)}


def test_who_is_in_the_way_keeps_the_place_where_too_many_would_be_chosen_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(LONGEST, LONG)
    chosen = (model.entry == 1) & (model.session == 0)
    gaining, missing = np.asarray(model.entry == 0), np.array([0])
    assert set(model.entry[chosen_anew(model, chosen, gaining, missing)].tolist()) == {0, 1}
    monkeypatch.setattr("allocator.solve.last_few.MOST_OPTIONS", 2)
    assert set(model.entry[chosen_anew(model, chosen, gaining, missing)].tolist()) == {0}
