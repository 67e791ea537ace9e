"""changes.csv: what became of every place since the run before."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from allocator.answer import Run
from allocator.errors import UsageError
from allocator.report.safe import cell, plain_text, read_csv

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
    rows = []
    for entry_id in sorted(before.keys() | now.keys()):
        old, new = before.get(entry_id, [_NOWHERE]), now.get(entry_id, [_NOWHERE])
        came = [place for place in new if not any(_same(place, other) for other in old)]
        went = [place for place in old if not any(_same(other, place) for other in new)]
        if not came and not went:
            rows.append((entry_id, "kept", *old[0], *new[0], ""))
            continue
        source, target = (went or old)[0], (came or new)[0]
        change = "new" if source == _NOWHERE else "lost" if target == _NOWHERE else "moved"
        rows.append((entry_id, change, *source, *target, why(run, entry_id, change, source[0])))
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


def why(run: Run, entry_id: str, change: str, from_session: str) -> str:
    """One plain sentence: what the tables of this morning say about a place that changed."""
    facts = run.facts
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
    freed = facts.standing.freed.get((row, from_session))
    if freed is not None:
        return "The place was cancelled." if freed == "cancelled" else "The offer lapsed: it was not taken up in time."
    if change == "moved":
        return "The plan as a whole is better with this place."
    reasons = {item.entry_id: item.reason for item in run.unplaced}
    return reasons.get(entry_id, "")
