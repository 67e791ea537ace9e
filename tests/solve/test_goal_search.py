"""One goal of several by moves: what it gains, what it may not give up, and who comes along."""

from __future__ import annotations

import numpy as np

from allocator.answer import silent
from allocator.backends.process import Worker
from allocator.certificate import held_value
from allocator.formulation import Model
from allocator.instance import Bools
from allocator.solve.construct import and_the_others, construct, own_gains
from allocator.solve.large import KEPT, LargeSearch, keeping
from allocator.solve.loader import complete, feasible, goal_values
from allocator.solve.pace import Pace
from allocator.solve.plan import Plan
from allocator.solve.prove import dual_prices
from tests.models_of_arrays import RowList, model_of
from tests.solve.towns import city

STEPS = 12


def improved(model: Model, chosen: Bools, k: int) -> list[int]:
    """Values of all goals once goal k is searched for from a plan (n_options,), the goals before held."""
    plan = Plan(model, complete(model, chosen), [])
    held = [held_value(model, j, goal.value(plan.columns)) for j, goal in enumerate(model.goals[:k])]
    prices = dual_prices(model, k, held, None, 5.0, None)
    with Worker() as worker:
        LargeSearch(plan, 0, silent, worker).goal(held, prices, Pace(60.0, STEPS))
    assert feasible(model, plan.columns)
    return list(goal_values(model, plan.columns))


def treatments() -> Model:
    """Six people wait for a treatment that gains 10, each after a test that gains nothing; four more for tests alone.

    Treatments: two lists of three. Tests: one list of six, which the four gain 1 in for the second goal.
    """
    pairs, gains, later = [], [], []
    for person in range(6):
        pairs += [(person, 0), (person, 1), (6 + person, 2)]
    pairs += [(12 + other, 2) for other in range(4)]
    pairs.sort()
    for entry, _ in pairs:
        gains.append(10 if entry < 6 else 0)
        later.append(1 if entry >= 12 else 0)
    found = RowList()
    for entry in range(16):
        found.add([(option, 1) for option, (of, _) in enumerate(pairs) if of == entry], upper=1)
    for session, most in ((0, 3), (1, 3), (2, 6)):
        found.add([(option, 1) for option, (_, at) in enumerate(pairs) if at == session], upper=most)
    for person in range(6):
        treated = [(option, 1) for option, (of, _) in enumerate(pairs) if of == person]
        tested = [(option, -1) for option, (of, _) in enumerate(pairs) if of == 6 + person]
        found.add([*treated, *tested], upper=0)
    rows = found.rows(len(pairs))
    return model_of(pairs, 3, rows, [gains, later], senses=("max", "max"), n_one_place=16)


def test_treatments_bring_their_tests_along_though_those_gain_nothing() -> None:
    model = treatments()
    others_first = np.isin(model.entry, range(12, 16))
    assert improved(model, others_first, 0) == [60, 3]


def test_a_goal_held_is_not_given_up_for_the_goal_after_it() -> None:
    model = treatments()
    treated = (model.entry < 6) & (model.session == model.entry // 3)
    tested = (model.entry >= 6) & (model.entry < 12)
    assert improved(model, treated | tested, 1) == [60, 3]


def one_list_and_a_share() -> Model:
    """A list of four for six people. First the fewest of the first three left out (an auxiliary counts them), then
    the most of the others."""
    pairs = [(entry, 0) for entry in range(6)]
    found = RowList()
    for entry in range(6):
        found.add([(entry, 1)], upper=1)
    found.add([(entry, 1) for entry in range(6)], upper=4)
    found.add([*((entry, 1) for entry in range(3)), (6, 1)], lower=3)
    goals = [[0] * 6 + [1], [0] * 3 + [1] * 3 + [0]]
    rows = found.rows(7)
    return model_of(pairs, 1, rows, goals, senses=("min", "max"), auxiliaries=(3,), n_one_place=6)


def test_a_shortfall_that_is_held_stays_as_small_as_it_is() -> None:
    model = one_list_and_a_share()
    assert improved(model, np.array([True, True, True, False, False, False]), 1) == [0, 4]


def test_a_goal_by_itself_gains_and_keeps_every_row() -> None:
    model, gained = city()[2], []
    for seed in range(3):
        begun = construct(model, np.random.default_rng(seed).permutation(model.n_options))
        before = goal_values(model, complete(model, begun))[0]
        gained.append(improved(model, begun, 0)[0] - before)
    assert min(gained) >= 0
    assert max(gained) > 0


def test_a_place_kept_weighs_less_than_the_goal_and_more_than_nothing() -> None:
    model = treatments()
    chosen = construct(model)
    kept = keeping(model, own_gains(model, 0), chosen)
    has_place = np.isin(model.entry, model.entry[chosen])
    assert np.array_equal(kept[: model.n_options] > 0, has_place)
    assert np.allclose(kept[: model.n_options][has_place], 10 / KEPT)
    assert not kept[model.n_options :].any()


def test_those_left_out_are_placed_again_where_they_were_first() -> None:
    model = city()[2]
    before = construct(model)
    taken_out = before & (model.session % 2 == 0) & ~model.fixed
    after = and_the_others(model, before & ~taken_out, before)
    assert np.array_equal(after[: model.n_options].astype(bool) & before, before)
