"""A run folder verifies on its own, and whatever was changed in it is found, resigned or not."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocator.answer import GoalResult, Limits
from allocator.ending import Ending
from allocator.formulation import formulate
from allocator.intake import write_instance
from allocator.options import build_options
from allocator.report.write import file_hashes, json_text, write_run
from allocator.run import allocate
from allocator.verify import verify
from allocator.verify_goals import wrong_endings
from models import CATALOGUE
from models.daily import DAILY
from tests.build import make_facts

PATIENTS = (
    {"clock_start": "2024-06-03"},
    {"clock_start": "2024-07-01", "clinical_priority": "P2"},
    {"clock_start": "2025-09-01"},
    {"service_code": "120"},
    {"service_code": "120"},
    {"held": True},
    {"service_code": "130"},
    {"service_code": "999"},
)
SESSIONS = ({}, {"site_code": "RBB01"}, {"service_code": "120", "min_cases": 2}, {"service_code": "130", "minutes": 30})
COMMITMENTS = (
    {"entry_id": "e3", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-12"},
    {"entry_id": "e5", "session_id": "gone", "state": "booked", "recorded_on": "2026-01-12"},
    {"entry_id": "e6", "session_id": "s2", "state": "booked", "recorded_on": "2026-01-12"},
    {"entry_id": "e7", "session_id": "s4", "state": "treated", "recorded_on": "2026-01-12"},
)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a booking, a booking whose session is gone, somebody held, treated, unplaced."""
    folder = tmp_path_factory.mktemp("verify") / "run"
    instance = make_facts(PATIENTS, SESSIONS, commitments=COMMITMENTS).instance
    write_run(allocate(instance, DAILY, Limits(seconds=60)), None, folder)
    return folder


