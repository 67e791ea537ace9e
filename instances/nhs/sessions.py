"""The sessions and beds tables: spare lists cut to half and whole days, dated, priced, with what they accept."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

from allocator.instance import Floats
from instances.nhs.capacity import HALF_DAY, WHOLE_DAY, case_minutes
from instances.nhs.figures import BANK_HOLIDAYS, figures
from instances.nhs.people import rows_by
from instances.nhs.places import Places

UTILISATION = 0.85  # for sizing minimum cases, caps and beds; the policy sets its own
CATARACTS_PER_HALF_DAY = 7
BED_NEED_OF_MEAN, BED_NEED_OF_DAY = 0.5, 0.6  # together a little above what full lists would take, so that it binds
HDU_BEDS_A_NIGHT = 0.25
NIGHTS_AFTER = 10
SUB_SHARE = 0.6
COLUMNS = (
    "session_id",
    "site_code",
    "date",
    "start_time",
    "care_kind",
    "service_code",
    "minutes",
    "turnaround_minutes",
    "host_cases",
    "max_cases",
    "min_cases",
    "opening_cost_gbp",
    "case_price_gbp",
    "accepts_procedures",
    "max_age_years",
    "provides",
    "team",
    "book_by",
    "result_days",
    "arrangement",
)
_WEEKEND = {"theatre": 0.06, "diagnostic": 0.15}


def make_sessions(
    counts: pd.DataFrame, places: Places, plan_date: dt.date, days: tuple[dt.date, dt.date], rng: np.random.Generator
) -> pd.DataFrame:
    """The sessions table, by session_id; `days` are the first and the last of the horizon."""
    frame = counts.loc[counts.index.repeat(counts["sessions"])].drop(columns="sessions").reset_index(drop=True)
    frame = frame.merge(figures().services.reset_index(), on=["care_kind", "service_code"])
    mean = frame["tariff_minute_gbp"] * frame["minutes"] + frame["tariff_night_gbp"] * frame["overnight_nights"]
    labels = figures().procedures.drop_duplicates(["care_kind", "service_code"])
    names = labels.set_index(["care_kind", "service_code"])["service"]
    frame = frame.assign(
        independent=frame["provider_code"].isin(places.independent),
        usual_tariff=frame["tariff_base_gbp"] + mean,
        service=names.reindex(pd.MultiIndex.from_frame(frame[["care_kind", "service_code"]])).to_numpy(),
        site_code=_sites(frame, places, rng),
    )
    frame = _times(frame, days, rng)
    frame = _terms(frame, rng)
    frame = frame.assign(
        provides=_subs(frame, rng),
        book_by=_book_by(frame, plan_date, rng),
        max_age_years=pd.Series(17, index=frame.index).where(frame["service_code"] == "X04").astype("Int64"),
    )
    return _named(frame)


def make_beds(
    sessions: pd.DataFrame, places: Places, days: tuple[dt.date, dt.date], rng: np.random.Generator
) -> pd.DataFrame:
    """site_code, night, bed_kind, spare_beds, for every site with beds and theatre sessions and every night."""
    first, last = days[0], days[1] + dt.timedelta(days=NIGHTS_AFTER)
    nights = [first + dt.timedelta(days=day) for day in range((last - first).days + 1)]
    staying = figures().sites.set_index("site_code")["has_overnight"]
    theatre = sessions[(sessions["care_kind"] == "theatre") & sessions["site_code"].map(staying).to_numpy(dtype=bool)]
    sites = sorted(set(theatre["site_code"]))
    need = _nightly_need(theatre, sites, first, len(nights))
    horizon = (days[1] - first).days + 1
    mean = need[:, :horizon].mean(axis=1, keepdims=True)
    ward = rng.poisson(BED_NEED_OF_MEAN * mean + BED_NEED_OF_DAY * need)
    has_hdu = figures().sites.set_index("site_code")["has_hdu"].reindex(sites).to_numpy(dtype=bool)
    hdu = rng.poisson(HDU_BEDS_A_NIGHT, need.shape) * has_hdu[:, None]
    tables = []
    for kind, spare in (("ward", ward), ("hdu", hdu)):
        site, night = np.nonzero(spare)
        tables.append(
            pd.DataFrame(
                {
                    "site_code": [sites[row] for row in site],
                    "night": [nights[column] for column in night],
                    "bed_kind": kind,
                    "spare_beds": spare[site, night],
                }
            )
        )
    return pd.concat(tables).sort_values(["site_code", "night", "bed_kind"], ignore_index=True)


def spare_cases(sessions: pd.DataFrame) -> pd.Series[float]:
    """Cases that each session can take at the usual utilisation, shape (n_sessions,)."""
    used = np.where(sessions["care_kind"] == "theatre", UTILISATION, 1.0) * sessions["minutes"]
    return pd.Series((used + sessions["turnaround_minutes"]) / case_minutes(sessions), index=sessions.index)


def _sites(frame: pd.DataFrame, places: Places, rng: np.random.Generator) -> list[str]:
    """A site of the provider, by weight; children's lists where children are cared for, heart and brain with HDU."""
    chosen = np.empty(len(frame), dtype=object)
    for (kind, service, provider), rows in rows_by(frame, ["care_kind", "service_code", "provider_code"]):
        sites = places.sites[places.sites["provider_code"] == provider]
        weights = sites[f"{kind}_weight"].to_numpy(dtype=float)
        fits = np.ones(len(sites), dtype=bool)
        if service == "X04":
            fits = sites["provides"].str.contains("paediatric").to_numpy()
        elif service in ("150", "170"):
            fits = sites["has_hdu"].to_numpy()
        weights = weights * fits if (weights * fits).sum() > 0 else weights
        chosen[rows] = rng.choice(sites["site_code"].to_numpy(), len(rows), p=weights / weights.sum())
    return list(chosen)


