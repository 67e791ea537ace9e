"""Bookings of entries or in sessions that were refused or are not there: what they use must not be given away.

The row of such an entry is gone, and with it its minutes and nights. So its session is closed to anybody
new, its beds are taken off (all beds from that night on, where the stay is not known), its move counts
against the caps of both trusts, and the same person's other entries are held.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np

from allocator.instance import Bools
from allocator.intake.draft import Draft
from allocator.intake.effects import KEEP
from allocator.intake.entries import Entries, hold
from allocator.intake.mentions import Commitments, known_entry, unknown_entry
from allocator.standing import BARRING, FIXING


@dataclass(frozen=True)
class Claim:
    """One booking that the tables no longer account for.

    entry is a row of patients (-1 where nothing is known of it), session one of sessions.
    """

    row: int
    entry: int
    session: int
    entry_is_refused: bool


def counting_rows(commitments: Commitments, plan_date: dt.date) -> list[int]:
    """Positions of the latest row of every pair, of people not treated, unless it is an offer that has lapsed."""
    draft, reference = commitments.draft, commitments.meant.reference
    state, session_id, site_code = (draft.column(name) for name in ("state", "session_id", "site_code"))
    lapsed = ~draft.held & (state == "offered") & (draft.column("expires_on") < np.datetime64(plan_date, "s"))
    latest: dict[tuple[str, str, str], int] = {}
    treated = set()
    # NaT sorts last: a row without a date counts as the latest.
    for row in np.argsort(draft.column("recorded_on"), kind="stable").tolist():
        latest[reference[row], session_id[row], "" if session_id[row] else site_code[row]] = row
        if state[row] == "treated" and not draft.held[row]:
            treated.add(reference[row])
    return [row for row in latest.values() if reference[row] not in treated and not lapsed[row]]


def said_of_nobody(commitments: Commitments, entries: Entries, sessions: Draft, plan_date: dt.date) -> Commitments:
    """Report the rows that are kept though their entry is on no list.

    One by one where they matter today: what stands in a session of today or at a whole site, and what may
    mean several entries. The others, of people who have left long ago, are counted.
    """
    draft, meant = commitments.draft, commitments.meant
    state, session_id = draft.column("state"), draft.column("session_id")
    here = set(sessions.column("session_id")) | {""}
    matters = np.array([len(found) > 1 for found in meant.candidates], dtype=bool)
    for row in counting_rows(commitments, plan_date):
        matters[row] |= state[row] in (*FIXING, *BARRING) and session_id[row] in here
    kept = ~known_entry(meant) & ~draft.refused
    draft = unknown_entry(draft, np.flatnonzero(kept & matters), meant, entries, KEEP)
    count = int((kept & ~matters).sum())
    notice = f"commitments: rows of entries on no list today, kept for the day when they are back: {count}."
    return replace(commitments, draft=draft.noted(notice if count else ""))


def lost_claims(commitments: Commitments, entries: Entries, sessions: Draft, plan_date: dt.date) -> list[Claim]:
    """Offers and bookings that stand, whose entry or session was refused or whose entry is not there."""
    draft, meant = commitments.draft, commitments.meant
    session_row = {}
    for row in [*np.flatnonzero(sessions.refused), *sessions.accepted]:
        session_row[sessions.column("session_id")[row]] = int(row)
    state, session_id = draft.column("state"), draft.column("session_id")
    claims = []
    for row in counting_rows(commitments, plan_date):
        session = session_row.get(session_id[row], -1) if session_id[row] else -1
        if session < 0 or state[row] not in (*FIXING, "") or draft.room_taken[row]:
            continue
        if meant.entry[row] < 0:
            refused = entries.refused_rows(meant.reference[row])
            claims.append(Claim(row, refused[0] if refused else -1, session, True))
        elif sessions.refused[session]:
            claims.append(Claim(row, int(meant.entry[row]), session, False))
    return claims


def with_room_taken(commitments: Commitments, claims: list[Claim]) -> Commitments:
    """The commitments with the rows of `claims` marked, so that no later intake takes their room off again."""
    taken = commitments.draft.room_taken.copy()
    taken[[claim.row for claim in claims]] = True
    return replace(commitments, draft=replace(commitments.draft, room_taken=taken))


@dataclass(frozen=True, eq=False)
class Room:
    """The drafts that say what room there is."""

    entries: Entries
    sessions: Draft
    sites: Draft
    beds: Draft
    organisations: Draft


def with_claims(room: Room, claims: list[Claim], commitments: Commitments) -> Room:
    """The same with what lost bookings use taken off."""
    if not claims:
        return room
    people: dict[int, str] = {}
    for claim in claims:
        room = _with_claim(room, claim)
        if claim.entry_is_refused and claim.entry >= 0:
            shown = (
                f"row {commitments.draft.row[claim.row]} of commitments is of the same person, whose entry was refused"
            )
            people |= {int(row): shown for row in np.flatnonzero(_same_person(room.entries.draft, claim.entry))}
    notice = (
        f"commitments: {len(claims)} offers or bookings are of entries or in sessions that are refused or not there; "
        "their sessions take nobody new, and their beds and moves are counted."
    )
    entries = replace(room.entries, draft=hold(room.entries.draft, people))
    return replace(room, entries=entries, sessions=room.sessions.noted(notice))


def _same_person(patients: Draft, entry: int) -> Bools:
    person = patients.column("patient_id")
    same: Bools = (person == person[entry]) & (person[entry] != "") & ~patients.refused
    return same


def _with_claim(room: Room, claim: Claim) -> Room:
    sessions, patients = room.sessions, room.entries.draft
    site = str(sessions.column("site_code")[claim.session])
    host = dict(zip(room.sites.column("site_code"), room.sites.column("provider_code"), strict=True)).get(site, "")
    home = str(patients.column("home_provider")[claim.entry]) if claim.entry >= 0 else ""
    organisations = room.organisations
    if host != home:
        organisations = _one_less(organisations, "max_incoming", organisations.column("provider_code") == host)
        organisations = _one_less(organisations, "max_outgoing", organisations.column("provider_code") == home)
    return replace(
        room,
        sessions=sessions.close(np.array([claim.session])),
        beds=_one_less(room.beds, "spare_beds", _nights(room, claim, site)),
        organisations=organisations,
    )


def _nights(room: Room, claim: Claim, site: str) -> Bools:
    """(n_beds,) beds that the booking uses, or may use."""
    beds, patients = room.beds, room.entries.draft
    night, day = beds.column("night"), room.sessions.column("date")[claim.session]
    stays = patients.column("overnight_stays")[claim.entry] if claim.entry >= 0 else np.nan
    hdu = patients.column("needs_hdu")[claim.entry] if claim.entry >= 0 else None
    used = (beds.column("site_code") == site) & ~(night < day)
    if not np.isnan(stays):
        used &= ~(night >= day + np.timedelta64(int(stays), "D"))
    if hdu is not None:
        kind = beds.column("bed_kind")
        used &= (kind == "hdu") if hdu else (kind != "hdu")
    found: Bools = used.astype(bool)
    return found


def _one_less(draft: Draft, name: str, where: Bools) -> Draft:
    rows = np.flatnonzero(where)
    values = draft.column(name)[rows]
    return draft.with_value(name, rows, np.where(np.isnan(values), values, np.maximum(values - 1, 0)))
