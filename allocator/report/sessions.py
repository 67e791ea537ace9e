"""sessions.csv: every session, how far it is used, by whom, and why it is not full."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from allocator.answer import Run
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
    minutes_left  of all minutes: of some a policy may plan for a share only
    entry_ids     who, separated by semicolons
    why_not_full  plain words
    """
    instance = run.facts.instance
    closed = closed_sessions(run.facts, run.conflicts)
    able = np.bincount(options.session, minlength=len(instance.column("sessions", "session_id")))
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
                    session, len(entry_ids), left, row in closed, int(able[row]), run.kept_out.get(session_id, "")
                ),
            }
        )
    return pd.DataFrame(rows, columns=list(SESSION_COLUMNS), dtype="object")


def minutes_used(run: Run, session_id: str) -> int:
    """Expected minutes of everybody in a session and a turnaround between two cases."""
    instance = run.facts.instance
    places = run.allocation.of_session.get(session_id, ())
    expected = sum(int(instance.patient[place.entry_id]["expected_minutes"]) for place in places)
    return expected + max(0, len(places) - 1) * int(instance.session[session_id]["turnaround_minutes"])


def why_not_full(session: Any, cases: int, left: int, closed: bool, able: int, kept_out: str) -> str:
    """Why a session takes nobody more, in plain words.

    `able` people fit the session by every screen; `kept_out` says what keeps out those of them who have no place.
    """
    if session["closed"]:
        return "closed: its data are damaged, see quarantine.csv"
    if closed:
        return "closed: a booking does not fit"
    if cases + int(session["host_cases"]) >= session["max_cases"]:
        return "full: as many cases as its host allows"
    if left == 0:
        return "full: no minutes are left"
    if able == 0:
        return "nobody on the lists fits"
    if cases == 0 and able + int(session["host_cases"]) < session["min_cases"]:
        return "too few cases to open"
    return kept_out or f"everybody who fits has a place{' elsewhere' * (cases == 0)}"
