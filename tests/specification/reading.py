"""The tables as plain Python rows: dictionaries, dates, None where a value is not known.

The specification reads nothing else: no options, no arrays, no rows. Only the minutes of a journey come
from the engine (`Facts.travel_minutes`), because they are a table and a published formula, not a rule.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from allocator.instance import Instance, InstanceInfo
from allocator.options import Facts

Row = dict[str, Any]
Pair = tuple[str, str]


@dataclass
class Case:
    """One instance, read. A session also holds its `site` (a row), its `host` and whether that is independent.

    fixed     (entry, session) -> offered, booked or reserved, for sessions that are there
    counted   entries that count in goals; waiting: those of them that may be given a place
    barred    (entry, session or site) that was declined or refused; proposed: entry -> session
    """

    info: InstanceInfo
    entries: dict[str, Row]
    sessions: dict[str, Row]
    organisations: list[Row]
    beds: dict[tuple[str, dt.date, str], int]
    unavailable: list[Row]
    overrides: list[Row]
    facts: Facts
    fixed: set[Pair] = field(default_factory=set)
    treated: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    barred: set[Pair] = field(default_factory=set)
    proposed: dict[str, str] = field(default_factory=dict)

    def at_home(self, e: str, s: str) -> bool:
        """Is the session at the home provider of the entry."""
        return bool(self.sessions[s]["host"] == self.entries[e]["home_provider"])

    def bought(self, e: str, s: str) -> bool:
        """Is it a place at an independent provider that is not the entry's own."""
        return self.sessions[s]["independent"] and not self.at_home(e, s)

    def minutes_away(self, e: str, s: str) -> int | None:
        """Minutes from home to the site; None where not known."""
        return self.facts.travel_minutes(e, self.sessions[s]["site_code"])

    def waits_from(self, e: str) -> dt.date | None:
        """Clock start; for planned care the due date, before which nobody waits."""
        row = self.entries[e]
        day: dt.date | None = row["due_date"] if row["pathway"] == "planned" else row["clock_start"]
        return day


def read(instance: Instance) -> Case:
    """The case that an instance describes."""
    sector = {row["provider_code"]: row["sector"] for row in rows(instance, "organisations")}
    sites = {row["site_code"]: row for row in rows(instance, "sites")}
    sessions = {}
    for row in rows(instance, "sessions"):
        site = sites[row["site_code"]]
        host = site["provider_code"]
        sessions[row["session_id"]] = {**row, "site": site, "host": host, "independent": sector[host] == "independent"}
    case = Case(
        info=instance.info,
        entries={row["entry_id"]: row for row in rows(instance, "patients")},
        sessions=sessions,
        organisations=rows(instance, "organisations"),
        beds={(row["site_code"], row["night"], row["bed_kind"]): row["spare_beds"] for row in rows(instance, "beds")},
        unavailable=rows(instance, "unavailable"),
        overrides=rows(instance, "overrides", by="recorded_on"),
        facts=Facts(instance),
    )
    read_commitments(case, rows(instance, "commitments", by="recorded_on"))
    return case


def rows(instance: Instance, table: str, by: str = "") -> list[Row]:
    """The rows of one table, None for what is not known, dates as dates; equal moments keep their order."""
    frame = instance.table(table)
    records = (frame.sort_values(by, kind="stable") if by else frame).to_dict("records")
    return [{str(name): plain(value) for name, value in record.items()} for record in records]


def plain(value: Any) -> Any:
    """One cell as plain Python."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.date() if value == value.normalize() else value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value


def read_commitments(case: Case, settled: list[Row]) -> None:
    """Where every entry stands: the latest row of an (entry, session), or (entry, site), wins."""
    latest: dict[Pair, Row] = {}
    for row in settled:
        if row["entry_id"] in case.entries:
            pair = (row["entry_id"], row["session_id"] or row["site_code"])
            latest.pop(pair, None)
            latest[pair] = row
    case.treated |= {e for (e, _), row in latest.items() if row["state"] == "treated"}
    settled_entries, lost = set(), set()
    for (e, place), row in latest.items():
        lapsed = row["expires_on"] is not None and row["expires_on"] < case.info.plan_date
        if e in case.treated:
            continue
        if row["state"] == "booked" or (row["state"] == "offered" and not lapsed):
            settled_entries.add(e)
            if place in case.sessions:
                case.fixed.add((e, place))
            else:
                lost.add(e)  # booked in a session that is gone: people must act, no plan can
        elif row["state"] in ("declined", "host_refused"):
            case.barred.add((e, place))
        elif row["state"] == "proposed":
            case.proposed[e] = place
    held = {e for e, row in case.entries.items() if row["held"]}
    case.counted |= set(case.entries) - case.treated - held - lost
    case.waiting |= case.counted - settled_entries
