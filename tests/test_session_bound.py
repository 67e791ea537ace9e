"""What a session settles alone is exactly its rows; its bound is one that no plan beats, whatever the prices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from allocator.certificate import SCALE, PricesTooLargeError, bound_of, goal_rows, priced_rows
from allocator.formulation import Model
from allocator.instance import Ints
from allocator.session_bound import best_patterns, session_values
from tests.models_of_arrays import all_plans, random_model


@st.composite
def priced(draw: st.DrawFn) -> tuple[Model, Ints, int, list[int], Ints, int]:
    """A model with a plan, its plans, a goal, values held of a plan, any prices at all, and a scale."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    model = random_model(rng)
    plans = all_plans(model)
    assume(len(plans))
    k = int(rng.integers(len(model.goals)))
    plan = plans[rng.integers(len(plans))]
    held = [goal.value(plan) for goal in model.goals[:k]]
    scale = int(rng.choice([1, 7, SCALE]))
    n_rows = model.n_rows + k
    size = int(rng.choice([1, 3, 10, 100])) * scale
    prices = rng.integers(-size, size + 1, n_rows) * (rng.random(n_rows) < rng.choice([0.1, 0.5, 1.0]))
    return model, plans, k, held, prices, scale


def worth_by_hand(model: Model, session: int, reduced: Ints) -> int:
    """The best choice of a session's columns that keeps the rows inside it, tried one by one."""
    sessions = model.sessions
    own = np.flatnonzero(model.session == session)
    opening = sessions.opening[session]
    columns = np.append(own, opening) if opening >= 0 else own
    rows = sessions.inside & (model.rows.matrix.toarray()[:, columns] != 0).any(axis=1)
    part = model.rows.matrix.toarray()[rows][:, columns]
    boxes = zip(model.column_lower[columns].tolist(), model.column_upper[columns].tolist(), strict=True)
    worths = []
    for choice in itertools.product(*(range(low, high + 1) for low, high in boxes)):
        z = np.array(choice, dtype=np.int64)
        activity = part @ z
        keeps = ((activity >= model.rows.lower[rows]) & (activity <= model.rows.upper[rows])).all()
        closed_with_somebody = opening >= 0 and z[-1] == 0 and z[:-1].any()
        if keeps and not closed_with_somebody:
            worths.append(int(z @ reduced[columns]))
    return max(worths)


def bound_by_hand(model: Model, k: int, held: list[int], prices: Ints, scale: int) -> int:
    """The formula of the certificate by sessions in Python's whole numbers."""
    matrix, low, high = goal_rows(model, held)
    dense = np.vstack([model.rows.matrix.toarray(), matrix.toarray()])
    lower, upper = np.concatenate([model.rows.lower, low]), np.concatenate([model.rows.upper, high])
    sign = 1 if model.goals[k].sense == "max" else -1
    reduced = sign * scale * model.goals[k].values
    total = 0
    for row, price in enumerate(prices.tolist()):
        side = upper[row] if price > 0 else lower[row]
        if np.isfinite(side) and not (row < model.n_rows and model.sessions.inside[row]):
            total += price * int(side)
            reduced = reduced - price * dense[row]
    total += sum(worth_by_hand(model, session, reduced) for session in range(model.n_sessions))
    for column in range(model.n_options, model.n_columns):
        if column not in model.sessions.opening:
            total += max(reduced[column] * model.column_lower[column], reduced[column] * model.column_upper[column])
    return model.goals[k].constant + sign * int(total // scale)


@settings(max_examples=400, deadline=None)
@given(priced())
def test_no_plan_beats_the_bound_of_any_prices(drawn: tuple[Model, Ints, int, list[int], Ints, int]) -> None:
    model, plans, k, held, prices, scale = drawn
    goals = model.goals
    left = [
        goals[k].value(plan)
        for plan in plans
        if all(
            goal.value(plan) >= value if goal.sense == "max" else goal.value(plan) <= value
            for goal, value in zip(goals, held, strict=False)
        )
    ]
    bound = bound_of(model, k, held, prices, scale, by_session=True)
    assert bound >= max(left) if goals[k].sense == "max" else bound <= min(left)
    assert bound == bound_by_hand(model, k, held, prices, scale)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_patterns_of_the_solver_are_plans_of_the_session_worth_what_is_said(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = random_model(rng)
    assume(len(all_plans(model)))
    reduced = rng.normal(0, 10, model.n_columns)
    worth, chosen = best_patterns(model.sessions, reduced)
    assert chosen[model.fixed].all()
    whole = np.rint(reduced * 2**20).astype(np.int64)
    assert np.allclose(worth, session_values(model.sessions, whole) / 2**20, atol=1e-4)
    sessions = model.sessions
    for session in range(model.n_sessions):
        mine = chosen & (model.session == session)
        total = reduced[: model.n_options][mine].sum()
        is_open = mine.any() or not sessions.closable[session] or worth[session] > 0
        if sessions.opening[session] >= 0 and is_open:
            total += reduced[sessions.opening[session]]
        assert total == pytest.approx(worth[session], abs=1e-6)
        if mine.any():
            assert sessions.fewest[session] <= mine.sum() <= sessions.most[session]
            assert sessions.room[session] < 0 or sessions.weight[mine].sum() <= sessions.room[session]
