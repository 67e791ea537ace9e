"""Small numbers cannot be read, nor worked out from what is left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.suppress import flows_without_small, goal_without_small, rows_without_small, without_small


def test_a_count_just_under_the_limit_goes_and_one_at_it_stays() -> None:
    assert without_small({"group": "RAA", "placed": 4, "unplaced": 5, "none": 0}, 5) == {
        "group": "RAA",
        "placed": None,
        "unplaced": 5,
        "none": 0,
    }


def test_the_other_part_of_a_whole_goes_too() -> None:
    rows = rows_without_small([{"group": "RAA", "all_waiting": 100, "placed": 3, "unplaced": 97}], 5)
    assert rows == [{"group": "RAA", "all_waiting": 100, "placed": None, "unplaced": None}]


def test_a_second_group_goes_where_one_alone_could_be_worked_out_from_the_total() -> None:
    rows = rows_without_small(
        [{"group": "a", "entries": 3}, {"group": "b", "entries": 9}, {"group": "c", "entries": 50}], 5
    )
    assert [row["entries"] for row in rows] == [None, None, 50]


def test_flows_cannot_be_worked_out_from_the_totals_of_homes_or_hosts() -> None:
    flows = [
        {"home": home, "host": host, "places": places}
        for home, host, places in (("A", "A", 90), ("A", "B", 2), ("B", "A", 30), ("B", "B", 40), ("C", "A", 20))
    ]
    shown = {(row["home"], row["host"]): row["places"] for row in flows_without_small(flows, 5)}
    assert shown["A", "B"] is None
    for end in (0, 1):
        for name in "ABC":
            line = [places for pair, places in shown.items() if pair[end] == name]
            assert line.count(None) != 1 or len(line) == 1


def test_goals_that_count_people_are_left_out_and_days_are_not() -> None:
    figures = {"value": 3, "base": 0, "baseline": 9, "solver_bound": 3, "certified_bound": 3}
    goal = {"label": "x", "solver_gap": 0.0, "certified_gap": 0.0, "gap_split": {"scale": 1, "parts": []}, **figures}
    assert goal_without_small({**goal, "unit": "people at reporting dates"}, 5)["gap_split"] is None
    assert goal_without_small({**goal, "unit": "people at reporting dates"}, 5)["value"] is None
    assert goal_without_small({**goal, "unit": "people at reporting dates"}, 5)["baseline"] is None
    assert goal_without_small({**goal, "unit": "days"}, 5)["value"] == 3


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("ABC"), st.integers(0, 12)), max_size=9))
def test_no_line_of_flows_misses_one_cell_beside_others(cells: list[tuple[str, str, int]]) -> None:
    table = {(home, host): places for home, host, places in cells}
    rows = flows_without_small([{"home": a, "host": b, "places": n} for (a, b), n in table.items()], 5)
    assert all(row["places"] is None or row["places"] == 0 or row["places"] >= 5 for row in rows)
    for end in ("home", "host"):
        for name in "ABC":
            line = [row["places"] for row in rows if row[end] == name]
            assert line.count(None) != 1 or not any(line)
