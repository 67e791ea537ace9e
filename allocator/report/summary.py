"""summary.json: the run in figures. The page is made from it and from nothing else.

Nothing in it depends on the clock of the machine: equal inputs give equal bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from allocator.answer import GapPart, GoalResult, Run
from allocator.intake import Intake
from allocator.report.counts import counts, flows, month_end, rules, sites, urgent
from allocator.report.headline import headline
from allocator.report.people import people_table
from allocator.report.safe import plain_value
from allocator.report.tables import quarantine_table
from allocator.rule import Screen
from allocator.why.pins import PinPrice

OLD_LIST_DAYS = 7
"""A list older than this on the plan date is warned of."""

MOST_PROBLEMS = 60
"""Kinds of problems found at intake that are shown, commonest first."""


def summarise(
    run: Run, intake: Intake | None, sessions: pd.DataFrame, wanted: pd.DataFrame, prices: Sequence[PinPrice]
) -> dict[str, Any]:
    """Everything that the page says, as plain JSON values.

    `sessions` is the table of `sessions_table`, `wanted` that of `data_wanted_table`, `prices` those of pins.
    """
    people = people_table(run)
    return {
        "instance": about_instance(run),
        "policy": {"name": run.policy.name},
        "ending": str(run.ending),
        "audit": {
            "passed": run.audit.passed,
            "rules_checked": len(run.audit.checked),
            "violations": len(run.audit.violations),
        },
        "accounts": accounts(run, intake, people),
        "headline": {"plan": headline(run, run.allocation), "baseline": headline(run, run.baseline)},
        "goals": [goal_figures(run, goal) for goal in run.goals],
        "counts": counts(people),
        "flows": flows(run, run.allocation),
        "baseline_flows": flows(run, run.baseline),
        "sites": sites(run, sessions),
        "rules": rules(run),
        "month_end": month_end(run),
        "unplaced_by_reason": unplaced_by_reason(run),
        "urgent": urgent(run, people),
        "intake": refused_or_held(intake),
        "conflicts": len(run.conflicts),
        "overrides_ignored": ignored_overrides(run),
        "overrides": [asdict(price) | {"price": price.sentence()} for price in prices],
        "old_lists": old_lists(run),
        "data_wanted": data_wanted(wanted),
        "travel": {"estimated": _estimated(run), "places": len(run.allocation.placements)},
    }


def ignored_overrides(run: Run) -> int:
    """How many pins and vetoes the policy has no rule for."""
    obeyed = any(rule.name == "overrides" for rule in run.policy.rules)
    return 0 if obeyed else len(run.facts.instance.frames["overrides"])


def about_instance(run: Run) -> dict[str, Any]:
    """What was planned, for when, and whether the people in it are real."""
    info = run.facts.instance.info
    organisations = run.facts.instance.organisations
    return {
        "name": info.name,
        "synthetic": info.synthetic,
        "plan_date": info.plan_date.isoformat(),
        "horizon_start": info.horizon_start.isoformat(),
        "horizon_end": info.horizon_end.isoformat(),
        "reporting_dates": [date.isoformat() for date in info.counted_on],
        "sources": list(info.sources),
        "notes": info.notes,
        "fingerprint": run.facts.instance.fingerprint,
        "providers": [
            {"code": code, "name": name, "sector": sector}
            for code, name, sector in zip(
                organisations["provider_code"], organisations["name"], organisations["sector"], strict=True
            )
        ],
        "options": run.n_options,
        "sessions": len(run.facts.instance.sessions),
    }


def accounts(run: Run, intake: Intake | None, people: pd.DataFrame) -> dict[str, Any]:
    """Every patient row that was read, once. Treated ones stand in unplaced.csv too, with that as the reason."""
    by_status = Counter(people["status"])
    accepted = len(people)
    read = accepted if intake is None else int(intake.rows_read.get("patients", accepted))
    reasoned = {item.entry_id for item in run.unplaced}
    unplaced = set(people.loc[people["status"].isin(["unplaced", "treated"]), "entry_id"])
    return {
        "patients_read": read,
        "placed": by_status["placed"] + by_status["booking_lost"],
        "of_which_booking_lost": by_status["booking_lost"],
        "unplaced": by_status["unplaced"],
        "refused": read - accepted,
        "held": by_status["held"],
        "treated": by_status["treated"],
        "balanced": reasoned == unplaced and len(reasoned) == len(run.unplaced),
    }


def goal_figures(run: Run, goal: GoalResult) -> dict[str, Any]:
    """One goal: the plan's value, the baseline's, and how far from the best possible it can be."""
    sentences = {item.label: item.sentence for item in run.policy.ordered_goals}
    return {
        "label": goal.label,
        "sentence": sentences.get(goal.label, ""),
        "sense": goal.sense,
        "unit": goal.unit,
        "tolerance": goal.tolerance,
        "value": goal.value,
        "base": goal.base,
        "baseline": run.baseline_scores.get(goal.label),
        "solver_bound": goal.solver_bound,
        "certified_bound": goal.certified_bound,
        "solver_gap": goal.gap(goal.solver_bound),
        "certified_gap": goal.gap(goal.certified_bound),
        "ending": str(goal.ending),
        "gap_split": split_figures(run.gap_parts.get(goal.label), run.certificate.scale),
    }


def split_figures(parts: Sequence[GapPart] | None, scale: int) -> dict[str, Any] | None:
    """Where a gap is: amounts, in units of 1 / scale, that add up to it exactly; None if unproven."""
    return None if parts is None else {"scale": scale, "parts": [asdict(part) for part in parts]}


def unplaced_by_reason(run: Run) -> list[dict[str, Any]]:
    """How many have no place for each reason, most first, with one reason in full as an example."""
    numbers = Counter(item.reason_code for item in run.unplaced)
    examples = {item.reason_code: item.reason for item in sorted(run.unplaced, key=lambda item: item.entry_id)[::-1]}
    meanings = {rule.name: rule.refusal if isinstance(rule, Screen) else rule.blocked for rule in run.policy.rules}
    return [
        {"reason_code": code, "meaning": meanings.get(code, ""), "entries": number, "example": examples[code]}
        for code, number in sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    ]


def refused_or_held(intake: Intake | None) -> dict[str, Any]:
    """What intake did with bad rows and values, emergencies first."""
    if intake is None:
        return {"emergencies": [], "effects": {}, "problems": [], "notices": []}
    table = quarantine_table(intake)
    emergencies = Counter(intake.emergencies["home_provider"].astype("str"))
    # Problems that differ only in their numbers are one; the first stands for all.
    keys = [
        (str(effect), str(name), str(column), re.sub(r"\d+", "N", str(problem)))
        for effect, name, column, problem in zip(
            *(table[name] for name in ("effect", "table", "column", "problem")), strict=True
        )
    ]
    grouped = Counter(keys)
    examples = dict(zip(reversed(keys), reversed(table["problem"].astype("str").tolist()), strict=True))
    return {
        "emergencies": [{"home": home, "entries": number} for home, number in sorted(emergencies.items())],
        "effects": dict(sorted(Counter(table["effect"].astype("str")).items())),
        "problems": [
            {"effect": key[0], "table": key[1], "column": key[2], "problem": examples[key], "rows": number}
            for key, number in sorted(grouped.items(), key=lambda item: (-item[1], item[0]))
        ][:MOST_PROBLEMS],
        "notices": [str(notice) for notice in intake.notices],
    }


def old_lists(run: Run) -> list[dict[str, Any]]:
    """Organisations whose list is more than a week old on the plan date."""
    instance = run.facts.instance
    ages = np.datetime64(instance.info.plan_date) - instance.column("organisations", "list_as_of")
    organisations = instance.organisations
    return [
        {
            "provider": str(organisations["provider_code"].iloc[row]),
            "list_as_of": plain_value(instance.column("organisations", "list_as_of")[row]),
            "days_old": int(ages[row].astype(int)),
        }
        for row in np.flatnonzero(ages > np.timedelta64(OLD_LIST_DAYS, "D"))
    ]


def data_wanted(wanted: pd.DataFrame) -> list[dict[str, Any]]:
    """Blanks by column: how many people they concern, and how many options filling them could open."""
    totals = wanted.groupby("column").agg(entries=("entry_id", "size"), options=("options_it_would_open", "sum"))
    rows = [{"column": str(name)} | {str(k): int(v) for k, v in row.items()} for name, row in totals.iterrows()]
    return sorted(rows, key=lambda row: (-row["options"], row["column"]))


def _estimated(run: Run) -> int:
    instance = run.facts.instance
    return sum(
        run.facts.travel_estimated(place.entry_id, instance.session[place.session_id]["site_code"])
        for place in run.allocation.placements
    )
