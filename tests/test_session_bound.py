"""What a session settles alone is exactly its rows; its bound is one that no plan beats, whatever the prices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize

from allocator.certificate import SCALE, PricesTooLargeError, bound_of, goal_rows, priced_rows
from allocator.formulation import Model
from allocator.instance import Ints
from allocator.rows import Rows
from allocator.session_bound import best_patterns, session_values
from allocator.session_pattern import LARGEST_TABLE, NEVER, best_patterns_of, bound_without_table
from tests.models_of_arrays import RowList, all_plans, model_of, random_model


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


def knapsack(values: Ints, weights: Ints, room: int, fewest: int = 0, most: int = 99) -> int:
    """The best pattern, every set tried; NEVER where there is none."""
    sets = np.array(list(itertools.product((0, 1), repeat=len(values))), dtype=np.int64).reshape(2 ** len(values), -1)
    count = sets.sum(axis=1)
    allowed = (sets @ weights <= room) & (fewest <= count) & (count <= most)
    return int((sets @ values)[allowed].max(initial=NEVER))


@st.composite
def items(draw: st.DrawFn) -> tuple[Ints, Ints, int, int, int]:
    """Values, weights, room, fewest, most of up to nine items; equal and zero weights among them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    number = draw(st.integers(0, 9))
    step = draw(st.sampled_from((1, 1, 7)))
    values = rng.integers(-10 if draw(st.booleans()) else 1, 20, number)
    weights = step * rng.integers(draw(st.integers(0, 1)), draw(st.sampled_from((2, 4, 12))), number)
    room = draw(st.integers(0, 40 * step))
    return (
        values,
        weights,
        room,
        draw(st.sampled_from((0, 0, 1, 2, 3, 5))),
        draw(st.sampled_from((9, 9, 4, 3, 2, 1, 0))),
    )


