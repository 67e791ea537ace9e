from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import xlsxwriter

from allocator.errors import InputError
from allocator.intake import binary_files, info, raw, read_instance, text_file, write_instance
from tests.intake import build


def problems(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_instance(folder)
    return "\n".join(caught.value.problems)


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    book = xlsxwriter.Workbook(str(path))
    dates = book.add_format({"num_format": "yyyy-mm-dd"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                if hasattr(value, "year"):
                    sheet.write_datetime(number, column, value, dates)
                else:
                    sheet.write(number, column, value)
    book.close()
    return path


def as_sheets(rows: dict[str, list[dict[str, str]]]) -> dict[str, list[list[Any]]]:
    sheets = {}
    for name, table in rows.items():
        header = list(dict.fromkeys(column for row in table for column in row))
        sheets[name] = [header, *([row.get(column, "") for column in header] for row in table)]
    return sheets


def test_a_sound_instance_has_an_empty_quarantine_and_no_notices(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(commitments=[{}]))
    assert list(intake.quarantine.columns) == ["table", "row", "column", "value", "problem", "hint", "effect"]
    assert intake.quarantine.empty
    assert intake.notices == ()
    assert intake.rows_read == {
        "organisations": 3, "waiting_lists": 0, "sites": 3, "patients": 4, "unavailable": 0,
        "sessions": 2, "beds": 0, "travel": 0, "commitments": 1, "overrides": 0,
    }  # fmt: skip
    assert build.places(intake) == [("e1", "s1", "booked")]


def test_csv_gzip_parquet_and_excel_give_the_same_instance(tmp_path: Path) -> None:
    rows = build.tables(commitments=[{}])
    wanted = build.read(tmp_path / "csv", rows).instance.fingerprint

    zipped = build.write(tmp_path / "gz", rows)
    for file in list(zipped.glob("*.csv")):
        (zipped / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert read_instance(zipped).instance.fingerprint == wanted

    parquet = build.write(tmp_path / "parquet", {})
    for name, table in rows.items():
        pd.DataFrame(table).to_parquet(parquet / f"{name}.parquet")
    assert read_instance(parquet).instance.fingerprint == wanted

    excel = build.write(tmp_path / "excel", {})
    workbook(excel / "all.xlsx", as_sheets(rows))
    assert read_instance(excel).instance.fingerprint == wanted


def test_a_workbook_alone_brings_its_own_instance_sheet(tmp_path: Path) -> None:
    sheets = as_sheets(build.tables())
    plan_date = pd.Timestamp("2026-02-02").to_pydatetime()
    sheets["instance"] = [
        ["name", "value"],
        ["name", "test"],
        ["plan_date", plan_date],
        ["horizon_start", "03/02/2026"],
        ["horizon_end", "2026-03-31"],
        ["reporting_dates", "2026-02-28; 2026-03-31"],
    ]
    patients = sheets["patients"]
    header = patients[0]
    for row in patients[1:]:
        row[header.index("service_code")] = 110
        row[header.index("expected_minutes")] = 60
        row[header.index("clock_start")] = pd.Timestamp("2025-01-06").to_pydatetime()
        row[header.index("needs_hdu")] = False
    intake = read_instance(workbook(tmp_path / "book.xlsx", sheets))
    assert [str(day) for day in intake.instance.info.reporting_dates] == ["2026-02-28", "2026-03-31"]
    assert intake.quarantine.empty
    assert intake.instance.patient["e1"]["service_code"] == "110"
    assert str(intake.instance.patient["e1"]["clock_start"]) == "2025-01-06"


def test_writing_and_reading_again_keeps_the_fingerprint_and_the_held(tmp_path: Path) -> None:
    rows = build.tables(
        (
            {"transfer_consent": "perhaps"},
            {"entry_id": "7"},
            {"entry_id": "7", "home_provider": "RBB"},
            {"bmi": "31.4"},
        ),
        ({"max_cases": "many"}, {}),
        beds=[{"site_code": "RBB01", "night": "2026-03-10", "spare_beds": "3"}],
        commitments=[{"entry_id": "e4"}, {"entry_id": "e4", "session_id": "s2", "recorded_on": "soon"}],
    )
    rows["patients"][0]["team_colour"] = "blue"
    first = build.read(tmp_path / "csv", rows)
    write_instance(first.instance, tmp_path / "again")
    again = read_instance(tmp_path / "again")
    assert again.instance.fingerprint == first.instance.fingerprint
    assert build.held(again) == build.held(first) == {"e1", "e4"}
    assert build.closed(again) == build.closed(first) == {"s1"}
    assert again.quarantine.empty
    assert (tmp_path / "again" / "overrides.parquet").exists()


def test_a_held_mark_that_cannot_be_read_counts_as_held(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(({"held": "true"}, {"held": "maybe"}, {"held": "false"}, {"held": ""})))
    assert build.held(intake) == {"e1", "e2"}


def test_every_problem_of_an_unusable_instance_is_listed_at_once(tmp_path: Path) -> None:
    rows = build.tables(commitments=[{}])
    for row in rows["patients"]:
        row["waitlist_start"] = row.pop("clock_start")
    for row in rows["commitments"]:
        row.pop("state")
    rows["sessions"] = []
    rows.pop("sites")
    folder = build.write(tmp_path, rows, {"plan_date": "2026-02-30", "horizon_end": ""})
    (folder / "sessions.csv").write_text("session_id,site_code,date,care_kind,service_code,minutes\n")
    text = problems(folder)
    assert 'column "clock_start" is missing' in text
    assert 'Found "waitlist_start". Maybe "clock_start" is meant' in text
    assert 'commitments: column "state" is missing' in text
    assert "sessions.csv has a header and no rows" in text
    assert "sites: the table is missing" in text
    assert "\"plan_date\" is '2026-02-30': it is a day that does not exist" in text
    assert 'instance.json: "horizon_end" is missing' in text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"horizon_end": "2026-02-01"}, 'is before "horizon_start"'),
        ({"horizon_start": "2026-01-01", "horizon_end": "2026-01-31"}, 'is before "plan_date"'),
        ({"horizon_end": "2062-03-31"}, "longer than"),
        ({"name": " "}, '"name" is empty'),
        ({"reporting_dates": ["2026-02-28", "never"]}, "reporting_dates"),
        ({"sources": 5}, '"sources" is 5'),
    ],
)
def test_what_instance_json_says_has_to_make_sense(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    assert text in problems(build.write(tmp_path, build.tables(), change))


@pytest.mark.parametrize("content", ["{", "[1]", "[" * 100_000, '{"name": "\\ud800"}'])
def test_json_that_cannot_be_read_is_an_input_error(tmp_path: Path, content: str) -> None:
    folder = build.write(tmp_path, build.tables())
    (folder / "instance.json").write_text(content)
    assert "instance.json" in problems(folder)


def test_a_misnamed_key_of_instance_json_is_named(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables())
    (folder / "instance.json").write_text(json.dumps({**build.INFO, "plan_day": "2026-02-02", "plan_date": None}))
    assert '"plan_date" is missing. Maybe "plan_day" is meant' in problems(folder)


def test_two_files_for_one_table_are_an_error(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables())
    pd.read_csv(folder / "sites.csv").to_parquet(folder / "sites.parquet")
    assert "sites: found in sites.csv and in sites.parquet; keep one of them." in problems(folder)


def test_a_misnamed_file_stops_the_run_because_its_constraints_would_be_lost(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables())
    (folder / "commitment.csv").write_text("entry_id,state,recorded_on\n")
    assert 'commitment.csv is none of the tables. Maybe "commitments"' in problems(folder)


def test_other_files_are_ignored_with_a_notice(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables())
    (folder / "expected.csv").write_text("a,b\n")
    (folder / "README.md").write_text("hello")
    assert read_instance(folder).notices == ("expected.csv is none of the tables; ignored.",)


def test_an_old_excel_file_is_refused_by_name(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables())
    (folder / "beds.xls").write_bytes(b"old")
    assert "beds.xls is not of a kind that is read" in problems(folder)


@pytest.mark.parametrize("name", ["sites.csv.gz", "sites.parquet", "book.xlsx"])
def test_a_broken_file_is_an_input_error(tmp_path: Path, name: str) -> None:
    folder = build.write(tmp_path, build.tables())
    (folder / "sites.csv").unlink()
    (folder / name).write_bytes(b"\x1f\x8b not what it says")
    assert name in problems(folder)


def test_a_gzip_file_that_was_cut_off_is_an_input_error(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables())
    whole = gzip.compress((folder / "sites.csv").read_bytes())
    (folder / "sites.csv").unlink()
    (folder / "sites.csv.gz").write_bytes(whole[:-20])
    assert "cannot be read to its end" in problems(folder)


def test_an_empty_file_and_a_missing_folder_are_input_errors(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables())
    (folder / "patients.csv").write_text("")
    assert "patients.csv is empty" in problems(folder)
    assert "There is no" in problems(tmp_path / "nowhere")


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build.write(tmp_path, build.tables())
    with monkeypatch.context() as patch:
        patch.setattr(text_file, "MAX_ROWS", 3)
        assert "patients.csv has more than" in problems(folder)
    with monkeypatch.context() as patch:
        patch.setattr(text_file, "MAX_LINE", 50)
        assert "is longer than 50 characters" in problems(folder)
    (folder / "sites.csv.gz").write_bytes(gzip.compress((folder / "sites.csv").read_bytes() + b"," * 500_000))
    (folder / "sites.csv").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(text_file, "MAX_BYTES", 100_000)
        assert "unpacks to more than" in problems(folder)
    with monkeypatch.context() as patch:
        patch.setattr(info, "MAX_INFO_BYTES", 10)
        assert "instance.json is larger" in problems(folder)


def test_parquet_and_workbooks_are_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build.write(tmp_path, build.tables())
    pd.read_csv(folder / "sites.csv").to_parquet(folder / "sites.parquet")
    (folder / "sites.csv").unlink()
    workbook(
        folder / "book.xlsx", {"beds": [["site_code", "night", "spare_beds"], *([["RBB01", "2026-03-10", 1]] * 9)]}
    )
    with monkeypatch.context() as patch:
        patch.setattr(binary_files, "MAX_ROWS", 2)
        text = problems(folder)
    assert "sites.parquet has more than" in text
    assert "beds of book.xlsx has more than" in text
    with monkeypatch.context() as patch:
        patch.setattr(binary_files, "MAX_BYTES", 10)
        text = problems(folder)
    assert "sites.parquet unpacks to more than" in text
    assert "book.xlsx unpacks to more than" in text


def test_too_many_or_double_columns_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build.write(tmp_path, build.tables())
    text = (folder / "sites.csv").read_text().replace("max_asa", "name", 1)
    (folder / "sites.csv").write_text(text)
    assert 'sites: column "name" stands 2 times' in problems(folder)
    monkeypatch.setattr(raw, "MAX_COLUMNS", 3)
    assert "at most 3 are read" in problems(folder)


def test_byte_order_mark_windows_and_utf16_are_read(tmp_path: Path) -> None:
    rows = build.tables(({"laterality": "Zoë’s left"}, {}))
    folder = build.write(tmp_path, rows)
    content = (folder / "patients.csv").read_text(encoding="utf-8")
    for encoding, notice in (("utf-8-sig", ""), ("cp1252", "Windows-1252"), ("utf-16", "UTF-16")):
        (folder / "patients.csv").write_text(content, encoding=encoding)
        intake = read_instance(folder)
        assert intake.instance.patient["e1"]["laterality"] == "Zoë’s left"
        assert (notice in " ".join(intake.notices)) if notice else intake.notices == ()
    (folder / "patients.csv").write_bytes(content.encode("cp1252") + b"\x81")
    assert "neither UTF-8 nor Windows-1252" in problems(folder)


def test_rows_are_numbered_as_a_spreadsheet_does(tmp_path: Path) -> None:
    rows = build.tables(({"laterality": "two\nlines"}, {}, {"bmi": "fat"}, {}))
    folder = build.write(tmp_path, rows)
    assert list(build.faults(read_instance(folder), "patients", "bmi")["row"]) == [4]
    lines = (folder / "sites.csv").read_text().splitlines()
    header = lines[0].replace("lead_days", " Lead_Days ")
    (folder / "sites.csv").write_text(
        "\n".join([header, lines[1], "", ",,,,,,,", lines[2], lines[3].replace(",7,", ",x,")])
    )
    intake = read_instance(folder)
    assert list(build.faults(intake, "sites", "lead_days")["row"]) == [6]
    assert intake.rows_read["sites"] == 3


def test_an_open_quotation_mark_is_an_input_error_because_it_swallows_rows(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables())
    text = (folder / "patients.csv").read_text().replace("e2,", '"e2,', 1)
    (folder / "patients.csv").write_text(text)
    assert "Maybe a quotation mark is not closed" in problems(folder)


def test_a_row_with_a_comma_too_many_or_too_few_is_refused(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables())
    lines = (folder / "patients.csv").read_text().splitlines()
    lines[2] = lines[2].replace(",ga,", ",ga,extra,")
    lines[3] = lines[3][:40]
    (folder / "patients.csv").write_text("\n".join(lines))
    intake = read_instance(folder)
    build.accounted_for(intake)
    assert list(intake.instance.column("patients", "entry_id")) == ["e1", "e4"]
    assert set(build.faults(intake, "patients", "")["row"]) == {3, 4}


def test_a_comma_at_the_end_of_every_row_is_harmless(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables())
    header, *lines = (folder / "patients.csv").read_text().splitlines()
    (folder / "patients.csv").write_text("\n".join([header, *(f"{line}," for line in lines)]))
    assert read_instance(folder).quarantine.empty


def test_columns_of_others_are_kept_and_named_once(tmp_path: Path) -> None:
    rows = build.tables()
    for row in rows["patients"]:
        row["ethnicity"] = "NULL"
        row["max_travel"] = "12"
        row.pop("max_travel_minutes")
    rows["patients"][0]["ethnicity"] = " A "
    intake = build.read(tmp_path, rows)
    assert list(intake.instance.column("patients", "ethnicity")) == ["A", "", "", ""]
    assert intake.notices == (
        'patients: column "ethnicity" is not one of ours; kept and ignored.',
        'patients: column "max_travel" is not one of ours; kept and ignored. Maybe "max_travel_minutes".',
    )


@pytest.mark.parametrize(
    ("first", "separator", "name"),
    [("", ";", "semicolons"), ("\n", "\t", "tabs"), ("sep=;\r\n", ";", "semicolons"), ("SEP=\t\n", "\t", "tabs")],
)
def test_what_spreadsheets_write_in_place_of_commas_is_read_and_said(
    first: str, separator: str, name: str, tmp_path: Path
) -> None:
    folder = build.write(tmp_path, build.tables())
    plain = read_instance(folder)
    sites = folder / "sites.csv"
    rows = csv.reader(sites.read_text(encoding="utf-8").splitlines())
    with sites.open("w", newline="", encoding="utf-8") as stream:
        stream.write(first)
        csv.writer(stream, delimiter=separator).writerows(rows)
    intake = read_instance(folder)
    assert intake.notices == (f"sites: sites.csv is separated by {name}; read as such.",)
    assert intake.instance.frames["sites"].equals(plain.instance.frames["sites"])
    assert len(intake.quarantine) == len(plain.quarantine)


def test_another_separator_is_recognised(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables())
    (folder / "sites.csv").write_text((folder / "sites.csv").read_text().replace(",", "|"))
    assert "Maybe it is not separated by commas" in problems(folder)
