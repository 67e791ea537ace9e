"""Two mornings of one instance, and what the first is worth to the second."""

from __future__ import annotations

from allocator.answer import Limits
from benchmarks.rerun import COLUMNS, mornings, rows
from benchmarks.sketch import sketch_instance


def test_a_twentieth_went_overnight_and_a_twentieth_came() -> None:
    whole = sketch_instance("S", 3)
    yesterday, today = mornings("S", 3)
    for name, key in (("patients", "entry_id"), ("sessions", "session_id")):
        of_whole, before, after = (set(one.frames[name][key]) for one in (whole, yesterday, today))
        changed = round(0.05 * len(of_whole))
        assert len(before - after) == len(after - before) == changed
        assert before | after == of_whole


def test_rows_are_yesterday_cold_and_warm_with_a_third() -> None:
    found = [dict(zip(COLUMNS, row, strict=True)) for row in rows("S", 3, Limits(seconds=12.0))]
    assert [row["run"] for row in found] == ["yesterday", "cold", "warm"]
    assert [row["allowed_seconds"] for row in found] == ["12", "12", "4"]
    assert {row["audit"] for row in found} == {"passed"}
    for row in found:
        assert row["value"] <= row["bound"]
