"""The softened worth of sessions is a sum over all their patterns; what it sharpens stays a proof, and a better one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from allocator.answer import Limits
from allocator.backends.process import Worker
from allocator.certificate import SCALE, bound_of, certified_bound, goal_rows, held_value, whole_prices
from allocator.formulation import Model
from allocator.instance import Floats
from allocator.solve.construct import own_gains
from allocator.solve.dual import OutOfTimeError
from allocator.solve.patterns import PatternWindow, SessionPricing, sharpen, starts_in, table_sizes
from allocator.solve.prove import Proposed, entry_prices, prove, prove_all
from allocator.solve.soft_patterns import Tables, logarithmic, plain, soften_patterns, without_table
from tests.models_of_arrays import RowList, all_plans, held_of, model_of, plans_that_hold, random_model


def tables_of(
    weight: list[int], room: int, fewest: int, most: int, *, may_close: bool, tilt: float = 0.0, centre: float = 0.0
) -> Tables:
    """The tables of one session."""
    start, weights = np.array([0, len(weight)]), np.array(weight, dtype=np.int64)
    few = np.array([fewest])
    step, steps, top, counted = table_sizes(start, weights, np.array([room]), few, np.array([most]))
    closing = np.array([may_close])
    return Tables(
        start, weights // step[0], steps, few, top, counted, closing, np.array([tilt]) * step, np.array([centre])
    )


def patterns_by_hand(weight: list[int], room: int, fewest: int, most: int) -> list[tuple[int, ...]]:
    """Every choice of items that fits, as 0 and 1."""
    return [
        chosen
        for chosen in itertools.product((0, 1), repeat=len(weight))
        if np.dot(chosen, weight) <= room and fewest <= sum(chosen) <= most
    ]


@st.composite
def sessions(draw: st.DrawFn) -> tuple[list[int], Floats, int, int, int]:
    """Weights and values of one to seven items, room, fewest and most of a session."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = int(rng.integers(1, 8))
    step = int(rng.choice([1, 5]))
    room = step * int(rng.integers(0, 12))
    weight = [min(room, step * int(w)) for w in rng.integers(0, 6, n)]
    return weight, rng.normal(2.0, 4.0, len(weight)), room, int(rng.integers(0, 4)), int(rng.integers(0, n + 2))


@settings(max_examples=300, deadline=None)
@given(sessions(), st.sampled_from([0.02, 0.3, 3.0]), st.booleans(), st.floats(-5, 5), st.floats(0, 0.4))
def test_softened_worth_is_the_sum_over_all_patterns_and_shares_are_parts_of_it(
    session: tuple[list[int], Floats, int, int, int], temperature: float, may_close: bool, opening: float, tilt: float
) -> None:
    weight, value, room, fewest, most = session
    patterns = np.array(patterns_by_hand(weight, room, fewest, most), dtype=float).reshape(-1, len(weight))
    assume(len(patterns))
    worth = patterns @ value + opening
    tables = tables_of(weight, room, fewest, most, may_close=may_close, tilt=tilt, centre=float(worth.max() - opening))
    share, opened = np.zeros(len(weight)), np.zeros(1)
    soft = soften_patterns(tables, value, np.array([opening]), temperature, share, opened)
    terms = np.append(worth, 0.0) if may_close else worth
    best = terms.max()
    weights = np.exp((terms - best) / temperature)
    assert soft == pytest.approx(best + temperature * np.log(weights.sum()), abs=1e-8)
    assert soft >= best - 1e-9
    part = weights[: len(patterns)] / weights.sum()
    assert share == pytest.approx(part @ patterns, abs=1e-7)
    assert opened[0] == pytest.approx(part.sum(), abs=1e-7)