@pytest.fixture
def run_folder(honest: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be tampered with."""
    return Path(shutil.copytree(honest, tmp_path / "run"))


def findings(folder: Path) -> str:
    found = verify(folder, None, CATALOGUE)
    assert found.ok == (not found.findings)
    return "\n".join(found.findings)


def resign(folder: Path) -> None:
    """Make the hashes of run.json fit the files again, as somebody would who knows of them."""
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").unlink()
    (folder / "run.json").write_text(json_text({**record, "files": file_hashes(folder)}))


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


def edit_json(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads((folder / name).read_text())
    change(value)
    (folder / name).write_text(json_text(value))


def edit_csv(folder: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    change(table).to_csv(folder / name, index=False)


def edit_table(folder: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = folder / "instance" / f"{name}.parquet"
    change(pd.read_parquet(path)).to_parquet(path)


def edit_prices(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    with np.load(folder / "certificate.npz") as stored:
        arrays = {name: stored[name].copy() for name in stored.files}
    change(arrays)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    (folder / "certificate.npz").write_bytes(buffer.getvalue())


def test_honest_run_verifies(honest: Path) -> None:
    found = verify(honest, None, CATALOGUE)
    assert found.findings == ()
    assert found.ok
    assert "certified bounds, and where each gap is, from the prices" in found.checked


def test_honest_run_has_something_to_verify(honest: Path) -> None:
    summary = json.loads((honest / "summary.json").read_text())
    assert sum(goal["certified_bound"] is not None for goal in summary["goals"]) >= 3
    plan = pd.read_csv(honest / "allocation.csv", dtype=str)
    assert dict(plan["state"].value_counts()) == {"proposed": 2, "booked": 2}


def move_to_s2(table: pd.DataFrame) -> pd.DataFrame:
    here = (table["state"] == "proposed").idxmax()
    table.loc[here, "session_id"] = "s2" if table.loc[here, "session_id"] == "s1" else "s1"
    return table


TAMPERINGS: dict[str, tuple[Callable[[Path], None], str]] = {
    "session_of_a_place": (lambda folder: edit_csv(folder, "allocation.csv", move_to_s2), "the tables say"),
    "place_deleted": (lambda folder: edit_csv(folder, "allocation.csv", lambda table: table.iloc[1:]), "nowhere"),
    "booking_deleted": (
        lambda folder: edit_csv(folder, "allocation.csv", lambda table: table[table["entry_id"] != "e3"]),
        "fixed_kept",
    ),
    "lost_booking_deleted": (
        lambda folder: edit_csv(folder, "allocation.csv", lambda table: table[table["entry_id"] != "e5"]),
        "e5",
    ),
    "place_written_twice": (
        lambda folder: edit_csv(folder, "allocation.csv", lambda table: pd.concat([table.iloc[:1], table])),
        "nobody_twice",
    ),
    "unknown_entry": (
        lambda folder: edit_csv(folder, "allocation.csv", lambda table: table.replace("e1", "e99")),
        "the entry e99 is not in the tables",
    ),
    "reason": (lambda folder: edit(folder, "unplaced.csv", "same_service", "max_travel"), "untruly"),
    "unplaced_deleted": (
        lambda folder: edit_csv(folder, "unplaced.csv", lambda table: table[table["entry_id"] != "e8"]),
        "e8 is nowhere",
    ),
    "unplaced_twice": (
        lambda folder: edit_csv(folder, "unplaced.csv", lambda table: pd.concat([table, table.iloc[:1]])),
        "stands there twice",
    ),
    "conflict_deleted": (
        lambda folder: edit_csv(folder, "conflicts.csv", lambda table: table.iloc[:0]),
        "not reported",
    ),
    "goal_value": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value["goals"][-1].update(value=1)),
        "reported 1; the tables say",
    ),
    "goal_deleted": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value["goals"].pop()),
        "goal_order",
    ),
    "all_goals_deleted": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value["goals"].clear()),
        "reports no goal values",
    ),
    "certified_bound": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value["goals"][0].update(certified_bound=None)),
        "the prices prove",
    ),
    "gap": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value["goals"][0].update(certified_gap=0.5)),
        "certified_gap of",
    ),
    "placed_and_unplaced": (
        lambda folder: edit_json(
            folder,
            "summary.json",
            lambda value: value["accounts"].update(
                placed=value["accounts"]["placed"] + 1, unplaced=value["accounts"]["unplaced"] - 1
            ),
        ),
        "summary.json: accounts.placed is 5; made again: 4",
    ),
    "figure_of_the_report": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value["headline"]["plan"].update(people=999)),
        "summary.json: headline.plan.people is 999",
    ),
    "audit_in_summary": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value["audit"].update(violations=7)),
        "summary.json: audit.violations is 7; made again: 0",
    ),
    "person_of_a_place": (
        lambda folder: edit_csv(folder, "allocation.csv", lambda table: table.assign(patient_id="somebody else")),
        "allocation.csv: patient_id of e1 is not what the tables and the plan give",
    ),
    "next_step": (
        lambda folder: edit_csv(folder, "allocation.csv", lambda table: table.assign(next_step="book")),
        "allocation.csv: next_step of",
    ),
    "patient_without_place": (
        lambda folder: edit_csv(folder, "unplaced.csv", lambda table: table.assign(patient_id="somebody else")),
        "unplaced.csv: patient_id of",
    ),
    "sessions_emptied": (
        lambda folder: edit_csv(folder, "sessions.csv", lambda table: table.iloc[:0]),
        "sessions.csv has 0 rows; made again: 4",
    ),
    "minutes_left": (
        lambda folder: edit_csv(folder, "sessions.csv", lambda table: table.assign(minutes_left="999")),
        "sessions.csv: minutes_left of s1",
    ),
    "solver_bound_beaten": (
        lambda folder: edit_json(
            folder,
            "summary.json",
            lambda value: value["goals"][0].update(solver_bound=value["goals"][0]["value"] + 1, solver_gap=None),
        ),
        "urgent_delay is better than what a solver is said to have shown",
    ),
    "ending_of_a_goal": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value["goals"][0].update(ending="time_limit")),
        "urgent_delay is said to have ended as time_limit",
    ),
    "ending_in_summary": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value.update(ending="time_limit")),
        "the run is said to have ended as time_limit; its goals as optimal",
    ),
    "ending_in_record": (
        lambda folder: edit_json(folder, "run.json", lambda value: value.update(ending="time_limit")),
        "run.json: the run is said to have ended as time_limit; summary.json says optimal",
    ),
    "gap_split": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value["goals"][0]["gap_split"].update(scale=1)),
        "is not split as prices and plan split it",
    ),
    "baseline": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value["goals"][0].update(baseline=10**6)),
        "made again",
    ),
    "accounts": (
        lambda folder: edit_json(folder, "summary.json", lambda value: value["accounts"].update(unplaced=0)),
        "are accounted for",
    ),
    "audit_score": (
        lambda folder: edit_json(folder, "audit.json", lambda value: value["scores"].update(travel=1)),
        "audit.json: scores",
    ),
    "audit_shortened": (
        lambda folder: edit_json(folder, "audit.json", lambda value: value["checked"].pop()),
        "audit.json: checked",
    ),
    "price": (
        lambda folder: edit_prices(folder, lambda arrays: arrays["prices"].__iadd__(2**40)),
        "the prices prove",
    ),
    "prices_too_large": (
        lambda folder: edit_prices(folder, lambda arrays: arrays["prices"].fill(2**61)),
        "cannot be worked out",
    ),
    "price_withdrawn": (
        lambda folder: edit_prices(folder, lambda arrays: arrays["proven"].fill(False)),
        "the prices prove None",
    ),
    "held_value": (
        lambda folder: edit_prices(folder, lambda arrays: arrays["held"].__isub__(10**6)),
        "rests on",
    ),
    "certificate_cut": (
        lambda folder: (folder / "certificate.npz").write_bytes(b"PK"),
        "certificate.npz cannot be read",
    ),
    "table": (
        lambda folder: edit_table(folder, "patients", lambda table: table.assign(expected_minutes=61)),
        "The instance is not the one of the run",
    ),
    "table_deleted": (
        lambda folder: (folder / "instance" / "sessions.parquet").unlink(),
        "sessions.parquet is not there",
    ),
    "table_byte": (
        lambda folder: (folder / "instance" / "patients.parquet").write_bytes(b"PAR1"),
        "cannot be read as Parquet",
    ),
    "plan_date": (
        lambda folder: edit(folder, "instance/instance.json", "2026-02-02", "2026-02-01"),
        "The instance is not the one of the run",
    ),
    "policy": (
        lambda folder: edit(folder, "policy.toml", "car_minutes = 60", "car_minutes = 90"),
        "The policy is not the one of the run",
    ),
    "policy_unknown": (lambda folder: edit(folder, "policy.toml", "max_travel", "max_travle"), 'Maybe "max_travel"'),
    "status": (
        lambda folder: edit_json(folder, "run.json", lambda value: value.update(status="failed")),
        "marked failed",
    ),
    "report_deleted": (lambda folder: (folder / "report.html").unlink(), "report.html is missing"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_by_what_it_says_not_only_by_its_hash(run_folder: Path, name: str) -> None:
    tamper, told = TAMPERINGS[name]
    tamper(run_folder)
    resign(run_folder)
    assert told in findings(run_folder)


@pytest.mark.parametrize(
    "name",
    ["allocation.csv", "summary.json", "report.html", "trace.csv", "certificate.npz", "instance/patients.parquet"],
)
def test_one_byte_is_found(run_folder: Path, name: str) -> None:
    raw = bytearray((run_folder / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (run_folder / name).write_bytes(raw)
    assert f"{name} was changed after the run." in findings(run_folder)


def test_single_price_is_found_where_it_moves_the_bound(run_folder: Path) -> None:
    goals = [goal["label"] for goal in json.loads((run_folder / "summary.json").read_text())["goals"]]

    def forget_the_dearest(arrays: dict[str, Any]) -> None:
        prices = arrays["prices"][goals.index("travel")]
        prices[np.argmax(np.abs(prices))] = 0

    edit_prices(run_folder, forget_the_dearest)
    resign(run_folder)
    assert "The certified bound of travel" in findings(run_folder)


def test_record_of_another_shape_is_a_finding(run_folder: Path) -> None:
    (run_folder / "run.json").write_text('{"files": 1, "status": "done"}')
    assert "cannot be read as it was written" in findings(run_folder)


def test_folder_that_is_no_run_is_a_finding(tmp_path: Path) -> None:
    assert "Maybe" in findings(tmp_path)


def test_instance_it_was_made_from_is_known_again(honest: Path, tmp_path: Path) -> None:
    same = make_facts(PATIENTS[:5], SESSIONS, commitments=COMMITMENTS[:1]).instance
    write_instance(same, tmp_path / "instance")
    folder = tmp_path / "run"
    write_run(allocate(same, DAILY, Limits(seconds=60)), None, folder)
    found = verify(folder, tmp_path / "instance", CATALOGUE)
    assert (found.findings, found.checked[-1]) == ((), "the instance it was made from")
    other = verify(honest, tmp_path / "instance", CATALOGUE)
    assert "is not the instance of this run" in "\n".join(other.findings)


def test_no_solver_is_imported(honest: Path) -> None:
    program = (
        "import sys\n"
        "for name in ('highspy', 'ortools', 'pulp'): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from allocator.verify import verify\n"
        "from models import CATALOGUE\n"
        "found = verify(Path(sys.argv[1]), None, CATALOGUE)\n"
        "assert found.ok, found.findings\n"
        "loaded = [name for name, module in sys.modules.items() if module and name.split('.')[0] in\n"
        "          ('highspy', 'ortools', 'pulp', 'pyscipopt')]\n"
        "assert not loaded, loaded\n"
        "print('verified')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(honest)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "verified"), done.stderr


def test_a_certificate_that_is_packed_as_nobody_packs_it_is_a_finding(run_folder: Path) -> None:
    path = run_folder / "certificate.npz"
    packed = bytearray(path.read_bytes())
    central = packed.index(b"PK\x01\x02")
    packed[6] |= 1
    packed[central + 8] |= 1
    path.write_bytes(packed)
    assert "certificate.npz cannot be read" in findings(run_folder)


@pytest.mark.parametrize(
    ("solver_bound", "tolerance", "wrong"),
    [(1000, 0.0, False), (995, 0.0, True), (None, 0.0, True), (995, 0.01, False), (980, 0.01, True)],
)
def test_optimal_needs_a_bound_that_the_value_meets_or_stands_within_its_tolerance(
    solver_bound: int | None, tolerance: float, wrong: bool
) -> None:
    """The prices prove 900 of a goal at 1,000: only a solver can have shown more."""
    facts = make_facts(({}, {}), ({},))
    model = formulate(build_options(facts, DAILY.screens, frozenset()), DAILY)
    first = replace(model.goals[0], tolerance=tolerance, base=0)
    model = replace(model, goals=(first,))
    goal = GoalResult(
        first.label, first.label, "min", first.unit, tolerance, 1000, 0, solver_bound, 900, Ending.OPTIMAL, 0.0
    )
    found = list(wrong_endings("optimal", "optimal", [goal], model))
    assert bool(found) == wrong
    assert all("is said to be optimal; the plan has 1000, no plan beats 900" in line for line in found)
