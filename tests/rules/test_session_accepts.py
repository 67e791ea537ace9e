from __future__ import annotations

import pytest

from allocator.allocation import Allocation, Placement
from models.rules.session_accepts import SessionAccepts
from tests.build import make_facts
from tests.rules.agreement import kept, kept_sessions


def test_age_equal_to_the_limits_is_taken_and_beyond_them_is_not() -> None:
    ages = [{"age_years": age} for age in (15, 16, 70, 71)]
    facts = make_facts(ages, [{"min_age_years": 16, "max_age_years": 70}, {}])
    assert {entry for entry, session in kept(SessionAccepts(), facts) if session == "s1"} == {"e2", "e3"}
    assert {entry for entry, session in kept(SessionAccepts(), facts) if session == "s2"} == {"e1", "e2", "e3", "e4"}


@pytest.mark.parametrize(
    ("accepts", "expected"),
    [
        ("W37", ["e1", "e2"]),
        ("W371", ["e1", "e2"]),
        ("W372", []),
        ("W37.1", ["e1", "e2"]),
        ("w37;C75", ["e1", "e2", "e3"]),
        (" C75 ; ", ["e3"]),
        ("", ["e1", "e2", "e3"]),
        (";", ["e1", "e2", "e3"]),
    ],
)
def test_procedure_is_taken_where_it_begins_with_a_prefix(accepts: str, expected: list[str]) -> None:
    patients = [{"procedure_code": code} for code in ("W371", "W37.1", "C751")]
    facts = make_facts(patients, [{"accepts_procedures": accepts}])
    assert sorted(entry for entry, _ in kept(SessionAccepts(), facts)) == expected


def test_prefix_longer_than_the_procedure_does_not_fit() -> None:
    facts = make_facts([{"procedure_code": "W37"}], [{"accepts_procedures": "W371"}])
    assert kept_sessions(SessionAccepts(), facts) == []


def test_unknown_age_or_procedure_fits_nhs_sessions_and_independent_ones_only_by_policy() -> None:
    wanted = {"min_age_years": 16, "accepts_procedures": "W37"}
    sessions = [wanted, {**wanted, "site_code": "NCC01"}, {"site_code": "NCC01"}]
    patients = [{"procedure_code": ""}, {"procedure_code": "W371", "age_years": None}]
    facts = make_facts(patients, sessions)
    for entry_id in ("e1", "e2"):
        assert kept_sessions(SessionAccepts(), facts, entry_id) == ["s1", "s3"]
        assert kept_sessions(SessionAccepts(unknown_fits_independent=True), facts, entry_id) == ["s1", "s2", "s3"]


def test_check_and_reason_give_the_values_and_the_limits() -> None:
    sessions = [{"max_age_years": 15, "accepts_procedures": "C75"}, {"max_age_years": 49}, {}]
    facts = make_facts([{"procedure_code": "W371"}], sessions)
    (violation,) = SessionAccepts().check(facts, Allocation.of([Placement("e1", "s1")]))
    assert violation.message == (
        "s1 does not take the patient: age 50 is above its limit of 15; "
        "procedure W371 is not among those it takes (C75)"
    )
    assert SessionAccepts().reason(facts, "e1") == (
        "2 of the 3 sessions of this service do not take this patient. s2: age 50 is above its limit of 49."
    )
