"""group_equity (hard form): no group gets less than its share of new places, but for a tolerance.

For every group g of `group_column` with at least `min_size` entries that have a new option,
    placed[g] >= floor((1 - tolerance) x placed[all] x n[g] / n[all]),
n = entries with a new option, placed = new placements; bookings are left out of both. A group without
options has no floor. An empty cell is a group of its own, "unknown". Whole numbers (`models.equity`).
Not in the daily policy: it can empty theatres; there it is a goal.
Source: NHS England, Elective recovery guidance (2022) asks for lists by deprivation and ethnicity; the
tolerance is a default that a hub sets for itself.
"""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from typing import ClassVar

import pandas as pd

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Limit, Violation, parameter
from models.equity import floor_rows, group_floors, group_labels


class GroupEquity(Limit):
    """A floor under every group's share of new places."""

    name: ClassVar[str] = "group_equity"
    sentence: ClassVar[str] = "No group gets less than its fair share of new places, but for the tolerance."
    blocked: ClassVar[str] = "another group would fall below its fair share"

    group_column: str = parameter("imd_quintile", "Column of patients that names the group.", min_length=1)
    equity_tolerance: float = parameter(
        0.02, "Part of its fair share that a group may fall short by.", "share", ge=0, le=1
    )
    min_size: int = parameter(1, "Smallest group that has a floor, in entries with an option.", "entries", ge=1)

    def rows(self, columns: Columns) -> Rows:
        """One row a group with a floor."""
        return floor_rows(
            columns, group_floors(columns.options, self.group_column, self.equity_tolerance, self.min_size)
        )

    def _floors(self, facts: Facts, allocation: Allocation) -> list[tuple[str, int, int, int]]:
        """(group, placed, floor, entries with an option), from the tables and the base of the allocation."""
        group = dict(zip(facts.instance.entry_row, group_labels(facts.instance, self.group_column), strict=True))
        size = Counter(group[entry_id] for entry_id in allocation.with_option)
        placed = Counter(group[place.entry_id] for place in allocation.placements if not place.is_fixed)
        kept = 1 - Fraction(str(self.equity_tolerance))
        floors = []
        for name, entries in sorted(size.items()):
            floor = math.floor(kept * placed.total() * entries / size.total()) if entries >= self.min_size else 0
            floors.append((name, placed[name], floor, entries))
        return floors

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Groups below their floor."""
        return [
            Violation(self.name, f"{self.group_column} {name}: {placed} new places; its floor is {floor}")
            for name, placed, floor, _ in self._floors(facts, allocation)
            if placed < floor
        ]

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """New places of every group with an option; `limit` is its floor."""
        rows = [
            (f"{self.group_column} {name}", placed, floor, "places")
            for name, placed, floor, _ in self._floors(facts, allocation)
        ]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))
