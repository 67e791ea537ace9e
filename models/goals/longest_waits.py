"""longest_waits: most entries that would be over a wait band at its reporting date are placed by then.

For each band of N weeks, highest first, each a goal of its own:
maximise sum over reporting dates r of x[e, s] where r - waits_from[e] > 7 N days and day(s) <= r.
Bands are cumulative: somebody over 104 weeks is over 52 weeks too. Planned care waits from its due date.
Source: national thresholds, which move: 104 weeks by July 2022, 78 by March 2023, 65 by March 2024,
52 by March 2025 (NHS England, elective recovery plan and planning guidance).
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
from pydantic import field_validator

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.rule import Columns, Goal, Price, parameter
from models.scoring import counted_placements, waiting_since


class LongestWaits(Goal):
    """Entries over a band that are placed by the reporting date, as many as possible."""

    name: ClassVar[str] = "longest_waits"
    sentence: ClassVar[str] = (
        "As many of the longest waiters as possible are seen by the month end, highest band first."
    )
    sense: ClassVar[Literal["min", "max"]] = "max"
    unit: ClassVar[str] = "people at reporting dates"

    over_weeks: tuple[int, ...] = parameter(
        (104, 78, 65, 52), "Bands, highest first: over N weeks is more than 7N days.", "weeks", min_length=1
    )

    @field_validator("over_weeks")
    @classmethod
    def _highest_first(cls, weeks: tuple[int, ...]) -> tuple[int, ...]:
        if min(weeks) < 0 or any(later >= earlier for earlier, later in pairwise(weeks)):
            raise ValueError("bands must be 0 or more and stand highest first, each once, for example [104, 78]")
        return weeks

    @property
    def label(self) -> str:
        """longest_waits_52w for the band of 52 weeks."""
        return f"{self.name}_{self.over_weeks[0]}w" if len(self.over_weeks) == 1 else self.name

    def parts(self) -> tuple[Goal, ...]:
        """One goal a band."""
        return tuple(self.model_copy(update={"over_weeks": (weeks,)}) for weeks in self.over_weeks)

    def bands_weeks(self) -> tuple[int, ...]:
        """The bands, highest first."""
        return self.over_weeks

    def price(self, columns: Columns) -> Price:
        """For each placement, how many bands and reporting dates it counts for."""
        options = columns.options
        instance = columns.facts.instance
        since, day = instance.waits_from[options.entry], options.of_session("date")
        counts = np.zeros(len(options), dtype=np.int64)
        for date in map(np.datetime64, instance.info.counted_on):
            for weeks in self.over_weeks:
                counts += (date - since > np.timedelta64(7 * weeks, "D")) & (day <= date)  # NaT is never over
        values = np.zeros(columns.n, dtype=np.int64)
        values[: len(options)] = np.where(columns.facts.standing.counted[options.entry], counts, 0)
        return Price(values)

    def score(self, facts: Facts, allocation: Allocation) -> int:
        """The same, placement by placement."""
        total = 0
        for patient, session in counted_placements(facts, allocation):
            since = waiting_since(patient)
            for date in facts.instance.info.counted_on:
                if since is not None and session["date"].item() <= date:
                    total += sum((date - since).days > 7 * weeks for weeks in self.over_weeks)
        return total
