"""session_cases: a session takes no more cases than the host says.

host_cases[s] + sum over e of x[e, s] <= max_cases[s]     (the room times open[s] where s has an opening)
An empty max_cases is no cap. Source: the host's own figure (anaesthetic and ward staff, scopes, trays).
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Conflict, Limit, Violation
from allocator.words import plural
from models.numbering import numbered


class SessionCases(Limit):
    """At most max_cases, the host's own cases counted."""

    name: ClassVar[str] = "session_cases"
    sentence: ClassVar[str] = "A session takes no more people than its host allows, the host's own included."
    blocked: ClassVar[str] = "the session already has all the cases its host allows"
    of_session: ClassVar[bool] = True

    def rows(self, columns: Columns) -> Rows:
        """One row a session with a cap and an option."""
        options = columns.options
        column = columns.facts.instance.column
        capped = np.flatnonzero(~np.isnan(options.of_session("max_cases")))
        sessions, row = numbered(options.session[capped])
        room = np.maximum(0, column("sessions", "max_cases")[sessions] - column("sessions", "host_cases")[sessions])
        room = room.astype(np.int64)
        opening = columns.opening_column[sessions]
        opens = np.flatnonzero(opening >= 0)
        return Rows.of(
            columns.n,
            list(column("sessions", "session_id")[sessions]),
            np.concatenate([row, opens]),
            np.concatenate([capped, opening[opens]]),
            np.concatenate([np.ones(len(capped), dtype=np.int64), -room[opens]]),
            upper=np.where(opening >= 0, 0, room),
        )

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Sessions with more cases than allowed, where a new one is among them."""
        violations = []
        for session_id, places in allocation.of_session.items():
            session = facts.instance.session[session_id]
            if math.isnan(session["max_cases"]) or all(place.is_fixed for place in places):
                continue
            cases = int(session["host_cases"]) + len(places)
            if cases > session["max_cases"]:
                message = (
                    f"{session_id}: {plural(cases, 'case')}, the host's included; at most {session['max_cases']:g}"
                )
                violations.append(Violation(self.name, message, tuple(place.entry_id for place in places)))
        return violations

    def conflicts(self, facts: Facts) -> list[Conflict]:
        """Fixed places in sessions that have more of them than the host allows."""
        instance = facts.instance
        entry_ids = instance.column("patients", "entry_id")
        booked: dict[str, list[str]] = {}
        for place in facts.standing.fixed:
            if place.session >= 0:
                booked.setdefault(place.session_id, []).append(entry_ids[place.entry])
        conflicts = []
        for session_id, entries in booked.items():
            session = instance.session[session_id]
            cases = int(session["host_cases"]) + len(entries)
            if cases > session["max_cases"]:  # an unknown cap compares as False
                of = f"{plural(cases, 'case')}, the host's included"
                problem = f"its session has {of}; at most {session['max_cases']:g}"
                conflicts += [Conflict(entry_id, session_id, problem, "max_cases") for entry_id in entries]
        return conflicts

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """Cases of every session in use, the host's included, and the cap."""
        rows = [
            (
                session_id,
                int(facts.instance.session[session_id]["host_cases"]) + len(places),
                facts.instance.session[session_id]["max_cases"],
                "cases",
            )
            for session_id, places in allocation.of_session.items()
        ]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))
