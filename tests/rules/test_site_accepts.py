from __future__ import annotations

from typing import Any

import pytest

from allocator.allocation import Allocation, Placement
from models.rules.site_accepts import SiteAccepts
from tests.build import SITES, make_facts
from tests.rules.agreement import kept, kept_sessions

SESSIONS = ({"site_code": "RBB01"}, {"site_code": "NCC01"})


def entries_kept(
    patients: list[dict[str, Any]], *, screen: SiteAccepts | None = None, session: str = "s2", **site: Any
) -> list[str]:
    """The entries that a site with these values keeps, at an NHS (s1) or independent (s2) host."""
    facts = make_facts(patients, SESSIONS, sites=[{**row, **site} for row in SITES])
    return sorted(entry for entry, place in kept(screen or SiteAccepts(), facts) if place == session)


@pytest.mark.parametrize("session", ["s1", "s2"])
@pytest.mark.parametrize(
    ("limit", "column", "just_in", "just_out"),
    [
        ({"max_asa": 2}, "asa_grade", 2, 3),
        ({"max_bmi": 40}, "bmi", 40, 40.1),
        ({"min_age_years": 18}, "age_years", 18, 17),
        ({"max_age_years": 80}, "age_years", 80, 81),
    ],
)
def test_equal_to_the_limit_is_taken_and_beyond_it_is_not(
    session: str, limit: dict[str, int], column: str, just_in: float, just_out: float
) -> None:
    assert entries_kept([{column: just_in}, {column: just_out}], session=session, **limit) == ["e1"]


@pytest.mark.parametrize(
    ("limit", "column"),
    [
        ({"max_asa": 2}, "asa_grade"),
        ({"max_bmi": 40}, "bmi"),
        ({"min_age_years": 18}, "age_years"),
        ({"max_age_years": 80}, "age_years"),
        ({"has_hdu": False}, "needs_hdu"),
        ({"has_overnight": False}, "overnight_stays"),
    ],
)
def test_unknown_value_fits_nhs_sites_and_independent_ones_only_by_policy(limit: dict[str, Any], column: str) -> None:
    unknown: list[dict[str, Any]] = [{column: None}]
    assert entries_kept(unknown, session="s1", **limit) == ["e1"]
    assert entries_kept(unknown, session="s2", **limit) == []
    assert entries_kept(unknown, session="s2", screen=SiteAccepts(unknown_fits_independent=True), **limit) == ["e1"]


def test_site_without_limits_takes_unknown_values() -> None:
    unknown = dict.fromkeys(("asa_grade", "bmi", "age_years", "needs_hdu", "overnight_stays"))
    assert entries_kept([unknown], has_hdu=True, has_overnight=True) == ["e1"]


@pytest.mark.parametrize("session", ["s1", "s2"])
def test_high_dependency_need_goes_only_where_there_is_a_unit(session: str) -> None:
    patients = [{"needs_hdu": True}, {"needs_hdu": False}]
    assert entries_kept(patients, session=session, has_hdu=True) == ["e1", "e2"]
    assert entries_kept(patients, session=session, has_hdu=False) == ["e2"]


@pytest.mark.parametrize("session", ["s1", "s2"])
def test_overnight_stay_goes_only_where_people_can_stay(session: str) -> None:
    patients = [{"overnight_stays": 1}, {"overnight_stays": 0}]
    assert entries_kept(patients, session=session, has_overnight=True) == ["e1", "e2"]
    assert entries_kept(patients, session=session, has_overnight=False) == ["e2"]


def test_policy_that_trusts_unknown_values_still_refuses_known_ones() -> None:
    assert entries_kept([{"bmi": 41}], screen=SiteAccepts(unknown_fits_independent=True), max_bmi=40) == []


def test_check_names_every_obstacle_with_its_numbers() -> None:
    sites = [{**row, "max_asa": 2, "max_bmi": 40, "min_age_years": 18} for row in SITES]
    facts = make_facts([{"asa_grade": 3, "bmi": None, "age_years": 9}], SESSIONS, sites=sites)
    (violation,) = SiteAccepts().check(facts, Allocation.of([Placement("e1", "s2")]))
    assert violation.message == (
        "Gamma Clinic does not take the patient: ASA grade 3 is above its limit of 2; "
        "BMI is not known and the site has a limit for it; age 9 is below its limit of 18"
    )


def test_reason_shows_the_site_that_comes_nearest() -> None:
    sites = [{**row, "max_asa": 2, "max_bmi": 40} for row in SITES]
    facts = make_facts([{"asa_grade": 3, "overnight_stays": 2}, {}], SESSIONS, sites=sites)
    assert kept_sessions(SiteAccepts(), facts) == []
    assert SiteAccepts().reason(facts, "e1") == (
        "Both sessions of this service are at a site that does not take this patient. "
        "Beta General: ASA grade 3 is above its limit of 2."
    )
    assert SiteAccepts().reason(facts, "e2").startswith("No session of this service")
