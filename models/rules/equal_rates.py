"""equal_rates: each group's share that is placed lies close to everybody's, above as well as below.

For every group g of every column of `group_columns`, with t the tolerance of the column,
    abs(placed[g] - placed[base] x n[g] / n[base]) <= t x max(n[g], smallest),
n = entries with a new option, placed = new placements; bookings are left out of both. The base is everybody
or, with `within`, everybody of the group's region. An empty cell is a group, or a region, of its own. A plan
that places nobody new keeps the rule. Whole numbers (`models.equity`). In no shipped policy: a group that few
sessions suit holds everybody else back.
Source: ours, from the first sketch of this allocator; for benchmarks and for a hub that wants equal rates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import model_validator

from allocator.allocation import Allocation
from allocator.instance import Array, Instance
from allocator.options import Facts, Options
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Limit, Violation, parameter
from models.equity import Floor, floors_within, group_labels, new_options, rate_rows, split_by


class EqualRates(Limit):
    """A floor under, and a ceiling over, every group's share of new places."""

    name: ClassVar[str] = "equal_rates"
    sentence: ClassVar[str] = "Each group's share that is placed lies close to everybody's, above as well as below."
    blocked: ClassVar[str] = "the groups' shares of new places would lie too far apart"

    group_columns: tuple[str, ...] = parameter(
        ("imd_quintile", "home_provider"), "Columns of patients that name the groups.", min_length=1
    )
    tolerances: tuple[float, ...] = parameter(
        (0.02, 0.06), "For each column, how far a group's share placed may lie from everybody's, 0 to 1.", "share"
    )
    smallest: int = parameter(20, "A smaller group may be as many places off as one of this size.", "entries", ge=1)
    within: str = parameter("", "Column of patients that names the region to compare within; empty = none.")

    @model_validator(mode="after")
    def _tolerances_fit(self) -> EqualRates:
        if len(self.group_columns) != len(self.tolerances):
            raise ValueError("group_columns and tolerances must have the same length")
        if not all(0 <= tolerance <= 1 for tolerance in self.tolerances):
            raise ValueError("every tolerance must lie between 0 and 1")
        return self

    def rows(self, columns: Columns) -> Rows:
        """One row a group that is not the whole of its base."""
        found = [(share, self._slack(tolerance, share.size)) for share, tolerance in self._shares(columns.options)]
        return rate_rows(columns, [share for share, _ in found], [slack for _, slack in found])

    def _slack(self, tolerance: float, size: int) -> Fraction:
        """Places that a group of `size` entries may be off its share, exactly as the decimal was written."""
        return Fraction(str(tolerance)) * max(size, self.smallest)

    def _shares(self, options: Options) -> Iterator[tuple[Floor, float]]:
        """(share without tolerance, tolerance) of every group, region by region."""
        names, region = np.unique(self._regions(options.instance).astype("str"), return_inverse=True)
        free = new_options(options)
        groups = [group_labels(options.instance, column) for column in self.group_columns]
        for base in split_by(free, region[options.entry[free]]):
            for column, tolerance, group in zip(self.group_columns, self.tolerances, groups, strict=True):
                for share in floors_within(options, group, base, 0.0, 1):
                    if share.share < 1:
                        place = str(names[region[options.entry[base[0]]]])
                        yield replace(share, key=self._named(place, column, share.key)), tolerance

    def _regions(self, instance: Instance) -> Array:
        """The region of every entry, shape (n_entries,); "" where all are one."""
        if self.within:
            return group_labels(instance, self.within)
        return np.full(len(instance.entry_row), "", dtype=object)

    def _named(self, region: str, column: str, group: str) -> str:
        return f"{self.within} {region}, {column} {group}" if self.within else f"{column} {group}"

    def _placed(self, facts: Facts, allocation: Allocation) -> Iterator[tuple[str, int, Fraction, Fraction]]:
        """(group, placed, its share, places it may be off), from the tables and the base of the allocation."""
        instance = facts.instance
        region = dict(zip(instance.entry_row, self._regions(instance), strict=True))
        new = [place.entry_id for place in allocation.placements if not place.is_fixed]
        entries = Counter(region[entry_id] for entry_id in allocation.with_option)
        places = Counter(region[entry_id] for entry_id in new)
        for column, tolerance in zip(self.group_columns, self.tolerances, strict=True):
            group = dict(zip(instance.entry_row, group_labels(instance, column), strict=True))
            sizes = Counter((region[entry_id], group[entry_id]) for entry_id in allocation.with_option)
            placed = Counter((region[entry_id], group[entry_id]) for entry_id in new)
            for (where, name), size in sorted(sizes.items()):
                share = Fraction(places[where] * size, entries[where])
                yield self._named(where, column, name), placed[where, name], share, self._slack(tolerance, size)

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Groups too far off their share."""
        return [
            Violation(
                self.name,
                f"{name}: {placed} new places; its share is {float(share):.2f}, give or take {float(slack):.2f}",
            )
            for name, placed, share, slack in self._placed(facts, allocation)
            if abs(placed - share) > slack
        ]

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """How far every group with an option is off its share, above or below; `limit` is how far it may be."""
        rows = [
            (f"{name}, off its share", float(abs(placed - share)), float(slack), "places")
            for name, placed, share, slack in self._placed(facts, allocation)
        ]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))
