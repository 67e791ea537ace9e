"""What is compiled on first use is compiled before the clock of a run counts, and only then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from allocator.answer import Progress
from allocator.stopwatch import Stopwatch

PROGRAM = """
import json
from allocator.answer import Limits
from allocator.intake import read_instance
from allocator.run import allocate
from instances import path
from instances.generate import generate
from models.daily import DAILY

stages = []
run = allocate(INSTANCE, DAILY, Limits(seconds=SECONDS), lambda told: stages.append(told.stage))
print(json.dumps([stages.count("compile"), run.seconds["solve"]]))
"""


def test_function_is_cold_until_a_process_has_compiled_it(tmp_path: Path) -> None:
    (tmp_path / "loop_of_a_test.py").write_text(
        "from allocator.compiled import compiled\n\n@compiled\ndef twice(x: int) -> int:\n    return 2 * x\n"
    )
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from allocator.compiled import is_cold\nfrom loop_of_a_test import twice\n"
        "before = is_cold(twice); twice(2); print(before, is_cold(twice))"
    )
    said = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in "12"]
    assert [run.stdout.strip() for run in said] == ["True False", "False False"]


def test_seconds_outside_the_clock_do_not_count() -> None:
    told: list[Progress] = []
    watch = Stopwatch(10.0, told.append)
    before = watch.left
    with watch.outside("compile"):
        time.sleep(0.5)
    assert before - watch.left < 0.3
    assert watch.elapsed < 0.3
    assert [progress.stage for progress in told] == ["compile"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("instance", "seconds"), [('read_instance(path("cm-2026-01-52w")).instance', 12), ('generate("S", 7)', 5)]
)
def test_first_run_on_a_machine_compiles_outside_its_limit_and_the_second_not_at_all(
    instance: str, seconds: int, tmp_path: Path
) -> None:
    program = PROGRAM.replace("INSTANCE", instance).replace("SECONDS", str(seconds))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    found = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
        )
        found.append(json.loads(done.stdout))
    assert [compiled for compiled, _ in found] == [1, 0]
    assert all(taken < seconds + 4 for _, taken in found)
