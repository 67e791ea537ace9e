from __future__ import annotations

from pathlib import Path

import pytest

from allocator.intake import read_instance, write_instance
from allocator.intake.entries import on_circles
from allocator.intake.nhs_number import pseudonymous
from allocator.standing import FIXING, standing
from tests.intake import build

BED = {"site_code": "RBB01", "bed_kind": "ward", "spare_beds": "2"}
NIGHTS = [{**BED, "night": f"2026-03-{day}"} for day in ("09", "10", "11", "12")]


@pytest.mark.parametrize(
    ("column", "text"), [("state", "bookd"), ("recorded_on", "soon"), ("site_code", "RAA01"), ("state", "")]
)
def test_a_damaged_booking_holds_its_entry_and_keeps_its_room(tmp_path: Path, column: str, text: str) -> None:
    intake = build.read(tmp_path, build.tables(commitments=[{column: text}]))
    assert build.held(intake) == {"e1"}
    assert build.places(intake) == [("e1", "s1", "reserved")]
    assert build.effects(intake, "commitments", column) == ["entry_held"]
    assert intake.rows_accepted["commitments"] == 1


def test_a_booking_without_a_date_outranks_what_came_before(tmp_path: Path) -> None:
    rows = build.tables(
        commitments=[{"recorded_on": "31/31/2026"}, {"state": "cancelled", "recorded_on": "2026-02-01T10:00:00"}]
    )
    assert build.places(build.read(tmp_path, rows)) == [("e1", "s1", "reserved")]


@pytest.mark.parametrize(
    "row",
    [
        {"state": "cancelled", "recorded_on": "never"},
        {"state": "treated", "recorded_on": "never"},
        {"state": "declined", "session_id": "", "site_code": ""},
        {"state": "declined", "session_id": "", "site_code": "RXX01"},
        {"state": "proposed", "session_id": ""},
        {"state": "???", "session_id": "s9"},
    ],
)
def test_a_damaged_row_that_is_no_booking_is_refused_and_holds_its_entry(tmp_path: Path, row: build.Row) -> None:
    later = {"recorded_on": "2026-01-31", **row}
    intake = build.read(tmp_path, build.tables(commitments=[{}, later]))
    assert build.held(intake) == {"e1"}
    assert build.places(intake) == [("e1", "s1", "reserved")], "the booking before it stays"
    assert intake.rows_accepted["commitments"] == 1
    assert build.effects(intake, "patients", "entry_id") == ["entry_held"]
    assert "row 3 of commitments is damaged" in build.faults(intake, "patients")["problem"].item()


def test_a_session_number_that_was_lost_keeps_the_entry_from_being_planned(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(commitments=[{"session_id": "9.4E+09"}]))
    assert build.held(intake) == {"e1"}
    assert build.places(intake) == [("e1", "", "reserved")]


def test_a_sound_booking_in_a_session_that_is_not_there_is_accepted_and_frees_nobody(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(commitments=[{"session_id": "gone", "site_code": ""}]))
    assert intake.quarantine.empty
    found = standing(intake.instance)
    assert [(place.session, place.session_id) for place in found.fixed] == [(-1, "gone")]
    assert found.waiting.tolist() == [False, True, True, True]


def test_expiry_that_cannot_be_read_never_expires(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(commitments=[{"state": "offered", "expires_on": "yesterday"}]))
    assert build.effects(intake, "commitments", "expires_on") == ["value_blanked"]
    assert build.places(intake) == [("e1", "s1", "offered")]


@pytest.mark.parametrize("state", ["declined", "host_refused", "offered", "booked"])
def test_what_is_settled_for_nobody_on_a_list_is_kept_and_reported(tmp_path: Path, state: str) -> None:
    intake = build.read(tmp_path, build.tables(commitments=[{"entry_id": "e99", "state": state}]))
    fault = build.faults(intake, "commitments", "entry_id").iloc[0]
    assert (fault["value"], fault["problem"], fault["effect"]) == ("e99", "names no entry", "entry_held")
    assert intake.instance.commitments["entry_id"].tolist() == ["e99"]
    assert (build.places(intake), build.held(intake)) == ([], set())
    assert build.closed(intake) == ({"s1"} if state in FIXING else set())


