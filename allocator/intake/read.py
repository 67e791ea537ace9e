"""The story of intake: files to tables of text, cells, codes, entries, what is settled, and the Instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from allocator import schema
from allocator.errors import InputError
from allocator.instance import Instance, InstanceInfo, Ints
from allocator.intake import places
from allocator.intake.cells import ADDED, draft, table_problems
from allocator.intake.claims import Room, lost_claims, said_of_nobody, with_claims, with_room_taken
from allocator.intake.draft import Draft
from allocator.intake.entries import checked_entries, checked_requirements, emergencies
from allocator.intake.identities import numbers_of_entries, without_nhs_numbers
from allocator.intake.info import read_info
from allocator.intake.mentions import (
    checked_commitments,
    checked_overrides,
    checked_unavailable,
    without_pins_of_held,
)
from allocator.intake.raw import RawTable
from allocator.intake.result import Intake
from allocator.intake.sources import find_sources, read_tables

Drafts = Mapping[str, Draft]


def read_instance(path: Path) -> Intake:
    """Read the folder (or the workbook) at `path`.

    Raises InputError, with every problem found, where the whole of it cannot be run; single bad rows and
    values go to `Intake.quarantine` and the run goes on without them.
    """
    found = find_sources(path)
    problems = list(found.problems)
    info = None
    try:
        info = read_info(found)
    except InputError as error:
        problems += error.problems
    tables, unreadable = read_tables(found)
    problems += unreadable
    there = {source.table for source in found.sources}
    for table in schema.TABLES:
        if table.name in tables or (table.required and table.name not in there):
            problems += table_problems(table, tables.get(table.name))
    if problems or info is None:
        raise InputError(problems)
    return _checked(info, tables, found.notices)


@dataclass(frozen=True, eq=False)
class _Result:
    """The drafts when all is checked. `first` and `skipped` are positions."""

    drafts: Drafts
    last_commitments: Ints
    merged_lists: Ints
    emergencies: pd.DataFrame


def _checked(info: InstanceInfo, tables: Mapping[str, RawTable], notices: tuple[str, ...]) -> Intake:
    numbers = numbers_of_entries(tables["patients"])
    tables = {name: without_nhs_numbers(raw) for name, raw in tables.items()}
    drafts = {table.name: draft(table, tables.get(table.name), info.plan_date) for table in schema.TABLES}
    result = _related(drafts, info, numbers)
    _some_rows_left(result.drafts)
    return Intake(
        instance=Instance.from_frames(info, _frames(result)),
        quarantine=pd.concat([found.quarantine() for found in result.drafts.values()], ignore_index=True),
        notices=(*notices, *(notice for found in result.drafts.values() for notice in found.notices)),
        emergencies=result.emergencies,
        rows_read={name: len(found) for name, found in result.drafts.items()},
        rows_accepted={name: len(found.accepted) for name, found in result.drafts.items()},
    )


def _related(drafts: Drafts, info: InstanceInfo, numbers: Mapping[str, tuple[str, ...]]) -> _Result:
    """What the tables say about each other: places first, then entries, then what is settled.

    `numbers` are what pseudonyms of entries stand for.
    """
    organisations = places.checked_organisations(drafts["organisations"], info.plan_date)
    successor = places.successors(organisations, info.plan_date)
    providers = places.known(organisations, "provider_code")
    sites = places.checked_sites(drafts["sites"], providers)
    sites = places.mapped_to_successors(sites, "provider_code", successor)
    sessions = places.checked_sessions(drafts["sessions"], sites)
    beds = places.checked_beds(drafts["beds"], sites)
    travel = places.checked_travel(drafts["travel"], sites)
    lists, merged = places.checked_waiting_lists(drafts["waiting_lists"], providers, successor)

    patients, listed = emergencies(drafts["patients"])
    entries = checked_entries(patients, sorted(providers), successor, numbers)
    entries = checked_requirements(entries)
    # Only those that are accepted: what is accepted is to be read the same way again.
    site_codes = frozenset(sites.column("site_code")[sites.accepted]) - {""}
    unavailable, entries = checked_unavailable(drafts["unavailable"], entries)
    overrides, entries = checked_overrides(drafts["overrides"], entries, sessions, site_codes)
    settled, entries = checked_commitments(drafts["commitments"], entries, sessions, site_codes, info.plan_date)
    claims = lost_claims(settled, entries, sessions, info.plan_date)
    settled = with_room_taken(said_of_nobody(settled, entries, sessions, info.plan_date), claims)
    room = with_claims(Room(entries, sessions, sites, beds, organisations), claims, settled)
    checked = {
        "organisations": room.organisations,
        "waiting_lists": lists,
        "sites": sites,
        "patients": room.entries.draft,
        "unavailable": unavailable,
        "sessions": room.sessions,
        "beds": room.beds,
        "travel": travel,
        "commitments": settled.draft,
        "overrides": without_pins_of_held(overrides, room.entries.draft),
    }
    return _Result(checked, settled.last, merged, listed)


def _some_rows_left(drafts: Drafts) -> None:
    problems = []
    for table in schema.TABLES:
        found = drafts[table.name]
        if table.required and not len(found.accepted):
            faults = found.quarantine()
            counts = (faults["column"] + " " + faults["problem"]).value_counts().head(5)
            shown = "; ".join(f"{count} x {text}" for text, count in counts.items())
            problems.append(f"{table.name}: none of its {len(found)} rows can be used: {shown}.")
    if problems:
        raise InputError(problems)


def _frames(result: _Result) -> dict[str, pd.DataFrame]:
    """The accepted rows, as the Instance wants them."""
    frames = {}
    for name, found in result.drafts.items():
        rows = found.accepted
        if name == "commitments":
            rows = np.concatenate([np.setdiff1d(rows, result.last_commitments), result.last_commitments])
        if name == "waiting_lists":
            rows = np.setdiff1d(rows, result.merged_lists)
        added = {ADDED[name].column: getattr(found, ADDED[name].column)} if name in ADDED else {}
        frames[name] = pd.DataFrame({column: values[rows] for column, values in {**found.values, **added}.items()})
    return frames
