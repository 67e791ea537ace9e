"""RawTable: one table as it stands in its file, every cell a text, with its place for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocator import schema
from allocator.errors import InputError
from allocator.instance import Bools, Ints

MAX_ROWS = 2_000_000
MAX_COLUMNS = 1_000
MAX_BYTES = 2 * 1024**3
"""Of one file, unpacked."""


@dataclass(frozen=True, eq=False)
class RawTable:
    """One table, unparsed.

    frame    texts, columns named as in the file but for case and blanks around names of the contract
    row      (n_rows,) row as a spreadsheet numbers it, header = 1
    ragged   (n_rows,) number of cells where it differs from the header's, else 0
    notices  what was done in reading, without anybody's data
    """

    name: str
    source: str
    frame: pd.DataFrame
    row: Ints
    ragged: Ints
    notices: tuple[str, ...] = ()


def clean_header(table: str, source: str, header: Sequence[str]) -> list[str]:
    """Names without blanks around them, in lower case where that is a name of the contract's table.

    A file that is no table of the contract (a plan made by hand) may have the names of all of them.
    Raises InputError where a name stands twice or there are too many columns.
    """
    tables = [known for known in schema.TABLES if known.name == table] or schema.TABLES
    known = {*(column.name for known in tables for column in known.columns), "held", "closed", "room_taken"}
    names = []
    for number, given in enumerate(header, 1):
        name = given.strip()
        plain = name.lower().replace(" ", "_")
        names.append(plain if plain in known else name or f"column_{number}")
    problems = [
        f'{table}: column "{name}" stands {count} times in {source}; keep one of them.'
        for name, count in Counter(names).items()
        if count > 1
    ]
    if len(names) > MAX_COLUMNS:
        problems = [f"{table}: {source} has {len(names)} columns; at most {MAX_COLUMNS} are read."]
    if problems:
        raise InputError(problems)
    return names


def schema_table(name: str) -> schema.Table:
    """The table of the contract with this name."""
    return next(table for table in schema.TABLES if table.name == name)


def too_many_rows(table: str, source: str) -> InputError:
    """The error for a table above the limit."""
    return InputError(
        [f"{table}: {source} has more than {MAX_ROWS:,} rows, the most that are read. Split the instance."]
    )


def without_blank_rows(raw: RawTable) -> RawTable:
    """The table without rows in which every cell is empty (spreadsheets leave them at the end).

    A row with more cells than the header stays: what it says may stand beyond the last column.
    """
    if not len(raw.frame):
        return raw
    blank: Bools = raw.ragged <= len(raw.frame.columns)
    for name in raw.frame.columns:
        still = np.flatnonzero(blank)
        if not len(still):
            return raw
        blank[still] = [not text.strip() for text in raw.frame[name].to_numpy(dtype=object)[still]]
    keep = ~blank
    return RawTable(
        raw.name,
        raw.source,
        raw.frame[keep].reset_index(drop=True),
        raw.row[keep],
        raw.ragged[keep],
        raw.notices,
    )
