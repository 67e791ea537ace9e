"""The generator: the same to the byte, every table and rule in use, sizes as asked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from allocator import schema
from allocator.baseline import baseline
from allocator.formulation import formulate, openings
from allocator.instance import Instance
from allocator.intake.read import read_instance
from allocator.options import Facts, Options, build_options
from allocator.policy import read_policy
from allocator.rule import Columns, Limit, Screen, closed_sessions, find_conflicts
from instances.generate import PLAIN, generate, write
from instances.generate_parameters import SIZES, Size
from models import CATALOGUE
from models.daily import DAILY
from models.rules.overrides import in_force, meant_options

SCREENS = [rule for rule in CATALOGUE.rules if issubclass(rule, Screen)]
LIMITS = [rule for rule in CATALOGUE.rules if issubclass(rule, Limit)]


@pytest.fixture(scope="module")
def small() -> Instance:
    return generate("S", 1)


def every_pair(facts: Facts) -> Options:
    n_entries = len(facts.instance.column("patients", "entry_id"))
    n_sessions = len(facts.instance.column("sessions", "session_id"))
    entry, session = np.divmod(np.arange(n_entries * n_sessions), n_sessions)
    return Options(facts, entry, session, np.zeros(len(entry), dtype=bool))


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        found.update(file.name.encode() + file.read_bytes())
    return found.hexdigest()


def test_two_processes_write_the_same_bytes_and_fingerprint(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from instances.generate import generate, write;"
        "i = generate('S', 7); write(i, Path(sys.argv[1])); print(i.fingerprint)"
    )
    found = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / hash_seed
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)], env=environment, capture_output=True, text=True, check=True
        )
        found.append((done.stdout.strip(), digest(folder)))
    assert found[0] == found[1]
    assert found[0][0] == generate("S", 7).fingerprint


def test_another_seed_gives_another_instance(small: Instance) -> None:
    assert small.fingerprint != generate("S", 2).fingerprint


@pytest.mark.parametrize("size", ["S", "M"])
def test_sizes_are_as_asked(size: str) -> None:
    instance = generate(size, 1)  # type: ignore[arg-type]
    n_entries, n_sessions, _ = SIZES[size]  # type: ignore[index]
    assert (len(instance.patients), len(instance.sessions)) == (n_entries, n_sessions)


@pytest.mark.parametrize("table", [table.name for table in schema.TABLES])
def test_every_table_has_rows(small: Instance, table: str) -> None:
    assert len(small.table(table)) > 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_state_of_a_commitment_occurs(seed: int) -> None:
    assert set(generate("S", seed).commitments["state"]) == set(schema.STATES)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_kinds_of_override_occur(seed: int) -> None:
    assert set(generate("S", seed).table("overrides")["action"]) == {"must", "never"}


@pytest.mark.parametrize(("size", "seed"), [("S", 2), ("S", 3), ("M", 1), ("M", 2)])
def test_every_pin_can_be_kept_with_the_daily_policy(size: Size, seed: int) -> None:
    facts = Facts(generate(size, seed))
    conflicts = find_conflicts(DAILY.limits, facts)
    formulation = formulate(build_options(facts, DAILY.screens, closed_sessions(facts, conflicts)), DAILY)
    pins = [override for override in in_force(facts) if override.action == "must"]
    assert pins
    assert [str(pin) for pin in pins if not len(meant_options(formulation.options, pin))] == []
    kept = {(place.entry_id, place.session_id) for place in baseline(formulation).placements}
    assert {(pin.entry_id, pin.session_id) for pin in pins} <= kept


@pytest.mark.parametrize("table", schema.TABLES, ids=lambda table: table.name)
def test_every_column_is_used(small: Instance, table: schema.Table) -> None:
    frame = small.table(table.name)
    unused = [column.name for column in table.columns if not _known(frame[column.name]).any()]
    assert unused == []


def _known(column: object) -> object:
    return column.notna() & (column != "")  # type: ignore[attr-defined]


@pytest.mark.parametrize("screen", SCREENS, ids=lambda rule: rule.name)
def test_every_screen_removes_pairs_and_keeps_pairs(small: Instance, screen: type[Screen]) -> None:
    kept = screen().keep(every_pair(Facts(small)))
    assert 0 < kept.sum() < len(kept)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda rule: rule.name)
def test_every_limit_has_rows(small: Instance, limit: type[Limit]) -> None:
    options = build_options(Facts(small), [screen() for screen in SCREENS])
    rule = limit(**({"budget_gbp": 1000} if "budget_gbp" in limit.model_fields else {}))
    auxiliaries = rule.auxiliaries(options)
    columns = Columns(options, openings(options), ((rule.label, auxiliaries),) if auxiliaries else ())
    assert rule.rows(columns).matrix.shape[0] > 0


@pytest.mark.parametrize(("size", "seed"), [("S", 1), ("S", 2), ("S", 3), ("M", 1)])
def test_what_is_booked_fits(size: str, seed: int) -> None:
    facts = Facts(generate(size, seed))  # type: ignore[arg-type]
    assert {place.state for place in facts.standing.fixed} == {"offered", "booked"}
    assert find_conflicts([limit() for limit in LIMITS], facts, strict=True) == ()


def test_what_must_be_is_an_option(small: Instance) -> None:
    options = build_options(Facts(small), [screen() for screen in SCREENS])
    pairs = set(
        zip(
            small.column("patients", "entry_id")[options.entry],
            small.column("sessions", "session_id")[options.session],
            strict=True,
        )
    )
    overrides = small.table("overrides")
    must = overrides[overrides["action"] == "must"]
    assert len(must) > 0
    assert set(zip(must["entry_id"], must["session_id"], strict=True)) <= pairs


def test_people_with_two_entries_and_tests_before_treatment_occur(small: Instance) -> None:
    patients = small.patients
    assert patients["patient_id"].duplicated().sum() >= 10
    waiting_for = patients[patients["requires_entry_id"] != ""]
    tests = patients.set_index("entry_id").loc[waiting_for["requires_entry_id"]]
    assert len(waiting_for) >= 5
    assert (tests["care_kind"] == "diagnostic").all()
    assert tests["patient_id"].tolist() == waiting_for["patient_id"].tolist()


def test_people_agree_with_themselves(small: Instance) -> None:
    columns = ["home_area", "asa_grade", "bmi", "age_years", "imd_quintile", "travel_mode", "home_provider"]
    assert (small.patients.groupby("patient_id")[columns].nunique() <= 1).all().all()


def test_nothing_looks_like_a_real_person_or_trust(small: Instance) -> None:
    assert small.info.synthetic
    assert small.patients["patient_id"].str.startswith("SYN-").all()
    assert small.organisations["provider_code"].str.match(r"^[GN](\d+|ZZ)$").all()
    assert small.info.assumptions["seed"] == 1


def test_the_plain_problem_has_as_many_options_as_the_sketch() -> None:
    screens = [screen() for screen in SCREENS]
    small = len(build_options(Facts(generate("S", 1, PLAIN)), screens))
    medium = len(build_options(Facts(generate("M", 1, PLAIN)), screens))
    assert 700 <= small <= 1_600
    assert 70_000 <= medium <= 150_000


@pytest.mark.slow
def test_medium_takes_less_than_two_seconds() -> None:
    start = time.perf_counter()
    generate("M", 3)
    assert time.perf_counter() - start < 2


def test_what_is_written_has_cells_of_the_data_contract(small: Instance, tmp_path: Path) -> None:
    write(small, tmp_path)
    patients = (tmp_path / "patients.csv").read_text(encoding="utf-8").splitlines()
    row = dict(zip(patients[0].split(","), patients[1].split(","), strict=True))
    assert row["needs_hdu"] in ("true", "false")
    assert row["expected_minutes"].isdigit()
    assert len(row["clock_start"]) == 10
    assert "held" not in row
    assert (tmp_path / "instance.json").is_file()
    moments = (tmp_path / "commitments.csv").read_text(encoding="utf-8")
    assert "2026-01-28T10:00:00" in moments


@pytest.mark.parametrize(("size", "seed"), [("S", 1), ("S", 2), ("M", 1)])
def test_intake_accepts_every_row_and_reads_the_same_instance(size: str, seed: int, tmp_path: Path) -> None:
    instance = generate(size, seed)  # type: ignore[arg-type]
    write(instance, tmp_path)
    intake = read_instance(tmp_path)
    assert intake.quarantine.to_dict("records") == []
    assert intake.instance.fingerprint == instance.fingerprint


def test_the_policy_beside_the_tables_is_the_daily_one_with_the_budget(small: Instance, tmp_path: Path) -> None:
    write(small, tmp_path)
    policy = read_policy(CATALOGUE, (tmp_path / "policy.toml").read_text(encoding="utf-8"))
    spend = next(rule for rule in policy.rules if rule.name == "independent_spend")
    assert spend.model_dump()["budget_gbp"] == small.info.assumptions["independent_budget_gbp"] > 0
    assert [goal.label for goal in policy.goals] == [goal.label for goal in CATALOGUE.policies["daily"].goals]
