"""A chain goes through rows that are full beyond a session: who is worth least there gives up the place."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from allocator.formulation import Model
from allocator.solve.arrays import Layout, Part
from allocator.solve.chains import MOST_OUT, chain_many
from allocator.solve.loader import complete, feasible
from allocator.solve.search import Search
from tests.models_of_arrays import RowList, model_of, random_model


def one_budget(worth: list[int], budget: int, sessions: int = 1) -> Model:
    """Everybody has a session alone, the first with room for two, and all are paid from one budget."""
    n_entries = len(worth)
    pairs = [(entry, entry) for entry in range(n_entries)]
    found = RowList()
    for entry in range(n_entries):
        found.add([(entry, 1)], upper=1)
    for entry in range(n_entries):
        found.add([(entry, 30)], upper=60)
    found.add([(0, sessions), *((entry, 1) for entry in range(1, n_entries))], upper=budget)
    return model_of(pairs, n_entries, found.rows(n_entries), [worth], n_one_place=n_entries)


def after_a_chain(model: Model, placed: list[int], start: int) -> list[int]:
    """Entries with a place after one chain that nothing but a gain is accepted from."""
    part = Part.of(Layout.of(model), np.ones(model.n_options, dtype=bool))
    chosen = np.isin(model.entry, placed)
    worth = model.goals[0].values.astype(np.float64)
    search = Search(part, worth, np.zeros(model.n_rows), complete(model, chosen), 0)
    chain_many(part.arrays, search.values, search.state, np.array([start]), 0.0, 0.0, 1)
    found = part.chosen(search.state.place)
    columns = complete(model, found)
    assert feasible(model, columns)
    assert np.array_equal(search.state.activity, (model.rows.activity(columns))[part.row])
    return np.unique(model.entry[found]).tolist()


def test_who_is_worth_least_in_a_full_budget_gives_up_the_place() -> None:
    assert after_a_chain(one_budget([100, 10, 20], 2), [1, 2], 0) == [0, 2]


def test_two_give_up_their_places_for_one_who_is_worth_more_and_costs_twice() -> None:
    assert after_a_chain(one_budget([100, 10, 20, 30], 3, sessions=2), [1, 2, 3], 0) == [0, 3]


def test_nobody_gives_up_a_place_for_who_is_worth_less_or_for_nothing() -> None:
    assert after_a_chain(one_budget([5, 10, 20], 2), [1, 2], 0) == [1, 2]
    costs_too_much = one_budget([100, 10, 20, 30], 3, sessions=MOST_OUT + 2)
    assert after_a_chain(costs_too_much, [1, 2, 3], 0) == [1, 2, 3]


@pytest.mark.parametrize("seed", range(60))
def test_any_chain_leaves_a_plan_that_breaks_no_row_that_is_only_used_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = random_model(rng)
    part = Part.of(Layout.of(model), np.ones(model.n_options, dtype=bool))
    if not len(part.option):
        return
    worth = rng.normal(5.0, 5.0, model.n_columns)
    search = Search(part, worth, np.zeros(model.n_rows), model.column_lower, seed)
    most = np.maximum(part.arrays.upper, part.base)  # some are broken by what is fixed
    for number, entry in itertools.product(range(5), range(model.n_entries)):
        chain_many(part.arrays, search.values, search.state, np.array([entry]), 1.0, 10.0, number)
        activity = part.base.copy()
        columns = complete(model, part.chosen(search.state.place))
        columns[model.first_auxiliary :] = model.column_lower[model.first_auxiliary :]
        hard = ~part.arrays.soft
        own = part.row < model.n_rows
        activity[own] = model.rows.activity(columns)[part.row[own]]
        assert (activity[hard] <= most[hard]).all()
        assert np.allclose(search.state.activity[own & hard], activity[own & hard])
