"""Every cell of a table on its own: RawTable to Draft. Then what its own columns say about each other."""

from __future__ import annotations

import datetime as dt
import difflib
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from allocator.errors import maybe
from allocator.instance import Array
from allocator.intake.draft import Draft, required_columns, unknown_column
from allocator.intake.effects import HOLD, NOT_AFTER_PLAN_DATE, ORDERED, REFUSE, effect_of
from allocator.intake.nhs_number import MOSTLY, share_of_nhs_numbers
from allocator.intake.parse import EMPTY, parse_cell, parse_column
from allocator.intake.raw import RawTable
from allocator.schema import Column, Table


class Mark(NamedTuple):
    """A column of flags that this program adds and reads again; `doubtful` is what an unreadable one means."""

    column: str
    words: str
    doubtful: bool


ADDED = {
    "patients": Mark("held", "entries were held already", True),
    "sessions": Mark("closed", "sessions were closed to new cases already", True),
    "commitments": Mark("room_taken", "bookings had their room taken off already", False),
}
IDENTITIES = ("entry_id", "patient_id")
SPEAK_OF_ENTRY = ("unavailable", "commitments", "overrides")


def table_problems(table: Table, raw: RawTable | None) -> list[str]:
    """Everything that makes the whole table unusable."""
    if raw is None:
        return [
            f"{table.name}: the table is missing; wanted {table.name}.csv, .csv.gz, .parquet or a sheet of that name."
        ]
    strangers = [name for name in raw.frame.columns if unknown_column(table, name)]
    problems = []
    for column in required_columns(table):
        if column.name in raw.frame:
            continue
        near = difflib.get_close_matches(column.name, strangers, n=1, cutoff=0.5)
        found = f' Found "{near[0]}". Maybe "{column.name}" is meant: rename it.' if near else ""
        found = found or f" Found: {', '.join(map(str, raw.frame.columns[:12]))}."
        problems.append(f'{table.name}: column "{column.name}" is missing in {raw.source}.{found}')
    if problems and len(raw.frame.columns) == 1 and any(sign in raw.frame.columns[0] for sign in ";\t|"):
        problems.append(f"{table.name}: {raw.source} has one column only. Maybe it is not separated by commas.")
    if table.required and not len(raw.frame):
        problems.append(f"{table.name}: {raw.source} has a header and no rows; wanted at least one.")
    if table.name == "patients":
        problems += [problem for name in IDENTITIES if (problem := _too_many_nhs_numbers(raw, name))]
    return problems


def _too_many_nhs_numbers(raw: RawTable, name: str) -> str:
    if name not in raw.frame:
        return ""
    count, share = share_of_nhs_numbers(raw.frame[name].str.strip().tolist())
    if share <= MOSTLY:
        return ""
    return (
        f'patients: column "{name}" holds {count} valid NHS numbers in {len(raw.frame)} rows; wanted pseudonyms. '
        "Replace them with pseudonyms before the file leaves the trust."
    )


def draft(table: Table, raw: RawTable | None, plan_date: dt.date) -> Draft:
    """Parse every cell, and check each row by itself."""
    if raw is None:
        raw = RawTable(table.name, "", pd.DataFrame(), np.zeros(0, np.int64), np.zeros(0, np.int64))
    rows = len(raw.frame)
    none = np.zeros(rows, dtype=bool)
    found = Draft(table, {}, raw.frame, raw.row, none, none, none, none)
    found = found.noted(*raw.notices)
    for column in table.columns:
        if column.name in raw.frame:
            found = _with_column(found, column)
    found = _with_strangers(found)
    found = _ragged(found, raw)
    found = _not_after_plan_date(found, plan_date)
    return _ordered(found)


def _with_column(found: Draft, column: Column) -> Draft:
    parsed = parse_column(column, found.raw[column.name])
    found = found.with_column(column.name, parsed.values).noted(
        *(f"{column_name(found, column)}: {count} cells {repair}." for repair, count in parsed.repairs)
    )
    bad = np.flatnonzero(parsed.problem != "")
    found = found.fault(bad, column.name, parsed.problem[bad], parsed.hint[bad])
    if not column.required:
        return found
    empty = np.flatnonzero((parsed.problem == "") & is_unknown(parsed.values))
    wanted = parse_cell(column, "?").hint if column.kind != "text" else ""
    return found.fault(empty, column.name, "is empty", wanted)


def column_name(found: Draft, column: Column) -> str:
    """table.column, for notices."""
    return f"{found.table.name}.{column.name}"


def is_unknown(values: Array) -> Array:
    """Where an array of parsed values (n,) holds nothing."""
    if values.dtype == object:
        return np.array([value is None or (isinstance(value, str) and value == "") for value in values], dtype=bool)
    return np.asarray(pd.isna(values))


def _with_strangers(found: Draft) -> Draft:
    """Columns the contract does not name are kept as text; `held`, `closed` and `room_taken` are read again."""
    known = [column.name for column in found.table.columns]
    absent = [name for name in known if name not in found.raw]
    kept: dict[str, Array] = {}
    notices = []
    for name in map(str, found.raw.columns):
        if name in known:
            continue
        if found.table.name in ADDED and name == ADDED[found.table.name].column:
            found = _read_again(found, ADDED[found.table.name])
            continue
        texts = found.raw[name].str.strip()
        empty = texts.str.casefold().isin(EMPTY)
        if name.startswith("column_") and bool(empty.all()):
            continue
        kept[name] = texts.mask(empty, "").to_numpy(dtype=object)
        notices.append(
            f'{found.table.name}: column "{name}" is not one of ours; kept and ignored.{maybe(name, absent)}'
        )
    return replace(found, values={**found.values, **kept}).noted(*notices)


def _read_again(found: Draft, mark: Mark) -> Draft:
    """What an earlier intake held, closed or took off stays so."""
    parsed = parse_column(Column(mark.column, "flag"), found.raw[mark.column])
    marked = (parsed.values == True) | (mark.doubtful & (parsed.problem != ""))  # noqa: E712 - True, False, None
    count = int(marked.sum())
    found = replace(found, **{mark.column: getattr(found, mark.column) | marked.astype(bool)})
    return found.noted(f"{found.table.name}: {count} {mark.words}.") if count else found


def _ragged(found: Draft, raw: RawTable) -> Draft:
    """A row with too many or too few cells: none of them can be trusted to stand where it should."""
    rows = np.flatnonzero(raw.ragged > 0)
    width = raw.frame.shape[1]
    problems = [f"the row has {count} cells, the header {width}" for count in raw.ragged[rows]]
    hint = "maybe a comma too many or too few; put text with commas in quotation marks"
    effect = HOLD if found.table.name in SPEAK_OF_ENTRY else REFUSE
    return found.fault(rows, "", problems, hint, effect=effect, values=[""] * len(rows))


def _not_after_plan_date(found: Draft, plan_date: dt.date) -> Draft:
    for name in NOT_AFTER_PLAN_DATE.get(found.table.name, ()):
        late = np.flatnonzero(found.column(name) > np.datetime64(plan_date, "s"))
        found = found.fault(late, name, f"is after the plan date {plan_date}", "maybe day and month are swapped")
    return found


def _ordered(found: Draft) -> Draft:
    for first, second in ORDERED.get(found.table.name, ()):
        wrong = np.flatnonzero(found.column(first) > found.column(second))
        hint = "maybe the two are swapped"
        effect = effect_of(found.table, second)
        found = found.fault(wrong, second, f"is before or below {first}", hint, effect=effect)
    return found
