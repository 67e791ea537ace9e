"""commitments: what was offered or booked stays.

x[e, s] = 1 for every place that is offered and not expired, booked, or reserved for an entry that is held.
Source: the data contract; a date that a patient was told is kept.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Limit, Violation


class Commitments(Limit):
    """Every fixed place is in the plan, as it was."""

    name: ClassVar[str] = "commitments"
    sentence: ClassVar[str] = "A date that was offered or booked is kept."
    blocked: ClassVar[str] = "the person already has a date"

    def rows(self, columns: Columns) -> Rows:
        """One row a fixed place."""
        options = columns.options
        fixed = np.flatnonzero(options.fixed)
        entry_ids, session_ids = options.of_entry("entry_id")[fixed], options.of_session("session_id")[fixed]
        keys = [f"{entry_id} in {session_id}" for entry_id, session_id in zip(entry_ids, session_ids, strict=True)]
        return Rows.of(columns.n, keys, np.arange(len(fixed)), fixed, np.ones(len(fixed)), lower=1)

    def _kept(self, facts: Facts) -> dict[tuple[str, str], str]:
        """(entry_id, session_id) -> state of every fixed place whose session is there."""
        entry_ids = facts.instance.column("patients", "entry_id")
        return {
            (entry_ids[place.entry], place.session_id): place.state
            for place in facts.standing.fixed
            if place.session >= 0
        }

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Fixed places that are missing or in another state, and places said to be fixed that are not."""
        kept = self._kept(facts)
        found = {(place.entry_id, place.session_id): place.state for place in allocation.placements}
        violations = []
        for (entry_id, session_id), state in kept.items():
            given = found.get((entry_id, session_id))
            if given != state:
                other = "the plan has no such place" if given is None else f"in the plan it is {given}"
                message = f"{session_id} is {state} for this entry; {other}"
                violations.append(Violation(self.name, message, (entry_id,)))
        for place in allocation.placements:
            if place.is_fixed and (place.entry_id, place.session_id) not in kept:
                message = f"{place.session_id} is {place.state} in the plan; no commitment says so"
                violations.append(Violation(self.name, message, (place.entry_id,)))
        return violations

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """Fixed places in the plan, against those that stand."""
        placed = sum(place.is_fixed for place in allocation.placements)
        rows = [("fixed places", placed, len(self._kept(facts)), "places")]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))
