"""The first half of the page: what the plan does, how good it is, waits, urgent people, who goes where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allocator.report.blocks import Block, Card, Grid, Section
from allocator.report.charts import OTHERS, Bar, Flow, bar_chart, flow_diagram
from allocator.report.words import claimed, gap_sentence, proven, share, versus
from allocator.words import date, goal_name, number, people, plural, quantity

Summary = Mapping[str, Any]

HEADLINE_WORDS: Mapping[str, str] = {
    "people": "People with a place",
    "already_booked_or_offered": "– of them booked or offered before this plan",
    "over_52_weeks": "People waiting over 52 weeks who have a place",
    "over_52_weeks_left": "People waiting over 52 weeks without a place",
    "longest_wait_left_weeks": "Longest wait left without a place, in weeks",
    "late_for_due_date": "Places after the person's due date",
    "weeks_waited_by_those_placed": "Weeks waited so far by people with a place",
    "away_from_home": "Places at another provider",
    "at_independent_providers": "Places at independent providers",
    "median_travel_minutes": "Typical (median) journey in minutes",
    "sessions_used": "Sessions used",
}
LONG_TABLE = 15
"""Tables with more rows than this are folded up where a chart shows the same."""

BASELINE = (
    "“By hand” is the same lists and sessions, booked the usual way: longest wait first, own provider first, then the "
    "nearest. It keeps every rule too. A person on two lists counts twice."
)
"""What the plan is compared with, in words."""


def names_of(summary: Summary) -> dict[str, str]:
    """provider code -> name."""
    return {row["code"]: row["name"] for row in summary["instance"]["providers"]} | {OTHERS: "Other providers"}


def short_name(name: str) -> str:
    """A provider's name without the words that all have in common."""
    for words in (" NHS Foundation Trust", " NHS Trust", " Hospital", " Hospitals", " Teaching"):
        name = name.removesuffix(words)
    return name if len(name) <= 32 else name[:31].rstrip() + "…"


def cards(summary: Summary) -> list[Card]:
    """The headline figures."""
    plan, baseline = summary["headline"]["plan"], summary["headline"]["baseline"]
    accounts = summary["accounts"]
    waiting = accounts["placed"] + accounts["unplaced"]
    minutes = sum(site["minutes"] for site in summary["sites"])
    used = sum(site["minutes_used"] for site in summary["sites"])

    def against(name: str) -> str:
        told = versus(plan[name], baseline[name])
        joined = {"the same": "as", "not comparable": "with that"}.get(told, "than")
        return f"{told} {joined} by hand ({number(baseline[name])})"

    who, have = ("person", "has") if plan["over_52_weeks_left"] == 1 else ("people", "have")
    away = "place is" if plan["away_from_home"] == 1 else "places are"
    return [
        Card("people have a place", number(plan["people"]), f"of {number(waiting)} waiting; {against('people')}"),
        Card("of them have waited over 52 weeks", number(plan["over_52_weeks"]), against("over_52_weeks")),
        Card(
            f"{who} over 52 weeks still {have} none", number(plan["over_52_weeks_left"]), against("over_52_weeks_left")
        ),
        Card(f"{away} at another provider", number(plan["away_from_home"]), against("away_from_home")),
        Card(
            "is the typical journey" if plan["median_travel_minutes"] is None else "minutes is the typical journey",
            number(plan["median_travel_minutes"]),
            against("median_travel_minutes").replace("fewer", "less"),
        ),
        Card(
            "of the spare time is used",
            share(used, minutes),
            f"{number(round(used / 60))} of {number(round(minutes / 60))} hours",
        ),
    ]


def brief(summary: Summary) -> Section:
    """Every headline figure beside the baseline."""
    plan, baseline = summary["headline"]["plan"], summary["headline"]["baseline"]
    rows = [
        (words, number(plan[name]), number(baseline[name]), versus(plan[name], baseline[name]))
        for name, words in HEADLINE_WORDS.items()
    ]
    grid = Grid("This plan and the same lists booked by hand", ("", "This plan", "By hand", "Difference"), rows)
    return Section("brief", "The plan beside booking by hand", (Block(grid=grid),))


