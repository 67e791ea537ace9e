"""allocation.csv, unplaced.csv, conflicts.csv, quarantine.csv and trace.csv: the columns of the data contract.

next_step
  ask_patient   a new place away from home, and the patient has not yet said yes to going elsewhere
  host_review   a new place away from home with the patient's yes: the host looks at the case; also a place
                whose session is gone: the host says what becomes of it
  book          a place at home, or one that was offered or booked already: book it, or keep the booking
act_by          the last day to act: the day by which the session must be booked, or three weeks before it
                so that notice stays reasonable, whichever is first, never before the plan date; empty for
                what is booked
reasonable_offer  three weeks' notice or more, counted from the plan date
is_new          proposed, and not what the run before proposed
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from allocator.answer import Run
from allocator.intake import Intake
from allocator.report.people import due_dates, shown_patient_ids, waited_days

REASONABLE_NOTICE_DAYS = 21
"""An offer with three weeks' notice is reasonable (NHS England, RTT rules suite; model.md)."""

ALLOCATION_COLUMNS = (
    "entry_id",
    "patient_id",
    "home_provider",
    "session_id",
    "site_code",
    "provider_code",
    "date",
    "start_time",
    "team",
    "care_kind",
    "service_code",
    "procedure_code",
    "laterality",
    "clinical_priority",
    "due_date",
    "days_late",
    "waited_weeks",
    "travel_minutes",
    "travel_estimated",
    "state",
    "next_step",
    "act_by",
    "reasonable_offer",
    "is_new",
)
UNPLACED_COLUMNS = ("entry_id", "patient_id", "home_provider", "reason_code", "reason", "nearest_change")
QUARANTINE_COLUMNS = ("table", "row", "column", "value", "problem", "hint", "effect")
CONFLICT_COLUMNS = ("entry_id", "session_id", "problem", "conflicts_with")
TRACE_COLUMNS = ("seconds", "goal", "value", "bound", "gap")


def allocation_table(run: Run) -> pd.DataFrame:
    """A row a place, lost bookings included, held entries left out; by entry_id, then session_id."""
    instance = run.facts.instance
    entry_ids = instance.column("patients", "entry_id")
    due, waited, patient_ids = due_dates(run), waited_days(run), shown_patient_ids(run)
    rows = []
    for place in run.allocation.placements:
        if place.state != "reserved":
            row = instance.entry_row[place.entry_id]
            person = _person(run, place.entry_id, patient_ids[row], due[row], waited[row])
            rows.append(person | _place(run, place.entry_id, place.session_id, place.state, due[row]))
    for fixed in run.facts.standing.fixed:
        if fixed.session < 0 and fixed.state != "reserved":
            person = _person(
                run, entry_ids[fixed.entry], patient_ids[fixed.entry], due[fixed.entry], waited[fixed.entry]
            )
            lost = {"session_id": fixed.session_id, "state": fixed.state, "next_step": "host_review"}
            rows.append(person | lost | {"act_by": run.facts.instance.info.plan_date, "is_new": False})
    rows.sort(key=lambda row: (row["entry_id"], row["session_id"]))
    return pd.DataFrame(rows, columns=list(ALLOCATION_COLUMNS), dtype="object")


def _person(run: Run, entry_id: str, patient_id: str, due: Any, waited: float) -> dict[str, Any]:
    patient = run.facts.instance.patient[entry_id]
    kept = ("home_provider", "care_kind", "service_code", "procedure_code", "laterality", "clinical_priority")
    return {
        "entry_id": entry_id,
        "patient_id": patient_id,
        **{name: patient[name] for name in kept},
        "due_date": due,
        "waited_weeks": waited // 7,
    }


def _place(run: Run, entry_id: str, session_id: str, state: str, due: Any) -> dict[str, Any]:
    facts = run.facts
    instance = facts.instance
    patient, session = instance.patient[entry_id], instance.session[session_id]
    site_code, date = session["site_code"], session["date"]
    provider_code = instance.site[site_code]["provider_code"]
    plan_date = np.datetime64(instance.info.plan_date)
    notice_days = int((date - plan_date).astype(int))
    proposed_before = facts.standing.proposed.get(instance.entry_row[entry_id])
    return {
        "session_id": session_id,
        "site_code": site_code,
        "provider_code": provider_code,
        "date": date,
        "start_time": session["start_time"],
        "team": session["team"],
        "days_late": None if np.isnat(due) else max(0, int((date - due).astype(int))),
        "travel_minutes": facts.travel_minutes(entry_id, site_code),
        "travel_estimated": facts.travel_estimated(entry_id, site_code),
        "state": state,
        "next_step": next_step(state, provider_code == patient["home_provider"], patient["transfer_consent"]),
        "act_by": None if state == "booked" else act_by(plan_date, date, session["book_by"]),
        "reasonable_offer": notice_days >= REASONABLE_NOTICE_DAYS,
        "is_new": state == "proposed" and session_id != proposed_before,
    }


def next_step(state: str, at_home: bool, transfer_consent: str) -> str:
    """What has to happen next for one place; see the head of this module."""
    if state != "proposed" or at_home:
        return "book"
    return "host_review" if transfer_consent == "yes" else "ask_patient"


def act_by(plan_date: np.datetime64, date: np.datetime64, book_by: np.datetime64) -> np.datetime64:
    """The last day to act for one place; see the head of this module."""
    last = date - np.timedelta64(REASONABLE_NOTICE_DAYS, "D")
    if not np.isnat(book_by):
        last = min(last, book_by)
    return max(last, plan_date)


def unplaced_table(run: Run, changes: Mapping[str, str]) -> pd.DataFrame:
    """Every entry without a place, with its reason, by entry_id. `changes` say the nearest change of an entry_id."""
    instance = run.facts.instance
    patient_ids = shown_patient_ids(run)
    rows = [
        (
            item.entry_id,
            patient_ids[instance.entry_row[item.entry_id]],
            instance.patient[item.entry_id]["home_provider"],
            item.reason_code,
            item.reason,
            changes.get(item.entry_id, ""),
        )
        for item in sorted(run.unplaced, key=lambda item: item.entry_id)
    ]
    return pd.DataFrame(rows, columns=list(UNPLACED_COLUMNS))


def quarantine_table(intake: Intake | None) -> pd.DataFrame:
    """What intake refused, blanked or held; empty where the instance did not come through intake."""
    if intake is None:
        return pd.DataFrame(columns=list(QUARANTINE_COLUMNS))
    return intake.quarantine[list(QUARANTINE_COLUMNS)]


def conflicts_table(run: Run) -> pd.DataFrame:
    """Commitments and overrides that do not fit, and with what."""
    rows = [(item.entry_id, item.session_id, item.problem, item.conflicts_with) for item in run.conflicts]
    return pd.DataFrame(sorted(set(rows)), columns=list(CONFLICT_COLUMNS))


def trace_table(run: Run) -> pd.DataFrame:
    """How far each goal was at each moment of the run."""
    rows = [(round(point.seconds, 3), point.goal, point.value, point.bound, point.gap) for point in run.trace]
    return pd.DataFrame(rows, columns=list(TRACE_COLUMNS), dtype="object")
