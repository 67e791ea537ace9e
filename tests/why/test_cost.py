"""Costs from the certificate against every plan: whatever the prices, what is called proven is true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize

from allocator.answer import Certificate
from allocator.certificate import SCALE, whole_prices, with_held
from allocator.formulation import Formulation
from allocator.instance import Floats
from allocator.option_losses import may_be_better, priced_goal
from allocator.solve.loader import goal_values, merit_of
from allocator.why.cost import costs, priced_goals
from allocator.why.outranked import outranked, standings
from tests.build import make_facts
from tests.solve.tiny import Case, random_cases
from tests.why.cases import enumerated, planned

CASES = [case for case in random_cases(0, 12) if len(case.plans) >= 2]


def certificate(case: Case, prices: list[Floats], by_session: bool) -> Certificate:
    """These prices for each goal; goals before it held at the values of the best plan."""
    model = case.formulation
    n_goals = len(model.goals)
    values = planned(case).values
    whole = np.zeros((n_goals, model.n_rows + n_goals), dtype=np.int64)
    for k, row in enumerate(prices):
        whole[k, : len(row)] = whole_prices(row)
    held = np.array([[values[j] if j < k else 0 for j in range(n_goals)] for k in range(n_goals)], dtype=np.int64)
    return Certificate(SCALE, whole, held, np.ones(n_goals, dtype=bool), np.full(n_goals, by_session))


def relaxation(model: Formulation, k: int, held: list[int]) -> Floats:
    """The best prices (n_rows + k,) of goal k, larger is better, from the linear relaxation."""
    matrix, lower, upper = with_held(model, held)
    dense = matrix.toarray()
    below, above = np.isfinite(lower), np.isfinite(upper)
    goal = model.goals[k]
    sign = -1 if goal.sense == "max" else 1
    found = optimize.linprog(
        sign * goal.values,
        A_ub=np.vstack([dense[above], -dense[below]]),
        b_ub=np.concatenate([upper[above], -lower[below]]),
        bounds=np.stack([model.column_lower, model.column_upper], axis=1),
    )
    prices = np.zeros(len(lower))
    prices[above] -= found.ineqlin.marginals[: above.sum()]
    prices[below] += found.ineqlin.marginals[above.sum() :]
    return prices


@pytest.mark.parametrize("by_session", [False, True])
def test_no_plan_that_places_an_entry_costs_less_than_is_proven(by_session: bool) -> None:
    random = np.random.default_rng(7)
    proven = 0
    for case in CASES:
        model = case.formulation
        values = planned(case).values
        n_rows = model.n_rows
        guesses = [random.normal(size=n_rows + k) * random.choice([0, 0.3, 3, 30]) for k in range(len(model.goals))]
        solved = [relaxation(model, k, list(values[:k])) for k in range(len(model.goals))]
        for prices in (guesses, solved):
            run = planned(case, certificate(case, prices, by_session))
            ours = merit_of(model, values)
            options = np.flatnonzero(np.isin(model.entry, model.entry[~model.fixed]))
            entries = np.unique(model.entry[options])
            for entry, found in zip(entries, costs(run, priced_goals(run), options), strict=True):
                mine = np.flatnonzero((model.entry == entry) & ~model.fixed)
                for k, cost in enumerate(found):
                    left = [
                        merit[k]
                        for plan, merit in zip(case.plans, case.merits, strict=True)
                        if plan[mine].any() and all(m >= o for m, o in zip(merit[:k], ours[:k], strict=True))
                    ]
                    if left:
                        assert ours[k] - max(left) >= cost.proven, (cost, k)
                    proven += cost.proven > 0
                    assert cost.estimated >= 0
    assert proven >= 5, "prices must prove something, or the test is vacuous"


@pytest.mark.parametrize("by_session", [False, True])
def test_a_better_plan_has_only_options_that_may_be_better(by_session: bool) -> None:
    """From every plan there is, held to what it reaches on the goals before."""
    random = np.random.default_rng(3)
    excluded = 0
    for case in CASES:
        model = case.formulation
        for k in range(len(model.goals)):
            for start in random.permutation(len(case.plans))[:6].tolist():
                values, ours = goal_values(model, case.plans[start]), case.merits[start]
                prices = relaxation(model, k, list(values[:k])) * random.choice([0.5, 1.0, 1.0])
                goal = priced_goal(model, k, values[:k], whole_prices(prices), SCALE, by_session, values[k])
                may = may_be_better(model, goal)
                assert may[model.fixed].all()
                for plan, merit in zip(case.plans, case.merits, strict=True):
                    if merit[k] > ours[k] and all(m >= o for m, o in zip(merit[:k], ours[:k], strict=True)):
                        assert may[plan[: model.n_options] > 0].all()
                excluded += int((~may).sum())
    assert excluded > 50


def test_price_of_a_place_is_what_the_entry_without_it_would_cost() -> None:
    """One list for one: e1 waits over 104 weeks, e2 does not; a place there is worth one person of that goal."""
    patients = [{"clock_start": "2024-01-01"}, {"clock_start": "2025-12-01"}]
    case = enumerated(make_facts(patients, [{"minutes": 75, "date": "2026-03-10"}]))
    assert case is not None
    model = case.formulation
    k = [goal.label for goal in model.goals].index("longest_waits_104w")
    ones = np.flatnonzero((model.rows.matrix[:, :2].toarray() == 1).all(axis=1) & (model.rows.upper == 1))
    prices = [np.zeros(model.n_rows + j) for j in range(len(model.goals))]
    prices[k][ones[-1]] = 1.0
    run = planned(case, certificate(case, prices, by_session=False))
    assert run.unplaced() == ["e2"]
    (found,) = costs(run, priced_goals(run), run.options_of("e2"))
    assert (found[k].label, found[k].proven, found[k].estimated) == ("longest_waits_104w", 1, 1.0)
    (told,) = outranked(standings(run), run.options_of("e2"))
    assert told.sentences()[-1] == (
        "Proven: placing it makes “Longest waits given a place: over 104 weeks” worse by at least 1 person at a "
        "reporting date, unless a goal that comes before is given up."
    )
    unproven = planned(case, replace(run.certificate, proven=np.zeros(len(model.goals), dtype=bool)))
    assert costs(unproven, priced_goals(unproven), run.options_of("e2")) == [()]