def goals(summary: Summary) -> Section:
    """Each goal in order, its value, the baseline's, and what is proven."""
    rows = [
        (
            f"{place}. {goal_name(goal['label'])}",
            quantity(goal["value"], goal["unit"]),
            quantity(goal["baseline"], goal["unit"]),
            f"{proven(goal)} {gap_sentence(goal)}".rstrip(),
            claimed(goal),
            goal["sentence"],
        )
        for place, goal in enumerate(summary["goals"], 1)
    ]
    heads = ("Goal", "This plan", "By hand", "What is proven", "What the solver claims", "What the goal asks for")
    sentences = (
        "Goals are strictly ordered: a later goal never costs an earlier one more than the policy allows. Each bound "
        "holds among plans that are at least as good on the goals before it.",
        "“Proven” can be checked by anybody from the prices in certificate.npz, without a solver. “Claimed” is what "
        "the solver says; nothing else stands behind it.",
        "What is left to gain is split by the prices of the proof: how much of it is in lists that are not filled as "
        "well as they might be, in room that a rule has left, and in people without a place. The parts say where "
        "proof and plan disagree, not who is to blame.",
    )
    best, said = (
        sum(goal[bound] == goal["value"] for goal in summary["goals"]) for bound in ("certified_bound", "solver_bound")
    )
    lead = f"On {number(best)} of {len(rows)} goals this plan is proven to be the best possible."
    if said:
        lead += f" On {number(said)} the solver claims that it is."
    grid = Grid("Goals in order, and how far each is from the best possible", heads, rows, texts=(0, 3, 4, 5))
    return Section("goals", "How good the plan is", (Block("", sentences, grid=grid),), lead)


def waits(summary: Summary) -> Section:
    """People by how long they wait, before and after the plan."""
    blocks = []
    titles = {"theatre": "Operations", "diagnostic": "Tests"}
    for kind, title in titles.items():
        bands = summary["counts"].get(f"band_{kind}", [])
        if bands:
            blocks.append(_band_block(kind, title, bands))
    lead = f"Waits are counted on {date(summary['instance']['plan_date'])}, the morning of the plan."
    return Section("waits", "Waits before and after", blocks, lead)


def _band_block(kind: str, title: str, bands: list[dict[str, Any]]) -> Block:
    full = max(band["all_waiting"] for band in bands)
    bars = [
        Bar(
            band["group"].capitalize(),
            f"{number(band['placed'])} of {number(band['all_waiting'])} have a place",
            ((band["placed"], "fill"), (band["unplaced"], "rest")),
            mark=band["baseline_placed"],
            track=band["all_waiting"],
        )
        for band in bands
    ]
    rows = [
        (
            band["group"].capitalize(),
            number(band["all_waiting"]),
            number(band["unplaced"]),
            share(band["placed"], band["all_waiting"]),
            number(band["all_waiting"] - band["baseline_placed"]),
        )
        for band in bands
    ]
    heads = ("Waited", "Before", "After", "With a place", "After, by hand")
    chart = bar_chart(
        f"waits-{kind}",
        f"{title}: people by how long they have waited",
        "Each bar is everybody in a band; the dark part has a place. The figures are in the table.",
        bars,
        full,
    )
    legend = (("fill", "Has a place"), ("rest", "Still without a place"), ("mark", "Has a place, by hand"))
    return Block(title, (), chart, legend, Grid(f"{title}: waits before and after the plan", heads, rows))


def urgent(summary: Summary) -> Section:
    """Urgent people without a place, and month-end breaches still to come."""
    rows = [
        (
            row["group"].replace("own", "Own"),
            *(number(row[name]) for name in ("waiting", "overdue", "overdue_unplaced", "due_in_horizon_unplaced")),
            number(row["baseline_overdue_unplaced"]),
        )
        for row in summary["urgent"]
    ]
    heads = (
        "Priority",
        "Waiting",
        "Overdue today",
        "Overdue, no place",
        f"Due by {date(summary['instance']['horizon_end'])}, no place",
        "Overdue, no place, by hand",
    )
    left = sum(row["overdue_unplaced"] for row in summary["urgent"])
    blocks = [Block("Urgent people", grid=Grid("Urgent people and their due dates", heads, rows))]
    if summary["month_end"]:
        blocks.append(_month_end(summary["month_end"]))
    lead = (
        f"{people(left)} with an overdue due date {'has' if left == 1 else 'have'} no place. "
        "Please look at each of them today."
        if left
        else "Nobody whose due date has passed is without a place."
    )
    return Section("urgent", "Urgent people and month-end breaches", blocks, lead)


