"""Three mornings in a row, through files and real code, with everybody's fate on each.

Service 110: s1 has two places. e1 and e2 are the first; e2 declines, so e3 gets the second place. e1's
             offer lapses before the third morning and is proposed again. e12 never gets one.
Service 120: e4 and e5 are in s2. e4 is booked; then the host withdraws s2. e4's booking stays and is a
             conflict; e5, who was only proposed, moves to s3.
Service 130: s4. The host refuses e6; e7 is offered, then booked.
Service 140: e8 is booked in s5 when the story begins, and treated after the second morning.
Service 150: s6 has one place, proposed to e9. On the second morning e10, urgent, joins the list and gets it.
Service 160: no list at all for e11.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from allocator.answer import Limits, Run
from allocator.carry import carry
from allocator.errors import ContradictionError
from allocator.intake import read_instance
from allocator.report.write import write_run
from allocator.run import allocate
from allocator.run_folder import stored_table
from allocator.verify import verify
from models import CATALOGUE
from models.daily import DAILY
from tests.build import INFO, NEAR, ORGANISATIONS, PATIENT, SESSION, SITES

Row = Mapping[str, Any]

PATIENTS: dict[str, Row] = {
    "e1": {"service_code": "110", "clock_start": "2024-06-03"},
    "e2": {"service_code": "110", "clock_start": "2024-07-01"},
    "e3": {"service_code": "110", "clock_start": "2025-09-01"},
    "e4": {"service_code": "120"},
    "e5": {"service_code": "120"},
    "e6": {"service_code": "130"},
    "e7": {"service_code": "130"},
    "e8": {"service_code": "140"},
    "e9": {"service_code": "150", "clock_start": "2025-06-02"},
    "e10": {"service_code": "150", "clinical_priority": "P2", "clock_start": "2026-01-26"},
    "e11": {"service_code": "160"},
    "e12": {"service_code": "110", "clock_start": "2025-12-01"},
}
SESSIONS: dict[str, Row] = {
    "s1": {"service_code": "110", "date": "2026-03-03"},
    "s2": {"service_code": "120", "date": "2026-03-03", "site_code": "RBB01"},
    "s3": {"service_code": "120", "date": "2026-03-17", "site_code": "RBB01"},
    "s4": {"service_code": "130", "date": "2026-03-04", "site_code": "NCC01"},
    "s5": {"service_code": "140", "date": "2026-02-03"},
    "s6": {"service_code": "150", "date": "2026-03-05", "minutes": 80},
}
HEADER = "entry_id,session_id,site_code,state,decided_by,reason_code,recorded_on,expires_on"
BOOKED_BEFORE = "e8,s5,,booked,home,,2026-01-12,"
AFTER_FIRST = (
    "e1,s1,,offered,hub,,2026-02-02,2026-02-03",
    "e2,s1,,declined,patient,too_far,2026-02-02,",
    "e4,s2,,offered,hub,,2026-02-02,2026-02-20",
    "e4,s2,,booked,patient,,2026-02-02,",
    "e6,s4,,host_refused,host,bmi,2026-02-02,",
    "e7,s4,,offered,hub,,2026-02-02,2026-02-20",
)
AFTER_SECOND = (
    "e7,s4,,booked,patient,,2026-02-03,",
    "e8,s5,,treated,host,,2026-02-03,",
    "e10,s6,,offered,hub,,2026-02-03,2026-02-20",
)


@dataclass(frozen=True)
class Morning:
    """One morning: the run, its folder, and the instance that it came from."""

    run: Run
    folder: Path
    instance: Path

    @property
    def fates(self) -> dict[str, str]:
        """entry_id -> "session state" for a place, else unplaced or treated."""
        plan = self.table("allocation.csv")
        unplaced = self.table("unplaced.csv")
        return {
            **{row["entry_id"]: f"{row['session_id']} {row['state']}" for row in plan},
            **{row["entry_id"]: "treated" if row["reason_code"] == "treated" else "unplaced" for row in unplaced},
        }

    def table(self, name: str) -> list[dict[str, str]]:
        return stored_table(self.folder, name, ()).to_dict(orient="records")

    @property
    def changes(self) -> dict[str, str]:
        """entry_id -> what became of its place since the morning before."""
        return {row["entry_id"]: row["change"] for row in self.table("changes.csv")}


def write_morning(folder: Path, plan_date: str, patients: Sequence[str], sessions: Sequence[str]) -> None:
    """The instance of one morning as a hub would send it, CSV; commitments are left as `carry` wrote them."""
    folder.mkdir(exist_ok=True)
    info = {**INFO, "plan_date": plan_date, "horizon_start": plan_date}
    (folder / "instance.json").write_text(json.dumps(info))
    tables: dict[str, list[Row]] = {
        "organisations": list(ORGANISATIONS),
        "sites": list(SITES),
        "travel": list(NEAR),
        "patients": [
            {**PATIENT, "entry_id": name, "patient_id": f"person-{name}", **PATIENTS[name]} for name in patients
        ],
        "sessions": [{**SESSION, "session_id": name, **SESSIONS[name]} for name in sessions],
    }
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)


def play(instance: Path, folder: Path, previous: Path | None = None) -> Morning:
    """Read, allocate, write: what `allocator run` does."""
    intake = read_instance(instance)
    run = allocate(intake.instance, DAILY, Limits(seconds=60))
    write_run(run, intake, folder, previous)
    return Morning(run, folder, instance)


def decide(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def mornings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Morning, Morning, Morning]:
    """All three, one after the other; each test looks at one side of the story."""
    home = tmp_path_factory.mktemp("three-mornings")
    days = [home / name for name in ("monday", "tuesday", "wednesday")]
    runs = [home / f"{day.name}-run" for day in days]
    at_first = [name for name in PATIENTS if name != "e10"]

    write_morning(days[0], "2026-02-02", at_first, list(SESSIONS))
    decide(days[0] / "commitments.csv", [BOOKED_BEFORE])
    first = play(days[0], runs[0])

    carry(runs[0], decide(home / "after-first.csv", AFTER_FIRST), days[1])
    write_morning(days[1], "2026-02-03", list(PATIENTS), list(SESSIONS))
    second = play(days[1], runs[1], previous=runs[0])

    carry(runs[1], decide(home / "after-second.csv", AFTER_SECOND), days[2])
    write_morning(days[2], "2026-02-04", list(PATIENTS), [name for name in SESSIONS if name != "s2"])
    third = play(days[2], runs[2], previous=runs[1])
    return first, second, third


def test_fates_of_the_first_morning(mornings: tuple[Morning, Morning, Morning]) -> None:
    assert mornings[0].fates == {
        "e1": "s1 proposed",
        "e2": "s1 proposed",
        "e3": "unplaced",
        "e4": "s2 proposed",
        "e5": "s2 proposed",
        "e6": "s4 proposed",
        "e7": "s4 proposed",
        "e8": "s5 booked",
        "e9": "s6 proposed",
        "e11": "unplaced",
        "e12": "unplaced",
    }


def test_fates_of_the_second_morning(mornings: tuple[Morning, Morning, Morning]) -> None:
    assert mornings[1].fates == {
        "e1": "s1 offered",
        "e2": "unplaced",
        "e3": "s1 proposed",
        "e4": "s2 booked",
        "e5": "s2 proposed",
        "e6": "unplaced",
        "e7": "s4 offered",
        "e8": "s5 booked",
        "e9": "unplaced",
        "e10": "s6 proposed",
        "e11": "unplaced",
        "e12": "unplaced",
    }


def test_fates_of_the_third_morning(mornings: tuple[Morning, Morning, Morning]) -> None:
    assert mornings[2].fates == {
        "e1": "s1 proposed",
        "e2": "unplaced",
        "e3": "s1 proposed",
        "e4": "s2 booked",
        "e5": "s3 proposed",
        "e6": "unplaced",
        "e7": "s4 booked",
        "e8": "treated",
        "e9": "unplaced",
        "e10": "s6 offered",
        "e11": "unplaced",
        "e12": "unplaced",
    }


def test_changes_say_what_became_of_every_place(mornings: tuple[Morning, Morning, Morning]) -> None:
    assert mornings[1].changes == {
        "e1": "kept",
        "e2": "lost",
        "e3": "new",
        "e4": "kept",
        "e5": "kept",
        "e6": "lost",
        "e7": "kept",
        "e8": "kept",
        "e9": "lost",
        "e10": "new",
    }
    assert mornings[2].changes == {
        "e1": "kept",
        "e3": "kept",
        "e4": "kept",
        "e5": "moved",
        "e7": "kept",
        "e8": "lost",
        "e10": "kept",
    }


def test_withdrawn_list_leaves_its_booking_as_the_only_conflict(mornings: tuple[Morning, Morning, Morning]) -> None:
    assert [morning.table("conflicts.csv") for morning in mornings[:2]] == [[], []]
    conflicts = mornings[2].table("conflicts.csv")
    assert [(row["entry_id"], row["session_id"]) for row in conflicts] == [("e4", "s2")]
    with pytest.raises(ContradictionError, match="e4 in s2"):
        allocate(read_instance(mornings[2].instance).instance, DAILY, Limits(seconds=60, strict=True))


def test_declines_and_refusals_stay_for_good(mornings: tuple[Morning, Morning, Morning]) -> None:
    for morning in mornings[1:]:
        barred = morning.run.facts.standing.barred
        entry_row = morning.run.facts.instance.entry_row
        assert barred == {(entry_row["e2"], "s1", ""): "declined", (entry_row["e6"], "s4", ""): "host_refused"}


def test_dropped_proposal_is_not_counted_as_one_again(mornings: tuple[Morning, Morning, Morning]) -> None:
    standing, entry_row = mornings[2].run.facts.standing, mornings[2].run.facts.instance.entry_row
    assert {entry_row["e9"], entry_row["e2"]}.isdisjoint(standing.proposed)
    assert standing.proposed[entry_row["e5"]] == "s2"
    assert standing.proposed[entry_row["e3"]] == "s1"


def test_everybody_is_accounted_for_and_every_run_verifies(mornings: tuple[Morning, Morning, Morning]) -> None:
    for morning in mornings:
        assert set(morning.fates) == set(morning.run.facts.instance.entry_row)
        assert len(morning.table("quarantine.csv")) == 0
        assert morning.run.audit.violations == ()
        assert verify(morning.folder, morning.instance, CATALOGUE).findings == ()


def test_history_is_kept(mornings: tuple[Morning, Morning, Morning]) -> None:
    with (mornings[2].instance / "commitments.csv").open(newline="") as file:
        rows = [(row["entry_id"], row["session_id"], row["state"]) for row in csv.DictReader(file)]
    assert [state for entry, _, state in rows if entry == "e4"] == ["proposed", "offered", "booked"]
    assert [state for entry, _, state in rows if entry == "e9"] == ["proposed", "cancelled"]
    assert [state for entry, _, state in rows if entry == "e8"] == ["booked", "treated"]


def test_nothing_that_was_settled_is_lost_while_its_entry_is_missing_for_a_day(tmp_path: Path) -> None:
    """e1 is booked in s1 and e4 declined s2; on Tuesday both are missing from the lists."""
    days = [tmp_path / name for name in ("monday", "tuesday", "wednesday")]
    runs = [tmp_path / f"{day.name}-run" for day in days]
    everybody, sessions = ["e1", "e3", "e4"], ["s1", "s2"]
    write_morning(days[0], "2026-02-02", everybody, sessions)
    decide(days[0] / "commitments.csv", ["e1,s1,,booked,home,,2026-01-12,", "e4,s2,,declined,patient,,2026-01-12,"])
    assert play(days[0], runs[0]).fates == {"e1": "s1 booked", "e3": "s1 proposed", "e4": "unplaced"}

    carry(runs[0], None, days[1])
    write_morning(days[1], "2026-02-03", ["e3"], sessions)
    tuesday = play(days[1], runs[1], previous=runs[0])
    assert tuesday.fates == {"e3": "unplaced"}, "e1's minutes are not known, so that s1 takes nobody new"
    lines = [(row["table"], row["value"], row["effect"]) for row in tuesday.table("quarantine.csv")]
    assert lines == [("commitments", "e1", "entry_held"), ("commitments", "e4", "entry_held")]
    assert verify(runs[1], days[1], CATALOGUE).findings == ()

    carry(runs[1], None, days[2])
    write_morning(days[2], "2026-02-04", everybody, sessions)
    wednesday = play(days[2], runs[2], previous=runs[1])
    assert wednesday.fates == {"e1": "s1 booked", "e3": "s1 proposed", "e4": "unplaced"}
    assert len(wednesday.table("quarantine.csv")) == 0
