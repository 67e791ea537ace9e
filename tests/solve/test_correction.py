"""Given prices are put right together where rows are alike; what comes out proves a bound, and never a worse one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from allocator.certificate import SCALE, bound_of, goal_rows, whole_prices
from allocator.formulation import Model, formulate
from allocator.instance import Floats
from allocator.options import Facts, build_options
from allocator.solve.best_options import best_of_kinds, least_losses
from allocator.solve.construct import own_gains
from allocator.solve.correction import correction_of
from allocator.solve.dual import corrected_prices, solve_dual
from allocator.solve.pricing import Pricing
from benchmarks.sketch import sketch_instance, sketch_policy
from tests.models_of_arrays import RowList, all_plans, held_of, model_of, plans_that_hold, random_model
from tests.solve.towns import city


@cache
def good_prices() -> Floats:
    model = city()[2]
    return solve_dual(model, own_gains(model, 0), goal_rows(model, ()), seconds=60.0, work=400).prices


def bound(model: Model, prices: Floats) -> int:
    return bound_of(model, 0, [], whole_prices(prices), SCALE)


def corrected(model: Model, prices: Floats, work: int = 200) -> Floats:
    return corrected_prices(model, own_gains(model, 0), goal_rows(model, ()), prices, seconds=60.0, work=work)


def session_rows(model: Model, kind: int) -> np.ndarray:
    """Rows of one session each, of this kind."""
    block = next(block for block in model.blocks if block.label == "session_minutes")
    first = np.diff(model.rows.direct.indptr)[block.start : block.stop] > 0
    rows = block.start + np.flatnonzero(first)
    option = model.rows.direct.indices[model.rows.direct.indptr[rows]]
    return np.asarray(rows[model.alike[model.session[option]] == kind])


def test_a_correction_has_far_fewer_variables_than_there_are_prices() -> None:
    # M, for in a small city most people have one list of a kind, which shows no rows that are used in turn.
    instance = sketch_instance("M", 1)
    policy, facts = sketch_policy(instance), Facts(instance)
    model = formulate(build_options(facts, policy.screens), policy)
    pricing = Pricing(model, own_gains(model, 0), goal_rows(model, ()))
    nothing = np.zeros(model.n_rows)
    correction = correction_of(pricing, nothing, pricing.reduced(nothing))
    assert len(correction.begin) < 0.6 * np.count_nonzero(np.isfinite(pricing.upper) | np.isfinite(pricing.lower))


def test_what_a_correction_begins_with_leaves_prices_and_the_best_of_each_kind_as_they_are() -> None:
    model = city()[2]
    pricing = Pricing(model, own_gains(model, 0), goal_rows(model, ()))
    prices = pricing.possible(good_prices())
    correction = correction_of(pricing, prices, pricing.reduced(prices))
    assert correction.prices(correction.begin) == pytest.approx(prices)
    exact, _ = pricing.bound(prices, pricing.reduced(prices))
    window, begin = correction.window, correction.begin
    cold = 1e-3
    soft, _ = window.value_and_gradient(window.scaled(begin), cold)
    assert soft + pricing.constant == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("factor", [0.0, 0.2, 2.5])
def test_sites_that_are_too_cheap_or_too_dear_as_a_whole_are_put_right(factor: float) -> None:
    """Half of the kinds of session get their prices wrong by one factor; most of what the bound lost comes back."""
    model = city()[2]
    wrong = good_prices().copy()
    for kind in range(0, int(model.alike.max()) + 1, 2):
        wrong[session_rows(model, kind)] *= factor
    right, before, after = bound(model, good_prices()), bound(model, wrong), bound(model, corrected(model, wrong))
    assert before > 1.005 * right
    assert after - right < 0.15 * (before - right)


def test_the_bound_is_never_worse_than_that_of_the_prices_given() -> None:
    model = city()[2]
    for work in (1, 5, 40):
        assert bound(model, corrected(model, good_prices(), work)) <= bound(model, good_prices())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_corrected_prices_prove_bounds_that_no_plan_beats(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = random_model(rng)
    plans = all_plans(model)
    assume(len(plans))
    k = len(model.goals) - 1
    held = held_of(model, plans, k)
    start = rng.normal(0.0, 3.0, model.n_rows + k)
    gains = own_gains(model, k)
    prices = corrected_prices(model, gains, goal_rows(model, held), start, seconds=60.0, work=60)
    pricing = Pricing(model, gains, goal_rows(model, held))
    exact = pricing.bound(prices, pricing.reduced(prices))[0]
    given_bound = pricing.bound(pricing.possible(start), pricing.reduced(pricing.possible(start)))[0]
    assert exact <= given_bound + 1e-6 * max(1.0, abs(given_bound))
    reached = float((plans_that_hold(model, plans, held) @ gains).max())
    assert exact >= reached - 1e-6 * max(1.0, abs(reached))


def kinds_and_prices() -> Model:
    """One entry of two: sessions 0 and 1 are alike, 2 and 3 are, at gains of 10; the second could go to 0 and 1."""
    pairs = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]
    found = RowList()
    found.add([(0, 1), (1, 1), (2, 1), (3, 1)], upper=1)
    found.add([(4, 1), (5, 1)], upper=1)
    for session in range(4):
        found.add([(option, 1) for option, (_, at) in enumerate(pairs) if at == session], upper=1)
    model = model_of(pairs, 4, found.rows(len(pairs)), [[10] * len(pairs)], n_one_place=2)
    return Model(**{**vars(model), "alike": np.array([0, 0, 1, 1])})


def test_the_best_of_each_kind_is_shown_and_for_some_entries_one_more() -> None:
    """Entry 0 shows which rows are alike; entry 1 does not. What loses more than three usual gains is left out."""
    model = kinds_and_prices()
    prices = {0: np.array([0.0, 0.0, 4.0, 1.0, 2.0, 3.0])}
    assert best_of_kinds(model, prices).tolist() == [True, True, True, True, False, True]
    prices = {0: np.array([0.0, 0.0, 4.0, 1.0, 33.0, 32.0])}
    assert best_of_kinds(model, prices).tolist() == [True, True, False, False, False, True]


def test_what_an_option_loses_against_the_best_of_its_entry_is_told_in_usual_gains() -> None:
    prices = {0: np.array([0.0, 0.0, 4.0, 1.0, 2.0, 13.0])}
    assert least_losses(kinds_and_prices(), prices).tolist() == pytest.approx([0.3, 0.0, 0.1, 1.2, 0.3, 0.0])
