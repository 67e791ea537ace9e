"""independent_access: least shortfall of each home trust's share of independent places, within each service.

minimise sum over home trusts h and services v of s[h, v], with
p[h, v] + s[h, v] >= floor((1 - tolerance) x P[v] x n[h, v] / N[v]) and s >= 0: P[v] new placements of the
service at independent providers, p[h, v] of them for entries of h, n[h, v] of the N[v] entries of the
service that have an option there. Bookings are left out on both sides. Rows: see models/equity.py.
Source: choice and access should not depend on which trust holds the list (NHS England, elective reform plan,
January 2025: equal access to the independent sector); the tolerance is a default that a hub sets for itself.
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
from models.equity import Floor, access_floors, floor_rows
from models.scoring import Row

Service = tuple[str, str]


class IndependentAccess(Goal):
    """People short of their trust's share of independent places, as few as possible."""

    name: ClassVar[str] = "independent_access"
    sentence: ClassVar[str] = (
        "Within each service, each trust's people get their share of the places at independent providers."
    )
    sense: ClassVar[Literal["min", "max"]] = "min"
    unit: ClassVar[str] = "people"

    equity_tolerance: float = parameter(
        0.02, "Part of its share that a trust may miss without a shortfall.", "share", ge=0, le=1
    )
    min_size: int = parameter(1, "Trusts with fewer entries that have such an option are left out.", "people", ge=1)

    def _floors(self, options: Options) -> tuple[Floor, ...]:
        return access_floors(options, self.equity_tolerance, self.min_size)

    def auxiliaries(self, options: Options) -> tuple[Auxiliary, ...]:
        """The shortfall of each trust in each service; nobody without an option can be short of a place."""
        return tuple(Auxiliary(floor.key, floor.size) for floor in self._floors(options))

    def rows(self, columns: Columns) -> Rows:
        """One row a trust and service, its shortfall in it."""
        return floor_rows(columns, self._floors(columns.options), columns.auxiliary_columns(self.label))

    def price(self, columns: Columns) -> Price:
        """The shortfalls themselves."""
        values = np.zeros(columns.n, dtype=np.int64)
        values[columns.auxiliary_columns(self.label)] = 1
        return Price(values)

    def score(self, facts: Facts, allocation: Allocation) -> int:
        """Sum over trusts and services of what they are short of their floor."""
        return sum(max(0, floor - placed) for floor, placed in self._trusts(facts, allocation).values())

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """New independent places of each trust in each service, and its floor."""
        rows = [
            (f"{home}, {kind} {code}", placed, floor, "people")
            for (home, (kind, code)), (floor, placed) in self._trusts(facts, allocation).items()
        ]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))

    def _trusts(self, facts: Facts, allocation: Allocation) -> dict[tuple[str, Service], tuple[int, int]]:
        """(home trust, service) -> (its floor, its new placements at independent providers)."""
        patient = facts.instance.patient
        sizes = Counter(_trust_and_service(patient[entry_id]) for entry_id in allocation.with_independent_option)
        placed = Counter(
            _trust_and_service(patient[place.entry_id])
            for place in allocation.placements
            if not place.is_fixed and _away_and_independent(facts, place.entry_id, place.session_id)
        )
        size_of, placed_of = _by_service(sizes), _by_service(placed)
        kept = 1 - Fraction(str(self.equity_tolerance))
        return {
            key: (math.floor(kept * placed_of[key[1]] * size / size_of[key[1]]), placed[key])
            for key, size in sorted(sizes.items())
            if size >= self.min_size
        }


def _trust_and_service(patient: Row) -> tuple[str, Service]:
    return patient["home_provider"], (patient["care_kind"], patient["service_code"])


def _away_and_independent(facts: Facts, entry_id: str, session_id: str) -> bool:
    instance = facts.instance
    host = instance.site[instance.session[session_id]["site_code"]]["provider_code"]
    return instance.provider_sector[host] == "independent" and host != instance.patient[entry_id]["home_provider"]


def _by_service(counts: Counter[tuple[str, Service]]) -> Counter[Service]:
    total: Counter[Service] = Counter()
    for (_, service), count in counts.items():
        total[service] += count
    return total