@settings(max_examples=600, deadline=None)
@given(st.lists(items(), min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_pattern_is_the_best_of_all_sets(sessions: list[tuple[Ints, Ints, int, int, int]], seed: int) -> None:
    sizes = [len(values) for values, *_ in sessions]
    value, weight = (np.concatenate([session[part] for session in sessions]) for part in (0, 1))
    room, fewest, most = (np.array([session[part] for session in sessions]) for part in (2, 3, 4))
    start = np.concatenate([[0], np.cumsum(sizes)])
    # Options lie in any order; a session finds its own through `option`.
    place = np.random.default_rng(seed).permutation(len(value))
    mixed_value, mixed_weight = np.empty_like(value), np.empty_like(weight)
    mixed_value[place], mixed_weight[place] = value, weight
    candidate = np.ones(len(value), dtype=bool)
    for traced in (False, True):
        best, chosen = best_patterns_of(start, place, candidate, mixed_value, mixed_weight, room, fewest, most, traced)
        assert best.tolist() == [knapsack(*session) for session in sessions]
    for session in range(len(sessions)):
        own = place[start[session] : start[session + 1]]
        mine = own[chosen[own]]
        if best[session] == NEVER:
            assert not len(mine)
        else:
            assert mixed_value[mine].sum() == best[session]
            assert mixed_weight[mine].sum() <= room[session]
            assert fewest[session] <= len(mine) <= most[session]


def test_what_is_no_candidate_is_never_chosen() -> None:
    candidate = np.array([True, False, True])
    ones = np.ones(3, dtype=np.int64)
    best, chosen = best_patterns_of(
        np.array([0, 3]), np.arange(3), candidate, 5 * ones, ones, np.array([3]), np.array([0]), np.array([3]), True
    )
    assert (best.tolist(), chosen.tolist()) == ([10], [True, False, True])


@settings(max_examples=300, deadline=None)
@given(items())
def test_bound_without_a_table_is_never_too_low_and_near_the_relaxation(
    drawn: tuple[Ints, Ints, int, int, int],
) -> None:
    values, weights, room, fewest, most = drawn
    values = 1000 * np.sort(values)[::-1]
    assume(len(values))
    taken = np.zeros(len(values), dtype=bool)
    bound = bound_without_table(values, weights, room, most, taken)
    assert bound >= knapsack(values, weights, room, fewest, most)
    assert bound <= np.maximum(values, 0)[:most].sum()
    assert weights[taken].sum() <= room
    assert taken.sum() <= most
    # A whole price is at most one off the best price, which gives the value of the relaxation.
    assert bound <= relaxed(values, weights, room) + room + 1


def relaxed(values: Ints, weights: Ints, room: int) -> float:
    """The best pattern where parts of an item may be chosen: by worth for room."""
    total, left = 0.0, float(room)
    order = sorted((k for k in range(len(values)) if values[k] > 0), key=lambda k: -values[k] / max(weights[k], 1e-9))
    for k in order:
        share = 1.0 if weights[k] <= left else left / weights[k]
        total, left = total + share * values[k], left - share * weights[k]
    return total


def large_session(rng: np.random.Generator, min_cases: int) -> Model:
    """Eleven people for one session whose capacity is too fine for a table."""
    weights = (2 * rng.integers(10**5, 10**6, 11) + 1).tolist()
    found = RowList()
    found.add([*enumerate(weights), (11, -3 * LARGEST_TABLE)], upper=0)
    found.add([(option, 1) for option in range(11)] + [(11, -min_cases)], lower=0)
    values = [*rng.integers(10**5, 10**6, 11).tolist(), -(10**5)]
    return model_of([(entry, 0) for entry in range(11)], 1, found.rows(12), [values], openings=(0,))


@pytest.mark.parametrize("min_cases", [1, 3, 9])
def test_session_too_large_for_a_table_has_a_bound_all_the_same(min_cases: int) -> None:
    weaker = 0
    for seed in range(20):
        model = large_session(np.random.default_rng(seed), min_cases)
        assert model.sessions.room[0] == 3 * LARGEST_TABLE
        best = max(model.goals[0].value(plan) for plan in all_plans(model))
        bound = bound_of(model, 0, [], np.zeros(2, dtype=np.int64), 1, by_session=True)
        assert bound >= best
        weaker += bound > best
        worth, chosen = best_patterns(model.sessions, model.goals[0].values.astype(float))
        assert worth[0] >= best
        assert model.sessions.weight[chosen].sum() <= model.sessions.room[0]
    assert weaker


def two_long_cases() -> Model:
    """Two people for 60 of 100 minutes each; another session is too short for the first."""
    found = RowList()
    found.add([(0, 1), (1, 1)], upper=1)
    found.add([(2, 1)], upper=1)
    found.add([(0, 60), (2, 60)], upper=100)
    found.add([(1, 30)], upper=20)
    pairs = [(0, 0), (0, 1), (1, 0)]
    return model_of(pairs, 2, found.rows(3), [[10, -1, 10]], n_one_place=2)


def test_session_bound_is_below_every_entry_bound_where_minutes_leave_a_part_of_a_case() -> None:
    """The best entry bound is the relaxation: ten, and two thirds of ten. Whole cases give ten."""
    model = two_long_cases()
    side = model.rows.upper
    relaxation = -optimize.linprog(-model.goals[0].values, model.rows.matrix.toarray(), side, bounds=(0, 1)).fun
    assert relaxation == pytest.approx(10 + 20 / 3)
    assert bound_of(model, 0, [], np.zeros(4, dtype=np.int64), SCALE, by_session=True) == 10
    for minute in np.linspace(0, 1, 101):
        prices = np.array([0, 0, round(minute * SCALE), SCALE])
        assert bound_of(model, 0, [], prices, SCALE) >= 16


def test_rows_inside_sessions_carry_no_price_and_those_of_one_place_do() -> None:
    model = two_long_cases()
    assert priced_rows(model, 1, by_session=True).tolist() == [True, True, False, False, True]
    assert priced_rows(model, 1).tolist() == [False, False, True, True, True]
    free = bound_of(model, 0, [], np.zeros(4, dtype=np.int64), 1, by_session=True)
    assert bound_of(model, 0, [], np.array([0, 0, 10**9, -(10**9)]), 1, by_session=True) == free
    assert bound_of(model, 0, [], np.array([1, 0, 0, 0]), 1, by_session=True) == 11
    # The row has no lower side: a price below zero proves nothing.
    assert bound_of(model, 0, [], np.array([-1, 0, 0, 0]), 1, by_session=True) == free


def test_price_below_zero_counts_where_an_entry_must_have_a_place() -> None:
    found = RowList()
    found.add([(0, 1)], lower=1, upper=1)
    found.add([(0, 2)], upper=5)
    model = model_of([(0, 0)], 1, found.rows(1), [[-7]], n_one_place=1)
    assert bound_of(model, 0, [], np.array([0, 0]), 1, by_session=True) == 0
    assert bound_of(model, 0, [], np.array([-7, 0]), 1, by_session=True) == -7


def test_values_of_a_session_that_could_overflow_together_are_refused() -> None:
    """Each fits alone, as an entry; what a session adds up would not."""
    model = model_of([(entry, 0) for entry in range(40)], 1, Rows.none(40), [[2**56] * 40])
    assert bound_of(model, 0, [], np.zeros(0, dtype=np.int64), 1) == 40 * 2**56
    with pytest.raises(PricesTooLargeError):
        bound_of(model, 0, [], np.zeros(0, dtype=np.int64), 1, by_session=True)
    few = model_of([(entry, 0) for entry in range(40)], 1, Rows.none(40), [[2**54] * 40])
    assert bound_of(few, 0, [], np.zeros(0, dtype=np.int64), 1, by_session=True) == 40 * 2**54


def test_wide_rows_are_never_spelt_out() -> None:
    found = RowList()
    found.add([], upper=3, weights=[(0, 1), (1, -1)])
    members = [(0, 0), (0, 1), (1, 2)]
    model = model_of([(0, 0), (0, 1), (1, 0)], 2, found.rows(3, members), [[4, 5, 6]])
    for by_session in (False, True):
        bound_of(model, 0, [], np.array([2]), 1, by_session)
    assert "matrix" not in vars(model.rows)
