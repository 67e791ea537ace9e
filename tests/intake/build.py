"""Instances as files, for tests: three trusts, a few entries, sessions, and what a test changes."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from allocator.intake import Intake, read_instance

Row = Mapping[str, str]
INFO: dict[str, Any] = {
    "name": "test",
    "plan_date": "2026-02-02",
    "horizon_start": "2026-02-03",
    "horizon_end": "2026-03-31",
}
ORGANISATIONS = (
    {"provider_code": "RAA", "name": "Alpha", "sector": "nhs", "max_outgoing": "5", "max_incoming": "5"},
    {"provider_code": "RBB", "name": "Beta", "sector": "nhs", "max_outgoing": "5", "max_incoming": "5"},
    {"provider_code": "NCC", "name": "Gamma", "sector": "independent", "max_outgoing": "", "max_incoming": "5"},
)
SITES = tuple(
    {
        "site_code": f"{code}01",
        "provider_code": code,
        "name": f"{code} hospital",
        "max_asa": "3",
        "max_age_years": "90",
        "lead_days": "7",
        "has_hdu": "true",
        "has_overnight": "true",
    }
    for code in ("RAA", "RBB", "NCC")
)
PATIENT = {
    "home_provider": "RAA",
    "care_kind": "theatre",
    "service_code": "110",
    "pathway": "rtt",
    "clinical_priority": "P4",
    "clock_start": "2025-01-06",
    "expected_minutes": "60",
    "overnight_stays": "1",
    "asa_grade": "2",
    "bmi": "25",
    "age_years": "50",
    "needs_hdu": "false",
    "needs": "ga",
    "travel_mode": "car",
    "max_travel_minutes": "45",
    "earliest_date": "2026-02-10",
    "min_notice_days": "5",
    "transfer_consent": "yes",
    "home_tci_date": "",
    "poa_valid_until": "2026-05-01",
    "requires_entry_id": "",
    "required_done_on": "",
}
SESSION = {
    "site_code": "RBB01",
    "date": "2026-03-10",
    "care_kind": "theatre",
    "service_code": "110",
    "minutes": "240",
    "turnaround_minutes": "15",
    "max_cases": "4",
    "book_by": "2026-03-01",
}
COMMITMENT = {
    "entry_id": "e1",
    "session_id": "s1",
    "site_code": "RBB01",
    "state": "booked",
    "decided_by": "hub",
    "recorded_on": "2026-01-30T09:00:00",
    "expires_on": "",
}
OVERRIDE = {
    "entry_id": "e1",
    "session_id": "s1",
    "site_code": "",
    "action": "never",
    "who": "A Person",
    "reason": "asked",
    "recorded_on": "2026-01-30",
}


def tables(
    patients: Sequence[Row] = ({}, {}, {}, {}),
    sessions: Sequence[Row] = ({}, {}),
    **other: Sequence[Row],
) -> dict[str, list[dict[str, str]]]:
    """Rows of a sound instance: entries e1, e2 ... at home in RAA, sessions s1, s2 ... at RBB01."""
    usual = {"commitments": COMMITMENT, "overrides": OVERRIDE}
    found: dict[str, list[dict[str, str]]] = {
        "organisations": [dict(row) for row in ORGANISATIONS],
        "sites": [dict(row) for row in SITES],
        "patients": [
            {"entry_id": f"e{number}", "patient_id": f"p{number}", **PATIENT, **row}
            for number, row in enumerate(patients, 1)
        ],
        "sessions": [{"session_id": f"s{number}", **SESSION, **row} for number, row in enumerate(sessions, 1)],
    }
    found |= {name: [{**usual.get(name, {}), **row} for row in rows] for name, rows in other.items()}
    return found


def write(folder: Path, rows: Mapping[str, Sequence[Row]], info: Mapping[str, Any] | None = None) -> Path:
    """Write CSV tables and instance.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "instance.json").write_text(json.dumps({**INFO, **(info or {})}), encoding="utf-8")
    for name, table in rows.items():
        header = list(dict.fromkeys(column for row in table for column in row))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(header)
            writer.writerows([row.get(column, "") for column in header] for row in table)
    return folder


def read(folder: Path, rows: Mapping[str, Sequence[Row]], info: Mapping[str, Any] | None = None) -> Intake:
    """Write and read."""
    intake = read_instance(write(folder, rows, info))
    accounted_for(intake)
    return intake


def accounted_for(intake: Intake) -> None:
    """Every row that was read is accepted or refused, and in quarantine where it was refused."""
    refused = intake.quarantine[intake.quarantine["effect"] == "row_refused"]
    for table, count in intake.rows_read.items():
        assert intake.rows_accepted[table] + refused[refused["table"] == table]["row"].nunique() == count, table


def faults(intake: Intake, table: str, column: str | None = None) -> pd.DataFrame:
    """The quarantine of one table, or of one of its columns."""
    found = intake.quarantine[intake.quarantine["table"] == table]
    return found if column is None else found[found["column"] == column]


def effects(intake: Intake, table: str, column: str) -> list[str]:
    """The effects of the faults of one column."""
    return list(faults(intake, table, column)["effect"])


def held(intake: Intake) -> set[str]:
    """Ids of the entries that are held."""
    patients = intake.instance.patients
    return set(patients["entry_id"][patients["held"]])


def closed(intake: Intake) -> set[str]:
    """Ids of the sessions that take nobody new."""
    sessions = intake.instance.sessions
    return set(sessions["session_id"][sessions["closed"]])


def places(intake: Intake) -> list[tuple[str, str, str]]:
    """(entry_id, session_id, state) of every place that stays."""
    from allocator.standing import standing

    ids = intake.instance.column("patients", "entry_id")
    return [(ids[place.entry], place.session_id, place.state) for place in standing(intake.instance).fixed]
