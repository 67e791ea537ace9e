from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from allocator import schema
from allocator.intake.parse import parse_cell
from allocator.intake.raw import schema_table
from tests.intake import build


def cell(table: str, column: str, text: str):
    return parse_cell(schema_table(table).column(column), text)


@pytest.mark.parametrize("text", ["", "  ", "NULL", "null", "-", "N/A", "na", "\xa0"])
def test_every_way_to_write_nothing_is_empty(text: str) -> None:
    assert cell("patients", "bmi", text) == (None, "", "", "")
    assert cell("patients", "needs", text) == (None, "", "", "")


@pytest.mark.parametrize(
    "text",
    ["2026-02-03", "03/02/2026", "3/2/2026", "2026-02-03 00:00:00", "2026-02-03T14:30", " 2026-02-03 ", "2026-2-3"],
)
def test_dates_are_read_iso_and_british(text: str) -> None:
    assert cell("patients", "clock_start", text).value == np.datetime64("2026-02-03")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2025-02-30", "does not exist"),
        ("31/04/2025", "does not exist"),
        ("02/13/2025", "does not exist"),
        ("46000", "day number"),
        ("1899-12-30", "not between"),
        ("soon", "not a date"),
        ("2026-02-03 25:00", "no time"),
        ("#REF!", "error of the spreadsheet"),
    ],
)
def test_impossible_dates_say_what_is_wrong(text: str, problem: str) -> None:
    found = cell("patients", "clock_start", text)
    assert found.value is None
    assert problem in found.problem


def test_a_moment_with_a_zone_is_read_as_utc() -> None:
    assert cell("commitments", "recorded_on", "2026-07-01T10:30:00+01:00").value == np.datetime64("2026-07-01T09:30:00")


def test_a_moment_far_in_the_future_is_a_slip_because_it_would_outrank_everything() -> None:
    assert cell("commitments", "recorded_on", "2206-01-30").problem


@pytest.mark.parametrize("text", ["9.43477E+09", "1E+10", "4.5e10", "02-Jan", "Jan-02", "1234567890123456.0"])
def test_codes_that_a_spreadsheet_changed_are_lost(text: str) -> None:
    assert "changed by a spreadsheet" in cell("patients", "entry_id", text).problem


@pytest.mark.parametrize("text", ["E01006512", "0110", "W37.1", "5E10", "RAA:17", "110"])
def test_codes_that_only_look_odd_are_kept_as_they_are(text: str) -> None:
    assert cell("patients", "entry_id", text) == (text, "", "", "")


def test_a_code_written_as_a_decimal_number_is_mended() -> None:
    found = cell("patients", "service_code", "110.0")
    assert found.value == "110"
    assert found.repair


@pytest.mark.parametrize(
    ("text", "value"), [("60", 60), ("60.0", 60), ("1,000", 1000), (" 7 ", 7), ("1440", 1440), ("1", 1)]
)
def test_whole_numbers_are_read_within_their_bounds(text: str, value: int) -> None:
    assert cell("patients", "expected_minutes", text).value == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-30", "below 1"),
        ("0", "below 1"),
        ("1441", "above 1,440"),
        ("60.5", "not whole"),
        ("60 min", "not a whole number"),
        ("1,00", "not a whole number"),
        ("٣", "not a whole number"),
        ("9" * 6000, "characters"),
        ("1e99", "above"),
        ("inf", "not a whole number"),
    ],
)
def test_other_numbers_are_refused_with_the_bounds(text: str, problem: str) -> None:
    found = cell("patients", "expected_minutes", text)
    assert found.value is None
    assert problem in found.problem
    assert "characters" in problem or "1 to 1,440" in found.hint


def test_pounds_are_read_in_columns_of_money_only() -> None:
    assert cell("patients", "tariff_gbp", "£1,234.50").value == 1234.5
    assert cell("patients", "bmi", "£25").problem


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("clinical_priority", "p2", "P2"),
        ("transfer_consent", "Not asked", "not_asked"),
        ("transfer_consent", "YES", "yes"),
        ("travel_mode", "Public Transport", "public_transport"),
        ("care_kind", "Theatre", "theatre"),
    ],
)
def test_choices_are_read_in_any_case(column: str, text: str, value: str) -> None:
    assert cell("patients", column, text).value == value


def test_an_unknown_choice_says_what_may_be_meant() -> None:
    found = cell("patients", "care_kind", "theater")
    assert found.problem == "is not one of the choices"
    assert found.hint == 'one of theatre, diagnostic. Maybe "theatre".'


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("Yes", True), ("1", True), ("FALSE", False), ("n", False), ("0", False)]
)
def test_flags_are_read_in_the_usual_spellings(text: str, value: bool) -> None:
    assert cell("patients", "needs_hdu", text).value is value


def test_tags_lose_blanks_doubles_and_empty_places() -> None:
    assert cell("patients", "needs", " ga ;; sub:hand; ga; - ").value == "ga;sub:hand"


def test_clock_times_are_padded() -> None:
    assert cell("sessions", "start_time", "8:30").value == "08:30"
    assert cell("sessions", "start_time", "25:00").problem


def test_what_was_read_is_read_again_the_same() -> None:
    samples = ["110.0", "03/02/2026", "1,000", "p2", "ga; ga;b", "8:30", "yes", "2026-02-03T10:00:00Z", "abc"]
    for table in schema.TABLES:
        for column in table.columns:
            for text in samples:
                value = parse_cell(column, text).value
                if value is not None:
                    again = parse_cell(column, str(value)).value
                    assert again == value, (table.name, column.name, text)


def test_a_formula_in_a_text_is_left_alone(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(({"laterality": "=1+1"}, {})))
    assert intake.instance.patient["e1"]["laterality"] == "=1+1"
