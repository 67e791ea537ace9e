"""fair_between_trusts: the worst home trust's unplaced share of its long waiters is as low as possible.

minimise z, with n[t] z + 10000 placed[t] >= 10000 n[t] for every home trust t with n[t] >= smallest_list,
and 0 <= z <= 10000.
n[t] counts the entries of t that wait over `long_weeks` at the last reporting date and have an option;
placed[t] how many of them are placed. z is in hundredths of a percent, rounded up. A trust with fewer than
`smallest_list` of them is left out, and shown by `usage`: one person would make its share 0 or 100%.
Bookings stay outside: they are not waiting. Source: mutual aid is for the system, so no trust's longest
waiters are left behind (NHS England, mutual aid guidance); the threshold is a default a hub sets for itself.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.instance import Bools
from allocator.options import Facts, Options
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Auxiliary, Columns, Goal, Price, parameter
from models.numbering import numbered
from models.scoring import waiting_since
from models.screening import codes_of

WHOLE = 10_000


class FairBetweenTrusts(Goal):
    """The worst trust's unplaced share of long waiters, as low as possible."""

    name: ClassVar[str] = "fair_between_trusts"
    sentence: ClassVar[str] = (
        "The largest share that any trust leaves without a place, of its long waiters who could have one, "
        "is as small as possible."
    )
    sense: ClassVar[Literal["min", "max"]] = "min"
    unit: ClassVar[str] = "hundredths of a percent"

    long_weeks: int = parameter(
        52, "Long waiters wait over this at the last reporting date (more than 7N days).", "weeks", ge=0, le=520
    )

    smallest_list: int = parameter(
        10, "A trust with fewer long waiters than this is left out: its share would be a matter of one.", "people", ge=1
    )

    def _long(self, options: Options) -> Bools:
        """(n_entries,) is it a long waiter who waits for a place and has an option, in a trust that counts."""
        instance = options.instance
        last = np.datetime64(max(instance.info.counted_on))
        waited: Bools = instance.waits_from < last - np.timedelta64(7 * self.long_weeks, "D")
        long = waited & options.facts.standing.waiting
        entries, _ = numbered(options.entry[long[options.entry]])
        trust, _ = codes_of(instance.column("patients", "home_provider"))
        counts = np.bincount(trust[entries], minlength=len(trust)) >= self.smallest_list
        found = np.zeros(len(long), dtype=bool)
        found[entries] = counts[trust[entries]]
        return found

    def auxiliaries(self, options: Options) -> tuple[Auxiliary, ...]:
        """The worst share; none where no trust has enough long waiters with an option."""
        return (Auxiliary("worst unplaced share", WHOLE),) if self._long(options).any() else ()

    def rows(self, columns: Columns) -> Rows:
        """One row a home trust that has enough long waiters with an option."""
        options = columns.options
        long = np.flatnonzero(self._long(options))
        if not len(long):
            return Rows.none(columns.n)
        homes = options.instance.column("patients", "home_provider")[long]
        trusts, trust = np.unique(homes.astype("str"), return_inverse=True)
        n_long = np.bincount(trust)
        row_of = np.full(len(options.instance.entry_row), -1, dtype=np.int64)
        row_of[long] = trust
        placed = np.flatnonzero(row_of[options.entry] >= 0)
        row = row_of[options.entry[placed]]
        worst = columns.auxiliary_columns(self.label)[0]
        return Rows.of(
            columns.n,
            trusts.tolist(),
            np.concatenate([row, np.arange(len(trusts))]),
            np.concatenate([placed, np.full(len(trusts), worst)]),
            np.concatenate([np.full(len(placed), WHOLE), n_long]),
            lower=WHOLE * n_long,
        )

    def price(self, columns: Columns) -> Price:
        """The worst share itself."""
        values = np.zeros(columns.n, dtype=np.int64)
        values[columns.auxiliary_columns(self.label)] = 1
        return Price(values)

    def score(self, facts: Facts, allocation: Allocation) -> int:
        """The largest of the trusts' unplaced shares, each rounded up; 0 where there is no long waiter."""
        shares = [
            -(-WHOLE * (long - placed) // long)
            for long, placed in self._trusts(facts, allocation).values()
            if long >= self.smallest_list
        ]
        return max([0, *shares])

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """Long waiters placed, of those with an option, by home trust."""
        found = sorted(self._trusts(facts, allocation).items())
        rows = [
            (trust, placed, long, "long waiters placed" if long >= self.smallest_list else "too few to count")
            for trust, (long, placed) in found
        ]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))

    def _trusts(self, facts: Facts, allocation: Allocation) -> dict[str, tuple[int, int]]:
        """Home trust -> (its long waiters with an option, placements of these)."""
        last = max(facts.instance.info.counted_on)
        long: Counter[str] = Counter()
        placed: Counter[str] = Counter()
        for entry_id in allocation.with_option:
            patient = facts.instance.patient[entry_id]
            since = waiting_since(patient)
            waiting = facts.standing.waiting[facts.instance.entry_row[entry_id]]
            if waiting and since is not None and (last - since).days > 7 * self.long_weeks:
                long[patient["home_provider"]] += 1
                placed[patient["home_provider"]] += len(allocation.of_entry.get(entry_id, ()))
        return {trust: (count, placed[trust]) for trust, count in long.items()}
