from __future__ import annotations

from models.rules.provider_flow import ProviderFlow
from tests.build import ORGANISATIONS, Row, make_facts
from tests.rules.placing import allows, booked, plan

AWAY = {"site_code": "RBB01"}


def agreed(code: str, **caps: int) -> list[Row]:
    """The organisations, one of them with caps."""
    return [{**row, **(caps if row["provider_code"] == code else {})} for row in ORGANISATIONS]


def test_provider_sends_as_many_as_agreed_and_not_one_more() -> None:
    facts = make_facts([{}, {}], [AWAY], organisations=agreed("RAA", max_outgoing=1))
    assert allows(ProviderFlow(), facts, "e1-s1")
    assert not allows(ProviderFlow(), facts, "e1-s1", "e2-s1")


def test_provider_receives_as_many_as_agreed_and_not_one_more() -> None:
    facts = make_facts([{}, {}], [AWAY], organisations=agreed("RBB", max_incoming=1))
    assert allows(ProviderFlow(), facts, "e1-s1")
    assert not allows(ProviderFlow(), facts, "e1-s1", "e2-s1")


def test_place_at_home_is_no_flow() -> None:
    facts = make_facts([{}, {}], [{}], organisations=agreed("RAA", max_outgoing=0, max_incoming=0))
    assert allows(ProviderFlow(), facts, "e1-s1", "e2-s1")


def test_empty_figure_is_no_cap_and_zero_moves_nobody() -> None:
    assert allows(ProviderFlow(), make_facts([{}, {}], [AWAY]), "e1-s1", "e2-s1")
    closed = make_facts([{}], [AWAY], organisations=agreed("RAA", max_outgoing=0))
    assert not allows(ProviderFlow(), closed, "e1-s1")


def test_booking_away_counts() -> None:
    facts = make_facts([{}, {}], [AWAY], organisations=agreed("RAA", max_outgoing=1), commitments=[booked("e1", "s1")])
    assert allows(ProviderFlow(), facts)
    assert not allows(ProviderFlow(), facts, "e2-s1")


def test_usage_shows_both_ways_and_leaves_out_who_moves_nobody() -> None:
    facts = make_facts([{}], [AWAY], organisations=agreed("NCC", max_incoming=5))
    rows = ProviderFlow().usage(facts, plan(facts, "e1-s1"))[["what", "used"]].values.tolist()
    assert rows == [["received by NCC", 0], ["sent by RAA", 1], ["received by RBB", 1]]
