"""Yesterday's run and what people decided become tomorrow's commitments: all of it, or nothing."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from allocator import schema
from allocator.allocation import fixed_placements
from allocator.carry import CarryResult, carry
from allocator.decisions import Commitment, checked_decisions
from allocator.errors import AuditFailedError, InputError, UsageError
from allocator.intake import read_instance, write_instance
from allocator.intake.nhs_number import pseudonymous
from allocator.options import Facts
from allocator.report.safe import write_csv
from tests.build import make_facts

PATIENTS = ({},) * 5
SESSIONS = ({}, {}, {"site_code": "RBB01"})
YESTERDAY = (
    {"entry_id": "e2", "session_id": "s1", "state": "offered", "recorded_on": "2026-01-30", "expires_on": "2026-02-04"},
    {"entry_id": "e3", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-29"},
    {"entry_id": "e4", "session_id": "s2", "state": "offered", "recorded_on": "2026-01-20", "expires_on": "2026-02-01"},
    {"entry_id": "e5", "session_id": "s3", "state": "proposed", "recorded_on": "2026-02-01"},
)
HEADER = "entry_id,session_id,site_code,state,decided_by,reason_code,recorded_on,expires_on"


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Yesterday: e1 proposed in s1; e2 offered, e3 booked, e4's offer lapsed, e5's proposal not repeated."""
    return write_yesterday(
        tmp_path / "yesterday", [("e1", "s1", "RAA01", "proposed"), ("e2", "s1", "RAA01", "offered")]
    )


def write_yesterday(
    folder: Path,
    plan: Sequence[tuple[str, str, str, str]],
    commitments: Sequence[Mapping[str, object]] = YESTERDAY,
    passed: bool = True,
) -> Path:
    """As much of a run folder as `carry` reads."""
    instance = make_facts(PATIENTS, SESSIONS, commitments=commitments).instance
    (folder / "instance").mkdir(parents=True)
    for table in schema.TABLES:
        instance.table(table.name).to_parquet(folder / "instance" / f"{table.name}.parquet")
    (folder / "instance" / "instance.json").write_text(instance.info.model_dump_json())
    lines = ["entry_id,session_id,site_code,state", *(",".join(row) for row in plan)]
    (folder / "allocation.csv").write_text("\n".join(lines) + "\n")
    (folder / "audit.json").write_text(json.dumps({"passed": passed}))
    (folder / "quarantine.csv").write_text("table,row,column,value,problem,hint,effect\n")
    return folder


def decide(folder: Path, *rows: str) -> Path:
    path = folder / "decisions.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def rows_of(result: CarryResult) -> list[dict[str, str]]:
    with result.path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tomorrow(result: CarryResult) -> Facts:
    return make_facts(PATIENTS, SESSIONS, info={"plan_date": "2026-02-03"}, commitments=rows_of(result))


def problems(run_folder: Path, into: Path, *rows: str) -> str:
    with pytest.raises(InputError) as caught:
        carry(run_folder, decide(run_folder, *rows), into)
    assert not (into / "commitments.csv").exists()
    return str(caught.value)


def test_without_decisions_everything_settled_and_proposed_is_carried(run_folder: Path, tmp_path: Path) -> None:
    result = carry(run_folder, None, tmp_path / "tomorrow")
    assert (result.kept, result.carried, result.dropped, result.proposed, result.decided) == (0, 4, 1, 1, 0)
    told = [(row["entry_id"], row["session_id"], row["state"], row["recorded_on"]) for row in rows_of(result)]
    assert told == [
        ("e2", "s1", "offered", "2026-01-30T00:00:00"),
        ("e3", "s1", "booked", "2026-01-29T00:00:00"),
        ("e4", "s2", "offered", "2026-01-20T00:00:00"),
        ("e5", "s3", "proposed", "2026-02-01T00:00:00"),
        ("e5", "s3", "cancelled", "2026-02-02T00:00:00"),
        ("e1", "s1", "proposed", "2026-02-02T00:00:00"),
    ]
    facts = tomorrow(result)
    assert {(place.entry_id, place.state) for place in fixed_placements(facts)} == {("e2", "offered"), ("e3", "booked")}
    assert dict(facts.standing.proposed) == {0: "s1"}


