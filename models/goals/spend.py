"""spend: lowest cost of all placements, openings of sessions included.

minimise sum of price[e, s] x[e, s] + sum of opening[s] open[s], in pence; price = the session's price a
case, else the entry's tariff, else `default_case_gbp`. A session is open where anybody is placed in it.
Source: the NHS payment scheme pays a tariff that follows the procedure; prices of lists are local contracts.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.rows import Rows
from allocator.rule import Columns, Goal, Price, parameter
from models.cost import case_pence, case_pence_of, opening_columns, opening_pence, opening_rows, openings_in_pence
from models.scoring import counted_placements


class Spend(Goal):
    """Pence, as few as possible."""

    name: ClassVar[str] = "spend"
    sentence: ClassVar[str] = "The plan costs as little as possible, the opening of sessions included."
    sense: ClassVar[Literal["min", "max"]] = "min"
    unit: ClassVar[str] = "pence"

    default_case_gbp: float = parameter(
        2000.0, "Price of a case where neither session nor entry has one.", "GBP", ge=0, le=1_000_000
    )

    def rows(self, columns: Columns) -> Rows:
        """A session that takes somebody is open."""
        return opening_rows(columns)

    def price(self, columns: Columns) -> Price:
        """Pence of each placement and each opening."""
        values = np.zeros(columns.n, dtype=np.int64)
        values[: len(columns.options)] = case_pence(columns.options, self.default_case_gbp)
        values[opening_columns(columns)] = opening_pence(columns)
        return Price(values)

    def score(self, facts: Facts, allocation: Allocation) -> int:
        """Pence of every placement that counts, and of every session in use."""
        cases = sum(
            case_pence_of(patient, session, self.default_case_gbp)
            for patient, session in counted_placements(facts, allocation)
        )
        return cases + sum(openings_in_pence(facts, allocation).values())
