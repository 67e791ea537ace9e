"""Where each table of an instance is: which file or sheet holds it, and what is misnamed or double."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from python_calamine import CalamineWorkbook

from allocator import schema
from allocator.errors import InputError
from allocator.intake.binary_files import opened_workbook, read_parquet, read_sheet
from allocator.intake.raw import RawTable, without_blank_rows
from allocator.intake.text_file import read_csv

TABLE_NAMES = tuple(table.name for table in schema.TABLES)
SUFFIXES = (".csv.gz", ".csv", ".parquet", ".xlsx")
NOT_READ = (".xls", ".xlsm", ".xlsb", ".ods", ".tsv", ".txt", ".csv.zip", ".csv.bz2", ".json", ".feather")
INFO_SHEET = "instance"
NEAR = 0.8
"""How alike a file's name must be to a table's to be taken for a slip."""


@dataclass(frozen=True)
class Source:
    """One table in one file, or in one sheet of a workbook."""

    table: str
    path: Path
    sheet: str = ""

    @property
    def shown(self) -> str:
        """The source for people."""
        return f"sheet {self.sheet} of {self.path.name}" if self.sheet else self.path.name


@dataclass(frozen=True)
class Found:
    """What an instance's folder, or workbook, holds."""

    info: Path | None
    info_sheet: tuple[CalamineWorkbook, str, str] | None
    sources: tuple[Source, ...]
    workbooks: dict[Path, CalamineWorkbook]
    problems: tuple[str, ...]
    notices: tuple[str, ...]


def find_sources(path: Path) -> Found:
    """Look at a folder, or at one workbook. Raises InputError where there is neither."""
    if path.is_dir():
        try:
            files = sorted(item for item in path.iterdir() if item.is_file() and not item.name.startswith((".", "~$")))
        except OSError as error:
            raise InputError([f"The folder {path.name} cannot be read: {error.strerror}."]) from error
    elif path.is_file() and path.suffix.lower() == ".xlsx":
        files = [path]
    else:
        given = f'"{path.name}" is a file' if path.is_file() else f'There is no "{path}"'
        raise InputError([f"{given}; wanted a folder with instance.json and tables, or an .xlsx workbook."])
    return _sorted_out(files)


def _sorted_out(files: Sequence[Path]) -> Found:
    info: Path | None = None
    info_sheets: list[tuple[CalamineWorkbook, str, str]] = []
    sources: list[Source] = []
    workbooks: dict[Path, CalamineWorkbook] = {}
    problems: list[str] = []
    notices: list[str] = []
    strangers: list[tuple[str, str]] = []
    for file in files:
        lowered = file.name.lower()
        suffix = next((ending for ending in SUFFIXES if lowered.endswith(ending)), "")
        stem = lowered.removesuffix(suffix or file.suffix.lower())
        if lowered == "instance.json":
            info = file
        elif suffix == ".xlsx":
            try:
                workbooks[file] = opened_workbook(file)
            except InputError as error:
                problems += error.problems
                continue
            for sheet in workbooks[file].sheet_names:
                name = sheet.strip().lower().replace(" ", "_")
                if name in TABLE_NAMES:
                    sources.append(Source(name, file, sheet))
                elif name == INFO_SHEET:
                    info_sheets.append((workbooks[file], sheet, file.name))
                else:
                    strangers.append((name, f"sheet {sheet} of {file.name}"))
        elif suffix and stem in TABLE_NAMES:
            sources.append(Source(stem, file))
        elif suffix:
            strangers.append((stem, file.name))
        elif stem in TABLE_NAMES and lowered.endswith(NOT_READ):
            problems.append(f"{file.name} is not of a kind that is read; save it as {stem}.csv, .parquet or .xlsx.")
    problems += _double(sources)
    for name, shown in strangers:
        near = _near(name, sources)
        if near:
            problems.append(f'{shown} is none of the tables. Maybe "{near}": rename it, or take it away.')
        else:
            notices.append(f"{shown} is none of the tables; ignored.")
    if len(info_sheets) + (info is not None) > 1:
        problems.append("instance.json: there is more than one; keep either the file or one sheet called instance.")
    return Found(
        info, info_sheets[0] if info_sheets else None, tuple(sources), workbooks, tuple(problems), tuple(notices)
    )


def _double(sources: Sequence[Source]) -> list[str]:
    problems = []
    for name in TABLE_NAMES:
        places = [source.shown for source in sources if source.table == name]
        if len(places) > 1:
            problems.append(f"{name}: found in {' and in '.join(places)}; keep one of them.")
    return problems


def _near(name: str, sources: Sequence[Source]) -> str:
    """The table that a stranger was probably meant to be, where that table is missing."""
    missing = set(TABLE_NAMES) - {source.table for source in sources}
    near = difflib.get_close_matches(name, sorted(missing), n=1, cutoff=NEAR)
    return near[0] if near else ""


def read_tables(found: Found) -> tuple[dict[str, RawTable], list[str]]:
    """Every table that can be read, and the problems of those that cannot."""
    tables: dict[str, RawTable] = {}
    problems: list[str] = []
    for source in found.sources:
        try:
            tables[source.table] = without_blank_rows(_read(source, found))
        except InputError as error:
            problems += error.problems
    return tables, problems


def _read(source: Source, found: Found) -> RawTable:
    if source.sheet:
        return read_sheet(source.table, found.workbooks[source.path], source.sheet, source.shown)
    if source.path.name.lower().endswith(".parquet"):
        return read_parquet(source.table, source.path)
    return read_csv(source.table, source.path)