def test_every_kind_of_decision_means_what_it_says_tomorrow(run_folder: Path, tmp_path: Path) -> None:
    decisions = decide(
        run_folder,
        "e1,s1,,offered,hub,,2026-02-02T15:00,2026-02-20",
        "e2,s1,,declined,patient,too_soon,02/02/2026,",
        "e3,s1,,treated,host,,2026-02-02,",
        "e4,s2,RAA01,host_refused,host,bmi,2026-02-02,",
        "e5,,RBB01,declined,patient,,2026-02-02,",
    )
    facts = tomorrow(carry(run_folder, decisions, tmp_path / "tomorrow"))
    assert {(place.entry_id, place.session_id, place.state) for place in fixed_placements(facts)} == {
        ("e1", "s1", "offered")
    }
    assert dict(facts.standing.barred) == {
        (1, "s1", ""): "declined",
        (3, "s2", ""): "host_refused",
        (4, "", "RBB01"): "declined",
    }
    assert facts.standing.treated.tolist() == [False, False, True, False, False]


def test_several_steps_of_one_day_are_taken_in_their_order(run_folder: Path, tmp_path: Path) -> None:
    decisions = decide(run_folder, "e1,s1,,offered,hub,,2026-02-02,2026-02-20", "e1,s1,,booked,patient,,2026-02-02,")
    facts = tomorrow(carry(run_folder, decisions, tmp_path / "tomorrow"))
    assert ("e1", "booked") in {(place.entry_id, place.state) for place in fixed_placements(facts)}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("e9,s1,,offered,hub,,2026-02-02,", 'no entry "e9" in yesterday\'s run.'),
        ("e1,s1,,ofered,hub,,2026-02-02,", 'given state "ofered"'),
        ("e1,s1,,proposed,hub,,2026-02-02,", 'given state "proposed"'),
        ("e1,s1,,offered,nurse,,2026-02-02,", 'given decided_by "nurse"'),
        ("e1,s1,,offered,hub,,soon,", 'given recorded_on "soon", wanted a date'),
        ("e1,s1,,offered,hub,,2026-02-30,", 'given recorded_on "2026-02-30"'),
        ("e1,s1,,offered,hub,,2226-02-03,", "recorded_on 2226-02-03 is in the future"),
        ("e1,s1,,offered,hub,,2026-02-03,2026-02-02", "expires_on 2026-02-02 is before recorded_on"),
        ("e1,s1,,booked,hub,,2026-02-03,2026-02-05", "only an offer expires"),
        ("e1,,,offered,hub,,2026-02-02,", "neither session_id nor site_code"),
        ("e1,s1,RBB01,offered,hub,,2026-02-02,", "s1 is at site RAA01, not at RBB01"),
        ("e1,,XXX,declined,patient,,2026-02-02,", 'no site "XXX"'),
        ("e1,,RAA01,offered,hub,,2026-02-02,", "give the session_id"),
        ("e1,s2,,offered,hub,,2026-02-02,", "e1 in s2 was never proposed, offered or booked"),
        ("e1,s1,,treated,host,,2026-02-02,", "is proposed since 2026-02-02 00:00:00; it cannot be treated"),
        ("e3,s1,,offered,hub,,2026-02-02,", "is booked since"),
        ("e4,s2,,booked,patient,,2026-02-02,", "e4 in s2 is lapsed"),
        ("e5,s3,,booked,patient,,2026-02-03,", "e5 in s3 is cancelled"),
        ("e1,s1,,offered,hub,,2026-02-01,", "is before 2026-02-02 00:00:00, when it was proposed"),
        ("e2,,RAA01,declined,patient,,2026-02-02,", "s1 there is still offered. Decide on s1 too."),
    ],
)
def test_bad_decision_is_refused_with_its_line(run_folder: Path, tmp_path: Path, row: str, told: str) -> None:
    message = problems(run_folder, tmp_path / "tomorrow", row)
    assert told in message


def test_what_stands_with_a_date_in_the_future_can_be_decided_on() -> None:
    """The next step must not be before it, and may not be refused for being as late."""
    instance = make_facts(PATIENTS, SESSIONS).instance
    booked = Commitment("e1", "s1", "", "booked", "hub", "", dt.datetime(2226, 2, 3))
    cells = {"entry_id": "e1", "session_id": "s1", "state": "treated", "recorded_on": "2226-02-03T00:00:01"}
    (decided,) = checked_decisions([("line 2", cells)], instance, [booked])
    assert decided.state == "treated"


