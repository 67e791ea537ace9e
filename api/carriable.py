"""A copy of uploaded tables made ready for `carry`, which adds to commitments.csv and to nothing else."""

from __future__ import annotations

import csv
import gzip
import shutil
from pathlib import Path

import pyarrow.parquet as pq

from allocator.intake.binary_files import sheet_rows
from allocator.intake.info import read_info
from allocator.intake.sources import find_sources
from allocator.report.safe import write_csv


def commitments_as_csv(folder: Path) -> None:
    """Have an instance keep its commitments in commitments.csv, wherever they stood."""
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.lower()))  # intake reads Commitments.CSV too
    parquet, zipped, plain = (folder / f"commitments.{kind}" for kind in ("parquet", "csv.gz", "csv"))
    if parquet.exists():
        write_csv(pq.read_table(parquet).to_pandas(), plain)
        parquet.unlink()
    if zipped.exists():
        with gzip.open(zipped) as source, plain.open("xb") as target:
            shutil.copyfileobj(source, target)
        zipped.unlink()
    sheets_as_csv(folder)


def sheets_as_csv(folder: Path) -> None:
    """Have every sheet as a file: a workbook with a sheet of commitments cannot stand beside commitments.csv."""
    found = find_sources(folder)
    for source in found.sources:
        if source.sheet:
            rows = sheet_rows(found.workbooks[source.path], source.sheet, source.shown)
            write_rows(rows, folder / f"{source.table}.csv")
    if found.info_sheet is not None:
        (folder / "instance.json").write_text(read_info(found).model_dump_json(), encoding="utf-8")
    for path in found.workbooks:
        path.unlink()


def write_rows(rows: list[list[str]], path: Path) -> None:
    """Rows of a sheet as intake reads them: as wide as the header or, where something stands beyond it, wider."""
    header = next((row for row in rows if any(text.strip() for text in row)), [])
    width = used(header)
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for row in rows:
            filled = used(row)
            writer.writerow(row[: max(width, filled)] if filled else [])


def used(row: list[str]) -> int:
    """Cells up to the last that is not blank."""
    return max((number for number, text in enumerate(row, 1) if text.strip()), default=0)
