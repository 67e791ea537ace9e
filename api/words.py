"""A run in a dozen plain lines for the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from allocator.answer import GoalResult, Run
from allocator.ending import Ending
from allocator.report.words import do_not_fit, gap_sentence
from allocator.words import number, people, quantity

SHOWN_WITH_VALUE = ("pence", "hundredths of a percent")
"""Units that people read as another."""


def run_lines(summary: dict[str, Any], run: Run, out: Path) -> list[str]:
    """What was planned, how good it is on every goal, and where to look."""
    lines = [
        f"{run.facts.instance.info.name}: {accounts_words(summary['accounts'])}.",
        "The audit passed." if run.audit.passed else "THE AUDIT FAILED.",
        *notices(summary, run),
        "",
        f"{'goal':<28}{'plan':>14}{'by hand':>14}{'no plan beats':>15}{'gap':>8}",
    ]
    lines += [goal_line(goal, run.baseline_scores[goal.label]) for goal in run.goals]
    if ignored := summary["overrides_ignored"]:
        lines += ["", f"NOT OBEYED: pins and vetoes ({ignored:,}); this policy has no rule overrides."]
    solved = [goal.label for goal in run.goals if goal.solver_bound == goal.value != goal.certified_bound]
    if solved:
        lines += ["", f"No plan beats these either, the solver says; the certificate proves less: {', '.join(solved)}."]
    split = [(goal["label"], gap_sentence(goal)) for goal in summary["goals"]]
    told = [f"{label}: {sentence}" for label, sentence in split if sentence]
    lines += ["", *told] if told else []
    if run.peak_megabytes is not None:
        lines += ["", f"Most memory in use, solvers included: {run.peak_megabytes:,.0f} MB."]
    lines += ["", f"Report:  {out / 'report.html'}", f"Plan:    {out / 'allocation.csv'}"]
    return lines


def notices(summary: dict[str, Any], run: Run) -> list[str]:
    """What must be known before the figures: bookings that do not fit, and that a run was cut short."""
    told = []
    if conflicts := summary["conflicts"]:
        told.append(f"{do_not_fit(conflicts)}; please settle today: conflicts.csv.")
    if run.ending is Ending.CANCELLED:
        told.append("Cancelled: this is the best plan by then, audited and kept.")
    return told


def accounts_words(accounts: dict[str, int]) -> str:
    """How many rows of the list have a place, have none, and count as neither."""
    beside = {"treated": "treated already", "held": "held", "refused": "refused"}
    told = [f"{number(accounts[name])} {words}" for name, words in beside.items() if accounts[name]]
    return ", ".join([f"{people(accounts['placed'])} with a place, {number(accounts['unplaced'])} without one", *told])


def goal_line(goal: GoalResult, by_hand: int) -> str:
    """One goal: the plan's value, the baseline's, the certified bound and the gap between."""
    gap = goal.gap(goal.certified_bound)
    shown = "" if gap is None else gap_words(gap)
    bound = "not proven" if goal.certified_bound is None else amount(goal.certified_bound, goal.unit)
    plan, hand = amount(goal.value, goal.unit), amount(by_hand, goal.unit)
    unit = "" if goal.unit in SHOWN_WITH_VALUE else f"  {goal.unit}"
    return f"{goal.label:<28}{plan:>14}{hand:>14}{bound:>15}{shown:>8}{unit}"


def amount(value: int, unit: str) -> str:
    """A value for a column: pounds and percentages with their sign, of others the figure alone."""
    return quantity(value, unit) if unit in SHOWN_WITH_VALUE else number(value)


def gap_words(gap: float) -> str:
    """12.3%. Where the bound of a late goal is further off than the value is from nothing, a percentage says little."""
    return f"{100 * gap:.1f}%" if gap < 1 else "loose"