def test_all_bad_rows_are_listed_and_nothing_is_written(run_folder: Path, tmp_path: Path) -> None:
    message = problems(
        run_folder,
        tmp_path / "tomorrow",
        "e1,s1,,offered,hub,,2026-02-02,2026-02-20",
        "e9,s1,,offered,hub,,2026-02-02,",
        "e3,s1,,offered,hub,,2026-02-02,",
    )
    assert [line.split(":")[0] for line in message.splitlines()] == ["decisions.csv line 3", "decisions.csv line 4"]


def test_offer_on_its_last_day_can_still_be_booked(tmp_path: Path) -> None:
    offer = {"entry_id": "e4", "session_id": "s2", "state": "offered", "recorded_on": "2026-01-20"}
    folder = write_yesterday(tmp_path / "run", [], [{**offer, "expires_on": "2026-02-02"}])
    decisions = decide(folder, "e4,s2,,booked,patient,,2026-02-02,")
    assert carry(folder, decisions, tmp_path / "tomorrow").decided == 1


def test_refused_site_with_its_place_decided_too_is_accepted(run_folder: Path, tmp_path: Path) -> None:
    decisions = decide(run_folder, "e2,,RAA01,declined,patient,,2026-02-02,", "e2,s1,,declined,patient,,2026-02-02,")
    assert carry(run_folder, decisions, tmp_path / "tomorrow").decided == 2


def test_missing_columns_are_named(run_folder: Path, tmp_path: Path) -> None:
    path = run_folder / "decisions.csv"
    path.write_text("entry_id,session_id,stat\ne1,s1,offered\n")
    with pytest.raises(InputError, match=r'(?s)no column "state"\. Maybe "stat"\..*no column "recorded_on"'):
        carry(run_folder, path, tmp_path / "tomorrow")


def test_decisions_saved_by_a_spreadsheet_are_read(run_folder: Path, tmp_path: Path) -> None:
    path = run_folder / "decisions.csv"
    text = "entry_id ,session_id,state,recorded_on,reason_code\r\n e1 ,s1,offered,02/02/2026,café\r\n,,,,\r\n"
    for encoding in ("utf-8-sig", "cp1252"):
        path.write_bytes(text.encode(encoding))
        rows = rows_of(carry(run_folder, path, tmp_path / encoding))
        assert (rows[-1]["entry_id"], rows[-1]["reason_code"]) == ("e1", "café")


def test_rows_that_stand_there_are_kept_and_none_is_repeated(run_folder: Path, tmp_path: Path) -> None:
    into = tmp_path / "tomorrow"
    into.mkdir()
    own = "e5,s2,,booked,home,,2026-02-02,,by telephone"
    again = "e3,s1,RAA01,booked,,,29/01/2026,,"
    (into / "commitments.csv").write_text("\n".join([HEADER + ",note", own, again]) + "\n")
    first = carry(run_folder, decide(run_folder, "e1,s1,,offered,hub,,2026-02-02,"), into)
    rows = rows_of(first)
    assert (first.kept, first.carried) == (2, 3)
    assert [row["note"] for row in rows if row["entry_id"] == "e5" and row["state"] == "booked"] == ["by telephone"]
    assert sum(row["entry_id"] == "e3" for row in rows) == 1
    assert [row["state"] for row in rows][-1] == "offered"


def test_carrying_twice_changes_nothing(run_folder: Path, tmp_path: Path) -> None:
    decisions = decide(run_folder, "e1,s1,,offered,hub,,2026-02-02,", "e3,s1,,treated,host,,2026-02-02,")
    before = carry(run_folder, decisions, tmp_path / "tomorrow").path.read_bytes()
    again = carry(run_folder, decisions, tmp_path / "tomorrow")
    assert again.path.read_bytes() == before
    assert (again.carried, again.dropped, again.proposed, again.decided) == (0, 0, 0, 0)


def test_second_file_of_decisions_builds_on_the_first(run_folder: Path, tmp_path: Path) -> None:
    carry(run_folder, decide(run_folder, "e3,s1,,cancelled,host,,2026-02-02T09:00,"), tmp_path / "tomorrow")
    with pytest.raises(InputError, match="e3 in s1 is cancelled since 2026-02-02 09:00:00"):
        carry(run_folder, decide(run_folder, "e3,s1,,treated,host,,2026-02-02T10:00,"), tmp_path / "tomorrow")


