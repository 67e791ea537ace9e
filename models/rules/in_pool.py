"""in_pool: only entries that are waiting for a place now are given one.

Keep (e, s) where e is not held, not treated and has no offer or booking, its priority is not deferred,
its pathway is not cancer (unless `admit_cancer`), and
    planned care: date[s] >= due_date[e], and the due date is known;
    dated at home: date[s] < home_tci_date[e].
A place on the due date is allowed; one on the day of the date at home is not, for it wins nothing.
Source: NHS England RTT guidance (planned patients wait from their due date); P5 and P6 are withdrawn codes
of deferral (FSSA prioritisation guide); cancer has its own pathway and targets, and a hub may admit it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from allocator.allocation import Allocation
from allocator.change import Miss
from allocator.instance import Bools, Instance
from allocator.options import Facts, Options
from allocator.rule import Screen, Violation, parameter
from models.screening import latest_commitments, no_session, sessions_of_entry, share_of


class InPool(Screen):
    """Not deferred, held, settled, planned before due, cancer, or dated at home before the session."""

    name: ClassVar[str] = "in_pool"
    sentence: ClassVar[str] = (
        "Places go to entries that wait for one now: not deferred, held back, already settled, "
        "planned for later, on a cancer pathway, or dated at home before the session."
    )
    refusal: ClassVar[str] = "the entry is not waiting for a place now"
    ruled_out: ClassVar[str] = "on days on which this entry is not waiting"

    admit_cancer: bool = parameter(False, "May entries on a cancer pathway be placed.")
    deferred_priorities: tuple[str, ...] = parameter(
        ("P5", "P6"), "Priorities that mean deferred: such entries are not placed."
    )

    def keep(self, options: Options) -> Bools:
        """(n_options,) the entry waits for a place, and wants one on the day of the session."""
        column = options.instance.column
        pathway, due = column("patients", "pathway"), column("patients", "due_date")
        planned = pathway == "planned"
        waiting = options.facts.standing.waiting & ~np.isin(
            column("patients", "clinical_priority").astype(str), self.deferred_priorities
        )
        waiting &= ~(planned & np.isnat(due)) & (self.admit_cancer | (pathway != "cancer"))
        first = np.where(planned, due, np.datetime64("0001-01-01"))
        dated = column("patients", "home_tci_date")
        before = np.where(np.isnat(dated), np.datetime64("9999-12-31"), dated)
        day = column("sessions", "date")[options.session]
        keep: Bools = waiting[options.entry] & (day >= first[options.entry]) & (day < before[options.entry])
        return keep

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """New placements of entries that are not in the pool on the day of the session."""
        settled = _settled(facts.instance)
        violations = []
        for placement in allocation.placements:
            if placement.is_fixed:
                continue
            entry_id = placement.entry_id
            day = facts.instance.session[placement.session_id]["date"]
            problem = (
                settled.get(entry_id) or self._never(facts, entry_id) or _not_on(facts.instance.patient[entry_id], day)
            )
            if problem:
                violations.append(Violation(self.name, f"{problem}; placed on {day}", (entry_id,)))
        return violations

    def _never(self, facts: Facts, entry_id: str) -> str:
        """Why no session may take the entry, whatever is settled about it; empty where one may."""
        patient = facts.instance.patient[entry_id]
        if patient["held"]:
            return "the entry is held back because its data are damaged"
        if patient["clinical_priority"] in self.deferred_priorities:
            return f"priority {patient['clinical_priority']} means that the procedure is deferred"
        if patient["pathway"] == "cancer" and not self.admit_cancer:
            return "the entry is on a cancer pathway, which this policy leaves to the cancer teams"
        if patient["pathway"] == "planned" and np.isnat(patient["due_date"]):
            return "the entry is planned and its due date is not known"
        return ""

    def miss(self, facts: Facts, entry_id: str, session_id: str) -> Miss:
        """Why the entry waits for no place on that day: facts about the patient, which nobody is asked to change."""
        day = facts.instance.session[session_id]["date"]
        never = self._never(facts, entry_id) or _standing(facts, entry_id)
        return Miss(f"not for this entry: {never or _not_on(facts.instance.patient[entry_id], day)}")

    def reason(self, facts: Facts, entry_id: str) -> str:
        """What keeps the entry out of the pool, with its dates."""
        instance = facts.instance
        never = self._never(facts, entry_id) or _standing(facts, entry_id)
        if never:
            return f"{never[0].upper()}{never[1:]}."
        patient = instance.patient[entry_id]
        days = [instance.session[session_id]["date"] for session_id in sessions_of_entry(facts, entry_id)]
        problems = [problem for day in days if (problem := _not_on(patient, day))]
        if not problems:
            return no_session(len(days), "is on a day on which this entry is not waiting")
        most_often = max(sorted(set(problems)), key=problems.count)
        subject = share_of(problems.count(most_often), len(days))
        return f"{subject} on a day that does not count for this entry ({min(days)} to {max(days)}): {most_often}."


def _not_on(patient: Any, day: Any) -> str:
    """Why a place on this day is not for the entry; empty where it is."""
    if patient["pathway"] == "planned" and day < patient["due_date"]:
        return f"the planned procedure is not due before {patient['due_date']}"
    if not np.isnat(patient["home_tci_date"]) and day >= patient["home_tci_date"]:
        return f"the home provider has already given the date {patient['home_tci_date']}"
    return ""


def _standing(facts: Facts, entry_id: str) -> str:
    """Why an entry that is not held waits for nothing; empty where it waits."""
    entry, standing = facts.instance.entry_row[entry_id], facts.standing
    if standing.waiting[entry]:
        return ""
    return "the patient has been treated" if standing.treated[entry] else "a place is already offered or booked"


def _settled(instance: Instance) -> dict[str, str]:
    """entry_id -> why commitments take it out of the pool, from the commitments table alone."""
    today = np.datetime64(instance.info.plan_date)
    settled: dict[str, str] = {}
    for (entry_id, _, _), (state, expires_on) in latest_commitments(instance).items():
        if state == "treated":
            settled[entry_id] = "the patient has been treated"
        elif state == "booked" or (state == "offered" and not expires_on < today):
            settled.setdefault(entry_id, f"a place is already {state}")
    return settled
