from __future__ import annotations

import pytest

from allocator.allocation import Allocation, Placement
from allocator.errors import UsageError
from models.goals.group_equity import GroupEquity
from tests.build import Row, make_facts
from tests.goals.agreement import all_pairs, columns_of, value_of


def people(**counts: int) -> list[Row]:
    """imd_quintile q1=2 means two people of the most deprived fifth, in order."""
    return [{"imd_quintile": int(name[1:])} for name, count in counts.items() for _ in range(count)]


def value(goal: GroupEquity, patients: list[Row], *placed: int) -> int:
    facts = make_facts(patients, [{}])
    return value_of(goal, facts, *((f"e{number}", "s1") for number in placed))


def test_shortfall_is_what_a_group_lacks_of_its_rounded_down_share() -> None:
    goal = GroupEquity(equity_tolerance=0)
    patients = people(q1=5, q5=5)
    assert value(goal, patients) == 0
    assert value(goal, patients, 6) == 0  # floor(1/2) = 0
    assert value(goal, patients, 6, 7) == 1  # floor(2/2) = 1
    assert value(goal, patients, 6, 7, 1) == 0  # floor(3/2) = 1
    assert value(goal, patients, 6, 7, 8, 1) == 1  # floor(4/2) = 2


def test_tolerance_just_reaches_the_next_person() -> None:
    patients = people(q1=5, q5=5)  # floor((1 - t) x 4 / 2) = 2 for t = 0, else 1
    assert value(GroupEquity(equity_tolerance=0), patients, 6, 7, 8, 1) == 1
    assert value(GroupEquity(equity_tolerance=0.001), patients, 6, 7, 8, 1) == 0


def test_a_share_that_is_exactly_whole_is_not_rounded_away() -> None:
    patients = people(q1=1, q5=9)  # (1 - 0.1) x 10 x 9 / 10 = 8.1; q1: 0.9
    assert value(GroupEquity(equity_tolerance=0.1), patients, *range(1, 11)) == 0
    tenth = people(q1=10, q5=10)  # (1 - 0.1) x 20 x 10 / 20 = 9 exactly, in floats 9.0 or 8.99...
    assert value(GroupEquity(equity_tolerance=0.1), tenth, *range(3, 21)) == 0  # 18 placed: floor(8.1) = 8, q1 has 8
    assert value(GroupEquity(equity_tolerance=0.1), tenth, *range(4, 21)) == 0  # 17 placed: floor(7.65) = 7
    assert value(GroupEquity(equity_tolerance=0), tenth, *range(4, 20)) == 1  # 16 placed: 8, q1 has 7


def test_unknown_group_is_a_group() -> None:
    patients: list[Row] = [{"imd_quintile": None}] * 2 + [{"imd_quintile": 1}] * 2
    assert value(GroupEquity(equity_tolerance=0), patients, 3, 4) == 1


def test_groups_below_the_minimum_size_have_no_floor_but_count_in_the_base() -> None:
    patients = people(q1=1, q5=3)
    assert value(GroupEquity(equity_tolerance=0), patients, 1) == 0
    assert value(GroupEquity(equity_tolerance=0, min_size=2), patients, 2, 3, 4) == 0
    assert value(GroupEquity(equity_tolerance=0, min_size=4), patients, 1) == 0


def test_bookings_are_left_out_on_both_sides() -> None:
    booked = [
        {"entry_id": entry, "session_id": "s1", "state": "booked", "recorded_on": "2026-02-01"}
        for entry in ("e1", "e2")
    ]
    facts = make_facts(people(q5=4, q1=2), [{}], commitments=booked)  # e1, e2 booked; open: q5 2, q1 2
    assert value_of(GroupEquity(equity_tolerance=0), facts) == 0
    assert value_of(GroupEquity(equity_tolerance=0), facts, ("e3", "s1"), ("e4", "s1")) == 1


def test_another_column_can_be_named() -> None:
    patients = [{"sex": sex} for sex in ("f", "f", "m", "m")]
    assert value(GroupEquity(group_column="sex", equity_tolerance=0), patients, 1, 2) == 1
    with pytest.raises(UsageError, match="imd_quintile"):
        value(GroupEquity(group_column="imd_quintiles"), patients, 1)


def test_groups_without_an_option_are_skipped() -> None:
    facts = make_facts(people(q1=2, q5=2), [{}])
    options = all_pairs(facts)
    goal = GroupEquity()
    rows = goal.rows(columns_of(goal, options.take(options.entry >= 2)))
    assert rows.keys == ("5",)


def test_usage_shows_places_and_floor_of_each_group() -> None:
    facts = make_facts(people(q1=2, q5=2), [{}])
    places = [Placement("e3", "s1"), Placement("e4", "s1")]
    allocation = Allocation.of(places, frozenset({"e1", "e2", "e3", "e4"}))
    usage = GroupEquity(equity_tolerance=0).usage(facts, allocation)
    assert usage[["what", "used", "limit"]].to_numpy().tolist() == [["1", 0, 1], ["5", 2, 1]]
