"""What a pin costs: exact on small instances, by hand; on larger models a plan is found and a bound stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from allocator.allocation import Allocation
from allocator.why import pins
from allocator.why.case import Case
from allocator.why.pins import pin_prices
from tests.build import Row, make_facts
from tests.rules.placing import booked
from tests.rules.test_overrides import override
from tests.why.cases import enumerated, planned

LONG = [{"clock_start": "2024-01-01"}, {"clock_start": "2025-12-01"}]
"""e1 waits over 104 weeks, e2 does not."""


def case_of_rows(patients: list[Row], sessions: list[Row], **tables: list[Row]) -> Case:
    tiny = enumerated(make_facts(patients, sessions, **tables))
    assert tiny is not None
    return planned(tiny)


def test_pin_that_takes_the_place_of_a_long_waiter_costs_that_one() -> None:
    case = case_of_rows(LONG, [{"minutes": 75}], overrides=[override("must", entry_id="e2", session_id="s1")])
    (price,) = pin_prices(case)
    assert (price.goal, price.least, price.exact) == ("longest_waits_104w", 1, True)
    assert price.sentence() == "It costs 1 person at a reporting date of “Longest waits given a place: over 104 weeks”."


def test_pin_that_a_booking_keeps_or_the_plan_would_choose_anyway_costs_nothing() -> None:
    kept = case_of_rows(
        LONG, [{}], overrides=[override("must", entry_id="e2", session_id="s1")], commitments=[booked("e2", "s1")]
    )
    chosen = case_of_rows(LONG, [{"minutes": 75}], overrides=[override("must", session_id="s1")])
    for case in (kept, chosen):
        (price,) = pin_prices(case)
        assert price.sentence() == "It costs nothing."


def test_what_the_plan_itself_falls_short_of_is_no_price_of_a_pin() -> None:
    case = case_of_rows(LONG, [{}, {}], overrides=[override("must", entry_id="e2", session_id="s1")])
    short = tuple(place for place in case.allocation.placements if place.entry_id == "e2")
    (price,) = pin_prices(replace(case, allocation=Allocation(short)))
    assert price.sentence() == "It costs nothing."


def test_veto_costs_the_place_that_is_lost() -> None:
    case = case_of_rows(LONG[:1], [{}], overrides=[override("never", session_id="s1")])
    (price,) = pin_prices(case)
    assert (price.goal, price.least, price.exact, price.wanted) == ("longest_waits_104w", 1, True, False)


@pytest.mark.parametrize(("action", "entry_id"), [("must", "e2"), ("never", "e1")])
def test_found_without_a_solver_is_at_least_what_a_better_plan_shows(
    action: str, entry_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "EXACT_OPTIONS", 0)
    case = case_of_rows(LONG, [{"minutes": 75}], overrides=[override(action, entry_id=entry_id, session_id="s1")])
    (price,) = pin_prices(case)
    assert (price.goal, price.least, price.exact) == ("longest_waits_104w", 1, False)
    assert (
        price.sentence()
        == "It costs at least 1 person at a reporting date of “Longest waits given a place: over 104 weeks”."
    )


def test_no_pins_no_prices() -> None:
    assert pin_prices(case_of_rows(LONG, [{}])) == []
