"""Tables of a result as JSON, CSV, Excel or Parquet, and only the rows that somebody may see."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from allocator.errors import UsageError
from allocator.report.exports import write_workbook
from allocator.report.safe import plain_text, quoted, safe_text

Row = Mapping[str, str]
Keep = Callable[[Row], bool]
NUMBERS = frozenset(
    (
        *("row", "days_late", "waited_weeks", "travel_minutes", "minutes", "minutes_used", "minutes_left"),
        *("cases_used", "host_cases", "max_cases", "min_cases", "options_it_would_open", "expected_minutes"),
        *("overnight_stays", "seconds", "value", "bound"),
    )
)
FLAGS = frozenset({"travel_estimated", "reasonable_offer", "is_new"})
MOST_EXCEL_ROWS = 1_000_000


class Format(StrEnum):
    """How a table is given out."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.PARQUET: "application/vnd.apache.parquet",
}


def kept_rows(path: Path, keep: Keep) -> Iterator[dict[str, str]]:
    """The rows of a CSV file of a result that are kept; cells as they stand there."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if keep({name: plain_text(cell) for name, cell in row.items()}):
                yield row


def columns_of(path: Path) -> list[str]:
    """The header of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def typed(row: Row, columns: frozenset[str]) -> dict[str, Any]:
    """A row as JSON has it: numbers and flags as such, null for unknown."""
    return {name: value_of(cell, name if name in columns else "") for name, cell in row.items()}


def value_of(cell: str, column: str) -> Any:
    """One cell; `column` is its name where numbers and flags stand in it."""
    text = plain_text(cell)
    if text == "":
        return None
    if column in FLAGS:
        return text == "true"
    if column in NUMBERS:
        return float(text) if "." in text or "e" in text else int(text)
    return text


def page_of(path: Path, keep: Keep, limit: int, offset: int) -> dict[str, Any]:
    """A page as JSON: columns, rows, how many there are in all."""
    total = 0
    page: list[dict[str, Any]] = []
    numeric = numeric_columns(path)
    for total, row in enumerate(kept_rows(path, keep), 1):
        if offset < total <= offset + limit:
            page.append(typed(row, numeric))
    return {"columns": columns_of(path), "rows": page, "total": total, "offset": offset}


def numeric_columns(path: Path) -> frozenset[str]:
    """Columns of a table that hold numbers or flags. `value` and `row` are texts in a table of bad cells."""
    columns = set(columns_of(path))
    return frozenset((NUMBERS | FLAGS) & columns - ({"value"} if "problem" in columns else set()))


def csv_lines(path: Path, keep: Keep) -> Iterator[str]:
    """The kept rows as CSV, a line at a time."""
    columns = columns_of(path)
    yield ",".join(quoted(name) for name in columns) + "\n"
    for row in kept_rows(path, keep):
        yield ",".join(quoted(safe_text(plain_text(row[name]))) for name in columns) + "\n"


def parquet_bytes(path: Path, keep: Keep) -> bytes:
    """The kept rows as Parquet; columns of numbers and flags have their types, all others are text."""
    numeric = numeric_columns(path)
    columns = columns_of(path)
    rows = [typed(row, numeric) for row in kept_rows(path, keep)]
    kinds = {
        name: pa.bool_() if name in FLAGS else pa.float64() if name in numeric else pa.string() for name in columns
    }
    table = pa.Table.from_pylist(rows, schema=pa.schema([(name, kinds[name]) for name in columns]))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def workbook(path: Path, keep: Keep, title: str, cover: Mapping[str, str], created: dt.date, out: Path) -> None:
    """The kept rows as an Excel workbook with a cover sheet, written to `out`. Raises UsageError where too long."""
    numeric = numeric_columns(path)
    rows = list(islice(kept_rows(path, keep), MOST_EXCEL_ROWS + 1))
    if len(rows) > MOST_EXCEL_ROWS:
        raise UsageError(f"The table has more than {MOST_EXCEL_ROWS:,} rows, more than Excel takes. Maybe CSV.")
    frame = pd.DataFrame([typed(row, numeric) for row in rows], columns=columns_of(path), dtype=object)
    write_workbook(out, cover, {title: frame}, dt.datetime.combine(created, dt.time()))