@settings(max_examples=150, deadline=None)
@given(sessions(), st.sampled_from([0.3, 3.0]))
def test_plain_sums_and_logarithms_agree(session: tuple[list[int], Floats, int, int, int], temperature: float) -> None:
    weight, value, room, fewest, most = session
    assume(patterns_by_hand(weight, room, fewest, most))
    tables = tables_of(weight, room, fewest, most, may_close=False)
    forward = np.empty((len(weight) + 1) * (tables.top[0] + 1) * (tables.room[0] + 1))
    shares, by_logarithms = np.zeros(len(weight)), np.zeros(len(weight))
    one = plain(tables, 0, value, tables.weight, temperature, forward, shares)
    other = logarithmic(tables, 0, value, tables.weight, temperature, forward, by_logarithms)
    assert np.isfinite(one)
    assert one == pytest.approx(other, abs=1e-9)
    assert shares == pytest.approx(by_logarithms, abs=1e-9)


def test_an_item_far_above_its_room_is_summed_in_plain_numbers() -> None:
    tables = tables_of([2, 1, 1], 3, 0, 3, may_close=False, centre=400.0)
    value, shares, by_logarithms = np.array([399.0, 1.5, 1.0]), np.zeros(3), np.zeros(3)
    one = plain(tables, 0, value, tables.weight, 1.0, np.empty(16), shares)
    other = logarithmic(tables, 0, value, tables.weight, 1.0, np.empty(16), by_logarithms)
    assert one == pytest.approx(399.0 + np.log(1.0 + np.exp(1.5) + np.exp(1.0)))
    assert one == pytest.approx(other)
    assert shares == pytest.approx(by_logarithms)


def test_sums_out_of_the_range_of_a_double_are_left_to_logarithms() -> None:
    tables = tables_of([1, 1], 2, 0, 2, may_close=False)
    value = np.array([5000.0, 4000.0])
    assert np.isnan(plain(tables, 0, value, tables.weight, 1.0, np.empty(9), np.zeros(2)))
    share, opened = np.zeros(2), np.zeros(1)
    assert soften_patterns(tables, value, np.zeros(1), 1.0, share, opened) == pytest.approx(9000.0)
    assert share == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("long_cases", [5, 8])
@pytest.mark.parametrize("far_above", [85.0, 130.0])
def test_long_cases_far_above_their_room_that_short_ones_still_beat_are_left_to_logarithms(
    long_cases: int, far_above: float
) -> None:
    weight, most = [70] * long_cases + [20] * 60, 14
    value = np.array([far_above] * long_cases + [55.0] * 60)
    tables = tables_of(weight, 416, 0, most, may_close=False)
    cells = np.empty((len(weight) + 1) * (most + 1) * (int(tables.room[0]) + 1))
    right = np.zeros(len(weight))
    worth = logarithmic(tables, 0, value, tables.weight, 1.0, cells, right)
    best = 55.0 * most + max(long * far_above - long * 55.0 for long in range(long_cases + 1) if fits(long, most))
    assert best <= worth < best + 100.0
    found, opened = np.zeros(len(weight)), np.zeros(1)
    tables = tables._replace(centre=np.array([best]))
    assert soften_patterns(tables, value, np.zeros(1), 1.0, found, opened) == pytest.approx(worth, rel=1e-12)
    np.testing.assert_allclose(found, right, atol=1e-9)


def fits(long_cases: int, most: int) -> bool:
    """So many cases of 70 minutes, and of 20 up to the most, into 416."""
    return 70 * long_cases + 20 * (most - long_cases) <= 416


def test_session_that_nobody_can_fill_stays_closed() -> None:
    tables = tables_of([3], 4, 2, 5, may_close=True)
    share, opened = np.ones(1), np.ones(1)
    assert soften_patterns(tables, np.array([8.0]), np.array([50.0]), 1.0, share, opened) == 0.0
    assert share[0] == opened[0] == 0.0


@settings(max_examples=100, deadline=None)
@given(sessions(), st.sampled_from([0.1, 1.0]))
def test_worth_without_a_table_is_a_bound_from_above(
    session: tuple[list[int], Floats, int, int, int], temperature: float
) -> None:
    weight, value, room, _, _ = session
    patterns = np.array(patterns_by_hand(weight, room, 0, len(weight)), dtype=float).reshape(-1, len(weight))
    soft = np.logaddexp.reduce(patterns @ value / temperature)
    shares = np.zeros(len(weight))
    bound = without_table(value, np.array(weight, dtype=np.int64), room, temperature, shares)
    assert bound >= soft - 1e-9
    assert ((shares >= 0) & (shares <= 1)).all()


