"""changes.csv: what became of every place since the run before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from allocator.allocation import Allocation, Placement
from allocator.answer import Run
from allocator.demand import Demand
from allocator.errors import UsageError
from allocator.explain import CLOSED
from allocator.report.safe import cell, plain_text, read_csv
from allocator.rule import closed_sessions

CHANGE_COLUMNS = (
    "entry_id",
    "change",
    "from_session",
    "from_site",
    "from_date",
    "to_session",
    "to_site",
    "to_date",
    "why",
)
PLACE_COLUMNS = ("entry_id", "session_id", "site_code", "date")
_Place = tuple[str, str, str]
_NOWHERE: _Place = ("", "", "")


def changes_table(run: Run, allocation: pd.DataFrame, previous: Path) -> pd.DataFrame:
    """A row an entry with a place in this run or the one before, by entry_id.

    change is new, lost, moved or kept. `allocation` is the table of `allocation_table`, `previous` the folder
    of the run before. Raises UsageError where that is no run folder.
    """
    file = previous / "allocation.csv"
    if not file.is_file():
        raise UsageError(f'"{previous}" is not a run folder: it has no allocation.csv. Maybe it is an instance.')
    earlier = read_csv(file)
    missing = [name for name in PLACE_COLUMNS if name not in earlier]
    if missing:
        raise UsageError(f'"{file}" has no column {", ".join(missing)}: it was not written by a run.')
    before = _places(earlier)
    now = _places(allocation)
    today = Today.of(run)
    rows = []
    for entry_id in sorted(before.keys() | now.keys()):
        old, new = before.get(entry_id, [_NOWHERE]), now.get(entry_id, [_NOWHERE])
        came = [place for place in new if not any(_same(place, other) for other in old)]
        went = [place for place in old if not any(_same(other, place) for other in new)]
        if not came and not went:
            rows.append((entry_id, "kept", *old[0], *new[0], given_back(run, entry_id, old[0][0])))
            continue
        source, target = (went or old)[0], (came or new)[0]
        change = "new" if source == _NOWHERE else "lost" if target == _NOWHERE else "moved"
        rows.append((entry_id, change, *source, *target, why(today, entry_id, change, source[0])))
    return pd.DataFrame(rows, columns=list(CHANGE_COLUMNS))


def _same(now: _Place, before: _Place) -> bool:
    """The same session at the same site and day; of one that is gone only the session is known."""
    return now == before or (now[0] == before[0] and now[1:] == ("", ""))


def _places(table: pd.DataFrame) -> dict[str, list[_Place]]:
    """entry_id -> its places as (session, site, date), sorted."""
    found: dict[str, list[_Place]] = {}
    for row in table[list(PLACE_COLUMNS)].itertuples(index=False):
        entry_id, *place = (plain_text(cell(value)) for value in row)
        found.setdefault(entry_id, []).append((place[0], place[1], place[2]))
    return {entry_id: sorted(places) for entry_id, places in found.items()}


@dataclass(frozen=True, eq=False)
class Today:
    """A run, and what every sentence about it looks up.

    closed   rows of sessions that take nobody new
    asked    entry_id -> what people asked for by name
    reasons  entry_id -> why it has no place
    """

    run: Run
    closed: frozenset[int]
    asked: Mapping[str, Sequence[Demand]]
    reasons: Mapping[str, str]

    @classmethod
    def of(cls, run: Run) -> Today:
        """What is looked up, made once."""
        asked: dict[str, list[Demand]] = {}
        for limit in run.policy.limits:
            for demand in limit.demands(run.facts):
                asked.setdefault(demand.entry_id, []).append(demand)
        reasons = {item.entry_id: item.reason for item in run.unplaced}
        return cls(run, closed_sessions(run.facts, run.conflicts), asked, reasons)


def freed_words(run: Run, entry: int, session_id: str) -> str:
    """How a place that was offered or booked came free; "" where it did not."""
    freed = run.facts.standing.freed.get((entry, session_id))
    if freed is None:
        return ""
    return "The place was cancelled." if freed == "cancelled" else "The offer lapsed: it was not taken up in time."


def given_back(run: Run, entry_id: str, session_id: str) -> str:
    """Of a place that stays the same: that it was freed, and is proposed anew."""
    row = run.facts.instance.entry_row.get(entry_id)
    freed = "" if row is None else freed_words(run, row, session_id)
    return f"{freed} The plan proposes it again; to rule it out, record declined or host_refused." if freed else ""


def barred_now(today: Today, entry_id: str, session_id: str) -> str:
    """Why a place that the run before gave is no option this morning, by the rules' own checks; "" where it is one."""
    facts = today.run.facts
    alone = Allocation.of([Placement(entry_id, session_id)])
    for screen in today.run.policy.screens:
        for broken in screen.check(facts, alone):
            return broken.message
    return f"the session is {CLOSED}" if facts.instance.session_row[session_id] in today.closed else ""


def why(today: Today, entry_id: str, change: str, from_session: str) -> str:
    """One plain sentence: what the tables of this morning say about a place that changed."""
    run, facts = today.run, today.run.facts
    row = facts.instance.entry_row.get(entry_id)
    if change == "new":
        return "A place was found."
    if row is None:
        return "The entry is on no list today; what was settled is kept for the day when it is back."
    if facts.standing.treated[row]:
        return "The person was treated and has left the list."
    if facts.instance.column("patients", "held")[row]:
        return "The entry is held: its data are damaged, see quarantine.csv."
    if from_session not in facts.instance.session_row:
        return "The session is no longer there."
    site_code = facts.instance.session[from_session]["site_code"]
    for pair, words in (((row, from_session, ""), "the session"), ((row, "", site_code), "the site")):
        if pair in facts.standing.barred:
            said = "The patient declined" if facts.standing.barred[pair] == "declined" else "The host refused"
            return f"{said} {words}."
    if freed := freed_words(run, row, from_session):
        return freed
    if barred := barred_now(today, entry_id, from_session):
        return f"The place is possible no longer: {barred}."
    fixed = [place for place in run.allocation.of_entry.get(entry_id, ()) if place.is_fixed]
    if fixed:
        return f"The entry is {fixed[0].state} in {fixed[0].session_id}."
    asked = [
        demand.words
        for demand in today.asked.get(entry_id, ())
        if demand.wanted != (from_session in demand.session_ids)
    ]
    if asked:
        return f"A person asked for it: {'; '.join(asked)}."
    if change == "moved":
        return "By itself the old place is still possible; the plan as a whole is better with this one."
    return today.reasons.get(entry_id, "")
