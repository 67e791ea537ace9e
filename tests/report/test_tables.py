"""The tables of a run folder: the columns of the contract, and values worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocator.report.changes import CHANGE_COLUMNS, Today, why
from allocator.report.people import wait_band
from allocator.report.safe import read_csv
from allocator.report.sessions import options_of, sessions_table
from allocator.report.tables import act_by, allocation_table, next_step
from allocator.report.write import write_run
from tests.build import Row
from tests.report.sample import sample_facts, sample_intake, sample_run, usual_run

CONTRACT = {
    "allocation.csv": (
        "entry_id, patient_id, home_provider, session_id, site_code, provider_code, date, start_time, team, care_kind, "
        "service_code, procedure_code, laterality, clinical_priority, due_date, days_late, waited_weeks, "
        "travel_minutes, travel_estimated, state, next_step, act_by, reasonable_offer, is_new"
    ),
    "unplaced.csv": "entry_id, patient_id, home_provider, reason_code, reason, nearest_change",
    "quarantine.csv": "table, row, column, value, problem, hint, effect",
    "trace.csv": "seconds, goal, value, bound, gap",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run, written."""
    run = usual_run()
    folder = tmp_path_factory.mktemp("runs") / "today"
    write_run(run, sample_intake(run.facts.instance), folder)
    return folder


@pytest.fixture(scope="module")
def allocation(folder: Path) -> pd.DataFrame:
    """allocation.csv, by entry_id."""
    return read_csv(folder / "allocation.csv").set_index("entry_id")


@pytest.mark.parametrize("name", CONTRACT)
def test_columns_are_those_of_the_contract_in_their_order(folder: Path, name: str) -> None:
    assert list(read_csv(folder / name).columns) == CONTRACT[name].split(", ")


def test_bookings_and_lost_bookings_are_listed_and_held_and_treated_entries_are_not(allocation: pd.DataFrame) -> None:
    assert list(allocation.index) == ["e1", "e2", "e3", "e5", "e6"]
    assert allocation.loc["e6", ["session_id", "site_code", "date", "days_late"]].tolist() == ["gone", "", "", ""]


def test_a_place_is_described_by_the_tables(allocation: pd.DataFrame) -> None:
    row = allocation.loc["e1"]
    assert row["site_code"] == "RBB01"
    assert row["provider_code"] == "RBB"
    assert row["date"] == "2026-03-03"
    assert row["procedure_code"] == "W40"
    assert row["laterality"] == "left"
    assert row["waited_weeks"] == "61"  # 2024-12-01 to 2026-02-02 is 428 days
    assert (row["travel_minutes"], row["travel_estimated"]) == ("30", "false")


def test_an_urgent_entry_is_late_by_the_days_after_28_from_prioritisation(allocation: pd.DataFrame) -> None:
    assert allocation.loc["e3", ["due_date", "days_late"]].tolist() == ["2026-02-23", "8"]


def test_what_was_proposed_before_in_the_same_session_is_not_new(allocation: pd.DataFrame) -> None:
    assert allocation["is_new"].to_dict() == {"e1": "false", "e2": "true", "e3": "true", "e5": "false", "e6": "false"}


def test_next_steps_follow_home_state_and_consent(allocation: pd.DataFrame) -> None:
    steps = allocation["next_step"].to_dict()
    assert steps == {"e1": "host_review", "e2": "ask_patient", "e3": "host_review", "e5": "book", "e6": "host_review"}
    assert next_step("proposed", True, "no") == "book"
    assert next_step("proposed", False, "") == "ask_patient"
    assert next_step("offered", False, "not_asked") == "book"


@pytest.mark.parametrize(
    ("date", "book_by", "last"),
    [
        ("2026-03-10", "NaT", "2026-02-17"),
        ("2026-03-10", "2026-02-06", "2026-02-06"),
        ("2026-03-10", "2026-03-01", "2026-02-17"),
        ("2026-02-10", "NaT", "2026-02-02"),
    ],
)
def test_the_last_day_to_act_is_the_first_of_book_by_and_three_weeks_and_never_past(
    date: str, book_by: str, last: str
) -> None:
    assert act_by(np.datetime64("2026-02-02"), np.datetime64(date), np.datetime64(book_by)) == np.datetime64(last)


