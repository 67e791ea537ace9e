"""urgent_delay: fewest days late, summed over urgent entries.

minimise sum over urgent e of late[e], with late = max(0, t - due) where e is placed on day t, and
max(0, horizon end + unplaced_days - due) where it is not placed. Urgent are P2, D2 and every entry with a
due date of its own (for planned care: the day it becomes due). Who is already overdue gains most.
Source: P2 is due within a month of prioritisation (Federation of Surgical Specialty Associations; NHS
England, clinical guide to surgical prioritisation). There is no official due time for D2: 14 days is ours.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from allocator.allocation import Allocation
from allocator.instance import Array
from allocator.options import Facts
from allocator.rule import Columns, Goal, Price, parameter
from models.due import delay_price, delay_score, due_dates


class UrgentDelay(Goal):
    """Days late of urgent entries, as few as possible."""

    name: ClassVar[str] = "urgent_delay"
    sentence: ClassVar[str] = (
        "Urgent people, and those with a date of their own to be treated by, are late by the fewest days."
    )
    sense: ClassVar[Literal["min", "max"]] = "min"
    unit: ClassVar[str] = "days"

    p2_days: int = parameter(28, "Days from prioritisation until P2 is due.", "days", ge=0, le=365)
    d2_days: int = parameter(
        14, "Days from prioritisation until D2 is due (ours, no official due time).", "days", ge=0, le=365
    )
    unplaced_days: int = parameter(28, "Days after the horizon that unplaced counts as late.", "days", ge=0, le=365)

    @property
    def _days(self) -> dict[str, int]:
        return {"P2": self.p2_days, "D2": self.d2_days}

    def due(self, facts: Facts) -> Array:
        """The day each entry is due, shape (n_entries,), NaT for the others."""
        return due_dates(facts.instance, self._days, own=True)

    def price(self, columns: Columns) -> Price:
        """Everybody unplaced, less the days that each placement saves."""
        return delay_price(columns, self.due(columns.facts), self.unplaced_days)

    def score(self, facts: Facts, allocation: Allocation) -> int:
        """Days late, entry by entry."""
        return delay_score(facts, allocation, self._days, self.unplaced_days, own=True)
