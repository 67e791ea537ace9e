from __future__ import annotations

import math

import pytest

from models.rules.independent_spend import IndependentSpend
from tests.build import make_facts
from tests.rules.placing import allows, booked, plan

CLINIC = {"site_code": "NCC01"}


@pytest.mark.parametrize(("budget", "allowed"), [(2000.19, False), (2000.20, True)])
def test_two_tariffs_of_1000_10_need_2000_20(budget: float, allowed: bool) -> None:
    facts = make_facts([{"tariff_gbp": 1000.10}] * 2, [CLINIC])
    assert allows(IndependentSpend(budget_gbp=budget), facts, "e1-s1", "e2-s1") is allowed


def test_price_is_the_sessions_else_the_tariff_else_the_default() -> None:
    session_price = make_facts([{"tariff_gbp": 900}], [{**CLINIC, "case_price_gbp": 800}])
    tariff = make_facts([{"tariff_gbp": 900}], [CLINIC])
    neither = make_facts([{"tariff_gbp": None}], [CLINIC])
    for facts, price in ((session_price, 800), (tariff, 900), (neither, 700)):
        assert allows(IndependentSpend(budget_gbp=price, default_case_gbp=700), facts, "e1-s1")
        assert not allows(IndependentSpend(budget_gbp=price - 0.01, default_case_gbp=700), facts, "e1-s1")


@pytest.mark.parametrize(("budget", "allowed"), [(1249.99, False), (1250, True)])
def test_opening_of_an_independent_session_is_paid_once(budget: float, allowed: bool) -> None:
    facts = make_facts([{"tariff_gbp": 500}] * 2, [{**CLINIC, "opening_cost_gbp": 250}])
    assert allows(IndependentSpend(budget_gbp=budget), facts, "e1-s1", "e2-s1") is allowed


def test_nhs_places_and_places_at_home_cost_nothing_here() -> None:
    patients = [{}, {"home_provider": "NCC"}]
    facts = make_facts(patients, [{"site_code": "RBB01", "opening_cost_gbp": 100}, CLINIC])
    assert allows(IndependentSpend(budget_gbp=0), facts, "e1-s1", "e2-s2")


def test_booking_counts_and_one_over_budget_stays() -> None:
    facts = make_facts([{}, {}], [{**CLINIC, "opening_cost_gbp": 5}], commitments=[booked("e1", "s1")])
    assert allows(IndependentSpend(budget_gbp=900), facts)
    assert not allows(IndependentSpend(budget_gbp=2004.99), facts, "e2-s1")
    assert allows(IndependentSpend(budget_gbp=2005), facts, "e2-s1")


def test_no_budget_is_no_cap() -> None:
    facts = make_facts([{"tariff_gbp": 1_000_000}], [CLINIC])
    assert allows(IndependentSpend(), facts, "e1-s1")
    (usage,) = IndependentSpend().usage(facts, plan(facts, "e1-s1")).itertuples(index=False)
    assert (usage.used, usage.unit) == (1_000_000, "GBP")
    assert math.isnan(usage.limit)
