"""one_place_at_a_time: a person with several entries is in one place at a time.

A placement on day d with n nights occupies the days d to d + n. For two placements of different entries
of one person, the second starting on day b and the first ending on day a (the day of discharge):
    b - a >= max(1, min_gap_days),
except that min_gap_days = 0 also allows the same site on the same day where neither stays a night (two
tests in one visit; the site orders its day, so start times within it are not compared).
Rows: for every person and day t on which a placement could start,
    sum of x[e, s] over the person's options with d <= t < d + n + max(1, min_gap_days) <= 1.
Needs one_place: the options of one entry stand in the same row.
Source: nobody can be treated in two places; the gap is a default that a hub sets for itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation, Placement, fixed_placements
from allocator.instance import Bools, Ints
from allocator.options import Facts, Options
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Conflict, Limit, Violation, parameter
from models.numbering import numbered
from models.stays import nights_of_entries


@dataclass(frozen=True, eq=False)
class _Covered:
    """Options spread over the days that they keep busy, one element an (option, day), sorted by group."""

    group: Ints
    option: Ints
    day: Ints


class OnePlaceAtATime(Limit):
    """One site a day, nothing during a stay, and a gap between placements of one person."""

    name: ClassVar[str] = "one_place_at_a_time"
    sentence: ClassVar[str] = (
        "A person on several lists is never in two places at once, and has time between one place and the next."
    )
    blocked: ClassVar[str] = "the person has another place on or near that day"

    min_gap_days: int = parameter(
        1,
        "Days from the end of one stay to the next place: 1 is the next day, 0 also allows one visit to one site.",
        "days",
        ge=0,
        le=365,
    )
    unknown_stays_theatre: int = parameter(
        1, "Nights that an operation counts where they are not known.", "nights", ge=0, le=60
    )

    def rows(self, columns: Columns) -> Rows:
        """One row a person and day on which two entries of the person could be busy."""
        options = columns.options
        days: list[Any] = []
        members: list[Ints] = []
        for day, together in self._cliques(options, self._busy_days(options)):
            days.append(day)
            members.append(together)
        if not members:
            return Rows.none(columns.n)
        patient_ids = options.of_entry("patient_id")
        keys = [f"{patient_ids[together[0]]} on {day}" for day, together in zip(days, members, strict=True)]
        row = np.repeat(np.arange(len(members)), [len(together) for together in members])
        return Rows.of(columns.n, keys, row, np.concatenate(members), np.ones(len(row)), upper=1)

    def _busy_days(self, options: Options) -> _Covered:
        """The options of people with several entries, on each day they keep busy, gap included."""
        person = pd.factorize(options.instance.column("patients", "patient_id"))[0]
        entries, _ = numbered(options.entry)
        several = np.bincount(person[entries], minlength=person.max(initial=-1) + 1) > 1
        mine = np.flatnonzero(several[person[options.entry]])
        start = options.of_session("date")[mine].astype(np.int64)
        nights = nights_of_entries(options.instance, self.unknown_stays_theatre)
        length = nights[options.entry[mine]] + max(1, self.min_gap_days)
        option = np.repeat(mine, length)
        offset = np.arange(len(option)) - np.repeat(np.cumsum(length) - length, length)
        day = np.repeat(start, length) + offset
        base = int(day.min(initial=0))
        group = person[options.entry[option]].astype(np.int64) * (int(day.max(initial=0)) - base + 1) + day - base
        order = np.argsort(group, kind="stable")
        return _Covered(group[order], option[order], day[order])

    def _cliques(self, options: Options, covered: _Covered) -> Iterator[tuple[Any, Ints]]:
        """(day, options of one person busy on it) of which one at most may be chosen."""
        lows = np.flatnonzero(np.diff(covered.group, prepend=-1))
        if not len(lows):
            return
        highs = np.append(lows[1:], len(covered.group))
        begins = options.of_session("date").astype(np.int64)[covered.option] == covered.day
        entry = options.entry[covered.option]
        several = np.minimum.reduceat(entry, lows) != np.maximum.reduceat(entry, lows)
        wanted = several & np.logical_or.reduceat(begins, lows)
        for low, high in zip(lows[wanted], highs[wanted], strict=True):
            day, together = np.datetime64(int(covered.day[low]), "D"), covered.option[low:high]
            if self.min_gap_days:
                yield day, together
            else:
                yield from ((day, apart) for apart in self._apart(options, together, begins[low:high]))

    def _apart(self, options: Options, together: Ints, begins: Bools) -> Iterator[Ints]:
        """The same where day cases at one site on one day go together, entry by entry."""
        nights = nights_of_entries(options.instance, self.unknown_stays_theatre)
        day_case = begins & (nights[options.entry[together]] == 0)
        entry, site = options.entry[together], options.site[together]
        for one, other in combinations(np.unique(entry), 2):
            one_visit = day_case & (entry == one)
            stays = ((entry == one) | (entry == other)) & ~one_visit
            cliques = [stays]
            for place in np.unique(site[one_visit]):
                here = site == place
                cliques.append((one_visit & here) | (stays & ~(day_case & here)))
            for clique in cliques:
                if {one, other} <= set(entry[clique]):
                    yield together[clique]

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Pairs of placements of one person that cannot both be kept, of which one at least is new."""
        violations = []
        for places in _by_person(facts, allocation.placements).values():
            for one, other in combinations(places, 2):
                if one.entry_id == other.entry_id or (one.is_fixed and other.is_fixed):
                    continue
                message = self._clash(facts, one, other)
                if message:
                    violations.append(Violation(self.name, message, (one.entry_id, other.entry_id)))
        return violations

    def conflicts(self, facts: Facts) -> list[Conflict]:
        """Pairs of places that stay and that one person cannot both keep; the sessions stay open."""
        found = []
        for places in _by_person(facts, fixed_placements(facts)).values():
            for one, other in combinations(places, 2):
                message = "" if one.entry_id == other.entry_id else self._clash(facts, one, other)
                if message:
                    for place, against in ((one, other), (other, one)):
                        where = f"{against.entry_id} in {against.session_id}"
                        found.append(Conflict(place.entry_id, place.session_id, message, where, closes=False))
        return found

    def _clash(self, facts: Facts, one: Placement, other: Placement) -> str:
        """What is wrong with two placements of one person; "" where nothing is."""
        first, second = sorted((self._days(facts, one), self._days(facts, other)))
        (_, leaves, site_a, nights_a), (arrives, _, site_b, nights_b) = first, second
        one_visit = first[0] == arrives and site_a == site_b and nights_a == nights_b == 0
        gap = (arrives - leaves) // np.timedelta64(1, "D")
        if gap >= max(1, self.min_gap_days) or (self.min_gap_days == 0 and one_visit):
            return ""
        wanted = f"the gap wanted is {self.min_gap_days} days"
        return f"leaves {site_a} on {leaves} and is due at {site_b} on {arrives}; {wanted}"

    def _days(self, facts: Facts, place: Placement) -> tuple[Any, Any, str, int]:
        """(first day, last day, site, nights) of a placement."""
        patient, session = facts.instance.patient[place.entry_id], facts.instance.session[place.session_id]
        if math.isnan(patient["overnight_stays"]):
            nights = self.unknown_stays_theatre if patient["care_kind"] == "theatre" else 0
        else:
            nights = int(patient["overnight_stays"])
        return session["date"], session["date"] + np.timedelta64(nights, "D"), session["site_code"], nights

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """People with more than one place, against people on more than one list."""
        placed = sum(len(places) > 1 for places in _by_person(facts, allocation.placements).values())
        listed = int((facts.instance.patients["patient_id"].value_counts() > 1).sum())
        return pd.DataFrame([("people with several places", placed, listed, "people")], columns=list(USAGE_COLUMNS))


def _by_person(facts: Facts, placements: Iterable[Placement]) -> dict[str, list[Placement]]:
    people: dict[str, list[Placement]] = {}
    for place in placements:
        people.setdefault(facts.instance.patient[place.entry_id]["patient_id"], []).append(place)
    return people
