"""A real run, written and then verified without a solver."""

from __future__ import annotations

from pathlib import Path

from allocator.answer import Limits
from allocator.report import write_run
from allocator.run import allocate
from allocator.verify import verify
from models import CATALOGUE
from models.daily import DAILY
from tests.report.sample import sample_facts


def test_a_real_run_is_written_and_verifies(tmp_path: Path) -> None:
    run = allocate(sample_facts().instance, DAILY, Limits(seconds=30, work=50))
    write_run(run, None, tmp_path / "run")
    assert run.audit.passed
    assert verify(tmp_path / "run", None, CATALOGUE).findings == ()
