"""What the report says: codes and shares in words, and how far a goal is from the best possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allocator.words import goal_name, number, plain, plural, quantity

COLUMN_WORDS: Mapping[str, str] = {
    "transfer_consent": "Would the patient go to another provider?",
    "asa_grade": "ASA grade (fitness for an anaesthetic)",
    "bmi": "Body mass index",
    "age_years": "Age",
    "needs_hdu": "High dependency bed needed?",
    "poa_valid_until": "Pre-operative assessment valid until",
    "procedure_code": "Procedure code",
}
REASON_WORDS: Mapping[str, str] = {
    "session_in_conflict": "every session left is closed: a booking there does not fit, or its data are damaged",
    "several_rules": "several rules together leave no session",
    "several_limits": "sessions are possible, and several limits keep the person out",
    "worsens_a_goal": "a place is free, and using it would make the plan worse on a goal",
}
EFFECT_WORDS: Mapping[str, str] = {
    "row_refused": "Row refused",
    "value_blanked": "Value counted as not known",
    "entry_held": "Person held: kept out of the plan, keeps what they have",
}

PART_WORDS: Mapping[str, str] = {
    "sessions": "sessions",
    "without_place": "people without a place",
    "placed": "people placed elsewhere than best",
    "openings": "opening of sessions",
    "auxiliaries": "shares and shortfalls",
}
LARGEST_PARTS = 4
"""Parts of a gap that are named; the others are one."""
SMALL_GAP = 20
"""Below it parts are shown with decimals."""


def share(part: float, whole: float) -> str:
    """53%; "–" where there is no whole. Never 100% or 0% unless it is exact."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.1 or 99.9 < percent < 100:
        return "under 0.1%" if percent < 50 else "over 99.9%"
    return f"{percent:.0f}%" if 0.5 <= percent <= 99.5 or percent in (0, 100) else f"{percent:.1f}%"


def versus(plan: float | None, baseline: float | None) -> str:
    """By how much the plan differs from the baseline: "12 more", "3 fewer", "the same"."""
    if plan is None or baseline is None:
        return "not comparable"
    difference = plan - baseline
    if difference == 0:
        return "the same"
    return f"{number(abs(difference))} {'more' if difference > 0 else 'fewer'}"


def do_not_fit(conflicts: int) -> str:
    """So many bookings do not fit what is there."""
    return f"{plural(conflicts, 'booking')} {'does' if conflicts == 1 else 'do'} not fit what is there"


def proven(goal: Mapping[str, Any]) -> str:
    """What the certificate proves about one goal of summary.json, in a sentence."""
    if goal["certified_bound"] is None:
        return "Not proven."
    return "Proven: " + _best(goal, goal["certified_bound"], goal["certified_gap"])


def gap_sentence(goal: Mapping[str, Any]) -> str:
    """Where the gap of one goal of summary.json is, largest parts first; empty where there is none, or no proof."""
    split, bound = goal["gap_split"], goal["certified_bound"]
    if split is None or bound in (None, goal["value"]):
        return ""
    gap = abs(bound - goal["value"])
    step = _step(gap, goal["unit"])
    parts = [part for part in split["parts"] if part["kind"] != "rounding"][:LARGEST_PARTS]
    large = [(part_name(part), step * round(part["amount"] / split["scale"] / step)) for part in parts]
    # What is shown adds up to what is shown.
    rest = step * round(gap / step) - sum(amount for _, amount in large)
    shown = [
        (_amount(amount, step, goal["unit"]), name) for name, amount in [*large, ("other parts and rounding", rest)]
    ]
    told = [f"{amount} from {name}" for amount, name in shown if amount.strip("-£0.%")]
    return f"Of the gap of {quantity(gap, goal['unit'])}: {', '.join(told)}."


def part_name(part: Mapping[str, Any]) -> str:
    """A part of a gap in plain words: "sessions", "overnight beds", "people without a place"."""
    if part["kind"] == "rule":
        return plain(part["label"]).lower()
    if part["kind"] == "goal":
        return f"room left in {goal_name(part['label']).lower()}"
    return PART_WORDS[part["kind"]]


def _step(gap: int, unit: str) -> float:
    """What parts of a gap are rounded to, in the unit: finer where the gap is small."""
    if unit == "pence":
        return 100.0
    return 1.0 if unit == "hundredths of a percent" or gap >= SMALL_GAP else 0.01


def _amount(amount: float, step: float, unit: str) -> str:
    """A part of a gap, rounded to such steps, without its unit."""
    sign = "-" if amount < 0 else ""
    if unit == "pence":
        return f"{sign}£{abs(amount) / 100:,.0f}"
    if unit == "hundredths of a percent":
        return f"{amount / 100:.2f}%"
    return f"{amount:,.0f}" if step == 1.0 else f"{amount:,.2f}"


def claimed(goal: Mapping[str, Any]) -> str:
    """What the solver claims about one goal of summary.json, in a sentence; no proof stands behind it."""
    if goal["solver_bound"] is None:
        return "No claim."
    return "Claimed: " + _best(goal, goal["solver_bound"], goal["solver_gap"])


def _best(goal: Mapping[str, Any], bound: int, gap: float) -> str:
    """Where the best possible can lie at most; the gap leaves out what no plan can change."""
    if bound == goal["value"]:
        return "no plan does better."
    verb = "gets above" if goal["sense"] == "max" else "gets below"
    left = quantity(abs(bound - goal["value"]), goal["unit"])
    ratio = f", {100 * gap:.2g}% of what this plan changes" if gap < 1 else ""
    return f"no plan {verb} {quantity(bound, goal['unit'])}. At most {left} left to gain{ratio}."
