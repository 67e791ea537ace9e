"""Draft: one table on its way in: parsed values, what is wrong with them, and what that does.

A Draft is never changed; every check returns a new one. Nothing is dropped until the end: a refused row
stays in the draft, so that what it said (a booking of a refused entry) can still be taken into account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from allocator.instance import Array, Bools, Ints
from allocator.intake.effects import Effect, effect_of
from allocator.intake.nhs_number import masked
from allocator.schema import Column, Table

QUARANTINE_COLUMNS = ("table", "row", "column", "value", "problem", "hint", "effect")
LABELS = {
    "refuse": "row_refused",
    "blank": "value_blanked",
    "strict": "value_blanked",
    "close": "value_blanked",
    "hold": "entry_held",
    "keep": "entry_held",
}
MAX_SHOWN = 200
UNKNOWN: dict[str, Any] = {
    "date": np.datetime64("NaT"),
    "moment": np.datetime64("NaT"),
    "whole": np.nan,
    "number": np.nan,
}
UNKNOWN |= {"flag": None}


@dataclass(frozen=True, eq=False)
class Draft:
    """One table being checked. Masks are (n_rows,).

    values      parsed columns that the file has, and its other columns as text, each (n_rows,)
    raw         the texts of the file
    row         row in the file as people see it, header = 1
    refused     left out at the end
    held        patients: the entry is held; tables that speak of an entry: the row is damaged
    closed      sessions and sites: nobody new
    room_taken  commitments: the room of this booking has been taken off the tables
    faults      frames with position, column, value, problem, hint, action
    """

    table: Table
    values: Mapping[str, Array]
    raw: pd.DataFrame
    row: Ints
    refused: Bools
    held: Bools
    closed: Bools
    room_taken: Bools
    faults: tuple[pd.DataFrame, ...] = ()
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.row)

    def column(self, name: str) -> Array:
        """Parsed values (n_rows,); what stands for unknown where the file has no such column."""
        if name in self.values:
            return self.values[name]
        kind = self.table.column(name).kind
        if kind in ("date", "moment"):
            return np.full(len(self), np.datetime64("NaT"), dtype="datetime64[s]")
        if kind in ("whole", "number"):
            return np.full(len(self), np.nan)
        return np.full(len(self), UNKNOWN.get(kind, ""), dtype=object)

    def fault(
        self,
        rows: Array,
        column: str,
        problem: str | Sequence[str] | Array,
        hint: str | Sequence[str] | Array = "",
        *,
        effect: Effect | None = None,
        values: Sequence[str] | Array | None = None,
    ) -> Draft:
        """The same with a fault in `column` of `rows` (positions), and what that does to them."""
        if not len(rows):
            return self
        effect = effect or effect_of(self.table, column)
        shown = values if values is not None else self._texts(column, rows)
        faults = pd.DataFrame({"position": rows})
        faults = faults.assign(column=column, value=shown, problem=problem, hint=hint, action=effect.action)
        if effect.consequence:
            faults["hint"] = faults["hint"].str.cat([effect.consequence] * len(faults), sep="; ").str.lstrip("; ")
        marked = np.zeros(len(self), dtype=bool)
        marked[rows] = True
        changed = replace(self, faults=(*self.faults, faults))
        if effect.action == "refuse":
            return replace(changed, refused=self.refused | marked)
        if column in self.values and values is None:
            changed = changed.with_value(column, rows, self._stand_in(column, effect))
        if effect.action == "hold":
            return replace(changed, held=self.held | marked)
        return replace(changed, closed=self.closed | marked) if effect.action == "close" else changed

    def _texts(self, column: str, rows: Array) -> Array:
        if column not in self.raw:
            return np.full(len(rows), "", dtype=object)
        return self.raw[column].iloc[rows].to_numpy(dtype=object)

    def _stand_in(self, column: str, effect: Effect) -> Any:
        if effect.action == "strict":
            return effect.value
        return UNKNOWN.get(self.table.column(column).kind, "")

    def with_value(self, column: str, rows: Array, value: Any) -> Draft:
        """The same with `value` (one, or one a row) in `column` of `rows`."""
        if not len(rows):
            return self
        changed = self.column(column).copy()
        changed[rows] = value
        return self.with_column(column, changed)

    def with_column(self, column: str, values: Array) -> Draft:
        """The same with these parsed values (n_rows,)."""
        return replace(self, values={**self.values, column: values})

    def refuse(self, rows: Array) -> Draft:
        """The same without `rows`; a fault that says why has to be there."""
        refused = self.refused.copy()
        refused[rows] = True
        return replace(self, refused=refused)

    def close(self, rows: Array) -> Draft:
        """The same with `rows` closed to anybody new; the fault that says why stands elsewhere."""
        closed = self.closed.copy()
        closed[rows] = True
        return replace(self, closed=closed)

    def noted(self, *notices: str) -> Draft:
        """The same with more notices."""
        return replace(self, notices=(*self.notices, *(notice for notice in notices if notice)))

    @property
    def accepted(self) -> Ints:
        """Positions of the rows that stay."""
        found: Ints = np.flatnonzero(~self.refused)
        return found

    def quarantine(self) -> pd.DataFrame:
        """The faults as the contract wants them, by row; whatever reads as an NHS number is masked."""
        if not self.faults:
            return pd.DataFrame(columns=list(QUARANTINE_COLUMNS))
        faults = pd.concat(self.faults, ignore_index=True)
        position = faults["position"].to_numpy(dtype=np.int64)
        effects = np.where(self.refused[position], "row_refused", faults["action"].map(LABELS))
        shown = faults["value"].map(lambda text: masked(str(text))[:MAX_SHOWN])
        found = pd.DataFrame(
            {
                "table": self.table.name,
                "row": self.row[position],
                "column": faults["column"],
                "value": shown,
                "problem": faults["problem"].map(masked),
                "hint": faults["hint"].map(masked),
                "effect": effects,
            }
        )
        return found.sort_values("row", kind="stable", ignore_index=True)


def unknown_column(table: Table, name: str) -> bool:
    """Is this a column that the contract does not name."""
    return all(column.name != name for column in table.columns)


def required_columns(table: Table) -> list[Column]:
    """Columns without which a table is unusable."""
    return [column for column in table.columns if column.required]
