"""Instance: the accepted tables of one run, typed, in canonical order, with a fingerprint.

An Instance is what intake hands to everything else. Nobody changes it: columns come out as read-only
arrays, and tables as copies that share memory (pandas copies on write).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict

from allocator import schema

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.signedinteger[Any]]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class InstanceInfo(BaseModel):
    """What instance.json says. `plan_date` is the morning of the run: notice and waits count from it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    plan_date: dt.date
    horizon_start: dt.date
    horizon_end: dt.date
    reporting_dates: tuple[dt.date, ...] = ()
    synthetic: bool = False
    sources: tuple[str, ...] = ()
    assumptions: dict[str, Any] = {}
    notes: str = ""

    @property
    def counted_on(self) -> tuple[dt.date, ...]:
        """The reporting dates, each once; the last day of the horizon where none is given."""
        return tuple(sorted(set(self.reporting_dates))) or (self.horizon_end,)


@dataclass(frozen=True, eq=False)
class Instance:
    """Ten tables and what instance.json says. Build one with `from_frames`, never by hand.

    Every table has every column of `allocator.schema`, absent ones filled with their empty value, and
    three have one more, bool: `patients.held`, the entry is damaged, keeps what it has, and is never placed;
    `sessions.closed`, a limit of the session is damaged, it keeps its bookings and takes nobody new;
    `commitments.room_taken`, the entry is on no list, and beds and caps are less what its booking uses.
    """

    info: InstanceInfo
    frames: Mapping[str, pd.DataFrame]

    @classmethod
    def from_frames(cls, info: InstanceInfo, frames: Mapping[str, pd.DataFrame]) -> Instance:
        """Type, fill and order the given tables. Values are trusted: intake has checked them."""
        typed = {table.name: typed_frame(table, frames.get(table.name)) for table in schema.TABLES}
        patients = typed["patients"]
        usual_pathway = patients["care_kind"].map({"theatre": "rtt", "diagnostic": "dm01"})
        typed["patients"] = patients.assign(
            pathway=patients["pathway"].where(patients["pathway"] != "", usual_pathway).astype("str"),
            held=patients["held"].astype(bool) if "held" in patients else False,
        )
        sessions = typed["sessions"]
        typed["sessions"] = sessions.assign(closed=sessions["closed"].astype(bool) if "closed" in sessions else False)
        settled = typed["commitments"]
        taken = settled["room_taken"].astype(bool) if "room_taken" in settled else False
        typed["commitments"] = settled.assign(room_taken=taken)
        return cls(info, typed)

    def replacing(self, **frames: pd.DataFrame) -> Instance:
        """The same with whole tables replaced; they must have the columns, dtypes and order of what they replace."""
        return Instance(self.info, {**self.frames, **frames})

    def table(self, name: str) -> pd.DataFrame:
        """A copy of one table that shares memory with it: changing it changes nothing here."""
        return self.frames[name].copy(deep=False)

    @property
    def organisations(self) -> pd.DataFrame:
        """One row a provider, by provider_code."""
        return self.table("organisations")

    @property
    def sites(self) -> pd.DataFrame:
        """One row a site, by site_code."""
        return self.table("sites")

    @property
    def patients(self) -> pd.DataFrame:
        """One row an entry on a waiting list, by entry_id."""
        return self.table("patients")

    @property
    def sessions(self) -> pd.DataFrame:
        """One row a spare list, by session_id."""
        return self.table("sessions")

    @property
    def commitments(self) -> pd.DataFrame:
        """What runs and people have settled, in the order it was recorded in the file."""
        return self.table("commitments")

    def column(self, table: str, name: str) -> Array:
        """One column as a read-only array, shape (n_rows,): text as object, dates as datetime64[D]."""
        return self._columns[table, name]

    @cached_property
    def _columns(self) -> Mapping[tuple[str, str], Array]:
        return _Columns(self.frames)

    @cached_property
    def patient(self) -> Mapping[str, Mapping[str, Any]]:
        """entry_id -> its row as a mapping of column to value; KeyError where there is none."""
        return _Records(self, "patients", self.entry_row)

    @cached_property
    def session(self) -> Mapping[str, Mapping[str, Any]]:
        """session_id -> its row as a mapping of column to value; KeyError where there is none."""
        return _Records(self, "sessions", self.session_row)

    @cached_property
    def site(self) -> Mapping[str, Mapping[str, Any]]:
        """site_code -> its row as a mapping of column to value; KeyError where there is none."""
        return _Records(self, "sites", self.site_row)

    @cached_property
    def entry_row(self) -> Mapping[str, int]:
        """entry_id -> row of patients."""
        return {key: row for row, key in enumerate(self.column("patients", "entry_id"))}

    @cached_property
    def session_row(self) -> Mapping[str, int]:
        """session_id -> row of sessions."""
        return {key: row for row, key in enumerate(self.column("sessions", "session_id"))}

    @cached_property
    def site_row(self) -> Mapping[str, int]:
        """site_code -> row of sites."""
        return {key: row for row, key in enumerate(self.column("sites", "site_code"))}

    @cached_property
    def sessions_of_service(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """(care_kind, service_code) -> session_id of every session for it, in order."""
        found: dict[tuple[str, str], list[str]] = {}
        columns = (self.column("sessions", name) for name in ("care_kind", "service_code", "session_id"))
        for kind, service, session_id in zip(*columns, strict=True):
            found.setdefault((kind, service), []).append(session_id)
        return {key: tuple(session_ids) for key, session_ids in found.items()}

    @cached_property
    def unavailable_of(self) -> Mapping[str, tuple[tuple[Any, Any], ...]]:
        """entry_id -> (from, to) of every time when the patient cannot come, both days included."""
        found: dict[str, list[tuple[Any, Any]]] = {}
        columns = (self.column("unavailable", name) for name in ("entry_id", "from", "to"))
        for entry_id, first, last in zip(*columns, strict=True):
            found.setdefault(entry_id, []).append((first, last))
        return {key: tuple(periods) for key, periods in found.items()}

    @cached_property
    def session_site(self) -> Ints:
        """Row of sites of every session, shape (n_sessions,)."""
        rows = [self.site_row[code] for code in self.column("sessions", "site_code")]
        return read_only(np.array(rows, dtype=np.int64))

    @cached_property
    def session_provider(self) -> Array:
        """Provider code of every session's site, shape (n_sessions,)."""
        return read_only(self.column("sites", "provider_code")[self.session_site])

    @cached_property
    def provider_sector(self) -> Mapping[str, str]:
        """provider_code -> nhs or independent."""
        organisations = self.frames["organisations"]
        return dict(zip(organisations["provider_code"], organisations["sector"], strict=True))

    @cached_property
    def session_independent(self) -> Bools:
        """Is the session at an independent provider, shape (n_sessions,)."""
        found = [self.provider_sector[code] == "independent" for code in self.session_provider]
        return read_only(np.array(found, dtype=bool))

    @cached_property
    def waits_from(self) -> Array:
        """The day an entry began to wait, shape (n_entries,): clock start; for planned care the due date.

        A planned entry without a due date has not begun to wait: NaT.
        """
        planned = self.column("patients", "pathway") == "planned"
        starts = np.where(planned, self.column("patients", "due_date"), self.column("patients", "clock_start"))
        return read_only(starts)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over instance.json and every table, independent of file format and row order."""
        digest = hashlib.sha256(self.info.model_dump_json().encode())
        for table in schema.TABLES:
            frame = self.frames[table.name]
            digest.update(f"\n{table.name} {len(frame)}\n".encode())
            for name in sorted(frame.columns):
                digest.update(f"\n{name}\n".encode())
                values = self.column(table.name, name)
                if values.dtype == object:
                    digest.update("\x1f".join(map(str, values)).encode())
                else:
                    digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()


class _Columns(dict[tuple[str, str], Array]):
    """Columns as arrays, made on first use."""

    def __init__(self, frames: Mapping[str, pd.DataFrame]) -> None:
        super().__init__()
        self._frames = frames

    def __missing__(self, key: tuple[str, str]) -> Array:
        series = self._frames[key[0]][key[1]]
        if isinstance(series.dtype, pd.StringDtype):
            values: Array = series.to_numpy(dtype=object)
        elif series.dtype.kind == "M":
            whole_days = key[1] not in ("recorded_on",)
            values = series.to_numpy().astype("datetime64[D]" if whole_days else "datetime64[s]")
        else:
            values = series.to_numpy()
        self[key] = read_only(values)
        return self[key]


class _Records(dict[str, Mapping[str, Any]]):
    """Rows of a table as mappings, made on first use: text as str, dates as datetime64[D]."""

    def __init__(self, instance: Instance, table: str, row_of: Mapping[str, int]) -> None:
        super().__init__()
        self._row_of = row_of
        self._columns = [(str(name), instance.column(table, name)) for name in instance.frames[table].columns]

    def __missing__(self, key: str) -> Mapping[str, Any]:
        row = self._row_of[key]
        self[key] = MappingProxyType({name: values[row] for name, values in self._columns})
        return self[key]


def read_only(values: Array) -> Array:
    """The array, closed for writing; copied first where it is a view on somebody else's."""
    if values.flags.writeable:
        values = values.copy() if values.base is not None else values
        values.flags.writeable = False
    return values


def typed_frame(table: schema.Table, frame: pd.DataFrame | None) -> pd.DataFrame:
    """The table with every column of its schema, typed, and its rows in canonical order."""
    given = pd.DataFrame() if frame is None else frame
    columns = {column.name: typed_series(column, given) for column in table.columns}
    extra = {name: given[name] for name in given.columns if name not in columns}
    typed = pd.DataFrame({**columns, **extra}, index=given.index)
    if table.key:
        typed = typed.sort_values(list(table.key), kind="stable")
    return typed.reset_index(drop=True)


def typed_series(column: schema.Column, frame: pd.DataFrame) -> pd.Series[Any]:
    """One column with the dtype that `allocator.schema` gives its kind."""
    given = frame[column.name] if column.name in frame else pd.Series([None] * len(frame), index=frame.index)
    if column.kind in schema.TEXT_KINDS:
        empty = "" if column.empty is None else str(column.empty)
        return given.astype("str").where(given.notna(), empty).replace("", empty).astype("str")
    if column.kind in ("date", "moment"):
        return pd.to_datetime(given).astype("datetime64[s]")
    if column.empty is not None:
        given = given.astype("float64").fillna(column.empty)
    if column.kind == "flag":
        return given.astype("bool" if column.required else "boolean")
    always_known = column.required or column.empty is not None
    return given.astype("int64" if column.kind == "whole" and always_known else "float64")
