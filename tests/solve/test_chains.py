"""Chains through full rows and full sessions: who is worth least there gives up the place. Closed lists are opened."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from allocator.formulation import Model
from allocator.solve.arrays import Layout, Part
from allocator.solve.chains import chain_many, close_many
from allocator.solve.loader import complete, feasible
from allocator.solve.repack import repack_many
from allocator.solve.room import MOST_OUT
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
    chain_many(part.arrays, search.values, search.state, np.array([start]), search.path, 0.0, 0.0, 1)
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


def one_list(worth: list[int], weight: list[int], elsewhere: int = -1) -> Model:
    """One session with room for 60 that everybody may have; the last one also another, for so much."""
    n_entries = len(worth)
    pairs = [(entry, 0) for entry in range(n_entries)] + [(n_entries - 1, 1)]
    found = RowList()
    for entry in range(n_entries):
        found.add([(option, 1) for option, (of, _) in enumerate(pairs) if of == entry], upper=1)
    found.add(list(enumerate(weight)), upper=60)
    found.add([(n_entries, 10)], upper=60)
    return model_of(pairs, 2, found.rows(n_entries + 1), [[*worth, elsewhere]], n_one_place=n_entries)


def test_two_leave_a_session_for_one_who_needs_the_room_of_both() -> None:
    assert after_a_chain(one_list([100, 10, 20], [50, 30, 30]), [1, 2], 0) == [0]
    assert after_a_chain(one_list([29, 10, 20], [50, 30, 30]), [1, 2], 0) == [1, 2]


def test_who_lost_a_place_in_a_chain_gets_what_is_free() -> None:
    model = one_list([100, 10, 20], [50, 30, 30], elsewhere=5)
    part = Part.of(Layout.of(model), np.ones(model.n_options, dtype=bool))
    chosen = np.isin(np.arange(model.n_options), [1, 2])
    worth = model.goals[0].values.astype(np.float64)
    search = Search(part, worth, np.zeros(model.n_rows), complete(model, chosen), 0)
    chain_many(part.arrays, search.values, search.state, np.array([0]), search.path, 0.0, 0.0, 1)
    assert np.flatnonzero(part.chosen(search.state.place)).tolist() == [0, 3]


@pytest.mark.parametrize(("fewest", "who"), [(2, [0, 3]), (4, [0, 1, 2, 3]), (5, [])])
def test_a_closed_list_is_opened_with_those_who_lose_least_by_coming(fewest: int, who: list[int]) -> None:
    """Entry 3 gains 100 there; of the others, who have places for 10 each, those come who get 9 or 8 and not 2."""
    worth = [10, 10, 10, 9, 2, 8, 100]
    pairs = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 1)]
    order = sorted(range(len(pairs)), key=lambda option: pairs[option])
    pairs, worth = [pairs[option] for option in order], [worth[option] for option in order]
    there = [option for option, (_, session) in enumerate(pairs) if session == 1]
    opening = len(pairs)
    found = RowList()
    for entry in range(4):
        found.add([(option, 1) for option, (of, _) in enumerate(pairs) if of == entry], upper=1)
    found.add([(option, 20) for option in range(len(pairs)) if option not in there], upper=60)
    found.add([*((option, 20) for option in there), (opening, -100)], upper=0)
    found.add([*((option, 1) for option in there), (opening, -fewest)], lower=0)
    rows = found.rows(len(pairs) + 1)
    model = model_of(pairs, 2, rows, [[*worth, 0]], openings=(1,), n_one_place=4)
    part = Part.of(Layout.of(model), np.ones(model.n_options, dtype=bool))
    chosen = np.array([session == 0 for _, session in pairs])
    search = Search(part, np.array([*worth, 0.0]), np.zeros(model.n_rows), complete(model, chosen), 0)
    close_many(part.arrays, search.values, search.state, np.array([1]), np.array([-1]), 0.0, 0.0, 1)
    columns = complete(model, part.chosen(search.state.place))
    assert feasible(model, columns)
    come = sorted(pairs[option][0] for option in there if columns[option])
    assert come == who


def treatment_and_test(in_the_way: int) -> Model:
    """Entry 0 gains 100 after entry 1's test, which gains nothing; its only place is taken by entry 2, for so much."""
    pairs = [(0, 0), (1, 1), (2, 1)]
    found = RowList()
    for entry in range(3):
        found.add([(entry, 1)], upper=1)
    found.add([(0, 30)], upper=60)
    found.add([(1, 30), (2, 40)], upper=60)
    found.add([(0, 1), (1, -1)], upper=0)
    return model_of(pairs, 2, found.rows(3), [[100, 0, in_the_way]], n_one_place=3)


@pytest.mark.parametrize(("in_the_way", "who"), [(10, [0, 1]), (101, [2])])
@pytest.mark.parametrize("placed", [[], [2]], ids=["free", "taken"])
def test_a_treatment_brings_its_test_along_where_that_pays(in_the_way: int, who: list[int], placed: list[int]) -> None:
    expected = [0, 1] if not placed else who
    assert after_a_chain(treatment_and_test(in_the_way), placed, 0) == expected


def test_a_session_filled_anew_with_a_treatment_brings_its_test_along() -> None:
    model = treatment_and_test(10)
    part = Part.of(Layout.of(model), np.ones(model.n_options, dtype=bool))
    search = Search(part, np.array([100.0, 0.0, 10.0]), np.zeros(model.n_rows), model.column_lower, 0)
    repack_many(part.arrays, search.values, search.state, search.desk, np.array([0]), 0.0, 0.0, 0.0, 1)
    columns = complete(model, part.chosen(search.state.place))
    assert feasible(model, columns)
    assert np.flatnonzero(columns).tolist() == [0, 1]


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
        chain_many(part.arrays, search.values, search.state, np.array([entry]), search.path, 1.0, 10.0, number)
        activity = part.base.copy()
        columns = complete(model, part.chosen(search.state.place))
        columns[model.first_auxiliary :] = model.column_lower[model.first_auxiliary :]
        hard = ~part.arrays.soft
        own = part.row < model.n_rows
        activity[own] = model.rows.activity(columns)[part.row[own]]
        assert (activity[hard] <= most[hard]).all()
        assert np.allclose(search.state.activity[own & hard], activity[own & hard])
