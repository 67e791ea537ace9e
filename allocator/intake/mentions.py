"""The tables that speak of an entry: unavailable, overrides, commitments.

A damaged row holds its entry; where it may mean several, all of them. A damaged commitment that may be a
booking stays in the table as `booked`, so that its room stays reserved; any other damaged row is left out.
A commitment of somebody who is on no list today stays too: it means nothing until the entry is back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from allocator.instance import Array, Bools, Ints
from allocator.intake.draft import Draft
from allocator.intake.effects import HOLD, KEEP, REFUSE, Effect
from allocator.intake.entries import Entries, hold
from allocator.standing import BARRING, FIXING

NEEDS_SESSION = (*FIXING, "proposed")
NEEDS_PLACE = (*BARRING, "cancelled")


@dataclass(frozen=True, eq=False)
class Meant:
    """Whom each row of a table speaks of, before anything is refused for it.

    reference  (n_rows,) the id as the file writes it
    entry      (n_rows,) row of patients, -1 where it is none or not sure
    """

    reference: Array
    entry: Ints
    candidates: tuple[tuple[int, ...], ...]


def resolved(draft: Draft, entries: Entries) -> tuple[Draft, Meant]:
    """Replace ids by those of the accepted entries; mark rows that may mean a refused entry as damaged."""
    parsed = draft.column("entry_id")
    raw = draft.raw["entry_id"].str.strip().to_numpy(dtype=object) if len(draft) else parsed
    reference = np.where(parsed != "", parsed, raw)
    named = {text: entries.named(text) for text in dict.fromkeys(reference)}
    candidates = tuple(named[text][0] for text in reference)
    entry = np.array([rows[0] if len(rows) == 1 else -1 for rows in candidates], dtype=np.int64)
    unsure = np.array([len(named[text][0]) == 1 and not named[text][1] for text in reference], dtype=bool)
    ids = entries.draft.column("entry_id")
    one = np.flatnonzero(entry >= 0)
    draft = draft.with_value("entry_id", one, [ids[row] for row in entry[one]])
    doubtful = np.flatnonzero(unsure)
    draft = draft.fault(doubtful, "entry_id", "may mean a row of patients that was refused", "", effect=HOLD)
    # The fault blanked the id: the entry it may mean is held, and keeps the row.
    draft = draft.with_value("entry_id", doubtful, [ids[row] for row in entry[doubtful]])
    nobody = np.flatnonzero(entry < 0)
    draft = draft.with_value("entry_id", nobody, reference[nobody])
    return draft, Meant(reference, entry, candidates)


def no_such_entry(draft: Draft, meant: Meant, entries: Entries) -> Draft:
    """Refuse the rows that name nobody, or several."""
    rows = np.flatnonzero(~known_entry(meant))
    return unknown_entry(draft, rows, meant, entries, REFUSE)


def known_entry(meant: Meant) -> Bools:
    """(n_rows,) rows that may mean one entry."""
    known: Bools = meant.entry >= 0
    return known


def unknown_entry(draft: Draft, rows: Ints, meant: Meant, entries: Entries, effect: Effect) -> Draft:
    """Say of `rows` that they name nobody, or several, and what that does to them."""
    problems, hints = [], []
    for row in rows:
        refused = entries.refused_rows(meant.reference[row])
        if meant.candidates[row]:
            problems.append("may mean more than one entry")
            hints.append("write it as PROVIDER:entry_id")
        else:
            problems.append("names no entry")
            where = entries.draft.row[refused[0]] if refused else 0
            hints.append(f"its row {where} of patients was refused" if refused else "no row of patients has this id")
    if effect is KEEP:
        hints = [f"{hint}; the row is kept for the day when the entry is known" for hint in hints]
    return draft.fault(rows, "entry_id", problems, hints, effect=effect, values=meant.reference[rows])


def damaged_rows(draft: Draft, meant: Meant) -> Bools:
    """(n_rows,) rows that cannot be trusted: a damaged cell, or an id that may mean several."""
    several = np.array([len(found) > 1 for found in meant.candidates], dtype=bool)
    damaged: Bools = draft.held | draft.refused | several
    return damaged


def held_for(draft: Draft, meant: Meant, damaged: Bools) -> dict[int, str]:
    """Row of patients -> why it is held, for every damaged row."""
    return {
        entry: f"row {draft.row[row]} of {draft.table.name} is damaged"
        for row in np.flatnonzero(damaged)[::-1]
        for entry in meant.candidates[row]
    }


def checked_unavailable(draft: Draft, entries: Entries) -> tuple[Draft, Entries]:
    """Damaged rows are left out, and hold whom they speak of."""
    return _without_damaged(*resolved(draft, entries), entries)


def checked_overrides(
    draft: Draft, entries: Entries, sessions: Draft, site_codes: Collection[str]
) -> tuple[Draft, Entries]:
    """Damaged rows are left out, and hold whom they speak of; so are rows that a later one takes back."""
    draft, meant = resolved(draft, entries)
    draft, entries = _without_damaged(_known_target(draft, sessions, site_codes), meant, entries)
    return _taken_back(draft), entries


def _without_damaged(draft: Draft, meant: Meant, entries: Entries) -> tuple[Draft, Entries]:
    """Leave damaged rows out, and hold whom they speak of."""
    damaged = damaged_rows(draft, meant)
    draft = no_such_entry(draft, meant, entries).refuse(np.flatnonzero(draft.held))
    held = hold(entries.draft, held_for(draft, meant, damaged))
    return draft, replace(entries, draft=held)


def _known_target(overrides: Draft, sessions: Draft, site_codes: Collection[str]) -> Draft:
    """A pin or veto at a site that is not there would not be kept; of two places that differ nobody knows which."""
    session, site = overrides.column("session_id"), overrides.column("site_code")
    sound = ~overrides.held & ~overrides.refused
    strange = sound & (site != "") & ~np.isin(site.astype("str"), list(site_codes))
    overrides = overrides.fault(np.flatnonzero(strange), "site_code", "is not a known site", "", effect=HOLD)
    return _at_its_site(overrides, sessions, session, site, sound & ~strange)


def _at_its_site(draft: Draft, sessions: Draft, session: Array, site: Array, sound: Bools) -> Draft:
    """A row that names a session and a site (n_rows,) means the session's own."""
    site_of = dict(zip(sessions.column("session_id"), sessions.column("site_code"), strict=True))
    actual = np.array([site_of.get(name, "") for name in session], dtype=object)
    elsewhere = sound & (site != "") & (actual != "") & (actual != site)
    hints = [f"the session is at {code}" for code in actual[elsewhere]]
    return draft.fault(np.flatnonzero(elsewhere), "site_code", "is not the site of the session", hints, effect=HOLD)


