"""The benchmark script prints what its columns say."""

from __future__ import annotations

import csv
import io

import pytest

from benchmarks.daily import COLUMNS, instance_of, main
from instances.generate import generate
from models.daily import DAILY


def test_a_row_a_goal_and_seed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--size", "40x6", "--seeds", "1", "2", "--seconds", "3", "--threads", "1"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert tuple(rows[0]) == COLUMNS
    labels = [goal.label for goal in DAILY.ordered_goals]
    assert [(row["seed"], row["goal"]) for row in rows] == [(seed, label) for seed in "12" for label in labels]
    assert {row["instance"] for row in rows} == {"generated-40x6-1", "generated-40x6-2"}
    assert "audit failed" not in {row["status"] for row in rows}
    assert all(float(row["gap"]) >= 0 for row in rows)


def test_sizes_by_letter_and_by_counts() -> None:
    assert instance_of("S", 1).fingerprint == generate("S", 1).fingerprint
    made = instance_of("100x15", 1)
    assert (len(made.patients), len(made.sessions)) == (100, 15)


@pytest.mark.parametrize("size", ["", "huge", "100x", "x5"])
def test_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        instance_of(size, 1)
