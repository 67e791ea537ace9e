"""Places as FHIR R4B appointments, for systems that read them. Needs the extra `fhir`.

Plain R4B, checked by the library against the base specification; no national profile is claimed. A place whose
time of day is not known has the day as its requested period, not a made-up start.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import zoneinfo
from collections.abc import Iterable, Mapping
from typing import Any

from allocator.errors import UsageError

LONDON = zoneinfo.ZoneInfo("Europe/London")
STATUS_OF = {"proposed": "proposed", "offered": "pending", "booked": "booked", "reserved": "waitlist"}
SYSTEM = "urn:mutual-aid-allocator"


def bundle(rows: Iterable[Mapping[str, str]], run_id: str, made: dt.datetime) -> str:
    """A collection of appointments from rows of an export. Raises UsageError where the extra is not installed."""
    if importlib.util.find_spec("fhir") is None:
        raise UsageError('FHIR needs an extra that is not installed. Maybe "uv sync --extra fhir".')
    from fhir.resources.R4B.bundle import Bundle

    entries = [
        {"fullUrl": f"{SYSTEM}:run:{run_id}:{row['entry_id']}", "resource": appointment(row, run_id)} for row in rows
    ]
    found = {
        "resourceType": "Bundle",
        "type": "collection",
        "identifier": identifier("run", run_id),
        "timestamp": made.isoformat(),
        **({"entry": entries} if entries else {}),
    }
    text: str = Bundle.model_validate(found).model_dump_json()
    return text


def appointment(row: Mapping[str, str], run_id: str) -> dict[str, Any]:
    """One place."""
    date = dt.date.fromisoformat(row["date"])
    minutes = int(row["expected_minutes"]) if row["expected_minutes"].isdigit() else None
    found: dict[str, Any] = {
        "resourceType": "Appointment",
        "identifier": [identifier("entry", row["entry_id"]), identifier("session", row["session_id"])],
        "status": STATUS_OF[row["state"]],
        "serviceCategory": [{"text": row["care_kind"]}],
        "serviceType": [{"text": row["service_code"]}],
        "description": f"Mutual aid: {row['home_provider']} to {row['provider_code']}, run {run_id}",
        "participant": [
            participant("Patient", identifier("patient", row["patient_id"]), "needs-action"),
            participant("Location", identifier("site", row["site_code"]), "tentative", row["site_name"]),
        ],
    }
    if minutes:
        found["minutesDuration"] = minutes
    if row["start_time"] and minutes:
        # The list's start: who comes when within it is the host's to say.
        start = dt.datetime.combine(date, dt.time.fromisoformat(row["start_time"]), LONDON)
        found |= {"start": start.isoformat(), "end": (start + dt.timedelta(minutes=minutes)).isoformat()}
    else:
        found["requestedPeriod"] = [{"start": date.isoformat(), "end": date.isoformat()}]
    return found


def identifier(kind: str, value: str) -> dict[str, str]:
    """An identifier of this program's own system."""
    return {"system": f"{SYSTEM}:{kind}", "value": value}


def participant(kind: str, identified: dict[str, str], status: str, shown: str = "") -> dict[str, Any]:
    """Somebody or something that takes part, by identifier: no record of theirs is in the bundle."""
    actor: dict[str, Any] = {"type": kind, "identifier": identified}
    if shown:
        actor["display"] = shown
    return {"actor": actor, "status": status}
