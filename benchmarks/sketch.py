"""The instances and the weighted policy of the first sketch, for the scale rows of the benchmark.

    instance = sketch_instance("M", seed=11)
    run = allocate(instance, sketch_policy(instance), Limits(seconds=30))

Same numbers as the sketch for the same size and seed: the same options in the same order, and the same
objective to a thousandth of a point. What had to be put differently, and why:

- A list of 480 minutes had one turnaround a case; `session_minutes` asks for none after the last. So the list
  has 465 minutes.
- One kind of bed: whoever needs high dependency care has the need `hdu` as a tag, for `needs_hdu` would take
  beds of another kind.
- A price is the tariff times the site's factor, a column of `sites` that the data contract does not have:
  `benchmarks.sketch_rules` has the goal and the budget that read it. Openings are not paid from the budget.
- Prices are rounded to pence, money in the objective down to thousandths of a point.
- Equity counts entries with an option (`equal_rates`); the sketch counted all. Within regions on XL, where the
  sketch compared everybody with everybody.
- Journeys above 90 minutes, which nobody accepts, are left out of the travel table.
- `session_minutes` adds its roundings: rows that no plan breaks and that tighten the relaxation, for everybody.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from allocator.instance import Array, Instance, InstanceInfo, Ints
from allocator.policy import Policy
from benchmarks.sketch_draws import (
    ACUTE,
    ASA,
    CHILD,
    CLINIC,
    DAYS,
    HDU,
    NIGHTS,
    SERVICES,
    TRUSTS,
    TURNAROUND,
    Entries,
    Sessions,
    Sites,
    Sketch,
    draw,
)
from benchmarks.sketch_rules import PRICE_FACTOR, SketchBudget, SketchWeighted
from models.rules.commitments import Commitments
from models.rules.dates import Dates
from models.rules.equal_rates import EqualRates
from models.rules.max_travel import MaxTravel
from models.rules.needs_met import NeedsMet
from models.rules.one_place import OnePlace
from models.rules.overnight_beds import OvernightBeds
from models.rules.provider_flow import ProviderFlow
from models.rules.same_service import SameService
from models.rules.session_minutes import SessionMinutes
from models.rules.session_opening import SessionOpening
from models.rules.site_accepts import SiteAccepts

FIRST_DAY = dt.date(2026, 3, 2)
PLAN_DATE = FIRST_DAY - dt.timedelta(days=1)
FURTHEST = 90
"""Longest journey that anybody accepts, minutes."""
BUDGET = "independent_budget_gbp"
"""Key of the assumptions under which an instance keeps its budget."""


def sketch_instance(size: str, seed: int) -> Instance:
    """The tables of one instance; `size` is S, M, L or XL."""
    drawn = draw(size, seed)
    info = InstanceInfo(
        name=f"sketch-{size}-{seed}",
        plan_date=PLAN_DATE,
        horizon_start=FIRST_DAY,
        horizon_end=FIRST_DAY + dt.timedelta(days=DAYS - 1),
        synthetic=True,
        assumptions={"size": size, "seed": seed, BUDGET: drawn.budget_gbp},
    )
    frames = {
        "organisations": organisations_table(drawn),
        "sites": sites_table(drawn),
        "patients": patients_table(drawn.entries),
        "sessions": sessions_table(drawn.sessions),
        "beds": beds_table(drawn.beds),
        "travel": travel_table(drawn.areas.minutes),
    }
    return Instance.from_frames(info, frames)


def sketch_policy(instance: Instance) -> Policy:
    """The weighted objective with hard equity, two-sided; with several regions each is a base of its own."""
    several = instance.patients["region"].nunique() > 1
    rules = (
        SameService(),
        SiteAccepts(),
        NeedsMet(),
        MaxTravel(),
        Dates(),
        OnePlace(),
        SessionMinutes(theatre_utilisation=1.0),
        SessionOpening(),
        OvernightBeds(),
        ProviderFlow(),
        SketchBudget(budget_gbp=instance.info.assumptions[BUDGET]),
        Commitments(),
        EqualRates(
            group_columns=("imd_quintile", "home_provider"),
            tolerances=(0.02, 0.06),
            smallest=20,
            within="region" if several else "",
        ),
    )
    return Policy("sketch", rules, (SketchWeighted(),))


def codes(letter: str, numbers: Array) -> list[str]:
    """Codes that sort as their numbers do."""
    return [f"{letter}{number:06d}" for number in np.asarray(numbers).tolist()]


def day(numbers: Ints) -> Array:
    """Days 0, 1, ... as dates."""
    return np.datetime64(FIRST_DAY, "s") + numbers.astype("timedelta64[D]")


def provider_codes(sites: Sites) -> list[str]:
    """The provider of every site: its trust, or for a clinic one of its own."""
    own = codes("N", np.arange(len(sites.x)))
    trusts = codes("R", np.maximum(0, sites.trust))
    return [trust if number >= 0 else clinic for number, trust, clinic in zip(sites.trust, trusts, own, strict=True)]


def organisations_table(drawn: Sketch) -> pd.DataFrame:
    """Trusts with what they agreed to send and receive, and a provider for every clinic."""
    clinics = codes("N", np.flatnonzero(drawn.sites.kind == CLINIC))
    trusts = codes("R", np.arange(len(drawn.outgoing)))
    none = np.full(len(clinics), np.nan)
    return pd.DataFrame(
        {
            "provider_code": trusts + clinics,
            "name": trusts + clinics,
            "sector": ["nhs"] * len(trusts) + ["independent"] * len(clinics),
            "max_outgoing": np.concatenate([drawn.outgoing, none]),
            "max_incoming": np.concatenate([drawn.incoming, none]),
        }
    )


def sites_table(drawn: Sketch) -> pd.DataFrame:
    """Sites with what they take; beds are limited by the table of beds alone."""
    sites = drawn.sites
    return pd.DataFrame(
        {
            "site_code": codes("H", np.arange(len(sites.x))),
            "provider_code": provider_codes(sites),
            "name": codes("H", np.arange(len(sites.x))),
            "max_asa": np.where(sites.takes & ASA, np.nan, 2),
            "min_age_years": np.where(sites.takes & CHILD, np.nan, 18),
            "has_hdu": sites.kind == ACUTE,
            "has_overnight": True,
            "provides": np.where(sites.takes & HDU, "hdu", ""),
            PRICE_FACTOR: drawn.price_factor,
        }
    )


def patients_table(entries: Entries) -> pd.DataFrame:
    """A row an entry; unknown is nothing that a rule of the policy reads."""
    n_entries = len(entries.area)
    ids = codes("E", np.arange(n_entries))
    clock_start = np.datetime64(PLAN_DATE, "s") - (7 * entries.weeks).astype("timedelta64[D]")
    due = day(entries.due)
    due[entries.priority != 2] = np.datetime64("NaT")
    return pd.DataFrame(
        {
            "entry_id": ids,
            "patient_id": ids,
            "home_provider": codes("R", entries.trust),
            "care_kind": "theatre",
            "service_code": np.array(SERVICES)[entries.service],
            "clinical_priority": np.array(["P2", "P3", "P4"])[entries.priority - 2],
            "clock_start": clock_start,
            "due_date": due,
            "expected_minutes": entries.minutes,
            "overnight_stays": entries.nights,
            "asa_grade": np.where(entries.needs & ASA, 3, 2),
            "bmi": 25,
            "age_years": np.where(entries.needs & CHILD, 10, 50),
            "needs_hdu": False,
            "needs": np.where(entries.needs & HDU, "hdu", ""),
            "home_area": codes("A", entries.area),
            "imd_quintile": entries.quintile + 1,
            "max_travel_minutes": entries.most_travel,
            "earliest_date": day(entries.earliest),
            "min_notice_days": 0,
            "transfer_consent": "yes",
            "tariff_gbp": 400 + 11.0 * entries.minutes + 350 * entries.nights,
            "region": codes("G", entries.trust // TRUSTS),
        }
    )


def sessions_table(sessions: Sessions) -> pd.DataFrame:
    """A row a list."""
    return pd.DataFrame(
        {
            "session_id": codes("S", np.arange(len(sessions.site))),
            "site_code": codes("H", sessions.site),
            "date": day(sessions.day),
            "care_kind": "theatre",
            "service_code": np.array(SERVICES)[sessions.service],
            "minutes": sessions.minutes - TURNAROUND,
            "turnaround_minutes": TURNAROUND,
            "min_cases": sessions.min_cases,
            "opening_cost_gbp": sessions.opening_gbp,
        }
    )


def beds_table(beds: Ints) -> pd.DataFrame:
    """A row a site and night."""
    site, night = np.divmod(np.arange(beds.size), NIGHTS)
    return pd.DataFrame(
        {"site_code": codes("H", site), "night": day(night), "bed_kind": "ward", "spare_beds": beds.ravel()}
    )


def travel_table(minutes: Ints) -> pd.DataFrame:
    """A row a home area and site that somebody could travel between; `minutes` (n_areas, n_sites)."""
    area, site = np.nonzero(minutes <= FURTHEST)
    return pd.DataFrame(
        {
            "home_area": codes("A", area),
            "site_code": codes("H", site),
            "travel_mode": "car",
            "minutes": minutes[area, site],
        }
    )
