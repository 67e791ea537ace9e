"""allocator explain, and what a run says of pins and of contradictions, through the command line."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from allocator.answer import Limits
from allocator.instance import Instance
from allocator.intake import write_instance
from allocator.report import write_run
from allocator.run import allocate
from api import cli
from instances import path as shipped
from models.daily import DAILY
from tests.build import Row, make_facts
from tests.rules.test_overrides import override

TINY = shipped("tiny-bookings")
QUICK = ("--work", "50", "--threads", "1")
Command = Callable[..., tuple[int, str, str]]
KINDS = {"agreement", "travel", "date", "acceptance", "flow", "bed", "list"}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`allocator` with these arguments, in this process: (exit code, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["allocator", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


PATIENTS: list[Row] = [
    {"clock_start": "2024-01-01"},
    {"clock_start": "2025-06-01"},
    {"clock_start": "2025-12-01", "max_travel_minutes": 25},
    {"transfer_consent": "no", "home_provider": "RBB"},
    {},
]
"""e1 and e2 compete for s1; e3 could go to s2 if it travelled further; e4 says no; e5 was treated."""
SESSIONS: list[Row] = [{"minutes": 75}, {"site_code": "RBB01", "minutes": 90, "date": "2026-02-12"}]


def instance_of(*overrides: Row) -> Instance:
    treated = {"entry_id": "e5", "session_id": "s1", "state": "treated", "recorded_on": "2026-01-20T08:00:00"}
    return make_facts(PATIENTS, SESSIONS, commitments=[treated], overrides=list(overrides)).instance


def made(folder: Path, *overrides: Row) -> Path:
    """A run folder of the instance with these pins."""
    write_run(allocate(instance_of(*overrides), DAILY, Limits(work=50)), None, folder)
    return folder


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("why") / "run")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_entry_of_a_run_is_explained_and_nobody_else(command: Command, run_folder: Path) -> None:
    run = run_folder
    placed, unplaced = rows_of(run / "allocation.csv"), rows_of(run / "unplaced.csv")
    assert placed
    assert unplaced
    for row in [*placed[:2], *unplaced]:
        code, out, _ = command("explain", run, row["entry_id"], "--json")
        found = json.loads(out)
        assert (code, found["entry_id"]) == (0, row["entry_id"])
        if row in placed:
            assert found["placed"]["session_id"] == row["session_id"]
        elif row["reason_code"] != "treated":
            assert found["outcome"] == "no place"
            assert found["funnel"]["sessions"] >= found["funnel"]["left"]
            assert {item["change"]["kind"] for item in found["nearest"]} <= KINDS
        text = command("explain", run, row["entry_id"])[1]
        assert text.startswith(f"{row['entry_id']}: ")
    code, _, err = command("explain", run, "nobody")
    assert code == 2
    assert 'The run has no entry "nobody".' in err
    assert command("explain", run)[0] == 2
    code, _, err = command("explain", run / "exports", row["entry_id"])
    assert (code, "Maybe" in err, err.splitlines()[:1], err.count("\n")) == (3, True, ["Reading the run"], 2)
    assert command("verify", run)[0] == 0, "nearest changes do not stand in the way of verify"


def test_layers_of_everybody_are_one_table(command: Command, run_folder: Path, tmp_path: Path) -> None:
    run, out = run_folder, tmp_path / "layers.csv"
    code, said, _ = command("explain", run, "--everybody", out, "--json")
    waiting = {row["entry_id"] for row in rows_of(run / "unplaced.csv") if row["reason_code"] != "treated"}
    assert (code, json.loads(said)["entries"]) == (0, len(waiting))
    assert {row["entry_id"] for row in rows_of(out)} == waiting
    assert all(row["funnel"] for row in rows_of(out))
    assert command("explain", run, "--everybody", out)[0] == 2, "nothing is written over"


def test_nearest_change_of_the_table_is_verified_where_the_instance_is_small(run_folder: Path) -> None:
    told = {row["entry_id"]: row["nearest_change"] for row in rows_of(run_folder / "unplaced.csv")}
    assert "Verified: " in told["e3"]
    assert told["e5"] == "", "who was treated wants no place"
    assert all(text for entry_id, text in told.items() if entry_id != "e5")


def test_pin_stands_in_the_report_with_its_price(run_folder: Path, tmp_path: Path) -> None:
    run = made(tmp_path / "run", override("must", entry_id="e2", session_id="s1"))
    summary: dict[str, Any] = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    (pin,) = summary["overrides"]
    assert pin["words"] == "e2 must go to session s1 (Ann: surgeon asked)"
    assert pin["price"].startswith("It costs 1 person at a reporting date of “Longest waits given a place: over ")
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Pins and vetoes" in page
    assert pin["words"] in page
    assert "Pins and vetoes" not in (run_folder / "report.html").read_text(encoding="utf-8")


def test_pin_that_a_rule_forbids_ends_with_4_and_the_rule(command: Command, tmp_path: Path) -> None:
    write_instance(instance_of(override("must", entry_id="e3", session_id="s2")), tmp_path / "instance")
    code, out, err = command("run", tmp_path / "instance", "--out", tmp_path / "run", *QUICK)
    assert (code, out) == (4, "")
    assert "These contradict each other:\n  e3 must go to session s2 (Ann: surgeon asked)\n  rule dates: " in err
    assert "the smallest such set, checked again" in err
    assert not (tmp_path / "run").exists()


def test_bookings_that_do_not_fit_end_with_4_and_the_smallest_set_where_asked(command: Command, tmp_path: Path) -> None:
    code, out, err = command("run", TINY, "--out", tmp_path / "strict", *QUICK, "--strict")
    assert (code, out) == (4, "")
    assert "These contradict each other:\n  the booking of " in err
