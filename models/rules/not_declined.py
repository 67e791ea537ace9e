"""not_declined: what was declined or refused is not offered again.

Drop (e, s) where the latest commitment of the pair (e, s), or of e and the site of s, is `declined` or
`host_refused`. A later row for the same pair (`cancelled`, `proposed`) lifts it.
Source: the project's data contract, states of commitments; declining a date is the patient's right
(NHS England, Elective access policy model).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.change import Change, Edit, Miss
from allocator.instance import Bools
from allocator.options import Facts, Options
from allocator.rule import Screen, Violation
from models.screening import latest_commitments, no_session, sessions_of_entry, share_of

WORDS = {"declined": "the patient declined", "host_refused": "the host refused"}


class NotDeclined(Screen):
    """No session or site that the patient declined or the host refused."""

    name: ClassVar[str] = "not_declined"
    sentence: ClassVar[str] = (
        "A session or site that the patient declined, or that refused the patient, is not tried again."
    )
    refusal: ClassVar[str] = "every suitable session was declined by the patient or refused by the host"
    ruled_out: ClassVar[str] = "declined by the patient or refused by the host"

    def keep(self, options: Options) -> Bools:
        """(n_options,) neither the session nor its site is barred for the entry."""
        instance, barred = options.instance, options.facts.standing.barred
        n_entries = len(instance.column("patients", "entry_id"))
        touched = np.zeros(n_entries, dtype=bool)
        touched[[entry for entry, _, _ in barred]] = True
        suspects = np.flatnonzero(touched[options.entry])
        entry, session, site = options.entry[suspects], options.session[suspects], options.site[suspects]
        # Rows of sessions are numbered first, then rows of sites: one number a barred pair.
        n_sessions = len(instance.session_row)
        width = np.int64(n_sessions + len(instance.site_row))
        pairs = [
            entry_row * width + place
            for entry_row, session_id, site_code in barred
            if (place := _place(options.facts, session_id, site_code)) is not None
        ]
        keep = np.ones(len(options), dtype=bool)
        keep[suspects] = ~(np.isin(entry * width + session, pairs) | np.isin(entry * width + n_sessions + site, pairs))
        return keep

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """New placements in what was declined or refused, read from the commitments table itself."""
        latest = latest_commitments(facts.instance)
        violations = []
        for placement in allocation.placements:
            if placement.is_fixed:
                continue
            entry_id, session_id = placement.entry_id, placement.session_id
            site_code = facts.instance.session[session_id]["site_code"]
            for pair in ((entry_id, session_id, ""), (entry_id, "", site_code)):
                state, _ = latest.get(pair, ("", None))
                if state in WORDS:
                    message = f"{WORDS[state]} {session_id if pair[1] else site_code} before"
                    violations.append(Violation(self.name, message, (entry_id,)))
        return violations

    def miss(self, facts: Facts, entry_id: str, session_id: str) -> Miss:
        """Who turned it down, and that they take it back: a later row, cancelled, for each that bars the pair."""
        instance, barred = facts.instance, facts.standing.barred
        entry, site_code = instance.entry_row[entry_id], instance.session[session_id]["site_code"]
        bars = [pair for pair in ((entry, session_id, ""), (entry, "", site_code)) if pair in barred]
        states = sorted({barred[pair] for pair in bars})
        later = pd.Timestamp(instance.column("commitments", "recorded_on").max()) + pd.Timedelta(seconds=1)
        edits = tuple(
            Edit(
                "commitments",
                {"entry_id": entry_id, "session_id": session, "site_code": site, "recorded_on": later},
                {"state": "cancelled"},
            )
            for _, session, site in bars
        )
        who = " and ".join(WORDS[state].removeprefix("the ").split()[0] for state in states)
        where = " and ".join(session or f"site {site}" for _, session, site in bars)
        kind = "agreement" if "declined" in states else "acceptance"
        change = Change(kind, len(bars), f"the {who} reconsidered {where}", edits)
        return Miss(f"turned down before by the {who}", change=change)

    def reason(self, facts: Facts, entry_id: str) -> str:
        """How many sessions were declined or refused, and by whom."""
        instance, barred = facts.instance, facts.standing.barred
        entry = instance.entry_row[entry_id]
        session_ids = sessions_of_entry(facts, entry_id)
        states = []
        for session_id in session_ids:
            site_code = instance.session[session_id]["site_code"]
            state = barred.get((entry, session_id, "")) or barred.get((entry, "", site_code))
            states += [state] if state else []
        if not states:
            return no_session(len(session_ids), "was declined or refused before")
        who = ", ".join(f"{WORDS[state]} {states.count(state)}" for state in WORDS if state in states)
        subject = share_of(len(states), len(session_ids), "was", "were")
        return f"{subject} turned down before, alone or with the whole site: {who}."


def _place(facts: Facts, session_id: str, site_code: str) -> int | None:
    """Number of a session, or of a site after all sessions; None where it is not in the tables."""
    instance = facts.instance
    if session_id:
        return instance.session_row.get(session_id)
    row = instance.site_row.get(site_code)
    return None if row is None else len(instance.session_row) + row
