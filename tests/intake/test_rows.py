from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from allocator.errors import InputError
from allocator.intake import read_instance, summary_lines, write_instance
from allocator.intake.nhs_number import MASK, is_nhs_number, masked, pseudonymous
from tests.intake import build

NHS_NUMBER = "9434765919"


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("entry_id", "9.43477E+09"),
        ("patient_id", ""),
        ("home_provider", "RZZ"),
        ("care_kind", "surgery"),
        ("service_code", "-"),
        ("clinical_priority", "urgent"),
        ("clock_start", "2025-02-30"),
        ("clock_start", "2026-02-03"),
        ("expected_minutes", "-30"),
    ],
)
def test_identity_home_kind_service_priority_clock_and_minutes_refuse_a_row(
    tmp_path: Path, column: str, text: str
) -> None:
    intake = build.read(tmp_path, build.tables(({column: text}, {})))
    assert intake.rows_accepted["patients"] == 1
    fault = build.faults(intake, "patients", column).iloc[0]
    assert (fault["row"], fault["value"], fault["effect"]) == (2, text, "row_refused")


def test_a_clock_that_starts_on_the_plan_date_is_accepted(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(({"clock_start": "2026-02-02"},)))
    assert intake.quarantine.empty


@pytest.mark.parametrize("column", ["asa_grade", "bmi", "age_years", "overnight_stays", "needs_hdu"])
def test_values_that_site_rules_ask_for_are_blanked(tmp_path: Path, column: str) -> None:
    intake = build.read(tmp_path, build.tables(({column: "-7"}, {})))
    assert build.effects(intake, "patients", column) == ["value_blanked"]
    assert build.held(intake) == set()
    assert intake.instance.patients[column].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    "column",
    [
        "pathway",
        "travel_mode",
        "max_travel_minutes",
        "earliest_date",
        "min_notice_days",
        "transfer_consent",
        "home_tci_date",
        "poa_valid_until",
        "required_done_on",
    ],
)
def test_a_damaged_limit_of_a_patient_holds_the_entry(tmp_path: Path, column: str) -> None:
    intake = build.read(tmp_path, build.tables(({column: "???"}, {})))
    assert build.effects(intake, "patients", column) == ["entry_held"]
    assert build.held(intake) == {"e1"}


@pytest.mark.parametrize("column", ["turnaround_minutes", "max_cases", "max_age_years", "book_by", "case_price_gbp"])
def test_a_damaged_limit_of_a_session_closes_it_and_its_booking_stays(tmp_path: Path, column: str) -> None:
    intake = build.read(tmp_path, build.tables(sessions=({column: "???"}, {}), commitments=[{}]))
    assert build.effects(intake, "sessions", column) == ["value_blanked"]
    assert "takes nobody new" in build.faults(intake, "sessions", column)["hint"].item()
    assert build.closed(intake) == {"s1"}
    assert build.places(intake) == [("e1", "s1", "booked")]


def test_a_closed_session_is_no_option() -> None:
    from allocator.rule import closed_sessions
    from tests.build import make_facts

    facts = make_facts([{}], [{"closed": True}, {"closed": False}])
    assert closed_sessions(facts, []) == frozenset({0})


def test_a_damaged_limit_of_a_site_closes_its_sessions(tmp_path: Path) -> None:
    rows = build.tables(sessions=({}, {"site_code": "RAA01"}))
    rows["sites"][1]["max_asa"] = "nine"
    assert build.closed(build.read(tmp_path, rows)) == {"s1"}


def test_what_a_site_has_counts_as_absent_where_it_is_damaged(tmp_path: Path) -> None:
    rows = build.tables()
    rows["sites"][1]["has_hdu"] = "perhaps"
    intake = build.read(tmp_path, rows)
    assert not intake.instance.site["RBB01"]["has_hdu"]
    assert "counts as no" in build.faults(intake, "sites", "has_hdu")["hint"].item()


def test_a_damaged_cap_sector_bed_or_journey_counts_as_the_strictest(tmp_path: Path) -> None:
    rows = build.tables(
        beds=[{"site_code": "RBB01", "night": "2026-03-10", "spare_beds": "some"}],
        travel=[{"home_area": "A", "site_code": "RBB01", "travel_mode": "car", "minutes": "-3"}],
    )
    rows["organisations"][0] |= {"max_outgoing": "-1", "sector": "public"}
    intake = build.read(tmp_path, rows)
    alpha = intake.instance.organisations.set_index("provider_code").loc["RAA"]
    assert (alpha["max_outgoing"], alpha["max_incoming"], alpha["sector"]) == (0, 5, "independent")
    assert intake.instance.column("beds", "spare_beds").tolist() == [0]
    assert intake.instance.column("travel", "minutes").tolist() == [1440]
    assert set(intake.quarantine["effect"]) == {"value_blanked"}


