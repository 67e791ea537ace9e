"""Change: one thing that could be otherwise in the tables, and an instance in which it is.

What a person would have to agree to (a longer journey), or provide (a bed). Rules make changes, since they alone
know which cell they read; the engine applies them and looks what becomes of the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from allocator import schema
from allocator.instance import Bools, Instance

KINDS = ("agreement", "travel", "date", "acceptance", "flow", "bed", "list")
"""Kinds of changes, those first that are easiest to ask for: of the patient, of the host, of the system."""


@dataclass(frozen=True)
class Edit:
    """Rows of a table that have these values get these cells; where there is no such row, one is added.

    Cells of None: the rows are taken out instead.
    """

    table: str
    where: Mapping[str, Any]
    cells: Mapping[str, Any] | None


@dataclass(frozen=True)
class Change:
    """The edits that stand for one change.

    kind   one of `KINDS`
    size   how much of it, in the unit of its kind (minutes, days, nights...): compared within a kind only
    words  goes on from "if": "the patient accepted a journey of 53 minutes (the limit is 45)"
    """

    kind: str
    size: float
    words: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Miss:
    """By how much a pair misses a screen, and the change that would let the pair through, if one would.

    words   goes on from "is" or "are", {} where the figure stands: "{} minutes away; the limit is 45"
    figure  the figure, None where there is none
    """

    words: str
    figure: float | None = None
    change: Change | None = None


def changed(instance: Instance, change: Change) -> Instance:
    """The instance in which the change has been made."""
    for edit in change.edits:
        instance = instance.replacing(**{edit.table: edited(instance.table(edit.table), edit)})
    return instance


def edited(frame: pd.DataFrame, edit: Edit) -> pd.DataFrame:
    """One table after an edit, typed and in canonical order."""
    rows = meant(frame, edit.where)
    if edit.cells is None:
        return frame[~rows].reset_index(drop=True)
    if rows.any():
        frame = frame.copy()
        for name, value in edit.cells.items():
            frame.loc[rows, name] = value
        return frame
    table = next(table for table in schema.TABLES if table.name == edit.table)
    extra = {name: False for name in frame.columns if frame[name].dtype == bool}
    added = pd.DataFrame([extra | dict(edit.where) | dict(edit.cells)]).reindex(columns=frame.columns)
    longer = pd.concat([frame.astype(object), added.astype(object)], ignore_index=True)
    return retyped(longer, frame, table)


def retyped(longer: pd.DataFrame, frame: pd.DataFrame, table: schema.Table) -> pd.DataFrame:
    """A table with a row more, in the types of `frame` and the order of its key; blanks as the schema fills them."""
    for column in table.columns:
        empty = column.empty if column.empty is not None else "" if column.kind in schema.TEXT_KINDS else None
        if empty is not None:
            longer[column.name] = longer[column.name].where(longer[column.name].notna(), empty)
    typed = longer.astype({name: frame[name].dtype for name in frame.columns})
    return typed.sort_values(list(table.key), kind="stable").reset_index(drop=True) if table.key else typed


def meant(frame: pd.DataFrame, where: Mapping[str, Any]) -> Bools:
    """(n_rows,) rows that have these values."""
    rows = np.ones(len(frame), dtype=bool)
    for name, value in where.items():
        rows &= (frame[name] == value).to_numpy(dtype=bool, na_value=False)
    return rows
