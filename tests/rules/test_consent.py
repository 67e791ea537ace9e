from __future__ import annotations

import pytest

from allocator.allocation import Allocation, Placement
from models.rules.consent import Consent
from tests.build import SITES, make_facts
from tests.rules.agreement import kept_sessions

SESSIONS = ({}, {"site_code": "RBB01"}, {"site_code": "NCC01"})
EVERYWHERE = ["s1", "s2", "s3"]


@pytest.mark.parametrize(
    ("answer", "offering", "asking_first"),
    [
        ("yes", EVERYWHERE, EVERYWHERE),
        ("not_asked", EVERYWHERE, ["s1"]),
        ("", EVERYWHERE, ["s1"]),
        ("no", ["s1"], ["s1"]),
    ],
)
def test_away_from_home_depends_on_the_answer_and_the_policy(
    answer: str, offering: list[str], asking_first: list[str]
) -> None:
    facts = make_facts([{"transfer_consent": answer}], SESSIONS)
    assert kept_sessions(Consent(), facts) == offering
    assert kept_sessions(Consent(offer_to_not_asked=False), facts) == asking_first


def test_another_site_of_the_home_provider_is_at_home() -> None:
    sites = [*SITES, {**SITES[0], "site_code": "RAA02", "name": "Alpha Cottage"}]
    facts = make_facts([{"transfer_consent": "no"}], [*SESSIONS, {"site_code": "RAA02"}], sites=sites)
    assert kept_sessions(Consent(), facts) == ["s1", "s4"]


def test_check_gives_the_host_and_the_answer() -> None:
    facts = make_facts([{"transfer_consent": "no"}, {"transfer_consent": ""}], SESSIONS)
    plan = Allocation.of([Placement("e1", "s3"), Placement("e2", "s2")])
    assert [item.message for item in Consent(offer_to_not_asked=False).check(facts, plan)] == [
        "placed away from home at NCC; consent to a transfer: no",
        "placed away from home at RBB; consent to a transfer: not known",
    ]


def test_reason_says_what_the_patient_said_and_counts_sessions_away_from_home() -> None:
    facts = make_facts([{"transfer_consent": "no"}, {"transfer_consent": "no"}], SESSIONS[1:])
    assert Consent().reason(facts, "e1") == (
        "Both sessions of this service are away from the home provider RAA; the patient said no to a transfer."
    )
    facts = make_facts([{"transfer_consent": "not_asked"}, {"service_code": "999"}], SESSIONS)
    assert Consent().reason(facts, "e1") == (
        "2 of the 3 sessions of this service are away from the home provider RAA; "
        "the patient was not asked about a transfer."
    )
    assert Consent().reason(facts, "e2") == "There is no session of this service."
