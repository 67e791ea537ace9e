"""Who the entries are: synthetic people, drawn from the cited figures (`instances.nhs.figures`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from allocator.instance import Array, Bools, Floats, Ints
from instances.nhs import figures as fig
from instances.nhs.deprivation import area_weights
from instances.nhs.figures import figures
from instances.nhs.places import Places

YEAR_DAYS = 364  # "over 52 weeks"


def draw_people(
    entries: pd.DataFrame, places: Places, plan_date: dt.date, horizon_end: dt.date, rng: np.random.Generator
) -> pd.DataFrame:
    """The patients table of the data contract, less what links entries to each other."""
    frame = entries.merge(figures().services.reset_index(), on=["care_kind", "service_code"], how="left")
    frame = _operations(frame, rng)
    frame = _bodies(frame, rng)
    frame = _homes(frame, places, rng)
    frame = _wishes(frame, places, plan_date, horizon_end, rng)
    return _priorities(frame, plan_date, rng)


def pick(rng: np.random.Generator, shares: Mapping[Any, float], size: int) -> Array:
    """`size` draws of the keys of `shares`."""
    keys = np.array(list(shares), dtype=object)
    return keys[rng.choice(len(keys), size, p=np.array(list(shares.values())))]


def rows_by(frame: pd.DataFrame, names: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], Ints]]:
    """(values, row positions) of every group of rows with equal values in the columns `names`, in order."""
    keys = pd.MultiIndex.from_frame(frame[list(names)])
    codes, values = pd.factorize(keys, sort=True)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(values) + 1))
    for number, value in enumerate(values):
        yield tuple(value), order[bounds[number] : bounds[number + 1]]


def _operations(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    procedures = figures().procedures
    chosen = np.zeros(len(frame), dtype=np.int64)
    for (kind, service), rows in rows_by(frame, ["care_kind", "service_code"]):
        fitting = procedures[(procedures["care_kind"] == kind) & (procedures["service_code"] == service)]
        chosen[rows] = rng.choice(fitting.index.to_numpy(), len(rows), p=fitting["share"].to_numpy())
    done = procedures.loc[chosen].reset_index(drop=True)
    sigma = np.sqrt(np.log1p(fig.EXPECTED_CV**2))
    exact = done["minutes"].to_numpy() * rng.lognormal(-(sigma**2) / 2, sigma, len(frame))
    minutes = np.maximum(10, 5 * np.rint(exact / 5)).astype(np.int64)
    overnight = rng.random(len(frame)) >= done["day_case_share"].to_numpy()
    nights = np.where(overnight, 1 + rng.poisson(done["nights"] - 1), 0)
    side = np.where(done["sides"], rng.choice(["left", "right"], len(frame)), "")
    tariff = frame["tariff_base_gbp"] + frame["tariff_minute_gbp"] * minutes + frame["tariff_night_gbp"] * nights
    return frame.assign(
        procedure_code=done["procedure_code"],
        laterality=side,
        sub=done["sub"],
        expected_minutes=minutes,
        minutes_sd=(fig.MINUTES_CV * minutes).round(1),
        overnight_stays=nights,
        tariff_gbp=(tariff / 10).round().astype(int) * 10,
        pathway=np.where(frame["care_kind"] == "theatre", "rtt", "dm01"),
    )


def _bodies(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    n = len(frame)
    child = _children(frame, rng)
    adult_age = _normal(rng, frame["age_mean"].clip(lower=40), frame["age_sd"], 18, 97)
    age = np.where(child, _normal(rng, np.full(n, 8.0), np.full(n, 4.0), 1, 17), adult_age)
    asa = _asa(age, rng)
    bmi = np.where(
        child,
        _normal(rng, np.full(n, 18.0), np.full(n, 3.0), 12, 34),
        _normal(rng, np.full(n, 28.3), np.full(n, 5.6), 17, 58),
    )
    hdu = rng.random(n) < np.minimum(0.95, frame["hdu_share"] * np.where(asa >= 3, 2.0, 0.7))
    unknown_share = frame["care_kind"].map(fig.UNKNOWN_SHARE).to_numpy()
    asa_known, bmi_known, hdu_known = (rng.random(n) >= unknown_share for _ in range(3))
    return frame.assign(
        age_years=age.astype(np.int64),
        asa_grade=pd.Series(asa).where(asa_known).astype("Int64"),
        bmi=pd.Series(bmi.round(1)).where(bmi_known),
        needs_hdu=pd.Series(hdu, dtype="boolean").where(hdu_known),
        own_needs=_join(
            [pick(rng, fig.LANGUAGES, n), np.where(rng.random(n) < fig.LEARNING_DISABILITY_SHARE, "ld", "")]
        ),
        care_needs=_join([frame["sub"].to_numpy(), np.where(rng.random(n) < frame["ga_share"], "ga", "")]),
    )


def _children(frame: pd.DataFrame, rng: np.random.Generator) -> Bools:
    """Everyone at a children's hospital; elsewhere the service's share, and none at independents' sites."""
    drawn = rng.random(len(frame)) < frame["child_share"]
    childrens = frame["home_provider"].isin(fig.CHILDRENS_TRUSTS)
    trusts = frame["home_provider"].str.startswith("R")
    return (childrens | (drawn & trusts)).to_numpy()


