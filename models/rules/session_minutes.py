"""session_minutes: the cases of a session fit into its minutes.

sum over e of (expected[e] + ceil(k sd[e]) + turnaround[s]) x[e, s]
    <= floor(utilisation(kind) minutes[s]) + turnaround[s]     (times open[s] where s has an opening)
One turnaround is added because none follows the last case. Utilisation 0.85 for theatres is the capped
touch-time target of Getting It Right First Time (GIRFT, Theatre productivity, 2023); 1 for diagnostics,
and k = 0, are defaults that a hub sets for itself. An unknown sd counts as 0.32 of the expected minutes
(within-procedure coefficient of variation, German OR benchmarking, 2019).

Beside each row stand roundings of it, which no whole plan breaks and which the relaxation needs badly, for
an operation of 150 minutes fills a list of 224 as well as one of 224 does. For m = 1, 2, ...
sum of floor(w (m + 1) / (room + 1)) x[e, s] <= m     (times open[s]), w the minutes of a case
(Chvatal and Gomory: the row times (m + 1) / (room + 1), left and right rounded down).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.instance import Bools, Ints
from allocator.options import Facts, Options
from allocator.rows import Rows
from allocator.rule import Columns, Conflict, Limit, Violation, parameter
from models.numbering import numbered

ROUNDINGS = 4
"""Numbers of long cases in a list for which the row is rounded; above, minutes alone are tight enough."""


class SessionMinutes(Limit):
    """Case minutes and turnarounds fit the utilised minutes of the session."""

    name: ClassVar[str] = "session_minutes"
    sentence: ClassVar[str] = "The operations or tests in a session fit into its time, with turnaround between them."
    blocked: ClassVar[str] = "not enough minutes are left in the session"
    of_session: ClassVar[bool] = True

    theatre_utilisation: float = parameter(0.85, "Share of theatre minutes to plan for.", "share", gt=0, le=1)
    diagnostic_utilisation: float = parameter(1.0, "Share of diagnostic minutes to plan for.", "share", gt=0, le=1)
    safety_sds: float = parameter(
        0.0, "Standard deviations of time to add to every case.", "standard deviations", ge=0, le=5
    )
    unknown_sd_share: float = parameter(
        0.32,
        "Standard deviation of a case where none is given, as a share of its minutes.",
        "share",
        ge=0,
        le=1,
    )

    def case_minutes(self, options: Options) -> Ints:
        """Whole minutes that each option takes, turnaround included, shape (n_options,)."""
        column = options.instance.column
        expected, given = column("patients", "expected_minutes"), column("patients", "minutes_sd")
        known = ~np.isnan(given)
        margin = np.zeros(len(given), dtype=np.int64)
        # Exact: a margin that is a hair above a whole minute is a minute more.
        for those, sd, share in ((known, given, "1"), (~known, expected, str(self.unknown_sd_share))):
            kinds, kind = np.unique(sd[those], return_inverse=True)
            times = Fraction(str(self.safety_sds)) * Fraction(share)
            each = [math.ceil(times * Fraction(str(number))) for number in kinds.tolist()]
            margin[those] = np.array(each, dtype=np.int64)[kind]
        minutes: Ints = (expected + margin)[options.entry] + options.of_session("turnaround_minutes")
        return minutes

    def room(self, facts: Facts) -> Ints:
        """Minutes that the cases of each session may take, turnarounds included, shape (n_sessions,)."""
        column = facts.instance.column
        share = {"theatre": self.theatre_utilisation, "diagnostic": self.diagnostic_utilisation}
        planned = [
            math.floor(Fraction(str(share[kind])) * int(minutes))
            for kind, minutes in zip(column("sessions", "care_kind"), column("sessions", "minutes"), strict=True)
        ]
        room: Ints = np.array(planned, dtype=np.int64) + column("sessions", "turnaround_minutes")
        return room

    def rows(self, columns: Columns) -> Rows:
        """One row a session with an option, and its roundings; room counts only once the session is open."""
        room = self.room(columns.facts)
        minutes = self.case_minutes(columns.options)
        blocks = [_capacity_rows(columns, minutes, room, np.ones(len(minutes), dtype=bool))]
        here = room[columns.options.session]
        for cases in range(1, ROUNDINGS + 1):
            weight = minutes * (cases + 1) // (here + 1)
            # A rounding says something new where some case counts for more of it than of the minutes.
            tighter = weight * here > minutes * cases
            sharpened = np.zeros(len(room), dtype=bool)
            sharpened[columns.options.session[tighter]] = True
            useful = sharpened[columns.options.session] & (weight > 0)
            blocks.append(_capacity_rows(columns, weight, np.full_like(room, cases), useful))
        return Rows.stacked(blocks)

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Sessions whose cases take more than their room, where a new case is among them."""
        violations = []
        for session_id, used, fixed, room in self._minutes(facts, allocation):
            if used > max(room, fixed):
                entries = tuple(place.entry_id for place in allocation.of_session[session_id])
                message = f"{session_id}: cases and turnarounds take {used} minutes; {room} are there"
                violations.append(Violation(self.name, message, entries))
        return violations

    def _minutes(self, facts: Facts, allocation: Allocation) -> list[tuple[str, int, int, int]]:
        """(session_id, minutes used, of which fixed, room), from the tables, for sessions in use."""
        found = []
        for session_id, places in allocation.of_session.items():
            session = facts.instance.session[session_id]
            theatre = session["care_kind"] == "theatre"
            utilisation = Fraction(str(self.theatre_utilisation if theatre else self.diagnostic_utilisation))
            room = math.floor(utilisation * int(session["minutes"])) + int(session["turnaround_minutes"])
            used = fixed = 0
            for place in places:
                patient = facts.instance.patient[place.entry_id]
                sd = patient["minutes_sd"]
                usual = Fraction(str(self.unknown_sd_share)) * int(patient["expected_minutes"])
                margin = math.ceil(Fraction(str(self.safety_sds)) * (usual if math.isnan(sd) else Fraction(str(sd))))
                minutes = int(patient["expected_minutes"]) + margin + int(session["turnaround_minutes"])
                used += minutes
                fixed += minutes if place.is_fixed else 0
            found.append((session_id, used, fixed, room))
        return found

    def conflicts(self, facts: Facts) -> list[Conflict]:
        """Fixed cases that take more than the whole session, expected minutes and no margin."""
        column = facts.instance.column
        used: dict[int, int] = {}
        for place in facts.standing.fixed:
            if place.session >= 0:
                minutes = column("patients", "expected_minutes")[place.entry]
                turnaround = column("sessions", "turnaround_minutes")[place.session]
                used[place.session] = used.get(place.session, 0) + int(minutes + turnaround)
        conflicts = []
        for place in facts.standing.fixed:
            if place.session < 0:
                continue
            turnaround = int(column("sessions", "turnaround_minutes")[place.session])
            there = int(column("sessions", "minutes")[place.session])
            needed = used[place.session] - turnaround
            if needed > there:
                entry_id = column("patients", "entry_id")[place.entry]
                problem = f"its bookings take {needed} minutes; the session has {there}"
                conflicts.append(Conflict(entry_id, place.session_id, problem, "session minutes"))
        return conflicts

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """Minutes used and to be used of every session in use."""
        rows = [(session_id, used, room, "minutes") for session_id, used, _, room in self._minutes(facts, allocation)]
        return pd.DataFrame(rows, columns=["what", "used", "limit", "unit"])


def _capacity_rows(columns: Columns, weight: Ints, room: Ints, used: Bools) -> Rows:
    """sum of weight x <= room (times open), a row a session with an option that is `used`."""
    counted = np.flatnonzero(used)
    sessions, row = numbered(columns.options.session[counted])
    opening = columns.opening_column[sessions]
    opens = np.flatnonzero(opening >= 0)
    return Rows.of(
        columns.n,
        list(columns.facts.instance.column("sessions", "session_id")[sessions]),
        np.concatenate([row, opens]),
        np.concatenate([counted, opening[opens]]),
        np.concatenate([weight[counted], -room[sessions][opens]]),
        upper=np.where(opening >= 0, 0, room[sessions]),
    )