def _month_end(found: list[dict[str, Any]]) -> Block:
    names = [f"Over {row['over_weeks']} weeks on {date(row['date'])}" for row in found]
    bars = [
        Bar(
            name,
            f"{number(row['left'])} of {number(row['people'])} left",
            ((row["placed"], "fill"), (row["left"], "warn")),
            mark=row["people"] - row["baseline_left"],
            track=row["people"],
        )
        for name, row in zip(names, found, strict=True)
        if row["people"]
    ]
    rows = [
        (name, *(number(row[figure]) for figure in ("people", "placed", "left", "baseline_left")))
        for name, row in zip(names, found, strict=True)
    ]
    chart = bar_chart(
        "month-end",
        "People who would be over a wait band at a month end",
        "The dark part of each bar has a place by then. The figures are in the table.",
        bars,
        max(row["people"] for row in found),
    )
    legend = (("fill", "Has a place by then"), ("warn", "Breach still to come"), ("mark", "Has a place, by hand"))
    heads = ("Would be", "People", "With a place by then", "Breaches left", "Breaches left, by hand")
    return Block("Breaches at month ends", (), chart, legend, Grid("Breaches at month ends", heads, rows))


def flows(summary: Summary) -> Section:
    """Who goes where: places away from home between providers."""
    names = names_of(summary)
    independent = frozenset(row["code"] for row in summary["instance"]["providers"] if row["sector"] == "independent")
    away = [row for row in summary["flows"] if row["home"] != row["host"]]
    stayed = {row["home"]: row["places"] for row in summary["flows"] if row["home"] == row["host"]}
    total = sum(row["places"] for row in summary["flows"])
    moved = sum(row["places"] for row in away)
    blocks = []
    if away:
        chart = flow_diagram(
            "flows",
            "Places at another provider, from home to host",
            "Ribbons from home providers on the left to hosts on the right. The figures are in the table.",
            [Flow(row["home"], row["host"], row["places"]) for row in away],
            {code: short_name(name) for code, name in names.items()},
            independent,
        )
        legend = (("to-nhs", "To an NHS provider"), ("to-independent", "To an independent provider"))
        away.sort(key=lambda row: (names[row["home"]], -row["places"], names[row["host"]]))
        rows = [(names[row["home"]], names[row["host"]], number(row["places"])) for row in away]
        grid = Grid("Places at another provider", ("Home", "Host", "Places"), rows, texts=(0, 1))
        blocks.append(Block("From home to host", (), chart, legend, grid, beside=False, folded=len(rows) > LONG_TABLE))
    blocks.append(Block("By provider", grid=_by_provider(summary, names, stayed)))
    lead = (
        f"{number(moved)} of {plural(total, 'place')} ({share(moved, total)}) are at another provider, "
        f"{number(total - moved)} at the home provider."
    )
    return Section("flows", "Who goes where", blocks, lead)


def _by_provider(summary: Summary, names: Mapping[str, str], stayed: Mapping[str, int]) -> Grid:
    sent: dict[str, int] = {}
    received: dict[str, int] = {}
    for row in summary["flows"]:
        if row["home"] != row["host"]:
            sent[row["home"]] = sent.get(row["home"], 0) + row["places"]
            received[row["host"]] = received.get(row["host"], 0) + row["places"]
    waiting = {row["group"]: row for row in summary["counts"]["home"]}
    rows = []
    for provider in summary["instance"]["providers"]:
        code = provider["code"]
        own = waiting.get(code, {"all_waiting": 0, "unplaced": 0})
        figures = (own["all_waiting"], stayed.get(code, 0), sent.get(code, 0), received.get(code, 0), own["unplaced"])
        if any(figures):
            rows.append((names[code], *map(number, figures)))
    heads = ("Provider", "Waiting", "Placed at home", "Sent elsewhere", "Received", "Without a place")
    return Grid("Each provider's people and places", heads, rows)