@pytest.mark.parametrize(
    "row", [{"state": "proposed"}, {"state": "cancelled"}, {"state": "treated"}, {"session_id": "gone"}]
)
def test_what_no_longer_matters_of_nobody_on_a_list_is_kept_and_counted(tmp_path: Path, row: build.Row) -> None:
    intake = build.read(tmp_path, build.tables(commitments=[{"entry_id": "e99", "site_code": "", **row}]))
    assert intake.quarantine.empty
    assert [notice for notice in intake.notices if "kept for the day" in notice] == [
        "commitments: rows of entries on no list today, kept for the day when they are back: 1."
    ]
    assert len(intake.instance.commitments) == 1


def test_damaged_rows_of_nobody_are_kept_only_where_they_may_be_bookings(tmp_path: Path) -> None:
    rows = [{"entry_id": "e97", "state": "bookd"}, {"entry_id": "e98", "state": "declined", "recorded_on": "?"}]
    intake = build.read(tmp_path, build.tables(commitments=[*rows, {"entry_id": "", "state": "declined"}]))
    kept = intake.instance.commitments
    assert list(zip(kept["entry_id"], kept["state"], strict=True)) == [("e97", "booked")]
    refused = build.faults(intake, "commitments", "entry_id")
    assert "e98" in refused["value"][refused["effect"] == "row_refused"].tolist()


def test_the_room_of_a_booking_of_nobody_is_taken_off_once(tmp_path: Path) -> None:
    rows = build.tables(commitments=[{"entry_id": "e99"}], beds=NIGHTS)
    first = build.read(tmp_path / "first", rows).instance
    write_instance(first, tmp_path / "again")
    again = read_instance(tmp_path / "again").instance
    assert first.commitments["room_taken"].tolist() == [True]
    assert again.column("beds", "spare_beds").tolist() == first.column("beds", "spare_beds").tolist()
    assert again.fingerprint == first.fingerprint


@pytest.mark.parametrize(
    ("row", "is_closed"),
    [
        ({}, True),
        ({"state": "offered", "expires_on": "2026-02-02"}, True),
        ({"state": "offered", "expires_on": "2026-02-01"}, False),
        ({"state": "bookd"}, True),
        ({"state": "proposed"}, False),
        ({"session_id": "s9"}, False),
    ],
)
def test_the_session_of_a_lost_booking_takes_nobody_new(tmp_path: Path, row: build.Row, is_closed: bool) -> None:
    intake = build.read(tmp_path, build.tables(commitments=[{"entry_id": "e99", **row}]))
    assert build.closed(intake) == ({"s1"} if is_closed else set())


@pytest.mark.parametrize("later", ["cancelled", "treated"])
def test_a_lost_booking_that_ended_closes_nothing(tmp_path: Path, later: str) -> None:
    rows = [{"entry_id": "e99"}, {"entry_id": "e99", "state": later, "recorded_on": "2026-02-01"}]
    assert build.closed(build.read(tmp_path, build.tables(commitments=rows))) == set()


def test_the_booking_of_a_refused_entry_keeps_its_room_beds_and_moves(tmp_path: Path) -> None:
    patients = ({"overnight_stays": "2", "clock_start": "2025-02-30"}, {"patient_id": "p1"}, {})
    intake = build.read(tmp_path, build.tables(patients, commitments=[{}], beds=NIGHTS))
    assert build.closed(intake) == {"s1"}
    assert intake.instance.column("beds", "spare_beds").tolist() == [2, 1, 1, 2]
    caps = intake.instance.organisations.set_index("provider_code")
    assert caps["max_outgoing"].dropna().to_dict() == {"RAA": 4, "RBB": 5}
    assert caps["max_incoming"].to_dict() == {"RAA": 5, "RBB": 4, "NCC": 5}
    assert build.held(intake) == {"e2"}, "the same person may be in hospital on that day"
    assert "its row 2 of patients was refused" in build.faults(intake, "commitments", "entry_id")["hint"].item()


