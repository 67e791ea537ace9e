"""Goals, as the policy says them: each an expression over x and opened, whole numbers. One function a goal."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

import pulp

from tests.specification.limits import (
    DAY,
    Model,
    access_groups,
    equity_groups,
    floor_on_share,
    openings_are_paid,
    pence,
    people,
    price,
)
from tests.specification.reading import Case, Pair


def urgent_delay(model: Model, goal: Any) -> Any:
    """Days late of P2, D2 and whoever has a due date of their own."""
    return days_late(model, goal, {"P2": goal.p2_days, "D2": goal.d2_days}, own=True)


def longest_waits(model: Model, goal: Any) -> Any:
    """People over the band at a reporting date who are placed by then; each reporting date counts."""
    counted = []
    for e, s in counted_pairs(model):
        began, day = model.case.waits_from(e), model.case.sessions[s]["date"]
        for date in model.case.info.counted_on:
            for weeks in goal.over_weeks:
                if began is not None and (date - began).days > 7 * weeks and day <= date:
                    counted.append(model.x[e, s])
    return pulp.lpSum(counted)


def routine_delay(model: Model, goal: Any) -> Any:
    """Days late of P3 and D3 who have no due date of their own."""
    return days_late(model, goal, {"P3": goal.p3_days, "D3": goal.d3_days}, own=False)


def fair_between_trusts(model: Model, goal: Any) -> Any:
    """The worst trust's share of long waiters left unplaced, in hundredths of a percent, rounded up."""
    last = max(model.case.info.counted_on)
    trusts = defaultdict(list)
    for e, s in model.new():
        began = model.case.waits_from(e)
        if began is not None and (last - began).days > 7 * goal.long_weeks:
            trusts[model.case.entries[e]["home_provider"]].append((e, s))
    trusts = {trust: pairs for trust, pairs in trusts.items() if people(pairs) >= goal.smallest_list}
    if not trusts:
        return pulp.lpSum([])
    worst = model.problem.add_variable("worst_share", 0, 10_000, cat="Integer")
    for pairs in trusts.values():
        model.problem += people(pairs) * worst + 10_000 * model.placed(pairs) >= 10_000 * people(pairs)
    return 1 * worst


def weeks_of_waiting(model: Model, goal: Any) -> Any:
    """Days waited until today, and days from the place to the end of the horizon, of everybody placed."""
    info = model.case.info
    ended = []
    for e, s in counted_pairs(model):
        waited = max(0, (info.plan_date - (model.case.waits_from(e) or info.plan_date)).days)
        left = max(0, (info.horizon_end - model.case.sessions[s]["date"]).days)
        ended.append((waited + left) * model.x[e, s])
    return pulp.lpSum(ended)


def group_equity(model: Model, goal: Any) -> Any:
    """People by which groups fall short of their share of the new places."""
    return shortfalls(model, goal, equity_groups(model, goal), "short_group")


def independent_access(model: Model, goal: Any) -> Any:
    """People by which trusts fall short of their share of the new independent places of a service."""
    return shortfalls(model, goal, access_groups(model, goal), "short_trust")


def keep_proposals(model: Model, goal: Any) -> Any:
    """Proposals that are not kept, of entries that wait for a place; nearer dates weigh more."""
    changes = []
    for e, s in model.case.proposed.items():
        if e in model.case.waiting and s in model.case.sessions:
            ahead = max(0, (model.case.sessions[s]["date"] - model.case.info.plan_date).days)
            weight = 1 + max(0, goal.near_days - ahead)
            changes.append(weight * (1 - model.x[e, s]) if (e, s) in model.x else weight)
    return pulp.lpSum(changes)


def travel(model: Model, goal: Any) -> Any:
    """Minutes of travel; an unknown journey of a booking counts nothing."""
    return pulp.lpSum((model.case.minutes_away(e, s) or 0) * model.x[e, s] for e, s in counted_pairs(model))


def spend(model: Model, goal: Any) -> Any:
    """Pence for every place and every session opened."""
    openings_are_paid(model)
    cases = [price(model.case, goal, e, s) * model.x[e, s] for e, s in counted_pairs(model)]
    opened = [pence(model.case.sessions[s]["opening_cost_gbp"]) * is_open for s, is_open in model.opened.items()]
    return pulp.lpSum(cases + opened)


def weighted(model: Model, goal: Any) -> Any:
    """Points in thousandths: in time, wait band and weeks waited, less travel and money."""
    openings_are_paid(model)
    case, today = model.case, model.case.info.plan_date
    points = []
    for e, s in counted_pairs(model):
        weeks = max(0, (today - (case.waits_from(e) or today)).days // 7)
        bands = [value for begins, value in zip(goal.band_weeks, goal.band_values, strict=True) if weeks >= begins]
        due = due_day(case, e, {"P2": goal.p2_days, "D2": goal.d2_days}, own=True)
        earned = (bands[0] if bands else goal.below_bands) + goal.per_week * weeks
        if due is not None and case.sessions[s]["date"] <= due:
            earned += goal.in_time
        cost = goal.per_travel_minute * (case.minutes_away(e, s) or 0) + goal.per_gbp * price(case, goal, e, s) // 100
        points.append((earned - cost) * model.x[e, s])
    for s, is_open in model.opened.items():
        points.append(-(goal.per_gbp * pence(case.sessions[s]["opening_cost_gbp"]) // 100) * is_open)
    return pulp.lpSum(points)


GOALS = {
    "urgent_delay": urgent_delay,
    "longest_waits": longest_waits,
    "routine_delay": routine_delay,
    "fair_between_trusts": fair_between_trusts,
    "weeks_of_waiting": weeks_of_waiting,
    "group_equity": group_equity,
    "independent_access": independent_access,
    "keep_proposals": keep_proposals,
    "travel": travel,
    "spend": spend,
    "weighted": weighted,
}


def counted_pairs(model: Model) -> list[Pair]:
    """The pairs whose entry counts in goals: not treated, not held, not booked in a session that is gone."""
    return [(e, s) for e, s in model.x if e in model.case.counted]


def due_day(case: Case, e: str, days: dict[str, int], *, own: bool) -> dt.date | None:
    """The own due date where those count; else so many days after prioritisation (else clock start)."""
    row = case.entries[e]
    if row["due_date"] is not None:
        due: dt.date | None = row["due_date"] if own else None
        return due
    if row["clinical_priority"] not in days:
        return None
    since: dt.date = row["first_prioritised_on"] or row["clock_start"]
    return since + days[row["clinical_priority"]] * DAY


def days_late(model: Model, goal: Any, days: dict[str, int], *, own: bool) -> Any:
    """max(0, day - due) of who is placed; who is not is late until after the horizon."""
    until = model.case.info.horizon_end + goal.unplaced_days * DAY
    late = []
    for e in sorted(model.case.counted):
        due = due_day(model.case, e, days, own=own)
        if due is None:
            continue
        unplaced = max(0, (until - due).days)
        late.append(unplaced)
        for _, s in model.of_entry(e):
            placed = max(0, (model.case.sessions[s]["date"] - due).days)
            late.append((placed - unplaced) * model.x[e, s])
    return pulp.lpSum(late)


def shortfalls(model: Model, goal: Any, groups: list[tuple[list[Pair], list[Pair]]], name: str) -> Any:
    """Sum of the shortfalls, at least 0 each, that bring every group to its floor."""
    total = []
    for number, (group, everybody) in enumerate(groups):
        short = model.problem.add_variable(f"{name}_{number}", 0, people(group), cat="Integer")
        floor_on_share(model, goal, group, everybody, short)
        total.append(short)
    return pulp.lpSum(total)
