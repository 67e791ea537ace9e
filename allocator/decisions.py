"""What people decided about yesterday's places, read from a CSV file and checked row by row.

From one state of a pair (entry and session) to the next:

| from               | to                                                         |
|--------------------|------------------------------------------------------------|
| proposed           | offered, booked, declined, host_refused, cancelled         |
| offered            | offered (a new date), booked, declined, host_refused, cancelled |
| booked             | treated, declined, host_refused, cancelled                 |
| cancelled, lapsed  | declined, host_refused                                     |

lapsed: an offer that had expired by yesterday's plan, which gave its room away.
A decision with a site and no session bars the site, and needs no earlier place there.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from allocator import schema
from allocator.errors import InputError, maybe
from allocator.instance import Instance
from allocator.intake.identities import may_hold_numbers
from allocator.intake.nhs_number import pseudonymous
from allocator.report.safe import plain_text
from allocator.standing import BARRING, FIXING

COLUMNS = tuple(column.name for column in schema.COMMITMENTS.columns)
DECISIONS = tuple(state for state in schema.STATES if state != "proposed")
NEXT: Mapping[str, frozenset[str]] = {
    "proposed": frozenset({"offered", "booked", "declined", "host_refused", "cancelled"}),
    "offered": frozenset({"offered", "booked", "declined", "host_refused", "cancelled"}),
    "booked": frozenset({"treated", "declined", "host_refused", "cancelled"}),
    "cancelled": frozenset(BARRING),
    "lapsed": frozenset(BARRING),
}

Pair = tuple[str, str, str]


@dataclass(frozen=True)
class Commitment:
    """One row of commitments. `session_id` or `site_code` may be empty, `expires_on` unknown."""

    entry_id: str
    session_id: str
    site_code: str
    state: str
    decided_by: str
    reason_code: str
    recorded_on: dt.datetime
    expires_on: dt.date | None = None

    @property
    def pair(self) -> Pair:
        """What the row is about: the entry and its session, or the entry and a whole site."""
        return self.entry_id, self.session_id, "" if self.session_id else self.site_code

    @property
    def where(self) -> str:
        """The session or the site, for people."""
        return self.session_id or f"site {self.site_code}"

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as written to CSV, in the order of `COLUMNS`."""
        expires_on = "" if self.expires_on is None else self.expires_on.isoformat()
        told = (self.entry_id, self.session_id, self.site_code, self.state, self.decided_by, self.reason_code)
        return *told, self.recorded_on.isoformat(), expires_on


def read_decisions(path: Path, instance: Instance, settled: Sequence[Commitment]) -> tuple[Commitment, ...]:
    """Every decision of the file that is not among those `settled` before, in its order.

    Raises InputError that lists every bad row, never the first alone.
    """
    rows = read_rows(path, wanted=("entry_id", "state", "recorded_on"))
    return checked_decisions([(f"{path.name} line {line}", cells) for line, cells in rows], instance, settled)


def checked_decisions(
    rows: Iterable[tuple[str, Mapping[str, str]]], instance: Instance, settled: Sequence[Commitment]
) -> tuple[Commitment, ...]:
    """The same for rows from elsewhere: (where it stands, for people; column -> cell)."""
    standing = latest_of(settled)
    known, entry_ids = set(settled), {*instance.entry_row, *(row.entry_id for row in settled)}
    decided: list[Commitment] = []
    problems: list[str] = []
    for where, cells in rows:
        given, found = parse(cells, instance, entry_ids)
        if given in known:
            continue
        if given is not None and not found:
            found = wrong_step(given, standing, instance.info.plan_date)
            found += in_the_future(given, standing.get(given.pair), instance.info.horizon_end)
        if given is None or found:
            problems += [f"{where}: {problem}" for problem in found]
            continue
        standing[given.pair] = given
        decided.append(given)
    problems += barred_but_kept(decided, standing, instance)
    if problems:
        raise InputError(problems)
    return tuple(decided)


