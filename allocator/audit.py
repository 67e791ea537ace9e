"""Audit: is the plan what it says it is, recomputed from the tables and the placements alone.

Three parts, none of which knows columns, rows or a solver: invariants that hold under every policy (written
here), every rule's own `check`, and every goal's own `score` beside the value that was reported.

One thing is taken from the screens rather than from the checks: who has an option at all, the base of
equity. It is built anew with `build_options` from the tables, because asking each check about every pair of
entry and session one by one would take hours; the contract test of the rules compares the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from allocator.allocation import Allocation, Placement, fixed_placements
from allocator.answer import Audit, GoalResult
from allocator.options import Facts, build_options
from allocator.policy import Policy
from allocator.rule import Conflict, Violation, closed_sessions, find_conflicts


def audit(
    facts: Facts,
    policy: Policy,
    allocation: Allocation,
    goals: Sequence[GoalResult],
    conflicts: Sequence[Conflict],
) -> Audit:
    """Recompute every invariant, rule and goal of a plan; `goals` and `conflicts` are what was reported.

    No `goals` at all means that no value is claimed (a plan made by hand): scores are still worked out.
    """
    found = find_conflicts(policy.limits, facts)
    options = build_options(facts, policy.screens, closed_sessions(facts, found))
    base = Allocation.from_options(options, options.fixed)
    violations = [
        *unknown_ids(facts, allocation),
        *wrong_conflicts(conflicts, found),
        *wrong_bases(allocation, base),
    ]
    plan = replace(base, placements=known_placements(facts, allocation))
    for _, invariant in INVARIANTS:
        violations += invariant(facts, plan)
    violations += placed_in_closed_session(facts, plan, found)
    for rule in policy.rules:
        violations += rule.check(facts, plan)
    scores = {goal.label: goal.score(facts, plan) for goal in policy.ordered_goals}
    violations += wrong_goals(scores, goals)
    names = [*(name for name, _ in INVARIANTS), *OTHER_CHECKS]
    checked = (*names, *(rule.label for rule in policy.rules), *scores)
    return Audit(tuple(violations), scores, checked)


def unknown_ids(facts: Facts, allocation: Allocation) -> list[Violation]:
    """Placements whose entry or session is not in the tables."""
    violations = []
    for place in allocation.placements:
        for kind, key, rows in (
            ("entry", place.entry_id, facts.instance.entry_row),
            ("session", place.session_id, facts.instance.session_row),
        ):
            if key not in rows:
                violations.append(Violation("known_ids", f"the {kind} {key} is not in the tables", (place.entry_id,)))
    return violations


def known_placements(facts: Facts, allocation: Allocation) -> tuple[Placement, ...]:
    """The placements whose entry and session are in the tables; the rest cannot be judged further."""
    entries, sessions = facts.instance.entry_row, facts.instance.session_row
    known = (place for place in allocation.placements if place.entry_id in entries and place.session_id in sessions)
    return tuple(sorted(known))


def placed_twice(facts: Facts, allocation: Allocation) -> list[Violation]:
    """Entries with more than one place, of which one at least is new, or with one place written twice."""
    violations = []
    for entry_id, places in allocation.of_entry.items():
        sessions = [place.session_id for place in places]
        all_fixed = all(place.is_fixed for place in places)
        if len(places) > 1 and not (all_fixed and len(set(sessions)) == len(sessions)):
            message = f"{entry_id} has {len(places)} places: {', '.join(sessions)}"
            violations.append(Violation("nobody_twice", message, (entry_id,)))
    return violations


def fixed_changed(facts: Facts, allocation: Allocation) -> list[Violation]:
    """Offered, booked or reserved places that are missing, and places that only claim to be so."""
    settled = set(fixed_placements(facts))
    claimed = {place for place in allocation.placements if place.is_fixed}
    missing = [
        Violation("fixed_kept", f"{place.entry_id} in {place.session_id} is {place.state} and not in the plan so")
        for place in sorted(settled - claimed)
    ]
    invented = [
        Violation("fixed_kept", f"{place.entry_id} in {place.session_id} says {place.state}; no commitment says so")
        for place in sorted(claimed - settled)
    ]
    return [*missing, *invented]


def placed_though_not_waiting(facts: Facts, allocation: Allocation) -> list[Violation]:
    """New places for entries that are treated, held, or have a place already."""
    standing, held = facts.standing, facts.instance.column("patients", "held")
    settled = {place.entry for place in standing.fixed}
    violations = []
    for place in allocation.placements:
        row = facts.instance.entry_row[place.entry_id]
        if place.is_fixed or standing.waiting[row]:
            continue
        why = "treated" if standing.treated[row] else "held" if held[row] else "not waiting"
        why = "already settled elsewhere" if row in settled and not held[row] else why
        message = f"{place.entry_id} is {why} and was given a new place in {place.session_id}"
        violations.append(Violation("only_waiting_placed", message, (place.entry_id,)))
    return violations


def not_accounted(facts: Facts, allocation: Allocation) -> list[Violation]:
    """Entries that are in none of placed, unplaced, held, or booked in a session that is gone; or in two."""
    standing, held = facts.standing, facts.instance.column("patients", "held")
    off_plan = facts.instance.column("patients", "entry_id")[(standing.waiting | standing.treated) & ~held]
    return wrong_fates(facts, allocation, [entry_id for entry_id in off_plan if entry_id not in allocation.of_entry])


def wrong_fates(facts: Facts, allocation: Allocation, unplaced: Collection[str]) -> list[Violation]:
    """Entries of which not exactly one is true.

    placed (bookings included), booked in a session that is gone, held without either, or unplaced as given
    (who was treated is listed there).
    """
    entry_ids = facts.instance.column("patients", "entry_id")
    placed = set(allocation.of_entry)
    gone = {str(entry_ids[place.entry]) for place in facts.standing.fixed if place.session < 0} - placed
    fates = {
        "placed": placed,
        "booked in a session that is gone": gone,
        "held": set(entry_ids[facts.instance.column("patients", "held")]) - placed - gone,
        "unplaced": set(unplaced),
    }
    counts = Counter(entry_id for group in fates.values() for entry_id in group)
    known = set(entry_ids)
    violations = []
    for entry_id in sorted(known | set(counts)):
        if counts[entry_id] != 1 or entry_id not in known:
            told = " and ".join(fate for fate, group in fates.items() if entry_id in group) or "nowhere"
            wanted = "wanted: exactly one" if entry_id in known else "and not in the tables"
            violations.append(Violation("accounted_once", f"{entry_id} is {told}; {wanted}", (entry_id,)))
    return violations


def placed_in_closed_session(facts: Facts, allocation: Allocation, conflicts: Sequence[Conflict]) -> list[Violation]:
    """New places in a session that takes nobody else: its bookings do not fit, or intake closed it."""
    sessions = facts.instance.column("sessions", "session_id")
    closed = {str(sessions[row]) for row in closed_sessions(facts, conflicts)}
    return [
        Violation(
            "closed_sessions_closed",
            f"{place.entry_id} is new in {place.session_id}, which takes nobody new",
            (place.entry_id,),
        )
        for place in allocation.placements
        if place.session_id in closed and not place.is_fixed
    ]


def wrong_conflicts(reported: Sequence[Conflict], found: Sequence[Conflict]) -> list[Violation]:
    """Conflicts that were not reported, and reported ones that are none."""
    given, wanted = (
        {(item.entry_id, item.session_id, item.problem, item.conflicts_with) for item in items}
        for items in (reported, found)
    )
    return [
        Violation("conflicts_reported", f"{entry_id} in {session_id}: {problem} ({what})")
        for items, what in ((wanted - given, "not reported"), (given - wanted, "reported, and not so"))
        for entry_id, session_id, problem, _ in sorted(items)
    ]


def wrong_bases(given: Allocation, found: Allocation) -> list[Violation]:
    """Are the bases of equity, who has an option at all, other than the tables say."""
    violations = []
    for said, wanted, what in (
        (given.with_option, found.with_option, "an option"),
        (given.with_independent_option, found.with_independent_option, "an independent option"),
    ):
        wrong = sorted(said ^ wanted)
        if wrong:
            message = f"{len(said)} entries are said to have {what}; {len(wanted)} have one (first: {wrong[0]})"
            violations.append(Violation("equity_base", message, tuple(wrong)))
    return violations


def wrong_goals(scores: Mapping[str, int], goals: Sequence[GoalResult]) -> list[Violation]:
    """Reported values that are not the scores, goals left out or out of order, bounds that are beaten."""
    if not goals:
        return []
    labels = [goal.label for goal in goals]
    violations = []
    if labels != list(scores):
        message = f"reported goals: {', '.join(labels)}; goals of the policy: {', '.join(scores)}"
        violations.append(Violation("goal_order", message))
    for goal in goals:
        score = scores.get(goal.label)
        if score is not None and goal.value != score:
            violations.append(Violation("goal_values", f"{goal.label}: reported {goal.value}; the tables say {score}"))
        if goal.certified_bound is not None and beats(goal.sense, goal.value, goal.certified_bound):
            message = f"{goal.label}: the value {goal.value} is beyond its proven bound {goal.certified_bound}"
            violations.append(Violation("bounds_hold", message))
    return violations


def beats(sense: str, value: int, bound: int) -> bool:
    """Is a value better than a bound says is possible."""
    return value > bound if sense == "max" else value < bound


INVARIANTS: tuple[tuple[str, Callable[[Facts, Allocation], list[Violation]]], ...] = (
    ("nobody_twice", placed_twice),
    ("fixed_kept", fixed_changed),
    ("only_waiting_placed", placed_though_not_waiting),
    ("accounted_once", not_accounted),
)
OTHER_CHECKS = (
    "known_ids",
    "conflicts_reported",
    "closed_sessions_closed",
    "equity_base",
    "goal_order",
    "goal_values",
    "bounds_hold",
)
