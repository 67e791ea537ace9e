"""Regions price their own rows with visitors: the bound of the whole falls by what the region's own does."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from allocator.answer import Limits
from allocator.certificate import goal_rows, reduced_prices, sign_of
from allocator.formulation import Model
from allocator.instance import Floats, Ints
from allocator.solve.construct import own_gains
from allocator.solve.loader import complete
from allocator.solve.partition import Regions
from allocator.solve.plan import Plan
from allocator.solve.pricing import Pricing
from allocator.solve.teller import Teller
from allocator.solve.visitors import NOBODY, SEVERAL, Neighbours, owners, price_in_turn
from allocator.stopwatch import Stopwatch
from tests.models_of_arrays import RowList, all_plans, held_of, model_of, plans_that_hold, random_model

LIMITS = Limits(seconds=math.inf, work=60)


def bound_at(model: Model, k: int, held: list[int], prices: Floats) -> float:
    """The exact bound of the whole on goal k."""
    pricing = Pricing(model, own_gains(model, k), goal_rows(model, held))
    return pricing.bound(prices, pricing.reduced(prices))[0]


def regions_of(model: Model, of_session: Ints) -> Regions:
    return Regions(int(of_session.max()) + 1, of_session, np.zeros(model.n_entries, dtype=np.int64))


def taken_in_turn(
    model: Model, of_session: Ints, held: list[int], prices: Floats, limits: Limits = LIMITS
) -> tuple[Floats, Teller]:
    """Prices after every region had its turn, and the rows of several theirs; and who was told."""
    found, k = prices.copy(), len(held)
    teller = Teller(Plan(model, complete(model, model.fixed.copy()), []), Stopwatch(math.inf))
    teller.turn(k)
    neighbours = Neighbours(model, regions_of(model, of_session), owners(model, of_session), held, found)
    price_in_turn(neighbours, limits, teller, math.inf)
    return found, teller


def whole_in_two(rng: np.random.Generator) -> tuple[Model, int, list[int], Ints]:
    """Any model, its last goal, what those before are held at, and a region for each session."""
    model = random_model(rng)
    k = len(model.goals) - 1
    assume(model.goals[k].values.any())
    return model, k, [goal.constant for goal in model.goals[:k]], rng.integers(0, 2, model.n_sessions)


def two_sites() -> Model:
    """Two sites, a list each with room for two cases. Four people of the first site gain 10, 9, 8 and 7; one of the
    second gains 6. Everybody could go to either, with 1 less where it is not their own. A row over all.
    """
    pairs = [(entry, session) for entry in range(5) for session in range(2)]
    gains = [10, 9, 9, 8, 8, 7, 7, 6, 5, 6]
    found = RowList()
    for entry in range(5):
        found.add([(2 * entry, 1), (2 * entry + 1, 1)], upper=1)
    for session in range(2):
        found.add([(2 * entry + session, 1) for entry in range(5)], upper=2)
    found.add([(option, 1) for option in range(10)], upper=5)
    return model_of(pairs, 2, found.rows(10), [gains], n_one_place=5)


def test_a_row_is_owned_by_the_region_whose_sessions_alone_are_in_it() -> None:
    """Rows of one place (nobody's), two lists, all of them; a group of the first site, and one of both."""
    model = two_sites()
    assert owners(model, np.array([0, 1])).tolist() == [NOBODY] * 5 + [0, 1, SEVERAL]
    assert owners(model, np.array([0, 0])).tolist() == [NOBODY] * 5 + [0, 0, 0]
    found = RowList()
    for group in (0, 1):
        found.add([], upper=2, weights=[(group, 1)])
    found.add([(1, 1)], upper=2, weights=[(0, 1)])
    found.add([(4, 1), (0, 1)], upper=2)
    found.add([(5, 1), (3, 1)], upper=2)
    members = [(0, 0), (0, 2), (1, 0), (1, 1)]
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1)]
    rows = found.rows(6, members)
    mixed = model_of(pairs, 2, rows, [[1] * 4 + [0, 0]], openings=(0,), auxiliaries=(3,))
    assert owners(mixed, np.array([0, 1])).tolist() == [0, SEVERAL, SEVERAL, 0, SEVERAL]


