"""The spare capacity of a generated instance: sessions and beds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from instances.generate_parameters import (
    ACUTE,
    CLINIC,
    DAY_CASE_SERVICES,
    HORIZON_START,
    PAEDIATRIC,
    POOLED_CODE,
    TESTS,
    THEATRE_SERVICES,
    TURNAROUND_MINUTES,
    WORKING_DAYS,
    Parameters,
)
from instances.generate_places import CASE_MINUTES, SERVICE_CODES, SERVICE_SHARES, Sites, working_date

BED_NIGHTS = 7 * WORKING_DAYS // 5 + 3


def draw_sessions(
    rng: np.random.Generator, sites: Sites, n_sessions: int, regions: int, parameters: Parameters
) -> pd.DataFrame:
    """Sessions in table columns, and `site`, `service`, `day`, `provider`, `cases` as numbers.

    `service` is the row of THEATRE_SERVICES, or -1 for a test.
    """
    n_tests = round(parameters.diagnostic * n_sessions)
    theatre = _theatre_sessions(rng, sites, n_sessions - n_tests, regions, parameters)
    sessions = pd.concat([theatre, _test_sessions(rng, sites, n_tests)], ignore_index=True)
    n = len(sessions)
    date = working_date(sessions["day"].to_numpy())
    closes = rng.random(n) < parameters.book_by
    starts = np.where(rng.random(n) < 0.5, "08:30", "13:30")
    clinic = sites.kind[sessions["site"]] == CLINIC
    return sessions.assign(
        session_id=[f"L{number + 1:05d}" for number in range(n)],
        site_code=sites.codes[sessions["site"]],
        provider=sites.provider[sessions["site"]],
        date=date,
        start_time=np.where(sessions["minutes"] > 240, "08:30", starts),
        book_by=np.where(closes, date - rng.choice([3, 5, 10], n), np.datetime64("NaT")),
        arrangement=np.where(clinic, "subcontract", "transfer"),
        team=[f"Team {number}" for number in rng.integers(1, 9, n)],
    )


def _theatre_sessions(
    rng: np.random.Generator, sites: Sites, n_sessions: int, regions: int, parameters: Parameters
) -> pd.DataFrame:
    region = np.sort(np.arange(n_sessions) % regions)
    weight = sites.offers * SERVICE_SHARES * np.array([0.8, 1.3, 1.0])[sites.kind][:, None]
    drawn = []
    for number in range(regions):
        here = weight * (sites.region == number)[:, None]
        drawn.append(rng.choice(weight.size, int((region == number).sum()), p=(here / here.sum()).ravel()))
    site, service = np.divmod(np.concatenate(drawn), weight.shape[1])
    n = n_sessions
    minutes = np.where(rng.random(n) < 0.65, 480, 240)
    clinic = sites.kind[site] == CLINIC
    opens = rng.random(n) < np.where(clinic, 0.6, 0.25)
    cases = minutes / CASE_MINUTES[service]
    price = np.rint(rng.uniform(1.05, 1.35, n) * (400 + 11 * (CASE_MINUTES[service] - TURNAROUND_MINUTES)))
    special = rng.random(n) < parameters.special_lists
    first_procedure = np.array([item.procedures[0].code for item in THEATRE_SERVICES])[service]
    code = SERVICE_CODES[service]
    pooled = rng.permutation(n) < (max(2, round(parameters.pooled * n)) if parameters.pooled else 0)
    return pd.DataFrame(
        {
            "site": site,
            "service": service,
            "day": rng.integers(0, WORKING_DAYS, n),
            "cases": cases,
            "care_kind": "theatre",
            "service_code": np.where(pooled, POOLED_CODE, code),
            "minutes": minutes,
            "turnaround_minutes": TURNAROUND_MINUTES,
            "host_cases": np.where(rng.random(n) < parameters.host_cases, rng.integers(1, 3, n), 0),
            "max_cases": np.where(rng.random(n) < parameters.case_limit, np.ceil(0.8 * cases), np.nan),
            "min_cases": np.where(opens, np.maximum(1, np.floor(0.55 * cases)), 0).astype(np.int64),
            "opening_cost_gbp": np.where(opens, np.where(clinic, 1500, 800), 0),
            "case_price_gbp": np.where(clinic & (rng.random(n) < 0.2), price, np.nan),
            "accepts_procedures": np.where(special & ~pooled & (code != PAEDIATRIC), first_procedure, ""),
            "min_age_years": np.where(special & (code != PAEDIATRIC), 18.0, np.nan),
            "max_age_years": np.where(code == PAEDIATRIC, 17.0, np.where(special, 90.0, np.nan)),
            "provides": np.where((code == "110") & (np.arange(n) % 3 == 0), "sub:hand", ""),
            "result_days": 0,
        }
    )


def _test_sessions(rng: np.random.Generator, sites: Sites, n: int) -> pd.DataFrame:
    test = np.arange(n) % len(TESTS)
    codes, minutes, results = zip(*TESTS, strict=True)
    site = rng.choice(np.flatnonzero(sites.kind != CLINIC), n)
    return pd.DataFrame(
        {
            "site": site,
            "service": np.full(n, -1),
            "day": rng.integers(0, WORKING_DAYS // 2, n),
            "cases": 240 / (np.array(minutes)[test] + 5),
            "care_kind": "diagnostic",
            "service_code": np.array(codes)[test],
            "minutes": 240,
            "turnaround_minutes": 5,
            "host_cases": 0,
            "min_cases": 0,
            "opening_cost_gbp": 0,
            "accepts_procedures": "",
            "provides": "",
            "result_days": np.array(results)[test],
        }
    )


def beds_table(rng: np.random.Generator, sites: Sites, sessions: pd.DataFrame) -> pd.DataFrame:
    """Spare beds every night, from the stays that the sessions of a site would cause."""
    theatre = sessions[sessions["service"] >= 0]
    quiet = np.isin(SERVICE_CODES[theatre["service"]], DAY_CASE_SERVICES)
    night = (theatre["date"].to_numpy() - np.datetime64(HORIZON_START)) // np.timedelta64(1, "D")
    new = np.zeros((len(sites.kind), BED_NIGHTS))
    np.add.at(new, (theatre["site"].to_numpy(), night), theatre["cases"] * np.where(quiet, 0.01, 0.32))
    wanted = new.copy()
    wanted[:, 1:] += 0.5 * new[:, :-1]
    wanted[:, 2:] += 0.2 * new[:, :-2]
    spare = np.ceil(wanted * rng.uniform(0.6, 1.3, (len(new), 1))).astype(np.int64)
    kinds = {"ward": (spare, sites.overnight), "hdu": ((spare + 3) // 4, sites.kind == ACUTE)}
    tables = []
    for kind, (beds, has) in kinds.items():
        site, night = np.nonzero(np.broadcast_to(has[:, None], beds.shape))
        dates = np.datetime64(HORIZON_START) + night
        columns = {"site_code": sites.codes[site], "night": dates, "bed_kind": kind, "spare_beds": beds[site, night]}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)
