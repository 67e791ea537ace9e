"""weeks_of_waiting: most waiting ended, and sooner rather than later.

maximise sum of (waited[e] + left[s]) x[e, s], with waited = max(0, plan date - waits_from[e]) and
left = max(0, horizon end - day(s)), in days: weeks would have to be rounded. People read it in weeks.
The longest waiters weigh most, and a place a week earlier is worth a week. Later goals may spend 0.5% of it.
Source: the aim of elective recovery is to end long waits; the tolerance is a default a hub sets for itself.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.rule import Columns, Goal, Price, parameter
from models.due import days_after
from models.scoring import counted_placements, waiting_since


class WeeksOfWaiting(Goal):
    """Days of waiting ended, as many as possible."""

    name: ClassVar[str] = "weeks_of_waiting"
    sentence: ClassVar[str] = "As many weeks of waiting as possible come to an end, sooner rather than later."
    sense: ClassVar[Literal["min", "max"]] = "max"
    unit: ClassVar[str] = "days"

    tolerance: float = parameter(
        0.005,
        "Share of the value that later goals may spend, bookings and constants left out.",
        "share",
        ge=0,
        le=1,
    )

    def price(self, columns: Columns) -> Price:
        """Days waited so far and days left in the horizon, for each placement."""
        options = columns.options
        info = columns.facts.instance.info
        waited = days_after(columns.facts.instance.waits_from, info.plan_date)
        left = days_after(options.of_session("date"), info.horizon_end)
        values = np.zeros(columns.n, dtype=np.int64)
        values[: len(options)] = np.where(
            columns.facts.standing.counted[options.entry], waited[options.entry] + left, 0
        )
        return Price(values)

    def score(self, facts: Facts, allocation: Allocation) -> int:
        """The same, placement by placement."""
        info = facts.instance.info
        total = 0
        for patient, session in counted_placements(facts, allocation):
            since = waiting_since(patient) or info.plan_date
            total += max(0, (info.plan_date - since).days)
            total += max(0, (info.horizon_end - session["date"].item()).days)
        return total
