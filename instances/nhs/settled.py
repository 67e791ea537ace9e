"""The commitments table: what was settled before this morning, a few of each state, all of them possible.

Bookings, offers and proposals are day cases of people who fit anywhere nearby, on sessions with room, so that
no booking contradicts the tables.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from instances.nhs.places import Places

SHARES = {"booked": 0.012, "offered": 0.008, "proposed": 0.012, "declined": 0.010, "host_refused": 0.003}
PLACED_STATES = ("booked", "offered", "proposed")
REASONS = {
    "declined": ("too_far", "date_does_not_suit", "prefers_own_hospital"),
    "host_refused": ("unsuitable", "needs_assessment"),
}
FULL_TO = 0.6  # of a session's minutes, so that it still takes others
LONGEST_MINUTES = 45
FIRST_DAY = 8

Row = Mapping[str, Any]


def make_commitments(
    patients: pd.DataFrame,
    sessions: pd.DataFrame,
    unavailable: pd.DataFrame,
    places: Places,
    plan_date: dt.date,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """entry_id, session_id, site_code, state, decided_by, reason_code, recorded_on, expires_on."""
    wanted = [state for state, share in SHARES.items() for _ in range(round(share * len(patients)))]
    simple = patients[_simple(patients, unavailable)]
    queue = iter(_records(simple.iloc[rng.permutation(len(simple))]))
    offered = _by_service(sessions, places)
    used: dict[str, float] = {}
    rows: list[Row] = []
    for state in wanted:
        for patient in queue:
            session = _session_for(patient, state, offered, used, places, plan_date)
            if session is not None:
                rows.append(_row(patient, session, state, plan_date, rng))
                break
    names = ["entry_id", "session_id", "site_code", "state", "decided_by", "reason_code", "recorded_on", "expires_on"]
    return pd.DataFrame(rows, columns=names).sort_values(["recorded_on", "entry_id"], ignore_index=True)


def _records(frame: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _simple(patients: pd.DataFrame, unavailable: pd.DataFrame) -> pd.Series[bool]:
    """Healthy adults with one entry, a day case, by car, free on every day: they fit wherever it is near."""
    tied = {*patients.loc[patients["requires_entry_id"].notna(), "entry_id"], *patients["requires_entry_id"].dropna()}
    free = patients[["earliest_date", "home_tci_date", "poa_valid_until"]].isna().all(axis=1)
    healthy = (patients["asa_grade"] <= 2) & (patients["bmi"] < 35) & ~patients["needs_hdu"]
    day_case = (patients["overnight_stays"] == 0) & patients["age_years"].between(18, 90)
    single = ~patients["patient_id"].duplicated(keep=False) & ~patients["entry_id"].isin(list(tied))
    here = ~patients["entry_id"].isin(unavailable["entry_id"]) & (patients["travel_mode"] == "car")
    return (healthy.fillna(False) & free & day_case & single & here).astype(bool)


def _by_service(sessions: pd.DataFrame, places: Places) -> dict[tuple[str, str], list[Row]]:
    """Sessions that take anybody of their service, by kind and service."""
    sites = places.sites.assign(site_column=range(len(places.sites))).rename(columns={"provides": "site_provides"})
    takes_all = (sessions["min_cases"] == 0) & sessions["max_cases"].isna() & sessions["max_age_years"].isna()
    takes_all &= sessions["accepts_procedures"] == ""
    names = ["site_code", "provider_code", "site_column", "site_provides"]
    found: dict[tuple[str, str], list[Row]] = {}
    for row in _records(sessions[takes_all].merge(sites[names], on="site_code").sort_values("session_id")):
        found.setdefault((row["care_kind"], row["service_code"]), []).append(row)
    return found


def _session_for(
    patient: Row,
    state: str,
    offered: Mapping[tuple[str, str], list[Row]],
    used: dict[str, float],
    places: Places,
    plan_date: dt.date,
) -> Row | None:
    """A session that the patient fits; for a placed state its minutes are taken."""
    for session in offered.get((patient["care_kind"], patient["service_code"]), []):
        minutes = patient["expected_minutes"] + session["turnaround_minutes"]
        taken = used.get(session["session_id"], 0.0)
        if not _fits(patient, session, places, plan_date) or taken + minutes > FULL_TO * session["minutes"]:
            continue
        if state in PLACED_STATES:
            used[session["session_id"]] = taken + minutes
        return session
    return None


def _fits(patient: Row, session: Row, places: Places, plan_date: dt.date) -> bool:
    at_home = session["provider_code"] == patient["home_provider"]
    may_move = patient["transfer_consent"] == "yes" and not patient["service_code"].startswith("X")
    stated = patient["max_travel_minutes"]
    limit: float = LONGEST_MINUTES if pd.isna(stated) else min(LONGEST_MINUTES, stated)
    near = bool(places.minutes[patient["home_row"], session["site_column"]] <= limit)
    provided = {*session["provides"].split(";"), *session["site_provides"].split(";"), ""}
    able = set(patient["needs"].split(";")) <= provided
    later = session["date"] >= plan_date + dt.timedelta(days=FIRST_DAY)
    return (at_home or may_move) and near and able and later


def _row(patient: Row, session: Row, state: str, plan_date: dt.date, rng: np.random.Generator) -> Row:
    reasons = REASONS.get(state, ("",))
    whole_site = state in REASONS and rng.random() < 0.4
    recorded = dt.datetime.combine(plan_date, dt.time(9)) - dt.timedelta(days=int(rng.integers(1, 12)))
    decided = {"booked": "patient", "declined": "patient", "host_refused": "host"}.get(state, "hub")
    return {
        "entry_id": patient["entry_id"],
        "session_id": "" if whole_site else session["session_id"],
        "site_code": session["site_code"],
        "state": state,
        "decided_by": decided,
        "reason_code": reasons[int(rng.integers(len(reasons)))],
        "recorded_on": recorded.isoformat(),
        "expires_on": plan_date + dt.timedelta(days=int(rng.integers(2, 8))) if state == "offered" else None,
    }
