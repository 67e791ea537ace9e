"""Cells that a spreadsheet would take for a formula are written so that it does not."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import python_calamine

from allocator.report.exports import folder_name, write_workbook
from allocator.report.safe import cell, plain_text, read_csv, safe_text, write_csv
from allocator.report.write import write_run
from tests.report.sample import usual_run

DANGEROUS = ("=1+1", "+44 151", "-1", "@SUM(A1)", "\t=1", "\r=1")


@pytest.mark.parametrize("text", DANGEROUS)
def test_a_text_that_looks_like_a_formula_gets_an_apostrophe_and_loses_it_when_read(text: str) -> None:
    assert safe_text(text) == "'" + text
    assert plain_text(safe_text(text)) == text


@pytest.mark.parametrize("text", ["", "abc", "'tis", "1=1", "'", "''=1"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert safe_text(text) == text
    assert plain_text(safe_text(text)) == text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (-5, "-5"),
        (-5.0, "-5"),
        (0.5, "0.5"),
        (float("nan"), ""),
        (float("inf"), ""),
        (None, ""),
        (pd.NA, ""),
        (pd.NaT, ""),
        (np.datetime64("NaT"), ""),
        (np.datetime64("2026-02-03"), "2026-02-03"),
        (pd.Timestamp("2026-02-03"), "2026-02-03"),
        (pd.Timestamp("2026-02-03 08:30"), "2026-02-03T08:30:00"),
        (dt.date(2026, 2, 3), "2026-02-03"),
        (True, "true"),
        (np.bool_(False), "false"),
        ("0123", "0123"),
    ],
)
def test_a_value_is_written_as_the_contract_says(value: object, written: str) -> None:
    assert cell(value) == written


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": [*DANGEROUS, 'with "quotes", and\nlines'], "n": range(7)})
    write_csv(frame, tmp_path / "t.csv")
    back = read_csv(tmp_path / "t.csv")
    assert back["text"].tolist() == frame["text"].tolist()
    assert back["n"].tolist() == [str(n) for n in range(7)]


def test_no_cell_of_a_run_starts_a_formula(tmp_path: Path) -> None:
    write_run(usual_run(), None, tmp_path / "run")
    incoming = pd.read_csv(tmp_path / "run/exports/RAA/incoming.csv", dtype="str")
    assert incoming["team"].tolist() == ["'=cmd|' /C calc'!A0"]
    book = python_calamine.CalamineWorkbook.from_path(tmp_path / "run/exports/RAA/RAA.xlsx")
    assert book.sheet_names == ["Cover", "Incoming", "Outgoing"]
    rows = book.get_sheet_by_name("Incoming").to_python()
    assert rows[1][rows[0].index("team")] == "'=cmd|' /C calc'!A0"
    with zipfile.ZipFile(tmp_path / "run/exports/RAA/RAA.xlsx") as archive:
        for name in archive.namelist():
            assert b"<f>" not in archive.read(name), name


def test_numbers_and_flags_stay_numbers_and_flags_in_a_workbook(tmp_path: Path) -> None:
    frame = pd.DataFrame({"minutes": [-5, 90], "new": [True, False], "name": ["=x", "y"]})
    write_workbook(tmp_path / "b.xlsx", {"Run": "=today()"}, {"List": frame}, dt.datetime(2026, 2, 2))
    book = python_calamine.CalamineWorkbook.from_path(tmp_path / "b.xlsx")
    assert book.get_sheet_by_name("List").to_python()[1:] == [[-5.0, True, "'=x"], [90.0, False, "y"]]
    assert book.get_sheet_by_name("Cover").to_python() == [["Run", "'=today()"]]


def test_a_provider_code_cannot_lead_out_of_the_folder() -> None:
    assert folder_name("RAA") == "RAA"
    assert folder_name("../../x") == "%2e%2e%2f%2e%2e%2fx"
