"""Candidates: every single change that could place one entry, smallest first, and where it would then go.

From the screens: a pair that one screen alone removes, and that one change lets through. From the limits: an option
that one limit alone keeps out, and that one change of the tables relieves. From the capacity: an option that only
its own session keeps out, for which one more list like it would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from allocator.allocation import Placement
from allocator.change import KINDS, Change, Edit
from allocator.instance import Instance, Ints
from allocator.options import Options, joined_pairs
from allocator.rule import Pair, Screen
from allocator.why.case import Case
from allocator.why.funnel import kept_by

NEW_LIST = "+"
"""What is put behind the name of a session for one more list like it."""


@dataclass(frozen=True)
class Candidate:
    """A change, and the session in which it would place the entry.

    of_limit  it is what a limit offers, not a screen
    free      the entry then stands in nobody's way there
    """

    entry_id: str
    change: Change
    session_id: str
    of_limit: bool
    free: bool

    @property
    def rank(self) -> tuple[int, float, str]:
        """Kinds in their order, then the smaller change, then the session."""
        return KINDS.index(self.change.kind), self.change.size, self.session_id


def candidates(case: Case, entry_id: str, *, parts: bool) -> list[Candidate]:
    """Every candidate of one entry without a place, by rank; with `parts` those that relieve a limit in part too."""
    entry = case.facts.instance.entry_row[entry_id]
    whole = list(kept_out(case, [entry_id]))
    found = [*screened_out(case, np.array([entry])), *whole]
    if parts:
        found += relieved_in_part(case, whole)
    return sorted(found, key=lambda candidate: candidate.rank)


def screened_out(case: Case, entries: Ints) -> Iterator[Candidate]:
    """Of these rows of patients, the pairs that one screen alone removes and one change lets through."""
    for pairs, screen in missed_once(case, entries):
        for entry, session in zip(pairs.entry, pairs.session, strict=True):
            found = missed(case, screen, int(entry), int(session))
            if found is not None:
                yield found


def missed_once(case: Case, entries: Ints) -> Iterator[tuple[Options, Screen]]:
    """Of these rows of patients, the pairs that one screen alone removes, by screen."""
    for pairs in joined_pairs(case.facts, case.policy.screens, entries):
        kept = kept_by(case, pairs)
        failed = np.sum([~keep for keep in kept.values()], axis=0)
        for screen in case.policy.screens:
            yield pairs.take(~kept[screen.name] & (failed == 1)), screen


def missed(case: Case, screen: Screen, entry: int, session: int) -> Candidate | None:
    """The change that lets a pair (rows) through the one screen that removes it, if there is one."""
    entry_id, session_id = str(case.entry_ids[entry]), str(case.session_ids[session])
    change = screen.miss(case.facts, entry_id, session_id).change
    return None if change is None else Candidate(entry_id, change, session_id, of_limit=False, free=False)


def kept_out(case: Case, entry_ids: Sequence[str]) -> Iterator[Candidate]:
    """The options of these entries that a change of one limit, or one more list, would free."""
    alone_in_the_way: dict[str, list[Pair]] = {}
    one_more: dict[str, Change] = {}
    for entry_id in entry_ids:
        options = case.options_of(entry_id)
        if not len(options):
            continue
        position, row = case.loader.obstacles(int(options[0]), int(options[-1]) + 1)
        listed = False
        for option in case.by_gain(options[case.helpful[options]]):
            rows = row[position == option - options[0]]
            session_id = str(case.session_ids[case.formulation.session[option]])
            names = {case.labels[at] for at in rows}
            if len(rows) and not listed and case.session_rows[rows].all() and case.fits_alone(int(option)):
                listed = True
                if session_id not in one_more:
                    one_more[session_id] = one_more_list(case.facts.instance, session_id)
                yield Candidate(entry_id, one_more[session_id], session_id + NEW_LIST, of_limit=True, free=True)
            if len(names) == 1:
                alone_in_the_way.setdefault(names.pop(), []).append((entry_id, session_id))
    for limit in case.policy.limits:
        pairs = alone_in_the_way.get(limit.label, [])
        for (entry_id, session_id), change in limit.relief(case.facts, case.allocation, pairs).items():
            yield Candidate(entry_id, change, session_id, of_limit=True, free=True)


def relieved_in_part(case: Case, whole: Sequence[Candidate]) -> Iterator[Candidate]:
    """For candidates of more than one unit the parts of their change: some of the beds, sent and not received."""
    for candidate in whole:
        pair = (candidate.entry_id, candidate.session_id)
        for limit in case.policy.limits if candidate.change.size > 1 else ():
            for change in limit.partial_relief(case.facts, case.allocation, pair):
                yield replace(candidate, change=change, free=False)


def one_more_list(instance: Instance, session_id: str) -> Change:
    """One more session like this one, which the host has free of own cases and opens for one person too."""
    row = instance.frames["sessions"].iloc[instance.session_row[session_id]]
    cells = {str(name): value for name, value in row.items() if name != "session_id"}
    cells |= {"host_cases": 0, "min_cases": 0}
    site = instance.site[row["site_code"]]["name"]
    words = f"there were one more list like {session_id} ({site}, {pd.Timestamp(row['date']).date()})"
    if row["min_cases"] > 1:
        words += f", opened for fewer than {row['min_cases']} people too"
    return Change("list", 1, words, (Edit("sessions", {"session_id": session_id + NEW_LIST}, cells),))


def with_place(case: Case, candidate: Candidate) -> tuple[Placement, ...]:
    """The run's placements and the candidate's."""
    return tuple(sorted([*case.allocation.placements, Placement(candidate.entry_id, candidate.session_id)]))