def _taken_back(overrides: Draft) -> Draft:
    """Leave out pins that a later veto takes back, and vetoes that a later pin does: people are told of them."""
    names = ("entry_id", "session_id", "site_code", "action", "recorded_on")
    rows = np.flatnonzero(~overrides.held & ~overrides.refused)
    table = pd.DataFrame({name: overrides.column(name)[rows] for name in names}, index=rows)
    earlier, hints = [], []
    for _, said in table.sort_values("recorded_on", kind="stable").groupby(list(names[:3]), sort=False):
        last = said["recorded_on"].iloc[-1]
        actions = set(said["action"][said["recorded_on"] == last])
        for row in said.index[(said["recorded_on"] < last) & ~said["action"].isin(actions)]:
            earlier.append(row)
            hints.append(f"row {overrides.row[said.index[-1]]} says {said['action'].iloc[-1]}")
    return overrides.fault(
        np.array(earlier, dtype=np.int64),
        "action",
        "is taken back by a later row for the same place",
        hints,
        effect=REFUSE,
    )


def without_pins_of_held(overrides: Draft, patients: Draft) -> Draft:
    """Leave out `must` rows of entries that are held: nobody can keep them, and the run goes on without."""
    ids = patients.column("entry_id")[patients.held & ~patients.refused]
    pinned = np.isin(overrides.column("entry_id").astype("str"), ids.astype("str")) & (
        overrides.column("action") == "must"
    )
    rows = np.flatnonzero(pinned & ~overrides.refused)
    return overrides.fault(
        rows, "entry_id", "is held, so that the pin cannot be kept", "see its other rows here", effect=REFUSE
    )


@dataclass(frozen=True, eq=False)
class Commitments:
    """The commitments, checked. `last` are rows without a date, which count as the latest (positions)."""

    draft: Draft
    meant: Meant
    last: Ints


def checked_commitments(
    draft: Draft, entries: Entries, sessions: Draft, site_codes: Collection[str], plan_date: dt.date
) -> tuple[Commitments, Entries]:
    """Damaged rows hold their entry; what may be a booking stays as one, the latest of its pair.

    So do sound rows of nobody who is on a list: what was settled counts again when the entry is back.
    """
    draft, meant = resolved(draft, entries)
    draft = _sensible(draft, sessions, site_codes)
    held = hold(entries.draft, held_for(draft, meant, damaged_rows(draft, meant)))
    state, recorded_on = draft.column("state"), draft.column("recorded_on")
    here = np.isin(draft.column("session_id").astype("str"), _ids(sessions))
    may_be_booking = np.isin(state.astype("str"), FIXING) | ((state == "") & here)
    left_out = (draft.held | (meant.reference == "")) & ~may_be_booking
    kept = np.flatnonzero(draft.held & may_be_booking)
    undated = kept[np.isnat(recorded_on[kept])]
    nobody = np.flatnonzero(left_out & ~known_entry(meant))
    draft = unknown_entry(draft, nobody, meant, entries, REFUSE)
    draft = draft.with_value("state", kept, "booked").refuse(np.flatnonzero(left_out))
    dated = recorded_on[~np.isnat(recorded_on)]
    latest = max([np.datetime64(plan_date, "s"), *np.sort(dated)[-1:]])
    draft = draft.with_value("recorded_on", undated, latest)
    return Commitments(draft, meant, undated), replace(entries, draft=held)


def _ids(sessions: Draft) -> Array:
    ids: Array = sessions.column("session_id")[sessions.accepted].astype("str")
    return ids


def _sensible(draft: Draft, sessions: Draft, site_codes: Collection[str]) -> Draft:
    """Find the rows that say too little, or that contradict themselves."""
    state, session, site = (draft.column(name) for name in ("state", "session_id", "site_code"))
    sound = ~draft.held & ~draft.refused
    placeless = sound & np.isin(state.astype("str"), NEEDS_SESSION) & (session == "")
    draft = draft.fault(np.flatnonzero(placeless), "session_id", "is empty", "which session is it", effect=HOLD)
    nowhere = sound & np.isin(state.astype("str"), NEEDS_PLACE) & (session == "") & (site == "")
    draft = draft.fault(
        np.flatnonzero(nowhere), "session_id", "is empty, and so is site_code", "put one of them", effect=HOLD
    )
    # Rows that hold already stay too, and are to be read the same way again: a wrong site is blanked in them as well.
    there = ~draft.refused
    strange = there & (session == "") & (site != "") & ~np.isin(site.astype("str"), list(site_codes))
    draft = draft.fault(np.flatnonzero(strange), "site_code", "is not a known site", "", effect=HOLD)
    return _at_its_site(draft, sessions, session, site, there)
