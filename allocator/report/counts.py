"""Counts for summary.json: by group, between providers, by site and rule, at month ends, of urgent people."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.answer import Run
from allocator.instance import Array
from allocator.report.people import BAND_WEEKS, band_names
from allocator.report.safe import plain_value

MOST_USAGE_ROWS = 60
"""Rules whose usage has more rows than this are shown as totals only."""


def counts(people: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Placed and unplaced by home, host, service, priority, wait band and deprivation.

    Both bases stand in every row: `all_waiting` (held and treated entries left out) and `with_option`.
    """
    waiting = people[~people["status"].isin(["held", "treated"])]
    quintile = waiting["imd_quintile"].map(lambda value: "not known" if pd.isna(value) else str(int(value)))
    found = {
        "home": _counted(waiting, waiting["home_provider"]),
        "service": _counted(waiting, waiting["care_kind"] + " " + waiting["service_code"]),
        "priority": _counted(waiting, waiting["clinical_priority"]),
        "quintile": _counted(waiting, quintile),
    }
    placed = waiting[waiting["status"] == "placed"]
    found["host"] = [
        {"group": str(host), "placed": int(number)} for host, number in placed.groupby("host_provider").size().items()
    ]
    for kind in BAND_WEEKS:
        here = waiting[waiting["care_kind"] == kind]
        order = [*band_names(kind), "wait not begun"]
        rows = {row["group"]: row for row in _counted(here, here["band"])}
        found[f"band_{kind}"] = [rows[name] for name in order if name in rows]
    return found


def _counted(people: pd.DataFrame, group: pd.Series[Any]) -> list[dict[str, Any]]:
    placed = people["status"].isin(["placed", "booking_lost"])
    figures = pd.DataFrame(
        {
            "all_waiting": True,
            "with_option": people["with_option"],
            "placed": placed,
            "unplaced": ~placed,
            "baseline_placed": people["baseline_placed"],
        },
        index=people.index,
    )
    return _rows_of(figures.groupby(group.to_numpy()).sum().sort_index())


def _rows_of(totals: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, row in totals.iterrows():
        rows.append({"group": str(name)} | {str(column): int(value) for column, value in row.items()})
    return rows


def flows(run: Run, allocation: Allocation) -> list[dict[str, Any]]:
    """Placements from each home to each host, both ways of being at home included, most first."""
    instance = run.facts.instance
    pairs = Counter(
        (
            str(instance.patient[place.entry_id]["home_provider"]),
            str(instance.session_provider[instance.session_row[place.session_id]]),
        )
        for place in allocation.placements
        if place.state != "reserved"
    )
    return [
        {"home": home, "host": host, "places": number}
        for (home, host), number in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    ]


def sites(run: Run, sessions: pd.DataFrame) -> list[dict[str, Any]]:
    """Sessions, minutes and cases of every site."""
    instance = run.facts.instance
    found = []
    for site_code, here in sessions.groupby("site_code"):
        site = instance.site[str(site_code)]
        found.append(
            {
                "site": str(site_code),
                "name": str(site["name"]),
                "provider": str(site["provider_code"]),
                "sector": instance.provider_sector[site["provider_code"]],
                "sessions": len(here),
                "sessions_used": int((here["cases_used"] > 0).sum()),
                "minutes": int(here["minutes"].sum()),
                "minutes_used": int(here["minutes_used"].sum()),
                "cases": int(here["cases_used"].sum()),
            }
        )
    return sorted(found, key=lambda row: (-row["minutes"], row["site"]))


def rules(run: Run) -> list[dict[str, Any]]:
    """Every rule in force and how much of its room is used: totals of the rows with a limit; short lists whole."""
    found = []
    for rule in run.policy.rules:
        usage = rule.usage(run.facts, run.allocation)
        limit = pd.to_numeric(usage["limit"], errors="coerce").astype("float64")
        used = pd.to_numeric(usage["used"], errors="coerce").astype("float64")
        found.append(
            {
                "rule": rule.name,
                "sentence": rule.sentence,
                "rows": len(usage),
                "limited": int(limit.notna().sum()),
                "at_limit": int((used == limit).sum()),
                "used": plain_value(used[limit.notna()].sum()),
                "limit": plain_value(limit.sum()),
                "unit": str(usage["unit"].iloc[0]) if len(usage) else "",
                "usage": _records(usage) if len(usage) <= MOST_USAGE_ROWS else [],
            }
        )
    return found


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.to_dict(orient="records")
    return [{str(name): plain_value(value) for name, value in row.items()} for row in rows]


def month_end(run: Run) -> list[dict[str, Any]]:
    """For each reporting date and band of the goals: who would be over it, and who of them has a place by then."""
    instance = run.facts.instance
    weeks = sorted({weeks for goal in run.policy.ordered_goals for weeks in goal.bands_weeks()}, reverse=True)
    placed, by_hand = (_placed_on(run, plan) for plan in (run.allocation, run.baseline))
    found = []
    for date in instance.info.counted_on:
        reached = np.datetime64(date)
        for band in weeks:
            over = run.facts.standing.counted & (reached - instance.waits_from > np.timedelta64(7 * band, "D"))
            left, left_by_hand = over & ~(placed <= reached), over & ~(by_hand <= reached)
            found.append(
                {
                    "date": date.isoformat(),
                    "over_weeks": band,
                    "people": int(over.sum()),
                    "placed": int((over & ~left).sum()),
                    "left": int(left.sum()),
                    "baseline_left": int(left_by_hand.sum()),
                }
            )
    return found


def _placed_on(run: Run, allocation: Allocation) -> Array:
    """(n_entries,) the first day on which each entry has a place, NaT where it has none."""
    instance = run.facts.instance
    days = np.full(len(instance.patients), np.datetime64("NaT"), dtype="datetime64[D]")
    for place in allocation.placements:
        row, day = instance.entry_row[place.entry_id], instance.session[place.session_id]["date"]
        days[row] = np.fmin(days[row], day)
    return days


def urgent(run: Run, people: pd.DataFrame) -> list[dict[str, Any]]:
    """Urgent people by priority: P2, D2 and everybody with a date of their own."""
    plan_date, end = (
        pd.Timestamp(day) for day in (run.facts.instance.info.plan_date, run.facts.instance.info.horizon_end)
    )
    here = people[people["urgent"] & ~people["status"].isin(["held", "treated"])]
    unplaced = here["status"] == "unplaced"
    figures = pd.DataFrame(
        {
            "waiting": True,
            "overdue": here["due"] < plan_date,
            "unplaced": unplaced,
            "overdue_unplaced": unplaced & (here["due"] < plan_date),
            "due_in_horizon_unplaced": unplaced & (here["due"] <= end),
            "baseline_overdue_unplaced": ~here["baseline_placed"] & (here["due"] < plan_date),
        },
        index=here.index,
    )
    name = here["clinical_priority"].where(here["clinical_priority"].isin(["P2", "D2"]), "own due date")
    totals = figures.groupby(name.to_numpy()).sum().sort_index()
    return _rows_of(totals)
