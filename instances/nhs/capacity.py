"""Spare sessions: derived from what providers complete in a month and how many months of backlog they have.

Spare capacity is not published. The assumption, adjustable and written into instance.json:

1. The whole region has spare minutes equal to `capacity_share` of the cohort's minutes, turnaround included.
2. A service gets its share by the cohort's minutes, times sqrt(median months of backlog of all services / its own
   months), held within 0.7 to 1.4: services with less backlog have more to spare.
3. Within a service, a provider gets its share by admitted completions (tests done), times sqrt(region's median
   months / its own months), held within 0.5 to 2: providers with less backlog have more to spare.
4. Pooled codes (X02 to X06) can only be treated at home: each provider is its own region for them.

Sessions are drawn one by one from those shares, with a random start and equal steps, so that every provider and
service gets its share rounded down or up. Months of backlog = decision to admit (tests waiting) / completions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from allocator.instance import Floats
from instances.nhs.cohort import counted
from instances.nhs.figures import figures
from instances.nhs.margins import Margins

POOLED = ("X02", "X03", "X04", "X05", "X06")
HALF_DAY, WHOLE_DAY = 240, 480
SERVICE_TILT = (0.7, 1.4)
PROVIDER_TILT = (0.5, 2.0)
_UNIT = ["care_kind", "service_code", "provider_code"]


def session_counts(
    margins: Margins, cohort_weeks: int, capacity_share: float, rng: np.random.Generator
) -> pd.DataFrame:
    """care_kind, service_code, provider_code, sessions: how many spare sessions each provider has."""
    wanted = wanted_minutes(margins, cohort_weeks, capacity_share)
    expected = wanted["minutes"] / mean_session_minutes(wanted)
    counts = pd.concat([_systematic(expected[rows.index], rng) for _, rows in wanted.groupby("care_kind")])
    units = wanted[_UNIT].assign(sessions=counts)
    return units[units["sessions"] > 0].reset_index(drop=True)


def wanted_minutes(margins: Margins, cohort_weeks: int, capacity_share: float) -> pd.DataFrame:
    """care_kind, service_code, provider_code, minutes: spare minutes before they are cut into sessions."""
    demand = _demand(margins, cohort_weeks)
    supply = _supply(margins)
    pooled_supply = supply["service_code"].isin(POOLED)
    region = np.where(pooled_supply, supply["provider_code"], "")
    supply = supply.assign(region=region)
    pooled_demand = demand["service_code"].isin(POOLED)
    demand = demand.assign(region=np.where(pooled_demand, demand["provider_code"], ""))
    key = ["care_kind", "service_code", "region"]
    services = demand.groupby(key, as_index=False)[["minutes"]].sum()
    services = services.assign(share=services["minutes"] * _service_tilt(services, supply))
    units = supply.merge(services[[*key, "share"]], on=key)
    weight = units["completed"] * _provider_tilt(units)
    part = weight / weight.groupby([units[name] for name in key]).transform("sum")
    minutes = part * units["share"]
    target = demand.groupby("care_kind")["minutes"].sum() * capacity_share
    scale = units["care_kind"].map(target) / minutes.groupby(units["care_kind"]).transform("sum")
    return units[_UNIT].assign(minutes=minutes * scale).sort_values(_UNIT, ignore_index=True)


def mean_session_minutes(units: pd.DataFrame) -> Floats:
    """Mean length of a session of each row's service, shape (n_rows,)."""
    keys = pd.MultiIndex.from_frame(units[["care_kind", "service_code"]])
    long_share = figures().services["long_share"].reindex(keys).to_numpy(dtype=float)
    mean: Floats = HALF_DAY + long_share * (WHOLE_DAY - HALF_DAY)
    return mean


def case_minutes(units: pd.DataFrame) -> Floats:
    """Mean minutes of a case with its turnaround, shape (n_rows,)."""
    keys = pd.MultiIndex.from_frame(units[["care_kind", "service_code"]])
    services = figures().services.reindex(keys)
    minutes: Floats = (services["minutes"] + services["turnaround_minutes"]).to_numpy(dtype=float)
    return minutes


def _demand(margins: Margins, cohort_weeks: int) -> pd.DataFrame:
    counts = counted(margins, cohort_weeks)
    return counts.assign(minutes=counts["entries"] * case_minutes(counts))


def _supply(margins: Margins) -> pd.DataFrame:
    """Completions and backlog of every provider and service that has a site to work at."""
    backlog = "decision_to_admit" if "decision_to_admit" in margins.theatre_lists else "list_size"
    key = ["provider_code", "service_code"]
    theatre = margins.theatre_completed.merge(margins.theatre_lists[[*key, backlog]], on=key, how="left")
    tests = margins.diagnostic_lists
    parts = [
        theatre.rename(columns={backlog: "backlog"}).assign(care_kind="theatre"),
        tests.rename(columns={"tests_done": "completed", "list_size": "backlog"}).assign(care_kind="diagnostic"),
    ]
    supply = pd.concat(parts)
    weights = margins.sites.merge(figures().sites, on="site_code").groupby("provider_code")
    able = weights[["theatre_weight", "diagnostic_weight"]].sum()
    room = {kind: set(able.index[able[f"{kind}_weight"] > 0]) for kind in ("theatre", "diagnostic")}
    owners = zip(supply["care_kind"], supply["provider_code"], strict=True)
    has_room = [provider in room[kind] for kind, provider in owners]
    return supply[np.array(has_room) & (supply["completed"] > 0).to_numpy()].reset_index(drop=True)


def _months(frame: pd.DataFrame) -> pd.Series[float]:
    return (frame["backlog"] / frame["completed"]).clip(lower=0.1)


def _service_tilt(services: pd.DataFrame, supply: pd.DataFrame) -> Floats:
    known = supply.dropna(subset="backlog")
    sums = known.groupby(["care_kind", "service_code"])[["backlog", "completed"]].sum()
    months = _months(sums)
    median = months.groupby("care_kind").median()
    keys = pd.MultiIndex.from_frame(services[["care_kind", "service_code"]])
    ratio = services["care_kind"].map(median).to_numpy(dtype=float) / months.reindex(keys).to_numpy(dtype=float)
    tilt: Floats = np.clip(np.sqrt(np.nan_to_num(ratio, nan=1.0)), *SERVICE_TILT)
    return tilt


def _provider_tilt(units: pd.DataFrame) -> Floats:
    """1 where the backlog is not known: neighbours outside the board."""
    months = _months(units)
    median = months.groupby([units["care_kind"], units["service_code"]]).transform("median")
    tilt: Floats = np.clip(np.sqrt((median / months).fillna(1.0).to_numpy(dtype=float)), *PROVIDER_TILT)
    return tilt


def _systematic(expected: pd.Series[float], rng: np.random.Generator) -> pd.Series[Any]:
    """Whole numbers whose sum is the rounded sum and each of which is its expectation rounded down or up."""
    edges = np.concatenate([[0.0], np.cumsum(expected.to_numpy())])
    edges *= max(1, round(edges[-1])) / edges[-1]
    ticks = np.floor(edges + rng.random()).astype(np.int64)
    return pd.Series(np.diff(ticks), index=expected.index)
