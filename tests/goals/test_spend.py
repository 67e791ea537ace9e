from __future__ import annotations

import pytest

from models.goals.spend import Spend
from tests.build import Row, make_facts
from tests.goals.agreement import all_pairs, columns_of, value_of


@pytest.mark.parametrize(
    ("patient", "session", "pence"),
    [
        ({"tariff_gbp": 1000}, {"case_price_gbp": 1234.56}, 123456),
        ({"tariff_gbp": 1000.01}, {}, 100001),
        ({"tariff_gbp": 1000}, {"case_price_gbp": 0}, 0),
        ({"tariff_gbp": None}, {}, 25050),
        ({"tariff_gbp": 19.99}, {}, 1999),
    ],
)
def test_price_of_the_session_then_tariff_then_default(patient: Row, session: Row, pence: int) -> None:
    facts = make_facts([patient], [session])
    assert value_of(Spend(default_case_gbp=250.5), facts, ("e1", "s1")) == pence
    assert value_of(Spend(default_case_gbp=250.5), facts) == 0


def test_opening_is_paid_once_where_anybody_is_placed() -> None:
    facts = make_facts([{"tariff_gbp": 1}, {"tariff_gbp": 2}], [{"opening_cost_gbp": 500}, {}])
    assert value_of(Spend(), facts) == 0
    assert value_of(Spend(), facts, ("e1", "s1")) == 50_100
    assert value_of(Spend(), facts, ("e1", "s1"), ("e2", "s1")) == 50_300
    assert value_of(Spend(), facts, ("e1", "s2"), ("e2", "s2")) == 300


def test_minimum_cases_alone_cost_no_opening() -> None:
    facts = make_facts([{"tariff_gbp": 1}], [{"min_cases": 1}])
    assert value_of(Spend(), facts, ("e1", "s1")) == 100


def test_bookings_cost_and_what_is_reserved_costs_only_its_opening() -> None:
    booked = [{"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": "2026-02-01"}]
    patient = {"tariff_gbp": 3}
    facts = make_facts([patient], [{"opening_cost_gbp": 5}], commitments=booked)
    assert value_of(Spend(), facts) == 800
    facts = make_facts([{**patient, "held": True}], [{"opening_cost_gbp": 5}], commitments=booked)
    assert value_of(Spend(), facts) == 500


def test_nobody_is_placed_in_a_session_that_is_not_opened() -> None:
    facts = make_facts([{}, {}], [{"opening_cost_gbp": 5}, {}])
    columns = columns_of(Spend(), all_pairs(facts))  # e1 s1, e1 s2, e2 s1, e2 s2, opening of s1
    rows = Spend().rows(columns)
    assert rows.matrix.toarray().tolist() == [[1, 0, 1, 0, -2]]
    assert rows.upper.tolist() == [0]
