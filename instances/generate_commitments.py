"""What is settled in a generated instance: commitments of every state and overrides, all of which fit.

Pairs are chosen among people with nothing special about them, one by one, keeping count of minutes,
cases and beds, so that what is booked fits and what must be can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocator.instance import Bools, Ints
from instances.generate_parameters import HORIZON_START, PLAN_DATE
from instances.generate_people import Entries
from instances.generate_places import Areas, Sites
from instances.generate_sessions import BED_NIGHTS

PLAN = np.datetime64(PLAN_DATE)
FITTED_SHARE = 0.85
"""Share of the minutes of a session that settled cases may take."""

USES = (
    ("booked", 0.2),
    ("offered", 0.1),
    ("expired", 0.1),
    ("proposed", 0.25),
    ("declined", 0.1),
    ("declined_site", 0.05),
    ("host_refused", 0.05),
    ("cancelled", 0.05),
    ("never", 0.05),
    ("must", 0.05),
)
"""What becomes of the chosen pairs, and the share of each; one at least."""


@dataclass(frozen=True)
class Room:
    """What is left as pairs are chosen; the only arrays here that change.

    minutes, cases (n_sessions,); beds (n_sites, n_nights) on wards.
    """

    minutes: Ints
    cases: Ints
    beds: Ints

    def fits(self, session: int, site: int, night: int, minutes: int, stay: int) -> bool:
        """Is there room for one more case."""
        nights = self.beds[site, night : night + stay]
        return bool(self.minutes[session] >= minutes and self.cases[session] >= 1 and (nights >= 1).all())

    def take(self, session: int, site: int, night: int, minutes: int, stay: int) -> None:
        """Count one more case."""
        self.minutes[session] -= minutes
        self.cases[session] -= 1
        self.beds[site, night : night + stay] -= 1


def settled_tables(
    rng: np.random.Generator,
    tables: dict[str, pd.DataFrame],
    entries: Entries,
    sites: Sites,
    areas: Areas,
    share: float,
) -> dict[str, pd.DataFrame]:
    """The commitments and overrides tables; empty where `share` (of entries) is 0."""
    wanted = round(share * len(entries.person))
    order = rng.permutation(np.flatnonzero(ordinary(tables, entries)))
    pairs = []
    for pair in fitting_pairs(order, tables, entries, sites, areas):
        if len(pairs) >= wanted:
            break
        pairs.append(pair)
    counts = [max(1, int(part * len(pairs))) for _, part in USES]
    uses = np.repeat([use for use, _ in USES], counts)[: len(pairs)]
    entry_ids = tables["patients"]["entry_id"].to_numpy()
    session_ids, site_codes = (tables["sessions"][name].to_numpy() for name in ("session_id", "site_code"))
    commitments, overrides = [], []
    for use, (entry, session) in zip(uses, pairs, strict=False):
        row = {"entry_id": entry_ids[entry], "session_id": session_ids[session], "site_code": site_codes[session]}
        if use in ("never", "must"):
            whole_site = use == "never" and len(overrides) % 2 == 0
            overrides.append(_override({**row, "session_id": ""} if whole_site else row, use))
        else:
            commitments += _history(row, use)
    if wanted:
        gone = order[-1]
        commitments.append(
            _commitment({"entry_id": entry_ids[gone], "site_code": sites.codes[0]}, "treated", "host", 4)
        )
    return {"commitments": pd.DataFrame(commitments), "overrides": pd.DataFrame(overrides)}


def ordinary(tables: dict[str, pd.DataFrame], entries: Entries) -> Bools:
    """(n_entries,) nothing special about the person: any session of the service in reach would do."""
    patients = tables["patients"]
    counts = np.bincount(entries.person, minlength=len(patients))
    away = patients["entry_id"].isin(tables["unavailable"]["entry_id"])
    keep = (
        (patients["pathway"] == "rtt")
        & patients["clinical_priority"].isin(["P3", "P4"])
        & (patients["transfer_consent"] == "yes")
        & (patients["needs"] == "")
        & (patients["asa_grade"] <= 2)
        & (patients["bmi"] <= 40)
        & (patients["age_years"] >= 18)
        & (patients["travel_mode"] == "car")
        & patients["min_notice_days"].notna()
        & ~patients["needs_hdu"]
        & ~away
        & patients["home_tci_date"].isna()
        & patients["poa_valid_until"].isna()
    )
    plain: Bools = keep.to_numpy() & (entries.required < 0) & (counts[entries.person] == 1)
    return plain


def fitting_pairs(
    order: Ints, tables: dict[str, pd.DataFrame], entries: Entries, sites: Sites, areas: Areas
) -> Iterator[tuple[int, int]]:
    """(entry, session) in turn, one an entry, that fit together and with all that came before."""
    patients, sessions = tables["patients"], tables["sessions"]
    room = starting_room(tables, sites)
    usable = usable_sessions(sessions, tables["sites"])
    of_service: dict[str, Ints] = {
        code: rows[usable[rows]] for code, rows in sessions.groupby("service_code").indices.items()
    }
    code, minutes, limit = (
        patients[name].to_numpy() for name in ("service_code", "expected_minutes", "max_travel_minutes")
    )
    stays, procedure, age = (patients[name].to_numpy() for name in ("overnight_stays", "procedure_code", "age_years"))
    site, day = sessions["site"].to_numpy(), sessions["day"].to_numpy()
    night = 7 * (day // 5) + day % 5
    accepted = sessions["accepts_procedures"].to_numpy()
    youngest, oldest = (
        pick(sessions[name].to_numpy(), tables["sites"][name].to_numpy()[site])
        for name, pick in (("min_age_years", np.fmax), ("max_age_years", np.fmin))
    )
    for entry in order:
        rows = of_service.get(code[entry], np.zeros(0, dtype=np.int64))
        reach = 60 if np.isnan(limit[entry]) else limit[entry]
        near = (areas.minutes[entries.area[entry], site[rows]] <= reach) & ~areas.unlisted[entries.area[entry]]
        grown = ~(age[entry] < youngest[rows]) & ~(age[entry] > oldest[rows])
        for session in rows[near & grown & (day[rows] >= entries.ready[entry])]:
            place = (session, site[session], night[session], minutes[entry] + 15, stays[entry])
            allowed = accepted[session] in ("", procedure[entry]) and (
                sites.overnight[site[session]] or not stays[entry]
            )
            if allowed and room.fits(*place):
                room.take(*place)
                yield int(entry), int(session)
                break


def starting_room(tables: dict[str, pd.DataFrame], sites: Sites) -> Room:
    """Room of all sessions and wards before anything is settled."""
    sessions, beds = tables["sessions"], tables["beds"]
    ward = beds[beds["bed_kind"] == "ward"]
    spare = np.zeros((len(sites.kind), BED_NIGHTS + 7), dtype=np.int64)
    site_row = {code: row for row, code in enumerate(sites.codes)}
    night = (ward["night"].to_numpy() - np.datetime64(HORIZON_START)) // np.timedelta64(1, "D")
    spare[ward["site_code"].map(site_row).to_numpy(), night] = ward["spare_beds"]
    return Room(
        minutes=np.floor(FITTED_SHARE * sessions["minutes"].to_numpy()).astype(np.int64),
        cases=(sessions["max_cases"].fillna(99) - sessions["host_cases"]).to_numpy().astype(np.int64),
        beds=spare,
    )


def usable_sessions(sessions: pd.DataFrame, sites: pd.DataFrame) -> Bools:
    """(n_sessions,) may be booked today by anyone: not an opening, still open, the site has time to prepare."""
    lead = sites["lead_days"].to_numpy()[sessions["site"]]
    late = sessions["book_by"].notna() & (sessions["book_by"].to_numpy() < PLAN)
    ready = sessions["date"].to_numpy() >= PLAN + lead.astype("timedelta64[D]")
    usable: Bools = ((sessions["opening_cost_gbp"] == 0) & ~late & ready & (sessions["service"] >= 0)).to_numpy()
    return usable


def _history(row: dict[str, str], use: str) -> list[dict[str, object]]:
    """The commitments that tell how a pair came to be what it is, oldest first."""
    if use == "booked":
        return [_commitment(row, "offered", "hub", 9, expires=-2), _commitment(row, "booked", "patient", 5)]
    if use == "offered":
        return [_commitment(row, "proposed", "hub", 6), _commitment(row, "offered", "home", 2, expires=5)]
    if use == "expired":
        return [_commitment(row, "offered", "home", 10, expires=-1)]
    if use == "declined_site":
        return [_commitment({**row, "session_id": ""}, "declined", "patient", 3)]
    deciders = {"declined": "patient", "host_refused": "host", "proposed": "hub", "cancelled": "home"}
    reasons = {"declined": "date_does_not_suit", "host_refused": "case_too_complex"}
    return [{**_commitment(row, use, deciders[use], 3), "reason_code": reasons.get(use, "")}]


def _commitment(
    row: dict[str, str], state: str, decided_by: str, days_ago: int, expires: int | None = None
) -> dict[str, object]:
    return {
        **row,
        "state": state,
        "decided_by": decided_by,
        "recorded_on": (PLAN - days_ago).astype("datetime64[s]") + np.timedelta64(10, "h"),
        "expires_on": np.datetime64("NaT") if expires is None else PLAN + expires,
    }


def _override(row: dict[str, str], action: str) -> dict[str, object]:
    why = {"must": "agreed between the two surgeons", "never": "surgeon's advice"}[action]
    return {
        **row,
        "action": action,
        "who": "Synthetic coordinator",
        "reason": why,
        "recorded_on": "2026-01-30T09:00:00",
    }
