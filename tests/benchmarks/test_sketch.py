"""The sketch's instances: the same numbers, options and objective as the sketch, and rules by hand."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from allocator.allocation import Allocation, Placement
from allocator.backends.problem import Budget
from allocator.formulation import Formulation, formulate
from allocator.instance import Instance
from allocator.options import Facts, build_options
from allocator.policy import Policy
from benchmarks.peers import solve_whole, started_worker
from benchmarks.sketch import BUDGET, sketch_instance, sketch_policy
from benchmarks.sketch_draws import SIZES, TURNAROUND, Sketch, draw
from benchmarks.sketch_rules import PRICE_FACTOR, SketchBudget, SketchWeighted, case_pence_of
from models.rules.equal_rates import EqualRates


@cache
def small() -> tuple[Sketch, Instance, Policy, Formulation]:
    """S, seed 1."""
    instance = sketch_instance("S", 1)
    policy = sketch_policy(instance)
    return draw("S", 1), instance, policy, formulate(build_options(Facts(instance), policy.screens), policy)


@pytest.mark.parametrize(
    ("size", "seed", "options"), [("S", 1, 1_036), ("M", 1, 101_442), ("M", 11, 99_896), ("M", 12, 96_653)]
)
def test_as_many_options_as_the_sketch_has(size: str, seed: int, options: int) -> None:
    instance = sketch_instance(size, seed)
    entries, sessions, _ = SIZES[size]
    assert (len(instance.patients), len(instance.sessions)) == (entries, sessions)
    assert len(build_options(Facts(instance), sketch_policy(instance).screens)) == options


def test_options_are_those_of_the_sketch_in_its_order() -> None:
    """By the sketch's own sentence: the service, not before the earliest day, near enough, and takes the patient."""
    drawn, _, _, formulation = small()
    entries, sessions, sites = drawn.entries, drawn.sessions, drawn.sites
    wanted = [
        (entry, session)
        for entry in range(len(entries.area))
        for session in range(len(sessions.site))
        if sessions.service[session] == entries.service[entry]
        and sessions.day[session] >= entries.earliest[entry]
        and drawn.areas.minutes[entries.area[entry], sessions.site[session]] <= entries.most_travel[entry]
        and not entries.needs[entry] & ~sites.takes[sessions.site[session]]
    ]
    assert list(zip(formulation.entry.tolist(), formulation.session.tolist(), strict=True)) == wanted


def test_objective_is_the_sketchs_to_a_thousandth_of_a_point() -> None:
    drawn, _, _, formulation = small()
    entries, sessions = drawn.entries, drawn.sessions
    for column, (entry, session) in enumerate(zip(formulation.entry, formulation.session, strict=True)):
        weeks, site = entries.weeks[entry], sessions.site[session]
        band = 1000 if weeks >= 104 else 300 if weeks >= 78 else 100 if weeks >= 65 else 30
        tariff = 400 + 11 * entries.minutes[entry] + 350 * entries.nights[entry]
        points = band + 0.5 * weeks - 0.2 * drawn.areas.minutes[entries.area[entry], site]
        points -= 0.005 * tariff * drawn.price_factor[site]
        if entries.priority[entry] == 2 and sessions.day[session] <= entries.due[entry]:
            points += 2000
        assert abs(formulation.goals[0].values[column] - 1000 * points) < 1.0


def test_openings_cost_what_the_sketch_takes_for_them() -> None:
    drawn, _, _, formulation = small()
    costs = formulation.goals[0].values[formulation.n_options :]
    assert costs.tolist() == (-5 * drawn.sessions.opening_gbp[formulation.opening_session]).tolist()
    assert set(costs.tolist()) == {-4_000, -7_500}


def test_minutes_of_a_list_hold_one_turnaround_a_case() -> None:
    """Two cases of 105 minutes fill a list of 240: 105 + 15 twice."""
    drawn, instance, _, _ = small()
    assert instance.column("sessions", "minutes").tolist() == (drawn.sessions.minutes - TURNAROUND).tolist()
    assert set(instance.column("sessions", "turnaround_minutes").tolist()) == {TURNAROUND}


