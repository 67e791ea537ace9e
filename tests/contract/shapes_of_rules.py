"""The shape of every rule: parameters, and values on its boundary."""

from __future__ import annotations

from collections.abc import Mapping

from models.rules.commitments import Commitments
from models.rules.consent import Consent
from models.rules.dates import Dates
from models.rules.equal_rates import EqualRates
from models.rules.group_equity import GroupEquity
from models.rules.in_pool import InPool
from models.rules.independent_access import IndependentAccess
from models.rules.independent_spend import IndependentSpend
from models.rules.max_travel import MaxTravel
from models.rules.needs_met import NeedsMet
from models.rules.not_declined import NotDeclined
from models.rules.one_place import OnePlace
from models.rules.one_place_at_a_time import OnePlaceAtATime
from models.rules.overnight_beds import OvernightBeds
from models.rules.overrides import Overrides
from models.rules.provider_flow import ProviderFlow
from models.rules.same_service import SameService
from models.rules.session_accepts import SessionAccepts
from models.rules.session_cases import SessionCases
from models.rules.session_minutes import SessionMinutes
from models.rules.session_opening import SessionOpening
from models.rules.site_accepts import SiteAccepts
from models.rules.test_before_treatment import TestBeforeTreatment
from tests.contract.shapes import (
    DAYS,
    HOMES,
    HOSTS,
    Shape,
    beds,
    declines,
    journeys,
    pins,
    unavailability,
)

PEOPLE = {"asa_grade": (None, 2, 3), "bmi": (None, 40, 40.1), "age_years": (None, 17, 18, 70, 71)}

