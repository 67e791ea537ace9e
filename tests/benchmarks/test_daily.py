"""`bench daily` prints what its columns say, for shipped instances, folders and generated ones."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from allocator.errors import UsageError
from benchmarks import daily
from benchmarks.daily import COLUMNS, counts_of, folder_of, run_daily
from instances import path
from models.daily import DAILY


def test_a_row_a_goal_and_seed_of_every_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily, "warm_up", lambda seconds, threads: None)
    out = io.StringIO()
    run_daily(["tiny-travel"], ["40x6"], [7], seconds=2, threads=1, out=out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    labels = [goal.label for goal in DAILY.ordered_goals]
    names = [("tiny-travel", "7"), ("generated-40x6-7", "7")]
    wanted = [(*name, label) for name in names for label in labels]
    assert [(row["instance"], row["seed"], row["goal"]) for row in rows] == wanted
    assert "audit failed" not in {row["status"] for row in rows}
    assert all(float(row["gap"]) >= 0 for row in rows)
    assert all(float(row["read_to_report"]) >= float(row["seconds"]) for row in rows)


def test_instance_is_a_shipped_one_by_its_name_or_a_folder(tmp_path: Path) -> None:
    assert folder_of("tiny-travel") == path("tiny-travel")
    assert folder_of(str(tmp_path)) == tmp_path


def test_unknown_instance_is_refused_with_the_likely_name() -> None:
    with pytest.raises(UsageError, match='Maybe "tiny-travel"'):
        folder_of("tiny-travels")


def test_sizes_by_letter_and_by_counts() -> None:
    assert counts_of("S") == (500, 60)
    assert counts_of("100x15") == (100, 15)


@pytest.mark.parametrize("size", ["", "huge", "100x", "x5", "-1x5", "1x2x3"])
def test_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(UsageError, match="ENTRIESxSESSIONS"):
        counts_of(size)


def test_nothing_to_run_is_refused() -> None:
    with pytest.raises(UsageError, match="cm-2026-01-40w"):
        run_daily([], [], [1], seconds=1, threads=1)