def test_where_the_stay_is_not_known_every_bed_from_that_night_on_counts(tmp_path: Path) -> None:
    beds = [*NIGHTS, {**NIGHTS[3], "bed_kind": "hdu"}, {**NIGHTS[3], "site_code": "RAA01"}]
    intake = build.read(tmp_path, build.tables(commitments=[{"entry_id": "e99"}], beds=beds))
    spare = intake.instance.table("beds").set_index(["site_code", "night", "bed_kind"])["spare_beds"].astype(int)
    assert spare.tolist() == [2, 2, 1, 1, 1, 1]


def test_the_booking_in_a_refused_session_keeps_its_beds_and_its_entry(tmp_path: Path) -> None:
    rows = build.tables(sessions=({"minutes": "-5"}, {}), commitments=[{}], beds=NIGHTS)
    intake = build.read(tmp_path, rows)
    assert build.places(intake) == [("e1", "s1", "booked")]
    assert not standing(intake.instance).waiting[0]
    assert intake.instance.column("beds", "spare_beds").tolist() == [2, 1, 2, 2]
    assert build.held(intake) == set()


def test_a_shortened_number_holds_everybody_it_may_mean(tmp_path: Path) -> None:
    patients = tuple({"entry_id": number} for number in ("9434771234", "9434771999", "8000000000"))
    intake = build.read(tmp_path, build.tables(patients, commitments=[{"entry_id": "9.43477E+09"}]))
    assert build.held(intake) == {pseudonymous("9434771234"), "9434771999"}, "the first reads as an NHS number"
    assert build.closed(intake) == {"s1"}
    assert intake.instance.commitments["entry_id"].tolist() == ["9.43477E+09"]


@pytest.mark.parametrize("change", [{"from": "soon"}, {"to": "2026-02-30"}, {"from": "2026-03-05"}])
def test_a_damaged_time_away_holds_its_entry(tmp_path: Path, change: build.Row) -> None:
    row = {"entry_id": "e1", "from": "2026-03-01", "to": "2026-03-02", **change}
    intake = build.read(tmp_path, build.tables(unavailable=[row]))
    assert build.held(intake) == {"e1"}
    assert intake.rows_accepted["unavailable"] == 0


def test_one_day_away_is_sound(tmp_path: Path) -> None:
    row = {"entry_id": "e1", "from": "2026-03-01", "to": "01/03/2026"}
    assert build.held(build.read(tmp_path, build.tables(unavailable=[row]))) == set()


@pytest.mark.parametrize(
    "change",
    [{"action": "nevr"}, {"who": ""}, {"recorded_on": "x"}, {"session_id": "", "site_code": "RXX"}],
)
def test_a_damaged_veto_holds_its_entry(tmp_path: Path, change: build.Row) -> None:
    intake = build.read(tmp_path, build.tables(overrides=[change]))
    assert build.held(intake) == {"e1"}
    assert intake.rows_accepted["overrides"] == 0


def test_a_pin_of_a_held_entry_is_refused_so_that_the_run_goes_on(tmp_path: Path) -> None:
    rows = build.tables(({"needs": "#REF!"}, {}), overrides=[{"action": "must"}, {"action": "must", "entry_id": "e2"}])
    intake = build.read(tmp_path, rows)
    assert intake.instance.table("overrides")["entry_id"].tolist() == ["e2"]


def test_a_row_that_holds_for_its_id_has_its_wrong_site_blanked_too(tmp_path: Path) -> None:
    """What is accepted is read the same way again, though the refused row that made the id doubtful is gone then."""
    twice = ({}, {"entry_id": "e2"}, {"entry_id": "e2", "care_kind": "2026-02-30"})
    booked = {"entry_id": "e2", "session_id": "s2", "site_code": "RXX"}
    intake = build.read(tmp_path / "first", build.tables(twice, commitments=[booked]))
    assert build.held(intake) == {"e2"}
    assert intake.instance.table("commitments")["site_code"].tolist() == [""]
    write_instance(intake.instance, tmp_path / "again")
    assert read_instance(tmp_path / "again").instance.fingerprint == intake.instance.fingerprint


