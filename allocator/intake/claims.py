"""Bookings of entries or in sessions whose rows were refused: what they use must not be given away.

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
from allocator.intake.entries import Entries, hold
from allocator.intake.mentions import Commitments
from allocator.standing import FIXING


@dataclass(frozen=True)
class Claim:
    """One booking that the tables no longer account for.

    entry is a row of patients (-1 where nothing is known of it), session one of sessions.
    """

    row: int
    entry: int
    session: int
    entry_is_refused: bool


def lost_claims(commitments: Commitments, entries: Entries, sessions: Draft, plan_date: dt.date) -> list[Claim]:
    """Latest offers and bookings whose entry or session was refused, and that still stand."""
    draft, meant = commitments.draft, commitments.meant
    session_row = {}
    for row in [*np.flatnonzero(sessions.refused), *sessions.accepted]:
        session_row[sessions.column("session_id")[row]] = int(row)
    state, session_id = draft.column("state"), draft.column("session_id")
    recorded_on, expires_on = draft.column("recorded_on"), draft.column("expires_on")
    # NaT sorts last: a row without a date counts as the latest.
    latest: dict[tuple[str, str], int] = {}
    treated = set()
    for row in np.argsort(recorded_on, kind="stable"):
        latest[meant.reference[row], session_id[row]] = int(row)
        if state[row] == "treated" and not draft.held[row]:
            treated.add(meant.reference[row])
    claims = []
    for (reference, name), row in latest.items():
        expired = state[row] == "offered" and expires_on[row] < np.datetime64(plan_date, "s")
        stands = state[row] in (*FIXING, "") and not (expired and not draft.held[row])
        session = session_row.get(name, -1) if name else -1
        if not stands or session < 0 or reference in treated:
            continue
        if draft.refused[row]:
            refused = entries.refused_rows(reference)
            claims.append(Claim(row, refused[0] if refused else -1, session, True))
        elif sessions.refused[session]:
            claims.append(Claim(row, int(meant.entry[row]), session, False))
    return claims


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
