"""Two mornings of one instance, and what the first is worth to the second."""

from __future__ import annotations

import pytest

from allocator.answer import Limits
from allocator.intake import read_instance
from allocator.options import Facts, build_options
from benchmarks.rerun import COLUMNS, PARAMETERS, cases, daily_cases, mornings, rows
from benchmarks.sketch import sketch_instance
from instances import path


def test_a_twentieth_went_overnight_and_a_twentieth_came() -> None:
    whole = sketch_instance("S", 3)
    yesterday, today = mornings(whole, 3)
    for name, key in (("patients", "entry_id"), ("sessions", "session_id")):
        of_whole, before, after = (set(one.frames[name][key]) for one in (whole, yesterday, today))
        changed = round(0.05 * len(of_whole))
        assert len(before - after) == len(after - before) == changed
        assert before | after == of_whole


def test_who_is_booked_stays_and_so_does_the_session() -> None:
    (yesterday, _), (today, _) = daily_cases("cm-2026-01-52w", 1)
    whole = read_instance(path("cm-2026-01-52w")).instance
    for name, key in (("patients", "entry_id"), ("sessions", "session_id")):
        booked = set(whole.frames["commitments"][key]) & set(whole.frames[name][key])
        assert len(booked) > 50
        for one in (yesterday, today):
            assert booked <= set(one.frames[name][key])
            assert len(one.frames[name]) == round(0.95 * len(whole.frames[name]))


@pytest.mark.parametrize("change", ["lists", "travel-45"])
def test_rows_are_first_cold_and_warm_with_a_third(change: str) -> None:
    found = [dict(zip(COLUMNS, row, strict=True)) for row in rows("S", 3, Limits(seconds=3.0), cases("S", 3, change))]
    assert [row["run"] for row in found] == ["first", "cold", "warm"]
    assert [row["allowed_seconds"] for row in found] == ["3", "3", "1"]
    assert {row["audit"] for row in found} == {"passed"}
    for row in found:
        assert row["value"] <= row["bound"]


def test_people_who_travel_less_have_fewer_places_at_best() -> None:
    (instance, policy), (same, stricter) = cases("S", 3, "travel-45")
    assert instance is same
    before, after = (len(build_options(Facts(instance), one.screens)) for one in (policy, stricter))
    assert 0 < after < before


@pytest.mark.parametrize("change", PARAMETERS)
def test_one_parameter_of_one_rule_is_changed(change: str) -> None:
    (_, before), (_, after) = cases("S", 3, change)
    old, new = ({rule.name: rule.model_dump() for rule in policy.rules} for policy in (before, after))
    changed = [(name, field) for name in old for field in old[name] if old[name][field] != new[name][field]]
    assert len(changed) == 1
