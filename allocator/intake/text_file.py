"""CSV, plain or gzip, to RawTable: bounded, strict about quotes, as UTF-8 with commas or what Excel writes instead."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
import pandas as pd

from allocator.errors import InputError
from allocator.instance import Ints
from allocator.intake.raw import MAX_BYTES, MAX_ROWS, RawTable, clean_header, too_many_rows

MAX_LINE = 1_000_000
CHUNK_ROWS = 50_000
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
"""What may stand between cells; the one that the header has most of, commas where none has more."""


def read_csv(table: str, path: Path) -> RawTable:
    """Read one CSV file. Raises InputError where it cannot be read as a table."""
    try:
        if _starts_as_utf16(path):
            return _read(table, path, "utf-16", (f"{table}: {path.name} is UTF-16; read as such.",))
        return _read(table, path, "utf-8-sig", ())
    except UnicodeDecodeError:
        notice = f"{table}: {path.name} is not UTF-8; read as Windows-1252. Save it as CSV UTF-8."
    try:
        return _read(table, path, "cp1252", (notice,))
    except UnicodeDecodeError as error:
        raise InputError([f"{table}: {path.name} is neither UTF-8 nor Windows-1252. Save it as CSV UTF-8."]) from error


def _starts_as_utf16(path: Path) -> bool:
    with _opened(path) as stream, _readable(path):
        return stream.read(2) in (b"\xff\xfe", b"\xfe\xff")


def _opened(path: Path) -> IO[bytes]:
    try:
        return cast(IO[bytes], gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")
    except OSError as error:
        raise InputError([f"{path.name} cannot be opened: {error.strerror}."]) from error


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what a broken file raises into InputError."""
    try:
        yield
    except UnicodeDecodeError:
        raise
    except (EOFError, zlib.error, OSError, UnicodeError) as error:
        raise InputError([f"{path.name} is damaged and cannot be read to its end: {error}."]) from error


def _read(table: str, path: Path, encoding: str, notices: tuple[str, ...]) -> RawTable:
    with _opened(path) as stream, _readable(path):
        text = io.TextIOWrapper(stream, encoding=encoding, newline="")
        lines = _lines(text, table, path.name)
        begun = list(_up_to_header(lines))
        separator = max(SEPARATORS, key=begun[-1].count) if begun else ","
        if begun and (declared := begun[-1].strip("\r\n").lower().removeprefix("sep=")) in SEPARATORS:
            separator, begun[-1] = declared, "\n"  # Excel's own line above the header
        if separator != ",":
            notices = (*notices, f"{table}: {path.name} is separated by {SEPARATORS[separator]}; read as such.")
        reader = csv.reader(itertools.chain(begun, lines), delimiter=separator, strict=True)
        try:
            header_row, header = next(((row, record) for row, record in enumerate(reader, 1) if record), (0, None))
            if header is None:
                raise InputError([f"{table}: {path.name} is empty; wanted a header row and rows."])
            names = clean_header(table, path.name, header)
            frames, rows, ragged = _records(table, path.name, reader, names, header_row + 1)
        except csv.Error as error:
            raise InputError(
                [f"{table}: {path.name} line {reader.line_num}: {error}. Maybe a quotation mark is not closed."]
            ) from error
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=names, dtype="str")
    return RawTable(table, path.name, frame, rows, ragged, notices)


def _lines(lines: io.TextIOWrapper, table: str, source: str) -> Iterator[str]:
    """Lines of a bounded length and number, so that what a small gzip file unpacks to is bounded too."""
    number, left = 1, MAX_BYTES
    while line := lines.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise InputError([f"{table}: {source} line {number} is longer than {MAX_LINE:,} characters."])
        left -= len(line)
        if left < 0:
            raise InputError([f"{source} unpacks to more than {MAX_BYTES:,} bytes, the most that are read."])
        yield line
        number += 1


def _up_to_header(lines: Iterator[str]) -> Iterator[str]:
    """Blank lines and the first that is not."""
    for line in lines:
        yield line
        if line.strip():
            return


def _records(
    table: str, source: str, reader: Iterator[list[str]], names: list[str], first_row: int
) -> tuple[list[pd.DataFrame], Ints, Ints]:
    """Frames of texts, row numbers and ragged counts. Blank lines count as rows, and are no records.

    An empty cell too many is harmless only where every row has it (a comma at the end of each line): in a
    single row it may be the last cell, pushed out by a comma too many.
    """
    width = len(names)
    frames: list[pd.DataFrame] = []
    chunk: list[list[str]] = []
    rows: list[int] = []
    ragged: list[int] = []
    overflowing = False
    for row, record in enumerate(reader, first_row):
        if not record:
            continue
        cells = len(record)
        if cells != width:
            overflowing |= any(text.strip() for text in record[width:])
            record = (record + [""] * width)[:width]
        ragged.append(cells - width)
        chunk.append(record)
        rows.append(row)
        if len(rows) > MAX_ROWS:
            raise too_many_rows(table, source)
        if len(chunk) == CHUNK_ROWS:
            frames.append(_frame(chunk, names))
            chunk = []
    if chunk:
        frames.append(_frame(chunk, names))
    excess = np.array(ragged, dtype=np.int64)
    if len(excess) and not overflowing and excess.min() > 0:
        excess = np.zeros_like(excess)
    return frames, np.array(rows, dtype=np.int64), np.where(excess == 0, 0, excess + width)


def _frame(records: list[list[str]], names: list[str]) -> pd.DataFrame:
    columns = zip(*records, strict=True)
    return pd.DataFrame({name: pd.array(list(texts), dtype="str") for name, texts in zip(names, columns, strict=True)})