SHAPES: Mapping[str, Shape] = {
    "in_pool": Shape(
        (InPool(), InPool(admit_cancer=True, deferred_priorities=("P4",))),
        {
            "clinical_priority": ("P3", "P4", "P5"),
            "pathway": ("rtt", "planned", "cancer"),
            "due_date": (None, DAYS[1], DAYS[2]),
            "home_tci_date": (None, None, DAYS[1], DAYS[2]),
        },
        {"date": DAYS[:4]},
    ),
    "same_service": Shape(
        (SameService(), SameService(pooled_codes=("100",))),
        {"service_code": ("100", "110", "X02"), "care_kind": ("theatre", "diagnostic"), "home_provider": HOMES},
        {"service_code": ("100", "110", "X02"), "care_kind": ("theatre", "diagnostic"), "site_code": HOSTS},
    ),
    "consent": Shape(
        (Consent(), Consent(offer_to_not_asked=False)),
        {"transfer_consent": (None, "yes", "no", "not_asked"), "home_provider": HOMES},
        {"site_code": HOSTS},
    ),
    "not_declined": Shape((NotDeclined(),), {"home_provider": HOMES}, {"site_code": HOSTS[:2]}, tables=declines),
    "site_accepts": Shape(
        (SiteAccepts(), SiteAccepts(unknown_fits_independent=True)),
        {**PEOPLE, "needs_hdu": (None, True, False), "overnight_stays": (None, 0, 1)},
        {"site_code": HOSTS},
        sites={
            "max_asa": (None, 2),
            "max_bmi": (None, 40),
            "min_age_years": (None, 18),
            "max_age_years": (None, 70),
            "has_hdu": (True, True, False),
            "has_overnight": (True, True, False),
        },
    ),
    "session_accepts": Shape(
        (SessionAccepts(), SessionAccepts(unknown_fits_independent=True)),
        {"age_years": PEOPLE["age_years"], "procedure_code": (None, "W371", "W381")},
        {
            "site_code": HOSTS,
            "min_age_years": (None, 18),
            "max_age_years": (None, 70),
            "accepts_procedures": (None, "W37", "W37;W381", "W3"),
        },
    ),
    "needs_met": Shape(
        (NeedsMet(),),
        {"needs": (None, "ga", "ga;robot", "robot")},
        {"site_code": HOSTS, "provides": (None, "ga", "robot")},
        sites={"provides": (None, "ga", "robot")},
    ),
    "max_travel": Shape(
        (
            MaxTravel(car_minutes=30, public_transport_minutes=31),
            MaxTravel(car_minutes=31, public_transport_minutes=29, hard_cap_minutes=30),
        ),
        {
            "home_area": ("NEAR", "FAR"),
            "max_travel_minutes": (None, 29, 30, 31),
            "travel_mode": ("car", "public_transport"),
        },
        {"site_code": HOSTS},
        tables=journeys,
    ),
    "dates": Shape(
        (
            Dates(notice_days_p3=2, notice_days_p4=3),
            Dates(notice_days_p3=3, notice_days_p4=2, unknown_assessment_fits=False),
        ),
        {
            "clinical_priority": ("P3", "P4"),
            "earliest_date": (None, DAYS[1]),
            "min_notice_days": (None, 2, 3),
            "poa_valid_until": (None, DAYS[2], DAYS[2]),
        },
        {"date": DAYS[:4], "book_by": (None, None, "2026-03-07", "2026-03-08"), "site_code": HOSTS},
        sites={"lead_days": (None, 2, 3, 4)},
        tables=unavailability,
        info={"plan_date": "2026-03-08", "horizon_start": DAYS[0], "horizon_end": DAYS[2]},
    ),
    "one_place": Shape((OnePlace(),)),
    "one_place_at_a_time": Shape(
        (OnePlaceAtATime(), OnePlaceAtATime(min_gap_days=0), OnePlaceAtATime(min_gap_days=2, unknown_stays_theatre=2)),
        {
            "patient_id": ("p1", "p1", "p1", "p2"),
            "overnight_stays": (None, 0, 0, 1, 2),
        },
        {"site_code": HOSTS[:2], "date": DAYS[:4]},
    ),
    "session_minutes": Shape(
        (SessionMinutes(), SessionMinutes(theatre_utilisation=1, safety_sds=0.5)),
        {"expected_minutes": (55, 60, 61), "minutes_sd": (None, 10, 11)},
        {
            "minutes": (60, 135, 158, 159, 212),
            "turnaround_minutes": (None, 0, 15),
            "opening_cost_gbp": (None, None, 100),
        },
    ),
    "session_cases": Shape(
        (SessionCases(),),
        {},
        {"max_cases": (None, 0, 1, 2, 3), "host_cases": (None, 1, 2), "min_cases": (None, 1)},
    ),
    "session_opening": Shape(
        (SessionOpening(),),
        {},
        {"min_cases": (None, 1, 2, 3, 4), "host_cases": (None, 0, 1), "opening_cost_gbp": (None, 50)},
    ),
    "overnight_beds": Shape(
        (OvernightBeds(), OvernightBeds(unknown_stays_theatre=3)),
        {"overnight_stays": (None, 0, 1, 2, 3), "needs_hdu": (None, True, False)},
        {"site_code": HOSTS[:2], "date": DAYS[:3]},
        tables=beds,
        info={"horizon_end": DAYS[3]},
    ),
    "provider_flow": Shape(
        (ProviderFlow(),),
        {"home_provider": HOMES},
        {"site_code": HOSTS},
        organisations={"max_outgoing": (None, 0, 1, 2), "max_incoming": (None, 0, 1, 2)},
    ),
    "independent_spend": Shape(
        (
            IndependentSpend(),
            IndependentSpend(budget_gbp=1000.10),
            IndependentSpend(budget_gbp=2000.30, default_case_gbp=1000.1),
        ),
        {"home_provider": (*HOMES, "NCC"), "tariff_gbp": (None, 1000.10, 1000.11)},
        {
            "site_code": ("RAA01", "NCC01", "NCC01"),
            "case_price_gbp": (None, None, 900),
            "opening_cost_gbp": (None, 0.1, 100.1),
        },
    ),
    "test_before_treatment": Shape(
        (TestBeforeTreatment(),),
        {
            "requires_entry_id": (None, "e1", "e2", "gone"),
            "required_done_on": (None, None, None, DAYS[1], DAYS[2]),
        },
        {"date": DAYS[:4], "result_days": (None, 0, 1, 2)},
    ),
    "commitments": Shape((Commitments(),)),
    "overrides": Shape((Overrides(),), {}, {"site_code": HOSTS[:2]}, tables=pins),
    "group_equity": Shape(
        (
            GroupEquity(),
            GroupEquity(equity_tolerance=0),
            GroupEquity(equity_tolerance=0.3, min_size=2),
        ),
        {"imd_quintile": (None, 1, 1, 5), "service_code": ("110", "110", "110", "100")},
        n_entries=5,
        n_sessions=2,
    ),
    "independent_access": Shape(
        (
            IndependentAccess(),
            IndependentAccess(equity_tolerance=0),
            IndependentAccess(equity_tolerance=0.4, min_size=2),
        ),
        {"home_provider": (*HOMES, *HOMES, "NCC"), "service_code": (*["110"] * 5, "100")},
        {"site_code": ("NCC01", "NCC01", "NCC01", "RAA01"), "service_code": ("110", "110", "100")},
        n_entries=6,
        n_sessions=2,
    ),
    "equal_rates": Shape(
        (
            EqualRates(smallest=2),
            EqualRates(tolerances=(0.25, 0.5), smallest=1),
            EqualRates(group_columns=("imd_quintile",), tolerances=(0.5,), smallest=1, within="home_provider"),
        ),
        {"imd_quintile": (None, 1, 1, 5), "home_provider": HOMES, "service_code": ("110", "110", "110", "100")},
        n_entries=5,
        n_sessions=2,
    ),
}
"""Circles of entries that require each other are drawn too: nobody in one can be placed first."""