def test_a_session_at_an_unknown_site_and_a_site_of_an_unknown_provider_are_refused(tmp_path: Path) -> None:
    rows = build.tables(sessions=({}, {"site_code": "RBB1"}, {"site_code": "NCC01"}))
    rows["sites"][2]["provider_code"] = "NCX"
    intake = build.read(tmp_path, rows)
    assert list(intake.instance.column("sessions", "session_id")) == ["s1"]
    assert build.faults(intake, "sessions", "site_code")["hint"].tolist()[0] == 'Maybe "RBB01".'
    assert build.effects(intake, "sites", "provider_code") == ["row_refused"]


def test_beds_at_an_unknown_site_are_refused_and_journeys_there_do_no_harm(tmp_path: Path) -> None:
    intake = build.read(
        tmp_path,
        build.tables(
            beds=[{"site_code": "XX", "night": "2026-03-10", "spare_beds": "1"}],
            travel=[{"home_area": "A", "site_code": "XX", "travel_mode": "car", "minutes": "3"}],
            waiting_lists=[
                {"provider_code": "RXX", "care_kind": "theatre", "service_code": "110", "list_size": "5"},
                {"provider_code": "RAA", "care_kind": "theatre", "service_code": "110", "list_size": "-5"},
            ],
        ),
    )
    assert intake.rows_accepted["beds"] == 0
    assert intake.rows_accepted["travel"] == 1
    assert intake.rows_accepted["waiting_lists"] == 0
    assert "travel: 1 journeys are to sites that are not in the table sites." in intake.notices


def test_ages_the_wrong_way_round_close_a_session(tmp_path: Path) -> None:
    rows = build.tables(sessions=({"min_age_years": "60", "max_age_years": "18"}, {"min_age_years": "18"}))
    intake = build.read(tmp_path, rows)
    assert build.closed(intake) == {"s1"}
    assert "swapped" in build.faults(intake, "sessions", "max_age_years")["hint"].item()


def test_the_same_row_twice_counts_once(tmp_path: Path) -> None:
    rows = build.tables()
    rows["patients"].append(dict(rows["patients"][1]))
    rows["sessions"].append(dict(rows["sessions"][0]))
    intake = build.read(tmp_path, rows)
    assert intake.rows_accepted["patients"] == 4
    assert build.faults(intake, "patients")["problem"].item() == "is the same row as row 3"
    assert build.held(intake) == set()
    assert build.closed(intake) == set()


def test_two_rows_of_one_entry_that_differ_hold_it(tmp_path: Path) -> None:
    rows = build.tables(commitments=[{"entry_id": "e2"}])
    rows["patients"].append({**rows["patients"][1], "clinical_priority": "P2"})
    intake = build.read(tmp_path, rows)
    assert intake.rows_accepted["patients"] == 4
    assert build.held(intake) == {"e2"}
    assert build.places(intake) == [("e2", "s1", "reserved")]


def test_an_entry_whose_other_row_was_refused_is_held(tmp_path: Path) -> None:
    rows = build.tables()
    rows["patients"].append({**rows["patients"][1], "clock_start": "soon"})
    assert build.held(build.read(tmp_path, rows)) == {"e2"}


def test_two_sessions_of_one_id_that_differ_close_it(tmp_path: Path) -> None:
    rows = build.tables()
    rows["sessions"].append({**rows["sessions"][0], "minutes": "480"})
    assert build.closed(build.read(tmp_path, rows)) == {"s1"}


def test_two_rows_of_one_limit_that_differ_count_as_the_strictest(tmp_path: Path) -> None:
    bed = {"site_code": "RBB01", "night": "2026-03-10", "spare_beds": "3", "bed_kind": ""}
    rows = build.tables(beds=[bed, {**bed, "spare_beds": "1", "bed_kind": "ward"}, {**bed, "bed_kind": "hdu"}])
    rows["organisations"].append({**rows["organisations"][0], "max_outgoing": "2"})
    intake = build.read(tmp_path, rows)
    assert intake.instance.table("beds")[["bed_kind", "spare_beds"]].to_numpy().tolist() == [["hdu", 3], ["ward", 1]]
    assert intake.instance.column("organisations", "max_outgoing").tolist()[1:] == [2, 5]


def test_ids_that_collide_between_trusts_get_their_provider(tmp_path: Path) -> None:
    rows = build.tables(
        ({"entry_id": "7"}, {"entry_id": "7", "home_provider": "RBB"}, {"entry_id": "8", "requires_entry_id": "7"}),
        commitments=[{"entry_id": "RAA:7"}, {"entry_id": "RAA:8", "session_id": "s2"}],
        unavailable=[{"entry_id": "7", "from": "2026-03-01", "to": "2026-03-02"}],
    )
    intake = build.read(tmp_path, rows)
    assert list(intake.instance.column("patients", "entry_id")) == ["8", "RAA:7", "RBB:7"]
    assert intake.instance.patient["8"]["requires_entry_id"] == "RAA:7"
    assert any("written as PROVIDER:entry_id" in notice for notice in intake.notices)
    assert build.held(intake) == {"RAA:7", "RBB:7"}, "nobody knows whose holiday it is"
    assert build.places(intake) == [("8", "s2", "booked"), ("RAA:7", "s1", "reserved")]


