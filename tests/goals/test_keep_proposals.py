"""Plan date 2026-02-02: s1 is 8 days away, s2 28, s3 29."""

from __future__ import annotations

import pytest

from allocator.options import Facts
from models.goals.keep_proposals import KeepProposals
from tests.build import make_facts
from tests.goals.agreement import all_pairs, columns_of, value_of

SESSIONS = [{"date": "2026-02-10"}, {"date": "2026-03-02"}, {"date": "2026-03-03"}, {"date": "2026-02-01"}]


def facts_with(*settled: tuple[str, str, str], **patient: object) -> Facts:
    commitments = [
        {"entry_id": entry, "session_id": session, "state": state, "recorded_on": "2026-02-01"}
        for entry, session, state in settled
    ]
    return make_facts([patient, {}], SESSIONS, commitments=commitments)


@pytest.mark.parametrize(("session", "weight"), [("s1", 1 + 20), ("s2", 1), ("s3", 1), ("s4", 1 + 28)])
def test_nearer_proposals_weigh_more(session: str, weight: int) -> None:
    facts = facts_with(("e1", session, "proposed"))
    assert value_of(KeepProposals(), facts) == weight
    assert value_of(KeepProposals(), facts, ("e1", session)) == 0


def test_another_session_is_a_change() -> None:
    facts = facts_with(("e1", "s1", "proposed"))
    assert value_of(KeepProposals(), facts, ("e1", "s2")) == 21
    assert value_of(KeepProposals(), facts, ("e1", "s2"), ("e1", "s1")) == 0


def test_near_days_can_be_set() -> None:
    facts = facts_with(("e1", "s1", "proposed"))
    assert value_of(KeepProposals(near_days=10), facts) == 3
    assert value_of(KeepProposals(near_days=0), facts) == 1


def test_a_proposal_whose_session_is_gone_is_left_out() -> None:
    assert value_of(KeepProposals(), facts_with(("e1", "gone", "proposed"))) == 0


def test_a_proposal_that_a_rule_no_longer_allows_counts_as_changed() -> None:
    facts = facts_with(("e1", "s1", "proposed"))
    options = all_pairs(facts)
    price = KeepProposals().price(columns_of(KeepProposals(), options.take(options.session != 0)))
    assert (price.constant, price.values.any()) == (21, False)


@pytest.mark.parametrize("state", ["cancelled", "declined", "host_refused", "treated", "booked", "offered"])
def test_what_is_no_longer_proposed_is_no_proposal(state: str) -> None:
    assert value_of(KeepProposals(), facts_with(("e1", "s1", "proposed"), ("e1", "s1", state))) == 0


def test_who_is_booked_elsewhere_or_held_has_no_proposal_to_keep() -> None:
    assert value_of(KeepProposals(), facts_with(("e1", "s1", "proposed"), ("e1", "s2", "booked"))) == 0
    assert value_of(KeepProposals(), facts_with(("e1", "s1", "proposed"), held=True)) == 0


def test_the_last_of_two_proposals_counts() -> None:
    facts = facts_with(("e1", "s1", "proposed"), ("e1", "s2", "proposed"))
    assert value_of(KeepProposals(), facts) == 1
