"""Memory of a run: what was held and let go again is seen, in this process and in its children."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from allocator import peak_memory
from allocator.answer import Limits
from allocator.peak_memory import PROC, PeakMemory, ever_held, memory_in_use
from allocator.report import write_run
from allocator.run import allocate
from api.words import run_lines
from models.daily import DAILY
from tests.build import make_facts

MEGABYTES = 300
HOLDS = f"import time; held = bytearray({MEGABYTES} << 20); time.sleep(1.0)"
needs_proc = pytest.mark.skipif(not (PROC / "self").exists(), reason="this system has no /proc")


def now() -> float:
    return memory_in_use(os.getpid()) or 0.0


@needs_proc
def test_what_this_process_held_and_let_go_is_seen() -> None:
    """More than it ever held, whatever ran in it before: else nobody sees what is let go between two looks."""
    ever = ever_held(resource.RUSAGE_SELF)
    with PeakMemory() as memory:
        held = np.ones((int(ever) + MEGABYTES) << 17)
        del held
    assert memory.megabytes >= ever + 0.9 * MEGABYTES


@needs_proc
def test_what_a_child_holds_counts_beside_this_process() -> None:
    before = now()
    with PeakMemory() as memory:
        subprocess.run([sys.executable, "-c", HOLDS], check=True)
    assert memory.megabytes >= before + 0.9 * MEGABYTES


def test_where_nothing_says_what_is_in_use_it_is_what_was_ever_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak_memory, "PROC", Path("/nowhere"))
    with PeakMemory() as memory:
        pass
    assert memory.megabytes > 10


def test_a_run_says_how_much_it_had_in_use(tmp_path: Path) -> None:
    run = allocate(make_facts([{}], [{}]).instance, DAILY, Limits(work=5))
    assert run.peak_megabytes is not None
    assert run.peak_megabytes > 50
    write_run(run, None, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["peak_megabytes"] == round(run.peak_megabytes, 1)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    shown = f"Most memory in use, solvers included: {run.peak_megabytes:,.0f} MB."
    assert shown in run_lines(summary, run, tmp_path)
