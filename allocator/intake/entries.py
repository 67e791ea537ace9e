"""The patients table: homes, ids that collide between trusts, entries given twice, and who is meant by an id."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from allocator.instance import Array, Bools, Ints
from allocator.intake.draft import Draft
from allocator.intake.duplicates import without_duplicates
from allocator.intake.effects import HOLD, REFUSE
from allocator.intake.parse import is_mangled
from allocator.intake.places import mapped_to_successors, unknown_codes
from allocator.schema import EMERGENCY_PRIORITIES

EMERGENCIES = {name.casefold(): name for name in (*EMERGENCY_PRIORITIES, "P1")}
_MANGLED_DIGITS = re.compile(r"\d(?:\.(\d+))?[eE]\+?\d+", re.ASCII)


@dataclass(frozen=True, eq=False)
class Entries:
    """The patients draft, and its ids as the files write them.

    given     (n_rows,) entry_id before any prefix
    home      (n_rows,) home_provider before trusts that merged were renamed
    repeated  (n_rows,) refused because an earlier row has the same entry
    numbers   pseudonym -> the numbers that it stands for
    """

    draft: Draft
    given: Array
    home: Array
    repeated: Bools
    numbers: Mapping[str, tuple[str, ...]]

    def named(self, reference: str, home: str = "") -> tuple[tuple[int, ...], bool]:
        """Rows that a reference may mean, and whether it surely means the only one.

        `home` prefers the entry of that trust, for a trust's references among its own entries.
        """
        own = self._prefixed.get(f"{home}:{reference}") if home else None
        if own is not None:
            return (own,), True
        exact = self._exact.get(reference)
        if exact is not None:
            return (exact,), reference not in self._refused
        several = tuple(self._given.get(reference, ()))
        if several:
            return several, False
        prefixed = self._prefixed.get(reference)
        if prefixed is not None:
            return (prefixed,), True
        return self._shortened(reference), False

    def refused_rows(self, reference: str) -> tuple[int, ...]:
        """Refused rows that a reference may mean."""
        return tuple(self._refused.get(reference, ()))

    @cached_property
    def _exact(self) -> Mapping[str, int]:
        ids = self.draft.column("entry_id")
        return {ids[row]: int(row) for row in self.draft.accepted}

    @cached_property
    def _given(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for row in self.draft.accepted:
            found[self.given[row]].append(int(row))
        return found

    @cached_property
    def _prefixed(self) -> Mapping[str, int]:
        return {f"{self.home[row]}:{self.given[row]}": int(row) for row in self.draft.accepted}

    @cached_property
    def _refused(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for row in np.flatnonzero(self.draft.refused & ~self.repeated):
            for name in {self.given[row], f"{self.home[row]}:{self.given[row]}"} - {""}:
                found[name].append(int(row))
        return found

    def _shortened(self, reference: str) -> tuple[int, ...]:
        """Entries whose number a spreadsheet would have shown like this (9.43477E+09)."""
        found = _MANGLED_DIGITS.fullmatch(reference) if is_mangled(reference) else None
        if not found:
            return ()
        decimals = len(found[1] or "")
        wanted = f"{float(reference):.{decimals}E}"
        return tuple(dict.fromkeys(row for row, number in self._digits if f"{number:.{decimals}E}" == wanted))

    @cached_property
    def _digits(self) -> list[tuple[int, float]]:
        return [
            (int(row), float(text))
            for row in self.draft.accepted
            for text in self.numbers.get(self.given[row], (self.given[row],))
            if text.isascii() and text.isdigit() and len(text) <= 15
        ]


def emergencies(draft: Draft) -> tuple[Draft, pd.DataFrame]:
    """Say of P1a, P1b and D1 what they are, and list them: entry_id, home_provider, priority."""
    texts = draft.raw["clinical_priority"].str.strip().str.casefold()
    rows = np.flatnonzero(texts.isin(list(EMERGENCIES)).to_numpy())
    if len(rows):
        # The choice is not one of ours, so that every one of these rows has that fault already.
        faults = tuple(
            frame[~((frame["column"] == "clinical_priority") & frame["position"].isin(rows))] for frame in draft.faults
        )
        draft = replace(draft, faults=tuple(frame for frame in faults if len(frame)))
        hint = "an emergency: treat at once, outside of this plan"
        draft = draft.fault(rows, "clinical_priority", "is an emergency priority", hint, effect=REFUSE)
    listed = pd.DataFrame(
        {
            "entry_id": draft.column("entry_id")[rows],
            "home_provider": draft.column("home_provider")[rows],
            "priority": [EMERGENCIES[text] for text in texts.iloc[rows]],
        }
    )
    return draft, listed


def checked_entries(
    draft: Draft, providers: Sequence[str], successor: Mapping[str, str], numbers: Mapping[str, tuple[str, ...]]
) -> Entries:
    """At known homes, with ids that are unique; whoever stands twice and differently is held.

    `numbers` are what pseudonyms of entries stand for.
    """
    draft = unknown_codes(draft, "home_provider", providers, "organisation")
    given, home = draft.column("entry_id").copy(), draft.column("home_provider").copy()
    draft = _prefixed(draft, given, home, frozenset(providers))
    draft = mapped_to_successors(draft, "home_provider", successor)
    before = draft.refused
    draft, twice = without_duplicates(draft)
    repeated = draft.refused & ~before
    problem = "stands in another row that says otherwise"
    draft = draft.fault(twice, "entry_id", problem, "keep the row that is right", effect=HOLD, values=given[twice])
    draft = _shared_with_refused(draft, before)
    return Entries(draft, given, home, repeated, numbers)


def _prefixed(draft: Draft, given: Array, home: Array, providers: frozenset[str]) -> Draft:
    """Where the same id stands at several trusts, each becomes HOME:ID."""
    frame = pd.DataFrame({"id": given, "home": home})
    frame = frame[(frame["id"] != "") & frame["home"].isin(list(providers))]
    homes = frame.drop_duplicates()["id"].value_counts()
    colliding = frame["id"].isin(homes.index[homes > 1])
    rows = frame.index[colliding].to_numpy(dtype=np.int64)
    if not len(rows):
        return draft
    names = [f"{home[row]}:{given[row]}" for row in rows]
    trusts = ", ".join(sorted(set(home[rows])))
    notice = (
        f"patients.entry_id: {len(rows)} ids stand at more than one trust ({trusts}); written as PROVIDER:entry_id."
    )
    return draft.with_value("entry_id", rows, names).noted(notice)


def _shared_with_refused(draft: Draft, refused: Bools) -> Draft:
    """Hold the entries whose id a refused row has as well: which of the two is right is not known."""
    ids = draft.column("entry_id")
    doubtful = set(ids[refused]) - {""}
    rows = np.array([row for row in draft.accepted if ids[row] in doubtful], dtype=np.int64)
    problem = "stands in another row, which was refused"
    return draft.fault(rows, "entry_id", problem, "keep the row that is right", effect=HOLD, values=ids[rows])


def checked_requirements(entries: Entries) -> Entries:
    """Entries that wait for another one: known, not themselves, not in a circle; or else held."""
    draft = entries.draft
    wanted = draft.column("requires_entry_id")
    done = ~np.isnat(draft.column("required_done_on"))
    found: dict[int, int] = {}
    broken: list[tuple[int, str]] = []
    for row in np.flatnonzero((wanted != "") & ~draft.refused):
        rows, sure = entries.named(wanted[row], entries.home[row])
        if len(rows) == 1 and sure:
            found[int(row)] = rows[0]
        elif not done[row]:
            broken.append((int(row), _why(entries, wanted[row], len(rows))))
    changed = np.array(list(found), dtype=np.int64)
    ids = draft.column("entry_id")
    draft = draft.with_value("requires_entry_id", changed, [ids[row] for row in found.values()])
    waits = {row: other for row, other in found.items() if not done[row]}
    broken += [(row, "waits for itself" if waits[row] == row else "waits in a circle") for row in on_circles(waits)]
    hint = "put the id of the entry that comes first, or the date on which it was done"
    draft = draft.fault(
        np.array([row for row, _ in broken], dtype=np.int64), "requires_entry_id", [why for _, why in broken], hint
    )
    return replace(entries, draft=draft)


def _why(entries: Entries, reference: str, candidates: int) -> str:
    refused = entries.refused_rows(reference)
    if candidates:
        return "may mean more than one entry"
    return f"names an entry whose row {entries.draft.row[refused[0]]} was refused" if refused else "names no entry"


def on_circles(step: Mapping[int, int]) -> list[int]:
    """Everybody who comes back to themselves by following `step`, in order."""
    state: dict[int, int] = {}
    found: list[int] = []
    for start in step:
        path: list[int] = []
        here: int | None = start
        while here is not None and here not in state:
            state[here] = start
            path.append(here)
            here = step.get(here)
        if here is not None and state[here] == start and here in path:
            found += path[path.index(here) :]
    return sorted(found)


def hold(draft: Draft, reasons: Mapping[int, str]) -> Draft:
    """Hold entries for what stands in another table: row of patients -> why."""
    rows: Ints = np.array(sorted(reasons), dtype=np.int64)
    hint = "put that row right, then the entry can be planned again"
    ids = draft.column("entry_id")[rows]
    return draft.fault(rows, "entry_id", [reasons[row] for row in rows], hint, effect=HOLD, values=ids)
