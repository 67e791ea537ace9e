"""sessions.csv: every session, how far it is used, by whom, and why it is not full."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from allocator.answer import Run
from allocator.instance import Ints
from allocator.options import Options, build_options
from allocator.rule import closed_sessions

SESSION_COLUMNS = (
    "session_id",
    "site_code",
    "provider_code",
    "date",
    "start_time",
    "care_kind",
    "service_code",
    "minutes",
    "minutes_used",
    "minutes_left",
    "cases_used",
    "host_cases",
    "max_cases",
    "min_cases",
    "entry_ids",
    "why_not_full",
)


def options_of(run: Run) -> Options:
    """The options of the run, built once more from its tables and policy."""
    closed = closed_sessions(run.facts, run.conflicts)
    return build_options(run.facts, run.policy.screens, closed)


def sessions_table(run: Run, options: Options) -> pd.DataFrame:
    """Every session, by session_id.

    minutes       there, after the host's own cases
    minutes_used  expected minutes of the cases, and the turnarounds between them; held entries included
    entry_ids     who, separated by semicolons
    why_not_full  plain words; empty where the session is full
    """
    instance = run.facts.instance
    closed = closed_sessions(run.facts, run.conflicts)
    wanting, able = _counts(run, options)
    rows = []
    for row, session_id in enumerate(instance.column("sessions", "session_id")):
        session = instance.session[session_id]
        entry_ids = [place.entry_id for place in run.allocation.of_session.get(session_id, ())]
        used = minutes_used(run, session_id)
        left = max(0, int(session["minutes"]) - used)
        rows.append(
            {name: session[name] for name in SESSION_COLUMNS if name in session}
            | {
                "provider_code": instance.session_provider[row],
                "minutes_used": used,
                "minutes_left": left,
                "cases_used": len(entry_ids),
                "entry_ids": ";".join(entry_ids),
                "why_not_full": why_not_full(
                    session, len(entry_ids), left, row in closed, int(able[row]), int(wanting[row])
                ),
            }
        )
    return pd.DataFrame(rows, columns=list(SESSION_COLUMNS), dtype="object")


def _counts(run: Run, options: Options) -> tuple[Ints, Ints]:
    """(n_sessions,) people who fit a session and have no place; people who fit it at all."""
    instance = run.facts.instance
    placed = np.zeros(len(instance.column("patients", "entry_id")), dtype=bool)
    placed[[instance.entry_row[entry_id] for entry_id in run.allocation.of_entry]] = True
    n_sessions = len(instance.column("sessions", "session_id"))
    wanting = np.bincount(options.session[~placed[options.entry]], minlength=n_sessions)
    return wanting, np.bincount(options.session, minlength=n_sessions)


def minutes_used(run: Run, session_id: str) -> int:
    """Expected minutes of everybody in a session and a turnaround between two cases."""
    instance = run.facts.instance
    places = run.allocation.of_session.get(session_id, ())
    expected = sum(int(instance.patient[place.entry_id]["expected_minutes"]) for place in places)
    return expected + max(0, len(places) - 1) * int(instance.session[session_id]["turnaround_minutes"])


def why_not_full(session: Any, cases: int, left: int, closed: bool, able: int, wanting: int) -> str:
    """Why a session takes nobody more, in plain words; empty where it is full.

    `able` people fit the session by every screen, of whom `wanting` have no place anywhere.
    """
    if session["closed"]:
        return "closed: its data are damaged, see quarantine.csv"
    if closed:
        return "closed: a booking does not fit"
    if left == 0 or cases + int(session["host_cases"]) >= session["max_cases"]:
        return ""
    if able == 0:
        return "nobody on the lists fits"
    if cases == 0 and able + int(session["host_cases"]) < session["min_cases"]:
        return "too few cases to open"
    if wanting == 0 and cases == 0:
        return "everybody who fits has a place elsewhere"
    if wanting == 0:
        return f"{left} minutes left; everybody who fits has a place"
    if cases == 0:
        return "limits reached or too few cases to open" if session["min_cases"] > 0 else "limits reached"
    return f"{left} minutes left: too few for another case, or limits reached"