def _times(frame: pd.DataFrame, days: tuple[dt.date, dt.date], rng: np.random.Generator) -> pd.DataFrame:
    n = len(frame)
    open_days = [day for day in pd.date_range(*days).date if day not in BANK_HOLIDAYS]
    week = np.array([day for day in open_days if day.weekday() < 5])
    saturdays = np.array([day for day in open_days if day.weekday() == 5])
    weekend = rng.random(n) < frame["care_kind"].map(_WEEKEND)
    date = np.where(weekend, rng.choice(saturdays, n), rng.choice(week, n))
    whole_day = rng.random(n) < frame["long_share"]
    start = np.where(whole_day, "08:30", rng.choice(["08:30", "13:30"], n))
    late = rng.random(n) < 0.2
    return frame.assign(
        date=date,
        weekend=weekend,
        minutes=np.where(whole_day, WHOLE_DAY, HALF_DAY),
        start_time=start,
        team_number=rng.integers(1, 4, n),
        turnaround_minutes=frame["turnaround_minutes"] + np.where(late, 5, 0),
    )


def _terms(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    n = len(frame)
    independent, theatre = frame["independent"].to_numpy(), (frame["care_kind"] == "theatre").to_numpy()
    cases = np.floor(spare_cases(frame).to_numpy()).astype(np.int64)
    has_least = theatre & (rng.random(n) < np.where(independent, 0.6, 0.1)) & (cases >= 2)
    host = np.where(theatre & ~independent & (rng.random(n) < 0.12), rng.integers(1, 3, n), 0)
    least = np.where(has_least, np.maximum(2, np.rint(0.5 * cases)) + host, 0).astype(np.int64)
    halves = frame["minutes"].to_numpy() // HALF_DAY
    capped = np.where(frame["service_code"] == "130", CATARACTS_PER_HALF_DAY * halves, np.nan)
    capped = np.where(np.isnan(capped) & (rng.random(n) < 0.08) & (cases >= 3), cases - 1, capped)
    opening = np.where(theatre & independent, 1200 * halves, np.where(theatre & frame["weekend"], 800 * halves, 0))
    priced = theatre & independent & (rng.random(n) < 0.4)
    price = (frame["usual_tariff"] * rng.uniform(0.95, 1.15, n)).round(-1)
    return frame.assign(
        host_cases=host,
        min_cases=least,
        max_cases=pd.Series(np.fmax(capped, least)).where(~np.isnan(capped)).astype("Int64"),
        opening_cost_gbp=opening,
        case_price_gbp=price.where(priced),
        arrangement=np.where(independent & (rng.random(n) < 0.3), "subcontract", "transfer"),
        accepts_procedures=np.where(independent & (frame["service_code"] == "130"), "C71;C12", ""),
    )


def _subs(frame: pd.DataFrame, rng: np.random.Generator) -> list[str]:
    """Which sub-specialties a list takes: each with 60%, one at least."""
    procedures = figures().procedures
    procedures = procedures[procedures["sub"] != ""]
    known = {key: sorted(set(rows["sub"])) for key, rows in procedures.groupby(["care_kind", "service_code"])}
    provides = []
    for key in zip(frame["care_kind"], frame["service_code"], strict=True):
        subs = known.get(key, [])
        drawn = rng.random(len(subs)) < SUB_SHARE
        if subs and not drawn.any():
            drawn[rng.integers(len(subs))] = True
        provides.append(";".join(sub for sub, taken in zip(subs, drawn, strict=True) if taken))
    return provides


def _book_by(frame: pd.DataFrame, plan_date: dt.date, rng: np.random.Generator) -> pd.Series[Any]:
    """Some hosts want names a week or two before; never before the plan date."""
    ahead = rng.integers(5, 15, len(frame))
    wants = rng.random(len(frame)) < 0.15
    dates = [
        max(plan_date, date - dt.timedelta(days=int(days))) if yes else None
        for date, days, yes in zip(frame["date"], ahead, wants, strict=True)
    ]
    return pd.Series(dates, dtype="object")


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """session_id = site, month and day, service, and a number among equals."""
    frame = frame.sort_values(["site_code", "date", "care_kind", "service_code", "start_time"], ignore_index=True)
    number = frame.groupby(["site_code", "date", "care_kind", "service_code"]).cumcount() + 1
    day = [date.strftime("%m%d") for date in frame["date"]]
    named = frame.assign(
        session_id=frame["site_code"] + "-" + pd.Series(day) + "-" + frame["service_code"] + "-" + number.astype(str),
        team=frame["service"] + " team " + frame["team_number"].astype(str),
    )
    return named[list(COLUMNS)]


def _nightly_need(theatre: pd.DataFrame, sites: list[str], first: dt.date, nights: int) -> Floats:
    """Beds that full lists would take by site and night, shape (n_sites, n_nights)."""
    need = np.zeros((len(sites), nights))
    row_of = {site: row for row, site in enumerate(sites)}
    stays = _stays()
    cases = spare_cases(theatre)
    for site, date, service, taken in zip(
        theatre["site_code"], theatre["date"], theatre["service_code"], cases, strict=True
    ):
        start = (date - first).days
        staying = stays[service][: nights - start]
        need[row_of[site], start : start + len(staying)] += taken * staying
    return need


def _stays() -> dict[str, Floats]:
    """Share of a service's cases who still stay on night 0, 1, ... after the operation, shape (n_nights,)."""
    stays: dict[str, Floats] = {}
    for row in figures().procedures.to_dict("records"):
        after = np.clip(row["nights"] - np.arange(NIGHTS_AFTER), 0, 1)
        staying = row["share"] * (1 - row["day_case_share"]) * after
        stays[row["service_code"]] = stays.get(row["service_code"], np.zeros(NIGHTS_AFTER)) + staying
    return stays
