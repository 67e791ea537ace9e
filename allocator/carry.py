"""Tomorrow's commitments: yesterday's, what yesterday's plan proposed, and what people decided since.

The order of the file matters, because of two rows of the same moment the later one counts:
yesterday's commitments, proposals that the plan dropped (cancelled), its own proposals, then what the
file of tomorrow's instance held already, then the decisions. History is kept; a row stands there once.

What is settled of entries that are on no list is carried like the rest: a list may lack somebody for a day.

A row that yesterday's intake could not use is not among the accepted ones. So that nobody is freed by it,
its entry gets a row without a state, which holds the entry again until a person puts that row right.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from allocator.decisions import COLUMNS, Commitment, Pair, as_commitment, latest_of, moment, read_decisions, read_rows
from allocator.errors import AuditFailedError, UsageError
from allocator.instance import Instance
from allocator.run_folder import stored_instance, stored_json, stored_table

DROPPED = "not_in_plan"
"""reason_code of a proposal that a later plan did not repeat."""
UNREADABLE = "damaged_row"
"""reason_code of the row that stands for one which yesterday's intake could not use."""
DAMAGED = re.compile(r"row \d+ of commitments is damaged")
"""How intake says why it holds an entry for a row of commitments."""


@dataclass(frozen=True)
class CarryResult:
    """What was written: the file, rows that stood there before, and rows added by where they came from.

    `unreadable` are entries that stay held because a row of yesterday's commitments could not be used.
    """

    path: Path
    kept: int
    carried: int
    dropped: int
    proposed: int
    decided: int
    unreadable: int


def carry(run_folder: Path, decisions: Path | None, into: Path) -> CarryResult:
    """Write `into`/commitments.csv from yesterday's run and a file of decisions; all of it or nothing.

    Raises InputError with every bad row, UsageError where `into` cannot take the file, AuditFailedError
    where yesterday's plan failed its audit.
    """
    path = target(into)
    if stored_json(run_folder, "audit.json").get("passed") is not True:
        raise AuditFailedError(f"The run in {run_folder} failed its audit: nothing of its plan may be carried on.")
    instance = stored_instance(run_folder)
    carried, dropped, proposed = settled_after(run_folder, instance)
    names, kept = existing(path)
    standing = [*carried, *dropped, *proposed, *filter(None, map(as_commitment, kept))]
    decided = read_decisions(decisions, instance, standing) if decisions is not None else ()
    seen = {key_of(row) for row in kept}
    unreadable = held_rows(run_folder, instance.info.plan_date)
    parts = [unseen(part, seen) for part in (carried, dropped, proposed, unreadable, decided)]
    *before, after = [[as_cells(row) for row in part] for part in parts]
    write_whole(path, names, [*(cells for part in before for cells in part), *kept, *after])
    counts = [len(part) for part in parts]
    return CarryResult(path, len(kept), counts[0], counts[1], counts[2], decided=counts[4], unreadable=counts[3])


def settled_after(run_folder: Path, instance: Instance) -> tuple[list[Commitment], list[Commitment], list[Commitment]]:
    """What stands once a run is done, oldest first: what it was given, what its plan dropped, what it proposes."""
    carried = yesterdays(instance)
    plan = planned(run_folder)
    dropped = dropped_proposals(carried, plan, instance.info.plan_date)
    return carried, dropped, new_proposals(carried, plan, instance)


def target(into: Path) -> Path:
    """The file to write; UsageError where `into` is no folder or keeps its commitments in another format."""
    if into.exists() and not into.is_dir():
        raise UsageError(f"{into} is a file; wanted a folder. Maybe save the workbook's sheets as CSV files in one.")
    for name in ("commitments.csv.gz", "commitments.parquet"):
        if (into / name).exists():
            raise UsageError(f"{into / name} is there already; carry writes commitments.csv. Maybe convert it first.")
    return into / "commitments.csv"


def yesterdays(instance: Instance) -> list[Commitment]:
    """The commitments that yesterday's run accepted, in their order."""
    return [
        Commitment(
            str(row["entry_id"]),
            str(row["session_id"]),
            str(row["site_code"]),
            str(row["state"]),
            str(row["decided_by"]),
            str(row["reason_code"]),
            row["recorded_on"].to_pydatetime(),
            None if pd.isna(row["expires_on"]) else row["expires_on"].date(),
        )
        for row in instance.commitments.to_dict(orient="records")
    ]