def read_rows(path: Path, wanted: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """(line, column -> cell) of a CSV file that people made: stripped, byte-order mark and formulas off.

    NHS numbers become the pseudonyms that intake gives them.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError([f"{path} cannot be read: {error.strerror}."]) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    # Not splitlines(): a cell may hold a letter that it takes for the end of a line, such as U+2028.
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", restval="")
    names = [name.strip() for name in reader.fieldnames or ()]
    missing = [f'{path.name} has no column "{name}".{maybe(name, names)}' for name in wanted if name not in names]
    if missing:
        raise InputError(missing)
    reader.fieldnames = names
    people = {name for name in names if may_hold_numbers(schema.COMMITMENTS, name)}
    return [
        (
            reader.line_num,
            {name: (pseudonymous if name in people else str)(plain_text(row[name].strip())) for name in names},
        )
        for row in reader
        if any(row[name].strip() for name in names)
    ]


def parse(
    cells: Mapping[str, str], instance: Instance, entry_ids: Collection[str]
) -> tuple[Commitment | None, list[str]]:
    """One decision and what is wrong with its values; None where a moment or a date cannot be read.

    `entry_ids` are those of yesterday's lists and of everybody for whom something is settled.
    """
    problems = []
    entry_id, session_id, site_code = (cells.get(name, "") for name in ("entry_id", "session_id", "site_code"))
    state, decided_by = cells["state"], cells.get("decided_by", "")
    if entry_id not in entry_ids:
        problems.append(f'no entry "{entry_id}" in yesterday\'s run.{maybe(entry_id, entry_ids)}')
    if site_code and site_code not in instance.site_row:
        problems.append(f'no site "{site_code}" in yesterday\'s run.{maybe(site_code, instance.site_row)}')
    if not session_id and not site_code:
        problems.append("neither session_id nor site_code is given; wanted: one of them.")
    if session_id in instance.session_row and site_code not in ("", instance.session[session_id]["site_code"]):
        known = instance.session[session_id]["site_code"]
        problems.append(f"{session_id} is at site {known}, not at {site_code}. Maybe leave site_code empty.")
    if state not in DECISIONS:
        problems.append(f'given state "{state}", wanted one of {", ".join(DECISIONS)}.{maybe(state, DECISIONS)}')
    if decided_by not in ("", *schema.DECIDERS):
        wanted = ", ".join(schema.DECIDERS)
        problems.append(f'given decided_by "{decided_by}", wanted one of {wanted}.{maybe(decided_by, schema.DECIDERS)}')
    recorded_on, expires_on = moment(cells["recorded_on"]), moment(cells.get("expires_on", ""))
    for name, value in (("recorded_on", recorded_on), ("expires_on", expires_on)):
        if value is None and (cells.get(name) or name == "recorded_on"):
            problems.append(f'given {name} "{cells[name]}", wanted a date such as 2026-02-03.')
    if expires_on and recorded_on and expires_on.date() < recorded_on.date():
        problems.append(f"expires_on {expires_on.date()} is before recorded_on {recorded_on.date()}.")
    if expires_on and state != "offered":
        problems.append(f"expires_on is given for {state}; only an offer expires.")
    if recorded_on is None:
        return None, problems
    last_day = None if expires_on is None else expires_on.date()
    reason_code = cells.get("reason_code", "")
    return Commitment(entry_id, session_id, site_code, state, decided_by, reason_code, recorded_on, last_day), problems


def as_commitment(cells: Mapping[str, str]) -> Commitment | None:
    """A row of the file as a commitment; None where its moment cannot be read ."""
    recorded_on, expires_on = moment(cells["recorded_on"]), moment(cells.get("expires_on", ""))
    if recorded_on is None:
        return None
    told = [cells.get(name, "") for name in COLUMNS[:6]]
    last_day = None if expires_on is None else expires_on.date()
    return Commitment(told[0], told[1], told[2], told[3], told[4], told[5], recorded_on, last_day)


def moment(text: str) -> dt.datetime | None:
    """A date or a moment, ISO 8601 or dd/mm/yyyy; None where it is neither."""
    for read in (dt.datetime.fromisoformat, _day_first):
        try:
            return read(text).replace(tzinfo=None, microsecond=0)
        except ValueError:
            continue
    return None


def _day_first(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, "%d/%m/%Y")


def wrong_step(given: Commitment, latest: Mapping[Pair, Commitment], plan_date: dt.date) -> list[str]:
    """Why this decision cannot follow what stands of its pair; nothing where it can."""
    before = latest.get(given.pair)
    told = f"{given.entry_id} in {given.where}"
    if not given.session_id:
        bars = given.state in BARRING
        return [] if bars else [f"{told}: only {' and '.join(BARRING)} are about a whole site; give the session_id."]
    if before is None:
        others = sorted(pair[1] for pair in latest if pair[0] == given.entry_id and pair[1])
        known = f" Maybe {' or '.join(others)}." if others else ""
        return [f"{told} was never proposed, offered or booked, so it cannot be {given.state}.{known}"]
    state = "lapsed" if lapsed(before, plan_date) else before.state
    if given.state not in NEXT.get(state, frozenset()):
        allowed = ", ".join(sorted(NEXT.get(state, ()))) or "nothing"
        return [f"{told} is {state} since {before.recorded_on}; it cannot be {given.state}, only {allowed}."]
    if given.recorded_on < before.recorded_on:
        late = f"{told}: recorded_on {given.recorded_on} is before {before.recorded_on}, when it was {before.state}"
        return [f"{late}. Maybe the time of day is missing."]
    return []


def in_the_future(given: Commitment, before: Commitment | None, horizon_end: dt.date) -> list[str]:
    """Is the decision dated after today, here or in UTC, and after all that its run is about; nothing where not.

    Of what stands with such a date already the next step has to be later still: it is no mistake of the decision.
    """
    latest = max(horizon_end, dt.date.today(), dt.datetime.now(dt.UTC).date())
    if given.recorded_on.date() <= latest or (before is not None and before.recorded_on.date() > latest):
        return []
    return [f"recorded_on {given.recorded_on.date()} is in the future. Maybe the year is wrong."]


def lapsed(commitment: Commitment, plan_date: dt.date) -> bool:
    """An offer whose last day was before the plan."""
    expires_on = commitment.expires_on
    return commitment.state == "offered" and expires_on is not None and expires_on < plan_date


def barred_but_kept(
    decided: Iterable[Commitment], standing: Mapping[Pair, Commitment], instance: Instance
) -> list[str]:
    """Sites that were refused as a whole while a place there is still offered or booked."""
    refused = {(item.entry_id, item.site_code): item.state for item in decided if not item.session_id}
    problems = []
    for (entry_id, session_id, _), item in standing.items():
        if item.state not in FIXING or lapsed(item, instance.info.plan_date):
            continue
        site_code = instance.session[session_id]["site_code"] if session_id in instance.session_row else item.site_code
        state = refused.get((entry_id, site_code))
        if state is not None:
            told = f"{entry_id}: site {site_code} is {state}, and {session_id} there is still {item.state}"
            problems.append(f"{told}. Decide on {session_id} too.")
    return problems


def latest_of(rows: Iterable[Commitment]) -> dict[Pair, Commitment]:
    """The row of every pair that wins: the latest, and of the same moment the last."""
    latest: dict[Pair, Commitment] = {}
    for row in sorted(rows, key=lambda row: row.recorded_on):
        latest[row.pair] = row
    return latest