def test_emergencies_are_refused_and_listed_by_trust(tmp_path: Path) -> None:
    rows = build.tables(({"clinical_priority": "p1A"}, {"clinical_priority": "D1", "home_provider": "RBB"}, {}))
    intake = build.read(tmp_path, rows)
    assert intake.emergencies.to_numpy().tolist() == [["e1", "RAA", "P1a"], ["e2", "RBB", "D1"]]
    assert build.faults(intake, "patients")["problem"].tolist() == ["is an emergency priority"] * 2
    assert "EMERGENCIES at RAA: 1 entries refused" in "\n".join(summary_lines(intake))


def test_deferred_priorities_are_accepted(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(({"clinical_priority": "P5"}, {"clinical_priority": "p6"})))
    assert list(intake.instance.column("patients", "clinical_priority")) == ["P5", "P6"]


def test_trusts_that_merged_are_read_as_their_successor(tmp_path: Path) -> None:
    rows = build.tables(
        ({"home_provider": "RVY"}, {"home_provider": "RAA"}),
        waiting_lists=[
            {"provider_code": code, "care_kind": "theatre", "service_code": "110", "list_size": size}
            for code, size in (("RVY", "30"), ("RAA", "12"))
        ],
    )
    rows["organisations"].append(
        {"provider_code": "RVY", "name": "Old", "sector": "nhs", "valid_to": "2023-06-30", "successor_code": "RAA"}
    )
    intake = build.read(tmp_path, rows)
    assert list(intake.instance.column("patients", "home_provider")) == ["RAA", "RAA"]
    assert intake.instance.table("waiting_lists")["list_size"].tolist() == [42]
    assert intake.rows_accepted["waiting_lists"] == 2
    assert "patients.home_provider: 1 of RVY, which became RAA, read as RAA." in intake.notices


def test_a_trust_that_ends_after_the_plan_date_still_stands(tmp_path: Path) -> None:
    rows = build.tables(({"home_provider": "RBB"},))
    rows["organisations"][1] |= {"valid_to": "2026-02-02", "successor_code": "RAA"}
    assert list(build.read(tmp_path, rows).instance.column("patients", "home_provider")) == ["RBB"]


def test_old_lists_are_noticed(tmp_path: Path) -> None:
    rows = build.tables()
    rows["organisations"][0]["list_as_of"] = "2026-01-25"
    rows["organisations"][1]["list_as_of"] = "2026-01-26"
    assert build.read(tmp_path, rows).notices == ("organisations: lists older than 7 days: RAA (2026-01-25).",)


def test_mended_codes_are_noticed_once(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(({"service_code": "110.0"}, {"service_code": "130.0"})))
    assert list(intake.instance.column("patients", "service_code")) == ["110", "130"]
    assert intake.notices == (
        "patients.service_code: 2 cells written as decimal numbers (110.0) read without the decimals (110).",
    )


def test_the_check_digit_tells_nhs_numbers() -> None:
    assert is_nhs_number(NHS_NUMBER)
    assert is_nhs_number("943 476 5919")
    assert not is_nhs_number("9434765918")
    assert not is_nhs_number("943476591")
    assert masked(f"ask {NHS_NUMBER}!") == f"ask {MASK}!"


def test_a_number_has_one_pseudonym_however_it_is_written_and_whatever_stands_around_it() -> None:
    name = pseudonymous(NHS_NUMBER)
    assert re.fullmatch("masked-[0-9a-f]{6}", name)
    assert {pseudonymous(text) for text in ("943 476 5919", "943-476-5919", "9434765919.0")} == {name}
    assert pseudonymous(f"RAA:{NHS_NUMBER}") == f"RAA:{name}"
    assert pseudonymous(name) == name
    for other in ("9434765918", "19434765919", "2026-02-03", "e1"):
        assert pseudonymous(other) == other


def test_one_ten_digit_number_in_eleven_passes_the_check() -> None:
    sample = [f"{number:010}" for number in np.random.default_rng(1).integers(0, 10**10, 20_000)]
    assert sum(map(is_nhs_number, sample)) / len(sample) == pytest.approx(1 / 11, abs=0.01)


