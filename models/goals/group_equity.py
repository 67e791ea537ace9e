"""group_equity: least shortfall of each group's places below its share (the elastic form).

minimise sum over groups g of s[g], with p[g] + s[g] >= floor((1 - tolerance) x P x n[g] / N) and s[g] >= 0:
P new placements in all, p[g] of them in g, n[g] of the N entries with a new option. Groups without options
are skipped and shown; bookings are left out on both sides. The rows are whole numbers: see models/equity.py.
Source: the five fifths of the Index of Multiple Deprivation are the Core20PLUS5 groups of NHS England; the
tolerance is a default that a hub sets for itself.
"""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.options import Facts, Options
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Auxiliary, Columns, Goal, Price, parameter
from models.equity import Floor, floor_rows, group_floors, group_label


class GroupEquity(Goal):
    """People short of their group's share, as few as possible."""

    name: ClassVar[str] = "group_equity"
    sentence: ClassVar[str] = "Each group, such as each fifth of deprivation, gets its share of the places."
    sense: ClassVar[Literal["min", "max"]] = "min"
    unit: ClassVar[str] = "people"

    group_column: str = parameter("imd_quintile", "Column of patients that names the group.")
    equity_tolerance: float = parameter(
        0.02, "Part of its share that a group may miss without a shortfall.", "share", ge=0, le=1
    )
    min_size: int = parameter(1, "Groups with fewer entries that have an option are left out.", "people", ge=1)

    def _floors(self, options: Options) -> tuple[Floor, ...]:
        return group_floors(options, self.group_column, self.equity_tolerance, self.min_size)

    def auxiliaries(self, options: Options) -> tuple[Auxiliary, ...]:
        """The shortfall of each group; nobody without an option can be short of a place."""
        return tuple(Auxiliary(floor.key, floor.size) for floor in self._floors(options))

    def rows(self, columns: Columns) -> Rows:
        """One row a group, its shortfall in it."""
        return floor_rows(columns, self._floors(columns.options), columns.auxiliary_columns(self.label))

    def price(self, columns: Columns) -> Price:
        """The shortfalls themselves."""
        values = np.zeros(columns.n, dtype=np.int64)
        values[columns.auxiliary_columns(self.label)] = 1
        return Price(values)

    def score(self, facts: Facts, allocation: Allocation) -> int:
        """Sum over the groups of what they are short of their floor."""
        return sum(max(0, floor - placed) for floor, placed in self._groups(facts, allocation).values())

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """New places of each group, and its floor."""
        rows = [(group, placed, floor, "people") for group, (floor, placed) in self._groups(facts, allocation).items()]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))

    def _groups(self, facts: Facts, allocation: Allocation) -> dict[str, tuple[int, int]]:
        """Group -> (its floor, its new placements), by group."""
        patient = facts.instance.patient
        sizes = Counter(group_label(patient[entry_id][self.group_column]) for entry_id in allocation.with_option)
        new = [place.entry_id for place in allocation.placements if not place.is_fixed]
        placed = Counter(group_label(patient[entry_id][self.group_column]) for entry_id in new)
        kept = 1 - Fraction(str(self.equity_tolerance))
        return {
            group: (math.floor(kept * len(new) * size / sizes.total()), placed[group])
            for group, size in sorted(sizes.items())
            if size >= self.min_size
        }
