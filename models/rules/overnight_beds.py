"""overnight_beds: whoever stays has a spare bed on every night.

For every site, night t and kind of bed:
    sum of x[e, s] over the site's options with date[s] <= t < date[s] + nights[e] <= spare_beds.
Who needs high dependency care takes an `hdu` bed for all nights, everybody else (not known included) a
`ward` bed. No row in beds means none spare, after the horizon as well. An unknown stay counts as
`unknown_stays_theatre` nights for an operation and none for a test. spare_beds is before bookings.
Source: the hosts' bed figures; the one night for an unknown stay is a default that a hub sets for itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.change import Change, Edit
from allocator.options import Facts
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Conflict, Limit, Pair, Violation, parameter
from models.stays import nights_of_entries

Night = tuple[str, Any, str]
"""Site, night, kind of bed."""
FEW_NIGHTS = 4
"""Of so many nights without a bed every set of nights is a partial relief."""


class OvernightBeds(Limit):
    """Every night of a stay has a bed of the right kind."""

    name: ClassVar[str] = "overnight_beds"
    sentence: ClassVar[str] = "Everybody who stays overnight has a spare bed of the right kind on every night."
    blocked: ClassVar[str] = "no bed is spare on a night of the stay"

    unknown_stays_theatre: int = parameter(
        1, "Nights that an operation counts where they are not known.", "nights", ge=0, le=60
    )

    def rows(self, columns: Columns) -> Rows:
        """One row a site, night and kind of bed that an option would use."""
        options, instance = columns.options, columns.facts.instance
        nights = nights_of_entries(instance, self.unknown_stays_theatre)[options.entry]
        option = np.repeat(np.arange(len(options)), nights)
        offset = np.arange(len(option)) - np.repeat(np.cumsum(nights) - nights, nights)
        site = options.site[option]
        day = options.of_session("date").astype(np.int64)[option] + offset
        hdu_entries = instance.patients["needs_hdu"].fillna(False).to_numpy(dtype=bool)
        hdu = hdu_entries[options.entry[option]]
        days = int(day.max(initial=0)) + 1
        groups, row = np.unique((site * days + day) * 2 + hdu, return_inverse=True)
        site_codes = instance.column("sites", "site_code")
        spare = self._spare(columns.facts)
        names: list[Night] = [
            (
                site_codes[group // 2 // days],
                np.datetime64(int(group // 2 % days), "D"),
                "hdu" if group % 2 else "ward",
            )
            for group in groups
        ]
        return Rows.of(
            columns.n,
            [f"{place} {day} {kind}" for place, day, kind in names],
            row,
            option,
            np.ones(len(option)),
            upper=np.array([spare.get(name, 0) for name in names], dtype=np.float64),
        )

    def _spare(self, facts: Facts) -> dict[Night, int]:
        """Spare beds of every site, night and kind that has a row."""
        column = facts.instance.column
        keys = zip(*(column("beds", name) for name in ("site_code", "night", "bed_kind")), strict=True)
        return dict(zip(keys, map(int, column("beds", "spare_beds")), strict=True))

    def _nights(self, facts: Facts, entry_id: str, session_id: str) -> list[Night]:
        """Every night that one placement needs a bed for, from the tables."""
        patient, session = facts.instance.patient[entry_id], facts.instance.session[session_id]
        stay = patient["overnight_stays"]
        if math.isnan(stay):
            stay = self.unknown_stays_theatre if patient["care_kind"] == "theatre" else 0
        needs_hdu = patient["needs_hdu"]
        kind = "hdu" if not pd.isna(needs_hdu) and needs_hdu else "ward"
        first = session["date"]
        return [(session["site_code"], first + np.timedelta64(night, "D"), kind) for night in range(int(stay))]

    def _sleepers(self, facts: Facts, allocation: Allocation) -> dict[Night, list[tuple[str, bool]]]:
        """(entry_id, is the place fixed) of everybody who needs a bed, by site, night and kind."""
        sleepers: dict[Night, list[tuple[str, bool]]] = {}
        for place in allocation.placements:
            for night in self._nights(facts, place.entry_id, place.session_id):
                sleepers.setdefault(night, []).append((place.entry_id, place.is_fixed))
        return sleepers

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Nights with more people than spare beds, a new one among them."""
        spare = self._spare(facts)
        violations = []
        for (site, night, kind), people in self._sleepers(facts, allocation).items():
            beds = spare.get((site, night, kind), 0)
            if len(people) > beds and not all(is_fixed for _, is_fixed in people):
                message = f"{site}, night of {night}: {len(people)} {kind} beds needed, {beds} spare"
                violations.append(Violation(self.name, message, tuple(entry_id for entry_id, _ in people)))
        return violations

    def conflicts(self, facts: Facts) -> list[Conflict]:
        """Fixed places that stay on a night with more fixed places than spare beds."""
        entry_ids = facts.instance.column("patients", "entry_id")
        spare = self._spare(facts)
        booked: dict[Night, list[tuple[str, str]]] = {}
        for place in facts.standing.fixed:
            if place.session >= 0:
                for night in self._nights(facts, entry_ids[place.entry], place.session_id):
                    booked.setdefault(night, []).append((entry_ids[place.entry], place.session_id))
        found: dict[tuple[str, str], Conflict] = {}
        for (site, night, kind), places in booked.items():
            beds = spare.get((site, night, kind), 0)
            if len(places) > beds:
                problem = (
                    f"its bookings need {len(places)} {kind} beds at {site} on the night of {night}; {beds} are spare"
                )
                for pair in places:
                    found.setdefault(pair, Conflict(*pair, problem, "beds"))
        return list(found.values())

    def relief(self, facts: Facts, allocation: Allocation, pairs: Sequence[Pair]) -> Mapping[Pair, Change]:
        """One more bed on every night of the stay on which none is left."""
        short = self._short(facts, allocation, pairs)
        return {pair: _more_beds(facts, beds) for pair, beds in short.items()}

    def partial_relief(self, facts: Facts, allocation: Allocation, pair: Pair) -> Sequence[Change]:
        """One more bed on some of those nights: any of them where there are few, else on one of them."""
        short = list(self._short(facts, allocation, [pair]).get(pair, {}).items())
        counts = range(1, len(short) if len(short) <= FEW_NIGHTS else 2)
        return [_more_beds(facts, dict(some)) for count in counts for some in combinations(short, count)]

    def _short(self, facts: Facts, allocation: Allocation, pairs: Sequence[Pair]) -> dict[Pair, dict[Night, int]]:
        """For each pair that has one, the nights without a bed left for it, and how many beds would do."""
        spare, sleepers = self._spare(facts), self._sleepers(facts, allocation)
        found = {}
        for pair in pairs:
            needed = {night: len(sleepers.get(night, ())) + 1 for night in self._nights(facts, *pair)}
            short = {night: beds for night, beds in needed.items() if beds > spare.get(night, 0)}
            if short:
                found[pair] = short
        return found

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """Beds used and spare, for every site, night and kind in use."""
        spare = self._spare(facts)
        rows = [
            (f"{night[0]} {night[1]} {night[2]}", len(people), spare.get(night, 0), "beds")
            for night, people in sorted(self._sleepers(facts, allocation).items())
        ]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))


def _more_beds(facts: Facts, beds: Mapping[Night, int]) -> Change:
    """So many spare beds on these nights, all at one site and of one kind."""
    edits = tuple(
        Edit("beds", {"site_code": site, "night": pd.Timestamp(night), "bed_kind": kind}, {"spare_beds": number})
        for (site, night, kind), number in beds.items()
    )
    site, first, kind = next(iter(beds))
    days = [str(night) for _, night, _ in beds]
    in_a_row = max(beds)[1] - first == np.timedelta64(len(beds) - 1, "D")
    several = f"on {len(beds)} nights from {first}" if in_a_row else f"on the nights of {' and '.join(days)}"
    nights = f"on the night of {first}" if len(beds) == 1 else several
    return Change("bed", len(beds), f"{facts.instance.site[site]['name']} had one more {kind} bed {nights}", edits)