@pytest.mark.parametrize("column", ["patient_id", "entry_id"])
def test_a_column_of_nhs_numbers_stops_the_run(tmp_path: Path, column: str) -> None:
    numbers = ["9434765919", "4010232137", "9876543210"]
    folder = build.write(tmp_path, build.tables(tuple({column: number} for number in (*numbers, "x1"))))
    with pytest.raises(InputError, match=f'column "{column}" holds 3 valid NHS numbers in 4 rows'):
        read_instance(folder)


def test_a_stray_nhs_number_is_warned_of_and_masked(tmp_path: Path) -> None:
    rows = build.tables(({"patient_id": NHS_NUMBER, "bmi": NHS_NUMBER}, {}, {"clinical_priority": "P1b"}))
    rows["patients"][2]["entry_id"] = NHS_NUMBER
    intake = build.read(tmp_path, rows)
    assert any("patients.patient_id: 1 value reads as a valid NHS number" in notice for notice in intake.notices)
    assert build.faults(intake, "patients", "bmi")["value"].item() == MASK
    assert intake.instance.patient["e1"]["patient_id"] == pseudonymous(NHS_NUMBER)
    assert intake.emergencies["entry_id"].item() == pseudonymous(NHS_NUMBER)
    shown = intake.quarantine.to_csv() + "\n".join((*intake.notices, *summary_lines(intake)))
    assert NHS_NUMBER not in shown


def test_a_stray_nhs_number_means_the_same_entry_in_every_table_and_stands_nowhere(tmp_path: Path) -> None:
    rows = build.tables(
        ({"entry_id": NHS_NUMBER, "laterality": f"see {NHS_NUMBER}"}, {"requires_entry_id": "943 476 5919"}, {}),
        commitments=[{"entry_id": f"RAA:{NHS_NUMBER}"}],
        unavailable=[{"entry_id": f" {NHS_NUMBER}", "from": "2026-02-10", "to": "2026-02-11"}],
        overrides=[{"entry_id": f"{NHS_NUMBER}.0", "session_id": "s2", "reason": f"asked by {NHS_NUMBER}"}],
    )
    for number, row in enumerate(rows["patients"]):
        row["own number"] = NHS_NUMBER if number else ""
    intake = build.read(tmp_path / "given", rows)
    name = pseudonymous(NHS_NUMBER)
    assert intake.quarantine.empty
    assert build.places(intake) == [(name, "s1", "booked")]
    assert intake.instance.patient["e2"]["requires_entry_id"] == name
    for table in ("unavailable", "overrides"):
        assert intake.instance.column(table, "entry_id").tolist() == [name]
    write_instance(intake.instance, tmp_path / "stored")
    again = read_instance(tmp_path / "stored").instance
    assert again.fingerprint == intake.instance.fingerprint
    for table in again.frames.values():
        assert NHS_NUMBER not in table.to_csv()


def test_numbers_of_sessions_are_not_taken_for_those_of_people(tmp_path: Path) -> None:
    rows = build.tables(sessions=({"session_id": NHS_NUMBER}, {}), commitments=[{"session_id": NHS_NUMBER}])
    assert build.places(build.read(tmp_path, rows)) == [("e1", NHS_NUMBER, "booked")]


def test_a_required_table_without_one_usable_row_stops_the_run(tmp_path: Path) -> None:
    folder = build.write(tmp_path, build.tables(({"clock_start": "soon"}, {"clock_start": "soon"})))
    with pytest.raises(InputError, match="patients: none of its 2 rows can be used: 2 x clock_start is not a date"):
        read_instance(folder)


def test_the_summary_counts_what_happened(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(({"bmi": "x"}, {"transfer_consent": "x"}, {"clock_start": "x"}, {})))
    text = "\n".join(summary_lines(intake))
    assert "patients: 4 rows read, 3 accepted, 1 refused." in text
    assert "1 entries are held" in text
    assert "1 values could not be read" in text
    assert "refused: 1 x patients.clock_start is not a date." in text


def test_the_summary_says_the_limit_that_values_are_beyond(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(({"bmi": "900"}, {"bmi": "901"}, {})))
    text = "\n".join(summary_lines(intake))
    assert "blanked: 2 x patients.bmi is above 120." in text


def test_faults_alike_but_for_a_number_are_counted_as_one(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(({"entry_id": "e" * 1500}, {"entry_id": "e" * 1600}, {})))
    text = "\n".join(summary_lines(intake))
    assert "refused: 2 x patients.entry_id has 1500 characters, or like it." in text


def test_without_a_table_of_beds_those_who_may_stay_are_counted(tmp_path: Path) -> None:
    stays: tuple[build.Row, ...] = ({"overnight_stays": "0"}, {"overnight_stays": "2"}, {"overnight_stays": ""})
    tables = build.tables(stays)
    tables.pop("beds", None)
    text = "\n".join(summary_lines(build.read(tmp_path, tables)))
    assert "no bed is spare for 2 entries that stay overnight or may" in text