def _normal(rng: np.random.Generator, mean: Any, sd: Any, low: float, high: float) -> Floats:
    drawn = rng.normal(mean, sd)
    for _ in range(8):
        outside = (drawn < low) | (drawn > high)
        drawn = np.where(outside, rng.normal(mean, sd), drawn)
    kept: Floats = np.clip(drawn, low, high)
    return kept


def _asa(age: Floats, rng: np.random.Generator) -> Ints:
    youngest = np.array(list(fig.ASA_SHARES))
    upto = np.cumsum(np.array(list(fig.ASA_SHARES.values())), axis=1)
    band = np.searchsorted(youngest, age, side="right") - 1
    grade: Ints = 1 + (rng.random(len(age))[:, None] >= upto[band][:, :3]).sum(axis=1)
    return grade


def _join(parts: Sequence[Any]) -> list[str]:
    """Tags of each row joined by semicolons, empty ones left out."""
    return [";".join(tag for tag in tags if tag) for tags in zip(*parts, strict=True)]


def _homes(frame: pd.DataFrame, places: Places, rng: np.random.Generator) -> pd.DataFrame:
    """An area in the provider's catchment; over a year more often a deprived one."""
    areas = places.margins.areas
    child = frame["age_years"] < 16
    long_wait = (frame["care_kind"] == "theatre") & (frame["waited_days"] > YEAR_DAYS)
    counts = frame[long_wait].groupby("home_provider").size()
    skew = area_weights(counts, places) if len(counts) else np.ones(len(areas))
    home = np.zeros(len(frame), dtype=np.int64)
    groups = frame[["home_provider"]].assign(child=child, long_wait=long_wait)
    for (provider, is_child, is_long), rows in rows_by(groups, ["home_provider", "child", "long_wait"]):
        people = areas["people_0_15" if is_child else "people_16_over"].to_numpy()
        weights = places.attraction(provider) * people * (skew if is_long else 1.0)
        home[rows] = rng.choice(len(areas), len(rows), p=weights / weights.sum())
    lived = areas.iloc[home].reset_index(drop=True)
    shares = lived["imd_quintile"].map(fig.PUBLIC_TRANSPORT_SHARE).to_numpy()
    return frame.assign(
        home_row=home,
        home_area=lived["area_code"],
        imd_quintile=lived["imd_quintile"],
        travel_mode=np.where(rng.random(len(frame)) < shares, "public_transport", "car"),
    )


def _wishes(
    frame: pd.DataFrame, places: Places, plan_date: dt.date, horizon_end: dt.date, rng: np.random.Generator
) -> pd.DataFrame:
    n = len(frame)
    stated = pick(rng, fig.STATED_TRAVEL, n).astype(float)
    to_home = np.zeros(n)
    for (provider,), rows in rows_by(frame, ["home_provider"]):
        to_home[rows] = places.minutes_to(provider)[frame["home_row"].to_numpy()[rows]]
    # Nobody states a limit below the journey to their own hospital.
    stated = np.maximum(stated, 15 * np.ceil(np.minimum(to_home, 90) / 15))
    by_car = (frame["travel_mode"] == "car").to_numpy()
    states = by_car & (rng.random(n) < fig.STATED_TRAVEL_SHARE)
    days = (horizon_end - plan_date).days
    notice = rng.choice([3, 7, 14, 28], n, p=[0.3, 0.4, 0.2, 0.1])
    is_theatre = (frame["care_kind"] == "theatre").to_numpy()
    return frame.assign(
        max_travel_minutes=pd.Series(stated).where(states).astype("Int64"),
        transfer_consent=pick(rng, fig.CONSENT_SHARES, n),
        earliest_date=_dates(plan_date, rng.integers(3, days, n), rng.random(n) < 0.08),
        min_notice_days=pd.Series(notice).where(rng.random(n) < 0.10).astype("Int64"),
        home_tci_date=_dates(plan_date, rng.integers(4, days, n), rng.random(n) < 0.03),
        poa_valid_until=_dates(plan_date, rng.integers(10, 180, n), is_theatre & (rng.random(n) < 0.40)),
    )


def _dates(start: dt.date, days: Ints, given: Bools) -> pd.Series[Any]:
    dates = [start + dt.timedelta(days=int(day)) if known else None for day, known in zip(days, given, strict=True)]
    return pd.Series(dates, dtype="object")


def _priorities(frame: pd.DataFrame, plan_date: dt.date, rng: np.random.Generator) -> pd.DataFrame:
    """Urgent entries were prioritised in the last quarter; others at the decision to admit, part way in the wait."""
    n = len(frame)
    number = pick(rng, fig.PRIORITY_SHARES, n)
    letter = np.where(frame["care_kind"] == "theatre", "P", "D")
    waited = frame["waited_days"].to_numpy()
    urgent = number == "2"
    ago = np.where(urgent, rng.integers(5, 91, n), np.rint(waited * rng.uniform(0.1, 0.7, n)).astype(int))
    ago = np.minimum(ago, waited)
    own_due = rng.random(n) < 0.01
    return frame.assign(
        clinical_priority=[f"{kind}{grade}" for kind, grade in zip(letter, number, strict=True)],
        first_prioritised_on=[plan_date - dt.timedelta(days=int(days)) for days in ago],
        due_date=_dates(plan_date, rng.integers(-20, 50, n), own_due),
    )