def test_an_offer_of_exactly_three_weeks_is_reasonable_and_a_day_less_is_not() -> None:
    for date, reasonable in (("2026-02-23", True), ("2026-02-22", False)):
        facts = sample_facts(patients=[{}], sessions=[{"date": date}], commitments=())
        assert allocation_table(sample_run(facts, {"e1": "s1"}, {}))["reasonable_offer"].tolist() == [reasonable]


def test_a_stray_nhs_number_is_masked_wherever_the_patient_is_shown(folder: Path) -> None:
    shown = read_csv(folder / "unplaced.csv").set_index("entry_id").loc["e4", "patient_id"]
    assert "masked" in shown
    for path in folder.rglob("*"):
        if path.suffix in {".csv", ".json", ".html"}:
            assert "9434765919" not in path.read_text(), path.name


def test_every_session_says_how_far_it_is_used_and_why_it_is_not_full(folder: Path) -> None:
    sessions = read_csv(folder / "sessions.csv").set_index("session_id")
    assert sessions.loc["s2", ["minutes", "minutes_used", "cases_used", "entry_ids"]].tolist() == [
        "300",
        "210",  # three cases of 60 and two turnarounds of 15; the held entry keeps its room
        "3",
        "e1;e3;e9",
    ]
    assert sessions.loc["s4", "why_not_full"] == "nobody on the lists fits"
    assert sessions.loc["s3", "why_not_full"] == "everybody who fits has a place elsewhere"


@pytest.mark.parametrize(
    ("session", "patients", "plan", "said"),
    [
        ({"minutes": 60}, [{}], {"e1": "s1"}, "full: no minutes are left"),
        ({"max_cases": 1}, [{}, {}], {"e1": "s1"}, "full: as many cases as its host allows"),
        (
            {"minutes": 140},
            [{}, {}, {"expected_minutes": 40}],
            {"e1": "s1"},
            "2 people fit and have no place: for 1 a place would make a goal worse; "
            "for 1 not enough minutes are left in the session",
        ),
        ({}, [{}], {"e1": "s1"}, "everybody who fits has a place"),
        ({"min_cases": 3}, [{}, {}], {}, "too few cases to open"),
        (
            {"min_cases": 2},
            [{}, {}],
            {},
            "2 people fit and have no place: for 2 too few people fit the session for it to be opened",
        ),
        ({"closed": True}, [{}], {}, "closed: its data are damaged, see quarantine.csv"),
    ],
)
def test_why_a_session_is_not_full(
    session: dict[str, object], patients: list[dict[str, object]], plan: dict[str, str], said: str
) -> None:
    run = sample_run(sample_facts(patients=patients, sessions=[session], commitments=()), plan, {})
    assert sessions_table(run, options_of(run))["why_not_full"].tolist() == [said]


