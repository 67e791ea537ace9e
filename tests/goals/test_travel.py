from __future__ import annotations

from models.goals.travel import Travel
from tests.build import make_facts
from tests.goals.agreement import value_of


def test_minutes_of_every_placement_add_up() -> None:
    facts = make_facts([{}, {}], [{"site_code": "RBB01"}, {"site_code": "NCC01"}])
    assert value_of(Travel(), facts) == 0
    assert value_of(Travel(), facts, ("e1", "s1"), ("e2", "s2")) == 30 + 20


def test_booking_with_an_unknown_journey_and_a_held_entry_count_nothing() -> None:
    facts = make_facts(
        [{"home_area": "FAR"}, {"held": True}, {}],
        [{}],
        commitments=[
            {"entry_id": entry, "session_id": "s1", "state": "booked", "recorded_on": "2026-02-01"}
            for entry in ("e1", "e2", "e3")
        ],
    )
    assert value_of(Travel(), facts) == 10
