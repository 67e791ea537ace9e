"""A plan made by hand: a CSV with entry_id and session_id, one row a place.

Whatever is wrong with a row is a finding with its number, never a crash: the rest of the plan is still judged.
Bookings and offers are kept whether the file lists them or not. Other columns are ignored, so that the
allocation.csv of a run can be read too. The file may be what a spreadsheet saves: it is read as the tables are.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from allocator.allocation import Placement, fixed_placements
from allocator.errors import InputError, maybe
from allocator.instance import Instance
from allocator.intake.raw import RawTable, without_blank_rows
from allocator.intake.text_file import read_csv
from allocator.options import Facts
from allocator.report.safe import plain_text
from allocator.rule import Violation

WANTED = ("entry_id", "session_id")
MOST_BYTES = 64 * 2**20
MOST_GUESSES = 20
"""Unknown ids for which a likely one is looked up: each takes a look at every id."""


@dataclass(frozen=True)
class HandPlan:
    """Placements whose entry and session are in the tables, bookings included, in the order of the file.

    problems  what is wrong with rows of the file
    added     bookings and offers that the file does not list
    notices   what was done in reading, without anybody's data
    """

    places: tuple[Placement, ...]
    rows: int
    problems: tuple[Violation, ...]
    added: int
    notices: tuple[str, ...] = ()


def read_plan(path: Path, facts: Facts) -> HandPlan:
    """Read a plan made by hand. Raises InputError where the file is no plan at all."""
    raw = plan_table(path)
    state = {(place.entry_id, place.session_id): place.state for place in fixed_placements(facts)}
    places: list[Placement] = []
    problems: list[Violation] = []
    rows_of: dict[tuple[str, str], list[int]] = defaultdict(list)
    pairs = (raw.frame[name].map(plain_text).str.strip() for name in WANTED)
    for row, cells, entry_id, session_id in zip(raw.row.tolist(), raw.ragged.tolist(), *pairs, strict=True):
        found = row_problems(facts.instance, row, entry_id, session_id, guess=len(problems) < MOST_GUESSES)
        if cells:
            # A comma too many or too few moves ids under other names.
            message = f"row {row} has {cells} cells; wanted: {len(raw.frame.columns)}, as the header has"
            found = [Violation("plan_file", message, (entry_id,) if entry_id else ())]
        problems += found
        if not found:
            rows_of[entry_id, session_id].append(row)
            if len(rows_of[entry_id, session_id]) == 1:
                places.append(Placement(entry_id, session_id, state.get((entry_id, session_id), "proposed")))
    for (entry_id, session_id), rows in rows_of.items():
        if len(rows) > 1:
            message = f"rows {', '.join(map(str, rows))}: {entry_id} in {session_id} is written {len(rows)} times"
            problems.append(Violation("plan_file", message, (entry_id,)))
    listed = {(place.entry_id, place.session_id) for place in places}
    missing = [place for place in fixed_placements(facts) if (place.entry_id, place.session_id) not in listed]
    return HandPlan((*places, *missing), len(raw.row), tuple(problems), len(missing), raw.notices)


def plan_table(path: Path) -> RawTable:
    """The rows of the file, every cell as text. Raises InputError: what was given, what was wanted."""
    if not path.is_file():
        raise InputError([f'There is no file "{path}"; wanted: a CSV with the columns {" and ".join(WANTED)}.'])
    if path.stat().st_size > MOST_BYTES:
        raise InputError([f"{path} has {path.stat().st_size:,} bytes; wanted: {MOST_BYTES:,} at most."])
    raw = without_blank_rows(read_csv("plan", path))
    heads = list(map(str, raw.frame.columns))
    missing = [name for name in WANTED if name not in heads]
    if missing:
        told = f"{path} has no column {' and '.join(missing)}; it has {', '.join(heads)}."
        raise InputError([told + maybe(missing[0], heads)])
    return raw


def row_problems(instance: Instance, row: int, entry_id: str, session_id: str, *, guess: bool) -> list[Violation]:
    """What is wrong with one row: an empty cell, or an id that is in no table."""
    problems = []
    for name, given, known, table in (
        ("entry_id", entry_id, instance.entry_row, "patients"),
        ("session_id", session_id, instance.session_row, "sessions"),
    ):
        if not given:
            message = f"row {row}: {name} is empty; wanted: an id of the table {table}"
        elif given not in known:
            hint = maybe(given, known) if guess else ""
            message = f'row {row}: {name} "{given}" is not in the table {table}.{hint}'.removesuffix(".")
        else:
            continue
        problems.append(Violation("plan_file", message, (entry_id,) if entry_id else ()))
    return problems
