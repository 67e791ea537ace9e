"""travel: fewest minutes of travel, summed over everybody who is placed.

minimise sum of travel[e, s] x[e, s]. A booking whose journey is unknown counts nothing.
Source: equity of access; the journey is a cost that patients bear.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.rule import Columns, Goal, Price


class Travel(Goal):
    """Minutes of travel, as few as possible."""

    name: ClassVar[str] = "travel"
    sentence: ClassVar[str] = "People travel as few minutes as possible."
    sense: ClassVar[Literal["min", "max"]] = "min"
    unit: ClassVar[str] = "minutes"

    def price(self, columns: Columns) -> Price:
        """Travel minutes of each placement."""
        options = columns.options
        values = np.zeros(columns.n, dtype=np.int64)
        minutes = np.nan_to_num(options.travel_minutes, nan=0.0).astype(np.int64)
        values[: len(options)] = np.where(options.facts.standing.counted[options.entry], minutes, 0)
        return Price(values)

    def score(self, facts: Facts, allocation: Allocation) -> int:
        """Sum of the minutes, entry by entry."""
        total = 0
        for placement in allocation.placements:
            if facts.standing.counted[facts.instance.entry_row[placement.entry_id]]:
                site_code = facts.instance.session[placement.session_id]["site_code"]
                total += facts.travel_minutes(placement.entry_id, site_code) or 0
        return total
