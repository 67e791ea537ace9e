"""Explained: everything that can be said of one entry of a run: the three layers, or why here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from allocator.backends.process import Worker
from allocator.errors import UsageError, maybe
from allocator.why.case import Case
from allocator.why.funnel import Funnel, funnels
from allocator.why.nearest import nearest_changes
from allocator.why.outranked import Outranked, Standings, outranked
from allocator.why.placed import Placed, placed
from allocator.why.verified import Nearest


@dataclass(frozen=True)
class Explained:
    """What is true of one entry. `outcome` is placed, unplaced, treated, held, or booked in a session that is gone."""

    entry_id: str
    outcome: str
    funnel: Funnel | None = None
    outranked: Outranked | None = None
    nearest: tuple[Nearest, ...] = ()
    placed: Placed | None = None

    def lines(self) -> list[str]:
        """For the terminal."""
        told = [f"{self.entry_id}: {self.outcome}."]
        if self.placed is not None:
            told += self.placed.sentences()
        if self.funnel is not None:
            told += ["", "The funnel", *(f"  {line}" for line in self.funnel.sentences())]
        if self.outranked is not None:
            told += ["", "Who has the room", *(f"  {line}" for line in self.outranked.sentences())]
        if self.outcome == UNPLACED:
            told += ["", "Nearest change", *(f"  {nearest.sentence()}" for nearest in self.nearest)]
            told += [] if self.nearest else ["  No single change was found that would place it."]
        return told

    def figures(self) -> dict[str, Any]:
        """For machines: plain JSON values."""
        found = asdict(self)
        for nearest, row in zip(self.nearest, found["nearest"], strict=True):
            # The whole plan would be thousands of rows; who moves is in `displaced`.
            del row["placements"]
            row["change"] = {"kind": nearest.change.kind, "size": nearest.change.size, "words": nearest.change.words}
            row["sentence"] = nearest.sentence()
        return found


UNPLACED = "no place"


def explained(case: Case, standings: Standings, entry_id: str, worker: Worker) -> Explained:
    """Everything about one entry. Raises UsageError where there is no such entry."""
    instance = case.facts.instance
    if entry_id not in instance.entry_row:
        raise UsageError(f'The run has no entry "{entry_id}".{maybe(entry_id, instance.entry_row)}')
    row = instance.entry_row[entry_id]
    if entry_id in case.allocation.of_entry:
        return Explained(entry_id, "has a place", placed=placed(case, entry_id))
    if not case.facts.standing.waiting[row]:
        return Explained(entry_id, why_not_waiting(case, row))
    (funnel,) = funnels(case, np.array([row]))
    options = case.options_of(entry_id)
    found = next(outranked(standings, options), None) or Outranked(entry_id, 0, 0, {}, {}, (), ())
    return Explained(entry_id, UNPLACED, funnel, found, tuple(nearest_changes(case, entry_id, worker)))


def why_not_waiting(case: Case, row: int) -> str:
    """Why this entry, which has no place in a session that is there, waits for none."""
    if case.facts.standing.treated[row]:
        return "treated already: it leaves the list"
    if case.facts.instance.column("patients", "held")[row]:
        return "held back, because its row is damaged: see quarantine.csv"
    return "booked in a session that is gone"