def test_a_session_whose_bookings_do_not_fit_is_closed() -> None:
    booked = [{"entry_id": "e1", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-01"}]
    facts = sample_facts(patients=[{"expected_minutes": 90}, {}], sessions=[{"minutes": 60}], commitments=booked)
    run = sample_run(facts, {}, {"e2": "session_in_conflict"})
    assert sessions_table(run, options_of(run))["why_not_full"].tolist() == ["closed: a booking does not fit"]


def test_changes_are_new_lost_moved_or_kept_and_say_why(tmp_path: Path) -> None:
    before = sample_run(plan={"e1": "s1", "e3": "s2", "e7": "s2"})
    write_run(before, None, tmp_path / "before")
    declined = {"entry_id": "e1", "session_id": "s1", "state": "declined", "recorded_on": "2026-02-01"}
    today = sample_run(sample_facts(commitments=[declined]), plan={"e1": "s2", "e2": "s1", "e3": "s2"})
    write_run(today, None, tmp_path / "today", tmp_path / "before")
    changes = read_csv(tmp_path / "today" / "changes.csv").set_index("entry_id")
    assert list(changes.reset_index().columns) == list(CHANGE_COLUMNS)
    assert changes["change"].to_dict() == {
        "e1": "moved",
        "e2": "new",
        "e3": "kept",
        "e5": "lost",
        "e6": "lost",
        "e7": "lost",
    }
    assert changes.loc["e1", ["from_session", "from_date", "to_session", "to_date", "why"]].tolist() == [
        "s1",
        "2026-03-10",
        "s2",
        "2026-03-03",
        "The patient declined the session.",
    ]
    assert changes.loc["e6", "why"] == "The session is no longer there."
    assert changes.loc["e7", "why"] == "Because of lists_full."


@pytest.mark.parametrize(
    ("today", "said"),
    [
        ({"state": "cancelled"}, "The place was cancelled."),
        ({"state": "offered", "expires_on": "2026-02-01"}, "The offer lapsed: it was not taken up in time."),
    ],
)
def test_changes_say_that_a_place_was_cancelled_or_its_offer_lapsed(
    today: dict[str, str], said: str, tmp_path: Path
) -> None:
    write_run(sample_run(sample_facts(commitments=()), plan={"e1": "s1"}), None, tmp_path / "before")
    row = {"entry_id": "e1", "session_id": "s1", "recorded_on": "2026-01-30", **today}
    write_run(sample_run(sample_facts(commitments=[row])), None, tmp_path / "today", tmp_path / "before")
    changes = read_csv(tmp_path / "today" / "changes.csv").set_index("entry_id")
    assert changes.loc["e1", ["change", "why"]].tolist() == ["moved", said]


def test_a_cancelled_place_that_is_proposed_again_is_kept_and_says_so(tmp_path: Path) -> None:
    write_run(sample_run(sample_facts(commitments=()), plan={"e1": "s1"}), None, tmp_path / "before")
    row = {"entry_id": "e1", "session_id": "s1", "recorded_on": "2026-01-30", "state": "cancelled"}
    today = sample_run(sample_facts(commitments=[row]), plan={"e1": "s1"})
    write_run(today, None, tmp_path / "today", tmp_path / "before")
    changes = read_csv(tmp_path / "today" / "changes.csv").set_index("entry_id")
    assert changes.loc["e1", ["change", "why"]].tolist() == [
        "kept",
        "The place was cancelled. The plan proposes it again; to rule it out, record declined or host_refused.",
    ]


@pytest.mark.parametrize("change", ["moved", "lost"])
@pytest.mark.parametrize(
    ("cells", "overrides", "said"),
    [
        (
            {"min_notice_days": 40},
            (),
            "The place is possible no longer: s1 is on 2026-03-10, too soon for 40 days' notice",
        ),
        (
            {"transfer_consent": "no"},
            (),
            "The place is possible no longer: placed away from home at RBB; consent to a transfer: no",
        ),
        (
            {},
            [{"action": "never", "session_id": "s1", "entry_id": "e1", "who": "Ann", "reason": "asked"}],
            "A person asked for it: e1 must never go to session s1 (Ann: asked).",
        ),
        ({}, (), "By itself the old place is still possible; the plan as a whole is better with this one."),
    ],
)
def test_changes_say_why_the_old_place_is_gone(cells: Row, overrides: Sequence[Row], said: str, change: str) -> None:
    patients = [{"expected_minutes": 60, **cells}, {"expected_minutes": 60}]
    sessions = [{"site_code": "RBB01", "date": "2026-03-10"}, {"date": "2026-03-24"}]
    dated = [{"recorded_on": "2026-02-01", **row} for row in overrides]
    facts = sample_facts(patients=patients, sessions=sessions, commitments=(), overrides=dated)
    run = sample_run(facts, {"e1": "s2"} if change == "moved" else {}, {"e1": "full", "e2": "full"})
    wanted = "Because of full." if change == "lost" and said.startswith("By itself") else said
    assert why(Today.of(run), "e1", change, "s1").startswith(wanted)


@pytest.mark.parametrize(
    ("kind", "days", "band"),
    [
        ("theatre", 364, "over 40 to 52 weeks"),
        ("theatre", 365, "over 52 to 58 weeks"),
        ("theatre", 729, "over 104 weeks"),
        ("diagnostic", 42, "up to 6 weeks"),
        ("diagnostic", 43, "over 6 to 13 weeks"),
        ("theatre", float("nan"), "wait not begun"),
    ],
)
def test_over_n_weeks_means_more_than_seven_n_days(kind: str, days: float, band: str) -> None:
    assert wait_band(kind, days) == band


def test_audit_and_run_records_say_what_was_checked_and_with_what(folder: Path) -> None:
    audit = json.loads((folder / "audit.json").read_text())
    assert audit["passed"] is True
    assert "max_travel" in audit["checked"]
    record = json.loads((folder / "run.json").read_text())
    assert record["limits"]["work"] == 100
    assert set(record["versions"]) >= {"allocator", "python", "numpy", "highspy", "ortools", "pulp"}
    assert record["seconds"] == {"options": 0.1, "solve": 1.5}
    assert record["status"] == "done"
