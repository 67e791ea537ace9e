"""The laboratory's findings in plain lines."""

from __future__ import annotations

from collections.abc import Sequence

from allocator.instance import Instance
from allocator.lab.handmade import GoalReview, Review
from allocator.lab.improve import Improvement
from allocator.rule import Violation
from allocator.words import date, goal_name, number, people, plural, quantity

MOST_NAMES = 6
"""Entries that are named in one line."""
MOST_LINES = 40
"""Violations that are printed one by one."""


def review_lines(review: Review, instance: Instance) -> list[str]:
    """A plan made by hand: what it breaks, what it reaches, what would improve it."""
    lines = [*review.notices, f"{plural(review.places, 'place')} in the plan" + bookings_words(review.added) + "."]
    if review.passed:
        lines.append("It keeps every rule.")
    else:
        lines.append(f"It breaks rules: {plural(len(review.violations), 'finding')}.")
        lines += [f"  {violation_words(item)}" for item in review.violations[:MOST_LINES]]
        if len(review.violations) > MOST_LINES:
            lines.append(f"  ... and {number(len(review.violations) - MOST_LINES)} more (--json lists all).")
    lines += ["", *goal_sentences(review.goals), ""]
    if not review.improvable:
        part = "No part of the plan that keeps every rule was found, so improvements are not listed."
        return [*lines, part]
    if review.pins_added:
        added = plural(len(review.pins_added), "place")
        lines.append(f"Added, since pins ask for it: {added}: {places_words(review.pins_added)}.")
    if review.left_out:
        left = plural(len(review.left_out), "place")
        lines.append(f"Without {left} the rest keeps every rule: {places_words(review.left_out)}.")
    if not review.improvements:
        return [*lines, "No single place, move, handing on or exchange that was tried improves the plan."]
    lines.append(
        "Cheapest improvements, those that disturb fewest people first. Each was checked by an audit by itself: two"
        " that use one person or the same room may not go together."
    )
    return lines + [
        f"  {rank}. {improvement_sentence(item, review, instance)}" for rank, item in enumerate(review.improvements, 1)
    ]


def places_words(places: Sequence[tuple[str, str]]) -> str:
    """Who is placed where; of many the first, and how many more."""
    more = len(places) - MOST_LINES
    told = ", ".join(f"{entry} in {session}" for entry, session in places[:MOST_LINES])
    return told + (f" and {number(more)} more" if more > 0 else "")


def violation_words(item: Violation) -> str:
    """What is wrong, and about whom where the message does not say."""
    missing = [entry_id for entry_id in item.entry_ids if entry_id not in item.message]
    who = ", ".join(missing[:MOST_NAMES]) + (
        f" and {number(len(missing) - MOST_NAMES)} more" * (len(missing) > MOST_NAMES)
    )
    return f"{item.rule}: {item.message}" + (f" ({who})" if missing else "")


def bookings_words(added: int) -> str:
    """Says how many bookings were added that a file did not list."""
    return f", {plural(added, 'booking')} or offers kept that the file does not list among them" if added else ""


def goal_sentences(goals: Sequence[GoalReview]) -> list[str]:
    """All goals in order; from the first that only breaking rules reaches, no plan is there to be measured against."""
    first = next((k for k, goal in enumerate(goals) if goal.beyond), len(goals))
    after = (
        f"{goal_name(goal.label)}: {quantity(goal.value, goal.unit)}; nothing is proven, since no plan that keeps "
        f"the rules is as good on {goal_name(goals[first].label)} "
        f"(this program's plan: {quantity(goal.engine, goal.unit)})."
        for goal in goals[first + 1 :]
    )
    return [*(goal_sentence(goal) for goal in goals[: first + 1]), *after]


def goal_sentence(goal: GoalReview) -> str:
    """What a plan made by hand reaches on a goal, and how far from the best that can be."""
    beats = "gets above" if goal.sense == "max" else "gets below"
    told = f"{goal_name(goal.label)}: {quantity(goal.value, goal.unit)}; "
    engine = f"this program's plan: {quantity(goal.engine, goal.unit)}"
    bound, left = quantity(goal.bound, goal.unit), quantity(goal.distance, goal.unit)
    if goal.beyond:
        return f"{told}only since it breaks rules: no plan that keeps them {beats} {bound} ({engine})."
    if goal.distance == 0:
        return f"{told}proven: no plan that is as good on the goals before does better ({engine})."
    return f"{told}no plan as good on the goals before {beats} {bound}: at most {left} to gain ({engine})."


def improvement_sentence(item: Improvement, review: Review, instance: Instance) -> str:
    """One improvement: who goes where, and what it gains."""
    units = {goal.label: goal.unit for goal in review.goals}
    label, before, after = item.gains[0]
    gain = f"{goal_name(label)}: from {quantity(before, units[label])} to {quantity(after, units[label])}"
    disturbed = f"; {people(item.disturbed)} with a place would be told" if item.disturbed else ""
    return f"{moves_words(item.places, instance)}. {gain}{disturbed}."


def moves_words(places: tuple[tuple[str, str, str], ...], instance: Instance) -> str:
    """Who goes where: "e3 into s2 (Beta General, 10 March 2026), e1 out of it"."""
    parts = []
    for entry_id, old, new in places:
        source = f" from {old}" if old and new else ""
        target = f"into {session_words(new, instance)}" if new else f"loses the place in {old}"
        parts.append(f"{entry_id}{source} {target}")
    return ", ".join(parts)


def session_words(session_id: str, instance: Instance) -> str:
    """A session with its site and day."""
    session = instance.session[session_id]
    return f"{session_id} ({instance.site[session['site_code']]['name']}, {date(str(session['date']))})"
