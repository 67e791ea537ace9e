"""Verify, the part about what people read: tables and figures made again from the tables, the plan and the reasons.

Left out is what rests on more than those: how the input was read, which change would place somebody, what a pin costs,
the seconds of a run.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allocator.answer import Run
from allocator.report.data_wanted import data_wanted_table
from allocator.report.safe import read_csv, write_csv
from allocator.report.sessions import options_of, sessions_table
from allocator.report.summary import summarise
from allocator.report.tables import allocation_table, conflicts_table, unplaced_table
from allocator.report.write import json_text

NOT_MADE_AGAIN = frozenset({"goals", "intake", "overrides"})
"""Parts of summary.json: goals are looked at by themselves, the others rest on more than the tables and the plan."""
OF_READING = ("patients_read", "refused")
MOST_CELLS = 20
"""Cells of one table that are named."""


def wrong_tables(run_folder: Path, summary: Mapping[str, Any], run: Run) -> Iterator[str]:
    """Cells and figures that are not what `run`, made again from the folder, gives."""
    options = options_of(run)
    sessions, wanted = sessions_table(run, options), data_wanted_table(run, options)
    tables = {
        "allocation": allocation_table(run),
        "unplaced": unplaced_table(run, {}).drop(columns="nearest_change"),
        "conflicts": conflicts_table(run),
        "sessions": sessions,
        "data_wanted": wanted,
    }
    for name, table in tables.items():
        yield from wrong_cells(run_folder / f"{name}.csv", table)
    made = json.loads(json_text(summarise(run, None, sessions, wanted, ())))
    made["accounts"] |= {name: summary["accounts"][name] for name in OF_READING}
    for name, wanted_now in made.items():
        if name not in NOT_MADE_AGAIN:
            yield from differences(name, summary.get(name), wanted_now)


def wrong_cells(path: Path, made: pd.DataFrame) -> Iterator[str]:
    """Where a table of the folder is not this one, which may leave out columns of it."""
    with tempfile.TemporaryDirectory() as folder:
        write_csv(made, Path(folder) / path.name)
        now = read_csv(Path(folder) / path.name)
    said = read_csv(path)
    missing = [name for name in now if name not in said]
    if missing:
        yield f"{path.name} has no column {', '.join(map(str, missing))}."
        return
    if len(said) != len(now):
        yield f"{path.name} has {len(said)} rows; made again: {len(now)}."
        return
    rows, columns = np.nonzero(said[list(now)].to_numpy() != now.to_numpy())
    for row, column in zip(rows[:MOST_CELLS].tolist(), columns[:MOST_CELLS].tolist(), strict=True):
        yield f"{path.name}: {now.columns[column]!s} of {now.iat[row, 0]!s} is not what the tables and the plan give."


def differences(place: str, said: object, made: object) -> Iterator[str]:
    """Where a value of summary.json is not this one."""
    if isinstance(said, dict) and isinstance(made, dict) and said.keys() == made.keys():
        for name, value in made.items():
            yield from differences(f"{place}.{name}", said[name], value)
    elif isinstance(said, list) and isinstance(made, list) and len(said) == len(made):
        for number, (here, value) in enumerate(zip(said, made, strict=True)):
            yield from differences(f"{place}.{number}", here, value)
    elif said != made:
        yield f"summary.json: {place} is {said}; made again: {made}."
