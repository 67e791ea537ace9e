"""Same inputs, policy, seed and work: byte-identical run folders, whatever the threads and hash seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from instances import path as shipped
from instances.generate import generate, write

CLOCK = ("run.json", "trace.csv")
"""The files that hold seconds of the wall clock, and how many threads there were."""

PROGRAM = "from api.cli import main; main()"
AS_LARGE = f"import allocator.solve.lexicographic as solve; solve.is_small = lambda formulation: False; {PROGRAM}"
"""The command line with every model taken for a large one."""


def run_folder(
    instance: Path, out: Path, work: int, hash_seed: int, threads: int, *more: str, program: str = PROGRAM
) -> dict[str, bytes]:
    """Every file of a run in a process of its own, without those that hold times."""
    arguments = ["run", instance, "--out", out, "--work", work, "--threads", threads, *more]
    subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        check=True,
        capture_output=True,
    )
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return {name: content for name, content in files.items() if name not in CLOCK}


def assert_equal(first: dict[str, bytes], second: dict[str, bytes]) -> None:
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []
    assert len(first) > 15


def test_tiny_runs_in_two_processes_are_equal_to_the_byte(tmp_path: Path) -> None:
    instance = shipped("tiny-bookings")
    first = run_folder(instance, tmp_path / "first" / "run", 50, hash_seed=1, threads=1)
    second = run_folder(instance, tmp_path / "second" / "run", 50, hash_seed=2, threads=2)
    assert_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["highs", "cpsat", "cbc"])
def test_generated_runs_in_two_processes_are_equal_to_the_byte(backend: str, tmp_path: Path) -> None:
    write(generate("S", 1), tmp_path / "instance")
    runs = [
        run_folder(tmp_path / "instance", tmp_path / f"{seed}" / "run", 60, seed, seed, "--backend", backend)
        for seed in (1, 2)
    ]
    assert_equal(*runs)


@pytest.mark.slow
def test_path_of_large_models_in_two_processes_is_equal_to_the_byte(tmp_path: Path) -> None:
    """The prices that it starts from, and every move, must not depend on the clock."""
    write(generate("S", 1), tmp_path / "instance")
    runs = [
        run_folder(tmp_path / "instance", tmp_path / f"{seed}" / "run", 60, seed, seed, program=AS_LARGE)
        for seed in (1, 2)
    ]
    assert_equal(*runs)
