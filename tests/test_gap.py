"""Where the gap is: the parts add up to it exactly, and what a rule has left is found under its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from allocator.answer import Certificate, GapPart, Limits
from allocator.certificate import SCALE, UNPRICED, certified_bound, held_value
from allocator.formulation import Block, Model
from allocator.gap import gap_split
from allocator.report.page_plan import goals
from allocator.report.words import gap_sentence
from allocator.run import allocate
from allocator.solve.loader import goal_values
from api.words import run_lines
from models.daily import DAILY
from tests.build import make_facts
from tests.models_of_arrays import RowList, all_plans, model_of, random_model
from tests.report.test_summary import summary_of


def with_blocks(model: Model) -> Model:
    """Every row behind those of one place comes from one rule."""
    first = model.blocks[0].stop if model.blocks else 0
    return replace(model, blocks=(*model.blocks, Block("rest", first, model.n_rows)))


def certificate_of(model: Model, prices: np.ndarray, held: np.ndarray, by_session: bool, scale: int) -> Certificate:
    n_goals = len(model.goals)
    every = np.ones(n_goals, dtype=bool)
    return Certificate(scale, prices, held, every, every & by_session)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([1, 7, SCALE]))
@example(0, True, SCALE)
def test_parts_of_any_prices_add_up_to_the_gap_and_none_is_below_nothing(
    seed: int, by_session: bool, scale: int
) -> None:
    """Any prices, good or bad, and any plan: all of it but the rounding is room that is really there."""
    rng = np.random.default_rng(seed)
    model = with_blocks(random_model(rng))
    plans = all_plans(model)
    if not len(plans):
        return
    plan = plans[rng.integers(len(plans))]
    values, n_goals = goal_values(model, plan), len(model.goals)
    prices = rng.integers(-4 * scale, 4 * scale + 1, (n_goals, model.n_rows + n_goals))
    prices *= rng.random(prices.shape) < 0.6
    floors = [held_value(model, k, value) for k, value in enumerate(values)]
    held = np.array([[*floors[:k], *[0] * (n_goals - k)] for k in range(n_goals)], dtype=np.int64)
    certificate = certificate_of(model, prices, held, by_session, scale)
    for k, goal in enumerate(model.goals):
        gap = (certified_bound(model, k, certificate) - values[k]) * (1 if goal.sense == "max" else -1)
        parts = gap_split(model, k, certificate, plan)
        assert sum(part.amount for part in parts) == scale * gap
        assert all(part.amount > 0 for part in parts if part.kind != "rounding")
        assert all(-scale < part.amount < 0 for part in parts if part.kind == "rounding")


def test_room_that_a_rule_has_left_is_found_under_its_name_in_both_units() -> None:
    """Two people for two sessions, three beds of which the plan uses one, at a price of 5 a bed: 10 of the gap."""
    found = RowList()
    found.add([(0, 1)], upper=1)
    found.add([(1, 1)], upper=1)
    found.add([(0, 1), (1, 1)], upper=3)
    model = model_of([(0, 0), (1, 1)], 2, found.rows(2), [[9, 7]], n_one_place=2)
    model = replace(model, blocks=(Block(UNPRICED, 0, 2), Block("beds", 2, 3)))
    plan = np.array([1, 0])
    # Reduced prices at 5 a bed: 4 and 2. The plan has the 4; the second person is worth 2 and has no place.
    prices = np.array([[0, 0, 5, 0]])
    held = np.zeros((1, 1), dtype=np.int64)
    by_entry = gap_split(model, 0, certificate_of(model, prices, held, False, 1), plan)
    assert by_entry == (GapPart("rule", "beds", 10), GapPart("without_place", "", 2))
    by_session = gap_split(model, 0, certificate_of(model, prices, held, True, 1), plan)
    assert by_session == (GapPart("rule", "beds", 10), GapPart("sessions", "", 2))


def test_a_person_without_a_place_is_found_at_the_price_of_theirs_where_sessions_are_the_units() -> None:
    found = RowList()
    found.add([(0, 1), (1, 1)], upper=1)
    found.add([(2, 1), (3, 1)], upper=1)
    model = model_of([(0, 0), (0, 1), (1, 0), (1, 1)], 2, found.rows(4), [[9, 0, 2, 2]], n_one_place=2)
    prices, held = np.array([[9, 2, 0]]), np.zeros((1, 1), dtype=np.int64)
    split = gap_split(model, 0, certificate_of(model, prices, held, True, 1), np.array([1, 0, 0, 0]))
    assert split == (GapPart("without_place", "", 2),)


def test_room_left_in_an_earlier_goal_is_found_under_its_name() -> None:
    found = RowList()
    found.add([(0, 1), (1, 1)], upper=1)
    model = model_of([(0, 0), (0, 1)], 2, found.rows(2), [[3, 2], [0, 4]], senses=("max", "max"), n_one_place=1)
    # The first goal is held at 2 less than it has; at a price of 1 that is worth 2 to the second.
    held = np.array([[0, 0], [1 + model.goals[0].constant, 0]])
    certificate = certificate_of(model, np.array([[0, 0, 0], [0, -1, 0]]), held, False, 1)
    plan = np.array([1, 0])
    # Reduced: 0 + 3 and 4 + 2; the entry has 3 of 6.
    assert gap_split(model, 1, certificate, plan) == (GapPart("placed", "", 3), GapPart("goal", "goal 0", 2))


def test_a_whole_run_says_where_every_gap_is() -> None:
    """One list for one of two people, and money that nobody uses: the certificate of the run splits exactly."""
    facts = make_facts([{}, {}, {"overnight_stays": 1}], [{"max_cases": 2, "minutes": 150}])
    run = allocate(facts.instance, DAILY, Limits(work=30))
    assert set(run.gap_parts) == {goal.label for goal in run.goals}
    for goal in run.goals:
        assert goal.certified_bound is not None
        parts = run.gap_parts[goal.label]
        assert sum(part.amount for part in parts) == run.certificate.scale * abs(goal.certified_bound - goal.value)


def test_the_command_line_and_the_page_say_where_every_gap_is() -> None:
    """A run without time: its bounds, at prices of nothing, leave a gap for people without a place."""
    facts = make_facts([{}, {}, {}], [{"max_cases": 1}])
    run = allocate(facts.instance, DAILY, Limits(seconds=0.0))
    summary = summary_of(run, with_intake=False)
    gaps = [goal for goal in summary["goals"] if goal["certified_gap"]]
    assert "people without a place" in gap_sentence(gaps[0])
    lines = run_lines(summary, run, Path("out"))
    cells = [cell for block in goals(summary).blocks if block.grid for row in block.grid.rows for cell in row]
    for goal in gaps:
        assert f"{goal['label']}: {gap_sentence(goal)}" in lines
        assert any(cell.endswith(gap_sentence(goal)) for cell in cells)


def four_parts(*amounts: int) -> list[dict[str, Any]]:
    """Parts of a gap: sessions, overnight beds, people without a place, rounding."""
    kinds = ("sessions", ""), ("rule", "overnight_beds"), ("without_place", ""), ("rounding", "")
    found = zip(kinds, amounts, strict=True)
    return [{"kind": kind, "label": label, "amount": amount} for (kind, label), amount in found]


def test_the_sentence_names_the_largest_parts_in_plain_words() -> None:
    parts = four_parts(600, 500, 323, -3)
    goal = {
        "value": 500,
        "certified_bound": 358,
        "unit": "days",
        "gap_split": {"scale": 10, "parts": parts},
    }
    assert gap_sentence(goal) == (
        "Of the gap of 142 days: 60 from sessions, 50 from overnight beds, 32 from people without a place."
    )
    few = {
        **goal,
        "certified_bound": 499,
        "gap_split": {"scale": 10, "parts": [*parts[:1], {**parts[3], "amount": -590}]},
    }
    assert gap_sentence(few) == "Of the gap of 1 day: 60.00 from sessions, -59.00 from other parts and rounding."
    pence = {
        **goal,
        "value": 50_000,
        "certified_bound": 35_800,
        "unit": "pence",
        "gap_split": {"scale": 1, "parts": [{**parts[0], "amount": 14_200}]},
    }
    assert gap_sentence(pence) == "Of the gap of £142: £142 from sessions."

    assert gap_sentence({**goal, "certified_bound": 500}) == ""
    assert gap_sentence({**goal, "certified_bound": None, "gap_split": None}) == ""


def test_parts_of_a_gap_as_they_are_shown_add_up_to_the_gap_as_it_is_shown() -> None:
    # 20.4 + 10.4 + 3.4 - 0.2 = 34; rounded one by one the parts would come to 33.
    split = {"scale": 10, "parts": four_parts(204, 104, 34, -2)}
    goal = {"value": 84, "certified_bound": 50, "unit": "days", "gap_split": split}
    assert gap_sentence(goal) == (
        "Of the gap of 34 days: 20 from sessions, 10 from overnight beds, 3 from people without a place, "
        "1 from other parts and rounding."
    )
    percent = {**goal, "unit": "hundredths of a percent"}
    assert gap_sentence(percent) == (
        "Of the gap of 0.34%: 0.20% from sessions, 0.10% from overnight beds, 0.03% from people without a place, "
        "0.01% from other parts and rounding."
    )


def test_the_command_line_says_what_the_solver_proved_beyond_the_certificate() -> None:
    facts = make_facts([{}, {}, {}], [{"max_cases": 1}])
    run = allocate(facts.instance, DAILY, Limits(seconds=0.0))
    summary = summary_of(run, with_intake=False)
    loose = next(goal for goal in run.goals if goal.certified_bound != goal.value)
    proven = tuple(replace(goal, solver_bound=goal.value) if goal is loose else goal for goal in run.goals)
    said = f"No plan beats these either, the solver says; the certificate proves less: {loose.label}."
    assert said not in run_lines(summary, run, Path("out"))
    assert said in run_lines(summary, replace(run, goals=proven), Path("out"))
