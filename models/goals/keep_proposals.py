"""keep_proposals: fewest changes to what was proposed before, nearer dates weighing more.

minimise sum over proposals (e, s) of weight[s] (1 - x[e, s]), with
weight = 1 + max(0, near_days - days from the plan date to the day of s), a day gone by counting as today.
Only entries that wait for a place have a proposal to keep. One whose session is no longer in the list is
left out; one that a rule no longer allows counts as changed in every plan.
Source: people and theatres make arrangements from a first proposal; the weight is a default of ours.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.rule import Columns, Goal, Price, parameter


class KeepProposals(Goal):
    """Changes to earlier proposals, weighted, as few as possible."""

    name: ClassVar[str] = "keep_proposals"
    sentence: ClassVar[str] = (
        "What was proposed before changes as little as possible, least of all for dates that are near."
    )
    sense: ClassVar[Literal["min", "max"]] = "min"
    unit: ClassVar[str] = "weighted changes"

    near_days: int = parameter(28, "Proposals nearer than this weigh more, a day by day.", "days", ge=0, le=365)

    def price(self, columns: Columns) -> Price:
        """Every proposal changed, less those that are kept."""
        options, instance = columns.options, columns.facts.instance
        session_of = np.full(len(columns.facts.standing.waiting), -1, dtype=np.int64)
        for entry, session_id in columns.facts.standing.proposed.items():
            session_of[entry] = instance.session_row.get(session_id, -1)
        session_of[~columns.facts.standing.waiting] = -1
        ahead = (instance.column("sessions", "date") - np.datetime64(instance.info.plan_date)) / np.timedelta64(1, "D")
        weight = 1 + np.maximum(0, self.near_days - np.maximum(0, ahead)).astype(np.int64)
        kept = session_of[options.entry] == options.session
        values = np.zeros(columns.n, dtype=np.int64)
        values[: len(options)] = np.where(kept, -weight[options.session], 0)
        return Price(values, int(weight[session_of[session_of >= 0]].sum()))

    def score(self, facts: Facts, allocation: Allocation) -> int:
        """Weight of every proposal that the plan does not keep."""
        instance = facts.instance
        total = 0
        for entry, session_id in facts.standing.proposed.items():
            if session_id not in instance.session_row or not facts.standing.waiting[entry]:
                continue
            ahead = max(0, (instance.session[session_id]["date"].item() - instance.info.plan_date).days)
            places = allocation.of_entry.get(instance.column("patients", "entry_id")[entry], ())
            if session_id not in {place.session_id for place in places}:
                total += 1 + max(0, self.near_days - ahead)
        return total