def test_proposal_of_a_place_that_was_cancelled_that_morning_still_counts(tmp_path: Path) -> None:
    cancelled = {"entry_id": "e1", "session_id": "s1", "state": "cancelled", "recorded_on": "2026-02-02T08:00"}
    folder = write_yesterday(tmp_path / "run", [("e1", "s1", "RAA01", "proposed")], [cancelled])
    facts = tomorrow(carry(folder, None, tmp_path / "tomorrow"))
    assert dict(facts.standing.proposed) == {0: "s1"}


def test_entry_with_a_damaged_row_stays_held_until_a_person_mends_it(tmp_path: Path) -> None:
    """e1's and e2's commitments are damaged, e6's own row is refused, e9 is on no list."""
    monday, run, tuesday = tmp_path / "monday", tmp_path / "run", tmp_path / "tuesday"
    write_instance(make_facts([*PATIENTS, {}], SESSIONS).instance, monday)
    (monday / "commitments.parquet").unlink()
    (monday / "patients.parquet").unlink()
    make_facts([*PATIENTS, {"expected_minutes": -5}], SESSIONS).instance.patients.to_csv(
        monday / "patients.csv", index=False
    )
    rows = ("e1,s1,,declined,patient,,2026-13-01,", "e2,s1,,bookd,home,,2026-01-12,")
    rows += ("e6,s1,,booked,home,,2026-01-12,", "e9,s1,,booked,home,,2026-01-12,")
    (monday / "commitments.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    intake = read_instance(monday)
    assert "e6" not in intake.instance.entry_row
    write_yesterday(run, [])
    write_instance(intake.instance, run / "instance")
    write_csv(intake.quarantine, run / "quarantine.csv")

    assert carry(run, None, tuesday).unreadable == 2
    write_instance(make_facts([*PATIENTS, {}], SESSIONS).instance, tuesday)
    (tuesday / "commitments.parquet").unlink()
    instance = read_instance(tuesday).instance
    assert set(instance.patients["entry_id"][instance.patients["held"]]) == {"e1", "e2"}
    fixed = [(place.entry, place.state) for place in Facts(instance).standing.fixed]
    assert fixed == [(1, "reserved"), (5, "booked")], "e6's row is mended, and its booking is still there"
    assert "e9" in instance.commitments["entry_id"].tolist()


def test_what_is_settled_of_somebody_on_no_list_can_be_ended_by_a_decision(tmp_path: Path) -> None:
    gone = {"entry_id": "e99", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-29"}
    folder = write_yesterday(tmp_path / "yesterday", [], [gone])
    result = carry(folder, decide(folder, "e99,s1,,cancelled,hub,,2026-02-02,"), tmp_path / "tomorrow")
    assert [(row["entry_id"], row["state"]) for row in rows_of(result)] == [("e99", "booked"), ("e99", "cancelled")]


def test_plan_that_failed_its_audit_is_not_carried(tmp_path: Path) -> None:
    folder = write_yesterday(tmp_path / "run", [], passed=False)
    with pytest.raises(AuditFailedError, match="failed its audit"):
        carry(folder, None, tmp_path / "tomorrow")
    assert not (tmp_path / "tomorrow").exists()


@pytest.mark.parametrize("name", ["commitments.parquet", "commitments.csv.gz"])
def test_commitments_in_another_format_are_not_written_beside(run_folder: Path, tmp_path: Path, name: str) -> None:
    into = tmp_path / "tomorrow"
    into.mkdir()
    (into / name).touch()
    with pytest.raises(UsageError, match=r"carry writes commitments\.csv"):
        carry(run_folder, None, into)


def test_workbook_is_no_folder(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tomorrow.xlsx").touch()
    with pytest.raises(UsageError, match="wanted a folder"):
        carry(run_folder, None, tmp_path / "tomorrow.xlsx")


def test_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run folder"):
        carry(tmp_path, None, tmp_path / "tomorrow")


def test_decision_that_names_an_nhs_number_means_the_entry_that_intake_renamed(tmp_path: Path) -> None:
    name = pseudonymous("9434765919")
    settled = {"entry_id": name, "session_id": "s1", "state": "booked", "recorded_on": "2026-01-29"}
    folder = write_yesterday(tmp_path / "yesterday", [], [settled])
    result = carry(folder, decide(folder, "9434765919,s1,,cancelled,home,,2026-02-02,"), tmp_path / "tomorrow")
    assert [(row["entry_id"], row["state"]) for row in rows_of(result)] == [(name, "booked"), (name, "cancelled")]