def test_optimum_of_a_small_one_stays_what_three_solvers_found() -> None:
    instance = sketch_instance("S", 11)
    policy = sketch_policy(instance)
    formulation = formulate(build_options(Facts(instance), policy.screens), policy)
    with started_worker("highs") as worker:
        answer = solve_whole(formulation, "highs", Budget(60.0), worker)
    assert answer.columns is not None
    assert (formulation.goals[0].value(answer.columns), answer.bound) == (62_427_246, 62_427_246)


def test_same_seed_gives_the_same_instance_and_another_another() -> None:
    assert sketch_instance("S", 1).fingerprint == small()[1].fingerprint
    assert sketch_instance("S", 2).fingerprint != small()[1].fingerprint


def equity(instance: Instance) -> EqualRates:
    (found,) = (rule for rule in sketch_policy(instance).rules if isinstance(rule, EqualRates))
    return found


def test_equity_is_within_regions_where_there_are_several() -> None:
    _, instance, _, _ = small()
    assert equity(instance).within == ""
    patients = instance.patients
    two = patients.assign(region=np.where(np.arange(len(patients)) < 100, "G000000", "G000001"))
    assert equity(instance.replacing(patients=two)).within == "region"


def test_regions_stand_apart_and_everybody_is_at_home_in_their_own() -> None:
    drawn = draw("XL", 1)
    assert len(drawn.entries.area) == 300_000
    assert np.array_equal(drawn.areas.region[drawn.entries.area], drawn.entries.trust // 12)
    assert [np.sum(drawn.sites.region[drawn.sessions.site] == region) for region in range(10)] == [2_500] * 10


def test_budget_at_the_last_penny_is_kept_and_one_less_is_not() -> None:
    """The price is the tariff times the factor of the site; the opening of the session is not paid."""
    _, instance, _, formulation = small()
    facts = Facts(instance)
    paid = np.flatnonzero(instance.session_independent[formulation.session])[0]
    entry_id = instance.column("patients", "entry_id")[formulation.entry[paid]]
    session_id = instance.column("sessions", "session_id")[formulation.session[paid]]
    patient, session = instance.patient[entry_id], instance.session[session_id]
    factor = instance.site[session["site_code"]][PRICE_FACTOR]
    pence = case_pence_of(facts, patient, session)
    assert pence == round(patient["tariff_gbp"] * factor * 100) > patient["tariff_gbp"] * 100
    plan = Allocation.of([Placement(entry_id, session_id)])
    z = np.zeros(formulation.n_columns, dtype=np.int64)
    z[paid] = 1
    for budget, kept in ((pence / 100, True), ((pence - 1) / 100, False)):
        rule = SketchBudget(budget_gbp=budget)
        assert (rule.check(facts, plan) == []) == kept
        rows = rule.rows(formulation.columns)
        assert bool((rows.activity(z) <= rows.upper).all()) == kept


def test_score_of_a_plan_is_its_price() -> None:
    _, instance, _, formulation = small()
    facts = Facts(instance)
    goal = SketchWeighted()
    for options in ([0, 40, 300], list(range(0, 1_000, 97))):
        z = np.zeros(formulation.n_columns, dtype=np.int64)
        z[options] = 1
        opened = formulation.opening_column[formulation.session[options]]
        z[opened[opened >= 0]] = 1
        chosen = z[: formulation.n_options].astype(np.bool_)
        plan = Allocation.from_options(formulation.options, chosen)
        assert goal.score(facts, plan) == formulation.goals[0].value(z)


def test_instance_keeps_its_budget() -> None:
    drawn, instance, policy, _ = small()
    (rule,) = (rule for rule in policy.rules if isinstance(rule, SketchBudget))
    assert rule.budget_gbp == instance.info.assumptions[BUDGET] == drawn.budget_gbp > 0
