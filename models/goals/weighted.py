"""weighted: one objective instead of ordered goals: points for whom a place helps, less travel and money.

maximise sum of value[e, s] x[e, s] - opening[s] open[s], in thousandths of a point:
value = in_time (urgent, and placed by the due date) + the value of the wait band + per_week x weeks waited
        - per_travel_minute x minutes - per_gbp x price.
Weeks are whole weeks at the plan date; a band begins at its weeks (104 weeks and 0 days is in the band of
104). Urgent and due are those of urgent_delay. Money is rounded down to thousandths, a case and an opening
at a time. An unknown journey (a booking's) counts nothing.
Source: the weights of the first sketch of this allocator; ours, for benchmarks and comparison.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import model_validator

from allocator.allocation import Allocation
from allocator.instance import Array, Ints
from allocator.options import Facts, Options
from allocator.rows import Rows
from allocator.rule import Columns, Goal, Price, parameter
from models.cost import case_pence, case_pence_of, opening_columns, opening_pence, opening_rows, openings_in_pence
from models.due import days_after, due_dates, due_day
from models.scoring import Row, counted_placements, waiting_since

MOST = 10**9


class Weighted(Goal):
    """Points, as many as possible."""

    name: ClassVar[str] = "weighted"
    sentence: ClassVar[str] = (
        "Urgent and long waits earn points; travel and money cost points; the sum is as high as possible."
    )
    sense: ClassVar[Literal["min", "max"]] = "max"
    unit: ClassVar[str] = "thousandths"

    in_time: int = parameter(2_000_000, "An urgent entry placed by its due date.", "thousandths", ge=0, le=MOST)
    p2_days: int = parameter(28, "Days from prioritisation until P2 is due.", "days", ge=0, le=365)
    d2_days: int = parameter(
        14, "Days from prioritisation until D2 is due (ours, no official due time).", "days", ge=0, le=365
    )
    band_weeks: tuple[int, ...] = parameter((104, 78, 65), "Weeks at which a band begins, highest first.", "weeks")
    band_values: tuple[int, ...] = parameter(
        (1_000_000, 300_000, 100_000), "Value of a place in each band.", "thousandths"
    )
    below_bands: int = parameter(30_000, "Value of a place below all bands.", "thousandths", ge=0, le=MOST)
    per_week: int = parameter(500, "Value of a whole week waited.", "thousandths", ge=0, le=MOST)
    per_travel_minute: int = parameter(200, "Cost of a minute of travel.", "thousandths", ge=0, le=MOST)
    per_gbp: int = parameter(5, "Cost of a pound, for cases and openings.", "thousandths", ge=0, le=MOST)
    default_case_gbp: float = parameter(
        2000.0, "Price of a case where neither session nor entry has one.", "GBP", ge=0, le=1_000_000
    )

    @model_validator(mode="after")
    def _bands_fit(self) -> Weighted:
        if len(self.band_weeks) != len(self.band_values):
            raise ValueError("band_weeks and band_values must have the same length")
        if list(self.band_weeks) != sorted(set(self.band_weeks), reverse=True):
            raise ValueError("band_weeks must stand highest first, each once, for example [104, 78, 65]")
        return self

    @property
    def _days(self) -> dict[str, int]:
        return {"P2": self.p2_days, "D2": self.d2_days}

    def due(self, facts: Facts) -> Array:
        """The day each urgent entry is due, shape (n_entries,), NaT for the others."""
        return due_dates(facts.instance, self._days, own=True)

    def rows(self, columns: Columns) -> Rows:
        """A session that takes somebody is open."""
        return opening_rows(columns)

    def case_pence(self, options: Options) -> Ints:
        """Pence of each option, shape (n_options,); a goal with other prices overrides this and the next."""
        return case_pence(options, self.default_case_gbp)

    def case_pence_of(self, facts: Facts, patient: Row, session: Row) -> int:
        """Pence of one placement, from its two rows."""
        return case_pence_of(patient, session, self.default_case_gbp)

    def price(self, columns: Columns) -> Price:
        """Thousandths of each placement and each opening."""
        options = columns.options
        counted = options.facts.standing.counted[options.entry]
        minutes = np.nan_to_num(options.travel_minutes, nan=0.0).astype(np.int64)
        money = self.per_gbp * self.case_pence(options) // 100
        points = self._points(options) - self.per_travel_minute * minutes - money
        values = np.zeros(columns.n, dtype=np.int64)
        values[: len(options)] = np.where(counted, points, 0)
        values[opening_columns(columns)] = -(self.per_gbp * opening_pence(columns) // 100)
        return Price(values)

    def _points(self, options: Options) -> Ints:
        """(n_options,) what each placement earns, travel and money left out."""
        instance = options.instance
        weeks = days_after(instance.waits_from, instance.info.plan_date) // 7
        band = np.full(len(weeks), self.below_bands, dtype=np.int64)
        for start, value in reversed(list(zip(self.band_weeks, self.band_values, strict=True))):
            band[weeks >= start] = value
        due = self.due(options.facts)[options.entry]
        in_time = options.of_session("date") <= due  # NaT compares as False: nothing is due
        points: Ints = (band + self.per_week * weeks)[options.entry] + self.in_time * in_time
        return points

    def score(self, facts: Facts, allocation: Allocation) -> int:
        """The same, placement by placement, less the openings in use."""
        total = 0
        for patient, session in counted_placements(facts, allocation):
            minutes = facts.travel_minutes(patient["entry_id"], session["site_code"]) or 0
            money = self.case_pence_of(facts, patient, session)
            total += self._earned(facts, patient, session)
            total -= self.per_travel_minute * minutes + self.per_gbp * money // 100
        opened = openings_in_pence(facts, allocation).values()
        return total - sum(self.per_gbp * money // 100 for money in opened)

    def _earned(self, facts: Facts, patient: Row, session: Row) -> int:
        plan_date = facts.instance.info.plan_date
        weeks = max(0, (plan_date - (waiting_since(patient) or plan_date)).days // 7)
        band = next(
            (value for start, value in zip(self.band_weeks, self.band_values, strict=True) if weeks >= start),
            self.below_bands,
        )
        due = due_day(patient, self._days, own=True)
        in_time = due is not None and session["date"].item() <= due
        return band + self.per_week * weeks + (self.in_time if in_time else 0)