def test_session_with_more_room_than_a_table_may_have_is_softened_without_one() -> None:
    start, weight = np.array([0, 3]), np.array([1, 999_999, 7], dtype=np.int64)
    _, _, top, _ = table_sizes(start, weight, np.array([5_000_000]), np.array([0]), np.array([3]))
    assert top[0] == -1


def whole_window(pricing: SessionPricing, centre: Floats) -> PatternWindow:
    """A window over all options of a model."""
    problems = pricing.model.sessions
    room, fewest, most = problems.left
    fits = problems.weight[pricing.option] <= room[problems.session[pricing.option]]
    kept = np.flatnonzero(fits)
    of_session = problems.session[pricing.option[kept]]
    start = starts_in(of_session, len(room))
    weight = problems.weight[pricing.option[kept]]
    step, steps, top, counted = table_sizes(start, weight, room, fewest, most)
    closing = problems.closable & ((problems.opening >= 0) | (fewest > 0))
    tables = Tables(
        start, weight // step[of_session], steps, fewest, top, counted, closing, np.zeros(len(room)), centre
    )
    return PatternWindow(pricing, kept, tables)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 2.0]))
def test_softened_bound_lies_above_the_exact_one_and_its_gradient_is_right(seed: int, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    model = random_model(rng)
    plans = all_plans(model)
    assume(len(plans))
    k = len(model.goals) - 1
    pricing = SessionPricing(model, own_gains(model, k), goal_rows(model, held_of(model, plans, k)))
    prices = pricing.possible(rng.normal(0.0, 2.0, model.n_rows + k))
    exact, centre = pricing.bound(prices, pricing.reduced(prices))
    window = whole_window(pricing, centre)
    variables = window.variables(prices)
    assume(len(variables))
    assert window.prices(variables) == pytest.approx(prices)
    soft, gradient = window.value_and_gradient(variables, temperature)
    assert soft + pricing.constant >= exact - 1e-6
    small = 1e-5
    for place in range(len(variables)):
        step = np.zeros(len(variables))
        step[place] = small
        above, _ = window.value_and_gradient(variables + step, temperature)
        below, _ = window.value_and_gradient(variables - step, temperature)
        assert gradient[place] == pytest.approx((above - below) / (2 * small), abs=1e-4)


@settings(max_examples=60, deadline=None)
@example(1176)
@given(st.integers(0, 2**32 - 1))
def test_sharpened_prices_prove_no_less_than_those_given_and_no_plan_beats_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = random_model(rng)
    plans = all_plans(model)
    assume(len(plans))
    k = len(model.goals) - 1
    held = held_of(model, plans, k)
    start = rng.normal(0.0, 3.0, model.n_rows + k)
    prices = sharpen(model, own_gains(model, k), goal_rows(model, held), start, seconds=60.0, work=60).prices
    before, after = (bound_of(model, k, held, whole_prices(u), SCALE, True) for u in (start, prices))
    values = plans_that_hold(model, plans, held) @ model.goals[k].values + model.goals[k].constant
    if model.goals[k].sense == "max":
        assert values.max() <= after <= before + 1
    else:
        assert values.min() >= after >= before - 1


def packing(seed: int = 3) -> Model:
    """Three lists of 100 minutes for cases of 35 to 59: the relaxation fills them with parts of cases."""
    rng = np.random.default_rng(seed)
    n_entries, n_sessions = 9, 3
    pairs = [(entry, session) for entry in range(n_entries) for session in range(n_sessions)]
    minutes, gain = rng.integers(35, 60, n_entries), rng.integers(50, 100, n_entries)
    found = RowList()
    for entry in range(n_entries):
        found.add([(entry * n_sessions + session, 1) for session in range(n_sessions)], upper=1)
    for session in range(n_sessions):
        found.add([(entry * n_sessions + session, int(minutes[entry])) for entry in range(n_entries)], upper=100)
    return model_of(
        pairs, n_sessions, found.rows(len(pairs)), [np.repeat(gain, n_sessions).tolist()], n_one_place=n_entries
    )


def arc_prices(model: Model) -> Floats:
    """Prices of minutes that prove the relaxation: gain for a minute of the item that does not fit any more."""
    prices = np.zeros(model.n_rows)
    own = model.session == 0
    minutes = model.rows.matrix[[model.n_entries]].toarray()[0][: model.n_options][own]
    order = np.argsort(-model.goals[0].values[own] / minutes)
    last = order[np.searchsorted(np.cumsum(minutes[order]), 300)]
    prices[model.n_entries :] = model.goals[0].values[own][last] / minutes[last]
    return prices


def test_sharpened_bound_of_lists_that_do_not_fill_is_below_that_of_one_look() -> None:
    model = packing()
    start = entry_prices(model, own_gains(model, 0), arc_prices(model))
    once = bound_of(model, 0, [], whole_prices(start), SCALE, True)
    prices = sharpen(model, own_gains(model, 0), goal_rows(model, []), start, seconds=60.0, work=400).prices
    bound = bound_of(model, 0, [], whole_prices(prices), SCALE, True)
    gain = model.goals[0].values[:: model.n_sessions]
    assert np.sort(gain)[-6:].sum() >= bound, "two cases fill a list, so nobody can have more than the six best"
    assert bound < once


def test_sharpening_begins_at_prices_of_an_earlier_run_only_where_they_prove_more() -> None:
    model = packing()
    gains, rows = own_gains(model, 0), goal_rows(model, [])
    start = entry_prices(model, gains, arc_prices(model))
    earlier = sharpen(model, gains, rows, start, seconds=60.0, work=400).prices
    better, worse = (
        sharpen(model, gains, rows, one, seconds=60.0, work=1, earlier=other).prices
        for one, other in ((start, earlier), (earlier, start))
    )
    once, best, *found = (bound_of(model, 0, [], whole_prices(u), SCALE, True) for u in (start, earlier, better, worse))
    assert best < once
    assert found == [best, best]


def test_work_of_a_sharpening_decides_its_prices() -> None:
    model = packing()
    start = entry_prices(model, own_gains(model, 0), arc_prices(model))
    one, other = (
        sharpen(model, own_gains(model, 0), goal_rows(model, []), start, seconds=60.0, work=50).prices for _ in range(2)
    )
    assert np.array_equal(one, other)


def test_word_that_time_is_over_ends_a_sharpening_with_the_best_so_far() -> None:
    model = packing()
    start = entry_prices(model, own_gains(model, 0), arc_prices(model))

    def over(bound: float) -> None:
        raise OutOfTimeError

    gains, held = own_gains(model, 0), goal_rows(model, [])
    stopped = sharpen(model, gains, held, start, seconds=60.0, tell=over).prices
    settled = sharpen(model, gains, held, start, seconds=60.0).prices
    once, early, late = (bound_of(model, 0, [], whole_prices(u), SCALE, True) for u in (start, stopped, settled))
    assert late < early <= once


def test_proof_from_proposed_prices_is_sharpened_in_the_seconds_left() -> None:
    model = packing()
    proposed = Proposed(arc_prices(model))
    with Worker() as worker:
        at_once = prove(model, 0, [], 0.0, Limits(), worker, proposed=proposed)
        later = prove(model, 0, [], 60.0, Limits(), worker, proposed=proposed)
        proven = prove(model, 0, [], 60.0, Limits(), worker, proposed=proposed, value=at_once.bound)
    assert later.by_session
    assert later.bound < at_once.bound
    assert proven.bound == at_once.bound, "nothing is left to prove of a plan as good as the bound"


def test_certificate_of_sharpened_prices_gives_back_the_bound() -> None:
    model = packing()
    certificate, bounds = prove_all(model, [0], {0: Proposed(arc_prices(model))}, 60.0, Limits())
    assert certificate.by_session[0]
    assert certified_bound(model, 0, certificate) == bounds[0]
    assert held_value(model, 0, 0) == 0