def test_a_site_that_was_refused_is_no_known_site(tmp_path: Path) -> None:
    """Who declined it, or is ruled out there, is held: the site may be another under this code tomorrow."""
    rows = build.tables(
        sessions=({}, {"site_code": "RAA01"}),
        commitments=[{"session_id": "", "state": "declined"}],
        overrides=[{"entry_id": "e2", "session_id": "", "site_code": "RBB01"}],
    )
    for row in rows["organisations"]:
        row["provider_code"] = row["provider_code"].replace("RBB", "NULL")
    intake = build.read(tmp_path / "first", rows)
    assert build.held(intake) == {"e1", "e2"}
    write_instance(intake.instance, tmp_path / "again")
    assert read_instance(tmp_path / "again").instance.fingerprint == intake.instance.fingerprint


def test_a_pin_that_a_later_veto_takes_back_is_told_and_left_out(tmp_path: Path) -> None:
    later = {"recorded_on": "2026-01-31"}
    overrides: list[build.Row] = [
        {"action": "must"},
        later,
        {"action": "must", "session_id": "s2"},
        {"action": "must", "entry_id": "e2"},
        {"entry_id": "e2"},
        {"action": "must", "entry_id": "e3"},
        {"entry_id": "e3", **later},
        {"action": "must", "entry_id": "e3", "recorded_on": "2026-02-01"},
    ]
    intake = build.read(tmp_path, build.tables(overrides=overrides))
    kept = intake.instance.table("overrides")[["entry_id", "session_id", "action"]].to_numpy().tolist()
    assert sorted(kept) == [
        ["e1", "s1", "never"],
        ["e1", "s2", "must"],
        ["e2", "s1", "must"],
        ["e2", "s1", "never"],
        ["e3", "s1", "must"],
        ["e3", "s1", "must"],
    ], "of one moment both stay, and stop the run"
    told = intake.quarantine[["row", "column", "value", "problem", "hint", "effect"]].to_numpy().tolist()
    said = "is taken back by a later row for the same place"
    assert told == [
        [2, "action", "must", said, "row 3 says never", "row_refused"],
        [8, "action", "never", said, "row 9 says must", "row_refused"],
    ]
    assert build.held(intake) == set()


def test_a_pin_whose_site_is_not_that_of_its_session_holds_its_entry(tmp_path: Path) -> None:
    intake = build.read(
        tmp_path, build.tables(overrides=[{"site_code": "RAA01"}, {"entry_id": "e2", "site_code": "RBB01"}])
    )
    assert build.held(intake) == {"e1"}
    told = intake.quarantine[intake.quarantine["table"] == "overrides"]
    assert told[["column", "problem", "hint"]].to_numpy().tolist() == [
        ["site_code", "is not the site of the session", "the session is at RBB01"]
    ]


@pytest.mark.parametrize(
    ("requires", "who"),
    [
        ({"e1": "e99"}, {"e1"}),
        ({"e1": "e1"}, {"e1"}),
        ({"e1": "e2", "e2": "e3", "e3": "e1", "e4": "e1"}, {"e1", "e2", "e3"}),
        ({"e1": "e2", "e2": "e3"}, set()),
        ({"e1": "1E+09"}, {"e1"}),
    ],
)
def test_broken_requirements_hold_their_entries(tmp_path: Path, requires: dict[str, str], who: set[str]) -> None:
    patients = tuple({"requires_entry_id": requires.get(f"e{number}", "")} for number in range(1, 5))
    assert build.held(build.read(tmp_path, build.tables(patients))) == who


def test_a_requirement_that_was_refused_holds_and_says_so(tmp_path: Path) -> None:
    intake = build.read(tmp_path, build.tables(({"requires_entry_id": "e2"}, {"expected_minutes": "x"})))
    fault = build.faults(intake, "patients", "requires_entry_id").iloc[0]
    assert (fault["value"], fault["problem"]) == ("e2", "names an entry whose row 3 was refused")
    assert build.held(intake) == {"e1"}


def test_a_requirement_that_was_done_may_be_gone_and_may_stand_in_a_circle(tmp_path: Path) -> None:
    done = {"required_done_on": "2026-01-20"}
    patients = ({"requires_entry_id": "gone", **done}, {"requires_entry_id": "e3", **done}, {"requires_entry_id": "e2"})
    intake = build.read(tmp_path, build.tables(patients))
    assert intake.quarantine.empty


def test_circles_are_found_in_long_chains() -> None:
    step = {number: number + 1 for number in range(50_000)} | {50_000: 49_998}
    assert on_circles(step) == [49_998, 49_999, 50_000]
