"""Uploaded tables in every format, made ready for what was decided."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from allocator.intake import Intake, read_instance
from api.carriable import commitments_as_csv
from instances import path
from tests.service.sample import as_workbook

TABLES = path("tiny-bookings")


def same(before: Intake, after: Intake) -> bool:
    return (
        before.instance.fingerprint == after.instance.fingerprint
        and before.quarantine.to_csv() == after.quarantine.to_csv()
    )


def test_a_workbook_with_commitments_says_the_same_as_files(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(TABLES, damaged)
    patients = damaged / "patients.csv"
    first, *rows = patients.read_text("utf-8").splitlines()
    # A row with a cell too many, an empty one, and a value that is no number: all stay what they were.
    patients.write_text(
        "\n".join([first, rows[0] + ",more", ",,", *rows[1:-1], rows[-1].replace(",60", ",x")]), "utf-8"
    )
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "instance.xlsx").write_bytes(as_workbook(damaged, tmp_path))
    before = read_instance(tmp_path / "tables")
    assert len(before.quarantine)
    commitments_as_csv(tmp_path / "tables")
    assert not list((tmp_path / "tables").glob("*.xlsx"))
    assert (tmp_path / "tables" / "commitments.csv").is_file()
    assert same(before, read_instance(tmp_path / "tables"))


@pytest.mark.parametrize("name", ["Commitments.CSV", "COMMITMENTS.csv"])
def test_commitments_are_found_however_their_file_is_spelt(tmp_path: Path, name: str) -> None:
    shutil.copytree(TABLES, tmp_path / "tables")
    before = read_instance(tmp_path / "tables")
    (tmp_path / "tables" / "commitments.csv").rename(tmp_path / "tables" / name)
    commitments_as_csv(tmp_path / "tables")
    assert (tmp_path / "tables" / "commitments.csv").is_file()
    assert same(before, read_instance(tmp_path / "tables"))
