"""one_place: an entry has one placement at most.

sum over s of x[e, s] <= 1 for every entry e with an option.
Source: an entry stands for one procedure or test, done once.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Conflict, Limit, Violation
from models.numbering import numbered


class OnePlace(Limit):
    """At most one placement an entry."""

    name: ClassVar[str] = "one_place"
    sentence: ClassVar[str] = "Nobody is given two places for the same procedure or test."
    blocked: ClassVar[str] = "the person already has a place"

    def rows(self, columns: Columns) -> Rows:
        """One row an entry that has an option."""
        entries, row = numbered(columns.options.entry)
        entry_ids = columns.facts.instance.column("patients", "entry_id")[entries]
        return Rows.of(columns.n, list(entry_ids), row, np.arange(len(row)), np.ones(len(row)), upper=1)

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Entries with two placements, of which one at least is new."""
        return [
            Violation(self.name, f"{entry_id} has {len(places)} places; at most 1 is allowed", (entry_id,))
            for entry_id, places in allocation.of_entry.items()
            if len(places) > 1 and not all(place.is_fixed for place in places)
        ]

    def conflicts(self, facts: Facts) -> list[Conflict]:
        """Entries with more than one place that stays; their sessions have room, so they stay open."""
        entry_ids = facts.instance.column("patients", "entry_id")
        held = Counter(place.entry for place in facts.standing.fixed)
        return [
            Conflict(
                entry_ids[place.entry],
                place.session_id,
                f"the entry has {held[place.entry]} places that stay; 1 is meant",
                "its other places",
                closes=False,
            )
            for place in facts.standing.fixed
            if held[place.entry] > 1
        ]

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """Entries with a place, against all entries."""
        rows = [("entries with a place", len(allocation.of_entry), len(facts.instance.entry_row), "entries")]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))