def planned(run_folder: Path) -> list[tuple[str, str, str]]:
    """(entry_id, session_id, site_code) of everything that yesterday's plan proposed."""
    table = stored_table(run_folder, "allocation.csv", ("entry_id", "session_id", "site_code", "state"))
    new = table[table["state"] == "proposed"]
    return list(zip(new["entry_id"], new["session_id"], new["site_code"], strict=True))


def dropped_proposals(
    carried: Sequence[Commitment], plan: Iterable[tuple[str, str, str]], plan_date: dt.date
) -> list[Commitment]:
    """Earlier proposals that yesterday's plan did not repeat: cancelled, so that nothing rests on them."""
    repeated = {(entry_id, session_id) for entry_id, session_id, _ in plan}
    return [
        Commitment(
            before.entry_id,
            before.session_id,
            before.site_code,
            "cancelled",
            "hub",
            DROPPED,
            max(dt.datetime.combine(plan_date, dt.time()), before.recorded_on),
        )
        for before in latest_of(carried).values()
        if before.state == "proposed" and (before.entry_id, before.session_id) not in repeated
    ]


def new_proposals(
    carried: Sequence[Commitment], plan: Iterable[tuple[str, str, str]], instance: Instance
) -> list[Commitment]:
    """What yesterday's plan proposed, recorded on its morning, or later where the pair has a later row."""
    morning = dt.datetime.combine(instance.info.plan_date, dt.time())
    latest: Mapping[Pair, Commitment] = latest_of(carried)
    proposals = []
    for entry_id, session_id, site_code in plan:
        before = latest.get((entry_id, session_id, ""))
        recorded_on = morning if before is None else max(morning, before.recorded_on)
        proposals.append(Commitment(entry_id, session_id, site_code, "proposed", "hub", "", recorded_on))
    return proposals


def held_rows(run_folder: Path, plan_date: dt.date) -> list[Commitment]:
    """A row without a state for every entry that a damaged row of commitments holds, or would if it were there."""
    table = stored_table(run_folder, "quarantine.csv", ("table", "column", "value", "problem", "effect"))
    held = (table["table"] == "patients") & table["problem"].str.fullmatch(DAMAGED)
    refused = (table["table"] == "commitments") & (table["column"] == "entry_id") & (table["effect"] == "row_refused")
    entry_ids = sorted(set(table.loc[held | refused, "value"]) - {""})
    morning = dt.datetime.combine(plan_date, dt.time())
    return [Commitment(entry_id, "", "", "", "hub", UNREADABLE, morning) for entry_id in entry_ids]


def existing(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Column names and rows that stand in the file already, columns of their own included."""
    if not path.exists():
        return COLUMNS, []
    rows = [cells for _, cells in read_rows(path, wanted=("entry_id", "state", "recorded_on"))]
    extra = [name for row in rows[:1] for name in row if name not in COLUMNS]
    return (*COLUMNS, *extra), rows


def as_cells(row: Commitment) -> dict[str, str]:
    """A commitment as column -> cell."""
    return dict(zip(COLUMNS, row.cells, strict=True))


def key_of(cells: Mapping[str, str]) -> tuple[str, ...]:
    """What makes two rows the same: all but the site of a row with a session, dates read as dates."""
    told = {name: cells.get(name, "") for name in COLUMNS}
    for name in ("recorded_on", "expires_on"):
        when = moment(told[name])
        told[name] = told[name] if when is None else when.isoformat()
    told["site_code"] = "" if told["session_id"] else told["site_code"]
    return tuple(told.values())


def unseen(rows: Iterable[Commitment], seen: set[tuple[str, ...]]) -> list[Commitment]:
    """The rows that stand nowhere yet, each once; `seen` grows by them."""
    new = []
    for row in rows:
        key = key_of(as_cells(row))
        if key not in seen:
            seen.add(key)
            new.append(row)
    return new


def write_whole(path: Path, names: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write the file beside its place, then put it there in one step: whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=names, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
