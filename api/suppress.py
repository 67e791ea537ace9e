"""Small numbers: counts of people under a limit are left out of figures that leave the hub.

A count of 1 to limit - 1 becomes null. So that nobody works it out from a total, a second count goes with it
wherever one alone is missing: in its row (placed and unplaced make all), and in its column (groups make a total).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Row = dict[str, Any]
KEPT = ("instance", "policy", "ending", "audit", "month_end")
PARTS_OF_A_ROW = (("placed", "unplaced"), ("placed", "left"))
PEOPLE_UNITS = ("people", "entries", "placements")


def suppressed(summary: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """The figures of a run that may be passed on, from summary.json. What is not listed here is left out."""
    counts = {name: rows_without_small(rows, limit) for name, rows in summary["counts"].items()}
    reasons = [
        {name: row[name] for name in ("reason_code", "meaning", "entries")} for row in summary["unplaced_by_reason"]
    ]
    sites = [
        {name: row[name] for name in ("site", "name", "provider", "sessions", "cases")} for row in summary["sites"]
    ]
    return {
        **{name: summary[name] for name in KEPT},
        "suppress_below": limit,
        "accounts": without_small(summary["accounts"], limit),
        "goals": [goal_without_small(goal, limit) for goal in summary["goals"]],
        "counts": counts,
        "flows": flows_without_small(summary["flows"], limit),
        "month_end": rows_without_small(summary["month_end"], limit, apart=("date", "over_weeks")),
        "unplaced_by_reason": rows_without_small(reasons, limit),
        "sites": rows_without_small(sites, limit, apart=("sessions",)),
    }


def is_small(value: Any, limit: int) -> bool:
    """A count that could point at somebody."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < limit


def without_small(row: Mapping[str, Any], limit: int) -> Row:
    """A row on its own."""
    return {name: None if is_small(value, limit) else value for name, value in row.items()}


def goal_without_small(goal: Mapping[str, Any], limit: int) -> Row:
    """A goal; values that count people follow the rule, days and minutes do not point at anybody."""
    if not goal["unit"].startswith(PEOPLE_UNITS):
        return dict(goal)
    small = any(is_small(goal[name], limit) for name in ("value", "baseline", "solver_bound", "certified_bound"))
    bounds = ("solver_bound", "certified_bound", "solver_gap", "certified_gap", "gap_split")
    figures = ("value", "base", "baseline", *bounds)
    return {name: None if small and name in figures else value for name, value in goal.items()}


def rows_without_small(rows: Iterable[Mapping[str, Any]], limit: int, apart: tuple[str, ...] = ()) -> list[Row]:
    """A table of groups; columns in `apart` count nobody."""
    given = list(rows)
    kept = [
        {name: value if name in apart else None if is_small(value, limit) else value for name, value in row.items()}
        for row in given
    ]
    columns = [
        name
        for name in (given[0] if given else ())
        if name not in apart and all(isinstance(row[name], int) for row in given)
    ]
    while any(_row_parts(row) for row in kept) or any(_second([(row, name) for row in kept]) for name in columns):
        pass
    return kept


def flows_without_small(flows: Iterable[Mapping[str, Any]], limit: int) -> list[Row]:
    """Places from home to host; every home's and every host's total may be known."""
    kept = [without_small(row, limit) for row in flows]
    lines: defaultdict[tuple[str, str], list[tuple[Row, str]]] = defaultdict(list)
    for row in kept:
        lines["home", row["home"]].append((row, "places"))
        lines["host", row["host"]].append((row, "places"))
    while any(_second(line) for line in lines.values()):
        pass
    return kept


def _row_parts(row: Row) -> bool:
    """Where one part of a whole is missing, the other goes too."""
    changed = False
    for parts in PARTS_OF_A_ROW:
        if all(part in row for part in parts) and [row[part] is None for part in parts].count(True) == 1:
            row.update(dict.fromkeys(parts))
            changed = True
    return changed


def _second(cells: list[tuple[Row, str]]) -> bool:
    """Where one cell of a line is missing, the smallest other that is not zero goes too."""
    missing = [row for row, name in cells if row[name] is None]
    others = [(row[name], number) for number, (row, name) in enumerate(cells) if row[name]]
    if len(missing) != 1 or not others:
        return False
    row, name = cells[min(others)[1]]
    row[name] = None
    return True
