"""independent_access (hard form): each home trust gets its share of independent places, within each service.

For every service v and home provider h with at least `min_size` entries of v that have a new option at
an independent provider other than their own,
    placed[h, v] >= floor((1 - tolerance) x placed[v] x n[h, v] / n[v]),
n = such entries, placed = new placements at such providers; bookings are left out. A trust without such
options has no floor. Whole numbers (`models.equity`). Not in the daily policy: there it is a goal.
Source: independent capacity is bought for the whole system; the tolerance is a default that a hub sets
for itself.
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
from models.equity import access_floors, floor_rows


class IndependentAccess(Limit):
    """A floor under every home trust's share of new independent places, service by service."""

    name: ClassVar[str] = "independent_access"
    sentence: ClassVar[str] = "Every trust's patients get their fair share of independent places in each service."
    blocked: ClassVar[str] = "another trust would fall below its fair share of independent places"

    equity_tolerance: float = parameter(
        0.02, "Part of its fair share that a trust may fall short by.", "share", ge=0, le=1
    )
    min_size: int = parameter(1, "Fewest entries with an option for which a trust has a floor.", "entries", ge=1)

    def rows(self, columns: Columns) -> Rows:
        """One row a home provider and service with a floor."""
        return floor_rows(columns, access_floors(columns.options, self.equity_tolerance, self.min_size))

    def _floors(self, facts: Facts, allocation: Allocation) -> list[tuple[str, int, int]]:
        """(home provider and service, placed, floor), from the tables and the base of the allocation."""
        instance = facts.instance
        size: Counter[tuple[str, str, str]] = Counter()
        for entry_id in allocation.with_independent_option:
            patient = instance.patient[entry_id]
            size[patient["care_kind"], patient["service_code"], patient["home_provider"]] += 1
        placed: Counter[tuple[str, str, str]] = Counter()
        for place in allocation.placements:
            patient = instance.patient[place.entry_id]
            host = instance.site[instance.session[place.session_id]["site_code"]]["provider_code"]
            bought = instance.provider_sector[host] == "independent" and host != patient["home_provider"]
            if bought and not place.is_fixed:
                placed[patient["care_kind"], patient["service_code"], patient["home_provider"]] += 1
        floors = []
        for (kind, service, home), entries in sorted(size.items()):
            everybody = sum(n for key, n in size.items() if key[:2] == (kind, service))
            places = sum(n for key, n in placed.items() if key[:2] == (kind, service))
            fair = (1 - Fraction(str(self.equity_tolerance))) * places * entries / everybody
            floor = math.floor(fair) if entries >= self.min_size else 0
            floors.append((f"{home}, {kind} {service}", placed[kind, service, home], floor))
        return floors

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Trusts below their floor in a service."""
        return [
            Violation(self.name, f"{name}: {placed} new independent places; its floor is {floor}")
            for name, placed, floor in self._floors(facts, allocation)
            if placed < floor
        ]

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """New independent places of every trust and service with an option; `limit` is the floor."""
        rows = [(name, placed, floor, "places") for name, placed, floor in self._floors(facts, allocation)]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))
