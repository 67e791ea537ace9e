"""session_opening: a session that is worth opening only for enough cases gets enough or nobody.

open[s] is 0 or 1 for every session with min_cases or an opening cost:
    sum over e of x[e, s] <= options[s] open[s],
    sum over e of x[e, s] >= (min_cases[s] - host_cases[s]) open[s]     where that is above 0.
A session with a fixed place is open already: it needs no minimum.
Source: the host's own figure; a theatre team is not called in for one case.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Limit, Violation
from allocator.words import plural
from models.numbering import numbered


class SessionOpening(Limit):
    """At least min_cases or nobody, the host's own cases counted."""

    name: ClassVar[str] = "session_opening"
    sentence: ClassVar[str] = "A session is opened for enough people to be worth it, or for nobody."
    blocked: ClassVar[str] = "too few people fit the session for it to be opened"
    of_session: ClassVar[bool] = True

    def rows(self, columns: Columns) -> Rows:
        """Two rows a session with an opening: nobody before it opens, and enough once it is open."""
        column = columns.facts.instance.column
        options, opening = columns.options, columns.opening_column
        placed = np.flatnonzero(opening[options.session] >= 0)
        sessions, row = numbered(options.session[placed])
        count = np.bincount(row)
        missing = (column("sessions", "min_cases") - column("sessions", "host_cases"))[sessions]
        session_ids = column("sessions", "session_id")[sessions]
        rows = np.concatenate([row, np.arange(len(sessions))])
        places = np.concatenate([placed, opening[sessions]])
        ones = np.ones(len(placed), dtype=np.int64)
        links = Rows.of(columns.n, list(session_ids), rows, places, np.concatenate([ones, -count]), upper=0)
        names = [f"{session_id} has enough cases" for session_id in session_ids]
        enough = Rows.of(columns.n, names, rows, places, np.concatenate([ones, -np.maximum(0, missing)]), lower=0)
        needed = np.flatnonzero(missing > 0)
        minimum = enough.take(needed)
        return Rows.stacked([links, minimum])

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Sessions with new places only, and fewer cases than are worth opening for."""
        violations = []
        for session_id, places in allocation.of_session.items():
            session = facts.instance.session[session_id]
            cases = int(session["host_cases"]) + len(places)
            if cases < session["min_cases"] and not any(place.is_fixed for place in places):
                held = f"{plural(cases, 'case')}, the host's included"
                message = f"{session_id}: {held}; {session['min_cases']} are worth opening for"
                violations.append(Violation(self.name, message, tuple(place.entry_id for place in places)))
        return violations

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """Cases of every session in use that has a minimum; `limit` is the minimum."""
        rows = [
            (session_id, int(session["host_cases"]) + len(places), int(session["min_cases"]), "cases")
            for session_id, places in allocation.of_session.items()
            if (session := facts.instance.session[session_id])["min_cases"] > 0
        ]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))
