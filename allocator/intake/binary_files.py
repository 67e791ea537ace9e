"""Parquet and Excel workbooks to RawTable: typed cells become the texts a person would write."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from python_calamine import CalamineError, CalamineWorkbook

from allocator.errors import InputError
from allocator.intake.raw import MAX_BYTES, MAX_ROWS, RawTable, clean_header, too_many_rows

MAX_SHEET_CELLS = 40_000_000


def read_parquet(table: str, path: Path) -> RawTable:
    """Read one Parquet file. Raises InputError where it cannot be read as a table."""
    try:
        with pq.ParquetFile(path) as file:
            metadata = file.metadata
            if metadata.num_rows > MAX_ROWS:
                raise too_many_rows(table, path.name)
            groups = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
            if sum(groups) > MAX_BYTES:
                raise InputError([f"{path.name} unpacks to more than {MAX_BYTES:,} bytes, the most that are read."])
            content = file.read()
        names = clean_header(table, path.name, content.column_names)
        columns = {name: _arrow_texts(content.column(number)) for number, name in enumerate(names)}
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError([f"{table}: {path.name} cannot be read as Parquet: {_first_line(error)}."]) from error
    frame = pd.DataFrame(columns, index=pd.RangeIndex(content.num_rows))
    return RawTable(table, path.name, frame, np.arange(2, len(frame) + 2), np.zeros(len(frame), dtype=np.int64))


def _arrow_texts(column: Any) -> pd.Series[Any]:
    """One Parquet column as texts, shape (n_rows,)."""
    if pa.types.is_nested(column.type):
        raise pa.ArrowInvalid(f"a column holds lists or structures ({column.type}); wanted plain values")
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pd.Series(column.cast(pa.large_string()).to_pandas(), dtype="str").fillna("")
    encoded = column.combine_chunks().dictionary_encode()
    distinct = [_text(value) for value in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(len(distinct)).to_numpy(zero_copy_only=False)
    return pd.Series(np.array([*distinct, ""], dtype=object)[codes], dtype="str")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def opened_workbook(path: Path) -> CalamineWorkbook:
    """The workbook, once its unpacked size is known to be bounded. Raises InputError."""
    try:
        with zipfile.ZipFile(path) as parts:
            size = sum(part.file_size for part in parts.infolist())
        if size > MAX_BYTES:
            raise InputError([f"{path.name} unpacks to more than {MAX_BYTES:,} bytes, the most that are read."])
        return CalamineWorkbook.from_path(str(path))
    except (zipfile.BadZipFile, CalamineError, OSError) as error:
        raise InputError([f"{path.name} cannot be read as an Excel workbook: {_first_line(error)}."]) from error


def sheet_rows(workbook: CalamineWorkbook, sheet: str, source: str) -> list[list[str]]:
    """Every row of a sheet from the first, each cell a text. Raises InputError."""
    try:
        found = workbook.get_sheet_by_name(sheet)
        if found.total_height > MAX_ROWS or found.total_height * max(found.total_width, 1) > MAX_SHEET_CELLS:
            raise too_many_rows(sheet, source)
        return [[_text(value) for value in row] for row in found.to_python(skip_empty_area=False)]
    except CalamineError as error:
        raise InputError([f"{sheet}: the sheet of {source} cannot be read: {_first_line(error)}."]) from error


def read_sheet(table: str, workbook: CalamineWorkbook, sheet: str, source: str) -> RawTable:
    """Read one sheet as a table. Raises InputError where it has no header."""
    rows = sheet_rows(workbook, sheet, source)
    header = next((number for number, row in enumerate(rows) if any(text.strip() for text in row)), None)
    if header is None:
        raise InputError([f"{table}: sheet {sheet} of {source} is empty; wanted a header row and rows."])
    body = rows[header + 1 :]
    width = max((number for number, text in enumerate(rows[header], 1) if text.strip()), default=0)
    # Cells right of the header are kept only where a row has some: they make it ragged.
    used = [max((number for number, text in enumerate(row, 1) if text.strip()), default=0) for row in body]
    names = clean_header(table, source, rows[header][:width])
    frame = pd.DataFrame(
        {name: pd.array([row[number] for row in body], dtype="str") for number, name in enumerate(names)},
        index=pd.RangeIndex(len(body)),
    )
    ragged = np.array([count if count > width else 0 for count in used], dtype=np.int64)
    return RawTable(table, source, frame, np.arange(len(body)) + header + 2, ragged)


def _text(value: Any) -> str:
    """A typed cell as the text that a person would have written."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case dt.datetime():
            return value.date().isoformat() if _is_midnight(value) else value.isoformat()
        case dt.date():
            return value.isoformat()
        case dt.time():
            return value.strftime("%H:%M")
        case dt.timedelta():
            return (
                (dt.datetime.min + value).strftime("%H:%M") if dt.timedelta() <= value < dt.timedelta(1) else str(value)
            )
        case bytes():
            return value.decode()
        case _:
            return str(value)


def _is_midnight(value: dt.datetime) -> bool:
    return value.time() == dt.time() and value.tzinfo is None