def test_visitors_raise_the_price_of_a_list_that_nobody_of_its_own_site_fills() -> None:
    """On paper: the first site alone pays 7 for a place there, the second nothing, and its list is free for all.

    Bound at (7, 0): 2 x 7 for the rows, and entries are worth 9, 8, 7, 6 and 6 at the second: 50. The best plan is
    10 + 9 + 7 + 6 = 32. In its turn the second site has five people who gain 6 there beyond 3, 2, 1, 0 and 0
    elsewhere: two places, so they cost 6 each. The bound is then 14 + 12 + 3 + 2 + 1 = 32.
    """
    model = two_sites()
    start = np.array([0.0] * 5 + [7.0, 0.0, 0.0])
    assert bound_at(model, 0, [], start) == pytest.approx(50.0)
    found, teller = taken_in_turn(model, np.array([1, 0]), [], start, replace(LIMITS, work=500))
    assert bound_at(model, 0, [], found) == pytest.approx(32.0, abs=0.2)
    assert found[5:] == pytest.approx([7.0, 6.0, 0.0], abs=0.2)
    assert teller.bounds == {0: 32}


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_turn_makes_the_bound_of_the_whole_worse_and_no_plan_beats_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = random_model(rng)
    plans = all_plans(model)
    k = len(model.goals) - 1
    assume(len(plans) and model.goals[k].values.any())
    held = held_of(model, plans, k)
    of_session = rng.integers(0, 2, model.n_sessions)
    gains = own_gains(model, k)
    pricing = Pricing(model, gains, goal_rows(model, held))
    start = pricing.possible(rng.normal(0.0, 3.0, model.n_rows + k))
    found, teller = taken_in_turn(model, of_session, held, start)
    before, after = bound_at(model, k, held, start), bound_at(model, k, held, found)
    assert after <= before + 1e-6 * max(1.0, abs(before))
    reached = float((plans_that_hold(model, plans, held) @ gains).max())
    assert after >= reached - 1e-6 * max(1.0, abs(reached))
    told = sign_of(model, k) * (teller.bounds[k] - model.goals[k].constant)
    assert reached <= told <= before + 1e-6 * max(1.0, abs(before))
    others = np.append(owners(model, of_session), [NOBODY] * k) == NOBODY
    assert found[others].tolist() == start[others].tolist()


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_a_region_gains_the_whole_gains(seed: int) -> None:
    """For any prices of its own rows, not only the best."""
    rng = np.random.default_rng(seed)
    model, k, held, of_session = whole_in_two(rng)
    pricing = Pricing(model, own_gains(model, k), goal_rows(model, held))
    start = pricing.possible(rng.normal(0.0, 3.0, model.n_rows + k))
    neighbours = Neighbours(model, regions_of(model, of_session), owners(model, of_session), held, start.copy())
    number = int(of_session[model.session[0]])
    task = neighbours.visit(number)
    of_part = Pricing(task.part, task.gains, goal_rows(task.part, []))
    own = np.isfinite(of_part.upper) | np.isfinite(of_part.lower)
    prices = of_part.possible(np.where(own, task.prices + rng.normal(0.0, 2.0, len(own)), 0.0))
    fell = [of_part.bound(vector, of_part.reduced(vector))[0] for vector in (task.prices, prices)]
    neighbours.take(task, prices)
    whole = [bound_at(model, k, held, vector) for vector in (start, neighbours.prices)]
    assert neighbours.bound == pytest.approx(whole[1], abs=1e-6)
    assert whole[1] - whole[0] == pytest.approx(fell[1] - fell[0], abs=1e-6)


def test_rows_of_several_are_priced_after_the_regions() -> None:
    """On paper: lists at 7 and 6 hold four people and the row over all would let five, so it is worth nothing.

    At a price of 1 the bound is 14 + 12 + 5 for the rows and 2 + 1 for entries, 34; at 0 it is 26 + 3 + 2 + 1 = 32.
    """
    model = two_sites()
    start = np.array([0.0] * 5 + [7.0, 6.0, 1.0])
    assert bound_at(model, 0, [], start) == pytest.approx(34.0)
    found, _ = taken_in_turn(model, np.array([0, 1]), [], start, replace(LIMITS, work=500))
    assert found[7] == pytest.approx(0.0, abs=0.05)
    assert bound_at(model, 0, [], found) == pytest.approx(32.0, abs=0.2)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_prices_of_several_are_taken_only_where_the_whole_gains(seed: int) -> None:
    """Whatever they are: they were found over some of the options."""
    rng = np.random.default_rng(seed)
    model, k, held, of_session = whole_in_two(rng)
    owner = owners(model, of_session)
    assume((owner == SEVERAL).any())
    pricing = Pricing(model, own_gains(model, k), goal_rows(model, held))
    start, another = (pricing.possible(rng.normal(0.0, 3.0, model.n_rows + k)) for _ in range(2))
    neighbours = Neighbours(model, regions_of(model, of_session), owner, held, start.copy())
    task = neighbours.visit(SEVERAL)
    place = task.place
    several = place.row[owner[place.row] == SEVERAL]
    assert np.array_equal(
        np.flatnonzero(task.prices), np.flatnonzero(np.isin(place.row, several) & (start[place.row] != 0))
    )
    changed = start.copy()
    changed[several] = another[several]
    before, after = bound_at(model, k, held, start), bound_at(model, k, held, changed)
    assume(abs(after - before) > 1e-6)
    neighbours.take(task, changed[place.row])
    expected = changed if after < before else start
    assert neighbours.prices.tolist() == expected.tolist()
    assert neighbours.reduced == pytest.approx(reduced_prices(model, own_gains(model, k), expected), abs=1e-9)
