"""routine_delay: fewest days late, summed over P3 and D3 entries without a due date of their own.

minimise sum over e of late[e], as in urgent_delay: max(0, t - due) where e is placed on day t, and
max(0, horizon end + unplaced_days - due) where it is not.
Source: P3 is due within three months of prioritisation (Federation of Surgical Specialty Associations; NHS
England, clinical guide to surgical prioritisation). There is no official due time for D3: 42 days is ours.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from allocator.allocation import Allocation
from allocator.instance import Array
from allocator.options import Facts
from allocator.rule import Columns, Goal, Price, parameter
from models.due import delay_price, delay_score, due_dates


class RoutineDelay(Goal):
    """Days late of P3 and D3 entries, as few as possible."""

    name: ClassVar[str] = "routine_delay"
    sentence: ClassVar[str] = "People of priority P3 and D3 are late by the fewest days."
    sense: ClassVar[Literal["min", "max"]] = "min"
    unit: ClassVar[str] = "days"

    p3_days: int = parameter(84, "Days from prioritisation until P3 is due.", "days", ge=0, le=730)
    d3_days: int = parameter(
        42, "Days from prioritisation until D3 is due (ours, no official due time).", "days", ge=0, le=730
    )
    unplaced_days: int = parameter(28, "Days after the horizon that unplaced counts as late.", "days", ge=0, le=365)

    @property
    def _days(self) -> dict[str, int]:
        return {"P3": self.p3_days, "D3": self.d3_days}

    def due(self, facts: Facts) -> Array:
        """The day each entry is due, shape (n_entries,), NaT for the others."""
        return due_dates(facts.instance, self._days, own=False)

    def price(self, columns: Columns) -> Price:
        """Everybody unplaced, less the days that each placement saves."""
        return delay_price(columns, self.due(columns.facts), self.unplaced_days)

    def score(self, facts: Facts, allocation: Allocation) -> int:
        """Days late, entry by entry."""
        return delay_score(facts, allocation, self._days, self.unplaced_days, own=False)
