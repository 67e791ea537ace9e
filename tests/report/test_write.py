"""A run folder appears whole or not at all, stands alone, and is the same byte for byte."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from allocator.errors import UsageError
from allocator.instance import Instance
from allocator.policy import read_policy
from allocator.report import write_run
from allocator.report.write import certificate_bytes
from allocator.run_folder import CONTENTS, stored_instance
from models import CATALOGUE
from tests.report.sample import sample_facts, sample_intake, sample_run, usual_run


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_file_of_the_contract_is_there_and_hashed(tmp_path: Path) -> None:
    write_run(usual_run(), None, tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(CONTENTS)
    found = hashes(tmp_path / "run")
    del found["run.json"]
    assert json.loads((tmp_path / "run/run.json").read_text())["files"] == found


def test_the_folder_stands_alone(tmp_path: Path) -> None:
    run = usual_run()
    write_run(run, None, tmp_path / "run")
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert stored_instance(tmp_path / "run").fingerprint == record["fingerprints"]["instance"]
    toml = (tmp_path / "run/policy.toml").read_bytes()
    assert hashlib.sha256(toml).hexdigest() == record["fingerprints"]["policy"]
    assert read_policy(CATALOGUE, toml.decode()).goals == run.policy.goals


def test_the_certificate_comes_back_as_it_was(tmp_path: Path) -> None:
    run = usual_run()
    write_run(run, None, tmp_path / "run")
    with np.load(tmp_path / "run/certificate.npz", allow_pickle=False) as stored:
        assert int(stored["scale"]) == run.certificate.scale
        for name in ("prices", "held", "proven", "by_session"):
            assert np.array_equal(stored[name], getattr(run.certificate, name))
    assert certificate_bytes(run.certificate) == (tmp_path / "run/certificate.npz").read_bytes()


def test_two_equal_runs_are_equal_byte_for_byte_but_for_their_seconds(tmp_path: Path) -> None:
    for name, seconds in (("a", 1.5), ("b", 99.9)):
        run = usual_run()
        slower = replace(
            run,
            seconds={"solve": seconds},
            goals=tuple(replace(goal, seconds=seconds) for goal in run.goals),
            trace=tuple(replace(point, seconds=seconds) for point in run.trace),
        )
        write_run(slower, sample_intake(run.facts.instance), tmp_path / name)
    a, b = hashes(tmp_path / "a"), hashes(tmp_path / "b")
    assert {name for name in a if a[name] != b[name]} == {"run.json", "trace.csv"}


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        write_run(usual_run(), None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    write_run(usual_run(), None, tmp_path / "run")
    assert (tmp_path / "run/run.json").is_file()


def test_an_error_midway_leaves_no_folder_and_no_draft(tmp_path: Path) -> None:
    run = usual_run()
    frames = {**run.facts.instance.frames}
    frames["sites"] = frames["sites"].assign(extra=[object(), object(), object()])  # Parquet cannot hold it
    facts = replace(run.facts, instance=Instance(run.facts.instance.info, frames))
    with pytest.raises(Exception, match="object"):
        write_run(replace(run, facts=facts), None, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_previous_folder_that_is_no_run_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "instance").mkdir()
    with pytest.raises(UsageError, match=r"no allocation\.csv"):
        write_run(usual_run(), None, tmp_path / "run", previous=tmp_path / "instance")
    assert [path.name for path in tmp_path.iterdir()] == ["instance"]


def test_a_previous_allocation_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan/allocation.csv").write_text("entry_id,session_id\ne1,s1\n")
    with pytest.raises(UsageError, match="no column site_code, date"):
        write_run(usual_run(), None, tmp_path / "run", previous=tmp_path / "plan")
    assert not (tmp_path / "run").exists()


def test_a_run_without_a_time_limit_is_written(tmp_path: Path) -> None:
    run = usual_run()
    write_run(replace(run, limits=replace(run.limits, seconds=float("inf"))), None, tmp_path / "run")
    assert json.loads((tmp_path / "run/run.json").read_text())["limits"]["seconds"] is None


def test_changes_are_written_only_against_a_previous_run(tmp_path: Path) -> None:
    write_run(usual_run(), None, tmp_path / "a")
    write_run(usual_run(), None, tmp_path / "b", previous=tmp_path / "a")
    assert not (tmp_path / "a/changes.csv").exists()
    assert (tmp_path / "b/changes.csv").exists()


def test_a_run_that_failed_its_audit_is_marked_failed(tmp_path: Path) -> None:
    run = sample_run(plan={"e1": "s2", "e2": "s1", "e3": "s2", "e4": "s1", "e7": "s1"}, reasons={"e8": "x", "e10": "t"})
    write_run(run, None, tmp_path / "run")
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "failed"
    assert json.loads((tmp_path / "run/audit.json").read_text())["violations"]
    assert "This plan failed its audit" in (tmp_path / "run/report.html").read_text()


@pytest.mark.parametrize("patients", [0, 1])
@pytest.mark.parametrize("sessions", [0, 1])
def test_a_run_without_people_or_sessions_is_written_whole(tmp_path: Path, patients: int, sessions: int) -> None:
    facts = sample_facts(patients=[{}] * patients, sessions=[{}] * sessions, commitments=())
    write_run(sample_run(facts, {}, {"e1": "x"} if patients else {}), None, tmp_path / "run")
    assert json.loads((tmp_path / "run/summary.json").read_text())["accounts"]["balanced"]
