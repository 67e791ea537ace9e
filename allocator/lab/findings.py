"""What came out of a study: every scenario against the base, over all populations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd

from allocator.compare import GoalChange, Verdict, goal_change, shared
from allocator.lab.parts import FIGURES, NO_PLAN, Part, Result
from allocator.lab.scenario_file import Scenario, Study


@dataclass(frozen=True)
class GoalFinding:
    """One goal of one scenario against the base, a change a population, in their order."""

    label: str
    unit: str
    sense: str
    changes: tuple[GoalChange, ...]

    @property
    def value(self) -> float:
        """The scenario's value, the mean over populations."""
        return fmean(change.b for change in self.changes)

    @property
    def bound(self) -> float | None:
        """What no plan of the scenario beats, the mean over populations; None where one is unproven."""
        bounds = [change.bound_b for change in self.changes if change.bound_b is not None]
        return fmean(bounds) if len(bounds) == len(self.changes) else None

    @property
    def verdict(self) -> Verdict:
        """Better, worse or the same only where that is proven on every population."""
        verdicts = {change.verdict for change in self.changes}
        return verdicts.pop() if len(verdicts) == 1 else "undecided"

    @property
    def better_plans(self) -> int:
        """On how many populations the scenario's plan has the better value."""
        return sum(change.b > change.a if self.sense == "max" else change.b < change.a for change in self.changes)


@dataclass(frozen=True)
class Finding:
    """One scenario: its goals against the base, its figures (means over populations), and its seconds in all.

    no_plan  why there is no plan on some population; then there are no goals, and no figure is known
    """

    scenario: Scenario
    goals: tuple[GoalFinding, ...]
    figures: Mapping[str, float | None]
    entries: float
    seconds: float
    no_plan: str = ""

    def goal(self, label: str) -> GoalFinding | None:
        """The goal with this label; None where the scenario's policy has none."""
        return next((goal for goal in self.goals if goal.label == label), None)


def findings_of(study: Study, parts: Sequence[Part], results: Mapping[str, Result]) -> tuple[Finding, ...]:
    """Every scenario in the order of the file, the base first."""
    mine: dict[str, list[Result]] = {}
    for part in parts:
        mine.setdefault(part.scenario.name, []).append(results[part.key])
    base = study.scenarios[0]
    return tuple(finding(scenario, mine[scenario.name], base, mine[base.name]) for scenario in study.scenarios)


def finding(scenario: Scenario, results: Sequence[Result], base: Scenario, base_results: Sequence[Result]) -> Finding:
    """One scenario against the base."""
    impossible = next((str(result[NO_PLAN]) for result in results if NO_PLAN in result), "")
    if impossible:
        return Finding(scenario, (), dict.fromkeys(FIGURES), 0, 0, impossible)
    both = shared(base.policy, scenario.policy)
    goals = []
    for row in results[0]["goals"]:
        label = row["label"]
        alike = label in both and both[label][0] == both[label][1]
        pairs = [(goal_of(b, label), goal_of(a, label)) for b, a in zip(results, base_results, strict=True)]
        changes = tuple(
            goal_change(
                label,
                row["unit"],
                row["sense"],
                ((before or after)["value"], after["value"]),
                (before["bound"] if alike and before else None, after["bound"]),
                alike=alike,
            )
            for after, before in pairs
            if after is not None
        )
        goals.append(GoalFinding(label, row["unit"], row["sense"], changes))
    return Finding(
        scenario,
        tuple(goals),
        {name: mean([result["figures"][name] for result in results]) for name in FIGURES},
        fmean(result["entries"] for result in results),
        sum(result["seconds"] for result in results),
    )


def goal_of(result: Result, label: str) -> Mapping[str, Any] | None:
    """The goal of a result with this label."""
    return next((row for row in result["goals"] if row["label"] == label), None)


def mean(values: Sequence[float | None]) -> float | None:
    """The mean; None where a value is not known."""
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def goals_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """A row a scenario, goal and population: value, bound, and the range of the change of the best possible."""
    rows = [
        {
            "scenario": item.scenario.name,
            "of": item.scenario.of,
            **at_columns(item.scenario),
            "population": population,
            "goal": goal.label,
            "unit": goal.unit,
            "sense": goal.sense,
            "value": change.b,
            "bound": change.bound_b,
            "base_value": change.a if change.verdict != "not_in_both" else None,
            "change_low": change.low,
            "change_high": change.high,
            "verdict": change.verdict,
        }
        for item in findings
        for goal in item.goals
        for population, change in enumerate(goal.changes, 1)
    ]
    return pd.DataFrame(rows)


def figures_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """A row a scenario: figures of its plans, means over populations."""
    rows = [
        {
            "scenario": item.scenario.name,
            "of": item.scenario.of,
            **at_columns(item.scenario),
            "entries": item.entries,
            **item.figures,
            "seconds": round(item.seconds, 1),
            "no_plan": item.no_plan,
        }
        for item in findings
    ]
    return pd.DataFrame(rows)


def at_columns(scenario: Scenario) -> dict[str, Any]:
    """The values of a sweep or grid, empty where there are none."""
    first, second = (*scenario.at, None, None)[:2]
    return {"at": first, "and_at": second}


def study_figures(study: Study, findings: Sequence[Finding]) -> dict[str, Any]:
    """The whole as plain JSON values."""
    return {
        "name": study.file.name,
        "populations": study.file.populations,
        "scenarios": [
            {
                "name": item.scenario.name,
                "of": item.scenario.of,
                "at": list(item.scenario.at),
                "entries": item.entries,
                "figures": dict(item.figures),
                "no_plan": item.no_plan,
                "goals": [
                    {
                        "label": goal.label,
                        "unit": goal.unit,
                        "sense": goal.sense,
                        "value": goal.value,
                        "bound": goal.bound,
                        "verdict": goal.verdict,
                        "better_plans": goal.better_plans,
                        "populations": [
                            {"value": c.b, "bound": c.bound_b, "low": c.low, "high": c.high, "verdict": c.verdict}
                            for c in goal.changes
                        ],
                    }
                    for goal in item.goals
                ],
            }
            for item in findings
        ],
    }
